"""Binaries at any size: which charger is on, which direction a meter or store has, with a certified gap.

One MILP of a thousand homes has no solution within minutes; meters by themselves have one within a fraction of a second.
The linear relaxation comes first (`bottom_up`). Directions alone are then those of its net power, and the whole is
cleared again with them. What that costs more than the bound is the gap. Where it is greater than asked for, or where
there are other binaries, every meter decides by itself at the prices of the relaxation (`at_prices`), and with its
binaries fixed the whole is cleared again, with free exchange; then directions in which two solutions differ are decided
anew, by the whole; then searches that a limit ended go on, and at last parts that are small enough decide as one
(`WAYS`).

**Feasible always.** Whatever a meter draws from peers it can draw from the retailer, and what it gives to peers it
can give to the retailer, over the same connection. Binaries that are feasible in the parts are therefore feasible
together, whatever the copies are; the exchange is free again once they are fixed. A user's own rows may say
otherwise: then, and where a part has no solution, the whole decides.

**Growing programs.** A part that has not changed since is not searched again, and a bound found once holds for every
program with more binaries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from ...labels import Array
from ...lp.matrix import Program
from .. import bottom_up
from ..bottom_up import Optimum
from ..components import Effort, Parts
from ..highs import dot
from . import directions, left_out, part
from .at_prices import at_market, split, where_large
from .part import Choice

T = TypeVar("T")

MANY = 20_000
"""Rows of a program from which rows of directions are left out until they are broken."""
TOGETHER = 700
"""Binaries up to which a part is one MILP."""
ANEW = 250
"""Directions up to which a part is one MILP where they are decided anew: parts of a transformer or two, seconds each."""
NODES = 20
"""Nodes of the first search of a part: enough for most meters."""
EFFORT = 6e10
"""Nodes times columns squared of a further search: some minutes, and the same search on every machine."""
LEAST = 1e-6
"""Gap that is small enough in any case (HiGHS's own default of ``mip_abs_gap``)."""
ROUNDED, BRIEFLY, CROSSED, AT_LENGTH, AS_ONE = WAYS = range(5)
"""Ways to decide, each costlier: directions as the optimum before nets them; meters by themselves with few nodes; what
two solutions disagree about anew; meters with many nodes; small parts as one MILP."""


class Decided(NamedTuple):
    """A program with its binaries fixed, and in how many parts they were decided.

    ``apart`` says whether parts were cut, so that their choices have yet to prove feasible together; ``left`` is what of
    the gap the searches leave within the parts (currency); ``crossed`` how many were then decided anew. ``rounded``
    says whether none was searched for.
    """

    program: Program
    parts: int = 0
    apart: bool = False
    left: float = 0.0
    crossed: int = 0
    rounded: bool = False

    @property
    def method(self) -> str:
        """In words, how the binaries were decided."""
        crossed = f", {self.crossed} of them anew where two solutions differ" if self.crossed else ""
        if self.rounded:
            return f"directions of the net power{crossed}"
        return (
            f"binaries in {self.parts} programs at the prices of the relaxation{crossed}"
            if self.apart
            else ""
        )


class Search:
    """The binaries of a program that may grow by binaries, and what is known of its relaxation and its parts.

    Parameters
    ----------
    mip_gap : float
        Relative gap that is aimed at.
    time_limit : float, optional
        Seconds for each solve; a part that they end counts with its incumbent.
    threads : int
        Parts that are solved at the same time.
    effort : Effort, optional
        Told of the parts that are solved.

    ``relaxed`` is the optimum of the program without its binaries, once it is known; ``windows`` how many of them the
    smallest subtrees alone were started from.
    """

    def __init__(
        self, *, mip_gap: float, time_limit: float | None, threads: int, effort: Effort | None = None
    ):
        self.mip_gap, self.time_limit, self.threads = mip_gap, time_limit, threads
        self.effort = effort or Effort()
        self.bound, self.windows = -np.inf, 0
        self.relaxed: Optimum | None = None
        self._optional = self._loose = np.zeros(0, dtype=bool)
        self._choices: dict[tuple[bytes, bytes], Choice] = {}

    @property
    def method(self) -> str:
        """In words, how long horizons were begun; nothing where they were not, or with the whole."""
        return f"begun from {self.windows} windows" if self.windows else ""

    def loosen(self, program: Program) -> bool:
        """Leave out the rows of directions that may be, where there are many; return whether any are (`left_out`)."""
        if len(program.row_lower) > MANY:
            self._optional = self._loose = left_out.possible(program)
        return bool(self._loose.any())

    def tighten(self, program: Program, x: Array) -> bool:
        """Let the rows in of meters that break a direction at ``x`` (columns,); return whether any were left out."""
        family, broken = program.pairs.family, self._loose & directions.broken(program, x)
        self._loose = self._loose & ~np.isin(family, family[broken])
        return bool(broken.any())

    def loose(self, program: Program) -> Array:
        """Return the pairs (pair,) whose rows are left out of a program: nothing breaks them, or they are decided."""
        if not len(self._optional):
            return np.zeros(len(program.pairs.switch), dtype=bool)
        switch = program.pairs.switch
        decided = program.lower[switch] == program.upper[switch]
        return np.asarray((self._loose | (self._optional & decided)) & ~program.integer[switch])

    def decide(
        self,
        program: Program,
        start: tuple[Array, Array] | None,
        way: int = BRIEFLY,
        best: Array | None = None,
    ) -> Decided | None:
        """Return a program with its binaries fixed; None if a part, or the relaxation, has no solution.

        ``start`` are the statuses (columns,), (rows,) of a basis that the relaxation starts from; ``best`` the values
        (columns,) of the best solution so far.
        """
        if not program.integer.any():
            return Decided(directions.closed(program))
        relaxed = self._optimum(program, start)
        if relaxed is None:
            return None
        cut = where_large(program, TOGETHER) if way == AS_ONE else at_market(program)
        pieces = _Pieces(program, relaxed, cut)
        relaxation = dot(program.cost, relaxed.x) + program.offset
        choices = self._chosen(pieces, max(self.mip_gap * abs(relaxation), LEAST), way, best)
        if choices is None:
            return None
        x = pieces.x.copy()
        for (_, columns), choice in zip(pieces.members, choices, strict=True):
            x[columns] = choice.x
        self.bound = max(self.bound, relaxation + sum(c.excess for c in choices))
        decided = directions.fixed(program, x[: len(program.cost)])
        return Decided(decided, len(choices), bool(cut.any()), sum(c.left for c in choices))

    def rounded(self, program: Program, x: Array) -> Decided | None:
        """Return a program with the directions of the net power at ``x`` (columns,); None if it has other binaries."""
        if self.relaxed is None or program.integer.sum() > directions.number(program):
            return None
        width = len(self.relaxed.x)  # further columns, if there are any, are switches and cost nothing
        self.bound = max(self.bound, dot(program.cost[:width], self.relaxed.x) + program.offset)
        return Decided(directions.rounded(program, x), rounded=True)

    def crossed(
        self, program: Program, best: Decided, optimum: Optimum, other: Array | None = None
    ) -> Decided:
        """Return the best program so far with directions anew where another solution has them otherwise.

        Meters that decide by themselves at given prices all sell at the same hour; the relaxation balances them, but
        mixes directions. Where both agree on a direction, it is kept; among the rest, few, the whole decides (as in
        relaxation induced neighbourhoods: Danna, Rothberg, Le Pape, Math. Program. 102 (2005),
        doi:10.1007/s10107-004-0518-7). ``optimum`` is that of ``best``: nothing gets worse. The ``other`` solution
        (columns,) is by default the relaxation.
        """
        relaxed = self._optimum(program, None)
        if relaxed is None:
            return best
        near = directions.crossed(program, optimum.x, relaxed.x if other is None else other)
        pieces = _Pieces(near, optimum, where_large(near, ANEW))
        gap = max(self.mip_gap * abs(dot(program.cost, optimum.x) + program.offset), LEAST)

        def search(number: int) -> Array:
            first = pieces.x[pieces.members[number][1]]
            return part.better(pieces.piece(number), gap / len(pieces.members), self.time_limit, first)

        x = pieces.x.copy()
        for (_, columns), values in zip(pieces.members, self._each(search, pieces.sizes), strict=True):
            x[columns] = values
        return best._replace(
            program=directions.fixed(program, x[: len(program.cost)]), crossed=int(near.integer.sum())
        )

    def _optimum(self, program: Program, start: tuple[Array, Array] | None) -> Optimum | None:
        """Return the optimum without binaries; rows that the program got since are not in it, and have no price."""
        if self.relaxed is None:
            linear = replace(program, integer=np.zeros_like(program.integer))
            self.relaxed = bottom_up.optimum(
                linear, start, time_limit=self.time_limit, threads=self.threads, effort=self.effort
            )
        if self.relaxed is None:
            return None
        x, dual = self.relaxed.x, self.relaxed.dual
        return self.relaxed._replace(
            x=np.pad(x, (0, len(program.cost) - len(x))),
            dual=np.pad(dual, (0, len(program.row_lower) - len(dual))),
        )

    def _chosen(self, pieces: _Pieces, gap: float, way: int, best: Array | None) -> list[Choice] | None:
        """Return the choices of all parts, searched where they are not known well enough; None if a part has none."""
        keys = [pieces.key(number) for number in range(len(pieces.members))]
        known = [self._choices.get(key) for key in keys]
        gaps = _gaps(pieces.split, pieces.members, pieces.x, gap)
        if way != BRIEFLY:
            gaps = _where_needed(gaps, known)

        def search(number: int) -> Choice | None:
            before, columns = known[number], pieces.members[number][1]
            nodes = NODES if way == BRIEFLY else max(int(EFFORT / len(columns) ** 2), NODES)
            if before is not None and (before.left <= gaps[number] or before.nodes >= nodes):
                return before
            first = before.x if before is not None else pieces.values(number, best)
            piece, x, directed = pieces.piece(number), pieces.x[columns], pieces.directed(number)
            return part.choice(piece, x, gaps[number], self.time_limit, nodes, directed, first)

        choices: list[Choice] = []
        for key, choice in zip(keys, self._each(search, pieces.sizes), strict=True):
            if choice is None:
                return None
            self._choices[key] = choice
            choices.append(choice)
        return choices

    def _each(self, search: Callable[[int], T], rows: list[int]) -> Iterator[T]:
        """Yield what a search finds in each of the parts, which have so many rows, on all threads."""
        with ThreadPoolExecutor(self.threads) as pool:
            found = (pool.map if self.threads > 1 else map)(search, range(len(rows)))
            yield from self.effort.of(found, rows)

    def further(self, program: Program, way: int, decided: Decided, objective: float) -> int | None:
        """Return the way to a smaller gap than what a program costs now leaves; None if it is small or there is none."""
        excess = objective - self.bound - max(self.mip_gap * abs(objective), LEAST)
        if not program.integer.any() or excess <= 0:
            return None
        if way == ROUNDED:
            return BRIEFLY
        directed = directions.number(program) > 0
        if way < CROSSED and directed:
            return CROSSED
        if way < AT_LENGTH and decided.left >= excess:
            return AT_LENGTH
        if way == AS_ONE or (directed and program.integer.sum() > TOGETHER):
            return None  # many directions at once take minutes, and gain little
        return AS_ONE if (where_large(program, TOGETHER) != at_market(program)).any() else None


class _Pieces:
    """A program cut into parts at the prices of its relaxation: those with binaries, as rows and columns."""

    def __init__(self, program: Program, relaxed: Optimum, cut: Array):
        self.split, self.x = split(program, relaxed, Parts(program, ~cut))
        self.width = len(program.cost)
        self.parts = Parts(self.split, np.ones(len(self.x), dtype=bool), rows=1)
        self.members = self.parts.members(np.unique(self.parts.column[self.split.integer]))
        self.switches = np.zeros(len(self.x), dtype=bool)
        self.switches[program.pairs.relaxable] = True

    @property
    def sizes(self) -> list[int]:
        """The rows of the parts."""
        return [len(rows) for rows, _ in self.members]

    def key(self, number: int) -> tuple[bytes, bytes]:
        """Return what tells a part from others, however the rest is cut."""
        columns = self.members[number][1]
        return columns[columns < self.width].tobytes(), self.split.integer[columns].tobytes()

    def piece(self, number: int) -> Program:
        """Return a part as a program."""
        return self.parts.piece(*self.members[number])

    def directed(self, number: int) -> bool:
        """Return whether a direction is among the binaries of a part."""
        return bool((self.split.integer & self.switches)[self.members[number][1]].any())

    def values(self, number: int, best: Array | None) -> Array | None:
        """Return the values (columns,) of a part in a solution of the program."""
        if best is None:
            return None
        return np.concatenate([best, np.zeros(len(self.x) - len(best))])[self.members[number][1]]


def _where_needed(gaps: list[float], known: list[Choice | None]) -> list[float]:
    """Return which gap each part may leave once what others did not need is shared among those that need it."""
    done = [k is not None and k.left <= gap for k, gap in zip(known, gaps, strict=True)]
    spared = sum(gap - k.left for k, gap, d in zip(known, gaps, done, strict=True) if d and k is not None)
    needed = sum(gap for gap, d in zip(gaps, done, strict=True) if not d)
    factor = 1.0 + spared / max(needed, 1e-300)
    return [gap if d else gap * factor for gap, d in zip(gaps, done, strict=True)]


def _gaps(program: Program, members: list[tuple[Array, Array]], x: Array, gap: float) -> list[float]:
    """Return which gap each part may leave of that of the whole: half by binaries, half by cost, where effort pays."""
    shares = []
    for values in (program.integer.astype(float), np.abs(program.cost * x)):
        own = np.array([values[columns].sum() for _, columns in members])
        shares.append(own / max(own.sum(), 1e-300))
    return [float(gap * share) for share in 0.5 * (shares[0] + shares[1])]
