"""Pairs of powers of which one is zero: what flows either forward or backward.

Either-or is no linear row. A pair may have a *switch*, a binary variable whose rows let only one of its sides move;
while it is relaxed, or where there is none, nothing but cost keeps both sides from moving (`solver.directions`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..labels import Array
from .expressions import Linear

NONE = -1
"""Switch of a pair that has none."""


class OneWay(NamedTuple):
    """A family of pairs: sums of variables >= 0 ``forward`` and ``backward``, and what they can be at the most.

    ``where`` says which entries are a pair at all; ``switch`` is a family of binaries over the same sets, 1 where
    only ``forward`` may be more than zero and 0 where only ``backward`` may; None where there is none. ``held`` says
    where the switch has another meaning too, so that it cannot be relaxed.
    """

    forward: Linear
    backward: Linear
    forward_limit: Array
    backward_limit: Array
    where: Array
    switch: Any = None
    held: Array | bool = False


class Pairs(NamedTuple):
    """The pairs of a program: sums of columns (pair, column), their greatest values (pair,), the column of the switch.

    ``switch`` (pair,) is `NONE` for a pair without one, ``held`` (pair,) where it cannot be relaxed; ``family`` (pair,)
    is the same for all slots of one meter or store.
    """

    forward: sparse.csr_matrix
    backward: sparse.csr_matrix
    forward_limit: Array
    backward_limit: Array
    switch: Array
    held: Array
    family: Array

    @classmethod
    def none(cls, width: int) -> Pairs:
        """Return no pairs, of a program of so many columns."""
        nothing, empty = sparse.csr_matrix((0, width)), np.zeros(0)
        whole = empty.astype(int)
        return cls(nothing, nothing, empty, empty, whole, empty.astype(bool), whole)

    @property
    def relaxable(self) -> Array:
        """The columns of the switches that mean a direction and nothing else."""
        return np.asarray(self.switch[(self.switch != NONE) & ~self.held])

    def both(self, x: Array, least: float) -> Array:
        """Return which pairs (pair,) have more than ``least`` on both sides at values ``x`` (columns,)."""
        x = x[: self.forward.shape[1]]
        return np.asarray(np.minimum(self.forward @ x, self.backward @ x) > least)


def collect(families: Iterable[OneWay], start: dict[int, Any], width: int) -> Pairs:
    """Return the pairs of a program from their families; ``start`` says at which column a family of variables begins."""
    families = list(families)
    size, begin, pair = 0, 0, list[Array]()
    rest: list[tuple[Array, ...]] = [Pairs.none(width)[2:]]
    for family in families:
        own, shape = np.flatnonzero(family.where), family.where.shape
        place = np.full(family.where.size, NONE)
        place[own] = size + np.arange(len(own))
        limits = family.forward_limit, family.backward_limit
        rest.append(
            (
                *(np.broadcast_to(limit, shape).flat[own] for limit in limits),
                switch_columns(family.switch, family.where.size, start)[own],
                np.broadcast_to(family.held, shape).flat[own],
                begin + own // shape[-1],
            )
        )
        pair.append(place)
        size, begin = size + len(own), begin + shape[0]
    forward, backward = (
        coefficients(list(zip(side, pair, strict=True)), start, (size, width))
        for side in ([f.forward for f in families], [f.backward for f in families])
    )
    return Pairs(forward, backward, *map(np.concatenate, zip(*rest, strict=True)))


def coefficients(
    families: list[tuple[Linear, Array]], start: dict[int, Any], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Return the coefficients (row, column) of the variables that the program has.

    ``families``: expressions, and the row that each of their entries is (a pair, say), `NONE` for none.
    """
    empty = np.zeros(0, dtype=int)
    row, column, value = [empty], [empty], [np.zeros(0)]
    for linear, rows in families:
        for term in (t for t in linear.terms if id(t.variable) in start):
            place = rows[term.row]
            row.append(place[place != NONE])
            column.append((term.column + start[id(term.variable)])[place != NONE])
            value.append(term.coefficient[place != NONE])
    entries = np.concatenate(value), (np.concatenate(row), np.concatenate(column))
    return sparse.csr_matrix(entries, shape=shape)


def switch_columns(switch: Any, size: int, start: dict[int, Any]) -> Array:
    """Return the column of every entry's switch (size,), of a family of binaries or None; `NONE` where it has none."""
    column = np.full(size, NONE)
    if switch is not None and id(switch) in start:
        column[switch.position] = start[id(switch)] + np.arange(len(switch.position))
    return column
