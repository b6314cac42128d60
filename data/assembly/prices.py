"""Retail and feed-in prices over the slots: flat, time-of-use, tiers, their average and series.

``PRICES`` names the function of each kind of price of a scenario.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import gcd
from typing import Any

import numpy as np
import pandas as pd

from ..clock import local
from ..schema import price_forms as schema
from ..schema.file_references import PriceFile
from ..schema.values import Closed
from ..series.calendar import public_holidays
from .demand_and_pv import Frame, rate

_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = {"all": _WEEK, "weekdays": _WEEK[:5], "weekends": _WEEK[5:]}
_MIDNIGHT = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Window:
    """A time of day with its own price, from minute ``start`` to before minute ``end`` of the local day.

    Where ``end`` does not come after ``start`` the window crosses midnight; ``days`` (all, weekdays, weekends, or names
    of days) and ``months`` (all, if there are none) are those on which it starts. On public holidays it holds as on
    their day of the week (``holidays`` None), on all of them (True), or on none.
    """

    start: int
    end: int
    price: float
    days: str | Collection[str] = "all"
    months: Collection[int] = ()
    holidays: bool | None = None

    def holds_on(self, day: date, holidays: Collection[date]) -> bool:
        """Return whether the window starts on a local day."""
        if self.months and day.month not in self.months:
            return False
        if self.holidays is not None and day in holidays:
            return self.holidays
        days = _DAYS[self.days] if isinstance(self.days, str) else self.days
        return _WEEK[day.weekday()] in days


def price(tariff: Closed, frame: Frame) -> np.ndarray:
    """Return a price over the slots (time,) [currency/kWh]; problems of its file go to the frame."""
    return PRICES[type(tariff)](tariff, frame)


def _flat(tariff: schema.Flat, frame: Frame) -> np.ndarray:
    return flat(tariff.price_per_kwh, frame.times)


def _time_of_use(tariff: schema.TimeOfUse, frame: Frame) -> np.ndarray:
    windows = [
        Window(minute(w.start), minute(w.end), w.price_per_kwh, w.days, w.months, w.holidays)
        for w in tariff.windows
    ]
    time, base = frame.time, tariff.price_per_kwh
    return time_of_use(frame.times, time.slot_minutes, time.time_zone, windows, base, frame.holidays)


def _tiered(tariff: schema.Tiered, frame: Frame) -> np.ndarray:
    return flat(tariff.tiers[0].price_per_kwh, frame.times)  # what others are dearer, `contracts` says


def _tiered_average(tariff: schema.TieredAverage, frame: Frame) -> np.ndarray:
    ends = [tier.up_to_kwh for tier in tariff.tiers if tier.up_to_kwh is not None]
    prices = [tier.price_per_kwh for tier in tariff.tiers]
    return flat(tiered_average(tariff.monthly_kwh, ends, prices), frame.times)


def _series(tariff: PriceFile, frame: Frame) -> np.ndarray:
    price = tariff.factor * rate(frame, tariff) + tariff.plus
    bounds = tariff.at_least, tariff.at_most
    return price if bounds == (None, None) else np.clip(price, *bounds)


PRICES: dict[type[Closed], Callable[[Any, Frame], np.ndarray]] = {
    schema.Flat: _flat,
    schema.TimeOfUse: _time_of_use,
    schema.Tiered: _tiered,
    schema.TieredAverage: _tiered_average,
    PriceFile: _series,
}
"""Kind of price -> its function of the price and the frame of slots: (time,) [currency/kWh]."""


def flat(price: float, times: pd.DatetimeIndex) -> np.ndarray:
    """Return one price for every slot (time,) [currency/kWh]."""
    return np.full(len(times), price)


def minute(clock: str) -> int:
    """Return the minute of the day of ``HH:MM``.

    >>> minute("07:30"), minute("24:00")
    (450, 1440)
    """
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)


def time_of_use(
    times: pd.DatetimeIndex,
    slot_minutes: int,
    time_zone: str,
    windows: Sequence[Window],
    price: float,
    holidays: str | Collection[date] = "none",
) -> np.ndarray:
    """Return the mean price of every slot (time,) [currency/kWh].

    The price of a minute is that of the first window that holds it, or else ``price``; a slot that a window
    cuts gets the mean over its minutes.

    Parameters
    ----------
    times
        Starts of the slots, naive UTC (time,).
    slot_minutes
        Length of a slot [min].
    time_zone
        Zone in which the windows are meant.
    windows
        In the order of their precedence.
    price
        Outside every window [currency/kWh].
    holidays
        Calendar of public holidays, as for :func:`public_holidays`.

    Examples
    --------
    >>> times = pd.date_range("2020-08-18 15:00", periods=4, freq="6h")  # local midnight in Tokyo
    >>> time_of_use(times, 360, "Asia/Tokyo", [Window(minute("23:00"), minute("07:00"), 20.0)], 30.0)
    array([20.        , 28.33333333, 30.        , 28.33333333])
    """
    # no clock change is finer than a quarter of an hour, so a window holds a whole step or nothing of it
    step = gcd(slot_minutes, 15, *(w.start for w in windows), *(w.end for w in windows))
    offsets = np.arange(0, slot_minutes, step) * np.timedelta64(60_000_000_000, "ns")
    samples = pd.DatetimeIndex((times.to_numpy()[:, None] + offsets).ravel())
    clock = local(samples, time_zone).tz_localize(None)
    now = np.asarray(clock.hour * 60 + clock.minute)
    midnight = clock.normalize().to_numpy()
    day = ((midnight - midnight[0]) // _MIDNIGHT).astype(int) + 1
    first, off = clock[0].date() - timedelta(days=1), public_holidays(holidays)
    dates = [first + timedelta(days=n) for n in range(int(day.max()) + 1)]
    prices = np.full(len(samples), float(price))
    for window in reversed(windows):
        starts = np.array([window.holds_on(date, off) for date in dates])
        prices[_holds(window, now, starts[day], starts[day - 1])] = window.price
    return np.asarray(prices.reshape(len(times), len(offsets)).mean(axis=1))


def _holds(window: Window, now: np.ndarray, today: np.ndarray, yesterday: np.ndarray) -> np.ndarray:
    """Return whether a window holds at minutes of the day, by whether it starts on that day and on the day before."""
    if window.start < window.end:
        return np.asarray(today & (window.start <= now) & (now < window.end))
    return np.asarray((today & (now >= window.start)) | (yesterday & (now < window.end)))


def tiered_average(monthly_kwh: float, ends: Sequence[float], prices: Sequence[float]) -> float:
    """Return the average price of a month's consumption over tiers [currency/kWh].

    sum over tiers k of prices[k] * max(0, min(monthly, end[k]) - end[k-1]) / monthly; the first tier begins
    at 0, the last has no end.

    Parameters
    ----------
    monthly_kwh
        Consumption of the month, more than 0 [kWh].
    ends
        Ends of all tiers but the last, rising [kWh].
    prices
        Price within each tier, one more than ``ends`` [currency/kWh].

    Examples
    --------
    >>> tiered_average(400, [120, 300], [20.0, 25.0, 30.0])
    24.75
    """
    edges = np.array([0.0, *ends, np.inf])
    within = np.clip(monthly_kwh - edges[:-1], 0.0, np.diff(edges))
    return float(within @ np.asarray(prices) / monthly_kwh)
