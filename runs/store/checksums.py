"""SHA-256 of every file of a Zarr store, so that a chunk that is missing, cut short or altered is found by its name.

Zarr takes a missing chunk for one of zeros. So a list of all files stands in the store, in the form that ``sha256sum -c
chunks.sha256`` takes, and the root attribute ``chunks_digest`` is the SHA-256 of the list. Only what holds the root
attributes themselves is not on it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .atomic_file import RunFileError, publish_text, require_file

NAME = "chunks.sha256"
ATTRIBUTE = "chunks_digest"
ROOT, CONSOLIDATED = ".zattrs", ".zmetadata"
_NOT_LISTED = (ROOT, CONSOLIDATED, NAME)


def write(folder: Path) -> None:
    """Write the list of the files of a complete store, and its digest among the root attributes."""
    text = "".join(f"{_sha256(folder / name)}  {name}\n" for name in sorted(_names(folder)))
    (folder / NAME).write_bytes(text.encode())
    add_attributes(folder, {ATTRIBUTE: hashlib.sha256(text.encode()).hexdigest()})


def require(folder: Path) -> bool:
    """Return whether a store has such a list, after comparing every file with it.

    Where there is none, all that is asked is that no file is a pipe or a device, which may never end.

    Raises
    ------
    RunFileError
        With the first file that is missing or other than it was written, and how many there are.
    """
    for parent, _, files in os.walk(folder):
        for file in files:
            require_file(Path(parent) / file)
    if (want := _json(folder / ROOT).get(ATTRIBUTE)) is None:
        return False
    require_file(folder / NAME)
    text = (folder / NAME).read_bytes()
    if hashlib.sha256(text).hexdigest() != want:
        raise RunFileError(folder, f"damaged or edited: {NAME}")
    listed = {name: hash_ for hash_, _, name in (line.partition("  ") for line in text.decode().splitlines())}
    if wrong := [f"{name} is {how}" for name, want in listed.items() if (how := _fault(folder / name, want))]:
        more = f", and {len(wrong) - 1} more files" if wrong[1:] else ""
        raise RunFileError(folder, f"damaged or edited: {wrong[0]}{more}")
    return True


def add_attributes(folder: Path, more: Mapping[str, Any]) -> None:
    """Add root attributes to a store, durably; the consolidated metadata are written before those that count."""
    root = {**_json(folder / ROOT), **more}
    whole = _json(folder / CONSOLIDATED)
    whole["metadata"][ROOT] = root
    publish_text(folder / CONSOLIDATED, json.dumps(whole), kept=False)
    publish_text(folder / ROOT, json.dumps(root), kept=False)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes()))


def _names(folder: Path) -> Iterator[str]:
    """Yield the files of a store that are listed, with ``/`` between folders."""
    for parent, _, files in os.walk(folder):
        for file in files:
            name = (Path(parent) / file).relative_to(folder).as_posix()
            if name not in _NOT_LISTED:
                yield name


def _fault(path: Path, want: str) -> str:
    """Return what is wrong with a file, or nothing."""
    if not path.is_file():
        return "not a file" if os.path.lexists(path) else "missing"
    return "" if _sha256(path) == want else "not what was written"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
