"""Stacked areas over time: what comes above zero, what goes below."""

from collections.abc import Mapping, Sequence

import numpy as np

from .axes import BOTTOM, LEFT, RIGHT, Array, Scale, level, span, upright
from .drawing import NO_COLOURS, WIDTH, colour, coordinate, legend, shape
from .figure import Figure, Row

_HEIGHT = 200.0


def stacked(
    title: str,
    description: str,
    unit: str,
    times: Sequence[str],
    marks: Sequence[tuple[float, str]],
    series: dict[str, Array],
    colours: Mapping[str, int] = NO_COLOURS,
    corner: str = "time",
) -> Figure:
    """Return stacked steps of series (time,) by name; those below zero are stacked downwards.

    ``times`` label the slots in the table, ``marks`` some of their numbers on the axis; ``colours`` are numbers of those
    of series that have their own.
    """
    values = {name: np.nan_to_num(np.asarray(v, dtype=float)) for name, v in series.items()}
    above = sum((np.maximum(v, 0) for v in values.values()), np.zeros(len(times)))
    below = sum((np.minimum(v, 0) for v in values.values()), np.zeros(len(times)))
    low, high = span(above, below)
    key, top = legend(values, colours)
    top += 18
    x = Scale(0, max(len(times), 1), LEFT, WIDTH - RIGHT)
    y = Scale(low, high, top + _HEIGHT, top)
    parts = [key, upright(y, unit)]
    up, down = np.zeros(len(times)), np.zeros(len(times))
    for number, (name, part) in enumerate(values.items()):
        for base, some in ((up, np.maximum(part, 0)), (down, np.minimum(part, 0))):
            parts.append(shape(band(x, y, base, base + some), colour(name, number, colours)))
            base += some
    bottom = level(x, top + _HEIGHT, marks) if low >= 0 else _zero(x, y) + level(x, top + _HEIGHT, marks)
    rows: list[Row] = [[t, *(float(v[k]) for v in values.values())] for k, t in enumerate(times)]
    header = [corner, *(f"{name}, {unit}" for name in values)]
    return Figure(title, description, "".join(parts) + bottom, top + _HEIGHT + BOTTOM, header, rows)


def band(x: Scale, y: Scale, base: Array, edge: Array) -> str:
    """Return the commands of the area between two courses of steps, stretch by stretch where it is known and some."""
    commands = []
    some = np.flatnonzero(np.abs(edge - base) > 1e-9)
    for stretch in np.split(some, np.flatnonzero(np.diff(some) > 1) + 1):
        if stretch.size:
            first, last = int(stretch[0]), int(stretch[-1]) + 1
            there = _steps(x, y, edge[first:last], range(first, last))
            back = _steps(x, y, base[first:last][::-1], range(last, first, -1), -1)
            commands.append(f"M{coordinate(x(first))} {coordinate(y(edge[first]))}{there}{back}z")
    return "".join(commands)


def _steps(x: Scale, y: Scale, values: Array, starts: range, way: int = 1) -> str:
    """Return commands along steps: up or down to each value, then over its slot; equal neighbours are one step."""
    ends = np.flatnonzero(np.append(np.abs(np.diff(values)) > 1e-9, True))
    return "".join(f"V{coordinate(y(values[e]))}H{coordinate(x(starts[e] + way))}" for e in ends)


def _zero(x: Scale, y: Scale) -> str:
    return shape(f"M{coordinate(x.start)} {coordinate(y(0))}H{coordinate(x.end)}", "x")
