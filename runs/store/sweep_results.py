"""The results of a sweep: one Dataset over the swept dimensions, stored as NetCDF or Zarr, and read back."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ..version import version
from . import atomic_file, atomic_folder, checksums, netcdf, run_format
from .atomic_file import RunFileError, require_file

if TYPE_CHECKING:
    from ...data.loading.sweep_file import Plan, Point

FORMAT = 1
"""Version of the layout, in the attribute ``otonari_sweep_format``."""


_KEY = "otonari_sweep_format"


def together(plan: "Plan", outcomes: "Mapping[Point, xr.Dataset | str]") -> xr.Dataset:
    """Return the figures of all points over the swept dimensions, and ``reason``, empty where there are figures.

    ``outcomes`` holds for each point its figures, or the reason why there are none.
    Where a point has none, numbers are NaN. ``kind_`` variables have the dimension ``kind`` too; ``scenario_hash``
    is the point's.
    """
    axes = plan.axes
    shape = tuple(map(len, axes.values()))
    coords: dict[str, Any] = {name: np.array(labels) for name, labels in axes.items()}
    parts = {point: part for point, part in outcomes.items() if isinstance(part, xr.Dataset)}
    kinds = list(dict.fromkeys(kind for part in parts.values() for kind in part["kind"].values))
    own = {str(name): index for part in parts.values() for name, index in part.coords.items()}
    coords |= own | {"kind": np.array(kinds, dtype=str)}
    place = {point: np.unravel_index(n, shape) for n, point in enumerate(plan.points)}
    variables: dict[str, xr.Variable] = {}
    for point, part in parts.items():
        for name, array in part.reindex(kind=kinds).data_vars.items():
            if name not in variables:
                empty = np.full((*shape, *array.shape), np.nan)
                variables[str(name)] = xr.Variable((*axes, *array.dims), empty, array.attrs)
            variables[str(name)].values[place[point]] = array.values
    for name, texts in {
        "scenario_hash": [point.scenario_hash for point in plan.points],
        "reason": [r if isinstance(r := outcomes[point], str) else "" for point in plan.points],
    }.items():
        variables[name] = xr.Variable(tuple(axes), np.array(texts, dtype=str).reshape(shape))
    variables["reason"].attrs["long_name"] = "why there are no figures"
    attrs = {
        "title": f"sweep {plan.sweep.name}",
        "Conventions": "CF-1.11",
        "otonari_sweep_format": FORMAT,
        "otonari_version": version(),
        "sweep_definition": json.dumps(plan.sweep.model_dump(mode="json"), ensure_ascii=False),
        "currency": plan.currency,
    }
    return xr.Dataset(variables, coords, attrs)


def write(dataset: xr.Dataset, path: Path) -> Path | None:
    """Store a gathered sweep, as NetCDF (``.nc``) or Zarr (``.zarr``), whole or not at all.

    An earlier, different one of that name is kept as a numbered copy, whose path is returned.

    Raises
    ------
    RunFileError
        If it cannot be written, or if something that is no sweep stands under that name.
    """

    def same(earlier: Path) -> bool:
        return read(earlier).identical(dataset)

    if path.suffix == ".zarr":
        return atomic_folder.publish(path, lambda name: _fill_zarr(dataset, name), same)
    return netcdf.write_dataset(dataset, path, same)


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Return a gathered sweep, loaded into memory.

    Raises
    ------
    RunFileError
        If it is none, is damaged or has another format version.
    """
    path = Path(path)
    if path.suffix != ".zarr" or not path.is_dir():
        atomic_file.require_file(path)
    try:
        if path.suffix == ".zarr":
            checksums.require(path)
        opened = xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path, engine="netcdf4")
        with opened as file:
            dataset = run_format.plain(file)
            dataset.attrs.pop(checksums.ATTRIBUTE, None)
    except RunFileError:
        raise
    except Exception as error:  # the libraries below raise anything on what is none of theirs
        raise RunFileError(path, f"not a sweep: {atomic_file.first_line(error)}") from error
    version = dataset.attrs.get("otonari_sweep_format")
    if version != FORMAT:
        got = "something else" if version is None else f"sweep format {version}"
        raise RunFileError(path, f"got {got}, want sweep format {FORMAT}")
    return dataset


def holds(path: Any) -> bool:
    """Return whether a path is that of a gathered sweep."""
    if not isinstance(path, str | os.PathLike):
        return False
    try:
        if Path(path).suffix == ".zarr":
            require_file(Path(path) / ".zattrs")
            if _KEY not in (Path(path) / ".zattrs").read_text(encoding="utf-8"):
                return False  # a run, maybe a large one, whose checksums are compared when it is opened
        return _KEY in read(path).attrs
    except (RunFileError, OSError, UnicodeDecodeError):
        return False


def comparison(dataset: xr.Dataset) -> xr.Dataset:
    """Return the points that have figures as ``runs.compare.compare`` returns runs: over ``scenario``.

    Points are named by their labels on the dimensions that have more than one; these are coordinates too. The
    attribute ``comment`` tells of those that are left out.
    """
    axes = [str(d) for d in dataset["reason"].dims]
    flat = dataset.stack(scenario=axes, create_index=False).transpose("scenario", ...)
    done = flat["reason"].values == ""
    shown = [name for name in axes if dataset.sizes[name] > 1] or ["market"]
    words = dict(zip(shown, short(shown), strict=True))
    names = [", ".join(_named(words[n], flat[n].values[i]) for n in shown) for i in np.flatnonzero(done)]
    kept = flat.isel(scenario=done).drop_vars(["reason", "scenario_hash"])
    kept = kept.assign_coords(scenario=np.array(names, dtype=str))
    kept.attrs.pop(_KEY, None)  # it is no sweep any more
    if not done.all():
        reasons = list(dict.fromkeys(flat["reason"].values[~done].tolist()))
        more = f" and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
        kept.attrs["comment"] = f"{(~done).sum()} of {done.size} points have no figures: {reasons[0]}{more}"
    return kept


def short(keys: Sequence[str]) -> list[str]:
    """Return each key by as many of its last words as tell it from all others.

    >>> short(["fees.access", "tariffs.day.price", "tariffs.night.price"])
    ['access', 'day.price', 'night.price']
    """
    words = [key.split(".") for key in keys]

    def ends(n: int, count: int) -> list[str]:
        return words[n][-count:]

    def apart(n: int, count: int) -> bool:
        others = (ends(k, count) for k in range(len(words)) if k != n)
        return count == len(words[n]) or ends(n, count) not in others

    counts = [next(c for c in range(1, len(w) + 1) if apart(n, c)) for n, w in enumerate(words)]
    return [".".join(ends(n, count)) for n, count in enumerate(counts)]


def label(value: Any) -> str:
    """Return the text of a label on a dimension."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _named(word: str, value: Any) -> str:
    """Return a label with the word of its dimension; cases and markets speak for themselves."""
    return label(value) if word in ("case", "market") else f"{word} {label(value)}"


def _fill_zarr(dataset: xr.Dataset, name: str) -> None:
    dataset.to_zarr(name, mode="w", zarr_format=2, consolidated=True)
    checksums.write(Path(name))
