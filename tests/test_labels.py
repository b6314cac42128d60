"""Entries found by their labels, and sums by place."""

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from otonari.model.labels import places, positions, sum_at


@given(st.lists(st.text("abc", max_size=2), unique=True), st.lists(st.text("abc", max_size=2)))
def test_places_are_those_of_a_search_one_by_one(labels, values):
    found = places(np.array(labels, dtype=object), np.array(values, dtype=object))
    assert found.tolist() == [labels.index(v) if v in labels else -1 for v in values]


def test_labels_of_several_slots_keep_their_shape():
    found = places(np.array(["b", "a"]), np.array([["a", ""], ["b", "a"]]))
    assert found.tolist() == [[1, -1], [0, 1]]


def test_positions_look_a_variable_up_in_a_dimension():
    inputs = xr.Dataset({"owner": ("battery", ["y", "", "x"])}, coords={"participant": ["x", "y"]})
    assert positions(inputs, "owner", "participant").tolist() == [1, -1, 0]


def test_sums_add_what_has_the_same_place():
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert sum_at(np.array([2, 0, 2]), values, 3).tolist() == [[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]]
    assert sum_at(np.array([], dtype=int), np.zeros((0, 2)), 1).tolist() == [[0.0, 0.0]]
