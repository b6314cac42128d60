"""The realised results of a simulation as Datasets: trades and deliveries, results, and the run of all slots."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.currency import WATT_HOURS
from ...model.agents.controls.at_once import of_flexible_loads
from ...model.agents.controls.thermostats import of_heat_pumps
from ...model.agents.flexible_loads import alone
from ...model.devices.heat_pump import unmet
from ...model.exchange.deals import joined
from ...model.results import assemble, variable
from ...model.settlement import trades
from ...model.topology.fee_tree import edge_flows, tree
from ...model.topology.stores import breaches, by_device, missing
from ...model.topology.traders import traders
from ..ledger import records
from ..store import run_format
from ..version import version
from .loop import Options, State
from .timeline import Timeline


def since(inputs: xr.Dataset, state: State, first: int) -> tuple[xr.Dataset, State]:
    """Return the inputs and the state of the slots from ``first`` up to where a simulation stands, by themselves."""
    last = state.slot
    part = records.slot_inputs(inputs, state.realised.energy, first, last)
    part = alone(part, state.realised.load[:, first:last])
    trips = np.isin(inputs["trip"].values, part["trip"].values)
    by_itself = replace(
        state,
        realised=state.realised.slots(first, last),
        electric=state.electric[trips],
        deals=state.deals[first:last],
    )
    return part, by_itself


def trades_of(inputs: xr.Dataset, state: State) -> xr.Dataset:
    """Return what was traded (trade,), and what was delivered of it: by slot, in the order in which it was traded."""
    slot = np.repeat(np.arange(len(state.deals)), [len(d.energy) for d in state.deals])
    every = joined(state.deals)
    every = every._replace(seller=every.seller.astype(int), buyer=every.buyer.astype(int))
    return trades.as_dataset(inputs, slot=slot, **every._asdict())


def results_of(inputs: xr.Dataset, state: State) -> xr.Dataset:
    """Return the realised results (see ``model/README.md``): what peers do not deliver is the retailer's."""
    who, hours = traders(inputs), inputs["slot_hours"].values
    sold, bought = np.zeros((2, *state.realised.net.shape))
    flow = _Flow(inputs)
    for t, deals in enumerate(state.deals):
        np.add.at(sold[:, t], deals.seller, deals.energy / hours[t])
        np.add.at(bought[:, t], deals.buyer, deals.energy / hours[t])
        flow.add(t, who.node[deals.seller, t], who.node[deals.buyer, t], deals.energy / hours[t])
    variables = (
        _markets(inputs, state.realised.net, sold, bought)
        | _devices(inputs, state)
        | flow.variables()
        | _prices(inputs, state)
    )
    return assemble(inputs, variables)


def _prices(inputs: xr.Dataset, state: State) -> dict[str, Any]:
    """Return what the energy delivered cost and earned at each node without access fees; NaN where nothing was."""
    who, access = traders(inputs), inputs["node_access_fee"].values
    energy, money = np.zeros((2, 2, inputs.sizes["node"], inputs.sizes["time"]))
    for t, deals in enumerate(state.deals):
        paid = deals.price + deals.fee + deals.congestion
        for k, party, price, sign in ((0, deals.buyer, paid, -1), (1, deals.seller, deals.price, 1)):
            node = who.node[party, t]
            np.add.at(energy[k, :, t], node, deals.energy)
            np.add.at(money[k, :, t], node, deals.energy * (price + sign * access[node]))
    mean = np.divide(money, energy, out=np.full_like(money, np.nan), where=energy > 0)
    unit, dims = f"{inputs.attrs['currency']}/kWh", ("node", "time")
    docs = ("mean price of what peers bought at the node", "mean price of what peers sold at the node")
    names = zip(("price", "sale_price"), mean, docs, strict=True)
    return {name: (dims, values, {"long_name": doc, "units": unit}) for name, values, doc in names}


def _markets(inputs: xr.Dataset, net: np.ndarray, sold: np.ndarray, bought: np.ndarray) -> dict[str, Any]:
    """Return what everybody bought and sold; ``net``, ``sold`` and ``bought`` (P + V, T) [kW]."""
    people = inputs.sizes["participant"]
    powers = {
        "import": np.maximum(net, 0.0) - bought,
        "export": np.maximum(-net, 0.0) - sold,
        "purchase": bought,
        "sale": sold,
    }
    variables: dict[str, Any] = {}
    for name, power in powers.items():
        market = "grid" if name in ("import", "export") else "peer"
        doc = f"{name} {'from or to the retailer' if market == 'grid' else 'from or to peers'}"
        variables[f"{market}_{name}"] = variable(("participant", "time"), power[:people], "kW", doc)
        variables[f"vehicle_{name}"] = variable(
            ("vehicle", "time"), power[people:], "kW", f"{doc}, while plugged in away from home"
        )
    return variables


def _devices(inputs: xr.Dataset, state: State) -> dict[str, Any]:
    """Return what batteries, vehicles and PV did."""
    realised, variables = state.realised, {}
    for name, series, unit, doc in (
        ("charge", realised.charge, "kW", "AC power taken to charge"),
        ("discharge", realised.discharge, "kW", "AC power given back"),
        ("energy", realised.energy, "kWh", "energy at the end of the slot"),
    ):
        for device, values in by_device(inputs, series).items():
            variables[f"{device}_{name}"] = variable((device, "time"), values, unit, doc)
    if pumps := len(realised.backup):
        power = realised.charge[-pumps:] + realised.backup
        variables |= of_heat_pumps(power, realised.backup, realised.energy[-pumps:], realised.unmet)
    if "flexible_load" in inputs.sizes:
        variables |= of_flexible_loads(realised.load, realised.start)
    variables["pv_curtailment"] = variable(
        ("participant", "time"), state.realised.curtailment, "kW", "PV output not used"
    )
    variables["trip_electric_distance"] = variable(
        ("trip",), state.electric, "km", "distance driven on electricity"
    )
    return variables


class _Flow:
    """The peers' power over the edges of the fee tree, or between pairs of nodes."""

    def __init__(self, inputs: xr.Dataset):
        self._pairs = "trade_fee" in inputs
        nodes, slots = inputs.sizes["node"], inputs.sizes["time"]
        self._power = np.zeros((nodes, nodes, slots) if self._pairs else (nodes, slots))
        self._tree = tree(inputs)

    def add(self, slot: int, start: np.ndarray, end: np.ndarray, power: np.ndarray) -> None:
        """Add trades (trade,) of a slot [kW] from nodes to nodes."""
        if self._pairs:
            np.add.at(self._power[:, :, slot], (start, end), power)
        else:
            self._power[:, slot] += edge_flows(*self._tree, start, end, power)

    def variables(self) -> dict[str, Any]:
        """Return the results variable."""
        if self._pairs:
            dims = ("node", "node_to", "time")
            return {"node_transfer": variable(dims, self._power, "kW", "peer power between two nodes")}
        doc = "peer power to the parent node, - from it"
        return {"node_flow": variable(("node", "time"), self._power, "kW", doc)}


def order_books(inputs: xr.Dataset, state: State) -> xr.Dataset | None:
    """Return the price levels (price_level,) of the orders of every slot; None where there was no exchange.

    Where limits held something, also what envelopes ``cut`` of orders, and which edges trades filled (``full``).
    """
    if not state.ladders:
        return None
    slot = np.repeat(np.arange(len(state.ladders)), [len(one.side) for one in state.ladders])
    side, price, energy, traded = map(np.concatenate, zip(*state.ladders, strict=True))
    unit = f"{inputs.attrs['currency']}/kWh"
    flags = {"flag_values": np.array([0, 1], dtype=np.int8), "flag_meanings": "ask bid"}
    columns: dict[str, tuple[Any, dict[str, Any]]] = {
        "time": (inputs["time"].values[slot], {"long_name": "start of the slot of the orders, UTC"}),
        "side": (side.astype(np.int8), {"long_name": "side of the orders"} | flags),
        "price": (price, {"long_name": "limit at which orders stood last, of bids with fees", "units": unit}),
        "energy": (energy, {"long_name": "traded of them, or open when the book closed", "units": "kWh"}),
        "traded": (traded, {"long_name": "traded of them", "units": "kWh"}),
    }
    levels = {f"level_{name}": ("price_level", *column) for name, column in columns.items()}
    return xr.Dataset(levels | _held(inputs, state, "cut") | _held(inputs, state, "full"))


_HELD = {
    "cut": (
        "participant whose order an envelope cut",
        "its side: buy or sell",
        "most that was cut of one of its orders",
    ),
    "full": (
        "node whose edge to its parent trades filled",
        "which way: into or out of it",
        "what trades sent over it, all that its limits let through",
    ),
}
"""What is said of what limits held: whose it is, the side or way, and the energy."""


def _held(inputs: xr.Dataset, state: State, kind: str) -> dict[str, Any]:
    """Return variables over ``kind`` of what limits held of the orders of all slots; nothing where that is nothing."""
    every = [
        (t, *row) for t, held in enumerate(state.held) for row in (held.full if kind == "full" else held.cuts)
    ]
    if not every:
        return {}
    slot, who, side, energy = map(np.array, zip(*every, strict=True))
    whose, way, amount = _HELD[kind]
    columns = {
        "time": (inputs["time"].values[slot], {"long_name": "start of the slot, UTC"}),
        "participant" if kind == "cut" else "node": (who, {"long_name": whose}),
        "side" if kind == "cut" else "way": (side, {"long_name": way}),
        "energy": (energy / WATT_HOURS, {"long_name": amount, "units": "kWh"}),
    }
    return {f"{kind}_{name}": (kind, *column) for name, column in columns.items()}


def account(line: Timeline, state: State, options: Options) -> xr.DataTree:
    """Return the run of a finished simulation: settled by the prices of its trades, and checked.

    Beside its groups stand what was forecast, where it was, and the order books, where there was an exchange.
    """
    from ...model.checks.run import require
    from ...model.settlement import accounts, unpaid

    inputs = line.inputs
    results, traded, alone = results_of(inputs, state), trades_of(inputs, state), grid_only(inputs)
    settlement = accounts.settle(inputs, results, traded, alone, prices="traded")
    require(inputs, results, traded, settlement, grid_only=alone, prices="traded")
    beside = {
        run_format.FORECAST: line.forecast(options.window),
        run_format.ORDER_BOOK: order_books(inputs, state),
    }
    further = {name: group for name, group in beside.items() if group is not None}
    tree = run_format.as_tree(inputs, results, traded, settlement, **further)
    tree.attrs = {
        "market": options.mode,
        "otonari_version": version(),
        "options": json.dumps(options.stated(), sort_keys=True),
        "status": "simulated",
        "objective": float(settlement["bill"].sum()) + unpaid.cost(inputs, results),
        **breaches(results),
        **unmet(inputs, results),
        "final_energy_missing": missing(inputs, state.energy),
        "currency": inputs.attrs["currency"],
    }
    return tree


def grid_only(inputs: xr.Dataset) -> xr.Dataset:
    """Return each participant's own optimum, with foresight and without peers: what savings compare with.

    It keeps limits of the network as far as a plan can; what these are worth is left out, for nobody pays it here.
    """
    from ...model.grid.scarcity import KINDS
    from ...model.network_clearing import solve_as_possible
    from ...model.topology.connections import unavoidable

    results = solve_as_possible(unavoidable(inputs), "grid-only")[2]
    scarce = {name for value, _, price in KINDS.values() for name in (value, price)}
    return results.drop_vars([name for name in scarce if name in results])
