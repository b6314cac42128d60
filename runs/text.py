"""Text for a terminal or a machine, of plain values."""

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import indent
from typing import Any

from ..data.problems import UNSEEN, shown

_LONGEST_NAME = 180
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns: the first to the left, the others to the right.

    >>> print(table(["kind", "JPY"], [["pv", "10.0"], ["all", "7.5"]]))
    kind   JPY
    pv    10.0
    all    7.5
    """
    lines = [list(map(shown, line)) for line in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )


def section(title: str, text: str) -> str:
    """Return a part of a Markdown page: a heading, and text that keeps its columns.

    >>> section("Costs", table(["kind", "JPY"], [["pv", "10.0"]])).splitlines()
    ['## Costs', '', '    kind   JPY', '    pv    10.0']
    """
    return f"## {on_page(title)}\n\n{indent(text, '    ')}"


def on_page(text: str) -> str:
    """Return a text on one line of a Markdown page, outside of code: no HTML, no link and no picture of a stranger's.

    >>> on_page("<script> & ![x](https://example.org)")
    '&lt;script> & ![x]&#40;https://example.org)'
    """
    return shown(text).replace("<", "&lt;").replace("](", "]&#40;")


def as_json(value: Any, indent: int | None = 1) -> str:
    """Return JSON text of plain values; what is not a finite number becomes null, what cannot be seen is escaped.

    >>> as_json({"a": [1.5, float("nan")]}, indent=None)
    '{"a": [1.5, null]}'
    """

    def plain(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {str(k): plain(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [plain(v) for v in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    text = json.dumps(plain(value), indent=indent, ensure_ascii=False, default=str)
    return "\n".join(UNSEEN.sub(lambda c: json.dumps(c[0])[1:-1], line) for line in text.split("\n"))


def lines(text: str) -> str:
    """Return lines as they may stand before a person's eyes, see :func:`otonari.data.problems.shown`."""
    return "\n".join(map(shown, text.split("\n")))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return rows as CSV, one a line; a text that a spreadsheet would take for a formula begins with an apostrophe.

    A control character is spelled out: behind a carriage return that is not quoted, another row would begin.

    >>> print(as_csv(["name", "kWh"], [["=cmd()", "-1.5"], ["+1|x", -2.0], ["home\r=1", 1]]), end="")
    name,kWh
    '=cmd(),-1.5
    '+1|x,-2.0
    home\r=1,1
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_spelt(_no_formula(cell)) for cell in row] for row in rows)
    return out.getvalue()


def _no_formula(cell: Any) -> Any:
    """Return a cell with an apostrophe before it where it is a text that begins like a formula, and no number."""
    if not isinstance(cell, str) or not cell.startswith(
        ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
    ):
        return cell
    return cell if _NUMBER.fullmatch(cell) else f"'{cell}"


def _spelt(cell: Any) -> Any:
    """Return a cell without control characters: each as it is written in Python."""
    if not isinstance(cell, str):
        return cell
    return _CONTROL.sub(lambda c: c[0].encode("unicode_escape").decode(), cell)


def beginning(name: str, most: int) -> str:
    """Return as much of the beginning of a text as fits into so many bytes of UTF-8.

    >>> beginning("お隣さん", 8)
    'お隣'
    """
    return name.encode(errors="surrogateescape")[:most].decode(errors="ignore")


def file_name(label: str, ending: str) -> str:
    """Return the name of a file for a label as the ledger spells it, each label another one.

    File systems take 255 bytes: of a longer label its beginning, and 128 bits of its SHA-256. Such a name is longer
    than any that was not cut, so that nobody can be called what another one's file is.

    >>> file_name("home 1/2", ".md")
    'home 1%2F2.md'
    """
    name = label.replace("/", "%2F")
    if len(name.encode()) > _LONGEST_NAME:
        name = f"{beginning(name, _LONGEST_NAME - 10)}~{hashlib.sha256(label.encode()).hexdigest()[:32]}"
    return name + ending


def utc(seconds: int) -> str:
    """Return epoch seconds as a time.

    >>> utc(1566313200)
    '2019-08-20 15:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
