"""The tasks of flexible loads, slot by slot: their windows, and the runs of a fixed shape that fit into them.

A task has a window from its earliest time to its deadline, and an energy. The windows of one load do not overlap, so
that a slot belongs to one task of a load at the most: to the one whose window holds the whole slot.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ....data.inputs.arrays import derived
from ....data.inputs.contract import optional
from ...labels import Array, positions

NONE = -1
"""Task of a slot that is in no window."""
SECOND = 1 / 3600
"""By how much a run may end after its deadline [h]: the rounding of lengths of steps."""


@dataclass(frozen=True)
class Tasks:
    """The K tasks of L flexible loads over T slots.

    ``of_slot`` (L, T) is the task whose window holds the slot, `NONE` where there is none; ``load`` (K,) the position of
    its load, ``first`` and ``last`` (K,) the slots of its window, ``energy`` (K,) [kWh]. Loads (L,) are one of three:
    ``shaped``, whose task is one run of a fixed shape; ``sheds``, whose tasks say when, and how much of their demand,
    may be shed; else they draw the energy of a task whenever they like within its window.
    """

    of_slot: Array
    load: Array
    first: Array
    last: Array
    energy: Array
    shaped: Array
    sheds: Array

    @property
    def within(self) -> Array:
        """Return which slots (L, T) are in a window."""
        return np.asarray(self.of_slot != NONE)

    @property
    def deferrable(self) -> Array:
        """Return which loads (L,) draw the energy of a task whenever they like."""
        return ~self.shaped & ~self.sheds

    def at_last(self, values: Array) -> Array:
        """Return values of the tasks (K,) at the last slot of their windows (L, T), zero elsewhere."""
        placed = np.zeros(self.of_slot.shape, dtype=values.dtype)
        placed[self.load, self.last] = values
        return placed

    def into_last(self, of_slot: Array) -> Array:
        """Return for every slot that belongs to a task (L, T) the flat position of the last one of its window."""
        end = self.load * of_slot.shape[1] + self.last
        return np.where(of_slot.ravel() == NONE, NONE, np.append(end, NONE)[of_slot.ravel()])


@dataclass(frozen=True)
class Runs:
    """The runs of shaped loads: ``begins`` (L, T) is the task that a run that begins with the slot would serve.

    ``power[j]`` (L, T) is what it draws j slots later [kW], the mean over that slot.
    """

    begins: Array
    power: list[Array]

    def drawn(self, start: Array) -> Array:
        """Return what loads draw (L, T) [kW] by the runs that ``start`` (L, T) [0 or 1]."""
        drawn = np.zeros(start.shape)
        for j, power in enumerate(self.power):
            drawn[:, j:] += (start * power)[:, : start.shape[1] - j]
        return drawn


@derived
def tasks(inputs: xr.Dataset) -> Tasks:
    """Return the tasks of the inputs' flexible loads."""
    loads, slots = inputs.sizes["flexible_load"], inputs.sizes["time"]
    shaped = np.zeros(loads, dtype=bool)
    if "flexible_load_shape" in inputs:
        shaped = ~np.isnan(inputs["flexible_load_shape"].values[:, :1]).all(axis=1)
    sheds = ~np.isnan(optional(inputs, "flexible_load_shed_price"))
    of_slot = np.full((loads, slots), NONE)
    if "task" not in inputs.sizes:
        none = np.zeros(0, dtype=int)
        return Tasks(of_slot, none, none, none, np.zeros(0), shaped, sheds)
    time, ends = _clock(inputs)
    load = positions(inputs, "task_load", "flexible_load")
    first = np.searchsorted(time, inputs["task_earliest"].values)
    last = np.searchsorted(ends, inputs["task_deadline"].values, side="right") - 1
    length = last - first + 1
    begins = np.repeat(load * slots + first - np.cumsum(length) + length, length)
    of_slot.ravel()[begins + np.arange(len(begins))] = np.repeat(np.arange(len(load)), length)
    return Tasks(of_slot, load, first, last, inputs["task_energy"].values, shaped, sheds)


@derived
def runs(inputs: xr.Dataset) -> Runs:
    """Return the runs of shaped loads that end by their deadlines.

    With the power P[k] of a step k of length h, what a run takes in its first x hours is

        E(x) = sum over k of P[k] min(max(x - k h, 0), h)

    so that it draws (E(b[u] - b[s]) - E(a[u] - b[s])) / (b[u] - a[u]) in slot u from a[u] to b[u] if it begins with s at
    b[s].
    """
    own = tasks(inputs)
    if not own.shaped[own.load].any():
        return Runs(np.full(own.of_slot.shape, NONE), [])
    time, ends = _clock(inputs)
    begin, end = ((moment - time[0]) / np.timedelta64(1, "h") for moment in (time, ends))
    shape, step = inputs["flexible_load_shape"].values, inputs["flexible_load_step_hours"].values
    duration = np.where(own.shaped, np.sum(~np.isnan(shape), axis=1) * step, 0.0)
    due = (inputs["task_deadline"].values - time[0]) / np.timedelta64(1, "h")
    in_time = begin + duration[:, None] <= np.append(due, 0.0)[own.of_slot] + SECOND
    begins = np.where(own.shaped[:, None] & in_time, own.of_slot, NONE)
    load, start = np.nonzero(begins != NONE)

    def taken(hours: Array) -> Array:
        steps = np.arange(shape.shape[1]) * step[load, None]
        within = np.clip(hours[:, None] - steps, 0.0, step[load, None])
        return np.asarray((np.nan_to_num(shape[load]) * within).sum(axis=1))

    power: list[Array] = []
    for j in range(len(time)):
        slot = np.minimum(start + j, len(time) - 1)
        runs_on = (start + j < len(time)) & (begin[slot] - begin[start] < duration[load] - SECOND)
        if not runs_on.any():
            break
        energy = taken(end[slot] - begin[start]) - taken(begin[slot] - begin[start])
        power.append(np.zeros(begins.shape))
        power[-1][load, start] = np.where(runs_on, energy / (end - begin)[slot], 0.0)
    return Runs(begins, power)


def _clock(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return begin and end of every slot."""
    time = inputs["time"].values
    return time, time + np.round(inputs["slot_hours"].values * 3.6e12).astype("timedelta64[ns]")
