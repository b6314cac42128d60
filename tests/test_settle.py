"""Settlements: from readings and a rule to accounts, run files, ledger, bills; worked cases, and what is refused."""

import json
import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.cli import main
from otonari.data.schema.settlement import Settlement
from otonari.model.sharing import accounts
from otonari.runs import archive
from otonari.runs.clear import single
from otonari.runs.ledger.format import block_schema, chain
from otonari.runs.ledger.format.errors import LedgerConflict
from otonari.runs.settle import run
from otonari.runs.store import netcdf, run_file

from . import pages
from .communities import community
from .counts import examples
from .settlements import DRAWN, FILE, KEYS, MEMBERS, noon, written
from .test_sharing import WORKED

RULES = ("static", "pro-rata", "rounds", "hybrid", "priority", "filling", "own-share")


@pytest.fixture
def otonari(tmp_path, monkeypatch):
    """Return a function that runs a command line in an empty directory and checks its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result

    return call


def settled(path, overrides=()):
    """Return the tree of the one month of a settlement."""
    (tree,) = run.settle(path, overrides=overrides).values()
    return tree


def kept(path):
    """Return the tree of the one month of a settlement, stored beside it."""
    (month,) = run.run(path, record=False, output=path.parent / "out")
    return month.outcome.tree


def at_noon(tree, name):
    return tree["allocation"][name].values[:, 12].tolist()


@pytest.mark.parametrize("rule", RULES)
def test_the_worked_case_is_settled_by(rule, tmp_path):
    """The table of rules of the design, from a file of readings to money: 0.12 EUR/kWh among members."""
    tree = settled(written(tmp_path), overrides=[f"sharing.rule={rule}"])
    want = list(WORKED[rule][1])
    assert at_noon(tree, "shared")[:3] == want
    lines = tree["settlement"].to_dataset().sel(participant=list(MEMBERS))
    np.testing.assert_allclose(lines["peer_cost"], 0.12 * np.array(want) / 1000, rtol=0, atol=1e-12)
    grid = (np.array(DRAWN) - want) / 1000
    np.testing.assert_allclose(lines["grid_cost"], 0.2 * grid, rtol=0, atol=1e-12)
    if (
        rule == "own-share"
    ):  # each uses its own: what it pays itself is nothing, its surplus earns the feed-in price
        own = 1000 * np.array(KEYS) - want
        assert (tree["allocation"]["injected"] - tree["allocation"]["sold"]).values[
            :3, 12
        ].tolist() == own.tolist()
        np.testing.assert_allclose(lines["bill"], 0.2 * grid - 0.06 * own / 1000, rtol=0, atol=1e-12)
    else:
        assert at_noon(tree, "sold")[3] == sum(want)


def test_a_month_from_readings_to_a_bill_that_is_checked(otonari, tmp_path):
    written(tmp_path / "trio")
    said = otonari("settle", "trio", "--json")
    (month,) = json.loads(said.stdout)["months"]
    assert month["month"] == "2026-06"
    assert month["ledger"]["added"] == 1
    assert month["members"]["anna"]["shared_kwh"] == 0.125
    path = month["path"]
    otonari("report", path, "--bills", "-o", "bills")
    checkpoint = "runs-out/trio/ledger/checkpoint"
    checked = json.loads(
        otonari("ledger", "check", "bills/anna.md", "--checkpoint", checkpoint, "--json").stdout
    )
    assert (checked["purchases"], checked["grid_in"], checked["paid"]) == (125, 75, 125 * 12000)
    assert checked["leaves"][0]["origin"] == {"plant": 125}
    page = tmp_path / "bills" / "anna.md"
    page.write_text(page.read_text().replace("0.125", "0.126", 1))
    otonari("ledger", "check", "bills/anna.md", "--checkpoint", checkpoint, code=4)
    again = json.loads(otonari("settle", "trio", "--json").stdout)["months"]
    assert [m["already"] for m in again] == [True]
    otonari("compare", path)


def test_a_settled_month_is_a_page_and_explained(otonari, tmp_path):
    """At noon of one day members share 1 kWh; its trades are stored by day, its energy by slot."""
    path = written(tmp_path / "trio")
    tree = kept(path)
    run_of = path.parent / "out/settlement-2026-06.nc"
    otonari("report", run_of, "-o", "page.html")
    found = pages.read((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert found.faults == []
    _, rows = found.table("Who trades with whom")
    total = sum(v for row in rows.values() for v in row)
    assert total == pytest.approx(float(tree["trades"]["trade_energy"].sum())) == 1
    assert "Trades of the busiest slot in the order of their price" not in found.titles
    slot = int(np.argmax(tree["results"]["peer_purchase"].sel(participant="anna").values))
    bought = float(tree["results"]["peer_purchase"].sel(participant="anna")[slot])
    said = json.loads(otonari("explain", run_of, "--participant", "anna", "--json").stdout)["sentences"]
    (at_once,) = (one for one in said if "bought_kwh" in one)
    assert at_once["bought_kwh"] == pytest.approx(bought * float(tree["inputs"]["slot_hours"][slot]))
    assert said[-1]["topic"] == "Not known"


def test_a_settled_month_under_other_rules_of_prices(otonari, tmp_path):
    """1 kWh at 0.12 EUR, or at the mean of 0.20 and of nothing, since the plant has no retailer here; all save 0.2."""
    path = written(tmp_path / "trio")
    tree = kept(path)
    rules = ["as-billed", "fixed=0.12", "mid-market", "equal", "shapley", "nucleolus"]
    asked = [part for rule in rules for part in ("--rule", rule)]
    said = otonari("prices", path.parent / "out/settlement-2026-06.nc", *asked, "--json")
    paid = {rule: of["payment"] for rule, of in json.loads(said.stdout)["rules"].items()}
    bills = dict(
        zip(tree["settlement"]["participant"].values.tolist(), tree["settlement"]["bill"].values, strict=True)
    )
    assert paid["as-billed"] == pytest.approx(bills)
    assert paid["fixed=0.12"] == pytest.approx(bills)
    assert paid["mid-market"]["plant"] == pytest.approx(-0.1)
    alone = {name: 0.2 * drawn / 1000 for name, drawn in zip(MEMBERS, DRAWN, strict=True)} | {"plant": 0.0}
    assert paid["equal"] == pytest.approx({name: bill - 0.2 / 4 for name, bill in alone.items()})
    wanted = dict(zip(MEMBERS, DRAWN, strict=True))
    added = []  # by anna: what she can still use of the plant's 1000 Wh, where it is there before her
    for order in permutations([*MEMBERS, "plant"]):
        before = order[: order.index("anna")]
        left = 1000 - sum(wanted[name] for name in before if name != "plant")
        added.append(min(200, max(left, 0)) if "plant" in before else 0)
    assert paid["shapley"]["anna"] == pytest.approx(alone["anna"] - 0.2 * np.mean(added) / 1000)
    assert sum(paid["shapley"].values()) == pytest.approx(0.12)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Return the file of a cleared day: at noon of Vienna 1.2 kWh of PV, for anna 0.4, bert 0.6 and carla 0.2."""
    at_noon = np.arange(24) == 12
    wanted = {"anna": 0.4, "bert": 0.6, "carla": 0.2, "plant": 0.0}
    people = {
        name: {
            "node": "n",
            "tariff": "home",
            "demand": (at_noon * demand).tolist(),
            "pv_available": (at_noon * 1.2 * (name == "plant")).tolist(),
        }
        for name, demand in wanted.items()
    }
    home = {"home": {"retail_price": 0.2, "feed_in_price": 0.06}}
    case = {"slots": [1] * 24, "nodes": {"n": {"parent": ""}}, "tariffs": home, "participants": people}
    inputs = community(case)
    times = np.datetime64("2026-06-29T22:00", "ns") + np.arange(24) * np.timedelta64(1, "h")
    for variable in inputs.values():
        if "units" in variable.attrs:
            variable.attrs["units"] = variable.attrs["units"].replace("JPY", "EUR")
    tree = single.clear(inputs.assign_coords(time=times).assign_attrs(currency="EUR"))
    path = tmp_path_factory.mktemp("planned") / "run.nc"
    netcdf.write_run(tree, path)
    return path


CONTRACTS = {"rule": "contracts", "price": {"rule": "contracts"}, "imbalance_fee_per_kwh": 0.05}


def test_contracts_are_settled_as_far_as_meters_show_them(planned, tmp_path):
    """1 kWh of the 1.2 sold: anna takes 0.2 of her 0.4, bert all, carla the last 0.2; she draws 0.6 of her retailer.

    anna and the plant are 0.2 kWh short of what they traded, and pay for it; bert and carla kept their contracts.
    """
    tree = settled(written(tmp_path, sharing=CONTRACTS | {"run": {"path": str(planned)}}))
    assert at_noon(tree, "shared") == [200, 600, 200, 0]
    assert at_noon(tree, "sold") == [0, 0, 0, 1000]
    trades = run_file.open_run(planned)["trades"].to_dataset()
    assert trades["trade_energy"].values.tolist() == pytest.approx([0.4, 0.6, 0.2])
    (price,) = set(trades["trade_price"].values.round(9).tolist())
    lines = tree["settlement"].to_dataset()
    np.testing.assert_allclose(lines["imbalance_energy"], [0.2, 0, 0, 0.2], atol=1e-12)
    np.testing.assert_allclose(lines["imbalance_cost"], [0.01, 0, 0, 0.01], atol=1e-12)
    np.testing.assert_allclose(lines["peer_cost"], price * np.array([0.2, 0.6, 0.2, 0]), atol=1e-9)
    np.testing.assert_allclose(
        lines["bill"], lines["peer_cost"] + [0.01, 0, 0.2 * 0.6, 0.01 - price], atol=1e-9
    )


def test_contracts_at_another_price_and_their_ledger(otonari, planned, tmp_path):
    at_price = {"price": {"rule": "fixed", "price": 0.1}, "run": {"path": str(planned)}}
    written(tmp_path / "trio", sharing=CONTRACTS | at_price)
    said = json.loads(otonari("settle", "trio", "--json").stdout)["months"][0]
    assert said["members"]["bert"]["peer_cost"] == pytest.approx(0.06)
    assert said["members"]["carla"]["bill"] == pytest.approx(0.2 * 0.1 + 0.6 * 0.2)
    otonari("ledger", "verify", "runs-out/trio/ledger", "--private")
    assert json.loads(otonari("settle", "trio", "--json").stdout)["months"][0]["already"]
    dearer = ["--no-ledger", "--set", "sharing.imbalance_fee_per_kwh=1"]
    said = json.loads(otonari("settle", "trio", *dearer, "--json").stdout)["months"][0]
    assert said["members"]["anna"]["bill"] == pytest.approx(0.02 + 0.2)


OTHER_DAY = {"time": {**FILE["time"], "start": "2026-07-02"}}
HALF_HOURS = {"time": {**FILE["time"], "slot_minutes": 30}, "missing": "leave-out"}


@pytest.mark.parametrize(
    ("sharing", "changes", "readings", "want"),
    [
        ({"run": None}, {}, noon(), "a run where the rule is contracts"),
        ({"run": None, "rule": "pro-rata"}, {}, noon(), "there are no contracts"),
        ({"run": {"path": "gone.nc"}}, {}, noon(), "gone.nc"),
        ({}, {"currency": "CHF"}, noon(), "EUR, want CHF"),
        ({}, OTHER_DAY, noon(first="2026-07-01T22:00"), "slots of the month that is settled"),
        ({}, HALF_HOURS, noon(), "the slots of the settlement"),
        ({}, {}, noon().replace("carla", "dora"), "'carla', who is none of the settlement"),
    ],
)
def test_contracts_that_cannot_be_settled(otonari, planned, tmp_path, sharing, changes, readings, want):
    """Of another currency, day, slot or people than the settlement, or none at all; nothing is written."""
    run_file_of = {"run": {"path": str(planned)}}
    path = written(tmp_path / "trio", readings, sharing=CONTRACTS | run_file_of | sharing, **changes)
    if "dora" in readings:
        path.write_text(path.read_text().replace("carla", "dora"))
    assert want in otonari("settle", "trio", code=2).output
    assert not (tmp_path / "runs-out").exists()


def test_meters_that_show_a_plan_are_settled_by_its_key_to_what_was_traded(otonari, planned, tmp_path):
    """From a cleared day to its key, and from the key and meters back to the volumes of the day, to the Wh."""
    (tmp_path / "trio").mkdir()
    said = json.loads(otonari("coefficients", planned, "-o", "trio/key.csv", "--json").stdout)
    assert (said["traded_wh"], said["injected_wh"]) == (1200, 1200)
    readings = noon().replace("200,600,800,1000", "400,600,200,1200")
    by_key = {"rule": "matrix", "coefficients": {"path": "key.csv"}, "price": {"rule": "fixed", "price": 0.1}}
    tree = settled(written(tmp_path / "trio", readings, sharing=by_key))
    assert at_noon(tree, "shared") == [400, 600, 200, 0]
    less = settled(
        written(tmp_path / "trio", sharing=by_key)
    )  # the plant gives 1000 and anna draws 200 of her 333
    assert at_noon(less, "shared") == [200, 500, 167, 0]


KEY = "time,producer,anna,bert,carla,plant,(surplus)\n"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (KEY.replace("time", "zeit"), "time, producer, and a column per member"),
        (KEY.replace("carla", "dora"), "an unknown column"),
        (KEY.replace("carla", "anna"), "the column again"),
        (KEY + "2026-06-30T10:00:00Z,plant,0.5,0.5,0\n", "5 cells"),
        (KEY + "2026-06-30T10:00:00Z,plan,0.5,0.5,0,0,0\n", "did you mean 'plant'"),
        (KEY + "2026-06-30T10:00:00Z,plant,0.5,1.5,0,0,0\n", "coefficients from 0 to 1"),
        (KEY + "2026-06-30T10:00:00Z,plant,0.5,half,0,0,0\n", "coefficients from 0 to 1"),
        (KEY + "2026-06-30T10:00:00Z,plant,0.5,0.5,0,0,0\n" * 2, "the slot again"),
        (KEY + "2026-06-30T10:00:00Z,plant,0.5,0.5,0,0,0\n", "no row for 23 slots"),
        (KEY + "2025-06-30T10:00:00Z,plant,0.5,0.5,0,0,0\n", "no slot of the month"),
        ("", "an empty file"),
    ],
)
def test_a_key_that_cannot_be_read(otonari, tmp_path, text, want):
    by_key = {"rule": "matrix", "coefficients": {"path": "key.csv"}, "price": {"rule": "fixed", "price": 0.1}}
    written(tmp_path / "trio", sharing=by_key)
    (tmp_path / "trio" / "key.csv").write_text(text)
    assert want in otonari("settle", "trio", code=2).output
    assert not (tmp_path / "runs-out").exists()


def test_coefficients_of_more_than_one_are_refused(otonari, tmp_path):
    by_key = {"rule": "matrix", "coefficients": {"path": "key.csv"}, "price": {"rule": "fixed", "price": 0.1}}
    written(tmp_path / "trio", sharing=by_key)
    times = [
        f"{t}Z" for t in np.datetime_as_string(np.datetime64("2026-06-29T22:00:00") + np.arange(24) * 3600)
    ]
    (tmp_path / "trio" / "key.csv").write_text(KEY + "".join(f"{t},plant,0.5,0.6,0,0,0\n" for t in times))
    assert "sum to at most 1" in otonari("settle", "trio", code=2).output


@pytest.mark.parametrize(
    ("compensation", "price"), [(0.0, 0.12 / 1.475), (0.5, 0.2 * 0.13 / (0.07 * 0.625 + 0.13))]
)
def test_the_price_of_shared_energy_by_supply_over_demand(tmp_path, compensation, price):
    """1 kWh for sale, 1.6 wanted: R = 0.625, between 0.06 and 0.20 EUR."""
    tables = {
        **FILE["tables"],
        "members": [{"member": name, "tariff": "home"} for name in (*MEMBERS, "plant")],
    }
    rule = {"rule": "supply-demand-ratio", "compensation": compensation}
    tree = settled(written(tmp_path, tables=tables, sharing={"rule": "pro-rata", "price": rule}))
    assert tree["allocation"]["shared_price"].values[12] == pytest.approx(price, abs=1e-5)


def test_a_month_that_would_be_settled_otherwise_is_a_conflict_or_a_correction(otonari, tmp_path):
    """A reading of the second of two days is corrected: that day alone is reversed and settled anew."""
    two = noon([*range(24), *range(24)], "2026-06-28T22:00")
    time = {**FILE["time"], "start": "2026-06-29", "days": 2}
    written(tmp_path / "trio", readings=two, time=time)
    otonari("settle", "trio")
    before = (tmp_path / "runs-out/trio/settlement-2026-06.nc").read_bytes()
    (tmp_path / "trio" / "late.csv").write_text("time,AT-anna\n2026-06-30T10:00,300\n2026-06-30T11:00,0\n")
    late = "corrections=[{path: late.csv, unit: Wh, time_zone: UTC}]"
    refused = otonari("settle", "trio", "--set", late, code=5)
    assert "--correct" in refused.stderr
    assert "1 of 2" in refused.stderr
    assert (tmp_path / "runs-out/trio/settlement-2026-06.nc").read_bytes() == before
    said = json.loads(otonari("settle", "trio", "--set", late, "--correct", "--json").stdout)["months"][0]
    assert (said["ledger"]["corrected"], said["ledger"]["already"]) == (1, 1)
    assert said["members"]["anna"]["withdrawn_kwh"] == 0.5
    otonari("ledger", "verify", "runs-out/trio/ledger", "--private")


def rows(table, **at):
    """Return a change of tables: the cells ``at[place]`` of rows of one of them."""

    def change(tables):
        for place, cells in at.items():
            tables[table][int(place.removeprefix("row"))].update(cells)
        return tables

    return change


def added(table, *more):
    """Return a change of tables: further rows of one of them."""
    return lambda tables: {**tables, table: [*tables.get(table, []), *more]}


def keys(*dated):
    return lambda tables: {
        **tables,
        "keys": [dict(zip(("member", "key", "since", "until"), r, strict=False)) for r in dated],
    }


STATIC = {"rule": "static", "price": {"rule": "fixed", "price": 0.12}}
FAULTS = {
    "an unknown member": (
        {"tables": rows("points", row0={"member": "ana"})},
        [
            "points.0.member: got 'ana', want a label of members (did you mean 'anna'?)",
            "'anna' without a metering point",
        ],
    ),
    "overlapping keys": (
        {
            "tables": keys(("anna", 0.5, None, "2026-06-30"), ("anna", 0.5, "2026-06-30"), ("bert", 0.5)),
            "sharing": STATIC,
        },
        ["keys.1.since: got a second key of 'anna' for the same days"],
    ),
    "keys that do not sum to one": (
        {"tables": keys(("anna", 0.5), ("bert", 0.3, "2026-07-01"), ("carla", 0.2)), "sharing": STATIC},
        ["tables.keys: got keys that sum to 0.7 on 2026-06-30, want 1 on every day"],
    ),
    "a member without readings": (
        {"tables": added("members", {"member": "dora"})},
        ["members.4.member: got 'dora' without a metering point, want one in points"],
    ),
    "a point that no file has": (
        {"tables": added("points", {"point": "AT-9", "member": "anna", "direction": "withdrawal"})},
        ["anna, AT-9 (withdrawal): got no readings", "a column 'AT-9' in a file of readings"],
    ),
    "a point twice": (
        {"tables": added("points", {"point": "PV", "member": "anna", "direction": "injection"})},
        ["points.4.point: got 'PV injection' again"],
    ),
    "nobody's withdrawal": (
        {"tables": rows("points", row0={"member": None})},
        ["points.0.member: got nothing, want whose withdrawal it is"],
    ),
    "a plant of nobody": (
        {"tables": rows("points", row3={"member": None})},
        ["points.3.member: got nothing, want a member, or owners of 'PV' in the table owners"],
    ),
    "an order that leaves somebody out": (
        {
            "sharing": {
                "rule": "priority",
                "order": ["bert", "bert", "dora"],
                "price": {"rule": "fixed", "price": 0.1},
            }
        },
        ["order.1: got 'bert' again", "order.2: got 'dora'", "sharing.order: got no anna, carla, plant"],
    ),
    "an unknown rule": (
        {"sharing": {"rule": "rounds-", "price": {"rule": "fixed", "price": 0.1}}},
        ["sharing.rule: got 'rounds-' (did you mean 'rounds'?)"],
    ),
    "a month that ends before it begins": (
        {"tables": rows("members", row0={"joined": "2026-06-10", "left": "2026-06-09"})},
        ["members.0.left: got '2026-06-09', want no day before 2026-06-10"],
    ),
    "gaps that a file fills": (
        {"readings": [{"path": "readings.csv", "unit": "Wh", "gaps": "zero"}]},
        ["readings.0.gaps: got 'zero', want none: `missing` of the settlement says what is done"],
    ),
    "mid-market without a tariff": (
        {"sharing": {"rule": "pro-rata", "price": {"rule": "mid-market"}}},
        ["members.3.tariff: got nothing, want a tariff, as the price of shared energy is mid-market"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_named_and_nothing_is_written(fault, otonari, tmp_path):
    changes, wanted = FAULTS[fault]
    written(tmp_path / "trio", **changes)
    said = otonari("settle", "trio", code=2).stderr
    assert [want for want in wanted if want not in said] == [], said
    assert [path.name for path in tmp_path.iterdir()] == ["trio"]


def cell(hour, column, value):
    """Return the readings with one cell changed, or a row left out (value None)."""
    lines = noon().splitlines()
    if value is None:
        return "\n".join([*lines[: hour + 1], *lines[hour + 2 :]]) + "\n"
    cells = lines[hour + 1].split(",")
    cells[column] = value
    return "\n".join([*lines[: hour + 1], ",".join(cells), *lines[hour + 2 :]]) + "\n"


READINGS = {
    "negative injection": (cell(12, 4, "-300"), ["readings.csv:14: PV: got -0.3 kW, want at least 0"]),
    "a missing value": (
        cell(12, 1, ""),
        ["readings: missing: got anna, AT-anna (withdrawal), 2026-06-30: 1 of 24 missing, want a reading"],
    ),
    "a missing row": (
        cell(12, 1, None),
        ["anna, AT-anna (withdrawal), 2026-06-30: 1 of 24 missing", "plant, PV (injection), 2026-06-30"],
    ),
    "no number": (cell(3, 2, "x"), ["readings.csv:5: AT-bert: got 'x', want a number"]),
    "a time twice": (
        noon().replace("T09:00,", "T10:00,"),
        ["readings.csv:14: time: got the time of row 13 again"],
    ),
}


@pytest.mark.parametrize("fault", READINGS)
def test_bad_readings_are_named_and_nothing_is_written(fault, otonari, tmp_path):
    text, wanted = READINGS[fault]
    written(tmp_path / "trio", readings=text)
    said = otonari("settle", "trio", code=2).stderr
    assert [want for want in wanted if want not in said] == [], said
    assert [path.name for path in tmp_path.iterdir()] == ["trio"]


def test_a_reading_of_two_files_with_two_values(otonari, tmp_path):
    path = written(tmp_path / "trio")
    (tmp_path / "trio" / "more.csv").write_text(cell(12, 1, "250"))
    two = "readings=[{path: readings.csv, unit: Wh, time_zone: UTC}, {path: more.csv, unit: Wh, time_zone: UTC}]"
    said = otonari("settle", path, "--set", two, code=2).stderr
    assert (
        "more.csv:14: AT-anna: got 250 Wh at 2026-06-30T12:00, 200 in a file before, want one value" in said
    )
    (tmp_path / "trio" / "more.csv").write_text(noon())
    otonari("settle", path, "--set", two)  # the same value twice is one


def test_a_member_of_half_a_month_shares_and_pays_for_half_a_month(tmp_path):
    """Two days; bert joins on the second. Standing charges, energy and its part of a plant in common begin then."""
    month = {"energy": {"type": "flat", "price_per_kwh": 0.2}}
    month["components"] = [{"name": "base", "part": "network", "basis": "per-day", "price": 1.0}]
    owners = [{"point": "PV", "member": "anna", "share": 3}, {"point": "PV", "member": "bert", "share": 1}]

    def tables(own):
        own["members"] = own["members"][:3]
        own["members"][1]["joined"] = "2026-06-30"
        own["points"][3]["member"] = None
        return {**own, "owners": owners}

    path = written(
        tmp_path,
        readings=noon([*range(24), *range(24)], "2026-06-28T22:00"),
        tables=tables,
        time=lambda time: {**time, "start": "2026-06-29", "days": 2},
        tariffs={"home": month},
    )
    tree = settled(path)
    shared = tree["allocation"]["shared"].values
    assert shared[:, 12].tolist() == [200, 0, 800]  # all that two draw
    assert shared[:, 36].tolist() == [125, 375, 500]
    injected = tree["allocation"]["injected"].values
    assert injected[:, [12, 36]].T.tolist() == [[1000, 0, 0], [750, 250, 0]]
    lines = tree["settlement"].to_dataset()
    assert lines["standing_charges"].values.tolist() == pytest.approx([2, 1, 2])
    assert lines["grid_cost"].values[1] == pytest.approx(0.2 * 0.225)
    days = [[leaf["participant"] for leaf in record["leaves"]] for record in archive.recorded(tree)]
    assert days == [["anna", "carla"], ["anna", "bert", "carla"]]  # who is no member has no leaf


@pytest.mark.parametrize(("missing", "want"), [("leave-out", (0, 429, 571)), ("estimate", (125, 375, 500))])
def test_missing_readings_are_left_out_or_estimated_and_said(missing, want, otonari, tmp_path):
    """Anna's reading of the second noon is missing: her day is left out, or it is what the day before had."""
    two = noon([*range(24), *range(24)], "2026-06-28T22:00").splitlines()
    cells = two[37].split(",")
    two[37] = ",".join([cells[0], "", *cells[2:]])
    time = {"start": "2026-06-29", "days": 2, "slot_minutes": 60, "time_zone": "Europe/Vienna"}
    path = written(tmp_path / "trio", readings="\n".join(two) + "\n", time=time)
    said = otonari("settle", path, "--set", f"missing={missing}", "--no-ledger")
    assert "note: anna, AT-anna (withdrawal), 2026-06-30: 1 of 24 " in said.stderr
    tree = settled(path, overrides=[f"missing={missing}"])
    assert tree["allocation"]["shared"].values[:3, 36].tolist() == list(want)
    counted = "left_out" if missing == "leave-out" else "estimated"
    assert tree["allocation"][counted].values.tolist() == [24 if missing == "leave-out" else 1, 0, 0, 0]


@pytest.mark.parametrize(("first", "slots"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_days_on_which_the_clock_changes_have_92_or_100_quarter_hours(first, slots, tmp_path):
    start = {"2026-03-29": "2026-03-28T23:00", "2026-10-25": "2026-10-24T22:00"}[first]
    times = pd.date_range(start, periods=slots, freq="15min")
    lines = [f"{t:%Y-%m-%dT%H:%M},{n},1,1,{2 * n}" for n, t in enumerate(times)]
    path = written(
        tmp_path,
        readings="\n".join(["time,AT-anna,AT-bert,AT-carla,PV", *lines]) + "\n",
        time={"start": first, "days": 1, "slot_minutes": 15, "time_zone": "Europe/Vienna"},
    )
    tree = settled(path)
    assert tree["allocation"].sizes["time"] == slots
    assert tree["allocation"]["withdrawn"].values[0].sum() == sum(range(slots))
    assert tree["allocation"].sizes["day"] == 1
    text = (tmp_path / "readings.csv").read_text().splitlines()
    (tmp_path / "readings.csv").write_text("\n".join([*text[:50], *text[54:]]) + "\n")
    with pytest.raises(ValueError, match=f"{first}: 4 of {slots} missing"):
        settled(path)


def test_several_registers_of_a_member_and_a_counter(tmp_path):
    """Anna has two meters, of which one counts: 0.1 kWh in an hour, and 2.3 kWh in the 23 hours that nobody read."""
    read = ["2026-06-29T22:00,100.0", "2026-06-29T23:00,100.1", "2026-06-30T22:00,102.4"]
    (tmp_path / "counter.csv").write_text("\n".join(["time,AT-2", *read]) + "\n")
    point = {"point": "AT-2", "member": "anna", "direction": "withdrawal"}
    path = written(tmp_path, tables=added("points", point))
    counter = {"path": "counter.csv", "unit": "kWh cumulative", "time_zone": "UTC"}
    counter |= {"gaps": "interpolate", "gaps_up_to_hours": 24}
    tree = settled(
        path,
        overrides=[f"readings=[{{path: readings.csv, unit: Wh, time_zone: UTC}}, {json.dumps(counter)}]"],
    )
    assert at_noon(tree, "withdrawn") == [300, 600, 800, 0]


def test_participation_factors_of_a_member(tmp_path):
    """Austria: bert takes part with half of what he draws."""
    tree = settled(written(tmp_path, tables=rows("members", row1={"participation_percent": 50})))
    assert at_noon(tree, "shared")[:3] == [154, 231, 615]
    assert at_noon(tree, "withdrawn")[:3] == list(DRAWN)


def test_mid_market_is_midway_between_retail_and_feed_in(tmp_path):
    """Of 0.20 and 0.06 EUR/kWh, with the network's discount paid on top by who buys."""
    tariffs = {
        "home": {
            **FILE["tariffs"]["home"],
            "components": [{"name": "grid", "part": "network", "price": 0.1, "shared_discount": 57}],
        }
    }
    tree = settled(
        written(tmp_path, tables=rows("members", row3={"tariff": "home"}), tariffs=tariffs),
        overrides=["sharing.price={rule: mid-market}"],
    )
    assert set(tree["allocation"]["shared_price"].values) == {0.18}  # (0.30 + 0.06) / 2
    lines = tree["settlement"].to_dataset().sel(participant="bert")
    assert float(lines["network_fee"]) == pytest.approx(0.375 * 0.043)
    assert float(lines["peer_cost"]) == pytest.approx(0.375 * (0.18 + 0.043))


def test_months_are_settled_one_by_one_as_their_readings_come(otonari, tmp_path):
    """June is there, July comes later: June is not settled again, and what it does not change is committed as it was."""
    path = written(tmp_path / "trio", time=lambda time: {**time, "days": 2})
    said = json.loads(otonari("settle", path, "--json").stdout)["months"]
    assert [(m["month"], m["already"]) for m in said] == [("2026-06", False)]
    missing = otonari("settle", path, "--month", "2026-07", code=2).stderr
    assert "2026-07-01: 24 of 24 missing" in missing
    later = noon([*range(24), *range(24)])
    (tmp_path / "trio" / "readings.csv").write_text(later)
    said = json.loads(otonari("settle", path, "--json").stdout)["months"]
    assert [(m["month"], m["already"]) for m in said] == [("2026-06", True), ("2026-07", False)]
    assert "want a month of the period" in otonari("settle", path, "--month", "2026-08", code=2).stderr
    otonari("settle", path, "--month", "2026-06", "-o", "again", "--ledger", "runs-out/trio/ledger")


def test_doubtful_readings_are_named_by_member_and_day(otonari, tmp_path):
    lines = [f"2026-06-{29 + (h + 22) // 24}T{(h + 22) % 24:02}:00,{20 + h},1,1,0" for h in range(24)]
    lines[5] = lines[5].replace(",25,", ",25000000,")
    text = "\n".join(["time,AT-anna,AT-bert,AT-carla,PV", *lines]) + "\n"
    path = written(tmp_path / "trio", readings=text)
    said = otonari("settle", path, "--no-ledger").stderr
    assert "readings.csv:7: anna, AT-anna (withdrawal), 2026-06-30, doubtful: got 25000 kW" in said
    said = otonari("settle", path, "--set", "doubtful=refuse", code=2).stderr
    assert "anna, AT-anna (withdrawal), 2026-06-30, doubtful: got 25000 kW" in said


def test_who_supplied_whom_may_stay_in_the_pool(otonari, tmp_path):
    """Two plants: the same energies and money, and in the leaves no supplier but the community."""
    tables = added(
        "points", {"point": "AT-bert", "member": "bert", "direction": "injection", "column": "roof"}
    )
    path = written(tmp_path / "trio", tables=tables)
    lines = noon().splitlines()
    lines = [f"{line},{'roof' if n == 0 else 500 if n == 13 else 0}" for n, line in enumerate(lines)]
    (tmp_path / "trio" / "readings.csv").write_text("\n".join(lines) + "\n")
    each, pool = (settled(path, overrides=[f"sharing.suppliers={how}"]) for how in ("each", "pool"))
    for name in ("shared", "sold", "day_paid", "day_earned"):
        np.testing.assert_array_equal(each["allocation"][name], pool["allocation"][name])
    assert at_noon(each, "sold") == [0, 500, 0, 1000]
    assert set(each["trades"]["trade_seller"].values) == {"bert", "plant"}
    assert set(pool["trades"]["trade_seller"].values) == {"the community"}
    otonari("settle", path, "--set", "sharing.suppliers=pool", "-o", "out")
    otonari("report", "out/settlement-2026-06.nc", "anna", "-o", "anna.md")
    assert "the community" in (tmp_path / "anna.md").read_text()
    said = otonari("settle", path, "--set", "tables.members.plant.member=the community", code=2).stderr
    assert "want another label" in said


@pytest.mark.parametrize("rule", ["pro-rata", "own-share"])
def test_every_point_splits_into_what_is_shared_and_the_rest(rule, tmp_path):
    """Austria's three series of a metering point: what it metered, its share of the community, and the rest.

    Anna has two meters of 200 and 100 Wh at noon; the plant is anna's and bert's, who has a roof of his own.
    """

    def tables(own):
        own["points"][3]["member"] = None
        own["points"] += [
            {"point": "AT-2", "member": "anna", "direction": "withdrawal", "column": "second"},
            {"point": "AT-bert", "member": "bert", "direction": "injection", "column": "roof"},
        ]
        owners = [{"point": "PV", "member": n, "share": s} for n, s in (("anna", 2), ("bert", 1))]
        return {**own, "members": own["members"][:3], "owners": owners}

    lines = [
        f"{line},{'second,roof' if n == 0 else '100,301' if n == 13 else '0,0'}"
        for n, line in enumerate(noon().splitlines())
    ]
    tree = settled(
        written(tmp_path, readings="\n".join(lines) + "\n", tables=tables), overrides=[f"sharing.rule={rule}"]
    )
    group = tree["allocation"].to_dataset()
    metered, shared = (group[f"point_{name}"].values[:, 12].tolist() for name in ("metered", "shared"))
    assert metered == [200, 600, 800, 1000, 100, 301]
    drawn = [shared[0] + shared[4], shared[1], shared[2]]
    assert drawn == at_noon(tree, "shared")
    assert shared[0] == 2 * shared[4] or abs(shared[0] - 2 * shared[4]) <= 1
    assert shared[3] + shared[5] == sum(at_noon(tree, "sold")) == sum(drawn)
    assert all(0 <= part <= whole for part, whole in zip(shared, metered, strict=True))


def test_a_settled_month_that_contradicts_itself_is_caught(tmp_path):
    """Each number that a check counts again, moved by the least there is."""
    from otonari.model.checks.run import CheckError
    from otonari.model.checks.sharing import require_shared

    tree = settled(written(tmp_path))
    inputs, results, settlement, good = (
        tree[g].to_dataset() for g in ("inputs", "results", "settlement", "allocation")
    )
    require_shared(inputs, good, results, settlement)
    for name, place in (
        ("withdrawn", (0, 12)),
        ("shared", (1, 12)),
        ("sold", (3, 12)),
        ("point_shared", (2, 12)),
    ):
        wrong = good.copy(deep=True)
        wrong[name].values[place] += 1
        with pytest.raises(CheckError, match=name.removeprefix("point_")):
            require_shared(inputs, wrong, results, settlement)
    for line in ("peer_cost", "peer_revenue"):
        wrong = settlement.copy(deep=True)
        wrong[line].values[0] += 0.001
        with pytest.raises(CheckError, match=line):
            require_shared(inputs, good, results, wrong)


def test_a_file_for_each_point_and_a_file_for_each_direction(tmp_path):
    """The same readings as one file for each metering point, and as two files whose columns are called alike."""
    lines = [line.split(",") for line in noon().splitlines()]
    for n, point in enumerate(("AT-anna", "AT-bert", "AT-carla", "PV"), start=1):
        text = "".join(f"{row[0]},{row[n] if k else 'energy'}\n" for k, row in enumerate(lines))
        (tmp_path / f"{point}.csv").write_text(text)
    path = written(tmp_path)
    want = settled(path)["allocation"]
    each = settled(path, overrides=["readings=[{path: '{point}.csv', unit: Wh, time_zone: UTC}]"])
    np.testing.assert_array_equal(each["allocation"]["shared"], want["shared"])
    for name, columns in (("in", "anna,bert,carla"), ("out", "anna")):
        picked = [[row[0], *(row[1:4] if name == "in" else row[4:5])] for row in lines[1:]]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"time,{columns}", *map(",".join, picked)]) + "\n")
    points = [
        {"point": f"AT-{name}", "member": name, "direction": "withdrawal", "column": name} for name in MEMBERS
    ]
    points.append({"point": "PV", "member": "plant", "direction": "injection", "column": "anna"})
    files = [
        {"path": f"{name}.csv", "unit": "Wh", "time_zone": "UTC", "direction": way}
        for name, way in (("in", "withdrawal"), ("out", "injection"))
    ]
    path = written(tmp_path, tables=lambda own: {**own, "points": points})
    two = settled(path, overrides=[f"readings={json.dumps(files)}"])
    np.testing.assert_array_equal(two["allocation"]["shared"], want["shared"])


@settings(deadline=None, max_examples=examples(40))
@given(st.data(), st.sampled_from(["pro-rata", "filling", "static", "priority", "own-share"]))
def test_who_supplied_whom_sums_up_to_accounts_however_it_is_cut(data, rule):
    """Random communities of few members and slots: by day, in blocks of one day or all at once, and in the pool."""
    members, slots = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    energy = st.lists(st.integers(0, 50), min_size=members * slots, max_size=members * slots)
    withdrawn, injected = (np.array(data.draw(energy)).reshape(members, slots) for _ in range(2))
    day = np.sort(np.array(data.draw(st.lists(st.integers(0, 2), min_size=slots, max_size=slots))))
    day = np.unique(day, return_inverse=True)[1]
    more = {"priority": {"order": np.arange(members)[::-1]}}.get(rule, {})
    if rule in ("static", "own-share"):
        more = {"keys": np.full((members, slots), 1 / members)}
    whole = accounts.share(withdrawn, injected, rule, day, **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_AT_ONCE", 1)
        cut = accounts.share(withdrawn, injected, rule, day, **more)
    pool = accounts.share(withdrawn, injected, rule, day, pooled=True, **more)
    for other in (cut, pool):
        for name in ("shared", "sold", "grid_in", "grid_out"):
            np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))
    assert (whole.grid_in >= 0).all()
    assert (whole.grid_out >= 0).all()
    price, fee = np.arange(1, slots + 1), np.array([np.arange(slots), np.full(slots, 3)])
    tariff = np.arange(members) % 2
    books = accounts.daily(whole, price, fee, tariff, day)
    for d in range(day.max() + 1):
        here = day == d
        np.testing.assert_array_equal(books.paid[:, d], [sum(a * price[here]) for a in whole.shared[:, here]])
        fees = [sum(a * fee[t, here]) for a, t in zip(whole.shared[:, here], tariff, strict=True)]
        np.testing.assert_array_equal(books.fees[:, d], fees)
        for split, total in ((cut, True), (pool, False)):
            of, seller, buyer, amount = split.supplied
            got = [[amount[(of == d) & (who == i)].sum() for i in range(members)] for who in (buyer, seller)]
            np.testing.assert_array_equal(got[0], books.purchases[:, d])
            assert not total or got[1] == books.sales[:, d].tolist()
    assert books.paid.sum() == books.earned.sum()


def test_the_page_documents_every_key_of_a_settlement():
    text = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    schema = Settlement.model_json_schema()
    keys = {key for part in schema["$defs"].values() for key in part.get("properties", {})} | {
        *schema["properties"]
    }
    words = set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`([^`\n]+)`", text))))
    assert keys - words == set()
    editors = json.loads(CliRunner().invoke(main, ["schema", "--settlement"]).stdout)
    assert {"type": "string"} in editors["$defs"]["SettlementTables"]["properties"]["keys"]["anyOf"]
    for name, part in schema["$defs"].items():
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


def test_a_ledger_of_an_older_format_has_no_place_for_settled_days(tmp_path):
    (record,) = archive.recorded(settled(written(tmp_path, currency="JPY")))
    older = chain.Summary(count=1, version=3, units=block_schema.units("micro-JPY"))
    with pytest.raises(LedgerConflict, match="of format 3, which has no settlements"):
        chain.fitted(record, older)
    assert chain.fitted(record, chain.Summary()) == record
    block = {**record, "index": 1, "prev": block_schema.FIRST, "root": block_schema.FIRST, "leaves": 1}
    assert block_schema.mismatch(block) == ""
    assert block_schema.mismatch({**block, "version": 3}) == "kind"
    assert block_schema.mismatch({**block, "settles": None}) == "settles"
