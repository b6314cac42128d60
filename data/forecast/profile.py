"""Profiles of the time of day: weighted means of earlier days, and the errors that they would have made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..series.calendar import Calendar

_FLOOR = 0.05
"""Share of the mean that is added below a relative error, so that dawn and dusk are no noise. Assumption."""
_BLOCK = 10_000
"""Readings that are worked on at a time: so few that they stay in the caches of a processor."""
_LEAST = 0.05
"""Share of the largest weight of a time of day, below which the whole day's ratio fills up the rest. Assumption."""


@dataclass(frozen=True)
class Memory:
    """Weights of the past in a profile, and of its recent errors in a forecast.

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
    """Readings known before a gate closes, on a grid of local days and times of day.

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
        """Return the readings (entity, time) before ``now`` on their grid; those from ``now`` on are not read."""
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
        """Return the expected output of the targets (entity or 1, horizon)."""
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
    least, zero = max(least, 1), (values == 0.0) & np.any(values > 0, axis=1, keepdims=True)
    ends = _of_the_last(zero, least) == least
    if not ends.any():
        return values
    long = _of_the_last(ends[:, ::-1], least)[:, ::-1] > 0
    return np.where(long, np.nan, values)


def _of_the_last(flags: np.ndarray, count: int) -> np.ndarray:
    """Return how many of the last ``count`` flags (entity, time) are set at each time, itself among them."""
    number = np.cumsum(flags, axis=1, dtype=np.int32)
    number[:, count:] -= number[:, :-count].copy()
    return number


def profiles(past: Past, memory: Memory) -> np.ndarray:
    """Return profiles (lag, entity, place).

    Of slot s of day d, over the days k < d - n whose reading x is known, with what is expected c (1 for demand)::

        p[n, d, s] = c[d, s] sum_k(w[d, k] x[k, s]) / sum_k(w[d, k] c[k, s])
        w[d, k] = exp(-(d - k) / days) (1, or other_type)
    """
    first, off, shape = _first_day(past, memory), past.off, (-1, len(past.off), past.size)
    like = np.where(off[first:, None] == off, 1.0, memory.other_type)
    weights = [like * _fade(past, memory, lag) for lag in range(int(past.ahead().max()) + 1)]
    table = np.full((len(weights), len(past.values), *shape[1:]), np.nan)
    step = max(1, _BLOCK // past.values.shape[1])
    for begin in range(0, len(past.values), step):
        part = slice(begin, begin + step)
        c = past.expected if len(past.expected) == 1 else past.expected[part]
        known = ~np.isnan(past.values[part])
        values = np.where(known, past.values[part], 0.0).reshape(shape)
        expected = np.where(known, c, 0.0).reshape(shape)
        for profile, w in zip(table, weights, strict=True):
            profile[part, first:] = _ratio(w @ values, w @ expected) * c.reshape(shape)[:, first:]
    return table.reshape(len(table), len(past.values), -1)


def days_behind(past: Past, memory: Memory) -> np.ndarray:
    """Return the weight (entity, horizon) of the days behind the profiles of targets, of any type [d]."""
    known, ahead = ~np.isnan(past.values), past.ahead()
    weight = np.zeros((len(known), len(ahead)))
    for lag in range(int(ahead.max()) + 1):
        behind = _fade(past, memory, lag) @ known.reshape(-1, len(past.off), past.size)
        at, here = past.target[ahead == lag], ahead == lag
        weight[:, here] = behind[:, at // past.size - _first_day(past, memory), at % past.size]
    return weight


def _first_day(past: Past, memory: Memory) -> int:
    """Return the first day that has a profile: as many days back as origins go, and one more."""
    return int(max(0, past.now // past.size - memory.origins - 1))


def _fade(past: Past, memory: Memory, lag: int) -> np.ndarray:
    """Return the weights by age (day with a profile, day): exp(-age / days), 0 up to the lag and beyond the window."""
    days = np.arange(len(past.off))
    age = days[_first_day(past, memory) :, None] - days
    return np.where((age > lag) & (age <= memory.window), np.exp(-age / memory.days), 0.0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the ratio of sums a to sums b (entity, day, slot), filled up where b is small; NaN without any reading.

    With A and B the sums of a and b over the day, and m the share ``_LEAST``::

        g = max(0, m max(b) - b)          what b lacks of a share of the day's largest
        ratio = (a + g A / B) / (b + g)
    """
    a, b = above, below
    A, B = a.sum(axis=2, keepdims=True), b.sum(axis=2, keepdims=True)
    level = np.divide(A, B, out=np.full_like(B, np.nan), where=B > 0)
    g = np.maximum(_LEAST * b.max(axis=2, keepdims=True) - b, 0.0)
    return np.asarray((a + g * level) / (b + g))


def errors(past: Past, table: np.ndarray, memory: Memory) -> tuple[np.ndarray, Callable[..., np.ndarray]]:
    """Return the mean (entity, horizon), and a function for the errors of the method on earlier days.

    These are (entity, sample, horizon) [kW]; called with ``together=True``, those of the sum of all entities, as one:
    an entity whose reading or profile is missing counts for nothing in it. Origins o_k = now - k * size lie k = 0, 1
    and so on days back at the time of day of ``now``; a target has the lead l = target - now. With readings x and their
    profile p::

        f_k(l) = p(o_k + l) max(0, 1 + y D_k + r exp(-l / tau) (H_k - y D_k))
        e_k(l) = x(o_k + l) - f_k(l)

    D_k and H_k are the relative errors of the profile over the day and over the hour before o_k, y, r and tau are
    ``yesterday``, ``recent`` and ``recent_hours`` of the memory. The mean is f_0; the samples of a target are
    e_k(l - 1), e_k(l) and e_k(l + 1) for k >= 1: its own slot and both neighbours, wherever these are targets too.
    """
    o = past.now - past.size * np.arange(memory.origins + 1)
    o = o[o >= 0]
    lead = past.target - past.now
    D, H = (error[:, :, None] for error in _relative_errors(past, table[0], o))
    yD = memory.yesterday * D
    fading = memory.recent * np.exp(-lead * 24 / past.size / memory.recent_hours)
    target = o[:, None] + lead

    def f(k: slice) -> np.ndarray:
        p = table[past.ahead(), :, target[k]].transpose(2, 0, 1)
        return np.asarray(p * np.maximum(1 + yD[:, k] + fading * (H[:, k] - yD[:, k]), 0.0))

    def samples(together: bool = False) -> np.ndarray:
        earlier = slice(1, None)
        e = past.values[:, target[earlier]] - f(earlier)
        if together:
            known = ~np.isnan(e).all(axis=0, keepdims=True)
            e = np.where(known, np.nansum(e, axis=0, keepdims=True), np.nan)
        return _with_neighbours(e)

    return f(slice(1))[:, 0], samples


def _with_neighbours(e: np.ndarray) -> np.ndarray:
    """Return errors (entity, day, horizon) as samples of their slot and of both neighbours (entity, sample, horizon)."""
    if not e.shape[1]:
        return np.full((len(e), 1, e.shape[2]), np.nan)
    padded = np.pad(e, ((0, 0), (0, 0), (1, 1)), constant_values=np.nan)
    return np.concatenate([padded[..., :-2], e, padded[..., 2:]], axis=1)


def _relative_errors(past: Past, profile: np.ndarray, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative errors of the profile in the day and in the hour before origins (entity, origin) [1].

    Over the w slots before an origin, where the reading x is known and the profile p is above 0::

        error = sum(x - p) / (sum(p) + w * floor)        cut at -1 and 1; 0 where nothing is known

    The floor is the share ``_FLOOR`` of the mean profile: without it, errors at dawn would be unbounded.
    """
    before = origins[:, None] + np.arange(-past.size, 0)
    x, p = past.values[:, np.maximum(before, 0)], profile[:, np.maximum(before, 0)]
    both = ~np.isnan(x) & (p > 0) & (before >= 0)
    difference, p = np.where(both, x - p, 0.0), np.where(both, p, 0.0)
    floor = _FLOOR * p.sum(axis=(1, 2)) / np.maximum(both.sum(axis=(1, 2)), 1)

    def last(w: int) -> np.ndarray:
        above = difference[:, :, -w:].sum(axis=2)
        below = p[:, :, -w:].sum(axis=2) + w * floor[:, None]
        error = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        return np.asarray(np.clip(error, -1.0, 1.0))

    return last(past.size), last(max(1, past.size // 24))
