"""Cost in several futures: what is expected, and the mean of the worst part of it (conditional value at risk)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .labels import Array


class Risk(NamedTuple):
    """How costs in several futures are weighed: (1 - weight) x expected + weight x conditional value at risk.

    ``weight`` is less than 1, so that what is done in a future costs as little as it can whatever the others cost.
    """

    weight: float = 0.0
    level: float = 0.95

    def of(self, cost: Array, probability: Array) -> float:
        """Return the weighed cost of futures (future,) with their probabilities (future,)."""
        expected = float(probability @ cost)
        return (1 - self.weight) * expected + self.weight * self.tail(cost, probability)

    def tail(self, cost: Array, probability: Array) -> float:
        """Return the conditional value at risk of the costs of futures (future,): the mean of the worst 1 - level."""
        return cvar(cost, probability, self.level)


NEUTRAL = Risk()
"""The expected cost alone."""


def cvar(cost: Array, probability: Array, level: float) -> float:
    """Return the conditional value at risk of costs (future,): the mean of the worst 1 - ``level`` of them.

    >>> cvar(np.array([1.0, 4.0, 2.0]), np.array([0.5, 0.25, 0.25]), 0.5)
    3.0
    """
    worst = np.argsort(-cost, kind="stable")
    within = np.minimum(np.cumsum(probability[worst]), 1 - level)
    taken = np.diff(within, prepend=0.0)
    return float(taken @ cost[worst] / taken.sum())
