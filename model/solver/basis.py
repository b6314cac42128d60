"""Starting bases: the one at which nothing moves, or that of a similar program, carried over by labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from ..labels import Array
from ..lp.matrix import Program
from .highs import Simplex, ask, load, optimal, run, set_options

IDLE = (int(highspy.HighsBasisStatus.kLower), int(highspy.HighsBasisStatus.kZero))
"""Statuses of a column that is not in use: at its lower bound, or at zero without one."""
ABSENT = -1
"""Status of an entry that a program does not have."""


@dataclass(frozen=True)
class Basis:
    """A basis by name and label, so that it fits a similar program: other slots, other entities, other markets.

    ``labels`` are those of each set; ``columns`` and ``rows``: name of the family -> names of its sets, and the status
    (int8) over them, `ABSENT` where the family has no entry.
    """

    labels: dict[str, list[str]]
    columns: dict[str, tuple[tuple[str, ...], Array]]
    rows: dict[str, tuple[tuple[str, ...], Array]]


def basis_of(program: Program, column_status: Array, row_status: Array) -> Basis:
    """Return the basis of a program by name and label."""
    sets = _sets(program)
    return Basis(
        dict(sets.values()),
        _named(program.variables, column_status, sets),
        _named(program.constraints, row_status, sets),
    )


def at_rest(program: Program) -> tuple[Array, Array]:
    """Return the statuses (columns,), (rows,) of the basis at which no store moves and nobody trades with peers."""
    kinds = highspy.HighsBasisStatus
    columns = np.full(len(program.cost), int(kinds.kLower), dtype=np.int8)
    rows = np.full(len(program.row_lower), int(kinds.kBasic), dtype=np.int8)
    start = 0
    for variable in program.variables:
        own = columns[start : start + len(variable.position)]
        own[variable.basic], own[variable.in_use] = int(kinds.kBasic), int(kinds.kUpper)
        start += len(variable.position)
    start = 0
    for constraint in program.constraints:
        if constraint.balanced:
            rows[start : start + len(constraint.position)] = int(kinds.kLower)
        start += len(constraint.position)
    rows[np.isinf(program.row_lower) & np.isinf(program.row_upper)] = int(
        kinds.kBasic
    )  # switched off by a user
    return columns, rows


def statuses(program: Program, basis: Basis) -> tuple[Array, Array]:
    """Return the statuses (columns,), (rows,) of another program's basis: entries that it does not have are at rest."""
    columns, rows = at_rest(program)
    sets = _sets(program)
    place = {name: _places(own, basis.labels.get(name, [])) for name, own in sets.values()}
    for families, known, status in (
        (program.variables, basis.columns, columns),
        (program.constraints, basis.rows, rows),
    ):
        start = 0
        for family in families:
            own = status[start : start + len(family.position)]
            kept = _carried_over(family, known, place, sets)
            own[kept != ABSENT] = kept[kept != ABSENT]
            start += len(own)
    return columns, rows


def start_from(highs: Any, column_status: Array, row_status: Array) -> None:
    """Start the next run from the statuses (int) of columns and rows."""
    start = highspy.HighsBasis()
    start.col_status, start.row_status = _KINDS[column_status].tolist(), _KINDS[row_status].tolist()
    start.valid = True
    basic = np.concatenate([column_status, row_status]) == int(highspy.HighsBasisStatus.kBasic)
    start.alien = np.count_nonzero(basic) != len(row_status)  # HiGHS factors what is alien once more
    ask(highs, "setBasis", start)


def run_from(
    program: Program, start: tuple[Array, Array], simplex: Simplex, time_limit: float | None, **options: Any
) -> Any | None:
    """Return HiGHS at the optimum of a linear program, from statuses (columns,), (rows,); None if it has none.

    From a cold start, with HiGHS's own choices, where it ends at none from there.
    """
    highs = load(program, time_limit, 0.0, simplex)
    set_options(highs, **options)
    start_from(highs, *start)
    run(highs)
    if not optimal(highs):
        highs = load(program, time_limit, 0.0)
        run(highs)
    return highs if optimal(highs) else None


_KINDS = np.array(
    [highspy.HighsBasisStatus(i) for i in range(len(highspy.HighsBasisStatus.__members__))], dtype=object
)


def _sets(program: Program) -> dict[int, tuple[str, list[str]]]:
    """Return name and labels of each set of a program, by its identity: many families have the same sets."""
    sets = {id(s): s for f in program.variables + program.constraints for s in f.sets}
    return {key: (s.name, list(s)) for key, s in sets.items()}


def _named(families: Any, status: Array, sets: dict[int, Any]) -> dict[str, tuple[tuple[str, ...], Array]]:
    named, start = {}, 0
    for family in families:
        dense = np.full(family.shape, ABSENT, dtype=np.int8)
        dense.flat[family.position] = status[start : start + len(family.position)]
        named[family.name] = tuple(sets[id(s)][0] for s in family.sets), dense
        start += len(family.position)
    return named


def _places(labels: list[str], known: list[str]) -> Array:
    """Return where labels stand among those that are known, -1 for none."""
    at = {label: place for place, label in enumerate(known)}
    return np.array([at.get(label, -1) for label in labels], dtype=int)


def _carried_over(family: Any, known: dict[str, Any], place: dict[str, Array], sets: dict[int, Any]) -> Array:
    """Return the status of every entry of a family by its labels, `ABSENT` for entries that are new."""
    names = tuple(sets[id(s)][0] for s in family.sets)
    before, dense = known.get(family.name, ((), None))
    if before != names or dense is None:
        return np.full(len(family.position), ABSENT, dtype=np.int8)
    padded = np.full([n + 1 for n in dense.shape], ABSENT, dtype=np.int8)  # index -1 reads the last entry
    padded[tuple(map(slice, dense.shape))] = dense
    return np.asarray(padded[np.ix_(*(place[name] for name in names))].flat[family.position])
