"""Heat pumps as agents see them: stores of heat that give nothing back, behind batteries and vehicles.

With the COP of the slot for a charging efficiency, a heat pump is planned, bid for and dispatched like any store: it
charges more where its heat is worth more than the energy costs, and less where it is not. Its backup follows the plan,
and beyond it heats what the pump alone cannot keep in the band of comfort.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..devices.heat_pump import heat_of, kept
from ..labels import Array, positions
from ..topology.inverters import Inverters, inverters
from ..topology.meters import meters
from ..topology.stores import Stores, of_stores, stores


def count(inputs: xr.Dataset) -> int:
    """Return how many heat pumps there are."""
    return int(inputs.sizes.get("heat_pump", 0))


def held(inputs: xr.Dataset) -> Array:
    """Return what stores, and after them tanks, hold at the start (S + H,) [kWh]."""
    energy = of_stores(inputs, "initial_energy")
    return np.append(energy, inputs["heat_pump_initial_heat"].values) if count(inputs) else energy


def with_heat_pumps(inputs: xr.Dataset, slot: int) -> Stores:
    """Return the stores of the inputs, and after them the heat pumps with their COP in a slot, (S + H,)."""
    own = stores(inputs)
    if not count(inputs):
        return own
    owner = positions(inputs, "heat_pump_owner", "participant")
    shape, none = (len(owner), inputs.sizes["time"]), np.zeros(len(owner))
    limit = inputs["heat_pump_power_limit"].values - optional(inputs, "heat_pump_backup_limit")
    more = {
        "owner": owner,
        "trader": np.broadcast_to(owner[:, None], shape),
        "plugged": np.ones(shape, dtype=bool),
        "kept": kept(inputs),
        "capacity": inputs["heat_pump_capacity"].values,
        "min_energy": inputs["heat_pump_min_heat"].values,
        "initial_energy": inputs["heat_pump_initial_heat"].values,
        "final_energy": inputs["heat_pump_final_heat"].values,
        "charge_limit": limit,
        "discharge_limit": none,
        "charge_efficiency": inputs["heat_pump_cop"].values[:, slot],
        "discharge_efficiency": none + 1.0,
        "wear_cost": none,
        "min_charge": none,
    }
    return replace(
        own, **{name: np.concatenate([getattr(own, name), values]) for name, values in more.items()}
    )


def behind_inverters(inputs: xr.Dataset) -> Inverters:
    """Return the inverters of the inputs, which convert nothing for heat pumps, with (S + H,) stores."""
    own = inverters(inputs)
    if not count(inputs):
        return own
    owner, none = positions(inputs, "heat_pump_owner", "participant"), np.zeros(count(inputs), dtype=bool)
    return replace(
        own,
        behind=np.append(own.behind, owner),
        converted=np.append(own.converted, none),
        inward=np.append(own.inward, none),
    )


def backup(inputs: xr.Dataset, slot: int, heat: Array, least: Array, planned: Array) -> Array:
    """Return what backups take in a slot (H,) [kW]: as ``planned`` (H,), or what pumps alone lack of the ``least``.

    ``heat`` and ``least`` (H,) [kWh] are what tanks would hold at its end if nothing heated them, and what they must.
    """
    hours, limit = float(inputs["slot_hours"].values[slot]), optional(inputs, "heat_pump_backup_limit")
    pump = inputs["heat_pump_cop"].values[:, slot] * (inputs["heat_pump_power_limit"].values - limit)
    lacking = (least - heat) / hours - pump
    room = (inputs["heat_pump_capacity"].values - heat) / hours
    return np.asarray(np.clip(np.maximum(lacking, np.minimum(planned, room)), 0.0, limit))


def required(inputs: xr.Dataset) -> Array:
    """Return the least heat (H,) [kWh] at the end of the first slot with which what is expected is still in reach.

    That is the band of comfort, the heat drawn, and the final heat, at full power from then on.
    """
    if not count(inputs):
        return np.zeros(0)
    most, left = _most(inputs), kept(inputs)
    drawn = inputs["heat_pump_heat_demand"].values * inputs["slot_hours"].values
    floor, full = inputs["heat_pump_min_heat"].values, inputs["heat_pump_capacity"].values
    least = np.fmax(inputs["heat_pump_final_heat"].values, floor)
    for t in range(drawn.shape[1] - 1, 0, -1):
        least = np.minimum(np.maximum((least + drawn[:, t] - most[:, t]) / left[:, t], floor), full)
    return np.asarray(least)


def _most(inputs: xr.Dataset) -> Array:
    """Return the most heat that tanks can get (H, T) [kWh], each with its share of the connection."""
    who = meters(inputs, peers=True, priced=False)
    limit = inputs["heat_pump_power_limit"].values[:, None]
    return heat_of(inputs, who.charging_capacity(who.place["heat_pump"], limit)) * (1 - 1e-9)


def within_reach(inputs: xr.Dataset, *, ends: bool) -> xr.Dataset:
    """Return the inputs with no more heat drawn than tanks can give, each with its share of the connection.

    A forecast may ask for more than that. Where the inputs reach the end (``ends``), so do the final heats that are in
    reach; else there are none.
    """
    if not count(inputs):
        return inputs
    hours, most, left = inputs["slot_hours"].values, _most(inputs), kept(inputs)
    drawn, level = inputs["heat_pump_heat_demand"].values * hours, inputs["heat_pump_initial_heat"].values
    least, full = inputs["heat_pump_min_heat"].values, inputs["heat_pump_capacity"].values
    met = np.empty(drawn.shape)
    for t in range(len(hours)):
        before = left[:, t] * level + most[:, t]
        met[:, t] = np.clip(before - np.where(level < least, 0.0, least), 0.0, drawn[:, t])
        level = np.minimum(before - met[:, t], full)
    final = inputs["heat_pump_final_heat"]
    end = np.minimum(final.values, level * (1 - 1e-9)) if ends else np.full(final.shape, np.nan)
    return inputs.assign(
        heat_pump_heat_demand=inputs["heat_pump_heat_demand"].copy(data=met / hours),
        heat_pump_final_heat=final.copy(data=end),
    )
