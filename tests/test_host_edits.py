"""A host edits what Pyomo lets it edit: our solver and Pyomo's own see the same model."""

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.core.expr.visitor import identify_variables
from pyomo.repn import generate_standard_repn

from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible, Unbounded
from otonari.model.lp.matrix import compile_block
from otonari.model.solver.solve import solve

from . import counts
from .communities import community, random_community

pytestmark = pytest.mark.thorough

BATTERY = {"owner": "a", "capacity": 4, "charge_limit": 2, "discharge_limit": 2, "initial_energy": 2} | {
    f"{way}_efficiency": 0.9 for way in ("charge", "discharge")
}
HOME = {"node": "n", "tariff": "t"}


def street(**changes):
    """Return two homes over two slots of an hour, the first with PV and a battery, the second limited to 3 kW."""
    case = {
        "slots": [1, 1],
        "nodes": {"n": {"parent": "", "access_fee": 0.5}},
        "tariffs": {"t": {"retail_price": [20, 30], "feed_in_price": 8}},
        "participants": {
            "a": HOME | {"demand": [1, 1], "pv_available": [3, 0]},
            "b": HOME | {"demand": [2, 2], "import_limit": 3},
        },
        "batteries": {"store": BATTERY},
    }
    return community(case | changes)


def hosted(inputs, sense=pyo.minimize, **options):
    model = pyo.ConcreteModel()
    model.c = community_block(inputs, **options)
    model.total = pyo.Objective(expr=(1 if sense == pyo.minimize else -1) * model.c.cost, sense=sense)
    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    model.rc = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return model


def by_pyomo(model):
    """Return the optimum that Pyomo's HiGHS finds, or why there is none."""
    model.del_component(model.dual)
    model.del_component(model.rc)
    outcome = pyo.SolverFactory("highs").solve(model, load_solutions=False, options={"mip_rel_gap": 0.0})
    condition = outcome.solver.termination_condition
    if condition != pyo.TerminationCondition.optimal:
        return str(condition)
    return outcome.problem.upper_bound if model.total.sense == pyo.minimize else outcome.problem.lower_bound


def edit_row(model, rng):
    rows = [r for r in model.c.component_data_objects(pyo.Constraint) if r.parent_component().ctype]
    row = rows[rng.integers(len(rows))]
    slack = float(rng.choice([-0.2, 0.1, 2.0]))
    kind = rng.choice(["off", "gone", "anew", "looser", "on again", "family", "added again"])
    if kind == "off":
        row.deactivate()
    elif kind == "gone":
        del row.parent_component()[row.index()]
    elif kind == "anew":
        row.set_value(row.body <= (row.ub if row.ub is not None else row.lb) + abs(slack))
    elif kind == "looser":
        row.set_value(
            (
                row.lb - 1 if row.lb is not None else None,
                2 * row.body - row.body,
                row.ub + 1 if row.ub is not None else None,
            )
        )
    elif kind == "on again":
        row.parent_component().deactivate()
        row.activate()
    elif kind == "family":
        row.parent_component().deactivate()
        row.parent_component().activate()
    else:
        family, index, expression = row.parent_component(), row.index(), row.expr
        del family[index]
        family[index] = expression


def edit_variable(model, rng):
    data = list(model.c.component_data_objects(pyo.Var))
    v = data[rng.integers(len(data))]
    kind = rng.choice(["fix", "unfix", "upper", "lower", "integer", "relaxed"])
    if kind in ("fix", "unfix"):
        v.fix(float(rng.choice([0.0, 1.0] if v.is_integer() else [0.0, 0.5, 1.0])))
    if kind == "unfix":
        v.unfix()
    elif kind == "upper":
        v.setub(float(rng.choice([0.5, 1.0, 100.0])))
    elif kind == "lower":
        v.setlb(float(rng.choice([0.1, -0.5])))
    elif kind == "integer":
        v.domain = pyo.Integers
    elif kind == "relaxed":
        v.domain = pyo.Reals


def edit_block(model, rng):
    blocks = [b for b in model.c.component_objects(pyo.Block) if b.local_name != "sets"]
    blocks[rng.integers(len(blocks))].deactivate()


def edit_model(model, rng):
    time = list(model.c.sets.time)
    model.peak = pyo.Var(bounds=(0, None))
    model.unused = pyo.Var()
    model.under = pyo.Constraint(time, rule=lambda m, t: m.c.net_exchange[t] <= m.peak)
    model.under[time[0]].deactivate()
    model.again = pyo.Reference(model.under)
    model.imports = pyo.Reference(model.c.grid.imports)
    model.total.set_value(
        model.total.expr + (3.0 if model.total.sense == pyo.minimize else -3.0) * model.peak
    )


EDITS = [edit_row, edit_row, edit_row, edit_variable, edit_variable, edit_block, edit_model]


def edited(seed):
    """Return a host's model with some edits, the same for a seed."""
    rng = np.random.default_rng(seed)
    inputs = random_community(int(rng.integers(60)))
    inputs["vehicle_min_charge"].values[:] = 0.3 * inputs["vehicle_charge_limit"].values * rng.integers(2)
    market = str(rng.choice(["p2p", "p2p", "grid-only"]))
    model = hosted(inputs, pyo.maximize if rng.integers(2) else pyo.minimize, market=market)
    chosen = {int(k) for k in rng.integers(len(EDITS), size=rng.integers(1, 5))}
    for k in chosen:
        EDITS[k](model, rng)
    return model


@pytest.mark.parametrize("seed", counts.share(range(200)))
def test_our_solver_and_that_of_pyomo_see_the_same_edits(seed):
    want = by_pyomo(edited(seed))
    model = edited(seed)
    if isinstance(want, str):
        with pytest.raises((Infeasible, Unbounded)) as error:
            solve(model)
        assert isinstance(error.value, Unbounded) or error.value.causes
        return
    try:
        got = solve(model, mip_gap=0.0)
    except Infeasible:
        assert breaks_directions(edited(seed))
        return
    if got.directions:
        # a meter or store has one direction even where rows of a host break that
        sign = 1.0 if model.total.sense == pyo.minimize else -1.0
        assert sign * got.objective >= sign * want - 1e-6 * abs(want)
        return
    assert got.objective == pytest.approx(want, rel=1e-6, abs=1e-6)
    if not any(v.value is None for v in identify_variables(model.total.expr)):  # at a coefficient of zero
        assert pyo.value(model.total) == pytest.approx(want, rel=1e-6, abs=1e-6)
    if not any(v.is_integer() for v in model.component_data_objects(pyo.Var)):
        assert_optimal(model, want)


def breaks_directions(model):
    """Return whether Pyomo's optimum has a meter or store with both directions in a slot, as only edits can have it."""
    by_pyomo(model)
    pyo.SolverFactory("highs").solve(model)
    program = compile_block(model)
    families = [v.value or 0.0 for family in program.variables for v in family.values()]
    return program.pairs.both(
        np.array([*families, *(v.value for v in program.foreign_variables)]), 1e-6
    ).any()


def assert_optimal(model, objective):
    """Assert that the suffixes prove the optimum of what Pyomo says, by weak duality."""
    sign = 1.0 if model.total.sense == pyo.minimize else -1.0
    rows = list(model.component_data_objects(pyo.Constraint, active=True))
    assert {id(r) for r in model.dual} == {id(r) for r in rows}
    form = generate_standard_repn(model.total.expr)
    reduced = pyo.ComponentMap(zip(form.linear_vars, form.linear_coefs, strict=True))
    value = sign * form.constant
    for row in rows:
        y, form = model.dual[row], generate_standard_repn(row.body)
        for v, a in zip(form.linear_vars, form.linear_coefs, strict=True):
            reduced[v] = reduced.get(v, 0.0) - y * a
        value += _bound(sign * y, row.lb, row.ub) - sign * y * form.constant
    for v, cost in reduced.items():
        assert model.rc[v] == pytest.approx(cost, abs=1e-6)
        value += _bound(sign * cost, *v.bounds)
    assert value == pytest.approx(sign * objective, rel=1e-6, abs=1e-5)


def _bound(price, low, high):
    side = low if price > 0 else high
    if abs(price) <= 1e-7:
        return 0.0 if side is None else price * side
    assert side is not None
    return price * side


def switch_off(model):
    model.c.import_limit.deactivate()


def delete_each(model):
    for index in list(model.c.import_limit):
        del model.c.import_limit[index]


def clear(model):
    model.c.import_limit.clear()


def delete_family(model):
    model.c.del_component("import_limit")


def loosen(model):
    for row in model.c.import_limit.values():
        row.set_value(row.body <= 100.0)


@pytest.mark.parametrize("edit", [switch_off, delete_each, clear, delete_family, loosen])
def test_a_family_that_is_edited_as_a_whole_no_longer_binds(edit):
    inputs = street()
    inputs["demand"].values[1] = 3.2  # more than the connection of 3 kW
    model = hosted(inputs)
    with pytest.raises(Infeasible, match=r"b at .* lacks 0\.2 kW of connection"):
        solve(model)
    edit(model)
    free = solve(model).objective
    inputs["import_limit"].values[1] = 100.0
    assert free == pytest.approx(solve(community_block(inputs)).objective)


def test_a_battery_that_is_deactivated_keeps_its_variables_in_the_balance_alone():
    model = hosted(street(), market="grid-only")
    model.c.battery.deactivate()
    twin = hosted(street(), market="grid-only")
    twin.c.battery.deactivate()
    want = pyo.SolverFactory("appsi_highs").solve(twin)
    assert solve(model).objective == pytest.approx(want.problem.upper_bound)
    with pytest.raises(ValueError, match=r"battery\.energy has no value yet"):
        model.c.battery.energy.array()


def test_a_block_that_a_rule_returns_is_the_block_itself():
    inputs = street()
    model = pyo.ConcreteModel()
    model.c = pyo.Block(rule=lambda b: community_block(inputs))
    model.both = pyo.Block(["x", "y"], rule=lambda b, name: community_block(inputs))
    model.total = pyo.Objective(expr=model.c.cost + sum(b.cost for b in model.both.values()))
    alone = solve(community_block(inputs)).objective
    assert solve(model).objective == pytest.approx(3 * alone)
    assert pyo.value(model.c.cost) == pytest.approx(alone)
    assert len(model.both["x"].net_exchange) == 2
    model.total.deactivate()
    assert solve(model.c).objective == pytest.approx(alone)
    assert pyo.value(model.c.battery.cost + model.c.grid.cost + model.c.network.cost) == pytest.approx(alone)


def test_a_cost_that_is_written_anew_is_what_is_minimised():
    block = community_block(street())
    cost = solve(block).objective
    block.cost.set_value(2 * block.grid.cost + 2 * block.network.cost + 2 * block.battery.cost + 1.0)
    assert solve(block).objective == pytest.approx(2 * cost + 1)


def test_index_sets_hold_what_exists():
    for seed in range(6):
        block = community_block(random_community(seed))
        solve(block)
        for family in block.component_objects(pyo.Var):
            indices = list(family.index_set())
            assert indices == list(family) == list(family.keys()) == family.labels()
            assert sum(family[i].value for i in indices) == pytest.approx(family.dense().sum())
            assert pyo.value(pyo.sum_product(family)) == pytest.approx(pyo.value(sum(family.values())))
            assert all(i in family for i in indices)
            assert family.is_indexed()
            assert family.dim() == len(family.sets)
        results = {
            (v.parent_component().name, v.index()): v.value for v in block.component_data_objects(pyo.Var)
        }
        assert None not in results.values()


def test_slices_and_references_take_the_entries_that_exist():
    block = community_block(random_community(10))
    time = block.sets.time.first()
    columns = list(block.grid.exports[:, time])
    assert columns
    assert {v.index()[1] for v in columns} == {time}
    view = pyo.Reference(block.grid.exports[:, time])
    assert [id(v) for v in view.values()] == list(map(id, columns))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.c.grid.imports.clear(), r"c.grid.imports: got an entry that was deleted"),
        (
            lambda m: m.c.grid.imports.__delitem__(next(iter(m.c.grid.imports))),
            "c.grid.imports: got an entry",
        ),
        (
            lambda m: setattr(next(iter(m.c.grid.imports.values())), "domain", pyo.Set(initialize=[1, 2, 4])),
            "domain",
        ),
        (
            lambda m: next(iter(m.c.grid.imports.values())).fix(),
            r"imports\[",
        ),
        (
            lambda m: m.add_component("pairs", pyo.SOSConstraint(var=m.c.grid.imports, sos=1)),
            "SOSConstraint pairs",
        ),
        (lambda m: m.c.deactivate() or m.total.deactivate(), "no active objective"),
        (lambda m: m.deactivate(), "is deactivated"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(edit, words):
    model = hosted(street())
    edit(model)
    with pytest.raises(ValueError, match=words):
        solve(model)


def test_a_variable_that_nobody_uses_stays_without_a_value():
    model = hosted(street())
    model.unused = pyo.Var()
    solve(model)
    assert model.unused.value is None


def test_a_fixed_binary_is_a_number():
    model = pyo.ConcreteModel()
    model.c = community_block(street(), market="grid-only")
    model.on = pyo.Var(within=pyo.Binary)
    model.on.fix(0.5)
    slot = model.c.sets.time.first()
    model.row = pyo.Constraint(expr=model.c.net_exchange[slot] >= 10 * model.on - 100)
    model.total = pyo.Objective(expr=model.c.cost + model.on)
    assert solve(model).objective == pytest.approx(
        solve(community_block(street(), "grid-only")).objective + 0.5
    )
    assert model.on.value == 0.5


def test_a_maximised_objective_has_its_own_sign_and_its_duals():
    model = pyo.ConcreteModel()
    model.c = community_block(street())
    slot = model.c.sets.time.first()
    model.cap = pyo.Constraint(expr=model.c.net_exchange[slot] <= 0.5)
    model.welfare = pyo.Objective(expr=100 - model.c.cost, sense=pyo.maximize)
    model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    best = solve(model).objective
    assert best == pytest.approx(100 - pyo.value(model.c.cost))
    price = model.dual[model.cap]
    model.cap.set_value(model.c.net_exchange[slot] <= 0.4)
    assert solve(model).objective - best == pytest.approx(-0.1 * price, abs=1e-9)


def test_a_host_that_asks_for_both_directions_of_a_store_at_once_is_told_what_cannot_be_met():
    model = hosted(street())
    slot = model.c.sets.time.first()
    model.charge = pyo.Constraint(expr=model.c.battery.charge["store", slot] >= 1.0)
    assert solve(model).objective > 0
    model.discharge = pyo.Constraint(expr=model.c.battery.discharge["store", slot] >= 1.0)
    with pytest.raises(Infeasible, match=r"^no solution: (dis)?charge at any time lacks 1 to be met$"):
        solve(model)
