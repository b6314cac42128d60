"""The state of a ledger: in which condition files are, and which steps lead from one condition to another."""

import pytest

from otonari.runs.ledger import checkpoints, ledger, reader, state
from otonari.runs.ledger.format import chain
from otonari.runs.ledger.state import Condition

from .books import KEY, OTHER, SECONDS, blocks_of, contents, cut_short, head_of, make, record, records


def read(book, slots=range(0)):
    return reader.read(book, slots.__contains__, whole_log=True)


@pytest.fixture
def unvouched(tmp_path):
    """Return a ledger with one block beyond its checkpoint."""
    book = make(tmp_path / "book", signer=KEY)
    return cut_short(book, lambda: ledger.commit(book, [record(2)], signer=KEY))


@pytest.fixture
def torn(unvouched):
    """Return a ledger that ends inside the second one of two blocks beyond its checkpoint."""
    data = (unvouched / state.NAME).read_bytes()
    (unvouched / state.NAME).write_bytes(data + data[:20])
    return unvouched


# conditions


def test_there_is_no_ledger(tmp_path):
    known = read(tmp_path)
    assert (known.condition, known.begun, known.vouched) == (Condition.EMPTY, False, 0)
    assert str(known.note) == ""


def test_a_ledger_is_unread_until_its_last_block_is_counted(tmp_path):
    book = make(tmp_path / "book")
    known = state.LedgerState(book)
    for block in reader.walk(known):
        assert (known.condition, known.summary.count) == (Condition.UNREAD, block["index"] + 1)
    assert known.condition is Condition.SETTLED
    known.require_settled()


def test_what_is_not_settled_says_what_is_to_be_repaired(tmp_path, torn):
    (tmp_path / state.NAME).touch()
    cases = {
        tmp_path: (Condition.EMPTY, "it is empty"),
        torn: (Condition.TORN, "it ends inside block 4, after 20 bytes of it"),
    }
    for folder, (condition, text) in cases.items():
        known = read(folder)
        assert known.condition is condition
        with pytest.raises(ledger.LedgerTorn) as caught:
            known.require_settled()
        assert str(caught.value) == f"{folder / state.NAME}: {text}; see `otonari ledger repair`"


@pytest.mark.parametrize(
    ("gone", "text"), [(False, "1 blocks beyond the checkpoint"), (True, "3 blocks without a checkpoint")]
)
def test_blocks_without_a_checkpoint(tmp_path, gone, text):
    book = tmp_path / "book"
    if gone:
        cut_short(book, lambda: make(book))
    else:
        cut_short(make(book), lambda: ledger.commit(book, [record(2)]))
    known = read(book)
    assert known.condition is Condition.UNVOUCHED
    assert text in str(known.torn())
    blocks = blocks_of(book)[known.vouched :]
    assert list(known.unvouched.values()) == blocks
    assert list(known.unvouched)[-1] == known.summary.head == head_of(book)


# from one condition to another


def test_a_torn_end_is_set_aside_and_the_rest_is_vouched_for(torn):
    data, known = (torn / state.NAME).read_bytes(), read(torn)
    target = known.set_aside_torn_end()
    assert (target.name, target.read_bytes()) == (f"{state.NAME}.0.torn", data[:20])
    assert known.condition is read(torn).condition is Condition.UNVOUCHED
    known.vouch(KEY)
    assert known.condition is read(torn).condition is Condition.SETTLED
    assert known.unvouched == {}
    assert str(known.note) == (torn / checkpoints.OWN).read_text(encoding="utf-8")


def test_a_torn_end_is_completed_by_just_its_lines(tmp_path):
    book = make(tmp_path / "book", signer=KEY)
    whole = make(tmp_path / "whole", signer=KEY)
    ledger.commit(book, [record(2)], signer=KEY)
    line = (book / state.NAME).read_bytes().splitlines(keepends=True)[-1]
    for cut in (b"", line[:30], line[:-1]):
        (whole / state.NAME).write_bytes((whole / state.NAME).read_bytes() + cut)
        known = read(whole)
        assert known.continued_by(line)
        assert known.continued_by(b"{" + line) == (not cut)
        (whole / state.NAME).write_bytes((whole / state.NAME).read_bytes().removesuffix(cut))


def test_appending_needs_a_checkpoint_of_all_that_is_there(unvouched):
    known, before = read(unvouched), contents(unvouched)
    lines, after = chain.extend([blocks_of(unvouched)[1] | {"slot": SECONDS + 90_000}], known.summary)
    with pytest.raises(AssertionError):
        known.append(lines, [], after, KEY)
    assert contents(unvouched) == before
    known.vouch(KEY)
    known.append(lines, [], after, KEY)
    assert known.condition is read(unvouched).condition is Condition.SETTLED
    assert known.summary.count == ledger.verify(unvouched).count == 5


def test_no_step_is_taken_from_a_wrong_condition(tmp_path):
    book = make(tmp_path / "book")
    before = contents(book)
    with pytest.raises(AssertionError):
        read(book).set_aside_torn_end()
    unread = state.LedgerState(book)
    for step in (unread.complete_log, lambda: unread.vouch(None), lambda: unread.append(b"", [], None, None)):
        with pytest.raises(AssertionError):
            step()
    assert contents(book) == before


def test_a_log_that_a_crash_cut_off_is_completed(tmp_path):
    book = make(tmp_path / "book", signer=KEY)
    log = book / checkpoints.LOG
    whole = log.read_bytes()
    for cut in (len(whole), 1, 40):
        log.write_bytes(whole[:-cut])
        read(book).complete_log()
        assert log.read_bytes() == whole


# what a state knows of slots and keys


def test_clearings_in_force_of_the_slots_in_question(tmp_path):
    book = make(tmp_path / "book", count=3)
    for energy in (11, 12):
        ledger.commit(book, records(2, energy=energy), correct=True)
    second = SECONDS + 1800
    found = read(book, range(second, second + 3600)).clearings
    assert {slot: block["totals"]["energy"] for slot, block in found.unreversed.items()} == {
        second: 12,
        second + 1800: 10,
    }
    assert dict(found.reversals) == {second: 2}


def test_only_the_key_of_the_ledger_signs(tmp_path):
    signed, unsigned = make(tmp_path / "signed", signer=KEY), make(tmp_path / "unsigned")
    state.require_signer(read(signed).summary, KEY)
    state.require_signer(read(unsigned).summary, None)
    for book, signer in ((signed, OTHER), (signed, None), (unsigned, KEY)):
        with pytest.raises(ledger.LedgerError, match="key: got"):
            state.require_signer(read(book).summary, signer)


def test_a_fingerprint_tells_that_a_file_was_written(tmp_path):
    book = make(tmp_path / "book")
    before = state.fingerprint(book)
    assert state.fingerprint(book) == before
    for name in (state.NAME, checkpoints.OWN, checkpoints.LOG):
        data = (book / name).read_bytes()
        (book / name).write_bytes(data + b" ")
        assert state.fingerprint(book) != before
        (book / name).write_bytes(data)
    (book / checkpoints.LOG).unlink()
    assert len(state.fingerprint(book)) == 2
