"""What is delivered of the deals of a slot."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..exchange.deals import Deals
from ..exchange.integer_fees import network
from ..labels import Array
from ..topology.traders import traders

DUST = 1e-7
"""Least energy of a delivered trade [kWh]."""


def deliver(inputs: xr.Dataset, slot: int, deals: Deals, net: Array) -> Deals:
    """Return what is delivered of the deals: no more than traded, nor than metered; first traded, first served.

    ``net`` (P + V,) is what the meters drew less what they gave [kW]. Where a trade that is not delivered made room on a
    limited edge for others, the latest of these are cut.
    """
    hours = float(inputs["slot_hours"].values[slot])
    given, drawn = np.maximum(-net, 0.0) * hours, np.maximum(net, 0.0) * hours
    energy = np.zeros(len(deals.energy))
    for k, (seller, buyer) in enumerate(zip(deals.seller.tolist(), deals.buyer.tolist(), strict=True)):
        energy[k] = min(deals.energy[k], given[seller], drawn[buyer])
        given[seller] -= energy[k]
        drawn[buyer] -= energy[k]
    energy = _within_edges(inputs, slot, deals._replace(energy=energy))
    return deals._replace(energy=np.where(energy >= DUST, energy, 0.0))


def _within_edges(inputs: xr.Dataset, slot: int, deals: Deals) -> Array:
    """Return the energies (D,) of deals, the latest cut where more would cross a limited edge than it carries."""
    edges, energy = network(inputs), deals.energy.copy()
    node = traders(inputs).node[:, slot]
    below = edges.below
    way = below[:, node[deals.seller]].astype(int) - below[:, node[deals.buyer]]
    up, down = edges.carried(slot) * float(inputs["slot_hours"].values[slot])
    while (over := np.maximum(way @ energy - up, -(way @ energy) - down)).max(initial=0.0) > DUST:
        edge = int(over.argmax())
        sign = np.sign(way[edge] @ energy)
        last = int(np.flatnonzero((way[edge] == sign) & (energy > 0))[-1])
        energy[last] -= min(energy[last], over[edge])
    return energy
