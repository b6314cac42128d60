"""Tables for a terminal. They format what others computed."""

import json
import math
from datetime import UTC
from typing import Any

import xarray as xr

from ..data import clock
from .layout import table
from .single import Outcome

LABELS = {
    "hours": "horizon",
    "bill": "cost",
    "bill_grid_only": "cost grid-only",
    "saving": "saving",
    "saving_share": "saving share",
    "peer_energy": "peer volume",
    "grid_import": "grid import",
    "grid_export": "grid export",
    "self_sufficiency": "self-sufficiency",
    "self_consumption": "self-consumption",
    "renewable_share": "renewable demand",
    "renewable_driving_share": "renewable driving",
    "renewable_charge_share": "renewable charging",
    "network_fee": "network fees",
    "fuel": "fuel",
    "co2": "CO2",
}
"""Measures that a table shows, in their order, and what they are called there."""
DRIVING = ("renewable_driving_share", "renewable_charge_share")


def number(value: float, unit: str = "") -> str:
    """Return a value with its unit; shares in percent, nothing known as ``-``.

    >>> number(1234.5, "kWh"), number(0.434, "1"), number(float("nan"), "1")
    ('1,234.5 kWh', '43.4 %', '-')
    """
    if math.isnan(value):
        return "-"
    scaled, unit = (100 * value, "%") if unit == "1" else (value, unit)
    return f"{round(scaled, 1) + 0.0:,.1f} {unit}".rstrip()


def heading(tree: xr.DataTree) -> str:
    """Return what was cleared, in a line."""
    inputs = tree["inputs"].to_dataset()
    sizes = inputs.sizes
    zone = str(inputs.attrs.get("time_zone", "UTC"))
    start = inputs["time"].values[0].astype("datetime64[s]").item().replace(tzinfo=UTC)
    first = start.astimezone(clock.zone(zone)).strftime("%Y-%m-%d %H:%M")
    size = f"{sizes['participant']} participants, {sizes['vehicle']} vehicles, {sizes['time']} slots"
    return f"{tree.attrs.get('title', tree.attrs['market'])}, {size} from {first} {zone}"


def notes(tree: xr.DataTree) -> list[str]:
    """Return what was odd in the data, a sentence each."""
    return [f"note: {note}" for note in json.loads(tree["inputs"].attrs.get("notes", "[]"))]


def kept(outcome: Outcome) -> str:
    """Return where a run is stored, and what the ledger has of it."""
    lines = [f"stored  {outcome.path}"]
    if outcome.kept:
        lines[0] += f" (the earlier, different run is now {outcome.kept})"
    if outcome.commit:
        added, already = outcome.commit.added, outcome.commit.already
        had = f", {already} were there already" if already else ""
        lines.append(
            f"ledger  {outcome.directory}: {added} slots committed{had}, head {outcome.commit.head[:16]}"
        )
    return "\n".join(lines)


def facts(outcome: Outcome, summary: xr.Dataset) -> dict[str, Any]:
    """Return what a machine wants to know of a run: its attributes, figures, file and ledger."""
    attributes = {str(k): v for k, v in outcome.tree.attrs.items() if k != "scenario_definition"}
    kinds = {
        str(kind): {
            str(n).removeprefix("kind_"): float(v)
            for n, v in summary.sel(kind=kind).items()
            if "kind_" in str(n)
        }
        for kind in summary["kind"].values
    }
    totals = {str(n): float(v) for n, v in summary.items() if not v.dims}
    recorded = (
        None if outcome.commit is None else {**vars(outcome.commit), "directory": str(outcome.directory)}
    )
    files = {"path": str(outcome.path), "kept": outcome.kept and str(outcome.kept), "ledger": recorded}
    return {**attributes, **files, "totals": totals, "kinds": kinds}


def cleared(summary: xr.Dataset, currency: str) -> str:
    """Return what a clearing brought: a line per kind of participant, and the community's figures."""
    kinds = []
    for kind in summary["kind"].values:
        here = summary.sel(kind=kind)
        count, bill, alone = (float(here[f"kind_{n}"]) for n in ("participants", "bill", "bill_grid_only"))
        kinds.append(_row(str(kind), count, bill, alone))
    bill, alone = float(summary["bill"]), float(summary["bill_grid_only"])
    kinds.append(_row("all", float(summary["participants"]), bill, alone))
    header = ["kind", "number", f"cost {currency}", "grid-only", "saving", "%"]
    shown = ["peer_energy", "self_sufficiency", "self_consumption", *DRIVING, "co2"]
    figures = [[LABELS[n], number(float(summary[n]), summary[n].attrs["units"])] for n in shown]
    return f"{table(header, kinds)}\n\n{table(['community', ''], figures)}"


def _row(kind: str, count: float, bill: float, alone: float) -> list[str]:
    share = (alone - bill) / alone if alone > 0 else math.nan  # of a credit there is no share
    percent = number(share, "1").removesuffix(" %")
    return [kind, f"{count:.0f}", number(bill), number(alone), number(alone - bill), percent]


def compared(comparison: xr.Dataset) -> str:
    """Return a line per measure and a column per run, with the difference to the first run in brackets."""
    names = [str(n) for n in comparison["scenario"].values]
    rows = [_measure(comparison[n], label) for n, label in LABELS.items() if n in comparison]
    for kind in comparison["kind"].values:
        here = comparison.sel(kind=kind)
        rows += [_measure(here[f"kind_{n}"], f"{LABELS[n]}, {kind}") for n in ("bill", "saving")]
    return table(["", *names], rows)


def _measure(array: xr.DataArray, label: str) -> list[str]:
    unit = str(array.attrs.get("units", ""))
    first, *others = (float(v) for v in array.values)
    cells = [number(first, unit)]
    for value in others:
        change = number(value - first, unit)
        sign = "" if change.startswith("-") else "+"
        cells.append(number(value, unit) + ("" if change == "-" else f" ({sign}{change.split(' ')[0]})"))
    return [label, *cells]
