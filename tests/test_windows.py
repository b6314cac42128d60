"""Long horizons start from windows: optimum, prices and quantities of the horizon as a whole, wherever they are cut."""

import time

import numpy as np
import pytest
from pyomo.environ import Constraint, Var

from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.lp.matrix import compile_block
from otonari.model.results import collect
from otonari.model.solver import components, tie_breaking, windows
from otonari.model.solver.solve import solve
from otonari.runs.clear.single import clear

from . import counts
from .benchmarks.neighbourhood import neighbourhood
from .communities import community, random_community

pytestmark = pytest.mark.thorough

RANDOM = range(200)


@pytest.fixture
def cut(monkeypatch):
    """Let no horizon be long, until the function returned cuts each into windows of so many slots and so far ahead."""
    monkeypatch.setattr(windows, "LONG", 10**9)

    def lengths(window, ahead):
        monkeypatch.setattr(windows, "WINDOW", window)
        monkeypatch.setattr(windows, "AHEAD", ahead)
        monkeypatch.setattr(windows, "LONG", 1)
        monkeypatch.setattr(windows, "ROWS", 0)
        monkeypatch.setattr(tie_breaking, "APART", 0)
        monkeypatch.setattr(tie_breaking, "MOST", 2.0)

    return lengths


def cleared(inputs, market="p2p", **options):
    block = community_block(inputs, market)
    return solve(block, **options), collect(block)


def assert_same(one, other):
    assert one[0].objective == pytest.approx(other[0].objective, rel=1e-9, abs=1e-9)
    for name in other[1]:
        assert np.allclose(one[1][name], other[1][name], atol=1e-6), name


@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_two_weeks_clear_as_one(cut, market):
    inputs = neighbourhood(7, days=14)
    whole = cleared(inputs, market)
    assert "windows" not in whole[0].method
    cut(96, 48)
    parts = cleared(inputs, market)
    assert "windows" in parts[0].method
    assert max(parts[0].proof.values()) < 1e-9
    assert_same(parts, whole)


@pytest.mark.parametrize("seed", counts.all_or(RANDOM, RANDOM[:16]))
def test_a_random_community_clears_as_one_whatever_its_windows(cut, seed):
    crossing = seed % 4 == 3
    inputs = random_community(seed, crossing=crossing)
    whole = cleared(inputs, one_way=not crossing)
    cut(1 + seed % 2, 1)
    assert_same(cleared(inputs, one_way=not crossing), whole)
    assert_same(cleared(inputs, start=cleared(inputs, "grid-only")[0], one_way=not crossing), whole)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", counts.all_or(RANDOM, RANDOM[40:80]))
def test_ties_break_alike_in_the_parts_that_an_optimal_face_falls_into(monkeypatch, seed):
    inputs = random_community(seed)
    whole = cleared(inputs, one_way=False)
    monkeypatch.setattr(tie_breaking, "APART", 0)
    monkeypatch.setattr(tie_breaking, "MOST", 2.0 * (seed % 2))
    monkeypatch.setattr(components, "ROWS", 1)
    seen = spied(monkeypatch)
    assert_same(cleared(inputs, one_way=False), whole)
    assert seen
    assert max(seen) <= 1e-7


def spied(monkeypatch):
    """Return a list of how far values are outside wherever the primal simplex begins to move weights [kW]."""
    warm_run, seen = tie_breaking.warm_run, []

    def watched(highs, *, cost=None, **changes):
        if cost is not None and cost.max(initial=0.0) >= tie_breaking.SHARP:
            seen.append(np.inf if changes else highs.getInfo().max_primal_infeasibility)
        return warm_run(highs, cost=cost, **changes)

    monkeypatch.setattr(tie_breaking, "warm_run", watched)
    return seen


@pytest.mark.parametrize("seed", counts.all_or(RANDOM, RANDOM[:6]))
def test_directions_are_decided_as_well(cut, seed):
    inputs = random_community(seed, crossing=True, min_charge=seed % 2 == 0)
    whole = cleared(inputs, mip_gap=0.0)[0].objective
    cut(1, 1)
    assert cleared(inputs, mip_gap=0.0)[0].objective == pytest.approx(whole, rel=1e-6, abs=1e-6)


def car_that_leaves_at_last(distance):
    """Return a home with a car without an engine, plugged in for ten hours at 1 kW; it needs 1 kWh a km."""
    return community(
        {
            "slots": [1.0] * 12,
            "nodes": {"street": {"parent": ""}},
            "tariffs": {"night": {"retail_price": [20.0] * 8 + [30.0] * 4, "feed_in_price": 8.0}},
            "participants": {"home": {"node": "street", "tariff": "night", "demand": 0.5}},
            "vehicles": {
                "car": {
                    "owner": "home",
                    "host": ["home"] * 10 + [""] * 2,
                    "capacity": 20.0,
                    "initial_energy": 0.0,
                    "charge_limit": 1.0,
                    "discharge_limit": 0.0,
                    "charge_efficiency": 1.0,
                    "discharge_efficiency": 1.0,
                    "electric_economy": 1.0,
                }
            },
            "trips": {"away": {"vehicle": "car", "departure": 10.0, "arrival": 12.0, "distance": distance}},
        }
    )


def test_what_a_window_cannot_see_is_looked_for_further_ahead(cut):
    """Six windows would do, but none sees the trip of slot ten before it is too late to charge."""
    inputs = car_that_leaves_at_last(9.0)
    whole = cleared(inputs)
    cut(2, 1)
    parts = cleared(inputs)
    assert_same(parts, whole)
    assert int(parts[0].method.split()[-2]) > 6


def test_what_cannot_be_met_is_told_as_ever(cut):
    inputs = car_that_leaves_at_last(10.5)
    with pytest.raises(Infeasible) as whole:
        cleared(inputs)
    cut(2, 1)
    with pytest.raises(Infeasible) as parts:
        cleared(inputs)
    assert str(parts.value) == str(whole.value)


def test_a_row_over_the_horizon_is_in_no_window(cut):
    """A cap on what the neighbourhood draws in two weeks, by a host model."""

    def capped():
        block = community_block(neighbourhood(7, days=14))
        block.cap = Constraint(expr=sum(block.grid.imports[i] for i in block.grid.imports) <= cap)
        return solve(block), collect(block)

    free = cleared(neighbourhood(7, days=14))
    cap = 0.99 * float(free[1]["grid_import"].sum())
    whole = capped()
    assert whole[0].objective > free[0].objective + 1.0
    cut(96, 48)
    parts = capped()
    assert "windows" in parts[0].method
    assert_same(parts, whole)


def test_every_row_and_column_has_its_slot(cut):
    """Those of a family by its labels, a trip by its departure, a user's own by the rows that they are in."""
    cut(4, 2)
    inputs = car_that_leaves_at_last(9.0)
    block = community_block(inputs)
    slot = list(block.sets.time)
    label = next(iter(block.sets.meter))
    block.bonus = Var(bounds=(0, 1))
    block.late = Constraint(expr=block.bonus <= block.grid.imports[label, slot[7]])
    block.ever = Constraint(expr=block.grid.imports[label, slot[1]] <= block.grid.imports[label, slot[9]])
    program = compile_block(block)
    slots = windows.slots(program)
    assert slots.horizon == 12
    start = 0
    for family in program.variables:
        own = slots.column[start : start + len(family.position)]
        expected = family.position % 12 if family.dims[-1] == "time" else [10]
        assert own.tolist() == list(expected), family.name
        start += len(own)
    assert slots.column[start:].tolist() == [7]
    start = 0
    for family in program.constraints:
        own = slots.row[start : start + len(family.position)]
        assert own.tolist() == (family.position % 12).tolist(), family.name
        start += len(own)
    assert slots.row[start:].tolist() == [7, windows.OUTSIDE]


def test_what_starts_near_its_optimum_goes_on_as_a_whole(cut):
    inputs = neighbourhood(7, days=14)
    cut(96, 48)
    first = cleared(inputs)
    changed = inputs.assign(demand=inputs["demand"] * 1.001)
    again = cleared(changed, start=first[0])
    assert "windows" not in again[0].method
    afresh = cleared(changed, start=cleared(changed, "grid-only")[0])
    assert "windows" in afresh[0].method
    assert_same(again, afresh)


@pytest.mark.slow
def test_a_year_clears_settles_and_passes_its_checks_within_minutes():
    """Half-hours of 20 homes with batteries and cars that give back; it takes some 50 CPU seconds."""
    began = time.process_time()
    tree = clear(neighbourhood(20, days=365), threads=1)
    assert time.process_time() - began < 150
    assert "windows" in tree.attrs["method"]
    assert tree.attrs["proof_duality_gap"] < 1e-9
    assert tree.attrs["objective"] == pytest.approx(910936.805423, abs=1e-3)
