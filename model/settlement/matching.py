"""Who trades with whom: nodal positions laid along the tree into bilateral trades."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array
from ..topology.fee_tree import tree
from ..topology.traders import Traders

QUANTUM = 1e-9
"""Energy [kWh] in whole numbers of which lots are counted."""
NOISE = 100
"""Energy [quanta] below which a lot or a trade is the solver's noise."""
Match = tuple[Array, Array, Array]
"""Sale, purchase (positions among the lots) and energy [quanta] (match,)."""


@dataclass(frozen=True)
class Lots:
    """Lots of energy [quanta], of one meter and one slot each, with its meter's rank by label.

    ``shared`` lots are of meters that buy and sell in this slot.
    """

    meter: Array
    slot: Array
    node: Array
    rank: Array
    shared: Array
    energy: Array


def lots_of(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> tuple[Lots, Lots]:
    """Return what is sold and what is bought, as lots."""
    hours = inputs["slot_hours"].values
    sold = who.stack(results["peer_sale"], results["vehicle_sale"]) * hours
    bought = who.stack(results["peer_purchase"], results["vehicle_purchase"]) * hours
    sold, bought = (np.rint(energy / QUANTUM).astype(np.int64) for energy in (sold, bought))
    shared = (sold >= NOISE) & (bought >= NOISE)
    rank = np.empty(len(who.account), dtype=np.int64)
    rank[np.lexsort((who.vehicle, inputs["participant"].values[who.account]))] = np.arange(len(rank))

    def lots(energy: Array) -> Lots:
        m, t = np.nonzero(energy >= NOISE)
        return Lots(m, t, who.node[m, t], rank[m], shared[m, t], energy[m, t])

    return lots(sold), lots(bought)


def up_the_tree(inputs: xr.Dataset, sales: Lots, purchases: Lots) -> Iterator[Match]:
    """Yield matches of lots (sale, purchase, energy), level by level from the deepest nodes to the root."""
    parent, depth = tree(inputs)
    depth = np.append(depth, -1)  # the depth of what has left the tree, at node -1
    sides = (sales, purchases)
    node, energy = [side.node.copy() for side in sides], [side.energy.copy() for side in sides]
    for level in range(int(depth.max()), -1, -1):
        here, lots = [], []
        for side, at, left in zip(sides, node, energy, strict=True):
            k = np.flatnonzero((depth[at] == level) & (left >= NOISE))
            lots.append(Lots(side.meter[k], side.slot[k], at[k], side.rank[k], side.shared[k], left[k]))
            here.append(k)
            at[k] = parent[at[k]]
        i, j, matched = _overlaps(lots[0], lots[1], inputs.sizes["time"])
        i, j = here[0][i], here[1][j]
        np.subtract.at(energy[0], i, matched)
        np.subtract.at(energy[1], j, matched)
        yield i, j, matched


def through_transfers(
    inputs: xr.Dataset, results: xr.Dataset, sales: Lots, purchases: Lots
) -> Iterator[Match]:
    """Yield matches of lots (sale, purchase, energy): sellers -> transfers between nodes -> buyers."""
    if "node_transfer" not in results:  # a market without peers
        yield sales.slot[:0], purchases.slot[:0], sales.energy[:0]
        return
    power = results["node_transfer"].transpose("node", "node_to", "time").values
    energy = np.rint(power * inputs["slot_hours"].values / QUANTUM).astype(np.int64)
    start, end, slot = np.nonzero(energy >= NOISE)
    by_label = np.argsort(np.argsort(inputs["node"].values))[end]
    transfers = Lots(end, slot, start, by_label, np.zeros(len(slot), bool), energy[start, end, slot])
    slots = inputs.sizes["time"]
    k, transfer, part = _overlaps(sales, transfers, slots)
    sent = Lots(sales.meter[k], sales.slot[k], end[transfer], sales.rank[k], sales.shared[k], part)
    i, j, matched = _overlaps(sent, purchases, slots)
    yield k[i], j, matched


def _overlaps(sales: Lots, purchases: Lots, slots: int) -> Match:
    """Return what the lots of each node and slot trade, laid side by side (sale, purchase, energy) [quanta].

    A group g are the lots of one node and one slot. Both sides trade the lesser of their sums there::

        V[g] = min(sum of sales in g, sum of purchases in g)

    Each side lays what fits into V on a line, lot after lot and group after group: a[i] of sale i ends at A[i], b[j] of
    purchase j at B[j]. They trade where their intervals overlap::

        A = cumsum(a),  B = cumsum(b)
        E[i, j] = max(0, min(A[i], B[j]) - max(A[i] - a[i], B[j] - b[j]))

    As both sides of a group are V long, all groups line up, and the E > 0 are the distances between neighbours in the
    union of A and B.
    """
    group = np.concatenate([side.node * slots + side.slot for side in (sales, purchases)])
    groups, index = np.unique(group, return_inverse=True)
    sold, bought = index[: len(sales.slot)], index[len(sales.slot) :]
    total = np.zeros((2, len(groups)), dtype=np.int64)
    np.add.at(total[0], sold, sales.energy)
    np.add.at(total[1], bought, purchases.energy)
    V = total.min(axis=0)
    i, a = _laid(sales, sold, V)
    j, b = _laid(purchases, bought, V)
    if sales.shared[i].any() and purchases.shared[j].any():
        j, b = _rotated((sales, sold, i, a), (purchases, bought, j, b), V)
    A, B = np.cumsum(a), np.cumsum(b)
    ends = np.union1d(A, B)
    E = np.diff(ends, prepend=0)
    return i[np.searchsorted(A, ends)], j[np.searchsorted(B, ends)], E


def _laid(lots: Lots, group: Array, volume: Array) -> tuple[Array, Array]:
    """Return the lots in order of group and label, and what of each fits into its group's volume."""
    line = np.lexsort((lots.rank, lots.shared, group))
    group, energy = group[line], lots.energy[line]
    start = np.cumsum(energy) - energy
    first = np.flatnonzero(np.diff(group, prepend=-1))
    begin = np.zeros(len(volume), dtype=np.int64)
    begin[group[first]] = start[first]
    fits = np.clip(volume[group] - (start - begin[group]), 0, energy)
    return line[fits > 0], fits[fits > 0]


def _rotated(
    sale: tuple[Lots, Array, Array, Array], purchase: tuple[Lots, Array, Array, Array], V: Array
) -> tuple[Array, Array]:
    """Return the purchases of each group rotated on its circle of length V until no meter meets itself.

    Let meter m sell from A0[m] to A[m] and buy from B0[m] to B[m], and let the purchases be rotated by theta. The meter
    does not meet itself if ::

        A[m] - B0[m] <= theta <= V + A0[m] - B[m]

    Meters lie in one order on both sides. The lower bound of m and the upper bound of another meter n do not exclude
    each other: A[m] - A0[n] + B[n] - B0[m] is at most what the meters between them do on one side, and so at most V.
    Hence the greatest lower bound separates every meter from itself, but for one that does more than V::

        theta = max over m of (A[m] - B0[m])

    Of a purchase that would pass the end of its group, the part beyond it comes first on the circle.
    """
    (sales, sold, i, a), (purchases, bought, j, b) = sale, purchase
    group, A, B = bought[j], np.cumsum(a), np.cumsum(b)
    B0, end = B - b, np.cumsum(V)[group]
    selling, buying = np.flatnonzero(sales.shared[i]), np.flatnonzero(purchases.shared[j])
    width = 1 + max(sales.rank.max(), purchases.rank.max())
    keys = (
        sold[i[selling]] * width + sales.rank[i[selling]],
        bought[j[buying]] * width + purchases.rank[j[buying]],
    )
    _, same_selling, same_buying = np.intersect1d(*keys, return_indices=True)
    selling, buying = selling[same_selling], buying[same_buying]  # the two lots of each meter m
    theta = np.zeros_like(V)
    np.maximum.at(theta, sold[i[selling]], A[selling] - B0[buying])
    within = np.clip(end - theta[group] - B0, 0, b)
    piece, last = np.concatenate([b - within, within]), np.repeat([0, 1], len(j))
    line = np.lexsort((np.tile(np.arange(len(j)), 2), last, np.tile(group, 2)))
    line = line[piece[line] > 0]
    return np.tile(j, 2)[line], piece[line]


def joined(sales: Lots, purchases: Lots, matches: Iterator[Match]) -> Match:
    """Return all matches as one (sale, purchase, energy), in the order of the trades, a pair once a slot."""
    i, j, energy = (np.concatenate(parts) for parts in zip(*matches, strict=True))
    line = np.lexsort((purchases.rank[j], sales.rank[i], sales.slot[i]))
    i, j = i[line], j[line]
    new = np.flatnonzero((np.diff(i, prepend=-1) != 0) | (np.diff(j, prepend=-1) != 0))
    energy = np.add.reduceat(energy[line], new) if len(new) else energy
    keep = energy >= NOISE
    return i[new][keep], j[new][keep], energy[keep]
