"""What accounts pay for what is scarce in the network, full lines and transformers and voltage, and for its losses.

Where a clearing keeps limits of its network, one more kWh that a participant draws costs all others a price s (the
duals of these limits; `grid.scarcity`), below zero where it relieves them. Everybody holds the right to the net power
d0 that it would draw without peers, a plan that keeps the same limits, and pays for what it draws beyond it, or gets
what it leaves to others::

    charges[p] = sum over t of s[p,t] * (d[p,t] - d0[p,t]) * hours[t]

These are financial transmission rights (Hogan, "Contract networks for electric power transmission", Journal of
Regulatory Economics 4 (1992), doi:10.1007/BF00133621). Since d0 keeps the limits, what is paid in all is never less
than nothing: y (headroom at d0) of every limit that binds, which the network keeps. And since everybody's plan is its
own best one at these prices, for which it could have kept d0 at no charge, nobody is worse off than without peers.
Losses are charged alike, at the price of `loss_factors`: a right to d0 and a price for every kWh beyond it, which in all
is what trading adds to the cost of losses, to the first order; where it relieves the wires, less than nothing.
Vehicles plugged in elsewhere pay, on their owner's account, the price at their host's connection.
"""

import numpy as np
import xarray as xr

from ..labels import Array, positions, sum_at
from ..topology.traders import traders

CHARGES = {
    "congestion_charges": "congestion_price",
    "voltage_charges": "voltage_price",
    "loss_charges": "loss_price",
}
"""The lines, and the prices that they are of."""
RENTS = ("congestion_charges", "voltage_charges")
"""Lines that the network keeps; with charges for losses it buys the energy that is lost."""


def network_charges(inputs: xr.Dataset, results: xr.Dataset, grid_only: xr.Dataset) -> dict[str, Array]:
    """Return the charges (participant,) [currency] of a clearing; nothing where wires have no price."""
    if not any(name in results for name in CHARGES.values()):
        return {}
    who, size = traders(inputs), inputs.sizes["participant"]
    beyond = (_net(inputs, results) - _net(inputs, grid_only)) * inputs["slot_hours"].values
    host = positions(inputs, "vehicle_host", "participant")
    slot = np.arange(inputs.sizes["time"])
    lines = {}
    for line, name in CHARGES.items():
        if name not in results:
            continue
        price = results[name].transpose("participant", "time").values
        abroad = np.where(who.node[size:] >= 0, price[host, slot], 0.0)
        paid = (np.concatenate([price, abroad]) * beyond).sum(axis=1)
        lines[line] = sum_at(who.account, paid, size)
    return lines


def _net(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the net power (P + V, T) [kW] that traders draw."""
    who = traders(inputs)
    net: Array = np.zeros(who.node.shape)
    for peer, away, sign in (
        ("grid_import", "vehicle_import", 1),
        ("peer_purchase", "vehicle_purchase", 1),
        ("grid_export", "vehicle_export", -1),
        ("peer_sale", "vehicle_sale", -1),
    ):
        net = net + sign * who.stack(results[peer], results[away])
    return net
