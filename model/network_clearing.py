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

from .clearing import Community, community_block, dismantle
from .devices.wires import could_break
from .errors import Infeasible
from .grid.loads import PHASES, taken
from .grid.network_limits import FAMILIES, Rows, network_limits, stated
from .labels import Array
from .results import collect
from .solver.solve import solve as solve_block
from .topology.meters import meters

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


def solve_as_possible(
    inputs: xr.Dataset, market: str, start: Any = None, rows: Rows | None = None
) -> tuple[Community, Any, xr.Dataset]:
    """Return what :func:`solve_within_limits` does of a market, within all limits that some plan keeps.

    A plan that breaks limits by the least, which an infeasible program names, breaks these: without them there is one.

    Raises
    ------
    otonari.model.errors.SolveError
        As :func:`solve_within_limits`; infeasible for other causes than limits of the network.
    """
    lost: dict[str, Array] = {}

    def build(asked: Rows | None) -> Community:
        if lost:
            alone = meters(inputs, market == "p2p", pool=False, scarce=True)
            asked = could_break(inputs, alone) if asked is None else asked
            asked = dict(asked) | {family: asked[family] & ~mask for family, mask in lost.items()}
        return community_block(inputs, market, rows=asked)

    while True:
        try:
            return solve_within_limits(build, solve_block, inputs, start, rows)
        except Infeasible as error:
            known = _count(lost)
            for cause in error.causes:
                _enter(lost, inputs, *cause.row)
            if _count(lost) == known:
                raise


def _enter(lost: dict[str, Array], inputs: xr.Dataset, family: str, label: tuple[str, ...]) -> None:
    """Enter a limit of the network, by its label, among those that are lost; leave other rows out."""
    if family not in FAMILIES:
        return
    times = np.datetime_as_string(inputs["time"].values, unit="m").tolist()
    names = inputs["node"].values.tolist(), list(PHASES), times
    dims = names if len(label) == len(names) else (names[0], names[-1])
    mask = lost.setdefault(family, np.zeros([len(dim) for dim in dims], dtype=bool))
    mask[tuple(dim.index(of) for dim, of in zip(dims, label, strict=True))] = True


def _count(rows: Rows) -> int:
    return sum(int(mask.sum()) for mask in rows.values())


def broken(inputs: xr.Dataset, results: xr.Dataset, rows: Rows = NO_ROWS) -> dict[str, Array]:
    """Return which limits that are no ``rows`` yet a plan breaks or meets, by family."""
    headroom = network_limits(inputs).headroom(taken(inputs, results)[0])
    return {family: (left < MET) & ~rows[family] for family, left in headroom.items()}
