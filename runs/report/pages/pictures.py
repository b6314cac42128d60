"""Figures of the page of a run, and THE table of them: each a function of the run's groups.

To add one: a function of a `Run` that returns a figure of `figures`, one row of `PICTURES`, and a test that compares
its table with the run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ....data.inputs import devices
from ....data.inputs.currency import decimals
from ... import markets
from .. import sections
from ..figures.areas import stacked
from ..figures.axes import Array
from ..figures.bars import bars
from ..figures.energy_flow import energy_flow
from ..figures.fee_tree import Edge, fee_tree
from ..figures.figure import Figure
from ..figures.heat_map import heat_map, matrix
from ..figures.lines import lines, ordered
from .slots import Slots, slots

MOST = 24
"""Rows that a heat map, a matrix or a tree shows; of more, those with the most energy."""
COLOURS = {
    **dict.fromkeys(("PV", "own PV", "PV, after curtailment"), 0),
    **dict.fromkeys(("retailer", "from the retailer"), 1),
    **dict.fromkeys(("batteries", "PV of peers", "batteries and vehicles, start less end"), 2),
    **dict.fromkeys(("vehicles", "driving"), 3),
    "demand": 4,
    "into batteries": 5,
    "into vehicles": 6,
    **dict.fromkeys(("to retailer", "to the retailer"), 7),
    "losses of charging and discharging": 8,
}
"""Colours of what is the same in several figures."""
MEMBERS = 60
"""Members that bars show."""


@dataclass(frozen=True)
class Run:
    """The groups of a run, loaded, with the slots as its figures show them and its currency."""

    inputs: xr.Dataset
    results: xr.Dataset
    trades: xr.Dataset
    settlement: xr.Dataset
    slots: Slots
    currency: str
    market: str
    tree: xr.DataTree

    @property
    def hours(self) -> Array:
        """Return the length of the slots (time,) [h]."""
        return np.asarray(self.inputs["slot_hours"].values)

    @property
    def price_unit(self) -> str:
        """Return the unit of prices."""
        return f"{self.currency}/kWh"

    @property
    def people(self) -> list[str]:
        """Return the participants."""
        return [str(name) for name in self.inputs["participant"].values]


def opened(tree: xr.DataTree) -> Run:
    """Return a run for its figures."""
    groups = {g: tree[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")}
    return Run(
        **groups,
        slots=slots(groups["inputs"]),
        currency=str(tree.attrs["currency"]),
        market=str(tree.attrs["market"]),
        tree=tree,
    )


def figures(run: Run) -> list[Figure]:
    """Return the figures of a run, those of which there is something."""
    return [picture.draw(run) for picture in PICTURES if picture.where(run)]


def flow(run: Run) -> Figure:
    """Return what energy came into the community over the horizon, and where it went [kWh]."""
    parts = {name: value for name, value in sections.balance(run.tree).items() if abs(value) >= 0.05}
    return energy_flow(
        "Energy of the community",
        "What came in on the left, where it went on the right, over the whole horizon.",
        "kWh",
        f"{sum(v for v in parts.values() if v > 0):,.1f} kWh",
        {name: value for name, value in parts.items() if value > 0},
        {name: -value for name, value in parts.items() if value < 0},
        COLOURS,
    )


def supply_and_demand(run: Run) -> Figure:
    """Return the community's power by source, above zero, and by use, below [kW]."""
    results, inputs = run.results, run.inputs

    def power(*names: str) -> Array:
        return np.asarray(sum(results[n].values.sum(axis=0) for n in names))

    series = {"PV": inputs["pv_available"].values.sum(axis=0) - power("pv_curtailment")}
    series["retailer"] = power("grid_import", "vehicle_import")
    for name, row in devices.stores().items():
        if inputs.sizes[name]:
            series[_several(name)] = power(row.give)
    series["demand"] = -inputs["demand"].values.sum(axis=0)
    for name, row in devices.DEVICES.items():
        if inputs.sizes[name]:
            label = f"into {_several(name)}" if row.energy else name.replace("_", " ")
            series[label] = -power(row.draw)
    series["to retailer"] = -power("grid_export", "vehicle_export")
    return stacked(
        "Supply and demand",
        "Mean power of all members together: what they got from each source above zero, what they used it for below.",
        "kW",
        run.slots.labels,
        run.slots.marks,
        {n: run.slots.mean(v) for n, v in series.items() if np.abs(v).max(initial=0.0) > 1e-6},
        COLOURS,
    )


def demand_by_source(run: Run) -> Figure:
    """Return what demand and driving were met from: own PV, that of peers, the retailer [kW]."""
    used = (run.settlement["demand_from"] + run.settlement["driving_from"]).sum("participant")
    power = used.transpose("source", "time").values / run.hours
    names = {"own": "own PV", "peers": "PV of peers", "retail": "retailer"}
    return stacked(
        "What demand and driving were met from",
        "Where the energy of demand and electric driving came from in the end, through stores and trades.",
        "kW",
        run.slots.labels,
        run.slots.marks,
        {names.get(str(n), str(n)): run.slots.mean(power[k]) for k, n in enumerate(used["source"].values)},
        COLOURS,
    )


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
        + _left_out(len(used), len(chosen), "nodes"),
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
        + _left_out(len(names), len(kept), "nodes"),
        "kWh",
        run.price_unit,
        edges,
    )


def charge(run: Run) -> Figure:
    """Return the states of charge of batteries and vehicles (store, time) [% of capacity]."""
    rows, labels = [], []
    for name in devices.stores():
        energy = run.results[f"{name}_energy"].transpose(name, "time").values
        capacity = run.inputs[f"{name}_capacity"].values
        rows.append(
            np.divide(100 * energy, capacity[:, None], out=np.zeros_like(energy), where=capacity[:, None] > 0)
        )
        labels += [str(n) for n in run.inputs[name].values]
    level = np.concatenate(rows)
    kept = (
        np.argsort(-np.ptp(level, axis=1), kind="stable")[:MOST]
        if len(level) > MOST
        else np.arange(len(level))
    )
    kept = np.sort(kept)
    return heat_map(
        "States of charge",
        "What batteries and vehicles hold of their capacity at the end of each period."
        + _left_out(len(level), len(kept), "stores"),
        "%",
        run.slots.last(level[kept]),
        [labels[k] for k in kept],
        run.slots.labels,
        run.slots.marks,
        1,
    )


def driving(run: Run) -> Figure:
    """Return the distance of every vehicle by electricity and by fuel (vehicle,) [km]."""
    names = [str(n) for n in run.inputs["vehicle"].values]
    place = {name: k for k, name in enumerate(names)}
    driver = np.array([place[str(n)] for n in run.inputs["trip_vehicle"].values], dtype=int)
    electric = np.bincount(driver, run.results["trip_electric_distance"].values, len(names))
    distance = np.bincount(driver, run.inputs["trip_distance"].values, len(names))
    kept = np.argsort(-distance, kind="stable")[:MEMBERS]
    return bars(
        "Driving",
        "Distance of the trips on electricity and on fuel." + _left_out(len(names), len(kept), "vehicles"),
        "km",
        [names[k] for k in kept],
        {"on electricity": electric[kept], "on fuel": np.maximum(distance - electric, 0)[kept]},
        "vehicle",
        2,
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
        + _left_out(len(saving), len(kept), "members, those in the middle left out,"),
        run.currency,
        [run.people[k] for k in kept],
        {"saving": saving[kept]},
        "member",
        max(decimals(run.currency) or 2, 2),
    )


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


def trades_in_order(run: Run) -> Figure:
    """Return the trades of the slot with the most, by what sellers got and by what buyers paid."""
    trades = run.trades
    times, place = np.unique(trades["trade_time"].values, return_inverse=True)
    busiest = int(np.argmax(np.bincount(place, trades["trade_energy"].values)))
    here = trades.isel(trade=place == busiest)
    energy, price = here["trade_energy"].values, here["trade_price"].values
    paid = price + here["trade_fee"].values + here["trade_congestion"].values
    rising, falling = np.argsort(price, kind="stable"), np.argsort(-paid, kind="stable")
    k = int(np.searchsorted(run.inputs["time"].values, times[busiest]))
    return ordered(
        "Trades of the busiest slot in the order of their price",
        f"Slot {run.slots.labels[int(run.slots.period[k])]}: what buyers paid, the most first, and what sellers got of"
        " it, the least first. Between both are fees and congestion.",
        (run.price_unit, "kWh"),
        {
            "sellers got": (energy[rising], price[rising]),
            "buyers paid": (energy[falling], paid[falling]),
        },
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


def _left_out(all_of_them: int, kept: int, what: str) -> str:
    return f" Shown are {kept} of {all_of_them} {what}." if kept < all_of_them else ""


def _several(device: str) -> str:
    return {"battery": "batteries"}.get(device, f"{device}s")


def _traded(run: Run) -> bool:
    return bool(run.trades.sizes["trade"]) and bool(run.trades["trade_energy"].sum() > 0)


def _stores(run: Run) -> bool:
    return any(run.inputs.sizes[name] for name in devices.stores())


@dataclass(frozen=True)
class Picture:
    """One row of the table of pictures: the function that draws it, and of which runs."""

    draw: Callable[[Run], Figure]
    where: Callable[[Run], bool] = lambda run: True


PICTURES = [
    Picture(flow),
    Picture(supply_and_demand),
    Picture(demand_by_source, lambda run: "demand_from" in run.settlement),
    Picture(prices, lambda run: "price" in run.results and bool(run.results["price"].notnull().any())),
    Picture(who_trades, _traded),
    Picture(trades_in_order, lambda run: _traded(run) and run.market != markets.SETTLED),
    Picture(network, lambda run: _traded(run) and "node_flow" in run.results),
    Picture(charge, _stores),
    Picture(driving, lambda run: bool(run.inputs.sizes["trip"])),
    Picture(agreed_and_delivered, lambda run: _traded(run) and run.market in markets.SIMULATED),
    Picture(gain_by_kind),
    Picture(gain_by_member),
]
"""THE table of pictures, in the order of the page."""
