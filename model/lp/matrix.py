"""The sparse matrix of a block: ours straight from the arrays, a user's own rows by way of Pyomo.

minimise  cost . x + offset  subject to  row_lower <= matrix x <= row_upper,  lower <= x <= upper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.objective import Objective, maximize
from pyomo.core.base.var import Var, VarData
from pyomo.repn.standard_repn import generate_standard_repn
from scipy import sparse

from ..labels import Array
from .components import ArrayConstraint, ArrayVar
from .expressions import Linear


@dataclass(frozen=True)
class Program:
    """A compiled block: arrays over its columns and rows, and the components that they belong to, in order."""

    cost: Array
    offset: float
    lower: Array
    upper: Array
    integer: Array
    matrix: sparse.csr_matrix
    row_lower: Array
    row_upper: Array
    variables: tuple[ArrayVar, ...]
    constraints: tuple[ArrayConstraint, ...]
    foreign_variables: tuple[VarData, ...]
    foreign_rows: tuple[Any, ...]

    def store(self, x: Array, dual: Array) -> None:
        """Give a solution's values (columns,) and duals (rows,) back to the components."""
        for variable, part in zip(self.variables, self._split(x, self.variables), strict=True):
            variable.store(part)
        for constraint, part in zip(self.constraints, self._split(dual, self.constraints), strict=True):
            constraint.dual = part
        for data, value in zip(
            self.foreign_variables, x[len(x) - len(self.foreign_variables) :], strict=True
        ):
            data.set_value(float(value), skip_validation=True)

    @staticmethod
    def _split(numbers: Array, families: tuple[Any, ...]) -> list[Array]:
        ends = np.cumsum([len(f.position) for f in families])
        return np.split(numbers[: ends[-1] if len(ends) else 0], ends[:-1])


def compile_block(block: Any) -> Program:
    """Compile a block (or a model that holds array-backed blocks) into one sparse program.

    The objective is the active Pyomo Objective if there is one, else the block's own cost. Rows and
    variables that a user added are compiled by Pyomo; they must be linear.

    Raises
    ------
    ValueError
        If a user's row or objective is not linear, or an objective is missing.
    """
    every_var = list(block.component_objects(Var, active=True))
    variables = tuple(v for v in every_var if isinstance(v, ArrayVar))
    start = dict(zip(map(id, variables), np.cumsum([0, *(len(v.position) for v in variables)]), strict=False))
    columns = sum(len(v.position) for v in variables)
    foreign = [d for v in every_var if not isinstance(v, ArrayVar) for d in v.values()]
    place = {id(data): columns + i for i, data in enumerate(foreign)}
    width = columns + len(foreign)

    every_row = list(block.component_objects(Constraint, active=True))
    constraints = tuple(c for c in every_row if isinstance(c, ArrayConstraint))
    others = [d for c in every_row if not isinstance(c, ArrayConstraint) for d in c.values() if d.active]
    rows, sides = [_triplets(c.body, start) for c in constraints], [(c.lower, c.upper) for c in constraints]
    objectives = list(block.component_data_objects(Objective, active=True))
    if others or objectives:
        place |= _touched(variables, start)
    for data in others:
        row, low, high = _foreign_row(data, place)
        rows.append(row)
        sides.append((np.array([low]), np.array([high])))
    cost, offset = _objective(block, objectives, start, place, width)
    bounds = [v.bounds_now() for v in variables]
    own = [(d.value, d.value) if d.fixed else d.bounds for d in foreign]
    return Program(
        cost=cost,
        offset=offset,
        lower=np.concatenate([*(b[0] for b in bounds), [-np.inf if o[0] is None else o[0] for o in own]]),
        upper=np.concatenate([*(b[1] for b in bounds), [np.inf if o[1] is None else o[1] for o in own]]),
        integer=np.concatenate(
            [
                np.repeat([v.binary for v in variables], [len(v.position) for v in variables]),
                np.array([d.is_integer() for d in foreign], dtype=bool),
            ]
        ).astype(bool),
        matrix=_stack(rows, [len(s[0]) for s in sides], width),
        row_lower=np.concatenate([s[0] for s in sides]),
        row_upper=np.concatenate([s[1] for s in sides]),
        variables=variables,
        constraints=constraints,
        foreign_variables=tuple(foreign),
        foreign_rows=tuple(others),
    )


def bare(**arrays: Any) -> Program:
    """Return a program that belongs to no components."""
    return Program(offset=0.0, variables=(), constraints=(), foreign_variables=(), foreign_rows=(), **arrays)


def _triplets(body: Linear, start: dict[int, Any]) -> tuple[Array, Array, Array]:
    """Return the (row, column, coefficient) of an array of expressions in the program's columns."""
    if not body.terms:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    row = np.concatenate([t.row for t in body.terms])
    column = np.concatenate([t.column + start[id(t.variable)] for t in body.terms])
    return row, column, np.concatenate([t.coefficient for t in body.terms])


def _stack(rows: list[tuple[Array, Array, Array]], heights: list[int], width: int) -> sparse.csr_matrix:
    offsets = np.cumsum([0, *heights])
    row = np.concatenate([r[0] + offset for r, offset in zip(rows, offsets[:-1], strict=True)])
    column = np.concatenate([r[1] for r in rows])
    value = np.concatenate([r[2] for r in rows])
    matrix = sparse.csr_matrix((value, (row, column)), shape=(offsets[-1], width))
    matrix.eliminate_zeros()
    return matrix


def _touched(variables: tuple[ArrayVar, ...], start: dict[int, Any]) -> dict[int, int]:
    """Return the column of every VarData of ours, which a user's row may name."""
    return {id(d): int(start[id(v)]) + i for v in variables for i, d in enumerate(v._data.values())}


def _foreign_row(data: Any, place: dict[int, int]) -> tuple[tuple[Array, Array, Array], float, float]:
    coefficients, constant = _linear(data.body, data.name, place)
    low = -np.inf if data.lb is None else data.lb - constant
    high = np.inf if data.ub is None else data.ub - constant
    column = np.array(list(coefficients), dtype=int)
    value = np.array(list(coefficients.values()), dtype=float)
    return (np.zeros(len(column), dtype=int), column, value), low, high


def _linear(expression: Any, name: str, place: dict[int, int]) -> tuple[dict[int, float], float]:
    form = generate_standard_repn(expression, compute_values=True)
    if not form.is_linear():
        raise ValueError(f"{name}: got a nonlinear expression, want a linear one")
    unknown = [v.name for v in form.linear_vars if id(v) not in place]
    if unknown:
        raise ValueError(f"{name}: got variables from outside the model: {', '.join(unknown)}")
    pairs = zip(form.linear_vars, form.linear_coefs, strict=True)
    return {place[id(v)]: float(c) for v, c in pairs}, float(form.constant)


def _objective(
    block: Any, objectives: list[Any], start: dict[int, Any], place: dict[int, int], width: int
) -> tuple[Array, float]:
    if len(objectives) > 1:
        raise ValueError(f"got {len(objectives)} active objectives, want one")
    if objectives:
        coefficients, constant = _linear(objectives[0].expr, objectives[0].name, place)
        cost = np.zeros(width)
        cost[list(coefficients)] = list(coefficients.values())
        sign = -1.0 if objectives[0].sense == maximize else 1.0
        return sign * cost, sign * constant
    if not hasattr(block, "spent"):
        raise ValueError("got no active objective, want one (a community block alone brings its own cost)")
    _, column, value = _triplets(block.spent, start)
    return np.bincount(column, value, minlength=width), float(block.spent.constant)
