"""Heat maps: a value for each row and column, as shades; also matrices of who trades with whom."""

from collections.abc import Sequence

import numpy as np

from .axes import RIGHT, Array, Scale, level
from .drawing import WIDTH, brief, margin, rectangle, shape, words
from .figure import Figure, Row
from .style import SHADES

_ROW = 15.0


def heat_map(
    title: str,
    description: str,
    unit: str,
    values: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    marks: Sequence[tuple[float, str]],
    decimals: int = 3,
    corner: str = "time",
) -> Figure:
    """Return the values (row, column), where they are known, over an axis of what ``corner`` says with ``marks``.

    The table is turned round, a line per column: a page is longer than it is wide.
    """
    drawing, height = _drawing(unit, values, rows, marks)
    cells: list[Row] = [[c, *(float(v) for v in values[:, k])] for k, c in enumerate(columns)]
    return Figure(title, description, drawing, height, [corner, *rows], cells, decimals)


def matrix(
    title: str,
    description: str,
    unit: str,
    values: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    corner: str,
) -> Figure:
    """Return the values (row, column) with the names of the columns numbered under them, zeros left empty.

    ``corner`` says what rows and columns are.
    """
    some = np.where(values > 0, values, np.nan)
    marks = numbered(len(columns))
    drawing, height = _drawing(unit, some, [f"{brief(r, 12)} {k + 1}" for k, r in enumerate(rows)], marks)
    cells: list[Row] = [[r, *(float(v) for v in values[k])] for k, r in enumerate(rows)]
    return Figure(title, description, drawing, height, [corner, *columns], cells)


def numbered(count: int) -> list[tuple[float, str]]:
    """Return marks of so many columns: their numbers from 1, as many as there is room for."""
    return [(k + 0.5, str(k + 1)) for k in range(0, count, 1 + count // 16)]


def _drawing(
    unit: str, values: Array, rows: Sequence[str], marks: Sequence[tuple[float, str]]
) -> tuple[str, float]:
    """Return the shades with the labels of the rows, the axis and the legend, and the height."""
    left, top = margin(rows), 30.0
    x = Scale(0, max(values.shape[1], 1), left, WIDTH - RIGHT)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    shade = np.full(values.shape, -1)
    width = max(high - low, 1e-12)
    shade[np.isfinite(values)] = np.minimum((known - low) / width * SHADES, SHADES - 1).astype(int)
    commands: list[list[str]] = [[] for _ in range(SHADES)]
    for row, course in enumerate(shade):
        for stretch in np.split(np.arange(len(course)), np.flatnonzero(np.diff(course)) + 1):
            if stretch.size and course[stretch[0]] >= 0:
                begin, end = x(stretch[0]), x(stretch[-1] + 1)
                commands[course[stretch[0]]].append(
                    rectangle(begin, top + row * _ROW, end - begin, _ROW - 1.5)
                )
    bottom = top + len(rows) * _ROW
    parts = [shape("".join(c), f"h{k}") for k, c in enumerate(commands)]
    parts += [words(left - 6, top + k * _ROW + 11, brief(r), "e") for k, r in enumerate(rows)]
    return "".join([_legend(low, high, unit, left), *parts, level(x, bottom, marks)]), bottom + 20


def _legend(low: float, high: float, unit: str, left: float) -> str:
    """Return the shades with the least and the greatest value."""
    texts = f"{low:.4g}", f"{high:.4g} {unit}"
    start = left + 6 + 7 * len(texts[0])
    steps = [shape(rectangle(start + 12 * k, 4, 12, 12), f"h{k}") for k in range(SHADES)]
    return words(left, 14, texts[0]) + "".join(steps) + words(start + 12 * SHADES + 6, 14, texts[1])
