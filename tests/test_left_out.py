"""Rows that tighten directions, left out until they are broken: the same bound, and values that obey them all."""

import numpy as np
import pyomo.environ as pyo
import pytest

import otonari
from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.results import collect
from otonari.model.solver import bottom_up
from otonari.model.solver.binaries import directions, left_out, search
from otonari.model.solver.highs import prove
from otonari.model.solver.solve import _solved, _within, solve

from . import counts
from .communities import random_community

DECIDED = (21, 55, 61, 122, 138, 14, 22, 23, 40, 56, 70, 72, 76, 85, 86, 93, 98, 106, 111, 140, 145, 148)
"""Seeds of communities of which directions are decided; of two of them the gap is not zero."""
UNBROKEN = (12, 13, 26, 43, 80, 89, 92, 101, 104, 134, 137)
"""Seeds of communities in which prices cross, and nobody gains by it."""


def relaxed(block):
    return directions.relaxed(compile_block(block))


def bound(solution):
    return solution.objective - solution.proof["mip_gap"] * abs(solution.objective)


@pytest.mark.parametrize("seed", counts.share(DECIDED))
def test_bound_and_optimum_are_those_of_the_program_with_all_rows(monkeypatch, seed):
    inputs = random_community(seed)
    whole = solve(community_block(inputs))
    monkeypatch.setattr(search, "MANY", 0)
    found = solve(community_block(inputs))
    assert found.directions > 0
    assert bound(found) == pytest.approx(bound(whole), rel=3e-6, abs=1e-6)
    assert found.objective == pytest.approx(whole.objective, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("seed", counts.share(UNBROKEN))
def test_values_obey_the_rows_that_were_left_out(seed):
    program = relaxed(community_block(random_community(seed)))
    pairs = left_out.possible(program)
    assert pairs.any()
    while True:
        thin = left_out.without(program, pairs)
        optimum = bottom_up.optimum(thin)
        broken = directions.broken(program, optimum.x) & pairs
        if not broken.any():
            break
        pairs &= ~np.isin(program.pairs.family, program.pairs.family[broken])
    assert thin.matrix.nnz < program.matrix.nnz
    x = left_out.restored(program, pairs, optimum.x)
    assert max(prove(program, x, optimum.dual).values()) < 1e-7
    assert set(np.unique(x[program.pairs.switch[pairs]])) <= {0.0, 1.0}


def test_rows_stay_where_a_user_says_something_of_their_switch_or_copies():
    def possible(say):
        block = community_block(random_community(12))
        say(block, [block.giving[index] for index in block.giving])
        return left_out.possible(relaxed(block)).sum()

    whole = possible(lambda block, switches: None)
    assert whole == 7

    def row(block, switches):
        block.mine = pyo.Constraint(expr=switches[0] + switches[1] <= 1)

    def fixed(block, switches):
        switches[2].fix(1)

    def copy(block, switches):
        copies = block.battery_discharge_while_giving
        block.mine = pyo.Constraint(expr=next(iter(copies.values())) <= 1.0)

    def anew(block, switches):
        index = next(iter(block.give_own))
        block.give_own[index].set_value(block.give_own[index].body <= 1.0)

    assert possible(row) == whole - 2
    for say in (fixed, copy, anew):
        assert possible(say) == whole - 1


def test_the_relaxation_is_told_with_its_cost_where_directions_were_decided():
    def told(seed):
        found = []
        inputs = random_community(seed)
        otonari.clear(inputs, relaxation=lambda results, cost: found.append((results, cost)))
        return inputs, found

    assert not told(12)[1]
    inputs, [(results, cost)] = told(61)
    block = community_block(inputs)
    assert cost == pytest.approx(solve(block, one_way=False).objective)
    assert results["price"].shape == collect(block)["price"].shape


@pytest.mark.parametrize("seed", counts.share(DECIDED))
def test_an_optimum_stays_one_of_a_program_with_more_directions_decided(seed):
    program = relaxed(community_block(random_community(seed)))
    searching = search.Search(mip_gap=1e-4, time_limit=None, threads=1)
    best = _solved(program, None, False, searching, True)
    more = directions.decided(best.decided.program, best.decided.program.pairs.switch >= 0)
    kept = _within(more, best)
    assert not kept.decided.program.integer.any()
    again = bottom_up.optimum(kept.decided.program)
    assert again is not None
    cost = more.cost @ again.x + more.offset
    assert cost == pytest.approx(best.objective) or cost < best.objective
    assert set(np.unique(kept.optimum.x[more.pairs.switch[more.pairs.switch >= 0]])) <= {0.0, 1.0}
