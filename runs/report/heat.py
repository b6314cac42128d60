"""Heat of a run: what heat pumps made, what was drawn of it, and what tanks took in, gave and lost."""

import numpy as np
import xarray as xr

from ...model.devices.heat_pump import kept
from .figures.axes import Array


def drawn(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the heat that is drawn (heat_pump, time) [kW]: the demand, less what of it no tank had."""
    demand = inputs["heat_pump_heat_demand"].transpose("heat_pump", "time").values
    if "heat_pump_unmet" not in results:
        return np.asarray(demand)
    return np.asarray(demand - results["heat_pump_unmet"].transpose("heat_pump", "time").values)


def made(inputs: xr.Dataset, results: xr.Dataset) -> tuple[Array, Array]:
    """Return the heat that pumps make, and that their backups make (heat_pump, time) [kW]."""
    power, backup = (
        results[f"heat_pump_{name}"].transpose("heat_pump", "time").values for name in ("power", "backup")
    )
    cop = inputs["heat_pump_cop"].transpose("heat_pump", "time").values
    return np.asarray(cop * (power - backup)), np.asarray(backup)


def levels(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the heat in tanks at the start, and at the ends of slots (heat_pump, time + 1) [kWh]."""
    heat = results["heat_pump_heat"].transpose("heat_pump", "time").values
    return np.concatenate([inputs["heat_pump_initial_heat"].values[:, None], heat], axis=1)


def balance(inputs: xr.Dataset, results: xr.Dataset) -> dict[str, Array]:
    """Return the heat of all heat pumps, where it comes from above zero and where it goes below (time,) [kW].

    Together they are zero in every slot: what is made and comes out of tanks is drawn, lost, or goes into tanks.
    """
    hours, level = inputs["slot_hours"].values, levels(inputs, results)
    before, rise = level[:, :-1], np.diff(level, axis=1) / hours
    pumps, backup = made(inputs, results)
    lost = (1.0 - kept(inputs)) * before / hours
    parts = {
        "made by heat pumps": pumps,
        "made by backups": backup,
        "out of tanks": np.maximum(-rise, 0.0),
        "drawn": -drawn(inputs, results),
        "lost by tanks": -lost,
        "into tanks": -np.maximum(rise, 0.0),
    }
    return {name: np.asarray(heat.sum(axis=0)) for name, heat in parts.items()}
