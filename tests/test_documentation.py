"""What the pages show is what the program does: their examples run, their tables name what is there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import otonari
from otonari.cli import main

ROOT = Path(otonari.__file__).parent
ROOMS = [path.parent for floor in ("model", "data", "runs") for path in (ROOT / floor).rglob("__init__.py")]
PAGES = [
    ROOT / "README.md",
    *(p for floor in ("model", "data", "runs") for p in (ROOT / floor).rglob("*.md")),
]
FEW_SLOTS = "--days 1 --set time.slot_minutes=120"
FEW_HOMES = "--homes 30"  # where the page speaks of thousands, which take minutes


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def name(path):
    return path.relative_to(ROOT).as_posix()


def lines_of(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "python") and "ledger" not in name(p).lower()], ids=name
)
def test_python_of_a_page_runs(page, tmp_path):
    """In a process of its own, one example after another; the ledger's page has a test of its own."""
    script = "\n".join(["import otonari", *blocks(page, "python")])
    if page != ROOT / "README.md":  # a page of a room speaks of inputs that the first page has loaded
        script = (
            'import otonari\ninputs = otonari.build_inputs(otonari.load_scenario("six-kinds"))\n' + script
        )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def otonari_(tmp_path, monkeypatch):
    """Return a function that runs a command line of a page and returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        words = shlex.split(line, comments=True)
        assert words[0] == "otonari", line
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, (line, result.output)
        return result.stdout

    return run


def test_the_table_of_the_first_page(otonari_):
    shown = next(block for block in blocks(ROOT / "README.md", "console") if "grid-only  saving" in block)
    command, *want = lines_of(shown)
    got = lines_of(otonari_(command.removeprefix("$ ")).replace(f"{os.getcwd()}/", ""))
    gap = want.index("...")
    assert got[:gap] == want[:gap]
    for line in want[
        gap + 1 :
    ]:  # what follows on the ledger's line, its head, depends on the secret behind its salts
        assert any(printed.startswith(line) for printed in got), line
    asked = next(block for block in blocks(ROOT / "README.md", "console") if "otonari explain" in block)
    command, *want = lines_of(asked)
    assert lines_of(otonari_(command.removeprefix("$ ")))[: len(want) - 1] == want[:-1]


def written(folder):
    """Write the files that the first page's commands speak of."""
    shutil.copy(ROOT / "tests" / "feeders" / "street.json", folder / "net.json")
    when = pd.date_range("2020-03-02", periods=42 * 48, freq="30min")
    rng = np.random.default_rng(1)
    shape = 0.3 + 0.2 * np.sin(np.arange(len(when)) * 2 * np.pi / 48)
    demand = pd.DataFrame({"time": when, "home": (shape * rng.uniform(0.5, 1.5, len(when))).round(4)})
    demand.to_csv(folder / "DEMAND.csv", index=False)
    (folder / "ORDERS.csv").write_text(
        "order_id,slot,participant,side,energy_kwh,price,placed\n"
        "a,2020-08-19T12:00,pv,sell,1,9,2020-08-19T10:00\nb,2020-08-19T12:00,consumer,buy,1,24,2020-08-19T10:01\n"
    )
    sweep = next(block for block in blocks(ROOT / "README.md", "yaml") if "grid:" in block)
    small = (
        sweep.replace("higashi-fuji", "six-kinds")
        .replace("[0, 2.45, 4.9]", "[2.45]")
        .replace("[135.5, 183]", "[183]")
    )
    (folder / "fees.yaml").write_text(small, encoding="utf-8")


def test_the_commands_of_the_first_page(otonari_, tmp_path):
    written(tmp_path)
    told = [b for b in blocks(ROOT / "README.md", "console") if "six-kinds" in b or "feeder" in b]
    commands = "\n".join(told)
    ran = 0
    for line in lines_of(commands):
        if "ledger-1234abcd" in line:
            line = line.replace("ledger-1234abcd", next(tmp_path.glob("runs-out/six-kinds/ledger-*")).name)
        if "report" in line and "-o" not in line:
            assert "kWh" in otonari_(line.removeprefix("$ "))
        else:
            otonari_(
                line.removeprefix("$ ").replace("--homes 5000", FEW_HOMES).replace("--days 2", FEW_SLOTS)
            )
        ran += 1
    assert ran >= 14


def test_what_could_be_built_is_planned(otonari_, tmp_path):
    otonari_("otonari init my --template six-kinds")
    could = next(block for block in blocks(ROOT / "README.md", "yaml") if "investment:" in block)
    with (tmp_path / "my" / "scenario.yaml").open("a", encoding="utf-8") as file:
        file.write(could.replace("representative_days: 12", "representative_days: 2"))
    command = next(b for b in blocks(ROOT / "README.md", "console") if "otonari plan" in b).removeprefix("$ ")
    said = otonari_(command.replace("days=365", "days=3").replace("minutes=60", "minutes=240"))
    assert "220,000/kWh" in said
    assert list((tmp_path / "runs-out" / "six-kinds").glob("plan-*.nc")), "of a what-if"


def test_an_unknown_file_is_cleared_in_three_commands(otonari_, tmp_path):
    from otonari.data.series.presets import PRESETS

    lines = (f"15.01.2025;{h:02}:00;0,{100 + h};" for h in range(24))
    (tmp_path / "meter.csv").write_text("\n".join(["Meter 4711", "Datum;Uhrzeit;Verbrauch (kWh);", *lines]))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = next(block for block in blocks(ROOT / "README.md", "console") if "otonari inspect" in block)
    said = [otonari_(line.removeprefix("$ ")) for line in lines_of(commands)]
    assert len(said) == 3
    assert "Verbrauch (kWh)       2.676" in said[0]  # 2.4 + 0.276 kWh
    assert "2.676" in said[1]
    assert "0.80" in said[2]  # at 0.30 a kWh
    assert f"{len(PRESETS)} exports of providers" in page


def test_a_month_is_settled_and_checked_in_four_commands(otonari_):
    page = blocks(ROOT / "README.md", "console")
    said = [
        otonari_(line.removeprefix("$ ")) for line in lines_of(next(b for b in page if "settle shared" in b))
    ]
    assert len(said) == 4
    assert "6,813.325" in said[1]  # kWh injected, the sum of three columns of readings
    assert said[3].startswith("good: school in market sunny-street, 30 ")


@pytest.mark.parametrize("room", ROOMS, ids=name)
def test_the_page_of_a_room_names_its_modules(room):
    """A room without a page of its own stands on that of its floor, or of the room around it."""
    page = next(at / "README.md" for at in (room, *room.parents) if (at / "README.md").exists())
    text = page.read_text(encoding="utf-8")
    modules = [path.stem for path in room.glob("*.py") if path.name != "__init__.py"]
    assert [module for module in modules if not re.search(rf"`(\w+/)*{module}(\.py)?`", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_is_readable_and_its_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_the_reference_documents_every_name_and_input_as_it_is():
    """Written anew by ``python -m tests.reference``, with the variables of runs of all kinds."""
    from otonari.runs.report.reference import reference

    page = (ROOT / "runs" / "REFERENCE.md").read_text(encoding="utf-8")
    assert page.startswith(reference(otonari, [])), "out of date: python -m tests.reference"
