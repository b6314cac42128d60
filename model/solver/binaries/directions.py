"""One direction per meter, store and slot, decided only where the optimum does otherwise.

Most optima without the rule obey it: nobody gains by drawing and giving at once where prices do not cross. So its
binaries start relaxed. Where an optimum has both sides of a pair (`lp.one_way`), the switches of that meter or store
become binaries, in all slots, since what it may not do in one slot it would do in another; and the program is solved
again (`search`), until no pair is broken. Each program relaxes the one with all binaries, so that its lower bound
is one of that, and its optimum, once no pair is broken, is the optimum of that.

A pair without a switch gets one here. It is broken only by a tie, or by what only a user's rows bring about.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from ...labels import Array
from ...lp.matrix import Program
from ...lp.one_way import NONE

BOTH = 1e-6
"""Power on both sides from which a pair is broken [kW]."""


def relaxed(program: Program) -> Program:
    """Return the program with its switches relaxed, but for those that hold a minimum power as well."""
    integer = program.integer.copy()
    integer[program.pairs.relaxable] = False
    return replace(program, integer=integer)


def broken(program: Program, x: Array) -> Array:
    """Return which pairs (pair,) not yet decided have power on both sides at values ``x`` (columns,) [kW]."""
    return program.pairs.both(x, BOTH) & ~_decided(program)


def decided(program: Program, pairs: Array) -> Program:
    """Return the program with binary switches of ``pairs`` (pair,) bool, and all of the same meters and stores.

    Pairs without a switch wait until no other is broken: what a store does mostly follows from its meter.
    """
    with_switch = pairs & (program.pairs.switch != NONE)
    if with_switch.any():
        pairs = with_switch
    else:
        program = _with_switches(program, np.flatnonzero(pairs))
    family, switch = program.pairs.family, program.pairs.switch
    same = np.isin(family, family[pairs]) & (switch != NONE)
    integer = program.integer.copy()
    integer[switch[same]] = True
    return replace(program, integer=integer)


def rounded(program: Program, x: Array) -> Program:
    """Return the program with every direction that is a binary fixed to that of the net power at ``x`` (columns,).

    It is as its switch has it where there is none. Of a meter the net power alone is physical: what it would buy from
    peers and sell at once, peers can do without it over the same lines, so that the program stays feasible.
    """
    return fixed(program, directed(program, x))


def directed(program: Program, x: Array) -> Array:
    """Return values (columns,) with every switch as the net power of its pair has it, whole where there is none."""
    net, pairs = net_power(program, x), program.pairs
    own = pairs.switch != NONE
    x = np.pad(x, (0, len(program.cost) - len(x)))
    x[pairs.switch[own]] = np.where(net == 0.0, np.round(x[pairs.switch]), net > 0.0)[own]
    return x


def crossed(program: Program, x: Array, relaxed: Array) -> Program:
    """Return the program with those directions alone as binaries in which ``x`` and ``relaxed`` (columns,) differ.

    All other binaries are as in ``x``. The relaxation's direction is that of the net power of a pair.
    """
    pairs, net = program.pairs, net_power(program, relaxed)
    forward = np.round(x)
    forward[pairs.switch[pairs.switch != NONE]] = net[pairs.switch != NONE] > 0.0
    free = np.zeros_like(program.integer)
    free[pairs.relaxable] = True
    free &= program.integer & (forward != np.round(x))
    return fixed(program, x, free)


def fixed(program: Program, x: Array, free: Array | bool = False) -> Program:
    """Return the program whose integers have the values that they have in ``x`` (columns,), but for those ``free``.

    What they close is zero (`closed`).
    """
    kept, chosen = program.integer & ~np.asarray(free), np.round(x)
    return closed(
        replace(
            program,
            lower=np.where(kept, chosen, program.lower),
            upper=np.where(kept, chosen, program.upper),
            integer=program.integer & ~kept,
        )
    )


def closed(program: Program) -> Program:
    """Return a program whose binaries are fixed with the columns of every closed side at zero."""
    pairs = program.pairs
    fixed = (pairs.switch != NONE) & (program.lower == program.upper)[pairs.switch]
    upper = program.upper.copy()
    for side, shut in ((pairs.forward, 0.0), (pairs.backward, 1.0)):
        rows = np.flatnonzero(fixed & (program.lower[pairs.switch] == shut))
        shut_columns = np.unique(side[rows].indices)
        upper[shut_columns] = np.minimum(upper[shut_columns], np.maximum(program.lower[shut_columns], 0.0))
    return replace(program, upper=upper)


def net_power(program: Program, x: Array) -> Array:
    """Return the power of the forward side of each pair less that of the other (pair,) [kW]."""
    pairs = program.pairs
    width = pairs.forward.shape[1]
    return np.asarray(pairs.forward @ x[:width] - pairs.backward @ x[:width])


def _with_switches(program: Program, rows: Array) -> Program:
    """Return the program with a new column and two rows for each of the pairs ``rows``, which have no switch.

    forward <= forward_limit * switch,  backward <= backward_limit * (1 - switch)
    """
    if not len(rows):
        return program
    pairs, n, width = program.pairs, len(rows), len(program.cost)
    own, empty = np.arange(n), sparse.csr_matrix((len(program.row_lower), n))
    padding = sparse.csr_matrix((n, width - pairs.forward.shape[1]))
    blocks = [[program.matrix, empty]]
    for side, factor in (
        (pairs.forward, -pairs.forward_limit[rows]),
        (pairs.backward, pairs.backward_limit[rows]),
    ):
        switched = sparse.csr_matrix((factor, (own, own)), shape=(n, n))
        blocks.append([sparse.hstack([side[rows], padding]), switched])
    switch = pairs.switch.copy()
    switch[rows] = width + own
    return replace(
        program,
        cost=np.concatenate([program.cost, np.zeros(n)]),
        lower=np.concatenate([program.lower, np.zeros(n)]),
        upper=np.concatenate([program.upper, np.ones(n)]),
        integer=np.concatenate([program.integer, np.ones(n, dtype=bool)]),
        matrix=sparse.csr_matrix(sparse.block_array(blocks)),
        row_lower=np.concatenate([program.row_lower, np.full(2 * n, -np.inf)]),
        row_upper=np.concatenate([program.row_upper, np.zeros(n), pairs.backward_limit[rows]]),
        pairs=pairs._replace(switch=switch),
        tightening=program.tightening.extended(len(program.row_lower) + 2 * n, width + n),
    )


def number(program: Program) -> int:
    """Return how many directions are binaries, beside those that hold a minimum power."""
    return int(program.integer[program.pairs.relaxable].sum())


def _decided(program: Program) -> Array:
    """Return which pairs (pair,) have a switch that is a binary already."""
    switch = program.pairs.switch
    return np.asarray((switch != NONE) & program.integer[switch])
