"""Power, prices and intensities of files as means over slots: units, gaps and odd values resolved, energy preserved."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..files.file_format import UNITS, FileFormat
from ..problems import InputError, Problem, several
from . import filling
from .plausibility import oddities
from .readings import Readings, Span, read_meters, read_readings
from .reference_year import in_years_of
from .resampling import gaps, mean_over_slots, near, span

SMALL_NEGATIVE = 0.01
"""Negative readings down to this share of a column's largest reading are an instrument's offset (assumption):
clipped to zero and noted. Larger ones are a problem."""

ZERO_RUN_HOURS = {"demand": 3.0, "any": 24.0, "limit": np.inf}
"""Exact zeros for this long look like missing readings (assumption): used as they are, and noted. A home draws
something at any hour, while PV rests at night, and a limit may be 0."""


def read_power(
    path: str | Path,
    columns: Sequence[str],
    fmt: FileFormat,
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    installed_kw: float | Sequence[float] | np.ndarray | None = None,
    quantity: str = "any",
    holes: bool = False,
    strict: bool = False,
    filled: dict[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return the mean power of the slots (column, time) [kW], and notes on what was odd in the file.

    Power is constant within a reading's interval: the energy of a slot is the sum over the parts of intervals
    that it covers, so any ratio of step to slot preserves energy.

    Parameters
    ----------
    path
        The file; named in problems and notes as it is written here.
    columns
        Names in the header, in the order of the result; a name may recur.
    fmt
        How the file writes its readings.
    times
        Starts of the slots, naive UTC (time,).
    slot_hours
        Lengths of the slots, one or (time,) [h].
    installed_kw
        Installed power, one or (column,), for the unit ``W/kW`` [kW].
    quantity
        ``demand``, ``any`` or ``limit``: how long a run of exact zeros is noted (``ZERO_RUN_HOURS``); a limit is no
        reading, so that nothing of it is odd.
    holes
        Whether gaps and empty cells are left as NaN instead of being problems.
    strict
        Whether what is hardly possible (:func:`plausibility.oddities`) is a problem, not a note.
    filled
        Where it is given, column -> which slots (time,) ``gaps`` filled is added to it.

    Raises
    ------
    InputError
        Every problem of the file: gaps and empty cells within the slots, stamps twice or out of order, text
        that is no number, negative power beyond ``SMALL_NEGATIVE``, and what :func:`readings.read_readings` names.
    """
    without = _without_installed(str(path), fmt, installed_kw)
    meters = read_meters(path, columns, fmt, without, _horizon(fmt, times, slot_hours))
    if len(meters) == 1 and meters[0].columns == tuple(columns):
        return power_over_slots(meters[0], times, slot_hours, installed_kw, quantity, holes, strict, filled)
    power = np.zeros((len(columns), len(times)))
    notes: list[str] = []
    problems: list[Problem] = []
    installed = np.broadcast_to(
        np.asarray(np.nan if installed_kw is None else installed_kw, dtype=float), len(columns)
    )
    for meter in meters:
        for c in [n for n, column in enumerate(columns) if column == meter.columns[0]]:
            peak = None if installed_kw is None else float(installed[c])
            try:
                power[c], found = power_over_slots(
                    meter, times, slot_hours, peak, quantity, holes, strict, filled
                )
                notes += found
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)
    return power, list(dict.fromkeys(notes))


def _horizon(fmt: FileFormat, times: pd.DatetimeIndex, slot_hours: float | np.ndarray) -> Span | None:
    """Return begin and end of the slots, outside of which rows do not matter; none for a reference year."""
    if not len(times) or fmt.reference_year:
        return None
    last = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))[-1]
    return times.to_numpy()[0], times.to_numpy()[-1] + span(float(last))


def power_over_slots(
    readings: Readings,
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    installed_kw: float | Sequence[float] | np.ndarray | None = None,
    quantity: str = "any",
    holes: bool = False,
    strict: bool = False,
    filled: dict[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return the mean power of the slots (column, time) [kW], and notes; as :func:`read_power`, of readings at hand."""
    if problems := _without_installed(readings.where, readings.fmt, installed_kw):
        raise InputError(problems)
    hours = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))
    readings = in_years_of(mean_power(readings, installed_kw), times)
    used = near(readings, times, hours)
    zeros = _zero_runs(readings, used, ZERO_RUN_HOURS[quantity])
    plain = holes or quantity == "limit"
    odd = [] if plain else list(oddities(readings, used))
    odd += _days_of_zeros(readings, used) if strict and not plain else []  # else the notes on zeros tell it
    readings, clipped, problems = _clip(readings, used)
    problems += odd if strict else []
    clipped += [] if strict else map(str, odd)
    if holes:
        means = mean_over_slots(readings, times, hours)
    else:
        means, told, lacking = _without_gaps(readings, times, hours, {} if filled is None else filled)
        clipped += told
        problems += lacking
    if problems:
        raise InputError(problems)
    notes = [f"{readings.where}: {note}" for note in readings.notes]
    return means, notes + zeros + clipped


def read_rate(
    path: str | Path,
    column: str,
    fmt: FileFormat,
    times: pd.DatetimeIndex,
    slot_hours: float | np.ndarray,
    least: float = -np.inf,
    filled: dict[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Return the mean over the slots (time,) of a quantity per energy, a price or a carbon intensity, and notes.

    A reading holds throughout its interval, and a slot has the mean over its time; nothing is converted, and the
    unit of ``fmt`` does not matter. Readings below ``least`` are problems. Parameters as of :func:`read_power`.

    Raises
    ------
    InputError
        Every problem of the file, as of :func:`read_power`.
    """
    readings = read_readings(path, [column], fmt, within=_horizon(fmt, times, slot_hours))
    hours = np.broadcast_to(np.asarray(slot_hours, dtype=float), (len(times),))
    readings = in_years_of(readings, times)
    low = near(readings, times, hours) & (readings.values[0] < least)
    too_low = [(int(r), f"{v:g}") for r, v in zip(readings.rows[low], readings.values[0, low], strict=True)]
    means, notes, lacking = _without_gaps(readings, times, hours, {} if filled is None else filled)
    if problems := [*several(readings.where, column, too_low, f"at least {least:g}"), *lacking]:
        raise InputError(problems)
    return means[0], notes


def _without_gaps(
    readings: Readings, times: pd.DatetimeIndex, hours: np.ndarray, filled: dict[str, np.ndarray]
) -> tuple[np.ndarray, list[str], list[Problem]]:
    """Return means over slots (column, time), gaps filled as the file says, notes on them, and gaps that stay."""
    means, notes = mean_over_slots(readings, times, hours), []
    if readings.fmt.gaps != "refuse":
        means, slots = filling.fill(means, readings, times, hours)
        notes = filling.notes(readings, slots, times)
        filled |= dict(zip(readings.columns, slots, strict=True))
    return means, notes, gaps(readings, times, hours) if np.isnan(means).any() else []


def _without_installed(where: str, fmt: FileFormat, installed_kw: object) -> list[Problem]:
    """Return the problem of a unit per kW installed where the installed power is unknown."""
    if installed_kw is not None or fmt.unit not in UNITS or not UNITS[fmt.unit].per_installed:
        return []
    want = f"installed power, as the unit is {fmt.unit}"
    return [Problem(where, "", "installed_kw", "nothing", want)]


def mean_power(readings: Readings, installed_kw: float | Sequence[float] | np.ndarray | None) -> Readings:
    """Return the readings as mean power [kW], by the row of their unit in ``UNITS``."""
    unit, values = UNITS[readings.fmt.unit], readings.values
    if unit.counter:
        readings = _differences(readings)
        values = readings.values
    if unit.per_installed:
        values = values * np.broadcast_to(np.asarray(installed_kw, dtype=float), (len(values),))[:, None]
    values = values / unit.per_kilo
    return replace(readings, values=values / readings.hours if unit.energy else values)


def _differences(counter: Readings) -> Readings:
    """Return the intervals between neighbouring readings of a counter; none where a row is missing."""
    counter = filling.bridged(counter)
    next_to = np.flatnonzero(np.diff(counter.starts) == counter.spans()[:-1])
    steps, told = filling.over_changes(counter, np.diff(counter.values, axis=1)[:, next_to], next_to)
    intervals = counter.chosen(next_to, counter.starts[next_to])
    return replace(intervals, values=steps, rows=counter.rows[next_to + 1], notes=(*counter.notes, *told))


def _clip(readings: Readings, used: np.ndarray) -> tuple[Readings, list[str], list[Problem]]:
    """Return the readings without small negative ones, notes on those, and the larger ones as problems."""
    notes: list[str] = []
    problems: list[Problem] = []
    for name, values in zip(readings.columns, readings.values, strict=True):
        least = -SMALL_NEGATIVE * max(np.nanmax(values, initial=0.0), 0.0)
        small = used & (values < 0) & (values >= least)
        if small.any():
            notes.append(
                f"{readings.where}: {name}: {small.sum()} small negative readings, the least "
                f"{values[small].min():g} kW, the first at row {readings.rows[small][0]}, are used as 0"
            )
        large = used & (values < least)
        negative = [(int(r), f"{v:g} kW") for r, v in zip(readings.rows[large], values[large], strict=True)]
        changed = "; a new meter? meter_changes" if UNITS[readings.fmt.unit].counter else ""
        want = f"at least 0 ({least:g} kW is taken for an offset{changed})"
        problems += several(readings.where, name, negative, want)
    return replace(readings, values=np.maximum(readings.values, 0.0)), notes, problems


def _zero_runs(readings: Readings, used: np.ndarray, least_hours: float) -> list[str]:
    """Return a note for each column with runs of exact zeros that are long enough to be missing readings."""
    notes = []
    hours = np.broadcast_to(np.asarray(readings.hours, dtype=float), readings.starts.shape)
    for name, runs in _runs_of_zeros(readings, used, least_hours):
        total = sum(float((used * hours)[a : b + 1].sum()) for a, b in runs)
        longest = max(runs, key=lambda run: run[1] - run[0])
        notes.append(
            f"{readings.where}: {name}: exactly 0 for {total:g} h of the time used, in {len(runs)} runs of "
            f"{least_hours:g} h or more (the longest: rows {readings.rows[longest[0]]} to "
            f"{readings.rows[longest[1]]}): missing readings?"
        )
    return notes


def _days_of_zeros(readings: Readings, used: np.ndarray) -> list[Problem]:
    """Return the problem of each column with exact zeros for a day or more, at the first of them."""
    problems = []
    for name, runs in _runs_of_zeros(readings, used, ZERO_RUN_HOURS["any"]):
        first, last = runs[0]
        hours = float(readings.spans()[first : last + 1].sum() / np.timedelta64(1, "h"))
        got = f"exactly 0 for {hours:g} h"
        problems.append(
            Problem(readings.where, str(readings.rows[first]), name, got, "readings (missing ones?)")
        )
    return problems


def _runs_of_zeros(
    readings: Readings, used: np.ndarray, least_hours: float
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield each column with runs of exact zeros of so many hours, as first and last positions."""
    hours = np.broadcast_to(np.asarray(readings.hours, dtype=float), readings.starts.shape)
    ends = np.append(0.0, np.cumsum(hours))
    for name, values in zip(readings.columns, readings.values, strict=True):
        zero = np.concatenate([[0], (values == 0.0).astype(int), [0]])
        first, last = np.flatnonzero(np.diff(zero) == 1), np.flatnonzero(np.diff(zero) == -1) - 1
        runs = [
            (int(a), int(b))
            for a, b in zip(first, last, strict=True)
            if ends[b + 1] - ends[a] >= least_hours - 1e-9 and used[a : b + 1].any()
        ]
        if runs:
            yield name, runs
