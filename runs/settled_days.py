"""A settled month in the whole numbers of the ledger: one record per local day, public totals and private leaves.

A record of a day is decided by the energies and prices of that day alone, and so are its digests: a corrected reading
changes the record of its own day, and no other.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from ..data.inputs.currency import scale
from .ledger import records
from .ledger.format import block_schema, canonical_json
from .store import digest

_COUNTED = ("purchases", "sales", "grid_in", "grid_out", "paid", "earned", "fees")
_DECIDES = ("withdrawn", "injected", "shared_price")
_FOLLOWS = ("shared", "sold")


def of_run(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Return one record per day of a settled run, in order of time; ``settles`` names the clearing, if there is one.

    Raises
    ------
    LedgerError
        If an amount is too large to be exact wherever the ledger is read.
    """
    inputs, allocation = tree["inputs"].to_dataset(), tree["allocation"].to_dataset()
    counted = scale(str(inputs.attrs["currency"]))
    market = canonical_json.label(tree.attrs["market_id"])
    names = [canonical_json.label(str(x)) for x in allocation["member"].values]
    belongs = allocation["day_member"].values
    accounts = {name: allocation[f"day_{name}"].values for name in _COUNTED}
    origins = _origins(tree["trades"].to_dataset(), allocation, names)
    found = []
    for d, facts in enumerate(_facts(inputs, allocation)):
        own = {name: values[:, d] for name, values in accounts.items()}
        leaves = [
            _leaf(name, {n: int(v[i]) for n, v in own.items()}, origins[d][i])
            for i, name in enumerate(names)
            if belongs[i, d]
        ]
        leaves.sort(key=lambda leaf: leaf["participant"])
        totals = block_schema.totals(leaves)
        for whose, amounts in (("all accounts", totals), *((leaf["participant"], leaf) for leaf in leaves)):
            records.require_exact(whose, amounts, facts["slot"], counted)
        found.append(
            {
                "version": block_schema.VERSION,
                "kind": "settlement",
                "market": market,
                "money": block_schema.unit_of_money(counted.currency, counted.digits),
                **facts,
                "settles": str(tree.attrs.get("settles", "")),
                "totals": totals,
                "software": f"otonari {tree.attrs['otonari_version']}",
                "leaves": leaves,
            }
        )
    return found


def _leaf(name: str, own: dict[str, int], origin: dict[str, int]) -> dict[str, Any]:
    """Return the leaf of an account: what it used came from those who shared with it and, ``""``, its retailer."""
    used = origin | ({"": own["grid_in"]} if own["grid_in"] else {})
    return {
        "participant": name,
        "origin": origin,
        **own,
        "congestion": 0,
        "demand": used,
        "charge": {},
        "driving": {},
    }


def _origins(trades: xr.Dataset, allocation: xr.Dataset, names: list[str]) -> list[list[dict[str, int]]]:
    """Return of whom every account got its energy, by day and account [Wh]."""
    place = {str(member): n for n, member in enumerate(allocation["member"].values)}
    buyer = [place[name] for name in trades["trade_buyer"].values.tolist()]
    sellers = trades["trade_seller"].values.tolist()
    spelled = {name: canonical_json.label(name) for name in set(sellers)}
    day = np.searchsorted(allocation["day"].values, trades["trade_time"].values)
    energy = np.rint(trades["trade_energy"].values * 1000).astype(np.int64)
    found: list[list[dict[str, int]]] = [[{} for _ in names] for _ in range(allocation.sizes["day"])]
    for d, i, name, e in zip(day.tolist(), buyer, sellers, energy.tolist(), strict=True):
        found[d][i][spelled[name]] = e
    return found


def _facts(inputs: xr.Dataset, allocation: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Yield time and digests of every day."""
    times, starts = allocation["time"].values, allocation["day"].values
    first = np.append(np.searchsorted(times, starts), len(times))
    ends = np.append(starts[1:], times[-1] + _seconds(inputs["slot_hours"].values[-1]))
    for d, (start, end) in enumerate(zip(starts, ends, strict=True)):
        own = allocation.isel(time=slice(first[d], first[d + 1]), day=[d])
        of = {
            name: digest.values(
                own[list(variables)], f"otonari {name} of a settled day 1", digest.INPUTS_SCALE
            )
            for name, variables in (
                ("inputs", _DECIDES),
                ("results", _FOLLOWS),
                ("prices", ("shared_price",)),
            )
        }
        epoch = int(start.astype("datetime64[s]").astype(np.int64))
        yield {"slot": epoch, "slot_seconds": int((end - start) / np.timedelta64(1, "s")), **of}


def _seconds(hours: float) -> np.timedelta64:
    return np.timedelta64(round(hours * 3600), "s")
