"""Variables of stores and trips, and the host of each vehicle (vehicle, time), from rows with defaults filled in."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from ..generators import trips as patterned_trips
from ..schema.horizon import instant
from ..schema.scenario import Time
from ..schema.table_rows import AWAY, PATTERN, Battery, Participant, Trip, Vehicle
from ..schema.targets import Target

Columns = dict[str, tuple[tuple[str, ...], np.ndarray]]


def storage(device: str, rows: Sequence[Battery] | Sequence[Vehicle]) -> Columns:
    """Return the variables that batteries and vehicles share; dims and units as in the variable table."""
    numbers = {
        "capacity": [r.capacity_kwh for r in rows],
        "min_energy": [r.min_energy_kwh for r in rows],
        "initial_energy": [r.initial_energy_kwh for r in rows],
        "final_energy": [np.nan if r.final_energy_kwh == "free" else r.final_energy_kwh for r in rows],
        "charge_limit": [r.charge_limit_kw for r in rows],
        "discharge_limit": [r.discharge_limit_kw for r in rows],
        "charge_efficiency": [r.charge_efficiency for r in rows],
        "discharge_efficiency": [r.discharge_efficiency for r in rows],
        "wear_cost": [r.wear_cost_per_kwh for r in rows],
    }
    if any(r.self_discharge_percent_per_day for r in rows):
        numbers["self_discharge"] = [r.self_discharge_percent_per_day / 100 for r in rows]
    values = {"final_value": "final_value_per_kwh", "target_price": "target_breach_per_kwh"}
    for name, column in values.items():
        if any(getattr(r, column) is not None for r in rows):
            numbers[name] = [_or(getattr(r, column), np.nan) for r in rows]
    if any(r.final == "equal" for r in rows):
        numbers["final_limit"] = [np.nan if r.final != "equal" else r.final_energy_kwh for r in rows]
    columns: Columns = {f"{device}_{n}": ((device,), np.array(v, dtype=float)) for n, v in numbers.items()}
    return {f"{device}_owner": ((device,), labels(r.owner for r in rows)), **columns}


def targets(device: str, rows: Sequence[Battery | Vehicle], time: Time, ends: np.ndarray) -> Columns:
    """Return the targets (device, time) [kWh] of stores; nothing where none of the rows has one.

    A target holds at the end of the last slot that ends at its time or before; ``ends`` (time,) are those of the slots,
    naive UTC. What is not within the horizon is left out; of several of a slot the highest holds.
    """
    if not any(row.aims() for row in rows):
        return {}
    energy = np.full((len(rows), len(ends)), np.nan)
    for n, row in enumerate(rows):
        for aim in row.aims():
            slots = held(aim, time, ends)
            energy[n, slots] = np.fmax(energy[n, slots], aim.energy(row.capacity_kwh))
    return {f"{device}_target": ((device, "time"), energy)}


def held(aim: Target, time: Time, ends: np.ndarray) -> np.ndarray:
    """Return the slots, of those with such ``ends`` (time,), at whose end a target holds."""
    moments = np.array(_due(aim, time), dtype="datetime64[ns]")
    slot = np.searchsorted(ends, moments, side="right") - 1
    return np.asarray(slot[(slot >= 0) & (moments <= ends[-1])])


def _due(aim: Target, time: Time) -> list[np.datetime64]:
    """Return the times of a target, naive UTC: a time of day, up to "24:00", on every day of the horizon."""
    if not isinstance(aim.by, str):
        return [instant(aim.by, time.time_zone)]
    hour, minute = map(int, aim.by.split(":"))
    first = datetime.combine(time.start, datetime.min.time())
    days = [timedelta(days=d, hours=hour, minutes=minute) for d in range(time.days + 1)]
    return [instant(first + day, time.time_zone) for day in days]


def drives(rows: Sequence[Vehicle]) -> Columns:
    """Return the variables of the vehicles' drives; without an engine fuel economy is NaN, its price 0."""
    numbers = {
        "vehicle_min_charge": [r.min_charge_kw for r in rows],
        "vehicle_electric_economy": [r.electric_economy_km_per_kwh for r in rows],
        "vehicle_fuel_economy": [_or(r.fuel_economy_km_per_litre, np.nan) for r in rows],
        "fuel_price": [_or(r.fuel_price_per_litre, 0.0) for r in rows],
        "fuel_carbon": [_or(r.fuel_kg_per_litre, 0.0) for r in rows],
    }
    return {name: (("vehicle",), np.array(values, dtype=float)) for name, values in numbers.items()}


def trips(vehicles: Sequence[Vehicle], rows: Sequence[Trip], time: Time, seed: int) -> pd.DataFrame:
    """Return all known trips by vehicle and departure: the table's, and those generated from patterns.

    Returns
    -------
    pandas.DataFrame
        vehicle, departure and arrival (naive UTC), distance_km, destination (participant, or ``AWAY``).
    """
    by_label = {v.vehicle: v for v in vehicles}
    legs: list[tuple[str, Any, Any, float, str]] = []
    for row in rows:
        vehicle = by_label[row.vehicle]
        departure, arrival = (instant(m, time.time_zone) for m in (row.departure, row.arrival))
        electric = _or(row.energy_kwh, 0.0) * vehicle.electric_economy_km_per_kwh
        distance = _or(row.distance_km, electric)
        legs.append((vehicle.vehicle, departure, arrival, distance, row.destination or vehicle.owner))
    patterns = [_pattern(v) for v in vehicles if v.pattern]
    generated = patterned_trips.trips(patterns, time.start, time.days, time.time_zone, seed)
    for label, departure, arrival, distance, place in generated.to_numpy(object).tolist():
        vehicle = by_label[label]
        places = {"home": vehicle.owner, "work": vehicle.work or AWAY, "other": AWAY}
        moments = (np.datetime64(m, "ns") for m in (departure, arrival))
        legs.append((label, *moments, distance, places[place]))
    order = {label: n for n, label in enumerate(by_label)}
    legs.sort(key=lambda leg: (order[leg[0]], leg[1]))
    return pd.DataFrame(legs, columns=list(patterned_trips.COLUMNS))


def hosts(vehicles: Sequence[Vehicle], legs: pd.DataFrame, time: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Return at whose premises each vehicle is plugged for the whole slot (vehicle, time); ``""`` for none.

    A vehicle stands at the destination of its last trip until the next departure, and at home before its
    first trip.

    Parameters
    ----------
    vehicles
        In the order of the result.
    legs
        As from :func:`trips`: those of a vehicle one after another, vehicles in that order.
    time, hours
        Starts (time,), naive UTC, and lengths (time,) of the slots [h].
    """
    end = time + np.round(hours * 3.6e12).astype("timedelta64[ns]")
    number = legs["vehicle"].map({v.vehicle: n for n, v in enumerate(vehicles)}).to_numpy(int)
    first = np.searchsorted(number, np.arange(len(vehicles) + 1))
    arrivals, departures = (legs[c].to_numpy("datetime64[ns]") for c in ("arrival", "departure"))
    destinations = labels([*legs["destination"], *(v.owner for v in vehicles)])
    host = np.full((len(vehicles), len(time)), "", dtype=destinations.dtype)
    for v, vehicle in enumerate(vehicles):
        own = slice(first[v], first[v + 1])
        past = np.searchsorted(arrivals[own], time, side="right")
        leaves = np.append(departures[own], np.datetime64("2262-01-01", "ns"))[past]
        place = np.append(np.array([vehicle.owner], dtype=destinations.dtype), destinations[own])[past]
        host[v] = np.where((leaves >= end) & (place != AWAY), place, "")
    return labels(host)


def trip_variables(
    legs: pd.DataFrame, begin: np.datetime64, end: np.datetime64
) -> tuple[Columns, np.ndarray]:
    """Return the variables of the trips that depart within the horizon, and their labels (trip,)."""
    departure = legs["departure"].to_numpy("datetime64[ns]")
    inside = legs[(departure >= begin) & (departure < end)]
    columns: Columns = {
        "trip_vehicle": (("trip",), labels(inside["vehicle"])),
        "trip_departure": (("trip",), inside["departure"].to_numpy("datetime64[ns]")),
        "trip_arrival": (("trip",), inside["arrival"].to_numpy("datetime64[ns]")),
        "trip_distance": (("trip",), inside["distance_km"].to_numpy(float)),
    }
    number = inside.groupby("vehicle").cumcount() + 1
    return columns, labels(f"{v}/{n}" for v, n in zip(inside["vehicle"], number, strict=True))


def limits(rows: Sequence[Participant]) -> Columns:
    """Return the connection limits [kW], infinite where there is none."""
    d = ("participant",)
    return {
        "import_limit": (d, np.array([_or(r.import_limit_kw, np.inf) for r in rows])),
        "export_limit": (d, np.array([_or(r.export_limit_kw, np.inf) for r in rows])),
    }


def inverters(rows: Sequence[Participant], batteries: Sequence[Battery]) -> Columns:
    """Return the limits of shared inverters [kW] and to whom batteries give; nothing where nobody has one."""
    columns: Columns = {}
    if any(r.inverter_limit_kw is not None for r in rows):
        limit = np.array([_or(r.inverter_limit_kw, np.inf) for r in rows])
        columns["inverter_limit"] = (("participant",), limit)
    if any(b.gives == "home" for b in batteries):
        columns["battery_gives"] = (("battery",), labels(b.gives for b in batteries))
    return columns


def metering(rows: Sequence[Participant]) -> Columns:
    """Return how PV is metered (participant,); nothing where nobody has a meter apart."""
    words = labels(r.metering for r in rows)
    return {"participant_metering": (("participant",), words)} if (words == "gross").any() else {}


def labels(values: Iterable[str] | np.ndarray) -> np.ndarray:
    """Return labels as an array of text that is no wider than they are."""
    array = np.array(values if isinstance(values, np.ndarray) else list(values), dtype=str)
    width = int(np.char.str_len(array).max()) if array.size else 1
    return array.astype(f"<U{max(width, 1)}")


def _pattern(vehicle: Vehicle) -> patterned_trips.Pattern:
    given = {n: getattr(vehicle, n) for n in PATTERN if getattr(vehicle, n) is not None}
    return patterned_trips.Pattern(vehicle.vehicle, str(vehicle.pattern), **given)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
