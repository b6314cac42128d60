"""Trips by local day: the rounds of past days, and a few assumed days from the start."""

from dataclasses import dataclass, fields, replace
from datetime import date
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

    def known(self, now: np.datetime64) -> Self:
        """Return the trips that have begun before ``now``; return and energy of one under way are NaT and NaN."""
        begun = self.departure < now
        home = self.arrival[begun] <= now
        return replace(
            self,
            vehicle=self.vehicle[begun],
            departure=self.departure[begun],
            arrival=np.where(home, self.arrival[begun], np.datetime64("NaT", "ns")),
            energy=np.where(home, self.energy[begun], np.nan),
        )


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


def legs(trips: Trips, usable_kwh: np.ndarray, first: date, time_zone: str) -> Legs:
    """Return rounds by local day, counted from the date ``first``; NaN hours and energy for one under way.

    What the battery gives to a round is min(energy, usable): it can be charged between two rounds.
    """
    wall = clock.local(pd.DatetimeIndex(trips.departure), time_zone).tz_localize(None)
    back = clock.local(pd.DatetimeIndex(trips.arrival), time_zone).tz_localize(None)
    midnight, hour = wall.normalize(), pd.Timedelta(hours=1)
    electric = np.minimum(trips.energy, usable_kwh[trips.vehicle])
    own = Legs(
        trips.vehicle,
        (midnight - pd.Timestamp(first)).days.to_numpy(),
        ((wall - midnight) / hour).to_numpy(),
        ((back - midnight) / hour).to_numpy(),
        electric,
        trips.energy - electric,
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
