"""One expected course of each car, for plans of one scenario: where it is plugged in, when it leaves."""

from dataclasses import dataclass

import numpy as np

from .driving import VehicleForecast

HERE = 2 / 3
"""Chance of being plugged in at a place above which a car is expected there."""
EARLY = 0.25
"""Level of the departure on a day whose departures are too scattered to be seen in the chances of single slots."""
ENOUGH = 0.75
"""Level of the energy that should be there when a car leaves."""


@dataclass(frozen=True)
class Course:
    """Where cars are expected, and the rounds that they are expected to leave for.

    ``place`` (vehicle, slot) where plugged in, as the forecast's: 0 at home, -1 nowhere. Rounds (round,): ``vehicle``,
    ``departs`` and ``returns`` are positions of slots, the latter at most the number of slots; ``energy`` [kWh].
    """

    place: np.ndarray
    vehicle: np.ndarray
    departs: np.ndarray
    returns: np.ndarray
    energy: np.ndarray


def expected_course(
    forecast: VehicleForecast, place: np.ndarray, before: np.ndarray, now: np.ndarray
) -> Course:
    """Return the most likely place of each car in each slot, and the rounds in between.

    A car is plugged in at a place where the chance of being there is more than ``HERE``. It leaves where such a stay
    ends; on a day that it drives with a chance of a half or more, but at no time that stands out, at the level
    ``EARLY`` of its departures. The level ``ENOUGH`` of the day's energy is shared among the departures: what
    leaves in a slot on average belongs to the nearest.

    Parameters
    ----------
    forecast
        Made at the start of the first slot, with the levels ``EARLY`` and ``ENOUGH``.
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
    rounds = [_rounds(forecast, v, likely[v], before[v], place) for v in range(len(now))]
    columns = [np.array([v for v, own in enumerate(rounds) for _ in own], dtype=int)]
    columns += [
        np.array([row[k] for own in rounds for row in own], dtype=kind)
        for k, kind in enumerate((int, int, float))
    ]
    return Course(likely, *columns)


def _rounds(
    forecast: VehicleForecast, v: int, likely: np.ndarray, before: int, place: np.ndarray
) -> list[tuple[int, int, float]]:
    """Return the rounds of a car as departure slot, return slot and energy [kWh].

    On a day of scattered departures ``likely`` (slot,) is changed: the car leaves at the level ``EARLY``.
    """
    slots = forecast.leaving.shape[2]
    day, departures = place // slots, []
    for n in range(int(day[-1]) + 1):
        mine = np.flatnonzero(day == n)
        starts = _starts(likely, before, mine)
        if not len(starts) and forecast.drives[v, n] >= 0.5:
            early = int(forecast.departure[0, v, n] * slots / 24) + n * slots
            after = mine[(place[mine] >= early) & (mine > 0) & (likely[mine] >= 0)]
            likely[after[:1]] = -1
            starts = _starts(likely, before, mine)
        if len(starts):
            mean = forecast.leaving[v, n] * (np.arange(slots) + n * slots >= place[0])
            nearest = np.abs(mine[:, None] - starts).argmin(axis=1)
            mass = np.bincount(nearest, weights=mean[place[mine] - n * slots], minlength=len(starts))
            share = mass / mean.sum() if mean.sum() > 0 else np.zeros(len(starts))
            departures += list(zip(starts.tolist(), (forecast.energy[1, v, n] * share).tolist(), strict=True))
    there = np.append(np.flatnonzero(likely >= 0), len(likely))
    return [(s, int(there[there > s][0]), energy) for s, energy in departures if energy > 0]


def _starts(likely: np.ndarray, before: int, mine: np.ndarray) -> np.ndarray:
    """Return the slots among ``mine`` in which the car leaves: the first ones without a plug."""
    previous = np.concatenate([[before], likely])[mine]
    return np.asarray(mine[(likely[mine] < 0) & (previous >= 0)])
