"""What of a community's inputs PyPSA can hold, and what it cannot, by name."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...data.inputs.contract import TABLE, InputError, Problem, optional
from ...data.inputs.devices import stores

_HELD = {
    "slot_hours",
    "demand",
    "pv_available",
    "import_limit",
    "export_limit",
    "import_envelope",
    "export_envelope",
    "inverter_limit",
    "participant_node",
    "participant_tariff",
    "participant_metering",
    "retail_price",
    "feed_in_price",
    "shared_fee",
    "battery_gives",
    "vehicle_host",
    "vehicle_min_charge",
    "vehicle_electric_economy",
    "vehicle_fuel_economy",
    "fuel_price",
    "trip_vehicle",
    "trip_departure",
    "trip_arrival",
    "trip_distance",
    "node_parent",
    "node_fee",
    "node_access_fee",
    "node_limit",
    "trade_fee",
    "task_load",
    "task_earliest",
    "task_deadline",
    "task_energy",
}
"""Variables that the network states, beside those of devices."""
_OF_STORES = [
    "owner",
    "capacity",
    "min_energy",
    "initial_energy",
    "final_energy",
    "final_limit",
    "wear_cost",
    "charge_limit",
    "discharge_limit",
    "charge_efficiency",
    "discharge_efficiency",
    "self_discharge",
    "final_value",
    "target",
    "target_price",
]
_OF_LOADS = {
    "heat_pump": [
        "owner",
        "power_limit",
        "backup_limit",
        "cop",
        "heat_demand",
        "capacity",
        "min_heat",
        "initial_heat",
        "final_heat",
        "standing_loss",
    ],
    "flexible_load": ["owner", "power_limit", "min_power", "demand", "shed_price", "shape", "step_hours"],
}
_ASIDE = {
    "heat_pump_timer",
    "participant_kind",
    "green_premium",
    "imbalance_fee",
    "grid_carbon",
    "fuel_carbon",
    "earlier_energy",
    "earlier_peak",
    "day_peak",
    "contracted_power",
    "slot_day",
    "day_month",
    "source_voltage",
    "participant_phase",
    "power_factor",
    "node_voltage",
    "node_edge",
    "node_current_limit",
}
"""Variables that no clearing reads, or only with others: what counts in accounts, in power flows, on an exchange."""
_ASIDE_BEGIN = ("component_", "node_resistance", "node_reactance")


def require_expressible(inputs: xr.Dataset) -> None:
    """Raise :class:`InputError` with everything that no network of PyPSA holds."""
    problems = [*_unknown(inputs), *_prices_of_targets(inputs), *_together(inputs)]
    if problems:
        raise InputError(sorted(problems))


def _problem(field: str, got: str, want: str, row: str = "") -> Problem:
    return Problem("inputs", row, field, got, want)


def _unknown(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield variables that neither are stated nor may be left aside."""
    of_devices = dict.fromkeys(stores(), _OF_STORES) | _OF_LOADS
    held = _HELD | _ASIDE | {f"{device}_{name}" for device, names in of_devices.items() for name in names}
    for name in inputs.data_vars:
        if name not in held and not str(name).startswith(_ASIDE_BEGIN):
            got = f"{TABLE[str(name)].long_name}, which no component of PyPSA states"
            yield _problem(str(name), got, "inputs without it")


def _prices_of_targets(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield stores whose targets have a price: PyPSA has no cost of energy that lacks."""
    for device in stores():
        if f"{device}_target" not in inputs:
            continue
        due = ~np.isnan(inputs[f"{device}_target"].values).all(axis=1)
        price = optional(inputs, f"{device}_target_price")
        for label in inputs[device].values[due & ~np.isnan(price)].tolist():
            got = "a target that may be missed at a price, which no component of PyPSA states"
            yield _problem(f"{device}_target_price", got, "a target without a price", label)


def _together(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield what PyPSA states each alone, but not together."""
    if "trade_fee" in inputs:
        limited = np.isfinite(inputs["node_limit"].values) & (inputs["node_parent"].values != "")
        for label in inputs["node"].values[limited].tolist():
            got = "a limit of an edge, beside fees per pair of nodes"
            yield _problem("node_limit", got, "one of the two", label)
    if "battery_gives" in inputs and "inverter_limit" in inputs:
        home = np.unique(inputs["battery_owner"].values[inputs["battery_gives"].values == "home"])
        behind = np.isin(inputs["participant"].values, home) & np.isfinite(inputs["inverter_limit"].values)
        for label in inputs["participant"].values[behind].tolist():
            got = "a limit of the inverter, beside a battery that gives to the home alone"
            yield _problem("inverter_limit", got, "one of the two", label)
