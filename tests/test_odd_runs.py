"""Run files with good digests and odd contents: figures as they are, or one clear error; never a bug of ours.

A stranger can write such a file, and an earlier or later version may have. Each is changed in its structure, stored
with digests that fit, and put through every command that makes figures of stored runs.
"""

import json
import random
import shutil

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.store import netcdf, run_file, run_format

from .test_bill import keep, street

pytestmark = pytest.mark.thorough

COMMANDS = ("report", "report --json", "compare", "compare --json", "bill", "bills", "correct", "clear")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Return the run on paper and its ledger, in a folder."""
    return keep(street(), tmp_path_factory.mktemp("street"), signer=None)


def drop(group, name):
    def change(tree):
        tree[group] = xr.DataTree(tree[group].to_dataset().drop_vars(name))

    return change


def put(group, name, make):
    """Replace a variable by what is made of its dims, values and attributes."""

    def change(tree):
        dataset = tree[group].to_dataset()
        old = dataset.variables[name]
        new = make(old)
        if name in dataset.dims:
            same = new.dims == old.dims
            dataset = dataset.assign_coords({name: new}) if same else dataset.drop_vars(name)
        else:
            dataset[name] = new
        tree[group] = xr.DataTree(dataset)

    return change


MAKE = {
    "text": lambda v: xr.Variable(v.dims, np.full(v.shape, "x"), v.attrs),
    "numbers": lambda v: xr.Variable(v.dims, np.arange(float(v.size)).reshape(v.shape), v.attrs),
    "nan": lambda v: xr.Variable(v.dims, np.full(v.shape, np.nan), v.attrs),
    "infinite": lambda v: xr.Variable(v.dims, np.full(v.shape, np.inf), v.attrs),
    "negative": lambda v: xr.Variable(v.dims, np.full(v.shape, -1e9), v.attrs),
    "times": lambda v: xr.Variable(v.dims, np.full(v.shape, "2019-08-20", "datetime64[ns]"), v.attrs),
    "no times": lambda v: xr.Variable(v.dims, np.full(v.shape, "NaT", "datetime64[ns]"), v.attrs),
    "whole": lambda v: xr.Variable(v.dims, np.full(v.shape, 2**40), v.attrs),
    "scalar": lambda v: xr.Variable((), 1.0, v.attrs),
    "another dim": lambda v: xr.Variable([f"{d}_x" for d in v.dims], v.values, v.attrs),
    "no attributes": lambda v: xr.Variable(v.dims, v.values),
    "odd unit": lambda v: xr.Variable(v.dims, v.values, {"units": 7, "long_name": 3.5}),
    "turned": lambda v: v.transpose(*reversed(v.dims)),
}
VALUES = (
    "",
    "x",
    7,
    3.5,
    float("nan"),
    -1,
    "JPY\x1b[2J",
    "[",
    "{}",
    "[1, 2]",
    '{"name": "x"}',
    np.array([1, 2]),
)


def attribute(name, value):
    return lambda tree: tree.attrs.pop(name, None) if value is None else tree.attrs.update({name: value})


def group_attribute(group, name, value):
    def change(tree):
        dataset = tree[group].to_dataset()
        dataset.attrs.pop(name, None) if value is None else dataset.attrs.update({name: value})
        tree[group] = xr.DataTree(dataset)

    return change


def empty(group, dim):
    """Leave a group without entries along a dim."""

    def change(tree):
        tree[group] = xr.DataTree(tree[group].to_dataset().isel({dim: slice(0, 0)}))

    return change


def no_group(group):
    def change(tree):
        tree[group] = xr.DataTree(xr.Dataset())

    return change


def mutations(tree):
    """Return all single changes, by a name."""
    found = {}
    for group in run_format.GROUPS:
        dataset = tree[group].to_dataset()
        found[f"no {group}"] = no_group(group)
        for dim in dataset.dims:
            found[f"{group} empty {dim}"] = empty(group, dim)
        for name in map(str, dataset.variables):
            found[f"{group} no {name}"] = drop(group, name)
            found |= {f"{group} {name} {how}": put(group, name, make) for how, make in MAKE.items()}
        for name in ("notes", "time_zone", "currency"):
            for value in (None, *VALUES, "[1, 2", "[[]]", "null", "Mars/Olympus"):
                found[f"{group} @{name} {value!r}"] = group_attribute(group, name, value)
    for name in [
        *tree.attrs,
        "final_energy_missing",
        "scenario_definition",
        "regions",
        "certified_gap",
        "ledger_head",
    ]:
        for value in (None, *VALUES):
            found[f"@{name} {value!r}"] = attribute(name, value)
    return found


def commands(folder):
    run, book = folder / "run.nc", folder / "ledger"
    return {
        "report": ["report", run],
        "report --json": ["report", run, "--json"],
        "compare": ["compare", run],
        "compare --json": ["compare", run, folder / "good.nc", "--json", "-o", folder / "sums.csv"],
        "bill": ["report", run, "bert", "--ledger", book],
        "bills": ["report", run, "--bills", "-o", folder / "bills", "--ledger", book],
        "correct": ["ledger", "correct", book, run],
        "clear": ["clear", run, "-o", folder / "again.nc", "--no-ledger"],
    }


def put_through(good, folder, change, which):
    """Store a changed run with fitting digests; return how each command ended, and what it printed."""
    tree = run_file.open_run(good)
    change(tree)
    shutil.copytree(good.parent / "ledger", folder / "ledger")
    shutil.copy(good, folder / "good.nc")
    try:
        netcdf.write_run(tree, folder / "run.nc")
    except (TypeError, ValueError, AttributeError, KeyError):  # what cannot be stored is no file
        return {}
    ended = {}
    for name in which:
        result = CliRunner().invoke(main, [*map(str, commands(folder)[name])])
        ended[name] = (result.exit_code, result.output)
    return ended


def test_the_run_itself_passes(good, tmp_path):
    ended = put_through(good, tmp_path, lambda tree: None, COMMANDS)
    codes = {name: code for name, (code, _) in ended.items()}
    assert codes == dict.fromkeys(COMMANDS, 0) | {"clear": 2}, ended  # it was cleared from inputs


def examples(count):
    """Return the names of so many of all changes, always the same."""
    names = sorted(mutations(street()))
    return random.Random(4).sample(names, min(count, len(names)))


@pytest.mark.filterwarnings("default")
def test_none_is_a_bug(good, tmp_path):
    fuzz(good, tmp_path, examples(6), 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_none_of_many_is_a_bug(good, tmp_path):
    names = examples(600)
    assert fuzz(good, tmp_path, names, 3) > len(names) / 2  # so many are indeed odd


def fuzz(good, folder, names, each):
    """Put each of some changes through so many of the commands, in turns; return how many were refused."""
    changes, bugs, refused = mutations(run_file.open_run(good)), {}, 0
    for number, name in enumerate(names):
        which = [COMMANDS[(each * number + k) % len(COMMANDS)] for k in range(each)]
        here = folder / str(number)
        here.mkdir()
        for command, (code, output) in put_through(good, here, changes.get(name, print), which).items():
            refused += code == 2
            if code not in (0, 2, 5) or "Traceback" in output:
                bugs[f"{name}: {command}"] = output[-300:]
        shutil.rmtree(here)
    assert not bugs, json.dumps(bugs, indent=1)
    return refused
