"""What bills are made from: the stored runs of a market, their ledger, the bills before, and the period."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from ....data import clock
from ....data.problems import InputError, Problem
from ... import archive
from ...ledger import durable_files, ledger
from ...ledger.format import canonical_json, signed_note
from ...ledger.format.errors import LedgerError
from ...store.atomic_file import RunFileError
from . import receipt
from .accounts import StoredRun
from .recorded import Book

_EVER = (-(2**53), 2**53)


def billed(folder: Path) -> dict[str, int]:
    """Return how many blocks the ledger had when participants, as it spells them, were billed last, by their receipts.

    Raises
    ------
    LedgerError
        If there is no receipt in the folder, or one is damaged.
    """
    sizes: dict[str, int] = {}
    for path in sorted(folder.glob("*.receipt.gz")):
        participant, size = receipt.outline(durable_files.read(path, receipt.LARGEST), str(path))
        sizes[participant] = max(size, sizes.get(participant, 0))
    if not sizes:
        raise LedgerError(f"{folder}: there is no receipt of a bill (*.receipt.gz)")
    return sizes


def stored_runs(source: Path) -> list[StoredRun]:
    """Return the runs of recorded markets in a folder, or the one in a file."""
    if not source.is_dir():
        return [StoredRun(source, archive.open_recorded(source))]
    runs = []
    for path in sorted(source.rglob("*.nc")):
        try:
            runs.append(StoredRun(path, archive.open_recorded(path)))
        except RunFileError:  # of grid-only and the like there are no blocks; a slot that is missed is told
            continue
    if not runs:
        raise RunFileError(source, "holds no run of a market that is recorded")
    return runs


def ledger_of(runs: Sequence[StoredRun], source: Path, directory: Path | None) -> Path:
    """Return the ledger of runs, the one that is given or the only one beside them."""
    candidates = {_beside(run) for run in runs} if directory is None else {directory}
    there = sorted(path for path in candidates if (path / ledger.NAME).exists())
    if not there:
        never = (
            ""
            if any("ledger_head" in run.tree.attrs for run in runs)
            else "; the run was never committed to one"
        )
        raise LedgerError(f"{min(candidates)}: there is no ledger, so no receipt for a bill{never}")
    if len(there) > 1:
        raise LedgerError(
            f"{source}: got {len(there)} ledgers, {', '.join(map(str, there))}: name one (--ledger)"
        )
    return there[0]


def _beside(run: StoredRun) -> Path:
    """Return where the ledger of a run is put; a market without an id of its own is called SCENARIO@HASH."""
    scenario, market = str(run.tree.attrs.get("scenario", "")), str(run.tree.attrs["market_id"])
    name, _, hash_ = market.rpartition("@")
    own = name == scenario and re.fullmatch("[0-9a-f]{64}", hash_)
    return ledger.beside(run.path, None if own else market, hash_)


def only(source: Path, what: str, values: Iterable[str]) -> str:
    """Return the value that all runs have."""
    found = sorted(set(values))
    if len(found) > 1:
        raise LedgerError(f"{source}: runs with several {what}s: {', '.join(found)}")
    return found[0]


def period(runs: Sequence[StoredRun], source: Path, month: str, zone: str) -> tuple[int, int]:
    """Return the period [first, end) in epoch seconds: a local month, else that of the one run, or all that there is."""
    if month:
        return month_span(month, zone)
    if source.is_dir():
        return _EVER
    slots = list(runs[0].records)
    return min(slots), max(slots) + 1


def month_span(month: str, zone: str) -> tuple[int, int]:
    """Return when a local month ``YYYY-MM`` begins and ends, epoch seconds."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise InputError([Problem("command line", "", "--month", repr(month), "a month such as 2026-08")])
    year, number = map(int, month.split("-"))
    tz = clock.zone(zone)
    first = datetime(year, number, 1, tzinfo=tz)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=tz)
    return int(first.timestamp()), int(end.timestamp())


def require_market(runs: Sequence[StoredRun], book: Book) -> None:
    """Raise :class:`LedgerError` unless the ledger is that of a run's market, and counts its money."""
    want = sorted({canonical_json.label(run.tree.attrs["market_id"]) for run in runs})
    got = book.summary.market
    if got not in want:
        names = ", ".join(map(signed_note.origin, want))
        raise LedgerError(
            f"{book.directory}: got the ledger of market {signed_note.origin(got)}, want that of {names}"
        )
