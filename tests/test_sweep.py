"""Sweeps on a real cluster: points, failures with their reason, killed workers, interrupts, and going on."""

import itertools
import json
import os
import signal

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from distributed import Client

from otonari.cli import main
from otonari.data.loading.sweep_file import MOST_POINTS, load
from otonari.data.problems import InputError
from otonari.runs import compare
from otonari.runs.clear import sweep
from otonari.runs.clear.dask_cluster import ClusterError
from otonari.runs.report import tables
from otonari.runs.store import atomic_file, run_file, sweep_results

from .clusters import local

SMALL = """
schema_version: 1
name: small
scenario: six-kinds
set: {time.slot_minutes: 360, tables.vehicles: [], tables.trips: []}
"""
"""Six homes without cars in four slots, a quarter of a second a clearing."""
FEES = "grid: {fees.access_fee_per_kwh: [0, 5]}\n"


def sweeps(folder, cluster):
    """Return a function that sweeps a text on the cluster."""

    def call(text, **options):
        path = folder / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        return sweep.run(path, folder / "out", scheduler=cluster.scheduler_address, **options)

    return call


@pytest.fixture
def swept(tmp_path, cluster):
    return sweeps(tmp_path, cluster)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, cluster):
    """Return a sweep of four points that clear and four that fail."""
    broken = "cases: {as-is: {}, cut: {tables.participants.*.import_limit_kw: 0.01}}\n"
    markets = "markets: [p2p, grid-only]\n"
    return sweeps(tmp_path_factory.mktemp("mixed"), cluster)(SMALL + FEES + broken + markets)


def refused(tmp_path, text):
    """Return the problems of a text, as (row, field, got, want)."""
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    assert {p.where for p in caught.value.problems} == {str(path)}
    return [(p.row, p.field, p.got, p.want) for p in caught.value.problems]


def test_the_points_are_every_combination_in_order(tmp_path):
    path = tmp_path / "sweep.yaml"
    text = """
cases: {as-is: {}, dear: {fuel.price_per_litre: 200, carbon.grid_kg_per_kwh: 0.4}}
grid:
  tables.participants.home-01.persons: [1, 2]
  tariffs.standard.feed_in: [{price_per_kwh: 8, type: flat}, {price_per_kwh: 9, type: flat}]
starts: [2020-08-19, 2020-08-20]
seeds: [7]
markets: [p2p, grid-only]
"""
    path.write_text(SMALL + text, encoding="utf-8")
    plan = load(path)
    persons, paid = "tables.participants.home-01.persons", "tariffs.standard.feed_in"
    assert plan.axes == {
        "case": ("as-is", "dear"),
        persons: (1, 2),
        paid: ('{"price_per_kwh": 8, "type": "flat"}', '{"price_per_kwh": 9, "type": "flat"}'),
        "start": ("2020-08-19", "2020-08-20"),
        "seed": (7,),
        "market": ("p2p", "grid-only"),
    }
    assert [p.labels for p in plan.points] == list(itertools.product(*plan.axes.values()))
    assert {p.overrides[-1] for p in plan.points} == {"seed=7"}
    assert "fuel.price_per_litre=200" in plan.points[-1].overrides
    assert 'time.start="2020-08-20"' in plan.points[-1].overrides
    assert len({p.scenario_hash for p in plan.points}) == len(plan.points) // 2  # a market is no scenario


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("girds: {}\n", [("6", "girds", "an unknown key 'girds' (did you mean 'grid'?)", None)]),
        ("grid: {fuel: [1]}\n", [("6", "grid.fuel", "'fuel'", None)]),
        ("grid: {fuel.price_per_litre: []}\n", [("6", "grid.fuel.price_per_litre", "an empty list", None)]),
        (
            "seeds: [-1]\nmarkets: [p2q]\n",
            [("6", "seeds.0", "-1", "at least 0"), ("7", "markets.0", None, None)],
        ),
        ("seeds: [1, 2, 1]\n", [("6", "seeds.2", "1 twice", "every value once")]),
        (
            "starts: [2020-08-19]\ngrid: {time.start: [2020-08-20]}\n",
            [("6", "starts.0", "changes of time.start, which time.start changes too", None)],
        ),
        (
            "cases: {a: {fuel.price_per_litre: 1}}\ngrid: {fuel.price_per_litre: [2]}\n",
            [
                (
                    "7",
                    "grid.fuel.price_per_litre",
                    "changes of fuel.price_per_litre, which case changes too",
                    None,
                )
            ],
        ),
        (f"seeds: [{', '.join(map(str, range(MOST_POINTS + 1)))}]\n", [("2", "file", "100001 points", None)]),
        (
            "grid:\n  fees.access_fee_per_kwh: [1, -1]\n  fuel.price: [1]\n",
            [
                ("7", "fees.access_fee_per_kwh", "-1", "at least 0"),
                ("8", "fuel.price", "an unknown key 'price'", None),
            ],
        ),
        ("cases:\n  a: {currency: EUR}\n  b: {}\n", [("2", "file", "scenarios in EUR, JPY", "one currency")]),
        (
            "cases:\n  a:\n    tables.homes.h.x: 1\n",
            [("8", "tables.homes", "an unknown key 'homes' (did you mean 'nodes'?)", None)],
        ),
    ],
)
def test_every_problem_is_said_with_its_row_and_key(tmp_path, text, want):
    found = refused(tmp_path, SMALL + text)
    assert len(found) == len(want)
    for got, expected in zip(found, want, strict=True):
        assert all(e is None or g == e for g, e in zip(got, expected, strict=True)), got


def test_an_unknown_scenario_and_a_file_that_is_none(tmp_path):
    ((row, field, got, want),) = refused(tmp_path, SMALL.replace("six-kinds", "six-kind"))
    assert (row, field, got) == ("4", "scenario", "'six-kind'")
    assert "did you mean 'six-kinds'?" in want
    assert refused(tmp_path, "- 1\n")[0][1:3] == ("file", "a list")
    assert [p[1] for p in refused(tmp_path, "name: x\n")] == ["schema_version", "scenario"]


def test_a_sweep_is_gathered_over_its_dimensions(mixed):
    """Points hold what a clearing of the same scenario holds; a failed one has a reason and no figures."""
    outcome, found = mixed, mixed.dataset
    axis = "fees.access_fee_per_kwh"
    assert found["bill"].dims == ("case", axis, "market")
    assert found["kind_bill"].dims == ("case", axis, "market", "kind")
    assert (outcome.cleared, outcome.already, len(outcome.failed)) == (4, 0, 4)
    assert (found["reason"].sel(case="as-is") == "").all()
    assert all(
        "of connection for what it must draw" in r for r in found["reason"].sel(case="cut").values.flat
    )
    assert found["bill"].sel(case="cut").isnull().all()
    alone, together = (found["bill"].sel(case="as-is", market=m) for m in ("grid-only", "p2p"))
    np.testing.assert_allclose(alone, found["bill_grid_only"].sel(case="as-is", market="p2p"))
    assert (together < alone).all()
    assert together.sel({axis: 0}) < together.sel({axis: 5})  # a fee can only cost
    hash_ = str(found["scenario_hash"].sel(case="as-is", market="p2p").values[1])
    tree = run_file.open_run(outcome.path.parent / f"{hash_[:16]}-p2p.nc")
    settled = tree["settlement"].to_dataset()
    point = found.sel(case="as-is", market="p2p").sel({axis: 5})
    for name in ("bill", "grid_cost", "feed_in_revenue", "peer_revenue", "wear_cost"):
        assert float(point[name]) == pytest.approx(float(settled[name].sum())), name
        assert point[name].attrs["units"] == "JPY"
    assert float(point["peer_energy"]) == pytest.approx(float(settled["peer_energy"]))
    np.testing.assert_allclose(point["kind_bill"].sum(), point["bill"])


def test_a_sweep_goes_on_where_it_was(swept, tmp_path):
    """What is stored and intact is left alone; what is damaged, missing or of something else is done again."""
    first = swept(SMALL + FEES + "seeds: [1, 2]\n")
    assert (first.cleared, first.already) == (4, 0)
    files = sorted((tmp_path / "out").glob("*-p2p.nc"))
    assert len(files) == 4
    damaged, missing, flipped, intact = files
    damaged.write_bytes(damaged.read_bytes()[:2000])
    missing.unlink()
    with xr.open_datatree(flipped) as file:
        tree = file.load()
    tree.attrs["market"] = "grid-only"
    tree.to_netcdf(flipped)
    stamp = intact.stat().st_mtime_ns
    second = swept(SMALL + FEES + "seeds: [1, 2]\n")
    assert (second.cleared, second.already, second.failed) == (3, 1, {})
    assert intact.stat().st_mtime_ns == stamp
    assert all(run_file.open_run(path).attrs["market"] == "p2p" for path in files)
    assert len(list((tmp_path / "out").glob("*.damaged"))) == 2  # nothing that was stored is lost
    xr.testing.assert_identical(first.dataset, second.dataset)
    assert second.kept is None


def test_points_of_one_scenario_share_a_run(swept, tmp_path):
    outcome = swept(SMALL + "cases: {a: {}, b: {fuel.price_per_litre: 135.5}}\n")
    assert outcome.cleared == 1
    assert len(list((tmp_path / "out").glob("*-p2p.nc"))) == 1
    assert not outcome.dataset["bill"].isnull().any()


def test_bad_data_and_changed_files_are_reasons(tmp_path):
    """What only building finds, and a file that is another one by the time that a worker reads it."""
    demand = tmp_path / "demand.csv"
    demand.write_text("time,somebody\n2020-08-19T00:00,1\n", encoding="utf-8")
    home = "tables.participants.home-01"
    column = f"{home}.persons: null, {home}.demand_column: nobody"
    path = tmp_path / "sweep.yaml"
    path.write_text(
        SMALL.replace("set: {", f"set: {{{column}, series.demand.path: {demand}, "), encoding="utf-8"
    )
    (point,) = load(path).points
    task = sweep.Task(
        "six-kinds", point.overrides, "p2p", point.scenario_hash, str(tmp_path / "run.nc"), None
    )
    reason, _ = sweep.clear_point(task)
    assert f"{demand}:1: nobody: got the columns time, somebody" in reason
    demand.write_text("time,nobody\n2020-08-19T00:00,1\n", encoding="utf-8")
    assert "are not what they were when the sweep began" in sweep.clear_point(task)[0]
    assert not (tmp_path / "run.nc").exists()


def test_a_killed_worker_is_survived(swept, cluster):
    """One worker is really killed when the first point is done; all points are done in the end."""
    killed = []

    def kill(done, points):
        if not killed:
            with Client(cluster, set_as_default=False) as client:
                busy = [w for w, keys in client.processing().items() if keys]
                killed.append(client.run(os.getpid, workers=busy[:1]).popitem()[1])
            os.kill(killed[0], signal.SIGKILL)

    outcome = swept(SMALL + "seeds: [1, 2, 3, 4]\n", progress=kill)
    assert killed
    assert (outcome.cleared + outcome.already, outcome.failed) == (4, {})


def test_an_interrupt_leaves_what_a_sweep_goes_on_from(swept, tmp_path):
    def stop(done, points):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(SMALL + "seeds: [1, 2, 3, 4, 5, 6]\n", progress=stop)
    out = tmp_path / "out"
    assert not (out / "sweep.nc").exists()
    stored = len(list(out.glob("*-p2p.nc")))
    assert 1 <= stored < 6
    outcome = swept(SMALL + "seeds: [1, 2, 3, 4, 5, 6]\n")
    assert outcome.already >= stored
    assert outcome.cleared + outcome.already == 6


def test_a_lost_scheduler_is_said_and_loses_nothing(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(SMALL + "seeds: [1, 2, 3, 4]\n", encoding="utf-8")
    with local(workers=1) as own, pytest.raises(ClusterError, match="the scheduler went away"):
        sweep.run(
            path,
            tmp_path / "out",
            scheduler=own.scheduler_address,
            progress=lambda done, points: own.close(),
        )
    (stored, *_) = (tmp_path / "out").glob("*-p2p.nc")
    assert run_file.open_run(stored).attrs["market"] == "p2p"


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["figures.nc", "figures.zarr"])
def test_the_dataset_is_read_back_and_an_earlier_one_is_kept(swept, tmp_path, name):
    target = tmp_path / "made" / name
    first = swept(SMALL + FEES, dataset=target)
    xr.testing.assert_identical(sweep_results.read(target), first.dataset)
    assert swept(SMALL + FEES, dataset=target).kept is None  # the same
    other = swept(SMALL + "seeds: [3]\n", dataset=target)
    assert other.kept == target.with_name(name.replace(".", ".1."))
    xr.testing.assert_identical(sweep_results.read(other.kept), first.dataset)
    xr.testing.assert_identical(sweep_results.read(target), other.dataset)
    assert sorted(p.name for p in target.parent.iterdir()) == sorted([name, other.kept.name])


def test_compare_reads_a_sweep(mixed, tmp_path):
    """A line per point; the CSV is that of a comparison of the same runs, and failed points are told of."""
    outcome = mixed
    comparison = compare.compare([outcome.path])
    names = [f"as-is, access_fee_per_kwh {f}, {market}" for f in (0, 5) for market in ("p2p", "grid-only")]
    assert comparison["scenario"].values.tolist() == names
    assert "4 of 8 points have no figures" in comparison.attrs["comment"]
    files = [
        outcome.path.parent / f"{outcome.dataset['scenario_hash'].values[0, i, 0][:16]}-{m}.nc"
        for i in (0, 1)
        for m in ("p2p", "grid-only")
    ]
    runs = compare.compare(files, names)
    for name, array in runs.drop_vars("efficiency").data_vars.items():
        np.testing.assert_allclose(comparison[name].transpose(*array.dims), array, err_msg=str(name))
    many = comparison.isel(scenario=[0, 1, 2, 3, 0])
    lines = tables.compared(many).splitlines()
    assert sum(line.startswith(names[0]) for line in lines) == 2
    assert lines[-1].startswith("left out: ")
    result = CliRunner().invoke(main, ["compare", str(outcome.path), "-o", str(tmp_path / "x.csv")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.csv").read_text().splitlines()[1].startswith(f'"{names[0]}",participants,,,1,6.0')
    compare.write(comparison, tmp_path / "x.nc")
    xr.testing.assert_identical(compare.read(tmp_path / "x.nc"), comparison)


def test_the_command_with_its_own_cluster(tmp_path, monkeypatch):
    """Processes here, failed points named with exit code 3, figures for a machine."""
    monkeypatch.chdir(tmp_path)
    cut = "cases: {as-is: {}, cut: {tables.participants.*.import_limit_kw: 0.01}}\n"
    (tmp_path / "s.yaml").write_text(SMALL + cut, encoding="utf-8")
    result = CliRunner().invoke(main, ["sweep", "s.yaml", "--workers", "1", "--json"])
    assert result.exit_code == 3, result.output
    facts = json.loads(result.stdout)
    assert (facts["points"], facts["cleared"], facts["failed"][0]["case"]) == (2, 1, "cut")
    assert facts["results"]["data_vars"]["bill"]["data"][1] == [None]
    assert "1 points failed" in result.stderr
    assert (tmp_path / "runs-out" / "small" / "sweep.nc").exists()


def test_refusals_before_anything_runs(tmp_path, monkeypatch, swept):
    target = tmp_path / "foreign.nc"
    target.write_bytes(b"a novel")
    with pytest.raises(atomic_file.RunFileError, match="not a sweep"):
        swept(SMALL, dataset=target)
    assert target.read_bytes() == b"a novel"
    path = tmp_path / "sweep.yaml"
    monkeypatch.setattr("otonari.runs.clear.dask_cluster.PATIENCE", 0.5)
    with pytest.raises(ClusterError, match=r"--scheduler tcp://127\.0\.0\.1:1"):
        sweep.run(path, tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["sweep", str(path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "pip install 'otonari[sweep]'" in result.stderr
    assert not (tmp_path / "out").exists()
    for arguments in (["--dataset", "x.csv"], ["--scheduler", "tcp://x:1", "--workers", "2"]):
        assert CliRunner().invoke(main, ["sweep", str(path), *arguments]).exit_code == 2


def test_a_sweep_over_the_price_of_a_component(swept):
    """The price of a peak, set key by key in a list: ten times as dear is ten times as much more, where nobody plans.

    What tiers cost beside it is the same.
    """
    peak = "{name: peak, part: network, basis: per-kw-peak, price: 0}"
    tiers = "{type: tiered, per: day, tiers: [{up_to_kwh: 2, price_per_kwh: 0}, {price_per_kwh: 5}]}"
    parts = f"{peak}, {{name: blocks, part: levy, price: {tiers}}}"
    text = SMALL.replace("set: {", f"set: {{tariffs.standard.components: [{parts}], ")
    points = "grid: {tariffs.standard.components.0.price: [0, 10, 100]}\nmarkets: [unmanaged]\n"
    bill = swept(text + points).dataset["bill"].values.ravel()
    assert bill[1] > bill[0] + 1
    assert bill[2] - bill[0] == pytest.approx(10 * (bill[1] - bill[0]))
