"""CSV tables to rows of text: every problem of the file collected, every row with its line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from ..problems import InputError, Problem, suggestion
from .csv_text import read_text, records


@dataclass(frozen=True)
class Table:
    """Rows of a CSV file as the user wrote them: ``rows[i]`` stands on line ``lines[i]`` of ``where``.

    Blank cells are left out of a row, so that defaults hold. ``columns`` are the header's; ``complete`` says
    that no row was lost, ``known`` that the header has the columns that it should have and no other.
    """

    where: str
    rows: list[dict[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    complete: bool = True
    known: bool = True


def read(
    path: Path,
    row_model: type[BaseModel],
    separator: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8",
    rename: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> tuple[Table, list[Problem]]:
    """Return the rows of a CSV file with a header, and everything that is wrong with its shape.

    Lines that begin with ``#`` are comments. ``rename`` maps the file's columns to the table's, ``ignore``
    names columns of the file that the table does not have.
    """
    where = str(path)
    try:
        header, *written = records(where, read_text(path, encoding), separator)
    except InputError as error:
        return Table(where, complete=False, known=False), list(error.problems)
    columns, problems = _columns(where, header, row_model, rename or {}, ignore)
    numbers = _numbers(row_model) if decimal != "." else set()
    whole = all(len(cells) == len(columns) for _, cells in written)
    table = Table(where, columns=tuple(columns), complete=whole, known=not problems)
    for line, cells in written:
        if len(cells) != len(columns):
            problems.append(_cut(where, line, cells, columns))
            continue
        table.rows.append(_row(cells, columns, row_model, numbers, decimal))
        table.lines.append(line)
    return table, problems


def rows(
    path: Path,
    row_model: type[BaseModel],
    separator: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8",
    rename: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file one by one, as :func:`read` gives them.

    Raises
    ------
    InputError
        At the first thing that is wrong with its shape.
    """
    where = str(path)
    written = records(where, read_text(path, encoding), separator)
    columns, problems = _columns(where, next(written), row_model, rename or {}, ignore)
    if problems:
        raise InputError(problems)
    numbers = _numbers(row_model) if decimal != "." else set()
    for line, cells in written:
        if len(cells) != len(columns):
            raise InputError([_cut(where, line, cells, columns)])
        yield _row(cells, columns, row_model, numbers, decimal)


def _columns(
    where: str,
    header: tuple[int, list[str]],
    row_model: type[BaseModel],
    rename: Mapping[str, str],
    ignore: Sequence[str],
) -> tuple[list[str], list[Problem]]:
    """Return the columns as the table calls them, and what is wrong with them."""
    columns = [rename.get(name, name) for name in (cell.strip() for cell in header[1])]
    return columns, _header(columns, row_model, where, str(header[0]), ignore, rename)


def _numbers(row_model: type[BaseModel]) -> set[str]:
    return {n for n, f in row_model.model_fields.items() if float in _types(f.annotation)}


def _row(
    cells: list[str], columns: list[str], row_model: type[BaseModel], numbers: set[str], decimal: str
) -> dict[str, str]:
    known = row_model.model_fields
    row = {c: v.strip() for c, v in zip(columns, cells, strict=True) if c in known and v.strip()}
    return {c: v.replace(decimal, ".") if c in numbers else v for c, v in row.items()} if numbers else row


def _cut(where: str, line: int, cells: list[str], columns: list[str]) -> Problem:
    return Problem(where, str(line), "row", f"{len(cells)} cells", f"{len(columns)}, as in the header")


def _header(
    columns: list[str],
    row_model: type[BaseModel],
    where: str,
    line: str,
    ignore: Sequence[str],
    rename: Mapping[str, str],
) -> list[Problem]:
    """Return unknown, repeated and missing columns."""
    problems = []
    known = row_model.model_fields
    for name in sorted(set(columns)):
        if name not in known and name not in ignore:
            got = f"an unknown column {name!r}{suggestion(name, known)}"
            problems.append(Problem(where, line, name or "column", got, f"one of {', '.join(known)}"))
        if columns.count(name) > 1:
            problems.append(Problem(where, line, name, f"{columns.count(name)} columns {name!r}", "one"))
    hints = " ".join(problem.got for problem in problems)
    for name, column in known.items():
        if column.is_required() and name not in columns and f"mean {name!r}?" not in hints:
            problems.append(Problem(where, line, name, "no such column", str(column.description)))
    for name in rename.values():
        if name not in columns:
            problems.append(Problem(where, line, "rename", "no column to rename", f"a column for {name!r}"))
    return problems


def _types(annotation: Any) -> set[Any]:
    """Return the plain types inside an annotation."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {t for a in get_args(annotation) for t in _types(a)}
    return {annotation}
