"""Flexible loads: stores that fill and never give, runs of unit commitment, and demand left off at a price."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..devices.loads.tasks import Tasks, runs, tasks
from ..labels import Array
from ..topology.meters import Meters
from .connections import Connections
from .families import Families


def add_loads(add: Families, inputs: xr.Dataset, meters: Meters, buses: Connections) -> None:
    """Add every flexible load on a bus of its own, to which links carry what it draws from its owner's meter.

    What is drawn for tasks fills a store that has, at the end of each window, the energies of all tasks up to it.
    """
    if not inputs.sizes.get("flexible_load", 0):
        return
    own, labels = tasks(inputs), inputs["flexible_load"].values.tolist()
    used = [buses.used[meter] for meter in meters.place["flexible_load"][:, 0]]
    names = [f"load {label}" for label in labels]
    demand = np.broadcast_to(optional(inputs, "flexible_load_demand"), own.of_slot.shape)
    add.buses(names, "flexible load")
    sheds = own.sheds[:, None]
    add.loads([f"demand of {label}" for label in labels], used, np.where(sheds, 0.0, demand))
    limit = inputs["flexible_load_power_limit"].values[:, None]
    add.links(
        [f"draw {label}" for label in labels],
        (used, names),
        np.where(own.deferrable[:, None] & own.within, limit - demand, 0.0),
        "flexible load",
        least=_least(inputs, own),
    )
    _add_energies(add, own, names, labels)
    _add_runs(add, inputs, own, (used, names))
    _add_shed(add, inputs, own, (used, names), np.where(sheds, demand, 0.0))


def _least(inputs: xr.Dataset, own: Tasks) -> Array | None:
    """Return the least powers of deferrable loads while they run (L, T) [kW]; None where none has one."""
    if "flexible_load_min_power" not in inputs:
        return None
    least = inputs["flexible_load_min_power"].values[:, None]
    return np.where(own.deferrable[:, None] & own.within, least, 0.0)


def _add_energies(add: Families, own: Tasks, names: list[str], labels: list[str]) -> None:
    """Add the stores of what is drawn for tasks: between the energies before and after a window within it."""
    lower, upper = np.zeros(own.of_slot.shape), np.zeros(own.of_slot.shape)
    for k in np.argsort(own.first, kind="stable"):
        load, first, last = own.load[k], own.first[k], own.last[k]
        if not own.sheds[load]:
            upper[load, first:] += own.energy[k]
            lower[load, last:] += own.energy[k]
    some = np.flatnonzero(upper[:, -1] > 0)
    total = upper[some, -1]
    add.stores(
        [f"drawn by {labels[n]}" for n in some],
        [names[n] for n in some],
        "flexible load",
        e_nom=total,
        e_min_pu=lower[some] / total[:, None],
        e_max_pu=upper[some] / total[:, None],
    )


def _add_runs(add: Families, inputs: xr.Dataset, own: Tasks, ends: tuple[list[str], list[str]]) -> None:
    """Add a link for every run that a task could have, of which the energy of the task lets one be on.

    It has a status only in the slots of the run (elsewhere its least power is beyond its greatest), and stays on for as
    many slots as the run has: all of them.
    """
    possible = runs(inputs)
    load, slot = np.nonzero(possible.begins >= 0)
    if not load.size:
        return
    power = np.zeros((len(load), own.of_slot.shape[1]))
    for n, (at, start) in enumerate(zip(load, slot, strict=True)):
        profile = np.array([p[at, start] for p in possible.power[: power.shape[1] - start]])
        power[n, start : start + len(profile)] = profile
    first = slot
    last = power.shape[1] - 1 - (power[:, ::-1] > 0).argmax(axis=1)
    time = np.arange(power.shape[1])
    within = (time >= first[:, None]) & (time <= last[:, None])
    labels, stamps = inputs["task"].values.tolist(), np.datetime_as_string(inputs["time"].values, unit="m")
    add.links(
        [f"run {labels[possible.begins[n, s]]} from {stamps[s]}" for n, s in zip(load, slot, strict=True)],
        ([ends[0][n] for n in load], [ends[1][n] for n in load]),
        power,
        "flexible load",
        least=np.where(within, power, power.max(axis=1, keepdims=True)),
        min_up_time=last - first + 1,
        up_time_before=0,
    )


def _add_shed(
    add: Families, inputs: xr.Dataset, own: Tasks, ends: tuple[list[str], list[str]], demand: Array
) -> None:
    """Add what of the demand (L, T) [kW] may be left off: a generator for each task, at a price, up to its energy."""
    some = np.flatnonzero(demand.any(axis=1))
    if not some.size:
        return
    labels = inputs["flexible_load"].values[some].tolist()
    at = [ends[0][n] for n in some], [ends[1][n] for n in some]
    add.links([f"draw {label}" for label in labels], at, demand[some], "flexible load")
    add.loads([f"demand of {label}" for label in labels], at[1], demand[some])
    power = np.where(own.of_slot[own.load] == np.arange(len(own.load))[:, None], demand[own.load], 0.0)
    tasks_of = np.flatnonzero(power.any(axis=1))
    add.generators(
        [f"left off {inputs['task'].values[k]}" for k in tasks_of],
        [ends[1][own.load[k]] for k in tasks_of],
        power[tasks_of],
        "left off",
        optional(inputs, "flexible_load_shed_price")[own.load[tasks_of]][:, None],
        e_sum_max=np.where(np.isnan(own.energy), np.inf, own.energy)[tasks_of],
    )
