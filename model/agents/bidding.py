"""From plans to the orders of a product."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array, sum_at
from ..topology.stores import stores
from ..topology.traders import tariff_prices, traders, uncontrolled
from .planning import Plan

WATT_HOUR = 1e-3
"""Least energy of an order [kWh]: an exchange counts in whole Wh."""


@dataclass(frozen=True)
class Wish:
    """An order that a trader wants to stand: ``part`` names what it is for, and tells its orders of a slot apart.

    ``premium`` [currency/kWh] comes on top of the price of a bid where the ask is of renewable origin.
    """

    trader: int
    part: str
    side: str
    price: float
    energy: float
    premium: float = 0.0


def wishes(
    inputs: xr.Dataset, planned: Plan, slot: int, contracted: Array, band: tuple[float, float]
) -> list[Wish]:
    """Return the orders that the traders want to stand for a slot, by trader; their limits are opportunity costs.

    Deficits that nobody controls are worth the retail price; charging is worth charge efficiency * value, at most the
    retail price; surplus PV is worth the feed-in price; discharging costs value / discharge efficiency + wear, and at
    least the feed-in price. ``contracted`` (P + V,) [kW] is bought less sold already and serves deficits first.
    Nothing is placed that would cost more, or be worth less, than the price ``band`` [currency/kWh] of the slot lets
    it earn or cost. A green participant adds its premium to its bids, as far as the band lets it.
    """
    who, store, hours = traders(inputs), stores(inputs), float(inputs["slot_hours"].values[slot])
    retail, feed_in = tariff_prices(inputs, slot)
    extra = inputs["green_premium"].values[who.account]
    net, free = planned.net[:, slot], uncontrolled(inputs)[:, slot]
    behind, worth = store.trader[:, slot], planned.value[:, slot]
    bid = np.minimum(store.charge_efficiency * worth, retail[behind])
    ask = np.maximum(worth / store.discharge_efficiency + store.wear_cost, feed_in[behind])
    bought, sold = np.maximum(contracted, 0.0), np.maximum(-contracted, 0.0)
    found: list[Wish] = []
    sides = (
        ("buy", net, free, bought, planned.charge, (retail, bid)),
        ("sell", -net, -free, sold, planned.discharge, (feed_in, ask)),
    )
    for side, total, plain, have, power, (price, limit) in sides:
        first = np.clip(plain, 0.0, np.maximum(total, 0.0))
        rest = np.maximum(total - np.maximum(first, have), 0.0)
        moved = power[:, slot]
        sum_moved = sum_at(behind, moved, len(net))[behind]
        share = np.divide(moved, sum_moved, out=np.zeros_like(moved), where=sum_moved > 0)
        parts = [(m, "home", price[m], max(first[m] - have[m], 0.0)) for m in range(len(net))]
        parts += [
            (int(behind[s]), f"store{s}", limit[s], rest[behind[s]] * share[s]) for s in range(len(moved))
        ]
        for m, part, worth, kw in parts:
            at = round(float(min(worth, band[1]) if side == "buy" else max(worth, band[0])), 3)
            more = round(min(float(extra[m]), band[1] - at), 3) if side == "buy" else 0.0
            if kw * hours >= WATT_HOUR and band[0] <= at <= band[1]:
                found.append(Wish(m, part, side, at, round(float(kw) * hours, 3), more))
    return sorted(found, key=lambda w: (w.trader, w.side, w.part))
