"""Plans: one program that decides how much is built, for days that share what is built.

Each *period* is a community of its own time (`clearing.community_block`), a day or a horizon of several. All of them
share the sizes of their candidates, so that they are one program::

    minimise  sum over periods d of weight[d] * cost[d]

with the weights on average 1, and cost[d] the cost of a period, its part of what is built included. Stores are carried
within a period: without an initial energy (NaN) they end with what they start with, whatever that is.

Periods may be of several *futures*, of which one comes, as likely as its periods weigh. The sum is the expected cost
then, of which a part may be weighed by the worst futures instead (`tail`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from pyomo.core.base.block import ScalarBlock
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.var import Var

from ..data.inputs import devices
from ..data.inputs.contract import optional
from .clearing import Community, community_block
from .devices.investment import WHOLE, Sizes
from .labels import Array
from .lp.expressions import Linear
from .lp.rows import ArrayCost
from .results import collect
from .risk import NEUTRAL, Risk
from .tail import tail
from .topology.candidates import built

BOTH = 1e-6
"""Power [kW] both ways at once that is one way: what the solver's tolerance leaves."""
WATT = 1e-3
"""Size [kW, kWh] by which a plan is enlarged to see what more is worth."""


class Plan(ScalarBlock):
    """The periods of a plan, blocks ``period_1`` and so on, of which the first has the sizes of candidates.

    ``weights`` (period,) are on average 1; ``future`` (period,) is the position of the future that each is of.
    """

    periods: list[Community]
    weights: Array
    future: Array
    risk: Risk

    @property
    def probability(self) -> Array:
        """How likely each future is (future,)."""
        return np.asarray(np.bincount(self.future, self.weights) / self.weights.sum())

    def by_future(self) -> Array:
        """Return how often each period (period,) counts if its future comes."""
        return np.asarray(self.weights / self.probability[self.future])

    @property
    def investment(self) -> Any:
        """The block of what could be built, None where there is nothing of it."""
        return self.periods[0].component("investment")


def plan_block(
    periods: Sequence[xr.Dataset],
    weights: Sequence[float] | None = None,
    market: str = "p2p",
    *,
    minimum_charge: bool = True,
    future: Sequence[int] | None = None,
    risk: Risk = NEUTRAL,
) -> Plan:
    """Build the model of a plan as a Pyomo Block.

    Parameters
    ----------
    periods : sequence of xr.Dataset
        Completed inputs of each period, with the same candidates, participants and devices. ``candidate_cost`` is
        that of the period's horizon.
    weights : sequence of float, optional
        How often each period counts; only their proportions matter. Default: alike.
    market, minimum_charge
        As of :func:`community_block`.
    future : sequence of int, optional
        Position of the future that each period is of. Default: one.
    risk : Risk
        How the costs of futures are weighed.

    Raises
    ------
    InputError
        With every problem of the inputs.
    """
    sizes: Sizes | None = None
    blocks = []
    for inputs in periods:
        blocks.append(community_block(inputs, market, minimum_charge=minimum_charge, sizes=sizes))
        if sizes is None and blocks[0].component("investment") is not None:
            sizes = blocks[0].component("investment").decided
    return joined(blocks, weights, future=future, risk=risk)


def joined(
    blocks: Sequence[Community],
    weights: Sequence[float] | None = None,
    *,
    future: Sequence[int] | None = None,
    risk: Risk = NEUTRAL,
) -> Plan:
    """Return the blocks of periods as one plan; parameters as of :func:`plan_block`."""
    count = np.ones(len(blocks)) if weights is None else np.asarray(weights, dtype=float)
    count = count * len(count) / count.sum()
    plan = Plan(concrete=True)
    plan.periods, plan.weights, plan.risk = list(blocks), count, risk
    plan.future = np.zeros(len(blocks), dtype=int) if future is None else np.asarray(future)
    plan.spent = Linear(())
    for number, (block, weight) in enumerate(zip(blocks, count.tolist(), strict=True), start=1):
        block.weight = weight
        plan.add_component(f"period_{number}", block)
        plan.spent = plan.spent + weight * block.spent
    if risk.weight > 0 and len(plan.probability) > 1:
        _weigh(plan)
    plan.add_component("cost", ArrayCost(doc="weighted cost of the periods, in currency"))
    return plan


def _weigh(plan: Plan) -> None:
    """Let the worst futures of a plan count more: what is built costs the same in all of them."""
    labels = [str(number) for number in range(1, len(plan.probability) + 1)]
    built, cost = Linear(()), Linear((len(labels),))
    for block, weight, once, at in zip(
        plan.periods, plan.weights, plan.by_future(), plan.future, strict=True
    ):
        investment = block.component("investment")
        own = Linear(()) if investment is None else investment.spent
        built = built + float(weight) * own
        cost = cost + (float(once) * (block.spent - own)).into(np.array([at]), cost.shape)
    plan.add_component("tail", tail(cost, plan.probability, plan.risk, labels))
    plan.spent = built + plan.component("tail").spent


def costs(plan: Plan) -> Array:
    """Return what each future of a solved plan costs (future,) if it comes, in the unit of the objective."""
    spent = np.array([float(block.spent.values()) for block in plan.periods])
    return np.bincount(plan.future, spent * plan.by_future())


class Period(NamedTuple):
    """A period of a solved plan: the inputs with what was built, and the results."""

    inputs: xr.Dataset
    results: xr.Dataset


def sizes(plan: Plan) -> Array:
    """Return the sizes (candidate,) [kW, kWh] of a solved plan, 0 of what was decided before."""
    block = plan.investment
    return np.zeros(0) if block is None else np.asarray(block.component("size").dense())


def weighed(plan: Plan) -> list[Community]:
    """Return the periods of a solved plan, each with the weight that its cost had in the optimum."""
    own = plan.component("tail")
    factor = np.ones(len(plan.probability)) if own is None else own.factors(plan.probability, plan.risk)
    for block, weight, future in zip(plan.periods, plan.weights, plan.future, strict=True):
        block.weight = float(weight * factor[future])
    return plan.periods


def solved(plan: Plan) -> list[Period]:
    """Return the periods of a solved plan, built as it says; stores without an initial energy have the plan's.

    Prices are those of each period: its duals over what its cost counted in the optimum.
    """
    done = []
    for block in weighed(plan):
        results = collect(block).drop_vars("candidate_size", errors="ignore")
        inputs = block.inputs if plan.investment is None else built(block.inputs, sizes(plan))
        done.append(Period(*_started(inputs, results)))
    return done


def _started(inputs: xr.Dataset, results: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return inputs with the energies that stores start and end with, and the results without them."""
    for device in devices.stores():
        start = f"{device}_start"
        if start not in results:
            continue
        initial, final = (inputs[f"{device}_{name}_energy"] for name in ("initial", "final"))
        free, own = np.isnan(initial.values), results[start].values
        own = np.clip(own, inputs[f"{device}_min_energy"].values, inputs[f"{device}_capacity"].values)
        limit = optional(inputs, f"{device}_final_limit")
        given = {
            f"{device}_{name}": ((device,), np.where(free, own, values), initial.attrs)
            for name, values in (
                ("initial_energy", initial.values),
                ("final_energy", final.values),
                ("final_limit", limit),
            )
        }
        inputs, results = inputs.assign(given), results.drop_vars([start])
    return inputs, results


def both_ways(results: xr.Dataset) -> bool:
    """Return whether a meter draws and gives, or a store charges and discharges, in the same slot: as none can.

    So it may be in a plan that was solved without deciding directions, where prices cross.
    """
    pairs = [("draw", "supply")] + [(f"{d}_charge", f"{d}_discharge") for d in devices.stores()]
    here = any((np.minimum(results[a].values, results[b].values) > BOTH).any() for a, b in pairs)
    taken = results["vehicle_import"].values + results["vehicle_purchase"].values
    given = results["vehicle_export"].values + results["vehicle_sale"].values
    return here or bool((np.minimum(taken, given) > BOTH).any())


def value_of_more(plan: Plan) -> Array:
    """Return what one more kW or kWh of each candidate saves (candidate,) [currency per size], its cost not counted.

    The plan was solved with its sizes fixed (`enlarge`): the duals of a size at its bound say no more than a bound.
    """
    size = plan.investment.component("size")
    value = np.zeros(len(size.position))
    for family in plan.component_objects(Constraint, descend_into=True):
        for term in () if family.local_name in WHOLE else family.body.terms:
            if term.variable is size:
                np.add.at(value, term.column, family.dual[term.row] * term.coefficient)
    every = np.zeros(size.shape)
    every[size.position] = value
    return every


def enlarge(plan: Plan) -> None:
    """Fix the sizes of a solved plan at what they are and a watt more, whole or not, to solve it again."""
    block = plan.investment
    size = block.component("size")
    size.lower = size.upper = size.array() + WATT
    for name in WHOLE:
        rows = block.component(name)
        if rows is not None:
            rows.lower, rows.upper = np.full(rows.lower.shape, -np.inf), np.full(rows.upper.shape, np.inf)
    for family in block.component_objects(Var):
        family.binary = False
