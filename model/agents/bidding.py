"""From the plan of the agents to the orders that they want to be open for one product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..labels import Array, positions, sum_at
from ..topology.connections import connections
from ..topology.traders import tariff_prices, traders, uncontrolled
from .heat_pumps import with_heat_pumps
from .planning import Plan

WATT_HOUR = 1e-3
"""Least energy of an order [kWh]: an exchange counts in whole Wh."""

ROUNDS = 16
"""Of a continuous session, in which agents come from what they hope for to what energy is worth to them."""


class OrderIntent(NamedTuple):
    """An order that a trader wants to be open: limit price [currency/kWh] and energy [kWh].

    ``part`` names the load or store that it is for, and tells the trader's orders of a slot apart. ``premium``
    [currency/kWh] comes on top of the price of a bid where the ask is of renewable origin.
    """

    trader: int
    part: str
    side: str
    price: float
    energy: float
    premium: float = 0.0


def conceded(intents: Sequence[OrderIntent], share: float, band: tuple[float, float]) -> list[float]:
    """Return limits that lie a ``share`` of the way from the best end of the price band to those of the intents.

    Where everybody concedes alike, bid and ask meet the sooner the more their trade gains: those who gain most trade
    first, whoever comes first.
    """
    best = {"buy": band[0], "sell": band[1]}
    return [round(best[intent.side] + share * (intent.price - best[intent.side]), 3) for intent in intents]


def at_limits(intents: Sequence[OrderIntent], limits: Sequence[float]) -> list[OrderIntent]:
    """Return intents with other limit prices [currency/kWh]."""
    return [
        OrderIntent(m, part, side, price, energy, premium)
        for (m, part, side, _, energy, premium), price in zip(intents, limits, strict=True)
    ]


class _Side(NamedTuple):
    """One side of the market: net and uncontrolled power, contracts (P + V,), power of stores (S + H,) [kW], prices.

    ``tariff`` (P + V,) and ``limit`` (S + H,) [currency/kWh] are the opportunity costs of home and store.
    """

    name: str
    net: Array
    uncontrolled: Array
    contracted: Array
    moved: Array
    tariff: Array
    limit: Array


def order_intents(
    inputs: xr.Dataset, planned: Plan, slot: int, contracted: Array, band: tuple[float, float]
) -> list[OrderIntent]:
    """Return the orders that the traders want to be open for a slot, by trader, limited by opportunity cost.

    With the marginal value v of stored energy: a bid for demand that nobody controls is limited by the retail price, a
    bid to charge, what is planned for now and what might come forward, by min(charge efficiency * v - p, retail), where
    drawing one more kWh adds p to peak charges; an ask of surplus PV by the feed-in price, an ask to discharge by
    max(v / discharge efficiency + wear, feed-in). Heat pumps bid like stores, with their COP for the charge efficiency;
    flexible loads by what a kWh drawn by them is worth.
    ``contracted`` (P + V,) [kW] is bought less sold already and serves deficits first. A limit is moved into the price
    ``band`` [currency/kWh] of the slot as far as its trader gains by it, or the order is left out. A green participant
    adds its premium to its bids, as far as the band lets it.
    """
    who, behind = traders(inputs), with_heat_pumps(inputs, slot).trader[:, slot]
    hours = float(inputs["slot_hours"].values[slot])
    loads = positions(inputs, "flexible_load_owner", "participant") if len(planned.load) else behind[:0]
    labels = [f"store{s}" for s in range(len(behind))] + [f"load{n}" for n in range(len(loads))]
    behind = np.append(behind, loads)
    green = inputs["green_premium"].values[who.account].tolist()
    found = []
    for side in _sides(inputs, planned, slot, contracted):
        buys = side.name == "buy"
        for m, part, limit, kw in _parts(_with_loads(side, inputs, planned, slot), behind, labels):
            if kw * hours >= WATT_HOUR:
                price = round(min(limit, band[1]) if buys else max(limit, band[0]), 3)
                if band[0] <= price <= band[1]:
                    premium = round(min(green[m], band[1] - price), 3) if buys else 0.0
                    found.append(OrderIntent(m, part, side.name, price, round(kw * hours, 3), premium))
    return sorted(found, key=lambda intent: (intent.trader, intent.side, intent.part))


def _sides(inputs: xr.Dataset, planned: Plan, slot: int, contracted: Array) -> tuple[_Side, _Side]:
    """Return what the traders would buy and what they would sell in a slot."""
    store, (retail, feed_in) = with_heat_pumps(inputs, slot), tariff_prices(inputs, slot)
    behind, value = store.trader[:, slot], planned.value[:, slot]
    net, free = planned.net[:, slot], uncontrolled(inputs)[:, slot]
    carried = np.full(len(net), np.inf)
    carried[: inputs.sizes["participant"]] = connections(inputs)[0][:, slot]
    most = np.minimum(carried, planned.ceiling)
    drawn = np.minimum(net + sum_at(behind, planned.forward[:, slot], len(net)), np.maximum(most, net))
    peak = planned.peak_value[:, slot][behind]
    bid = np.minimum(store.charge_efficiency * value - peak, retail[behind])
    ask = np.maximum(value / store.discharge_efficiency + store.wear_cost, feed_in[behind])
    taken = planned.charge[:, slot] + planned.forward[:, slot]
    taken[len(taken) - len(planned.backup) :] += planned.backup[:, slot]
    bought, sold = np.maximum(contracted, 0.0), np.maximum(-contracted, 0.0)
    return (
        _Side("buy", drawn, free, bought, taken, retail, bid),
        _Side("sell", -net, -free, sold, planned.discharge[:, slot], feed_in, ask),
    )


def _with_loads(side: _Side, inputs: xr.Dataset, planned: Plan, slot: int) -> _Side:
    """Return a side with flexible loads behind its stores: they buy what they draw, and sell nothing."""
    if not len(planned.load):
        return side
    owner = positions(inputs, "flexible_load_owner", "participant")
    worth = planned.load_value[:, slot] - planned.peak_value[owner, slot]
    moved = planned.load[:, slot] if side.name == "buy" else np.zeros(len(owner))
    return side._replace(
        moved=np.append(side.moved, moved),
        limit=np.append(side.limit, np.minimum(worth, side.tariff[owner])),
    )


def _parts(side: _Side, behind: Array, labels: list[str]) -> list[tuple[int, str, float, float]]:
    """Return trader, part, limit [currency/kWh] and open power [kW] of homes, then of stores and loads in proportion."""
    size, have = len(side.net), side.contracted
    home = np.clip(side.uncontrolled, 0.0, np.maximum(side.net, 0.0))
    rest = np.maximum(side.net - np.maximum(home, have), 0.0)
    total = sum_at(behind, side.moved, size)[behind]
    share = np.divide(side.moved, total, out=np.zeros_like(side.moved), where=total > 0)
    homes = zip(
        range(size), ["home"] * size, side.tariff.tolist(), np.maximum(home - have, 0.0).tolist(), strict=True
    )
    parts = zip(behind.tolist(), labels, side.limit.tolist(), (rest[behind] * share).tolist(), strict=True)
    return [*homes, *parts]
