"""One clearing from end to end: scenario -> inputs -> cleared -> settled -> checked -> stored -> committed.

Nothing is stored that was not checked. A block is committed only when the run behind it is on disk, and a run
that conflicts with the ledger is not stored.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from ...data.inputs import (
    contract,
    deferred_dask,  # noqa: F401 - before Datasets
    validation,
)
from ...data.inputs.arrays import Arrays, as_dataset
from ...data.loading.scenario import Scenario, digest, effective, load_scenario
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from .. import archive, markets
from ..archive import Outcome
from ..ledger import ledger
from ..markets import MARKETS
from ..store import atomic_file, netcdf, run_file, run_format
from ..version import version

Stage = Callable[[str], None]
Progress = Callable[[int, int], None]
"""Told how much is done, and how much is known of."""
Relaxation = Callable[[xr.Dataset, float], None]
"""Told results and cost of the relaxation without directions."""
Solved = tuple[xr.Dataset, Any, xr.Dataset | None]
"""Results, solution and marginal values."""
log = logging.getLogger(__name__)


def clear(
    inputs: xr.Dataset,
    market: str = "p2p",
    *,
    minimum_charge: bool = True,
    time_limit: float | None = None,
    mip_gap: float = 1e-4,
    threads: int | None = None,
    rule: str = "marginal",
    stage: Stage = log.info,
    progress: Progress | None = None,
    relaxation: Relaxation | None = None,
) -> xr.DataTree:
    """Clear, settle and check a market.

    Parameters
    ----------
    inputs : Dataset
        Of the variable table; defaults are filled in.
    market : {"p2p", "grid-only", "unmanaged"}
        Peers co-optimized; each participant alone, which is solved in every case, to compare with; or nobody
        plans: vehicles charge on arrival, batteries follow the meter.
    minimum_charge : bool
        Whether vehicles obey ``vehicle_min_charge``, and loads ``flexible_load_min_power``.
    time_limit : float, optional
        Seconds for each of the two solves, finite.
    mip_gap : float
        Relative gap within which a clearing with minimum charge powers counts as optimal.
    threads : int, optional
        Subtrees solved at the same time, which changes no result; default: the machine's cores.
    rule : str
        What a kWh from a peer costs, see :func:`otonari.model.settlement.price_rules.price_rule`. Energies are the same
        under all; by ``marginal`` alone nobody is worse off than without peers.
    stage, progress : callable
        Told what is being done, and how much of a solve, see :func:`otonari.solve`.
    relaxation : callable, optional
        Where directions of meters had to be decided, takes results and cost of the market of peers without them.

    Returns
    -------
    DataTree
        Groups ``inputs``, ``results``, ``trades`` and ``settlement``, and ``marginal`` where it was solved; the
        attributes say how.

    Raises
    ------
    InputError
        With every problem of the inputs.
    otonari.model.errors.SolveError
        If there is no optimum: infeasible with the causes, unbounded, or not finished.
    otonari.model.checks.run.CheckError
        If the solved run contradicts its inputs.
    """
    begin = time.perf_counter()
    if market not in MARKETS:
        raise ValueError(f"market: got {market!r}, want one of {', '.join(MARKETS)}")
    if time_limit is not None and not 0 <= time_limit < float("inf"):
        raise ValueError(f"time_limit: got {time_limit}, want a finite number of seconds, or None")
    from ...model.settlement.price_rules import price_rule
    from ...model.topology.connections import unavoidable

    rule = rule if market == "p2p" else "marginal"
    price_rule(rule)  # which raises what is wrong with it before anything is solved
    given = contract.complete(inputs)
    validation.require_decided(given)
    inputs = Arrays.of(given)
    if market == "unmanaged":
        inputs = unavoidable(inputs)
    options = {"minimum_charge": minimum_charge, "time_limit": time_limit, "mip_gap": mip_gap}
    stage("clearing each participant alone")
    alone, baseline, marginal = solved(
        inputs,
        "grid-only",
        options,
        threads=threads,
        tie_break=market == "grid-only",
        progress=progress,
    )
    results, solution = alone, baseline
    if market == "p2p":
        results, solution, marginal = _among_peers(
            inputs,
            alone,
            baseline,
            options,
            stage,
            threads=threads,
            progress=progress,
            relaxation=relaxation,
        )
    elif market == "unmanaged":
        results, solution, marginal = _unmanaged(inputs)
    end = time.perf_counter()
    from ...model.settlement import unpaid

    stage("settling and checking")
    groups = settled(inputs, market, results, alone, solution, minimum_charge, rule)
    further = {} if marginal is None else {run_format.MARGINAL: as_dataset(marginal)}
    tree = run_format.as_tree(given, *map(as_dataset, groups), **further)
    bills = float(tree["settlement"]["bill"].sum()) + unpaid.cost(inputs, results)
    tree.attrs = {
        "market": market,
        "otonari_version": version(),
        "solver": solution.solver,
        "options": json.dumps(options, sort_keys=True, allow_nan=False),
        "status": solution.status,
        "method": solution.method,
        "directions": solution.directions,
        "objective": solution.objective if market != "unmanaged" else bills,
        "currency": inputs.attrs["currency"],
        **({} if rule == "marginal" else {"price_rule": rule}),
        **_missing(inputs, results, market),
        **{f"proof_{name}": value for name, value in solution.proof.items()},
        "solve_seconds": end - begin,
        "clear_seconds": time.perf_counter() - begin,
    }
    return tree


def run(
    source: str | Path,
    market: str | None = None,
    *,
    overrides: Sequence[str] = (),
    relax: bool = False,
    output: Path | None = None,
    directory: Path | None = None,
    record: bool = True,
    key: Path | None = None,
    time_limit: float | None = None,
    stage: Stage = log.info,
    progress: Progress | None = None,
) -> Outcome:
    """Clear a scenario and keep it: a run file, and for a market of peers its blocks in a ledger.

    Parameters
    ----------
    source : str or path
        Bundled name, scenario file or folder, or a run file, whose effective scenario is cleared again.
    market : str, optional
        Default: that of the run file, else p2p (of a simulation too: its days as one).
    overrides : sequence of str
        ``key.path=value`` each.
    relax : bool
        Clear without minimum charge powers; this is then part of the scenario.
    output : path, optional
        Run file (default ``runs-out/<scenario>/<market>.nc``, of a what-if ``<market>-<hash>.nc``).
    directory : path, optional
        Of the ledger (default: what ``ledger.beside`` says).
    record : bool
        Whether to commit to a ledger at all.
    key : path, optional
        File with the private key of a ledger that is signed; it decides whether a new one is.
    time_limit, stage, progress
        As for :func:`clear`, and it raises alike; LedgerError or RunFileError where blocks cannot be committed
        or the file not written: neither is done then.
    """
    stage("reading the scenario")
    definition, market = defined(source, market)
    scenario = load_scenario(definition, overrides)
    if relax:
        scenario = _relaxed(scenario)
    tree = cleared(scenario, market, time_limit=time_limit, stage=stage, progress=progress)
    hash_ = str(tree.attrs["scenario_hash"])
    output = output or archive.default_path(scenario.name, market, bool(overrides) or relax, hash_)
    stage("storing")
    if not record or market not in markets.RECORDED:
        return Outcome(tree, output, netcdf.write_run(tree, output))
    return archive.store(tree, output, directory or ledger.beside(output, scenario.market_id, hash_), key)


def cleared(scenario: Scenario, market: str, *, stage: Stage = log.info, **options: Any) -> xr.DataTree:
    """Return the run of a scenario: built, cleared with the options of :func:`clear` (and raising alike), and named."""
    from ...data.assembly.inputs import build_inputs

    begin = time.perf_counter()
    stage("building the inputs")
    inputs = build_inputs(scenario)
    built = time.perf_counter()
    tree = clear(inputs, market, rule=scenario.settlement.stated, stage=stage, **options)
    hash_ = digest(scenario)
    tree.attrs = {
        "title": f"{scenario.name}: {market} market",
        "scenario": scenario.name,
        "scenario_hash": hash_,
        "market_id": scenario.market_id or f"{scenario.name}@{hash_}",
        **tree.attrs,
        "build_seconds": built - begin,
        "scenario_definition": json.dumps(effective(scenario), ensure_ascii=False),
    }
    return tree


def solved(
    inputs: xr.Dataset,
    market: str,
    options: dict[str, Any],
    *,
    threads: int | None,
    decided: xr.Dataset | None = None,
    base: xr.Dataset | None = None,
    relaxation: Relaxation | None = None,
    **solving: Any,
) -> Solved:
    """Return the results of a market, its solution and marginal values; ties matter where more than bills is wanted.

    Binaries are as the results ``decided`` have them, if there are any; ``base`` is that of marginal losses;
    ``relaxation`` as for :func:`clear`.
    """
    from ...model import clearing
    from ...model.marginal_values import marginal_values
    from ...model.network_clearing import solve_within_limits
    from ...model.results import collect
    from ...model.solver import solve

    def build(rows: Any) -> Any:
        block = clearing.community_block(
            inputs, market, minimum_charge=options["minimum_charge"], rows=rows, base=base
        )
        if decided is not None:
            clearing.decide_as(block, decided)
        return block

    limits = {name: options[name] for name in ("time_limit", "mip_gap")}
    limits |= {"threads": threads or os.cpu_count() or 1} | solving
    begin = limits.pop("start", None)

    def solve_block(block: Any, **further: Any) -> Any:
        told = None if relaxation is None else lambda cost: relaxation(collect(block), cost)
        return solve.solve(block, relaxation=told, **(limits | further))

    block, solution, collected = solve_within_limits(build, solve_block, inputs, begin)
    log.info("%s: %s, objective %.6f, %s", market, solution.status, solution.objective, solution.proof)
    price = collected["price"].values if "price" in collected else None
    marginal = marginal_values(block, price)
    clearing.dismantle(block)
    return collected, solution, marginal


def _among_peers(
    inputs: xr.Dataset,
    alone: xr.Dataset,
    baseline: Any,
    options: dict[str, Any],
    stage: Stage,
    **solving: Any,
) -> Solved:
    """Return what :func:`solved` does of the market of peers, whose solution costs no more than the ``baseline``.

    Where binaries within their gap cost more, they are what each participant decides ``alone``.
    """
    from ...model.grid.loss_factors import PRICED

    stage("clearing the neighbourhood")
    flow: dict[str, Any] = {"base": alone if PRICED in inputs else None}
    results, solution, marginal = solved(inputs, "p2p", options, start=baseline, **solving, **flow)
    if solution.objective <= baseline.objective + 1e-7 * max(1.0, abs(baseline.objective)):
        return results, solution, marginal
    stage("clearing the neighbourhood with what each decides alone")
    more = {"start": baseline, "decided": alone, "relaxation": None} | flow
    results, better, marginal = solved(inputs, "p2p", options, **solving | more)
    return results, _within(solution, better, options["mip_gap"]), marginal


def settled(
    inputs: xr.Dataset,
    market: str,
    results: xr.Dataset,
    alone: xr.Dataset,
    solution: Any,
    minimum_charge: bool,
    rule: str = "marginal",
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return results, trades and accounts, measured against ``alone``, of a market; raise what its checks find."""
    from ...model.checks.run import require
    from ...model.settlement import accounts, trades

    traded = trades.bilateral(inputs, results, rule)
    prices = "traded" if market == "unmanaged" else "marginal" if rule == "marginal" else "ruled"
    account = accounts.settle(inputs, results, traded, alone, prices=prices)
    known = {"lp": None if minimum_charge else True, "decided": solution.directions > 0}
    require(inputs, results, traded, account, grid_only=alone, prices=prices, **known)
    return results, traded, account


def _missing(inputs: xr.Dataset, results: xr.Dataset, market: str) -> dict[str, float]:
    """Return what stores lack of targets, and at the end, of a market that does not plan for it [kWh]."""
    from ...model.devices.heat_pump import unmet
    from ...model.topology.stores import breaches, missing, of_stores

    lacking = breaches(results)
    if market != "unmanaged":
        return lacking
    return (
        lacking
        | unmet(inputs, results)
        | {"final_energy_missing": missing(inputs, of_stores(results, "energy")[:, -1])}
    )


def _within(first: Any, better: Any, mip_gap: float) -> Any:
    """Return a cheaper solution, found with some decisions fixed, with its gap to the bound of the first one."""
    bound = first.objective - first.proof["mip_gap"] * abs(first.objective)
    gap = max(better.objective - bound, 0.0) / max(abs(better.objective), 1e-9)
    status = "optimal" if gap <= mip_gap else "feasible"
    return replace(better, status=status, proof=better.proof | {"mip_gap": gap})


def _unmanaged(inputs: xr.Dataset) -> Solved:
    """Return the results of the community that nobody manages: played through, not optimized."""
    from ...model.agents import rule_based
    from ...model.solver import solve

    return rule_based.unmanaged(inputs), solve.Solution(float("nan"), "none", status="simulated"), None


def defined(source: str | Path, market: str | None) -> tuple[Any, str]:
    """Return what to load a scenario from, and the market to clear: the given one, or that of the run file.

    The days of a simulation are cleared as one, by default among peers: what its agents are compared with.
    """
    if Path(source).suffix != ".nc":
        return source, market or MARKETS[0]
    from .. import markets
    from ..store import plan_file

    if plan_file.holds(source):
        return plan_file.definition(source), market or MARKETS[0]
    attributes = run_file.open_run(source).attrs
    if "scenario_definition" not in attributes:
        raise atomic_file.RunFileError(source, "holds no scenario: it was cleared from inputs")
    market = market or attributes.get("market")
    if market in markets.MODES:
        market = MARKETS[0]
    if market not in MARKETS:
        raise atomic_file.RunFileError(source, f"market: got {market!r}, want one of {', '.join(MARKETS)}")
    try:
        return dict(json.loads(attributes["scenario_definition"])), market
    except (TypeError, ValueError) as error:
        raise atomic_file.RunFileError(source, f"scenario_definition: got no JSON object: {error}") from error


def _relaxed(scenario: Scenario) -> Scenario:
    """Return the scenario without minimum powers of vehicles and loads."""
    vehicles = tuple(v.model_copy(update={"min_charge_kw": 0.0}) for v in scenario.tables.vehicles)
    loads = tuple(load.model_copy(update={"min_power_kw": 0.0}) for load in scenario.tables.loads)
    tables = scenario.tables.model_copy(update={"vehicles": vehicles, "loads": loads})
    return scenario.model_copy(update={"tables": tables})
