"""Clearing within the limits of a network: its rows are made only where an optimum breaks them.

Of thousands of limits few bind. The program is solved without those that none has broken yet; what its optimum breaks,
or just meets, becomes rows; and again, until it breaks none. The optimum is then that of all rows: it obeys them, and it
is one of a program with fewer. Quantities and prices by the declared rules (`solver.tie_breaking`, `solver.dual_face`)
are those of all rows too: the least weight among more plans is the least among fewer that hold it, and a limit that is
not met has no price. Where nothing is ever broken, it is the clearing that knows no limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from .clearing import Community, dismantle
from .errors import Infeasible
from .grid.loads import taken
from .grid.network_limits import FAMILIES, Rows, network_limits, stated
from .labels import Array
from .results import collect

NO_ROWS: Rows = dict.fromkeys(FAMILIES, np.zeros(1, dtype=bool))
MET = 1e-6
"""How near to its limit [V, kW] a plan meets it."""

Build = Callable[[Rows | None], Community]
"""Returns the block of a community with the rows asked for; with all that could be broken for None."""


def solve_within_limits(
    build: Build,
    solve: Callable[..., Any],
    inputs: xr.Dataset,
    start: Any = None,
    rows: Rows | None = None,
) -> tuple[Community, Any, xr.Dataset]:
    """Return the solved block of a community, its solution, whose ``method`` says of the rows, and its results.

    Parameters
    ----------
    build : callable
        Returns the block with given rows.
    solve : callable
        Solves a block from a ``start`` and returns its solution, from which a similar block can start. Ties are broken
        wherever there are rows: they decide who makes way.
    rows : mapping, optional
        Limits that are likely to bind, so that they are rows from the first round on.

    Raises
    ------
    otonari.model.errors.SolveError
        As ``solve``; what is infeasible is told of all limits that could be broken.
    """
    rows = rows or NO_ROWS
    rounds = 1
    while True:
        block = build(rows)
        try:
            solution = solve(block, start=start, **({"tie_break": True} if _count(rows) else {}))
        except Infeasible:
            if _count(rows):
                solve(build(None))
            raise
        results = collect(block)
        more = broken(inputs, results, rows) if stated(inputs) else {}
        if not _count(more):
            break
        rows = {family: rows[family] | found for family, found in more.items()}
        rounds, start = rounds + 1, solution
        dismantle(block)
    if _count(rows):
        words = f"{_count(rows)} limits of the network made rows in {rounds} rounds"
        solution = replace(solution, method=f"{solution.method}; {words}")
    return block, solution, results


def _count(rows: Rows) -> int:
    return sum(int(mask.sum()) for mask in rows.values())


def broken(inputs: xr.Dataset, results: xr.Dataset, rows: Rows = NO_ROWS) -> dict[str, Array]:
    """Return which limits that are no ``rows`` yet a plan breaks or meets, by family."""
    headroom = network_limits(inputs).headroom(taken(inputs, results)[0])
    return {family: (left < MET) & ~rows[family] for family, left in headroom.items()}
