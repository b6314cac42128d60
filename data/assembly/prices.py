"""Retail and feed-in prices over the slots: flat, time-of-use, tiered-average and series.

``PRICES`` names the function of each kind of price of a scenario.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import pandas as pd

from ..clock import local
from ..schema import tariffs_and_fees as schema
from ..schema.file_references import PriceFile
from ..schema.values import Closed
from .demand_and_pv import Frame, rate

_DAYS = {"all": range(7), "weekdays": range(5), "weekends": range(5, 7)}


@dataclass(frozen=True)
class Window:
    """A time of day with its own price, from minute ``start`` to before minute ``end`` of the local day.

    Where ``end`` does not come after ``start`` the window crosses midnight; ``days`` (all, weekdays,
    weekends) are those on which it starts.
    """

    start: int
    end: int
    price: float
    days: str = "all"


def price(tariff: Closed, frame: Frame) -> np.ndarray:
    """Return a price over the slots (time,) [currency/kWh]; problems of its file go to the frame."""
    return PRICES[type(tariff)](tariff, frame)


def _flat(tariff: schema.Flat, frame: Frame) -> np.ndarray:
    return flat(tariff.price_per_kwh, frame.times)


def _time_of_use(tariff: schema.TimeOfUse, frame: Frame) -> np.ndarray:
    windows = [Window(minute(w.start), minute(w.end), w.price_per_kwh, w.days) for w in tariff.windows]
    time = frame.time
    return time_of_use(frame.times, time.slot_minutes, time.time_zone, windows, tariff.price_per_kwh)


def _tiered_average(tariff: schema.TieredAverage, frame: Frame) -> np.ndarray:
    ends = [tier.up_to_kwh for tier in tariff.tiers if tier.up_to_kwh is not None]
    prices = [tier.price_per_kwh for tier in tariff.tiers]
    return flat(tiered_average(tariff.monthly_kwh, ends, prices), frame.times)


def _series(tariff: PriceFile, frame: Frame) -> np.ndarray:
    return rate(frame, tariff)


PRICES: dict[type[Closed], Callable[[Any, Frame], np.ndarray]] = {
    schema.Flat: _flat,
    schema.TimeOfUse: _time_of_use,
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
    clock = local(samples, time_zone)
    now = np.asarray(clock.hour * 60 + clock.minute)
    weekday = np.asarray(clock.day_of_week)
    prices = np.full(len(samples), float(price))
    for window in reversed(windows):
        prices[_holds(window, now, weekday)] = window.price
    return np.asarray(prices.reshape(len(times), len(offsets)).mean(axis=1))


def _holds(window: Window, now: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """Return whether a window holds at minutes of the day on days of the week, Monday = 0."""
    days = list(_DAYS[window.days])
    today, yesterday = np.isin(weekday, days), np.isin((weekday - 1) % 7, days)
    if window.start < window.end:
        return today & (window.start <= now) & (now < window.end)
    return (today & (now >= window.start)) | (yesterday & (now < window.end))


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
