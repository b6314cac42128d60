"""A real community: measured homes on a measured feeder, from files to the ledger (needs OTONARI_REAL_DATA)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import otonari
from otonari.cli import main


@pytest.fixture(scope="module")
def week(real_data, tmp_path_factory):
    """Return a folder with the scenario and both cleared markets."""
    folder = tmp_path_factory.mktemp("week")
    for file in (Path(__file__).parent / "real").glob("*.*"):
        shutil.copy(file, folder)
    (folder / "data").symlink_to(real_data)
    for market in ("p2p", "grid-only"):
        run(folder, "clear", folder / "scenario.yaml", "--market", market, "-o", folder / f"{market}.nc")
    return folder


def run(folder, *arguments):
    """Run a command in a folder; return what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        outcome = CliRunner().invoke(main, [str(a) for a in arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_the_week_is_cleared_slot_by_slot(week):
    tree = otonari.open_run(week / "p2p.nc")
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    assert inputs.sizes["time"] == 336
    assert inputs.sizes["participant"] == 17
    assert inputs.sizes["vehicle"] == 9
    assert inputs.sizes["node"] == 146
    assert float(results["peer_sale"].sum()) == pytest.approx(
        float(results["peer_purchase"].sum()) - guests(results)
    )
    assert tree.attrs["proof_duality_gap"] < 1e-9


def guests(results):
    return float((results["vehicle_sale"] - results["vehicle_purchase"]).sum())


def test_measured_energy_is_kept(week, real_data):
    inputs = otonari.open_run(week / "p2p.nc")["inputs"].to_dataset()
    rows = [
        line.split(",") for line in (real_data / "fontana_homes" / "demand_kw.csv").read_text().splitlines()
    ]
    days = {f"2017-05-{day:02d}" for day in range(10, 17)}
    kept = [row for row in rows[1:] if row[0][:10] in days]
    assert len(kept) == 168
    measured = np.array([row[1:] for row in kept], dtype=float).sum(axis=0)
    cleared = (inputs["demand"] * inputs["slot_hours"]).sum("time")
    assert cleared.values == pytest.approx(measured, rel=1e-9)


def test_long_trips_fall_back_to_petrol(week):
    tree = otonari.open_run(week / "p2p.nc")
    inputs, results = tree["inputs"].to_dataset(), tree["results"].to_dataset()
    energy = inputs["trip_distance"] / 10.54
    assert float(energy.max()) > 40  # a trip of 40 kWh against a window of 6.5 kWh
    assert float((results["trip_electric_distance"] / 10.54).max()) <= 6.5 + 1e-6
    assert float(results["trip_fuel"].sum()) > 0


def test_everybody_gains_and_the_comparison_says_so(week):
    settlement = otonari.open_run(week / "p2p.nc")["settlement"].to_dataset()
    assert (settlement["saving"] > -1e-6).all()
    printed = json.loads(run(week, "compare", "p2p.nc", "grid-only.nc", "--json"))
    assert printed
    table = run(week, "compare", "grid-only.nc", "p2p.nc")
    assert "p2p" in table


def test_the_ledger_holds_the_week_and_clearing_again_adds_nothing(week):
    (ledger,) = week.glob("**/ledger.jsonl")
    before = ledger.read_bytes()
    assert before.count(b"\n") == 1 + 336
    run(week, "clear", week / "scenario.yaml", "-o", week / "p2p.nc")
    assert ledger.read_bytes() == before
    run(week, "ledger", "verify", ledger.parent)
