"""Back-tests of anybody's files of readings: demand, and PV under a clear sky or forecast weather."""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from .. import clock
from ..files.file_format import FileFormat
from ..forecast.power import DEMAND, PV
from ..forecast.profile import without_zero_runs
from ..generators import solar, sun
from ..problems import InputError, Problem
from ..series.calendar import calendar
from ..series.power_and_rates import power_over_slots
from ..series.readings import read_readings
from ..series.weather import COLUMNS, spread
from . import power
from .power import WARM_UP_DAYS, Report


def demand(
    path: str | Path,
    fmt: FileFormat,
    columns: Sequence[str] = (),
    holidays: str | Collection[date] = "japan",
    slot_minutes: int = 0,
    warm_up: int = WARM_UP_DAYS,
) -> Report:
    """Return the back-test of demand forecasts on a file of readings.

    Parameters
    ----------
    path, fmt
        The file, and how it is written; days are those of ``fmt.time_zone``.
    columns
        Its columns (default: all but the time).
    holidays
        As in :func:`calendar.calendar`.
    slot_minutes
        Length of the slots (default: the file's step).
    warm_up
        Days at the start that are not scored.

    Raises
    ------
    InputError
        Every problem of the file; gaps are no problem, but reported.
    """
    names, times, hours, readings, notes = _series(path, fmt, columns, slot_minutes, warm_up, "demand", None)
    days = calendar(times, hours, fmt.time_zone, holidays)
    truth = without_zero_runs(readings, round(DEMAND.missing_hours / hours))
    return _report("demand", names, truth, notes, power.demand(readings, truth, days, warm_up))


def pv(
    path: str | Path,
    fmt: FileFormat,
    columns: Sequence[str] = (),
    site: sun.Site | None = None,
    tilt: float = 20.0,
    azimuth: float = 180.0,
    weather: str | Path | None = None,
    weather_fmt: FileFormat | None = None,
    peak_kw: float | None = None,
    slot_minutes: int = 0,
    warm_up: int = WARM_UP_DAYS,
) -> Report:
    """Return the back-test of PV forecasts on a file of readings.

    Parameters
    ----------
    path, fmt, columns, slot_minutes, warm_up
        As in :func:`demand`.
    site
        Where the arrays stand; without it there is no clear sky, and the mean of the time of day stands in.
    tilt, azimuth
        How they stand [deg]; what is wrong about it is learned.
    weather, weather_fmt
        A CSV file of forecast weather (ghi, dni, dhi, temp_air), instead of the clear sky: of each slot, what was
        forecast of it on the day before.
    peak_kw
        Installed power, for readings in W/kW.
    """
    if weather is not None and site is None:
        raise InputError(
            [Problem(str(weather), "", "site", "no latitude and longitude", "where the arrays stand")]
        )
    names, times, hours, readings, notes = _series(path, fmt, columns, slot_minutes, warm_up, "any", peak_kw)
    days = calendar(times, hours, fmt.time_zone, "none")
    truth = without_zero_runs(readings, round(PV.missing_hours / hours))
    expected = None
    if site is not None:
        if weather is None:
            sky = solar.weather(times, hours, site, "clear-sky")
        else:
            sky = forecast_weather(
                weather, weather_fmt or FileFormat(time_zone=fmt.time_zone), times, hours, site
            )
        expected = solar.pv_power(times, hours, site, sky, 1.0, tilt, azimuth)[None]
        notes += _sun_notes(str(path), truth, expected, hours) if weather is None else []
    return _report("pv", names, truth, notes, power.pv(readings, truth, expected, days, warm_up))


def forecast_weather(
    path: str | Path, fmt: FileFormat, times: pd.DatetimeIndex, slot_hours: float, site: sun.Site
) -> pd.DataFrame:
    """Return forecast weather as means over the slots, as :func:`solar.weather` does.

    Raises
    ------
    InputError
        Every problem of the file, and slots that it does not cover.
    """
    readings = read_readings(path, COLUMNS, fmt)

    def clear(moments: pd.DatetimeIndex) -> pd.DataFrame:
        return solar.weather(moments, 0.0, site, "clear-sky")[["ghi", "dni", "dhi"]]

    return spread(readings, times, np.full(len(times), slot_hours), clear)


def _series(
    path: str | Path,
    fmt: FileFormat,
    columns: Sequence[str],
    slot_minutes: int,
    warm_up: int,
    quantity: str,
    peak_kw: float | None,
) -> tuple[list[str], pd.DatetimeIndex, float, np.ndarray, list[str]]:
    """Return columns, slots of whole local days, their length [h], power (column, slot) with NaN in gaps, and notes."""
    where = str(path)
    readings = read_readings(path, columns, fmt)
    span = pd.DatetimeIndex([readings.starts[0], readings.starts[-1]])
    first, last = (moment.date() for moment in clock.local(span, fmt.time_zone))
    days = (last - first).days + 1
    if days < warm_up + 2:
        got = f"readings of {days} days"
        raise InputError(
            [Problem(where, "", fmt.time_column, got, f"more than the {warm_up} that are not scored")]
        )
    minutes = slot_minutes or round(readings.shortest() * 60)
    times = clock.slots(first, days, minutes, fmt.time_zone, where)
    mean_power, notes = power_over_slots(readings, times, minutes / 60, peak_kw, quantity, holes=True)
    return list(readings.columns), times, minutes / 60, mean_power, notes


def _report(
    subject: str,
    names: list[str],
    truth: np.ndarray,
    notes: list[str],
    trials: list[tuple[str, power.Trial]],
) -> Report:
    """Return the report of trials, with the entities that were wholly measured apart."""
    known = np.flatnonzero(~np.isnan(truth).all(axis=0))
    inside = truth[:, known[0] : known[-1] + 1] if len(known) else truth
    missing = np.isnan(inside).mean(axis=1)
    whole = missing <= power.WHOLE
    groups = {"": np.ones(len(names), dtype=bool)}
    if not whole.all():
        groups[", wholly measured"] = whole
    return Report(
        subject,
        [score for horizon, trial in trials for score in power.scores(trial, horizon, groups)],
        [covered for horizon, trial in trials for covered in power.coverage(trial, horizon)],
        dict(zip(names, missing.tolist(), strict=True)),
        notes,
    )


def _sun_notes(where: str, truth: np.ndarray, expected: np.ndarray, hours: float) -> list[str]:
    """Return a note where the middle of the output moves against that of the clear sky within the year.

    The middle of four weeks is the mean time of day, weighted by power: sum(P t) / sum(P) [h].
    """
    size = 28 * round(24 / hours)
    clock_hours = (np.arange(truth.shape[1]) % round(24 / hours)) * hours
    shifts = []
    for since in range(0, truth.shape[1] - size + 1, size):
        part = np.nan_to_num(truth[:, since : since + size]).sum(axis=0)
        clear = expected[0, since : since + size]
        if part.sum() > 0 and clear.sum() > 0:
            times = clock_hours[since : since + size]
            shifts.append(float((part * times).sum() / part.sum() - (clear * times).sum() / clear.sum()))
    if not shifts or max(shifts) - min(shifts) < 0.75:
        return []
    low, high = min(shifts), max(shifts)
    return [
        f"{where}: the middle of the output moves against the sun's by {high - low:.1f} h within the year "
        f"({low:+.1f} to {high:+.1f} h): does the file keep summer time?"
    ]
