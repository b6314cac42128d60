"""Tables for a terminal. They format what others computed."""

import json
import math
from datetime import UTC, tzinfo
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ...data import clock
from ...data.inputs.currency import decimals
from ...data.inputs.devices import stores
from ...data.problems import shown
from ...model.grid.node_limits import excess
from ...model.labels import Array
from ...model.settlement.account_lines import CARBON, LINES, SHARES, TOTALS
from ...model.topology.connections import above_envelopes
from ..archive import Outcome
from ..plan.totals import MEASURES, with_front
from ..store import sweep_results
from ..store.run_format import ORDER_BOOK
from ..text import table

if TYPE_CHECKING:
    from ..clear.sweep import Outcome as Swept

_MEASURES = {name: line.measure for name, line in LINES.items() if line.measure}

LABELS = {
    "hours": "horizon",
    **{name: _MEASURES[name] for name in TOTALS},
    "saving_share": "saving share",
    "efficiency": "efficiency",
    "peer_energy": "peer volume",
    "grid_import": "grid import",
    "grid_export": "grid export",
    **{name: _MEASURES[name] for name in SHARES},
    **{name: label for name, label in _MEASURES.items() if name not in {**TOTALS, **SHARES, **CARBON}},
    "made_whole": "make-whole payments",
    "fuel": "fuel",
    **{name: _MEASURES[name] for name in CARBON},
    "driving_co2_reduction": "less than petrol",
}
"""Measures that a table shows, in their order, and what they are called there."""
RARE = ("imbalance_energy", "imbalance_cost", "made_whole", "final_energy_value", "breach_cost", "shed_cost")
"""Measures that are shown only where there is something of them."""
ACROSS = (
    "bill",
    "bill_grid_only",
    "saving_share",
    "peer_energy",
    "self_sufficiency",
    "renewable_driving_share",
    "co2",
)
"""Measures that a table with a line per run shows."""
BESIDE = ("cost_before", "cost_after", "npv", "co2_before", "self_sufficiency_before")
"""Measures of plans that such a table leaves out."""
MOST_COLUMNS = 4
"""More runs than that stand one a line."""
_COSTS = ("bill", "bill_grid_only", "saving")
DRIVING = ("renewable_driving_share", "renewable_charge_share")
WIDTH = 100
"""Columns of a terminal that a comparison fits into."""
MOST_ROWS = 60
"""Lines of a table of many runs."""


def number(value: float, unit: str = "") -> str:
    """Return a value with its unit; shares in percent, money with its minor unit, nothing known as ``-``.

    >>> number(1234.5, "kWh"), number(0.434, "1"), number(float("nan"), "1"), number(3.4567, "EUR")
    ('1,234.5 kWh', '43.4 %', '-', '3.46 EUR')
    """
    if math.isnan(value):
        return "-"
    scaled, unit = (100 * value, "%") if unit == "1" else (value, unit)
    shown = decimals(unit) or 1
    return f"{round(scaled, shown) + 0.0:,.{shown}f} {unit}".rstrip()


def heading(tree: xr.DataTree) -> str:
    """Return what was cleared, in a line."""
    inputs = tree["inputs"].to_dataset()
    sizes = inputs.sizes
    zone = str(inputs.attrs.get("time_zone", "UTC"))
    start = inputs["time"].values[0].astype("datetime64[s]").item().replace(tzinfo=UTC)
    first = start.astimezone(_zone(inputs)).strftime("%Y-%m-%d %H:%M")
    size = f"{sizes['participant']} participants, {sizes['vehicle']} vehicles, {sizes['time']} slots"
    return shown(f"{tree.attrs.get('title', tree.attrs['market'])}, {size} from {first} {zone}")


def notes(tree: xr.DataTree) -> list[str]:
    """Return what was odd in the data, what stores lack of their targets, and what is above envelopes: sentences."""
    odd = json.loads(tree["inputs"].attrs.get("notes", "[]"))
    return [
        shown(f"note: {note}")
        for note in [*odd, *breaches(tree), *above(tree), *above_nodes(tree), *held(tree)]
    ]


def above(tree: xr.DataTree) -> list[str]:
    """Return how much is drawn above import envelopes, and where the most: demand that nobody could hold back."""
    inputs, results = (tree[group].to_dataset() for group in ("inputs", "results"))
    over = above_envelopes(inputs, results)
    if not over.any():
        return []
    return [
        f"{_energy(over, inputs)} are drawn above import envelopes in {_worst(over, inputs, 'participant')}"
    ]


def above_nodes(tree: xr.DataTree) -> list[str]:
    """Return how much flows beyond limits over time of nodes, and where the most: nobody planned for them."""
    inputs, results = (tree[group].to_dataset() for group in ("inputs", "results"))
    ways = {
        "node_import": "into nodes above their import limits",
        "node_export": "out of nodes above their export limits",
    }
    return [
        f"{_energy(over, inputs)} flow {ways[family]} in {_worst(over, inputs, 'node')}"
        for family, over in excess(inputs, results).items()
        if over.any()
    ]


def held(tree: xr.DataTree) -> list[str]:
    """Return what envelopes cut of orders of a simulation, and which nodes' limits its trades filled: sentences."""
    if ORDER_BOOK not in tree.children:
        return []
    book, told = tree[ORDER_BOOK].to_dataset(), []
    if "cut" in book.sizes:
        who, slots = len(set(book["cut_participant"].values)), len(set(book["cut_time"].values))
        energy = float(book["cut_energy"].sum())
        told.append(f"envelopes cut {energy:.3f} kWh of orders of {who} participants in {slots} slots")
    if "full" in book.sizes:
        names, slots = sorted(set(book["full_node"].values.tolist())), len(set(book["full_time"].values))
        told.append(
            f"trades filled limits of {', '.join(names)} in {slots} slots: who is behind them was passed over"
        )
    return told


def _energy(over: np.ndarray, inputs: xr.Dataset) -> str:
    return f"{float((over * inputs['slot_hours'].values).sum()):.3f} kWh"


def _worst(over: np.ndarray, inputs: xr.Dataset, dim: str) -> str:
    """Return in how many slots a limit is exceeded (dim, time) [kW], and where and when the most."""
    n, t = np.unravel_index(over.argmax(), over.shape)
    time = inputs["time"].values[t].astype("datetime64[s]").item()
    when = time.replace(tzinfo=UTC).astimezone(_zone(inputs))
    slots = int((over > 0).any(axis=0).sum())
    return f"{slots} slots, the most by {inputs[dim].values[n]}, {over[n, t]:.3f} kW at {when:%Y-%m-%d %H:%M}"


def breaches(tree: xr.DataTree, most: int = 5) -> list[str]:
    """Return which stores lack what of their targets and when, in local time; beyond the first ones, how many more."""
    inputs, results = (tree[group].to_dataset() for group in ("inputs", "results"))
    told = []
    for device in stores():
        name = f"{device}_breach"
        lack = results[name].transpose(device, "time").values if name in results else np.zeros((0, 0))
        for s, t in np.argwhere(lack > 0):
            seconds = np.timedelta64(round(3600 * float(inputs["slot_hours"].values[t])), "s")
            end = inputs["time"].values[t].astype("datetime64[s]") + seconds
            when = end.item().replace(tzinfo=UTC).astimezone(_zone(inputs)).strftime("%Y-%m-%d %H:%M")
            store = inputs[device].values[s]
            told.append(f"{device} {store} lacks {lack[s, t]:.2f} kWh of its target at {when}")
    more = [f"{len(told) - most} more targets are missed"] if len(told) > most else []
    return told[:most] + more


def _zone(inputs: xr.Dataset) -> tzinfo:
    """Return the time zone of a run."""
    return clock.zone(str(inputs.attrs.get("time_zone", "UTC")))


def kept(outcome: Outcome) -> str:
    """Return where a run is stored, and what the ledger has of it."""
    lines = [f"stored  {outcome.path}"]
    if outcome.kept:
        lines[-1] += f" (the earlier, different run is now {outcome.kept})"
    if "regions" in outcome.tree.attrs:
        regions, gap = (outcome.tree.attrs[name] for name in ("regions", "certified_gap"))
        lines.insert(0, f"regions {regions}, certified gap {gap:.2g}" + ("" if gap else ": the optimum"))
    if outcome.commit:
        added, already = outcome.commit.added, outcome.commit.already
        had = f", {already} were there already" if already else ""
        lines.append(
            f"ledger  {outcome.directory}: {added} slots committed{had}, head {outcome.commit.head[:16]}"
        )
    return "\n".join(lines)


def cleared(summary: xr.Dataset, currency: str) -> str:
    """Return the result of a clearing: a line per kind of participant, and the community's figures."""
    kinds = []
    for kind in summary["kind"].values:
        here = summary.sel(kind=kind)
        kinds.append(
            _row(str(kind), currency, *(float(here[f"kind_{n}"]) for n in ("participants", *_COSTS)))
        )
    kinds.append(_row("all", currency, *(float(summary[n]) for n in ("participants", *_COSTS))))
    header = ["kind", "number", f"cost {currency}", "grid-only", "saving", "%"]
    shown = [
        "peer_energy",
        "self_sufficiency",
        "self_consumption",
        *DRIVING,
        "co2",
        "driving_co2",
        "driving_co2_reduction",
    ]
    rare = ("made_whole", "final_energy_value", "breach_cost", "shed_cost")
    shown += [name for name in rare if abs(float(summary[name])) > 1e-6]
    figures = [[LABELS[n], number(float(summary[n]), summary[n].attrs["units"])] for n in shown]
    return f"{table(header, kinds)}\n\n{table(['community', ''], figures)}"


def _row(kind: str, currency: str, count: float, bill: float, alone: float, saving: float) -> list[str]:
    share = saving / alone if alone > 0 else math.nan  # of a credit there is no share
    percent = number(share, "1").removesuffix(" %")
    amounts = (number(amount, currency).split(" ")[0] for amount in (bill, alone, saving))
    return [kind, f"{count:.0f}", *amounts, percent]


def compared(comparison: xr.Dataset) -> str:
    """Return a line per measure and a column per run, then when peers trade.

    The difference to the first run stands in brackets where the table is not too wide for it. Of many runs: a line
    per run, with the measures ``ACROSS``.
    """
    if "cost_after" in comparison:
        return compared_plans(comparison)
    names = [str(n) for n in comparison["scenario"].values]
    if not 0 < len(names) <= MOST_COLUMNS:
        return _across(comparison, names)
    common, names = _common(names)
    present = [n for n in LABELS if n in comparison and (n not in RARE or bool(comparison[n].any()))]
    measures = [(comparison[n], LABELS[n]) for n in present]
    for kind in comparison["kind"].values:
        here = comparison.sel(kind=kind)
        measures += [(here[f"kind_{n}"], f"{LABELS[n]}, {kind}") for n in ("bill", "saving")]
    text = table([common, *names], [_measure(array, label, True) for array, label in measures])
    if max(map(len, text.splitlines())) > WIDTH:
        text = table([common, *names], [_measure(array, label, False) for array, label in measures])
    remark = comparison["efficiency"].attrs.get("comment", "") if "efficiency" in comparison else ""
    parts = [text + (f"\nefficiency: {shown(remark)}" if remark else ""), _hours(comparison, names)]
    return "\n\n".join(filter(None, parts))


def compared_plans(compared: xr.Dataset) -> str:
    """Return a line per measure and a column per plan; of many plans, or points of a sweep, a line per plan."""
    names, compared = [str(n) for n in compared["scenario"].values], with_front(compared)
    few = len(names) <= MOST_COLUMNS
    present = [
        name
        for name, label in MEASURES.items()
        if name in compared and (few or name not in BESIDE) and (compared[name].values != 0).any()
    ]
    units = {name: str(compared[name].attrs["units"]).removesuffix("/year") for name in present}
    titles = {name: f"{MEASURES[name]} {units[name]}".removesuffix(" 1") for name in present}
    values = {name: _of_plans(compared[name].values, units[name]) for name in present}
    if few:
        return table(["plan", *names], [[titles[name], *values[name]] for name in present])
    rows = [[name, *(values[measure][i] for measure in present)] for i, name in enumerate(names)]
    return table(["plan", *titles.values()], rows)


def _of_plans(values: Array, unit: str) -> list[str]:
    """Return figures of plans: counts whole, money of a year without cents, sizes and shares with one decimal."""
    if unit == "1":
        return [f"{v:.0f}" for v in values]
    return [f"{v:,.1f}" if unit in ("kW", "kWh", "%") else f"{v:,.0f}" for v in values]


def _hours(comparison: xr.Dataset, names: list[str]) -> str:
    """Return the energy that peers trade in each local hour, and at what mean price for sellers."""
    energy, price = comparison["hour_peer_energy"], comparison["hour_seller_price"]
    d = decimals(price.attrs["units"]) or 1
    runs = [k for k in range(len(names)) if float(energy[k].sum()) > 0]
    if not runs:
        return ""
    rows = [
        [
            f"{hour:02d}",
            *(f"{energy[k, h]:.1f} at {price[k, h]:.{d}f}" if energy[k, h] > 0 else "-" for k in runs),
        ]
        for h, hour in enumerate(comparison["hour"].values)
        if energy[runs, h].sum() > 0
    ]
    unit = f"peers by hour, kWh at {price.attrs['units']}"
    return table([unit, *(names[k] for k in runs)], rows)


def _common(names: list[str]) -> tuple[str, list[str]]:
    """Return the words that all names begin with, and the names without them.

    >>> _common(["my street p2p", "my street unmanaged"])
    ('my street', ['p2p', 'unmanaged'])
    """
    words, count = [name.split(" ") for name in names], 0
    while all(len(w) > count + 1 and w[count] == words[0][count] for w in words):
        count += 1
    return " ".join(words[0][:count]), [" ".join(w[count:]) for w in words]


def gathered(outcome: "Swept") -> str:
    """Return the failed points of a sweep with their reasons, the counts of its points, and its file."""
    axes = [str(d) for d in outcome.dataset["reason"].dims]
    lines = [
        shown(f"failed  {', '.join(f'{a} {v}' for a, v in zip(axes, point.labels, strict=True))}: {reason}")
        for point, reason in outcome.failed.items()
    ]
    points = outcome.dataset["reason"].size
    lines.append(f"points  {points}: {outcome.cleared} cleared, {outcome.already} were there already")
    lines[-1] += f", {len(outcome.failed)} failed" if outcome.failed else ""
    kept = f" (the earlier, different one is now {outcome.kept})" if outcome.kept else ""
    return "\n".join([*lines, f"stored  {outcome.path}{kept}"])


def swept(outcome: "Swept") -> dict[str, Any]:
    """Return what a machine wants to know of a sweep: counts, failures, files and all figures."""
    axes = [str(d) for d in outcome.dataset["reason"].dims]
    failed = [
        {**dict(zip(axes, point.labels, strict=True)), "reason": reason}
        for point, reason in outcome.failed.items()
    ]
    return {
        "path": str(outcome.path),
        "kept": outcome.kept and str(outcome.kept),
        "points": outcome.dataset["reason"].size,
        "cleared": outcome.cleared,
        "already": outcome.already,
        "failed": failed,
        "results": outcome.dataset.to_dict(),
    }


def _across(comparison: xr.Dataset, names: list[str]) -> str:
    """Return a line per run, as many measures of it as a terminal is wide, and how to see what is left out."""
    named = _by_axis(comparison, names)
    columns = {**named, **{n: _column(comparison[n]) for n in ACROSS if n in comparison}}
    shown = list(columns)
    while len(shown) > len(named) + 1 and _width([columns[n] for n in shown]) > WIDTH:
        shown.pop()
    rows = [[columns[n][1][i] for n in shown] for i in range(min(len(names), MOST_ROWS))]
    left = [LABELS[n] for n in columns if n not in shown]
    left += [f"{len(names) - MOST_ROWS} more lines"] if len(names) > MOST_ROWS else []
    more = f"\n\nleft out: {', '.join(left)}; otonari compare ... -o FILE.csv has all" if left else ""
    heads = list(zip(*_level([columns[n][0] for n in shown]), strict=True))
    return table(heads[0], [*heads[1:], *rows]) + more


Column = tuple[list[str], list[str]]
"""The lines of its head, and its cells."""


def _column(values: xr.DataArray) -> Column:
    """Return the column of a measure over runs."""
    unit = str(values.attrs["units"])
    head = f"{LABELS[str(values.name)]} {'%' if unit == '1' else unit}"
    cells = [number(float(value), unit).split(" ")[0] for value in values.values]
    return wrap(head, 12, break_long_words=False, break_on_hyphens=False), cells


def _by_axis(comparison: xr.Dataset, names: list[str]) -> dict[str, Column]:
    """Return what tells runs apart: a column per key of a sweep, or their names."""
    axes = [
        str(n)
        for n, c in comparison.coords.items()
        if n != "scenario" and c.dims == ("scenario",) and len(set(c.values.tolist())) > 1
    ]
    if len(set(zip(*(comparison[n].values.tolist() for n in axes), strict=True))) != len(names):
        return {"": ([""], names)}
    short = dict(zip(axes, sweep_results.short(axes), strict=True))
    return {
        n: (short[n].split("."), [sweep_results.label(v) for v in comparison[n].values.tolist()])
        for n in axes
    }


def _level(heads: list[list[str]]) -> list[list[str]]:
    """Return heads of as many lines each, those of fewer on the ground."""
    most = max(map(len, heads))
    return [[""] * (most - len(head)) + head for head in heads]


def _width(columns: list[Column]) -> int:
    """Return how wide a table of columns is."""
    return sum(2 + max(map(len, [*head, *cells])) for head, cells in columns) - 2


def _measure(array: xr.DataArray, label: str, change: bool) -> list[str]:
    """Return a line: the label and a value per run, with its difference to the first one if that is wanted."""
    unit = str(array.attrs.get("units", ""))
    first, *others = (float(v) for v in array.values)
    cells = [number(first, unit)]
    for value in others:
        more = number(value - first, unit)
        sign = "" if more.startswith("-") else "+"
        cells.append(
            number(value, unit) + ("" if more == "-" or not change else f" ({sign}{more.split(' ')[0]})")
        )
    return [label, *cells]
