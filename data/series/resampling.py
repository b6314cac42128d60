"""Series of power from files: units, stamps, clocks and gaps resolved, energy preserved in the slots."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .. import clock
from ..clock import slots, zone
from ..files.file_format import FileFormat, several
from ..problems import InputError, Problem
from .readings import Readings, minute, placed, read

__all__ = ["FileFormat", "gaps", "near", "read_power", "read_rate", "resample", "slots", "span", "zone"]

SMALL_NEGATIVE = 0.01
"""Negative readings down to this share of a column's largest reading are an instrument's offset (assumption):
clipped to zero and noted. Larger ones are a problem."""

ZERO_RUN_HOURS = {"demand": 3.0, "any": 24.0}
"""Exact zeros for this long look like missing readings (assumption): used as they are, and noted. A home draws
something at any hour, while PV rests at night."""


def read_power(
    path: str | Path,
    columns: Sequence[str],
    fmt: FileFormat,
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    installed_kw: float | Sequence[float] | np.ndarray | None = None,
    quantity: str = "any",
    holes: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """Return the mean power of the slots (column, time) [kW], and notes on what was odd in the file.

    Power is constant within a reading's interval: the energy of a slot is the sum over the parts of intervals
    that it covers, so any ratio of step to slot preserves energy.

    Parameters
    ----------
    path
        The file; named in problems and notes as it is written here.
    columns
        Names in the header, in the order of the result; a name may recur.
    fmt
        How the file writes its readings.
    times
        Starts of the slots, naive UTC (time,).
    slot_hours
        Lengths of the slots, one or (time,) [h].
    installed_kw
        Installed power, one or (column,), for the unit ``W/kW`` [kW].
    quantity
        ``demand`` or ``any``: how long a run of exact zeros is noted (``ZERO_RUN_HOURS``).
    holes
        Whether gaps and empty cells are left as NaN instead of being problems.

    Raises
    ------
    InputError
        Every problem of the file: gaps and empty cells within the slots, stamps twice or out of order, text
        that is no number, negative power beyond ``SMALL_NEGATIVE``, and what :func:`readings.read` names.
    """
    readings, problems = read(path, columns, fmt)
    if fmt.unit == "W/kW" and installed_kw is None:
        problems.append(
            Problem(str(path), "", "installed_kw", "nothing", "installed power, as the unit is W/kW")
        )
    if problems:
        raise InputError(problems)
    hours = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))
    readings = _in_years(_power(readings, fmt, installed_kw), times, fmt)
    used = near(readings, times, hours)
    notes = _zero_runs(readings, used, ZERO_RUN_HOURS[quantity])
    readings, clipped, problems = _clip(readings, used)
    problems += [] if holes else gaps(readings, times, hours, fmt.time_column)
    if problems:
        raise InputError(problems)
    power = resample(readings.starts, readings.hours, readings.values, times.to_numpy(), hours)
    return power, notes + clipped


def read_rate(
    path: str | Path,
    column: str,
    fmt: FileFormat,
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    least: float = -np.inf,
) -> np.ndarray:
    """Return the mean over the slots (time,) of what is told per energy: a price, a carbon intensity.

    A reading holds throughout its interval, and a slot has the mean over its time; nothing is converted, and the
    unit of ``fmt`` does not matter. Readings below ``least`` are problems. Parameters as of :func:`read_power`.

    Raises
    ------
    InputError
        Every problem of the file, as of :func:`read_power`.
    """
    readings, problems = read(path, [column], fmt)
    if problems:
        raise InputError(problems)
    hours = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))
    readings = _in_years(readings, times, fmt)
    low = near(readings, times, hours) & (readings.values[0] < least)
    found = [(int(r), f"{v:g}") for r, v in zip(readings.rows[low], readings.values[0, low], strict=True)]
    problems = [
        *several(readings.where, column, found, f"at least {least:g}"),
        *gaps(readings, times, hours, fmt.time_column),
    ]
    if problems:
        raise InputError(problems)
    mean = resample(readings.starts, readings.hours, readings.values, times.to_numpy(), hours)
    return np.asarray(mean[0])


def gaps(
    readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray, time_column: str = "time"
) -> list[Problem]:
    """Return what the readings lack for the slots: rows that are missing, and empty cells."""
    if not len(times):
        return []
    where, step = readings.where, readings.step()
    first, last = times.to_numpy()[0], times.to_numpy()[-1] + span(hours[-1])
    end = readings.starts[-1] + step
    if first >= end or last <= readings.starts[0]:
        got = f"readings from {minute(readings.starts[0])} to {minute(end)} UTC"
        return [Problem(where, "", time_column, got, f"readings for {minute(first)} to {minute(last)} UTC")]
    used = near(readings, times, hours)
    known = readings.starts[used]
    since, until = np.concatenate([[first], known + step]), np.concatenate([known, [last]])
    wide = np.flatnonzero(since < until)
    rows = readings.rows[np.maximum(np.searchsorted(readings.starts, until[wide]) - 1, 0)]
    found = [
        (int(row), f"no readings from {minute(since[k])} to {minute(until[k])} UTC")
        for row, k in zip(rows, wide, strict=True)
    ]
    problems = list(several(where, time_column, found, f"a reading every {readings.hours * 60:g} minutes"))
    for name, empty in zip(readings.columns, np.isnan(readings.values) & used, strict=True):
        found = [(int(row), "no value") for row in readings.rows[empty]]
        problems += several(where, name, found, "a number")
    return problems


def resample(
    starts: np.ndarray,
    hours: float | np.ndarray,
    values: np.ndarray,
    times: np.ndarray,
    slot_hours: np.ndarray,
) -> np.ndarray:
    """Return the means over slots (column, time) of values (column, reading) constant in their intervals.

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


def _power(
    readings: Readings, fmt: FileFormat, installed_kw: float | Sequence[float] | np.ndarray | None
) -> Readings:
    """Return the readings as mean power [kW]."""
    values = readings.values
    if fmt.unit == "kWh":
        return replace(readings, values=values / readings.hours)
    if fmt.unit == "W/kW":
        installed = np.broadcast_to(np.asarray(installed_kw, dtype=float), (len(values),))
        return replace(readings, values=values * installed[:, None] / 1000.0)
    if fmt.unit == "kWh cumulative":
        power = np.diff(values, axis=1) / readings.hours
        next_to = np.diff(readings.starts) == readings.step()  # where a row is missing, its gap has no mean
        return replace(
            readings,
            starts=readings.starts[:-1][next_to],
            rows=readings.rows[1:][next_to],
            values=power[:, next_to],
        )
    return readings


def near(readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray) -> np.ndarray:
    """Return which readings (reading,) overlap the slots."""
    if not len(times):
        return np.zeros(len(readings.starts), dtype=bool)
    first, last = times.to_numpy()[0], times.to_numpy()[-1] + span(hours[-1])
    return np.asarray((readings.starts + readings.step() > first) & (readings.starts < last))


def _in_years(readings: Readings, times: pd.DatetimeIndex, fmt: FileFormat) -> Readings:
    """Return the readings in the years of the slots, if they are those of a reference year."""
    if not fmt.reference_year:
        return readings
    year = pd.Timestamp(readings.starts[0]).year
    return placed(readings, times, clock.standard_offset(clock.zone(fmt.time_zone), year))


def _clip(readings: Readings, used: np.ndarray) -> tuple[Readings, list[str], list[Problem]]:
    """Return the readings without small negative ones, notes on those, and the larger ones as problems."""
    notes: list[str] = []
    problems: list[Problem] = []
    for name, values in zip(readings.columns, readings.values, strict=True):
        least = -SMALL_NEGATIVE * max(np.nanmax(values, initial=0.0), 0.0)
        small = used & (values < 0) & (values >= least)
        if small.any():
            notes.append(
                f"{readings.where}: {name}: {small.sum()} small negative readings, the least "
                f"{values[small].min():g} kW, the first at row {readings.rows[small][0]}, are used as 0"
            )
        large = used & (values < least)
        found = [(int(r), f"{v:g} kW") for r, v in zip(readings.rows[large], values[large], strict=True)]
        problems += several(readings.where, name, found, f"at least 0 ({least:g} kW is taken for an offset)")
    return replace(readings, values=np.maximum(readings.values, 0.0)), notes, problems


def _zero_runs(readings: Readings, used: np.ndarray, least_hours: float) -> list[str]:
    """Return a note for each column with runs of exact zeros that are long enough to be missing readings."""
    notes = []
    for name, values in zip(readings.columns, readings.values, strict=True):
        zero = np.concatenate([[0], (values == 0.0).astype(int), [0]])
        first, last = np.flatnonzero(np.diff(zero) == 1), np.flatnonzero(np.diff(zero) == -1) - 1
        runs = [
            (a, b)
            for a, b in zip(first, last, strict=True)
            if (b - a + 1) * readings.hours >= least_hours and used[a : b + 1].any()
        ]
        if runs:
            total = sum(int(used[a : b + 1].sum()) for a, b in runs) * readings.hours
            longest = max(runs, key=lambda run: run[1] - run[0])
            notes.append(
                f"{readings.where}: {name}: exactly 0 for {total:g} h of the time used, in {len(runs)} runs of "
                f"{least_hours:g} h or more (the longest: rows {readings.rows[longest[0]]} to "
                f"{readings.rows[longest[1]]}): missing readings?"
            )
    return notes
