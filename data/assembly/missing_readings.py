"""Energies of metering points in whole Wh: what is missing of them refused, left out or estimated, by member and day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..clock import local
from ..problems import Problem
from ..schema.settlement import Point, Settlement
from .demand_and_pv import Frame
from .metered import called

_ELSEWHERE = (-7, 7, -1, 1)
"""Days from which an estimate takes the same hour of the local clock, the first that has it."""


@dataclass(frozen=True)
class MeterReadings:
    """Energies of metering points and directions (point, time) [Wh], and which of them are not read but estimated.

    ``left_out`` (point, time) are the slots of days with missing readings that are left out: their energies are zero.
    ``notes`` say of each such day (YYYY-MM-DD) what is missing.
    """

    energy: np.ndarray
    estimated: np.ndarray
    left_out: np.ndarray
    notes: tuple[tuple[str, str], ...] = ()

    def between(self, start: int, stop: int, month: str) -> "MeterReadings":
        """Return the readings of the slots from ``start`` until before ``stop``, which are those of a month."""
        energy, estimated, left_out = (
            values[:, start:stop] for values in (self.energy, self.estimated, self.left_out)
        )
        notes = tuple(note for note in self.notes if note[0].startswith(month))
        return MeterReadings(energy, estimated, left_out, notes)


def in_whole(settlement: Settlement, frame: Frame, energy: np.ndarray, asked: np.ndarray) -> MeterReadings:
    """Return readings (point, time) in whole Wh; what is missing and refused goes to the frame.

    Parameters
    ----------
    settlement
        Says what is done with what is missing.
    frame
        The slots.
    energy
        Of the points (point, time), NaN where nothing was read [Wh].
    asked
        Slots (point, time) in which a point belongs to the community: elsewhere nothing is missing, and nothing used.
    """
    points, missing = settlement.tables.points, np.isnan(energy) & asked
    estimated, left_out = np.zeros_like(missing), np.zeros_like(missing)
    notes: list[tuple[str, str]] = []
    if settlement.missing == "estimate":
        energy = _estimated(energy, missing, frame)
        estimated = missing & ~np.isnan(energy)
        notes += _by_day(points, estimated, frame, "estimated")
        missing &= ~estimated
    elif settlement.missing == "leave-out":
        left_out = _whole_days(points, missing, frame) & asked
        notes += _by_day(points, left_out & missing, frame, "missing: the day of its member is left out")
        missing = np.zeros_like(missing)
    want = "a reading of every slot, or missing: leave-out or estimate"
    for _, got in _by_day(points, missing, frame, "missing"):
        frame.problems.append(Problem("readings", "", "missing", got, want))
    used = np.where(np.isnan(energy) | left_out | ~asked, 0.0, energy)
    return MeterReadings(np.rint(used).astype(np.int64), estimated, left_out, tuple(notes))


def _days(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the local days as text (day,), and the day of each slot (time,)."""
    days = local(frame.times, frame.time.time_zone).strftime("%Y-%m-%d").to_numpy(str)
    names, day = np.unique(days, return_inverse=True)
    return names, day


def _by_day(points: Sequence[Point], which: np.ndarray, frame: Frame, what: str) -> Iterator[tuple[str, str]]:
    """Yield a day and a line on it for each point with slots (point, time) of some kind."""
    if not which.any():
        return
    names, day = _days(frame)
    slots = np.bincount(day)
    for n in map(int, np.flatnonzero(which.any(axis=1))):
        counts = np.bincount(day, which[n], minlength=len(names)).astype(int)
        for d in np.flatnonzero(counts):
            told = f"{called(points[n])}, {names[d]}: {counts[d]} of {slots[d]} {what}"
            yield str(names[d]), told


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
    clock = local(frame.times, frame.time.time_zone).tz_localize(None)
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
