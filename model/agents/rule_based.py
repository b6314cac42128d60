"""The market that nobody manages: charge on arrival, a greedy battery, no peers.

What happens without a plan, slot by slot: flexible loads run at once (`at_once`), and a heat pump heeds its thermostat
(`thermostats`); a vehicle charges at full power from the moment it is plugged in until it is full, and drives on
electricity as far as its battery reaches; a battery stores what PV is left over and gives it back at the first deficit.
PV that is metered gross is no battery's to store; PV beyond the limit of a shared inverter is stored if it can be, else
not used. Nothing looks ahead, so final energies and targets of stores are no targets here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..errors import Cause, Infeasible
from ..labels import Array, positions
from ..results import assemble, variable
from ..topology.connections import connections
from ..topology.meters import metered_gross
from ..topology.stores import kept
from .controls.at_once import AtOnce
from .controls.thermostats import Thermostats

TIGHT = 1e-9
"""kW or kWh by which a limit may be missed before it counts."""


@dataclass(frozen=True)
class _Store:
    """The batteries or the vehicles (S,): owner's position, and the numbers of the variable table.

    ``kept`` (S, T) is what self-discharge leaves of their energy in a slot.
    """

    kept: Array
    owner: Array
    capacity: Array
    least: Array
    charge_limit: Array
    discharge_limit: Array
    charge_efficiency: Array
    discharge_efficiency: Array

    def most_charge(self, energy: Array, hours: float) -> Array:
        """Return the charging power (S,) that fills the store within a slot, at most its limit."""
        lacking = np.maximum(self.capacity - energy, 0.0) / (self.charge_efficiency * hours)
        return np.asarray(np.minimum(self.charge_limit, lacking))

    def forced_charge(self, energy: Array, hours: float) -> Array:
        """Return the charging power (S,) that an energy below its minimum demands."""
        lacking = np.maximum(self.least - energy, 0.0) / (self.charge_efficiency * hours)
        return np.asarray(np.minimum(self.charge_limit, lacking))

    def discharge_to(self, energy: Array, floor: Array, hours: float) -> Array:
        """Return the discharging power (S,) that brings the store down to a floor within a slot."""
        spare = np.maximum(energy - floor, 0.0) * self.discharge_efficiency / hours
        return np.asarray(np.minimum(self.discharge_limit, spare))

    def after(self, energy: Array, charge: Array, discharge: Array, hours: float) -> Array:
        """Return the energy (S,) at the end of a slot."""
        return (
            energy + self.charge_efficiency * charge * hours - discharge * hours / self.discharge_efficiency
        )


class _Series(NamedTuple):
    """Power [kW] and energy at the end of the slot [kWh] of batteries or vehicles, (S, T) each."""

    charge: Array
    discharge: Array
    energy: Array

    def enter(self, slot: int, charge: Array, discharge: Array, energy: Array) -> None:
        """Enter what the devices (S,) did in a slot."""
        self.charge[:, slot], self.discharge[:, slot], self.energy[:, slot] = charge, discharge, energy


def unmanaged(inputs: xr.Dataset) -> xr.Dataset:
    """Return the results (as `results.collect` gives them, without peers) of a community that nobody manages.

    Raises
    ------
    Infeasible
        Where demand exceeds a connection, a vehicle without an engine runs dry, or a load is not served by its deadline,
        with who, when and how much.
    """
    hours, demand, pv = (inputs[n].values for n in ("slot_hours", "demand", "pv_available"))
    battery, vehicle = _store(inputs, "battery"), _store(inputs, "vehicle")
    loads, pumps = AtOnce(inputs), Thermostats(inputs)
    host = positions(inputs, "vehicle_host", "participant")
    home = host == vehicle.owner[:, None]
    stored, tank = (
        inputs["battery_initial_energy"].values.copy(),
        inputs["vehicle_initial_energy"].values.copy(),
    )
    people, slots = demand.shape
    vehicles, batteries = (_Series(*np.zeros((3, len(store.owner), slots))) for store in (vehicle, battery))
    apart = np.where(metered_gross(inputs)[:, None], pv, 0.0)  # what PV gives at meters of its own
    pv, inverter = pv - apart, optional(inputs, "inverter_limit")
    most_drawn, most_given = connections(inputs)
    inward = optional(inputs, "battery_gives") == "home"
    curtailed, electric = np.maximum(apart - most_given, 0.0), np.zeros(inputs.sizes["trip"])
    apart -= curtailed
    for t in range(slots):
        stored, tank = battery.kept[:, t] * stored, vehicle.kept[:, t] * tank
        tank = _drive(inputs, t, tank, vehicle.least, electric)
        usable = most_drawn[:, t] + np.minimum(pv[:, t], inverter)
        used = demand[:, t] + loads.draw(t, usable - demand[:, t])
        used += pumps.draw(t, np.maximum(usable - used, 0.0))
        net, room = used - pv[:, t], np.maximum(usable - used, 0.0)
        charge, discharge = _charge(vehicle, tank, host[:, t] >= 0, home[:, t], room, inputs, hours[t])
        tank = vehicle.after(tank, charge, discharge, hours[t])
        net += np.bincount(vehicle.owner[home[:, t]], (charge - discharge)[home[:, t]], minlength=people)
        vehicles.enter(t, charge, discharge, tank)
        beyond = np.maximum(pv[:, t] - inverter, 0.0)
        spare = np.maximum(most_drawn[:, t] - net, 0.0)
        charge, discharge = _follow(battery, stored, net, beyond, inward, spare, hours[t])
        charge, discharge, unused = _converted(battery, inverter, pv[:, t], charge, discharge)
        net, curtailed[:, t] = net + unused, curtailed[:, t] + unused
        stored = battery.after(stored, charge, discharge, hours[t])
        net += np.bincount(battery.owner, charge - discharge, minlength=people)
        batteries.enter(t, charge, discharge, stored)
        _within(inputs, t, net - most_drawn[:, t])
        curtailed[:, t] += np.clip(-net - most_given[:, t], 0.0, pv[:, t] - unused)
    return _results(inputs, batteries, vehicles, (loads, pumps), home, curtailed, apart, electric)


def _store(inputs: xr.Dataset, device: str) -> _Store:
    names = (
        "capacity",
        "min_energy",
        "charge_limit",
        "discharge_limit",
        "charge_efficiency",
        "discharge_efficiency",
    )
    numbers = (inputs[f"{device}_{n}"].values for n in names)
    return _Store(kept(inputs, device), positions(inputs, f"{device}_owner", "participant"), *numbers)


def _drive(inputs: xr.Dataset, t: int, tank: Array, least: Array, electric: Array) -> Array:
    """Return the energy (V,) after the departures of a slot; note the distance driven on electricity."""
    time = inputs["time"].values
    slot = np.searchsorted(time, inputs["trip_departure"].values, side="right") - 1
    driver = positions(inputs, "trip_vehicle", "vehicle")
    economy, engine = (
        inputs["vehicle_electric_economy"].values,
        ~np.isnan(inputs["vehicle_fuel_economy"].values),
    )
    tank = tank.copy()
    for k in np.flatnonzero(slot == t)[np.argsort(inputs["trip_departure"].values[slot == t])]:
        v, distance = driver[k], inputs["trip_distance"].values[k]
        reach = max(tank[v] - least[v], 0.0) * economy[v]
        electric[k] = min(distance, reach) if engine[v] else distance
        tank[v] -= electric[k] / economy[v]
        if electric[k] > reach + TIGHT:
            lacking = (electric[k] - reach) / economy[v]
            raise Infeasible(
                [Cause(f"vehicle {inputs['vehicle'].values[v]}", _when(time[t]), lacking, "kWh of energy")]
            )
    return tank


def _charge(
    vehicle: _Store, tank: Array, plugged: Array, home: Array, room: Array, inputs: xr.Dataset, hours: float
) -> tuple[Array, Array]:
    """Return the charging and discharging power (V,) of a slot: full power until full, within the connection."""
    charge = np.where(plugged, vehicle.most_charge(tank, hours), 0.0)
    wanted = np.bincount(vehicle.owner[home], charge[home], minlength=len(room))
    part = np.divide(room, wanted, out=np.ones_like(room), where=wanted > room)
    charge = np.where(home, charge * part[vehicle.owner], charge)
    charge = np.where(charge >= inputs["vehicle_min_charge"].values, charge, 0.0)
    return charge, np.where(plugged, vehicle.discharge_to(tank, vehicle.capacity, hours), 0.0)


def _follow(
    battery: _Store, stored: Array, net: Array, beyond: Array, inward: Array, spare: Array, hours: float
) -> tuple[Array, Array]:
    """Return the power (B,) of batteries that store each meter's surplus and cover its deficit.

    ``beyond`` (P,) is the PV that an inverter does not convert, which they store in any case [kW]; ``inward`` (B,) give
    to the home alone; ``spare`` (P,) is what connections let through beyond the net power, for what charges by force.
    """
    forced = _shared(battery, spare, battery.forced_charge(stored, hours))
    forced_discharge = np.where(inward, 0.0, battery.discharge_to(stored, battery.capacity, hours))
    charge = forced + _shared(battery, np.maximum(-net, beyond), battery.most_charge(stored, hours) - forced)
    able = battery.discharge_to(stored, np.minimum(battery.least, stored), hours)
    discharge = np.maximum(forced_discharge, _shared(battery, np.maximum(net, 0.0), able))
    return charge, np.where(charge > 0, 0.0, discharge)


def _converted(
    battery: _Store, limit: Array, pv: Array, charge: Array, discharge: Array
) -> tuple[Array, Array, Array]:
    """Return charge, discharge (B,) and PV not used (P,) [kW] that inverters with limits (P,) convert."""

    def output() -> Array:
        return pv + np.bincount(battery.owner, discharge - charge, minlength=len(pv))

    charge = charge - _shared(battery, np.maximum(-output() - limit, 0.0), charge)
    discharge = discharge - _shared(battery, np.maximum(output() - limit, 0.0), discharge)
    return charge, discharge, np.clip(output() - limit, 0.0, pv)


def _shared(battery: _Store, power: Array, able: Array) -> Array:
    """Return each battery's part (B,) of a power (P,) at its owner's meter, in proportion to what it is able to do."""
    total = np.bincount(battery.owner, able, minlength=len(power))
    part = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return able * np.minimum(part, 1.0)[battery.owner]


def _within(inputs: xr.Dataset, t: int, over: Array) -> None:
    """Raise where a meter must draw more than its connection carries, by ``over`` (P,) [kW]."""
    lack, when = "kW of connection for what it must draw", _when(inputs["time"].values[t])
    causes = [
        Cause(str(inputs["participant"].values[p]), when, float(over[p]), lack)
        for p in np.flatnonzero(over > TIGHT)
    ]
    if causes:
        raise Infeasible(causes)


def _when(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, unit='m')}Z"


def _results(
    inputs: xr.Dataset,
    batteries: _Series,
    vehicles: _Series,
    others: tuple[AtOnce, Thermostats],
    home: Array,
    curtailed: Array,
    apart: Array,
    electric: Array,
) -> xr.Dataset:
    """Return the results Dataset; whatever a meter lacks or has left, and what PV gives ``apart``, is the retailer's."""
    owner = positions(inputs, "vehicle_owner", "participant")
    net = inputs["demand"].values - inputs["pv_available"].values + curtailed + apart
    net += sum(other.drawn() for other in others)
    np.add.at(net, positions(inputs, "battery_owner", "participant"), batteries.charge - batteries.discharge)
    power = vehicles.charge - vehicles.discharge
    np.add.at(net, owner, np.where(home, power, 0.0))
    away = np.where(home, 0.0, power)
    participant, vehicle = ("participant", "time"), ("vehicle", "time")
    variables = {
        "pv_curtailment": variable(participant, curtailed, "kW", "PV output not used"),
        "grid_import": variable(participant, np.maximum(net, 0.0), "kW", "bought from the retailer"),
        "grid_export": variable(participant, np.maximum(-net, 0.0) + apart, "kW", "sold to the retailer"),
        "vehicle_import": variable(
            vehicle, np.maximum(away, 0.0), "kW", "bought while plugged in away from home"
        ),
        "vehicle_export": variable(
            vehicle, np.maximum(-away, 0.0), "kW", "sold while plugged in away from home"
        ),
        "trip_electric_distance": variable(("trip",), electric, "km", "distance driven on electricity"),
    }
    for device, series in (("battery", batteries), ("vehicle", vehicles)):
        dims = (device, "time")
        variables |= {
            f"{device}_charge": variable(dims, series.charge, "kW", "AC power taken to charge"),
            f"{device}_discharge": variable(dims, series.discharge, "kW", "AC power given back"),
            f"{device}_energy": variable(dims, series.energy, "kWh", "energy at the end of the slot"),
        }
    for other in others:
        variables |= other.variables()
    return assemble(inputs, variables)
