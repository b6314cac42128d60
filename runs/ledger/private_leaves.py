"""The private half of a ledger: salted leaves, one per participant and slot, and the secret behind the salts.

A salt is a keyed hash of what it hides: unpredictable without the secret, the same for the same content. So
clearing again commits nothing new, and no salt is ever used for two contents. The secret is 32 bytes of the
operating system's randomness, drawn once when a ledger is made: the one place where chance enters.

There is a file for each write to the ledger, on the disk before it. Its first line names the blocks that are to be
appended, so that what a crash left beyond the checkpoint can be told from what somebody else appended there.
"""

import hmac
import json
import os
import re
from bisect import bisect_left
from pathlib import Path
from typing import Any

from . import durable_files
from .format import block_schema, canonical_json, chain, merkle
from .format.chain import Block
from .format.errors import LedgerError, LedgerTampered

FOLDER, SECRET = "leaves", "secret"
_HIDDEN = ("prices", "inputs", "results")
_SLOT = re.compile(rb'"slot":(-?[0-9]+),')
_NAME = re.compile(r"[0-9]{8,}-[0-9a-f]{16}\.jsonl")
_LARGEST = 2**36
_KEYS = block_schema.SHAPES["leaf"].keys() - block_schema.WHERE_ANY


def seal(record: dict[str, Any], secret: bytes, revision: int = 0) -> tuple[dict[str, Any], list[bytes]]:
    """Return the public block of a record, and its leaves as they are hashed.

    Parameters
    ----------
    record : dict
        Of a slot, as :func:`otonari.runs.ledger.records.cleared` gives it.
    secret : bytes
        Of the ledger.
    revision : int
        How often the slot was reversed before: a correction salts every leaf anew, so that no hash tells whose
        leaf it left alone.

    Raises
    ------
    LedgerError
        If what is to be recorded does not fit into a leaf.
    """
    common = {name: record[name] for name in ("market", "slot", "slot_seconds")}
    leaves = [_salted({**leaf, **common, "kind": "leaf"}, secret, revision) for leaf in record["leaves"]]
    hidden = {name: keyed(secret, name, record[name]) for name in _HIDDEN}
    root = merkle.root(map(merkle.leaf, leaves)).hex()
    return {**record, **hidden, "leaves": len(leaves), "root": root}, leaves


def keyed(secret: bytes, name: str, digest: str) -> str:
    """Return the digest of prices, inputs or results as a public block has it."""
    return _keyed(secret, f"otonari {name}", digest.encode()).hex()


def owner(data: bytes) -> str:
    """Return whose leaf bytes are, as far as they say so: a misshapen one may name nobody."""
    try:
        leaf = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    name = leaf.get("participant") if isinstance(leaf, dict) else None
    return name if isinstance(name, str) else ""


def misshapen(block: dict[str, Any], place: int, data: bytes, error: ValueError) -> LedgerTampered:
    """Return what is to be said of a leaf of a block that is none, by the name that it bears or by its place."""
    name = owner(data)
    return LedgerTampered(block["index"], f"leaf of {name}" if name else f"leaf {place}", error, "a leaf")


def parse(data: bytes) -> dict[str, Any]:
    """Return the leaf that bytes spell, or raise ``ValueError``."""
    leaf = canonical_json.parse(data)
    if wrong := block_schema.mismatch(leaf, ("leaf",)):
        raise ValueError(f"leaf: {wrong} does not fit")
    return dict(leaf)


def read(data: bytes) -> dict[str, Any]:
    """Return the leaf in bytes that are known to be the ledger's own, which sealed it; a tenth of the price of `parse`.

    Raises
    ------
    ValueError
        If it has other keys than a leaf.
    """
    leaf = json.loads(data.decode())
    if not isinstance(leaf, dict) or leaf.keys() - block_schema.WHERE_ANY != _KEYS:
        raise ValueError("leaf: other keys than those of a leaf")
    return leaf


def secret(directory: Path) -> bytes | None:
    """Return the secret of a ledger, nothing if it has none yet.

    Raises
    ------
    LedgerError
        If others may read it, or if it is not 32 bytes.
    """
    path = directory / FOLDER / SECRET
    if not durable_files.private_folder(directory / FOLDER) or not os.path.lexists(path):
        return None
    data = durable_files.read_private(path)
    if len(data) != 32:
        raise LedgerError(f"{path}: got {len(data)} bytes, want 32")
    return data


def write_secret(directory: Path, value: bytes) -> None:
    """Store the secret of a new ledger, readable by its owner only."""
    durable_files.make_private_folder(directory / FOLDER)
    durable_files.replace(directory / FOLDER / SECRET, value, mode=0o600)


def write(directory: Path, index: int, lines: bytes, leaves: list[bytes]) -> None:
    """Store what is about to be appended: the hashes of the lines from block ``index`` on, then their leaves."""
    durable_files.make_private_folder(directory / FOLDER)
    hashes = chain.hashes(lines)
    first = canonical_json.dump({"index": index, "hashes": hashes})
    path = directory / FOLDER / _name(index, hashes[-1])
    durable_files.replace(path, b"".join(line + b"\n" for line in (first, *leaves)), mode=0o600)


def announced(directory: Path, index: int, hashes: list[str]) -> bool:
    """Return whether blocks of these hashes, from ``index`` on, are what was to be appended there, or its beginning."""
    if not durable_files.private_folder(directory / FOLDER):
        return False
    names = (name for name in _names(directory) if name.startswith(f"{index:08d}-"))
    return any(_announced_hashes(directory / FOLDER / name)[: len(hashes)] == hashes for name in names)


def last_write(directory: Path) -> int:
    """Return the index of the first block of the last write in ``leaves/``; all before it had a checkpoint then."""
    return max((int(name.partition("-")[0]) for name in _names(directory)), default=0)


def another_beginning(directory: Path, head: str) -> str:
    """Return the file of a write to this ledger other than a first one up to the block of that hash, or nothing."""
    return next((name for name in _names(directory) if name != _name(0, head)), "")


def _names(directory: Path) -> list[str]:
    """Return the files of ``leaves/``, a write each, in order of their first blocks; none for who may not look."""
    return sorted(path.name for path in (directory / FOLDER).glob("*-*.jsonl") if _NAME.fullmatch(path.name))


def _name(index: int, head: str) -> str:
    return f"{index:08d}-{head[:16]}.jsonl"


def _announced_hashes(path: Path) -> list[str]:
    """Return the hashes in the first line of a file."""
    with durable_files.opened(path) as file, open(file, "rb", closefd=False) as lines:
        first = lines.readline()
    try:
        header = canonical_json.parse(first.removesuffix(b"\n"))
        return [str(x) for x in header["hashes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path}: its first line does not say what was to be appended") from error


class LeafFiles:
    """The files of private leaves of a locked ledger; one at a time is held in memory."""

    def __init__(self, directory: Path):
        self.folder = directory / FOLDER
        durable_files.private_folder(self.folder)
        self.names = _names(directory)
        self.name, self.leaves = "", dict[int | None, list[bytes]]()

    def of_block(self, block: dict[str, Any]) -> list[bytes]:
        """Return the leaves of a clearing block, found by its slot and proved by its Merkle root.

        Raises
        ------
        LedgerError
            If they are not there.
        """
        for place in range(bisect_left(self.names, f"{block['index'] + 1:08d}") - 1, -1, -1):
            leaves = self._read(self.names[place]).get(block["slot"], [])
            if merkle.root(map(merkle.leaf, leaves)).hex() == block["root"]:
                return leaves
        raise LedgerError(
            f"{self.folder}: there are no leaves with the Merkle root of block {block['index']}"
        )

    def _read(self, name: str) -> dict[int | None, list[bytes]]:
        """Return the leaves in a file by their slots; the last file stays in memory."""
        if name != self.name:
            self.name, self.leaves = name, {}
            slot = None  # a misshapen leaf that states none stands among those of its block
            for line in durable_files.read(self.folder / name, _LARGEST).splitlines()[1:]:
                slot = int(found[1]) if (found := _SLOT.search(line)) else slot
                self.leaves.setdefault(slot, []).append(line)
            if (first := self.leaves.pop(None, None)) and slot is not None:
                self.leaves[next(iter(self.leaves))][:0] = first
        return self.leaves


def check_leaves(files: LeafFiles, block: Block) -> list[dict[str, Any]]:
    """Return the private leaves of a clearing block after checking that they are its own, and add up to its totals."""
    leaves = []
    for place, data in enumerate(files.of_block(block)):
        try:
            leaves.append(parse(data))
        except ValueError as error:
            raise misshapen(block, place, data, error) from error
    for name, (got, want) in _sums(block, leaves).items():
        if got != want:
            raise LedgerTampered(block["index"], name, got, want)
    return leaves


def _sums(block: Block, leaves: list[dict[str, Any]]) -> dict[str, tuple[object, object]]:
    """Return what must be equal for leaves to be those of a block: (got, want) by name."""
    place = ("market", "slot", "slot_seconds")
    names = [leaf["participant"] for leaf in leaves]
    origin = [sum(leaf["origin"].values()) for leaf in leaves]
    total = {name: sum(leaf[name] for leaf in leaves) for name in ("purchases", "sales", "paid", "earned")}
    return {
        "leaves": (block["leaves"], len(leaves)),
        "participants": (names, sorted(set(names))),
        "place of a leaf": ({tuple(x[n] for n in place) for x in leaves}, {tuple(block[n] for n in place)}),
        "totals": (block["totals"], block_schema.totals(leaves)),
        "sales": (total["sales"], total["purchases"]),
        "earned": (total["earned"], total["paid"]),
        "origin": (origin, [leaf["purchases"] for leaf in leaves]),
    }


def _salted(leaf: dict[str, Any], secret: bytes, revision: int) -> bytes:
    """Return a leaf with its salt, as it is hashed; what a verifier would not take for one is refused.

    The keys before ``salt`` and those after it are spelled once each, for what is salted and for the leaf with its salt.
    """
    try:
        before, after = (
            canonical_json.dump({name: value for name, value in leaf.items() if (name < "salt") is early})
            for early in (True, False)
        )
        data = before[:-1] + b"," + after[1:]
        salt = _keyed(secret, "otonari salt", b"%d " % revision + data).hex()
        if wrong := block_schema.mismatch({**leaf, "salt": salt}, ("leaf",)):
            raise ValueError(f"{wrong} of {leaf.get('participant')}")
        return b'%b,"salt":"%b",%b' % (before[:-1], salt.encode(), after[1:])
    except ValueError as error:
        raise LedgerError(f"what is to be recorded does not fit into a leaf: {error}") from error


def _keyed(secret: bytes, purpose: str, data: bytes) -> bytes:
    """Return HMAC-SHA-256 of data under a key of its own for each purpose."""
    return hmac.digest(hmac.digest(secret, purpose.encode(), "sha256"), data, "sha256")
