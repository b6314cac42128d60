"""Paths in the fee tree, their fees and flows, beside naive ones node by node."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.model.topology import fee_tree


@st.composite
def forests(draw):
    """Return parents (node,) of a forest with -1 at its roots, under any numbering of the nodes."""
    size = draw(st.integers(1, 12))
    above = [draw(st.integers(-1, node - 1)) for node in range(size)]
    name = draw(st.permutations(range(size)))
    parent = np.full(size, -1)
    for node, one in enumerate(above):
        parent[name[node]] = name[one] if one >= 0 else -1
    return parent


def path_to_root(parent, node):
    path = [node]
    while parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    return path


def dense_ancestors(parent):
    matrix = np.zeros((len(parent), len(parent)))
    for node in range(len(parent)):
        matrix[node, path_to_root(parent, node)] = 1.0
    return matrix


@settings(deadline=None)
@given(forests())
def test_ancestors_are_those_of_a_dense_matrix_node_by_node(parent):
    assert (fee_tree.ancestors(parent).toarray() == dense_ancestors(parent)).all()


@settings(deadline=None)
@given(forests())
def test_children_come_before_their_parents(parent):
    order = fee_tree.from_leaves(parent)
    assert sorted(order) == list(range(len(parent)))
    assert all(order.index(n) < order.index(int(parent[n])) for n in order if parent[n] >= 0)


@settings(deadline=None)
@given(forests(), st.data())
def test_flows_over_edges_are_those_of_every_trade_along_its_path(parent, data):
    root = path_to_root(parent, 0)[-1]
    connected = [n for n in range(len(parent)) if path_to_root(parent, n)[-1] == root]
    trades = data.draw(
        st.lists(st.tuples(st.sampled_from(connected), st.sampled_from(connected), st.integers(0, 9)))
    )
    start, end, power = (np.array([t[k] for t in trades], dtype=int) for k in range(3))
    flow = np.zeros(len(parent))
    for one, other, kw in trades:
        up, down = path_to_root(parent, one), path_to_root(parent, other)
        flow[[n for n in up if n not in down]] += kw
        flow[[n for n in down if n not in up]] -= kw
    assert (
        fee_tree.edge_flows(parent, fee_tree.depths(parent), start, end, power.astype(float)) == flow
    ).all()


def test_a_large_tree_has_few_entries():
    size = 8000
    parent = (np.arange(size) - 1) // 2  # a binary tree
    parent[0] = -1
    assert (
        fee_tree.ancestors(parent).nnz == sum(len(path_to_root(parent, n)) for n in range(size)) < 13 * size
    )


def inputs_of(parent, fee, access):
    label = np.array([f"n{k}" for k in range(len(parent))])
    return xr.Dataset(
        {
            "node_parent": ("node", np.where(np.array(parent) < 0, "", label[parent])),
            "node_fee": ("node", fee),
            "node_access_fee": ("node", access),
        },
        coords={"node": label},
    )


def test_the_fee_of_a_path_is_both_accesses_and_its_edges():
    #       n0            fees of the edges above: n1 1, n2 2, n3 4; access 0.5 at n3, else 0.25
    #      /  \
    #    n1    n2
    #    n3 (below n1)
    inputs = inputs_of([-1, 0, 0, 1], [0.0, 1.0, 2.0, 4.0], [0.25, 0.25, 0.25, 0.5])
    parent, depth = fee_tree.tree(inputs)
    assert (parent.tolist(), depth.tolist()) == ([-1, 0, 0, 1], [0, 1, 1, 2])
    start, end = np.array([3, 1, 3, 0]), np.array([2, 3, 3, 2])
    fees = fee_tree.path_fee(inputs, start, end)
    # n3-n1-n0-n2: 4 + 1 + 2; n1-n3: 4; within n3: nothing; n0-n2: 2
    assert fees.tolist() == [7.0 + 0.75, 4.0 + 0.75, 0.0 + 1.0, 2.0 + 0.5]


def test_fees_per_pair_take_the_place_of_the_path():
    inputs = inputs_of([-1, 0], [0.0, 1.0], [0.25, 0.5])
    inputs["trade_fee"] = ("node", "node_to"), np.array([[0.0, 3.0], [5.0, 0.0]])
    fees = fee_tree.path_fee(inputs, np.array([0, 1]), np.array([1, 0]))
    assert fees == pytest.approx([3.75, 5.75])


def street(parent, people, rng):
    """Return inputs of nodes (node,) by their parents with participants at some of them, as far as paths go."""
    size = len(parent)
    labels = np.array([f"n{k}" for k in range(size)])
    return xr.Dataset(
        {
            "node_parent": ("node", np.append(labels, "")[parent]),
            "node_fee": ("node", rng.integers(1, 9, size).astype(float)),
            "node_access_fee": ("node", rng.integers(0, 3, size).astype(float)),
            "node_limit": ("node", rng.choice([2.0, 5.0, np.inf], size)),
            "participant_node": ("participant", labels[people]),
        },
        coords={"node": labels, "participant": [f"p{k}" for k in range(len(people))]},
    )


@settings(deadline=None)
@given(forests(), st.data(), st.integers(0, 99))
def test_a_condensed_tree_has_the_same_fees_and_limits_between_those_who_are_there(parent, data, seed):
    size = len(parent)
    people = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5))
    whole = street(parent, people, np.random.default_rng(seed))
    less = fee_tree.condensed(whole)

    def ways(inputs):
        """Return fee and least limit between any two participants, None where no path joins them."""
        above, _ = fee_tree.tree(inputs)
        index = {label: k for k, label in enumerate(inputs["node"].values.tolist())}
        at = [index[label] for label in inputs["participant_node"].values.tolist()]
        found = []
        for one, other in itertools.product(at, at):
            paths = [path_to_root(above, end) for end in (one, other)]
            edges = sorted(set(paths[0]) ^ set(paths[1]))
            fee = float(fee_tree.path_fee(inputs, np.array([one]), np.array([other]))[0])
            least = float(min(inputs["node_limit"].values[edges], default=np.inf))
            found.append((fee, least) if paths[0][-1] == paths[1][-1] else None)
        return found

    assert ways(less) == ways(whole)
    assert less["node_access_fee"].equals(whole["node_access_fee"].sel(node=less["node"]))
    here, above = set(less["participant_node"].values), less["node_parent"].values.tolist()
    assert all(label in here or above.count(label) > 1 for label in less["node"].values.tolist())
