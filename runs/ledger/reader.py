"""Reading a ledger's directory, block by block; who calls holds its lock."""

import os
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from . import checkpoints, durable_files, private_leaves
from .format import block_schema, canonical_json, chain
from .format.chain import Block, Summary
from .format.errors import LedgerTampered

NAME = "ledger.jsonl"
_STEP = 64


def walk(book: Path, summary: Summary, met: checkpoints.Heads) -> Iterator[Block]:
    """Yield the blocks of a ledger that somebody locked, compared with its checkpoints as they are counted."""
    marks = array("Q")  # where every 64th line begins: a correction looks up the block that it reverses

    def earlier(index: int) -> Block:
        with durable_files.opened(book / NAME) as descriptor, open(descriptor, "rb", closefd=False) as again:
            again.seek(marks[index // _STEP])
            line = next(islice(again, index % _STEP, None))
        return dict(canonical_json.parse(line[9:-76]))

    if met.own and not os.path.lexists(book / NAME):
        raise LedgerTampered(checkpoints.OWN, "size", "no blocks at all", met.own.checkpoint.size)
    with durable_files.opened(book / NAME) as descriptor, open(descriptor, "rb", closefd=False) as file:
        for block in chain.walk(_lines(file, summary, marks), summary, earlier):
            met.meet(summary)
            yield block
        if summary.tail:
            summary.tail = os.fstat(descriptor).st_size - summary.size


def _lines(file: IO[bytes], summary: Summary, marks: "array[int]") -> Iterator[bytes]:
    """Yield the lines of a ledger, of one that is too long its beginning, and note where every 64th begins."""
    while line := file.readline(chain.LONGEST + 1):
        if summary.count % _STEP == 0:
            marks.append(summary.size)
        whole = line.endswith(b"\n")
        if not whole and any(b"\n" in part for part in iter(lambda: file.read(chain.LONGEST), b"")):
            line += b"\n"  # a line that is too long, not a torn end
        yield line


def check_leaves(shelf: private_leaves.Shelf, block: Block) -> list[dict[str, Any]]:
    """Return the private leaves of a clearing block after checking that they are its own, and add up to its totals."""
    found = [private_leaves.parse(leaf) for leaf in shelf.of_block(block)]
    for name, (got, want) in _sums(block, found).items():
        if got != want:
            raise LedgerTampered(block["index"], name, got, want)
    return found


def _sums(block: Block, found: list[dict[str, Any]]) -> dict[str, tuple[object, object]]:
    """Return what must be equal for leaves to be those of a block: (got, want) by name."""
    place, names = ("market", "slot", "slot_seconds"), [leaf["participant"] for leaf in found]
    origin = [sum(leaf["origin"].values()) for leaf in found]
    total = {name: sum(leaf[name] for leaf in found) for name in ("purchases", "sales", "paid", "earned")}
    return {
        "leaves": (block["leaves"], len(found)),
        "participants": (names, sorted(set(names))),
        "place of a leaf": ({tuple(x[n] for n in place) for x in found}, {tuple(block[n] for n in place)}),
        "totals": (block["totals"], block_schema.totals(found)),
        "sales": (total["sales"], total["purchases"]),
        "earned": (total["earned"], total["paid"]),
        "origin": (origin, [leaf["purchases"] for leaf in found]),
    }
