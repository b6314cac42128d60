"""The feeder: what a scenario says of its wires; its power flow against a published one and a sweep of our own.

The sweep goes backward with currents and forward with voltages in phase coordinates; the product calls a Newton-Raphson
of sequences.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs
from otonari.data.feeders.catalogue import CABLES
from otonari.data.feeders.electrical import feeder
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.data.schema.table_rows import Node
from otonari.model.clearing import community_block
from otonari.model.errors import NoPowerFlow
from otonari.model.grid import limits, loads, power_flow
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.runs.grid import day, markets
from otonari.runs.store import run_file

from . import counts, pages
from .communities import random_community

PHASES = "abc"
EUROPEAN = Path(__file__).parent / "feeders" / "european_lv.csv"
IMPEDANCES = {
    "resistance": "r_ohm",
    "reactance": "x_ohm",
    "resistance_zero": "r0_ohm",
    "reactance_zero": "x0_ohm",
}


def network(table, low=400.0, high=10_000.0, source=1.0, slots=1):
    """Return the inputs of a feeder: node, parent, edge and impedances; nodes above a transformer are at ``high``."""
    parent = dict(zip(table["node"], table["parent"], strict=True))
    edge = dict(zip(table["node"], table["edge"], strict=True))

    def below(node):
        return node != "" and (edge[node] == "transformer" or below(parent[node]))

    d = "node"
    return xr.Dataset(
        {
            "node_parent": (d, table["parent"].to_numpy(str)),
            "node_edge": (d, table["edge"].to_numpy(str)),
            "node_voltage": (d, np.where([below(n) for n in table["node"]], low, high)),
            **{f"node_{name}": (d, table[column].to_numpy(float)) for name, column in IMPEDANCES.items()},
            "source_voltage": ("time", np.full(slots, source)),
        },
        coords={"node": table["node"].to_numpy(str), "time": np.arange(slots).astype("datetime64[h]")},
    )


def sweep(inputs, real, reactive):
    """Return voltages (node, phase) per nominal by backward and forward sweeps, all referred to the lowest voltage."""
    names = inputs["node"].values.tolist()
    parent = [names.index(p) if p else -1 for p in inputs["node_parent"].values.tolist()]
    one = inputs["node_resistance"].values + 1j * inputs["node_reactance"].values
    zero = inputs["node_resistance_zero"].values + 1j * inputs["node_reactance_zero"].values
    order = []
    while len(order) < len(names):
        order += [n for n in range(len(names)) if n not in order and (parent[n] < 0 or parent[n] in order)]
    nominal = inputs["node_voltage"].values.min() / np.sqrt(3)
    own, mutual = (zero + 2 * one) / 3, (zero - one) / 3
    turn = np.exp(2j * np.pi / 3)
    held = float(inputs["source_voltage"][0]) * nominal * np.array([1, turn**2, turn])
    voltage = np.tile(held, (len(names), 1))
    for _ in range(200):
        current = np.conj(1000 * (real + 1j * reactive) / voltage)
        for n in reversed(order):
            if parent[n] >= 0:
                current[parent[n]] += current[n]
        before = voltage.copy()
        for n in order:
            if parent[n] >= 0:
                drop = (own[n] - mutual[n]) * current[n] + mutual[n] * current[n].sum()
                voltage[n] = voltage[parent[n]] - drop
        if np.abs(voltage - before).max() < 1e-11 * nominal:
            break
    return np.abs(voltage) / nominal


@pytest.fixture(scope="module")
def european():
    """Return table, loads (node, phase) [kW, kvar] and inputs of the IEEE European LV feeder."""
    table = pd.read_csv(EUROPEAN, dtype={"node": str, "parent": str}, keep_default_na=False, comment="#")
    real, reactive = (
        table[[f"{q}_{p}_{u}" for p in PHASES]].to_numpy() for q, u in (("p", "kw"), ("q", "kvar"))
    )
    return table, real, reactive, network(table, 416.0, 11_000.0, 1.05)


def test_voltages_of_the_european_feeder_are_the_published_ones(european):
    """Of two other programs, which agree to 1.7e-9 of the nominal voltage (the file says how), and of the sweep."""
    table, real, reactive, inputs = european
    found = power_flow.solved(inputs, real[:, :, None], reactive[:, :, None])
    published = table[[f"u_{p}" for p in PHASES]].to_numpy()
    assert published.min() < 1.0, "phase b sags"
    np.testing.assert_allclose(found["voltage"].values[:, :, 0], published, atol=1e-8, rtol=0)
    np.testing.assert_allclose(
        found["voltage"].values[:, :, 0], sweep(inputs, real, reactive), atol=1e-9, rtol=0
    )
    balance = found["source_power"].values.sum() - real.sum() - found["losses"].values.sum()
    assert abs(balance) < 1e-6


@pytest.mark.parametrize("seed", counts.share(range(20)))
def test_any_feeder_is_as_a_sweep_says(seed):
    """Random trees with lines, a transformer, edges without impedance, and loads on any phase, some that give."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 12))
    edge = ["line", "transformer", *["line"] * (size - 2)]
    above = ["", "n0", *(f"n{rng.integers(1, n)}" for n in range(2, size))]
    r, x = rng.uniform(0.001, 0.05, (2, size)) * (rng.random(size) > 0.2)
    r[1], x[1] = 0.005, 0.02
    ratio = rng.uniform(1, 4, size)
    table = pd.DataFrame(
        {"node": [f"n{n}" for n in range(size)], "parent": above, "edge": edge, "r_ohm": r, "x_ohm": x}
    )
    table["r0_ohm"], table["x0_ohm"] = r * ratio, x * ratio
    real, reactive = rng.uniform(-3, 6, (2, size, 3)) * (rng.random((size, 3)) > 0.5)
    real[0] = reactive[0] = 0
    inputs = network(table, source=1.03)
    found = power_flow.solved(inputs, real[:, :, None], reactive[:, :, None])["voltage"].values[:, :, 0]
    np.testing.assert_allclose(found, sweep(inputs, real, reactive), atol=1e-8, rtol=0)


def test_a_load_beyond_the_network_has_no_power_flow(european):
    _, real, reactive, inputs = european
    with pytest.raises(NoPowerFlow, match="1 slots, the first"):
        power_flow.solved(inputs, 1000 * real[:, :, None], reactive[:, :, None])


@pytest.mark.parametrize("seed", counts.few(range(60)))
def test_what_nodes_take_is_what_meters_measure(seed):
    """Over the community trades cancel: what is left is what the retailer brings and takes."""
    inputs = random_community(seed, gross=bool(seed % 2))
    block = community_block(inputs)
    solve(block)
    results = collect(block)
    real, _ = loads.taken(inputs, results)
    net = results["grid_import"].sum("participant") - results["grid_export"].sum("participant")
    for name, sign in (("vehicle_import", 1), ("vehicle_export", -1)):
        if name in results:
            net = net + sign * results[name].fillna(0.0).sum("vehicle")
    np.testing.assert_allclose(real.sum(axis=(0, 1)), net.values, atol=1e-6)


GRID = (
    "grid={voltage_v: 400, source_voltage: 1.02, power_factor: 0.9}",
    "tables.nodes.substation-1.transformer_kva=250",
    "tables.nodes.bank-1.cable=NAYY 4x150",
    "tables.nodes.bank-1.length_m=300",
    "tables.nodes.bank-2.r_ohm=0.1",
    "tables.nodes.bank-2.x_ohm=0.05",
)


def test_a_scenario_says_what_its_wires_are():
    """300 m of 0.208 + 0.080j ohm/km; 4 % of 400 V squared per 250 kVA, 1.2 % of it resistive; 250 kVA are 361 A."""
    inputs = build_inputs(load_scenario("higashi-fuji", [*GRID, "tables.participants.home-01.phase=c"]))
    wires = {name: inputs[name].to_series() for name in inputs.data_vars if str(name).startswith("node_")}
    assert (
        wires["node_resistance"]["bank-1"]
        == pytest.approx(0.3 * CABLES["NAYY 4x150"].r)
        == pytest.approx(0.0624)
    )
    assert wires["node_resistance_zero"]["bank-1"] == pytest.approx(4 * 0.0624)
    assert wires["node_current_limit"]["bank-1"] == 270
    assert wires["node_resistance"]["substation-1"] == pytest.approx(0.012 * 0.64)
    assert wires["node_reactance"]["substation-1"] == pytest.approx((0.04**2 - 0.012**2) ** 0.5 * 0.64)
    assert wires["node_current_limit"]["substation-1"] == pytest.approx(250e3 / (3**0.5 * 400))
    assert wires["node_edge"].to_dict() == dict.fromkeys(wires["node_edge"].index, "line") | {
        "substation-1": "transformer"
    }
    phases = inputs["participant_phase"].to_series()
    assert phases["home-01"] == "c"
    assert phases["office"] == "abc"
    assert set(phases) == {"a", "b", "c", "abc"}
    assert (inputs["power_factor"] == 0.9).all()
    assert (inputs["source_voltage"] == 1.02).all()
    other = build_inputs(
        load_scenario("higashi-fuji", [*GRID, "tables.participants.home-01.phase=c", "seed=7"])
    )
    assert (other["participant_phase"] != inputs["participant_phase"]).any()


def test_a_scenario_that_says_nothing_of_wires_has_none():
    assert "node_voltage" not in build_inputs(load_scenario("six-kinds"))


@pytest.mark.parametrize(
    ("node", "field", "want"),
    [
        ({"cable": "NAYY 4x15", "length_m": 3}, "cable", "did you mean"),
        ({"voltage_v": 230}, "voltage_v", "a transformer"),
    ],
)
def test_wires_that_cannot_be_are_told(node, field, want):
    nodes = [Node(node="root"), Node(node="a", parent="root", **node)]
    columns, faults = feeder(None, nodes, 1)
    assert not columns
    assert [(p.row, p.field) for p in faults] == [("node=a", field)]
    assert want in faults[0].want


def test_an_edge_of_the_root_is_told():
    [fault] = feeder(None, [Node(node="root", cable="NAYY 4x150", length_m=1)], 1)[1]
    assert fault.want == "none: nothing is above it"


@pytest.mark.parametrize(
    ("override", "want"),
    [
        ("tables.nodes.bank-1.cable=NAYY 4x150", "its length beside the cable"),
        ("tables.nodes.bank-1.r_ohm=1", "r_ohm and x_ohm, or neither"),
        ("tables.nodes.bank-1.r0_ohm=1", "r0_ohm and x0_ohm beside what the edge is, or neither"),
        ("grid.power_factor=0.3", "at least 0.5"),
    ],
)
def test_rows_that_say_half_are_told(override, want):
    with pytest.raises(InputError, match=want):
        load_scenario("higashi-fuji", [override])


def test_limits_by_hand():
    """Two nodes, three phases, two slots: one voltage low, two high, one edge above its rating."""
    voltage = np.full((2, 3, 2), 1.0)
    voltage[0, 1, 0], voltage[1, 2] = 0.89, 1.11
    flow = xr.Dataset(
        {
            "voltage": (("node", "phase", "time"), voltage),
            "loading": (("node", "time"), [[0.2, 1.0], [1.2, 0.5]]),
        }
    )
    found = limits.breaches(flow, limits.BANDS["EN 50160"])
    assert (found.low.sum(), found.high.sum(), found.overloaded.sum(), found.slots) == (1, 2, 1, 2)
    assert limits.worst(voltage, -1) == (0, 1, 0)
    assert not limits.breaches(flow.where(False, 0.95), limits.BANDS["JP"]).any


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a cleared run of a feeder so weak that phase voltages sag: 2 km of a thin cable."""
    path = tmp_path_factory.mktemp("grid") / "run.nc"
    nodes = "tables.nodes=[{node: grid}, {node: bank, parent: grid, level: bank, cable: NAYY 4x50, length_m: 900}]"
    weak = ["grid={}", nodes, "tables.participants.*.node=bank", "fees={method: by-level, levels: {bank: 1}}"]
    command = ["clear", "six-kinds", "--no-ledger", "-o", str(path), "--set", "time.slot_minutes=120"]
    done = CliRunner().invoke(main, [*command, *(a for text in weak for a in ("--set", text))])
    assert done.exit_code == 0, done.output
    return path


def test_the_command_stores_the_power_flow_with_the_run(run, tmp_path):
    before = run_file.open_run(run)
    copy = tmp_path / "copy.nc"
    done = CliRunner().invoke(main, ["grid", str(run), "-o", str(copy), "--json", "--band", "JP"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    tree = run_file.open_run(copy)
    flow = tree["network"].to_dataset()
    assert facts["voltage"]["lowest"]["value"] == flow["voltage"].min().item()
    outside = (flow["voltage"] < 0.95 - 1e-6) | (flow["voltage"] > 1.07 + 1e-6)
    assert facts["breaches"]["low"] + facts["breaches"]["high"] == int(outside.sum()) > 0
    for group in ("inputs", "results", "trades", "settlement"):
        xr.testing.assert_identical(tree[group].to_dataset(), before[group].to_dataset())
    taken = loads.taken(tree["inputs"].to_dataset(), tree["results"].to_dataset())[0]
    np.testing.assert_allclose(
        flow["source_power"].sum("phase"), taken.sum(axis=(0, 1)) + flow["losses"].sum("node"), atol=1e-6
    )
    assert "network" not in run_file.open_run(run)


def test_breaches_are_told_and_are_an_error_only_where_asked(run):
    told = CliRunner().invoke(main, ["grid", str(run), "--band", "JP"])
    assert told.exit_code == 0, told.output
    assert "slots break a limit" in told.output
    assert CliRunner().invoke(main, ["grid", str(run), "--band", "JP", "--strict"]).exit_code == 3
    assert not list(run.parent.glob("run.1.nc")), "what the run is did not change"
    balanced = CliRunner().invoke(main, ["grid", str(run), "--balanced", "--json"])
    assert json.loads(balanced.stdout)["loads"] == "in equal parts on the phases"
    np.testing.assert_allclose(run_file.open_run(run)["network"]["voltage"].std("phase"), 0, atol=1e-9)


def test_the_page_draws_the_power_flow(run, tmp_path):
    copy, page = tmp_path / "copy.nc", tmp_path / "page.html"
    assert CliRunner().invoke(main, ["grid", str(run), "-o", str(copy)]).exit_code == 0
    assert CliRunner().invoke(main, ["report", str(copy), "-o", str(page)]).exit_code == 0
    flow = run_file.open_run(copy)["network"].to_dataset()
    read = pages.read(page.read_text(encoding="utf-8"))
    assert read.faults == []
    _, rows = read.table("Voltages")
    drawn = np.array([*rows.values()])
    np.testing.assert_allclose(drawn[:, 0], 100 * (flow["voltage"].min(("node", "phase")) - 1), atol=0.005)
    np.testing.assert_allclose(drawn[:, 1], 100 * (flow["voltage"].max(("node", "phase")) - 1), atol=0.005)
    header, rows = read.table("Loading of the network")
    assert header[1:] == ["bank - grid"]
    drawn = np.array([*rows.values()])[:, 0]
    np.testing.assert_allclose(drawn, 100 * flow["loading"].sel(node="bank"), atol=0.05)


def test_a_run_that_says_nothing_of_its_wires_is_refused(tmp_path):
    path = tmp_path / "run.nc"
    CliRunner().invoke(
        main, ["clear", "six-kinds", "--no-ledger", "-o", str(path), "--set", "time.slot_minutes=240"]
    )
    done = CliRunner().invoke(main, ["grid", str(path)])
    assert done.exit_code == 2
    assert "nothing said of its wires" in done.output


def test_a_day_that_newton_alone_solves_is_solved(european, monkeypatch):
    """Iterated currents give up after one step here: the other method decides, to the same voltages."""
    from power_grid_model import CalculationMethod, PowerGridModel
    from power_grid_model.errors import IterationDiverge

    _, real, reactive, inputs = european
    usual = power_flow.solved(inputs, real[:, :, None], reactive[:, :, None])
    asked, solve_it = [], PowerGridModel.calculate_power_flow

    def diverging(self, **options):
        asked.append(options["calculation_method"])
        if asked[-1] == CalculationMethod.iterative_current:
            raise IterationDiverge("no")
        return solve_it(self, **options)

    monkeypatch.setattr(PowerGridModel, "calculate_power_flow", diverging)
    found = power_flow.solved(inputs, real[:, :, None], reactive[:, :, None])
    assert asked == [CalculationMethod.iterative_current, CalculationMethod.newton_raphson]
    np.testing.assert_allclose(found["voltage"], usual["voltage"], atol=1e-8)


def test_markets_stand_side_by_side(run, tmp_path):
    """Each row as the run alone tells it; what other markets would do is found from the inputs, and stored nowhere."""
    copy, other = tmp_path / "p2p.nc", tmp_path / "unmanaged.nc"
    copy.write_bytes(run.read_bytes())
    done = CliRunner().invoke(
        main, ["clear", str(copy), "--market", "unmanaged", "-o", str(other), "--no-ledger"]
    )
    assert done.exit_code == 0, done.output
    words = ["grid", str(copy), str(other), "--band", "JP", "--against", "unmanaged", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    first, second, again = json.loads(done.stdout)["runs"]
    assert second["path"] == str(other)
    assert again["path"] is None
    for name in ("voltage", "breaches", "loading"):
        assert again[name] == second[name]
    assert again["losses_kwh"] == pytest.approx(second["losses_kwh"])
    alone = json.loads(CliRunner().invoke(main, ["grid", str(copy), "--band", "JP", "--json"]).stdout)
    assert {key: first[key] for key in alone if key != "path"} == {
        k: v for k, v in alone.items() if k != "path"
    }
    text = CliRunner().invoke(main, words[:-1]).output
    assert (first["breaches"]["slots"], second["breaches"]["slots"]) == (2, 1)
    assert "p2p beside unmanaged: limits break in 1 slot more; greatest loading from" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p2p.nc", "unmanaged.nc"]
    both = CliRunner().invoke(main, ["grid", str(copy), str(other), "-o", str(tmp_path / "x.nc")])
    assert both.exit_code == 2


def test_what_is_drawn_above_envelopes_is_told(tmp_path, monkeypatch):
    """A home whose demand exceeds its envelope where nobody plans: in the notes of the run and beside its flow."""
    limit, path = tmp_path / "limit.csv", tmp_path / "unmanaged.nc"
    times = [f"2020-08-19T{hour:02}:00" for hour in range(0, 24, 4)]
    limit.write_text("\n".join(["time,pv", *(f"{time},0.1" for time in times)]) + "\n")
    words = ["clear", "six-kinds", "--market", "unmanaged", "-o", str(path)]
    sets = ["grid={}", "time.slot_minutes=240", f"series.import_limit.path={limit}"]
    sets += ["tables.participants.*.import_limit_column=pv", "tables.nodes.bank-1.import_limit_kw=0.3"]
    done = CliRunner().invoke(main, [*words, *(a for text in sets for a in ("--set", text))])
    assert done.exit_code == 0, done.output
    assert "kWh are drawn above import envelopes in" in done.output
    tree = run_file.open_run(path)
    over = np.maximum(tree["results"]["draw"].values - 0.1, 0.0)
    assert f"note: {4 * over.sum():.3f} kWh are drawn above" in done.output
    at_bank = tree["inputs"]["participant_node"].values == "bank-1"
    net = (tree["results"]["draw"] - tree["results"]["supply"]).values[at_bank].sum(axis=0)
    beyond = 4 * np.maximum(net - 0.3, 0.0).sum()
    assert f"note: {beyond:.3f} kWh flow into nodes above their import limits" in done.output
    found = day.flow(tree)
    assert found.figures["above_node_limits"]["kwh"] == pytest.approx(beyond)
    assert "above envelopes  above node limits" in markets.side_by_side([found])


@pytest.mark.slow
def test_stores_of_regions_and_simulated_days_have_power_flows(tmp_path):
    """The flow of a store of regions is a file beside it; a simulated day is told beside one that nobody manages."""
    store = tmp_path / "p2p.zarr"
    words = ["clear", "feeder", "--workers", "1", "--no-ledger", "-o", str(store)]
    assert CliRunner().invoke(main, words).exit_code == 0
    done = CliRunner().invoke(main, ["grid", str(store), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    beside = xr.load_dataset(tmp_path / "p2p.network.nc")
    assert facts["path"] == str(tmp_path / "p2p.network.nc")
    assert facts["voltage"]["highest"]["value"] == float(beside["voltage"].max())
    assert beside.attrs["results_digest"] == run_file.open_run(store).attrs["results_digest"]
    words = [
        "simulate",
        "feeder",
        "--days",
        "1",
        "--no-ledger",
        "-o",
        str(tmp_path / "exchange.nc"),
        "--json",
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)["feeder"]
    assert (first["market"], second["market"]) == ("exchange", "unmanaged")
    assert first["losses_kwh"] < second["losses_kwh"]
