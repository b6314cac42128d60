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
class KnownCheckpoint:
    """A checkpoint and where it comes from; one that is ``held`` elsewhere may be an unsigned text."""

    source: str
    note: signed_note.Note
    checkpoint: signed_note.Checkpoint
    held: bool = False


def read(path: Path, *, held: bool = False) -> KnownCheckpoint:
    """Return the checkpoint in a file, or raise :class:`LedgerTampered` if it holds none."""
    return _parse(str(path) if held else path.name, durable_files.read(path), held)


class Comparison:
    """All checkpoints that a ledger must agree with, compared one by one while its blocks are counted.

    Parameters
    ----------
    directory : Path
        Of the ledger.
    held : sequence of KnownCheckpoint
        Checkpoints kept elsewhere.
    whole_log : bool
        Whether the whole log is compared, or only its last entries.
    """

    def __init__(self, directory: Path, held: Sequence[KnownCheckpoint] = (), *, whole_log: bool = True):
        self.directory = directory
        self.own = read(directory / OWN) if os.path.lexists(directory / OWN) else None
        self.key: signed_note.Key | None = None  # the ledger's key at the size of its own checkpoint
        self.uncompared = [*held, *([self.own] if self.own else [])]
        log = directory / LOG
        self._entries = _entries(log, whole_log) if os.path.lexists(log) else iter(())
        self.next_logged: KnownCheckpoint | None = None
        self.last_logged_size = 0
        self.cut_entry = b""
        self._next_entry()

    @property
    def size(self) -> int:
        """The number of blocks that the ledger's own checkpoint vouches for; 0 if there is none."""
        return self.own.checkpoint.size if self.own else 0

    def compare(self, summary: Summary) -> None:
        """Compare the checkpoints of just this size with the chain.

        Raises
        ------
        LedgerTampered
            If one is of another tree, or not signed by the ledger's present key.
        """
        due = [known for known in self.uncompared if known.checkpoint.size == summary.count]
        self.uncompared = [known for known in self.uncompared if known.checkpoint.size != summary.count]
        while self.next_logged and self.next_logged.checkpoint.size == summary.count:
            due.append(self.next_logged)
            self._next_entry()
        for known in due:
            for check in CHECKPOINT_CHECKS.values():
                check(known, summary)
            if known is self.own:
                self.key = summary.keys[-1] if summary.keys else None

    def finish(self, summary: Summary, pinned: Iterable[signed_note.Key] = ()) -> None:
        """Check what must hold when all blocks are counted: nothing is missing, and the pinned keys signed.

        Raises
        ------
        LedgerTampered
            If a block or a checkpoint is missing, or a pinned key is neither the log's nor a witness's.
        """
        for check in END_CHECKS.values():
            check(self, summary)
        for key in pinned:
            known = summary.keys if key.kind == signed_note.LOG else self._cosigned([key])
            if key not in known:
                got = ", ".join(map(str, known)) or "none"
                what = "key" if key.kind == signed_note.LOG else "cosignature"
                raise LedgerTampered(OWN, what, got, key)

    def complete_log(self) -> None:
        """Append to the log what a crash cut off: the present checkpoint, or its end."""
        if self.own:
            append_to_log(self.directory, self.own.note, self.key)

    def _cosigned(self, keys: list[signed_note.Key]) -> list[signed_note.Key]:
        try:
            return signed_note.verified(self.own.note, keys) if self.own else []
        except signed_note.NoteError as error:
            raise LedgerTampered(OWN, "cosignature", error, "a good one") from error

    def _next_entry(self) -> None:
        """Read on to the next entry of the log."""
        self.next_logged = None
        for entry, whole in self._entries:
            if not whole:
                self.cut_entry = entry
                return
            known = _parse(LOG, entry[:-2])
            if known.checkpoint.size <= self.last_logged_size:
                raise LedgerTampered(LOG, "size", known.checkpoint.size, f"more than {self.last_logged_size}")
            self.last_logged_size, self.next_logged = known.checkpoint.size, known
            return


def log_entry(note: signed_note.Note, key: signed_note.Key | None) -> bytes:
    """Return a checkpoint as the log keeps it: with the ledger's own signature only."""
    own = [s for s in note.signatures if key and (s[0], s[1][:4]) == (key.name, key.id)]
    return f"{signed_note.Note(note.text, tuple(own))}\n\n".encode()


def publish(directory: Path, summary: Summary, signer: signed_note.Signer | None) -> signed_note.Note:
    """Put the checkpoint of a ledger in the place of the last one, signed if the ledger has a key."""
    text = str(summary.checkpoint())
    note = signed_note.Note(text, (signed_note.signature(signer.sign(text)),) if signer else ())
    durable_files.replace(directory / OWN, str(note).encode())
    append_to_log(directory, note, summary.keys[-1] if summary.keys else None)
    return note


def append_to_log(directory: Path, note: signed_note.Note, key: signed_note.Key | None) -> None:
    """Append to the log what it lacks of a checkpoint: all of it, or the end that a crash cut off."""
    path, entry = directory / LOG, log_entry(note, key)
    size = path.stat().st_size if os.path.lexists(path) else 0
    end = _last_bytes(path, size, len(entry) + len(_END)) if size else b""
    present = next(n for n in range(len(entry), -1, -1) if end.endswith(entry[:n]))
    before = end[: len(end) - present]
    if before and not before.endswith(_END):
        raise LedgerError(f"{path}: ends inside a checkpoint that is not this ledger's")
    if present < len(entry):
        durable_files.append(path, entry[present:], size)


def _last_bytes(path: Path, size: int, count: int) -> bytes:
    with durable_files.opened(path) as file:
        return os.pread(file, count, max(0, size - count))


def _parse(source: str, data: bytes, held: bool = False) -> KnownCheckpoint:
    try:
        note = signed_note.parse(data)
        checkpoint = signed_note.parse_checkpoint(note.text)
    except signed_note.NoteError as error:
        raise LedgerTampered(source, "form", error, "a checkpoint") from error
    if not checkpoint.size:
        raise LedgerTampered(source, "size", "no blocks", "1 at least")
    return KnownCheckpoint(source, note, checkpoint, held)


def _entries(path: Path, everything: bool) -> Iterator[tuple[bytes, bool]]:
    """Yield the entries of a log (or the last few), and whether each is whole; only the last one may not be."""
    with durable_files.opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        size = os.fstat(descriptor).st_size
        if not everything and size > _RECENT:
            file.seek(size - _RECENT)
            skipped = file.read().find(_END)
            file.seek(size - _RECENT + skipped + len(_END) if skipped >= 0 else 0)
        entry = b""
        for line in iter(lambda: file.readline(_LONGEST), b""):
            entry += line
            if entry.endswith(_END):
                yield entry, True
                entry = b""
            if len(entry) > _LONGEST:
                raise LedgerTampered(LOG, "entry", f"{len(entry)} bytes", f"{_LONGEST} at most")
    if entry:
        yield entry, False


def _origin(known: KnownCheckpoint, summary: Summary) -> None:
    """Require the name of the ledger's market."""
    want = signed_note.origin(summary.market)
    if known.checkpoint.origin != want:
        raise LedgerTampered(known.source, "origin", known.checkpoint.origin, want)


def _root(known: KnownCheckpoint, summary: Summary) -> None:
    """Require the hash of the tree over the blocks so far."""
    if known.checkpoint.root != summary.tree.root():
        got = f"{summary.tree.root().hex()} over {summary.count} blocks"
        raise LedgerTampered(known.source, "tree hash", got, known.checkpoint.root.hex())


def _signature(known: KnownCheckpoint, summary: Summary) -> None:
    """Require the signature of the ledger's key of that time; a text held elsewhere may have none."""
    if not summary.keys or (known.held and not known.note.signatures):
        return
    want = f"that of {summary.keys[-1]}"
    try:
        signed = signed_note.verified(known.note, summary.keys[-1:])
    except signed_note.NoteError as error:
        raise LedgerTampered(known.source, "signature", error, want) from error
    if not signed:
        raise LedgerTampered(known.source, "signature", "none", want)


def _whole(compared: Comparison, summary: Summary) -> None:
    """Require every block that a checkpoint knows."""
    logged = [compared.next_logged] if compared.next_logged else []
    for known in [*compared.uncompared, *logged]:
        got, want = f"{summary.count} blocks", f"{known.checkpoint.size} at least"
        raise LedgerTampered(known.source, "size", got, want)


def _latest(compared: Comparison, _: Summary) -> None:
    """Require a checkpoint not older than the log of checkpoints."""
    size, logged = compared.size, compared.last_logged_size
    if logged > size or (not compared.own and compared.cut_entry):
        raise LedgerTampered(OWN, "size", size, f"{logged} at least, as {LOG} has")


def _kept(compared: Comparison, _: Summary) -> None:
    """Require a checkpoint of all blocks before the last write that the keeper's own folder knows of."""
    size, known = compared.size, private_leaves.last_write(compared.directory)
    if size < known:
        raise LedgerTampered(OWN, "size", size, f"{known} at least, as {private_leaves.FOLDER}/ has")


def _log_end(compared: Comparison, _: Summary) -> None:
    """Require that what a crash left at the end of the log is the beginning of the present checkpoint."""
    cut, own = compared.cut_entry, compared.own
    if cut and own and not log_entry(own.note, compared.key).startswith(cut):
        raise LedgerTampered(LOG, "end", repr(cut), "the present checkpoint")


CHECKPOINT_CHECKS: dict[str, Callable[[KnownCheckpoint, Summary], None]] = {
    "origin": _origin,
    "root": _root,
    "signature": _signature,
}
END_CHECKS: dict[str, Callable[[Comparison, Summary], None]] = {
    "whole": _whole,
    "latest": _latest,
    "kept": _kept,
    "log end": _log_end,
}
"""What must hold of each checkpoint, and of all of them when every block is counted."""
