"""MSCONS, the EDIFACT message of metered energy in Germany and Austria, as a table.

Segments: LOC+172 names the metering point, PIA+5 the register (OBIS), QTY a value, DTM+163 and DTM+164 its begin and
end (edi@energy, MSCONS message description).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ...problems import InputError, Problem
from ..csv_text import read_text

HEADER = ["start", "end", "meter", "register", "value", "unit", "status"]
_FORMATS = {"203": "%Y%m%d%H%M", "303": "%Y%m%d%H%M%z"}


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Yield header and quantities of a message: start, end, metering point, OBIS code, value, unit, status.

    A row is numbered by its segment.

    Raises
    ------
    InputError
        Where it is no such message, or a quantity has no begin.
    """
    where = str(path)
    text = read_text(path, encoding).strip()
    if not text.startswith(("UNA", "UNB", "UNH")):
        raise InputError(
            [Problem(where, "1", "container", text[:20], "an MSCONS message, from UNA or UNB on")]
        )
    yield 0, HEADER
    meter = register = ""
    row: list[str] = []
    at, problems = 0, []
    for number, (tag, parts) in enumerate([*_segments(text), ("", [])], start=1):
        if tag in ("QTY", "LOC", "PIA", "UNT", "LIN", "") and row:
            if row[0]:
                yield at, row
            else:
                problems.append(Problem(where, str(at), "DTM", "no begin of a quantity", "DTM+163 after QTY"))
            row = []
        if tag == "LOC" and parts[0][0] in ("172", "Z04") and len(parts) > 1:
            meter = parts[1][0]
        elif tag == "PIA" and len(parts) > 1:
            register = ":".join(p for p in parts[1] if p not in ("SRW", "Z08", "Z02"))
        elif tag == "QTY":
            kind, value, unit = ([*parts[0], "", ""])[:3]
            row, at = ["", "", meter, register, value, unit, kind], number
        elif tag == "DTM" and row and parts[0][0] in ("163", "164"):
            try:
                moment = _moment(parts[0])
            except ValueError:
                problems.append(
                    Problem(where, str(number), "DTM", ":".join(parts[0]), "a time of form 203 or 303")
                )
                continue
            row[0 if parts[0][0] == "163" else 1] = moment
    if problems:
        raise InputError(problems)


def _segments(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield tag and composites of each segment, released characters in place."""
    component, element, release, end = ":", "+", "?", "'"
    if text.startswith("UNA"):
        component, element, release, end = text[3], text[4], text[6], text[8]
        text = text[9:]
    kept = re.escape(release)
    for segment in re.split(rf"(?<!{kept}){re.escape(end)}", text.replace("\r", "").replace("\n", "")):
        tag, *elements = re.split(rf"(?<!{kept}){re.escape(element)}", segment.strip())
        if tag:
            split = (re.split(rf"(?<!{kept}){re.escape(component)}", e) for e in elements)
            yield tag, [[re.sub(rf"{kept}(.)", r"\1", part) for part in parts] for parts in split]


def _moment(parts: list[str]) -> str:
    """Return the moment of a DTM composite as ISO 8601, with its offset where it has one."""
    _, written, form = ([*parts, "", ""])[:3]
    if form not in _FORMATS:
        raise ValueError(form)
    if form == "303" and re.fullmatch(r"\d{12}[+-]\d{2}", written):
        written += "00"
    return datetime.strptime(written, _FORMATS[form]).isoformat()
