"""Splits that leave no coalition much to complain of: the least core and the nucleolus, by row generation.

The *excess* of a coalition S at a split x is what S gains on its own beyond what it is given: v(S) - sum of x over S.
The least core holds the splits whose greatest excess over all S but the empty one and everybody is least::

    least e  subject to  sum of x over S + e >= v(S) for all S,   sum of x over N = v(N)

Coalitions enter as rows only when their excess exceeds e; the last enumeration, in which none does, proves x feasible.
The duals w >= 0 of the rows, which sum to 1 and put the same weight m on every member, prove it optimal: at any split
the greatest excess is at least their mean, sum of w[S] v(S) - m v(N). Maschler, Peleg and Shapley, "Geometric properties
of the kernel, nucleolus, and related solution concepts", Math. Oper. Res. 4 (1979), doi:10.1287/moor.4.4.303.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog, nnls

from ..labels import Array
from . import games

_NONE = 1e-9  # of the greatest value: an excess, or a dual, that is none
_AT_ONCE = 10  # rows that enter together


class Split(NamedTuple):
    """A split (n,) with its certificate: the greatest excess, by enumeration, and the bound that none is less."""

    shares: Array
    excess: float
    bound: float


class _Stage(NamedTuple):
    """An optimum of one stage: x (n,), the least greatest excess e and its bound, and the rows (bool) with a dual."""

    x: Array
    excess: float
    bound: float
    tight: Array


def least_core(values: Array) -> Split:
    """Return the split of the least core that is closest to equal parts (n,); see the module.

    Of all splits in the least core the sum of squares is least, which one split has alone.
    """
    n, scale = games.size(values), _scale(values)
    stage = _stage(values / scale, _everybody(n), values[-1:] / scale)
    x = _closest_to_equal(values / scale, stage.excess) * scale
    return Split(x, greatest_excess(values, x), stage.bound * scale)


def nucleolus(values: Array) -> Split:
    """Return the nucleolus (n,): the excesses, from the greatest on, are as small as can be, one after another.

    After the least core the coalitions whose rows have a dual have that excess in all its splits. They are settled, and
    the greatest excess of the rest is made least in turn, until the settled ones leave no choice: at most n - 1 times.
    Where joining never costs a coalition anything the prenucleolus, which this is, is the nucleolus. Schmeidler, "The
    nucleolus of a characteristic function game", SIAM J. Appl. Math. 17 (1969), doi:10.1137/0117107.
    """
    n, scale = games.size(values), _scale(values)
    inside, scaled = games.members(n), values / scale
    rows, sides = _everybody(n), scaled[-1:]
    first, x = None, np.full(n, scaled[-1] / n)
    while np.linalg.matrix_rank(rows) < n:
        stage = _stage(scaled, rows, sides)
        first, x = first or stage, stage.x
        rows = np.vstack([rows, inside[stage.tight]])
        sides = np.concatenate([sides, scaled[stage.tight] - stage.excess])
    x = np.linalg.lstsq(rows, sides, rcond=None)[0] * scale
    return Split(x, greatest_excess(values, x), first.bound * scale if first else 0.0)


def greatest_excess(values: Array, x: Array) -> float:
    """Return the greatest excess of all coalitions but the empty one and everybody; 0 of one member."""
    excess = values - games.members(games.size(values)) @ x
    return float(excess[1:-1].max(initial=0.0 if len(x) == 1 else -np.inf))


def _stage(values: Array, rows: Array, sides: Array) -> _Stage:
    """Return an optimum of the least greatest excess of what does not follow from ``rows`` x = ``sides``."""
    inside = games.members(games.size(values))
    free = _independent(inside, rows)
    if not free.any():  # of one member
        return _Stage(sides, 0.0, 0.0, free)
    first = int(np.flatnonzero(free)[0])
    chosen = np.array([first, len(values) - 1 - first])  # with its complement: together they bound the excess
    while True:
        x, e, dual, bound = _least_excess(inside[chosen], values[chosen], rows, sides)
        excess = np.where(free, values - inside @ x, -np.inf)
        excess[chosen] = -np.inf  # rows hold within the tolerance of the solver
        if excess.max() <= e + _NONE:
            tight = np.zeros(len(values), dtype=bool)
            tight[chosen[dual > 1e-7]] = True
            return _Stage(x, e, bound, tight)
        worst = np.argsort(-excess, kind="stable")[:_AT_ONCE]
        chosen = np.union1d(chosen, worst[excess[worst] > e + _NONE])


def _least_excess(some: Array, values: Array, rows: Array, sides: Array) -> tuple[Array, float, Array, float]:
    """Return x (n,), the least greatest excess e of some coalitions (k, n), the duals (k,) and their bound."""
    k, n = some.shape
    least = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=-np.hstack([some, np.ones((k, 1))]),
        b_ub=-values,
        A_eq=np.hstack([rows, np.zeros((len(rows), 1))]),
        b_eq=sides,
        bounds=(None, None),
        method="highs-ds",
    )
    if least.x is None:
        raise AssertionError(f"the least excess of {k} coalitions: {least.message}")
    weights = -least.ineqlin.marginals
    return least.x[:n], float(least.x[n]), weights, float(weights @ values + least.eqlin.marginals @ sides)


def _independent(inside: Array, rows: Array) -> Array:
    """Return which coalitions (2^n,) bool do not follow from the rows that are settled; the empty one does."""
    basis = np.linalg.svd(rows.astype(float), full_matrices=False)
    span = basis.Vh[basis.S > 1e-9]
    return np.asarray(np.abs(inside - (inside @ span.T) @ span).max(axis=1) > 1e-9)


def _closest_to_equal(values: Array, excess: float) -> Array:
    """Return the split (n,) closest to equal parts whose excesses are at most ``excess``, by row generation.

    y = x - v(N) / n has the least norm subject to (1_S - |S| / n) y >= v(S) - excess - |S| v(N) / n: a program of least
    distance, which non-negative least squares solves (Lawson and Hanson, "Solving Least Squares Problems", 1974).
    """
    n = games.size(values)
    inside = games.members(n)[1:-1]
    part = inside.mean(axis=1, keepdims=True)
    centred = inside - part
    least = values[1:-1] - excess - _NONE - part[:, 0] * values[-1]
    chosen, y = np.zeros(len(inside), dtype=bool), np.zeros(n)
    while len(lacking := np.flatnonzero((least - centred @ y > _NONE) & ~chosen)):
        worst = np.argsort(-(least - centred @ y)[lacking], kind="stable")[:_AT_ONCE]
        chosen[lacking[worst]] = True
        system = np.vstack([centred[chosen].T, least[chosen]])
        residual = system @ nnls(system, np.append(np.zeros(n), 1.0))[0] - np.append(np.zeros(n), 1.0)
        y = -residual[:n] / residual[n]
    return np.asarray(y + values[-1] / n)


def _everybody(n: int) -> Array:
    return np.ones((1, n))


def _scale(values: Array) -> float:
    """Return the greatest value of a game, 1 where all are zero: tolerances are absolute."""
    return float(np.abs(values).max()) or 1.0
