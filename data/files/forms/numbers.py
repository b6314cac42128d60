"""Numbers as people write them: decimal marks, marks of thousands, and words for a missing value."""

import re
from collections.abc import Sequence

import numpy as np

_MISSING = {
    *("", "nan", "na", "n/a", "n.a.", "#n/a", "null", "none", "-", "--", "---"),
    *("unknown", "unavailable"),  # of home automation
}
_SPACES = " '\u00a0\u2009\u202f\u2019"  # marks of thousands that can be no decimal mark
_EXCEL_TEXT = re.compile(r'="(.*)"')


def missing(cell: str) -> bool:
    """Return whether a cell says that there is no value."""
    return cell.strip().lower() in _MISSING


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number, with whatever marks."""
    return re.fullmatch(r"[-+]?[\d.,\s'\u2019]*\d[\d.,]*(?:[eE][-+]?\d+)?", cell.strip()) is not None


def read_numbers(cells: Sequence[str], decimal: str, thousands: str) -> tuple[np.ndarray, list[int], str]:
    """Return the values of a column (row,), NaN where missing, the rows that hold no number, and a hint why.

    A mark of thousands counts where it is stated, or where a cell of the column shows it beyond doubt: ``1.234,50``,
    ``1,234,567``, ``1 234``. A lone ``1.234`` under the decimal mark ``,`` is no number.
    """
    other = "," if decimal == "." else "."
    plain = _plain(cells, decimal, other)
    if plain is not None:
        return plain, [], ""
    values, bad, hint = np.full(len(cells), np.nan), [], ""
    mark = thousands or _shown(cells, decimal, other)
    grouped = re.compile(
        rf"[-+]?\d{{1,3}}(?:[{re.escape(mark + _SPACES)}]\d{{3}})+(?:{re.escape(decimal)}\d*)?"
    )
    for r, written in enumerate(cells):
        cell = _EXCEL_TEXT.sub(r"\1", written)
        if grouped.fullmatch(cell):
            cell = re.sub(rf"[{re.escape(mark + _SPACES)}]", "", cell)
        text = cell.replace(decimal, ".") if other not in cell and "_" not in cell else "x"
        try:
            values[r] = float(text)
        except ValueError:
            if not missing(cell):
                bad.append(r)
                hint = hint or _hint(cell, other)
    return values, bad, hint


def _plain(cells: Sequence[str], decimal: str, other: str) -> np.ndarray | None:
    """Return the values of a column (row,) of numbers that need no care, None for any other."""
    text = "\n".join(cells)
    if other in text or "_" in text:
        return None
    try:
        values = np.array((text if decimal == "." else text.replace(decimal, ".")).split("\n"), dtype=float)
    except ValueError:
        return None
    return values if len(values) == len(cells) else None


def _shown(cells: Sequence[str], decimal: str, other: str) -> str:
    """Return the other mark where a cell shows that it groups thousands, or nothing."""
    o, d = re.escape(other), re.escape(decimal)
    sure = re.compile(rf"[-+]?\d{{1,3}}(?:(?:{o}\d{{3}})+{d}\d+|(?:{o}\d{{3}}){{2,}})")
    return other if any(other in cell and sure.fullmatch(cell) for cell in cells) else ""


def _hint(cell: str, other: str) -> str:
    """Return a hint at the decimal mark, or at the mark of thousands where the cell may be either."""
    if not re.fullmatch(rf"[-+]?\d+[{other}]\d+", cell):
        return ""
    either = re.fullmatch(rf"[-+]?\d{{1,3}}[{other}]\d{{3}}", cell)
    return f" (decimal: {other!r}, or thousands: {other!r}?)" if either else f" (decimal: {other!r}?)"
