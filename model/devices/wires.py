"""Limits of the network that all power of a community keeps, from the retailer, from peers and to them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import sparse

from ..grid.loads import PHASES, drawn_at
from ..grid.network_limits import Rows, network_limits
from ..labels import Array, positions
from ..lp.expressions import Linear
from ..topology.meters import Meters
from .device import Device, Sets

_LACK = {
    "voltage_low": "V to its lowest voltage",
    "voltage_high": "V to its highest voltage",
    "edge_down": "kW of rating above it, for what is drawn below",
    "edge_up": "kW of rating above it, for what is given below",
    "node_import": "kW of its limit on what flows into it",
    "node_export": "kW of its limit on what flows out of it",
}
_DIMS = {2: ("node", "time"), 3: ("node", "phase", "time")}
"""Dims of families by how many they have."""
_FORMULA = {
    "voltage_low": "v2[n,f,t] >= low[n]^2, as volts near the limit",
    "voltage_high": "v2[n,f,t] <= high[n]^2, as volts near the limit",
    "edge_down": "P[n,f,t] <= sqrt(S[n]^2 - Q[n,f,t]^2) + k[n,f,t] * (v2[n,f,t] - 1)",
    "edge_up": "-P[n,f,t] <= sqrt(S[n]^2 - Q[n,f,t]^2) + k[n,f,t] * (v2[n,f,t] - 1)",
    "node_import": "sum over connections p at n and below it of d[p,t] <= node_import_envelope[n,t]",
    "node_export": "-sum over connections p at n and below it of d[p,t] <= node_export_envelope[n,t]",
}


def wires(inputs: xr.Dataset, meters: Meters, sets: Sets, drawn: Linear, rows: Rows) -> Device:
    """Hold voltages, powers over edges, and powers into and out of nodes to their limits, in the rows asked for.

    ``drawn`` (meter, time) is what meters take less what they give, of and to whomever.

    headroom[n,f,t] at no power + sum over meters m of response[n,f,t,m] * drawn[m,t] >= 0, with the
    headroom of `network_limits`: v2 and P are linear in what is drawn (`linear_flow`). Limits of nodes have no phase.
    """
    block = Device(_DIMS[3], inputs, meters, sets)
    limits, place = network_limits(inputs), connected_to(inputs, meters)
    slots = inputs.sizes["time"]
    headroom = limits.headroom(np.zeros((inputs.sizes["node"], len(PHASES), slots)))
    for family, mask in rows.items():
        if mask.any():
            *at_node, slot = np.nonzero(mask)
            response = limits.response(family, *at_node, slot)
            entry, meter = np.nonzero(place[:, slot].T >= 0)
            at = meter * slots + slot[entry]
            weight = response[entry, place[meter, slot[entry]]]
            used = weight != 0
            size = (mask.size, place.size)
            row = np.flatnonzero(mask)[entry]
            weights = sparse.csr_array((weight[used], (row[used], at[used])), shape=size)
            block.row(
                family,
                drawn.weighted(weights, mask.shape) >= -headroom[family],
                _FORMULA[family],
                where=mask,
                dims=_DIMS[mask.ndim],
                lack=_LACK[family],
                rent=True,
            )
    return block


def connected_to(inputs: xr.Dataset, meters: Meters) -> Array:
    """Return the participant (meter, time) whose connection a meter is at: a guest's host; -1 while it is nowhere."""
    people, slots = inputs.sizes["participant"], inputs.sizes["time"]
    place = np.full((len(meters.label), slots), -1)
    for own in (meters.draws_at, meters.gives_at, meters.pv_at):
        place[own] = np.arange(people)[:, None]
    guests = np.flatnonzero(meters.guest >= 0)
    host = positions(inputs, "vehicle_host", "participant")[guests]
    place[meters.guest[guests]] = np.where(meters.node[meters.guest[guests]] >= 0, host, -1)
    return place


def loss_cost(inputs: xr.Dataset, meters: Meters, drawn: Linear, price: Array, base: xr.Dataset) -> Linear:
    """Return the cost of what meters add to losses by drawing (meter, time) beyond a base flow [currency].

    sum over meters and slots of price[p,t] * drawn[m,t] * hours[t], less the same of the base, with the ``price``
    (participant, time) of `loss_factors` at the connection p of each meter.
    """
    place, hours = connected_to(inputs, meters), inputs["slot_hours"].values
    at = np.where(place >= 0, price[place, np.arange(len(hours))], 0.0)
    added: Linear = (at * hours * drawn).sum()
    return added - float((price * drawn_at(inputs, base) * hours).sum())


def could_break(inputs: xr.Dataset, meters: Meters) -> Rows:
    """Return which rows whatever the meters draw and give could break, within their capacities."""
    place = connected_to(inputs, meters)
    most = np.zeros((2, inputs.sizes["participant"], inputs.sizes["time"]))
    meter, slot = np.nonzero(place >= 0)
    for total, capacity, limit in (
        (most[0], meters.draw_capacity, meters.import_limit),
        (most[1], meters.give_capacity, meters.export_limit),
    ):
        power = np.minimum(capacity, limit)
        np.add.at(total, (place[meter, slot], slot), power[meter, slot])
    return network_limits(inputs).could_break(*most)
