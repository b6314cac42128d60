"""What a scenario's network is to a power flow: impedances and ratings of its edges, voltages, phases."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..inputs.tree import downward
from ..problems import Problem, suggestion
from ..schema.grid import Grid
from ..schema.table_rows import UK_PERCENT, UR_PERCENT, Node, Participant
from .catalogue import CABLES, RETURN

Columns = dict[str, tuple[tuple[str, ...], np.ndarray]]
"""Variables of inputs: name -> dims and values."""


def feeder(grid: Grid | None, nodes: Sequence[Node], slots: int) -> tuple[Columns, list[Problem]]:
    """Return what the network is to a power flow, and what is wrong with it; nothing where nothing is said of it.

    ``node_voltage`` [V], ``node_edge``, ``node_resistance``, ``node_reactance`` and those of the zero sequence [ohm],
    ``node_current_limit`` [A] (node,): each of the edge to the parent, at the node's voltage; ``source_voltage``
    (time,) [1]. Where a clearing keeps limits, ``node_voltage_low``, ``node_voltage_high`` and ``node_loading_limit``
    (node,) [1], within their margin; ``lost_energy_price`` (time,), where who causes losses pays for them.
    """
    if grid is None and not any(node.electrical for node in nodes):
        return {}, []
    grid = grid or Grid()
    place = {node.node: n for n, node in enumerate(nodes)}
    voltage = np.full(len(nodes), grid.voltage_v)
    faults: list[Problem] = []
    for n in downward([node.node for node in nodes], [node.parent or "" for node in nodes]):
        node = nodes[n]
        above = place.get(node.parent or "")
        voltage[n] = node.voltage_v or (grid.voltage_v if above is None else voltage[above])
        faults += _faults(node, voltage[n], None if above is None else voltage[above])
    if faults:
        return {}, faults
    edges = [_edge(node, volts) for node, volts in zip(nodes, voltage, strict=True)]
    impedance = np.array([edge[0] for edge in edges])
    d = ("node",)
    kind = np.array(["line" if node.transformer_kva is None else "transformer" for node in nodes], dtype=str)
    return {
        "node_voltage": (d, voltage),
        "node_edge": (d, kind),
        "node_resistance": (d, impedance[:, 0].real),
        "node_reactance": (d, impedance[:, 0].imag),
        "node_resistance_zero": (d, impedance[:, 1].real),
        "node_reactance_zero": (d, impedance[:, 1].imag),
        "node_current_limit": (d, np.array([edge[1] for edge in edges])),
        "source_voltage": (("time",), np.full(slots, grid.source_voltage)),
        **_limits(grid, len(nodes)),
        **_losses(grid, slots),
    }, []


def _losses(grid: Grid, slots: int) -> Columns:
    """Return the price of lost energy (time,), where who causes it pays; nothing where the retailers do."""
    price = grid.loss_price_per_kwh
    return {} if price is None else {"lost_energy_price": (("time",), np.full(slots, price, dtype=float))}


def _limits(grid: Grid, count: int) -> Columns:
    """Return the limits (node,) that a clearing keeps; nothing where it keeps none."""
    kept = {
        "node_voltage_low": grid.voltage_low + grid.margin,
        "node_voltage_high": grid.voltage_high - grid.margin,
        "node_loading_limit": 1 - grid.rating_margin,
    }
    return {n: (("node",), np.full(count, value)) for n, value in kept.items() if grid.limits == "rows"}


def connections(grid: Grid | None, participants: Sequence[Participant], seed: int) -> dict[str, Any]:
    """Return phases and power factors of the participants (participant,).

    A home that states no phase is on one of three: which, the seed and its label decide, so that it is the same
    whichever others there are.
    """
    grid = grid or Grid()
    d = ("participant",)
    phase = [row.phase or _drawn(row, seed) for row in participants]
    factor = [grid.power_factor if row.power_factor is None else row.power_factor for row in participants]
    return {
        "participant_phase": (d, np.array(phase, dtype=str)),
        "power_factor": (d, np.array(factor, dtype=float)),
    }


def _drawn(row: Participant, seed: int) -> str:
    if row.kind != "home":
        return "abc"
    return "abc"[hashlib.sha256(f"phase {seed} {row.participant}".encode()).digest()[0] % 3]


def _edge(node: Node, voltage: float) -> tuple[tuple[complex, complex], float]:
    """Return positive- and zero-sequence impedance [ohm] of the edge to the parent, and its rated current [A]."""
    rating = np.inf if node.rating_a is None else node.rating_a
    if node.cable is not None:
        cable, km = CABLES[node.cable], (node.length_m or 0.0) / 1000
        one, zero = complex(cable.r, cable.x) * km, complex(cable.r0, cable.x0) * km
        rating = cable.rating if node.rating_a is None else rating
    elif node.transformer_kva is not None:
        uk, ur = (
            default if stated is None else stated
            for stated, default in (
                (node.transformer_uk_percent, UK_PERCENT),
                (node.transformer_ur_percent, UR_PERCENT),
            )
        )
        base = voltage**2 / (1000 * node.transformer_kva)  # [ohm]
        one = zero = complex(ur, np.sqrt(uk**2 - ur**2)) / 100 * base
        rating = 1000 * node.transformer_kva / (np.sqrt(3) * voltage) if node.rating_a is None else rating
    else:
        one = complex(node.r_ohm or 0.0, node.x_ohm or 0.0)
        zero = RETURN * one
    if node.r0_ohm is not None:
        zero = complex(node.r0_ohm, node.x0_ohm or 0.0)
    return (one, zero), rating


def _faults(node: Node, voltage: float, above: float | None) -> list[Problem]:
    """Return what is wrong with a node's edge, between its voltage and the one above [V]."""
    faults = []
    row = f"node={node.node}"
    if node.cable is not None and node.cable not in CABLES:
        want = f"a cable of the catalogue{suggestion(node.cable, list(CABLES))}"
        faults.append(Problem("nodes", row, "cable", repr(node.cable), want))
    if above is None and any(v is not None for v in (node.cable, node.r_ohm, node.transformer_kva)):
        faults.append(Problem("nodes", row, "node", "an edge of the root", "none: nothing is above it"))
    if above is not None and node.transformer_kva is None and voltage != above:
        got = f"{voltage:g} V below {above:g} V"
        faults.append(Problem("nodes", row, "voltage_v", got, "a transformer (transformer_kva) between them"))
    return faults
