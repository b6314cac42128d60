"""Whole numbers, and digests over the values of a Dataset.

A digest is SHA-256 over *values*, never over file bytes, so that it survives compression, library versions
and byte order. Integers are little-endian, ``text(s)`` is the length of s in UTF-8 as uint32 and its bytes::

    digest = SHA-256( text(domain) variable* )         variables by name, in code point order
    variable = text(name) text(units) type ndim:uint32 ( text(dim) size:uint64 )* value*

where type is one byte: ``n`` numbers, each int64 = round-half-even(value * scale), held within +-2^62 (so are
infinities), NaN = -2^63; ``t`` times, int64 microseconds since 1970 UTC, NaT = -2^63; ``s`` labels, each a text.
Values stand in C order. Coordinates are variables like any other.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.arrays import Field

INPUTS_SCALE = 1_000_000
"""Inputs are digested in millionths of their unit."""
PART = 1_000_000
"""Values that are digested at a time."""
_LARGEST, _NOTHING = 2.0**62, np.iinfo(np.int64).min
RESULTS_SCALE = 1_000
"""Results are digested in thousandths of their unit: W, Wh, milli-currency, metres, millilitres."""


def largest_remainder(
    values: np.ndarray[Any, Any], group: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """Round numbers to whole ones whose sum is the rounded sum, each less than 1 away from its own.

    The units that rounding down loses go to the largest remainders, and among equal ones to the first. ``group`` (n,)
    holds whole numbers >= 0: the values of each group have a sum of their own.
    """
    group = np.zeros(len(values), dtype=np.int64) if group is None else group
    whole: np.ndarray[Any, Any] = np.floor(values).astype(np.int64)
    missing = np.rint(np.bincount(group, values - whole)).astype(np.int64)
    order = np.lexsort((whole - values, group))
    size = np.bincount(group)
    rank = np.arange(len(values)) - np.repeat(np.cumsum(size) - size, size)
    whole[order[rank < missing[group[order]]]] += 1
    return whole


def integers(values: Any, scale: int) -> np.ndarray:
    """Return int64 of round-half-even(value * scale) as digests have it: held within +-2^62, NaN as -2^63."""
    scaled = np.rint(np.asarray(values, dtype=np.float64) * scale)
    if (np.abs(scaled) < _LARGEST).all():
        return scaled.astype("<i8")
    nothing = np.isnan(scaled)
    whole = np.minimum(np.maximum(np.where(nothing, 0.0, scaled), -_LARGEST), _LARGEST).astype("<i8")
    return np.where(nothing, _NOTHING, whole)


def values(dataset: xr.Dataset, domain: str, scale: int) -> str:
    """Return the digest (64 hex digits) of all variables and coordinates of a Dataset."""
    digest = hashlib.sha256(_text(domain))
    for name in sorted(map(str, dataset.variables)):
        for part in _whole(name, dataset.variables[name], scale):
            digest.update(part)
    return digest.hexdigest()


def slots(dataset: xr.Dataset, domain: str, scale: int) -> list[str]:
    """Return one digest per slot: of the variables over ``time`` at that slot (``time`` itself dropped).

    The coordinates of their other dims belong to it. A slot's digest does not depend on the slots around it.
    """
    dims = {d for v in dataset.data_vars.values() if "time" in v.dims for d in v.dims}
    timeless = [n for n, v in dataset.variables.items() if "time" not in v.dims]
    others = [n for n in timeless if n in dataset.data_vars or not dims.issuperset(dataset.variables[n].dims)]
    return slots_of(dataset.drop_vars(others), domain, scale, {})


def slots_of(
    dataset: xr.Dataset, domain: str, scale: int, slot_of: Mapping[str, np.ndarray[Any, Any]]
) -> list[str]:
    """Return one digest per slot of all variables: those over ``time`` at that slot, the others whole.

    ``slot_of`` (entry,) gives, by dim, the slot of every entry of a dim: only those of the slot belong to its digest.
    """
    digests = [hashlib.sha256(_text(domain)) for _ in range(dataset.sizes["time"])]
    among = {dim: [np.flatnonzero(at == k) for k in range(len(digests))] for dim, at in slot_of.items()}
    for name in sorted(set(map(str, dataset.variables)) - {"time"}):
        variable = dataset.variables[name]
        dim = next((d for d in variable.dims if d == "time" or d in among), None)
        if dim is None:
            for part in _whole(name, variable, scale):
                for digest in digests:
                    digest.update(part)
            continue
        kind, content = _content(variable.transpose(dim, ...).values, scale)
        rest = {d: n for d, n in variable.sizes.items() if d != "time"}
        for k, digest in enumerate(digests):
            row = content[k] if dim == "time" else content[among[dim][k]]
            sizes = rest if dim == "time" else {dim: len(row), **{d: n for d, n in rest.items() if d != dim}}
            digest.update(_header(name, variable.attrs.get("units", ""), kind, sizes) + _bytes(row))
    return [digest.hexdigest() for digest in digests]


def _whole(name: str, variable: Any, scale: int) -> Iterable[bytes]:
    """Return the header of a variable and its content, kept by a field: of many slots most have the same labels."""
    if isinstance(variable, Field):
        return [variable.known((name, scale), lambda: b"".join(_spelled(name, variable, scale)))]
    return _spelled(name, variable, scale)


def _spelled(name: str, variable: Any, scale: int) -> Iterator[bytes]:
    """Yield the header of a variable, and its content part by part."""
    for n, part in enumerate(_parts(variable)):
        kind, content = _content(part, scale)
        if n == 0:
            yield _header(name, variable.attrs.get("units", ""), kind, dict(variable.sizes))
        yield _bytes(content)


def _parts(variable: xr.Variable) -> Iterator[np.ndarray]:
    """Yield the values of a variable in C order, so many at a time that one larger than memory can be read."""
    step = max(1, PART * variable.shape[0] // variable.size) if variable.size > PART else 0
    if not step:
        yield variable.values
        return
    for begin in range(0, variable.shape[0], step):
        yield variable.isel({variable.dims[0]: slice(begin, begin + step)}).values


def _content(array: np.ndarray, scale: int) -> tuple[bytes, np.ndarray]:
    """Return the type byte and the array in the type that is hashed."""
    if array.dtype.kind in "fiub":
        return b"n", integers(array, scale)
    if array.dtype.kind == "M":
        return b"t", array.astype("datetime64[us]").astype("<i8")
    if array.dtype.kind in "UT" or all(isinstance(x, str) for x in array.flat):
        return b"s", array
    raise ValueError(f"no digest for values of type {array.dtype}")


def _bytes(content: np.ndarray) -> bytes:
    if content.dtype.kind == "i":
        return content.tobytes()
    labels = content.ravel().tolist()
    spelled = {label: _text(str(label)) for label in set(labels)}  # hosts and nodes are named over and over
    return b"".join(map(spelled.__getitem__, labels))


def _header(name: str, units: str, kind: bytes, sizes: Mapping[Any, int]) -> bytes:
    dims = b"".join(_text(str(d)) + struct.pack("<Q", n) for d, n in sizes.items())
    return _text(name) + _text(units) + kind + struct.pack("<I", len(sizes)) + dims


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
