"""The commands that run markets: clear a scenario, simulate its days, sweep its keys; what is said of a stored run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.problems import shown
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from .. import compare
from ..archive import Outcome
from ..futures import told
from ..report import tables
from ..text import table
from .answer import Answer

if TYPE_CHECKING:
    from ..simulate.of_plan import Gains

MOST = 40
"""Members whose gains stand one a line; beyond, their sum alone."""


def clear(
    scenario: str,
    market: str | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    stage: Callable[[str], None],
    progress: Callable[[int, int], None] = lambda done, of: None,
    **options: Any,
) -> Answer:
    """Clear and store a scenario: by regions where there are workers or a scheduler, else as one.

    See :func:`otonari.runs.clear.by_regions.run` and :func:`otonari.runs.clear.single.run`.
    """
    if workers or scheduler:
        from ..clear import by_regions

        cluster: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "progress": progress}
        return stored(by_regions.run(scenario, stage=stage, **cluster, **options))
    from ..clear import single

    return stored(single.run(scenario, market, stage=stage, progress=progress, **options))


def day_ahead(scenario: str, number: int, seed: int, **options: Any) -> Answer:
    """Contract a day ahead for several futures, and store it; see :func:`otonari.runs.clear.day_ahead.run`."""
    from ..clear import day_ahead

    return contracted(day_ahead.run(scenario, number, seed, **options))


def contracted(outcome: Any) -> Answer:
    """Return what a command says of a day ahead: what each future costs, what not knowing it costs, and the file."""
    figures, currency = outcome.figures, outcome.figures.attrs["currency"]

    money = tables.number
    parts = [shown(figures.attrs["title"]), told(figures, money, "as contracted", "by the mean's", currency)]
    came = {name: float(v) for name, v in figures.items() if str(name).startswith("came_cost")}
    if came:
        of = dict(
            zip(came, ("as contracted", "by the mean's contracts", "if it had been known"), strict=True)
        )
        parts += ["what came costs " + ", ".join(f"{money(v)} {currency} {of[n]}" for n, v in came.items())]
    kept = f" (the earlier one: {outcome.kept})" if outcome.kept else ""
    parts += [shown(f"stored  {outcome.path}{kept}")]
    attributes = {str(k): v for k, v in figures.attrs.items() if k != "scenario_definition"}
    totals = {str(n): float(v) for n, v in figures.items() if not v.dims}
    futures = {
        str(label): {str(n): v.values[i].item() for n, v in figures.items() if v.dims == ("future",)}
        for i, label in enumerate(figures["future"].values)
    }
    facts = {**attributes, "totals": totals, "futures": futures}
    paths = {"path": str(outcome.path), "kept": outcome.kept and str(outcome.kept)}
    return Answer({**facts, **paths}, "\n\n".join(parts))


def simulate(scenario: str, **options: Any) -> Answer | None:
    """Simulate and store days of a scenario, or of what a plan builds; None if it was stopped.

    See :func:`otonari.runs.simulate.run.run` and :mod:`otonari.runs.simulate.of_plan`.
    """
    from ..simulate import of_plan, run
    from ..store import plan_file

    if Path(scenario).suffix == ".nc" and plan_file.holds(scenario):
        gains = of_plan.run(Path(scenario), **options)
        return None if gains is None else _gained(gains)
    outcome = run.run(scenario, **options)
    return None if outcome is None else _with_feeder(stored(outcome), outcome)


def _with_feeder(answer: Answer, outcome: Outcome) -> Answer:
    """Return what is said of a simulated run, and what its days do to the feeder where that is known."""
    from ..grid import markets

    flows, text = markets.of_simulation(outcome.path, outcome.tree)
    if not text:
        return answer
    return replace(answer, facts={**answer.facts, "feeder": flows}, text=f"{answer.text}\n\n{text}")


def _gained(gains: "Gains") -> Answer:
    """Return what a command says of a simulated plan: the run with what is built, and what that gains."""
    answer, gain = stored(gains.built), gains.gain
    currency, ways = gain.attrs["units"], [str(way) for way in gain["way"].values]
    members = {str(p): gain.sel(participant=p).values.tolist() for p in gain["participant"].values}
    total = gain.values.sum(axis=1).tolist()
    rows = [[name, *(f"{v:,.2f}" for v in values)] for name, values in [*members.items(), ("all", total)]]
    told = {name: dict(zip(ways, values, strict=True)) for name, values in members.items()}
    facts = {
        "gains": told,
        "total": dict(zip(ways, total, strict=True)),
        "as_it_is": str(gains.as_it_is.path),
    }
    text = table([f"{gain.attrs['long_name']} {currency}", *ways], rows[-1:] if len(members) > MOST else rows)
    beside = shown(f"stored  {gains.as_it_is.path}, the same days as they are")
    return replace(answer, facts=answer.facts | facts, text="\n\n".join([answer.text, beside, text]))


def sweep(file: Path, **options: Any) -> tuple[Answer, int]:
    """Clear the points of a sweep and gather their figures; return how many failed too.

    See :func:`otonari.runs.clear.sweep.run`.
    """
    from ..clear import sweep as sweeping
    from ..store import sweep_results

    outcome = sweeping.run(file, **options)
    figures = tables.compared(sweep_results.comparison(outcome.dataset))
    text = f"{figures}\n\n{tables.gathered(outcome)}"
    return Answer(tables.swept(outcome), text), len(outcome.failed)


def stored(outcome: Outcome) -> Answer:
    """Return what a command says of a run that it stored: figures by kind of participant, file and ledger."""
    summary, tree = compare.summary(outcome.tree), outcome.tree
    figures = tables.cleared(summary, tree.attrs["currency"])
    text = "\n\n".join([tables.heading(tree), figures, tables.kept(outcome)])
    return Answer(facts(outcome, summary), text, notes=tuple(tables.notes(tree)))


def facts(outcome: Outcome, summary: xr.Dataset) -> dict[str, Any]:
    """Return what a machine wants to know of a run: its attributes, figures, file and ledger."""
    attributes = {str(k): v for k, v in outcome.tree.attrs.items() if k != "scenario_definition"}
    kinds = {
        str(kind): {
            str(n).removeprefix("kind_"): float(v)
            for n, v in summary.sel(kind=kind).items()
            if "kind_" in str(n)
        }
        for kind in summary["kind"].values
    }
    totals = {str(n): float(v) for n, v in summary.items() if not v.dims}
    recorded = (
        None if outcome.commit is None else {**vars(outcome.commit), "directory": str(outcome.directory)}
    )
    files = {"path": str(outcome.path), "kept": outcome.kept and str(outcome.kept), "ledger": recorded}
    return {**attributes, **files, "totals": totals, "kinds": kinds}
