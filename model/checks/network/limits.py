"""Limits of the network that a run keeps, and what is scarce in it, computed again. Findings as in `physics`."""

from collections.abc import Iterator

import numpy as np

from ...labels import Array
from ..physics import PARTICIPANT, Finding, Run
from .flow import ENDS, Wires, at_phases, carries, headrooms, load_of

_NODE = ("node", "phase", "time")
_MET = 1e-4
"""How near to its limit [V, kW] is at it."""


def network(run: Run) -> Iterator[Finding]:
    """Yield limits that a run breaks which keeps those of its network, and values and prices of them that are none."""
    if "voltage_value" not in run.r:
        return
    wires, load = Wires(run), load_of(run)
    drop, power = wires.flow(load)
    low, high, headroom = headrooms(run, drop, power)
    for name, (below, unit) in headroom.items():
        yield Finding(f"{name} of the network", _NODE, -below, unit)
    for name, ends in ENDS.items():
        value = run.r[name]
        for sign, end in zip((1, -1), ends, strict=True):
            idle = np.where(headroom[end][0] > _MET * headroom[end][1], np.maximum(sign * value, 0.0), 0.0)
            yield Finding(f"{name} off the limit", _NODE, idle)
    for name, want in _prices(run, wires, power, low, high).items():
        yield Finding(name, PARTICIPANT, abs(run.r[name] - want), want)


def _prices(run: Run, wires: Wires, power: Array, low: Array, high: Array) -> dict[str, Array]:
    """Return what one more kWh drawn adds to the cost by each kind of limit (P, T): a kW of each participant alone."""
    volts, over = run.r["voltage_value"], run.r["edge_value"]
    drop, edge = wires.flow(at_phases(run, np.eye(run.participants, dtype=complex)))
    per_volt = run.i["node_voltage"][:, None, None] / np.sqrt(3) / (2 * np.where(volts > 0, high, low))
    eased = carries(run, power.imag)[1]
    voltage = np.einsum("nfp,nft->pt", -drop, volts * per_volt)
    congestion = np.einsum("nfp,nft->pt", edge.real, over)
    congestion += np.einsum("nfp,nft->pt", drop, abs(over) * eased)
    return {"voltage_price": voltage / run.hours, "congestion_price": congestion / run.hours}
