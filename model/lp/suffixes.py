"""Duals and reduced costs, for a user who asks for them as of any solver of Pyomo: by a Suffix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyomo.core.base.block import TraversalStrategy
from pyomo.core.base.suffix import Suffix

from ..labels import Array
from .matrix import Program


def load_suffixes(block: Any, program: Program, dual: Array) -> None:
    """Put the duals (rows,) of a program, and its reduced costs, into the suffixes ``dual`` and ``rc`` of a block.

    They are those of the objective as Pyomo states it, maximised or not: what it gains by one more unit of a side or a
    bound. Of several suffixes of one name the one nearest to the root is filled, and all are emptied.
    """
    asked = _import_suffixes(block)
    if "dual" in asked:
        asked["dual"].update(_with_values(_rows(program), program.sign * dual))
    if "rc" in asked:
        asked["rc"].update(
            _with_values(_columns(program), program.sign * (program.cost - program.matrix.T @ dual))
        )


def _import_suffixes(block: Any) -> dict[str, Any]:
    """Return the suffixes that ask for values, emptied, by name."""
    nearest: dict[str, Any] = {}
    order = TraversalStrategy.BreadthFirstSearch
    for suffix in block.component_objects(Suffix, active=True, descent_order=order):
        if suffix.import_enabled():
            suffix.clear()
            nearest.setdefault(suffix.local_name, suffix)
    return nearest


def _with_values(data: Iterator[Any], values: Array) -> list[tuple[Any, float]]:
    # a solve may have added columns and rows of its own at the end
    return [(d, v) for d, v in zip(data, values.tolist(), strict=False) if d is not None]


def _rows(program: Program) -> Iterator[Any]:
    """Yield what Pyomo knows a row by, None for rows that are switched off."""
    for family in program.constraints:
        rows = (family._data.get(index) for index in family.labels())
        yield from (row if row is not None and row.active else None for row in rows)
    yield from program.foreign_rows


def _columns(program: Program) -> Iterator[Any]:
    """Yield the variables that are not fixed, None for the others."""
    for family in program.variables:
        yield from (None if data.fixed else data for data in family.entries())
    yield from program.foreign_variables
