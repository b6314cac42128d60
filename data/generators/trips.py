"""Trips of cars from seeded patterns. Every default is an **assumption**: the trial published none."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import clock
from ..problems import InputError, Problem, suggestion

KINDS = ("commuter", "errand", "business")
_LAST_ARRIVAL = 23 * 60 + 45  # minute of the local day
COLUMNS = ("vehicle", "departure", "arrival", "distance_km", "destination")


@dataclass(frozen=True)
class Pattern:
    """A pattern of driving.

    A ``commuter`` drives to work on weekdays and back, and on errands at the weekend; an ``errand`` car does one
    round on some days of the week, a ``business`` car visits customers on weekdays.

    Attributes
    ----------
    vehicle
        Label of the car; with the seed and the date it fixes the trips, whichever other cars exist.
    kind
        One of ``KINDS``.
    commute_km
        One way to work [km].
    errand_km
        Median one way of an errand or visit [km].
    leave_hour, return_hour
        Median departures to work, and home, on the local clock [h].
    errand_probability
        Chance of an errand on a day that may have one.
    speed_km_h
        Mean speed from door to door [km/h].
    """

    vehicle: str
    kind: str = "commuter"
    commute_km: float = 15.0
    errand_km: float = 6.0
    leave_hour: float = 7.5
    return_hour: float = 18.0
    errand_probability: float = 0.6
    speed_km_h: float = 30.0

    def problems(self, where: str) -> Iterator[Problem]:
        """Yield what is wrong with the pattern."""
        row = f"vehicle={self.vehicle}"
        if self.kind not in KINDS:
            want = f"one of {', '.join(KINDS)}{suggestion(self.kind, KINDS)}"
            yield Problem(where, row, "kind", repr(self.kind), want)
        if not self.speed_km_h > 0:
            yield Problem(where, row, "speed_km_h", f"{self.speed_km_h:g}", "more than 0")
        for field in ("commute_km", "errand_km"):
            got, most = getattr(self, field), 5 * self.speed_km_h
            if not 0 <= got <= most:
                want = f"between 0 and {most:g} (five hours at {self.speed_km_h:g} km/h)"
                yield Problem(where, row, field, f"{got:g}", want)
        if not 0 <= self.leave_hour < self.return_hour <= 24:
            got = f"{self.leave_hour:g} and {self.return_hour:g}"
            yield Problem(where, row, "leave_hour, return_hour", got, "0 <= leave < return <= 24")
        if not 0 <= self.errand_probability <= 1:
            yield Problem(where, row, "errand_probability", f"{self.errand_probability:g}", "between 0 and 1")


def trips(
    patterns: Sequence[Pattern],
    start: date | str,
    days: int,
    time_zone: str,
    seed: int,
    where: str = "scenario",
) -> pd.DataFrame:
    """Return the one-way trips of some local days, by car and in the order of time.

    Each leg is a trip, so that a car can be plugged in where it stands between two. A car is home at midnight, its trips
    never overlap and all depart and arrive within the days. The trips of a car on a day depend on the seed, its label
    and the date alone. A round that cannot end by a quarter to midnight is left out.

    Returns
    -------
    pandas.DataFrame
        vehicle, departure and arrival (naive UTC, whole minutes), distance_km, destination (home, work or other).

    Raises
    ------
    InputError
        Every problem of the patterns, and a label that occurs twice; ``where`` is the file that they stand in.
    """
    problems = [p for pattern in patterns for p in pattern.problems(where)]
    count = Counter(pattern.vehicle for pattern in patterns)
    for label in sorted(v for v, times in count.items() if times > 1):
        problems.append(Problem(where, f"vehicle={label}", "vehicle", "two patterns", "one pattern"))
    if problems:
        raise InputError(problems)
    first, tz = date.fromisoformat(str(start)[:10]), clock.zone(time_zone, where)
    legs = [
        leg
        for pattern in patterns
        for n in range(days)
        for leg in _day(pattern, first + timedelta(days=n), tz, seed)
    ]
    table = pd.DataFrame(legs, columns=list(COLUMNS))
    instants = {"departure": "datetime64[ns]", "arrival": "datetime64[ns]"}
    return table.astype({"vehicle": object, "destination": object, "distance_km": float, **instants})


def _day(pattern: Pattern, day: date, tz: tzinfo, seed: int) -> Iterator[tuple[object, ...]]:
    """Yield the legs of a car on a local day, one after another."""
    label = int.from_bytes(hashlib.sha256(pattern.vehicle.encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, label, day.toordinal()])
    free, arrival = 0, pd.Timestamp.min  # on the local clock [min], and in UTC
    for leave, stay, distance, destination in _rounds(pattern, day.weekday() < 5, rng):
        drive = max(1, round(distance / pattern.speed_km_h * 60))
        out = max(round(leave * 60), free)
        back = min(out + drive + round(stay * 60), _LAST_ARRIVAL - drive)
        if out + drive > back:
            return
        free = back + drive
        for minute, where in ((out, destination), (back, "home")):
            departure = max(_instant(day, minute, tz), arrival)  # later where the clock has skipped time
            arrival = departure + pd.Timedelta(minutes=drive)
            yield pattern.vehicle, departure, arrival, distance, where


def _rounds(
    pattern: Pattern, weekday: bool, rng: np.random.Generator
) -> Iterator[tuple[float, float, float, str]]:
    """Yield rounds as departure [h], stay [h], distance one way [km] and destination."""
    errand = rng.random() < pattern.errand_probability
    far = float(
        round(min(pattern.errand_km * np.exp(0.5 * rng.standard_normal()), 5 * pattern.speed_km_h), 1)
    )
    if weekday and pattern.kind == "commuter":
        leave = pattern.leave_hour + float(np.clip(rng.normal(0, 0.25), -0.75, 0.75))
        home = pattern.return_hour + float(np.clip(rng.normal(0, 0.6), -1.5, 2))
        stay = home - leave - pattern.commute_km / pattern.speed_km_h
        yield max(leave, 0.0), max(stay, 0.25), pattern.commute_km, "work"
    elif weekday and pattern.kind == "business":
        yield float(rng.uniform(9, 10.5)), float(rng.uniform(0.5, 1.5)), far, "other"
        if errand:
            yield float(rng.uniform(13, 15)), float(rng.uniform(0.5, 1.5)), far, "other"
    elif errand and pattern.kind != "business":
        yield float(rng.uniform(9, 16)), float(rng.uniform(0.5, 2.5)), far, "other"


@lru_cache(maxsize=20_000)
def _instant(day: date, minute: int, tz: tzinfo) -> pd.Timestamp:
    """Return a local time of the day as naive UTC; a time that the clock skips is moved behind the gap."""
    written = pd.Timestamp(day) + pd.Timedelta(minutes=minute)
    local = written.tz_localize(tz, ambiguous=True, nonexistent="shift_forward")
    return local.tz_convert("UTC").tz_localize(None)
