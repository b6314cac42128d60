"""What is scarce in a network: values of its limits, and what more power drawn costs others at every connection."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..labels import Array
from .network_limits import network_limits

KINDS = {
    "voltage_low": ("voltage_value", -1, "voltage_price"),
    "voltage_high": ("voltage_value", 1, "voltage_price"),
    "edge_down": ("edge_value", 1, "congestion_price"),
    "edge_up": ("edge_value", -1, "congestion_price"),
    "node_import": ("node_value", 1, "congestion_price"),
    "node_export": ("node_value", -1, "congestion_price"),
}
"""Of each family of limits: the value that it is part of, with which sign, and the price."""


def scarcity(inputs: xr.Dataset, duals: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return values of limits (node, phase, time) or (node, time), and prices (participant, time), by duals of families.

    The values are ``voltage_value`` [currency/V], + where the highest voltage binds and - where the lowest does,
    ``edge_value`` [currency/kW], + towards the node and - towards the root, and ``node_value`` (node, time)
    [currency/kW], + of what flows into the node and - out of it: those of which the inputs state limits. The prices,
    ``voltage_price`` and ``congestion_price`` [currency/kWh], are what one more kWh that a participant draws adds to the
    cost of all by what is scarce: with the duals y, ``- sum over limits of y * response / hours``.
    """
    limits, hours = network_limits(inputs), inputs["slot_hours"].values
    idle = np.zeros((inputs.sizes["node"], 3, len(hours)))
    people = inputs.sizes["participant"], len(hours)
    value, price = dict[str, Array](), dict[str, Array]()
    for family, headroom in limits.headroom(idle).items():
        kind, sign, of = KINDS[family]
        value.setdefault(kind, np.zeros(headroom.shape))
        price.setdefault(of, np.zeros(people))
        if family not in duals:
            continue
        dual = duals[family]
        place = np.nonzero(dual)
        value[kind] += sign * dual
        cost = -limits.response(family, *place) * (dual[place] / hours[place[-1]])[:, None]
        np.add.at(price[of].T, place[-1], cost)
    return value, price
