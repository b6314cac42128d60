"""A solved block as a run, and what is told of the promises that a host model's changes end."""

import json

import numpy as np
import pyomo.environ as pyo
import pytest

import otonari
from otonari.model.checks.run import CheckError
from otonari.model.results import collect
from otonari.runs.clear.single import clear
from otonari.runs.store import run_format

from .communities import random_community
from .test_host_edits import HOME, hosted, street

FOLDING = {"a": HOME | {"demand": [1, 1], "pv_available": [3, 0]}, "b": HOME | {"demand": [2, 2]}}


def notes(tree):
    return json.loads(tree.attrs["notes"])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_a_block_as_it_was_built_is_settled_as_clear_settles_it(seed, market):
    inputs = random_community(seed)
    block = otonari.community_block(inputs, market)
    otonari.solve(block)
    tree, want = otonari.settle_block(block), clear(inputs, market)
    assert not any(family.touched for family in block.component_objects(pyo.Constraint))
    assert notes(tree) == []
    for group in run_format.GROUPS:
        assert set(tree[group].data_vars) == set(want[group].data_vars)
    for name in ("bill", "saving"):
        assert np.allclose(tree["settlement"][name], want["settlement"][name], atol=1e-5)
    assert tree.attrs["objective"] == pytest.approx(want.attrs["objective"], abs=1e-6)


def test_rows_of_the_users_own_are_told_and_end_the_promise():
    model = hosted(street())
    model.cap = pyo.Constraint(model.c.sets.time, rule=lambda m, t: m.c.net_exchange[t] <= 2.2)
    otonari.solve(model)
    tree = otonari.settle_block(model.c)
    assert "rows of the user's own hold it: cap[" in notes(tree)[0]
    assert "nobody is worse off does not follow" in notes(tree)[1]
    settled = tree["settlement"]
    assert float(settled["bill"].sum()) == pytest.approx(pyo.value(model.c.cost), abs=1e-6)
    assert float(settled["saving"].sum()) <= clear(street())["settlement"]["saving"].sum() + 1e-9


def test_a_battery_that_a_host_keeps_idle_leaves_somebody_worse_off_and_that_is_told():
    model = hosted(street())
    model.idle = pyo.Constraint(expr=sum(model.c.battery.discharge.values()) <= 0)
    model.alone = pyo.Constraint(expr=sum(model.c.network.purchase.values()) <= 0)
    otonari.solve(model)
    told = notes(otonari.settle_block(model.c))
    assert any(line.startswith("does not hold: worse off than without peers") for line in told), told


def test_edits_of_the_blocks_own_rows_are_told_with_what_no_longer_holds():
    inputs = street()
    inputs["demand"].values[1] = 3.2
    model = hosted(inputs)
    model.c.import_limit.deactivate()
    otonari.solve(model)
    inputs["import_limit"].values[1] = 100.0  # the market without peers must have a solution
    told = notes(otonari.settle_block(model.c))
    assert told[0].startswith("rows of c.import_limit are switched off: ")
    first = next(iter(model.c.grid.imports.values()))
    first.fix(first.value)
    assert any(
        "entries of c.grid.imports were fixed" in line for line in notes(otonari.settle_block(model.c))
    )


def test_a_solution_that_contradicts_inputs_nobody_edited_is_an_error():
    block = otonari.community_block(street())
    otonari.solve(block)
    for data in block.grid.imports.values():
        data.set_value(data.value + 1.0)
    with pytest.raises((CheckError, ValueError)):
        otonari.settle_block(block)


@pytest.mark.parametrize("solver", ["appsi_highs", "highs"])
@pytest.mark.parametrize("sense", [pyo.minimize, pyo.maximize])
def test_another_solver_gives_prices_by_the_suffix(solver, sense):
    model = hosted(street(), sense)
    pyo.SolverFactory(solver).solve(model)
    tree = otonari.settle_block(model.c)
    assert notes(tree) == []
    assert float(tree["settlement"]["bill"].sum()) == pytest.approx(pyo.value(model.c.cost), abs=1e-6)


def test_prices_of_an_earlier_solve_are_not_taken_for_those_of_another_solver():
    model = hosted(street())
    otonari.solve(model.c)
    model.cap = pyo.Constraint(model.c.sets.time, rule=lambda m, t: m.c.net_exchange[t] <= 1.9)
    model.del_component("dual")
    pyo.SolverFactory("appsi_highs").solve(model)
    with pytest.raises(
        ValueError, match=r"c has no prices: want it solved by otonari\.solve, or a suffix dual"
    ):
        otonari.settle_block(model.c)


def test_an_objective_that_weighs_the_block_otherwise_is_told():
    model = hosted(street())
    model.total.set_value(2 * model.c.cost)
    otonari.solve(model)
    assert (
        notes(otonari.settle_block(model.c))[0]
        == "the objective total weighs the block otherwise than at its cost"
    )


def test_a_host_that_pays_for_the_grid_is_told():
    model = pyo.ConcreteModel()
    model.c = pyo.Block(rule=lambda b: otonari.community_block(street(), own_tariff=False))
    price = dict(zip(model.c.sets.time, (20.0, 30.0), strict=True))
    model.total = pyo.Objective(expr=model.c.cost + sum(price[t] * model.c.net_exchange[t] for t in price))
    otonari.solve(model)
    told = notes(otonari.settle_block(model.c))
    assert any("the host model pays for energy from the grid" in line for line in told)


def test_what_is_no_solved_community_is_refused():
    with pytest.raises(ValueError, match="want a community block"):
        otonari.settle_block(pyo.ConcreteModel())
    with pytest.raises(ValueError, match="no value yet"):
        otonari.settle_block(otonari.community_block(street()))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_without_pools_every_home_is_a_meter_and_nothing_else_changes(seed, market):
    inputs = random_community(seed)
    pooled, apart = (otonari.community_block(inputs, market, pool=pool) for pool in (True, False))
    assert set(inputs["participant"].values.tolist()) <= set(apart.sets.meter)
    assert not any("@" in meter for meter in apart.sets.meter)
    costs = [otonari.solve(block, mip_gap=0.0).objective for block in (pooled, apart)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-7, abs=1e-7)
    assert notes(otonari.settle_block(apart)) == []


def test_a_host_addresses_a_home_that_would_fold():
    assert "b" not in otonari.community_block(street(participants=FOLDING)).sets.meter
    model = hosted(street(participants=FOLDING), pool=False)
    slot = model.c.sets.time.first()
    model.from_peers = pyo.Constraint(expr=model.c.network.purchase["b", slot] >= 1.0)
    otonari.solve(model)
    results = collect(model.c)
    assert float(results["peer_purchase"].sel(participant="b").values[0]) >= 1.0 - 1e-9
