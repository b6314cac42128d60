"""The inputs of a clearing: defaults of the variable table filled in, and what the absence of a variable stands for.

It offers the table itself (``TABLE``), :func:`complete` and :func:`optional`; problems are those of `validation`.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..problems import InputError, Problem, suggestion
from .arrays import Field
from .currency import WANTED
from .variables import DIMS, KINDS, OPTIONAL_DIMS, REQUIRED, TABLE, Variable, attributes

__all__ = [
    "DIMS",
    "KINDS",
    "TABLE",
    "InputError",
    "Problem",
    "Variable",
    "attributes",
    "complete",
    "kinds",
    "optional",
    "suggestion",
]


def complete(dataset: xr.Dataset) -> xr.Dataset:
    """Return the Dataset with every default filled in, variables and dims in the table's order, and attributes.

    Missing devices become dimensions of length zero, and the noise of series becomes zero (`variables.NOISE`). Nothing
    is checked; call :func:`~otonari.data.inputs.validation.validate` on the result.

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
    lacking = [Problem("inputs", "", d, "a dimension without labels", "labels") for d in nameless]
    if "currency" not in dataset.attrs:
        lacking.append(Problem("inputs", "", "currency", "no such attribute", WANTED))
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
