"""Days of a horizon that stand for all of them, and by how much they miss it.

A day is what its slots say of the community: demand, PV, what a kW of new PV gives, prices, how many vehicles are
plugged in and how far they are driven. Each of these is divided by its spread over the days, so that all count alike.
The days chosen are medoids: those of the horizon with the least sum of distances from every day to its nearest one, by
building up and swapping (PAM; Kaufman and Rousseeuw, "Finding Groups in Data", 1990, chapter 2), which takes no chance.
A day counts as often as there are days nearest to it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ... import clock

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class Days(NamedTuple):
    """The local days of a horizon: ``first`` slot of each (D,), ``length`` in slots (D,) and ``label`` (D,)."""

    first: Places
    length: Places
    label: npt.NDArray[np.str_]


class Chosen(NamedTuple):
    """Days that stand for others: their positions (N,), how many days each stands for (N,), and which does (D,)."""

    day: Places
    stands_for: Places
    nearest: Places


def days(inputs: xr.Dataset) -> Days:
    """Return the local days of the inputs' horizon."""
    zone = str(inputs.attrs.get("time_zone", "UTC"))
    local = clock.local(pd.DatetimeIndex(inputs["time"].values), zone)
    label = np.array([t.strftime("%Y-%m-%d") for t in local])
    _, first, length = np.unique(label, return_index=True, return_counts=True)
    return Days(first, length, label[first])


def of_day(inputs: xr.Dataset, own: Days, day: int) -> xr.Dataset:
    """Return the inputs of one day: its slots, and the trips that depart in it; costs of candidates by its share."""
    slots = slice(own.first[day], own.first[day] + own.length[day])
    part = inputs.isel(time=slots)
    end = part["time"].values[-1] + np.round(part["slot_hours"].values[-1] * 3.6e12).astype("timedelta64[ns]")
    departure = inputs["trip_departure"].values
    part = part.isel(trip=np.flatnonzero((departure >= part["time"].values[0]) & (departure < end)))
    share = float(part["slot_hours"].sum() / inputs["slot_hours"].sum())
    paid = {name: part[name] for name in ("candidate_cost", "candidate_fixed_cost") if name in part}
    return part.assign({name: values.copy(data=values.values * share) for name, values in paid.items()})


def quantities(inputs: xr.Dataset) -> dict[str, Array]:
    """Return what the slots say of the community (time,), by name: kW, currency/kWh, vehicles and km."""
    used = np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
    driven = np.bincount(slot, inputs["trip_distance"].values, minlength=inputs.sizes["time"])
    told = {
        "demand": inputs["demand"].values.sum(axis=0),
        "pv": inputs["pv_available"].values.sum(axis=0),
        "new pv": inputs["candidate_output"].values.sum(axis=0)
        if "candidate_output" in inputs
        else driven * 0,
        "retail price": inputs["retail_price"].values[used].mean(axis=0),
        "feed-in price": inputs["feed_in_price"].values[used].mean(axis=0),
        "plugged in": (inputs["vehicle_host"].values != "").sum(axis=0).astype(float),
        "driven": driven,
    }
    return {name: np.asarray(values, dtype=float) for name, values in told.items()}


def chosen(inputs: xr.Dataset, number: int) -> Chosen:
    """Return so many days that stand for all days of the horizon.

    A day that the clock makes longer or shorter stands for none; it is compared slot by slot from its start.
    """
    own = days(inputs)
    usual = int(np.median(own.length))
    slots = own.first[:, None] + np.minimum(np.arange(usual), own.length[:, None] - 1)
    parts = []
    for values in quantities(inputs).values():
        part = values[slots]
        spread = np.sqrt(((part - part.mean(axis=0)) ** 2).mean(axis=0).sum())
        if spread > 1e-9:
            parts.append(part / spread)
    feature = np.concatenate(parts, axis=1) if parts else np.zeros((len(slots), 1))
    squared = (feature**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squared[:, None] + squared - 2 * feature @ feature.T, 0.0))
    day = medoids(distance, np.flatnonzero(own.length == usual), number)
    nearest = distance[:, day].argmin(axis=1)
    nearest[day] = np.arange(len(day))
    return Chosen(day, np.bincount(nearest, minlength=len(day)), nearest)


def medoids(distance: Array, able: Places, number: int) -> Places:
    """Return so many of the ``able`` (A,) with the least sum of distances (D, D) from everybody to the nearest of them.

    Built up one by one, then swapped as long as a swap is better, the best one first (PAM): a local optimum. In order.

    >>> line = np.array([0.0, 1.0, 2.0, 9.0, 10.0, 11.0])
    >>> medoids(abs(line[:, None] - line), np.arange(6), 2)
    array([1, 4])
    """
    able = np.asarray(able)
    to_able = distance[:, able]
    inside: list[int] = []
    near = np.full(len(distance), np.inf)
    for _ in range(min(number, len(able))):
        total = np.minimum(near[:, None], to_able).sum(axis=0)
        total[inside] = np.inf
        inside.append(int(total.argmin()))
        near = np.minimum(near, to_able[:, inside[-1]])
    while True:
        cost, best = near.sum(), (0.0, 0, 0)
        for place in range(len(inside)):
            others = np.delete(to_able[:, inside], place, axis=1).min(axis=1, initial=np.inf)
            total = np.minimum(others[:, None], to_able).sum(axis=0)
            total[inside] = np.inf
            gain = cost - total.min()
            if gain > best[0] + 1e-9 * cost:
                best = float(gain), place, int(total.argmin())
        if best[0] <= 0:
            return np.sort(able[inside])
        inside[best[1]] = best[2]
        near = to_able[:, inside].min(axis=1)


def errors(inputs: xr.Dataset, which: Chosen) -> dict[str, tuple[float, float]]:
    """Return by how much the chosen days miss the horizon: sums, and duration curves, as parts of the mean.

    The sum of the chosen days, each as often as it counts, less that of the horizon, over that; and the root mean square
    of the difference of the duration curves (values in descending order) over the mean magnitude, as in Poncelet et al.,
    "Selecting representative days for capturing the implications of integrating intermittent renewables", IEEE Trans.
    Power Syst. 32 (2017), doi:10.1109/TPWRS.2016.2596803. Of what is zero throughout nothing is said.
    """
    own, told = days(inputs), {}
    hours = inputs["slot_hours"].values
    for name, values in quantities(inputs).items():
        slots = [np.arange(own.first[d], own.first[d] + own.length[d]) for d in which.day]
        weight = np.concatenate([hours[s] * c for s, c in zip(slots, which.stands_for, strict=True)])
        few = values[np.concatenate(slots)]
        scale = float((np.abs(values) * hours).sum())
        if scale <= 0:
            continue
        mean = scale / hours.sum()
        gap = float((few * weight).sum() / weight.sum() * hours.sum() - (values * hours).sum()) / scale
        told[name] = gap, _between(few, weight, values, hours) / mean
    return told


def _between(few: Array, weight: Array, values: Array, hours: Array) -> float:
    """Return the root mean square of the difference of two duration curves, with weights of their values."""
    at = (np.arange(1000) + 0.5) / 1000
    curves = []
    for series, length in ((few, weight), (values, hours)):
        order = np.argsort(-series)
        share = np.cumsum(length[order]) / length.sum()
        curves.append(series[order][np.searchsorted(share, at).clip(max=len(series) - 1)])
    return float(np.sqrt(((curves[0] - curves[1]) ** 2).mean()))
