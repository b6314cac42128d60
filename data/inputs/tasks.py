"""What flexible loads and their tasks must obey beyond the bounds of single numbers."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

Wrong = tuple[str, np.ndarray, str]
"""Name of a variable, which of its entries are wrong, and what is wanted."""


def contradictions(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield the entries of flexible loads, and of their tasks, that contradict others."""
    if "flexible_load" not in inputs.dims:
        return
    limit = inputs["flexible_load_power_limit"].values
    want = "at most flexible_load_power_limit"
    for name in ("flexible_load_min_power", "flexible_load_demand", "flexible_load_shape"):
        if name in inputs:
            values = inputs[name].values
            yield name, values > limit.reshape(-1, *[1] * (values.ndim - 1)) + 1e-9, want
    if "step" in inputs.dims:
        yield from _shapes(inputs)
    if "task" in inputs.dims:
        yield from _tasks(inputs)


def _shapes(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield shapes with gaps, without a length of their steps, or of loads that may be shed."""
    shape, length = inputs["flexible_load_shape"].values, inputs["flexible_load_step_hours"].values
    ended = np.isnan(shape)
    yield "flexible_load_shape", ~ended & (np.cumsum(ended, axis=1) > 0), "steps one after another"
    shaped = ~ended[:, 0]
    wrong = np.where(shaped, ~(length > 0), ~np.isnan(length))
    yield "flexible_load_step_hours", wrong, "more than 0 h where there is a shape, else NaN"
    if "flexible_load_shed_price" in inputs:
        sheds = ~np.isnan(inputs["flexible_load_shed_price"].values)
        yield "flexible_load_shed_price", sheds & shaped, "NaN where a load has a shape"


def _tasks(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield windows without a slot, or that overlap, and energies that are not those of a shape."""
    labels = inputs["flexible_load"].values.tolist()
    load = np.array(
        [labels.index(x) if x in labels else -1 for x in inputs["task_load"].values.tolist()], dtype=int
    )
    time = inputs["time"].values
    ends = time + np.round(inputs["slot_hours"].values * 3.6e12).astype("timedelta64[ns]")
    earliest, deadline = inputs["task_earliest"].values, inputs["task_deadline"].values
    slots = np.searchsorted(ends, deadline, side="right") - np.searchsorted(time, earliest)
    yield "task_deadline", slots < 1, "a window that holds a slot of the horizon or more"
    yield "task_deadline", deadline > ends[-1], "a deadline within the horizon"
    order = np.lexsort((earliest, load))
    overlap = np.zeros(len(load), dtype=bool)
    same = load[order][1:] == load[order][:-1]
    overlap[order[1:]] = same & (earliest[order][1:] < deadline[order][:-1])
    yield "task_earliest", overlap, "a begin after the deadline of the load's task before"
    energy, of = inputs["task_energy"].values, np.zeros(len(labels))
    if "step" in inputs.dims:
        shape = np.nan_to_num(inputs["flexible_load_shape"].values, posinf=0.0)
        of = shape.sum(axis=1) * np.nan_to_num(inputs["flexible_load_step_hours"].values)
    shaped = np.append(of > 0, False)[load]
    wrong = shaped & ~(np.abs(energy - np.append(of, 0.0)[load]) <= 1e-9 * np.maximum(1.0, np.abs(energy)))
    yield "task_energy", wrong, "the energy of the load's shape"
    sheds = np.zeros(len(labels), dtype=bool)
    if "flexible_load_shed_price" in inputs:
        sheds = ~np.isnan(inputs["flexible_load_shed_price"].values)
    yield "task_energy", np.isnan(energy) & ~np.append(sheds, False)[load], "a number"
