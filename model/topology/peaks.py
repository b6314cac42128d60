"""Peaks that contracts charge: the highest powers of a month at a participant's meter, and what of them is new.

A peak of a tariff is the mean of the ``peak_days`` highest daily maxima of a month, of the mean power drawn in a slot
from the retailer and from peers; a day that nothing is known of counts as zero. ``day_peak`` is what a day reached
before the horizon. The least that is charged is ``peak_floor``, and in the first month the ``earlier_peak`` that was
reached before the horizon. What was charged for that already is not charged again, so that the charges of horizons one
after another add up to those of the month::

    charged = max(peak, peak_floor, earlier_peak) - paid
    paid    = max(peak of the day_peaks, peak_floor, earlier_peak), or 0 in a month of which nothing is known
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions


class Peaks(NamedTuple):
    """The peaks of a community: Q peaks, P participants, M months, D days, T slots.

    ``price`` (Q,) [currency/kW], ``days`` (Q,) how many daily maxima are averaged; ``mine`` (Q, P) whose tariff has a
    peak; ``least`` and ``paid`` (Q, P, M) [kW]; ``reached`` (P, D) [kW] on each day before the horizon; ``day`` (T,)
    and ``month`` (D,) positions.
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
        """Return the daily maxima (P, D) [kW] of powers drawn (P, T), with what was reached before."""
        highest = self.reached.copy()
        np.maximum.at(highest.T, self.day, draw.T)
        return highest

    def levels(self, draw: Array) -> Array:
        """Return the peaks (Q, P, M) [kW] of powers drawn (P, T)."""
        return self._means(self.highest(draw)) * self.mine[:, :, None]

    def charged(self, draw: Array) -> Array:
        """Return what of the peaks of powers drawn (P, T) is charged (Q, P, M) [kW]."""
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
        """Return what one more kW in a slot adds to the charges (P, T) [currency/kW], of powers that nobody chooses.

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
        """Return the means (Q, P, M) of the highest of daily maxima (P, D)."""
        means = np.zeros(self.least.shape)
        for month in range(self.least.shape[-1]):
            ordered = -np.sort(-highest[:, self.month == month], axis=1)
            for q, days in enumerate(self.days):
                means[q, :, month] = ordered[:, :days].sum(axis=1) / days
        return means


def peaks(inputs: xr.Dataset) -> Peaks | None:
    """Return the peaks that tariffs charge; None where none does."""
    if "peak" not in inputs.sizes:
        return None
    tariff, month = positions(inputs, "participant_tariff", "tariff"), positions(inputs, "day_month", "month")
    floor, earlier = inputs["peak_floor"].values[:, None, None], optional(inputs, "earlier_peak")
    days, reached = inputs["peak_days"].values.astype(int), optional(inputs, "day_peak")
    known, begun = np.zeros((1, len(tariff), inputs.sizes["month"])), ~np.isnan(reached)
    known[0, :, 0] = np.nan_to_num(earlier, nan=0.0)
    before = np.stack([begun[:, month == m].any(axis=1) for m in range(known.shape[-1])], axis=1)
    before[:, 0] |= ~np.isnan(earlier)
    least = np.maximum(floor, known)
    own = Peaks(
        price=inputs["peak_price"].values,
        days=days,
        mine=positions(inputs, "peak_tariff", "tariff")[:, None] == tariff,
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
