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
    pairs, begin = [Pairs.none(width)], 0
    for family in families:
        at = np.flatnonzero(family.where)
        entity = at // family.where.shape[-1]
        pairs.append(
            Pairs(
                _rows(family.forward, start, width)[at],
                _rows(family.backward, start, width)[at],
                np.broadcast_to(family.forward_limit, family.where.shape).flat[at],
                np.broadcast_to(family.backward_limit, family.where.shape).flat[at],
                _switches(family, start)[at],
                np.broadcast_to(family.held, family.where.shape).flat[at],
                begin + entity,
            )
        )
        begin += family.where.shape[0]
    forward = sparse.csr_matrix(sparse.vstack([p.forward for p in pairs]))
    backward = sparse.csr_matrix(sparse.vstack([p.backward for p in pairs]))
    rest: list[Array] = [np.concatenate([p[k] for p in pairs]) for k in range(2, len(Pairs._fields))]
    return Pairs(forward, backward, *rest)


def _rows(linear: Linear, start: dict[int, Any], width: int) -> sparse.csr_matrix:
    """Return the coefficients (entry, column) of the variables that the program has."""
    terms = [t for t in linear.terms if id(t.variable) in start]
    empty = np.zeros(0, dtype=int)
    row = np.concatenate([empty, *(t.row for t in terms)])
    column = np.concatenate([empty, *(t.column + start[id(t.variable)] for t in terms)])
    value = np.concatenate([np.zeros(0), *(t.coefficient for t in terms)])
    return sparse.csr_matrix((value, (row, column)), shape=(int(np.prod(linear.shape)), width))


def _switches(family: OneWay, start: dict[int, Any]) -> Array:
    """Return the column of every entry's switch, `NONE` where it has none."""
    switch = np.full(family.where.size, NONE)
    if family.switch is not None and id(family.switch) in start:
        switch[family.switch.position] = start[id(family.switch)] + np.arange(len(family.switch.position))
    return switch
