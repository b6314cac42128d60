"""Regions cleared apart: the union against the single program, and the gap certified where it is not the optimum."""

import numpy as np
import pytest

from otonari.data.inputs import complete
from otonari.model import regions
from otonari.model.clearing import community_block
from otonari.model.meters import positions
from otonari.model.results import collect
from otonari.model.solve import solve

from .communities import random_community

RANDOM = [s for s in range(150) if "trade_fee" not in random_community(s)]


def tree_of(inputs):
    parent = positions(inputs, "node_parent", "node")
    crowd = np.bincount(positions(inputs, "participant_node", "node"), minlength=len(parent))
    return regions.Tree(parent, inputs["node_fee"].values, inputs["node_limit"].values, crowd)


def ties_of(inputs):
    """Return the nodes of every vehicle's owner and hosts, in pairs."""
    home = positions(inputs, "participant_node", "node")
    owner, host = (positions(inputs, f"vehicle_{w}", "participant") for w in ("owner", "host"))
    return np.array([(home[owner[v]], home[h]) for v, t in zip(*np.nonzero(host >= 0), strict=True) for h in [host[v, t]]]).reshape(-1, 2)


def part(inputs, nodes):
    """Return the inputs of some nodes alone, the topmost of them without a parent."""
    labels = inputs["node"].values[nodes]
    found = inputs.sel(node=labels)
    found = found.isel(participant=np.isin(found["participant_node"], labels))
    for device in ("battery", "vehicle"):
        found = found.isel({device: np.isin(found[f"{device}_owner"], found["participant"])})
    found = found.isel(trip=np.isin(found["trip_vehicle"], found["vehicle"])).copy(deep=True)
    top = ~np.isin(found["node_parent"], labels)
    found["node_parent"].values[top], found["node_fee"].values[top] = "", 0.0
    return complete(found)


def cleared(inputs):
    block = community_block(inputs)
    return solve(block).objective, collect(block)


def apart(inputs, tree, cut_above):
    """Return the sum of the regions' objectives and what the certificate says."""
    region, size, total = regions.regions(tree.parent, cut_above), len(tree.parent), 0.0
    whole = regions.Border(*(np.zeros((size, inputs.sizes["time"])) for _ in regions.Border._fields))
    for top in np.unique(region[tree.crowd > 0]):
        nodes = np.flatnonzero(region == top)
        own = part(inputs, nodes)
        objective, results = cleared(own)
        total += objective
        for everywhere, here in zip(whole, regions.border(own, results), strict=True):
            everywhere[nodes] = here
    return total, regions.judge(tree, cut_above, whole, inputs["slot_hours"].values)


@pytest.mark.parametrize("seed", RANDOM)
def test_the_union_is_the_optimum_or_the_gap_holds_it(seed):
    inputs = random_community(seed)
    optimum, _ = cleared(inputs)
    tree = tree_of(inputs)
    cut_above = regions.cut(tree, ties_of(inputs), most=1)
    scale = max(abs(optimum), 1.0)
    while True:
        total, verdict = apart(inputs, tree, cut_above)
        assert total - verdict.gap - 1e-6 * scale <= optimum <= total + 1e-6 * scale
        if not len(verdict.pairs):
            break
        before, cut_above = cut_above, regions.joined(tree, cut_above, verdict.pairs, most=np.inf)
        assert before.sum() > cut_above.sum(), "what would trade is joined"
    assert verdict.gap == 0
    assert total == pytest.approx(optimum, rel=1e-6, abs=1e-6)
