"""Unit commitment of chargers at any size: the binaries of a minimum charge power, with a certified gap.

One MILP of a thousand homes has no solution within minutes; subtrees by themselves have one within seconds. The
linear relaxation comes first (`bottom_up`): its optimum x, its duals p. Parts with too many binaries are then cut
at their flows between subtrees, or else at everything that the market's rows hold, so that meters stand alone. A
column y that is cut goes to each of its parts as a copy of its own, at the price that p gives it there; the copies'
costs add up to that of y.

**The bound.** Letting the copies differ only relaxes the model, so that the sum of the parts' optima is a lower
bound of the whole MILP (Lagrangean decomposition). Without the binaries that sum is the optimum of the relaxation,
since x and p are optimal for every part too. Hence bound = relaxation + sum over parts of (bound of its MILP - its
part of the relaxation).

**Feasible always.** Whatever a meter draws from peers it can draw from the retailer, and what it gives to peers it
can give to the retailer, over the same connection. Binaries that are feasible in the parts are therefore feasible
together, whatever the copies are; the exchange is free again once they are fixed. A user's own rows may say
otherwise: then, and where a part has no solution, the whole decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from highspy import SolutionStatus
from scipy import sparse

from ..labels import Array
from ..lp.matrix import Program, bare
from . import bottom_up, directions
from .bottom_up import Optimum
from .components import Parts
from .highs import ask, dot, load, optimal, run, set_options
from .tie_breaking import filled

TOGETHER = 700
"""Binaries up to which a part is one MILP, solved to the gap that is asked for."""
NODES = 20
"""Nodes of the search in a part that was cut, whose programs answer to prices and not to one another anyway."""
OFF = 1e-6
"""Value up to which a binary of the relaxation is zero."""
LEAST = 1e-6
"""Gap that is small enough in any case (HiGHS's own default of ``mip_abs_gap``)."""


class Decided(NamedTuple):
    """A program with its binaries fixed: a lower bound of what any others cost, and in how many parts they were decided.

    ``apart`` says whether parts were cut, so that their choices have yet to prove feasible together.
    """

    program: Program
    bound: float
    parts: int = 0
    apart: bool = False

    @property
    def method(self) -> str:
        """In words, how the binaries were decided."""
        if not self.apart:
            return ""
        return f"binaries in {self.parts} programs at the prices of the relaxation"


def decide(
    program: Program,
    start: tuple[Array, Array] | None,
    *,
    mip_gap: float,
    time_limit: float | None,
    threads: int,
) -> Decided | None:
    """Return a program with its binaries fixed, part by part; None if a part, or the relaxation, has no solution.

    Parameters
    ----------
    start : (columns,), (rows,), optional
        Statuses of a basis that the relaxation starts from.
    mip_gap : float
        Relative gap that is aimed at; where parts are cut, it can turn out greater.
    time_limit : float, optional
        Seconds for each solve; a part that they end counts with its incumbent.
    threads : int
        Parts that are solved at the same time.
    """
    if not program.integer.any():
        return Decided(directions.closed(program), -np.inf)
    linear = replace(program, integer=np.zeros_like(program.integer))
    relaxed = bottom_up.optimum(linear, start, time_limit=time_limit, threads=threads)
    if relaxed is None:
        return None
    inside = _kept(program)
    split, x = _split(program, relaxed, Parts(program, inside))
    parts = Parts(split, np.ones(len(x), dtype=bool), rows=1)
    members = parts.members(np.unique(parts.column[split.integer]))
    relaxation = dot(program.cost, relaxed.x) + program.offset
    gaps = _gaps(split, members, x, max(mip_gap * abs(relaxation), LEAST))
    nodes = None if inside.all() else NODES
    switches = np.zeros(len(x), dtype=bool)
    switches[program.pairs.relaxable] = True

    def solved(member: tuple[Array, Array], gap: float) -> tuple[Array, float] | None:
        rows, columns = member
        directed = bool((split.integer & switches)[columns].any())
        return _solved(parts.piece(rows, columns), x[columns], gap, time_limit, nodes, directed)

    with ThreadPoolExecutor(threads) as pool:
        results = list((pool.map if threads > 1 else map)(solved, members, gaps))
    for (_, columns), result in zip(members, results, strict=True):
        if result is None:
            return None
        x[columns] = result[0]
    bound = relaxation + sum(result[1] for result in results if result is not None)
    return Decided(fixed(program, x[: len(program.cost)]), bound, len(members), not inside.all())


def _gaps(program: Program, members: list[tuple[Array, Array]], x: Array, gap: float) -> list[float]:
    """Return which gap each part may leave of that of the whole: half by binaries, half by cost, where effort pays."""
    shares = []
    for values in (program.integer.astype(float), np.abs(program.cost * x)):
        own = np.array([values[columns].sum() for _, columns in members])
        shares.append(own / max(own.sum(), 1e-300))
    return [float(gap * share) for share in 0.5 * (shares[0] + shares[1])]


def fixed(program: Program, x: Array) -> Program:
    """Return the linear program in which the integers have the values that they have in ``x`` (columns,).

    What they close is zero (`directions.closed`).
    """
    chosen = np.round(x)
    return directions.closed(
        replace(
            program,
            lower=np.where(program.integer, chosen, program.lower),
            upper=np.where(program.integer, chosen, program.upper),
            integer=np.zeros(len(x), dtype=bool),
        )
    )


def _kept(program: Program) -> Array:
    """Return the columns (columns,) that are not cut: all but those of parts with too many binaries."""
    inside = np.ones(len(program.cost), dtype=bool)
    for cut in _cuts(program):
        column = Parts(program, inside, rows=1).column
        binaries = np.bincount(column[program.integer], minlength=int(column.max()) + 1)
        inside &= ~(cut & (column >= 0) & (binaries[column] > TOGETHER))
    return inside


def _cuts(program: Program) -> Iterator[Array]:
    """Yield what may be cut (columns,): flows between subtrees, then all that the rows of the market hold."""
    yield (filled([v.pricing_stage for v in program.variables], len(program.cost)) > 0) & ~program.integer
    market = [np.full(len(c.position), c.priced) for c in program.constraints]
    priced = filled(market, len(program.row_lower)) > 0
    yield (np.bincount(program.matrix[priced].indices, minlength=len(program.cost)) > 0) & ~program.integer


def _split(program: Program, relaxed: Optimum, parts: Parts) -> tuple[Program, Array]:
    """Return the program with a copy of each column that is cut for each of its parts, and the relaxation's values.

    The cost of a copy in part k is sum over rows r of k of matrix[r, y] p[r], and a share of the reduced cost of y.
    The columns that were cut stay, without entries and without cost.
    """
    entries, width = program.matrix.tocoo(), len(program.cost)
    at = np.flatnonzero(~parts.inside[entries.col])
    row, column = entries.row[at], entries.col[at]
    pairs, copy = np.unique(np.stack([column, parts.row[row]]), axis=1, return_inverse=True)
    source, copy = pairs[0], copy.reshape(-1)
    reduced = program.cost - program.matrix.T @ relaxed.dual
    share = reduced[source] / np.bincount(source, minlength=width)[source]
    paid = np.bincount(copy, entries.data[at] * relaxed.dual[row], minlength=len(source))
    where = entries.col.copy()
    where[at] = width + copy
    shape = (len(program.row_lower), width + len(source))
    split = bare(
        cost=np.concatenate([np.where(parts.inside, program.cost, 0.0), paid + share]),
        lower=np.concatenate([program.lower, program.lower[source]]),
        upper=np.concatenate([program.upper, program.upper[source]]),
        integer=np.concatenate([program.integer, np.zeros(len(source), dtype=bool)]),
        matrix=sparse.csr_matrix((entries.data, (entries.row, where)), shape=shape),
        row_lower=program.row_lower,
        row_upper=program.row_upper,
    )
    return split, np.concatenate([relaxed.x, relaxed.x[source]])


def _solved(
    piece: Program, x: Array, gap: float, time_limit: float | None, nodes: int | None, directed: bool
) -> tuple[Array, float] | None:
    """Return the values (columns,) of a part and by how much its bound exceeds the relaxation; None if it has none.

    First only what is on in the relaxation may be on: this is quick, and mostly as good. If that is further than
    ``gap`` from the relaxation, it is where the search among all begins. Directions that the relaxation mixes say little
    about what is on: in a part with such (``directed``) the search is among all from the start.
    """
    relaxation = dot(piece.cost, x)
    off = piece.integer & (x <= OFF)
    first = None
    if not directed:
        few = replace(piece, upper=np.where(off, piece.lower, piece.upper))
        first = _incumbent(_run(few, gap, time_limit, nodes))
        if first is not None and dot(piece.cost, first) - relaxation <= gap:
            return first, 0.0
    highs = _run(piece, gap, time_limit, nodes, first)
    best = _incumbent(highs)
    if best is None:
        return None
    return best, max(float(highs.getInfo().mip_dual_bound) - relaxation, 0.0)


def _run(
    piece: Program,
    gap: float,
    time_limit: float | None,
    nodes: int | None,
    first: Array | None = None,
) -> Any:
    """Return HiGHS after its search among the binaries of a part, from a solution if there is one."""
    highs = load(piece, time_limit, 0.0)
    # the feasibility jump takes a quarter of the time, and gains nothing
    set_options(highs, mip_abs_gap=gap, mip_heuristic_run_feasibility_jump=False)
    if nodes is not None:
        set_options(highs, mip_max_nodes=nodes)
    if first is not None:
        set_options(highs, presolve="off")  # it costs more than it saves where a good solution is known
        chosen = np.flatnonzero(piece.integer).astype(np.int32)
        ask(highs, "setSolution", len(chosen), chosen, np.round(first[chosen]))
    run(highs)
    return highs


def _incumbent(highs: Any) -> Array | None:
    """Return the best solution that a search ended with, proved to be the best or not; None if there is none."""
    feasible = int(SolutionStatus.kSolutionStatusFeasible)
    if not optimal(highs) and int(highs.getInfo().primal_solution_status) != feasible:
        return None
    return np.array(highs.getSolution().col_value)
