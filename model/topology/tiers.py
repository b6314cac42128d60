"""Tiers of contracts: energy from the retailer beyond the start of a tier in a month or a day costs more by its step.

An account's energy is that of its own meter and of its vehicles elsewhere; what its own PV and its peers give does not
count. In the first month ``earlier_energy`` e was bought before the horizon and is charged already. With the energy E of
the horizon and the start s of a tier::

    beyond = (e + E - s)+        charged = beyond - (e - s)+
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.variables import TIER_PERIODS
from ..labels import Array, positions, sum_at


class Tiers(NamedTuple):
    """The tiers of one kind of period: K tiers, P participants, N periods, T slots.

    ``number`` (K,) is the position of a tier among all, ``price`` (K,) its step [currency/kWh], ``start`` (K,) [kWh];
    ``mine`` (K, P) whose tariff has it; ``earlier`` (P, N) [kWh] bought before; ``period`` (T,) positions.
    """

    number: Array
    price: Array
    start: Array
    mine: Array
    earlier: Array
    period: Array

    @property
    def paid(self) -> Array:
        """What was beyond the start already (K, P, N) [kWh]."""
        return np.asarray(np.maximum(self.earlier - self.start[:, None, None], 0.0) * self.mine[:, :, None])

    def charged(self, energy: Array) -> Array:
        """Return what of energies (P, T) [kWh] is beyond the start of each tier, and new (K, P) [kWh]."""
        total = self.earlier + sum_at(self.period, energy.T, self.earlier.shape[1]).T
        beyond = np.maximum(total - self.start[:, None, None], 0.0) * self.mine[:, :, None]
        return np.asarray((beyond - self.paid).sum(axis=2))


def tiers(inputs: xr.Dataset) -> dict[str, Tiers]:
    """Return the tiers of tariffs by kind of period, ``month`` and ``day``: those of which there are any."""
    if "tier" not in inputs.sizes:
        return {}
    own = positions(inputs, "participant_tariff", "tariff")
    mine = positions(inputs, "tier_tariff", "tariff")[:, None] == own
    day = positions(inputs, "slot_day", "day")
    period = {"day": day, "month": positions(inputs, "day_month", "month")[day]}
    found = {}
    for kind in TIER_PERIODS:
        number = np.flatnonzero(inputs["tier_period"].values == kind)
        earlier = np.zeros((len(own), inputs.sizes[kind]))
        if kind == "month":
            earlier[:, 0] = optional(inputs, "earlier_energy")
        if len(number):
            price, start = (inputs[f"tier_{name}"].values[number] for name in ("price", "start"))
            found[kind] = Tiers(number, price, start, mine[number], earlier, period[kind])
    return found


def tiered(inputs: xr.Dataset) -> Array:
    """Return whose tariff (participant,) has tiers."""
    if "tier" not in inputs.sizes:
        return np.zeros(inputs.sizes["participant"], dtype=bool)
    return np.isin(inputs["participant_tariff"].values, inputs["tier_tariff"].values)


def dearest(inputs: xr.Dataset) -> Array:
    """Return by how much the last kWh may be dearer than the first (tariff,) [currency/kWh]."""
    if "tier" not in inputs.sizes:
        return np.zeros(inputs.sizes["tariff"])
    return sum_at(
        positions(inputs, "tier_tariff", "tariff"), inputs["tier_price"].values, inputs.sizes["tariff"]
    )


def charges(inputs: xr.Dataset, energy: Array) -> Array:
    """Return what each component costs for energies (participant, time) [kWh] beyond tiers (participant, component)."""
    charged = np.zeros((inputs.sizes["tier"], inputs.sizes["participant"]))
    for own in tiers(inputs).values():
        charged[own.number] = own.charged(energy)
    return np.asarray((optional(inputs, "component_tier") @ charged).T)
