"""Rows and auxiliary columns that only tighten a relaxation: they hold by themselves where every switch is 0 or 1.

An auxiliary variable copies what flows while a switch is 1, and is zero while it is 0 (`components.Copy`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..labels import Array
from .one_way import NONE


class Tightening(NamedTuple):
    """The rows and columns of a program that tighten, by the column of the switch that they belong to.

    ``row`` (rows,) and ``column`` (columns,) are `NONE` for all others. ``source`` (columns, columns) are the
    coefficients of what an auxiliary column copies.
    """

    row: Array
    column: Array
    source: sparse.csr_matrix

    @classmethod
    def none(cls, height: int, width: int) -> Tightening:
        """Return what no row and no column of a program of so many do."""
        return cls(np.full(height, NONE), np.full(width, NONE), sparse.csr_matrix((width, width)))

    def extended(self, height: int, width: int) -> Tightening:
        """Return it for the program with further rows and columns, which do not tighten."""
        more = height - len(self.row), width - len(self.column)
        own = self.source
        ends = np.pad(own.indptr, (0, more[1]), mode="edge")
        source = sparse.csr_matrix((own.data, own.indices, ends), shape=(width, width))
        row = np.pad(self.row, (0, more[0]), constant_values=NONE)
        return Tightening(row, np.pad(self.column, (0, more[1]), constant_values=NONE), source)


def collect(
    constraints: Iterable[Any],
    variables: Iterable[Any],
    start: dict[int, Any],
    shape: tuple[int, int],
    edited: Collection[int],
) -> Tightening:
    """Return what rows and columns of a program of a ``shape`` do, but for rows that a user ``edited``.

    ``start`` says at which column a family of variables begins; families are in the order of the program.
    """
    found = Tightening.none(*shape)
    begin = 0
    for family in constraints:
        if family.tightened is not None:
            found.row[begin : begin + len(family.position)] = _switches(family, family.tightened, start)
        begin += len(family.position)
    found.row[list(edited)] = NONE
    entries: list[tuple[Array, Array, Array]] = [(np.zeros(0), np.zeros(0, int), np.zeros(0, int))]
    for family in variables:
        if family.copied is not None:
            at = start[id(family)]
            found.column[at : at + len(family.position)] = _switches(family, family.copied.switch, start)
            number = np.full(int(np.prod(family.shape)), NONE)
            number[family.position] = at + np.arange(len(family.position))
            for term in family.copied.source.terms:
                own = number[term.row] != NONE
                column = term.column + start[id(term.variable)]
                entries.append((term.coefficient[own], number[term.row][own], column[own]))
    value, row, column = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return found._replace(source=sparse.csr_matrix((value, (row, column)), shape=(shape[1], shape[1])))


def _switches(family: Any, switch: Any, start: dict[int, Any]) -> Array:
    """Return the column of the switch of every entry of a family over the same sets, `NONE` for none."""
    column = np.full(int(np.prod(family.shape)), NONE)
    if switch is not None and id(switch) in start:
        column[switch.position] = start[id(switch)] + np.arange(len(switch.position))
    return np.asarray(column[family.position])
