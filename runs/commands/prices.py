"""The command that says what members pay for a stored run under several rules."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ...model.settlement.account_lines import LATER, MONEY
from ..markets import SIMULATED
from ..report import payments as report
from ..store import atomic_file, run_file, run_format
from .answer import Answer


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
    from ...model.fair_shares.run import Run

    tree = run_file.open_run(run)
    with run_file.reading(run):
        inputs, results, trades, settlement = (tree[group].to_dataset() for group in run_format.GROUPS)
        lines = {
            name: run_format.account_line(settlement, name).values
            for name in MONEY
            if name in settlement or name in LATER
        }
    options = json.loads(str(tree.attrs.get("options", "{}")))
    given = Run(
        inputs=inputs,
        results=results,
        trades=trades,
        lines=lines,
        bids=tree.attrs.get("market") == SIMULATED[0]
        and options.get("rules", {}).get("mechanism", "continuous") != "uniform",
        minimum_charge=options.get("minimum_charge", True),
        samples=samples,
        seed=seed,
        progress=progress,
    )
    paid = payments(given, list(dict.fromkeys(rules)))
    text, stored = report.text(paid), []
    if output:
        kept = atomic_file.publish_text(output, report.csv(paid))
        stored = [f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")]
    return Answer(report.facts(paid), "\n\n".join([text, *stored]), beside=tuple(stored))
