"""How loggers, utilities and weather services write a table of readings, and the cells that stand in one."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..problems import InputError, Problem, suggestion
from .regular_file import content

UNITS = ("kW", "kWh", "W/kW", "kWh cumulative")
STAMPS = ("start", "middle", "end")
_MOST = 5  # like entries listed one by one; the rest are counted


@dataclass(frozen=True)
class FileFormat:
    """How a file writes its readings.

    Attributes
    ----------
    unit
        ``kW`` (mean power), ``kWh`` (energy of the interval), ``W/kW`` (W per kW installed), or
        ``kWh cumulative`` (a meter's counter: its step is the energy between two stamps).
    stamp
        Whether a stamp is the start, the middle or the end of its interval. A counter's stamp is its instant.
    time_zone
        Zone of stamps that carry no offset: a name, or a fixed offset where the logger ignores summer time.
    time_column, decimal, separator, encoding
        How the text is written.
    time_format
        Pattern of ``strptime`` for stamps that are not written year first; "" for those that are.
    skip_rows
        Lines before the header.
    reference_year
        The readings hold for any year: a time is looked up by month, day and hour on the zone's standard
        time, as :func:`readings.placed` says; weekdays are not matched.
    """

    unit: str = "kW"
    stamp: str = "start"
    time_zone: str = "UTC"
    time_column: str = "time"
    decimal: str = "."
    separator: str = ","
    encoding: str = "utf-8"
    time_format: str = ""
    skip_rows: int = 0
    reference_year: bool = False

    def problems(self, where: str) -> Iterator[Problem]:
        """Yield what is wrong with the format itself."""
        from .. import clock  # brings pandas: imported where it is needed

        for field, known in (("unit", UNITS), ("stamp", STAMPS), ("decimal", (".", ","))):
            got = getattr(self, field)
            if got not in known:
                want = f"one of {', '.join(map(repr, known))}{suggestion(got, known)}"
                yield Problem(where, "", field, repr(got), want)
        if len(self.separator) != 1 or self.separator in '"\r\n':
            yield Problem(where, "", "separator", repr(self.separator), "one character such as ',' or ';'")
        elif self.separator == self.decimal:
            yield Problem(where, "", "decimal", repr(self.decimal), "another mark than the separator")
        try:
            clock.zone(self.time_zone, where)
        except InputError as error:
            yield from error.problems


def several(where: str, field: str, entries: Sequence[tuple[int, str]], want: str) -> Iterator[Problem]:
    """Yield a problem for each of the first (row, got), and one that counts the rest."""
    for row, got in entries[:_MOST]:
        yield Problem(where, str(row), field, got, want)
    if len(entries) > _MOST:
        rest = f"{len(entries) - _MOST} more rows like these, to row {entries[-1][0]}"
        yield Problem(where, "~", field, rest, want)


def text(path: str | Path, encoding: str = "utf-8") -> str:
    """Return the text of a file; raise :class:`InputError` where it cannot be read."""
    where = str(path)
    raw = content(Path(path), "a readable CSV file")
    utf8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    try:
        decoded = raw.decode("utf-8-sig" if utf8 else encoding)
    except LookupError:
        want = "an encoding such as utf-8 or cp932"
        raise InputError([Problem(where, "", "encoding", repr(encoding), want)]) from None
    except UnicodeError as error:
        row = raw[: getattr(error, "start", 0)].count(b"\n") + 1
        got = f"bytes that are not {encoding}"
        want = f"text in {encoding}{_other_encoding(raw, encoding)}"
        raise InputError([Problem(where, str(row), "encoding", got, want)]) from None
    if not decoded.strip():
        raise InputError([Problem(where, "", "file", "an empty file", "a header and rows")])
    return decoded


def _other_encoding(raw: bytes, told: str) -> str:
    for other in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8", "cp932"):
        if other != told.lower():
            try:
                raw.decode(other)
            except UnicodeError:
                continue
            return f" (or encoding: {other}, which it can be read in)"
    return ""


def table(where: str, text: str, separator: str = ",", skip_rows: int = 0) -> list[tuple[int, list[str]]]:
    """Return header and rows of a text as (line, cells), without blank lines and comments (``#``); see :func:`lines`."""
    return list(lines(where, text, separator, skip_rows))


def lines(where: str, text: str, separator: str = ",", skip_rows: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield header and rows of a text as (line, cells), without blank lines and comments (``#``).

    Raises
    ------
    InputError
        Where there is no header, or one that is not cut at the separator.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    headed, line = False, 1
    try:
        for cells in reader:
            if line > skip_rows and any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                if not headed:
                    _check_header(where, line, cells, separator)
                headed = True
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError([Problem(where, str(reader.line_num), "file", str(error), "a CSV table")]) from None
    if not headed:
        raise InputError([Problem(where, "", "file", "no header", "a header and rows")])


def _check_header(where: str, line: int, header: list[str], separator: str) -> None:
    for other in ";\t,|" if len(header) == 1 else "":
        if other in header[0] and other != separator:
            got, want = f"one column, cut at {separator!r}", f"columns (separator: {other!r}?)"
            raise InputError([Problem(where, str(line), "separator", got, want)])


def places(where: str, header: tuple[int, list[str]], columns: Sequence[str], fmt: FileFormat) -> list[int]:
    """Return the positions of the time column and of the columns in a row."""
    line, names = header[0], [name.strip() for name in header[1]]
    problems = []
    if "" in names:
        got = f"no name for column {names.index('') + 1} of {len(names)}"
        problems.append(Problem(where, str(line), "column", got, "a name for every column"))
    for name in dict.fromkeys([fmt.time_column, *columns]):
        if names.count(name) > 1:
            got = f"{names.count(name)} columns of this name"
            problems.append(Problem(where, str(line), name, got, "one column of this name"))
        elif name not in names:
            want = f"a column {name!r} in the header{suggestion(name, [n for n in names if n != fmt.time_column])}"
            problems.append(Problem(where, str(line), name, f"the columns {', '.join(names)[:80]}", want))
    if problems:
        raise InputError(problems)
    return [names.index(name) for name in [fmt.time_column, *columns]]
