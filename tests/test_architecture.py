"""The floors, read from the source: who may import what, and who touches files, clocks and environments."""

import ast
import graphlib
from collections import Counter
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
OUTSIDE = {"os", "io", "time", "pathlib", "subprocess", "socket", "random", "tempfile", "shutil", "datetime"}


def label(path):
    return path.relative_to(ROOT).as_posix()


def floor_of(path):
    first = path.relative_to(ROOT).parts[0]
    return {"cli.py": "cli", "__init__.py": "face"}.get(first, first)


def imported(path):
    """Return (inside, module) of every import of a file, wherever it stands; inside the package from its root."""
    package = ("", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[1 : len(package) - node.level + 1], node.module] if node.level else [node.module]
            stem = ".".join(filter(None, base))
            yield from ((node.level > 0, f"{stem}.{alias.name}".strip(".")) for alias in node.names)


def packages(path):
    return {module.partition(".")[0] for inside, module in imported(path) if not inside}


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_a_module_imports_only_what_its_floor_allows(path):
    floor, packs = floor_of(path), packages(path)
    inside = {module for inside, module in imported(path) if inside}
    assert "otonari" not in packs, "inside the package imports are relative"
    assert floor == "model" or not packs & {"pyomo", "highspy"}
    assert floor == "cli" or "click" not in packs
    assert label(path) == "runs/clear/dask_cluster.py" or not packs & {"dask", "distributed"}
    assert label(path) == "data/generators/deferred_pvlib.py" or "pvlib" not in packs
    if floor == "model":
        others = {m for m in inside if not m.startswith("model")}
        assert all(m.startswith("data.inputs.") for m in others), others
        assert not packs & OUTSIDE, "no file, clock or environment in model/"
    if floor == "data":
        assert all(m.startswith("data.") for m in inside)
        assert not packs & {"time", "subprocess", "socket", "random", "tempfile", "shutil"}


@pytest.mark.parametrize("path", [p for p in MODULES if floor_of(p) != "runs"], ids=label)
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
