"""Gaps and changed meters as the user says they are to be read: nothing is filled that nobody asked for."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from .. import clock
from ..files.file_format import FileFormat
from .readings import Readings
from .resampling import mean_over_slots

INTERPOLATED_HOURS = 3.0
"""Longest gap that is interpolated where nobody says how long it may be [h]."""

_EARLIER = {"day-before": 1, "week-before": 7}


def fill(
    means: np.ndarray, readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return means over slots (column, time) without the gaps that ``fmt.gaps`` fills, and which were filled.

    ``zero``
        0 there.
    ``interpolate``
        On the straight line between the slots before and after.
    ``day-before``, ``week-before``
        What the same hour of the local clock had a day or a week before.

    A gap of more than ``fmt.gaps_up_to_hours`` (0: no bound, but 3 hours for ``interpolate``) stays as it is.
    """
    fmt = readings.fmt
    missing = np.isnan(means) & _short(np.isnan(means), hours, fmt)
    filled = means.copy()
    if fmt.gaps == "zero":
        filled[missing] = 0.0
    elif fmt.gaps == "interpolate":
        middle = np.asarray(times, dtype="datetime64[ns]").astype("int64") + hours * 1.8e12
        for column, hole in zip(filled, missing, strict=True):
            known = ~np.isnan(column)
            between = hole & (np.cumsum(known) > 0) & (np.cumsum(known[::-1])[::-1] > 0)
            column[between] = np.interp(middle[between], middle[known], column[known])
    elif fmt.gaps in _EARLIER:
        before = mean_over_slots(readings, _earlier(times, fmt, _EARLIER[fmt.gaps]), hours)
        filled[missing] = before[missing]
    return filled, missing & ~np.isnan(filled)


def _short(missing: np.ndarray, hours: np.ndarray, fmt: FileFormat) -> np.ndarray:
    """Return the missing slots (column, time) in gaps that are short enough."""
    most = fmt.gaps_up_to_hours or (INTERPOLATED_HOURS if fmt.gaps == "interpolate" else np.inf)
    short = np.zeros_like(missing)
    for column, hole in zip(short, missing, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hole.astype(int), [0]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            column[begin:end] = hours[begin:end].sum() <= most + 1e-9
    return short


def _earlier(times: pd.DatetimeIndex, fmt: FileFormat, days: int) -> pd.DatetimeIndex:
    """Return the instants (time,), naive UTC, of the same local clock some days before."""
    tz = clock.zone(fmt.time_zone)
    wall = clock.local(times, fmt.time_zone).tz_localize(None) - pd.Timedelta(days=days)
    before = wall.tz_localize(tz, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward")
    return before.tz_convert("UTC").tz_localize(None).as_unit("ns")


def notes(readings: Readings, filled: np.ndarray, times: pd.DatetimeIndex) -> list[str]:
    """Return a note on the slots (column, time) of each column that were filled."""
    local = clock.local(times, readings.fmt.time_zone)
    return [
        f"{readings.where}: {name}: {int(slots.sum())} slots without readings are filled (gaps: {readings.fmt.gaps}), "
        f"the first at {local[int(np.argmax(slots))]:%Y-%m-%dT%H:%M}"
        for name, slots in zip(readings.columns, filled, strict=True)
        if slots.any()
    ]


def over_changes(
    counter: Readings, steps: np.ndarray, next_to: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the steps of a counter (column, interval) over changes of the meter, and notes on what was assumed.

    Of a change that the user states, the step is what the old meter still counted and the new one began to::

        step = (last - reading before) + (reading after - first)

    ``meter_changes: at-a-drop`` takes a fall for a new meter that began from 0; what the old one still counted is lost.

    Parameters
    ----------
    counter
        Readings of the meter.
    steps
        Differences of neighbours (column, interval).
    next_to
        Positions of the first readings of the intervals (interval,).
    """
    changes = counter.fmt.meter_changes
    told: list[str] = []
    steps = steps.copy()
    if changes == "at-a-drop":
        for name, step, values in zip(counter.columns, steps, counter.values, strict=True):
            for k in np.flatnonzero(step < 0):
                before, after = values[next_to[k]], values[next_to[k] + 1]
                step[k] = after
                row = counter.rows[next_to[k] + 1]
                told.append(
                    f"{name}: row {row}: the counter falls from {before:g} to {after:g}, taken for a new meter from 0"
                )
        return steps, tuple(told)
    for change in changes if not isinstance(changes, str) else ():
        at = _instant(change["at"], counter.fmt)
        own = np.flatnonzero((counter.starts[next_to] <= at) & (at < counter.starts[next_to + 1]))
        for name, step, values in zip(counter.columns, steps, counter.values, strict=True):
            if change.get("column") in (None, name):
                for k in own:
                    old, new = change["last"] - values[next_to[k]], values[next_to[k] + 1] - change["first"]
                    step[k] = old + new
                    told.append(
                        f"{name}: row {counter.rows[next_to[k] + 1]}: a new meter, {old:g} on the old and {new:g} on it"
                    )
    return steps, tuple(told)


def bridged(counter: Readings) -> Readings:
    """Return a counter whose gaps are intervals too, up to the length that is interpolated: their energy is known."""
    if counter.fmt.gaps != "interpolate":
        return counter
    most = (counter.fmt.gaps_up_to_hours or INTERPOLATED_HOURS) * np.timedelta64(3_600_000_000_000, "ns")
    gaps = np.append(np.diff(counter.starts), np.timedelta64(0, "ns"))
    wide = (gaps > counter.spans()) & (gaps <= most)
    hours = np.where(wide, gaps, counter.spans()) / np.timedelta64(1, "h")
    if not wide.any():
        return counter
    note = (
        f"{int(wide.sum())} gaps of the counter are spread evenly (gaps: interpolate), the first before row "
    )
    note += str(counter.rows[int(np.argmax(wide)) + 1])
    return replace(counter, hours=hours, notes=(*counter.notes, note))


def _instant(moment: Any, fmt: FileFormat) -> np.datetime64:
    """Return a time of the file's clock, or one with its offset, as naive UTC."""
    at = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment))
    aware = at if at.tzinfo else at.replace(tzinfo=clock.zone(fmt.time_zone))
    return np.datetime64(aware.astimezone(UTC).replace(tzinfo=None), "ns")
