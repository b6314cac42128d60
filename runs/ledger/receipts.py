"""Receipts: proofs, to be checked offline, that what a household did in a slot is in the ledger.

A receipt is a C2SP tlog-proof (https://c2sp.org/tlog-proof) for each slot, one after another in one file. The
entry is the block; ``extra`` carries the block, the household's own salted leaf, and the path from the leaf to
the block's Merkle root. Nothing of anybody else is in it but hashes of salted leaves.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..text import utc
from . import checkpoints, durable_files, private_leaves, reader
from .format import block_schema, canonical_json, chain, merkle, signed_note
from .format.errors import LedgerError, LedgerTampered
from .state import LedgerState

_FIRST = "c2sp.org/tlog-proof@v1\n"
LARGEST = 2**28


@dataclass(frozen=True)
class Proof:
    """One slot of a receipt: the household's leaf, its block, and the checkpoint that vouches for both.

    ``rotations`` are the blocks that handed the ledger on, from its first key to the one that signed the checkpoint.
    """

    leaf: dict[str, Any]
    block: dict[str, Any]
    note: signed_note.Note
    rotations: list[dict[str, Any]]

    @property
    def money(self) -> str:
        """The unit of its money; a block of format 3 does not say of which currency."""
        return str(self.block.get("money", "micro-"))


def make(
    directory: Path,
    participant: str | None = None,
    span: tuple[int, int] | None = None,
    records: Sequence[dict[str, Any]] = (),
) -> dict[str, str]:
    """Return the receipts of a participant, or of all of them, by participant.

    Parameters
    ----------
    directory : Path
        Of the ledger, with its private leaves.
    participant : str, optional
        As its label stands in the scenario.
    span : (int, int), optional
        Only slots that start in [first, second), UTC epoch seconds.
    records : sequence of dict
        As :func:`otonari.runs.ledger.records.cleared` gives them: what the ledger must have recorded of their slots.

    Raises
    ------
    LedgerTampered, LedgerTorn
        If the ledger is not good, or a leaf of the participant's (of anybody's, by default) is none.
    LedgerError
        If it has no such slots or participant, no private leaves, or recorded something else.
    """
    texts, faults = make_each(directory, participant, span, records)
    for fault in faults.values():
        raise fault
    return texts


def make_each(
    directory: Path,
    participant: str | None = None,
    span: tuple[int, int] | None = None,
    records: Sequence[dict[str, Any]] = (),
) -> tuple[dict[str, str], dict[str, LedgerTampered]]:
    """Return the receipts of those whose leaves are sound, and what is wrong with the leaves of others, by participant.

    A misshapen leaf is its owner's alone: everybody else's receipts are made. One that names nobody goes by its place.
    Arguments and other errors as for :func:`make`.
    """
    wanted = None if participant is None else block_schema.label(participant, "participant")
    with durable_files.locked(directory, 10.0, shared=True):
        recorded = _recorded(directory, span)
        _require_recorded(recorded, records)
        proofs: dict[str, list[str]] = {}
        faults: dict[str, LedgerTampered] = {}
        files, tree = private_leaves.LeafFiles(directory), merkle.Tree(recorded.hashes)
        for _, block in sorted(recorded.state.clearings.unreversed.items()):
            leaves = files.of_block(block)
            inner, outer = merkle.Tree(map(merkle.leaf, leaves)), tree.path(block["index"])
            sound, unsound = _sorted_out(block, leaves)
            nobodys = wanted not in sound.values()  # then a leaf that names nobody may be the wanted one
            faults |= {n: e for n, e in unsound.items() if wanted in (None, n) or (nobodys and not n)}
            for place, name in sound.items():
                data = leaves[place]
                if wanted in (None, name):
                    leaf = canonical_json.parse(data)
                    proof = Proof(leaf, block, recorded.state.note, recorded.rotations)
                    proofs.setdefault(name, []).append(_format(proof, place, inner.path(place), outer))
    if not proofs and not faults:
        raise LedgerError(f"{directory}: no slot of {participant or 'anybody'} in that time")
    return {name: "\n".join(texts) for name, texts in proofs.items() if name not in faults}, faults


def _sorted_out(
    block: dict[str, Any], leaves: Sequence[bytes]
) -> tuple[dict[int, str], dict[str, LedgerTampered]]:
    """Return the participants of the sound leaves of a block by place, and the faults of the others by name."""
    sound, unsound = dict[int, str](), dict[str, LedgerTampered]()
    for place, data in enumerate(leaves):
        try:
            sound[place] = private_leaves.parse(data)["participant"]
        except ValueError as error:
            fault = private_leaves.misshapen(block, place, data, error)
            unsound.setdefault(private_leaves.owner(data), fault)
    return sound, unsound


def check(
    data: bytes,
    pinned: Sequence[signed_note.Key] = (),
    held: Sequence[checkpoints.KnownCheckpoint] = (),
    source: str = "receipt",
) -> list[Proof]:
    """Check a receipt against keys or checkpoints known from elsewhere, and return its proofs.

    Parameters
    ----------
    data : bytes
        The receipt.
    pinned : sequence of Key
        Each must have signed the checkpoint in it, or handed the ledger on to the key that did.
    held : sequence of KnownCheckpoint
        The checkpoint in it must be one of these; empty if keys are enough.
    source : str
        What to call the receipt in an error.

    Raises
    ------
    LedgerTampered
        If anything in it is wrong.
    LedgerError
        If there is neither key nor checkpoint: anybody could have written it then.
    """
    require_means(pinned, held, source)
    proofs = read(data, source)
    require_known(proofs[0], pinned, held, source)
    return proofs


def require_means(
    pinned: Sequence[signed_note.Key], held: Sequence[checkpoints.KnownCheckpoint], source: str
) -> None:
    """Raise :class:`LedgerError` if there is neither key nor checkpoint to check a receipt by."""
    if not pinned and not held:
        raise LedgerError(
            f"{source}: give the ledger's public key or a checkpoint that you hold; see LEDGER.md"
        )


def require_known(
    proof: Proof,
    pinned: Sequence[signed_note.Key],
    held: Sequence[checkpoints.KnownCheckpoint],
    source: str,
) -> None:
    """Raise :class:`LedgerTampered` unless the checkpoint of a proof is known from elsewhere; see :func:`check`."""
    note, market = proof.note, proof.block["market"]
    try:
        wanted = {key: _successor(key, proof.rotations) for key in pinned}
        signed = signed_note.verified(note, wanted.values())
    except signed_note.NoteError as error:
        raise LedgerTampered(source, "signature", error, "a good one") from error
    for key, successor in wanted.items():
        if successor not in signed:
            raise LedgerTampered(source, "signature", "none", f"that of {key}, or of one that it endorsed")
        if key.kind == signed_note.LOG and (successor.kind, successor.name) != (
            signed_note.LOG,
            signed_note.origin(market),
        ):
            raise LedgerTampered(source, "key", successor.name, f"that of {market}")
    if held and note.text not in {head.note.text for head in held}:
        raise LedgerTampered(source, "checkpoint", note.text, "one that you hold")


def read(data: bytes, source: str) -> list[Proof]:
    """Return the proofs of a receipt, consistent with their checkpoint, whoever signed that; see :func:`check`."""
    proofs: list[Proof] = []
    for number, part in enumerate(_split(data, source)):
        where = f"{source}, proof {number + 1}"
        if len(part) > chain.LONGEST:
            raise LedgerTampered(where, "size", len(part), f"{chain.LONGEST} characters at most")
        try:
            proofs.append(_parse(part, where))
        except ValueError as error:
            raise LedgerTampered(where, "form", error, "a proof") from error
    require_one_holder(proofs, source)
    return proofs


def require_one_holder(proofs: Sequence[Proof], source: str) -> None:
    """Require one participant, one checkpoint, and slots that share no time, so that each is counted once."""
    whose = {(p.leaf["participant"], p.block["market"], p.money) for p in proofs}
    spans = sorted((p.block["slot"], p.block["slot"] + p.block["slot_seconds"]) for p in proofs)
    if len(whose) > 1 or any(one[1] > two[0] for one, two in pairwise(spans)):
        raise LedgerTampered(source, "slots", "several participants or a time twice", "each time of one once")
    if any((p.note, p.rotations) != (proofs[0].note, proofs[0].rotations) for p in proofs):
        raise LedgerTampered(source, "checkpoint", "different ones", "one for all slots")


def _successor(key: signed_note.Key, rotations: Sequence[dict[str, Any]]) -> signed_note.Key:
    """Return the key at the end of the endorsements that begin with a key; the key itself if it endorsed none."""
    for block in rotations:
        if chain.endorsed(block, key):
            key = signed_note.parse_key(block["key"])
    return key


@dataclass
class _Recorded:
    """A verified ledger: its state with the clearings of a time, the hashes of all blocks, the rotations."""

    state: LedgerState
    hashes: list[bytes] = field(default_factory=list)
    rotations: list[dict[str, Any]] = field(default_factory=list)


def _recorded(directory: Path, span: tuple[int, int] | None) -> _Recorded:
    """Verify a locked ledger and return its clearings in a time, its hashes and its rotations."""
    state = LedgerState(
        directory, slots=lambda slot: span is None or span[0] <= slot < span[1], whole_log=False
    )
    recorded = _Recorded(state)
    for block in reader.walk(state):
        recorded.hashes.append(bytes.fromhex(state.summary.head))
        if block["kind"] == "key-rotation":
            recorded.rotations.append(block)
    state.require_settled()
    return recorded


def _require_recorded(recorded: _Recorded, records: Sequence[dict[str, Any]]) -> None:
    """Raise :class:`LedgerError` unless the blocks record what the records say, leaf by leaf."""
    if not records:
        return
    state, directory = recorded.state, recorded.state.directory
    if (secret := private_leaves.secret(directory)) is None:
        path = directory / private_leaves.FOLDER / private_leaves.SECRET
        raise LedgerError(f"{path}: missing; without it no leaf can be compared")
    got, want = signed_note.origin(state.summary.market), signed_note.origin(records[0]["market"])
    if got != want:
        raise LedgerError(f"{directory}: got the ledger of market {got}, want that of {want}")
    present = {slot: chain.content(block) for slot, block in state.clearings.unreversed.items()}
    revisions = state.clearings.reversals
    sealed = {
        r["slot"]: private_leaves.seal(chain.fitted(r, state.summary), secret, revisions[r["slot"]])[0]
        for r in records
    }
    if wrong := [slot for slot, block in sealed.items() if present.get(slot) != chain.content(block)]:
        many = f"{len(wrong)} of {len(records)} slots, the first is {utc(wrong[0])} UTC"
        raise LedgerError(
            f"{directory}: what it has recorded is not this run, but another or a correction: {many}"
        )


def _format(proof: Proof, place: int, inner: list[bytes], outer: list[bytes]) -> str:
    """Return the text of a proof: place and path of the leaf in its block, and the path of the block in the ledger."""
    held = {"block": proof.block, "leaf": proof.leaf, "rotations": proof.rotations}
    parts = {**held, "place": place, "path": [h.hex() for h in inner]}
    extra = base64.b64encode(canonical_json.dump(parts)).decode()
    path = "".join(base64.b64encode(h).decode() + "\n" for h in outer)
    return f"{_FIRST}extra {extra}\nindex {proof.block['index']}\n{path}\n{proof.note}"


def _split(data: bytes, source: str) -> Iterator[str]:
    """Yield the proofs of a receipt, each from its first line."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise LedgerTampered(source, "form", "bytes that are no UTF-8", "a receipt") from error
    start, *rest = ("\n" + text).split("\n" + _FIRST)
    if start or not rest:
        raise LedgerTampered(source, "form", repr(text[:40]), f"a receipt: {_FIRST.strip()}")
    yield from rest


def _parse(text: str, where: str) -> Proof:
    """Return a single proof after checking it up to its checkpoint; ``ValueError`` if malformed."""
    above, _, below = text.partition("\n\n")
    extra, _, *lines = above.split("\n")
    parts = canonical_json.parse(signed_note.decode(extra.removeprefix("extra ")))
    if not isinstance(parts, dict) or parts.keys() != {"block", "leaf", "rotations", "place", "path"}:
        raise ValueError("extra: want block, leaf, rotations, place and path")
    block, leaf, rotations, place, path = (parts[n] for n in ("block", "leaf", "rotations", "place", "path"))
    if wrong := block_schema.mismatch(block, block_schema.RECORDING) or block_schema.mismatch(
        leaf, ("leaf",)
    ):
        raise ValueError(f"{wrong} does not fit")
    if type(rotations) is not list or any(block_schema.mismatch(r, ("key-rotation",)) for r in rotations):
        raise ValueError("rotations do not fit")
    if type(place) is not int or type(path) is not list or not all(type(h) is str for h in path):
        raise ValueError("place or path does not fit")
    note = signed_note.parse(below.encode())
    inner, outer = [bytes.fromhex(h) for h in path], [signed_note.decode(line) for line in lines]
    data, checkpoint = canonical_json.dump(leaf), signed_note.parse_checkpoint(note.text)
    proof = Proof(leaf, block, note, rotations)
    if _format(proof, place, inner, outer) != _FIRST + text:
        raise ValueError("another spelling of the same proof")
    root = merkle.root_from_path(merkle.leaf(data), place, block["leaves"], inner)
    hash_ = merkle.leaf(canonical_json.dump(block))
    tree = merkle.root_from_path(hash_, block["index"], checkpoint.size, outer)
    for name, (got, want) in _links(block, leaf, root, tree, checkpoint).items():
        if got != want:
            raise LedgerTampered(where, name, got, want)
    return proof


def _links(
    block: dict[str, Any], leaf: dict[str, Any], root: bytes, tree: bytes, checkpoint: signed_note.Checkpoint
) -> dict[str, tuple[object, object]]:
    """Return what must be equal for leaf, block and checkpoint to belong together: (got, want) by name."""
    place = ("market", "slot", "slot_seconds")
    return {
        "version": (block["version"] in block_schema.READABLE, True),
        "slot": ([leaf[name] for name in place], [block[name] for name in place]),
        "Merkle root": (root.hex(), block["root"]),
        "tree hash": (tree.hex(), checkpoint.root.hex()),
        "origin": (checkpoint.origin, signed_note.origin(block["market"])),
    }
