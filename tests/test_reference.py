"""The reference names every variable of runs, with its dims, its unit and what it is."""

import pytest

import otonari
from otonari.runs.report.reference import GROUPS, reference

from . import reference as written
from .communities import random_community

PAGE = written.PAGE.read_text(encoding="utf-8")


def rows(group):
    """Return the names of the variables in the table of a group."""
    table = PAGE.split(f"## Group `{group}`")[1].split("\n## ")[0]
    return {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("seed", range(3))
def test_every_variable_of_a_clearing_is_on_the_page(seed):
    tree = otonari.clear(random_community(seed))
    for group in tree.children:
        if group != "inputs":
            assert set(map(str, tree[group].data_vars)) <= rows(group), group
            assert all(tree[group][name].attrs["long_name"] for name in tree[group].data_vars)


def test_every_public_name_and_group_is_on_the_page():
    for name in otonari.__all__:
        assert f"### otonari.{name}\n" in PAGE
    for name in otonari.plot.__all__:
        assert f"### otonari.plot.{name}\n" in PAGE
    assert all(rows(group) for group in GROUPS)
    assert "JPY" not in PAGE.split("## Group")[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_is_as_it_would_be_written():
    pytest.importorskip("power_grid_model", reason="install the extra grid for power flows")
    assert reference(otonari, written.runs()) == PAGE, "python -m tests.reference"
