"""How equal a split is: the indices of Gini and of Jain."""

import numpy as np

from ..labels import Array


def gini(gains: Array) -> float:
    """Return the Gini index of gains (n,): 0 where all are equal, up to 1 - 1 / n where one has everything.

    The mean absolute difference of two members over twice the mean::

        G = sum over i, j of |g[i] - g[j]| / (2 n^2 mean g)

    NaN where the gains do not add up to more than nothing. With losses among the gains it may exceed 1. C. Gini,
    Variabilita e mutabilita (1912).
    """
    total, n = gains.sum(), len(gains)
    if not total > 0:
        return float("nan")
    rank = 2 * np.arange(1, n + 1) - n - 1
    return float(rank @ np.sort(gains) / (n * total))


def jain(gains: Array) -> float:
    """Return Jain's index of gains (n,): 1 where all are equal, 1 / n where one has everything.

    ::

        J = (sum of g)^2 / (n sum of g^2)

    NaN where nobody gains or loses anything. Jain, Chiu and Hawe, "A quantitative measure of fairness and discrimination
    for resource allocation in shared computer systems", DEC-TR-301 (1984), arXiv:cs/9809099.
    """
    squares = float((gains**2).sum())
    return float(gains.sum()) ** 2 / (len(gains) * squares) if squares > 0 else float("nan")
