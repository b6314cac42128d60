"""The Shapley value where coalitions are too many: the mean over orders drawn at random, and its standard error."""

from collections.abc import Callable

import numpy as np

from ..labels import Array

Value = Callable[[Array], float]
"""(n,) bool: who is in a coalition -> what it gains."""


def shapley(
    value: Value,
    n: int,
    samples: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Array, Array]:
    """Return an estimate of the Shapley value (n,) and its standard error (n,), from orders drawn at random.

    In each order every member adds what it adds to those before it, so that every sample, and the mean, gives out v(N)
    exactly. The estimate is unbiased; its error is the standard deviation of what a member adds / sqrt(samples): Castro
    et al., "Polynomial calculation of the Shapley value based on sampling", Computers & Operations Research 36 (2009),
    doi:10.1016/j.cor.2008.04.004.

    Parameters
    ----------
    value : callable
        What a coalition gains; coalitions that were asked for are not asked for again.
    samples : int
        Orders, at least 2: of one there is no error.
    seed : int
        Of the random orders: the same seed gives the same estimate.
    """
    if samples < 2:
        raise ValueError(f"samples: got {samples}, want at least 2, from which an error follows")
    random, known = np.random.default_rng(seed), dict[bytes, float]()
    added = np.empty((samples, n))
    for k, sample in enumerate(added):
        inside, before = np.zeros(n, dtype=bool), 0.0
        for i in random.permutation(n):
            inside[i] = True
            key = np.packbits(inside).tobytes()
            if key not in known:
                known[key] = value(inside)
            sample[i], before = known[key] - before, known[key]
        progress(k + 1, samples)
    return added.mean(axis=0), added.std(axis=0, ddof=1) / np.sqrt(samples)
