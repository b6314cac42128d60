"""Which optimum: the declared rules among prices, and among quantities, that are equally good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..labels import Array
from ..lp.matrix import Program
from .highs import prove, run_again, slackness

NUDGES = (1e-4, 1e-5, 1e-6)
"""kW to be had or given at a node, to see what one more is worth: from well above the solver's tolerance downward."""
TILT = 3e-4
"""Cost of a tie-break weight of one that the solver is shown, relative to the largest cost of a column."""
EXACT = 1e-9
"""Largest dual residual and relative gap of prices that are called optimal for the model without the nudge."""
SHARP = 1e3
"""Cost of a weight of one where only the weights count: differences of 1e-7 are then far above the tolerance."""
FLAT = 1e-7
"""Reduced costs and duals up to this are zero: the column or row may move without cost."""


class Rules(NamedTuple):
    """What decides between equals: ``weight`` of the columns and ``share`` of the rows that make prices, else zero.

    ``tilt`` is the cost of a weight of one that the solver is shown while it looks for the optimum.
    """

    weight: Array
    share: Array
    tilt: float

    def of(self, rows: Array, columns: Array) -> Rules:
        """Return the rules of a part."""
        return Rules(self.weight[columns], self.share[rows], self.tilt)


def rules(program: Program) -> Rules:
    """Return the declared rules of a program."""
    return Rules(weights(program), _shares(program), TILT * float(np.abs(program.cost).max(initial=0.0)))


def leaning(program: Program, by: Rules) -> Program:
    """Return the program as the solver is shown it first: costs tilted by the weights, rows with prices nudged.

    A basis that is optimal for the leaning program for all tilts and nudges down to zero is optimal for the program
    itself; its values have the least weight and its duals are those that the rule picks.
    """
    nudge = NUDGES[0] * by.share
    return replace(
        program,
        cost=program.cost + by.tilt * by.weight,
        row_lower=program.row_lower - nudge,
        row_upper=program.row_upper + nudge,
    )


class Settled(NamedTuple):
    """The optimum by rule: values, duals, and whether somewhere nobody took what the nudge offered or asked for."""

    x: Array
    dual: Array
    idle: bool


def settle(highs: Any, program: Program, by: Rules, ask: bool) -> Settled | None:
    """Return the optimum by the declared rules, from HiGHS at an optimum of the leaning program; None if there is none.

    Prices: where a range of prices clears, the one nearest to zero. With a little supply to be had, or demand to be met,
    at every row that makes a price (in generic shares by rank and slot as in `weights`) what is worth anything is
    taken, and the dual is what one more of it is worth. Rows where neither is taken, because nobody could, get what one
    more would cost there, where ``ask``. The first of `NUDGES` whose duals prove the optimum of the program itself
    decides; if something lies within all of them, the duals are those of the solver.
    """
    if not run_again(highs, cost=program.cost):
        return None
    picked, idle = _picked(highs, program, by, NUDGES[0])
    if not by.share.any():
        return Settled(np.array(highs.getSolution().col_value), picked, False)
    run_again(highs, cost=program.cost + by.tilt * by.weight)
    run_again(highs, sides=(program.row_lower, program.row_upper))
    x, dual = np.array(highs.getSolution().col_value), picked
    if not _proves(program, x, picked):
        if not run_again(highs, cost=program.cost):
            return None
        x, dual = (
            np.array(values) for values in (highs.getSolution().col_value, highs.getSolution().row_dual)
        )
    for nudge in NUDGES:
        if nudge != NUDGES[0]:
            run_again(highs, cost=program.cost)
            run_again(highs, sides=_nudged(program, by, nudge))
            picked, idle = _picked(highs, program, by, nudge)
        if _proves(program, x, picked):
            asked = _asked(highs, program, by, nudge, idle) if ask and idle.any() else None
            if asked is not None and _proves(program, x, asked):
                picked = asked
            return Settled(x, picked, bool(idle.any()))
    return Settled(x, dual, False)


def _nudged(program: Program, by: Rules, nudge: float) -> tuple[Array, Array]:
    """Return the sides of all rows with a nudge each way at those that make prices."""
    return program.row_lower - nudge * by.share, program.row_upper + nudge * by.share


def _picked(highs: Any, program: Program, by: Rules, nudge: float) -> tuple[Array, Array]:
    """Return the duals of the nudged program as it stands solved, and the rows where the nudge is not used."""
    solution = highs.getSolution()
    activity, (low, high) = np.array(solution.row_value), _nudged(program, by, nudge)
    slack = nudge / 2
    return np.array(solution.row_dual), (by.share > 0) & (activity > low + slack) & (activity < high - slack)


def _asked(highs: Any, program: Program, by: Rules, nudge: float, idle: Array) -> Array | None:
    """Return the duals where the nudge is asked for at the rows where nobody would take it, if that is possible."""
    low, high = _nudged(program, by, nudge)
    run_again(highs, cost=program.cost)
    if not run_again(highs, sides=(np.where(idle, high, low), high)):
        return None
    return np.array(highs.getSolution().row_dual)


def _proves(program: Program, x: Array, dual: Array) -> bool:
    proof = prove(program, x, dual)
    exact = max(proof["dual_residual"], proof["duality_gap"]) <= EXACT
    return exact and slackness(program, x, dual) <= FLAT


def _shares(program: Program) -> Array:
    """Return in which share (1 to 2) each row that makes a price takes part in the perturbation; 0 elsewhere (rows,)."""
    parts = [
        1.0 + _generic(family, j) if family.priced else np.zeros(len(family.position))
        for j, family in enumerate(program.constraints, start=1)
    ]
    return filled(parts, len(program.row_lower))


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
            order = np.argsort(np.argsort(np.array(list(labels), dtype=str)))
            rank = rank * len(order) + order[rest % len(order)]
            rest = rest // len(order)
    return rank + 1, slot + 1


def least_weight(highs: Any, program: Program, by: Rules, x: Array, dual: Array) -> Array:
    """Return the optimum of the least tie-break weight: the optimal face, searched with another objective.

    On the optimal face, columns with a reduced cost stay where they are and rows with a dual at their side
    (complementary slackness); everything else may move. ``highs`` holds the program at or near that optimum, and
    loses it.
    """
    fixed = np.abs(program.cost - program.matrix.T @ dual) > FLAT
    bound, side = np.abs(dual) > FLAT, np.where(dual > 0, program.row_lower, program.row_upper)
    found = run_again(
        highs,
        cost=np.where(fixed, 0.0, SHARP * by.weight),
        bounds=(np.where(fixed, x, program.lower), np.where(fixed, x, program.upper)),
        sides=(np.where(bound, side, program.row_lower), np.where(bound, side, program.row_upper)),
    )
    # else the face is thinner than the tolerance: the optimum that stands is as good
    return np.array(highs.getSolution().col_value) if found else x
