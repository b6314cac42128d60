"""Trips by local day: the rounds of past days, and a few assumed days from the start."""

from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from typing import Self

import numpy as np
import pandas as pd

from .. import clock

# Departure, return [local hours] and energy [kWh] of the day's one round; None: the car stays. Assumption: a commuter
# like that of generators.trips, 30 km a working day, and an errand on three days off of five. Each counts as one day.
PRIOR_WORKING = ((7.0, 17.5, 3.0), (7.5, 18.0, 3.0), (7.5, 18.5, 3.0), (8.0, 19.0, 4.0), None)
PRIOR_OFF = ((10.0, 12.0, 1.0), (11.0, 14.0, 2.0), (14.0, 17.0, 3.0), None, None)


@dataclass(frozen=True)
class Trips:
    """Rounds from home to home: ``vehicle`` (trip,) counts from 0, ``departure`` and ``arrival`` (trip,) are naive UTC.

    ``energy`` (trip,) is what the round takes when it is driven electrically [kWh].
    """

    vehicle: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray
    energy: np.ndarray


@dataclass(frozen=True)
class Legs:
    """Rounds by local day: ``vehicle`` and ``day`` (leg,), ``departure`` and ``arrival`` in hours after its midnight.

    ``electric`` and ``petrol`` (leg,) are the energy within and beyond the range [kWh]. A round that ends on a later day
    recurs there with a departure before midnight and no energy.
    """

    vehicle: np.ndarray
    day: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray
    electric: np.ndarray
    petrol: np.ndarray

    def only(self, use: np.ndarray) -> Self:
        """Return the legs ``use`` (leg,)."""
        return type(self)(*(getattr(self, field.name)[use] for field in fields(self)))

    def joined(self, other: Self) -> Self:
        """Return these legs followed by other ones."""
        names = [field.name for field in fields(self)]
        return type(self)(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in names))


def legs(
    trips: Trips, usable_kwh: np.ndarray, first: date, time_zone: str, now: np.datetime64 | None = None
) -> Legs:
    """Return rounds by local day, counted from the date ``first``; NaN return and energy for one under way.

    What the battery gives to a round is min(energy, usable): it can be charged between two rounds. Known are the rounds
    that have begun before ``now``, and of those that have ended by then the rest (default: all).
    """
    instants = (moments.astype("datetime64[ns]").tobytes() for moments in (trips.departure, trips.arrival))
    wall, back = (_wall(moments, time_zone) for moments in instants)
    energy, vehicle = trips.energy, trips.vehicle
    if now is not None:
        begun = trips.departure < now
        home = trips.arrival[begun] <= now
        wall, vehicle = wall[begun], vehicle[begun]
        back = np.where(home, back[begun], np.datetime64("NaT", "ns"))
        energy = np.where(home, energy[begun], np.nan)
    midnight, hour = wall.astype("datetime64[D]"), np.timedelta64(1, "h")
    electric = np.minimum(energy, usable_kwh[vehicle])
    own = Legs(
        vehicle,
        (midnight - np.datetime64(first)).astype(np.int64),
        (wall - midnight) / hour,
        (back - midnight) / hour,
        electric,
        energy - electric,
    )
    whole = np.nan_to_num(own.arrival) // 24
    rounds = own
    for later in range(1, int(whole.max(initial=0.0)) + 1):
        part = own.only(whole >= later)
        none = np.zeros(len(part.day))
        rounds = rounds.joined(
            Legs(
                part.vehicle,
                part.day + later,
                part.departure - 24 * later,
                part.arrival - 24 * later,
                none,
                none,
            )
        )
    return rounds


@lru_cache(maxsize=4)
def _wall(moments: bytes, time_zone: str) -> np.ndarray:
    """Return the local wall clock at instants, naive UTC (trip,): forecasts slot after slot ask for the same ones."""
    utc = np.frombuffer(moments, "datetime64[ns]")
    return clock.local(pd.DatetimeIndex(utc), time_zone).tz_localize(None).to_numpy().astype("datetime64[ns]")


def assumed(vehicles: int, usable_kwh: np.ndarray, first: int) -> Legs:
    """Return the rounds (leg,) of the assumed days of every vehicle; the first of these days is ``first``."""
    rows = [
        (vehicle, first + n, *round_)
        for vehicle in range(vehicles)
        for n, round_ in enumerate((*PRIOR_WORKING, *PRIOR_OFF))
        if round_ is not None
    ]
    vehicle, day, departure, arrival, energy = np.array(rows, dtype=float).reshape(-1, 5).T
    vehicle = vehicle.astype(int)
    electric = np.minimum(energy, usable_kwh[vehicle])
    return Legs(vehicle, day.astype(int), departure, arrival, electric, energy - electric)
