"""One commit to a ledger: compare new records with its blocks, plan the additions, write them in a safe order."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from . import private_leaves
from .format import block_schema, chain, signed_note
from .format.chain import Block, Summary
from .format.errors import LedgerConflict, LedgerError
from .state import LedgerState, require_signer

_PLANNED = -1
"""The ``index`` of a block that is not written yet: a second one for its slot is a conflict."""


@dataclass(frozen=True)
class Commit:
    """The outcome of a commit: slots added, already there and corrected; the head and the checkpoint after it."""

    added: int
    already: int
    corrected: int
    head: str
    checkpoint: str


@dataclass(frozen=True)
class Plan:
    """The writes of a commit, in their order: secret of a new ledger, private leaves, lines, checkpoint."""

    state: LedgerState
    after: Summary
    secret: bytes | None
    leaves: list[bytes]
    lines: bytes
    commit: Commit

    def carry_out(self, signer: signed_note.Signer | None) -> Commit:
        """Write the plan: leaves, then blocks, then the checkpoint that vouches for them."""
        state = self.state
        state.complete_log()
        if not self.lines and not state.unvouched:
            return self.commit
        if state.unvouched:
            state.vouch(signer)
        if self.secret:
            private_leaves.write_secret(state.directory, self.secret)
        if self.lines:
            state.append(self.lines, self.leaves, self.after, signer)
        return replace(self.commit, checkpoint=str(state.note))


@dataclass(frozen=True)
class _Addition:
    """A clearing that a ledger lacks: its block and leaves, and the reversal of what its slot had before."""

    block: Block
    leaves: list[bytes]
    reversal: Block | None

    @property
    def blocks(self) -> list[Block]:
        """The new blocks in their order."""
        return [self.reversal, self.block] if self.reversal else [self.block]


def plan_commit(
    state: LedgerState,
    new: Sequence[dict[str, Any]],
    *,
    signer: signed_note.Signer | None,
    correct: bool,
) -> Plan:
    """Plan a commit; the arguments and errors are those of :func:`otonari.runs.ledger.ledger.prepare`."""
    _require_one_market(state, new)
    new = [chain.fitted(record, state.summary) for record in new]
    stored = _stored_secret(state)
    secret = stored or os.urandom(32)
    opening = [] if state.summary.count else [_genesis(record, signer) for record in new[:1]]
    if state.unvouched and not _left_by_crash(state, new, secret, correct=correct):
        raise state.torn()
    additions = _additions(state, new, secret, correct=correct)
    blocks = [*opening, *(block for addition in additions for block in addition.blocks)]
    lines, after = chain.extend(blocks, state.summary)
    if not state.continued_by(lines):
        raise state.torn()
    after.tail = 0
    checkpoint = str(state.note)
    if lines or state.unvouched:
        state.require_beginning(after.head)
        require_signer(after, signer)
        checkpoint = str(after.checkpoint())
    corrected = sum(addition.reversal is not None for addition in additions)
    commit = Commit(len(additions), len(new) - len(additions), corrected, after.head, checkpoint)
    leaves = [leaf for addition in additions for leaf in addition.leaves]
    return Plan(state, after, None if stored else secret, leaves, lines, commit)


def _require_one_market(state: LedgerState, new: Sequence[dict[str, Any]]) -> None:
    """Raise :class:`LedgerConflict` if records, or records and ledger, are of several markets."""
    markets = {record["market"] for record in new} | (
        {state.summary.market} if state.summary.count else set()
    )
    if len(markets) > 1:
        raise LedgerConflict(f"one ledger, several markets: {', '.join(sorted(markets))}")


def _stored_secret(state: LedgerState) -> bytes | None:
    """Return the secret of a ledger; only one that is to begin may have none."""
    secret = private_leaves.secret(state.directory)
    if secret is None and state.summary.count:
        state.require_settled()  # a torn end is the more urgent message
        path = state.directory / private_leaves.FOLDER / private_leaves.SECRET
        raise LedgerError(f"{path}: missing; without it no leaf can be made")
    return secret


def _genesis(record: dict[str, Any], signer: signed_note.Signer | None) -> Block:
    """Return the genesis block of a ledger that begins with a record."""
    key = str(signer.key) if signer else ""
    return block_schema.genesis(record["market"], record["money"], record["software"], key)


def _left_by_crash(
    state: LedgerState, new: Sequence[dict[str, Any]], secret: bytes, *, correct: bool
) -> bool:
    """Return whether the blocks beyond the checkpoint are of an earlier attempt at this commit that a crash ended."""
    reversals = state.clearings.reversals
    sealed = [private_leaves.seal(record, secret, reversals[record["slot"]])[0] for record in new]
    known, slots = {chain.content(block) for block in sealed}, {block["slot"] for block in sealed}
    hashes, blocks = list(state.unvouched), list(state.unvouched.values())
    return private_leaves.announced(state.directory, blocks[0]["index"], hashes) and all(
        correct and block["slot"] in slots
        if block["kind"] == "correction"
        else block["kind"] == "genesis" or chain.content(block) in known
        for block in blocks
    )


def _additions(
    state: LedgerState, new: Sequence[dict[str, Any]], secret: bytes, *, correct: bool
) -> list[_Addition]:
    """Return the clearings that a ledger lacks and enter them in its state, or raise :class:`LedgerConflict`."""
    unreversed, reversals = state.clearings.unreversed, state.clearings.reversals
    spans, additions = list(state.summary.spans), list[_Addition]()
    conflicts = list[tuple[int, bool]]()
    for record in new:
        block, leaves = private_leaves.seal(record, secret, reversals[record["slot"]])
        start, end = block["slot"], block["slot"] + block["slot_seconds"]
        present, reversal = unreversed.get(start), None
        if present and chain.content(present) == chain.content(block):
            continue
        if correct and present and _replaceable(present, block):
            reversal = block_schema.reversal(present, block["software"])
            block, leaves = private_leaves.seal(record, secret, reversals[start] + 1)
        elif chain.overlap(spans, start, end):
            conflicts.append((start, bool(present and _replaceable(present, block))))
            continue
        else:
            chain.join(spans, start, end)
        unreversed[start] = {**block, "index": _PLANNED}
        additions.append(_Addition(block, leaves, reversal))
    if conflicts:
        raise _conflict(state, conflicts, len(new))
    return additions


def _conflict(state: LedgerState, conflicts: Sequence[tuple[int, bool]], count: int) -> LedgerConflict:
    """Return the error of slots that are committed otherwise: which, and what records them anew if that is right."""
    first = datetime.fromtimestamp(conflicts[0][0], UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = f"{len(conflicts)} of {count} slots are committed with another result, the first is {first}"
    if all(replaceable for _, replaceable in conflicts):
        how = f"`otonari ledger correct {state.directory} RUN.nc`"
        text += f"; if the new one is right, store it with --no-ledger, then {how}"
    return LedgerConflict(text, [slot for slot, _ in conflicts])


def _replaceable(present: Block, block: Block) -> bool:
    """Return whether a clearing is written and covers the same time as the one that is to replace it."""
    return bool(present["slot_seconds"] == block["slot_seconds"] and present["index"] != _PLANNED)
