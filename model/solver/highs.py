"""HiGHS itself: a program handed over as arrays, and the proof of its solution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import highspy
import numpy as np
from highspy._core import _Highs, cb

from ..errors import Refused
from ..labels import Array
from ..lp.matrix import Program

SEED = 20190617
"""HiGHS's random seed in every run."""


ITERATIONS_PER_ROW, _UNLIMITED = 10, 2**31 - 1
"""Iterations per row after which a run with unperturbed costs is given up (it can stall); no limit."""


class Simplex(IntEnum):
    """A simplex method, by HiGHS's number.

    WARM is for a basis near the optimum: the primal one where that is feasible, else the dual one, without perturbed
    costs and exact edge weights, which pay over many pivots only: a third to a half of the time.
    """

    WARM = 0
    DUAL = 1
    PRIMAL = 4


def load(program: Program, time_limit: float | None, mip_gap: float, simplex: Simplex = Simplex.DUAL) -> Any:
    """Return a HiGHS object that holds the program, for one thread and a fixed seed.

    Raises
    ------
    Refused
        If HiGHS refuses an option or the program.
    """
    highs = _Highs()  # not its subclass highspy.Highs, which from 1.16 on prints when it is made
    set_options(
        highs,
        output_flag=False,
        threads=1,
        random_seed=SEED,
        solver="simplex",
        simplex_strategy=int(simplex),
        dual_simplex_cost_perturbation_multiplier=0.0 if simplex == Simplex.WARM else 1.0,
        simplex_dual_edge_weight_strategy=1 if simplex == Simplex.WARM else -1,
        simplex_iteration_limit=(
            ITERATIONS_PER_ROW * len(program.row_lower) if simplex == Simplex.WARM else _UNLIMITED
        ),
        mip_rel_gap=mip_gap,
        time_limit=np.inf if time_limit is None else float(time_limit),
    )
    pass_model(highs, program)
    return highs


def ask(highs: Any, method: str, *arguments: Any) -> None:
    """Call a method of HiGHS; raise `Refused` in HiGHS's own words where it returns an error."""
    if getattr(highs, method)(*arguments) == highspy.HighsStatus.kError:
        raise Refused(_words(highs, method, *arguments) or f"it refuses {method}")


def set_options(highs: Any, **options: Any) -> None:
    """Set options of HiGHS; raise `Refused` where it does not take one."""
    for option, value in options.items():
        ask(highs, "setOptionValue", option, value)


def run(highs: Any) -> None:
    """Run HiGHS; raise `Refused` if it does not begin. Whether there is an optimum then says `optimal`.

    HiGHS keeps one scheduler per thread of the process, with the number of threads of whoever ran first, and refuses to
    run with another number: what another HiGHS left behind is reset. Its next run makes a new one.
    """
    if _begins(highs):
        return
    _Highs.resetGlobalScheduler(True)
    if not _begins(highs):
        raise Refused(_words(highs, "run") or "it refuses to run")


def _begins(highs: Any) -> bool:
    failed = highs.run() == highspy.HighsStatus.kError
    return not (failed and highs.getModelStatus() == highspy.HighsModelStatus.kNotset)


@contextmanager
def own_scheduler() -> Iterator[None]:
    """Leave no scheduler behind in this thread: it would refuse another HiGHS that asks for more than one thread."""
    try:
        yield
    finally:
        _Highs.resetGlobalScheduler(True)


def _words(highs: Any, method: str, *arguments: Any) -> str:
    """Return what HiGHS says of an error (it says nothing without its log, so that it is asked again)."""
    said: list[str] = []
    highs.setOptionValue("log_to_console", False)
    highs.setOptionValue("output_flag", True)
    highs.setCallback(lambda kind, message, *_: said.append(message), None)
    highs.startCallback(cb.HighsCallbackType.kCallbackLogging)
    for to_console in (False, True):  # HiGHS 1.13 tells the callback, and nobody else, only if True
        highs.setOptionValue("log_to_console", to_console)
        if not said:
            getattr(highs, method)(*arguments)
    highs.setOptionValue("output_flag", False)
    errors = [line.removeprefix("ERROR:").strip() for line in said if line.startswith("ERROR:")]
    return "; ".join(errors)


def pass_model(highs: Any, program: Program) -> None:
    """Hand a program to a HiGHS object as it stands, in one call."""
    rows, columns = program.matrix.shape
    ask(
        highs,
        "passModel",
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


def warm_run(
    highs: Any,
    *,
    cost: Array | None = None,
    bounds: tuple[Array, Array] | None = None,
    sides: tuple[Array, Array] | None = None,
) -> bool:
    """Solve again, warm, with other costs, bounds of columns or sides of rows; return whether there is an optimum.

    Under other costs the basis stays feasible, which suits the primal simplex; under other sides alone it stays
    optimal, which suits the dual one.
    """
    set_options(highs, simplex_strategy=int(Simplex.DUAL if cost is None else Simplex.PRIMAL))
    columns, rows = (np.arange(n, dtype=np.int32) for n in (highs.getNumCol(), highs.getNumRow()))
    if cost is not None:
        ask(highs, "changeColsCost", len(columns), columns, cost)
    if bounds is not None:
        ask(highs, "changeColsBounds", len(columns), columns, *bounds)
    if sides is not None:
        ask(highs, "changeRowsBounds", len(rows), rows, *sides)
    run(highs)
    return optimal(highs)


class BasicSolution(NamedTuple):
    """A basic solution: values and status (int) of the columns, duals and status of the rows, and the iterations."""

    x: Array
    dual: Array
    column_status: Array
    row_status: Array
    iterations: int


def values(highs: Any) -> Array:
    """Return the values (columns,) at which the last run ended."""
    return _array(highs.getSolution().col_value)


def duals(highs: Any) -> Array:
    """Return the duals (rows,) at which the last run ended."""
    return _array(highs.getSolution().row_dual)


def duals_at(highs: Any, cost: Array) -> Array | None:
    """Return the duals y (rows,) of the basis at which the last run ended under other costs c (columns,): B' y = c_B.

    None if HiGHS holds no factors of that basis.
    """
    basic = highs.getBasicVariables()[1]
    status, dual = highs.getBasisTransposeSolve(np.where(basic >= 0, cost[np.maximum(basic, 0)], 0.0))
    return None if status == highspy.HighsStatus.kError else np.asarray(dual)


def _array(numbers: list[float]) -> Array:
    """Return numbers of HiGHS as an array, without the look at each of them that tells numpy what they are."""
    return np.fromiter(numbers, float, len(numbers))


def basic_solution(highs: Any, program: Program) -> BasicSolution:
    """Return the basic solution at which the last run of a program ended."""
    x = values(highs)
    activity = program.matrix @ x
    status = _at(x, program.lower, program.upper), _at(activity, program.row_lower, program.row_upper)
    basic = highs.getBasicVariables()[1]
    status[0][basic[basic >= 0]] = status[1][-1 - basic[basic < 0]] = int(highspy.HighsBasisStatus.kBasic)
    iterations = int(highs.getInfo().simplex_iteration_count)
    return BasicSolution(x, duals(highs), *status, iterations)


def _at(value: Array, low: Array, high: Array) -> Array:
    """Return the status of what is nonbasic: at its lower bound, its upper bound, or free."""
    kinds = highspy.HighsBasisStatus
    lower, upper = np.int8(int(kinds.kLower)), np.int8(int(kinds.kUpper))
    status = np.where(np.abs(value - low) <= np.abs(value - high), lower, upper)
    status[np.isinf(low) & np.isinf(high)] = int(kinds.kZero)
    return status


@cache
def version() -> str:
    """Return the version of HiGHS."""
    return str(_Highs().version())


def optimal(highs: Any) -> bool:
    """Return whether the last run ended at an optimum (of a program without columns, too)."""
    kinds = highspy.HighsModelStatus
    return highs.getModelStatus() in (kinds.kOptimal, kinds.kModelEmpty)


def products(program: Program, x: Array, dual: Array) -> tuple[Array, Array]:
    """Return the activity of every row (rows,) at values, and the reduced cost of every column (columns,) at duals."""
    return program.matrix @ x, program.cost - program.matrix.T @ dual


def prove(
    program: Program, x: Array, dual: Array, known: tuple[Array, Array] | None = None
) -> dict[str, float]:
    """Return how far a primal and dual solution are from proving each other optimal.

    primal_residual: worst violation of a bound or row, relative to 1 + its size; dual_residual: worst
    reduced cost or dual against an infinite bound; duality_gap: |c x - dual objective| / (1 + |c x|). Their
    ``products`` may be known.
    """
    activity, reduced = known or products(program, x, dual)
    violation = max(
        _outside(x, program.lower, program.upper), _outside(activity, program.row_lower, program.row_upper)
    )
    value, wrong = 0.0, 0.0
    for slope, low, high in (
        (reduced, program.lower, program.upper),
        (dual, program.row_lower, program.row_upper),
    ):
        bound = np.where(slope > 0, low, high)
        open_side = np.isinf(bound)
        wrong = max(wrong, float(np.abs(slope[open_side]).max(initial=0.0)))
        value += dot(slope[~open_side], bound[~open_side])
    primal = dot(program.cost, x)
    return {
        "primal_residual": violation,
        "dual_residual": wrong,
        "duality_gap": abs(primal - value) / (1.0 + abs(primal)),
    }


def slackness(program: Program, x: Array, dual: Array, known: tuple[Array, Array] | None = None) -> float:
    """Return how far a primal and dual solution are from complementary slackness.

    That is the worst, over columns and rows, of the lesser of two: what one more unit would save, and by how many
    units it is from the bound or side where that keeps it. A duality gap relative to the cost of thousands of homes
    would not show a wrong price at a few watts; this does. ``known`` as for :func:`prove`.
    """
    activity, reduced = known or products(program, x, dual)
    worst = 0.0
    for slope, value, low, high in (
        (reduced, x, program.lower, program.upper),
        (dual, activity, program.row_lower, program.row_upper),
    ):
        distance = np.where(slope > 0, value - low, high - value)
        worst = max(worst, float(np.minimum(np.abs(slope), np.abs(distance)).max(initial=0.0)))
    return worst


def dot(one: Array, other: Array) -> float:
    """Return the sum of products, added up in one order: BLAS parts it by its threads, and waits for them."""
    return float((one * other).sum())


def _outside(value: Array, low: Array, high: Array) -> float:
    over = np.maximum(low - value, value - high) / (1.0 + np.abs(value))
    return float(np.maximum(over, 0.0).max(initial=0.0))
