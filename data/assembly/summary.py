"""What the inputs of a clearing hold, for a look: a factor of a thousand and a cent for a euro show at once."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..inputs.contract import optional


@dataclass(frozen=True)
class Power:
    """Demand or PV of a participant: energy [kWh], peak and mean [kW], share of slots at exactly 0."""

    participant: str
    quantity: str
    kwh: float
    peak_kw: float
    mean_kw: float
    zeros: float


@dataclass(frozen=True)
class Price:
    """Retail or feed-in price of a tariff: lowest, mean and highest [currency/kWh]."""

    tariff: str
    quantity: str
    lowest: float
    mean: float
    highest: float


def power(inputs: xr.Dataset) -> list[Power]:
    """Return demand and PV of every participant, of whom has any."""
    hours = inputs["slot_hours"].values
    rows = []
    for name in ("demand", "pv_available"):
        values = inputs[name].transpose("participant", "time").values
        for label, series in zip(inputs["participant"].values.tolist(), values, strict=True):
            if name == "demand" or series.any():
                energy = float(series @ hours)
                mean = energy / float(hours.sum())
                zeros = float(np.mean(series == 0))
                rows.append(
                    Power(str(label), name.partition("_")[0], energy, float(series.max()), mean, zeros)
                )
    return rows


def prices(inputs: xr.Dataset) -> list[Price]:
    """Return retail and feed-in prices of every tariff."""
    rows = []
    for name, told in (("retail_price", "retail"), ("feed_in_price", "feed-in")):
        values = inputs[name].transpose("tariff", "time").values
        for label, series in zip(inputs["tariff"].values.tolist(), values, strict=True):
            rows.append(
                Price(str(label), told, float(series.min()), float(series.mean()), float(series.max()))
            )
    return rows


@dataclass(frozen=True)
class HeatPump:
    """A heat pump: heat that is drawn [kWh/day], its COP (mean: while it is drawn), power and tank [kW, kWh]."""

    heat_pump: str
    owner: str
    kwh_per_day: float
    lowest_cop: float
    mean_cop: float
    highest_cop: float
    power_kw: float
    least_kwh: float
    most_kwh: float


@dataclass(frozen=True)
class Load:
    """A flexible load: what it does in its tasks, how many there are, their energy and its power [kWh, kW].

    ``kwh`` is the most that may be shed of one whose demand may be left off; NaN where there is no limit.
    """

    load: str
    owner: str
    does: str
    tasks: int
    kwh: float
    power_kw: float


def heat_pumps(inputs: xr.Dataset) -> list[HeatPump]:
    """Return every heat pump, with what of it was read or computed."""
    if "heat_pump" not in inputs.sizes:
        return []
    hours = inputs["slot_hours"].values
    rows = []
    for label in inputs["heat_pump"].values.tolist():
        own = inputs.sel(heat_pump=label)
        heat, cop = (own[f"heat_pump_{name}"].values for name in ("heat_demand", "cop"))
        drawn = heat * hours
        rows.append(
            HeatPump(
                str(label),
                str(own["heat_pump_owner"].values),
                float(drawn.sum() / hours.sum() * 24),
                float(cop.min()),
                float(np.average(cop, weights=drawn if drawn.any() else hours)),
                float(cop.max()),
                *(float(own[f"heat_pump_{name}"].values) for name in ("power_limit", "min_heat", "capacity")),
            )
        )
    return rows


def loads(inputs: xr.Dataset) -> list[Load]:
    """Return every flexible load with its tasks."""
    if "flexible_load" not in inputs.sizes:
        return []
    labels = inputs["flexible_load"].values.tolist()
    shaped = np.zeros(len(labels), dtype=bool)
    if "flexible_load_shape" in inputs:
        shaped = inputs["flexible_load_shape"].notnull().any("step").values
    sheds = ~np.isnan(optional(inputs, "flexible_load_shed_price"))
    task_of = inputs["task_load"].values if "task" in inputs.sizes else np.array([])
    energy = inputs["task_energy"].values if "task" in inputs.sizes else np.array([])
    return [
        Load(
            str(label),
            str(inputs["flexible_load_owner"].values[n]),
            "runs once" if shaped[n] else "may be left off" if sheds[n] else "by a deadline",
            int((task_of == label).sum()),
            float(energy[task_of == label].sum()),
            float(inputs["flexible_load_power_limit"].values[n]),
        )
        for n, label in enumerate(labels)
    ]
