"""What a forecast of power is given, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..series.calendar import Calendar

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Levels of the quantiles, unless others are asked for."""


@dataclass(frozen=True)
class PowerHistory:
    """Mean power of homes or of PV arrays, and all that a forecast of it may know.

    Attributes
    ----------
    quantity
        ``demand`` of homes or output of ``pv``.
    power
        Readings (entity, time >= now) [kW], NaN where missing; a forecast reads those before its ``now`` only.
    calendar
        Days and times of day of the slots (time >= now + horizon).
    expected
        PV output under a clear sky or under forecast weather (entity or 1, time >= now + horizon), in any unit, as it
        was known of each slot before ``now``; None where nothing is known.
    """

    quantity: Literal["demand", "pv"]
    power: np.ndarray
    calendar: Calendar
    expected: np.ndarray | None = None


class Forecast:
    """What is expected of the slots from ``now`` on.

    ``mean`` (entity, horizon) and ``quantiles`` (level, entity, horizon) in the unit of the history, ``levels``
    (level,); NaN where nothing at all is known of an entity. Given as a function, quantiles are computed when they are
    asked for: who plans with the mean does not pay for them. ``together`` gives the quantiles (level, 1, horizon) of the
    sum of all entities: of points, the sum of the points.
    """

    def __init__(
        self,
        mean: np.ndarray,
        quantiles: np.ndarray | Callable[[], np.ndarray],
        levels: np.ndarray,
        together: Callable[[], np.ndarray] | None = None,
    ):
        self.mean, self.levels, self._quantiles, self._together = mean, levels, quantiles, together

    @cached_property
    def quantiles(self) -> np.ndarray:
        """The quantiles (level, entity, horizon)."""
        return self._quantiles() if callable(self._quantiles) else self._quantiles

    @cached_property
    def total(self) -> "Forecast":
        """The forecast of the sum of all entities, as one entity (1, horizon); who is not known counts for nothing."""
        mean = np.nansum(self.mean, axis=0, keepdims=True)
        return Forecast(mean, self._together or np.stack([mean] * len(self.levels)), self.levels)


ForecastPower = Callable[[PowerHistory, int, int], Forecast]
"""History, index ``now`` of the first slot that is not known, slots to forecast (horizon >= 1) -> forecast."""


def point_forecast(values: np.ndarray) -> Forecast:
    """Return a forecast of points (entity, horizon), each of them the mean and every quantile.

    >>> point_forecast(np.array([[1.0, 2.0]])).quantiles.shape
    (5, 1, 2)
    """
    return Forecast(values, np.stack([values] * len(LEVELS)), np.array(LEVELS))
