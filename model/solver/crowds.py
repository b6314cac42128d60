"""Crowded nodes in parts: a program in which each virtual node has a balance of its own.

What the columns of virtual node v add to the balance r of its node goes to a new row, and from there in one flow f of
any sign, at no cost, to the node::

    r:  sum over the node's own columns of a x + sum over v of f[v] = side
    v:  sum over columns of v of a x - f[v] = 0

or to another virtual node, above it, so that they are a tree of few branches. With the flows eliminated that is the
program itself, and every dual of v is that of r. So flows can be left out at first like those over the edges between
nodes, and crowded nodes fall into subtrees too. A pool is in every virtual node of its node, each time with the same
part of its sides and bounds: its values are the sums of the parts, which as a linear program have the duals of the
whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import highspy
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..labels import Array
from ..lp.matrix import Program
from .tie_breaking import Rules, filled
from .windows import Slots

_KINDS = highspy.HighsBasisStatus
BASIC, LOWER, FREE = (int(kind) for kind in (_KINDS.kBasic, _KINDS.kLower, _KINDS.kZero))


@dataclass(frozen=True)
class Crowds:
    """A program whose crowded nodes are in parts, after the rows and columns of the ``whole``.

    ``row`` (rows,) and ``column`` (columns,) are those of the whole that each is a part of. The last columns are the
    flows between the parts, of which ``stage`` (flow,) says from when they are priced in.
    """

    whole: Program
    program: Program
    row: Array
    column: Array
    stage: Array

    def rules(self, by: Rules) -> Rules:
        """Return the rules of the whole as those of the parts: what makes a price is the node."""
        share, empty, rent = by.share[self.row], by.empty[self.row], by.rent[self.row]
        share[len(by.share) :] = 0
        empty[len(by.share) :] = rent[len(by.share) :] = False
        weight = np.append(by.weight[self.column], np.zeros(len(self.stage)))
        return Rules(weight, share, empty, rent, by.delta)

    def slots(self, slots: Slots | None) -> Slots | None:
        """Return the slots of the whole as those of the parts, flows in those of their balances; None for none."""
        if slots is None:
            return None
        flow = slots.row[self.row[len(self.row) - len(self.stage) :]]
        return Slots(slots.row[self.row], np.append(slots.column[self.column], flow), slots.horizon)

    def values(self, x: Array) -> Array:
        """Return the values (columns,) of the whole."""
        return np.bincount(self.column, x[: len(self.column)], minlength=len(self.whole.cost))

    def start(self, column_status: Array, row_status: Array) -> tuple[Array, Array]:
        """Return the statuses of a basis of the whole as those of the parts: flows are basic where balances are met."""
        status, met = row_status[self.row], row_status[self.row] != BASIC
        balance = slice(len(status) - len(self.stage), None)
        flow = np.where(met[balance], BASIC, FREE)
        return np.append(column_status[self.column], flow).astype(np.int8), status

    def basis(self, column_status: Array, row_status: Array) -> tuple[Array, Array]:
        """Return the statuses of a basis of the parts as those of the whole: basic is what is so in any part."""
        columns, rows = len(self.whole.cost), len(self.whole.row_lower)
        parts = column_status[: len(self.column)]
        between = (parts == BASIC) | (parts != column_status[self.column])
        column, row = column_status[:columns].copy(), row_status[:rows].copy()
        column[self.column[between]] = row[self.row[row_status == BASIC]] = BASIC
        return column, row


def crowds(program: Program, together: bool = False) -> Crowds:
    """Return a program with the columns of each virtual node at a balance of its own, or as it is, ``together``."""
    rows, columns = program.matrix.shape
    virtual = filled([v.virtual_node for v in program.variables], columns).astype(int)
    virtual[(program.lower == 0) & (program.upper == 0)] = 0
    if together or not (virtual > 0).any():
        return Crowds(program, program, np.arange(rows), np.arange(columns), np.zeros(0, dtype=int))
    parted = filled([np.full(len(c.position), c.virtual is not None) for c in program.constraints], rows) > 0
    entries = _Entries(
        np.repeat(np.arange(rows), np.diff(program.matrix.indptr)),
        program.matrix.indices.astype(int),
        program.matrix.data,
    )
    parts = _with_parted_pools(program, entries, virtual, parted)
    row, column, value = parts.entries
    moved = np.flatnonzero(parted[parts.row[row]] & (parts.virtual[column] > 0))
    pair, place = np.unique(
        row[moved] * (virtual.max() + 1) + parts.virtual[column[moved]], return_inverse=True
    )
    node, number = np.divmod(pair, virtual.max() + 1)
    balance = len(parts.row) + np.arange(len(pair))
    row[moved] = balance[place.reshape(-1)]
    above, stage = _exchange(program, node, number)
    flow, ones = len(parts.column) + np.arange(len(pair)), np.ones(len(pair))
    to = np.where(above >= 0, balance[above], node)
    matrix = sparse.csr_matrix(
        (
            np.concatenate([value, ones, -ones]),
            (np.concatenate([row, to, balance]), np.concatenate([column, flow, flow])),
        ),
        shape=(len(balance) + len(parts.row), len(flow) + len(parts.column)),
    )
    return Crowds(program, _between(program, parts, matrix), np.append(parts.row, node), parts.column, stage)


def _exchange(program: Program, node: Array, number: Array) -> tuple[Array, Array]:
    """Return which balance each of them exchanges with, -1 for that of the node itself, and the stage at which it does.

    A balance is of the row ``node`` (balance,) and the virtual node ``number`` (balance,), in ascending order. Where
    nobody is at the virtual node above, it is the next one up.
    """
    above, stage, start = np.zeros_like(number), np.zeros_like(number), 0
    size = number.max() + 1
    own = node * size + number
    for family in program.constraints:
        within = slice(*np.searchsorted(node, [start, start + len(family.position)]))
        start += len(family.position)
        if family.virtual is None:
            continue
        stage[within], up = family.virtual.stage[number[within]], family.virtual.above[number[within]]
        while (absent := (up > 0) & ~np.isin(node[within] * size + up, own)).any():
            up = np.where(absent, family.virtual.above[up], up)
        above[within] = up
    return np.where(above > 0, np.searchsorted(own, node * size + above), -1), stage


def _between(program: Program, parts: _Parts, matrix: sparse.csr_matrix) -> Program:
    """Return the program of the parts, with flows between them at no cost and balances that are met."""
    height, width = matrix.shape
    row_part, column_part = (1.0 / np.bincount(own)[own] for own in (parts.row, parts.column))
    flows, balances = width - len(parts.column), np.zeros(height - len(parts.row))
    return replace(
        program,
        cost=np.append(program.cost[parts.column], np.zeros(flows)),
        lower=np.append(program.lower[parts.column] * column_part, np.full(flows, -np.inf)),
        upper=np.append(program.upper[parts.column] * column_part, np.full(flows, np.inf)),
        integer=np.append(program.integer[parts.column], np.zeros(flows, dtype=bool)),
        matrix=matrix,
        row_lower=np.append(program.row_lower[parts.row] * row_part, balances),
        row_upper=np.append(program.row_upper[parts.row] * row_part, balances),
    )


class _Entries(NamedTuple):
    """Entries of a matrix."""

    row: Array
    column: Array
    value: Array


class _Parts(NamedTuple):
    """A program whose pools are parted: of which row and column each is a part, and the columns' virtual nodes."""

    row: Array
    column: Array
    virtual: Array
    entries: _Entries


def _with_parted_pools(program: Program, entries: _Entries, virtual: Array, parted: Array) -> _Parts:
    """Return the parts of a program with a part of every pool at each virtual node that others are at."""
    row, column, value = entries
    rows, columns = program.matrix.shape
    others = parted[row] & (virtual[column] > 0)
    node, places = np.divmod(
        np.unique(row[others] * (virtual.max() + 1) + virtual[column[others]]), virtual.max() + 1
    )
    number = np.bincount(node, minlength=rows)
    first = np.cumsum(number) - number
    pool_rows, pool_columns = _pools(program, entries, parted, virtual < 0)
    more_rows, more_columns = (
        np.where(at >= 0, np.maximum(number[at] - 1, 0), 0) for at in (pool_rows, pool_columns)
    )
    pooled = np.flatnonzero((pool_columns >= 0) & (number[pool_columns] > 0))
    own = virtual.copy()
    own[virtual < 0] = 0
    own[pooled] = places[first[pool_columns[pooled]]]
    again, turn = _repeated(more_columns)
    entry, at = _repeated(more_columns[column])
    next_row, next_column = (np.cumsum(more) - more + len(more) for more in (more_rows, more_columns))
    return _Parts(
        np.append(np.arange(rows), _repeated(more_rows)[0]),
        np.append(np.arange(columns), again),
        np.append(own, places[first[pool_columns[again]] + 1 + turn]),
        _Entries(
            np.append(row, np.where(parted[row[entry]], row[entry], next_row[row[entry]] + at)),
            np.append(column, next_column[column[entry]] + at),
            np.append(value, value[entry]),
        ),
    )


def _pools(program: Program, entries: _Entries, parted: Array, pool: Array) -> tuple[Array, Array]:
    """Return at which row that is parted the rows and the columns of each pool trade, -1 for those of none.

    A pool is what hangs together by other rows, is continuous, and is at one of the ``parted`` rows by nothing but
    ``pool`` columns.
    """
    rows, columns = program.matrix.shape
    at_node = parted[entries.row]
    graph = sparse.csr_matrix(
        (np.ones(int((~at_node).sum())), (entries.row[~at_node], rows + entries.column[~at_node])),
        shape=(rows + columns,) * 2,
    )
    count, label = connected_components(graph, directed=False)
    whose, node = label[rows + entries.column[at_node]], entries.row[at_node]
    lowest, highest = np.full(count, rows), np.full(count, -1)
    np.minimum.at(lowest, whose, node)
    np.maximum.at(highest, whose, node)
    alone = lowest == highest
    alone[whose[~pool[entries.column[at_node]]]] = False
    alone[label[rows:][program.integer]] = False
    trades = np.where(alone, lowest, -1)[label]
    return trades[:rows], trades[rows:]


def _repeated(times: Array) -> tuple[Array, Array]:
    """Return each position as often as ``times`` (position,) says, and which time it is, from zero."""
    position = np.repeat(np.arange(len(times)), times)
    return position, np.arange(len(position)) - (np.cumsum(times) - times)[position]
