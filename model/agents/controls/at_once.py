"""Flexible loads that nobody manages: they run at once, from the begin of their windows on, and nothing is shed."""

from typing import Any

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ...devices.loads.tasks import NONE, runs, tasks
from ...errors import Cause, Infeasible
from ...labels import Array, positions, sum_at
from ...results import variable

TIGHT = 1e-9
"""Energy [kWh] that a task may lack before it counts."""


class AtOnce:
    """The flexible loads (L,) of a community, slot by slot.

    ``power`` (L, T) is what they draw [kW]: from the first their demand and their runs of a fixed shape, each from the
    first slot of its window; with :meth:`draw` what deferrable loads draw as well. ``start`` (L, T) is 1 where a run
    begins.
    """

    def __init__(self, inputs: xr.Dataset):
        self.inputs, self.some = inputs, "flexible_load" in inputs.sizes
        if not self.some:
            return
        self.tasks = tasks(inputs)
        self.owner = positions(inputs, "flexible_load_owner", "participant")
        self.limit = inputs["flexible_load_power_limit"].values
        self.least = optional(inputs, "flexible_load_min_power")
        self.left = np.where(self.tasks.deferrable[self.tasks.load], self.tasks.energy, 0.0)
        possible = runs(inputs)
        self.start = self._first(possible.begins)
        self.power = optional(inputs, "flexible_load_demand") + possible.drawn(self.start)

    def _first(self, begins: Array) -> Array:
        """Return 1 at the first slot with which a run of each task may begin (L, T), of ``begins`` (L, T)."""
        start = np.zeros(begins.shape)
        slots = np.arange(begins.shape[1])
        for k in np.flatnonzero(self.tasks.shaped[self.tasks.load]):
            load = self.tasks.load[k]
            able = slots[begins[load] == k]
            if not len(able):
                self._fail(k, 1.0, "runs that end by their deadline")
            start[load, able[0]] = 1.0
        return start

    def draw(self, slot: int, room: Array) -> Array:
        """Return what the loads of each participant (P,) draw in a slot [kW], deferrable ones within the ``room`` (P,).

        A deferrable load draws as much as it can: P - (n - 1) least, where n slots at full power serve what is left of
        its task, P [kW], so that those which follow can still draw their least power.
        """
        if not self.some:
            return np.zeros(len(room))
        hours, task = self.inputs["slot_hours"].values[slot], self.tasks.of_slot[:, slot]
        left = np.where(task != NONE, np.append(self.left, 0.0)[task], 0.0) / hours
        slots = np.ceil(left / np.maximum(self.limit, TIGHT) - TIGHT)
        power = np.clip(np.minimum(self.limit, left - (slots - 1) * self.least), 0.0, left)
        room = np.maximum(room - sum_at(self.owner, self.power[:, slot], len(room)), 0.0)
        wanted = sum_at(self.owner, power, len(room))
        part = np.divide(room, wanted, out=np.ones_like(room), where=wanted > room)
        power = power * part[self.owner]
        power = np.where(power >= self.least - TIGHT, power, 0.0)
        np.subtract.at(self.left, task[task != NONE], (power * hours)[task != NONE])
        self.power[:, slot] += power
        for k in np.flatnonzero((self.tasks.last == slot) & (self.left > TIGHT)):
            self._fail(k, float(self.left[k]), "kWh of energy by its deadline")
        return sum_at(self.owner, self.power[:, slot], len(room))

    def drawn(self) -> Array:
        """Return what the loads of each participant drew (P, T) [kW]."""
        size = self.inputs.sizes["participant"], self.inputs.sizes["time"]
        return sum_at(self.owner, self.power, size[0]) if self.some else np.zeros(size)

    def variables(self) -> dict[str, object]:
        """Return the results variables, none without flexible loads."""
        return (
            of_flexible_loads(self.power, self.start if self.tasks.shaped.any() else None)
            if self.some
            else {}
        )

    def _fail(self, task: Any, lacking: float, lack: str) -> None:
        """Raise :class:`Infeasible` for a task."""
        load = self.inputs["flexible_load"].values[self.tasks.load[task]]
        time = np.datetime_as_string(self.inputs["time"].values[self.tasks.last[task]], unit="m")
        raise Infeasible([Cause(f"flexible_load {load}", f"{time}Z", lacking, lack)])


def of_flexible_loads(power: Array, start: Array | None) -> dict[str, object]:
    """Return the results variables (flexible_load, time): power, and where runs began if there are any."""
    dims = ("flexible_load", "time")
    variables = {"flexible_load_power": variable(dims, power, "kW", "power that the load draws")}
    if start is not None:
        doc = "1 where a run begins with the slot, else 0"
        variables["flexible_load_start"] = variable(dims, start, "1", doc)
    return variables
