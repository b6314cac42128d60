"""A run in chunks: a Zarr store with the groups and variables of a run file, written piece by piece.

The pieces are runs of regions between which nothing is traded: their participants, devices, trips and trades follow one
another in the store, in the order of the pieces, a chunk about the size of a piece. It is opened without holding the
values, so that a run may be larger than memory; its files are compared with their checksums then, one by one.
"""

import json
import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.contract import TABLE
from ...data.inputs.devices import DEVICES
from . import atomic_file, atomic_folder, checksums, netcdf, run_format

SUFFIX = ".zarr"
ENTITIES = ("participant", "task", "trip", "trade", "origin")
"""Dimensions, beside those of devices, along which the pieces of a run follow one another; all others are alike."""

Fixed = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Layout:
    """What a run holds: dims, type and attributes of every variable by group; sizes, and attributes of the groups."""

    variables: dict[str, dict[str, tuple[tuple[str, ...], str, dict[str, Any]]]]
    sizes: dict[str, dict[str, int]]
    attrs: dict[str, dict[str, Any]]


def layout(tree: xr.DataTree) -> Layout:
    """Return the layout of a run."""
    groups = {g: tree[g].to_dataset() for g in run_format.GROUPS}
    return Layout(
        {
            g: {str(n): (tuple(map(str, v.dims)), v.dtype.str, dict(v.attrs)) for n, v in d.variables.items()}
            for g, d in groups.items()
        },
        {g: {str(k): n for k, n in d.sizes.items()} for g, d in groups.items()},
        {g: dict(d.attrs) for g, d in groups.items()},
    )


def write(
    path: Path,
    pieces: Sequence[Path],
    layouts: Sequence[Layout],
    fixed: Fixed,
    attributes: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Path | None:
    """Put the runs of pieces together in one store, whole or not at all.

    Parameters
    ----------
    path : path
        The store, ``.zarr``.
    pieces, layouts : sequence
        Run files, and what each of them holds.
    fixed : mapping
        By group and name, the values of variables that no piece has as a whole: nodes, and shares of the community.
    attributes : mapping
        Of the root; the format and the digests are added.
    notes : sequence of str
        What was odd in the data of any piece.

    Returns
    -------
    Path or None
        The name that an earlier, different store has now.

    Raises
    ------
    RunFileError
        If it cannot be written, or if something that is no run stands under that name.
    """
    stored: dict[str, str] = {}

    def fill(name: str) -> None:
        _fill(name, pieces, layouts, fixed, notes)
        stored.update(run_format.digests(_opened(name)))
        _consolidate(name)
        checksums.write(Path(name))
        own = {**run_format.hints(_opened(name)), "otonari_run_format": run_format.FORMAT, **stored}
        add_attributes(Path(name), {"Conventions": "CF-1.11", **attributes, **own})

    def same(earlier: Path) -> bool:
        attributes = attributes_of(earlier)
        return all(attributes.get(key) == value for key, value in stored.items())

    return atomic_folder.publish(path, fill, same)


def read_run(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return a run in chunks, its values left on the disk until they are asked for.

    Raises
    ------
    RunFileError
        If it is no run, has another format version, or if its root attributes do not fit their digest, or a file of
        it not its checksum: by name, if it is missing or not what was written.
    """
    path = Path(path)
    attributes = attributes_of(path)
    if run_format.attributes_digest(attributes) != attributes.get("attributes_digest"):
        raise atomic_file.RunFileError(path, "damaged or edited: attributes_digest")
    try:
        listed = checksums.require(path)
        tree = _opened(path)
        if not listed:  # stored before there were checksums: all values are read
            run_format.require_digests(path, tree, attributes)
    except atomic_file.RunFileError:
        raise
    except Exception as error:  # the libraries below raise anything on a mangled store
        raise atomic_file.RunFileError(path, f"damaged: {atomic_file.first_line(error)}") from error
    tree.attrs = attributes
    return tree


def _opened(path: str | os.PathLike[str]) -> xr.DataTree:
    """Return the groups of a store, their values left on the disk."""
    lazily: dict[str, Any] = {"engine": "zarr", "chunks": None, "cache": False, "consolidated": False}
    return xr.DataTree.from_dict(
        {f"/{g}": xr.open_dataset(path, group=g, **lazily) for g in run_format.GROUPS}
    )


def add_attributes(path: Path, more: Mapping[str, Any]) -> None:
    """Add root attributes to a stored run."""
    root = {**json.loads((path / checksums.ROOT).read_bytes()), **more}
    checksums.add_attributes(path, {**more, "attributes_digest": run_format.attributes_digest(root)})


def attributes_of(path: Path) -> dict[str, Any]:
    """Return the root attributes of a run in chunks; raise :class:`RunFileError` if it is none."""
    if not path.exists():
        raise atomic_file.RunFileError(path, "no such file")
    if (path / checksums.ROOT).exists():
        atomic_file.require_file(path / checksums.ROOT)
    try:
        attributes = dict(json.loads((path / checksums.ROOT).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise atomic_file.RunFileError(path, "not a run in chunks") from error
    run_format.require_format(path, attributes, "something else")
    return attributes


def _fill(
    name: str, pieces: Sequence[Path], layouts: Sequence[Layout], fixed: Fixed, notes: Sequence[str]
) -> None:
    """Make all arrays, then write piece after piece."""
    root = _root(name)
    for group in run_format.GROUPS:
        described = {**layouts[0].attrs[group], "notes": json.dumps(list(notes), ensure_ascii=False)}
        filled = [
            slots for layout in layouts for slots in json.loads(layout.attrs[group].get("filled", "[]"))
        ]
        if filled:  # of files of readings, by the participants of each piece
            described["filled"] = json.dumps(filled, ensure_ascii=False)
        root.create_group(group, attributes=described)
        for variable in dict.fromkeys(name for layout in layouts for name in layout.variables[group]):
            _make(root[group], group, variable, layouts, fixed[group].get(variable))
    begin: dict[str, Counter[str]] = {g: Counter() for g in run_format.GROUPS}
    for n, (piece, layout) in enumerate(zip(pieces, layouts, strict=True)):
        tree = netcdf.read_run(piece)
        for group in run_format.GROUPS:
            _write(root[group], tree[group].to_dataset(), begin[group], fixed[group], first=n == 0)
            begin[group].update(layout.sizes[group])


def _make(group: Any, of: str, name: str, layouts: Sequence[Layout], values: Any) -> None:
    """Make an array as large, and with text as wide, as all pieces need; write it if its values are given.

    What only some pieces have is written as what its absence stands for, before they write theirs: of an optional input
    that of the table, zero of what stores lack of targets.
    """
    absent = np.asarray(TABLE[name].absent if of == "inputs" and name in TABLE else 0.0)
    own = [layout.variables[of][name] for layout in layouts if name in layout.variables[of]]
    dims, _, attrs = own[0]
    kinds = [np.dtype(kind) for _, kind, _ in own]
    lacks = any(  # and not its dim as well
        name not in layout.variables[of] and all(layout.sizes[of].get(d) for d in dims) for layout in layouts
    )
    if lacks:
        kinds.append(absent.dtype)
    every = [layout.sizes[of] for layout in layouts]
    shape = [sum(s.get(d, 0) for s in every) if _in_pieces(d) else every[0][d] for d in dims]
    chunks = [max(s.get(d, 0) for s in every) if _in_pieces(d) else every[0][d] for d in dims]
    kind = max(kinds, key=lambda t: t.itemsize)
    if values is not None:
        values = np.asarray(values)
        shape = chunks = list(values.shape)
        kind = values.dtype
    described: dict[str, Any] = {**attrs, "_ARRAY_DIMENSIONS": list(dims)}
    if kind.kind == "M":
        kind, described = np.dtype(np.int64), {**described, **_TIME}
    array = group.create_array(
        name,
        shape=tuple(shape),
        chunks=tuple(max(1, c) for c in chunks),
        dtype=kind,
        fill_value=None,
        attributes=described,
        config={"write_empty_chunks": True},  # so that each chunk has its checksum
    )
    if values is not None:
        array[...] = values
    elif lacks:
        array[...] = absent


_TIME = {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian"}


def _write(
    group: Any, dataset: xr.Dataset, begin: Mapping[str, int], fixed: Mapping[str, Any], *, first: bool
) -> None:
    """Write the variables of a group that a piece holds."""
    for name, variable in dataset.variables.items():
        along = [d for d in variable.dims if _in_pieces(d)]
        if name in fixed or not (along or first) or not variable.size:
            continue
        values = variable.values
        if values.dtype.kind == "M":
            values = values.astype("datetime64[ns]").astype(np.int64)
        place = tuple(
            slice(begin[str(d)], begin[str(d)] + n) if _in_pieces(d) else slice(None)
            for d, n in zip(variable.dims, variable.shape, strict=True)
        )
        group[str(name)][place] = values


def _in_pieces(dim: Hashable) -> bool:
    """Return whether the pieces of a run follow one another along a dimension."""
    return dim in ENTITIES or dim in DEVICES


def _root(name: str) -> Any:
    import zarr

    return zarr.open_group(name, mode="a", zarr_format=2)


def _consolidate(name: str) -> None:
    import zarr

    zarr.consolidate_metadata(name, zarr_format=2)
