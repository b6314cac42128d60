"""Components of retail contracts over the slots, and the all-in prices that they add up to.

A component has four rates in each slot, of which it uses one, and a percentage those of the components that it is of:

* ``price`` [currency/kWh] of energy drawn: their sum is the retail price;
* ``credit`` [currency/kWh] of energy injected, paid to the customer: their sum is the feed-in price;
* ``standing`` [currency/h] and ``contracted`` [currency/(kW h)]: constant, so that no decision depends on them.

A component may instead have a price of the month's peak [currency/kW], which the clearing plans (`topology.peaks`).

A charge per day, month or year is spread over the hours of the local day, so that it adds up exactly: a day of 23 hours
costs as much as any other, and each day of a month 1/28 to 1/31 of the month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..clock import local
from ..inputs.variables import RATES
from ..problems import Problem
from ..schema.price_forms import Component, Flat
from ..schema.table_rows import Participant
from ..schema.tariffs_and_fees import Tariff
from .demand_and_pv import Frame
from .devices_and_trips import Columns, labels
from .prices import price

_PERIOD = {"per-day": "day", "per-month": "month", "per-year": "year"}


def contracts(tariffs: Mapping[str, Tariff], rows: Sequence[Participant], frame: Frame) -> Columns:
    """Return the all-in prices (tariff, time) [currency/kWh], and where a tariff has components, their rates.

    These are over component, whose labels are ``TARIFF/NAME``; a rate that no component has is absent, as are the
    contracted powers (participant,) [kW] and the peaks that no component asks for.
    """
    every = {label: rates(tariff, frame) for label, tariff in tariffs.items()}
    sums = {
        name: np.array([sum(own.slots[n] for own in rated) for rated in every.values()])
        for n, name in ((0, "retail_price"), (1, "feed_in_price"))
    }
    columns: Columns = {name: (("tariff", "time"), values) for name, values in sums.items()}
    if not any(tariff.components for tariff in tariffs.values()):
        return columns
    listed = [(label, own) for label, rated in every.items() for own in rated]
    columns["component_tariff"] = (("component",), labels(label for label, _ in listed))
    for name in ("part", "basis"):
        columns[f"component_{name}"] = (
            ("component",),
            labels(getattr(own.component, name) for _, own in listed),
        )
    values = np.array([own.slots for _, own in listed])  # (component, rate, time)
    for n, name in enumerate(RATES):
        if values[:, n].any():
            columns[f"component_{name}"] = (("component", "time"), values[:, n])
    if "component_contracted" in columns:
        power = [r.contracted_kw if r.contracted_kw is not None else r.import_limit_kw for r in rows]
        columns["contracted_power"] = (("participant",), np.array([p or 0.0 for p in power]))
    return columns | _peaks(listed, rows, frame)


def _peaks(listed: Sequence[tuple[str, "Rates"]], rows: Sequence[Participant], frame: Frame) -> Columns:
    """Return the peaks that components charge, what they cost, and the days and months of the slots."""
    peaks = [(label, own.component) for label, own in listed if own.component.basis == "per-kw-peak"]
    if not peaks:
        return {}
    rate = np.array(
        [[own.peaks.get(c.name, 0.0) if label == of else 0.0 for of, c in peaks] for label, own in listed]
    )
    day, month = _days(frame)
    earlier = [np.nan if r.earlier_peak_kw is None else r.earlier_peak_kw for r in rows]
    own: Columns = {}
    if any(c.peak_of == "tariff" for _, c in peaks):
        own["peak_of"] = (("peak",), np.array([c.peak_of for _, c in peaks]))
    if any(c.earlier_peak_kw is not None for _, c in peaks):
        before = [np.nan if c.earlier_peak_kw is None else c.earlier_peak_kw for _, c in peaks]
        own["peak_earlier"] = (("peak",), np.array(before))
    if not np.isnan(earlier).all():
        own["earlier_peak"] = (("participant",), np.array(earlier))
    return own | {
        "component_peak": (("component", "peak"), rate),
        "peak_tariff": (("peak",), labels(label for label, _ in peaks)),
        "peak_price": (("peak",), rate.sum(axis=0)),
        "peak_days": (("peak",), np.array([float(c.highest_days) for _, c in peaks])),
        "peak_floor": (("peak",), np.array([c.at_least_kw for _, c in peaks])),
        "slot_day": (("time",), day),
        "day_month": (("day",), month),
    }


def _days(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the local day of each slot (time,) as YYYY-MM-DD, and the month of each day as YYYY-MM."""
    day = local(frame.times, frame.time.time_zone).tz_localize(None).strftime("%Y-%m-%d").to_numpy(str)
    return day, np.array([d[:7] for d in dict.fromkeys(day.tolist())])


def coordinates(tariffs: Mapping[str, Tariff], frame: Frame) -> dict[str, np.ndarray]:
    """Return the labels of the components, and of peaks, days and months where peaks are charged."""
    if not any(tariff.components for tariff in tariffs.values()):
        return {}
    every = [(f"{label}/{c.name}", c) for label, tariff in tariffs.items() for c in tariff.every()]
    peaks = [name for name, c in every if c.basis == "per-kw-peak"]
    coords = {"component": labels(name for name, _ in every)}
    if peaks:
        day, month = _days(frame)
        coords |= {"peak": labels(peaks), "day": np.unique(day), "month": np.unique(month)}
    return coords


@dataclass(frozen=True)
class Rates:
    """The rates of a component.

    Over the slots (rate, time) in the order of ``RATES``; by the name of a peak; and what a kWh from peers pays of it,
    by level of the fees (level, time) [currency/kWh].
    """

    component: Component
    slots: np.ndarray
    peaks: Mapping[str, float]
    shared: np.ndarray


def rates(tariff: Tariff, frame: Frame, levels: Sequence[str] = ("",)) -> list[Rates]:
    """Return the rates of each component of a tariff, and those of shared energy by level of the fees."""
    known: dict[str, Rates] = {}
    for component in tariff.every():
        own, peaks = np.zeros((len(RATES), len(frame.times))), {}
        shared = np.zeros((len(levels), len(frame.times)))
        if component.basis == "percent":
            of, share = [known[name] for name in _of(component, known)], _number(component) / 100
            own += share * sum(base.slots for base in of)
            shared += share * sum(base.shared for base in of)
            named = {name for base in of for name in base.peaks}
            peaks = {name: share * sum(base.peaks.get(name, 0.0) for base in of) for name in named}
        elif component.basis == "per-kwh-shared":
            shared += price(component.price, frame)
        elif component.basis in ("per-kwh", "per-kwh-injected"):
            rate = int(component.basis == "per-kwh-injected")
            own[rate] = price(component.price, frame)
            shared += own[rate] * _paid_by_peers(component, levels)[:, None]
        elif component.basis == "per-kw-contracted":
            own[3] = _number(component) * per_hour(component.per, frame)
        elif component.basis == "per-kw-peak":
            peaks[component.name] = _number(component) / (12 if component.per == "year" else 1)
        else:
            own[2] = _number(component) * per_hour(_PERIOD[component.basis], frame)
        known[component.name] = Rates(component, own, peaks, shared)
    return list(known.values())


def _of(component: Component, before: Mapping[str, Rates]) -> Sequence[str]:
    """Return the names of the components that a percentage is of."""
    if component.of is not None:
        return component.of
    return [name for name, own in before.items() if own.component.basis != "per-kwh-injected"]


def _paid_by_peers(component: Component, levels: Sequence[str]) -> np.ndarray:
    """Return the part (level,) of a component that a kWh from peers pays: what its discount leaves, else nothing."""
    discount = component.shared_discount
    if discount is None:
        return np.zeros(len(levels))
    percent = [discount.get(level, 100.0) if isinstance(discount, dict) else discount for level in levels]
    return 1.0 - np.array(percent) / 100


def shared_fees(
    tariffs: Mapping[str, Tariff], frame: Frame, levels: Sequence[str]
) -> tuple[Columns, dict[str, float]]:
    """Return what tariffs add to a kWh from peers (tariff, time) [currency/kWh], and what each level of fees adds to it.

    The latter are there where the levels differ, which the clearing knows by pairs of nodes: by the same amount in every
    slot and for every tariff, or it is a problem that goes to the frame.
    """
    shared = np.array(
        [sum(own.shared for own in rates(tariff, frame, levels)) for tariff in tariffs.values()]
    )  # (tariff, level, time)
    base = shared.min(axis=1)
    beyond = shared - base[:, None]
    more = {level: float(beyond[0, n, 0]) for n, level in enumerate(levels)}
    if not np.allclose(beyond, beyond[:1, :, :1], rtol=0, atol=1e-12):
        want = "prices that are the same all the time and for all tariffs, as fees differ by pairs of nodes"
        frame.problems.append(Problem("scenario", "", "tariffs", "shared_discount by level", want))
    columns: Columns = {"shared_fee": (("tariff", "time"), base)} if base.any() else {}
    return columns, more


def _number(component: Component) -> float:
    assert isinstance(component.price, Flat)  # the schema sees to it
    return component.price.price_per_kwh


def per_hour(period: str, frame: Frame) -> np.ndarray:
    """Return the share of a local day, month or year that an hour of each slot (time,) is [1/h]."""
    day = local(frame.times, frame.time.time_zone).tz_localize(None).normalize()
    hours = pd.Series(frame.hours, index=day).groupby(level=0).transform("sum").to_numpy()
    days = {"day": np.ones(len(day)), "month": day.days_in_month, "year": 365 + day.is_leap_year.astype(int)}
    return np.asarray(1.0 / (hours * np.asarray(days[period])))
