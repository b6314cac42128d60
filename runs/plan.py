"""One commit to a ledger: what stands there, what is to be added, and the order in which it gets to the disk."""

import os
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import chain, durable, heads, kinds, leaves, notes, reading
from .chain import Block, Summary
from .faults import LedgerConflict, LedgerError, LedgerTorn


@dataclass
class State:
    """A verified ledger.

    Its summary and checkpoints, the live blocks of the slots in question by their slot, and the blocks that no
    checkpoint vouches for yet.
    """

    book: Path
    summary: Summary
    met: heads.Heads
    live: dict[int, Block]
    beyond: list[Block]


@dataclass(frozen=True)
class Commit:
    """What a commit does: slots added, there already, and corrected; then the head and the checkpoint."""

    added: int
    already: int
    corrected: int
    head: str
    checkpoint: str


@dataclass(frozen=True)
class Plan:
    """What a commit writes, in its order: the secret, the private leaves, the lines, the checkpoint."""

    state: State
    after: Summary
    secret: bytes | None
    private: list[bytes]
    lines: bytes
    commit: Commit


def look(book: Path, slots: Set[int], *, log: bool = False) -> State:
    """Verify a ledger that is locked, if it is there, and compare it with its checkpoints.

    Bytes after the last newline, and blocks beyond the checkpoint, are left to the caller.

    Parameters
    ----------
    book : Path
        Directory of the ledger.
    slots : set of int
        Starts of the slots whose blocks are wanted.
    log : bool
        Whether it is compared with all checkpoints that there were, or with the last ones.
    """
    state = State(book, Summary(), heads.Heads(book, log=log), {}, [])
    vouched = state.met.own.checkpoint.size if state.met.own else 0
    if state.met.own or os.path.lexists(book / reading.NAME):
        for block in reading.walk(book, state.summary, state.met):
            if block["kind"] == "clearing" and block["slot"] in slots:
                state.live[block["slot"]] = block
            elif block["kind"] == "correction":
                state.live.pop(block["slot"], None)
            if block["index"] >= vouched:
                state.beyond.append(block)
    state.met.finish(state.summary)
    return state


def look_again(book: Path, summary: Summary, live: dict[int, Block]) -> State:
    """Return the state of a locked ledger whose blocks are those of a summary: only its checkpoint is compared."""
    state = State(book, summary, heads.Heads(book, log=False), live, [])
    state.met.meet(summary)
    return state


def stamp(book: Path) -> list[tuple[int, ...]]:
    """Return what the system says of the public files of a ledger; writing to one of them changes it."""
    paths = [path for name in (reading.NAME, heads.OWN, heads.LOG) if os.path.lexists(path := book / name)]
    stats = [os.lstat(path) for path in paths]
    return [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats]


def make(
    state: State,
    new: Sequence[dict[str, Any]],
    *,
    currency: str,
    signer: notes.Signer | None,
    correct: bool,
) -> Plan:
    """Plan a commit; the arguments and errors are those of :func:`otonari.runs.ledger.prepare`."""
    summary = state.summary
    markets = {record["market"] for record in new} | ({summary.market} if summary.count else set())
    if len(markets) > 1:
        raise LedgerConflict(f"one ledger, several markets: {', '.join(sorted(markets))}")
    secret = leaves.secret(state.book)
    if secret is None and summary.count:
        settled(state)  # a torn end comes first
        raise LedgerError(
            f"{state.book / leaves.FOLDER / leaves.SECRET}: missing; without it no leaf can be made"
        )
    drawn = os.urandom(32) if secret is None else secret
    try:
        sealed = [leaves.seal(record, drawn) for record in new]
    except ValueError as error:
        raise LedgerError(f"what is to be recorded does not fit into a leaf: {error}") from error
    opening = [] if summary.count else [_genesis(record, currency, signer) for record in new[:1]]
    wanted, reversals = _wanted(sealed, state, correct=correct)
    _recognize(state, [*(block for block, _ in sealed)], currency)
    blocks = [*opening]
    for block, _ in wanted:
        blocks += [r for r in reversals if r["slot"] == block["slot"]]
        blocks.append(block)
    lines, after = chain.extend(blocks, summary)
    if not lines.startswith(_torn(state)):
        settled(state)
    after.tail = 0
    if lines or state.beyond:
        check_signer(after, signer)
    standing = str(state.met.own.note) if state.met.own else ""
    checkpoint = str(after.checkpoint()) if lines or state.beyond else standing
    done = Commit(len(wanted), len(new) - len(wanted), len(reversals), after.head, checkpoint)
    return Plan(
        state, after, None if secret else drawn, [x for _, found in wanted for x in found], lines, done
    )


def carry_out(plan: Plan, signer: notes.Signer | None) -> Commit:
    """Write what was planned: leaves, then blocks, then the checkpoint that vouches for them."""
    state, book = plan.state, plan.state.book
    state.met.heal()
    if not plan.lines and not state.beyond:
        return plan.commit
    if plan.secret:
        leaves.write_secret(book, plan.secret)
    if plan.private:
        leaves.write(book, state.summary.count, plan.after.head, plan.private)
    if plan.lines:
        size, tail = state.summary.size, state.summary.tail
        durable.append(book / reading.NAME, plan.lines[tail:], size + tail)
    note = heads.publish(book, plan.after, signer)
    return replace(plan.commit, checkpoint=str(note))


def settled(state: State) -> None:
    """Raise :class:`LedgerTorn` if there is anything to repair."""
    if why := state.met.torn(state.summary):
        raise LedgerTorn(f"{state.book / reading.NAME}: {why}; see `otonari ledger repair`")


def check_signer(summary: Summary, signer: notes.Signer | None) -> None:
    """Raise :class:`LedgerError` unless the private key is the one that signs a ledger's checkpoints."""
    want = summary.keys[-1] if summary.keys else None
    got = signer.key if signer else None
    if got != want:
        raise LedgerError(f"key: got {got or 'none'}, want {want or 'none: this ledger is not signed'}")


def _torn(state: State) -> bytes:
    """Return the bytes after the last newline: of what is being committed, if a crash cut that short."""
    if not state.summary.tail:
        return b""
    with durable.opened(state.book / reading.NAME) as file:
        return os.pread(file, state.summary.tail, state.summary.size)


def _genesis(record: dict[str, Any], currency: str, signer: notes.Signer | None) -> Block:
    return kinds.genesis(record["market"], currency, record["software"], str(signer.key) if signer else "")


def _wanted(
    sealed: Sequence[tuple[Block, list[bytes]]], state: State, *, correct: bool
) -> tuple[list[tuple[Block, list[bytes]]], list[Block]]:
    """Return the blocks that a ledger lacks with their leaves, and the reversals that make room for them."""
    spans, wanted, reversals, conflicts = list(state.summary.spans), [], [], []
    for block, private in sealed:
        start, end = block["slot"], block["slot"] + block["slot_seconds"]
        there = state.live.get(start)
        if there and chain.content(there) == chain.content(block):
            continue
        if correct and there and there["slot_seconds"] == block["slot_seconds"] and there["index"] >= 0:
            reversals.append(kinds.reversal(there, block["software"]))
            state.live[start] = {**block, "index": -1}  # a second one for this slot is a conflict
        elif chain.overlap(spans, start, end):
            conflicts.append(start)
            continue
        else:
            chain.join(spans, start, end)
            state.live[start] = {**block, "index": -1}
        wanted.append((block, private))
    if conflicts:
        first = datetime.fromtimestamp(conflicts[0], UTC).strftime("%Y-%m-%d %H:%M UTC")
        many = f"{len(conflicts)} of {len(sealed)} slots are committed with another result"
        raise LedgerConflict(f"{many}, the first is {first}", conflicts)
    return wanted, reversals


def _recognize(state: State, ours: list[Block], currency: str) -> None:
    """Accept blocks beyond the checkpoint only if they are what is being committed: a crash left them there."""
    known = {chain.content(block) for block in ours}
    for block in state.beyond:
        opening = block["kind"] == "genesis" and block["units"]["money"] == f"micro-{currency}"
        if not opening and chain.content(block) not in known:
            settled(state)
