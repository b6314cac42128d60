"""The command that says what members pay for a stored run under several rules."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from ...model.settlement.account_lines import MONEY
from ..markets import SETTLED, SIMULATED
from ..report import payments as report
from ..settle import trades as trades_by_slot
from ..store import atomic_file, run_file, run_format
from .answer import Answer

if TYPE_CHECKING:
    from ...model.fair_shares.run import Run
    from ...model.labels import Array


def prices(
    run: Path,
    rules: Sequence[str],
    output: Path | None,
    *,
    samples: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Answer:
    """Say what members pay for a stored run under each rule; see :mod:`otonari.model.fair_shares.payments`."""
    from ...model.fair_shares.payments import payments

    tree = run_file.open_run(run)
    with run_file.reading(run):
        given = replace(_run(tree), samples=samples, seed=seed, progress=progress)
    paid = payments(given, list(dict.fromkeys(rules)))
    text, told = report.text(paid), []
    if output:
        kept = atomic_file.publish_text(output, report.csv(paid))
        told = [f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")]
    return Answer(report.facts(paid), "\n\n".join([text, *told]), beside=tuple(told))


def _run(tree: xr.DataTree) -> "Run":
    """Return a stored run as splits see it."""
    from ...model.fair_shares.run import Run

    inputs, results, trades, settlement = trades_by_slot.groups(tree)
    lines = {name: run_format.account_line(settlement, name).values for name in MONEY}
    market, options = tree.attrs.get("market"), json.loads(str(tree.attrs.get("options", "{}")))
    if market == SETTLED:
        return Run(inputs, results, trades, lines, metered=True, participation=_participation(tree))
    bids = market == SIMULATED[0] and options.get("rules", {}).get("mechanism") != "uniform"
    minimum_charge = bool(options.get("minimum_charge", True))
    return Run(inputs, results, trades, lines, bids=bids, minimum_charge=minimum_charge)


def _participation(tree: xr.DataTree) -> "Array":
    """Return with which part of their withdrawals members of a settled run take part (participant,), 0 to 1."""
    members = json.loads(str(tree.attrs["settlement_definition"]))["tables"]["members"]
    return np.array([row["participation_percent"] / 100 for row in members])
