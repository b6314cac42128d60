"""The commands that back-test forecasts on a file."""

import math
from collections.abc import Collection
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ...data.backtest import driving, files, power
from ...data.backtest.power import Report
from ...data.files.file_format import FileFormat
from ...data.files.forms.sheet import read_blocks
from ...data.files.forms.stamps import read_stamps
from ...data.generators.sun import Site
from ...data.problems import InputError, Problem
from ...data.series.presets import of_kind
from ..text import table
from .answer import Answer

JAPANESE = "Asia/Tokyo"
"""The time zone whose holidays are Japan's, unless others are named."""


def demand(file: Path, *, preset: str | None = None, stated: Collection[str] = (), **options: Any) -> Answer:
    """Back-test demand forecasts on readings of homes; see :func:`otonari.data.backtest.files.demand`.

    What a ``preset`` says of the form of the file counts before options that are not ``stated``.
    """
    form = _format(file, options, preset, stated)
    holidays = _days_off(options, form.time_zone)
    return _answer(files.demand(file, form, holidays=holidays, **options))


def pv(
    file: Path,
    latitude: float | None,
    longitude: float | None,
    altitude: float,
    *,
    preset: str | None = None,
    stated: Collection[str] = (),
    **options: Any,
) -> Answer:
    """Back-test PV forecasts on readings of arrays; see :func:`otonari.data.backtest.files.pv`."""
    form = _format(file, options, preset, stated)
    site = None if latitude is None or longitude is None else Site(latitude, longitude, altitude)
    return _answer(files.pv(file, form, site=site, **options))


def vehicle(file: Path, **options: Any) -> Answer:
    """Back-test forecasts of driving on round trips; see :func:`otonari.data.backtest.driving.vehicle`."""
    text = {name: options[name] for name in ("separator", "encoding") if name in options}
    form = FileFormat(time_column="departure", **text)
    options["time_zone"] = options["time_zone"] or _offset(file, form)
    holidays = _days_off(options, options["time_zone"])
    return _answer(driving.vehicle(file, holidays=holidays, **options))


def _answer(report: Report) -> Answer:
    text = "\n\n".join(table(header, rows) for header, rows in power.as_rows(report))
    return Answer(asdict(report), text, notes=tuple(report.notes))


def _offset(file: Path, form: FileFormat) -> str:
    """Return the offset from UTC of the times of a file, where they carry one and the same; else ask for the zone.

    Raises
    ------
    InputError
        Where they do not, or the file cannot be read.
    """
    (block, *_) = read_blocks(file, [form.time_column], form)
    offsets = set(read_stamps(block.dates, None, form).offset.tolist())
    if len(offsets) == 1 and not math.isnan(offset := offsets.pop()):
        minutes = round(abs(offset) / 60)
        return f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    want = "--time-zone, of times that do not all carry the same offset"
    raise InputError([Problem(str(file), "", "time_zone", "nothing", want)])


def _days_off(options: dict[str, Any], time_zone: str) -> Any:
    """Take the options about days off from all others; return the dates, or the name of a calendar."""
    holidays, dates = options.pop("holidays"), options.pop("dates")
    return [d.date() for d in dates] or holidays or ("japan" if time_zone == JAPANESE else "none")


def _format(file: Path, options: dict[str, Any], preset: str | None, stated: Collection[str]) -> FileFormat:
    """Take the options about how a file is written from all others; return its format, in its own time zone.

    A preset fills in what is not ``stated``, the columns where it names one among them.
    """
    own = {"slot_minutes"}  # of the back-test, not of numbered slots in the file
    known = {field.name for field in fields(FileFormat)}
    form = {name: options.pop(name) for name in sorted(known - own) if name in options}
    if preset is not None:
        keys = of_kind(preset, "power", str(file)).keys("power")
        form |= {name: value for name, value in keys.items() if name in known and name not in stated}
        if not options.get("columns") and "meter_column" not in keys and "value_column" in keys:
            options["columns"] = (keys["value_column"],)
    zone = form.pop("time_zone", None)
    written = FileFormat(**form)
    return replace(written, time_zone=zone or _offset(file, written))
