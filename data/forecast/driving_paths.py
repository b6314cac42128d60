"""Courses of cars drawn from their past days: what one expected course leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .driving import MEMORY_DAYS, OTHER_TYPE, WINDOW
from .driving_course import Course


@dataclass(frozen=True)
class PastDays:
    """What cars did on whole days before today.

    ``place`` (vehicle, day, slot) where they were plugged in: 0 at home, higher numbers elsewhere, -1 nowhere;
    ``leaving`` (vehicle, day, slot) energy of the rounds that left in a slot [kWh]; ``off`` (day,) of these days, today
    and those that follow.
    """

    place: np.ndarray
    leaving: np.ndarray
    off: np.ndarray


def drawn_course(
    past: PastDays,
    slots: np.ndarray,
    before: np.ndarray,
    now: np.ndarray,
    expected: Course,
    rng: np.random.Generator,
) -> Course:
    """Return a course of each car: each day to come goes as a past day did, drawn by its age and day type.

    A day weighs exp(-age / 90 d), and 0.2 where one is a day off and the other is not, as in `driving`; of today those
    that had gone the same way: the car at the same place in this slot, and gone or not in the one before. A car of which
    no day did goes as it is expected to.

    Parameters
    ----------
    past
        Days before today, the latest last.
    slots
        As positions (slot,): day * slots of a day + slot of the day, from today on.
    before, now
        Where each car was plugged in during the slot before the first one, and is during the first one (vehicle,).
    expected
        The course that is expected of the same slots.
    rng
        What draws.
    """
    days, size = past.place.shape[1:]
    day, at = slots // size, slots % size
    place, reserve = expected.place.copy(), np.full(expected.place.shape, np.nan)
    rounds: list[tuple[int, int, int, float]] = []
    for v in range(len(now)):
        like = past.place[v, :, at[0]] == now[v]
        if at[0]:
            like &= (past.place[v, :, at[0] - 1] >= 0) == (before[v] >= 0)
        if not like.any():
            own = np.flatnonzero(expected.vehicle == v)
            times = zip(expected.departs[own], expected.returns[own], expected.energy[own], strict=True)
            rounds += [(v, int(leaves), int(returns), float(kwh)) for leaves, returns, kwh in times]
            reserve[v] = expected.reserve[v]
            continue
        chosen = np.array(
            [_drawn(past.off, days, n, like if n == 0 else None, rng) for n in range(int(day[-1]) + 1)]
        )
        likely, leaving = past.place[v, chosen[day], at].copy(), past.leaving[v, chosen[day], at]
        likely[0] = now[v]
        moved = (likely[1:] >= 0) & (likely[:-1] >= 0) & (likely[1:] != likely[:-1])
        likely[1:][moved] = -1
        place[v] = likely
        rounds += _rounds(v, likely, before[v], leaving)
    kinds = enumerate((int, int, int, float))
    columns: list[np.ndarray] = [np.array([row[k] for row in rounds], dtype=kind) for k, kind in kinds]
    return Course(place, columns[0], columns[1], columns[2], columns[3], reserve, expected.chance)


def _drawn(off: np.ndarray, days: int, ahead: int, like: np.ndarray | None, rng: np.random.Generator) -> int:
    """Return the past day that a day goes like, so many days ``ahead`` of today."""
    age = days + ahead - np.arange(days)
    weight = (
        np.exp(-age / MEMORY_DAYS)
        * np.where(off[:days] == off[days + ahead], 1.0, OTHER_TYPE)
        * (age <= WINDOW)
    )
    weight = weight if like is None else weight * like
    weight = weight if weight.sum() > 0 else np.ones(days)
    return int(rng.choice(days, p=weight / weight.sum()))


def _rounds(
    v: int, likely: np.ndarray, before: int, leaving: np.ndarray
) -> list[tuple[int, int, int, float]]:
    """Return the rounds of a car: it leaves where it is no longer plugged in, with the energy until it is again."""
    previous = np.concatenate([[before], likely[:-1]])
    there = np.append(np.flatnonzero(likely >= 0), len(likely))
    starts = np.flatnonzero((likely < 0) & (previous >= 0)).tolist()
    made = [(v, s, int(there[there > s][0])) for s in starts]
    return [
        (*row, float(leaving[row[1] : row[2]].sum())) for row in made if leaving[row[1] : row[2]].sum() > 0
    ]
