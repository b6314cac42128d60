"""Settlements: from readings and a rule to accounts, run files, ledger, bills; worked cases, and what is refused."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.settle import run

from .settlements import DRAWN, KEYS, MEMBERS, written
from .test_sharing import WORKED

RULES = ("static", "pro-rata", "rounds", "hybrid", "priority", "filling", "own-share")


@pytest.fixture
def otonari(tmp_path, monkeypatch):
    """Return a function that runs a command line in an empty directory and checks its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result

    return call


def settled(path, **options):
    """Return the tree of the one month of a settlement, which nothing records."""
    (month,) = run.run(path, record=False, output=path.parent / "out", **options)
    return month.outcome.tree


def at_noon(tree, name):
    return tree["allocation"][name].values[:, 12].tolist()


@pytest.mark.parametrize("rule", RULES)
def test_the_worked_case_is_settled_by(rule, tmp_path):
    """The table of rules of the design, from a file of readings to money: 0.12 EUR/kWh among members."""
    tree = settled(written(tmp_path), overrides=[f"sharing.rule={rule}"])
    want = list(WORKED[rule][1])
    assert at_noon(tree, "shared")[:3] == want
    lines = tree["settlement"].to_dataset().sel(participant=list(MEMBERS))
    np.testing.assert_allclose(lines["peer_cost"], 0.12 * np.array(want) / 1000, rtol=0, atol=1e-12)
    grid = (np.array(DRAWN) - want) / 1000
    np.testing.assert_allclose(lines["grid_cost"], 0.2 * grid, rtol=0, atol=1e-12)
    if (
        rule == "own-share"
    ):  # each uses its own: what it pays itself is nothing, its surplus earns the feed-in price
        own = 1000 * np.array(KEYS) - want
        assert (tree["allocation"]["injected"] - tree["allocation"]["sold"]).values[
            :3, 12
        ].tolist() == own.tolist()
        np.testing.assert_allclose(lines["bill"], 0.2 * grid - 0.06 * own / 1000, rtol=0, atol=1e-12)
    else:
        assert at_noon(tree, "sold")[3] == sum(want)


def test_a_month_from_readings_to_a_bill_that_is_checked(otonari, tmp_path):
    written(tmp_path / "trio")
    said = otonari("settle", "trio", "--json")
    (month,) = json.loads(said.stdout)["months"]
    assert month["month"] == "2026-06"
    assert month["ledger"]["added"] == 1
    assert month["members"]["anna"]["shared_kwh"] == 0.125
    path = month["path"]
    otonari("report", path, "--bills", "-o", "bills")
    checkpoint = "runs-out/trio/ledger/checkpoint"
    checked = json.loads(
        otonari("ledger", "check", "bills/anna.md", "--checkpoint", checkpoint, "--json").stdout
    )
    assert (checked["purchases"], checked["grid_in"], checked["paid"]) == (125, 75, 125 * 12000)
    assert checked["leaves"][0]["origin"] == {"plant": 125}
    page = tmp_path / "bills" / "anna.md"
    page.write_text(page.read_text().replace("0.125", "0.126", 1))
    otonari("ledger", "check", "bills/anna.md", "--checkpoint", checkpoint, code=4)
    again = json.loads(otonari("settle", "trio", "--json").stdout)["months"]
    assert [m["already"] for m in again] == [True]
    otonari("report", path)
    otonari("compare", path)


def test_a_month_that_would_be_settled_otherwise_is_a_conflict_or_a_correction(otonari, tmp_path):
    written(tmp_path / "trio")
    otonari("settle", "trio")
    before = (tmp_path / "runs-out/trio/settlement-2026-06.nc").read_bytes()
    (tmp_path / "trio" / "late.csv").write_text("time,AT-anna\n2026-06-30T10:00,300\n2026-06-30T11:00,0\n")
    late = "corrections=[{path: late.csv, unit: Wh, time_zone: UTC}]"
    refused = otonari("settle", "trio", "--set", late, code=5)
    assert "--correct" in refused.stderr
    assert (tmp_path / "runs-out/trio/settlement-2026-06.nc").read_bytes() == before
    said = json.loads(otonari("settle", "trio", "--set", late, "--correct", "--json").stdout)["months"][0]
    assert said["ledger"]["corrected"] == 1
    assert said["members"]["anna"]["withdrawn_kwh"] == 0.3
    otonari("ledger", "verify", "runs-out/trio/ledger", "--private")
