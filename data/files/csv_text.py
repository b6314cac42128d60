"""The text of a CSV file, and its records: header and rows of cells, each with its line."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from ..problems import InputError, Problem
from .regular_file import content

_SEPARATOR = re.compile(r"[\"']?sep=([;,|\t])[\"']?\s*\r?\n", re.IGNORECASE)


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """Return the text of a CSV file.

    Raises
    ------
    InputError
        Where it cannot be read, is empty or is written in another encoding.
    """
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


def _other_encoding(raw: bytes, stated: str) -> str:
    """Return a hint at an encoding that the bytes can be read in, or nothing."""
    for other in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8", "cp932"):
        if other != stated.lower():
            try:
                raw.decode(other)
            except UnicodeError:
                continue
            return f" (or encoding: {other}, which it can be read in)"
    return ""


def records(
    where: str, text: str, separator: str = ",", skip_rows: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield header and rows of a text as (line, cells), without blank lines and comments (``#``).

    Raises
    ------
    InputError
        Where there is no header, or one that is not cut at the separator.
    """
    headed = False
    for line, cells in lines(where, text, separator, skip_rows):
        if not headed:
            check_header(where, line, cells, separator)
        headed = True
        yield line, cells
    if not headed:
        raise InputError([Problem(where, "", "file", "no header", "a header and rows")])


def lines(where: str, text: str, separator: str = ",", skip_rows: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a text as (line, cells), without blank lines and comments (``#``).

    A first line ``sep=;``, by which a file tells spreadsheets its separator, counts instead of ``separator``.
    """
    told = _SEPARATOR.match(text)
    separator = told[1] if told else separator
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    line = 1
    try:
        for cells in reader:
            after = line > skip_rows and not (told and line == 1)
            if after and any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError([Problem(where, str(reader.line_num), "file", str(error), "a CSV table")]) from None


def check_header(where: str, line: int, header: list[str], separator: str) -> None:
    """Refuse a header of one cell that holds another common separator."""
    for other in ";\t,|" if len(header) == 1 else "":
        if other in header[0] and other != separator:
            got, want = f"one column, cut at {separator!r}", f"columns (separator: {other!r}?)"
            raise InputError([Problem(where, str(line), "separator", got, want)])
