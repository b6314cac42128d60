"""Scales, ticks and axes of drawings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .drawing import WIDTH, coordinate, shape, words

Array = NDArray[Any]
LEFT, RIGHT, BOTTOM = 44.0, 6.0, 20.0
"""Margins of a drawing with axes [px]."""


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values from ``low`` to ``high``, ``most`` at the most but for one.

    >>> ticks(0, 9.3), ticks(-1, 1)
    ([0.0, 2.0, 4.0, 6.0, 8.0], [-1.0, -0.5, 0.0, 0.5, 1.0])
    """
    rough = (high - low) / most
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
    return [
        round(float(k * step), 12) + 0.0
        for k in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
    ]


def span(*values: Sequence[float] | Array, zero: bool = True) -> tuple[float, float]:
    """Return the lowest and highest of values that are known, with zero if wanted; never one point."""
    known = np.concatenate([np.asarray(v, dtype=float).ravel() for v in values])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    if high - low < 1e-9:
        return (low, low + 1.0) if zero else (low - 0.5, high + 0.5)
    margin = (0.04 if zero else 0.08) * (high - low)
    return (low - margin if low < 0 or not zero else low), high + margin


def upright(scale: Scale, unit: str, left: float = LEFT) -> str:
    """Return an upright axis: a line and a number at each tick, and the unit above."""
    lines, numbers = [], []
    for value in ticks(min(scale.low, scale.high), max(scale.low, scale.high)):
        y = coordinate(scale(value))
        lines.append(f"M{coordinate(left)} {y}H{coordinate(WIDTH - RIGHT)}")
        numbers.append(words(left - 5, scale(value) + 4, f"{value:g}", "e"))
    return shape("".join(lines), "g") + "".join(numbers) + words(0, min(scale.start, scale.end) - 8, unit)


def level(scale: Scale, y: float, marks: Sequence[tuple[float, str]]) -> str:
    """Return a level axis at the height ``y``: its marks, values with their labels."""
    lines = "".join(f"M{coordinate(scale(v))} {coordinate(y)}v4" for v, _ in marks)
    texts = []
    for value, label in marks:
        x, half = scale(value), 3.4 * len(label)
        css = "e" if x + half > WIDTH else "m" if x - half > 0 else ""
        texts.append(words(min(max(x, 0), WIDTH), y + 15, label, css))
    return shape(f"M{coordinate(scale.start)} {coordinate(y)}H{coordinate(scale.end)}{lines}", "x") + "".join(
        texts
    )
