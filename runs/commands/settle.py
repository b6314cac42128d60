"""The commands that settle metered energy, and that export the key by which an operator would; what they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.currency import decimals
from ...data.problems import shown
from ...model.labels import Array
from ...model.sharing.coefficients import coefficients as realising
from ...model.sharing.traded import Traded, traded
from ..settle import run
from ..settle import trades as trades_by_slot
from ..settle.run import Month
from ..store import atomic_file, run_file
from ..text import as_csv, table
from .answer import Answer

REST = "(surplus)"
"""The column of what is given to nobody."""


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
    """Write the coefficients that realise a stored run; see :func:`otonari.model.sharing.coefficients.coefficients`."""
    tree = run_file.open_run(run)
    with run_file.reading(run):
        inputs, results, trades, _ = trades_by_slot.groups(tree)
        volumes = traded(inputs, results, trades)
    producers = np.flatnonzero(volumes.injected.any(axis=1))
    seller, *others = volumes.contracts
    contracts = (np.searchsorted(producers, seller), *others)
    meters = volumes.injected[producers], volumes.withdrawn
    key = realising(*meters, contracts, decimals=decimals, exhaustive=exhaustive)
    kept = atomic_file.publish_text(output, _csv(inputs["time"].values, volumes, producers, key, decimals))
    facts = {
        "path": str(output),
        "kept": kept and str(kept),
        "decimals": decimals,
        "producers": volumes.label[producers].tolist(),
        "members": volumes.label.tolist(),
        "slots": key.shape[-1],
        "traded_wh": int(volumes.contracts[3].sum()),
        "injected_wh": int(volumes.injected.sum()),
    }
    text = f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")
    sizes = f"{len(producers)} producers, {len(volumes.label)} members, {key.shape[-1]} slots, {decimals} decimals"
    text += f"\nkey     {sizes}: {facts['traded_wh']:,} Wh traded of {facts['injected_wh']:,} Wh injected"
    return Answer(facts, text)


def _csv(times: Array, volumes: Traded, producers: Array, key: Array, decimals: int) -> str:
    """Return a line per slot and producer: a coefficient for each member, and the rest; together exactly one."""
    whole = 10**decimals
    rows = [
        [
            np.datetime_as_string(time, unit="s") + "Z",
            volumes.label[j],
            *map(_decimal, units, [decimals] * len(units)),
        ]
        for t, time in enumerate(times)
        for k, j in enumerate(producers)
        for units in [[*key[k, :, t].tolist(), whole - int(key[k, :, t].sum())]]
    ]
    return as_csv(["time", "producer", *volumes.label, REST], rows)


def _decimal(units: int, decimals: int) -> str:
    """Return units of the last decimal as text.

    >>> _decimal(300, 3), _decimal(1000, 3)
    ('0.300', '1.000')
    """
    return f"{units // 10**decimals}.{units % 10**decimals:0{decimals}d}"
