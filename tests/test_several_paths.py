"""One proof of several leaves: against the proofs of each, and every other proof."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.runs.ledger.format import merkle

from . import counts


def hashes(size):
    return [merkle.leaf(b"%d" % i) for i in range(size)]


CASES = st.integers(1, 40).flatmap(
    lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1, max_size=n))
)


@settings(max_examples=counts.examples(40), derandomize=True, database=None, deadline=None)
@given(CASES)
def test_one_proof_of_several_leaves_leads_to_the_root(case):
    size, wanted = case
    every = hashes(size)
    tree = merkle.Tree(every)
    leaves, proof = {index: every[index] for index in wanted}, tree.paths(wanted)
    assert merkle.root_from_paths(leaves, size, proof) == merkle.root(every)
    assert len(proof) <= len({h for index in wanted for h in tree.path(index)})
    if len(wanted) == 1:
        assert sorted(proof) == sorted(tree.path(min(wanted)))


def test_a_range_by_hand():
    """Leaves 2 to 4 of seven: beside them stand the subtree of 0 and 1, leaf 5, and leaf 6 alone at the end."""
    every = hashes(7)
    assert merkle.Tree(every).paths([2, 3, 4]) == [merkle.node(every[0], every[1]), every[5], every[6]]


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: [*p, p[0]], lambda p: p[::-1]])
def test_no_other_proof_leads_there(change):
    every = hashes(7)
    leaves, proof = {2: every[2], 3: every[3]}, merkle.Tree(every).paths([2, 3])
    with contextlib.suppress(ValueError):
        assert merkle.root_from_paths(leaves, 7, change(proof)) != merkle.root(every)


@pytest.mark.parametrize("leaves", [{}, {7: b""}, {-1: b""}])
def test_leaves_that_are_not_there(leaves):
    with pytest.raises(ValueError, match="no such leaves"):
        merkle.root_from_paths(leaves, 7, [])
