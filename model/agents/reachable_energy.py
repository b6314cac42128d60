"""What stores must hold for what is certain to come, and the most that they can hold."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..labels import Array, positions
from ..topology.inverters import inverter_share
from ..topology.meters import meters
from ..topology.stores import firm_targets, of_devices, stores


def required(inputs: xr.Dataset) -> Array:
    """Return the least energy (S, T) at the end of each slot [kWh] with which what must be is still in reach.

    Final and minimum energies, targets without a price or with one that any retail price of the owner is worth, and
    trips without an engine, with chargers at full power from then on.
    """
    store, hours = stores(inputs), inputs["slot_hours"].values
    driven = _forced(inputs)
    rate = store.charge_limit * inverter_share(inputs) * store.charge_efficiency
    most = store.plugged * rate[:, None] * hours
    tariff = positions(inputs, "participant_tariff", "tariff")[store.owner]
    dearest = inputs["retail_price"].values.max(axis=1)[tariff] / store.charge_efficiency
    firm = np.maximum(firm_targets(inputs, dearest), store.min_energy[:, None])
    least = np.maximum(np.nan_to_num(store.final_energy)[:, None], firm)
    for t in range(len(hours) - 1, 0, -1):
        needed = least[:, t] + driven[:, t] - most[:, t]
        least[:, t - 1] = np.minimum(np.maximum(needed / store.kept[:, t], firm[:, t - 1]), store.capacity)
    return np.asarray(least)


def reachable(inputs: xr.Dataset) -> Array:
    """Return the most energy (S, T) [kWh] that stores can hold after a slot, each with its share of the connection."""
    store, who = stores(inputs), meters(inputs, peers=True, priced=False)
    place = of_devices(inputs, who.place)
    power = who.charging_capacity(place, store.charge_limit[:, None]) * inverter_share(inputs)[:, None]
    gain = power * store.charge_efficiency[:, None] * inputs["slot_hours"].values
    most, driven, energy = store.initial_energy, _forced(inputs), np.empty(gain.shape)
    for t in range(gain.shape[1]):
        kept = store.kept[:, t] * most
        most = np.minimum(kept - driven[:, t] + gain[:, t], np.maximum(store.capacity, kept))
        energy[:, t] = most
    return np.maximum(energy, 0.0) * (1 - 1e-9)


def _forced(inputs: xr.Dataset) -> Array:
    """Return the energy (S, T) that trips without an engine take [kWh]."""
    driver = positions(inputs, "trip_vehicle", "vehicle")
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    use = inputs["trip_distance"].values / inputs["vehicle_electric_economy"].values[driver]
    electric = np.isnan(inputs["vehicle_fuel_economy"].values)[driver]
    driven = np.zeros((inputs.sizes["vehicle"], inputs.sizes["time"]))
    np.add.at(driven, (driver, slot), np.where(electric, use, 0.0))
    return of_devices(inputs, {"vehicle": driven})
