"""The ledger: one hash-chained line per block in ``ledger.jsonl``, appended and never rewritten.

It is tamper-*evident*, not tamper-proof: whoever can write the file can replace all of it, and it proves
what was recorded, not that a meter told the truth. ``LEDGER.md`` describes the format.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import blocks, chain
from .chain import LedgerConflict, LedgerError, LedgerTampered, Summary

__all__ = [
    "Commit",
    "LedgerConflict",
    "LedgerError",
    "LedgerLocked",
    "LedgerTampered",
    "LedgerTorn",
    "Summary",
    "commit",
    "prepare",
    "show",
    "verify",
]

NAME = "ledger.jsonl"
_LONGEST = 2**28


class LedgerTorn(LedgerError):
    """The file ends inside a line: a write was cut short."""


class LedgerLocked(LedgerError):
    """Another process is writing."""


@dataclass(frozen=True)
class Commit:
    """What a commit does: how many slots it adds, how many stand there already, and the head then."""

    added: int
    already: int
    head: str


def verify(directory: str | os.PathLike[str]) -> Summary:
    """Check every block of a ledger and return what it holds.

    Raises
    ------
    LedgerTampered, LedgerTorn
        At the first thing that is wrong.
    LedgerError
        If there is no ledger, or one of another version.
    """
    summary = Summary()
    for _ in show(directory, summary):
        pass
    if not summary.count:
        raise LedgerTorn(f"{Path(directory) / NAME} is empty")
    return summary


def show(directory: str | os.PathLike[str], summary: Summary | None = None) -> Iterator[dict[str, Any]]:
    """Yield the blocks of a ledger, each checked before it is given; errors as in :func:`verify`."""
    path = Path(directory) / NAME
    summary = Summary() if summary is None else summary
    try:
        file = path.open("rb")
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error
    with file:
        for line in iter(lambda: file.readline(_LONGEST), b""):
            if not line.endswith(b"\n"):
                raise LedgerTorn(f"{path} ends inside block {summary.count}, after {len(line)} bytes of it")
            yield chain.advance(line, summary)


@contextlib.contextmanager
def prepare(
    directory: str | os.PathLike[str],
    new: Sequence[dict[str, Any]],
    *,
    currency: str = "JPY",
    wait: float = 10.0,
) -> Iterator[tuple[Commit, Callable[[], None]]]:
    """Lock and verify a ledger, look for conflicts, and give what a commit will do and the function for it.

    What must stand before the ledger says so (a run file) is written between the two. Nothing is recorded
    if the function is not called. A directory without a ledger gets one, with a genesis block for the
    market of the first new block.

    Parameters
    ----------
    directory : path
        The ledger's directory; made if it is missing.
    new : sequence of dict
        Blocks of one market as :func:`otonari.runs.blocks.cleared` gives them.
    currency : str
        Currency of a new ledger.
    wait : float
        Seconds to wait for another writer.

    Raises
    ------
    LedgerConflict
        If any slot is committed with another content, or the ledger is another market's.
    LedgerLocked, LedgerTampered, LedgerTorn
        If it cannot be appended to.
    """
    path = Path(directory) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent, wait):
        summary = Summary()
        found = show(directory, summary) if path.exists() else ()
        slots = {block["slot"] for block in new}
        recorded = {block["slot"]: chain.content(block) for block in found if block.get("slot") in slots}
        wanted = chain.unrecorded(new, summary, recorded)
        first = [] if summary.count else wanted[:1]
        opening = [blocks.genesis(b["market"], currency, b["software"]) for b in first]
        lines, head = chain.extend([*opening, *wanted], summary)
        planned = Commit(len(wanted), len(new) - len(wanted), head)
        yield planned, lambda: _append(path, lines, summary.size)


def commit(directory: str | os.PathLike[str], new: Sequence[dict[str, Any]], **options: Any) -> Commit:
    """Commit blocks at once; see :func:`prepare` for the arguments and errors."""
    with prepare(directory, new, **options) as (planned, append):
        append()
    return planned


def _append(path: Path, lines: bytes, size: int) -> None:
    """Append all lines in one write and see them to the disk; a failed write leaves the file as it was."""
    if not lines:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        try:
            if os.write(file, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(file, size)
            raise LedgerError(f"{path}: {error.strerror}; nothing was committed") from error
        os.fsync(file)
    finally:
        os.close(file)
    _sync(path.parent)
    _sync(path.parent.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(directory: Path, wait: float) -> Iterator[None]:
    """Hold the ledger's lock; it falls with the process that holds it."""
    import fcntl

    patience = time.monotonic() + wait
    with (directory / ".lock").open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= patience:
                    raise LedgerLocked(f"{directory}: another process is writing") from error
                time.sleep(0.02)
        yield
