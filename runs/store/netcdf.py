"""Run files: one NetCDF file per run, written whole or not at all, and read back as it was.

The groups are ``inputs``, ``results``, ``trades`` and ``settlement``; what the run is stands in the root
attributes. Any NetCDF-4 tool reads the file. It never replaces a *different* run: an earlier one under the
same name is kept beside it as ``name.1.nc``, ``name.2.nc`` and so on.
"""

import contextlib
import filecmp
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from . import digest

FORMAT = 1
"""Version of the layout, in the root attribute ``otonari_run_format``."""
GROUPS = ("inputs", "results", "trades", "settlement")
TIME_ATTRIBUTES = {"standard_name": "time", "long_name": "start of the slot, UTC", "axis": "T"}


class RunFileError(ValueError):
    """A file that is not a run, is damaged, has another format, or cannot be written; ``path`` says which."""

    def __init__(self, path: str | os.PathLike[str], what: str):
        self.path = Path(path)
        super().__init__(f"{path}: {what}")


def as_tree(*datasets: xr.Dataset) -> xr.DataTree:
    """Return a run of the Datasets of ``GROUPS``, their time axes with the attributes of CF."""
    tree = xr.DataTree.from_dict({f"/{g}": d for g, d in zip(GROUPS, datasets, strict=True)})
    for group in (tree[g] for g in GROUPS if "time" in tree[g].coords):
        group.coords["time"] = group["time"].assign_attrs(TIME_ATTRIBUTES)
    return tree


def write_run(tree: xr.DataTree, path: str | os.PathLike[str]) -> Path | None:
    """Store a run atomically: the file is complete under its name, or it is not there.

    Parameters
    ----------
    tree : DataTree
        With the groups of ``GROUPS``, one Dataset each; root attributes are strings and numbers.
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
    told = digests(tree)

    def same(earlier: Path) -> bool:
        attributes = _attributes(earlier)
        return all(attributes.get(key) == value for key, value in told.items())

    return publish(Path(path), lambda name: _fill(tree, name, told), same)


def publish(
    path: Path,
    fill: Callable[[str], object],
    same: Callable[[Path], bool] | None = None,
    mode: int = 0o666,
) -> Path | None:
    """Put a file under its name atomically; return the copy of an earlier, different one if there was one.

    Parameters
    ----------
    path : path
        The file; missing directories are made.
    fill : callable
        Writes the content to the file name that it is given.
    same : callable, optional
        Whether the earlier file need not be kept (default: the same bytes).
    mode : int
        Who may read and write it, as far as the umask allows.

    Raises
    ------
    RunFileError
        If it cannot be written; what stood under the name stands there still.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _directory(path.parent) as directory, _temporary(path) as (name, descriptor):
            fill(name)
            os.fchmod(descriptor, mode & ~_umask())
            os.fsync(descriptor)
            kept = None
            if path.exists() and not (same(path) if same else filecmp.cmp(path, name, shallow=False)):
                kept = _copy(path)
            os.replace(name, path)
            os.fsync(directory)
    except (OSError, RuntimeError) as error:  # netCDF reports a full disk as either
        raise RunFileError(path, f"cannot be written: {_first_line(error)}") from error
    return kept


def publish_text(path: Path, text: str, mode: int = 0o666) -> Path | None:
    """Put a text, in UTF-8, under a name; see :func:`publish`."""
    return publish(path, lambda name: Path(name).write_bytes(text.encode()), mode=mode)


def write_new(directory: str | os.PathLike[str], files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a directory, all or none; an existing one is never overwritten.

    Raises
    ------
    RunFileError
        If one of them exists or cannot be written.
    """
    paths = [Path(directory) / name for name in files]
    for path in paths:
        if os.path.lexists(path):
            raise RunFileError(path, "exists already; nothing was written")
    written: list[Path] = []
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, files.values(), strict=True):
            with path.open("xb") as file:
                written.append(path)
                file.write(content)
    except BaseException as error:  # an interrupt too leaves nothing half-written
        for path in written:
            path.unlink()
        if not isinstance(error, OSError):
            raise
        raise RunFileError(directory, f"cannot be written: {error.strerror}") from error
    return written


def open_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a stored run, loaded into memory, every value as it was written; one in chunks lazily, see ``chunked``.

    Raises
    ------
    RunFileError
        If the file is not a run, has another format version, or if its values or root attributes do not fit
        its digests.
    """
    if Path(path).suffix == ".zarr":
        from . import zarr  # which stands on this module

        return zarr.open_run(path)
    attributes = _attributes(path)
    try:
        with xr.open_datatree(path, engine="netcdf4", decode_timedelta=False) as file:
            tree = xr.DataTree.from_dict({f"/{g}": plain(file[g].to_dataset()) for g in GROUPS})
    except Exception as error:  # the libraries below raise anything on a mangled file
        raise RunFileError(path, f"damaged: {_first_line(error)}") from error
    tree.attrs = attributes
    found = {**digests(tree), "attributes_digest": attributes_digest(attributes)}
    for key, value in found.items():
        if attributes.get(key) != value:
            raise RunFileError(
                path, f"damaged or edited: {key}: got {value[:16]}, want {attributes.get(key)!s:.16}"
            )
    return tree


def _attributes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the root attributes of a run file in plain Python types."""
    import netCDF4

    if not Path(path).is_file():
        raise RunFileError(path, "no such file" if not Path(path).exists() else "not a file")
    try:
        with netCDF4.Dataset(path) as file:
            attributes = {name: _scalar(file.getncattr(name)) for name in file.ncattrs()}
    except Exception as error:
        raise RunFileError(path, f"not a run file: {_first_line(error)}") from error
    version = attributes.get("otonari_run_format")
    if version != FORMAT:
        got = "a NetCDF file of something else" if version is None else f"run format {version}"
        raise RunFileError(path, f"got {got}, want run format {FORMAT}")
    return attributes


def digests(tree: xr.DataTree) -> dict[str, str]:
    """Return the digests that identify a run: of its inputs, and of the groups computed from them."""
    scale = dict.fromkeys(GROUPS, digest.RESULTS_SCALE) | {"inputs": digest.INPUTS_SCALE}
    return {f"{g}_digest": digest.values(tree[g].to_dataset(), f"otonari {g} 1", scale[g]) for g in GROUPS}


def attributes_digest(attributes: Mapping[str, Any]) -> str:
    """Return the digest of all root attributes but itself: SHA-256 of them as JSON, by name and in ASCII."""
    others = {name: _scalar(value) for name, value in attributes.items() if name != "attributes_digest"}
    return hashlib.sha256(json.dumps(others, sort_keys=True, default=str).encode()).hexdigest()


def _fill(tree: xr.DataTree, name: str, told: dict[str, str]) -> None:
    """Write all groups and the root attributes into a file."""
    groups = {g: tree[g].to_dataset().drop_encoding() for g in GROUPS}
    root = xr.DataTree.from_dict({f"/{g}": d for g, d in groups.items()})
    given = {str(name): value for name, value in tree.attrs.items()}
    attributes = {"Conventions": "CF-1.11", **given, "otonari_run_format": FORMAT, **told}
    root.attrs = {**attributes, "attributes_digest": attributes_digest(attributes)}
    encoding = {f"/{g}": {str(n): encode(v) for n, v in d.variables.items()} for g, d in groups.items()}
    root.to_netcdf(name, engine="netcdf4", format="NETCDF4", encoding=encoding)


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


def free_name(path: Path) -> Path:
    """Return the path with the first number that is free: ``name.1.nc``, ``name.2.nc`` and so on."""
    number = 1
    while (free := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return free


def _copy(path: Path) -> Path:
    """Copy a file beside itself under the first free number."""
    copy = free_name(path)
    with path.open("rb") as source, copy.open("xb") as target:
        try:
            os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)
            shutil.copyfileobj(source, target)
            os.fsync(target.fileno())
        except BaseException:
            copy.unlink()
            raise
    return copy


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[str, int]]:
    """Give a new file beside another one, name and descriptor, gone afterwards if it was not renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        yield name, descriptor
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[int]:
    """Hold a lock on the directory, so that two writers of one name take turns; give its descriptor."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _scalar(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
