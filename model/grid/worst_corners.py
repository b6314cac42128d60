"""What limits of a feeder have left at the worst, whoever draws and gives: in the linear and in the full power flow.

A *corner* is a choice for every connection: all that it may draw, or all that it may give. The worst corner of a limit
takes for each the one that the limit feels more; limits that feel the same share a corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.arrays import as_dataset
from ...data.inputs.contract import optional
from ..errors import NoPowerFlow
from ..labels import Array
from .limits import Band
from .linear_flow import linear_flow
from .loads import PHASES
from .power_flow import solved

LESS = 0.9
"""What is left of shares beyond the least where they are too large."""
LOW, HIGH, DOWN, UP = range(4)
"""Families of limits: least and greatest voltage, power over an edge towards its node and towards the root."""


@dataclass(frozen=True)
class Limits:
    """K limits of a feeder at T slots, for P connections.

    ``family``, ``node`` and ``phase`` (K,) say which; ``response`` (K, P) [1/kW] what a kW drawn adds to the headroom,
    per unit of nominal voltage or of the edge's rating; ``headroom`` (K, T) is what it is while nobody draws or gives.
    """

    family: Array
    node: Array
    phase: Array
    response: Array
    headroom: Array

    @property
    def use(self) -> Array:
        """What a kW that may be drawn, and then one that may be given, takes at the worst (K, 2 P)."""
        return np.hstack([np.maximum(-self.response, 0.0), np.maximum(self.response, 0.0)])

    @property
    def worst(self) -> Array:
        """Whether each draws what it may at the worst, or gives it (K, P); as the others where it does not matter."""
        drawing = np.isin(self.family, (LOW, DOWN))[:, None]
        return np.where(self.response == 0, drawing, self.response < 0)

    def chosen(self, which: Array) -> Limits:
        """Return some of them, by mask (K,)."""
        return Limits(*(values[which] for values in vars(self).values()))


def limits(inputs: xr.Dataset, band: Band) -> Limits:
    """Return the limits of all voltages, and of the edges that have a rating, in the linear power flow."""
    flow, rated = linear_flow(inputs), _rated_power(inputs)
    node, phase = (place.ravel() for place in np.indices((inputs.sizes["node"], len(PHASES))))
    edge = np.isfinite(rated)[node] & (inputs["node_parent"].values != "")[node]
    reactive = flow.reactive
    squared = flow.squared_voltage(np.zeros_like(reactive), reactive)[node, phase]
    over = flow.edge_power(reactive)[node, phase][edge]
    volts, power = flow.voltage_response(node, phase), flow.edge_response(node[edge], phase[edge])
    most = rated[node[edge]][:, None]
    carries = np.sqrt(np.maximum(most**2 - over**2, 0.0)) / most
    families = [
        np.full(len(node), LOW),
        np.full(len(node), HIGH),
        *(np.full(edge.sum(), e) for e in (DOWN, UP)),
    ]
    return Limits(
        family=np.concatenate(families),
        node=np.concatenate([node, node, node[edge], node[edge]]),
        phase=np.concatenate([phase, phase, phase[edge], phase[edge]]),
        response=np.vstack([volts / (2 * band.low), -volts / (2 * band.high), -power / most, power / most]),
        headroom=np.vstack([_above(squared, band.low), -_above(squared, band.high), carries, carries]),
    )


class Corners:
    """The power flow of all slots at the worst corner of every limit; ``guests`` (2 P, T) draw and give besides."""

    def __init__(self, inputs: xr.Dataset, band: Band, limits: Limits, guests: Array):
        self.limits, self.guests, self._band, self._flow = limits, guests, band, linear_flow(inputs)
        people = limits.response.shape[1]
        self._patterns = np.unique(np.vstack([limits.worst, np.ones((1, people), bool)]), axis=0)
        self._wires = _wires(inputs, len(self._patterns))
        self._rating = optional(inputs, "node_current_limit")

    def __len__(self) -> int:
        """Return how many corners there are."""
        return len(self._patterns)

    def measured(self, share: Array, least: Array) -> tuple[Array, Array]:
        """Return shares (2 P, T), or less of them where there is no power flow, and the limits' headroom (K, T) at them.

        Raises
        ------
        NoPowerFlow
            If there is none at the ``least`` shares.
        """
        while True:
            try:
                return share, self._headroom(*np.split(share + self.guests, 2))
            except NoPowerFlow:
                if (share - least).max(initial=0.0) < 1e-3:
                    raise
                share = least + LESS * (share - least)

    def _headroom(self, draw: Array, give: Array) -> Array:
        """Return the least headroom of every limit at any corner (K, T) [per unit]."""
        powers = [self._flow.at_nodes(np.where(pattern[:, None], draw, -give)) for pattern in self._patterns]
        reactive = np.tile(self._flow.reactive, len(powers))
        network = solved(self._wires, np.concatenate(powers, axis=2), reactive)
        voltages, currents = (
            np.split(network[n].values, len(powers), axis=2) for n in ("voltage", "current")
        )
        corners = zip(voltages, currents, powers, strict=True)
        return np.asarray(np.min([self._at(*corner) for corner in corners], axis=0))

    def _at(self, voltage: Array, current: Array, power: Array) -> Array:
        """Return the headroom of limits (K, T) at voltages [1], currents [A] and powers drawn [kW] (node, 3, T)."""
        family, at = self.limits.family[:, None], (self.limits.node, self.limits.phase)
        squared, down = voltage[at] ** 2, self._flow.edge_power(power)[at] >= 0
        loading = current[at] / self._rating[self.limits.node][:, None]
        towards = np.where(down == (family == DOWN), loading, -loading)
        room = np.where(family == LOW, _above(squared, self._band.low), -_above(squared, self._band.high))
        return np.where(family >= DOWN, 1.0 - towards, room)


def _above(squared: Array, limit: float) -> Array:
    """Return by how much squared voltages are above a limit, per nominal: near it as much as the voltage is."""
    return (squared - limit**2) / (2 * limit)


def _rated_power(inputs: xr.Dataset) -> Array:
    """Return what a phase of the edges to the parents carries at nominal voltage (node,) [kVA]."""
    return np.asarray(
        optional(inputs, "node_current_limit") * inputs["node_voltage"].values / np.sqrt(3) / 1000
    )


def _wires(inputs: xr.Dataset, times: int) -> xr.Dataset:
    """Return what a power flow needs to know of a network, its slots so many times one after another."""
    given = as_dataset(inputs)
    wires = given[[n for n, v in given.items() if str(n).startswith("node_") and "time" not in v.dims]]
    source = np.tile(optional(inputs, "source_voltage"), times)
    return wires.assign(source_voltage=("time", source)).assign_coords(
        time=np.tile(inputs["time"].values, times)
    )
