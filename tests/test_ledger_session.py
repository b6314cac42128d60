"""Commits one after another: what is known between them, and what others may do meanwhile."""

import os
import shutil

import pytest

from otonari.runs.ledger import administration, checkpoints, ledger, reader

from .books import (
    KEY,
    OTHER,
    SECONDS,
    WITNESS,
    blocks_of,
    contents,
    cut_short,
    head_of,
    line,
    make,
    plain,
    record,
    records,
)

SLOTS = [SECONDS + 1800 * number for number in range(20)]


@pytest.fixture
def walks(monkeypatch):
    """Return a list that grows whenever the whole chain is verified by a commit."""
    found, read = [], reader.read

    def counted(*arguments, **options):
        found.append(1)
        return read(*arguments, **options)

    monkeypatch.setattr(reader, "read", counted)
    return found


@pytest.mark.parametrize("signer", [None, KEY], ids=["unsigned", "signed"])
def test_a_session_writes_what_single_commits_write(tmp_path, walks, signer):
    book = make(tmp_path / "book", count=1, signer=signer)
    other = shutil.copytree(book, tmp_path / "other")
    session = ledger.Session(book, SLOTS, signer=signer)
    walks.clear()
    for number in range(1, 6):
        done = session.commit([record(number)])
        assert (done.added, done.already) == (1, 0)
        assert done.head == ledger.verify(book, private=True).head  # others can read between two commits
        assert done.checkpoint == (book / checkpoints.OWN).read_text(encoding="utf-8")
    assert len(walks) == 1
    for number in range(1, 6):
        ledger.commit(other, [record(number)], signer=signer)
    assert contents(book) == contents(other)


def test_what_is_there_is_recognized_without_reading_it_again(tmp_path, walks):
    book = make(tmp_path / "book", count=4)
    before = contents(book)
    session = ledger.Session(book, SLOTS)
    walks.clear()
    assert [session.commit([record(k)]).already for k in range(4)] == [1] * 4
    assert contents(book) == before
    assert session.commit([record(4)]).added == 1
    assert session.commit(records(5)).already == 5
    assert len(walks) == 1
    with pytest.raises(ledger.LedgerConflict):
        session.commit([record(4, energy=9)])
    assert session.commit([record(5)]).added == 1
    assert ledger.verify(book, private=True).slots == 6


def test_a_rehearsal_writes_nothing_and_is_not_read_again(tmp_path, walks):
    book = make(tmp_path / "book", count=2)
    before, session = contents(book), ledger.Session(book, SLOTS)
    walks.clear()
    for number in range(6):
        assert session.rehearse([record(number)]).already == (number < 2)
        assert session.rehearse([record(number)]).already == (number < 2)  # it left no trace in memory either
    with pytest.raises(ledger.LedgerConflict):
        session.rehearse([record(1, energy=9)])
    assert contents(book) == before
    walks.clear()
    assert [session.rehearse([record(k)]).added for k in range(6)] == [0, 0, 1, 1, 1, 1]
    assert [session.commit([record(k)]).added for k in range(6)] == [0, 0, 1, 1, 1, 1]
    assert len(walks) == 1
    assert ledger.verify(book, private=True).slots == 6


def test_a_session_begins_a_ledger(tmp_path):
    session = ledger.Session(tmp_path / "book", SLOTS, signer=KEY)
    assert session.commit([]).added == 0
    assert session.commit([record(0, money="1e-8 EUR")]).added == 1
    summary = ledger.verify(tmp_path / "book", pinned=[KEY.key])
    assert (summary.slots, summary.units["money"]) == (1, "1e-8 EUR")


def test_another_writer_is_noticed(tmp_path, walks):
    book = make(tmp_path / "book", signer=KEY)
    session = ledger.Session(book, SLOTS, signer=KEY)
    session.commit([record(2)])
    ledger.commit(book, [record(3), record(4, energy=9)], signer=KEY)
    walks.clear()
    assert session.commit([record(3)]).already == 1
    with pytest.raises(ledger.LedgerConflict):
        session.commit([record(4)])
    ledger.commit(book, [record(4)], signer=KEY, correct=True)
    assert session.commit([record(4), record(5)]).added == 1
    administration.cosign(book, WITNESS, [], first=True)
    assert session.commit([record(6)]).added == 1
    administration.rotate(book, KEY, OTHER)
    with pytest.raises(ledger.LedgerError, match="key"):
        session.commit([record(7)])
    assert ledger.verify(book, pinned=[KEY.key]).slots == 7


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", [ledger.NAME, checkpoints.OWN])
@pytest.mark.parametrize("keeps_time", [False, True])
def test_tampering_between_two_commits_is_found(tmp_path, name, keeps_time):
    """A byte of the first line is changed in place: same size, same file, and the times put back."""
    book = make(tmp_path / "book", signer=KEY)
    session = ledger.Session(book, SLOTS, signer=KEY)
    session.commit([record(2)])
    times = os.stat(book / name)
    while os.stat(tmp_path).st_ctime_ns <= times.st_ctime_ns:  # the clock of the file system has moved on
        (tmp_path / "tick").touch()
        (tmp_path / "tick").unlink()
    flipped(book / name, 2)
    if keeps_time:
        os.utime(book / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = contents(book)
    with pytest.raises(ledger.LedgerTampered):
        session.commit([record(3)])
    assert contents(book) == before


def test_a_commit_that_failed_leaves_nothing_known(tmp_path, monkeypatch, walks):
    book = make(tmp_path / "book", signer=KEY)
    session = ledger.Session(book, SLOTS, signer=KEY)
    session.commit([record(2)])
    publish = checkpoints.publish
    monkeypatch.setattr(
        checkpoints, "publish", lambda *arguments: (_ for _ in ()).throw(ledger.LedgerError("x"))
    )
    with pytest.raises(ledger.LedgerError, match="x"):
        session.commit([record(3)])
    monkeypatch.setattr(checkpoints, "publish", publish)
    with pytest.raises(ledger.LedgerTorn):
        ledger.verify(book)
    walks.clear()
    with pytest.raises(ledger.LedgerTorn):
        session.commit([record(4)])
    assert session.commit([record(3), record(4)]).added == 1
    assert len(walks) == 2
    assert ledger.verify(book, private=True).slots == 5


def test_what_a_session_left_is_repaired_and_what_others_append_is_not(tmp_path):
    book = make(tmp_path / "book", signer=KEY)
    session = ledger.Session(book, SLOTS, signer=KEY)
    session.commit([record(2)])
    cut_short(book, lambda: session.commit([record(3)]))
    assert [block["index"] for block in administration.repair(book, KEY)[2]] == [4]
    assert session.commit([record(3)]).already == 1
    ledger.commit(book, [record(3, energy=9)], signer=KEY, correct=True)
    assert session.commit([record(3, energy=9), record(4)]).already == 1  # salted for the slot's second turn
    old = {**blocks_of(book)[4], "slot": SLOTS[9], "index": 8, "prev": head_of(book)}
    with (book / ledger.NAME).open("ab") as file:
        file.write(line(plain(old)))
    with pytest.raises(ledger.LedgerTorn, match="--head"):
        administration.repair(book, KEY)
    with pytest.raises(ledger.LedgerTorn):
        session.commit([record(5)])
