"""From a stored run and its ledger to the bills of its participants."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import xarray as xr

from ...data.problems import InputError, Problem, suggestion
from .. import archive
from ..ledger import ledger, receipts
from ..ledger.format import canonical_json
from ..store import digest, run_file
from . import bill, contract
from .tables import number


def issue(
    path: Path, participants: Sequence[str] = (), directory: Path | None = None
) -> dict[str, bill.Bill]:
    """Return the bills of participants of a run, of all of them by default, by participant.

    Parameters
    ----------
    path : path
        Run file. Its ledger must have recorded just this run.
    participants : sequence of str
        Labels of the scenario.
    directory : path, optional
        Of the ledger (default: where it is put beside a run file).

    Raises
    ------
    InputError
        With every participant that the run does not have.
    RunFileError
        If it is no run, or that of a market that is not recorded.
    LedgerError
        If the ledger is missing or not good, or has recorded something else.
    """
    tree = archive.open_recorded(path)
    with run_file.reading(path):
        return _issue(tree, path, participants, directory)


def _issue(
    tree: xr.DataTree, path: Path, participants: Sequence[str], directory: Path | None
) -> dict[str, bill.Bill]:
    """Return the bills of participants of an opened run; see :func:`issue`."""
    everybody = [str(name) for name in tree["settlement"].to_dataset()["participant"].values]
    wanted = list(dict.fromkeys(participants)) or everybody
    if unknown := [name for name in wanted if name not in everybody]:
        raise InputError(_unknown(str(path), name, everybody) for name in unknown)
    book = directory or _beside(path, str(tree.attrs.get("scenario", "")), str(tree.attrs["market_id"]))
    if not (book / ledger.NAME).exists():
        never = "" if "ledger_head" in tree.attrs else "; the run was never committed to one"
        raise ledger.LedgerError(f"{book}: there is no ledger, so no receipt for a bill{never}")
    recorded = archive.recorded(tree)
    span = (recorded[0]["slot"], recorded[-1]["slot"] + 1)
    receipt_of = receipts.make(book, wanted[0] if len(wanted) == 1 else None, span, recorded)
    return {name: _bill(tree, name, receipt_of[canonical_json.label(name)]) for name in wanted}


def _bill(tree: xr.DataTree, participant: str, receipt: str) -> bill.Bill:
    """Return the bill of a participant: its settlement, with the trades as the ledger counts them.

    What that counting changes is the line ``rounding``, so that the bill is that of the settlement.
    """
    account = tree["settlement"].to_dataset().sel(participant=participant)
    names = (*(n for n in bill.STATED if n != "rounding" and n in account), "bill")
    terms = {
        "zone": str(tree["inputs"].attrs.get("time_zone", "UTC")),
        "rules": str(tree.attrs["market"]),
        "currency": str(tree.attrs["currency"]),
    }
    shares = {n: number(float(account[n]), account[n].attrs["units"]) for n in bill.SHARES}
    source = f"receipt of {participant}"
    proofs = receipts.read(receipt.encode(), source)
    bill.require_period(proofs, source)
    units = 10 ** bill.money_decimals(proofs)
    money = {name: int(digest.integers(account[name].values, units)) for name in names}
    settlement = money.pop("bill")
    groups = {g: tree[g].to_dataset() for g in ("inputs", "results", "settlement")}
    parts = contract.components(**groups, participant=participant, lines=money, units=units)
    unrounded = bill.Bill(terms, {**money, "rounding": 0}, shares, receipt, proofs, parts)
    return replace(unrounded, money={**money, "rounding": settlement - unrounded.amounts["bill"]})


def _beside(path: Path, scenario: str, market_id: str) -> Path:
    """Return where the ledger of a run is put; a market without an id of its own is called SCENARIO@HASH."""
    name, _, hash_ = market_id.rpartition("@")
    own = name == scenario and re.fullmatch("[0-9a-f]{64}", hash_)
    return ledger.beside(path, None if own else market_id, hash_)


def _unknown(path: str, name: str, known: Sequence[str]) -> Problem:
    return Problem(path, "", "participant", repr(name), f"one of the run's{suggestion(name, known)}")
