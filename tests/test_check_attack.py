"""Corruptions of single values in solved runs, over all variables: the checks must see them."""

from collections import Counter

import numpy as np
import pytest

from otonari.model.agents.rule_based import unmanaged
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.trades import bilateral
from otonari.model.solver.solve import solve
from otonari.model.topology.stores import without_final_limits

from . import counts, neighbourhood
from .communities import random_community
from .test_checks import solved

GROUPS = ("results", "trades", "settlement")
FREE = ("price", "sale_price")
"""Where nobody trades and no edge is in use, more than one price is an equilibrium: such values may pass."""


def baseline(inputs):
    """Return the run of a community that nobody manages, with what `check` wants."""
    block = community_block(inputs, "grid-only")
    solve(block)
    results, alone = unmanaged(inputs), collect(block)
    trades = bilateral(inputs, results)
    settlement = settle(inputs, results, trades, alone, prices="traded")
    groups = {"inputs": inputs, "results": results, "trades": trades, "settlement": settlement}
    return groups | {"grid_only": alone, "prices": "traded", "lp": False}


def runs():
    """Yield runs: trees and fees per pair, limits of nodes, guests, batteries, alone, and unmanaged."""
    for seed in (1, 3, 4, 7, 12, 1054):
        yield f"p2p {seed}", solved(random_community(seed))
    yield "grid-only", solved(random_community(3), "grid-only")
    yield "unmanaged", baseline(without_final_limits(random_community(3)))
    for pairs in (False, True):
        alone = neighbourhood.grid_only(pairs)
        yield f"on paper {pairs}", neighbourhood.run(pairs) | {"grid_only": alone}


def corrupted(values, rng):
    """Return the values with one of them changed, well above every tolerance."""
    values = values.copy()
    place = rng.integers(values.size)
    old = values.ravel()[place]
    if values.dtype.kind == "f":
        new = 1.0 if np.isnan(old) else old + (0.1 + 0.3 * abs(old)) * rng.choice([-1, 1])
    elif values.dtype.kind == "M":
        new = old + np.timedelta64(15, "m")
    else:
        others = [label for label in np.unique(values).tolist() if label != old]
        values, new = values.astype("<U20"), str(rng.choice(others)) if others else "somebody"
    values.reshape(-1)[place] = new
    return values


def attack(count, seed):
    """Return how many of so many corruptions are seen, and those that are not, by variable."""
    rng, seen, missed = np.random.default_rng(seed), Counter(), Counter()
    for name, run in runs():
        before = {str(v) for v in check(**run)}
        places = [(g, str(v)) for g in GROUPS for v in run[g].data_vars if run[g][v].size]
        for k in range(count // 10):
            group, variable = places[(k * 7 + int(rng.integers(7))) % len(places)]
            array = run[group][variable]
            changed = run[group].assign({variable: array.copy(data=corrupted(array.values, rng))})
            found = {str(v) for v in check(**run | {group: changed})} - before
            (seen if found else missed)[variable if found else (name, variable)] += 1
    return seen, missed


@pytest.mark.parametrize("count", [10 * counts.examples(15), pytest.param(3000, marks=pytest.mark.slow)])
def test_single_corruptions_are_seen(count):
    seen, missed = attack(count, seed=count)
    assert sum(seen.values()) + sum(missed.values()) == count
    assert {variable for _, variable in missed} <= set(FREE), missed
