"""Text of a stranger's on its way to a terminal, a page, a table of a spreadsheet: nothing of it steers or deceives."""

import csv
import json
import logging
import re
import unicodedata

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from otonari import cli
from otonari.cli import main
from otonari.data.problems import Problem, shown
from otonari.runs import compare, text
from otonari.runs.clear import single
from otonari.runs.ledger.format.errors import LedgerTampered
from otonari.runs.report import page
from otonari.runs.report.bills import page as bill_page
from otonari.runs.store import netcdf, run_file

from . import counts
from .books import KEY
from .test_bill import keep, street

pytestmark = pytest.mark.thorough

STEERING = [
    "\x1b[2J",
    "\x9b2J",
    "\x07",
    "\r",
    "\n",
    "\u202e",
    "\u2066",
    "\u061c",
    "\u200b",
    "\ufeff",
    "\x7f",
    "\u2028",
    "\xad",
]
NAME = "x" + "".join(STEERING) + "y"


def harmless(output):
    """Return whether there is nothing in a text that steers a terminal or cannot be seen, but for line ends."""
    return not any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in output.replace("\n", "")
    )


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_is_harmless_and_on_one_line(name):
    for one in (
        shown(name),
        str(Problem(name, name, name, name, name)),
        str(LedgerTampered(name, name, name, name)),
    ):
        assert harmless(one)
        assert "\n" not in one
    assert harmless(text.table([name, name], [[name, name]]))
    assert text.table([name, name], [[name, name]]).count("\n") == 1
    assert harmless(text.section(name, "text"))
    assert harmless(text.as_json({name: name}))
    assert json.loads(text.as_json({name: [name]})) == {name: [name]}


@pytest.mark.parametrize(
    "name", ["お隣", "山田　太郎", "Müller & Söhne", "=1", "👩", "葛\U000e0100", "50% 'b`/"]
)
def test_what_can_be_seen_stays(name):
    assert shown(name) == name


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run all of whose texts are a stranger's, with good digests."""
    tree = single.run("six-kinds", record=False, output=tmp_path_factory.mktemp("six") / "p2p.nc").tree
    names = {f"home-0{k}": f"{k}{NAME}" for k in range(1, 7)}
    for group in ("inputs", "results", "trades", "settlement"):
        dataset = tree[group].to_dataset()
        for key, array in dataset.variables.items():
            if array.dtype.kind == "U":
                changed = np.array([names.get(x, x) for x in array.values.flat]).reshape(array.shape)
                dataset[key] = (array.dims, changed, array.attrs)
        dataset.attrs["notes"] = json.dumps([NAME])
        tree[group] = xr.DataTree(dataset)
    tree.attrs |= {
        "title": NAME,
        "scenario": NAME,
        "status": NAME,
        "otonari_version": NAME,
        "ledger_head": NAME,
    }
    path = tmp_path_factory.mktemp("hostile") / "run.nc"
    netcdf.write_run(tree, path)
    return path


@pytest.mark.parametrize(
    "command",
    [
        "report",
        "explain",
        "compare",
        "clear",
        "ledger correct .",
        "report --json",
        "explain --json",
        "compare --json",
    ],
)
def test_no_command_lets_it_through(hostile, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [*command.split(), str(hostile)])
    assert result.exit_code in (0, 2), result.output
    assert result.output
    assert harmless(result.output)
    if "--json" in command:
        json.loads(result.stdout)


def test_pages_and_lists_of_files(hostile, tmp_path):
    assert harmless(page.report(run_file.open_run(hostile)))
    for name in ("a.csv", "page.md", "page.html"):
        command = ["compare", str(hostile)] if name == "a.csv" else ["report", str(hostile)]
        assert CliRunner().invoke(main, [*command, "-o", str(tmp_path / name)]).exit_code == 0
    assert harmless((tmp_path / "page.md").read_text())
    assert harmless((tmp_path / "page.html").read_text())


def test_logs_stages_and_usage(capsys, monkeypatch):
    record = logging.LogRecord("otonari", logging.INFO, "", 0, NAME, (), None)
    assert harmless(cli._Shown("%(message)s").format(record))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    cli._stage(False, False)(NAME)
    assert harmless(re.sub("\x1b\\[[0-9]*m", "", capsys.readouterr().err))
    for arguments in (
        [NAME],
        ["clear", NAME],
        ["compare", "-o", NAME, "a.nc"],
        ["validate", "x", "--set", NAME],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert harmless(result.output)


# spreadsheets

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_of_a_table_is_a_formula(name, tmp_path):
    assert not text.as_csv(["a"], [[name]]).splitlines()[1].lstrip('"').startswith(tuple("=+-@\t\r＝"))
    inputs = xr.Dataset({"bill": ("scenario", [-1.5])}, {"scenario": [name]})
    compare.write(inputs, tmp_path / "x.csv")
    assert "\n'" in (tmp_path / "x.csv").read_text().replace('"', "")
    assert (tmp_path / "x.csv").read_text().rstrip().endswith(",-1.5,0.0")


@pytest.mark.parametrize("name", FORMULAS)
def test_nor_one_of_trades_and_refused_orders(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quoted = '"' + name.replace('"', '""') + '"'
    rows = [
        "order_id,placed,action,slot,participant,side,energy_kwh,price",
        f"{quoted},2019-08-20T00:00,new,2019-08-20T12:00,{quoted},sell,1,10",
        f"b,2019-08-20T00:01,new,2019-08-20T12:00,{quoted}2,buy,1,10".replace('"2,', '2",'),
        f"{quoted},2019-08-20T00:02,new,2019-08-20T12:00,c,buy,1,10",
    ]
    (tmp_path / "orders.csv").write_text("\n".join(rows) + "\n", newline="")
    result = CliRunner().invoke(main, ["exchange", "match", "orders.csv", "-o", "trades.csv"])
    if result.exit_code == 2:
        assert not (tmp_path / "trades.csv").exists()  # such a name is refused where it is read
        return
    assert result.exit_code == 0, result.output
    for file in ("trades.csv", "trades.refused.csv"):
        for line in (tmp_path / file).read_text().splitlines()[1:]:
            for cell in re.split(r',"?', line):
                assert not cell.startswith(tuple("=@\t\r＝")), line
                assert not re.match(r"[+-][^.0-9]|[+-]1\+", cell), line


# pages

MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</h1><b>",
    "\\<b>bert",
    "![x](https://example.org/x.png)",
    "[pay here](https://example.org)",
    "`<b>`",
    "a\"b'c",
    "隣の家の" * 20,
]


def prose(page):
    """Return the lines of a Markdown page that are no code: neither indented nor between fences."""
    own, _, rest = page.partition("\n```\n")
    assert not rest or rest.endswith("\n```\n")
    return [line for line in own.split("\n") if not line.startswith("    ")]


@pytest.mark.parametrize("name", counts.all_or([*MARKUP, NAME, *FORMULAS], [*MARKUP[::4], NAME, FORMULAS[0]]))
def test_a_name_is_no_markup_on_bills_and_pages_nor_a_formula_in_tables(name, tmp_path):
    tree = street({"bert": name, "anna": f"{name}2"})
    tree.attrs |= {"title": name, "scenario": name, "status": name}
    tree["inputs"].attrs["notes"] = json.dumps([name])
    run, bills = keep(tree, tmp_path), tmp_path / "bills"
    commands = [
        ["report", run, "--bills", "-o", bills, "--ledger", tmp_path / "ledger"],
        ["report", run, "-o", tmp_path / "page.md"],
        ["report", run],
        ["compare", run],
        ["compare", run, "-o", tmp_path / "sums.csv"],
    ]
    for command in commands:
        result = CliRunner().invoke(main, [*map(str, command)])
        assert result.exit_code == 0, result.output
        assert harmless(result.output)
    pages = sorted(bills.glob("*.md"))
    assert len(pages) == 3
    for path in [tmp_path / "page.md", *pages]:
        content = path.read_text(encoding="utf-8")
        assert harmless(content)
        for line in prose(content):
            assert "<" not in line
            assert "](" not in line
    for path in pages:
        bill_page.check(path, path.read_bytes(), [KEY.key])
    with open(bills / "bills.csv", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            assert not row[0].startswith(tuple("=+-@\t\r＝"))
    with open(tmp_path / "sums.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert rows
    for row in rows:
        assert not row[0].startswith(tuple("=+-@\t\r＝"))
