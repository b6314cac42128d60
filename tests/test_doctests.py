"""Run the examples in the docstrings of every module of the package."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import otonari

ROOT = Path(otonari.__file__).parent
FLOORS = ("data", "model", "runs")


def modules():
    """Return the names of all modules of the package, read off its files."""
    files = [ROOT / "cli.py", *(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))]
    return sorted(".".join(("otonari", *path.relative_to(ROOT).with_suffix("").parts)) for path in files)


def source(module):
    return ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")


WITH_EXAMPLES = [module for module in modules() if ">>> " in source(module).read_text(encoding="utf-8")]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of(module):
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    for case in doctest.DocTestFinder(exclude_empty=True).find(import_module(module)):
        runner.run(case, out=said.append)
    assert runner.tries
    assert not runner.failures, "".join(said)


def test_examples_are_found():
    """A walk or a search that goes past the examples would let every test above pass."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [case for module in WITH_EXAMPLES for case in finder.find(import_module(module)) if case.examples]
    assert len(found) >= 32
