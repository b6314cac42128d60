"""What was forecast of all members together, at some leads: kept as agents make it, stored with the run.

A forecast is made at the start of a slot, with nothing known of it. So the lead of a forecast, the time from when it
was made to the start of the slot that it is of, begins at 0: one slot ahead. The greatest is that of the last slot of a
day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...data.forecast.interface import Forecast

QUANTITIES = ("demand", "pv")
LEVELS = (0.1, 0.5, 0.9)
"""Levels of the quantiles that are kept."""
_HOURS = (0.0, 1.0, 3.0, 6.0, 12.0)
"""Leads that are kept beside that of the last slot of a day [h]."""
_DIGITS = 3
"""Decimals that are kept [kW]: a W, as digests of results have it, so that they are small in a file."""


def leads(hours: float) -> np.ndarray:
    """Return the leads that are kept (lead,) [slots], of slots of so many hours."""
    day = max(round(24 / hours) - 1, 0)
    return np.unique([min(round(h / hours), day) for h in _HOURS] + [day])


def of_all(made: Sequence[Forecast], means: Sequence[np.ndarray], leads: np.ndarray) -> np.ndarray:
    """Return what is expected of all together at leads (quantity, mean and levels, lead) [kW]; NaN beyond the horizon.

    ``means`` (P, horizon) are the forecasts ``made`` as far as connections let them through: what agents plan with.
    """
    found = np.full((len(made), 1 + len(LEVELS), len(leads)), np.nan)
    within = leads < means[0].shape[1]
    for k, (forecast, mean) in enumerate(zip(made, means, strict=True)):
        found[k, 0, within] = mean[:, leads[within]].sum(axis=0)
        place = [forecast.levels.tolist().index(level) for level in LEVELS]
        found[k, 1:, within] = forecast.total.quantiles[:, 0, leads[within]][place].T
    return np.round(found, _DIGITS)


def as_dataset(made: Mapping[int, np.ndarray], leads: np.ndarray, inputs: xr.Dataset) -> xr.Dataset:
    """Return forecasts (see :func:`of_all`) by lead and by the slot that they are of; NaN where none was made.

    ``made`` holds them by the slot at whose start they were made.
    """
    slots, hours = inputs.sizes["time"], float(inputs["slot_hours"].values[0])
    found = np.full((len(QUANTITIES), 1 + len(LEVELS), len(leads), slots), np.nan)
    for now, values in made.items():
        inside = np.flatnonzero(now + leads < slots)
        found[:, :, inside, now + leads[inside]] = values[:, :, inside]
    variables: dict[str, Any] = {}
    for name, values in zip(QUANTITIES, found, strict=True):
        said = {"demand": "demand of all members", "pv": "PV output available to all members"}[name]
        mean, levels = ("lead", "time"), ("level", "lead", "time")
        variables[f"forecast_{name}"] = (mean, values[0], _attributes(f"{said}, as it was forecast"))
        variables[f"forecast_{name}_quantile"] = (
            levels,
            values[1:],
            _attributes(f"quantile of the {said}, as it was forecast"),
        )
    lead = {"standard_name": "forecast_period", "units": "h"}
    lead["long_name"] = "time from the making of a forecast to the start of its slot"
    coordinates = {
        "lead": ("lead", leads * hours, lead),
        "level": ("level", np.array(LEVELS), {"units": "1", "long_name": "level of a quantile"}),
        "time": inputs["time"],
    }
    return xr.Dataset(variables, coordinates)


def _attributes(text: str) -> dict[str, str]:
    return {"units": "kW", "long_name": text}
