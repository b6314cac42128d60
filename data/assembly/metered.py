"""Energies of metering points over slots, as their files have them: read, corrected, and doubted."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
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


def energies(settlement: Settlement, frame: Frame) -> np.ndarray:
    """Return what the files have of all points (point, time) [Wh], NaN where they have nothing.

    Problems and notes go to the frame: columns that no file has, what two files have with two values, corrections, and
    readings that are hardly possible, by member and day.
    """
    points = settlement.tables.points
    energy, columns = np.full((len(points), len(frame.times)), np.nan), set[str]()
    for file in settlement.readings:
        read, rows = _read(file, points, frame, columns)
        again = ~np.isnan(energy) & ~np.isnan(read) & (np.abs(energy - read) > _TWICE)
        frame.problems += _twice(points, rows, energy, read, again, frame)
        energy = np.where(np.isnan(energy), read, energy)
    for file in settlement.corrections:
        read, _ = _read(file, points, frame, columns)
        changed = ~np.isnan(read) & ~np.isnan(energy) & (np.abs(energy - read) > _TWICE)
        frame.notes.append(f"{file.path}: corrects {int(changed.sum())} readings")
        energy = np.where(np.isnan(read), energy, read)
    if not frame.problems:
        frame.problems += [_nowhere(p, columns) for p in points if (p.column or p.point) not in columns]
    return energy


def called(point: Point) -> str:
    """Return how a point is called in messages: whose it is, its label, its direction."""
    return f"{point.member or 'a plant in common'}, {point.point} ({point.direction})"


def _nowhere(point: Point, columns: Collection[str]) -> Problem:
    column = point.column or point.point
    want = f"a column {column!r} in a file of readings{suggestion(column, columns)}"
    return Problem("readings", "", called(point), "no readings", want)


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
        _doubt(picked, [points[n] for n in here.values()], frame)
        for row, n in zip(power, here.values(), strict=True):
            energy[n], found[n] = row * frame.hours * 1000, picked
    return named


def _doubt(readings: Readings, points: Sequence[Point], frame: Frame) -> None:
    """Take up what is hardly possible of the readings of points, by member and day."""
    power, (begin, end) = mean_power(readings, None), _span(frame)
    used = (power.starts + power.spans() > begin) & (power.starts < end)
    whose = dict(zip(readings.columns, points, strict=True))
    zone = frame.time.time_zone
    for odd in oddities(power, used):
        start = power.starts[np.flatnonzero(power.rows == int(odd.row))[:1]]
        day = local(pd.DatetimeIndex(start), zone)[0]
        where = f"{called(whose[odd.field])}, {day:%Y-%m-%d}, doubtful"
        frame.doubt([replace(odd, field=where)])


def _span(frame: Frame) -> tuple[np.datetime64, np.datetime64]:
    times = frame.times.to_numpy()
    return times[0], times[-1] + np.timedelta64(frame.time.slot_minutes, "m")


def _twice(
    points: Sequence[Point],
    rows: dict[int, Readings],
    energy: np.ndarray,
    read: np.ndarray,
    again: np.ndarray,
    frame: Frame,
) -> Iterator[Problem]:
    """Yield the first slot of each point that two files have with different values."""
    when = local(frame.times, frame.time.time_zone)
    for n in map(int, np.flatnonzero(again.any(axis=1))):
        t = int(np.argmax(again[n]))
        readings = rows[n]
        place = int(np.searchsorted(readings.starts, frame.times.to_numpy()[t], side="right"))
        row = readings.rows[max(place - 1, 0)]
        got = f"{read[n, t]:g} Wh at {when[t]:%Y-%m-%dT%H:%M}, {energy[n, t]:g} in a file before"
        more = f" ({int(again[n].sum())} slots)" if again[n].sum() > 1 else ""
        want = "one value; what takes its place belongs in corrections"
        yield Problem(readings.where, str(row), points[n].column or points[n].point, got + more, want)
