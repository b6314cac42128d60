"""HiGHS itself: a program handed over as arrays, and the proof of what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import highspy
import numpy as np
from highspy._core import _Highs

from .algebra import Array
from .program import Program

SEED = 20190617
"""HiGHS's random seed in every run."""


def load(program: Program, time_limit: float | None, mip_gap: float, primal: bool = False) -> Any:
    """Return a HiGHS object that holds the program, for one thread and a fixed seed; ``primal`` names the simplex."""
    highs = _Highs()  # not its subclass highspy.Highs, which from 1.16 on prints when it is made
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", SEED),
        ("solver", "simplex"),
        ("simplex_strategy", 4 if primal else 1),
        ("mip_rel_gap", mip_gap),
        ("time_limit", np.inf if time_limit is None else float(time_limit)),
    ):
        highs.setOptionValue(option, value)
    pass_model(highs, program)
    return highs


def pass_model(highs: Any, program: Program) -> None:
    """Hand a program to a HiGHS object as it stands, in one call."""
    rows, columns = program.matrix.shape
    highs.passModel(
        columns,
        rows,
        program.matrix.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        program.offset,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        program.matrix.indptr,
        program.matrix.indices,
        program.matrix.data,
        program.integer.astype(np.int32),
    )


def run_again(
    highs: Any,
    *,
    cost: Array | None = None,
    bounds: tuple[Array, Array] | None = None,
    sides: tuple[Array, Array] | None = None,
) -> bool:
    """Solve again, hot, with other costs, bounds of columns or sides of rows; return whether that has an optimum.

    Under other costs the basis stays feasible, which suits the primal simplex; under other sides alone it stays
    optimal, which suits the dual one.
    """
    highs.setOptionValue("simplex_strategy", 1 if cost is None else 4)
    columns, rows = (np.arange(n, dtype=np.int32) for n in (highs.getNumCol(), highs.getNumRow()))
    if cost is not None:
        highs.changeColsCost(len(columns), columns, cost)
    if bounds is not None:
        highs.changeColsBounds(len(columns), columns, *bounds)
    if sides is not None:
        highs.changeRowsBounds(len(rows), rows, *sides)
    highs.run()
    return optimal(highs)


class Found(NamedTuple):
    """What a run found: values and status (int) of the columns, duals and status of the rows."""

    x: Array
    dual: Array
    column_status: Array
    row_status: Array
    iterations: int


def found(highs: Any, program: Program) -> Found:
    """Return what the last run of a program ended at."""
    solution = highs.getSolution()
    x, activity = np.array(solution.col_value), np.array(solution.row_value)
    status = _at(x, program.lower, program.upper), _at(activity, program.row_lower, program.row_upper)
    basic = highs.getBasicVariables()[1]
    status[0][basic[basic >= 0]] = status[1][-1 - basic[basic < 0]] = int(highspy.HighsBasisStatus.kBasic)
    iterations = int(highs.getInfo().simplex_iteration_count)
    return Found(x, np.array(solution.row_dual), *status, iterations)


def _at(value: Array, low: Array, high: Array) -> Array:
    """Return the status of what is nonbasic: at its lower bound, its upper bound, or free."""
    kinds = highspy.HighsBasisStatus
    nearest = np.where(np.abs(value - low) <= np.abs(value - high), int(kinds.kLower), int(kinds.kUpper))
    return np.where(np.isinf(low) & np.isinf(high), int(kinds.kZero), nearest).astype(np.int8)


def version() -> str:
    """Return the version of HiGHS."""
    return str(_Highs().version())


def optimal(highs: Any) -> bool:
    """Return whether the last run ended at an optimum (of a program without columns, too)."""
    kinds = highspy.HighsModelStatus
    return highs.getModelStatus() in (kinds.kOptimal, kinds.kModelEmpty)


@dataclass(frozen=True)
class Basis:
    """A basis by name: family of variables or rows -> its positions, and the status of each (int)."""

    columns: dict[str, tuple[Array, Array]]
    rows: dict[str, tuple[Array, Array]]


def basis_of(program: Program, column_status: Array, row_status: Array) -> Basis:
    """Return the basis of a program by name."""
    return Basis(_named(program.variables, column_status), _named(program.constraints, row_status))


def at_rest(program: Program) -> tuple[Array, Array]:
    """Return the statuses (columns,), (rows,) of the basis at which no store moves and nobody trades with peers."""
    kinds = highspy.HighsBasisStatus
    columns = np.full(len(program.cost), int(kinds.kLower), dtype=np.int8)
    rows = np.full(len(program.row_lower), int(kinds.kBasic), dtype=np.int8)
    start = 0
    for variable in program.variables:
        columns[start : start + len(variable.position)][variable.basic] = int(kinds.kBasic)
        start += len(variable.position)
    start = 0
    for constraint in program.constraints:
        if constraint.balanced:
            rows[start : start + len(constraint.position)] = int(kinds.kLower)
        start += len(constraint.position)
    return columns, rows


def statuses(program: Program, basis: Basis) -> tuple[Array, Array]:
    """Return the statuses (columns,), (rows,) of another program's basis: new columns at zero, new rows slack."""
    kinds = highspy.HighsBasisStatus
    columns, rows = program.variables, program.constraints
    return (
        _filled(columns, basis.columns, int(kinds.kLower), len(program.cost)),
        _filled(rows, basis.rows, int(kinds.kBasic), len(program.row_lower)),
    )


def start_from(highs: Any, column_status: Array, row_status: Array) -> None:
    """Start the next run from the statuses (int) of columns and rows."""
    start = highspy.HighsBasis()
    start.col_status, start.row_status = _KINDS[column_status].tolist(), _KINDS[row_status].tolist()
    start.valid = True
    highs.setBasis(start)


_KINDS = np.array(
    [highspy.HighsBasisStatus(i) for i in range(len(highspy.HighsBasisStatus.__members__))], dtype=object
)


def _named(families: Any, status: Array) -> dict[str, tuple[Array, Array]]:
    ends = np.cumsum([len(f.position) for f in families])
    return {f.name: (f.position, part) for f, part in zip(families, np.split(status, ends), strict=False)}


def _known(family: Any, known: dict[str, tuple[Array, Array]], new: int) -> Array:
    """Return the status of every entry of a family, from the family of that name where it has the position."""
    status = np.full(len(family.position), new)
    position, statuses = known.get(family.name, (np.zeros(0, dtype=int), None))
    if statuses is not None and len(position):
        at = np.searchsorted(position, family.position).clip(max=len(position) - 1)
        same = position[at] == family.position
        status[same] = statuses[at[same]]
    return status


def prove(program: Program, x: Array, dual: Array) -> dict[str, float]:
    """Return how far a primal and dual solution are from proving each other optimal.

    primal_residual: worst violation of a bound or row, relative to 1 + its size; dual_residual: worst
    reduced cost or dual against an infinite bound; duality_gap: |c x - dual objective| / (1 + |c x|).
    """
    activity = program.matrix @ x
    violation = max(
        _outside(x, program.lower, program.upper), _outside(activity, program.row_lower, program.row_upper)
    )
    reduced = program.cost - program.matrix.T @ dual
    value, wrong = 0.0, 0.0
    for slope, low, high in (
        (reduced, program.lower, program.upper),
        (dual, program.row_lower, program.row_upper),
    ):
        bound = np.where(slope > 0, low, high)
        open_side = np.isinf(bound)
        wrong = max(wrong, float(np.abs(slope[open_side]).max(initial=0.0)))
        value += float(slope[~open_side] @ bound[~open_side])
    primal = float(program.cost @ x)
    return {
        "primal_residual": violation,
        "dual_residual": wrong,
        "duality_gap": abs(primal - value) / (1.0 + abs(primal)),
    }


def _outside(value: Array, low: Array, high: Array) -> float:
    over = np.maximum(low - value, value - high) / (1.0 + np.abs(value))
    return float(np.maximum(over, 0.0).max(initial=0.0))


def _filled(families: Any, known: dict[str, tuple[Array, Array]], new: int, size: int) -> Array:
    """Return the statuses (size,) of the entries of all families in order, ``new`` where they are not known."""
    status = np.full(size, new, dtype=np.int8)
    parts = [_known(f, known, new) for f in families]
    status[: sum(map(len, parts))] = np.concatenate([np.zeros(0, dtype=np.int8), *parts])
    return status
