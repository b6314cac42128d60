"""Pyomo components backed by arrays: solved as a sparse matrix, and ordinary Pyomo to everybody else.

:class:`ArrayVar` is an ``IndexedVar`` and :class:`ArrayConstraint` an ``IndexedConstraint``. Their data are arrays;
``VarData`` and ``ConstraintData`` are made at first access (by a host model, an LP writer, a user). This uses two
Pyomo internals, the ``_data`` dictionary and ``construct``: the project pins Pyomo's minor version, and tests compare
with Pyomo's own LP writer.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import product
from typing import Any

import numpy as np
from pyomo.core.base.constraint import ConstraintData, IndexedConstraint
from pyomo.core.base.expression import IndexedExpression
from pyomo.core.base.set import Binary, Reals
from pyomo.core.base.var import IndexedVar, VarData
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression, RangedExpression

from ..labels import Array
from .expressions import Linear, Relation, Term


class _OnDemand:
    """An indexed component whose data objects are made at first access."""

    _stored: dict[Any, Any] | None

    @property
    def _data(self) -> dict[Any, Any]:
        if self._stored is None:
            self._stored = {}  # set first: _make may read it
            self._stored.update(self._make())
        return self._stored

    @_data.setter
    def _data(self, stored: dict[Any, Any]) -> None:
        self._stored = stored

    @property
    def touched(self) -> bool:
        """Whether the data objects exist, so that they and not the arrays hold the truth."""
        return bool(self._stored)

    @abstractmethod
    def _make(self) -> dict[Any, Any]:
        """Return the data objects by index."""

    def construct(self, data: Any = None) -> None:
        """Mark the component as constructed; its data objects are made at first access."""
        if not self._constructed:  # type: ignore[has-type]
            self._constructed = True
            self._stored = None

    def labels(self) -> list[Any]:
        """Return the Pyomo index of every entry, in the order of the arrays."""
        sets = [list(s) for s in self.sets]  # type: ignore[attr-defined]
        indices = list(product(*sets)) if len(sets) > 1 else sets[0]
        return [indices[i] for i in self.position]  # type: ignore[attr-defined]

    def _getitem_when_not_present(self, index: Any) -> Any:
        raise KeyError(f"{self.name}[{index}] does not exist: it could only ever be zero")  # type: ignore[attr-defined]


class ArrayVar(_OnDemand, IndexedVar):
    """A family of variables over one or two sets, with bounds as arrays.

    ``where`` (same shape as the sets) says which entries exist at all; the others are zero.
    """

    def __init__(
        self, sets: tuple[Any, ...], lower: Any, upper: Any, where: Any, binary: bool, unit: str, doc: str
    ):
        super().__init__(*sets, doc=doc, dense=False)
        self.sets = sets
        self.shape = tuple(len(s) for s in sets)
        mask = np.broadcast_to(where, self.shape)
        self.position: Array = np.flatnonzero(mask)
        self.lower: Array = np.broadcast_to(lower, self.shape)[mask].astype(float)
        self.upper: Array = np.broadcast_to(upper, self.shape)[mask].astype(float)
        self.binary = binary
        self.unit = unit
        self.pricing_stage: Array = np.zeros(len(self.position), dtype=int)
        self.basic: Array = np.zeros(len(self.position), dtype=bool)
        self._values: Array | None = None

    def linear(self) -> Linear:
        """Return the family as an array of expressions."""
        columns = np.arange(len(self.position))
        return Linear(self.shape, 0.0, [Term(self, self.position, columns, np.ones(len(columns)))])

    def _make(self) -> dict[Any, VarData]:
        data = {}
        values = self._values if self._values is not None else [None] * len(self.position)
        for index, low, high, value in zip(
            self.labels(), self.lower.tolist(), self.upper.tolist(), values, strict=True
        ):
            variable = data[index] = VarData(component=self)
            variable._index = index
            variable._domain = (
                Binary if self.binary else Reals
            )  # the setter would look the index up before it exists
            variable.setlb(None if low == -np.inf else low)
            variable.setub(None if high == np.inf else high)
            if value is not None:
                variable.set_value(float(value), skip_validation=True)
        return data

    def bounds_now(self) -> tuple[Array, Array]:
        """Return the lower and upper bounds (entries,), with the values of fixed entries as both."""
        if not self.touched:
            return self.lower, self.upper
        pairs = [(v.value, v.value) if v.fixed else v.bounds for v in self._data.values()]
        low = np.array([-np.inf if p[0] is None else p[0] for p in pairs], dtype=float)
        return low, np.array([np.inf if p[1] is None else p[1] for p in pairs], dtype=float)

    def store(self, values: Array) -> None:
        """Take over the values of a solution, one per entry."""
        self._values = values
        if self.touched:
            for variable, value in zip(self._data.values(), values.tolist(), strict=True):
                variable.set_value(value, skip_validation=True)

    def array(self) -> Array:
        """Return the value of every entry (entries,), wherever it was solved; raise ValueError if unsolved."""
        if self.touched:
            values = [v.value for v in self._data.values()]
            if None in values:
                raise ValueError(f"{self.name} has no value yet: solve the model first")
            return np.array(values, dtype=float)
        if self._values is None and len(self.position):
            raise ValueError(f"{self.name} has no value yet: solve the model first")
        return np.zeros(0) if self._values is None else self._values

    def dense(self) -> Array:
        """Return the values over the whole shape, zero where an entry does not exist."""
        full = np.zeros(int(np.prod(self.shape)))
        full[self.position] = self.array()
        return full.reshape(self.shape)


class ArrayConstraint(_OnDemand, IndexedConstraint):
    """A family of rows over one or two sets: ``lower <= body <= upper`` wherever ``where`` holds."""

    def __init__(self, sets: tuple[Any, ...], relation: Relation, where: Any, doc: str):
        super().__init__(*sets, doc=doc)
        self.sets = sets
        self.shape = tuple(len(s) for s in sets)
        mask = np.broadcast_to(where, self.shape) & ~_vacuous(relation)
        self.position: Array = np.flatnonzero(mask)
        self.lower: Array = np.broadcast_to(relation.lower, self.shape)[mask]
        self.upper: Array = np.broadcast_to(relation.upper, self.shape)[mask]
        number = np.full(mask.size, -1)
        number[self.position] = np.arange(len(self.position))
        self.body = relation.body.into(number, (len(self.position),))
        self.dual: Array | None = None

    def _make(self) -> dict[Any, ConstraintData]:
        rows = expressions(self.body)
        data = {}
        sides = zip(self.labels(), rows, self.lower.tolist(), self.upper.tolist(), strict=True)
        for index, body, low, high in sides:
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
        return data

    def exists(self) -> Array:
        """Return where over the whole shape there is a row."""
        mask = np.zeros(int(np.prod(self.shape)), dtype=bool)
        mask[self.position] = True
        return mask.reshape(self.shape)

    def dense_dual(self) -> Array:
        """Return the duals over the whole shape, zero where there is no row."""
        full = np.zeros(int(np.prod(self.shape)))
        if self.dual is not None:
            full[self.position] = self.dual
        return full.reshape(self.shape)


class ArrayExpression(_OnDemand, IndexedExpression):
    """A named array of linear expressions that a host model may use like any Pyomo Expression."""

    def __init__(self, sets: tuple[Any, ...], linear: Linear, doc: str):
        super().__init__(*sets, doc=doc)
        self.sets = sets
        self.linear = linear
        self.position = np.arange(int(np.prod(linear.shape)))

    def _make(self) -> dict[Any, Any]:
        data = {}
        for index, body in zip(self.labels(), expressions(self.linear), strict=True):
            entry = data[index] = self._ComponentDataClass(component=self)
            entry._index = index
            entry._args_ = (body,)
        return data


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
        data = list(term.variable._data.values())
        for row, column, coefficient in zip(
            term.row.tolist(), term.column.tolist(), term.coefficient.tolist(), strict=True
        ):
            coefficients[row].append(coefficient)
            variables[row].append(data[column])
    return [
        LinearExpression(constant=number, linear_coefs=c, linear_vars=v)
        for number, c, v in zip(constants, coefficients, variables, strict=True)
    ]
