"""Futures of the slots to come: what agents expect of them, by the errors and the driving of the days before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.forecast.scenarios import drawn, fast_forward
from ...model.agents import flexible_loads
from ...model.labels import Array, positions, sum_at
from ...model.topology.connections import connections
from .timeline import Timeline

PATHS = 56
"""Paths from which futures are chosen: each day of errors twice, with other driving. Assumption."""


class Futures(NamedTuple):
    """Inputs of several futures, and how likely each is (future,)."""

    inputs: list[xr.Dataset]
    probability: Array


def futures(
    line: Timeline,
    slot: int,
    count: int,
    energy: Array,
    number: int,
    seed: int,
    drawn_before: Array | None = None,
    loads: flexible_loads.Drawn | None = None,
) -> Futures:
    """Return so many futures of ``count`` slots from ``slot`` on, chosen from paths; parameters as of `Timeline.window`.

    Without any day before, or with one future, it is what is expected alone.
    """
    now, known = line.known + slot, (slot, count, energy, drawn_before, loads)
    errors = {name: line.errors(name, slot, count) for name in line.uncertain}
    if number < 2 or not len(errors["demand"]) or line.foresight:
        return Futures([line.window(*known)], np.ones(1))
    rng = np.random.default_rng(
        [seed, int(line.days.day[now])]
    )  # a day keeps its paths: the next plan starts nearby
    day = drawn(np.ones(len(errors["demand"])), max(PATHS, len(errors["demand"])), rng)
    paths = _possible(line, slot, {name: error[day] for name, error in errors.items()})
    net = _net(line.arrays, slot, paths).reshape(len(day), -1)
    chosen, probability = fast_forward(net, np.full(len(day), 1 / len(day)), number)
    order = np.argsort(chosen)
    time, cars = line.arrays["time"].values[slot], len(line.driving.cars)
    expected = line.driving.course(time, now, count) if cars else None
    made = []
    for k in chosen[order]:
        course = line.driving.drawn(time, now, count, rng, expected) if expected else None
        path = {name: values[k] for name, values in paths.items()}
        made.append(line.window(*known, course=course, path=path))
    return Futures(made, probability[order])


def _possible(line: Timeline, slot: int, errors: dict[str, Array]) -> dict[str, Array]:
    """Return paths (path, entity, slot) [kW] of each quantity around what is expected of it, as far as it can come.

    PV is nothing in the dark, and else no more than there ever was or is expected; demand is no more than the connection
    lets through beside it, that of a load no more than its power; and nothing is below zero.
    """
    count = errors["demand"].shape[-1]
    expected = line.expected(slot, count)
    paths = {name: np.maximum(expected[name] + error, 0.0) for name, error in errors.items()}
    most = line.pv[:, : line.known + slot].max(axis=1, initial=0.0)[:, None]
    pv = np.minimum(paths["pv"], np.maximum(most, expected["pv"]))
    paths["pv"] = np.where(expected["pv"] > 0, pv, 0.0)
    limit = connections(line.arrays)[0][:, slot : slot + count]
    paths["demand"] = np.minimum(paths["demand"], limit + paths["pv"])
    if "load" in paths:
        power = line.arrays["flexible_load_power_limit"].values[:, None]
        paths["load"] = np.minimum(paths["load"], power)
    return paths


def _net(inputs: xr.Dataset, slot: int, paths: dict[str, Array]) -> Array:
    """Return the energy (path, P, slot) [kWh] that participants would draw if all that is drawn came at once."""
    net = paths["demand"] - paths["pv"]
    people, seen = net.shape[1], slice(slot, slot + net.shape[2])
    if "heat" in paths:
        owner = positions(inputs, "heat_pump_owner", "participant")
        power = paths["heat"] / inputs["heat_pump_cop"].values[:, seen]
        net = net + sum_at(owner, power.swapaxes(0, 1), people).swapaxes(0, 1)
    if "load" in paths:
        owner = positions(inputs, "flexible_load_owner", "participant")
        net = net + sum_at(owner, paths["load"].swapaxes(0, 1), people).swapaxes(0, 1)
    return np.asarray(net * inputs["slot_hours"].values[seen])
