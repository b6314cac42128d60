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


def load(program: Program, time_limit: float | None, mip_gap: float) -> Any:
    """Return a HiGHS object that holds the program, for one thread and a fixed seed."""
    highs = _Highs()  # not its subclass highspy.Highs, which from 1.16 on prints when it is made
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", SEED),
        ("solver", "simplex"),
        ("mip_rel_gap", mip_gap),
        ("time_limit", np.inf if time_limit is None else float(time_limit)),
    ):
        highs.setOptionValue(option, value)
    lp = highspy.HighsLp()
    rows, columns = program.matrix.shape
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_, lp.offset_ = program.row_lower, program.row_upper, program.offset
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = columns, rows
    lp.a_matrix_.start_ = program.matrix.indptr
    lp.a_matrix_.index_ = program.matrix.indices
    lp.a_matrix_.value_ = program.matrix.data
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(i)] for i in program.integer]
    highs.passModel(lp)
    return highs


class Found(NamedTuple):
    """What a run found: values and status (int) of the columns, duals and status of the rows.

    ``gap`` is the difference between cost and bound of a program with binaries (currency); ``highs`` is the object that
    holds the program, if one does.
    """

    x: Array
    dual: Array
    column_status: Array
    row_status: Array
    iterations: int
    gap: float
    highs: Any


def found(highs: Any) -> Found:
    """Return what the last run ended at."""
    solution, basis, info = highs.getSolution(), highs.getBasis(), highs.getInfo()
    return Found(
        x=np.array(solution.col_value),
        dual=np.array(solution.row_dual),
        column_status=np.array([int(s) for s in basis.col_status], dtype=np.int8),
        row_status=np.array([int(s) for s in basis.row_status], dtype=np.int8),
        iterations=int(info.simplex_iteration_count),
        gap=float(info.objective_function_value - info.mip_dual_bound),
        highs=highs,
    )


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


def basis_of(program: Program, run: Found) -> Basis:
    """Return the basis that a run of a program ended at."""
    return Basis(_named(program.variables, run.column_status), _named(program.constraints, run.row_status))


def start_from(highs: Any, program: Program, basis: Basis) -> None:
    """Start the next run from another program's basis: what is new is at its lower bound, new rows are slack."""
    kinds = highspy.HighsBasisStatus
    start = highspy.HighsBasis()
    statuses = [kinds(i) for i in range(len(kinds.__members__))]
    for side, families, known, new in (
        ("col_status", program.variables, basis.columns, kinds.kLower),
        ("row_status", program.constraints, basis.rows, kinds.kBasic),
    ):
        parts = [_known(f, known, int(new)) for f in families]
        setattr(start, side, [statuses[i] for i in np.concatenate(parts).tolist()])
    start.valid = True
    highs.setBasis(start)


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
