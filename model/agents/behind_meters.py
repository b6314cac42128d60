"""What is behind the meters in a slot that is realised, and what inverters and homes let stores do there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..labels import Array, sum_at
from ..topology.inverters import Inverters


@dataclass(frozen=True)
class Behind:
    """What is behind the meters in a slot: the meter ``at`` (S,) of each store, ``free`` power and PV (P + V,) [kW]."""

    inputs: xr.Dataset
    at: Array
    free: Array
    inverters: Inverters
    pv: Array

    def unused(self, charge: Array, discharge: Array) -> Array:
        """Return the PV (P + V,) that inverters do not convert [kW]."""
        return self.inverters.unused(self.pv, charge, discharge)

    def net(self, charge: Array, discharge: Array) -> Array:
        """Return what the meters (P + V,) draw less what they give [kW]."""
        moved = sum_at(self.at, charge - discharge, len(self.free))
        return np.asarray(self.free + moved + self.unused(charge, discharge))

    def shared(self, power: Array, able: Array, room: Array | None = None) -> Array:
        """Return each store's share (S,) of a power (P + V,), by what it can do and inverters have ``room`` for."""
        able = np.maximum(able, 0.0)
        able = able if room is None else self.inverters.part(able, room)
        return _shared(np.maximum(power, 0.0), able, self.at)

    def up(self, charge: Array, discharge: Array) -> Array:
        """Return by how much more inverters (P + V,) can give [kW]."""
        return self.inverters.limit - self.inverters.output(self.pv, charge, discharge)

    def down(self, charge: Array, discharge: Array) -> Array:
        """Return by how much less they can give, or more they can take [kW]."""
        return self.inverters.limit + self.inverters.output(self.pv, charge, discharge)

    def possible(
        self, charge: Array, discharge: Array, c_min: Any = 0.0, d_min: Any = 0.0
    ) -> tuple[Array, Array]:
        """Return the powers of stores that inverters convert, and that homes take of batteries that give to them alone.

        PV gives way to nothing else, but nobody charges less than ``c_min`` and discharges less than ``d_min`` (S,).
        """
        own = self.inverters.converted
        charge = charge - self.shared(-self.down(charge, discharge), np.where(own, charge - c_min, 0.0))
        discharge = discharge - self.shared(
            -self.up(charge, discharge), np.where(own, discharge - d_min, 0.0)
        )
        taken = np.zeros(len(self.free))
        taken[: self.inputs.sizes["participant"]] = self.inputs["demand"].values[:, 0]
        taken = taken + sum_at(self.at, charge, len(taken))
        return charge, self.inverters.held(discharge, taken)


def _shared(power: Array, able: Array, behind: Array) -> Array:
    """Return each store's share (S,) of a power (P + V,) at its meter, in proportion to what it is able to do."""
    total = sum_at(behind, able, len(power))
    share = np.divide(power, total, out=np.zeros_like(power), where=total > 0)
    return np.asarray(able * np.minimum(share, 1.0)[behind])
