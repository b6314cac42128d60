"""Green Button (ESPI, NAESB REQ.21), the XML of American utilities, as a table.

An ``IntervalReading`` has a start [s since 1970], a duration [s] and a value, in the unit, power of ten and direction of
the ``ReadingType`` that its ``MeterReading`` links to.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from ...problems import InputError, Problem
from ..csv_text import read_text

HEADER = ["start", "seconds", "value", "direction", "meter"]
_WATT_HOURS = "72"
_DIRECTIONS = {"1": "delivered", "19": "received"}  # from the utility, to the utility


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Yield header and intervals of a file: start [s since 1970], length [s], energy [Wh], direction, meter reading.

    Raises
    ------
    InputError
        Where it is no such XML, or holds another quantity than energy.
    """
    where = str(path)
    text = read_text(path, encoding)
    try:
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ElementTree.ParseError("a document type, which may unfold without end")
        root = ElementTree.fromstring(text.encode("utf-8"))
    except ElementTree.ParseError as error:
        raise InputError([Problem(where, "", "container", str(error), "Green Button XML")]) from None
    types, readings = _reading_types(root)
    number = 0
    yield 0, HEADER
    for entry in _all(root, "entry") or [root]:
        for block in _all(entry, "IntervalBlock"):
            meter, kind = _kind_of(entry, types, readings)
            if kind.get("uom", _WATT_HOURS) != _WATT_HOURS:
                got = f"the unit {kind['uom']} of a ReadingType"
                raise InputError([Problem(where, "", "uom", got, f"{_WATT_HOURS}, energy in Wh")])
            scale = _power_of_ten(where, kind.get("powerOfTenMultiplier", "") or "0")
            for reading in _all(block, "IntervalReading"):
                number += 1
                start, seconds, value = (_text(reading, n) for n in ("start", "duration", "value"))
                energy = repr(float(value) * scale) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value
                direction = _DIRECTIONS.get(kind.get("flowDirection", "1"), kind.get("flowDirection", ""))
                yield number, [start, seconds, energy, direction, meter]


def _power_of_ten(where: str, exponent: str) -> float:
    """Return the factor of a multiplier such as -3."""
    if not re.fullmatch(r"[-+]?\d{1,2}", exponent):
        got = f"the multiplier {exponent!r}"
        raise InputError([Problem(where, "", "powerOfTenMultiplier", got, "a power of ten such as -3")])
    return float(10.0 ** int(exponent))


def _reading_types(root: ElementTree.Element) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the properties of each reading type by its address, and that of each meter reading's type by its own."""
    types: dict[str, dict[str, str]] = {}
    readings: dict[str, str] = {}
    for entry in _all(root, "entry"):
        own = next(iter(_links(entry, "self")), "")
        for kind in _all(entry, "ReadingType"):
            types[own] = {_name(child): (child.text or "").strip() for child in kind}
        if _all(entry, "MeterReading"):
            readings[own] = next((link for link in _links(entry, "related") if "ReadingType" in link), "")
    return types, readings


def _kind_of(
    entry: ElementTree.Element, types: dict[str, dict[str, str]], readings: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """Return the meter reading that an entry of intervals belongs to, and the properties of its type."""
    links = [*_links(entry, "self"), *_links(entry, "up")]
    meter = next((r for r in readings if r and any(link.startswith(r) for link in links)), "")
    kind = types.get(readings.get(meter, ""))
    if kind is None:
        kind = next(iter(types.values())) if len(types) == 1 else {}
    return meter.rpartition("/")[2], kind


def _links(entry: ElementTree.Element, relation: str) -> list[str]:
    return [e.get("href", "") for e in entry if _name(e) == "link" and e.get("rel") == relation]


def _all(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in element.iter() if _name(e) == name]


def _text(element: ElementTree.Element, name: str) -> str:
    return next(((e.text or "").strip() for e in element.iter() if _name(e) == name), "")


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
