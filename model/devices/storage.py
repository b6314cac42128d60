"""The state of charge and the direction of anything that stores energy, once, for battery and vehicle."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array
from ..lp.expressions import Linear
from ..topology.candidates import to_be_sized
from ..topology.stores import course, kept
from .device import Device, loosened


def energy(
    block: Device,
    inputs: xr.Dataset,
    charge: Linear,
    discharge: Linear,
    driven: Any,
    charge_capacity: Array,
    able: Any,
) -> Linear:
    """Add the energy of every store of a device and the rows that carry it from slot to slot.

    energy[s,t] = (1 - self_discharge[s])^(hours[t] / 24) * energy[s,t-1]
                  + charge_efficiency[s] * charge[s,t] * hours[t]
                  - discharge[s,t] * hours[t] / discharge_efficiency[s] - driven[s,t]

    ``driven`` (store, time) is what trips take [kWh], ``charge_capacity`` (store, time) what the charger could take
    [kW], and ``able`` (store, time) which part of its discharge limit it can give in any case. Energy that starts
    below its minimum or above its capacity returns by forced charge or discharge at full power:

    min(min_energy[s], initial_energy[s] + charge at full power) <= energy[s,t]
    energy[s,t] <= max(capacity[s], initial_energy[s] - discharge at full power)

    and at the end final_energy[s] <= energy[s,last] <= final_limit[s]. Where no initial energy is given, it is whatever
    the store ends with: start[s] = energy[s,last]. So it is, by a row of `investment`, where the size is to be decided,
    which the bounds here are the greatest of. A target is a lower bound of its slot, or where
    it has a price, energy[s,t] + breach[s,t] >= target[s,t]. Returned is what counts beside money, in currency:

    sum over s, t of target_price[s] * breach[s,t] - sum over s of final_value[s] * energy[s,last]
    """
    device = block.dims[0]
    hours = inputs["slot_hours"].values

    def given(name: str) -> Array:
        return np.asarray(inputs[f"{device}_{name}"].values)[:, None]

    gain = given("charge_efficiency") * hours
    loss = hours / given("discharge_efficiency")
    sized = to_be_sized(inputs, device)
    left = kept(inputs, device)
    lower, upper = bounds(inputs, device, charge_capacity, able)
    target, price = (optional(inputs, f"{device}_{name}") for name in ("target", "target_price"))
    stored = block.var(
        "energy",
        "kWh",
        "energy at the end of the slot",
        lower=np.where(sized[:, None], 0.0, lower),
        upper=np.where(sized[:, None], loosened(np.fmax(given("capacity"), upper)), upper),
        basic=True,
    )
    block.row(
        "energy_balance",
        stored
        == left * stored.previous(_start(block, inputs, stored, sized))
        + gain * charge
        - loss * discharge
        - driven,
        "energy[s,t] = (1 - self_discharge[s])^(hours[t] / 24) * energy[s,t-1]"
        " + charge_efficiency[s] * charge[s,t] * hours[t]"
        " - discharge[s,t] * hours[t] / discharge_efficiency[s] - driven[s,t]",
        lack="kWh of energy",
        balanced=True,
    )
    return _breach(block, stored, target, price) - _worth(inputs, device, stored)


def bounds(inputs: xr.Dataset, device: str, charge_capacity: Array, able: Any) -> tuple[Array, Array]:
    """Return the least and the most energy (store, time) [kWh] of the stores of a device, as in :func:`energy`.

    Targets without a price are among the least.
    """
    hours = inputs["slot_hours"].values

    def given(name: str) -> Array:
        return np.asarray(inputs[f"{device}_{name}"].values)[:, None]

    left, start, last = kept(inputs, device), given("initial_energy"), np.zeros(len(hours), dtype=bool)
    last[-1:] = True
    charged = course(start, given("charge_efficiency") * hours * charge_capacity, left)
    discharged = course(start, -hours / given("discharge_efficiency") * given("discharge_limit") * able, left)
    lower = np.fmin(given("min_energy"), charged)  # NaN: without a start, from nowhere
    upper = np.fmax(given("capacity"), discharged)
    final = np.where(last, np.nan_to_num(given("final_energy"), nan=0.0), 0.0)
    final_limit = np.where(last, optional(inputs, f"{device}_final_limit")[:, None], np.nan)
    target, price = (optional(inputs, f"{device}_{name}") for name in ("target", "target_price"))
    firm = np.where(np.isnan(price)[:, None] & ~np.isnan(target), target, 0.0)
    return np.maximum(np.maximum(lower, final), firm), np.fmin(upper, final_limit)


def _start(block: Device, inputs: xr.Dataset, stored: Linear, sized: Array) -> Linear:
    """Return what every store holds at the start (store,): as given, or what it ends with, or of its size."""
    device, initial = block.dims[0], inputs[f"{block.dims[0]}_initial_energy"].values
    same, least = np.isnan(initial), inputs[f"{device}_min_energy"].values
    free = same | sized
    known = Linear(initial.shape, np.where(free, 0.0, initial))
    if not free.any():
        return known
    start = block.var(
        "start",
        "kWh",
        "energy at the start",
        lower=np.where(sized, 0.0, least),
        upper=loosened(inputs[f"{device}_capacity"].values),
        where=free,
        dims=(device,),
    )
    if same.any():
        slots = stored.shape[1]
        last = np.where(np.arange(slots) == slots - 1, np.arange(stored.shape[0])[:, None], -1)
        block.row(
            "returns",
            stored.into(last.ravel(), start.shape) == start,
            "energy[s,last] = start[s]",
            where=same,
            dims=(device,),
        )
    return known + start


def _breach(block: Device, stored: Linear, target: Array, price: Array) -> Linear:
    """Add what stores lack of targets that have a price; return what that costs ()."""
    soft = ~np.isnan(target) & ~np.isnan(price)[:, None]
    if not soft.any():
        return Linear(())
    breach = block.var(
        "breach", "kWh", "energy that it lacks of its target", upper=target, where=soft, result=None
    )
    block.row(
        "target",
        stored + breach >= np.nan_to_num(target),
        "energy[s,t] + breach[s,t] >= target[s,t]",
        where=soft,
    )
    cost: Linear = (np.nan_to_num(price)[:, None] * breach).sum()
    return cost


def _worth(inputs: xr.Dataset, device: str, stored: Linear) -> Linear:
    """Return the worth () of what stores hold at the end."""
    value = np.nan_to_num(optional(inputs, f"{device}_final_value"))[:, None]
    if not value.any():
        return Linear(())
    last = np.arange(stored.shape[1]) == stored.shape[1] - 1
    worth: Linear = value * stored
    return worth.into(np.where((value > 0) & last, 0, -1).ravel(), ())


def connect(
    block: Device,
    charge: Linear,
    discharge: Linear,
    limits: tuple[Array, Array],
    place: Array,
    held: Array | bool = False,
) -> Linear | None:
    """Connect the stores of a device to their meters, each one way in a slot: it charges or discharges, not both.

    charge[s,t] <= charge_limit[s] * charging[s,t],  discharge[s,t] <= discharge_limit[s] * (1 - charging[s,t])

    The binaries ``charging`` exist where energy may cost less than nothing, and where they hold a minimum power as well
    (``held``); elsewhere both at once would only lose energy. Returned are these binaries, if any. ``limits`` are those
    of charging and of discharging (store, 1) [kW], ``place`` (store, time) the meters.
    """
    meters, size = block.meters, len(block.meters.label)
    decided = (place >= 0) & (limits[0] > 0) & (meters.at(place, meters.below_zero) | held)
    block.draw = (charge - discharge).at(place, size)
    block.charged, block.discharged = charge.at(place, size), discharge.at(place, size)
    block.charge_limit, block.discharge_limit = (
        Linear(place.shape, limit).at(place, size).constant for limit in limits
    )
    return block.one_way(
        "charging",
        "1 while charging, else 0",
        {"charge": charge, "discharge": discharge},
        limits,
        decided,
        formulas=(
            "charge[s,t] <= charge_limit[s] * charging[s,t]",
            "discharge[s,t] <= discharge_limit[s] * (1 - charging[s,t])",
        ),
        held=held,
    )
