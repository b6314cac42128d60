"""Readings from a table, in the order of time, with every problem of rows and cells at once; reference years."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd

from .. import clock
from ..files.file_format import STAMPS, FileFormat, places, several, table, text
from ..problems import InputError, Problem

_MISSING = {"", "nan", "na", "n/a", "null", "none", "-"}
_MOST = 1e12  # a reading beyond it is none, and its sums could overflow
_HOUR = np.timedelta64(3_600_000_000_000, "ns")


@dataclass(frozen=True)
class Readings:
    """Intervals of equal length and their values, in the order of time; NaN where a cell is empty.

    ``starts`` (reading,) are naive UTC, ``hours`` is the length of every interval, ``values``
    (column, reading) are as written, ``rows`` (reading,) are lines of the file ``where``.
    """

    where: str
    columns: tuple[str, ...]
    starts: np.ndarray
    hours: float
    values: np.ndarray
    rows: np.ndarray

    def step(self) -> np.timedelta64:
        """Return the length of an interval."""
        return np.timedelta64(round(self.hours * 3.6e12), "ns")


def read(path: str | Path, columns: Sequence[str], fmt: FileFormat) -> tuple[Readings, list[Problem]]:
    """Return the readings of some columns of a file, and the problems of single rows and cells.

    Raises
    ------
    InputError
        Where there is nothing to go on with: no such file, another encoding, separator or columns than told.
    """
    where = str(path)
    problems = list(fmt.problems(where))
    if problems:
        raise InputError(problems)
    header, *lines = table(where, text(path, fmt.encoding), fmt.separator, fmt.skip_rows)
    at, width = places(where, header, columns, fmt), len(header[1])
    rows, moments, offsets, cells, problems = _cells(where, lines, at, width, fmt)
    if len(rows) < 2:
        got = f"{len(rows)} readings"
        raise InputError(
            [*problems, Problem(where, "", fmt.time_column, got, "at least two rows of readings")]
        )
    instants, wrong = _instants(where, rows, moments, offsets, fmt)
    problems += wrong
    values, lost = _numbers(where, rows, cells, columns, fmt)
    problems += lost
    good = ~np.isnat(instants)
    if good.sum() < 2:
        raise InputError(problems)
    readings = Readings(where, tuple(columns), instants[good], 0.0, values[:, good], rows[good])
    readings, wrong = _regular(readings, fmt)
    return readings, [*problems, *wrong]


def _cells(
    where: str, lines: list[tuple[int, list[str]]], at: list[int], width: int, fmt: FileFormat
) -> tuple[np.ndarray, np.ndarray, list[float], list[list[str]], list[Problem]]:
    """Return line, naive moment, offset [s; NaN for none] and cells of each row that has a time.

    A row has ``width`` cells, as the header: one with more may hold numbers that were cut at their decimal mark.
    """
    rows, moments, offsets, cells = [], [], [], []
    problems: list[Problem] = []
    uneven, bad = [], []
    for line, row in lines:
        if len(row) != width:
            uneven.append((line, f"{len(row)} cells"))
            continue
        try:
            moment, offset = clock.stamp(row[at[0]], fmt.time_format)
        except ValueError:
            bad.append((line, repr(row[at[0]])))
            continue
        rows.append(line)
        moments.append(np.datetime64(moment, "ns"))
        offsets.append(np.nan if offset is None else offset.total_seconds())
        cells.append([row[p].strip() for p in at[1:]])
    problems += several(where, "row", uneven, f"{width}, as in the header")
    form = repr(fmt.time_format) if fmt.time_format else "a time such as 2019-01-31T13:30"
    problems += several(where, fmt.time_column, bad, form)
    return np.array(rows), np.array(moments), offsets, cells, problems


def _instants(
    where: str, rows: np.ndarray, moments: np.ndarray, offsets: list[float], fmt: FileFormat
) -> tuple[np.ndarray, list[Problem]]:
    """Return the starts of the intervals (reading,), naive UTC, NaT for a local time that the clock skips."""
    seconds = np.array(offsets)
    bare = np.isnan(seconds)
    if bare.any() and not bare.all():
        odd = bare if bare.sum() <= len(bare) / 2 else ~bare
        found = [
            (int(r), "a stamp " + ("without" if bare[odd][0] else "with") + " offset") for r in rows[odd]
        ]
        return moments, list(
            several(where, fmt.time_column, found, "stamps of one kind, as in the other rows")
        )
    if not bare.any():
        utc = moments - (seconds * 1e9).astype("timedelta64[ns]")
        return utc - _lead(utc, fmt), []
    tz = clock.zone(fmt.time_zone, where)
    if fmt.reference_year:  # whose months may come from different years
        tz = timezone(clock.standard_offset(tz, moments[0].astype("datetime64[Y]").item().year))
    utc = clock.to_utc(moments, tz)
    utc = utc - _lead(utc, fmt)
    if fmt.stamp != "start" and not _even(utc):
        # Some loggers write the end of an interval as its start on the wall clock plus the interval's length.
        other = clock.to_utc(moments - _lead(moments, fmt), tz)
        utc = other if _even(other) else utc
    skipped = [
        (int(r), f"{minute(m)}") for r, m in zip(rows[np.isnat(utc)], moments[np.isnat(utc)], strict=True)
    ]
    want = (
        f"a time that the clock of {fmt.time_zone} shows (a fixed offset, where the file keeps standard time)"
    )
    return utc, list(several(where, fmt.time_column, skipped, want))


def _lead(stamps: np.ndarray, fmt: FileFormat) -> np.timedelta64:
    """Return the time from the start of an interval to its stamp."""
    share = 0 if fmt.unit == "kWh cumulative" else STAMPS.index(fmt.stamp)
    return _step(stamps) * share // 2


def _step(stamps: np.ndarray) -> np.timedelta64:
    """Return the most frequent positive distance between neighbours."""
    gaps = np.diff(stamps[~np.isnat(stamps)])
    lengths, counts = np.unique(gaps[gaps > np.timedelta64(0)], return_counts=True)
    return lengths[counts.argmax()] if len(lengths) else np.timedelta64(0, "ns")


def _even(stamps: np.ndarray) -> bool:
    return not np.isnat(stamps).any() and bool((np.diff(stamps) == _step(stamps)).all())


def _numbers(
    where: str, rows: np.ndarray, cells: list[list[str]], columns: Sequence[str], fmt: FileFormat
) -> tuple[np.ndarray, list[Problem]]:
    """Return the values (column, reading), NaN for an empty cell, and the cells that are no numbers."""
    problems: list[Problem] = []
    values = np.full((len(columns), len(rows)), np.nan)
    other = "," if fmt.decimal == "." else "."
    for c, name in enumerate(columns):
        bad, large, hint = [], [], ""
        for r, cell in enumerate(row[c] for row in cells):
            text = cell.replace(fmt.decimal, ".") if other not in cell else "x"
            try:
                values[c, r] = float(text)
            except ValueError:
                if cell.lower() not in _MISSING:
                    bad.append((int(rows[r]), repr(cell)))
                    if re.fullmatch(rf"[-+]?\d+[{other}]\d+", cell):
                        hint = f" (decimal: {other!r}?)"
            if np.isinf(values[c, r]):
                bad.append((int(rows[r]), repr(cell)))
            elif abs(values[c, r]) > _MOST:
                large.append((int(rows[r]), repr(cell)))
        problems += several(where, name, bad, f"a number with the decimal mark {fmt.decimal!r}{hint}")
        problems += several(where, name, large, f"a magnitude of at most {_MOST:g}")
    return values, problems


def _regular(readings: Readings, fmt: FileFormat) -> tuple[Readings, list[Problem]]:
    """Return the readings in the order of time with their step, and the rows that do not fit into it."""
    where, column, starts = readings.where, fmt.time_column, readings.starts
    step = _step(starts)
    order = np.argsort(starts, kind="stable")
    sorted_starts, sorted_rows = starts[order], readings.rows[order]
    gap = np.diff(sorted_starts)
    problems: list[Problem] = []
    again = np.flatnonzero(gap == np.timedelta64(0)) + 1
    found = [(int(sorted_rows[k]), f"the time of row {sorted_rows[k - 1]} again") for k in again]
    problems += several(where, column, found, "each time once")
    if not fmt.reference_year:  # the months of a typical year come from different years
        back = np.flatnonzero(np.diff(starts) < np.timedelta64(0)) + 1
        found = [(int(readings.rows[k]), f"{minute(starts[k])} UTC after a later time") for k in back]
        problems += several(where, column, found, "rows in the order of time")
    if step > np.timedelta64(0):
        odd = np.flatnonzero((gap > np.timedelta64(0)) & (gap % step != np.timedelta64(0))) + 1
        minutes = step / np.timedelta64(1, "m")
        found = [(int(sorted_rows[k]), f"{gap[k - 1] / np.timedelta64(1, 'm'):g} minutes after") for k in odd]
        problems += several(where, column, found, f"readings every {minutes:g} minutes")
    ordered = replace(readings, starts=sorted_starts, rows=sorted_rows, values=readings.values[:, order])
    return replace(ordered, hours=float(step / _HOUR)), problems


def placed(readings: Readings, times: pd.DatetimeIndex, offset: timedelta) -> Readings:
    """Return the readings of a reference year set into the years of the slots.

    A reading goes to its month, day and time of day in each of the years, whatever year it was written in.
    Where the readings have no 29 February, that of a leap year repeats 28 February; one that they have is
    left out of the other years.

    Parameters
    ----------
    readings
        Intervals of a year; the months may come from different years.
    times
        Starts of the slots, naive UTC (time,).
    offset
        Standard time less UTC, on which months, days and hours are counted.
    """
    if not len(times):
        return readings
    written = pd.DatetimeIndex(readings.starts) + offset
    leap = np.asarray((written.month == 2) & (written.day == 29))
    eve = np.flatnonzero((written.month == 2) & (written.day == 28))
    starts, source = [], []
    for year in range((times[0] + offset).year - 1, (times[-1] + offset).year + 2):
        long = bool(pd.Timestamp(year, 1, 1).is_leap_year)
        keep = np.flatnonzero(~leap | long)
        starts.append(_in_year(written[keep], year))
        source.append(keep)
        if long and not leap.any():
            starts.append(_in_year(written[eve], year) + timedelta(days=1))
            source.append(eve)
    index = np.concatenate([s.to_numpy() for s in starts]).astype("datetime64[ns]")
    index, first = np.unique(index - np.timedelta64(offset), return_index=True)
    place = np.concatenate(source)[first]
    return replace(readings, starts=index, values=readings.values[:, place], rows=readings.rows[place])


def _in_year(written: pd.DatetimeIndex, year: int) -> pd.DatetimeIndex:
    """Return local times with another year; every day must exist in it."""
    parts = {"year": year, "month": written.month, "day": written.day}
    return pd.DatetimeIndex(pd.to_datetime(pd.DataFrame(parts))) + (written - written.normalize())


def minute(moment: np.datetime64) -> str:
    """Return an instant as text, to the minute."""
    return str(np.datetime_as_string(moment, unit="m"))
