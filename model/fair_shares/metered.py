"""What coalitions of members gain by sharing what their meters show: the game of a settled run, in closed form.

Nothing is planned any more, so that every slot stands for itself. With what members inject at what the retailer would
pay for it, and what they withdraw at what the retailer would take less the fee on shared energy, both sorted by price, a
coalition gains the area between the two curves up to where they cross::

    v(S) = sum over slots of the integral over q of max(retail(q) - fee(q) - feed_in(q), 0)

This is the optimum of sharing; a rule that allocates less, such as fixed shares, saves less.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions
from . import games

EXACT = 18
"""Members up to which all coalitions are computed: 262,144."""
_AT_ONCE = 2**22  # numbers (coalition, time) at a time


class MeteredCoalitions:
    """The coalitions of members whose energies are metered; all injections and withdrawals are at one node.

    Parameters
    ----------
    inputs : xr.Dataset
        Of a settled run: ``demand`` is what members withdrew, ``pv_available`` what they injected.
    participation : (participant,), optional
        Part of their withdrawals that takes part.
    """

    exact = EXACT

    def __init__(self, inputs: xr.Dataset, participation: Array | None = None):
        self.members = inputs.sizes["participant"]
        hours, tariff = inputs["slot_hours"].values, positions(inputs, "participant_tariff", "tariff")
        drawn, given = (
            inputs[name].transpose("participant", "time").values * hours
            for name in ("demand", "pv_available")
        )
        if participation is not None:
            drawn = drawn * participation[:, None]
        worth = inputs["retail_price"].values - optional(inputs, "shared_fee")
        self._bids = _classes(drawn, worth, tariff)
        self._asks = _classes(given, inputs["feed_in_price"].values, tariff)

    def gain(self, inside: Array) -> float:
        """Return what a coalition (participant,) bool gains [currency]."""
        return float(self._gains(inside[None])[0])

    def gains(self, progress: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Return what all coalitions gain (2^participant,) [currency], by their bits; see `games`."""
        inside = games.members(self.members)
        step = max(1, _AT_ONCE // self._bids[0][0].shape[-1])
        parts = []
        for start in range(0, len(inside), step):
            parts.append(self._gains(inside[start : start + step]))
            progress(min(start + step, len(inside)), len(inside))
        return np.concatenate(parts)

    def _gains(self, inside: Array) -> Array:
        """Return what coalitions (coalition, participant) bool gain (coalition,) [currency]."""
        some = inside.astype(float)
        wanted, sold = (
            [(some @ energy, price) for energy, price in side] for side in (self._bids, self._asks)
        )
        total = np.zeros(len(inside))
        for (k, (want, worth)), (j, (give, cost)) in product(enumerate(wanted), enumerate(sold)):
            spread = np.maximum(worth - cost, 0.0)
            if not spread.any():
                continue
            before = sum(np.where(_first(w, worth, m, k), q, 0.0) for m, (q, w) in enumerate(wanted))
            cheaper = sum(np.where(_first(-c, -cost, m, j), q, 0.0) for m, (q, c) in enumerate(sold))
            shared = np.minimum(before + want, cheaper + give) - np.maximum(before, cheaper)
            total += np.maximum(shared, 0.0) @ spread
        return total


def _first(price: Array, own: Array, place: int, at: int) -> Array:
    """Return where (time,) a class stands before another: at a higher price, of equal ones by its place."""
    return np.asarray((price > own) | ((price == own) & (place < at)))


def _classes(energy: Array, prices: Array, tariff: Array) -> list[tuple[Array, Array]]:
    """Return the members' energies (participant, time) by classes of one price: those of a tariff, zeros of others."""
    return [(np.where((tariff == k)[:, None], energy, 0.0), prices[k]) for k in np.unique(tariff)]
