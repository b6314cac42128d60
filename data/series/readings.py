"""Readings of a file in the order of time, with every problem of rows and cells at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..files.file_format import FileFormat
from ..files.forms.numbers import missing, read_numbers
from ..files.forms.sheet import Block, read_blocks
from ..files.forms.stamps import Stamps, read_stamps
from ..problems import InputError, Problem
from .instants import Finding, instants, intervals

_MOST = 1e12  # a reading beyond it is none, and its sums could overflow
_ZERO = np.timedelta64(0, "ns")
_HOUR = np.timedelta64(3_600_000_000_000, "ns")

Span = tuple[np.datetime64, np.datetime64]


@dataclass(frozen=True)
class Readings:
    """Intervals and their values, in the order of time; NaN where a cell is empty.

    ``starts`` (reading,) are naive UTC, ``hours`` is the length of every interval, or of each (reading,), ``values``
    (column, reading) are as written, ``rows`` (reading,) are lines of the file ``where``, written as ``fmt`` says.
    """

    where: str
    columns: tuple[str, ...]
    starts: np.ndarray
    hours: float | np.ndarray
    values: np.ndarray
    rows: np.ndarray
    fmt: FileFormat = field(default_factory=FileFormat)
    notes: tuple[str, ...] = ()

    def spans(self) -> np.ndarray:
        """Return the lengths of the intervals (reading,)."""
        hours = np.broadcast_to(np.asarray(self.hours, dtype=float), self.starts.shape)
        return np.round(hours * 3.6e12).astype("timedelta64[ns]")

    def shortest(self) -> float:
        """Return the length of the shortest interval [h]."""
        return float(np.min(self.hours))

    def chosen(self, which: np.ndarray, starts: np.ndarray) -> "Readings":
        """Return some readings (reading,), by position or mask, at other starts."""
        hours = self.hours if np.ndim(self.hours) == 0 else np.asarray(self.hours)[which]
        rows, values = self.rows[which], self.values[:, which]
        return replace(self, starts=starts, hours=hours, rows=rows, values=values)


def read_readings(
    path: str | Path,
    columns: Sequence[str],
    fmt: FileFormat,
    further: Sequence[Problem] = (),
    within: Span | None = None,
) -> Readings:
    """Return the readings of columns of a file, of all columns but the time if none is named.

    Of a file in which meters stand below one another only one can be read so; see :func:`read_meters`.

    Raises
    ------
    InputError
        As :func:`read_meters`.
    """
    meters = read_meters(path, columns, fmt, further, within)
    if len(meters) > 1:
        got = f"{len(meters)} meters: {', '.join(m.columns[0] for m in meters)}"[:80]
        raise InputError([Problem(str(path), "", fmt.meter_column, got, "the name of one")])
    return meters[0]


def read_meters(
    path: str | Path,
    columns: Sequence[str],
    fmt: FileFormat,
    further: Sequence[Problem] = (),
    within: Span | None = None,
) -> list[Readings]:
    """Return the readings of columns of a file that share their stamps, or of each of its meters below one another.

    Raises
    ------
    InputError
        Every problem of rows and cells, of those that touch ``within`` (begin and end, naive UTC) if it is given, and
        ``further`` ones that are known already; alone, what leaves nothing to go on with: no such file, another
        encoding, separator or columns than ``fmt`` says.
    """
    where = str(path)
    if problems := list(fmt.problems(where)):
        raise InputError(problems)
    found: list[Readings] = []
    problems = []
    for block in read_blocks(path, tuple(dict.fromkeys(columns)) if fmt.meter_column else columns, fmt):
        readings, wrong = _of_block(where, block, fmt, within)
        problems += wrong
        found += [readings] if readings else []
    problems += further
    if problems or not found:
        raise InputError(problems or [_none_placed(where, fmt)])
    return found


def _of_block(
    where: str, block: Block, fmt: FileFormat, within: Span | None
) -> tuple[Readings | None, list[Problem]]:
    """Return the readings of a block, or None where too few can be placed, and its problems."""
    stamps = _stamps(block, fmt)
    lines, good = np.array(block.lines, dtype=int), ~np.isnat(stamps.moment)
    unreadable = [(int(lines[r]), repr(block.dates[r])) for r in np.flatnonzero(~good)]
    if block.clocks is not None:
        unreadable = [
            (int(lines[r]), f"{block.dates[r]!r}, {block.clocks[r]!r}") for r in np.flatnonzero(~good)
        ]
    form = repr(fmt.time_format) if fmt.time_format else "a time such as 2019-01-31T13:30"
    findings = [
        Finding("row", block.uneven, f"{block.width}, as in the header"),
        Finding(fmt.time_column, unreadable, form),
    ]
    if good.sum() < 2:
        few = Problem(where, "", fmt.time_column, f"{good.sum()} readings", "at least two rows of readings")
        return None, [*(p for f in findings for p in f.problems(where, {})), few]
    cells = [row for row, kept in zip(block.cells, good, strict=True) if kept]
    stamps, lines = stamps.chosen(good), lines[good]
    blank = np.array([all(map(missing, row)) for row in cells])
    if fmt.sampling == "on-change" and not blank.all():  # an empty row changes nothing
        cells = [row for row, empty in zip(cells, blank, strict=True) if not empty]
        stamps, lines, blank = stamps.chosen(~blank), lines[~blank], blank[~blank]
    utc, doubts = instants(stamps, lines, blank, fmt)
    values, no_numbers = _values(lines, cells, block.columns, fmt)
    findings += [*doubts, *no_numbers]
    placed = ~np.isnat(utc)
    readings = Readings(
        where, block.columns, utc[placed], 0.0, values[:, placed], lines[placed], fmt, tuple(block.notes)
    )
    irregular: list[Finding] = []
    if placed.sum() >= 2:
        readings, irregular = _in_order(readings, stamps.begins, within)
    every = [*findings, *irregular]
    relevant = _relevant({line for f in every for line, _ in f.rows}, lines[placed], utc[placed], within)
    problems = [p for f in every for p in f.problems(where, relevant)]
    return readings, problems if placed.sum() >= 2 else problems or [_none_placed(where, fmt)]


def _none_placed(where: str, fmt: FileFormat) -> Problem:
    return Problem(where, "", fmt.time_column, "no readings", "at least two rows of readings")


def _stamps(block: Block, fmt: FileFormat) -> Stamps:
    stamps = read_stamps(block.dates, block.clocks, fmt)
    return (
        stamps if block.slots is None else replace(stamps, slot=np.array(block.slots, dtype=int), begins=True)
    )


def _relevant(wrong: set[int], lines: np.ndarray, utc: np.ndarray, within: Span | None) -> dict[int, bool]:
    """Return whether lines may touch a span of time, by the readings around them."""
    if within is None or not wrong or not len(lines):
        return {}
    order = np.argsort(lines, kind="stable")
    lines, utc = lines[order], utc[order]
    margin = np.median(np.abs(np.diff(utc))).astype("timedelta64[ns]") if len(utc) > 1 else _HOUR
    relevant = {}
    for line in wrong:
        low, high = np.searchsorted(lines, line, side="left"), np.searchsorted(lines, line, side="right")
        around = utc[max(low - (low == high), 0) : max(high, low + 1)]
        known = around if len(around) else utc[-1:]
        relevant[line] = bool(known.max() + margin >= within[0] and known.min() - margin <= within[1])
    return relevant


def _values(
    lines: np.ndarray, cells: list[list[str]], columns: Sequence[str], fmt: FileFormat
) -> tuple[np.ndarray, list[Finding]]:
    """Return the values (column, reading), NaN for an empty cell, and the cells that are no numbers."""
    values = np.full((len(columns), len(lines)), np.nan)
    findings: list[Finding] = []
    read: dict[str, np.ndarray] = {}
    for c, name in enumerate(columns):
        if name in read:  # the same column again
            values[c] = read[name]
            continue
        column = [row[c] for row in cells]
        values[c], bad, hint = read_numbers(column, fmt.decimal, fmt.thousands)
        infinite = np.isinf(values[c])
        wrong = sorted({*bad, *np.flatnonzero(infinite).tolist()})
        large = np.flatnonzero((np.abs(values[c]) > _MOST) & ~infinite)
        want = f"a number with the decimal mark {fmt.decimal!r}{hint}"
        findings += [
            Finding(name, [(int(lines[r]), repr(column[r])) for r in wrong], want),
            Finding(
                name, [(int(lines[r]), repr(column[r])) for r in large], f"a magnitude of at most {_MOST:g}"
            ),
        ]
        values[c, [*wrong, *large.tolist()]] = np.nan
        read[name] = values[c]
    return values, findings


def _in_order(readings: Readings, begins: bool, within: Span | None) -> tuple[Readings, list[Finding]]:
    """Return the readings in the order of time with their lengths, and the rows that do not fit into it."""
    fmt, order = readings.fmt, np.argsort(readings.starts, kind="stable")
    if fmt.sampling == "on-change":  # of several at once the last in the file counts
        order = order[np.append(np.diff(readings.starts[order]) > _ZERO, True)]
    utc, rows = readings.starts[order], readings.rows[order]
    again = np.flatnonzero(np.diff(utc) == _ZERO) + 1
    twice = [(int(rows[k]), f"the time of row {rows[k - 1]} again") for k in again]
    starts, lengths, odd = intervals(utc, begins, fmt)
    if within is not None:  # what lies between two rows matters where it touches the span
        odd[1:] &= (starts[1:] > within[0]) & ((starts + lengths)[:-1] < within[1])
    minutes = np.diff(utc) / np.timedelta64(1, "m")
    step = min(lengths[lengths > _ZERO], default=_ZERO) / np.timedelta64(1, "m")
    off_step = [(int(rows[k]), f"{minutes[k - 1]:g} minutes after") for k in np.flatnonzero(odd)]
    hint = "" if fmt.sampling == "on-change" or len(off_step) < len(utc) / 4 else " (sampling: on-change?)"
    findings = [
        Finding(fmt.time_column, twice, f"each time once{_apart(len(twice), len(utc), fmt)}"),
        Finding(fmt.time_column, off_step, f"readings every {step:g} minutes{hint}"),
    ]
    hours = lengths / _HOUR
    uniform = bool((lengths == lengths[0]).all())
    notes = (
        readings.notes
        if uniform or fmt.sampling == "on-change"
        else (*readings.notes, _change(rows, lengths))
    )
    ordered = replace(readings, starts=starts, rows=rows, values=readings.values[:, order], notes=notes)
    return replace(ordered, hours=float(hours[0]) if uniform else hours), findings


def _apart(twice: int, rows: int, fmt: FileFormat) -> str:
    """Return a hint at what tells rows of the same time apart, where they are many."""
    if 2 * twice < rows or fmt.clock_column or fmt.meter_column:
        return ""
    return (
        " (clock_column, a column of the time of day? meter_column, of the meter? `otonari inspect` the file)"
    )


def _change(rows: np.ndarray, lengths: np.ndarray) -> str:
    """Return a note on where the step of the readings changes."""
    minutes = lengths / np.timedelta64(1, "m")
    at = np.flatnonzero(np.diff(minutes)) + 1
    parts = [f"every {minutes[0]:g} minutes", *(f"every {minutes[k]:g} from row {rows[k]} on" for k in at)]
    return f"readings {', '.join(parts)}"
