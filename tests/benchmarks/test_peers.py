"""The frameworks that the speed is compared with solve the same case: equal costs (run with ``-m benchmark``)."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = {"otonari": "otonari", "highs": "highspy", "linopy": "linopy", "pypsa": "pypsa", "oemof": "oemof"}


@pytest.mark.benchmark
def test_the_same_case_costs_the_same_everywhere(tmp_path):
    here = [name for name, package in PACKAGES.items() if find_spec(package)]
    if len(here) < len(PACKAGES):
        pytest.skip(f"install the extra bench for {', '.join(PACKAGES.keys() - here)}")
    table = tmp_path / "peers.csv"
    command = [sys.executable, "-m", "tests.benchmarks.peers", "--homes", "20", "--repeat", "1", "-o", table]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert len(table.read_text().splitlines()) == 1 + len(PACKAGES)
