"""Slots as figures show them: a day in its slots, longer horizons in whole hours of local time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ....data import clock
from ..figures.axes import Array

FINE, MOST = 96, 192
"""Slots up to which each is shown, and periods up to which a width of some hours is taken."""
_WIDTHS = (1, 2, 3, 4, 6, 12, 24, 168)


@dataclass(frozen=True)
class Slots:
    """Periods of a horizon: the period of every slot (time,), their hours and labels, and marks of an axis."""

    period: Array
    slot_hours: Array
    labels: list[str]
    marks: list[tuple[float, str]]

    def mean(self, power: Array) -> Array:
        """Return the mean over each period of power or a price (..., time), weighted by the length of the slots."""
        total = self.sum(np.nan_to_num(power) * self.slot_hours)
        known = self.sum(np.isfinite(power) * self.slot_hours)
        return np.asarray(np.divide(total, known, out=np.full(total.shape, np.nan), where=known > 0))

    def sum(self, amounts: Array) -> Array:
        """Return the sums over each period of amounts (..., time)."""
        return np.asarray(np.add.reduceat(amounts, self._first, axis=-1))

    def most(self, values: Array) -> Array:
        """Return the greatest of the values (..., time) in each period."""
        return np.asarray(np.maximum.reduceat(values, self._first, axis=-1))

    @property
    def _first(self) -> Array:
        """Return the first slot of each period (period,)."""
        return np.flatnonzero(np.diff(self.period, prepend=-1))

    def last(self, values: Array) -> Array:
        """Return the values (..., time) at the end of each period."""
        return np.asarray(values[..., np.flatnonzero(np.diff(self.period, append=self.period[-1] + 1))])


def slots(inputs: xr.Dataset, most: int = MOST) -> Slots:
    """Return the periods in which figures show the slots of a run, ``most`` of a long horizon."""
    hours = inputs["slot_hours"].values.astype(float)
    return periods(
        pd.DatetimeIndex(inputs["time"].values), hours, str(inputs.attrs.get("time_zone", "UTC")), most
    )


def periods(times: pd.DatetimeIndex, hours: Array, zone: str, most: int = MOST) -> Slots:
    """Return the periods in which figures show slots, by their starts in UTC, their ``hours`` (time,) and time zone."""
    local = clock.local(times, zone).tz_localize(None)
    period, starts = np.arange(len(local)), local
    if len(local) > FINE:
        total = float(hours.sum())
        width = next((w for w in _WIDTHS if total / w <= most), _WIDTHS[-1])
        since = (local - local[0].normalize()) // pd.Timedelta(hours=width)
        period = np.cumsum(np.diff(since, prepend=since[0]) != 0)
        first = np.flatnonzero(np.diff(period, prepend=-1))
        starts = local[0].normalize() + since[first] * pd.Timedelta(hours=width)
        starts = starts.where(starts >= local[0], local[0])
    return Slots(period, hours, [f"{t:%Y-%m-%d %H:%M}" for t in starts], _marks(starts))


def _marks(starts: pd.DatetimeIndex) -> list[tuple[float, str]]:
    """Return marks for an axis: hours of one day, else days, seven at the most but for one."""
    days = np.flatnonzero(np.diff(starts.normalize().asi8, prepend=-1) != 0)
    if len(days) <= 2:
        marked = [k for k, t in enumerate(starts) if t.minute == 0 and t.hour % 6 == 0]
        return [(float(k), f"{starts[k]:%H:%M}") for k in marked]
    kept = days[:: -(-len(days) // 7)]
    return [(float(k), f"{starts[k]:%m-%d}") for k in kept]
