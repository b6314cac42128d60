"""What a program without an optimum lacks: who is short of what, when and by how much."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from scipy import sparse

from ..errors import Cause, Infeasible, NotOptimal, Unbounded
from ..labels import Array
from ..lp.matrix import Program, bare
from .highs import load, optimal, run, set_options

SHORT = 1e-6
"""Shortage from which a row or bound counts as a cause."""


def conclusive(program: Program, time_limit: float | None, mip_gap: float) -> Any:
    """Return HiGHS at the optimum of a program, or raise what is wrong with it.

    Presolve of HiGHS 1.16 calls some feasible MILPs infeasible, and cannot tell infeasible from unbounded. What it says
    is therefore asked again without it, and a program is infeasible only with its causes.

    Raises
    ------
    Infeasible, Unbounded, NotOptimal, Refused
        With the cause.
    """
    kinds = highspy.HighsModelStatus
    for presolve in ("choose", "off"):
        highs = load(program, time_limit, mip_gap)
        set_options(highs, presolve=presolve)
        run(highs)
        if optimal(highs):
            return highs
        status = highs.getModelStatus()
        if status not in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
            break
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        causes = diagnose(program)
        if causes:
            raise Infeasible(causes)
    if status in (kinds.kUnbounded, kinds.kUnboundedOrInfeasible):
        raise Unbounded("the cost has no lower limit: is a price missing or negative?")
    gap = float(highs.getInfo().mip_gap) if program.integer.any() else np.nan
    words = "HiGHS says infeasible, but nothing is lacking" if status == kinds.kInfeasible else ""
    raise NotOptimal(words or highs.modelStatusToString(status).lower(), gap)


def diagnose(program: Program) -> list[Cause]:
    """Return what is short where a program has no solution, the greatest first: the least total that would mend it.

    Every row that can be the cause, and what a user added or changed, gets a slack each way; a shortage counts a little
    less the later it shows. If that mends nothing, every row gets one.
    """
    contradictory = _contradictory(program)
    if contradictory:
        return contradictory
    for everything in (False, True):
        causes = _least_shortage(program, everything)
        if causes is not None:
            return causes
    return []


def _contradictory(program: Program) -> list[Cause]:
    """Return the columns that no value fits: a lower bound above the upper one, or no integer between both."""
    low = np.where(program.integer, np.ceil(program.lower - SHORT), program.lower)
    high = np.where(program.integer, np.floor(program.upper + SHORT), program.upper)
    names = _column_names(program, np.flatnonzero(low > high))
    return [
        Cause(name, "any time", float(low[i] - high[i]), "between its bounds") for i, name in names.items()
    ]


def _column_names(program: Program, columns: Array) -> dict[int, str]:
    """Return the names of columns, by their numbers."""
    names: dict[int, str] = {}
    start = 0
    for family in program.variables:
        own = columns[(columns >= start) & (columns < start + len(family.position))]
        labels = family.labels() if len(own) else []
        names |= {int(i): f"{family.name}[{_index(labels[i - start])}]" for i in own}
        start += len(family.position)
    return names | {int(i): program.foreign_variables[i - start].name for i in columns[columns >= start]}


def _index(label: Any) -> str:
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _least_shortage(program: Program, everything: bool) -> list[Cause] | None:
    """Return the least shortages, in rows that can be a cause or in all rows, that mend a program; None if none do."""
    rows, weight = _elastic_rows(program, everything)
    columns, lower, upper = _users_bounds(program)
    n, width, height = len(rows) + len(columns), len(program.cost), len(program.row_lower)
    bounds = sparse.csr_matrix(
        (np.ones(len(columns)), (np.arange(len(columns)), columns)), (len(columns), width)
    )
    place = np.concatenate([rows, height + np.arange(len(columns))])
    slack = sparse.csr_matrix((np.ones(n), (place, np.arange(n))), shape=(height + len(columns), n))
    weight = np.concatenate([weight, np.ones(len(columns))])
    free_lower, free_upper = program.lower.copy(), program.upper.copy()
    free_lower[columns], free_upper[columns] = lower, upper
    elastic = bare(
        cost=np.concatenate([np.zeros(width), weight, weight]),
        lower=np.concatenate([free_lower, np.zeros(2 * n)]),
        upper=np.concatenate([free_upper, np.full(2 * n, np.inf)]),
        integer=np.concatenate([program.integer, np.zeros(2 * n, dtype=bool)]),
        matrix=sparse.csr_matrix(sparse.hstack([sparse.vstack([program.matrix, bounds]), slack, -slack])),
        row_lower=np.concatenate([program.row_lower, program.lower[columns]]),
        row_upper=np.concatenate([program.row_upper, program.upper[columns]]),
    )
    for presolve in ("choose", "off"):
        highs = load(elastic, 60.0, 1e-4)
        set_options(highs, presolve=presolve)
        run(highs)
        if optimal(highs):
            amount = np.array(highs.getSolution().col_value)[width:]
            return _causes(program, rows, columns, amount[:n] + amount[n:])
    return None


def _elastic_rows(program: Program, everything: bool) -> tuple[Array, Array]:
    """Return the rows that can be a cause, and their weights."""
    weight, start = np.zeros(len(program.row_lower)), 0
    for family in program.constraints:
        if family.lack or everything:
            later = family.position % family.shape[-1] / family.shape[-1]
            weight[start : start + len(family.position)] = 1.01 - 0.01 * later
        start += len(family.position)
    weight[start : start + len(program.foreign_rows)] = 1.0  # what follows holds directions, and stays
    weight[list(program.edited)] = 1.0
    rows = np.flatnonzero(weight)
    return rows, weight[rows]


def _users_bounds(program: Program) -> tuple[Array, Array, Array]:
    """Return the columns that a user fixed or bounded, and the bounds that they had before."""
    columns, lower, upper = [np.zeros(0, dtype=int)], [np.zeros(0)], [np.zeros(0)]
    start = 0
    for family in program.variables:
        low, high = family.bounds_now()
        changed = np.flatnonzero((low != family.lower) | (high != family.upper))
        columns.append(start + changed)
        lower.append(family.lower[changed])
        upper.append(family.upper[changed])
        start += len(family.position)
    return np.concatenate(columns), np.concatenate(lower), np.concatenate(upper)


def _causes(program: Program, rows: Array, columns: Array, lacking: Array) -> list[Cause]:
    """Return the shortages of rows and of bounds of columns as causes, the greatest first."""
    short = np.flatnonzero(lacking > SHORT)
    names = _column_names(program, columns[short[short >= len(rows)] - len(rows)])
    causes = [
        _row_cause(program, int(rows[i]), float(lacking[i]))
        if i < len(rows)
        else Cause(names[int(columns[i - len(rows)])], "any time", float(lacking[i]), "within its bounds")
        for i in short
    ]
    return sorted(causes, key=lambda cause: -cause.amount)


def _row_cause(program: Program, row: int, amount: float) -> Cause:
    if row in program.edited:
        return Cause(program.edited[row].name, "any time", amount, "to be met")
    start = 0
    for family in program.constraints:
        if row < start + len(family.position):
            return _family_cause(family, row - start, amount)
        start += len(family.position)
    return Cause(program.foreign_rows[row - start].name, "any time", amount, "to be met")


def _family_cause(family: Any, entry: int, amount: float) -> Cause:
    label, kind = family.labels()[entry], family.dims[0]
    if not family.lack:
        return Cause(f"{family.name}[{_index(label)}]", "any time", amount, "to be met")
    entity, when = (label[0], f"{label[-1]}Z") if len(family.dims) > 1 else (label, "any time")
    who = entity if kind == "meter" else f"{kind} {entity}"
    further = zip(family.dims[1:-1], label[1:-1], strict=True) if len(family.dims) > 2 else ()
    whose = ", ".join([who, *(f"{dim} {of}" for dim, of in further)])
    row = family.local_name, tuple(label) if isinstance(label, tuple) else (label,)
    return Cause(whose, when, amount, family.lack, row)
