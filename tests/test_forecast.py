"""Forecasts of demand and PV: by hand, without the future, with quantiles that hold."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.forecast.interface import LEVELS
from otonari.data.forecast.power import DEMAND, PV, demand_forecast, pv_forecast, quantiles
from otonari.data.forecast.profile import without_zero_runs
from otonari.data.problems import InputError
from otonari.data.series.calendar import calendar, off_days

from . import counts

PLAIN = replace(DEMAND, yesterday=0.0, recent=0.0)


def hours(days, start="2020-08-03", zone="UTC", holidays="none", step=1.0):
    times = pd.date_range(start, periods=round(days * 24 / step), freq=pd.Timedelta(hours=step))
    return calendar(times, step, zone, holidays)


def test_a_profile_by_hand():
    # Monday 3 and Tuesday 4 August 2020 were 2 and 4 kW at all hours: on Wednesday a day's age weighs e^(-1/10).
    calendar = hours(3)
    history = np.repeat([[2.0, 4.0, np.nan]], 24, axis=1)
    old, new = np.exp(-0.2), np.exp(-0.1)
    found = demand_forecast(history, calendar, 48, 24, memory=PLAIN)
    assert found.mean == pytest.approx(np.full((1, 24), (2 * old + 4 * new) / (old + new)))


def test_days_of_the_other_type_weigh_less():
    # Friday 7 and Saturday 8 August 2020, 1 and 3 kW; Sunday is like Saturday.
    calendar = hours(3, "2020-08-07")
    history = np.repeat([[1.0, 3.0, np.nan]], 24, axis=1)
    friday, saturday = 0.3 * np.exp(-0.2), np.exp(-0.1)
    found = demand_forecast(history, calendar, 48, 1, memory=PLAIN)
    assert found.mean[0, 0] == pytest.approx((friday + 3 * saturday) / (friday + saturday))


def test_the_latest_errors_are_carried_on():
    # Monday 2 kW, Tuesday 2 kW and 3 kW in its last hour; now is Wednesday's midnight. Relative to the profile of
    # Tuesday, 2 kW, with a floor of 5 % of the mean profile of one hour and of a day:
    calendar = hours(3)
    history = np.full((1, 72), 2.0)
    history[0, 47] = 3.0
    day, hour = 1 / (48 * 1.05), 1 / (2 * 1.05)
    found = demand_forecast(history, calendar, 48, 2, memory=DEMAND).mean[0]
    for lead in (0, 1):
        fading = 0.7 * np.exp(-lead / 3)
        assert found[lead] == pytest.approx(2 * (1 + 0.5 * day + fading * (hour - 0.5 * day)))


def test_holidays_and_weekends():
    days = [date(2020, 8, d) for d in (7, 8, 10, 11)]  # the 10th was Mountain Day
    assert off_days(days).tolist() == [False, True, True, False]
    assert off_days(days, "none").tolist() == [False, True, False, False]
    assert off_days(days, [date(2020, 8, 11)]).tolist() == [False, True, False, True]
    with pytest.raises(InputError, match="japan"):
        off_days(days, "japn")


def test_days_of_23_and_25_hours_keep_the_time_of_day():
    times = pd.date_range(
        "2020-10-23T22:00", "2020-10-26T22:00", freq="h"
    )  # local midnights in Berlin, then 23:00
    autumn = calendar(times, 1.0, "Europe/Berlin", "none")
    assert autumn.place[[0, 24, 26, 27, 28]].tolist() == [0, 24, 26, 26, 27]
    spring = calendar(pd.date_range("2021-03-27T23:00", periods=4, freq="h"), 1.0, "Europe/Berlin", "none")
    assert spring.place.tolist() == [0, 1, 3, 4]
    with pytest.raises(InputError, match="divisor"):
        calendar(times, 0.7, "UTC")


def test_clearness_scales_the_clear_sky():
    calendar = hours(4)
    clear = np.tile(np.maximum(0, np.sin((np.arange(24) - 6) / 12 * np.pi)), 4)[None]
    output = clear * np.repeat([0.5, 0.5, 0.5, np.nan], 24) * 4.0
    found = pv_forecast(output, clear, calendar, 72, 24)
    assert found.mean == pytest.approx(2.0 * clear[:, 72:])
    assert (found.quantiles[:, clear[:, 72:] == 0] == 0).all()


def test_zeros_that_last_are_missing_readings():
    calendar = hours(10)
    history = np.full((2, 240), 2.0)
    history[0, 100:140] = 0.0
    history[1] = 0.0  # has nothing but zeros
    found = demand_forecast(history, calendar, 216, 24)
    assert found.mean[0] == pytest.approx(2.0)
    assert found.mean[1] == pytest.approx(0.0)
    short = without_zero_runs(np.array([[1.0, 0.0, 0.0, 1.0]]), 3)
    assert not np.isnan(short).any()


def test_a_cold_start_takes_the_prior_and_leaves_it():
    calendar = hours(10)
    history = np.full((1, 240), 2.0)
    prior = np.full((1, 24), 5.0)
    assert np.isnan(demand_forecast(history, calendar, 0, 24).mean).all()
    cold = demand_forecast(history, calendar, 0, 24, prior=prior)
    assert cold.mean == pytest.approx(5.0)
    assert (np.diff(cold.quantiles, axis=0) > 0).all()
    means = [demand_forecast(history, calendar, 24 * day, 24, prior=prior).mean[0, 0] for day in range(8)]
    assert (np.diff(means) <= 1e-12).all()
    assert means[1] == pytest.approx(2 * np.exp(-0.1) / 3 + 5 * (1 - np.exp(-0.1) / 3))
    assert means[-1] == pytest.approx(2.0)


@settings(max_examples=counts.examples(40), deadline=None)
@given(
    seed=st.integers(0, 2**31),
    now=st.integers(1, 24 * 20),
    horizon=st.integers(1, 60),
    holes=st.floats(0, 0.9),
    sun=st.booleans(),
)
def test_a_forecast_knows_nothing_of_the_future(seed, now, horizon, holes, sun):
    rng = np.random.default_rng(seed)
    calendar = hours(24)
    history = rng.lognormal(size=(3, 24 * 24))
    history[rng.random(history.shape) < holes] = np.nan
    history[:, 50:56] = 0.0
    other = history.copy()
    other[:, now:] = rng.choice([np.nan, 0.0, 1e9], size=other[:, now:].shape)
    if sun:
        clear = rng.random((1, 24 * 24))
        later = clear.copy()
        later[:, now + horizon :] = rng.random(later[:, now + horizon :].shape)
        made = [
            pv_forecast(h, c, calendar, now, horizon)
            for h, c in ((history, clear), (other, later), (history[:, :now], clear))
        ]
    else:
        made = [demand_forecast(h, calendar, now, horizon) for h in (history, other, history[:, :now])]
    for changed in made[1:]:
        assert made[0].mean.tobytes() == changed.mean.tobytes()
        assert made[0].quantiles.tobytes() == changed.quantiles.tobytes()


@settings(max_examples=counts.examples(30), deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.floats(0.01, 100), now=st.integers(24 * 3, 24 * 12))
def test_scale_order_and_company_change_nothing(seed, factor, now):
    rng = np.random.default_rng(seed)
    calendar = hours(16)
    history = rng.lognormal(size=(4, 24 * 16))
    base = demand_forecast(history, calendar, now, 30)
    scaled = demand_forecast(history * factor, calendar, now, 30)
    assert scaled.mean == pytest.approx(base.mean * factor)
    assert scaled.quantiles == pytest.approx(base.quantiles * factor, abs=1e-9 * factor)
    assert (np.diff(base.quantiles, axis=0) >= 0).all()
    assert (base.quantiles >= 0).all()
    order = rng.permutation(4)
    assert demand_forecast(history[order], calendar, now, 30).mean == pytest.approx(base.mean[order])
    alone = demand_forecast(history[:1], calendar, now, 30)
    assert alone.mean == pytest.approx(base.mean[:1])


def test_quantiles_hold_on_synthetic_homes():
    # Half-hours of a known shape with independent errors: what comes lies below a quantile as often as it says.
    calendar = hours(80, step=0.5)
    rng = np.random.default_rng(7)
    shape = 1 + 0.5 * np.sin(np.arange(48) / 48 * 2 * np.pi)
    history = np.tile(shape, 80) * rng.gamma(4.0, 0.25, size=(20, 48 * 80))
    below = []
    for day in range(40, 80):
        found = demand_forecast(history, calendar, 48 * day, 48)
        below.append(history[:, 48 * day : 48 * day + 48] <= found.quantiles)
    assert np.mean(below, axis=(0, 2, 3)) == pytest.approx(LEVELS, abs=0.02)


def test_quantiles_interpolate_between_samples():
    samples = np.arange(1.0, 10.0).reshape(1, 9, 1)
    found = quantiles(samples, np.array([0.05, 0.1, 0.55, 0.99]))
    assert found.ravel() == pytest.approx([1.0, 1.0, 5.5, 9.0])


def test_pv_memory_does_not_know_weekends():
    assert PV.other_type == 1.0
