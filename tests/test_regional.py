"""A community cleared by regions on a real cluster, against the same cleared as one."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly import by_region
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.inputs.contract import TABLE
from otonari.data.loading import town
from otonari.data.loading.scenario import digest, load_scenario
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.errors import SolveError
from otonari.model.settlement import account_lines, accounts
from otonari.model.settlement.origins import trace
from otonari.runs import compare
from otonari.runs.clear import by_regions, region_task, single
from otonari.runs.clear.dask_cluster import ClusterError
from otonari.runs.ledger import ledger, records
from otonari.runs.store import atomic_file, netcdf, run_file, run_format, zarr

from . import counts
from .clusters import local
from .communities import metered_net

pytestmark = pytest.mark.thorough

COARSE = ("time.slot_minutes=240", "tables.vehicles.*.work=")
APART = (*COARSE, "fees.levels.bank=40")
"""A fee beyond what two banks could gain from each other."""
NEAR = (*COARSE, "fees.levels.bank=0.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a town of two banks, with 25 homes and 7, and a business."""
    path = tmp_path_factory.mktemp("town") / "t"
    atomic_file.write_new(path, town.files(32, 3))
    return path


@pytest.fixture(scope="module")
def optimum(folder, tmp_path_factory):
    """Return the town whose banks are near, cleared as one."""
    output = tmp_path_factory.mktemp("near") / "p2p.nc"
    return single.run(folder, overrides=NEAR, record=False, output=output).tree


@pytest.fixture
def cleared(cluster, folder, tmp_path, monkeypatch):
    """Return a function that clears the town by regions of at most 25 participants."""
    monkeypatch.setattr(region_task, "PEOPLE", 25)

    def call(*overrides, **options):
        options = {"record": False, "output": tmp_path / "out" / "p2p.zarr"} | options
        return by_regions.run(folder, overrides=overrides, scheduler=cluster.scheduler_address, **options)

    return call


def in_order(dataset, like):
    """Return a group with its entries in the order of another one."""
    return dataset.sel(
        {
            d: like[d].values
            for d in ("participant", "battery", "vehicle", "flexible_load", "task", "trip")
            if d in like.dims
        }
    )


def test_regions_apart_are_the_community_as_one(cleared, folder, tmp_path):
    """Where no bank trades with the other: inputs, prices, bills and figures are those of a clearing as one.

    Among equal optima a rule decides that weighs all columns of a program, so quantities may differ. Who has none of an
    optional input in a region, here another metering, has in the store what its absence stands for.
    """
    boiler = "{heat_pump: boiler, owner: home-000003, power_limit_kw: 1, cop: 3, tank_kwh: 12, persons: 2}"
    changes = (*APART, "tables.participants.home-000003.metering=gross", f"tables.heat_pumps=[{boiler}]")
    one = single.run(folder, overrides=changes, output=tmp_path / "p2p.nc", record=False)
    many = cleared(*changes, record=True, directory=tmp_path / "many")
    assert many.tree.attrs["regions"] == 2
    assert (many.tree.attrs["certified_gap"], many.tree.attrs["status"]) == (0, "optimal")
    assert many.tree.attrs["objective"] == pytest.approx(one.tree.attrs["objective"], rel=1e-9)
    assert many.tree.attrs["scenario_hash"] == one.tree.attrs["scenario_hash"]
    assert {n: v for n, v in one.tree.attrs.items() if n == "market_id"}.items() <= many.tree.attrs.items()
    got, want = (o.tree["inputs"].to_dataset().load() for o in (many, one))
    xr.testing.assert_equal(in_order(got, want), want)
    assert set(got["participant_metering"].values) == {"net", "gross"}
    assert got["heat_pump_owner"].values.tolist() == ["home-000003"]
    for name in ("results", "settlement", "trades"):
        assert set(many.tree[name].variables) == set(one.tree[name].variables)
    got, want = (o.tree["settlement"].to_dataset().load() for o in (many, one))
    for name in ("bill", "bill_grid_only", "saving"):
        np.testing.assert_allclose(in_order(got, want)[name], want[name], atol=1e-5)
    got, want = (o.tree["results"]["price"] for o in (many, one))
    xr.testing.assert_allclose(got.load(), want, atol=1e-6)
    assert not list((tmp_path / "out").glob("*regions*")), "nothing but the store is left"
    as_committed_from_one_file(many, one.tree, tmp_path)


def test_envelopes_of_connections_by_region(cleared, folder, tmp_path):
    """Limits over time that hold back chargers and PV: of each region its own, and of all those of one clearing.

    Limits over time of nodes would join regions, and are refused by name.
    """
    whole = build_inputs(load_scenario(folder, APART))
    people = whole["participant"].values.tolist()
    drawn = np.maximum(whole["demand"].values - whole["pv_available"].values, 0.0)
    files = {"import": drawn + 0.4, "export": np.full(drawn.shape, 0.5)}
    times = whole["time"].values + np.timedelta64(9, "h")
    for way, limit in files.items():
        rows = [",".join([str(t)[:16], *(f"{kw:.6f}" for kw in limit[:, k])]) for k, t in enumerate(times)]
        (tmp_path / f"{way}.csv").write_text("\n".join([",".join(["time", *people]), *rows]))
    named = ", ".join(f"{way}_limit: {{path: {tmp_path / way}.csv}}" for way in files)
    changes = (*APART, f"series={{{named}}}")
    one = single.run(folder, overrides=changes, output=tmp_path / "p2p.nc", record=False)
    free = single.run(folder, overrides=APART, output=tmp_path / "free.nc", record=False)
    many = cleared(*changes)
    assert (many.tree.attrs["regions"], many.tree.attrs["certified_gap"]) == (2, 0)
    assert many.tree.attrs["objective"] == pytest.approx(one.tree.attrs["objective"], rel=1e-9)
    assert one.tree.attrs["objective"] > free.tree.attrs["objective"] + 1, "they bind"
    got, want = (o.tree["inputs"].to_dataset().load() for o in (many, one))
    xr.testing.assert_equal(in_order(got, want), want)
    got, want = (o.tree["settlement"].to_dataset().load() for o in (many, one))
    np.testing.assert_allclose(in_order(got, want)["bill"], want["bill"], atol=1e-5)
    with pytest.raises(ClusterError, match="limits over time of nodes"):
        cleared(*APART, f"tables.nodes.{whole['node'].values[-1]}.import_limit_kw=5")


@pytest.mark.parametrize("battery", counts.all_or(["battery-000031", "battery-000003"], ["battery-000031"]))
def test_targets_of_one_region_are_those_of_the_whole(cleared, folder, tmp_path, battery):
    """A store that lacks 40 kWh of a target, none elsewhere: what is lacking, accounts, figures and the objective."""
    store = f"tables.batteries.{battery}"
    target = (
        f"{store}.capacity_kwh=60",
        f"{store}.target_energy_kwh=60",
        f"{store}.target_by=08:00",
        f"{store}.target_breach_per_kwh=50",
        f"{store}.final_value_per_kwh=20",
        "tables.loads=[{load: boiler, owner: home-000031, energy_kwh: 5, power_kw: 1}, "
        "{load: cooling, owner: home-000003, shed_per_kwh: 30}]",
    )
    many = cleared(*APART, *target)
    one = single.run(folder, overrides=(*APART, *target), output=tmp_path / "p2p.nc", record=False)
    assert many.tree.attrs["regions"] == 2
    for name in ("objective", "target_missing"):
        assert many.tree.attrs[name] == pytest.approx(one.tree.attrs[name], abs=1e-3), name
    assert many.tree.attrs["target_missing"] > 1
    loads = many.tree["inputs"]
    assert sorted(loads["flexible_load"].values.tolist()) == sorted(loads["task_load"].values.tolist())
    got, want = (
        in_order(o.tree["results"].to_dataset().load(), one.tree["results"].to_dataset()) for o in (many, one)
    )
    np.testing.assert_allclose(got["battery_breach"], want["battery_breach"], atol=1e-5)
    settled = many.tree["settlement"].to_dataset().load()
    assert settled["breach_cost"].dims == ("participant",)
    figures, alike = (compare.summary(o.tree) for o in (many, one))
    for name in ("saving", "breach_cost", "shed_cost", "final_energy_value"):
        assert float(figures[name]) == pytest.approx(float(alike[name]), abs=1e-3), name


def test_gross_metering_in_regions_is_that_of_the_whole(cleared):
    """Origins and shares of the regions are those of their union, traced at once: everybody's PV has its own meter."""
    many = cleared(*APART, "tables.participants.*.metering=gross")
    assert many.tree.attrs["regions"] == 2
    groups = {g: many.tree[g].to_dataset().load() for g in run_format.GROUPS}
    inputs, results, trades, settlement = (groups[g] for g in ("inputs", "results", "trades", "settlement"))
    assert set(inputs["participant_metering"].values) == {"gross"}
    origins = trace(inputs, results, trades)
    apart = trace(metered_net(inputs), results, trades)
    want = accounts.settle(inputs, results, trades, results)
    for use in ("demand", "driving", "distance"):
        np.testing.assert_allclose(settlement[f"{use}_from"], getattr(origins, f"{use}_from"), atol=1e-6)
    assert abs(origins.demand_from - apart.demand_from).max() > 0.1, "as of one meter it would be another one"
    for name in account_lines.SHARES:
        np.testing.assert_allclose(settlement[name], want[name], atol=1e-6)
        np.testing.assert_allclose(settlement[f"community_{name}"], want[f"community_{name}"], atol=1e-6)
    found = {v.check for v in check(inputs, results, trades, settlement, lp=False)}
    assert not {
        n for n in found if n.startswith(("origin", *account_lines.SHARES, "community", "driving_co2"))
    }


def as_committed_from_one_file(many, one, tmp_path):
    """Assert that the ledger and the figures of a run in chunks are those of the same run in one piece."""
    groups = {g: many.tree[g].to_dataset().load() for g in run_format.GROUPS}
    groups = {f"/{g}": in_order(d, one[g].to_dataset()) if g != "trades" else d for g, d in groups.items()}
    whole = xr.DataTree.from_dict(groups)
    whole.attrs = many.tree.attrs
    netcdf.write_run(whole, tmp_path / "whole.nc")
    whole = run_file.open_run(tmp_path / "whole.nc")
    xr.testing.assert_allclose(compare.summary(many.tree), compare.summary(whole))
    settled = accounts.settle(
        *(whole[g].to_dataset() for g in ("inputs", "results", "trades")), whole["results"].to_dataset()
    )
    for name in account_lines.SHARES:
        assert float(settled[f"community_{name}"]) == pytest.approx(
            float(whole["settlement"][f"community_{name}"])
        )
    shutil.copytree(tmp_path / "many", tmp_path / "again")
    assert ledger.commit(tmp_path / "again", records.of_run(whole)).added == 0, (
        "all blocks are there, byte by byte"
    )
    assert (
        ledger.verify(tmp_path / "many", private=True).head
        == many.tree.attrs["ledger_head"]
        == many.commit.head
    )


def test_regions_that_would_trade_are_joined(cleared, optimum):
    """Banks that are near trade, and are cleared again as one region: the optimum of the whole."""
    found = cleared(*NEAR)
    assert (found.tree.attrs["regions"], found.tree.attrs["certified_gap"]) == (1, 0)
    assert found.tree.attrs["method"] == "regions apart: 1, in rounds: 2"
    assert found.tree.attrs["objective"] == pytest.approx(optimum.attrs["objective"], rel=1e-6)
    assert in_order(found.tree["results"].to_dataset(), optimum["results"].to_dataset())[
        "price"
    ].values == pytest.approx(optimum["results"]["price"].values, abs=1e-6)


def test_where_too_many_would_be_joined_the_gap_is_certified(cleared, optimum, monkeypatch):
    monkeypatch.setattr(region_task, "MOST", 26)
    found = cleared(*NEAR)
    objective, gap = (found.tree.attrs[n] for n in ("objective", "certified_gap"))
    assert found.tree.attrs["regions"] == 2
    assert 0 < objective - optimum.attrs["objective"] <= gap * abs(objective) + 1e-6
    assert found.tree.attrs["status"] == "feasible"


def test_the_inputs_of_a_region_are_those_of_the_whole(folder, tmp_path, monkeypatch):
    """Series, trips, defaults and changed rows, whichever rows are read beside them; and the same digest."""
    monkeypatch.setattr(by_region, "CHUNK", 7)
    monkeypatch.setattr(region_task, "PEOPLE", 25)
    changes = [*COARSE, "tables.participants.home-000003.persons=5", "fuel.price_per_litre=150"]
    changes += ["tables.participants.home-000003.metering=gross"]
    whole = by_region.outline(folder, changes)
    scenario = load_scenario(folder, changes)
    assert whole.hash == digest(scenario)
    inputs = build_inputs(scenario)
    community = region_task.Community(whole, tmp_path / "parts")
    community.spread()
    seen = 0
    for task in community.tasks().values():
        own = build_inputs(load_scenario(region_task._scenario(task)))
        top = own["node"].values[own["node_parent"].values == ""]
        labels = {d: own[d].values for d in ("participant", "battery", "vehicle", "trip", "node")}
        want = inputs.sel(labels).copy(deep=True)
        want["node_parent"].loc[{"node": top}], want["node_fee"].loc[{"node": top}] = "", 0.0
        for name in set(want.variables) - set(own.variables):
            assert (want[name] == TABLE[name].absent).all(), name
        xr.testing.assert_equal(own, want[list(own.variables)])
        seen += own.sizes["participant"]
    assert seen == inputs.sizes["participant"]
    np.testing.assert_array_equal(whole.fee, inputs["node_fee"])
    np.testing.assert_array_equal(whole.access, inputs["node_access_fee"])
    np.testing.assert_array_equal(whole.limit, inputs["node_limit"])


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        ("participants", "home-000009,", "home-000008,"),
        ("participants", "bank-00002", "bank-00099"),
        ("batteries", ",home-0", ",hone-0"),
        ("vehicles", "commuter", "comuter"),
        ("nodes", "feeder-0001,substation-001", "feeder-0001,bank-00001"),
        ("vehicles", "owner", "ouner"),
    ],
)
def test_bad_input_is_told_as_validate_tells_it(folder, tmp_path, table, old, new):
    made = shutil.copytree(folder, tmp_path / "bad")
    path = made / f"{table}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        by_regions.run(made, record=False, output=tmp_path / "p2p.zarr")
    assert list(caught.value.problems) == problems(made)
    assert not (tmp_path / "p2p.zarr").exists()


def test_a_clearing_goes_on_where_it_was(cleared, tmp_path, monkeypatch):
    """A region that is stored and intact is not cleared again; a damaged one is, and nothing is lost."""
    monkeypatch.setattr(zarr, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cleared(*APART)
    monkeypatch.undo()
    monkeypatch.setattr(region_task, "PEOPLE", 25)
    (parts,) = (tmp_path / "out").glob("p2p-regions-*")
    one, other = sorted(parts.glob("*.nc"))
    one.write_bytes(one.read_bytes()[:3000])
    stamp = other.stat().st_mtime_ns
    shutil.copytree(parts, tmp_path / "copy", copy_function=shutil.copy2)
    monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None)
    found = cleared(*APART)
    assert found.tree.attrs["regions"] == 2
    assert other.stat().st_mtime_ns == stamp
    assert list(parts.glob("*.damaged"))


def test_what_only_a_region_finds_wrong_is_told_of_the_whole(cluster, folder, tmp_path):
    """A capacity that no battery has is wrong with the inputs, not with its row."""
    made = shutil.copytree(folder, tmp_path / "bad")
    text = (made / "batteries.csv").read_text().splitlines()
    header, *rows = [line.split(",") for line in text if not line.startswith("#")]
    rows[0][header.index("capacity_kwh")] = "2000000"
    (made / "batteries.csv").write_text("\n".join(",".join(row) for row in [header, *rows]))
    with pytest.raises(InputError) as caught:
        by_regions.run(made, record=False, output=tmp_path / "p2p.zarr", scheduler=cluster.scheduler_address)
    assert list(caught.value.problems) == problems(made)
    assert caught.value.problems[0].field == "battery_capacity"


def test_minimum_charge_powers_and_pairs_of_nodes_are_refused(tmp_path):
    least = ["tables.vehicles.*.min_charge_kw=1"]
    with pytest.raises(ClusterError, match="minimum charge"):
        by_regions.run("six-kinds", overrides=least, output=tmp_path / "p2p.zarr")
    assert not by_regions._outline("six-kinds", least, True).least_charge
    bands = [
        "fees={method: by-distance, distance: path, bands: [{fee_per_kwh: 1}]}",
        "tables.nodes.*.length_m=5",
    ]
    with pytest.raises(ClusterError, match="pair of nodes"):
        by_regions.run("six-kinds", overrides=bands, output=tmp_path / "p2p.zarr")


def interrupted(*arguments, **options):
    raise KeyboardInterrupt


def test_a_region_without_solution_is_named(cleared, tmp_path):
    with pytest.raises(SolveError, match=r"region town: .*of connection for what it must draw"):
        cleared(*APART, "tables.participants.home-000030.import_limit_kw=0.001")
    assert not (tmp_path / "out" / "p2p.zarr").exists()


@pytest.mark.slow
def test_a_worker_that_dies_is_survived(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(region_task, "PEOPLE", 25)
    killed = []

    def progress(done, whole):
        if done == 1 and not killed:
            killed.append(True)
            for worker in own.workers.values():
                os.kill(worker.pid, signal.SIGKILL)

    with local(workers=1) as own:
        found = by_regions.run(
            folder,
            overrides=APART,
            record=False,
            output=tmp_path / "p2p.zarr",
            scheduler=own.scheduler_address,
            progress=progress,
        )
    assert killed
    assert found.tree.attrs["regions"] == 2


def test_the_command_line(cluster, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(region_task, "PEOPLE", 25)
    path = tmp_path / "p2p.zarr"
    call = [
        "clear",
        str(folder),
        "--scheduler",
        cluster.scheduler_address,
        "-o",
        str(path),
        "--no-ledger",
        "--json",
    ]
    changes = [a for text in APART for a in ("--set", text)]
    result = CliRunner().invoke(main, [*call, *changes])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["regions"], facts["certified_gap"]) == (2, 0)
    first = zarr.attributes_of(path)
    result = CliRunner().invoke(main, [*call, *changes, "--set", "fuel.price_per_litre=170"])
    assert result.exit_code == 0, result.output
    assert zarr.attributes_of(tmp_path / "p2p.1.zarr") == first, "an earlier, different run is kept"
    result = CliRunner().invoke(main, ["compare", str(path), str(tmp_path / "p2p.1.zarr")])
    assert result.exit_code == 0, result.output
    for wrong in (["--market", "grid-only"], ["--workers", "2"], ["-o", "x.nc"]):
        assert CliRunner().invoke(main, [*call, *wrong]).exit_code == 2
    assert (
        CliRunner()
        .invoke(
            main,
            [
                "clear",
                "six-kinds",
                "--workers",
                "1",
                "--no-ledger",
                "--set",
                "tables.vehicles.*.min_charge_kw=1",
            ],
        )
        .exit_code
        == 2
    )
    (path / ".zattrs").write_text((path / ".zattrs").read_text().replace('"regions": 2', '"regions": 3'))
    with pytest.raises(atomic_file.RunFileError, match="edited"):
        run_file.open_run(path)


def test_directions_that_are_decided_in_regions_leave_a_gap_that_holds(cleared, folder, tmp_path):
    """Feed-in above retail: no price of a decided program bounds the whole, that of the relaxation does."""
    dear = (
        *APART,
        *(f"tariffs.{name}.feed_in.price_per_kwh=45" for name in ("standard", "night", "business")),
    )
    one = single.run(folder, overrides=dear, output=tmp_path / "p2p.nc", record=False).tree
    many = cleared(*dear).tree
    assert one.attrs["directions"] > 0
    assert many.attrs["objective"] >= one.attrs["objective"] * (1 - 1e-9) - one.attrs["proof_mip_gap"]
    bound = many.attrs["objective"] - many.attrs["certified_gap"] * abs(many.attrs["objective"])
    assert bound <= one.attrs["objective"] + 1e-6
    assert (many.attrs["status"] == "optimal") == (many.attrs["certified_gap"] == 0)


def test_contracts_of_components_in_regions_are_those_of_the_whole(cleared, folder, tmp_path):
    components = (
        "[{name: grid, part: network, price: 3}, {name: base, part: energy, basis: per-day, price: 50},"
    )
    components += " {name: power, part: network, basis: per-kw-contracted, per: day, price: 2},"
    components += " {name: peak, part: network, basis: per-kw-peak, price: 50},"
    components += " {name: blocks, part: levy, price: {type: tiered, per: day, tiers:"  # of a step below the access fees
    components += " [{up_to_kwh: 4, price_per_kwh: 0}, {price_per_kwh: 2}]}},"
    components += " {name: VAT, part: tax, basis: percent, price: 10}]"
    name = next(iter(load_scenario(folder).tariffs))
    changes = (
        *APART,
        f"tariffs.{name}.components={components}",
        "tables.participants.*.contracted_kw=4",
        f"tables.participants.*.tariff={name}",
    )
    one = single.run(folder, overrides=changes, output=tmp_path / "p2p.nc", record=False).tree
    many = cleared(*changes).tree
    got, want = (tree["settlement"].to_dataset().load() for tree in (many, one))
    assert many.attrs["certified_gap"] == 0
    assert many.attrs["objective"] == pytest.approx(one.attrs["objective"], rel=1e-9)
    for line in ("bill", "bill_grid_only", "standing_charges"):
        np.testing.assert_allclose(in_order(got, want)[line], want[line], atol=1e-4)
    assert float(got["peak_charges"].sum()) > 0
    np.testing.assert_allclose(
        in_order(got, want)["tier_charges"].sum(), want["tier_charges"].sum(), rtol=1e-6
    )
    assert float(got["tier_charges"].sum()) > 0
    assert float(got["standing_charges"].max()) == pytest.approx(1.1 * (50 + 2 * 4))
    groups = [many[g].to_dataset().load() for g in ("inputs", "results", "trades", "settlement")]
    assert check(*groups) == []
