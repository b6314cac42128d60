"""The rows of a conditional value at risk: the mean cost of the worst of several futures.

With the cost z[f] of future f, its probability p[f], and a level a, the conditional value at risk is the mean cost of
the worst 1 - a of all that may come, which a linear program finds (R. T. Rockafellar and S. Uryasev, "Optimization of
conditional value-at-risk", Journal of Risk 2 (2000) 21-41, theorem 1)::

    CVaR[a](z) = min over threshold of   threshold + sum over f of p[f] excess[f] / (1 - a)
                 excess[f] >= z[f] - threshold,   excess[f] >= 0

Of a certain cost c it is c, and CVaR[a](z + c) = CVaR[a](z) + c.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyomo.core.base.set import Set

from .devices.device import Families
from .labels import Array
from .lp.expressions import Linear
from .risk import Risk


class Tail(Families):
    """The threshold of the worst costs, and what every future costs beyond it; ``spent`` is their weighed mean."""

    spent: Linear

    def factors(self, probability: Array, risk: Risk) -> Array:
        """Return by what the cost of each future (future,) counts in the optimum, relative to its probability.

        1 - weight, and what the dual of its row adds, between 0 and weight / (1 - level): the worst futures count most.
        """
        return np.asarray(1 - risk.weight + self.component("beyond").dense_dual() / probability)


def tail(cost: Linear, probability: Array, risk: Risk, labels: Sequence[str]) -> Tail:
    """Return the block whose ``spent`` is the weighed cost of futures.

    Parameters
    ----------
    cost : Linear
        What each future costs (future,) if it comes, but for what is certain.
    probability : Array
        (future,), all above zero.
    risk : Risk
        With a weight above zero.
    labels : sequence of str
        Of the futures.
    """
    sets = {
        name: Set(initialize=list(own), ordered=True) for name, own in (("future", labels), ("level", [1]))
    }
    block = Tail(("future",), sets)
    for name, own in sets.items():
        block.add_component(name, own)
    doc = "cost from which on a future is among the worst"
    threshold = block.var("threshold", "currency", doc, lower=-np.inf, dims=("level",), result=None)
    excess = block.var("excess", "currency", "cost beyond the threshold", result=None)
    every = Linear(cost.shape, None, threshold.times(np.ones((1, len(labels)))).terms)
    block.row("beyond", excess - cost + every >= 0.0, "excess[f] >= cost[f] - threshold")
    worst = threshold.sum() + (probability / (1 - risk.level) * excess).sum()
    block.spent = (1 - risk.weight) * (probability * cost).sum() + risk.weight * worst
    return block
