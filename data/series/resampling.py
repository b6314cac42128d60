"""The means of readings over slots, and what readings lack for them."""

import numpy as np
import pandas as pd

from ..problems import Problem, several
from .instants import between
from .readings import Readings


def mean_over_slots(readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray) -> np.ndarray:
    """Return the means over slots (column, time) of readings that hold throughout their intervals."""
    return resample(readings.starts, readings.hours, readings.values, times.to_numpy(), hours)


def resample(
    starts: np.ndarray,
    hours: float | np.ndarray,
    values: np.ndarray,
    times: np.ndarray,
    slot_hours: np.ndarray,
) -> np.ndarray:
    """Return the means over slots (column, time) of values (column, reading) constant in their intervals.

    With the values v_r of readings r, and the hours h_s of slot s::

        mean_s = sum_r(v_r * hours of the overlap of r and s) / h_s

    Parameters
    ----------
    starts, hours
        Starts of the intervals (reading,), increasing, and their lengths, one or (reading,) [h].
    values
        Mean of each interval (column, reading).
    times, slot_hours
        Starts (time,), increasing and not overlapping, and lengths (time,) of the slots [h].

    Returns
    -------
    numpy.ndarray
        (column, time); NaN for a slot that is not covered wholly by intervals, or touches a NaN.

    Examples
    --------
    >>> day = np.array(["2020-01-01T00", "2020-01-01T01"], dtype="datetime64[ns]")
    >>> half = np.arange(day[0], day[0] + np.timedelta64(2, "h"), np.timedelta64(30, "m"))
    >>> resample(day, 1.0, np.array([[1.0, 3.0]]), half, np.full(4, 0.5))
    array([[1., 1., 3., 3.]])
    """
    if not len(times):
        return np.empty((len(values), 0))
    times = times.astype("datetime64[ns]")
    ends, slot_ends = starts + span(hours), times + span(slot_hours)
    edges = np.unique(np.concatenate([starts, ends, times, slot_ends]))
    edges = edges[(edges >= times[0]) & (edges <= slot_ends[-1])]
    begin, share = edges[:-1], np.diff(edges)
    reading = np.searchsorted(starts, begin, side="right") - 1
    covered = (reading >= 0) & (begin < ends[reading])
    slot = np.searchsorted(times, begin, side="right") - 1
    inside = begin < slot_ends[slot]
    part = np.where(covered, values[:, reading], np.nan)[:, inside]
    weight = (share / span(slot_hours)[slot])[inside]
    first = np.searchsorted(slot[inside], np.arange(len(times)))
    return np.add.reduceat(part * weight, first, axis=1)


def span(hours: float | np.ndarray) -> np.ndarray:
    """Return hours as durations, to the nanosecond."""
    return np.round(np.asarray(hours) * 3.6e12).astype("timedelta64[ns]")


def near(readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray) -> np.ndarray:
    """Return whether readings (reading,) overlap the slots (time,) of some hours (time,)."""
    if not len(times):
        return np.zeros(len(readings.starts), dtype=bool)
    first, last = times.to_numpy()[0], times.to_numpy()[-1] + span(hours[-1])
    return np.asarray((readings.starts + readings.spans() > first) & (readings.starts < last))


def gaps(readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray) -> list[Problem]:
    """Return what the readings lack for the slots (time,): rows that are missing, and empty cells."""
    if not len(times):
        return []
    zone = readings.fmt.time_zone
    where, time_column, ends = readings.where, readings.fmt.time_column, readings.starts + readings.spans()
    first, last, end = times.to_numpy()[0], times.to_numpy()[-1] + span(hours[-1]), ends[-1]
    if first >= end or last <= readings.starts[0]:
        got = f"readings from {between(readings.starts[0], end, zone)}"
        return [Problem(where, "", time_column, got, f"readings for {between(first, last, zone)}")]
    used = near(readings, times, hours)
    since = np.concatenate([[first], ends[used]])
    until = np.concatenate([readings.starts[used], [last]])
    wide = np.flatnonzero(since < until)
    rows = readings.rows[np.maximum(np.searchsorted(readings.starts, until[wide]) - 1, 0)]
    missing = [
        (int(row), f"no readings from {between(since[k], until[k], zone)}")
        for row, k in zip(rows, wide, strict=True)
    ]
    every = (
        "without a gap"
        if readings.fmt.sampling == "on-change"
        else f"every {readings.shortest() * 60:g} minutes"
    )
    problems = list(several(where, time_column, missing, f"a reading {every}"))
    for name, empty in zip(readings.columns, np.isnan(readings.values) & used, strict=True):
        problems += several(where, name, [(int(row), "no value") for row in readings.rows[empty]], "a number")
    return problems
