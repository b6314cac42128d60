"""Which optimum: the declared rules among prices, and among quantities, that are equally good."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import highspy
import numpy as np

from ..labels import Array
from ..lp.matrix import Program
from .basis import start_from
from .components import Parts, largest
from .dual_face import empty_rows, nearest_to_zero
from .highs import (
    BasicSolution,
    basic_solution,
    duals,
    duals_at,
    load,
    optimal,
    products,
    prove,
    run,
    slackness,
    values,
    warm_run,
)

SIDE_PERTURBATION = 1e-4
"""Perturbation of the sides of rows that make prices [kW]: well above the solver's tolerance."""
COST_PERTURBATION = 3e-4
"""Cost of a tie-break weight of one in the perturbed problem, relative to the largest cost of a column."""
EXACT = 1e-9
"""Largest dual residual and relative gap of prices that count as optimal for the unperturbed problem."""
PERTURBED = {"simplex_scale_strategy": 0, "dual_simplex_cost_perturbation_multiplier": 0.0}
"""Options of HiGHS for a problem whose costs are perturbed already, by the weights of the tie-break.

More of that, at random, costs several times the pivots. So do factors made of the limits of power in rows of directions.
"""
SHARP = 1e3
"""Cost of a weight of one where only the weights count: differences of 1e-7 are then far above the tolerance."""
APART = 50_000
"""Rows beyond which what may still move on an optimal face is solved in parts, if it falls into any of use."""
MOST = 0.5
"""Share of the rows that the largest of those parts has where they are of no use."""
FLAT = 1e-7
"""Reduced costs and duals up to this are zero: the column or row may move without cost."""


class Rules(NamedTuple):
    """What decides between equals: ``weight`` of the columns and ``share`` of the rows that make prices, else zero.

    ``empty`` are the rows of those that nobody is at, ``rent`` those of limited edges among them; ``delta`` is the cost
    of a weight of one in the perturbed problem.
    """

    weight: Array
    share: Array
    empty: Array
    rent: Array
    delta: float

    def of(self, rows: Array | slice, columns: Array | slice) -> Rules:
        """Return the rules of a part."""
        share, empty, rent = (own[rows] for own in (self.share, self.empty, self.rent))
        return Rules(self.weight[columns], share, empty, rent, self.delta)

    @property
    def inhabited(self) -> Array:
        """The shares (rows,) of the rows that somebody is at, else zero."""
        return np.where(self.empty, 0.0, self.share)


def rules(program: Program) -> Rules:
    """Return the declared rules of a program."""
    limits = [np.full(len(c.position), c.rent) for c in program.constraints]
    rent = filled(limits, len(program.row_lower)) > 0
    share = _shares(program, rent)
    delta = COST_PERTURBATION * float(np.abs(program.cost).max(initial=0.0))
    return Rules(weights(program), share, empty_rows(program, share > 0) | rent, rent, delta)


def perturbed(program: Program, by: Rules) -> Program:
    """Return the perturbed problem, which the solver solves first.

    With weights w and shares s of the rows that somebody is at, and perturbations delta of the costs c and eps of the
    sides l, u of the rows::

        min (c + delta w) x   subject to   l - eps s <= A x <= u + eps s

    A basis that is optimal for every smaller delta and eps down to zero is optimal for the program itself; its values
    have the least weight and its duals, of all that are optimal, the least sum of s |dual|.
    """
    row_lower, row_upper = _perturbed_sides(program, by)
    return replace(
        program, cost=program.cost + by.delta * by.weight, row_lower=row_lower, row_upper=row_upper
    )


class Selection(NamedTuple):
    """The optimum by rule of a part: values, and duals with the prices nearest to zero where somebody is."""

    x: Array
    dual: Array


def select(
    highs: Any, program: Program, by: Rules, tie_break: bool, basis: tuple[Array, Array]
) -> Selection | None:
    """Return the optimum by the declared rules, from HiGHS at that of the perturbed problem; None if there is none.

    Prices where somebody is: the ones nearest to zero, the first step of the rule (`dual_face`). With a little supply
    or demand on offer at every such row (the perturbation, in generic shares by rank and slot as in `weights`), all of
    it that has a value is taken, and the dual is the marginal value of it. If these duals do not prove the optimum of
    the program itself, the step is solved on the face of its duals. Values: those of the least weight with
    ``tie_break``, else any. ``basis`` are the statuses (columns,), (rows,) at which HiGHS is.
    """
    dual = None
    if not tie_break and not by.share.any():  # else another run follows, whose last digits depend on this one
        dual = _duals_without_run(highs, program, basis)
    if dual is None:
        if not warm_run(highs, cost=program.cost):
            return None
        dual = duals(highs)
    x = _values(highs, program, by, dual, tie_break)
    if x is not None and (proves(program, x, dual) or not by.share.any()):
        return Selection(x, dual)
    return _on_the_face(highs, program, by, tie_break, basis)


def _duals_without_run(highs: Any, program: Program, basis: tuple[Array, Array]) -> Array | None:
    """Return the duals (rows,) of a program at the basis of the perturbed problem; None where it is not optimal then.

    It nearly always is, and a run of HiGHS that finds so, without a pivot, takes several times as long.
    """
    dual = duals_at(highs, program.cost)
    if dual is None:
        return None
    reduced = program.cost - program.matrix.T @ dual
    kept = _kept(reduced, basis[0], program.lower, program.upper)
    return dual if kept and _kept(dual, basis[1], program.row_lower, program.row_upper) else None


def _kept(slope: Array, status: Array, low: Array, high: Array) -> bool:
    """Return whether slopes keep what is nonbasic at the bound where it is."""
    kinds = highspy.HighsBasisStatus
    falls = (slope < -FLAT) & (status != int(kinds.kUpper))
    rises = (slope > FLAT) & (status != int(kinds.kLower))
    return not ((falls | rises) & (low < high)).any()


def _on_the_face(
    highs: Any, program: Program, by: Rules, tie_break: bool, basis: tuple[Array, Array]
) -> Selection | None:
    """Return the optimum by rule whose prices are those of the step solved on the face of the optimal duals.

    The way to it passes the optimum at perturbed sides again: from there the dual simplex has a few pivots to any
    optimum of the program, and the primal one a few on the face.
    """
    bounds = program.lower, program.upper
    start_from(highs, *basis)
    if not warm_run(highs, cost=program.cost, bounds=bounds, sides=_perturbed_sides(program, by)):
        return None
    nearby = basic_solution(highs, program)
    if not warm_run(highs, sides=(program.row_lower, program.row_upper)):
        return None
    x, dual = values(highs), duals(highs)
    start = nearby.column_status, nearby.row_status
    nearest = nearest_to_zero(program, by.share, x, dual, by.inhabited > 0, by.inhabited > 0, start)
    dual = nearest if proves(program, x, nearest) else dual
    least = least_weight(highs, program, by, dual) if tie_break else x
    return Selection(x if least is None else least, dual)  # none: the face is thinner than the tolerance


def _values(highs: Any, program: Program, by: Rules, dual: Array, tie_break: bool) -> Array | None:
    """Return the optimum of a program that goes with its duals, by rule or any; None where these are not optimal."""
    if tie_break:
        return least_weight(highs, program, by, dual)
    solved = not by.share.any() or warm_run(highs, sides=(program.row_lower, program.row_upper))
    return values(highs) if solved else None


def _perturbed_sides(program: Program, by: Rules) -> tuple[Array, Array]:
    """Return l - eps s and u + eps s, the perturbed sides of all rows."""
    eps = SIDE_PERTURBATION * by.inhabited
    return program.row_lower - eps, program.row_upper + eps


def proves(program: Program, x: Array, dual: Array) -> bool:
    """Return whether duals prove an optimum exactly, and each of them at a few watts."""
    known = products(program, x, dual)
    proof = prove(program, x, dual, known)
    exact = max(proof["dual_residual"], proof["duality_gap"]) <= EXACT
    return exact and slackness(program, x, dual, known) <= FLAT


def _shares(program: Program, rent: Array) -> Array:
    """Return the share (1 to 2) of each row whose dual is a price or part of one, 0 elsewhere (rows,).

    A row that a user switched off, or made an inequality, makes no price.
    """
    parts = [
        np.where(family.published, 1.0 + _generic(family, j), 0.0)
        for j, family in enumerate(program.constraints, start=1)
    ]
    balances = program.row_lower == program.row_upper
    return np.where(balances | rent, filled(parts, len(program.row_lower)), 0.0)


def filled(parts: list[Array], size: int) -> Array:
    """Return the parts as one array (size,), zero for what follows them."""
    own = np.concatenate([np.zeros(0), *parts])
    return np.concatenate([own, np.zeros(size - len(own))])


def weights(program: Program) -> Array:
    """Return the tie-break weight of each column: among equal optima, the least weighted sum of power is taken.

    Every kW moved weighs about one, early slots less than late ones. A fixed generic part of 1e-3 decides what is
    then still equal, by the alphabetical rank of the labels and not by their order (`_generic`). A km on electricity
    weighs the generic part alone, which tells trips of one vehicle apart. Energies and a user's own variables weigh
    nothing.
    """
    parts = [
        _weights(family, j) if family.unit in _MOVED else np.zeros(len(family.position))
        for j, family in enumerate(program.variables, start=1)
    ]
    return filled(parts, len(program.cost))


_MOVED = ("kW", "km")


def _weights(variable: Any, j: int) -> Array:
    """Return the tie-break weights of the ``j``-th family of variables.

    1 + t / 2T + 1e-3 g for a power in slot t = 0, 1, .. T - 1 of T, and 1e-3 g for a distance; g as in `_generic`.
    """
    slots = variable.shape[-1]
    power = 1.0 + 0.5 * (variable.position % slots) / slots if variable.unit == "kW" else 0.0
    return np.asarray(power + 1e-3 * _generic(variable, j))


def _generic(family: Any, j: int) -> Array:
    """Return numbers g in [0, 1) for the entries of the ``j``-th family, without a simple relation between any of them.

    For the entry of rank k in slot t, both counted from one, with frac(y) = y - floor(y)::

        q[j]   = pi + sqrt(j + 1)
        y[k,t] = frac(k sqrt(t + pi) q[j])
        g[k,t] = frac(1009 y[k,t]^2)
    """
    k, t = _rank_and_slot(family)
    q = np.pi + np.sqrt(j + 1.0)
    y = np.modf(k * np.sqrt(t + np.pi) * q)[0]
    return np.asarray(np.modf(1009 * y**2)[0])


def _rank_and_slot(family: Any) -> tuple[Array, Array]:
    """Return the alphabetical rank of the labels and the slot of every entry, both counted from one."""
    slots = family.shape[-1] if family.dims[-1] == "time" else 1
    slot, rest = family.position % slots, family.position // slots
    rank = np.zeros(len(family.position))
    for dim, labels in reversed(list(zip(family.dims, family.sets, strict=True))):
        if dim != "time":
            order = _alphabetical(tuple(labels))
            rank = rank * len(order) + order[rest % len(order)]
            rest = rest // len(order)
    return rank + 1, slot + 1


@lru_cache(maxsize=16)
def _alphabetical(labels: tuple[str, ...]) -> Array:
    """Return the alphabetical rank of each label: many families have the same ones, and similar programs too."""
    return np.argsort(np.argsort(np.array(labels, dtype=str)))


def least_weight(highs: Any, program: Program, by: Rules, dual: Array) -> Array | None:
    """Return the optimum of the least tie-break weight: the optimal face, searched with another objective.

    On the optimal face, columns with a reduced cost are at the bound where that keeps them and rows with a dual at
    their side (complementary slackness); everything else may move. None if no values go with these duals, which are
    then not optimal. ``highs`` holds the program at the basis of the duals, a few pivots away, and loses it.
    With the sides as they are that basis may be a little outside. Many rows therefore first go back inside by the dual
    simplex, in a few pivots; the primal one would begin anew to look for any values at all, in thousands.
    """
    reduced = program.cost - program.matrix.T @ dual
    lower, upper = _face(reduced, program.lower, program.upper)
    row_lower, row_upper = _face(dual, program.row_lower, program.row_upper)
    if any(np.isposinf(low).any() for low in (lower, row_lower)) or any(
        np.isneginf(high).any() for high in (upper, row_upper)
    ):
        return None  # a slope that no bound keeps
    weight = np.where(lower == upper, 0.0, SHARP * by.weight)
    if len(row_lower) > APART:
        face = replace(
            program, cost=weight, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper
        )
        if largest(face.matrix, lower < upper) < MOST * len(row_lower):
            return _in_parts(face, basic_solution(highs, program))
        solved = warm_run(highs, bounds=(lower, upper), sides=(row_lower, row_upper))
        solved = solved and warm_run(highs, cost=weight)
    else:
        solved = warm_run(highs, cost=weight, bounds=(lower, upper), sides=(row_lower, row_upper))
    return values(highs) if solved else None


def _in_parts(face: Program, start: BasicSolution) -> Array | None:
    """Return the optimum (columns,) of an optimal face in the parts that what may still move falls into; None for none.

    Stores that are empty or full part one day from the next, whatever the length of the horizon. ``start`` is the basic
    solution that the parts start near.
    """
    moves = face.lower < face.upper
    x = np.where(moves, 0.0, face.lower)
    kept = face.matrix @ x
    parts = Parts(replace(face, row_lower=face.row_lower - kept, row_upper=face.row_upper - kept), moves)
    for rows, columns in parts.members():
        part = parts.piece(rows, columns)
        highs = load(replace(part, cost=np.zeros(len(columns))), None, 0.0)
        start_from(highs, start.column_status[columns], start.row_status[rows])
        run(highs)
        if not optimal(highs) or not warm_run(highs, cost=part.cost):
            return None
        x[columns] = values(highs)
    return x


def _face(slope: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the bounds that hold on the optimal face: the one where a slope keeps what has one, else both."""
    return np.where(slope < -FLAT, high, low), np.where(slope > FLAT, low, high)
