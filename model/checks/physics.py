"""Physics of a solved run, recomputed: balances, limits, stores, trips and nodes.

Every function yields findings: a residual that should vanish, or an excess that should not be positive, with the scale
that its tolerance is relative to.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
from copy import copy
from functools import cached_property
from itertools import repeat
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ...data.inputs.devices import DEVICES, loads, present, stores
from ..labels import Array

_OTHERS = (
    "task",
    "step",
    "trip",
    "trade",
    "tariff",
    "component",
    "peak",
    "tier",
    "month",
    "day",
    "node",
    "node_to",
    "source",
    "origin",
    "candidate",
    "phase",
    "time",
)
PARTICIPANT = ("participant", "time")
VEHICLE = ("vehicle", "time")
SIGNED = (
    "price",
    "sale_price",
    "offer_value",
    "node_flow",
    "voltage_value",
    "edge_value",
    "node_value",
    "voltage_price",
    "congestion_price",
    "loss_price",
)


class Finding(NamedTuple):
    """Residual or excess that a check computed; it fails where ``excess > tolerance * max(1, scale)`` or is NaN.

    ``told`` are the quantities behind it that a violation names.
    """

    check: str
    dims: tuple[str, ...]
    excess: Array
    scale: Array | float = 1.0
    told: Mapping[str, Array] = MappingProxyType({})


class Run:
    """A run as plain arrays: ``i`` the inputs, ``r`` the results, and the positions of labels.

    P participants, V vehicles, T slots: ``owner[device]`` (device,); ``at_home`` and ``guest`` (V, T); ``home`` (P,) and
    ``host_node`` (V, T) nodes; ``trip_slot`` and ``driver`` of every trip; ``gross`` (P,) who has PV on a meter of
    its own; ``import_limit`` and ``export_limit`` (P, T), ``inverter_limit`` (P,) [kW]; ``inward`` (battery,) which give
    to the home alone; ``unheld`` (P, T) [kW] is what no envelope holds back where nobody plans.
    """

    def __init__(self, inputs: xr.Dataset, results: xr.Dataset, planned: bool = True):
        self.i = arrays(inputs)
        self._take(results)
        self.hours = self.i["slot_hours"]
        self.participants, self.vehicles = inputs.sizes["participant"], inputs.sizes["vehicle"]
        dims = ("participant", "vehicle", "flexible_load", "node", "tariff", "time", "day")
        self.labels = {d: inputs[d].values for d in dims if d in inputs.dims}
        people = self.labels["participant"]
        self.sizes = inputs.sizes
        self.owner = {name: index(people, self.i[row.owner]) for name, row in present(inputs).items()}
        host = index(people, self.i["vehicle_host"])
        self.plugged = host >= 0
        self.at_home = self.plugged & (host == self.owner["vehicle"][:, None])
        self.guest = self.plugged & ~self.at_home
        self.home = index(self.labels["node"], self.i["participant_node"])
        self.host_node = np.where(self.guest, self.home[host], -1)
        self.driver = index(self.labels["vehicle"], self.i["trip_vehicle"])
        departure = self.i["trip_departure"]
        self.trip_slot = np.searchsorted(self.labels["time"], departure, side="right") - 1
        self.inverter_limit = self.i.get("inverter_limit", np.full(self.participants, np.inf))
        self.inward = self.i.get("battery_gives", np.full(len(self.owner["battery"]), "anywhere")) == "home"
        self.gross = self.i.get("participant_metering", np.full(self.participants, "net")) == "gross"
        self.unheld = np.zeros((self.participants, len(self.hours)))
        if not planned:
            self.unheld = np.maximum(self._uncontrolled(), 0.0)
        self.import_limit = self._most("import", self.unheld)
        self.export_limit = self._most("export", 0.0)

    def _most(self, way: str, least: Array | float) -> Array:
        """Return the limit of connections (P, T) [kW], whose envelope lets through ``least`` in any case."""
        limit, envelope = self.i[f"{way}_limit"][:, None], self.i.get(f"{way}_envelope", np.inf)
        most = np.minimum(limit, np.maximum(envelope, least))
        return np.broadcast_to(most, (self.participants, len(self.hours)))

    def _uncontrolled(self) -> Array:
        """Return what demand alone draws beside the PV behind its meter (P, T) [kW]: no envelope holds it back."""
        behind = np.where(self.gross[:, None], 0.0, self.i["pv_available"])
        return np.asarray(self.i["demand"] - behind)

    def _take(self, results: xr.Dataset) -> None:
        self.r = arrays(results)
        self.dims = {str(name): _ordered(values.dims) for name, values in results.data_vars.items()}

    def beside(self, results: xr.Dataset) -> "Run":
        """Return a run of the same inputs with other results."""
        other = copy(self)
        for name in ("generated", "apart"):
            vars(other).pop(name, None)
        other._take(results)
        return other

    @cached_property
    def generated(self) -> Array:
        """What the PV of every participant gave (P, T) [kW]."""
        return np.asarray(self.i["pv_available"] - self.r["pv_curtailment"])

    @cached_property
    def apart(self) -> Array:
        """What PV gave at meters of its own (P, T) [kW]: that of participants with gross metering."""
        return np.where(self.gross[:, None], self.generated, 0.0)

    def behind_meters(self, powers: Mapping[str, str]) -> Array:
        """Return the sums (P, T) of devices' powers, by the name of each result: of vehicles while at home."""
        total = np.zeros((self.participants, len(self.hours)))
        for device, name in powers.items():
            if not len(self.owner[device]):  # what nobody has need not stand in the results
                continue
            here = self.at_home if DEVICES[device].host else True
            np.add.at(total, self.owner[device], np.where(here, self.r[name], 0.0))
        return total

    def at_nodes(self, participant: Array, vehicle: Array) -> Array:
        """Return the sums (node, T) of powers of participants (P, T), and of vehicles (V, T) while guests."""
        power = np.zeros((len(self.labels["node"]), len(self.hours)))
        np.add.at(power, self.home, participant)
        v, t = np.nonzero(self.guest)
        np.add.at(power, (self.host_node[v, t], t), vehicle[v, t])
        return power


@derived
def arrays(dataset: xr.Dataset) -> dict[str, Array]:
    """Return the variables as arrays, with the dims in the order of the tables."""
    columns = {str(name): dataset.variables[name] for name in dataset.data_vars}
    return {name: v.transpose(*_ordered(v.dims)).values for name, v in columns.items()}


def _ordered(dims: Collection[Hashable]) -> tuple[str, ...]:
    """Return dims in the order of the tables."""
    return tuple(d for d in ("participant", *DEVICES, *_OTHERS) if d in dims)


def index(labels: Array, values: Array) -> Array:
    """Return the position of every value among the labels, -1 where it is none of them."""
    place = {label: k for k, label in enumerate(labels.tolist())}
    positions = map(place.get, values.ravel().tolist(), repeat(-1))
    return np.fromiter(positions, np.int64, values.size).reshape(values.shape)


def physics(run: Run, linear: bool, planned: bool = True) -> Iterator[Finding]:
    """Yield every physical check; ``linear`` says that minimum charging powers were relaxed.

    What nobody ``planned`` may fall below a minimum by self-discharge.
    """
    for name, values in run.r.items():
        if name not in SIGNED:
            yield Finding(f"negative {name}", run.dims[name], -values)
    yield from _meters(run)
    yield from _guests(run)
    yield from _inverters(run)
    for device in (name for name in loads(run) if len(run.owner[name])):
        yield from _limits(run, device, True)
    for device in stores():
        yield from _store(run, device, planned)
    if not linear:
        charge, least = run.r["vehicle_charge"], run.i["vehicle_min_charge"][:, None]
        yield Finding("vehicle minimum charge", VEHICLE, np.minimum(charge, least - charge))
    yield from _trips(run)
    yield from _transfers(run) if "trade_fee" in run.i else _tree(run)


def edges(run: Run) -> tuple[Array, Array]:
    """Return the net peer power (node, T) [kW] up, and down, the edge from every node to its parent.

    With a fee per pair of nodes, only of the edges that have a limit.
    """
    nodes, slots = len(run.labels["node"]), len(run.hours)
    if "trade_fee" not in run.i:
        flow = run.r.get("node_flow", np.zeros((nodes, slots)))
        return np.maximum(flow, 0.0), np.maximum(-flow, 0.0)
    net = np.zeros((nodes, slots))
    transfer = run.r.get("node_transfer", np.zeros((nodes, nodes, slots)))
    for n in np.flatnonzero(np.isfinite(run.i["node_limit"])):
        inside = _below(run, int(n))
        net[n] = transfer[inside].sum(axis=(0, 1)) - transfer[:, inside].sum(axis=(0, 1))
    return np.maximum(net, 0.0), np.maximum(-net, 0.0)


def _below(run: Run, node: int) -> Array:
    """Return which nodes (node,) have a node on their path to the root, itself included."""
    parent = index(run.labels["node"], run.i["node_parent"])
    at, below = np.arange(len(parent)), np.zeros(len(parent), dtype=bool)
    while (at >= 0).any():
        below |= at == node
        at = np.where(at >= 0, parent[at], -1)
    return below


def _meters(run: Run) -> Iterator[Finding]:
    """Yield balance, own generation, curtailment and connection limits of every participant's meter."""
    i, r = run.i, run.r
    drawn, given = r["grid_import"] + r["peer_purchase"], r["grid_export"] + r["peer_sale"]
    pv = run.generated
    discharge = run.behind_meters({name: row.give for name, row in stores().items()})
    charge = run.behind_meters({name: row.draw for name, row in present(run).items()})
    flows = drawn + given + i["demand"] + i["pv_available"] + charge + discharge
    yield Finding("draw", PARTICIPANT, abs(r["draw"] - drawn), drawn)
    yield Finding("supply", PARTICIPANT, abs(r["supply"] - given), given)
    balance = r["draw"] - r["supply"] - i["demand"] + pv - charge + discharge
    yield Finding("participant balance", PARTICIPANT, abs(balance), flows)
    yield Finding("own generation", PARTICIPANT, r["supply"] - pv - discharge, flows)
    yield Finding("curtailment", PARTICIPANT, r["pv_curtailment"] - i["pv_available"], i["pv_available"])
    yield Finding("import limit", PARTICIPANT, r["draw"] - run.import_limit, drawn)
    apart, limit = run.apart, run.export_limit  # each meter has its connection
    yield Finding("export limit", PARTICIPANT, np.maximum(r["supply"] - apart, apart) - limit, given)


def _inverters(run: Run) -> Iterator[Finding]:
    """Yield what shared inverters convert beyond their limits, and what leaves home of what batteries give to it."""
    kept = np.zeros((run.participants, len(run.hours)))
    np.add.at(kept, run.owner["battery"][run.inward], run.r["battery_discharge"][run.inward])
    charge, discharge = (run.behind_meters({"battery": f"battery_{way}"}) for way in ("charge", "discharge"))
    flows = run.generated + charge + discharge
    output = abs(run.generated - charge + discharge) - run.inverter_limit[:, None]
    yield Finding("inverter limit", PARTICIPANT, output, flows)
    discharge = run.behind_meters({name: row.give for name, row in stores().items()})
    left = run.r["supply"] - run.generated - (discharge - kept)
    home = np.isin(np.arange(run.participants), run.owner["battery"][run.inward])[:, None]
    yield Finding("battery gives to the home alone", PARTICIPANT, np.where(home, left, 0.0), flows)


def _guests(run: Run) -> Iterator[Finding]:
    """Yield balance and own generation of every vehicle that is plugged in away from home."""
    r = run.r
    drawn, given = r["vehicle_import"] + r["vehicle_purchase"], r["vehicle_export"] + r["vehicle_sale"]
    used = np.where(run.guest, r["vehicle_charge"] - r["vehicle_discharge"], 0.0)
    yield Finding("guest balance", VEHICLE, abs(drawn - given - used), drawn + given)
    yield Finding("guest without a host", VEHICLE, np.where(run.guest, 0.0, drawn + given))
    yield Finding("guest own generation", VEHICLE, given - r["vehicle_discharge"], given)


def _store(run: Run, device: str, planned: bool) -> Iterator[Finding]:
    """Yield the recursion and the limits of batteries or vehicles.

    Energy that starts outside its limits is legal, and returns by forced charge or discharge at full power; where a
    connection limit may hold the charger back, it need not.
    """
    i = {name.removeprefix(f"{device}_"): v for name, v in run.i.items() if name.startswith(device)}
    charge, discharge, energy = (run.r[f"{device}_{k}"] for k in ("charge", "discharge", "energy"))
    dims = (device, "time")
    plugged = run.plugged if DEVICES[device].host else np.ones(energy.shape, bool)
    gain = i["charge_efficiency"][:, None] * run.hours
    loss = run.hours / i["discharge_efficiency"][:, None]
    before = np.concatenate([i["initial_energy"][:, None], energy], axis=1)[:, :-1]
    left = remaining(run, device)
    change = gain * charge - loss * discharge
    if device == "vehicle":
        spent = run.r["trip_electric_distance"] / i["electric_economy"][run.driver]
        np.subtract.at(change, (run.driver, run.trip_slot), spent)
    yield Finding(f"{device} energy", dims, abs(energy - left * before - change), before)
    yield from _limits(run, device, plugged)
    free = np.isinf(run.import_limit)[run.owner[device]] & plugged
    if device == "battery":  # an inverter may hold it back, and a home that takes nothing
        wide = np.isinf(run.inverter_limit)[run.owner[device]][:, None]
        free, plugged = free & wide, plugged & wide & ~run.inward[:, None]
    charged = _forced(before[:, 0], gain * i["charge_limit"][:, None] * free, left)
    discharged = _forced(before[:, 0], -loss * i["discharge_limit"][:, None] * plugged, left)
    least = np.minimum(i["min_energy"][:, None], charged)
    if not planned:
        least = np.where(left < 1.0, np.minimum(least, left * before), least)
    most = np.maximum(i["capacity"][:, None], discharged)
    yield Finding(f"{device} minimum", dims, least - energy, least)
    yield Finding(f"{device} capacity", dims, energy - most, most)
    if "target" in i:
        yield from _targets(run, device, i["target"], i.get("target_price"), planned)
    final, limit = i["final_energy"], i.get("final_limit", np.full(len(energy), np.nan))
    below = np.where(np.isnan(final), -np.inf, final - energy[:, -1])
    above = np.where(np.isnan(limit), -np.inf, energy[:, -1] - limit)
    yield Finding(f"{device} final energy", (device,), np.maximum(below, above), energy[:, -1])


def _targets(run: Run, device: str, target: Array, price: Array | None, planned: bool) -> Iterator[Finding]:
    """Yield what the stores of a device lack of their targets: as stored, and where a plan may lack nothing."""
    energy, dims = run.r[f"{device}_energy"], (device, "time")
    lack = np.where(np.isnan(target), 0.0, np.maximum(target - energy, 0.0))
    yield Finding(f"{device} breach", dims, abs(run.r[f"{device}_breach"] - lack), energy)
    if planned:
        firm = np.ones(len(energy), dtype=bool) if price is None else np.isnan(price)
        yield Finding(f"{device} target", dims, np.where(firm[:, None], lack, 0.0), energy)


def remaining(run: Run, device: str) -> Array:
    """Return what is left of a kWh after each slot of self-discharge (store, T)."""
    per_day = run.i.get(f"{device}_self_discharge", np.zeros(len(run.owner[device])))
    return np.exp(np.outer(np.log1p(-per_day), run.hours) / 24.0)


def _forced(start: Array, change: Array, left: Array) -> Array:
    """Return the energies (store, T) [kWh] of a start (store,) that changes by so much in every slot."""
    levels = [start]
    for part, more in zip(left.T, change.T, strict=True):
        levels.append(part * levels[-1] + more)
    return np.stack(levels[1:], axis=1)


def _limits(run: Run, device: str, plugged: Array | bool) -> Iterator[Finding]:
    """Yield what a device takes and gives against its limits, nothing where it is not ``plugged`` (device, T)."""
    row = DEVICES[device]
    for name, most in ((row.draw, row.draw_limit), (row.give, row.give_limit)):
        if name:
            limit = np.where(plugged, run.i[most][:, None], 0.0)
            yield Finding(f"{name.replace('_', ' ')} limit", (device, "time"), run.r[name] - limit, limit)


def _trips(run: Run) -> Iterator[Finding]:
    """Yield distance and fuel of every trip."""
    electric, distance = run.r["trip_electric_distance"], run.i["trip_distance"]
    economy = run.i["vehicle_fuel_economy"][run.driver]
    on_fuel = distance - electric
    fuel = np.where(np.isnan(economy), 0.0, on_fuel / economy)
    yield Finding("trip distance", ("trip",), -on_fuel, distance)
    yield Finding("trip without an engine", ("trip",), np.where(np.isnan(economy), on_fuel, 0.0), distance)
    yield Finding("trip fuel", ("trip",), abs(run.r["trip_fuel"] - fuel), fuel)


def _tree(run: Run) -> Iterator[Finding]:
    """Yield the balance of every node: sales - purchases + what its children send up = what it sends up."""
    parent = index(run.labels["node"], run.i["node_parent"])
    up, down = edges(run)
    net = run.at_nodes(
        run.r["peer_sale"] - run.r["peer_purchase"], run.r["vehicle_sale"] - run.r["vehicle_purchase"]
    )
    np.add.at(net, parent[parent >= 0], (up - down)[parent >= 0])
    traded = run.at_nodes(
        run.r["peer_sale"] + run.r["peer_purchase"], run.r["vehicle_sale"] + run.r["vehicle_purchase"]
    )
    yield Finding("node balance", ("node", "time"), abs(net - up + down), traded + up + down)
    limit = np.where(parent >= 0, run.i["node_limit"], 0.0)[:, None]
    yield Finding("node limit", ("node", "time"), np.maximum(up, down) - limit, up + down)


def _transfers(run: Run) -> Iterator[Finding]:
    """Yield the balances of transfers between nodes with sales and purchases, and the limits of edges."""
    nodes, slots = len(run.labels["node"]), len(run.hours)
    transfer = run.r.get("node_transfer", np.zeros((nodes, nodes, slots)))
    sold = run.at_nodes(run.r["peer_sale"], run.r["vehicle_sale"])
    bought = run.at_nodes(run.r["peer_purchase"], run.r["vehicle_purchase"])
    yield Finding("node sales", ("node", "time"), abs(sold - transfer.sum(axis=1)), sold)
    yield Finding("node purchases", ("node", "time"), abs(bought - transfer.sum(axis=0)), bought)
    up, down = edges(run)
    excess = np.maximum(up, down) - run.i["node_limit"][:, None]
    yield Finding("node limit", ("node", "time"), excess, up + down)
