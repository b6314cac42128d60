"""The compiled program on HiGHS: an optimum with its own proof, or a failure that says what is wrong.

Settlement-grade by default: one thread, a fixed seed, and declared tie-breaks (`tie_breaking`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from pyomo.core.base.block import BlockData

from ..errors import NotOptimal
from ..labels import Array
from ..lp.matrix import Program, compile_block
from ..lp.suffixes import load_suffixes
from . import benders, bottom_up
from .basis import Basis, basis_of, statuses
from .binaries import directions, left_out
from .binaries.search import BRIEFLY, CROSSED, LEAST, ROUNDED, Decided, Search
from .bottom_up import Optimum
from .components import Effort
from .highs import basic_solution, dot, own_scheduler, prove, version
from .infeasibility import conclusive
from .tie_breaking import filled

SAME = 1e-6
"""Relative rise of a bound that is none."""
ACCEPTED = 1e-6
"""Largest primal and dual residual and relative duality gap of an accepted solution."""


@dataclass(frozen=True)
class Solution:
    """An accepted optimum: objective (currency), solver, and the proof computed from the arrays.

    ``proof`` holds primal_residual, dual_residual (absolute) and duality_gap, mip_gap (relative); ``method`` says by
    which way it was reached; ``basis`` is a warm start for the solve of a similar model.
    """

    objective: float
    solver: str
    method: str = ""
    status: str = "optimal"
    proof: dict[str, float] = field(default_factory=dict)
    iterations: int = 0
    basis: Basis | None = field(default=None, repr=False)
    directions: int = 0


@own_scheduler()
def solve(
    block: BlockData,
    *,
    time_limit: float | None = None,
    mip_gap: float = 1e-4,
    tie_break: bool = True,
    start: Solution | Basis | None = None,
    threads: int = 1,
    one_way: bool = True,
    progress: Callable[[int, int], None] | None = None,
    relaxation: Callable[[float], None] | None = None,
) -> Solution:
    """Solve a community block, or a linear model that holds such blocks, and store the values in it.

    What Pyomo says of it holds, as with any of its solvers: rows, variables and objectives that were added, deactivated,
    fixed or written anew, and suffixes ``dual`` and ``rc``. What it says and no linear program holds is refused.

    Parameters
    ----------
    time_limit : float, optional
        Seconds after which HiGHS gives up on a part; the failure then says how far it was.
    mip_gap : float
        Relative gap within which a solution with binaries counts as optimal.
    tie_break : bool
        Whether to choose among equal optima by the declared rule.
    start : Solution or Basis, optional
        Warm start, from a similar model: the same community without peers, at other prices, some slots earlier.
        Entries with the same labels keep their status, the rest is at rest. The solution counts only with its proof;
        else the model is solved from a cold start.
    threads : int
        Subtrees that are solved at the same time.
    one_way : bool
        Whether every meter and store has one direction per slot. False solves the relaxation, which nobody could
        realise, but whose prices prove bounds; sizes of many days are then decided by cuts (`benders`).
    progress : callable, optional
        Takes how many rows of parts are solved, of how many that are known of by then: parts that join, and binaries,
        make more of them known. Not called while a part is being solved.
    relaxation : callable, optional
        Where directions had to be decided, takes the cost of the relaxation, while the block holds its values: prices
        that prove a bound, of larger communities too.

    Raises
    ------
    Infeasible, Unbounded, NotOptimal, Refused
        With the cause; nothing is stored in the block then.
    """
    program, scale = _scaled(compile_block(block))
    known = start.basis if isinstance(start, Solution) else start
    search = Search(mip_gap=mip_gap, time_limit=time_limit, threads=threads, effort=Effort(progress))
    sized = benders.decided(
        directions.relaxed(program), time_limit=time_limit, threads=threads, decide=not one_way
    )
    search.bound = sized.bound
    solved = _solved(sized.program, sized.basis or known, tie_break, search, one_way)
    optimum, decided = solved.optimum, solved.decided
    values = filled([sized.values], len(optimum.x))  # columns of switches may have come
    program, x, dual = benders.less(decided.program, -values), optimum.x + values, optimum.dual
    if relaxation and solved.directions and search.relaxed is not None:
        relaxation(_stored(sized.program, search.relaxed, scale))
    _stored(program, optimum._replace(x=x), scale)
    load_suffixes(block, replace(program, cost=program.cost / scale), dual / scale)
    objective = dot(program.cost, x) + program.offset
    beyond = max(objective - search.bound, 0.0) if np.isfinite(search.bound) else 0.0
    small = max(mip_gap * abs(objective), LEAST)
    return Solution(
        objective=program.sign * objective / scale,
        solver=f"HiGHS {version()}",
        method="; ".join(
            filter(None, [sized.method, optimum.method, search.method, decided.method, solved.words])
        ),
        status="optimal" if beyond <= small else "feasible",
        proof=solved.proof | {"mip_gap": beyond / max(abs(objective), 1e-9)},
        iterations=optimum.iterations,
        basis=basis_of(program, optimum.column_status, optimum.row_status),
        directions=solved.directions,
    )


def _stored(program: Program, optimum: Optimum, scale: float) -> float:
    """Store the values and prices of an optimum of the scaled program in its components; return what it costs."""
    x = optimum.x[: len(program.cost)]
    program.store(np.clip(x, program.lower, program.upper), optimum.dual / scale, optimum.offer / scale)
    return program.sign * (dot(program.cost, x) + program.offset) / scale


@own_scheduler()
def least_cost(program: Program, mip_gap: float) -> float:
    """Return the least cost [currency] of a compiled program, its directions decided, and raise as :func:`solve`."""
    scaled, scale = _scaled(program)
    search = Search(mip_gap=mip_gap, time_limit=None, threads=1)
    solved = _solved(directions.relaxed(scaled), None, False, search, True)
    return scaled.sign * solved.objective / scale


class _Solved(NamedTuple):
    """An optimum with its proof, the program that it is of, and how many directions were decided in so many programs."""

    decided: Decided
    optimum: Optimum
    proof: dict[str, float]
    directions: int = 0
    programs: int = 0

    @property
    def objective(self) -> float:
        """What the optimum costs."""
        return dot(self.decided.program.cost, self.optimum.x) + self.decided.program.offset

    @property
    def basis(self) -> Basis:
        """The basis of the optimum."""
        return basis_of(self.decided.program, self.optimum.column_status, self.optimum.row_status)

    @property
    def words(self) -> str:
        """In words, how the directions were decided; nothing where none was."""
        if not self.programs:
            return ""
        return f"{self.directions} directions decided in {self.programs} programs"


def _solved(program: Program, known: Basis | None, tie_break: bool, search: Search, one_way: bool) -> _Solved:
    """Return the optimum of a program, its binaries decided in parts, by costlier ways until the gap is small.

    With ``one_way`` every meter and store has one direction per slot; see `directions`. Ties are broken last: among
    equal optima the rule may pick one that breaks another pair.
    """
    way, best, programs, settled = BRIEFLY, None, 0, not program.integer.any()
    first = _first if one_way and settled else _attempt
    solved = first(program, known, tie_break and settled, search)
    if settled:
        search.relaxed = solved.optimum
    while True:
        if one_way and (broken := directions.broken(program, solved.optimum.x)).any():
            program, programs, settled = directions.decided(program, broken), programs + 1, False
            best = best and _within(program, best)
            rounded = _rounded(program, solved, search)
            way = BRIEFLY if rounded is None else ROUNDED
            solved = rounded or _attempt(program, solved.basis, False, search)
        elif settled:
            return solved._replace(directions=directions.number(program), programs=programs)
        else:
            best = solved if best is None or solved.objective < best.objective else best
            further = search.further(program, way, best.decided, best.objective)
            if further is None:
                settled = True
                solved = _optimal(best.decided, best.basis, True, search) if tie_break else best
            else:
                way = further
                other = None if solved is best else solved.optimum.x
                solved = _attempt(program, solved.basis, False, search, way, best, other)


def _within(program: Program, best: _Solved) -> _Solved | None:
    """Return an optimum that breaks no direction as one of a program with more of them decided; None if it is longer."""
    x = best.optimum.x
    if len(x) != len(program.cost):
        return None
    decided = best.decided._replace(program=directions.rounded(program, x))
    return best._replace(decided=decided, optimum=best.optimum._replace(x=directions.directed(program, x)))


def _first(program: Program, known: Basis | None, tie_break: bool, search: Search) -> _Solved:
    """Return the optimum of a program of relaxed directions, with the rows that tighten those of some meters alone.

    These are the meters that break a direction in the smallest subtrees, or then in the whole. They need no rows whose
    coming does not cost anything more.
    """
    if not search.loosen(program):
        return _attempt(program, known, tie_break, search)
    known, breaks = _smallest(program, known, search)
    solved = _attempt(program, known, tie_break and not breaks, search)
    while search.tighten(program, solved.optimum.x):
        breaks, before = True, solved.objective
        solved = _attempt(program, solved.basis, False, search)
        if solved.objective - before <= SAME * abs(before):
            return solved
    return _attempt(program, solved.basis, True, search) if tie_break and breaks else solved


def _smallest(program: Program, known: Basis | None, search: Search) -> tuple[Basis | None, bool]:
    """Return the basis of the smallest subtrees alone, and whether it breaks a direction, whose rows then come in."""
    thin = left_out.without(program, search.loose(program))
    optimum = _from_the_leaves(thin, known, False, search, apart=True)
    if optimum is None:
        return known, False
    search.windows = optimum.windows
    breaks = search.tighten(program, optimum.x)
    return basis_of(program, optimum.column_status, optimum.row_status), breaks


def _rounded(program: Program, before: _Solved, search: Search) -> _Solved | None:
    """Return the optimum with the directions of the net power of the one before; None if there is none such."""
    rounded = search.rounded(program, before.optimum.x)
    return rounded and _warm(rounded, before.basis, False, search)


def _attempt(
    program: Program,
    known: Basis | None,
    tie_break: bool,
    search: Search,
    way: int = BRIEFLY,
    best: _Solved | None = None,
    other: Array | None = None,
) -> _Solved:
    """Return the optimum of a program, its binaries decided in parts or together; raise what is wrong with it.

    ``best`` is the best one so far, and ``other`` the values (columns,) of another one, if the last is not the best.
    """
    if way == CROSSED and best:
        return _optimal(search.crossed(program, best.decided, best.optimum, other), known, tie_break, search)
    start = statuses(program, known) if known and program.integer.any() else None
    decided = search.decide(program, start, way, best and best.optimum.x)
    if decided is not None:
        solved = _warm(decided, known, tie_break, search)
        if solved is not None or not decided.apart:
            return solved or _from_cold(decided, tie_break, search)
    return _optimal(_single_milp(program, search), known, tie_break, search)


def _optimal(decided: Decided, known: Basis | None, tie_break: bool, search: Search) -> _Solved:
    """Return the optimum of a program whose binaries are decided, from a known basis or else from a cold start."""
    return _warm(decided, known, tie_break, search) or _from_cold(decided, tie_break, search)


def _warm(decided: Decided, known: Basis | None, tie_break: bool, search: Search) -> _Solved | None:
    """Return the optimum of a program whose binaries are decided; None if there is none or its proof fails."""
    program, loose = decided.program, search.loose(decided.program)
    thin = left_out.without(program, loose) if loose.any() else program
    accepted, proof = _accepted(thin, _from_the_leaves(thin, known, tie_break, search))
    if accepted is not None and loose.any():
        accepted = accepted._replace(x=left_out.restored(program, loose, accepted.x))
        if not directions.broken(program, accepted.x)[loose].any():
            accepted, proof = _accepted(program, accepted)
    return None if accepted is None else _Solved(decided, accepted, proof)


def _from_the_leaves(
    program: Program, known: Basis | None, tie_break: bool, search: Search, apart: bool = False
) -> Optimum | None:
    """Return the optimum of a linear program from a known basis; ``apart`` that of its smallest subtrees."""
    return bottom_up.optimum(
        program,
        statuses(program, known) if known else None,
        time_limit=search.time_limit,
        tie_break=tie_break,
        threads=search.threads,
        apart=apart,
        effort=search.effort,
    )


def _from_cold(decided: Decided, tie_break: bool, search: Search) -> _Solved:
    """Return the optimum of a program whose binaries are decided, as one and from a cold start, or raise."""
    cold = _cold_start(decided.program, search.time_limit, tie_break)
    optimum, proof = _accepted(decided.program, cold)
    if optimum is None:
        worst = max(proof.values())
        raise NotOptimal(f"the proof of optimality fails by {worst:.3g}", proof["duality_gap"])
    return _Solved(decided, optimum, proof)


def _accepted(program: Program, optimum: Optimum | None) -> tuple[Optimum | None, dict[str, float]]:
    """Return an optimum if its proof holds, else None; and the proof."""
    if optimum is None:
        return None, {}
    proof = prove(program, optimum.x, optimum.dual)
    return optimum if max(proof.values()) <= ACCEPTED else None, proof


def _scaled(program: Program) -> tuple[Program, float]:
    """Return the program with costs of ordinary size, and the factor: tolerances are absolute, currencies are not."""
    largest = float(np.abs(program.cost).max(initial=0.0))
    if largest == 0.0 or 1e-2 <= largest <= 1e4:
        return program, 1.0
    scale = 10.0 ** -np.floor(np.log10(largest))
    return replace(program, cost=program.cost * scale, offset=program.offset * scale), float(scale)


def _cold_start(program: Program, time_limit: float | None, tie_break: bool) -> Optimum:
    """Return the optimum of the program as one, from a cold start; raise what is wrong with it."""
    highs = conclusive(program, time_limit, 0.0)
    solution = basic_solution(highs, program)
    whole = bottom_up.optimum(
        program, (solution.column_status, solution.row_status), together=True, tie_break=tie_break
    )
    if whole is None:
        raise NotOptimal("ties could not be settled")
    return whole


def _single_milp(program: Program, search: Search) -> Decided:
    """Return the program with its binaries fixed at their optimum, from one MILP; raise what is wrong with it."""
    highs = conclusive(program, search.time_limit, search.mip_gap)
    search.bound = max(search.bound, float(highs.getInfo().mip_dual_bound))
    return Decided(directions.fixed(program, np.array(highs.getSolution().col_value)))
