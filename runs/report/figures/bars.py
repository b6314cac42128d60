"""Bars along a level axis, a line each, one behind the other where they have several parts."""

from collections.abc import Mapping, Sequence

import numpy as np

from .axes import RIGHT, Array, Scale, level, span, ticks
from .drawing import NO_COLOURS, WIDTH, brief, colour, legend, margin, rectangle, shape, words
from .figure import Figure, Row

_ROW = 18.0


def bars(
    title: str,
    description: str,
    unit: str,
    labels: Sequence[str],
    series: dict[str, Array],
    corner: str = "",
    decimals: int = 3,
    colours: Mapping[str, int] = NO_COLOURS,
    reach: Sequence[Array] = (),
) -> Figure:
    """Return a bar for each label of the series (label,) by name, one behind the other; below zero to the left.

    The axis reaches as far as values of other figures to compare with, if there are any.
    """
    values = {n: np.nan_to_num(np.asarray(v, dtype=float)) for n, v in series.items()}
    above = sum((np.maximum(v, 0) for v in values.values()), np.zeros(len(labels)))
    below = sum((np.minimum(v, 0) for v in values.values()), np.zeros(len(labels)))
    low, high = span(above, below, *reach)
    key, top = legend(values, colours) if len(values) > 1 else ("", 4.0)
    x = Scale(low, high, margin(labels), WIDTH - RIGHT)
    parts, up, down = [key], np.zeros(len(labels)), np.zeros(len(labels))
    for number, (name, part) in enumerate(values.items()):
        commands = []
        for base, some in ((up, np.maximum(part, 0)), (down, np.minimum(part, 0))):
            for row in np.flatnonzero(np.abs(some) > 1e-9):
                begin, end = sorted((x(base[row]), x(base[row] + some[row])))
                commands.append(rectangle(begin, top + row * _ROW + 2, end - begin, _ROW - 5))
            base += some
        parts.append(shape("".join(commands), colour(name, number, colours)))
    parts += [words(x.start - 6, top + k * _ROW + 13, brief(r), "e") for k, r in enumerate(labels)]
    bottom = top + len(labels) * _ROW
    parts.append(shape(f"M{x(0):.1f} {top:g}V{bottom:g}", "x"))
    marks = [(value, f"{value:g}") for value in ticks(low, high)]
    parts += [level(x, bottom, marks), words(WIDTH, bottom + 30, unit, "e q")]
    rows: list[Row] = [[r, *(float(v[k]) for v in values.values())] for k, r in enumerate(labels)]
    header = [corner, *(f"{name}, {unit}" for name in values)]
    return Figure(title, description, "".join(parts), bottom + 36, header, rows, decimals)
