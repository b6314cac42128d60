"""Tables for a terminal. They format what others computed."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import xarray as xr

from ..data import clock
from .chain import Summary
from .single import Outcome

LABELS = {
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


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns: the first to the left, the others to the right.

    >>> print(table(["kind", "JPY"], [["pv", "10.0"], ["all", "7.5"]]))
    kind   JPY
    pv    10.0
    all    7.5
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )


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


def blocks(found: Iterable[dict[str, Any]]) -> str:
    """Return a line per cleared block of a ledger: when, how much was traded, and for how much."""
    rows, currency = [], ""
    for block in found:
        if block["kind"] == "genesis":
            currency = block["units"]["money"].removeprefix("micro-")
            continue
        totals = block["totals"]
        energy = [f"{totals[k] / 1000:,.3f}" for k in ("energy", "grid_in", "grid_out")]
        money = [f"{totals[k] / 1e6:,.2f}" for k in ("money", "fees")]
        rows.append([str(block["index"]), utc(block["slot"]), str(len(block["trades"])), *energy, *money])
    energies = ["peers kWh", "grid in", "grid out"]
    return table(["block", "slot UTC", "trades", *energies, f"to sellers {currency}", "fees"], rows)


def as_json(value: Any, indent: int | None = 1) -> str:
    """Return JSON text of plain values; what is not a finite number becomes null.

    >>> as_json({"a": [1.5, float("nan")]}, indent=None)
    '{"a": [1.5, null]}'
    """

    def plain(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {str(k): plain(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [plain(v) for v in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    return json.dumps(plain(value), indent=indent, ensure_ascii=False, default=str)


def verified(summary: Summary) -> str:
    """Return what a checked ledger holds, in a line."""
    span = f", {utc(summary.slots[0][0])} to {utc(summary.slots[-1][1])} UTC" if summary.slots else ""
    held = f"{summary.count} blocks, {len(summary.slots)} slots{span}"
    return f"good: market {summary.market}, {held}, head {summary.head}"


def utc(seconds: int) -> str:
    """Return epoch seconds as a time.

    >>> utc(1566313200)
    '2019-08-20 15:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
