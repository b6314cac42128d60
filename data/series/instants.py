"""Instants of stamps, and the intervals that they bound: clocks that change, slots of days, steps that change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timezone, tzinfo
from itertools import pairwise

import numpy as np
import pandas as pd

from .. import clock
from ..files.file_format import STAMPS, UNITS, FileFormat
from ..files.forms.stamps import SLOTS_PER_DAY, Stamps
from ..problems import Problem, several

_ZERO = np.timedelta64(0, "ns")
_MINUTE = np.timedelta64(60_000_000_000, "ns")
_RUN = 3  # equal distances in a row that make a step


@dataclass(frozen=True)
class Finding:
    """What is wrong with rows of a file: (line, got) of each, the field, and what is wanted there."""

    field: str
    rows: Sequence[tuple[int, str]]
    want: str

    def problems(self, where: str, relevant: dict[int, bool]) -> list[Problem]:
        """Return the problems of the rows that matter."""
        rows = [(line, got) for line, got in self.rows if relevant.get(line, True)]
        return list(several(where, self.field, rows, self.want))


def instants(
    stamps: Stamps, lines: np.ndarray, blank: np.ndarray, fmt: FileFormat
) -> tuple[np.ndarray, list[Finding]]:
    """Return the instants of stamps (row,), naive UTC; NaT for a time that the clock skips, or a part of no day.

    Parameters
    ----------
    stamps
        Readable ones, in the order of the file.
    lines
        Of the rows (row,).
    blank
        Whether a row holds no value (row,); it need not be at a time that exists.
    fmt
        How the file is written.
    """
    bare = np.isnan(stamps.offset)
    tz = clock.zone(fmt.time_zone)
    if fmt.reference_year:  # whose months may come from different years
        tz = timezone(clock.standard_offset(tz, stamps.moment[0].astype("datetime64[Y]").item().year))
    findings: list[Finding] = []
    if stamps.slot.any():
        utc = _of_slots(stamps, blank, tz, fmt.slot_minutes)
    elif bare.all():
        utc, findings = _on_the_wall(stamps, lines, tz, fmt)
    elif bare.any():
        odd = bare if bare.sum() <= len(bare) / 2 else ~bare
        got = "a stamp " + ("without" if bare[odd][0] else "with") + " offset"
        want = "stamps of one kind, as in the other rows"
        return stamps.moment, [Finding(fmt.time_column, [(int(line), got) for line in lines[odd]], want)]
    else:
        utc = stamps.moment - (stamps.offset * 1e9).astype("timedelta64[ns]")
    lost = np.isnat(utc) & ~blank
    skipped = [(int(line), minute(m)) for line, m in zip(lines[lost], stamps.moment[lost], strict=True)]
    want = (
        f"a time that the clock of {fmt.time_zone} shows (a fixed offset, where the file keeps standard time)"
    )
    findings = [Finding(fmt.time_column, skipped, want), *findings]
    return utc + np.timedelta64(round(fmt.shift_minutes * 6e10), "ns"), findings


def _on_the_wall(
    stamps: Stamps, lines: np.ndarray, tz: tzinfo, fmt: FileFormat
) -> tuple[np.ndarray, list[Finding]]:
    """Return the instants of times of the local clock; a time that it shows twice is told by the order of the rows."""
    moment, findings = stamps.moment, []
    gaps = np.diff(moment)
    order = np.arange(len(moment))
    if (gaps < _ZERO).sum() > (gaps > _ZERO).sum():  # newest first
        order = order[::-1]
    twice = _twice(moment[order], tz)
    back = np.flatnonzero(np.diff(moment[order]) < _ZERO) + 1
    if not twice[back].all():  # out of order, also where the clock changes nothing
        order = order[np.argsort(moment[order], kind="stable")]
        twice = _twice(moment[order], tz)
        again = twice & (pd.Series(moment[order]).duplicated(keep=False).to_numpy())
        unsure = [(int(lines[r]), f"{minute(moment[r])}, which the clock shows twice") for r in order[again]]
        findings.append(
            Finding(fmt.time_column, unsure, "rows in the order of time, or stamps with their offset")
        )
    told = clock.to_utc(moment[order], tz)
    if fmt.stamp != "start" and not stamps.begins and not _even(told - _lead(told, fmt)):
        # Some loggers write the end of an interval as its start on the wall clock plus the interval's length.
        lead = _lead(moment[order], fmt)
        other = clock.to_utc(moment[order] - lead, tz)
        told = other + lead if _even(other) else told
    utc = np.empty_like(told)
    utc[order] = told
    return utc, findings


def _twice(moments: np.ndarray, tz: tzinfo) -> np.ndarray:
    """Return which local times (row,) the clock shows twice."""
    index = pd.DatetimeIndex(moments)
    early, late = (
        index.tz_localize(tz, ambiguous=np.full(len(index), first), nonexistent="NaT")
        for first in (True, False)
    )
    shown: np.ndarray = np.asarray(early != late) & ~np.asarray(early.isna())
    return shown


def _of_slots(stamps: Stamps, blank: np.ndarray, tz: tzinfo, minutes: int) -> np.ndarray:
    """Return the starts of numbered slots of days (row,), naive UTC.

    Numbers are hours (or parts of them) of the clock, unless the day's run on to the length that a day has on which the
    clock changes: 23 or 25 hours. Of two with the same number the first is in summer time.
    """
    slot = stamps.slot
    per_day = next(n for n in (*SLOTS_PER_DAY, 10**6) if slot[~blank].max(initial=1) <= n * 25 // 24)
    per_day = 1440 // minutes if minutes else per_day
    size = np.timedelta64(86_400_000_000_000 // per_day, "ns")
    days, of = np.unique(stamps.moment, return_inverse=True)
    begin, end = (
        pd.DatetimeIndex(d).tz_localize(tz, ambiguous=np.ones(len(d), bool), nonexistent="shift_forward")
        for d in (days, days + np.timedelta64(1, "D"))
    )
    length = ((end - begin) // size).to_numpy()
    highest = np.zeros(len(days), dtype=int)
    np.maximum.at(highest, of[~blank], slot[~blank])
    filled = np.bincount(of[~blank], minlength=len(days))
    counted = ((length != per_day) & (highest == length) & (filled == length))[of]
    on = stamps.moment + (slot - 1) * size
    utc = clock.to_utc(on, tz).copy()
    for first in (1, 2):
        own = stamps.again == first
        if own.any():
            ambiguous = np.full(own.sum(), first == 1)
            local = pd.DatetimeIndex(on[own]).tz_localize(tz, ambiguous=ambiguous, nonexistent="NaT")
            utc[own] = local.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy()
    midnight = begin.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy()[of]
    utc = np.where(counted, midnight + (slot - 1) * size, utc)
    utc[counted & (slot > length[of])] = np.datetime64("NaT")  # empty cells behind a day of 23 hours
    return utc


def intervals(utc: np.ndarray, begins: bool, fmt: FileFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return starts and lengths of the intervals of sorted instants (row,), and which of them fit into no step.

    A file may change its step, once or twice and not back: from hours to quarter-hours, say. Of values that hold until
    the next row (``on-change``) each interval has its own length, and the last none.
    """
    gaps = np.diff(utc)
    if fmt.sampling == "on-change":
        return utc, np.append(gaps, _ZERO), np.zeros(len(utc), dtype=bool)
    steps = _steps(gaps)
    before, after = np.append(_ZERO, gaps), np.append(gaps, _ZERO)
    halves = 0 if begins or UNITS[fmt.unit].counter else STAMPS[fmt.stamp]
    near, far = (before, after) if halves == 2 else (after, before)
    fits_near, fits_far = np.isin(near, steps), np.isin(far, steps)
    length = np.where(fits_near, near, np.where(fits_far, far, _ZERO))
    length = _of_the_neighbours(length)
    odd = np.append(
        False, (gaps > _ZERO) & ~np.isin(gaps, steps) & (gaps % min(steps, default=_MINUTE) != _ZERO)
    )
    if halves == 1 and len(steps) > 1:  # middles of a longer and a shorter interval lie half of both apart
        odd &= ~np.append(False, 2 * gaps == length[1:] + length[:-1])
    return utc - length * halves // 2, length, odd


def _steps(gaps: np.ndarray) -> list[np.timedelta64]:
    """Return the distances between neighbours that are the step: the most frequent, or some one after another."""
    gaps = gaps[gaps > _ZERO]
    if not len(gaps):
        return []
    edges = np.flatnonzero(np.append(True, gaps[1:] != gaps[:-1]))
    runs = np.diff(np.append(edges, len(gaps)))
    listed = [gaps[edge] for edge, run in zip(edges, runs, strict=True) if run >= _RUN]
    blocks = [g for n, g in enumerate(listed) if n == 0 or g != listed[n - 1]]
    divides = all(max(a, b) % min(a, b) == _ZERO for a, b in pairwise(blocks))
    if 1 < len(blocks) == len(set(blocks)) <= 3 and divides:
        return blocks
    lengths, counts = np.unique(gaps, return_counts=True)
    return [lengths[counts.argmax()]]


def _of_the_neighbours(length: np.ndarray) -> np.ndarray:
    """Return lengths (row,) where those of 0, between two gaps, are those of the row before, or else after."""
    known = pd.Series(length.astype("int64")).replace(0, np.nan).ffill().bfill().fillna(0)
    return known.to_numpy().astype("int64").astype("timedelta64[ns]")


def _lead(stamps: np.ndarray, fmt: FileFormat) -> np.timedelta64:
    """Return the time from the start of an interval to its stamp, of one step."""
    halves = 0 if UNITS[fmt.unit].counter else STAMPS[fmt.stamp]
    return _step(stamps) * halves // 2


def _step(stamps: np.ndarray) -> np.timedelta64:
    """Return the most frequent positive distance between neighbours."""
    gaps = np.diff(stamps[~np.isnat(stamps)])
    lengths, counts = np.unique(gaps[gaps > _ZERO], return_counts=True)
    return lengths[counts.argmax()] if len(lengths) else _ZERO


def _even(stamps: np.ndarray) -> bool:
    """Return whether all stamps exist and neighbours lie one step apart."""
    return not np.isnat(stamps).any() and bool((np.diff(stamps) == _step(stamps)).all())


def between(first: np.datetime64, last: np.datetime64, time_zone: str) -> str:
    """Return two instants as a text: on the local clock, and in UTC behind.

    >>> between(np.datetime64("2021-11-07T09:00"), np.datetime64("2021-11-07T10:00"), "America/Los_Angeles")
    '2021-11-07T01:00 to 2021-11-07T02:00 (2021-11-07T09:00 to 2021-11-07T10:00 UTC)'
    """
    utc = f"{minute(first)} to {minute(last)} UTC"
    local = clock.local(pd.DatetimeIndex([first, last]), time_zone)
    if not any(t.utcoffset() for t in local):
        return utc
    return f"{local[0]:%Y-%m-%dT%H:%M} to {local[1]:%Y-%m-%dT%H:%M} ({utc})"


def minute(moment: np.datetime64) -> str:
    """Return an instant as text, to the minute."""
    return str(np.datetime_as_string(moment, unit="m"))
