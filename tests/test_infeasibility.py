"""Who lacks how much of what, where a program has no solution."""

from pathlib import Path

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from highspy._core import _Highs
from scipy import sparse

from otonari.model.clearing import community_block
from otonari.model.errors import Cause, Infeasible, NotOptimal, Unbounded
from otonari.model.lp.matrix import bare, compile_block
from otonari.model.solver import infeasibility as module
from otonari.model.solver.highs import load, optimal, run, set_options
from otonari.model.solver.infeasibility import conclusive, diagnose
from otonari.model.solver.solve import solve

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


@pytest.fixture
def milp():
    """Return a MILP with a solution (two vehicles of a least power) that presolve of HiGHS 1.16 calls infeasible."""
    highs = _Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(Path(__file__).parent / "presolve.mps")) == highspy.HighsStatus.kOk
    lp = highs.getLp()
    matrix = lp.a_matrix_
    shape = (lp.num_row_, lp.num_col_)
    return bare(
        cost=np.array(lp.col_cost_),
        lower=np.array(lp.col_lower_),
        upper=np.array(lp.col_upper_),
        integer=np.array([kind == highspy.HighsVarType.kInteger for kind in lp.integrality_]),
        matrix=sparse.csc_matrix((matrix.value_, matrix.index_, matrix.start_), shape=shape).tocsr(),
        row_lower=np.array(lp.row_lower_),
        row_upper=np.array(lp.row_upper_),
    )


def test_a_milp_that_presolve_calls_infeasible_is_solved(milp):
    plain = load(milp, None, 0.0)
    set_options(plain, presolve="off")
    run(plain)
    want = plain.getInfo().objective_function_value
    assert optimal(plain)
    assert conclusive(milp, None, 0.0).getInfo().objective_function_value == pytest.approx(want)
    assert diagnose(milp) == []


@pytest.mark.parametrize("lie", ["kInfeasible", "kUnboundedOrInfeasible"])
def test_nothing_is_called_infeasible_without_a_cause(milp, lie, monkeypatch):
    honest = module.load

    class Liar:
        def __init__(self, highs):
            self.highs, self.presolve = highs, "choose"

        def __getattr__(self, name):
            return getattr(self.highs, name)

        def setOptionValue(self, option, value):
            self.presolve = value if option == "presolve" else self.presolve
            return self.highs.setOptionValue(option, value)

        def getModelStatus(self):
            lies = self.presolve in always
            return getattr(highspy.HighsModelStatus, lie) if lies else self.highs.getModelStatus()

    monkeypatch.setattr(module, "load", lambda *arguments: Liar(honest(*arguments)))
    always = ("choose",)
    assert conclusive(milp, None, 1e-4).getInfo().primal_solution_status == 2
    always = ("choose", "off")
    with pytest.raises((NotOptimal, Unbounded)):
        conclusive(milp, None, 1e-4)


def test_a_program_without_a_solution_or_a_bound_says_which():
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, None))
    model.z = pyo.Var(bounds=(0, 1), within=pyo.Integers)
    model.row = pyo.Constraint(expr=model.x + model.z >= 1)
    model.cost = pyo.Objective(expr=-model.x)
    with pytest.raises(Unbounded):
        solve(model)
    model.other = pyo.Constraint(expr=model.x + model.z <= 0.25)
    with pytest.raises(Infeasible, match=r"(row|other) at any time lacks 0\.75 to be met"):
        solve(model)


def fixed_import(block):
    first = next(iter(block.grid.imports))
    block.grid.imports[first].fix(1000.0)


def crossed_bounds(block):
    first = next(iter(block.grid.imports.values()))
    first.setlb(3.0)
    first.setub(1.0)


def no_integer(block):
    first = next(iter(block.grid.imports.values()))
    first.domain = pyo.Integers
    first.setlb(0.25)
    first.setub(0.75)


def rewritten_row(block):
    next(iter(block.balance.values())).set_value(block.grid.imports[next(iter(block.grid.imports))] == -5.0)


def rows_that_nobody_lacks(block):
    for index in block.grid.exports:
        block.grid.exports[index].setlb(50.0)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (fixed_import, r"grid\.imports\[.*within its bounds"),
        (crossed_bounds, r"grid\.imports\[.* at any time lacks 2 between its bounds"),
        (no_integer, r"grid\.imports\[.* at any time lacks 1 between its bounds"),
        (rewritten_row, r"balance\[.*to be met"),
        (rows_that_nobody_lacks, r"grid\.exports\["),
    ],
)
def test_what_a_user_changed_is_named_as_the_cause(inputs, edit, words):
    block = community_block(inputs)
    edit(block)
    with pytest.raises(Infeasible, match=words):
        solve(block)
