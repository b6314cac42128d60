"""The floors, read from the source: who may import what, and who touches files, clocks and environments."""

import ast
from pathlib import Path

import pytest

import otonari

ROOT = Path(otonari.__file__).parent
MODULES = sorted(
    [*ROOT.glob("*.py"), *(p for room in ("model", "data", "runs") for p in (ROOT / room).glob("*.py"))]
)
OUTSIDE = {"os", "io", "time", "pathlib", "subprocess", "socket", "random", "tempfile", "shutil", "datetime"}


def room(path):
    return path.parent.name if path.parent != ROOT else "cli" if path.name == "cli.py" else "face"


def imported(path):
    """Return (level, module) of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from ((node.level, f"{base}.{alias.name}".strip(".")) for alias in node.names)


def packages(path):
    return {module.partition(".")[0] for level, module in imported(path) if level == 0}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_module_imports_only_what_its_floor_allows(path):
    floor, packs = room(path), packages(path)
    assert "otonari" not in packs, "inside the package imports are relative"
    assert floor == "model" or not packs & {"pyomo", "highspy"}
    assert floor == "cli" or "click" not in packs
    assert path == ROOT / "runs" / "cluster.py" or not packs & {"dask", "distributed"}
    assert (floor == "data" and path.stem == "solar") or "pvlib" not in packs
    if floor == "model":
        others = {m for level, m in imported(path) if level == 2}
        assert all(m.startswith("data.inputs") for m in others), others
        assert not packs & OUTSIDE, "no file, clock or environment in model/"
    if floor == "data":
        assert not any(level == 2 for level, _ in imported(path))
        assert not packs & {"time", "subprocess", "socket", "random", "tempfile", "shutil"}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room(p) != "runs"], ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_only_runs_writes(path):
    text = path.read_text(encoding="utf-8")
    calls = [n.func for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    names = {c.attr if isinstance(c, ast.Attribute) else getattr(c, "id", "") for c in calls}
    assert not names & {
        "write_text",
        "write_bytes",
        "to_netcdf",
        "to_zarr",
        "to_csv",
        "unlink",
        "mkdir",
    }


def test_no_room_is_called_like_a_drawer():
    assert not {p.stem for p in MODULES} & {"utils", "util", "common", "core", "helpers", "misc"}
