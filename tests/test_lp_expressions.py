"""Arrays of linear expressions, worked by hand: two stores over three slots, of one family of six variables."""

import numpy as np
import pytest

from otonari.model.lp.expressions import Linear, Term


class Family:
    """Variables with given values, as `Term` needs them."""

    def __init__(self, *values):
        self.values = np.array(values, dtype=float)

    def array(self):
        return self.values


X = Linear((2, 3), 0.0, [Term(Family(1, 2, 3, 10, 20, 30), np.arange(6), np.arange(6), np.ones(6))])


def test_arithmetic_is_that_of_the_values():
    assert (2 * X + 1).values().tolist() == [[3, 5, 7], [21, 41, 61]]
    assert (5 - X / 2).values().tolist() == [[4.5, 4, 3.5], [0, -5, -10]]
    assert (X - X).values().tolist() == [[0] * 3] * 2
    assert (np.array([[1.0], [10.0]]) * X).values().tolist() == [
        [1, 2, 3],
        [100, 200, 300],
    ]  # broadcast over time


def test_a_comparison_leaves_the_constants_on_the_right():
    less, more = X + 4.0, 2 * X + np.array([[1.0], [2.0]])
    relation = less <= more
    assert relation.body.values().tolist() == (-X.values()).tolist()
    assert relation.upper.tolist() == [[-3] * 3, [-2] * 3]
    assert (relation.lower == -np.inf).all()
    assert (X >= 1.0).upper.tolist() == [[np.inf] * 3] * 2
    equal = X - 7.0 == 0.0
    assert (equal.lower == 7.0).all()
    assert (equal.upper == 7.0).all()


def test_the_slot_before_begins_with_what_is_given():
    assert X.previous([0.5, 5.0]).values().tolist() == [[0.5, 1, 2], [5, 10, 20]]
    assert (X + 1).previous([0.5, 5.0]).values().tolist() == [[0.5, 2, 3], [5, 11, 21]]


def test_entities_are_summed_at_their_places():
    assert X.at(np.array([1, 1]), 3).values().tolist() == [[0] * 3, [11, 22, 33], [0] * 3]
    assert X.at(np.array([0, -1]), 1).values().tolist() == [[1, 2, 3]]
    moving = np.array([[0, 1, -1], [1, 1, 0]])  # the place of each store in each slot
    assert (X + 1).at(moving, 2).values().tolist() == [[2, 0, 31], [11, 3 + 21, 0]]


def test_entries_go_to_flat_positions():
    assert (X + 1).into(np.array([0, 0, -1, 1, -1, 1]), (2,)).values().tolist() == [5, 42]


@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_sums(constant):
    assert (X + constant).sum().values() == 66 + 6 * constant
    assert (X + constant).over_entities().values().tolist() == [
        11 + 2 * constant,
        22 + 2 * constant,
        33 + 2 * constant,
    ]


def test_no_term_is_left_where_an_expression_is_nowhere():
    assert all(len(term.row) == 0 for term in X.at(np.array([-1, -1]), 1).terms)
