"""Metered energy of a community over the slots of a month, in whole Wh: read, corrected, and what is missing of it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..clock import local
from ..files.regular_file import EACH_POINT
from ..problems import InputError, Problem, suggestion
from ..schema.settlement import MeterFile, Point, Settlement
from ..series.plausibility import oddities
from ..series.power_and_rates import mean_power, power_over_slots
from ..series.readings import Readings, read_meters
from .demand_and_pv import Frame, format_of, pinned

_TWICE = 0.5
"""Readings of two files differ where they differ by more [Wh]."""
_ELSEWHERE = (-7, 7, -1, 1)
"""Days from which an estimate takes the same hour of the local clock, the first that has it."""


@dataclass
class MeterReadings:
    """Energies of metering points and directions (point, time) [Wh], and which of them are not read but estimated.

    ``left_out`` (point, time) are the slots of days with missing readings that are left out: their energies are zero.
    """

    energy: np.ndarray
    estimated: np.ndarray
    left_out: np.ndarray
    notes: list[str] = field(default_factory=list)


def meter_readings(settlement: Settlement, frame: Frame, asked: np.ndarray) -> MeterReadings:
    """Return the readings of all points; problems go to the frame.

    Parameters
    ----------
    settlement
        With the files of readings and of their corrections.
    frame
        The slots, and where problems and notes go.
    asked
        Slots (point, time) in which a point belongs to the community: elsewhere nothing is missing.
    """
    points = settlement.tables.points
    energy, columns = np.full(asked.shape, np.nan), set[str]()
    for file in settlement.readings:
        read, rows = _read(file, points, frame, columns)
        again = ~np.isnan(energy) & ~np.isnan(read) & (np.abs(energy - read) > _TWICE) & asked
        frame.problems += _twice(file, points, rows, energy, read, again, frame)
        energy = np.where(np.isnan(energy), read, energy)
    for file in settlement.corrections:
        read, _ = _read(file, points, frame, columns)
        changed = ~np.isnan(read) & ~np.isnan(energy) & (np.abs(energy - read) > _TWICE)
        frame.notes.append(f"{file.path}: corrects {int(changed.sum())} readings")
        energy = np.where(np.isnan(read), energy, read)
    lacking = [(p.column or p.point) not in columns for p in points]
    if not frame.problems:
        frame.problems += [_nowhere(p, columns) for p, none in zip(points, lacking, strict=True) if none]
    return _whole(settlement, frame, energy, asked & ~np.array(lacking)[:, None])


def _nowhere(point: Point, columns: Collection[str]) -> Problem:
    column = point.column or point.point
    want = f"a column {column!r} in a file of readings{suggestion(column, columns)}"
    return Problem("readings", "", _called(point), "no readings", want)


def _called(point: Point) -> str:
    """Return how a point is called in messages: whose it is, its label, its direction."""
    return f"{point.member or 'a plant in common'}, {point.point} ({point.direction})"


def _whole(settlement: Settlement, frame: Frame, energy: np.ndarray, asked: np.ndarray) -> MeterReadings:
    """Return energies in whole Wh, with what is missing refused, left out or estimated as the settlement says."""
    points, missing = settlement.tables.points, np.isnan(energy) & asked
    estimated, left_out = np.zeros_like(missing), np.zeros_like(missing)
    notes: list[str] = []
    if settlement.missing == "estimate":
        energy = _estimated(energy, missing, frame)
        estimated = missing & ~np.isnan(energy)
        notes += _told(points, estimated, frame, "estimated")
        missing &= ~estimated
    elif settlement.missing == "leave-out":
        left_out = _whole_days(points, missing, frame) & asked
        notes += _told(points, left_out & missing, frame, "missing: the day of its member is left out")
        missing = np.zeros_like(missing)
    if missing.any():
        want = "a reading of every slot, or missing: leave-out or estimate"
        rows = list(_told(points, missing, frame, "missing"))
        frame.problems += [Problem("readings", "", "missing", text, want) for text in rows]
    used = np.where(np.isnan(energy) | left_out | ~asked, 0.0, energy)
    return MeterReadings(np.rint(used).astype(np.int64), estimated, left_out, notes)


def _read(
    file: MeterFile, points: Sequence[Point], frame: Frame, columns: set[str]
) -> tuple[np.ndarray, dict[int, Readings]]:
    """Return what a file holds of the points (point, time) [Wh], NaN where it has nothing, and its readings by point.

    The names of its columns, or of its point where a file is of one, are added to ``columns``.
    """
    energy, found = np.full((len(points), len(frame.times)), np.nan), dict[int, Readings]()
    wanted = [n for n, p in enumerate(points) if file.direction in (None, p.direction)]
    try:
        pinned(file)
        for path, own in _paths(file, points, wanted):
            columns |= _take(file, path, own, points, frame, energy, found)
    except InputError as error:
        frame.problems += error.problems
    return energy, found


def _paths(file: MeterFile, points: Sequence[Point], wanted: list[int]) -> Iterator[tuple[str, list[int]]]:
    """Yield the paths of a file that exist, and the points that may be in each."""
    if EACH_POINT not in file.path:
        yield file.path, wanted
        return
    for n in wanted:
        path = file.path.replace(EACH_POINT, points[n].point)
        if Path(path).exists():
            yield path, [n]


def _take(
    file: MeterFile,
    path: str,
    own: list[int],
    points: Sequence[Point],
    frame: Frame,
    energy: np.ndarray,
    found: dict[int, Readings],
) -> set[str]:
    """Enter the energies of the points in one file [Wh], and their readings; return the columns that it has."""
    named = set[str]()
    form = replace(format_of(frame, file), unit=file.unit)
    hours = np.full(len(frame.times), frame.hours)
    for meter in read_meters(path, (), form, within=_span(frame)):
        alone = EACH_POINT in file.path and len(meter.columns) == 1
        columns = {points[n].column or points[n].point: n for n in own}
        named |= set(columns if alone else meter.columns)
        here = {
            c: (own[0] if alone else columns[name])
            for c, name in enumerate(meter.columns)
            if alone or name in columns
        }
        if not here:
            continue
        picked = replace(
            meter, columns=tuple(meter.columns[c] for c in here), values=meter.values[list(here)]
        )
        power, notes = power_over_slots(picked, frame.times, hours, holes=True)
        frame.notes += notes
        _doubt(picked, frame)
        for row, n in zip(power, here.values(), strict=True):
            energy[n], found[n] = row * frame.hours * 1000, picked
    return named


def _doubt(readings: Readings, frame: Frame) -> None:
    """Take up what is hardly possible of readings."""
    power = mean_power(readings, None)
    used = (power.starts + power.spans() > _span(frame)[0]) & (power.starts < _span(frame)[1])
    frame.doubt(oddities(power, used))


def _span(frame: Frame) -> tuple[np.datetime64, np.datetime64]:
    times = frame.times.to_numpy()
    return times[0], times[-1] + np.timedelta64(frame.time.slot_minutes, "m")


def _twice(
    file: MeterFile,
    points: Sequence[Point],
    rows: dict[int, Readings],
    energy: np.ndarray,
    read: np.ndarray,
    again: np.ndarray,
    frame: Frame,
) -> Iterator[Problem]:
    """Yield the first slot of each point that two files have with different values."""
    for n in map(int, np.flatnonzero(again.any(axis=1))):
        t = int(np.argmax(again[n]))
        readings = rows[n]
        place = int(np.searchsorted(readings.starts, frame.times.to_numpy()[t], side="right"))
        row = readings.rows[max(place - 1, 0)]
        got = f"{read[n, t]:g} Wh at {_local(frame)[t]:%Y-%m-%dT%H:%M}, {energy[n, t]:g} in a file before"
        more = f" ({int(again[n].sum())} slots)" if again[n].sum() > 1 else ""
        want = "one value; what takes its place belongs in corrections"
        yield Problem(readings.where, str(row), points[n].column or points[n].point, got + more, want)


def _local(frame: Frame) -> pd.DatetimeIndex:
    return local(frame.times, frame.time.time_zone)


def _days(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the local days as text (day,), and the day of each slot (time,)."""
    names, day = np.unique(_local(frame).strftime("%Y-%m-%d").to_numpy(str), return_inverse=True)
    return names, day


def _told(points: Sequence[Point], which: np.ndarray, frame: Frame, what: str) -> Iterator[str]:
    """Yield a line per point and day with slots (point, time) of some kind, by member."""
    names, day = _days(frame)
    slots = np.bincount(day)
    for n in map(int, np.flatnonzero(which.any(axis=1))):
        counts = np.bincount(day, which[n], minlength=len(names)).astype(int)
        for d in np.flatnonzero(counts):
            yield f"{_called(points[n])}, {names[d]}: {counts[d]} of {slots[d]} {what}"


def _whole_days(points: Sequence[Point], missing: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the slots (point, time) of days on which a point of the same member, or the plant, misses a reading."""
    names, day = _days(frame)
    whose = [p.member or f"\0{p.point}" for p in points]
    labels = list(dict.fromkeys(whose))
    by_member = np.zeros((len(labels), len(names)), dtype=bool)
    for n, label in enumerate(whose):
        by_member[labels.index(label)] |= np.bincount(day, missing[n], minlength=len(names)) > 0
    return by_member[[labels.index(label) for label in whose]][:, day]


def _estimated(energy: np.ndarray, missing: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the energies with what is missing taken from the same hour a week or a day before or after."""
    clock = _local(frame).tz_localize(None)
    place = pd.Series(np.arange(len(clock)), index=clock)
    place = place[~place.index.duplicated()]
    filled = energy.copy()
    for days in _ELSEWHERE:
        there = place.reindex(clock + pd.Timedelta(days=days)).to_numpy(dtype=float)
        known = ~np.isnan(there)
        source = np.full(energy.shape, np.nan)
        source[:, known] = energy[:, there[known].astype(int)]
        filled = np.where(missing & np.isnan(filled), source, filled)
    return filled
