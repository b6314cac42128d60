"""What was recorded in formats 3 and 4 stays good: ledgers, receipts, bills and trades in ``golden``."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.ledger import administration, ledger, private_leaves, reader, receipts
from otonari.runs.ledger.checkpoints import read as read_checkpoint
from otonari.runs.ledger.format import block_schema, chain, signed_note
from otonari.runs.report.bills import inline

from .books import contents, record, records

OLD = Path(__file__).parent / "golden" / "format-3"
OLD_4 = OLD.with_name("format-4")
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


def copied(name, folder, old=OLD):
    book = folder / name / "ledger"
    shutil.copytree(old / name / "ledger", book)
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
    proofs = inline.check(data, [key()] if name == "clear" else [], held)
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


# going on in format 3


def old_record(number, **changes):
    """Return a record that fits behind the old slots of ledger ``clear``."""
    return {**record(number, market="old-yen"), "slot": 1780326000 + 1800 * number, **changes}


def test_a_ledger_of_yen_goes_on_in_its_format(tmp_path):
    book, signer = copied("clear", tmp_path), administration.read_key(private(tmp_path))
    done = ledger.commit(book, [old_record(0)], signer=signer)
    assert (done.added, done.already) == (1, 0)
    assert ledger.commit(book, [old_record(0)], signer=signer).already == 1
    assert ledger.commit(book, [old_record(0, software="x")], signer=signer).already == 1
    *_, block = ledger.show(book)
    assert (block["version"], "money" in block) == (3, False)
    administration.rotate(book, signer, signed_note.signer("old-yen", seed=b"o" * 32))
    assert ledger.verify(book, pinned=[signer.key], private=True).totals["energy"] == 4347 + 10
    assert len(receipts.make(book, "shade")) == 1


def private(folder):
    """Return a copy of the key that nobody else may read."""
    path = folder / "yen.key"
    shutil.copy(OLD / "yen.key", path)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("name", "market", "money"),
    [("euro", "old-euro", "1e-8 EUR"), ("euro", "old-euro", "1e-6 JPY"), ("simulate", "old-yen", "1e-8 EUR")],
)
def test_money_on_another_scale_is_a_conflict_and_changes_nothing(name, market, money, tmp_path):
    book = copied(name, tmp_path)
    before = contents(book)
    with pytest.raises(ledger.LedgerConflict, match=f"counts money in micro-.*, and this is in {money}"):
        ledger.commit(book, [old_record(0, market=market, money=money)])
    assert contents(book) == before


def test_a_format_does_not_change_on_the_way(tmp_path):
    """A clearing of format 5 behind blocks of format 3, rehashed by somebody with the key, is found."""
    book = copied("simulate", tmp_path)
    state = reader.read(book, lambda slot: False)
    with pytest.raises(ledger.LedgerError, match="version: got 5, want 3"):
        chain.extend([private_leaves.seal(old_record(0), b"s" * 32)[0]], state.summary)


# format 4


def test_a_ledger_of_format_4_is_good_and_goes_on_in_its_format(tmp_path):
    book, signer = copied("clear", tmp_path, OLD_4), administration.read_key(private(tmp_path))
    before = contents(book)
    summary = ledger.verify(book, pinned=[key()], private=True)
    assert (summary.version, summary.count, len(summary.reversed)) == (4, 19, 6)
    for name in ("shade.bill", "sun.receipt"):
        assert otonari("ledger", "check", OLD_4 / "clear" / name, "--key", key())[0] == 0
    assert contents(book) == before
    assert ledger.commit(book, [old_record(0)], signer=signer).added == 1
    *_, block = ledger.show(book)
    assert (block["version"], block["money"]) == (4, "1e-6 JPY")
    with pytest.raises(ledger.LedgerConflict, match="format 4, which has no settlements"):
        ledger.commit(book, [old_record(1, kind="settlement", settles="")], signer=signer)
    assert ledger.verify(book, private=True).slots == 7


def test_inputs_of_a_whole_run_are_no_content_of_a_slot(tmp_path, monkeypatch):
    """One corrected reading: of three slots that an old ledger has, the one that it changes is reversed."""
    book = tmp_path / "book"
    with monkeypatch.context() as before:
        before.setattr(block_schema, "VERSION", 4)
        ledger.commit(book, [record(n, version=4, inputs="1" * 64) for n in range(3)])
    assert ledger.commit(book, records(3)).already == 3
    done = ledger.commit(book, [record(0), record(1, energy=11), record(2)], correct=True)
    assert (done.corrected, done.already) == (1, 2)
    assert ledger.verify(book, private=True).reversed == {2}
