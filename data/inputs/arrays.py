"""A Dataset as plain arrays: what a simulation reads, cuts and changes slot by slot, at a tenth of the price.

:class:`Arrays` answers as a Dataset does to what the model asks of one: names, dims, values and attributes, a selection
by position, other values. It aligns nothing by labels and never changes, so that what follows from it may be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
import xarray as xr

T = TypeVar("T")


class Field:
    """An array with its dims and attributes; its values are not to be changed."""

    __slots__ = ("_known", "attrs", "dims", "values")

    def __init__(self, dims: tuple[str, ...], values: Any, attrs: Mapping[str, Any] | None = None):
        self.dims, self.values = dims, np.asarray(values).view()
        self.values.flags.writeable = False
        self.attrs = attrs or {}
        self._known: dict[Any, Any] = {}
        if self.values.ndim != len(dims):
            raise ValueError(f"dims {dims} of an array of shape {self.values.shape}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return the values to numpy, which makes an object of anything else."""
        return np.array(self.values, dtype, copy=copy)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return self.values.shape

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.values.size

    @property
    def ndim(self) -> int:
        """How many dims there are."""
        return len(self.dims)

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each dim."""
        return dict(zip(self.dims, self.values.shape, strict=True))

    def transpose(self, *dims: Any, missing_dims: str = "raise") -> Field:
        """Return the field with its dims in another order, ``...`` for those that are not named."""
        named = [d for d in dims if d in self.dims or (d is not ... and missing_dims == "raise")]
        rest = [d for d in self.dims if d not in named]
        order = [n for d in dims for n in (rest if d is ... else [d] if d in named else [])]
        if tuple(order) == self.dims:
            return self
        return Field(tuple(order), self.values.transpose([self.dims.index(d) for d in order]), self.attrs)

    def copy(self, *, data: Any) -> Field:
        """Return other values with the dims and attributes of the field."""
        return Field(self.dims, data, self.attrs)

    def isel(self, indexers: Mapping[str, Any] | None = None, **more: Any) -> Field:
        """Return the field at positions along some dims: a slice, whole numbers (n,), or one, which drops its dim."""
        values, dims = self.values, self.dims
        for dim, index in {**(indexers or {}), **more}.items():
            if dim in dims:
                values = values[(slice(None),) * dims.index(dim) + (index,)]
                dims = (
                    dims if isinstance(index, slice) or np.ndim(index) else tuple(d for d in dims if d != dim)
                )
        return Field(dims, values, self.attrs)

    def known(self, key: Any, make: Callable[[], T]) -> T:
        """Return what is made of this field alone, once for each key."""
        if key not in self._known:
            self._known[key] = make()
        return cast("T", self._known[key])


class Arrays(Mapping[str, Field]):
    """Fields by name, those of its coordinates among them: what a Dataset holds, without its machinery.

    Parameters
    ----------
    fields : mapping of Field
        Of equal sizes along equal dims.
    coords : iterable of str
        Which of them are the labels of dims.
    attrs : mapping
        Attributes of the whole.
    """

    __slots__ = ("_known", "attrs", "coords", "sizes", "variables")

    def __init__(
        self,
        fields: dict[str, Field],
        coords: Any,
        attrs: Mapping[str, Any],
        sizes: dict[str, int] | None = None,
    ):
        self.variables, self.coords, self.attrs = fields, frozenset(coords) & fields.keys(), dict(attrs)
        self._known: dict[Any, Any] = {}
        self.sizes: dict[str, int] = _sizes(fields) if sizes is None else sizes

    @classmethod
    def of(cls, dataset: xr.Dataset) -> xr.Dataset:
        """Return a Dataset as plain arrays, which stand for it wherever the model takes one; such arrays as they are."""
        if isinstance(dataset, cls):
            return dataset
        fields = {
            str(name): Field(tuple(map(str, v.dims)), v.values, v.attrs)
            for name, v in dataset.variables.items()
        }
        return cast("xr.Dataset", cls(fields, map(str, dataset.coords), dataset.attrs))

    def __getitem__(self, name: Any) -> Any:
        """Return a field, or the fields of a list of names with the coordinates of their dims."""
        if isinstance(name, str):
            return self.variables[name]
        dims = {d for n in name for d in self.variables[n].dims}
        kept = {n: f for n, f in self.variables.items() if n in name or (n in self.coords and n in dims)}
        return self._only(kept)

    def __iter__(self) -> Iterator[str]:
        """Yield the names that are no coordinates."""
        return iter(self.data_vars)

    def __len__(self) -> int:
        """Return how many fields are no coordinates."""
        return len(self.data_vars)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a field of that name, or a coordinate."""
        return name in self.variables

    @property
    def data_vars(self) -> dict[str, Field]:
        """The fields that are no coordinates."""
        return {name: field for name, field in self.variables.items() if name not in self.coords}

    @property
    def dims(self) -> dict[str, int]:
        """The length of each dim."""
        return self.sizes

    def isel(self, indexers: Mapping[str, Any] | None = None, **more: Any) -> Arrays:
        """Return all fields at positions along some dims; see :meth:`Field.isel`."""
        asked, fields, sizes = {**(indexers or {}), **more}, dict(self.variables), dict(self.sizes)
        at = {dim: np.asarray(index) if isinstance(index, list) else index for dim, index in asked.items()}
        for name, field in self.variables.items():
            if not at.keys().isdisjoint(field.dims):
                fields[name] = own = field.isel(at)
                sizes.update(own.sizes)
        dropped = {dim for dim, index in at.items() if not isinstance(index, slice) and not np.ndim(index)}
        kept = {dim: size for dim, size in sizes.items() if dim not in dropped}
        return Arrays(fields, self.coords, self.attrs, kept)

    def assign(self, variables: Mapping[str, Any] | None = None, **more: Any) -> Arrays:
        """Return the same with other fields: whatever has dims and values, or a tuple of both and attributes."""
        new = {name: _field(value) for name, value in {**(variables or {}), **more}.items()}
        return Arrays(self.variables | new, self.coords, self.attrs, self._sizes_with(new))

    def _sizes_with(self, new: dict[str, Field]) -> dict[str, int] | None:
        """Return the sizes with new fields; None where one has another shape than what it replaces, or than others."""
        sizes = dict(self.sizes)
        for name, field in new.items():
            before = self.variables.get(name, field)
            if before.dims != field.dims or before.shape != field.shape:
                return None
            if any(sizes.setdefault(dim, size) != size for dim, size in field.sizes.items()):
                return None
        return sizes

    def assign_coords(self, **coords: Any) -> Arrays:
        """Return the same with other labels of dims."""
        grown = self.assign(coords)
        return Arrays(grown.variables, self.coords | coords.keys(), self.attrs, grown.sizes)

    def drop_vars(self, names: Any, *, errors: str = "raise") -> Arrays:
        """Return the same without some fields."""
        gone = {names} if isinstance(names, str) else set(names)
        if errors == "raise" and (lacking := gone - self.variables.keys()):
            raise ValueError(f"no such fields: {lacking}")
        return self._only({n: f for n, f in self.variables.items() if n not in gone})

    def drop_dims(self, dim: str) -> Arrays:
        """Return the same without the fields over a dim."""
        return self._only({n: f for n, f in self.variables.items() if dim not in f.dims})

    def _only(self, fields: dict[str, Field]) -> Arrays:
        """Return the same with some of the fields alone."""
        dims = {dim for field in fields.values() for dim in field.dims}
        sizes = {dim: size for dim, size in self.sizes.items() if dim in dims}
        return Arrays(fields, self.coords, self.attrs, sizes)

    def to_dataset(self) -> Arrays:
        """Return the arrays themselves, as a group of a run gives its Dataset."""
        return self

    def known(self, function: Callable[[Any], T]) -> T:
        """Return what a function makes of these arrays, which is always the same."""
        if function not in self._known:
            self._known[function] = function(self)
        return cast("T", self._known[function])


def _sizes(fields: Mapping[str, Field]) -> dict[str, int]:
    """Return the length of each dim; raise ValueError where fields disagree."""
    sizes: dict[str, int] = {}
    for name, field in fields.items():
        for dim, size in zip(field.dims, field.values.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"{name}: {size} values along {dim!r}, where others have {sizes[dim]}")
    return sizes


def derived(function: Callable[[xr.Dataset], T]) -> Callable[[xr.Dataset], T]:
    """Let a function of a Dataset alone compute once what it makes of one and the same :class:`Arrays`.

    What it returns is shared, and not to be changed. A Dataset may change: of it everything is computed anew.
    """

    @wraps(function)
    def once(inputs: xr.Dataset) -> T:
        return inputs.known(function) if isinstance(inputs, Arrays) else function(inputs)

    return once


def assembled(
    inputs: xr.Dataset, variables: Mapping[str, Any], attrs: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Return variables with the labels of their dims in the inputs: as plain arrays where these are, else a Dataset."""
    dims = {d for entry in variables.values() for d in entry[0]}
    coords = {d: inputs[d] for d in inputs.dims if d in dims}
    if not isinstance(inputs, Arrays):
        return xr.Dataset(dict(variables), coords=coords, attrs=attrs)
    fields = {name: _field(value) for name, value in variables.items()}
    return cast("xr.Dataset", Arrays(fields | coords, coords, attrs or {}))


def as_dataset(arrays: xr.Dataset) -> xr.Dataset:
    """Return plain arrays as a Dataset, whose values may be changed; a Dataset as it is."""
    if not isinstance(arrays, Arrays):
        return arrays
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, field in arrays.variables.items():
        kind = coords if name in arrays.coords else data
        kind[name] = field.dims, _writeable(field.values), field.attrs
    return xr.Dataset(data, coords=coords, attrs=arrays.attrs)


def _writeable(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array that a field is a view of, where it is no other and may be changed; else a copy."""
    base = values.base
    if not isinstance(base, np.ndarray) or not base.flags.writeable:
        return values.copy()
    same = (base.shape, base.strides, base.dtype) == (values.shape, values.strides, values.dtype)
    return base if same else values.copy()


def _field(value: Any) -> Field:
    """Return a field from a tuple of dims, values and perhaps attributes, or from what has these."""
    if isinstance(value, Field):
        return value
    dims, values, *attrs = value if isinstance(value, tuple) else (value.dims, value.values, value.attrs)
    return Field((dims,) if isinstance(dims, str) else tuple(dims), values, *attrs)
