"""The compiled program on HiGHS: an optimum with its own proof, or a failure that says what is wrong.

Settlement-grade by default: one thread, a fixed seed, and declared tie-breaks (`ties`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import highspy
import numpy as np

from .algebra import Array
from .diagnosis import Cause, diagnose
from .highs import Basis, Found, basis_of, found, load, optimal, prove, start_from, version
from .parts import solve_apart
from .program import Program, compile_block
from .ties import break_ties, pick_prices

ACCEPTED = 1e-6
"""Largest primal and dual residual and relative duality gap of an accepted solution."""


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

    ``proof`` holds primal_residual, dual_residual (absolute) and duality_gap, mip_gap (relative); ``basis`` is where
    the solve of a like model may start from.
    """

    objective: float
    solver: str
    status: str = "optimal"
    proof: dict[str, float] = field(default_factory=dict)
    iterations: int = 0
    basis: Basis | None = field(default=None, repr=False)


def solve(
    block: Any,
    *,
    time_limit: float | None = None,
    mip_gap: float = 1e-4,
    tie_break: bool = True,
    start: Solution | None = None,
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
    start : Solution, optional
        Of a like model, such as the same community without peers: its basis is a start several times nearer
        than none. What is found from there counts only with its proof; else the model is solved cold.

    Raises
    ------
    Infeasible, Unbounded, NotOptimal
        With the cause; nothing is stored in the block then.
    """
    program, scale = _scaled(compile_block(block))
    gap = 0.0
    if program.integer.any():
        run = _run(program, time_limit, mip_gap)
        gap = run.gap / max(abs(float(program.cost @ run.x)), 1e-9)
        program = _fix_binaries(program, run.x)
    run = _run(program, time_limit, mip_gap, start.basis if start else None)
    x, dual = run.x, run.dual
    if tie_break:
        dual = pick_prices(run.highs, program, x, dual)
        x = break_ties(program, x, dual)
    proof = prove(program, x, dual) | {"mip_gap": gap}
    worst = max(proof["primal_residual"], proof["dual_residual"], proof["duality_gap"])
    if worst > ACCEPTED:
        raise NotOptimal(f"the proof of optimality fails by {worst:.3g}", proof["duality_gap"])
    program.store(np.clip(x, program.lower, program.upper), dual / scale)
    return Solution(
        objective=float(program.cost @ x + program.offset) / scale,
        solver=f"HiGHS {version()}",
        proof=proof,
        iterations=run.iterations,
        basis=basis_of(program, run),
    )


def _scaled(program: Program) -> tuple[Program, float]:
    """Return the program with costs of ordinary size, and the factor: tolerances are absolute, currencies are not."""
    largest = float(np.abs(program.cost).max(initial=0.0))
    if largest == 0.0 or 1e-2 <= largest <= 1e4:
        return program, 1.0
    scale = 10.0 ** -np.floor(np.log10(largest))
    return replace(program, cost=program.cost * scale, offset=program.offset * scale), float(scale)


def _run(program: Program, time_limit: float | None, mip_gap: float, basis: Basis | None = None) -> Found:
    """Return an optimum of the program, from a basis or from parts where that leads to one; raise what went wrong."""
    highs = load(program, time_limit, mip_gap)
    if basis is not None:
        start_from(highs, program, basis)
        highs.run()
        if optimal(highs):
            run = found(highs)
            if max(prove(program, run.x, run.dual).values()) <= ACCEPTED:
                return run
        highs = load(program, time_limit, mip_gap)
    elif not any(family.priced for family in program.constraints):
        apart = solve_apart(program, time_limit, mip_gap)
        if apart is not None:
            return apart
    highs.run()
    _accept_status(highs, program)
    return found(highs)


def _fix_binaries(program: Program, x: Array) -> Program:
    chosen = np.round(x)
    return replace(
        program,
        lower=np.where(program.integer, chosen, program.lower),
        upper=np.where(program.integer, chosen, program.upper),
        integer=np.zeros(len(x), dtype=bool),
    )


def _accept_status(highs: Any, program: Program) -> None:
    """Raise the failure that a model status stands for; return on an optimum."""
    if optimal(highs):
        return
    status = highs.getModelStatus()
    kinds = highspy.HighsModelStatus
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        causes = diagnose(program)
        if causes or status == kinds.kInfeasible:
            raise Infeasible(causes)
    if status in (kinds.kUnbounded, kinds.kUnboundedOrInfeasible):
        raise Unbounded("the cost has no lower limit: is a price missing or negative?")
    info = highs.getInfo()
    gap = float(info.mip_gap) if program.integer.any() else np.nan
    raise NotOptimal(highs.modelStatusToString(status).lower(), gap)
