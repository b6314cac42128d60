"""What contracts charge, component by component, computed again from energies, rates and contracted powers.

Part of `checks`; findings as in `physics`.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..labels import Array
from .physics import Finding, Run, arrays, index

_COST = "component_cost"
_SOME = 1e-5
"""Power [kW] from which on a peak is above or below the least that is charged."""


def standing(run: Run) -> Array:
    """Return what every participant pays whatever it draws (P,): nothing where tariffs have no components."""
    paid = np.zeros(run.participants)
    for k, whose in _customers(run):
        paid[whose] += _constant(run, k, whose)
    return paid


def peak_charges(run: Run) -> Array:
    """Return what every participant pays for its peaks (P,): nothing where no tariff charges any."""
    paid = np.zeros(run.participants)
    for q, whose in _of_peaks(run):
        paid[whose] += run.i["peak_price"][q] * _billed(run, q, whose)[1].sum(axis=1)
    return paid


def components(run: Run, settlement: xr.Dataset) -> Iterator[Finding]:
    """Yield all-in prices against their components, and what these cost against accounts and energies."""
    if "component_tariff" not in run.i:
        return
    tariff = index(run.labels["tariff"], run.i["component_tariff"])
    for name, rate in (("retail_price", "price"), ("feed_in_price", "credit")):
        price = run.i[name]
        total = np.zeros_like(price)
        np.add.at(total, tariff, _rate(run, rate))
        yield Finding(f"{name} by component", ("tariff", "time"), abs(price - total), price)
    if _COST not in settlement:
        yield Finding(_COST, ("participant",), np.full(run.participants, np.inf))
        return
    s, drawn, given = arrays(settlement), *_energies(run)
    want, turnover = np.zeros_like(s[_COST]), np.zeros_like(s[_COST])
    for k, whose in _customers(run):
        bought, sold = drawn[whose] * _rate(run, "price")[k], given[whose] * _rate(run, "credit")[k]
        want[whose, k] = (bought - sold).sum(axis=1) + _constant(run, k, whose)
        for q in np.flatnonzero(run.i["component_peak"][k]).tolist() if "component_peak" in run.i else ():
            want[whose, k] += run.i["component_peak"][k, q] * _billed(run, q, whose)[1].sum(axis=1)
        turnover[whose, k] = (abs(bought) + abs(sold)).sum(axis=1)
    yield Finding(_COST, ("participant", "component"), abs(s[_COST] - want), turnover)
    paid = s["grid_cost"] - s["feed_in_revenue"] + s["standing_charges"]
    if "peak_tariff" in run.i:
        paid = paid + s["peak_charges"]
        yield from _peaks(run, s)
    yield Finding(
        "lines of components", ("participant",), abs(s[_COST].sum(axis=1) - paid), turnover.sum(axis=1)
    )


def _peaks(run: Run, s: dict[str, Array]) -> Iterator[Finding]:
    """Yield the price of every peak, the power that is charged, and what one more kW in a slot adds to the charges.

    These marginal values v of a participant are duals: none is below zero, all of a month add up to no more than the
    price, those of one day to a k-th part of it. With the powers d that are drawn, sum(v d) is then at the most price *
    peak, and it is that where the peak is beyond the least that is charged; where it is below that, nothing.
    """
    price = run.i["component_peak"].sum(axis=0)
    yield Finding("peak_price by component", ("peak",), abs(price - run.i["peak_price"]), price)
    billed = np.zeros((run.participants, len(price), len(_months(run))))
    for q, whose in _of_peaks(run):
        billed[whose, q] = _billed(run, q, whose)[1]
    yield Finding("peak_power", ("participant", "peak", "month"), abs(s["peak_power"] - billed), billed)
    if "peak_value" in run.r:
        yield Finding("negative peak_value", ("participant", "time"), -run.r["peak_value"])
        yield from _marginal(run)


def _marginal(run: Run) -> Iterator[Finding]:
    """Yield the marginal values of the participants whose tariff has one peak (else their sum is not told apart)."""
    value, draw, month = run.r["peak_value"], run.r["draw"], _month_of_slots(run)
    count = sum((run.i["participant_tariff"] == t).astype(int) for t in run.i["peak_tariff"])
    for q, whose in _of_peaks(run):
        alone, price = whose[count[whose] == 1], run.i["peak_price"][q]
        level, _, above = _billed(run, q, alone)
        for m in range(level.shape[1]):
            own = value[alone][:, month == m]
            total, drawn = own.sum(axis=1), (own * draw[alone][:, month == m]).sum(axis=1)
            most = np.where(above[:, m] < -_SOME, 0.0, price)
            off = np.maximum(total - most, drawn - most * level[:, m])
            if "day_peak" not in run.i:  # whose days have a part in the price
                off = np.maximum(off, np.where(above[:, m] > _SOME, price * level[:, m] - drawn, 0.0))
            for day in np.unique(run.i["slot_day"][month == m]):
                of_day = value[alone][:, run.i["slot_day"] == day].sum(axis=1)
                off = np.maximum(off, of_day - price / run.i["peak_days"][q])
            wrong = np.zeros(run.participants)
            wrong[alone] = off
            yield Finding("peak_value", ("participant",), wrong, price * max(1.0, level.max(initial=0.0)))


def _of_peaks(run: Run) -> Iterator[tuple[int, Array]]:
    """Yield the position of each peak and those of the participants whose tariff charges it."""
    for q, tariff in enumerate(run.i.get("peak_tariff", ())):
        yield q, np.flatnonzero(run.i["participant_tariff"] == tariff)


def _months(run: Run) -> list[str]:
    return sorted(set(run.i["day_month"].tolist()))


def _month_of_slots(run: Run) -> Array:
    """Return the position of the month of every slot (T,)."""
    days = sorted(set(run.i["slot_day"].tolist()))
    month = dict(zip(days, index(np.array(_months(run)), run.i["day_month"]).tolist(), strict=True))
    return np.array([month[day] for day in run.i["slot_day"].tolist()])


def _billed(run: Run, q: int, whose: Array) -> tuple[Array, Array, Array]:
    """Return a peak of each month (n, months) [kW], what of it is charged, and how far it is above the least."""
    k, nothing = int(run.i["peak_days"][q]), np.full((run.participants, len(run.labels["day"])), np.nan)
    reached = run.i.get("day_peak", nothing)
    level, new, above = (np.zeros((len(whose), len(_months(run)))) for _ in range(3))
    for m in range(level.shape[1]):
        days = run.labels["day"][run.i["day_month"] == _months(run)[m]]
        slots = [run.i["slot_day"] == day for day in days]
        own = [run.r["draw"][whose][:, on].max(axis=1, initial=0.0) for on in slots]
        known = reached[whose][:, index(run.labels["day"], days)].T
        level[:, m] = np.sort(np.fmax(own, known), axis=0)[::-1][:k].sum(axis=0) / k
        before = run.i.get("earlier_peak", np.full(run.participants, np.nan))[whose] if m == 0 else np.nan
        least = np.fmax(before, run.i["peak_floor"][q])
        paid = np.fmax(np.sort(np.nan_to_num(known), axis=0)[::-1][:k].sum(axis=0) / k, least)
        paid = np.where(np.isnan(before) & np.isnan(known).all(axis=0), 0.0, paid)
        new[:, m], above[:, m] = np.fmax(level[:, m], least) - paid, level[:, m] - least
    return level, new, above


def _customers(run: Run) -> Iterator[tuple[int, Array]]:
    """Yield the position of each component and those of the participants whose tariff has it."""
    for k, tariff in enumerate(run.i.get("component_tariff", ())):
        yield k, np.flatnonzero(run.i["participant_tariff"] == tariff)


def _constant(run: Run, k: int, whose: Array) -> Array:
    """Return what a component costs these participants whatever they draw (n,)."""
    power = run.i.get("contracted_power", np.zeros(run.participants))[whose]
    per_kw = _rate(run, "contracted")[k] @ run.hours
    return np.asarray(_rate(run, "standing")[k] @ run.hours + per_kw * power)


def _rate(run: Run, name: str) -> Array:
    """Return a rate of all components (component, T)."""
    nothing = np.zeros((len(run.i["component_tariff"]), len(run.hours)))
    return run.i.get(f"component_{name}", nothing)


def _energies(run: Run) -> tuple[Array, Array]:
    """Return what every account draws from the retailer and gives to it (P, T) [kWh], its vehicles' with it."""
    energies = []
    for way in ("import", "export"):
        energy = run.r[f"grid_{way}"] * run.hours
        np.add.at(energy, run.owner["vehicle"], run.r[f"vehicle_{way}"] * run.hours)
        energies.append(energy)
    return energies[0], energies[1]
