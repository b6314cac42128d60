"""The community as a Pyomo Block: embedded in a host model, and documented in full."""

import gc
import weakref
from functools import cache
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
import xarray as xr
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.var import Var

import otonari.model
from otonari.data.inputs.contract import complete
from otonari.data.problems import InputError
from otonari.model.clearing import community_block, dismantle
from otonari.model.results import collect
from otonari.model.solver.solve import solve

from . import counts
from .communities import random_community


def two_slots(demand, pv, **battery):
    """Return a community on one node over two slots of an hour, at 30 and 8 JPY/kWh and an access fee of 0.5."""
    participants = list(demand)
    hours = np.array(["2020-08-18T15:00", "2020-08-18T16:00"], dtype="datetime64[ns]")
    slots = ("participant", "time")
    table = {
        "slot_hours": ("time", [1.0, 1.0]),
        "demand": (slots, [demand[p] for p in participants]),
        "pv_available": (slots, [pv.get(p, [0.0, 0.0]) for p in participants]),
        "participant_node": ("participant", ["here"] * len(participants)),
        "participant_tariff": ("participant", ["retail"] * len(participants)),
        "retail_price": (("tariff", "time"), [[30.0, 30.0]]),
        "feed_in_price": (("tariff", "time"), [[8.0, 8.0]]),
        "node_parent": ("node", [""]),
        "node_access_fee": ("node", [0.5]),
    }
    coords = {"participant": participants, "time": hours, "tariff": ["retail"], "node": ["here"]}
    if battery:
        table |= {f"battery_{name}": ("battery", [value]) for name, value in battery.items()}
        coords["battery"] = ["battery"]
    return complete(xr.Dataset(table, coords=coords, attrs={"currency": "JPY"}))


def host_model(line_limit):
    """Return a study with two communities, a generator and a market behind one line.

    Community a pays its own retail tariff; b is supplied by the host: 4 kW of a generator at 12 JPY/kWh,
    then a market at 40.
    """
    model = pyo.ConcreteModel()
    model.a = community_block(two_slots({"a1": [3.0, 3.0], "a2": [0.0, 0.0]}, {"a2": [5.0, 0.0]}))
    model.b = community_block(
        two_slots(
            {"b1": [5.0, 5.0]},
            {},
            owner="b1",
            capacity=4.0,
            initial_energy=0.0,
            final_energy=np.nan,
            charge_limit=2.0,
            discharge_limit=2.0,
            charge_efficiency=1.0,
            discharge_efficiency=1.0,
        ),
        own_tariff=False,
    )
    times = list(model.a.sets.time)
    model.generator = pyo.Var(times, bounds=(0, 4))
    model.market = pyo.Var(times, bounds=(0, None))

    def supplied(m, t):
        return m.b.net_exchange[t] == m.generator[t] + m.market[t]

    def carried(m, t):
        return m.a.net_exchange[t] + m.b.net_exchange[t] <= line_limit

    model.supply = pyo.Constraint(times, rule=supplied)
    model.line = pyo.Constraint(times, rule=carried)
    bought = sum(12 * model.generator[t] + 40 * model.market[t] for t in times)
    model.total = pyo.Objective(expr=model.a.cost + model.b.cost + bought)
    return model


# Community a, slot 1: 3 of the 5 kW of PV go next door for 2 x 0.5 JPY/kWh, 2 go to the grid: 3 x 1 - 2 x 8
# = -13; slot 2: 3 x 30 = 90. Together 77, exchange -2 and 3 kW. Community b needs 5 and 5 kW. The line of 6
# kW leaves it 8 and 3 kW, so that it must store 2 kWh in slot 1 and give them in slot 2: 7 kW = 4 x 12 + 3
# x 40 = 168, then 3 kW = 3 x 12 = 36. Without the line it takes 5 and 5 kW: 2 x (4 x 12 + 1 x 40) = 176
# (storing a kWh costs 40 and saves 40).
@pytest.mark.parametrize(("line_limit", "expected"), [(6.0, 77 + 168 + 36), (100.0, 77 + 176)])
@pytest.mark.parametrize("solver", ["appsi_highs", "highs"])
def test_two_communities_in_a_host_model(solver, line_limit, expected):
    model = host_model(line_limit)
    outcome = pyo.SolverFactory(solver).solve(model)
    assert outcome.solver.termination_condition == pyo.TerminationCondition.optimal
    assert pyo.value(model.total) == pytest.approx(expected, rel=1e-9)
    assert [pyo.value(model.a.net_exchange[t]) for t in model.a.sets.time] == pytest.approx([-2.0, 3.0])
    assert pyo.value(model.a.cost) == pytest.approx(77.0)


def test_our_own_solver_takes_the_host_model_too():
    model = host_model(6.0)
    assert solve(model).objective == pytest.approx(281.0, rel=1e-9)
    assert [pyo.value(model.b.net_exchange[t]) for t in model.b.sets.time] == pytest.approx([7.0, 3.0])


def test_an_infeasible_host_row_is_named():
    from otonari.model.errors import Infeasible

    with pytest.raises(Infeasible, match=r"line\["):
        solve(host_model(5.0))  # b would have to give 1 kWh more in slot 2 than its battery can


@pytest.mark.parametrize("seed", counts.share(range(10)))
@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_cost_and_exchange_are_those_of_the_solved_block(seed, market):
    inputs = random_community(seed)
    block = community_block(inputs, market)
    objective = solve(block).objective
    assert pyo.value(block.cost) == pytest.approx(objective, rel=1e-9, abs=1e-9)
    exchange = block.grid.imports.dense().sum(axis=0) - block.grid.exports.dense().sum(axis=0)
    assert [pyo.value(block.net_exchange[t]) for t in block.sets.time] == pytest.approx(
        exchange.tolist(), abs=1e-9
    )


@pytest.mark.parametrize("seed", counts.share(range(10)))
def test_a_host_that_prices_the_exchange_is_a_retailer_with_one_price_both_ways(seed):
    inputs = random_community(seed)
    price = inputs["retail_price"].values.max(axis=0)
    inputs["retail_price"].values[:] = inputs["feed_in_price"].values[:] = price
    ours = solve(community_block(inputs)).objective
    block = community_block(inputs, own_tariff=False)
    value = dict(zip(block.sets.time, price * inputs["slot_hours"].values, strict=True))
    block.total = pyo.Objective(
        expr=block.cost + sum(value[t] * block.net_exchange[t] for t in block.sets.time)
    )
    assert solve(block).objective == pytest.approx(ours, rel=1e-8, abs=1e-8)


def test_bad_inputs_are_refused_before_anything_is_built():
    inputs = random_community(3)
    inputs["demand"].values[0, 0] = -1.0
    with pytest.raises(InputError, match="demand"):
        community_block(inputs)
    with pytest.raises(ValueError, match="market: got 'p3p'"):
        community_block(random_community(3), "p3p")


def documented_names(rows=False):
    """Return the names of every variable and row (or of the rows alone) that any variant of the model holds."""
    return {name for name, is_row in _named() if is_row or not rows}


VARIANTS = (0, 1, 2, 3, 5, 6, 18, 31)
"""Seeds of communities that hold between them every variable and row that the first sixty hold."""


@cache
def _named():
    names = set()
    for seed in counts.all_or(range(60), VARIANTS):
        inputs = random_community(seed)
        inputs["vehicle_min_charge"].values[:] = 0.5 * inputs["vehicle_charge_limit"].values
        for market in ("p2p", "grid-only"):
            block = community_block(inputs, market)
            for component in block.component_objects((Var, Constraint), descend_into=True):
                if not len(component):
                    continue
                parent = component.parent_block()
                name = component.local_name.rstrip("0123456789").rstrip("_")
                is_row = component.ctype is Constraint
                names.add((name if parent is block else f"{parent.local_name}.{name}", is_row))
    return names


def test_the_readme_states_every_variable_and_every_row_of_the_model():
    text = (Path(otonari.model.__file__).parent / "README.md").read_text(encoding="utf-8")
    names = documented_names()
    assert len(names) >= 37
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_meters_keep_apart_from_participants_that_are_called_like_them():
    inputs = two_slots({"deficit@here/retail": [1.0, 2.0], "b": [1.0, 1.0]}, {"b": [3.0, 0.0]}).copy(
        deep=True
    )
    inputs["import_limit"].values[0] = 1.5  # too little, so that this one is a meter of its own
    meters = list(community_block(inputs).sets.meter)
    assert len(meters) == len(set(meters))
    assert "deficit@here/retail'" in meters


@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_a_dismantled_community_needs_no_garbage_collector(market):
    gc.collect()
    gc.disable()
    try:
        block = community_block(random_community(1000, crossing=True), market)
        solve(block)
        results = collect(block)
        families = [*block.component_objects((Var, Constraint))]
        kept = [weakref.ref(part) for part in (block, block.meters, *families)]
        dismantle(block)
        del block, families
        assert [ref() for ref in kept if ref() is not None] == []
    finally:
        gc.enable()
    assert results["draw"].values.max() > 0
