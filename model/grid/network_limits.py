"""Limits of a network: how far every voltage and every edge is from its limit, and every node from its limits over time.

Those of nodes are `node_limits`. Those of wires, in the linear power flow, are four families over (node, phase, time).
With the squared voltage v2 per nominal, its limits low and high, the nominal voltage U of a phase [V], and the power
P + jQ over the edge to the parent of a rating S [kVA] a phase::

    voltage_low    (v2 - low^2) U / (2 low)      >= 0   [V], near the limit: voltage above it
    voltage_high   (high^2 - v2) U / (2 high)    >= 0   [V]
    edge_down       P <= sqrt(S^2 - Q^2) + k (v2 - 1),   k = S^2 / (2 sqrt(S^2 - Q^2))   [kW]
    edge_up        -P <= the same

A current of S at nominal voltage carries S sqrt(v2): P^2 + Q^2 <= S^2 v2, of which the last two are the tangent at
v2 = 1. Q is what demand draws, so that it is known: nobody decides about reactive power. Each is linear in what
participants draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ...data.inputs.variables import NETWORK_LIMITS, NODE_LIMITS
from ..labels import Array, positions
from . import node_limits as of_nodes
from .linear_flow import LinearFlow, linear_flow
from .loads import PHASES

VOLTAGES = ("voltage_low", "voltage_high")
EDGES = ("edge_down", "edge_up")
FAMILIES = (*VOLTAGES, *EDGES, *of_nodes.FAMILIES)
"""Families of limits: least and greatest voltage, power over an edge to its node and to the root; those of nodes."""
Rows = Mapping[str, Array]
"""By family, which limits (node, phase, time) or, of nodes, (node, time) bool are rows."""


def stated(inputs: xr.Dataset) -> bool:
    """Return whether inputs state limits of their network that a clearing keeps."""
    return any(name in inputs for name in (*NETWORK_LIMITS, *NODE_LIMITS))


class _Limits(Protocol):
    """Some families of limits; arrays are over the dims of the family, places one array of each of these."""

    @property
    def families(self) -> tuple[str, ...]: ...

    def headroom(self, power: Array) -> dict[str, Array]: ...

    def could_break(self, most_drawn: Array, most_given: Array) -> dict[str, Array]: ...

    @property
    def response(self) -> Callable[..., Array]: ...


@dataclass(frozen=True)
class NetworkLimits:
    """All limits that inputs state of their network, by family; build them by :func:`network_limits`."""

    parts: tuple[_Limits, ...]

    def headroom(self, power: Array) -> dict[str, Array]:
        """Return how far each family is from its limits [V, kW] at powers drawn by node and phase (N, 3, T) [kW]."""
        return {name: own for part in self.parts for name, own in part.headroom(power).items()}

    def could_break(self, most_drawn: Array, most_given: Array) -> dict[str, Array]:
        """Return which limits powers of participants within bounds (P, T) [kW] could break, every one alone."""
        every = (part.could_break(most_drawn, most_given) for part in self.parts)
        return {name: own for part in every for name, own in part.items()}

    def response(self, family: str, *place: Array) -> Array:
        """Return what a kW drawn by each participant adds to the headroom at places (place,): (place, P) [V/kW, 1]."""
        (part,) = (part for part in self.parts if family in part.families)
        return part.response(family, *place)


@dataclass(frozen=True)
class WireLimits:
    """The limits of wires, see the module; build them by :func:`wire_limits`.

    ``low``, ``high`` (N, 1, 1) and ``volts`` (N, 1, 1); ``carries`` (N, 3, T) [kW] is what an edge carries at nominal
    voltage beside its reactive power, ``per_voltage`` (N, 3, T) [kW] what more squared voltage adds to it. ``phases``
    is how many phases differ: one where everybody is on all three.
    """

    flow: LinearFlow
    low: Array
    high: Array
    volts: Array
    carries: Array
    per_voltage: Array
    phases: int
    families = (*VOLTAGES, *EDGES)

    def headroom(self, power: Array) -> dict[str, Array]:
        """Return how far each family is from its limits (N, 3, T) [V, kW] at powers drawn (N, 3, T) [kW].

        Of phases that are alike the first counts, the others have no limit.
        """
        squared = self.flow.squared_voltage(power, self.flow.reactive)
        over = self.flow.edge_power(power)
        most = self._most_power(squared)
        found = {**self._voltages(squared, squared), "edge_down": most - over, "edge_up": most + over}
        return {family: np.where(self._counts, own, np.inf) for family, own in found.items()}

    def could_break(self, most_drawn: Array, most_given: Array) -> dict[str, Array]:
        """Return which limits (N, 3, T) bool powers of participants within bounds (P, T) [kW] could break.

        Every row alone: at the worst for it, each participant draws or gives the most that it can. An edge counts as at
        its least voltage, whatever its power is then.
        """
        n, f = (place.ravel() for place in np.indices(self.carries.shape[:2]))
        shape = self.carries.shape
        idle = np.zeros_like(self.carries)
        least, most = _interval(self.flow.voltage_response(n, f), most_drawn, most_given)
        squared = self.flow.squared_voltage(idle, self.flow.reactive)
        lowest, highest = squared + least.reshape(shape), squared + most.reshape(shape)
        up, down = _interval(self.flow.edge_response(n, f), most_drawn, most_given)
        carried = self._most_power(lowest)
        worst = {
            **self._voltages(lowest, highest),
            "edge_down": carried - down.reshape(shape),
            "edge_up": carried + up.reshape(shape),
        }
        return {family: (values < 0) & self._counts for family, values in worst.items()}

    def response(self, family: str, node: Array, phase: Array, slot: Array) -> Array:
        """Return what a kW drawn by each participant adds to the headroom at places (place,): (place, P) [V/kW, 1]."""
        pairs, which = np.unique(np.stack([node, phase]), axis=1, return_inverse=True)
        squared = self.flow.voltage_response(*pairs)[which.ravel()]
        if family in VOLTAGES:
            limit, sign = (self.low, 1.0) if family == "voltage_low" else (self.high, -1.0)
            per_square = sign * self.volts / (2 * limit)
            return np.asarray(squared * per_square[node, 0])
        over = self.flow.edge_response(*pairs)[which.ravel()]
        eased = squared * self.per_voltage[node, phase, slot][:, None]
        return np.asarray(eased - over if family == "edge_down" else eased + over)

    @property
    def _counts(self) -> Array:
        """Return which phases count (3, 1)."""
        return (np.arange(len(PHASES)) < self.phases)[:, None]

    def _voltages(self, lowest: Array, highest: Array) -> dict[str, Array]:
        return {
            "voltage_low": (lowest - self.low**2) * self.volts / (2 * self.low),
            "voltage_high": (self.high**2 - highest) * self.volts / (2 * self.high),
        }

    def _most_power(self, squared: Array) -> Array:
        """Return what edges carry (N, 3, T) [kW] at squared voltages (N, 3, T)."""
        return self.carries + np.where(self.per_voltage > 0, self.per_voltage * (squared - 1.0), 0.0)


def _interval(response: Array, most_drawn: Array, most_given: Array) -> tuple[Array, Array]:
    """Return the least and the greatest sum (place, T) of responses (place, P) to powers within bounds (P, T)."""
    more, less = np.maximum(response, 0.0), np.minimum(response, 0.0)
    return less @ most_drawn - more @ most_given, more @ most_drawn - less @ most_given


def network_limits(inputs: xr.Dataset) -> NetworkLimits:
    """Return the limits that inputs state of their network, where they state some (:func:`stated`)."""
    parts: list[_Limits] = [wire_limits(inputs)] if any(name in inputs for name in NETWORK_LIMITS) else []
    parts += [of_nodes.node_limits(inputs)] if any(name in inputs for name in NODE_LIMITS) else []
    return NetworkLimits(tuple(parts))


@derived
def wire_limits(inputs: xr.Dataset) -> WireLimits:
    """Return the limits that inputs state of voltages and of what edges carry."""
    flow = linear_flow(inputs)
    rated = optional(inputs, "node_current_limit") * optional(inputs, "node_loading_limit")
    below = positions(inputs, "node_parent", "node") >= 0
    volts = optional(inputs, "node_voltage") / np.sqrt(3)
    rating = np.where(below, rated * volts / 1000, np.inf)[:, None, None]
    reactive = np.abs(flow.edge_power(flow.reactive))
    finite = np.isfinite(rating) & (rating > reactive)
    square = np.where(finite, rating, 1.0) ** 2 - np.where(finite, reactive, 0.0) ** 2
    carries = np.where(finite, np.sqrt(square), np.where(np.isinf(rating), np.inf, 0.0))
    per_voltage = np.where(finite, np.where(finite, rating, 0.0) ** 2 / (2 * np.sqrt(square)), 0.0)
    low, high = (optional(inputs, f"node_voltage_{side}")[:, None, None] for side in ("low", "high"))
    alike = np.ptp(flow.share, axis=1).max(initial=0.0) == 0.0
    return WireLimits(
        flow, low, high, volts[:, None, None], carries, per_voltage, 1 if alike else len(PHASES)
    )
