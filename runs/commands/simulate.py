"""The command that simulates days of a scenario."""

from typing import Any

from ..simulate import run
from . import clear
from .answer import Answer


def simulate(scenario: str, **options: Any) -> Answer | None:
    """Simulate and store days of a scenario, None if it was stopped; see :func:`otonari.runs.simulate.run.run`."""
    outcome = run.run(scenario, **options)
    return None if outcome is None else clear.stored(outcome)
