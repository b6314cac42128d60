"""Sizes by cuts: the optimum of the plan as one program, its proof, and ways back to that where cuts do not serve."""

import numpy as np
import pytest
from pyomo.environ import Constraint

from otonari.model.lp.matrix import compile_block
from otonari.model.planning import enlarge, plan_block, sizes, value_of_more
from otonari.model.solver import benders
from otonari.model.solver.binaries import directions
from otonari.model.solver.components import Parts
from otonari.model.solver.solve import solve

from . import counts
from .plans import random_plan
from .test_planning import house

SEEDS = counts.all_or(range(60), (9,))
NEVER = 10**9


@pytest.fixture
def from_rows(monkeypatch):
    """Return a function that says from how many rows on sizes are decided by cuts, however large a part is."""
    monkeypatch.setattr(benders, "LARGEST", 1.0)
    return lambda rows: monkeypatch.setattr(benders, "ROWS", rows)


def planned(periods, weights, **options):
    plan = plan_block(periods, weights, minimum_charge=False)
    return plan, solve(plan, one_way=False, mip_gap=1e-9, **options)


def other_binaries(plan):
    """Return whether a plan has binaries that are not sizes: then it is solved as one."""
    program = directions.relaxed(compile_block(plan))
    shared = np.concatenate([np.full(len(f.position), f.shared) for f in program.variables])
    return bool(program.integer[~shared].any())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_cuts_find_what_one_program_finds(seed, whole, from_rows):
    periods, weights = random_plan(seed, whole=whole, line=bool(seed % 2))
    periods, weights = [periods[0], *periods], [1.0, *weights]
    from_rows(NEVER)
    one = planned(periods, weights)[1]
    from_rows(0)
    plan, by_cuts = planned(periods, weights, threads=1 + whole)
    assert "sizes by cuts" not in one.method
    assert ("sizes by cuts" in by_cuts.method) == (not other_binaries(plan))
    assert by_cuts.objective == pytest.approx(one.objective, rel=2 * benders.GAP, abs=1e-6)
    least = by_cuts.objective - by_cuts.proof["mip_gap"] * abs(by_cuts.objective)
    assert least <= one.objective + 1e-6 * abs(one.objective) + 1e-6  # the bound is one
    most = periods[0]["candidate_most"].values
    assert ((sizes(plan) >= 0) & (sizes(plan) <= most)).all()


def test_days_that_need_some_size_are_decided_as_one(from_rows):
    """A connection of 1.5 kW and a demand of 2 kW: without a battery there is no optimum at all."""
    from_rows(0)
    days = [house(20.0, import_limit=1.5) for _ in range(2)]
    plan, solution = planned(days, [1, 1])
    assert "sizes by cuts" not in solution.method
    assert sizes(plan) == pytest.approx([1 / 0.9])  # 0.5 kW, charged at 0.9, by half a kW per kWh


def test_rows_of_sizes_alone_hold(from_rows):
    from_rows(0)
    for cost, low, high, built in ((99.0, 2.0, None, 2.0), (5.0, None, 2.5, 2.5)):
        plan = plan_block([house(cost), house(cost)])
        size = plan.investment.component("size")["store"]
        plan.add_component("asked", Constraint(expr=(low, size, high)))
        solution = solve(plan, one_way=False)
        assert "sizes by cuts" in solution.method
        assert sizes(plan) == pytest.approx([built], abs=1e-6)


def test_fixed_sizes_do_not_join_days(from_rows):
    from_rows(NEVER)
    periods, weights = [house(5.0) for _ in range(3)], [1, 2, 1]
    plan, first = planned(periods, weights)
    size = sizes(plan)
    assert size == pytest.approx([4 / 0.9])
    joined = compile_block(plan)
    fixed = benders.decided(joined, decide=False)
    assert fixed.program is joined
    enlarge(plan)
    fixed = benders.decided(compile_block(plan), decide=False)
    assert fixed.values[fixed.values != 0] == pytest.approx(size + 1e-3)
    parts = Parts(fixed.program, (fixed.program.lower != 0) | (fixed.program.upper != 0), rows=1)
    assert len(parts.members()) >= 3
    again = solve(plan, one_way=False, start=first, tie_break=False)
    assert again.objective == pytest.approx(first.objective + 3 * 5e-3)  # a watt-hour that nobody needs
    assert value_of_more(plan) == pytest.approx([0.0], abs=1e-9)
