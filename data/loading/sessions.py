"""Charging sessions of a file as trips: who was plugged in from when to when, and how much was charged.

A vehicle is away between two of its sessions, one trip, which took the energy that the session after it charged. Before
its first session it is away since midnight, and after its last one for good (assumptions).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from .. import clock
from ..files.csv_table import Table
from ..files.csv_text import lines, read_text
from ..files.forms.numbers import read_numbers
from ..files.forms.sheet import header_of
from ..problems import Problem, suggestion
from ..schema.file_references import Sessions, TableFile
from ..schema.table_rows import AWAY, Vehicle

_EFFICIENCY = float(Vehicle.model_fields["charge_efficiency"].default)


@dataclass(frozen=True)
class _Session:
    line: int
    vehicle: str
    connect: datetime
    disconnect: datetime
    kwh: float


def trips(
    path: Path, file: TableFile, time_zone: str, vehicles: Mapping[str, Mapping[str, Any]]
) -> tuple[Table, list[Problem]]:
    """Return the trips between charging sessions as rows of the trips table, and every problem of the file.

    Parameters
    ----------
    path, file
        The file, and how it is written; ``file.sessions`` names its columns.
    time_zone
        Of times without an offset, where the file says nothing.
    vehicles
        Label -> row as written: ``charge_efficiency`` turns what was charged into what the trip took, which the
        ``capacity_kwh`` bounds.
    """
    form, where = file.sessions, str(path)
    if form is None:
        raise ValueError("a file without sessions")
    every = list(lines(where, read_text(path, file.encoding), file.separator))
    header = header_of(where, every, form.columns()) if every else (1, [])
    names = [name.strip() for name in header[1]]
    missing = [name for name in form.columns() if name not in names]
    if missing:
        wants = [f"a column of sessions{suggestion(name, names)}" for name in missing]
        pairs = zip(missing, wants, strict=True)
        wrong = [Problem(where, str(header[0]), name, "no such column", want) for name, want in pairs]
        return Table(where, complete=False, known=False), wrong
    zones = clock.zone(form.time_zone or time_zone), clock.zone(time_zone)
    rows = [row for row in every[every.index(header) + 1 :] if any(c.strip() for c in row[1])]
    sessions, problems = _sessions(where, rows, names, form, file.decimal, zones)
    table = Table(where, columns=("vehicle", "departure", "arrival", "energy_kwh", "destination"))
    for vehicle in dict.fromkeys(s.vehicle for s in sessions):
        own = sorted((s for s in sessions if s.vehicle == vehicle), key=lambda s: s.connect)
        problems += _between(where, own, vehicles.get(vehicle, {}), table)
    return table, problems


def _sessions(
    where: str,
    rows: list[tuple[int, list[str]]],
    names: list[str],
    form: Sessions,
    decimal: str,
    zones: tuple[tzinfo, tzinfo],
) -> tuple[list[_Session], list[Problem]]:
    """Return the sessions of the rows, and what is wrong with them; ``zones`` are the file's and the scenario's."""
    found: list[_Session] = []
    problems: list[Problem] = []
    energies = _energies(rows, names, form, decimal)
    for (line, row), kwh in zip(rows, energies, strict=True):
        if len(row) < len(names):
            problems.append(
                Problem(where, str(line), "row", f"{len(row)} cells", f"{len(names)}, as in the header")
            )
            continue
        cells = {name: row[names.index(name)].strip() for name in form.columns()}
        label = form.vehicles.get(cells[form.vehicle], cells[form.vehicle])
        if not label:
            if cells[form.vehicle] not in form.vehicles:
                want = 'the name of a vehicle (or vehicles: {"": LABEL}, nothing to leave it out)'
                problems.append(Problem(where, str(line), form.vehicle, "nothing", want))
            continue
        moments = []
        for name in (form.connect, form.disconnect):
            try:
                moment, offset = clock.stamp(cells[name], form.time_format)
                aware = (
                    moment.replace(tzinfo=zones[0])
                    if offset is None
                    else (moment - offset).replace(tzinfo=UTC)
                )
                moments.append(aware.astimezone(zones[1]))
            except ValueError:
                want = repr(form.time_format) if form.time_format else "a time such as 2019-01-31T13:30"
                problems.append(Problem(where, str(line), name, repr(cells[name]), want))
        if kwh != kwh or kwh < 0:
            problems.append(
                Problem(where, str(line), form.energy_field(), "no energy", "what was charged, at least 0")
            )
        elif len(moments) == 2 and moments[1] <= moments[0]:
            got = f"{cells[form.disconnect]}, not after {form.connect} {cells[form.connect]}"
            problems.append(Problem(where, str(line), form.disconnect, got, "a later time"))
        elif len(moments) == 2:
            found.append(_Session(line, label, moments[0], moments[1], float(kwh)))
    return found, problems


def _energies(
    rows: list[tuple[int, list[str]]], names: list[str], form: Sessions, decimal: str
) -> list[float]:
    """Return the energy of each row [kWh], NaN where there is none."""

    def column(name: str) -> Any:
        at = names.index(name)
        return read_numbers([row[at].strip() if len(row) > at else "" for _, row in rows], decimal, "")[0]

    per_kilo = 1000.0 if form.unit == "Wh" else 1.0
    if form.energy is not None:
        return list(column(form.energy) / per_kilo)
    return list((column(str(form.meter_stop)) - column(str(form.meter_start))) / per_kilo)


def _between(where: str, own: list[_Session], row: Mapping[str, Any], table: Table) -> Iterator[Problem]:
    """Add the trips of a vehicle to the table, a row each; yield sessions that overlap or charge more than it holds."""
    efficiency = float(row.get("charge_efficiency") or _EFFICIENCY)
    capacity = float(row["capacity_kwh"]) if _is_number(row.get("capacity_kwh")) else float("inf")
    whole: list[_Session] = []
    for session in own:
        if whole and session.connect < whole[-1].disconnect:
            got = f"{session.vehicle!r} plugged in again before row {whole[-1].line} ends"
            yield Problem(where, str(session.line), "connect", got, "sessions of a vehicle one after another")
        elif whole and session.connect == whole[-1].disconnect:
            last = whole.pop()
            whole.append(
                _Session(last.line, last.vehicle, last.connect, session.disconnect, last.kwh + session.kwh)
            )
        else:
            whole.append(session)
    left: datetime | None = None
    for session in whole:
        taken = session.kwh * efficiency
        if taken > capacity:
            got = f"{session.kwh:g} kWh charged, {taken:.3g} kWh of them stored"
            yield Problem(where, str(session.line), "energy", got, f"at most capacity_kwh, {capacity:g}")
        if left is None:
            midnight = session.connect.replace(hour=0, minute=0, second=0, microsecond=0)
            left = midnight if midnight < session.connect else midnight - timedelta(hours=1)
        _add(table, session.line, session.vehicle, left, session.connect, taken, "")
        left = session.disconnect
    if left is not None:
        _add(table, whole[-1].line, whole[-1].vehicle, left, left + timedelta(minutes=1), 0.0, AWAY)


def _add(
    table: Table,
    line: int,
    vehicle: str,
    departure: datetime,
    arrival: datetime,
    kwh: float,
    destination: str,
) -> None:
    """Add a trip as a row of text; it stands on the line of the session after it."""
    moments = {"departure": departure.isoformat(), "arrival": arrival.isoformat()}
    place = {"destination": destination} if destination else {}
    table.rows.append({"vehicle": vehicle, **moments, "energy_kwh": repr(round(kwh, 6)), **place})
    table.lines.append(line)


def _is_number(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return False
