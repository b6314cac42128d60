"""Programs that fall apart are solved in batches, to the same optimum."""

import numpy as np
import pytest
from scipy import sparse

from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.lp.matrix import bare, compile_block
from otonari.model.results import collect
from otonari.model.solver import components
from otonari.model.solver.bottom_up import optimum
from otonari.model.solver.highs import prove
from otonari.model.solver.solve import solve

from .benchmarks.neighbourhood import neighbourhood


def program(matrix, cost, row_upper):
    rows, columns = np.shape(matrix)
    return bare(
        cost=np.array(cost, dtype=float),
        lower=np.zeros(columns),
        upper=np.full(columns, 10.0),
        integer=np.zeros(columns, dtype=bool),
        matrix=sparse.csr_matrix(np.array(matrix, dtype=float)),
        row_lower=np.full(rows, -np.inf),
        row_upper=np.array(row_upper, dtype=float),
    )


def everything(program):
    return np.ones(len(program.cost), dtype=bool)


def test_parts_are_told_apart(monkeypatch):
    monkeypatch.setattr(components, "ROWS", 1)
    # rows 0 and 2 share column 1; row 1 has column 3 alone; column 2 is in no row
    apart = program([[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], [-1, -1, -1, -1], [4, 5, 3])
    members = components.Parts(apart, everything(apart)).members()
    assert sorted(np.concatenate([c for _, c in members]).tolist()) == [0, 1, 2, 3]
    assert sorted(np.concatenate([r for r, _ in members]).tolist()) == [0, 1, 2]
    together = next(set(c.tolist()) for _, c in members if 0 in c)
    assert 1 in together
    assert 3 not in together


def test_a_column_that_waits_joins_what_it_touches_when_it_comes_in(monkeypatch):
    monkeypatch.setattr(components, "ROWS", 1)
    # column 1 waits between row 0 (column 0) and row 1, which nothing else touches; column 2 between rows 1 and 2
    chain = program([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, 1]], [-1, -1, -1, -1], [4, 5, 3])
    inside = np.array([True, False, False, True])
    split = components.Parts(chain, inside)
    assert split.free.tolist() == [False, True, False]
    assert sorted((r.tolist(), c.tolist()) for r, c in split.members()) == [([0], [0]), ([2], [3])]
    changed = split.members(split.join(np.array([1])))
    assert [(r.tolist(), c.tolist()) for r, c in changed] == [([0, 1], [0, 1])]
    assert not split.free.any()
    changed = split.members(split.join(np.array([2])))
    assert [(r.tolist(), c.tolist()) for r, c in changed] == [([0, 1, 2], [0, 1, 2, 3])]
    assert (split.piece(*changed[0]).matrix != chain.matrix).nnz == 0


def test_the_optimum_of_parts_is_the_optimum(monkeypatch):
    monkeypatch.setattr(components, "ROWS", 1)
    # max x0 + x1 with x0 + x1 <= 4, x1 <= 3; max x3 <= 5; x2 is free up to 10: 4 + 5 + 10
    apart = program([[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], [-1, -1, -1, -1], [4, 5, 3])
    run = optimum(apart)
    assert run.method == "3 independent parts"
    assert apart.cost @ run.x == pytest.approx(-19)
    assert max(prove(apart, run.x, run.dual).values()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("minimum", [False, True])
def test_a_community_without_peers_costs_the_same_in_parts_and_as_a_whole(monkeypatch, minimum):
    inputs = neighbourhood(30).copy(deep=True)
    inputs["vehicle_min_charge"].values[:] = 1.4 * minimum
    whole = community_block(inputs, "grid-only")
    monkeypatch.setattr(components, "ROWS", 10**9)
    expected = solve(whole, mip_gap=1e-9).objective
    monkeypatch.setattr(components, "ROWS", 100)
    program = compile_block(whole)
    assert len(components.Parts(program, everything(program)).members()) > 5
    apart = community_block(inputs, "grid-only")
    solution = solve(apart, mip_gap=1e-9)
    assert solution.objective == pytest.approx(expected, rel=1e-7)
    assert solution.proof["duality_gap"] < 1e-9
    for name, values in collect(whole).items():
        assert np.allclose(values, collect(apart)[name], atol=1e-5) or minimum, name


def test_an_infeasible_part_is_named_as_in_the_whole(monkeypatch):
    monkeypatch.setattr(components, "ROWS", 100)
    inputs = neighbourhood(30).copy(deep=True)
    inputs["import_limit"].values[7] = 0.01
    with pytest.raises(Infeasible) as caught:
        solve(community_block(inputs, "grid-only"))
    home = inputs["participant"].values[7]
    own = [
        f"{device} {label}"
        for device in ("battery", "vehicle")
        for label in inputs[device].values[inputs[f"{device}_owner"].values == home]
    ]
    named = {c.who for c in caught.value.causes}
    assert named
    assert named <= {home, *own}
