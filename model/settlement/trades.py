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
* A meter that buys and sells in one slot comes last in its node's order, and the purchases are rotated
  until it does not meet itself (`matching`).
"""

import xarray as xr

from ...data.inputs.arrays import assembled
from ..labels import Array
from ..topology.fee_tree import path_fee
from ..topology.traders import shared_fees, traders
from .matching import QUANTUM, joined, lots_of, through_transfers, up_the_tree
from .price_rules import BilateralTrades, price_rule


def bilateral(inputs: xr.Dataset, results: xr.Dataset, rule: str = "marginal") -> xr.Dataset:
    """Return the trades (trade,) behind the peers' purchases and sales, by time, seller and buyer.

    Their energies [kWh] add up to each meter's purchase and sale and to the net flow over each edge (or, with
    ``trade_fee``, to ``node_transfer``). The fee is both access fees and the edges of the path (or the pair's fee);
    what a seller gets and what a buyer pays beyond the fee is up to the price rule.

    Parameters
    ----------
    inputs, results : xr.Dataset
        The inputs, and the cleared positions with prices at the nodes.
    rule : str
        A rule of `price_rules`, as :func:`price_rules.price_rule` reads it.
    """
    who = traders(inputs)
    sales, purchases = lots_of(inputs, results, who)
    if "trade_fee" in inputs:
        matches = through_transfers(inputs, results, sales, purchases)
    else:
        matches = up_the_tree(inputs, sales, purchases)
    i, j, quanta = joined(sales, purchases, matches)
    start, end = sales.node[i], purchases.node[j]
    trades = BilateralTrades(
        seller=sales.meter[i],
        buyer=purchases.meter[j],
        slot=sales.slot[i],
        start=start,
        end=end,
        energy=quanta * QUANTUM,
        fee=path_fee(inputs, start, end) + shared_fees(inputs, purchases.meter[j], sales.slot[i]),
    )
    prices = price_rule(rule)(inputs, results, trades)
    return as_dataset(
        inputs,
        slot=trades.slot,
        seller=trades.seller,
        buyer=trades.buyer,
        energy=trades.energy,
        contracted=trades.energy,
        price=prices.price,
        fee=trades.fee,
        congestion=prices.congestion,
    )


def as_dataset(
    inputs: xr.Dataset,
    *,
    slot: Array,
    seller: Array,
    buyer: Array,
    energy: Array,
    contracted: Array,
    price: Array,
    fee: Array,
    congestion: Array,
) -> xr.Dataset:
    """Return trades (trade,) as a Dataset: who, when, how much [kWh], and what is paid to whom [currency/kWh]."""
    who, per_kwh = traders(inputs), f"{inputs.attrs['currency']}/kWh"
    account = inputs["participant"].values[who.account]
    columns: dict[str, tuple[Array, str, str]] = {
        "trade_time": (inputs["time"].values[slot], "start of the slot of delivery", ""),
        "trade_seller": (account[seller], "participant who sells", ""),
        "trade_buyer": (account[buyer], "participant who buys", ""),
        "trade_seller_vehicle": (who.vehicle[seller], "vehicle that sells as a guest, or empty", ""),
        "trade_buyer_vehicle": (who.vehicle[buyer], "vehicle that buys as a guest, or empty", ""),
        "trade_energy": (energy, "energy delivered", "kWh"),
        "trade_contracted": (contracted.copy(), "energy traded, delivered or not", "kWh"),
        "trade_price": (price, "what the seller gets", per_kwh),
        "trade_fee": (fee, "what the buyer pays to the network", per_kwh),
        "trade_congestion": (congestion, "what the buyer pays for scarce lines", per_kwh),
    }
    data = {
        name: (("trade",), values, {"long_name": text, **({"units": unit} if unit else {})})
        for name, (values, text, unit) in columns.items()
    }
    return assembled(inputs, data, inputs.attrs)
