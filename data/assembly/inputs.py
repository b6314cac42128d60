"""The inputs of a clearing from a scenario: one Dataset, complete and validated."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..feeders.electrical import connections, feeder
from ..inputs.contract import complete, kinds
from ..inputs.validation import validate
from ..loading.scenario import Reading, Source, read
from ..problems import InputError, Problem
from ..schema import horizon
from ..schema.defaults import fill
from ..schema.file_references import Weather
from ..schema.scenario import Carbon, Scenario, Site
from ..schema.tariffs_and_fees import CommonLevelFees, ExtentFees, FeeMethod
from ..series import plausibility
from . import demand_and_pv, devices_and_trips
from .contracts import contracts, coordinates, shared_fees, with_carbon_price
from .fees import extent, fee_network
from .loads.flexible_loads import FlexibleLoads, flexible_loads
from .loads.heat_pumps import heat_pumps
from .plans import candidates

__all__ = ["build_inputs", "problems"]


def build_inputs(scenario: Scenario) -> xr.Dataset:
    """Return the complete, validated inputs of a scenario: the variables of ``data.inputs.TABLE``.

    The attributes are ``scenario``, ``currency``, ``time_zone`` and ``notes``: a JSON list of what was odd in
    the data and how it was read.

    Raises
    ------
    InputError
        With every problem of the files and of the inputs.
    """
    built = candidates.standing(scenario)
    scenario = fill(candidates.sized(scenario, built))
    frame = demand_and_pv.frame(
        scenario.time, scenario.seed, scenario.holidays, scenario.readings == "strict"
    )
    participants = scenario.tables.participants
    demand, pv = demand_and_pv.power(frame, participants, scenario.series, scenario.site, scenario.weather)
    _add_built(pv, scenario, built)
    limits = demand_and_pv.envelopes(frame, participants, scenario.series)
    limits |= demand_and_pv.node_envelopes(frame, scenario.tables.nodes, scenario.series)
    try:
        legs = devices_and_trips.trips(
            scenario.tables.vehicles, scenario.tables.trips, scenario.time, scenario.seed
        )
    except InputError as error:
        frame.problems += error.problems
    rates = {
        **limits,
        **contracts(scenario.tariffs, participants, frame),
        "grid_carbon": (("time",), _intensity(scenario.carbon, frame)),
        **heat_pumps(frame, scenario.tables.heat_pumps, scenario.series, scenario.site, scenario.weather),
    }
    shared, fees = _shared(scenario, frame)
    rates |= shared
    network, faults = feeder(scenario.grid, scenario.tables.nodes, len(frame.times))
    frame.problems += faults
    if network:
        rates |= network | connections(scenario.grid, participants, scenario.seed)
    if frame.problems:
        raise InputError(sorted(frame.problems))
    loads = flexible_loads(scenario.tables.loads, participants, demand, scenario.time, frame.times.to_numpy())
    scenario = scenario.model_copy(update={"fees": fees})
    stated = _dataset(scenario, frame, (loads.demand, pv), legs, rates, loads)
    inputs = complete(with_carbon_price(stated, scenario.carbon.price_per_kg))
    business = [p.participant for p in participants if p.kind == "business"]
    inputs["participant_kind"] = inputs["participant_kind"].copy(data=kinds(inputs, business))
    faults = validate(inputs)
    if faults:
        raise InputError(faults)
    frame.notes += [*_left_out(scenario, inputs), *loads.notes, *_odd_prices(inputs)]
    inputs.attrs["notes"] = json.dumps(frame.notes, ensure_ascii=False)
    if frame.filled:
        inputs.attrs["filled"] = json.dumps(_filled(frame), ensure_ascii=False)
    return inputs


def _add_built(pv: np.ndarray, scenario: Scenario, built: Sequence[candidates.Item]) -> None:
    """Add the PV of what is built to that of the participants (participant, time) [kW]."""
    place = {row.participant: n for n, row in enumerate(scenario.tables.participants)}
    output = candidates.output(scenario, list(built)) if any(i.kind == "pv" for i in built) else ()
    for item, per_kw in zip(built, output, strict=False):
        pv[place[item.owner]] += item.most * per_kw


def problems(source: Source, overrides: Sequence[str] = ()) -> list[Problem]:
    """Return everything that is wrong with a scenario, its tables, its series and its inputs."""
    return checked(source, overrides)[1]


def checked(source: Source, overrides: Sequence[str] = ()) -> tuple[xr.Dataset | None, list[Problem]]:
    """Return the inputs of a scenario, or None and everything that is wrong with it."""
    reading = read(source, overrides)
    listed = list(reading.problems)
    if not listed and reading.scenario is not None:
        try:
            return build_inputs(reading.scenario), []
        except InputError as error:
            return None, list(error.problems)
    return None, _of_parts(reading, listed)


def _of_parts(reading: Reading, listed: list[Problem]) -> list[Problem]:
    """Return the problems of a scenario that is refused, with those of the series that its valid parts name."""
    parts = reading.parts.sections
    if parts.get("time") is None or parts.get("series") is None:
        return listed
    try:
        frame = demand_and_pv.frame(parts["time"], parts.get("seed") or 0, parts.get("holidays") or "none")
    except InputError:  # among the problems already
        return listed
    rows = list(reading.parts.rows.get("participants", {}).values())
    demand_and_pv.power(
        frame, rows, parts["series"], parts.get("site") or Site(), parts.get("weather") or Weather()
    )
    demand_and_pv.envelopes(frame, rows, parts["series"])
    nodes = list(reading.parts.rows.get("nodes", {}).values())
    demand_and_pv.node_envelopes(frame, nodes, parts["series"])
    contracts(parts.get("tariffs") or {}, (), frame)
    _intensity(parts.get("carbon") or Carbon(), frame)
    return sorted({*listed, *frame.problems})


def _dataset(
    scenario: Scenario,
    frame: demand_and_pv.Frame,
    power: tuple[np.ndarray, np.ndarray],
    legs: pd.DataFrame,
    rates: dict[str, Any],
    loads: FlexibleLoads,
) -> xr.Dataset:
    """Return the inputs as far as the scenario states them."""
    rows, tables = scenario.tables.participants, scenario.tables
    time = frame.times.to_numpy()
    hours = np.full(len(time), frame.hours)
    step = np.timedelta64(scenario.time.slot_minutes, "m")
    trips, trip_labels = devices_and_trips.trip_variables(legs, time[0], time[-1] + step)
    per_slot = ("participant", "time")
    variables: dict[str, Any] = {
        "slot_hours": (("time",), hours),
        "demand": (per_slot, power[0]),
        "pv_available": (per_slot, power[1]),
        "participant_node": (("participant",), devices_and_trips.labels(str(r.node) for r in rows)),
        "participant_tariff": (("participant",), devices_and_trips.labels(str(r.tariff) for r in rows)),
        **devices_and_trips.metering(rows),
        **devices_and_trips.limits(rows),
        **devices_and_trips.inverters(rows, tables.batteries),
        "green_premium": (("participant",), np.array([r.green_premium_per_kwh for r in rows], dtype=float)),
        "imbalance_fee": (("time",), np.full(len(time), scenario.exchange.imbalance_fee_per_kwh)),
        **rates,
        **devices_and_trips.storage("battery", tables.batteries),
        **devices_and_trips.storage("vehicle", tables.vehicles),
        **devices_and_trips.targets("battery", tables.batteries, scenario.time, time + step),
        **devices_and_trips.targets("vehicle", tables.vehicles, scenario.time, time + step),
        **devices_and_trips.drives(tables.vehicles),
        **loads.columns,
        "vehicle_host": (("vehicle", "time"), devices_and_trips.hosts(tables.vehicles, legs, time, hours)),
        **trips,
        **fee_network(tables.nodes, scenario.fees, [str(row.node) for row in rows]),
    }
    coords = {
        "participant": devices_and_trips.labels(r.participant for r in rows),
        "time": time,
        "tariff": devices_and_trips.labels(scenario.tariffs),
        "battery": devices_and_trips.labels(b.battery for b in tables.batteries),
        "vehicle": devices_and_trips.labels(v.vehicle for v in tables.vehicles),
        "trip": trip_labels,
        "node": devices_and_trips.labels(n.node for n in tables.nodes),
    }
    coords |= loads.coordinates | coordinates(scenario.tariffs, frame)
    attrs = {
        "scenario": scenario.name,
        "currency": scenario.currency,
        "time_zone": scenario.time.time_zone,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _shared(scenario: Scenario, frame: demand_and_pv.Frame) -> tuple[dict[str, Any], FeeMethod]:
    """Return what tariffs add to a kWh from peers, and the fees with what differs by their levels."""
    fees, tables = scenario.fees, scenario.tables
    levels = [""]
    if isinstance(fees, ExtentFees):
        levels = [extent(tables.nodes, [str(row.node) for row in tables.participants])]
    elif isinstance(fees, CommonLevelFees):
        levels = list(fees.levels)
    columns, more = shared_fees(scenario.tariffs, frame, levels)
    if not isinstance(fees, CommonLevelFees):
        return columns, fees
    return columns, fees.model_copy(update={"levels": {n: fee + more[n] for n, fee in fees.levels.items()}})


def _intensity(carbon: Carbon, frame: demand_and_pv.Frame) -> np.ndarray:
    """Return the carbon intensity of retail energy over the slots (time,) [kg/kWh]."""
    if carbon.grid is None:
        return np.full(len(frame.times), carbon.grid_kg_per_kwh, dtype=float)
    return demand_and_pv.rate(frame, carbon.grid, least=0.0)


def _odd_prices(inputs: xr.Dataset) -> list[str]:
    """Return notes on retail and feed-in prices that are hardly possible."""
    retail, feed_in = (
        inputs[name].transpose("tariff", "time").values for name in ("retail_price", "feed_in_price")
    )
    labels = inputs["tariff"].values.tolist()
    rows = zip(labels, retail, feed_in, strict=True)
    return [note for t, e, f in rows for note in plausibility.of_prices(t, e, f, inputs.attrs["currency"])]


def _filled(frame: demand_and_pv.Frame) -> list[dict[str, Any]]:
    """Return the slots that were filled, as a run file keeps them: quantity, file, column and starts in UTC."""
    return [
        {"quantity": quantity, "file": path, "column": column, "slots": list(map(str, frame.times[slots]))}
        for (quantity, path, column), slots in frame.filled.items()
    ]


def _left_out(scenario: Scenario, inputs: xr.Dataset) -> list[str]:
    """Return a note on trips that the horizon leaves out, and one on each target that no slot can hold."""
    kept, every = horizon.relevant(scenario.tables.trips, scenario.time), scenario.tables.trips
    notes = [f"trips: {len(every) - len(kept)} of {len(every)} trips lie outside the horizon"]
    notes = notes if len(kept) < len(every) else []
    ends = inputs["time"].values + np.timedelta64(scenario.time.slot_minutes, "m")
    for rows, name in ((scenario.tables.batteries, "battery"), (scenario.tables.vehicles, "vehicle")):
        for row in rows:
            for aim in row.aims():
                if not len(devices_and_trips.held(aim, scenario.time, ends)):
                    key = "target_by" if aim.by == row.target_by else "targets"
                    label = getattr(row, name)
                    notes.append(f"{key} of {label}: no slot of the horizon ends by {aim.by}")
    return notes
