"""Variables of heat pumps from their rows: COP and heat demand over the slots, from files or from documented rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from ... import clock
from ...generators import heat
from ...schema.file_references import Weather
from ...schema.loads.heat_pumps import HeatPump
from ...schema.scenario import Series, Site
from ..demand_and_pv import Frame, cop, measured, outdoors
from ..devices_and_trips import labels

OF, IN_TIME = ("heat_pump",), ("heat_pump", "time")


def heat_pumps(
    frame: Frame, rows: Sequence[HeatPump], series: Series, site: Site, weather: Weather
) -> dict[str, Any]:
    """Return the variables of heat pumps and the labels of their dim; nothing where nobody has one.

    Problems and notes go to the frame.
    """
    if not rows:
        return {}
    needed = any(h.cop_column is None and (h.supply_c is not None or h.cop_per_k) for h in rows)
    needed = needed or any(h.heat_loss_kw_per_k is not None and h.heat_column is None for h in rows)
    air = outdoors(frame, site, weather) if needed else np.zeros(len(frame.times))
    numbers = {
        "power_limit": [h.power_limit_kw + h.backup_limit_kw for h in rows],
        "capacity": [h.most for h in rows],
        "min_heat": [h.least for h in rows],
        "initial_heat": [h.initial_heat_kwh for h in rows],
        "final_heat": [np.nan if h.final_heat_kwh == "free" else h.final_heat_kwh for h in rows],
    }
    optional = {
        "backup_limit": [h.backup_limit_kw for h in rows],
        "standing_loss": [h.standing_loss for h in rows],
    }
    numbers |= {name: values for name, values in optional.items() if any(values)}
    columns: dict[str, Any] = {
        "heat_pump": (OF, labels(h.heat_pump for h in rows)),
        "heat_pump_owner": (OF, labels(h.owner for h in rows)),
        **{f"heat_pump_{name}": (OF, np.array(values, dtype=float)) for name, values in numbers.items()},
        "heat_pump_cop": (IN_TIME, np.stack([_cop(frame, h, series, air) for h in rows])),
        "heat_pump_heat_demand": (IN_TIME, _demand(frame, rows, series, air)),
    }
    if any(h.timer_from is not None for h in rows):
        columns["heat_pump_timer"] = (IN_TIME, np.stack([_timer(frame, h) for h in rows]))
    return columns


def _cop(frame: Frame, row: HeatPump, series: Series, air: np.ndarray) -> np.ndarray:
    """Return the COP of a heat pump (time,) with so warm an ``air`` (time,) [C]."""
    if row.cop_column is not None:
        return np.ones(air.shape) if series.cop is None else cop(frame, series.cop, row.cop_column)
    if row.supply_c is None:
        return heat.linear(air, row.cop or 1.0, row.cop_per_k, row.cop_at_c)
    if row.carnot_share is None:
        return heat.air_source(air, row.supply_c)
    return heat.carnot(air, row.supply_c, row.carnot_share)


def _demand(frame: Frame, rows: Sequence[HeatPump], series: Series, air: np.ndarray) -> np.ndarray:
    """Return the heat drawn from all tanks (heat_pump, time) [kW]."""
    power = np.zeros((len(rows), len(frame.times)))
    columns = {n: h.heat_column for n, h in enumerate(rows) if h.heat_column is not None}
    if columns and series.heat is not None:
        names = [rows[n].heat_pump for n in columns]
        power[list(columns)] = measured(frame, series.heat, names, list(columns.values()), "any")
    for n, row in enumerate(rows):
        if n in columns:
            continue
        if row.heat_loss_kw_per_k is not None:
            power[n] = heat.space_heating(air, row.heat_loss_kw_per_k, row.base_c)
        else:
            digest = hashlib.sha256(f"{frame.seed}:{row.heat_pump}".encode()).digest()
            seed, zone = int.from_bytes(digest[:6], "big"), frame.time.time_zone
            power[n] = heat.hot_water(frame.times, frame.hours, zone, row.hot_water_kwh_per_day, seed)
    return power


def _timer(frame: Frame, row: HeatPump) -> np.ndarray:
    """Return 1 in the slots (time,) in whose middle the clock of a heat pump lets it heat, else 0."""
    if row.timer_from is None or row.timer_to is None:
        return np.ones(len(frame.times))
    local = clock.local(frame.times + timedelta(hours=frame.hours / 2), frame.time.time_zone)
    hour = (local.hour + local.minute / 60).to_numpy()
    begin, end = (int(t[:2]) + int(t[3:]) / 60 for t in (row.timer_from, row.timer_to))
    inside = (hour >= begin) & (hour < end) if begin < end else (hour >= begin) | (hour < end)
    return np.asarray(inside, dtype=float)
