"""What the public totals of a ledger tell of single accounts, and publishing it only where they tell little.

A total hides numbers as far as several accounts have one that is not zero. Where one has, the total *is* its number;
where two have, each of them can tell the other's. So what counts is not how many members a market has, but the accounts
behind each total of each slot; after a correction also those whose numbers it changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import checkpoints, durable_files, private_leaves, reader
from .format import block_schema
from .format.chain import Block
from .format.errors import LedgerError
from .state import NAME, LedgerState

LEAST = 3
"""Accounts behind a total, at least, unless somebody says otherwise: with two, each can tell the other's number."""
PARTS = ("purchases", "sales", "paid", "earned", "fees", "congestion", "grid_in", "grid_out")
"""Numbers of the leaves whose sums are public."""

Numbers = Mapping[str, Mapping[str, int]]
"""The numbers of a slot that are not zero, by part and account."""


@dataclass(frozen=True)
class Exposure:
    """A public number behind which there are few accounts: in which block and slot, which, and of how many."""

    index: int
    slot: int
    part: str
    accounts: int


def exposures(directory: Path, least: int = LEAST) -> tuple[int, list[Exposure]]:
    """Return how many clearings a ledger has, and its public numbers with fewer than ``least`` accounts behind them.

    Reversed clearings count too: their blocks stay. The ledger is verified with its private leaves; errors as in
    :func:`otonari.runs.ledger.ledger.verify`.
    """
    with durable_files.locked(directory, 10.0, shared=True):
        return _exposures(directory, least)


def publish(directory: Path, target: Path, least: int = LEAST) -> list[Path]:
    """Copy the public files of a ledger to a folder, if no number in them has fewer than ``least`` accounts behind it.

    Raises
    ------
    LedgerError
        If there is such a number, if the folder has another ledger, or if something cannot be written.
    LedgerTampered, LedgerTorn
        If the ledger is not good.
    """
    with durable_files.locked(directory, 10.0, shared=True):
        clearings, exposed = _exposures(directory, least)
        if exposed:
            raise LedgerError(f"{directory}: {told(clearings, exposed, least)}; nothing was published")
        files = {name: _content(directory / name) for name in (NAME, checkpoints.LOG, checkpoints.OWN)}
    durable_files.make_folder(target)
    present = target / NAME
    if present.exists() and not files[NAME].startswith(_content(present)):
        raise LedgerError(f"{target}: has a ledger that this one did not grow from; nothing was published")
    for name, data in files.items():
        durable_files.replace(target / name, data)
    return [target / name for name in files]


def told(clearings: int, exposed: list[Exposure], least: int) -> str:
    """Return in a sentence what a ledger tells of single accounts."""
    slots = len({exposure.index for exposure in exposed})
    alone = len({exposure.index for exposure in exposed if exposure.accounts == 1})
    text = (
        f"in {slots} of {clearings} cleared slots a public total is the sum over fewer than {least} accounts"
    )
    return f"{text}, in {alone} of them it is the number of one account alone"


def _content(path: Path) -> bytes:
    return durable_files.read(path, path.stat().st_size)


def _exposures(directory: Path, least: int) -> tuple[int, list[Exposure]]:
    """Verify a locked ledger with its leaves, and return what :func:`exposures` does."""
    state, files = LedgerState(directory), private_leaves.LeafFiles(directory)
    before: dict[int, Numbers] = {}
    clearings, exposed = 0, list[Exposure]()
    for block in reader.walk(state):
        if block["kind"] not in block_schema.RECORDING:
            continue
        clearings += 1
        numbers = _numbers(private_leaves.check_leaves(files, block))
        exposed += _few(block, numbers, least)
        if earlier := before.get(block["slot"]):
            exposed += _few(block, _changes(earlier, numbers), least)
        before[block["slot"]] = numbers
    state.require_settled()
    return clearings, exposed


def _numbers(leaves: list[dict[str, Any]]) -> Numbers:
    return {part: {leaf["participant"]: leaf[part] for leaf in leaves if leaf[part]} for part in PARTS}


def _changes(earlier: Numbers, numbers: Numbers) -> Numbers:
    """Return by how much the numbers of a slot differ from those before its correction, zeros left out."""
    return {
        f"{part}, corrected": {
            name: change
            for name in {*numbers[part], *earlier[part]}
            if (change := numbers[part].get(name, 0) - earlier[part].get(name, 0))
        }
        for part in PARTS
    }


def _few(block: Block, numbers: Numbers, least: int) -> Iterator[Exposure]:
    for part, accounts in numbers.items():
        if 0 < len(accounts) < least:
            yield Exposure(block["index"], block["slot"], part, len(accounts))
