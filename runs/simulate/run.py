"""Days that roll on: a simulation of many days from a scenario to a stored run, slot by slot into the ledger."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ...data.inputs import deferred_dask  # noqa: F401 - before Datasets
from ...data.loading.scenario import digest, effective
from ...model.lp import deferred_scipy  # noqa: F401 - before SciPy
from .. import archive, markets
from ..ledger import ledger
from ..version import version
from . import journal
from .loop import Options, Simulation, State
from .results import account
from .slot_closing import Closing
from .timeline import Timeline, timeline

WINDOW_HOURS = 24.0
WARM_UP_DAYS = 14
Progress = Callable[[int, int], None]


def simulate(line: Timeline, options: Options, state: State | None = None) -> xr.DataTree:
    """Simulate a timeline to its end, settle and check it.

    Returns
    -------
    DataTree
        Groups ``inputs``, ``results``, ``trades`` and ``settlement`` over all slots; ``forecast`` where agents do not
        know what comes, ``order_book`` of an exchange.

    Raises
    ------
    SolveError
        If the participants cannot plan, or the devices cannot do what they must.
    CheckError
        If the realised results contradict the inputs.
    """
    simulation = Simulation(line, options, state)
    while not simulation.done:
        simulation.step()
    return account(line, simulation.state, options)


def run(
    source: Any,
    days: int,
    mode: str = "exchange",
    *,
    overrides: Sequence[str] = (),
    warm_up: int = WARM_UP_DAYS,
    seed: int = 0,
    futures: int = 1,
    output: Path | None = None,
    directory: Path | None = None,
    record: bool = True,
    key: Path | None = None,
    progress: Progress = lambda done, slots: None,
    stop: Callable[[int], bool] = lambda done: False,
) -> archive.Outcome | None:
    """Simulate days of a scenario and keep the run; go on where an interrupted one of the same identity stopped.

    Each slot is checked as it closes, written into the journal beside the run file, and committed to the ledger.

    Parameters
    ----------
    source : str, path or mapping
        Bundled name, scenario file or folder, or an effective scenario.
    days : int
        Local days from the scenario's start on.
    mode : {"exchange", "co-optimized", "alone"}
        Agents' orders on an exchange, the community co-optimized anew at each slot, or each participant without peers,
        which no ledger records.
    overrides : sequence of str
        ``key.path=value`` each.
    warm_up : int
        Days before the first one that forecasts learn from; fewer where measured files do not reach so far.
    seed : int
        Of who comes first of those who place orders at once, and of futures.
    futures : int
        For so many the co-optimized community plans at each slot; 1: for what is expected.
    output : path, optional
        Run file (default ``runs-out/<scenario>/<mode>.nc``, of a what-if ``<mode>-<hash>.nc``).
    directory, record, key
        Of the ledger, as for :func:`runs.single.run`; without a market id of the scenario's own, each simulation with
        other options has its own ledger.
    progress : callable
        Told how many slots are done, of how many.
    stop : callable
        Asked after each slot, with how many are done; if it says so, the simulation stops there, to be gone on with.

    Returns
    -------
    Outcome or None
        None if it was stopped.

    Raises
    ------
    InputError, SolveError, CheckError, LedgerError, RunFileError
        As :func:`runs.single.run`.
    """
    begin = time.perf_counter()
    scenario, line = timeline(source, days, warm_up, overrides)
    markets.require_marginal(scenario, "a simulation: its trades have the prices at which they were made")
    hours = float(line.inputs["slot_hours"].values[0])
    options = Options(
        mode=mode,
        window=round(WINDOW_HOURS / hours),
        rules=markets.rules(scenario.exchange),
        weight=scenario.exchange.learning_weight,
        seed=seed,
        futures=futures,
    )
    first = Simulation(line, options).state  # refuses what agents cannot do before anything is written
    hash_ = digest(scenario)
    output = output or archive.default_path(scenario.name, mode, bool(overrides), hash_)
    what = {"scenario": hash_, "options": options.stated(), "warm_up": line.known, "timeline": line.hash}
    own = _sha256(what)
    names = _named(scenario, mode, hash_, own)
    book = (
        (directory or ledger.beside(output, scenario.market_id, own))
        if record and mode != markets.ALONE
        else None
    )
    closing = Closing(line.inputs, {"market": mode, **names}, book, key)
    identity = what | {"version": version(), "journal": journal.FORMAT}
    place = output.with_name(f"{output.stem}.{_sha256(identity)[:8]}.journal")
    with journal.opened(place, json.dumps(identity, sort_keys=True)) as written:
        simulation = Simulation(line, options, written.replay(first))
        if not _finished(simulation, written, closing, progress, stop):
            return None
        tree = account(line, simulation.state, options)
        tree.attrs = names | tree.attrs
        tree.attrs |= {"warm_up_slots": line.known, "clear_seconds": time.perf_counter() - begin}
        outcome = closing.keep(tree, output)
        place.unlink()
    return outcome


def _finished(
    simulation: Simulation,
    written: journal.Journal,
    closing: Closing,
    progress: Progress,
    stop: Callable[[int], bool],
) -> bool:
    """Simulate to the end, slot by slot: checked, written down, committed; return False if told to stop before."""
    slots = simulation.timeline.inputs.sizes["time"]
    if simulation.state.slot:
        closing.commit(closing.check(simulation.state, 0))
    while not simulation.done:
        simulation.step()
        closed = closing.check(simulation.state, simulation.state.slot - 1)
        written.add(simulation.state)
        closing.commit(closed)
        progress(simulation.state.slot, slots)
        if stop(simulation.state.slot) and not simulation.done:
            return False
    return True


def _sha256(what: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _named(scenario: Any, mode: str, hash_: str, own: str) -> dict[str, Any]:
    """Return the attributes that say what a run is of; ``own`` is the hash of all that decides its result."""
    return {
        "title": f"{scenario.name}: {scenario.time.days} days, {mode}",
        "scenario": scenario.name,
        "scenario_hash": hash_,
        "market_id": scenario.market_id or f"{scenario.name}@{own}",
        "scenario_definition": json.dumps(effective(scenario), ensure_ascii=False),
    }
