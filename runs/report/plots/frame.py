"""What all plots share: a run from its tree or file, axes over local time, the colours of pages."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from ....data import clock
from ....data.problems import InputError, Problem
from ...store import run_file
from ..figures import style
from ..figures.axes import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Run = xr.DataTree | str | os.PathLike[str]
"""A run as `clear` returns it, or the path of its file."""
COLOURS = [style.LIGHT[f"c{k}"] for k in range(style.SERIES)]
"""Colours of series, those of light pages."""
SOFT = style.LIGHT["bar"]


def tree_of(run: Run) -> xr.DataTree:
    """Return the tree of a run."""
    return run if isinstance(run, xr.DataTree) else run_file.open_run(run)


def axes(ax: Axes | None) -> Axes:
    """Return the axes that were given, or those of a new figure.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        want = "the extra plot: pip install 'otonari[plot]'"
        raise InputError([Problem("matplotlib", "", "package", "none installed", want)])
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def edges(inputs: xr.Dataset) -> Array:
    """Return the starts of all slots and the end of the last (time + 1,), as local times that never turn back."""
    zone = str(inputs.attrs.get("time_zone", "UTC"))
    first = pd.DatetimeIndex(inputs["time"].values[:1])
    start = clock.local(first, zone).tz_localize(None).to_numpy()[0]
    ends = np.cumsum(inputs["slot_hours"].values) * 3.6e12
    return np.concatenate([[start], start + np.round(ends).astype("timedelta64[ns]")])


def over_time(ax: Axes, inputs: xr.Dataset) -> Array:
    """Set up an axis of local time; return the edges of the slots (time + 1,) in days as matplotlib counts them."""
    from matplotlib import dates

    locator = dates.AutoDateLocator()
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    at = np.asarray(dates.date2num(edges(inputs)))
    ax.set_xlim(at[0], at[-1])
    ax.set_xlabel(str(inputs.attrs.get("time_zone", "UTC")))
    return at
