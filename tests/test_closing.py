"""Slots that close: each in the journal and in the ledger at once, and no crash leaves anything but the same run."""

import copy
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.model.checks.run import CheckError
from otonari.runs.ledger import checkpoints, ledger, records
from otonari.runs.simulate import journal, run, slot_closing, timeline
from otonari.runs.simulate.loop import Options, Simulation
from otonari.runs.store import atomic_file, run_file

from .disks import HOWS, Disk, Killed

pytestmark = pytest.mark.thorough

SLOTS, WARM_UP = 12, 2
LONG = "time.slot_minutes=120"
ROOT = Path(__file__).resolve().parent.parent
SECRET = b"s" * 32


@pytest.fixture(scope="module")
def line():
    """Return a day of six homes, one slot every two hours."""
    return timeline.timeline("six-kinds", 1, WARM_UP, [LONG])


@pytest.fixture
def quick(line, monkeypatch):
    """Build the inputs once only."""
    monkeypatch.setattr(run, "timeline", lambda *arguments: line)


def simulate(folder, **options):
    return run.run("six-kinds", 1, overrides=[LONG], warm_up=WARM_UP, output=folder / "run.nc", **options)


def with_secret(folder):
    """Return a ledger's folder that has a secret, and nothing else."""
    (folder / "book" / "leaves").mkdir(parents=True, mode=0o700)
    (folder / "book" / "leaves" / "secret").write_bytes(SECRET)
    (folder / "book" / "leaves" / "secret").chmod(0o600)
    return folder / "book"


def public(book):
    return {name: (book / name).read_bytes() for name in (ledger.NAME, checkpoints.OWN)}


def same(one, other):
    assert set(one.children) == set(other.children)
    for group in one.children:
        xr.testing.assert_identical(one[group].to_dataset(), other[group].to_dataset())


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """Return the folder of a run that nothing interrupted, and its tree."""
    return finished(tmp_path_factory.mktemp("calm"))


def finished(folder, **options):
    outcome = simulate(folder, directory=with_secret(folder), **options)
    assert (outcome.commit.added, outcome.commit.already) == (SLOTS, 0)
    assert sorted(path.name for path in folder.iterdir()) == ["book", "run.nc"]
    return folder, run_file.open_run(folder / "run.nc")


def alike(folder, calm):
    """Require the same run and the same ledger as that of the calm run."""
    same(run_file.open_run(folder / "run.nc"), calm[1])
    assert public(folder / "book") == public(calm[0] / "book")
    assert ledger.verify(folder / "book", private=True).slots == SLOTS
    assert not list(folder.glob("*.journal"))


def test_the_run_file_has_the_last_checkpoint(calm):
    folder, tree = calm
    summary = ledger.verify(folder / "book", private=True)
    assert (summary.count, summary.slots) == (SLOTS + 1, SLOTS)
    assert tree.attrs["ledger_head"] == summary.head
    assert tree.attrs["ledger_checkpoint"] == (folder / "book" / checkpoints.OWN).read_text()
    held = folder / "held"
    held.write_text(tree.attrs["ledger_checkpoint"])
    assert ledger.verify(folder / "book", [held]).slots == SLOTS


def test_each_slot_is_in_the_ledger_as_it_closes(tmp_path, quick):
    seen = []

    def look(done):
        seen.append((done, ledger.verify(tmp_path / "book", private=True).slots))
        return done == 5

    assert simulate(tmp_path, directory=tmp_path / "book", stop=look) is None
    assert seen == [(k, k) for k in range(1, 6)]
    assert not (tmp_path / "run.nc").exists()


def test_a_block_is_the_same_from_its_slot_and_from_the_whole_run(calm, line):
    """From the run file, from what had closed when it went on, and as the slot closed: one record."""
    tree, inputs = calm[1], line[1].inputs
    whole = records.of_run(tree)
    simulation = Simulation(line[1], Options(window=SLOTS))
    shut, again = (slot_closing.Closing(inputs, tree.attrs, None, None) for _ in range(2))
    for slot in range(6):
        simulation.step()
        assert shut.records(shut.check(simulation.state, slot)) == [whole[slot]]
    assert again.records(again.check(simulation.state, 0)) == whole[:6]
    live = [b for b in ledger.show(calm[0] / "book") if b["kind"] == "clearing"]
    assert [b["totals"] for b in live] == [r["totals"] for r in whole]
    assert len({r["inputs"] for r in whole}) == SLOTS


def test_a_slots_inputs_say_what_was_stored_and_who_departs(calm):
    inputs, results = (calm[1][g].to_dataset() for g in ("inputs", "results"))
    stored = np.concatenate([results[f"{d}_energy"].values for d in ("battery", "vehicle")])
    parts = [records.slot_inputs(inputs, stored, k, k + 1) for k in range(SLOTS)]
    xr.testing.assert_identical(records.slot_inputs(inputs, stored, 0, SLOTS), inputs)
    trips = [trip for part in parts for trip in part["trip"].values]
    assert sorted(trips) == sorted(inputs["trip"].values)
    for k, part in enumerate(parts):
        assert part["time"].values.tolist() == inputs["time"].values[k : k + 1].tolist()
        for device in ("battery", "vehicle"):
            before = results[f"{device}_energy"].values[:, k - 1] if k else inputs[f"{device}_initial_energy"]
            np.testing.assert_array_equal(part[f"{device}_initial_energy"], before)
        departs = part["trip_departure"].values
        end = part["time"].values + np.timedelta64(2, "h")
        assert ((departs >= part["time"].values) & (departs < end)).all()


@pytest.mark.parametrize(
    ("name", "place", "check"),
    [("net", 0, "participant balance"), ("energy", 1, "energy"), ("charge", 0, "energy|limit|balance")],
)
def test_a_slot_that_contradicts_its_inputs_is_not_committed(
    tmp_path, quick, monkeypatch, name, place, check
):
    step = Simulation.step

    def wrong(self):
        step(self)
        if self.state.slot == 4:
            getattr(self.state.realised, name)[place, 3] += 0.5

    monkeypatch.setattr(Simulation, "step", wrong)
    with pytest.raises(CheckError, match=check):
        simulate(tmp_path, directory=tmp_path / "book")
    assert ledger.verify(tmp_path / "book").slots == 3
    monkeypatch.setattr(Simulation, "step", step)
    assert simulate(tmp_path, directory=tmp_path / "book", stop=lambda done: done == 5) is None
    assert ledger.verify(tmp_path / "book").slots == 5


def test_a_trade_that_nobody_metered_is_not_committed(tmp_path, quick, monkeypatch):
    step = Simulation.step

    def wrong(self):
        step(self)
        if len(self.state.deals[-1].energy):
            self.state.deals[-1].fee[0] += 1.0

    monkeypatch.setattr(Simulation, "step", wrong)
    with pytest.raises(CheckError, match="trade fee"):
        simulate(tmp_path, directory=tmp_path / "book")


# going on


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
def test_a_run_that_stops_anywhere_goes_on_with_the_same_result(tmp_path, quick, calm, mode):
    if mode != "exchange":
        calm = finished(tmp_path / "calm", mode=mode)
    broken, seen = tmp_path / "broken", []
    book = with_secret(broken)
    for at in (1, 5, SLOTS - 1):
        assert simulate(broken, directory=book, mode=mode, stop=lambda done, at=at: done >= at) is None
        assert ledger.verify(book).slots == at
    outcome = simulate(broken, directory=book, mode=mode, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(SLOTS, SLOTS)]
    assert (outcome.commit.added, outcome.commit.already) == (1, SLOTS - 1)
    alike(broken, calm)


def test_without_a_ledger_it_goes_on_too_and_with_one_again(tmp_path, quick, calm):
    assert simulate(tmp_path, record=False, stop=lambda done: done == 7) is None
    seen = []
    assert simulate(tmp_path, record=False, stop=lambda done: seen.append(done) or done == 9) is None
    assert seen == [8, 9]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".journal"]
    assert simulate(tmp_path, directory=with_secret(tmp_path)).commit.added == SLOTS
    alike(tmp_path, calm)


def test_the_same_simulation_again_commits_nothing_new(tmp_path, quick, calm):
    shutil.copytree(calm[0], tmp_path / "again")
    outcome = simulate(tmp_path / "again", directory=tmp_path / "again" / "book")
    assert (outcome.commit.added, outcome.commit.already, outcome.kept) == (0, SLOTS, None)
    alike(tmp_path / "again", calm)


def test_other_options_have_their_own_journal_and_conflict_in_the_same_ledger(tmp_path, quick):
    book = tmp_path / "book"
    assert simulate(tmp_path, directory=book, stop=lambda done: done == 4) is None
    with pytest.raises(ledger.LedgerConflict, match="several markets"):
        simulate(tmp_path, directory=book, seed=5)
    assert simulate(tmp_path, mode="co-optimized", stop=lambda done: done == 3) is None  # a ledger of its own
    assert len(list(tmp_path.glob("*.journal"))) == 3
    assert len(list(tmp_path.glob("ledger-*"))) == 1
    assert simulate(tmp_path, directory=book).commit.already == 4


def test_another_result_of_the_same_slots_conflicts(tmp_path, quick, monkeypatch):
    simulate(tmp_path, directory=tmp_path / "book", stop=lambda done: done == 4)
    monkeypatch.setattr(run, "version", lambda: "0.0.9")
    values = run.Simulation.__init__

    def another(self, line, options, state=None):
        values(self, line, replace(options, mode="co-optimized"), state)

    monkeypatch.setattr(run.Simulation, "__init__", another)
    with pytest.raises(ledger.LedgerConflict):
        simulate(tmp_path, directory=tmp_path / "book")
    assert ledger.verify(tmp_path / "book").slots == 4
    assert len(list(tmp_path.glob("*.journal"))) == 2  # that of the other version is still there


# the journal


def test_the_journal_holds_the_whole_state(tmp_path, line):
    simulation = Simulation(line[1], Options(window=6))
    path = tmp_path / "x.journal"
    with journal.opened(path, "one") as written:
        begin = copy.deepcopy(written.replay(simulation.state))
        for _ in range(8):
            simulation.step()
            written.add(simulation.state)
        with pytest.raises(ledger.LedgerLocked, match=r"x\.journal"), journal.opened(path, "one"):
            pass
    with journal.opened(path, "one") as again:
        found = again.replay(copy.deepcopy(begin))
    assert list(found.books) == list(simulation.state.books)
    for field in fields(found):
        if field.name not in ("deals", "basis"):
            np.testing.assert_equal(getattr(found, field.name), getattr(simulation.state, field.name))
    np.testing.assert_equal(vars(found.basis), vars(simulation.state.basis))
    for one, other in zip(found.deals, simulation.state.deals, strict=True):
        np.testing.assert_equal(one._asdict(), other._asdict())
    with journal.opened(path, "another") as other:
        assert other.replay(copy.deepcopy(begin)).slot == 0


@pytest.mark.parametrize("cut", [1, 30, 3000])
def test_a_journal_goes_on_from_its_last_whole_line(tmp_path, line, cut):
    simulation = Simulation(line[1], Options(window=6))
    begin, path = copy.deepcopy(simulation.state), tmp_path / "x.journal"
    with journal.opened(path, "one") as written:
        written.replay(simulation.state)
        for _ in range(4):
            simulation.step()
            written.add(simulation.state)
    whole = path.read_bytes()
    good = sum(map(len, whole[:-cut].splitlines(keepends=True)[:-1]))
    path.write_bytes(whole[:-cut])
    with journal.opened(path, "one") as again:
        assert again.replay(copy.deepcopy(begin)).slot == whole[:good].count(b"\n") - 1
        assert path.read_bytes() == whole[:good]
    flipped = bytearray(whole)
    second = whole.index(b"\n", whole.index(b"\n") + 1)
    flipped[second - 3] ^= 1  # in the line of the first slot: nothing after it counts
    path.write_bytes(flipped)
    with journal.opened(path, "one") as again:
        assert again.replay(copy.deepcopy(begin)).slot == 0


# crashes


def crashed(folder, start, calm, disk, at, how):
    """Go on from the slots of ``start`` until call ``at`` of the system fails, and then to the end of another slot."""
    shutil.copytree(start, folder)
    disk.fail(at, how)
    reached = False
    try:
        simulate(folder, directory=folder / "book", stop=lambda done: done == 4)
        reached = disk.count < at
    except (Killed, ledger.LedgerError, atomic_file.RunFileError):
        pass
    finally:
        disk.work()
    simulate(folder, directory=folder / "book", stop=lambda done: done >= 5)
    assert ledger.verify(folder / "book", private=True).slots == 5
    found = (folder / "book" / ledger.NAME).read_bytes()
    assert (calm[0] / "book" / ledger.NAME).read_bytes().startswith(found)
    shutil.rmtree(folder)
    return reached


@pytest.mark.parametrize(
    ("how", "every"),
    [("killed halfway", 6), *(pytest.param(how, 1, marks=pytest.mark.slow) for how in HOWS)],
)
def test_any_call_may_fail(tmp_path, quick, monkeypatch, calm, how, every):
    """Between journal and ledger, and within both: the next start goes on, and the ledger is that of the calm run."""
    start = tmp_path / "start"
    simulate(start, directory=with_secret(start), stop=lambda done: done == 3)
    disk = Disk(monkeypatch)
    for at in range(1, 200, every):
        if crashed(tmp_path / str(at), start, calm, disk, at, how):
            break
    assert 15 < at < 199


KILLED = """
import os, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.test_closing import LONG, WARM_UP, run, simulate, timeline
folder, dice = Path(sys.argv[2]), random.Random(int(sys.argv[3]))
line = timeline.timeline("six-kinds", 1, WARM_UP, [LONG])
run.timeline = lambda *arguments: line
kills = 0
while not (folder / "run.nc").exists() or list(folder.glob("*.journal")):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        simulate(folder, directory=folder / "book", progress=lambda done, of: os.write(writer, b"x"))
        os._exit(0)
    os.close(writer)
    for _ in range(dice.choice([0, 1, 1, 2, 3, 5])):
        os.read(reader, 1)
    time.sleep(dice.uniform(0, float(sys.argv[4])))
    os.kill(child, signal.SIGKILL)
    os.close(reader)
    kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(kills)
"""


def killed(folder, seed, longest):
    """Kill the simulation at random until it is done; ``longest`` seconds after so many slots."""
    with_secret(folder)
    command = [sys.executable, "-c", KILLED, str(ROOT), str(folder), str(seed), str(longest)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_kill_minus_nine(tmp_path, calm):
    assert killed(tmp_path, 1, 0.3) > 0
    alike(tmp_path, calm)


@pytest.mark.slow
def test_kill_minus_nine_many_times(tmp_path, calm):
    kills = 0
    for seed in range(10, 40):
        kills += killed(tmp_path / str(seed), seed, 0.1)
        alike(tmp_path / str(seed), calm)
    assert kills > 100


def test_a_run_that_is_killed_before_its_journal_is_gone(tmp_path, quick, monkeypatch, calm):
    book = with_secret(tmp_path)
    monkeypatch.setattr(Path, "unlink", lambda *arguments, **options: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        simulate(tmp_path, directory=book)
    monkeypatch.undo()
    seen = []
    monkeypatch.setattr(Simulation, "step", seen.append)
    assert simulate(tmp_path, directory=book).kept is None
    assert seen == []
    alike(tmp_path, calm)


def test_control_c_stops_after_the_slot_and_says_how_to_go_on(tmp_path, calm):
    book = with_secret(tmp_path)
    command = ["simulate", "six-kinds", "--days", "1", "--warm-up-days", str(WARM_UP)]
    command += ["--set", LONG, "-o", str(tmp_path / "run.nc"), "--ledger", str(book)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from otonari.cli import main; main()", *command],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (book / checkpoints.LOG).exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    done = ledger.verify(book, private=True).slots
    assert process.returncode == 130, said
    assert said == f"otonari: stopped after {done} of {SLOTS} slots; the same command goes on from there\n"
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert f"{SLOTS - done} slots committed, {done} were there already" in result.stdout
    alike(tmp_path, calm)


def test_what_is_only_learned_from_belongs_to_a_simulations_identity():
    line = timeline.timeline("six-kinds", 1, 2)[1]
    before = line.demand.copy()
    before[0, 0] += 0.1
    hosts = line.driving.hosts.copy()
    hosts[0, 0] = "nowhere"
    driving = replace(line.driving, hosts=hosts)
    assert line.hash == replace(line).hash
    assert len({line.hash, replace(line, demand=before).hash, replace(line, driving=driving).hash}) == 3
