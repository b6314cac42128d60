"""The call auction of one product: who trades with whom, and at which prices. Rules: ``README.md``."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge

import numpy as np

from ..labels import Array
from .auction_clearing import between_groups, over_tree
from .integer_fees import Wheeling
from .order_book import BUY, MARKET_KEY, SELL, Fill, Order

Lot = tuple[int, Order, int]
"""Place in time, order, and Wh of it."""


def clear(orders: Sequence[Order], network: Wheeling, limit: Array, mechanism: str = "uniform") -> list[Fill]:
    """Return the trades of a call auction.

    Parameters
    ----------
    orders
        All of one product; ``open`` is what each can trade.
    network, limit
        The fee network, and the Wh (2, E) that its limited edges carry up, and down.
    mechanism : {"uniform", "pay-as-bid"}
        Uniform: a seller gets the price of its node less the access fee, a buyer pays that of its node plus the
        access fee. Pay-as-bid: a buyer pays its bid, and its seller gets that less the fee. A premium for renewable
        origin comes on top of what the buyer pays.

    Where the ask and the bid that meet are of one meter there is no trade: it keeps what it would sell to itself.
    """
    orders = sorted((o for o in orders if o.open), key=lambda o: o.sequence)
    keys, uniform = _keys(orders, network), mechanism == "uniform"
    if network.pair is None and not any(o.premium for o in orders):
        cleared = over_tree(orders, keys, network, limit)
    else:
        cleared = between_groups(orders, keys, network, limit, uniform)
    places = max(network.size, int(cleared.group.max(initial=-1)) + 1)
    sides: list[list[list[Lot]]] = [[[] for _ in range(places)] for _ in range(2)]
    for order, at, energy in zip(orders, cleared.group.tolist(), cleared.energy.tolist(), strict=True):
        if energy:
            sides[order.side][at].append((order.sequence, order, energy))
    pairs = (
        _over_tree(sides, network) if cleared.transfers is None else _over_groups(sides, cleared.transfers)
    )
    columns = zip(orders, keys.tolist(), cleared.price.tolist(), strict=True)
    limits = {order.order_id: (key, price) for order, key, price in columns}
    return [_priced(pair, limits, network, uniform) for pair in pairs if not _of_one_meter(*pair)]


def _keys(orders: Sequence[Order], network: Wheeling) -> Array:
    """Return the orders' keys; an unbounded market order takes every price that an order names, and any fee."""
    keys = np.array([o.key for o in orders], dtype=np.int64)
    named = [o.price for o in orders if o.key != MARKET_KEY]
    far = network.largest_fee() + max((o.premium for o in orders), default=0)
    ends = {SELL: min(named, default=0) - far, BUY: -(max(named, default=0) + far)}
    for k in np.flatnonzero(keys == MARKET_KEY).tolist():
        keys[k] = ends[orders[k].side]
    return keys


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


def _over_groups(
    sides: list[list[list[Lot]]], transfers: list[tuple[int, int, int]]
) -> list[tuple[Order, Order, int]]:
    """Return who trades with whom where energy goes from group to group: lots in the order of time."""
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


def _of_one_meter(ask: Order, bid: Order, _: int) -> bool:
    return (ask.participant, ask.node) == (bid.participant, bid.node)


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
    pair: tuple[Order, Order, int], limits: dict[str, tuple[int, int]], network: Wheeling, uniform: bool
) -> Fill:
    """Return the trade of an ask and a bid, whose keys and uniform prices are ``limits``."""
    ask, bid, energy = pair
    fee = int(network.fees(bid.node, True)[ask.node])
    extra = bid.premium if ask.green else 0
    (least, received), (key, paid) = limits[ask.order_id], limits[bid.order_id]
    if uniform:
        return Fill(ask, bid, energy, received, fee, paid + extra - received - fee)
    most = -key + extra - fee
    if bid.market:
        return Fill(ask, bid, energy, (least + most) // 2 if ask.market else least, fee)
    return Fill(ask, bid, energy, most, fee)
