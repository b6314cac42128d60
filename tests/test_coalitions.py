"""What coalitions gain: the hot re-solves of one program against the oracle, which knows who may trade with whom."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from numpy.testing import assert_allclose

from otonari.model.fair_shares import games
from otonari.model.fair_shares.coalitions import Coalitions
from otonari.model.fair_shares.metered import MeteredCoalitions

from . import counts, oracle
from .communities import communities, community, of_examples, random_community

SHARED = {
    "slots": [1, 1],
    "nodes": {"street": {"parent": "", "access_fee": 1}},
    "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}},
    "participants": {
        "plant": {"node": "street", "tariff": "flat", "demand": 0, "pv_available": [2, 0]},
        "first": {"node": "street", "tariff": "flat", "demand": 1},
        "second": {"node": "street", "tariff": "flat", "demand": 1},
        "night": {"node": "street", "tariff": "flat", "demand": [0, 5]},
    },
}


def assert_gains(inputs, tolerance):
    """Hold some coalitions' gains to programs of their own, in which a trade with somebody outside has no room."""
    people, coalitions = inputs["participant"].values, Coalitions(inputs)
    alone = oracle.solve(inputs, "grid-only").objective
    for inside in np.random.default_rng(len(people)).random((counts.examples(8), len(people))) < 0.6:
        together = oracle.solve(inputs, traders=set(people[inside].tolist())).objective
        assert coalitions.gain(inside) == pytest.approx(alone - together, abs=tolerance)


def test_a_plant_and_its_buyers_by_hand():
    """Each kWh that the plant sells saves 30 - 8 less two access fees of 1; at night there is nothing to share."""
    values = Coalitions(community(SHARED)).gains()
    inside = games.members(4)
    assert_allclose(values, 20.0 * inside[:, 0] * inside[:, 1:3].sum(axis=1), atol=1e-6)
    assert_allclose(games.shapley(values), [20, 10, 10, 0], atol=1e-6)


@given(communities())
@of_examples(12)
def test_coalitions_gain_what_the_oracle_says(inputs):
    assert_gains(inputs, 1e-5)


@pytest.mark.parametrize(
    "options", [{"crossing": True}, {"gross": True, "terms": True}, {"min_charge": True}]
)
@pytest.mark.parametrize("seed", counts.all_or(range(4, 12), [4]))
def test_so_they_do_with_binaries_and_meters_apart(options, seed):
    assert_gains(random_community(seed, **options), 1e-4)


@pytest.mark.parametrize(
    ("options", "seed", "wrong"), [({"crossing": True}, 6, 9), ({"min_charge": True}, 7, 3)]
)
def test_a_program_of_binaries_keeps_nothing_of_the_coalition_before(options, seed, wrong):
    """All coalitions one after another, against each one alone; once the ``wrong`` one gained what the last one did."""
    inputs = random_community(seed, **options)
    together = Coalitions(inputs).gains()
    for s in counts.all_or(range(1, len(together)), [wrong]):
        fresh = Coalitions(inputs)
        assert together[s] == pytest.approx(fresh.gain((s >> np.arange(fresh.members)) & 1 == 1), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_metered_members_gain_what_a_program_says(seed):
    """Two tariffs and a fee on shared energy: the closed form against the program of meters that plan nothing."""
    random = np.random.default_rng(seed)
    prices = np.sort(random.uniform(5, 40, (4, 3)).round(1), axis=0)
    tariffs = {
        name: {"retail_price": prices[k + 2].tolist(), "feed_in_price": prices[k].tolist(), "shared_fee": fee}
        for name, k, fee in (("low", 0, 2.0), ("high", 1, 0.0))
    }
    people = {
        f"home{k}": {
            "node": "street",
            "tariff": str(random.choice(["low", "high"])),
            "metering": "gross",
            "demand": random.uniform(0, 3, 3).round(2).tolist(),
            "pv_available": (random.uniform(0, 4, 3) * (random.random() < 0.6)).round(2).tolist(),
        }
        for k in range(5)
    }
    street = {"street": {"parent": "", "access_fee": 0.0}}
    inputs = community({"slots": [1, 0.5, 1], "nodes": street, "tariffs": tariffs, "participants": people})
    metered = MeteredCoalitions(inputs)
    assert_allclose(metered.gains(), Coalitions(inputs).gains(), atol=1e-6)
    part = np.array([1, 1, 0.5, 1, 1])
    halved = inputs.assign(demand=inputs["demand"] * xr.DataArray(part, dims="participant"))
    assert_allclose(MeteredCoalitions(inputs, part).gains(), MeteredCoalitions(halved).gains())
    assert metered.gain(np.ones(5, dtype=bool)) == pytest.approx(metered.gains()[-1])


def test_coalitions_are_solved_hot():
    coalitions = Coalitions(community(SHARED))
    coalitions.gains()
    resolves = coalitions.resolves
    assert (resolves.hot, resolves.mixed, resolves.cold) == (16, 0, 0)
