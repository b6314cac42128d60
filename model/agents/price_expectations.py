"""The prices that an agent expects at its node."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.arrays import assembled
from ..labels import Array


class Observation(NamedTuple):
    """What became of an order: ``side`` 0 bought or 1 sold at a ``node`` so much ``energy`` [kWh] at a ``price``.

    The price [currency/kWh] is that at the node, access fees not in it.
    """

    side: int
    node: int
    energy: float
    price: float


class Expectations:
    """What the agents expect energy to cost (``price``) and to earn (``sale_price``) at each node and time of day.

    They begin at the middle between the tariffs' mean feed-in and retail price and move by ``weight`` towards what
    the orders of each slot showed: the prices of trades, and for what was not traded the retail price of bids and the
    feed-in price of asks.

    Parameters
    ----------
    inputs : xr.Dataset
        Of any slots: the prices of the first day are where expectations begin.
    slots_per_day : int
        Times of day that are told apart.
    weight : float
        Of the newest slot, within (0, 1].
    """

    def __init__(self, inputs: xr.Dataset, slots_per_day: int, weight: float = 0.3):
        used = np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
        middle = 0.5 * sum(
            float(inputs[name].values[used].mean()) for name in ("retail_price", "feed_in_price")
        )
        self.weight = weight
        self.values = np.full((2, inputs.sizes["node"], slots_per_day), middle)

    def quotes(self, inputs: xr.Dataset, place: Array) -> xr.Dataset:
        """Return what is expected of slots at times of day ``place`` (time,); no purchase is below a sale."""
        price, sale = self.values[:, :, place]
        dims = ("node", "time")
        return assembled(inputs, {"price": (dims, np.maximum(price, sale)), "sale_price": (dims, sale)})

    def learn(self, place: int, observed: Sequence[Observation]) -> None:
        """Move what is expected of a time of day towards the mean prices that one slot's orders showed."""
        total = np.zeros((2, *self.values.shape[:2]))
        for side, node, energy, price in observed:
            total[:, side, node] += energy, energy * price
        seen = total[0] > 0
        mean = np.divide(total[1], total[0], out=np.zeros_like(total[0]), where=seen)
        old = self.values[:, :, place]
        self.values[:, :, place] = np.where(seen, old + self.weight * (mean - old), old)
