"""The bytes of a file that a user names: of a regular file only, since a device or a pipe may never end."""

import hashlib
from glob import escape, glob
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ..problems import InputError, Problem

EACH = "{participant}"
"""Stands in a path for the label of a participant: a file each."""
EACH_POINT = "{point}"
"""Stands in a path for the label of a metering point: a file each."""


def content(path: Path, want: str, most: int | None = None) -> bytes:
    """Return the bytes of a regular file.

    Parameters
    ----------
    path
        The file.
    want
        What belongs there, for the problem where it cannot be read.
    most
        Largest size that is read [bytes].

    Raises
    ------
    InputError
        If it cannot be read, is no regular file, or is larger.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
            raise InputError([Problem(str(path), "", "file", "a device or a pipe", "a regular file")])
        if most is not None and status.st_size > most:
            raise InputError([Problem(str(path), "", "file", f"{status.st_size} bytes", f"at most {most}")])
        return path.read_bytes()
    except OSError as error:
        got = (error.strerror or type(error).__name__).lower()
        raise InputError([Problem(str(path), "", "file", got, want)]) from None
    except ValueError as error:  # a NUL in the path; an InputError is one too
        if isinstance(error, InputError):
            raise
        got = "a path with a NUL character"
        raise InputError([Problem(repr(str(path)), "", "file", got, want)]) from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the names and bytes of the files of a path with a mark in it.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    each = next((mark for mark in (EACH, EACH_POINT) if mark in str(path)), None)
    if each is None:
        return hashlib.sha256(content(path, "a readable file")).hexdigest()
    before, _, after = str(path).partition(each)
    digest = hashlib.sha256()
    for name in sorted(glob(f"{escape(before)}*{escape(after)}")):
        digest.update(f"{name[len(before) : len(name) - len(after)]} {sha256(Path(name))}\n".encode())
    return digest.hexdigest()
