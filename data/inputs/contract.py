"""The inputs of a clearing: defaults of the variable table filled in, and every problem of a Dataset at once.

It offers the table itself (``TABLE``), :func:`complete`, :func:`validate` and :func:`optional`.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..problems import InputError, Problem, suggestion
from . import devices
from .arrays import Field, derived
from .currency import MINOR_DIGITS, WANTED
from .tasks import contradictions
from .tree import faults
from .variables import DIMS, KINDS, OPTIONAL_DIMS, REQUIRED, TABLE, Variable, attributes

__all__ = [
    "DIMS",
    "KINDS",
    "MOST",
    "TABLE",
    "InputError",
    "Problem",
    "Variable",
    "attributes",
    "complete",
    "kinds",
    "optional",
    "require",
    "suggestion",
    "validate",
]


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


UNITS = 1000
"""Most units of a candidate."""


def complete(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with every default filled in, variables and dims in the table's order, and attributes.

    Missing devices become dimensions of length zero, and the noise of series becomes zero (`variables.NOISE`). Nothing
    is checked; call :func:`validate` on the result.

    Raises
    ------
    InputError
        Where a dimension has no labels, so that nothing could be said about its entries, or money no currency.
    """
    here = [d for d in DIMS if d not in OPTIONAL_DIMS or (d in dataset.dims and d != "node_to")]
    coords = {d: dataset[d].values if d in dataset.coords else _no_labels(d) for d in here}
    if "trade_fee" in dataset:
        coords["node_to"] = coords["node"]
    nameless = [d for d in DIMS if d in dataset.dims and d not in dataset.coords and d != "node_to"]
    lacking = [_problem(d, "a dimension without labels", "labels") for d in nameless]
    if "currency" not in dataset.attrs:
        lacking.append(_problem("currency", "no such attribute", WANTED))
    if lacking:
        raise InputError(lacking)
    sizes = {d: len(v) for d, v in coords.items()}
    attrs = {"time_zone": "UTC", **dataset.attrs}
    variables: dict[str, Any] = {}
    for name, row in TABLE.items():
        if name in dataset:
            array = dataset.variables[name]
            values = array.transpose(*row.dims).values if set(array.dims) == set(row.dims) else array.values
            dims = row.dims if set(array.dims) == set(row.dims) else array.dims
        elif (
            row.default in (None, "derived")
            or not all(d in sizes for d in row.dims)
            or (row.default is REQUIRED and 0 not in (sizes[d] for d in row.dims))
        ):
            continue
        else:
            values, dims = _default(row, variables, sizes), row.dims
        given = {k: v for k, v in array.attrs.items() if k == "units"} if name in dataset else {}
        variables[name] = (dims, _typed(values, row), {**attributes(row, attrs["currency"]), **given})
    unknown: dict[Any, Any] = {n: dataset[n] for n in dataset.data_vars if n not in TABLE}
    if "participant_kind" not in dataset:
        owners = ("demand", "pv_available", "battery_owner", "vehicle_owner", "vehicle_fuel_economy")
        known = {n: Field(*variables[n][:2]) for n in owners if n in variables}
        known["participant"] = Field(("participant",), coords["participant"])
        sound = all(n in known and _shaped(known[n], TABLE[n]) for n in owners)
        kind = kinds(known) if sound else np.full(sizes["participant"], "")
        unknown["participant_kind"] = (("participant",), kind, {"long_name": "kind of participant"})
    return xr.Dataset({**variables, **unknown}, coords=coords, attrs=attrs)


def optional(inputs: xr.Dataset, name: str) -> np.ndarray:
    """Return the values of an optional variable; where it is absent, those that its absence stands for."""
    if name in inputs:
        return np.asarray(inputs[name].values)
    row = TABLE[name]
    return np.full([inputs.sizes[d] for d in row.dims], row.absent)


def kinds(inputs: Mapping[Any, Any], business: Collection[str] = ()) -> np.ndarray:
    """Return the kind of each participant (participant,) from what it owns and uses.

    ``+phev`` is an owner of a vehicle with an engine, ``+ev`` of vehicles without one only; ``battery`` one of
    batteries that consumes and generates nothing.
    """
    people, engine = inputs["participant"].values, ~np.isnan(inputs["vehicle_fuel_economy"].values)
    uses, owns_pv = ((inputs[n].values > 0).any(axis=1) for n in ("demand", "pv_available"))
    owns_battery = np.isin(people, inputs["battery_owner"].values)
    owns_vehicle = np.isin(people, inputs["vehicle_owner"].values)
    owns_engine = np.isin(people, inputs["vehicle_owner"].values[engine])
    kind = np.where(owns_pv, "pv", "consumer").astype("<U24")
    kind = np.char.add(kind, np.where(owns_battery, "+battery", ""))
    kind = np.char.add(kind, np.where(owns_engine, "+phev", np.where(owns_vehicle, "+ev", "")))
    kind = np.where(owns_battery & ~(uses | owns_pv | owns_vehicle), "battery", kind)
    return np.where(np.isin(people, list(business)), "business", kind)


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
            *_components(inputs),
            *_devices(inputs),
            *_candidates(inputs),
        ]
    )


def require(inputs: xr.Dataset) -> None:
    """Raise :class:`InputError` with every problem of the Dataset, if there is one."""
    problems = validate(inputs)
    if problems:
        raise InputError(problems)


def require_decided(inputs: xr.Dataset) -> None:
    """Raise :class:`InputError` for what only a plan decides: sizes, and energies at the start."""
    names = [*(f"{device}_initial_energy" for device in devices.stores()), "candidate_size"]
    open_ = {name: inputs[name] for name in names if name in inputs}
    if "candidate" in inputs.dims and "candidate_size" not in inputs:
        size = optional(inputs, "candidate_size")
        open_["candidate_size"] = inputs["candidate_most"].copy(data=size).rename("candidate_size")
    problems = [
        problem
        for name, values in open_.items()
        for problem in _entries(
            inputs.assign({name: values}),
            name,
            np.isnan(values.values.astype(float)),
            "a number, outside of a plan",
        )
    ]
    if problems:
        raise InputError(sorted(problems))


def _shaped(array: Field, row: Variable) -> bool:
    """Return whether an array has the dims and the type of a row."""
    return array.dims == row.dims and array.dtype.kind == ("U" if row.unit == "label" else "f")


def _no_labels(dim: str) -> np.ndarray:
    return np.array([], dtype="datetime64[ns]" if dim == "time" else "<U1")


def _default(row: Variable, variables: dict[str, Any], sizes: dict[str, int]) -> np.ndarray:
    shape = tuple(sizes[d] for d in row.dims)
    if isinstance(row.default, tuple):
        sources = [variables[n][1] for n in row.default if n in variables]
        if len(sources) == len(row.default) and all(v.shape == shape and v.dtype == float for v in sources):
            return np.asarray(np.min(sources, axis=0))
        return np.full(shape, np.nan)  # problems of a source are reported at the source
    if row.unit == "label":
        return np.full(shape, "", dtype="<U24")
    if row.unit == "UTC":
        return np.full(shape, np.datetime64("NaT", "ns"), dtype="datetime64[ns]")
    return np.full(shape, np.nan if row.default is REQUIRED else row.default, dtype=float)


def _typed(values: np.ndarray, row: Variable) -> np.ndarray:
    """Return the values in the table's own type and without noise, or as they are where they cannot be converted."""
    target: Any = {"label": str, "UTC": "datetime64[ns]"}.get(row.unit, float)
    try:
        typed = np.asarray(values).astype(target)
    except (ValueError, TypeError):
        return np.asarray(values)
    return np.where(np.abs(typed) < row.noise, 0.0, typed) if row.noise else typed


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
        array = inputs.variables[name]
        if array.dims != row.dims:
            yield _problem(name, f"dims {array.dims}", f"dims {row.dims}")
        unit = attributes(row, currency).get("units")
        if currency and unit is not None and array.attrs.get("units", unit) != unit:
            yield _problem(name, f"unit {array.attrs['units']!r}", f"unit {unit!r}")
        kind = {"label": "U", "UTC": "M"}.get(row.unit, "f")
        if array.dtype.kind != kind:
            yield _problem(name, f"type {array.dtype}", {"U": "labels", "M": "times", "f": "numbers"}[kind])
    for dim in sorted({str(d) for d in inputs.dims} - {"time"}):
        labels, counts = np.unique(inputs[dim].values.astype(str), return_counts=True)
        for label in labels[counts > 1].tolist():
            yield _problem(dim, f"the label {label!r} twice", "labels that occur once")
        if "" in labels:
            yield _problem(dim, "an empty label", "labels of at least one character")
    if inputs["time"].dtype.kind != "M":
        yield _problem("time", f"type {inputs['time'].dtype}", "times")
    for dim in ("participant", "time", "tariff", "node"):
        if not inputs.sizes.get(dim):
            yield _problem(dim, "none", "at least one")


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
        return not any(wrong.any() for wrong, _ in _outside(name, row, array.values))

    return isinstance(array, Field) and array.known((_sound, name), inside)


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


def _components(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield all-in prices that are not the sums of their components."""
    if "component" not in inputs.dims:
        return
    own = inputs["component_tariff"].values[:, None] == inputs["tariff"].values
    for name, rate in (("retail_price", "component_price"), ("feed_in_price", "component_credit")):
        want = own.T @ optional(inputs, rate)
        wrong = ~np.isclose(inputs[name].values, want, rtol=1e-9, atol=1e-9)
        yield from _entries(inputs, name, wrong, f"the sum of {rate} over the components of the tariff")
    for name in ("peak", "tier"):
        if name in inputs.dims:
            want = optional(inputs, f"component_{name}").sum(axis=0)
            wrong = ~np.isclose(inputs[f"{name}_price"].values, want, rtol=1e-9, atol=1e-9)
            text = f"the sum of component_{name} over the components"
            yield from _entries(inputs, f"{name}_price", wrong, text)


def _devices(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield limits of devices that contradict one another, and electric vehicles without an engine's range."""
    for device in devices.stores():
        capacity = inputs[f"{device}_capacity"].values
        for name in (f"{device}_min_energy", f"{device}_final_energy"):
            yield from _entries(inputs, name, inputs[name].values > capacity, f"at most {device}_capacity")
        if (limit := f"{device}_final_limit") in inputs:
            least = np.fmax(inputs[f"{device}_min_energy"].values, inputs[f"{device}_final_energy"].values)
            want = f"at least {device}_min_energy and {device}_final_energy"
            yield from _entries(inputs, limit, inputs[limit].values < least, want)
        if (target := f"{device}_target") in inputs:
            over = inputs[target].values > capacity[:, None]
            yield from _entries(inputs, target, over, f"at most {device}_capacity")
    if "inverter_limit" in inputs:
        apart = optional(inputs, "participant_metering") == "gross"
        over = apart & np.isfinite(inputs["inverter_limit"].values)
        want = "none where PV is metered gross: its inverter is on a meter of its own"
        yield from _entries(inputs, "inverter_limit", over, want)
    over = inputs["vehicle_min_charge"].values > inputs["vehicle_charge_limit"].values
    yield from _entries(inputs, "vehicle_min_charge", over, "at most vehicle_charge_limit")
    for name, wrong, want in contradictions(inputs):
        yield from _entries(inputs, name, wrong, want)
    yield from _heat_pumps(inputs)


def _heat_pumps(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield limits of heat pumps and their tanks that contradict one another."""
    if "heat_pump" not in inputs.dims:
        return
    of = "heat_pump_"
    for name, most in (
        *((f"{of}{heat}_heat", f"{of}capacity") for heat in ("min", "initial", "final")),
        (f"{of}backup_limit", f"{of}power_limit"),
    ):
        if name in inputs:
            over = inputs[name].values > inputs[most].values
            yield from _entries(inputs, name, over, f"at most {most}")


def _candidates(inputs: xr.Dataset) -> Iterator[Problem]:
    """Yield candidates whose battery is another's, none or two candidates' at once, or not of their greatest size."""
    if "candidate" not in inputs.dims:
        return
    units = inputs["candidate_most"].values / np.maximum(optional(inputs, "candidate_unit"), 1e-300)
    many = (optional(inputs, "candidate_unit") > 0) & ((units > UNITS) | (units < 1 - 1e-9))
    want = f"a unit of which 1 to {UNITS} are the greatest size"
    if "candidate_unit" in inputs:
        yield from _entries(inputs, "candidate_unit", many, want)
    battery, own = inputs["candidate_battery"].values, inputs["candidate_kind"].values == "battery"
    labels, counts = np.unique(battery[own], return_counts=True)
    wrong = np.where(own, (battery == "") | np.isin(battery, labels[counts > 1]), battery != "")
    want = "a battery of its own where its kind is battery, else nothing"
    yield from _entries(inputs, "candidate_battery", wrong, want)
    size, most = optional(inputs, "candidate_size"), inputs["candidate_most"].values
    yield from _entries(inputs, "candidate_size", size > most, "at most candidate_most")
    yield from _raised_limits(inputs, np.isnan(size))
    yield from _widened_edges(inputs, np.isnan(size))
    place = {label: b for b, label in enumerate(inputs["battery"].values.tolist())}
    at = np.array([place.get(label, -1) for label in battery.tolist()], dtype=int)
    known = own & (at >= 0)
    if not known.any():
        return
    other = known & (inputs["battery_owner"].values[at] != inputs["candidate_owner"].values)
    yield from _entries(inputs, "candidate_owner", other, "the owner of its battery")
    open_, capacity = known & np.isnan(size), inputs["battery_capacity"].values[at]
    yield from _entries(
        inputs, "candidate_most", open_ & (capacity != most), "battery_capacity of its battery"
    )
    start, least = inputs["battery_initial_energy"].values[at], inputs["battery_min_energy"].values[at]
    outside = (start < least) | (start > capacity)
    want = "an initial energy within the bounds of its battery"
    yield from _entries(inputs, "candidate_battery", open_ & outside, want)
    ends, due = optional(inputs, "battery_final_limit")[at], optional(inputs, "battery_target")[at]
    kept = ~np.isnan(ends) | ~np.isnan(due).all(axis=1)
    want = "a battery without targets and without a limit at the end, until its size is decided"
    yield from _entries(inputs, "candidate_battery", open_ & kept, want)


def _widened_edges(inputs: xr.Dataset, undecided: np.ndarray) -> Iterator[Problem]:
    """Yield candidates for lines that widen no edge of the tree, another's too, or one without a limit of its size."""
    node, line = optional(inputs, "candidate_node"), inputs["candidate_kind"].values == "line"
    labels, counts = np.unique(node[line], return_counts=True)
    inner = inputs["node"].values[inputs["node_parent"].values != ""]
    alone = np.isin(node, inner) & ~np.isin(node, labels[counts > 1])
    wrong = np.where(line, ~alone, node != "")
    want = "a node below another of which it is the only line, where its kind is line, else nothing"
    told = inputs.assign(candidate_node=(("candidate",), node))
    yield from _entries(told, "candidate_node", wrong, want)
    if "trade_fee" in inputs:
        want = "no line where fees are of pairs of nodes: the rent of an edge is known on a tree"
        yield from _entries(inputs, "candidate_kind", line, want)
    place = {label: n for n, label in enumerate(inputs["node"].values.tolist())}
    at = np.array([place.get(label, -1) for label in node.tolist()], dtype=int)
    limit = inputs["node_limit"].values[at]
    over = line & alone & ~(inputs["candidate_most"].values <= np.where(np.isfinite(limit), limit, -1.0))
    yield from _entries(
        inputs, "candidate_most", undecided & over, "at most the limit of its edge, which has one"
    )


def _raised_limits(inputs: xr.Dataset, undecided: np.ndarray) -> Iterator[Problem]:
    """Yield candidates that raise no limit of a vehicle of their owner's, another's too, or one that is less."""
    vehicle, kind = optional(inputs, "candidate_vehicle"), inputs["candidate_kind"].values
    raising = np.isin(kind, ("charger", "v2h"))
    pairs = [f"{k} {v}" for k, v in zip(kind.tolist(), vehicle.tolist(), strict=True)]
    twice = np.array([pairs.count(pair) > 1 for pair in pairs], dtype=bool)
    wrong = np.where(raising, (vehicle == "") | twice, vehicle != "")
    want = "a vehicle of which it is the only one of its kind, where that is charger or v2h, else nothing"
    if raising.any() or wrong.any():
        yield from _entries(
            inputs.assign(candidate_vehicle=(("candidate",), vehicle)), "candidate_vehicle", wrong, want
        )
    place = {label: v for v, label in enumerate(inputs["vehicle"].values.tolist())}
    at = np.array([place.get(label, -1) for label in vehicle.tolist()], dtype=int)
    known = raising & (at >= 0)
    if not known.any():
        return
    other = known & (inputs["vehicle_owner"].values[at] != inputs["candidate_owner"].values)
    yield from _entries(inputs, "candidate_owner", other, "the owner of its vehicle")
    limits = (inputs[f"vehicle_{way}_limit"].values[at] for way in ("charge", "discharge"))
    over = known & undecided & (inputs["candidate_most"].values > np.where(kind == "charger", *limits))
    yield from _entries(inputs, "candidate_most", over, "at most the limit of its vehicle")
    start = inputs["vehicle_initial_energy"].values[at]
    outside = (start < inputs["vehicle_min_energy"].values[at]) | (
        start > inputs["vehicle_capacity"].values[at]
    )
    want = "a vehicle whose initial energy is within its bounds"
    if (outside & known & undecided).any():
        yield from _entries(inputs, "candidate_vehicle", known & undecided & outside, want)


def _entries(inputs: xr.Dataset, name: str, wrong: np.ndarray, want: str, most: int = 5) -> Iterator[Problem]:
    """Yield a problem for each of the first wrong entries, and one that counts the rest."""
    if not wrong.any():
        return
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
