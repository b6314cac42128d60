"""Forecasts of driving against the trips driven, day by day from local midnight."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from .. import clock
from ..files import csv_table
from ..files.strict_yaml import Location
from ..forecast.driving import VehicleForecast, vehicle_forecast
from ..forecast.driving_history import Legs, Trips, legs
from ..loading.messages import schema_problems
from ..problems import InputError, Problem
from ..schema import horizon
from ..schema.table_rows import Trip
from .power import WARM_UP_DAYS, Report, Trial, coverage, scores


def vehicle(
    path: str | Path,
    time_zone: str,
    usable_kwh: float,
    economy_km_per_kwh: float | None = None,
    holidays: str | Collection[date] = "japan",
    warm_up: int = WARM_UP_DAYS,
    separator: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8",
) -> Report:
    """Return the back-test of forecasts of driving on a table of round trips.

    Parameters
    ----------
    path
        CSV table with the columns of a scenario's trips: vehicle, departure, arrival, energy_kwh or distance_km.
    time_zone
        Zone of times without offset, and of the local day.
    usable_kwh
        Usable energy of every battery; inf for no limit [kWh].
    economy_km_per_kwh
        Turns distances into energy.
    holidays, warm_up
        As in :func:`files.demand`.
    separator, decimal, encoding
        How the table is written.

    Raises
    ------
    InputError
        Every problem of the table: its shape, its cells, trips that overlap.
    """
    clock.zone(time_zone, str(path))
    names, trips = _trips(path, time_zone, economy_km_per_kwh, (separator, decimal, encoding))
    usable = np.full(len(names), usable_kwh)
    return report(names, trips, usable, time_zone, holidays, warm_up, str(path))


def report(
    names: Sequence[str],
    trips: Trips,
    usable_kwh: np.ndarray,
    time_zone: str,
    holidays: str | Collection[date],
    warm_up: int,
    where: str = "trips",
) -> Report:
    """Return the back-test: electric energy of each day beside plain rules, chance to drive, departures and returns.

    ``extra`` holds the Brier score of the chance to drive, beside that of the share of past days, and the mean absolute
    error of first departure and last return [h] on days driven, beside those of the mean of past ones.

    Raises
    ------
    InputError
        For fewer days than are left unscored.
    """
    span = clock.local(pd.DatetimeIndex([trips.departure.min(), trips.departure.max()]), time_zone)
    first, last = (moment.date() for moment in span)
    days = (last - first).days + 1
    if days < warm_up + 2:
        raise InputError(
            [Problem(where, "", "departure", f"trips of {days} days", f"more than the {warm_up} not scored")]
        )
    energy, departure, arrival = _driven(legs(trips, usable_kwh, first, time_zone), len(names), days)
    midnights = (clock.slots(first + timedelta(days=n), 1, 60, time_zone)[0] for n in range(warm_up, days))
    forecasts = [
        vehicle_forecast(trips, usable_kwh, now.to_datetime64(), 1, time_zone, holidays=holidays, since=first)
        for now in midnights
    ]
    scored = slice(warm_up, days)
    points = {
        "forecast (mean)": np.concatenate([f.energy_mean for f in forecasts], axis=1),
        "yesterday": _lag(energy, 1)[:, scored],
        "last week": _lag(energy, 7)[:, scored],
        "mean": _mean_before(energy)[:, scored],
    }
    quantiles = np.concatenate([f.energy for f in forecasts], axis=2)
    trial = Trial(energy[:, scored], quantiles, forecasts[0].levels, points)
    extra = _of_driving(forecasts, departure, arrival, scored)
    extra["electric kWh a day"] = float(energy[:, scored].mean())
    everyone = {"": np.ones(len(names), dtype=bool)}
    return Report(
        "vehicle",
        scores(trial, "day ahead", everyone),
        coverage(trial, "day ahead"),
        dict.fromkeys(names, 0.0),
        [],
        extra,
    )


def _of_driving(
    forecasts: list[VehicleForecast], departure: np.ndarray, arrival: np.ndarray, scored: slice
) -> dict[str, float]:
    """Return Brier score of the chance to drive and errors of the hours, each beside that of the mean of past days."""
    chance = np.concatenate([f.drives for f in forecasts], axis=1)
    middle = int(np.abs(forecasts[0].levels - 0.5).argmin())
    left, back = (
        np.concatenate([getattr(f, name)[middle] for f in forecasts], axis=1)
        for name in ("departure", "arrival")
    )
    drove = np.isfinite(departure).astype(float)
    return {
        "brier score": float(((chance - drove[:, scored]) ** 2).mean()),
        "brier score, mean": float(((_mean_before(drove) - drove)[:, scored] ** 2).mean()),
        "departure, hours": _error(left, departure[:, scored]),
        "departure, hours, mean": _error(_mean_before(departure)[:, scored], departure[:, scored]),
        "return, hours": _error(back, arrival[:, scored]),
        "return, hours, mean": _error(_mean_before(arrival)[:, scored], arrival[:, scored]),
    }


def _driven(rounds: Legs, vehicles: int, days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return electric energy [kWh], first departure and last return [h] of each day (vehicle, day), NaN without one."""
    inside = rounds.only(rounds.day < days)
    own = inside.only(inside.departure >= 0)
    cell = own.vehicle, own.day
    energy = np.zeros((vehicles, days))
    first, last = np.full((2, vehicles, days), np.nan)
    np.add.at(energy, cell, own.electric)
    np.fmin.at(first, cell, own.departure)
    np.fmax.at(last, (inside.vehicle, inside.day), inside.arrival)
    return energy, first, last


def _lag(values: np.ndarray, days: int) -> np.ndarray:
    """Return values (vehicle, day) of some days earlier."""
    return np.concatenate([np.full((len(values), days), np.nan), values[:, :-days]], axis=1)


def _mean_before(values: np.ndarray) -> np.ndarray:
    """Return the mean of all earlier days (vehicle, day), NaN left out."""
    known = ~np.isnan(values)
    sums, counts = np.cumsum(np.where(known, values, 0.0), axis=1), np.cumsum(known, axis=1)
    mean = np.divide(sums, counts, out=np.full(values.shape, np.nan), where=counts > 0)
    return _lag(mean, 1)


def _error(forecast: np.ndarray, actual: np.ndarray) -> float:
    """Return the mean absolute error (vehicle, day) where both are known."""
    both = np.isfinite(forecast) & np.isfinite(actual)
    return float(np.abs(forecast - actual)[both].mean()) if both.any() else float("nan")


def _trips(
    path: str | Path, time_zone: str, economy: float | None, written: tuple[str, str, str]
) -> tuple[list[str], Trips]:
    """Return the vehicles and the round trips of a table."""
    separator, decimal, encoding = written
    table, problems = csv_table.read(Path(path), Trip, separator, decimal, encoding)
    if not table.known:  # of another table, no problems of single rows
        raise InputError([problem for problem in problems if problem.field != "row"])
    rows: list[tuple[int, Trip]] = []
    for line, cells in zip(table.lines, table.rows, strict=True):

        def place(at: Location, row: int = line) -> tuple[str, str, str]:
            return table.where, str(row), str(at[-1]) if at else "row"

        try:
            rows.append((line, Trip.model_validate(cells)))
        except ValidationError as error:
            problems += schema_problems(error, Trip, place, (), cells)
    problems += [
        Problem(
            table.where, str(line), "distance_km", "a distance", "energy_kwh, or an economy in km per kWh"
        )
        for line, row in rows
        if row.energy_kwh is None and economy is None
    ]
    if not problems and not rows:
        problems.append(Problem(table.where, "", "file", "no trips", "a row for each round trip"))
    if problems:
        raise InputError(problems)
    names = sorted({row.vehicle for _, row in rows})
    trips = Trips(
        np.array([names.index(row.vehicle) for _, row in rows]),
        np.array([horizon.instant(row.departure, time_zone) for _, row in rows]),
        np.array([horizon.instant(row.arrival, time_zone) for _, row in rows]),
        np.array(
            [
                row.energy_kwh if row.distance_km is None else row.distance_km / (economy or 1.0)
                for _, row in rows
            ]
        ),
    )
    if problems := _overlaps(table.where, names, trips, np.array([line for line, _ in rows])):
        raise InputError(problems)
    return names, trips


def _overlaps(where: str, names: list[str], trips: Trips, lines: np.ndarray) -> list[Problem]:
    """Return the trips that begin before the vehicle's last one has ended."""
    order = np.lexsort((trips.departure, trips.vehicle))
    same = np.diff(trips.vehicle[order]) == 0
    early = same & (trips.departure[order][1:] < trips.arrival[order][:-1])
    return [
        Problem(
            where,
            str(lines[b]),
            "departure",
            f"{names[trips.vehicle[b]]} before its return of row {lines[a]}",
            "after it",
        )
        for a, b in zip(order[:-1][early], order[1:][early], strict=True)
    ]
