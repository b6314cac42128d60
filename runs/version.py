"""The version of the installed package."""

import contextlib
import importlib.metadata


def version() -> str:
    """Return the version of this software."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("otonari")
    return "unknown"
