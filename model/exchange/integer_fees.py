"""The fee network of an exchange in whole numbers: what a trade between two nodes costs, and which edges are limited.

Energy is counted in Wh, prices and fees in thousandths of the currency's minor unit per kWh
(:class:`otonari.data.inputs.currency.Scale`), so that money is a whole number too and nothing is lost by rounding. Each
access fee, edge fee and pair fee is rounded to the nearest unit on its own; fees along a path then add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ...data.inputs.currency import WATT_HOURS, Scale, scale
from ...data.inputs.variables import NODE_LIMITS
from ..labels import Array, positions
from ..topology.fee_tree import path_fee, tree

UNLIMITED = 1 << 50
"""Wh over an edge without a limit."""


@dataclass
class Wheeling:
    """The N nodes of a fee network, integer fees on a ``scale``, and the E edges that are limited.

    ``index`` maps labels to nodes; without a network (``free``) every label is node 0 and trades cost nothing.
    ``parent`` (N,) is -1 for the root; ``edge`` (N,) and ``access`` (N,) are fees; ``pair`` (N, N) replaces the
    edges where it is given. ``below`` (E, N) tells which nodes lie below a limited edge, ``limit_kw`` (2, E, T) what it
    carries towards the root, and towards its node, in every slot, or (2, E, 1) in all of them.
    """

    index: dict[str, int]
    access: Array
    edge: Array
    parent: Array
    depth: Array
    pair: Array | None
    limited: Array
    below: Array
    limit_kw: Array
    scale: Scale
    free: bool = False
    _inputs: xr.Dataset | None = None
    _rows: dict[tuple[int, bool], Array] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self.access)

    def node(self, label: str) -> int:
        """Return the position of a node, -1 if there is none of that name."""
        return 0 if self.free else self.index.get(label, -1)

    def fees(self, node: int, buys: bool) -> Array:
        """Return the fee (N,) of trades of a node with every other one, as their buyer or their seller."""
        key = (node, buys or self.pair is None)
        if key not in self._rows:
            self._rows[key] = self._row(node, buys)
        return self._rows[key]

    def _row(self, node: int, buys: bool) -> Array:
        if self._inputs is None:
            return np.zeros(self.size, dtype=np.int64)
        here, there = np.full(self.size, node), np.arange(self.size)
        sale, purchase = (there, here) if buys else (here, there)
        return path_fee(self._inputs, sale, purchase).astype(np.int64)

    def largest_fee(self) -> int:
        """Return a fee that no trade exceeds."""
        paths = 2 * int(self.edge.sum()) if self.pair is None else int(self.pair.max(initial=0))
        return 2 * int(self.access.max(initial=0)) + paths

    def carried(self, slot: int) -> Array:
        """Return what the limited edges carry towards the root, and towards their nodes (2, E) [kW] in a slot."""
        return np.asarray(self.limit_kw[:, :, min(slot, self.limit_kw.shape[2] - 1)])

    def limits(self, hours: float, slot: int = 0) -> Array:
        """Return the Wh (2, E) that the limited edges carry each way, as ``carried``, in a slot of this length."""
        most = np.minimum(self.carried(slot) * hours * WATT_HOURS, UNLIMITED)
        return np.floor(most + 1e-6).astype(np.int64)

    def at(self, slot: int) -> Wheeling:
        """Return the fee network of one slot by itself."""
        return replace(self, limit_kw=self.carried(slot)[:, :, None])


def wheeling(inputs: xr.Dataset | None, scale: Scale) -> Wheeling:
    """Return the fee network of the inputs on a scale, or one node where everybody trades free of fees."""
    none = np.zeros(0, dtype=np.int64)
    if inputs is None:
        zero = np.zeros(1, dtype=np.int64)
        apart = np.zeros((0, 1), bool)
        return Wheeling(
            {}, zero, zero, zero - 1, zero, None, none, apart, np.zeros((2, 0, 1)), scale, free=True
        )
    names = [n for n in ("node_access_fee", "node_fee", "trade_fee") if n in inputs]
    whole = inputs.assign({n: (inputs[n].dims, np.rint(inputs[n].values * scale.price)) for n in names})
    parent, depth = tree(inputs)
    limit = _limits(inputs)
    limited = np.flatnonzero(np.isfinite(limit).any(axis=(0, 2)) & (parent >= 0))
    return Wheeling(
        index={str(label): i for i, label in enumerate(inputs["node"].values)},
        access=whole["node_access_fee"].values.astype(np.int64),
        edge=np.where(parent >= 0, whole["node_fee"].values, 0).astype(np.int64),
        parent=parent,
        depth=depth,
        pair=whole["trade_fee"].values.astype(np.int64) if "trade_fee" in inputs else None,
        limited=limited,
        below=_below(parent, limited),
        limit_kw=limit[:, limited],
        scale=scale,
        _inputs=whole,
    )


def _limits(inputs: xr.Dataset) -> Array:
    """Return what edges carry of peers' power out of their nodes, and into them (2, N, T) [kW], or (2, N, 1).

    The lesser of ``node_limit`` and the limits over time of all power: what peers send there is part of it.
    """
    constant = inputs["node_limit"].values[:, None]
    if not any(name in inputs for name in NODE_LIMITS):
        return np.stack([constant, constant])
    into, out = (np.minimum(constant, optional(inputs, name)) for name in NODE_LIMITS)
    return np.stack([out, into])


@derived
def network(inputs: xr.Dataset) -> Wheeling:
    """Return the fee network of the inputs on the scale of their currency."""
    return wheeling(inputs, scale(str(inputs.attrs["currency"])))


def _below(parent: Array, edges: Array) -> Array:
    """Return (edge, node) whether a node hangs below the edge of ``edges[e]`` to its parent."""
    above = np.arange(len(parent))
    below = np.zeros((len(edges), len(parent)), dtype=bool)
    while (above >= 0).any():
        below |= above == edges[:, None]
        above = np.where(above >= 0, parent[above], -1)
    return below


def home_nodes(inputs: xr.Dataset) -> dict[str, str]:
    """Return the label of each participant's node."""
    nodes = inputs["node"].values[positions(inputs, "participant_node", "node")]
    return dict(zip(map(str, inputs["participant"].values), map(str, nodes), strict=True))
