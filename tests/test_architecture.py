"""The floors, read from the source: who may import what, and who touches files, clocks and environments."""

import ast
import graphlib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import otonari

ROOT = Path(otonari.__file__).parent
FLOORS = (path for floor in ("model", "data", "runs") for path in (ROOT / floor).rglob("*.py"))
MODULES = sorted(
    [
        *ROOT.glob("*.py"),
        *(path for path in FLOORS if "scenarios" not in path.parts),
    ]  # lessons are a user's own
)
FLOORS = ("cli", "face", "runs", "model", "data")
OUTSIDE = {"os", "io", "time", "pathlib", "subprocess", "socket", "random", "tempfile", "shutil", "datetime"}


def label(path):
    return path.relative_to(ROOT).as_posix()


def floor_of(path):
    first = path.relative_to(ROOT).parts[0]
    return {"cli.py": "cli", "__init__.py": "face"}.get(first, first)


@cache
def seen(path):
    """Return what a file imports, and the names of what it calls; parsed once."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    calls = [n.func for n in nodes if isinstance(n, ast.Call)]
    names = {c.attr if isinstance(c, ast.Attribute) else getattr(c, "id", "") for c in calls}
    return tuple(_imported(path, nodes)), names


def imported(path):
    """Return (inside, module) of every import of a file, wherever it stands; inside the package from its root."""
    return seen(path)[0]


def _imported(path, nodes):
    package = ("", *path.relative_to(ROOT).parts[:-1])
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[1 : len(package) - node.level + 1], node.module] if node.level else [node.module]
            stem = ".".join(filter(None, base))
            yield from ((node.level > 0, f"{stem}.{alias.name}".strip(".")) for alias in node.names)


def packages(path):
    return {module.partition(".")[0] for inside, module in imported(path) if not inside}


@pytest.mark.parametrize("floor", FLOORS)
def test_modules_import_only_what_their_floor_allows(floor):
    for path in (p for p in MODULES if floor_of(p) == floor):
        require_allowed(label(path), floor, packages(path), {m for inside, m in imported(path) if inside})


def require_allowed(name, floor, packs, inside):
    assert "otonari" not in packs, f"{name}: inside the package imports are relative"
    assert floor == "model" or not packs & {"pyomo", "highspy"}, name
    assert floor == "cli" or "click" not in packs, name
    assert name == "runs/clear/dask_cluster.py" or not packs & {"dask", "distributed"}, name
    assert name == "data/generators/deferred_pvlib.py" or "pvlib" not in packs, name
    if floor == "model":
        others = {m for m in inside if not m.startswith("model")}
        assert all(m.startswith("data.inputs.") for m in others), (name, others)
        assert not packs & OUTSIDE, f"{name}: no file, clock or environment in model/"
    if floor == "data":
        assert all(m.startswith("data.") for m in inside), name
        assert not packs & {"time", "subprocess", "socket", "random", "tempfile", "shutil"}, name


@pytest.mark.parametrize("floor", [floor for floor in FLOORS if floor != "runs"])
def test_only_runs_writes(floor):
    writing = {
        "write_text",
        "write_bytes",
        "to_netcdf",
        "to_zarr",
        "to_csv",
        "unlink",
        "mkdir",
    }
    found = {label(path): seen(path)[1] & writing for path in MODULES if floor_of(path) == floor}
    assert not {name: calls for name, calls in found.items() if calls}


def test_no_module_imports_itself_through_others():
    """No circle of imports, wherever in a module they stand, also those for types alone."""
    modules = {label(path)[:-3].replace("/", ".").removesuffix(".__init__"): path for path in MODULES}
    needs = {
        name: {m if m in modules else m.rpartition(".")[0] for inside, m in imported(path) if inside} - {name}
        for name, path in modules.items()
    }
    assert len(list(graphlib.TopologicalSorter(needs).static_order())) == len(modules) > 150


def test_no_folder_is_crowded():
    folders = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert max(folders.values()) <= 12


def test_a_room_opens_with_a_sentence_and_holds_nothing_else():
    for path in MODULES:
        if path.name == "__init__.py" and path.parent != ROOT:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert ast.get_docstring(tree), path
            assert len(tree.body) == 1, path


def test_no_room_is_called_like_a_drawer():
    assert not ({p.stem for p in MODULES} | {p.parent.name for p in MODULES}) & {
        "utils",
        "util",
        "common",
        "core",
        "helpers",
        "misc",
    }
