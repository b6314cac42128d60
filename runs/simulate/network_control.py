"""A slot that would break limits of the network: who adds to it gives less than it could, as far as the limits need it.

What forecasts miss breaks limits that a plan keeps. Then connections whose giving adds to what is broken are held back
in what they give beyond their plan, all by the same share. Demand is never shed: what it breaks stays broken.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from ...model.agents import dispatch
from ...model.agents.planning import Plan
from ...model.grid.loads import at_nodes
from ...model.grid.network_limits import network_limits, stated
from ...model.labels import Array, positions
from ...model.network_clearing import MET

STEPS = 8
"""Times that the share of what is given beyond the plan is halved in search of the greatest that limits let through."""
ADDS = 0.1
"""Least effect of a connection on a limit, relative to the greatest of any, for which it is held back. Assumption."""


def realised(
    inputs: xr.Dataset, slot: int, energy: Array, planned: Plan, contracted: Array, least: Array
) -> dispatch.Dispatch:
    """Return the dispatch of a slot, see `dispatch.realise`, within limits of the network, if inputs state some.

    Of what whoever adds to broken limits would give beyond its plan, the greatest share at which they hold in the linear
    power flow; or, if they do not hold without it either, are broken no further.
    """
    realise = partial(dispatch.realise, inputs, slot, energy, planned, contracted, least)
    free = realise()
    if not stated(inputs):
        return free
    own, given = inputs.isel(time=[slot]), np.maximum(-free.net, 0.0)
    room = _headroom(own, free.net)
    beyond = np.maximum(given - np.maximum(-(contracted + planned.wanted[:, 0]), 0.0), 0.0)
    beyond = np.where(_adding(own, room, len(given)), beyond, 0.0)
    if not beyond.any():
        return free

    def at(share: float) -> dispatch.Dispatch:
        return realise(most_given=np.where(beyond > 0, given - (1.0 - share) * beyond, np.inf))

    best, low, high = at(0.0), 0.0, 1.0
    want = min(_least(_headroom(own, best.net)), 0.0) - MET
    for _ in range(STEPS):
        share = (low + high) / 2
        tried = at(share)
        if _least(_headroom(own, tried.net)) >= want:
            best, low = tried, share
        else:
            high = share
    return best


def _headroom(inputs: xr.Dataset, net: Array) -> dict[str, Array]:
    """Return the headroom [V, kW] of limits of a slot by family at the net power of traders (P + V,)."""
    people, host = inputs.sizes["participant"], _hosts(inputs)
    power, guests = net[:people].copy(), net[people:]
    np.add.at(power, host[host >= 0], guests[host >= 0])
    return network_limits(inputs).headroom(at_nodes(inputs, power[:, None]))


def _least(room: dict[str, Array]) -> float:
    return float(min(values.min() for values in room.values()))


def _adding(inputs: xr.Dataset, room: dict[str, Array], size: int) -> Array:
    """Return which traders (P + V,) add by giving to limits of a slot that are broken: none, where none is."""
    people, host, limits = inputs.sizes["participant"], _hosts(inputs), network_limits(inputs)
    adds = np.zeros(size, dtype=bool)
    for family, values in room.items():
        broken = np.nonzero(values < -MET)
        effect = limits.response(family, *broken)  # of a kW drawn, on the headroom
        most = effect.max(axis=1, initial=0.0, keepdims=True)
        adds[:people] |= ((effect > 0) & (effect >= ADDS * most)).any(axis=0)
    adds[people:] = np.append(adds[:people], False)[host]
    return adds


def _hosts(inputs: xr.Dataset) -> Array:
    """Return the participant at whom each vehicle (V,) is plugged in, -1 where at nobody's."""
    return positions(inputs, "vehicle_host", "participant")[:, 0]
