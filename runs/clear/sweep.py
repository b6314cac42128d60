"""Sweeps: every point cleared, or planned, on Dask, stored at once under its hash, and gathered into one Dataset.

What it leaves behind can always be gone on with: a point whose run is stored and intact is not cleared again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.loading import sweep_file
from ...data.loading.scenario import Scenario, digest, load_scenario
from .. import compare
from ..store import atomic_file, netcdf, run_file, sweep_results
from ..version import version
from . import dask_cluster, single

EXPECTED = ("Infeasible", "NotOptimal", "Refused", "Unbounded", "RunFileError", "SweepError")
"""Failures whose message says all that there is to say."""

Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)


class SweepError(ValueError):
    """A point cannot be cleared: its files are not what they were."""


@dataclass(frozen=True)
class Task:
    """All that a worker needs to know of a point; ``plan``: how much to build is asked, not how to run what is there."""

    source: str
    overrides: tuple[str, ...]
    market: str
    scenario_hash: str
    path: str
    time_limit: float | None
    plan: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished sweep: its Dataset and file, the copy of an earlier one, how many points and why some failed."""

    dataset: xr.Dataset
    path: Path
    kept: Path | None
    cleared: int
    already: int
    failed: dict[sweep_file.Point, str]


def run(
    path: str | Path,
    output: Path | None = None,
    dataset: Path | None = None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress = lambda done, points: None,
) -> Outcome:
    """Clear every point of a sweep file that is not stored yet, and gather all of them.

    Parameters
    ----------
    path : str or path
        The sweep file; see ``data.loading.sweep_file``.
    output : path, optional
        Folder of the run files (default ``runs-out/<name>``), which all workers must see.
    dataset : path, optional
        Of the gathered Dataset, ``.nc`` or ``.zarr`` (default ``sweep.nc`` in the folder).
    scheduler : str, optional
        Address of a Dask scheduler (default: a cluster of processes on this machine alone).
    workers : int, optional
        Processes of the cluster on this machine (default: one per core); they share its memory evenly.
    progress : callable
        Told how many points are done, of how many.

    Raises
    ------
    InputError
        With every problem of the sweep and its scenarios; nothing was cleared then.
    ClusterError
        If an extra is missing, or the scheduler does not answer or goes away.
    RunFileError
        If the Dataset cannot be written.
    """
    plan = sweep_file.load(path)
    folder = (output or Path("runs-out") / plan.sweep.name).absolute()
    target = dataset or folder / "sweep.nc"
    dask_cluster.require("a sweep", "distributed", *(["zarr"] if target.suffix == ".zarr" else []))
    if target.exists():
        sweep_results.read(target)  # what is no sweep is refused before anything is cleared
    tasks = {point: _task(plan, point, folder) for point in plan.points}
    distinct = list({task.path: task for task in tasks.values()}.values())
    answers: dict[str, tuple[xr.Dataset | str, bool]] = {}
    with dask_cluster.connected(scheduler, workers) as client:
        for task, answer in dask_cluster.answers(client, clear_point, distinct):
            answers[task.path] = (
                (dask_cluster.lost(answer), True) if isinstance(answer, BaseException) else answer
            )
            progress(len(answers), len(distinct))
    results = {point: answers[task.path][0] for point, task in tasks.items()}
    gathered = sweep_results.together(plan, results)
    kept = sweep_results.write(gathered, target)
    failures = {point: part for point, part in results.items() if isinstance(part, str)}
    fresh = [new for part, new in answers.values() if not isinstance(part, str)]
    return Outcome(gathered, target, kept, sum(fresh), len(fresh) - sum(fresh), failures)


def clear_point(task: Task) -> tuple[xr.Dataset | str, bool]:
    """Return a point's figures, or why there are none, and whether it was cleared just now; runs on a worker."""
    try:
        if task.plan:
            return _planned(task)
        if (tree := _stored(task)) is not None:
            return figures(tree), False
        return figures(_cleared(task)), True
    except Exception as error:  # whatever it is: it is told, and the other points go on
        return reason(error), True


def _planned(task: Task) -> tuple[xr.Dataset, bool]:
    """Return the totals of a point's plan, and whether it was planned just now; its file is stored."""
    from ..plan import run as planning
    from ..plan.totals import totals
    from ..store import plan_file

    path = Path(task.path)
    stored = plan_file.read(path) if plan_file.holds(path) else None
    fresh = stored is None or not _is_of(task, stored.attrs)
    if fresh:
        stored, _ = planning.planned(_scenario(task), task.market, time_limit=task.time_limit, threads=1)
        plan_file.write(stored, path)
    assert stored is not None
    return totals(stored).assign_coords(kind=np.array([], dtype=str)), fresh


def _scenario(task: Task) -> Scenario:
    """Return the scenario of a point."""
    scenario = load_scenario(task.source, task.overrides)
    if digest(scenario) != task.scenario_hash:
        raise SweepError("its files are not what they were when the sweep began, or not here")
    return scenario


def _is_of(task: Task, attributes: Mapping[Any, Any]) -> bool:
    """Return whether what is stored is of a point, by this version."""
    want = (task.scenario_hash, task.market, version())
    return want == tuple(attributes.get(name) for name in ("scenario_hash", "market", "otonari_version"))


def _cleared(task: Task) -> xr.DataTree:
    """Clear a point and store its run."""
    scenario = _scenario(task)
    tree = single.cleared(scenario, task.market, time_limit=task.time_limit, threads=1)
    _set_aside(Path(task.path))
    netcdf.write_run(tree, task.path)
    return tree


def figures(tree: xr.DataTree) -> xr.Dataset:
    """Return what is gathered of a run: the totals of a comparison, and every other sum of the settlement in money."""
    totals, settlement = compare.summary(tree), tree["settlement"].to_dataset()
    currency = totals["bill"].attrs["units"]
    sums = {
        name: ((), float(array.sum()), {"units": currency})
        for name, array in settlement.data_vars.items()
        if name not in totals and array.dims == ("participant",) and array.attrs.get("units") == currency
    }
    return totals.assign(sums)


def _stored(task: Task) -> xr.DataTree | None:
    """Return the run of a point where it is stored and intact, by this version, else None."""
    try:
        tree = run_file.open_run(task.path)
    except atomic_file.RunFileError:
        return None
    return tree if _is_of(task, tree.attrs) else None


def _set_aside(path: Path) -> None:
    """Give a file that cannot be read as a run another name, so that the run can be stored; it is not lost."""
    if path.exists():
        try:
            run_file.open_run(path)
        except atomic_file.RunFileError:
            path.rename(atomic_file.free_name(path.with_suffix(".damaged")))


def reason(error: Exception) -> str:
    """Return in a line why a point failed."""
    for listed in (getattr(error, name, ()) for name in ("problems", "causes")):
        if listed:
            return "; ".join(map(str, listed[:2])) + (f"; and {len(listed) - 2} more" if listed[2:] else "")
    text = " ".join(str(error).split())[:500]
    if type(error).__name__ in EXPECTED:
        return text
    log.error("a point failed", exc_info=error)  # a bug, or a machine at its end: more than a line is wanted
    return f"{type(error).__name__}: {text}"


def _task(plan: sweep_file.Plan, point: sweep_file.Point, folder: Path) -> Task:
    planned = plan.sweep.command == "plan"
    name = f"{point.scenario_hash[:16]}-{point.market}{'-plan' if planned else ''}.nc"
    limit, of = plan.sweep.time_limit_seconds, (point.overrides, point.market, point.scenario_hash)
    return Task(plan.source, *of, str(folder / name), limit, planned)
