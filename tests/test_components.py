"""Parts of a program: batches, columns that are left out, and how columns that are priced in join them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from otonari.model.lp.matrix import bare
from otonari.model.solver.components import Parts


def program(matrix):
    rows, columns = matrix.shape
    return bare(
        cost=np.arange(columns, dtype=float),
        lower=np.zeros(columns),
        upper=np.full(columns, 10.0),
        integer=np.zeros(columns, dtype=bool),
        matrix=sparse.csr_matrix(matrix),
        row_lower=-np.arange(rows, dtype=float),
        row_upper=np.arange(rows, dtype=float),
    )


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    entries = draw(st.lists(st.integers(0, 2), min_size=rows * columns, max_size=rows * columns))
    inside = draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    return np.array(entries, dtype=float).reshape(rows, columns), np.array(inside)


def reached(matrix, inside, row):
    """Return the rows that hang together with a row through columns inside, by a search one by one."""
    found, todo = {row}, [row]
    while todo:
        one = todo.pop()
        for column in np.flatnonzero((matrix[one] != 0) & inside):
            new = set(np.flatnonzero(matrix[:, column]).tolist()) - found
            found |= new
            todo += new
    return found


def same_parts(parts, matrix, inside):
    return all(
        {r for r in range(len(matrix)) if parts.row[r] == parts.row[row]} == reached(matrix, inside, row)
        for row in range(len(matrix))
    )


def full(matrix):
    """Return a matrix with an own column in every row, so that no row is in a batch for want of one."""
    return np.hstack([matrix, np.eye(len(matrix))])


@settings(deadline=None)
@given(matrices())
def test_parts_are_the_connected_components(drawn):
    matrix, inside = full(drawn[0]), np.append(drawn[1], np.ones(len(drawn[0]), dtype=bool))
    assert same_parts(Parts(program(matrix), inside, rows=1), matrix, inside)


@settings(deadline=None)
@given(matrices())
def test_columns_priced_in_join_what_they_touch(drawn):
    matrix, inside = full(drawn[0]), np.append(drawn[1], np.ones(len(drawn[0]), dtype=bool))
    parts = Parts(program(matrix), inside, rows=1)
    entering = np.flatnonzero(~inside & (matrix != 0).any(axis=0))
    parts.join(entering)
    now = inside.copy()
    now[entering] = True
    assert (parts.inside == now).all()
    assert same_parts(parts, matrix, now)


def test_a_row_that_only_a_left_out_column_touches_is_free():
    matrix = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    parts = Parts(program(matrix), np.array([True, False, True]), rows=1)
    assert parts.free.tolist() == [False, True, False]
    assert parts.column[1] == -1
    assert len(set(parts.row.tolist())) == 3
    assert parts.join(np.array([1])).tolist() == [int(parts.row[0])]
    assert not parts.free.any()
    assert len(set(parts.row.tolist())) == 1


def test_a_part_is_a_program_of_its_own():
    matrix = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    parts = Parts(program(matrix), np.ones(3, dtype=bool), rows=1)
    (rows, columns), (others, rest) = parts.members()
    assert (rows.tolist(), columns.tolist(), others.tolist(), rest.tolist()) == ([0], [0, 2], [1], [1])
    own = parts.piece(rows, columns)
    assert own.matrix.toarray().tolist() == [[1.0, 2.0]]
    assert own.cost.tolist() == [0.0, 2.0]


def test_small_parts_go_together_in_batches():
    count = len(Parts(program(np.eye(10)), np.ones(10, dtype=bool), rows=4).members())
    assert count == 3
