"""Forecasts of power against readings, beside plain rules: mean absolute error, pinball loss, coverage."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..forecast.interface import LEVELS, Forecast, PowerHistory
from ..forecast.methods import METHODS, PROFILE, Method
from ..series.calendar import Calendar

WARM_UP_DAYS = 28
"""Days at the start that are not scored: the history that forecasts begin with."""
GATE_STRIDE = 6
"""Every so many days is scored gate by gate: prime to the week, so that all weekdays come."""
WHOLE = 0.05
"""Share of missing readings up to which an entity counts as wholly measured."""


@dataclass(frozen=True)
class Score:
    """Errors of one method on some entities, relative to their mean actual power, each entity counting the same."""

    horizon: str
    method: str
    entities: int
    mae: float
    pinball: float


@dataclass(frozen=True)
class Coverage:
    """Shares of actual values at or below, and below, the quantile of a level; equal where nothing is exactly 0."""

    horizon: str
    level: float
    at_or_below: float
    below: float


@dataclass(frozen=True)
class Report:
    """A back-test: scores of all entities and of those wholly measured, coverage, and notes on the readings.

    ``missing`` is each entity's share of missing readings; ``extra`` holds figures of one kind of forecast only.
    """

    subject: str
    scores: list[Score]
    coverage: list[Coverage]
    missing: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """Actual values (entity, slot), NaN where unknown, and their forecasts.

    ``quantiles`` (level, entity, slot) are those of the forecast itself, ``points`` (entity, slot) the expected values
    of every method, ``spreads`` (level, entity, slot) the quantiles of other methods; without them, a point is all its
    quantiles at once.
    """

    actual: np.ndarray
    quantiles: np.ndarray
    levels: np.ndarray
    points: dict[str, np.ndarray]
    spreads: dict[str, np.ndarray] = field(default_factory=dict)


def pinball(actual: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the mean over the levels of the pinball loss (...) of quantiles (level, ...).

    loss = (level - [actual < quantile]) * (actual - quantile); a point at symmetric levels loses half its error.

    >>> pinball(np.array([3.0]), np.array([[1.0], [4.0]]), np.array([0.1, 0.9]))
    array([0.15])
    """
    shares = levels.reshape(-1, *(1,) * actual.ndim)
    return np.asarray(((shares - (actual < quantiles)) * (actual - quantiles)).mean(axis=0))


def scores(trial: Trial, horizon: str, groups: dict[str, np.ndarray]) -> list[Score]:
    """Return the scores of every method on groups of entities, where the actual value and all methods are known."""
    known = ~np.isnan(trial.actual) & ~np.isnan(trial.quantiles).any(axis=0)
    for point in trial.points.values():
        known &= ~np.isnan(point)
    median = trial.quantiles[np.abs(trial.levels - 0.5).argmin()]
    points = {"forecast (median)": median, **trial.points}
    losses = {method: pinball(trial.actual, _spread(trial, method), trial.levels) for method in points}
    results = []
    for name, members in groups.items():
        if not members.any():
            continue
        for method, point in points.items():
            shares = [
                _share(values, trial.actual, known)[members]
                for values in (np.abs(point - trial.actual), losses[method])
            ]
            mae, lost = (float(np.nanmean(s)) if np.isfinite(s).any() else float("nan") for s in shares)
            results.append(Score(f"{horizon}{name}", method, int(np.isfinite(shares[0]).sum()), mae, lost))
    return results


def _spread(trial: Trial, method: str) -> np.ndarray:
    """Return the quantiles (level, entity, slot) of a method."""
    if method in trial.spreads:
        return trial.spreads[method]
    if method.startswith("forecast"):
        return trial.quantiles
    return np.broadcast_to(trial.points[method], trial.quantiles.shape)


def _share(values: np.ndarray, actual: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return sums of values over sums of actual ones (entity,); NaN where these are 0."""
    above = np.where(known, values, 0.0).sum(axis=1)
    below = np.where(known, actual, 0.0).sum(axis=1)
    return np.asarray(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0))


def coverage(trial: Trial, horizon: str) -> list[Coverage]:
    """Return the coverage of each level where the actual value or its highest quantile is above 0: not nights of PV."""
    counted = ~np.isnan(trial.actual) & ((trial.actual > 0) | (trial.quantiles[-1] > 0))
    return [
        Coverage(
            horizon,
            float(level),
            float((trial.actual <= quantile)[counted].mean()) if counted.any() else float("nan"),
            float((trial.actual < quantile)[counted].mean()) if counted.any() else float("nan"),
        )
        for level, quantile in zip(trial.levels, trial.quantiles, strict=True)
    ]


def demand(
    history: np.ndarray, truth: np.ndarray, calendar: Calendar, warm_up: int = WARM_UP_DAYS
) -> list[tuple[str, Trial]]:
    """Return the trials of demand forecasts (:func:`trials`)."""
    return trials(PowerHistory("demand", history, calendar), truth, warm_up)


def pv(
    history: np.ndarray,
    truth: np.ndarray,
    expected: np.ndarray | None,
    calendar: Calendar,
    warm_up: int = WARM_UP_DAYS,
) -> list[tuple[str, Trial]]:
    """Return the trials of PV forecasts (:func:`trials`)."""
    return trials(PowerHistory("pv", history, calendar, expected), truth, warm_up)


def trials(history: PowerHistory, truth: np.ndarray, warm_up: int) -> list[tuple[str, Trial]]:
    """Return the trials of every row of ``METHODS``, day ahead and at the gate.

    Day ahead, each local day is forecast at its midnight; at the gate, each slot is forecast when the one before it has
    passed.

    Parameters
    ----------
    history
        Readings (entity, time) and what else forecasts may know.
    truth
        Readings with NaN where they are missing (entity, time).
    warm_up
        Days at the start without forecast.
    """
    starts = np.flatnonzero(np.diff(history.calendar.day, prepend=-1)).tolist()
    ends = [*starts[1:], len(history.calendar.place)]
    days = list(zip(starts, ends, strict=True))[warm_up:]
    gates = [(now, now + 1) for first, last in days[::GATE_STRIDE] for now in range(first, last)]
    whole_day = {name: method for name, method in METHODS.items() if not method.next_slot_only}
    return [
        ("day ahead", _trial(history, truth, days, whole_day)),
        ("at the gate", _trial(history, truth, gates, METHODS)),
    ]


def _trial(
    history: PowerHistory, truth: np.ndarray, windows: Sequence[tuple[int, int]], methods: dict[str, Method]
) -> Trial:
    """Return the trial of methods in windows (first slot, slot after the last)."""
    slots = np.concatenate([np.zeros(0, int), *(np.arange(now, end) for now, end in windows)])
    cleaned = replace(history, power=truth)
    forecasts = {
        name: _joined(
            [
                method.forecast(cleaned if method.reference else history, now, end - now)
                for now, end in windows
            ],
            len(truth),
        )
        for name, method in methods.items()
    }
    profile = forecasts.pop(PROFILE)
    return Trial(
        truth[:, slots],
        profile.quantiles,
        profile.levels,
        {"forecast (mean)": profile.mean} | {name: other.mean for name, other in forecasts.items()},
        {name: other.quantiles for name, other in forecasts.items()},
    )


def _joined(forecasts: Sequence[Forecast], entities: int) -> Forecast:
    """Return forecasts of windows as one forecast of all their slots."""
    none = np.zeros((len(LEVELS), entities, 0))
    return Forecast(
        np.concatenate([none[0], *(forecast.mean for forecast in forecasts)], axis=1),
        np.concatenate([none, *(forecast.quantiles for forecast in forecasts)], axis=2),
        np.array(LEVELS),
    )


def as_rows(report: Report) -> list[tuple[list[str], list[list[str]]]]:
    """Return the tables of a report for people: header and rows of scores, coverage and the rest."""
    tables = [
        (
            ["", "method", "entities", "MAE / mean", "pinball / mean"],
            [
                [s.horizon, s.method, f"{s.entities}", f"{s.mae:.3f}", f"{s.pinball:.3f}"]
                for s in report.scores
            ],
        ),
        (
            ["", "quantile", "came at or below", "below"],
            [[c.horizon, f"{c.level:g}", f"{c.at_or_below:.3f}", f"{c.below:.3f}"] for c in report.coverage],
        ),
    ]
    if holes := {name: share for name, share in report.missing.items() if share > 0}:
        tables.append((["entity", "missing"], [[name, f"{share:.1%}"] for name, share in holes.items()]))
    if report.extra:
        tables.append((["", "value"], [[name, f"{value:.3f}"] for name, value in report.extra.items()]))
    return tables
