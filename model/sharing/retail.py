"""What retailers charge members for the energy that is not shared, by component where their tariffs have any."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions
from ..topology import tiers
from ..topology.peaks import peaks


def energy_at_tariffs(inputs: xr.Dataset, name: str, energy: Array) -> Array:
    """Return what energy (participant, time) [Wh] costs at the prices ``name`` of the own tariff (participant,)."""
    tariff, prices = positions(inputs, "participant_tariff", "tariff"), inputs[name].values
    amounts = np.zeros(len(energy))
    for n in np.unique(tariff):
        amounts[tariff == n] = energy[tariff == n] @ (prices[n] / 1000)
    return amounts


def components(
    inputs: xr.Dataset, drawn: Array, given: Array, draw: Array, active: Array
) -> dict[str, Array]:
    """Return what each component of its tariff costs a member (participant, component), by what it is counted by.

    ``energy`` is of energy drawn less energy given, ``standing`` of the time as a member and its contracted power,
    ``peak`` of the highest powers drawn, ``tier`` of energy in dearer tiers. Nothing where tariffs have no components.

    Parameters
    ----------
    inputs : Dataset
        With tariffs and components.
    drawn, given : (participant, time)
        From and to the retailer [Wh].
    draw : (participant, time)
        Mean power drawn at the meter, whoever it is from [kW].
    active : (participant, time)
        Whether it is a member: standing charges are due for that time alone.
    """
    if "component" not in inputs.sizes:
        return {}
    hours, power = inputs["slot_hours"].values, optional(inputs, "contracted_power")[:, None]
    rates = {n: optional(inputs, f"component_{n}") for n in ("price", "credit", "standing", "contracted")}
    cost = {
        name: np.zeros((len(drawn), inputs.sizes["component"]))
        for name in ("energy", "standing", "peak", "tier")
    }
    for who, own in _by_tariff(inputs):
        at = np.ix_(who, own)
        cost["energy"][at] = (drawn[who] @ rates["price"][own].T - given[who] @ rates["credit"][own].T) / 1000
        standing, contracted = (active[who] @ (rates[n][own] * hours).T for n in ("standing", "contracted"))
        cost["standing"][at] = standing + contracted * power[who]
    if (charged := peaks(inputs)) is not None:
        own_peaks = charged.charged(draw).sum(axis=2).T @ optional(inputs, "component_peak").T
        cost["peak"] += own_peaks
    if "tier" in inputs.sizes:
        cost["tier"] += tiers.charges(inputs, drawn / 1000)
    return cost


def _by_tariff(inputs: xr.Dataset) -> Iterator[tuple[Array, Array]]:
    """Yield the participants of each tariff, and its components."""
    tariff = positions(inputs, "participant_tariff", "tariff")
    own = positions(inputs, "component_tariff", "tariff")
    for n in np.unique(tariff):
        yield np.flatnonzero(tariff == n), np.flatnonzero(own == n)
