"""Splits of what a run's community saves, by their names.

**A run that is not the optimum** (of a simulation, or within the gap of a search) gives everybody its part of what the
optimum would have saved, times what the run saved of that. Where the optimum saves nothing, parts are equal.
"""

import numpy as np

from ..labels import Array
from . import games, least_core, sampling
from .coalitions import Coalitions
from .metered import MeteredCoalitions
from .run import Run

COALITIONAL = ("shapley", "least-core", "nucleolus")
"""Splits by what coalitions gain."""
SPLITS = ("equal", "proportional", *COALITIONAL)
"""Splits of what the community gains."""


class Game:
    """Splits of a run's gain; ``known`` (2^participant,) is what coalitions gain, as the module says, once needed."""

    def __init__(self, run: Run):
        self.run = run
        self.known: Array | None = None
        self._coalitions: Coalitions | MeteredCoalitions | None = None

    def split(self, rule: str) -> tuple[Array, Array | None, float]:
        """Return shares (participant,) of the gain, their standard error, and the bound of the greatest excess."""
        run, n = self.run, self.run.inputs.sizes["participant"]
        if rule == "equal":
            return games.equal(run.gain, n), None, np.nan
        if rule == "proportional":
            return games.proportional(run.gain, run.traded), None, np.nan
        if n > most_members(run):
            return self._sampled(n)
        values = self._values()
        if rule == "shapley":
            return games.shapley(values), None, np.nan
        found = least_core.least_core(values) if rule == "least-core" else least_core.nucleolus(values)
        return found.shares, None, found.bound

    def _values(self) -> Array:
        """Return what all coalitions gain (2^participant,) [currency], everybody together what the run saved."""
        if self.known is None:
            values = self._made().gains(self.run.progress)
            self.known = np.append(values[:-1] * _factor(self.run, values[-1]), self.run.gain)
        return self.known

    def _sampled(self, n: int) -> tuple[Array, Array, float]:
        run, coalitions = self.run, self._made()
        drawn = sampling.shapley(coalitions.gain, n, run.samples, run.seed, run.progress)
        factor = _factor(run, float(drawn[0].sum()))
        shares = drawn[0] * factor
        return shares + (run.gain - shares.sum()) / n, drawn[1] * factor, np.nan

    def _made(self) -> Coalitions | MeteredCoalitions:
        if self._coalitions is None and self.run.metered:
            self._coalitions = MeteredCoalitions(self.run.inputs, self.run.participation)
        elif self._coalitions is None:
            self._coalitions = Coalitions(self.run.inputs, minimum_charge=self.run.minimum_charge)
        return self._coalitions


def most_members(run: Run) -> int:
    """Return up to how many members all coalitions of a run are known."""
    return MeteredCoalitions.exact if run.metered else Coalitions.exact


def _factor(run: Run, optimum: float) -> float:
    """Return what a run saved over what the optimum saves; 0 where that is nothing."""
    return run.gain / optimum if optimum > 1e-9 else 0.0
