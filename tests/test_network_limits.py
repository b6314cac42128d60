"""Clearings that keep limits of their network: cases by hand, rows only where they bind against all rows, and money."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.inputs import contract
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.devices.wires import could_break
from otonari.model.errors import Infeasible
from otonari.model.grid import loads, network_limits, power_flow
from otonari.model.grid.linear_flow import linear_flow
from otonari.model.grid.loss_factors import loss_prices
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.model.topology.meters import meters
from otonari.runs.clear.block import settle_block
from otonari.runs.clear.single import clear
from otonari.runs.store import run_file

from . import counts
from .communities import community, random_community
from .test_grid import european, sweep  # noqa: F401 - a fixture

TIGHT = {"voltage_high": 1.04, "voltage_low": 0.97}


def on_wires(inputs, *, ohm, low=0.9, high=1.1, rating=np.inf, phases="abc", seed=None):
    """Return inputs with a line of ``ohm`` above every node but the root, and limits; random ones by a seed."""
    nodes, rng = inputs.sizes["node"], np.random.default_rng(seed)
    spread = np.ones(nodes) if seed is None else rng.uniform(0.2, 1.8, nodes)
    d = "node"
    chosen = [phases] * inputs.sizes["participant"]
    if seed is not None:
        chosen = [str(p) for p in rng.choice(["a", "b", "c", "abc"], inputs.sizes["participant"])]
    factor = np.full(len(chosen), 1.0 if seed is None else 0.95)
    edge = np.where(np.arange(nodes) == (1 if seed and seed % 2 else nodes), "transformer", "line")
    wires = {
        "node_voltage": (d, np.full(nodes, 400.0)),
        "node_edge": (d, edge),
        "node_resistance": (d, ohm * spread),
        "node_reactance": (d, 0.0 if seed is None else 0.3 * ohm * spread),
        "node_resistance_zero": (d, ohm * spread * (1 if seed is None else 3)),
        "node_reactance_zero": (d, 0.0 if seed is None else 0.3 * ohm * spread),
        "node_current_limit": (d, np.full(nodes, rating)),
        "source_voltage": ("time", np.ones(inputs.sizes["time"])),
        "participant_phase": ("participant", np.array(chosen)),
        "power_factor": ("participant", factor),
        "node_voltage_low": (d, np.full(nodes, low)),
        "node_voltage_high": (d, np.full(nodes, high)),
        "node_loading_limit": (d, np.ones(nodes)),
    }
    wires = {n: (dims, np.broadcast_to(v, (nodes,)) if dims == d else v) for n, (dims, v) in wires.items()}
    return contract.complete(inputs.assign(wires))


def three_nodes(**pv):
    """Return an hour of two homes on one line: near draws 10 kW, far has 30 kW of PV."""
    people = {
        "near": {"node": "one", "tariff": "t", "demand": 10.0},
        "far": {"node": "two", "tariff": "t", "demand": 0.0, "pv_available": 30.0},
    }
    nodes = {"root": {"parent": ""}, "one": {"parent": "root"}, "two": {"parent": "one"}}
    tariffs = {"t": {"retail_price": 0.3, "feed_in_price": 0.1}}
    return community({"slots": [1], "nodes": nodes, "tariffs": tariffs, "participants": people, **pv})


def groups(tree):
    return (tree[name].to_dataset() for name in ("results", "settlement"))


def test_three_nodes_by_hand():
    """0.1 ohm twice: v2 = 1 - 0.00125 ((10 - g) - g) at the far home, which 1.02 squared holds to g = 21.16 kW.

    What the far home may not give is worth nothing to it: the feed-in price of 0.1 less 0.1 for voltage. A kWh drawn
    by the near home, half as far down the line, relieves it by half of that.
    """
    tree = clear(on_wires(three_nodes(), ohm=0.1, high=1.02), threads=1)
    results, settlement = groups(tree)
    given = (0.0404 / 0.00125 + 10) / 2
    assert results["supply"].values[:, 0] == pytest.approx([0, given])
    assert results["pv_curtailment"].values[1, 0] == pytest.approx(30 - given)
    assert results["voltage_price"].values[:, 0] == pytest.approx([-0.05, -0.1])
    assert (results["congestion_price"] == 0).all()
    assert results["price"].values[:, 0] == pytest.approx([0.1] * 3)
    volts = 0.1 / (0.0025 * 400 / 3**0.5 / (2 * 1.02))
    assert results["voltage_value"].values[2, :, 0] == pytest.approx([volts, 0, 0]), (
        "three phases alike: one row"
    )
    assert settlement["voltage_charges"].values == pytest.approx([0, 0], abs=1e-9)
    assert tree["marginal"]["meter_value"].values[:, 0] == pytest.approx([0.05, 0.0], abs=1e-9)


def test_a_rating_by_hand():
    """10 A carry 6.93 kW at 400 V, and more as the voltage is higher: g - 10 <= 6.93 + 3.46 (v2 - 1) on the first line.

    v2 = 1 + 0.00125 (g - 10) there: g - 10 = 6.93 / (1 - 3.46 * 0.00125). The power flow has just 10 A.
    """
    inputs = on_wires(three_nodes(), ohm=0.1, high=1.2, rating=10.0)
    inputs["node_current_limit"][2] = np.inf
    tree = clear(inputs, threads=1)
    results, _ = groups(tree)
    carried = 400 * 3**0.5 * 10 / 1000
    beyond = carried / (1 - carried / 2 * 0.00125)
    assert results["supply"].values[1, 0] == pytest.approx(10 + beyond)
    assert results["congestion_price"].values[:, 0] == pytest.approx([-0.1, -0.1], rel=0.01)
    assert (results["voltage_price"] == 0).all()
    np.testing.assert_allclose(
        results["edge_value"].values[1, :, 0], [-0.3 / (1 - carried / 2 * 0.00125), 0, 0]
    )


def test_who_relieves_is_paid_and_who_is_relieved_pays():
    """A battery near the root that peers may fill takes what voltage would waste: it is paid half of 0.1 per kWh.

    Without peers it rests, since a kWh in it is worth 0.08 and one of the retailer's costs 0.3. From the far home it is
    0.1, less the relief of 0.05. Its 5 kW let the far home give 2.5 kW more, which pays for it what the battery gets.
    """
    battery = {
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
    tree = clear(on_wires(three_nodes(batteries={"b": battery}), ohm=0.1, high=1.02), threads=1)
    results, settlement = groups(tree)
    assert results["battery_charge"].values[0, 0] == pytest.approx(5)
    assert results["supply"].values[1, 0] == pytest.approx((0.0404 / 0.00125 + 15) / 2)
    assert settlement["voltage_charges"].values == pytest.approx([-0.25, 0.25])
    sold = results["supply"].values[1, 0] - 15
    assert tree.attrs["objective"] == pytest.approx(-0.1 * sold - 0.08 * 5)


def test_a_network_that_cannot_hold_names_where_when_and_by_how_much():
    """10 kW over 0.1 ohm: v2 = 1 - 0.0125; the least voltage asks for 0.99 ** 2 = 0.9801 + ... of 0.995 squared."""
    inputs = on_wires(three_nodes(), ohm=0.1, low=0.995)
    inputs = inputs.assign(pv_available=inputs["pv_available"] * 0)
    with pytest.raises(Infeasible) as failed:
        clear(inputs, threads=1)
    cause = failed.value.causes[0]
    assert cause.who in ("node one, phase a", "node two, phase a")
    assert cause.when == "2019-06-17T00:00Z" or cause.when.endswith("Z")
    short = (0.995**2 - (1 - 0.0125)) / (2 * 0.995) * 400 / 3**0.5
    assert cause.amount == pytest.approx(short)
    assert cause.lack == "V to its lowest voltage"


def test_the_linear_flow_is_near_the_full_one(european):  # noqa: F811
    """On the European feeder at its published loads, and on the bundled one: errors below 0.5 % of the voltage."""
    _, real, reactive, inputs = european
    inputs = inputs.assign(node_current_limit=("node", np.full(inputs.sizes["node"], np.inf)))
    squared = _linear(inputs).squared_voltage(real[:, :, None], reactive[:, :, None])[:, :, 0]
    exact = sweep(inputs, real, reactive)
    below = inputs["node_voltage"].values < 1000
    assert np.abs(np.sqrt(squared) / exact - 1).max() < 0.002
    assert np.abs(exact[below] - 1.05).max() > 0.03, "it moves"


def _linear(inputs):
    """Return the linear flow of a network with one participant, whose place does not matter."""
    nobody = {
        "participant_node": ("participant", inputs["node"].values[:1]),
        "demand": (("participant", "time"), [[0.0]]),
    }
    return linear_flow(inputs.assign(nobody).assign_coords(participant=["p"]))


@pytest.fixture(scope="module")
def feeder():
    """Return the bundled feeder by what its clearing keeps."""

    def of(**grid):
        coarse = ["time.slot_minutes=120"]
        return build_inputs(load_scenario("feeder", [*coarse, *(f"grid.{k}={v}" for k, v in grid.items())]))

    return {"none": of(), "wide": of(limits="rows"), "tight": of(limits="rows", **TIGHT)}


@pytest.fixture(scope="module")
def cleared(feeder):
    return {name: clear(inputs, threads=1) for name, inputs in feeder.items()}


def test_limits_that_never_bind_change_nothing(cleared):
    """No row is made: results, trades and accounts are those of a clearing without limits, to the last bit."""
    for group in ("results", "trades", "settlement"):
        xr.testing.assert_identical(cleared["wide"][group].to_dataset(), cleared["none"][group].to_dataset())
    assert cleared["wide"].attrs["objective"] == cleared["none"].attrs["objective"]
    assert cleared["wide"].attrs["method"] == cleared["none"].attrs["method"]


def test_limits_hold_in_the_full_power_flow(feeder, cleared):
    """Inside the band by a margin in the linear flow, so inside the band in the full one; and that costs something."""
    for name, holds in (("none", False), ("tight", True)):
        results = cleared[name]["results"].to_dataset()
        voltage = power_flow.power_flow(feeder["tight"], results)["voltage"].values
        linear = linear_flow(feeder["tight"]).squared_voltage(*loads.taken(feeder["tight"], results))
        assert np.abs(np.sqrt(linear) / voltage - 1).max() < 0.005
        assert (voltage.max() <= TIGHT["voltage_high"]) == holds
    assert cleared["tight"].attrs["objective"] > cleared["none"].attrs["objective"] + 0.01
    assert "limits of the network made rows" in cleared["tight"].attrs["method"]


def test_rows_made_where_they_bind_are_as_good_as_all_rows(feeder, cleared):
    """All that could bind as one program: the same cost, prices and quantities, and what is scarce is worth the same."""
    results = cleared["tight"]["results"].to_dataset()
    block = community_block(feeder["tight"])
    solution = solve(block)
    assert solution.objective == pytest.approx(cleared["tight"].attrs["objective"], rel=1e-9)
    together = collect(block)
    for name in ("price", "voltage_price", "draw", "supply", "pv_curtailment", "voltage_value"):
        np.testing.assert_allclose(together[name], results[name], atol=1e-6, err_msg=name)


def test_a_host_gets_all_rows_and_can_settle(feeder, cleared):
    """Bounds say which of 33,000 limits meters could break: a host model has these rows, whoever solves it."""
    block = community_block(feeder["tight"])
    rows = could_break(feeder["tight"], meters(feeder["tight"], peers=True, pool=False, scarce=True))
    assert sum(int(mask.sum()) for mask in rows.values()) < 1000
    assert {"voltage_low", "voltage_high"} <= set(block.wires.component_map())
    solve(block)
    tree = settle_block(block)
    assert json.loads(tree.attrs["notes"]) == []
    for name in ("bill", "voltage_charges"):
        np.testing.assert_allclose(
            tree["settlement"][name], cleared["tight"]["settlement"][name], atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("seed", counts.few(range(60)))
def test_random_networks(seed):
    """Rows where they bind against all rows, in money and prices; checks recompute the rest with code of their own.

    Without peers the same limits hold, so that peers never cost more, and nobody is worse off.
    """
    inputs = random_community(seed, gross=bool(seed % 3 == 0))
    inputs = on_wires(inputs, ohm=0.25, low=0.93, high=1.05, rating=25.0, seed=seed)
    try:
        tree = clear(inputs, threads=1)
    except Infeasible:
        with pytest.raises(Infeasible):
            solve(community_block(inputs, "grid-only"))
        return
    results, settlement = groups(tree)
    block = community_block(inputs)
    assert solve(block, mip_gap=0).objective == pytest.approx(tree.attrs["objective"], abs=1e-6, rel=1e-6)
    if "voltage_price" in results and not tree.attrs["directions"]:
        together = collect(block)
        for name in ("price", "voltage_price", "congestion_price"):
            np.testing.assert_allclose(together[name], results[name], atol=1e-5, err_msg=name)
        assert sum(float(settlement[f"{kind}_charges"].sum()) for kind in ("voltage", "congestion")) > -1e-6
    assert (settlement["saving"] > -1e-4).all()


def test_the_command_keeps_the_feeder(tmp_path):
    """With 11 kW of PV on every home its transformer is overloaded; with rows nothing breaks a limit, and says why."""
    sunny, path = ["tables.participants.*.pv_kw=11", "time.slot_minutes=120"], tmp_path / "rows.nc"
    inputs = build_inputs(load_scenario("feeder", sunny))
    unlimited = clear(inputs, threads=1)["results"].to_dataset()
    assert power_flow.power_flow(inputs, unlimited)["loading"].max() > 1.4
    settings = [a for text in ("grid.limits=rows", *sunny) for a in ("--set", text)]
    done = CliRunner().invoke(main, ["clear", "feeder", "--no-ledger", "-o", str(path), *settings])
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(main, ["grid", str(path), "--strict"]).exit_code == 0
    results = run_file.open_run(path)["results"].to_dataset()
    scarce = results["congestion_price"].values
    p, t = np.unravel_index(np.argmin(scarce), scarce.shape)
    who, when = str(results["participant"].values[p]), f"{results['time'].values[t] + np.timedelta64(2, 'h')}"
    told = CliRunner().invoke(
        main, ["explain", str(path), "--participant", who, "--time", when[11:16], "--json"]
    )
    assert told.exit_code == 0, told.output
    assert f"saved others {-scarce[p, t]:.4f} EUR/kWh = {-scarce[p, t]:.4f} (full edges)" in told.stdout
    assert "the rating of its edge, to the root, binds" in told.stdout
    trades = [s for s in json.loads(told.stdout)["sentences"] if s["topic"] == "Trades that were not made"]
    lacks = [s["costs"] - s["brings"] for s in trades if "costs" in s]
    assert lacks
    assert min(lacks) > -1e-6, "at the optimum no trade would have brought more than it cost"


def test_prices_are_what_one_more_kw_costs():
    """More demand of each home in turn: the cost of all changes by what a kWh is worth behind its meter."""
    inputs = on_wires(three_nodes(), ohm=0.1, high=1.02)
    before = clear(inputs, threads=1)
    for p in range(2):
        demand = inputs["demand"].copy(deep=True)
        demand[p] += 1e-3
        after = clear(inputs.assign(demand=demand), threads=1)
        slope = (after.attrs["objective"] - before.attrs["objective"]) / 1e-3
        assert slope == pytest.approx(before["marginal"]["meter_value"].values[p, 0], abs=1e-6)


BROKEN = {
    "lowest voltage of the network": ("results", "draw", 400.0),
    "voltage_value off the limit": ("results", "voltage_value", 1.0),
    "edge_value off the limit": ("results", "edge_value", 1.0),
    "voltage_price": ("results", "voltage_price", 0.1),
    "congestion_price": ("results", "congestion_price", 0.1),
    "voltage_charges": ("settlement", "voltage_charges", 1.0),
    "congestion_charges": ("settlement", "congestion_charges", 1.0),
    "voltage rent of the network": ("settlement", "voltage_charges", 1.0),
    "congestion rent of the network": ("settlement", "congestion_charges", 1.0),
}


@pytest.fixture(scope="module")
def sound():
    """Return the inputs of a run that keeps its limits, its groups, and the results without peers; checked."""
    inputs = on_wires(three_nodes(), ohm=0.1, low=0.9, high=1.02, rating=1000.0)
    tree = clear(inputs, threads=1)
    run = {group: tree[group].to_dataset() for group in ("results", "trades", "settlement")}
    alone = clear(inputs, "grid-only", threads=1)["results"].to_dataset()
    assert check(inputs, *run.values(), grid_only=alone) == []
    return inputs, run, alone


@pytest.mark.parametrize("name", BROKEN)
def test_checks_find_what_is_wrong(sound, name):
    """Each number of scarce wires, and the limits themselves, changed in a run that was right."""
    inputs, run, alone = sound
    group, line, change = BROKEN[name]
    run = run | {group: run[group].assign({line: run[group][line] + change})}
    assert name in {violation.check for violation in check(inputs, *run.values(), grid_only=alone)}


@pytest.mark.parametrize(
    ("setting", "want"),
    [
        (
            "grid.limits=rows",
            "want no --workers, or the limits of each connection that `otonari envelopes` computes",
        ),
        ("grid={losses: marginal, loss_price_per_kwh: 0.1}", "(grid.losses): they join all regions"),
    ],
)
def test_regions_that_wires_join_are_refused(tmp_path, setting, want):
    command = ["clear", "feeder", "--set", setting, "--workers", "2", "-o", str(tmp_path / "r.zarr")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code != 0
    assert want in done.output


def test_a_band_narrower_than_its_margins_is_told():
    with pytest.raises(InputError, match="voltage_low below voltage_high"):
        load_scenario("feeder", ["grid.limits=rows", "grid.voltage_low=1.0", "grid.voltage_high=1.01"])


def test_limits_stated_by_one_variable_are_kept():
    """The others stand for no limit."""
    inputs = on_wires(three_nodes(), ohm=0.1, high=1.02).drop_vars(["node_voltage_low", "node_loading_limit"])
    assert network_limits.stated(inputs)
    assert clear(inputs, threads=1)["results"]["pv_curtailment"].values[1, 0] > 0


@pytest.mark.parametrize("seed", counts.few(range(20)))
def test_loss_factors_are_slopes_of_the_full_power_flow(seed, feeder):
    """One more kW at a home of the bundled feeder, and what the full power flow loses more: within 2 % of a kW."""
    inputs, rng = feeder["none"], np.random.default_rng(seed)
    results = xr.Dataset(
        {
            "draw": (("participant", "time"), rng.uniform(0, 2, inputs["demand"].shape)),
            "supply": (("participant", "time"), rng.uniform(0, 2, inputs["demand"].shape)),
        },
        coords={d: inputs[d] for d in ("participant", "time")},
    )
    factor = loss_prices(inputs.assign(lost_energy_price=("time", np.ones(inputs.sizes["time"]))), results)
    p = int(rng.integers(inputs.sizes["participant"]))
    lost = []
    for more in (-0.05, 0.05):
        other = results.copy(deep=True)
        other["draw"][p] += more
        lost.append(power_flow.power_flow(inputs, other)["losses"].sum("node").values)
    np.testing.assert_allclose(factor[p], (lost[1] - lost[0]) / 0.1, atol=0.02)


def test_who_adds_losses_pays_and_who_relieves_gets():
    """0.1 ohm twice and 20 kW given by the far home beyond 10 kW of the near one, as without peers: the base.

    v2 = 1 - 0.00125 (10 - 30) = 1.025 near and 1.0625 far: what is drawn relieves by 2.5 % and 6.25 %, at 0.2 each
    kWh. A battery near, to which a kWh is worth 0.0975, takes 5 kWh at 0.1 less 0.005 where it would not at 0.1.
    """
    battery = {
        "owner": "near",
        "capacity": 20,
        "initial_energy": 0,
        "final_energy": np.nan,
        "final_value": 0.0975,
    }
    battery |= {"charge_limit": 5, "discharge_limit": 5, "charge_efficiency": 1, "discharge_efficiency": 1}
    inputs = on_wires(three_nodes(batteries={"b": battery}), ohm=0.1, high=1.2)
    assert (clear(inputs, threads=1)["results"]["battery_charge"] == 0).all()
    tree = clear(inputs.assign(lost_energy_price=("time", [0.2])), threads=1)
    results, settlement = groups(tree)
    assert results["loss_price"].values[:, 0] == pytest.approx([-0.2 * 0.025, -0.2 * 0.0625])
    assert results["battery_charge"].values[0, 0] == pytest.approx(5)
    assert settlement["loss_charges"].values == pytest.approx([-0.2 * 0.025 * 5, 0.0])
    assert tree["marginal"]["meter_value"].values[:, 0] == pytest.approx([0.1 - 0.005, 0.1 - 0.0125])


@pytest.mark.parametrize("seed", counts.few(range(40)))
def test_random_networks_with_losses(seed):
    """Beside limits; checks compute prices and charges again, and hold that nobody is worse off."""
    inputs = on_wires(random_community(seed), ohm=0.2, low=0.9, high=1.08, rating=40.0, seed=seed)
    inputs = inputs.assign(lost_energy_price=("time", np.full(inputs.sizes["time"], 20.0)))
    try:
        tree = clear(inputs, threads=1)
    except Infeasible:
        return
    results, settlement = groups(tree)
    assert "loss_price" in results
    assert (settlement["saving"] > -1e-4).all()
