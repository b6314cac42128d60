"""Format of a run: its groups, attributes, encodings and digests."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ...model.settlement.account_lines import LATER
from . import digest
from .atomic_file import RunFileError

FORMAT = 1
"""Version of the layout, in the root attribute ``otonari_run_format``."""


BOUNDS = "time_bnds"
"""Begin and end of each slot, in every group of a file that has time; they follow from ``slot_hours``."""
GROUPS = ("inputs", "results", "trades", "settlement")
MARGINAL = "marginal"
NETWORK = "network"
FORECAST = "forecast"
ORDER_BOOK = "order_book"
BESIDE = (MARGINAL, NETWORK, FORECAST, ORDER_BOOK)
"""Groups that say more of a run and do not identify it: marginal values, power flows, forecasts, order books."""
FURTHER = ("allocation", *BESIDE)
"""Groups that only some runs have: what a settled one allocates, and those beside it."""


TIME_ATTRIBUTES = {"standard_name": "time", "long_name": "start of the slot, UTC", "axis": "T"}


def as_tree(*datasets: xr.Dataset, **further: xr.Dataset) -> xr.DataTree:
    """Return a run of the Datasets of ``GROUPS`` and further ones, their time axes with the attributes of CF."""
    names = (*GROUPS, *further)
    tree = xr.DataTree.from_dict(dict(zip(names, (*datasets, *further.values()), strict=True)))
    zone = str(tree["inputs"].attrs.get("time_zone", "UTC"))
    for group in tree.children.values():  # whose variables, and their attributes, are copies
        for name, variable in group.variables.items():
            if name == "time":
                variable.attrs |= {**TIME_ATTRIBUTES, "comment": f"days are those of {zone}"}
            elif "time" in variable.dims and _is_mean(str(variable.attrs.get("units", ""))):
                variable.attrs["cell_methods"] = "time: mean"
    return tree


def _is_mean(unit: str) -> bool:
    """Return whether a value over time is the mean of its slot, by its unit: power, and what a kWh costs or emits."""
    return unit == "kW" or unit.endswith("/kWh")


def account_line(settlement: xr.Dataset, name: str) -> xr.DataArray:
    """Return a line of the accounts (participant,); 0 of money that the file was stored before the settlement had."""
    return settlement["bill"] * 0.0 if name in LATER and name not in settlement else settlement[name]


def hints(tree: xr.DataTree) -> dict[str, str]:
    """Return the root attributes for who opens a file of groups as one Dataset and sees none of its variables."""
    return {
        "groups": ", ".join(groups(tree)),
        "comment": "All variables are in groups: xarray.open_datatree(FILE), or open_dataset(FILE, group='results').",
    }


def bounds(tree: xr.DataTree, group: str) -> np.ndarray[Any, Any] | None:
    """Return begin and end of each slot (time, 2) of a group, as CF has the cells of a mean; None without its hours."""
    inputs, own = tree["inputs"].to_dataset(), tree[group].to_dataset()
    if "time" not in own.coords or "slot_hours" not in inputs:
        return None
    begin, hours = own["time"].values, inputs["slot_hours"].values
    plain = begin.dtype.kind == "M" and hours.dtype.kind == "f" and begin.shape == hours.shape
    if (
        not plain
        or not np.isfinite(hours).all()
        or np.isnat(begin).any()
        or abs(hours).max(initial=0.0) > 1e5
    ):
        return None
    seconds = np.rint(3600 * hours).astype("timedelta64[s]")
    return np.stack([begin, begin + seconds], axis=1).astype("datetime64[ns]")


def digests(tree: xr.DataTree) -> dict[str, str]:
    """Return the digests of a run: of its inputs, and of the groups computed from them."""
    scale = dict.fromkeys((*GROUPS, *FURTHER), digest.RESULTS_SCALE)
    scale |= dict.fromkeys(("inputs", "allocation"), digest.INPUTS_SCALE)
    return {
        f"{g}_digest": digest.values(tree[g].to_dataset(), f"otonari {g} 1", scale[g]) for g in groups(tree)
    }


def groups(tree: xr.DataTree) -> tuple[str, ...]:
    """Return the groups that a run has."""
    return (*GROUPS, *(group for group in FURTHER if group in tree.children))


def attributes_digest(attributes: Mapping[str, Any]) -> str:
    """Return the digest of all root attributes but itself: SHA-256 of them as JSON, by name and in ASCII."""
    others = {name: scalar(value) for name, value in attributes.items() if name != "attributes_digest"}
    return hashlib.sha256(json.dumps(others, sort_keys=True, default=str).encode()).hexdigest()


def require_digests(path: str | os.PathLike[str], tree: xr.DataTree, attributes: Mapping[str, Any]) -> None:
    """Raise :class:`RunFileError` unless the values of a run have the digests that its root attributes state."""
    for key, value in digests(tree).items():
        if attributes.get(key) != value:
            want = attributes.get(key)
            raise RunFileError(path, f"damaged or edited: {key}: got {value[:16]}, want {want!s:.16}")


def encode(variable: xr.Variable) -> dict[str, Any]:
    """Return how a variable is stored: compressed with checksums; times in whole units, so exactly."""
    packed: dict[str, Any] = {}
    if variable.ndim:
        packed = {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
    if variable.dtype.kind == "M":
        ticks = variable.values.astype("datetime64[ns]").astype(np.int64)
        known = ticks[ticks != np.iinfo(np.int64).min]
        steps = {"seconds": 10**9, "microseconds": 10**3, "nanoseconds": 1}
        unit = next(u for u, step in steps.items() if not (known % step).any())
        packed |= {"units": f"{unit} since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
        if len(known) < ticks.size:
            packed["_FillValue"] = np.iinfo(np.int64).min
        return packed
    return packed if variable.dtype.kind in "fiub" else {}


def plain(dataset: xr.Dataset) -> xr.Dataset:
    """Return a stored group as it was before it was written: labels as unicode arrays, times in ns."""
    dataset = dataset.load().drop_encoding()
    for name, variable in list(dataset.variables.items()):
        if variable.dtype.kind in "OT":
            dataset[name] = (variable.dims, variable.values.astype(str), variable.attrs)
        elif variable.dtype.kind == "M":
            dataset[name] = (variable.dims, variable.values.astype("datetime64[ns]"), variable.attrs)
    return dataset


def scalar(value: Any) -> Any:
    """Return an attribute as plain Python has it."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def require_format(path: str | os.PathLike[str], attributes: Mapping[str, Any], other: str) -> None:
    """Refuse what is not of this format; ``other`` says what a file without a format is."""
    version = attributes.get("otonari_run_format")
    if version != FORMAT:
        got = other if version is None else f"run format {version}"
        raise RunFileError(path, f"got {got}, want run format {FORMAT}")
