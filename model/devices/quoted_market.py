"""The peers' market as quotes: prices and quantities that are given."""

import numpy as np
import xarray as xr

from ..topology.meters import Meters
from .device import Device, Sets, peer_trade


def quoted(inputs: xr.Dataset, meters: Meters, sets: Sets, quotes: xr.Dataset) -> Device:
    """Trade of any power at quoted prices: no network, so that every meter is on its own.

    cost = sum over m, t of ((price[n,t] + access_fee) * purchase[m,t] - (sale_price[n,t] - access_fee) * sale[m,t])
    * hours[t] at the meter's node n.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    purchase, sale = peer_trade(block, meters)
    slot, hours = np.arange(inputs.sizes["time"]), inputs["slot_hours"].values
    price, sale_price = (
        quotes[name].transpose("node", "time").values[meters.node, slot] for name in ("price", "sale_price")
    )
    block.spent = (hours * ((price + meters.access) * purchase - (sale_price - meters.access) * sale)).sum()
    return block
