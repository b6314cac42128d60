"""Power flow of a radial feeder over all slots, by power-grid-model.

An edge is a line or a transformer (delta above, grounded star below: Dyn); nodes between which there is no impedance are
one bus. The source holds its voltage at the root. Loads have constant power. The library iterates currents, whose
matrix it factorizes once for all slots; where that does not converge, Newton and Raphson's method decides.
"""

from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..errors import NoPowerFlow
from ..labels import Array, positions
from ..topology.fee_tree import from_leaves
from .loads import PHASES, taken

TOLERANCE = 1e-9
"""Of voltages, per unit, at which a power flow has converged."""
METHOD = "iterated currents"
MOST_ITERATIONS = 50
_DELTA, _STAR_GROUNDED = 2, 1
_CONSTANT_POWER = 0
_UNLIMITED = 1e9
"""Rated current [A] of a line that states none."""
_STIFF = 1e15
"""Short-circuit power of the source [VA]: its voltage is held, to 1e-10 under 100 kW."""
_MOST_RATED = 1e4
"""Greatest rated current [A] that is the base of a transformer's impedance."""
_NONE = 1e-9
"""Impedance [ohm] below which an edge has none."""
_LITTLE = 1e-6
"""Impedance [ohm] given to an edge that has none, where its current or another sequence matters."""


def power_flow(inputs: xr.Dataset, results: xr.Dataset, *, balanced: bool = False) -> xr.Dataset:
    """Return voltages, currents, loadings and losses of the network in every slot.

    Parameters
    ----------
    inputs, results : Dataset
        Of a run whose inputs describe the network (``node_voltage`` and others of the variable table).
    balanced : bool
        Whether the load of each node counts in equal parts on its phases.

    Returns
    -------
    Dataset
        ``voltage`` (node, phase, time) [1], phase to ground per nominal; ``current`` (node, phase, time) [A] in the
        edge to the parent, at the node; ``loading`` (node, time) [1], the greatest of its phases per rating;
        ``losses`` (node, time) [kW] in the edge; ``source_power`` and ``source_reactive_power`` (phase, time)
        [kW, kvar] out of the source.

    Raises
    ------
    NoPowerFlow
        If a slot has none: the loads are beyond what the network can carry at any voltage.
    """
    real, reactive = taken(inputs, results)
    if balanced:
        real, reactive = (
            np.repeat(p.mean(axis=1, keepdims=True), len(PHASES), axis=1) for p in (real, reactive)
        )
    return solved(inputs, real, reactive)


def solved(inputs: xr.Dataset, real: Array, reactive: Array) -> xr.Dataset:
    """Return the power flow of loads (node, phase, time) [kW, kvar]; see :func:`power_flow`."""
    from power_grid_model import CalculationMethod, ComponentType, PowerGridModel
    from power_grid_model.errors import PowerGridError  # type: ignore[attr-defined]

    source = optional(inputs, "source_voltage")
    loaded = np.flatnonzero(((real != 0) | (reactive != 0)).any(axis=(1, 2)))
    if not len(loaded):
        loaded = np.array([0])  # the library asks for one
    grid, edges = _components(inputs, loaded, source[0])
    solver = PowerGridModel(grid)
    update = _updates(grid, real[loaded], reactive[loaded], source)
    options: dict[str, Any] = {
        "symmetric": False,
        "error_tolerance": TOLERANCE,
        "max_iterations": MOST_ITERATIONS,
        "output_component_types": [kind for kind in grid if kind != ComponentType.asym_load],
    }
    quick, sure = CalculationMethod.iterative_current, CalculationMethod.newton_raphson
    try:
        found = solver.calculate_power_flow(update_data=update, calculation_method=quick, **options)
    except PowerGridError:
        try:
            found = solver.calculate_power_flow(update_data=update, calculation_method=sure, **options)
        except PowerGridError as error:
            raise NoPowerFlow(_unsolved(inputs, error)) from error
    return _answer(inputs, found, edges)


class _Edges:
    """Edges of the network to a power flow, by the position of the node below each; nodes that are one bus.

    ``bus`` (node,) is the topmost of the nodes that edges without impedance and rating make one. ``unlike`` are the
    transformers whose zero-sequence impedance is not that of the positive sequence: a line that only the zero sequence
    feels follows each.
    """

    def __init__(self, inputs: xr.Dataset):
        self.parent = positions(inputs, "node_parent", "node")
        self.voltage = np.asarray(inputs["node_voltage"].values)
        impedance = {
            name: optional(inputs, f"node_{name}")
            for name in ("resistance", "reactance", "resistance_zero", "reactance_zero")
        }
        one = impedance["resistance"] + 1j * impedance["reactance"]
        zero = impedance["resistance_zero"] + 1j * impedance["reactance_zero"]
        self.rating = optional(inputs, "node_current_limit")
        transformer = optional(inputs, "node_edge") == "transformer"
        below, bare = self.parent >= 0, ~transformer & (np.abs(one) < _NONE)
        joint = bare & np.isinf(self.rating)
        self.one, self.zero = (np.where(bare, _LITTLE, z) for z in (one, zero))
        self.line = np.flatnonzero(below & ~transformer & ~joint)
        self.transformer = np.flatnonzero(below & transformer)
        self.unlike = np.flatnonzero(below & transformer & (np.abs(zero - one) > _NONE))
        self.root = int(np.flatnonzero(~below)[0])
        self.bus = np.arange(len(below))
        for n in reversed(from_leaves(self.parent)):
            if below[n] and joint[n]:
                self.bus[n] = self.bus[self.parent[n]]
        self.buses = np.unique(self.bus)


def _components(inputs: xr.Dataset, loaded: Array, source: float) -> tuple[dict[Any, Any], _Edges]:
    """Return the network as power-grid-model takes it, with a load at each node that is ``loaded``, in their order.

    Of N nodes the ids are: n of a bus, N + n of the edge above it, 2 N + n of the bus between a transformer and the
    line that follows it, 3 N + n of that line, 4 N of the source, 4 N + 1 + n of a load.
    """
    from power_grid_model import ComponentType

    edges, count = _Edges(inputs), inputs.sizes["node"]
    inner = 2 * count + np.arange(count)
    ids = np.concatenate([edges.buses, inner[edges.unlike]])
    return {
        ComponentType.node: _array(ComponentType.node, id=ids, u_rated=edges.voltage[ids % count]),
        ComponentType.line: _lines(edges, inner, count),
        ComponentType.transformer: _transformers(edges, inner, count),
        ComponentType.source: _array(
            ComponentType.source,
            id=np.array([4 * count]),
            node=edges.bus[edges.root],
            status=1,
            u_ref=source,
            sk=_STIFF,
        ),
        ComponentType.asym_load: _array(
            ComponentType.asym_load,
            id=4 * count + 1 + loaded,
            node=edges.bus[loaded],
            status=1,
            type=_CONSTANT_POWER,
            p_specified=0.0,
            q_specified=0.0,
        ),
    }, edges


def _array(kind: Any, **fields: Any) -> Any:
    """Return components of a kind, as many as there are ids, with these fields."""
    from power_grid_model import DatasetType, initialize_array

    array = initialize_array(DatasetType.input, kind, len(fields["id"]))
    for name, value in fields.items():
        array[name] = value
    return array


def _lines(edges: _Edges, inner: Array, count: int) -> Any:
    """Return the lines, and behind each transformer that is ``unlike`` one that only the zero sequence feels."""
    from power_grid_model import ComponentType

    at, behind = edges.line, edges.unlike
    where = np.concatenate([at, behind])
    one = np.concatenate([edges.one[at], np.full(len(behind), _LITTLE)])
    zero = np.concatenate([edges.zero[at], (edges.zero - edges.one)[behind] + _LITTLE])
    return _array(
        ComponentType.line,
        id=np.concatenate([count + at, 3 * count + behind]),
        from_node=np.concatenate([edges.bus[edges.parent[at]], inner[behind]]),
        to_node=edges.bus[where],
        from_status=1,
        to_status=1,
        c1=0.0,
        tan1=0.0,
        c0=0.0,
        tan0=0.0,
        r1=one.real,
        x1=one.imag,
        r0=zero.real,
        x0=zero.imag,
        i_n=np.where(np.isinf(edges.rating), _UNLIMITED, edges.rating)[where],
    )


def _transformers(edges: _Edges, inner: Array, count: int) -> Any:
    """Return the transformers; those that are ``unlike`` end at the bus before the line behind them."""
    from power_grid_model import ComponentType

    at, unlike = edges.transformer, np.isin(edges.transformer, edges.unlike)
    one = edges.one[at] - np.where(unlike, _LITTLE, 0.0)  # which the line behind it has
    power = np.sqrt(3) * edges.voltage[at] * np.minimum(edges.rating[at], _MOST_RATED)  # [VA], the base
    base = edges.voltage[at] ** 2 / power  # [ohm]
    return _array(
        ComponentType.transformer,
        id=count + at,
        from_node=edges.bus[edges.parent[at]],
        to_node=np.where(unlike, inner[at], edges.bus[at]),
        from_status=1,
        to_status=1,
        winding_from=_DELTA,
        winding_to=_STAR_GROUNDED,
        clock=11,
        u1=edges.voltage[edges.parent[at]],
        u2=edges.voltage[at],
        sn=power,
        uk=np.abs(one) / base,
        pk=one.real / base * power,
        i0=0.0,
        p0=0.0,
        tap_side=0,
        tap_pos=0,
        tap_min=0,
        tap_max=0,
        tap_size=0.0,
    )


def _updates(grid: Any, real: Array, reactive: Array, source: Array) -> dict[Any, Any]:
    """Return the loads [W, var] of every slot as power-grid-model takes them, the source's voltage where it changes."""
    from power_grid_model import ComponentType, DatasetType, initialize_array

    slots = real.shape[2]

    def update(kind: Any, **fields: Any) -> Any:
        array = initialize_array(DatasetType.update, kind, (slots, len(grid[kind])))
        array["id"] = grid[kind]["id"]
        for name, value in fields.items():
            array[name] = value
        return array

    p, q = (1000 * power.transpose(2, 0, 1) for power in (real, reactive))
    loads = {ComponentType.asym_load: update(ComponentType.asym_load, p_specified=p, q_specified=q)}
    if np.ptp(source) == 0.0:  # which the library need not look at then, slot by slot
        return loads
    return loads | {ComponentType.source: update(ComponentType.source, u_ref=source[:, None])}


def _answer(inputs: xr.Dataset, found: Any, edges: _Edges) -> xr.Dataset:
    """Return what was found as a Dataset over the nodes."""
    from power_grid_model import ComponentType

    nodes, slots = inputs.sizes["node"], inputs.sizes["time"]
    at_bus = np.searchsorted(edges.buses, edges.bus)
    voltage = found[ComponentType.node]["u_pu"].transpose(1, 2, 0)[at_bus]
    current, losses = np.zeros((nodes, len(PHASES), slots)), np.zeros((nodes, slots))
    for kind, at in (
        (ComponentType.transformer, edges.transformer),
        (ComponentType.line, np.concatenate([edges.line, edges.unlike])),
    ):
        if len(at):
            own = found[kind]
            current[at] = own["i_to"].transpose(1, 2, 0)
            losses[at] += (own["p_from"] + own["p_to"]).sum(axis=2).T / 1000
    source = found[ComponentType.source]
    loading = current.max(axis=1) / edges.rating[:, None]
    per_slot, per_phase = ("node", "time"), ("node", "phase", "time")
    variables = {
        "voltage": (per_phase, voltage, "1", "voltage, phase to ground, per nominal"),
        "current": (per_phase, current, "A", "current in the edge to the parent, at the node"),
        "loading": (
            per_slot,
            loading,
            "1",
            "greatest current of a phase per rating of the edge to the parent",
        ),
        "losses": (per_slot, losses, "kW", "lost in the edge to the parent"),
        "source_power": (("phase", "time"), source["p"][:, 0].T / 1000, "kW", "real power out of the source"),
        "source_reactive_power": (
            ("phase", "time"),
            source["q"][:, 0].T / 1000,
            "kvar",
            "reactive power out of the source",
        ),
    }
    return xr.Dataset(
        {n: (d, v, {"units": u, "long_name": text}) for n, (d, v, u, text) in variables.items()},
        coords={"node": inputs["node"].values, "phase": list(PHASES), "time": inputs["time"].values},
    )


def _unsolved(inputs: xr.Dataset, error: Any) -> str:
    """Return which slots have no power flow."""
    failed = [int(n) for n in getattr(error, "failed_scenarios", ())]
    times = [str(t)[:16] for t in inputs["time"].values[failed]]
    where = f"{len(times)} slots, the first {times[0]} UTC" if times else "the slots"
    return (
        f"no power flow in {where}: the loads are beyond what the network carries, or an impedance is a slip"
    )
