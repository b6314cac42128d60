"""Fees between nodes, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.assembly.fees import band_fees, length_fees, level_fees, path_lengths, straight_distances
from otonari.data.inputs.tree import faults

#        r
#    3 /   \ 5
#     a     b
#  2 / \ 4
#   c   d
NODES = ["c", "r", "a", "b", "d"]
PARENTS = ["a", "", "r", "r", "a"]
LENGTHS = np.array([2.0, 99.0, 3.0, 5.0, 4.0])


def test_level_fees_look_up_the_edge():
    assert level_fees([None, "bank", "substation"], {"bank": 0.83, "substation": 1.13}).tolist() == [
        0,
        0.83,
        1.13,
    ]


def test_length_fees_are_proportional():
    assert length_fees(np.array([0.0, 100.0, 250.0]), 0.02) == pytest.approx([0, 2, 5])


def test_path_lengths_by_hand():
    expected = {
        "cc": 0,
        "cr": 5,
        "ca": 2,
        "cb": 10,
        "cd": 6,
        "rb": 5,
        "ra": 3,
        "rd": 7,
        "ab": 8,
        "ad": 4,
        "bd": 12,
    }
    distance = path_lengths(NODES, PARENTS, LENGTHS)
    for pair, length in expected.items():
        i, j = (NODES.index(n) for n in pair)
        assert distance[i, j] == distance[j, i] == length


@settings(deadline=None)
@given(st.data(), st.integers(1, 12))
def test_path_lengths_agree_with_climbing_to_the_root(data, size):
    nodes = [f"n{i}" for i in range(size)]
    parents = [""] + [nodes[data.draw(st.integers(0, i - 1))] for i in range(1, size)]
    lengths = np.array([data.draw(st.integers(0, 9)) for _ in nodes], dtype=float)
    order = data.draw(st.permutations(range(size)))
    nodes, parents, lengths = [nodes[i] for i in order], [parents[i] for i in order], lengths[order]

    def up(name):
        edges = set()
        while parents[nodes.index(name)]:
            edges.add(name)
            name = parents[nodes.index(name)]
        return edges

    distance = path_lengths(nodes, parents, lengths)
    for i, a in enumerate(nodes):
        for j, b in enumerate(nodes):
            assert distance[i, j] == sum(lengths[nodes.index(e)] for e in up(a) ^ up(b))


def test_straight_distances():
    expected = [[0, 5, 1], [5, 0, np.hypot(3, 3)], [1, np.hypot(3, 3), 0]]
    assert straight_distances(np.array([0.0, 3.0, 0.0]), np.array([0.0, 4.0, 1.0])) == pytest.approx(
        np.array(expected)
    )


def test_bands_hold_their_end():
    fees = band_fees(np.array([0.0, 0.1 + 0.2, 0.31, 1.0, 1.01]), [0.3, 1.0], [1.0, 2.0, 4.0])
    assert fees.tolist() == [1.0, 1.0, 2.0, 2.0, 4.0]


def test_one_band_is_one_fee():
    assert band_fees(np.array([[0.0, 7.0]]), [], [3.0]).tolist() == [[3.0, 3.0]]


@pytest.mark.parametrize(
    ("nodes", "parents", "found"),
    [
        (NODES, PARENTS, []),
        (["a", "b"], ["b", "a"], [(0, "no root"), (0, "a cycle a > b > a")]),
        (["a"], ["a"], [(0, "no root"), (0, "a cycle a > a")]),
        (["r", "a", "b"], ["", "b", "a"], [(1, "a cycle a > b > a")]),
        (["r", "s"], ["", ""], [(1, "a second root beside 'r'")]),
        (["root", "a"], ["", "rot"], []),  # that 'rot' is unknown is said of the label
    ],
)
def test_faults_of_a_tree(nodes, parents, found):
    assert [(i, got) for i, got, _ in faults(nodes, parents)] == found
