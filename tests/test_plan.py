"""`otonari plan`: from a scenario to stored figures, and what is refused."""

import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.assembly.plans import representative_days
from otonari.data.assembly.plans.candidates import annuity, items
from otonari.data.assembly.plans.inputs import planned_inputs
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.data.problems import InputError
from otonari.model.topology.candidates import built
from otonari.runs.clear import sweep
from otonari.runs.clear.single import clear
from otonari.runs.commands.plan import _members
from otonari.runs.plan.run import planned as planned_with_days
from otonari.runs.store import plan_file, run_file
from otonari.runs.store.atomic_file import RunFileError

from . import pages
from .communities import community

pytestmark = pytest.mark.thorough

SMALL = {
    "schema_version": 1,
    "name": "pair",
    "time": {"start": "2020-08-19", "slot_minutes": 240},
    "weather": {"source": "clear-sky"},
    "tables": {
        "participants": [
            {"participant": "a", "persons": 2, "annual_kwh": 3650},
            {"participant": "b", "persons": 3, "annual_kwh": 4000, "pv_kw": 4},
            {"participant": "shop", "kind": "business", "annual_kwh": 3000},
        ],
        "batteries": [
            {
                "battery": "old",
                "owner": "b",
                "capacity_kwh": 2,
                "charge_limit_kw": 1,
                "discharge_limit_kw": 1,
            }
        ],
    },
    "tariffs": {
        "t": {
            "energy": {"type": "flat", "price_per_kwh": 30},
            "feed_in": {"type": "flat", "price_per_kwh": 8},
        }
    },
    "investment": {
        "candidates": {
            "pv": {
                "kind": "pv",
                "each": "homes",
                "capacity_max": 3,
                "cost_per_kw": 200000,
                "lifetime_years": 25,
                "maintenance_per_year": 3000,
            },
            "cells": {
                "kind": "battery",
                "owner": "a",
                "capacity_max": 6,
                "cost_per_kwh": 40000,
                "lifetime_years": 15,
            },
        }
    },
    "finance": {"discount_rate": 0.02, "years": 10},
}


def otonari(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan")
    (path / "pair.yaml").write_text(json.dumps(SMALL))
    return path


@pytest.fixture(scope="module")
def planned(folder):
    """The facts of a plan, and its file."""
    file = folder / "out" / "plan.nc"
    result = otonari("plan", folder / "pair.yaml", "-o", file, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), file


@pytest.fixture(scope="module")
def alone(planned, folder):
    """What is said of the same plan without peers, in place of a copy of the file; and its days as runs."""
    file, days = folder / "told.nc", folder / "days"
    file.write_bytes(planned[1].read_bytes())
    result = otonari("plan", folder / "pair.yaml", "-o", file, "--market", "grid-only", "--days", days)
    assert result.exit_code == 0, result.output
    return result.stdout, file, days


def test_an_annuity_pays_a_price_back_with_interest():
    """100 over two years at 10 %: 57.62 a year are worth 52.38 + 47.62 now."""
    assert annuity(0.1, 2) == pytest.approx(1.21 / 2.1)
    assert annuity(0.1, 2) * (1 / 1.1 + 1 / 1.1**2) == pytest.approx(1.0)
    assert annuity(0.0, 4) == 0.25


def test_the_figures_of_a_plan_agree_with_one_another(planned):
    facts, file = planned
    members, candidates, totals = facts["members"], facts["candidates"], facts["totals"]
    assert list(candidates) == ["pv@a", "pv@b", "cells"]
    assert members["a"]["participant_kind"] == "consumer"  # as it is, whatever it builds
    assert candidates["pv@a"]["size"] == pytest.approx(3.0)
    assert totals["cost_after"] == pytest.approx(facts["objective"])
    assert totals["gain"] == pytest.approx(totals["cost_before"] - totals["cost_after"])
    assert totals["gain"] > 0
    pv = candidates["pv@a"]
    assert pv["yearly_cost"] == pytest.approx(3 * (200000 * annuity(0.02, 25) + 3000))
    assert pv["worthwhile_price"] == pytest.approx((pv["worth"] - 3000) / annuity(0.02, 25))
    assert pv["worthwhile_price"] > 200000  # it builds as much as it may
    cells = candidates["cells"]
    assert cells["worthwhile_price"] == pytest.approx(cells["worth"] / annuity(0.02, 15))
    assert cells["size"] == pytest.approx(6.0)
    assert cells["worthwhile_price"] > 40000
    a = members["a"]
    assert a["investment"] == pytest.approx(pv["yearly_cost"] + cells["yearly_cost"])
    assert a["capital"] == pytest.approx(600000 + 40000 * cells["size"])
    assert a["npv"] == pytest.approx(a["gain"] / annuity(0.02, 10))
    assert a["payback"] == pytest.approx(a["capital"] / (a["gain"] + a["investment"] - 9000))
    stored = plan_file.read(file)
    assert stored["gain"].values == pytest.approx([m["gain"] for m in members.values()])


def test_sizes_that_a_scenario_has_cost_what_the_plan_says(planned, folder):
    """The scenario with what was built in its tables, cleared as any other: a plan of nothing more costs the same."""
    facts, _ = planned
    sized = json.loads(json.dumps(SMALL))
    people = sized["tables"]["participants"]
    for person, before in zip(people, (0, 4), strict=False):
        person["pv_kw"] = before + facts["candidates"][f"pv@{person['participant']}"]["size"]
    del sized["investment"]["candidates"]["pv"]
    cells = sized["investment"]["candidates"]["cells"]
    cells["capacity_max"], cells["cost_per_kwh"] = max(facts["candidates"]["cells"]["size"], 1e-3), 0.0
    (folder / "built.yaml").write_text(json.dumps(sized))
    again = json.loads(otonari("plan", folder / "built.yaml", "-o", folder / "built.nc", "--json").stdout)
    spent = sum(c["yearly_cost"] for c in facts["candidates"].values())
    assert again["objective"] + spent == pytest.approx(facts["objective"], abs=1.0)


def test_what_is_built_is_what_the_plan_operates(planned):
    """A scenario that says what is built of its candidates has the inputs of the plan at these sizes."""
    sizes = {label: c["size"] for label, c in planned[0]["candidates"].items()}
    scenario = json.loads(json.dumps(SMALL))
    open_ = planned_inputs(load_scenario(scenario))
    want = built(open_, np.array(list(sizes.values())))
    scenario["investment"]["built"] = sizes
    inputs = build_inputs(load_scenario(scenario))
    for name in ("pv_available", "battery_capacity", "battery_charge_limit", "battery_discharge_limit"):
        assert inputs[name].values == pytest.approx(want[name].values), name
    assert inputs["battery"].values.tolist() == want["battery"].values.tolist()
    assert inputs["participant_kind"].values.tolist() == ["pv+battery", "pv+battery", "business"]
    del sizes["cells"]
    assert planned_inputs(load_scenario(scenario))["candidate"].values.tolist() == ["cells"]
    sizes |= {"pv@a": 9, "cell": 1}
    with pytest.raises(InputError, match=r"(?s)want at most 3, its capacity_max.*want a candidate"):
        build_inputs(load_scenario(scenario))


def test_a_plan_is_simulated_and_its_gain_is_told_beside_the_planned_one(planned, folder):
    facts, file = planned
    run = folder / "sim" / "built.nc"
    words = ("simulate", file, "--days", 1, "--warm-up-days", 1, "-o", run, "--no-ledger", "--json")
    told = json.loads(otonari(*words).stdout)
    trees = [run_file.open_run(path)["settlement"] for path in (told["as_it_is"], run)]
    before, after = (tree["bill"].values - tree["final_energy_value"].values for tree in trees)
    invested = np.array([m["investment"] for m in facts["members"].values()]) / 365
    gains = {way: [told["gains"][who][way] for who in facts["members"]] for way in told["total"]}
    assert gains["realised"] == pytest.approx(before - after - invested)
    assert gains["planned"] == pytest.approx([m["gain"] / 365 for m in facts["members"].values()])
    assert sum(gains["foresight"]) == pytest.approx(told["total"]["foresight"])
    assert told["total"]["realised"] != pytest.approx(told["total"]["planned"], abs=1.0)
    refused = otonari("simulate", file, "--set", "investment.built.cells=99", "--no-ledger", "-o", run)
    assert "investment.built.cells" in refused.output


def test_a_plan_is_told_by_candidate_member_and_kind(alone):
    lines = alone[0].splitlines()
    assert lines[0] == "pair: plan, grid-only market; 10 years at 2 %"
    assert any(line.split()[:5] == ["pv", "2", "of", "2", "6.0"] for line in lines)
    assert any(line.startswith("consumer ") for line in lines)
    assert "told.1.nc" in alone[0]  # the earlier one, of the other market, is kept


def test_the_days_of_a_plan_are_runs_and_plans_compare(planned, alone, folder):
    (_, p2p), (_, other, days) = planned, alone
    [day] = days.glob("2020-08-19.nc")
    page = otonari("report", day)
    assert page.exit_code == 0
    assert "investment" in page.stdout
    table = otonari("compare", p2p, other, "-o", folder / "plans.csv")
    assert table.exit_code == 0, table.output
    lines = {line.split("  ")[0]: line.split()[-2:] for line in table.stdout.splitlines() if line}
    assert lines["built pv kW"] == ["6.0", "6.0"]
    stored = [plan_file.read(file) for file in (p2p, other)]
    assert lines["gain of a year JPY"] == [f"{float(p['gain'].sum()):,.0f}" for p in stored]
    assert "gain" in (folder / "plans.csv").read_text()
    assert otonari("report", p2p).stdout.startswith("pair: plan, p2p market")
    page = folder / "plan.html"
    assert otonari("report", p2p, "-o", page).exit_code == 0
    shown, plan = pages.read(page.read_text()), stored[0]
    assert shown.faults == []
    built = shown.table("Built: pv")[1]
    assert {who: row[0] for who, row in built.items()} == {"a": 3.0, "b": 3.0, "shop": 0.0}
    for k, rule in enumerate(plan["rule"].values):
        gains = [row[0] for row in shown.table(f"Gain by the rule {rule}")[1].values()]
        assert gains == pytest.approx(plan["gain_by_rule"].values[k], abs=0.5)
    assert otonari("compare", p2p, day).exit_code == 2


def test_gains_by_rule_differ_by_what_peers_pay_one_another(planned):
    """What the community gains depends on no rule, but for congestion, of which there is none."""
    members, total = planned[0]["members"], planned[0]["totals"]["gain"]
    gains = [m["gain"] for m in members.values()]
    assert [m["gain_by_rule"]["as-billed"] for m in members.values()] == pytest.approx(gains)
    for rule in ("mid-market", "supply-demand-ratio", "equal"):
        other = [m["gain_by_rule"][rule] for m in members.values()]
        assert sum(other) == pytest.approx(total, abs=1e-3)
        assert other != pytest.approx(gains, abs=1.0)


def test_bills_of_a_plan_are_by_the_rule_of_the_scenario(planned):
    """Under another rule the same is built; bills are what the table of the first plan says of that rule."""
    scenario, rules = json.loads(json.dumps(SMALL)), ("as-billed", "marginal", "shapley")
    scenario["settlement"] = {"rule": "mid-market"}
    found = planned_with_days(load_scenario(scenario), rules=rules)[0]
    members, candidates = planned[0]["members"], planned[0]["candidates"]
    assert found.attrs["price_rule"] == "mid-market"
    assert found["size"].values == pytest.approx([c["size"] for c in candidates.values()])
    gains = {
        rule: [m["gain_by_rule"][rule] for m in members.values()] for rule in ("as-billed", "mid-market")
    }
    assert found["gain"].values == pytest.approx(gains["mid-market"])
    assert found["gain_by_rule"].values[0] == pytest.approx(gains["mid-market"])
    assert found["gain_by_rule"].values[1] == pytest.approx(gains["as-billed"])
    assert found["gain_by_rule"].values[2].sum() == pytest.approx(planned[0]["totals"]["gain"])


def test_rules_that_cannot_price_a_plan_are_refused_together(folder):
    asked = ("mid-marked", "pay-as-bid", "fixed=x")
    words = [word for rule in asked for word in ("--rule", rule)]
    refused = otonari("plan", folder / "pair.yaml", "-o", folder / "none.nc", *words)
    assert refused.exit_code == 2
    assert all(repr(rule) in refused.output for rule in asked)
    many = json.loads(json.dumps(SMALL))
    more = [{"participant": f"p{n}", "persons": 1, "annual_kwh": 1000} for n in range(10)]
    many["tables"]["participants"] += more
    with pytest.raises(InputError, match="coalitions in a plan are of 12 participants"):
        planned_with_days(load_scenario(many), rules=("shapley",))


def test_other_commands_leave_aside_what_could_be_built():
    scenario = load_scenario(SMALL)
    bare = load_scenario({k: v for k, v in SMALL.items() if k not in ("investment", "finance")})
    assert digest(scenario) != digest(bare)
    assert digest(load_scenario(effective(scenario))) == digest(scenario)
    inputs = build_inputs(scenario)
    assert inputs.drop_attrs().equals(build_inputs(bare).drop_attrs())
    planned = planned_inputs(scenario)
    assert planned["battery"].values.tolist() == ["old", "cells"]
    assert planned["candidate_output"].values[0].max() > planned["candidate_output"].values[2].max() == 0
    with pytest.raises(InputError, match="candidate_size"):
        clear(planned)


def test_what_is_owned_in_shares_has_a_meter_whose_bill_is_split_by_them():
    """A shared battery alone: its plant buys and sells, and whose plan it is costs the same as the objective."""
    scenario = json.loads(json.dumps(SMALL))
    cells = scenario["investment"]["candidates"]["cells"]
    del scenario["investment"]["candidates"]["pv"], cells["owner"]
    cells |= {"shares": {"a": 0.75, "shop": 0.25}, "cost_per_kwh": 5000, "fixed_cost": 1000, "unit_size": 0.5}
    found = planned_with_days(load_scenario(scenario))[0]
    assert found["participant"].values.tolist() == ["a", "b", "shop"]
    cost, size = found["yearly_cost"].values[0], found["size"].values[0]
    assert size > 0
    assert 2 * size == pytest.approx(round(2 * size))
    assert found["investment"].values == pytest.approx([0.75 * cost, 0.0, 0.25 * cost])
    assert found["member_capital"].values == pytest.approx([3750 * size + 750, 0.0, 1250 * size + 250])
    assert float(found["cost_after"].sum()) == pytest.approx(found.attrs["objective"])
    assert "battery kWh" in _members(found)
    for wrong, want in (
        ({"shares": {"a": 0.5}}, "shares that add up to 1"),
        ({"shares": {"a": 0.5, "z": 0.5}}, "a label of participants"),
        ({"node": "z"}, "a label of nodes"),
        ({"owner": "a"}, "one of owner, each and shares"),
    ):
        other = json.loads(json.dumps(scenario))
        other["investment"]["candidates"]["cells"].update(wrong)
        other["tables"]["nodes"] = [{"node": "root"}]
        other["fees"] = {"method": "by-level", "levels": {}}
        with pytest.raises(InputError, match=want):
            load_scenario(other)
    cells["shares"] = {"a": 1.0}
    scenario["investment"]["candidates"] = {"b": cells}
    with pytest.raises(InputError, match="a label that no participant has"):
        items(load_scenario(scenario))


def test_a_faster_charger_is_built_where_petrol_costs_more():
    """At 0.5 kW a car charges 4 kWh in 8 h at home; with more it drives on electricity what it drove on petrol."""
    scenario = json.loads(json.dumps(SMALL))
    scenario["tables"]["vehicles"] = [
        {
            "vehicle": "car",
            "owner": "a",
            "capacity_kwh": 10,
            "charge_limit_kw": 0.5,
            "electric_economy_km_per_kwh": 8,
            "fuel_economy_km_per_litre": 15,
        }
    ]
    scenario["tables"]["trips"] = [
        {
            "vehicle": "car",
            "departure": "2020-08-19T08:00",
            "arrival": "2020-08-20T00:00",
            "distance_km": 60,
            "destination": "-",
        }
    ]
    charger = {
        "kind": "charger",
        "vehicle": "car",
        "capacity_max": 3,
        "cost_per_kw": 20000,
        "lifetime_years": 10,
    }
    scenario["investment"]["candidates"] = {
        "charger": charger,
        "v2h": charger | {"kind": "v2h", "cost_per_kw": 10**6},
    }
    found = planned_with_days(load_scenario(scenario))[0]
    size, charge_hours = found["size"].values, 8.0
    needed = 60 / 8 / 0.95 / charge_hours  # kW that fill what the trip takes
    assert size == pytest.approx([needed - 0.5, 0.0], abs=1e-6)
    assert found["investment"].values == pytest.approx([20000 * annuity(0.02, 10) * size[0], 0.0, 0.0])
    for wrong, want in (
        ({"vehicle": "bus"}, "a label of vehicles"),
        ({"owner": "a"}, "a vehicle, and no owner, each or shares beside it"),
        ({"tilt_deg": 5}, "no tilt_deg of kind charger"),
    ):
        other = json.loads(json.dumps(scenario))
        other["investment"]["candidates"]["charger"].update(wrong)
        with pytest.raises(InputError, match=want):
            load_scenario(other)


def test_a_line_is_owned_in_shares_and_its_rent_is_theirs():
    """PV of b is behind an edge that carries nothing; a line pays, and of its rent each owner gets its share."""
    scenario = json.loads(json.dumps(SMALL))
    tables = scenario["tables"]
    tables["nodes"] = [{"node": "root"}, {"node": "far", "parent": "root", "length_m": 100, "limit_kw": 0.0}]
    tables["participants"][1] |= {"node": "far", "pv_kw": 8}
    tables["batteries"] = []
    scenario["fees"] = {"method": "by-length", "fee_per_kwh_m": 0.0}
    line = {"kind": "line", "edge": "far", "shares": {"a": 0.75, "shop": 0.25}, "capacity_max": 20}
    scenario["investment"]["candidates"] = {"cable": line | {"cost_per_kw": 30000, "lifetime_years": 30}}
    found, [day] = planned_with_days(load_scenario(scenario))
    assert found["participant"].values.tolist() == ["a", "b", "shop"]
    cost, size = found["yearly_cost"].values[0], found["size"].values[0]
    assert 0 < size < 20
    assert found["investment"].values == pytest.approx([0.75 * cost, 0.0, 0.25 * cost])
    earned = 365 * day.settlement["line_income"].values.sum()
    assert earned == pytest.approx(cost)  # between nothing and the most
    kept = float(found["network_rent_after"])
    assert float(found["cost_after"].sum()) - kept == pytest.approx(found.attrs["objective"])
    assert "line kW" in _members(found)
    for wrong, want in (
        ({"edge": "z"}, "a label of nodes"),
        ({"edge": None}, "an edge, and owner or shares"),
        ({"tilt_deg": 5}, "no tilt_deg of kind line"),
    ):
        other = json.loads(json.dumps(scenario))
        other["investment"]["candidates"]["cable"].update(wrong)
        with pytest.raises(InputError, match=want):
            load_scenario(other)
    standing = {"name": "standing", "part": "network", "basis": "per-day", "price": 20}
    scenario["tariffs"]["t"]["components"] = [standing]
    with pytest.raises(InputError, match="the tariff of a line, which has no meter"):
        planned_inputs(load_scenario(scenario))


def test_futures_share_what_is_built_and_one_future_is_the_plan():
    """One future that changes nothing is the plan; of two, each has its days, and the mean is planned for."""
    scenario = json.loads(json.dumps(SMALL))
    scenario["time"] |= {"slot_minutes": 480}
    one = planned_with_days(load_scenario(scenario))[0]
    price = "tariffs.t.energy.price_per_kwh"
    futures = {"as-is": {"probability": 1.0}}
    scenario["investment"]["futures"] = futures
    same = planned_with_days(load_scenario(scenario))[0]
    assert same["day"].values.tolist() == ["2020-08-19-as-is"]
    assert same["size"].values == pytest.approx(one["size"].values)
    assert float(same["stochastic_value"]) == float(same["information_value"]) == 0.0
    assert same["future_cost"].values == pytest.approx(same["future_cost_if_known"].values)
    assert same.attrs["objective"] == pytest.approx(one.attrs["objective"])
    futures |= {"as-is": {"probability": 0.4}, "dear": {"probability": 0.6, "set": [f"{price}=60"]}}
    both = planned_with_days(load_scenario(scenario))[0]
    assert both["day_count"].values == pytest.approx([0.4 * 365, 0.6 * 365])
    for wrong, want in (
        ({"as-is": {"probability": 0.5}}, "probabilities that add up to 1"),
        ({"as-is": {"probability": 1.0, "set": ["time.days=2"]}}, "another time"),
        (
            {"as-is": {"probability": 1.0, "set": ["finance.discount_rate=0.5"]}},
            "another cost of what is built",
        ),
    ):
        scenario["investment"]["futures"] = wrong
        with pytest.raises(InputError, match=want):
            planned_with_days(load_scenario(scenario))


def of_days(number):
    """Return the plan of days in a row, of which so many stand for all."""
    scenario = json.loads(json.dumps(SMALL))
    scenario["time"] |= {"days": 2}
    scenario["investment"]["representative_days"] = number
    return planned_with_days(load_scenario(scenario), whole=True)[0]


def test_days_that_all_stand_for_themselves_miss_nothing():
    every = of_days(2)
    assert every["day_count"].values == pytest.approx([365 / 2] * 2)
    assert np.abs(every["sum_error"].values).max() < 1e-12
    assert np.abs(every["duration_error"].values).max() < 1e-12
    assert every.attrs["objective_of_all_days"] == pytest.approx(every.attrs["objective"])
    one = of_days(1)
    assert one["day_count"].values.sum() == pytest.approx(365)
    assert set(one["day"].values) < set(every["day"].values)
    assert one["duration_error"].values.max() > 0
    assert one.attrs["objective_of_all_days"] >= every.attrs["objective"] - 1e-6  # no sizes do better
    assert float(every["cost_after"].sum()) == pytest.approx(every.attrs["objective"])


def test_the_days_that_are_chosen_are_those_nearest_to_all_others():
    """Of four days of demand 1, 1.1, 3 and 3.2 the second or first, and the third or fourth; by all subsets of two."""
    case = {
        "slots": [12.0] * 8,
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
        "participants": {"a": {"node": "n", "tariff": "t", "demand": [1, 2, 1.1, 2, 3, 2, 3.2, 2.1]}},
    }
    inputs = community(case)
    own = representative_days.days(inputs)
    assert own.length.tolist() == [2] * 4
    which = representative_days.chosen(inputs, 2)
    day = inputs["demand"].values.reshape(4, 2)
    distance = np.linalg.norm(day[:, None] - day, axis=2)
    least = min(itertools.combinations(range(4), 2), key=lambda pair: distance[:, pair].min(axis=1).sum())
    assert distance[:, which.day].min(axis=1).sum() == pytest.approx(distance[:, least].min(axis=1).sum())
    assert which.stands_for.tolist() == [2, 2]
    gap, _ = representative_days.errors(inputs, which)["demand"]
    means = day.mean(axis=1)
    assert gap == pytest.approx((means[which.day].mean() - means.mean()) / means.mean())
    assert representative_days.of_day(inputs, own, 2)["demand"].values.tolist() == [[3.0, 2.0]]


def changed(**candidate):
    scenario = json.loads(json.dumps(SMALL))
    scenario["investment"]["candidates"]["cells"].update(candidate)
    return scenario


@pytest.mark.parametrize(
    ("candidate", "field", "want"),
    [
        ({"owner": "c"}, "owner", "a label of participants"),
        ({"each": ["a"]}, "owner", "one of owner, each and shares"),
        ({"cost_per_kw": 3}, "cost_per_kwh", "cost_per_kwh of kind battery, and no cost_per_kw"),
        ({"tilt_deg": 30}, "kind", "no tilt_deg of kind battery"),
        ({"capacity_max": 0}, "capacity_max", "at least 0.001"),
    ],
)
def test_a_candidate_that_makes_no_sense_is_refused_by_name(candidate, field, want):
    with pytest.raises(InputError) as refused:
        load_scenario(changed(**candidate))
    [problem] = refused.value.problems
    assert want in problem.want
    assert field in problem.field


def test_what_cannot_be_planned_is_refused_before_anything_is_written(folder):
    none = otonari("plan", "six-kinds", "-o", folder / "none.nc")
    assert none.exit_code == 2
    assert "investment: got nothing, want what could be built" in none.output
    twice = json.loads(json.dumps(SMALL))
    twice["tables"]["batteries"][0]["battery"] = "cells"
    with pytest.raises(InputError, match="a label that no battery has"):
        items(load_scenario(twice))
    peak = {"name": "peak", "part": "network", "basis": "per-kw-peak", "price": 100}
    twice = json.loads(json.dumps(SMALL))
    twice["tariffs"]["t"]["components"] = [peak]
    (folder / "peaks.yaml").write_text(json.dumps(twice))
    peaks = otonari("plan", folder / "peaks.yaml", "-o", folder / "none.nc")
    assert peaks.exit_code == 2
    assert "28 days or more, as a tariff charges the peaks of months" in peaks.output
    assert not (folder / "none.nc").exists()


def test_a_file_that_is_no_plan_is_refused(folder, planned):
    with pytest.raises(RunFileError, match="not a plan"):
        plan_file.read(folder / "pair.yaml")
    other = plan_file.read(planned[1]).assign_attrs(otonari_plan_format=np.int64(2))
    other.to_netcdf(folder / "other.nc")
    with pytest.raises(RunFileError, match="got plan format 2, want plan format 1"):
        plan_file.read(folder / "other.nc")


@pytest.fixture(scope="module")
def front(folder, cluster):
    """Plans at three prices of carbon dioxide, on workers."""
    (folder / "front.yaml").write_text(json.dumps(FRONT))
    return sweep.run(folder / "front.yaml", folder / "front", scheduler=cluster.scheduler_address)


FRONT = {
    "schema_version": 1,
    "name": "front",
    "command": "plan",
    "scenario": "pair.yaml",
    "set": {
        "investment.candidates.pv.cost_per_kw": 600000,
        "investment.candidates.cells.cost_per_kwh": 150000,
    },
    "grid": {"carbon.price_per_kg": [0, 30, 200]},
}


def test_plans_at_prices_of_carbon_dioxide_are_a_front(front, folder, cluster):
    """As the price rises less is emitted, at a greater cost; the cost of a year leaves the price out."""
    found = front.dataset.squeeze("market")
    cost, co2 = found["cost"].values, found["co2_after"].values
    assert (np.diff(co2) < -1.0).all()
    assert (np.diff(cost) > 1.0).all()
    prices = found["carbon.price_per_kg"].values
    assert found["cost_after"].values == pytest.approx(cost + prices * co2)
    assert (
        sweep.run(folder / "front.yaml", folder / "front", scheduler=cluster.scheduler_address).already == 3
    )
    table = otonari("compare", front.path).stdout.splitlines()
    assert [table[0].find(f"price_per_kg {price}") > 0 for price in (0, 30, 200)] == [True] * 3
    page = folder / "front.html"
    assert otonari("report", front.path, "-o", page).exit_code == 0
    shown = pages.read(page.read_text())
    assert shown.faults == []
    points = shown.table("Cost against carbon dioxide")[1]
    assert np.array(list(points.values())) == pytest.approx(np.column_stack([co2, cost]), abs=0.5)
    (folder / "front.yaml").write_text(json.dumps(FRONT | {"markets": ["unmanaged"]}))
    with pytest.raises(InputError, match="of which there are plans"):
        sweep.run(folder / "front.yaml", folder / "front", scheduler=cluster.scheduler_address)


def test_a_price_of_carbon_dioxide_is_on_retail_power_and_fuel_and_a_line_of_its_own():
    """At 10 a kg and 0.5 kg a kWh energy is 5 dearer; where bills have lines the levy is one, and adds up."""
    scenario = json.loads(json.dumps(SMALL)) | {"carbon": {"price_per_kg": 10}}
    assert build_inputs(load_scenario(scenario))["retail_price"].values == pytest.approx(35.0)
    vat = {"name": "vat", "part": "tax", "basis": "percent", "price": 10, "of": ["energy"]}
    scenario["tariffs"]["t"]["components"] = [vat]
    scenario["tables"]["vehicles"] = [
        {
            "vehicle": "car",
            "owner": "a",
            "capacity_kwh": 10,
            "charge_limit_kw": 3,
            "fuel_economy_km_per_litre": 15,
        }
        | {"electric_economy_km_per_kwh": 8}
    ]
    inputs = build_inputs(load_scenario(scenario))
    assert inputs["retail_price"].values == pytest.approx(38.0)
    assert inputs["fuel_price"].values == pytest.approx([135.5 + 23.2])
    run = clear(inputs, "p2p")
    levy = run["settlement"]["component_cost"].sel(component="t/carbon dioxide").values
    assert levy == pytest.approx(10 * run["settlement"]["co2"].values)
