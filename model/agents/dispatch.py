"""The dispatch of a slot that is realised: devices follow their plan as far as demand and PV let them.

A device departs from its plan only by what the plan did not know: it gives up charging, or discharges, for energy that
would else be bought at the retail price, where that pays by the marginal value that the plan puts on stored energy; and
the other way round for energy that would else go to the retailer. What is drawn beyond the plan's peak costs its charge
besides, and PV that an inverter does not convert is free to charge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..errors import Cause, Infeasible
from ..labels import Array, positions, sum_at
from ..topology.connections import connections
from ..topology.inverters import generated
from ..topology.stores import Stores
from ..topology.traders import tariff_prices, uncontrolled
from .behind_meters import Behind
from .heat_pumps import backup, behind_inverters, count, with_heat_pumps
from .planning import Plan

TIGHT = 1e-6
"""Prices [currency/kWh] and powers [kW] that differ by less are the same."""


NOTHING = np.zeros(0)
"""What no flexible loads draw."""


class Dispatch(NamedTuple):
    """What stores and meters did in a slot, or (...) in every slot.

    ``charge``, ``discharge`` (S + H, ...) [kW], of stores and after them heat pumps; ``energy`` (S + H, ...) stored at
    the end of the slot [kWh]; ``net`` (P + V, ...) what is drawn at the meters less what is given, ``curtailment``
    (P, ...) of PV [kW]; ``backup`` (H, ...) what backups of heat pumps take, ``unmet`` (H, ...) heat that is
    asked for and not there [kW]; ``load``, ``start`` (L, ...) [kW, 0 or 1] are of flexible loads, which draw what they
    do before stores move (`flexible_loads`).
    """

    charge: Array
    discharge: Array
    energy: Array
    net: Array
    curtailment: Array
    backup: Array
    unmet: Array
    load: Array = NOTHING
    start: Array = NOTHING

    def slots(self, first: int, last: int) -> Dispatch:
        """Return the dispatch of slots from ``first`` up to ``last``."""
        return Dispatch(*(series[:, first:last] for series in self))

    def enter(self, slot: int, realised: Dispatch) -> None:
        """Enter the dispatch of one slot into that of all."""
        for series, values in zip(self, realised, strict=True):
            series[:, slot] = values


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


def unplanned_distance(inputs: xr.Dataset, energy: Array, least: Array, value: Array) -> Array:
    """Return how far trips that nobody planned are to go on electricity (trip,) [km].

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
    inputs: xr.Dataset,
    slot: int,
    energy: Array,
    planned: Plan,
    contracted: Array,
    least: Array,
    most_given: Array | float = np.inf,
) -> Dispatch:
    """Return the dispatch of a slot with the demand and PV that really came: plan, then deviations, then connections.

    Parameters
    ----------
    inputs : xr.Dataset
        What really happens, over all slots.
    slot : int
        Position of the slot in it.
    energy : Array
        (S + H,) after the departures and the heat drawn in the slot [kWh].
    planned : Plan
        Whose first slot is this one.
    contracted : Array
        (P + V,) power bought less sold [kW].
    least : Array
        (S + H,) that must be stored at the end of the slot, whatever it costs [kWh].
    most_given : Array, optional
        (P + V,) that meters give at most, beside what connections carry [kW].

    Raises
    ------
    Infeasible
        If a meter must draw more than its connection carries.
    """
    own, hours = inputs.isel(time=[slot]), float(inputs["slot_hours"].values[slot])
    store, free, heated = with_heat_pumps(own, 0), uncontrolled(own)[:, 0], np.zeros(0)
    if count(own):
        first = len(energy) - count(own)
        heated = backup(own, 0, energy[first:], least[first:], planned.backup[:, 0])
        energy = np.append(energy[:first], energy[first:] + heated * hours)
        free = free + sum_at(store.trader[first:, 0], heated, len(free))
    limits = _limits(store, energy, hours, np.maximum(store.min_energy, least))
    behind = Behind(own, store.trader[:, 0], free, behind_inverters(own), generated(own)[:, 0])
    expected = contracted + planned.wanted[:, 0]
    charge, discharge = _deviate(store, limits, planned, behind, expected, tariff_prices(inputs, slot))
    charge = store.chargeable(charge, limits.c_max, limits.c_min)
    charge, discharge, net, curtailment = _connected(
        inputs, slot, store, limits, behind, charge, discharge, most_given
    )
    change = store.charge_efficiency * charge * hours - discharge * hours / store.discharge_efficiency
    energy, unmet = energy + change, np.zeros(len(heated))
    if len(heated):
        unmet = np.maximum(-energy[-len(heated) :], 0.0) / hours
        energy[-len(heated) :] = np.maximum(energy[-len(heated) :], 0.0)
    return Dispatch(charge, discharge, energy, net, curtailment, heated, unmet)


class _Limits(NamedTuple):
    """Bounds of charging c and discharging d (S,) in a slot [kW]; the lower ones are forced by the energy stored."""

    c_min: Array
    c_max: Array
    d_min: Array
    d_max: Array


def _limits(store: Stores, energy: Array, hours: float, least: Array) -> _Limits:
    """Return the bounds that keep the energy (S,) [kWh] at the end of the slot within least .. capacity."""
    take = np.where(store.plugged[:, 0], store.charge_limit, 0.0)
    give = np.where(store.plugged[:, 0], store.discharge_limit, 0.0)
    gain, loss = store.charge_efficiency * hours, hours / store.discharge_efficiency
    return _Limits(
        c_min=np.clip((least - energy) / gain, 0.0, take),
        c_max=np.clip((store.capacity - energy) / gain, 0.0, take),
        d_min=np.clip((energy - store.capacity) / loss, 0.0, give),
        d_max=np.clip((energy - least) / loss, 0.0, give),
    )


def _deviate(
    store: Stores,
    limits: _Limits,
    planned: Plan,
    behind: Behind,
    expected: Array,
    prices: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Return charging c and discharging d (S,) [kW]: the plan, changed where the meter m deviates from what it expected.

    With u the PV that an inverter does not convert, f the other uncontrolled power, e the expected exchange with peers
    and retailer (P + V,) [kW], r and q the retail and feed-in price at the meter of a store, p what power beyond the
    ceiling h of the plan's peaks costs, and v the marginal value of its energy [currency/kWh]:

        n[m]    = f[m] + u[m] + sum over s at m of (c[s] - d[s])        net power
        g[m]    = n[m] - e[m], at most max(n[m], 0)                     deficit (+) or surplus (-)
        a[s]    = efficiency * v[s]                                     value of charging one kWh
        b[s]    = v[s] / efficiency + wear[s]                           cost of discharging one kWh
        S(p, k) = k[s] min(1, p[m] / sum over s' at m of k[s'])         share of power p by capability k

        c <- c + S(u, c_max - c)            where a > 0 and d = 0       PV that is not converted
        c <- c - S(max(n - h, 0), c - c_min)  where a < r + p           beyond the ceiling: charge less,
        d <- d + S(max(n - h, 0), d_max - d)  where b < r + p and c = 0   then discharge more
        c <- c - S(max(g, 0), c - c_min)    where a < r                 deficit: charge less,
        d <- d + S(max(g, 0), d_max - d)    where b < r and c = 0       then discharge more
        d <- d - S(max(-g, 0), d - d_min)   where b > q                 surplus: discharge less,
        c <- c + S(max(-g, 0), c_max - c)   where a > q and d = 0       then charge more

    Each line takes the n and g that the lines above leave. What inverters convert limits the capabilities of batteries;
    a surplus is used up to the ceiling.
    """
    m, v, (retail, feed_in) = store.trader[:, 0], planned.value[:, 0], prices
    r, q, (c_min, c_max, d_min, d_max) = retail[m], feed_in[m], limits
    a, b = store.charge_efficiency * v, v / store.discharge_efficiency + store.wear_cost
    c = np.clip(planned.charge[:, 0], c_min, c_max)
    d = np.where(c > 0, 0.0, np.clip(planned.discharge[:, 0], d_min, d_max))
    c, d = behind.possible(c, d, c_min, d_min)

    def deviation() -> Array:
        n = behind.net(c, d)
        g = n - expected
        return np.where(g > 0, np.minimum(g, np.maximum(n, 0.0)), g)

    def beyond() -> Array:
        return behind.net(c, d) - planned.ceiling

    c = c + behind.shared(behind.unused(c, d), np.where((a > TIGHT) & (d <= 0), c_max - c, 0.0))
    for power, price in ((beyond, r + planned.beyond[m]), (deviation, r)):
        less = np.where(a < price - TIGHT, c - c_min, 0.0)
        c = c - behind.shared(power(), less, behind.up(c, d))
        more = np.where((b < price - TIGHT) & (c <= 0), d_max - d, 0.0)
        d = d + behind.shared(power(), more, behind.up(c, d))
    surplus = np.minimum(-deviation(), np.maximum(-beyond(), 0.0))
    d = d - behind.shared(surplus, np.where(b > q + TIGHT, d - d_min, 0.0), behind.down(c, d))
    surplus = np.minimum(-deviation(), np.maximum(-beyond(), 0.0))
    c = c + behind.shared(surplus, np.where((a > q + TIGHT) & (d <= 0), c_max - c, 0.0), behind.down(c, d))
    return c, d


def _connected(
    inputs: xr.Dataset,
    slot: int,
    store: Stores,
    limits: _Limits,
    behind: Behind,
    charge: Array,
    discharge: Array,
    most_given: Array | float,
) -> tuple[Array, Array, Array, Array]:
    """Return charge, discharge (S,), net power (P + V,) and curtailment (P,) [kW] that the connections carry."""
    people, size = inputs.sizes["participant"], len(behind.free)
    most_in, most_out = (
        np.concatenate([limit[:, slot], np.full(size - people, np.inf)]) for limit in connections(inputs)
    )
    most_out = np.minimum(most_out, most_given)

    def net() -> Array:
        return behind.net(charge, discharge)

    charge = charge - behind.shared(net() - most_in, charge, behind.up(charge, discharge))
    charge = np.where(charge < store.min_charge, 0.0, charge)
    spare = (limits.d_max - discharge) * (charge <= 0)
    discharge = discharge + behind.shared(net() - most_in, spare, behind.up(charge, discharge))
    discharge = discharge - behind.shared(-net() - most_out, discharge)
    charge, discharge = behind.possible(charge, discharge)
    _require_connection(inputs, slot, net() - most_in)
    spilt = np.clip(-net() - most_out, 0.0, None)[:people]
    drawn = net()
    drawn[:people] += spilt
    return charge, discharge, drawn, spilt + behind.unused(charge, discharge)[:people]


def _require_connection(inputs: xr.Dataset, slot: int, over: Array) -> None:
    """Raise where meters (P + V,) would draw more than their connection carries, by ``over`` [kW]."""
    short = np.flatnonzero(over > TIGHT)
    if len(short):
        lack, when = "kW of connection for what it must draw", _when(inputs, slot)
        who = inputs["participant"].values[short]
        raise Infeasible([Cause(str(p), when, float(over[k]), lack) for p, k in zip(who, short, strict=True)])


def _when(inputs: xr.Dataset, slot: int) -> str:
    return f"{np.datetime_as_string(inputs['time'].values[slot], unit='m')}Z"
