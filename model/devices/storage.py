"""The state of charge of anything that stores energy, once, for battery and vehicle."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..labels import Array
from ..lp.expressions import Linear
from .device import Device


def energy(
    block: Device,
    inputs: xr.Dataset,
    charge: Linear,
    discharge: Linear,
    driven: Any,
    charge_room: Array,
    plugged: Any,
) -> None:
    """Add the energy of every store of a device and the rows that carry it from slot to slot.

    energy[s,t] = energy[s,t-1] + charge_efficiency[s] * charge[s,t] * hours[t]
                  - discharge[s,t] * hours[t] / discharge_efficiency[s] - driven[s,t]

    ``driven`` (store, time) is what trips take; ``charge_room`` (store, time) the kW that the charger could
    take, and ``plugged`` where it is connected: an energy that starts outside its limits returns as fast as
    they allow.
    """
    device = block.dims[0]
    hours = inputs["slot_hours"].values

    def given(name: str) -> Array:
        return np.asarray(inputs[f"{device}_{name}"].values)[:, None]

    gain = given("charge_efficiency") * hours
    loss = hours / given("discharge_efficiency")
    start, last = given("initial_energy"), np.zeros(len(hours), dtype=bool)
    last[-1:] = True
    climbed = start + np.cumsum(gain * charge_room, axis=1)
    fallen = start - np.cumsum(loss * given("discharge_limit") * plugged, axis=1)
    lower = np.minimum(given("min_energy"), climbed)
    upper = np.maximum(given("capacity"), fallen)
    final = np.where(last, np.nan_to_num(given("final_energy"), nan=0.0), 0.0)
    stored = block.var(
        "energy",
        "kWh",
        "energy at the end of the slot",
        lower=np.maximum(lower, final),
        upper=upper,
        basic=True,
    )
    block.row(
        "energy_balance",
        stored == stored.previous(start[:, 0]) + gain * charge - loss * discharge - driven,
        "energy[s,t] = energy[s,t-1] + charge_efficiency[s] * charge[s,t] * hours[t]"
        " - discharge[s,t] * hours[t] / discharge_efficiency[s] - driven[s,t]",
        lack="kWh of energy",
        balanced=True,
    )
