"""Runs that are stored and committed: conflicts first, then the file, then the ledger."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from . import markets
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


def correct(path: Path, directory: Path, key: Path | None = None) -> Outcome:
    """Commit a stored run in the place of what a ledger has of its slots: reversed, then recorded anew.

    Parameters
    ----------
    path : path
        Run file of the right results, of the ledger's market; it gets the checkpoint.
    directory, key : path
        As for :func:`run`.

    Raises
    ------
    LedgerError, RunFileError
        As :func:`run`.
    """
    tree = recorded(path)
    if not (directory / ledger.NAME).exists():
        raise ledger.LedgerError(f"{directory}: there is no ledger to correct")
    return keep(tree, path, directory, key, correct=True)


def recorded(path: Path) -> xr.DataTree:
    """Return a stored run of a market that is recorded; any other is a :class:`RunFileError`."""
    if path.suffix == ".zarr":
        raise atomic_file.RunFileError(path, "is a run in chunks: receipts of it come from its ledger alone")
    tree = run_file.open_run(path)
    if tree.attrs.get("market") not in markets.RECORDED or "market_id" not in tree.attrs:
        raise atomic_file.RunFileError(path, "is not the run of a market that is recorded")
    return tree


def keep(
    tree: xr.DataTree, output: Path, directory: Path, key: Path | None, *, correct: bool = False
) -> Outcome:
    """Store a run and commit its records: after all conflicts are ruled out, the file before its blocks.

    A checkpoint is signed only when its blocks are on the disk; the file of a signed ledger is then written again.
    """
    signer = administration.read_key(key, directory) if key else None
    options: dict[str, Any] = {"currency": tree.attrs["currency"], "signer": signer, "correct": correct}
    with ledger.prepare(directory, records.of_run(tree), **options) as (planned, append):
        tree.attrs |= {"ledger_head": planned.head, "ledger_checkpoint": planned.checkpoint}
        kept = netcdf.write_run(tree, output)
        done = append()
        if done.checkpoint != planned.checkpoint:
            tree.attrs["ledger_checkpoint"] = done.checkpoint
            netcdf.write_run(tree, output)
    return Outcome(tree, output, kept, directory, done)
