"""Run files: one NetCDF file per run, written whole or not at all, and read back as it was.

The groups are ``inputs``, ``results``, ``trades`` and ``settlement``; what the run is stands in the root
attributes. Any NetCDF-4 tool reads the file. It never replaces a *different* run: an earlier one under the
same name is kept beside it as ``name.1.nc``, ``name.2.nc`` and so on.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .atomic_file import RunFileError, first_line, publish, require_file
from .run_format import (
    BESIDE,
    BOUNDS,
    FORMAT,
    attributes_digest,
    bounds,
    digests,
    encode,
    groups,
    hints,
    plain,
    require_digests,
    require_format,
    scalar,
)


def write_run(tree: xr.DataTree, path: str | os.PathLike[str]) -> Path | None:
    """Store a run atomically: the file is complete under its name, or it is not there.

    Parameters
    ----------
    tree : DataTree
        With the groups of ``run_format.GROUPS``, one Dataset each; root attributes are strings and numbers.
    path : path
        The file; missing directories are made.

    Returns
    -------
    Path or None
        The copy of an earlier, different run of that name, if there was one.

    Raises
    ------
    RunFileError
        If the file cannot be written, or if something that is no run stands under that name.
    """
    stored = digests(tree)

    def same(earlier: Path) -> bool:
        attributes = _attributes(earlier)
        identity = {k: v for k, v in stored.items() if k not in [f"{group}_digest" for group in BESIDE]}
        return all(attributes.get(key) == value for key, value in identity.items())

    return publish(Path(path), lambda name: _fill(tree, name, stored), same)


def write_dataset(dataset: xr.Dataset, path: Path, same: Callable[[Path], bool] | None = None) -> Path | None:
    """Store a Dataset that is no run, encoded like the variables of one; see :func:`atomic_file.publish`."""
    encoding = {str(n): encode(v) for n, v in dataset.variables.items()}
    return publish(path, lambda name: dataset.to_netcdf(name, engine="netcdf4", encoding=encoding), same)


def read_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a stored run, loaded into memory, every value as it was written.

    Raises
    ------
    RunFileError
        If the file is not a run, has another format version, or if its values or root attributes do not fit
        its digests.
    """
    attributes = _attributes(path)
    try:
        with xr.open_datatree(path, engine="netcdf4", decode_timedelta=False) as file:
            tree = xr.DataTree.from_dict({f"/{g}": plain(file[g].to_dataset()) for g in groups(file)})
    except Exception as error:  # the libraries below raise anything on a mangled file
        raise RunFileError(path, f"damaged: {first_line(error)}") from error
    tree = _without_bounds(tree, path)
    tree.attrs = attributes
    require_digests(path, tree, attributes)
    if attributes.get("attributes_digest") != attributes_digest(attributes):
        raise RunFileError(path, "damaged or edited: attributes_digest")
    return tree


def _attributes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the root attributes of a run file in plain Python types."""
    import netCDF4

    require_file(path)
    try:
        with netCDF4.Dataset(path) as file:
            attributes = {name: scalar(file.getncattr(name)) for name in file.ncattrs()}
    except Exception as error:
        raise RunFileError(path, f"not a run file: {first_line(error)}") from error
    require_format(path, attributes, "a NetCDF file of something else")
    return attributes


def _fill(tree: xr.DataTree, name: str, stored: dict[str, str]) -> None:
    """Write all groups and the root attributes, with the digests, into a file.

    What ``to_netcdf`` does, without its question after a Dask scheduler, which imports Dask where it is installed.
    """
    from netCDF4 import Dataset
    from xarray import backends

    into: Any = backends.NetCDF4DataStore
    given = {str(name): value for name, value in tree.attrs.items()}
    first, own = (
        hints(tree),
        {"otonari_run_format": FORMAT, **stored},
    )  # hints first: of many, readers show the first
    attributes = {"Conventions": "CF-1.11", **first, **given, **first, **own}
    attributes["attributes_digest"] = attributes_digest(attributes)
    values: Any = _Values()
    with Dataset(name, "w", format="NETCDF4") as file:
        xr.Dataset(attrs=attributes).dump_to_store(into(file))
        for group in groups(tree):
            dataset = _with_bounds(tree, group).drop_encoding()
            encoding = {str(n): encode(v) for n, v in dataset.variables.items()}
            dataset.dump_to_store(into(file.createGroup(group)), writer=values, encoding=encoding)
        values.write()


def _with_bounds(tree: xr.DataTree, group: str) -> xr.Dataset:
    """Return a group as a file has it: with the bounds of its slots."""
    dataset, cells = tree[group].to_dataset(), bounds(tree, group)
    if cells is None:
        return dataset
    dataset = dataset.assign({BOUNDS: (("time", "bnds"), cells)})
    dataset["time"].attrs = {**dataset["time"].attrs, "bounds": BOUNDS}
    return dataset


def _without_bounds(tree: xr.DataTree, path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a run as it was before it was written; raise :class:`RunFileError` where bounds are not those of slots."""
    for group in groups(tree):
        dataset, want = tree[group].to_dataset(), bounds(tree, group)
        if BOUNDS not in dataset:
            continue
        if want is None or not np.array_equal(dataset[BOUNDS].values, want):
            raise RunFileError(path, f"damaged or edited: {group}/{BOUNDS}")
        dataset = dataset.drop_vars(BOUNDS)
        dataset["time"].attrs.pop("bounds", None)
        tree[group] = xr.DataTree(dataset)
    return tree


class _Values:
    """The values of variables, written when all are defined; stands for xarray's ``ArrayWriter``.

    HDF5 flushes the whole file at each definition that follows a write.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Any]] = []

    def add(self, source: Any, target: Any, region: Any = None) -> None:
        """Take the values of a variable, in memory, and where they are to be written."""
        self._pairs.append((source, target))

    def write(self) -> None:
        """Write all values."""
        for source, target in self._pairs:
            target[...] = source
