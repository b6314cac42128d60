"""Folders that appear whole under their name, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..text import beginning
from .atomic_file import RunFileError, free_name


def publish(path: Path, fill: Callable[[str], None], same: Callable[[Path], bool]) -> Path | None:
    """Put a folder under its name atomically and durably; return the name that an earlier, different one has now.

    ``fill`` makes the folder of the name that it is given, ``same`` says whether the earlier one need not be kept.

    Raises
    ------
    RunFileError
        If it cannot be written; what stood under the name stands there still.
    """
    kept = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(
            tempfile.mkdtemp(prefix=f".{beginning(path.name, 200)}.", suffix=".tmp", dir=path.parent)
        )
        try:
            fill(str(temporary / "new"))
            _sync(temporary / "new")
            if path.exists():
                equal = same(path)
                kept = temporary / "old" if equal else free_name(path)
                path.rename(kept)
                kept = None if equal else kept
            (temporary / "new").rename(path)
            _sync_file(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise RunFileError(path, f"cannot be written: {error.strerror or error}") from error
    return kept


def _sync(folder: Path) -> None:
    """Sync all files and folders of a folder to the disk."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _sync_file(Path(parent) / name)
        _sync_file(Path(parent))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
