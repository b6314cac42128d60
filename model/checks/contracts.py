"""What contracts charge, component by component, computed again from energies, rates and contracted powers.

Part of `checks`; findings as in `physics`.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..labels import Array
from .peaks import charged, peaks
from .physics import Finding, Run, arrays, index

_COST = "component_cost"
_SOME = 1e-5
"""Energy [kWh] by which a tier is begun, or is not."""


def standing(run: Run) -> Array:
    """Return what every participant pays whatever it draws (P,): nothing where tariffs have no components."""
    paid = np.zeros(run.participants)
    for k, whose in _customers(run):
        paid[whose] += _constant(run, k, whose)
    return paid


def tier_charges(run: Run) -> Array:
    """Return what every account pays in tiers that are dearer than the first (P,): nothing where no tariff has any."""
    paid = np.zeros(run.participants)
    for k, whose in _of_tiers(run):
        paid[whose] += run.i["tier_price"][k] * _beyond(run, k, whose)
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
            want[whose, k] += run.i["component_peak"][k, q] * charged(run, q, whose).sum(axis=1)
        for n, _ in _of_tiers(run) if "component_tier" in run.i else ():
            if run.i["component_tier"][k, n]:
                want[whose, k] += run.i["component_tier"][k, n] * _beyond(run, n, whose)
        turnover[whose, k] = (abs(bought) + abs(sold)).sum(axis=1)
    yield Finding(_COST, ("participant", "component"), abs(s[_COST] - want), turnover)
    paid = s["grid_cost"] - s["feed_in_revenue"] + s["standing_charges"]
    if "peak_tariff" in run.i:
        paid = paid + s["peak_charges"]
        yield from peaks(run, s)
    if "tier_tariff" in run.i:
        paid = paid + s["tier_charges"]
        yield from _tiers(run)
    yield Finding(
        "lines of components", ("participant",), abs(s[_COST].sum(axis=1) - paid), turnover.sum(axis=1)
    )


def _tiers(run: Run) -> Iterator[Finding]:
    """Yield the steps of all tiers, and by how much one more kWh is dearer: between those begun and those reached."""
    step = run.i["component_tier"].sum(axis=0)
    yield Finding("tier_price by component", ("tier",), abs(step - run.i["tier_price"]), step)
    if "tier_value" not in run.r:
        return
    least, most = np.zeros((2, run.participants, len(run.hours)))
    for k, whose in _of_tiers(run):
        for slots, bought in _by_period(run, k, whose):
            over = bought - run.i["tier_start"][k]
            at = np.ix_(whose, np.flatnonzero(slots))
            least[at] += step[k] * (over > _SOME)[:, None]
            most[at] += step[k] * (over > -_SOME)[:, None]
    value = run.r["tier_value"]
    yield Finding("tier_value", ("participant", "time"), np.maximum(least - value, value - most), most)


def _of_tiers(run: Run) -> Iterator[tuple[int, Array]]:
    """Yield the position of each tier and those of the participants whose tariff has it."""
    for k, tariff in enumerate(run.i.get("tier_tariff", ())):
        yield k, np.flatnonzero(run.i["participant_tariff"] == tariff)


def _by_period(run: Run, k: int, whose: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the slots (T,) bool of each period of a tier, and what these accounts have bought in it (n,) [kWh]."""
    month = dict(zip(run.labels["day"].tolist(), run.i["day_month"].tolist(), strict=True))
    day, by_month = run.i["slot_day"], run.i["tier_period"][k] == "month"
    period = np.array([month[d] for d in day.tolist()]) if by_month else day
    energy, before = _energies(run)[0][whose], run.i.get("earlier_energy", np.zeros(run.participants))
    for name in sorted(set(period.tolist())):
        first = by_month and name == min(run.i["day_month"])
        yield period == name, energy[:, period == name].sum(axis=1) + before[whose] * first


def _beyond(run: Run, k: int, whose: Array) -> Array:
    """Return what these accounts have bought beyond the start of a tier, and had not before the horizon (n,) [kWh]."""
    start, before = run.i["tier_start"][k], run.i.get("earlier_energy", np.zeros(run.participants))[whose]
    known = np.where(run.i["tier_period"][k] == "month", np.maximum(before - start, 0.0), 0.0)
    periods = [np.maximum(bought - start, 0.0) for _, bought in _by_period(run, k, whose)]
    return np.asarray(sum(periods) - known)


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
