"""Durable files: bytes that are on the disk when a function returns, regular files only, and locks.

Every failure is a :class:`LedgerError`. A failed fsync is never tried again: what is on the disk is then
unknown (https://wiki.postgresql.org/wiki/Fsync_Errors). Symbolic links are not followed.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ..text import beginning
from .format.errors import LedgerError, LedgerLocked

LOCK = ".lock"
_ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""No links; and a pipe in the place of a file is refused, not waited for."""
_READ = os.O_RDONLY | _ALWAYS
_WRITE = os.O_WRONLY | os.O_CREAT | _ALWAYS
_PART = 2**20
_MOST = 2**30
"""Bytes that are read or written at once, at most: Linux moves less than 2 GiB in a call."""


@contextlib.contextmanager
def opened(path: Path, flags: int = _READ, mode: int = 0o644) -> Iterator[int]:
    """Hold a file open by its descriptor; an error of the system names the file."""
    descriptor = _open(path, flags, mode)
    try:
        yield descriptor
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def read(path: Path, limit: int = 2**20) -> bytes:
    """Return the content of a small file; one of more than ``limit`` bytes is refused."""
    with opened(path) as file:
        parts, left = [], limit + 1
        while left and (part := os.read(file, min(left, _MOST, max(os.fstat(file).st_size, _PART)))):
            parts.append(part)
            left -= len(part)
    if not left:
        raise LedgerError(f"{path}: got more than {limit} bytes")
    return b"".join(parts)


def read_private(path: Path) -> bytes:
    """Return the content of a file that nobody but its owner may read."""
    with opened(path) as file:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        if mode & 0o077:
            raise LedgerError(f"{path}: others may use it (mode {mode:04o}, want 0600); `chmod 600` it")
        return os.read(file, 2**16)


def append(path: Path, data: bytes, size: int) -> None:
    """Append bytes to a file of a known size and sync them to the disk.

    Whatever a failed write leaves behind stays there, for ``repair`` to find.
    """
    new = not path.exists()
    with opened(path, _WRITE | os.O_APPEND) as file:
        if os.fstat(file).st_size != size:
            raise LedgerError(f"{path}: its size changed while it was locked")
        if (written := _written(file, data)) < len(data):
            raise LedgerError(
                f"{path}: only {written} of {len(data)} bytes could be written; is the disk full?"
            )
        os.fsync(file)
    if new:
        sync_folder(path.parent)


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a new file and sync it to the disk; an existing one is an error."""
    with opened(path, _WRITE | os.O_EXCL, mode) as file:
        _write(file, path, data)
    sync_folder(path.parent)


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file by a temporary one, so that it holds the old content or the new: atomic and durable.

    The temporary file is a new one whose name nobody could guess and plant.
    """
    temporary = path.with_name(f".{beginning(path.name, 200)}.{os.urandom(8).hex()}.tmp")
    if path.is_symlink():
        raise LedgerError(f"{path}: is a symbolic link, which is not followed")
    try:
        with opened(temporary, _WRITE | os.O_EXCL, mode) as file:
            _write(file, temporary, data)
        os.replace(temporary, path)
    except LedgerError:
        temporary.unlink(missing_ok=True)
        raise
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LedgerError(f"{path}: {error.strerror}") from error
    sync_folder(path.parent)


def move_end(path: Path, size: int, target: Path) -> None:
    """Move the bytes of a file beyond a size to a new file, which is on the disk before the old one is cut."""
    with opened(path, os.O_RDWR | _ALWAYS) as file, opened(target, _WRITE | os.O_EXCL) as copy:
        place = size
        while part := os.pread(file, _PART, place):
            if os.write(copy, part) < len(part):
                raise LedgerError(f"{target}: could not be written whole; is the disk full?")
            place += len(part)
        os.fsync(copy)
        sync_folder(target.parent)
        if (os.fstat(file).st_size, os.fstat(copy).st_size) != (place, place - size):
            raise LedgerError(f"{path}: its size changed while it was locked")
        os.ftruncate(file, size)
        os.fsync(file)


def cut(path: Path, size: int) -> None:
    """Truncate a file to a size, and sync that to the disk."""
    with opened(path, os.O_WRONLY | _ALWAYS) as file:
        os.ftruncate(file, size)
        os.fsync(file)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk."""
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as file:
        os.fsync(file)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and sync their names to the disk."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"{folder}: {error.strerror}") from error
    for part in missing:
        sync_folder(part.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder that nobody but its owner may enter."""
    if not private_folder(folder):
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise LedgerError(f"{folder}: {error.strerror}") from error
        sync_folder(folder.parent)


def private_folder(folder: Path) -> bool:
    """Return whether there is a folder of that name, which must be the caller's own and nobody else's to enter."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(status.st_mode):
        raise LedgerError(f"{folder}: is a symbolic link, which is not followed")
    if not stat.S_ISDIR(status.st_mode):
        raise LedgerError(f"{folder}: not a directory")
    if status.st_uid not in (0, os.geteuid()):
        raise LedgerError(f"{folder}: belongs to another user ({status.st_uid})")
    if (mode := stat.S_IMODE(status.st_mode)) & 0o077:
        raise LedgerError(f"{folder}: others may use it (mode {mode:04o}, want 0700)")
    return True


@contextlib.contextmanager
def locked(folder: Path, wait: float, *, shared: bool = False, name: str = LOCK) -> Iterator[None]:
    """Hold the lock of a folder (or that on one file in it), shared by readers; it falls with the process.

    A reader needs no right to write: where there is no lock file, nobody ever wrote.
    """
    path, patience = folder / name, time.monotonic() + wait
    if shared and not os.path.lexists(path):
        yield
        return
    if not shared and folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise LedgerError(f"{folder}: Permission denied: nothing can be written there")
    while (file := _lock(path, shared)) is None:
        if time.monotonic() >= patience:
            raise LedgerLocked(f"{folder if name == LOCK else path}: another process holds it")
        time.sleep(0.005)
    try:
        yield
    finally:
        os.close(file)


def _lock(path: Path, shared: bool) -> int | None:
    """Return the descriptor of a lock file that is now held; nothing if another process holds or removed it."""
    import fcntl

    file, held = _open(path, _READ if shared else os.O_RDWR | os.O_CREAT | _ALWAYS, 0o644), False
    try:
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(file), os.lstat(path))
    finally:
        if not held:
            os.close(file)
    return file if held else None


def _open(path: Path, flags: int, mode: int) -> int:
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        what = "is a symbolic link, which is not followed" if path.is_symlink() else error.strerror
        raise LedgerError(f"{path}: {what}") from error
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LedgerError(f"{path}: not a file")
    return descriptor


def _written(file: int, data: bytes) -> int:
    """Write bytes until they are all there, or a call writes less than it was given, and return how many are."""
    view, done = memoryview(data), 0
    while done < len(view):
        part = view[done : done + _MOST]
        count = os.write(file, part)
        done += count
        if count < len(part):
            break
    return done


def _write(file: int, path: Path, data: bytes) -> None:
    if _written(file, data) < len(data):
        raise LedgerError(f"{path}: could not be written whole; is the disk full?")
    os.fsync(file)
