"""When the tasks of flexible loads ran against their windows, what they drew, and what was shed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs.contract import optional
from ...model.devices.loads.tasks import tasks
from .figures.axes import Array

LEAST = 1e-6
"""Power [kW] below which a load does not run."""


@dataclass(frozen=True)
class TaskRun:
    """A task of a flexible load as it ran.

    ``begin`` and ``end`` are the first slot of its window and the one behind its last; ``shaped`` says that it is one
    run of a fixed shape, ``sheds`` that it leaves demand off. ``drawn`` (time,) [kW] is what it draws within its window
    beyond its demand, ``shed`` (time,) [kW] what it leaves off of that.
    """

    task: str
    load: int
    begin: int
    end: int
    shaped: bool
    sheds: bool
    drawn: Array
    shed: Array

    @property
    def moved(self) -> Array:
        """Return what it draws, or leaves off (time,) [kW]."""
        return self.shed if self.sheds else self.drawn

    @property
    def span(self) -> tuple[int, int] | None:
        """Return the first slot in which it runs and the one behind the last; None of one that never does."""
        some = np.flatnonzero(self.moved > LEAST)
        return (int(some[0]), int(some[-1]) + 1) if some.size else None


def task_runs(inputs: xr.Dataset, results: xr.Dataset) -> list[TaskRun]:
    """Return every task of a run as it ran, in the order of the inputs; none without flexible loads."""
    if "task" not in inputs.sizes:
        return []
    own = tasks(inputs)
    power = results["flexible_load_power"].transpose("flexible_load", "time").values
    beyond = power - optional(inputs, "flexible_load_demand")
    names = [str(name) for name in inputs["task"].values]
    runs = []
    for k, (name, load) in enumerate(zip(names, own.load.tolist(), strict=True)):
        here = np.where(own.of_slot[load] == k, beyond[load], 0.0)
        sheds = bool(own.sheds[load])
        runs.append(
            TaskRun(
                name,
                load,
                int(own.first[k]),
                int(own.last[k]) + 1,
                bool(own.shaped[load]),
                sheds,
                np.maximum(here, 0.0) * (not sheds),
                np.maximum(-here, 0.0),
            )
        )
    return runs


def moments(inputs: xr.Dataset) -> list[str]:
    """Return the starts of all slots and the end of the last (time + 1,), local ``YYYY-MM-DD HH:MM``."""
    starts = inputs["time"].values
    end = starts[-1] + np.round(inputs["slot_hours"].values[-1] * 3.6e12).astype("timedelta64[ns]")
    times = pd.DatetimeIndex(np.append(starts, end))
    return [f"{t:%Y-%m-%d %H:%M}" for t in clock.local(times, str(inputs.attrs.get("time_zone", "UTC")))]
