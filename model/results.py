"""Results of a solved community as a Dataset: one loop over its variables, whose name, dims and unit the model states.

Variables over meters become variables over participants (folded ones by their share of the pool) and, for
vehicles plugged in away from home, over vehicles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.objective import Objective, maximize
from pyomo.core.base.var import Var

from ..data.inputs.arrays import assembled
from ..data.inputs.devices import stores
from .grid.loads import PHASES
from .grid.scarcity import scarcity
from .labels import Array, positions
from .lp.components import ArrayVar
from .topology.fee_tree import limited_edges
from .topology.joint_peaks import joint_peaks
from .topology.meters import Meters
from .topology.peaks import peaks
from .topology.stores import lacking
from .topology.tiers import tiers

NOISE = 1e-9
"""Solver noise below this (kW, kWh, km) counts as zero."""

_GUEST = {
    "grid_import": ("vehicle_import", "bought from the retailer while plugged in away from home"),
    "grid_export": ("vehicle_export", "sold to the retailer while plugged in away from home"),
    "peer_purchase": ("vehicle_purchase", "bought from peers while plugged in away from home"),
    "peer_sale": ("vehicle_sale", "sold to peers while plugged in away from home"),
}
_DRAWN = ("grid_import", "peer_purchase")


def collect(community: Any) -> xr.Dataset:
    """Return the results of a solved community block (kW unless the variable says otherwise).

    Prices are those of the solve that the block holds. A block that another solver of Pyomo solved has prices if the
    model has a suffix ``dual`` with them, else values alone.

    Raises
    ------
    ValueError
        If the block has not been solved.
    """
    inputs, meters = community.inputs, community.meters
    currency = inputs.attrs["currency"]
    solution: dict[str, Any] = {}
    for family in community.component_objects(Var, descend_into=True):
        if isinstance(family, ArrayVar) and family.result is not None:
            solution |= _family(family, meters)
    network = community.component("network")
    if network is not None and not all(f.stored for f in community.component_objects(Var)):
        for market in filter(None, (network, community.component("wires"))):
            _take_duals(community.model(), market)
    nodes = {} if network is None else _nodes(network, inputs, currency, community.weight)
    if community.loss_price is not None:
        unit, doc = f"{currency}/kWh", "what one more kWh drawn costs in losses of the network"
        nodes |= {"loss_price": variable(("participant", "time"), community.loss_price, unit, doc)}
    values = _peaks(community) | _joint_peaks(community) | _tiers(community)
    found = assemble(inputs, solution | nodes | values | (scarce := _scarcity(community)))
    phased = any("phase" in own[0] for own in scarce.values())
    return found.assign_coords(phase=("phase", np.array(PHASES))) if phased else found


def scarcity_of(community: Any) -> tuple[dict[str, Array], dict[str, Array]] | None:
    """Return values and prices of what is scarce in the network (`grid.scarcity`); None without rows of it, or duals."""
    wires = community.component("wires")
    rows = [] if wires is None else list(wires.component_objects(Constraint))
    if wires is None or any(family.dual is None for family in rows):
        return None
    duals = {family.local_name: family.dense_dual() / community.weight for family in rows}
    return scarcity(community.inputs, duals)


def _scarcity(community: Any) -> dict[str, Any]:
    """Return what is scarce in the network as results variables, where there is something to say."""
    if (found := scarcity_of(community)) is None:
        return {}
    values, prices = found
    of_wires, of_people = ("node", "phase", "time"), ("participant", "time")
    said = {
        "voltage_value": (
            of_wires,
            "V",
            "saving by one more volt at the limit: + of the highest voltage, - of the lowest",
        ),
        "edge_value": (
            of_wires,
            "kW",
            "saving by one more kW of the edge to the parent: + towards the node, - to the parent",
        ),
        "node_value": (
            ("node", "time"),
            "kW",
            "saving by one more kW of the node's limit over time: + of what flows into it, - out of it",
        ),
        "voltage_price": (of_people, "kWh", "what one more kWh drawn costs others for scarce voltage"),
        "congestion_price": (
            of_people,
            "kWh",
            "what one more kWh drawn costs others for full lines, transformers and limits of nodes",
        ),
    }
    scarce, currency = values | prices, community.inputs.attrs["currency"]
    return {
        name: variable(dims, scarce[name], f"{currency}/{unit}", doc)
        for name, (dims, unit, doc) in said.items()
        if name in scarce
    }


def _slot_rows(block: Any) -> list[Any] | None:
    """Return the families of rows over time of a block of peaks; None without a block, or without their duals."""
    if block is None:
        return None
    rows = [family for family in block.component_objects(Constraint) if family.dims[-1] == "time"]
    return None if any(family.dual is None for family in rows) else rows


def _tiers(community: Any) -> dict[str, Any]:
    """Return the marginal values of tiers as a results variable."""
    value = tier_values(community)
    if value is None:
        return {}
    doc = "by how much one more kWh from the retailer is dearer than the first"
    unit = f"{community.inputs.attrs['currency']}/kWh"
    return {"tier_value": variable(("participant", "time"), value, unit, doc)}


def tier_values(community: Any) -> Array | None:
    """Return by how much one more kWh from the retailer is dearer than the first (P, T); None without duals."""
    block, own = community.component("tiers"), tiers(community.inputs)
    if block is None or any(family.dual is None for family in block.component_objects(Constraint)):
        return None
    value = np.zeros((community.inputs.sizes["participant"], community.inputs.sizes["time"]))
    for family in block.component_objects(Constraint):
        value -= family.dense_dual()[:, own[family.dims[-1]].period] / community.weight
    return value


def _joint_peaks(community: Any) -> dict[str, Any]:
    """Return what one more kW drawn by its customers adds to the charge of a tariff's peak (peak, time)."""
    own, rows = joint_peaks(community.inputs), _slot_rows(community.component("joint_peaks"))
    if own is None or rows is None:
        return {}
    rank = own.mine.cumsum(axis=0) * own.mine
    value = np.zeros((len(own.price), len(own.day)))
    for number, family in enumerate(rows, start=1):
        q, tariff = np.nonzero(rank == number)
        value[q] = -family.dense_dual()[tariff] / community.weight
    doc = "what one more kW drawn by the tariff's customers adds to its peak charge"
    unit = f"{community.inputs.attrs['currency']}/kW"
    return {"joint_peak_value": variable(("peak", "time"), value, unit, doc)}


def _peaks(community: Any) -> dict[str, Any]:
    """Return the marginal values of peaks as a results variable."""
    value = peak_values(community)
    if value is None:
        return {}
    doc = "what one more kW drawn adds to the peak charges"
    unit = f"{community.inputs.attrs['currency']}/kW"
    return {"peak_value": variable(("participant", "time"), value, unit, doc)}


def peak_values(community: Any) -> Array | None:
    """Return what one more kW drawn in a slot adds to the peak charges (P, T) [currency/kW]; None without duals."""
    rows = _slot_rows(community.component("peaks"))
    own = peaks(community.inputs, joint=community.component("joint_peaks") is not None)
    if own is None or rows is None:
        return None
    meters = community.meters
    alone = np.bincount(meters.draws_at, minlength=len(meters.label))[meters.draws_at] == 1
    must = np.where(alone[:, None], 0.0, meters.demand[meters.draws_at] * meters.draw_share)
    value = own.values(must)
    for family in rows:
        dual = family.dense_dual()[meters.draws_at] / community.weight
        value -= np.where(alone[:, None], dual, 0.0)
    return value


def assemble(inputs: xr.Dataset, solution: dict[str, Any]) -> xr.Dataset:
    """Return results from the variables of a solution: with zeros for a market that it lacks, and totals."""
    for name, (away, doc) in _GUEST.items():
        for key, dim in ((name, "participant"), (away, "vehicle")):
            zero = np.zeros((inputs.sizes[dim], inputs.sizes["time"]))
            solution.setdefault(
                key, variable((dim, "time"), zero, "kW", doc if key == away else doc.split(" while")[0])
            )
    solution |= _totals(solution, inputs) | _breaches(solution, inputs)
    return assembled(inputs, solution)


def variable(dims: tuple[str, ...], values: Array, unit: str, doc: str) -> Any:
    """Return a results variable with its attributes; magnitudes below ``NOISE`` are zero."""
    values = np.where(np.abs(values) < NOISE, 0.0, values)
    return dims, values, {"long_name": doc, "units": unit}


def _family(family: ArrayVar, meters: Meters) -> dict[str, Any]:
    """Return a variable family as named variables, split from meters to participants and vehicles."""
    name = family.result or f"{family.parent_block().local_name}_{family.local_name}"
    values = family.dense()
    if family.dims[0] != "meter":
        return {name: variable(family.dims, values, family.unit, family.doc)}
    if name in _DRAWN:
        own = values[meters.draws_at] * meters.draw_share
    else:
        own = values[meters.gives_at] * meters.give_share
        own += np.where((meters.pv_at != meters.gives_at)[:, None], values[meters.pv_at], 0.0)
    parts = {name: variable(("participant", "time"), own, family.unit, family.doc)}
    if name in _GUEST:
        away, doc = _GUEST[name]
        guest = np.where(meters.guest[:, None] >= 0, values[meters.guest], 0.0)
        parts[away] = variable(("vehicle", "time"), guest, family.unit, doc)
    return parts


def _totals(solution: dict[str, Any], inputs: xr.Dataset) -> dict[str, Any]:
    """Return draw and supply (P, T) [kW] of the participants, and the fuel (trip,) [L] of the trips."""
    dims = ("participant", "time")
    driver = positions(inputs, "trip_vehicle", "vehicle")
    economy = inputs["vehicle_fuel_economy"].values[driver]
    on_fuel = inputs["trip_distance"].values - solution["trip_electric_distance"][1]
    fuel = np.where(np.isnan(economy), 0.0, on_fuel / economy)
    draw = solution["grid_import"][1] + solution["peer_purchase"][1]
    supply = solution["grid_export"][1] + solution["peer_sale"][1]
    return {
        "draw": variable(dims, draw, "kW", "drawn at the meter, from the retailer and from peers"),
        "supply": variable(dims, supply, "kW", "given at the meter, to the retailer and to peers"),
        "trip_fuel": variable(("trip",), fuel, "L", "fuel burnt"),
    }


def _breaches(solution: dict[str, Any], inputs: xr.Dataset) -> dict[str, Any]:
    """Return what stores lack of their targets (store, T) [kWh], of devices of which one has a target."""
    doc = "energy that it lacks of its target"
    return {
        f"{device}_breach": variable(
            (device, "time"), lacking(inputs, device, solution[f"{device}_energy"][1]), "kWh", doc
        )
        for device in stores()
        if f"{device}_target" in inputs
    }


def _take_duals(model: Any, network: Any) -> None:
    """Take the duals of the rows that make prices from the suffix ``dual`` of a model that another solver solved."""
    suffix = model.component("dual")
    senses = [objective.sense for objective in model.component_data_objects(Objective, active=True)]
    for family in network.component_objects(Constraint):
        duals = [None if suffix is None else suffix.get(row) for row in family.values()]
        known = None not in duals and len(duals) == len(family.position)
        sign = -1.0 if maximize in senses else 1.0
        family.dual = sign * np.array(duals, dtype=float) if known else None


def _nodes(network: Any, inputs: xr.Dataset, currency: str, weight: float) -> dict[str, Any]:
    """Return prices at the nodes from the duals of the nodes' rows, and the flow over the edges of the tree.

    ``weight`` is that of the block's cost in what was minimised (`planning`).
    """
    unit, dims = f"{currency}/kWh", ("node", "time")
    variables: dict[str, Any] = {}
    counted = inputs["slot_hours"].values * weight
    if network.component("up") is not None:
        flow = network.up.dense() - network.down.dense()
        variables["node_flow"] = variable(dims, flow, "kW", "peer power to the parent node, - from it")
        row = network.node_balance
        prices = None if row.dual is None else (row.dense_dual(), row.dense_dual())
        if prices is not None and row.offer is not None:
            worth = row.dense_offer() / counted
            doc = "value of one more watt offered at the node"
            variables["offer_value"] = (dims, worth, {"long_name": doc, "units": unit})
    else:
        prices = _pair_prices(network, inputs, weight)
    docs = ("value of energy that a peer buys at the node", "value of energy that a peer sells at the node")
    for name, values, doc in zip(("price", "sale_price"), prices or (), docs, strict=False):
        variables[name] = (dims, values / counted, {"long_name": doc, "units": unit})
    return variables


def _pair_prices(network: Any, inputs: xr.Dataset, weight: float) -> tuple[Array, Array] | None:
    """Return the duals of buying and of selling at each node (node, time).

    Where nobody could buy, the price is what the cheapest seller's energy would cost there; where nobody could
    sell, what the best buyer would give for it; zero where that is nobody either. With the duals p of buying at j, q of
    selling at i and m <= 0 of what flows over full edges, and the way w = 1 or -1 in which the pair crosses each::

        p[j] = min over i of (q[i] + fee[i,j] - sum over edges of w[i,j] m)        q[i] the like, max over j
    """
    buying, selling = network.node_purchase, network.node_sale
    if buying.dual is None or selling.dual is None:
        return None
    fee = inputs["trade_fee"].values[:, :, None] * inputs["slot_hours"].values * weight
    for node, way in limited_edges(inputs).items():
        fee = fee - way[:, :, None] * network.component(f"edge_limit_{node}").dense_dual()
    price, sale_price = buying.dense_dual(), selling.dense_dual()
    offered = np.where(selling.exists(), sale_price, np.inf)[:, None] + fee
    wanted = np.where(buying.exists(), price, -np.inf)[None, :] - fee
    cheapest, best = offered.min(axis=0), wanted.max(axis=1)
    price = np.where(buying.exists(), price, np.where(np.isinf(cheapest), 0.0, cheapest))
    return price, np.where(selling.exists(), sale_price, np.where(np.isinf(best), 0.0, best))
