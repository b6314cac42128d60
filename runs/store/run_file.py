"""A stored run, whichever way it is stored: one NetCDF file, or a Zarr store in chunks."""

import os
from pathlib import Path

import xarray as xr

from . import netcdf, zarr


def open_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a stored run: a file loaded into memory, a ``.zarr`` store with its values left on the disk.

    Raises
    ------
    RunFileError
        If it is not a run, has another format version, or if its root attributes, or the values of a file, do not
        fit its digests.
    """
    return zarr.read_run(path) if Path(path).suffix == zarr.SUFFIX else netcdf.read_run(path)
