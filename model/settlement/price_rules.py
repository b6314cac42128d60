"""THE table of price rules: what sellers of bilateral trades get and what buyers pay, by the name of the rule.

A rule prices trades whose energies and network fees are settled already. To add one: a function here or in a file of
its own, one row of the table, and a test. Trades of a simulation were priced when they were made, by the exchange, and
pass through no rule of their own; what others would have made of them can be asked (`fair_shares.payments`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from ...data.inputs.contract import InputError, Problem, suggestion
from ..labels import Array
from ..topology.traders import shared_fees
from . import pool_prices

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


PriceRule = Callable[..., Prices]
"""(inputs, results, trades) -> their prices; the number that goes with a rule by its name."""


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


def mid_market(inputs: xr.Dataset, results: xr.Dataset, trades: BilateralTrades) -> Prices:
    """Return the prices (trade,) [currency/kWh] of the mid-market rate, one per slot; see `pool_prices.mid_market`."""
    return _pooled(pool_prices.mid_market(_offers(inputs, results, trades)), trades)


def supply_demand_ratio(
    inputs: xr.Dataset, results: xr.Dataset, trades: BilateralTrades, *, compensation: float = 0.0
) -> Prices:
    """Return the prices (trade,) [currency/kWh] by supply over demand, one per slot; see `pool_prices`."""
    prices = pool_prices.supply_demand_ratio(_offers(inputs, results, trades), compensation)
    return _pooled(prices, trades)


def fixed(inputs: xr.Dataset, results: xr.Dataset, trades: BilateralTrades, *, price: float) -> Prices:
    """Return one price (trade,) [currency/kWh] that members agreed on: a seller gets it, a buyer pays fees beside."""
    return Prices(np.full_like(trades.fee, price), np.zeros_like(trades.fee))


def _offers(inputs: xr.Dataset, results: xr.Dataset, trades: BilateralTrades) -> pool_prices.Offers:
    sides = {"seller": trades.seller, "buyer": trades.buyer, "slot": trades.slot, "fee": trades.fee}
    return pool_prices.offers(inputs, results, **sides)


def _pooled(price: Array, trades: BilateralTrades) -> Prices:
    """Return the prices of trades (trade,) by those of their slots (time,); nobody pays a congestion rent."""
    return Prices(np.asarray(price[trades.slot]), np.zeros_like(trades.fee))


def _at(results: xr.Dataset, name: str, node: Array, slot: Array) -> Array:
    """Return the price (trade,) [currency/kWh] at nodes in slots."""
    if name not in results:  # a market without peers, or a block that a host model solved
        return np.full(len(node), np.nan)
    return np.asarray(results[name].transpose("node", "time").values[node, slot])


PRICE_RULES: dict[str, PriceRule] = {
    "marginal": marginal,
    "mid-market": mid_market,
    "supply-demand-ratio": supply_demand_ratio,
    "fixed": fixed,  # with a price
}
"""THE table: one row per price rule."""

NUMBERS = {"supply-demand-ratio": ("compensation", 0.0, 1.0), "fixed": ("price", -np.inf, np.inf)}
"""Rules that a number goes with, as in ``fixed=25``: what it is, and from where to where it may be."""


def price_rule(stated: str) -> PriceRule:
    """Return a rule by its name, with its number where one goes with it: ``mid-market``, ``fixed=25``.

    Raises
    ------
    InputError
        If there is no such rule, or its number is missing, wrong or more than it takes.
    """
    name, equals, number = stated.partition("=")
    if name not in PRICE_RULES:
        raise refused(stated, f"one of {', '.join(PRICE_RULES)}{suggestion(name, PRICE_RULES)}")
    if name not in NUMBERS:
        if equals:
            raise refused(stated, f"{name}, with which no number goes")
        return PRICE_RULES[name]
    what, least, most = NUMBERS[name]
    try:
        value = np.nan if "_" in number else float(number)
    except ValueError:
        value = np.nan
    if not equals and name != "fixed":
        return PRICE_RULES[name]
    if not (np.isfinite(value) and least <= value <= most):
        bounds = "" if np.isinf(most) else f" from {least:g} to {most:g}"
        raise refused(stated, f"{name}=NUMBER, the {what}{bounds}")
    return partial(PRICE_RULES[name], **{what: value})


def refused(stated: str, want: str) -> InputError:
    """Return the error of a rule that is stated so."""
    return InputError([Problem("settlement", "", "rule", repr(stated), want)])
