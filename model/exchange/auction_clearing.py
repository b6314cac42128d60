"""What a call auction decides: the orders of greatest surplus, as a least-cost circulation, and their prices.

The surplus is what bids offer less what asks demand and the network takes. Two networks (rules: ``README.md``):

* the fee tree: every ask is an arc from the ground to its node, every bid an arc back, every edge two arcs;
* groups of orders, where the fee or the premium depends on both ends: every ask is an arc from its zone to its group,
  every two groups are joined by an arc, every bid is an arc from its group to its zone. Zones are what is left of the
  tree without its limited edges; on these, energy flows back as it came. This is still a circulation, as the flow over
  an edge is that of the sales less the purchases below it, whoever trades with whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..labels import Array
from .integer_fees import Wheeling
from .min_cost_flow import Arcs, least_cost, potentials, prefer
from .order_book import SELL, Order


@dataclass(frozen=True)
class Cleared:
    """What an auction decides of its orders, and of the groups between which energy goes.

    ``energy`` (order,) [Wh]; ``price`` (order,) what a seller gets and a buyer pays (less the premium) at a uniform
    price; ``group`` (order,) is the node on the tree, where ``transfers`` is None, else the place in the groups
    between which ``transfers`` lists (from, to, Wh).
    """

    energy: Array
    price: Array
    group: Array
    transfers: list[tuple[int, int, int]] | None = None


def over_tree(orders: Sequence[Order], keys: Array, network: Wheeling, limit: Array) -> Cleared:
    """Return the allocation of greatest surplus over the tree; among equals the earliest order has most, and so on."""
    ground, both = network.size, np.concatenate
    node, sells, energy = _columns(orders)
    child = np.flatnonzero(network.parent >= 0)
    carries = np.full((2, network.size), np.iinfo(np.int64).max)
    carries[:, network.limited] = limit
    up, down, fee, most = child, network.parent[child], network.edge[child], carries[:, child]
    access = network.access[node]
    arcs = Arcs(
        nodes=ground + 1,
        tail=both([np.where(sells, ground, node), up, down]),
        head=both([np.where(sells, node, ground), down, up]),
        cost=both([keys + access, fee, fee]),
        capacity=both([energy, np.minimum(most.ravel(), int(energy.sum()))]),
    )
    flow = least_cost(arcs)
    price = potentials(arcs, flow, ground)
    flow = prefer(arcs, flow, price, np.arange(len(orders)))  # the orders leave nothing else to choose
    return Cleared(flow[: len(orders)], price[node] + np.where(sells, -access, access), node)


def between_groups(
    orders: Sequence[Order], keys: Array, network: Wheeling, limit: Array, uniform: bool
) -> Cleared:
    """Return the allocation of greatest surplus between groups; among equals the earliest order has most, and so on.

    Where limits of edges meet fees per pair of nodes (or premiums), a trade at a loss may free an edge for a better
    one. A uniform price rewards it, with a negative rent. Where buyers pay as they bid nothing could: there orders of
    one price are a group, and only groups that can pay their fee are joined.
    """
    node, sells, energy = _columns(orders)
    apart = not uniform and limit.size > 0
    group, members = _groups(orders, keys, network, apart)
    zone = np.unique(network.below.T, axis=0, return_inverse=True)[1]  # the root's is the first
    zones = int(zone.max()) + 1
    i, j, cost = _joined(orders, keys, members, network, every=uniform and limit.size > 0)
    inner, outer = zone[network.limited], zone[network.parent[network.limited]]
    home, both = zone[node], np.concatenate
    count, total = len(orders), int(energy.sum())
    arcs = Arcs(
        nodes=zones + len(members),
        tail=both([np.where(sells, home, zones + group), zones + i, inner, outer]),
        head=both([np.where(sells, zones + group, home), zones + j, outer, inner]),
        cost=both([keys, cost, np.zeros(limit.size, dtype=np.int64)]),
        capacity=both([energy, np.full(len(i), total), np.minimum(limit.ravel(), total)]),
    )
    flow = least_cost(arcs)
    price = potentials(arcs, flow, 0)
    flow = prefer(arcs, flow, price, np.arange(count + len(i)))
    moved = zip(i.tolist(), j.tolist(), flow[count : count + len(i)].tolist(), strict=True)
    transfers = [(a, b, wh) for a, b, wh in moved if wh]
    return Cleared(flow[:count], price[zones + group] - price[home], group, transfers)


def _columns(orders: Sequence[Order]) -> tuple[Array, Array, Array]:
    """Return node, whether it sells, and open energy [Wh] of each order (order,)."""
    return (
        np.array([o.node for o in orders], dtype=np.int64),
        np.array([o.side == SELL for o in orders], dtype=bool),
        np.array([o.open for o in orders], dtype=np.int64),
    )


def _groups(
    orders: Sequence[Order], keys: Array, network: Wheeling, apart: bool
) -> tuple[Array, list[list[int]]]:
    """Return the group of each order (order,) and the orders of each group, by side, label of the node, kind.

    Of one kind are asks of renewable origin, or not, and bids of one premium; ``apart``: also only of one price.
    """
    rank = {network.index[label]: k for k, label in enumerate(sorted(network.index))}
    names = [
        (o.side, rank.get(o.node, 0), o.premium or int(o.green), key if apart else 0)
        for o, key in zip(orders, keys.tolist(), strict=True)
    ]
    known = {name: k for k, name in enumerate(sorted(set(names)))}
    members: list[list[int]] = [[] for _ in known]
    for k, name in enumerate(names):
        members[known[name]].append(k)
    return np.array([known[name] for name in names], dtype=np.int64), members


def _joined(
    orders: Sequence[Order], keys: Array, members: Sequence[Sequence[int]], network: Wheeling, every: bool
) -> tuple[Array, Array, Array]:
    """Return the groups of asks and of bids that are joined, in their order, and the fee less the premium between them.

    These are the groups whose best orders match, or ``every`` two.
    """
    one = [orders[m[0]] for m in members]
    best = np.array([keys[list(m)].min() for m in members], dtype=np.int64)
    asks, bids = ([g for g, o in enumerate(one) if (o.side == SELL) == sells] for sells in (True, False))
    at = np.array([one[g].node for g in asks], dtype=np.int64)
    green = np.array([one[g].green for g in asks], dtype=np.int64)
    cost = np.zeros((len(asks), len(bids)), dtype=np.int64)
    for k, g in enumerate(bids):
        cost[:, k] = network.fees(one[g].node, True)[at] - one[g].premium * green
    i, j = np.nonzero(every | (best[asks][:, None] + cost <= -best[bids]))
    return np.array(asks, dtype=np.int64)[i], np.array(bids, dtype=np.int64)[j], cost[i, j]
