"""Flexible loads: energy by a deadline, runs of a fixed shape, and demand that may be shed at a price."""

import numpy as np
import xarray as xr

from ....data.inputs.contract import optional
from ...labels import Array
from ...lp.expressions import Linear
from ...topology.meters import Meters
from ..device import Device, Sets, loosened
from .tasks import NONE, Tasks, runs, tasks


def flexible_load(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Flexible loads behind their owners' meters, with tasks k in windows W[k] of slots.

    A *deferrable* load draws power[l,t] = demand[l,t] beyond its windows, at the most power_limit[l] within them, and

        sum over t in W[k] of (power[l,t] - demand[l,t]) * hours[t] = energy[k],

    with a least power 0 or >= min_power[l]. A *shaped* one runs once, from a slot s from which it ends in time; a run
    that begins with s draws shape[l,s,t]:

        sum over s of start[l,s] = 1,   power[l,t] = demand[l,t] + sum over s of shape[l,s,t] * start[l,s].

    Of the demand of one that *sheds*, within its windows, 0 <= power[l,t] <= demand[l,t] at shed_price[l], and

        sum over t in W[k] of (demand[l,t] - power[l,t]) * hours[t] <= energy[k].
    """
    block = Device(("flexible_load", "time"), inputs, meters, sets)
    own, hours = tasks(inputs), inputs["slot_hours"].values
    demand = optional(inputs, "flexible_load_demand")
    limit = inputs["flexible_load_power_limit"].values[:, None]
    sheds, free = own.sheds[:, None] & own.within, own.deferrable[:, None] & own.within
    shaped = np.broadcast_to(own.shaped[:, None], demand.shape)
    most = np.where(free, limit, np.where(shaped, loosened(limit), demand))
    power = block.var(
        "power",
        "kW",
        "power that the load draws",
        lower=np.where(sheds | shaped, 0.0, demand),
        upper=most,
        where=most > 0,
    )
    _tasks(block, own, (power - demand) * hours)
    _least(block, inputs, power - demand, free)
    if own.shaped.any():
        _runs(block, inputs, own, power - demand)
    block.draw = power.at(meters.place["flexible_load"], len(meters.label))
    price = np.nan_to_num(optional(inputs, "flexible_load_shed_price"))[:, None]
    block.spent = (price * hours * (demand - power)).sum()
    return block


def _tasks(block: Device, own: Tasks, taken: Linear) -> None:
    """Hold what loads take (load, time) [kWh] beyond their demand to the energies of their tasks."""
    within = taken.into(own.into_last(own.of_slot), taken.shape)
    energy = own.at_last(own.energy)
    block.row(
        "energy_by_deadline",
        within == energy,
        "sum over t in W[k] of (power[l,t] - demand[l,t]) * hours[t] = energy[k]",
        where=own.at_last(own.deferrable[own.load]),
        lack="kWh of energy by its deadline",
    )
    limited = own.sheds[own.load] & ~np.isnan(own.energy)
    if limited.any():
        block.row(
            "shed_at_most",
            -within <= np.nan_to_num(energy),
            "sum over t in W[k] of (demand[l,t] - power[l,t]) * hours[t] <= energy[k]",
            where=own.at_last(limited),
        )


def _least(block: Device, inputs: xr.Dataset, power: Linear, free: Array) -> None:
    """Let a deferrable load rest or draw its least power (load, time) [kW]."""
    least = optional(inputs, "flexible_load_min_power")[:, None]
    where = free & (least > 0)
    if not where.any():
        return
    doc = "1 while the load runs, else 0"
    running = block.var("running", "1", doc, upper=1.0, where=where, binary=True, result=None)
    limit = inputs["flexible_load_power_limit"].values[:, None]
    block.row(
        "power_at_least",
        power >= least * running,
        "power[l,t] >= min_power[l] * running[l,t]",
        where=where,
    )
    block.row(
        "power_at_most", power <= limit * running, "power[l,t] <= power_limit[l] * running[l,t]", where=where
    )


def _runs(block: Device, inputs: xr.Dataset, own: Tasks, power: Linear) -> None:
    """Add the starts of runs of a fixed shape, one for each task, and what they draw (load, time) [kW]."""
    possible = runs(inputs)
    start = block.var(
        "start",
        "1",
        "1 where a run begins with the slot, else 0",
        upper=1.0,
        where=possible.begins != NONE,
        binary=True,
    )
    block.row(
        "one_start",
        start.into(own.into_last(possible.begins), start.shape) == 1.0,
        "sum over s of start[l,s] = 1",
        where=own.at_last(own.shaped[own.load]),
        lack="runs that end by their deadline",
    )
    drawn, place = Linear(start.shape), np.arange(power.constant.size).reshape(start.shape)
    for j, profile in enumerate(possible.power):
        later = np.where((profile > 0) & (place % start.shape[1] + j < start.shape[1]), place + j, NONE)
        drawn = drawn + (profile * start).into(later.ravel(), start.shape)
    block.row(
        "shape",
        power == drawn,
        "power[l,t] = demand[l,t] + sum over s of shape[l,s,t] * start[l,s]",
        where=own.shaped[:, None],
    )
