"""Flexible loads in the model: cases by hand, enumerated starts, the oracle, and what the checks make of a wrong run."""

from contextlib import suppress
from itertools import product

import numpy as np
import pytest

import otonari
from otonari.data.inputs.contract import complete
from otonari.model.agents.rule_based import unmanaged
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.devices.loads.tasks import NONE, runs, tasks
from otonari.model.errors import Infeasible
from otonari.model.results import collect
from otonari.model.solver import bottom_up, windows
from otonari.model.solver.solve import solve
from otonari.runs import compare
from otonari.runs.store import run_format

from . import counts, oracle
from .communities import community, random_community

SEEDS = range(4000, 4040)
MARKETS = ("p2p", "grid-only")


def street(loads, windows, slots=(1, 1, 1), prices=(20.0, 30.0, 10.0), **home):
    """Return a home with 2 kW of PV in the first slot and flexible loads, and a neighbour who consumes 1 kW then."""
    place = {"node": "street", "tariff": "retail"}
    first = [1.0, *[0.0] * (len(slots) - 1)]
    return community(
        {
            "slots": list(slots),
            "nodes": {"street": {"parent": "", "access_fee": 0.25}},
            "tariffs": {"retail": {"retail_price": list(prices), "feed_in_price": 8.0}},
            "participants": {
                "sun": {**place, "demand": 0.0, "pv_available": [2 * x for x in first], **home},
                "shade": {**place, "demand": first, "pv_available": 0.0},
            },
            "flexible_loads": loads,
            "tasks": {
                f"{load}/{k}": {"load": load, "earliest": begin, "deadline": end, "energy": energy}
                for k, (load, begin, end, energy) in enumerate(windows)
            },
        }
    )


def boiler(energy=3.0, end=3.0, **more):
    return street({"boiler": {"owner": "sun", "power_limit": 2.0, **more}}, [("boiler", 0.0, end, energy)])


def run_of(*shape, step=1.0, begin=0.0, end=3.0):
    load = {"owner": "sun", "power_limit": max(shape), "shape": list(shape), "step_hours": step}
    return street({"washer": load}, [("washer", begin, end, sum(shape) * step)])


def drawn(tree):
    return tree["results"]["flexible_load_power"].values.tolist()[0]


def test_energy_by_a_deadline_is_drawn_when_it_is_cheapest():
    """2 kWh at 10, and 1 of the 2 kWh of PV: the other one is sold to the neighbour, for whom it saves 20."""
    tree = otonari.clear(boiler())
    assert drawn(tree) == [1.0, 0.0, 2.0]
    assert tree.attrs["objective"] == pytest.approx(2 * 10 + 2 * 0.25)
    early = otonari.clear(boiler(end=2.0))
    assert drawn(early) == [2.0, 1.0, 0.0]
    assert early.attrs["objective"] == pytest.approx(1 * 30 + 1 * 20)


def test_a_community_may_lose_its_loads():
    """1 of the 2 kWh of PV is sold to the neighbour, who pays access fees, and 1 to the retailer."""
    alone = otonari.clear(boiler().isel(flexible_load=[], task=[]))
    assert alone.attrs["objective"] == pytest.approx(2 * 0.25 - 8)


def test_a_least_power_rules_out_what_is_less():
    """1 and 2 kW would be best; at 1.5 kW at least, two slots at just that are."""
    tree = otonari.clear(boiler(min_power=1.5))
    assert drawn(tree) == [1.5, 0.0, 1.5]
    assert tree.attrs["objective"] == pytest.approx(1.5 * 10 + 0.5 * 20 + 0.5 * 0.5)
    assert drawn(otonari.clear(boiler(min_power=1.5), minimum_charge=False)) == [1.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("begin", "power", "cost"),
    [(0.0, [2.0, 1.0, 0.0], 1 * 30 + 1 * 20), (1.0, [0.0, 2.0, 1.0], 2 * 30 + 1 * 10 + 0.5 - 8)],
)
def test_a_run_keeps_its_shape(begin, power, cost):
    """2 kW, then 1: from the first slot the PV serves it; from the second one the neighbour has its part of the PV."""
    tree = otonari.clear(run_of(2.0, 1.0, begin=begin))
    assert drawn(tree) == power
    assert tree["results"]["flexible_load_start"].values.tolist() == [[float(begin == t) for t in range(3)]]
    assert tree.attrs["objective"] == pytest.approx(cost)


def test_steps_that_fit_no_slot_keep_their_energy():
    """Of three quarters of an hour at 2 kW and as long at 1 kW, 1.5 + 0.25 kWh are in the first hour."""
    assert drawn(otonari.clear(run_of(2.0, 1.0, step=0.75, end=2.0))) == [1.75, 0.5, 0.0]
    half = run_of(2.0, 1.0, step=0.75, end=2.0)
    half = complete(half.assign(task_deadline=half["task_deadline"] - np.timedelta64(30, "m")))
    assert runs(half).begins.tolist() == [[0, NONE, NONE]]  # 1.5 h: it ends with the window


@pytest.mark.parametrize(("most", "served", "shed"), [(1.5, 0.5, 1.5), (float("nan"), 0.0, 2.0)])
def test_demand_is_shed_where_it_is_dearer_than_it_is_worth(most, served, shed):
    """At 30 a kWh that is worth 25 is not served: all 2 kWh of the slot, or 1.5 of them where no more may be shed."""
    load = {"owner": "shade", "power_limit": 2.0, "flexible_load_demand": [2.0] * 3, "shed_price": 25.0}
    inputs = street({"cooling": load}, [("cooling", 0.0, 3.0, most)])
    tree = otonari.clear(inputs)
    assert drawn(tree) == [2.0, served, 2.0]
    bill = tree["settlement"]["bill"].sum().item()
    assert tree.attrs["objective"] == pytest.approx(bill + 25.0 * shed)
    assert tree["settlement"]["shed_cost"].values.tolist() == [0.0, 0.0]  # so it is without peers
    alone = otonari.clear(inputs, "unmanaged")
    assert drawn(alone) == [2.0, 2.0, 2.0]
    assert alone["settlement"]["shed_cost"].values == pytest.approx([0.0, -25.0 * shed])
    worse = (30.0 - 25.0) * shed + (2 * 0.0)
    assert compare.summary(alone)["saving"].item() == pytest.approx(-worse)


def test_a_deferrable_load_is_a_battery_that_never_gives():
    """The same program: as much energy as the load draws, none at the start, all of it at the end."""
    inputs = boiler(energy=4.5)
    battery = {"owner": "sun", "capacity": 4.5, "initial_energy": 0.0, "final_energy": 4.5, "min_energy": 0.0}
    battery |= {"charge_limit": 2.0, "discharge_limit": 0.0, "charge_efficiency": 1.0}
    battery |= {"discharge_efficiency": 1.0}
    bare = inputs.drop_dims(["flexible_load", "task"])
    other = complete(
        bare.drop_dims("battery").assign(
            {f"battery_{name}": ("battery", [value]) for name, value in battery.items()} | {"battery": ["b"]}
        )
    )
    for market in MARKETS:
        block, same = community_block(inputs, market), community_block(other, market)
        assert solve(block).objective == pytest.approx(solve(same).objective, abs=1e-9)
        assert collect(block)["flexible_load_power"].values == pytest.approx(
            collect(same)["battery_charge"].values
        )


def test_the_best_starts_are_those_of_all_that_are_enumerated():
    """Two runs behind one connection that carries one of them at a time, over six slots: 36 pairs of starts."""
    rng = np.random.default_rng(7)
    for _ in range(counts.all_or(10, 2)):
        shapes = [rng.uniform(0.5, 1.5, 2).round(3).tolist() for _ in range(2)]
        prices = rng.uniform(5, 40, 6).round(2)
        loads = {
            f"run{k}": {"owner": "sun", "power_limit": 1.5, "shape": shape, "step_hours": 1.0}
            for k, shape in enumerate(shapes)
        }
        own = [(f"run{k}", 0.0, 6.0, sum(shape)) for k, shape in enumerate(shapes)]
        inputs = street(loads, own, [1] * 6, prices, import_limit=1.6)
        inputs["pv_available"].values[:] = 0.0
        costs = []
        for starts in product(range(5), repeat=2):
            power = np.zeros(6)
            for start, shape in zip(starts, shapes, strict=True):
                power[start : start + 2] += shape
            if power.max() <= 1.6:
                costs.append(float(power @ prices) + prices[0])
        assert solve(community_block(inputs), mip_gap=0.0).objective == pytest.approx(min(costs))


@pytest.mark.parametrize(
    ("seed", "crossing"), counts.all_or([*product(SEEDS, (False, True))], [(4003, False), (4000, True)])
)
def test_model_equals_oracle_with_flexible_loads(seed, crossing):
    """The oracle enumerates the starts of runs; whatever is cleared passes every check."""
    seed += 100 * crossing + (seed == 4006)  # of which no draft is feasible
    inputs = random_community(seed, loads=True, crossing=crossing)
    for market in MARKETS:
        found = solve(community_block(inputs, market), mip_gap=1e-7)
        want = oracle.solve(inputs, market).objective
        assert found.objective == pytest.approx(want, rel=1e-6, abs=1e-5), market
    otonari.clear(inputs)
    with suppress(Infeasible):  # what runs at once may exceed a connection
        otonari.clear(inputs, "unmanaged")


@pytest.mark.parametrize(
    ("inputs", "who", "lacking", "lack"),
    [
        (boiler(energy=10.0), "boiler", 4.0, "kWh of energy by its deadline"),
        (run_of(2.0, 1.0, 1.0, end=2.0), "washer", 1.0, "runs that end by their deadline"),
    ],
)
def test_a_load_that_cannot_be_served_is_named(inputs, who, lacking, lack):
    """2 kW over three hours are 6 kWh at most; a run of three hours has no start in a window of two."""
    ends = f"2025-07-01T0{2 if who == 'boiler' else 1}:00Z"
    for solving in (lambda: solve(community_block(inputs)), lambda: unmanaged(inputs)):
        with pytest.raises(Infeasible) as error:
            solving()
        [cause] = error.value.causes
        assert (cause.who, cause.when, cause.lack) == (f"flexible_load {who}", ends, lack)
        assert cause.amount == pytest.approx(lacking)


def test_what_nobody_manages_runs_at_once():
    """From the begin of the window, at full power; what must not fall below 1.5 kW keeps so much for the last slot."""
    assert unmanaged(boiler())["flexible_load_power"].values.tolist() == [[2.0, 1.0, 0.0]]
    assert unmanaged(boiler(min_power=1.5))["flexible_load_power"].values.tolist() == [[1.5, 1.5, 0.0]]
    late = unmanaged(run_of(2.0, 1.0, begin=0.5))
    assert late["flexible_load_power"].values.tolist() == [[0.0, 2.0, 1.0]]
    assert late["flexible_load_start"].values.tolist() == [[0.0, 1.0, 0.0]]
    narrow = street(
        {"boiler": {"owner": "sun", "power_limit": 2.0}}, [("boiler", 1.0, 3.0, 2.0)], import_limit=1.25
    )
    assert unmanaged(narrow)["flexible_load_power"].values.tolist() == [[0.0, 1.25, 0.75]]


def wrong(tree, **changed):
    """Return the checks that fail where results are others."""
    inputs, results, traded, settled = (tree[name].to_dataset() for name in run_format.GROUPS)
    assert not check(inputs, results, traded, settled)
    other = {name: (results[name].dims, np.array(values)) for name, values in changed.items()}
    return {violation.check for violation in check(inputs, results.assign(other), traded, settled)}


def test_the_checks_find_what_contradicts_a_task():
    tree = otonari.clear(boiler(end=2.0))
    assert "flexible load energy of a task" in wrong(tree, flexible_load_power=[[2.0, 0.5, 0.0]])
    assert "flexible load beyond its tasks" in wrong(tree, flexible_load_power=[[2.0, 1.0, 0.5]])
    least = otonari.clear(boiler(min_power=1.5))
    assert "flexible load minimum power" in wrong(least, flexible_load_power=[[1.0, 0.0, 2.0]])
    run = otonari.clear(run_of(2.0, 1.0))
    assert "flexible load beyond its tasks" in wrong(run, flexible_load_power=[[1.0, 2.0, 0.0]])
    assert "flexible load starts" in wrong(run, flexible_load_start=[[1.0, 1.0, 0.0]])
    assert "flexible load starts" in wrong(run, flexible_load_start=[[0.0, 0.0, 1.0]])  # ends too late
    load = {"owner": "shade", "power_limit": 2.0, "flexible_load_demand": [2.0] * 3, "shed_price": 25.0}
    shed = otonari.clear(street({"cooling": load}, [("cooling", 1.0, 2.0, 1.5)]))
    assert "flexible load energy of a task" in wrong(shed, flexible_load_power=[[2.0, 0.0, 2.0]])
    assert "flexible load beyond its tasks" in wrong(shed, flexible_load_power=[[1.0, 0.5, 2.0]])


def test_a_run_across_the_border_of_two_windows_of_a_long_horizon(monkeypatch):
    """Windows of four slots, two ahead: runs and energy that lie across their borders are those of the whole program."""
    rng = np.random.default_rng(3)
    prices = rng.uniform(5, 40, 24).round(2)
    loads = {
        "run": {"owner": "sun", "power_limit": 1.5, "shape": [1.5, 0.5, 1.0], "step_hours": 1.0},
        "boiler": {"owner": "sun", "power_limit": 2.0},
    }
    own = [("run", 4.0 * k + 2, 4.0 * k + 6, 3.0) for k in range(5)]
    own += [("boiler", 5.0 * k, 5.0 * k + 5, 6.5) for k in range(4)]
    inputs = street(loads, own, [1] * 24, prices)
    want = solve(community_block(inputs), mip_gap=0.0)
    for name, value in (("WINDOW", 4), ("AHEAD", 2), ("LONG", 8), ("ROWS", 10)):
        monkeypatch.setattr(windows, name, value)
    starts = []
    started = windows.started
    monkeypatch.setattr(bottom_up, "started", lambda *given: starts.append(started(*given)) or starts[-1])
    block = community_block(inputs)
    found = solve(block, mip_gap=0.0)
    assert starts[0].windows >= 5
    assert found.objective == pytest.approx(want.objective)
    begins = np.flatnonzero(collect(block)["flexible_load_start"].values[0])
    assert any(begin % 4 > 1 for begin in begins)  # it goes on in the next window


def test_slots_belong_to_the_window_that_holds_all_of_them():
    own = tasks(street({"boiler": {"owner": "sun", "power_limit": 2.0}}, [("boiler", 0.5, 2.9, 1.0)]))
    assert own.of_slot.tolist() == [[NONE, 0, NONE]]
    assert "flexible_load" not in street({}, []).dims
