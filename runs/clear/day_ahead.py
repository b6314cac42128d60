"""A day ahead from end to end: futures of a scenario -> contracts for all -> each dispatched and checked -> stored."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.arrays import Arrays, as_dataset
from ...data.inputs.devices import present
from ...data.loading.scenario import Scenario, digest, effective, load_scenario
from ...data.problems import InputError, Problem
from ...model.labels import Array
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from ...model.risk import Risk
from ..futures import Costs, mean, worth
from ..store import netcdf
from ..version import version

Stage = Callable[[str], None]
Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)
FORMAT = 1
"""Version of the layout, in the attribute ``otonari_day_ahead_format``."""
HISTORY_DAYS = 28
"""Days before the horizon whose forecasts' errors make futures; fewer where measured files do not reach so far."""
POWERS = (
    "grid_import",
    "grid_export",
    "peer_purchase",
    "peer_sale",
    "battery_charge",
    "battery_discharge",
    "battery_energy",
    "vehicle_charge",
    "vehicle_discharge",
    "vehicle_energy",
    "heat_pump_power",
    "heat_pump_heat",
    "flexible_load_power",
    "flexible_load_start",
    "price",
)
"""Results of each future that are kept."""


@dataclass(frozen=True)
class Outcome:
    """A stored day ahead: its figures, its file, and the copy of an earlier one of that name."""

    figures: xr.Dataset
    path: Path
    kept: Path | None = None


class Futures(NamedTuple):
    """Inputs of futures, their labels and how likely each is (future,); ``came`` is what really happens, if known."""

    inputs: list[xr.Dataset]
    labels: list[str]
    probability: Array
    came: xr.Dataset | None = None


def run(
    source: str | Path,
    number: int,
    seed: int = 0,
    *,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    time_limit: float | None = None,
    stage: Stage = log.info,
    progress: Progress | None = None,
) -> Outcome:
    """Contract a day ahead for several futures of a scenario, and keep what is decided and what each future makes of it.

    Parameters
    ----------
    source : str or path
        Bundled name, scenario file or folder.
    number : int
        Futures: those of the section ``uncertainty``, the ones that stand for them where they are more, or paths of
        the forecasts that could have been made at the start of the scenario.
    seed : int
        Of the paths.
    overrides : sequence of str
        ``key.path=value`` each.
    output : path, optional
        File (default ``runs-out/<scenario>/day-ahead.nc``).
    time_limit : float, optional
        Seconds for each solve of a part.
    stage, progress : callable
        Told what is being done, and how much of a solve, see :func:`otonari.solve`.

    Raises
    ------
    InputError
        With every problem of the scenario, its files and inputs.
    otonari.model.errors.SolveError
        If there is no optimum.
    otonari.model.checks.run.CheckError
        If a future contradicts its inputs.
    """
    stage("reading the scenario")
    scenario = load_scenario(source, overrides)
    if scenario.uncertainty.futures:
        futures = given(scenario, number)
    else:
        stage("forecasting")
        futures = forecast(source, scenario, number, seed, overrides)
    found = decided(scenario, futures, time_limit, stage, progress)
    output = output or Path("runs-out") / scenario.name / "day-ahead.nc"
    stage("storing")
    return Outcome(found, output, netcdf.write_dataset(found, output))


def given(scenario: Scenario, number: int) -> Futures:
    """Return the futures of a scenario, or those that stand for them."""
    from ...data.assembly.inputs import build_inputs
    from ...data.forecast.scenarios import fast_forward

    own = scenario.uncertainty.futures
    inputs = [build_inputs(load_scenario(effective(scenario), future.set)) for future in own.values()]
    dims = ("time", "participant", *present(inputs[0]), "node", "tariff")
    problems = [
        Problem(scenario.name, "", f"uncertainty.futures.{label}.set", f"another {dim}", "that of the others")
        for label, other in zip(own, inputs, strict=True)
        for dim in dims
        if dim not in other or not other[dim].equals(inputs[0][dim])
    ]
    if problems:
        raise InputError(problems)
    probability = np.array([future.probability for future in own.values()])
    net = np.stack([(i["demand"] - i["pv_available"]).values.ravel() for i in inputs])
    chosen, likely = fast_forward(net, probability / probability.sum(), number)
    order, labels = np.argsort(chosen), list(own)
    kept = chosen[order].tolist()
    return Futures([inputs[k] for k in kept], [labels[k] for k in kept], likely[order])


def forecast(
    source: str | Path, scenario: Scenario, number: int, seed: int, overrides: Sequence[str] = ()
) -> Futures:
    """Return futures of a scenario as they could have been forecast when it starts, and what really happens."""
    from ...model.agents.heat_pumps import held
    from ..simulate import futures as paths
    from ..simulate.timeline import timeline

    _, line = timeline(source, scenario.time.days, HISTORY_DAYS, overrides)
    slots = line.inputs.sizes["time"]
    own = paths.futures(line, 0, slots, held(line.arrays), number, seed)
    labels = [f"path {k}" for k in range(1, len(own.inputs) + 1)]
    return Futures([as_dataset(inputs) for inputs in own.inputs], labels, own.probability, line.inputs)


def decided(
    scenario: Scenario,
    futures: Futures,
    time_limit: float | None,
    stage: Stage,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Return what is contracted a day ahead, what each future makes of it, and what not knowing it costs."""
    from ...model import day_ahead

    begin = time.perf_counter()
    own, likely = [Arrays.of(inputs) for inputs in futures.inputs], futures.probability.tolist()
    risk = Risk(scenario.uncertainty.risk.weight, scenario.uncertainty.risk.level)
    between = Arrays.of(mean(futures.inputs, futures.probability))
    came = [] if futures.came is None else [Arrays.of(futures.came)]

    def contracts(inputs: list[xr.Dataset], weights: list[float], fixed: Any = None) -> tuple[Any, Array]:
        bounds = [i for i in (*own, between, *came) if not any(i is mine for mine in inputs)]
        block = day_ahead.day_ahead_block(inputs, weights, risk=risk, bounds=bounds)
        if fixed is not None:
            day_ahead.fix(block, fixed)
        return block, _costs(block, time_limit, progress)

    stage("contracting for all futures")
    block, cost = contracts(own, likely)
    agreed, results = day_ahead.contracted(block), [as_dataset(r) for r in day_ahead.results(block)]
    _require_physics(own, results)
    expected = day_ahead.expected(block, results)
    meters = block.component("contracts").meters.label
    stage("contracting for the mean future")
    by_mean = day_ahead.contracted(contracts([between], [1.0])[0])
    stage("asking what knowing the future is worth")
    of_mean = contracts(own, likely, by_mean)[1]
    if_known = np.array([contracts([inputs], [1.0])[1][0] for inputs in own])
    currency = str(futures.inputs[0].attrs["currency"])
    found = worth(futures.labels, futures.probability, risk, Costs(cost, of_mean, if_known), currency)
    found = found.assign(_kept(futures, results, expected, agreed, meters))
    for actual in came:
        for name, fixed in (
            ("came_cost", agreed),
            ("came_cost_of_mean", by_mean),
            ("came_cost_if_known", None),
        ):
            stage("clearing what came")
            text = {"long_name": "cost of what really happened", "units": currency}
            found[name] = (), contracts([actual], [1.0], fixed)[1][0], text
    return found.assign_attrs(
        title=f"{scenario.name}: a day ahead, futures: {len(own)}",
        scenario=scenario.name,
        scenario_hash=digest(scenario),
        currency=currency,
        otonari_version=version(),
        otonari_day_ahead_format=FORMAT,
        objective=risk.of(cost, futures.probability),
        clear_seconds=time.perf_counter() - begin,
        scenario_definition=json.dumps(effective(scenario), ensure_ascii=False),
    )


def _costs(block: Any, time_limit: float | None, progress: Progress | None) -> Array:
    """Return what each future of a block costs (future,), once it is solved."""
    from ...model import planning
    from ...model.solver import solve

    threads = os.cpu_count() or 1
    solution = solve.solve(block, time_limit=time_limit, threads=threads, progress=progress)
    log.info("%s, objective %.6f, %s", solution.status, solution.objective, solution.proof)
    return np.asarray(planning.costs(block) / len(block.periods))


def _require_physics(inputs: Sequence[xr.Dataset], results: Sequence[xr.Dataset]) -> None:
    """Raise CheckError where the dispatch of a future is not possible, or its trades are not those of its meters."""
    from ...model.checks.run import require
    from ...model.settlement.trades import bilateral

    for own, result in zip(inputs, results, strict=True):
        require(own, result, bilateral(own, result), None, lp=True, prices="traded")


def _kept(
    futures: Futures, results: Sequence[xr.Dataset], expected: dict[str, Array], agreed: Any, meters: Array
) -> xr.Dataset:
    """Return contracts, expected prices, and the inputs and results of every future over ``future``."""
    first, unit = futures.inputs[0], f"{futures.inputs[0].attrs['currency']}/kWh"
    data: dict[str, Any] = {
        f"contract_{side}": (("contract", "time"), getattr(agreed, side), {"long_name": text, "units": "kW"})
        for side, text in (
            ("purchase", "bought from peers at the most"),
            ("sale", "sold to peers at the most"),
        )
    }
    docs = {"price": "expected value of energy that a peer buys", "sale_price": "... that a peer sells"}
    data |= {
        f"expected_{name}": (("node", "time"), values, {"long_name": docs[name], "units": unit})
        for name, values in expected.items()
    }
    for name in ("demand", "pv_available"):
        values = np.stack([inputs[name].transpose("participant", "time").values for inputs in futures.inputs])
        data[f"future_{name}"] = ("future", "participant", "time"), values, first[name].attrs
    for name in (n for n in POWERS if n in results[0]):
        values = np.stack([result[name].values for result in results])
        data[f"future_{name}"] = ("future", *results[0][name].dims), values, results[0][name].attrs
    dims = {str(d) for entry in data.values() for d in entry[0]} & set(first.coords)
    coords = {d: first[d] for d in dims} | {"contract": meters}
    return xr.Dataset(data, coords=coords)
