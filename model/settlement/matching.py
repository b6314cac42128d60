"""Who trades with whom: nodal positions laid along the tree into bilateral trades."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array
from ..topology.fee_tree import tree
from ..topology.traders import Traders

QUANTUM = 1e-9  # kWh


DUST = 100  # quanta


Match = tuple[Array, Array, Array]


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
    shared = (sold >= DUST) & (bought >= DUST)
    rank = np.empty(len(who.account), dtype=np.int64)
    rank[np.lexsort((who.vehicle, inputs["participant"].values[who.account]))] = np.arange(len(rank))

    def lots(energy: Array) -> Lots:
        m, t = np.nonzero(energy >= DUST)
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
            k = np.flatnonzero((depth[at] == level) & (left >= DUST))
            lots.append(Lots(side.meter[k], side.slot[k], at[k], side.rank[k], side.shared[k], left[k]))
            here.append(k)
            at[k] = parent[at[k]]
        i, j, matched = _overlap(lots[0], lots[1], inputs.sizes["time"])
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
    start, end, slot = np.nonzero(energy >= DUST)
    by_label = np.argsort(np.argsort(inputs["node"].values))[end]
    transfers = Lots(end, slot, start, by_label, np.zeros(len(slot), bool), energy[start, end, slot])
    slots = inputs.sizes["time"]
    k, transfer, part = _overlap(sales, transfers, slots)
    sent = Lots(sales.meter[k], sales.slot[k], end[transfer], sales.rank[k], sales.shared[k], part)
    i, j, matched = _overlap(sent, purchases, slots)
    yield k[i], j, matched


def _overlap(sales: Lots, purchases: Lots, slots: int) -> Match:
    """Return the overlaps (sale, purchase, energy) of the lots of each node and slot, laid side by side."""
    group = np.concatenate([side.node * slots + side.slot for side in (sales, purchases)])
    groups, index = np.unique(group, return_inverse=True)
    sold, bought = index[: len(sales.slot)], index[len(sales.slot) :]
    total = np.zeros((2, len(groups)), dtype=np.int64)
    np.add.at(total[0], sold, sales.energy)
    np.add.at(total[1], bought, purchases.energy)
    volume = total.min(axis=0)
    i, a = _laid(sales, sold, volume)
    j, b = _laid(purchases, bought, volume)
    if sales.shared[i].any() and purchases.shared[j].any():
        j, b = _turned((sales, sold, i, a), (purchases, bought, j, b), volume)
    # Both sides of a group have the same volume, so that all groups line up on one line.
    ends = np.cumsum(a), np.cumsum(b)
    cuts = np.union1d(*ends)
    i, j = i[np.searchsorted(ends[0], cuts)], j[np.searchsorted(ends[1], cuts)]
    return i, j, np.diff(cuts, prepend=0)


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


def _turned(
    sale: tuple[Lots, Array, Array, Array], purchase: tuple[Lots, Array, Array, Array], volume: Array
) -> tuple[Array, Array]:
    """Return the purchases of each group turned round a circle until no meter meets itself.

    Meters lie in one order on both sides. Let meter i sell from A'[i] to A[i] and buy from B'[i] to B[i]. It
    does not meet itself if the purchases are turned by at least A[i] - B'[i] and at most volume + A'[i] -
    B[i]. The lower bound of i and the upper bound of another meter j leave room for each other: A[i] - A'[j]
    + B[j] - B'[i] is at most what the meters between them do on one side, and so at most the volume. The
    greatest lower bound therefore separates every meter from itself, but for one that does more than that.
    """
    (sales, sold, i, a), (purchases, bought, j, b) = sale, purchase
    x, y = np.flatnonzero(sales.shared[i]), np.flatnonzero(purchases.shared[j])
    width = 1 + max(sales.rank.max(), purchases.rank.max())
    keys = sold[i[x]] * width + sales.rank[i[x]], bought[j[y]] * width + purchases.rank[j[y]]
    _, same_x, same_y = np.intersect1d(*keys, return_indices=True)
    x, y = x[same_x], y[same_y]
    turn, start, group = np.zeros_like(volume), np.cumsum(b) - b, bought[j]
    np.maximum.at(turn, sold[i[x]], np.cumsum(a)[x] - start[y])
    head = np.clip((np.cumsum(volume) - turn)[group] - start, 0, b)
    piece, second = np.concatenate([b - head, head]), np.repeat([0, 1], len(j))
    line = np.lexsort((np.tile(np.arange(len(j)), 2), second, np.tile(group, 2)))
    line = line[piece[line] > 0]
    return np.tile(j, 2)[line], piece[line]


def joined(sales: Lots, purchases: Lots, found: Iterator[Match]) -> Match:
    """Return all matches as one (sale, purchase, energy), in the order of the trades, a pair once a slot."""
    i, j, energy = (np.concatenate(parts) for parts in zip(*found, strict=True))
    line = np.lexsort((purchases.rank[j], sales.rank[i], sales.slot[i]))
    i, j = i[line], j[line]
    new = np.flatnonzero((np.diff(i, prepend=-1) != 0) | (np.diff(j, prepend=-1) != 0))
    energy = np.add.reduceat(energy[line], new) if len(new) else energy
    keep = energy >= DUST
    return i[new][keep], j[new][keep], energy[keep]
