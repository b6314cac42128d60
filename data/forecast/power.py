"""Forecasts of demand and PV at a gate's closure from profiles of the time of day. See README.md.

History is an array (entity, time) of which only the slots before ``now`` are read; NaN is a missing reading. A forecast
costs a millisecond or two for twenty homes, so it is made anew at each gate and keeps no state.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ..series.calendar import Calendar
from .interface import LEVELS, Forecast, PowerHistory
from .profile import Memory, Past, days_behind, errors, profiles

DEMAND = Memory(days=10.0, other_type=0.3, yesterday=0.5, recent=0.7, recent_hours=3.0, missing_hours=3.0)
PV = Memory(days=8.0, other_type=1.0, yesterday=0.5, recent=0.7, recent_hours=3.0, missing_hours=24.0)
"""Chosen on the homes and arrays of README.md, and flat around the choice: assumptions anywhere else."""

PRIOR_DAYS = 3.0
"""Days that must be known before a prior no longer counts. Assumption."""
LEAST_ERRORS = 8
"""Past errors below which the quantiles are those of a lognormal spread. Assumption."""
COLD_SPREAD = 0.5
"""Standard deviation of that logarithm. Assumption, near what the Fontana homes show."""


def profile_forecast(history: PowerHistory, now: int, horizon: int) -> Forecast:
    """Return the forecast of demand or PV (entity, horizon) [kW] from profiles of the time of day."""
    if history.quantity == "demand":
        return demand_forecast(history.power, history.calendar, now, horizon)
    return pv_forecast(history.power, history.expected, history.calendar, now, horizon)


def demand_forecast(
    history: np.ndarray,
    calendar: Calendar,
    now: int,
    horizon: int,
    levels: Sequence[float] = LEVELS,
    memory: Memory = DEMAND,
    prior: np.ndarray | None = None,
) -> Forecast:
    """Return the demand expected of the slots ``now`` to ``now + horizon - 1``.

    With the profile p, its relative errors D over the last day and H over the last hour, and the lead l in hours::

        mean = p max(0, 1 + yesterday D + recent exp(-l / recent_hours) (H - yesterday D))

    The profile of a slot is the mean of the same time of day on earlier days, weighted by exp(-age / days) and by
    ``other_type`` where one is a working day and the other is not. The quantiles are the mean plus those of the errors
    that the same method, at the same time of day, made on earlier days: see :func:`profile.errors`.

    Parameters
    ----------
    history
        Mean power (entity, time >= now) [kW]; runs of exact zeros of ``memory.missing_hours`` are taken for missing.
    calendar
        Days and times of day of the slots (time >= now + horizon).
    now
        Index of the first slot that is not known.
    horizon
        Slots to forecast, at least 1.
    levels
        Levels of the quantiles, increasing, within (0, 1).
    memory
        How the past is weighed.
    prior
        Mean (entity, horizon) that is expected as long as little is known: a cold start.
    """
    return _forecast(history, None, calendar, now, horizon, levels, memory, prior)


def pv_forecast(
    history: np.ndarray,
    expected: np.ndarray | None,
    calendar: Calendar,
    now: int,
    horizon: int,
    levels: Sequence[float] = LEVELS,
    memory: Memory = PV,
    prior: np.ndarray | None = None,
) -> Forecast:
    """Return the PV output expected of the slots ``now`` to ``now + horizon - 1``.

    As :func:`demand_forecast`, but the profile is ``expected`` times clearness: the weighted sum of past output over
    that of past ``expected`` at the same time of day, so that shade, another orientation and another size are
    learned. No day differs from another by its type.

    Parameters
    ----------
    history
        Mean power (entity, time >= now) [kW].
    expected
        Output under a clear sky, or under forecast weather (entity or 1, time >= now + horizon), in any unit: what
        was known of these slots before ``now``. None: the mean of the same time of day.
    calendar, now, horizon, levels, memory, prior
        As in :func:`demand_forecast`.
    """
    return _forecast(history, expected, calendar, now, horizon, levels, memory, prior)


def _forecast(
    history: np.ndarray,
    expected: np.ndarray | None,
    calendar: Calendar,
    now: int,
    horizon: int,
    levels: Sequence[float],
    memory: Memory,
    prior: np.ndarray | None,
) -> Forecast:
    """Return the mean and quantiles of a profile's forecast; parameters as of :func:`pv_forecast`."""
    past = Past.of(history, expected, calendar, now, horizon, memory)
    mean, samples = errors(past, profiles(past, memory), memory)
    if prior is not None:
        share = np.minimum(days_behind(past, memory) / PRIOR_DAYS, 1.0)
        mean = np.where(share > 0, share * np.nan_to_num(mean) + (1 - share) * prior, prior)
    at = np.asarray(levels, dtype=float)

    def around(mean: np.ndarray, known: np.ndarray, dark: np.ndarray) -> np.ndarray:
        """Return the quantiles around a mean: by its errors on earlier days, or by a lognormal spread."""
        cold = np.array([NormalDist().inv_cdf(level) for level in at])
        spread = np.exp(COLD_SPREAD * cold - COLD_SPREAD**2 / 2)
        enough = (~np.isnan(known)).sum(axis=1) >= LEAST_ERRORS
        either = np.where(enough, mean + quantiles(known, at), mean * spread[:, None, None])
        return np.where(dark & ~np.isnan(mean), 0.0, np.maximum(either, 0.0))

    def each() -> np.ndarray:
        return around(mean, samples(), past.target_expected() <= 0)

    def together() -> np.ndarray:
        dark = past.target_expected().max(axis=0, keepdims=True) <= 0
        return around(np.nansum(mean, axis=0, keepdims=True), samples(together=True), dark)

    return Forecast(mean, each, at, together)


def quantiles(samples: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return quantiles (level, entity, horizon) of samples (entity, sample, horizon), NaN left out.

    Level p lies at position p * (n + 1) of the n sorted samples (Weibull), so that the next sample of the same kind
    falls below it with probability p; beyond the first and the last it is these.

    >>> quantiles(np.array([[[3.0], [1.0], [2.0], [np.nan]]]), np.array([0.25, 0.5])).ravel()
    array([1., 2.])
    """
    ordered = np.sort(samples, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    last = np.maximum(count - 1, 0)
    position = np.clip(levels[:, None, None] * (count + 1) - 1, 0, last)
    below = np.floor(position).astype(int)

    def at(index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(ordered[None], index[:, :, None, :], axis=2)[:, :, 0]

    low, high = at(below), at(np.minimum(below + 1, last))
    return np.asarray(low + (position - below) * (high - low))
