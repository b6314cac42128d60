"""A common plan for several futures: contracts and dispatch of the slot that closes, decided before it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ..day_ahead import Contracts, contracted, day_ahead_block, results
from ..exchange.deals import Deals, joined
from ..labels import Array, positions
from ..planning import weighed
from ..risk import NEUTRAL, Risk
from ..settlement import trades
from ..solver.basis import Basis
from ..solver.solve import solve
from ..topology.traders import parties
from .planning import Plan, of_block, ways


def hedged(
    seen: xr.Dataset,
    futures: Sequence[xr.Dataset],
    probability: Array,
    start: Basis | None = None,
    risk: Risk = NEUTRAL,
) -> tuple[Plan, Deals]:
    """Return the community's plan for several futures, and the deals of its first slot.

    What stores and deferrable loads do in the first slot, which runs begin with it and what peers contract for it is the
    same in all futures (`day_ahead`); later slots are each future's own. The plan is the mean of the futures, for the
    demand and PV of :func:`average`, the value of stored energy and of tasks its expectation.

    Parameters
    ----------
    seen : xr.Dataset
        The inputs as expected, whose trips the plan is for.
    futures : sequence of xr.Dataset
        Inputs of each, with the same slots and entities but for trips.
    probability : Array
        (future,).
    start : Basis, optional
        Of the plan before.
    risk : Risk
        How the costs of futures are weighed.
    """
    seen, futures = ways(seen), [ways(inputs) for inputs in futures]
    block = day_ahead_block(futures, probability.tolist(), risk=risk, shared=1, committed=1)
    solution = solve(block, start=start, tie_break=False, one_way=False)
    plans = [of_block(own, inputs, True) for own, inputs in zip(weighed(block), futures, strict=True)]

    def mean(name: str, weights: Array = probability) -> Array:
        return np.asarray(np.tensordot(weights, np.stack([getattr(plan, name) for plan in plans]), axes=1))

    first, each = seen.isel(time=[0]), [of_future.isel(time=[0]) for of_future in results(block)]
    likely = {
        name: _mean([of_future[name] for of_future in each], probability)
        for name in _TRADED
        if name in each[0]
    }
    most = _agreed(first, contracted(block))
    more = likely | {name: np.maximum(power - likely[name], 0.0) for name, power in most.items()}
    deals = joined([_deals(first, power) for power in (likely, more)])
    every = ("charge", "discharge", "wanted", "net", "peak_value", "beyond", "backup", "load", "start")
    duals = np.full(len(plans), 1 / len(plans))  # they count their futures already
    plan = replace(
        plans[0],
        **{name: mean(name) for name in every},
        value=mean("value", duals),
        load_value=mean("load_value", duals),
        ceiling=np.min([own.ceiling for own in plans], axis=0),
        electric=_electric(seen, futures, plans, probability),
        basis=solution.basis,
    )
    hours = float(seen["slot_hours"].values[0])
    plan.wanted[:, 0] = (
        plan.net[:, 0] - deals.net(len(plan.net)) / hours
    )  # contracts may be more than is expected
    return plan, deals


def average(seen: xr.Dataset, futures: Sequence[xr.Dataset], probability: Array) -> xr.Dataset:
    """Return the inputs as expected, with the mean of what demand, PV and demand that may be shed are in futures."""
    names = ("demand", "pv_available", "flexible_load_demand")
    means = {name: _mean([own[name] for own in futures], probability) for name in names if name in seen}
    return seen.assign({name: seen[name].copy(data=values) for name, values in means.items()})


def _electric(
    seen: xr.Dataset, futures: Sequence[xr.Dataset], plans: Sequence[Plan], probability: Array
) -> Array:
    """Return how far expected trips (trip,) go on electricity [km]: the mean over the futures that have them."""
    total, weight = np.zeros((2, seen.sizes["trip"]))
    for inputs, plan, likely in zip(futures, plans, probability, strict=True):
        order = {label: k for k, label in enumerate(inputs["trip"].values.tolist())}
        at = np.array([order.get(label, -1) for label in seen["trip"].values.tolist()], dtype=int)
        total += np.where(at >= 0, likely * np.append(plan.electric, 0.0)[at], 0.0)
        weight += np.where(at >= 0, likely, 0.0)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


_TRADED = (
    "peer_purchase",
    "peer_sale",
    "vehicle_purchase",
    "vehicle_sale",
    "node_transfer",
    "price",
    "sale_price",
)


def _mean(values: Sequence[Any], probability: Array) -> Array:
    """Return the mean of the values of futures."""
    return np.asarray(np.tensordot(probability, np.stack([own.values for own in values]), axes=1))


def _agreed(first: xr.Dataset, contracts: Contracts) -> dict[str, Array]:
    """Return what participants and vehicles away from home contract in a slot, as results have it [kW]."""
    pairs = list(zip(contracts.label.tolist(), contracts.node.tolist(), strict=True))
    rows = {pair: k for k, pair in enumerate(pairs)}
    home = positions(first, "participant_node", "node")
    host = positions(first, "vehicle_host", "participant")[:, 0]
    visitors = [f"guest:{car}" for car in first["vehicle"].values.tolist()]
    who = {
        "peer": zip(first["participant"].values.tolist(), home.tolist(), strict=True),
        "vehicle": zip(visitors, np.where(host >= 0, home[host], -1).tolist(), strict=True),
    }
    power = {}
    for kind, own in who.items():
        at = np.array([rows.get(pair, -1) for pair in own], dtype=int)
        for side in ("purchase", "sale"):
            power[f"{kind}_{side}"] = np.append(getattr(contracts, side)[:, 0], 0.0)[at][:, None]
    if contracts.transfer is not None:
        power["node_transfer"] = contracts.transfer[:, :, :1]
    return power


def _deals(first: xr.Dataset, power: dict[str, Array]) -> Deals:
    """Return the trades of a slot behind what is bought and sold [kW], at the prices that are expected at the nodes.

    Where expected prices at both ends differ by less than the fee of the way, both sides bear the difference.
    """
    dims = {
        "peer": ("participant", "time"),
        "vehicle": ("vehicle", "time"),
        "node": ("node", "node_to", "time"),
    }
    made = trades.bilateral(
        first,
        xr.Dataset({n: (dims.get(n.partition("_")[0], ("node", "time")), v) for n, v in power.items()}),
    )
    seller, buyer, _ = parties(first, made)
    columns = {n: made[f"trade_{n}"].values for n in ("energy", "price", "fee", "congestion", "contracted")}
    short = np.minimum(columns["congestion"], 0.0)
    columns |= {"price": columns["price"] + short / 2, "congestion": columns["congestion"] - short}
    return Deals(seller, buyer, **columns)
