"""A stored run, whichever way it is stored: one NetCDF file, or a Zarr store in chunks."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from . import netcdf, zarr
from .atomic_file import RunFileError, first_line

log = logging.getLogger(__name__)


def open_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a stored run: a file loaded into memory, a ``.zarr`` store with its values left on the disk.

    Raises
    ------
    RunFileError
        If it is not a run, has another format version, or if its root attributes, or the values of a file, do not
        fit its digests.
    """
    return zarr.read_run(path) if Path(path).suffix == zarr.SUFFIX else netcdf.read_run(path)


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file where figures cannot be made of a stored run: it may have good digests and hold anything.

    Raises
    ------
    RunFileError
        For every failure that is not told in its own way: a variable is missing, say, or holds text for numbers.
    """
    try:
        yield
    except Exception as error:
        if hasattr(error, "exit_code") or isinstance(error, OSError | MemoryError):
            raise
        log.info("%s: no figures", path, exc_info=error)
        what = f"{type(error).__name__}: {first_line(error)}"
        raise RunFileError(path, f"holds what a run does not, or lacks what it does: {what}") from error
