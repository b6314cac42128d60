"""Physics of devices that store no electricity, recomputed: heat in tanks of heat pumps, tasks of flexible loads."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..labels import Array
from .physics import Finding, Run, index

_TANK = ("heat_pump", "time")
_LOAD = ("flexible_load", "time")
_TASK = ("task",)


def physics(run: Run, linear: bool, planned: bool = True) -> Iterator[Finding]:
    """Yield every check of the devices that a run has.

    ``linear`` says that least powers were relaxed; what nobody ``planned`` may leave the band of comfort below.
    """
    if len(run.owner.get("flexible_load", ())):
        yield from _flexible_loads(run, linear)
    if len(run.owner.get("heat_pump", ())):
        yield from _heat_pumps(run, planned)


def _heat_pumps(run: Run, planned: bool) -> Iterator[Finding]:
    """Yield the recursion of the heat in tanks, its limits, and those of pump and backup.

    Heat that starts below the band returns at full power, or as far as a connection leaves any.
    """
    i = {name.removeprefix("heat_pump_"): v for name, v in run.i.items() if name.startswith("heat_pump_")}
    power, heat = run.r["heat_pump_power"], run.r["heat_pump_heat"]
    none = np.zeros(heat.shape)
    backup, unmet = (run.r.get(f"heat_pump_{name}", none) for name in ("backup", "unmet"))
    pump, loss = power - backup, i.get("standing_loss", np.zeros(len(heat)))
    most_backup = i.get("backup_limit", np.zeros(len(heat)))[:, None]
    most_pump = i["power_limit"][:, None] - most_backup
    left = np.exp(np.outer(np.log1p(-loss), run.hours) / 24.0)
    before = np.concatenate([i["initial_heat"][:, None], heat[:, :-1]], axis=1)
    drawn = (i["heat_demand"] - unmet) * run.hours
    made = (i["cop"] * pump + backup) * run.hours
    yield Finding("heat pump heat", _TANK, abs(heat - left * before - made + drawn), before + made + drawn)
    yield Finding("heat pump backup", _TANK, np.maximum(backup - most_backup, backup - power), most_backup)
    yield Finding("heat pump without backup", _TANK, pump - most_pump, most_pump)
    yield Finding("heat pump capacity", _TANK, heat - i["capacity"][:, None], heat)
    yield Finding("heat pump unmet demand", _TANK, unmet - i["heat_demand"], unmet)
    if not planned:
        return
    yield Finding("heat pump met demand", _TANK, unmet)
    free = np.isinf(run.import_limit)[run.owner["heat_pump"]]
    full = np.where(
        free, (i["cop"] * most_pump + most_backup) * run.hours, 0.0
    )  # else it need not heat at full power
    least = i["min_heat"]
    levels = [np.minimum(least, i["initial_heat"])]
    for part, more in zip(left.T, (full - i["heat_demand"] * run.hours).T, strict=True):
        levels.append(np.where(levels[-1] < least, np.clip(part * levels[-1] + more, 0.0, least), least))
    least = np.stack(levels[1:], axis=1)
    yield Finding("heat pump minimum", _TANK, least - heat, least)
    final = np.where(np.isnan(i["final_heat"]), -np.inf, i["final_heat"] - heat[:, -1])
    yield Finding("heat pump final heat", ("heat_pump",), final, heat[:, -1])


class _Window(NamedTuple):
    """A task: its load, which slots are wholly in its window (T,), its energy [kWh] and its times [h from the start]."""

    load: int
    inside: Array
    energy: float
    begin: float
    end: float


def _flexible_loads(run: Run, linear: bool) -> Iterator[Finding]:
    """Yield windows, energies and shapes of flexible loads, and what is shed, task by task."""
    loads = len(run.owner["flexible_load"])
    drawn, hours = run.r["flexible_load_power"], run.hours
    demand = run.i.get("flexible_load_demand", np.zeros_like(drawn))
    price = run.i.get("flexible_load_shed_price", np.full(loads, np.nan))
    windows = list(_windows(run))
    sheds, shape = ~np.isnan(price), run.i.get("flexible_load_shape", np.full((loads, 1), np.nan))
    more = drawn - demand
    allowed, least = np.zeros((2, *drawn.shape))
    of_tasks, given, starts = np.zeros((3, len(windows)))
    for k, window in enumerate(windows):
        own, inside = window.load, window.inside
        if not np.isnan(shape[own, 0]):
            runs = _runs(run, window, shape[own])
            starts[k] = abs(len(runs) - 1)
            allowed[own] += sum(runs)
            least[own] += sum(runs)
            continue
        energy = float(np.sum((more[own] * hours)[inside]))
        if sheds[own]:
            least[own, inside] = -demand[own, inside]
            of_tasks[k] = -energy - window.energy if not np.isnan(window.energy) else 0.0
        else:
            allowed[own, inside] = np.inf
            of_tasks[k] = abs(energy - window.energy)
        given[k] = abs(energy)
    yield Finding("flexible load beyond its tasks", _LOAD, np.maximum(more - allowed, least - more), drawn)
    yield Finding("flexible load energy of a task", _TASK, of_tasks, given)
    yield Finding("flexible load starts", _TASK, starts)
    if not linear and "flexible_load_min_power" in run.i:
        lowest = run.i["flexible_load_min_power"][:, None]
        free = ~sheds[:, None] & np.isnan(shape[:, :1])
        below = np.where(free, np.minimum(more, lowest - more), 0.0)
        yield Finding("flexible load minimum power", _LOAD, below)


def shed_cost(run: Run) -> Array:
    """Return what energy that was shed is worth (flexible_load,) [currency]."""
    price = np.nan_to_num(run.i["flexible_load_shed_price"])
    lacking = run.i["flexible_load_demand"] - run.r["flexible_load_power"]
    return np.asarray(price * (lacking @ run.hours))


def decided_loads(run: Run, linear: bool) -> Array:
    """Return who (P,) has a load about which binaries decide: with runs, or a least power unless that is relaxed."""
    if "flexible_load" not in run.owner:
        return np.zeros(run.participants, dtype=bool)
    least = np.zeros(len(run.owner["flexible_load"]), dtype=bool)
    if not linear and "flexible_load_min_power" in run.i:
        least = run.i["flexible_load_min_power"] > 0
    if "flexible_load_shape" in run.i:
        least = least | ~np.isnan(run.i["flexible_load_shape"]).all(axis=1)
    return np.isin(np.arange(run.participants), run.owner["flexible_load"][least])


def _clock(run: Run) -> Array:
    """Return the borders of the slots (T + 1,) [h from the start]."""
    return np.concatenate([[0.0], np.cumsum(run.hours)])


def _windows(run: Run) -> Iterator[_Window]:
    """Yield the tasks."""
    if "task_load" not in run.i:
        return
    borders, start = _clock(run), run.labels["time"][0]
    loads = index(run.labels["flexible_load"], run.i["task_load"])
    times = (run.i[f"task_{name}"] - start for name in ("earliest", "deadline"))
    begins, ends = (moments / np.timedelta64(1, "h") for moments in times)
    for load, energy, begin, end in zip(loads, run.i["task_energy"], begins, ends, strict=True):
        inside = (borders[:-1] >= begin - 1e-6) & (borders[1:] <= end + 1e-6)
        yield _Window(int(load), inside, float(energy), float(begin), float(end))


def _runs(run: Run, window: _Window, shape: Array) -> list[Array]:
    """Return what each run of a load that begins in a window draws in every slot (T,) [kW]: none that ends too late."""
    steps, length = shape[~np.isnan(shape)], run.i["flexible_load_step_hours"][window.load]
    borders, found = _clock(run), []
    for slot in np.flatnonzero(window.inside & (run.r["flexible_load_start"][window.load] > 0.5)):
        if borders[slot] + len(steps) * length > window.end + 1e-3:
            continue
        taken = np.interp(
            borders - borders[slot],
            np.arange(len(steps) + 1) * length,
            np.concatenate([[0.0], np.cumsum(steps * length)]),
        )
        found.append(np.diff(taken) / run.hours)
    return found
