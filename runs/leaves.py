"""The private half of a ledger: salted leaves, one per participant and slot, and the secret behind the salts.

A salt is a keyed hash of what it hides: unpredictable without the secret, the same for the same content. So
clearing again commits nothing new, and no salt is ever used for two contents. The secret is 32 bytes of the
operating system's randomness, drawn once when a ledger is made: the one place where chance enters.
"""

import hmac
import re
from bisect import bisect_left
from pathlib import Path
from typing import Any

from . import canonical, durable, kinds, merkle
from .faults import LedgerError

FOLDER, SECRET = "leaves", "secret"
_HIDDEN = ("inputs", "results")
_SLOT = re.compile(rb'"slot":(-?[0-9]+),')
_LARGEST = 2**31


def seal(record: dict[str, Any], secret: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return the public block of a record, and its leaves as they are hashed.

    Parameters
    ----------
    record : dict
        Of a slot, as :func:`otonari.runs.blocks.cleared` gives it.
    secret : bytes
        Of the ledger.
    """
    common = {name: record[name] for name in ("market", "slot", "slot_seconds")}
    found = [_salted({**leaf, **common, "kind": "leaf"}, secret) for leaf in record["leaves"]]
    hidden = {name: _keyed(secret, f"otonari {name}", record[name].encode()).hex() for name in _HIDDEN}
    root = merkle.root(map(merkle.leaf, found)).hex()
    return {**record, **hidden, "leaves": len(found), "root": root}, found


def parse(data: bytes) -> dict[str, Any]:
    """Return the leaf that bytes spell, or raise ``ValueError``."""
    leaf = canonical.parse(data)
    if wrong := kinds.misfit(leaf, ("leaf",)):
        raise ValueError(f"leaf: {wrong} does not fit")
    return dict(leaf)


def secret(book: Path) -> bytes | None:
    """Return the secret of a ledger, nothing if it has none yet.

    Raises
    ------
    LedgerError
        If others may read it, or if it is not 32 bytes.
    """
    path = book / FOLDER / SECRET
    if not (path.exists() or path.is_symlink()):
        return None
    data = durable.read_private(path)
    if len(data) != 32:
        raise LedgerError(f"{path}: got {len(data)} bytes, want 32")
    return data


def write_secret(book: Path, value: bytes) -> None:
    """Store the secret of a new ledger, readable by its owner only."""
    durable.make_private_folder(book / FOLDER)
    durable.replace(book / FOLDER / SECRET, value, mode=0o600)


def write(book: Path, index: int, head: str, found: list[bytes]) -> None:
    """Store the leaves of a commit, whose first block is ``index`` and whose last one hashes to ``head``."""
    durable.make_private_folder(book / FOLDER)
    path = book / FOLDER / f"{index:08d}-{head[:16]}.jsonl"
    durable.replace(path, b"".join(leaf + b"\n" for leaf in found), mode=0o600)


class Shelf:
    """The private leaves of a ledger that somebody locked, read file by file."""

    def __init__(self, book: Path):
        self.folder = book / FOLDER
        self.names = sorted(path.name for path in self.folder.glob("*-*.jsonl"))
        self.open, self.found = "", dict[int, list[bytes]]()

    def of_block(self, block: dict[str, Any]) -> list[bytes]:
        """Return the leaves of a clearing block, found by its slot and proved by its Merkle root.

        Raises
        ------
        LedgerError
            If they are not there.
        """
        for place in range(bisect_left(self.names, f"{block['index'] + 1:08d}") - 1, -1, -1):
            found = self._read(self.names[place]).get(block["slot"], [])
            if merkle.root(map(merkle.leaf, found)).hex() == block["root"]:
                return found
        raise LedgerError(
            f"{self.folder}: there are no leaves with the Merkle root of block {block['index']}"
        )

    def _read(self, name: str) -> dict[int, list[bytes]]:
        """Return the leaves in a file by their slots; the last file stays in memory."""
        if name != self.open:
            self.open, self.found = name, {}
            for line in durable.read(self.folder / name, _LARGEST).splitlines():
                slot = _SLOT.search(line)
                self.found.setdefault(int(slot[1]) if slot else 0, []).append(line)
        return self.found


def _salted(leaf: dict[str, Any], secret: bytes) -> bytes:
    salt = _keyed(secret, "otonari salt", canonical.dump(leaf))
    return canonical.dump({**leaf, "salt": salt.hex()})


def _keyed(secret: bytes, purpose: str, data: bytes) -> bytes:
    """Return HMAC-SHA-256 of data under a key of its own for each purpose."""
    return hmac.digest(hmac.digest(secret, purpose.encode(), "sha256"), data, "sha256")
