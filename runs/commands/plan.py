"""The command that plans, and what is said of a plan."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.inputs.currency import decimals
from ...data.problems import shown
from .. import compare as comparison
from ..compare import CompareError
from ..futures import told
from ..plan import run
from ..plan.totals import LOSS, UNITS, of_members, side_by_side
from ..report import tables
from ..store import plan_file
from ..text import table
from .answer import Answer

MOST = 40
"""Members that stand one a line; beyond, kinds alone."""
_SUMS = ("member_capital", "cost_before", "cost_after", "gain", "npv", "co2_before", "co2_after")


def plan(scenario: str, *, stage: Callable[[str], None], **options: Any) -> Answer:
    """Plan what a scenario may build, and store the figures; see :func:`otonari.runs.plan.run.run`."""
    outcome = run.run(scenario, stage=stage, **options)
    figures = outcome.figures
    kept = f" (the earlier one: {outcome.kept})" if outcome.kept else ""
    misses = _misses(figures)
    notes = [shown(f"note: {note}") for note in json.loads(figures.attrs["notes"])]
    if misses:
        told = ", ".join(f"{q} {100 * m['duration_error']:.1f} %" for q, m in misses.items())
        notes.append(
            f"note: {figures.sizes['day']} days stand for the horizon; duration curves differ by: {told}"
        )
    if "objective_of_all_days" in figures.attrs:
        cost, currency = figures.attrs["objective_of_all_days"], figures.attrs["currency"]
        share = 100 * (cost / figures.attrs["objective"] - 1)
        told = f"{cost:,.0f} {currency} a year, {share:+.2f} % of what the plan says"
        notes.append(f"note: on every day of the horizon what is built costs {told}")
    return Answer(
        {**facts(figures), "path": str(outcome.path), "kept": outcome.kept and str(outcome.kept)},
        f"{text(figures)}\n\n{shown(f'stored  {outcome.path}{kept}')}",
        notes=tuple(notes),
    )


def text(figures: xr.Dataset) -> str:
    """Return the tables of a plan: what is built, what members pay and gain, and by which rule."""
    parts = [_heading(figures), _candidates(figures)]
    parts += [_members(figures)] if figures.sizes["participant"] <= MOST else []
    parts += [_kinds(figures)]
    parts += [_rules(figures)] if figures.attrs["market"] == "p2p" else []
    parts += [futures(figures)] if "future" in figures.sizes else []
    return "\n\n".join(parts)


def facts(figures: xr.Dataset) -> dict[str, Any]:
    """Return what a machine wants to know of a plan: its attributes, candidates, members and totals."""
    attributes = {str(k): v for k, v in figures.attrs.items() if k != "scenario_definition"}
    over = {
        dim: {
            str(label): {
                str(name).removeprefix("member_"): values.values[i].item()
                for name, values in figures.data_vars.items()
                if values.dims == (dim,)
            }
            for i, label in enumerate(figures[dim].values)
        }
        for dim in ("candidate", "participant", "future")
        if dim in figures.sizes
    }
    for label, member in over["participant"].items():
        gains = figures["gain_by_rule"].sel(participant=label)
        member["gain_by_rule"] = dict(zip(gains["rule"].values.tolist(), gains.values.tolist(), strict=True))
    totals = {str(n): float(v) for n, v in figures.items() if not v.dims} | _totals(figures, np.s_[:])
    days = dict(zip(figures["day"].values.tolist(), figures["day_count"].values.tolist(), strict=True))
    told = {"candidates": over["candidate"], "members": over["participant"], "totals": totals, "days": days}
    if "future" in over:
        told["futures"] = over["future"]
    return {**attributes, **told, "misses": _misses(figures)}


def _misses(figures: xr.Dataset) -> dict[str, dict[str, float]]:
    """Return by how much the days miss the horizon, by quantity; nothing where they are the horizon."""
    if "quantity" not in figures.sizes:
        return {}
    names = ("sum_error", "duration_error")
    return {
        str(q): {n: float(figures[n].values[i]) for n in names}
        for i, q in enumerate(figures["quantity"].values)
    }


def _totals(figures: xr.Dataset, of: Any) -> dict[str, float]:
    """Return the sums over some participants."""
    return {name.removeprefix("member_"): float(figures[name].values[of].sum()) for name in _SUMS}


def _heading(figures: xr.Dataset) -> str:
    """Return what was planned, in two lines."""
    told, currency = figures.attrs, figures.attrs["currency"]
    money = _money(figures)
    first = f"{told['title']}; {told['years']} years at {100 * told['discount_rate']:g} %"
    before, after = (float(figures[f"cost_{when}"].sum()) for when in ("before", "after"))
    saved = f"cost of a year {money(before)} -> {money(after)} {currency}"
    own = (float(figures[f"community_self_sufficiency_{when}"]) for when in ("before", "after"))
    co2 = (float(figures[f"co2_{when}"].sum()) for when in ("before", "after"))
    second = f"{saved}, self-sufficiency {' -> '.join(f'{100 * v:.1f} %' for v in own)}"
    return shown(first) + "\n" + f"{second}, CO2 {' -> '.join(f'{v:,.0f}' for v in co2)} kg"


def _candidates(figures: xr.Dataset) -> str:
    """Return a line for each candidate: built by how many, how much, and at what price one more would pay."""
    money, currency = _money(figures), figures.attrs["currency"]
    names = np.array([str(label).partition("@")[0] for label in figures["candidate"].values])
    lines = []
    for name in dict.fromkeys(names.tolist()):
        own = names == name
        size, price, next_ = (figures[n].values[own] for n in ("size", "price", "worthwhile_price"))
        unit = UNITS[str(figures["candidate_kind"].values[own][0])]
        lines.append(
            [
                name,
                f"{int((size > 0).sum())} of {len(size)}",
                f"{size.sum():,.1f} {unit}",
                money(float(figures["capital"].values[own].sum())),
                money(float(figures["yearly_cost"].values[own].sum())),
                f"{money(float(price[0]))}/{unit}",
                f"{money(float(next_.max()))}/{unit}",
            ]
        )
    header = ["candidate", "built", "size", f"price {currency}", "a year", "price of one", "more pays at"]
    return table(header, lines)


def _members(figures: xr.Dataset) -> str:
    """Return a line for each participant."""
    money, currency = _money(figures), figures.attrs["currency"]
    kinds = [kind for kind in UNITS if kind in figures["candidate_kind"].values]
    sizes = {kind: of_members(figures, kind) for kind in kinds}
    lines = [
        [
            str(label),
            *(f"{sizes[kind][i]:.1f}" if sizes[kind][i] > 0 else "-" for kind in kinds),
            *(money(float(figures[n].values[i])) for n in ("cost_before", "cost_after", "gain", "npv")),
            _years(float(figures["payback"].values[i])),
            *(_share(float(figures[f"self_sufficiency_{w}"].values[i])) for w in ("before", "after")),
        ]
        for i, label in enumerate(figures["participant"].values.tolist())
    ]
    built = [f"{kind} {UNITS[kind]}" for kind in kinds]
    header = ["member", *built, f"{currency} a year", "then", "gain", "NPV", "payback", "own PV %", "then %"]
    return table(header, lines)


def _kinds(figures: xr.Dataset) -> str:
    """Return a line for each kind of participant, and for all."""
    money, currency = _money(figures), figures.attrs["currency"]
    kind = figures["participant_kind"].values.astype(str)
    rows = [(name, kind == name) for name in sorted(set(kind.tolist()))]
    lines = []
    for name, own in [*rows, ("all", np.ones(len(kind), dtype=bool))]:
        sums = _totals(figures, own)
        amounts = [money(sums[n]) for n in ("capital", "cost_before", "cost_after", "gain", "npv")]
        lines.append(
            [name, str(int(own.sum())), *amounts, f"{sums['co2_before']:,.0f}", f"{sums['co2_after']:,.0f}"]
        )
    header = ["kind", "number", f"invests {currency}", "a year", "then", "gain", "NPV", "CO2 kg", "then"]
    return table(header, lines)


def _rules(figures: xr.Dataset) -> str:
    """Return what each kind of participant gains a year under each rule, and how many members lose."""
    money, kind = _money(figures), figures["participant_kind"].values.astype(str)
    gains = {str(r): figures["gain_by_rule"].values[i] for i, r in enumerate(figures["rule"].values)}
    rows = [(name, kind == name) for name in sorted(set(kind.tolist()))]
    lines = [
        [name, *(money(float(gain[own].sum())) for gain in gains.values())]
        for name, own in [*rows, ("all", np.ones(len(kind), dtype=bool))]
    ]
    lines.append(["members who lose", *(str(int((gain < -LOSS).sum())) for gain in gains.values())])
    return table([f"gain {figures.attrs['currency']} by rule", *gains], lines)


def compare(files: Sequence[Path], output: Path | None) -> Answer:
    """Compare stored plans: what is built, costs, gains, and what they do to self-sufficiency and carbon dioxide."""
    plans = [plan_file.read(file) for file in files]
    currencies = {str(plan.attrs["currency"]) for plan in plans}
    if len(currencies) > 1:
        raise CompareError(f"compare: got plans in {', '.join(sorted(currencies))}, want one currency")
    names = [file.stem for file in files]
    names = names if len(set(names)) == len(names) else [str(file) for file in files]
    compared = side_by_side(plans, names)
    lines = tables.compared_plans(compared)
    kept = comparison.write(compared, output) if output else None
    if output:
        lines += "\n\n" + shown(f"stored  {output}" + (f" (the earlier one: {kept})" if kept else ""))
    return Answer(compared.to_dict(), lines)


def futures(figures: xr.Dataset) -> str:
    """Return a line for each future that was planned for."""
    unit = f"{figures.attrs['currency']} a year"
    return told(figures, _money(figures), "as planned", "built for the mean", unit)


def _money(figures: xr.Dataset) -> Callable[[float], str]:
    """Return how a sum of money is told: yen as they are, no cents of a year either."""
    digits = 0 if (decimals(figures.attrs["currency"]) or 0) <= 1 else 2
    return lambda value: "-" if np.isnan(value) else f"{round(value, digits) + 0.0:,.{digits}f}"


def _years(value: float) -> str:
    return "-" if np.isnan(value) or value == 0 else f"{value:.1f} y"


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
