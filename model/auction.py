"""The call auction of one product: the orders of greatest surplus, as a least-cost flow over the fee network.

Every ask is an arc from the ground to its node, every bid an arc back, every edge of the fee tree two arcs
(or, with fees per pair of nodes, every pair of nodes one). The surplus is what bids offer less what asks demand and
the network takes. Rules: ``EXCHANGE.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge

import numpy as np

from .algebra import Array
from .circulation import Arcs, least_cost, potentials, prefer
from .orderbook import BUY, MARKET_KEY, SELL, Fill, Order
from .wheeling import Wheeling

Lot = tuple[int, Order, int]
"""Place in time, order, and Wh of it."""


@dataclass(frozen=True)
class Cleared:
    """What an auction decides: the Wh of each order (order,), of each transfer between nodes, and nodal prices.

    ``sale_price`` and ``price`` (node,) are what energy is worth to the sellers and costs the buyers of a node, before
    its access fee; ``transfers`` lists (from, to, Wh) with fees per pair of nodes.
    """

    energy: Array
    sale_price: Array
    price: Array
    transfers: list[tuple[int, int, int]]


def clear(orders: Sequence[Order], network: Wheeling, limit: Array, mechanism: str = "uniform") -> list[Fill]:
    """Return the trades of a call auction.

    Parameters
    ----------
    orders
        All of one product; ``open`` is what each can trade.
    network, limit
        The fee network, and the Wh that its limited edges carry each way.
    mechanism : {"uniform", "pay-as-bid"}
        Uniform: a seller gets the price of its node less the access fee, a buyer pays that of its node plus the
        access fee. Pay-as-bid: a buyer pays its bid, and its seller gets that less the fee.
    """
    orders = sorted((o for o in orders if o.open), key=lambda o: o.sequence)
    keys = _keys(orders, network)
    found = decide(orders, keys, network, limit)
    sides: list[list[list[Lot]]] = [[[] for _ in range(network.size)] for _ in range(2)]
    for order, energy in zip(orders, found.energy.tolist(), strict=True):
        if energy:
            sides[order.side][order.node].append((order.sequence, order, energy))
    pairs = _over_tree(sides, network) if network.pair is None else _over_pairs(sides, found.transfers)
    key = {order.order_id: k for order, k in zip(orders, keys.tolist(), strict=True)}
    return [_priced(pair, key, network, found, mechanism == "uniform") for pair in pairs]


def decide(orders: Sequence[Order], keys: Array, network: Wheeling, limit: Array) -> Cleared:
    """Return the allocation of greatest surplus; among equals the earliest order has as much as it can, and so on."""
    size = network.size
    node = np.array([o.node for o in orders], dtype=np.int64)
    sells = np.array([o.side == SELL for o in orders], dtype=bool)
    room = np.array([o.open for o in orders], dtype=np.int64)
    pairwise = network.pair is not None
    ground, bought_at = (2 * size, node + size) if pairwise else (size, node)
    tail, head, cost, carries = _pairs(node, sells, keys, network) if pairwise else _edges(network, limit)
    total = int(room.sum())
    arcs = Arcs(
        nodes=ground + 1,
        tail=np.concatenate([np.where(sells, ground, bought_at), tail]),
        head=np.concatenate([np.where(sells, node, ground), head]),
        cost=np.concatenate([keys + network.access[node], cost]),
        room=np.concatenate([room, np.minimum(carries, total)]),
    )
    flow = least_cost(arcs)
    worth = potentials(arcs, flow, ground)
    turns = len(orders) + (len(tail) if pairwise else 0)  # on a tree the orders leave nothing else to choose
    flow = prefer(arcs, flow, worth, np.arange(turns))
    moved = flow[len(orders) :].tolist() if pairwise else []
    transfers = [(i, j - size, e) for i, j, e in zip(tail.tolist(), head.tolist(), moved, strict=False) if e]
    return Cleared(
        flow[: len(orders)], worth[:size], worth[size : 2 * size] if pairwise else worth[:size], transfers
    )


def _keys(orders: Sequence[Order], network: Wheeling) -> Array:
    """Return the orders' keys; an unbounded market order takes every price that an order names, and any fee."""
    keys = np.array([o.key for o in orders], dtype=np.int64)
    named = [o.price for o in orders if o.key != MARKET_KEY]
    far = network.largest_fee()
    ends = {SELL: min(named, default=0) - far, BUY: -(max(named, default=0) + far)}
    for k in np.flatnonzero(keys == MARKET_KEY).tolist():
        keys[k] = ends[orders[k].side]
    return keys


def _edges(network: Wheeling, limit: Array) -> tuple[Array, Array, Array, Array]:
    """Return the arcs of the tree, up and down: tails, heads, costs, limits."""
    child = np.flatnonzero(network.parent >= 0)
    carries = np.full(network.size, np.iinfo(np.int64).max)
    carries[network.limited] = limit
    up, down = child, network.parent[child]
    both = np.concatenate
    fee, most = network.edge[child], carries[child]
    return both([up, down]), both([down, up]), both([fee, fee]), both([most, most])


def _pairs(node: Array, sells: Array, keys: Array, network: Wheeling) -> tuple[Array, Array, Array, Array]:
    """Return an arc for every two nodes whose best orders match: tails, heads, costs, limits (none).

    In the order of the nodes' labels, from and to, which decides between equals.
    """
    assert network.pair is not None
    if len(network.limited):
        raise ValueError(
            "an auction with fees per pair of nodes holds no node limits: use the continuous session"
        )
    size = network.size
    best = np.full((2, size), np.iinfo(np.int64).max // 4)
    np.minimum.at(best[0], node[sells], keys[sells])
    np.minimum.at(best[1], node[~sells], keys[~sells])
    fee = network.pair + network.access[:, None] + network.access
    rank = np.argsort(np.argsort(list(network.index)))
    i, j = np.nonzero(best[0][:, None] + fee <= -best[1])
    line = np.lexsort((rank[j], rank[i]))
    i, j = i[line], j[line]
    return i, j + size, network.pair[i, j], np.full(len(i), np.iinfo(np.int64).max)


def _over_tree(sides: list[list[list[Lot]]], network: Wheeling) -> list[tuple[Order, Order, int]]:
    """Return who trades with whom: the lots of a node in the order of time; what is left goes up to the parent."""
    pairs: list[tuple[Order, Order, int]] = []
    for node in np.argsort(-network.depth, kind="stable").tolist():
        lots = [sides[side][node] for side in (SELL, BUY)]
        pairs += _matched(*lots)
        parent = int(network.parent[node])
        for side in (SELL, BUY):
            if lots[side]:
                sides[side][parent] = list(merge(sides[side][parent], lots[side], key=lambda lot: lot[0]))
                lots[side].clear()
    return sorted(pairs, key=lambda p: (p[0].sequence, p[1].sequence))


def _over_pairs(
    sides: list[list[list[Lot]]], transfers: list[tuple[int, int, int]]
) -> list[tuple[Order, Order, int]]:
    """Return who trades with whom where energy goes from node to node: lots in the order of time."""
    pairs: list[tuple[Order, Order, int]] = []
    for i, j, energy in transfers:
        parts = []
        for lots in (sides[SELL][i], sides[BUY][j]):
            parts.append(_cut(lots, energy))
        pairs += _matched(*parts)
    return sorted(pairs, key=lambda p: (p[0].sequence, p[1].sequence))


def _matched(asks: list[Lot], bids: list[Lot]) -> list[tuple[Order, Order, int]]:
    """Return the overlaps of lots laid side by side, and leave in the lists what is left of them."""
    pairs = []
    asks.reverse()
    bids.reverse()
    while asks and bids:
        (at, ask, offered), (bt, bid, wanted) = asks.pop(), bids.pop()
        energy = min(offered, wanted)
        pairs.append((ask, bid, energy))
        if offered > energy:
            asks.append((at, ask, offered - energy))
        if wanted > energy:
            bids.append((bt, bid, wanted - energy))
    asks.reverse()
    bids.reverse()
    return pairs


def _cut(lots: list[Lot], energy: int) -> list[Lot]:
    """Take this much energy off the front of the lots."""
    taken: list[Lot] = []
    while energy:
        at, order, there = lots.pop(0)
        part = min(there, energy)
        taken.append((at, order, part))
        if part < there:
            lots.insert(0, (at, order, there - part))
        energy -= part
    return taken


def _priced(
    pair: tuple[Order, Order, int], key: dict[str, int], network: Wheeling, found: Cleared, uniform: bool
) -> Fill:
    ask, bid, energy = pair
    fee = int(network.fees(bid.node, True)[ask.node])
    if uniform:
        price = int(found.sale_price[ask.node] - network.access[ask.node])
        paid = int(found.price[bid.node] + network.access[bid.node])
        return Fill(ask, bid, energy, price, fee, paid - price - fee)
    least, most = key[ask.order_id], -key[bid.order_id] - fee
    if bid.market:
        return Fill(ask, bid, energy, (least + most) // 2 if ask.market else least, fee)
    return Fill(ask, bid, energy, most, fee)
