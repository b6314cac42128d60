"""What public totals tell of single accounts, publishing; and misshapen leaves, which are their owners' alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.runs.ledger import ledger, privacy, private_leaves, receipts
from otonari.runs.ledger.format import block_schema
from otonari.runs.ledger.format.errors import LedgerError, LedgerTampered

from .books import KEY, account, contents, record


def slot(number, leaves):
    """Return a record of accounts that only draw from the retailer."""
    leaves = sorted(
        (account(name, grid_in=wh) for name, wh in leaves.items()), key=lambda x: x["participant"]
    )
    return record(number, totals=block_schema.totals(leaves), leaves=leaves)


def otonari(*arguments, code=0):
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def book(tmp_path):
    """Return a ledger of 3 homes: three draw, two do, one does, none does."""
    draws = [
        {"a": 1, "b": 2, "c": 3},
        {"a": 1, "b": 2, "c": 0},
        {"a": 1, "b": 0, "c": 0},
        {"a": 0, "b": 0, "c": 0},
    ]
    ledger.commit(tmp_path / "book", [slot(k, homes) for k, homes in enumerate(draws)], signer=KEY)
    return tmp_path / "book"


def test_the_accounts_that_are_not_zero_count(book):
    def found(least):
        clearings, exposed = privacy.exposures(book, least)
        assert clearings == 4
        return [(e.index, e.part, e.accounts) for e in exposed]

    assert found(1) == []
    assert found(2) == [(3, "grid_in", 1)]
    assert found(3) == [(2, "grid_in", 2), (3, "grid_in", 1)]
    assert found(4) == [(1, "grid_in", 3), (2, "grid_in", 2), (3, "grid_in", 1)]


def test_every_part_that_is_summed_in_public_counts(tmp_path):
    """Here a sells to b: one buyer, one seller, who alone pays fees, whatever the number of homes."""
    ledger.commit(tmp_path / "book", [record(homes=9)])
    _, exposed = privacy.exposures(tmp_path / "book")
    assert {(e.part, e.accounts) for e in exposed} == {
        (part, 1) for part in ("purchases", "sales", "paid", "earned", "fees")
    }
    summed = {"energy": "purchases", "money": "paid"}
    assert {summed.get(name, name) for name in block_schema.TOTALS} <= {*privacy.PARTS}


def test_a_correction_tells_what_it_changes(tmp_path):
    """Four draw, before and after; but only one of them otherwise, which the difference of the totals tells."""
    homes = dict.fromkeys("abcd", 5)
    ledger.commit(tmp_path / "book", [slot(0, homes)])
    assert privacy.exposures(tmp_path / "book", 4) == (1, [])
    ledger.commit(tmp_path / "book", [slot(0, homes | {"a": 7})], correct=True)
    clearings, exposed = privacy.exposures(tmp_path / "book", 4)
    assert clearings == 2
    assert [(e.part, e.accounts) for e in exposed] == [("grid_in, corrected", 1)]


def test_publishing(book, tmp_path):
    result = otonari("ledger", "publish", book, "-o", tmp_path / "out", code=2)
    want = "in 2 of 4 cleared slots a public total is the sum over fewer than 3 accounts, in 1 of them it is the number"
    assert want in result.stderr
    assert not (tmp_path / "out").exists()
    otonari("ledger", "publish", book, "-o", tmp_path / "out", "--min-accounts", 2, code=2)
    otonari("ledger", "publish", book, "-o", tmp_path / "out", "--min-accounts", 1)
    assert {*contents(tmp_path / "out")} == {"ledger.jsonl", "checkpoint", "checkpoints.log"}
    assert ledger.verify(tmp_path / "out", pinned=[KEY.key]) == ledger.verify(book)
    ledger.commit(book, [slot(4, {"a": 1, "b": 1, "c": 1})], signer=KEY)
    otonari("ledger", "publish", book, "-o", tmp_path / "out", "--min-accounts", 1)
    assert ledger.verify(tmp_path / "out").slots == 5
    other = tmp_path / "other"
    ledger.commit(other, [slot(0, {"a": 1, "b": 1, "c": 1})], signer=KEY)
    before = contents(tmp_path / "out")
    assert "did not grow from" in otonari("ledger", "publish", other, "-o", tmp_path / "out", code=2).stderr
    assert contents(tmp_path / "out") == before


def test_verify_says_how_many(book):
    result = otonari("ledger", "verify", book, "--private", "--json")
    assert [(e["index"], e["accounts"]) for e in json.loads(result.stdout)["exposed"]] == [(2, 2), (3, 1)]
    assert "fewer than 3 accounts" in otonari("ledger", "verify", book, "--private").stdout
    assert "fewer than" not in otonari("ledger", "verify", book).stdout


# misshapen leaves


def misshape(monkeypatch, folder, change):
    """Make a ledger of two slots as a keeper with other software could: the leaf of b in the second is none."""

    def salted(leaf, secret, revision):
        data = honest(leaf, secret, revision)
        return change(data) if b'"participant":"b"' in data and leaf["slot"] != first["slot"] else data

    honest, first = private_leaves._salted, record(0)
    ledger.commit(folder, [first], signer=KEY)
    monkeypatch.setattr(private_leaves, "_salted", salted)
    ledger.commit(folder, [record(1)], signer=KEY)
    monkeypatch.undo()
    return folder


MISSHAPEN = {
    "a key more": lambda data: data.replace(b'"charge":{}', b'"charge":{},"cheque":1'),
    "a negative energy": lambda data: data.replace(b'"grid_in":5', b'"grid_in":-5'),
    "text for a number": lambda data: data.replace(b'"grid_in":5', b'"grid_in":"5"'),
    "another spelling": lambda data: data.replace(b'"charge":{}', b'"charge": {}'),
    "a slot of text": lambda data: data.replace(b'"slot":', b'"slot":"x'[:8] + b'1","y":'),
    "a fraction": lambda data: data.replace(b'"grid_in":5', b'"grid_in":5.5'),
}


@pytest.mark.parametrize("change", MISSHAPEN.values(), ids=MISSHAPEN)
def test_a_misshapen_leaf_is_its_owners_alone(tmp_path, monkeypatch, change):
    book = misshape(monkeypatch, tmp_path / "book", change)
    result = otonari("ledger", "receipt", book, "--participant", "b", code=4)
    assert "block 2: leaf of b: " in result.stderr
    for who in ("a", "home 2"):
        text = otonari("ledger", "receipt", book, "--participant", who).stdout
        assert len(receipts.check(text.encode(), [KEY.key])) == 2
    result = otonari("ledger", "receipt", book, "-o", tmp_path / "all", code=4)
    assert "leaves of b: " in result.stderr
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["a.tlog-proof", "home 2.tlog-proof"]
    for path in (tmp_path / "all").iterdir():
        assert len(receipts.check(path.read_bytes(), [KEY.key])) == 2
    result = otonari("ledger", "verify", book, "--private", code=4)
    assert "block 2: leaf of b: " in result.stderr
    span = (record(0)["slot"], record(1)["slot"])
    assert receipts.make(book, "b", span), "the slot before is sound"


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[]", b"1", b"", b"[" * 5000, b'{"participant":7}'])
def test_a_leaf_that_names_nobody(tmp_path, monkeypatch, data):
    """It may be that of whoever has none beside it; by its place it is told of."""
    book = misshape(monkeypatch, tmp_path / "book", lambda leaf: data)
    assert len(receipts.check(receipts.make(book, "a")["a"].encode(), [KEY.key])) == 2
    with pytest.raises(LedgerTampered, match="block 2: leaf 1: "):
        receipts.make(book, "b")
    texts, faults = receipts.make_each(book)
    assert ({*texts}, {*faults}) == ({"a", "b", "home 2"}, {""})
    with pytest.raises(LedgerTampered, match="block 2: leaf 1: "):
        ledger.verify(book, private=True)


def test_no_misshapen_leaf_is_committed(tmp_path):
    odd = record(0)
    odd["leaves"][0]["grid_in"] = -1
    with pytest.raises(LedgerError, match="does not fit into a leaf: grid_in of a"):
        ledger.commit(tmp_path / "book", [odd])
    assert not (Path(tmp_path) / "book" / ledger.NAME).exists()
