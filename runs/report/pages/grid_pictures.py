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
    """Return the lowest and the highest voltage of all nodes and phases (time,) [1] and the band [1]."""
    network = _network(run)
    voltage = network["voltage"].transpose("node", "phase", "time").values
    lowest, highest = voltage.min(axis=(0, 1)), voltage.max(axis=(0, 1))
    ends = {end: float(network.attrs[f"voltage_{end}"]) for end in ("low", "high")}
    return lines(
        "Voltages",
        f"The lowest and the highest voltage, phase to ground per nominal, of all nodes and phases; the band is "
        f"{ends['low']:g} to {ends['high']:g} ({network.attrs['band']}).",
        "p.u.",
        run.slots.labels,
        run.slots.marks,
        {"lowest": -run.slots.most(-lowest), "highest": run.slots.most(highest)},
        4,
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
