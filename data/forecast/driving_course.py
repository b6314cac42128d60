"""One expected course of each car, for plans of one scenario: where it is plugged in, when it leaves."""

from dataclasses import dataclass

import numpy as np

from .driving import VehicleForecast

HERE = 2 / 3
"""Chance of being plugged in at a place above which a car is expected there."""
ENOUGH = 0.75
"""Level of the energy that should be there when a car leaves."""
RARE = 0.25
"""Share of its largest chance to leave in a slot, below which a car needs to hold nothing for that slot."""


@dataclass(frozen=True)
class Course:
    """Where cars are expected, and the rounds that they are expected to leave for.

    ``place`` (vehicle, slot) where plugged in, as the forecast's: 0 at home, -1 nowhere. Rounds (round,): ``vehicle``,
    ``departs`` and ``returns`` are positions of slots, the latter at most the number of slots; ``energy`` [kWh].
    ``reserve`` (vehicle, slot) is what a car that may leave unexpectedly takes along if it does, beside what it must
    hold at the end of a slot [kWh], NaN where it hardly may; ``chance`` (vehicle,) that a kWh of it is driven with in
    such a slot.
    """

    place: np.ndarray
    vehicle: np.ndarray
    departs: np.ndarray
    returns: np.ndarray
    energy: np.ndarray
    reserve: np.ndarray
    chance: np.ndarray


def expected_course(
    forecast: VehicleForecast, place: np.ndarray, before: np.ndarray, now: np.ndarray
) -> Course:
    """Return the most likely place of each car in each slot, and the rounds in between.

    A car is plugged in at a place where the chance of being there is more than ``HERE``. It leaves where such a stay
    ends. The level ``ENOUGH`` of the day's energy is shared among the departures: what leaves in a slot on average
    belongs to the nearest. On days without such a departure it may leave all the same (:func:`reserves`).

    Parameters
    ----------
    forecast
        Made at the start of the first slot, with the level ``ENOUGH``.
    place
        Slots as positions on the forecast's grid (slot,): day * slots of a day + slot of the day.
    before, now
        Where each car was plugged in during the slot before the first one, and is during the first one (vehicle,).
    """
    chance = forecast.plugged.reshape(len(now), -1, len(forecast.places))[:, place]
    likely = np.where(chance.max(axis=2) > HERE, forecast.places[chance.argmax(axis=2)], -1)
    likely[:, 0] = now
    moved = (likely[:, 1:] >= 0) & (likely[:, :-1] >= 0) & (likely[:, 1:] != likely[:, :-1])
    likely[:, 1:][moved] = -1
    previous = np.concatenate([before[:, None], likely[:, :-1]], axis=1)
    leaves = (likely < 0) & (previous >= 0)  # the first slot without a plug
    rounds: list[list[tuple[int, int, float]]] = [[] for _ in now]
    for v in np.flatnonzero(leaves.any(axis=1)).tolist():
        rounds[v] = _rounds(forecast, v, likely[v], leaves[v], place)
    columns = [np.array([v for v, own in enumerate(rounds) for _ in own], dtype=int)]
    columns += [
        np.array([row[k] for own in rounds for row in own], dtype=kind)
        for k, kind in enumerate((int, int, float))
    ]
    vehicle, departs, returns, energy = columns
    reserve, chance = reserves(forecast, likely, place, vehicle, departs)
    return Course(likely, vehicle, departs, returns, energy, reserve, chance)


def reserves(
    forecast: VehicleForecast, likely: np.ndarray, place: np.ndarray, vehicle: np.ndarray, departs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reserve (vehicle, slot) [kWh] and the chance (vehicle,) of :class:`Course`.

    On days without an expected departure, with the level q of the day's energy and the mean energy l that leaves in a
    slot, a car that is plugged in during slot t is asked for a kWh of q right after it with the chance ::

        c[t] = l[t+1] / q[t+1]

    Slots with c[t] >= RARE max(c) hold q[t+1], and share the sum of c, at most 1, evenly.
    """
    days, slots = forecast.leaving.shape[1:]
    day = place // slots
    expected = np.zeros((len(likely), days), dtype=bool)
    expected[vehicle, day[departs]] = True
    leaving = forecast.leaving.reshape(len(likely), -1)[:, place]
    enough = np.where(expected, 0.0, forecast.energy[0])[:, day]
    asked = np.divide(leaving, enough, out=np.zeros_like(leaving), where=enough > 0)
    chance, energy = (np.pad(array[:, 1:], ((0, 0), (0, 1))) for array in (asked, enough))
    chance = np.where(likely >= 0, chance, 0.0)
    held = (chance > 0) & (chance >= RARE * chance.max(axis=1, keepdims=True))
    share = np.minimum(chance.sum(axis=1), 1.0) / np.maximum(held.sum(axis=1), 1)
    return np.where(held, energy, np.nan), share


def _rounds(
    forecast: VehicleForecast, v: int, likely: np.ndarray, leaves: np.ndarray, place: np.ndarray
) -> list[tuple[int, int, float]]:
    """Return the rounds of a car that ``leaves`` in slots (slot,): departure slot, return slot and energy [kWh]."""
    slots = forecast.leaving.shape[2]
    day, departures = place // slots, []
    for n in range(int(day[-1]) + 1):
        mine = np.flatnonzero(day == n)
        starts = mine[leaves[mine]]
        if len(starts):
            mean = forecast.leaving[v, n] * (np.arange(slots) + n * slots >= place[0])
            nearest = np.abs(mine[:, None] - starts).argmin(axis=1)
            mass = np.bincount(nearest, weights=mean[place[mine] - n * slots], minlength=len(starts))
            share = mass / mean.sum() if mean.sum() > 0 else np.zeros(len(starts))
            departures += list(zip(starts.tolist(), (forecast.energy[0, v, n] * share).tolist(), strict=True))
    there = np.append(np.flatnonzero(likely >= 0), len(likely))
    return [(s, int(there[there > s][0]), energy) for s, energy in departures if energy > 0]
