"""Trips from patterns: no overlaps, home at midnight, and cars that know nothing of one another."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data import clock
from otonari.data.clock import slots
from otonari.data.generators.trips import COLUMNS, KINDS, Pattern, trips
from otonari.data.problems import InputError

from . import counts

TOKYO = "Asia/Tokyo"


@given(
    kind=st.sampled_from(KINDS),
    commute=st.floats(0, 150),
    errand=st.floats(0, 150),
    leave=st.floats(0, 20),
    stay=st.floats(0.1, 4),
    seed=st.integers(0, 2**40),
    zone=st.sampled_from([TOKYO, "Europe/Berlin", "America/Sao_Paulo"]),
    start=st.dates(date(2017, 1, 1), date(2021, 12, 1)),
)
@settings(max_examples=counts.examples(60), deadline=None)
def test_trips_never_overlap_and_stay_within_their_days(
    kind, commute, errand, leave, stay, seed, zone, start
):
    pattern = Pattern("car", kind, commute, errand, leave, leave + stay, 1.0)
    table = trips([pattern], start, 9, zone, seed)
    assert list(table.columns) == list(COLUMNS)
    times = slots(start, 9, 30, zone)
    assert (table["departure"] >= times[0]).all()
    assert (table["arrival"] <= times[-1] + pd.Timedelta(minutes=30)).all()
    assert (table["arrival"] > table["departure"]).all()
    assert (table["departure"].iloc[1:].to_numpy() >= table["arrival"].iloc[:-1].to_numpy()).all()
    assert (table["destination"].iloc[1::2] == "home").all()
    assert (table["destination"].iloc[::2] != "home").all()
    assert len(table) % 2 == 0


def test_departures_that_the_clock_skips_stay_in_order():
    """Cairo skipped 00:00 to 01:00 on Friday 28 April 2023: 22:00 UTC is 01:00 there.

    A commuter who leaves at about 00:12 and returns at about 00:40 leaves at 01:00 instead, and returns no sooner
    than the 20 minutes of the way out allow.
    """
    early = Pattern("a", "commuter", 10.0, leave_hour=0.2, return_hour=0.6, errand_probability=0.0)
    for seed in range(20):
        out, back = trips([early], "2023-04-28", 1, "Africa/Cairo", seed).itertuples()
        assert out.departure >= pd.Timestamp("2023-04-27T22:00")
        assert out.arrival == out.departure + pd.Timedelta(minutes=20)
        assert back.departure >= out.arrival


def test_a_commuter_works_on_weekdays():
    table = trips([Pattern("a", commute_km=20.0, errand_probability=0.0)], "2020-08-03", 14, TOKYO, 1)
    assert len(table) == 2 * 10
    out, back = table.iloc[::2], table.iloc[1::2]
    assert (table["distance_km"] == 20.0).all()
    assert (out["destination"] == "work").all()
    assert (table["arrival"] - table["departure"] == pd.Timedelta(minutes=40)).all()  # 20 km at 30 km/h
    local = clock.local(pd.DatetimeIndex(out["departure"]), TOKYO)
    assert set(local.day_of_week) == {0, 1, 2, 3, 4}
    hours = local.hour + local.minute / 60
    assert ((hours >= 6.75) & (hours <= 8.25)).all()
    home = clock.local(pd.DatetimeIndex(back["departure"]), TOKYO)
    assert ((home.hour >= 16) & (home.hour < 21)).all()


def test_errands_happen_as_often_as_told():
    """700 days at 0.3 have 210 rounds, give or take 12 (one standard deviation)."""
    table = trips([Pattern("a", "errand", errand_probability=0.3)], "2020-01-06", 700, TOKYO, 1)
    assert abs(len(table) / 2 - 210) < 48
    assert table["distance_km"].median() == pytest.approx(6.0, rel=0.2)
    assert set(table["destination"]) == {"other", "home"}


def test_a_business_car_rests_at_the_weekend():
    table = trips([Pattern("a", "business", errand_probability=1.0)], "2020-08-01", 7, TOKYO, 1)
    assert len(table) == 5 * 4
    assert trips([Pattern("a", "business")], "2020-08-01", 2, TOKYO, 1).empty


def test_the_trips_of_a_car_do_not_depend_on_the_others_nor_on_the_horizon():
    cars = [Pattern("a"), Pattern("b", "errand"), Pattern("c")]
    together = trips(cars, "2020-08-03", 7, TOKYO, 5)
    alone = trips(cars[2:], "2020-08-05", 2, TOKYO, 5)
    days = slots("2020-08-05", 2, 30, TOKYO)
    inside = (together["departure"] >= days[0]) & (together["departure"] <= days[-1])
    same = together[(together["vehicle"] == "c") & inside].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, alone)
    first, third = (together[together["vehicle"] == v]["departure"].tolist() for v in "ac")
    assert first != third
    assert not trips(cars, "2020-08-03", 7, TOKYO, 6).equals(together)


def test_no_patterns_give_an_empty_table_of_the_same_types():
    empty, full = trips([], "2020-08-03", 7, TOKYO, 1), trips([Pattern("a")], "2020-08-03", 7, TOKYO, 1)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_a_clock_that_changes_moves_local_departures():
    """7:30 in Berlin is 6:30 UTC before the change of Sunday 28 March 2021, and 5:30 after it."""
    table = trips([Pattern("a", errand_probability=0.0)], "2021-03-22", 14, "Europe/Berlin", 1)
    hour = table["departure"].iloc[::2].dt.hour + table["departure"].iloc[::2].dt.minute / 60
    assert ((hour[:5] >= 5.75) & (hour[:5] <= 7.25)).all()
    assert ((hour[5:] >= 4.75) & (hour[5:] <= 6.25)).all()


def test_every_problem_of_the_patterns_is_named():
    wrong = Pattern("a", "comuter", 151.0, -1.0, 19.0, 18.0, 1.5)
    with pytest.raises(InputError) as caught:
        trips([wrong, Pattern("b"), Pattern("b")], "2020-08-03", 7, TOKYO, 1, where="vehicles.csv")
    assert [str(p) for p in caught.value.problems] == [
        "vehicles.csv:vehicle=a: kind: got 'comuter', want one of commuter, errand, business (did you mean 'commuter'?)",
        "vehicles.csv:vehicle=a: commute_km: got 151, want between 0 and 150 (five hours at 30 km/h)",
        "vehicles.csv:vehicle=a: errand_km: got -1, want between 0 and 150 (five hours at 30 km/h)",
        "vehicles.csv:vehicle=a: leave_hour, return_hour: got 19 and 18, want 0 <= leave < return <= 24",
        "vehicles.csv:vehicle=a: errand_probability: got 1.5, want between 0 and 1",
        "vehicles.csv:vehicle=b: vehicle: got two patterns, want one pattern",
    ]


def test_days_are_local():
    first = trips([Pattern("a", errand_probability=0.0)], "2020-08-03", 1, TOKYO, 1)["departure"].iloc[0]
    assert clock.local(pd.DatetimeIndex([first]), TOKYO)[0].date() == date(2020, 8, 3)
    assert first < pd.Timestamp(date(2020, 8, 3)) + timedelta(hours=0)
