"""Rows to arrays: where vehicles stand, worked out by hand."""

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.assembly.devices_and_trips import hosts, trip_variables, trips
from otonari.data.clock import slots
from otonari.data.schema.horizon import instant, relevant
from otonari.data.schema.scenario import Time
from otonari.data.schema.table_rows import Trip, Vehicle

DAY = Time(start=date(2020, 8, 19), slot_minutes=60)
TIME = slots(DAY.start, 1, 60, "Asia/Tokyo").to_numpy()


def car(label="car", **options):
    required = {"capacity_kwh": 8.8, "charge_limit_kw": 3.2, "electric_economy_km_per_kwh": 10.0}
    return Vehicle(vehicle=label, owner="home", **required, **options)


def trip(departure, arrival, destination=None, vehicle="car", **options):
    day = "2020-08-19T" if len(departure) == 5 else ""
    options = options or {"distance_km": 10}
    times = {"departure": day + departure, "arrival": day + arrival}
    return Trip(vehicle=vehicle, **times, destination=destination, **options)


def stands(vehicles, rows):
    legs = trips(vehicles, rows, DAY, seed=1)
    return hosts(vehicles, legs, TIME, np.ones(24))


def test_a_vehicle_without_trips_stands_at_home():
    assert stands([car()], []).tolist() == [["home"] * 24]


def test_only_whole_slots_are_plugged():
    rows = [trip("08:15", "08:45", "office"), trip("17:00", "18:00")]
    expected = ["home"] * 8 + [""] + ["office"] * 8 + [""] + ["home"] * 6
    assert stands([car()], rows).tolist() == [expected]


def test_a_round_trip_without_a_plug():
    rows = [trip("08:00", "09:00", "-"), trip("10:30", "11:00")]
    assert stands([car()], rows)[0].tolist() == ["home"] * 8 + [""] * 3 + ["home"] * 13


def test_a_stop_shorter_than_a_slot_is_no_plug():
    rows = [trip("08:00", "09:10", "shop"), trip("09:50", "10:00")]
    assert stands([car()], rows)[0].tolist() == ["home"] * 8 + [""] * 2 + ["home"] * 14


def test_a_trip_under_way_at_midnight_and_where_the_last_one_ended():
    late = trip("2020-08-18T23:30", "2020-08-19T00:30", "office")
    assert stands([car()], [late])[0].tolist() == [""] + ["office"] * 23
    before = trip("2020-08-17T09:00", "2020-08-17T10:00", "office")
    assert stands([car()], [before])[0].tolist() == ["office"] * 24


def test_trips_that_touch_the_horizon_are_relevant_and_the_last_before_it():
    old = trip("2020-08-10T09:00", "2020-08-10T10:00")
    last = trip("2020-08-18T09:00", "2020-08-18T10:00", "office")
    now = trip("09:00", "10:00")
    over = trip("2020-08-19T23:00", "2020-08-20T01:00")
    later = trip("2020-08-20T09:00", "2020-08-20T10:00")
    assert relevant([later, now, old, over, last], DAY) == [now, over, last]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=8), st.integers(-48, 24))
def test_leaving_irrelevant_trips_out_changes_nothing(gaps, first):
    clock, rows = np.datetime64("2020-08-19T00:00") + first * np.timedelta64(30, "m"), []
    for n, (gap, length) in enumerate(gaps):
        departure = clock + gap * np.timedelta64(30, "m")
        clock = departure + length * np.timedelta64(30, "m")
        place = [None, "office", "-"][n % 3]
        rows.append(trip(str(departure), str(clock), place))
    kept = relevant(rows, DAY)
    assert (stands([car()], rows) == stands([car()], kept)).all()
    assert relevant(kept, DAY) == kept


def test_energy_becomes_distance():
    legs = trips([car()], [trip("09:00", "10:00", energy_kwh=2.5)], DAY, seed=1)
    assert legs["distance_km"].tolist() == [25.0]  # 2.5 kWh x 10 km/kWh


def test_trips_are_numbered_by_vehicle_and_time():
    rows = [trip("12:00", "13:00", vehicle="b"), trip("09:00", "10:00"), trip("07:00", "08:00")]
    legs = trips([car(), car("b")], rows, DAY, seed=1)
    columns, labels = trip_variables(legs, TIME[0], TIME[-1] + np.timedelta64(1, "h"))
    assert labels.tolist() == ["car/1", "car/2", "b/1"]
    assert columns["trip_departure"][1][0] == np.datetime64("2020-08-18T22:00")  # 07:00 in Tokyo


def test_a_pattern_at_work_is_plugged_there():
    commuter = car(pattern="commuter", work="office", commute_km=10)
    row = stands([commuter], [])[0]
    assert row[0] == row[-1] == "home"
    assert row[12] == "office"
    assert stands([car(pattern="commuter", commute_km=10)], [])[0][12] == ""  # no plug at work


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2020-08-19T07:30", "2020-08-18T22:30"),
        ("2020-08-19T07:30+02:00", "2020-08-19T05:30"),
        ("2020-08-19T07:30Z", "2020-08-19T07:30"),
    ],
)
def test_instants(written, utc):
    assert instant(datetime.fromisoformat(written), "Asia/Tokyo") == np.datetime64(utc)
