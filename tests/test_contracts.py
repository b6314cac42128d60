"""Contracts of components: bills worked out by hand, windows by month and holiday, and what is refused."""

import json
from datetime import date

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.data.problems import InputError
from otonari.data.series.calendar import public_holidays
from otonari.model.checks.run import check
from otonari.runs.clear import single
from otonari.runs.report import page, sections
from otonari.runs.report.bills import bill, issue, receipt
from otonari.runs.report.bills import page as bill_page
from otonari.runs.simulate import run as rolling
from otonari.runs.store import run_file

from .books import KEY
from .test_bill import keep

COMPONENTS = [
    {"name": "energy", "part": "energy", "price": 0.12},
    {
        "name": "grid",
        "part": "network",
        "price": {
            "type": "time-of-use",
            "price_per_kwh": 0.08,
            "windows": [
                {
                    "start": "17:00",
                    "end": "20:00",
                    "days": "weekdays",
                    "holidays": False,
                    "price_per_kwh": 0.14,
                }
            ],
        },
    },
    {"name": "metering", "part": "network", "basis": "per-day", "price": 0.05},
    {"name": "base", "part": "energy", "basis": "per-month", "price": 9},
    {"name": "power", "part": "network", "basis": "per-kw-contracted", "price": 3},
    {"name": "levy", "part": "levy", "price": 0.02},
    {"name": "VAT 19 %", "part": "tax", "basis": "percent", "price": 19},
]
"""Six components and value-added tax of a made-up contract in North Rhine-Westphalia."""
BY_HAND = [43.20, 30.69, 1.50, 9.00, 15.00, 7.20, 20.2521]
"""Of 0.5 kW in June 2026 [EUR]: 360 kWh, of which 3 h on 21 working days, 31.5 kWh, at 0.14: Corpus Christi is on a
Thursday. 0.12 * 360; 0.08 * 328.5 + 0.14 * 31.5; 0.05 * 30; a month; 3 * 5 kW; 0.02 * 360; 0.19 * 106.59."""


def scenario(folder, tariff=None, days=30, start="2026-06-01", **more):
    """Return a scenario of a home that draws 0.5 kW, and of one beside it with as much and a roof of 2 kW at noon."""
    lines = ["time,home,roof,pv"]
    for stamp in np.arange(f"{start}T00", days * 24, dtype="datetime64[h]")[: days * 24]:
        noon = 10 <= stamp.astype(object).hour < 14
        lines.append(f"{stamp}:00,0.5,0.5,{2 if noon else 0}")
    (folder / "power.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    file = {"path": str(folder / "power.csv"), "time_zone": "UTC"}
    return {
        "schema_version": 1,
        "name": "contract",
        "currency": "EUR",
        "time": {"start": start, "days": days, "slot_minutes": 60, "time_zone": "UTC"},
        "holidays": "DE-NW",
        "tables": {
            "participants": [
                {"participant": "home", "contracted_kw": 5},
                {"participant": "roof", "import_limit_kw": 8, "pv_column": "pv"},
            ]
        },
        "series": {"demand": file, "pv": file},
        "tariffs": {"house": tariff or {"components": COMPONENTS}},
    } | more


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    source = scenario(tmp_path_factory.mktemp("alone"))
    return single.cleared(load_scenario(source), "grid-only")


def test_a_bill_of_six_components_and_tax_by_hand(alone):
    settlement = alone["settlement"].to_dataset().sel(participant="home")
    np.testing.assert_allclose(settlement["component_cost"], BY_HAND, rtol=1e-12)
    assert round(float(settlement["bill"]), 2) == 126.84  # 106.59 * 1.19 = 126.8421
    assert float(settlement["standing_charges"]) == pytest.approx(1.19 * 25.5)
    assert float(settlement["grid_cost"]) == pytest.approx(1.19 * 81.09)


def test_prices_of_the_clearing_are_the_sums_with_tax(alone):
    retail = alone["inputs"]["retail_price"].values[0].reshape(30, 24)
    assert retail[0, [16, 17, 19, 20]] == pytest.approx([0.2618, 0.3332, 0.3332, 0.2618])  # Monday
    assert retail[3, 18] == pytest.approx(0.2618)  # Corpus Christi
    assert retail[5, 18] == pytest.approx(0.2618)  # Saturday


def test_the_page_shows_components_and_standing_charges(alone):
    text = page.report(alone)
    assert "standing charges" in text
    assert "## Components of the tariffs" in text
    grid = next(c for c in sections.components(alone) if c["name"] == "grid")
    assert grid["kwh"] == pytest.approx(360 + 360 - 30 * 4 * 0.5)  # the roof covers itself from ten to two
    assert page.facts(alone)["components"][0]["cost"] == pytest.approx(0.12 * 660)


def test_what_does_not_depend_on_energy_changes_no_saving_and_no_trade(tmp_path):
    """The same market with and without standing charges."""
    feed_in = {"name": "feed-in", "part": "energy", "basis": "per-kwh-injected", "price": 0.08}
    every = [*COMPONENTS, feed_in]
    per_kwh = [c for c in every if c.get("basis") in (None, "per-kwh-injected", "percent")]
    runs = [
        single.cleared(load_scenario(scenario(tmp_path, {"components": own}, days=2)), "p2p")
        for own in (every, per_kwh)
    ]
    with_charges, without = (run["settlement"].to_dataset() for run in runs)
    np.testing.assert_allclose(with_charges["saving"], without["saving"], rtol=1e-9)
    assert with_charges["saving"].sum() > 0.1
    standing = 1.19 * (2 * 0.05 + 2 * 9 / 30 + 2 * 3 * np.array([5, 8]) / 30)
    np.testing.assert_allclose(with_charges["bill"] - without["bill"], standing, rtol=1e-9)
    assert runs[0].attrs["objective"] == pytest.approx(runs[1].attrs["objective"])
    cost = with_charges["component_cost"].sel(component="house/feed-in").values
    assert cost[1] == pytest.approx(-float(with_charges["feed_in_revenue"][1]))
    assert cost[1] < 0


@pytest.mark.parametrize("market", ["p2p", "grid-only", "unmanaged"])
def test_every_market_charges_them(tmp_path, market):
    run = single.cleared(load_scenario(scenario(tmp_path, days=1)), market)  # its checks hold
    standing = 1.19 * (0.05 + 9 / 30 + 3 * np.array([5, 8]) / 30)
    np.testing.assert_allclose(run["settlement"]["standing_charges"], standing)


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
def test_a_simulation_charges_them(tmp_path, mode):
    changes = ["tariffs.standard.components=[{name: base, part: energy, basis: per-month, price: 310}]"]
    changes += ["time.slot_minutes=240", "time.start=2020-08-19"]
    options = {"days": 1, "mode": mode, "warm_up": 1, "overrides": changes}
    run = rolling.run("six-kinds", output=tmp_path / "run.nc", **options)
    np.testing.assert_allclose(run.tree["settlement"]["standing_charges"], 10)
    one = bill.bill(issue.issue(run.path, issue.Request())["home-01"])
    (base,) = (line for line in one.lines if line.label == "base")
    assert (base.wh, base.amount) == (None, 10 * 10**one.decimals)


# The page of a household.
@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bill")
    tree = single.cleared(load_scenario(scenario(folder, market_id="street")), "p2p")
    return keep(tree, folder)


def test_a_bill_shows_the_contract_component_by_component(issued):
    made = issue.issue(issued, issue.Request(["home"]))["home"]
    one = bill.bill(made)
    assert receipt.check(made.packed(), [KEY.key]).digest == made.digest
    own = [line for line in one.lines if line.part == bill.RETAILER]
    shown = [c["name"].split()[0] for c in COMPONENTS if any(line.label == c["name"] for line in own)]
    assert [line.label.split()[0] for line in own] == shown
    (drawn,) = {line.wh for line in own if line.wh is not None}
    text = bill_page.write(one)
    assert text.count(f"{drawn / 1000:.3f}") >= 3  # energy, grid and levy
    lines = run_file.open_run(issued)["settlement"].to_dataset().sel(participant="home")
    want = float(lines["grid_cost"] - lines["feed_in_revenue"] + lines["standing_charges"])
    assert sum(line.amount for line in own) == pytest.approx(want * 10**one.decimals, abs=len(own))
    assert json.loads(json.dumps(one.facts()))["lines"]


# Checks.
@pytest.mark.parametrize(
    ("group", "name", "at", "broken"),
    [
        ("settlement", "component_cost", (0, 2), {"component_cost", "lines of components"}),
        ("settlement", "standing_charges", (0,), {"standing_charges", "bill", "lines of components"}),
        ("inputs", "component_price", (1, 5), {"retail_price by component", "component_cost"}),
        ("inputs", "contracted_power", (0,), {"standing_charges", "component_cost"}),
    ],
)
def test_the_checks_hold_every_component(alone, group, name, at, broken):
    groups = {g: alone[g].to_dataset().copy(deep=True) for g in ("inputs", "results", "trades", "settlement")}
    groups[group][name][at] += 3.0
    found = check(*groups.values(), grid_only=groups["results"])
    assert broken <= {violation.check for violation in found}


# Windows and series by hand.
ONTARIO = {
    "start": "11:00",
    "end": "17:00",
    "days": "weekdays",
    "holidays": False,
    "price_per_kwh": 0.158,
}


def price(folder, start, energy, zone="UTC", days=1, **more):
    """Return the retail price of the hours of some days [currency/kWh]."""
    source = scenario(folder, {"energy": energy}, days, start, **more)
    source["time"]["time_zone"] = zone
    del source["series"]
    source["tables"] = {"participants": [{"participant": "home", "persons": 2}]}
    return build_inputs(load_scenario(source))["retail_price"].values[0]


def windows(base, *given):
    return {"type": "time-of-use", "price_per_kwh": base, "windows": list(given)}


def test_a_statutory_holiday_is_off_peak_in_ontario(tmp_path):
    """Canada Day 2026 is a Wednesday: 0.076 at noon; the day after it 0.158."""
    two = price(tmp_path, "2026-07-01", windows(0.076, ONTARIO), "America/Toronto", days=2, holidays="CA-ON")
    assert two[[12, 24 + 12]].tolist() == [0.076, 0.158]
    dates = price(tmp_path, "2026-07-01", windows(0.076, ONTARIO), "America/Toronto", holidays=["2026-07-01"])
    assert dates[12] == 0.076


def test_a_window_on_sundays_and_holidays(tmp_path):
    """Good Friday 2026-04-03 in Berlin as the Sunday after it; on Saturday the price of all others."""
    sunday = {"start": "00:00", "end": "24:00", "days": ["sun"], "holidays": True, "price_per_kwh": 0.1}
    three = price(tmp_path, "2026-04-03", windows(0.3, sunday), days=3, holidays="DE-BE")
    assert three.reshape(3, 24)[:, 12].tolist() == [0.1, 0.3, 0.1]


@pytest.mark.parametrize(
    ("day", "want"), [("2026-01-15", [0.02, 0.08, 0.12]), ("2026-07-15", [0.08, 0.08, 0.08])]
)
def test_windows_of_the_winter_quarters(tmp_path, day, want):
    """A German network fee by section 14a EnWG, module 3: three levels in the first and the last quarter, else one."""
    winter = {"months": [1, 2, 3, 10, 11, 12]}
    low = {"start": "23:00", "end": "05:00", "price_per_kwh": 0.02, **winter}
    high = {"start": "17:00", "end": "21:00", "price_per_kwh": 0.12, **winter}
    assert price(tmp_path, day, windows(0.08, low, high))[[3, 12, 18]].tolist() == want


def test_a_night_window_of_a_month_ends_in_the_next(tmp_path):
    night = {"start": "22:00", "end": "06:00", "months": [9], "price_per_kwh": 0.1}
    two = price(tmp_path, "2026-09-30", windows(0.3, night), days=2).reshape(2, 24)
    assert two[1, [5, 6, 22]].tolist() == [0.1, 0.3, 0.3]


def test_a_spot_price_with_a_factor_an_adder_and_tax(tmp_path):
    """100 EUR/MWh * 1.05 + 0.015 = 0.12; with a network fee of 0.08 and 20 %: 0.24."""
    hours = np.arange("2026-06-01T00", 24, dtype="datetime64[h]")[:24]
    rows = (f"{hour}:00,{100 if n else -20}" for n, hour in enumerate(hours))
    (tmp_path / "spot.csv").write_text("\n".join(["time,eur", *rows]) + "\n")
    spot = {"type": "series", "path": str(tmp_path / "spot.csv"), "column": "eur", "unit": "per MWh"}
    spot |= {"factor": 1.05, "plus": 0.015}
    parts = [
        {"name": "spot", "part": "energy", "price": spot},
        {"name": "grid", "part": "network", "price": 0.08},
        {"name": "VAT", "part": "tax", "basis": "percent", "price": 20},
    ]
    source = scenario(tmp_path, {"components": parts}, days=1)
    retail = build_inputs(load_scenario(source))["retail_price"].values[0]
    assert retail[:2] == pytest.approx([1.2 * (0.08 + 0.015 - 0.02 * 1.05), 0.24])
    stored = effective(load_scenario(source))["tariffs"]["house"]["components"]
    assert len(stored[0]["price"]["sha256"]) == 64
    assert stored[1]["price"] == 0.08
    assert digest(load_scenario(source)) == digest(load_scenario(effective(load_scenario(source))))


def test_a_percentage_of_what_it_names(tmp_path):
    """Spain's electricity tax is of power and energy, and value-added tax of that too: 1.21 * 1.05 * 0.2."""
    parts = [
        {"name": "energy", "part": "energy", "price": 0.2},
        {"name": "rent", "part": "other", "basis": "per-year", "price": 36.5},
        {"name": "tax", "part": "tax", "basis": "percent", "price": 5, "of": ["energy"]},
        {"name": "VAT", "part": "tax", "basis": "percent", "price": 21},
    ]
    inputs = build_inputs(load_scenario(scenario(tmp_path, {"components": parts}, days=1)))
    assert inputs["retail_price"].values[0, 0] == pytest.approx(1.21 * 1.05 * 0.2)
    assert inputs["component_standing"].values.sum() == pytest.approx(1.21 * 0.1)


@pytest.mark.parametrize("start", ["2026-03-01", "2026-10-01"])
def test_charges_add_up_over_days_of_any_length(tmp_path, start):
    """A month with a day of 23 or 25 hours costs one month and its days."""
    source = scenario(tmp_path, days=31, start=start)
    source["time"]["time_zone"] = "Europe/Berlin"
    source["series"] = {}
    source["tables"] = {"participants": [{"participant": "home", "persons": 2, "contracted_kw": 1}]}
    inputs = build_inputs(load_scenario(source))
    standing, contracted = (
        inputs[f"component_{name}"].values @ inputs["slot_hours"].values
        for name in ("standing", "contracted")
    )
    assert standing[[2, 3]] == pytest.approx([31 * 0.05, 9])
    assert contracted[4] == pytest.approx(3)


# What is refused, each by name.
def part(**more):
    return {"name": "x", "part": "energy", "price": 1} | more


@pytest.mark.parametrize(
    ("tariff", "field", "want"),
    [
        ({"components": [part(), part()]}, "tariffs.house.components", "names that occur once"),
        (
            {"energy": {"type": "flat", "price_per_kwh": 1}, "components": [part(name="energy")]},
            "tariffs.house.components",
            "other than energy",
        ),
        (
            {"components": [part(basis="percent", of=["y"]), part(name="y")]},
            "tariffs.house.components",
            "before x",
        ),
        ({"components": [part(of=["x"])]}, "tariffs.house.components.0.of", "nothing, as it is per-kwh"),
        (
            {"components": [part(basis="per-day", price=windows(1, ONTARIO))]},
            "tariffs.house.components.0.price",
            "a number",
        ),
        ({"components": [part(price="1_0")]}, "tariffs.house.components.0.price", "a number"),
        ({"components": [part(basis="per-week")]}, "tariffs.house.components.0.basis", "per-kwh"),
        ({}, "tariffs.house.energy", "a price of energy, or components"),
        ({"energy": {"type": "tiers", "tiers": []}}, "tariffs.house.energy.type", "tiered-average"),
        (
            {"energy": windows(1, {**ONTARIO, "months": [13]})},
            "tariffs.house.energy.windows.0.months.0",
            "at most 12",
        ),
        (
            {"energy": windows(1, {**ONTARIO, "days": ["sunday"]})},
            "tariffs.house.energy.windows.0.days.0",
            "sun",
        ),
    ],
)
def test_a_wrong_contract_is_refused_by_name(tmp_path, tariff, field, want):
    with pytest.raises(InputError) as error:
        load_scenario(scenario(tmp_path, days=1) | {"tariffs": {"house": tariff}})
    assert any(p.field == field and want in p.want for p in error.value.problems)


def test_what_a_contract_needs_elsewhere_is_named(tmp_path):
    source = scenario(tmp_path, days=1)
    del source["tables"]["participants"][0]["contracted_kw"], source["holidays"]
    assert [(p.field, p.got) for p in problems(source)] == [
        ("tables.participants.0.contracted_kw", "nothing"),
        ("tariffs.house.components.1.price.windows.0.holidays", "false"),
    ]


@pytest.mark.parametrize("name", ["XX", "CA-XY", "DE-", "jpan"])
def test_an_unknown_calendar_of_holidays_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="a country such as DE"):
        load_scenario(scenario(tmp_path, days=1, holidays=name))


def test_holidays_of_japan_have_two_names():
    days = [date(2020, 8, 10), date(2020, 8, 11), date(2026, 5, 6)]
    assert [day in public_holidays("japan") for day in days] == [True, False, True]
    assert [day in public_holidays("JP") for day in days] == [True, False, True]
    assert date(2026, 7, 1) not in public_holidays("none")


def test_from_the_command_line(tmp_path):
    """A folder with its scenario is cleared, and its page shows the contract."""
    (tmp_path / "scenario.yaml").write_text(json.dumps(scenario(tmp_path, days=1)), encoding="utf-8")
    result = CliRunner().invoke(
        main, ["clear", str(tmp_path / "scenario.yaml"), "-o", str(tmp_path / "run.nc"), "--no-ledger"]
    )
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run.nc")])
    assert "Components of the tariffs" in result.output
