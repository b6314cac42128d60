"""Run files: what is written is read back, whole or not at all, and nothing that is stored is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from otonari.runs.store import atomic_file, netcdf, run_file, run_format

from . import counts

TIME = np.datetime64("2019-08-20T15:00", "ns") + np.arange(3) * np.timedelta64(30, "m")


def run(power=1.0):
    """Return a run with what is hard to store: nothing at all, infinities, gaps, half seconds, other scripts."""
    none = np.array([], dtype="<U1")
    inputs = xr.Dataset(
        {
            "demand": (
                ("participant", "time"),
                np.array([[power, np.nan, np.inf], [-np.inf, 1e-300, -0.0]]),
                {"units": "kW"},
            ),
            "slot_hours": (("time",), np.full(3, 0.5), {"units": "h"}),
            "label": (("participant",), np.array(["", "お隣"])),
            "battery_capacity": (("battery",), np.array([]), {"units": "kWh"}),
            "battery_owner": (("battery",), none),
            "trip_departure": (("trip",), np.array([], "datetime64[ns]")),
            "empty": (("battery", "time"), np.zeros((0, 3))),
            "second": (("event",), np.array(["2019-08-20T15:00:00.5", "NaT"], "datetime64[ns]")),
            "nanosecond": (("event",), np.array(["NaT", "1969-12-31T23:59:59.123456789"], "datetime64[ns]")),
            "count": (("event",), np.array([2**62, -1])),
            "flag": (("event",), np.array([True, False])),
            "alone": ((), 3.5),
        },
        coords={"participant": ["a", "b"], "time": TIME, "battery": none, "trip": none},
        attrs={"currency": "JPY", "nothing": ""},
    )
    groups = {
        "/inputs": inputs,
        "/results": inputs[["demand"]],
        "/trades": inputs[["second"]].isel(event=[]),
        "/settlement": inputs[["label"]],
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {"market": "p2p", "objective": 1.5, "scenario_definition": '{"name": "お隣"}', "count": 3}
    return tree


def assert_same(one, other):
    for group in run_format.GROUPS:
        left, right = one[group].to_dataset(), other[group].to_dataset()
        xr.testing.assert_identical(left, right)
        for name, variable in left.variables.items():
            assert variable.dtype.kind == right[name].dtype.kind
            assert left[name].dims == right[name].dims


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "run.nc"
    assert netcdf.write_run(run(), path) is None
    again = run_file.open_run(str(path))
    assert_same(run(), again)
    assert {k: again.attrs[k] for k in run().attrs} == run().attrs
    assert again.attrs["otonari_run_format"] == 1
    assert again.attrs["Conventions"].startswith("CF-")
    assert os.listdir(path.parent) == ["run.nc"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))


def test_what_was_read_can_be_written(tmp_path):
    netcdf.write_run(run(), tmp_path / "one.nc")
    netcdf.write_run(run_file.open_run(tmp_path / "one.nc"), tmp_path / "two.nc")
    assert_same(run(), run_file.open_run(tmp_path / "two.nc"))


numbers = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4),
    elements=st.floats(width=64),
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


@settings(max_examples=counts.examples(25), deadline=None)
@given(numbers, st.lists(words, max_size=4))
def test_any_numbers_and_labels_round_trip(tmp_path_factory, values, labels):
    small = values[np.isfinite(values)]
    values = np.where(np.isfinite(values) & (np.abs(values) > 1e9), 1e9, values) if small.size else values
    dataset = xr.Dataset({"x": (("i", "j"), values), "l": (("k",), np.array(labels, dtype=str))})
    tree = xr.DataTree.from_dict({f"/{group}": dataset for group in run_format.GROUPS})
    path = tmp_path_factory.mktemp("any") / "run.nc"
    netcdf.write_run(tree, path)
    assert_same(tree, run_file.open_run(path))


def test_any_netcdf_tool_reads_it(tmp_path):
    netcdf.write_run(run(), tmp_path / "run.nc")
    with netCDF4.Dataset(tmp_path / "run.nc") as file:
        assert list(file.groups) == list(run_format.GROUPS)
        demand = file["inputs/demand"]
        assert demand.units == "kW"
        assert demand.dimensions == ("participant", "time")
        assert demand[0, 0] == 1.0
        assert demand.filters()["zlib"]
        time = file["inputs/time"]
        assert netCDF4.num2date(time[0], time.units, time.calendar).isoformat() == "2019-08-20T15:00:00"
        assert file["inputs/participant"][:].tolist() == ["a", "b"]


# nothing is lost


def test_the_same_run_replaces_itself(tmp_path):
    path = tmp_path / "run.nc"
    netcdf.write_run(run(), path)
    tree = run()
    tree.attrs["solve_seconds"] = 9.0  # wall times differ, values do not
    assert netcdf.write_run(tree, path) is None
    assert run_file.open_run(path).attrs["solve_seconds"] == 9.0
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_different_run_is_kept(tmp_path):
    path = tmp_path / "run.nc"
    for power in (1.0, 2.0, 3.0):
        netcdf.write_run(run(power), path)
    assert sorted(os.listdir(tmp_path)) == ["run.1.nc", "run.2.nc", "run.nc"]
    assert_same(run_file.open_run(tmp_path / "run.1.nc"), run(1.0))
    assert_same(run_file.open_run(tmp_path / "run.2.nc"), run(2.0))
    assert_same(run_file.open_run(path), run(3.0))


@pytest.mark.parametrize("content", [b"", b"my thesis", b"CDF\x01"])
def test_what_is_no_run_is_never_replaced(tmp_path, content):
    path = tmp_path / "run.nc"
    path.write_bytes(content)
    with pytest.raises(atomic_file.RunFileError, match="not a run file"):
        netcdf.write_run(run(), path)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["run.nc"]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    netcdf.write_run(run(), path)
    before = path.read_bytes()
    bad = run(2.0)
    bad.attrs["thing"] = object()
    with pytest.raises(TypeError):
        netcdf.write_run(bad, path)
    for call in ("fsync", "fchmod", "replace"):

        def fail(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, call, fail)
        with pytest.raises(atomic_file.RunFileError, match="No space left"):
            netcdf.write_run(run(2.0) if call != "replace" else run(), path)
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["run.nc"]


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands for it; HDF5 then fails somewhere deep in the write."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from tests import test_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    test_store.netcdf.write_run(test_store.run(), sys.argv[1])
except test_store.netcdf.RunFileError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "run.nc")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "cannot be written" in done.stdout, done.stderr
    assert os.listdir(tmp_path) == []


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(atomic_file.RunFileError, match="cannot be written"):
        netcdf.write_run(run(), tmp_path / "file" / "run.nc")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interrupt_leaves_nothing_half_written(tmp_path, monkeypatch, call):
    path = tmp_path / "run.nc"
    netcdf.write_run(run(), path)
    before = path.read_bytes()
    real, calls = getattr(os, call), []

    def interrupted(*args):
        calls.append(args)
        if call == "replace" or len(calls) == 2:  # the second one is that of the copy
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        netcdf.write_run(run(2.0), path)
    assert path.read_bytes() == before
    left = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert left == {"run.nc": before} | ({"run.1.nc": before} if call == "replace" else {})


# what is refused


def test_no_such_file(tmp_path):
    with pytest.raises(atomic_file.RunFileError, match="no such file") as caught:
        run_file.open_run(tmp_path / "run.nc")
    assert caught.value.path == tmp_path / "run.nc"
    with pytest.raises(atomic_file.RunFileError, match="not a file"):
        run_file.open_run(tmp_path)


def test_netcdf_of_something_else(tmp_path):
    xr.Dataset({"x": 1}).to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    with pytest.raises(atomic_file.RunFileError, match="a NetCDF file of something else, want run format 1"):
        run_file.open_run(tmp_path / "x.nc")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "run.nc"
    netcdf.write_run(run(), path)
    return path


def edited(path, change):
    with netCDF4.Dataset(path, "a") as file:
        change(file)
    return path


EDITS = {
    "format": (lambda file: file.setncattr("otonari_run_format", 2), "run format 2, want run format 1"),
    "a value": (
        lambda file: file["inputs/demand"].__setitem__((0, 0), 1.1),
        "damaged or edited: inputs_digest",
    ),
    "a label": (lambda file: file["settlement/label"].__setitem__(1, "x"), "settlement_digest"),
    "a name": (lambda file: file["results"].renameVariable("demand", "supply"), "results_digest"),
    "a group": (lambda file: file.renameGroup("trades", "deals"), "damaged"),
    "an objective": (lambda file: file.setncattr("objective", 1.25), "attributes_digest"),
    "a market": (lambda file: file.setncattr("market", "grid-only"), "attributes_digest"),
    "a scenario": (lambda file: file.setncattr("scenario_definition", "{}"), "attributes_digest"),
    "a type": (lambda file: file.setncattr("count", "3"), "attributes_digest"),
    "a list": (lambda file: file.setncattr("count", [3, 4]), "attributes_digest"),
    "one more": (lambda file: file.setncattr("status", "optimal"), "attributes_digest"),
    "one less": (lambda file: file.delncattr("market"), "attributes_digest"),
    "no digest": (lambda file: file.delncattr("attributes_digest"), "attributes_digest"),
    "a digest": (lambda file: file.delncattr("trades_digest"), "trades_digest"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_file_is_refused(tmp_path, written, case):
    change, message = EDITS[case]
    with pytest.raises(atomic_file.RunFileError, match=message):
        run_file.open_run(edited(shutil.copy(written, tmp_path / "run.nc"), change))


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "run.nc"
    netcdf.write_run(run(), path)
    good = path.read_bytes()
    for size in range(0, len(good), len(good) // 25):
        path.write_bytes(good[:size])
        with pytest.raises(atomic_file.RunFileError):
            run_file.open_run(path)


# templates


def test_new_files_all_or_none(tmp_path):
    files = {"a.csv": b"1", "b.yaml": b"2"}
    assert atomic_file.write_new(tmp_path / "new", files) == [
        tmp_path / "new" / "a.csv",
        tmp_path / "new" / "b.yaml",
    ]
    assert (tmp_path / "new" / "b.yaml").read_bytes() == b"2"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "b.yaml").write_bytes(b"mine")
    with pytest.raises(atomic_file.RunFileError, match="exists already; nothing was written"):
        atomic_file.write_new(tmp_path / "old", files)
    assert os.listdir(tmp_path / "old") == ["b.yaml"]
    assert (tmp_path / "old" / "b.yaml").read_bytes() == b"mine"
