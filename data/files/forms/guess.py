"""A guess at how an unknown file of readings is written, with what is doubtful about it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...problems import InputError, Problem
from ..csv_text import lines as csv_lines
from ..csv_text import read_text
from ..file_format import FileFormat
from ..regular_file import content
from .containers import CONTAINERS
from .numbers import is_number, missing
from .stamps import read_stamps, readable

Line = tuple[int, list[str]]

_DATES = ("", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y")
_CLOCKS = (" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", "T%H:%M")
_PATTERNS = ("", *(d + c for d in _DATES[1:] for c in _CLOCKS), *_DATES[1:])
_UNIT = re.compile(r"(?<![A-Za-z])(MWh|kWh|Wh|MW|kW|W)(?![A-Za-z])", re.IGNORECASE)
_UNITS = {unit.lower(): unit for unit in ("MWh", "kWh", "Wh", "MW", "kW", "W")}
_PRICE = re.compile(
    r"(?:EUR|€|GBP|£|USD|\$|JPY|円|CHF|SEK|NOK|DKK|PLN|ct|p|c)\s*/\s*(kWh|MWh)", re.IGNORECASE
)
_MIDNIGHT = re.compile(r"[T ]00:00(:00)?$")
_SLOT = re.compile(r"[A-Za-z]*\s*(?P<number>\d{1,3}[ABab]?|[012]\d[0-5]\d)")
_QUOTED = re.compile(r'"[^"\n]*"')
_EXCEL_TEXT = re.compile(r'^="(.*)"$')
_SLOTS = 4  # different numbers, to be those of slots
_SAMPLE = 400  # rows that are looked at


@dataclass
class Guess:
    """Keys of a form that differ from their defaults, columns of values, whether they are prices, and doubts."""

    form: dict[str, Any]
    columns: list[str]
    price: bool = False
    doubts: list[str] = field(default_factory=list)


def container_of(path: Path) -> str:
    """Return what holds the cells of a file, by how it begins."""
    raw = content(path, "a readable file")[:4000]
    text = raw.decode("latin-1").lstrip("\ufeffï»¿ \r\n")
    if raw[:2] == b"PK":
        return "xlsx"
    if text.startswith("100,NEM12"):
        return "nem12"
    if text.startswith(("UNA", "UNB")):
        return "mscons"
    return "espi" if text.startswith("<") and "espi" in text else "csv"


def encoding_of(path: Path) -> str:
    """Return an encoding that a file can be read in: UTF-8 or UTF-16, else that of Japanese or Western Windows."""
    raw = content(path, "a readable file")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp932", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        if encoding != "cp932" or re.search("[\u3040-\u30ff\u4e00-\u9fff]{2}", text[:2000]):
            return "utf-8" if encoding == "utf-8-sig" else encoding
    return "latin-1"


def separator_of(where: str, text: str) -> str:
    """Return the mark at which most lines have the same number of cells, more than one; a comma may be in numbers."""
    head = _QUOTED.sub('"x"', "".join(text.splitlines(keepends=True)[:_SAMPLE]))
    scores = {}
    for mark in (";", "\t", "|", ","):
        widths = Counter(len(cells) for _, cells in csv_lines(where, head, mark))
        width, count = max(widths.items(), key=lambda item: (item[0] > 1) * item[1], default=(1, 0))
        scores[mark] = count if width > 1 else 0
    most = max(scores.values())
    return next(mark for mark, score in scores.items() if score >= 0.9 * most) if most else ","


def has_readings(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether one of some rows of cells has a time and a number."""
    return _first_reading([(0, list(row)) for row in rows])[0] is not None


def guess(path: Path, sheet: str = "") -> Guess:
    """Return a guess at the form of a file of readings, of a sheet of it.

    Raises
    ------
    InputError
        Where no line begins a table of times and numbers.
    """
    where, container = str(path), container_of(path)
    form: dict[str, Any] = {} if container == "csv" else {"container": container}
    form |= {"sheet": sheet} if sheet else {}
    if container == "csv":
        encoding = encoding_of(path)
        separator = separator_of(where, read_text(path, encoding))
        form |= {
            k: v
            for k, v, usual in (("encoding", encoding, "utf-8"), ("separator", separator, ","))
            if v != usual
        }
    apart: dict[str, Any] = {"decimal": ","} if form.get("separator", ",") != "," else {}
    lines = CONTAINERS[container](path, FileFormat(**form, **apart))
    every = [(line, [_EXCEL_TEXT.sub(r"\1", cell.strip()) for cell in row]) for line, row in lines]
    first, when = _first_reading(every)
    if first is None:
        want = "a line with a time and a number"
        raise InputError([Problem(where, "", "file", "no table of readings that can be recognised", want)])
    header = next((row for _, row in reversed(every[:first]) if len(row) > when and row[when].strip()), None)
    if header is None:
        raise InputError(
            [Problem(where, str(every[first][0]), "header", "no header", "a line that names the columns")]
        )
    rows = [row for _, row in every[first : first + _SAMPLE] if len(row) >= len(every[first][1]) - 1]
    found = Guess(form, [])
    _times(found, header, rows, when)
    _values(found, header, rows, [row for _, row in every[:first]])
    _meters(found, header, rows, when)
    return found


def _first_reading(every: Sequence[Line]) -> tuple[int | None, int]:
    """Return the position of the first line with a time and a number, and the column of the time."""
    for n, (_, row) in enumerate(every[:_SAMPLE]):
        for c, cell in enumerate(row):
            if _reads(cell) and any(is_number(other) for k, other in enumerate(row) if k != c):
                return n, c
    return None, 0


def _reads(cell: str) -> bool:
    """Return whether a cell is a stamp in any form; a small whole number is none."""
    digits = cell.strip()
    if re.fullmatch(r"[-+]?\d+[.,]?\d*", digits):
        told = re.fullmatch(r"1\d{9}(\d{3})?|(19|20)\d{6}(\d{4}(\d\d)?)?", digits)
        return told is not None and readable(digits, FileFormat())
    if not any(mark in cell for mark in "-/.:") and len(digits) < 10:
        return False
    return any(readable(cell, FileFormat(time_format=pattern)) for pattern in _PATTERNS)


def _times(found: Guess, names: list[str], rows: list[list[str]], when: int) -> None:
    """Find how times are written: their column and pattern, and a column of the time of day or slot."""
    cells = [row[when] for row in rows if len(row) > when and any(c.isdigit() for c in row[when])]
    patterns = patterns_of(cells)
    if len({p[:8] for p in patterns} & {"%d/%m/%Y", "%m/%d/%Y"}) > 1:
        found.doubts.append(
            f"time_format: day and month could be the other way round; {patterns[0]!r} is assumed"
        )
    pattern = patterns[0] if patterns else ""
    if not patterns:
        found.doubts.append(f"time_format: {cells[0]!r} is written as no pattern that is known")
    found.form |= {"time_column": names[when]} if names[when] != "time" else {}
    found.form |= {"time_format": pattern} if pattern else {}
    days = all(_MIDNIGHT.search(c) for c in cells) and len(set(cells)) < len(cells)
    if not days and (
        any(":" in c for c in cells) or any(re.fullmatch(r"\d{10,14}", c.strip()) for c in cells)
    ):
        return
    for c, name in enumerate(names):
        clocks = [row[c] if len(row) > c else "" for row in rows[: len(cells)]]
        if (
            c == when
            or not name
            or len(set(clocks)) < 2
            or not all(any(x.isdigit() for x in t) for t in clocks)
        ):
            continue
        read = read_stamps(cells, clocks, FileFormat(time_format=pattern)).moment
        if not np.isnat(read).any() and (_numbered(cells, clocks) or all(":" in t for t in clocks)):
            found.form["clock_column"] = name
            return


def patterns_of(cells: list[str]) -> list[str]:
    """Return the patterns that read all cells of times, "" for year first; of two readings of dates the nearer first."""
    patterns = [p for p in _PATTERNS if all(readable(c, FileFormat(time_format=p)) for c in cells)]
    if len({p[:8] for p in patterns} & {"%d/%m/%Y", "%m/%d/%Y"}) > 1:
        patterns.sort(key=lambda p: _uneven(cells, p))
    return patterns


def _numbered(cells: list[str], clocks: list[str]) -> bool:
    """Return whether numbers of slots stand beside dates: several of a date, more than registers have."""
    found = [_SLOT.fullmatch(text.strip()) for text in clocks]
    if not all(found) or len(set(cells)) == len(cells):
        return False
    return len({m["number"] for m in found if m}) >= _SLOTS


def _uneven(cells: list[str], pattern: str) -> tuple[int, int]:
    """Return how many steps between neighbouring stamps differ from the most frequent one, and how far they reach."""
    moments = read_stamps(cells, None, FileFormat(time_format=pattern)).moment.astype("int64")
    steps = Counter((moments[1:] - moments[:-1]).tolist())
    return len(cells) - max(steps.values(), default=0), int(moments.max() - moments.min())


def _values(found: Guess, names: list[str], rows: list[list[str]], above: list[list[str]]) -> None:
    """Find the columns of numbers, the decimal mark, and the unit by the words of the header."""
    times = {found.form.get("time_column", "time"), found.form.get("clock_column", "")}
    columns: dict[str, list[str]] = {}
    for c, name in enumerate(names):
        cells = [row[c].strip() for row in rows if len(row) > c]
        filled = [x for x in cells if not missing(x)]
        named = name and name not in times and names.count(name) == 1
        label = len(set(filled)) == 1 < len(filled) and re.fullmatch(r"\d{4,}", filled[0])
        if named and filled and not label and sum(map(is_number, filled)) >= 0.8 * len(filled):
            columns[name] = filled
    decimals = [decimal_of(cells) for cells in columns.values()]
    if "," in decimals:
        found.form["decimal"] = ","
    if "?" in decimals:
        found.doubts.append(
            "decimal: a lone group of three digits may be thousands or decimals; check the energy"
        )
    at = {name: names.index(name) for name in columns}
    words = {name: " ".join(row[c] for row in above if len(row) > c) for name, c in at.items()}
    prices = {n: m for n in columns if (m := _PRICE.search(words[n]))}
    if prices:
        found.price, found.columns = True, list(prices)
        price = next(iter(prices.values()))
        unit = price[1].lower().replace("mwh", "MWh").replace("kwh", "kWh")
        found.form["unit"] = f"per {unit}"
        if re.match(r"(ct|p|c)\s*/", price[0], re.IGNORECASE):
            found.form["factor"] = 0.01
            found.doubts.append("factor: prices in cents, 0.01 of the currency")
        return
    units = {n: _UNITS[m[1].lower()] for n in columns if (m := _UNIT.search(words[n]))}
    units = units or dict.fromkeys(columns, _unit_of_cells(names, rows))
    units = {n: unit for n, unit in units.items() if unit}
    found.columns = [n for n in columns if n in units] or list(columns)
    _unit(found, units, columns)


def _unit_of_cells(names: list[str], rows: list[list[str]]) -> str:
    """Return the unit that a column of cells says, the same in all rows; "" for none."""
    for c in range(len(names)):
        said = {row[c].strip().lower() for row in rows if len(row) > c}
        if len(said) == 1 and (word := said.pop()) in _UNITS:
            return _UNITS[word]
    return ""


def _unit(found: Guess, units: dict[str, str], columns: dict[str, list[str]]) -> None:
    """Find the unit of the first column of values, and whether it is a counter."""
    if not found.columns:
        found.doubts.append("columns: none holds numbers")
        return
    name = found.columns[0]
    unit = units.get(name)
    decimal = found.form.get("decimal", ".")
    plain = [x.replace("." if decimal == "," else ",", "").replace(decimal, ".") for x in columns[name]]
    values = [float(x) for x in plain if re.fullmatch(r"[-+]?\d*\.?\d+", x)]
    if _counts(values) or _counts(values[::-1]):
        found.form["unit"] = f"{unit if unit in ('kWh', 'Wh') else 'kWh'} cumulative"
        found.doubts.append(f"unit: {name!r} only rises, as a meter's counter does")
    elif unit is None:
        mean = sum(values) / max(len(values), 1)
        found.doubts.append(
            f"unit: nothing says it; kW is assumed, a mean of {mean:.3g} kW" + " (W?)" * (mean > 50)
        )
    elif unit != "kW":
        found.form["unit"] = unit
    if len({units.get(n) for n in found.columns}) > 1:
        kept = [n for n in found.columns if units.get(n) == unit]
        found.doubts.append(f"columns: {len(found.columns) - len(kept)} of another unit are left alone")
        found.columns = kept


def _counts(values: list[float]) -> bool:
    """Return whether values rise as a counter's do, by little of where they begin, to the first fall."""
    fall = next((n for n, (a, b) in enumerate(pairwise(values), start=1) if b < a), len(values))
    rising = values[:fall]
    return len(rising) >= 12 and rising[-1] > rising[0] > 5 * (rising[-1] - rising[0])


def _meters(found: Guess, names: list[str], rows: list[list[str]], when: int) -> None:
    """Find rows that are days, and the column that tells rows of the same time apart."""
    slots = [n for n in names[when + 1 :] if n in found.columns]
    if len(slots) >= 23 and "clock_column" not in found.form:
        found.form["first_slot"] = slots[0]
        found.columns = []
    clock = names.index(found.form["clock_column"]) if "clock_column" in found.form else when
    keys = [(row[when], row[clock]) for row in rows if len(row) > max(when, clock)]
    if slots and len(keys) > 1.3 * len(set(keys)):
        for c, name in enumerate(names):
            labels = [row[c] for row in rows if len(row) > max(when, clock, c)]
            apart = len(set(zip(keys, labels, strict=False))) == len(keys)
            if (
                name
                and c not in (when, clock)
                and name not in found.columns
                and apart
                and len(set(labels)) < len(labels)
            ):
                found.form["meter_column"] = name
                if "first_slot" not in found.form:
                    found.form["value_column"] = found.columns[0]
                return
        found.doubts.append("meter_column: times come twice, and no column tells the rows apart")


def decimal_of(cells: Sequence[str]) -> str:
    """Return the decimal mark of cells, "" where none has one, "?" where it may be a mark of thousands.

    >>> decimal_of(["1.234,5", "0,5"]), decimal_of(["1.5"]), decimal_of(["1,234"]), decimal_of(["12"])
    (',', '.', '?', '')
    >>> decimal_of(["12.382.395"])
    ','
    """
    ends = (max(cell.rfind(","), cell.rfind(".")) for cell in cells)
    last = Counter(cell[at] for cell, at in zip(cells, ends, strict=True) if at >= 0)
    marks = [mark for mark in (",", ".") if last[mark]]
    if len(marks) == 1:
        mark = marks[0]
        if any(cell.count(mark) > 1 for cell in cells):  # of thousands
            return "," if mark == "." else "."
        groups = all(
            re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}(\{mark}\d{{3}})+", cell) for cell in cells if mark in cell
        )
        return "?" if groups and mark == "," else mark
    return "" if not marks else max(marks, key=lambda mark: last[mark])
