"""Batteries and vehicles as stores on buses of their own, with the links that charge and discharge them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.devices import stores
from ..devices.storage import bounds
from ..labels import Array, positions
from ..topology.meters import Meters
from ..topology.stores import kept
from .connections import Connections
from .families import Families
from .switches import add_switches


def add_stores(add: Families, inputs: xr.Dataset, meters: Meters, buses: Connections) -> None:
    """Add every store that there is, and what vehicles drive."""
    for device in stores():
        if inputs.sizes[device]:
            _add_energy(add, inputs, meters, device)
            _add_links(add, inputs, meters, buses, device)
    if inputs.sizes["trip"]:
        _add_trips(add, inputs)


def _named(inputs: xr.Dataset, device: str) -> list[str]:
    """Return the names of the buses and of the stores of a device."""
    return [f"{device} {label}" for label in inputs[device].values.tolist()]


def _add_energy(add: Families, inputs: xr.Dataset, meters: Meters, device: str) -> None:
    """Add the stores of a device, with bounds of energy, self-discharge and the worth of what they hold at the end.

    PyPSA's ``standing_loss`` l is per hour: (1 - l)^hours = (1 - self_discharge)^(hours / 24). What a store begins with
    loses nothing there in the first slot, and has lost it before. The cost of stored energy is per kWh and hour, so that
    in the last slot it is -final_value / hours.
    """
    hours, names = inputs["slot_hours"].values, _named(inputs, device)
    place = meters.place[device]
    limits = [inputs[f"{device}_{way}_limit"].values[:, None] for way in ("charge", "discharge")]
    capacity, able = meters.charging_capacity(place, limits[0]), (place >= 0).astype(float)
    if device == "battery":
        capacity = capacity * meters.inverter_part(place, limits[0])
        home = (optional(inputs, "battery_gives") == "home")[:, None]
        able = np.where(home, 0.0, meters.inverter_part(place, limits[1]))
    lower, upper = bounds(inputs, device, capacity, able)
    rating = upper.max(axis=1)
    worth = np.zeros(lower.shape)
    worth[:, -1] = -np.nan_to_num(optional(inputs, f"{device}_final_value")) / hours[-1]
    initial = inputs[f"{device}_initial_energy"].values
    given, left = ~np.isnan(initial), kept(inputs, device)
    loss = 1.0 - left ** (1.0 / hours)
    loss[given, 0] = 0.0
    add.buses(names, device)
    add.stores(
        names,
        names,
        device,
        e_nom=rating,
        e_min_pu=lower / rating[:, None],
        e_max_pu=upper / rating[:, None],
        e_initial=np.nan_to_num(initial * left[:, 0]),
        e_cyclic=~given,
        standing_loss=loss,
        marginal_cost_storage=worth,
    )


@dataclass(frozen=True)
class _Plugs:
    """Where stores can be plugged in: pairs of a store and a meter (n,), and when (n, time)."""

    store: Array
    meter: Array
    here: Array


def _plugs(place: Array) -> _Plugs:
    """Return the plugs of stores at meters ``place`` (store, time), -1 = nowhere."""
    store, slot = np.nonzero(place >= 0)
    pair = np.unique(np.stack([store, place[store, slot]], axis=1), axis=0)
    return _Plugs(pair[:, 0], pair[:, 1], place[pair[:, 0]] == pair[:, 1:])


def _add_links(add: Families, inputs: xr.Dataset, meters: Meters, buses: Connections, device: str) -> None:
    """Add the links that charge and discharge the stores of a device, at every meter where they are plugged in.

    A link's power is that at its start: discharging takes power / efficiency out of the store, at the wear of what
    arrives.
    """
    place, names = meters.place[device], _named(inputs, device)
    plugs = _plugs(place)
    own = {name: inputs[f"{device}_{name}"].values[plugs.store][:, None] for name in _RATINGS}
    least = np.zeros_like(own["charge_limit"])
    if device == "vehicle":
        least = inputs["vehicle_min_charge"].values[plugs.store][:, None]
    charge, discharge = own["charge_limit"] * plugs.here, own["discharge_limit"] * plugs.here
    out = discharge / own["discharge_efficiency"]
    decided = (charge > 0) & (meters.at(place, meters.below_zero)[plugs.store] | (least > 0))
    decided = decided & (discharge > 0)
    switches = [f"direction {names[s]}{'' if home else ' away'}" for s, home in _labelled(plugs, meters)]
    charging, discharging = add_switches(add, switches, (charge, out), decided)
    words = [f"{names[s]}{'' if home else ' away'}" for s, home in _labelled(plugs, meters)]
    inside = [names[s] for s in plugs.store]
    take, give = _sides(inputs, buses, plugs, device)
    add.links(
        [f"charge {word}" for word in words],
        (take, inside),
        charge,
        device,
        efficiency=own["charge_efficiency"][:, 0],
        least=least * plugs.here if least.any() else None,
        third=charging,
    )
    add.links(
        [f"discharge {word}" for word in words],
        (inside, give),
        out,
        device,
        own["wear_cost"] * own["discharge_efficiency"],
        efficiency=own["discharge_efficiency"][:, 0],
        third=discharging,
    )


_RATINGS = ("charge_limit", "discharge_limit", "charge_efficiency", "discharge_efficiency", "wear_cost")


def _labelled(plugs: _Plugs, meters: Meters) -> list[tuple[int, bool]]:
    """Return of every plug its store, and whether it is at home: elsewhere it is on a meter of its own."""
    return list(zip(plugs.store.tolist(), (~np.isin(plugs.meter, meters.guest)).tolist(), strict=True))


def _sides(inputs: xr.Dataset, buses: Connections, plugs: _Plugs, device: str) -> tuple[list[str], list[str]]:
    """Return the buses from which stores charge, and to which they discharge."""
    home = np.zeros(inputs.sizes[device], dtype=bool)
    if device == "battery":
        home = optional(inputs, "battery_gives") == "home"
    take, give = [], []
    for store, meter in zip(plugs.store.tolist(), plugs.meter.tolist(), strict=True):
        inverter = buses.inverter[meter] if device == "battery" else ""
        take.append(inverter or buses.used[meter])
        give.append(inverter or (buses.used[meter] if home[store] else buses.given[meter]))
    return take, give


def _add_trips(add: Families, inputs: xr.Dataset) -> None:
    """Add what trips take out of vehicles in the slot of their departure, and the petrol that spares it.

    A kWh that petrol spares costs fuel_price / fuel_economy * electric_economy.
    """
    names, hours = _named(inputs, "vehicle"), inputs["slot_hours"].values
    driver = positions(inputs, "trip_vehicle", "vehicle")
    economy = inputs["vehicle_electric_economy"].values
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    power = np.zeros((len(names), len(hours)))
    np.add.at(power, (driver, slot), inputs["trip_distance"].values / economy[driver] / hours[slot])
    add.loads([f"trips {name}" for name in names], names, power)
    engine = ~np.isnan(inputs["vehicle_fuel_economy"].values)[:, None]
    cost = np.nan_to_num(inputs["fuel_price"].values / inputs["vehicle_fuel_economy"].values * economy)[
        :, None
    ]
    add.generators([f"petrol {name}" for name in names], names, power * engine, "petrol", cost)
