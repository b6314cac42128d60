"""Plug-in vehicles: charging and discharging wherever they are plugged in, and trips by electricity or fuel."""

import numpy as np
import xarray as xr

from ..labels import Array, positions
from ..lp.expressions import Linear
from ..topology.candidates import to_be_raised
from ..topology.meters import Meters
from . import storage
from .device import Device, Sets, loosened


def vehicle(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Vehicles, behind the meter that they are plugged into.

    0 <= charge[v,t] <= charge_limit[v] and 0 <= discharge[v,t] <= discharge_limit[v] while plugged in, one of them zero,
    and charge[v,t] = 0 or >= min_charge[v]; energy as in `storage`. A trip takes electric_distance[k] /
    electric_economy[v] out of the battery in the slot of its departure and burns (distance[k] - electric_distance[k]) /
    fuel_economy[v]; without an engine all of the distance is electric.
    """
    block = Device(("vehicle", "time"), inputs, meters, sets)
    hours = inputs["slot_hours"].values
    place = meters.place["vehicle"]
    plugged = place >= 0
    charge_limit = inputs["vehicle_charge_limit"].values[:, None]
    discharge_limit = inputs["vehicle_discharge_limit"].values[:, None]
    most = limits_to_be_raised(inputs, charge_limit, discharge_limit)
    charge = block.var(
        "charge", "kW", "AC power taken to charge", upper=most[0], where=plugged & (charge_limit > 0)
    )
    discharge = block.var(
        "discharge", "kW", "AC power given back", upper=most[1], where=plugged & (discharge_limit > 0)
    )
    driven, fuel_cost = _trips(block, inputs)
    capacity = meters.charging_capacity(place, charge_limit)
    unpaid = storage.energy(block, inputs, charge, discharge, driven, capacity, plugged)
    least = inputs["vehicle_min_charge"].values[:, None]
    charging = storage.connect(
        block, charge, discharge, (charge_limit, discharge_limit), place, held=least > 0
    )
    if charging is not None:
        block.row(
            "charge_at_least",
            charge >= least * charging,
            "charge[v,t] >= min_charge[v] * charging[v,t]",
            where=plugged & (charge_limit > 0) & (least > 0),
        )
    wear = inputs["vehicle_wear_cost"].values[:, None] * hours * discharge
    block.spent = wear.sum() + fuel_cost + unpaid
    return block


def limits_to_be_raised(inputs: xr.Dataset, *limits: Array) -> list[Array]:
    """Return bounds (vehicle, 1) of the power of vehicles: looser than their limit where that is to be decided."""
    names = ("vehicle_charge_limit", "vehicle_discharge_limit")
    return [
        np.where(to_be_raised(inputs, name)[:, None], loosened(limit), limit)
        for name, limit in zip(names, limits, strict=True)
    ]


def _trips(block: Device, inputs: xr.Dataset) -> tuple[Linear, Linear]:
    """Add the electric distance of every trip; return the kWh driven (vehicle, time) and the cost of the fuel ()."""
    driver = positions(inputs, "trip_vehicle", "vehicle")
    distance = inputs["trip_distance"].values
    engine = ~np.isnan(inputs["vehicle_fuel_economy"].values)[driver]
    electric = block.var(
        "electric_distance",
        "km",
        "distance driven on electricity",
        lower=np.where(engine, 0.0, distance),
        upper=distance,
        dims=("trip",),
        result="trip_electric_distance",
    )
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    shape = (inputs.sizes["vehicle"], inputs.sizes["time"])
    energy = electric / inputs["vehicle_electric_economy"].values[driver]
    price = np.where(
        engine, (inputs["fuel_price"].values / inputs["vehicle_fuel_economy"].values)[driver], 0.0
    )
    return energy.into(driver * shape[1] + slot, shape), (price * (distance - electric)).sum()
