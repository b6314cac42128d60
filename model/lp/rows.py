"""Rows and named expressions backed by arrays: ordinary Pyomo as soon as somebody looks at them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.core.base.constraint import ConstraintData, IndexedConstraint
from pyomo.core.base.expression import IndexedExpression, ScalarExpression
from pyomo.core.base.var import VarData
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression, RangedExpression

from ..labels import Array
from .components import OnDemand
from .expressions import Linear, Relation, over


class ArrayConstraint(OnDemand, IndexedConstraint):
    """A family of rows over one or two sets: ``lower <= body <= upper`` wherever ``where`` holds."""

    absent = "there is no such row"
    # none yet where the family was cleared before anybody looked at it
    _written: tuple[tuple[int, Any, Any], ...] = ()

    def __init__(self, sets: tuple[Any, ...], relation: Relation, where: Any, doc: str):
        self.sets = sets
        super().__init__(doc=doc)
        self.shape = tuple(len(s) for s in sets)
        mask = over(np.asarray(where), self.shape) & ~_vacuous(relation)
        self.position: Array = np.flatnonzero(mask)
        self.lower: Array = over(relation.lower, self.shape)[mask]
        self.upper: Array = over(relation.upper, self.shape)[mask]
        number = np.full(mask.size, -1)
        number[self.position] = np.arange(len(self.position))
        self.body = relation.body.into(number, (len(self.position),))
        self.dual: Array | None = None
        self.offer: Array | None = None
        self.tightened: Any = None

    def _make(self) -> dict[Any, ConstraintData]:
        rows = expressions(self.body)
        data = {}
        written = []
        sides = zip(self.labels(), rows, self.lower.tolist(), self.upper.tolist(), strict=True)
        for entry, (index, body, low, high) in enumerate(sides):
            if low == -np.inf and high == np.inf:
                continue
            constraint = data[index] = ConstraintData(component=self)
            constraint._index = index
            if low == high:
                constraint._expr = EqualityExpression((body, high))
            elif low == -np.inf:
                constraint._expr = InequalityExpression((body, high), strict=False)
            elif high == np.inf:
                constraint._expr = InequalityExpression((low, body), strict=False)
            else:
                constraint._expr = RangedExpression((low, body, high), strict=(False, False))
            written.append((entry, index, constraint._expr))
        self._written = tuple(written)
        return data

    def edits(self) -> tuple[list[int], dict[int, ConstraintData]]:
        """Return the entries that somebody deactivated or deleted, and the rows written anew, by entry."""
        if not self.touched:
            return [], {}
        off, anew = [], {}
        written = self._written or [(entry, index, None) for entry, index in enumerate(self.labels())]
        for entry, index, expression in written:
            row = self._data.get(index)
            if row is None or not row.active:
                off.append(entry)
            elif row._expr is not expression:
                anew[entry] = row
        return off, anew

    def exists(self) -> Array:
        """Return where over the whole shape there is a row."""
        mask = np.zeros(int(np.prod(self.shape)), dtype=bool)
        mask[self.position] = True
        return mask.reshape(self.shape)

    def dense_dual(self) -> Array:
        """Return the duals over the whole shape, zero where there is no row."""
        return self._dense(self.dual)

    def dense_offer(self) -> Array:
        """Return what one more unit offered at each row is worth, over the whole shape; zero where there is no row."""
        return self._dense(self.offer)

    def _dense(self, values: Array | None) -> Array:
        full = np.zeros(int(np.prod(self.shape)))
        if values is not None:
            full[self.position] = values
        return full.reshape(self.shape)


class ArrayExpression(OnDemand, IndexedExpression):
    """A named array of linear expressions that a host model may use like any Pyomo Expression."""

    def __init__(self, sets: tuple[Any, ...], linear: Linear, doc: str):
        self.sets = sets
        super().__init__(doc=doc)
        self.linear = linear
        self.position = np.arange(int(np.prod(linear.shape)))

    def _make(self) -> dict[Any, Any]:
        data = {}
        for index, body in zip(self.labels(), expressions(self.linear), strict=True):
            entry = data[index] = self._ComponentDataClass(component=self)
            entry._index = index
            entry._args_ = (body,)
        return data


class ArrayCost(ScalarExpression):
    """The cost of a block [currency], as a Pyomo expression of the ``spent`` that the block holds as arrays."""

    _stored: tuple[Any, ...] | None = None
    _made: Any = None

    def construct(self, data: Any = None) -> None:
        """Mark the expression as constructed; it is made at first access."""
        if not self._constructed:  # type: ignore[has-type]
            self._constructed, self._stored, self._made = True, None, None
            self._data[None] = self

    @property
    def _args_(self) -> tuple[Any, ...]:
        if self._stored is None:
            self._stored = self._made = (expressions(self.parent_block().spent)[0],)
        return self._stored

    @_args_.setter
    def _args_(self, args: tuple[Any, ...]) -> None:
        self._stored = args

    @property
    def rewritten(self) -> bool:
        """Whether somebody gave the expression another value, so that the arrays no longer say it."""
        return self._stored is not None and (self._made is None or self._stored[0] is not self._made[0])


def _vacuous(relation: Relation) -> Array:
    """Return where a row has no variable and holds anyway."""
    shape = relation.body.shape
    empty = np.ones(int(np.prod(shape)), dtype=bool)
    for term in relation.body.terms:
        empty[term.row] = False
    return np.asarray(empty.reshape(shape) & (relation.lower <= 0) & (relation.upper >= 0))


def expressions(linear: Linear) -> list[LinearExpression]:
    """Return one Pyomo ``LinearExpression`` per entry of an array of expressions."""
    constants = linear.constant.ravel().tolist()
    coefficients: list[list[float]] = [[] for _ in constants]
    variables: list[list[VarData]] = [[] for _ in constants]
    for term in linear.terms:
        data = term.variable.entries()
        for row, column, coefficient in zip(
            term.row.tolist(), term.column.tolist(), term.coefficient.tolist(), strict=True
        ):
            coefficients[row].append(coefficient)
            variables[row].append(data[column])
    return [
        LinearExpression(constant=number, linear_coefs=c, linear_vars=v)
        for number, c, v in zip(constants, coefficients, variables, strict=True)
    ]
