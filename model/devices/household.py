"""Households: uncontrolled demand, and PV that can only be curtailed."""

import xarray as xr

from ..topology.meters import Meters
from .device import Device, Sets


def household(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Uncontrolled demand and PV behind each meter.

    draw[m,t] = demand[m,t] - pv_available[m,t] + curtailment[m,t],  0 <= curtailment[m,t] <=
    pv_available[m,t]

    Curtailment exists only where giving could cost money, or an export limit could bind.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    curtailment = block.var(
        "curtailment",
        "kW",
        "PV output not used",
        upper=meters.pv,
        where=meters.curtails,
        result="pv_curtailment",
    )
    block.draw = curtailment + (meters.demand - meters.pv)
    block.generation = meters.pv - curtailment
    return block
