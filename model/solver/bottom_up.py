"""Clearing from the leaves of the fee tree upward: subtrees alone first, then joined where their prices ask for it.

Flows over edges between subtrees are left out of the program, at zero, until their reduced cost is negative; then they
are priced in (delayed column generation). Without them the program decomposes into subtrees. Their optimal bases, put
together, are a basis of the whole that is feasible and optimal but for the flows that join, so that the simplex has few
pivots left at each stage; subtrees are solved on all threads.

**The price certificate.** Write the whole program, with y >= 0 for the flows not yet priced in, as::

    min c x + d y   subject to   A x + B y = b,   x within bounds

and let (x, p) be optimal values and duals for y = 0. If d - B' p >= 0, then (x, 0) is optimal for the whole: p is a
solution of its dual too, of the same value, and weak duality bounds every other plan by it. For a flow over the edge
between nodes n and m, in slot t, that reads::

    p[m,t] - p[n,t] <= fee * hours[t]

Prices at both ends of every edge that is left out differ by no more than the fee. Such an edge and slot can be left
out, exactly. What a guest from another subtree buys and sells is such a flow too, between the balances of the guest and
of the node that it visits. Where no flow that is priced in touches the row of a node without meters (a junction), its
price is free: p[n,t] is then the greatest value of energy further on, max over the rows m with meters of p[m,t] - fees
on the path; if these do not obey the certificate, no prices do, since every price there has to lie within the fees of
all of them. Where the meters of a node are left out, its price is zero, as the rule has it where nobody pays.

Where the certificate fails, the flows around it (in that slot, between those subtrees) are priced in, and only the
subtrees that they join are solved again. In the end no flow that is left out has a negative reduced cost, and the
optimum is that of the single program, with its proof (`highs.prove`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..labels import Array
from ..lp.matrix import Program
from . import windows
from .basis import IDLE, at_rest, run_from
from .components import Effort, Parts
from .crowds import Crowds, crowds
from .dual_face import published
from .highs import ITERATIONS_PER_ROW, Simplex, basic_solution
from .tie_breaking import PERTURBED, Selection, filled, perturbed, proves, rules, select
from .windows import Start, near, started

PAYS = 1e-9
"""Gain per kW from which a flow is priced in."""
TIED = 4.0
"""Perturbations of a cost by which a flow may fall short of paying to be priced in with those that pay."""


class Optimum(NamedTuple):
    """An optimum by the declared rules; ``method`` says by which way, in words.

    ``offer`` (rows,) is what one more watt offered at a row that makes a price is worth: where somebody is, the price
    of the first step of the rule; the dual elsewhere. ``windows`` are those that long parts were started from.
    """

    x: Array
    dual: Array
    offer: Array
    column_status: Array
    row_status: Array
    iterations: int
    method: str
    windows: int = 0


class Edges(NamedTuple):
    """Flows that may be left out: columns, rows that they take from and bring to, and the stages at which they count.

    Some rows are negated (`_edges`), so that every flow has -1 at its source and 1 at its target.
    """

    column: Array
    source: Array
    target: Array
    stage: Array


def optimum(
    program: Program,
    start: tuple[Array, Array] | None = None,
    *,
    time_limit: float | None = None,
    tie_break: bool = True,
    threads: int = 1,
    together: bool = False,
    apart: bool = False,
    effort: Effort | None = None,
) -> Optimum | None:
    """Return the optimum of a linear program, cleared from the leaves of its fee tree upward; None if a part has none.

    Parameters
    ----------
    start : (columns,), (rows,), optional
        Statuses of a basis to start the subtrees from; by default the one at which nothing moves.
    time_limit : float, optional
        Seconds for each solve of a part.
    tie_break : bool
        Whether to choose among equal optima by the declared rule.
    threads : int
        Subtrees that are solved at the same time.
    together : bool
        Whether no flow is left out, as in a single program.
    apart : bool
        Whether no flow is priced in but those around the starting basis's: the optimum of the smallest subtrees.
    effort : Effort, optional
        Told of the parts that are solved.
    """
    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        within = crowds(program, together)
        way = _BottomUp(within, start, time_limit, each, tie_break, together, effort or Effort())
        return way.solve(apart)


@dataclass
class _SolvedPart:
    """A part: its rows and columns in the whole; HiGHS at the optimum of the perturbed problem, or that by rule."""

    rows: Array
    columns: Array
    program: Program
    highs: Any
    iterations: int
    windows: int = 0
    selection: Selection | None = None


class _BottomUp:
    """The state of a bottom-up solve, from the leaves of the tree to its root."""

    def __init__(
        self,
        crowds: Crowds,
        start: tuple[Array, Array] | None,
        time_limit: float | None,
        each: Callable[..., Iterable[Any]],
        tie_break: bool,
        together: bool,
        effort: Effort,
    ):
        self.crowds, program = crowds, crowds.program
        self.program, self.by = program, crowds.rules(rules(crowds.whole))
        self.perturbed = perturbed(program, self.by)
        self.sign, self.edges = _edges(crowds, together)
        self.time_limit, self.each, self.started = time_limit, each, start is not None
        self.tie_break, self.effort = tie_break, effort
        rows, columns = program.matrix.shape
        self.column_status, self.row_status = crowds.start(*(start or at_rest(crowds.whole)))
        inside = (program.lower != 0) | (program.upper != 0)  # columns fixed at zero join nothing
        inside[self.edges.column] = False
        self.parts = Parts(self.perturbed, inside)
        self.warm = self._price_in_what_is_used() or (self.started and not len(self.edges.column))
        self.x, self.dual, self.selected = np.zeros(columns), np.zeros(rows), np.zeros(rows)
        self.slots = crowds.slots(windows.slots(crowds.whole))
        self.solved: list[_SolvedPart] = []
        self.iterations = self.rounds = self.windows = 0

    def _price_in_what_is_used(self) -> bool:
        """Price in the flows around those in use in the starting basis, and all if that leaves a single part.

        Return whether any is in use.
        """
        used = ~np.isin(self.column_status[self.edges.column], IDLE)
        if used.any():
            self.parts.join(self.edges.column[_around(self.edges, self.parts.free, used)])
            if len(self.parts.members()) == 1:
                self.parts.join(self._left_out(int(self.edges.stage.max())).column)
        return bool(used.any())

    def solve(self, apart: bool) -> Optimum | None:
        """Solve the subtrees, join those that can trade, stage by stage, and break ties where no flow is priced in.

        ``apart`` as for :func:`optimum`.
        """
        last, stage = 0 if apart else int(self.edges.stage.max(initial=0)), 0
        changed = self.parts.members()
        while True:
            if changed and not self._solve_parts(changed):
                return None
            entering = self._entering(self.perturbed, self.dual, stage)
            if not len(entering) and stage < last:
                stage, changed = stage + 1, []
                continue
            if not len(entering):
                if not all(self.each(self._select, self.solved)):
                    return None
                entering = self._entering(self.program, self.selected, last)
            if not len(entering):
                return self._whole()
            labels = self.parts.join(entering)
            self.solved = [p for p in self.solved if self.parts.row[p.rows[0]] not in set(labels)]
            changed, stage = self.parts.members(labels), min(stage + 1, last)

    def _solve_parts(self, members: list[tuple[Array, Array]]) -> bool:
        """Solve parts from their bases so far; return whether all have an optimum."""
        solving = self.each(lambda m: self._solve_for_good(*m), members)
        solved = list(self.effort.of(solving, [len(rows) for rows, _ in members]))
        known = [part for part in solved if part is not None]
        self.solved += known
        self.iterations += sum(part.iterations for part in known)
        self.windows += sum(part.windows for part in known)
        self.rounds += 1
        return None not in solved

    def _solve_for_good(self, rows: Array, columns: Array) -> _SolvedPart | None:
        """Solve a part; where nothing can join it to another, select its optimum by rule, too, and let HiGHS go."""
        part = self._solve_part(rows, columns)
        done = len(self.edges.column) or part is None or self._select(part)
        return part if done else None

    def _solve_part(self, rows: Array, columns: Array) -> _SolvedPart | None:
        """Solve a part of the perturbed problem and keep its basis and duals; None if it has no optimum."""
        program = self.parts.piece(rows, columns)
        simplex, start = self._start(program, rows, columns)
        options: dict[str, Any] = {"simplex_iteration_limit": ITERATIONS_PER_ROW * len(rows), **PERTURBED}
        highs = run_from(
            program, (start.column_status, start.row_status), simplex, self.time_limit, **options
        )
        if highs is None:
            return None
        solution = basic_solution(highs, program)
        self.dual[rows] = solution.dual
        self.column_status[columns], self.row_status[rows] = solution.column_status, solution.row_status
        unperturbed = replace(
            program,
            cost=self.program.cost[columns],
            row_lower=self.program.row_lower[rows],
            row_upper=self.program.row_upper[rows],
        )
        return _SolvedPart(
            rows, columns, unperturbed, highs, solution.iterations + start.iterations, start.windows
        )

    def _start(self, program: Program, rows: Array, columns: Array) -> tuple[Simplex, Start]:
        """Return where a part starts, and which simplex suits that: a long one, at first, from its windows."""
        start = Start(self.column_status[columns], self.row_status[rows])
        if self.rounds or self.slots is None or len(rows) <= windows.ROWS:
            return self._simplex(), start
        if not (self.started and near(program, start)):
            start = started(program, self.slots.of(rows, columns), start, self.time_limit)
        return Simplex.WARM, start

    def _simplex(self) -> Simplex:
        """Return which simplex suits where a part starts.

        At rest or joined, it is feasible. Still the dual one is quicker: HiGHS's primal one looks at all columns and all
        rows in each pivot. A given start is near the optimum where it has flows between subtrees, or there are none.
        Where there are none, as in an agent's plan, the primal one ends at duals that spread a charge for peaks over all
        slots that share in it; the dual one may put it on one of them: as good an optimum, a worse guide.
        """
        if self.warm and not self.rounds:
            return Simplex.WARM
        return Simplex.DUAL if len(self.edges.column) else Simplex.PRIMAL

    def _select(self, part: _SolvedPart) -> bool:
        """Select the optimum of a part by rule; return whether it has one."""
        if part.selection is None:
            by = self.by.of(part.rows, part.columns)
            basis = self.column_status[part.columns], self.row_status[part.rows]
            part.selection = select(part.highs, part.program, by, self.tie_break, basis)
            if part.selection is None:
                return False
            self.x[part.columns], self.selected[part.rows] = part.selection
            part.highs = None
        return True

    def _left_out(self, stage: int) -> Edges:
        """Return the flows not yet priced in, of those considered at a stage."""
        column = self.edges.column
        there = ~self.parts.inside[column] & (self.edges.stage <= stage)
        return Edges(*(values[there] for values in self.edges))

    def _entering(self, program: Program, dual: Array, stage: int) -> Array:
        """Return the columns to price in: those around flows of negative reduced cost; set the duals of free rows."""
        edges, free = self._left_out(stage), self.parts.free & (self.by.inhabited == 0)
        cost = program.cost[edges.column]
        worth = np.where(free, -np.inf, self.sign * dual)
        while True:  # one edge further per iteration
            offer = np.where(free[edges.source], worth[edges.target] - cost, -np.inf)
            before = worth[edges.source]
            np.maximum.at(worth, edges.source, offer)
            if np.array_equal(before, worth[edges.source]):
                break
        worth[np.isinf(worth)] = 0.0
        dual[free] = (self.sign * worth)[free]
        gain = worth[edges.target] - worth[edges.source] - cost
        pays = gain > PAYS
        if not pays.any():
            return edges.column[:0]
        tied = ~free[edges.source] & (gain > -TIED * self.by.delta)  # some of these would pay a round later
        return edges.column[_around(edges, self.parts.free, pays | tied)]

    def _method(self) -> str:
        """Return in words by which way the optimum was reached."""
        return self._way() + (f", long ones from {self.windows} windows" if self.windows else "")

    def _way(self) -> str:
        if not len(self.edges.column):
            return f"{len(self.solved)} independent parts" if len(self.solved) > 1 else "one program"
        flows = np.unique(self.edges.column)
        return (
            f"from the leaves: {len(self.solved)} subtrees in {self.rounds} rounds,"
            f" {int(self.parts.inside[flows].sum())} of {len(flows)} flows between them"
        )

    def _whole(self) -> Optimum:
        """Return the optima of the parts as one."""
        program = self.crowds.whole
        by = self.by.of(slice(len(program.row_lower)), slice(len(program.cost)))
        x, selected = self.crowds.values(self.x), self.selected[: len(program.row_lower)]
        dual = published(program, by.share, by.empty, by.rent, x, selected)
        if not proves(program, x, dual):  # the first step of the rule stands, which has its proof
            dual = selected
        statuses = self.crowds.basis(self.column_status, self.row_status)
        offer = np.where(by.inhabited > 0, selected, dual)
        return Optimum(x, dual, offer, *statuses, self.iterations, self._method(), self.windows)


def _edges(crowds: Crowds, together: bool) -> tuple[Array, Edges]:
    """Return the flows that may be left out, those of a later stage that only move energy from row to row; and signs.

    A flow of any sign (`crowds`) is there each way. The signs (rows,) negate the balance of a guest, which has the same
    sign as its node's where it buys or sells.
    """
    program, whole = crowds.program, crowds.whole
    stage = filled([v.pricing_stage for v in whole.variables], len(whole.cost)).astype(int)
    stage = np.append(stage[crowds.column], crowds.stage)
    by_column = program.matrix.tocsc()
    either_way = np.arange(len(stage)) >= len(crowds.column)
    one_way = (program.lower == 0) & (program.upper > 0) & ~program.integer
    simple = (np.diff(by_column.indptr) == 2) & (one_way | either_way)
    column = np.flatnonzero((stage > 0) & simple & (not together))
    first = by_column.indptr[column]
    row = np.stack([by_column.indices[first], by_column.indices[first + 1]])
    factor = np.stack([by_column.data[first], by_column.data[first + 1]])
    priced = filled([np.full(len(c.position), c.priced) for c in whole.constraints], len(whole.row_lower))
    priced = priced[crowds.row] > 0
    sign = np.ones(len(priced))
    sign[row[(factor[0] == factor[1]) & ~priced[row]]] = -1.0
    factor *= sign[row]
    unit = (factor.min(axis=0) == -1.0) & (factor.max(axis=0) == 1.0)
    source, target = (np.where(factor[0] == side, *row)[unit] for side in (-1.0, 1.0))
    column = column[unit]
    back = either_way[column]
    return sign, Edges(
        np.append(column, column[back]),
        np.append(source, target[back]),
        np.append(target, source[back]),
        np.append(stage[column], stage[column[back]]),
    )


def _around(edges: Edges, free: Array, chosen: Array) -> Array:
    """Return which flows (edge,) are around chosen ones: those that meet at a row that nothing else touches."""
    count, line = len(edges.column), np.arange(len(edges.column))
    one = np.concatenate([line[free[end]] for end in (edges.source, edges.target)])
    other = np.concatenate([count + end[free[end]] for end in (edges.source, edges.target)])
    graph = sparse.csr_matrix((np.ones(len(one)), (one, other)), shape=(count + len(free),) * 2)
    region = connected_components(graph, directed=False)[1][:count]
    return np.isin(region, region[chosen])
