"""xarray without Dask, until somebody uses Dask: imported before a Dataset is made, this saves a quarter of a second.

Where Dask is installed, xarray imports it to ask of every array whether it is one of Dask's. None can be, before
somebody has imported Dask: until then the answer is no.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from packaging.version import Version
from xarray.namedarray import pycompat, utils


class _Dask:
    """What xarray knows of Dask (`pycompat.DuckArrayModule`), found out when it asks."""

    available = True

    @property
    def type(self) -> tuple[Any, ...]:
        """The class of Dask's arrays, where there can be any."""
        array = getattr(sys.modules.get("dask.array"), "Array", None)
        return () if array is None else (array,)

    @property
    def module(self) -> Any:
        """The package."""
        return import_module("dask")

    @property
    def version(self) -> Version:
        """The version of the package."""
        return Version(self.module.__version__)


def _is_dask_collection(x: object) -> bool:
    """Return whether something is a collection of Dask's."""
    return "dask" in sys.modules and bool(_asked(x))


if find_spec("dask") is not None and hasattr(utils, "is_dask_collection"):
    _asked = utils.is_dask_collection
    utils.is_dask_collection = _is_dask_collection  # type: ignore[assignment]
    _known: dict[Any, Any] = getattr(pycompat, "_cached_duck_array_modules", {})
    _known.setdefault("dask", _Dask())
