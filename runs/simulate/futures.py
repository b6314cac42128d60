"""Futures of the slots to come: what agents expect of them, by the errors and the driving of the days before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.forecast.interface import PowerHistory
from ...data.forecast.methods import METHODS
from ...data.forecast.scenarios import drawn, error_paths, fast_forward
from .timeline import Timeline

PATHS = 56
"""Paths from which futures are chosen: each day of errors twice, with other driving. Assumption."""


class Futures(NamedTuple):
    """Inputs of several futures, and how likely each is (future,)."""

    inputs: list[xr.Dataset]
    probability: np.ndarray


def futures(
    line: Timeline,
    slot: int,
    count: int,
    energy: np.ndarray,
    number: int,
    seed: int,
    drawn_before: np.ndarray | None = None,
) -> Futures:
    """Return so many futures of ``count`` slots from ``slot`` on, chosen from paths; parameters as of `Timeline.window`.

    Without any day before, or with one future, it is what is expected alone.
    """
    seen = line.window(slot, count, energy, drawn_before)
    now, method = line.known + slot, METHODS[line.method].forecast
    histories = PowerHistory("demand", line.demand, line.days), PowerHistory("pv", line.pv, line.days)
    demand, pv = (error_paths(method, history, now, count) for history in histories)
    if number < 2 or not len(demand) or line.foresight:
        return Futures([seen], np.ones(1))
    rng = np.random.default_rng(
        [seed, int(line.days.day[now])]
    )  # a day keeps its paths: the next plan starts nearby
    day = drawn(np.ones(len(demand)), max(PATHS, len(demand)), rng)
    power = {
        "demand": seen["demand"].values + demand[day],
        "pv_available": seen["pv_available"].values + pv[day],
    }
    power["pv_available"] = _within(power["pv_available"], line.pv[:, :now], seen["pv_available"].values)
    limit = line.arrays["import_limit"].values[:, None]
    power["demand"] = np.clip(power["demand"], 0.0, limit + power["pv_available"])
    net = ((power["demand"] - power["pv_available"]) * seen["slot_hours"].values).reshape(len(day), -1)
    chosen, probability = fast_forward(net, np.full(len(day), 1 / len(day)), number)
    order = np.argsort(chosen)
    time, made = seen["time"].values[0], []
    for k in chosen[order]:
        course = line.driving.drawn(time, now, count, rng) if len(line.driving.cars) else None
        own = line.window(slot, count, energy, drawn_before, course=course)
        made.append(_changed(own, {name: values[k] for name, values in power.items()}))
    return Futures(made, probability[order])


def _within(pv: np.ndarray, before: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return PV (path, P, T) of nothing in the dark, and else no more than there ever was or is expected."""
    most = np.maximum(before.max(axis=1, initial=0.0)[:, None], expected)
    return np.where(expected > 0, np.clip(pv, 0.0, most), 0.0)


def _changed(seen: xr.Dataset, values: dict[str, np.ndarray]) -> xr.Dataset:
    changed: dict[str, Any] = {name: seen[name].copy(data=array) for name, array in values.items()}
    return seen.assign(changed)
