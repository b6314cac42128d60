"""The figures of a plan: one Dataset over candidate and participant, stored as NetCDF, and read back."""

import json
import os
from pathlib import Path
from typing import Any

import xarray as xr

from . import atomic_file, netcdf, run_format
from .atomic_file import RunFileError

FORMAT = 1
"""Version of the layout, in the attribute ``otonari_plan_format``."""


def write(dataset: xr.Dataset, path: Path) -> Path | None:
    """Store the figures of a plan, whole or not at all.

    An earlier, different one of that name is kept as a numbered copy, whose path is returned.

    Raises
    ------
    RunFileError
        If it cannot be written, or if something that is no plan stands under that name.
    """
    dataset = dataset.assign_attrs(Conventions="CF-1.11", otonari_plan_format=FORMAT)

    def same(earlier: Path) -> bool:
        return read(earlier).equals(dataset)

    return netcdf.write_dataset(dataset, path, same)


def holds(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is that of a plan."""
    try:
        read(path)
    except RunFileError:
        return False
    return True


def definition(path: str | os.PathLike[str], *, built: bool = True) -> dict[str, Any]:
    """Return the effective scenario of a plan, with what it builds as built (``investment.built``), or as it was.

    Raises
    ------
    RunFileError
        As of :func:`read`, or if it holds no scenario.
    """
    figures = read(path)
    try:
        scenario = dict(json.loads(figures.attrs["scenario_definition"]))
        sizes = zip(figures["candidate"].values.tolist(), figures["size"].values.tolist(), strict=True)
        new = {label: size for label, size in sizes if size > 0} if built else {}
        scenario["investment"]["built"] = scenario["investment"].get("built", {}) | new
    except (KeyError, TypeError, ValueError) as error:
        raise RunFileError(path, f"scenario_definition: got no scenario of a plan: {error}") from error
    return scenario


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Return the figures of a plan, loaded into memory.

    Raises
    ------
    RunFileError
        If it is none, is damaged or has another format version.
    """
    atomic_file.require_file(path)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=False) as file:
            dataset = run_format.plain(file)
    except Exception as error:  # the libraries below raise anything on what is none of theirs
        raise RunFileError(path, f"not a plan: {atomic_file.first_line(error)}") from error
    version = dataset.attrs.get("otonari_plan_format")
    if version != FORMAT:
        got = "something else" if version is None else f"plan format {version}"
        raise RunFileError(path, f"got {got}, want plan format {FORMAT}")
    return dataset
