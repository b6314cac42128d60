"""Linear power flow of a radial feeder, phase by phase: what every kW does to voltages and edges, without losses.

LinDist3Flow (Gan and Low, "Convex relaxations and linear approximation for optimal power flow in multiphase radial
networks", PSCC 2014, doi:10.1109/PSCC.2014.7038399; Arnold, Sankur, Dobbe, Brady, Callaway and von Meier, "Optimal
dispatch of reactive power for voltage regulation and balancing in unbalanced distribution systems", PESGM 2016,
doi:10.1109/PESGM.2016.7741261). With the impedance matrix Z (3, 3) of an edge and the powers P + jQ over it::

    v2[child,f] = v2[parent,f] - sum over g of (M_P[f,g] P[g] + M_Q[f,g] Q[g]),   v2 = squared voltage
    M_P + j M_Q = 2 conj(u[f] / u[g]) Z[f,g],   u = (1, exp(-j 2 pi / 3), exp(j 2 pi / 3))

Z has (z0 + 2 z1) / 3 on its diagonal and (z0 - z1) / 3 beside it: an unbalanced load pulls at the other phases through
the neutral. Neglected are losses, and that voltages are not exactly 120 degrees apart. Edges above a transformer (Dyn)
carry no zero sequence of what is below it, so that z0 = 0 there; between both of its sides loads count in equal parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import sparse

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ..labels import Array, positions
from ..topology.fee_tree import ancestors
from .loads import PHASES, phase_shares, reactive_demand

_TURN = np.exp(2j * np.pi / 3 * np.array([0, -1, 1]))
"""Angles of the phases."""
_W_PER_KW = 1000.0
THIRD = np.full((len(PHASES), len(PHASES)), 1 / 3)
"""What phases get of powers that count in equal parts."""


@dataclass(frozen=True)
class _Side:
    """Edges by node: those of a node's path on its own side of every transformer, or those beyond (node, node)."""

    own: sparse.csr_array
    beyond: sparse.csr_array


@dataclass(frozen=True)
class LinearFlow:
    """The linear power flow of a feeder of N nodes with P participants over T slots; build it by :func:`linear_flow`.

    ``real_drop`` and ``reactive_drop`` (kind, N, 3, 3) [1/kW, 1/kvar] are what powers over the edge above each node take
    off squared voltages: loads and voltages on the edge's side, both beyond a transformer, or only one of them.
    ``node`` and ``share`` (P,), (P, 3) say where participants are connected, ``reactive`` (N, 3, T) [kvar] is what
    their demand draws; ``source`` (T,) the squared voltage at the root, per nominal.
    """

    paths: _Side
    real_drop: Array
    reactive_drop: Array
    node: Array
    share: Array
    reactive: Array
    source: Array

    def at_nodes(self, draw: Array) -> Array:
        """Return the powers (N, 3, T) [kW] that connections draw (P, T), by node and phase."""
        power = np.zeros((self.paths.own.shape[0], len(PHASES), draw.shape[1]))
        np.add.at(power, self.node, self.share[:, :, None] * draw[:, None, :])
        return power

    def edge_power(self, power: Array) -> Array:
        """Return the power (N, 3, T) over the edge to the parent, + towards the node, of powers drawn (N, 3, T)."""
        own, beyond = self._over_edges(power)
        return np.asarray(own + np.einsum("fg,ngt->nft", THIRD, beyond))

    def squared_voltage(self, real: Array, reactive: Array) -> Array:
        """Return the squared voltages (N, 3, T), per nominal, at powers drawn (N, 3, T) [kW, kvar]."""
        total = np.zeros_like(real)
        for drop, power in ((self.real_drop, real), (self.reactive_drop, reactive)):
            own, beyond = self._over_edges(power)
            total += _times(self.paths.own, _mixed(drop[0], own) + _mixed(drop[2], beyond))
            total += _times(self.paths.beyond, _mixed(drop[1], beyond) + _mixed(drop[2], own))
        return np.asarray(self.source - total)

    def voltage_response(self, node: Array, phase: Array) -> Array:
        """Return what a kW drawn by each participant adds to squared voltages at places (place,): (place, P) [1/kW]."""
        response = np.zeros((len(node), len(self.node)))
        paths, own, beyond = self.paths, self.paths.own[node], self.paths.beyond[node]
        for g in range(len(PHASES)):
            same, past, mixed = (kind[:, phase, g].T for kind in self.real_drop)
            for here, factor, there in (
                (own, same, paths.own),
                (beyond, past, paths.beyond),
                (own, mixed, paths.beyond),
                (beyond, mixed, paths.own),
            ):
                response -= (here.multiply(factor) @ there[self.node].T).toarray() * self.share[:, g]
        return response

    def edge_response(self, node: Array, phase: Array) -> Array:
        """Return what a kW drawn by each participant adds to the edges above places (place,): (place, P)."""
        own, beyond = (side[self.node][:, node].toarray().T for side in (self.paths.own, self.paths.beyond))
        return np.asarray(own * self.share.T[phase] + beyond / len(PHASES))

    def _over_edges(self, power: Array) -> tuple[Array, Array]:
        """Return what loads on an edge's side of every transformer, and those beyond one, draw over it (N, 3, T)."""
        return _times(self.paths.own.T, power), _times(self.paths.beyond.T, power)


def _times(matrix: sparse.csr_array | sparse.csc_array, values: Array) -> Array:
    """Return a sparse matrix (N, N) times values (N, 3, T)."""
    return np.asarray(matrix @ values.reshape(len(values), -1)).reshape(values.shape)


def _mixed(drop: Array, power: Array) -> Array:
    """Return the drops (N, 3, T) by powers (N, 3, T)."""
    return np.asarray(np.einsum("nfg,ngt->nft", drop, power))


@derived
def linear_flow(inputs: xr.Dataset) -> LinearFlow:
    """Return the linear power flow of inputs that describe their network (``node_voltage`` and others of the table)."""
    parent = positions(inputs, "node_parent", "node")
    above = ancestors(parent)
    transformer = (optional(inputs, "node_edge") == "transformer") & (parent >= 0)
    deep = above @ transformer.astype(float)
    path = above.tocoo()
    same = deep[path.row] == deep[path.col]
    own, beyond = (
        sparse.csr_array((path.data[part], (path.row[part], path.col[part])), shape=above.shape)
        for part in (same, ~same)
    )
    drop = _drops(inputs, parent >= 0)
    return LinearFlow(
        paths=_Side(own, beyond),
        real_drop=drop.real,
        reactive_drop=drop.imag,
        node=positions(inputs, "participant_node", "node"),
        share=phase_shares(inputs),
        reactive=reactive_demand(inputs),
        source=optional(inputs, "source_voltage") ** 2,
    )


def _drops(inputs: xr.Dataset, below: Array) -> Array:
    """Return M_P + j M_Q (kind, N, 3, 3) per kW and kvar; see the module and `LinearFlow`."""
    one, zero = (
        optional(inputs, f"node_resistance{which}") + 1j * optional(inputs, f"node_reactance{which}")
        for which in ("", "_zero")
    )
    base = optional(inputs, "node_voltage") ** 2 / 3 / _W_PER_KW
    turned = 2 * np.conj(_TURN[:, None] / _TURN[None, :])
    same, beyond = (turned * _matrix(z, one) for z in (zero, np.zeros_like(one)))
    mixed = 2 * one[:, None, None] * THIRD
    return np.asarray(np.stack([same, beyond, mixed]) * (below / base)[:, None, None])


def _matrix(zero: Array, one: Array) -> Array:
    """Return impedance matrices (N, 3, 3) of zero- and positive-sequence impedances (N,)."""
    own, mutual = (zero + 2 * one) / 3, (zero - one) / 3
    return np.asarray(mutual[:, None, None] + (own - mutual)[:, None, None] * np.eye(len(PHASES)))
