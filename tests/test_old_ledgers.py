"""What was recorded in format 3 stays good: ledgers, receipts, bills and trades of ``golden/format-3``."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.ledger import ledger
from otonari.runs.ledger.checkpoints import read as read_checkpoint
from otonari.runs.ledger.format import signed_note
from otonari.runs.report import bill

from .books import contents

OLD = Path(__file__).parent / "golden" / "format-3"
TOTALS = {
    "clear": {"energy": 4347, "fees": 5416362, "money": 39460996, "grid_in": 13816, "grid_out": 21963},
    "simulate": {"energy": 3709, "fees": 4621414, "money": 106473068, "grid_in": 14454, "grid_out": 22602},
    "euro": {"energy": 4347, "fees": 8694, "money": 397519, "grid_in": 13816, "grid_out": 21963},
}


def otonari(*arguments):
    """Return exit code and output of a command."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    return result.exit_code, result.output


@pytest.fixture(params=["clear", "simulate", "euro"])
def old(request, tmp_path):
    """Return a copy of an old ledger, its private files readable by their owner only."""
    return copied(request.param, tmp_path)


def copied(name, folder):
    book = folder / name / "ledger"
    shutil.copytree(OLD / name / "ledger", book)
    (book / "leaves").chmod(0o700)
    for path in (book / "leaves").iterdir():
        path.chmod(0o600)
    return book


def key():
    return signed_note.parse_key((OLD / "yen.vkey").read_text().strip())


def test_it_verifies_with_its_leaves_and_is_left_as_it_is(old):
    before = contents(old)
    summary = ledger.verify(old, private=True)
    currency = "EUR" if old.parent.name == "euro" else "JPY"
    assert (summary.units["money"], summary.units["price"]) == (f"micro-{currency}", f"milli-{currency}/kWh")
    assert summary.totals == {**TOTALS[old.parent.name], "congestion": 0}
    assert contents(old) == before


@pytest.mark.parametrize("name", ["clear", "simulate", "euro"])
def test_its_bills_still_check(name):
    held = [read_checkpoint(OLD / name / "ledger" / "checkpoint", held=True)]
    data = (OLD / name / "shade.bill").read_bytes()
    proofs = bill.check(data, [key()] if name == "clear" else [], held)
    assert {proof.leaf["participant"] for proof in proofs} == {"shade"}


def test_its_receipts_still_check():
    code, out = otonari("ledger", "check", OLD / "clear/sun.receipt", "--key", key())
    assert code == 0
    assert "good: sun in market old-yen, 6 slots" in out
    assert "earned from buyers" in out


@pytest.mark.parametrize("mechanism", ["continuous", "uniform", "pay-as-bid"])
def test_orders_in_yen_trade_as_they_did_to_the_last_digit(mechanism, tmp_path):
    trades = tmp_path / "trades.csv"
    options = ("--scenario", OLD / "scenario.yaml", "--mechanism", mechanism, "-o", trades)
    assert otonari("exchange", "match", OLD / "orders.csv", *options)[0] == 0
    name = "trades" if mechanism == "continuous" else mechanism
    for suffix in (".csv", ".refused.csv"):
        want = (OLD / "exchange" / f"{name}{suffix}").read_text(encoding="utf-8")
        assert trades.with_suffix(suffix).read_text(encoding="utf-8") == want
