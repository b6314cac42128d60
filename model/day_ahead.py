"""A day ahead: contracts among peers that hold in several futures, in each of which dispatch follows what comes.

Each future f is a community of its own (`clearing.community_block`), as likely as p[f]. What peers contract is decided
before it is known which one comes: at the most C+[m,t] that a meter buys from peers, and C-[m,t] that it sells to them.
Contracts balance like trades do, over the edges of the fee tree and within their limits. When the future is known,
devices and the retailer's power follow it, and what peers deliver is part of what they contracted::

    minimise  sum over f of p[f] (cost[f] + sum over m, t of fee[t] (missing+[f,m,t] + missing-[f,m,t]) hours[t])

    purchase[f,m,t] <= C+[m,t],    missing+[f,m,t] >= C+[m,t] - purchase[f,m,t] - imports[f,m,t]
    sale[f,m,t]     <= C-[m,t],    missing-[f,m,t] >= C-[m,t] - sale[f,m,t] - exports[f,m,t]

or the worst futures count more (`tail`). The fee is that on imbalance: who drew or gave less than it contracted pays it,
whoever kept its contract nothing. The rest is the retailer's on the tariff. A contract of a vehicle that turns up at
another node is void. Contracts themselves cost nothing: without a fee they only have to be large enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from pyomo.core.base.constraint import Constraint

from ..data.inputs import devices
from ..data.inputs.contract import optional
from .clearing import Community, community_block, touches
from .devices.device import Device, Sets
from .devices.loads.tasks import tasks
from .devices.peer_market import network
from .labels import Array, places
from .planning import Plan, joined, weighed
from .results import collect
from .risk import NEUTRAL, Risk
from .topology.meters import Meters
from .topology.meters import meters as meters_of


class Contracts(NamedTuple):
    """What peers contract: ``purchase`` and ``sale`` (contract, time) [kW], of meters at (positions of) nodes.

    ``transfer`` (node, node, time) [kW] is what flows between nodes, where fees are by pair.
    """

    label: Array
    node: Array
    purchase: Array
    sale: Array
    transfer: Array | None = None


def day_ahead_block(
    futures: Sequence[xr.Dataset],
    probability: Sequence[float],
    *,
    risk: Risk = NEUTRAL,
    shared: int | None = None,
    committed: int = 0,
    bounds: Sequence[xr.Dataset] = (),
) -> Plan:
    """Build the model of a day ahead as a Pyomo Block: the futures as periods of a plan, and the block ``contracts``.

    Parameters
    ----------
    futures : sequence of xr.Dataset
        Completed inputs of each, with the same slots, participants, devices and nodes; minimum charge powers are left
        aside.
    probability : sequence of float
        How likely each is.
    risk : Risk
        How the costs of futures are weighed.
    shared : int, optional
        Slots, from the first on, for which contracts are made, and which have prices; later ones are left to each
        future, and what energy is worth in them is any dual. Default: all.
    committed : int
        Slots, from the first on, in which stores and deferrable loads do the same in all futures, and the same runs
        begin. Later ones are no more than a plan then: runs may begin in parts there. With 0 all dispatch follows the
        future, and runs are whole.
    bounds : sequence of xr.Dataset
        Further inputs whose meters could contract what they draw and give, without a part in the cost.

    Raises
    ------
    InputError
        With every problem of the inputs.
    """
    blocks = [community_block(inputs, "p2p", pool=False, minimum_charge=False) for inputs in futures]
    every = [block.meters for block in blocks] + [
        meters_of(inputs, peers=True, pool=False) for inputs in bounds
    ]
    slots = futures[0].sizes["time"] if shared is None else shared
    where = _places(every)
    market = _market(futures[0], every, where, slots)
    for block, place in zip(blocks, where.place, strict=False):
        _within(block, market, place)
        _publish(block.component("network"), slots)
        _alike(block, blocks[0], committed)
    plan = joined(blocks, probability, future=range(len(blocks)), risk=risk)
    plan.add_component("contracts", market)
    return plan


def contracted(plan: Plan) -> Contracts:
    """Return what a solved day ahead contracts."""
    own = plan.component("contracts")
    purchase, sale = (own.component(name).dense() for name in ("purchase", "sale"))
    transfer = own.component("transfer")
    between = None if transfer is None else transfer.dense()
    return Contracts(own.contract_label, own.contract_node, purchase, sale, between)


def fix(plan: Plan, contracts: Contracts) -> None:
    """Fix what a day ahead contracts, for what comes of it; what it could not contract is void."""
    own = plan.component("contracts")
    known = {pair: k for k, pair in enumerate(zip(contracts.label, contracts.node, strict=True))}
    at = np.array([known.get(pair, -1) for pair in zip(own.contract_label, own.contract_node, strict=True)])
    for name in ("purchase", "sale"):
        family, power = own.component(name), np.where(at[:, None] >= 0, getattr(contracts, name)[at], 0.0)
        family.lower = family.upper = family.entries_of(power)


def results(plan: Plan) -> list[xr.Dataset]:
    """Return the results of each future of a solved day ahead, with the prices of that future."""
    return [collect(block) for block in weighed(plan)]


def expected(plan: Plan, results: Sequence[xr.Dataset]) -> dict[str, Array]:
    """Return what energy is expected to be worth at the nodes (node, time) [currency/kWh]: bought, and sold.

    ``results`` are those of the futures.
    """
    return {
        name: np.asarray(np.tensordot(plan.probability, np.stack([r[name].values for r in results]), axes=1))
        for name in ("price", "sale_price")
    }


class _Where(NamedTuple):
    """The contracts by meter and node (contract,), and in each future the meter (contract, time) of each, or -1."""

    label: Array
    node: Array
    place: list[Array]


def _places(every: Sequence[Meters]) -> _Where:
    """Return which contracts there could be: of each meter at each node where it ever is."""
    pairs: dict[tuple[str, int], int] = {}
    for meters in every:
        for label, row in zip(meters.label.tolist(), meters.node, strict=True):
            for node in np.unique(row[row >= 0]).tolist():
                pairs.setdefault((label, node), len(pairs))
    label, node = (np.array(column) for column in zip(*pairs, strict=True))
    place = []
    for meters in every:
        meter = places(meters.label, label)
        here = (meters.node[meter] == node[:, None]) & (meter[:, None] >= 0)
        place.append(np.where(here, meter[:, None], -1))
    return _Where(label, node, place)


def _market(inputs: xr.Dataset, every: Sequence[Meters], where: _Where, slots: int) -> Device:
    """Return the block of contracts: a market of peers whose meters could do whatever they could in any future."""
    shape = (len(where.label), inputs.sizes["time"])
    early = np.arange(shape[1]) < slots

    def most(name: str) -> Array:
        own = [m.at(place, getattr(m, name)) for m, place in zip(every, where.place, strict=True)]
        return np.where(early, np.max(own, axis=0), 0.0)

    draws, gives = most("draw_capacity"), most("give_capacity")
    nobody = np.zeros(0, dtype=int)
    node = np.where((draws > 0) | (gives > 0), where.node[:, None], -1)
    label = np.array(
        [f"{a}@{inputs['node'].values[b]}" for a, b in zip(where.label, where.node, strict=True)]
    )
    meters = replace(
        every[0],
        label=label,
        node=node,
        draw_capacity=draws,
        give_capacity=gives,
        access=np.zeros(shape),
        shared=np.zeros(shape),
        draws_at=nobody,
        gives_at=nobody,
        guest=nobody,
        place={"vehicle": np.zeros((0, shape[1]), dtype=int)},
    )
    sets = Sets(inputs, meters)
    block = network(inputs, meters, sets)
    block.add_component("sets", sets)
    block.contract_label, block.contract_node = where.label, where.node
    _publish(block, 0)  # prices are those of the futures: contracts cost nothing themselves
    return block


def _publish(market: Device, slots: int) -> None:
    """Publish prices of the first slots of a market of peers alone."""
    for rows in market.component_objects(Constraint):
        rows.published &= rows.position % rows.shape[-1] < slots


def _within(block: Community, market: Device, place: Array) -> None:
    """Hold what a future's peers deliver to the contracts, and charge the fee on what is missing of them."""
    fee, hours = optional(block.inputs, "imbalance_fee"), block.inputs["slot_hours"].values
    shape, slots = block.meters.demand.shape, place.shape[1]
    target = np.where(place >= 0, place * slots + np.arange(slots), -1).ravel()
    taken = {"purchase": "imports", "sale": "exports"}
    formula = "{0}[m,t] <= contracts.{0}[m,t]"
    for name, other in taken.items():
        agreed = market.component(name).linear().into(target, shape)
        there = touches(agreed)
        traded = block.component("network").component(name).linear()
        block.row(f"{name}_contracted", traded <= agreed, formula.format(name), where=there & touches(traded))
        doc, charged = f"power that a {name} lacks of its contract", there & (fee > 0)
        missing = block.var(f"missing_{name}", "kW", doc, where=charged, result=None)
        from_retailer = block.component("grid").component(other).linear()
        block.row(
            f"{name}_missing",
            missing >= agreed - traded - from_retailer,
            f"missing_{name}[m,t] >= contracts.{name}[m,t] - {name}[m,t] - {other}[m,t]",
            where=charged,
        )
        block.spent = block.spent + (fee * hours * missing).sum()


def _alike(block: Community, first: Community, slots: int) -> None:
    """Let stores, deferrable loads and beginning runs of a future do in the first slots what they do in the first one.

    Heat pumps and demand that is shed follow the heat and the demand that come.
    """
    early = np.arange(block.inputs.sizes["time"]) < slots
    loads = block.component("flexible_load")
    same: list[tuple[str, str, bool | Array]] = [
        (device, verb, True) for device in devices.stores() for verb in ("charge", "discharge")
    ]
    if loads is not None and slots:
        same.append(("flexible_load", "power", tasks(block.inputs).deferrable[:, None]))
        if (start := loads.component("start")) is not None:
            same.append(("flexible_load", "start", True))
            start.binary = early[start.position % len(early)]
    for device, name, which in same if block is not first else ():
        own, other = (of.component(device).component(name).linear() for of in (block, first))
        block.row(
            f"{device}_{name}_decided",
            own - other == 0.0,
            f"{name}[d,t] = that of the first future",
            where=early & which & touches(own - other),
            dims=(device, "time"),
        )
