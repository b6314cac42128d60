"""The columns of a program, and linear forms over them of what a user wrote in Pyomo."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from pyomo.core.base.var import Var, VarData
from pyomo.repn.standard_repn import generate_standard_repn

from ..labels import Array
from .components import ArrayVar, domain
from .rows import ArrayConstraint


class Form(NamedTuple):
    """A linear form of Pyomo, ``coefficients`` times ``variables`` plus ``constant``; ``name`` says whose it is."""

    name: str
    variables: tuple[VarData, ...]
    coefficients: Array
    constant: float


def linear_form(expression: Any, name: str) -> Form:
    """Return the linear form of a Pyomo expression, fixed variables as numbers; raise ValueError if it is not linear."""
    form = generate_standard_repn(expression, compute_values=True)
    if not form.is_linear():
        raise ValueError(f"{name}: got a nonlinear expression, want a linear one")
    try:
        constant = float(form.constant)
    except TypeError:
        raise ValueError(f"{name}: got a fixed variable without a value") from None
    return Form(name, tuple(form.linear_vars), np.array(form.linear_coefs, dtype=float), constant)


class Columns:
    """The columns of a program: families of arrays in their order, then a user's own variables that a form uses.

    A family in a deactivated block has columns only if a row or the objective uses it, as in any writer of Pyomo.
    """

    def __init__(self, block: Any, constraints: tuple[ArrayConstraint, ...], forms: list[Form]):
        used = {id(term.variable) for row in constraints for term in row.body.terms}
        used |= {id(data.parent_component()) for form in forms for data in form.variables}
        used |= {id(family) for family in block.component_objects(Var, active=True)}
        self.families = tuple(
            family
            for family in block.component_objects(Var)
            if isinstance(family, ArrayVar) and id(family) in used
        )
        ends = np.cumsum([0, *(len(family.position) for family in self.families)]).tolist()
        self.start = dict(zip(map(id, self.families), ends, strict=False))
        self._block, self._own = block, ends[-1]
        self._place: dict[int, dict[int, int]] = {}
        self._foreign: dict[int, int] = {}
        self.foreign: list[VarData] = []
        for form in forms:
            self._take(form)

    @property
    def width(self) -> int:
        """The number of columns."""
        return int(self._own + len(self.foreign))

    def _take(self, form: Form) -> None:
        """Give a column to each variable of a form that has none; raise ValueError for those of another model."""
        foreign = [data for data in form.variables if id(data.parent_component()) not in self.start]
        outside = [data.name for data in foreign if not self._holds(data)]
        if outside:
            raise ValueError(f"{form.name}: got variables from outside the model: {', '.join(outside)}")
        for data in foreign:
            if id(data) not in self._foreign:
                self._foreign[id(data)] = self.width
                self.foreign.append(data)

    def _holds(self, data: VarData) -> bool:
        parent = data.parent_block()
        while parent is not None and parent is not self._block:
            parent = parent.parent_block()
        return parent is self._block

    def of(self, form: Form) -> Array:
        """Return the columns (variables,) of a form."""
        return np.array([self._of(data) for data in form.variables], dtype=int)

    def _of(self, data: VarData) -> int:
        family = data.parent_component()
        start = self.start.get(id(family))
        if start is None:
            return self._foreign[id(data)]
        if id(family) not in self._place:
            self._place[id(family)] = {id(entry): i for i, entry in enumerate(family.entries())}
        return int(start) + self._place[id(family)][id(data)]

    def bounds(self) -> tuple[Array, Array]:
        """Return the lower and upper bounds (columns,); a fixed entry has its value as both."""
        own = [family.bounds_now() for family in self.families]
        pairs = [data.bounds for data in self.foreign]
        low = [-np.inf if pair[0] is None else pair[0] for pair in pairs]
        high = [np.inf if pair[1] is None else pair[1] for pair in pairs]
        return np.concatenate([*(b[0] for b in own), low]), np.concatenate([*(b[1] for b in own), high])

    def integer(self) -> Array:
        """Return which columns (columns,) are integers."""
        own = [family.integer_now() for family in self.families]
        foreign = [domain(data) for data in self.foreign]
        return np.concatenate([np.zeros(0, dtype=bool), *own, np.array(foreign, dtype=bool)])
