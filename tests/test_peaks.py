"""Charges for the peaks of a month: by hand, as duals, on every way of clearing, and what is refused."""

import numpy as np
import pytest

import otonari
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.inputs.contract import complete
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.runs.clear import single
from otonari.runs.report import page, sections
from otonari.runs.report.bills import bill, issue, receipt
from otonari.runs.report.bills import page as bill_page
from otonari.runs.simulate import run as rolling

from . import counts, oracle
from .books import KEY
from .communities import community, random_community
from .test_bill import keep
from .test_contracts import scenario

RETAIL, FEED_IN = 0.2, 0.05


def with_peak(inputs, price=10.0, days=1, floor=0.0, earlier=None, slots_per_day=None, joint=False):
    """Return inputs whose every tariff charges a month's peak beside its prices; a day has so many slots (all).

    With ``joint`` it is one of all customers of the tariff, and ``earlier`` theirs.
    """
    tariffs = inputs["tariff"].values.tolist()
    slots, count = inputs.sizes["time"], 3 * len(tariffs)
    day = np.arange(slots) // (slots_per_day or slots)
    labels = [f"2025-07-{n + 1:02d}" for n in range(day.max() + 1)]
    rate, credit = np.zeros((2, count, slots))
    rate[::3], credit[1::3] = inputs["retail_price"].values, inputs["feed_in_price"].values
    peak = np.zeros((count, len(tariffs)))
    peak[2::3] = price * np.eye(len(tariffs))
    one = ("participant",)
    more = {
        "component_tariff": ("component", np.repeat(tariffs, 3)),
        "component_part": ("component", ["energy", "energy", "network"] * len(tariffs)),
        "component_basis": ("component", ["per-kwh", "per-kwh-injected", "per-kw-peak"] * len(tariffs)),
        "component_price": (("component", "time"), rate),
        "component_credit": (("component", "time"), credit),
        "component_peak": (("component", "peak"), peak),
        "peak_tariff": ("peak", tariffs),
        "peak_price": ("peak", np.full(len(tariffs), price)),
        "peak_days": ("peak", np.full(len(tariffs), float(days))),
        "peak_floor": ("peak", np.full(len(tariffs), floor)),
        "slot_day": ("time", np.array(labels)[day]),
        "day_month": ("day", ["2025-07"] * len(labels)),
    }
    if joint:
        more["peak_of"] = ("peak", ["tariff"] * len(tariffs))
        if earlier is not None:
            more["peak_earlier"] = ("peak", np.full(len(tariffs), earlier))
    elif earlier is not None:
        more["earlier_peak"] = (one, np.full(inputs.sizes["participant"], earlier))
    coords = {
        "component": [f"{t}/{n}" for t in tariffs for n in ("energy", "feed-in", "peak")],
        "peak": [f"{t}/peak" for t in tariffs],
        "day": labels,
        "month": ["2025-07"],
    }
    return complete(inputs.assign(more).assign_coords(coords))


def home(demand, battery=True, **store):
    """Return a home with a demand by the hour, and a lossless battery of 3 kW and 6 kWh that is empty."""
    case = {
        "slots": [1] * len(demand),
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": RETAIL, "feed_in_price": FEED_IN}},
        "participants": {"home": {"node": "n", "tariff": "t", "demand": demand}},
    }
    if battery:
        limits = {"charge_limit": 3.0, "discharge_limit": 3.0, "capacity": 6.0, "wear_cost": 0.01}
        rest = {"initial_energy": 0.0, "charge_efficiency": 1.0, "discharge_efficiency": 1.0}
        case["batteries"] = {"b": {"owner": "home", **limits, **rest, **store}}
    return community(case)


def test_a_battery_flattens_a_day_to_its_mean():
    """1, 1, 1 and 5 kW become 2 kW throughout: 3 kWh through the battery, at 0.01 of wear, save 3 kW at 10."""
    tree = otonari.clear(with_peak(home([1.0, 1, 1, 5])), "grid-only")
    np.testing.assert_allclose(tree["results"]["draw"].values, [[2.0] * 4])
    settlement = tree["settlement"].to_dataset()
    assert float(settlement["peak_charges"][0]) == pytest.approx(20)
    assert float(settlement["bill"][0]) == pytest.approx(8 * RETAIL + 20 + 0.03)
    assert tree.attrs["objective"] == pytest.approx(float(settlement["bill"][0]))
    value = tree["results"]["peak_value"].values[0]
    assert value.sum() == pytest.approx(10)
    np.testing.assert_allclose(value[3] - value[:3], 0.01)  # what it costs to move a kWh to before the peak


def test_below_a_peak_that_was_reached_before_nothing_is_worth_a_wear():
    """With 4 kW charged already the battery gives 1 kW in the last hour, and no more; one kW less saves its wear."""
    tree = otonari.clear(with_peak(home([1.0, 1, 1, 5]), earlier=4.0), "grid-only")
    assert float(tree["results"]["draw"].values[0, 3]) == pytest.approx(4)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(tree["results"]["peak_value"].values[0], [0, 0, 0, 0.01], atol=1e-9)


def test_charges_of_horizons_add_up_to_the_month():
    """3 kW first, 5 kW after it: 30 and then 20, as 50 at once; with a floor of 4 kW 40 and 10."""
    for floor, first, second in ((0.0, 30, 20), (4.0, 40, 10)):
        charges = [
            float(
                otonari.clear(with_peak(home(d, False), floor=floor, earlier=e))["settlement"][
                    "peak_charges"
                ][0]
            )
            for d, e in (([1.0, 3], None), ([5.0, 1], 3.0), ([1.0, 3, 5, 1], None))
        ]
        assert charges == pytest.approx([first, second, 50])


def test_the_mean_of_the_highest_days():
    """Of four days of 5, 4, 3 and 2 kW three count: 4 kW; with half a kW moved within each of them 3.5."""
    demand = [5.0, 0, 4, 0, 3, 0, 2, 0]
    for battery, want in ((False, 4.0), (True, 3.5)):
        inputs = with_peak(
            home(demand, battery, charge_limit=0.5, discharge_limit=0.5, initial_energy=0.5),
            days=3,
            slots_per_day=2,
        )
        tree = otonari.clear(inputs, "grid-only")
        assert float(tree["settlement"]["peak_power"].values[0, 0, 0]) == pytest.approx(want)
        assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(10 * want)
        of_days = tree["results"]["peak_value"].values.reshape(4, 2).sum(axis=1)
        np.testing.assert_allclose(of_days, [10 / 3] * 3 + [0])


def test_a_month_with_fewer_days_than_count_has_zeros_for_them():
    tree = otonari.clear(with_peak(home([6.0, 0], False), days=3), "grid-only")
    assert float(tree["settlement"]["peak_power"].values[0, 0, 0]) == pytest.approx(2)


def test_energy_from_peers_counts_for_the_peak():
    """A neighbour with PV lowers nobody's peak: what is drawn counts, whoever it is from."""
    case = {
        "slots": [1, 1],
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": RETAIL, "feed_in_price": FEED_IN}},
        "participants": {
            "sun": {"node": "n", "tariff": "t", "demand": [0.0, 0], "pv_available": [4.0, 0]},
            "shade": {"node": "n", "tariff": "t", "demand": [3.0, 1]},
            "late": {"node": "n", "tariff": "t", "demand": [1.0, 2]},
        },
    }
    tree = otonari.clear(with_peak(community(case)))
    assert tree["settlement"]["peak_charges"].values.tolist() == pytest.approx([0, 30, 20])  # pooled, and not
    assert tree["settlement"]["peer_energy"] == pytest.approx(4)
    assert tree.attrs["objective"] == pytest.approx(float(tree["settlement"]["bill"].sum()))
    np.testing.assert_allclose(tree["results"]["peak_value"], [[0, 0], [10, 0], [0, 10]])


@pytest.mark.parametrize(("seed", "days"), counts.few([(s, 1 + s % 2) for s in range(24)]))
def test_any_community_plans_for_its_peaks(seed, days):
    """Its runs pass their checks; to plan for peaks costs no more than to be charged for them, nor less than nothing."""
    plain = random_community(seed)
    inputs = with_peak(plain, price=7.0, days=days, slots_per_day=2)
    for market in ("p2p", "grid-only"):
        tree = otonari.clear(inputs, market)  # raises what its checks find
        block = community_block(plain, market)
        unaware = solve(block)
        assert tree.attrs["objective"] == pytest.approx(
            oracle.solve(inputs, market).objective, rel=1e-6, abs=1e-6
        )
        energy = unaware.objective
        draw = collect(block)["draw"].values
        charges = sum(
            7.0 * np.sort([d[k : k + 2].max() for k in range(0, len(d), 2)])[::-1][:days].sum() / days
            for d in draw
        )
        assert energy - 1e-6 <= tree.attrs["objective"] <= energy + charges + 1e-6 * max(1, abs(energy))


def test_the_lp_has_the_rows_of_the_readme():
    rows = {"peak", "highest"}, {"peak", "base", "above", "highest", "mean_of_highest"}
    for days, want in enumerate(rows, start=1):  # one day is its own mean
        block = community_block(with_peak(home([1.0, 1, 1, 5]), days=days), "grid-only")
        assert {c.local_name for c in block.peaks.component_objects() if len(c)} - {"cost"} == want


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("peak_charges", {"peak_charges", "bill", "lines of components"}),
        ("peak_power", {"peak_power"}),
        ("component_cost", {"component_cost", "lines of components"}),
    ],
)
def test_the_checks_compute_every_peak_again(name, broken):
    tree = otonari.clear(with_peak(home([1.0, 1, 1, 5])), "grid-only")
    groups = {g: tree[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups["settlement"][name].values[...] += 1
    assert broken <= {v.check for v in check(*groups.values(), grid_only=groups["results"])}


@pytest.mark.parametrize(("at", "more"), [(0, 1.0), (3, -1.0), (1, -20.0)])
def test_the_checks_hold_marginal_values(at, more):
    tree = otonari.clear(with_peak(home([1.0, 1, 1, 5])), "grid-only")
    groups = {g: tree[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups["results"]["peak_value"].values[0, at] += more
    assert {"peak_value", "negative peak_value"} & {v.check for v in check(*groups.values())}


# From a scenario.
def contract(**more):
    parts = [
        {"name": "energy", "part": "energy", "price": 0.2},
        {"name": "capacity", "part": "network", "basis": "per-kw-peak", "price": 48, "per": "year"} | more,
        {"name": "VAT", "part": "tax", "basis": "percent", "price": 6},
    ]
    return {"components": parts}


def test_a_belgian_household_pays_for_at_least_two_and_a_half_kilowatts(tmp_path):
    """48 EUR a year and kW, a twelfth a month, of the month's peak and at least 2.5 kW, with 6 % of tax."""
    source = scenario(tmp_path, contract(at_least_kw=2.5), days=2, start="2026-06-30")
    run = single.cleared(load_scenario(source), "unmanaged")
    assert run["inputs"]["month"].values.tolist() == ["2026-06", "2026-07"]
    np.testing.assert_allclose(run["settlement"]["peak_charges"], 1.06 * 2 * 4 * 2.5)
    cost = run["settlement"]["component_cost"].sel(participant="home").values
    assert cost == pytest.approx([24 * 2 * 0.5 * 0.2, 20, 0.06 * (24 * 2 * 0.5 * 0.2 + 20)])


@pytest.mark.parametrize("market", ["p2p", "grid-only", "unmanaged"])
def test_the_page_shows_peaks(tmp_path, market):
    run = single.cleared(load_scenario(scenario(tmp_path, contract(), days=1)), market)
    [first, _] = sections.peaks(run)
    assert (first["participant"], first["kw"], first["month"]) == ("home", pytest.approx(0.5), "2026-06")
    assert first["cost"] == pytest.approx(1.06 * 4 * 0.5)
    assert np.isnan(first["marginal"]) == (market == "unmanaged")
    assert "## Peaks of the meters" in page.report(run)


def test_a_bill_says_what_of_a_peak_is_charged_and_worth(tmp_path):
    """500 W at 4 a kW and month, with 6 % of tax: one kW less saves 4.24."""
    tree = single.cleared(load_scenario(scenario(tmp_path, contract(), days=1, market_id="street")), "p2p")
    (made,) = issue.issue(keep(tree, tmp_path), issue.Request(["home"])).values()
    one = bill.bill(receipt.check(made.packed(), [KEY.key]))
    text = bill_page.write(one)
    assert (
        "- capacity: 500 W charged, summed over months (stated); one kW less at the peaks saves 4.24" in text
    )
    assert [line.amount for line in one.lines if line.label == "capacity"] == [2 * 10**one.decimals]


def test_two_peaks_of_one_tariff(tmp_path):
    """One of the month, one of the mean of its two highest days: 3 and 1 kW of 0.5 kW each, with a battery beside."""
    tariff = contract()
    second = {"name": "two", "part": "network", "basis": "per-kw-peak", "price": 1, "highest_days": 2}
    tariff["components"].insert(2, second)
    source = scenario(tmp_path, tariff, days=2)
    source["tables"]["batteries"] = [
        {"battery": "b", "owner": "home", "capacity_kwh": 2, "charge_limit_kw": 1, "discharge_limit_kw": 1}
    ]
    run = single.cleared(load_scenario(source), "p2p")
    np.testing.assert_allclose(
        run["settlement"]["peak_power"].sel(participant="home").values.ravel(), 0.5, rtol=1e-3
    )
    assert float(run["settlement"]["peak_charges"][0]) == pytest.approx(1.06 * 5 * 0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ({"price": -1}, "at least 0"),
        ({"per": "day"}, "month or year"),
        ({"basis": "per-month", "at_least_kw": 1}, "nothing, as it is per-month"),
        ({"highest_days": 0}, "at least 1"),
    ],
)
def test_a_wrong_peak_is_refused(tmp_path, more, want):
    with pytest.raises(InputError, match=want):
        load_scenario(scenario(tmp_path, contract(**more), days=1))


def test_an_earlier_peak_needs_a_tariff_that_it_is_of(tmp_path):
    source = scenario(tmp_path, contract(highest_days=3), days=1)
    source["tables"]["participants"][0]["earlier_peak_kw"] = 2
    [problem] = problems(source)
    assert (problem.field, problem.got) == ("tables.participants.0.earlier_peak_kw", "2")
    assert "several days" in problem.want
    source["tariffs"]["house"]["components"][1]["highest_days"] = 1
    assert problems(source) == []
    assert build_inputs(load_scenario(source))["earlier_peak"].values[0] == 2


def test_a_simulation_charges_the_peaks_that_were_realised(tmp_path):
    change = "tariffs.standard.components=[{name: peak, part: network, basis: per-kw-peak, price: 5}]"
    options = {"days": 1, "warm_up": 0, "overrides": [change, "time.slot_minutes=240"]}
    tree = rolling.run("six-kinds", output=tmp_path / "run.nc", **options).tree
    highest = tree["results"]["draw"].max("time").values
    np.testing.assert_allclose(tree["settlement"]["peak_charges"].values, 5 * highest)
    assert highest.max() > 0


def test_what_a_day_reached_before_the_horizon_counts_and_is_not_charged_again():
    """Of 5, 4 and 3 kW the two highest count; 4.5 kW are charged already, and 6 kW make 5.5 of it."""
    inputs = with_peak(home([3.0, 0, 6.0, 0], False), days=2, slots_per_day=2)
    days = inputs.assign(day_peak=(("participant", "day"), [[5.0, 4.0]]))
    tree = otonari.clear(days)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(10 * (5.5 - 4.5))
    groups = [tree[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")]
    assert check(*groups) == []
    lower = groups[0].assign(day_peak=(("participant", "day"), [[5.0, 3.0]]))
    assert "peak_power" in {v.check for v in check(lower, *groups[1:])}


def test_a_battery_plans_with_what_the_days_reached():
    """The 4 kW of a day are no reason to shave its 3; of the next day's 6 all above 4 is, as far as 1 kW goes."""
    inputs = with_peak(home([1.0, 3, 1, 6], charge_limit=1.0, discharge_limit=1.0), slots_per_day=2)
    tree = otonari.clear(inputs.assign(day_peak=(("participant", "day"), [[4.0, np.nan]])), "grid-only")
    np.testing.assert_allclose(tree["results"]["battery_discharge"].values[0], [0, 0, 0, 1], atol=1e-7)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(10)
    pooled = otonari.clear(with_peak(home([1.0, 3, 1, 6], False), slots_per_day=2))
    np.testing.assert_allclose(pooled["results"]["peak_value"].values[0], [0, 0, 0, 10])
