"""Tables of a network's elements in CSV files of a folder: rows by column, with their lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..files.csv_text import lines, read_text
from ..problems import InputError, Problem

BLANK = ("", "NULL")


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells by lower-case column, blank ones left out, and where it stands."""

    where: str
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Return a cell; raise :class:`InputError` where it is blank."""
        if column.lower() not in self.cells:
            raise InputError([Problem(self.where, str(self.line), column, "nothing", "a value")])
        return self.cells[column.lower()]

    def number(self, column: str, otherwise: float | None = None) -> float:
        """Return a cell as a number; raise :class:`InputError` where it is none, or blank without another value."""
        if otherwise is not None and column.lower() not in self.cells:
            return otherwise
        cell = self.text(column)
        try:
            value = float(cell)
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise InputError([Problem(self.where, str(self.line), column, repr(cell), "a number")])
        return value


def rows(folder: Path, name: str, columns: Sequence[str], separator: str = ",") -> list[Row]:
    """Return the rows of a table, which begin below the line that has all these columns.

    Raises
    ------
    InputError
        If there is no such file, or no such line.
    """
    path = folder / name
    found = list(lines(str(path), read_text(path), separator))
    heads = [[cell.strip().lower() for cell in cells] for _, cells in found]
    wanted = {column.lower() for column in columns}
    start = next((n for n, head in enumerate(heads) if wanted <= set(head)), None)
    if start is None:
        want = f"a header with {', '.join(columns)}"
        raise InputError([Problem(str(path), "", "file", "none of its columns", want)])
    return [Row(str(path), line, _cells(heads[start], cells)) for line, cells in found[start + 1 :]]


def _cells(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Return the cells of a row that are not blank, by column."""
    stripped = (cell.strip() for cell in cells)
    return {c: cell for c, cell in zip(columns, stripped, strict=False) if cell not in BLANK}


def optional(folder: Path, name: str, columns: Sequence[str], separator: str = ",") -> list[Row]:
    """Return the rows of a table that a network may lack."""
    return rows(folder, name, columns, separator) if (folder / name).exists() else []
