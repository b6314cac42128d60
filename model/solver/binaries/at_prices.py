"""A program cut into parts that answer to prices and not to one another (Lagrangean decomposition).

The linear relaxation has the optimum x and the duals p. A column y that is cut goes to each of its parts as a copy of
its own, at the price that p gives it there; the copies' costs add up to that of y. Letting the copies differ only
relaxes the model, so that the sum of the parts' optima is a lower bound of the whole. Without binaries that sum is the
optimum of the relaxation, since x and p are optimal for every part too. Hence

    bound = relaxation + sum over parts of (bound of its MILP - its part of the relaxation).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ...labels import Array
from ...lp.matrix import Program, bare
from ..bottom_up import Optimum
from ..components import Parts
from ..tie_breaking import filled


def at_market(program: Program) -> Array:
    """Return the columns (columns,) to cut so that every meter is by itself: all that the rows of the market hold."""
    market = [np.full(len(c.position), c.priced) for c in program.constraints]
    priced = filled(market, len(program.row_lower)) > 0
    touched = np.bincount(program.matrix[priced].indices, minlength=len(program.cost)) > 0
    return np.asarray(touched & ~program.integer)


def where_large(program: Program, binaries: int) -> Array:
    """Return the columns (columns,) to cut so that few parts have more than so many ``binaries``.

    Parts with more are cut at the flows between subtrees, and where that is not enough at the market.
    """
    stages = [v.pricing_stage for v in program.variables]
    flows = (filled(stages, len(program.cost)) > 0) & ~program.integer
    cut = np.zeros(len(program.cost), dtype=bool)
    for further in (flows, at_market(program)):
        column = Parts(program, ~cut, rows=1).column
        number = np.bincount(column[program.integer], minlength=int(column.max()) + 1)
        cut |= further & (column >= 0) & (number[column] > binaries)
    return cut


def split(program: Program, relaxed: Optimum, parts: Parts) -> tuple[Program, Array]:
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
