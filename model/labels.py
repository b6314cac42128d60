"""Arrays, and entries of a dimension found by their labels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..data.inputs.arrays import Field

Array = npt.NDArray[Any]


def positions(inputs: xr.Dataset, variable: str, dim: str) -> Array:
    """Return where in ``dim`` the labels of a variable stand, -1 for the empty label; the array is not to be changed."""
    return places_of(inputs.variables[dim], inputs.variables[variable])


def places_of(labels: Any, values: Any) -> Array:
    """Return where in the labels of a dim the values of a variable stand, as :func:`positions`; of fields once."""
    if isinstance(values, Field):
        return values.known((places, labels), lambda: _read_only(places(labels.values, values.values)))
    return places(labels.values, values.values)


def _read_only(values: Array) -> Array:
    values.flags.writeable = False
    return values


def places(labels: Array, values: Array) -> Array:
    """Return where in ``labels`` the values stand, -1 for those that are not there."""
    if not len(labels):
        return np.full(values.shape, -1)
    labels = labels.astype(str)
    order = np.argsort(labels)
    at = order[np.searchsorted(labels, values, sorter=order).clip(max=len(labels) - 1)]
    return np.where(labels[at] == values, at, -1)


def sum_at(place: Array, values: Array, size: int) -> Array:
    """Return the sums (size, ...) of values (n, ...) by their place (n,)."""
    total = np.zeros((size, *values.shape[1:]))
    np.add.at(total, place, values)
    return total
