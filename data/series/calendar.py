"""Local days: which slots lie at the same time of day, and which days are alike."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd

from .. import clock
from ..problems import InputError, Problem, suggestion

HOLIDAYS = ("japan", "none")
"""Calendars of public holidays that are known by name; any other country's are given as dates."""


@dataclass(frozen=True)
class Calendar:
    """Slots as days and times of day on the local clock.

    Attributes
    ----------
    place
        Position of each slot (time,) on a regular grid: local day * ``slots_per_day`` + slot of that day. Where the
        clock falls back two slots share a place, where it springs forward places stay empty.
    slots_per_day
        Slots of a day of 24 hours.
    off
        Whether a day (day,) is a Saturday, a Sunday or a public holiday.
    first_day
        Date of day 0.
    """

    place: np.ndarray
    slots_per_day: int
    off: np.ndarray
    first_day: date

    @property
    def day(self) -> np.ndarray:
        """Day of each slot (time,), counted from 0."""
        return np.asarray(self.place // self.slots_per_day)


def calendar(
    times: pd.DatetimeIndex, slot_hours: float, time_zone: str, holidays: str | Collection[date] = "japan"
) -> Calendar:
    """Return the local days of slots of one length.

    Parameters
    ----------
    times
        Starts of the slots, naive UTC (time,), increasing; those to be forecast as well as the past ones.
    slot_hours
        Length of a slot; the day must be a multiple of it [h].
    time_zone
        Name as in :func:`clock.zone`.
    holidays
        ``japan``, ``none``, or the dates of public holidays.

    Raises
    ------
    InputError
        For slots that do not divide the day, an unknown zone or an unknown calendar of holidays.
    """
    minutes = round(slot_hours * 60)
    if minutes < 1 or 1440 % minutes:
        raise InputError([Problem("slots", "", "slot_hours", f"{slot_hours:g}", "a divisor of 24 hours")])
    wall = clock.local(times, time_zone).tz_localize(None)
    midnight = wall.normalize()
    days = (midnight - midnight[0]).days.to_numpy()
    slot = ((wall - midnight) // pd.Timedelta(minutes=minutes)).to_numpy()
    first = midnight[0].date()
    dates = [first + timedelta(days=n) for n in range(int(days[-1]) + 1)]
    return Calendar(days * (1440 // minutes) + slot, 1440 // minutes, off_days(dates, holidays), first)


def off_days(dates: Collection[date], holidays: str | Collection[date] = "japan") -> np.ndarray:
    """Return whether dates (day,) are Saturdays, Sundays or public holidays.

    >>> off_days([date(2020, 8, 7), date(2020, 8, 8), date(2020, 8, 10)]).tolist()  # Friday, Saturday, Mountain Day
    [False, True, True]
    """
    if isinstance(holidays, str):
        if holidays not in HOLIDAYS:
            want = f"one of {', '.join(HOLIDAYS)}{suggestion(holidays, HOLIDAYS)}, or dates"
            raise InputError([Problem("calendar", "", "holidays", repr(holidays), want)])
        known = _japan if holidays == "japan" else frozenset[date]().__contains__
    else:
        known = frozenset(holidays).__contains__
    return np.array([day.weekday() >= 5 or known(day) for day in dates], dtype=bool)


@lru_cache(maxsize=20_000)
def _japan(day: date) -> bool:
    """Return whether a day is a public holiday in Japan (jpholiday computes them, from no file or network)."""
    import jpholiday

    return bool(jpholiday.is_holiday(day))
