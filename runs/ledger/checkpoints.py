"""Checkpoints of a ledger: its own, the log of those before, and those that others hold.

The file ``checkpoint`` is a signed note (https://c2sp.org/tlog-checkpoint) over a tree of all blocks; in a
ledger without a key it is the note's text alone. ``checkpoints.log`` is every one there was, each followed by
two empty lines.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import durable_files, private_leaves
from .format import signed_note
from .format.chain import Summary
from .format.errors import LedgerError, LedgerTampered

OWN, LOG = "checkpoint", "checkpoints.log"
_LONGEST, _RECENT = 2**16, 2**12
_END = b"\n\n\n"


@dataclass(frozen=True)
class Head:
    """A checkpoint and where it comes from; one that is ``held`` elsewhere may be an unsigned text."""

    source: str
    note: signed_note.Note
    checkpoint: signed_note.Checkpoint
    held: bool = False


def read(path: Path, *, held: bool = False) -> Head:
    """Return the checkpoint in a file, or raise :class:`LedgerTampered` if it holds none."""
    return _head(str(path) if held else path.name, durable_files.read(path), held)


class Heads:
    """All checkpoints that a ledger must agree with, met while its blocks are counted.

    Parameters
    ----------
    book : Path
        Directory of the ledger.
    held : sequence of Head
        Checkpoints kept elsewhere.
    log : bool
        Whether the whole log is compared, or only its last entries.
    """

    def __init__(self, book: Path, held: Sequence[Head] = (), *, log: bool = True):
        self.book = book
        self.own = read(book / OWN) if os.path.lexists(book / OWN) else None
        self.waiting = [*held, *([self.own] if self.own else [])]
        self.past = _entries(book / LOG, log) if os.path.lexists(book / LOG) else iter(())
        self.key: signed_note.Key | None = None
        self.coming: Head | None = None
        self.tail = b""
        self.last = 0
        self._turn()

    def meet(self, summary: Summary) -> None:
        """Compare the checkpoints of just this size with the chain.

        Raises
        ------
        LedgerTampered
            If one is of another tree, or not signed by the ledger's present key.
        """
        due = [head for head in self.waiting if head.checkpoint.size == summary.count]
        self.waiting = [head for head in self.waiting if head.checkpoint.size != summary.count]
        while self.coming and self.coming.checkpoint.size == summary.count:
            due.append(self.coming)
            self._turn()
        for head in due:
            for check in HEAD_CHECKS.values():
                check(head, summary)
            if head is self.own:
                self.key = summary.keys[-1] if summary.keys else None

    def finish(self, summary: Summary, pinned: Iterable[signed_note.Key] = ()) -> None:
        """Check what can be said when all blocks are counted: nothing is missing, and the keys are right.

        Raises
        ------
        LedgerTampered
            If so.
        """
        for check in END_CHECKS.values():
            check(self, summary)
        for key in pinned:
            known = summary.keys if key.kind == signed_note.LOG else self._cosigned([key])
            if key not in known:
                got = ", ".join(map(str, known)) or "none"
                what = "key" if key.kind == signed_note.LOG else "cosignature"
                raise LedgerTampered(OWN, what, got, key)

    def torn(self, summary: Summary) -> str:
        """Return what a write that was cut short left to repair, or nothing."""
        if summary.tail:
            return f"it ends inside block {summary.count}, after {summary.tail} bytes of it"
        if not summary.count:
            return "it is empty"
        if not self.own:
            return f"{summary.count} blocks without a checkpoint"
        if beyond := summary.count - self.own.checkpoint.size:
            return f"{beyond} blocks beyond the checkpoint"
        return ""

    def heal(self) -> None:
        """Append to the log what a crash cut off: the present checkpoint, or its end."""
        if self.own:
            record(self.book, self.own.note, self.key)

    def _cosigned(self, keys: list[signed_note.Key]) -> list[signed_note.Key]:
        try:
            return signed_note.verified(self.own.note, keys) if self.own else []
        except signed_note.NoteError as error:
            raise LedgerTampered(OWN, "cosignature", error, "a good one") from error

    def _turn(self) -> None:
        """Read on to the next entry of the log."""
        self.coming = None
        for entry, whole in self.past:
            if not whole:
                self.tail = entry
                return
            head = _head(LOG, entry[:-2])
            if head.checkpoint.size <= self.last:
                raise LedgerTampered(LOG, "size", head.checkpoint.size, f"more than {self.last}")
            self.last, self.coming = head.checkpoint.size, head
            return


def entry(note: signed_note.Note, key: signed_note.Key | None) -> bytes:
    """Return a checkpoint as the log keeps it: with the ledger's own signature only."""
    own = [s for s in note.signatures if key and (s[0], s[1][:4]) == (key.name, key.id)]
    return f"{signed_note.Note(note.text, tuple(own))}\n\n".encode()


def publish(book: Path, summary: Summary, signer: signed_note.Signer | None) -> signed_note.Note:
    """Put the checkpoint of a ledger in the place of the last one, signed if the ledger has a key."""
    text = str(summary.checkpoint())
    note = signed_note.Note(text, (signed_note.signature(signer.sign(text)),) if signer else ())
    durable_files.replace(book / OWN, str(note).encode())
    record(book, note, summary.keys[-1] if summary.keys else None)
    return note


def record(book: Path, note: signed_note.Note, key: signed_note.Key | None) -> None:
    """Append to the log what it lacks of a checkpoint: all of it, or the end that a crash cut off."""
    path, wanted = book / LOG, entry(note, key)
    size = path.stat().st_size if os.path.lexists(path) else 0
    end = _last_bytes(path, size, len(wanted) + len(_END)) if size else b""
    present = next(n for n in range(len(wanted), -1, -1) if end.endswith(wanted[:n]))
    before = end[: len(end) - present]
    if before and not before.endswith(_END):
        raise LedgerError(f"{path}: ends inside a checkpoint that is not this ledger's")
    if present < len(wanted):
        durable_files.append(path, wanted[present:], size)


def _last_bytes(path: Path, size: int, count: int) -> bytes:
    with durable_files.opened(path) as file:
        return os.pread(file, count, max(0, size - count))


def _head(source: str, data: bytes, held: bool = False) -> Head:
    try:
        note = signed_note.parse(data)
        found = Head(source, note, signed_note.parse_checkpoint(note.text), held)
    except signed_note.NoteError as error:
        raise LedgerTampered(source, "form", error, "a checkpoint") from error
    if not found.checkpoint.size:
        raise LedgerTampered(source, "size", "no blocks", "1 at least")
    return found


def _entries(path: Path, everything: bool) -> Iterator[tuple[bytes, bool]]:
    """Yield the entries of a log (or the last few), and whether each is whole; only the last one may not be."""
    with durable_files.opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        size = os.fstat(descriptor).st_size
        if not everything and size > _RECENT:
            file.seek(size - _RECENT)
            skipped = file.read().find(_END)
            file.seek(size - _RECENT + skipped + len(_END) if skipped >= 0 else 0)
        found = b""
        for line in iter(lambda: file.readline(_LONGEST), b""):
            found += line
            if found.endswith(_END):
                yield found, True
                found = b""
            if len(found) > _LONGEST:
                raise LedgerTampered(LOG, "entry", f"{len(found)} bytes", f"{_LONGEST} at most")
    if found:
        yield found, False


def _origin(head: Head, summary: Summary) -> None:
    if head.checkpoint.origin != signed_note.origin(summary.market):
        raise LedgerTampered(
            head.source, "origin", head.checkpoint.origin, signed_note.origin(summary.market)
        )


def _root(head: Head, summary: Summary) -> None:
    if head.checkpoint.root != summary.tree.root():
        got = f"{summary.tree.root().hex()} over {summary.count} blocks"
        raise LedgerTampered(head.source, "tree hash", got, head.checkpoint.root.hex())


def _signature(head: Head, summary: Summary) -> None:
    if not summary.keys or (head.held and not head.note.signatures):
        return
    try:
        good = signed_note.verified(head.note, summary.keys[-1:])
    except signed_note.NoteError as error:
        raise LedgerTampered(head.source, "signature", error, f"that of {summary.keys[-1]}") from error
    if not good:
        raise LedgerTampered(head.source, "signature", "none", f"that of {summary.keys[-1]}")


def _whole(heads: Heads, summary: Summary) -> None:
    """Require every block that a checkpoint knows."""
    for head in [*heads.waiting, *([heads.coming] if heads.coming else [])]:
        got, want = f"{summary.count} blocks", f"{head.checkpoint.size} at least"
        raise LedgerTampered(head.source, "size", got, want)


def _latest(heads: Heads, _: Summary) -> None:
    """Require a checkpoint not older than the log of checkpoints."""
    size = heads.own.checkpoint.size if heads.own else 0
    if heads.last > size or (not heads.own and heads.tail):
        raise LedgerTampered(OWN, "size", size, f"{heads.last} at least, as {LOG} has")


def _kept(heads: Heads, _: Summary) -> None:
    """Require a checkpoint of what the keeper's own folder knows to be recorded."""
    size, known = heads.own.checkpoint.size if heads.own else 0, private_leaves.latest(heads.book)
    if size < known:
        raise LedgerTampered(OWN, "size", size, f"{known} at least, as {private_leaves.FOLDER}/ has")


def _log_end(heads: Heads, _: Summary) -> None:
    """Require that what a crash left at the end of the log is the beginning of the present checkpoint."""
    if heads.tail and heads.own and not entry(heads.own.note, heads.key).startswith(heads.tail):
        raise LedgerTampered(LOG, "end", repr(heads.tail), "the present checkpoint")


HEAD_CHECKS: dict[str, Callable[[Head, Summary], None]] = {
    "origin": _origin,
    "root": _root,
    "signature": _signature,
}
END_CHECKS: dict[str, Callable[[Heads, Summary], None]] = {
    "whole": _whole,
    "latest": _latest,
    "kept": _kept,
    "log end": _log_end,
}
"""What must hold of each checkpoint, and of all of them when every block is counted."""
