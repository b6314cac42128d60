"""Agents: what each participant plans at the prices it expects, and the orders that follow. See ``README.md``.

All participants are price-takers: one linear program that falls apart into one part each. A limit price is what the
energy is worth to the one who bids: its opportunity cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ...data.inputs.contract import optional
from ..clearing import community_block, relaxed
from ..devices.loads.tasks import tasks
from ..grid.network_limits import stated
from ..labels import Array, positions
from ..results import peak_values
from ..solver.basis import Basis
from ..solver.solve import solve
from ..topology.fee_tree import condensed
from ..topology.inverters import generated, inverters
from ..topology.peaks import peaks
from ..topology.stores import Stores, stores
from ..topology.traders import at_traders, traders, uncontrolled
from .heat_pumps import count, with_heat_pumps

SAME = 1e-6
"""Values of stored energy [currency/kWh] that differ by less are the same."""


@dataclass(frozen=True)
class Plan:
    """What the participants mean to do over the T slots of the inputs that they planned on.

    ``charge``, ``discharge`` (S + H, T) [kW], of stores and after them heat pumps; ``value`` (S + H, T) what one more
    kWh in the store at the end of a slot is worth [currency/kWh]; ``forward`` (S + H, T) power [kW] by which a store
    might charge more in a slot, and less later, at the same value, none of heat pumps; ``electric`` (trip,) distance
    on electricity [km]; ``wanted`` (P + V, T) power that is to be exchanged with the retailer in any case, + taken
    [kW]; ``net`` (P + V, T) power at the meter, + drawn [kW]; ``peak_value`` (P + V, T) what drawing one more kWh
    adds to peak charges [currency/kWh], ``ceiling`` (P + V,) the power in the first slot [kW] beyond which it adds
    ``beyond`` (P + V,) [currency/kWh]; ``backup`` (H, T) [kW] is what backups of heat pumps take; ``basis`` is where
    a later plan may start from. ``load``, ``start`` (L, T) [kW, 0 or 1] are of flexible loads, ``load_value`` (L, T)
    is what one more kWh drawn by them is worth [currency/kWh]: what it saves in another slot of its window, or by not
    being shed.
    """

    charge: Array
    discharge: Array
    value: Array
    forward: Array
    electric: Array
    wanted: Array
    net: Array
    peak_value: Array
    ceiling: Array
    beyond: Array
    backup: Array
    basis: Basis | None = field(default=None, repr=False)
    load: Array = field(default_factory=lambda: np.zeros((0, 0)))
    start: Array = field(default_factory=lambda: np.zeros((0, 0)))
    load_value: Array = field(default_factory=lambda: np.zeros((0, 0)))


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
    block = community_block(without_least_charge(inputs), "quoted", quotes=quotes)
    solution = solve(block, tie_break=False, start=start)
    return of_block(block, inputs, wanted=False, basis=solution.basis)


def alone(inputs: xr.Dataset, start: Basis | None = None) -> Plan:
    """Return every participant's best plan without peers; parameters and errors as of :func:`plan`."""
    block = community_block(without_least_charge(inputs), "grid-only")
    solution = solve(block, start=start)
    return of_block(block, inputs, wanted=True, basis=solution.basis)


def without_least_charge(inputs: xr.Dataset) -> xr.Dataset:
    """Return the inputs without minimum charge powers, which hold in the plan all the same."""
    return relaxed(inputs, ("vehicle_min_charge",))


def ways(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs with those nodes alone that a common plan trades over; all, where a network has limits."""
    return inputs if stated(inputs) else condensed(inputs)


def of_block(block: Any, inputs: xr.Dataset, wanted: bool, basis: Basis | None = None) -> Plan:
    """Return the plan that a solved community stands for; ``wanted``: retail power is part of it, not a fallback.

    Minimum charge powers are relaxed in the block, and hold in the plan (`Stores.chargeable`).
    """
    store = stores(inputs)
    charge, discharge, energy = (
        np.concatenate([block.component(d).component(name).dense() for d in devices.stores()])
        for name in ("charge", "discharge", "energy")
    )
    before = np.concatenate([store.initial_energy[:, None], energy[:, :-1]], axis=1)
    gain = store.charge_efficiency[:, None] * inputs["slot_hours"].values
    most = (store.capacity[:, None] - store.kept * before) / gain
    charge = store.chargeable(charge, most)
    value = -np.concatenate([block.component(d).energy_balance.dense_dual() for d in devices.stores()])
    forward = _forward(store, charge, discharge, value, most)
    net = uncontrolled(inputs) + at_traders(store.trader, charge - discharge, len(traders(inputs).account))
    net = net + inverters(inputs).unused(generated(inputs), charge, discharge)
    backup = np.zeros((0, net.shape[1]))
    if count(inputs):
        pumps, power = block.heat_pump, block.heat_pump.power.dense()
        backup, owners = pumps.backup.dense(), with_heat_pumps(inputs, 0).trader[len(store.owner) :]
        net = net + at_traders(owners, power, len(net))
        charge, discharge = np.vstack([charge, power - backup]), np.vstack([discharge, np.zeros(power.shape)])
        value = np.vstack([value, -pumps.heat_balance.dense_dual()])
        forward = np.vstack([forward, np.zeros(power.shape)])
    load, start, load_value = _loads(block, inputs)
    if len(load):
        np.add.at(net, positions(inputs, "flexible_load_owner", "participant"), load)
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
    peaks_of = _peaks(block, inputs, net)
    return Plan(
        charge,
        discharge,
        value,
        forward,
        electric,
        target,
        net,
        *peaks_of,
        backup,
        basis,
        load,
        start,
        load_value,
    )


def _loads(block: Any, inputs: xr.Dataset) -> tuple[Array, Array, Array]:
    """Return what flexible loads draw, where their runs begin, and what a kWh drawn by them is worth (L, T)."""
    loads, none = block.component("flexible_load"), np.zeros((0, inputs.sizes["time"]))
    if loads is None:
        return none, none, none
    own, power, start = tasks(inputs), loads.power.dense(), loads.component("start")
    begins = np.zeros(power.shape) if start is None else start.dense()
    value = np.full(power.shape, np.inf)
    load, slot = np.nonzero(own.within & own.deferrable[:, None])
    value[load, slot] = loads.energy_by_deadline.dense_dual()[load, own.last[own.of_slot[load, slot]]]
    price = optional(inputs, "flexible_load_shed_price")[:, None]
    return power, begins, np.where(own.within & own.sheds[:, None], price, value)


def _forward(store: Stores, charge: Array, discharge: Array, value: Array, most: Array) -> Array:
    """Return by how much more stores might charge in each slot (S, T) [kW] instead of later, as far as ``most`` goes.

    While a store is neither full nor empty a kWh has the same value v in it, but for standing losses, whenever it was
    charged: v[t] = kept[t+1] v[t+1]. What is planned to be charged until that ends is wanted as much at once, and
    whether a later slot has sellers is not known yet.
    """
    later = np.zeros_like(charge)
    same = np.abs(value[:, :-1] - store.kept[:, 1:] * value[:, 1:]) < SAME
    for t in range(charge.shape[1] - 2, -1, -1):
        later[:, t] = np.where(same[:, t], charge[:, t + 1] + later[:, t + 1], 0.0)
    limit = np.where(store.plugged & (discharge <= 0), store.charge_limit[:, None], 0.0)
    more = store.chargeable(np.minimum(charge + later, limit), most) - charge
    return np.asarray(np.maximum(more, 0.0))


def _peaks(block: Any, inputs: xr.Dataset, net: Array) -> tuple[Array, Array, Array]:
    """Return the marginal values, ceilings and prices beyond them that peak charges give a plan's net power.

    The ceiling is the highest that is planned for the day or was reached on it, and what costs nothing more if it is
    reached. Where a tariff has several peaks it is the lowest of theirs.
    """
    value, ceiling, beyond = np.zeros(net.shape), np.full(len(net), np.inf), np.zeros(len(net))
    own, marginal = peaks(inputs), peak_values(block)
    if own is not None and marginal is not None:
        people, hours, today = inputs.sizes["participant"], inputs["slot_hours"].values, own.day[0]
        value[:people] = marginal / hours
        ceiling[:people] = np.maximum(own.free(today), net[:people, own.day == today].max(axis=1))
        beyond[:people] = (own.mine * (own.price / own.days)[:, None]).sum(axis=0) / hours[0]
    return value, ceiling, beyond
