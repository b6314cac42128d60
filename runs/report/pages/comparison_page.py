"""The page in HTML of runs side by side: of a comparison, or of the points of a sweep."""

from dataclasses import replace
from itertools import compress

import numpy as np
import xarray as xr

from ....data.inputs.currency import decimals
from .. import tables
from ..figures.bars import bars
from ..figures.drawing import escaped
from ..figures.figure import Figure
from ..figures.heat_map import heat_map, numbered
from ..figures.lines import lines, points
from . import plan_page
from .document import columns, document, gallery

MOST = 60
"""Runs that bars show."""
COURSES = 8
"""Runs whose trades by hour are drawn."""


def comparison_page(compared: xr.Dataset) -> str:
    """Return runs side by side as a page of figures that needs nothing but itself; see :mod:`otonari.runs.compare`."""
    title = str(compared.attrs.get("title", "comparison of runs"))
    what = "plans" if "cost_after" in compared else "runs"
    facts = [f"{compared.sizes['scenario']} {what}"]
    facts += [str(compared.attrs["comment"])] if compared.attrs.get("comment") else []
    names = "".join(f"<li>{escaped(name)}" for name in compared["scenario"].values)
    text = columns("Table", tables.compared(compared))
    parts = {what.capitalize(): f"<ol>{names}</ol>", "Figures": gallery(figures(compared)), "Table": text}
    return document(title, facts, parts)


def figures(compared: xr.Dataset) -> list[Figure]:
    """Return the figures of a comparison: cost against carbon dioxide, cost, trades by hour, saving by kind.

    Drawings name runs by what tells them apart, tables by all of their names.
    """
    every = [str(name) for name in compared["scenario"].values]
    names = [f"{k}: {n}" for k, n in enumerate(told_apart(every), 1)]
    full = {name: f"{k}: {n}" for k, (name, n) in enumerate(zip(names, every, strict=True), 1)}
    drawn = plan_page.figures(compared, names) if "cost_after" in compared else _figures(compared, names)
    return [
        replace(figure, rows=[[full.get(str(first), first), *rest] for first, *rest in figure.rows])
        for figure in drawn
    ]


def told_apart(names: list[str]) -> list[str]:
    """Return names without the words that are the same in all; as they are where these do not stand at the same places.

    >>> told_apart(["fee 0, litre 135.5, p2p", "fee 2.45, litre 135.5, p2p"]), told_apart(["a b", "c"])
    (['0', '2.45'], ['a b', 'c'])
    """
    words = [name.split() for name in names]
    if len(names) < 2 or len({len(one) for one in words}) > 1:
        return names
    differ = [len(set(column)) > 1 for column in zip(*words, strict=True)]
    short = [" ".join(compress(one, differ)).rstrip(",") for one in words]
    return short if all(short) else names


def _figures(compared: xr.Dataset, names: list[str]) -> list[Figure]:
    """Return the figures of runs side by side."""
    currency = str(compared.attrs.get("currency", compared["bill"].attrs.get("units", "")))
    shown = [
        _against(compared, names, currency),
        _costs(compared, names, currency),
        _shares(compared, names),
        _by_kind(compared, names, currency),
    ]
    energy = compared["hour_peer_energy"]
    return [*shown, _by_hour(compared, names)] if float(energy.sum()) > 0 else shown


def _against(compared: xr.Dataset, names: list[str], currency: str) -> Figure:
    return points(
        "Cost against carbon dioxide",
        "What all members pay together, and what they emit; the line joins the runs of which none is better in both.",
        ("kg CO2", currency),
        names,
        compared["co2"].values,
        compared["bill"].values,
        "run",
    )


def _costs(compared: xr.Dataset, names: list[str], currency: str) -> Figure:
    kept = slice(0, MOST)
    return bars(
        "Cost and saving",
        "What all members pay together, and what they save against each alone." + _cut(names),
        currency,
        names[kept],
        {"bill": compared["bill"].values[kept], "saving": compared["saving"].values[kept]},
        "run",
        max(decimals(currency) or 2, 2),
    )


def _shares(compared: xr.Dataset, names: list[str]) -> Figure:
    share = 100 * compared["self_sufficiency"].values
    return bars(
        "Self-sufficiency",
        "Part of demand and electric driving that came from the community's own PV." + _cut(names),
        "%",
        names[:MOST],
        {"self-sufficiency": share[:MOST]},
        "run",
        1,
    )


def _by_kind(compared: xr.Dataset, names: list[str], currency: str) -> Figure:
    return heat_map(
        "Saving by kind of member",
        "What members of a kind save together, in the runs by their numbers.",
        currency,
        compared["kind_saving"].transpose("kind", "scenario").values,
        [str(k) for k in compared["kind"].values],
        names,
        numbered(len(names)),
        max(decimals(currency) or 2, 2),
        "run",
    )


def _by_hour(compared: xr.Dataset, names: list[str]) -> Figure:
    energy = compared["hour_peer_energy"].transpose("scenario", "hour").values
    traded = np.flatnonzero(energy.sum(axis=1) > 0)[:COURSES]
    hours = [f"{h:02d}:00" for h in compared["hour"].values]
    return lines(
        "Trades among peers by hour of the day",
        "Energy traded in each local hour, over the whole horizon." + _cut(names, COURSES),
        "kWh",
        hours,
        [(float(k), hours[k]) for k in range(0, len(hours), 6)],
        {names[k]: energy[k] for k in traded},
    )


def _cut(names: list[str], most: int = MOST) -> str:
    return f" Shown are the first {most} of {len(names)} runs." if len(names) > most else ""
