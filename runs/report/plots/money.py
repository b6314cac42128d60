"""Plots of money: prices at nodes, who saves how much, and how that changes over a sweep."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ....data.inputs.contract import InputError, Problem
from ...store import sweep_results
from .frame import COLOURS, SOFT, Run, axes, over_time, tree_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NOT_SWEPT = ("kind", "hour")


def prices(run: Run, ax: Axes | None = None) -> Axes:
    """Draw the price of peers' energy at every node where somebody is [currency/kWh], and return the axes.

    Dashed lines are what retailers ask and pay: the highest and the lowest of the tariffs that somebody has.
    """
    ax, tree = axes(ax), tree_of(run)
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    at = over_time(ax, inputs)
    used = np.isin(results["node"].values, inputs["participant_node"].values)
    price = results["price"].transpose("node", "time").values
    for k, node in enumerate(np.flatnonzero(used)):
        label = str(results["node"].values[node])
        ax.stairs(price[node], at, baseline=None, color=COLOURS[k % len(COLOURS)], label=label)
    mine = np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
    for name, side in (("retail", "max"), ("feed_in", "min")):
        line = getattr(inputs[f"{name}_price"].transpose("tariff", "time").values[mine], side)(axis=0)
        ax.stairs(line, at, baseline=None, color=SOFT, linestyle="--", label=name.replace("_", "-"))
    ax.set_ylabel(f"{tree.attrs['currency']}/kWh")
    ax.legend(fontsize="small", ncols=2)
    return ax


def savings(run: Run, ax: Axes | None = None) -> Axes:
    """Draw what each member saves against each alone [currency], the greatest first, and return the axes."""
    ax, tree = axes(ax), tree_of(run)
    inputs, settled = tree["inputs"].to_dataset(), tree["settlement"].to_dataset()
    saving, kind = settled["saving"].values, inputs["participant_kind"].values
    kinds = list(dict.fromkeys(kind.tolist()))
    order = np.argsort(-saving, kind="stable")
    people = [str(name) for name in inputs["participant"].values]
    for k, one in enumerate(kinds):
        own = [n for n in range(len(order)) if kind[order[n]] == one]
        ax.barh(own, saving[order[own]], color=COLOURS[k % len(COLOURS)], label=one)
    ax.set_yticks(np.arange(len(order)), [people[k] for k in order], fontsize="small")
    ax.invert_yaxis()
    ax.set_xlabel(str(tree.attrs["currency"]))
    ax.legend(fontsize="small")
    return ax


def sweep(
    dataset: xr.Dataset | str | os.PathLike[str],
    ax: Axes | None = None,
    value: str = "saving",
    over: str | None = None,
) -> Axes:
    """Draw a value of a gathered sweep over one of its dimensions, a line for each combination of the others.

    Parameters
    ----------
    dataset : Dataset or path
        A gathered sweep, as `otonari sweep` stores it.
    ax : Axes, optional
        Where to draw; by default on a new figure.
    value : str
        A variable over the swept dimensions alone, such as ``saving``, ``bill`` or ``co2``.
    over : str, optional
        The dimension of the horizontal axis; by default the longest.

    Raises
    ------
    InputError
        If the sweep has no such variable or dimension, or matplotlib is not installed.
    """
    ax, swept = axes(ax), dataset if isinstance(dataset, xr.Dataset) else sweep_results.read(dataset)
    array = _of_sweep(swept, value)
    along = max(array.dims, key=lambda dim: array.sizes[dim]) if over is None else over
    if along not in array.dims:
        raise InputError([_problem("over", along, array.dims)])
    others = [dim for dim in array.dims if dim != along]
    points = array.transpose(*others, along)
    at: Any = points[along].values
    ticks = at if at.dtype.kind in "iuf" else np.arange(len(at))
    for k, index in enumerate(np.ndindex(*[points.sizes[dim] for dim in others])):
        here = points[index]
        names = [f"{dim}={here[dim].values}" for dim in others if points.sizes[dim] > 1]
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(ticks, here.values, marker="o", color=colour, label=", ".join(names) or value)
    if at.dtype.kind not in "iuf":
        ax.set_xticks(ticks, [str(label) for label in at], rotation=90, fontsize="small")
    ax.set_xlabel(str(along))
    ax.set_ylabel(f"{value} [{array.attrs.get('units', '1')}]")
    ax.legend(fontsize="small")
    return ax


def _of_sweep(swept: xr.Dataset, value: str) -> xr.DataArray:
    """Return a variable of numbers over swept dimensions alone."""
    known = [
        str(name)
        for name, array in swept.data_vars.items()
        if array.dtype.kind == "f" and not set(array.dims) & set(_NOT_SWEPT)
    ]
    if value not in known:
        raise InputError([_problem("value", value, known)])
    return swept[value]


def _problem(field: str, got: object, known: Any) -> Problem:
    return Problem("plot", "", field, repr(got), f"one of {', '.join(map(str, known))}")
