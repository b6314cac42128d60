"""Who lacks how much of what, where a program has no solution."""

import numpy as np
import pyomo.environ as pyo
import pytest

from otonari.model.clearing import community_block
from otonari.model.errors import Cause, Infeasible
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.infeasibility import diagnose

from .benchmarks.neighbourhood import neighbourhood


@pytest.fixture
def inputs():
    return neighbourhood(3)


def test_a_program_with_a_solution_has_no_cause(inputs):
    assert diagnose(compile_block(community_block(inputs))) == []


def test_a_connection_below_the_demand_lacks_the_difference(inputs):
    limit, slot = inputs["import_limit"].copy(), 5
    home = int(np.argmax(np.isin(inputs["participant"], inputs["battery_owner"], invert=True)))
    demand = inputs["demand"].copy()
    demand[home, :], demand[home, slot] = 1.0, 4.0
    limit[home] = 2.5
    pv = inputs["pv_available"].copy()
    pv[home, :] = 0.0
    program = compile_block(
        community_block(inputs.assign(demand=demand, import_limit=limit, pv_available=pv))
    )
    causes = diagnose(program)
    who, when = (
        inputs["participant"].values[home],
        np.datetime_as_string(inputs["time"].values[slot], unit="m"),
    )
    assert [(c.who, c.when) for c in causes] == [(who, f"{when}Z")]
    assert causes[0].amount == pytest.approx(4.0 - 2.5)
    assert "connection" in causes[0].lack


def test_a_row_of_the_users_own_is_named(inputs):
    model = pyo.ConcreteModel()
    model.village = community_block(inputs)
    time = model.village.sets.time
    model.island = pyo.Constraint(expr=sum(model.village.net_exchange[t] for t in time) <= -1e6)
    model.cost = pyo.Objective(expr=model.village.cost)
    causes = diagnose(compile_block(model))
    assert causes[0].who == "island"
    assert str(causes[0]).startswith("island at any time lacks ")


def test_an_error_says_its_causes():
    cause = Cause("ann", "2026-01-01T00:00Z", 1.25, "kW")
    assert str(Infeasible([cause])) == "no solution: ann at 2026-01-01T00:00Z lacks 1.25 kW"
    assert str(Infeasible([])) == "no solution: the limits contradict one another"
