"""The trades of one slot, contracted and delivered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..labels import Array, sum_at


class Deals(NamedTuple):
    """The D trades of one slot, an array (D,) each, in the order in which they were made.

    ``seller`` and ``buyer`` are positions among the traders. The seller gets ``price``, the buyer pays ``price + fee +
    congestion`` [currency/kWh]. ``energy`` is what is delivered of the ``contracted`` energy [kWh]; as long as nothing
    is delivered yet, both are the same.
    """

    seller: Array
    buyer: Array
    energy: Array
    price: Array
    fee: Array
    congestion: Array
    contracted: Array

    def net(self, size: int) -> Array:
        """Return the energy (size,) that every trader bought less what it sold [kWh]."""
        return sum_at(self.buyer, self.energy, size) - sum_at(self.seller, self.energy, size)

    def where(self, chosen: Array) -> Deals:
        """Return the trades that are ``chosen`` (D,)."""
        return Deals(*(column[chosen] for column in self))


NO_DEALS = Deals(*(np.zeros(0, kind) for kind in (np.int64, np.int64, *[np.float64] * 5)))
"""Of a slot in which nobody trades."""


def joined(slots: Sequence[Deals]) -> Deals:
    """Return the trades of all slots, one slot after another."""
    return Deals(*map(np.concatenate, zip(*slots, strict=True)))
