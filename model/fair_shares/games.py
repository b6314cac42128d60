"""Cooperative games: what every coalition of n members gains, and who deserves how much of it.

The values of a game are an array (2^n,): entry S is what the members of coalition S gain together, where member i is in
S if bit i of S is set. The empty coalition gains nothing. A split x (n,) gives out all that everybody gains together,
v(N), and leaves nothing over (efficiency).
"""

from math import factorial

import numpy as np

from ..labels import Array


def members(n: int) -> Array:
    """Return who is in each coalition of n members (2^n, n) bool."""
    return np.asarray((np.arange(2**n)[:, None] >> np.arange(n)) & 1 == 1)


def size(values: Array) -> int:
    """Return the number of members of a game by its values (2^n,)."""
    return len(values).bit_length() - 1


def equal(total: float, n: int) -> Array:
    """Return equal parts (n,) of a total: x[i] = v(N) / n."""
    return np.full(n, total / n)


def proportional(total: float, weights: Array) -> Array:
    """Return parts (n,) of a total by weights w >= 0 (n,): x[i] = v(N) w[i] / sum w, equal ones where all are 0."""
    whole = weights.sum()
    return np.asarray(total * weights / whole) if whole > 0 else equal(total, len(weights))


def shapley(values: Array) -> Array:
    """Return the Shapley value (n,) of a game: what each adds to those before it, in the mean over all orders.

    ::

        x[i] = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))

    The one split that is efficient, gives equal members equal parts and nothing to who adds nothing, and adds up over
    games: Shapley, "A value for n-person games", Contributions to the Theory of Games II (1953),
    doi:10.1515/9781400881970-018.
    """
    n = size(values)
    inside, coalition = members(n), np.arange(2**n)
    others = inside.sum(axis=1)
    weight = np.array([factorial(k) * factorial(n - k - 1) / factorial(n) for k in range(n)])
    shares = np.empty(n)
    for i in range(n):
        without = coalition[~inside[:, i]]
        shares[i] = weight[others[without]] @ (values[without | 1 << i] - values[without])
    return shares
