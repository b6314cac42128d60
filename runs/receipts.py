"""Receipts: what a household holds to show, offline, that its share of a slot is in the ledger.

A receipt is a C2SP tlog-proof (https://c2sp.org/tlog-proof) for each slot, one after another in one file. The
entry is the block; ``extra`` carries the block, the household's own salted leaf, and the path from the leaf to
the block's Merkle root. Nothing of anybody else is in it but hashes of salted leaves.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import canonical, chain, durable, heads, kinds, leaves, merkle, notes, reading
from .chain import Summary
from .faults import LedgerError, LedgerTampered, LedgerTorn
from .layout import utc

_FIRST = "c2sp.org/tlog-proof@v1\n"
LARGEST = 2**28


@dataclass(frozen=True)
class Proof:
    """One slot of a receipt: the household's leaf, its block, and the checkpoint that vouches for both."""

    leaf: dict[str, Any]
    block: dict[str, Any]
    note: notes.Note


def make(
    book: Path,
    participant: str | None = None,
    span: tuple[int, int] | None = None,
    records: Sequence[dict[str, Any]] = (),
) -> dict[str, str]:
    """Return the receipts of a participant, or of all of them, by participant.

    Parameters
    ----------
    book : Path
        Directory of the ledger, with its private leaves.
    participant : str, optional
        As its label stands in the scenario.
    span : (int, int), optional
        Only slots that start in [first, second), UTC epoch seconds.
    records : sequence of dict
        As :func:`otonari.runs.blocks.cleared` gives them: what the ledger must have recorded of their slots.

    Raises
    ------
    LedgerTampered, LedgerTorn
        If the ledger is not good.
    LedgerError
        If it has no such slots or participant, no private leaves, or recorded something else.
    """
    wanted = None if participant is None else canonical.label(participant)
    with durable.locked(book, 10.0, shared=True):
        hashes, blocks, note = _blocks(book, span)
        _require(book, blocks, note, records)
        found: dict[str, list[str]] = {}
        shelf = leaves.Shelf(book)
        for block in blocks:
            private = shelf.of_block(block)
            hidden = [merkle.leaf(leaf) for leaf in private]
            outer = merkle.path(hashes, block["index"])
            for place, data in enumerate(private):
                name = leaves.parse(data)["participant"]
                if wanted in (None, name):
                    inner = merkle.path(hidden, place)
                    found.setdefault(name, []).append(_proof(block, data, place, inner, outer, note))
    if not found:
        raise LedgerError(f"{book}: no slot of {participant or 'anybody'} in that time")
    return {name: "\n".join(proofs) for name, proofs in found.items()}


def check(
    data: bytes, pinned: Sequence[notes.Key] = (), held: Sequence[heads.Head] = (), source: str = "receipt"
) -> list[Proof]:
    """Check a receipt against keys or checkpoints known from elsewhere, and return what it proves.

    Parameters
    ----------
    data : bytes
        The receipt.
    pinned : sequence of Key
        Each must have signed every checkpoint in it.
    held : sequence of Head
        Each checkpoint in it must be one of these; empty if keys are enough.
    source : str
        What to call the receipt in an error.

    Raises
    ------
    LedgerTampered
        If anything in it is wrong.
    LedgerError
        If there is neither key nor checkpoint: anybody could have written it then.
    """
    if not pinned and not held:
        raise LedgerError(
            f"{source}: give the ledger's public key or a checkpoint that you hold; see LEDGER.md"
        )
    found = read(data, source)
    for number, proof in enumerate(found):
        where = f"{source}, proof {number + 1}"
        try:
            signed = notes.verified(proof.note, pinned)
        except ValueError as error:
            raise LedgerTampered(where, "form", error, "a proof") from error
        for key in pinned:
            if key not in signed:
                raise LedgerTampered(where, "signature", "none", f"that of {key}")
        if held and proof.note.text not in {head.note.text for head in held}:
            raise LedgerTampered(where, "checkpoint", proof.note.text, "one that you hold")
    return found


def read(data: bytes, source: str) -> list[Proof]:
    """Return what a receipt says if its checkpoints are right, whoever wrote them; see :func:`check`."""
    found: list[Proof] = []
    for number, part in enumerate(_split(data, source)):
        where = f"{source}, proof {number + 1}"
        try:
            found.append(_checked(part, where))
        except ValueError as error:
            raise LedgerTampered(where, "form", error, "a proof") from error
    whose = {(p.leaf["participant"], p.block["market"]) for p in found}
    if len(whose) > 1 or len({p.block["slot"] for p in found}) < len(found):
        raise LedgerTampered(source, "slots", "several participants or a slot twice", "each slot of one once")
    return found


def _blocks(book: Path, span: tuple[int, int] | None) -> tuple[list[bytes], list[dict[str, Any]], notes.Note]:
    """Return the hashes of all blocks, the clearings that stand in a time, and the checkpoint."""
    summary, met = Summary(), heads.Heads(book, log=False)
    hashes: list[bytes] = []
    live: dict[int, dict[str, Any]] = {}
    for block in reading.walk(book, summary, met):
        hashes.append(bytes.fromhex(summary.head))
        if block["kind"] == "correction":
            live.pop(block["slot"], None)
        elif block["kind"] == "clearing" and (span is None or span[0] <= block["slot"] < span[1]):
            live[block["slot"]] = block
    met.finish(summary)
    if (why := met.torn(summary)) or met.own is None:
        raise LedgerTorn(f"{book / reading.NAME}: {why}; see `otonari ledger repair`")
    return hashes, [live[slot] for slot in sorted(live)], met.own.note


def _require(
    book: Path, blocks: list[dict[str, Any]], note: notes.Note, records: Sequence[dict[str, Any]]
) -> None:
    """Raise :class:`LedgerError` unless the blocks record what the records say, leaf by leaf."""
    if not records:
        return
    if (secret := leaves.secret(book)) is None:
        raise LedgerError(
            f"{book / leaves.FOLDER / leaves.SECRET}: missing; without it no leaf can be compared"
        )
    got, want = notes.parse_checkpoint(note.text).origin, notes.origin(records[0]["market"])
    if got != want:
        raise LedgerError(f"{book}: got the ledger of market {got}, want that of {want}")
    there = {block["slot"]: chain.content(block) for block in blocks}
    wrong = [r["slot"] for r in records if there.get(r["slot"]) != chain.content(leaves.seal(r, secret)[0])]
    if wrong:
        many = f"{len(wrong)} of {len(records)} slots, the first is {utc(wrong[0])} UTC"
        raise LedgerError(
            f"{book}: what it has recorded is not this run, but another or a correction: {many}"
        )


def _proof(
    block: dict[str, Any], leaf: bytes, place: int, inner: list[bytes], outer: list[bytes], note: notes.Note
) -> str:
    parts = {"block": block, "leaf": canonical.parse(leaf), "place": place, "path": [h.hex() for h in inner]}
    extra = base64.b64encode(canonical.dump(parts)).decode()
    path = "".join(base64.b64encode(h).decode() + "\n" for h in outer)
    return f"{_FIRST}extra {extra}\nindex {block['index']}\n{path}\n{note}"


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


def _checked(text: str, where: str) -> Proof:
    """Return what a single proof says after checking it up to its checkpoint; ``ValueError`` if malformed."""
    above, _, below = text.partition("\n\n")
    extra, _, *lines = above.split("\n")
    parts = canonical.parse(notes.decode(extra.removeprefix("extra ")))
    if not isinstance(parts, dict) or parts.keys() != {"block", "leaf", "place", "path"}:
        raise ValueError("extra: want block, leaf, place and path")
    block, leaf, place, path = parts["block"], parts["leaf"], parts["place"], parts["path"]
    if wrong := kinds.misfit(block, ("clearing",)) or kinds.misfit(leaf, ("leaf",)):
        raise ValueError(f"{wrong} does not fit")
    if type(place) is not int or type(path) is not list or not all(type(h) is str for h in path):
        raise ValueError("place or path does not fit")
    note = notes.parse(below.encode())
    inner, outer = [bytes.fromhex(h) for h in path], [notes.decode(line) for line in lines]
    data, checkpoint = canonical.dump(leaf), notes.parse_checkpoint(note.text)
    if _proof(block, data, place, inner, outer, note) != _FIRST + text:
        raise ValueError("another spelling of the same proof")
    root = merkle.climb(merkle.leaf(data), place, block["leaves"], inner)
    tree = merkle.climb(merkle.leaf(canonical.dump(block)), block["index"], checkpoint.size, outer)
    for name, (got, want) in _links(block, leaf, root, tree, checkpoint).items():
        if got != want:
            raise LedgerTampered(where, name, got, want)
    return Proof(leaf, block, note)


def _links(
    block: dict[str, Any], leaf: dict[str, Any], root: bytes, tree: bytes, checkpoint: notes.Checkpoint
) -> dict[str, tuple[object, object]]:
    """Return what must be equal for leaf, block and checkpoint to belong together: (got, want) by name."""
    place = ("market", "slot", "slot_seconds")
    return {
        "version": (block["version"], kinds.VERSION),
        "slot": ([leaf[name] for name in place], [block[name] for name in place]),
        "Merkle root": (root.hex(), block["root"]),
        "tree hash": (tree.hex(), checkpoint.root.hex()),
        "origin": (checkpoint.origin, notes.origin(block["market"])),
    }
