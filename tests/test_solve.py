"""The solver: proofs, the tie-break, and failures that say what is wrong."""

import subprocess
import sys
from dataclasses import replace

import highspy
import numpy as np
import pytest
from highspy._core import _Highs
from scipy import sparse

from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible, NotOptimal, Refused
from otonari.model.lp.matrix import bare, compile_block
from otonari.model.results import collect
from otonari.model.solver import bottom_up
from otonari.model.solver import highs as highs_module
from otonari.model.solver import solve as module
from otonari.model.solver.highs import (
    basic_solution,
    duals,
    duals_at,
    load,
    optimal,
    prove,
    run,
    set_options,
    slackness,
    warm_run,
)
from otonari.model.solver.infeasibility import diagnose
from otonari.model.solver.solve import solve
from otonari.model.solver.tie_breaking import least_weight, rules, select

from . import counts
from .benchmarks.neighbourhood import neighbourhood
from .communities import community, random_community


def small_program(**changes):
    """min -x - y, x + y <= 1, 0 <= x, y <= 1: every point of the edge from (1, 0) to (0, 1) is optimal."""
    arrays = {
        "cost": np.array([-1.0, -1.0]),
        "lower": np.zeros(2),
        "upper": np.ones(2),
        "integer": np.zeros(2, dtype=bool),
        "matrix": sparse.csr_matrix([[1.0, 1.0]]),
        "row_lower": np.array([-np.inf]),
        "row_upper": np.array([1.0]),
    }
    return bare(**(arrays | changes))


def test_the_proof_of_a_hand_solved_optimum_is_exact():
    proof = prove(small_program(), np.array([0.25, 0.75]), np.array([-1.0]))
    assert proof == {"primal_residual": 0.0, "dual_residual": 0.0, "duality_gap": 0.0}


@pytest.mark.parametrize(
    ("x", "dual", "field"),
    [
        ([0.5, 0.75], [-1.0], "primal_residual"),  # the row holds 1.25 > 1
        ([0.25, 1.5], [-1.0], "primal_residual"),  # y beyond its bound
        ([0.25, 0.75], [1.0], "dual_residual"),  # a dual that pushes against an open side
        ([0.25, 0.25], [-1.0], "duality_gap"),  # feasible, not optimal
        ([0.25, 0.75], [-0.5], "duality_gap"),  # optimal, a dual that does not prove it
    ],
)
def test_the_proof_fails_where_something_is_wrong(x, dual, field):
    assert prove(small_program(), np.array(x), np.array(dual))[field] > 1e-3


def test_complementary_slackness_shows_the_wrong_price_of_a_little():
    program = small_program(cost=np.array([-1.0, -0.5]))
    right, little = np.array([1.0, 0.0]), np.array([1.0 - 1e-4, 1e-4])
    assert slackness(program, right, np.array([-1.0])) == 0.0
    assert slackness(program, little, np.array([-1.0])) == pytest.approx(1e-4)  # y pays, though it costs 0.5
    assert slackness(program, np.array([0.5, 0.0]), np.array([-1.0])) == pytest.approx(
        0.5
    )  # the row is not full


def wide_program(**changes):
    """As the small one, where nothing but the row limits x and y."""
    return small_program(upper=np.full(2, 2.0), **changes)


@pytest.mark.parametrize(("y_costs", "pivots"), [(-0.9, 0), (-1.1, 1)])
def test_duals_under_other_costs_are_those_of_a_run_that_keeps_its_basis(y_costs, pivots):
    before, after = (wide_program(cost=np.array([-1.0, cost])) for cost in (-0.5, y_costs))
    highs = load(before, None, 0.0)
    run(highs)
    known = duals_at(highs, after.cost)
    assert warm_run(highs, cost=after.cost)
    assert highs.getInfo().simplex_iteration_count == pivots
    assert np.array_equal(known, duals(highs)) == (not pivots)


@pytest.mark.parametrize(("y_costs", "price"), [(-0.9, -1.0), (-1.1, -1.1)])
def test_the_price_by_rule_is_that_of_the_program_where_its_basis_differs_from_the_perturbed_one(
    y_costs, price
):
    program = wide_program(cost=np.array([-1.0, y_costs]))
    highs = load(wide_program(cost=np.array([-1.0, -0.5])), None, 0.0)
    run(highs)
    basis = basic_solution(highs, program)
    selection = select(highs, program, rules(program), False, (basis.column_status, basis.row_status))
    assert selection.dual.tolist() == [price]
    assert selection.x.tolist() == [float(price == -1.0), float(price == -1.1)]


def test_a_little_trade_has_the_price_of_its_way_however_much_is_bought_elsewhere():
    """0.09 W from left to right are less than what prices are tried with, and nothing beside the works' bill."""
    nodes = {
        "root": {"parent": "", "fee": 0, "access_fee": 0, "limit": np.inf},
        "left": {"parent": "root", "fee": 1, "access_fee": 0, "limit": np.inf},
        "right": {"parent": "root", "fee": 2, "access_fee": 0, "limit": np.inf},
    }
    people = {
        "seller": {"node": "left", "tariff": "flat", "demand": 0, "pv_available": 2},
        "buyer": {"node": "right", "tariff": "flat", "demand": 1 + 9e-5, "pv_available": 0},
        "roof": {"node": "right", "tariff": "flat", "demand": 0, "pv_available": 1},
        "works": {"node": "root", "tariff": "works", "demand": 1e6, "pv_available": 0},
    }
    inputs = community(
        {
            "slots": [1, 1],
            "nodes": nodes,
            "tariffs": {
                "flat": {"retail_price": 30, "feed_in_price": 8},
                "works": {"retail_price": 9, "feed_in_price": 8},
            },
            "participants": people,
        }
    )
    block = community_block(inputs)
    solve(block, start=solve(community_block(inputs, "grid-only")))
    price = collect(block)["price"].sel(node=["left", "right"]).values
    np.testing.assert_allclose(price, [[8, 8], [11, 11]], atol=1e-6)


@pytest.mark.parametrize("seed", counts.share(range(20)))
def test_every_solution_carries_its_proof(seed):
    proof = solve(community_block(random_community(seed))).proof
    assert max(proof["primal_residual"], proof["dual_residual"], proof["duality_gap"]) <= 1e-9


def test_a_solution_whose_proof_fails_is_not_accepted(monkeypatch):
    def wrong(*arguments):
        selection = select(*arguments)
        return selection._replace(x=selection.x + 0.01)

    monkeypatch.setattr(bottom_up, "select", wrong)
    block = community_block(random_community(10))
    with pytest.raises(NotOptimal, match="proof of optimality fails"):
        solve(block)
    with pytest.raises(ValueError, match="solve the model first"):
        collect(block)


@pytest.mark.parametrize("seed", counts.share(range(20)))
def test_the_tie_break_keeps_the_cost_and_never_weighs_more(seed):
    program = compile_block(community_block(random_community(seed)))
    program = replace(program, integer=np.zeros_like(program.integer))
    highs = load(program, None, 0.0)
    run(highs)
    x, dual = np.array(highs.getSolution().col_value), np.array(highs.getSolution().row_dual)
    by = rules(program)
    moved, weigh = least_weight(highs, program, by, dual), by.weight
    assert program.cost @ moved == pytest.approx(program.cost @ x, rel=1e-9, abs=1e-9)
    assert weigh @ moved <= weigh @ x + 1e-9


def test_prices_and_quantities_do_not_depend_on_the_vertex_that_the_solver_ends_at(monkeypatch):
    inputs = neighbourhood(60)

    def quantities(seed):
        monkeypatch.setattr(highs_module, "SEED", seed)
        block = community_block(inputs)
        solve(block)
        return collect(block)

    one, other = quantities(1), quantities(99)
    for name in ("price", "battery_charge", "vehicle_charge", "peer_purchase", "peer_sale", "grid_import"):
        assert np.allclose(one[name], other[name], atol=1e-6), name


def test_an_import_limit_too_small_is_named_with_its_amount():
    inputs = random_community(10)
    owners = {*inputs["battery_owner"].values, *inputs["vehicle_owner"].values}
    sunny = (inputs["pv_available"] > 0).any("time").to_series()
    hungry = (inputs["demand"] > 1.0).any("time").to_series()
    alone = next(p for p in hungry.index[hungry & ~sunny] if p not in owners)  # it must draw what it consumes
    inputs["import_limit"].loc[{"participant": alone}] = 1.0
    with pytest.raises(Infeasible) as caught:
        solve(community_block(inputs))
    demand = inputs["demand"].sel(participant=alone).values
    lacking = {c.when: c.amount for c in caught.value.causes}
    times = [np.datetime_as_string(t, unit="m") + "Z" for t in inputs["time"].values[demand > 1.0]]
    assert {c.who for c in caught.value.causes} == {alone}
    assert lacking == pytest.approx(dict(zip(times, demand[demand > 1.0] - 1.0, strict=True)))
    assert "kW of connection" in str(caught.value)


def test_an_unreachable_final_energy_is_named_with_its_amount():
    inputs = neighbourhood(6).copy(deep=True)
    inputs["vehicle_fuel_economy"].values[:] = np.nan  # no engine: every trip must be electric
    inputs["trip_distance"].values[:] = 200.0  # about 19 kWh of a window of 6.5 kWh
    with pytest.raises(Infeasible) as caught:
        solve(community_block(inputs))
    assert {c.who for c in caught.value.causes} == {f"vehicle {v}" for v in inputs["vehicle"].values}
    need = 200.0 / 10.54
    for cause in caught.value.causes:
        assert 0 < cause.amount < need + 1e-9
        assert cause.lack == "kWh of energy"


def test_a_time_limit_is_said_and_nothing_is_stored():
    block = community_block(neighbourhood(20))
    with pytest.raises(NotOptimal, match="time limit"):
        solve(block, time_limit=0.0)
    with pytest.raises(ValueError, match="solve the model first"):
        collect(block)


def test_a_solvable_program_lacks_nothing():
    assert diagnose(compile_block(community_block(random_community(4)))) == []


def test_minimum_charge_power_is_all_or_nothing_and_costs_no_less():
    inputs = neighbourhood(20).copy(deep=True)
    inputs["vehicle_min_charge"].values[:] = 1.4
    relaxed = solve(community_block(inputs, minimum_charge=False)).objective
    block = community_block(inputs)
    solution = solve(block, mip_gap=1e-4)
    charge = collect(block)["vehicle_charge"].values
    assert ((charge < 1e-6) | (charge > 1.4 - 1e-6)).all()
    assert solution.objective >= relaxed - 1e-6
    assert 0.0 <= solution.proof["mip_gap"] <= 1e-4


def test_solving_twice_gives_the_same_bytes():
    inputs = neighbourhood(30)
    blocks = [community_block(inputs) for _ in range(2)]
    for block in blocks:
        solve(block)
    one, other = map(collect, blocks)
    assert all(one[name].values.tobytes() == other[name].values.tobytes() for name in one)


@pytest.mark.parametrize("seed", counts.share(range(30)))
def test_a_start_without_peers_ends_at_the_same_optimum(seed):
    inputs = random_community(seed)
    alone = solve(community_block(inputs, "grid-only"))
    cold, warm = community_block(inputs), community_block(inputs)
    objective = solve(cold).objective
    assert solve(warm, start=alone).objective == pytest.approx(objective, rel=1e-9, abs=1e-9)
    one, other = collect(cold), collect(warm)
    for name in one:
        assert np.allclose(one[name], other[name], atol=1e-6), name


def test_a_start_saves_iterations():
    inputs = neighbourhood(60)
    flat = inputs["retail_price"].isel(tariff=0) + 0 * inputs["retail_price"]
    inputs = inputs.assign(retail_price=flat.transpose(*inputs["retail_price"].dims))  # where nothing crosses
    alone = solve(community_block(inputs, "grid-only"))
    cold, warm = solve(community_block(inputs)), solve(community_block(inputs), start=alone)
    assert warm.iterations < 0.75 * cold.iterations


def test_a_warm_solve_without_proof_is_solved_cold(monkeypatch):
    inputs = neighbourhood(12)
    alone = solve(community_block(inputs, "grid-only"))
    expected = solve(community_block(inputs)).objective
    proofs, true = [], module.prove

    def doubtful(program, x, dual):
        proofs.append(true(program, x, dual))
        return {"primal_residual": 1.0} if len(proofs) == 1 else proofs[-1]

    monkeypatch.setattr(module, "prove", doubtful)
    assert solve(community_block(inputs), start=alone).objective == pytest.approx(expected, rel=1e-9)
    assert len(proofs) == 2  # the warm solve's, refused, and the one that counts


@pytest.mark.parametrize("factor", [1e-12, 1e-7, 1e-3, 1e3])
def test_the_size_of_the_currency_does_not_matter(factor):
    inputs = random_community(10)
    expected_block = community_block(inputs)
    expected = solve(expected_block).objective
    scaled = inputs.copy(deep=True)
    for name in ("retail_price", "feed_in_price", "battery_wear_cost", "vehicle_wear_cost", "fuel_price"):
        scaled[name].values[:] *= factor
    for name in ("node_fee", "node_access_fee"):
        scaled[name].values[:] *= factor
    block = community_block(scaled)
    assert solve(block).objective == pytest.approx(expected * factor, rel=1e-8)
    assert np.allclose(collect(block)["price"] / factor, collect(expected_block)["price"], atol=1e-6)


def test_a_node_where_nobody_could_buy_has_the_price_of_one_more():
    hours = {"slots": [1, 1], "nodes": {"root": {"parent": "", "access_fee": 1}, "leaf": {"parent": "root"}}}
    hours["nodes"]["leaf"] |= {"access_fee": 1, "fee": 2}
    home = {"node": "leaf", "tariff": "flat", "demand": [1, 1], "pv_available": [0, 5]}
    tariffs = {"flat": {"retail_price": 30, "feed_in_price": 8}}
    block = community_block(community(hours | {"tariffs": tariffs, "participants": {"home": home}}))
    solve(block)
    # slot 1: a kWh offered saves 30 - 1 of access; slot 2: a kWh wanted costs 8 forgone + 1; the edge costs 2, and what
    # nobody could use at the root has the price nearest to zero of those at which nobody there or here would trade
    price = collect(block)["price"]
    assert price.sel(node="leaf").values == pytest.approx([29, 9])
    assert price.sel(node="root").values == pytest.approx([27, 7])


NOT_ALONE = """
import os, sys, traceback
import highspy, pyomo.environ as pyo
from otonari.model.clearing import community_block
from otonari.model.solver.solve import solve
from otonari.tests.communities import random_community

def ours(threads):
    return solve(community_block(inputs, minimum_charge=minimum), threads=threads).objective

def theirs(threads):
    if not threads:
        model = pyo.ConcreteModel()
        model.community = community_block(inputs, minimum_charge=minimum)
        model.cost = pyo.Objective(expr=model.community.cost)
        assert pyo.check_optimal_termination(pyo.SolverFactory("appsi_highs").solve(model))
        return pyo.value(model.cost)
    highs = highspy.Highs()
    for option, value in (("output_flag", False), ("threads", threads)):
        assert highs.setOptionValue(option, value) == highspy.HighsStatus.kOk
    highs.addVar(0.0, 1.0)
    assert highs.run() == highspy.HighsStatus.kOk

failed = 0
for sequence in sys.argv[1:]:
    if child := os.fork():  # whatever HiGHS starts is started in a process of the sequence's own
        failed += os.waitpid(child, 0)[1] != 0
        continue
    try:
        for seed in (3, 10):
            inputs = random_community(seed)
            inputs["vehicle_min_charge"].values[:] = 0.5 * inputs["vehicle_charge_limit"].values
            for minimum in (False, True):
                costs = [c for c in eval(sequence) if c is not None]
                assert max(costs) - min(costs) <= 2e-4 * abs(costs[0]) + 1e-6, (sequence, costs)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
sys.exit(failed)
"""


def test_another_highs_in_the_process_breaks_nothing_and_is_not_broken():
    sequences = (
        "theirs(0), ours(1), ours(2), theirs(0)",
        "ours(1), theirs(0), ours(1)",
        "theirs(2), ours(1), theirs(3), ours(2), theirs(1), ours(1)",
        "ours(2), ours(1), theirs(2), ours(1)",
        "ours(1), ours(2), theirs(4)",
    )
    done = subprocess.run([sys.executable, "-c", NOT_ALONE, *sequences], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"matrix": sparse.csr_matrix([[1e16, 1.0]])}, r"1e\+16"),
        ({"row_lower": np.array([np.nan])}, "row 0|Row  *0|Row"),
    ],
)
def test_what_highs_refuses_is_refused_in_its_own_words(changes, words, capfd):
    with pytest.raises(Refused, match=words):
        load(small_program(**changes), None, 0.0)
    assert capfd.readouterr() == ("", "")


def test_an_option_that_highs_does_not_have_is_refused_in_its_own_words(capfd):
    highs = load(small_program(), None, 0.0)
    with pytest.raises(Refused, match='"nonsense" is unknown'):
        set_options(highs, nonsense=1)
    with pytest.raises(Refused, match="below lower bound"):
        set_options(highs, mip_rel_gap=-1.0)
    assert capfd.readouterr() == ("", "")
    run(highs)
    assert optimal(highs)


def test_a_run_that_does_not_begin_is_refused_in_highs_own_words(monkeypatch):
    highs = load(small_program(), None, 0.0)
    set_options(highs, threads=1)
    other = highspy.Highs()
    other.setOptionValue("output_flag", False)
    other.setOptionValue("threads", 2)
    other.addVar(0.0, 1.0)
    _Highs.resetGlobalScheduler(True)
    other.run()
    monkeypatch.setattr(_Highs, "resetGlobalScheduler", lambda blocking: None)
    with pytest.raises(Refused, match="'threads' is set to 1"):
        run(highs)
    monkeypatch.undo()
    run(highs)
    assert optimal(highs)
