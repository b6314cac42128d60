"""Heat pumps on controls of their own: a thermostat, and perhaps a clock that lets it heat at some hours only.

A thermostat heats from where its tank would leave the band of comfort until the tank is full (hysteresis). One with a
clock (``heat_pump_timer``) fills the tank when the clock begins to let it, as storage heaters on a night tariff do,
and else keeps the tank from leaving the band. The backup heats what the pump alone cannot keep in the band.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ...devices.heat_pump import kept
from ...labels import Array, positions, sum_at
from ...results import variable

DIMS = ("heat_pump", "time")


class Thermostats:
    """The heat pumps of a community that nobody manages, slot by slot; without any they draw nothing."""

    def __init__(self, inputs: xr.Dataset):
        self.inputs, self.some = inputs, "heat_pump" in inputs.sizes
        if not self.some:
            return
        shape = (inputs.sizes["heat_pump"], inputs.sizes["time"])
        self.owner = positions(inputs, "heat_pump_owner", "participant")
        self.power, self.backup, self.heat, self.unmet = np.zeros((4, *shape))
        self._kept, self._level = kept(inputs), inputs["heat_pump_initial_heat"].values
        lets = optional(inputs, "heat_pump_timer") > 0
        begins = lets & ~np.concatenate(
            [~lets[:, :1] | lets.all(axis=1, keepdims=True), lets[:, :-1]], axis=1
        )
        self._lets, self._begins, self._on = lets, begins, np.zeros(shape[0], dtype=bool)

    def draw(self, t: int, room: Array) -> Array:
        """Return what the heat pumps of each participant (P,) draw in a slot [kW], at the most the ``room`` (P,)."""
        if not self.some:
            return np.zeros(len(room))
        i, hours = self.inputs, float(self.inputs["slot_hours"].values[t])
        cop, demand = i["heat_pump_cop"].values[:, t], i["heat_pump_heat_demand"].values[:, t]
        full, least = i["heat_pump_capacity"].values, i["heat_pump_min_heat"].values
        backup_limit = optional(i, "heat_pump_backup_limit")
        at_rest = self._kept[:, t] * self._level - demand * hours
        self._on = self._lets[:, t] & (self._on | self._begins[:, t] | (at_rest < least))
        wanted = np.maximum(np.where(self._on, full, least) - at_rest, 0.0) / hours
        pump = np.minimum(wanted / cop, i["heat_pump_power_limit"].values - backup_limit)
        backup = np.clip((least - at_rest) / hours - cop * pump, 0.0, backup_limit)
        total = sum_at(self.owner, pump + backup, len(room))
        part = np.divide(room, total, out=np.ones_like(total), where=total > room)[self.owner]
        pump, backup = part * pump, part * backup
        level = at_rest + (cop * pump + backup) * hours
        self.unmet[:, t], self._level = np.maximum(-level, 0.0) / hours, np.maximum(level, 0.0)
        self._on &= self._level < full * (1 - 1e-9)
        self.power[:, t], self.backup[:, t], self.heat[:, t] = pump + backup, backup, self._level
        return sum_at(self.owner, self.power[:, t], len(room))

    def drawn(self) -> Array:
        """Return what the heat pumps of each participant drew (P, T) [kW]."""
        size = self.inputs.sizes["participant"]
        return (
            sum_at(self.owner, self.power, size) if self.some else np.zeros((size, self.inputs.sizes["time"]))
        )

    def variables(self) -> dict[str, object]:
        """Return the results variables, none without heat pumps."""
        return of_heat_pumps(self.power, self.backup, self.heat, self.unmet) if self.some else {}


def of_heat_pumps(power: Array, backup: Array, heat: Array, unmet: Array) -> dict[str, object]:
    """Return the results variables (heat_pump, time) of what really happened: power, heat, and heat that was lacking."""
    return {
        "heat_pump_power": variable(DIMS, power, "kW", "power that pump and backup take"),
        "heat_pump_backup": variable(DIMS, backup, "kW", "part of it that the backup takes"),
        "heat_pump_heat": variable(DIMS, heat, "kWh", "heat in its tank at the end of the slot"),
        "heat_pump_unmet": variable(DIMS, unmet, "kW", "heat that was asked for and not there"),
    }
