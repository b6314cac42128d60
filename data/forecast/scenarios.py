"""Futures of a forecast: paths around its mean by the errors that it made before, and the few that stand for them.

A path is the mean forecast plus the error of the same method on an earlier day, made at the same time of day for the
same leads, of all homes and arrays at once: so slots, homes and sun hang together in a path as they did on that day, and
over many paths every slot has the spread that the quantiles of the forecast have, which come from the same errors.
"""

from collections.abc import Sequence

import numpy as np

from .interface import ForecastPower, PowerHistory

ORIGINS = 28
"""Earlier days whose errors make paths, at the most; as many as those of the quantiles (`profile.Memory`)."""


def error_paths(
    forecast: ForecastPower, history: PowerHistory, now: int, horizon: int, origins: int = ORIGINS
) -> np.ndarray:
    """Return the errors (day, entity, horizon) [kW] of a forecast on earlier days, the latest first.

    Of the day k the reading less what was expected of it at ``now`` - k days; 0 where either is not known. Days whose
    horizon reaches beyond ``now``, or of which no forecast could know anything, are left out.

    Parameters
    ----------
    forecast
        A row of `methods.METHODS`.
    history
        Readings, of which those before ``now`` are read.
    now, horizon
        First slot that is not known, and how many slots.
    origins
        Days at the most.
    """
    size = history.calendar.slots_per_day
    begins = [now - k * size for k in range(1, origins + 1)]
    made = []
    for begin in (b for b in begins if b > 0 and b + horizon <= now):
        error = history.power[:, begin : begin + horizon] - forecast(history, begin, horizon).mean
        made.append(np.nan_to_num(error))
    return np.stack(made) if made else np.zeros((0, len(history.power), horizon))


def fast_forward(points: np.ndarray, probability: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which points stand for all, in the order in which they are chosen, and how likely each is then.

    Fast forward selection (H. Heitsch and W. Roemisch, "Scenario reduction algorithms in stochastic programming",
    Computational Optimization and Applications 24 (2003) 187-206, algorithm 2.4): of those that are left the next one
    makes the least sum over all i that are not chosen of p[i] times the distance to the nearest that is; at last
    every other gives its probability to its nearest.

    Parameters
    ----------
    points
        (point, dimension).
    probability
        (point,).
    count
        How many are chosen, at the most as many as differ.

    >>> chosen, likely = fast_forward(np.array([[0.0], [1.0], [9.0]]), np.array([0.4, 0.3, 0.3]), 2)
    >>> chosen.tolist(), likely.round(9).tolist()
    ([1, 2], [0.7, 0.3])
    """
    square = (points**2).sum(axis=1)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2 * points @ points.T, 0.0))
    np.fill_diagonal(distance, 0.0)
    nearest, chosen = np.full(len(points), np.inf), np.zeros(0, dtype=int)
    while len(chosen) < min(count, len(points)):
        left = np.minimum(distance, nearest[:, None])  # (i, next one)
        cost = probability @ left
        cost[chosen] = np.inf
        chosen = np.append(chosen, int(cost.argmin()))
        nearest = left[:, chosen[-1]]
        if not nearest.any():
            break  # all others are like one of these
    owner = distance[:, chosen].argmin(axis=1)
    return chosen, np.bincount(owner, probability, minlength=len(chosen))


def drawn(weights: Sequence[float] | np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return positions (count,) drawn by weights with as little chance as can be: one in each of so many equal parts.

    Systematic sampling: a position of weight w, of 1 in all, is drawn floor(w count) or one more times.
    """
    share = np.cumsum(np.asarray(weights, dtype=float))
    at = (np.arange(count) + rng.random()) / count * share[-1]
    return rng.permutation(np.minimum(np.searchsorted(share, at, side="right"), len(share) - 1))
