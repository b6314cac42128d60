"""The state of a ledger: verified block by block, then in one of four conditions that only checked steps change.

While its blocks are counted a ledger is ``UNREAD``. Then it is ``EMPTY``, or ends inside a block (``TORN``), or has
blocks that no checkpoint vouches for (``UNVOUCHED``), or all is as it should be (``SETTLED``)::

    UNREAD --finish--> EMPTY | TORN | UNVOUCHED | SETTLED
    TORN --set_aside_torn_end--> EMPTY | UNVOUCHED | SETTLED
    UNVOUCHED --vouch--> SETTLED
    EMPTY | SETTLED | TORN inside the very lines that are appended --append--> SETTLED

A crash leaves ``TORN`` or ``UNVOUCHED``, or both at once, which counts as ``TORN``. Who calls holds the ledger's lock.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from pathlib import Path

from . import checkpoints, durable_files, private_leaves
from .checkpoints import KnownCheckpoint
from .format import block_schema, signed_note
from .format.chain import Block, Summary
from .format.errors import LedgerError, LedgerTampered, LedgerTorn

NAME = "ledger.jsonl"


class Condition(Enum):
    """The condition of a ledger; the transitions stand at the head of this module."""

    UNREAD = auto()
    EMPTY = auto()
    TORN = auto()
    UNVOUCHED = auto()
    SETTLED = auto()


class Clearings:
    """The clearings of some slots that are not reversed, by slot, and how often each slot was reversed."""

    def __init__(self, wanted: Callable[[int], bool]):
        self.wanted = wanted
        self.unreversed: dict[int, Block] = {}
        self.reversals: Counter[int] = Counter()

    def copy(self) -> "Clearings":
        """Return the same clearings, which go their own way from now on."""
        other = Clearings(self.wanted)
        other.unreversed, other.reversals = dict(self.unreversed), self.reversals.copy()
        return other

    def count_in(self, block: Block) -> None:
        """Update the clearings by a checked block."""
        if block["kind"] in block_schema.RECORDING and self.wanted(block["slot"]):
            self.unreversed[block["slot"]] = block
        elif block["kind"] == "correction" and self.wanted(block["slot"]):
            self.unreversed.pop(block["slot"], None)
            self.reversals[block["slot"]] += 1


class LedgerState:
    """A ledger being verified, then verified: summary, checkpoints, and clearings of the slots in question.

    Parameters
    ----------
    directory : Path
        Of the ledger.
    held : sequence of KnownCheckpoint
        Checkpoints kept elsewhere, which the ledger must agree with.
    pinned : iterable of Key
        Keys known from elsewhere, see :func:`otonari.runs.ledger.ledger.verify`.
    slots : callable
        Whether the clearing of a slot, given by its start, is wanted.
    whole_log : bool
        Whether it is compared with all checkpoints that there were, or with the last ones.

    Attributes
    ----------
    summary : Summary
        Of the blocks counted so far.
    note : Note
        The ledger's own checkpoint; an empty text if it has none.
    vouched : int
        How many blocks that checkpoint vouches for.
    unvouched : dict
        The blocks beyond it by their hashes, if :func:`otonari.runs.ledger.reader.read` was asked to keep them.
    """

    def __init__(
        self,
        directory: Path,
        held: Sequence[KnownCheckpoint] = (),
        pinned: Iterable[signed_note.Key] = (),
        *,
        slots: Callable[[int], bool] = lambda slot: False,
        whole_log: bool = True,
    ):
        self.directory, self.path = directory, directory / NAME
        self.summary, self.clearings = Summary(), Clearings(slots)
        self.unvouched: dict[str, Block] = {}
        self._pinned, self._finished = pinned, False
        self._compare_with(checkpoints.Comparison(directory, held, whole_log=whole_log))

    @property
    def condition(self) -> Condition:
        """The condition of the ledger."""
        if not self._finished:
            return Condition.UNREAD
        if self.summary.tail:
            return Condition.TORN
        if not self.summary.count:
            return Condition.EMPTY
        return Condition.UNVOUCHED if self.summary.count > self.vouched else Condition.SETTLED

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint, or a file of blocks, even an empty one."""
        return bool(self.vouched) or os.path.lexists(self.path)

    # verifying

    def require_blocks(self) -> None:
        """Raise :class:`LedgerTampered` if there is a checkpoint, but no file of blocks."""
        if self.vouched and not os.path.lexists(self.path):
            raise LedgerTampered(checkpoints.OWN, "size", "no blocks at all", self.vouched)

    def count_in(self, block: Block) -> None:
        """Compare the checkpoints of this size, and update the clearings by a block that is in the summary."""
        self._comparison.compare(self.summary)
        self.clearings.count_in(block)

    def finish(self) -> None:
        """Check what must hold when all blocks are counted, see :meth:`checkpoints.Comparison.finish`."""
        self._comparison.finish(self.summary, self._pinned)
        self._finished = True

    def compare_again(self) -> None:
        """Compare the checkpoint with the summary again, after a time without lock in which no file was written."""
        self._compare_with(checkpoints.Comparison(self.directory, whole_log=False))
        self._comparison.compare(self.summary)

    def require_settled(self) -> None:
        """Raise :class:`LedgerTorn` if the ledger is empty or there is anything to repair."""
        if self.condition is not Condition.SETTLED:
            raise self.torn()

    def torn(self) -> LedgerTorn:
        """Return the error of a ledger that is verified and not settled: it says what is to be repaired."""
        count, tail = self.summary.count, self.summary.tail
        beyond = "without a checkpoint" if not self.vouched else "beyond the checkpoint"
        why = {
            Condition.TORN: f"it ends inside block {count}, after {tail} bytes of it",
            Condition.EMPTY: "it is empty",
            Condition.UNVOUCHED: f"{count - self.vouched} blocks {beyond}",
        }[self.condition]
        return LedgerTorn(f"{self.path}: {why}; see `otonari ledger repair`")

    # writing

    def complete_log(self) -> None:
        """Append to the log of checkpoints what a crash cut off of the present one."""
        assert self._finished
        self._comparison.complete_log()

    def set_aside_torn_end(self) -> Path:
        """Move the bytes after the last newline to a new ``.torn`` file, and return that."""
        assert self.condition is Condition.TORN
        names = (self.path.with_name(f"{NAME}.{n}.torn") for n in range(10**6))
        target = next(path for path in names if not path.exists())
        durable_files.move_end(self.path, self.summary.size, target)
        self.summary.tail = 0
        return target

    def vouch(self, signer: signed_note.Signer | None) -> None:
        """Publish a checkpoint of all whole blocks that are there."""
        assert self._finished
        self._publish(signer)

    def append(
        self, lines: bytes, leaves: list[bytes], after: Summary, signer: signed_note.Signer | None
    ) -> None:
        """Append lines to a ledger all of which has a checkpoint: hashes and leaves first, the checkpoint last.

        Parameters
        ----------
        lines : bytes
            Of the new blocks; a torn end is their beginning, and only the rest of them is written.
        leaves : list of bytes
            The private leaves of the new blocks.
        after : Summary
            Of the ledger with the new blocks.
        signer : Signer, optional
            The private key of a ledger that has one.
        """
        assert self._finished
        assert self.summary.count == self.vouched
        private_leaves.write(self.directory, self.summary.count, lines, leaves)
        size, tail = self.summary.size, self.summary.tail
        durable_files.append(self.path, lines[tail:], size + tail)
        self.summary = after
        self._publish(signer)

    def continued_by(self, lines: bytes) -> bool:
        """Return whether the bytes after the last newline, if any, are the beginning of these lines."""
        size, tail = self.summary.size, self.summary.tail
        if not tail or tail > len(lines):
            return not tail
        with durable_files.opened(self.path) as file:
            return lines.startswith(os.pread(file, tail, size))

    def require_beginning(self, head: str) -> None:
        """Raise :class:`LedgerError` if a ledger up to this hash is to begin where another one's private files are."""
        if not self.summary.count and (file := private_leaves.another_beginning(self.directory, head)):
            known = self.directory / private_leaves.FOLDER / file
            raise LedgerError(
                f"{known}: is of a ledger that is not there: bring that back, or move this away"
            )

    def _compare_with(self, comparison: checkpoints.Comparison) -> None:
        """Take the checkpoint that is in force from a comparison."""
        own = comparison.own
        self._comparison, self.vouched = comparison, comparison.size
        self.note = own.note if own else signed_note.Note("")

    def _publish(self, signer: signed_note.Signer | None) -> None:
        """Publish a checkpoint of the summary, which is in force from now on."""
        self.note = checkpoints.publish(self.directory, self.summary, signer)
        self.vouched, self.unvouched = self.summary.count, {}


def require_signer(summary: Summary, signer: signed_note.Signer | None) -> None:
    """Raise :class:`LedgerError` unless the private key is the one that signs a ledger's checkpoints."""
    want = summary.keys[-1] if summary.keys else None
    got = signer.key if signer else None
    if got != want:
        raise LedgerError(f"key: got {got or 'none'}, want {want or 'none: this ledger is not signed'}")


def fingerprint(directory: Path) -> list[tuple[int, ...]]:
    """Return device, inode, size and times of the public files of a ledger; writing to one changes them."""
    paths = [directory / name for name in (NAME, checkpoints.OWN, checkpoints.LOG)]
    stats = [os.lstat(path) for path in paths if os.path.lexists(path)]
    return [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats]
