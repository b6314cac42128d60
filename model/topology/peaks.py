"""Peaks that contracts charge: the highest powers of a month at a meter, and what of them is new.

A peak of a tariff is the mean of the ``peak_days`` highest daily maxima of a month, of the mean power drawn in a slot
from the retailer and from peers; a day that nothing is known of counts as zero. ``day_peak`` is what a day reached
before the horizon. The least that is charged is ``peak_floor``, and in the first month the ``earlier_peak`` that was
reached before the horizon. What was charged for that already is not charged again, so that the charges of horizons one
after another add up to those of the month::

    charged = max(peak, peak_floor, earlier_peak) - paid
    paid    = max(peak of the day_peaks, peak_floor, earlier_peak), or 0 in a month of which nothing is known

Among peers a tariff may have one peak of all its customers instead (`joint_peaks`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions


class Peaks(NamedTuple):
    """The peaks of a community: Q peaks, U units, M months, D days, T slots; units are participants, or tariffs.

    ``price`` (Q,) [currency/kW], ``days`` (Q,) how many daily maxima are averaged; ``mine`` (Q, U) whose peak it is;
    ``least`` and ``paid`` (Q, U, M) [kW]; ``reached`` (U, D) [kW] on each day before the horizon; ``day`` (T,) and
    ``month`` (D,) positions.
    """

    price: Array
    days: Array
    mine: Array
    least: Array
    paid: Array
    reached: Array
    day: Array
    month: Array

    def highest(self, draw: Array) -> Array:
        """Return the daily maxima (U, D) [kW] of powers drawn (U, T), with what was reached before."""
        highest = self.reached.copy()
        np.maximum.at(highest.T, self.day, draw.T)
        return highest

    def levels(self, draw: Array) -> Array:
        """Return the peaks (Q, U, M) [kW] of powers drawn (U, T)."""
        return self._means(self.highest(draw)) * self.mine[:, :, None]

    def charged(self, draw: Array) -> Array:
        """Return what of the peaks of powers drawn (U, T) is charged (Q, U, M) [kW]."""
        return (np.maximum(self.levels(draw), self.least) - self.paid) * self.mine[:, :, None]

    def free(self, day: int) -> Array:
        """Return how high each day's maximum may be (P,) [kW] on a ``day`` without a charge; inf where none is charged.

        With k days that count, the k - 1 highest maxima h of the other days, and the peak that is charged already::

            free = k * max(peak, least) - sum of h
        """
        month, lowest = int(self.month[day]), np.full(self.reached.shape[0], np.inf)
        others = self.reached[:, (self.month == month) & (np.arange(len(self.month)) != day)]
        ordered = -np.sort(-others, axis=1)
        level = np.maximum(self._means(self.reached)[:, :, month], self.least[:, :, month])
        for q, days in enumerate(self.days):
            free = days * level[q] - ordered[:, : days - 1].sum(axis=1)
            lowest = np.where(self.mine[q], np.minimum(lowest, free), lowest)
        return lowest

    def values(self, draw: Array) -> Array:
        """Return what one more kW in a slot adds to the charges (U, T) [currency/kW], of powers that nobody chooses.

        Of equal maxima the first counts, and of a peak below the least that is charged none.
        """
        value, slots, highest = np.zeros(draw.shape), np.arange(len(self.day)), self.highest(draw)
        beyond = self.levels(draw) > self.least + 1e-9
        for day in np.unique(self.day):
            own, month = slots[self.day == day], self.month[day]
            first = own[draw[:, own].argmax(axis=1)]
            mine = draw[np.arange(len(draw)), first]
            rank = (highest[:, self.month == month] > mine[:, None]).sum(axis=1)
            for q, days in enumerate(self.days):
                some = self.mine[q] & beyond[q, :, month] & (rank < days)
                value[some, first[some]] += self.price[q] / days
        return value

    def _means(self, highest: Array) -> Array:
        """Return the means (Q, U, M) of the highest of daily maxima (U, D)."""
        means = np.zeros(self.least.shape)
        for month in range(self.least.shape[-1]):
            ordered = -np.sort(-highest[:, self.month == month], axis=1)
            for q, days in enumerate(self.days):
                means[q, :, month] = ordered[:, :days].sum(axis=1) / days
        return means


def peaks(inputs: xr.Dataset, *, joint: bool = False) -> Peaks | None:
    """Return the peaks of single participants; None where no tariff charges any.

    They are those of meters, and unless ``joint`` ones are charged (`joint_peaks`) those of tariffs, of each alone.
    """
    if "peak" not in inputs.sizes:
        return None
    together, tariff = of_tariff(inputs)[:, None], positions(inputs, "participant_tariff", "tariff")
    mine = positions(inputs, "peak_tariff", "tariff")[:, None] == tariff
    if joint:
        mine = mine & ~together
    earlier = np.where(together, np.nan, optional(inputs, "earlier_peak"))
    return of_units(inputs, mine, earlier, optional(inputs, "day_peak"))


def of_tariff(inputs: xr.Dataset) -> Array:
    """Return which peaks (peak,) are those of all customers of a tariff together."""
    return np.asarray(optional(inputs, "peak_of") == "tariff")


def members(inputs: xr.Dataset) -> Array:
    """Return whose tariff (participant,) has a peak of all its customers."""
    if "peak" not in inputs.sizes:
        return np.zeros(inputs.sizes["participant"], dtype=bool)
    return np.isin(inputs["participant_tariff"].values, inputs["peak_tariff"].values[of_tariff(inputs)])


def of_units(inputs: xr.Dataset, mine: Array, earlier: Array, reached: Array) -> Peaks:
    """Return the peaks of units by whose they are (peak, unit).

    ``earlier`` (peak, unit) and ``reached`` (unit, day) are what they reached before the horizon [kW], NaN = not known.
    """
    floor, month = inputs["peak_floor"].values[:, None, None], positions(inputs, "day_month", "month")
    known, begun = np.zeros((*mine.shape, inputs.sizes["month"])), ~np.isnan(reached)
    known[:, :, 0] = np.nan_to_num(earlier, nan=0.0)
    before = np.stack([begun[:, month == m].any(axis=1) for m in range(known.shape[-1])], axis=1)
    first = np.arange(known.shape[-1]) == 0
    before = before | (~np.isnan(earlier)[:, :, None] & first)
    least = np.maximum(floor, known)
    own = Peaks(
        price=inputs["peak_price"].values,
        days=inputs["peak_days"].values.astype(int),
        mine=mine,
        least=least,
        paid=np.zeros(least.shape),
        reached=np.nan_to_num(reached, nan=0.0),
        day=positions(inputs, "slot_day", "day"),
        month=month,
    )
    return own._replace(paid=np.where(before, np.maximum(own._means(own.reached), least), 0.0))


def going_on(inputs: xr.Dataset, drawn: Array, count: int) -> xr.Dataset:
    """Return the inputs of ``count`` slots after those in which so much was drawn (P, t) [kW], with what it reached.

    Of the months that they touch, and the days up to their last one.
    """
    window = inputs.isel(time=slice(drawn.shape[1], drawn.shape[1] + count))
    if "peak" not in inputs.sizes:
        return window
    day, month = positions(inputs, "slot_day", "day"), positions(inputs, "day_month", "month")
    reached = np.full((len(drawn), len(month)), np.nan)
    np.fmax.at(reached.T, day[: drawn.shape[1]], drawn.T)
    ahead = day[drawn.shape[1] : drawn.shape[1] + count]
    months = np.unique(month[ahead])
    days = np.flatnonzero(np.isin(month, months) & (np.arange(len(month)) <= ahead.max()))
    known = optional(inputs, "day_peak")
    window = window.assign(day_peak=(("participant", "day"), np.fmax(reached, known)))
    if months[0] > 0:
        window = window.drop_vars("earlier_peak", errors="ignore")
    return window.isel(day=days, month=months)
