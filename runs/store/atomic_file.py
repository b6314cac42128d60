"""Files that appear whole or not at all, and never in the place of a different one."""

import contextlib
import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from ..text import beginning


class RunFileError(ValueError):
    """A file that is not a run, is damaged, has another format, or cannot be written; ``path`` says which."""

    exit_code: ClassVar[int] = 2

    def __init__(self, path: str | os.PathLike[str], what: str):
        self.path = Path(path)
        super().__init__(f"{path}: {what}")


def publish(
    path: Path,
    fill: Callable[[str], object],
    same: Callable[[Path], bool] | None = None,
    mode: int = 0o666,
) -> Path | None:
    """Put a file under its name atomically; return the copy of an earlier, different one if there was one.

    Parameters
    ----------
    path : path
        The file; missing directories are made.
    fill : callable
        Writes the content to the file name that it is given.
    same : callable, optional
        Whether the earlier file need not be kept (default: the same bytes).
    mode : int
        Who may read and write it, as far as the umask allows.

    Raises
    ------
    RunFileError
        If it cannot be written, or if what stands there is no file; it stands there still.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _directory(path.parent) as directory, _temporary(path) as (name, descriptor):
            fill(name)
            os.fchmod(descriptor, mode & ~_umask())
            os.fsync(descriptor)
            kept = None
            if path.exists():
                require_file(path)
                equal = same(path) if same else filecmp.cmp(path, name, shallow=False)
                kept = None if equal else _copy(path)
            os.replace(name, path)
            os.fsync(directory)
    except (OSError, RuntimeError) as error:  # netCDF reports a full disk as either
        raise RunFileError(path, f"cannot be written: {first_line(error)}") from error
    return kept


def publish_text(path: Path, text: str, mode: int = 0o666, *, kept: bool = True) -> Path | None:
    """Put a text, in UTF-8, under a name; see :func:`publish`. An earlier one is not ``kept`` if nobody wants it."""
    same = None if kept else lambda earlier: True
    return publish(path, lambda name: Path(name).write_bytes(text.encode()), same, mode)


def write_new(directory: str | os.PathLike[str], files: Mapping[str, bytes]) -> list[Path]:
    """Write files into a directory, all or none; an existing one is never overwritten.

    Raises
    ------
    RunFileError
        If one of them exists or cannot be written.
    """
    paths = [Path(directory) / name for name in files]
    for path in paths:
        if os.path.lexists(path):
            raise RunFileError(path, "exists already; nothing was written")
    written: list[Path] = []
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, files.values(), strict=True):
            with path.open("xb") as file:
                written.append(path)
                file.write(content)
    except BaseException as error:  # an interrupt too leaves nothing half-written
        for path in written:
            path.unlink()
        if not isinstance(error, OSError):
            raise
        raise RunFileError(directory, f"cannot be written: {error.strerror}") from error
    return written


def require_file(path: str | os.PathLike[str]) -> None:
    """Raise :class:`RunFileError` unless there is a regular file: a pipe or a device may never end."""
    if not Path(path).is_file():
        raise RunFileError(path, "not a file" if os.path.lexists(path) else "no such file")


def free_name(path: Path) -> Path:
    """Return the path with the first number that is free: ``name.1.nc``, ``name.2.nc`` and so on."""
    number = 1
    while (free := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return free


def _copy(path: Path) -> Path:
    """Copy a file beside itself under the first free number."""
    copy = free_name(path)
    with path.open("rb") as source, copy.open("xb") as target:
        try:
            os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)
            shutil.copyfileobj(source, target)
            os.fsync(target.fileno())
        except BaseException:
            copy.unlink()
            raise
    return copy


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[str, int]]:
    """Give a new file beside another one, name and descriptor, gone afterwards if it was not renamed."""
    descriptor, name = tempfile.mkstemp(
        prefix=f".{beginning(path.name, 200)}.", suffix=".tmp", dir=path.parent
    )
    try:
        yield name, descriptor
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _directory(directory: Path) -> Iterator[int]:
    """Hold a lock on the directory, so that two writers of one name take turns; give its descriptor."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
