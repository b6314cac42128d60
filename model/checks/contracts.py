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


def standing(run: Run) -> Array:
    """Return what every participant pays whatever it draws (P,): nothing where tariffs have no components."""
    paid = np.zeros(run.participants)
    for k, whose in _customers(run):
        paid[whose] += _constant(run, k, whose)
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
        turnover[whose, k] = (abs(bought) + abs(sold)).sum(axis=1)
    yield Finding(_COST, ("participant", "component"), abs(s[_COST] - want), turnover)
    paid = s["grid_cost"] - s["feed_in_revenue"] + s["standing_charges"]
    if "peak_tariff" in run.i:
        paid = paid + s["peak_charges"]
        yield from peaks(run, s)
    yield Finding(
        "lines of components", ("participant",), abs(s[_COST].sum(axis=1) - paid), turnover.sum(axis=1)
    )


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
