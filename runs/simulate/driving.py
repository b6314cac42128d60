"""Cars with an engine: where they were and what they drove, and the course that agents expect of them.

Known at the start of a slot are the trips that have ended, where each car is, what it holds, and whether it stays
plugged in for the whole slot: that is what its charger sees by the slot's gate. Cars without an engine announce their
trips and where they are plugged in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import xarray as xr

from ...data.forecast.driving import vehicle_forecast
from ...data.forecast.driving_course import ENOUGH, Course, expected_course
from ...data.forecast.driving_history import Trips
from ...data.forecast.driving_paths import PastDays, drawn_course
from ...data.inputs.contract import optional
from ...data.series.calendar import Calendar
from ...model.labels import positions

TRIP = ("trip_vehicle", "trip_departure", "trip_arrival", "trip_distance")


@dataclass(frozen=True)
class Driving:
    """What the C cars with an engine do over H + T slots.

    ``cars`` (C,) are their positions among the vehicles, ``usable`` (C,) the energy that they can drive with [kWh];
    ``rounds`` last from the first slot without a plug to the next one with one; ``place`` (C, H + T) tells where they
    are plugged in: 0 at home, k at participant k - 1, -1 nowhere; ``grid`` (C, day, slot) is the same by local day.
    ``hosts`` (vehicle, H + T) holds the labels of all vehicles' hosts; ``leaves`` (round,) is the place in the calendar
    at which each round begins.
    """

    cars: np.ndarray
    usable: np.ndarray
    rounds: Trips
    place: np.ndarray
    grid: np.ndarray
    days: Calendar
    time_zone: str
    hosts: np.ndarray
    leaves: np.ndarray

    def course(self, time: np.datetime64, now: int, count: int) -> Course:
        """Return the course that is expected of ``count`` slots from ``now`` on, which begins at ``time``.

        What is read of these slots is where the cars are plugged in during the first one.
        """
        days, slots = self.days, self.days.slots_per_day
        today = int(days.place[now]) // slots
        ahead = days.place[now : now + count] - today * slots
        off = frozenset(days.first_day + timedelta(days=int(n)) for n in np.flatnonzero(days.off))
        forecast = vehicle_forecast(
            self.rounds,
            self.usable,
            time,
            int(ahead.max()) // slots + 1,
            self.time_zone,
            levels=(ENOUGH,),
            holidays=off,
            since=self._first(),
            slots_per_day=slots,
            plugged=self.grid[:, :today],
        )
        return expected_course(forecast, ahead, self.place[:, max(now - 1, 0)], self.place[:, now])

    def drawn(
        self, time: np.datetime64, now: int, count: int, rng: np.random.Generator, expected: Course
    ) -> Course:
        """Return a course of ``count`` slots from ``now`` on as past days went, or as ``expected``."""
        days, slots = self.days, self.days.slots_per_day
        today, first = int(days.place[now]) // slots, int(days.place[0] > 0)
        ahead = days.place[now : now + count] - today * slots
        known = self.rounds.arrival <= time
        leaving = np.zeros(self.grid.shape)
        vehicle, energy = self.rounds.vehicle[known], self.rounds.energy[known]
        np.add.at(
            leaving, (vehicle, *divmod(self.leaves[known], slots)), np.minimum(energy, self.usable[vehicle])
        )
        past = PastDays(self.grid[:, first:today], leaving[:, first:today], days.off[first:])
        if today <= first:
            return expected
        return drawn_course(past, ahead, self.place[:, max(now - 1, 0)], self.place[:, now], expected, rng)

    def _first(self) -> date:
        """Return the first day that is recorded wholly."""
        return self.days.first_day + timedelta(days=int(self.days.place[0] > 0))

    def expected(
        self, inputs: xr.Dataset, known: int, slot: int, count: int, course: Course | None = None
    ) -> dict[str, Any]:
        """Return the variables of trips, hosts and targets as they are expected over ``count`` slots from ``slot`` on.

        ``inputs`` begin ``known`` slots after the history; ``course`` is by default the expected one. What a car holds
        for departures that may come is a target, whose price is what petrol in its place costs times their chance; not
        of a car that has targets of its owner's.
        """
        announced = ~np.isin(positions(inputs, "trip_vehicle", "vehicle"), self.cars)
        kept, times = announced & departures(inputs, slot, count), _borders(inputs, slot, count)
        trips = {name: inputs[name].values[kept] for name in ("trip", *TRIP)}
        host = inputs["vehicle_host"].values[:, slot : slot + count]
        targets = {}
        if len(self.cars):
            course = course or self.course(times[0], known + slot, count)
            labels = np.concatenate([["", ""], inputs["participant"].values])
            owner = inputs["vehicle_owner"].values[self.cars]
            host = host.astype(np.promote_types(host.dtype, labels.dtype))
            host[self.cars] = np.where(course.place == 0, owner[:, None], labels[course.place + 1])
            car, begins = self.cars[course.vehicle], times[course.departs]
            vehicle, economy = (inputs[n].values[car] for n in ("vehicle", "vehicle_electric_economy"))
            numbers = [f"{v}/expected/{t}" for v, t in zip(vehicle, begins, strict=True)]
            energy = np.minimum(course.energy, self.usable[course.vehicle])
            ends, distance = times[course.returns], energy * economy
            expected = (np.array(numbers, dtype=str), vehicle, begins, ends, distance)
            both = zip(trips.items(), expected, strict=True)
            trips = {name: np.concatenate([values, new]) for (name, values), new in both}
            targets = self._reserves(inputs, slice(slot, slot + count), course)
        variables: dict[str, Any] = {n: (("trip",), v, inputs[n].attrs) for n, v in trips.items()}
        return (
            variables | targets | {"vehicle_host": (("vehicle", "time"), host, inputs["vehicle_host"].attrs)}
        )

    def _reserves(self, inputs: xr.Dataset, slots: slice, course: Course) -> dict[str, Any]:
        """Return targets and their prices with the reserves of a course."""
        target, price = (optional(inputs, f"vehicle_{name}").copy() for name in ("target", "target_price"))
        target = target[:, slots]
        least, capacity, economy, litre = (
            inputs[f"vehicle_{name}"].values[self.cars]
            for name in ("min_energy", "capacity", "electric_economy", "fuel_economy")
        )
        petrol = inputs["fuel_price"].values[self.cars] * economy / litre
        held = np.minimum(least[:, None] + course.reserve, capacity[:, None])
        free = np.isnan(target[self.cars]).all(axis=1) & (course.chance > 0) & (petrol > 0)
        target[self.cars[free]], price[self.cars[free]] = held[free], (course.chance * petrol)[free]
        return {
            "vehicle_target": (("vehicle", "time"), target),
            "vehicle_target_price": (("vehicle",), price),
        }


def departures(inputs: xr.Dataset, slot: int, count: int) -> np.ndarray:
    """Return which trips (trip,) depart in ``count`` slots from ``slot`` on."""
    begin, *_, end = _borders(inputs, slot, count)
    departure = inputs["trip_departure"].values
    return np.asarray((departure >= begin) & (departure < end))


def driving(earlier: xr.Dataset, days: Calendar) -> Driving:
    """Return what the cars of inputs do over all slots of a calendar."""
    cars = np.flatnonzero(~np.isnan(earlier["vehicle_fuel_economy"].values))
    host = positions(earlier, "vehicle_host", "participant")[cars]
    home = host == positions(earlier, "vehicle_owner", "participant")[cars][:, None]
    place = np.where(host < 0, -1, np.where(home, 0, host + 1))
    grid = np.full((len(cars), len(days.off), days.slots_per_day), -1)
    grid[:, days.day, days.place % days.slots_per_day] = place
    usable = (earlier["vehicle_capacity"] - earlier["vehicle_min_energy"]).values[cars]
    zone = str(earlier.attrs.get("time_zone", "UTC"))
    rounds = _rounds(earlier, cars, place < 0)
    leaves = days.place[np.searchsorted(earlier["time"].values, rounds.departure)]
    return Driving(cars, usable, rounds, place, grid, days, zone, earlier["vehicle_host"].values, leaves)


def _rounds(inputs: xr.Dataset, cars: np.ndarray, out: np.ndarray) -> Trips:
    """Return the rounds of cars that are ``out`` (car, slot), with the energy of all trips that depart meanwhile."""
    times = _borders(inputs, 0, inputs.sizes["time"])
    driver = positions(inputs, "trip_vehicle", "vehicle")
    slot = np.searchsorted(times, inputs["trip_departure"].values, side="right") - 1
    used = inputs["trip_distance"].values / inputs["vehicle_electric_economy"].values[driver]
    energy = np.zeros((inputs.sizes["vehicle"], len(times)))
    np.add.at(energy, (driver, slot + 1), used)
    total = np.cumsum(energy[cars], axis=1)
    change = np.diff(np.pad(out.astype(int), ((0, 0), (1, 1))), axis=1)
    (vehicle, start), (_, end) = np.nonzero(change > 0), np.nonzero(change < 0)
    return Trips(vehicle, times[start], times[end], total[vehicle, end] - total[vehicle, start])


def _borders(inputs: xr.Dataset, slot: int, count: int) -> np.ndarray:
    """Return the starts of ``count`` slots from ``slot`` on, and the end of the last one."""
    time, hours = (inputs[n].values[slot : slot + count] for n in ("time", "slot_hours"))
    return np.append(time, time[-1] + np.timedelta64(round(float(hours[-1]) * 3.6e12), "ns"))
