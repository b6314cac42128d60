"""Whatever is done to the files of a ledger is seen, or is a limit that its page states and a test here shows."""

import json
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.runs.ledger import administration, checkpoints, ledger
from otonari.runs.ledger.format import block_schema, canonical_json, chain, signed_note

from . import counts
from .books import (
    KEY,
    OTHER,
    SECONDS,
    WITNESS,
    blocks_of,
    contents,
    forge,
    line,
    lines_of,
    make,
    plain,
    record,
    records,
    store,
)

pytestmark = pytest.mark.thorough


def refused(folder, *errors, **options):
    with pytest.raises(errors or (ledger.LedgerTampered, ledger.LedgerTorn)) as caught:
        ledger.verify(folder, **options)
    return caught.value


# every byte


@pytest.mark.parametrize("signer", [None, KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize("name", [ledger.NAME, checkpoints.OWN, checkpoints.LOG])
def test_every_flipped_bit_is_seen(tmp_path, name, signer):
    path = make(tmp_path / "book", count=1, signer=signer) / name
    good = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(good):
            for bit in counts.bits(place):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), place)
                error = refused(path.parent)
                if name == ledger.NAME and isinstance(error, ledger.LedgerTampered):
                    assert error.index in (good[:place].count(b"\n"), checkpoints.OWN)
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert ledger.verify(path.parent).count == 2


def test_every_truncation_of_the_ledger_is_seen(signed):
    """With a checkpoint it is tampering, as no crash does that; without one it is at best torn."""
    path = signed / ledger.NAME
    good = path.read_bytes()
    for size in reversed(range(len(good))):
        os.truncate(path, size)
        refused(signed, ledger.LedgerTampered)
    path.write_bytes(good)
    for name in (checkpoints.OWN, checkpoints.LOG):
        (signed / name).unlink()
    for size in reversed(range(len(good) + 1)):
        os.truncate(path, size)
        refused(signed, ledger.LedgerTorn)


def test_every_truncation_of_the_checkpoint_is_seen(signed):
    path = signed / checkpoints.OWN
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        refused(signed, ledger.LedgerTampered)
    path.unlink()
    refused(signed, ledger.LedgerTampered)


def test_a_log_that_a_crash_cut_off_is_no_tampering(signed):
    """What is missing is the end of the present checkpoint, which the next commit appends."""
    ledger.commit(signed, records(3), signer=KEY)
    path = signed / checkpoints.LOG
    good = path.read_bytes()
    last = good.index(b"\n\n\n") + 3
    for size in reversed(range(last, len(good))):
        os.truncate(path, size)
        assert ledger.verify(signed).slots == 3
    for size in range(last, len(good)):
        path.write_bytes(good[:size])
        administration.repair(signed)
        assert path.read_bytes() == good
    for size in reversed(
        range(len("street\n") + 1, last)
    ):  # further back it is, if a checkpoint is cut in two
        os.truncate(path, size)
        refused(signed, ledger.LedgerTampered)
    os.truncate(path, last)  # a log that lost whole checkpoints is not: it is no more than a memory
    (signed / checkpoints.LOG).unlink()
    assert ledger.verify(signed).slots == 3


# the lines


MANGLED = {
    "dropped": lambda g, a, b: [g, b],
    "last one dropped": lambda g, a, b: [g, a],
    "no genesis": lambda g, a, b: [a, b],
    "two genesis": lambda g, a, b: [g, g, a, b],
    "duplicated": lambda g, a, b: [g, a, a, b],
    "swapped": lambda g, a, b: [g, b, a],
    "CRLF": lambda g, a, b: [g, a[:-1] + b"\r\n", b],
    "blank line": lambda g, a, b: [g, a, b"\n", b],
    "trailing line": lambda g, a, b: [g, a, b, b"x\n"],
    "trailing bytes": lambda g, a, b: [g, a, b, b"x"],
    "trailing NULs": lambda g, a, b: [g, a, b, b"\0" * 512],
    "NUL block": lambda g, a, b: [g, b"\0" * len(a), b],
    "NUL line": lambda g, a, b: [g, a, b"\0" * (len(b) - 1) + b"\n"],
    "byte order mark": lambda g, a, b: [b"\xef\xbb\xbf" + g, a, b],
    "space": lambda g, a, b: [g, a.replace(b":", b": ", 1), b],
    "upper-case hash": lambda g, a, b: [g, a[:-67] + a[-67:-3].upper() + a[-3:], b],
    "empty": lambda g, a, b: [],
}


@pytest.mark.parametrize("signer", [None, KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize("case", MANGLED)
def test_a_mangled_file_is_seen_and_not_written_to(tmp_path, case, signer):
    book = make(tmp_path / "book", signer=signer)
    (book / ledger.NAME).write_bytes(b"".join(MANGLED[case](*lines_of(book))))
    before = contents(book)
    refused(book)
    with pytest.raises((ledger.LedgerTampered, ledger.LedgerTorn)):
        list(ledger.show(book))
    with pytest.raises((ledger.LedgerTampered, ledger.LedgerTorn)):
        ledger.commit(book, records(2), signer=signer)
    assert contents(book) == before


def test_only_a_torn_end_is_repaired(signed):
    """Of all the mangled files only those whose checkpointed lines are whole are taken for a crash."""
    torn = set()
    for case, mangle in MANGLED.items():
        book = signed.parent / case
        shutil.copytree(signed, book)
        (book / ledger.NAME).write_bytes(b"".join(mangle(*lines_of(signed))))
        before = contents(book)
        try:
            administration.repair(book, KEY)
        except ledger.LedgerTampered:
            assert contents(book) == before
        else:
            torn.add(case)
            assert (book / ledger.NAME).read_bytes() == (signed / ledger.NAME).read_bytes()
    assert torn == {"trailing bytes", "trailing NULs"}


def test_a_splice_from_another_ledger(tmp_path):
    """Same market, same key, same slots: the chain tells them apart."""
    one, two = make(tmp_path / "one", signer=KEY), make(tmp_path / "two", signer=KEY, energy=11)
    mine, theirs = lines_of(one), lines_of(two)
    for spliced in ([*mine[:2], theirs[2]], [mine[0], theirs[1], mine[2]], [mine[0], *theirs[1:]]):
        (one / ledger.NAME).write_bytes(b"".join(spliced))
        refused(one, ledger.LedgerTampered)


def test_a_rebuilt_chain(signed):
    """Whoever has no key cannot make a checkpoint for it."""
    blocks = blocks_of(signed)
    blocks[1]["totals"]["money"] = 0
    for signer in (None, OTHER):
        forge(signed, blocks, signer)
        refused(signed, ledger.LedgerTampered)


def test_a_full_rewrite_signed_with_the_stolen_key(signed, tmp_path):
    """It is seen by whoever holds an older checkpoint, and by nobody else: a stated limit."""
    held = tmp_path / "held"
    held.write_bytes((signed / checkpoints.OWN).read_bytes())
    ledger.commit(signed, records(4), signer=KEY)
    assert ledger.verify(signed, [held]).slots == 4
    blocks = blocks_of(signed)
    blocks[1]["totals"]["money"] = 0
    forge(signed, blocks, KEY)
    assert ledger.verify(signed, pinned=[KEY.key]).slots == 4
    assert refused(signed, ledger.LedgerTampered, held=[held]).field == "tree hash"


def test_a_full_rewrite_under_another_key(signed, tmp_path):
    other = make(tmp_path / "other", signer=OTHER, energy=11)
    assert ledger.verify(other).slots == 2
    refused(other, ledger.LedgerTampered, pinned=[KEY.key])
    refused(other, ledger.LedgerTampered, held=[signed / checkpoints.OWN])


def test_a_rollback_of_everything(signed, tmp_path):
    """Ledger, checkpoint and log of yesterday are a good ledger: only a newer checkpoint elsewhere tells."""
    shutil.copytree(signed, tmp_path / "yesterday")
    ledger.commit(signed, records(3), signer=KEY)
    assert ledger.verify(tmp_path / "yesterday", pinned=[KEY.key]).slots == 2
    error = refused(tmp_path / "yesterday", ledger.LedgerTampered, held=[signed / checkpoints.OWN])
    assert (error.got, error.want) == ("3 blocks", "4 at least")


def test_a_rollback_of_the_pair_is_seen_by_the_log(signed, tmp_path):
    shutil.copytree(signed, tmp_path / "yesterday")
    ledger.commit(signed, records(3), signer=KEY)
    for name in (ledger.NAME, checkpoints.OWN):
        shutil.copy(tmp_path / "yesterday" / name, signed / name)
    refused(signed, ledger.LedgerTampered)
    with pytest.raises(ledger.LedgerTampered):
        ledger.commit(signed, records(3), signer=KEY)
    with pytest.raises(ledger.LedgerTampered):
        administration.repair(signed, KEY)


def test_a_block_beyond_the_checkpoint_is_not_taken_for_ours(signed):
    """Whoever can append but not sign adds nothing; the next commit stops and asks."""
    lines, _ = chain.extend([], ledger.verify(signed))
    assert lines == b""
    intruder = {
        **blocks_of(signed)[2],
        "slot": SECONDS + 9000,
        "index": 3,
        "prev": lines_of(signed)[2][-67:-3].decode(),
    }
    (signed / ledger.NAME).write_bytes(b"".join([*lines_of(signed), line(plain(intruder))]))
    assert "1 blocks beyond the checkpoint" in str(refused(signed, ledger.LedgerTorn))
    before = contents(signed)
    with pytest.raises(ledger.LedgerTorn):
        ledger.commit(signed, records(3), signer=KEY)
    with pytest.raises(ledger.LedgerError, match="key: got none"):
        administration.repair(signed)
    assert contents(signed) == before


def test_a_held_checkpoint_that_is_none(signed, tmp_path):
    (tmp_path / "held").write_bytes(b"x\n")
    refused(signed, ledger.LedgerTampered, held=[tmp_path / "held"])
    text = signed_note.parse((signed / checkpoints.OWN).read_bytes()).text
    (tmp_path / "held").write_text(text)  # somebody wrote down the text only
    assert ledger.verify(signed, [tmp_path / "held"]).slots == 2
    (tmp_path / "held").write_text(text + "\n" + OTHER.sign(text), encoding="utf-8")
    assert refused(signed, ledger.LedgerTampered, held=[tmp_path / "held"]).field == "signature"


def test_a_cosignature_that_is_wrong(signed):
    text = signed_note.parse((signed / checkpoints.OWN).read_bytes()).text
    with (signed / checkpoints.OWN).open("a", encoding="utf-8") as file:
        file.write(WITNESS.sign(text + "x", 1))
    assert ledger.verify(signed).slots == 2  # nobody knows that witness
    assert refused(signed, ledger.LedgerTampered, pinned=[WITNESS.key]).field == "cosignature"


def test_a_checkpoint_of_an_odd_size(book):
    for size in (0, 4, 10**15):
        (book / checkpoints.OWN).write_text(str(signed_note.Checkpoint("street", size, b"r" * 32)))
        refused(book, ledger.LedgerTampered)
    for name in (checkpoints.OWN, checkpoints.LOG):
        shutil.copy(book / ledger.NAME, book / name)
        refused(book, ledger.LedgerTampered)


@pytest.mark.parametrize("name", [ledger.NAME, checkpoints.OWN, checkpoints.LOG])
def test_a_symbolic_link_is_refused(signed, tmp_path, name):
    shutil.move(signed / name, tmp_path / "elsewhere")
    (signed / name).symlink_to(tmp_path / "elsewhere")
    before = contents(signed)
    with pytest.raises(ledger.LedgerError, match="symbolic link"):
        ledger.verify(signed)
    with pytest.raises(ledger.LedgerError, match="symbolic link"):
        ledger.commit(signed, records(3), signer=KEY)
    assert contents(signed) == before


@pytest.mark.parametrize("name", [ledger.NAME, checkpoints.OWN, checkpoints.LOG])
def test_something_that_is_no_file(signed, name):
    (signed / name).unlink()
    (signed / name).mkdir()
    with pytest.raises(ledger.LedgerError):
        ledger.verify(signed)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_quietly(tmp_path_factory, data):
    for name in (ledger.NAME, checkpoints.OWN, checkpoints.LOG):
        folder = make(tmp_path_factory.mktemp("any"), count=1)
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(data)
        if not (name == checkpoints.LOG and before.startswith(data)):
            refused(folder)


# what an insider could write: every hash and checkpoint right, but for one thing


def at(index, /, **changes):
    """Return a function that changes a block and writes the ledger anew."""

    def change(folder):
        blocks = blocks_of(folder)
        blocks[index].update(changes)
        forge(folder, blocks)

    return change


def nested(index, name, **changes):
    def change(folder):
        blocks = blocks_of(folder)
        blocks[index][name].update(changes)
        forge(folder, blocks)

    return change


def without(index, name):
    def change(folder):
        blocks = blocks_of(folder)
        del blocks[index][name]
        forge(folder, blocks)

    return change


def flipped(place, want):
    """Return a function that changes a byte of the last line, which the tree does not cover."""

    def change(folder):
        lines = lines_of(folder)
        lines[-1] = lines[-1][:place] + want + lines[-1][place + 1 :]
        store(folder, lines)

    return change


def spelled(folder):
    forge(folder, blocks_of(folder), spell=lambda block: json.dumps(block, sort_keys=True).encode())


def unchained(folder):
    blocks = blocks_of(folder)
    blocks[2]["prev"] = "1" * 64
    forge(folder, blocks, chained=False)


def doubly(folder):
    """Reverse a block twice: its slot was recorded anew in between."""
    ledger.commit(folder, [record(0, energy=11)], correct=True)
    blocks = blocks_of(folder)
    forge(folder, [*blocks, {**blocks[3], "index": 5}])


def reversing(**changes):
    def change(folder):
        blocks = blocks_of(folder)
        after = {**block_schema.reversal(blocks[1], "otonari"), "index": 3, **changes}
        if "totals" in changes:
            after["totals"] = {**block_schema.reversal(blocks[1], "otonari")["totals"], **changes["totals"]}
        forge(folder, [*blocks, after])

    return change


def rotated(signer):
    """Return a function that hands a signed ledger over to OTHER, endorsed by whom it may."""

    def change(folder):
        shutil.rmtree(folder)
        make(folder, signer=KEY)
        blocks = blocks_of(folder)
        after = {
            **block_schema.rotation(block_schema.VERSION, "street", str(OTHER.key), "AAAA", "otonari"),
            "index": 3,
        }
        after["prev"] = lines_of(folder)[2][-67:-3].decode()
        text = block_schema.handover(after, str(KEY.key))
        after["endorsement"] = signer.sign(text).split()[-1] if signer else "AAAA"
        forge(folder, [*blocks, after], OTHER)

    return change


def own(text):
    """Return a function that writes another checkpoint."""

    def change(folder):
        (folder / checkpoints.OWN).write_text(text(ledger.verify(folder).checkpoint()))
        (folder / checkpoints.LOG).unlink()

    return change


def unsigned(folder):
    shutil.rmtree(folder)
    make(folder, signer=KEY)
    store(folder, lines_of(folder))


def forgotten(folder):
    """Put back all public files of two commits ago, but not the keeper's folder."""
    before = contents(folder)
    ledger.commit(folder, records(3))
    ledger.commit(folder, records(4))
    for name in (ledger.NAME, checkpoints.OWN, checkpoints.LOG):
        (folder / name).write_bytes(before[name])


def late(folder):
    """Roll ledger and checkpoint back, but not the log."""
    before = contents(folder)
    ledger.commit(folder, records(3))
    for name in (ledger.NAME, checkpoints.OWN):
        (folder / name).write_bytes(before[name])
    log = (folder / checkpoints.LOG).read_bytes()
    (folder / checkpoints.LOG).write_bytes(log[log.index(b"\n\n\n") + 3 :].replace(b"\n4\n", b"\n3\n"))


def ended(folder):
    with (folder / checkpoints.LOG).open("ab") as file:
        file.write(b"something else")


def beheaded(folder):
    """Take the checkpoint away, but not the log, which a crash had cut off."""
    (folder / checkpoints.LOG).write_bytes((folder / checkpoints.OWN).read_bytes()[:10])
    (folder / checkpoints.OWN).unlink()


def shortened(folder):
    """Drop the last block and keep the checkpoint."""
    (folder / ledger.NAME).write_bytes(b"".join(lines_of(folder)[:-1]))
    (folder / checkpoints.LOG).unlink()


INSIDE = {
    "form": flipped(0, b"["),
    "hash": flipped(-67, b"G"),
    "bytes": spelled,
    "total that is missing": lambda f: forge(
        f, [{**b, "totals": {}} if "totals" in b else b for b in blocks_of(f)]
    ),
    "negative energy": nested(1, "totals", energy=-1),
    "unknown key": at(1, note="x"),
    "missing key": without(1, "results"),
    "no kind": without(1, "kind"),
    "unknown kind": at(1, kind="rumour"),
    "digest cut short": at(1, results="ab"),
    "digest of other letters": at(1, inputs="g" * 64),
    "label for a number": at(1, slot="1"),
    "number for a label": at(1, market=1),
    "market without a name": at(1, market=""),
    "version that is no number": at(1, version="2"),
    "float": at(1, slot=1.5),
    "null": at(1, slot=None),
    "slot of no length": at(1, slot_seconds=0),
    "index": at(1, index=7),
    "prev": unchained,
    "a second genesis": lambda f: forge(f, [*blocks_of(f), {**blocks_of(f)[0], "index": 3}]),
    "no genesis": lambda f: forge(f, [{**blocks_of(f)[1], "index": 0}]),
    "market": at(1, market="avenue"),
    "key of no one": at(0, key="street"),
    "key of another name": at(0, key=str(signed_note.signer("avenue", seed=b"k" * 32).key)),
    "endorsed by nobody": rotated(None),
    "endorsed by itself": rotated(OTHER),
    "rotation without a key": lambda f: forge(
        f,
        [
            *blocks_of(f),
            {
                **block_schema.rotation(block_schema.VERSION, "street", str(OTHER.key), "AAAA", "otonari"),
                "index": 3,
            },
        ],
        OTHER,
    ),
    "overlapping slot": at(1, slot_seconds=1801),
    "slot of the next": at(1, slot=SECONDS + 1800),
    "reversal of what is to come": reversing(reverses=3),
    "reversal of a reversal": doubly,
    "reversal of the genesis": reversing(reverses=0),
    "reversal of another slot": reversing(slot=SECONDS + 1800),
    "reversal of another length": reversing(slot_seconds=900),
    "reversal of another amount": reversing(totals={"money": 0}),
    "checkpoint of another origin": own(lambda c: str(c).replace("street", "avenue")),
    "checkpoint of another tree": own(lambda c: str(signed_note.Checkpoint("street", c.size, b"r" * 32))),
    "checkpoint that is not signed": unsigned,
    "checkpoint of more blocks": shortened,
    "checkpoint older than the log": late,
    "no checkpoint": beheaded,
    "checkpoint older than the keeper's folder": forgotten,
    "version of a later block": at(1, version=2),
    "clearing in the place of the genesis": lambda f: forge(f, [{**blocks_of(f)[1], "index": 0}]),
    "units of another kind": nested(0, "units", energy="kWh"),
    "units of two currencies": nested(0, "units", price="1e-5 EUR/kWh"),
    "units of no currency": nested(0, "units", money="1e-6 ", price="1e-3 /kWh"),
    "units of format 3": nested(0, "units", money="micro-JPY", price="milli-JPY/kWh"),
    "units of another scale": nested(0, "units", money="1e-8 JPY"),
    "money of another currency": at(1, money="1e-6 KRW"),
    "money of another scale": at(1, money="1e-8 JPY"),
    "money with a control character": at(1, money="1e-6 J\\u001bY"),
    "genesis of format 3": at(0, version=3),
    "units that are none": at(0, units="Wh"),
    "slot before all time": at(1, slot=-1),
    "slot after all time": at(1, slot=2**37),
    "slot of a century": at(2, slot_seconds=2**31),
    "energy of nobody": at(1, leaves=0),
    "line of more than a mebibyte": at(1, software="x" * 2**20),
    "log that ends otherwise": ended,
}


@pytest.mark.parametrize("case", INSIDE)
def test_a_ledger_that_contradicts_itself_is_seen(book, case):
    assert ledger.verify(book).count == 3
    INSIDE[case](book)
    refused(book, ledger.LedgerTampered)
    before = contents(book)
    with pytest.raises(ledger.LedgerTampered):
        administration.repair(book, OTHER)
    assert contents(book) == before


def test_what_an_insider_may_write(book):
    """The same tools without a contradiction give ledgers that verify: the cases above show what they say."""
    forge(book, blocks_of(book))
    assert ledger.verify(book).count == 3
    reversing()(book)
    assert ledger.verify(book).reversed == {1}
    rotated(KEY)(book)
    assert ledger.verify(book, pinned=[KEY.key]).keys == [KEY.key, OTHER.key]


def test_a_signature_that_is_there_twice_is_found(signed):
    note = signed / checkpoints.OWN
    note.write_bytes(note.read_bytes() + note.read_bytes().splitlines(True)[-1])
    with pytest.raises(ledger.LedgerTampered, match="a signature twice"):
        ledger.verify(signed, pinned=[KEY.key])


def test_another_version_is_not_read(book):
    for version in (2, 6):
        at(0, version=version)(book)
        with pytest.raises(ledger.LedgerError, match=f"format version {version}, want 3 or 4 or 5") as caught:
            ledger.verify(book)
        assert not isinstance(caught.value, ledger.LedgerTampered)


def test_an_error_says_where_and_what(book):
    good = lines_of(book)
    (book / ledger.NAME).write_bytes(good[0] + good[1].replace(b'"energy":10', b'"energy":11') + good[2])
    error = refused(book, ledger.LedgerTampered)
    assert (error.index, error.field) == (1, "hash")
    assert error.got == good[1][-67:-3].decode()
    assert len(error.want) == 64


# mutation: without any one check some of the cases above pass


TABLES = {
    "LINE_CHECKS": chain.LINE_CHECKS,
    "BLOCK_CHECKS": chain.BLOCK_CHECKS,
    "CHECKPOINT_CHECKS": checkpoints.CHECKPOINT_CHECKS,
    "END_CHECKS": checkpoints.END_CHECKS,
}


@pytest.mark.parametrize(("table", "check"), [(t, c) for t, checks in TABLES.items() for c in checks])
def test_no_check_can_be_spared(book, tmp_path, monkeypatch, table, check):
    good = {
        case: copy_of(book, tmp_path / f"made {n}", change) for n, (case, change) in enumerate(INSIDE.items())
    }
    monkeypatch.delitem(TABLES[table], check)
    seen = {case for case, folder in good.items() if tampered(folder)}
    assert seen < set(INSIDE)


def test_no_spelling_can_be_spared(book, monkeypatch):
    spelled(book)
    monkeypatch.setattr(canonical_json, "parse", json.loads)
    assert ledger.verify(book).count == 3


def test_no_pin_can_be_spared(signed):
    """The pinned key is the only thing that tells a ledger of another key, and of another witness, apart."""
    assert not tampered(signed)
    refused(signed, ledger.LedgerTampered, pinned=[OTHER.key])


def copy_of(folder, copy, change):
    shutil.copytree(folder, copy)
    change(copy)
    return copy


def tampered(folder):
    try:
        ledger.verify(folder)
    except ledger.LedgerTampered:
        return True
    except Exception:  # a missing check may well end in a crash
        return False
    return False
