"""The commands that settle metered energy, and that export the key by which an operator would; what they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.currency import decimals
from ...data.problems import shown
from ..settle import key, run
from ..settle.run import Month
from ..store import atomic_file, run_file
from ..text import table
from .answer import Answer


def settle(
    source: str | Path, *, stage: Callable[[str], None], progress: Callable[[int, int], None], **options: Any
) -> Answer:
    """Settle and store the months of a settlement file; see :func:`otonari.runs.settle.run.run`."""
    facts, texts, notes = [], [], []
    for month in run.run(
        source, stage=stage, progress=progress, **options
    ):  # one at a time is held in memory
        facts.append(_facts(month))
        texts.append(_text(month))
        notes += json.loads(month.outcome.tree["inputs"].attrs.get("notes", "[]"))
    told = tuple(shown(f"note: {note}") for note in dict.fromkeys(notes))
    return Answer({"months": facts}, "\n\n".join(texts), notes=told)


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


def coefficients(run: Path, output: Path, *, decimals: int, exhaustive: bool) -> Answer:
    """Write the key that realises a stored run; see :func:`otonari.runs.settle.key.of_run`."""
    tree = run_file.open_run(run)
    with run_file.reading(run):
        own = key.of_run(tree, decimals=decimals, exhaustive=exhaustive)
    volumes, slots = own.volumes, len(own.time)
    kept = atomic_file.publish_text(output, own.csv())
    facts = {
        "path": str(output),
        "kept": kept and str(kept),
        "decimals": decimals,
        "producers": volumes.label[own.producers].tolist(),
        "members": volumes.label.tolist(),
        "slots": slots,
        "traded_wh": int(volumes.contracts[3].sum()),
        "injected_wh": int(volumes.injected.sum()),
    }
    text = f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")
    sizes = (
        f"{len(own.producers)} producers, {len(volumes.label)} members, {slots} slots, {decimals} decimals"
    )
    text += f"\nkey     {sizes}: {facts['traded_wh']:,} Wh traded of {facts['injected_wh']:,} Wh injected"
    return Answer(facts, text)
