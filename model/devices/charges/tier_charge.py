"""Tiers of energy from the retailer: a variable for what an account buys beyond the start of each."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...labels import Array, positions
from ...lp.expressions import Linear
from ...topology.meters import Meters
from ...topology.tiers import Tiers
from ..device import Device, Sets


def tier_charge(
    inputs: xr.Dataset, meters: Meters, sets: Sets, imports: Linear, tiers: dict[str, Tiers]
) -> Device:
    """Charge what accounts buy in dearer tiers; ``imports`` (meter, time) is what meters take from the retailer [kW].

    earlier[p,n] + sum over the slots t of n, and the meters m of p, of imports[m,t] * hours[t] - start <= beyond[p,n],
    cost = sum of step * (beyond[p,n] - what of it is paid)

    for each tier above the first, over months or days n. The cost is convex in the energy, as prices rise from tier to
    tier, so that nothing has to be decided. A tariff of several tiers has a family of each.
    """
    block = Device(("participant", "time"), inputs, meters, sets)
    energy = imports * inputs["slot_hours"].values
    account = _accounts(inputs, meters)
    for kind, own in tiers.items():
        rank = own.mine.cumsum(axis=0) * own.mine  # of the tier in the participant's tariff
        count = own.earlier.shape[1]
        place = np.where(account[:, None] >= 0, account[:, None] * count + own.period, -1)
        bought = energy.into(place.ravel(), own.earlier.shape) + own.earlier
        for number in range(1, int(rank.max(initial=0)) + 1):
            tier, participant = np.nonzero(rank == number)
            _family(block, kind, "" if number == 1 else f"_{number}", bought, own, tier, participant)
    return block


def _family(
    block: Device, kind: str, suffix: str, bought: Linear, own: Tiers, tier: Array, participant: Array
) -> None:
    """Add one tier of each participant (n,), of ``bought`` energy (participant, period) [kWh]."""
    dims, people = ("participant", kind), bought.shape[0]

    def of_people(values: Array) -> Array:
        spread = np.zeros((people, *values.shape[1:]))
        spread[participant] = values
        return spread

    start, price = of_people(own.start[tier])[:, None], of_people(own.price[tier])[:, None]
    paid, there = of_people(own.paid[tier, participant]), np.isin(np.arange(people), participant)[:, None]
    beyond = block.var(
        f"beyond_{kind}{suffix}",
        "kWh",
        f"energy of a {kind} beyond the start of a tier",
        where=there,
        dims=dims,
        result=None,
    )
    block.row(
        f"beyond_{kind}_at_least{suffix}",
        bought - start <= beyond,
        "earlier[p,n] + sum over slots and meters of imports[m,t] * hours[t] - start <= beyond[p,n]",
        where=there,
        dims=dims,
    )
    block.spent = block.spent + (price * (beyond - paid)).sum()


def _accounts(inputs: xr.Dataset, meters: Meters) -> Array:
    """Return on whose account (meter,) what each meter buys is, -1 for pools, which have no tiers."""
    account = np.full(len(meters.label), -1)
    alone = np.bincount(meters.draws_at, minlength=len(account))[meters.draws_at] == 1
    account[meters.draws_at[alone]] = np.flatnonzero(alone)
    guests = np.flatnonzero(meters.guest >= 0)
    account[meters.guest[guests]] = positions(inputs, "vehicle_owner", "participant")[guests]
    return account
