"""A cleared run in the whole numbers of the ledger: one record per slot, public totals and private leaves.

Energy is Wh, a price thousandths of the currency's minor unit per kWh, so that the money of a trade is their exact
product, in millionths of the minor unit (:class:`otonari.data.inputs.currency.Scale`). A record becomes a block when the
ledger's secret seals its leaves (:mod:`otonari.runs.ledger.private_leaves`) and its place gives it ``index`` and
``prev``.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ...data.inputs.currency import LARGEST, Scale, scale
from ...model.agents import flexible_loads
from ...model.settlement import tracing
from ...model.topology.stores import with_stores
from ..store import digest
from ..text import utc
from .format import block_schema, canonical_json
from .format.errors import LedgerError

_MONEY = ("money", "paid", "earned", "fees", "congestion", "make_whole")


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


def of_run(
    tree: xr.DataTree, origins: Iterable[tracing.Span] | None = None, *, uses: bool = True
) -> list[dict[str, Any]]:
    """Return one record per slot of a run; its attributes name the market and the software that cleared it.

    ``origins`` and ``uses`` as for :func:`cleared`.
    """
    market, software = (
        canonical_json.label(tree.attrs["market_id"]),
        f"otonari {tree.attrs['otonari_version']}",
    )
    return cleared(tree, market, software, origins=origins, uses=uses)


def cleared(
    tree: xr.DataTree,
    market: str,
    software: str,
    *,
    origins: Iterable[tracing.Span] | None = None,
    uses: bool = True,
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
    origins : iterable of Span, optional
        Where the energy of the slots came from, where stores hold something that is known already: the ``content`` of a
        span goes on with :func:`otonari.model.settlement.tracing.follow` (default: followed from the first slot on).
    uses : bool
        Whether leaves say where the energy used came from. It follows from all else: to compare runs needs none of it.
    """
    inputs, results = (tree[g].to_dataset() for g in ("inputs", "results"))
    names = [canonical_json.label(str(x)) for x in results["participant"].values]
    counted = scale(str(inputs.attrs["currency"]))
    digests = slot_digests(inputs, results, counted)
    slots = zip(
        times(inputs), digests, make_whole(tree, counted), shares(tree, origins, uses=uses), strict=True
    )
    return [
        record(names, share, time | of_slot, market, software, paid, counted)
        for time, of_slot, paid, share in slots
    ]


def record(
    names: list[str],
    share: Share,
    facts: Mapping[str, Any],
    market: str,
    software: str,
    paid: Mapping[str, Sequence[int]],
    counted: Scale,
) -> dict[str, Any]:
    """Return the record of a slot from the shares of all accounts (canonical labels), its time and its digests.

    ``paid`` as a slot of :func:`make_whole`.

    Raises
    ------
    LedgerError
        If an amount is too large to be exact wherever the ledger is read.
    """
    others: dict[str, Sequence[Any]] = {n: _whole(p) for n, p in share.grid.items()} | share.uses | dict(paid)
    leaves = accounts(names, _rounded(share.trades, counted), others)
    totals = block_schema.totals(leaves)
    for whose, amounts in (("all accounts", totals), *((leaf["participant"], leaf) for leaf in leaves)):
        require_exact(whose, amounts, facts["slot"], counted)
    return {
        "version": block_schema.VERSION,
        "kind": "clearing",
        "market": market,
        "money": block_schema.unit_of_money(counted.currency, counted.digits),
        **facts,
        "totals": totals,
        "software": software,
        "leaves": leaves,
    }


def make_whole(
    tree: xr.DataTree, counted: Scale, place: np.ndarray[Any, Any] | None = None
) -> list[dict[str, list[int]]]:
    """Return what each account pays so that nobody is worse off in every slot, nothing where nobody does.

    The payments of the horizon are whole units of money by largest remainder, and so are, at the end of each slot, those
    due by then in proportion to its hours: a slot has what is due more than before it. So the slots of an account add up
    to its payment, and the accounts of a slot to zero less what the congestion rent gives.

    Parameters
    ----------
    tree : DataTree
        A run; before it is settled, nobody pays.
    counted : Scale
        Of its currency.
    place : (participant,), optional
        The order of the accounts (default: that of the run).
    """
    hours = tree["inputs"].to_dataset()["slot_hours"].values
    settlement = tree["settlement"].to_dataset() if "settlement" in tree else {}
    if "make_whole" not in settlement:
        return [{} for _ in hours]
    amounts = settlement["make_whole"].values[slice(None) if place is None else place]
    whole = digest.largest_remainder(amounts * counted.money)
    if not whole.any():
        return [{} for _ in hours]
    ends = np.cumsum(hours)
    due = [digest.largest_remainder(whole * (end / ends[-1])) for end in ends]
    return [{"make_whole": slot.tolist()} for slot in np.diff(due, axis=0, prepend=0 * whole[None])]


def require_exact(whose: str, amounts: Mapping[str, Any], slot: int, counted: Scale) -> None:
    """Raise :class:`LedgerError` if an amount of a slot reaches 2^53."""
    for name, amount in amounts.items():
        if isinstance(amount, int) and abs(amount) >= LARGEST:
            money = name in _MONEY
            got = f"{amount // counted.money:,} {counted.currency}" if money else f"{amount:,} Wh"
            want = counted.most if money else f"{LARGEST:,} Wh"
            raise LedgerError(f"slot {utc(slot)} UTC: {name} of {whose}: got {got}, want less than {want}")


def times(inputs: xr.Dataset) -> list[dict[str, int]]:
    """Return start (UTC epoch) and length of every slot [s]."""
    starts = inputs["time"].values.astype("datetime64[s]").astype(np.int64)
    seconds = np.rint(inputs["slot_hours"].values * 3600).astype(np.int64)
    return [{"slot": int(s), "slot_seconds": int(n)} for s, n in zip(starts, seconds, strict=True)]


def slot_digests(inputs: xr.Dataset, results: xr.Dataset, counted: Scale) -> list[dict[str, str]]:
    """Return the digests of every slot's inputs, results and prices; prices as the ledger counts them.

    What a slot reads is its own: the inputs at that slot, the trips that depart in it, what is stored at its beginning.
    """
    prices = results[[n for n in ("price", "sale_price") if n in results]]
    of_prices = digest.slots(prices, "otonari prices of a slot 1", counted.price)
    of_results = digest.slots(results, "otonari results of a slot 1", digest.RESULTS_SCALE)
    started = inputs.assign({f"{d}_initial_energy": _beginning(inputs, results, d) for d in devices.stores()})
    if "heat_pump" in inputs.sizes:
        begun = _before(inputs["heat_pump_initial_heat"], results["heat_pump_heat"], "heat_pump")
        started = started.assign(heat_pump_initial_heat=begun)
    if "flexible_load" in inputs.sizes:  # their tasks are of many slots
        drawn = results["flexible_load_power"].transpose("flexible_load", "time")
        started = flexible_loads.alone(started, drawn.values)
    departs = {"trip": _departs(inputs)}
    of_inputs = digest.slots_of(started, "otonari inputs of a slot 1", digest.INPUTS_SCALE, departs)
    names = ("inputs", "prices", "results")
    return [
        dict(zip(names, of_slot, strict=True))
        for of_slot in zip(of_inputs, of_prices, of_results, strict=True)
    ]


def shares(
    tree: xr.DataTree, origins: Iterable[tracing.Span] | None = None, *, uses: bool = True
) -> Iterator[Share]:
    """Yield the shares of all accounts of a run, slot after slot; ``origins`` and ``uses`` as for :func:`cleared`."""
    inputs, results, trades = (tree[g].to_dataset() for g in ("inputs", "results", "trades"))
    names = [canonical_json.label(str(x)) for x in results["participant"].values]
    grid = {
        f"grid_{way}": _energy(inputs, results, kind) for way, kind in (("in", "import"), ("out", "export"))
    }
    slots: Iterable[Mapping[str, tracing.Matrix]] = ({} for _ in range(inputs.sizes["time"]))
    if uses:
        spans = tracing.follow(inputs, results, trades) if origins is None else origins
        slots = (slot for span in spans for slot in span.slots(block_schema.USES))
    traded = _trades(trades, inputs["time"].values)
    for k, (of_slot, slot) in enumerate(zip(traded, slots, strict=True)):
        yield Share(
            trades=of_slot,
            grid={name: energy[:, k].tolist() for name, energy in grid.items()},
            uses={name: energy_mix(names, matrix) for name, matrix in slot.items()},
        )


def slot_inputs(inputs: xr.Dataset, stored: np.ndarray[Any, Any], first: int, last: int) -> xr.Dataset:
    """Return the inputs of slots ``first`` to ``last`` (exclusive) alone, as if the run had begun with them.

    ``stored`` (battery + vehicle + heat_pump, time) [kWh] is what was stored at the end of each slot. Trips are those
    that depart in the slots.
    """
    departs = _departs(inputs)
    among = np.flatnonzero((departs >= first) & (departs < last))
    selected = inputs.isel(time=slice(first, last), trip=among)
    if not first:
        return selected
    begun = with_stores(selected, "initial_energy", stored[:, first - 1])
    if "heat_pump" not in inputs.sizes:
        return begun
    heat = stored[len(stored) - inputs.sizes["heat_pump"] :, first - 1]
    return begun.assign(heat_pump_initial_heat=inputs["heat_pump_initial_heat"].copy(data=heat))


def _departs(inputs: xr.Dataset) -> np.ndarray[Any, Any]:
    """Return the slot in which each trip departs (trip,), -1 before the first one."""
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    return np.asarray(slot)


def _beginning(inputs: xr.Dataset, results: xr.Dataset, device: str) -> tuple[Any, ...]:
    """Return what is stored at the beginning of each slot (store, time) [kWh], as a variable."""
    return _before(inputs[f"{device}_initial_energy"], results[f"{device}_energy"], device)


def _before(initial: xr.DataArray, ends: xr.DataArray, device: str) -> tuple[Any, ...]:
    """Return what is there at the beginning of each slot (device, time), as a variable, from the ``ends`` of slots."""
    first, end = initial.values.reshape(-1, 1), ends.transpose(device, "time").values
    return (device, "time"), np.hstack([first, end[:, :-1]]), initial.attrs


def accounts(
    names: list[str], trades: list[dict[str, Any]], others: Mapping[str, Sequence[Any]]
) -> list[dict[str, Any]]:
    """Return the leaf of each account in a slot, in Wh and units of money, sorted by name.

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


def _trades(trades: xr.Dataset, times: np.ndarray[Any, Any]) -> list[list[tuple[Any, ...]]]:
    """Return the trades of every slot with canonical labels, see `Share`."""
    labels = (
        list(map(_label, trades[f"trade_{name}"].values.tolist()))
        for name in ("seller", "seller_vehicle", "buyer", "buyer_vehicle")
    )
    numbers = (trades[f"trade_{name}"].values.tolist() for name in ("energy", "price", "fee", "congestion"))
    every = list(zip(*labels, *numbers, strict=True))
    slots: list[list[tuple[Any, ...]]] = [[] for _ in times]
    place = np.searchsorted(times, trades["trade_time"].values)
    for trade, at, time in zip(every, place.tolist(), trades["trade_time"].values, strict=True):
        if at < len(times) and times[at] == time:
            slots[at].append(trade)
    return slots


_label = functools.lru_cache(maxsize=2**16)(canonical_json.label)


def _rounded(trades: list[tuple[Any, ...]], counted: Scale) -> list[dict[str, Any]]:
    """Return the trades of one slot in whole numbers, sorted; those that round to 0 Wh are left out."""
    ordered = sorted(trades, key=lambda trade: tuple(trade[:4]))
    columns = np.array([trade[4:] for trade in ordered], dtype=float).reshape(-1, 4).T
    energy = digest.largest_remainder(columns[0] * 1000)
    price, fee, congestion = (digest.integers(column, counted.price) for column in columns[1:])
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
