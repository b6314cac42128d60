"""Figures of the power flow that stands with a run: voltages, and what the edges carry of their ratings."""

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ...store.run_format import NETWORK
from ..figures.figure import Figure
from ..figures.heat_map import heat_map
from ..figures.lines import lines
from .opened_run import MOST, Run, left_out


def described(run: Run) -> bool:
    """Return whether a power flow stands with the run."""
    return NETWORK in run.tree.children


def rated(run: Run) -> bool:
    """Return whether one does, and an edge has a rating."""
    return described(run) and bool(np.isfinite(optional(run.inputs, "node_current_limit")).any())


def voltages(run: Run) -> Figure:
    """Return how far the lowest and the highest voltage of all nodes and phases are from nominal (time,) [%]."""
    network = _network(run)
    voltage = 100 * (network["voltage"].transpose("node", "phase", "time").values - 1)
    lowest, highest = voltage.min(axis=(0, 1)), voltage.max(axis=(0, 1))
    low, high = (100 * (float(network.attrs[f"voltage_{end}"]) - 1) for end in ("low", "high"))
    return lines(
        "Voltages",
        "How far the lowest and the highest voltage of all nodes and phases are from nominal; the band is "
        f"{low:+.0f} to {high:+.0f} % ({network.attrs['band']}).",
        "%",
        run.slots.labels,
        run.slots.marks,
        {"lowest": -run.slots.most(-lowest), "highest": run.slots.most(highest)},
        2,
    )


def loadings(run: Run) -> Figure:
    """Return the greatest loading of the edges that have a rating (edge, time) [%], the most loaded first."""
    network = _network(run)
    loading = 100 * network["loading"].transpose("node", "time").values
    rating = optional(run.inputs, "node_current_limit")
    order = [n for n in np.argsort(-loading.max(axis=1), kind="stable") if np.isfinite(rating[n])]
    chosen = order[:MOST]
    names, parents = (run.inputs[n].values for n in ("node", "node_parent"))
    return heat_map(
        "Loading of the network",
        "The greatest current of a phase per rated current, of edges from a node to its parent."
        + left_out(len(order), len(chosen), "edges"),
        "%",
        run.slots.most(loading[chosen]),
        [f"{names[n]} - {parents[n]}" for n in chosen],
        run.slots.labels,
        run.slots.marks,
        1,
    )


def _network(run: Run) -> xr.Dataset:
    return run.tree[NETWORK].to_dataset()
