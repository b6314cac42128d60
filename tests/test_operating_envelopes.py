"""Limits of connections as time series: obeyed by clearings, the unmanaged day, simulations and the exchange."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import otonari
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import digest, load_scenario
from otonari.model.agents.rule_based import unmanaged
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.exchange.exchange import match
from otonari.model.solver.solve import solve
from otonari.runs.simulate.loop import Options, Simulation
from otonari.runs.simulate.results import account
from otonari.runs.simulate.timeline import of_inputs

from . import counts, oracle, test_exchange
from .communities import community, random_community

FLAT = {"flat": {"retail_price": 30, "feed_in_price": 8}}
SAME, TIGHT = {"rel": 1e-6, "abs": 1e-6}, 1e-9


def home(slots=(1, 1), battery=None, **row):
    """Return a home with a battery of 4 kWh and 2 kW that loses nothing, over hours."""
    store = {"owner": "home", "capacity": 4, "initial_energy": 2, "charge_limit": 2, "discharge_limit": 2}
    store |= {"charge_efficiency": 1, "discharge_efficiency": 1} | (battery or {})
    return community(
        {
            "slots": list(slots),
            "nodes": {"bank": {"parent": ""}},
            "tariffs": FLAT,
            "participants": {"home": {"node": "bank", "tariff": "flat", "demand": 1.0, **row}},
            "batteries": {"b": store},
        }
    )


def with_envelopes(inputs, seed):
    """Return a community with envelopes drawn at random: of import no less than demand, of export anything."""
    rng, per_slot = np.random.default_rng(seed), ("participant", "time")
    demand = inputs["demand"].values
    drawn = demand + np.where(rng.random(demand.shape) < 0.5, rng.uniform(0, 2, demand.shape), np.inf)
    given = np.where(rng.random(demand.shape) < 0.5, rng.uniform(0, 3, demand.shape), np.inf)
    return inputs.assign(import_envelope=(per_slot, drawn), export_envelope=(per_slot, given))


def test_a_battery_keeps_a_home_within_its_envelope():
    """Demand of 1 kW where 0.4 kW may be drawn: the battery gives 0.6 and takes them back, at 2 - 1 = 1 kW at most."""
    tree = otonari.clear(home(import_envelope=[0.4, 2.0]), market="grid-only")
    assert tree["results"]["draw"].values[0] == pytest.approx([0.4, 1.6])
    assert tree["inputs"]["import_envelope"].values[0].tolist() == [0.4, 2.0]
    assert float(tree["settlement"]["bill"][0]) == pytest.approx(60.0)


def test_pv_beyond_an_envelope_is_stored_or_not_used():
    """Of a surplus of 3 kW, 0.5 leave, 2 charge (full then) and 0.5 are not used; next all leave, and the 2 kWh too."""
    inputs = home(pv_available=[4.0, 4.0], export_envelope=[0.5, 10.0])
    results = otonari.clear(inputs, market="grid-only")["results"]
    assert results["supply"].values[0] == pytest.approx([0.5, 5.0])
    assert results["pv_curtailment"].values[0] == pytest.approx([0.5, 0.0])
    nobody = unmanaged(inputs)
    assert nobody["supply"].values[0] == pytest.approx([0.5, 3.0])
    assert nobody["pv_curtailment"].values[0] == pytest.approx([0.5, 0.0])


def test_who_plans_keeps_an_envelope_or_is_told_what_lacks():
    """Without the battery 0.6 kW lack in the first hour; where nobody plans, they are drawn, and the checks know why."""
    inputs = home(battery={"discharge_limit": 0}, import_envelope=[0.4, 2.0])
    for market in ("grid-only", "p2p"):
        with pytest.raises(Infeasible, match=r"home.*0\.6 kW of connection"):
            otonari.clear(inputs, market=market)
    tree = otonari.clear(inputs, market="unmanaged")
    assert tree["results"]["draw"].values[0] == pytest.approx([1.0, 1.0])
    assert tree["inputs"]["import_envelope"].values[0].tolist() == [0.4, 2.0]


def test_what_charges_waits_for_the_envelope_where_nobody_plans():
    """1.5 kW may be drawn beside a demand of 1: a battery below its minimum takes 0.5, and the rest an hour later."""
    inputs = home(battery={"initial_energy": 0.0, "min_energy": 1.0}, import_envelope=[1.5, 5.0])
    results = unmanaged(inputs)
    assert results["battery_charge"].values[0] == pytest.approx([0.5, 0.5])
    assert results["draw"].values[0] == pytest.approx([1.5, 1.5])


@pytest.mark.parametrize("way", ["import", "export"])
def test_checks_compute_envelopes_again(way):
    """A run that was cleared without them breaks them: by what, where and when is told."""
    inputs = home(pv_available={"import": [0.0, 0.0], "export": [0.0, 4.0]}[way])
    tree = otonari.clear(inputs, market="grid-only")
    groups = [tree[name].to_dataset() for name in ("results", "trades", "settlement")]
    side = {"import": "draw", "export": "supply"}[way]
    power = groups[0][side].values
    assert check(inputs.assign({f"{way}_envelope": (("participant", "time"), power)}), *groups) == []
    slot = int(power[0].argmax())
    less = np.where(np.arange(2) == slot, power - 0.25, power)
    found = check(inputs.assign({f"{way}_envelope": (("participant", "time"), less)}), *groups)
    assert [f.check for f in found] == [f"{way} limit"]
    assert found[0].amount == pytest.approx(0.25)
    assert f"time={np.datetime_as_string(inputs['time'].values[slot], unit='m')}" in found[0].where


@pytest.mark.parametrize("seed", counts.all_or(range(60), (1, 3, 5)))
def test_model_equals_oracle_with_envelopes(seed):
    inputs = with_envelopes(random_community(seed), seed)
    for market in ("p2p", "grid-only"):
        expected = oracle.solve(inputs, market)
        if not expected.feasible:
            with pytest.raises(Infeasible):
                solve(community_block(inputs, market=market))
            continue
        found = solve(community_block(inputs, market=market), mip_gap=TIGHT)
        assert found.objective == pytest.approx(expected.objective, **SAME), market


def test_an_envelope_that_is_a_limit_in_every_slot_is_that_limit():
    inputs = random_community(3)
    names = {f"{way}_limit": inputs[f"{way}_limit"] for way in ("import", "export")}
    assert any(np.isfinite(limit).any() for limit in names.values())
    over_time = {
        name.replace("limit", "envelope"): limit.broadcast_like(inputs["demand"]).transpose(
            *inputs["demand"].dims
        )
        for name, limit in names.items()
    }
    free = {name: xr.full_like(limit, np.inf) for name, limit in names.items()}
    as_limits, as_envelopes = (otonari.clear(i) for i in (inputs, inputs.assign(free | over_time)))
    xr.testing.assert_allclose(as_envelopes["results"].to_dataset(), as_limits["results"].to_dataset())


def test_a_simulated_day_keeps_what_it_can_of_an_envelope():
    """Who buys 1 kW is let through 0.4 in the second slot: agents ask for no more, and what is drawn is checked."""
    people = {
        "sun": {"node": "bank", "tariff": "flat", "demand": 0.0, "pv_available": [3.0, 3.0, 3.0]},
        "home": {"node": "bank", "tariff": "flat", "demand": 1.0},
    }
    case = {"slots": [0.5] * 3, "nodes": {"bank": {"parent": ""}}, "tariffs": FLAT, "participants": people}
    inf = [np.inf, np.inf, np.inf]
    inputs = community(case).assign(
        import_envelope=(("participant", "time"), [inf, [5.0, 0.4, 5.0]]),
        export_envelope=(("participant", "time"), [[3.0, 3.0, 0.25], inf]),
    )
    line = of_inputs(inputs, inputs)
    simulation = Simulation(line, Options())
    while not simulation.done:
        simulation.step()
    tree = account(line, simulation.state, Options())
    home_at = inputs["participant"].values.tolist().index("home")
    assert tree["results"]["draw"].values[home_at] == pytest.approx([1.0, 1.0, 1.0])
    assert tree["results"]["supply"].values[1 - home_at] == pytest.approx([3.0, 3.0, 0.25])


# the exchange


def exchange(**envelopes):
    """Return inputs of two meters that could give 1.5 kWh in the slot, with envelopes [kW]."""
    per_slot = ("participant", "time")
    envelopes = {f"{way}_envelope": (per_slot, [[kw], [kw]]) for way, kw in envelopes.items()}
    inputs = test_exchange.community({"p": "b1", "q": "b2"}, **envelopes)
    inputs["pv_available"][:] = 3.0
    return inputs


def test_an_order_beyond_an_envelope_is_cut_and_told():
    """Of 1.5 and 0.5 kWh that are offered, an envelope of 2 kW takes 1 kWh in half an hour: 1.0 and nothing."""
    rows = [
        test_exchange.order("a", 1, "sell", 10, 1.5, "p"),
        test_exchange.order("b", 2, "sell", 10, 0.5, "p"),
        test_exchange.order("c", 3, "buy", 40, 1.2, "q"),
    ]
    outcome = match(test_exchange.dataset(rows), exchange(export=2.0, **{"import": 1.8}))
    orders = outcome.orders
    assert orders["taken"].values.tolist() == [True, False, True]
    assert orders["code"].values.tolist() == ["export-envelope", "export-envelope", "import-envelope"]
    assert orders["refused"].values == pytest.approx([0.5, 0.5, 0.3])
    assert orders["reason"].values[0] == (
        "1.500 kWh exceed the export envelope of 1.000 kWh, of which 1.000 kWh are free: so much is taken"
    )
    assert orders["reason"].values[1].endswith("of which 0.000 kWh are free")
    assert outcome.trades["trade_energy"].values.tolist() == [0.9]
    told = orders["refused"] + orders["traded"] + orders["open"]
    assert told.values == pytest.approx(orders["energy"].values)


def test_an_amendment_is_cut_to_what_the_envelope_leaves():
    rows = [
        test_exchange.order("a", 1, "sell", 10, 0.4, "p"),
        test_exchange.change("a", 2, "amend", energy=1.4),
        test_exchange.order("b", 3, "buy", None, 1.2, "q"),
    ]
    orders = match(test_exchange.dataset(rows), exchange(export=2.0)).orders
    assert orders["code"].values.tolist() == ["", "export-envelope", "no-counterpart"]
    assert orders["refused"].values == pytest.approx([0, 0.4, 0.2])
    assert orders["traded"].values[0] == pytest.approx(1.0)


def test_a_market_order_that_is_cut_and_finds_too_little_is_told_both():
    rows = [
        test_exchange.order("a", 1, "sell", 10, 0.4, "p"),
        test_exchange.order("b", 2, "buy", None, 1.2, "q"),
    ]
    orders = match(test_exchange.dataset(rows), exchange(**{"import": 2.0})).orders
    assert orders["refused"].values == pytest.approx([0, 0.8])
    reason = str(orders["reason"].values[1])
    assert "import envelope" in reason
    assert "no order to match 0.600 of 1.000 kWh" in reason


# files


@pytest.fixture
def scenario(tmp_path):
    """Return a scenario of two homes of generated demand, and a function that writes a file of limits."""
    values = {
        "schema_version": 1,
        "name": "street",
        "time": {"start": "2020-08-19", "slot_minutes": 60},
        "tables": {"participants": [{"participant": n, "persons": 2} for n in ("a", "b")]},
        "tariffs": {"flat": {"energy": {"type": "flat", "price_per_kwh": 30}}},
    }

    def limits(wide=True, skip=()):
        hours = [f"2020-08-19T{h:02}:00" for h in range(24)]
        rows = [(t, n, 1000 * (8 + k + h / 10)) for k, n in enumerate("ab") for h, t in enumerate(hours)]
        frame = pd.DataFrame(rows, columns=["time", "home", "W"])
        frame = frame.pivot(index="time", columns="home", values="W").reset_index() if wide else frame
        frame.drop(columns=list(skip)).to_csv(tmp_path / "limits.csv", index=False)
        return {"path": str(tmp_path / "limits.csv"), "unit": "W"}

    return values, limits


def test_a_scenario_names_files_of_limits(scenario):
    """Wide, a column per participant, or long: meters below one another. Both state 8 and 9 kW, and a tenth an hour."""
    values, limits = scenario
    plain = load_scenario(values)
    expected = np.array([[8.0], [9.0]]) + np.arange(24) / 10
    forms = [limits(), {**limits(), "time_zone": "Asia/Tokyo"}]
    for form in forms:
        inputs = build_inputs(load_scenario({**values, "series": {"import_limit": form}}))
        np.testing.assert_allclose(inputs["import_envelope"].values, expected)
        assert "export_envelope" not in inputs
    long = {**limits(wide=False), "meter_column": "home", "value_column": "W"}
    named = load_scenario({**values, "series": {"export_limit": long}})
    np.testing.assert_allclose(build_inputs(named)["export_envelope"].values, expected)
    assert digest(named) != digest(plain)
    assert "import_envelope" not in build_inputs(plain)


def test_a_participant_may_have_no_limit_over_time_or_another_column(scenario):
    values, limits = scenario
    rows = [{"participant": "a", "persons": 2, "import_limit_column": "b"}]
    rows += [{"participant": "b", "persons": 2, "import_limit_column": "-"}]
    changed = {**values, "tables": {"participants": rows}, "series": {"import_limit": limits()}}
    inputs = build_inputs(load_scenario(changed))
    assert inputs["import_envelope"].values[0, 0] == 9.0
    assert np.isinf(inputs["import_envelope"].values[1]).all()


def test_problems_of_limits_are_listed(scenario):
    values, limits = scenario
    rows = [
        {**values["tables"]["participants"][0], "export_limit_column": "x"},
        values["tables"]["participants"][1],
    ]
    wrong = {**values, "tables": {"participants": rows}, "series": {"import_limit": limits(skip="b")}}
    told = [(p.field, p.got, p.want) for p in problems(wrong)]
    field = "tables.participants.0.export_limit_column"
    assert (field, "'x'", "a file in series.export_limit") in told
    assert ("b", "the columns time, a", "a column 'b' in the header") in told
    counter = {**values, "series": {"import_limit": {**limits(), "unit": "kWh cumulative"}}}
    assert [p.want for p in problems(counter)] == ["a unit of power, or of energy per interval"]
