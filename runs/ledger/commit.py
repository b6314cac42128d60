"""One commit to a ledger: what stands there, what is to be added, and the order in which it gets to the disk."""

import os
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import checkpoints, durable_files, private_leaves, reader
from .format import block_schema, canonical_json, chain, signed_note
from .format.chain import Block, Summary
from .format.errors import LedgerConflict, LedgerError, LedgerTorn


@dataclass
class State:
    """A verified ledger.

    Its summary and checkpoints, the live blocks of the slots in question by their slot, how often those slots were
    reversed, and the blocks that no checkpoint vouches for yet, with their hashes.
    """

    book: Path
    summary: Summary
    met: checkpoints.Heads
    live: dict[int, Block] = field(default_factory=dict)
    turns: Counter[int] = field(default_factory=Counter)
    beyond: list[Block] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)


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
    state = State(book, Summary(), checkpoints.Heads(book, log=log))
    vouched = state.met.own.checkpoint.size if state.met.own else 0
    if state.met.own or os.path.lexists(book / reader.NAME):
        for block in reader.walk(book, state.summary, state.met):
            if block["kind"] == "clearing" and block["slot"] in slots:
                state.live[block["slot"]] = block
            elif block["kind"] == "correction" and block["slot"] in slots:
                state.live.pop(block["slot"], None)
                state.turns[block["slot"]] += 1
            if block["index"] >= vouched:
                state.beyond.append(block)
                state.hashes.append(state.summary.head)
    state.met.finish(state.summary)
    return state


def look_again(known: State, after: Summary) -> State:
    """Return the state of a locked ledger after a commit to a known one: only its checkpoint is compared."""
    state = State(known.book, after, checkpoints.Heads(known.book, log=False), known.live, known.turns)
    state.met.meet(after)
    return state


def stamp(book: Path) -> list[tuple[int, ...]]:
    """Return what the system says of the public files of a ledger; writing to one of them changes it."""
    paths = [
        path
        for name in (reader.NAME, checkpoints.OWN, checkpoints.LOG)
        if os.path.lexists(path := book / name)
    ]
    stats = [os.lstat(path) for path in paths]
    return [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in stats]


def make(
    state: State,
    new: Sequence[dict[str, Any]],
    *,
    currency: str,
    signer: signed_note.Signer | None,
    correct: bool,
) -> Plan:
    """Plan a commit; the arguments and errors are those of :func:`otonari.runs.ledger.ledger.prepare`."""
    summary = state.summary
    markets = {record["market"] for record in new} | ({summary.market} if summary.count else set())
    if len(markets) > 1:
        raise LedgerConflict(f"one ledger, several markets: {', '.join(sorted(markets))}")
    secret = private_leaves.secret(state.book)
    if secret is None and summary.count:
        settled(state)  # a torn end comes first
        raise LedgerError(
            f"{state.book / private_leaves.FOLDER / private_leaves.SECRET}: missing; without it no leaf can be made"
        )
    drawn = os.urandom(32) if secret is None else secret
    opening = [] if summary.count else [_genesis(record, currency, signer) for record in new[:1]]
    if state.beyond:
        ours = [_seal(record, drawn, state)[0] for record in new]
        if not _ours(state, ours, currency, correct=correct):
            settled(state)
    wanted, reversals = _wanted(new, drawn, state, correct=correct)
    blocks = [*opening]
    for block, _ in wanted:
        blocks += [reversals[block["slot"]], block] if block["slot"] in reversals else [block]
    lines, after = chain.extend(blocks, summary)
    if not _goes_on(state, lines):
        settled(state)
    after.tail = 0
    if lines or state.beyond:
        check_beginning(state, after)
        check_signer(after, signer)
    standing = str(state.met.own.note) if state.met.own else ""
    checkpoint = str(after.checkpoint()) if lines or state.beyond else standing
    done = Commit(len(wanted), len(new) - len(wanted), len(reversals), after.head, checkpoint)
    return Plan(
        state, after, None if secret else drawn, [x for _, found in wanted for x in found], lines, done
    )


def carry_out(plan: Plan, signer: signed_note.Signer | None) -> Commit:
    """Write what was planned: leaves, then blocks, then the checkpoint that vouches for them."""
    state, book = plan.state, plan.state.book
    state.met.heal()
    if not plan.lines and not state.beyond:
        return plan.commit
    if state.beyond:
        note = checkpoints.publish(book, state.summary, signer)
    if plan.secret:
        private_leaves.write_secret(book, plan.secret)
    if plan.lines:
        note = append(state, plan.lines, plan.private, plan.after, signer)
    return replace(plan.commit, checkpoint=str(note))


def append(
    state: State, lines: bytes, private: list[bytes], after: Summary, signer: signed_note.Signer | None
) -> signed_note.Note:
    """Append lines to a ledger all of which has a checkpoint: their hashes and leaves first, their checkpoint last."""
    private_leaves.write(state.book, state.summary.count, lines, private)
    size, tail = state.summary.size, state.summary.tail
    durable_files.append(state.book / reader.NAME, lines[tail:], size + tail)
    return checkpoints.publish(state.book, after, signer)


def settled(state: State) -> None:
    """Raise :class:`LedgerTorn` if there is anything to repair."""
    if why := state.met.torn(state.summary):
        raise LedgerTorn(f"{state.book / reader.NAME}: {why}; see `otonari ledger repair`")


def check_beginning(state: State, after: Summary) -> None:
    """Raise :class:`LedgerError` if a ledger is to begin where another one has begun already, and its files are gone."""
    if not state.summary.count and (file := private_leaves.another_beginning(state.book, after.head)):
        known = state.book / private_leaves.FOLDER / file
        raise LedgerError(f"{known}: is of a ledger that is not there: bring that back, or move this away")


def check_signer(summary: Summary, signer: signed_note.Signer | None) -> None:
    """Raise :class:`LedgerError` unless the private key is the one that signs a ledger's checkpoints."""
    want = summary.keys[-1] if summary.keys else None
    got = signer.key if signer else None
    if got != want:
        raise LedgerError(f"key: got {got or 'none'}, want {want or 'none: this ledger is not signed'}")


def _goes_on(state: State, lines: bytes) -> bool:
    """Return whether the bytes after the last newline, if any, are of the lines that are being committed."""
    size, tail = state.summary.size, state.summary.tail
    if not tail or tail > len(lines):
        return not tail
    with durable_files.opened(state.book / reader.NAME) as file:
        return lines.startswith(os.pread(file, tail, size))


def _genesis(record: dict[str, Any], currency: str, signer: signed_note.Signer | None) -> Block:
    return block_schema.genesis(
        record["market"], currency, record["software"], str(signer.key) if signer else ""
    )


def _seal(record: dict[str, Any], secret: bytes, state: State, more: int = 0) -> tuple[Block, list[bytes]]:
    """Return the block of a record and its leaves, salted for as many reversals of its slot as there were."""
    try:
        return private_leaves.seal(record, secret, state.turns[record["slot"]] + more)
    except ValueError as error:
        raise LedgerError(f"what is to be recorded does not fit into a leaf: {error}") from error


def _wanted(
    new: Sequence[dict[str, Any]], secret: bytes, state: State, *, correct: bool
) -> tuple[list[tuple[Block, list[bytes]]], dict[int, Block]]:
    """Return the blocks that a ledger lacks with their leaves, and the reversals that make room for them, by slot."""
    spans, wanted, conflicts = list(state.summary.spans), [], []
    reversals: dict[int, Block] = {}
    for record in new:
        block, private = _seal(record, secret, state)
        start, end = block["slot"], block["slot"] + block["slot_seconds"]
        there = state.live.get(start)
        if there and chain.content(there) == chain.content(block):
            continue
        if correct and there and there["slot_seconds"] == block["slot_seconds"] and there["index"] >= 0:
            reversals[start] = block_schema.reversal(there, block["software"])
            block, private = _seal(record, secret, state, more=1)
        elif chain.overlap(spans, start, end):
            conflicts.append(start)
            continue
        else:
            chain.join(spans, start, end)
        state.live[start] = {**block, "index": -1}  # a second one for this slot is a conflict
        wanted.append((block, private))
    if conflicts:
        first = datetime.fromtimestamp(conflicts[0], UTC).strftime("%Y-%m-%d %H:%M UTC")
        many = f"{len(conflicts)} of {len(new)} slots are committed with another result"
        raise LedgerConflict(f"{many}, the first is {first}", conflicts)
    return wanted, reversals


def _ours(state: State, new: list[Block], currency: str, *, correct: bool) -> bool:
    """Return whether the blocks beyond the checkpoint are what a crash left of what is being committed again."""
    known, slots = {chain.content(block) for block in new}, {block["slot"] for block in new}
    units = block_schema.units(canonical_json.label(currency))
    return private_leaves.meant(state.book, state.beyond[0]["index"], state.hashes) and all(
        correct and block["slot"] in slots
        if block["kind"] == "correction"
        else block.get("units") == units or chain.content(block) in known
        for block in state.beyond
    )
