"""Every problem of the inputs of a clearing at once: :func:`validate`, and :func:`require`, which raises them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from ..problems import InputError, Problem, suggestion
from . import devices
from .arrays import Field, derived
from .contract import optional
from .contradictions import contradictions
from .currency import MINOR_DIGITS, WANTED
from .tree import faults
from .variables import TABLE, Variable, attributes

_NAMED = {
    "component": ("component_tariff", "component_part", "component_basis"),
    "tier": (
        "component_tariff",
        "tier_tariff",
        "tier_price",
        "tier_start",
        "tier_period",
        "slot_day",
        "day_month",
    ),
    "peak": (
        "component_tariff",
        "peak_tariff",
        "peak_price",
        "peak_days",
        "peak_floor",
        "slot_day",
        "day_month",
    ),
    "task": ("task_load", "task_earliest", "task_deadline", "task_energy"),
    "step": ("flexible_load_shape", "flexible_load_step_hours"),
    "candidate": (
        "candidate_owner",
        "candidate_kind",
        "candidate_battery",
        "candidate_most",
        "candidate_cost",
    ),
}
"""What there is where a dim is."""

MOST = 1e6
"""Largest magnitude of a finite number (kW, kWh, km, money per kWh): beyond it, it is a slip or a stand-in for
no limit, and the solver's tolerances mean nothing."""


@derived
def validate(inputs: xr.Dataset) -> list[Problem]:
    """Return every problem of a completed Dataset, sorted; an empty list means that it can be cleared."""
    problems = [*_structure(inputs)]
    if problems:  # what follows reads variables of the right shape only
        return sorted(problems)
    return sorted(
        [
            *_values(inputs),
            *_labels(inputs),
            *_times(inputs),
            *_tree(inputs),
            *(
                problem
                for name, wrong, want in contradictions(inputs)
                for problem in _entries(inputs, name, wrong, want)
            ),
        ]
    )


def require(inputs: xr.Dataset) -> None:
    """Raise :class:`InputError` with every problem of the Dataset, if there is one."""
    problems = validate(inputs)
    if problems:
        raise InputError(problems)


def require_decided(inputs: xr.Dataset) -> None:
    """Raise :class:`InputError` for what only a plan decides: sizes, and energies at the start."""
    names = [name for device in devices.stores() if (name := f"{device}_initial_energy") in inputs]
    names += ["candidate_size"] if "candidate" in inputs.dims else []
    problems = [
        problem
        for name in names
        for problem in _entries(
            inputs, name, np.isnan(optional(inputs, name).astype(float)), "a number, outside of a plan"
        )
    ]
    if problems:
        raise InputError(sorted(problems))


def _structure(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield problems of names, dims, units, types and coordinates."""
    for name in inputs.data_vars:
        if name not in TABLE:
            yield _problem(
                str(name), "an unknown variable" + suggestion(str(name), TABLE), "one of the table's"
            )
    currency = str(inputs.attrs.get("currency", ""))
    if currency not in MINOR_DIGITS:
        yield _problem("currency", repr(currency) if currency else "no such attribute", WANTED)
    wanted = {name for dim, names in _NAMED.items() if dim in inputs.dims for name in names}
    for name, row in TABLE.items():
        if name not in inputs:
            absent = any(d in devices.LATER and d not in inputs.dims for d in row.dims)
            if not absent and (row.default is not None or name in wanted):
                yield _problem(name, "nothing", f"a variable over {row.dims}")
            continue
        yield from _once(inputs.variables[name], _form, name, currency)
    for dim in sorted({str(d) for d in inputs.dims} - {"time"}):
        yield from _once(inputs[dim], _names, dim)
    if inputs["time"].dtype.kind != "M":
        yield _problem("time", f"type {inputs['time'].dtype}", "times")
    for dim in ("participant", "time", "tariff", "node"):
        if not inputs.sizes.get(dim):
            yield _problem(dim, "none", "at least one")


def _once(array: Any, faults: Callable[..., Iterator[Problem]], name: str, *more: str) -> list[Problem]:
    """Return the faults of an array, kept by a field: windows of a simulation share most of them."""
    if isinstance(array, Field):
        return array.known((faults, name, *more), lambda: list(faults(array, name, *more)))
    return list(faults(array, name, *more))


def _form(array: Any, name: str, currency: str) -> Iterator[Problem]:
    """Yield problems of the dims, the unit and the type of a variable."""
    row = TABLE[name]
    if array.dims != row.dims:
        yield _problem(name, f"dims {array.dims}", f"dims {row.dims}")
    unit = attributes(row, currency).get("units")
    if currency and unit is not None and array.attrs.get("units", unit) != unit:
        yield _problem(name, f"unit {array.attrs['units']!r}", f"unit {unit!r}")
    kind = {"label": "U", "UTC": "M"}.get(row.unit, "f")
    if array.dtype.kind != kind:
        yield _problem(name, f"type {array.dtype}", {"U": "labels", "M": "times", "f": "numbers"}[kind])


def _names(array: Any, dim: str) -> Iterator[Problem]:
    """Yield labels of a dim that occur twice, or are empty."""
    labels, counts = np.unique(array.values.astype(str), return_counts=True)
    for label in labels[counts > 1].tolist():
        yield _problem(dim, f"the label {label!r} twice", "labels that occur once")
    if "" in labels:
        yield _problem(dim, "an empty label", "labels of at least one character")


def _values(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield the entries that are not numbers, or that lie outside their bounds."""
    for name, row in TABLE.items():
        if name not in inputs or row.unit == "label" or _sound(name, row, inputs.variables[name]):
            continue
        for wrong, want in _outside(name, row, inputs.variables[name].values):
            yield from _entries(inputs, name, wrong, want)


def _sound(name: str, row: Variable, array: Any) -> bool:
    """Tell whether a plain array is known to lie within its bounds: windows of a simulation share most of them."""

    def inside() -> bool:
        return _between(row, array.values) or not any(
            wrong.any() for wrong, _ in _outside(name, row, array.values)
        )

    return isinstance(array, Field) and array.known((_sound, name), inside)


def _between(row: Variable, values: np.ndarray) -> bool:
    """Tell whether the least and the greatest value alone show that all are sound numbers; NaN shows nothing."""
    if not values.size or values.dtype.kind != "f":
        return False
    low, high = values.min(), values.max()
    enough = low > row.low if row.low_open else low >= row.low
    return bool(enough and low >= max(row.least, -MOST) and high <= min(row.high, MOST))


def _outside(name: str, row: Variable, values: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """Yield which values of a variable are wrong in a respect, and what is wanted."""
    if row.unit == "UTC":
        yield np.isnat(values), "a time"
        return
    if not row.nan:
        yield np.isnan(values), "a number"
    unlimited = name.endswith(("_limit", "_envelope")) and row.dims[0] not in devices.DEVICES
    if not unlimited:
        yield np.isinf(values), "a finite number"
    large = np.isfinite(values) & (np.abs(values) > MOST)
    yield large, f"a magnitude of at most {MOST:.0e}".replace("e+0", "e")
    low = values <= row.low if row.low_open else values < row.low
    yield low, f"{'more than' if row.low_open else 'at least'} {row.low:g}"
    small = (values > max(row.low, 0.0)) & (values < row.least)
    yield small, f"0, or at least {row.least:g} {row.unit}"
    yield (values > row.high) & ~np.isinf(values), f"at most {row.high:g}"


def _labels(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield the labels that name nothing, and words that have no meaning."""
    for name, row in TABLE.items():
        if row.of and name in inputs:
            known = inputs.variables[row.of]
            wrong = _nameless(inputs.variables[name], known, row.empty)
            if wrong.any():
                values = inputs.variables[name].values
                near = suggestion(str(values[wrong][0]), known.values.astype(str).tolist())
                yield from _entries(inputs, name, wrong, f"a label of dimension {row.of!r}{near}")
        if row.words and name in inputs:
            wrong = ~np.isin(inputs[name].values, row.words)
            yield from _entries(inputs, name, wrong, f"one of {', '.join(row.words)}")


def _nameless(array: Any, known: Any, empty: bool) -> np.ndarray:
    """Return which labels of a variable are not among the known ones, nor empty where that means something."""

    def wrong() -> np.ndarray:
        values = array.values
        return np.asarray(~np.isin(values, known.values.astype(str)) & ~((values == "") & empty))

    return array.known((_nameless, known, empty), wrong) if isinstance(array, Field) else wrong()


def _times(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield gaps and overlaps of the slots, and trips that overlap or lie outside the horizon."""
    time, hours = inputs["time"].values, inputs["slot_hours"].values
    if not np.isfinite(hours).all():  # reported already
        return
    least = 1 / 60 - 1e-9  # clocks of forecasts, days and products are divided into minutes
    yield from _entries(inputs, "slot_hours", hours < least, "slots of a minute or more (1/60 h)")
    end = time + np.round(hours * 3.6e12).astype("timedelta64[ns]")
    wrong = np.concatenate([[False], time[1:] != end[:-1]])
    yield from _entries(inputs, "time", wrong, "the end of the slot before")
    departure, arrival = inputs["trip_departure"].values, inputs["trip_arrival"].values
    yield from _entries(inputs, "trip_arrival", arrival <= departure, "an arrival after the departure")
    outside = (departure < time[0]) | (departure >= end[-1])
    yield from _entries(inputs, "trip_departure", outside, "a departure within the horizon")
    order = np.lexsort((departure, inputs["trip_vehicle"].values))
    same = inputs["trip_vehicle"].values[order][1:] == inputs["trip_vehicle"].values[order][:-1]
    overlap = np.zeros(len(order), dtype=bool)
    overlap[order[1:]] = same & (departure[order][1:] < arrival[order][:-1])
    yield from _entries(inputs, "trip_departure", overlap, "a departure after the arrival of the trip before")
    yield from _entries(
        inputs, "trip_vehicle", _plugged(inputs, end), 'a vehicle whose vehicle_host is "" while it drives'
    )


def _plugged(inputs: xr.Dataset, end: np.ndarray) -> np.ndarray:
    """Return whether the vehicle of each trip (trip,) is plugged in a slot that the trip overlaps."""
    time = inputs["time"].values
    place = {label: v for v, label in enumerate(inputs["vehicle"].values.tolist())}
    vehicle = np.array([place.get(v, -1) for v in inputs["trip_vehicle"].values.tolist()], dtype=int)
    if (time[1:] < end[:-1]).any() or not inputs.sizes["vehicle"]:  # reported already
        return np.zeros(len(vehicle), dtype=bool)
    first = np.searchsorted(end, inputs["trip_departure"].values, side="right")
    last = np.searchsorted(time, inputs["trip_arrival"].values, side="left")
    slots = np.cumsum(inputs["vehicle_host"].values != "", axis=1)
    before = np.concatenate([np.zeros((len(slots), 1), dtype=int), slots], axis=1)  # plugged slots so far
    return np.asarray((vehicle >= 0) & (before[vehicle, last] > before[vehicle, first]))


def _tree(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield the faults of the tree of nodes: cycles, and roots other than one."""
    nodes, parents = inputs["node"].values.tolist(), inputs["node_parent"].values.tolist()
    for i, got, want in faults(nodes, parents):
        yield _problem("node_parent", got, want, f"node={nodes[i]}")


def _entries(inputs: xr.Dataset, name: str, wrong: np.ndarray, want: str, most: int = 5) -> Iterator[Problem]:
    """Yield a problem for each of the first wrong entries, and one that counts the rest."""
    if not wrong.any():
        return
    if name not in inputs:
        inputs = inputs.assign({name: (TABLE[name].dims, optional(inputs, name))})
    array, places = inputs[name], np.argwhere(wrong)
    for place in places[:most]:
        labels = (f"{d}={_label(inputs[d].values[i])}" for d, i in zip(array.dims, place, strict=True))
        got = array.values[tuple(place)]
        yield _problem(name, _label(got) or '""', want, ", ".join(labels))
    if len(places) > most:
        yield _problem(name, f"{len(places) - most} more entries like these", want, "~")


def _label(value: Any) -> str:
    return np.datetime_as_string(value, unit="m") if isinstance(value, np.datetime64) else f"{value}"


def _problem(field: str, got: str, want: str, row: str = "") -> Problem:
    return Problem("inputs", row, field, got, want)
