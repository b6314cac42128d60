"""Peaks that contracts charge: the highest powers of a month at a participant's meter, and what of them is new.

A peak of a tariff is the mean of the ``peak_days`` highest daily maxima of a month, of the mean power drawn in a slot
from the retailer and from peers; a day that the horizon does not hold counts as zero. The least that is charged is
``peak_floor``, and in the first month the ``earlier_peak`` that was reached before the horizon. What was charged for
that already is not charged again, so that the charges of horizons one after another add up to those of the month::

    charged = max(peak, peak_floor, earlier_peak) - paid,   paid = max(peak_floor, earlier_peak), or 0 without one
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
    peak; ``least`` and ``paid`` (Q, P, M) [kW]; ``day`` (T,) and ``month`` (D,) positions.
    """

    price: Array
    days: Array
    mine: Array
    least: Array
    paid: Array
    day: Array
    month: Array

    def levels(self, draw: Array) -> Array:
        """Return the peaks (Q, P, M) [kW] of powers drawn (P, T)."""
        highest = np.zeros((len(draw), len(self.month)))
        np.maximum.at(highest.T, self.day, draw.T)
        levels = np.zeros(self.least.shape)
        for month in range(self.least.shape[-1]):
            ordered = -np.sort(-highest[:, self.month == month], axis=1)
            for q, days in enumerate(self.days):
                levels[q, :, month] = ordered[:, :days].sum(axis=1) / days
        return levels * self.mine[:, :, None]

    def charged(self, draw: Array) -> Array:
        """Return what of the peaks of powers drawn (P, T) is charged (Q, P, M) [kW]."""
        return (np.maximum(self.levels(draw), self.least) - self.paid) * self.mine[:, :, None]

    def values(self, draw: Array) -> Array:
        """Return what one more kW in a slot adds to the charges (P, T) [currency/kW], of powers that nobody chooses.

        Of equal maxima the first counts, and of a peak below the least that is charged none.
        """
        value, slots = np.zeros(draw.shape), np.arange(len(self.day))
        beyond = self.levels(draw) > self.least + 1e-9
        for day, month in enumerate(self.month):
            own = slots[self.day == day]
            first = own[draw[:, own].argmax(axis=1)]
            for q, days in enumerate(self.days):
                rank = (self._maxima(draw, month) > draw[np.arange(len(draw)), first][:, None]).sum(axis=1)
                some = self.mine[q] & beyond[q, :, month] & (rank < days)
                value[some, first[some]] += self.price[q] / days
        return value

    def _maxima(self, draw: Array, month: int) -> Array:
        """Return the daily maxima of a month (P, days) [kW]."""
        days = np.flatnonzero(self.month == month)
        return np.stack([draw[:, self.day == day].max(axis=1) for day in days], axis=1)


def peaks(inputs: xr.Dataset) -> Peaks | None:
    """Return the peaks that tariffs charge; None where none does."""
    if "peak" not in inputs.sizes:
        return None
    tariff = positions(inputs, "participant_tariff", "tariff")
    mine = positions(inputs, "peak_tariff", "tariff")[:, None] == tariff
    floor, earlier = inputs["peak_floor"].values[:, None, None], optional(inputs, "earlier_peak")
    known = np.zeros((1, len(tariff), inputs.sizes["month"]))
    known[0, :, 0] = np.nan_to_num(earlier, nan=0.0)
    first = np.zeros(known.shape, dtype=bool)
    first[0, :, 0] = ~np.isnan(earlier)
    least = np.maximum(floor, known)
    return Peaks(
        price=inputs["peak_price"].values,
        days=inputs["peak_days"].values.astype(int),
        mine=mine,
        least=least,
        paid=np.where(first, least, 0.0),
        day=positions(inputs, "slot_day", "day"),
        month=positions(inputs, "day_month", "month"),
    )
