"""The commands that back-test forecasts on a file."""

import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ...data.backtest import driving, files, power
from ...data.backtest.power import Report
from ...data.files.file_format import FileFormat
from ...data.files.forms.sheet import read_blocks
from ...data.files.forms.stamps import read_stamps
from ...data.generators.sun import Site
from ...data.problems import InputError, Problem
from ..text import table
from .answer import Answer

JAPANESE = "Asia/Tokyo"
"""The time zone whose holidays are Japan's, unless others are named."""


def demand(file: Path, **options: Any) -> Answer:
    """Back-test demand forecasts on readings of homes; see :func:`otonari.data.backtest.files.demand`."""
    options["time_zone"] = options["time_zone"] or _offset(file, options, options["time_column"])
    holidays = _days_off(options, options["time_zone"])
    return _answer(files.demand(file, _format(options), holidays=holidays, **options))


def pv(
    file: Path, latitude: float | None, longitude: float | None, altitude: float, **options: Any
) -> Answer:
    """Back-test PV forecasts on readings of arrays; see :func:`otonari.data.backtest.files.pv`."""
    options["time_zone"] = options["time_zone"] or _offset(file, options, options["time_column"])
    site = None if latitude is None or longitude is None else Site(latitude, longitude, altitude)
    return _answer(files.pv(file, _format(options), site=site, **options))


def vehicle(file: Path, **options: Any) -> Answer:
    """Back-test forecasts of driving on round trips; see :func:`otonari.data.backtest.driving.vehicle`."""
    options["time_zone"] = options["time_zone"] or _offset(file, options, "departure")
    holidays = _days_off(options, options["time_zone"])
    return _answer(driving.vehicle(file, holidays=holidays, **options))


def _answer(report: Report) -> Answer:
    text = "\n\n".join(table(header, rows) for header, rows in power.as_rows(report))
    return Answer(asdict(report), text, notes=tuple(report.notes))


def _offset(file: Path, options: dict[str, Any], column: str) -> str:
    """Return the offset from UTC of a column of times, where they carry one and the same; else ask for the zone.

    Raises
    ------
    InputError
        Where they do not, or the file cannot be read.
    """
    names = ("separator", "encoding", "time_format", "skip_rows")
    form = {name: options[name] for name in names if name in options}
    (block, *_) = read_blocks(file, [column], FileFormat(time_column=column, **form))
    offsets = set(read_stamps(block.dates, None, FileFormat(**form)).offset.tolist())
    if len(offsets) == 1 and not math.isnan(offset := offsets.pop()):
        minutes = round(abs(offset) / 60)
        return f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    want = "--time-zone, of times that do not all carry the same offset"
    raise InputError([Problem(str(file), "", "time_zone", "nothing", want)])


def _days_off(options: dict[str, Any], time_zone: str) -> Any:
    """Take the options about days off from all others; return the dates, or the name of a calendar."""
    holidays, dates = options.pop("holidays"), options.pop("dates")
    return [d.date() for d in dates] or holidays or ("japan" if time_zone == JAPANESE else "none")


def _format(options: dict[str, Any]) -> FileFormat:
    """Take the options about how a file is written from all others; return its format."""
    own = {"slot_minutes"}  # of the back-test, not of numbered slots in the file
    names = [field.name for field in fields(FileFormat) if field.name in options and field.name not in own]
    return FileFormat(**{name: options.pop(name) for name in names})
