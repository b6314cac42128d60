"""Plots of tanks of heat pumps, and of the tasks of flexible loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....data.inputs.contract import InputError, Problem
from .. import heat as heat_of
from .. import tasks as tasks_of
from ..pages import energy_pictures
from .frame import COLOURS, SOFT, Run, axes, over_time, tree_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PUMP, _DRAWN, _RAN = (COLOURS[energy_pictures.COLOURS[n]] for n in ("heat pump", "demand", "flexible load"))


def heat(run: Run, ax: Axes | None = None, heat_pump: str | None = None) -> Axes:
    """Draw the heat in a tank in its band [kWh], and the heat drawn from it in each slot [kWh]; return the axes.

    Parameters
    ----------
    run : DataTree or path
        A run as `otonari.clear` returns it, or its file.
    ax : Axes, optional
        Where to draw; by default on a new figure.
    heat_pump : str, optional
        The heat pump whose tank is drawn; by default all of them together.

    Raises
    ------
    InputError
        If there is no such heat pump, or matplotlib is not installed.
    """
    ax, tree = axes(ax), tree_of(run)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    names = inputs["heat_pump"].values.tolist() if "heat_pump" in inputs.sizes else []
    if not names or (heat_pump is not None and heat_pump not in names):
        want = f"one of {', '.join(names)}" if names else "a run with heat pumps"
        raise InputError([Problem("plot", "", "heat_pump", repr(heat_pump), want)])
    own = slice(None) if heat_pump is None else [names.index(heat_pump)]
    level = heat_of.levels(inputs, results)[own].sum(axis=0)
    drawn = (heat_of.drawn(inputs, results)[own] * inputs["slot_hours"].values).sum(axis=0)
    least, most = (float(inputs[f"heat_pump_{n}"].values[own].sum()) for n in ("min_heat", "capacity"))
    at = over_time(ax, inputs)
    ax.axhspan(least, most, color=SOFT, alpha=0.15, label="band")
    ax.stairs(drawn, at, fill=True, color=_DRAWN, label="drawn in the slot")
    ax.plot(at, level, color=_PUMP, label="heat held")
    ax.set_ylabel("kWh of heat")
    ax.set_title(heat_pump or "all heat pumps", fontsize="medium")
    ax.legend(fontsize="small")
    return ax


def tasks(run: Run, ax: Axes | None = None) -> Axes:
    """Draw when the tasks of flexible loads ran, or left demand off, within their windows; return the axes.

    Each load has a line; bars are as high as its power, a whole line at its limit.
    """
    ax, tree = axes(ax), tree_of(run)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    made = tasks_of.task_runs(inputs, results)
    at = over_time(ax, inputs)
    loads = sorted({task.load for task in made})
    names = [str(inputs["flexible_load"].values[n]) for n in loads]
    most = inputs["flexible_load_power_limit"].values if loads else np.zeros(0)
    for task in made:
        row, (begin, end) = loads.index(task.load), (at[task.begin], at[task.end])
        ax.barh(row, end - begin, left=begin, height=0.8, color=SOFT, alpha=0.2)
        height, colour = 0.8 * task.moved / most[task.load], _DRAWN if task.sheds else _RAN
        ax.stairs(row + 0.4 - height, at, baseline=row + 0.4, fill=True, color=colour, label=task.task)
    ax.set_yticks(np.arange(len(names)), names, fontsize="small")
    ax.invert_yaxis()
    return ax
