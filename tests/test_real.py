"""A real community: measured homes on a measured feeder, from files to the ledger (needs OTONARI_REAL_DATA)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
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


RULES = ("static", "pro-rata", "rounds", "hybrid", "priority", "filling", "own-share")
PRICES = ("as-billed", "mid-market", "supply-demand-ratio", "fixed=0.2")
SPLITS = ("equal", "proportional", "shapley", "least-core", "nucleolus")


@pytest.fixture(scope="module")
def month(real_data, tmp_path_factory):
    """Return a folder with a settlement of the 17 homes: what their meters would show, demand less PV, in May 2017."""
    folder = tmp_path_factory.mktemp("month")
    demand, pv = (
        pd.read_csv(real_data / "fontana_homes" / f"{name}_kw.csv", index_col="time")
        for name in ("demand", "pv")
    )
    net = (demand - pv)[demand.index.str.startswith("2017-05")]
    homes = net.columns.tolist()
    for way, power in (("withdrawal", net), ("injection", -net)):
        (power.clip(lower=0) + 0.0).round(4).to_csv(folder / f"{way}.csv")
    evening = [{"start": "16:00", "end": "21:00", "price_per_kwh": 0.45}]
    ways = ("withdrawal", "injection")
    settlement = {
        "schema_version": 1,
        "name": "fontana",
        "currency": "USD",
        "time": {"start": "2017-05-01", "days": 31, "slot_minutes": 60, "time_zone": "Etc/GMT+8"},
        "tables": {
            "members": [{"member": home, "tariff": "home"} for home in homes],
            "points": [
                {"point": f"{home}-{way}", "member": home, "direction": way, "column": home}
                for home in homes
                for way in ways
            ],
            "keys": [{"member": home, "key": 0.06 if n else 0.04} for n, home in enumerate(homes)],
        },
        "readings": [{"path": f"{way}.csv", "unit": "kW", "direction": way} for way in ways],
        "tariffs": {
            "home": {
                "energy": {"type": "time-of-use", "price_per_kwh": 0.28, "windows": evening},
                "feed_in": {"type": "flat", "price_per_kwh": 0.08},
            }
        },
        "sharing": {"rule": "pro-rata", "order": homes, "price": {"rule": "mid-market"}},
    }
    (folder / "settlement.yaml").write_text(yaml.safe_dump(settlement, sort_keys=False))
    return folder


@pytest.mark.slow
def test_the_month_is_settled_by_every_rule(month):
    """Rules that leave nothing unshared share the same in all; fixed keys less; each adds up to what meters show."""
    shared = {}
    for rule in RULES:
        said = run(month, "settle", ".", "--set", f"sharing.rule={rule}", "-o", rule, "--no-ledger", "--json")
        totals = json.loads(said)["months"][0]["totals"]
        assert totals["withdrawn_kwh"] == pytest.approx(7129.6, abs=0.1)
        assert totals["injected_kwh"] == pytest.approx(6078.5, abs=0.1)
        assert round(totals["shared_kwh"], 3) == round(totals["sold_kwh"], 3)
        shared[rule] = round(totals["shared_kwh"], 3)
    assert len({shared[rule] for rule in RULES[1:6]}) == 1
    assert shared["static"] == shared["own-share"] < 0.7 * shared["pro-rata"]


@pytest.mark.slow
def test_the_month_under_every_rule_of_prices(month):
    """All coalitions of 17 homes: 131,072. Only the least core and the nucleolus leave none a reason to leave."""
    run(month, "settle", ".", "--no-ledger")
    asked = [part for rule in (*PRICES, *SPLITS) for part in ("--rule", rule)]
    said = json.loads(run(month, "prices", "runs-out/fontana/settlement-2017-05.nc", *asked, "--json"))[
        "rules"
    ]
    for name, rule in said.items():
        assert sum(rule["payment"].values()) == pytest.approx(1515.18, abs=0.01), name
        assert sum(rule["gain"].values()) == pytest.approx(390.53, abs=0.01), name
        assert rule["worse_off"] == 0, name
        stable = name in ("least-core", "nucleolus")
        assert (rule["greatest_excess"] < 0) == stable, name
        assert not stable or rule["greatest_excess"] == pytest.approx(rule["excess_bound"], abs=1e-4)
    assert said["as-billed"]["payment"] == pytest.approx(said["mid-market"]["payment"], abs=0.01)
    assert said["equal"]["gini"] == pytest.approx(0, abs=1e-6)
    assert said["nucleolus"]["gini"] > said["shapley"]["gini"] > said["mid-market"]["gini"]


@pytest.mark.slow
def test_the_homes_plan_batteries_and_all_gain_by_equal_parts_alone(real_data, tmp_path):
    """A year by four days: prices and costs are assumptions. A shared battery pays, batteries of homes do not.

    Who sells PV that neighbours now store pays more for it; where what is saved is split in equal parts nobody loses.
    """
    homes = (real_data / "fontana_homes" / "demand_kw.csv").read_text().partition("\n")[0].split(",")[1:]
    evening = [{"start": "16:00", "end": "21:00", "price_per_kwh": 0.45}]
    battery = {"kind": "battery", "lifetime_years": 15}
    shares = dict.fromkeys(homes, 1 / len(homes))
    scenario = {
        "schema_version": 1,
        "name": "fontana",
        "currency": "USD",
        "time": {"start": "2016-08-01", "days": 364, "slot_minutes": 60, "time_zone": "Etc/GMT+8"},
        "site": {"latitude_deg": 34.1, "longitude_deg": -117.4},
        "series": {
            name: {"path": str(real_data / "fontana_homes" / f"{name}_kw.csv"), "unit": "kW"}
            for name in ("demand", "pv")
        },
        "tables": {
            "nodes": [
                {"node": "root"},
                *({"node": f"n{k}", "parent": "root", "level": "lv"} for k in range(3)),
            ],
            "participants": [
                {"participant": home, "demand_column": home, "pv_column": home, "node": f"n{n % 3}"}
                for n, home in enumerate(homes)
            ],
        },
        "fees": {"method": "by-level", "levels": {"lv": 0.02}},
        "tariffs": {
            "home": {
                "energy": {"type": "time-of-use", "price_per_kwh": 0.28, "windows": evening},
                "feed_in": {"type": "flat", "price_per_kwh": 0.08},
            }
        },
        "investment": {
            "representative_days": 4,
            "candidates": {
                "battery": battery | {"each": "homes", "capacity_max": 13.5, "cost_per_kwh": 700},
                "shared": battery | {"shares": shares, "capacity_max": 100, "cost_per_kwh": 500},
            },
        },
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    said = json.loads(run(tmp_path, "plan", "scenario.yaml", "-o", "plan.nc", "--json"))
    sizes = {label: c["size"] for label, c in said["candidates"].items()}
    assert sizes.pop("shared") > 50
    assert sum(sizes.values()) == pytest.approx(0, abs=1e-6)
    assert all(c["worthwhile_price"] < 700 for label, c in said["candidates"].items() if label != "shared")
    totals = said["totals"]
    assert totals["cost_after"] == pytest.approx(said["objective"])
    assert totals["gain"] > 0.05 * totals["cost_before"]
    assert totals["community_self_sufficiency_after"] > (totals["community_self_sufficiency_before"] + 0.05)
    gains = {
        rule: [m["gain_by_rule"][rule] for m in said["members"].values()] for rule in ("as-billed", "equal")
    }
    assert min(gains["as-billed"]) < -50
    assert min(gains["equal"]) > 0
    assert sum(gains["equal"]) == pytest.approx(sum(gains["as-billed"]), abs=0.01)
