"""The command line as a user meets it: what it prints where, what it leaves behind, and its exit codes."""

import csv
import fcntl
import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import otonari as otonari_package
from otonari import cli, data
from otonari.cli import main
from otonari.data.loading import town
from otonari.data.loading.scenario import bundled, load_scenario
from otonari.data.schema.tariffs_and_fees import Tariff
from otonari.model.sharing.allocation import allocate
from otonari.model.sharing.traded import traded
from otonari.runs.ledger import ledger
from otonari.runs.ledger.format.errors import LedgerError, LedgerLocked, LedgerTampered
from otonari.runs.settle import of_run
from otonari.runs.store import netcdf, run_file

from . import counts
from .books import head_of, line, make, plain, record

LESS = "tables.participants.home-01.persons=1"
"""An override of six-kinds that changes its results."""


@pytest.fixture
def otonari(tmp_path, monkeypatch):
    """Return a function that runs a command line in an empty directory and checks its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        if code:
            assert "Traceback" not in result.stderr
            assert result.stderr.strip()
        return result

    return call


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Return the directory in which six-kinds was cleared as both markets."""
    folder = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for market in ("p2p", "grid-only"):
            assert CliRunner().invoke(main, ["clear", "six-kinds", "--market", market]).exit_code == 0
    return folder / "runs-out" / "six-kinds"


def book_of(day):
    (found,) = day.glob("ledger-*")
    return found


def everything(folder):
    return sorted(
        str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file() and p.name != ".lock"
    )


# clear


def test_clear_with_no_argument(otonari):
    result = otonari("clear")
    size = "21 participants, 9 vehicles, 48 slots"
    assert result.stdout.startswith(f"higashi-fuji: p2p market, {size} from 2020-08-19 00:00 Asia/Tokyo\n")
    for word in (
        "consumer",
        "business",
        "all",
        "peer volume",
        "self-sufficiency",
        "renewable driving",
        "CO2",
    ):
        assert word in result.stdout
    assert "48 slots committed" in result.stdout
    assert "runs-out/higashi-fuji/p2p.nc" in everything(".")


def test_clear_for_machines(otonari, remembered):
    facts = json.loads(otonari("clear", "six-kinds", "--json").stdout)
    assert facts["path"] == "runs-out/six-kinds/p2p.nc"
    assert facts["status"] == "optimal"
    assert facts["ledger"]["added"] == 24
    assert facts["totals"]["bill"] == pytest.approx(sum(kind["bill"] for kind in facts["kinds"].values()))
    assert facts["totals"]["bill"] == pytest.approx(facts["objective"])
    assert facts["kinds"]["consumer"]["participants"] == 1


def test_clear_quietly(otonari, remembered):
    result = otonari("clear", "six-kinds", "-q", "--no-ledger", "-o", "x/mine.nc")
    assert (result.stdout, result.stderr) == ("", "")
    assert everything(".") == ["x/mine.nc"]


def test_clear_again(otonari, day, tmp_path):
    shutil.copytree(day.parent, tmp_path / "runs-out")
    before = (book_of(Path("runs-out/six-kinds")) / ledger.NAME).read_bytes()
    assert "0 slots committed, 24 were there already" in otonari("clear", "six-kinds").stdout
    assert (book_of(Path("runs-out/six-kinds")) / ledger.NAME).read_bytes() == before


def test_clear_a_run_file(otonari, day):
    facts = json.loads(otonari("clear", day / "p2p.nc", "--json", "--ledger", book_of(day)).stdout)
    assert facts["ledger"]["already"] == 24
    assert facts["scenario_hash"] == run_file.open_run(day / "p2p.nc").attrs["scenario_hash"]


def test_clear_says_what_it_kept(otonari, remembered):
    otonari("clear", "six-kinds", "--no-ledger")
    own = Path("runs-out/six-kinds/p2p.nc").read_bytes()
    what_if = json.loads(otonari("clear", "six-kinds", "--no-ledger", "--set", LESS, "--json").stdout)
    assert what_if["path"] == f"runs-out/six-kinds/p2p-{what_if['scenario_hash'][:8]}.nc"
    assert Path("runs-out/six-kinds/p2p.nc").read_bytes() == own, "a what-if has a name of its own"
    result = otonari("clear", "six-kinds", "--no-ledger", "--set", LESS, "-o", "runs-out/six-kinds/p2p.nc")
    assert "the earlier, different run is now runs-out/six-kinds/p2p.1.nc" in result.stdout


# exit codes


def test_bad_usage(otonari):
    for arguments in (
        ["clear", "--market", "auction"],
        ["clear", "--no-ledger", "--ledger", "x"],
        ["clear", "--market", "grid-only", "--ledger", "x"],
        ["clear", "-o", "x.csv"],
        *(["clear", "--time-limit", limit] for limit in ("0", "nan", "inf")),
        ["compare"],
        ["compare", "a.nc", "-o", "x.xlsx"],
        ["prices"],
        ["prices", "a.nc", "-o", "x.nc"],
        ["prices", "a.nc", "--samples", "1"],
        ["coefficients", "a.nc"],
        ["coefficients", "a.nc", "-o", "x.csv", "--decimals", "10"],
        ["cleer"],
        ["ledger", "verify"],
    ):
        otonari(*arguments, code=2)
    assert os.listdir() == []


def test_bad_input_lists_every_problem(otonari):
    wrong = [
        "--set",
        "time.slot_minutes=7",
        "--set",
        "tables.vehicles.phev-02.owner=home-99",
        "--set",
        "naem=x",
    ]
    result = otonari("clear", "six-kinds", *wrong, code=2)
    for word in ("slot_minutes", "home-99", "naem", "did you mean", "3 problems, nothing was done"):
        assert word in result.stderr
    assert result.stdout == ""
    assert os.listdir() == []


def test_no_such_scenario(otonari):
    assert "six-kinds" in otonari("clear", "six-kind", code=2).stderr
    assert "no such file" in otonari("clear", "gone.nc", code=2).stderr


def test_no_solution(otonari):
    result = otonari("clear", "six-kinds", "--set", "tables.participants.*.import_limit_kw=0.01", code=3)
    assert "home-0" in result.stderr
    assert os.listdir() == []


def test_time_limit(otonari):
    result = otonari("clear", "--time-limit", "1e-9", code=3)
    assert "time limit" in result.stderr
    assert os.listdir() == []


def test_tampered_ledger(otonari, day, remembered):
    shutil.copytree(book_of(day), "book")
    path = Path("book", ledger.NAME)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], lines[5].replace(b'"fees":', b'"fies":'), *lines[6:]]))
    before = everything(".")
    for command in ("verify", "show", "repair"):
        result = otonari("ledger", command, "book", code=4)
        assert "ledger tampered: block 5: hash: got " in result.stderr
    otonari("clear", "six-kinds", "--ledger", "book", code=4)
    assert everything(".") == before


def test_conflict(otonari, remembered):
    operator = ["six-kinds", "--set", "market_id=susono"]
    otonari("clear", *operator)
    before = {name: Path(name).read_bytes() for name in everything(".")}
    result = otonari("clear", *operator, "--set", LESS, code=5)
    assert "slots are committed with another result" in result.stderr
    assert {name: Path(name).read_bytes() for name in everything(".")} == before


def test_torn_and_locked_ledger(otonari, day, monkeypatch, remembered):
    shutil.copytree(book_of(day), "book")
    with Path("book", ledger.NAME).open("ab") as file:
        file.write(b"half a li")
    before = everything(".")
    assert "ledger torn" in otonari("ledger", "verify", "book", code=6).stderr
    otonari("clear", "six-kinds", "--ledger", "book", code=6)
    monkeypatch.setitem(ledger.prepare.__wrapped__.__kwdefaults__, "wait", 0.0)
    Path("locked").mkdir()
    with Path("locked", ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "ledger locked" in otonari("clear", "six-kinds", "--ledger", "locked", code=6).stderr
    assert everything(".") == before
    assert "moved the torn end to book/ledger.jsonl.0.torn" in otonari("ledger", "repair", "book").stdout
    assert "nothing to repair" in otonari("ledger", "repair", "book").stdout
    assert otonari("ledger", "verify", "book").stdout.startswith("good: ")


def test_no_ledger_there(otonari):
    assert "No such file" in otonari("ledger", "verify", "nowhere", code=2).stderr


def test_oddities_of_the_data_are_told(otonari, remembered):
    result = otonari("clear", "six-kinds", "--no-ledger")
    notes = json.loads(run_file.open_run("runs-out/six-kinds/p2p.nc")["inputs"].attrs["notes"])
    assert result.stderr.splitlines() == [f"note: {note}" for note in notes]


def test_an_edited_run_file(otonari, day):
    import netCDF4

    shutil.copy(day / "p2p.nc", "edited.nc")
    with netCDF4.Dataset("edited.nc", "a") as file:
        file.setncattr("scenario_definition", file.getncattr("scenario_definition")[:99])
    for command in ("clear", "compare"):
        assert "damaged or edited: attributes_digest" in otonari(command, "edited.nc", code=2).stderr
    assert os.listdir() == ["edited.nc"]


def test_an_interrupt(otonari, monkeypatch, remembered):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(netcdf, "write_run", interrupt)
    result = otonari("clear", "six-kinds", "--no-ledger", code=130)
    assert result.stderr == "otonari: interrupted\n"
    assert everything(".") == []


def test_ctrl_c(tmp_path):
    """A real signal, sent when the command is at work."""
    heard = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # in a background job too
    )
    command = [sys.executable, "-c", f"{heard}; from otonari.cli import main; main()", "clear", "-v"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        said = ""
        while "building the inputs" not in said:
            said = process.stderr.readline()
            assert said
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait() == 130, rest
    assert rest.endswith("otonari: interrupted\n")
    assert "Traceback" not in rest
    assert everything(tmp_path) == []


def test_our_bug(otonari, monkeypatch):
    def fail(*arguments, **options):
        raise KeyError("oops")

    monkeypatch.setattr(town, "files", fail)
    result = CliRunner().invoke(main, ["init", "big", "--template", "town"])
    assert result.exit_code == 1
    assert "KeyError: 'oops'" in result.stderr
    assert "this is a bug in otonari" in result.stderr


EXIT_CODES = {
    "InputError": 2,
    "RunFileError": 2,
    "CompareError": 2,
    "ClusterError": 2,
    "SolveError": 3,
    "Infeasible": 3,
    "NoPowerFlow": 3,
    "NotOptimal": 3,
    "Refused": 3,
    "Unbounded": 3,
    "LedgerError": 2,
    "LedgerTampered": 4,
    "LedgerConflict": 5,
    "LedgerLocked": 6,
    "LedgerTorn": 6,
}
"""Exit code of each failure that reaches the command line, as the README lists them."""
NEVER_REACH_USERS = {
    "CheckError": "contradicts the inputs: a bug",
    "Refusal": "an order's row carries it",
    "_Refused": "the general reader then lists the problems",
    "Misread": "by_regions raises InputError in its place",
    "SweepError": "the sweep lists the point as failed",
    "NoteError": "the ledger raises its own kind in its place",
}


def errors_of_the_package():
    """Return the exception classes that the modules of the package define, by name."""
    found = {}
    for module in pkgutil.walk_packages(otonari_package.__path__, "otonari."):
        if module.name.split(".")[1] in ("data", "model", "runs", "cli"):
            for kind in vars(importlib.import_module(module.name)).values():
                if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == module.name:
                    assert kind.__name__ not in found
                    found[kind.__name__] = kind
    return found


def test_every_error_carries_its_exit_code():
    found = errors_of_the_package()
    codes = {name: kind.exit_code for name, kind in found.items() if hasattr(kind, "exit_code")}
    assert codes == EXIT_CODES
    assert found.keys() - codes.keys() == NEVER_REACH_USERS.keys()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LedgerTampered(3, "hash", "a", "b"), 4, "otonari: ledger tampered: block 3: hash: got a, want b\n"),
        (LedgerLocked("book: held"), 6, "otonari: ledger locked: book: held\n"),
        (LedgerError("book: no ledger"), 2, "otonari: book: no ledger\n"),
        (PermissionError(13, "Permission denied"), 2, "otonari: [Errno 13] Permission denied\n"),
    ],
)
def test_an_error_is_one_message_and_its_code(otonari, monkeypatch, error, code, message):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(run_file, "open_run", fail)
    assert otonari("compare", "a.nc", code=code).stderr == message


# the other commands


def test_validate(otonari):
    assert otonari("validate", "six-kinds").stdout.endswith("\nsix-kinds: no problems\n")
    assert otonari("validate", "six-kinds", "--json").stdout.strip() == "[]"
    result = otonari(
        "validate", "six-kinds", "--set", "fees.access_fee_per_kwh=-1", "--set", "seed=x", code=2
    )
    assert "access_fee_per_kwh" in result.stderr
    assert "2 problems" in result.stderr
    problems = json.loads(otonari("validate", "six-kinds", "--set", "seed=x", "--json", code=2).stdout)
    assert set(problems[0]) == {"where", "row", "field", "got", "want"}
    assert os.listdir() == []


def test_init_writes_what_clears(otonari):
    result = otonari("init", "mine", "--template", "six-kinds")
    assert "wrote mine/scenario.yaml" in result.stdout
    assert Path("mine/scenario.yaml").read_text(encoding="utf-8").startswith("# ")
    assert "24 slots committed" in otonari("clear", "mine").stdout
    assert "exists already" in otonari("init", "mine", "--template", "six-kinds", code=2).stderr
    assert "six-kinds" in otonari("init", "other", "--template", "six-kind", code=2).stderr
    assert not Path("other").exists()


@pytest.mark.parametrize("template", ["six-kinds", "town", "sharing"])
def test_init_names_a_scenario(otonari, template):
    otonari("init", "mine", "--template", template, "--name", "our.street_2")
    (definition,) = Path("mine").glob("*.yaml")
    assert yaml.safe_load(definition.read_text(encoding="utf-8"))["name"] == "our.street_2"
    assert "'our street'" in otonari("init", "other", "--name", "our street", code=2).stderr
    assert not Path("other").exists()


def test_a_report_is_what_its_ending_says_or_refused(otonari, day):
    for who in ([], ["home-01"]):
        assert ".html or .md or .txt" in otonari("report", day / "p2p.nc", *who, "-o", "x.pdf", code=2).stderr
    assert everything(".") == []


def test_the_demo_is_a_page(otonari, remembered):
    """It says who saves what, where the page is, and commands to go on with, which do as they stand there."""
    said = otonari("demo").stdout
    assert "consumer+phev" in said
    assert "page    runs-out/demo/p2p.html\n" in said
    asked = re.search(r"^  otonari (explain .*?)  #", said, re.MULTILINE)
    why = otonari(*asked[1].split()).stdout
    assert why.startswith("home-05, ")
    assert "it saves 75.00 JPY (13.2 %)" in why
    assert Path("runs-out/demo/p2p.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_schema(otonari):
    assert json.loads(otonari("schema").stdout)["properties"]["schema_version"]


def test_compare(otonari, day):
    runs = [day / "grid-only.nc", day / "p2p.nc"]
    result = otonari("compare", *runs, "-o", "out.csv")
    assert result.stdout.splitlines()[0].split() == ["six-kinds", "grid-only", "p2p"]
    assert "stored  out.csv" in result.stdout
    with Path("out.csv").open(newline="") as file:
        assert {row["measure"] for row in csv.DictReader(file)} >= {"bill", "saving", "co2"}
    facts = json.loads(otonari("compare", *runs, "--json").stdout)
    assert facts["coords"]["scenario"]["data"] == ["six-kinds grid-only", "six-kinds p2p"]
    assert facts["data_vars"]["saving"]["data"][0] == pytest.approx(0)
    assert facts["data_vars"]["efficiency"]["data"] == pytest.approx([0, 1])
    assert sum(facts["data_vars"]["hour_peer_energy"]["data"][1]) == pytest.approx(
        facts["data_vars"]["peer_energy"]["data"][1]
    )
    otonari("compare", *runs, "-o", "out.nc")
    assert "not a run file" in otonari("compare", "out.csv", code=2).stderr


def test_prices(otonari, day):
    rules = ["--rule", "marginal", "--rule", "mid-market", "--rule", "shapley"]
    result = otonari("prices", day / "p2p.nc", *rules, "-o", "out.csv")
    assert result.stdout.splitlines()[0].split() == ["payment", "JPY", "marginal", "mid-market", "shapley"]
    assert "stored  out.csv" in result.stdout
    facts = json.loads(otonari("prices", day / "p2p.nc", *rules, "--json").stdout)["rules"]
    bills = run_file.open_run(day / "p2p.nc")["settlement"]["bill"]
    assert list(facts["marginal"]["payment"].values()) == pytest.approx(bills.values.tolist(), abs=1e-5)
    assert facts["shapley"]["greatest_excess"] < 0 < facts["mid-market"]["greatest_excess"]
    with Path("out.csv").open(newline="") as file:
        rows = {(r["rule"], r["measure"], r["participant"]): float(r["value"]) for r in csv.DictReader(file)}
    assert rows["mid-market", "payment", "home-01"] == facts["mid-market"]["payment"]["home-01"]
    assert rows["shapley", "gini", ""] == facts["shapley"]["gini"]


def test_clear_by_a_rule_of_prices(otonari, day):
    """Bills are what `prices` says of the run by marginal prices; its blocks, and the file cleared again, agree."""
    facts = json.loads(otonari("clear", "six-kinds", "--rule", "fixed=17.5", "--json").stdout)
    asked = otonari("prices", day / "p2p.nc", "--rule", "fixed=17.5", "--json")
    paid = json.loads(asked.stdout)["rules"]["fixed=17.5"]["payment"]
    assert facts["price_rule"] == "fixed=17.5"
    assert facts["totals"]["bill"] == pytest.approx(sum(paid.values()), abs=1e-4)
    trades = run_file.open_run(facts["path"])["trades"].to_dataset()
    assert set(trades["trade_price"].values.tolist()) == {17.5}
    (book,) = Path("runs-out/six-kinds").glob("ledger-*")
    otonari("ledger", "verify", book, "--private")
    again = json.loads(otonari("clear", facts["path"], "--json", "--ledger", book).stdout)
    assert (again["ledger"]["already"], again["price_rule"]) == (24, "fixed=17.5")
    assert facts["scenario_hash"] != run_file.open_run(day / "p2p.nc").attrs["scenario_hash"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clear", "six-kinds", "--rule", "shapley"], "want one of marginal, mid-market"),
        (["clear", "six-kinds", "--rule", "fixed"], "a price where the rule is fixed"),
        (["clear", "six-kinds", "--rule", "mid-market=2"], "unknown key"),
        (["clear", "six-kinds", "--rule", "supply-demand-ratio=2"], "compensation"),
        (["clear", "six-kinds", "--rule", "mid-market", "--workers", "1"], "marginal ones"),
        (["simulate", "six-kinds", "--set", "settlement.rule=mid-market"], "marginal, in a simulation"),
    ],
)
def test_rules_of_prices_that_no_clearing_has(otonari, arguments, words):
    assert words in otonari(*arguments, code=2).stderr
    assert os.listdir() == []


@pytest.mark.parametrize(("exhaustive", "decimals"), counts.all_or([(True, 5), (False, 6)], [(True, 5)]))
def test_coefficients(otonari, day, exhaustive, decimals):
    """Meters of six-kinds that show its plan, allocated by the coefficients of the file, get what was traded."""
    options = ["--decimals", decimals, *(["--exhaustive"] if exhaustive else [])]
    facts = json.loads(otonari("coefficients", day / "p2p.nc", "-o", "key.csv", *options, "--json").stdout)
    tree = run_file.open_run(day / "p2p.nc")
    volumes = traded(*(tree[group].to_dataset() for group in ("inputs", "results", "trades")))
    with Path("key.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    size = (24, len(facts["producers"]), len(facts["members"]))
    text = [[row[name] for name in facts["members"]] for row in rows]
    assert all(len(cell.partition(".")[2]) == decimals for line in text for cell in line)
    units = np.array([[int(cell.replace(".", "")) for cell in line] for line in text]).reshape(size)
    rest = np.array([int(row["(surplus)"].replace(".", "")) for row in rows]).reshape(size[:2])
    assert (units.sum(axis=2) + rest == 10**decimals).all()
    assert exhaustive == (not rest.any())
    producers = np.flatnonzero(volumes.injected.any(axis=1))
    assert volumes.label[producers].tolist() == facts["producers"]
    share = np.moveaxis(units, 0, 2) / 10**decimals
    got = allocate(volumes.injected[producers], volumes.withdrawn, "matrix", coefficients=share)
    bought = np.zeros_like(volumes.withdrawn)
    _, buyer, slot, energy = volumes.contracts
    np.add.at(bought, (buyer, slot), energy)
    assert (got == bought).all()
    assert bought.sum() == facts["traded_wh"] > 10_000


def test_settles_a_run(otonari, day):
    """A settlement of a run by its key, from meters that show the plan, shares what was traded, to the Wh."""
    otonari("init", "month", "--settles", day / "p2p.nc")
    (month,) = json.loads(otonari("settle", "month", "--json").stdout)["months"]
    allocation = run_file.open_run(month["path"])["allocation"]
    tree = run_file.open_run(day / "p2p.nc")
    volumes = traded(*(tree[group].to_dataset() for group in ("inputs", "results", "trades")))
    seller, buyer, slot, energy = volumes.contracts
    for name, party in (("shared", buyer), ("sold", seller)):
        want = np.zeros_like(volumes.withdrawn)
        np.add.at(want, (party, slot), energy)
        assert (allocation[name].values == want).all()
    refused = otonari("init", "alone", "--settles", day / "grid-only.nc", code=2)
    assert "grid-only.nc: market: got 'grid-only', want one of p2p, exchange, co-optimized" in refused.stderr
    assert not Path("alone").exists()


@pytest.mark.parametrize("name", bundled())
def test_a_settlement_has_the_tariffs_of_its_run(name):
    """What is left out of plain values of tariffs says nothing: they are read as they were."""
    terms = load_scenario(name)
    plain = yaml.safe_load(of_run._settlement(terms, "p2p.nc"))["tariffs"]
    assert {label: Tariff.model_validate(own) for label, own in plain.items()} == terms.tariffs


def test_prices_that_nobody_knows(otonari, day):
    refused = otonari(
        "prices", day / "p2p.nc", "--rule", "pay-as-bid", "--rule", "fixed", "-o", "x.csv", code=2
    )
    assert "2 problems, nothing was done" in refused.stderr
    assert "no such file" in otonari("prices", "gone.nc", code=2).stderr
    assert os.listdir() == []


def test_compare_loses_nothing(otonari, day):
    """A file in the way is kept, whatever it is; one of the runs is never written to."""
    for name in ("p2p.nc", "grid-only.nc"):
        shutil.copy(day / name, name)
    os.symlink("p2p.nc", "link.nc")
    before = {name: Path(name).read_bytes() for name in everything(".")}
    for output in ("p2p.nc", "./grid-only.nc", "link.nc"):
        assert "one of the runs" in otonari("compare", "p2p.nc", "grid-only.nc", "-o", output, code=2).stderr
    assert {name: Path(name).read_bytes() for name in everything(".")} == before
    for ending in ("csv", "nc"):
        Path(f"out.{ending}").write_text("my thesis")
        said = otonari("compare", "p2p.nc", "-o", f"out.{ending}").stdout
        assert f"stored  out.{ending} (the earlier, different file is now out.1.{ending})" in said
        assert Path(f"out.1.{ending}").read_text() == "my thesis"
    result = otonari("compare", "p2p.nc", "grid-only.nc", "-o", "out.csv", "--json")
    assert "is now out.2.csv" in result.stderr
    assert json.loads(result.stdout)["data_vars"]


def test_compare_warns_of_unlike_runs(otonari, day):
    otonari("clear", "six-kinds", "--no-ledger", "-q", "-o", "next.nc", "--set", "time.start=2020-08-20")
    result = otonari("compare", day / "p2p.nc", "next.nc")
    (warning,) = result.stderr.splitlines()
    assert warning.startswith(
        "warning: the runs cover different horizons: six-kinds p2p 24 h from 2020-08-18"
    )
    assert "horizon" in result.stdout
    assert otonari("compare", day / "p2p.nc", day / "grid-only.nc").stderr == ""


def test_ledger_verify_and_show(otonari, day):
    book = book_of(day)
    line, *notes = otonari("ledger", "verify", book, "--private").stdout.splitlines()
    assert line.startswith("good: market six-kinds@")
    assert "25 blocks, 24 slots, 2020-08-18 15:00 to 2020-08-19 15:00 UTC" in line
    assert "written anew" in notes[0]
    assert "fewer than 3" in " ".join(notes[1:])
    facts = json.loads(otonari("ledger", "verify", book, "--json").stdout)
    assert (facts["count"], facts["head"]) == (25, ledger.verify(book).head)
    assert facts["checkpoint"] == (book / "checkpoint").read_text()
    shown = otonari("ledger", "show", book).stdout.splitlines()
    assert (len(shown), shown[1].split()) == (26, ["0", "genesis"])  # under a header
    assert shown[2].split()[:3] == ["1", "2020-08-18", "15:00"]
    blocks = [json.loads(line) for line in otonari("ledger", "show", book, "--json").stdout.splitlines()]
    assert blocks == list(ledger.show(book))


def test_ledger_repair_asks_who_else_may_have_appended(otonari, tmp_path):
    """Blocks that nobody vouches for are shown, marked, and get a checkpoint only from who names the last one."""
    book = make(tmp_path / "book")
    last = line(plain(record(2) | {"leaves": 3, "root": "0" * 64, "index": 3, "prev": head_of(book)}))
    with (book / ledger.NAME).open("ab") as file:
        file.write(last)
    shown = otonari("ledger", "show", book, code=6)
    assert [row.endswith("no checkpoint") for row in shown.stdout.splitlines()] == [False] * 4 + [True]
    blocks = [
        json.loads(row) for row in otonari("ledger", "show", book, "--json", code=6).stdout.splitlines()
    ]
    assert [block["vouched"] for block in blocks] == [True, True, True, False]
    refused = otonari("ledger", "repair", book, code=6).stderr
    assert f"with --head {blocks[3]['hash']}" in refused
    done = otonari("ledger", "repair", book, "--head", blocks[3]["hash"]).stdout
    assert "gave 1 good blocks a checkpoint" in done
    assert done.splitlines()[-1].split()[:3] == ["3", "2019-08-20", "16:00"]


def test_an_operators_year_in_a_nutshell(otonari, remembered):
    """Keys, a signed ledger, a witness, a receipt, a correction, another key: each by its command."""
    key = json.loads(otonari("ledger", "keygen", "susono", "-o", "susono.key", "--json").stdout)["key"]
    other = otonari("ledger", "keygen", "susono", "-o", "new.key").stdout.splitlines()[-1]
    witness = otonari("ledger", "keygen", "city.example", "--witness", "-o", "city.key").stdout.splitlines()[
        -1
    ]
    assert (
        f"signed by {key}"
        in otonari(
            "ledger", "init", "book", "--market", "susono", "--currency", "JPY", "--key", "susono.key"
        ).stdout
    )
    otonari("ledger", "init", "book", "--market", "susono", "--currency", "JPY", code=5)
    assert (
        "key: got "
        in otonari(
            "ledger", "init", "o", "--market", "numazu", "--currency", "JPY", "--key", "new.key", code=2
        ).stderr
    )
    clear = ["clear", "six-kinds", "--set", "market_id=susono", "--ledger", "book"]
    assert "want susono+" in otonari(*clear, code=2).stderr
    assert not Path("runs-out").exists()
    assert "24 slots committed" in otonari(*clear, "--key", "susono.key").stdout
    otonari("ledger", "cosign", "book", "--key", "city.key", "-o", "seen", code=2)
    otonari("ledger", "cosign", "book", "--key", "city.key", "--first", "--log-key", key, "-o", "seen")
    assert (
        "city.example"
        in otonari("ledger", "cosign", "book", "--key", "city.key", "--checkpoint", "seen").stdout
    )
    pins = ["--key", key, "--key", witness]
    assert "which you gave" in otonari("ledger", "verify", "book", *pins, "--checkpoint", "seen").stdout
    otonari("ledger", "verify", "book", "--key", other, code=4)
    otonari("ledger", "verify", "book", "--key", "nonsense", code=2)

    evening = ["--since", "2020-08-19T08:00", "--until", "2020-08-19T11:00"]
    receipt = otonari("ledger", "receipt", "book", "--participant", "home-01", *evening).stdout
    Path("home-01.tlog-proof").write_text(receipt, encoding="utf-8")
    said = otonari("ledger", "check", "home-01.tlog-proof", *pins).stdout
    assert said.startswith(
        "good: home-01 in market susono, 3 slots, 2020-08-19 08:00 to 2020-08-19 11:00 UTC"
    )
    facts = json.loads(
        otonari("ledger", "check", "home-01.tlog-proof", "--checkpoint", "seen", "--json", code=0).stdout
    )
    assert facts["slots"] == len(facts["leaves"]) == 3
    otonari("ledger", "check", "home-01.tlog-proof", "--key", other, code=4)
    assert "give the ledger's public key" in otonari("ledger", "check", "home-01.tlog-proof", code=2).stderr
    otonari("ledger", "receipt", "book", code=2)
    otonari("ledger", "receipt", "book", "--participant", "home-99", code=2)
    assert len(otonari("ledger", "receipt", "book", "-o", "receipts").stdout.splitlines()) == 6
    assert len(os.listdir("receipts")) == 6

    otonari(
        "clear",
        "six-kinds",
        "--set",
        "market_id=susono",
        "--set",
        LESS,
        "--no-ledger",
        "-o",
        "right.nc",
        "-q",
    )
    assert (
        " slots corrected, 0 added"
        in otonari("ledger", "correct", "book", "right.nc", "--key", "susono.key").stdout
    )
    assert (
        other in otonari("ledger", "rotate", "book", "--key", "susono.key", "--successor", "new.key").stdout
    )
    assert "reverses 1" in otonari("ledger", "show", "book").stdout
    assert f"signed by {other}" in otonari("ledger", "verify", "book", "--private", "--key", key).stdout
    otonari("ledger", "correct", "book", "right.nc")  # nothing to do, so nothing to sign


def test_version_and_help(otonari):
    for part in ("otonari 0", "HiGHS 1.", "Pyomo 6.", "Python 3."):
        assert part in otonari("--version").stdout
    shell = CliRunner().invoke(main, [], prog_name="otonari", env={"_OTONARI_COMPLETE": "bash_source"})
    assert "complete -o nosort" in shell.stdout
    for command in (
        [],
        ["clear"],
        ["validate"],
        ["init"],
        ["compare"],
        ["prices"],
        ["ledger"],
        ["ledger", "verify"],
        ["ledger", "check"],
    ):
        assert "Usage:" in otonari(*command, "-h").stdout


def test_help_imports_nothing_heavy():
    script = """
import sys, click
from otonari.cli import main
main(["clear", "--help"], standalone_mode=False)
heavy = {"numpy", "xarray", "pandas", "pyomo", "highspy", "pydantic", "netCDF4", "yaml", "pvlib"} & set(sys.modules)
sys.exit(str(heavy) if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_logs_go_to_stderr(day, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from otonari.cli import main; main()",
        "clear",
        "six-kinds",
        "--json",
        "-v",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["market"] == "p2p"
    assert "clearing the neighbourhood" in done.stderr
    assert "objective" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
def test_closed_streams(tmp_path, closed):
    """What a caller closed is written to nobody; the exit codes stay."""
    command = "from otonari.cli import main; main()"
    for arguments, code in ((["schema"], 0), (["validate", "nothing"], 2)):
        line = f'exec "$@" {closed}'
        done = subprocess.run(
            ["sh", "-c", line, "sh", sys.executable, "-c", command, *arguments], check=False
        )
        assert done.returncode == code


def test_on_a_terminal_it_says_how_much_is_left_of_a_stage_of_seconds(monkeypatch, capsys):
    """The line goes before anything else is written; a stage that is over soon has none, and nor has a pipe."""
    now = iter([0.0, 1.0, 4.0, 4.1, 8.0, 100.0, 101.0])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(cli.sys.stderr, "isatty", lambda: True, raising=False)
    stage = cli._stage(verbose=False, quiet=False)
    stage("solving")
    for done, known in ((0, 4), (1, 4), (2, 4), (3, 4), (6, 9)):
        stage.progress(done, known)
    stage("storing")
    stage.progress(1, 2)
    cli._say("done")
    plain = click.unstyle(capsys.readouterr().err)
    first, second = "  50 % of it, about 4 s left", "  66 % of what is known by now"
    erased = [f"{text}\r{' ' * len(text)}\r" for text in (first, second)]
    assert plain == f"solving ...\n{erased[0]}{erased[1]}storing ...\n"
    monkeypatch.setattr(cli.sys.stderr, "isatty", lambda: False, raising=False)
    stage = cli._stage(verbose=False, quiet=False)
    stage("solving")
    stage.progress(1, 2)
    assert capsys.readouterr().err == ""


def test_a_terminal_without_the_alphabet(tmp_path):
    """What cannot be spelled there is escaped, not an error."""
    shutil.copytree(Path(data.__file__).parent / "scenarios" / "six-kinds", tmp_path / "富士")
    command = [sys.executable, "-c", "from otonari.cli import main; main()", "validate", "富士"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u5bcc\\u58eb" in done.stdout


def test_another_process_writes_the_same_ledger(day, tmp_path):
    """Given the same secret: nothing but that is left to chance."""
    shutil.copytree(book_of(day) / "leaves", tmp_path / "book" / "leaves")
    command = [sys.executable, "-c", "from otonari.cli import main; main()", "clear", "six-kinds", "-q"]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York"}
    subprocess.run([*command, "--ledger", "book"], cwd=tmp_path, env=environment, check=True)
    for name in everything(book_of(day)):
        assert (tmp_path / "book" / name).read_bytes() == (book_of(day) / name).read_bytes()


# the public face


def test_the_public_face():
    import otonari

    for name in otonari.__all__:
        assert callable(getattr(otonari, name)) or name == "plot"
        assert name in dir(otonari)
    assert otonari.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = otonari.nothing


def test_import_is_light():
    script = "import otonari, sys; sys.exit(len({'numpy', 'xarray', 'pyomo', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
