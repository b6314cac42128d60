"""Figures of a run: prices, trades, the fee tree, who gains."""

from collections.abc import Sequence

import numpy as np

from ....data.inputs.currency import decimals
from ... import markets
from ...store.run_format import ORDER_BOOK
from ..figures.axes import Array
from ..figures.bars import bars
from ..figures.fee_tree import Edge, fee_tree
from ..figures.figure import Figure
from ..figures.heat_map import heat_map, matrix
from ..figures.lines import lines, ordered
from .opened_run import MEMBERS, MOST, Run, left_out


def prices(run: Run) -> Figure:
    """Return the prices at the nodes of the fee tree (node, time) [currency/kWh]."""
    price = run.results["price"].transpose("node", "time").values
    used = np.flatnonzero(_at_nodes(run) & np.isfinite(price).any(axis=1))
    chosen = used[:MOST]
    marginal = run.market in markets.MARKETS
    return heat_map(
        "Prices by node and time",
        ("What energy is worth" if marginal else "Mean price of what peers bought")
        + " at the nodes where members are, before access fees."
        + left_out(len(used), len(chosen), "nodes"),
        run.price_unit,
        run.slots.mean(price[chosen]),
        [str(n) for n in run.results["node"].values[chosen]],
        run.slots.labels,
        run.slots.marks,
        1 + (decimals(run.price_unit) or 1),
    )


def who_trades(run: Run) -> Figure:
    """Return what each member sold to each over the horizon (seller, buyer) [kWh]."""
    people, trades = run.people, run.trades
    place = {name: k for k, name in enumerate(people)}
    seller, buyer = (
        np.array([place[str(n)] for n in trades[f"trade_{side}"].values], dtype=int)
        for side in ("seller", "buyer")
    )
    energy = trades["trade_energy"].values
    volume = np.bincount(seller, energy, len(people)) + np.bincount(buyer, energy, len(people))
    chosen = (
        np.sort(np.argsort(-volume, kind="stable")[:MOST]) if len(people) > MOST else np.arange(len(people))
    )
    at = np.full(len(people), len(chosen))
    at[chosen] = np.arange(len(chosen))
    names = [people[k] for k in chosen] + (["others"] if len(chosen) < len(people) else [])
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (at[seller], at[buyer]), energy)
    return matrix(
        "Who trades with whom",
        "Energy that the member of a row sold to the member of the numbered column.",
        "kWh",
        table,
        names,
        names,
        "seller \\ buyer",
    )


def trades_in_order(run: Run) -> Figure:
    """Return the trades of a slot, by default the one with the most, by what sellers got and by what buyers paid."""
    k = _slot(run)
    return ordered(
        "Trades of one slot in the order of their price",
        f"Slot {run.when(k)}{_chosen(run)}: what buyers paid, the most first, and what sellers got of"
        " it, the least first. Between both are fees and congestion.",
        (run.price_unit, "kWh"),
        _of_trades(run, k),
    )


def order_book(run: Run) -> Figure:
    """Return the orders of a slot by price, by default of the one with the most trade, and its trades."""
    book, k = run.tree[ORDER_BOOK].to_dataset(), _slot(run)
    here = book.isel(price_level=book["level_time"].values == run.inputs["time"].values[k])
    side = here["level_side"].values
    energy, price, traded = (here[f"level_{n}"].values for n in ("energy", "price", "traded"))
    levels = {name: (energy[side == k], price[side == k]) for name, k in (("asks", 0), ("bids", 1))}
    asked, bid = (energy[side == k].sum() for k in (0, 1))
    return ordered(
        "Order book of one slot",
        f"Slot {run.when(k)}{_chosen(run)}: {asked:.2f} kWh were asked for sale, the cheapest first, and {bid:.2f} kWh"
        f" bid for, the dearest first, at the limits at which orders stood last; {traded[side == 1].sum():.2f} kWh were"
        " traded. Bids hold the fees, so that asks below them need not meet them; between what buyers paid and sellers"
        " got are fees and congestion.",
        (run.price_unit, "kWh"),
        levels | _of_trades(run, k, "contracted"),
    )


def _slot(run: Run) -> int:
    """Return the slot that is shown: the one that was asked for, or the one in which most is traded."""
    if run.slot is not None:
        return run.slot
    place = np.searchsorted(run.inputs["time"].values, run.trades["trade_time"].values)
    return int(np.argmax(np.bincount(place, run.trades["trade_energy"].values, run.inputs.sizes["time"])))


def _chosen(run: Run) -> str:
    return ", the one with the most trade" if run.slot is None else ""


def _of_trades(run: Run, slot: int, amount: str = "energy") -> dict[str, tuple[Array, Array]]:
    """Return amounts and prices of the trades of a slot, in their order, as sellers got and as buyers paid them."""
    trades = run.trades
    here = trades.isel(trade=trades["trade_time"].values == run.inputs["time"].values[slot])
    energy, price = here[f"trade_{amount}"].values, here["trade_price"].values
    paid = price + here["trade_fee"].values + here["trade_congestion"].values
    rising, falling = np.argsort(price, kind="stable"), np.argsort(-paid, kind="stable")
    return {
        "sellers got": (energy[rising], price[rising]),
        "buyers paid": (energy[falling], paid[falling]),
    }


def agreed_and_delivered(run: Run) -> Figure:
    """Return what was traded ahead on forecasts and what was delivered of it, by slot [kWh]."""
    trades = run.trades
    slot = np.searchsorted(run.inputs["time"].values, trades["trade_time"].values)
    size = run.inputs.sizes["time"]
    agreed, delivered = (
        run.slots.sum(np.bincount(slot, trades[f"trade_{n}"].values, size)) for n in ("contracted", "energy")
    )
    return lines(
        "Agreed on forecasts, and delivered",
        "Energy that agents traded ahead, on what they forecast, and what came of it.",
        "kWh",
        run.slots.labels,
        run.slots.marks,
        {"agreed": agreed, "delivered": delivered},
    )


def network(run: Run) -> Figure:
    """Return the fee tree with what peers sent over its edges [kWh], the loads and the fees."""
    inputs = run.inputs
    power = run.results["node_flow"].transpose("node", "time").values
    names = [str(n) for n in inputs["node"].values]
    up, down = (np.maximum(s * power, 0) @ run.hours for s in (1, -1))
    highest = np.abs(power).max(axis=1, initial=0.0)
    limit = inputs["node_limit"].values
    place = {name: k for k, name in enumerate(names)}
    parent = [place.get(str(p), -1) for p in inputs["node_parent"].values]
    kept = _with_ancestors(np.argsort(-(up + down), kind="stable")[:MOST].tolist(), parent)
    at = {node: k for k, node in enumerate(kept)}
    edges = [
        Edge(
            names[n],
            at.get(parent[n], -1),
            float(up[n]),
            float(down[n]),
            float(highest[n]),
            float(highest[n] / limit[n]) if 0 < limit[n] < np.inf else float("nan"),
            float(inputs["node_fee"].values[n]),
            float(inputs["node_access_fee"].values[n]),
        )
        for n in kept
    ]
    return fee_tree(
        "Fee tree and what peers sent over it",
        "Each node under its parent; lines as thick as the energy of peers on their edge, darker the fuller."
        + left_out(len(names), len(kept), "nodes"),
        "kWh",
        run.price_unit,
        edges,
    )


def gain_by_kind(run: Run) -> Figure:
    """Return what members of each kind save together [currency]."""
    kind, saving = run.inputs["participant_kind"].values, run.settlement["saving"].values
    kinds = list(dict.fromkeys(kind.tolist()))
    return bars(
        "Who gains, by kind",
        "Bills without peers less bills, of all members of a kind together.",
        run.currency,
        [f"{k} ({(kind == k).sum()})" for k in kinds],
        {"saving": np.array([saving[kind == k].sum() for k in kinds])},
        "kind",
        max(decimals(run.currency) or 2, 2),
    )


def gain_by_member(run: Run) -> Figure:
    """Return what each member saves (participant,) [currency], the greatest first."""
    saving = run.settlement["saving"].values
    order = np.argsort(-saving, kind="stable")
    kept = order if len(order) <= MEMBERS else np.concatenate([order[: MEMBERS // 2], order[-MEMBERS // 2 :]])
    return bars(
        "Who gains, by member",
        "Bill without peers less bill, of each member, the greatest gain first."
        + left_out(len(saving), len(kept), "members, those in the middle left out,"),
        run.currency,
        [run.people[k] for k in kept],
        {"saving": saving[kept]},
        "member",
        max(decimals(run.currency) or 2, 2),
    )


def _at_nodes(run: Run) -> Array:
    """Return at which nodes (node,) there is a member."""
    return np.isin(run.results["node"].values, run.inputs["participant_node"].values)


def _with_ancestors(nodes: Sequence[int], parent: Sequence[int]) -> list[int]:
    """Return nodes with all that lie between them and the root, in their own order."""
    kept: set[int] = set()
    for node in nodes:
        while node >= 0 and node not in kept:
            kept.add(node)
            node = parent[node]
    return sorted(kept)
