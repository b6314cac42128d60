"""Profiles of the time of day: weighted means of earlier days, and the errors that they would have made."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..series.calendar import Calendar

_FLOOR = 0.05
"""Share of the mean that is added below a relative error, so that dawn and dusk are no noise. Assumption."""
_LEAST = 0.05
"""Share of the largest weight of a time of day, below which the whole day's ratio fills up the rest. Assumption."""


@dataclass(frozen=True)
class Memory:
    """How a profile remembers.

    Attributes
    ----------
    days
        Age at which the weight of a day has fallen to 1/e [d].
    other_type
        Weight of a day of the other type (working day, or day off) relative to one of the same type.
    yesterday
        Share of the last day's relative error that is carried into the forecast.
    recent, recent_hours
        Share of the last hour's relative error that is carried on at first, and the time in which it fades to 1/e [h].
    missing_hours
        Runs of exact zeros of this length are missing readings, unless an entity has only zeros [h].
    window, origins
        Age of the oldest day that counts, and the earlier days whose errors give the quantiles.
    """

    days: float
    other_type: float
    yesterday: float
    recent: float
    recent_hours: float
    missing_hours: float
    window: int = 56
    origins: int = 28


@dataclass(frozen=True)
class Past:
    """What is known before a gate closes, on a grid of local days and times of day.

    ``values`` (entity, place) are NaN where missing and from place ``now`` on; ``expected`` (entity or 1, place) and
    ``off`` (day,) reach to the last ``target`` (horizon,), a place. ``size`` is the number of slots in a day.
    """

    values: np.ndarray
    expected: np.ndarray
    off: np.ndarray
    now: int
    target: np.ndarray
    size: int

    @classmethod
    def of(
        cls,
        history: np.ndarray,
        expected: np.ndarray | None,
        calendar: Calendar,
        now: int,
        horizon: int,
        memory: Memory,
    ) -> Self:
        """Return the past at ``now``; nothing in ``history`` from ``now`` on is read."""
        size, end = calendar.slots_per_day, now + horizon
        here = int(calendar.place[now]) // size
        first = max(int(calendar.place[0]) // size, here - memory.window - memory.origins - 1)
        last = int(calendar.place[end - 1]) // size + 1
        since = int(np.searchsorted(calendar.place, first * size))
        place = calendar.place[since:end] - first * size
        values = np.full((len(history), (last - first) * size), np.nan)
        values[:, place[: now - since]] = history[:, since:now]
        values = without_zero_runs(values, round(memory.missing_hours * size / 24))
        known = np.ones((1, (last - first) * size))
        if expected is not None:
            known = np.zeros((len(expected), (last - first) * size))
            known[:, place] = np.nan_to_num(expected[:, since:end])
        return cls(
            values, known, calendar.off[first:last], int(place[now - since]), place[now - since :], size
        )

    def target_expected(self) -> np.ndarray:
        """Return what is expected of the targets (entity or 1, horizon)."""
        return self.expected[:, self.target]

    def ahead(self) -> np.ndarray:
        """Return the whole days from ``now`` to each target (horizon,): its profile ends one day earlier than that."""
        return np.asarray((self.target - self.now) // self.size)


def without_zero_runs(values: np.ndarray, least: int) -> np.ndarray:
    """Return values (entity, time) with NaN for runs of at least ``least`` exact zeros; rows without other values stay.

    >>> without_zero_runs(np.array([[1.0, 0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]), 2)
    array([[ 1., nan, nan,  2.,  0.],
           [ 0.,  0.,  0.,  0.,  0.]])
    """
    index = np.arange(values.shape[1])
    zero = values == 0.0
    before = np.maximum.accumulate(np.where(zero, -1, index), axis=1)
    after = np.minimum.accumulate(np.where(zero, values.shape[1], index)[:, ::-1], axis=1)[:, ::-1]
    long = zero & (after - before - 1 >= max(least, 1)) & np.any(values > 0, axis=1, keepdims=True)
    return np.where(long, np.nan, values)


def profiles(past: Past, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
    """Return profiles (lag, entity, place), and the weight (entity, horizon) of the days behind them, of any type [d].

    profile[n, e, d, s] = expected[d, s] * sum_k w[d, k] * value[k, s] / sum_k w[d, k] * expected[k, s] over the days
    k < d - n whose reading is known, w[d, k] = exp(-(d - k) / days) * (1 or other_type).
    """
    days = len(past.off)
    shape = (-1, days, past.size)
    known = ~np.isnan(past.values)
    values = np.where(known, past.values, 0.0).reshape(shape)
    expected = np.where(known, past.expected, 0.0).reshape(shape)
    rows = np.arange(max(0, past.now // past.size - memory.origins - 1), days)
    age = rows[:, None] - np.arange(days)
    like = np.where(past.off[rows][:, None] == past.off, 1.0, memory.other_type)
    ahead = past.ahead()
    table = np.full((int(ahead.max()) + 1, len(values), days, past.size), np.nan)
    weight = np.zeros((len(values), len(ahead)))
    for lag in range(len(table)):
        counts = (age > lag) & (age <= memory.window)
        fade = np.where(counts, np.exp(-age / memory.days), 0.0)
        weights = like * fade
        table[lag][:, rows] = (
            _ratio(weights @ values, weights @ expected) * past.expected.reshape(shape)[:, rows]
        )
        behind = fade @ known.reshape(shape)
        at, here = past.target[ahead == lag], ahead == lag
        weight[:, here] = behind[:, at // past.size - rows[0], at % past.size]
    return table.reshape(len(table), len(values), -1), weight


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below (entity, day, slot), the whole day's ratio where little is below; NaN without any reading."""
    whole = below.sum(axis=2, keepdims=True)
    level = np.divide(
        above.sum(axis=2, keepdims=True), whole, out=np.full_like(whole, np.nan), where=whole > 0
    )
    fill = np.maximum(_LEAST * below.max(axis=2, keepdims=True) - below, 0.0)
    lower = below + fill
    return np.asarray(
        np.divide(above + fill * level, lower, out=np.full_like(below, np.nan), where=whole > 0)
    )


def errors(past: Past, table: np.ndarray, memory: Memory) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (entity, horizon), and the errors (entity, sample, horizon) of the same method on earlier days.

    A target has the errors of its own and of both neighbouring slots, from every earlier day's forecast at the time of
    day of ``now``.
    """
    origins = past.now - past.size * np.arange(memory.origins + 1)
    origins = origins[origins >= 0]
    lead = past.target - past.now
    day, hour = _relative_errors(past, table[0], origins)
    fading = memory.recent * np.exp(-lead * 24 / past.size / memory.recent_hours)
    level = memory.yesterday * day[:, :, None]
    factor = np.maximum(1 + level + fading * (hour[:, :, None] - level), 0.0)
    target = origins[:, None] + lead
    forecasts = table[past.ahead(), :, target].transpose(2, 0, 1) * factor
    missed = past.values[:, target[1:]] - forecasts[:, 1:]
    padded = np.pad(missed, ((0, 0), (0, 0), (1, 1)), constant_values=np.nan)
    pooled = np.concatenate([padded[..., :-2], missed, padded[..., 2:]], axis=1)
    if not pooled.shape[1]:
        pooled = np.full((len(missed), 1, len(lead)), np.nan)
    return forecasts[:, 0], pooled


def _relative_errors(past: Past, profile: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative errors of the profile in the day and in the hour before origins (entity, origin).

    They count where the profile is above 0, are 0 where nothing is known, and are cut at -1 and 1: at dawn they would
    know no bounds.
    """
    before = origins[:, None] + np.arange(-past.size, 0)
    values, usual = past.values[:, np.maximum(before, 0)], profile[:, np.maximum(before, 0)]
    both = ~np.isnan(values) & (usual > 0) & (before >= 0)
    missed, usual = np.where(both, values - usual, 0.0), np.where(both, usual, 0.0)
    floor = _FLOOR * usual.sum(axis=(1, 2)) / np.maximum(both.sum(axis=(1, 2)), 1)
    found = []
    for width in (past.size, max(1, past.size // 24)):
        above, below = (
            missed[:, :, -width:].sum(axis=2),
            usual[:, :, -width:].sum(axis=2) + width * floor[:, None],
        )
        share = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        found.append(np.clip(share, -1.0, 1.0))
    return found[0], found[1]
