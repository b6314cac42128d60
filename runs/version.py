"""The version of the installed package."""

import contextlib
import importlib.metadata
from functools import cache


@cache
def version(package: str = "otonari") -> str:
    """Return the version of an installed package, by default of this software."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return "unknown"
