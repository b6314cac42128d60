"""Overrides, messages and cross-checks of a scenario file, each alone."""

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from otonari.data.loading import messages
from otonari.data.loading.cross_checks import inconsistencies, parts_of
from otonari.data.loading.overrides import LocatedValues, anchor, files, override, read_tables, rows
from otonari.data.problems import Problem
from otonari.data.schema import defaults, horizon
from otonari.data.schema.price_forms import Flat, Tier, Window
from otonari.data.schema.scenario import Scenario, Time
from otonari.data.schema.table_rows import Battery, Node, Participant, Trip, Vehicle
from otonari.data.schema.tariffs_and_fees import LevelFees

HOME = {"participant": "h", "persons": 2}
MINIMAL = {
    "schema_version": 1,
    "name": "minimal",
    "time": {"start": "2020-08-19"},
    "tables": {"participants": [HOME]},
    "tariffs": {"flat": {"energy": {"type": "flat", "price_per_kwh": 30}}},
}


def located(values, base=Path()):
    return LocatedValues("s.yaml", base, values, {("tables",): 7})


# overrides


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("fuel.price_per_litre=150", {"fuel": {"price_per_litre": 150}}),
        ("tables.nodes.b.limit_kw=5", {"tables": {"nodes": [{"node": "a"}, {"node": "b", "limit_kw": 5}]}}),
        ("tables.nodes.0.limit_kw=5", {"tables": {"nodes": [{"node": "a", "limit_kw": 5}, {"node": "b"}]}}),
        (
            "tables.nodes.*.limit_kw=5",
            {"tables": {"nodes": [{"node": "a", "limit_kw": 5}, {"node": "b", "limit_kw": 5}]}},
        ),
        ("tables.nodes=", {"tables": {}}),
    ],
)
def test_an_override_sets_a_key_a_row_or_all_rows(text, want):
    values = located({"tables": {"nodes": [{"node": "a"}, {"node": "b"}]}})
    override(values, text)
    assert values.problems == []
    assert values.values == {"tables": {"nodes": [{"node": "a"}, {"node": "b"}]}} | want


@pytest.mark.parametrize(
    ("text", "field", "got"),
    [
        ("seed", "override", "'seed'"),
        ("seed=[", "seed", "'['"),
        ("tables.nodes.z.limit_kw=5", "tables.nodes.z.limit_kw", "a path that leads nowhere"),
    ],
)
def test_an_override_that_cannot_be_set_is_a_problem(text, field, got):
    values = located({"tables": {"nodes": [{"node": "a"}]}})
    override(values, text)
    assert [(p.where, p.field, p.got) for p in values.problems] == [(f"--set {text}", field, got)]


def test_a_value_has_the_place_where_it_is_written():
    values = located({"tables": {"nodes": [{"node": "a"}]}})
    override(values, "seed=3")
    assert values.place(("seed",)) == ("--set seed=3", "", "seed")
    assert values.place(("tables", "nodes", 0)) == ("s.yaml", "7", "tables.nodes.0")
    assert values.place(("name",)) == ("s.yaml", "", "name")
    values.override_places = {"seed=3": ("sweep.yaml", "12")}
    assert values.place(("seed",)) == ("sweep.yaml", "12", "seed")


def test_tables_are_read_as_rows_with_their_lines(tmp_path):
    text = "vehicle,departure\n# later\ncar,2020-08-19T07:00+09:00\n"
    (tmp_path / "trips.csv").write_text(text)
    values = located({"tables": {"trips": {"path": "trips.csv", "keep_clock": True}}}, tmp_path)
    streamed = list(rows(located({"tables": {"trips": "trips.csv"}}, tmp_path), "nodes"))
    assert streamed == []
    read_tables(values)
    assert values.values["tables"]["trips"] == [{"vehicle": "car", "departure": "2020-08-19T07:00"}]
    assert values.place(("tables", "trips", 0, "vehicle"))[1:] == ("3", "vehicle")
    assert {p.field for p in values.problems} == {"arrival"}  # a column that it must have


def test_files_of_data_are_found_and_made_absolute(tmp_path):
    values = {
        "series": {"demand": {"path": "d.csv"}},
        "tariffs": {"t": {"energy": {"path": "p.csv"}, "levy_per_kwh": 1}},
        "weather": {"source": "surrogate", "path": None},
    }
    anchor(located(values, tmp_path))
    assert [file["path"] for file in files(values)] == [str(tmp_path / "d.csv"), str(tmp_path / "p.csv")]


# messages


def problems(model, values):
    """Return got and want of every value that a model refuses, by field."""
    with pytest.raises(ValidationError) as error:
        model.model_validate(values)
    listed = messages.schema_problems(
        error.value, model, lambda at: ("f", "", ".".join(map(str, at))), (), values
    )
    return {p.field: (p.got, p.want) for p in listed}


@pytest.mark.parametrize(
    ("model", "values", "field", "got", "want"),
    [
        (Flat, {}, "price_per_kwh", "nothing", "price per kWh"),
        (Flat, {"price_per_kwh": "x"}, "price_per_kwh", "'x'", "a number"),
        (Flat, {"price_per_kwh": [1]}, "price_per_kwh", "a list", "a number"),
        (Tier, {"up_to_kwh": 0, "price_per_kwh": 1}, "up_to_kwh", "0", "more than 0"),
        (LevelFees, {"levels": {"bank": -1}}, "levels.bank", "-1", "at least 0"),
        (Time, {"start": "2020-08-19", "slot_minutes": 7}, "slot_minutes", "7", "a divisor of 1440 minutes"),
        (Time, {"start": 20200819}, "start", "20200819", "a day like 2020-08-19"),
        (
            Window,
            {"start": "7:00", "end": "08:00", "price_per_kwh": 1},
            "start",
            "'7:00'",
            'a local time "HH:MM"',
        ),
        (
            Scenario,
            MINIMAL | {"tables": {"participants": []}},
            "tables.participants",
            "no rows",
            "at least one (homes and businesses)",
        ),
    ],
)
def test_a_refused_value_is_described(model, values, field, got, want):
    assert problems(model, values) == {field: (got, want)}


def test_an_unknown_key_and_an_unknown_kind_come_with_a_suggestion():
    got, want = problems(Node, {"node": "a", "lenght_m": 1})["lenght_m"]
    assert "length_m" in got
    assert want.startswith("one of node, parent")
    tariffs = {"t": {"energy": {"type": "flatt", "price_per_kwh": 1}}}
    got, want = problems(Scenario, MINIMAL | {"tariffs": tariffs})["tariffs.t.energy.type"]
    assert "flat" in got
    assert want == "one of flat, series, tiered, tiered-average, time-of-use"


# cross-checks


def checked(**tables):
    """Return field and got of every inconsistency of a scenario with these tables."""
    values = MINIMAL | {"tables": MINIMAL["tables"] | tables}
    scenario = Scenario.model_validate(values)
    sections = {name: getattr(scenario, name) for name in Scenario.model_fields}
    parts = parts_of(
        values, sections, {t: dict(enumerate(getattr(scenario.tables, t))) for t in values["tables"]}
    )
    found: list[Problem] = inconsistencies(parts, lambda at: ("f", "", ".".join(map(str, at))))
    return [(p.field, p.got) for p in found]


@pytest.mark.parametrize(
    ("tables", "want"),
    [
        ({}, []),
        ({"participants": [HOME, HOME]}, [("tables.participants.1.participant", "'h' again")]),
        ({"participants": [HOME | {"tariff": "x"}]}, [("tables.participants.0.tariff", "'x'")]),
        ({"participants": [{"participant": "h"}]}, [("tables.participants.0.persons", "nothing")]),
        ({"participants": [HOME | {"pv_column": "roof"}]}, [("tables.participants.0.pv_column", "'roof'")]),
        (
            {"nodes": [{"node": "a"}, {"node": "b", "parent": "a"}]},
            [("tables.nodes.1.level", "nothing")],
        ),
        (
            {"nodes": [{"node": "a"}, {"node": "b", "parent": "a", "level": "bank"}]},
            [("tables.nodes.1.level", "'bank'")],
        ),
    ],
)
def test_inconsistencies_between_parts(tables, want):
    assert checked(**tables) == want


# defaults and the horizon


def test_settled_defaults_are_numbers_or_computed_from_their_row():
    battery = Battery(
        battery="b", owner="h", capacity_kwh=10, min_energy_kwh=2, charge_limit_kw=1, discharge_limit_kw=1
    )
    tables = MINIMAL["tables"] | {"batteries": [battery.model_dump()]}
    settled = defaults.settled(Scenario.model_validate(MINIMAL | {"tables": tables}))
    assert settled.tables.batteries[0].initial_energy_kwh == 6.0
    assert settled.tables.batteries[0].final_energy_kwh is None  # as at the start, which may be overridden
    assert settled.tables.nodes == (Node(node=defaults.ROOT),)
    assert settled.tables.participants[0].pv_azimuth_deg == 180.0
    assert settled.carbon.grid_kg_per_kwh == defaults.GRID_KG_PER_KWH
    filled = defaults.inherited(settled)
    assert filled.tables.batteries[0].final_energy_kwh == 6.0
    assert defaults.fill(filled) == filled


def test_inherited_defaults_are_other_values_of_the_scenario():
    car = Vehicle(
        vehicle="v",
        owner="h",
        capacity_kwh=8,
        charge_limit_kw=3,
        discharge_limit_kw=0,
        electric_economy_km_per_kwh=10,
        fuel_economy_km_per_litre=30,
    )
    values = MINIMAL | {
        "tables": MINIMAL["tables"] | {"vehicles": [car.model_dump()]},
        "fuel": {"price_per_litre": 150},
        "fees": {"method": "by-level", "access_fee_per_kwh": 2},
        "exchange": {"green_premium_per_kwh": 1},
    }
    filled = defaults.fill(Scenario.model_validate(values))
    home: Participant = filled.tables.participants[0]
    assert (home.node, home.tariff, home.green_premium_per_kwh) == (defaults.ROOT, "flat", 1)
    assert home.demand_column is None  # generated from its persons
    assert filled.tables.vehicles[0].fuel_price_per_litre == 150
    assert filled.tables.vehicles[0].fuel_kg_per_litre == 2.32
    assert filled.tables.nodes[0].access_fee_per_kwh == 2


def test_a_horizon_is_whole_local_days_in_utc():
    begin, end = horizon.horizon(Time(start=date(2020, 8, 19), days=2))
    assert (begin, end) == (np.datetime64("2020-08-18T15:00"), np.datetime64("2020-08-20T15:00"))


def test_trips_that_matter_touch_the_horizon_or_are_the_last_before_it():
    days = (16, 17, 18, 19, 21)
    trips = [
        Trip(
            vehicle="v",
            departure=datetime(2020, 8, day, 7),
            arrival=datetime(2020, 8, day, 8),
            distance_km=1,
        )
        for day in days
    ]
    kept = horizon.relevant(trips, Time(start=date(2020, 8, 19)))
    assert [trip.departure.day for trip in kept] == [18, 19]
