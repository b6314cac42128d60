"""Programs that differ in the upper bounds of their columns alone, solved one after another on one living HiGHS object.

An optimum stays dual feasible under other bounds, so that the dual simplex goes on from it: a few pivots each. Where the
program has binaries, or an optimum goes both ways at once (`binaries.directions`), it is solved as any other program.
"""

from dataclasses import replace

from ..labels import Array
from ..lp.matrix import Program
from .binaries import directions
from .highs import Simplex, basic_solution, dot, load, own_scheduler, prove, warm_run
from .solve import ACCEPTED, least_cost


class Resolves:
    """A program kept in HiGHS; ``hot`` and ``cold`` count its solves of either kind."""

    def __init__(self, program: Program, mip_gap: float):
        self._program, self._mip_gap = program, mip_gap
        self._relaxed = directions.relaxed(program)
        self._highs = load(self._relaxed, None, mip_gap, Simplex.DUAL)
        self.hot, self.cold = 0, 0

    def cost(self, upper: Array) -> float:
        """Return the least cost [currency] where the columns have the upper bounds ``upper`` (columns,).

        Raises
        ------
        Infeasible, Unbounded, NotOptimal, Refused
            With the cause, as `solve.solve`.
        """
        cost = self._hot(replace(self._relaxed, upper=upper))
        if cost is None:
            self.cold += 1
            return least_cost(replace(self._program, upper=upper), self._mip_gap)
        self.hot += 1
        return cost

    @own_scheduler()
    def _hot(self, program: Program) -> float | None:
        """Return the least cost of a program, None where it has binaries or its optimum is not accepted."""
        if program.integer.any() or not warm_run(self._highs, bounds=(program.lower, program.upper)):
            return None
        solution = basic_solution(self._highs, program)
        proof = prove(program, solution.x, solution.dual)
        if max(proof.values()) > ACCEPTED or directions.broken(program, solution.x).any():
            return None
        return program.sign * (dot(program.cost, solution.x) + program.offset)
