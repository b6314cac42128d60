"""Stationary batteries."""

import xarray as xr

from ..topology.meters import Meters
from . import storage
from .device import Device, Sets


def battery(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Batteries behind their owners' meters.

    0 <= charge[b,t] <= charge_limit[b],  0 <= discharge[b,t] <= discharge_limit[b], one of them zero; energy as in
    `storage`.
    """
    block = Device(("battery", "time"), inputs, meters, sets)
    hours = inputs["slot_hours"].values
    charge_limit = inputs["battery_charge_limit"].values[:, None]
    discharge_limit = inputs["battery_discharge_limit"].values[:, None]
    charge = block.var("charge", "kW", "AC power taken to charge", upper=charge_limit)
    discharge = block.var("discharge", "kW", "AC power given back", upper=discharge_limit)
    place = meters.place["battery"]
    capacity = meters.charging_capacity(place, charge_limit)
    unpaid = storage.energy(block, inputs, charge, discharge, 0.0, capacity, plugged=1.0)
    storage.connect(block, charge, discharge, (charge_limit, discharge_limit), place)
    block.spent = (inputs["battery_wear_cost"].values[:, None] * hours * discharge).sum() + unpaid
    return block
