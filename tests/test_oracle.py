"""The model against the oracle: on small random communities both must find the same least cost."""

from functools import cache

import numpy as np
import pyomo.environ as pyo
import pytest

from otonari.data.inputs.contract import TABLE, optional
from otonari.data.inputs.validation import validate
from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.runs.clear.single import clear

from . import counts, oracle
from .communities import FEATURES, community, features, first_feasible, random_community

SEEDS = counts.all_or(range(250), range(125))
CLEARED = counts.share(
    range(0, 250, 10)
)  # through the whole chain of settlement and checks, which takes longer
PRICED = counts.share(range(5, 250, 8))
MIN_CHARGE = range(500, 520)
CROSSING = range(1000, 1500)
CROSSING_AND_MIN_CHARGE = range(1500, 1540)
MARKETS = ("p2p", "grid-only")
SAME = {"rel": 1e-6, "abs": 1e-5}
TIGHT = 1e-7
"""Gap of directions that are decided, for objectives that are to be the same."""
DECIDED = {"rel": 1e-4, "abs": 1e-6}
"""The same with the gap that a clearing asks for."""


@cache
def drawn(seed, min_charge=False, crossing=False):
    """Return the random community of a seed, drawn once."""
    return random_community(seed, min_charge, crossing)


@cache
def least(seed, market="p2p", min_charge=False, crossing=False):
    """Return the least cost of a random community by the oracle."""
    return oracle.solve(drawn(seed, min_charge, crossing), market).objective


@pytest.mark.thorough
def test_communities_are_valid_and_tell_their_seed():
    for seed in SEEDS:
        assert validate(drawn(seed)) == [], seed
    assert drawn(7).identical(first_feasible.__wrapped__(7, False))  # drawn anew
    assert not drawn(7).identical(random_community(8))


EXCHANGED = ("green_premium", "imbalance_fee")
"""What counts on an exchange alone: clearings know neither."""
TERMS = ("self_discharge", "final_value", "target", "target_price")
"""What stores have in communities with ``terms`` alone."""
CONTRACTS = ("shared_fee", "slot_day", "day_month", "earlier_peak", "earlier_energy", "contracted_power")
"""What contracts of components add: communities have it where tests of peaks, tiers and shared fees give it."""
UNDRAWN = (
    *CONTRACTS,
    *(name for name in TABLE if name.startswith(("component_", "peak_", "tier_", "candidate_"))),
    *(name for name in TABLE if name.startswith(("flexible_load_", "task_"))),
    "participant_metering",
    "inverter_limit",
    "import_envelope",
    "export_envelope",
    "node_import_envelope",
    "node_export_envelope",
    "battery_gives",
    "day_peak",
    *(
        "source_voltage",
        "participant_phase",
        "power_factor",
        "node_voltage",
        "node_edge",
        "node_current_limit",
        "node_voltage_low",
        "node_voltage_high",
        "node_loading_limit",
        "lost_energy_price",
    ),
    *(f"node_{z}{sequence}" for z in ("resistance", "reactance") for sequence in ("", "_zero")),
    *(f"{store}_{name}" for store in ("battery", "vehicle") for name in TERMS),
    *(name for name in TABLE if name.startswith("heat_pump_")),
)
"""What random communities do not draw yet, or only where a test asks for it."""


def test_communities_cover_every_variable_of_the_table():
    """Over the seeds every variable takes a value other than its default, and varies."""
    values: dict = {name: set() for name in TABLE}
    for inputs in [*map(drawn, SEEDS), drawn(MIN_CHARGE[0], True)]:
        for name in inputs.data_vars:
            values[name].update(inputs[name].values.ravel().tolist())
    for name, row in TABLE.items():
        if name in EXCHANGED + UNDRAWN:
            continue
        other = {v for v in values[name] if v not in (row.default, row.absent, "") and v == v}
        assert len(other) >= 2 or name == "vehicle_min_charge", name
        assert other, name


@pytest.mark.thorough
def test_communities_hold_every_feature():
    """Each feature occurs often enough to be met in combination with others."""
    counts = dict.fromkeys(FEATURES, 0)
    for seed in SEEDS:
        for name in features(drawn(seed)):
            counts[name] += 1
    assert {name: n for name, n in counts.items() if n < 8} == {}


COUNTING = [
    name
    for name, row in TABLE.items()
    if row.unit not in ("label", "UTC") and "carbon" not in name and name not in EXCHANGED + UNDRAWN
]
NO_LIMIT = ("import_limit", "export_limit", "node_limit")


@pytest.mark.thorough
@pytest.mark.parametrize("name", COUNTING)
def test_communities_feel_every_number_of_the_table(name):
    """A limit that never binds, or a price that never counts, would test nothing: here the cost differs."""
    felt, least_charge = 0, name == "vehicle_min_charge"
    for seed in MIN_CHARGE if least_charge else SEEDS:
        inputs = drawn(seed, least_charge)
        if name in inputs:
            other = inputs[name].where(False, np.inf) if name in NO_LIMIT else inputs[name] * 0.97
            changed = oracle.solve(inputs.assign({name: other}))
            felt += changed.feasible and abs(changed.objective - least(seed, "p2p", least_charge)) > 1e-6
        if felt == counts.all_or(3, 1):
            return
    raise AssertionError(f"{name} counts in {felt} communities")


@pytest.mark.parametrize("seed", counts.all_or(range(250), range(36)))
def test_model_equals_oracle(seed):
    inputs = drawn(seed)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market), mip_gap=TIGHT)
        assert found.objective == pytest.approx(least(seed, market), **SAME), market


@pytest.mark.parametrize("seed", counts.share(MIN_CHARGE))
def test_model_equals_oracle_with_minimum_charge(seed):
    inputs = drawn(seed, True)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market))
        assert found.objective == pytest.approx(least(seed, market, True), rel=1e-4), market


@pytest.mark.parametrize("min_charge", [False, True])
def test_model_equals_oracle_where_prices_cross(min_charge):
    """And every meter and store of the model has one direction in every slot."""
    for seed in counts.few(CROSSING_AND_MIN_CHARGE if min_charge else CROSSING[: counts.all_or(500, 240)]):
        inputs = drawn(seed, min_charge, True)
        for market in MARKETS:
            block = community_block(inputs, market=market)
            found = solve(block, mip_gap=TIGHT)
            want = least(seed, market, min_charge, True)
            assert found.objective == pytest.approx(want, **SAME), (seed, market)
            assert one_way(inputs, collect(block)), (seed, market)


@pytest.mark.parametrize("seed", counts.share(range(2000, 2060)))
def test_model_equals_oracle_with_the_terms_of_stores(seed):
    inputs = random_community(seed, terms=True)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market), mip_gap=TIGHT)
        assert found.objective == pytest.approx(oracle.solve(inputs, market).objective, **SAME), market


@pytest.mark.parametrize("seed", counts.few(range(3000, 3030)))
@pytest.mark.parametrize("options", [{"crossing": True}, {"min_charge": True}], ids=str)
def test_model_equals_oracle_with_the_terms_of_stores_where_something_is_decided(seed, options):
    inputs = random_community(seed, terms=True, **options)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market), mip_gap=TIGHT)
        assert found.objective == pytest.approx(oracle.solve(inputs, market).objective, **DECIDED), market


@pytest.mark.thorough
@pytest.mark.parametrize("seed", counts.few(range(2000, 2060, 5)))
def test_communities_with_the_terms_of_stores_pass_all_checks(seed):
    inputs = random_community(seed, terms=True)
    for market in (*MARKETS, "unmanaged"):
        try:
            clear(inputs, market)
        except Infeasible:
            assert market == "unmanaged"


@pytest.mark.thorough
@pytest.mark.parametrize("name", [f"battery_{name}" for name in TERMS])
def test_communities_feel_the_terms_of_stores(name):
    """Each counts: with a little less of it the cost is another one."""
    felt = 0
    for seed in counts.all_or(range(2000, 2030), range(2000, 2012)):
        inputs = random_community(seed, terms=True)
        changed = oracle.solve(inputs.assign({name: inputs[name] * 0.97}))
        felt += changed.feasible and abs(changed.objective - oracle.solve(inputs).objective) > 1e-6
    assert felt >= 3


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["inverter_limit", "battery_gives"])
def test_communities_feel_what_is_shared_behind_a_meter(name):
    felt = 0
    for seed in counts.all_or(range(2000, 2030), range(2000, 2012)):
        inputs = random_community(seed, terms=True)
        felt += abs(oracle.solve(inputs.drop_vars(name)).objective - oracle.solve(inputs).objective) > 1e-6
    assert felt >= counts.all_or(3, 1)


def test_the_rule_costs_something_where_prices_cross():
    """Else the communities above would not try it: both ways at once would be cheaper in many of them."""
    cheaper = 0
    for seed in counts.all_or(CROSSING[:40], CROSSING[:12]):
        free = oracle.solve(drawn(seed, False, True), both_ways=True)
        cheaper += free.objective < least(seed, "p2p", False, True) - 1e-3
    assert cheaper >= counts.all_or(20, 6)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", counts.few(CROSSING[:60]))
def test_communities_in_a_host_model_go_one_way(seed):
    """Two blocks side by side cost what they cost alone."""
    villages = [drawn(seed, False, True), drawn(seed + 1, False, True)]
    host = pyo.ConcreteModel()
    host.one, host.other = map(community_block, villages)
    host.cost = pyo.Objective(expr=host.one.cost + host.other.cost)
    want = sum(least(seed + k, "p2p", False, True) for k in (0, 1))
    assert solve(host, mip_gap=TIGHT).objective == pytest.approx(want, **SAME)
    for block, inputs in zip((host.one, host.other), villages, strict=True):
        assert one_way(inputs, collect(block))


def one_way(inputs, results):
    """Return whether no meter of the results draws and gives in the same slot, and no store takes and gives."""
    apart = optional(inputs, "participant_metering") == "gross"
    pairs = [(results["draw"].values[~apart], results["supply"].values[~apart])]
    for device in ("battery", "vehicle"):
        if inputs.sizes[device]:
            pairs.append((results[f"{device}_charge"].values, results[f"{device}_discharge"].values))
    if "vehicle_import" in results:
        sides = ("import", "purchase"), ("export", "sale")
        known = [
            [results[f"vehicle_{n}"].fillna(0.0).values for n in s if f"vehicle_{n}" in results]
            for s in sides
        ]
        pairs.append(tuple(sum(flows) for flows in known))
    return all(np.minimum(forward, backward).max(initial=0.0) <= oracle.MOVES for forward, backward in pairs)


def test_model_and_oracle_agree_on_what_is_infeasible():
    """Half the connection, or an end that asks for a full battery: possible for some communities only."""
    impossible = 0
    for seed in counts.all_or(SEEDS[:40], SEEDS[:12]):
        inputs = drawn(seed).drop_vars(["battery_final_limit", "vehicle_final_limit"], errors="ignore")
        full = {f"{device}_final_energy": inputs[f"{device}_capacity"] for device in ("battery", "vehicle")}
        weak = {"import_limit": inputs["demand"].max("time") / 2}
        low = features(inputs) & {"battery starts below minimum", "vehicle starts below minimum"}
        for harder in (
            (full,) if low else (weak, full)
        ):  # the oracle has no rule for two chargers behind a weak line
            changed = inputs.assign(harder)
            expected = oracle.solve(changed)
            if expected.feasible:
                assert solve(community_block(changed), mip_gap=TIGHT).objective == pytest.approx(
                    expected.objective, **SAME
                )
            else:
                impossible += 1
                with pytest.raises(Infeasible):
                    solve(community_block(changed))
    assert counts.all_or(10, 3) <= impossible <= counts.all_or(70, 21)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("demand", [0.0, 1.5])
def test_a_community_in_which_nothing_can_be_decided_clears(demand, market):
    """No PV, no device, perhaps no demand: nothing is left to optimize, and the cost is the demand's."""
    home = {"node": "bank", "tariff": "flat", "demand": demand}
    inputs = community(
        {
            "slots": [1, 0.5],
            "nodes": {"bank": {"parent": ""}},
            "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}},
            "participants": {"one": home, "two": home},
        }
    )
    cost = 2 * demand * 1.5 * 30
    assert oracle.solve(inputs, market).objective == pytest.approx(cost)
    assert float(clear(inputs, market=market)["settlement"]["bill"].sum()) == pytest.approx(cost)


@pytest.mark.parametrize("seed", CLEARED)
def test_cleared_run_passes_its_checks_and_costs_what_the_oracle_says(seed):
    """``clear`` refuses a run that contradicts its inputs; its money adds up to the oracle's cost."""
    inputs = drawn(seed)
    settlement = clear(inputs, market="p2p")["settlement"]
    cost = float(settlement["bill"].sum() - settlement["congestion_rent"].sum())
    assert cost == pytest.approx(least(seed), **DECIDED)
    alone = float(settlement["bill_grid_only"].sum())
    assert alone == pytest.approx(least(seed, "grid-only"), **DECIDED)


@pytest.mark.parametrize("where", ["somebody trades", "somebody could", "nobody is"])
@pytest.mark.parametrize("seed", PRICED)
def test_prices_are_marginal_values(seed, where):
    """Taking a little at a node costs no less than its price; giving a little there saves no more.

    This holds for every dual solution, unique or not, with every direction as it is: then the cost is convex in what
    the probe takes.
    """
    inputs, little = drawn(seed), 1e-3
    results = collect(priced_block(inputs))
    shut = oracle.directions(inputs, results)
    assert oracle.solve(inputs, shut=shut).objective == pytest.approx(least(seed), **SAME)
    for name, side, sign in (("price", "purchase", 1), ("sale_price", "sale", -1)):
        places = [p for p, what in nodes_by_use(inputs, results, side).items() if what == where]
        np.random.default_rng(seed).shuffle(places)
        for node, t in places[:4]:
            energy = little * float(inputs["slot_hours"][t])
            probed = oracle.solve(inputs, probe=(node, t, sign * little), shut=shut)
            price = float(results[name].sel(node=node)[t])
            if probed.feasible:
                excess = sign * price - (probed.objective - least(seed)) / energy
                assert excess <= 1e-5, (name, node, t, price)


def priced_block(inputs):
    block = community_block(inputs)
    solve(block, mip_gap=TIGHT)
    return block


def nodes_by_use(inputs, results, side):
    """Return (node, slot) -> whether somebody trades there on that side, somebody could, or nobody is there."""
    home = dict(
        zip(inputs["participant"].values.tolist(), inputs["participant_node"].values.tolist(), strict=True)
    )
    use = {}
    for t in range(inputs.sizes["time"]):
        there = list(home.values()), results[f"peer_{side}"].values[:, t].tolist()
        hosts = inputs["vehicle_host"].values[:, t].tolist()
        guests = [home.get(host) for host in hosts], results[f"vehicle_{side}"].values[:, t].tolist()
        for node in inputs["node"].values.tolist():
            power = [
                kw
                for nodes, flows in (there, guests)
                for n, kw in zip(nodes, flows, strict=True)
                if n == node
            ]
            busy = np.nansum(power) > 1e-6
            use[node, t] = "somebody trades" if busy else "somebody could" if power else "nobody is"
    return use
