"""Components of retail contracts over the slots, and the all-in prices that they add up to.

A component has four rates in each slot, of which it uses one, and a percentage those of the components that it is of:

* ``price`` [currency/kWh] of energy drawn: their sum is the retail price;
* ``credit`` [currency/kWh] of energy injected, paid to the customer: their sum is the feed-in price;
* ``standing`` [currency/h] and ``contracted`` [currency/(kW h)]: constant, so that no decision depends on them.

A charge per day, month or year is spread over the hours of the local day, so that it adds up exactly: a day of 23 hours
costs as much as any other, and each day of a month 1/28 to 1/31 of the month.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..clock import local
from ..inputs.variables import RATES
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
    contracted powers (participant,) [kW] that no component asks for.
    """
    every = {label: rates(tariff, frame) for label, tariff in tariffs.items()}
    sums = {
        name: np.array([sum(own[n] for own in rated) for rated in every.values()])
        for n, name in ((0, "retail_price"), (1, "feed_in_price"))
    }
    columns: Columns = {name: (("tariff", "time"), values) for name, values in sums.items()}
    if not any(tariff.components for tariff in tariffs.values()):
        return columns
    listed = [(label, component) for label, tariff in tariffs.items() for component in tariff.every()]
    columns["component_tariff"] = (("component",), labels(label for label, _ in listed))
    for name in ("part", "basis"):
        columns[f"component_{name}"] = (("component",), labels(getattr(c, name) for _, c in listed))
    values = np.array([own for rated in every.values() for own in rated])  # (component, rate, time)
    for n, name in enumerate(RATES):
        if values[:, n].any():
            columns[f"component_{name}"] = (("component", "time"), values[:, n])
    if "component_contracted" in columns:
        power = [r.contracted_kw if r.contracted_kw is not None else r.import_limit_kw for r in rows]
        columns["contracted_power"] = (("participant",), np.array([p or 0.0 for p in power]))
    return columns


def component_labels(tariffs: Mapping[str, Tariff]) -> np.ndarray:
    """Return the labels of all components (component,): the tariff, a stroke, and the name."""
    return labels(f"{label}/{c.name}" for label, tariff in tariffs.items() for c in tariff.every())


def rates(tariff: Tariff, frame: Frame) -> list[np.ndarray]:
    """Return the rates (rate, time) of each component of a tariff, in the order of ``RATES``."""
    known: dict[str, tuple[Component, np.ndarray]] = {}
    for component in tariff.every():
        own = np.zeros((len(RATES), len(frame.times)))
        if component.basis == "percent":
            own += _number(component) / 100 * sum(known[name][1] for name in _of(component, known))
        elif component.basis in ("per-kwh", "per-kwh-injected"):
            own[int(component.basis == "per-kwh-injected")] = price(component.price, frame)
        elif component.basis == "per-kw-contracted":
            own[3] = _number(component) * per_hour(component.per, frame)
        else:
            own[2] = _number(component) * per_hour(_PERIOD[component.basis], frame)
        known[component.name] = component, own
    return [own for _, own in known.values()]


def _of(component: Component, before: Mapping[str, tuple[Component, Any]]) -> Sequence[str]:
    """Return the names of the components that a percentage is of."""
    if component.of is not None:
        return component.of
    return [name for name, (base, _) in before.items() if base.basis != "per-kwh-injected"]


def _number(component: Component) -> float:
    assert isinstance(component.price, Flat)  # the schema sees to it
    return component.price.price_per_kwh


def per_hour(period: str, frame: Frame) -> np.ndarray:
    """Return the share of a local day, month or year that an hour of each slot (time,) is [1/h]."""
    day = local(frame.times, frame.time.time_zone).tz_localize(None).normalize()
    hours = pd.Series(frame.hours, index=day).groupby(level=0).transform("sum").to_numpy()
    days = {"day": np.ones(len(day)), "month": day.days_in_month, "year": 365 + day.is_leap_year.astype(int)}
    return np.asarray(1.0 / (hours * np.asarray(days[period])))
