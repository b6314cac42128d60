"""One part of a program: the search among its binaries, and what the best solution costs beyond its bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from highspy import HighsModelStatus, SolutionStatus

from ...labels import Array
from ...lp.matrix import Program
from ..highs import ask, dot, load, optimal, run, set_options

NO_LIMIT = 2**31 - 1
"""Nodes of a search that none ends."""
OFF = 1e-6
"""Value up to which a binary of the relaxation is zero."""


class Choice(NamedTuple):
    """The values (columns,) of a part, and by how much its bound exceeds the relaxation and its cost the bound."""

    x: Array
    excess: float
    left: float
    nodes: int


def choice(
    piece: Program,
    x: Array,
    gap: float,
    time_limit: float | None,
    nodes: int,
    directed: bool,
    first: Array | None,
) -> Choice | None:
    """Return the choice of a part whose relaxation has the values ``x`` (columns,); None if it has none.

    Without a ``first`` solution only what is on in the relaxation may be on, to begin with: this is quick, and mostly as
    good. If that is further than ``gap`` from the relaxation, it is where the search among all begins. Directions that
    the relaxation mixes say little about what is on: in a part with such (``directed``) the search is among all at once.
    """
    relaxation = dot(piece.cost, x)
    if first is None and not directed:
        off = piece.integer & (x <= OFF)
        few = replace(piece, upper=np.where(off, piece.lower, piece.upper))
        first = _incumbent(_run(few, gap, time_limit, nodes))
        if first is not None and (left := dot(piece.cost, first) - relaxation) <= gap:
            return Choice(first, 0.0, max(left, 0.0), nodes)
    highs = _run(piece, gap, time_limit, nodes, None if directed else first)
    best = _cheapest(piece, first, _incumbent(highs))
    if best is None:
        return None
    bound = max(float(highs.getInfo().mip_dual_bound), relaxation)
    return Choice(best, bound - relaxation, max(dot(piece.cost, best) - bound, 0.0), nodes)


def better(piece: Program, gap: float, time_limit: float | None, first: Array) -> Array:
    """Return the values (columns,) of a brief search in a part, or the ``first`` ones if they cost less."""
    best = _cheapest(piece, first, _incumbent(_run(piece, gap, time_limit, 1)))
    return first if best is None else best


def _run(piece: Program, gap: float, time_limit: float | None, nodes: int, first: Array | None = None) -> Any:
    """Return HiGHS after its search among the binaries of a part, from a solution if there is one.

    A search from a solution goes without presolve: what presolve takes out of the cost HiGHS 1.16 forgets in that
    solution's, and then takes it to be better than anything there is.
    """
    highs = load(piece, time_limit, 0.0)
    # the feasibility jump takes a quarter of the time, and gains nothing
    set_options(highs, mip_abs_gap=gap, mip_heuristic_run_feasibility_jump=False, mip_max_nodes=nodes)
    if first is not None:
        set_options(highs, presolve="off")
        chosen = np.flatnonzero(piece.integer).astype(np.int32)
        ask(highs, "setSolution", len(chosen), chosen, np.round(first[chosen]))
    run(highs)
    if highs.getModelStatus() == HighsModelStatus.kSolutionLimit and _incumbent(highs) is None:
        set_options(highs, mip_max_nodes=NO_LIMIT, mip_max_improving_sols=1)  # until there is any
        run(highs)
    return highs


def _cheapest(piece: Program, *values: Array | None) -> Array | None:
    """Return the cheapest of the values (columns,) that there are; None if there are none."""
    there = [x for x in values if x is not None]
    return min(there, key=lambda x: dot(piece.cost, x), default=None)


def _incumbent(highs: Any) -> Array | None:
    """Return the best solution that a search ended with, proved to be the best or not; None if there is none."""
    feasible = int(SolutionStatus.kSolutionStatusFeasible)
    if not optimal(highs) and int(highs.getInfo().primal_solution_status) != feasible:
        return None
    return np.array(highs.getSolution().col_value)
