"""Households: uncontrolled demand, and PV that can only be curtailed."""

import numpy as np
import xarray as xr

from ..topology.meters import Meters
from .device import Device, Sets, loosened


def household(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Uncontrolled demand and PV behind each meter.

    draw[m,t] = demand[m,t] - pv_available[m,t] + curtailment[m,t],  0 <= curtailment[m,t] <=
    curtailable[m,t] <= pv_available[m,t], beyond which a row of `investment` holds it where PV is to be decided

    Curtailment exists only where giving could cost money, or an export limit could bind, and in part: up to what is left
    of the demand, where more of it would only be drawn again at a price.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    curtailment = block.var(
        "curtailment",
        "kW",
        "PV output not used",
        upper=np.where(meters.more > 0, loosened(meters.curtailable), meters.curtailable),
        where=meters.curtailable > 0,
        result="pv_curtailment",
    )
    block.draw = curtailment + (meters.demand - meters.pv)
    return block
