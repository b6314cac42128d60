"""Courses: lines over time, steps over energy, and points with their names."""

from collections.abc import Sequence

import numpy as np

from .areas import band
from .axes import BOTTOM, LEFT, RIGHT, Array, Scale, level, span, ticks, upright
from .drawing import WIDTH, brief, coordinate, escaped, legend, path, shape, words
from .figure import Figure, Row

_HEIGHT = 180.0
_ENDS = ("from", "to")


def lines(
    title: str,
    description: str,
    unit: str,
    times: Sequence[str],
    marks: Sequence[tuple[float, str]],
    series: dict[str, Array],
    decimals: int = 3,
    between: dict[str, tuple[Array, Array]] | None = None,
) -> Figure:
    """Return steps of series (time,) by name; a value that is not known is a gap.

    ``between`` are areas by name, from one course (time,) to another, behind the steps.
    """
    areas = between or {}
    low, high = span(*series.values(), *(edge for both in areas.values() for edge in both))
    key, top = legend([*series, *areas], {})
    top += 18
    x = Scale(0, max(len(times), 1), LEFT, WIDTH - RIGHT)
    y = Scale(low, high, top + _HEIGHT, top)
    parts = [key, upright(y, unit), level(x, top + _HEIGHT, marks)]
    for number, edges in enumerate(areas.values(), len(series)):
        parts.append(shape(band(x, y, *edges), f"c{number} b"))
    for number, values in enumerate(series.values()):
        css = f"l c{number}" + (" dash" if number % 2 else "")
        parts.append(shape(_steps(x, y, np.asarray(values, dtype=float)), css))
    told = series | {
        f"{name}, {end}": e for name, es in areas.items() for end, e in zip(_ENDS, es, strict=True)
    }
    rows: list[Row] = [[t, *(float(v[k]) for v in told.values())] for k, t in enumerate(times)]
    header = ["time", *(f"{name}, {unit}" for name in told)]
    return Figure(title, description, "".join(parts), top + _HEIGHT + BOTTOM, header, rows, decimals)


def ordered(
    title: str,
    description: str,
    units: tuple[str, str],
    series: dict[str, tuple[Array, Array]],
    decimals: int = 4,
) -> Figure:
    """Return curves of amounts and prices by name, each (step,) in its order, the amounts one after the other."""
    price_unit, energy_unit = units
    low, high = span(*(price for _, price in series.values()), zero=False)
    most = max((float(np.sum(amount)) for amount, _ in series.values()), default=0.0)
    key, top = legend(series, {})
    top += 18
    x = Scale(0, most if most > 0 else 1.0, LEFT, WIDTH - RIGHT)
    y = Scale(low, high, top + _HEIGHT, top)
    marks = [(v, f"{v:g}") for v in ticks(0, x.high)]
    parts = [key, upright(y, price_unit), level(x, top + _HEIGHT, marks)]
    parts.append(words(WIDTH, top + _HEIGHT + 30, energy_unit, "e q"))
    rows: list[Row] = []
    for number, (name, (amount, price)) in enumerate(series.items()):
        ends = np.concatenate([[0.0], np.cumsum(amount)])
        corners = [(x(e), y(p)) for k, p in enumerate(price) for e in ends[k : k + 2]]
        parts.append(shape(path(corners), f"l c{number}" + (" dash" if number % 2 else "")))
        rows += [[name, float(a), float(p)] for a, p in zip(amount, price, strict=True)]
    header = ["side", energy_unit, price_unit]
    return Figure(title, description, "".join(parts), top + _HEIGHT + 36, header, rows, decimals)


def points(
    title: str,
    description: str,
    units: tuple[str, str],
    names: Sequence[str],
    across: Array,
    up: Array,
    corner: str = "",
    decimals: int = 2,
) -> Figure:
    """Return points (name,) at values ``across`` and ``up``, numbered; the best are joined: nobody is below and left."""
    (low, high), (least, most) = span(across, zero=False), span(up, zero=False)
    top = 26.0
    x, y = Scale(low, high, LEFT + 14, WIDTH - RIGHT), Scale(least, most, top + _HEIGHT, top)
    marks = [(v, f"{v:g}") for v in ticks(low, high)]
    parts = [upright(y, units[1], LEFT + 14), level(x, top + _HEIGHT, marks)]
    parts.append(words(WIDTH, top + _HEIGHT + 30, units[0], "e q"))
    front = _front(across, up)
    parts.append(shape(path((x(across[k]), y(up[k])) for k in front), "n"))
    for k in [*(k for k in range(len(names)) if k not in front), *front]:
        parts.append(
            f'<circle class="c{0 if k in front else 1}" r="3.5" cx="{coordinate(x(across[k]))}"'
            f' cy="{coordinate(y(up[k]))}"><title>{escaped(names[k])}</title></circle>'
        )
    parts += _labels(x, y, names, across, up)
    rows: list[Row] = [[n, float(a), float(b)] for n, a, b in zip(names, across, up, strict=True)]
    return Figure(title, description, "".join(parts), top + _HEIGHT + 36, [corner, *units], rows, decimals)


def _labels(x: Scale, y: Scale, names: Sequence[str], across: Array, up: Array) -> list[str]:
    """Return the names of points beside them, those left out that would lie on another one."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    for k, name in enumerate(names):
        label = brief(name, 16)
        width, height = 6.6 * len(label), y(up[k]) + 4
        start = x(across[k]) + 6 if x(across[k]) + 6 + width < WIDTH else x(across[k]) - 6 - width
        if all(abs(height - h) > 12 or start + width < begin or start > end for begin, end, h in taken):
            taken.append((start, start + width, height))
            parts.append(words(start, height, label))
    return parts


def _front(across: Array, up: Array) -> list[int]:
    """Return the points of which none is better in both, in their order from the left."""
    best, front = np.inf, []
    for k in np.lexsort((up, across)):
        if np.isfinite(across[k]) and up[k] < best:
            front.append(int(k))
            best = float(up[k])
    return front


def _steps(x: Scale, y: Scale, values: Array) -> str:
    """Return the commands of steps, stretch by stretch where the values are known; equal neighbours are one."""
    commands = []
    known = np.flatnonzero(np.isfinite(values))
    for stretch in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if stretch.size:
            part = values[stretch]
            ends = np.flatnonzero(np.append(np.abs(np.diff(part)) > 1e-9, True))
            first = f"M{coordinate(x(stretch[0]))} {coordinate(y(part[0]))}"
            commands.append(
                first + "".join(f"V{coordinate(y(part[e]))}H{coordinate(x(stretch[e] + 1))}" for e in ends)
            )
    return "".join(commands)
