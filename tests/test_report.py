"""Reports of a run: figures on paper, and pages of every market through the command line."""

import json

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from otonari.runs.clear import single
from otonari.runs.report import page, sections
from otonari.runs.store import run_file

from .communities import random_community
from .test_bill import otonari, street
from .test_settlement import PAPER


@pytest.fixture
def tree():
    return street()


def test_the_energy_balance_on_paper(tree):
    """See tests/neighbourhood.py; the battery loses 0.2 of 1 kWh charged, and 0.4 by giving 0.4; the car nothing."""
    assert list(sections.balance(tree).values()) == pytest.approx([11, 17.8, -1.7, -24, -4, 1.5, -0.6])


@pytest.mark.parametrize("seed", range(8))
def test_the_energy_balance_of_any_community_is_zero(seed):
    found = sections.balance(single.clear(random_community(seed)))
    assert sum(found.values()) == pytest.approx(0, abs=1e-6)


def test_trades_by_hour_on_paper(tree):
    tree["inputs"].attrs["time_zone"] = "Asia/Tokyo"  # nine hours ahead of the slots' UTC
    found = pd.DataFrame(sections.hours(tree))
    assert found["hour"].tolist() == [9, 10, 12]
    assert_allclose(found["energy"], [3.5, 1, 0.3])
    assert_allclose(found["seller_price"], [19.5, 14.5, 15.5])
    assert_allclose(found["buyer_price"], [(1.5 * 20.5 + 2 * 27.5) / 3.5, 15.5, 16.5])


def test_the_page(tree, golden):
    golden("report.md", page.report(tree))


@pytest.mark.thorough
@pytest.mark.parametrize("market", ["p2p", "grid-only", "unmanaged"])
def test_every_market_has_a_report(tmp_path, market):
    path, written = tmp_path / "run.nc", tmp_path / "report.md"
    single.run("six-kinds", market, output=path, record=False, overrides=["time.slot_minutes=120"])
    shown = otonari("report", path).stdout
    assert f"# six-kinds: {market} market, 6 participants" in shown
    facts = json.loads(otonari("report", path, "--json").stdout)
    settlement = run_file.open_run(path)["settlement"]
    assert facts["accounts"]["home-01"]["bill"] == float(settlement["bill"].sel(participant="home-01"))
    assert sum(facts["balance"].values()) == pytest.approx(0, abs=1e-6)
    assert sum(h["energy"] for h in facts["hours"]) == pytest.approx(float(settlement["peer_energy"]))
    assert bool(facts["hours"]) == (market == "p2p")
    assert otonari("report", path, "-o", written).stdout == f"wrote {written}\n"
    assert written.read_text(encoding="utf-8") == shown


def test_what_is_no_run(tmp_path):
    path = tmp_path / "run.nc"
    assert "no such file" in otonari("report", path, code=2).stderr
    path.write_text("no run", encoding="utf-8")
    assert "not a run file" in otonari("report", path, code=2).stderr


def test_accounts_of_the_page_are_the_settlement(tree):
    facts = page.facts(tree)
    for k, account in enumerate(facts["accounts"].values()):
        assert {n: v for n, v in account.items() if n in PAPER} == pytest.approx(
            {n: PAPER[n][k] for n in account}
        )


def test_a_section_is_one_row(tree, monkeypatch):
    """A row puts a heading with its table on the page, and plain values among the facts."""
    row = sections.Section(
        "Slots, {currency}", lambda tree: tree["inputs"].sizes["time"], lambda tree: "slots  4"
    )
    before, known = page.report(tree), page.facts(tree)
    monkeypatch.setitem(sections.SECTIONS, "slots", row)
    assert page.report(tree) == f"{before}\n## Slots, JPY\n\n    slots  4\n"
    assert page.facts(tree) == {**known, "slots": tree["inputs"].sizes["time"]}
