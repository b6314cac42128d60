"""Bases by name and label: what two programs share starts where it was, the rest at rest."""

import numpy as np
import pytest

from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.basis import ABSENT, IDLE, at_rest, basis_of, start_from, statuses
from otonari.model.solver.highs import basic_solution, load, optimal, run

from .benchmarks.neighbourhood import neighbourhood


@pytest.fixture(scope="module")
def block():
    """Return a block, which has to live on: its families are named after it."""
    return community_block(neighbourhood(4), "grid-only")


@pytest.fixture(scope="module")
def program(block):
    return compile_block(block)


@pytest.fixture(scope="module")
def optimum(program):
    highs = load(program, None, 0.0)
    run(highs)
    return basic_solution(highs, program)


def test_a_basis_has_as_many_basic_entries_as_rows(program, optimum):
    basic = 1
    assert IDLE == (0, 3)  # HiGHS numbers its statuses: at the lower bound, basic, at the upper one, zero, ..
    for columns, rows in (at_rest(program), (optimum.column_status, optimum.row_status)):
        assert (columns == basic).sum() + (rows == basic).sum() == len(program.row_lower)


def test_a_basis_fits_its_own_program_entry_by_entry(program, optimum):
    basis = basis_of(program, optimum.column_status, optimum.row_status)
    columns, rows = statuses(program, basis)
    assert (columns == optimum.column_status).all()
    assert (rows == optimum.row_status).all()


def test_an_optimal_basis_needs_no_iteration(program, optimum):
    highs = load(program, None, 0.0)
    start_from(highs, optimum.column_status, optimum.row_status)
    run(highs)
    assert optimal(highs)
    assert highs.getInfo().simplex_iteration_count == 0


def test_what_is_new_is_at_rest(program, optimum):
    basis = basis_of(program, optimum.column_status, optimum.row_status)
    block = community_block(neighbourhood(6), "grid-only")
    larger = compile_block(block)
    columns, rows = statuses(larger, basis)
    rest = at_rest(larger)
    start = 0
    for family in larger.variables:
        own = slice(start, start + len(family.position))
        known = family.name in basis.columns
        for index, status, resting in zip(family.labels(), columns[own], rest[0][own], strict=True):
            index = index if isinstance(index, tuple) else (index,)
            new = any(label not in basis.labels[s.name] for s, label in zip(family.sets, index, strict=True))
            assert status == resting or (known and not new)
        start += len(family.position)
    assert len(rows) == len(larger.row_lower)


def test_entries_that_a_program_lacks_are_marked(program, optimum):
    basis = basis_of(program, optimum.column_status, optimum.row_status)
    for family in program.variables:
        sets, dense = basis.columns[family.name]
        assert sets == tuple(s.name for s in family.sets)
        missing = np.ones(dense.size, dtype=bool)
        missing[family.position] = False
        assert ((dense.ravel() == ABSENT) == missing).all()
