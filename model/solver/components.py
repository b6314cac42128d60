"""A program in parts: its connected components once some of its columns are left out, at zero.

A simplex iteration costs by the size of what it works on, so that small programs one after another are several times
faster than all of them as one. Parts that are tiny go together in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..labels import Array
from ..lp.matrix import Program, bare

T = TypeVar("T")

ROWS = 1000
"""Rows of a batch: small enough for quick iterations, large enough not to count the calls."""


BATCH = 5000
"""Rows of a batch of parts that are solved over and over."""


class Parts:
    """The parts of a program of which only the columns ``inside`` count; the others are left out, not yet priced in.

    ``row`` and ``column`` say to which part each belongs: -1 for columns that are left out. Rows that only
    such columns touch are ``free``, and parts of their own. Small parts go together in batches of ``rows``, by
    default `ROWS`.
    """

    def __init__(self, program: Program, inside: Array, rows: int | None = None):
        self.program, self.inside = program, inside.copy()
        height, columns = program.matrix.shape
        count, label, kept = _of_columns(program.matrix, inside)
        self.free = (kept == 0) & (np.diff(program.matrix.indptr) > 0)
        batch = _batches(label[:height], count, self.free, rows or ROWS)
        self.row = batch[label[:height]]
        self.column = np.where(inside, batch[label[height:]], -1)
        self._place = np.full(columns, -1, dtype=program.matrix.indices.dtype)

    @cached_property
    def _by_column(self) -> sparse.csc_matrix:
        return self.program.matrix.tocsc()

    def join(self, entering: Array) -> Array:
        """Price columns (positions) in; return the labels of the parts that they join."""
        own = self._by_column[:, entering].tocoo()
        size = int(max(self.row.max(), self.column.max())) + 1
        ends = self.row[own.row]
        _, label = _components(size + len(entering), size + own.col, ends)
        self.inside[entering] = True
        self.free[own.row] = False
        self.row, new = label[self.row], label[size:]
        self.column = np.where(self.column >= 0, label[self.column], -1)
        self.column[entering] = new
        return np.unique(new)

    def members(self, labels: Array | None = None) -> list[tuple[Array, Array]]:
        """Return the rows and the columns of parts; by default of all that have columns."""
        wanted = np.zeros(int(max(self.row.max(initial=0), self.column.max(initial=0))) + 1, dtype=bool)
        wanted[self.column[self.column >= 0] if labels is None else labels] = True
        order = np.cumsum(wanted) - 1
        sides = [_grouped(label, wanted, order) for label in (self.row, self.column)]
        return list(zip(*sides, strict=True))

    def piece(self, rows: Array, columns: Array) -> Program:
        """Return a part as a program of its own."""
        return piece(self.program, rows, columns, self._place)


def piece(program: Program, rows: Array, columns: Array, place: Array) -> Program:
    """Return the given rows and columns of a program as a program of its own.

    ``place`` (columns of the whole,) is -1 everywhere, and is so again afterwards.
    """
    matrix, width = program.matrix, len(columns)
    count = matrix.indptr[rows + 1] - matrix.indptr[rows]
    end = np.cumsum(count, dtype=count.dtype)
    entry = np.repeat(matrix.indptr[rows + 1] - end, count) + np.arange(count.sum(), dtype=count.dtype)
    place[columns] = np.arange(width)
    at = place[matrix.indices[entry]]
    place[columns] = -1
    kept = at >= 0
    start = np.append(0, np.cumsum(kept, dtype=count.dtype))[np.append(0, end)]
    return bare(
        cost=program.cost[columns],
        lower=program.lower[columns],
        upper=program.upper[columns],
        integer=program.integer[columns],
        matrix=sparse.csr_matrix((matrix.data[entry[kept]], at[kept], start), shape=(len(rows), width)),
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
    )


def connected(matrix: sparse.csr_matrix, inside: Array) -> list[tuple[Array, Array]]:
    """Return the rows and columns of the parts of a matrix of which only the columns ``inside`` count.

    Small parts go together in batches. Rows that no such column touches are in none; columns that touch no row are a
    part without rows.
    """
    columns = np.flatnonzero(inside)
    own = matrix[:, columns]
    rows = np.flatnonzero(np.diff(own.indptr))
    entries = own[rows].tocoo()
    count, part = _components(len(rows) + len(columns), entries.row, len(rows) + entries.col)
    batch = _batches(part[: len(rows)], count, np.zeros(len(rows), dtype=bool), BATCH)
    loose = np.ones(count, dtype=bool)
    loose[part[: len(rows)]] = False
    batch = np.where(loose, batch.max(initial=0) + 1, batch)
    sides = []
    for of, positions in ((batch[part[: len(rows)]], rows), (batch[part[len(rows) :]], columns)):
        order = np.argsort(of, kind="stable")
        sides.append(np.split(positions[order], np.cumsum(np.bincount(of, minlength=batch.max() + 1))[:-1]))
    return [(r, c) for r, c in zip(*sides, strict=True) if len(r) + len(c)]


def largest(matrix: sparse.csr_matrix, inside: Array) -> int:
    """Return the number of rows of the largest part of a matrix of which only the columns ``inside`` count."""
    _, label, _ = _of_columns(matrix, inside)
    return int(np.bincount(label[: matrix.shape[0]]).max(initial=0))


def _of_columns(matrix: sparse.csr_matrix, inside: Array) -> tuple[int, Array, Array]:
    """Return what connects the rows of a matrix of which only the columns ``inside`` count.

    That is the number of components, the one of each row and then each column, and the entries (rows,) that count.
    """
    height, columns = matrix.shape
    kept = inside[matrix.indices]
    start = np.append(0, np.cumsum(kept, dtype=matrix.indptr.dtype))[matrix.indptr]
    ends = height + matrix.indices[kept], np.pad(start, (0, columns), mode="edge")
    graph = sparse.csr_matrix((np.ones(len(ends[0]), dtype=np.int8), *ends), shape=(height + columns,) * 2)
    count, label = connected_components(graph, directed=False)
    return int(count), label, np.diff(start)


def _components(size: int, one: Array, other: Array) -> tuple[int, Array]:
    """Return how many components a graph has, and that of each node; edges go from ``one``, ascending, to ``other``."""
    start = np.concatenate([[0], np.cumsum(np.bincount(one, minlength=size))])
    graph = sparse.csr_matrix((np.ones(len(one)), other, start), shape=(size, size))
    count, label = connected_components(graph, directed=False)
    return int(count), label


def _batches(label: Array, count: int, free: Array, rows: int) -> Array:
    """Return the batch of each component: as many of those in a row as have ``rows``; free rows by themselves."""
    size = np.bincount(label[~free], minlength=count)
    batch = (np.cumsum(size) - size) // rows
    alone = label[free]
    batch[alone] = batch.max(initial=0) + 1 + np.arange(len(alone))
    return np.asarray(batch)


def _grouped(label: Array, wanted: Array, order: Array) -> list[Array]:
    """Return the positions of the members of each wanted part."""
    member = np.flatnonzero((label >= 0) & wanted[label])
    number = order[label[member]]
    member = member[np.argsort(number, kind="stable")]
    return np.split(member, np.cumsum(np.bincount(number, minlength=int(order[-1]) + 1))[:-1])


class Effort:
    """How much of what is known of the work is done: rows of the parts solved, of those that are known by now.

    ``tell`` takes both whenever one changes. Further rounds, and searches of binaries, make more of it known.
    """

    def __init__(self, tell: Callable[[int, int], None] | None = None):
        self._tell, self._done, self._known = tell, 0, 0

    def of(self, solved: Iterable[T], rows: Sequence[int]) -> Iterator[T]:
        """Yield what becomes of parts of so many rows each, in their order, and count them as they are done."""
        self._known += sum(rows)
        for part, size in zip(solved, rows, strict=True):
            self._done += size
            if self._tell:
                self._tell(self._done, self._known)
            yield part
