"""Programs that fall apart are solved in batches, to the same optimum."""

import numpy as np
import pytest
from scipy import sparse

from otonari.model import parts
from otonari.model.clearing import community_block
from otonari.model.highs import prove
from otonari.model.program import bare, compile_block
from otonari.model.results import collect
from otonari.model.solve import Infeasible, solve

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


def test_parts_are_told_apart(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 1)
    # rows 0 and 2 share column 1; row 1 has column 3 alone; column 2 is in no row
    apart = program([[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], [-1, -1, -1, -1], [4, 5, 3])
    pieces = parts.batches(apart)
    assert sorted(np.concatenate([c for c, _ in pieces]).tolist()) == [0, 1, 2, 3]
    assert sorted(np.concatenate([r for _, r in pieces]).tolist()) == [0, 1, 2]
    together = next(set(c.tolist()) for c, _ in pieces if 0 in c)
    assert 1 in together
    assert 3 not in together


def test_the_optimum_of_parts_is_the_optimum(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 1)
    # max x0 + x1 with x0 + x1 <= 4, x1 <= 3; max x3 <= 5; x2 is free up to 10: 4 + 5 + 10
    apart = program([[1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], [-1, -1, -1, -1], [4, 5, 3])
    run = parts.solve_apart(apart, None, 0.0)
    assert apart.cost @ run.x == pytest.approx(-19)
    assert max(prove(apart, run.x, run.dual).values()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("minimum", [False, True])
def test_a_community_without_peers_costs_the_same_in_parts_and_as_a_whole(monkeypatch, minimum):
    inputs = neighbourhood(30).copy(deep=True)
    inputs["vehicle_min_charge"].values[:] = 1.4 * minimum
    whole = community_block(inputs, "grid-only")
    monkeypatch.setattr(parts, "ROWS", 10**9)
    expected = solve(whole, mip_gap=1e-9).objective
    monkeypatch.setattr(parts, "ROWS", 100)
    assert len(parts.batches(compile_block(whole))) > 5
    apart = community_block(inputs, "grid-only")
    solution = solve(apart, mip_gap=1e-9)
    assert solution.objective == pytest.approx(expected, rel=1e-7)
    assert solution.proof["duality_gap"] < 1e-9
    for name, values in collect(whole).items():
        assert np.allclose(values, collect(apart)[name], atol=1e-5) or minimum, name


def test_an_infeasible_part_is_named_as_in_the_whole(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 100)
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
