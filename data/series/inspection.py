"""What an unknown file holds: its preset or form, read as it is, with its energy per day and what is doubtful."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import clock
from ..files.csv_text import read_text
from ..files.file_format import UNITS, FileFormat
from ..files.forms import guess
from ..files.forms.containers import CONTAINERS
from ..files.forms.numbers import is_number
from ..files.forms.sheet import read_blocks
from ..files.forms.stamps import readable
from ..files.forms.workbook import sheets
from ..problems import InputError
from .power_and_rates import mean_power
from .presets import PRESETS, Kind
from .readings import Readings, read_meters

_FIELDS = set(FileFormat.__dataclass_fields__)
_OFFSET = re.compile(r"\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$|^1\d{9}(\d{3})?$")
_GIVEN = re.compile(
    r"(?<![a-z])(pv|solar|einspeis\w*|erzeug\w*|export\w*|generat\w*|feed.?in|produc\w*)(?![a-z])",
    re.IGNORECASE,
)
_DAYS = 400  # whose energy is told


@dataclass
class Inspection:
    """What was understood of a file.

    ``form`` holds the keys that a scenario needs, ``columns`` the columns or meters with values, ``per_day`` the energy
    [kWh] of local days of each, or the mean price, ``step_minutes`` the distance of rows, ``first`` and ``last`` begin
    and end in ``time_zone``, ``head`` the first lines, ``broken`` the local days with gaps.
    """

    path: Path
    kind: Kind
    preset: str | None
    form: dict[str, Any]
    columns: list[str] = field(default_factory=list)
    head: list[list[str]] = field(default_factory=list)
    time_zone: str = "UTC"
    step_minutes: list[float] = field(default_factory=list)
    first: str = ""
    last: str = ""
    per_day: dict[str, dict[str, float]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def inspect(path: Path, time_zone: str | None = None) -> Inspection:
    """Return what a file holds; its times are of ``time_zone`` unless it or its preset says otherwise.

    Raises
    ------
    InputError
        Where it cannot be read as a table of readings at all.
    """
    head, sheet = _head(path)
    name = recognised(head, path)
    if name is not None and PRESETS[name].kind in ("weather", "sessions"):
        return Inspection(path, PRESETS[name].kind, name, dict(PRESETS[name].form), head=head[:5])
    if name is None:
        found = guess.guess(path, sheet)
        kind: Kind = "price" if found.price else "power"
        seen = Inspection(path, kind, None, found.form, found.columns, head[:8], doubts=found.doubts)
    else:
        kind = PRESETS[name].kind
        form = {k: v for k, v in PRESETS[name].keys(kind).items() if k != "column"}
        seen = Inspection(path, kind, name, form, head=head[:8])
        rows = _table(name, head)
        seen.columns = _value_columns(seen, rows) if PRESETS[name].value else []
        _adapted(seen, rows)
        seen.form |= {"sheet": sheet} if sheet else {}
        seen.doubts += [f"preset: {PRESETS[name].hint}"] if PRESETS[name].hint else []
    zone = seen.form.get("time_zone") or time_zone
    seen.time_zone = zone or "UTC"
    _read(seen, told=zone is not None)
    return seen


def recognised(head: Sequence[Sequence[str]], path: Path) -> str | None:
    """Return the name of the preset whose signs a file has: all in one of its first lines, the most of them."""
    container = guess.container_of(path)
    if container in ("espi", "mscons", "nem12"):
        return next(n for n, p in PRESETS.items() if p.form.get("container") == container)
    lines = [{cell.strip().casefold() for cell in row} for row in head]
    fits = [
        name
        for name, preset in PRESETS.items()
        if preset.signs and any({s.casefold() for s in preset.signs} <= line for line in lines)
    ]
    return max(fits, key=lambda name: len(PRESETS[name].signs), default=None)


def _table(name: str, head: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the header of a preset among the first lines, and the lines after it; nothing where it has none."""
    signs = {sign.casefold() for sign in PRESETS[name].signs}
    rows = [[cell.strip() for cell in row] for row in head]
    first = next((n for n, row in enumerate(rows) if signs <= {cell.casefold() for cell in row}), None)
    return [] if first is None else rows[first:]


def _value_columns(seen: Inspection, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the column of a preset's values, or the one most like it where the header calls it otherwise."""
    preset, header = PRESETS[str(seen.preset)], rows[0] if rows else []
    if "meter_column" in seen.form or preset.value.casefold() in {cell.casefold() for cell in header}:
        return [preset.value]
    signs = {sign.casefold() for sign in preset.signs}
    others = [c for c in header if c.casefold() not in signs and c != seen.form.get("time_column")]
    drawn = [c for c in others if not _GIVEN.search(c)]
    others = drawn if seen.kind == "power" and drawn else others
    named = [c for c in others if preset.value.casefold() in c.casefold()]
    like = named or get_close_matches(preset.value, others, 1, 0.5)
    if not like:
        return [preset.value]
    key = "column" if seen.kind == "price" else "value_column"
    seen.form[key] = like[0]
    seen.doubts.append(f"{key}: there is no {preset.value!r}; {like[0]!r} is taken for it")
    return like[:1]


def _adapted(seen: Inspection, rows: Sequence[Sequence[str]]) -> None:
    """Change the form of a preset where the file shows another pattern of times, or several texts of its choice."""
    choice, header = PRESETS[str(seen.preset)].choice, list(rows[0]) if rows else []

    def cells(column: str) -> list[str]:
        at = header.index(column)
        return [row[at] for row in rows[1:] if len(row) > at and row[at]]

    if choice in header and len(texts := list(dict.fromkeys(cells(choice)))) > 1:
        seen.form["only"] = {choice: texts[0]}
        seen.doubts.append(f"only: {choice} is {', '.join(map(repr, texts[:3]))}; the first is taken")
    column = seen.form.get("time_column", "time")
    times = [cell for cell in cells(column) if any(c.isdigit() for c in cell)] if column in header else []
    fmt = FileFormat(time_format=seen.form.get("time_format", ""))
    if times and not any(readable(cell, fmt) for cell in times) and (found := guess.patterns_of(times)):
        seen.form["time_format"] = found[0]
        seen.doubts.append(f"time_format: {found[0]!r} instead of the preset's")


def _head(path: Path) -> tuple[list[list[str]], str]:
    """Return the first lines of a file as cells, and the sheet that has readings where the first one has none."""
    container = guess.container_of(path)
    form: dict[str, Any] = {"container": container}
    if container == "csv":
        form["encoding"] = guess.encoding_of(path)
        form["separator"] = guess.separator_of(str(path), read_text(path, form["encoding"]))
    form["decimal"] = "." if form.get("separator", ",") == "," else ","
    try:
        every = [FileFormat(**form, sheet=sheet) for sheet in sheets(path)] if container == "xlsx" else []
        lines = {fmt.sheet: CONTAINERS[container](path, fmt) for fmt in every or [FileFormat(**form)]}
        heads = {sheet: [cells for _, cells in islice(rows, 60)] for sheet, rows in lines.items()}
    except InputError:
        return [], ""
    first = next(iter(heads))
    chosen = next((sheet for sheet, head in heads.items() if guess.has_readings(head)), first)
    return heads[chosen], "" if chosen == first else chosen


def _read(seen: Inspection, told: bool) -> None:
    """Read the columns and note step, period, energy per day and doubts; problems are kept."""
    form = {k: v for k, v in seen.form.items() if k in _FIELDS}
    unit = form.pop("unit", "kW")
    fmt = FileFormat(**{**form, "time_zone": seen.time_zone}, unit=unit if unit in UNITS else "kW")
    try:
        seen.columns = seen.columns or _of_numbers(seen.path, fmt)
        fmt = _with_stamp(seen, fmt)
        meters = read_meters(seen.path, () if fmt.meter_column else tuple(seen.columns), fmt)
    except InputError as error:
        seen.problems += map(str, error.problems)
        return
    seen.columns = [c for m in meters for c in m.columns]
    seen.step_minutes = sorted({round(float(h) * 60, 4) for m in meters for h in np.atleast_1d(m.hours)})[:5]
    first, last = min(m.starts[0] for m in meters), max(m.starts[-1] + m.spans()[-1] for m in meters)
    begin, end = (str(t)[:16] for t in clock.local(pd.DatetimeIndex([first, last]), seen.time_zone))
    seen.first, seen.last = begin, end
    for meter in meters:
        seen.doubts += [note for note in meter.notes if note not in seen.doubts]
        seen.doubts += _gaps(meter, seen)
        for column, days in _per_day(meter, seen).items():
            seen.per_day[column] = days
    given = [column for column in seen.columns if seen.kind == "power" and _GIVEN.search(column)]
    if given and seen.preset is None:
        seen.doubts.append(f"{', '.join(given[:5])}: what is given, no demand? (series.pv, with pv_column)")
    if not told and not _offsets(seen):
        seen.doubts.append("time_zone: nothing says it; UTC is assumed (--time-zone)")


def _of_numbers(path: Path, fmt: FileFormat) -> list[str]:
    """Return the columns of which most cells are numbers, where a file has no meters below one another."""
    if fmt.meter_column or fmt.first_slot:
        return []
    (block, *_) = read_blocks(path, (), fmt)
    cells = {name: [row[n] for row in block.cells if row[n]] for n, name in enumerate(block.columns)}
    return [name for name, own in cells.items() if sum(map(is_number, own)) > 0.5 * len(own)]


def _with_stamp(seen: Inspection, fmt: FileFormat) -> FileFormat:
    """Return the format with the stamp that makes whole days: ends, where the first is one step after midnight."""
    if seen.preset is not None or UNITS[fmt.unit].counter or seen.kind == "price":
        return fmt
    meters = read_meters(seen.path, () if fmt.meter_column else tuple(seen.columns), fmt)
    local = clock.local(pd.DatetimeIndex([meters[0].starts[0], meters[0].starts[-1]]), seen.time_zone)
    step = pd.Timedelta(meters[0].spans()[0])
    at = [t - t.normalize() for t in local]
    if at[0] == step and at[1] == pd.Timedelta(0):
        seen.form["stamp"] = "end"
        seen.doubts.append(
            "stamp: the first is one step after midnight and the last at midnight: ends of intervals"
        )
        return FileFormat(**{**vars(fmt), "stamp": "end"})
    if not fmt.clock_column and at[0] != pd.Timedelta(0):
        seen.doubts.append("stamp: starts of intervals are assumed; the file does not begin at midnight")
    return fmt


def _gaps(meter: Readings, seen: Inspection) -> list[str]:
    """Return a doubt on the gaps between readings and on empty cells, and note the local days that they begin on."""
    ends, empty = meter.starts + meter.spans(), np.isnan(meter.values).any(axis=0)
    begun = np.concatenate([ends[:-1][meter.starts[1:] > ends[:-1]], meter.starts[empty]])
    if not len(begun) or meter.fmt.sampling == "on-change":
        return []
    local = clock.local(pd.DatetimeIndex(np.sort(begun)), seen.time_zone)
    seen.broken |= set(local.strftime("%Y-%m-%d"))
    first = f"the first at {local[0]:%Y-%m-%dT%H:%M}"
    return [f"gaps: {len(begun)}, {first} (gaps: interpolate, day-before, week-before or zero fills them)"]


def _per_day(meter: Readings, seen: Inspection) -> dict[str, dict[str, float]]:
    """Return the energy [kWh] of each local day of each column, or the mean price."""
    readings = meter if seen.kind == "price" else mean_power(meter, None)
    days = clock.local(pd.DatetimeIndex(readings.starts), seen.time_zone).strftime("%Y-%m-%d")
    hours = readings.spans() / np.timedelta64(1, "h")
    out = {}
    for column, values in zip(readings.columns, readings.values, strict=True):
        table = (
            pd.DataFrame({"sum": values * hours, "hours": hours * ~np.isnan(values)})
            .groupby(np.asarray(days))
            .sum()
        )
        told = table["sum"] / table["hours"] if seen.kind == "price" else table["sum"]
        out[column] = {str(day): float(v) for day, v in list(told.items())[:_DAYS]}
    return out


def _offsets(seen: Inspection) -> bool:
    """Return whether the stamps in the first lines carry offsets or count from 1970."""
    return any(_OFFSET.search(c.strip()) for row in seen.head for c in row)
