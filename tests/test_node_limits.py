"""Limits over time of all power into and out of nodes: by hand, against an independent program, from files to runs."""

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.inputs import contract
from otonari.data.loading import scenario
from otonari.model.checks.run import check
from otonari.model.errors import Infeasible
from otonari.model.exchange.exchange import MECHANISMS, Rules, match
from otonari.model.grid.loads import drawn_at
from otonari.model.grid.node_limits import excess, node_limits
from otonari.model.topology.connections import unavoidable
from otonari.runs.clear.single import clear
from otonari.runs.report.pages import grid_pictures
from otonari.runs.report.pages.opened_run import opened
from otonari.runs.simulate import timeline
from otonari.runs.simulate.loop import Options
from otonari.runs.simulate.run import simulate
from otonari.runs.store import run_file

from . import counts, oracle
from .communities import random_community
from .test_exchange import dataset, order
from .test_network_limits import three_nodes

BATTERY = {
    "owner": "near",
    "capacity": 20,
    "initial_energy": 0,
    "final_energy": np.nan,
    "final_value": 0.08,
    "charge_limit": 5,
    "discharge_limit": 5,
    "charge_efficiency": 1,
    "discharge_efficiency": 1,
}


def limited(inputs, **ways):
    """Return inputs with limits of nodes: by way, node -> kW of every slot."""
    size = inputs.sizes["node"], inputs.sizes["time"]
    names = inputs["node"].values.tolist()
    variables = {}
    for way, limits in ways.items():
        values = np.full(size, np.inf)
        for node, kw in limits.items():
            values[names.index(node)] = kw
        variables[f"node_{way}_envelope"] = ("node", "time"), values
    return contract.complete(inputs.assign(variables))


def test_a_branch_that_gives_too_much_by_hand():
    """30 kW of PV below a branch that lets 12 kW out while 10 kW are drawn there: 22 are used, 8 are not.

    What the far home may not give is worth nothing: feed-in of 0.1 less 0.1. Both are below the branch and feel it.
    """
    tree = clear(limited(three_nodes(), export={"one": 12.0}), threads=1)
    results, settlement = tree["results"].to_dataset(), tree["settlement"].to_dataset()
    assert results["supply"].values[:, 0] == pytest.approx([0, 22])
    assert results["pv_curtailment"].values[:, 0] == pytest.approx([0, 8])
    assert results["node_value"].values[:, 0] == pytest.approx([0, -0.1, 0])
    assert results["congestion_price"].values[:, 0] == pytest.approx([-0.1, -0.1])
    assert results["price"].values[:, 0] == pytest.approx([0.1] * 3)
    assert "voltage_price" not in results
    assert settlement["congestion_charges"].values == pytest.approx([0, 0], abs=1e-9)
    assert tree["marginal"]["meter_value"].values[:, 0] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_who_relieves_a_branch_is_paid_by_whom_it_relieves():
    """A battery near that peers fill takes 5 kW of what could not leave: it is paid 0.1 a kWh, which the far home pays.

    Without peers it rests: a kWh in it is worth 0.08, and one of the retailer's costs 0.3.
    """
    tree = clear(limited(three_nodes(batteries={"b": BATTERY}), export={"one": 12.0}), threads=1)
    results, settlement = tree["results"].to_dataset(), tree["settlement"].to_dataset()
    assert results["battery_charge"].values[0, 0] == pytest.approx(5)
    assert results["supply"].values[1, 0] == pytest.approx(27)
    assert settlement["congestion_charges"].values == pytest.approx([-0.5, 0.5])


def test_a_feeder_that_takes_too_much_names_node_slot_and_kw():
    """10 kW of demand, 7 allowed into the branch and no sun: 3 kW short, of which a battery might have given."""
    dark = three_nodes()
    dark = limited(dark.assign(pv_available=dark["pv_available"] * 0), **{"import": {"one": 7.0}})
    with pytest.raises(Infeasible) as failed:
        clear(dark, threads=1)
    (cause,) = failed.value.causes
    assert (cause.who, cause.amount) == ("node one", pytest.approx(3))
    assert cause.lack == "kW of its limit on what flows into it"
    nobody = unavoidable(dark)["node_import_envelope"].values[:, 0]
    assert nobody.tolist() == [np.inf, 10.0, np.inf], "what demand draws is drawn all the same"
    told = clear(dark, "unmanaged", threads=1)
    over = excess(dark, told["results"].to_dataset())
    assert over["node_import"][:, 0] == pytest.approx([0, 3, 0])


def random_limits(seed):
    """Return a random community whose nodes let through a part, or a bit more, of what flows without limits."""
    inputs, rng = random_community(seed, gross=seed % 3 == 0), np.random.default_rng(seed)
    free = limited(inputs, **{"import": {}, "export": {}})
    limits, drawn = node_limits(free), drawn_at(inputs, clear(inputs, threads=1)["results"].to_dataset())
    flow = np.asarray(limits.above[limits.node].T @ drawn)
    some = rng.random(flow.shape) < 0.5
    most = np.where(some, np.abs(flow) * rng.uniform(0.8, 1.2, flow.shape), np.inf)
    ways = {"import": np.where(flow > 0, most, np.inf), "export": np.where(flow < 0, most, np.inf)}
    return inputs, free.assign({f"node_{w}_envelope": (("node", "time"), kw) for w, kw in ways.items()})


@pytest.mark.parametrize("seed", counts.all_or(range(80), [1, 3]))
def test_random_limits(seed):
    """An independent program finds the same cost, with peers and without; checks compute prices and charges again."""
    _, inputs = random_limits(seed)
    alone = oracle.solve(inputs, "grid-only")
    if not alone.feasible:
        with pytest.raises(Infeasible):
            clear(inputs, "grid-only", threads=1)
        return
    tree = clear(inputs, threads=1)
    for want, got in (
        (oracle.solve(inputs).objective, tree.attrs["objective"]),
        (alone.objective, clear(inputs, "grid-only", threads=1).attrs["objective"]),
    ):
        assert got == pytest.approx(want, rel=2e-6, abs=1e-6)
    assert (tree["settlement"]["saving"] > -1e-4).all()
    assert not any(over.any() for over in excess(inputs, tree["results"].to_dataset()).values())


def test_the_exchange_matches_within_limits_of_nodes_each_way_and_slot():
    """5 kWh offered at the far node, which lets 3 out in the second slot and all in the first; the way back is free."""
    case = three_nodes(slots=[1, 1])
    out = np.array([[np.inf, np.inf], [np.inf, np.inf], [np.inf, 3.0]])
    inputs = contract.complete(case.assign(node_export_envelope=(("node", "time"), out)))
    slots = inputs["time"].values
    placed = slots[0] - np.timedelta64(60, "m")
    rows = [
        order(f"{who}-{k}", 0, side, 0.2, 5, who=who, slot=slots[k]) | {"placed": placed}
        for k in (0, 1)
        for who, side in (("far", "sell"), ("near", "buy"))
    ]
    for mechanism in MECHANISMS:
        outcome = match(dataset(rows), inputs, Rules(mechanism=mechanism))
        assert outcome.trades["trade_energy"].values.tolist() == [5, 3], mechanism
        assert [(e.node, e.way, e.energy) for e in outcome.full] == [("two", "out of", 3000)]
        back = [row | {"side": "buy" if row["side"] == "sell" else "sell"} for row in rows]
        assert match(dataset(back), inputs, Rules(mechanism=mechanism)).full == (), "the way in has no limit"


BROKEN = {
    "power out of a node of the network": ("results", "supply", 1.0),
    "node_value off the limit": ("results", "node_value", 1.0),
    "congestion_price": ("results", "congestion_price", 0.1),
    "congestion rent of the network": ("settlement", "congestion_charges", 1.0),
}


@pytest.fixture(scope="module")
def sound():
    inputs = limited(three_nodes(), export={"one": 12.0})
    tree = clear(inputs, threads=1)
    run = {group: tree[group].to_dataset() for group in ("results", "trades", "settlement")}
    alone = clear(inputs, "grid-only", threads=1)["results"].to_dataset()
    assert check(inputs, *run.values(), grid_only=alone) == []
    return inputs, run, alone


@pytest.mark.parametrize("name", BROKEN)
def test_checks_find_what_is_wrong(sound, name):
    inputs, run, alone = sound
    group, line, change = BROKEN[name]
    run = run | {group: run[group].assign({line: run[group][line] + change})}
    assert name in {violation.check for violation in check(inputs, *run.values(), grid_only=alone)}


def test_limits_of_a_scenario_from_its_table_and_a_file(tmp_path):
    """A constant of one node, a series of another that leaves 1 kW in the evening; told why, and what no plan kept."""
    folder, run, command = tmp_path / "own", tmp_path / "p2p.nc", CliRunner().invoke
    assert command(main, ["init", str(folder), "--template", "six-kinds"]).exit_code == 0
    table = (
        "node,parent,level,export_limit_kw,import_limit_column\nsubstation,,,4,\nbank-1,substation,bank,,\n"
    )
    (folder / "nodes.csv").write_text(table + "bank-2,substation,bank,,second\n")
    hours = [f"2020-08-19T{h:02d}:00,{0.2 if 18 <= h < 22 else 9}" for h in range(24)]
    (folder / "operator.csv").write_text("\n".join(["time,second", *hours]))
    path = folder / "scenario.yaml"
    path.write_text(
        path.read_text().replace("tables:", "series: {node_import_limit: {path: operator.csv}}\ntables:")
    )
    for market in ("p2p", "unmanaged"):
        done = command(main, ["clear", str(folder), "--no-ledger", "-o", str(run), "--market", market])
        assert done.exit_code == 0, done.output
        told = "flow into nodes above their import limits in" in done.output
        assert told == (market == "unmanaged"), "which nobody plans"
    page = opened(run_file.open_run(run))
    used, course = grid_pictures.use_of_limits(page), grid_pictures.fullest_node(page)
    assert set(used.header[1:]) == {"substation, out", "bank-2, in"}
    over = [row[used.header.index("bank-2, in")] for row in used.rows]
    limit = [0.2 if 18 <= h < 22 else 9 for h in range(24)]
    power = [row[course.header.index("power, kW")] for row in course.rows]
    assert course.title == "Power into bank-2"
    assert over == pytest.approx([100 * max(kw, 0) / most for kw, most in zip(power, limit, strict=True)])
    assert max(over) > 100
    wrong = path.read_text().replace("series: {node_import_limit: {path: operator.csv}}\n", "")
    path.write_text(wrong)
    problems = scenario.read(str(folder)).problems
    assert [(p.field, p.want) for p in problems] == [
        ("import_limit_column", "a file in series.node_import_limit")
    ]


def test_a_file_of_limits_leaves_the_days_before_to_learn_from(tmp_path):
    """It reaches no further back than the simulated day; forecasts learn from a day before all the same."""
    folder = tmp_path / "own"
    assert CliRunner().invoke(main, ["init", str(folder), "--template", "six-kinds"]).exit_code == 0
    rows = [f"2020-08-19T{h:02d}:00,2" for h in range(24)]
    (folder / "operator.csv").write_text("\n".join(["time,second", *rows]))
    changes = (
        "series={node_import_limit: {path: operator.csv}}",
        "tables.nodes.bank-2.import_limit_column=second",
    )
    _, line = timeline.timeline(str(folder), 1, 1, changes)
    assert line.known == 24
    assert (line.inputs["node_import_envelope"].sel(node="bank-2") == 2).all()


@pytest.mark.thorough
def test_agents_trade_where_nodes_have_limits(tmp_path):
    """Nobody of them knows a joint limit: what flows beyond it is told, what they would save knows it, checks agree."""
    folder, run, command = tmp_path / "own", tmp_path / "run.nc", CliRunner().invoke
    assert command(main, ["init", str(folder), "--template", "six-kinds"]).exit_code == 0
    limits = ["tables.nodes.bank-2.import_limit_kw=1.5", "tables.nodes.bank-1.export_limit_kw=0.02"]
    settings = [word for one in limits for word in ("--set", one)]
    done = command(main, ["simulate", str(folder), "--days", "1", "--no-ledger", "-o", str(run), *settings])
    assert done.exit_code == 0, done.output
    assert "flow into nodes above their import limits" in done.output
    tree = run_file.open_run(run)
    flow = tree["results"]["node_flow"].sel(node="bank-1").values
    assert flow.max() < 0.02 + 1e-6, "trades keep it"


def test_a_co_optimized_simulation_keeps_them():
    """What the far home may give through its node; without limits all 30 kW."""
    inputs = limited(three_nodes(), export={"two": 12.0})
    line = timeline.of_inputs(inputs, inputs, foresight=True)
    results = simulate(line, Options("co-optimized"))["results"].to_dataset()
    assert results["supply"].values[1] == pytest.approx(12.0)
    assert results["pv_curtailment"].values[1] == pytest.approx(18.0)
