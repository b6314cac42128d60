"""A sheet of an XLSX workbook as lines of text."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ...problems import InputError, Problem, suggestion
from ..regular_file import content


def lines(
    path: Path, sheet: str = "", decimal: str = ".", skip_rows: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a sheet (the first if none is named) as (row, cells), without blank rows.

    Times are written as ISO 8601, numbers with the decimal mark.

    Raises
    ------
    InputError
        Where openpyxl is not installed, or it is no workbook with such a sheet.
    """
    where, book = str(path), _book(path)
    if sheet and sheet not in book.sheetnames:
        want = f"one of {', '.join(book.sheetnames)}{suggestion(sheet, book.sheetnames)}"
        raise InputError([Problem(where, "", "sheet", repr(sheet), want)])
    chosen = book[sheet] if sheet else book.worksheets[0]
    for row, values in enumerate(chosen.iter_rows(values_only=True), start=1):
        cells = [_text(value, decimal) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if row > skip_rows and cells and not cells[0].startswith("#"):
            yield row, cells
    book.close()


def sheets(path: Path) -> list[str]:
    """Return the names of the sheets of a workbook; errors as of :func:`lines`."""
    book = _book(path)
    names = [sheet.title for sheet in book.worksheets]
    book.close()
    return names


def _book(path: Path) -> Any:
    where = str(path)
    content(path, "a readable workbook")
    try:
        import openpyxl
    except ImportError:
        got, want = "no openpyxl", "openpyxl, which reads workbooks: pip install 'otonari[excel]'"
        raise InputError([Problem(where, "", "container", got, want)]) from None
    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, openpyxl.utils.exceptions.InvalidFileException):
        raise InputError([Problem(where, "", "container", "no XLSX workbook", "an XLSX workbook")]) from None


def _text(value: Any, decimal: str) -> str:
    """Return a cell as text; a time to the second, since a workbook counts in parts of days."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        near = value + timedelta(milliseconds=500)
        return near.replace(microsecond=0).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value).replace(".", decimal)
    return str(value).strip()
