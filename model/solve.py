"""The compiled program on HiGHS: an optimum with its own proof, or a failure that says what is wrong.

Settlement-grade by default: one thread, a fixed seed, and a declared tie-break. Prices are the duals of the optimal
basis; among the quantities that cost the same, the tie-break takes those of the least `weights`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from .algebra import Array
from .program import Program, compile_block

SEED = 20190617
"""HiGHS's random seed in every run."""
ACCEPTED = 1e-6
"""Largest primal and dual residual and relative duality gap of an accepted solution."""


@dataclass(frozen=True)
class Cause:
    """Why a model has no solution: who lacks how much of what, and when (UTC, start of the slot)."""

    who: str
    when: str
    amount: float
    lack: str

    def __str__(self) -> str:
        """Return the cause as a sentence."""
        return f"{self.who} at {self.when} lacks {self.amount:.6g} {self.lack}"


class SolveError(RuntimeError):
    """There is no solution that could be used."""


class Infeasible(SolveError):
    """The inputs contradict one another; ``causes`` says where and by how much."""

    def __init__(self, causes: list[Cause]):
        self.causes = tuple(causes)
        super().__init__(
            "no solution: " + ("; ".join(map(str, causes)) or "the limits contradict one another")
        )


class NotOptimal(SolveError):
    """The solver stopped before it proved an optimum; ``gap`` is the relative gap where it is known."""

    def __init__(self, status: str, gap: float = np.nan):
        self.status, self.gap = status, gap
        super().__init__(f"not optimal: {status}" + ("" if np.isnan(gap) else f", gap {gap:.3g}"))


class Unbounded(SolveError):
    """The cost has no lower limit."""


@dataclass(frozen=True)
class Solution:
    """An accepted optimum: objective (currency), solver, and the proof computed from the arrays.

    ``proof`` holds primal_residual, dual_residual (absolute) and duality_gap, mip_gap (relative).
    """

    objective: float
    solver: str
    status: str = "optimal"
    proof: dict[str, float] = field(default_factory=dict)
    iterations: int = 0


def solve(
    block: Any, *, time_limit: float | None = None, mip_gap: float = 1e-4, tie_break: bool = True
) -> Solution:
    """Solve a community block, or a linear model that holds such blocks, and store the values in it.

    Parameters
    ----------
    time_limit : float, optional
        Seconds after which HiGHS gives up; the failure then says how far it was.
    mip_gap : float
        Relative gap within which a solution with binaries counts as optimal.
    tie_break : bool
        Whether to choose among equal optima by the declared rule.

    Raises
    ------
    Infeasible, Unbounded, NotOptimal
        With the cause; nothing is stored in the block then.
    """
    program = compile_block(block)
    highs = _highs(program, time_limit, mip_gap)
    highs.run()
    _accept_status(highs, program)
    mip = 0.0
    if program.integer.any():
        mip = highs.getInfo().mip_gap
        program = _fix_binaries(program, np.array(highs.getSolution().col_value))
        highs = _highs(program, time_limit, mip_gap)
        highs.run()
        _accept_status(highs, program)
    solution = highs.getSolution()
    x, dual = np.array(solution.col_value), np.array(solution.row_dual)
    iterations = highs.getInfo().simplex_iteration_count
    if tie_break:
        x = break_ties(program, x, dual)
    proof = prove(program, x, dual) | {"mip_gap": float(mip)}
    worst = max(proof["primal_residual"], proof["dual_residual"], proof["duality_gap"])
    if worst > ACCEPTED:
        raise NotOptimal(f"the proof of optimality fails by {worst:.3g}", proof["duality_gap"])
    program.store(np.clip(x, program.lower, program.upper), dual)
    objective = float(program.cost @ x + program.offset)
    return Solution(objective, f"HiGHS {highs.version()}", proof=proof, iterations=iterations)


def prove(program: Program, x: Array, dual: Array) -> dict[str, float]:
    """Return how far a primal and dual solution are from proving each other optimal.

    primal_residual: worst violation of a bound or row, relative to 1 + its size; dual_residual: worst reduced cost or dual
    against an infinite bound; duality_gap: |c x - dual objective| / (1 + |c x|).
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


def weights(program: Program) -> Array:
    """Return the tie-break weight of each column: among equal optima, the least weighted sum of power is taken.

    Every kW moved weighs about one, early slots less than late ones; a fixed generic part of 1e-3 (the fractional part of
    the golden ratio times rank and slot) decides what is then still equal, by the labels' alphabetical rank and not by their order.
    Energies, distances and a user's own variables weigh nothing.
    """
    parts = [_weights(v) if v.unit == "kW" else np.zeros(len(v.position)) for v in program.variables]
    return np.concatenate([*parts, np.zeros(len(program.foreign_variables))])


def _weights(variable: Any) -> Array:
    slots = variable.shape[-1]
    slot = variable.position % slots
    rank = np.zeros(len(variable.position))
    rest = variable.position // slots
    for labels in reversed(variable.sets[:-1]):
        order = np.argsort(np.argsort(np.array(list(labels), dtype=str)))
        rank = rank * len(order) + order[rest % len(order)]
        rest = rest // len(order)
    golden = (1 + np.sqrt(5)) / 2
    return np.asarray(1.0 + 0.5 * slot / slots + 1e-3 * np.modf((rank + 1) * (slot + 1) * golden)[0])


def break_ties(program: Program, x: Array, dual: Array, tolerance: float = 1e-7) -> Array:
    """Return the optimum of the least tie-break weight: the optimal face, searched with another objective.

    On the optimal face, columns with a reduced cost stay at their bound and rows with a dual at their side
    (complementary slackness); everything else may move.
    """
    reduced = program.cost - program.matrix.T @ dual
    free = np.flatnonzero((np.abs(reduced) <= tolerance) & (program.lower < program.upper))
    fixed = np.ones(len(x), dtype=bool)
    fixed[free] = False
    columns = program.matrix.tocsc()[:, free].tocsr()
    live = np.flatnonzero(np.diff(columns.indptr))
    rest = program.matrix[live] @ np.where(fixed, x, 0.0)
    low, high = program.row_lower[live], program.row_upper[live]
    side = np.where(dual[live] > 0, low, high)
    bound = np.abs(dual[live]) > tolerance
    face = Program(
        cost=weights(program)[free],
        offset=0.0,
        lower=program.lower[free],
        upper=program.upper[free],
        integer=np.zeros(len(free), dtype=bool),
        matrix=columns[live],
        row_lower=np.where(bound, side, low) - rest,
        row_upper=np.where(bound, side, high) - rest,
        variables=(),
        constraints=(),
        foreign_variables=(),
        foreign_rows=(),
    )
    if not len(free) or not len(live):
        return x
    highs = _highs(face, None, 0.0)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return x  # the face is thinner than the tolerance: the optimum that stands is as good
    moved = x.copy()
    moved[free] = highs.getSolution().col_value
    return moved


def diagnose(program: Program, most: int = 10) -> list[Cause]:
    """Return what is short where a program has no solution: the least total shortage that would make it solvable."""
    rows, labels = [], []
    start = 0
    for constraint in program.constraints:
        if constraint.lack:
            rows.append(start + np.arange(len(constraint.position)))
            labels += [(constraint, i) for i in range(len(constraint.position))]
        start += len(constraint.position)
    rows.append(start + np.arange(len(program.foreign_rows)))
    labels += [(None, i) for i in range(len(program.foreign_rows))]
    short = np.concatenate(rows).astype(int)
    n = len(short)
    slack = sparse.csr_matrix((np.ones(n), (short, np.arange(n))), shape=(len(program.row_lower), n))
    late = np.array(
        [1.0 if c is None else 1.01 - 0.01 * (c.position[i] % c.shape[-1]) / c.shape[-1] for c, i in labels]
    )
    columns = len(program.cost)
    elastic = Program(
        cost=np.concatenate([np.zeros(columns), late, late]),
        offset=0.0,
        lower=np.concatenate([program.lower, np.zeros(2 * n)]),
        upper=np.concatenate([program.upper, np.full(2 * n, np.inf)]),
        integer=np.concatenate([program.integer, np.zeros(2 * n, dtype=bool)]),
        matrix=sparse.csr_matrix(sparse.hstack([program.matrix, slack, -slack])),
        row_lower=program.row_lower,
        row_upper=program.row_upper,
        variables=(),
        constraints=(),
        foreign_variables=(),
        foreign_rows=(),
    )
    highs = _highs(elastic, 60.0, 1e-4)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return []
    amount = np.array(highs.getSolution().col_value)[columns:]
    lacking = amount[:n] + amount[n:]
    causes = [_cause(program, *labels[i], float(lacking[i])) for i in np.flatnonzero(lacking > 1e-6)]
    return sorted(causes, key=lambda c: -c.amount)[:most]


def _cause(program: Program, constraint: Any, i: int, amount: float) -> Cause:
    if constraint is None:
        return Cause(program.foreign_rows[i].name, "any time", amount, "to be met")
    entity, when = constraint.labels()[i]
    kind = constraint.dims[0]
    return Cause(entity if kind == "meter" else f"{kind} {entity}", f"{when}Z", amount, constraint.lack)


def _outside(value: Array, low: Array, high: Array) -> float:
    over = np.maximum(low - value, value - high) / (1.0 + np.abs(value))
    return float(np.maximum(over, 0.0).max(initial=0.0))


def _fix_binaries(program: Program, x: Array) -> Program:
    chosen = np.round(x)
    fields = program.__dict__ | {
        "lower": np.where(program.integer, chosen, program.lower),
        "upper": np.where(program.integer, chosen, program.upper),
        "integer": np.zeros(len(x), dtype=bool),
    }
    return Program(**fields)


def _accept_status(highs: Any, program: Program) -> None:
    """Raise the failure that a model status stands for; return on an optimum."""
    status = highs.getModelStatus()
    kinds = highspy.HighsModelStatus
    if status == kinds.kOptimal:
        return
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        causes = diagnose(program)
        if causes or status == kinds.kInfeasible:
            raise Infeasible(causes)
    if status in (kinds.kUnbounded, kinds.kUnboundedOrInfeasible):
        raise Unbounded("the cost has no lower limit: is a price missing or negative?")
    info = highs.getInfo()
    gap = float(info.mip_gap) if program.integer.any() else np.nan
    raise NotOptimal(highs.modelStatusToString(status).lower(), gap)


def _highs(program: Program, time_limit: float | None, mip_gap: float) -> Any:
    """Return a HiGHS object that holds the program."""
    highs = highspy.Highs()
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
