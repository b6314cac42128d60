"""Stationary batteries."""

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..topology.candidates import to_be_sized
from ..topology.meters import Meters
from . import storage
from .device import Device, Sets, loosened


def battery(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Batteries behind their owners' meters.

    0 <= charge[b,t] <= charge_limit[b],  0 <= discharge[b,t] <= discharge_limit[b], one of them zero; energy as in
    `storage`. Where the size is to be decided, rows of `investment` hold them to that. What batteries that give to the
    home alone discharge is ``inward``.
    """
    block = Device(("battery", "time"), inputs, meters, sets)
    hours = inputs["slot_hours"].values
    charge_limit = inputs["battery_charge_limit"].values[:, None]
    discharge_limit = inputs["battery_discharge_limit"].values[:, None]
    sized = to_be_sized(inputs, "battery")[:, None]
    most = [np.where(sized, loosened(limit), limit) for limit in (charge_limit, discharge_limit)]
    charge = block.var("charge", "kW", "AC power taken to charge", upper=most[0])
    discharge = block.var("discharge", "kW", "AC power given back", upper=most[1])
    place = meters.place["battery"]
    capacity = meters.charging_capacity(place, charge_limit) * meters.inverter_part(place, charge_limit)
    home = (optional(inputs, "battery_gives") == "home")[:, None]
    able = np.where(home, 0.0, meters.inverter_part(place, discharge_limit))
    unpaid = storage.energy(block, inputs, charge, discharge, 0.0, capacity, able)
    storage.connect(block, charge, discharge, (charge_limit, discharge_limit), place)
    block.inward = (home * discharge).at(place, len(meters.label))
    block.spent = (inputs["battery_wear_cost"].values[:, None] * hours * discharge).sum() + unpaid
    return block
