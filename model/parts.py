"""A program that falls apart into independent ones is solved in batches of them.

Without peers every participant is on its own, and the optimal face of a clearing hangs together only where trades do. A
simplex iteration costs by the size of what it works on, so that small programs one after another are several times
faster than all of them as one.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from .algebra import Array
from .highs import Found, found, load, optimal
from .program import Program, bare

ROWS = 1500
"""Rows of a batch: small enough for quick iterations, large enough not to count the calls."""


def batches(program: Program) -> list[tuple[Array, Array]]:
    """Return the columns and rows of batches of independent parts; a single batch where all hangs together."""
    rows, columns = program.matrix.shape
    entries = program.matrix.tocoo()
    ends = (entries.row, rows + entries.col)
    graph = sparse.csr_matrix((np.ones(len(entries.row), dtype=np.int8), ends), shape=(rows + columns,) * 2)
    count, part = connected_components(graph, directed=False)
    size = np.bincount(part[:rows], minlength=count)
    batch = (np.cumsum(size) - size) // ROWS
    kept = np.unique(batch)
    return list(zip(_grouped(batch[part[rows:]], kept), _grouped(batch[part[:rows]], kept), strict=True))


def _grouped(batch: Array, kept: Array) -> list[Array]:
    """Return the positions of the members of each batch that is kept."""
    order = np.argsort(batch, kind="stable")
    return np.split(order, np.searchsorted(batch[order], kept[1:]))


def solve_apart(program: Program, time_limit: float | None, mip_gap: float) -> Found | None:
    """Return the optimum of a program put together from its parts; None where it does not fall apart.

    None, too, where a part has no optimum: the whole program says best why. The time limit holds for each batch.
    """
    if program.matrix.shape[0] <= ROWS or len(pieces := batches(program)) < 2:
        return None
    x, dual = np.zeros(len(program.cost)), np.zeros(len(program.row_lower))
    column_status, row_status = np.zeros(len(x), dtype=np.int8), np.zeros(len(dual), dtype=np.int8)
    iterations, gap = 0, 0.0
    for columns, rows in pieces:
        highs = load(_piece(program, columns, rows), time_limit, mip_gap)
        highs.run()
        if not optimal(highs):
            return None
        run = found(highs)
        x[columns], dual[rows] = run.x, run.dual
        column_status[columns], row_status[rows] = run.column_status, run.row_status
        iterations, gap = iterations + run.iterations, gap + run.gap
    return Found(x, dual, column_status, row_status, iterations, gap, None)


def _piece(program: Program, columns: Array, rows: Array) -> Program:
    return bare(
        cost=program.cost[columns],
        lower=program.lower[columns],
        upper=program.upper[columns],
        integer=program.integer[columns],
        matrix=program.matrix[rows][:, columns],
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
    )
