"""The table of forecasts: plain rules by hand, and a method that is added by one row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from otonari.data.backtest.power import demand, pinball, scores
from otonari.data.forecast import persistence, power
from otonari.data.forecast.interface import LEVELS, Forecast, PowerHistory
from otonari.data.forecast.methods import METHODS, Method
from otonari.data.forecast.power import demand_forecast, pv_forecast, quantiles
from otonari.data.series.calendar import calendar
from otonari.runs.simulate.timeline import Timeline


def history(days=10, start="2020-07-01", zone="UTC", quantity="demand"):
    times = pd.date_range(start, periods=24 * days, freq="h")
    return PowerHistory(quantity, np.arange(24.0 * days)[None], calendar(times, 1.0, zone, "none"))


def test_plain_rules_by_hand():
    past = history()
    assert persistence.yesterday(past, 192, 3).mean.tolist() == [[168.0, 169.0, 170.0]]
    assert persistence.last_week(past, 192, 3).mean.tolist() == [[24.0, 25.0, 26.0]]
    assert persistence.latest(past, 192, 3).mean.tolist() == [[191.0, 191.0, 191.0]]
    assert np.isnan(persistence.last_week(past, 100, 3).mean).all()
    assert np.isnan(persistence.latest(past, 0, 2).mean).all()


def test_yesterday_repeats_itself_beyond_a_day():
    ahead = persistence.yesterday(history(), 48, 30).mean[0]
    assert ahead.tolist() == [*range(24, 48), *range(24, 30)]


def test_yesterday_follows_the_local_clock():
    # Berlin, from midnight of 24 October 2020; on the 25th the clock falls back and 2 o'clock comes twice.
    past = history(4, "2020-10-23T22:00", "Europe/Berlin")
    monday = persistence.yesterday(past, 49, 4).mean[0]
    assert monday.tolist() == [24.0, 25.0, 27.0, 28.0]  # of the two hours at 2 o'clock the later one


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("quantity", ["demand", "pv"])
def test_no_method_sees_the_future(name, quantity):
    past = history(12, quantity=quantity)
    rng = np.random.default_rng(1)
    known = rng.gamma(4.0, 0.25, past.power.shape)
    other = np.where(np.arange(known.shape[1]) < 200, known, 9.0)
    both = [
        METHODS[name].forecast(PowerHistory(quantity, power, past.calendar), 200, 24)
        for power in (known, other)
    ]
    np.testing.assert_array_equal(both[0].mean, both[1].mean)
    np.testing.assert_array_equal(both[0].quantiles, both[1].quantiles)
    assert both[0].quantiles.shape == (len(LEVELS), 1, 24)


def test_the_profile_is_chosen_by_the_quantity():
    homes, arrays = history(), history(quantity="pv")
    for past, own in (
        (homes, demand_forecast(homes.power, homes.calendar, 200, 24)),
        (arrays, pv_forecast(arrays.power, None, arrays.calendar, 200, 24)),
    ):
        np.testing.assert_array_equal(METHODS["profile"].forecast(past, 200, 24).mean, own.mean)


def test_a_row_of_the_table_is_scored_by_the_back_test(monkeypatch):
    def shifted(past: PowerHistory, now: int, horizon: int) -> Forecast:
        mean = np.full((len(past.power), horizon), np.nanmean(past.power[:, :now]))
        return Forecast(mean, mean + np.linspace(-1, 1, len(LEVELS))[:, None, None], np.array(LEVELS))

    monkeypatch.setitem(METHODS, "mean of all", Method(shifted))
    power = np.random.default_rng(1).gamma(4.0, 0.25, (2, 24 * 10))
    trials = demand(power, power, history().calendar, 8)
    every = [s for horizon, t in trials for s in scores(t, horizon, {"": np.array([True, True])})]
    added = [s for s in every if s.method == "mean of all"]
    assert [s.horizon for s in added] == ["day ahead", "at the gate"]
    _, trial = trials[0]
    share = pinball(trial.actual, trial.spreads["mean of all"], trial.levels)
    assert added[0].pinball == pytest.approx((share.sum(axis=1) / trial.actual.sum(axis=1)).mean())
    assert added[0].pinball != pytest.approx(added[0].mae / 2)  # its own quantiles, not its mean


def test_a_simulation_plans_with_the_method_that_it_names():
    past = history(3)
    limit = ("participant", [1000.0])
    known = xr.Dataset({"import_limit": limit, "export_limit": limit}, coords={"time": np.arange(2)})
    line = Timeline(known, past.power, 0 * past.power, 48, past.calendar, None, method="yesterday")
    assert line.expected(0, 2)["demand"].tolist() == [[24.0, 25.0]]
    assert replace(line, method="latest").expected(0, 2)["demand"].tolist() == [[47.0, 47.0]]


@pytest.mark.parametrize("quantity", ["demand", "pv"])
@pytest.mark.parametrize("days", [3, 12])
def test_the_forecast_of_all_together_is_that_of_their_sum(days, quantity):
    """Of arrays alike it is theirs, so many times over; errors that cancel leave no spread. Cold and warm."""
    past = history(days, quantity=quantity)
    rng, now = np.random.default_rng(3), 24 * days - 30
    one = rng.gamma(4.0, 0.25, past.power.shape)

    def made(*rows):
        return METHODS["profile"].forecast(PowerHistory(quantity, np.vstack(rows), past.calendar), now, 24)

    alone, alike = made(one), made(one, one, one).total
    np.testing.assert_allclose(alike.mean, 3 * alone.mean)
    np.testing.assert_allclose(alike.quantiles, 3 * alone.quantiles)
    wide = np.ptp(alone.quantiles, axis=0)
    both = made(one, one.max() + 0.2 - one)  # a home and its mirror image: the sum is ever the same
    total = both.total.quantiles
    if days > 3:
        assert (np.ptp(total, axis=0) < 0.5 * wide).mean() > 0.9
    nobody = made(one, np.full_like(one, np.nan)).total
    np.testing.assert_allclose(nobody.quantiles, alone.quantiles)
    points = METHODS["yesterday"].forecast(
        PowerHistory(quantity, np.vstack([one, one]), past.calendar), now, 5
    )
    np.testing.assert_allclose(points.total.quantiles[1], points.mean.sum(axis=0, keepdims=True))


@pytest.mark.parametrize("quantity", ["demand", "pv"])
def test_quantiles_are_computed_when_they_are_asked_for_from_what_was_known_then(quantity, monkeypatch):
    past = history(12, quantity=quantity)
    want = METHODS["profile"].forecast(past, 200, 24).quantiles
    asked = []
    monkeypatch.setattr(power, "quantiles", lambda *given: asked.append(1) or quantiles(*given))
    readings = past.power.copy()
    late = METHODS["profile"].forecast(PowerHistory(quantity, readings, past.calendar), 200, 24)
    assert not asked
    readings[:] = 9.0  # what is read later than the forecast was made does not count
    np.testing.assert_array_equal(late.quantiles, want)
    assert late.quantiles is late.quantiles
    assert asked == [1]
