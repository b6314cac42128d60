"""What it costs not to know which future comes, in figures: of plans, and of a day ahead.

With z(x, f) the cost of future f with what is decided before, x, and R the weighed cost of all futures (`model.risk`)::

    decided                             x* = argmin R(z(x, .))            R* = R(z(x*, .))
    value of the stochastic solution    R(z(x', .)) - R*                  x' the best for the mean of all futures
    value of perfect information        R* - R(f -> min over x of z(x, f))

Both are never less than 0: x* is the best for R, and who knows the future does no worse in any (J. R. Birge and F.
Louveaux, "Introduction to Stochastic Programming", 2nd ed., Springer 2011, sections 4.1 and 4.2; for a weighed cost N.
Noyan, "Risk-averse two-stage stochastic programming", Computers & Operations Research 39 (2012) 541-559, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..model.labels import Array
from ..model.risk import Risk
from .text import table

_TRIPS = ("trip", "vehicle")


class Costs(NamedTuple):
    """Costs of futures (future,): as decided for all, for the mean of all, and if each were known."""

    decided: Array
    of_mean: Array
    if_known: Array


def mean(futures: Sequence[xr.Dataset], probability: Array) -> xr.Dataset:
    """Return the inputs of the mean future: every number the mean of all futures, where each of them has it.

    All else is that of the most likely one; so are trips and hosts and their distances, where they are not the same.
    """
    likely = futures[int(np.argmax(probability))]
    same = all(_driven(other, likely) for other in futures)
    values = {}
    for name, own in likely.data_vars.items():
        others = [future[name] for future in futures if name in future]
        alike = len(others) == len(futures) and all(other.shape == own.shape for other in others)
        if own.dtype.kind != "f" or not alike or not (same or set(own.dims).isdisjoint(_TRIPS)):
            continue
        stacked = np.stack([other.values for other in others])
        finite = np.isfinite(stacked).all(axis=0)
        expected = np.tensordot(probability, np.where(finite, stacked, 0.0), axes=1)
        values[name] = own.copy(data=np.where(finite, expected, own.values))
    return likely.assign(values)


def _driven(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Return whether vehicles are at the same places and go on the same trips."""
    names = ("trip", "trip_vehicle", "trip_departure", "trip_arrival", "vehicle_host")
    return all(one[name].equals(other[name]) for name in names if name in one)


def worth(labels: Sequence[str], probability: Array, risk: Risk, costs: Costs, unit: str) -> xr.Dataset:
    """Return what futures cost, and what knowing them is worth.

    Returns
    -------
    Dataset
        Over ``future``: ``future_probability``, ``future_cost``, ``future_cost_of_mean`` (infinite where what is decided
        for the mean future will not do), ``future_cost_if_known``; and ``expected_cost``, ``cvar``,
        ``stochastic_value`` and ``information_value``; its attributes have the ``risk_weight`` and ``risk_level``.
    """
    decided, of_mean, if_known = (risk.of(cost, probability) for cost in costs)
    least = 1e-6 * abs(decided)  # what tolerances leave
    over = {
        "future_probability": (probability, "1", "how likely it is"),
        "future_cost": (costs.decided, unit, "cost as decided"),
        "future_cost_of_mean": (costs.of_mean, unit, "cost as decided for the mean of all futures"),
        "future_cost_if_known": (costs.if_known, unit, "cost if it were known"),
    }
    totals = {
        "expected_cost": (probability @ costs.decided, "expected cost"),
        "cvar": (risk.tail(costs.decided, probability), "mean cost of the worst futures"),
        "stochastic_value": (_above(of_mean - decided, least), "value of the stochastic solution"),
        "information_value": (_above(decided - if_known, least), "expected value of perfect information"),
    }
    found: dict[str, Any] = {
        n: (("future",), v, {"units": u, "long_name": t}) for n, (v, u, t) in over.items()
    }
    found |= {n: ((), v, {"units": unit, "long_name": t}) for n, (v, t) in totals.items()}
    attributes = {"risk_weight": risk.weight, "risk_level": risk.level}
    return xr.Dataset(found, coords={"future": np.array(labels, dtype=str)}, attrs=attributes)


def _above(value: float, least: float) -> float:
    """Return a value that is never less than nothing, but for tolerances."""
    return 0.0 if abs(value) <= least else float(value)


def told(figures: xr.Dataset, money: Callable[[float], str], decided: str, of_mean: str, unit: str) -> str:
    """Return a line for each future, as decided, as for the mean of all and if it were known; and what that is worth."""
    risk = Risk(figures.attrs["risk_weight"], figures.attrs["risk_level"])
    probability = figures["future_probability"].values
    names = ("future_cost", "future_cost_of_mean", "future_cost_if_known")
    costs = np.stack([figures[name].values for name in names])
    rows = [
        [str(label), f"{100 * probability[i]:.1f}", *map(money, costs[:, i])]
        for i, label in enumerate(figures["future"].values)
    ]
    rows.append(["expected", "", *(money(float(probability @ cost)) for cost in costs)])
    rows.append(
        [f"worst {100 * (1 - risk.level):g} %", "", *(money(risk.tail(c, probability)) for c in costs)]
    )
    if risk.weight:
        weighed = (money(risk.of(cost, probability)) for cost in costs)
        rows.append([f"worst weighs {risk.weight:g}", "", *weighed])
    value, information = (money(float(figures[n])) for n in ("stochastic_value", "information_value"))
    end = f"value of the stochastic solution {value}, of perfect information {information} {unit}"
    header = [f"future, {unit}", "%", decided, of_mean, "if it were known"]
    return f"{table(header, rows)}\n{end}"
