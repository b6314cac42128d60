"""Rows and auxiliary columns that only tighten a relaxation: they hold by themselves where every switch is 0 or 1.

An auxiliary variable copies what flows while a switch is 1, and is zero while it is 0 (`components.Copy`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..labels import Array
from .expressions import Linear
from .one_way import NONE, coefficients, switch_columns


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
    found, begin = Tightening.none(*shape), 0
    copies: list[tuple[Linear, Array]] = []
    for family in constraints:
        found.row[begin : begin + len(family.position)] = _own(family, family.tightened, start)
        begin += len(family.position)
    found.row[list(edited)] = NONE
    for family in (f for f in variables if f.copied is not None):
        place = start[id(family)] + np.arange(len(family.position))
        found.column[place] = _own(family, family.copied.switch, start)
        number = np.full(int(np.prod(family.shape)), NONE)
        number[family.position] = place
        copies.append((family.copied.source, number))
    return found._replace(source=coefficients(copies, start, (shape[1], shape[1])))


def _own(family: Any, switch: Any, start: dict[int, Any]) -> Array:
    """Return the column of the switch, over the same sets, of every entry of a family; `NONE` for none."""
    return np.asarray(switch_columns(switch, int(np.prod(family.shape)), start)[family.position])
