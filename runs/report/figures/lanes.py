"""Lanes over time, one for each thing: what stores hold within their band, and when tasks run within their windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .axes import RIGHT, Array, Scale, level
from .drawing import WIDTH, brief, key, margin, path, rectangle, shape, words
from .figure import Figure, Row

_LANE, _GAP, _BARS = 26.0, 5.0, 9.0
"""Height of a lane, the room below it, and what of a lane of a store is left to bars [px]."""
_SEEN = 0.2
"""A difference that can be seen [px]."""
_BAND = "h1"
"""Shade of a band or window, of those of heat maps."""


@dataclass(frozen=True)
class Store:
    """What a store holds: ``held`` (time + 1,) from the start on, within a band; ``drawn`` (time,) goes out of it."""

    label: str
    least: float
    most: float
    held: Array
    drawn: Array


@dataclass(frozen=True)
class Task:
    """When a task runs: ``power`` (time,) by names of what it is, within a window of slots [begin, end).

    ``cells`` stand in the table behind its name.
    """

    begin: int
    end: int
    power: Mapping[str, Array]
    cells: Row


@dataclass(frozen=True)
class Lane:
    """The tasks of one lane, and the most power of any."""

    label: str
    most: float
    tasks: Mapping[str, Task] = field(default_factory=dict)


def stores(
    title: str,
    description: str,
    units: tuple[str, str],
    times: Sequence[str],
    marks: Sequence[tuple[float, str]],
    lanes: Sequence[Store],
    names: tuple[str, str, str],
    colours: tuple[int, int],
    decimals: int = 2,
) -> Figure:
    """Return a lane for each store: its level in its band, and below it what is drawn, each to its own most.

    ``units`` are of what is held and of what is drawn, ``names`` of band, level and what is drawn.
    """
    classes = _BAND, f"c{colours[0]}", f"c{colours[1]}"
    legend, top = key(zip(classes, names, strict=True))
    x = Scale(0, max(len(times), 1), margin(lane.label for lane in lanes), WIDTH - RIGHT)
    band, courses, bars, labels = "", "", "", []
    for row, lane in enumerate(lanes):
        at = top + row * (_LANE + _GAP)
        y = Scale(0, max(lane.most, float(np.max(lane.held)), 1e-9), at + _LANE - _BARS, at)
        band += rectangle(x.start, y(lane.most), x.end - x.start, y(lane.least) - y(lane.most))
        courses += path(_corners(x, np.array([y(v) for v in lane.held])))
        high = max(float(np.max(lane.drawn, initial=0.0)), 1e-9)
        bars += "".join(_bars(x, at + _LANE, lane.drawn / high * (_BARS - 1.5)))
        labels.append(words(x.start - 6, at + 15, brief(lane.label), "e"))
    bottom = top + len(lanes) * (_LANE + _GAP)
    drawing = shape(band, classes[0]) + shape(bars, classes[2]) + shape(courses, f"l {classes[1]}")
    header = ["time"]
    for lane in lanes:
        header += [f"{lane.label}, {units[0]} ({lane.least:.4g} to {lane.most:.4g})"]
        header += [f"{names[2]}, {units[1]}"]
    rows: list[Row] = [
        [t, *(float(v) for lane in lanes for v in (lane.held[k + 1], lane.drawn[k]))]
        for k, t in enumerate(times)
    ]
    parts = [legend, drawing, *labels, level(x, bottom, marks)]
    return Figure(title, description, "".join(parts), bottom + 20, header, rows, decimals)


def schedule(
    title: str,
    description: str,
    marks: Sequence[tuple[float, str]],
    slots: int,
    lanes: Sequence[Lane],
    header: Sequence[str],
    names: Mapping[str, int],
    decimals: int = 2,
) -> Figure:
    """Return a lane for each of several: the windows of its tasks, and what they do in them, as high as their power.

    ``names`` are of what tasks do, with the numbers of their colours; ``header`` is of the table, a line for each task.
    """
    legend, top = key([(_BAND, "window"), *((f"c{n}", name) for name, n in names.items())])
    x = Scale(0, max(slots, 1), margin(lane.label for lane in lanes), WIDTH - RIGHT)
    commands = dict.fromkeys((_BAND, *names), "")
    labels, rows, height = [], list[Row](), _LANE - _BARS
    for row, lane in enumerate(lanes):
        at = top + row * (height + _GAP)
        for name, task in lane.tasks.items():
            commands[_BAND] += rectangle(x(task.begin), at, x(task.end) - x(task.begin), height)
            for what, power in task.power.items():
                heights = power / max(lane.most, 1e-9) * height
                commands[what] += "".join(
                    _bars(x, at + height, np.where(power > 0, np.maximum(heights, 1), 0))
                )
            rows.append([name, *task.cells])
        labels.append(words(x.start - 6, at + height / 2 + 4, brief(lane.label), "e"))
    bottom = top + len(lanes) * (height + _GAP)
    drawn = [shape(commands[_BAND], _BAND), *(shape(commands[n], f"c{c}") for n, c in names.items())]
    parts = [legend, *drawn, *labels, level(x, bottom, marks)]
    return Figure(title, description, "".join(parts), bottom + 20, header, rows, decimals)


def _corners(x: Scale, heights: Array) -> Iterator[tuple[float, float]]:
    """Yield the points of a course [px] at which it bends, with its ends."""
    bends = np.abs(np.diff(heights, 2)) > _SEEN
    for k in np.flatnonzero(np.concatenate([[True], bends, [True]])[: len(heights)]):
        yield x(float(k)), float(heights[k])


def _bars(x: Scale, bottom: float, heights: Array) -> Iterator[str]:
    """Yield bars from slot to slot that stand on a line, those of neighbours as high as each other in one."""
    some = np.flatnonzero(heights > _SEEN)
    breaks = (np.diff(some) > 1) | (np.abs(np.diff(heights[some])) > _SEEN)
    for stretch in np.split(some, np.flatnonzero(breaks) + 1):
        if stretch.size:
            begin, end, height = x(stretch[0]), x(stretch[-1] + 1), float(heights[stretch[0]])
            yield rectangle(begin, bottom - height, end - begin, height)
