"""Programs that differ in the upper bounds of their columns alone, solved one after another on a living HiGHS object.

An optimum stays dual feasible under other bounds, so that the dual simplex goes on from it: a few pivots each. Where it
goes both ways at once (`binaries.directions`), it goes one way, which bounds the cost from above. If that is more than
the gap, the directions of that meter or store become binaries, and stay so for all bounds: a program with more of them
has no other optimum. Programs with few binaries are one MILP each; with many they are solved as any other.
"""

from dataclasses import replace

import numpy as np

from ..labels import Array
from ..lp.matrix import Program
from ..lp.one_way import NONE
from .binaries import directions
from .binaries.search import TOGETHER
from .highs import Simplex, basic_solution, dot, load, optimal, own_scheduler, prove, run, warm_run
from .solve import ACCEPTED, least_cost

_ROUNDS = 30  # in which directions are fixed, before binaries decide


class Resolves:
    """A program kept in HiGHS; ``hot``, ``mixed`` and ``cold`` count its solves: simplex, one MILP, as any other."""

    def __init__(self, program: Program, mip_gap: float):
        self._program, self._mip_gap = program, mip_gap
        self._relaxed = self._decided = directions.relaxed(program)
        self._highs = load(self._relaxed, None, mip_gap, Simplex.DUAL)
        self.hot, self.mixed, self.cold = 0, 0, 0

    @own_scheduler()
    def cost(self, upper: Array) -> float:
        """Return the least cost [currency] where the columns have the upper bounds ``upper`` (columns,).

        Raises
        ------
        Infeasible, Unbounded, NotOptimal, Refused
            With the cause, as `solve.solve`.
        """
        cost = self._by_simplex(upper)
        if cost is None:
            cost = self._as_one(upper)
        if cost is None:
            self.cold += 1
            cost = least_cost(replace(self._program, upper=upper), self._mip_gap)
        return cost

    def _by_simplex(self, upper: Array) -> float | None:
        """Return the least cost by the relaxation, None where it has binaries or does not tell.

        Where its optimum goes both ways, it goes on one way, that of the net, while this costs no more than the gap.
        """
        program, first = replace(self._relaxed, upper=upper), np.inf
        if program.integer.any():
            return None
        for _ in range(_ROUNDS):
            if not warm_run(self._highs, bounds=(program.lower, program.upper)):
                break
            solution = basic_solution(self._highs, program)
            cost = dot(program.cost, solution.x) + program.offset
            if first == np.inf:
                first, x = cost, solution.x
            known = max(prove(program, solution.x, solution.dual).values()) <= ACCEPTED
            if not known or cost - first > self._mip_gap * max(1.0, abs(first)):
                break
            both = _broken(program, solution.x)
            if not both.any():
                self.hot += 1
                return program.sign * cost
            program = _one_way(program, both, solution.x)
        if first < np.inf:
            self._decide(x)
        return None

    def _as_one(self, upper: Array) -> float | None:
        """Return the least cost of the MILP of all directions decided so far, None where they are many."""
        while int(self._decided.integer.sum()) <= TOGETHER:
            program = replace(self._decided, upper=upper)
            highs = load(program, None, self._mip_gap)  # a MILP that is run again may keep its old optimum
            run(highs)
            if not optimal(highs):
                return None
            x = np.array(highs.getSolution().col_value)
            if not self._decide(x):
                self.mixed += 1
                return program.sign * (dot(program.cost, x) + program.offset)
        return None

    def _decide(self, x: Array) -> bool:
        """Tell whether values ``x`` (columns,) go both ways where no direction is decided, and decide it from now on."""
        both = _broken(self._decided, x)
        if both.any():
            self._decided = directions.decided(self._decided, both)
        return bool(both.any())


def _broken(program: Program, x: Array) -> Array:
    """Return which pairs (pair,) go both ways at values ``x`` (columns,) that could gain by it.

    Pairs without a switch cannot: where they go both ways it is by a tie, and one way costs the same.
    """
    return np.asarray(directions.broken(program, x) & (program.pairs.switch != NONE))


def _one_way(program: Program, both: Array, x: Array) -> Program:
    """Return a program in which the pairs ``both`` (pair,) go one way only, that of their net at ``x`` (columns,)."""
    pairs, net = program.pairs, directions.net_power(program, x)
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[pairs.switch[both]] = upper[pairs.switch[both]] = net[both] > 0.0
    return directions.closed(replace(program, lower=lower, upper=upper))
