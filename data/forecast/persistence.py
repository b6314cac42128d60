"""Plain rules to compare forecasts with: power stays what it was a day, a week or a slot ago."""

import numpy as np

from .interface import Forecast, PowerHistory, point_forecast


def yesterday(history: PowerHistory, now: int, horizon: int) -> Forecast:
    """Return the power (entity, horizon) [kW] of the same time of day, a day earlier."""
    return point_forecast(_earlier(history, now, horizon, days=1))


def last_week(history: PowerHistory, now: int, horizon: int) -> Forecast:
    """Return the power (entity, horizon) [kW] of the same time of day, seven days earlier."""
    return point_forecast(_earlier(history, now, horizon, days=7))


def latest(history: PowerHistory, now: int, horizon: int) -> Forecast:
    """Return the power [kW] of the last slot before ``now``, for all slots (entity, horizon)."""
    last = history.power[:, now - 1] if now else np.full(len(history.power), np.nan)
    return point_forecast(np.repeat(last[:, None], horizon, axis=1))


def _earlier(history: PowerHistory, now: int, horizon: int, days: int) -> np.ndarray:
    """Return the readings (entity, horizon) at the same place of the last ``days`` days; NaN where there is none.

    Beyond ``days`` days ahead these days repeat themselves.
    """
    place, size = history.calendar.place, history.calendar.slots_per_day
    cycle = days * size
    # a cycle of places is at most one day of 25 hours longer in slots, since the clock may fall back within it
    since = max(0, now - cycle - size)
    before = place[since:now] - place[now] + cycle
    inside = (before >= 0) & (before < cycle)
    readings = np.full((len(history.power), cycle), np.nan)
    readings[:, before[inside]] = history.power[:, since:now][:, inside]
    return np.asarray(readings[:, (place[now : now + horizon] - place[now]) % cycle])
