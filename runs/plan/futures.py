"""What it costs a plan not to know which future comes: against those for the mean future, and for each that is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.arrays import Arrays
from ...model.errors import Infeasible
from ...model.labels import Array
from ...model.risk import Risk
from ..futures import Costs, mean, worth

Solve = Callable[[Any], Any]


class Futures(NamedTuple):
    """The periods of a plan in several futures.

    ``periods`` and ``weights`` (period,) are those of all futures, ``of`` (period,) says which each is of; ``labels``
    and ``probability`` are of the futures (future,).
    """

    periods: Sequence[xr.Dataset]
    weights: Sequence[float]
    of: Sequence[int]
    labels: Sequence[str]
    probability: Array
    risk: Risk

    def own(self, future: int) -> tuple[list[xr.Dataset], list[float]]:
        """Return the periods of a future, and how often a year each counts if it comes."""
        here = [k for k, of in enumerate(self.of) if of == future]
        likely = float(self.probability[future])
        return [self.periods[k] for k in here], [self.weights[k] / likely for k in here]


def of_not_knowing(futures: Futures, cost: Array, market: str, solve: Solve) -> xr.Dataset:
    """Return what futures cost, and what knowing them is worth.

    Parameters
    ----------
    futures : Futures
        As planned for.
    cost : Array
        (future,) of a year with the sizes of the plan, directions of meters and stores left aside as in all of these.
    market : str
        As planned for.
    solve : callable
        Solves the block of a plan.

    Returns
    -------
    Dataset
        Over ``future``: ``probability``, ``future_cost``, ``future_cost_of_mean`` with the sizes of the mean future
        (infinite where they cannot serve it), ``future_cost_if_known`` [currency/year]; ``size_if_known`` (future,
        candidate) and ``size_of_mean`` (candidate,) [kW, kWh]; and ``expected_cost``, ``cvar``,
        ``stochastic_value`` and ``information_value`` [currency/year].
    """
    number, some = len(futures.labels), len(futures.labels) > 1
    known = [_sized(*futures.own(f), market, solve) for f in range(number)] if some else []
    candidates = futures.periods[0].sizes["candidate"]
    size, of_mean = np.full((number, candidates), np.nan), np.full(candidates, np.nan)
    with_mean = cost
    if some:
        size, (with_mean, of_mean) = np.stack([own for _, own in known]), _of_mean(futures, market, solve)
    costs = Costs(cost, with_mean, np.array([one for one, _ in known]) if some else cost)
    unit = f"{futures.periods[0].attrs['currency']}/year"
    built = {"units": "kW, kWh"}
    told = {"long_name": "size that would be built if it were known"} | built
    return worth(futures.labels, futures.probability, futures.risk, costs, unit).assign(
        size_if_known=(("future", "candidate"), size, told),
        size_of_mean=(("candidate",), of_mean, {"long_name": "size for the mean future"} | built),
    )


def _of_mean(futures: Futures, market: str, solve: Solve) -> tuple[Array, Array]:
    """Return what the futures cost (future,) with the sizes (candidate,) of the mean one, and these."""
    from ...model.topology.candidates import built

    every = [futures.own(f) for f in range(len(futures.labels))]
    periods = [mean(days, futures.probability) for days in zip(*(own for own, _ in every), strict=True)]
    _, size = _sized(periods, every[0][1], market, solve)
    return np.array(
        [_sized([built(day, size) for day in days], own, market, solve)[0] for days, own in every]
    ), size


def _sized(
    periods: Sequence[xr.Dataset], weights: Sequence[float], market: str, solve: Solve
) -> tuple[float, Array]:
    """Return the cost of a year with the best sizes, infinite where none will do; and these (candidate,)."""
    from ...model import planning

    block = planning.plan_block(list(map(Arrays.of, periods)), weights, market, minimum_charge=False)
    try:
        solution = solve(block)
    except Infeasible:
        return np.inf, np.full(periods[0].sizes["candidate"], np.nan)
    return solution.objective * days_of(weights), planning.sizes(block)


def days_of(weights: Sequence[float]) -> float:
    """Return by what the objective of periods, of which each counts one on average, is to be multiplied for a year."""
    return float(np.mean(weights))
