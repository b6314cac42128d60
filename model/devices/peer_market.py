"""The peers: purchases and sales at each meter, carried by the fee network.

On a tree, fees add along the path, so that a trade needs no variable of its own: its power flows over the
edges. With a fee per pair of nodes, power is transferred between nodes directly, and each trade pays
exactly the fee of its pair.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..lp.expressions import Array, Linear, Relation
from ..topology.fee_tree import stages
from ..topology.meters import Meters, positions
from .device import Device, Sets, spare


def network(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Return the block of the peers' market: on the tree, or between pairs of nodes where ``trade_fee`` is given."""
    return pairs(inputs, meters, sets) if "trade_fee" in inputs else tree(inputs, meters, sets)


def tree(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Trade over the edges of the fee tree.

    balance: sum over meters m at n of (sale[m,t] - purchase[m,t]) + sum over children c of n of (up[c,t] -
    down[c,t]) = up[n,t] - down[n,t];  cost = sum of access_fee * (purchase + sale) + fee[n] * (up[n,t] +
    down[n,t]), times hours[t]; up, down <= limit[n].
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    purchase, sale = _positions(block, meters)
    parent = positions(inputs, "node_parent", "node")
    size, hours = len(parent), inputs["slot_hours"].values
    ancestors = _ancestors(parent)
    buyers, sellers = room(meters.draw_room, meters, size), room(meters.give_room, meters, size)
    buyers_below, sellers_below = ancestors.T @ buyers, ancestors.T @ sellers
    limit = np.where(parent >= 0, inputs["node_limit"].values, 0.0)[:, None]
    most_up = np.minimum(sellers_below, buyers.sum(axis=0) - buyers_below)
    most_down = np.minimum(buyers_below, sellers.sum(axis=0) - sellers_below)
    edge = (parent >= 0)[:, None]
    stage = stages(parent, _crowd(meters, size), _travelled(meters, ancestors))[:, None]
    flow = {
        name: block.var(
            name,
            "kW",
            doc,
            upper=np.minimum(limit, spare(most)),
            where=edge,
            dims=("node", "time"),
            result=None,
            stage=stage,
        )
        for name, doc, most in (
            ("up", "peer power to the parent node", most_up),
            ("down", "peer power from the parent node", most_down),
        )
    }
    net = flow["up"] - flow["down"]
    block.row(
        "node_balance",
        _at_nodes(sale - purchase, meters, size) + net.at(parent, size) == net,
        "sum of sales - purchases at n + flows from its children = flow from n to its parent",
        dims=("node", "time"),
        priced=True,
    )
    fee = inputs["node_fee"].values[:, None]
    block.spent = (meters.access * hours * (purchase + sale)).sum() + (
        fee * hours * (flow["up"] + flow["down"])
    ).sum()
    return block


def pairs(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Trade between pairs of nodes, each with a fee of its own; nothing is passed on.

    sum over m at i of sale[m,t] = sum over j of transfer[i,j,t];  sum over m at j of purchase[m,t] = sum
    over i of transfer[i,j,t];  cost = sum of access_fee * (purchase + sale) + trade_fee[i,j] *
    transfer[i,j,t], times hours[t]. The edges of the tree keep their limits: net transfer across the edge
    of n, each way, <= limit[n].
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    purchase, sale = _positions(block, meters)
    size, slots = inputs.sizes["node"], inputs.sizes["time"]
    hours = inputs["slot_hours"].values
    buyers, sellers = room(meters.draw_room, meters, size), room(meters.give_room, meters, size)
    most = np.minimum(sellers[:, None, :], buyers[None, :, :])
    dims = ("node", "node_to", "time")
    transfer = block.var(
        "transfer",
        "kW",
        "peer power between two nodes",
        upper=spare(most),
        where=most > 0,
        dims=dims,
        result="node_transfer",
    )
    source, target, time = np.indices((size, size, slots))
    out = transfer.into((source * slots + time).ravel(), (size, slots))
    into = transfer.into((target * slots + time).ravel(), (size, slots))
    nodes = ("node", "time")
    block.row(
        "node_sale",
        _at_nodes(sale, meters, size) == out,
        "sales at i = sum over j of transfer[i,j,t]",
        where=sellers > 0,
        dims=nodes,
        priced=True,
    )
    block.row(
        "node_purchase",
        into == _at_nodes(purchase, meters, size),
        "purchases at j = sum over i of transfer[i,j,t]",
        where=buyers > 0,
        dims=nodes,
        priced=True,
    )
    _edge_limits(block, inputs, transfer)
    fee = inputs["trade_fee"].values[:, :, None]
    block.spent = (meters.access * hours * (purchase + sale)).sum() + (fee * hours * transfer).sum()
    return block


def quoted(inputs: xr.Dataset, meters: Meters, sets: Sets, quotes: xr.Dataset) -> Device:
    """Trade of any power at quoted prices: no network, so that every meter is on its own.

    cost = sum over m, t of ((price[n,t] + access_fee) * purchase[m,t] - (sale_price[n,t] - access_fee) * sale[m,t])
    * hours[t] at the meter's node n.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    purchase, sale = _positions(block, meters)
    slot, hours = np.arange(inputs.sizes["time"]), inputs["slot_hours"].values
    price, sale_price = (
        quotes[name].transpose("node", "time").values[meters.node, slot] for name in ("price", "sale_price")
    )
    block.spent = (hours * ((price + meters.access) * purchase - (sale_price - meters.access) * sale)).sum()
    return block


def _positions(block: Device, meters: Meters) -> tuple[Linear, Linear]:
    """Add what each meter buys from and sells to its peers, and the meter's side of it."""
    there = meters.node >= 0
    purchase = block.var(
        "purchase",
        "kW",
        "bought from peers",
        upper=spare(meters.draw_room),
        where=there & (meters.draw_room > 0),
        result="peer_purchase",
    )
    sale = block.var(
        "sale",
        "kW",
        "sold to peers",
        upper=spare(meters.give_room),
        where=there & (meters.give_room > 0),
        result="peer_sale",
    )
    block.draw = sale - purchase
    block.taken, block.given = purchase, sale
    return purchase, sale


def _at_nodes(linear: Linear, meters: Meters, size: int) -> Linear:
    return linear.at(meters.node, size)


def room(power: Array, meters: Meters, size: int) -> Array:
    """Return the sum of ``power`` (meter, time) over the meters at each node (node, time)."""
    room = np.zeros((size, power.shape[1]))
    meter, slot = np.nonzero(meters.node >= 0)
    np.add.at(room, (meters.node[meter, slot], slot), power[meter, slot])
    return room


def _crowd(meters: Meters, size: int) -> Array:
    """Return the number of meters at each node, on average over time (node,)."""
    there = np.bincount(meters.node[meters.node >= 0], minlength=size)
    return np.asarray(there / meters.node.shape[1])


def _travelled(meters: Meters, ancestors: Array) -> Array:
    """Return the edges (node,) on the way between nodes where one vehicle is plugged in: it ties both ends together."""
    visits = np.zeros((len(meters.plug), len(ancestors)))
    vehicle, slot = np.nonzero(meters.plug >= 0)
    visits[vehicle, meters.node[meters.plug[vehicle, slot], slot]] = 1.0
    below, everywhere = visits @ ancestors, visits.sum(axis=1, keepdims=True)
    return np.asarray(((below > 0) & (below < everywhere)).any(axis=0))


def _ancestors(parent: Array) -> Array:
    """Return 1 where node ``a`` (second axis) lies on the way from node ``n`` (first axis) to the root, n included."""
    member = np.eye(len(parent))
    at = parent.copy()
    while (at >= 0).any():
        below = np.flatnonzero(at >= 0)
        member[below, at[below]] = 1.0
        at[below] = parent[at[below]]
    return member


def _edge_limits(block: Device, inputs: xr.Dataset, transfer: Linear) -> None:
    """Hold the net transfer across each limited edge of the tree to its limit, each way."""
    limit = inputs["node_limit"].values
    limited = np.flatnonzero(np.isfinite(limit) & (inputs["node_parent"].values != ""))
    slots = inputs.sizes["time"]
    below = _ancestors(positions(inputs, "node_parent", "node"))
    for node in limited:  # a row family per limited edge; few edges have a limit
        inside = below[:, node]
        climbs = (inside[:, None] - inside[None, :])[:, :, None]
        target = np.where(climbs != 0, np.arange(slots), -1).ravel()
        net = (climbs * transfer).into(target, (slots,))
        within = Relation(net, np.full(slots, -limit[node]), np.full(slots, limit[node]))
        doc = "-limit[n] <= transfers out of - into the nodes below the edge of n <= limit[n]"
        block.row(f"edge_limit_{node}", within, doc, dims=("time",))
