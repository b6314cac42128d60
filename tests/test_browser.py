"""Pages of all kinds in a browser: dark and light, on a desk and on a telephone."""

import contextlib

import pytest

from . import browser, lessons

pytestmark = pytest.mark.thorough

SWEEP = """
schema_version: 1
name: fees
scenario: six-kinds
grid: {fees.access_fee_per_kwh: [0, 2.45, 4.9], fuel.price_per_litre: [135.5, 183]}
markets: [p2p, unmanaged]
"""
PAGES = {
    "run": ("clear six-kinds -o run.nc", "report run.nc -o run.html"),
    "member": ("report run.nc home-05 -o member.html",),
    "member in Japanese": ("report run.nc home-05 --language ja -o 'member in Japanese.html'",),
    "simulation": (
        "simulate agents --days 1 --no-ledger -o simulation.nc",
        "report simulation.nc -o simulation.html",
    ),
    "comparison": (
        "clear six-kinds --market grid-only -o alone.nc",
        "compare alone.nc run.nc -o comparison.nc",
        "report comparison.nc -o comparison.html",
    ),
    "sweep": ("sweep fees.yaml -o runs", "report runs/sweep.nc -o sweep.html"),
    "plan": ("plan battery-plan --set time.days=7 -o plan.nc", "report plan.nc -o plan.html"),
    "settlement": (
        "init s --template sharing",
        "settle s -o month",
        "report month/settlement-2026-06.nc -o settlement.html",
    ),
    "network": ("clear feeder -o feeder.nc", "grid feeder.nc", "report feeder.nc -o network.html"),
    "heat": ("clear all-electric -o heat.nc", "report heat.nc -o heat.html"),
}
"""The commands that make each page, those before included."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    browser.browser()
    folder = tmp_path_factory.mktemp("pages")
    with contextlib.chdir(folder):
        (folder / "fees.yaml").write_text(SWEEP, encoding="utf-8")
        for commands in PAGES.values():
            for command in commands:
                lessons.run(f"otonari {command}")
    return {name: (folder / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_labels_can_be_read_and_nothing_is_asked_of_a_network(pages, tmp_path, dark):
    found = browser.measured(pages, (1280, 390), dark, tmp_path)
    assert set(found) == {(name, str(width)) for name in PAGES for width in (1280, 390)}
    for page, told in found.items():
        assert told["faults"] == [], page
        assert told["dark"] is dark
        assert not told["wide"], page
        assert told["texts"] > 10, page


def test_a_browser_finds_what_is_wrong(tmp_path):
    """A label on another one, one beyond the drawing, grey on white, and a picture from elsewhere."""
    said = '<text x="0" y="20">one</text><text x="5" y="20">two</text><text x="95" y="60">beyond</text>'
    svg = f'<svg width="100" height="80"><title>T</title>{said}</svg>'
    page = (
        '<!DOCTYPE html><html><body style="background:#fff;color:#aaa"><p>grey</p>'
        f'<div style="width:2000px">{svg}</div><img src="http://127.0.0.1:9/nothing.png"></body></html>'
    )
    ((_, told),) = browser.measured({"bad": page}, (390,), False, tmp_path).items()
    assert told["wide"]
    faults = "\n".join(told["faults"])
    for text in (
        "T: one: lies on two",
        "T: beyond: lies outside",
        "grey: has little contrast",
        "asks for: http://127.0.0.1:9/",
    ):
        assert text in faults
