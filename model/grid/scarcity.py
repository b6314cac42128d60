"""What is scarce in a network: values of its limits, and what more power drawn costs others at every connection."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..labels import Array
from .network_limits import VOLTAGES, network_limits

_SIGNS = {"voltage_low": -1, "voltage_high": 1, "edge_down": 1, "edge_up": -1}


def scarcity(inputs: xr.Dataset, duals: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return values of limits (node, phase, time) and prices (participant, time) by the duals of each family of limits.

    The values are ``voltage_value`` [currency/V], + where the highest voltage binds and - where the lowest does, and
    ``edge_value`` [currency/kW], + towards the node and - towards the root. The prices, ``voltage_price`` and
    ``congestion_price`` [currency/kWh], are what one more kWh that a participant draws adds to the cost of all by what
    is scarce: with the duals y, ``- sum over limits of y * response / hours``.
    """
    limits, hours = network_limits(inputs), inputs["slot_hours"].values
    shape = limits.carries.shape
    value = {name: np.zeros(shape) for name in ("voltage_value", "edge_value")}
    people = inputs.sizes["participant"], shape[2]
    price = {name: np.zeros(people) for name in ("voltage_price", "congestion_price")}
    for family, dual in duals.items():
        node, phase, slot = np.nonzero(dual)
        worth = dual[node, phase, slot] / hours[slot]
        kind, of = (
            ("voltage_value", "voltage_price") if family in VOLTAGES else ("edge_value", "congestion_price")
        )
        value[kind] += _SIGNS[family] * dual
        cost = -limits.response(family, node, phase, slot) * worth[:, None]
        np.add.at(price[of].T, slot, cost)
    return value, price
