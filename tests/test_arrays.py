"""Array-backed components are ordinary Pyomo to everybody else."""

import numpy as np
import pyomo.environ as pyo
import pytest

from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.solve import solve

from . import counts
from .communities import random_community

SEEDS = counts.share(range(12))


def wrapped(inputs, **options):
    model = pyo.ConcreteModel()
    model.community = community_block(inputs, **options)
    model.total = pyo.Objective(expr=model.community.cost)
    return model


@pytest.mark.parametrize("seed", SEEDS)
def test_pyomos_own_highs_interface_finds_the_same_optimum(seed):
    inputs = random_community(seed)
    ours = solve(community_block(inputs)).objective
    model = wrapped(inputs)
    outcome = pyo.SolverFactory("appsi_highs").solve(model)
    assert outcome.solver.termination_condition == pyo.TerminationCondition.optimal
    assert pyo.value(model.total) == pytest.approx(ours, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_lp_file_that_pyomo_writes_has_the_same_optimum(seed, tmp_path):
    import highspy

    inputs = random_community(seed)
    path = tmp_path / "community.lp"
    wrapped(inputs).write(str(path), io_options={"symbolic_solver_labels": True})
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(path))
    highs.run()
    ours = solve(community_block(inputs)).objective
    assert highs.getInfo().objective_function_value == pytest.approx(ours, rel=1e-7, abs=1e-7)


def test_nothing_is_materialised_by_our_own_solve():
    block = community_block(random_community(10))
    solve(block)
    assert not any(family.touched for family in compile_block(block).variables)


def test_data_objects_carry_bounds_values_and_indices():
    inputs = random_community(10)
    block = community_block(inputs)
    solve(block)
    family = block.grid.imports
    values = family.array().copy()
    for i, (index, data) in enumerate(family.items()):
        assert data.index() == index
        assert data.value == pytest.approx(values[i])
        assert data.lb == family.lower[i]
        assert data.ub == pytest.approx(family.upper[i])
    assert family.dense().shape == family.shape
    assert family.dense().sum() == pytest.approx(values.sum())


def test_a_column_that_can_only_be_zero_does_not_exist():
    block = community_block(random_community(10))
    missing = next(m for m in block.sets.meter for t in block.sets.time if (m, t) not in block.grid.exports)
    with pytest.raises(KeyError):
        block.grid.exports[missing, "no such time"]
    time = next(t for t in block.sets.time if (missing, t) not in block.grid.exports)
    with pytest.raises(KeyError, match="could only ever be zero"):
        block.grid.exports[missing, time]


def test_a_users_row_is_spliced_in():
    inputs = random_community(10)
    free = community_block(inputs)
    cost = solve(free).objective
    block = community_block(inputs)
    block.cap = pyo.Constraint(
        block.sets.time, rule=lambda b, t: b.net_exchange[t] + 0 <= pyo.value(free.net_exchange[t]) + 0.0
    )
    assert solve(block).objective == pytest.approx(cost, rel=1e-7, abs=1e-7)
    slot = max(free.sets.time, key=lambda t: pyo.value(free.net_exchange[t]))
    tight = community_block(inputs)
    tight.cap = pyo.Constraint(expr=tight.net_exchange[slot] <= pyo.value(free.net_exchange[slot]) - 0.01)
    dearer = solve(tight).objective
    host = wrapped(inputs)
    host.cap = pyo.Constraint(
        expr=host.community.net_exchange[slot] <= pyo.value(free.net_exchange[slot]) - 0.01
    )
    pyo.SolverFactory("appsi_highs").solve(host)
    assert dearer > cost
    assert dearer == pytest.approx(pyo.value(host.total), rel=1e-7, abs=1e-7)


def test_a_users_variable_objective_and_fixing_are_compiled():
    inputs = random_community(10)
    block = community_block(inputs)
    block.peak = pyo.Var(within=pyo.NonNegativeReals)
    block.above = pyo.Constraint(block.sets.time, rule=lambda b, t: b.peak >= b.net_exchange[t])
    block.least_peak = pyo.Objective(expr=block.peak)
    peak = solve(block).objective
    assert peak == pytest.approx(
        max(0.0, *(pyo.value(block.net_exchange[t]) for t in block.sets.time)), abs=1e-6
    )
    index = next(iter(block.grid.imports))
    block.grid.imports[index].fix(0.1)
    assert solve(block).objective >= peak - 1e-9
    assert block.grid.imports[index].value == pytest.approx(0.1)


def test_nonlinear_rows_are_refused_by_name():
    block = community_block(random_community(10))
    data = next(iter(block.grid.imports.values()))
    block.curve = pyo.Constraint(expr=data**2 <= 1)
    with pytest.raises(ValueError, match="curve: got a nonlinear expression"):
        solve(block)


def test_a_model_survives_cloning():
    model = wrapped(random_community(5))
    copy = model.clone()
    results = [pyo.SolverFactory("appsi_highs").solve(m) for m in (model, copy)]
    assert all(r.solver.termination_condition == pyo.TerminationCondition.optimal for r in results)
    assert pyo.value(copy.total) == pytest.approx(pyo.value(model.total), rel=1e-9)
    assert next(iter(copy.community.grid.imports.values())) is not next(
        iter(model.community.grid.imports.values())
    )


def test_values_that_a_host_solved_are_read_back():
    from otonari.model.results import collect

    inputs = random_community(5)
    model = wrapped(inputs)
    pyo.SolverFactory("appsi_highs").solve(model)
    results = collect(model.community)
    balance = results["draw"] - results["supply"] - results["pv_curtailment"]
    net = inputs["demand"] - inputs["pv_available"]
    idle = ~np.isin(inputs["participant"], [*inputs["battery_owner"].values, *inputs["vehicle_owner"].values])
    assert np.allclose(balance.values[idle], net.values[idle], atol=1e-6)
    assert "price" not in results
