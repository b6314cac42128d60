"""What somebody tries who can write to the ledger's directory, or hands a household a file: none of it may help."""

import fcntl
import itertools
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from otonari.data.problems import InputError
from otonari.runs.commands import ledger as commands
from otonari.runs.ledger import (
    administration,
    checkpoints,
    durable_files,
    ledger,
    private_leaves,
    reader,
    receipts,
)
from otonari.runs.ledger.format import block_schema, chain, merkle, signed_note

from .books import (
    KEY,
    OTHER,
    SECONDS,
    WITNESS,
    account,
    blocks_of,
    contents,
    cut_short,
    forge,
    head_of,
    line,
    lines_of,
    make,
    plain,
    record,
    records,
)

PUBLIC = (ledger.NAME, checkpoints.OWN, checkpoints.LOG)


def append(folder, *blocks):
    """Append blocks as who has no key can: chained rightly, beyond the checkpoint."""
    with (folder / ledger.NAME).open("ab") as file:
        for block in blocks:
            place = {"index": len(lines_of(folder)), "prev": head_of(folder)}
            file.write(line(plain(block | place)))
            file.flush()


# what repair vouches for


def replayed(folder):
    """Append what the keeper had recorded once and taken back since: the reversal and all bytes are genuine."""
    ledger.commit(folder, [record(0, energy=11)], signer=KEY, correct=True)
    old, new = blocks_of(folder)[1], blocks_of(folder)[4]
    append(folder, block_schema.reversal(new, "otonari"), old)


def rewritten(folder):
    blocks = blocks_of(folder)
    blocks[1]["totals"]["money"] = 1
    forge(folder, blocks)
    (folder / checkpoints.OWN).unlink()


FORGED = {
    "an invented slot": lambda f: append(f, {**blocks_of(f)[2], "slot": SECONDS + 9000}),
    "a reversal": lambda f: append(f, block_schema.reversal(blocks_of(f)[1], "otonari")),
    "an earlier record": replayed,
    "all of it anew": rewritten,
}


@pytest.mark.parametrize("case", FORGED)
def test_repair_vouches_for_nothing_that_somebody_else_appended(signed, case):
    FORGED[case](signed)
    before = contents(signed)
    with pytest.raises(ledger.LedgerTorn):
        ledger.verify(signed)
    with pytest.raises(ledger.LedgerTorn, match="are not what was about to be written here") as caught:
        administration.repair(signed, KEY)
    head = head_of(signed)
    assert f"--head {head}" in str(caught.value)
    with pytest.raises(ledger.LedgerTorn, match="has the hash"):
        administration.repair(signed, KEY, "0" * 64)
    with pytest.raises(ledger.LedgerTorn):
        ledger.commit(signed, records(1, first=40), signer=KEY)
    assert contents(signed) == before
    assert administration.repair(signed, KEY, head)[0].head == head  # who looked may say so
    assert ledger.verify(signed, pinned=[KEY.key]).head == head


@pytest.mark.parametrize("lines", [1, 2, 3, 4])
def test_repair_vouches_for_the_beginning_of_what_was_to_be_written(signed, lines):
    def correct():
        ledger.commit(signed, records(2, energy=9), signer=KEY, correct=True)

    cut_short(signed, correct)
    whole = lines_of(signed)
    (signed / ledger.NAME).write_bytes(b"".join(whole[: 3 + lines]) + b'{"block":{"ha' * (lines < 4))
    summary, moved, vouched = administration.repair(signed, KEY)
    assert (summary.count, len(vouched), bool(moved)) == (3 + lines, lines, lines < 4)
    correct()
    assert ledger.verify(signed, private=True).totals["energy"] == 18
    if lines in (2, 4):
        assert ledger.verify(signed).count == 7


@pytest.mark.parametrize("lines", [1, 2, 3, 4])
def test_a_correction_that_was_cut_short_goes_on(signed, lines):
    def correct():
        return ledger.commit(signed, records(2, energy=9), signer=KEY, correct=True)

    cut_short(signed, correct)
    want = lines_of(signed)
    (signed / ledger.NAME).write_bytes(b"".join(want[: 3 + lines]))
    with pytest.raises(ledger.LedgerTorn):
        ledger.commit(signed, records(3), signer=KEY)  # something else does not
    correct()
    assert lines_of(signed) == want
    assert ledger.verify(signed, private=True).totals["energy"] == 18


def test_nothing_that_somebody_else_appended_goes_on(tmp_path):
    """A genesis that says what ours would, with the public key, is accepted only if we were to write it."""
    book = tmp_path / "book"
    book.mkdir()
    private_leaves.write_secret(book, b"s" * 32)
    first = block_schema.genesis("street", "1e-6 JPY", "not ours", str(KEY.key)) | {
        "index": 0,
        "prev": block_schema.FIRST,
    }
    (book / ledger.NAME).write_bytes(line(plain(first)))
    with pytest.raises(ledger.LedgerTorn):
        ledger.commit(book, records(2), signer=KEY)


def test_a_rotation_and_a_beginning_that_were_cut_short_are_repaired(signed, tmp_path):
    cut_short(signed, lambda: administration.rotate(signed, KEY, OTHER))
    with pytest.raises(ledger.LedgerError, match="key: got"):
        administration.repair(signed, KEY)
    assert [block["kind"] for block in administration.repair(signed, OTHER)[2]] == ["key-rotation"]
    new = tmp_path / "new"
    cut_short(new, lambda: administration.init(new, "street", currency="JPY", signer=KEY))
    assert [block["kind"] for block in administration.repair(new, KEY)[2]] == ["genesis"]
    other = tmp_path / "other"
    cut_short(other, lambda: administration.init(other, "street", currency="JPY", signer=KEY))
    assert ledger.commit(other, records(2), signer=KEY).added == 2


def test_what_was_to_be_written_once_vouches_for_nothing_else(signed):
    """A write that never got to the disk stands in leaves/; another took its place. Mixed or moved, it is nobody's."""
    before = {name: (signed / name).read_bytes() for name in PUBLIC}
    cut_short(signed, lambda: ledger.commit(signed, records(4), signer=KEY))
    third, fourth = lines_of(signed)[3:]
    for name in PUBLIC:
        (signed / name).write_bytes(before[name])
    ledger.commit(signed, [record(2, energy=9)], signer=KEY)
    (signed / ledger.NAME).write_bytes((signed / ledger.NAME).read_bytes() + fourth)
    with pytest.raises(ledger.LedgerTampered):
        administration.repair(signed, KEY)
    (signed / ledger.NAME).write_bytes(b"".join(lines_of(signed)[:-1]))
    append(signed, blocks_of(signed)[3] | {"slot": SECONDS + 1800 * 3})
    with pytest.raises(ledger.LedgerTorn):
        administration.repair(signed, KEY)
    assert third != lines_of(signed)[3]


def test_without_the_keepers_folder_nothing_is_vouched_for(signed):
    cut_short(signed, lambda: ledger.commit(signed, records(3), signer=KEY))
    shutil.rmtree(signed / "leaves")
    with pytest.raises(ledger.LedgerTorn, match="--head"):
        administration.repair(signed, KEY)


def test_a_crash_after_a_crash(signed):
    """What a crash left gets its checkpoint before anything else is written, so each tail is of one write."""
    cut_short(signed, lambda: ledger.commit(signed, records(3), signer=KEY))
    publish, calls = checkpoints.publish, []

    def twice(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return publish(*arguments)

    checkpoints.publish = twice
    try:
        with pytest.raises(KeyboardInterrupt):
            ledger.commit(signed, records(4), signer=KEY)
    finally:
        checkpoints.publish = publish
    assert [block["index"] for block in administration.repair(signed, KEY)[2]] == [4]
    assert ledger.verify(signed, private=True).slots == 4


# what the keeper's folder knows


def test_a_ledger_whose_files_are_gone_does_not_begin_again(signed):
    for name in PUBLIC:
        (signed / name).unlink()
    before = contents(signed)
    for act in (
        lambda: ledger.commit(signed, [record(5)], signer=KEY),
        lambda: administration.init(signed, "street", currency="JPY", signer=OTHER),
    ):
        with pytest.raises(ledger.LedgerError, match="is of a ledger that is not there"):
            act()
    assert contents(signed) == before
    assert (
        ledger.commit(signed, records(2), signer=KEY).added == 2
    )  # the very same commit: a crash before its lines


def test_a_second_commit_tells_that_there_was_a_checkpoint(signed):
    ledger.commit(signed, records(3), signer=KEY)
    blocks = blocks_of(signed)
    forge(signed, blocks)
    (signed / checkpoints.OWN).unlink()
    with pytest.raises(
        ledger.LedgerTampered, match=r"checkpoint: size: got 0, want 3 at least, as leaves/ has"
    ):
        ledger.verify(signed)
    for name in (ledger.NAME, *PUBLIC[2:]):
        (signed / name).unlink(missing_ok=True)
    with pytest.raises(ledger.LedgerTampered):
        ledger.commit(signed, records(3), signer=KEY)


def test_a_folder_that_somebody_planted(tmp_path):
    book = tmp_path / "book"
    (book / "leaves").mkdir(parents=True)
    (book / "leaves").chmod(0o777)
    (book / "leaves" / "secret").write_bytes(b"K" * 32)
    (book / "leaves" / "secret").chmod(0o600)
    for act in (
        lambda: administration.init(book, "street", currency="JPY"),
        lambda: ledger.commit(book, records(2)),
    ):
        with pytest.raises(ledger.LedgerError, match=r"others may use it \(mode 0777"):
            act()
    (book / "leaves").chmod(0o700)
    if os.geteuid() == 0:
        os.chown(book / "leaves", 65534, 65534)
        with pytest.raises(ledger.LedgerError, match="another user"):
            administration.init(book, "street", currency="JPY")
    assert not (book / ledger.NAME).exists()


def test_a_folder_that_is_a_link(signed, tmp_path):
    shutil.move(signed / "leaves", tmp_path / "elsewhere")
    (signed / "leaves").symlink_to(tmp_path / "elsewhere")
    for act in (
        lambda: receipts.make(signed),
        lambda: ledger.verify(signed, private=True),
        lambda: ledger.commit(signed, records(3), signer=KEY),
    ):
        with pytest.raises(ledger.LedgerError, match="symbolic link"):
            act()
    (signed / "leaves").unlink()
    (signed / "leaves").touch()
    with pytest.raises(ledger.LedgerError, match="not a directory"):
        receipts.make(signed)


# private leaves


def resealed(folder, change, **block):
    """Record a slot whose leaves or block are changed after they were made, with every hash made right."""
    made, private = private_leaves.seal(change(record(5)), private_leaves.secret(folder))
    made |= {"index": 3, "prev": head_of(folder)} | block
    data = line(plain(made))
    private_leaves.write(folder, 3, data, private)
    with (folder / ledger.NAME).open("ab") as file:
        file.write(data)
    administration.repair(folder, KEY)


def people(*changed):
    """Return a change of a record to other leaves, with their totals."""
    return lambda one: {**one, "leaves": list(changed), "totals": block_schema.totals(list(changed))}


LEAVES = {
    "leaves": (lambda one: one, {"leaves": 77}),
    "participants": (people(account("a"), account("a")), {}),
    "place of a leaf": (lambda one: {**one, "slot_seconds": 60}, {"slot_seconds": 1800}),
    "totals": (lambda one: {**one, "totals": {**one["totals"], "energy": 11}}, {}),
    "sales": (people(account("a", sales=7)), {}),
    "earned": (people(account("a", earned=7)), {}),
    "origin": (people(account("a", purchases=7, sales=7)), {}),
}


@pytest.mark.parametrize("case", LEAVES)
def test_private_leaves_that_contradict_their_block(signed, case):
    change, block = LEAVES[case]
    resealed(signed, change, **block)
    assert ledger.verify(signed).slots == 3  # who has no leaves cannot see it
    with pytest.raises(ledger.LedgerTampered) as caught:
        ledger.verify(signed, private=True)
    assert (caught.value.index, caught.value.field) == (3, case)


def test_leaves_of_another_order_or_market(signed):
    resealed(signed, people(account("b"), account("a")))
    with pytest.raises(ledger.LedgerTampered, match="participants"):
        ledger.verify(signed, private=True)


def test_a_correction_hides_whose_leaf_it_changed(signed):
    """The neighbours of who stays the same stay the same too, and no hash on any path tells."""
    before = [private_leaves.LeafFiles(signed).of_block(block) for block in blocks_of(signed)[1:]]
    other = [account("home 2", grid_in=6)]
    kept = [leaf for leaf in record(0)["leaves"] if leaf["participant"] != "home 2"]
    ledger.commit(signed, [people(*kept, *other)(record(0))], signer=KEY, correct=True)
    after = private_leaves.LeafFiles(signed).of_block(blocks_of(signed)[4])
    assert not {*after} & {*before[0]}
    assert [private_leaves.parse(x)["purchases"] for x in after] == [
        private_leaves.parse(x)["purchases"] for x in before[0]
    ]
    ledger.commit(signed, records(1), signer=KEY, correct=True)
    again = private_leaves.LeafFiles(signed).of_block(blocks_of(signed)[6])
    assert not {*again} & {*before[0], *after}
    assert ledger.commit(signed, records(2)).already == 2


def test_no_digest_can_be_guessed(signed):
    block, _ = private_leaves.seal(record(0), b"s" * 32)
    assert all(block[name] != record(0)[name] for name in ("prices", "inputs", "results"))


# receipts


def test_proofs_of_several_checkpoints_are_no_receipt(signed):
    old = receipts.make(signed, "b")["b"]
    ledger.commit(signed, [record(0, energy=11)], signer=KEY, correct=True)
    new = receipts.make(signed, "b")["b"]
    joint = "\nc2sp.org/tlog-proof@v1\n"
    mixed = old.split(joint)[0] + joint + new.split(joint)[1]
    with pytest.raises(ledger.LedgerTampered, match="checkpoint: got different ones"):
        receipts.check(mixed.encode(), [KEY.key])
    assert len(receipts.check(new.encode(), [KEY.key])) == 2


def proof_of(signer, *made, market="street", index=1):
    """Return a receipt of one slot or more, as whoever has a key can write it."""
    sealed = [private_leaves.seal({**one, "market": market}, b"s" * 32) for one in made]
    blocks = [block | {"index": index + n, "prev": block_schema.FIRST} for n, (block, _) in enumerate(sealed)]
    hashes = [merkle.leaf(b"genesis")][:index] + [merkle.leaf(plain(block)) for block in blocks]
    text = str(signed_note.Checkpoint(signed_note.origin(market), len(hashes), merkle.root(hashes)))
    note, parts = signed_note.Note(text, (signed_note.signature(signer.sign(text)),)), []
    for block, (_, private) in zip(blocks, sealed, strict=True):
        proof = receipts.Proof(private_leaves.parse(private[0]), block, note, [])
        inner = merkle.Tree(map(merkle.leaf, private)).path(0)
        parts.append(receipts._format(proof, 0, inner, merkle.Tree(hashes).path(block["index"])))
    return "\n".join(parts).encode()


def test_slots_that_overlap_are_no_receipt():
    assert len(receipts.check(proof_of(KEY, record(0), record(1)), [KEY.key])) == 2
    with pytest.raises(ledger.LedgerTampered, match="a time twice"):
        receipts.check(proof_of(KEY, record(0), record(0, slot=SECONDS + 900)), [KEY.key])


def test_a_key_of_another_market_signs_nothing_here():
    with pytest.raises(ledger.LedgerTampered, match="key: got street, want that of avenue"):
        receipts.check(proof_of(KEY, record(0), market="avenue"), [KEY.key])


def test_no_clearing_stands_where_the_genesis_does():
    with pytest.raises(ledger.LedgerTampered, match="index does not fit"):
        receipts.check(proof_of(KEY, record(0), index=0), [KEY.key])


def test_a_receipt_after_a_rotation(signed):
    """Who pinned any key of the ledger's trusts the last one, through the endorsements in the receipt."""
    third = signed_note.signer("street", seed=b"3" * 32)
    administration.rotate(signed, KEY, OTHER)
    administration.rotate(signed, OTHER, third)
    text = receipts.make(signed, "b")["b"].encode()
    for pinned in ([KEY.key], [OTHER.key], [third.key], [KEY.key, OTHER.key, third.key]):
        assert len(receipts.check(text, pinned)) == 2
    stranger = signed_note.signer("street", seed=b"x" * 32)
    with pytest.raises(ledger.LedgerTampered, match="signature"):
        receipts.check(text, [stranger.key])
    other = make(signed.parent / "other", signer=stranger)
    administration.rotate(other, stranger, third)
    with pytest.raises(ledger.LedgerTampered, match="signature"):
        receipts.check(receipts.make(other, "b")["b"].encode(), [KEY.key])


def test_a_proof_is_no_longer_than_it_may_be():
    with pytest.raises(ledger.LedgerTampered, match="size"):
        receipts.check(b"c2sp.org/tlog-proof@v1\nextra " + b"A" * chain.LONGEST, [KEY.key])


# files that are none, or too much


@pytest.mark.parametrize("name", [*PUBLIC, ".lock"])
def test_a_pipe_is_not_waited_for(signed, name):
    (signed / name).unlink()
    os.mkfifo(signed / name)
    for act in (lambda: ledger.verify(signed), lambda: ledger.commit(signed, records(3), signer=KEY)):
        with pytest.raises(ledger.LedgerError):
            act()


def test_a_temporary_file_is_always_new(tmp_path, monkeypatch):
    """Whoever plants a file under the name of a temporary one, wide open or linked to another, gets nothing."""
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    victim, planted = tmp_path / "victim", tmp_path / f".receipt.{'00' * 8}.tmp"
    victim.write_text("victim")
    os.link(victim, planted)
    with pytest.raises(ledger.LedgerError, match="File exists"):
        durable_files.replace(tmp_path / "receipt", b"private", 0o600)
    assert victim.read_text() == "victim"
    planted.unlink(missing_ok=True)
    durable_files.replace(tmp_path / "receipt", b"private", 0o600)
    assert stat.S_IMODE((tmp_path / "receipt").stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["receipt", "victim"]


def test_a_lock_file_that_is_taken_away_locks_nothing(signed):
    with (signed / ".lock").open("ab") as old:
        fcntl.flock(old, fcntl.LOCK_EX)
        lock, swapped = fcntl.flock, []

        def swap(file, how):
            if not swapped:  # another process puts a new lock file there before we hold the old one
                swapped.append(1)
                fcntl.flock(old, fcntl.LOCK_UN)
                (signed / ".lock").unlink()
                (signed / ".lock").touch()
            lock(file, how)

        fcntl.flock = swap
        try:
            with (
                durable_files.locked(signed, 1.0),
                (signed / ".lock").open() as present,
                pytest.raises(BlockingIOError),
            ):
                lock(present, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            fcntl.flock = lock


def test_a_long_torn_end_is_kept_to_its_last_byte(signed):
    size, extra = (signed / ledger.NAME).stat().st_size, chain.LONGEST * 3 + 17
    with (signed / ledger.NAME).open("r+b") as file:
        file.truncate(size + extra)
        file.seek(size + extra - 8)
        file.write(b"precious")
    with pytest.raises(ledger.LedgerTorn, match=f"after {extra} bytes"):
        ledger.verify(signed)
    _, moved, _ = administration.repair(signed, KEY)
    assert (moved.stat().st_size, moved.read_bytes()[-8:]) == (extra, b"precious")
    assert ledger.verify(signed).size == size
    with (signed / ledger.NAME).open("ab") as file:
        file.write(b"x" * extra + b"\n")
    with pytest.raises(ledger.LedgerTampered, match="at most"):
        ledger.verify(signed)


def test_a_line_takes_no_more_memory_than_it_may(signed):
    with (signed / ledger.NAME).open("ab") as file:
        file.write(line(b"[" + b"[]," * 4_000_000 + b"[]]"))
    tracemalloc.start()
    with pytest.raises(ledger.LedgerTampered, match="line: got"):
        ledger.verify(signed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * chain.LONGEST


def test_what_a_forger_wrote_does_not_steer_the_terminal(signed):
    data = (signed / ledger.NAME).read_bytes()
    (signed / ledger.NAME).write_bytes(data[:-67] + b"\x1b[2K\rgood" + data[-57:])
    with pytest.raises(ledger.LedgerTampered) as caught:
        ledger.verify(signed)
    assert str(caught.value).isprintable()
    (signed / ledger.NAME).write_bytes(data)
    text = (signed / checkpoints.OWN).read_text(encoding="utf-8").replace("street", "m\u009bgood\u202e", 1)
    (signed / checkpoints.OWN).write_text(text, encoding="utf-8")
    with pytest.raises(ledger.LedgerTampered) as caught:
        ledger.verify(signed)
    assert str(caught.value).isprintable()


def test_labels_that_are_no_text(signed, tmp_path):
    for act in (
        lambda: administration.init(tmp_path / "new", "\udcff", currency="JPY"),
        lambda: administration.init(tmp_path / "new", "street", currency="\udcff"),
        lambda: administration.init(tmp_path / "new", "street", currency=""),
        lambda: administration.keygen("\udcff", tmp_path / "key"),
        lambda: receipts.make(signed, "\udcff"),
    ):
        with pytest.raises((ledger.LedgerError, InputError), match="got"):
            act()
    assert not (tmp_path / "new").exists()


def test_a_directory_that_cannot_be_written_to_is_not_torn(signed):
    """The lines could be appended, but no checkpoint be put beside them."""
    script = f"""
import os, sys
sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
from tests.books import KEY, OTHER
from otonari.runs.ledger import administration, ledger
os.setuid(65534) if os.geteuid() == 0 else None
try:
    administration.rotate(__import__("pathlib").Path({str(signed)!r}), KEY, OTHER)
except ledger.LedgerError as error:
    print(error)
"""
    before, above = contents(signed), [p for p in signed.parents if p.stat().st_uid == os.geteuid()][:-1]
    modes = {p: p.stat().st_mode for p in above if not p.stat().st_mode & 0o001}
    if os.geteuid() == 0:
        for path in (signed, *signed.rglob("*")):
            os.chown(path, 65534, 65534)
    try:
        for path in modes:
            path.chmod(0o755)
        signed.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    finally:
        signed.chmod(0o755)
        for path, mode in modes.items():
            path.chmod(mode)
    assert "Permission denied" in done.stdout, done.stderr
    assert contents(signed) == before


# work


def test_a_correction_looks_up_its_block_at_once(tmp_path, monkeypatch):
    """Verifying a ledger in which every slot was corrected reads no more than 64 lines for each."""
    book = make(tmp_path / "book", 200, homes=2)
    ledger.commit(book, records(200, energy=9, homes=2), correct=True)
    skipped = []

    def islice(lines, start, stop):
        skipped.append(start)
        return itertools.islice(lines, start, stop)

    monkeypatch.setattr(reader, "islice", islice)
    assert ledger.verify(book).slots == 200
    assert (len(skipped), max(skipped)) == (200, 63)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 1000])
def test_proofs_of_all_leaves_take_a_hash_for_each(monkeypatch, size):
    node, calls = merkle.node, []
    monkeypatch.setattr(merkle, "node", lambda *pair: calls.append(1) or node(*pair))
    tree = merkle.Tree(merkle.leaf(b"%d" % i) for i in range(size))
    assert sum(len(tree.path(i)) for i in range(size)) <= size * size.bit_length()
    assert len(calls) == size - 1


# what is said


def test_show_prints_what_is_good_and_marks_what_has_no_checkpoint(signed):
    cut_short(signed, lambda: administration.rotate(signed, KEY, OTHER))
    told = commands.show(signed)
    rows = next(told).splitlines()
    assert [row.endswith("no checkpoint") for row in rows] == [False] * 4 + [True]
    assert "key-rotation" in rows[4]
    with pytest.raises(ledger.LedgerTorn):
        next(told)
    (signed / ledger.NAME).write_bytes(b"".join(lines_of(signed)[:2]) + b"x\n")
    told = commands.show(signed)
    assert len(next(told).splitlines()) == 3
    with pytest.raises(ledger.LedgerTampered):
        next(told)


def test_verify_says_whose_key_it_is(signed):
    def said(*keys):
        return commands.verify(signed, (), [str(key) for key in keys], private=False).text

    assert f"{KEY.key}, which you gave" in said(KEY.key)
    administration.rotate(signed, KEY, OTHER)
    administration.cosign(signed, WITNESS, [], first=True)
    assert f"{OTHER.key}, to which the key that you gave handed it over" in said(KEY.key)
    assert f"{OTHER.key}, which you gave" in said(OTHER.key)
    assert f"{OTHER.key}, which you should compare" in said(WITNESS.key)
    assert f"cosigned by {WITNESS.key}, a witness which you gave" in said(WITNESS.key)


def test_a_witness_is_not_blind(signed):
    with pytest.raises(ledger.LedgerError, match="or --first"):
        administration.cosign(signed, WITNESS, [])
    with pytest.raises(ledger.LedgerTampered, match="key"):
        administration.cosign(signed, WITNESS, [], first=True, pinned=[OTHER.key])
    assert (
        administration.cosign(signed, WITNESS, [], first=True, pinned=[KEY.key]).signatures[-1][0]
        == WITNESS.key.name
    )


def test_check_says_of_which_checkpoint_and_who_saw_it_when(signed, tmp_path):
    note = administration.cosign(signed, WITNESS, [], first=True)
    path = tmp_path / "b.tlog-proof"
    path.write_text(receipts.make(signed, "b")["b"], encoding="utf-8")
    answer = commands.check(path, [], [str(KEY.key), str(WITNESS.key)])
    _, size, root = note.text.splitlines()
    assert f"recorded when the ledger had {size} blocks, tree hash {root}" in answer.text
    assert "seen by witness.example at 2" in answer.text
    assert answer.facts["checkpoint"] == str(note)


def test_labels_too_long_for_the_name_of_a_file(tmp_path):
    book = tmp_path / "book"
    long = account("x" * 241)
    ledger.commit(book, [people(account("a"), long)(record(0))])
    paths = commands.receipt(book, None, None, None, tmp_path / "all").facts
    assert len({*paths.values()}) == 2
    assert all(len(Path(path).name.encode()) <= 255 and Path(path).stat().st_size for path in paths.values())
    assert commands.receipt(book, "x" * 241, None, None, tmp_path / "one").facts
