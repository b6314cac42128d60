"""Readings of a reference year set into the years of the slots."""

from datetime import timedelta

import numpy as np
import pandas as pd

from .. import clock
from .readings import Readings


def in_years_of(readings: Readings, times: pd.DatetimeIndex) -> Readings:
    """Return the readings in the years of the slots (time,), if their file says that they hold for any year."""
    if not readings.fmt.reference_year:
        return readings
    return placed(readings, times, standard_offset(readings))


def standard_offset(readings: Readings) -> timedelta:
    """Return the standard time less UTC of the zone that a file of readings names."""
    year = pd.Timestamp(readings.starts[0]).year
    return clock.standard_offset(clock.zone(readings.fmt.time_zone), year)


def placed(readings: Readings, times: pd.DatetimeIndex, offset: timedelta) -> Readings:
    """Return the readings of a reference year set into the years of the slots.

    A reading goes to its month, day and time of day in each of the years, whatever year it was written in.
    Where the readings have no 29 February, that of a leap year repeats 28 February; one that they have is
    left out of the other years.

    Parameters
    ----------
    readings
        Intervals of a year; the months may come from different years.
    times
        Starts of the slots, naive UTC (time,).
    offset
        Standard time less UTC, on which months, days and hours are counted.
    """
    if not len(times):
        return readings
    written = pd.DatetimeIndex(readings.starts) + offset
    leap = np.asarray((written.month == 2) & (written.day == 29))
    eve = np.flatnonzero((written.month == 2) & (written.day == 28))
    starts, source = [], []
    for year in range((times[0] + offset).year - 1, (times[-1] + offset).year + 2):
        long = bool(pd.Timestamp(year, 1, 1).is_leap_year)
        keep = np.flatnonzero(~leap | long)
        starts.append(_in_year(written[keep], year))
        source.append(keep)
        if long and not leap.any():
            starts.append(_in_year(written[eve], year) + timedelta(days=1))
            source.append(eve)
    index = np.concatenate([s.to_numpy() for s in starts]).astype("datetime64[ns]")
    index, first = np.unique(index - np.timedelta64(offset), return_index=True)
    return readings.chosen(np.concatenate(source)[first], index)


def _in_year(written: pd.DatetimeIndex, year: int) -> pd.DatetimeIndex:
    """Return local times with another year; every day must exist in it."""
    parts = {"year": year, "month": written.month, "day": written.day}
    return pd.DatetimeIndex(pd.to_datetime(pd.DataFrame(parts))) + (written - written.normalize())
