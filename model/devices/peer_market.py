"""The peers: purchases and sales at each meter, carried by the fee network.

On a tree, fees add along the path, so that a trade needs no variable of its own: its power flows over the
edges. With a fee per pair of nodes, power is transferred between nodes directly, and each trade pays
exactly the fee of its pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..labels import positions
from ..lp.expressions import Linear, Relation
from ..topology.candidates import to_be_raised
from ..topology.fee_tree import ancestors, limited_edges
from ..topology.meters import Meters, sum_at_nodes
from ..topology.subtrees import subtrees
from .device import Device, Sets, loosened, peer_trade


def network(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Return the block of the peers' market: on the tree, or between pairs of nodes where ``trade_fee`` is given."""
    return pairs(inputs, meters, sets) if "trade_fee" in inputs else tree(inputs, meters, sets)


def tree(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Trade over the edges of the fee tree.

    balance: sum over meters m at n of (sale[m,t] - purchase[m,t]) + sum over children c of n of (up[c,t] -
    down[c,t]) = up[n,t] - down[n,t];  cost = sum of access_fee * (purchase + sale) + shared_fee * purchase + fee[n] *
    (up[n,t] + down[n,t]), times hours[t]; up, down <= limit[n].
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    parent = positions(inputs, "node_parent", "node")
    size, hours = len(parent), inputs["slot_hours"].values
    cut = subtrees(parent, meters)
    purchase, sale = peer_trade(block, meters, cut)
    above = ancestors(parent)
    buyers, sellers = (
        sum_at_nodes(meters.draw_capacity, meters, size),
        sum_at_nodes(meters.give_capacity, meters, size),
    )
    buyers_below, sellers_below = above.T @ buyers, above.T @ sellers
    limit = np.where(parent >= 0, inputs["node_limit"].values, 0.0)[:, None]
    limit = np.where(to_be_raised(inputs, "node_limit")[:, None], loosened(limit), limit)
    most_up = np.minimum(sellers_below, buyers.sum(axis=0) - buyers_below)
    most_down = np.minimum(buyers_below, sellers.sum(axis=0) - sellers_below)
    edge = (parent >= 0)[:, None]
    flow = {
        name: block.var(
            name,
            "kW",
            doc,
            upper=np.minimum(limit, loosened(most)),
            where=edge,
            dims=("node", "time"),
            result=None,
            pricing_stage=cut.edge[:, None],
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
        virtual=cut.nodes,
    )
    fee = inputs["node_fee"].values[:, None]
    block.spent = _access(meters, hours, purchase, sale) + (fee * hours * (flow["up"] + flow["down"])).sum()
    return block


def pairs(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Trade between pairs of nodes, each with a fee of its own; nothing is passed on.

    sum over m at i of sale[m,t] = sum over j of transfer[i,j,t];  sum over m at j of purchase[m,t] = sum
    over i of transfer[i,j,t];  cost = sum of access_fee * (purchase + sale) + shared_fee * purchase + trade_fee[i,j]
    * transfer[i,j,t], times hours[t]. The edges of the tree keep their limits: net transfer across the edge
    of n, each way, <= limit[n].
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    purchase, sale = peer_trade(block, meters)
    size, slots = inputs.sizes["node"], inputs.sizes["time"]
    hours = inputs["slot_hours"].values
    buyers, sellers = (
        sum_at_nodes(meters.draw_capacity, meters, size),
        sum_at_nodes(meters.give_capacity, meters, size),
    )
    most = np.minimum(sellers[:, None, :], buyers[None, :, :])
    dims = ("node", "node_to", "time")
    transfer = block.var(
        "transfer",
        "kW",
        "peer power between two nodes",
        upper=loosened(most),
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
    block.spent = _access(meters, hours, purchase, sale) + (fee * hours * transfer).sum()
    return block


def _access(meters: Meters, hours: Any, purchase: Linear, sale: Linear) -> Linear:
    """Return what is paid for access, and for energy from peers by the tariffs of those who buy it."""
    access: Linear = (meters.access * hours * (purchase + sale)).sum()
    if meters.shared.any():
        access = access + (meters.shared * hours * purchase).sum()
    return access


def _at_nodes(linear: Linear, meters: Meters, size: int) -> Linear:
    return linear.at(meters.node, size)


def _edge_limits(block: Device, inputs: xr.Dataset, transfer: Linear) -> None:
    """Hold the net transfer across each limited edge of the tree to its limit, each way."""
    limit, slots = inputs["node_limit"].values, inputs.sizes["time"]
    for node, direction in limited_edges(inputs).items():  # a row family each; few edges have a limit
        way = direction[:, :, None]
        target = np.where(way != 0, np.arange(slots), -1).ravel()
        net = (way * transfer).into(target, (slots,))
        within = Relation(net, np.full(slots, -limit[node]), np.full(slots, limit[node]))
        doc = "-limit[n] <= transfers out of - into the nodes below the edge of n <= limit[n]"
        block.row(f"edge_limit_{node}", within, doc, dims=("time",), rent=True)
