"""A start for a long horizon: windows of it one after another, each from where the one before it left off.

A simplex iteration costs by the size of what it works on, and a year works on itself a day at a time: what stores carry
over is all that links the days. Let a column belong to its slot, and a row to the last slot of its columns, so that it
looks back and never ahead. The window of the slots a to b, rows R and columns C, of

    min c x   subject to   l <= A x <= u,   x within bounds

is, with the values x' of the columns before it, which the windows before it have decided::

    min c x   subject to   l - A[R,before] x' <= A[R,C] x <= u - A[R,before] x'

The values of its first `WINDOW` slots stand; the `AHEAD` slots after them only tell what it is worth to store there, and
start the next window. Where a window has no optimum, what those before it did cannot go on: the last of them is solved
again and looks twice as far ahead.

The bases of the windows, put together, are a start and nothing more: from there the whole is solved, with its own proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..labels import Array
from ..lp.matrix import Program
from .basis import start_from
from .components import piece
from .highs import Simplex, basic_solution, load, optimal, run, set_options
from .tie_breaking import PERTURBED

WINDOW, AHEAD = 96, 48
"""Slots of a window that stand, and those that it looks ahead: two days and one of half-hours."""
LONG, ROWS = 2 * (WINDOW + AHEAD), 5000
"""Slots and rows up to which a program is quicker as a whole."""
NEAR = 0.01
"""Values and reduced costs out of bounds, per row, up to which a start is near the optimum: a pivot or so each."""
OUTSIDE = -1
"""Slot of rows that link columns further apart than a window looks ahead; no window holds them."""


class Slots(NamedTuple):
    """The slot of each row (rows,) and column (columns,) of a program, of a ``horizon`` of so many slots."""

    row: Array
    column: Array
    horizon: int

    def of(self, rows: Array, columns: Array) -> Slots:
        """Return the slots of a part."""
        return Slots(self.row[rows], self.column[columns], self.horizon)


class Start(NamedTuple):
    """Statuses of columns and rows to start from, and how many windows and iterations have found them."""

    column_status: Array
    row_status: Array
    windows: int = 0
    iterations: int = 0


def slots(program: Program) -> Slots | None:
    """Return the slots of a program's rows and columns; None where these are no more than `LONG`."""
    count = max((family.shape[-1] for family in program.variables if family.dims[-1] == "time"), default=0)
    if count <= LONG:
        return None
    entries = program.matrix.tocoo()
    column = _own(program.variables, len(program.cost))
    timed = column[entries.col] != OUTSIDE
    latest = np.full(len(program.row_lower), OUTSIDE)
    np.maximum.at(latest, entries.row[timed], column[entries.col[timed]])
    earliest = np.full(len(column), count)  # of the rows of what has no time: a trip is in its energy balance
    links = ~timed & (latest[entries.row] != OUTSIDE)
    np.minimum.at(earliest, entries.col[links], latest[entries.row[links]])
    column = np.where(column == OUTSIDE, earliest % count, column)  # in no row: slot 0
    first, last = np.full(len(latest), count), np.zeros(len(latest), dtype=int)
    np.minimum.at(first, entries.row, column[entries.col])
    np.maximum.at(last, entries.row, column[entries.col])
    return Slots(np.where(last - first > AHEAD, OUTSIDE, last), column, count)


def _own(variables: Iterable[Any], size: int) -> Array:
    """Return the slot of each column (size,) by its family; `OUTSIDE` for those without time."""
    own = np.full(size, OUTSIDE)
    start = 0
    for family in variables:
        if family.dims[-1] == "time":
            own[start : start + len(family.position)] = family.position % family.shape[-1]
        start += len(family.position)
    return own


def near(program: Program, start: Start) -> bool:
    """Return whether a program starts so near its optimum that it gets there sooner as a whole than by windows."""
    highs = load(program, None, 0.0, Simplex.WARM)
    start_from(highs, start.column_status, start.row_status)
    set_options(highs, simplex_iteration_limit=0)
    run(highs)
    info = highs.getInfo()
    off = info.num_primal_infeasibilities, info.num_dual_infeasibilities
    return bool(min(off) >= 0 and sum(off) <= NEAR * len(program.row_lower))


def started(program: Program, slots: Slots, start: Start, time_limit: float | None = None) -> Start:
    """Return the start of a program that its windows find, one after another, each from its part of the one given.

    If the first window has no optimum, nor has the whole, and the start is the one given.
    """
    windows = _Windows(program, slots, start, time_limit)
    begin, ahead = 0, AHEAD
    while True:
        end = begin + WINDOW + ahead
        if windows.solve(begin, end):
            if end >= slots.horizon:
                return windows.start
            begin += WINDOW
        elif begin:
            begin, ahead = begin - WINDOW, 2 * ahead
        else:
            return start


class _Windows:
    """The windows of a program so far: values (columns,) that they have decided, and the start that they make."""

    def __init__(self, program: Program, slots: Slots, start: Start, time_limit: float | None):
        self.program, self.time_limit = program, time_limit
        self.start = Start(start.column_status.copy(), start.row_status.copy())
        self.rows, self.columns = _by_slot(slots.row, slots.horizon), _by_slot(slots.column, slots.horizon)
        self.x = np.zeros(len(program.cost))
        self._place = np.full(len(program.cost), -1)

    def solve(self, begin: int, end: int) -> bool:
        """Solve the window of the slots ``begin`` to ``end`` - 1 and keep its basis; return whether it has one."""
        rows, columns = self.rows.between(begin, end), self.columns.between(begin, end)
        window = self._window(rows, columns)
        highs = load(window, self.time_limit, 0.0, Simplex.DUAL)
        set_options(highs, **PERTURBED)
        start_from(highs, self.start.column_status[columns], self.start.row_status[rows])
        run(highs)
        solution = basic_solution(highs, window)
        windows, iterations = self.start.windows + 1, self.start.iterations + solution.iterations
        self.start = self.start._replace(windows=windows, iterations=iterations)
        if not optimal(highs):
            return False
        self.x[columns] = np.clip(solution.x, window.lower, window.upper)  # what it errs by would add up
        self.start.column_status[columns] = solution.column_status
        self.start.row_status[rows] = solution.row_status
        return True

    def _window(self, rows: Array, columns: Array) -> Program:
        """Return the program of a window: its rows less what the columns before it do."""
        before = self.x.copy()
        before[columns] = 0.0
        carried = self.program.matrix[rows] @ before
        window = piece(self.program, rows, columns, self._place)
        return replace(window, row_lower=window.row_lower - carried, row_upper=window.row_upper - carried)


class _BySlot(NamedTuple):
    """Positions in the order of their slots, and where each slot begins (count + 1,)."""

    position: Array
    first: Array

    def between(self, begin: int, end: int) -> Array:
        """Return the positions of the slots from ``begin`` to before ``end``, in ascending order."""
        last = len(self.first) - 1
        return np.sort(self.position[self.first[min(begin, last)] : self.first[min(end, last)]])


def _by_slot(slot: Array, count: int) -> _BySlot:
    order = np.argsort(slot, kind="stable")
    return _BySlot(order, np.searchsorted(slot[order], np.arange(count + 1)))
