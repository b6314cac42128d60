"""The sparse matrix of a block: ours straight from the arrays, a user's own rows by way of Pyomo.

minimise  cost . x + offset  subject to  row_lower <= matrix x <= row_upper,  lower <= x <= upper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pyomo.core.base.block import Block
from pyomo.core.base.constraint import Constraint, ConstraintData
from pyomo.core.base.expression import Expression
from pyomo.core.base.external import ExternalFunction
from pyomo.core.base.objective import Objective, maximize
from pyomo.core.base.param import Param
from pyomo.core.base.set import RangeSet, Set
from pyomo.core.base.suffix import Suffix
from pyomo.core.base.var import Var, VarData
from pyomo.repn.util import categorize_valid_components
from scipy import sparse

from ..labels import Array
from . import tightening
from .columns import Columns, Form, linear_form
from .components import ArrayVar
from .expressions import Linear
from .one_way import Pairs, collect
from .rows import ArrayConstraint, ArrayCost
from .tightening import Tightening

Triplets = tuple[Array, Array, Array]
"""Rows, columns and values of the entries of a sparse matrix."""


@dataclass(frozen=True)
class Program:
    """A compiled block: arrays over its columns and rows, and the components that they belong to, in order.

    ``edited`` holds the rows of families that a user wrote anew, by their numbers; ``sign`` is -1 where the objective is
    maximised: the program minimises its opposite.
    """

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
    foreign_rows: tuple[ConstraintData, ...]
    pairs: Pairs
    tightening: Tightening
    edited: dict[int, ConstraintData] = field(default_factory=dict)
    sign: float = 1.0

    def store(self, x: Array, dual: Array, offer: Array | None = None) -> None:
        """Give a solution's values (columns,) and duals (rows,) of the least cost back to the components.

        ``offer`` (rows,) is what one more unit offered at each row is worth, by default the dual.
        """
        for variable, part in zip(self.variables, self._split(x, self.variables), strict=True):
            variable.store(part)
        rows = (self._split(values, self.constraints) for values in (dual, dual if offer is None else offer))
        for constraint, price, worth in zip(self.constraints, *rows, strict=True):
            constraint.dual, constraint.offer = price, worth
        own = sum(len(v.position) for v in self.variables)
        foreign = x[own : own + len(self.foreign_variables)]
        for data, value in zip(self.foreign_variables, foreign, strict=True):
            data.set_value(float(value), skip_validation=True)

    @staticmethod
    def _split(numbers: Array, families: tuple[Any, ...]) -> list[Array]:
        ends = np.cumsum([len(f.position) for f in families])
        return np.split(numbers[: ends[-1] if len(ends) else 0], ends[:-1])


def compile_block(block: Any) -> Program:
    """Compile a block (or a model that holds array-backed blocks) into one sparse program.

    What Pyomo says holds: rows, variables and objectives that a user added, deactivated, deleted, fixed or wrote anew
    are compiled by Pyomo and must be linear. The objective is the active one, or else the block's own cost.

    Raises
    ------
    ValueError
        If a user's row or objective is not linear, an objective is missing, or there is something else that is no part
        of a linear program; with its name.
    """
    _refuse_others(block)
    constraints = tuple(
        c for c in block.component_objects(Constraint, active=True) if isinstance(c, ArrayConstraint)
    )
    others = tuple(_foreign_rows(block, set(map(id, constraints))))
    edits = [family.edits() for family in constraints]
    objective, sign = _objective(block)
    written = [row for _, anew in edits for row in anew.values()]
    forms = {id(row): linear_form(row.body, row.name) for row in (*written, *others)}
    columns = Columns(block, constraints, [*forms.values(), *([] if objective is None else [objective])])

    rows: list[Triplets] = []
    sides: list[tuple[Array, ...]] = []
    start = 0
    edited: dict[int, ConstraintData] = {}
    for family, (off, anew) in zip(constraints, edits, strict=True):
        triplets, low, high = _triplets(family.body, columns.start), family.lower, family.upper
        if off or anew:
            triplets, low, high = _edited(
                triplets, low, high, off, [(i, row, forms[id(row)]) for i, row in anew.items()], columns
            )
            edited |= {start + i: row for i, row in anew.items()}
        rows.append(triplets)
        sides.append((low, high))
        start += len(low)
    for data in others:
        rows.append(_row(0, forms[id(data)], columns))
        sides.append(tuple(np.array([side]) for side in _sides(data, forms[id(data)])))
    cost, offset = _cost(block, objective, columns)
    lower, upper = columns.bounds()
    height = sum(len(low) for low, _ in sides)
    return Program(
        cost=sign * cost,
        offset=sign * offset,
        lower=lower,
        upper=upper,
        integer=columns.integer(),
        matrix=_stack(rows, [len(s[0]) for s in sides], columns.width),
        row_lower=np.concatenate([np.zeros(0), *(s[0] for s in sides)]),
        row_upper=np.concatenate([np.zeros(0), *(s[1] for s in sides)]),
        variables=columns.families,
        constraints=constraints,
        foreign_variables=tuple(columns.foreign),
        foreign_rows=others,
        pairs=collect(_one_ways(block), columns.start, columns.width),
        tightening=tightening.collect(
            constraints, columns.families, columns.start, (height, columns.width), edited
        ),
        edited=edited,
        sign=sign,
    )


_KNOWN = {Block, Constraint, Expression, ExternalFunction, Objective, Param, RangeSet, Set, Suffix, Var}


def _refuse_others(block: Any) -> None:
    """Raise ValueError for a deactivated block, and for active components that no linear program holds."""
    if not block.active:
        raise ValueError(f"{block.name} is deactivated: there is nothing to solve")
    _, others = categorize_valid_components(block, active=True, valid=_KNOWN)
    names = [f"{ctype.__name__} {c.name}" for ctype, components in others.items() for c in components]
    if names:
        raise ValueError(f"{', '.join(names)}: got what no linear program holds, want it deactivated")


def _foreign_rows(block: Any, families: set[int]) -> Iterator[ConstraintData]:
    """Yield the active rows that are of none of the families, each once, by whatever references."""
    seen = set()
    for component in block.component_objects(Constraint, active=True):
        for data in () if id(component) in families else component.values():
            if data.active and id(data) not in seen and id(data.parent_component()) not in families:
                seen.add(id(data))
                yield data


def _edited(
    triplets: Triplets,
    low: Array,
    high: Array,
    off: list[int],
    anew: list[tuple[int, Any, Form]],
    columns: Columns,
) -> tuple[Triplets, Array, Array]:
    """Return the coefficients and sides of a family of rows with its edits: rows switched off are free and empty."""
    low, high = low.copy(), high.copy()
    low[off], high[off] = -np.inf, np.inf
    kept = ~np.isin(triplets[0], [*off, *(entry for entry, _, _ in anew)])
    parts: list[Triplets] = [(triplets[0][kept], triplets[1][kept], triplets[2][kept])]
    for entry, data, form in anew:
        parts.append(_row(entry, form, columns))
        low[entry], high[entry] = _sides(data, form)
    row, column, value = (np.concatenate(values) for values in zip(*parts, strict=True))
    return (row, column, value), low, high


def bare(**arrays: Any) -> Program:
    """Return a program that belongs to no components."""
    return Program(
        offset=0.0,
        variables=(),
        constraints=(),
        foreign_variables=(),
        foreign_rows=(),
        pairs=Pairs.none(len(arrays["cost"])),
        tightening=Tightening.none(len(arrays["row_lower"]), len(arrays["cost"])),
        **arrays,
    )


def _one_ways(block: Any) -> list[Any]:
    """Return the families of pairs of all active blocks."""
    return [pair for data in block.block_data_objects(active=True) for pair in getattr(data, "one_ways", ())]


def _triplets(body: Linear, start: dict[int, Any]) -> Triplets:
    """Return the (row, column, coefficient) of an array of expressions in the program's columns."""
    if not body.terms:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    row = np.concatenate([t.row for t in body.terms])
    column = np.concatenate([t.column + start[id(t.variable)] for t in body.terms])
    return row, column, np.concatenate([t.coefficient for t in body.terms])


def _stack(rows: list[Triplets], heights: list[int], width: int) -> sparse.csr_matrix:
    offsets = np.cumsum([0, *heights])
    row = np.concatenate([r[0] + offset for r, offset in zip(rows, offsets[:-1], strict=True)])
    column = np.concatenate([r[1] for r in rows])
    value = np.concatenate([r[2] for r in rows])
    matrix = sparse.csr_matrix((value, (row, column)), shape=(offsets[-1], width))
    matrix.eliminate_zeros()
    return matrix


def _row(entry: int, form: Form, columns: Columns) -> Triplets:
    return np.full(len(form.variables), entry), columns.of(form), form.coefficients


def _sides(data: Any, form: Form) -> tuple[float, float]:
    low = -np.inf if data.lb is None else data.lb - form.constant
    return low, np.inf if data.ub is None else data.ub - form.constant


def _objective(block: Any) -> tuple[Form | None, float]:
    """Return the objective that Pyomo states (None: the block's own cost) and its sign: -1 if it is maximised."""
    objectives = list(block.component_data_objects(Objective, active=True))
    if len(objectives) > 1:
        raise ValueError(f"got {len(objectives)} active objectives, want one")
    if objectives:
        data = objectives[0]
        return linear_form(data.expr, data.name), -1.0 if data.sense == maximize else 1.0
    if not hasattr(block, "spent"):
        raise ValueError("got no active objective, want one (a community block alone brings its own cost)")
    own = block.component("cost")
    if isinstance(own, ArrayCost) and not own.rewritten:
        return None, 1.0
    return linear_form(block.cost, f"{block.name}.cost"), 1.0


def _cost(block: Any, objective: Form | None, columns: Columns) -> tuple[Array, float]:
    """Return the cost (columns,) and the constant of the objective."""
    if objective is not None:
        cost = np.bincount(columns.of(objective), objective.coefficients, minlength=columns.width)
        return cost, objective.constant
    _, column, value = _triplets(block.spent, columns.start)
    return np.bincount(column, value, minlength=columns.width), float(block.spent.constant)
