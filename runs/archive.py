"""Runs that are stored and committed: conflicts first, then the file, then the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from . import markets, settled_days
from .ledger import administration, ledger, records
from .store import atomic_file, netcdf, run_file


@dataclass(frozen=True)
class Outcome:
    """A stored run: the tree, its file, the copy of an earlier run of that name, and its ledger."""

    tree: xr.DataTree
    path: Path
    kept: Path | None = None
    directory: Path | None = None
    commit: ledger.Commit | None = None


def default_path(scenario: str, run: str, changed: bool, hash_: str, ending: str = ".nc") -> Path:
    """Return where a run of a scenario is stored where nobody names a file; a what-if leaves the scenario's own alone.

    >>> default_path("town", "p2p", True, "40119133ab").as_posix()
    'runs-out/town/p2p-40119133.nc'
    """
    return Path("runs-out") / scenario / f"{run}{f'-{hash_[:8]}' if changed else ''}{ending}"


def correct(path: Path, directory: Path, key: Path | None = None) -> Outcome:
    """Correct a ledger by a stored run: reverse the clearings of its slots that differ, and record them anew.

    Parameters
    ----------
    path : path
        Run file of the right results, of the ledger's market; it gets the checkpoint.
    directory : path
        Of the ledger.
    key : path, optional
        File with the private key of a ledger that has one.

    Raises
    ------
    RunFileError
        If the run cannot be read, or is not of a market that is recorded.
    LedgerError
        If there is no such ledger, or it cannot be appended to; see :func:`otonari.runs.ledger.ledger.prepare`.
    """
    tree = open_recorded(path)
    if not (directory / ledger.NAME).exists():
        raise ledger.LedgerError(f"{directory}: there is no ledger to correct")
    with run_file.reading(path):
        new = recorded(tree)
    return store(tree, path, directory, key, new, correct=True)


def recorded(tree: xr.DataTree, *, uses: bool = True) -> list[dict[str, Any]]:
    """Return the records of a run for its ledger: of the slots that a market cleared, or of days that were settled.

    ``uses`` as for :func:`otonari.runs.ledger.records.cleared`.
    """
    if tree.attrs["market"] == markets.SETTLED:
        return settled_days.of_run(tree)
    return records.of_run(tree, uses=uses)


def open_recorded(path: Path) -> xr.DataTree:
    """Return a stored run of a market that is recorded; any other is a :class:`RunFileError`."""
    if path.suffix == ".zarr":
        raise atomic_file.RunFileError(path, "is a run in chunks: receipts of it come from its ledger alone")
    tree = run_file.open_run(path)
    if tree.attrs.get("market") not in markets.RECORDED or "market_id" not in tree.attrs:
        raise atomic_file.RunFileError(path, "is not the run of a market that is recorded")
    for name in ("market", "market_id", "currency", "otonari_version"):
        if not isinstance(got := tree.attrs.get(name), str) or not got:
            raise atomic_file.RunFileError(path, f"{name}: got {got!r}, want text")
    return tree


def store(
    tree: xr.DataTree,
    output: Path,
    directory: Path,
    key: Path | None,
    new: Sequence[dict[str, Any]] | None = None,
    *,
    correct: bool = False,
) -> Outcome:
    """Store a run and commit its records, ``new`` where they are known already.

    Conflicts are ruled out first, and the file is written before its blocks. A checkpoint is signed only when its blocks
    are on the disk; the file of a signed ledger is then written again.
    """
    signer = administration.read_key(key, directory) if key else None
    options: dict[str, Any] = {"signer": signer, "correct": correct}
    with ledger.prepare(directory, recorded(tree) if new is None else new, **options) as (
        planned,
        append,
    ):
        tree.attrs |= {"ledger_head": planned.head, "ledger_checkpoint": planned.checkpoint}
        kept = netcdf.write_run(tree, output)
        done = append()
        if done.checkpoint != planned.checkpoint:
            tree.attrs["ledger_checkpoint"] = done.checkpoint
            netcdf.write_run(tree, output)
    return Outcome(tree, output, kept, directory, done)
