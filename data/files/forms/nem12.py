"""NEM12, the meter data file of the Australian market, as a table.

Records (AEMO, Meter Data File Format Specification NEM12 & NEM13): 200 names meter, register, unit and interval; 300
holds a day of intervals; 400 the quality of some of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from ...problems import InputError, Problem
from ..csv_text import lines as csv_lines
from ..csv_text import read_text

HEADER = ["time", "nmi", "register", "value", "quality"]
_KWH = {"WH": 0.001, "KWH": 1.0, "MWH": 1000.0}


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Yield header and intervals of a file: start of the interval (AEST), NMI, register such as E1, value [kWh].

    Raises
    ------
    InputError
        For a record of a day that does not hold what its meter's record says.
    """
    where = str(path)
    yield 0, HEADER
    problems, meter, minutes, factor = [], ["", "", ""], 30, 1.0
    for line, cells in csv_lines(where, read_text(path, encoding)):
        kind = cells[0].strip()
        if kind == "200":
            meter, unit = cells, cells[7].strip().upper() if len(cells) > 8 else ""
            if unit not in _KWH or not cells[8].strip().isdecimal() or 1440 % (int(cells[8]) or 7):
                problems.append(
                    Problem(where, str(line), "200", ",".join(cells)[:60], "energy in Wh, kWh or MWh")
                )
                continue
            factor, minutes = _KWH[unit], int(cells[8])
        elif kind == "300":
            count = 1440 // minutes
            try:
                day = datetime.strptime(cells[1].strip(), "%Y%m%d")
                values = [float(cell) * factor if cell.strip() else None for cell in cells[2 : 2 + count]]
                if len(values) < count:
                    raise ValueError
            except (ValueError, IndexError):
                want = f"a day and {count} numbers"
                problems.append(Problem(where, str(line), "300", ",".join(cells)[:60], want))
                continue
            quality = cells[2 + count].strip() if len(cells) > 2 + count else ""
            for n, value in enumerate(values):
                start = (day + timedelta(minutes=n * minutes)).isoformat(timespec="minutes")
                yield (
                    line,
                    [
                        start,
                        meter[1].strip(),
                        meter[4].strip(),
                        "" if value is None else repr(value),
                        quality,
                    ],
                )
    if problems:
        raise InputError(problems)
