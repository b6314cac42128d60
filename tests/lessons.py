"""The lessons of the bundled scenarios as tests read them; ``python -m tests.lessons`` draws their figures anew.

A page shows commands and what they print: every line of it is there in this order, ``...`` stands for others.
"""

import re
import shlex
import tempfile
from pathlib import Path

from click.testing import CliRunner

import otonari
from otonari.cli import main
from otonari.runs.report.pages import energy_pictures, grid_pictures, market_pictures
from otonari.runs.report.pages.opened_run import opened

GALLERY = Path(otonari.__file__).parent / "data" / "scenarios"
LESSONS = sorted(page.parent.name for page in GALLERY.glob("*/README.md"))
FIGURES = {
    "six-kinds": (energy_pictures.supply_and_demand, ["clear six-kinds -o run.nc"]),
    "own-meters": (energy_pictures.supply_and_demand, ["clear own-meters -o run.nc"]),
    "fees-and-tariffs": (market_pictures.gain_by_member, ["clear fees-and-tariffs -o run.nc"]),
    "higashi-fuji": (energy_pictures.charge, ["clear higashi-fuji -o run.nc"]),
    "all-electric": (energy_pictures.supply_and_demand, ["clear all-electric -o run.nc"]),
    "agents": (market_pictures.agreed_and_delivered, ["simulate agents --days 1 -o run.nc"]),
    "sharing": (
        market_pictures.gain_by_member,
        ["init s --template sharing", "settle s -o month"],
    ),
    "battery-plan": (energy_pictures.supply_and_demand, ["clear battery-plan -o run.nc"]),
    "feeder": (grid_pictures.voltages, ["clear feeder -o run.nc", "grid run.nc"]),
    "hosts": (energy_pictures.supply_and_demand, ["clear hosts -o run.nc"]),
}
"""The figure of each lesson: its drawing, and the commands whose run it is of."""


def blocks(lesson):
    """Return the console blocks of a lesson's page, each as pairs of a command and the lines shown of its output."""
    text = (GALLERY / lesson / "README.md").read_text(encoding="utf-8")
    shown = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            shown.append((command, lines))
    return shown


def run(command):
    """Run a command line in this folder; return what it prints, without trailing blanks."""
    words = shlex.split(command)
    assert words[0] == "otonari", command
    done = CliRunner().invoke(main, words[1:])
    assert done.exit_code == 0, (command, done.output)
    return [line.rstrip() for line in done.output.splitlines()]


def missing(shown, printed):
    """Return the first line that is shown and not printed, in its order; None where there is none."""
    at = 0
    for line in (line.rstrip() for line in shown if line.strip() and line.strip() != "..."):
        if line not in printed[at:]:
            return line
        at += printed[at:].index(line) + 1
    return None


def figure(lesson):
    """Return the figure of a lesson, drawn from a run made in this folder."""
    draw, commands = FIGURES[lesson]
    for command in commands:
        run(f"otonari {command}")
    path = Path("month/settlement-2026-06.nc") if lesson == "sharing" else Path("run.nc")
    return draw(opened(otonari.open_run(path)))


if __name__ == "__main__":
    import contextlib

    for name in LESSONS:
        with contextlib.chdir(tempfile.mkdtemp()):
            (GALLERY / name / "figure.svg").write_text(figure(name).svg(), encoding="utf-8")
