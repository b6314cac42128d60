"""Text for a terminal or a machine, of plain values."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import indent
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return aligned columns: the first to the left, the others to the right.

    >>> print(table(["kind", "JPY"], [["pv", "10.0"], ["all", "7.5"]]))
    kind   JPY
    pv    10.0
    all    7.5
    """
    lines = [list(header), *map(list, rows)]
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
    return f"## {title}\n\n{indent(text, '    ')}"


def as_json(value: Any, indent: int | None = 1) -> str:
    """Return JSON text of plain values; what is not a finite number becomes null.

    >>> as_json({"a": [1.5, float("nan")]}, indent=None)
    '{"a": [1.5, null]}'
    """

    def plain(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {str(k): plain(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [plain(v) for v in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    return json.dumps(plain(value), indent=indent, ensure_ascii=False, default=str)


def utc(seconds: int) -> str:
    """Return epoch seconds as a time.

    >>> utc(1566313200)
    '2019-08-20 15:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
