"""Bills: on paper, checked by whoever gets one, altered digit by digit, after corrections, and of whole communities."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.cli import main
from otonari.model.settlement.account_lines import OPTIONAL
from otonari.runs import archive, markets
from otonari.runs.clear import single
from otonari.runs.ledger import checkpoints, ledger
from otonari.runs.ledger.format.errors import LedgerError, LedgerTampered
from otonari.runs.markets import SIMULATED
from otonari.runs.report import bill, billing, sections
from otonari.runs.simulate import run as rolling
from otonari.runs.store import netcdf, run_file

from . import counts, neighbourhood
from .books import KEY, OTHER

ATTRIBUTES = {
    "title": "street by hand",
    "market": "p2p",
    "market_id": "street",
    "otonari_version": "0.1.0",
    "status": "optimal",
    "currency": "JPY",
    "scenario": "street by hand",
}
NAMES = {"anna": "お隣", "bert": "50% 'b`/", "site": "a\u202eb"}
# kWh and JPY on paper, see tests/neighbourhood.py and tests/test_settlement.py; the car is bert's.
PAPER = {
    "anna": {"peer_cost": (0, 0), "peer_revenue": (3500, 68_250_000), "bill": (None, 7_750_000)},
    "bert": {"peer_cost": (2500, 46_250_000), "peer_revenue": (300, 4_650_000), "bill": (None, 446_000_000)},
    "site": {
        "peer_cost": (2300, 59_950_000),
        "peer_revenue": (1000, 14_500_000),
        "bill": (None, 238_450_000),
    },
}


def street(names=None):
    """Return the neighbourhood on paper as a run of a market with an id, its participants called otherwise if wanted."""

    def renamed(array):
        if array.dtype.kind != "U":
            return array
        found = np.array([(names or {}).get(x, x) for x in array.values.ravel()])
        return array.copy(data=found.reshape(array.shape))

    groups = {}
    for group, dataset in neighbourhood.run().items():
        found = {name: renamed(variable) for name, variable in dataset.variables.items()}
        coords = {name: found.pop(name) for name in dataset.coords}
        groups[f"/{group}"] = xr.Dataset(found, coords, dataset.attrs)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(ATTRIBUTES)
    return tree


def keep(tree, folder, signer=KEY):
    """Store a run and commit it as ``clear`` does; return its file."""
    key = None
    if signer:
        key = folder / "private.key"
        key.touch(mode=0o600)
        key.write_text(signer.secret(), encoding="ascii")
    return archive.store(tree, folder / "run.nc", folder / "ledger", key).path


def otonari(*arguments, code=0):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return keep(street(), tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="module")
def page(run):
    return bill.write(billing.issue(run, ["bert"])["bert"])


def check(text):
    return bill.check(text.encode(), [KEY.key])


def test_the_account_on_paper(run):
    issued = billing.issue(run)
    assert list(issued) == ["anna", "bert", "site"]
    for who, lines in PAPER.items():
        amounts, energies = issued[who].amounts, issued[who].energies
        assert amounts["rounding"] == 0
        for name, (wh, amount) in lines.items():
            assert (energies.get(name), amounts[name]) == (wh, amount), (who, name)
    assert issued["site"].amounts["congestion_rent"] == 8_000_000
    assert issued["bert"].energies["grid_cost"] == 8500


def test_the_page(page, golden):
    golden("bill.md", page.partition("\n```\n")[0] + "\n")


def test_a_bill_carries_the_receipt_of_its_period(run, page):
    receipt = otonari("ledger", "receipt", run.parent / "ledger", "--participant", "bert").stdout
    assert page.endswith(f"```\n{receipt}```\n")


def test_sums_over_all_bills_are_those_of_settlement_and_ledger(run):
    issued = billing.issue(run).values()
    settlement = run_file.open_run(run)["settlement"]
    for name in set(bill.STATEMENT) - {"rounding", *OPTIONAL}:
        total = sum(b.amounts[name] for b in issued)
        assert total == pytest.approx(float(settlement[name].sum()) * 1e6, abs=3), name
    totals = [b["totals"] for b in ledger.show(run.parent / "ledger") if "totals" in b]
    of_peers = sum(b.amounts["peer_cost"] for b in issued)
    assert of_peers == sum(t["money"] + t["fees"] + t["congestion"] for t in totals)
    assert sum(b.amounts["peer_revenue"] for b in issued) == sum(t["money"] for t in totals)


# checking


def test_the_household_checks_its_bill(run, page, tmp_path):
    path, book = tmp_path / "bert.md", run.parent / "ledger"
    otonari("report", run, "bert", "-o", path)
    assert path.read_text(encoding="utf-8") == page
    assert path.stat().st_mode & 0o777 == 0o600
    for known in (
        ["--key", KEY.key],
        ["--checkpoint", book / checkpoints.OWN],
        ["--key", KEY.key, "--checkpoint", book / "checkpoint"],
    ):
        assert "good: bert in market street, 4 slots" in otonari("ledger", "check", path, *known).stdout
    facts = json.loads(otonari("ledger", "check", path, "--key", KEY.key, "--json").stdout)
    assert (facts["purchases"], facts["paid"]) == (2500, 43_750_000)
    assert "public key or a checkpoint" in otonari("ledger", "check", path, code=2).stderr
    otonari("ledger", "check", path, "--key", OTHER.key, code=4)
    path.write_text(page.replace("46.250000", "46.250001", 1), encoding="utf-8")
    wrong = otonari("ledger", "check", path, "--key", KEY.key, code=4).stderr
    assert "line 15: bill: got     peer cost" in wrong
    path.write_text("A" + page, encoding="utf-8")
    otonari("ledger", "check", path, "--key", KEY.key, code=4)


def test_every_digit_of_the_page_is_held(page):
    """But for the shares, which stand alone."""
    end = page.index("\n```\n")
    free = [m.span() for m in re.finditer(r"(?m)[0-9.]+ (?:%|kg)$", page[:end])]
    assert [page[slice(*span)] for span in free] == ["0.0 %", "12.5 %", "20.0 %", "30.0 %", "6.2 kg"]
    for place in (m.start() for m in re.finditer("[0-9]", page[:end])):
        altered = page[:place] + str((int(page[place]) + 1) % 10) + page[place + 1 :]
        if any(first <= place < last for first, last in free):
            check(altered)
        else:
            with pytest.raises(LedgerTampered):
                check(altered)


@settings(max_examples=counts.examples(150), derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_any_edit_is_seen_or_changes_only_what_the_operator_states(page, data):
    place = data.draw(st.integers(0, len(page) - 1))
    length = data.draw(st.integers(0, 3))
    put = data.draw(st.text(st.characters(codec="utf-8"), max_size=3))
    altered = page[:place] + put + page[place + length :]
    try:
        found = check(altered)
    except LedgerError:
        return
    assert [p.leaf for p in found] == [p.leaf for p in check(page)]
    lines = page.split("\n"), altered.split("\n")
    changed = [line for line, other in zip(*lines, strict=True) if line != other]
    stated = (*bill.SHARES.values(), "kind of market", "currency", " kWh ", "JPY")
    assert all(any(word in line for word in stated) for line in changed), changed


@settings(max_examples=counts.examples(100), derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_bill(data):
    with pytest.raises(LedgerTampered):
        bill.check(bill.OPENING + data, [KEY.key])


def parts(page):
    above, fence, receipt = page.partition("\n```\n")
    return above + fence, receipt.removesuffix("```\n").split("\nc2sp.org")


FORGED = {
    "a slot left out": lambda p: [p[0], p[2], p[3]],
    "slots in another order": lambda p: [p[0], p[2], p[1], p[3]],
    "a slot less": lambda p: p[:-1],
    "no receipt": lambda p: [],
}


@pytest.mark.parametrize("case", FORGED)
def test_a_receipt_of_another_period(page, case):
    above, proofs = parts(page)
    proofs = [proofs[0], *("c2sp.org" + proof for proof in proofs[1:])]
    assert check(above + "\n".join(proofs) + "```\n")
    with pytest.raises(LedgerTampered):
        check(above + "\n".join(FORGED[case](proofs)) + "```\n")


def test_a_receipt_of_another_participant(run, page):
    other = billing.issue(run, ["anna"])["anna"].receipt
    with pytest.raises(LedgerTampered, match="line 1: bill: got # Bill of bert, want # Bill of anna"):
        check(parts(page)[0] + other + "```\n")


def test_receipts_of_two_times_are_no_bill(run, page, tmp_path):
    """Else a slot from before its correction could stand among those after it."""
    later = street()
    later["results"]["grid_import"] = later["results"]["grid_import"] + 1
    folder = tmp_path / "again"
    folder.mkdir()
    again = keep(later, folder)
    above, proofs = parts(page)
    _, others = parts(bill.write(billing.issue(again, ["bert"])["bert"]))
    mixed = [proofs[0], *("c2sp.org" + p for p in [*proofs[1:3], others[3]])]
    with pytest.raises(LedgerTampered, match="checkpoint"):
        check(above + "\n".join(mixed) + "```\n")


def test_the_time_zone_of_a_bill_is_one(page):
    with pytest.raises(LedgerTampered, match="times"):
        check(page.replace("time zone: UTC", "time zone: Mars/Olympus"))
    with pytest.raises(LedgerTampered, match="bill: got - period"):
        check(page.replace("time zone: UTC", "time zone: Asia/Tokyo"))


# which ledger, which run


def test_labels_of_any_script(tmp_path):
    run = keep(street(NAMES), tmp_path)
    told = otonari("report", run, "--bills", "-o", tmp_path / "bills").stdout
    assert told.count("wrote") == 3
    for path in (tmp_path / "bills").iterdir():
        otonari("ledger", "check", path, "--key", KEY.key)
    pages = sorted(p.read_text(encoding="utf-8").splitlines()[0] for p in (tmp_path / "bills").iterdir())
    assert pages == ["# Bill of 50% 'b`/", "# Bill of a%E2%80%AEb", "# Bill of お隣"]
    one = otonari("report", run, "お隣").stdout
    assert one in {p.read_text(encoding="utf-8") for p in (tmp_path / "bills").iterdir()}


def test_before_and_after_a_correction(tmp_path):
    run = keep(street(), tmp_path)
    book, first = tmp_path / "ledger", tmp_path / "first.md"
    otonari("report", run, "bert", "-o", first)
    held = tmp_path / "held"
    held.write_bytes((book / checkpoints.OWN).read_bytes())
    right = street()
    right["trades"]["trade_price"] = right["trades"]["trade_price"] + 1
    right["settlement"]["peer_cost"] = right["settlement"]["peer_cost"] + [0, 2.5, 2.3]
    right["settlement"]["bill"] = right["settlement"]["bill"] + [-3.5, 2.2, 1.3]
    fixed = tmp_path / "right.nc"
    netcdf.write_run(right, fixed)
    assert (
        "is not this run, but another or a correction: 3 of 4 slots"
        in otonari("report", fixed, "bert", code=2).stderr
    )
    otonari("ledger", "correct", book, fixed, "--key", tmp_path / "private.key")
    assert "is not this run" in otonari("report", run, "bert", code=2).stderr
    otonari("ledger", "check", first, "--checkpoint", held)  # it was recorded; a later receipt shows more
    otonari("ledger", "check", first, "--checkpoint", book / checkpoints.OWN, code=4)
    second = tmp_path / "first.md"
    assert "the earlier, different file is now" in otonari("report", fixed, "bert", "-o", second).stdout
    otonari("ledger", "check", second, "--checkpoint", book / checkpoints.OWN)
    otonari("ledger", "check", tmp_path / "first.1.md", "--key", KEY.key)
    assert (tmp_path / "first.1.md").stat().st_mode & 0o777 == 0o600
    of_bert = billing.issue(fixed, ["bert"])["bert"]
    assert (of_bert.amounts["peer_cost"], of_bert.amounts["rounding"]) == (48_750_000, 0)


def test_bills_of_a_ledger_of_something_else(run, tmp_path):
    other = street()
    other.attrs |= {"market_id": "lane"}
    lane = tmp_path / "lane"
    lane.mkdir()
    keep(other, lane, signer=None)
    said = otonari("report", run, "bert", "--ledger", lane / "ledger", code=2).stderr
    assert "got the ledger of market lane, want that of street" in said
    said = otonari("report", run, "bert", "--ledger", tmp_path / "nowhere", code=2).stderr
    assert "there is no ledger" in said


def test_runs_without_bills(tmp_path):
    tree = street()
    path = tmp_path / "run.nc"
    netcdf.write_run(tree, path)
    assert "never committed" in otonari("report", path, "bert", code=2).stderr
    tree.attrs["market"] = "grid-only"
    netcdf.write_run(tree, path)
    assert (
        "not the run of a market that is recorded"
        in otonari("report", path, "--bills", "--json", code=2).stderr
    )


def test_a_tampered_ledger_gives_no_bill(tmp_path):
    run = keep(street(), tmp_path)
    lines = tmp_path / "ledger" / ledger.NAME
    lines.write_bytes(lines.read_bytes().replace(b'"energy":3500', b'"energy":3501'))
    otonari("report", run, "bert", code=4)


def test_without_the_secret_no_run_can_be_compared(tmp_path):
    run = keep(street(), tmp_path)
    (tmp_path / "ledger" / "leaves" / "secret").unlink()
    assert "missing; without it no leaf can be compared" in otonari("report", run, "bert", code=2).stderr


def test_wrong_usage(run, tmp_path):
    said = otonari("report", run, "bret", "anna", "annna", "-o", tmp_path / "x", code=2).stderr
    assert "participant: got 'bret', want one of the run's (did you mean 'bert'?)" in said
    assert "'annna'" in said
    assert "2 problems, nothing was done" in said
    assert not (tmp_path / "x").exists()
    for arguments in (
        ["--bills"],
        ["anna", "bert"],
        ["anna", "--bills", "-o", "x"],
        ["--ledger", "x"],
        ["-o", run],
    ):
        assert "Usage" in otonari("report", run, *arguments, code=2).stderr
    assert list(json.loads(otonari("report", run, "--bills", "--json").stdout)) == ["anna", "bert", "site"]
    (tmp_path / "file").touch()
    assert "cannot be written" in otonari("report", run, "--bills", "-o", tmp_path / "file", code=2).stderr


# whole communities


def check_all(run, folder, count):
    """Bill everybody, check each bill through the command line, and hold the sums against the settlement."""
    otonari("report", run, "--bills", "-o", folder)
    pages = list(folder.iterdir())
    (book,) = run.parent.glob("ledger*")
    for path in pages:
        otonari("ledger", "check", path, "--checkpoint", book / checkpoints.OWN)
    issued, tree = billing.issue(run).values(), run_file.open_run(run)
    assert len(pages) == len(issued) == tree["settlement"].sizes["participant"] == count
    # a trade is less than 1 Wh off, and its price, fee and rent by half a thousandth
    trades = tree["trades"].to_dataset()
    price = sum(np.abs(trades[f"trade_{n}"].values) for n in ("price", "fee", "congestion"))
    off = float((price * 1000 + 1.5 * trades["trade_energy"].values * 500 + 1).sum())
    for name in set(bill.STATEMENT) - {"rounding", *OPTIONAL}:
        total, want = sum(b.amounts[name] for b in issued), float(tree["settlement"][name].sum()) * 1e6
        exact = name in bill.STATED or name in ("bill", "saving")
        assert total == pytest.approx(want, abs=count if exact else off), name


def test_all_participants_of_higashi_fuji(tmp_path):
    done = single.run("higashi-fuji", output=tmp_path / "run.nc", overrides=["time.slot_minutes=240"])
    check_all(done.path, tmp_path / "bills", 21)


@pytest.mark.parametrize("mode", SIMULATED)
def test_bills_and_corrections_of_simulated_markets(tmp_path, mode):
    options = {
        "days": 1,
        "mode": mode,
        "warm_up": 1,
        "overrides": ["market_id=village", "time.slot_minutes=240"],
    }
    first = rolling.run("six-kinds", output=tmp_path / "run.nc", **options)
    check_all(first.path, tmp_path / "bills", 6)
    options["overrides"] += ["tables.participants.home-01.persons=1"]
    other = rolling.run("six-kinds", output=tmp_path / "other.nc", record=False, **options)
    told = json.loads(otonari("ledger", "correct", first.directory, other.path, "--json").stdout)
    assert (told["corrected"], told["added"], told["already"]) == (6, 6, 0)
    assert sum(sections.balance(other.tree).values()) == pytest.approx(0, abs=1e-6)
    check_all(other.path, tmp_path / "again", 6)


def test_every_market_where_peers_trade_is_recorded():
    assert set(markets.RECORDED) == {"p2p", *SIMULATED, markets.SETTLED}
