"""THE table of price rules: what sellers of bilateral trades get and what buyers pay, by the name of the rule.

A rule prices trades whose energies and network fees are settled already. To add one: a function here or in a file of
its own, one row of the table, and a test. Trades of a simulation were priced when they were made, by the exchange, and
pass through no rule.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array
from ..topology.traders import shared_fees

NO_RENT = 1e-6
"""Congestion rents [currency/kWh] within that of zero are zero."""


@dataclass(frozen=True)
class BilateralTrades:
    """Energy sold by one meter to another in a slot (trade,).

    ``seller`` and ``buyer`` are positions among the traders, ``start`` and ``end`` those of their nodes; ``energy``
    [kWh]; ``fee`` [currency/kWh] is what the buyer pays to the network.
    """

    seller: Array
    buyer: Array
    slot: Array
    start: Array
    end: Array
    energy: Array
    fee: Array


@dataclass(frozen=True)
class Prices:
    """Prices of trades (trade,) [currency/kWh]: a seller gets ``price``, a buyer pays price + fee + ``congestion``."""

    price: Array
    congestion: Array


PriceRule = Callable[[xr.Dataset, xr.Dataset, BilateralTrades], Prices]
"""(inputs, results, trades) -> their prices."""


def marginal(inputs: xr.Dataset, results: xr.Dataset, trades: BilateralTrades) -> Prices:
    """Return the prices (trade,) [currency/kWh] by the marginal value of energy at both nodes.

    From node s to node e, with the prices of buying and of selling at a node, its access fee and the trade's fee::

        received = sale_price[s] - access[s]
        paid     = price[e] + access[e] + shared_fee, by the buyer's tariff
        rent     = paid - received - fee

    NaN where ``results`` hold no prices.
    """
    access = inputs["node_access_fee"].values
    received = _at(results, "sale_price", trades.start, trades.slot) - access[trades.start]
    paid = _at(results, "price", trades.end, trades.slot) + access[trades.end]
    paid = paid + shared_fees(inputs, trades.buyer, trades.slot)
    rent = paid - received - trades.fee
    return Prices(received, np.where(np.abs(rent) < NO_RENT, 0.0, rent))


def _at(results: xr.Dataset, name: str, node: Array, slot: Array) -> Array:
    """Return the price (trade,) [currency/kWh] at nodes in slots."""
    if name not in results:  # a market without peers, or a block that a host model solved
        return np.full(len(node), np.nan)
    return np.asarray(results[name].transpose("node", "time").values[node, slot])


PRICE_RULES: dict[str, PriceRule] = {
    "marginal": marginal,
}
"""THE table: one row per price rule."""
