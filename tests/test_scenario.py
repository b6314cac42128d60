"""Scenario files: what they may say, every problem at once, and the way back from the effective scenario."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.files import strict_yaml
from otonari.data.loading import scenario
from otonari.data.loading.scenario import digest, dumps, effective, load_scenario
from otonari.data.problems import InputError
from otonari.data.schema import scenario as schema
from otonari.data.schema.table_rows import TABLES

from . import counts


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the scenario six-kinds, under a clear sky (fast to build)."""
    for name, content in scenario.template_files("six-kinds").items():
        (tmp_path / name).write_bytes(content.replace(b"source: surrogate", b"source: clear-sky"))
    return tmp_path


def edit(folder, file, old, new):
    text = (folder / file).read_text()
    assert text.count(old) >= 1, (file, old)
    (folder / file).write_text(text.replace(old, new, 1))


def found(folder, *overrides):
    """Return the problems as lines, files without their folder."""
    return [str(p).replace(f"{folder}/", "") for p in problems(folder, overrides)]


Y, P, B, V, T, N = (
    "scenario.yaml",
    "participants.csv",
    "batteries.csv",
    "vehicles.csv",
    "trips.csv",
    "nodes.csv",
)

ONE_MESSAGE = [
    (
        Y,
        "slot_minutes",
        "slot_minuts",
        "scenario.yaml:12: time.slot_minuts: got an unknown key 'slot_minuts' (did you mean 's",
    ),
    (Y, "levy_per_kwh", "levy", "scenario.yaml:35: tariffs.standard.levy: got an unknown key 'levy'"),
    (Y, "days: 1", "days: many", "scenario.yaml:11: time.days: got 'many', want a whole number"),
    (Y, "days: 1", "days: 0", "scenario.yaml:11: time.days: got 0, want at least 1"),
    (
        Y,
        "slot_minutes: 60",
        "slot_minutes: 7",
        "scenario.yaml:12: time.slot_minutes: got 7, want a divisor of 1440 minutes",
    ),
    (Y, "Asia/Tokyo", "Asia/Tokio", "scenario.yaml:13: time.time_zone: got 'Asia/Tokio', want a time zone"),
    (
        Y,
        "2020-08-19",
        "2020-13-19",
        "scenario.yaml:10: time.start: got '2020-13-19', want a day like 2020-08-19",
    ),
    (
        Y,
        "type: flat",
        "type: flt",
        "scenario.yaml:33: tariffs.standard.energy.type: got 'flt' (did you mean 'flat'?), want one of flat,",
    ),
    (Y, "type: flat, ", "", "scenario.yaml:33: tariffs.standard.energy.type: got nothing, want one of flat,"),
    (Y, "by-level", "levels", "scenario.yaml:40: fees.method: got 'levels' (did you mean 'by-level'?)"),
    (
        Y,
        "access_fee_per_kwh: 2.45",
        "access_fee_per_kwh: -2.45",
        "scenario.yaml:43: fees.access_fee_per_kwh: got -2.45, want at least 0",
    ),
    (Y, "JPY", "yen", "scenario.yaml:6: currency: got 'yen', want three letters"),
    (
        Y,
        "clear-sky",
        "clearsky",
        "scenario.yaml:21: weather.source: got 'clearsky' (did you mean 'clear-sky'?)",
    ),
    (
        Y,
        "source: clear-sky",
        "source: file",
        "scenario.yaml:20: weather.path: got nothing, want a path where source is 'file'",
    ),
    (Y, "schema_version: 1", "schema_version: 2", "scenario.yaml:3: schema_version: got 2, want 1"),
    (Y, "name: six-kinds\n", "", "scenario.yaml:3: name: got nothing, want letters"),
    (Y, "name: six-kinds", "name: ../../etc", "scenario.yaml:4: name: got '../../etc', want letters"),
    (
        Y,
        "seed: 1",
        "seed: 1\nseed: 2",
        "scenario.yaml:8: seed: got the key twice (first on line 7), want it once",
    ),
    (Y, "2.32", ".nan", "scenario.yaml:50: carbon.fuel_kg_per_litre: got nan, want a finite number"),
    (Y, "seed: 1", "seed: !!python/name:os.system 1", "scenario.yaml:7: seed: got the tag"),
    (Y, "seed: 1", "seed: [1", "scenario.yaml:9: file: got"),
    (Y, "trips.csv", "trip.csv", "trip.csv: file: got no such file or directory, want a readable CSV file"),
    (
        P,
        "home-02,bank-1",
        "home-02,bank-7",
        "participants.csv:4: node: got 'bank-7', want a label of nodes (did you mean 'bank-2'?)",
    ),
    (P, ",4.0,", ",-4.0,", "participants.csv:5: pv_kw: got '-4.0', want at least 0.001"),
    (P, ",4.0,", ",nan,", "participants.csv:5: pv_kw: got 'nan', want a finite number"),
    (
        P,
        "home-02,bank-1,4,,,",
        "home-02,bank-1,4,,",
        "participants.csv:4: row: got 5 cells, want 6, as in the header",
    ),
    (
        P,
        "home-02,bank-1,4",
        "home-02,bank-1,four",
        "participants.csv:4: persons: got 'four', want a whole number",
    ),
    (
        P,
        "home-02,bank-1,4",
        "home-02,bank-1,",
        "participants.csv:4: persons: got nothing, want persons or demand_column",
    ),
    (B, "0.95,0.95", "0,0.95", "batteries.csv:3: charge_efficiency: got '0', want more than 0"),
    (
        B,
        "0.95,0.95",
        "0.95,1.2",
        "batteries.csv:3: discharge_efficiency: got '1.2', want at most 1",
    ),
    (
        B,
        "home-04,6.5",
        "home-4,6.5",
        "batteries.csv:3: owner: got 'home-4', want a label of participants (did you mean 'home-04'?)",
    ),
    (
        B,
        "home-04,6.5",
        "home-04,",
        "batteries.csv:3: capacity_kwh: got nothing, want most energy that it holds",
    ),
    (V, ",10.54,", ",0,", "vehicles.csv:6: electric_economy_km_per_kwh: got '0', want more than 0"),
    (
        V,
        "home-02,8.8,2.3",
        "home-02,8.8,9.3",
        "vehicles.csv:6: min_energy_kwh: got '9.3', want at most capacity_kwh",
    ),
    (
        T,
        "2020-08-19T17:30",
        "2020-08-19T08:00",
        "trips.csv:4: departure: got a departure before 'phev-02' arrives from the trip before (row 3)",
    ),
    (
        T,
        "2020-08-19T08:15",
        "2020-08-19T07:00",
        "trips.csv:3: arrival: got '2020-08-19T07:00', want an arrival after the departure",
    ),
    (T, "2020-08-19T08:15", "08:15", "trips.csv:3: arrival: got '08:15', want a time like 2020-08-19T07:30"),
    (
        T,
        "2020-08-19T08:15",
        "2020-08-19T08:15+09:00",
        "trips.csv:3: arrival: got '2020-08-19T08:15+09:00', want both times with a UTC offset, or neither",
    ),
    (
        T,
        "phev-05,2020",
        "phev-5,2020",
        "trips.csv:5: vehicle: got 'phev-5', want a label of vehicles (did you mean 'phev-05'?)",
    ),
    (
        T,
        ",home-03",
        ",home-33",
        "trips.csv:6: destination: got 'home-33', want a label of participants (did you mean 'home-03'?)",
    ),
    (T, ",24,", ",,", "trips.csv:5: distance_km: got nothing, want one of distance_km and energy_kwh"),
    (T, ",24,", ",-24,", "trips.csv:5: distance_km: got '-24', want at least 0"),
    (
        N,
        "bank-1,substation",
        "bank-1,bank-1",
        "nodes.csv:4: parent: got a cycle bank-1 > bank-1, want a tree",
    ),
    (
        N,
        "bank-1,substation",
        "bank-1,",
        "nodes.csv:4: parent: got a second root beside 'substation', want one node whose parent is blank",
    ),
    (
        N,
        "bank-1,substation",
        "bank-1,substaton",
        "nodes.csv:4: parent: got 'substaton', want a label of nodes (did you mean 'substation'?)",
    ),
    (
        N,
        "bank-2,substation,bank",
        "bank-2,substation,bnk",
        "nodes.csv:5: level: got 'bnk', want a key of fees.levels (did you mean 'bank'?)",
    ),
    (
        N,
        "bank-2,substation,bank",
        "bank-2,substation,",
        "nodes.csv:5: level: got nothing, want level of the edge",
    ),
]

FIRST_OF_SEVERAL = [  # others lean on what is wrong
    (
        Y,
        "trips: trips.csv",
        "trip: trips.csv",
        "scenario.yaml:27: tables.trip: got an unknown key 'trip' (did you mean 'trips'?)",
    ),
    (
        Y,
        "trips: trips.csv",
        "trips: {path: trips.csv, separater: ;}",
        "scenario.yaml:27: tables.trips.separater: got an unknown key",
    ),
    (
        Y,
        "trips: trips.csv",
        "trips: 3",
        "scenario.yaml:27: tables.trips: got 3, want a list of rows, or a CSV file",
    ),
    (
        Y,
        "  participants: participants.csv\n",
        "",
        "scenario.yaml:23: tables.participants: got nothing, want homes and businesses",
    ),
    (
        P,
        ",persons,",
        ",person,",
        "participants.csv:2: person: got an unknown column 'person' (did you mean 'persons'?)",
    ),
    (P, "node,persons", "persons,persons", "participants.csv:2: persons: got 2 columns 'persons', want one"),
    (
        P,
        "home-02,bank-1",
        "home-01,bank-1",
        "participants.csv:4: participant: got 'home-01' again (first in row 3)",
    ),
    (P, "home-02,bank-1,4", ",bank-1,4", "participants.csv:4: participant: got nothing, want unique label"),
    (
        P,
        ",persons,",
        ",demand_column,",
        "participants.csv:3: demand_column: got '2', want a file in series.demand",
    ),
    (P, ",pv_kw,", ",pv_column,", "participants.csv:5: pv_column: got '4.0', want a file in series.pv"),
    (
        B,
        ",capacity_kwh",
        ",min_energy_kwh",
        "batteries.csv:2: capacity_kwh: got no such column, want most energy that it holds",
    ),
    (
        V,
        "phev-05,home-05",
        "phev-02,home-05",
        "vehicles.csv:7: vehicle: got 'phev-02' again (first in row 6)",
    ),
    (
        N,
        "substation,,",
        "substation,bank-2,bank",
        "nodes.csv:3: parent: got a cycle substation > bank-2 > substation, want a tree",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), ONE_MESSAGE)
def test_one_fault_gives_one_clear_message(folder, file, old, new, message):
    edit(folder, file, old, new)
    (line,) = found(folder)
    assert line.startswith(message)


REFUSED = [  # every kind of error that the schema raises, in the user's words
    ("tariffs={}", "tariffs: got an empty mapping, want at least one (label -> retail contract)"),
    ("tariffs=[1]", "tariffs: got a list, want a mapping"),
    ("site=3", "site: got 3, want a mapping"),
    ("tariffs.standard.energy=3", "tariffs.standard.energy: got 3, want a mapping"),
    ("time.days=7.5", "time.days: got 7.5, want a whole number"),
    ("time.days=1e400", "time.days: got inf, want a finite number"),
    ("time.days=4000", "time.days: got 4000, want at most 3660"),
    ("seed=-1", "seed: got -1, want at least 0"),
    ("seed=4294967296", "seed: got 4294967296, want less than 4294967296"),
    ("site.latitude_deg=[1]", "site.latitude_deg: got a list, want a number"),
    ("time.start=20200819", "time.start: got 20200819, want a day like 2020-08-19"),
    ("time.start=1600-01-01", "time.start: got '1600-01-01', want a day between the years 1700 and 2250"),
    ("name=[a]", "name: got a list, want text"),
    ("market_id=a b", "market_id: got 'a b', want letters, digits, . _ -, the first a letter or digit"),
    ('description="a\\x01"', "description: got 'a\\x01', want text without control characters"),
    ("weather.sha256=abc", "weather.sha256: got 'abc', want 64 hexadecimal digits"),
    ("schema_version=x", "schema_version: got 'x', want 1"),
    (
        "fees={}",
        "fees.method: got nothing, want one of by-common-level, by-distance, by-extent, by-length, by-level",
    ),
    (
        "series.demand={path: d.csv, reference_year: maybe}",
        "series.demand.reference_year: got 'maybe', want true or f",
    ),
    (
        "series.demand={path: d.csv, untt: kW}",
        "series.demand.untt: got an unknown key 'untt' (did you mean 'unit'?)",
    ),
    (
        "series.demand={path: d.csv, separator: ab}",
        "series.demand.separator: got 'ab', want one character such as",
    ),
    (
        "series.demand={path: d.csv, time_column: ''}",
        "series.demand.time_column: got '', want text that is not empty",
    ),
    ("tables.participants=[]", "tables.participants: got no rows, want at least one (homes and businesses)"),
    ("tables.participants=[3]", "tables.participants.0: got 3, want a mapping"),
    ("tables.participants={path: x.csv, ignore: x}", "tables.participants.ignore: got 'x', want a list"),
    (
        "tables.batteries.*.final_energy_kwh=often",
        "tables.batteries.0.final_energy_kwh: got 'often', want a number or f",
    ),
    ("tables.trips.0.departure=8", "tables.trips.0.departure: got 8, want a time like 2020-08-19T07:30"),
    (
        "tariffs.standard.energy={type: tiered-average, monthly_kwh: 1, tiers: [{up_to_kwh: 1, price_per_kwh: 1}]}",
        "tariffs.standard.energy.tiers: got a list, want rising up_to_kwh, and none in the last tier",
    ),
    (
        "tariffs.standard.feed_in={type: time-of-use, price_per_kwh: 1, windows: [{end: '8:00', price_per_kwh: 1}]}",
        "tariffs.standard.feed_in.windows.0.end: got '8:00', want a local time \"HH:MM\"",
    ),
]


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_the_schema_speaks_the_words_of_the_user(folder, override, message):
    lines = found(folder, override)
    assert [line for line in lines if f": {message}" in line], lines


JUNK = st.sampled_from(
    [None, True, -1, 0, 7.5, float("inf"), "", "x", "\x01", "x" * 99, [], [1], {}, {"x": 1}, [{}]]
)


def places(values, at=()):
    """Yield every place of nested values."""
    yield at
    items = (
        values.items() if isinstance(values, dict) else enumerate(values if isinstance(values, list) else ())
    )
    for key, value in items:
        yield from places(value, (*at, key))


STORED = effective(load_scenario("six-kinds"))


@settings(deadline=None, max_examples=counts.examples(200))
@given(st.data(), st.sampled_from(list(places(STORED))[1:]), JUNK)
def test_no_message_speaks_the_words_of_the_library(data, place, junk):
    values = json.loads(json.dumps(STORED))
    target = values
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = junk
    for problem in scenario.read(values).problems:
        for word in ("valid", "should", "nput", "instance", "dictionary", "nteger", "parse", "Decimal", "{"):
            assert word not in problem.want.replace("invalid", "").replace("{participant}", "")


@pytest.mark.parametrize(("file", "old", "new", "message"), FIRST_OF_SEVERAL)
def test_a_fault_with_consequences_is_among_the_messages(folder, file, old, new, message):
    edit(folder, file, old, new)
    lines = found(folder)
    assert [line for line in lines if line.startswith(message)], lines


def test_legal_oddities(folder):
    edit(folder, B, "home-04,6.5,3.0", "home-04,6.5,7.0")  # starts above the capacity
    edit(folder, P, "home-02,bank-1", "\u5bb6 2,bank-1")
    edit(folder, V, "home-02", "\u5bb6 2")
    assert found(folder) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (Y, b"", "scenario.yaml: file: got an empty file, want a scenario"),
        (Y, b"[1]", "scenario.yaml:1: file: got a list, want keys such as name and time"),
        (Y, b"hello", "scenario.yaml:1: file: got a single value, want keys such as name and time"),
        (Y, "name: 家\n".encode("cp932"), "scenario.yaml:1: encoding: got the byte 0x89, want text in UTF-8"),
        (Y, b"a: &a [*a]", "scenario.yaml:1: file: got aliases that unfold to more than"),
        (Y, b"[" * 500, "scenario.yaml:1: file: got more than 40 levels of nesting"),
        (T, b"", "trips.csv: file: got an empty file, want a header and rows"),
        (T, b"# nothing\n\n", "trips.csv: file: got no header, want a header and rows"),
        (
            P,
            "participant,node\n家,bank-1\n".encode("cp932"),
            "participants.csv:2: encoding: got bytes that are not utf-8, want text in utf-8 (or encoding: cp932",
        ),
        (
            P,
            "participant\nhome-01\n".encode("utf-16"),
            "participants.csv:1: encoding: got bytes that are not utf-8, want text in utf-8 (or encoding: utf-16",
        ),
    ],
)
def test_unreadable_files_give_one_message(folder, file, content, message):
    (folder / file).write_bytes(content)
    lines = found(folder)
    assert len(lines) == 1
    assert lines[0].startswith(message)


def test_a_bomb_of_aliases_is_refused():
    levels = [f"{c}: &{c} [{', '.join(['*' + p] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(InputError, match="unfold to more than"):
        strict_yaml.parse("\n".join(["a: &a [x, x, x]", *levels]), "bomb.yaml")


def test_all_problems_come_at_once(folder):
    edit(folder, Y, "days: 1", "days: -1")
    edit(folder, P, ",4.0,", ",-4.0,")
    edit(folder, B, "home-04", "home-44")
    edit(folder, N, "bank-1,substation", "bank-1,bank-1")
    starts = [line.split(": got")[0] for line in found(folder, "currency=yen")]
    assert starts == [
        "--set currency=yen: currency",
        "batteries.csv:3: owner",
        "nodes.csv:4: parent",
        "participants.csv:5: pv_kw",
        "scenario.yaml:11: time.days",
    ]


def test_schema_and_series_problems_come_together(folder):
    lines = found(folder, "series.demand.path=nowhere.csv", "currency=yen")
    assert lines == [
        "--set currency=yen: currency: got 'yen', want three letters of ISO 4217",
        "nowhere.csv: file: got no such file or directory, want a readable file",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("time.days", "--set time.days: override: got 'time.days', want key.path=value"),
        ("tme.days=3", "--set tme.days=3: tme: got an unknown key 'tme' (did you mean 'time'?)"),
        ("time.days=x", "--set time.days=x: time.days: got 'x', want a whole number"),
        ("seed=[1", "--set seed=[1: seed: got '[1', want a value in YAML"),
        (
            "tables.vehicles.phev-99.owner=x",
            "--set tables.vehicles.phev-99.owner=x: tables.vehicles.phev-99.owner: got a path that leads",
        ),
        (
            "tables.batteries.*.capacity_kwh=-1",
            "--set tables.batteries.*.capacity_kwh=-1: tables.batteries.0.capacity_kwh: got -1",
        ),
    ],
)
def test_overrides_that_cannot_be(folder, override, message):
    assert found(folder, override)[0].startswith(message)


def test_overrides_reach_keys_rows_and_all_rows(folder):
    loaded = load_scenario(
        folder,
        [
            "time.days=2",
            "tables.participants.home-03.pv_kw=7",
            "tables.batteries.*.capacity_kwh=20",
            "tables.vehicles.1.owner=home-01",
            "tables.vehicles.0.fuel_economy_km_per_litre=",
            "description=",
            "tariffs.standard.energy={type: flat, price_per_kwh: 30}",
            "fees.levels.street=0.5",
        ],
    )
    assert loaded.time.days == 2
    assert [p.pv_kw for p in loaded.tables.participants] == [None, None, 7.0, 5.0, 4.5, 6.0]
    assert [b.capacity_kwh for b in loaded.tables.batteries] == [20.0, 20.0]
    assert [v.owner for v in loaded.tables.vehicles] == ["home-02", "home-01", "home-06"]
    assert loaded.tables.vehicles[0].fuel_economy_km_per_litre is None
    assert loaded.description == ""
    assert loaded.tariffs["standard"].energy.price_per_kwh == 30
    assert loaded.fees.levels == {"bank": 0.83, "street": 0.5}


def test_tables_with_other_columns_marks_and_encoding(folder):
    text = "speicher;haus;kwh;kw;kw_out;note\n#c\nx;home-01;3,5;1,0;1,5;家\n"
    (folder / "other.csv").write_bytes(text.encode("cp932"))
    rename = (
        "{speicher: battery, haus: owner, kwh: capacity_kwh, kw: charge_limit_kw, kw_out: discharge_limit_kw}"
    )
    form = (
        f"{{path: other.csv, separator: ;, decimal: ',', encoding: cp932, rename: {rename}, ignore: [note]}}"
    )
    (battery,) = load_scenario(folder, [f"tables.batteries={form}"]).tables.batteries
    assert (battery.battery, battery.owner, battery.capacity_kwh) == ("x", "home-01", 3.5)
    assert (battery.charge_limit_kw, battery.discharge_limit_kw) == (1.0, 1.5)


def test_trips_can_keep_the_clock_of_another_zone(folder):
    rows = "vehicle,departure,arrival,energy_kwh\nphev-02,2020-08-19T07:45:00+02:00,2020-08-19T08:45:00+02:00,3\n"
    (folder / "trips.csv").write_text(rows)
    there = load_scenario(folder).tables.trips[0]
    assert there.departure.isoformat() == "2020-08-19T07:45:00+02:00"
    here = load_scenario(folder, ["tables.trips={path: trips.csv, keep_clock: true}"]).tables.trips[0]
    assert here.departure.isoformat() == "2020-08-19T07:45:00"


@pytest.mark.parametrize("name", scenario.bundled())
def test_the_effective_scenario_is_the_scenario(name):
    first = load_scenario(name)
    again = load_scenario(effective(first))
    assert effective(again) == effective(first)
    assert digest(again) == digest(first)
    assert load_scenario(yaml.safe_load(dumps(first))) == again


def test_the_effective_scenario_runs_from_a_file(folder):
    text = dumps(load_scenario("six-kinds"))
    (folder / "stored.yaml").write_text(text)
    assert digest(load_scenario(folder / "stored.yaml")) == digest(load_scenario("six-kinds"))


def test_the_effective_scenario_holds_every_default(folder):
    (folder / "demand.csv").write_text("time,a\n2020-08-19T00:00,1\n2020-08-19T01:00,1\n")
    changes = ["series.demand.path=demand.csv", "tables.batteries.*.initial_energy_kwh=", "carbon="]
    parts = effective(load_scenario(folder, [*changes, "tables.nodes=", "tables.participants.*.node="]))
    assert [b["initial_energy_kwh"] for b in parts["tables"]["batteries"]] == [
        3.25,
        4.9,
    ]  # half of 6.5 and 9.8
    assert [n["node"] for n in parts["tables"]["nodes"]] == ["community"]
    assert parts["carbon"]["grid_kg_per_kwh"] == 0.5
    assert parts["carbon"]["fuel_kg_per_litre"] == 2.32
    assert parts["fuel"]["price_per_litre"] == 135.5
    assert len(parts["series"]["demand"]["sha256"]) == 64


OVERRIDES = [
    "fuel.price_per_litre=200",
    "carbon.fuel_kg_per_litre=3",
    "carbon.grid_kg_per_kwh=0.1",
    "fees.access_fee_per_kwh=5",
    "time.time_zone=Asia/Seoul",
    "tables.batteries.*.initial_energy_kwh=1.5",
    "tables.participants.home-03.pv_kw=7",
    "tariffs.standard.energy.price_per_kwh=40",
    "weather.source=surrogate",
]


@pytest.mark.parametrize("override", OVERRIDES)
def test_an_override_reaches_the_same_values_from_the_stored_scenario(folder, override):
    stored = effective(load_scenario(folder))
    changed = build_inputs(load_scenario(stored, [override]))
    assert changed.identical(build_inputs(load_scenario(folder, [override])))
    assert not changed.identical(build_inputs(load_scenario(stored)))


def test_the_digest_knows_content_and_no_place(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    for place in (folder, other):
        (place / "pv.csv").write_text("time,a\n2020-08-19T00:00,1\n")
    series = ["series.pv.path=pv.csv"]
    assert digest(load_scenario(folder, series)) == digest(load_scenario(other, series))
    (other / "pv.csv").write_text("time,a\n2020-08-19T00:00,2\n")
    assert digest(load_scenario(folder, series)) != digest(load_scenario(other, series))
    assert digest(load_scenario(folder)) != digest(load_scenario(folder, ["seed=2"]))


def test_the_digest_is_blind_to_comments_and_spelling(folder):
    before = digest(load_scenario(folder))
    edit(folder, P, "4.0,20,180", "4,20.0,180")
    edit(folder, Y, "price_per_kwh: 26.48", "price_per_kwh: 2648e-2")
    edit(folder, Y, "# Six homes", "# Half a dozen homes")
    assert digest(load_scenario(folder)) == before


def test_a_stored_scenario_refuses_another_file(folder):
    (folder / "demand.csv").write_text("time,a\n2020-08-19T00:00,1\n")
    stored = effective(load_scenario(folder, ["series.demand.path=demand.csv"]))
    (folder / "demand.csv").write_text("time,a\n2020-08-19T00:00,2\n")
    assert [p.field for p in problems(stored)] == ["sha256"]


def test_unknown_names_suggest_a_bundled_scenario(tmp_path):
    with pytest.raises(InputError, match="did you mean 'six-kinds'"):
        load_scenario("six-kind")
    with pytest.raises(InputError, match="no such file"):
        load_scenario(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="did you mean 'higashi-fuji'"):
        scenario.template_files("higashi-fujj")


def test_json_schema_accepts_the_bundled_files():
    described = schema.json_schema()
    assert json.loads(json.dumps(described)) == described
    assert {"type": "string"} in described["$defs"]["Tables"]["properties"]["trips"]["anyOf"]
    assert described["additionalProperties"] is False


def test_a_schema_needs_no_heavy_library():
    code = "import sys, otonari.data.loading.scenario; print(*sorted({'pandas', 'xarray', 'pvlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "\n"


def test_every_key_is_documented_and_frozen():
    described = schema.json_schema()
    for name, part in [("Scenario", described), *described["$defs"].items()]:
        for key, value in part.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"
    with pytest.raises(ValueError, match="frozen"):
        load_scenario("six-kinds").seed = 3


def test_readme_documents_every_key():
    text = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    keys = {key for part in schema.json_schema()["$defs"].values() for key in part.get("properties", {})}
    keys |= set(schema.Scenario.model_fields) | {
        c for model, _ in TABLES.values() for c in model.model_fields
    }
    assert {key for key in keys if f"`{key}`" not in text} == set()


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    )
)
def test_what_yaml_writes_is_read_back(value):
    text = yaml.safe_dump({"value": value}, allow_unicode=True)
    assert strict_yaml.parse(text, "x.yaml")[0] == {"value": value}


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 3000), st.sampled_from([Y, P, B, V, T, N]))
def test_mangled_files_never_raise_anything_else(tmp_path_factory, bytes_in, at, file):
    folder = tmp_path_factory.mktemp("mangled")
    for name, content in scenario.template_files("six-kinds").items():
        if name == file:
            content = content[: at % len(content)] + bytes_in + content[at % len(content) + len(bytes_in) :]
        (folder / name).write_bytes(content)
    reading = scenario.read(folder)
    assert (reading.scenario is not None) or reading.problems


@pytest.mark.parametrize(
    ("override", "want"),
    [
        ("tables.participants.*.pv_kw=1e16", "got 1e+16, want at most 1e+09"),
        ("tables.participants.*.pv_kw=1e308", "got 1e+308, want at most 1e+09"),
        ("tables.participants.*.pv_kw=1e8", "want a magnitude of at most 1e6"),
        ("tariffs.standard.levy_per_kwh=-1e308", "want at least -1e+09"),
        ("seed=1e30", "seed: got 1e+30, want a whole number less than 4294967296"),
        ("time.start=1600-01-01", "want a day between the years 1700 and 2250"),
        ("time.start=2262-04-11", "want a day between the years 1700 and 2250"),
        ("time.start=0001-01-01", "want a day between the years 1700 and 2250"),
        ('tables.nodes="a\\0b"', "got a path with a NUL character"),
        ("tables.nodes=/dev/zero", "/dev/zero: file: got a device or a pipe, want a regular file"),
    ],
)
def test_absurd_values_are_problems(folder, override, want):
    assert want in found(folder, override)[0]


def test_a_day_that_never_was(folder):
    assert found(folder, "time.start=2011-12-30", "time.time_zone=Pacific/Apia") == [
        "--set time.start=2011-12-30: time.start: got '2011-12-30', "
        "want a day that the calendar of Pacific/Apia has"
    ]


def test_only_regular_files_are_read(folder, tmp_path):
    """A pipe that nobody writes to would be waited for without end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    want = "file: got a device or a pipe, want a regular file"
    for path in (pipe, Path("/dev/zero")):
        assert [str(p) for p in problems(path)] == [f"{path}: {want}"]
        weather = [f"weather={{source: file, path: {path}, format: {f}}}" for f in ("csv", "tmy3", "epw")]
        for override in (f"series.demand.path={path}", *weather):
            assert any(want in line for line in found(folder, override))


@pytest.mark.parametrize(("latitude", "azimuth"), [(35.0, 180.0), (0.0, 180.0), (-35.0, 0.0)])
def test_roofs_face_the_equator(folder, latitude, azimuth):
    edit(folder, P, ",pv_azimuth_deg", ",pv_column_kw")
    site = f"site.latitude_deg={latitude}"
    loaded = load_scenario(folder, [site])
    told = load_scenario(folder, [site, f"tables.participants.*.pv_azimuth_deg={azimuth}"])
    rows = effective(loaded)["tables"]["participants"]
    assert {row["pv_azimuth_deg"] for row in rows} == {azimuth}
    assert build_inputs(loaded).equals(build_inputs(told))


# digests of the bundled scenarios before there were sections `exchange` and `pv`
FIRST = {
    "higashi-fuji": "1ce9f7c7aa802ceb9f0abf57d734006d65e6e498cf8cefd43e588c44ced0058a",
    "six-kinds": "822612b82f53b61b6ed5599f845345915f423eff305a72ce6f7ae2413d212470",
}


@pytest.mark.parametrize("name", FIRST)
def test_a_section_that_says_nothing_leaves_the_digest_alone(name):
    assert digest(load_scenario(name, ["pv="])) == FIRST[name]
    assert digest(load_scenario(name, ["pv=", "exchange={opening_hours: 24}"])) == FIRST[name]
    assert (
        digest(load_scenario(name, ["pv=", "tables.participants.home-01.green_premium_per_kwh="]))
        == FIRST[name]
    )
    for change in ("exchange.gate_minutes=11", "tables.participants.home-01.green_premium_per_kwh=0"):
        assert digest(load_scenario(name, ["pv=", change])) != FIRST[name]


def test_the_exchange_reaches_the_inputs():
    changes = ["exchange.imbalance_fee_per_kwh=3", "exchange.green_premium_per_kwh=2"]
    inputs = build_inputs(
        load_scenario("six-kinds", [*changes, "tables.participants.home-01.green_premium_per_kwh=0"])
    )
    assert set(inputs["imbalance_fee"].values) == {3.0}
    assert inputs["green_premium"].values.tolist() == [0.0, *[2.0] * (inputs.sizes["participant"] - 1)]


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ("exchange.mechanism=random", "got 'random', want one of continuous, uniform, pay-as-bid"),
        ("exchange={floor_per_kwh: 9, cap_per_kwh: 8}", "floor_per_kwh: got 9, want at most cap_per_kwh"),
        ("exchange.gate=5", "got an unknown key"),
        ("exchange.learning_weight=0", "want more than 0"),
        ("exchange.imbalance_fee_per_kwh=-1", "want at least 0"),
        (
            "exchange={opening_hours: 0.5, gate_minutes: 90}",
            "exchange.opening_hours: got 0.5, want more than 0.5 hours: gate_minutes before the slot's end",
        ),
    ],
)
def test_an_exchange_that_could_not_work_is_refused(folder, change, want):
    (problem,) = found(folder, change)
    assert want in problem
