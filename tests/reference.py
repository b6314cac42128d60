"""The reference page: ``python -m tests.reference`` writes it anew, from docstrings, tables and the runs below."""

import contextlib
import tempfile
from pathlib import Path

import otonari
from otonari.runs.clear.single import clear
from otonari.runs.report.reference import reference

from . import lessons
from .communities import random_community
from .test_flexible_loads import boiler
from .test_heat_pumps import street as street_with_heat
from .test_peaks import with_peak
from .test_tiers import with_tiers

PAGE = Path(otonari.__file__).parent / "runs" / "REFERENCE.md"
COMMANDS = (
    "clear feeder -o feeder.nc",
    "grid feeder.nc",
    "clear six-kinds -o six-kinds.nc",
    "clear fees-and-tariffs --rule mid-market -o fees.nc",
    "simulate agents --days 1 -o agents.nc",
    "init s --template sharing",
    "settle s -o month",
)


def runs():
    """Yield runs of all kinds, made in a folder that goes again; those of bundled scenarios come first."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for command in COMMANDS:
            lessons.run(f"otonari {command}")
        for path in ("six-kinds.nc", "fees.nc", "agents.nc", "feeder.nc", "month/settlement-2026-06.nc"):
            yield otonari.open_run(path)
    inputs = random_community(3)
    yield clear(with_peak(inputs))
    yield clear(with_peak(inputs, joint=True))
    yield clear(with_tiers(inputs, [(1.0, 5.0, "month")]))
    yield clear(random_community(1, terms=True))
    yield clear(random_community(1, gross=True))
    yield clear(street_with_heat())
    yield clear(boiler())


if __name__ == "__main__":
    PAGE.write_text(reference(otonari, runs()), encoding="utf-8")
