"""Nodal positions to bilateral trades, in linear time.

A clearing says how much each meter buys and sells in a slot, not from whom. Here the sellers' and the buyers'
energies of a node are laid side by side as intervals of one line; where a seller's interval overlaps a
buyer's, they trade. What finds no partner at its node goes up to the parent and is laid out there, so that a
pair meets at its lowest common ancestor and uses no edge against the net flow. With a fee per pair of nodes
the transfers between nodes take the place of the tree.

Rules, so that equal positions always give equal trades:

* On both sides of a node lots lie in the order of their labels (account, then vehicle), never of the file;
  what exceeds the other side is cut from the end and goes up.
* Energies are counted in whole quanta of 1e-9 kWh: sums are exact, in any order. Lots and trades of less than
  1e-7 kWh are noise of the solver and are dropped.
* A meter that buys and sells in one slot comes last in its node's order, and the buyers are turned round
  until it does not meet itself (:func:`_turned`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..lp.expressions import Array
from ..topology.meters import positions
from ..topology.traders import Traders, traders

QUANTUM = 1e-9  # kWh
DUST = 100  # quanta

Match = tuple[Array, Array, Array]


@dataclass(frozen=True)
class _Lots:
    """Lots of energy [quanta], of one meter and one slot each, with its meter's rank by label.

    ``shared`` lots are of meters that buy and sell in this slot.
    """

    meter: Array
    slot: Array
    node: Array
    rank: Array
    shared: Array
    energy: Array


def bilateral(inputs: xr.Dataset, results: xr.Dataset) -> xr.Dataset:
    """Return the trades (trade,) behind the peers' purchases and sales, by time, seller and buyer.

    Their energies [kWh] add up to each meter's purchase and sale and to the net flow over each edge (or, with
    ``trade_fee``, to ``node_transfer``). A seller gets ``trade_price`` = sale price - access fee of its node;
    a buyer pays price + access fee of its node = ``trade_price + trade_fee + trade_congestion``: the fee is
    both access fees and the edges of the path (or the pair's fee), the congestion rent is what is left. Rents
    within 1e-6 of zero are zero; prices that ``results`` does not hold are NaN.
    """
    who = traders(inputs)
    sales, purchases = _lots(inputs, results, who)
    if "trade_fee" in inputs:
        found = _through_transfers(inputs, results, sales, purchases)
    else:
        found = _up_the_tree(inputs, sales, purchases)
    i, j, energy = _joined(sales, purchases, found)
    return _dataset(inputs, results, who, (sales, i), (purchases, j), energy * QUANTUM)


def path_fee(inputs: xr.Dataset, start: Array, end: Array) -> Array:
    """Return the fee [currency/kWh] of trades between nodes (trade,): both access fees, and path or pair."""
    access = inputs["node_access_fee"].values
    total: Array = access[start] + access[end]
    if "trade_fee" in inputs:
        return np.asarray(total + inputs["trade_fee"].values[start, end])
    parent, depth = tree(inputs)
    fee = inputs["node_fee"].values
    while (apart := start != end).any():
        up, down = apart & (depth[start] >= depth[end]), apart & (depth[start] <= depth[end])
        total += np.where(up, fee[start], 0.0) + np.where(down, fee[end], 0.0)
        start, end = np.where(up, parent[start], start), np.where(down, parent[end], end)
    return total


def tree(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return (node,) the index of the parent, -1 for the root, and the depth, 0 for the root."""
    parent = positions(inputs, "node_parent", "node")
    depth, above = np.zeros(len(parent), dtype=np.int64), parent
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return parent, depth


def _lots(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> tuple[_Lots, _Lots]:
    """Return what is sold and what is bought, as lots."""
    hours = inputs["slot_hours"].values
    sold = who.stack(results["peer_sale"], results["vehicle_sale"]) * hours
    bought = who.stack(results["peer_purchase"], results["vehicle_purchase"]) * hours
    sold, bought = (np.rint(energy / QUANTUM).astype(np.int64) for energy in (sold, bought))
    shared = (sold >= DUST) & (bought >= DUST)
    rank = np.empty(len(who.account), dtype=np.int64)
    rank[np.lexsort((who.vehicle, inputs["participant"].values[who.account]))] = np.arange(len(rank))

    def lots(energy: Array) -> _Lots:
        m, t = np.nonzero(energy >= DUST)
        return _Lots(m, t, who.node[m, t], rank[m], shared[m, t], energy[m, t])

    return lots(sold), lots(bought)


def _up_the_tree(inputs: xr.Dataset, sales: _Lots, purchases: _Lots) -> Iterator[Match]:
    """Yield matches of lots (sale, purchase, energy), level by level from the deepest nodes to the root."""
    parent, depth = tree(inputs)
    depth = np.append(depth, -1)  # the depth of what has left the tree, at node -1
    sides = (sales, purchases)
    node, energy = [side.node.copy() for side in sides], [side.energy.copy() for side in sides]
    for level in range(int(depth.max()), -1, -1):
        here, lots = [], []
        for side, at, left in zip(sides, node, energy, strict=True):
            k = np.flatnonzero((depth[at] == level) & (left >= DUST))
            lots.append(_Lots(side.meter[k], side.slot[k], at[k], side.rank[k], side.shared[k], left[k]))
            here.append(k)
            at[k] = parent[at[k]]
        i, j, matched = _overlap(lots[0], lots[1], inputs.sizes["time"])
        i, j = here[0][i], here[1][j]
        np.subtract.at(energy[0], i, matched)
        np.subtract.at(energy[1], j, matched)
        yield i, j, matched


def _through_transfers(
    inputs: xr.Dataset, results: xr.Dataset, sales: _Lots, purchases: _Lots
) -> Iterator[Match]:
    """Yield matches of lots (sale, purchase, energy): sellers -> transfers between nodes -> buyers."""
    if "node_transfer" not in results:  # a market without peers
        yield sales.slot[:0], purchases.slot[:0], sales.energy[:0]
        return
    power = results["node_transfer"].transpose("node", "node_to", "time").values
    energy = np.rint(power * inputs["slot_hours"].values / QUANTUM).astype(np.int64)
    start, end, slot = np.nonzero(energy >= DUST)
    by_label = np.argsort(np.argsort(inputs["node"].values))[end]
    transfers = _Lots(end, slot, start, by_label, np.zeros(len(slot), bool), energy[start, end, slot])
    slots = inputs.sizes["time"]
    k, transfer, part = _overlap(sales, transfers, slots)
    sent = _Lots(sales.meter[k], sales.slot[k], end[transfer], sales.rank[k], sales.shared[k], part)
    i, j, matched = _overlap(sent, purchases, slots)
    yield k[i], j, matched


def _overlap(sales: _Lots, purchases: _Lots, slots: int) -> Match:
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


def _laid(lots: _Lots, group: Array, volume: Array) -> tuple[Array, Array]:
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
    sale: tuple[_Lots, Array, Array, Array], purchase: tuple[_Lots, Array, Array, Array], volume: Array
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


def _joined(sales: _Lots, purchases: _Lots, found: Iterator[Match]) -> Match:
    """Return all matches as one (sale, purchase, energy), in the order of the trades, a pair once a slot."""
    i, j, energy = (np.concatenate(parts) for parts in zip(*found, strict=True))
    line = np.lexsort((purchases.rank[j], sales.rank[i], sales.slot[i]))
    i, j = i[line], j[line]
    new = np.flatnonzero((np.diff(i, prepend=-1) != 0) | (np.diff(j, prepend=-1) != 0))
    energy = np.add.reduceat(energy[line], new) if len(new) else energy
    keep = energy >= DUST
    return i[new][keep], j[new][keep], energy[keep]


def _price(results: xr.Dataset, name: str, node: Array, slot: Array) -> Array:
    if name not in results:  # a market without peers, or a block that a host model solved
        return np.full(len(node), np.nan)
    return np.asarray(results[name].transpose("node", "time").values[node, slot])


def _dataset(
    inputs: xr.Dataset,
    results: xr.Dataset,
    who: Traders,
    sale: tuple[_Lots, Array],
    purchase: tuple[_Lots, Array],
    energy: Array,
) -> xr.Dataset:
    """Return the Dataset of trades: who, when, how much [kWh], and what is paid to whom."""
    (sales, i), (purchases, j) = sale, purchase
    slot, start, end = sales.slot[i], sales.node[i], purchases.node[j]
    access = inputs["node_access_fee"].values
    received = _price(results, "sale_price", start, slot) - access[start]
    paid = _price(results, "price", end, slot) + access[end]
    fee = path_fee(inputs, start, end)
    rent = paid - received - fee
    rent = np.where(np.abs(rent) < 1e-6, 0.0, rent)
    seller, buyer = sales.meter[i], purchases.meter[j]
    account = inputs["participant"].values[who.account]
    price = f"{inputs.attrs.get('currency', 'JPY')}/kWh"
    columns: dict[str, tuple[Array, str, str]] = {
        "trade_time": (inputs["time"].values[slot], "start of the slot of delivery", ""),
        "trade_seller": (account[seller], "participant who sells", ""),
        "trade_buyer": (account[buyer], "participant who buys", ""),
        "trade_seller_vehicle": (who.vehicle[seller], "vehicle that sells as a guest, or empty", ""),
        "trade_buyer_vehicle": (who.vehicle[buyer], "vehicle that buys as a guest, or empty", ""),
        "trade_energy": (energy, "energy delivered", "kWh"),
        "trade_contracted": (energy.copy(), "energy traded, delivered or not", "kWh"),
        "trade_price": (received, "what the seller gets", price),
        "trade_fee": (fee, "what the buyer pays to the network", price),
        "trade_congestion": (rent, "what the buyer pays for scarce lines", price),
    }
    data = {
        name: (("trade",), values, {"long_name": text, **({"units": unit} if unit else {})})
        for name, (values, text, unit) in columns.items()
    }
    return xr.Dataset(data, attrs=inputs.attrs)
