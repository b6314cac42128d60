"""What a slot brings in the end: devices follow their plan as far as demand and PV let them; trades are delivered.

A device departs from its plan only by what the plan did not know: it gives up charging, or discharges, for energy that
would else be bought at the retail price, where that pays by the value that the plan puts on stored energy; and
the other way round for energy that would else go to the retailer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..errors import Cause, Infeasible
from ..exchange.deals import Deals
from ..exchange.integer_fees import wheeling
from ..labels import Array, positions, sum_at
from ..topology.stores import Stores, stores
from ..topology.traders import tariff_prices, traders, uncontrolled
from .planning import Plan

TIGHT = 1e-6
"""Prices [currency/kWh] and powers [kW] that differ by less are the same."""
DUST = 1e-7
"""Least energy of a delivered trade [kWh]."""


@dataclass(frozen=True)
class Delivered:
    """A slot as it came: ``charge``, ``discharge`` (S,) and ``net`` (P + V,) [kW], ``energy`` (S,) at its end [kWh].

    ``curtailment`` (P,) [kW]; ``net`` is what is drawn at the meters less what is given.
    """

    charge: Array
    discharge: Array
    energy: Array
    curtailment: Array
    net: Array


def drive(inputs: xr.Dataset, slot: int, energy: Array, planned: Array) -> tuple[Array, Array]:
    """Return the energy of the vehicles (V,) after the departures of a slot, and the electric distance (trip,) [km].

    Trips go as far on electricity as ``planned`` (trip,) [km] and as the battery reaches; the rest is petrol.

    Raises
    ------
    Infeasible
        If a vehicle without an engine does not get there.
    """
    departs = (
        np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1 == slot
    )
    driver = positions(inputs, "trip_vehicle", "vehicle")
    economy, least = (inputs[f"vehicle_{n}"].values for n in ("electric_economy", "min_energy"))
    engine, distance = ~np.isnan(inputs["vehicle_fuel_economy"].values), inputs["trip_distance"].values
    left, electric = energy.copy(), np.zeros(len(driver))
    for k in sorted(np.flatnonzero(departs), key=lambda k: inputs["trip_departure"].values[k]):
        v = driver[k]
        reach = max(left[v] - least[v], 0.0) * economy[v]
        electric[k] = min(planned[k], reach) if engine[v] else distance[k]
        if electric[k] > reach + TIGHT:
            lack, when = (electric[k] - reach) / economy[v], _when(inputs, slot)
            raise Infeasible([Cause(f"vehicle {inputs['vehicle'].values[v]}", when, lack, "kWh of energy")])
        left[v] -= electric[k] / economy[v]
    return left, electric


def meant(inputs: xr.Dataset, energy: Array, least: Array, value: Array) -> Array:
    """Return how far the drivers of trips that nobody planned mean to go on electricity (trip,) [km].

    As far as the battery reaches where petrol for the same way costs no less than the plan's value of what it holds.

    Parameters
    ----------
    inputs : xr.Dataset
        What really happens.
    energy, least : Array
        (V,) what vehicles hold, and what they must hold when the slot ends [kWh].
    value : Array
        (V,) of one more kWh at the end of the slot [currency/kWh].
    """
    driver = positions(inputs, "trip_vehicle", "vehicle")
    economy, fuel = (inputs[f"vehicle_{n}_economy"].values for n in ("electric", "fuel"))
    pays = ~(value > inputs["fuel_price"].values * economy / fuel + TIGHT)
    reach = np.where(pays, np.maximum(energy - least, 0.0) * economy, 0.0)
    return np.asarray(np.minimum(inputs["trip_distance"].values, reach[driver]))


def realise(
    inputs: xr.Dataset, slot: int, energy: Array, planned: Plan, contracted: Array, least: Array
) -> Delivered:
    """Return what the devices do in a slot with the demand and PV that really came.

    Parameters
    ----------
    inputs : xr.Dataset
        What really happens, over all slots.
    slot : int
        Position of the slot in it.
    energy : Array
        (S,) after the departures of the slot [kWh].
    planned : Plan
        Whose first slot is this one.
    contracted : Array
        (P + V,) power bought less sold [kW].
    least : Array
        (S,) that must be stored at the end of the slot, whatever it costs [kWh].

    Raises
    ------
    Infeasible
        If a meter must draw more than its connection carries.
    """
    store, hours = stores(inputs.isel(time=[slot])), float(inputs["slot_hours"].values[slot])
    now, free = (
        _limits(store, energy, hours, np.maximum(store.min_energy, least)),
        uncontrolled(inputs.isel(time=[slot]))[:, 0],
    )
    retail, feed_in = tariff_prices(inputs, slot)
    worth, behind = planned.value[:, 0], store.trader[:, 0]
    gain, cost = store.charge_efficiency * worth, worth / store.discharge_efficiency + store.wear_cost
    charge = np.clip(planned.charge[:, 0], now.climb, now.room)
    discharge = np.where(charge > 0, 0.0, np.clip(planned.discharge[:, 0], now.fall, now.reserve))

    def lacking() -> Array:
        """Return what the meters would buy at the retail price beyond their plan (+), or give (-) [kW]."""
        net = free + sum_at(behind, charge - discharge, len(free))
        gap = net - contracted - planned.wanted[:, 0]
        return np.where(gap > 0, np.minimum(gap, np.maximum(net, 0.0)), gap)

    def part(power: Array, able: Array) -> Array:
        """Return each store's part (S,) of a power at its meter, in proportion to what it is able to do."""
        return _shared(np.maximum(power, 0.0), np.maximum(able, 0.0), behind)

    charge = charge - part(lacking(), np.where(gain < retail[behind] - TIGHT, charge - now.climb, 0.0))
    able = (charge <= 0) & (cost < retail[behind] - TIGHT)
    discharge = discharge + part(lacking(), np.where(able, now.reserve - discharge, 0.0))
    discharge = discharge - part(
        -lacking(), np.where(cost > feed_in[behind] + TIGHT, discharge - now.fall, 0.0)
    )
    able = (discharge <= 0) & (gain > feed_in[behind] + TIGHT)
    charge = charge + part(-lacking(), np.where(able, now.room - charge, 0.0))
    charge = store.chargeable(charge, now.room, now.climb)
    charge, discharge, curtailment, net = _connected(inputs, slot, store, now, free, charge, discharge)
    change = store.charge_efficiency * charge * hours - discharge * hours / store.discharge_efficiency
    return Delivered(charge, discharge, energy + change, curtailment, net)


@dataclass(frozen=True)
class _Limits:
    """What the stores (S,) can, and must, take and give in a slot [kW]."""

    room: Array
    climb: Array
    reserve: Array
    fall: Array


def _limits(store: Stores, energy: Array, hours: float, least: Array) -> _Limits:
    take = np.where(store.plugged[:, 0], store.charge_limit, 0.0)
    give = np.where(store.plugged[:, 0], store.discharge_limit, 0.0)
    gain, loss = store.charge_efficiency * hours, hours / store.discharge_efficiency
    return _Limits(
        room=np.clip((store.capacity - energy) / gain, 0.0, take),
        climb=np.clip((least - energy) / gain, 0.0, take),
        reserve=np.clip((energy - least) / loss, 0.0, give),
        fall=np.clip((energy - store.capacity) / loss, 0.0, give),
    )


def _connected(
    inputs: xr.Dataset, slot: int, store: Stores, now: _Limits, free: Array, charge: Array, discharge: Array
) -> tuple[Array, Array, Array, Array]:
    """Return charge, discharge (S,), curtailment (P,) and net draw (P + V,) that the connections carry."""
    behind, people = store.trader[:, 0], inputs.sizes["participant"]
    most_in, most_out = (
        np.concatenate([inputs[f"{n}_limit"].values, np.full(len(free) - people, np.inf)])
        for n in ("import", "export")
    )

    def net() -> Array:
        return np.asarray(free + sum_at(behind, charge - discharge, len(free)))

    charge = charge - _shared(np.maximum(net() - most_in, 0.0), charge, behind)
    charge = np.where(charge < store.min_charge, 0.0, charge)
    discharge = discharge + _shared(
        np.maximum(net() - most_in, 0.0), (now.reserve - discharge) * (charge <= 0), behind
    )
    discharge = discharge - _shared(np.maximum(-net() - most_out, 0.0), discharge, behind)
    over, lack = net() - most_in, "kW of connection for what it must draw"
    if (over > TIGHT).any():
        short = np.flatnonzero(over > TIGHT)
        who = inputs["participant"].values[short]
        raise Infeasible(
            [
                Cause(str(p), _when(inputs, slot), float(over[k]), lack)
                for p, k in zip(who, short, strict=True)
            ]
        )
    curtailment = np.clip(-net() - most_out, 0.0, None)[:people]
    drawn = net()
    drawn[:people] += curtailment
    return charge, discharge, curtailment, drawn


def _shared(power: Array, able: Array, behind: Array) -> Array:
    total = sum_at(behind, able, len(power))
    share = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return np.asarray(able * np.minimum(share, 1.0)[behind])


def deliver(inputs: xr.Dataset, slot: int, deals: Deals, net: Array) -> Deals:
    """Return what is delivered of the deals: no more than traded, nor than metered; first traded, first served.

    ``net`` (P + V,) is what the meters drew less what they gave [kW]. Where a trade that is not delivered made room on a
    limited edge for others, the latest of these are cut.
    """
    hours = float(inputs["slot_hours"].values[slot])
    given, drawn = np.maximum(-net, 0.0) * hours, np.maximum(net, 0.0) * hours
    energy = np.zeros(len(deals.energy))
    for k, (seller, buyer) in enumerate(zip(deals.seller.tolist(), deals.buyer.tolist(), strict=True)):
        energy[k] = min(deals.energy[k], given[seller], drawn[buyer])
        given[seller] -= energy[k]
        drawn[buyer] -= energy[k]
    energy = _within_edges(inputs, slot, replace(deals, energy=energy))
    return replace(deals, energy=np.where(energy >= DUST, energy, 0.0))


def _within_edges(inputs: xr.Dataset, slot: int, deals: Deals) -> Array:
    """Return the energies (D,) of deals, the latest cut where more would cross a limited edge than it carries."""
    network, energy = wheeling(inputs), deals.energy.copy()
    node = traders(inputs.isel(time=[slot])).node[:, 0]
    below = network.below
    way = below[:, node[deals.seller]].astype(int) - below[:, node[deals.buyer]]
    limit = network.limit_kw * float(inputs["slot_hours"].values[slot])
    while (over := np.abs(way @ energy) - limit).max(initial=0.0) > DUST:
        edge = int(over.argmax())
        sign = np.sign(way[edge] @ energy)
        last = int(np.flatnonzero((way[edge] == sign) & (energy > 0))[-1])
        energy[last] -= min(energy[last], over[edge])
    return energy


def _when(inputs: xr.Dataset, slot: int) -> str:
    return f"{np.datetime_as_string(inputs['time'].values[slot], unit='m')}Z"
