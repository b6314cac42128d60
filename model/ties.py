"""Which optimum: the declared rules among prices, and among quantities, that are equally good."""

from __future__ import annotations

from typing import Any

import numpy as np

from .algebra import Array
from .highs import load, optimal, prove
from .parts import solve_apart
from .program import Program, bare

NUDGES = (1e-4, 1e-5, 1e-6)
"""kW to be had or given at a node, to see what one more is worth: from well above the solver's tolerance downward."""
EXACT = 1e-9
"""Largest dual residual and relative gap of prices that are called optimal for the model without the nudge."""


def weights(program: Program) -> Array:
    """Return the tie-break weight of each column: among equal optima, the least weighted sum of power is taken.

    Every kW moved weighs about one, early slots less than late ones. A fixed generic part of 1e-3 decides what is
    then still equal, by the alphabetical rank of the labels and not by their order: the fractional part of rank x slot
    x (pi + the square root of 2, 3, 4.. for the first, second, third.. family of variables). Energies, distances and a
    user's own variables weigh nothing.
    """
    parts = [
        _weights(v, np.pi + np.sqrt(number + 2.0)) if v.unit == "kW" else np.zeros(len(v.position))
        for number, v in enumerate(program.variables)
    ]
    return np.concatenate([*parts, np.zeros(len(program.foreign_variables))])


def _weights(variable: Any, generic: float) -> Array:
    slots = variable.shape[-1]
    return np.asarray(1.0 + 0.5 * (variable.position % slots) / slots + 1e-3 * _generic(variable, generic))


def _generic(family: Any, factor: float) -> Array:
    """Return a number in [0, 1) for every entry of a family: the fractional part of rank x slot x factor."""
    slot, rest = family.position % family.shape[-1], family.position // family.shape[-1]
    rank = np.zeros(len(family.position))
    for labels in reversed(family.sets[:-1]):
        order = np.argsort(np.argsort(np.array(list(labels), dtype=str)))
        rank = rank * len(order) + order[rest % len(order)]
        rest = rest // len(order)
    return np.asarray(np.modf((rank + 1) * (slot + 1) * factor)[0])


def pick_prices(highs: Any, program: Program, x: Array, dual: Array) -> Array:
    """Return the duals by the declared rule: where a range of prices clears, the one nearest to zero.

    The solved model is solved again, hot, with a little supply to be had, or demand to be met, at every row that makes
    a price (in generic parts by rank and slot as in `weights`): what is worth anything is taken, and the dual is what
    one more of it is worth. Rows where neither is taken, because nobody could, get what one more would cost there. The
    first of `NUDGES` whose duals prove the optimum of the model itself decides; if something lies within all of them,
    the duals stay as they are.
    """
    rows, parts = _priced(program)
    for nudge in NUDGES if len(rows) else ():
        low, high = program.row_lower[rows] - nudge * parts, program.row_upper[rows] + nudge * parts
        picked = _hot(highs, program, x, rows, low, high)
        if picked is None:
            continue
        activity = program.matrix[rows] @ np.array(highs.getSolution().col_value)
        idle = (activity > low + nudge / 2) & (activity < high - nudge / 2)
        costly = _hot(highs, program, x, rows, np.where(idle, high, low), high) if idle.any() else None
        return picked if costly is None else costly
    return dual


def _hot(highs: Any, program: Program, x: Array, rows: Array, low: Array, high: Array) -> Array | None:
    """Return the duals of the program with other sides of some rows, if they prove the optimum of the program."""
    highs.changeRowsBounds(len(rows), rows.astype(np.int32), low, high)
    highs.run()
    if not optimal(highs):
        return None
    picked = np.array(highs.getSolution().row_dual)
    proof = prove(program, x, picked)
    return picked if max(proof["dual_residual"], proof["duality_gap"]) <= EXACT else None


def _priced(program: Program) -> tuple[Array, Array]:
    """Return the rows that make prices, and in which parts (1 to 2) a nudge is spread over them."""
    rows, parts = [np.zeros(0, dtype=int)], [np.zeros(0)]
    start = 0
    for number, family in enumerate(program.constraints):
        if family.priced:
            rows.append(start + np.arange(len(family.position)))
            parts.append(1.0 + _generic(family, np.pi + np.sqrt(number + 2.0)))
        start += len(family.position)
    return np.concatenate(rows), np.concatenate(parts)


def break_ties(program: Program, x: Array, dual: Array, tolerance: float = 1e-7) -> Array:
    """Return the optimum of the least tie-break weight: the optimal face, searched with another objective.

    On the optimal face, columns with a reduced cost stay at their bound and rows with a dual at their side
    (complementary slackness); everything else may move.
    """
    reduced = program.cost - program.matrix.T @ dual
    free = np.flatnonzero((np.abs(reduced) <= tolerance) & (program.lower < program.upper))
    fixed = np.ones(len(x), dtype=bool)
    fixed[free] = False
    columns = program.matrix.tocsc()[:, free].tocsr()
    live = np.flatnonzero(np.diff(columns.indptr))
    rest = program.matrix[live] @ np.where(fixed, x, 0.0)
    low, high = program.row_lower[live], program.row_upper[live]
    side = np.where(dual[live] > 0, low, high)
    bound = np.abs(dual[live]) > tolerance
    face = bare(
        cost=weights(program)[free],
        lower=program.lower[free],
        upper=program.upper[free],
        integer=np.zeros(len(free), dtype=bool),
        matrix=columns[live],
        row_lower=np.where(bound, side, low) - rest,
        row_upper=np.where(bound, side, high) - rest,
    )
    if not len(free) or not len(live):
        return x
    moved = x.copy()
    apart = solve_apart(face, None, 0.0)
    if apart is not None:
        moved[free] = apart.x
        return moved
    highs = load(face, None, 0.0)
    highs.run()
    if optimal(highs):  # else the face is thinner than the tolerance: the optimum that stands is as good
        moved[free] = highs.getSolution().col_value
    return moved
