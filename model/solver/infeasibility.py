"""Why a program has no solution: who is short of what, when and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..errors import Cause
from ..labels import Array
from ..lp.matrix import Program, bare
from .highs import load, optimal, run


def diagnose(program: Program) -> list[Cause]:
    """Return what is short where a program has no solution, the greatest first: the least total that would mend it.

    Every row that can be the cause gets a slack each way; a shortage counts a little less the later it shows.
    """
    short, labels, weight = _elastic_rows(program)
    n, columns = len(short), len(program.cost)
    slack = sparse.csr_matrix((np.ones(n), (short, np.arange(n))), shape=(len(program.row_lower), n))
    elastic = bare(
        cost=np.concatenate([np.zeros(columns), weight, weight]),
        lower=np.concatenate([program.lower, np.zeros(2 * n)]),
        upper=np.concatenate([program.upper, np.full(2 * n, np.inf)]),
        integer=np.concatenate([program.integer, np.zeros(2 * n, dtype=bool)]),
        matrix=sparse.csr_matrix(sparse.hstack([program.matrix, slack, -slack])),
        row_lower=program.row_lower,
        row_upper=program.row_upper,
    )
    highs = load(elastic, 60.0, 1e-4)
    run(highs)
    if not optimal(highs):
        return []
    amount = np.array(highs.getSolution().col_value)[columns:]
    lacking = amount[:n] + amount[n:]
    causes = [_cause(program, *labels[i], float(lacking[i])) for i in np.flatnonzero(lacking > 1e-6)]
    return sorted(causes, key=lambda c: -c.amount)


def _elastic_rows(program: Program) -> tuple[Array, list[tuple[Any, int]], Array]:
    """Return the rows that can be a cause: their numbers, (family or None, entry), and weights."""
    numbers, weight = [], []
    labels: list[tuple[Any, int]] = []
    start = 0
    for family in program.constraints:
        size = len(family.position)
        if family.lack:
            numbers.append(start + np.arange(size))
            labels += [(family, i) for i in range(size)]
            weight.append(1.01 - 0.01 * (family.position % family.shape[-1]) / family.shape[-1])
        start += size
    foreign = np.arange(len(program.foreign_rows))
    labels += [(None, int(i)) for i in foreign]
    return (
        np.concatenate([*numbers, start + foreign]).astype(int),
        labels,
        np.concatenate([*weight, np.ones(len(foreign))]),
    )


def _cause(program: Program, constraint: Any, i: int, amount: float) -> Cause:
    if constraint is None:
        return Cause(program.foreign_rows[i].name, "any time", amount, "to be met")
    label, kind = constraint.labels()[i], constraint.dims[0]
    entity, when = (label[0], f"{label[1]}Z") if len(constraint.dims) > 1 else (label, "any time")
    return Cause(entity if kind == "meter" else f"{kind} {entity}", when, amount, constraint.lack)
