"""The receipt of a bill: a file beside it that holds all of which the page is made, and proves what the ledger recorded.

Compressed by gzip it is, line by line in UTF-8, with an empty line between the parts::

    otonari receipt of a bill, format 1
    STATED                  what the operator states, canonical JSON

    BLOCK ...               the blocks of the member's slots, corrections and key rotations, by index

    {"leaf":LEAF,"path":"BASE64","place":PLACE} ...     of every block that records a time, in the same order

    BASE64 ...              one proof of all these blocks in the tree of the checkpoint

    CHECKPOINT              to its last line

``path`` is the inclusion proof of the leaf in its block, one hash behind another. A block that a correction here
reverses was billed before; the block of the same slot stands in its place now.
"""

import base64
import gzip
import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ...ledger import checkpoints, receipts
from ...ledger.format import block_schema, canonical_json, chain, merkle, signed_note
from ...ledger.format.errors import LedgerTampered
from ...ledger.receipts import Proof

FIRST = b"otonari receipt of a bill, format 1"
MAGIC = b"\x1f\x8b"
LARGEST = 2**28
HASH = 32


@dataclass(frozen=True)
class Change:
    """A slot that was billed before and corrected since: what was recorded then, and what stands now."""

    before: Proof
    after: Proof


@dataclass(frozen=True)
class Receipt:
    """What a receipt holds: what the operator states, and the proofs of a member's slots and of corrections."""

    stated: dict[str, Any]
    proofs: list[Proof]
    changes: list[Change]
    content: tuple[bytes, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, 64 hex digits: what the page names it by."""
        whole = hashlib.sha256()
        for part in self.content:
            whole.update(part)
        return whole.hexdigest()

    def packed(self) -> bytes:
        """Return the bytes of the file; a part that many receipts have is compressed once."""
        return b"".join(map(_compressed, self.content))


@lru_cache(maxsize=8)
def _compressed(part: bytes) -> bytes:
    return gzip.compress(part, 3, mtime=0)


@dataclass(frozen=True)
class Leaf:
    """A private leaf as it is recorded: its bytes, their content, its block, its place there, its inclusion proof."""

    data: bytes
    content: dict[str, Any]
    block: dict[str, Any]
    place: int
    path: list[bytes]

    def line(self) -> bytes:
        """Return the leaf as a receipt has it."""
        path = base64.b64encode(b"".join(self.path))
        return b'{"leaf":%b,"path":"%b","place":%d}\n' % (self.data, path, self.place)


def made(
    stated: dict[str, Any],
    leaves: Sequence[Leaf],
    proofs: list[Proof],
    changes: list[Change],
    shared: tuple[bytes, bytes],
) -> Receipt:
    """Return the receipt of a member.

    Parameters
    ----------
    stated : dict
        What the operator states, plain values of canonical JSON.
    leaves : sequence of Leaf
        The member's leaves, in the order of their blocks.
    proofs, changes
        What they prove: slots in order of time, and those that were billed before and corrected.
    shared : (bytes, bytes)
        The blocks, and their proof with the checkpoint: :func:`blocks_part` and :func:`proof_part`.
    """
    head = b"%b\n%b\n\n" % (FIRST, canonical_json.dump(stated))
    lines = b"".join(leaf.line() for leaf in leaves) + b"\n"
    return Receipt(stated, proofs, changes, (head, shared[0], lines, shared[1]))


def blocks_part(blocks: Sequence[dict[str, Any]]) -> bytes:
    """Return the part of a receipt that lists blocks."""
    return b"".join(canonical_json.dump(block) + b"\n" for block in blocks) + b"\n"


def proof_part(tree: merkle.Tree, indices: Sequence[int], note: signed_note.Note) -> bytes:
    """Return the part of a receipt that proves blocks: their joint proof, and the checkpoint."""
    return b"".join(base64.b64encode(h) + b"\n" for h in tree.paths(indices)) + b"\n" + str(note).encode()


def unpacked(data: bytes, source: str) -> bytes:
    """Return the content of the file of a receipt."""
    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LedgerTampered(source, "form", error, "a file of gzip") from error
    if len(content) > LARGEST:
        raise LedgerTampered(source, "size", "more", f"{LARGEST} bytes of content at most")
    return content


def check(
    data: bytes,
    pinned: Sequence[signed_note.Key] = (),
    held: Sequence[checkpoints.KnownCheckpoint] = (),
    source: str = "receipt",
) -> Receipt:
    """Check the file of a receipt; arguments and errors as of :func:`otonari.runs.ledger.receipts.check`."""
    receipts.require_means(pinned, held, source)
    receipt = read((unpacked(data, source),), source)
    receipts.require_known(receipt.proofs[0], pinned, held, source)
    return receipt


def read(content: tuple[bytes, ...], source: str) -> Receipt:
    """Return the content of a receipt after checking it up to its checkpoint, whoever signed that.

    Raises
    ------
    LedgerTampered
        If it is malformed, or anything in it does not belong together.
    """
    try:
        return _read(content, source)
    except (ValueError, KeyError, RecursionError) as error:
        raise LedgerTampered(source, "form", error, "a receipt of a bill") from error


def _read(content: tuple[bytes, ...], source: str) -> Receipt:
    head, blocks, leaves, hashes, note_text = b"".join(content).split(b"\n\n", 4)
    first, _, stated = head.partition(b"\n")
    if first != FIRST:
        raise ValueError(f"it begins with {first[:40]!r}")
    note = signed_note.parse(note_text)
    lines = blocks.split(b"\n")
    listed = [_block(line) for line in lines]
    _require_order(listed)
    proof = [signed_note.decode(line.decode()) for line in hashes.split(b"\n")]
    _require_in_tree(lines, listed, proof, note, source)
    rotations = [block for block in listed if block["kind"] == "key-rotation"]
    recording = [block for block in listed if block["kind"] in block_schema.RECORDING]
    proofs = [
        Proof(leaf, block, note, rotations)
        for block, leaf in zip(recording, map(_leaf, leaves.split(b"\n"), recording), strict=True)
    ]
    own, changes = _sorted_out(proofs, [block for block in listed if block["kind"] == "correction"])
    receipts.require_one_holder([*own, *(change.after for change in changes)], source)
    receipts.require_one_holder([*own, *(change.before for change in changes)], source)
    if not own:
        raise ValueError("no slots")
    values = canonical_json.parse(stated)
    if not isinstance(values, dict):
        raise ValueError("nothing is stated")
    return Receipt(values, own, changes, content)


def _block(line: bytes) -> dict[str, Any]:
    if len(line) > chain.LONGEST:
        raise ValueError("a block that is too long")
    block = canonical_json.parse(line)
    if wrong := block_schema.mismatch(block, (*block_schema.RECORDING, "correction", "key-rotation")):
        raise ValueError(f"{wrong} does not fit")
    if block["version"] not in block_schema.READABLE:
        raise ValueError(f"version {block['version']}")
    return dict(block)


def _leaf(line: bytes, block: dict[str, Any]) -> dict[str, Any]:
    """Return the leaf in a line after checking that it is of the block."""
    parts = canonical_json.parse(line)
    if not isinstance(parts, dict) or parts.keys() != {"leaf", "path", "place"}:
        raise ValueError("want leaf, path and place")
    leaf, place, path = parts["leaf"], parts["place"], parts["path"]
    if wrong := block_schema.mismatch(leaf, ("leaf",)):
        raise ValueError(f"{wrong} does not fit")
    if type(place) is not int or type(path) is not str:
        raise ValueError("place or path does not fit")
    joined = signed_note.decode(path)
    if len(joined) % HASH:
        raise ValueError("a path that is cut")
    hashes = [joined[k : k + HASH] for k in range(0, len(joined), HASH)]
    root = merkle.root_from_path(merkle.leaf(canonical_json.dump(leaf)), place, block["leaves"], hashes)
    if root.hex() != block["root"]:
        raise ValueError(f"Merkle root of block {block['index']}: got {root.hex()}, want {block['root']}")
    for name in ("market", "slot", "slot_seconds"):
        if leaf[name] != block[name]:
            raise ValueError(f"{name} of a leaf: got {leaf[name]}, want {block[name]}")
    return dict(leaf)


def _require_order(blocks: Sequence[dict[str, Any]]) -> None:
    """Require each block once, of one market, in the order of the ledger."""
    indices = [block["index"] for block in blocks]
    if indices != sorted(set(indices)) or indices[0] < 1:
        raise ValueError("blocks in another order")
    if len({(block["market"], block["version"]) for block in blocks}) != 1:
        raise ValueError("blocks of several markets")


def _require_in_tree(
    lines: Sequence[bytes],
    blocks: Sequence[dict[str, Any]],
    proof: list[bytes],
    note: signed_note.Note,
    source: str,
) -> None:
    """Require the blocks to be leaves of the tree whose hash the checkpoint gives, for the market that it names."""
    checkpoint = signed_note.parse_checkpoint(note.text)
    hashes = {block["index"]: merkle.leaf(line) for block, line in zip(blocks, lines, strict=True)}
    root, market = merkle.root_from_paths(hashes, checkpoint.size, proof), blocks[0]["market"]
    for name, got, want in (
        ("tree hash", root.hex(), checkpoint.root.hex()),
        ("origin", checkpoint.origin, signed_note.origin(market)),
    ):
        if got != want:
            raise LedgerTampered(source, name, got, want)


def _sorted_out(
    proofs: Sequence[Proof], corrections: Sequence[dict[str, Any]]
) -> tuple[list[Proof], list[Change]]:
    """Return the proofs of slots that are billed first, in order of time, and those that were billed and corrected."""
    reversed_, before = {block["reverses"]: block for block in corrections}, dict[int, Proof]()
    for proof in proofs:
        if correction := reversed_.pop(proof.block["index"], None):
            place = (correction["slot"], correction["slot_seconds"])
            if place != (proof.block["slot"], proof.block["slot_seconds"]):
                raise ValueError(f"a correction of another slot than that of block {proof.block['index']}")
            before[proof.block["slot"]] = proof
    taken = {id(proof) for proof in before.values()}
    others = {proof.block["slot"]: proof for proof in proofs if id(proof) not in taken}
    if reversed_ or len(taken) + len(others) != len(proofs) or not before.keys() <= others.keys():
        raise ValueError("corrections that are not of its slots")
    changes = [Change(then, others.pop(slot)) for slot, then in sorted(before.items())]
    if any(change.after.block["index"] < change.before.block["index"] for change in changes):
        raise ValueError("a correction before what it corrects")
    return [others[slot] for slot in sorted(others)], changes


def outline(data: bytes, source: str) -> tuple[str, int]:
    """Return participant and size of the checkpoint of a receipt of one's own, which is not checked.

    Raises
    ------
    LedgerTampered
        If it is no receipt.
    """
    try:
        _, _, leaves, _, note = unpacked(data, source).split(b"\n\n", 4)
        participant = canonical_json.parse(leaves.split(b"\n", 1)[0])["leaf"]["participant"]
        checkpoint = signed_note.parse_checkpoint(signed_note.parse(note).text)
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerTampered(source, "form", error, "a receipt of a bill") from error
    return str(participant), checkpoint.size
