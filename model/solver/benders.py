"""Sizes that many days share, by Benders decomposition: the days one by one, and cuts that join them.

Days of a plan have nothing in common but the sizes that are built, columns z that all of them *share*. With these
fixed the program falls into parts w, days or single meters of a day::

    min f z + sum over w of L[w](z)    subject to    rows of z alone,
    L[w](z) = min c[w] x[w]    subject to    A[w] x[w] = b[w] - T[w] z

with inequalities and bounds as they are. L[w] is convex, and by weak duality the duals p of its program at any sizes
are a cut that it obeys at all of them::

    L[w](z) >= p (b[w] - T[w] z) + least value of (c[w] - A[w]' p) x[w] within bounds

The least sum of cuts, one epigraph per part (a program of some dozen columns and, where units are whole, binaries), is
a lower bound of the whole and proposes sizes; the parts at these give the cost of the whole, an upper bound, and cuts,
until both bounds agree. So the work grows as the number of days, where a single program grows as its square. The sizes
are then fixed and the whole is solved with them, each part from the basis that it has. What that costs more than the
lower bound is the gap.

Benders (1962), "Partitioning procedures for solving mixed-variables programming problems"; an epigraph per part: Birge
and Louveaux (1988), "A multicut algorithm for two-stage stochastic linear programs"; sizes between the best and those
proposed: Ben-Ameur and Neto (2007), "Acceleration of cutting-plane and column generation algorithms".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..labels import Array
from ..lp.matrix import Program, bare
from .basis import Basis, at_rest, basis_of, run_from
from .components import connected, piece
from .highs import Simplex, basic_solution, dot, load, optimal, run
from .tie_breaking import filled

ROWS, LARGEST = 50_000, 0.2
"""Rows up to which a program is quicker as one, and of its largest part, as a share of all, up to which it is not."""
GAP = 1e-6
"""Relative gap between the bounds at which sizes are decided."""
BETWEEN = 0.5
"""Where sizes are tried, from those proposed towards the best so far: cuts of extremes say little."""
FEASIBLE = 1e-6
"""What a row of sizes may be violated by, as HiGHS has it."""
ROUNDS = 200
"""Rounds at the most."""


class Decided(NamedTuple):
    """A program less its shared columns, their values (columns,), 0 for others, and how these were decided.

    ``bound`` is a lower bound of the least cost with any values, ``basis`` one to start from: None for that of who asks.
    """

    program: Program
    values: Array
    bound: float = -np.inf
    basis: Basis | None = None
    method: str = ""


def decided(
    program: Program, *, time_limit: float | None = None, threads: int = 1, decide: bool = True
) -> Decided:
    """Return a program less its sizes, which are decided where that is quicker than as one: else nothing is.

    It is not where the program is short, where it does not fall into parts, or where one of these has no optimum at
    sizes that cuts propose. Sizes that are fixed need no decision, and no longer join the parts.

    Parameters
    ----------
    time_limit : float, optional
        Seconds for each solve of a part.
    threads : int
        Parts that are solved at the same time.
    decide : bool
        Whether any sizes are decided.
    """
    nothing = np.zeros(len(program.cost))
    own = [np.full(len(family.position), family.shared) for family in program.variables]
    shared = filled(own, len(nothing)).astype(bool)
    if (program.lower == program.upper)[shared].all():
        values = np.where(shared, program.lower, nothing)
        return Decided(_fixed(program, shared, values) if values.any() else program, values)
    as_one = Decided(program, nothing)
    if not decide or len(program.row_lower) <= ROWS or program.integer[~shared].any():
        return as_one
    parts = connected(program.matrix, ~shared)
    if max(len(rows) for rows, _ in parts) > LARGEST * len(program.row_lower):
        return as_one
    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        return _Sizes(program, shared, parts, time_limit, each).decide() or as_one


def less(program: Program, values: Array) -> Program:
    """Return a program of the same columns less some values (columns,), which are in its sides and its offset then."""
    taken = program.matrix @ values
    return replace(
        program,
        lower=program.lower - values,
        upper=program.upper - values,
        row_lower=program.row_lower - taken,
        row_upper=program.row_upper - taken,
        offset=program.offset + dot(program.cost, values),
    )


def _fixed(program: Program, shared: Array, values: Array) -> Program:
    """Return a program less columns ``shared`` (columns,) that are fixed at values (columns,)."""
    lower, upper = (np.where(shared, values, side) for side in (program.lower, program.upper))
    integer = program.integer & ~shared
    return less(replace(program, lower=lower, upper=upper, integer=integer), values)


class _Part(NamedTuple):
    """A part: its rows and columns in the whole, its program at sizes of nothing, and what sizes do in its rows."""

    rows: Array
    columns: Array
    program: Program
    of_shared: sparse.csr_matrix


class _Cut(NamedTuple):
    """A cut: its value at sizes of nothing, and how it rises by size (shared,)."""

    value: float
    slope: Array

    def at(self, z: Array) -> float:
        """Return the cost that it proves at sizes (shared,)."""
        return self.value + dot(self.slope, z)


class _Sizes:
    """The state of a decomposition: the basis of every part so far, and the program of the sizes."""

    def __init__(
        self,
        program: Program,
        shared: Array,
        parts: list[tuple[Array, Array]],
        time_limit: float | None,
        each: Callable[..., Iterable[Any]],
    ):
        self.program, self.time_limit, self.each = program, time_limit, each
        self.shared = np.flatnonzero(shared)
        self.column_status, self.row_status = at_rest(program)
        place, of_shared = np.full(len(program.cost), -1), program.matrix[:, self.shared]
        self.parts = [_Part(r, c, piece(program, r, c, place), of_shared[r]) for r, c in parts if len(r)]
        own = np.ones(len(program.row_lower), dtype=bool)
        own[np.concatenate([part.rows for part in self.parts])] = False
        self.master = _Master(program, self.shared, np.flatnonzero(own), len(self.parts))
        loose = np.concatenate([np.zeros(0, dtype=int), *(c for r, c in parts if not len(r))])
        self.constant = program.offset + _least(
            program.cost[loose], program.lower[loose], program.upper[loose]
        )
        self.rounds = 0

    def decide(self) -> Decided | None:
        """Try sizes until the bounds agree: between the best and those proposed, and those proposed at last."""
        cost, whole = self.program.cost[self.shared], self.master.whole
        z = best = self.program.lower[self.shared]
        least, bound, tried = np.inf, -np.inf, False
        while self.rounds < ROUNDS:
            cuts = list(self.each(lambda part, z=z: self._solve(part, z), self.parts))
            if None in cuts:
                return None
            self.rounds += 1
            value = self.constant + dot(cost, z) + sum(cut.at(z) for cut in cuts)
            self.master.add(cuts)
            known = self.master.solve()
            if known is None:
                return None
            bound, proposed = known[0] + self.constant, known[1]
            small = GAP * abs(value)
            if self.master.allows(z) and (value < least or (tried and value - bound <= small)):
                least, best = value, z
            if tried and best is z and value - bound <= small:
                break
            tried = whole or np.isinf(least) or least - bound <= small
            z = proposed if tried else proposed + BETWEEN * (best - proposed)
        if np.isinf(least):
            return None
        method = f"sizes by cuts of {len(self.parts)} parts in {self.rounds} rounds"
        basis = basis_of(self.program, self.column_status, self.row_status)
        values, shared = np.zeros((2, len(self.program.cost)))
        values[self.shared], shared[self.shared] = best, 1.0
        return Decided(_fixed(self.program, shared > 0, values), values, bound, basis, method)

    def _solve(self, part: _Part, z: Array) -> _Cut | None:
        """Return the cut of a part at sizes; None if it has no optimum there."""
        own, taken = part.program, part.of_shared @ z
        program = replace(own, row_lower=own.row_lower - taken, row_upper=own.row_upper - taken)
        start = self.column_status[part.columns], self.row_status[part.rows]
        highs = run_from(program, start, Simplex.WARM if self.rounds else Simplex.DUAL, self.time_limit)
        if highs is None:
            return None
        solution = basic_solution(highs, program)
        self.column_status[part.columns], self.row_status[part.rows] = solution[2:4]
        dual = np.where(np.isinf(own.row_lower), np.minimum(solution.dual, 0.0), solution.dual)
        dual = np.where(np.isinf(own.row_upper), np.maximum(dual, 0.0), dual)
        value = _least(dual, own.row_lower, own.row_upper)
        value += _least(own.cost - own.matrix.T @ dual, own.lower, own.upper)
        return _Cut(value, -(part.of_shared.T @ dual))


def _least(slope: Array, low: Array, high: Array) -> float:
    """Return the least of slopes times values within bounds, summed up; open sides count nothing (`highs.prove`)."""
    bound = np.where(slope > 0, low, high)
    counted = np.isfinite(bound)
    return dot(slope[counted], bound[counted])


class _Master:
    """The program of the sizes: their cost, their own rows, and the cuts of every part."""

    def __init__(self, program: Program, shared: Array, own: Array, parts: int):
        self.size, free = len(shared), np.full(parts, np.inf)
        rows = program.matrix[own][:, shared]
        self.own = bare(
            cost=np.concatenate([program.cost[shared], np.ones(parts)]),
            lower=np.concatenate([program.lower[shared], -free]),
            upper=np.concatenate([program.upper[shared], free]),
            integer=np.concatenate([program.integer[shared], np.zeros(parts, dtype=bool)]),
            matrix=sparse.csr_matrix(sparse.hstack([rows, sparse.csr_matrix((len(own), parts))])),
            row_lower=program.row_lower[own],
            row_upper=program.row_upper[own],
        )
        self.whole = bool(self.own.integer.any())
        self.highs = load(self.own, None, GAP / 10)

    def allows(self, z: Array) -> bool:
        """Return whether sizes obey their own rows."""
        own = self.own
        activity = own.matrix[:, : self.size] @ z
        low, high = own.row_lower - FEASIBLE, own.row_upper + FEASIBLE
        return bool(((activity >= low) & (activity <= high)).all())

    def add(self, cuts: list[_Cut]) -> None:
        """Add a cut of every part: its epigraph less slope times sizes is the cut's value at the least."""
        for number, cut in enumerate(cuts, start=self.size):
            at = np.flatnonzero(cut.slope)
            index = np.append(at, number).astype(np.int32)
            self.highs.addRow(cut.value, np.inf, len(index), index, np.append(-cut.slope[at], 1.0))

    def solve(self) -> tuple[float, Array] | None:
        """Return the least sum of cuts and the sizes that have it; None if there is no least."""
        run(self.highs)
        if not optimal(self.highs):
            return None
        info = self.highs.getInfo()
        bound = info.mip_dual_bound if self.whole else info.objective_function_value
        z = np.array(self.highs.getSolution().col_value)[: self.size]
        return float(bound), np.clip(z, self.own.lower[: self.size], self.own.upper[: self.size])
