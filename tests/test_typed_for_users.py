"""The wheel as a user gets it: every module and ``py.typed`` in it, and public names with types of their own."""

import importlib.util
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("__init__.py", "cli.py", "py.typed", "data", "model", "runs")

PROGRAM = """
import otonari

scenario = otonari.load_scenario("higashi-fuji")
inputs = otonari.build_inputs(scenario)
tree = otonari.clear(inputs, "p2p", mip_gap=1e-4)
block = otonari.community_block(inputs)
solution = otonari.solve(block)
again = otonari.solve(block, start=solution, threads=2)
gap: float = again.proof["mip_gap"]
print(otonari.compare([tree, otonari.open_run("run.nc")])["bill"].sum(), gap, otonari.__version__)
"""

TYPES = """
reveal_type(scenario)
reveal_type(inputs)
reveal_type(tree)
reveal_type(block)
reveal_type(solution)
reveal_type(otonari.compare([tree]))
reveal_type(otonari.open_run("run.nc"))
"""

REVEALED = (
    "otonari.data.schema.scenario.Scenario",
    "xarray.core.dataset.Dataset",
    "xarray.core.datatree.DataTree",
    "otonari.model.clearing.Community",
    "otonari.model.solver.solve.Solution",
    "xarray.core.dataset.Dataset",
    "xarray.core.datatree.DataTree",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return a wheel of this tree, built without a network."""
    needed = 77
    try:
        built_by = int(version("setuptools").split(".")[0])
    except PackageNotFoundError:
        built_by = 0
    if built_by < needed or importlib.util.find_spec("pip") is None:
        pytest.skip(
            f"a wheel is built offline with pip and setuptools >= {needed}: got setuptools {built_by}"
        )
    folder = tmp_path_factory.mktemp("wheel")
    # a copy of what is shipped: setuptools leaves build/ and egg-info where it works
    source = folder / "source"
    for path in _shipped():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes((ROOT / path).read_bytes())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = (
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    )
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True, timeout=120)
    return next(folder.glob("*.whl"))


def _shipped() -> list[Path]:
    """Return the files of the package, relative to the root."""
    files = [ROOT / name for name in SHIPPED]
    files += [file for folder in files if folder.is_dir() for file in folder.rglob("*")]
    return sorted(
        file.relative_to(ROOT) for file in files if file.is_file() and "__pycache__" not in file.parts
    )


def test_the_wheel_holds_every_module_and_py_typed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {f"otonari/{path.as_posix()}" for path in _shipped()}


@pytest.mark.slow
def test_a_strict_type_check_of_a_program_on_the_wheel_passes(wheel, tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: pip install 'otonari[dev]'")
    python = _installed(wheel, tmp_path / "venv")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    assert _mypy(program, python) == ["Success: no issues found in 1 source file"]
    program.write_text(PROGRAM + TYPES, encoding="utf-8")
    revealed = [line.split('"')[1] for line in _mypy(program, python) if "Revealed type" in line]
    assert tuple(revealed) == REVEALED
    program.write_text("import otonari\n\notonari.clera()\n", encoding="utf-8")
    assert 'has no attribute "clera"' in _mypy(program, python)[0]


def _installed(wheel: Path, folder: Path) -> Path:
    """Return the Python of a new virtual environment that holds the wheel, before the packages of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    python = folder / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(own)
    shared = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
    return python


def _mypy(program: Path, python: Path) -> list[str]:
    """Return what mypy says of a program, line by line; nothing of this checkout is in its way."""
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python)]
    command += ["--cache-dir", str(program.with_name("cache")), "--config-file", "", str(program)]
    done = subprocess.run(
        command, cwd=program.parent, env={"PATH": ""}, capture_output=True, text=True, timeout=300
    )
    return done.stdout.splitlines()
