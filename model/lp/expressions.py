"""Linear algebra over whole arrays of variables: what the devices are written in.

A :class:`Linear` is an array of linear expressions, one for each entry of its shape, kept as sparse terms.
It knows ``+``, ``-``, times an array, a shift in time, a sum, a placement by position, a repetition with factors, sums
with weights, and comparison; nothing more. The last axis of a two-dimensional expression is time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..labels import Array


class Term(NamedTuple):
    """Coefficients of one variable family: entry ``row`` of the expression holds ``coefficient`` x column ``column``."""

    variable: Any
    row: Array
    column: Array
    coefficient: Array


class Relation(NamedTuple):
    """``lower <= body <= upper``, entry by entry; the body has no constant."""

    body: Linear
    lower: Array
    upper: Array


class Linear:
    """An array of linear expressions of shape ``shape``: ``constant`` (same shape) plus the sparse ``terms``."""

    __slots__ = ("constant", "shape", "terms")
    __array_ufunc__ = None  # numpy hands array * Linear to __rmul__
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape: tuple[int, ...], constant: Any = None, terms: Sequence[Term] = ()):
        self.shape = shape
        self.constant: Array = (
            _zeros(shape) if constant is None else over(np.asarray(constant, dtype=float), shape)
        )
        self.terms = tuple(terms)

    def __add__(self, other: Any) -> Linear:
        if isinstance(other, Linear):
            return Linear(self.shape, self.constant + other.constant, self.terms + other.terms)
        return Linear(self.shape, self.constant + other, self.terms)

    __radd__ = __add__

    def __mul__(self, factor: Any) -> Linear:
        if np.ndim(factor):
            factor = over(np.asarray(factor, dtype=float), self.shape)
            flat = factor.ravel()
            terms = [t._replace(coefficient=t.coefficient * flat[t.row]) for t in self.terms]
        else:
            terms = [t._replace(coefficient=t.coefficient * float(factor)) for t in self.terms]
        return Linear(self.shape, self.constant * factor, terms)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Linear:
        return self * (1.0 / np.asarray(divisor, dtype=float))

    def __neg__(self) -> Linear:
        return self * -1.0

    def __sub__(self, other: Any) -> Linear:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Linear:
        return (-self).__add__(other)

    def __eq__(self, other: Any) -> Relation:  # type: ignore[override]
        body, side = self._sides(other)
        return Relation(body, side, side)

    def __le__(self, other: Any) -> Relation:
        body, side = self._sides(other)
        return Relation(body, np.full(self.shape, -np.inf), side)

    def __ge__(self, other: Any) -> Relation:
        body, side = self._sides(other)
        return Relation(body, side, np.full(self.shape, np.inf))

    def _sides(self, other: Any) -> tuple[Linear, Array]:
        """Return ``self - other`` as a body without constant and the right-hand side that it is compared with."""
        difference = self - other
        return Linear(self.shape, None, difference.terms), -difference.constant

    def previous(self, first: Any) -> Linear:
        """Return the expression one slot earlier; ``first`` (all axes but time) stands before the first slot.

        It is numbers, or an expression.
        """
        slots, own = self.shape[-1], first.terms if isinstance(first, Linear) else ()
        before = first.constant if isinstance(first, Linear) else np.asarray(first, dtype=float)
        constant = np.concatenate([before[..., None], self.constant[..., :-1]], axis=-1)
        terms = [term._replace(row=term.row * slots) for term in own]
        for term in self.terms:
            keep = term.row % slots < slots - 1
            terms.append(Term(term.variable, term.row[keep] + 1, term.column[keep], term.coefficient[keep]))
        return Linear(self.shape, constant, terms)

    def at(self, place: Array, size: int) -> Linear:
        """Return the expression summed into ``size`` places; ``place`` (entity,) or (entity, time), -1 = nowhere."""
        slots = self.shape[-1]
        place = np.broadcast_to(place if place.ndim == 2 else place[:, None], self.shape)
        target = np.where(place < 0, -1, place * slots + np.arange(slots)).ravel()
        kept = target >= 0
        constant = np.bincount(target[kept], self.constant.ravel()[kept], minlength=size * slots)
        return Linear((size, slots), constant.reshape(size, slots), [_move(t, target) for t in self.terms])

    def into(self, target: Array, shape: tuple[int, ...]) -> Linear:
        """Return the expression summed into ``shape``; entry i goes to the flat position ``target[i]``, -1 = nowhere."""
        kept = target >= 0
        constant = np.bincount(target[kept], self.constant.ravel()[kept], minlength=int(np.prod(shape)))
        return Linear(shape, constant.reshape(shape), [_move(t, target) for t in self.terms])

    def times(self, factors: Array) -> Linear:
        """Return the expression (n,) times factors (n, m): an expression (n, m)."""
        width = factors.shape[1]
        terms = []
        for term in self.terms:
            row, each = np.repeat(term.row, width), np.tile(np.arange(width), len(term.row))
            coefficient = np.repeat(term.coefficient, width) * factors[row, each]
            some = coefficient != 0
            row, column = row * width + each, np.repeat(term.column, width)
            terms.append(Term(term.variable, row[some], column[some], coefficient[some]))
        return Linear(factors.shape, self.constant[:, None] * factors, terms)

    def weighted(self, weights: sparse.csr_array, shape: tuple[int, ...]) -> Linear:
        """Return sums of entries with weights (target, entry), both flat: ``weights @ self``, of a shape."""
        terms = []
        for term in self.terms:
            size = (weights.shape[1], int(term.column.max(initial=-1)) + 1)
            entries = sparse.csr_array((term.coefficient, (term.row, term.column)), shape=size)
            product = (weights @ entries).tocoo()
            terms.append(Term(term.variable, product.row, product.col, product.data))
        return Linear(shape, (weights @ self.constant.ravel()).reshape(shape), terms)

    def sum(self) -> Linear:
        """Return the sum of all entries, an expression of shape ()."""
        terms = [t._replace(row=np.zeros_like(t.row)) for t in self.terms]
        return Linear((), self.constant.sum(), terms)

    def over_entities(self) -> Linear:
        """Return the sum over the first axis, an expression over time."""
        terms = [t._replace(row=t.row % self.shape[-1]) for t in self.terms]
        return Linear(self.shape[1:], self.constant.sum(axis=0), terms)

    def values(self) -> Array:
        """Return the numbers that the expression takes at the variables' values."""
        total = self.constant.ravel().copy()
        for term in self.terms:
            total += np.bincount(
                term.row, term.coefficient * term.variable.array()[term.column], minlength=total.size
            )
        return total.reshape(self.shape)


def over(values: Array, shape: tuple[int, ...]) -> Array:
    """Return values over a shape: themselves where they have it, which is cheap, else broadcast, which is not."""
    return values if values.shape == shape else np.broadcast_to(values, shape)


@lru_cache(maxsize=32)
def _zeros(shape: tuple[int, ...]) -> Array:
    """Return zeros that take no memory, and are not to be changed."""
    return np.broadcast_to(0.0, shape)


def _move(term: Term, target: Array) -> Term:
    row = target[term.row]
    keep = row >= 0
    return Term(term.variable, row[keep], term.column[keep], term.coefficient[keep])
