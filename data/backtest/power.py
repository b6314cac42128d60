"""Forecasts against what came, beside plain rules: mean absolute error, pinball loss, coverage of the quantiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..forecast.power import LEVELS, Forecast, demand_forecast, pv_forecast
from ..series.calendar import Calendar

WARM_UP_DAYS = 28
"""Days at the start that are not scored: the history that forecasts begin with."""
GATE_STRIDE = 6
"""Every so many days is scored gate by gate: prime to the week, so that all weekdays come."""
WHOLE = 0.05
"""Share of missing readings up to which an entity counts as wholly measured."""


@dataclass(frozen=True)
class Score:
    """How one method did on some entities: everything relative to their mean, each entity counting the same."""

    horizon: str
    method: str
    entities: int
    mae: float
    pinball: float


@dataclass(frozen=True)
class Coverage:
    """Shares of what came that lay at or below, and below, the quantile of a level; equal where nothing is exactly 0."""

    horizon: str
    level: float
    at_or_below: float
    below: float


@dataclass(frozen=True)
class Report:
    """A back-test: scores of all entities and of those wholly measured, coverage, and what was odd.

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
    """What came (entity, slot), NaN where unknown, and what was said before: quantiles, and points of each method."""

    actual: np.ndarray
    quantiles: np.ndarray
    levels: np.ndarray
    points: dict[str, np.ndarray]


def pinball(actual: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the mean over the levels of the pinball loss (...) of quantiles (level, ...).

    loss = (level - [actual < quantile]) * (actual - quantile); a point at symmetric levels loses half its error.

    >>> pinball(np.array([3.0]), np.array([[1.0], [4.0]]), np.array([0.1, 0.9]))
    array([0.15])
    """
    shares = levels.reshape(-1, *(1,) * actual.ndim)
    return np.asarray(((shares - (actual < quantiles)) * (actual - quantiles)).mean(axis=0))


def scores(trial: Trial, horizon: str, groups: dict[str, np.ndarray]) -> list[Score]:
    """Return the scores of every method, where all of them and what came are known, for groups of entities."""
    known = ~np.isnan(trial.actual) & ~np.isnan(trial.quantiles).any(axis=0)
    for point in trial.points.values():
        known &= ~np.isnan(point)
    # the quantiles' own point is their median; a point of another method is all its quantiles at once
    median = trial.quantiles[np.abs(trial.levels - 0.5).argmin()]
    own = pinball(trial.actual, trial.quantiles, trial.levels)
    found = []
    for name, members in groups.items():
        if not members.any():
            continue
        for method, point in {"forecast (median)": median, **trial.points}.items():
            loss = own
            if not method.startswith("forecast"):
                loss = pinball(trial.actual, np.broadcast_to(point, trial.quantiles.shape), trial.levels)
            shares = [
                _share(values, trial.actual, known)[members]
                for values in (np.abs(point - trial.actual), loss)
            ]
            mae, lost = (float(np.nanmean(s)) if np.isfinite(s).any() else float("nan") for s in shares)
            found.append(Score(f"{horizon}{name}", method, int(np.isfinite(shares[0]).sum()), mae, lost))
    return found


def _share(values: np.ndarray, actual: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return sums of values over sums of what came (entity,); NaN where nothing came."""
    above = np.where(known, values, 0.0).sum(axis=1)
    below = np.where(known, actual, 0.0).sum(axis=1)
    return np.asarray(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0))


def coverage(trial: Trial, horizon: str) -> list[Coverage]:
    """Return the coverage of each level where something came or was expected: nights of PV do not count."""
    live = ~np.isnan(trial.actual) & ((trial.actual > 0) | (trial.quantiles[-1] > 0))
    return [
        Coverage(
            horizon,
            float(level),
            float((trial.actual <= quantile)[live].mean()) if live.any() else float("nan"),
            float((trial.actual < quantile)[live].mean()) if live.any() else float("nan"),
        )
        for level, quantile in zip(trial.levels, trial.quantiles, strict=True)
    ]


def demand(
    history: np.ndarray, truth: np.ndarray, calendar: Calendar, warm_up: int = WARM_UP_DAYS
) -> list[tuple[str, Trial]]:
    """Return the trials of demand forecasts (:func:`trials`)."""
    return trials(
        history, truth, calendar, lambda now, n: demand_forecast(history, calendar, now, n), warm_up
    )


def pv(
    history: np.ndarray,
    truth: np.ndarray,
    expected: np.ndarray | None,
    calendar: Calendar,
    warm_up: int = WARM_UP_DAYS,
) -> list[tuple[str, Trial]]:
    """Return the trials of PV forecasts (:func:`trials`)."""

    def make(now: int, horizon: int) -> Forecast:
        return pv_forecast(history, expected, calendar, now, horizon)

    return trials(history, truth, calendar, make, warm_up)


def trials(
    history: np.ndarray,
    truth: np.ndarray,
    calendar: Calendar,
    make: Callable[[int, int], Forecast],
    warm_up: int,
) -> list[tuple[str, Trial]]:
    """Return what was forecast for each local day at its midnight, and for each slot when the one before it had passed.

    Parameters
    ----------
    history
        Readings (entity, time).
    truth
        Readings with NaN where they are missing (entity, time).
    calendar
        Days of the slots (time,).
    make
        Index of the first unknown slot and horizon -> forecast.
    warm_up
        Days at the start without forecast.
    """
    starts = np.flatnonzero(np.diff(calendar.day, prepend=-1)).tolist()
    ends = [*starts[1:], len(calendar.place)]
    days = list(zip(starts, ends, strict=True))[warm_up:]
    gates = [(now, now + 1) for first, last in days[::GATE_STRIDE] for now in range(first, last)]
    plain = {"yesterday": _before(truth, calendar, 1), "last week": _before(truth, calendar, 7)}
    latest = np.concatenate([np.full((len(truth), 1), np.nan), truth[:, :-1]], axis=1)
    return [
        ("day ahead", _trial(truth, days, make, plain)),
        ("at the gate", _trial(truth, gates, make, {**plain, "latest": latest})),
    ]


def _trial(
    truth: np.ndarray,
    windows: Sequence[tuple[int, int]],
    make: Callable[[int, int], Forecast],
    plain: dict[str, np.ndarray],
) -> Trial:
    made = [make(now, end - now) for now, end in windows]
    slots = np.concatenate([np.arange(now, end) for now, end in windows]) if windows else np.zeros(0, int)
    if not made:
        nothing = np.zeros((len(LEVELS), len(truth), 0))
        return Trial(nothing[0], nothing, np.array(LEVELS), dict.fromkeys(plain, nothing[0]))
    points = {"forecast (mean)": np.concatenate([f.mean for f in made], axis=1)}
    points |= {name: values[:, slots] for name, values in plain.items()}
    quantiles = np.concatenate([f.quantiles for f in made], axis=2)
    return Trial(truth[:, slots], quantiles, made[0].levels, points)


def _before(truth: np.ndarray, calendar: Calendar, days: int) -> np.ndarray:
    """Return the readings at the same time of day some days earlier (entity, time); NaN where there is none."""
    at = calendar.place - calendar.place[0]
    grid = np.full((len(truth), int(at[-1]) + 1), np.nan)
    grid[:, at] = truth
    earlier = at - days * calendar.slots_per_day
    return np.where(earlier >= 0, grid[:, np.maximum(earlier, 0)], np.nan)


def as_rows(report: Report) -> list[tuple[list[str], list[list[str]]]]:
    """Return the tables of a report for people: header and rows of scores, coverage and the rest."""
    found = [
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
        found.append((["entity", "missing"], [[name, f"{share:.1%}"] for name, share in holes.items()]))
    if report.extra:
        found.append((["", "value"], [[name, f"{value:.3f}"] for name, value in report.extra.items()]))
    return found
