"""Limits of the network that a run keeps, and what is scarce in it, computed again. Findings as in `physics`."""

from collections.abc import Iterator, Mapping

import numpy as np

from ...labels import Array
from ..physics import PARTICIPANT, Finding, Run
from .flow import ENDS, Wires, at_phases, below, carries, headrooms, load_of, node_headrooms

_NODE = {2: ("node", "time"), 3: ("node", "phase", "time")}
_MET = 1e-4
"""How near to its limit [V, kW] is at it."""


def network(run: Run, kept: bool = True) -> Iterator[Finding]:
    """Yield limits that a run breaks which keeps those of its network, and values and prices of them that are none.

    Limits over time of nodes are ``kept`` but where agents trade; those of wires where the run says what they are worth.
    """
    headroom = node_headrooms(run) if kept else {}
    price = dict[str, Array]()
    if "voltage_value" in run.r:
        wires, load = Wires(run), load_of(run)
        drop, power = wires.flow(load)
        low, high, of_wires = headrooms(run, drop, power)
        headroom |= of_wires
        price |= _prices(run, wires, power, low, high)
    for name, (left, unit) in headroom.items():
        yield Finding(f"{name} of the network", _NODE[left.ndim], -left, unit)
    if "node_value" in run.r:
        over = np.tensordot(below(run)[:, run.home], run.r["node_value"], axes=(0, 0)) / run.hours
        price["congestion_price"] = price.get("congestion_price", 0.0) + over
    yield from _off_limit(run, headroom)
    for name, want in price.items():
        yield Finding(name, PARTICIPANT, abs(run.r[name] - want), want)


def _off_limit(run: Run, headroom: Mapping[str, tuple[Array, Array | float]]) -> Iterator[Finding]:
    """Yield values of limits that are not met."""
    for name, ends in ENDS.items():
        if name not in run.r:
            continue
        value = run.r[name]
        for sign, end in zip((1, -1), ends, strict=True):
            left, unit = headroom[end]
            idle = np.where(left > _MET * unit, np.maximum(sign * value, 0.0), 0.0)
            yield Finding(f"{name} off the limit", _NODE[value.ndim], idle)


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
