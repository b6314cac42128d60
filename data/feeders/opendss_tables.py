"""Networks in CSV tables named after OpenDSS's elements, as the IEEE European Low Voltage Test Feeder is published.

A folder of ``Lines.csv``, ``LineCodes.csv``, ``Loads.csv``, ``Transformer.csv`` and ``Source.csv``; titles may stand
above the headers. Lengths are in the units of their rows, impedances per the unit of the line code.
"""

import re
from collections.abc import Iterator
from math import acos, tan
from pathlib import Path

from ..files.csv_text import read_text
from ..problems import InputError, Problem
from .element_tables import Row, rows
from .network import Line, Load, Network, Transformer

MARK = "Lines.csv"
"""A folder with this file is one."""
METRES = {"m": 1.0, "km": 1000.0, "ft": 0.3048, "kft": 304.8, "mi": 1609.344, "cm": 0.01, "in": 0.0254}
"""Units of length [m]."""
_PER_UNIT = re.compile(r"\bpu\s*=\s*([0-9.]+)", re.IGNORECASE)


def read(folder: Path) -> Network:
    """Return the network of a folder, its source the upper bus of the transformer.

    Raises
    ------
    InputError
        If a table is missing or has no such columns, a number or a unit is none, or there is not one transformer.
    """
    transformers = rows(folder, "Transformer.csv", ["Name", "bus1", "bus2", "kV_pri", "kV_sec", "MVA"])
    if len(transformers) != 1:
        where = str(folder / "Transformer.csv")
        raise InputError([Problem(where, "", "Name", f"{len(transformers)} transformers", "one")])
    station = transformers[0]
    root, low = station.text("bus1"), station.text("bus2")
    lines = list(_lines(folder))
    volts = {bus: 1000 * station.number("kV_sec") for line in lines for bus in line.ends}
    volts |= {low: 1000 * station.number("kV_sec"), root: 1000 * station.number("kV_pri")}
    told = _PER_UNIT.search(read_text(folder / "Source.csv")) if (folder / "Source.csv").exists() else None
    return Network(
        str(folder),
        volts,
        root,
        float(told[1]) if told else 1.0,
        (_transformer(station), *lines),
        tuple(_loads(folder)),
    )


def _transformer(row: Row) -> Transformer:
    """Return the transformer: its reactance is stated, and its resistance, each in percent."""
    x, r = row.number("%XHL"), row.number("% resistance", 0.0)
    ends = row.text("bus1"), row.text("bus2")
    return Transformer(row.text("Name"), ends, 1000 * row.number("MVA"), abs(complex(r, x)), r)


def _lines(folder: Path) -> Iterator[Line]:
    codes = {row.text("Name"): row for row in rows(folder, "LineCodes.csv", ["Name", "R1", "X1"])}
    for line in rows(folder, MARK, ["Name", "Bus1", "Bus2", "Length", "LineCode"]):
        code = codes.get(line.text("LineCode"))
        if code is None:
            want = "a name of LineCodes.csv"
            raise InputError(
                [Problem(line.where, str(line.line), "LineCode", repr(line.text("LineCode")), want)]
            )
        length = line.number("Length") * _metres(line, "m")
        per = length / _metres(code, "km")
        one = complex(code.number("R1"), code.number("X1")) * per
        zero = (
            complex(code.number("R0"), code.number("X0")) * per if {"r0", "x0"} <= set(code.cells) else None
        )
        rating = code.number("Amps", float("inf")) if "amps" in code.cells else float("inf")
        yield Line(line.text("Name"), (line.text("Bus1"), line.text("Bus2")), one, zero, rating, length)


def _metres(row: Row, otherwise: str) -> float:
    """Return the unit of length of a row [m]."""
    unit = row.cells.get("units", otherwise).lower()
    if unit not in METRES:
        raise InputError(
            [Problem(row.where, str(row.line), "Units", repr(unit), f"one of {', '.join(METRES)}")]
        )
    return METRES[unit]


def _loads(folder: Path) -> Iterator[Load]:
    for row in rows(folder, "Loads.csv", ["Name", "Bus", "phases", "kW"]):
        p, factor = row.number("kW"), row.number("PF", 1.0)
        phase = row.text("phases").lower().replace(".", "").translate(str.maketrans("123", "abc"))
        if phase not in ("a", "b", "c", "abc"):
            raise InputError(
                [Problem(row.where, str(row.line), "phases", repr(row.text("phases")), "A, B, C or ABC")]
            )
        yield Load(row.text("Name"), row.text("Bus"), p, p * tan(acos(min(1.0, abs(factor)))), phase)
