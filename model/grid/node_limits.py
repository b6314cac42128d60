"""Limits over time of nodes: all power that flows into a node and those below it, and out of them.

An operating envelope of a substation, a feeder or a branch, as the network's operator states it: with the power drawn d
(participant, time) of all connections at or below node n, from the retailer and from peers, less what they give::

    node_import     import_envelope[n,t] - sum over p below n of d[p,t] >= 0   [kW]
    node_export     export_envelope[n,t] + sum over p below n of d[p,t] >= 0   [kW]

It asks nothing of wires: the tree is enough. Losses are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import sparse

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ...data.inputs.variables import NODE_LIMITS
from ..labels import Array, positions
from ..topology.connections import SMALL
from ..topology.fee_tree import ancestors
from .loads import taken

FAMILIES = ("node_import", "node_export")
"""Families of limits: of what flows into a node and those below it, and out of them."""


@dataclass(frozen=True)
class NodeLimits:
    """Limits of all power over time of N nodes with P participants over T slots; build it by :func:`node_limits`.

    ``above`` (N, N) tells which nodes are on the path of a node to the root, itself included; ``node`` (P,) is where
    participants are connected; ``into`` and ``out`` (N, T) [kW] are the limits, infinite where there is none.
    """

    above: sparse.csr_array
    node: Array
    into: Array
    out: Array
    families = FAMILIES

    def flow(self, power: Array) -> Array:
        """Return what flows into nodes, less what flows out (N, T) [kW], at powers drawn (N, 3, T) [kW]."""
        return np.asarray(self.above.T @ power.sum(axis=1))

    def headroom(self, power: Array) -> dict[str, Array]:
        """Return how far each family is from its limits (N, T) [kW] at powers drawn by node and phase (N, 3, T) [kW]."""
        drawn = self.flow(power)
        return {"node_import": self.into - drawn, "node_export": self.out + drawn}

    def could_break(self, most_drawn: Array, most_given: Array) -> dict[str, Array]:
        """Return which limits (N, T) bool powers of participants within bounds (P, T) [kW] could break."""
        inside = self.above[self.node].T
        return {
            "node_import": inside @ most_drawn > self.into,
            "node_export": inside @ most_given > self.out,
        }

    def response(self, family: str, node: Array, slot: Array) -> Array:
        """Return what a kW drawn by each participant adds to the headroom at places (place,): (place, P) [1]."""
        nodes, which = np.unique(node, return_inverse=True)
        inside = self.above[self.node][:, nodes].toarray().T[which.ravel()]
        return np.asarray(-inside if family == "node_import" else inside)


@derived
def node_limits(inputs: xr.Dataset) -> NodeLimits:
    """Return the limits over time that inputs state of their nodes."""
    into, out = (optional(inputs, name) for name in NODE_LIMITS)
    above = sparse.csr_array(ancestors(positions(inputs, "node_parent", "node")))
    return NodeLimits(above, positions(inputs, "participant_node", "node"), into, out)


def excess(inputs: xr.Dataset, results: xr.Dataset) -> dict[str, Array]:
    """Return by how much powers exceed the limits of each family (node, time) [kW]: where nobody could keep them."""
    if not any(name in inputs for name in NODE_LIMITS):
        return {}
    headroom = node_limits(inputs).headroom(taken(inputs, results)[0])
    return {family: np.where(left < -SMALL, -left, 0.0) for family, left in headroom.items()}
