"""Fair splits: games by hand, the axioms, and plain second implementations over all orders and coalitions."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from otonari.model.fair_shares import games, least_core, sampling
from otonari.model.fair_shares.inequality import gini, jain

from . import counts

SOME = settings(max_examples=counts.examples(40), deadline=None)


def gloves():
    """Return the game of two left and three right gloves: a coalition gains 1 per pair."""
    inside = games.members(5)
    return np.minimum(inside[:, :2].sum(axis=1), inside[:, 2:].sum(axis=1)).astype(float)


def random_game(seed, n, superadditive=True):
    random = np.random.default_rng(seed)
    own = np.append(0.0, np.round(random.exponential(2.0, 2**n - 1), random.integers(0, 4)))
    if not superadditive:
        return own
    values = np.zeros(2**n)
    for s in range(1, 2**n):
        parts = (part for part in range(1, s) if part & s == part)
        values[s] = max((values[part] + values[s ^ part] for part in parts), default=0.0)
        values[s] += own[s] * (random.random() < 0.7)
    return values


def by_orders(values, n):
    """Return the Shapley value by all n! orders."""
    total = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        so_far = 0
        for i in order:
            total[i] += values[so_far | 1 << i] - values[so_far]
            so_far |= 1 << i
    return total / len(orders)


def balanced(collection, n):
    """Whether coalitions (sets) can all have positive weights that sum to 1 at every member."""
    if not collection:
        return True
    rows = np.array([[float(i in s) for s in collection] for i in range(n)])
    k = len(collection)
    least = linprog(  # greatest least weight t
        np.append(np.zeros(k), -1.0),
        A_ub=np.hstack([-np.eye(k), np.ones((k, 1))]),
        b_ub=np.zeros(k),
        A_eq=np.hstack([rows, np.zeros((n, 1))]),
        b_eq=np.ones(n),
        bounds=[(0, None)] * k + [(None, 1)],
    )
    return least.status == 0 and -least.fun > 1e-9


def is_prenucleolus(values, x, n):
    """Kohlberg's criterion: whatever the level, the coalitions whose excess reaches it are balanced."""
    excess = {}
    for k in range(1, n):
        for s in combinations(range(n), k):
            excess[s] = values[sum(1 << i for i in s)] - sum(x[i] for i in s)
    level = sorted(excess.values(), reverse=True)
    return all(balanced([s for s in excess if excess[s] >= top - 1e-6], n) for top in level)


def test_a_game_of_five_members_by_hand():
    """Left gloves are scarce: in the core they are worth everything, of the orders they get more than half."""
    values = gloves()
    shares = games.shapley(values)
    assert_allclose(shares, by_orders(values, 5))
    assert_allclose(shares, [0.65, 0.65, 7 / 30, 7 / 30, 7 / 30])
    assert_allclose(least_core.nucleolus(values).shares, [1, 1, 0, 0, 0], atol=1e-8)
    assert_allclose(least_core.least_core(values).shares, [1, 1, 0, 0, 0], atol=1e-8)


def test_the_nucleolus_of_a_bankruptcy():
    """The Talmud's estates of 100, 200 and 300 among claims of 100, 200 and 300 (Aumann and Maschler 1985)."""
    claims = np.array([100, 200, 300])
    for estate, shares in ((100, [100 / 3] * 3), (200, [50, 75, 75]), (300, [50, 100, 150])):
        left = np.maximum(estate - (~games.members(3) * claims).sum(axis=1), 0.0)
        assert_allclose(least_core.nucleolus(left).shares, shares, atol=1e-6)


@SOME
@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_splits_agree_with_the_plain_ones(seed, n, superadditive):
    values = random_game(seed, n, superadditive)
    scale = max(1.0, np.abs(values).max())
    assert_allclose(games.shapley(values), by_orders(values, n), atol=1e-9 * scale)
    core, nucleolus = least_core.least_core(values), least_core.nucleolus(values)
    for split in (core, nucleolus):
        assert split.shares.sum() == pytest.approx(values[-1], abs=1e-7 * scale)
        assert split.excess == pytest.approx(split.bound, abs=1e-6 * scale)
    assert is_prenucleolus(values, nucleolus.shares, n)


@SOME
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_of_the_least_core_the_split_is_closest_to_equal(seed, n):
    """No other split of the least core on the way to any other one of its splits has less variance."""
    values = random_game(seed, n)
    core, other = least_core.least_core(values).shares, least_core.nucleolus(values).shares
    nearer = core + 1e-3 * (other - core)
    assert (core**2).sum() <= (nearer**2).sum() + 1e-6 * values[-1] ** 2


@SOME
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_equal_members_and_members_that_add_nothing(seed, n):
    """With a twin of the last member and one that adds nothing: twins get alike, the other gets nothing."""
    base = random_game(seed, n)
    inside = games.members(n + 2)
    twin = inside[:, n - 1] | inside[:, n]
    both = inside[:, n - 1] & inside[:, n]
    known = inside[:, : n - 1] @ (1 << np.arange(n - 1)) + (twin << (n - 1))
    values = base[known] + both * base[-1]
    for split in (
        games.shapley(values),
        *(f(values).shares for f in (least_core.least_core, least_core.nucleolus)),
    ):
        assert split[n - 1] == pytest.approx(split[n], abs=1e-6 * max(1, values[-1]))
    for x in (games.shapley(values), least_core.nucleolus(values).shares):
        assert x[n + 1] == pytest.approx(0, abs=1e-6 * max(1, values[-1]))


def test_sampled_orders_meet_the_exact_value_within_their_error():
    values = random_game(7, 6)

    def value(inside):
        return float(values[inside @ (1 << np.arange(6))])

    mean, error = sampling.shapley(value, 6, 400, 1)
    assert mean.sum() == pytest.approx(values[-1])
    assert (np.abs(mean - games.shapley(values)) <= 4 * error).all()
    assert (error > 0).all()
    assert (error < 0.1 * values[-1]).all()
    again, _ = sampling.shapley(value, 6, 400, 1)
    other, _ = sampling.shapley(value, 6, 400, 2)
    assert (mean == again).all()
    assert (mean != other).any()
    with pytest.raises(ValueError, match="at least 2"):
        sampling.shapley(value, 6, 1, 1)


def test_shares_by_weight():
    assert_allclose(games.proportional(6.0, np.array([1.0, 0.0, 2.0])), [2, 0, 4])
    assert_allclose(games.proportional(6.0, np.zeros(3)), games.equal(6.0, 3))


def test_indices_by_hand():
    one, alike = np.array([0.0, 0.0, 0.0, 8.0]), np.full(4, 2.0)
    assert (gini(one), jain(one)) == (pytest.approx(0.75), pytest.approx(0.25))
    assert (gini(alike), jain(alike)) == (pytest.approx(0), pytest.approx(1))
    steps = np.array([1.0, 2.0, 3.0])
    plain = np.abs(steps[:, None] - steps).sum() / (2 * 9 * 2)
    assert gini(steps) == pytest.approx(plain)
    assert jain(steps) == pytest.approx(36 / (3 * 14))
    assert np.isnan([gini(np.zeros(3)), jain(np.zeros(3)), gini(-alike)]).all()
