"""The retailer: energy bought and sold at the meter's tariff."""

import xarray as xr

from ..topology.meters import Meters
from .device import Device, Sets, loosened


def grid(inputs: xr.Dataset, meters: Meters, sets: Sets, *, own_tariff: bool = True) -> Device:
    """Trade with the retailer at each meter.

    draw[m,t] = exports[m,t] - imports[m,t], as the retailer stands on the other side of the meter; cost =
    sum over m, t of (retail[m,t] * imports[m,t] - feed_in[m,t] * exports[m,t]) * hours[t], or nothing where
    the tariff is the host model's.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    short = meters.short
    imports = block.var(
        "imports",
        "kW",
        "bought from the retailer",
        upper=loosened(meters.draw_capacity),
        where=meters.draw_capacity > 0,
        result="grid_import",
        basic=short,
    )
    exports = block.var(
        "exports",
        "kW",
        "sold to the retailer",
        upper=loosened(meters.give_capacity),
        where=meters.give_capacity > 0,
        result="grid_export",
        basic=~short,
    )
    block.draw = exports - imports
    if own_tariff:
        block.spent = (
            inputs["slot_hours"].values * (meters.retail * imports - meters.feed_in * exports)
        ).sum()
    block.taken, block.given = imports, exports
    return block
