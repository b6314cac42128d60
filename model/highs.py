"""HiGHS itself: a program handed over as arrays, and the proof of what comes back."""

from __future__ import annotations

from typing import Any

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


def optimal(highs: Any) -> bool:
    """Return whether the last run ended at an optimum (of a program without columns, too)."""
    kinds = highspy.HighsModelStatus
    return highs.getModelStatus() in (kinds.kOptimal, kinds.kModelEmpty)


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
