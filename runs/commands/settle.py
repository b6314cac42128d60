"""The command that settles metered energy, and what is said of a settled month."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.currency import decimals
from ...data.problems import shown
from ..settle import run
from ..settle.run import Month
from ..text import table
from .answer import Answer


def settle(
    source: str | Path, *, stage: Callable[[str], None], progress: Callable[[int, int], None], **options: Any
) -> Answer:
    """Settle and store the months of a settlement file; see :func:`otonari.runs.settle.run.run`."""
    months = run.run(source, stage=stage, progress=progress, **options)
    notes = [
        note for month in months for note in json.loads(month.outcome.tree["inputs"].attrs.get("notes", "[]"))
    ]
    return Answer(
        {"months": [_facts(month) for month in months]},
        "\n\n".join(map(_text, months)),
        notes=tuple(shown(f"note: {note}") for note in dict.fromkeys(notes)),
    )


_ENERGIES = {"withdrawn": "drawn", "shared": "shared", "injected": "injected", "sold": "sold"}
_MONEY = {"peer_cost": "paid", "peer_revenue": "earned", "bill": "bill", "saving": "saving"}


def _members(month: Month) -> dict[str, dict[str, float]]:
    """Return energies [kWh] and money [currency] of each member."""
    tree = month.outcome.tree
    allocation, settlement = tree["allocation"].to_dataset(), tree["settlement"].to_dataset()
    columns = {f"{n}_kwh": allocation[n].sum("time").values / 1000 for n in _ENERGIES}
    columns |= {n: settlement[n].values for n in _MONEY}
    return {
        str(member): {name: float(values[i]) for name, values in columns.items()}
        for i, member in enumerate(allocation["member"].values)
    }


def _totals(members: dict[str, dict[str, float]]) -> dict[str, float]:
    return {
        name: float(np.sum([own[name] for own in members.values()])) for name in next(iter(members.values()))
    }


def _facts(month: Month) -> dict[str, Any]:
    """Return what a machine wants to know of a settled month."""
    outcome, members = month.outcome, _members(month)
    attributes = {str(k): v for k, v in outcome.tree.attrs.items() if k != "settlement_definition"}
    recorded = (
        None if outcome.commit is None else {**vars(outcome.commit), "directory": str(outcome.directory)}
    )
    files = {"path": str(outcome.path), "kept": outcome.kept and str(outcome.kept), "ledger": recorded}
    counts = {name: int(outcome.tree["allocation"][name].sum()) for name in ("estimated", "left_out")}
    return {
        **attributes,
        **files,
        "already": month.already,
        **counts,
        "totals": _totals(members),
        "members": members,
    }


def _text(month: Month) -> str:
    """Return a settled month as a table, a line per member."""
    tree, members = month.outcome.tree, _members(month)
    currency = str(tree.attrs["currency"])
    places = decimals(currency) or 2
    rows = [
        [name, *(f"{own[f'{n}_kwh']:,.3f}" for n in _ENERGIES), *(f"{own[n]:,.{places}f}" for n in _MONEY)]
        for name, own in (*members.items(), ("all", _totals(members)))
    ]
    header = [
        "member",
        *(f"{text} kWh" for text in _ENERGIES.values()),
        *(f"{text} {currency}" for text in _MONEY.values()),
    ]
    return "\n\n".join([shown(str(tree.attrs["title"])), table(header, rows), _kept(month)])


def _kept(month: Month) -> str:
    """Return where a month is stored, and what the ledger has of it."""
    outcome = month.outcome
    if month.already:
        return f"stored  {outcome.path}: settled before, from the same readings"
    lines = [f"stored  {outcome.path}"]
    if outcome.kept:
        lines[0] += f" (the earlier, different run is now {outcome.kept})"
    if outcome.commit:
        commit = outcome.commit
        counts = f"{commit.added - commit.corrected} days committed"
        counts += f", {commit.corrected} corrected" if commit.corrected else ""
        counts += f", {commit.already} were there already" if commit.already else ""
        lines.append(f"ledger  {outcome.directory}: {counts}, head {commit.head[:16]}")
    return "\n".join(lines)
