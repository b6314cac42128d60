"""Demand and available PV of every participant over the slots (participant, time) [kW]: measured, or generated."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import clock
from ..files.file_format import FileFormat
from ..files.regular_file import EACH, sha256
from ..generators import demand, solar, sun
from ..generators.weather_files import Layout
from ..problems import InputError, Problem
from ..schema.file_references import CarbonFile, CopFile, PriceFile, ReadingsFile, SeriesFile, Weather
from ..schema.scenario import Series, Site, Time
from ..schema.table_rows import NO_COLUMN, Node, Participant
from ..series import plausibility
from ..series.power_and_rates import read_power, read_rate
from ..series.weather import COLUMNS

FAR_HOURS = 2.5
"""A sun that is so far from the clock of its time zone is noted [h]. Assumption: the west of China is 2.2 h away."""

_PER_KWH = {"per kWh": 1.0, "per MWh": 1e-3, "kg/kWh": 1.0, "g/kWh": 1e-3}


@dataclass
class Frame:
    """Slots, seed and public holidays of every series, and what is collected while series are built.

    ``filled`` are the slots (time,) that gaps left and a rule filled, by quantity, file and column.
    """

    time: Time
    seed: int
    times: pd.DatetimeIndex
    holidays: str | tuple[date, ...] = "none"
    strict: bool = False
    filled: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def hours(self) -> float:
        """Length of a slot [h]."""
        return self.time.slot_minutes / 60

    def doubt(self, odd: Iterable[Problem]) -> None:
        """Take up what is hardly possible: as problems where readings are strict, else as notes."""
        if self.strict:
            self.problems += odd
        else:
            self.notes += map(str, odd)

    def attempt(self, work: Callable[[], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """Return the result of ``work``, or zeros of this shape where it raises problems, which are kept."""
        try:
            return work()
        except InputError as error:
            self.problems += error.problems
            return np.zeros(shape)


def frame(time: Time, seed: int, holidays: str | tuple[date, ...] = "none", strict: bool = False) -> Frame:
    """Return the frame of a horizon; raises :class:`InputError` where it cannot be cut into slots."""
    times = clock.slots(time.start, time.days, time.slot_minutes, time.time_zone)
    return Frame(time, seed, times, holidays, strict)


def power(
    frame: Frame, participants: Sequence[Participant], series: Series, site: Site, weather: Weather
) -> tuple[np.ndarray, np.ndarray]:
    """Return demand and available PV (participant, time) [kW]; problems and notes go to the frame."""
    use = np.zeros((len(participants), len(frame.times)))
    columns: dict[int, str] = {}
    for n, p in enumerate(participants):
        if p.kind == "plant":
            continue
        if p.demand_column is None and (p.persons is not None or p.annual_kwh is not None):
            use[n] = _generated(frame, p, site)
        else:
            columns[n] = p.demand_column or p.participant
    if series.demand is not None:
        owners = [participants[n].participant for n in columns]
        use[list(columns)] = measured(frame, series.demand, owners, list(columns.values()), "demand")
        _doubt_demand(frame, {participants[n]: use[n] for n in columns}, series.demand.path)
    pv = generated_pv(frame, participants, site, weather)
    roofs = {n: p.pv_column for n, p in enumerate(participants) if p.pv_column is not None}
    if series.pv is not None:
        installed = [participants[n].pv_column_kw or 0.0 for n in roofs]
        owners = [participants[n].participant for n in roofs]
        output = measured(frame, series.pv, owners, list(roofs.values()), "any", installed)
        pv[list(roofs)] += output
        rows = {participants[n]: output for n, output in zip(roofs, output, strict=True)}
        _doubt_pv(frame, rows, series.pv.path, site)
    return use, pv


def envelopes(frame: Frame, participants: Sequence[Participant], series: Series) -> dict[str, Any]:
    """Return limits over time (participant, time) [kW], infinite for whoever has none; nothing without their files."""
    columns: dict[str, Any] = {}
    for way in ("import", "export"):
        file: SeriesFile | None = getattr(series, f"{way}_limit")
        if file is None:
            continue
        shared = file.value_column if file.meter_column is None else None
        named = [getattr(p, f"{way}_limit_column") or shared or p.participant for p in participants]
        rows = [n for n, column in enumerate(named) if column != NO_COLUMN]
        limit = np.full((len(participants), len(frame.times)), np.inf)
        owners = [participants[n].participant for n in rows]
        limit[rows] = measured(frame, file, owners, [named[n] for n in rows], "limit")
        columns[f"{way}_envelope"] = ("participant", "time"), limit
    return columns


def node_envelopes(frame: Frame, nodes: Sequence[Node], series: Series) -> dict[str, Any]:
    """Return limits of all power into and out of nodes (node, time) [kW], infinite where there is none.

    The lesser of what their rows state and of a column of their file that these name; nothing where there is neither.
    """
    columns: dict[str, Any] = {}
    for way in ("import", "export"):
        file: SeriesFile | None = getattr(series, f"node_{way}_limit")
        constant = [getattr(node, f"{way}_limit_kw") for node in nodes]
        named = [getattr(node, f"{way}_limit_column") for node in nodes]
        if file is None and not any(kw is not None for kw in constant):
            continue
        own = np.array([np.inf if kw is None else kw for kw in constant])
        limit = np.repeat(own[:, None], len(frame.times), axis=1)
        rows = [n for n, column in enumerate(named) if column not in (None, NO_COLUMN)]
        if file is not None:
            owners = [nodes[n].node for n in rows]
            over_time = measured(frame, file, owners, [named[n] for n in rows], "limit")
            limit[rows] = np.minimum(limit[rows], over_time)
        columns[f"node_{way}_envelope"] = ("node", "time"), limit
    return columns


def _doubt_demand(frame: Frame, rows: dict[Participant, np.ndarray], where: str) -> None:
    """Take up what is hardly possible of the measured demand of participants (time,) [kW]."""
    times = _told(frame)
    for row, power in rows.items():
        if row.kind == "home":
            frame.doubt(plausibility.of_a_home(where, row.participant, power))
        if row.import_limit_kw is not None:
            limit = plausibility.above(
                where, row.participant, power, row.import_limit_kw, "import_limit_kw", times
            )
            frame.doubt(limit)


def _doubt_pv(frame: Frame, rows: dict[Participant, np.ndarray], where: str, site: Site) -> None:
    """Take up what is hardly possible of the measured PV of participants (time,) [kW]."""
    times, place = _told(frame), sun.Site(site.latitude_deg, site.longitude_deg, site.altitude_m)
    lit = any(power.any() for power in rows.values()) and _near(place, frame)
    middle = frame.times + pd.to_timedelta(frame.hours / 2, unit="h")
    height = 90.0 - sun.position(middle, place)[0] if lit else np.zeros(len(times))
    for row, power in rows.items():
        if lit:
            frame.doubt(plausibility.at_night(where, row.participant, power, height, times))
        if row.pv_column_kw is not None:
            peak = plausibility.above(where, row.participant, power, row.pv_column_kw, "pv_column_kw", times)
            frame.doubt(peak)


def _near(place: sun.Site, frame: Frame) -> bool:
    """Return whether the sun of a place fits the clock of the horizon: it is that of measured PV."""
    offset = clock.standard_offset(clock.zone(frame.time.time_zone), frame.time.start.year)
    return abs(place.longitude / 15 - offset / timedelta(hours=1)) <= FAR_HOURS


def _told(frame: Frame) -> list[str]:
    """Return the starts of the slots as local times."""
    return [t.strftime("%Y-%m-%dT%H:%M") for t in clock.local(frame.times, frame.time.time_zone)]


def _generated(frame: Frame, row: Participant, site: Site) -> np.ndarray:
    """Return the generated demand of a participant (time,) [kW]; its seed depends on its label alone."""
    label = hashlib.sha256(f"{frame.seed}:{row.participant}".encode()).digest()
    seed, zone, south = int.from_bytes(label[:6], "big"), frame.time.time_zone, site.latitude_deg < 0
    if row.persons is None:
        annual = row.annual_kwh or 0.0
        return demand.business(frame.times, zone, annual, seed, frame.hours, southern=south)
    return demand.household(frame.times, zone, row.persons, seed, frame.hours, row.annual_kwh, southern=south)


def rate(frame: Frame, file: PriceFile | CarbonFile, least: float = -np.inf) -> np.ndarray:
    """Return a price [currency/kWh] or an intensity [kg/kWh] over the slots (time,); problems go to the frame."""
    quantity, unit = ("price" if isinstance(file, PriceFile) else "carbon"), _PER_KWH[file.unit]
    return unit * _read(frame, file, file.column, quantity, least / unit)


def cop(frame: Frame, file: CopFile, column: str) -> np.ndarray:
    """Return a coefficient of performance over the slots (time,) [1]; problems go to the frame."""
    return _read(frame, file, column, "cop", 0.0)


def _read(frame: Frame, file: ReadingsFile, column: str, quantity: str, least: float) -> np.ndarray:
    """Return the means over the slots (time,) of a column that holds no energy; problems go to the frame."""

    def work() -> np.ndarray:
        pinned(file)
        form, filled = format_of(frame, file), dict[str, np.ndarray]()
        values, notes = read_rate(file.path, column, form, frame.times, frame.hours, least, filled)
        frame.notes += [
            note for note in notes if note not in frame.notes
        ]  # a price may be read more than once
        frame.filled |= {(quantity, file.path, c): where for c, where in filled.items() if where.any()}
        return values

    return frame.attempt(work, (len(frame.times),))


def measured(
    frame: Frame,
    file: SeriesFile,
    owners: list[str],
    columns: list[str],
    quantity: str,
    installed: list[float] | None = None,
) -> np.ndarray:
    """Return columns of a file, or of a file for each owner, as mean power of the slots (column, time) [kW]."""
    if not columns:
        frame.notes.append(f"{file.path}: nobody uses a column of this file")
    shape = (len(columns), len(frame.times))
    form = replace(format_of(frame, file), unit=file.unit)

    def work(path: str, columns: list[str], installed: list[float] | None) -> np.ndarray:
        filled: dict[str, np.ndarray] = {}
        form_and_slots = (form, frame.times, frame.hours)
        power, notes = read_power(
            path, columns, *form_and_slots, installed, quantity, strict=frame.strict, filled=filled
        )
        frame.notes += notes
        frame.filled |= {(quantity, path, column): slots for column, slots in filled.items() if slots.any()}
        return power

    def whole() -> np.ndarray:
        pinned(file)
        return work(file.path, columns, installed) if columns else np.zeros(shape)

    if EACH not in file.path:
        return frame.attempt(whole, shape)
    try:
        pinned(file)
    except InputError as error:
        frame.problems += error.problems
    power = np.zeros(shape)
    for n, (owner, column) in enumerate(zip(owners, columns, strict=True)):
        path, own = file.path.replace(EACH, owner), installed and [installed[n]]
        named = (
            [] if column == owner and file.meter_column is None else [column]
        )  # whatever its one column is called
        power[n : n + 1] = frame.attempt(lambda p=path, c=named, i=own: work(p, c, i), (1, shape[1]))  # type: ignore[misc]
    return power


def format_of(frame: Frame, file: ReadingsFile) -> FileFormat:
    """Return the format of a file of readings, its unit the default (power)."""
    names = {f.name for f in fields(FileFormat)} & set(type(file).model_fields) - {"unit"}
    options = {n: v for n, v in file.model_dump(include=names).items() if v is not None}
    options["time_zone"] = file.time_zone or frame.time.time_zone
    return FileFormat(**options)


def generated_pv(
    frame: Frame, participants: Sequence[Participant], site: Site, weather: Weather
) -> np.ndarray:
    """Return the generated PV of all participants (participant, time) [kW]."""
    power = np.zeros((len(participants), len(frame.times)))
    rows = [n for n, p in enumerate(participants) if p.pv_kw is not None]
    if not rows and weather.path is None:
        return power
    place = sun.Site(site.latitude_deg, site.longitude_deg, site.altitude_m)
    frame.notes += _place_notes(frame, site)

    def work() -> np.ndarray:
        if not rows:
            pinned(weather)
            return power[:0]
        sky = over_slots(frame, place, weather)
        size, tilt, azimuth, losses = (
            np.array([getattr(participants[n], name) for n in rows], dtype=float)
            for name in ("pv_kw", "pv_tilt_deg", "pv_azimuth_deg", "pv_losses")
        )
        mounting = np.array([participants[n].pv_mounting for n in rows], dtype=str)
        return solar.pv_power(frame.times, frame.hours, place, sky, size, tilt, azimuth, losses, mounting)

    power[rows] = frame.attempt(work, (len(rows), len(frame.times)))
    return power


def outdoors(frame: Frame, site: Site, weather: Weather) -> np.ndarray:
    """Return the temperature outdoors (time,) [C]; problems and notes go to the frame."""
    place = sun.Site(site.latitude_deg, site.longitude_deg, site.altitude_m)
    if weather.source == "clear-sky":
        frame.notes.append(
            f"weather: a clear sky has no temperature; heat pumps have {solar.CLEAR_SKY_TEMPERATURE:g} C"
        )

    def work() -> np.ndarray:
        return np.asarray(over_slots(frame, place, weather)["temp_air"].to_numpy())

    return frame.attempt(work, (len(frame.times),))


def over_slots(frame: Frame, place: sun.Site, weather: Weather) -> pd.DataFrame:
    """Return the weather of the slots, see :func:`solar.weather`; its notes go to the frame, each once."""
    content = pinned(weather)
    options = {name: getattr(weather, name) for name in ("path", "format", "shift_minutes")}
    options["layout"] = _layout(weather, frame.time.time_zone)
    instants = frame.times.to_numpy().astype("datetime64[ns]").tobytes()
    sky = _sky(instants, frame.hours, place, content, source=weather.source, **options)
    frame.notes += [note for note in sky.attrs.get("notes", []) if note not in frame.notes]
    return sky


def _layout(weather: Weather, time_zone: str) -> Layout:
    """Return how a CSV file of weather is written, in its own or this time zone."""
    named = {str(name): column for name, column in weather.columns.items()}
    columns = tuple(named.get(name, name) for name in COLUMNS)
    own = {f.name: getattr(weather, f.name) for f in fields(Layout) if f.name not in ("columns", "time_zone")}
    own["clock_column"] = weather.clock_column or ""
    return Layout(columns=columns, time_zone=weather.time_zone or time_zone, **own)


@lru_cache(maxsize=8)
def _sky(instants: bytes, hours: float, place: sun.Site, content: str | None, **options: Any) -> pd.DataFrame:
    """Return the weather of slots; ``content`` is the SHA-256 of its file. It is shared, and not to be changed.

    The points of a sweep ask for the same weather again and again.
    """
    times = pd.DatetimeIndex(np.frombuffer(instants, "datetime64[ns]"))
    return solar.weather(times, hours, place, **options)


def _place_notes(frame: Frame, site: Site) -> list[str]:
    """Return notes on a site that was taken from the time zone, or whose sun does not fit its clock."""
    zone, where = frame.time.time_zone, f"({site.latitude_deg:g}, {site.longitude_deg:g})"
    if site.place_of is not None:
        return [f"site: none is given; the sun is that of the place of {site.place_of} {where}"]
    hours = clock.standard_offset(clock.zone(zone), frame.time.start.year) / timedelta(hours=1)
    if abs(site.longitude_deg / 15 - hours) <= FAR_HOURS:
        return []
    return [
        f"site: the sun of {where} is {site.longitude_deg / 15:+.1f} h from UTC, the clock of {zone} {hours:+g} h"
    ]


def pinned(file: ReadingsFile | Weather) -> str | None:
    """Return the SHA-256 of a file, if there is one; refuse another than a stored scenario was run with."""
    if file.path is None:
        return None
    got = sha256(Path(file.path))
    if file.sha256 not in (None, got):
        raise InputError([Problem(file.path, "", "sha256", got, str(file.sha256))])
    return got
