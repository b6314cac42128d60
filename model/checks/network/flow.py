"""The linear power flow of a run, computed again: what is drawn, and how far voltages and edges are from their limits.

Currents at undisturbed voltages are summed edge by edge; the model has it as matrices. With u = (1, exp(-j 2 pi / 3),
exp(j 2 pi / 3)), a load P + jQ of phase f draws the current (P - jQ) u[f], an edge takes Z I off the voltage, and the
square of that falls by 2 Re(conj(u) Z I). Above a transformer currents from below have no zero sequence; its two sides
know of one another's positive sequence alone.
"""

import numpy as np

from ...labels import Array
from ..physics import Run, index

_U = np.exp(np.array([0.0, -2j, 2j]) * np.pi / 3)
_LIMITS = ("node_voltage_low", "node_voltage_high")
ENDS = {
    "voltage_value": ("highest voltage", "lowest voltage"),
    "edge_value": ("edge down", "edge up"),
    "node_value": ("power into a node", "power out of a node"),
}
"""Limits that a value is of where it is above zero, and below."""


class Wires:
    """The network: parents, nodes from the root on, how many transformers are above each, impedances per kVA."""

    def __init__(self, run: Run):
        i = run.i
        self.parent = index(run.labels["node"], i["node_parent"])
        self.line = i["node_edge"] != "transformer"
        depth, at = np.zeros(len(self.parent), dtype=int), self.parent
        while (at >= 0).any():
            depth, at = depth + (at >= 0), np.where(at >= 0, self.parent[at], -1)
        self.order = np.argsort(depth, kind="stable")[1:]
        self.level = np.zeros(len(depth), dtype=int)
        for n in self.order:
            self.level[n] = self.level[self.parent[n]] + (not self.line[n])
        base = i["node_voltage"] ** 2 / 3000.0
        self.one = (i["node_resistance"] + 1j * i["node_reactance"]) / base
        zero = (i["node_resistance_zero"] + 1j * i["node_reactance_zero"]) / base
        self.own, self.other = (zero + 2 * self.one) / 3, (zero - self.one) / 3

    def flow(self, load: Array) -> tuple[Array, Array]:
        """Return what loads (node, 3, k) [kVA] take off squared voltages, and the power over edges, in that shape."""
        near, far = np.conj(load) * _U[:, None], np.zeros_like(load)
        for n in self.order[::-1]:
            above = self.parent[n]
            far[above] += far[n]
            (near if self.line[n] else far)[above] += near[n]
        total, beyond = np.zeros_like(load), np.zeros_like(load)
        for n in self.order:
            z, above = self.one[n], self.parent[n]
            here = (self.own[n] - self.other[n]) * near[n] + self.other[n] * near[n].sum(axis=0)
            total[n] = (total if self.line[n] else beyond)[above] + here + z * _positive(far[n])
            beyond[n] = beyond[above] + z * (far[n] - far[n].mean(axis=0)) + z * _positive(near[n])
        power = np.conj((near + _positive(far.swapaxes(0, 1)).swapaxes(0, 1)) / _U[:, None])
        return 2 * (np.conj(_U)[:, None] * total).real, power


def _positive(current: Array) -> Array:
    """Return the positive sequence of currents (3, ...) as currents of the three phases."""
    turned = np.tensordot(np.conj(_U), current, 1) / 3
    return np.asarray(_U.reshape(-1, *[1] * turned.ndim) * turned)


def net_draw(run: Run) -> tuple[Array, Array]:
    """Return what participants (P, T), and vehicles as guests (V, T), draw less what they give [kW]."""
    r = run.r
    away = r["vehicle_import"] + r["vehicle_purchase"] - r["vehicle_export"] - r["vehicle_sale"]
    return r["draw"] - r["supply"], np.where(run.guest, away, 0.0)


def load_of(run: Run) -> Array:
    """Return what is drawn (node, 3, T) [kVA] by node and phase: real and, of demand, reactive power."""
    own, guests = net_draw(run)
    power = own.copy()
    vehicle, slot = np.nonzero(run.guest)
    host = index(run.labels["participant"], run.i["vehicle_host"])
    np.add.at(power, (host[vehicle, slot], slot), guests[vehicle, slot])
    factor = run.i.get("power_factor", np.ones(run.participants))[:, None]
    drawn = power + 1j * run.i["demand"] * np.sqrt(1 - factor**2) / factor
    return at_phases(run, drawn)


def at_phases(run: Run, drawn: Array) -> Array:
    """Return powers of participants (P, k) at their nodes and phases (node, 3, k)."""
    load = np.zeros((len(run.labels["node"]), 3, drawn.shape[1]), dtype=complex)
    names = run.i.get("participant_phase", np.full(run.participants, "abc"))
    for p, name in enumerate(names.tolist()):
        for phase in name:
            load[run.home[p], "abc".index(phase)] += drawn[p] / len(name)
    return load


def headrooms(
    run: Run, drop: Array, power: Array
) -> tuple[Array, Array, dict[str, tuple[Array, Array | float]]]:
    """Return limits of voltage (node, 1, 1), and how far each limit is (node, 3, T) [V, kW], with its scale."""
    i, nodes = run.i, len(run.labels["node"])
    low, high = (
        i.get(name, np.full(nodes, none))[:, None, None]
        for name, none in zip(_LIMITS, (0.5, 1.5), strict=True)
    )
    unit = i["node_voltage"][:, None, None] / np.sqrt(3)
    square = i.get("source_voltage", np.ones(len(run.hours))) ** 2 - drop
    able, per_square = carries(run, power.imag)
    most = able + per_square * (square - 1)
    return (
        low,
        high,
        {
            "lowest voltage": ((square - low**2) / (2 * low) * unit, unit),
            "highest voltage": ((high**2 - square) / (2 * high) * unit, unit),
            "edge down": (most - power.real, np.where(np.isinf(most), 1.0, able)),
            "edge up": (most + power.real, np.where(np.isinf(most), 1.0, able)),
        },
    )


def carries(run: Run, reactive: Array) -> tuple[Array, Array]:
    """Return what edges carry beside reactive power at nominal voltage, and per squared voltage (node, 3, T) [kW]."""
    i, nodes = run.i, len(run.labels["node"])
    rated = i.get("node_current_limit", np.full(nodes, np.inf)) * i.get(
        "node_loading_limit", np.full(nodes, np.inf)
    )
    rating = np.where(i["node_parent"] == "", np.inf, rated * i["node_voltage"] / np.sqrt(3) / 1000)
    able, more = np.full(reactive.shape, np.inf), np.zeros(reactive.shape)
    for n in np.flatnonzero(np.isfinite(rating)):
        left = np.maximum(rating[n] ** 2 - reactive[n] ** 2, 0.0)
        able[n] = np.sqrt(left)
        more[n] = np.divide(rating[n] ** 2, 2 * able[n], out=np.zeros_like(left), where=left > 0)
    return able, more


def below(run: Run) -> Array:
    """Return which nodes (node, node) the second of is at or below the first."""
    parent = index(run.labels["node"], run.i["node_parent"])
    at, found = np.arange(len(parent)), np.zeros((len(parent), len(parent)))
    while (at >= 0).any():
        inner = at >= 0
        found[at[inner], np.flatnonzero(inner)] = 1.0
        at = np.where(inner, parent[at], -1)
    return found


def node_headrooms(run: Run) -> dict[str, tuple[Array, Array | float]]:
    """Return how far limits over time of nodes are (node, T) [kW], with their scale; nothing where none is stated."""
    limits = [run.i.get(f"node_{way}_envelope") for way in ("import", "export")]
    if all(limit is None for limit in limits):
        return {}
    inside = below(run)
    drawn = inside @ run.at_nodes(*net_draw(run))
    unheld = inside @ run.at_nodes(run.unheld, np.zeros(run.guest.shape))
    into, out = ENDS["node_value"]
    found = dict[str, tuple[Array, Array | float]]()
    for name, sign, limit, least in ((into, 1, limits[0], unheld), (out, -1, limits[1], 0.0)):
        most = np.full(drawn.shape, np.inf) if limit is None else np.maximum(limit, least)
        found[name] = most - sign * drawn, np.where(np.isinf(most), 1.0, np.maximum(most, 1.0))
    return found
