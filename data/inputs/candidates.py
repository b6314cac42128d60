"""What candidates of a plan must obey beyond the bounds of single numbers."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from .contract import optional
from .tasks import Wrong

UNITS = 1000
"""Most units of a candidate."""


def contradictions(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield candidates whose battery is another's, none or two candidates' at once, or not of their greatest size."""
    if "candidate" not in inputs.dims:
        return
    units = inputs["candidate_most"].values / np.maximum(optional(inputs, "candidate_unit"), 1e-300)
    many = (optional(inputs, "candidate_unit") > 0) & ((units > UNITS) | (units < 1 - 1e-9))
    want = f"a unit of which 1 to {UNITS} are the greatest size"
    if "candidate_unit" in inputs:
        yield "candidate_unit", many, want
    battery, own = inputs["candidate_battery"].values, inputs["candidate_kind"].values == "battery"
    labels, counts = np.unique(battery[own], return_counts=True)
    wrong = np.where(own, (battery == "") | np.isin(battery, labels[counts > 1]), battery != "")
    want = "a battery of its own where its kind is battery, else nothing"
    yield "candidate_battery", wrong, want
    size, most = optional(inputs, "candidate_size"), inputs["candidate_most"].values
    yield "candidate_size", size > most, "at most candidate_most"
    yield from _raised_limits(inputs, np.isnan(size))
    yield from _widened_edges(inputs, np.isnan(size))
    place = {label: b for b, label in enumerate(inputs["battery"].values.tolist())}
    at = np.array([place.get(label, -1) for label in battery.tolist()], dtype=int)
    known = own & (at >= 0)
    if not known.any():
        return
    other = known & (inputs["battery_owner"].values[at] != inputs["candidate_owner"].values)
    yield "candidate_owner", other, "the owner of its battery"
    open_, capacity = known & np.isnan(size), inputs["battery_capacity"].values[at]
    yield "candidate_most", open_ & (capacity != most), "battery_capacity of its battery"
    start, least = inputs["battery_initial_energy"].values[at], inputs["battery_min_energy"].values[at]
    outside = (start < least) | (start > capacity)
    want = "an initial energy within the bounds of its battery"
    yield "candidate_battery", open_ & outside, want
    ends, due = optional(inputs, "battery_final_limit")[at], optional(inputs, "battery_target")[at]
    kept = ~np.isnan(ends) | ~np.isnan(due).all(axis=1)
    want = "a battery without targets and without a limit at the end, until its size is decided"
    yield "candidate_battery", open_ & kept, want


def _widened_edges(inputs: xr.Dataset, undecided: np.ndarray) -> Iterator[Wrong]:
    """Yield candidates for lines that widen no edge of the tree, another's too, or one without a limit of its size."""
    node, line = optional(inputs, "candidate_node"), inputs["candidate_kind"].values == "line"
    labels, counts = np.unique(node[line], return_counts=True)
    inner = inputs["node"].values[inputs["node_parent"].values != ""]
    alone = np.isin(node, inner) & ~np.isin(node, labels[counts > 1])
    wrong = np.where(line, ~alone, node != "")
    want = "a node below another of which it is the only line, where its kind is line, else nothing"
    yield "candidate_node", wrong, want
    if "trade_fee" in inputs:
        want = "no line where fees are of pairs of nodes: the rent of an edge is known on a tree"
        yield "candidate_kind", line, want
    place = {label: n for n, label in enumerate(inputs["node"].values.tolist())}
    at = np.array([place.get(label, -1) for label in node.tolist()], dtype=int)
    limit = inputs["node_limit"].values[at]
    over = line & alone & ~(inputs["candidate_most"].values <= np.where(np.isfinite(limit), limit, -1.0))
    yield "candidate_most", undecided & over, "at most the limit of its edge, which has one"


def _raised_limits(inputs: xr.Dataset, undecided: np.ndarray) -> Iterator[Wrong]:
    """Yield candidates that raise no limit of a vehicle of their owner's, another's too, or one that is less."""
    vehicle, kind = optional(inputs, "candidate_vehicle"), inputs["candidate_kind"].values
    raising = np.isin(kind, ("charger", "v2h"))
    pairs = [f"{k} {v}" for k, v in zip(kind.tolist(), vehicle.tolist(), strict=True)]
    twice = np.array([pairs.count(pair) > 1 for pair in pairs], dtype=bool)
    wrong = np.where(raising, (vehicle == "") | twice, vehicle != "")
    want = "a vehicle of which it is the only one of its kind, where that is charger or v2h, else nothing"
    if raising.any() or wrong.any():
        yield "candidate_vehicle", wrong, want
    place = {label: v for v, label in enumerate(inputs["vehicle"].values.tolist())}
    at = np.array([place.get(label, -1) for label in vehicle.tolist()], dtype=int)
    known = raising & (at >= 0)
    if not known.any():
        return
    other = known & (inputs["vehicle_owner"].values[at] != inputs["candidate_owner"].values)
    yield "candidate_owner", other, "the owner of its vehicle"
    limits = (inputs[f"vehicle_{way}_limit"].values[at] for way in ("charge", "discharge"))
    over = known & undecided & (inputs["candidate_most"].values > np.where(kind == "charger", *limits))
    yield "candidate_most", over, "at most the limit of its vehicle"
    start = inputs["vehicle_initial_energy"].values[at]
    outside = (start < inputs["vehicle_min_energy"].values[at]) | (
        start > inputs["vehicle_capacity"].values[at]
    )
    want = "a vehicle whose initial energy is within its bounds"
    if (outside & known & undecided).any():
        yield "candidate_vehicle", known & undecided & outside, want
