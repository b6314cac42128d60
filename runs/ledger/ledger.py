"""The ledger: a directory that records what a market cleared, appended and never rewritten.

It is tamper-*evident*, not tamper-proof: there is no consensus, and it proves what was recorded, not that a
meter told the truth. ``README.md`` describes the format.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from . import checkpoints, durable_files, private_leaves, reader
from .commit import Commit, plan_commit
from .format import block_schema, signed_note
from .format.chain import Block, Summary
from .format.errors import LedgerConflict, LedgerError, LedgerLocked, LedgerTampered, LedgerTorn
from .state import NAME, LedgerState, fingerprint

__all__ = [
    "NAME",
    "Commit",
    "LedgerConflict",
    "LedgerError",
    "LedgerLocked",
    "LedgerTampered",
    "LedgerTorn",
    "Session",
    "Summary",
    "beside",
    "commit",
    "prepare",
    "show",
    "verify",
]

Folder = str | os.PathLike[str]


def beside(run: Path, market_id: str | None, hash_: str) -> Path:
    """Return the ledger's directory beside a run file, if nobody names another one.

    It is that of the market which the scenario names, else of all that decides the result, by its hash.
    """
    return run.parent / ("ledger" if market_id else f"ledger-{hash_[:8]}")


def verify(
    directory: Folder,
    held: Sequence[Path] = (),
    pinned: Sequence[signed_note.Key] = (),
    *,
    private: bool = False,
) -> Summary:
    """Check every block and every checkpoint of a ledger and return what it holds.

    Parameters
    ----------
    directory : path
        Of the ledger.
    held : sequence of Path
        Checkpoints kept elsewhere, which the ledger must agree with.
    pinned : sequence of Key
        Keys known from elsewhere: of the log (one that signs, or handed over to the one that does) and of
        witnesses (that must have signed the checkpoint).
    private : bool
        Whether the private leaves are checked too.

    Raises
    ------
    LedgerTampered, LedgerTorn
        At the first thing that is wrong.
    LedgerError
        If there is no ledger, or one of another version.
    """
    folder = Path(directory)
    with durable_files.locked(folder, 10.0, shared=True):
        return examine(folder, held, pinned, private=private).summary


def examine(
    directory: Path,
    held: Sequence[Path] = (),
    pinned: Sequence[signed_note.Key] = (),
    *,
    private: bool = False,
) -> LedgerState:
    """Verify a ledger that is locked, see :func:`verify`, and return its state, which is settled."""
    state = LedgerState(directory, [checkpoints.read(path, held=True) for path in held], pinned)
    files = private_leaves.LeafFiles(directory) if private else None
    for block in reader.walk(state):
        if files and block["kind"] in block_schema.RECORDING:
            private_leaves.check_leaves(files, block)
    state.require_settled()
    return state


def show(directory: Folder) -> Iterator[Block]:
    """Yield the blocks of a ledger, each checked before it is given; errors as in :func:`verify`.

    Beside what is stored, each has its ``hash``, and whether a checkpoint ``vouched`` for it.
    """
    folder = Path(directory)
    with durable_files.locked(folder, 10.0, shared=True):
        state = LedgerState(folder)
        for block in reader.walk(state):
            summary = state.summary
            yield {**block, "hash": summary.head, "vouched": summary.count <= state.vouched}
    state.require_settled()


@contextlib.contextmanager
def prepare(
    directory: Folder,
    new: Sequence[dict[str, Any]],
    *,
    signer: signed_note.Signer | None = None,
    correct: bool = False,
    wait: float = 10.0,
) -> Iterator[tuple[Commit, Callable[[], Commit]]]:
    """Lock and verify a ledger, look for conflicts, and give what a commit will do and the function for it.

    What must stand before the ledger says so (a run file) is written between the two. Nothing is recorded
    if the function is not called. A directory without a ledger gets one, with a genesis block for the
    market of the first new record.

    Parameters
    ----------
    directory : path
        The ledger's directory; made if it is missing.
    new : sequence of dict
        Records of one market as :func:`otonari.runs.ledger.records.cleared` gives them.
    signer : Signer, optional
        The private key of a ledger that has one; for a new ledger it decides whether it has.
    correct : bool
        Whether a slot that is committed with another content is reversed and committed anew.
    wait : float
        Seconds to wait for another process.

    Raises
    ------
    LedgerConflict
        If any slot is committed with another content, or the ledger is another market's.
    LedgerLocked, LedgerTampered, LedgerTorn
        If it cannot be appended to.
    LedgerError
        If the key is not the ledger's, or something cannot be written.
    """
    folder, slots = Path(directory), {record["slot"] for record in new}
    durable_files.make_folder(folder)
    with durable_files.locked(folder, wait):
        state = reader.read(folder, slots.__contains__)
        plan = plan_commit(state, new, signer=signer, correct=correct)
        yield plan.commit, lambda: plan.carry_out(signer)


class Session:
    """Commits to one ledger, one after another, without reading all of it anew each time.

    The first commit verifies the whole chain. What it found stays in memory; a later one compares the checkpoint
    with it again, and verifies the whole chain anew if anything happened to a file of the ledger in between. The
    lock is held during a commit only: others may read between two of them, and even write.

    Parameters
    ----------
    directory : path
        The ledger's directory; made if it is missing.
    slots : iterable of int
        Starts of all slots that may be committed, UTC epoch seconds.
    signer, wait
        As for :func:`prepare`.
    """

    def __init__(
        self,
        directory: Folder,
        slots: Iterable[int],
        *,
        signer: signed_note.Signer | None = None,
        wait: float = 10.0,
    ):
        self._directory, self._slots, self._wait = Path(directory), frozenset(slots), wait
        self._signer = signer
        self._known: tuple[LedgerState, list[tuple[int, ...]]] | None = None

    def rehearse(self, new: Sequence[dict[str, Any]]) -> Commit:
        """Return what a commit of records would do, or raise what it would for what is recorded; nothing is written."""
        durable_files.make_folder(self._directory)
        with durable_files.locked(self._directory, self._wait):
            state = self._read()
            clearings = state.clearings.copy()
            plan = plan_commit(state, new, signer=self._signer, correct=False)
            state.clearings = clearings
            self._known = state, fingerprint(self._directory)
        return plan.commit

    def commit(self, new: Sequence[dict[str, Any]]) -> Commit:
        """Commit records; slots that are there with the same content are left alone. Errors as in :func:`prepare`."""
        durable_files.make_folder(self._directory)
        with durable_files.locked(self._directory, self._wait):
            state = self._read()
            plan = plan_commit(state, new, signer=self._signer, correct=False)
            done = plan.carry_out(self._signer)
            self._known = state, fingerprint(self._directory)
        return done

    def _read(self) -> LedgerState:
        """Return the state that the last commit left, if nobody touched the ledger since, else what is read anew."""
        known, self._known = self._known, None  # a commit that fails leaves nothing known
        if known and known[1] == fingerprint(self._directory):
            known[0].compare_again()
            return known[0]
        return reader.read(self._directory, self._slots.__contains__)


def commit(directory: Folder, new: Sequence[dict[str, Any]], **options: Any) -> Commit:
    """Commit records at once; see :func:`prepare` for the arguments and errors."""
    with prepare(directory, new, **options) as (_, append):
        return append()
