"""Bills: on paper, checked by whoever gets one, altered digit by digit, after corrections, and of whole communities."""

import csv
import gzip
import json
import shutil

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.cli import main
from otonari.model.settlement.account_lines import SIGNS
from otonari.runs import archive, markets
from otonari.runs.clear import single
from otonari.runs.ledger import checkpoints, ledger
from otonari.runs.ledger.format import canonical_json, merkle, signed_note
from otonari.runs.ledger.format.errors import LedgerError, LedgerTampered
from otonari.runs.markets import SIMULATED
from otonari.runs.report import sections
from otonari.runs.report.bills import bill, issue, page, receipt, rows
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
# Wh and millionths of JPY on paper, see tests/neighbourhood.py and tests/test_settlement.py; the car is bert's.
PAPER = {
    "anna": {"shared_sold": (3500, -68_250_000)},
    "bert": {
        "shared_bought": (2500, 43_750_000),
        "network_fee": (2500, 2_500_000),
        "shared_sold": (300, -4_650_000),
        "grid_cost": (8500, 255_000_000),
        "feed_in_revenue": (200, -1_600_000),
    },
    "site": {"shared_sold": (1000, -14_500_000), "congestion_rent": (2300, 8_000_000)},
}
BILL = {"anna": 7_750_000, "bert": 446_000_000, "site": 238_450_000}
"""The bills of the settlement: what is to be paid, and what is borne beside it."""


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
def issued(run):
    return issue.issue(run, issue.Request())


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """Return a folder with everybody's bills."""
    path = tmp_path_factory.mktemp("bills")
    otonari("report", run, "--bills", "-o", path)
    return path


def amounts(one):
    return {line.name: (line.wh, line.amount) for line in one.lines}


# what is on a bill


def test_the_account_on_paper(issued):
    assert list(issued) == ["anna", "bert", "site"]
    for who, want in PAPER.items():
        one = bill.bill(issued[who])
        assert want.items() <= amounts(one).items(), who
        assert one.total + sum(line.amount for line in one.borne) == BILL[who]
        assert all(line.amount or line.wh for line in one.lines)


def test_fuel_and_wear_are_borne_and_not_to_be_paid(issued):
    """151 of bert's 446 JPY are fuel and wear."""
    one = bill.bill(issued["bert"])
    assert {line.name: line.amount for line in one.borne} == {
        "fuel_cost": 150_000_000,
        "wear_cost": 1_000_000,
    }
    assert one.to_pay == 295
    assert {line.name: line.amount for line in one.gains} == {"saving": 31_000_000}
    assert one.co2_grams == 6250


def test_the_page(issued, golden):
    digest = issued["bert"].digest  # of salts that chance made
    text = page.write(bill.bill(issued["bert"]))
    assert len(text) < 3000
    golden("bill.md", text.replace(digest, "0" * 64).replace(digest[:16], "0" * 16))


def test_lines_as_shown_add_up_with_the_one_rounding():
    """0.4, 0.4 and 0.4 yen are shown as 0 each, and are 1 yen to pay."""
    lines = tuple(bill.Line(bill.RETAILER, "x", "x", None, 400_000, "stated") for _ in range(3))
    one = made_up(lines)
    assert [one.shown(line) for line in one.lines] == [0, 0, 0]
    assert (one.total, one.to_pay, one.rounding) == (1_200_000, 1, 1)
    assert ["rounding", "1"] in [line.split() for line in page.write(one).splitlines()]


@settings(max_examples=counts.examples(40), derandomize=True, database=None, deadline=None)
@given(st.lists(st.integers(-(10**12), 10**12), max_size=6), st.sampled_from(["JPY", "EUR", "KWD"]))
def test_what_is_to_be_paid_is_rounded_once(amounts, currency):
    lines = tuple(bill.Line(bill.RETAILER, "x", "x", 5, amount, "stated") for amount in amounts)
    one = made_up(lines, currency)
    assert sum(one.shown(line) for line in one.lines) + one.rounding == one.to_pay
    assert abs(one.to_pay * one.minor - one.total) * 2 <= one.minor
    table = list(csv.DictReader(rows.write([one]).splitlines()))
    paid = sum(round(float(row["amount"]) * 10**one.digits) for row in table)
    assert paid == one.to_pay


def made_up(lines, currency="JPY"):
    digits = bill.currency.MINOR_DIGITS[currency]
    nothing = {"borne": (), "gains": (), "peaks": (), "co2_grams": None, "sellers": (), "sources": ()}
    times = ((bill.datetime(2026, 8, 1), bill.datetime(2026, 9, 1)),)
    plain = {
        "participant": "a",
        "market": "m",
        "rules": "p2p",
        "zone": "UTC",
        "digest": "",
        "receipt_name": "",
    }
    return bill.Bill(
        currency=currency,
        decimals=6 + digits,
        digits=digits,
        slots=1,
        spans=times,
        lines=lines,
        **plain,
        **nothing,
    )


def test_sums_over_all_bills_are_those_of_settlement_and_ledger(run, issued):
    ones = [bill.bill(one) for one in issued.values()]
    settlement = run_file.open_run(run)["settlement"]
    for name in ("grid_cost", "feed_in_revenue"):
        total = sum(amounts(one).get(name, (0, 0))[1] for one in ones)
        assert total == pytest.approx(SIGNS[name] * float(settlement[name].sum()) * 1e6, abs=3), name
    totals = [b["totals"] for b in ledger.show(run.parent / "ledger") if "totals" in b]
    for name, key in (("shared_bought", "money"), ("network_fee", "fees"), ("congestion_rent", "congestion")):
        assert sum(amounts(one).get(name, (0, 0))[1] for one in ones) == sum(t[key] for t in totals), name


def test_rows_for_an_accounting_program(folder):
    table = list(csv.DictReader((folder / "bills.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["participant"] for row in table} == set(BILL)
    assert sum(float(row["amount"]) for row in table if row["participant"] == "bert") == 295
    assert {row["line"] for row in table if row["participant"] == "bert"} >= {"shared_bought", "grid_cost"}
    (bought,) = (r for r in table if r["participant"] == "bert" and r["line"] == "shared_bought")
    assert (bought["kwh"], bought["price_per_kwh"], bought["amount"]) == ("2.500", "17.50", "44")
    assert (bought["currency"], bought["ledger"]) == ("JPY", "proved")


def test_nobody_is_named_where_the_operator_chose_so(run):
    (one,) = issue.issue(run, issue.Request(["bert"], anonymous=True)).values()
    assert bill.bill(one).sellers == (("2 neighbours", 2500),)
    assert "anna" not in page.write(bill.bill(one))


# checking


def test_the_household_checks_its_bill(run, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "bills")
    path, book = tmp_path / "bills" / "bert.md", run.parent / "ledger"
    (beside,) = path.parent.glob("bert.*.receipt.gz")
    assert {p.stat().st_mode & 0o777 for p in (path, beside)} == {0o600}
    for known in (["--key", KEY.key], ["--checkpoint", book / checkpoints.OWN]):
        assert "good: bert in market street, 4 slots" in otonari("ledger", "check", path, *known).stdout
    for what in (path, beside):
        facts = json.loads(otonari("ledger", "check", what, "--key", KEY.key, "--json").stdout)
        assert (facts["purchases"], facts["paid"]) == (2500, 43_750_000)
    assert "public key or a checkpoint" in otonari("ledger", "check", path, code=2).stderr
    otonari("ledger", "check", path, "--key", OTHER.key, code=4)
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("17.50", "17.51", 1), encoding="utf-8")
    assert "line 11: bill: got" in otonari("ledger", "check", path, "--key", KEY.key, code=4).stderr
    path.write_text(good, encoding="utf-8")
    beside.rename(tmp_path / "elsewhere")
    assert "belongs beside its page" in otonari("ledger", "check", path, "--key", KEY.key, code=2).stderr
    shutil.copy(next(path.parent.glob("anna.*.receipt.gz")), beside)
    assert "SHA-256 of its content" in otonari("ledger", "check", path, "--key", KEY.key, code=4).stderr


@settings(max_examples=counts.examples(60), derandomize=True, database=None, deadline=None)
@given(data=st.data())
def test_any_edit_of_the_page_is_seen(folder, data):
    path = folder / "bert.md"
    good = path.read_bytes()
    place, length = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 3))
    altered = good[:place] + data.draw(st.binary(max_size=3)) + good[place + length :]
    if altered == good:
        return
    with pytest.raises(LedgerError):
        page.check(path, altered, [KEY.key])


def test_every_figure_of_a_receipt_is_held(issued):
    """Every tenth character of its content changed: it is no receipt any more, or one of another digest."""
    good = b"".join(issued["bert"].content)
    assert receipt.read((good,), "x").digest == issued["bert"].digest
    for place in range(0, len(good), counts.all_or([1], [10])[0]):
        altered = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        try:
            found = receipt.check(gzip.compress(altered), [KEY.key])
        except LedgerTampered:
            continue
        assert found.digest != issued["bert"].digest
        assert [p.leaf for p in found.proofs] == [p.leaf for p in issued["bert"].proofs]
        assert place < good.index(b"\n\n") or place > good.rindex(b"\n\n")  # stated, or a signature of nobody


def sections_of(one):
    return b"".join(one.content).split(b"\n\n", 4)


FORGED = {
    "a leaf left out": lambda p: [p[0], p[1], p[2].split(b"\n", 1)[1], *p[3:]],
    "leaves in another order": lambda p: [*p[:2], b"\n".join(reversed(p[2].split(b"\n"))), *p[3:]],
    "a block left out": lambda p: [p[0], p[1].split(b"\n", 1)[1], *p[2:]],
    "a block twice": lambda p: [p[0], p[1].split(b"\n", 1)[0] + b"\n" + p[1], *p[2:]],
    "no slot": lambda p: [p[0], b"", b"", *p[3:]],
    "a proof too long": lambda p: [*p[:3], p[3] + b"\n" + p[3].split(b"\n")[0], p[4]],
    "a proof in another spelling": lambda p: [*p[:3], p[3] + b" ", p[4]],
    "parts missing": lambda p: p[:3],
    "another beginning": lambda p: [b"otonari receipt of a bill, format 2", *p[1:]],
    "nothing stated": lambda p: [p[0].split(b"\n")[0] + b"\n[]", *p[1:]],
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_receipt(issued, case):
    forged = b"\n\n".join(FORGED[case](sections_of(issued["bert"])))
    with pytest.raises(LedgerTampered):
        receipt.read((forged,), "x")


def test_a_leaf_of_somebody_else_in_the_same_slot(issued):
    bert, anna = (sections_of(issued[who]) for who in ("bert", "anna"))
    mixed = b"\n".join([anna[2].split(b"\n")[0], *bert[2].split(b"\n")[1:]])
    with pytest.raises(LedgerTampered, match="several participants"):
        receipt.read((b"\n\n".join([*bert[:2], mixed, *bert[3:]]),), "x")


def test_a_block_that_fits_its_leaf_but_not_the_tree(issued):
    """The forger makes the leaf say more, and gives the block the root of it: only the checkpoint contradicts."""
    parts = sections_of(issued["bert"])
    (block, *blocks), (line, *lines) = (part.split(b"\n") for part in parts[1:3])
    values = canonical_json.parse(line)
    values["leaf"]["paid"] += 1
    joined = signed_note.decode(values["path"])
    path = [joined[k : k + 32] for k in range(0, len(joined), 32)]
    root = canonical_json.parse(block)["root"]
    forged = merkle.root_from_path(
        merkle.leaf(canonical_json.dump(values["leaf"])), values["place"], len(BILL), path
    )
    block = block.replace(root.encode(), forged.hex().encode())
    parts[1] = b"\n".join([block, *blocks])
    parts[2] = b"\n".join([canonical_json.dump(values), *lines])
    with pytest.raises(LedgerTampered, match="tree hash"):
        receipt.read((b"\n\n".join(parts),), "x")


STATEMENTS = {
    "another currency": {"currency": "EUR"},
    "a currency of a forger's": {"currency": "<b>"},
    "another kind of market": {"rules": "fair"},
    "no such zone": {"zone": "Mars/Olympus"},
    "an amount that is none": {
        "lines": [{"part": "retailer", "name": "x", "label": "x", "basis": "", "amount": "1"}]
    },
    "no lines": {"lines": 0},
    "a correction of nothing": {"corrections": [{"month": "2025-01", "amount": 5}]},
    "a peak that is none": {"peaks": [{"label": "x", "watts": "many", "saves": ""}]},
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_what_is_stated_has_the_form_of_a_bill(issued, case):
    one = issued["bert"]
    other = receipt.Receipt(one.stated | STATEMENTS[case], one.proofs, one.changes, one.content)
    with pytest.raises(LedgerTampered, match="what is stated"):
        bill.bill(other)


@settings(max_examples=counts.examples(60), derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_receipt(data):
    for packed in (receipt.MAGIC + data, gzip.compress(data), gzip.compress(receipt.FIRST + b"\n" + data)):
        with pytest.raises(LedgerTampered):
            receipt.check(packed, [KEY.key])


def test_a_receipt_that_unpacks_to_too_much(monkeypatch, issued):
    monkeypatch.setattr(receipt, "LARGEST", 1000)
    with pytest.raises(LedgerTampered, match="1000 bytes of content at most"):
        receipt.check(issued["bert"].packed(), [KEY.key])


# which ledger, which run


def test_labels_of_any_script(tmp_path):
    run = keep(street(NAMES), tmp_path)
    told = otonari("report", run, "--bills", "-o", tmp_path / "bills").stdout
    assert told.count("wrote") == 7
    pages = sorted((tmp_path / "bills").glob("*.md"))
    for path in pages:
        otonari("ledger", "check", path, "--key", KEY.key)
    assert sorted(p.read_text(encoding="utf-8").splitlines()[0] for p in pages) == [
        "# Bill of 50% 'b`/",
        "# Bill of a%E2%80%AEb",
        "# Bill of お隣",
    ]
    assert otonari("report", run, "お隣").stdout in {p.read_text(encoding="utf-8") for p in pages}


def dearer():
    """Return the street with prices among neighbours 1 JPY higher, in three of its four slots."""
    right = street()
    right["trades"]["trade_price"] = right["trades"]["trade_price"] + 1
    right["settlement"]["peer_cost"] = right["settlement"]["peer_cost"] + [0, 2.5, 2.3]
    right["settlement"]["bill"] = right["settlement"]["bill"] + [-3.5, 2.2, 1.3]
    return right


def test_before_and_after_a_correction(tmp_path):
    run = keep(street(), tmp_path)
    book, first = tmp_path / "ledger", tmp_path / "first.md"
    otonari("report", run, "bert", "-o", first)
    held = tmp_path / "held"
    held.write_bytes((book / checkpoints.OWN).read_bytes())
    fixed = tmp_path / "right.nc"
    netcdf.write_run(dearer(), fixed)
    refused = otonari("report", fixed, "bert", code=2).stderr
    assert "is not this run, but another or a correction: 3 of 4 slots" in refused
    otonari("ledger", "correct", book, fixed, "--key", tmp_path / "private.key")
    assert "is not this run" in otonari("report", run, "bert", code=2).stderr
    otonari("ledger", "check", first, "--checkpoint", held)  # it was recorded; a later receipt shows more
    otonari("ledger", "check", first, "--checkpoint", book / checkpoints.OWN, code=4)
    assert "the earlier, different file is now" in otonari("report", fixed, "bert", "-o", first).stdout
    otonari("ledger", "check", first, "--checkpoint", book / checkpoints.OWN)
    otonari("ledger", "check", tmp_path / "first.1.md", "--key", KEY.key)
    assert (tmp_path / "first.1.md").stat().st_mode & 0o777 == 0o600
    (of_bert,) = issue.issue(fixed, issue.Request(["bert"])).values()
    assert amounts(bill.bill(of_bert))["shared_bought"] == (2500, 46_250_000)
    (either,) = issue.issue(
        tmp_path, issue.Request(["bert"])
    ).values()  # of both runs the one that is recorded
    assert either.digest == of_bert.digest


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
    for source in (path, tmp_path):
        said = otonari("report", source, "--bills", "--json", code=2).stderr
        assert "run of a market that is recorded" in said


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
        ["--month", "2025-07"],
        ["--anonymous"],
        ["-o", run],
    ):
        assert "Usage" in otonari("report", run, *arguments, code=2).stderr
    assert "Usage" in otonari("report", run.parent, code=2).stderr
    assert list(json.loads(otonari("report", run, "--bills", "--json").stdout)) == ["anna", "bert", "site"]
    (tmp_path / "file").touch()
    assert "cannot be written" in otonari("report", run, "--bills", "-o", tmp_path / "file", code=2).stderr
    for month in ("2025-13", "july"):
        said = otonari("report", run, "bert", "--month", month, code=2).stderr
        assert "a month such as 2026-08" in said
    assert "in 2025-08" in otonari("report", run, "bert", "--month", "2025-08", code=2).stderr


# whole communities


def check_all(run, folder, count):
    """Bill everybody, check each bill through the command line, and hold the sums against the settlement."""
    otonari("report", run, "--bills", "-o", folder)
    pages = list(folder.glob("*.md"))
    (book,) = run.parent.glob("ledger*")
    for path in pages:
        otonari("ledger", "check", path, "--checkpoint", book / checkpoints.OWN)
    issued, tree = issue.issue(run, issue.Request()), run_file.open_run(run)
    assert len(pages) == len(issued) == tree["settlement"].sizes["participant"] == count
    # a trade is less than 1 Wh off, and its price, fee and rent by half a thousandth
    trades = tree["trades"].to_dataset()
    price = sum(np.abs(trades[f"trade_{n}"].values) for n in ("price", "fee", "congestion"))
    off = float((price * 1000 + 1.5 * trades["trade_energy"].values * 500 + 1).sum())
    for name, one in issued.items():
        made = bill.bill(one)
        whole = made.total + sum(line.amount for line in made.borne)
        want = float(tree["settlement"]["bill"].sel(participant=name)) * 10**made.decimals
        assert whole == pytest.approx(want, abs=off), name


def test_all_participants_of_higashi_fuji(tmp_path):
    done = single.run("higashi-fuji", output=tmp_path / "run.nc", overrides=["time.slot_minutes=240"])
    check_all(done.path, tmp_path / "bills", 21)


@pytest.mark.thorough
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
