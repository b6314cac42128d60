"""Rows that tighten directions, left out of a program where nothing breaks a direction without them.

With its rows the relaxation of every meter whose prices cross is as tight as can be; most of these meters draw or give
in the optimum anyway. A point at which a meter does one of both obeys its rows, with the switch as its power flows.
So a program without the rows of some meters relaxes the one with all, and if its optimum breaks none of their
directions, it is the optimum of that one too: rows come where they are broken, as cutting planes do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from ...labels import Array
from ...lp.matrix import Program
from ...lp.one_way import NONE
from .directions import net_power


def possible(program: Program) -> Array:
    """Return the pairs (pair,) whose rows may be left out: nothing else, of a user, knows their switch or their copies.

    All columns of theirs are in their own rows alone, cost nothing and have the bounds that the model gave them.
    """
    pairs, tight = program.pairs, program.tightening
    own = tight.column.copy()
    switches = pairs.switch[pairs.switch != NONE]
    own[switches] = switches
    upper = np.where(tight.column != NONE, np.inf, 1.0)
    changed = (program.cost != 0) | (program.lower != 0) | (program.upper != upper)
    entry = np.repeat(tight.row, np.diff(program.matrix.indptr))
    column = own[program.matrix.indices]
    spoilt = np.zeros(len(program.cost) + 1, dtype=bool)
    spoilt[own[(own != NONE) & changed]] = spoilt[column[(column != NONE) & (column != entry)]] = True
    some = np.zeros_like(spoilt)
    some[tight.row[tight.row != NONE]] = True
    return np.asarray((pairs.switch != NONE) & ~pairs.held & (some & ~spoilt)[pairs.switch])


def without(program: Program, pairs: Array) -> Program:
    """Return the program without the rows, switches and copies of ``pairs`` (pair,): empty rows, columns at zero."""
    gone = np.zeros(len(program.cost) + 1, dtype=bool)
    gone[program.pairs.switch[pairs]] = True
    gone[NONE] = False
    row, column = gone[program.tightening.row], gone[program.tightening.column]
    column[program.pairs.switch[pairs]] = True
    matrix = program.matrix
    kept = np.repeat(~row, np.diff(matrix.indptr))
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return replace(
        program,
        lower=np.where(column, 0.0, program.lower),
        upper=np.where(column, 0.0, program.upper),
        integer=program.integer & ~column,
        matrix=sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], ends), shape=matrix.shape),
        row_lower=np.where(row, -np.inf, program.row_lower),
        row_upper=np.where(row, np.inf, program.row_upper),
    )


def restored(program: Program, pairs: Array, x: Array) -> Array:
    """Return values (columns,) with the switches of ``pairs`` (pair,) as their power flows or as they are fixed."""
    x, tight = x.copy(), program.tightening
    switch = program.pairs.switch[pairs]
    fixed = program.lower[switch] == program.upper[switch]
    x[switch] = np.where(fixed, program.lower[switch], net_power(program, x)[pairs] > 0.0)
    own = np.flatnonzero(np.isin(tight.column, switch))
    x[own] = x[tight.column[own]] * (tight.source[own] @ x)
    return x
