"""What members pay in a year under other rules than the scenario's: prices of their trades, or splits of a saving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.problems import InputError
from ...model.labels import Array

RULES = ("as-billed", "mid-market", "supply-demand-ratio", "equal")
"""Rules under which gains are told where none is asked for."""


class Run(NamedTuple):
    """A period as it is operated: inputs with what is built, results, trades, and settlement."""

    inputs: xr.Dataset
    results: xr.Dataset
    trades: xr.Dataset
    settlement: xr.Dataset


def require(inputs: xr.Dataset, rules: Sequence[str]) -> None:
    """Raise InputError with every rule that cannot say what members of a plan pay.

    Coalitions of many members are no matter of a plan: each of its days would be cleared for each of them.
    """
    from ...model.fair_shares import payments, splits
    from ...model.settlement import price_rules

    nobody = fair_run(Run(inputs, inputs, inputs, inputs), {})
    problems = payments.problems(nobody, rules, marginal=True)
    if inputs.sizes["participant"] > splits.most_members(nobody):
        want = f"another rule: coalitions in a plan are of {splits.most_members(nobody)} participants at most"
        for rule in rules:
            if rule == "shapley":
                problems += price_rules.refused(rule, want).problems
    if problems:
        raise InputError(problems)


def by_rule(runs: Sequence[Run], weights: Sequence[float], rules: Sequence[str]) -> Array:
    """Return what every participant pays in a year (rule, participant) [currency] where each rule holds for all days."""
    from ...model.fair_shares import payments

    total: Array = np.zeros((len(rules), runs[0].inputs.sizes["participant"]))
    for run, weight in zip(runs, weights, strict=True):
        total += weight * payments.exact(fair_run(run, _lines(run)), rules)
    return total


def fair_run(run: Run, lines: dict[str, Array]) -> Any:
    """Return a period as splits see a run."""
    from ...model.fair_shares import run as fair_shares

    return fair_shares.Run(run.inputs, run.results, run.trades, lines, minimum_charge=False)


def _lines(run: Run) -> dict[str, Array]:
    """Return the money of accounts (participant,) by name, zeros of lines that they do not have."""
    from ...model.settlement.account_lines import MONEY

    none = np.zeros(run.inputs.sizes["participant"])
    return {name: run.settlement[name].values if name in run.settlement else none for name in MONEY}
