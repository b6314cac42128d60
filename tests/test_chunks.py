"""Stores in chunks: whatever happens to a file of one, no figure is made of it. And they are on the disk."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.clear import single
from otonari.runs.store import (
    atomic_file,
    atomic_folder,
    checksums,
    run_file,
    run_format,
    sweep_results,
    zarr,
)

from . import counts, pages

FIXED = {group: {} for group in run_format.GROUPS}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return a run in chunks."""
    folder = tmp_path_factory.mktemp("store")
    tree = single.run("six-kinds", record=False, output=folder / "p2p.nc").tree
    attributes = {k: v for k, v in tree.attrs.items() if not k.endswith("_digest")}
    zarr.write(folder / "p2p.zarr", [folder / "p2p.nc"], [zarr.layout(tree)], FIXED, attributes)
    return folder / "p2p.zarr"


@pytest.fixture
def copy(store, tmp_path):
    """Return a copy of the store that may be damaged."""
    return Path(shutil.copytree(store, tmp_path / "copy.zarr"))


def files(store):
    return sorted(p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file())


def remove(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def folder(path):
    path.unlink()
    path.mkdir()


def test_a_store_is_the_run(store):
    tree, whole = run_file.open_run(store), run_file.open_run(store.with_suffix(".nc"))
    for group in run_format.GROUPS:
        xr.testing.assert_equal(tree[group].to_dataset().load(), whole[group].to_dataset())
    assert not np.isnan(tree.attrs["objective"])


def test_the_list_is_what_sha256sum_takes(store):
    done = subprocess.run(["sha256sum", "-c", "--quiet", checksums.NAME], cwd=store, check=False)
    assert done.returncode == 0
    listed = [line.partition("  ")[2] for line in (store / checksums.NAME).read_text().splitlines()]
    assert {*listed} == {*files(store)} - {".zattrs", ".zmetadata", checksums.NAME}


@pytest.mark.parametrize("damage", [remove, cut, empty, flip, pipe, folder])
def test_a_damaged_file_is_named(store, copy, damage):
    """Any file of the store: variables, and what describes them."""
    for name in files(store)[:: counts.all_or(3, 9) if damage is remove else counts.all_or(17, 40)]:
        if name == ".zmetadata":  # of other readers: what it says is not read here
            continue
        if damage is flip and name == ".zattrs":  # may hit white space only
            continue
        damage(copy / name)
        with pytest.raises(atomic_file.RunFileError) as error:
            run_file.open_run(copy)
        assert error.value.exit_code == 2
        assert name in str(error.value) or name == ".zattrs"
        shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink(missing_ok=True)
        shutil.copy(store / name, copy / name)
    run_file.open_run(copy)


def test_no_figure_is_made_of_a_damaged_store(copy):
    remove(copy / "settlement" / "bill" / "0")
    remove(copy / "results" / "price" / "0.0")
    for command in (["compare", str(copy)], ["compare", str(copy), str(copy)], ["report", str(copy)]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 2, result.output
        assert not result.stdout
        assert "results/price/0.0 is missing, and 1 more files" in result.stderr


@pytest.mark.parametrize("damage", [None, remove, cut, empty])
def test_a_store_of_before_there_were_checksums(copy, damage):
    """It stays readable; its values are compared with their digests, which are in thousandths."""
    (copy / checksums.NAME).unlink()
    root = json.loads((copy / ".zattrs").read_bytes())
    del root["chunks_digest"]
    (copy / ".zattrs").write_text(
        json.dumps(root | {"attributes_digest": run_format.attributes_digest(root)})
    )
    if damage is None:
        assert run_file.open_run(copy)["settlement"]["bill"].size == 6
        return
    damage(copy / "settlement" / "bill" / "0")
    with pytest.raises(atomic_file.RunFileError, match="damaged"):
        run_file.open_run(copy)


@pytest.mark.parametrize("damage", [remove, cut, empty, flip, pipe, folder])
def test_a_damaged_sweep(tmp_path, damage):
    figures = xr.Dataset({"bill": ("seed", np.arange(3.0))}, attrs={"otonari_sweep_format": 1})
    path = tmp_path / "figures.zarr"
    sweep_results.write(figures, path)
    xr.testing.assert_identical(sweep_results.read(path), figures)
    damage(path / "bill" / "0")
    with pytest.raises(atomic_file.RunFileError, match="bill/0"):
        sweep_results.read(path)


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Files, the folders that name them, and after the renaming the folder around: in this order."""
    steps, sync, rename = [], os.fsync, Path.rename
    target = tmp_path / "out" / "new.zarr"

    def fill(name):
        (Path(name) / "a" / "b").mkdir(parents=True)
        for part in ("x", "a/y", "a/b/z"):
            (Path(name) / part).write_text(part)

    def note(descriptor):
        steps.append(os.stat(descriptor).st_ino)
        sync(descriptor)

    def renamed(path, to):
        steps.append("rename")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", renamed)
    atomic_folder.publish(target, fill, lambda earlier: True)
    at = steps.index("rename")
    inside = {p.stat().st_ino for p in (target, *target.rglob("*"))}
    assert len(inside) == 6
    assert inside <= {*steps[:at]}
    assert steps[at + 1 :] == [target.parent.stat().st_ino]
    for path in target.rglob("*"):
        assert steps.index(path.stat().st_ino) < steps.index(path.parent.stat().st_ino)


def test_attributes_that_are_added_are_on_the_disk(copy, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.stat(file).st_ino), sync(file)))
    zarr.add_attributes(copy, {"ledger_head": "00"})
    assert {(copy / name).stat().st_ino for name in (".zattrs", ".zmetadata")} <= {*synced}
    assert run_file.open_run(copy).attrs["ledger_head"] == "00"
    assert xr.open_zarr(copy).attrs["ledger_head"] == "00"


def test_a_store_has_the_page_of_its_run(store, tmp_path):
    """It is a folder, and no folder of runs; it holds no marginal values."""
    for path in (store, store.with_suffix(".nc")):
        result = CliRunner().invoke(main, ["report", str(path), "-o", str(tmp_path / f"{path.suffix}.html")])
        assert result.exit_code == 0, result.output
    one, other = (pages.read((tmp_path / f"{s}.html").read_text(encoding="utf-8")) for s in (".zarr", ".nc"))
    assert one.faults == []
    assert one.tables == other.tables
    result = CliRunner().invoke(main, ["explain", str(store)])
    assert "no marginal values" in result.output
