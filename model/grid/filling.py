"""Shares of limits that several use at once: all rise together until a limit is reached, whom it stops stays there.

With ``u`` (row, user) >= 0 what a unit of each user takes of each row, ``s`` (row, time) what rows have, and the level
l of a slot, user i has::

    x[i](l) = min(max(rate[i] l, least[i]), most[i]),    l the highest with  sum over i of u[k,i] x[i](l) <= s[k]

Then whoever takes of a row that is full stays (and, where they stop together, everybody of its group), and the level of
the others goes on: the max-min fair shares (Bertsekas and Gallager, *Data Networks*, 2nd ed., 1992, section 6.5.2), or
equal ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..labels import Array

HALVINGS = 50
"""Halvings of the interval in which a level lies."""


def fill(use: Array, has: Array, rate: Array, least: Array, most: Array, group: Array) -> Array:
    """Return the shares (user, time) of rows.

    Parameters
    ----------
    use : Array
        (row, user), at least 0.
    has : Array
        (row, time); what ``least`` takes of a row must not exceed it.
    rate : Array
        (user,) how fast shares rise, more than 0.
    least, most : Array
        (user, time), finite: no share is less, or more.
    group : Array
        (user,) number of a group whose members stop together.
    """
    share, rising = least.astype(float).copy(), np.ones(least.shape, dtype=bool)
    low, top = np.zeros(least.shape[1]), (most / rate[:, None]).max(axis=0)
    tight = np.flatnonzero((use @ most > has).any(axis=1))
    use, has = use[tight], has[tight]
    while rising.any():

        def shares(level: Array, share: Array = share, rising: Array = rising) -> Array:
            """Return the shares (user, time) at a level (time,) of those that rise."""
            return np.where(rising, np.clip(rate[:, None] * level, least, most), share)

        low, over = _level(use, has, shares, low, top)
        share = shares(low)
        rising = rising & (share < most)
        stopped = rising & (use.T @ over.astype(float) > 0)
        together = np.zeros((int(group.max(initial=0)) + 1, len(low)), dtype=bool)
        np.logical_or.at(together, group, stopped)
        over_all = ~together.any(axis=0)  # nobody was stopped: all have the most, or rounding holds them
        rising = rising & ~together[group] & ~over_all
    return share


def _level(
    use: Array, has: Array, shares: Callable[[Array], Array], low: Array, top: Array
) -> tuple[Array, Array]:
    """Return the highest level (time,) that all rows allow, and which of them stop it there (row, time).

    By halving; a row that allows the higher end of the interval allows all of it, and is not looked at again.
    """
    low, high = low.copy(), top.copy()
    over = use @ shares(top) > has
    low = np.where(over.any(axis=0), low, top)
    rows = np.flatnonzero(over.any(axis=1))
    for _ in range(HALVINGS if len(rows) else 0):
        middle = (low + high) / 2
        broken = use[rows] @ shares(middle) > has[rows]
        stops = broken.any(axis=0)
        low, high = np.where(stops, low, middle), np.where(stops, middle, high)
        over[rows] = np.where(stops, broken, over[rows])
        rows = rows[over[rows].any(axis=1)]
    return low, over
