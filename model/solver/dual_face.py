"""Which price is published where several are optimal: the declared rule, solved exactly on the face of optimal duals.

Let x be an optimum and Y the set of all duals that are optimal with it. By complementary slackness Y is the same for
every optimum x: duals y under which what x leaves at a bound does not pay, and what x uses is at its margin. Prices are
the duals p of some rows (`priced`), each with a generic share s (`tie_breaking.rules`). The rule, one step after the
other, each among the duals of Y that keep what the steps before it have decided:

1. Where somebody is (*inhabited* rows: a meter's purchase or sale is in them), prices nearest to zero: least sum of
   s |p|. For prices above zero that is the value of one more watt that is offered there.
2. Where step 1 says zero, so that nobody would pay for energy, the greatest: what one more watt would cost there.
   Where nothing bounds it, because no watt could come there, nearest to zero, given the others.
3. Where nobody is (*empty* rows: flows alone, as at a junction, and rents of limited edges), nearest to zero again:
   for prices above zero the value of a watt further on, less the fees of the way.
4. Empty rows where step 3 says zero, rents apart, as in step 2.

Steps 2 to 4 decide prices of rows T while those decided before are held. The held rows then cost c' = c - A' p, and with
directions d of x in place of x itself, a program over what the rows T touch remains (linear programming duality; D is
the cone of what x may do: no column below its bound, no row beyond its side)::

    min c' d   subject to   l s <= (A d)[T] <= u s,   d in D     its duals:  max over Y of   sum of s (l p+ - u p-)

with (l, u) = (-1, 1) for the prices nearest to zero and (1, 1) for the greatest. No other rows than those that hang
together with T without a held price in between count, so that it is small: at junctions a few flows.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..labels import Array
from ..lp.matrix import Program, bare
from .basis import start_from
from .highs import Simplex, duals, load, optimal, run

AT_BOUND = 1e-7
"""How far from its bound or side a column or row still counts as being there: the solver's tolerance."""
WORTHLESS = 1e-7
"""Price per kW and slot up to which it is zero."""
DEAR = 1e3
"""Cost, relative to the largest of a column, of a watt that comes from nowhere: above every price that has a bound."""
NEAREST, GREATEST = (-1.0, 1.0), (1.0, 1.0)
"""Sides (l, u) of the rows: the prices nearest to zero, and the greatest."""


def empty_rows(program: Program, priced: Array) -> Array:
    """Return which of the rows that are ``priced`` (rows,) no column touches but flows among such rows."""
    matrix = program.matrix
    row = np.repeat(np.arange(len(priced)), np.diff(matrix.indptr))
    absent = (program.lower == 0) & (program.upper == 0)  # columns fixed at zero touch nothing
    at_meters = np.bincount(matrix.indices, ~priced[row], minlength=len(absent)) > 0
    somebody = np.bincount(row, (at_meters & ~absent)[matrix.indices], minlength=len(priced)) > 0
    return np.asarray(priced & ~somebody)


def published(program: Program, share: Array, empty: Array, rent: Array, x: Array, dual: Array) -> Array:
    """Return optimal duals (rows,) whose prices are those of the rule, from duals that obey its first step.

    ``share`` (rows,) is zero where no price is, ``empty`` (rows,) says which rows are nobody's, ``rent`` (rows,)
    which are limits of edges, ``x`` (columns,) is an optimum. A step that the solver cannot take is left out.
    """
    inhabited = (share > 0) & ~empty
    dual = _greatest_where_zero(program, share, x, dual, inhabited, inhabited)
    dual = nearest_to_zero(program, share, x, dual, empty, inhabited)
    return _greatest_where_zero(program, share, x, dual, empty & ~rent, share > 0)


def _greatest_where_zero(
    program: Program, share: Array, x: Array, dual: Array, rows: Array, decided: Array
) -> Array:
    """Return the duals with the greatest prices at those of the ``rows`` (rows,) where they are zero; see steps 2 and 4.

    ``decided`` (rows,) are the rows whose other prices are held.
    """
    idle = rows & (np.abs(dual) <= WORTHLESS)
    dear = DEAR * max(float(np.abs(program.cost).max(initial=0.0)), 1.0)
    highest = _duals(program, share, x, dual, idle, decided, GREATEST, dear)
    if highest is None:
        return dual
    return nearest_to_zero(program, share, x, highest, idle & (highest > dear / 2), decided)


def nearest_to_zero(
    program: Program,
    share: Array,
    x: Array,
    dual: Array,
    rows: Array,
    decided: Array,
    start: tuple[Array, Array] | None = None,
) -> Array:
    """Return the duals (rows,) with the prices at ``rows`` nearest to zero; those given, if the solver finds none.

    ``decided`` (rows,) are the rows whose prices are held, but for ``rows`` themselves; ``start`` are the statuses
    (columns,), (rows,) of a basis nearby.
    """
    nearest = _duals(program, share, x, dual, rows, decided, NEAREST, start=start)
    return dual if nearest is None else nearest


def _duals(
    program: Program,
    share: Array,
    x: Array,
    dual: Array,
    rows: Array,
    decided: Array,
    sides: tuple[float, float],
    dear: float | None = None,
    start: tuple[Array, Array] | None = None,
) -> Array | None:
    """Return the duals with the prices at ``rows`` (rows,) that the sides pick, others ``decided`` held; None for none.

    ``dear`` is what a watt costs there that comes from nowhere, by default more than anything.
    """
    if not rows.any():
        return dual
    held = decided & ~rows
    inner, columns = _reach(program, rows, held)
    matrix, chosen = program.matrix[inner][:, columns], rows[inner]
    low, high = _cone(program.matrix[inner] @ x, program.row_lower[inner], program.row_upper[inner])
    least, most = _cone(x[columns], program.lower[columns], program.upper[columns])
    from_nowhere = np.flatnonzero(chosen) if dear is not None else np.zeros(0, dtype=int)
    count = len(from_nowhere)
    entry = sparse.csr_matrix((np.ones(count), (from_nowhere, np.arange(count))), (len(inner), count))
    face = bare(
        cost=np.append(
            program.cost[columns] - (program.matrix.T @ np.where(held, dual, 0.0))[columns], [dear] * count
        ),
        lower=np.append(least, np.zeros(count)),
        upper=np.append(most, np.full(count, np.inf)),
        integer=np.zeros(len(columns) + count, dtype=bool),
        matrix=sparse.csr_matrix(sparse.hstack([matrix, entry])),
        row_lower=np.where(chosen, low + sides[0] * share[inner], low),
        row_upper=np.where(chosen, high + sides[1] * share[inner], high),
    )
    if start is None:
        highs = load(face, None, 0.0)
    else:
        highs = load(face, None, 0.0, Simplex.PRIMAL)
        start_from(highs, start[0][columns], start[1][inner])
    run(highs)
    if not optimal(highs):
        return None
    picked = dual.copy()
    picked[inner] = duals(highs)
    return picked


def _reach(program: Program, rows: Array, held: Array) -> tuple[Array, Array]:
    """Return the rows that hang together with ``rows`` (rows,) by columns, none of them ``held``; and those columns."""
    by_column, reached = program.matrix.tocsc(), rows.copy()
    touched, border = np.zeros(len(program.cost), dtype=bool), np.flatnonzero(rows)
    while len(border):
        columns = np.unique(program.matrix[border].indices)
        columns = columns[~touched[columns]]
        touched[columns] = True
        border = np.unique(by_column[:, columns].indices)
        border = border[~reached[border] & ~held[border]]
        reached[border] = True
    return np.flatnonzero(reached), np.flatnonzero(touched)


def _cone(value: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the bounds of directions: none beyond a bound that the value is at."""
    return (
        np.where(value <= low + AT_BOUND, 0.0, -np.inf),
        np.where(value >= high - AT_BOUND, 0.0, np.inf),
    )
