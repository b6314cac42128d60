"""One plan from end to end: scenario -> inputs -> sizes -> each day settled and checked -> figures stored."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.arrays import Arrays, as_dataset
from ...data.loading.scenario import Scenario, digest, effective, load_scenario
from ...data.problems import InputError, Problem
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from ...model.risk import NEUTRAL, Risk
from .. import archive
from ..clear import single
from ..store import netcdf, plan_file, run_format
from ..version import version
from .figures import Terms, figures
from .futures import Futures, days_of, of_not_knowing
from .payments import RULES, Run, require

Stage = Callable[[str], None]
log = logging.getLogger(__name__)
MARKETS = ("p2p", "grid-only")
"""Markets that are planned for: among peers, or each participant alone."""
GAP = 1e-4
"""Relative gap to a plan without directions within which one counts as optimal."""
MONTH = 28
"""Days of a horizon from which charges for peaks of a month say something of a year."""


@dataclass(frozen=True)
class Outcome:
    """A stored plan: its figures, its file, and the copy of an earlier one of that name."""

    figures: xr.Dataset
    path: Path
    kept: Path | None = None


def run(
    source: str | Path,
    market: str = MARKETS[0],
    *,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    days: Path | None = None,
    whole: bool = False,
    rules: Sequence[str] = RULES,
    time_limit: float | None = None,
    stage: Stage = log.info,
    progress: single.Progress | None = None,
) -> Outcome:
    """Plan what a scenario may build, and keep the figures.

    Parameters
    ----------
    source : str or path
        Bundled name, scenario file or folder, with a section ``investment``.
    market : {"p2p", "grid-only"}
        Among peers, or each participant alone.
    overrides : sequence of str
        ``key.path=value`` each.
    output : path, optional
        File (default ``runs-out/<scenario>/plan.nc``, of a what-if ``plan-<hash>.nc``).
    days : path, optional
        Folder that gets a run file of each day with what is built.
    whole : bool
        Whether to operate what is built on every day of the horizon too, where some stand for all.
    rules : sequence of str
        Rules of `fair_shares.payments` under which gains are told, beside the bills, which are by the scenario's.
    time_limit : float, optional
        Seconds for each solve of a part.
    stage, progress : callable
        Told what is being done, and how much of a solve, see :func:`otonari.solve`.

    Raises
    ------
    InputError
        With every problem of the scenario, its files and inputs, or where it has nothing to plan.
    otonari.model.errors.SolveError
        If there is no optimum.
    otonari.model.checks.run.CheckError
        If a day contradicts its inputs.
    """
    stage("reading the scenario")
    scenario = load_scenario(source, overrides)
    options: dict[str, Any] = {"whole": whole, "rules": rules, "time_limit": time_limit, "stage": stage}
    options["progress"] = progress
    found, runs = planned(scenario, market, **options)
    output = output or archive.default_path(scenario.name, "plan", bool(overrides), digest(scenario))
    stage("storing")
    for day, of_day in zip(found["day"].values.tolist(), runs, strict=True) if days else ():
        tree = run_format.as_tree(*map(as_dataset, of_day))
        told = ("scenario", "otonari_version", "solver", "currency", "status")
        tree.attrs = {"title": f"{scenario.name}: {day} of a plan", "market": market}
        tree.attrs |= {name: found.attrs[name] for name in told}
        netcdf.write_run(tree, Path(days or "") / f"{day}.nc")
    return Outcome(found, output, plan_file.write(found, output))


def planned(
    scenario: Scenario,
    market: str = MARKETS[0],
    *,
    whole: bool = False,
    rules: Sequence[str] = RULES,
    time_limit: float | None = None,
    threads: int | None = None,
    stage: Stage = log.info,
    progress: single.Progress | None = None,
) -> tuple[xr.Dataset, list[Run]]:
    """Return the figures of a plan (`figures.figures`), whose attributes say how it was found, and its days.

    Minimum charge powers of vehicles are left aside, and stores end with what they start with, whatever that is.
    """
    from ...data.assembly.plans.candidates import items
    from ...data.assembly.plans.inputs import planned_inputs
    from ...model import planning
    from ...model.topology.candidates import built

    begin = time.perf_counter()
    futures = bool(scenario.investment and scenario.investment.futures)
    stage("building the inputs")
    inputs = planned_inputs(scenario)
    _require_months(scenario, inputs)
    rules = tuple(dict.fromkeys(rules)) if market == "p2p" else ("as-billed",)
    require(inputs, rules)
    horizon = _of_futures(scenario, inputs)
    periods, weights = horizon.futures.periods, horizon.futures.weights
    how = Operation(market, scenario.settlement.stated, time_limit, threads, progress)
    stage("clearing as it is")
    nothing = np.zeros(inputs.sizes["candidate"])
    as_it_is = [built(period, nothing) for period in periods]
    before, _ = _operated(as_it_is, horizon.futures, how)
    stage("planning")
    block = _block(periods, horizon.futures, market)
    solution = _solve(block, how, one_way=False)
    periods_planned, size, cost = planning.solved(block), planning.sizes(block), planning.costs(block)
    if any(planning.both_ways(period.results) for period in periods_planned):
        stage("deciding directions")
        as_planned = [built(period, size) for period in periods]
        after, operated = _operated(as_planned, horizon.futures, how)
        solution = _within(solution, operated)
    else:
        after = [_settled(period, how, solution) for period in periods_planned]
    stage("asking what more is worth")
    planning.enlarge(block)
    _solve(block, how, start=solution.basis, tie_break=False, one_way=False)
    per_year = days_of(weights)
    worth = planning.value_of_more(block) * per_year
    every: dict[str, float] = {}
    if whole and scenario.investment and scenario.investment.representative_days and not futures:
        stage("operating what is built on every day")
        every = {"objective_of_all_days": _of_all_days(inputs, size, how)}
    if futures:
        stage("asking what knowing the future is worth")

        def relaxed(block: Any) -> Any:
            return _solve(block, how, tie_break=False, one_way=False)

        every_future = of_not_knowing(horizon.futures, cost * per_year, market, relaxed)
        horizon.told.update({str(n): v for n, v in every_future.variables.items()})
        every |= {str(n): v for n, v in every_future.attrs.items()}
    terms = Terms(scenario.finance.discount_rate, scenario.finance.years, items(scenario))
    hash_ = digest(scenario)
    found = figures(before, after, weights, worth, terms, rules).assign(horizon.told)
    found = found.assign_attrs(
        title=f"{scenario.name}: plan, {market} market",
        scenario=scenario.name,
        scenario_hash=hash_,
        market=market,
        price_rule=how.rule,
        carbon_price=scenario.carbon.price_per_kg,
        otonari_version=version(),
        solver=solution.solver,
        method=solution.method,
        status=solution.status,
        objective=solution.objective * per_year,
        days=float(np.sum(weights)),
        discount_rate=terms.rate,
        years=terms.years,
        notes=inputs.attrs.get("notes", "[]"),
        **{f"proof_{name}": value for name, value in solution.proof.items()},
        **every,
        plan_seconds=time.perf_counter() - begin,
        scenario_definition=json.dumps(effective(scenario), ensure_ascii=False),
    )
    return found, after


class Operation(NamedTuple):
    """How periods are operated and settled.

    The market, the rule of its prices, seconds for each solve of a part, threads (None: those of the machine), and who
    is told how much of a solve is done.
    """

    market: str
    rule: str
    time_limit: float | None
    threads: int | None
    progress: single.Progress | None = None


class Horizon(NamedTuple):
    """The periods of a plan, how many times a year each counts, and what is told of them."""

    futures: Futures
    told: dict[str, Any]


def _certain(periods: list[xr.Dataset], weights: list[float]) -> Futures:
    """Return periods of which all come."""
    return Futures(periods, weights, [0] * len(periods), [""], np.ones(1), NEUTRAL)


def _of_futures(scenario: Scenario, inputs: xr.Dataset) -> Horizon:
    """Return the periods of a plan in each of its futures; representative days are those of the scenario."""
    from ...data.assembly.plans.inputs import planned_inputs

    assert scenario.investment is not None
    if not scenario.investment.futures:
        return _horizon(scenario, inputs, inputs)
    periods: list[xr.Dataset] = []
    weights: list[float] = []
    days: list[str] = []
    of: list[int] = []
    for number, (label, future) in enumerate(scenario.investment.futures.items()):
        other = planned_inputs(load_scenario(effective(scenario), future.set))
        _require_the_same(scenario, label, inputs, other)
        own = _horizon(scenario, inputs, other)
        periods += own.futures.periods
        weights += [weight * future.probability for weight in own.futures.weights]
        days += [f"{day}-{label}" for day in own.told["day"].values]
        of += [number] * len(own.futures.periods)
    labels = list(scenario.investment.futures)
    probability = np.array([future.probability for future in scenario.investment.futures.values()])
    risk = Risk(scenario.investment.risk.weight, scenario.investment.risk.level)
    futures = Futures(periods, weights, of, labels, probability / probability.sum(), risk)
    return Horizon(futures, own.told | _told(days, weights))


def _require_the_same(scenario: Scenario, label: str, inputs: xr.Dataset, other: xr.Dataset) -> None:
    """Raise InputError where a future has other days, participants or candidates, or other prices of these."""
    dims = ("time", "participant", "battery", "vehicle", "candidate")
    wrong = [dim for dim in dims if not inputs[dim].equals(other[dim])]
    money = [n for n in ("candidate_most", "candidate_cost", "candidate_fixed_cost") if n in inputs]
    if wrong or not all(n in other and inputs[n].equals(other[n]) for n in money):
        got, want = f"another {(wrong or ['cost of what is built'])[0]}", "what the scenario has"
        raise InputError([Problem(scenario.name, "", f"investment.futures.{label}.set", got, want)])


def _horizon(scenario: Scenario, chosen_by: xr.Dataset, inputs: xr.Dataset) -> Horizon:
    """Return the periods of a plan: the horizon as one, or the days that stand for it, by whatever inputs say so."""
    from ...data.assembly.plans import representative_days
    from ...data.assembly.plans.inputs import DAYS

    assert scenario.investment is not None
    number, every = scenario.investment.representative_days, representative_days.days(inputs)
    if number is None:
        whole = _certain([circular(inputs)], [DAYS / len(every.first)])
        return Horizon(whole, _told(every.label[:1], [DAYS]))
    which = representative_days.chosen(chosen_by, number)
    periods = [circular(representative_days.of_day(inputs, every, day)) for day in which.day]
    weights = (which.stands_for * DAYS / len(every.first)).tolist()
    misses = representative_days.errors(chosen_by, which)
    return Horizon(_certain(periods, weights), _told(every.label[which.day], weights, misses))


def _told(
    days: Any, weights: Sequence[float], misses: Mapping[str, tuple[float, float]] | None = None
) -> dict[str, Any]:
    """Return first days of periods, how many days of a year they stand for, and by how much they miss the horizon."""
    counted = {"long_name": "days of a year that it stands for", "units": "1"}
    told: dict[str, Any] = {"day_count": xr.Variable(("day",), np.asarray(weights, dtype=float), counted)}
    told["day"] = xr.Variable(("day",), np.asarray(days, dtype=str))
    texts = ("sum of the days beyond that of the horizon", "difference of the duration curves")
    for name, text, values in zip(("sum_error", "duration_error"), texts, (0, 1), strict=True):
        if misses is not None:
            part = np.array([pair[values] for pair in misses.values()])
            told[name] = xr.Variable(("quantity",), part, {"long_name": text, "units": "1"})
            told["quantity"] = xr.Variable(("quantity",), np.array(list(misses), dtype=str))
    return told


def circular(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs whose stores end with what they start with, whatever that is."""
    from ...data.inputs.devices import stores

    free = {
        f"{device}_{name}_energy": inputs[f"{device}_{name}_energy"] for device in stores() for name in _ENDS
    }
    inputs = inputs.assign({name: values * np.nan for name, values in free.items()})
    gone = [f"{device}_{name}" for device in stores() for name in ("final_limit", "final_value")]
    return inputs.drop_vars(gone, errors="ignore")


_ENDS = ("initial", "final")


def _require_months(scenario: Scenario, inputs: xr.Dataset) -> None:
    """Raise InputError where peaks of a month are charged, and the plan is of days or of less than a month."""
    assert scenario.investment is not None
    number, length = scenario.investment.representative_days, scenario.time.days
    if "peak" not in inputs.sizes or (number is None and length >= MONTH):
        return
    field, got, want = "time.days", str(length), f"{MONTH} days or more"
    if number is not None:
        field, got, want = "investment.representative_days", str(number), "none"
    raise InputError(
        [Problem(scenario.name, "", field, got, f"{want}, as a tariff charges the peaks of months")]
    )


def _operated(periods: Sequence[xr.Dataset], futures: Futures, how: Operation) -> tuple[list[Run], Any]:
    """Return periods in which nothing more is built, and the solution."""
    from ...model import planning

    block = _block(periods, futures, how.market)
    solution = _solve(block, how)
    return [_settled(period, how, solution) for period in planning.solved(block)], solution


def _block(periods: Sequence[xr.Dataset], futures: Futures, market: str) -> Any:
    """Return the block of a plan for periods in the place of those of its futures."""
    from ...model import planning

    own = list(map(Arrays.of, periods))
    return planning.plan_block(
        own, futures.weights, market, minimum_charge=False, future=futures.of, risk=futures.risk
    )


def _of_all_days(inputs: xr.Dataset, size: Any, how: Operation) -> float:
    """Return the cost of a year [currency] in which every day of the horizon is operated with sizes (candidate,)."""
    from ...data.assembly.plans import representative_days
    from ...data.assembly.plans.inputs import DAYS
    from ...model import planning
    from ...model.topology.candidates import built

    every = representative_days.days(inputs)
    days = [circular(representative_days.of_day(inputs, every, d)) for d in range(len(every.first))]
    periods = [Arrays.of(built(day, size)) for day in days]
    solution = _solve(
        planning.plan_block(periods, None, how.market, minimum_charge=False), how, tie_break=False
    )
    return float(solution.objective) * DAYS / len(days)


def _within(relaxed: Any, operated: Any) -> Any:
    """Return the solution of a plan whose directions were decided once sizes were, with its gap to the relaxation."""
    gap = max(operated.objective - relaxed.objective, 0.0) / max(abs(operated.objective), 1e-9)
    method = f"{relaxed.method}; directions once sizes were decided: {operated.method}"
    status = "optimal" if gap <= GAP else "feasible"
    proof = operated.proof | {"mip_gap": gap}
    return replace(
        operated, method=method, status=status, proof=proof, basis=relaxed.basis, solver=relaxed.solver
    )


def _solve(block: Any, how: Operation, **solving: Any) -> Any:
    from ...model.solver import solve

    threads = how.threads or os.cpu_count() or 1
    return solve.solve(block, time_limit=how.time_limit, threads=threads, progress=how.progress, **solving)


def _settled(period: Any, how: Operation, solution: Any) -> Run:
    """Return a period settled against each participant alone with what is built, and checked."""
    options = {"minimum_charge": False, "time_limit": how.time_limit, "mip_gap": 1e-4}
    inputs, results = period
    alone, rule = results, "marginal"
    if how.market != "grid-only":
        alone, baseline, _ = single.solved(inputs, "grid-only", options, threads=how.threads, tie_break=False)
        solution = baseline if baseline.directions > solution.directions else solution
        rule = how.rule
    return Run(inputs, *single.settled(inputs, how.market, results, alone, solution, False, rule))
