"""The command that clears the points of a sweep."""

from pathlib import Path
from typing import Any

from ..clear import sweep as sweeping
from ..report import tables
from ..store import sweep_results
from .answer import Answer


def sweep(file: Path, **options: Any) -> tuple[Answer, int]:
    """Clear the points of a sweep and gather their figures; return how many failed too.

    See :func:`otonari.runs.clear.sweep.run`.
    """
    outcome = sweeping.run(file, **options)
    figures = tables.compared(sweep_results.comparison(outcome.dataset))
    text = f"{figures}\n\n{tables.gathered(outcome)}"
    return Answer(tables.swept(outcome), text), len(outcome.failed)
