"""What a year of a hundred members may take."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.benchmark
def test_a_year_of_a_hundred_members_takes_less_than_a_minute_and_a_gigabyte():
    command = [sys.executable, "-m", "tests.benchmarks.settle", "--members", "100", "--days", "365"]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    seconds, megabytes = map(float, re.search(r"([0-9.]+) s CPU, peak ([0-9]+) MB", said).groups())
    assert seconds < 60
    assert megabytes < 1000
