"""The retailer and the peers' market as links: every price and every fee is the cost of one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..labels import Array, positions
from ..topology.fee_tree import ancestors
from ..topology.meters import Meters, sum_at_nodes
from .connections import Connections
from .families import Families


def add_retailer(add: Families, meters: Meters, buses: Connections) -> None:
    """Add the retailer's bus, where any power can be had or left for nothing, and links with the prices of meters."""
    labels, bus = meters.label.tolist(), ["retailer"]
    add.buses(bus, "electricity")
    imports = [f"import {label}" for label in labels]
    exports = [f"export {label}" for label in labels]
    retailer = bus * len(labels)
    most = np.maximum(meters.draw_capacity, meters.give_capacity).sum(axis=0, keepdims=True)
    power = np.full_like(most, most.max(initial=1.0))
    add.generators(bus, bus, power, "retail", p_min_pu=-1.0)
    add.links(imports, (retailer, buses.into), meters.draw_capacity, "retail", meters.retail)
    add.links(exports, (buses.out, retailer), meters.give_capacity, "retail", -meters.feed_in)


def add_peers(add: Families, inputs: xr.Dataset, meters: Meters, buses: Connections) -> None:
    """Add the nodes and what peers trade over them: over the edges of the tree, or from node to node."""
    labels = inputs["node"].values.tolist()
    pairs = "trade_fee" in inputs
    sold = [f"node {label}" for label in labels]
    bought = [f"bought at {label}" for label in labels] if pairs else sold
    add.buses([*sold, *bought], "peers")
    meter, slot = np.nonzero(meters.node >= 0)
    place = np.unique(np.stack([meter, meters.node[meter, slot]], axis=1), axis=0)
    _add_trade(add, meters, buses, place, labels, (sold, bought))
    buyers, sellers = (
        sum_at_nodes(power, meters, len(labels)) for power in (meters.draw_capacity, meters.give_capacity)
    )
    if pairs:
        _add_pairs(add, inputs, (sold, bought), buyers, sellers)
    else:
        _add_tree(add, inputs, sold, buyers, sellers)


def _add_trade(
    add: Families,
    meters: Meters,
    buses: Connections,
    place: Array,
    labels: list[str],
    sides: tuple[list[str], list[str]],
) -> None:
    """Add what meters buy and sell at the nodes where they are: pairs (meter, node) ``place``, as guests get about."""
    meter, node = place.T
    guest = np.isin(meter, meters.guest)
    names = [
        f"{meters.label[m]} at {labels[n]}" if moves else f"{meters.label[m]}"
        for m, n, moves in zip(meter, node, guest, strict=True)
    ]
    here = meters.node[meter] == node[:, None]
    sold, bought = sides
    access = np.where(here, meters.access[meter], 0.0)
    into, out = [buses.into[m] for m in meter], [buses.out[m] for m in meter]
    add.links(
        [f"purchase {name}" for name in names],
        ([bought[n] for n in node], into),
        meters.draw_capacity[meter] * here,
        "peers",
        access + meters.shared[meter],
    )
    add.links(
        [f"sale {name}" for name in names],
        (out, [sold[n] for n in node]),
        meters.give_capacity[meter] * here,
        "peers",
        access,
    )


def _add_tree(add: Families, inputs: xr.Dataset, nodes: list[str], buyers: Array, sellers: Array) -> None:
    """Add both directions of every edge of the fee tree."""
    parent = positions(inputs, "node_parent", "node")
    above = ancestors(parent)
    below = {"buy": above.T @ buyers, "sell": above.T @ sellers}
    up = np.minimum(below["sell"], buyers.sum(axis=0) - below["buy"])
    down = np.minimum(below["buy"], sellers.sum(axis=0) - below["sell"])
    limit = np.where(parent >= 0, inputs["node_limit"].values, 0.0)[:, None]
    fee = inputs["node_fee"].values[:, None]
    top, labels = [nodes[k] for k in parent], inputs["node"].values.tolist()
    for word, ends, most in (("up", (nodes, top), up), ("down", (top, nodes), down)):
        add.links([f"{word} {label}" for label in labels], ends, np.minimum(limit, most), "peers", fee)


def _add_pairs(
    add: Families, inputs: xr.Dataset, sides: tuple[list[str], list[str]], buyers: Array, sellers: Array
) -> None:
    """Add a link from every node to every node, each with its fee: nothing is passed on."""
    labels = inputs["node"].values.tolist()
    size = len(labels)
    start, end = (place.ravel() for place in np.indices((size, size)))
    add.links(
        [f"transfer {labels[i]} to {labels[j]}" for i, j in zip(start, end, strict=True)],
        ([sides[0][i] for i in start], [sides[1][j] for j in end]),
        np.minimum(sellers[start], buyers[end]),
        "peers",
        inputs["trade_fee"].values.reshape(-1, 1),
    )
