"""Why a model has no solution, and what a solve that failed says."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Cause:
    """Why a model has no solution: who lacks how much of what, and when (UTC, start of the slot).

    ``row`` is the row that lacks it, by the name of its family and its label.
    """

    who: str
    when: str
    amount: float
    lack: str
    row: tuple[str, tuple[str, ...]] = field(default=("", ()), compare=False, repr=False)

    def __str__(self) -> str:
        """Return the cause as a sentence."""
        return f"{self.who} at {self.when} lacks {self.amount:.6g} {self.lack}"


class SolveError(RuntimeError):
    """There is no solution that could be used."""

    exit_code: ClassVar[int] = 3


class Infeasible(SolveError):
    """The inputs contradict one another; ``causes`` says where and by how much."""

    def __init__(self, causes: list[Cause]):
        self.causes = tuple(causes)
        super().__init__(
            "no solution: " + ("; ".join(map(str, causes)) or "the limits contradict one another")
        )


class NotOptimal(SolveError):
    """The solver stopped before it proved an optimum; ``gap`` is the relative gap where it is known."""

    def __init__(self, status: str, gap: float = np.nan):
        self.status, self.gap = status, gap
        super().__init__(f"not optimal: {status}" + ("" if np.isnan(gap) else f", gap {gap:.3g}"))


class Refused(SolveError):
    """HiGHS takes neither the program nor an option, or does not begin; the message is its own."""

    def __init__(self, words: str):
        super().__init__(f"HiGHS: {words}")


class Unbounded(SolveError):
    """The cost has no lower limit."""


class NoPowerFlow(SolveError):
    """The network carries the loads of a slot at no voltage."""
