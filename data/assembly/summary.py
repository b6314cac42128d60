"""What the inputs of a clearing hold, for a look: a factor of a thousand and a cent for a euro show at once."""

from dataclasses import dataclass

import numpy as np
import xarray as xr


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
