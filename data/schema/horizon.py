"""Begin and end of a horizon, and the trips that matter in it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from .. import clock
from .scenario import Time
from .table_rows import Trip


def instant(moment: datetime, time_zone: str) -> np.datetime64:
    """Return a time, local where it has no offset, as naive UTC.

    >>> instant(datetime(2020, 8, 19, 7, 30), "Asia/Tokyo")
    np.datetime64('2020-08-18T22:30:00.000000000')
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=clock.zone(time_zone))
    return np.datetime64(aware.astimezone(UTC).replace(tzinfo=None), "ns")


def horizon(time: Time) -> tuple[np.datetime64, np.datetime64]:
    """Return begin and end of the horizon, naive UTC."""
    times = clock.slots(time.start, time.days, time.slot_minutes, time.time_zone).to_numpy()
    return times[0], times[-1] + np.timedelta64(time.slot_minutes, "m")


def relevant(trips: Sequence[Trip], time: Time) -> list[Trip]:
    """Return the trips that touch the horizon and, of each vehicle, the last one before it.

    That one says where the vehicle stands when the horizon begins.
    """
    if not trips:
        return []
    begin, end = horizon(time)
    last: dict[str, tuple[np.datetime64, int]] = {}
    kept = set()
    for n, trip in enumerate(trips):
        departure, arrival = (instant(m, time.time_zone) for m in (trip.departure, trip.arrival))
        if arrival <= begin:
            last[trip.vehicle] = max(last.get(trip.vehicle, (arrival, n)), (arrival, n))
        elif departure < end:
            kept.add(n)
    kept.update(n for _, n in last.values())
    return [trips[n] for n in sorted(kept)]
