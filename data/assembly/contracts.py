"""Components of retail contracts over the slots, and the all-in prices that they add up to.

A component has four rates in each slot, of which it uses one, and a percentage those of the components that it is of:

* ``price`` [currency/kWh] of energy drawn: their sum is the retail price;
* ``credit`` [currency/kWh] of energy injected, paid to the customer: their sum is the feed-in price;
* ``standing`` [currency/h] and ``contracted`` [currency/(kW h)]: constant, so that no decision depends on them.

A component may instead have a price of the month's peak [currency/kW], or tiers that are dearer than the first
[currency/kWh], which the clearing plans for. The step of a tier is by what a kWh of it is dearer than one of the tier
below; a percentage is of steps, too.

A charge per day, month or year is spread over the hours of the local day, so that it adds up exactly: a day of 23 hours
costs as much as any other, and each day of a month 1/28 to 1/31 of the month.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..clock import local
from ..inputs.variables import RATES
from ..problems import Problem
from ..schema.price_forms import Component, Flat, Tiered
from ..schema.table_rows import Participant
from ..schema.tariffs_and_fees import Tariff
from .demand_and_pv import Frame
from .devices_and_trips import Columns, labels
from .prices import price

_Listed = Sequence[tuple[str, Component, Mapping[str, float], Mapping[str, float]]]
"""Components: the tariff of each, itself, and its prices by the names of peaks and of tiers."""
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
    if not any(tariff.itemised() for tariff in tariffs.values()):
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
    kept = [(label, own.component, own.peaks, own.tiers) for label, own in listed]
    return columns | _peaks(kept, rows, frame) | _tiers(kept, rows, frame)


def with_carbon_price(inputs: xr.Dataset, price: float) -> xr.Dataset:
    """Return inputs in which carbon dioxide has a price [currency/kg]: a levy on retail power and on fuel.

    retail_price + price * grid_carbon and fuel_price + price * fuel_carbon; where there are components, a levy of each
    tariff more, ``TARIFF/carbon dioxide``. Energy that is given away earns none.
    """
    if not price:
        return inputs
    levy, tariffs = price * inputs["grid_carbon"].values, inputs["tariff"].values
    changed: dict[str, Any] = {
        "retail_price": (("tariff", "time"), inputs["retail_price"].values + levy),
        "fuel_price": (("vehicle",), inputs["fuel_price"].values + price * inputs["fuel_carbon"].values),
    }
    if "component" not in inputs.sizes:
        return inputs.assign(changed)
    levies = np.tile(levy, (len(tariffs), 1))
    own: dict[str, Any] = {
        "component_tariff": tariffs,
        "component_part": "levy",
        "component_basis": "per-kwh",
    }
    own |= {"component_price": levies}
    if "component_price" not in inputs:
        nothing = np.zeros((inputs.sizes["component"], len(levy)))
        inputs = inputs.assign(component_price=(("component", "time"), nothing))
    for name, variable in inputs.data_vars.items():
        if "component" in variable.dims:
            more = np.broadcast_to(own.get(str(name), 0.0), (len(tariffs), *variable.shape[1:]))
            changed[str(name)] = (variable.dims, np.concatenate([variable.values, more]))
    names = [*inputs["component"].values, *(f"{tariff}/carbon dioxide" for tariff in tariffs)]
    return inputs.drop_dims("component").assign(changed).assign_coords(component=labels(names))


def coordinates(tariffs: Mapping[str, Tariff], frame: Frame) -> dict[str, np.ndarray]:
    """Return the labels of the components, and those of what is charged over days and months."""
    if not any(tariff.itemised() for tariff in tariffs.values()):
        return {}
    every = [(f"{label}/{c.name}", c) for label, tariff in tariffs.items() for c in tariff.every()]
    of = {
        "peak": [name for name, c in every if c.basis == "per-kw-peak"],
        "tier": [name.removesuffix(c.name) + own for name, c in every for own, *_ in _steps(c)],
    }
    coords = {dim: labels(names) for dim, names in of.items() if names}
    if coords:
        day, month = _days(frame)
        coords |= {"day": np.unique(day), "month": np.unique(month)}
    return {"component": labels(name for name, _ in every)} | coords


def _steps(component: Component) -> Iterator[tuple[str, float, float]]:
    """Yield the tiers above the first that are dearer: name, start [kWh] and step [currency/kWh]."""
    if isinstance(component.price, Tiered):
        for n, (last, tier) in enumerate(pairwise(component.price.tiers), start=2):
            if (step := tier.price_per_kwh - last.price_per_kwh) > 0 and last.up_to_kwh is not None:
                yield f"{component.name}/{n}", last.up_to_kwh, step


def _peaks(listed: _Listed, rows: Sequence[Participant], frame: Frame) -> Columns:
    """Return the peaks that components charge, and what they cost; nothing where none does."""
    own = [(label, c) for label, c, _, _ in listed if c.basis == "per-kw-peak"]
    if not own:
        return {}
    rate = _rates([(label, prices) for label, _, prices, _ in listed], [(label, c.name) for label, c in own])
    earlier = [np.nan if r.earlier_peak_kw is None else r.earlier_peak_kw for r in rows]
    columns: Columns = {
        "component_peak": (("component", "peak"), rate),
        "peak_tariff": (("peak",), labels(label for label, _ in own)),
        "peak_price": (("peak",), rate.sum(axis=0)),
        "peak_days": (("peak",), np.array([float(c.highest_days) for _, c in own])),
        "peak_floor": (("peak",), np.array([c.at_least_kw for _, c in own])),
    }
    if any(c.peak_of == "tariff" for _, c in own):
        columns["peak_of"] = (("peak",), np.array([c.peak_of for _, c in own]))
    if any(c.earlier_peak_kw is not None for _, c in own):
        before = [np.nan if c.earlier_peak_kw is None else c.earlier_peak_kw for _, c in own]
        columns["peak_earlier"] = (("peak",), np.array(before))
    if not np.isnan(earlier).all():
        columns["earlier_peak"] = (("participant",), np.array(earlier))
    return columns | _calendar(frame)


def _tiers(listed: _Listed, rows: Sequence[Participant], frame: Frame) -> Columns:
    """Return the tiers above the first, and by what they are dearer; nothing where no component has any."""
    own = [(label, c.price, *step) for label, c, _, _ in listed for step in _steps(c)]
    if not own:
        return {}
    rate = _rates([(label, prices) for label, _, _, prices in listed], [(o[0], o[2]) for o in own])
    earlier = np.array([r.earlier_kwh or 0.0 for r in rows])
    columns: Columns = {
        "component_tier": (("component", "tier"), rate),
        "tier_tariff": (("tier",), labels(label for label, *_ in own)),
        "tier_price": (("tier",), rate.sum(axis=0)),
        "tier_start": (("tier",), np.array([start for *_, start, _ in own])),
        "tier_period": (("tier",), labels(price.per for _, price, *_ in own if isinstance(price, Tiered))),
    }
    if earlier.any():
        columns["earlier_energy"] = (("participant",), earlier)
    return columns | _calendar(frame)


def _rates(listed: Sequence[tuple[str, Mapping[str, float]]], of: Sequence[tuple[str, str]]) -> np.ndarray:
    """Return the prices (component, n) of components by tariff, of things that tariffs have by name."""
    return np.array(
        [[own.get(name, 0.0) if label == tariff else 0.0 for tariff, name in of] for label, own in listed]
    )


def _calendar(frame: Frame) -> Columns:
    """Return the days and months of the slots."""
    day, month = _days(frame)
    return {"slot_day": (("time",), day), "day_month": (("day",), month)}


def _days(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the local day of each slot (time,) as YYYY-MM-DD, and the month of each day as YYYY-MM."""
    day = local(frame.times, frame.time.time_zone).tz_localize(None).strftime("%Y-%m-%d").to_numpy(str)
    return day, np.array([d[:7] for d in dict.fromkeys(day.tolist())])


@dataclass(frozen=True)
class Rates:
    """The rates of a component.

    Over the slots (rate, time) in the order of ``RATES``; by the names of peaks and of tiers; and what a kWh
    from peers pays of it, by level of the fees (level, time) [currency/kWh].
    """

    component: Component
    slots: np.ndarray
    peaks: Mapping[str, float]
    tiers: Mapping[str, float]
    shared: np.ndarray


def rates(tariff: Tariff, frame: Frame, levels: Sequence[str] = ("",)) -> list[Rates]:
    """Return the rates of each component of a tariff, and those of shared energy by level of the fees."""
    known: dict[str, Rates] = {}
    for component in tariff.every():
        own, peaks = np.zeros((len(RATES), len(frame.times))), {}
        tiers = {name: step for name, _, step in _steps(component)}
        shared = np.zeros((len(levels), len(frame.times)))
        if component.basis == "percent":
            of, share = [known[name] for name in _of(component, known)], _number(component) / 100
            own += share * sum(base.slots for base in of)
            shared += share * sum(base.shared for base in of)
            peaks, tiers = (_of_all([getattr(b, n) for b in of], share) for n in ("peaks", "tiers"))
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
        known[component.name] = Rates(component, own, peaks, tiers, shared)
    return list(known.values())


def _of_all(rates: Sequence[Mapping[str, float]], share: float) -> dict[str, float]:
    """Return a share of the sums of rates by name."""
    return {name: share * sum(own.get(name, 0.0) for own in rates) for own in rates for name in own}


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
