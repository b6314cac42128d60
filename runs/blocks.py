"""Blocks: a cleared run in the whole numbers of the ledger, one block per slot.

Energy is Wh, a price milli-currency/kWh, money micro-currency: 1 Wh at 1 milli-currency/kWh *is* 1
micro-currency, so the money of a trade is the exact product. A block here lacks what only its place in a
ledger gives: ``index`` and ``prev``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from . import digest

VERSION = 1
FIRST = "0" * 64
"""The ``prev`` of the genesis block."""


def genesis(market: str, currency: str, software: str) -> dict[str, Any]:
    """Return the block that opens a ledger: whose it is, and in which units it counts."""
    units = {
        "energy": "Wh",
        "money": f"micro-{currency}",
        "price": f"milli-{currency}/kWh",
        "slot": "seconds since 1970-01-01T00:00:00Z",
    }
    return {
        "version": VERSION,
        "kind": "genesis",
        "market": market,
        "units": {k: digest.label(v) for k, v in units.items()},
        "software": software,
    }


def cleared(tree: xr.DataTree, market: str, software: str) -> list[dict[str, Any]]:
    """Return one ``clearing`` block per slot of a cleared run, in order of time.

    Parameters
    ----------
    tree : DataTree
        With ``inputs``, ``results`` and ``trades`` of a cleared market.
    market : str
        Identity of the market, in the strings of canonical JSON.
    software : str
        What cleared it, e.g. ``otonari 0.1.0``.
    """
    inputs, results, trades = (tree[g].to_dataset() for g in ("inputs", "results", "trades"))
    seconds = np.rint(inputs["slot_hours"].values * 3600).astype(np.int64)
    of_inputs = digest.values(inputs, "otonari inputs 1", digest.INPUTS_SCALE)
    of_results = digest.slots(results, "otonari results of a slot 1", digest.RESULTS_SCALE)
    prices = results[[n for n in ("price", "sale_price") if n in results]]
    of_prices = digest.slots(prices, "otonari prices of a slot 1", digest.RESULTS_SCALE)
    grid_in = _energy(results, ("grid_import", "vehicle_import"), inputs["slot_hours"])
    grid_out = _energy(results, ("grid_export", "vehicle_export"), inputs["slot_hours"])
    blocks = []
    for k, time in enumerate(inputs["time"].values):
        rows = _trades(trades.isel(trade=np.flatnonzero(trades["trade_time"].values == time)))
        totals = {**sums(rows), "grid_in": int(grid_in[k]), "grid_out": int(grid_out[k])}
        blocks.append(
            {
                "version": VERSION,
                "kind": "clearing",
                "market": market,
                "slot": int(time.astype("datetime64[s]").astype(np.int64)),
                "slot_seconds": int(seconds[k]),
                "trades": rows,
                "totals": totals,
                "prices": of_prices[k],
                "inputs": of_inputs,
                "results": of_results[k],
                "software": software,
            }
        )
    return blocks


def sums(trades: list[dict[str, Any]]) -> dict[str, int]:
    """Return the totals that follow from the trades of a slot: energy, and money by where it goes."""
    return {
        "energy": sum(t["energy"] for t in trades),
        "money": sum(t["energy"] * t["price"] for t in trades),
        "fees": sum(t["energy"] * t["fee"] for t in trades),
        "congestion": sum(t["energy"] * t["congestion"] for t in trades),
    }


def _trades(trades: xr.Dataset) -> list[dict[str, Any]]:
    """Return the trades of one slot in whole numbers, sorted; those that round to 0 Wh are left out."""
    labels = {
        name: [digest.label(str(x)) for x in trades[f"trade_{name}"].values]
        for name in ("seller", "seller_vehicle", "buyer", "buyer_vehicle")
    }
    order = sorted(range(trades.sizes["trade"]), key=lambda i: [labels[n][i] for n in labels])
    energy = digest.largest_remainder(trades["trade_energy"].values[order] * 1000)
    prices = {
        name: digest.integers(trades[f"trade_{name}"].values[order], 1000)
        for name in ("price", "fee", "congestion")
    }
    return [
        {n: labels[n][i] for n in labels}
        | {"energy": int(energy[k])}
        | {n: int(p[k]) for n, p in prices.items()}
        for k, i in enumerate(order)
        if energy[k]
    ]


def _energy(results: xr.Dataset, names: tuple[str, ...], hours: xr.DataArray) -> np.ndarray:
    """Return Wh per slot of some powers (kW), summed over whatever they stand for."""
    total = np.zeros(hours.sizes["time"])
    for name in names:
        if name in results:
            energy = (results[name] * hours * 1000).transpose("time", ...).values
            total += energy.reshape(len(total), -1).sum(axis=1)
    return digest.integers(total, 1)


def _text(value: Any) -> bool:
    return type(value) is str


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _whole(value: Any) -> bool:
    return type(value) is int


def _hash(value: Any) -> bool:
    return type(value) is str and len(value) == 64 and set(value) <= set("0123456789abcdef")


_COMMON: dict[str, Any] = {
    "version": _count,
    "index": _count,
    "prev": _hash,
    "market": _text,
    "software": _text,
}
_TRADE = {"seller": _text, "seller_vehicle": _text, "buyer": _text, "buyer_vehicle": _text} | {
    "energy": _positive,
    "price": _whole,
    "fee": _whole,
    "congestion": _whole,
}
TOTALS = {"energy": _count, "money": _whole, "fees": _whole, "congestion": _whole} | {
    "grid_in": _count,
    "grid_out": _count,
}
SHAPES: dict[str, Mapping[str, Any]] = {
    "genesis": {"kind": _text, "units": dict.fromkeys(("energy", "money", "price", "slot"), _text)} | _COMMON,
    "clearing": {
        "kind": _text,
        "slot": _whole,
        "slot_seconds": _positive,
        "trades": [_TRADE],
        "totals": TOTALS,
    }
    | {"prices": _hash, "inputs": _hash, "results": _hash}
    | _COMMON,
}
"""What a block of each kind holds: exactly these keys, each of its type; a list holds any number."""


def misfit(block: Any, where: str = "block", shape: Any = None) -> str:
    """Return the place where a parsed block is not of its shape, or nothing if it is."""
    if shape is None:
        kind = block.get("kind") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in SHAPES:
            return "kind"
        shape = SHAPES[kind]
    if callable(shape):
        return "" if shape(block) else where
    if isinstance(shape, list):
        if not isinstance(block, list):
            return where
        found = (misfit(item, f"{where}[{i}]", shape[0]) for i, item in enumerate(block))
        return next(filter(None, found), "")
    if not isinstance(block, dict) or block.keys() != shape.keys():
        return f"keys of {where}"
    return next(
        filter(
            None, (misfit(block[k], k if where == "block" else f"{where}.{k}", s) for k, s in shape.items())
        ),
        "",
    )
