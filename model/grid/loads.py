"""Power that a run takes from its network, by node and phase."""

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, places, positions

PHASES = ("a", "b", "c")


def taken(inputs: xr.Dataset, results: xr.Dataset) -> tuple[Array, Array]:
    """Return real [kW] and reactive power [kvar] taken at nodes (node, phase, time); what is given counts negative.

    All that meters draw and give, to the retailer and to peers: participants at their nodes, on their phases, and
    vehicles plugged in away from home at their hosts' nodes, on the hosts' phases. Demand draws reactive power by the
    participant's power factor, ``q = p tan(arccos(power_factor))``; inverters of PV and stores draw none.
    """
    return at_nodes(inputs, drawn_at(inputs, results)), reactive_demand(inputs)


def drawn_at(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what is drawn less what is given at every connection (participant, time) [kW], by guests there too."""
    draw, supply = (results[way].transpose("participant", "time").values for way in ("draw", "supply"))
    net = np.array(draw - supply)
    for host, slot, power in _guests(inputs, results):
        np.add.at(net, (host, slot), power)
    return net


def at_nodes(inputs: xr.Dataset, power: Array) -> Array:
    """Return powers of connections (participant, time) by node and phase (node, phase, time)."""
    total = np.zeros((inputs.sizes["node"], len(PHASES), inputs.sizes["time"]))
    node = positions(inputs, "participant_node", "node")
    np.add.at(total, node, phase_shares(inputs)[:, :, None] * power[:, None, :])
    return total


def reactive_demand(inputs: xr.Dataset) -> Array:
    """Return the reactive power [kvar] that demand draws at nodes (node, phase, time), whatever stores and PV do."""
    factor = optional(inputs, "power_factor")
    demand = inputs["demand"].transpose("participant", "time").values
    return at_nodes(inputs, demand * np.tan(np.arccos(factor))[:, None])


def phase_shares(inputs: xr.Dataset) -> Array:
    """Return the share of each participant's power on each phase (participant, phase)."""
    stated = optional(inputs, "participant_phase")
    on = np.array([[phase in str(own) for phase in PHASES] for own in stated], dtype=float).reshape(-1, 3)
    return np.asarray(on / on.sum(axis=1, keepdims=True))


def _guests(inputs: xr.Dataset, results: xr.Dataset) -> list[tuple[Array, Array, Array]]:
    """Return host, slot and power taken [kW] of vehicles plugged in away from home, where there are any."""
    sides = {"vehicle_import": 1, "vehicle_purchase": 1, "vehicle_export": -1, "vehicle_sale": -1}
    known = [
        sign * np.nan_to_num(results[name].transpose("vehicle", "time").values)
        for name, sign in sides.items()
        if name in results
    ]
    if not known:
        return []
    power = np.sum(known, axis=0)
    host = inputs["vehicle_host"].transpose("vehicle", "time").values
    at = places(inputs["participant"].values, host)
    vehicle, slot = np.nonzero((at >= 0) & (power != 0))
    return [(at[vehicle, slot], slot, power[vehicle, slot])]
