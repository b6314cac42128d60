"""Pages of runs: figures whose tables are the run's figures, that anybody can read and that ask nobody for anything."""

import re
import shutil
import subprocess
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from otonari.data.inputs import devices
from otonari.data.loading.scenario import load_scenario
from otonari.runs import compare
from otonari.runs.clear import single
from otonari.runs.report import sections, tables
from otonari.runs.report.figures import style
from otonari.runs.report.figures.areas import stacked
from otonari.runs.report.figures.bars import bars
from otonari.runs.report.figures.energy_flow import energy_flow
from otonari.runs.report.figures.heat_map import heat_map, matrix
from otonari.runs.report.figures.lines import lines, points
from otonari.runs.report.pages import pictures
from otonari.runs.report.pages.comparison_page import comparison_page
from otonari.runs.report.pages.document import document, gallery
from otonari.runs.report.pages.opened_run import opened
from otonari.runs.report.pages.run_page import run_page
from otonari.runs.store import netcdf, run_file

from . import counts, pages
from .communities import random_community
from .test_bill import NAMES, otonari, street


@pytest.fixture(scope="module")
def page():
    """Return a run with trades, stores and trips, its page, and the page as it is read."""
    tree = single.clear(random_community(10))
    html = run_page(tree)
    return tree, html, pages.read(html)


def test_the_page_reads_well_and_needs_nothing(page):
    _, html, found = page
    assert found.faults == []
    assert len(html.encode()) < 100_000
    assert len(found.titles) == len([p for p in pictures.PICTURES if p.where(opened(page[0]))])
    assert all(len(rows) > 1 for rows in found.tables.values())


def test_names_of_strangers_stay_text():
    found = pages.read(run_page(street({"anna": '<script>"&', "bert": NAMES["site"], "site": "お隣"})))
    assert found.faults == []
    _, rows = found.table("Who gains, by member")
    assert set(rows) == {'<script>"&', "a\\u202eb", "お隣"}


def test_every_number_is_the_runs(page):
    tree, _, found = page
    inputs, results, settlement = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    hours = inputs["slot_hours"].values
    _, flows = found.table("Energy of the community")
    for name, value in sections.balance(tree).items():
        if abs(value) >= 0.05:
            assert flows[name] == [("in", "out")[value < 0], pytest.approx(abs(value), abs=6e-4)]
    header, rows = found.table("Prices by node and time")
    shown = np.array(list(rows.values())).T
    assert shown == pytest.approx(results["price"].sel(node=header[1:]).values, abs=6e-3)
    header, rows = found.table("Who gains, by member")
    assert {n: v for n, (v,) in rows.items()} == {
        str(n): pytest.approx(float(settlement["saving"].sel(participant=n)), abs=6e-3)
        for n in settlement["participant"].values
    }
    _, rows = found.table("States of charge")
    level = np.concatenate(
        [
            100 * results[f"{d}_energy"].values / inputs[f"{d}_capacity"].values[:, None]
            for d in devices.stores()
        ]
    )
    assert_allclose(np.array(list(rows.values())).T, level, atol=0.06)
    _, rows = found.table("Driving")
    assert sum(v for km in rows.values() for v in km) == pytest.approx(
        float(inputs["trip_distance"].sum()), abs=0.05
    )
    _, rows = found.table("What demand and driving were met from")
    used = (settlement["demand_from"] + settlement["driving_from"]).sum().item()
    assert np.array(list(rows.values())).sum(axis=1) @ hours == pytest.approx(used, abs=0.1)
    header, rows = found.table("Fee tree and what peers sent over it")
    for node, row in rows.items():
        flow = results["node_flow"].sel(node=node).values
        assert row[1:5] == pytest.approx(
            [
                float(inputs["node_fee"].sel(node=node)),
                float(inputs["node_access_fee"].sel(node=node)),
                np.maximum(flow, 0) @ hours,
                np.maximum(-flow, 0) @ hours,
            ],
            abs=6e-4,
        )


def test_what_comes_in_is_used(page):
    """In every slot the sources above zero are as much as the uses below."""
    _, rows = page[2].table("Supply and demand")
    assert np.array(list(rows.values())).sum(axis=1) == pytest.approx(0, abs=0.01)


def test_trades_are_those_of_the_run(page):
    tree, _, found = page
    header, rows = found.table("Who trades with whom")
    trades = tree["trades"].to_dataset()
    for seller, row in rows.items():
        for buyer, energy in zip(header[1:], row, strict=True):
            here = (trades["trade_seller"] == seller) & (trades["trade_buyer"] == buyer)
            assert energy == pytest.approx(float(trades["trade_energy"].where(here, 0).sum()), abs=6e-4)


RUNS = [*product(range(20), ["p2p", "grid-only", "unmanaged"])]


@pytest.mark.parametrize(
    ("seed", "market"), counts.all_or(RUNS, [(6, "grid-only"), (13, "unmanaged"), (6, "p2p")])
)
def test_pages_of_any_run(seed, market):
    tree = single.clear(random_community(seed), market)
    found = pages.read(run_page(tree))
    assert found.faults == []
    assert "Supply and demand" in found.titles
    assert ("Who trades with whom" in found.titles) == (float(tree["settlement"]["peer_energy"]) > 0)


def test_the_ending_chooses_the_page(page, tmp_path):
    path, written = tmp_path / "run.nc", tmp_path / "page.html"
    netcdf.write_run(page[0], path)
    assert otonari("report", path, "-o", written).stdout == f"wrote {written}\n"
    assert written.read_text(encoding="utf-8") == run_page(run_file.open_run(path))


@pytest.mark.parametrize("colours", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_and_shapes_can_be_told_from_the_page(colours):
    """Text has a contrast of 4.5, shapes of 3 (Web Content Accessibility Guidelines 2.2, 1.4.3 and 1.4.11)."""
    for name, colour in colours.items():
        least = {"ink": 4.5, "soft": 4.5, "paper": 1, "grid": 1}.get(name, 3)
        assert style.contrast(colour, colours["paper"]) >= least, name
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )  # the guidelines' usual example


def test_every_class_of_a_drawing_has_a_rule(page):
    used = {c for classes in re.findall(r'class="([^"]*)"', page[1]) for c in classes.split()}
    assert {c for c in used if not re.search(rf"\.{c}\b", style.sheet())} == set()


NOTHING = np.zeros(0)
EMPTY = {
    "stacked": lambda: stacked("t", "d", "kW", [], [], {"a": NOTHING}),
    "bars": lambda: bars("t", "d", "kW", [], {"a": NOTHING}),
    "lines": lambda: lines("t", "d", "kW", ["1"], [], {"a": np.array([np.nan])}),
    "points": lambda: points("t", "d", ("kg", "JPY"), ["a"], np.array([1.0]), np.array([2.0])),
    "matrix": lambda: matrix("t", "d", "kWh", np.zeros((1, 1)), ["a"], ["a"], "x"),
    "heat map": lambda: heat_map("t", "d", "kWh", np.full((1, 2), np.nan), ["a"], ["b", "c"], []),
    "flow": lambda: energy_flow("t", "d", "kWh", "", {}, {}),
}


@pytest.mark.parametrize("draw", EMPTY.values(), ids=EMPTY)
def test_figures_of_nothing_are_figures(draw):
    html = document("t", [], {"p": gallery([draw()])})
    assert pages.read(html).faults == []
    assert not re.search(r"nan|inf\b", html.partition("</style>")[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["higashi-fuji", "all-electric"])
def test_the_page_of_a_week_is_small(name):
    more = ["tables.loads=loads.csv"] if name == "all-electric" else []
    tree = single.cleared(load_scenario(name, ["time.days=7", *more]), "p2p")
    html = run_page(tree)
    assert pages.read(html).faults == []
    assert len(html.encode()) < 200_000


@pytest.mark.slow
def test_a_browser_draws_it_without_a_network(page, tmp_path):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here: apt-get install chromium")
    written, picture = tmp_path / "page.html", tmp_path / "page.png"
    written.write_text(page[1], encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--screenshot={picture}",
        f"file://{written}",
    ]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    assert picture.stat().st_size > 10_000


@pytest.fixture(scope="module")
def compared(page):
    return compare.compare([single.clear(page[0]["inputs"].to_dataset(), m) for m in ("grid-only", "p2p")])


def test_runs_side_by_side(compared, tmp_path):
    """A stored comparison is a page of its own, or the table that compare prints."""
    path, written = tmp_path / "compared.nc", tmp_path / "page.html"
    compare.write(compared, path)
    otonari("report", path, "-o", written)
    found = pages.read(written.read_text(encoding="utf-8"))
    assert found.faults == []
    names = [f"{k}: {n}" for k, n in enumerate(compared["scenario"].values, 1)]
    _, rows = found.table("Cost against carbon dioxide")
    assert_allclose([rows[n] for n in names], np.transpose([compared["co2"], compared["bill"]]), atol=6e-3)
    _, rows = found.table("Cost and saving")
    assert_allclose([rows[n] for n in names], np.transpose([compared["bill"], compared["saving"]]), atol=6e-3)
    header, rows = found.table("Saving by kind of member")
    saving = compared["kind_saving"].sel(kind=header[1:]).transpose("scenario", "kind")
    assert_allclose([rows[n] for n in names], saving, atol=6e-3)
    _, rows = found.table("Trades among peers by hour of the day")
    assert_allclose([row[0] for row in rows.values()], compared["hour_peer_energy"].values[1], atol=6e-4)
    assert otonari("report", path).stdout == tables.compared(compared) + "\n"


def test_points_of_a_sweep_side_by_side(compared):
    """Their names are labels of the sweep's axes, of whatever length; what failed is said."""
    names = ["fees.access_fee_per_kwh 2.45, price_per_litre 135.5, <p2p>", "b"]
    swept = compared.assign_coords(scenario=names).assign_attrs(
        title="sweep", comment="1 of 3 points has no figures"
    )
    found = pages.read(comparison_page(swept))
    assert found.faults == []
    assert f"1: {names[0]}" in found.table("Cost and saving")[1]
    assert "1 of 3 points has no figures" in found.text
