"""Reading a ledger's directory, block by block; who calls holds its lock."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from . import canonical, chain, durable, heads, kinds, leaves
from .chain import Block, Summary
from .faults import LedgerTampered

NAME = "ledger.jsonl"
_LONGEST = 2**28


def walk(book: Path, summary: Summary, met: heads.Heads) -> Iterator[Block]:
    """Yield the blocks of a ledger that somebody locked, compared with its checkpoints as they are counted."""

    def earlier(index: int) -> Block:
        with durable.opened(book / NAME) as descriptor, open(descriptor, "rb", closefd=False) as again:
            line = next(islice(again, index, None))
        return dict(canonical.parse(line[9:-76]))

    if met.own and not os.path.lexists(book / NAME):
        raise LedgerTampered(heads.OWN, "size", "no blocks at all", met.own.checkpoint.size)
    with durable.opened(book / NAME) as descriptor, open(descriptor, "rb", closefd=False) as file:
        for block in chain.walk(iter(lambda: file.readline(_LONGEST), b""), summary, earlier):
            met.meet(summary)
            yield block


def check_leaves(shelf: leaves.Shelf, block: Block) -> list[dict[str, Any]]:
    """Return the private leaves of a clearing block after checking that they add up to its totals."""
    found = [leaves.parse(leaf) for leaf in shelf.of_block(block)]
    if kinds.totals(found) != block["totals"]:
        raise LedgerTampered(
            block["index"], "totals", block["totals"], f"{kinds.totals(found)}, the sums of its leaves"
        )
    return found
