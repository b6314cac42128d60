"""Variables of flexible loads and of their tasks; a task has a window on each day of its load, or one that is dated.

A window belongs to the horizon in which it begins. Where the horizon ends before its deadline, it ends with the horizon;
where what is then left of it is too short, it is left out, and noted: its energy is that of a later horizon.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from ...inputs.variables import LEAST
from ...schema.horizon import instant
from ...schema.loads.flexible_loads import FlexibleLoad
from ...schema.scenario import Time
from ...schema.table_rows import Participant
from ..devices_and_trips import Columns, labels


class FlexibleLoads(NamedTuple):
    """Variables and coordinates of flexible loads, what is left of demand (P, T) [kW], and what was left out."""

    columns: Columns
    coordinates: dict[str, np.ndarray]
    demand: np.ndarray
    notes: list[str]


class _Task(NamedTuple):
    load: str
    earliest: np.datetime64
    deadline: np.datetime64
    energy: float


def flexible_loads(
    rows: Sequence[FlexibleLoad],
    participants: Sequence[Participant],
    demand: np.ndarray,
    time: Time,
    slots: np.ndarray,
) -> FlexibleLoads:
    """Return the variables of flexible loads; dims and units as in the variable table.

    Parameters
    ----------
    rows, participants
        Of the tables.
    demand
        Of the participants (P, T) [kW]. What may be shed of it is that of loads, and no longer theirs.
    time, slots
        The horizon, and the starts of its slots (T,), naive UTC.
    """
    if not rows:
        return FlexibleLoads({}, {}, demand, [])
    own, left = _demand(rows, participants, demand)
    tasks, notes = _tasks(rows, time, slots)
    most = [row.most_kw for row in rows]
    limit = np.maximum(most, np.where(own.any(axis=1), np.maximum(own.max(axis=1), LEAST), 0.0))
    device, task = ("flexible_load",), ("task",)
    columns: Columns = {
        "flexible_load_owner": (device, labels(row.owner for row in rows)),
        "flexible_load_power_limit": (device, limit),
    }
    if any(row.min_power_kw for row in rows):
        columns["flexible_load_min_power"] = (device, np.array([row.min_power_kw for row in rows]))
    if any(row.shed_per_kwh is not None for row in rows):
        price = np.array([row.shed_per_kwh for row in rows], dtype=float)
        columns["flexible_load_shed_price"] = (device, price)
        columns["flexible_load_demand"] = ((*device, "time"), own)
    coordinates = {"flexible_load": labels(row.load for row in rows)}
    if any(row.runs for row in rows):
        columns |= _shapes(rows, time.slot_minutes)
        coordinates["step"] = labels(map(str, range(1, columns["flexible_load_shape"][1].shape[1] + 1)))
    if tasks:
        load, earliest, deadline, energy = zip(*tasks, strict=True)
        columns |= {
            "task_load": (task, labels(load)),
            "task_earliest": (task, np.array(earliest, dtype="datetime64[ns]")),
            "task_deadline": (task, np.array(deadline, dtype="datetime64[ns]")),
            "task_energy": (task, np.array(energy, dtype=float)),
        }
        number = [sum(other.load == own.load for other in tasks[:n]) for n, own in enumerate(tasks, start=1)]
        coordinates["task"] = labels(f"{own.load}/{n}" for own, n in zip(tasks, number, strict=True))
    return FlexibleLoads(columns, coordinates, left, notes)


def _demand(
    rows: Sequence[FlexibleLoad], participants: Sequence[Participant], demand: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the demand (load, T) of curtailable loads, and what is left of that of participants (P, T) [kW]."""
    place = {row.participant: p for p, row in enumerate(participants)}
    own, left = np.zeros((len(rows), demand.shape[1])), demand.copy()
    for n, row in enumerate(rows):
        if row.shed_per_kwh is not None:
            p = place[row.owner]
            most = np.inf if row.shed_kw is None else row.shed_kw
            own[n] = np.minimum(np.minimum(demand[p] * row.share_percent / 100, most), left[p])
            left[p] -= own[n]
    return own, left


def _shapes(rows: Sequence[FlexibleLoad], slot_minutes: int) -> Columns:
    """Return the shapes of runs: of one that is not interruptible a single step, as long as its energy takes."""
    steps = [_steps(row) for row in rows]
    shape = np.full((len(rows), max(map(len, steps))), np.nan)
    hours = np.full(len(rows), np.nan)
    for n, (row, powers) in enumerate(zip(rows, steps, strict=True)):
        shape[n, : len(powers)] = powers
        if row.runs:
            hours[n] = _step_hours(row, slot_minutes)
    return {
        "flexible_load_shape": (("flexible_load", "step"), shape),
        "flexible_load_step_hours": (("flexible_load",), hours),
    }


def _steps(row: FlexibleLoad) -> tuple[float, ...]:
    return row.shape or (() if row.interruptible else (row.most_kw,))


def _step_hours(row: FlexibleLoad, slot_minutes: int) -> float:
    if row.shape is None:
        return (row.energy_kwh or 0.0) / row.most_kw
    return (row.step_minutes or slot_minutes) / 60


def _tasks(rows: Sequence[FlexibleLoad], time: Time, slots: np.ndarray) -> tuple[list[_Task], list[str]]:
    """Return the tasks within the horizon, by load and time, and notes on what it leaves out."""
    end = slots[-1] + np.timedelta64(time.slot_minutes, "m")
    tasks, notes = [], []
    for row in rows:
        out = 0
        energy = row.energy_kwh if row.shape is None else sum(row.shape) * _step_hours(row, time.slot_minutes)
        if row.shed_per_kwh is not None:
            energy = np.nan if row.shed_kwh is None else row.shed_kwh
        for earliest, deadline in _windows(row, time):
            window = earliest, min(deadline, end)
            within = slots[0] <= earliest and (deadline <= end or _fits(row, earliest, slots, time))
            out += not within
            tasks += [_Task(row.load, *window, float(energy or 0.0))] if within else []
        if out:
            notes.append(f"loads: {out} windows of {row.load} do not fit into the horizon, and are left out")
    return tasks, notes


def _windows(row: FlexibleLoad, time: Time) -> Iterator[tuple[np.datetime64, np.datetime64]]:
    """Yield begin and end of the windows of a load, naive UTC: of all days, or the dated one."""
    zone = time.time_zone
    if not isinstance(row.earliest, str) or not isinstance(row.deadline, str):
        yield instant(row.earliest, zone), instant(row.deadline, zone)  # type: ignore[arg-type]
        return
    earliest, deadline = (
        timedelta(hours=int(clock[:2]), minutes=int(clock[3:])) for clock in (row.earliest, row.deadline)
    )
    deadline += timedelta(days=deadline <= earliest)
    first = datetime.combine(time.start, datetime.min.time())
    for day in (first + timedelta(days=d) for d in range(time.days)):
        if row.on(day.weekday()):
            yield instant(day + earliest, zone), instant(day + deadline, zone)


def _fits(row: FlexibleLoad, earliest: np.datetime64, slots: np.ndarray, time: Time) -> bool:
    """Return whether a window that the horizon cuts, to end with it, leaves a load time enough."""
    first = int(np.searchsorted(slots, earliest))
    hours = (len(slots) - first) * time.slot_minutes / 60
    least = 0.0
    if row.runs:
        least = len(_steps(row)) * _step_hours(row, time.slot_minutes)
    elif row.energy_kwh is not None:
        least = row.energy_kwh / row.most_kw
    return hours > 0 and hours >= least - 1e-9
