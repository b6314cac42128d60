"""Heat pumps as links with a COP over time to buses of heat, where tanks are stores and what is drawn is a load."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..devices.heat_pump import heat_of, kept, least_heat
from ..topology.meters import Meters
from .connections import Connections
from .families import Families


def add_heat_pumps(add: Families, inputs: xr.Dataset, meters: Meters, buses: Connections) -> None:
    """Add every heat pump: its compressor, its resistive backup, its tank and the heat that is drawn.

    PyPSA's ``standing_loss`` l is per hour: (1 - l)^hours = (1 - standing_loss)^(hours / 24). What a tank begins with
    loses nothing there in the first slot, and has lost it before.
    """
    if not inputs.sizes.get("heat_pump", 0):
        return
    names = inputs["heat_pump"].values.tolist()
    place, hours = meters.place["heat_pump"], inputs["slot_hours"].values
    ends = [buses.used[meter] for meter in place[:, 0]], [f"heat {name}" for name in names]
    limit, backup = inputs["heat_pump_power_limit"].values, optional(inputs, "heat_pump_backup_limit")
    one = np.ones((1, len(hours)))
    add.buses(ends[1], "heat")
    pump = (limit - backup)[:, None] * one
    add.links(
        [f"heat pump {n}" for n in names], ends, pump, "heat pump", efficiency=inputs["heat_pump_cop"].values
    )
    add.links([f"backup {n}" for n in names], ends, backup[:, None] * one, "backup")
    add.loads([f"heat drawn {n}" for n in names], ends[1], inputs["heat_pump_heat_demand"].values)
    least = least_heat(inputs, heat_of(inputs, meters.charging_capacity(place, limit[:, None])))
    least[:, -1] = np.maximum(least[:, -1], np.nan_to_num(inputs["heat_pump_final_heat"].values))
    capacity, left = inputs["heat_pump_capacity"].values, kept(inputs)
    rating = np.where(capacity > 0, capacity, 1.0)
    loss = 1.0 - left ** (1.0 / hours)
    loss[:, 0] = 0.0
    add.stores(
        [f"tank {name}" for name in names],
        ends[1],
        "heat",
        e_nom=rating,
        e_min_pu=least / rating[:, None],
        e_max_pu=(capacity / rating)[:, None] * one,
        e_initial=inputs["heat_pump_initial_heat"].values * left[:, 0],
        standing_loss=loss,
    )
