"""Reading a ledger's directory, block by block; who calls holds its lock."""

import os
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from . import durable_files
from .format import canonical_json, chain
from .format.chain import Block, Summary
from .state import LedgerState

_STEP = 64


def walk(state: LedgerState) -> Iterator[Block]:
    """Yield the blocks of a ledger, each checked and counted into its state, which is complete after the last one."""
    offsets = array("Q")  # where every 64th line begins: a correction looks up the block that it reverses

    def earlier(index: int) -> Block:
        with durable_files.opened(state.path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            file.seek(offsets[index // _STEP])
            line = next(islice(file, index % _STEP, None))
        return dict(canonical_json.parse(line[9:-76]))

    state.require_blocks()
    summary = state.summary
    with durable_files.opened(state.path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        for block in chain.walk(_lines(file, summary, offsets), summary, earlier):
            state.count_in(block)
            yield block
        if summary.tail:
            summary.tail = os.fstat(descriptor).st_size - summary.size
    state.finish()


def read(directory: Path, slots: Callable[[int], bool], *, whole_log: bool = False) -> LedgerState:
    """Return the state of a ledger that is to be written to, if it is there; what a crash left is for the caller.

    Parameters
    ----------
    directory : Path
        Of the ledger.
    slots : callable
        Whether the clearing of a slot, given by its start, is wanted.
    whole_log : bool
        Whether it is compared with all checkpoints that there were, or with the last ones.
    """
    state = LedgerState(directory, slots=slots, whole_log=whole_log)
    if not state.begun:
        state.finish()
        return state
    for block in walk(state):
        if state.summary.count > state.vouched:
            state.unvouched[state.summary.head] = block
    return state


def _lines(file: IO[bytes], summary: Summary, offsets: "array[int]") -> Iterator[bytes]:
    """Yield the lines of a ledger, of one that is too long its beginning, and note where every 64th begins."""
    while line := file.readline(chain.LONGEST + 1):
        if summary.count % _STEP == 0:
            offsets.append(summary.size)
        whole = line.endswith(b"\n")
        if not whole and any(b"\n" in part for part in iter(lambda: file.read(chain.LONGEST), b"")):
            line += b"\n"  # a line that is too long, not a torn end
        yield line
