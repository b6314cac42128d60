"""Demand of homes and small businesses from documented tables, with seeded variation.

Every figure here is an **assumption**, chosen for the known features of such demand: a small peak in the morning
and a large one in the evening at home, office hours at work, cooling in summer and heating in winter.
"""

import math
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import clock

ANNUAL_KWH = (2200.0, 3600.0, 4300.0, 4700.0, 5300.0, 6000.0)
"""Electricity of a home with 1, 2, ... 6 and more persons [kWh/a]. Assumption."""

# Mean power of the hours 0 to 23, relative to one another. Assumption.
_HOME_WEEKDAY = "42 36 33 32 34 45 75 88 74 60 54 54 60 54 50 52 62 84 108 118 114 102 84 60"
_HOME_WEEKEND = "46 39 35 33 34 40 57 77 90 86 78 76 84 76 70 70 78 94 112 119 112 100 84 63"
_HOME_COOLING = "24 20 17 15 14 13 14 17 22 29 36 42 47 50 50 47 43 40 40 42 42 40 36 30"
_HOME_HEATING = "18 15 14 16 24 42 64 64 48 36 29 25 23 22 24 29 40 54 62 64 62 54 42 28"
_OFFICE_WEEKDAY = "20 20 20 20 20 22 28 45 78 95 100 100 88 98 100 100 97 86 62 42 32 26 22 20"
_OFFICE_WEEKEND = "20 20 20 20 20 20 21 23 26 28 29 29 29 29 29 28 26 24 22 21 20 20 20 20"
_OFFICE_COOLING = "0 0 0 0 0 0 2 8 20 30 36 40 40 44 46 44 38 28 12 4 0 0 0 0"
_OFFICE_HEATING = "0 0 0 0 0 2 10 24 32 30 24 20 18 18 18 20 20 18 8 2 0 0 0 0"

# Share of full cooling and heating in the months January to December of the northern hemisphere. Assumption.
_COOLING = np.array([0, 0, 0, 0, 0.1, 0.4, 0.9, 1.0, 0.6, 0.1, 0, 0])
_HEATING = np.array([1.0, 1.0, 0.7, 0.3, 0.05, 0, 0, 0, 0, 0.05, 0.3, 0.8])

_MONTH_DAYS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

_HOME_LEVEL, _DAY_LEVEL, _HALF_HOUR, _MEMORY = 0.15, 0.10, 0.35, 0.6
"""Standard deviations of the logarithm of a home's level, a day's, and a half-hour's, and the correlation of one
half-hour with the next. Assumption."""


def household(
    times: pd.DatetimeIndex,
    time_zone: str,
    persons: int,
    seed: int,
    slot_hours: float = 0.5,
    annual_kwh: float | None = None,
    variation: float = 1.0,
    southern: bool = False,
) -> np.ndarray:
    """Return the demand of a home (time,) [kW].

    Saturdays and Sundays of the local calendar have the weekend's shape; public holidays are not known. The
    variation of a day depends on the seed and the date alone, so horizons that overlap agree.

    Parameters
    ----------
    times
        Starts of the slots, naive UTC (time,).
    time_zone
        Zone of the local clock.
    persons
        Persons in the home, at least 1; sets the annual energy by ``ANNUAL_KWH``.
    seed
        Seed of the variation.
    slot_hours
        Length of the slots [h].
    annual_kwh
        Annual energy instead of the table's [kWh]. It is this home's own, so that its level does not vary.
    variation
        Scale of the variation; 0 gives the table itself. The expectation is the annual energy's in any case.
    southern
        Whether July is winter.
    """
    level = _HOME_LEVEL if annual_kwh is None else 0.0
    if annual_kwh is None:
        annual_kwh = ANNUAL_KWH[min(persons, len(ANNUAL_KWH)) - 1]
    shape = _shape(_HOME_WEEKDAY, _HOME_WEEKEND, _HOME_COOLING, _HOME_HEATING, southern)
    spread = variation * np.array([level, _DAY_LEVEL, _HALF_HOUR])
    return _demand(times, slot_hours, time_zone, shape, annual_kwh, spread, seed)


def business(
    times: pd.DatetimeIndex,
    time_zone: str,
    annual_kwh: float,
    seed: int,
    slot_hours: float = 0.5,
    variation: float = 1.0,
    southern: bool = False,
) -> np.ndarray:
    """Return the demand of an office or workshop with office hours on weekdays (time,) [kW].

    Parameters as in :func:`household`; the level is that of ``annual_kwh`` and varies by day and half-hour only.
    """
    shape = _shape(_OFFICE_WEEKDAY, _OFFICE_WEEKEND, _OFFICE_COOLING, _OFFICE_HEATING, southern)
    spread = variation * np.array([0.0, _DAY_LEVEL / 2, _HALF_HOUR / 4])
    return _demand(times, slot_hours, time_zone, shape, annual_kwh, spread, seed)


@lru_cache
def _shape(weekday: str, weekend: str, cooling: str, heating: str, southern: bool) -> np.ndarray:
    """Return the mean power (month, day type, half-hour) [kW] of a year whose energy is 1 kWh."""
    types, cool, heat = (
        np.array([t.split() for t in table], dtype=float)
        for table in ((weekday, weekend), (cooling,), (heating,))
    )
    shift = 6 if southern else 0  # months
    comfort = np.outer(np.roll(_COOLING, shift), cool) + np.outer(np.roll(_HEATING, shift), heat)
    hourly = types[None] + comfort[:, None, :]
    # half-hours lie a quarter of an hour to either side of the middle of their hour
    early = 0.75 * hourly + 0.25 * np.roll(hourly, 1, axis=2)
    late = 0.75 * hourly + 0.25 * np.roll(hourly, -1, axis=2)
    shape = np.stack([early, late], axis=3).reshape(12, 2, 48)
    days = _MONTH_DAYS[:, None] * np.array([5, 2]) / 7 * (365 / _MONTH_DAYS.sum())
    return np.asarray(shape / (days * shape.sum(axis=2) * 0.5).sum())


def _demand(
    times: pd.DatetimeIndex,
    slot_hours: float,
    time_zone: str,
    shape: np.ndarray,
    annual_kwh: float,
    spread: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return the mean over each slot (time,) [kW] of the half-hours, or parts of one, that it holds."""
    month, kind, half, day, days = _calendar(times.asi8.tobytes(), times.unit, slot_hours, time_zone)
    factors = np.stack([_factors(seed, d, spread) for d in days])
    power = annual_kwh * shape[month, kind, half]
    return np.asarray((power * factors[day, half]).reshape(-1, len(times)).mean(axis=0))


@lru_cache(maxsize=4)
def _calendar(
    starts: bytes, unit: str, slot_hours: float, time_zone: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Return month, type of day, half-hour and number of the day of each piece of a slot, and the days.

    The same for all homes: ``starts`` are the bytes of the slots' starts in a unit, naive UTC.
    """
    times = pd.DatetimeIndex(np.frombuffer(starts, dtype=f"datetime64[{unit}]"))
    pieces = max(1, round(slot_hours / 0.5))
    length = pd.Timedelta(hours=slot_hours) / pieces
    moments = np.concatenate([times + length * (k + 0.5) for k in range(pieces)])
    local = clock.local(pd.DatetimeIndex(moments), time_zone)
    half = local.hour.to_numpy() * 2 + local.minute.to_numpy() // 30
    days, day = np.unique(local.tz_localize(None).normalize().to_numpy(), return_inverse=True)
    numbers = days.astype("datetime64[D]").astype(int).tolist()
    return local.month.to_numpy() - 1, (local.day_of_week >= 5).astype(int), half, day, numbers


def _factors(seed: int, day: int, spread: np.ndarray) -> np.ndarray:
    """Return the factors of the half-hours of a day (48,) [1], lognormal with mean 1.

    With standard normals z of the home, z_d of the day and e_j of half-hour j, ``spread`` s, and ``_MEMORY`` m::

        n_0 = e_0,  n_j = m n_(j-1) + sqrt(1 - m^2) e_j
        factor_j = exp(s_0 z + s_1 z_d + s_2 n_j - (s_0^2 + s_1^2 + s_2^2) / 2)
    """
    s, m = spread, _MEMORY
    z = np.random.default_rng([seed, 0]).standard_normal()
    rng = np.random.default_rng([seed, 1, day + 1_000_000])
    z_d = rng.standard_normal()
    e_0, *shocks = rng.standard_normal(48).tolist()
    n, fresh = [e_0], math.sqrt(1 - m**2)
    for e in shocks:
        n.append(m * n[-1] + fresh * e)
    return np.asarray(np.exp(s[0] * z + s[1] * z_d + s[2] * np.array(n) - (s**2).sum() / 2))
