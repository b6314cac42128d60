"""A cleared run in the whole numbers of the ledger: one record per slot, public totals and private leaves.

Energy is Wh, a price milli-currency/kWh, money micro-currency: 1 Wh at 1 milli-currency/kWh *is* 1
micro-currency, so the money of a trade is the exact product. A record becomes a block when the ledger's
secret seals its leaves (:mod:`otonari.runs.ledger.private_leaves`) and its place gives it ``index`` and ``prev``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ...model.settlement import tracing
from ...model.topology.stores import of_stores, with_stores
from ..markets import SIMULATED
from ..store import digest
from .format import block_schema, canonical_json


@dataclass(frozen=True)
class Share:
    """Trades, retailer energy and energy mixes of the accounts of a run, or of a region of it, in one slot.

    ``trades`` are seller, its vehicle, buyer, its vehicle (canonical labels), energy [kWh], price, fee and congestion
    [currency/kWh] each; ``grid`` the Wh of every account to and from the retailer; ``uses`` the Wh that each used by
    source.
    """

    trades: list[tuple[Any, ...]]
    grid: dict[str, list[float]]
    uses: dict[str, list[dict[str, int]]]


def of_run(tree: xr.DataTree, origins: Iterable[tracing.Span] | None = None) -> list[dict[str, Any]]:
    """Return one record per slot of a run; its attributes name the market and the software that cleared it.

    ``origins`` as for :func:`cleared`.
    """
    market, software = (
        canonical_json.label(tree.attrs["market_id"]),
        f"otonari {tree.attrs['otonari_version']}",
    )
    return cleared(tree, market, software, one_by_one=tree.attrs["market"] in SIMULATED, origins=origins)


def cleared(
    tree: xr.DataTree,
    market: str,
    software: str,
    *,
    one_by_one: bool = False,
    origins: Iterable[tracing.Span] | None = None,
) -> list[dict[str, Any]]:
    """Return one record per slot of a cleared run, in order of time.

    Parameters
    ----------
    tree : DataTree
        With ``inputs``, ``results`` and ``trades`` of a cleared market.
    market : str
        Identity of the market, in the strings of canonical JSON.
    software : str
        What cleared it, e.g. ``otonari 0.1.0``.
    one_by_one : bool
        Whether each slot was cleared by itself: its record is then the same whatever slots the run has beside it.
    origins : iterable of Span, optional
        Where the energy of the slots came from, where stores hold something that is known already: the ``content`` of a
        span goes on with :func:`otonari.model.settlement.tracing.follow` (default: followed from the first slot on).
    """
    inputs, results = (tree[g].to_dataset() for g in ("inputs", "results"))
    parts: Iterable[xr.Dataset] = _one_by_one(inputs, results) if one_by_one else [inputs]
    of_inputs = [digest.values(part, "otonari inputs 1", digest.INPUTS_SCALE) for part in parts]
    names = [canonical_json.label(str(x)) for x in results["participant"].values]
    slots = zip(times(inputs), slot_digests(results), make_whole(tree), shares(tree, origins), strict=True)
    return [
        record(
            names,
            share,
            time | digests | {"inputs": of_inputs[k if one_by_one else 0]},
            market,
            software,
            paid,
        )
        for k, (time, digests, paid, share) in enumerate(slots)
    ]


def record(
    names: list[str],
    share: Share,
    facts: Mapping[str, Any],
    market: str,
    software: str,
    paid: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    """Return the record of a slot from the shares of all accounts (canonical labels), its time and its digests.

    ``paid`` as a slot of :func:`make_whole`.
    """
    others: dict[str, Sequence[Any]] = {n: _whole(p) for n, p in share.grid.items()} | share.uses | dict(paid)
    leaves = accounts(names, _rounded(share.trades), others)
    return {
        "version": block_schema.VERSION,
        "kind": "clearing",
        "market": market,
        **facts,
        "totals": block_schema.totals(leaves),
        "software": software,
        "leaves": leaves,
    }


def make_whole(tree: xr.DataTree, place: np.ndarray[Any, Any] | None = None) -> list[dict[str, list[int]]]:
    """Return what each account pays so that nobody is worse off in every slot, nothing where nobody does.

    The payments of the horizon are whole micro-currency by largest remainder, and so are, at the end of each slot, those
    due by then in proportion to its hours: a slot has what is due more than before it. So the slots of an account add up
    to its payment, and the accounts of a slot to zero less what the congestion rent gives.

    Parameters
    ----------
    tree : DataTree
        A run; before it is settled, nobody pays.
    place : (participant,), optional
        The order of the accounts (default: that of the run).
    """
    hours = tree["inputs"].to_dataset()["slot_hours"].values
    settlement = tree["settlement"].to_dataset() if "settlement" in tree else xr.Dataset()
    if "make_whole" not in settlement:
        return [{} for _ in hours]
    amounts = settlement["make_whole"].values[slice(None) if place is None else place]
    whole = digest.largest_remainder(amounts * 10**6)
    if not whole.any():
        return [{} for _ in hours]
    ends = np.cumsum(hours)
    due = [digest.largest_remainder(whole * (end / ends[-1])) for end in ends]
    return [{"make_whole": slot.tolist()} for slot in np.diff(due, axis=0, prepend=0 * whole[None])]


def times(inputs: xr.Dataset) -> list[dict[str, int]]:
    """Return start (UTC epoch) and length of every slot [s]."""
    starts = inputs["time"].values.astype("datetime64[s]").astype(np.int64)
    seconds = np.rint(inputs["slot_hours"].values * 3600).astype(np.int64)
    return [{"slot": int(s), "slot_seconds": int(n)} for s, n in zip(starts, seconds, strict=True)]


def slot_digests(results: xr.Dataset) -> list[dict[str, str]]:
    """Return the digests of every slot's results and prices."""
    prices = results[[n for n in ("price", "sale_price") if n in results]]
    of_prices = digest.slots(prices, "otonari prices of a slot 1", digest.RESULTS_SCALE)
    of_results = digest.slots(results, "otonari results of a slot 1", digest.RESULTS_SCALE)
    return [{"prices": p, "results": r} for p, r in zip(of_prices, of_results, strict=True)]


def shares(tree: xr.DataTree, origins: Iterable[tracing.Span] | None = None) -> Iterator[Share]:
    """Yield the shares of all accounts of a run, slot after slot; ``origins`` as for :func:`cleared`."""
    inputs, results, trades = (tree[g].to_dataset() for g in ("inputs", "results", "trades"))
    names = [canonical_json.label(str(x)) for x in results["participant"].values]
    grid = {
        f"grid_{way}": _energy(inputs, results, kind) for way, kind in (("in", "import"), ("out", "export"))
    }
    spans = tracing.follow(inputs, results, trades) if origins is None else origins
    slots = (slot for span in spans for slot in span.slots(block_schema.USES))
    for k, (time, slot) in enumerate(zip(inputs["time"].values, slots, strict=True)):
        yield Share(
            trades=_trades(trades.isel(trade=np.flatnonzero(trades["trade_time"].values == time))),
            grid={name: energy[:, k].tolist() for name, energy in grid.items()},
            uses={name: energy_mix(names, matrix) for name, matrix in slot.items()},
        )


def slot_inputs(inputs: xr.Dataset, stored: np.ndarray[Any, Any], first: int, last: int) -> xr.Dataset:
    """Return the inputs of slots ``first`` to ``last`` (exclusive) alone, as if the run had begun with them.

    ``stored`` (battery + vehicle, time) [kWh] is what was stored at the end of each slot. Trips are those that depart
    in the slots.
    """
    departs = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    among = np.flatnonzero((departs >= first) & (departs < last))
    selected = inputs.isel(time=slice(first, last), trip=among)
    if not first:
        return selected
    return with_stores(selected, "initial_energy", stored[:, first - 1])


def _one_by_one(inputs: xr.Dataset, results: xr.Dataset) -> Iterator[xr.Dataset]:
    """Yield the inputs of each slot alone."""
    stored = of_stores(results, "energy")
    for k in range(inputs.sizes["time"]):
        yield slot_inputs(inputs, stored, k, k + 1)


def accounts(
    names: list[str], trades: list[dict[str, Any]], others: Mapping[str, Sequence[Any]]
) -> list[dict[str, Any]]:
    """Return the leaf of each account in a slot, in Wh and micro-currency, sorted by name.

    ``origin`` is of whom it bought: Wh by the selling account. ``others`` is what else the leaves hold, by account.
    """
    nothing = dict.fromkeys(("purchases", "sales", "paid", "earned", "fees", "congestion"), 0)
    leaves: dict[str, dict[str, Any]] = {
        name: {"participant": name, "origin": {}, **nothing, **{n: values[i] for n, values in others.items()}}
        for i, name in enumerate(names)
    }
    for trade in trades:
        buyer, seller, energy = leaves[trade["buyer"]], leaves[trade["seller"]], trade["energy"]
        buyer["purchases"] += energy
        buyer["origin"][trade["seller"]] = buyer["origin"].get(trade["seller"], 0) + energy
        buyer["paid"] += energy * trade["price"]
        buyer["fees"] += energy * trade["fee"]
        buyer["congestion"] += energy * trade["congestion"]
        seller["sales"] += energy
        seller["earned"] += energy * trade["price"]
    return [leaves[name] for name in sorted(leaves)]


def energy_mix(names: list[str], used: tracing.Matrix) -> list[dict[str, int]]:
    """Return the Wh that each account used in a slot, by origin: the producing account, or ``""`` for the retailer.

    ``used`` (P, P + 1) [kWh]. For each account they are rounded by largest remainder, so that their sum is its whole.
    """
    labels, entries = [*names, ""], used.tocoo()
    rank = np.argsort(np.argsort(np.array(labels)))
    line = np.lexsort((rank[entries.col], entries.row))
    account, source = entries.row[line], entries.col[line]
    # to the millionth of a Wh: what arithmetic leaves beyond that shall not decide
    energy = digest.largest_remainder(np.round(entries.data[line] * 1000, 6), account)
    mixes: list[dict[str, int]] = [{} for _ in names]
    for k in np.flatnonzero(energy):
        mixes[account[k]][labels[source[k]]] = int(energy[k])
    return mixes


def _trades(trades: xr.Dataset) -> list[tuple[Any, ...]]:
    """Return the trades of one slot with canonical labels, see `Share`."""
    labels = (
        [canonical_json.label(str(x)) for x in trades[f"trade_{name}"].values]
        for name in ("seller", "seller_vehicle", "buyer", "buyer_vehicle")
    )
    numbers = (trades[f"trade_{name}"].values.tolist() for name in ("energy", "price", "fee", "congestion"))
    return list(zip(*labels, *numbers, strict=True))


def _rounded(trades: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the trades of one slot in whole numbers, sorted; those that round to 0 Wh are left out."""
    ordered = sorted(trades, key=lambda trade: tuple(trade[:4]))
    columns = np.array([trade[4:] for trade in ordered], dtype=float).reshape(-1, 4).T
    energy = digest.largest_remainder(columns[0] * 1000)
    price, fee, congestion = (digest.integers(column, 1000) for column in columns[1:])
    return [
        {"seller": seller, "buyer": buyer, "energy": int(energy[k])}
        | {"price": int(price[k]), "fee": int(fee[k]), "congestion": int(congestion[k])}
        for k, (seller, _, buyer, *_) in enumerate(ordered)
        if energy[k]
    ]


def _whole(energy: list[float]) -> list[int]:
    """Return the energy of every account rounded to whole numbers with the same sum [Wh]."""
    return [int(x) for x in digest.largest_remainder(np.array(energy, dtype=float))]


def _energy(inputs: xr.Dataset, results: xr.Dataset, kind: str) -> np.ndarray[Any, Any]:
    """Return energy to or from the retailer (P, T) [Wh], with that of vehicles that are guests elsewhere."""
    power = results[f"grid_{kind}"].transpose("participant", "time").values.copy()
    if f"vehicle_{kind}" in results:
        place = {name: i for i, name in enumerate(results["participant"].values)}
        owners = np.array([place[name] for name in inputs["vehicle_owner"].values], dtype=np.int64)
        np.add.at(power, owners, results[f"vehicle_{kind}"].transpose("vehicle", "time").values)
    return np.asarray(np.maximum(power * inputs["slot_hours"].values * 1000, 0.0))
