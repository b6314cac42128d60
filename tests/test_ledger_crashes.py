"""Crashes, full disks and failing calls: no acknowledged block is lost, and no bad ledger is accepted."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from otonari.runs.ledger import administration, checkpoints, durable_files, ledger

from . import counts
from .books import KEY, OTHER, blocks_of, contents, cut_short, make, record, records
from .disks import HOWS, Disk, Killed

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def recover(book, signer):
    """Do what the manual says after a crash: repair, if the ledger says so."""
    try:
        ledger.verify(book)
    except ledger.LedgerTorn:
        if (book / ledger.NAME).stat().st_size:
            administration.repair(book, signer)


def calls(how, *variant):
    """Return the places of the calls that fail: every third, others for each way of failing and each variant."""
    return counts.every_third(range(1, 100), HOWS.index(how) + sum(map(bool, variant)))


@pytest.mark.parametrize("signer", [None, KEY], ids=["unsigned", "signed"])
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("first", [True, False], ids=["first commit", "next commit"])
def test_every_call_may_fail(tmp_path, disk, how, signer, first):
    """Whichever call fails: what was acknowledged stays, and after repair the commit can be made."""
    start = tmp_path / "start"
    if not first:
        make(start, signer=signer)
    failures = 0
    for at in calls(how, first, signer):
        book = tmp_path / str(at)
        if not first:
            shutil.copytree(start, book)
        disk.fail(at, how)
        try:
            ledger.commit(book, records(4), signer=signer)
            if disk.count < at:
                break
            acknowledged = 4  # the call that failed did not matter: to make a directory that is there
        except (ledger.LedgerError, Killed):
            failures += 1
            acknowledged = 0 if first else 2
        disk.work()
        if (book / ledger.NAME).exists():
            before = (book / ledger.NAME).read_bytes()
            recover(book, signer)
            assert before.startswith((book / ledger.NAME).read_bytes())
            torn = b"".join(path.read_bytes() for path in sorted(book.glob("*.torn")))
            assert (book / ledger.NAME).read_bytes() + torn == before  # nothing is deleted
            if before:
                assert ledger.verify(book).slots >= acknowledged
        done = ledger.commit(book, records(4), signer=signer)
        assert done.added + done.already == 4
        assert ledger.verify(book, private=True).slots == 4
    assert failures > 3


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("first", [True, False], ids=["first commit", "next commit"])
def test_the_same_commit_again_mends_what_a_crash_left(tmp_path, disk, how, first):
    """Whichever call fails: the same records committed again give the ledger that a calm commit gives."""
    start, new = make(tmp_path / "start", signer=KEY), records(2 if first else 4)
    calm = shutil.copytree(start, tmp_path / "calm")
    ledger.commit(calm, new, signer=KEY)
    cut, disk.real["fsync"] = 0, lambda file: None  # it is the process that ends here, not the power
    for at in range(1, 100):
        book = tmp_path / str(at)
        if first:  # what comes after has the same secret
            (book / "leaves").mkdir(parents=True, mode=0o700)
            shutil.copy2(start / "leaves" / "secret", book / "leaves" / "secret")
        else:
            shutil.copytree(start, book)
        disk.fail(at, how)
        with contextlib.suppress(ledger.LedgerError, Killed):
            ledger.commit(book, new, signer=KEY)
            if disk.count < at:
                break
        disk.work()
        cut += (book / ledger.NAME).exists() and (book / ledger.NAME).read_bytes()[-1:] not in (b"", b"\n")
        ledger.commit(book, new, signer=KEY)
        found, want = contents(book), contents(calm)
        del want[checkpoints.LOG]  # what a crash left has a checkpoint of its own there
        assert {name: found[name] for name in want} == want
        assert ledger.verify(book, private=True).slots == len(new)
    assert at > 10
    assert cut or how != "killed halfway"


def test_a_line_cut_short_is_completed_by_nothing_else(tmp_path):
    start = make(tmp_path / "start")
    calm = shutil.copytree(start, tmp_path / "calm")
    ledger.commit(calm, records(3))
    before, whole = ((book / ledger.NAME).read_bytes() for book in (start, calm))
    for cut in (1, 200):
        book = shutil.copytree(start, tmp_path / str(cut))
        (book / ledger.NAME).write_bytes(whole[:-cut])
        for other in (records(2), [*records(2), record(2, energy=9)], [record(3)]):
            with pytest.raises(ledger.LedgerTorn, match="ends inside block 3"):
                ledger.commit(book, other)
        assert (book / ledger.NAME).read_bytes() == whole[:-cut]
        assert ledger.commit(book, records(3)).added == 1
        assert contents(book) == contents(calm)
    assert whole.startswith(before)


@pytest.mark.parametrize("how", HOWS)
def test_every_call_of_a_repair_may_fail(tmp_path, disk, how):
    start = make(tmp_path / "start", signer=KEY)
    extra = ledger.commit(shutil.copytree(start, tmp_path / "more"), records(3), signer=KEY)
    cut_short(start, lambda: ledger.commit(start, records(3), signer=KEY))
    with (start / ledger.NAME).open("ab") as file:
        file.write(b'{"block":{"half')
    for at in range(1, 100):
        book = shutil.copytree(start, tmp_path / str(at))
        before = (book / ledger.NAME).read_bytes()
        disk.fail(at, how)
        try:
            administration.repair(book, KEY)
            disk.work()
            assert disk.count < at
            break
        except (ledger.LedgerError, Killed):
            disk.work()
        administration.repair(book, KEY)
        assert ledger.verify(book).head == extra.head
        assert before.startswith((book / ledger.NAME).read_bytes())
        assert any(path.read_bytes() == b'{"block":{"half' for path in book.glob("*.torn"))
    assert at > 5


def test_repair_says_what_it_did(tmp_path):
    book = make(tmp_path / "book")
    good = contents(book)
    assert administration.repair(book)[1:] == (None, [])
    assert contents(book) == good
    for number in range(2):
        with (book / ledger.NAME).open("ab") as file:
            file.write(b"\0" * 100)
        summary, moved, vouched = administration.repair(book)
        assert (summary.count, moved, vouched) == (3, book / f"ledger.jsonl.{number}.torn", [])
        assert moved.read_bytes() == b"\0" * 100
    assert contents(book) == good | {f"ledger.jsonl.{n}.torn": b"\0" * 100 for n in range(2)}


def test_a_crash_in_the_middle_of_a_rotation(tmp_path, disk):
    for at in range(1, 100):
        book = make(tmp_path / str(at), signer=KEY)
        disk.fail(at, "killed halfway")
        try:
            administration.rotate(book, KEY, OTHER)
            disk.work()
            break
        except Killed:
            disk.work()
        try:
            signer = KEY if ledger.verify(book).keys == [KEY.key] else OTHER
        except ledger.LedgerTorn:
            whole = (book / ledger.NAME).read_bytes().endswith(b"\n") and len(blocks_of(book)) == 4
            signer = OTHER if whole else KEY
            administration.repair(book, signer)
        assert ledger.commit(book, records(3), signer=signer).added == 1
        assert ledger.verify(book, pinned=[KEY.key]).slots == 3
    assert at > 5


# kill -9


KILLED = """
import os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.books import KEY, SECONDS, record
from otonari.runs.ledger import administration, ledger
book, rounds, dice = Path(sys.argv[2]), int(sys.argv[3]), random.Random(int(sys.argv[4]))
ledger.commit(book, [record(0)], signer=KEY)
acknowledged, torn, number = 1, 0, 1
for turn in range(rounds):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        while True:
            ledger.commit(book, [record(number), record(number + 1)], signer=KEY)
            number += 2
            os.write(writer, b"x")
    os.close(writer)
    time.sleep(dice.uniform(0.002, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged += 2 * len(os.read(reader, 10**6))
    os.close(reader)
    try:
        summary = ledger.verify(book)
    except ledger.LedgerTorn:
        torn += 1
        summary = administration.repair(book, KEY)[0]
    assert summary.slots >= acknowledged, (turn, summary.slots, acknowledged)
    number = (summary.spans[-1][1] - SECONDS) // 1800
    assert summary.slots == number, "a hole"
    acknowledged = summary.slots
assert ledger.verify(book, private=True).slots == acknowledged
print(torn)
"""


def killed(folder, rounds, seed):
    command = [sys.executable, "-c", KILLED, str(ROOT), str(folder), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_kill_minus_nine(tmp_path):
    """A kill cuts a line short now and then: until one does, on a busy machine too."""
    assert any(killed(tmp_path / str(seed), 100, seed) for seed in range(7, 27))


@pytest.mark.slow
def test_kill_minus_nine_a_thousand_times(tmp_path):
    assert sum(killed(tmp_path / str(seed), 100, seed) for seed in range(10)) > 10


# disks


def test_a_full_disk(tmp_path):
    """A limit on the size of files stops the write somewhere in its middle."""
    book = make(tmp_path / "book")
    size = (book / ledger.NAME).stat().st_size
    before, limits = (book / ledger.NAME).read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    room = len(before.splitlines()[-1]) * 3 // 2  # for one block of two
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, limits[1]))
        with pytest.raises(ledger.LedgerError, match=rf"only {room} of|File too large"):
            ledger.commit(book, records(2, first=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (book / ledger.NAME).read_bytes().startswith(before)
    with pytest.raises(ledger.LedgerTorn):
        ledger.verify(book)
    assert [block["index"] for block in administration.repair(book)[2]] == [3]
    assert ledger.commit(book, records(4)).already == 3
    assert ledger.verify(book, private=True).slots == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_disk_that_is_full(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        book, number = make(tmp_path / "book", signer=KEY), 2
        with contextlib.suppress(ledger.LedgerError):
            while number < 1000:
                ledger.commit(book, records(4, first=number, homes=40), signer=KEY)
                number += 4
        assert 2 < number < 1000
        subprocess.run(["mount", "-o", "remount,size=4m", str(tmp_path)], check=True)
        recover(book, KEY)
        summary = ledger.verify(book)
        assert summary.slots >= number
        ledger.commit(book, records(4, first=number, homes=40), signer=KEY)
        assert ledger.verify(book, private=True).slots == number + 4
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_read_only_directory(tmp_path):
    """Whoever may only read can verify, and a commit fails before it writes anything."""
    book = make(tmp_path / "book")
    script = f"""
import fcntl, os, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.books import records
from otonari.runs.ledger import ledger
os.setuid(65534) if os.geteuid() == 0 else None
assert ledger.verify({str(book)!r}).slots == 2
try:
    ledger.commit({str(book)!r}, records(3))
except ledger.LedgerError as error:
    print(error)
"""
    before = contents(book)
    above = Path(tempfile.gettempdir()).resolve()
    parents = [p for p in (book, *book.parents) if p.is_relative_to(above) and p != above]
    modes = {p: p.stat().st_mode for p in parents}
    try:
        for path in parents:
            path.chmod(0o755 if path != book else 0o555)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stdout
    assert contents(book) == before


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: no faults from below")
@pytest.mark.parametrize("call", ["write", "fsync", "?rename,?renameat,?renameat2", "openat"])
def test_faults_from_below(tmp_path, call):
    """The same from outside the process: strace lets the n-th system call on these paths fail.

    A call with ``?`` need not exist: aarch64 has no ``rename``, x86-64 has all three.
    """
    script = """
import os, sys
os.urandom = bytes  # so that the temporary file has a name that strace can be told
sys.path.insert(0, sys.argv[1])
from tests.books import KEY, records
from otonari.runs.ledger import ledger
try:
    ledger.commit(sys.argv[2], records(4), signer=KEY)
except (ledger.LedgerError, OSError) as error:
    sys.exit(7)
"""
    start, seen = make(tmp_path / "start", signer=KEY), set()
    for number in (1, 2, 3, 4, 5, 6):
        book = shutil.copytree(start, tmp_path / str(number))
        traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(book), "-P", str(book / "leaves")]
        for path in (
            ledger.NAME,
            checkpoints.OWN,
            f".{checkpoints.OWN}.{bytes(8).hex()}.tmp",
            checkpoints.LOG,
        ):
            traced += ["-P", str(book / path)]
        traced += ["-e", f"inject={call}:error=EIO:when={number}"]
        command = [*traced, sys.executable, "-c", script, str(ROOT), str(book)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "ptrace" in done.stderr.lower() or "not permitted" in done.stderr.lower():
            pytest.skip(f"strace may not trace here: {done.stderr.strip()[:80]}")
        assert done.returncode in (0, 7), done.stderr
        seen.add(done.returncode)
        recover(book, KEY)
        assert ledger.verify(book).slots >= (2 if done.returncode else 4)
        ledger.commit(book, records(4), signer=KEY)
        assert ledger.verify(book, private=True).slots == 4
    assert 7 in seen


# a ledger against a list


class Book(RuleBasedStateMachine):
    """Commit, correct, crash and restart, and compare with a plain dictionary of what was acknowledged."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda file: None)
        self.disk = Disk(self.patch)
        self.folder = Path(tempfile.mkdtemp())
        self.book = self.folder / "book"
        self.known, self.count = {}, 0

    def teardown(self):
        self.patch.undo()
        shutil.rmtree(self.folder)

    @rule(slot=st.integers(0, 5), energy=st.integers(1, 3))
    def commit(self, slot, energy):
        if self.known.get(slot, energy) == energy:
            ledger.commit(self.book, [record(slot, energy=energy)], signer=KEY)
            self.known[slot] = energy
        else:
            with pytest.raises(ledger.LedgerConflict):
                ledger.commit(self.book, [record(slot, energy=energy)], signer=KEY)

    @rule(slot=st.integers(0, 5), energy=st.integers(1, 3))
    def correct(self, slot, energy):
        ledger.commit(self.book, [record(slot, energy=energy)], signer=KEY, correct=True)
        self.known[slot] = energy

    @rule(
        slots=st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
        energy=st.integers(1, 3),
        at=st.integers(1, 40),
        how=st.sampled_from(HOWS),
        correct=st.booleans(),
    )
    def crash(self, slots, energy, at, how, correct):
        """A commit that fails somewhere leaves what was there; of its own it may have recorded some slots."""
        new = [record(slot, energy=energy) for slot in slots]
        self.disk.fail(at, how)
        try:
            ledger.commit(self.book, new, signer=KEY, correct=correct)
            self.known |= dict.fromkeys(slots, energy)
        except (ledger.LedgerConflict, Killed, ledger.LedgerError):
            pass
        finally:
            self.disk.work()
        self.restart(dict.fromkeys(slots, energy), correct)

    def restart(self, tried, correct):
        if (self.book / ledger.NAME).exists():
            recover(self.book, KEY)
        if not self.recorded():  # nothing got there: another beginning is made only when that is cleared away
            for path in (self.book / "leaves").glob("00000000-*"):
                path.unlink()
        if not (self.book / ledger.NAME).exists():
            return
        found = self.recorded()
        for slot, energy in self.known.items():
            allowed = {energy, *([tried.get(slot), None] if correct and slot in tried else [])}
            assert found.get(slot) in allowed
        assert set(found) <= set(self.known) | set(tried)
        self.known = found

    def recorded(self):
        found = {}
        if not (self.book / ledger.NAME).exists() or not (self.book / ledger.NAME).stat().st_size:
            return found
        for block in ledger.show(self.book):
            if block["kind"] != "genesis":
                slot, energy = (block["slot"] - record(0)["slot"]) // 1800, block["totals"]["energy"]
                if block["kind"] == "correction":
                    assert found.pop(slot) == -energy
                else:
                    assert slot not in found
                    found[slot] = energy
        return found

    @invariant()
    def agrees(self):
        assert self.recorded() == self.known

    @precondition(lambda self: self.known)
    @rule()
    def check(self):
        summary = ledger.verify(self.book, pinned=[KEY.key], private=True)
        assert summary.totals["energy"] == sum(self.known.values())


TestBook = Book.TestCase
TestBook.settings = settings(deadline=None, max_examples=counts.examples(25), stateful_step_count=12)


def test_what_one_call_cannot_move_is_moved_by_several(tmp_path, monkeypatch):
    """Linux writes less than 2 GiB in a call, which the leaves of 105,000 homes exceed; here a call moves 100 bytes."""
    write, read = os.write, os.read

    def at_most(call):
        def moved(file, data_or_count):
            size = data_or_count if isinstance(data_or_count, int) else len(data_or_count)
            assert size <= 100
            return call(file, data_or_count)

        return moved

    calm = make(tmp_path / "calm", signer=KEY, homes=40)
    monkeypatch.setattr(durable_files, "_MOST", 100)
    monkeypatch.setattr(os, "write", at_most(write))
    book = make(tmp_path / "book", signer=KEY, homes=40)
    assert (book / ledger.NAME).read_bytes()[:100] == (calm / ledger.NAME).read_bytes()[:100]
    leaves = next((book / "leaves").glob("*.jsonl"))
    monkeypatch.setattr(os, "read", at_most(read))
    assert durable_files.read(leaves, 2**31) == leaves.read_bytes()
    monkeypatch.setattr(os, "read", read)
    assert ledger.verify(book, private=True).slots == 2
