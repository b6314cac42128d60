"""Forecasts of driving: by hand, from a cold start, without the future, petrol apart."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.forecast.driving import VehicleForecast, vehicle_forecast, weighted_quantiles
from otonari.data.forecast.driving_course import ENOUGH, expected_course, reserves
from otonari.data.forecast.driving_history import Trips

from . import counts

MONDAY = np.datetime64("2020-08-03T00:00", "ns")
DAY, HOUR = np.timedelta64(24, "h"), np.timedelta64(1, "h")


def trips(*rows):
    """Return trips from (vehicle, day, departure [h], arrival [h], energy)."""
    vehicle, day, out, back, energy = np.array(rows, dtype=float).reshape(-1, 5).T
    minutes = [np.round((day * 24 + h) * 60).astype("timedelta64[m]") for h in (out, back)]
    return Trips(vehicle.astype(int), MONDAY + minutes[0], MONDAY + minutes[1], energy)


def foresee(known, now, days=1, usable=(6.5,), **options):
    return vehicle_forecast(known, np.array(usable), now, days, "UTC", holidays="none", **options)


def test_a_cold_start_is_the_assumed_commuter():
    found = foresee(trips(), MONDAY, 6)
    # on a working day 5 assumed working days of weight 1 (4 driven) and 5 days off of weight 0.2 (3 driven)
    assert found.drives[0] == pytest.approx([4.6 / 6] * 5 + [(3 + 0.8) / 6])
    assert found.energy_mean[0, 0] == pytest.approx((3 + 3 + 3 + 4 + 0.2 * 6) / 6)
    assert found.departure[2, 0, 0] == 7.5
    assert found.days[5] == date(2020, 8, 8)
    assert found.away[0, 0, 24] == pytest.approx(
        (4 + 0.2 * 2 * 1) / 6 - 0.2 / 6
    )  # 12:15: 4 at work, one errand
    assert found.leaving[0, 0].sum() == pytest.approx(found.energy_mean[0, 0])


def test_history_outweighs_the_prior():
    known = trips(*[(0, d, 6.0, 9.0, 2.0) for d in range(60)])
    found = foresee(known, MONDAY + 60 * DAY)
    assert found.drives[0, 0] > 0.95
    assert found.departure[2, 0, 0] == 6.0
    assert found.arrival[2, 0, 0] == 9.0
    assert found.energy[2, 0, 0] == 2.0


def test_assumed_days_are_as_old_as_the_record():
    """After 7 days, 5 of them working days, a Monday: each assumed day weighs exp(-7 / 90), a day off a fifth of it."""
    known = trips(*[(0, d, 6.0, 9.0, 2.0) for d in range(5)])
    found = foresee(known, MONDAY + 7 * DAY)
    past = np.exp(-np.arange(7, 0, -1) / 90) * ([1] * 5 + [0.2] * 2)
    assumed = np.exp(-7 / 90) * np.array([4.0, 1.0, 0.2 * 3, 0.2 * 2])  # driven, not, on days off driven, not
    drives = (past[:5].sum() + assumed[0] + assumed[2]) / (past.sum() + assumed.sum())
    assert found.drives[0, 0] == pytest.approx(drives)


def test_what_the_range_makes_petrol_is_not_charged_for():
    known = trips(*[(0, d, 6.0, 20.0, 30.0) for d in range(60)])
    short, far = (foresee(known, MONDAY + 60 * DAY, usable=(u,)) for u in (6.5, np.inf))
    assert short.energy.max() == 6.5
    assert far.energy[2, 0, 0] == 30.0
    assert far.petrol_mean[0, 0] == 0.0
    assert short.energy_mean + short.petrol_mean == pytest.approx(far.energy_mean)
    twice = trips(*[(0, d, h, h + 2, 5.0) for d in range(60) for h in (6.0, 14.0)])
    assert foresee(twice, MONDAY + 60 * DAY).energy[2, 0, 0] == 10.0  # it can be charged between two rounds


def test_today_is_like_the_days_that_went_the_same_way():
    rows = [(0, d, 7.0 if d % 2 else 15.0, 18.0, 1.0 if d % 2 else 4.0) for d in range(60)]
    morning = foresee(trips(*rows), MONDAY + 60 * DAY + 8 * HOUR)
    assert morning.departure[:, 0, 0].min() == 15.0
    assert morning.energy[2, 0, 0] == 4.0
    out = foresee(trips(*rows, (0, 60, 7.0, 30.0, 9.0)), MONDAY + 60 * DAY + 8 * HOUR)
    assert out.energy[2, 0, 0] == 0.0
    assert out.arrival[2, 0, 0] == 18.0
    assert out.away[0, 0, 24] == pytest.approx(1.0)


def test_a_round_over_midnight_is_away_on_both_days():
    known = trips(*[(0, d, 20.0, 26.0, 1.0) for d in range(60)])
    found = foresee(known, MONDAY + 61 * DAY - 12 * HOUR, 2)
    assert found.arrival[2, 0, 0] == 26.0
    assert found.away[0, 1, [2, 42]].min() > 0.7  # but for the assumed days, on a Saturday worth a quarter
    assert found.away[0, 1, 10] == 0.0


@settings(max_examples=counts.examples(40), deadline=None)
@given(seed=st.integers(0, 2**31), hour=st.integers(0, 24 * 30))
def test_a_forecast_knows_nothing_of_the_future(seed, hour):
    rng = np.random.default_rng(seed)
    rows = []
    for vehicle in range(3):
        for day in range(30):
            if rng.random() < 0.7:
                out = rng.uniform(5, 16)
                rows.append((vehicle, day, out, out + rng.uniform(0.5, 12), rng.uniform(0, 20)))
    known, now = trips(*rows), MONDAY + hour * HOUR
    begun, under_way = known.departure < now, (known.departure < now) & (known.arrival > now)
    later = Trips(
        known.vehicle[begun],
        known.departure[begun],
        np.where(under_way, known.arrival + 5 * DAY, known.arrival)[begun],
        np.where(under_way, 99.0, known.energy)[begun],
    )
    usable = np.array([6.5, 3.0, np.inf])
    since = date(2020, 8, 3)
    made = [vehicle_forecast(k, usable, now, 3, "Asia/Tokyo", since=since) for k in (known, later)]
    for name in ("drives", "departure", "arrival", "energy_mean", "energy", "petrol_mean", "away", "leaving"):
        assert getattr(made[0], name).tobytes() == getattr(made[1], name).tobytes(), name
    assert ((made[0].drives >= 0) & (made[0].drives <= 1 + 1e-12)).all()
    assert (np.diff(made[0].energy, axis=0) >= 0).all()
    assert made[0].leaving[:, 1:].sum(axis=2) == pytest.approx(made[0].energy_mean[:, 1:])


def test_chances_hold_on_synthetic_driving():
    rng = np.random.default_rng(3)
    driven = rng.random((200, 120)) < 0.6
    energy = rng.gamma(3.0, 1.0, size=driven.shape)
    rows = [(v, d, 8.0, 17.0, energy[v, d]) for v, d in zip(*np.nonzero(driven), strict=True)]
    found = vehicle_forecast(
        trips(*rows), np.full(200, np.inf), MONDAY + 119 * DAY, 1, "UTC", holidays="none"
    )
    assert found.drives.mean() == pytest.approx(0.6, abs=0.03)
    came = np.where(driven[:, 119], energy[:, 119], 0.0)
    below = (came <= found.energy[:, :, 0]).mean(axis=1)
    assert below[2:] == pytest.approx([0.5, 0.75, 0.9], abs=0.08)


def test_local_days():
    known = trips(*[(0, d, 23.0, 24.5, 2.0) for d in range(60)])  # 08:00 to 09:30 in Tokyo
    now = MONDAY + 60 * DAY + 15 * HOUR
    found = vehicle_forecast(known, np.array([6.5]), now, 1, "Asia/Tokyo")
    assert found.departure[2, 0, 0] == 8.0
    assert found.days[0] == pd.Timestamp("2020-10-03").date()


def test_weighted_quantiles_by_hand():
    values, weights = np.array([[5.0, 1.0, 3.0]]), np.array([[1.0, 1.0, 2.0]])
    found = weighted_quantiles(values, weights, np.array([0.25, 0.26, 0.75, 0.76]))
    assert found.ravel().tolist() == [1.0, 3.0, 3.0, 5.0]
    assert np.isnan(weighted_quantiles(values, 0 * weights, np.array([0.5])))


def course(known, plugged, before=0, now=0, at=0):
    """Return the course of day 60 from an hour on; ``plugged`` (hour,) is where it was on every day before."""
    grid = np.repeat(np.array(plugged)[None, None], 60, axis=1)
    begin = MONDAY + 60 * DAY + at * HOUR
    options = {"levels": (ENOUGH,), "slots_per_day": 24, "plugged": grid}
    found = foresee(known, begin, **options)
    return expected_course(found, np.arange(at, 24), np.array([before]), np.array([now]))


WORK = [0] * 8 + [-1] + [2] * 8 + [-1] + [0] * 6


def test_a_course_stays_where_it_mostly_was_and_leaves_in_between():
    known = trips(*[(0, d, h, h + 1, 3.0) for d in range(61) for h in (8.0, 17.0)])
    found = course(known, WORK)
    assert found.place[0].tolist() == WORK
    assert found.departs.tolist() == [8, 17]
    assert found.returns.tolist() == [9, 18]
    assert found.energy.sum() == pytest.approx(6.0)
    assert found.energy == pytest.approx([3, 3], abs=0.5)
    # at nine, at work, only the way home is to come; having just left at eight, both are
    assert course(known, WORK, 2, 2, 9).departs.tolist() == [17 - 9]
    assert course(known, WORK, 0, -1, 8).departs.tolist() == [0, 17 - 8]


def test_a_course_between_places_that_touch_leaves_a_slot_for_the_way():
    known = trips(*[(0, d, 8.0, 8.2, 1.0) for d in range(60)])
    found = course(known, [0] * 8 + [2] * 16)
    assert found.place[0].tolist() == [0] * 8 + [-1] + [2] * 15
    assert (found.departs.tolist(), found.returns.tolist()) == ([8], [9])


def test_a_car_that_leaves_at_any_time_stays_ready():
    known = trips(*[(0, d, 6.0 + d % 12, 7.0 + d % 12, 2.0) for d in range(60)])
    found = course(known, [0] * 24)
    assert found.place[0].tolist() == [0] * 24
    assert len(found.departs) == 0
    # it leaves in one of the hours from 6 to 17, each as likely, and takes what it holds at the end of the one before
    assert np.flatnonzero(~np.isnan(found.reserve[0])).tolist() == list(range(5, 17))
    assert found.reserve[0, 5:17] == pytest.approx(2.0)
    assert found.chance == pytest.approx(1 / 12, rel=0.1)
    later = course(known, [0] * 24, at=12)
    assert np.flatnonzero(~np.isnan(later.reserve[0])).tolist() == list(range(17 - 12))


def test_a_car_that_is_expected_to_leave_needs_no_reserve_on_that_day():
    known = trips(*[(0, d, h, h + 1, 3.0) for d in range(61) for h in (8.0, 17.0)])
    assert np.isnan(course(known, WORK).reserve).all()


def test_reserves_by_hand():
    """A car at home in the slots 0, 1 and 3 of four that drives 2 kWh, in slot 1 with 1/2 and in slot 2 with 1/20."""
    nothing = np.zeros((1, 1))
    leaving = np.array([[[0.4, 1.0, 0.1, 0.3]]])
    forecast = VehicleForecast(
        days=(date(2020, 8, 3),),
        drives=nothing,
        departure=nothing[None],
        arrival=nothing[None],
        energy_mean=nothing,
        energy=np.array([[[2.0]]]),
        petrol_mean=nothing,
        away=np.zeros((1, 1, 4)),
        leaving=leaving,
        levels=np.array([ENOUGH]),
        places=np.array([0]),
        plugged=np.ones((1, 1, 4, 1)),
    )
    none = np.zeros(0, dtype=int)
    reserve, chance = reserves(forecast, np.array([[0, 0, -1, 0]]), np.arange(4), none, none)
    # chances after the slots: 1/2, 1/20, away, beyond what is seen; 1/20 is less than a quarter of 1/2
    assert reserve[0].tolist() == pytest.approx([2.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert chance == pytest.approx(0.5 + 0.05)
    reserve, _ = reserves(forecast, np.array([[0, 0, -1, 0]]), np.arange(4), np.array([0]), np.array([2]))
    assert np.isnan(reserve).all()


def test_a_car_that_mostly_stays_is_expected_to_stay():
    found = course(trips(*[(0, d, 10.0, 14.0, 2.0) for d in range(0, 60, 5)]), [0] * 24)
    assert found.place[0].tolist() == [0] * 24
    assert len(found.departs) == 0
