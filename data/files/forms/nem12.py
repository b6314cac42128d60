"""NEM12, the meter data file of the Australian market, as a table.

Records (AEMO, Meter Data File Format Specification NEM12 & NEM13): 200 names meter, register, unit and interval; 300
holds a day of intervals; 400 the quality of some of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ...problems import InputError, Problem
from ..csv_text import lines as csv_lines
from ..csv_text import read_text

HEADER = ["time", "nmi", "register", "value", "quality"]
_KWH = {"WH": 0.001, "KWH": 1.0, "MWH": 1000.0}


@dataclass(frozen=True)
class _Register:
    nmi: str
    suffix: str
    minutes: int
    kwh: float  # of a unit; NaN where it is no energy


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Yield header and intervals of a file: start of the interval (AEST), NMI, register such as E1, value [kWh].

    Registers of other quantities (kvarh) are left out.

    Raises
    ------
    InputError
        For a record of a day that does not hold what its meter's record says.
    """
    where, problems = str(path), []
    register: _Register | None = None
    yield 0, HEADER
    for line, cells in csv_lines(where, read_text(path, encoding)):
        kind = cells[0].strip()
        try:
            if kind == "200":
                register = None
                register = _register(cells)
            elif kind == "300" and register is not None:
                for row in _day(cells, register):
                    yield line, row
            elif kind == "300":
                raise ValueError("a record 200 before it")
        except ValueError as error:
            problems.append(Problem(where, str(line), kind, ",".join(cells)[:60], str(error)))
    if problems:
        raise InputError(problems)


def _register(cells: list[str]) -> _Register:
    """Return what a record 200 says of the days after it."""
    if len(cells) < 9 or not cells[8].strip().isdecimal() or 1440 % (int(cells[8]) or 7):
        raise ValueError("a meter, a register, a unit and an interval that divides the day")
    unit = cells[7].strip().upper()
    return _Register(cells[1].strip(), cells[4].strip(), int(cells[8]), _KWH.get(unit, float("nan")))


def _day(cells: list[str], register: _Register) -> Iterator[list[str]]:
    """Yield the intervals of a record 300, none of a register that counts no energy."""
    count = 1440 // register.minutes
    try:
        day = datetime.strptime(cells[1].strip(), "%Y%m%d")
        values = [float(cell) * register.kwh if cell.strip() else None for cell in cells[2 : 2 + count]]
    except (ValueError, IndexError):
        raise ValueError(f"a day and {count} numbers") from None
    if len(values) < count:
        raise ValueError(f"a day and {count} numbers")
    if register.kwh != register.kwh:
        return
    quality = cells[2 + count].strip() if len(cells) > 2 + count else ""
    for n, value in enumerate(values):
        start = (day + timedelta(minutes=n * register.minutes)).isoformat(timespec="minutes")
        yield [start, register.nmi, register.suffix, "" if value is None else repr(value), quality]
