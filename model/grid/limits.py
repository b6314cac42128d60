"""Limits that a feeder is held against, and where a power flow breaks them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array


@dataclass(frozen=True)
class Band:
    """Least and greatest voltage, per nominal, and where it is laid down."""

    low: float
    high: float
    source: str


BANDS = {
    "EN 50160": Band(0.90, 1.10, "EN 50160: 230 V, 10 % either way, mean of ten minutes"),
    "GB": Band(
        0.94, 1.10, "Electricity Safety, Quality and Continuity Regulations 2002: 230 V, -6 % and +10 %"
    ),
    "JP": Band(
        0.95, 1.07, "Ordinance for Enforcement of the Electricity Business Act: 101 V, 6 V either way"
    ),
}
"""Bands of supply voltage by name."""
EN_50160 = "EN 50160"
DUST = 1e-6
"""Voltage and loading, per unit, by which a limit may be passed: the power flow's own error."""


@dataclass(frozen=True)
class Breaches:
    """Where limits are broken: voltages outside a band (node, phase, time), edges above their rating (node, time)."""

    low: Array
    high: Array
    overloaded: Array

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.low.any() or self.high.any() or self.overloaded.any())

    @property
    def slots(self) -> int:
        """Number of slots with one."""
        voltage = (self.low | self.high).any(axis=(0, 1))
        return int((voltage | self.overloaded.any(axis=0)).sum())


def breaches(network: xr.Dataset, band: Band) -> Breaches:
    """Return where a power flow leaves a band of voltage or a rating."""
    voltage = network["voltage"].transpose("node", "phase", "time").values
    loading = network["loading"].transpose("node", "time").values
    return Breaches(voltage < band.low - DUST, voltage > band.high + DUST, loading > 1 + DUST)


def worst(values: Array, sign: int) -> tuple[int, ...]:
    """Return the place of the greatest (``sign`` 1) or least (-1) of an array."""
    flat = int(np.argmax(sign * values))
    return tuple(int(n) for n in np.unravel_index(flat, values.shape))
