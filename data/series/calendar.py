"""Local days: which slots lie at the same time of day, and which days are alike."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .. import clock
from ..problems import InputError, Problem, suggestion

HOLIDAYS = ("japan", "none")
"""Calendars of public holidays that have a name beside the codes of countries."""
WANTED = "a country such as DE, a part of one such as CA-ON, japan, none, or dates"
"""What a calendar of public holidays may be."""


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
        As for :func:`public_holidays`.

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
    known = public_holidays(holidays)
    return np.array([day.weekday() >= 5 or day in known for day in dates], dtype=bool)


def public_holidays(holidays: str | Collection[date]) -> Collection[date]:
    """Return a collection of dates that holds the public holidays, with the days on which they are observed.

    Parameters
    ----------
    holidays
        A country by its code of ISO 3166-1 (``DE``) or a part of one by that of ISO 3166-2 (``CA-ON``), computed by the
        package ``holidays`` from no file of ours and no network; ``japan``, ``none``, or the dates themselves.

    Raises
    ------
    InputError
        For a calendar that is not known.

    Examples
    --------
    >>> date(2026, 7, 1) in public_holidays("CA-ON"), date(2026, 7, 1) in public_holidays("DE")
    (True, False)
    """
    if not isinstance(holidays, str):
        return frozenset(holidays)
    return frozenset() if holidays == "none" else _of_country("JP" if holidays == "japan" else holidays)


@lru_cache(maxsize=100)
def _of_country(code: str) -> Any:
    """Return the public holidays of a country or a part of one."""
    import holidays  # brings the calendars of all countries: imported where one is asked for

    country, _, part = code.partition("-")
    parts = holidays.list_supported_countries().get(country)
    if parts is None or (part and part not in parts) or code.endswith("-"):
        known = [f"{country}-{name}" for name in parts or ()] or [
            *holidays.list_supported_countries(),
            *HOLIDAYS,
        ]
        raise InputError([Problem("calendar", "", "holidays", repr(code), WANTED + suggestion(code, known))])
    return holidays.country_holidays(country, subdiv=part or None)
