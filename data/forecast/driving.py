"""Forecasts of departures, returns and energy of cars from past driving. See README.md.

Past days are samples of a day to come, weighted by their age and their day type; all that is forecast is a weighted
quantile or mean over the same samples. A few assumed days are among them from the start, older than all of them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from .. import clock
from ..series.calendar import off_days
from .driving_history import PRIOR_OFF, PRIOR_WORKING, Legs, Trips, assumed, legs
from .interface import LEVELS

MEMORY_DAYS = 90.0
"""Age at which the weight of a day has fallen to 1/e [d]."""
OTHER_TYPE = 0.2
"""Weight of a day of the other type (working day, or day off)."""
WINDOW = 270
"""Age of the oldest day that counts [d]."""


@dataclass(frozen=True)
class VehicleForecast:
    """Expected driving of cars on local days; of the first day, what follows ``now``.

    Attributes
    ----------
    days
        Dates (day,).
    drives
        Chance that it departs (vehicle, day).
    departure, arrival
        Next departure of the day, and its last return (level, vehicle, day), on days that have one: hours after
        midnight, beyond 24 for a return on a later day.
    energy_mean, energy
        Electric energy of the day's departures (vehicle, day) and its quantiles (level, vehicle, day), days at home
        included: what lies beyond the cruising range is petrol [kWh].
    petrol_mean
        Energy beyond the range (vehicle, day) [kWh].
    away
        Chance to be away at the middle of a slot (vehicle, day, slot).
    leaving
        Mean electric energy that departs in a slot (vehicle, day, slot) [kWh].
    levels
        (level,).
    places
        Where cars were plugged in on past days (place,), increasing: 0 is home.
    plugged
        Chance to be plugged in at a place for the whole slot (vehicle, day, slot, place).
    """

    days: tuple[date, ...]
    drives: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray
    energy_mean: np.ndarray
    energy: np.ndarray
    petrol_mean: np.ndarray
    away: np.ndarray
    leaving: np.ndarray
    levels: np.ndarray
    places: np.ndarray
    plugged: np.ndarray


def vehicle_forecast(
    trips: Trips,
    usable_kwh: np.ndarray,
    now: np.datetime64,
    days: int,
    time_zone: str,
    levels: Sequence[float] = LEVELS,
    holidays: str | Collection[date] = "japan",
    since: date | None = None,
    slots_per_day: int = 48,
    plugged: np.ndarray | None = None,
) -> VehicleForecast:
    """Return the expected driving of cars on the local day of ``now`` and the following ones.

    A round asks the battery for min(energy, usable): it can be charged between two rounds, and what one round takes
    beyond is petrol. Today's samples are days that had gone the same way so far (departed or not, away or not), if
    there are any.

    Parameters
    ----------
    trips
        Rounds, past ones at least; nothing that happens from ``now`` on is read.
    usable_kwh
        Usable energy of the batteries (vehicle,); inf for no limit [kWh].
    now
        Instant, naive UTC.
    days
        Local days, at least 1; the first is that of ``now``.
    time_zone
        Zone of the local clock.
    levels, holidays
        As in :func:`power.demand_forecast` and :func:`calendar.off_days`.
    since
        First day on which trips were recorded (default: that of the first trip).
    slots_per_day
        Slots of ``away``, ``leaving`` and ``plugged``.
    plugged
        Where cars were plugged in on past days, yesterday the last (vehicle, past day, slot): 0 at home, higher
        numbers elsewhere, -1 nowhere (default: at home unless away).
    """
    usable = np.asarray(usable_kwh, dtype=float)
    wall = clock.local(pd.DatetimeIndex([now]), time_zone).tz_localize(None)[0]
    today, hour = wall.date(), float((wall - wall.normalize()) / pd.Timedelta(hours=1))
    dates = tuple(today + timedelta(days=n) for n in range(days))
    past = legs(trips, usable, today, time_zone, now)
    recorded = -int(past.day.min(initial=0)) if since is None else (today - since).days
    age = np.arange(max(0, min(recorded, WINDOW)), 0, -1)
    samples = _Samples.of(past, usable, len(age), slots_per_day, plugged)
    weight = _weights(age, dates, holidays) * samples.known[:, None]
    weight[:, 0] = _alike(samples, weight[:, 0], past, hour)
    return _forecast(samples, weight, hour, dates, np.asarray(levels, dtype=float))


@dataclass(frozen=True)
class _Samples:
    """Past days as samples, the oldest first, and the assumed days behind them, with their rounds.

    ``known`` (vehicle, sample) whether the whole day is known; ``cell`` (leg,) = vehicle * samples + sample;
    ``out`` (vehicle, sample, slot) whether away at the middle of slots; ``place`` (vehicle, sample, slot) where plugged
    in: 0 at home, -1 nowhere.
    """

    legs: Legs
    cell: np.ndarray
    known: np.ndarray
    out: np.ndarray
    place: np.ndarray

    @classmethod
    def of(
        cls, past: Legs, usable: np.ndarray, days: int, slots: int, plugged: np.ndarray | None
    ) -> "_Samples":
        """Return the samples of ``days`` past days, and the assumed ones."""
        count = days + len(PRIOR_WORKING) + len(PRIOR_OFF)
        known = np.ones((len(usable), count), dtype=bool)
        away = np.isnan(past.arrival)
        for vehicle, day in zip(past.vehicle[away], past.day[away], strict=True):
            known[vehicle, max(0, days + day) : days] = False  # nothing is sure since it has left
        shifted = replace(past, day=past.day + days)
        use = ~away & (shifted.day >= 0) & (shifted.day < days)
        rounds = shifted.only(use).joined(assumed(len(usable), usable, days))
        cell, middle = rounds.vehicle * count + rounds.day, (np.arange(slots) + 0.5) * 24 / slots
        flat = np.zeros((known.size, slots), dtype=bool)
        during = (rounds.departure[:, None] <= middle) & (rounds.arrival[:, None] > middle)
        np.logical_or.at(flat, cell, during)
        out = flat.reshape(*known.shape, slots)
        place = np.where(out, -1, 0)
        if plugged is not None:
            place[:, :days] = plugged[:, plugged.shape[1] - days :]
        return cls(rounds, cell, known, out, place)

    def per_day(self, values: np.ndarray, use: np.ndarray, how: np.ufunc, start: float) -> np.ndarray:
        """Return values (leg,) of the legs ``use``, reduced by day from ``start`` on (vehicle, sample)."""
        out = np.full(self.known.size, start)
        how.at(out, self.cell[use], values[use])
        return out.reshape(self.known.shape)


def _weights(age: np.ndarray, dates: Sequence[date], holidays: str | Collection[date]) -> np.ndarray:
    """Return the weights (day, sample) of past days of some age [d], and of the assumed ones, as old as the oldest."""
    off = off_days(dates, holidays)[:, None]
    past_off = off_days([dates[0] - timedelta(days=int(n)) for n in age], holidays)
    prior_off = np.arange(len(PRIOR_WORKING) + len(PRIOR_OFF)) >= len(PRIOR_WORKING)
    age = np.append(age, np.full(len(prior_off), len(age)))
    fade = np.exp(-(age + np.arange(len(dates))[:, None]) / MEMORY_DAYS)
    return np.asarray(fade * np.where(off == np.append(past_off, prior_off), 1.0, OTHER_TYPE))


def _alike(samples: _Samples, weight: np.ndarray, past: Legs, hour: float) -> np.ndarray:
    """Return the weights (vehicle, sample) of today, 0 for days that had begun differently by this hour.

    Alike is a day with the same answers to: departed already, away now; else one with the same second answer; else any.
    """
    rounds = samples.legs
    before = (rounds.departure >= 0) & (rounds.departure < hour)
    out = (rounds.departure < hour) & (rounds.arrival > hour)
    one = np.ones(len(rounds.day))
    departed = samples.per_day(one, before, np.maximum, 0.0) > 0
    away = samples.per_day(one, out, np.maximum, 0.0) > 0
    has_departed, is_away = np.zeros((2, len(weight), 1), dtype=bool)
    has_departed[past.vehicle[(past.day == 0) & (past.departure >= 0)]] = True
    is_away[past.vehicle[np.isnan(past.arrival)]] = True
    nearly = weight * (away == is_away)
    alike = nearly * (departed == has_departed)
    for better, worse in ((nearly, weight), (alike, nearly)):
        none = better.sum(axis=1) == 0
        better[none] = worse[none]
    return np.asarray(alike)


def _forecast(
    samples: _Samples, weight: np.ndarray, hour: float, dates: tuple[date, ...], levels: np.ndarray
) -> VehicleForecast:
    """Return means and quantiles over the samples with weights (vehicle, day, sample)."""
    rounds = samples.legs
    whole, rest = rounds.departure >= 0, rounds.departure >= hour

    def gather(values: np.ndarray, how: np.ufunc, start: float, today: np.ndarray) -> np.ndarray:
        """Return values by vehicle, day and sample: of today those still to come, of the other days all."""
        parts = [samples.per_day(values, use, how, start) for use in (today, whole)]
        return np.stack([parts[min(n, 1)] for n in range(len(dates))], axis=1)

    first = gather(rounds.departure, np.minimum, np.inf, rest)
    back = gather(rounds.arrival, np.maximum, -np.inf, rounds.arrival > hour)
    electric = gather(rounds.electric, np.add, 0.0, rest)
    petrol = gather(rounds.petrol, np.add, 0.0, rest)
    total = weight.sum(axis=2)
    share = weight / total[:, :, None]
    places = np.unique([0, *samples.place[samples.place > 0]])
    return VehicleForecast(
        days=dates,
        drives=(weight * np.isfinite(first)).sum(axis=2) / total,
        departure=weighted_quantiles(first, weight * np.isfinite(first), levels),
        arrival=weighted_quantiles(back, weight * np.isfinite(back), levels),
        energy_mean=(weight * electric).sum(axis=2) / total,
        energy=weighted_quantiles(electric, weight, levels),
        petrol_mean=(weight * petrol).sum(axis=2) / total,
        away=share @ samples.out,
        leaving=_leaving(samples, share),
        levels=levels,
        places=places,
        plugged=np.stack([share @ (samples.place == place) for place in places], axis=-1),
    )


def _leaving(samples: _Samples, share: np.ndarray) -> np.ndarray:
    """Return the mean electric energy that departs in slots (vehicle, day, slot) [kWh]."""
    rounds, slots = samples.legs, samples.out.shape[2]
    energy = np.zeros((samples.known.size, slots))
    own = rounds.departure >= 0
    slot = np.minimum(rounds.departure[own] * slots / 24, slots - 1).astype(int)
    np.add.at(energy, (samples.cell[own], slot), rounds.electric[own])
    return np.asarray(share @ energy.reshape(*samples.known.shape, slots))


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the least of values (..., sample) with at least a share of the weight at or below it (level, ...).

    NaN where there is no weight at all.

    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), np.array([0.5, 0.6]))
    array([1., 2.])
    """
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    share = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1)
    total = share[..., -1:]
    quantiles = []
    for level in levels:
        at = (share >= level * total * (1 - 1e-12)).argmax(axis=-1)[..., None]
        quantiles.append(np.where(total > 0, np.take_along_axis(ordered, at, axis=-1), np.nan)[..., 0])
    return np.stack(quantiles)
