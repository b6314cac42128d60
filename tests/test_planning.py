"""What is built: against an oracle that states it independently, by hand, and against a published case."""

import numpy as np
import pyomo.environ as pyo
import pytest
import xarray as xr

import otonari
from otonari.data.inputs.validation import validate
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.planning import enlarge, plan_block, sizes, solved, value_of_more
from otonari.model.results import collect
from otonari.model.settlement import accounts, trades, unpaid
from otonari.model.solver.solve import solve
from otonari.model.topology import fee_tree
from otonari.model.topology.candidates import built

from . import counts, oracle
from .communities import community
from .plans import random_plan

SEEDS = counts.all_or(range(60), (3,))
SAME = {"rel": 1e-6, "abs": 1e-5}
TIGHT = 1e-8

STORE = {
    "owner": "home",
    "capacity": 8.0,
    "initial_energy": np.nan,
    "final_energy": np.nan,
    "charge_limit": 4.0,
    "discharge_limit": 4.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 1.0,
}


def house(battery=0.0, pv=None, feed_in=0.0, **home):
    """Return a home that needs 2 kWh at 30, after an hour at 10, and may build a battery, and PV that gives then."""
    roof = {"owner": "home", "kind": "pv", "battery": "", "most": 5.0, "cost": pv, "output": [1.0, 0.5]}
    store = {"owner": "home", "kind": "battery", "battery": "store", "most": 8.0, "cost": battery}
    return community(
        {
            "slots": [1.0, 1.0],
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": [10.0, 30.0], "feed_in_price": feed_in}},
            "participants": {"home": {"node": "n", "tariff": "t", "demand": [0.0, 2.0], **home}},
            "batteries": {"store": STORE},
            "candidates": {"store": store | {"output": 0.0}} | ({} if pv is None else {"roof": roof}),
        }
    )


def planned(*periods, weights=None, market="p2p"):
    plan = plan_block(periods, weights, market)
    return plan, solve(plan, mip_gap=TIGHT)


@pytest.mark.parametrize("seed", counts.all_or(range(200, 240), (200,)))
def test_what_is_built_whole_costs_what_the_oracle_says(seed):
    periods, weights = random_plan(seed, whole=True)
    plan, solution = planned(*periods, weights=weights)
    assert solution.objective == pytest.approx(oracle.plan(periods, weights).objective, **SAME)
    size, unit = sizes(plan), periods[0]["candidate_unit"].values
    number = np.where(unit > 0, size / np.maximum(unit, 1e-9), 0.0)
    assert number == pytest.approx(np.round(number), abs=1e-6)
    for inputs, results in solved(plan):
        assert settled(inputs, results, solution.directions)[1] == []


def two_ends(cost, owner="grid", limit=1.0, **terms):
    """Return PV of 4 and 2 kW behind an edge of 1 kW, a home beyond that needs 3 kW at 30, and who could widen it."""
    line = {
        "owner": owner,
        "kind": "line",
        "battery": "",
        "node": "a",
        "most": 5.0,
        "cost": cost,
        "output": 0.0,
    }
    return community(
        {
            "slots": [1.0, 1.0],
            "nodes": {
                "root": {"parent": ""},
                "a": {"parent": "root", "limit": limit + 5},
                "b": {"parent": "root"},
            },
            "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
            "participants": {
                "roof": {"node": "a", "tariff": "t", "pv_available": [4.0, 2.0], "demand": 0.0},
                "home": {"node": "b", "tariff": "t", "demand": 3.0},
                "grid": {"node": "root", "tariff": "t", "demand": 0.0},
            },
            "candidates": {"line": line | terms},
        }
    )


@pytest.mark.parametrize(
    ("cost", "size", "income", "rent"),
    [
        (44.5, 0.0, 0.0, 44.0),  # a kW saves 2 x 22 in both slots as long as both have more to send
        (
            43.5,
            1.0,
            43.5,
            87.0,
        ),  # beyond 2 kW only the first has: its kW earns its cost, and so does the one of before
        (22.5, 1.0, 22.5, 45.0),
        (21.5, 2.0, 43.0, 64.5),
    ],
)
def test_a_line_is_built_where_it_breaks_even_and_earns_its_cost(cost, size, income, rent):
    plan, solution = planned(two_ends(cost))
    assert sizes(plan) == pytest.approx([size], abs=1e-9)
    saved = 44 * min(size, 1) + 22 * max(size - 1, 0)
    assert solution.objective == pytest.approx(88 + cost * size - saved)
    (inputs, results), *_ = solved(plan)
    account, found = settled(inputs, results)
    assert found == []
    assert account["line_income"].values == pytest.approx([0.0, 0.0, income])
    assert account["investment_cost"].values == pytest.approx([0.0, 0.0, cost * size])
    assert float(account["congestion_rent"].sum()) == pytest.approx(rent)
    kept = float((account["congestion_rent"] - account["line_income"]).sum())
    assert float(account["bill"].sum()) - kept == pytest.approx(solution.objective)
    enlarge(plan)
    solve(plan, start=solution, tie_break=False)
    assert value_of_more(plan) == pytest.approx([44.0 if not size else 22.0 if size < 2 else 0.0], abs=1e-6)


def test_nobody_builds_a_line_without_peers_and_a_closed_edge_opens():
    assert sizes(planned(two_ends(1.0), market="grid-only")[0]) == pytest.approx([0.0])
    plan, _ = planned(two_ends(5.0, limit=0.0, unit=2.5))
    assert sizes(plan) == pytest.approx([2.5])  # 3 kW are needed, 5 would cost 12.5 more and save 11


def test_lines_that_widen_nothing_are_refused():
    wrong = two_ends(1.0).assign(candidate_node=("candidate", ["root"]))
    assert [p.field for p in validate(wrong)] == ["candidate_node"]
    wrong = two_ends(1.0).assign(candidate_node=("candidate", ["b"]))
    assert [p.want for p in validate(wrong)] == ["at most the limit of its edge, which has one"]
    wrong = two_ends(1.0, kind="pv")
    assert [p.field for p in validate(wrong)] == ["candidate_node"]
    pairs = two_ends(1.0).assign(trade_fee=(("node", "node_to"), np.ones((3, 3))))
    assert any("the rent of an edge" in p.want for p in validate(pairs))


@pytest.mark.parametrize("seed", counts.all_or(range(300, 340), (305,)))
def test_lines_that_are_built_cost_what_the_oracle_says(seed):
    periods, weights = random_plan(seed, line=True)
    plan, solution = planned(*periods, weights=weights)
    assert solution.objective == pytest.approx(oracle.plan(periods, weights).objective, **SAME)
    lines = periods[0]["candidate_kind"].values == "line"
    earned, weight = 0.0, np.array(weights) * len(weights) / sum(weights)
    for (inputs, results), count in zip(solved(plan), weight, strict=True):
        account, found = settled(inputs, results, solution.directions)
        assert found == []
        earned += count * float(account.get("line_income", 0 * account["bill"]).sum())
    if lines.any() and not solution.directions:
        size, most = float(sizes(plan)[lines][0]), float(periods[0]["candidate_most"].values[lines][0])
        cost = size * sum(
            w * float(p["candidate_cost"].values[lines][0]) for p, w in zip(periods, weight, strict=True)
        )
        assert earned == pytest.approx(cost, **SAME) if 1e-6 < size < most - 1e-6 else earned >= cost - 1e-4


def settled(inputs, results, directions=0):
    """Return the accounts of a period and what its checks find, where a plan decided so many directions."""
    block = community_block(inputs, "grid-only")
    decided = solve(block, tie_break=False).directions + directions > 0
    alone, traded = collect(block), trades.bilateral(inputs, results)
    accounts_ = accounts.settle(inputs, results, traded, alone)
    return accounts_, check(inputs, results, traded, accounts_, grid_only=alone, decided=decided)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_costs_what_the_oracle_says_and_passes_every_check(seed):
    periods, weights = random_plan(seed, crossing=seed % 4 == 3)
    market = ("p2p", "grid-only")[seed % 3 == 2]
    plan, solution = planned(*periods, weights=weights, market=market)
    assert solution.objective == pytest.approx(oracle.plan(periods, weights, market).objective, **SAME)
    share, total = np.array(weights) * len(weights) / sum(weights), 0.0
    for (inputs, results), weight in zip(solved(plan), share, strict=True):
        assert validate(inputs) == []
        account, found = settled(inputs, results, solution.directions)
        assert found == []
        transfers = float(account["congestion_rent"].sum() + account["make_whole"].sum())
        total += weight * (float(account["bill"].sum()) - transfers + unpaid.cost(inputs, results))
    assert total == pytest.approx(solution.objective, **SAME)


@pytest.mark.parametrize("seed", counts.all_or(range(100, 112), (102,)))
def test_sizes_fixed_at_the_optimum_cost_the_same(seed):
    periods, weights = random_plan(seed)
    plan, solution = planned(*periods, weights=weights)
    fixed = [built(period, sizes(plan)) for period in periods]
    again, fixed_solution = planned(*fixed, weights=weights)
    assert len(again.investment.component("size").position) == 0
    assert fixed_solution.objective == pytest.approx(solution.objective, **SAME)
    other = [built(period, 0.5 * sizes(plan)) for period in periods]
    assert planned(*other, weights=weights)[1].objective >= solution.objective - 1e-6


@pytest.mark.parametrize(("cost", "size"), [(8.49, 2 / 0.45), (8.51, 0.0)])
def test_a_battery_is_built_where_it_breaks_even(cost, size):
    """A kWh charges 0.5 kW at 10 and gives 0.45 kWh at 30: 13.5 - 5 = 8.5; 2 kWh need 2 / 0.45 kWh."""
    plan, solution = planned(house(cost))
    assert sizes(plan) == pytest.approx([size], abs=1e-9)
    assert solution.objective == pytest.approx(60.0 - (8.5 - cost) * size)
    (inputs, results), *_ = solved(plan)
    assert results["battery_energy"].values[0] == pytest.approx([0.45 * size, 0.0], abs=1e-9)
    account, found = settled(inputs, results)
    assert found == []
    assert float(account["investment_cost"].sum()) == pytest.approx(cost * size)
    assert float(account["bill"].sum()) == pytest.approx(solution.objective)


@pytest.mark.parametrize(
    ("terms", "size", "cost"),
    [
        ({"fixed_cost": 15.5}, 2 / 0.45, 60 - 3.5 * 2 / 0.45 + 15.5),  # it saves 15.56 without
        ({"fixed_cost": 15.6}, 0.0, 60.0),
        ({"unit": 2.0}, 4.0, 60 - 3.5 * 4),  # 14, of 6 kWh 37.78 - 30
        ({"unit": 3.0}, 3.0, 60 - 3.5 * 3),  # 10.5, of 6 kWh 7.78
        ({"unit": 3.0, "fixed_cost": 11.0}, 0.0, 60.0),
    ],
)
def test_a_battery_is_built_whole_where_it_breaks_even(terms, size, cost):
    inputs = house(5.0)
    for name, value in terms.items():
        inputs[f"candidate_{name}"] = ("candidate", [value])
    plan, solution = planned(inputs)
    assert sizes(plan) == pytest.approx([size], abs=1e-6)
    assert solution.objective == pytest.approx(cost)
    (day, results), *_ = solved(plan)
    account, found = settled(day, results)
    assert found == []
    once = terms.get("fixed_cost", 0.0) * (size > 0)
    assert float(account["investment_cost"].sum()) == pytest.approx(5 * size + once)
    enlarge(plan)
    solve(plan, tie_break=False)
    assert value_of_more(plan) == pytest.approx([0.0 if size > 4.4 else 8.5], abs=1e-6)


def test_what_one_more_kwh_saves_is_exact_where_none_is_built():
    """8.5 of a kWh where none is worth its cost, nothing beyond what the home can use."""
    for cost, worth in ((20.0, 8.5), (5.0, 0.0)):
        plan, solution = planned(house(cost))
        enlarge(plan)
        solve(plan, start=solution, tie_break=False)
        assert value_of_more(plan) == pytest.approx([worth], abs=1e-6)


def test_what_one_more_kw_saves_beyond_the_greatest_size():
    """Beyond 3 kW one more kW of PV saves 15, 0.5 kWh at 30; beyond 1 kWh one more saves 8.5."""
    for candidate, most, worth in (("roof", 3.0, 15.0), ("store", 1.0, 8.5)):
        inputs = house(1.0 if candidate == "store" else 99.0, pv=1.0 if candidate == "roof" else 99.0)
        inputs["candidate_most"] = inputs["candidate_most"].where(inputs["candidate"] != candidate, most)
        if candidate == "store":
            for name in ("capacity", "charge_limit", "discharge_limit"):
                inputs[f"battery_{name}"] = inputs[f"battery_{name}"] / 8.0
        plan, solution = planned(inputs)
        place = inputs["candidate"].values.tolist().index(candidate)
        assert sizes(plan)[place] == pytest.approx(most)
        enlarge(plan)
        solve(plan, start=solution, tie_break=False)
        assert value_of_more(plan)[place] == pytest.approx(worth, abs=1e-6)


def test_pv_and_battery_are_built_together_and_rest_within_an_export_limit():
    """PV at 12 a kW gives 0.5 kWh at 30 = 15, up to 4 kW; nothing may leave, so that the first hour's is not used."""
    plan, solution = planned(house(100.0, pv=12.0, feed_in=8.0, export_limit=0.0))
    assert sizes(plan) == pytest.approx([0.0, 4.0], abs=1e-9)
    assert solution.objective == pytest.approx(48.0)
    (inputs, results), *_ = solved(plan)
    assert inputs["pv_available"].values[0] == pytest.approx([4.0, 2.0])
    assert results["pv_curtailment"].values[0] == pytest.approx([4.0, 0.0])
    assert settled(inputs, results)[1] == []


def test_days_count_by_their_weights():
    """Of a battery at 8 on every day, a day with nothing to save bears as much; only one of them saves 8.5."""
    idle = house(8.0).assign(demand=house()["demand"] * 0.0)
    for weights, size in (([1, 1], 0.0), ([1, 9], 0.0), ([99, 1], 2 / 0.45)):
        plan, _ = planned(house(8.0), idle, weights=weights)
        assert sizes(plan) == pytest.approx([size], abs=1e-9)


def test_candidates_that_contradict_are_listed_together():
    wrong = house(5.0, pv=3.0)
    wrong["candidate_battery"] = ("candidate", ["store", "store"])
    wrong["candidate_most"] = ("candidate", [7.0, 5.0])
    wrong["candidate_size"] = ("candidate", [np.nan, 6.0])
    wrong["battery_target"] = (("battery", "time"), [[np.nan, 1.0]])
    fields = {(p.field, p.row) for p in validate(wrong)}
    assert fields == {
        ("candidate_battery", "candidate=roof"),
        ("candidate_battery", "candidate=store"),
        ("candidate_most", "candidate=store"),
        ("candidate_size", "candidate=roof"),
    }


def test_a_clearing_refuses_what_only_a_plan_decides():
    with pytest.raises(InputError) as refused:
        otonari.clear(house(5.0))
    told = [(p.field, p.got) for p in refused.value.problems]
    assert told == [("battery_initial_energy", "nan"), ("candidate_size", "nan")]


CONTRACT = 0.1 / 8  # of a kW for three of 24 hours, both ways


def two_meters(pv, battery, candidates=None):
    """Return the two meters of rec-sizing's unit case (github.com/INESCTEC, collective MILP, pool), three hours."""
    store = STORE | {"owner": "one", "initial_energy": 0.0, "charge_efficiency": 1.0}
    ratings = dict.fromkeys(("capacity", "charge_limit", "discharge_limit"), battery)
    people = {
        "one": {"demand": [0.0, 0.5, 0.0], "pv_available": [pv, 0.0, 0.0]},
        "two": {"demand": 0.1, "pv_available": 0.0},
    }
    tariffs = {
        "one": {"retail_price": 2.0, "feed_in_price": [0.0, 0.0, 0.9], "shared_fee": 0.01},
        "two": {"retail_price": 2.0, "feed_in_price": 0.0, "shared_fee": 0.01},
    }
    return community(
        {
            "slots": [1.0] * 3,
            "nodes": {"n": {"parent": ""}},
            "tariffs": tariffs,
            "participants": {k: {"node": "n", "tariff": k, **own} for k, own in people.items()},
            "batteries": {"store": store | ratings},
            **({"candidates": candidates} if candidates else {}),
        }
    )


def with_contracted_power(inputs: xr.Dataset):
    """Return a host model that pays for the highest power of each meter, either way, and its block."""
    model = pyo.ConcreteModel()
    model.community = community_block(inputs, pool=False)
    model.contract = pyo.Var(["one", "two"], bounds=(0, 10))
    block = model.community

    def power(meter, t, families):
        return sum(f[meter, t] for f in families if (meter, t) in f)

    def within(_, meter, t, way):
        families = {"draw": (block.grid.imports, block.network.purchase)}
        families["give"] = (block.grid.exports, block.network.sale)
        moved = power(meter, t, families[way])
        return moved <= model.contract[meter] if not isinstance(moved, int) else pyo.Constraint.Skip

    model.within = pyo.Constraint(["one", "two"], block.sets.time, ["draw", "give"], rule=within)
    model.total = pyo.Objective(expr=block.cost + CONTRACT * sum(model.contract.values()))
    return model, block


def test_the_published_case_of_two_meters_without_investment():
    """-0.08325 (published as -0.083), prices 0.8875, 0.8875, 0.9; contracted powers 0.2 and 0.1 kW."""
    model, block = with_contracted_power(two_meters(0.9, 1.0))
    assert otonari.solve(model).objective == pytest.approx(-0.08325)
    assert [pyo.value(v) for v in model.contract.values()] == pytest.approx([0.2, 0.1])
    assert collect(block)["price"].values[0] == pytest.approx([0.8875, 0.8875, 0.9])


def test_the_published_case_of_two_meters_that_build():
    """0.00625 (published as 0.006): PV of 1 kW at the second meter, a battery of 0.5 kWh at the first."""
    nothing = {"output": 0.0, "battery": ""}
    candidates = {
        "battery": nothing
        | {"owner": "one", "kind": "battery", "battery": "store", "most": 1.0, "cost": CONTRACT},
        "pv": nothing | {"owner": "two", "kind": "pv", "most": 1.0, "cost": 0.0, "output": 0.1},
    }
    model, block = with_contracted_power(two_meters(0.5, 1.0, candidates))
    assert otonari.solve(model).objective == pytest.approx(0.00625)
    assert collect(block)["candidate_size"].values == pytest.approx([0.5, 1.0])


@pytest.mark.parametrize("seed", counts.all_or(range(400, 430), (401, 408)))
def test_plans_from_the_leaves_of_the_tree_are_the_optimum_of_one_program(monkeypatch, seed):
    """Sizes tie the periods of a meter, no two meters: subtrees of one are solved first, with the proof of the whole."""
    periods, weights = random_plan(seed, line=seed % 3 == 0)
    whole = solve(plan_block(periods, weights), mip_gap=TIGHT)
    monkeypatch.setattr(fee_tree, "METERS", 1)
    plan, solution = planned(*periods, weights=weights)
    assert solution.objective == pytest.approx(whole.objective, **SAME)
    assert "from the leaves" in solution.method or "trade_fee" in periods[0]
    proof = solution.proof
    assert max(proof["primal_residual"], proof["dual_residual"], proof["duality_gap"]) <= 1e-6
    for inputs, results in solved(plan):
        assert settled(inputs, results, solution.directions)[1] == []
