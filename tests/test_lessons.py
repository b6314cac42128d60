"""The lessons are true: their commands print what stands there, their notebooks run, their figures are of their runs."""

import re
import runpy
from importlib.util import find_spec
from xml.etree import ElementTree

import pytest

from otonari.data.loading import scenario, sharing_template

from . import lessons
from .lessons import GALLERY, LESSONS

CHEAP = ("own-meters",)
"""Lessons whose commands run in the everyday suite."""


def kept(cheap, cases=LESSONS):
    return [pytest.param(name, marks=[] if name in cheap else pytest.mark.slow) for name in cases]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_template_is_a_lesson_and_the_gallery_names_it():
    gallery = (GALLERY / "README.md").read_text(encoding="utf-8")
    assert sorted([*scenario.bundled(), sharing_template.NAME]) == LESSONS == sorted(lessons.FIGURES)
    for name in LESSONS:
        page = (GALLERY / name / "README.md").read_text(encoding="utf-8")
        assert f"[{name}]({name}/README.md)" in gallery
        assert page.startswith("# ")
        for part in ("**What it shows.**", "```console", "](figure.svg)", "**Exercises.**"):
            assert part in page, (name, part)
        assert lessons.blocks(name)[0][0].startswith("otonari init ")
        cells = (GALLERY / name / "lesson.py").read_text(encoding="utf-8").split("\n# %%")
        assert cells[0].startswith("# %% [markdown]\n# # ")
        assert any("Exercise" in cell for cell in cells) or name == "hosts"
        assert sum(cell.startswith("\n") for cell in cells) >= 3, name
        compile("\n# %%".join(cells), name, "exec")


def test_init_writes_the_lesson_beside_the_scenario(folder):
    lessons.run("otonari init mine --template own-meters")
    there = {path.name for path in (folder / "mine").iterdir()}
    assert there >= {"scenario.yaml", "README.md", "lesson.py", "figure.svg", "readings.csv"}


@pytest.mark.parametrize("name", kept(CHEAP))
def test_the_commands_of_a_lesson_print_what_its_page_shows(name):
    if name == "feeder" and not find_spec("power_grid_model"):
        pytest.skip("install the extra grid for power flows")
    for command, shown in lessons.blocks(name):
        printed = lessons.run(command)
        assert lessons.missing(shown, printed) is None, command


NOTEBOOKS = [path.relative_to(GALLERY).as_posix() for path in sorted(GALLERY.glob("*/*.py"))]


@pytest.mark.parametrize("notebook", kept(("six-kinds/lesson.py",), NOTEBOOKS))
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_notebook_runs(notebook):
    for package in (
        "matplotlib",
        "power_grid_model",
        *(("pypsa", "oemof") if "frameworks" in notebook else ()),
    ):
        if not find_spec(package):
            pytest.skip(f"install the extras plot, grid and hosts for {package}")
    import matplotlib as mpl

    mpl.use("Agg")
    runpy.run_path(str(GALLERY / notebook))
    mpl.pyplot.close("all") if hasattr(mpl, "pyplot") else None


def texts(drawing):
    """Return the words of an SVG, by its elements."""
    return [(e.tag.rpartition("}")[2], e.text) for e in ElementTree.fromstring(drawing).iter() if e.text]


def words(drawing):
    return [text for tag, text in texts(drawing) if tag != "style" and not re.fullmatch(r"[-\d,.%]+", text)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_the_figure_of_a_lesson_is_of_its_run(name):
    """Its words and numbers of axes; the last digit of a coordinate may differ from machine to machine."""
    stored = (GALLERY / name / "figure.svg").read_text(encoding="utf-8")
    drawn = lessons.figure(name).svg()
    assert words(stored) == words(drawn)
    assert abs(len(stored) - len(drawn)) < 0.02 * len(drawn)


@pytest.mark.parametrize("name", LESSONS)
def test_a_figure_is_a_file_of_its_own(name):
    stored = (GALLERY / name / "figure.svg").read_text(encoding="utf-8")
    assert texts(stored)[0][0] == "title"
    assert "href" not in stored
    assert len(stored) < 40_000
