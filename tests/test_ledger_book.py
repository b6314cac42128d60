"""The ledger's directory: what a commit does, corrections, keys, witnesses, receipts, and who must wait."""

import fcntl
import itertools
import os
import stat
import subprocess
import sys
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.runs.ledger import administration, checkpoints, durable_files, ledger, private_leaves, receipts
from otonari.runs.ledger.format import block_schema, canonical_json, chain, merkle, signed_note

from . import counts
from .books import (
    KEY,
    OTHER,
    SECONDS,
    WITNESS,
    account,
    blocks_of,
    contents,
    make,
    record,
    records,
)


@pytest.fixture
def keys(tmp_path):
    """Return the files of the three private keys."""
    paths = {name: tmp_path / f"{name}.key" for name in ("KEY", "OTHER", "WITNESS")}
    for name, path in paths.items():
        path.write_text(globals()[name].secret())
        path.chmod(0o600)
    return paths


# commit


def test_commit_and_verify(book):
    summary = ledger.verify(book, private=True)
    assert (summary.count, summary.slots, summary.market) == (3, 2, "street")
    assert summary.size == (book / ledger.NAME).stat().st_size
    assert summary.spans == [(SECONDS, SECONDS + 3600)]
    assert summary.totals == {"energy": 20, "money": 240_000, "fees": 20_000} | {
        "congestion": 0,
        "grid_in": 30,
        "grid_out": 0,
    }
    assert summary.units["money"] == "1e-6 JPY"
    assert [block["kind"] for block in ledger.show(book)] == ["genesis", "clearing", "clearing"]
    assert (book / checkpoints.OWN).read_text() == str(summary.checkpoint())


def test_the_public_files_name_nobody(book):
    public = b"".join(data for name, data in contents(book).items() if not name.startswith("leaves"))
    for word in (b"participant", b"home", b"salt", b'"a"'):
        assert word not in public
    assert {name.split("/")[0] for name in contents(book)} == {
        "ledger.jsonl",
        "checkpoint",
        "checkpoints.log",
        "leaves",
    }


def test_private_files_are_their_owners_only(signed):
    assert stat.S_IMODE((signed / "leaves").stat().st_mode) == 0o700
    for path in (signed / "leaves").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_committing_again_changes_nothing(signed):
    before = contents(signed)
    again = ledger.commit(signed, records(2))  # without the key: there is nothing to sign
    assert (again.added, again.already) == (0, 2)
    newer = [record(slot, software="otonari 9.9.9") for slot in range(2)]
    assert ledger.commit(signed, newer, signer=KEY).added == 0
    assert contents(signed) == before
    assert again.checkpoint == (signed / checkpoints.OWN).read_text(encoding="utf-8")


def test_the_same_clearing_and_secret_give_the_same_bytes(signed, tmp_path):
    (tmp_path / "other" / "leaves").mkdir(parents=True, mode=0o700)
    (tmp_path / "other" / "leaves" / "secret").write_bytes((signed / "leaves" / "secret").read_bytes())
    (tmp_path / "other" / "leaves" / "secret").chmod(0o600)
    assert contents(make(tmp_path / "other", signer=KEY)) == contents(signed)
    assert contents(make(tmp_path / "third", signer=KEY)) != contents(signed)


def test_a_longer_run_adds_what_is_missing(book):
    before = (book / ledger.NAME).read_bytes()
    done = ledger.commit(book, records(4))
    assert (done.added, done.already) == (2, 2)
    assert (book / ledger.NAME).read_bytes().startswith(before)
    assert ledger.verify(book, private=True).slots == 4


def test_an_earlier_day_may_come_later(book):
    assert ledger.commit(book, records(2, first=-48)).added == 2
    assert ledger.verify(book).spans == [
        (SECONDS - 86400, SECONDS - 86400 + 3600),
        (SECONDS, SECONDS + 3600),
    ]


CONFLICTS = {
    "another result": lambda: records(4, energy=11),
    "another result in one of its slots": lambda: [record(0), record(1, energy=11)],
    "other leaves under the same totals": lambda: [
        {**record(0), "leaves": [account("c"), *record(0)["leaves"][:2]]}
    ],
    "other prices": lambda: [record(0, prices="0" * 64)],
    "other inputs": lambda: [record(0, inputs="0" * 64)],
    "other results": lambda: [record(0, results="0" * 64)],
    "another market": lambda: records(1, first=48, market="avenue"),
    "slots that overlap": lambda: [record(0, slot=SECONDS + 900)],
    "slots that contain": lambda: [record(0, slot=SECONDS - 900, slot_seconds=7200)],
    "a slot twice, differently": lambda: [record(48), record(48, energy=11)],
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_a_conflict_leaves_every_file_alone(book, case):
    before = contents(book)
    with pytest.raises(ledger.LedgerConflict):
        ledger.commit(book, CONFLICTS[case]())
    assert contents(book) == before


def test_a_conflict_names_its_slots(book):
    with pytest.raises(ledger.LedgerConflict, match=r"1 of 2 slots .* 2019-08-20 15:30 UTC") as caught:
        ledger.commit(book, CONFLICTS["another result in one of its slots"]())
    assert f"`otonari ledger correct {book} RUN.nc`" in str(caught.value)
    assert caught.value.slots == (SECONDS + 1800,)


def test_what_is_prepared_but_not_appended_is_not_there(tmp_path):
    with ledger.prepare(tmp_path / "book", records(2)) as (planned, _):
        assert planned.added == 2
    assert contents(tmp_path / "book") == {}


def test_what_is_prepared_is_not_signed_yet(tmp_path):
    """A checkpoint is signed only when its blocks are on the disk: a log never signs what it does not hold."""
    with ledger.prepare(tmp_path / "book", records(2), signer=KEY) as (planned, append):
        assert signed_note.parse(planned.checkpoint.encode()).signatures == ()
        done = append()
    assert done.checkpoint.startswith(planned.checkpoint)
    assert signed_note.verified(signed_note.parse(done.checkpoint.encode()), [KEY.key]) == [KEY.key]


def test_there_is_no_ledger(tmp_path):
    with pytest.raises(ledger.LedgerError, match="No such file"):
        ledger.verify(tmp_path)
    with pytest.raises(ledger.LedgerError, match="No such file"):
        ledger.verify(tmp_path / "nowhere")
    (tmp_path / ledger.NAME).touch()
    with pytest.raises(ledger.LedgerTorn, match="empty"):
        ledger.verify(tmp_path)
    assert ledger.commit(tmp_path, records(2)).added == 2  # a crash before the first write


def test_a_lost_secret(book):
    (book / "leaves" / "secret").unlink()
    with pytest.raises(ledger.LedgerError, match="secret: missing"):
        ledger.commit(book, records(2))
    assert ledger.verify(book).slots == 2


@pytest.mark.parametrize(("mode", "content"), [(0o640, b"s" * 32), (0o604, b"s" * 32), (0o600, b"s" * 31)])
def test_a_secret_that_is_none(book, mode, content):
    path = book / "leaves" / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ledger.LedgerError, match=r"0600|31 bytes"):
        ledger.commit(book, records(3))


# corrections


def test_a_correction(signed):
    before = (signed / ledger.NAME).read_bytes()
    done = ledger.commit(signed, records(3, energy=7), signer=KEY, correct=True)
    assert (done.added, done.already, done.corrected) == (3, 0, 2)
    assert (signed / ledger.NAME).read_bytes().startswith(before)
    summary = ledger.verify(signed, private=True)
    assert (summary.count, summary.slots, summary.reversed) == (8, 3, {1, 2})
    assert (summary.totals["energy"], summary.totals["grid_in"]) == (21, 45)
    found = [(b["kind"], b.get("reverses")) for b in ledger.show(signed)][3:]
    assert found == [("correction", 1), ("clearing", None), ("correction", 2), *[("clearing", None)] * 2]
    assert ledger.commit(signed, records(3, energy=7)).already == 3
    with pytest.raises(ledger.LedgerConflict):
        ledger.commit(signed, records(2), signer=KEY)


def test_a_correction_of_a_correction(book):
    for energy in (11, 12, 10):
        assert ledger.commit(book, [record(0, energy=energy)], correct=True).corrected == 1
    summary = ledger.verify(book, private=True)
    assert (summary.count, summary.slots, summary.reversed) == (9, 2, {1, 4, 6})
    assert ledger.commit(book, records(2)).already == 2


def test_a_correction_of_what_is_right(book):
    before = contents(book)
    assert ledger.commit(book, records(2), correct=True).corrected == 0
    assert contents(book) == before


def test_a_correction_keeps_the_bounds_of_slots(book):
    for wrong in (record(0, slot_seconds=900), record(0, slot=SECONDS + 900)):
        with pytest.raises(ledger.LedgerConflict):
            ledger.commit(book, [wrong], correct=True)
    with pytest.raises(ledger.LedgerConflict):
        ledger.commit(book, [record(0, energy=1), record(0, energy=2)], correct=True)


# keys


def test_init_pins_everything(tmp_path):
    administration.init(
        tmp_path / "book", "Susono 1", currency="EUR", signer=signed_note.signer("Susono%201", seed=b"k" * 32)
    )
    (genesis,) = ledger.show(tmp_path / "book")
    assert (genesis["market"], genesis["units"]["price"]) == ("Susono 1", "1e-5 EUR/kWh")
    assert genesis["key"].startswith("Susono%201+")
    with pytest.raises(ledger.LedgerConflict, match="already"):
        administration.init(tmp_path / "book", "Susono 1", currency="JPY")


def test_init_then_commit(tmp_path):
    administration.init(tmp_path / "book", "street", currency="JPY", signer=KEY)
    secret = (tmp_path / "book" / "leaves" / "secret").read_bytes()
    assert ledger.commit(tmp_path / "book", records(2), signer=KEY).added == 2
    assert (tmp_path / "book" / "leaves" / "secret").read_bytes() == secret
    with pytest.raises(ledger.LedgerConflict, match="several markets"):
        ledger.commit(tmp_path / "book", records(1, first=5, market="avenue"), signer=KEY)


@pytest.mark.parametrize("signer", [None, OTHER, signed_note.signer("avenue", seed=b"k" * 32), WITNESS])
def test_a_signed_ledger_needs_its_key(signed, signer):
    before = contents(signed)
    with pytest.raises(ledger.LedgerError, match=r"key: got .*, want street\+"):
        ledger.commit(signed, records(3), signer=signer)
    assert contents(signed) == before


def test_a_ledger_without_a_key_takes_none(book):
    with pytest.raises(ledger.LedgerError, match="not signed"):
        ledger.commit(book, records(3), signer=KEY)


@pytest.mark.parametrize("signer", [WITNESS, signed_note.signer("avenue", seed=b"k" * 32)])
def test_a_key_is_called_what_the_market_is(tmp_path, signer):
    with pytest.raises(ledger.LedgerError, match="a key of street"):
        ledger.commit(tmp_path / "book", records(1), signer=signer)
    assert contents(tmp_path / "book") == {}


def test_keygen(tmp_path):
    key = administration.keygen("Susono お", tmp_path / "k")
    assert key.name == "Susono%20%E3%81%8A"
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert administration.read_key(tmp_path / "k").key == key
    assert administration.keygen("w", tmp_path / "w", witness=True).kind == signed_note.WITNESS
    with pytest.raises(ledger.LedgerError, match="File exists"):
        administration.keygen("again", tmp_path / "k")
    with pytest.raises(ledger.LedgerError, match="name: got nothing"):
        administration.keygen("", tmp_path / "empty")
    with pytest.raises(ledger.LedgerError, match="market: got"):
        administration.init(tmp_path / "book", "", currency="JPY")
    assert contents(tmp_path / "book") == {}


@pytest.mark.parametrize("energy", [2**40, 2**50])
def test_more_than_a_number_can_hold(book, energy):
    before = contents(book)
    with pytest.raises(ledger.LedgerError, match="does not fit"):
        ledger.commit(book, [record(5, energy=energy)])
    assert contents(book) == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read(keys, mode):
    keys["KEY"].chmod(mode)
    with pytest.raises(ledger.LedgerError, match="others may use it"):
        administration.read_key(keys["KEY"])


def test_a_key_file_of_something_else(keys, book):
    with pytest.raises(ledger.LedgerError, match="outside the ledger"):
        administration.read_key(book / "leaves" / "secret", book)
    (keys["KEY"]).write_bytes(b"\xff\xfe")
    with pytest.raises(ledger.LedgerError, match="private key: want one line") as caught:
        administration.read_key(keys["KEY"])
    assert "\xff" not in str(caught.value)
    keys["KEY"].unlink()
    keys["KEY"].symlink_to(keys["OTHER"])
    with pytest.raises(ledger.LedgerError, match="symbolic link"):
        administration.read_key(keys["KEY"])


def test_pinned_keys(signed, book):
    assert ledger.verify(signed, pinned=[KEY.key]).keys == [KEY.key]
    for where, key in ((signed, OTHER.key), (book, KEY.key), (signed, WITNESS.key)):
        with pytest.raises(ledger.LedgerTampered):
            ledger.verify(where, pinned=[key])


def test_rotation(signed):
    held = (signed / checkpoints.OWN).read_text(encoding="utf-8")
    administration.rotate(signed, KEY, OTHER)
    with pytest.raises(ledger.LedgerError, match="key: got"):
        ledger.commit(signed, records(3), signer=KEY)
    ledger.commit(signed, records(3), signer=OTHER)
    for pinned in (KEY, OTHER):
        assert ledger.verify(signed, pinned=[pinned.key]).keys == [KEY.key, OTHER.key]
    (signed.parent / "held").write_text(held, encoding="utf-8")
    assert ledger.verify(signed, [signed.parent / "held"]).slots == 3
    with pytest.raises(ledger.LedgerError, match="key: got"):
        administration.rotate(signed, KEY, KEY)


def test_a_ledger_without_a_key_is_not_handed_on(book):
    with pytest.raises(ledger.LedgerError, match="not signed"):
        administration.rotate(book, KEY, OTHER)


# witnesses


@pytest.mark.parametrize("signer", [KEY, None])
def test_cosign(tmp_path, signer):
    book = make(tmp_path / "book", signer=signer)
    administration.cosign(book, WITNESS, [], first=True)
    assert ledger.verify(book, pinned=[WITNESS.key]).slots == 2
    seen = tmp_path / "seen"
    seen.write_bytes((book / checkpoints.OWN).read_bytes())
    ledger.commit(book, records(3), signer=signer)
    with pytest.raises(ledger.LedgerTampered, match="cosignature"):
        ledger.verify(book, pinned=[WITNESS.key])
    note = administration.cosign(book, WITNESS, [seen], tmp_path / "new")
    assert signed_note.verified(note, [WITNESS.key]) == [WITNESS.key]
    assert (tmp_path / "new").read_text(encoding="utf-8") == str(note)
    assert ledger.verify(book, [seen, tmp_path / "new"]).slots == 3
    administration.cosign(book, WITNESS, [seen])
    assert len(administration.cosign(book, WITNESS, [seen]).signatures) == 1 + bool(signer)
    assert ledger.commit(book, records(4), signer=signer).added == 1
    assert ledger.verify(book).slots == 4


def test_a_witness_refuses_another_history(tmp_path):
    one, two = make(tmp_path / "one", signer=KEY), make(tmp_path / "two", signer=KEY, energy=11)
    before = contents(two)
    with pytest.raises(ledger.LedgerTampered, match="tree hash"):
        administration.cosign(two, WITNESS, [one / checkpoints.OWN])
    with pytest.raises(ledger.LedgerError, match="want that of a witness"):
        administration.cosign(two, KEY, [])
    assert contents(two) == before


# receipts


def test_a_receipt(signed):
    ledger.commit(signed, records(1, energy=7), signer=KEY, correct=True)
    administration.cosign(signed, WITNESS, [], first=True)
    found = receipts.make(signed)
    assert sorted(found) == ["a", "b", "home 2"]
    proofs = receipts.check(
        found["b"].encode(), [KEY.key, WITNESS.key], [checkpoints.read(signed / checkpoints.OWN)]
    )
    assert [(p.leaf["purchases"], p.leaf["paid"], p.leaf["origin"]) for p in proofs] == [
        (7, 84_000, {"a": 7}),
        (10, 120_000, {"a": 10}),
    ]
    assert b"home 2" not in found["b"].encode()


def test_a_receipt_of_one_slot_is_a_tlog_proof(signed):
    (text,) = receipts.make(signed, "b", (SECONDS, SECONDS + 1)).values()
    first, extra, index, *path = text.split("\n\n")[0].split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 1")
    assert extra.startswith("extra ")
    assert len(path) == 2
    assert text.endswith((signed / checkpoints.OWN).read_text(encoding="utf-8"))


@pytest.mark.parametrize("homes", range(2, 8))
def test_receipts_of_every_size(tmp_path, homes):
    book = make(tmp_path / "book", count=homes, homes=homes, signer=KEY)
    for name, text in receipts.make(book).items():
        proofs = receipts.check(text.encode(), [KEY.key])
        assert [p.leaf["participant"] for p in proofs] == [name] * homes


def test_every_flipped_bit_of_a_receipt(signed):
    (text,) = receipts.make(signed, "b", (SECONDS, SECONDS + 1)).values()
    good = text.encode()
    for place in range(len(good)):
        for bit in counts.bits(place):
            data = good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :]
            with pytest.raises(ledger.LedgerTampered):
                receipts.check(data, [KEY.key])
    for size in range(len(good)):
        with pytest.raises(ledger.LedgerTampered):
            receipts.check(good[:size], [KEY.key])
    assert len(receipts.check(good, [KEY.key])) == 1


def test_a_receipt_of_another_ledger(signed, tmp_path):
    other = make(tmp_path / "other", signer=OTHER)
    text = receipts.make(other, "b")["b"].encode()
    with pytest.raises(ledger.LedgerTampered, match="signature"):
        receipts.check(text, [KEY.key])
    with pytest.raises(ledger.LedgerTampered, match="one that you hold"):
        receipts.check(text, [], [checkpoints.read(signed / checkpoints.OWN)])
    with pytest.raises(ledger.LedgerError, match="public key or a checkpoint"):
        receipts.check(text)


def test_receipts_that_are_mixed(signed):
    made = receipts.make(signed)
    for mixed in (made["a"] + "\n" + made["b"], made["a"] + "\n" + made["a"]):
        with pytest.raises(ledger.LedgerTampered, match="slots"):
            receipts.check(mixed.encode(), [KEY.key])
    for wrong in (made["a"] + made["b"], made["a"] + "\n", "\n" + made["a"], made["a"][:-1], made["a"] * 2):
        with pytest.raises(ledger.LedgerTampered):
            receipts.check(wrong.encode(), [KEY.key])


def test_no_such_receipt(signed):
    with pytest.raises(ledger.LedgerError, match="no slot of nobody"):
        receipts.make(signed, "nobody")
    with pytest.raises(ledger.LedgerError, match="no slot of a"):
        receipts.make(signed, "a", (0, 1))
    for path in (signed / "leaves").glob("*.jsonl"):
        path.unlink()
    with pytest.raises(ledger.LedgerError, match="no leaves with the Merkle root of block 1"):
        receipts.make(signed, "a")
    with pytest.raises(ledger.LedgerError, match="no leaves"):
        ledger.verify(signed, private=True)


def forged(case):
    """Return a receipt that the holder of the key forged: good but for one thing."""
    block, private = private_leaves.seal(record(0), b"s" * 32)
    block |= {"index": 1, "prev": "0" * 64, "version": block_schema.VERSION + (case == "version")}
    if case == "slot":
        _, private = private_leaves.seal(record(1), b"s" * 32)
        block["root"] = merkle.root(map(merkle.leaf, private)).hex()
    if case == "Merkle root":
        block["root"] = "0" * 64
    hashes = [merkle.leaf(b"genesis"), merkle.leaf(canonical_json.dump(block))]
    root = merkle.leaf(b"another tree") if case == "tree hash" else merkle.root(hashes)
    text = str(signed_note.Checkpoint("avenue" if case == "origin" else "street", 2, root))
    inner, outer = merkle.Tree([*map(merkle.leaf, private)]).path(1), merkle.Tree(hashes).path(1)
    note = signed_note.Note(text, (signed_note.signature(KEY.sign(text)),))
    leaf = canonical_json.parse(private[1])
    return receipts._format(receipts.Proof(leaf, block, note, []), 1, inner, outer).encode()


@pytest.mark.parametrize("case", ["version", "slot", "Merkle root", "tree hash", "origin"])
def test_no_check_of_a_receipt_can_be_spared(monkeypatch, case):
    assert len(receipts.check(forged("nothing"), [KEY.key])) == 1
    with pytest.raises(ledger.LedgerTampered) as caught:
        receipts.check(forged(case), [KEY.key])
    assert caught.value.field == case
    links = receipts._links
    monkeypatch.setattr(receipts, "_links", lambda *a: {k: v for k, v in links(*a).items() if k != case})
    assert len(receipts.check(forged(case), [KEY.key])) == 1


@settings(deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda b: b"c2sp.org/tlog-proof@v1\n" + b))
def test_arbitrary_bytes_are_no_receipt(data):
    with pytest.raises(ledger.LedgerTampered):
        receipts.check(data, [KEY.key])


def test_leaves_that_do_not_add_up(tmp_path):
    wrong = record(0)
    wrong["totals"]["energy"] += 1
    ledger.commit(tmp_path / "book", [wrong])
    assert ledger.verify(tmp_path / "book").slots == 1  # nobody without the leaves can see it
    with pytest.raises(
        ledger.LedgerTampered, match=r"block 1: totals: got .*'energy': 11.* want .*'energy': 10"
    ):
        ledger.verify(tmp_path / "book", private=True)


# who must wait


def test_a_locked_ledger(book):
    with (book / ".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ledger.LedgerLocked):
            ledger.commit(book, records(2), wait=0.0)
        with pytest.raises(ledger.LedgerLocked), durable_files.locked(book, 0.0, shared=True):
            pass
        fcntl.flock(file, fcntl.LOCK_SH)
        assert ledger.verify(book).slots == 2  # readers do not wait for readers
        with pytest.raises(ledger.LedgerLocked):
            ledger.commit(book, records(2), wait=0.0)
    assert ledger.commit(book, records(2), wait=0.0).already == 2


def test_four_writers_take_turns(tmp_path):
    """Four processes commit 40 slots each, one by one, while a fifth reads; all are there, in one chain."""
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.fsync = lambda file: None  # it is not about the disk
from tests.books import KEY, record
from otonari.runs.ledger import ledger
for slot in range(40):
    ledger.commit(sys.argv[2], [record(slot + 48 * int(sys.argv[3]))], signer=KEY, wait=60)
"""
    root, book = os.path.dirname(os.path.dirname(__file__)), tmp_path / "book"
    command = [sys.executable, "-c", script, root, str(book)]
    writers = [subprocess.Popen([*command, str(n)]) for n in range(4)]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        if (book / checkpoints.OWN).exists():
            assert ledger.verify(book).keys == [KEY.key]
            reads += 1
        time.sleep(0.05)
    assert [writer.wait() for writer in writers] == [0] * 4
    assert reads > 1
    summary = ledger.verify(book, private=True)
    assert (summary.count, summary.slots, len(summary.spans)) == (161, 160, 4)
    log = (book / checkpoints.LOG).read_bytes()
    assert log.count(checkpoints.OWN.encode()) == 0
    assert log.count(b"\n\n\n") == 160


# size


def test_verify_takes_constant_memory(tmp_path):
    """Blocks are streamed: a ledger ten times as long takes no more memory, but for a few hashes and spans."""
    peaks = []
    for count in (300, 3000):
        book = make(tmp_path / str(count), count=count, homes=2)
        ledger.verify(book)
        tracemalloc.start()
        ledger.verify(book)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60))
def test_spans_are_the_set_of_slots(steps):
    spans, slots = [], set()
    for slot, add in steps:
        if add and slot not in slots:
            assert chain.overlap(spans, slot, slot + 1) is None
            chain.join(spans, slot, slot + 1)
            slots.add(slot)
        elif not add and slot in slots:
            chain.free(spans, slot, slot + 1)
            slots.remove(slot)
        assert [s for start, end in spans for s in range(start, end)] == sorted(slots)
        assert all(one[1] < two[0] for one, two in itertools.pairwise(spans))


def test_leaves_are_found_by_their_root(book):
    ledger.commit(book, records(1, energy=11), correct=True)
    old, new = blocks_of(book)[1], blocks_of(book)[4]
    assert old["slot"] == new["slot"]
    shelf = private_leaves.LeafFiles(book)
    assert shelf.of_block(old) != shelf.of_block(new)
