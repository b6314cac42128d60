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

import numpy as np
import xarray as xr

from ..labels import Array
from ..topology.fee_tree import path_fee
from ..topology.traders import Traders, traders
from .matching import QUANTUM, Lots, joined, lots_of, through_transfers, up_the_tree


def bilateral(inputs: xr.Dataset, results: xr.Dataset) -> xr.Dataset:
    """Return the trades (trade,) behind the peers' purchases and sales, by time, seller and buyer.

    Their energies [kWh] add up to each meter's purchase and sale and to the net flow over each edge (or, with
    ``trade_fee``, to ``node_transfer``). A seller gets ``trade_price`` = sale price - access fee of its node;
    a buyer pays price + access fee of its node = ``trade_price + trade_fee + trade_congestion``: the fee is
    both access fees and the edges of the path (or the pair's fee), the congestion rent is what is left. Rents
    within 1e-6 of zero are zero; prices that ``results`` does not hold are NaN.
    """
    who = traders(inputs)
    sales, purchases = lots_of(inputs, results, who)
    if "trade_fee" in inputs:
        found = through_transfers(inputs, results, sales, purchases)
    else:
        found = up_the_tree(inputs, sales, purchases)
    i, j, energy = joined(sales, purchases, found)
    return _dataset(inputs, results, who, (sales, i), (purchases, j), energy * QUANTUM)


def _price(results: xr.Dataset, name: str, node: Array, slot: Array) -> Array:
    if name not in results:  # a market without peers, or a block that a host model solved
        return np.full(len(node), np.nan)
    return np.asarray(results[name].transpose("node", "time").values[node, slot])


def _dataset(
    inputs: xr.Dataset,
    results: xr.Dataset,
    who: Traders,
    sale: tuple[Lots, Array],
    purchase: tuple[Lots, Array],
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
