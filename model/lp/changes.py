"""What a user changed in a community block, in words: by it some promises no longer follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.core.base.block import Block
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.objective import Objective, maximize
from pyomo.core.base.var import Var
from pyomo.core.expr.visitor import identify_variables

from .columns import linear_form
from .components import ArrayVar
from .rows import ArrayConstraint

MOST = 5
"""Names that a sentence lists."""
SAME = 1e-9
"""Share of the largest cost by which costs may differ and are the same."""


@dataclass(frozen=True)
class Changes:
    """What was changed: ``edited``, whether the block's own rows or variables were, and a sentence for everything."""

    edited: bool
    sentences: tuple[str, ...]


def changes(block: Any) -> Changes:
    """Return what was changed in a community block, and in the model around it as far as it concerns the block."""
    edits = [*_edits(block)]
    around = [*_own_rows(block), *_objective(block)]
    return Changes(bool(edits), (*edits, *around))


def _edits(block: Any) -> Iterator[str]:
    """Yield a sentence for what differs from the block as it was built."""
    for part in block.component_objects(Block):
        if not part.active:
            yield f"{part.name} is deactivated"
    for family in block.component_objects(Constraint):
        if isinstance(family, ArrayConstraint):
            off, anew = family.edits()
            if off:
                yield f"rows of {family.name} are switched off: {len(off)} of {len(family.position)}"
            if anew:
                yield f"rows of {family.name} were written anew: {_listed(row.name for row in anew.values())}"
    for variables in block.component_objects(Var):
        if isinstance(variables, ArrayVar) and (number := _bounded(variables)):
            yield f"entries of {variables.name} were fixed or bounded, or have another domain: {number}"


def _bounded(family: ArrayVar) -> int:
    low, high = family.bounds_now()
    moved = (low != family.lower) | (high != family.upper) | (family.integer_now() != family.binary)
    return int(np.count_nonzero(moved))


def _own_rows(block: Any) -> Iterator[str]:
    """Yield a sentence for active rows of the model, not the block's own, that hold variables of the block."""
    own = {id(family) for family in block.component_objects(Var) if isinstance(family, ArrayVar)}
    names = [
        row.name
        for family in block.model().component_objects(Constraint, active=True)
        for row in (() if isinstance(family, ArrayConstraint) else family.values())
        if row.active and any(id(data.parent_component()) in own for data in identify_variables(row.body))
    ]
    if names:
        yield f"rows of the user's own hold it: {_listed(iter(names))}"


def _objective(block: Any) -> Iterator[str]:
    """Yield a sentence if the block's variables cost in the objective something else than the block's cost."""
    objectives = list(block.model().component_data_objects(Objective, active=True))
    if not objectives:
        return
    sign = -1.0 if objectives[0].sense == maximize else 1.0
    stated, cost = (linear_form(e, block.name) for e in (objectives[0].expr, block.cost.expr))
    own = {id(family) for family in block.component_objects(Var) if isinstance(family, ArrayVar)}
    excess: dict[int, float] = {}
    for form, factor in ((stated, sign), (cost, -1.0)):
        for data, coefficient in zip(form.variables, form.coefficients.tolist(), strict=True):
            if id(data.parent_component()) in own:
                excess[id(data)] = excess.get(id(data), 0.0) + factor * coefficient
    if any(abs(value) > SAME * np.abs(cost.coefficients).max(initial=0.0) for value in excess.values()):
        yield f"the objective {objectives[0].name} weighs the block otherwise than at its cost"


def _listed(names: Iterator[str]) -> str:
    every = list(names)
    return ", ".join(every[:MOST]) + (f" and {len(every) - MOST} more" if len(every) > MOST else "")
