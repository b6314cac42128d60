"""What a ledger has recorded of a period for its members, and what of slots billed before it took back since then."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...ledger import durable_files, private_leaves, reader
from ...ledger.format import block_schema, canonical_json, chain, merkle, signed_note
from ...ledger.state import LedgerState
from .receipt import Leaf

Block = dict[str, Any]


@dataclass(frozen=True)
class Corrected:
    """A slot that was recorded, reversed and recorded anew: the three blocks."""

    before: Block
    reversal: Block
    after: Block


@dataclass
class Book:
    """A verified ledger: the blocks that stand in a period, the corrections of earlier slots, and the leaves of both.

    Parameters
    ----------
    directory : Path
        Of the ledger.
    """

    directory: Path
    note: signed_note.Note = field(default_factory=lambda: signed_note.Note(""))
    current: dict[int, Block] = field(default_factory=dict)
    earlier: dict[int, list[Block]] = field(default_factory=dict)
    reversals: dict[int, Block] = field(default_factory=dict)
    rotations: list[Block] = field(default_factory=list)
    summary: chain.Summary = field(default_factory=chain.Summary)
    tree: merkle.Tree = field(default_factory=lambda: merkle.Tree([]))
    leaves: dict[int, dict[str, Leaf]] = field(default_factory=dict)

    def corrected(self, since: int) -> Iterator[Corrected]:
        """Yield the slots before the period whose record when the ledger had ``since`` blocks was reversed later."""
        for _, blocks in sorted(self.earlier.items()):
            stood = [b for b in blocks if b["index"] < since <= self._end(b)]
            if stood and self._end(stood[0]) < self.tree_size and self._end(blocks[-1]) == self.tree_size:
                yield Corrected(stood[0], self.reversals[stood[0]["index"]], blocks[-1])

    @property
    def tree_size(self) -> int:
        """How many blocks the ledger has."""
        return len(self.tree.levels[0])

    def _end(self, block: Block) -> int:
        """Return the index of the block that reverses a block, that of the next block to come where none does."""
        reversal = self.reversals.get(block["index"])
        return int(reversal["index"]) if reversal else self.tree_size


def read(
    directory: Path,
    span: tuple[int, int],
    wanted: Collection[str] | None = None,
    since: Collection[int] = (),
) -> Book:
    """Return what a ledger has recorded, verified to its end.

    Parameters
    ----------
    directory : Path
        Of the ledger, with its private leaves.
    span : (int, int)
        Slots that start in [first, second), UTC epoch seconds.
    wanted : collection of str, optional
        Labels, as the ledger spells them, whose leaves are wanted (default: everybody's).
    since : collection of int
        How many blocks the ledger had when the bills before these were made: what was corrected of earlier slots since
        then is of interest.

    Raises
    ------
    LedgerTampered, LedgerTorn
        If the ledger is not good.
    LedgerError
        If it has no private leaves.
    """
    book, hashes = Book(directory), list[bytes]()
    with durable_files.locked(directory, 10.0, shared=True):
        state = LedgerState(directory, slots=lambda slot: span[0] <= slot < span[1], whole_log=False)
        for block in reader.walk(state):
            hashes.append(bytes.fromhex(state.summary.head))
            if block["kind"] == "key-rotation":
                book.rotations.append(block)
            elif block["kind"] == "correction" and since:
                book.reversals[block["reverses"]] = block
            elif block["kind"] in block_schema.RECORDING and since and block["slot"] < span[0]:
                book.earlier.setdefault(block["slot"], []).append(block)
        state.require_settled()
        book.note, book.summary, book.tree = state.note, state.summary, merkle.Tree(hashes)
        book.current = dict(sorted(state.clearings.unreversed.items()))
        changes = [change for size in set(since) for change in book.corrected(size)]
        blocks = [*book.current.values(), *(b for c in changes for b in (c.before, c.after))]
        files = private_leaves.LeafFiles(directory)
        for index, block in sorted({block["index"]: block for block in blocks}.items()):
            book.leaves[index] = _leaves(files, block, wanted)
    return book


def _leaves(files: private_leaves.LeafFiles, block: Block, wanted: Collection[str] | None) -> dict[str, Leaf]:
    """Return the leaves of a block by participant; a misshapen one is an error only where it is wanted."""
    found, every = dict[str, Leaf](), files.of_block(block)
    tree = merkle.Tree(map(merkle.leaf, every))
    for place, data in enumerate(every):
        try:
            content = private_leaves.read(data)
        except ValueError as error:
            name = private_leaves.owner(data)
            if wanted is None or not name or name in wanted:
                raise private_leaves.misshapen(block, place, data, error) from error
            continue
        if wanted is None or content["participant"] in wanted:
            found[content["participant"]] = Leaf(data, content, block, place, tree.path(place))
    return found


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two leaves say the same, whatever their salts: then the receipt of the one stands after the other."""
    return {**one, "salt": ""} == {**other, "salt": ""}


def label(name: str) -> str:
    """Return a participant as the ledger spells it."""
    return canonical_json.label(name)
