"""Figures of the network of a run: limits over time and their use; of a power flow, voltages and loadings."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ....data.inputs.variables import NODE_LIMITS
from ....model.grid.loads import taken
from ....model.grid.node_limits import node_limits
from ...store.run_format import NETWORK
from ..figures.axes import Array
from ..figures.figure import Figure
from ..figures.heat_map import heat_map
from ..figures.lines import lines
from .opened_run import MOST, Run, left_out


class _Use(NamedTuple):
    """A limit over time of somebody, and how much flows there (time,) [kW]."""

    label: str
    flow: Array
    limit: Array

    @property
    def share(self) -> Array:
        """Return how much flows per limit (time,) [%], NaN where there is none; a limit of nothing is used whole."""
        some = np.isfinite(self.limit)
        per = np.divide(self.flow, self.limit, out=np.ones(self.flow.shape), where=some & (self.limit > 0))
        return np.where(some, 100 * per, np.nan)


def limited(run: Run) -> bool:
    """Return whether nodes or connections of a run have limits over time."""
    return any(True for _ in _uses(run))


def nodes_limited(run: Run) -> bool:
    """Return whether nodes of a run have some."""
    return any(True for _ in _of_nodes(run))


def use_of_limits(run: Run) -> Figure:
    """Return how much of their limits over time nodes and connections use (limit, time) [%], the most used first."""
    every = list(_uses(run))
    most = [float(np.nanmax(use.share)) for use in every]
    chosen = [every[k] for k in np.argsort(most, kind="stable")[::-1][:MOST]]
    shares = np.array([np.nan_to_num(use.share, nan=-np.inf) for use in chosen])
    shown = run.slots.most(shares)
    return heat_map(
        "Use of limits over time",
        "What flows into or out of a node and all below it, or is drawn or given at a connection, per limit of the slot:"
        " operating envelopes." + left_out(len(every), len(chosen), "limits"),
        "%",
        np.where(np.isinf(shown), np.nan, shown),
        [use.label for use in chosen],
        run.slots.labels,
        run.slots.marks,
        1,
    )


def fullest_node(run: Run) -> Figure:
    """Return the power into the node that comes nearest to its limits over time, and these (time,) [kW]."""
    n = max(_of_nodes(run), key=lambda found: float(np.nanmax(found[1].share)))[0]
    limits = node_limits(run.inputs)
    flow = limits.flow(taken(run.inputs, run.results)[0])[n]
    label, slots = str(run.inputs["node"].values[n]), run.slots
    ends = {"limit into it": limits.into[n], "limit out of it": -limits.out[n]}
    known = {name: slots.mean(np.where(np.isfinite(kw), kw, np.nan)) for name, kw in ends.items()}
    return lines(
        f"Power into {label}",
        "All power, peers' and retailers', into the node that comes nearest to its limits over time, and all below it;"
        " below zero: out of it.",
        "kW",
        slots.labels,
        slots.marks,
        {"power": slots.mean(flow)} | {name: kw for name, kw in known.items() if np.isfinite(kw).any()},
    )


def _uses(run: Run) -> Iterator[_Use]:
    """Yield the limits over time of nodes, then of connections."""
    yield from (use for _, use in _of_nodes(run))
    for way, verb, power in (("import", "drawn", "draw"), ("export", "given", "supply")):
        if (name := f"{way}_envelope") in run.inputs:
            flow, limit = run.results[power].values, run.inputs[name].values
            for p, label in enumerate(run.inputs["participant"].values.tolist()):
                if np.isfinite(limit[p]).any():
                    yield _Use(f"{label}, {verb}", flow[p], limit[p])


def _of_nodes(run: Run) -> Iterator[tuple[int, _Use]]:
    """Yield the limits over time of nodes, with the position of each."""
    if not any(name in run.inputs for name in NODE_LIMITS):
        return
    limits = node_limits(run.inputs)
    flow = limits.flow(taken(run.inputs, run.results)[0])
    for n, label in enumerate(run.inputs["node"].values.tolist()):
        for words, power, limit in (("in", flow[n], limits.into[n]), ("out", -flow[n], limits.out[n])):
            if np.isfinite(limit).any():
                yield n, _Use(f"{label}, {words}", np.maximum(power, 0.0), limit)


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
