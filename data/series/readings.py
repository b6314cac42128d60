"""Readings of a CSV file in the order of time, with every problem of rows and cells at once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timezone
from pathlib import Path

import numpy as np

from .. import clock
from ..files.csv_text import read_text, records
from ..files.file_format import STAMPS, UNITS, FileFormat, positions
from ..problems import InputError, Problem, several

_MISSING = {"", "nan", "na", "n/a", "null", "none", "-"}
_MOST = 1e12  # a reading beyond it is none, and its sums could overflow
_HOUR = np.timedelta64(3_600_000_000_000, "ns")


@dataclass(frozen=True)
class Readings:
    """Intervals of equal length and their values, in the order of time; NaN where a cell is empty.

    ``starts`` (reading,) are naive UTC, ``hours`` is the length of every interval, ``values``
    (column, reading) are as written, ``rows`` (reading,) are lines of the file ``where``, written as ``fmt`` says.
    """

    where: str
    columns: tuple[str, ...]
    starts: np.ndarray
    hours: float
    values: np.ndarray
    rows: np.ndarray
    fmt: FileFormat = field(default_factory=FileFormat)

    def step(self) -> np.timedelta64:
        """Return the length of an interval."""
        return np.timedelta64(round(self.hours * 3.6e12), "ns")


def read_readings(
    path: str | Path, columns: Sequence[str], fmt: FileFormat, further: Sequence[Problem] = ()
) -> Readings:
    """Return the readings of columns of a file, of all columns but the time if none is named.

    Raises
    ------
    InputError
        Every problem of rows and cells, and ``further`` ones that are known already; alone, what leaves nothing to
        go on with: no such file, another encoding, separator or columns than ``fmt`` says.
    """
    where = str(path)
    if problems := list(fmt.problems(where)):
        raise InputError(problems)
    header, *lines = records(where, read_text(path, fmt.encoding), fmt.separator, fmt.skip_rows)
    names = tuple(columns) or _all_columns(where, header[1], fmt)
    at, width = positions(where, header, names, fmt), len(header[1])
    rows, stamps, offsets, cells, problems = _cells(where, lines, at, width, fmt)
    if len(rows) < 2:
        got = f"{len(rows)} readings"
        few = Problem(where, "", fmt.time_column, got, "at least two rows of readings")
        raise InputError([*problems, few])
    starts, skipped = _starts(where, rows, stamps, offsets, fmt)
    values, no_numbers = _numbers(where, rows, cells, names, fmt)
    problems += [*skipped, *no_numbers]
    good = ~np.isnat(starts)
    if good.sum() < 2:
        raise InputError(problems)
    readings = Readings(where, names, starts[good], 0.0, values[:, good], rows[good], fmt)
    readings, irregular = _in_order(readings)
    if problems := [*problems, *irregular, *further]:
        raise InputError(problems)
    return readings


def _all_columns(where: str, header: list[str], fmt: FileFormat) -> tuple[str, ...]:
    """Return the columns of a header but the time's."""
    names = tuple(name.strip() for name in header if name.strip() != fmt.time_column)
    if not names:
        raise InputError([Problem(where, "", "columns", "no column but the time", "a column of readings")])
    return names


def _cells(
    where: str, lines: list[tuple[int, list[str]]], at: list[int], width: int, fmt: FileFormat
) -> tuple[np.ndarray, np.ndarray, list[float], list[list[str]], list[Problem]]:
    """Return line, naive stamp, offset [s; NaN for none] and cells of each row that has a time.

    A row has ``width`` cells, as the header: one with more may hold numbers that were cut at their decimal mark.
    """
    rows, stamps, offsets, cells = [], [], [], []
    problems: list[Problem] = []
    uneven, unreadable = [], []
    for line, row in lines:
        if len(row) != width:
            uneven.append((line, f"{len(row)} cells"))
            continue
        try:
            stamp, offset = clock.stamp(row[at[0]], fmt.time_format)
        except ValueError:
            unreadable.append((line, repr(row[at[0]])))
            continue
        rows.append(line)
        stamps.append(np.datetime64(stamp, "ns"))
        offsets.append(np.nan if offset is None else offset.total_seconds())
        cells.append([row[p].strip() for p in at[1:]])
    problems += several(where, "row", uneven, f"{width}, as in the header")
    form = repr(fmt.time_format) if fmt.time_format else "a time such as 2019-01-31T13:30"
    problems += several(where, fmt.time_column, unreadable, form)
    return np.array(rows), np.array(stamps), offsets, cells, problems


def _starts(
    where: str, rows: np.ndarray, stamps: np.ndarray, offsets: list[float], fmt: FileFormat
) -> tuple[np.ndarray, list[Problem]]:
    """Return the starts of the intervals (reading,), naive UTC, NaT for a local time that the clock skips."""
    seconds = np.array(offsets)
    bare = np.isnan(seconds)
    if bare.all():
        return _starts_on_the_wall(where, rows, stamps, fmt)
    if bare.any():
        odd = bare if bare.sum() <= len(bare) / 2 else ~bare
        got = "a stamp " + ("without" if bare[odd][0] else "with") + " offset"
        want = "stamps of one kind, as in the other rows"
        return stamps, list(several(where, fmt.time_column, [(int(row), got) for row in rows[odd]], want))
    utc = stamps - (seconds * 1e9).astype("timedelta64[ns]")
    return utc - _lead(utc, fmt), []


def _starts_on_the_wall(
    where: str, rows: np.ndarray, stamps: np.ndarray, fmt: FileFormat
) -> tuple[np.ndarray, list[Problem]]:
    """Return the starts of intervals whose stamps are times of the local clock, as :func:`_starts` does."""
    tz = clock.zone(fmt.time_zone, where)
    if fmt.reference_year:  # whose months may come from different years
        tz = timezone(clock.standard_offset(tz, stamps[0].astype("datetime64[Y]").item().year))
    utc = clock.to_utc(stamps, tz)
    utc = utc - _lead(utc, fmt)
    if fmt.stamp != "start" and not _even(utc):
        # Some loggers write the end of an interval as its start on the wall clock plus the interval's length.
        other = clock.to_utc(stamps - _lead(stamps, fmt), tz)
        utc = other if _even(other) else utc
    lost = np.isnat(utc)
    skipped = [(int(row), minute(stamp)) for row, stamp in zip(rows[lost], stamps[lost], strict=True)]
    want = (
        f"a time that the clock of {fmt.time_zone} shows (a fixed offset, where the file keeps standard time)"
    )
    return utc, list(several(where, fmt.time_column, skipped, want))


def _lead(stamps: np.ndarray, fmt: FileFormat) -> np.timedelta64:
    """Return the time from the start of an interval to its stamp."""
    halves = 0 if UNITS[fmt.unit].counter else STAMPS[fmt.stamp]
    return _step(stamps) * halves // 2


def _step(stamps: np.ndarray) -> np.timedelta64:
    """Return the most frequent positive distance between neighbours."""
    gaps = np.diff(stamps[~np.isnat(stamps)])
    lengths, counts = np.unique(gaps[gaps > np.timedelta64(0, "ns")], return_counts=True)
    return lengths[counts.argmax()] if len(lengths) else np.timedelta64(0, "ns")


def _even(stamps: np.ndarray) -> bool:
    """Return whether all stamps exist and neighbours lie one step apart."""
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
            text = cell.replace(fmt.decimal, ".") if other not in cell and "_" not in cell else "x"
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


def _in_order(readings: Readings) -> tuple[Readings, list[Problem]]:
    """Return the readings in the order of time with their step, and the rows that do not fit into it."""
    where, fmt, starts = readings.where, readings.fmt, readings.starts
    step = _step(starts)
    order = np.argsort(starts, kind="stable")
    sorted_starts, sorted_rows = starts[order], readings.rows[order]
    gap = np.diff(sorted_starts)
    problems: list[Problem] = []
    again = np.flatnonzero(gap == np.timedelta64(0, "ns")) + 1
    twice = [(int(sorted_rows[k]), f"the time of row {sorted_rows[k - 1]} again") for k in again]
    problems += several(where, fmt.time_column, twice, "each time once")
    if not fmt.reference_year:  # the months of a typical year come from different years
        back = np.flatnonzero(np.diff(starts) < np.timedelta64(0, "ns")) + 1
        late = [(int(readings.rows[k]), f"{minute(starts[k])} UTC after a later time") for k in back]
        problems += several(where, fmt.time_column, late, "rows in the order of time")
    if step > np.timedelta64(0, "ns"):
        odd = np.flatnonzero((gap > np.timedelta64(0, "ns")) & (gap % step != np.timedelta64(0, "ns"))) + 1
        minutes = step / np.timedelta64(1, "m")
        off_step = [
            (int(sorted_rows[k]), f"{gap[k - 1] / np.timedelta64(1, 'm'):g} minutes after") for k in odd
        ]
        problems += several(where, fmt.time_column, off_step, f"readings every {minutes:g} minutes")
    ordered = replace(readings, starts=sorted_starts, rows=sorted_rows, values=readings.values[:, order])
    return replace(ordered, hours=float(step / _HOUR)), problems


def minute(moment: np.datetime64) -> str:
    """Return an instant as text, to the minute."""
    return str(np.datetime_as_string(moment, unit="m"))
