"""Agents: what each participant plans at the prices it expects, and the orders that follow. See ``AGENTS.md``.

All participants are price-takers: one linear program that falls apart into one part each. A limit price is what the
energy is worth to the one who bids: its opportunity cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ..clearing import community_block
from ..lp.expressions import Array
from ..solver.basis import Basis
from ..solver.solve import solve
from ..topology.meters import positions
from ..topology.traders import sum_at, traders

WATT_HOUR = 1e-3
"""Least energy of an order [kWh]: an exchange counts in whole Wh."""


@dataclass(frozen=True)
class Stores:
    """The S stores of a community, its batteries and after them its vehicles, as one array each.

    ``trader`` (S, T) is the position among the traders (participants, then guest vehicles) behind whose meter it is;
    ``plugged`` (S, T) tells where it can charge; the rest (S,) bears the names of the variable table, where batteries
    have no ``min_charge``.
    """

    trader: Array
    plugged: Array
    capacity: Array
    min_energy: Array
    charge_limit: Array
    discharge_limit: Array
    charge_efficiency: Array
    discharge_efficiency: Array
    wear_cost: Array
    min_charge: Array

    def chargeable(self, power: Array, room: Array, must: Array | float = 0.0) -> Array:
        """Return charging powers (S, ...) [kW] as chargers take them: nothing, or at least the minimum.

        What is below it becomes the nearer of the two, the minimum where something ``must`` be charged; nothing where
        ``room`` (S, ...) is less than the minimum.
        """
        least = self.min_charge.reshape(-1, *[1] * (power.ndim - 1))
        up = ((power >= least / 2) | (np.asarray(must) > 0)) & (room >= least)
        return np.where(power >= least, power, np.where(up, least, 0.0))


@dataclass(frozen=True)
class Plan:
    """What the participants mean to do over the T slots of the inputs that they planned on.

    ``charge``, ``discharge`` (S, T) [kW]; ``value`` (S, T) what one more kWh in the store at the end of a slot is worth
    [currency/kWh]; ``electric`` (trip,) distance on electricity [km]; ``wanted`` (P + V, T) power that is to be
    exchanged with the retailer in any case, + taken [kW]; ``net`` (P + V, T) power at the meter, + drawn [kW];
    ``basis`` is where a later plan may start from.
    """

    charge: Array
    discharge: Array
    value: Array
    electric: Array
    wanted: Array
    net: Array
    basis: Basis | None = field(default=None, repr=False)


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


def stores(inputs: xr.Dataset) -> Stores:
    """Return the stores of the inputs."""
    slots = inputs.sizes["time"]
    battery = np.repeat(positions(inputs, "battery_owner", "participant")[:, None], slots, axis=1)
    behind = traders(inputs).behind
    both = {
        name: np.concatenate([inputs[f"{device}_{name}"].values for device in ("battery", "vehicle")])
        for name in (
            "capacity",
            "min_energy",
            "charge_limit",
            "discharge_limit",
            "charge_efficiency",
            "discharge_efficiency",
            "wear_cost",
        )
    }
    return Stores(
        trader=np.concatenate([battery, behind]),
        plugged=np.concatenate([np.ones(battery.shape, dtype=bool), inputs["vehicle_host"].values != ""]),
        min_charge=np.concatenate([np.zeros(len(battery)), inputs["vehicle_min_charge"].values]),
        **both,
    )


def plan(inputs: xr.Dataset, quotes: xr.Dataset, start: Basis | None = None) -> Plan:
    """Return every participant's best plan where peers take and give any power at the quoted prices.

    Parameters
    ----------
    inputs : xr.Dataset
        As the agents expect them: forecasts in the place of demand and PV, energies as they stand.
    quotes : xr.Dataset
        ``price`` and ``sale_price`` (node, time) [currency/kWh]: expected, access fees not in them.
    start : Basis, optional
        Of the plan before. Who has several best plans may get another one by it.

    Raises
    ------
    SolveError
        If nobody could plan like this.
    """
    block = community_block(inputs, "quoted", minimum_charge=False, quotes=quotes)
    solution = solve(block, tie_break=False, start=start)
    return of_block(block, inputs, wanted=False, basis=solution.basis)


def of_block(block: Any, inputs: xr.Dataset, wanted: bool, basis: Basis | None = None) -> Plan:
    """Return the plan that a solved community stands for; ``wanted``: retail power is part of it, not a fallback.

    Minimum charge powers are relaxed in the block, and hold in the plan (`Stores.chargeable`).
    """
    store = stores(inputs)
    charge, discharge, energy = (
        np.concatenate([getattr(block, d).component(name).dense() for d in ("battery", "vehicle")])
        for name in ("charge", "discharge", "energy")
    )
    start = np.concatenate([inputs[f"{d}_initial_energy"].values for d in ("battery", "vehicle")])
    before = np.concatenate([start[:, None], energy[:, :-1]], axis=1)
    gain = store.charge_efficiency[:, None] * inputs["slot_hours"].values
    charge = store.chargeable(charge, (store.capacity[:, None] - before) / gain)
    value = -np.concatenate([getattr(block, d).energy_balance.dense_dual() for d in ("battery", "vehicle")])
    net = uncontrolled(inputs) + at_traders(store.trader, charge - discharge, len(traders(inputs).account))
    target = np.zeros_like(net)
    if wanted:
        meters, power = block.meters, block.grid.imports.dense() - block.grid.exports.dense()
        size = inputs.sizes["participant"]
        imports, exports = block.grid.imports.dense(), block.grid.exports.dense()
        target[:size] = imports[meters.draws_at] * meters.draw_share
        target[:size] -= exports[meters.gives_at] * meters.give_share
        guest = meters.guest >= 0
        target[size:][guest] = power[meters.guest[guest]]
    electric = block.vehicle.electric_distance.dense()
    return Plan(charge, discharge, value, electric, target, net, basis)


def uncontrolled(inputs: xr.Dataset) -> Array:
    """Return demand less PV at every trader's meter (P + V, T) [kW]: nothing at those of guests."""
    net = inputs["demand"].values - inputs["pv_available"].values
    return np.concatenate([net, np.zeros((inputs.sizes["vehicle"], net.shape[1]))])


def at_traders(trader: Array, power: Array, size: int) -> Array:
    """Return the sums (P + V, T) of powers (S, T) of stores behind the meters of traders (S, T)."""
    total = np.zeros((size, power.shape[1]))
    np.add.at(total, (trader, np.arange(power.shape[1])), power)
    return total


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


def tariff_prices(inputs: xr.Dataset, slot: int) -> tuple[Array, Array]:
    """Return the retail and the feed-in price (P + V,) [currency/kWh] of every trader in a slot."""
    tariff = positions(inputs, "participant_tariff", "tariff")[traders(inputs).account]
    return inputs["retail_price"].values[tariff, slot], inputs["feed_in_price"].values[tariff, slot]


class Expectations:
    """What the agents expect energy to cost (``price``) and to earn (``sale_price``) at each node and time of day.

    They begin at the middle between the tariffs' mean feed-in and retail price and move by ``weight`` towards what
    came of the orders of each slot: the prices of trades, the retail price for bids and the feed-in price for asks
    that found nobody.

    Parameters
    ----------
    inputs : xr.Dataset
        Of any slots: the prices of the first day are where expectations begin.
    slots_per_day : int
        Times of day that are told apart.
    weight : float
        Of the newest slot, within (0, 1].
    """

    def __init__(self, inputs: xr.Dataset, slots_per_day: int, weight: float = 0.3):
        used = np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
        middle = 0.5 * sum(
            float(inputs[name].values[used].mean()) for name in ("retail_price", "feed_in_price")
        )
        self.weight = weight
        self.values = np.full((2, inputs.sizes["node"], slots_per_day), middle)

    def quotes(self, inputs: xr.Dataset, place: Array) -> xr.Dataset:
        """Return what is expected of slots at times of day ``place`` (time,); no purchase is below a sale."""
        price, sale = self.values[:, :, place]
        dims = ("node", "time")
        return xr.Dataset({"price": (dims, np.maximum(price, sale)), "sale_price": (dims, sale)})

    def learn(self, place: int, observed: Sequence[tuple[int, int, float, float]]) -> None:
        """Move towards (side: 0 buying, 1 selling; node; energy [kWh]; price [currency/kWh]) of one slot's orders."""
        total = np.zeros((2, *self.values.shape[:2]))
        for side, node, energy, price in observed:
            total[:, side, node] += energy, energy * price
        seen = total[0] > 0
        mean = np.divide(total[1], total[0], out=np.zeros_like(total[0]), where=seen)
        old = self.values[:, :, place]
        self.values[:, :, place] = np.where(seen, old + self.weight * (mean - old), old)
