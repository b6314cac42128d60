"""What could be built: the sizes of candidates that the program decides, and the rows that follow from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ..labels import Array
from ..lp.expressions import Linear
from ..topology.candidates import Candidates, candidates, to_be_raised
from ..topology.meters import Meters
from .device import Device, Sets

WHOLE = ("size_at_most", "whole_units")
"""Rows that hold sizes to binaries."""


class Sizes(NamedTuple):
    """Sizes (candidate,) [kW, kWh], and 1 where anything is built, of candidates that have a cost of building at all."""

    size: Linear
    built: Linear


def decide(block: Device, own: Candidates) -> Sizes:
    """Add the sizes of the candidates that are to be decided.

    Where they have a fixed cost, size[c] <= most[c] * built[c]; where they have a unit, size[c] = unit[c] * sum over k
    of 2^k * units_2^k[c].
    """
    size = block.var(
        "size",
        "kW, kWh",
        "size that is built",
        upper=own.most,
        where=own.open,
        result="candidate_size",
        shared=True,
    )
    once, whole = own.open & (own.fixed > 0), own.open & (own.unit > 0)
    built = Linear(own.most.shape)
    if once.any():
        doc = "1 if any of it is built"
        built = block.var("built", "1", doc, upper=1.0, where=once, binary=True, result=None, shared=True)
        block.row(WHOLE[0], size <= own.most * built, "size[c] <= most[c] * built[c]", where=once)
    if whole.any():
        number = np.where(whole, np.floor(own.most / np.where(whole, own.unit, 1.0) + 1e-9), 0.0)
        units, power = Linear(own.most.shape), 1
        while power <= number.max():
            some = block.var(
                f"units_{power}",
                "1",
                f"1 if {power} units are built",
                upper=1.0,
                where=number >= power,
                binary=True,
                result=None,
                shared=True,
            )
            units, power = units + float(power) * some, 2 * power
        formula = "size[c] = unit[c] * sum over k of 2^k * units_2^k[c]"
        block.row(WHOLE[1], size == own.unit * units, formula, where=whole)
    return Sizes(size, built)


def investment(
    inputs: xr.Dataset,
    meters: Meters,
    sets: Sets,
    household: Device,
    battery: Device,
    vehicle: Device,
    sizes: Sizes | None = None,
) -> Device:
    """Sizes of candidates, and what depends on them.

    draw[m,t] = -sum over PV of output[c,t] * size[c], cost = sum of cost[c] * size[c] + fixed_cost[c] * built[c]
    over all candidates; and of a battery, whose ratings are those of the greatest size,

    charge[b,t] <= charge_limit[b] / most[c] * size[c],  discharge and energy likewise,
    energy[b,t] >= min_energy[b] / most[c] * size[c],  start[b] = initial_energy[b] / most[c] * size[c]

    and of a vehicle, whose limits are those of the greatest size, charge[v,t] <= charge_limit[v] - most[c] + size[c],
    discharge likewise.

    The sizes are variables of the block (`decide`), or ``sizes``: those of another one.
    """
    block = Device(("candidate",), inputs, meters, sets)
    own = candidates(inputs)
    assert own is not None
    block.decided = sizes or decide(block, own)
    size, built = block.decided
    shape = (len(meters.label), inputs.sizes["time"])
    pv = size.times(np.where(own.open[:, None], own.output, 0.0)).at(meters.pv_at[own.owner], shape[0])
    block.draw = -pv
    block.spent = Linear((), own.paid().sum()) + (own.cost * size).sum() + (own.fixed * built).sum()
    block.row(
        "curtailment_at_most",
        household.component("curtailment").linear() <= meters.pv + pv,
        "curtailment[m,t] <= pv_available[m,t] + sum over PV of output[c,t] * size[c]",
        where=(meters.curtailable > 0) & (meters.more > 0),
        dims=("meter", "time"),
    )
    _size_batteries(block, inputs, own, battery, size)
    _raise_limits(block, inputs, own, vehicle, size)
    return block


def _raise_limits(block: Device, inputs: xr.Dataset, own: Candidates, vehicle: Device, size: Linear) -> None:
    """Hold what vehicles take and give to their limits, which in the inputs are those of the greatest sizes."""
    for name, limit in (("charge", "vehicle_charge_limit"), ("discharge", "vehicle_discharge_limit")):
        some = to_be_raised(inputs, limit)
        if not some.any():
            continue
        block.row(
            f"vehicle_{name}_at_most",
            vehicle.component(name).linear() <= _limit(inputs, own, limit, size),
            f"{name}[v,t] <= {limit}[v] - most[c] + size[c]",
            where=some[:, None],
            dims=("vehicle", "time"),
        )


def widen(block: Device, inputs: xr.Dataset, network: Device) -> None:
    """Hold flows over edges of the fee tree to what is built of their capacity, ``block`` being that of the sizes.

    up[n,t] <= node_limit[n] - most[c] + size[c],  down likewise: the limit of the inputs is that of the greatest size.
    """
    own, some = candidates(inputs), to_be_raised(inputs, "node_limit")
    if own is None or not some.any():
        return
    limit = _limit(inputs, own, "node_limit", block.decided.size)
    for way in ("up", "down"):
        block.row(
            f"{way}_at_most",
            network.component(way).linear() <= limit,
            f"{way}[n,t] <= node_limit[n] - most[c] + size[c]",
            where=some[:, None],
            dims=("node", "time"),
            rent=True,
        )


def _limit(inputs: xr.Dataset, own: Candidates, name: str, size: Linear) -> Linear:
    """Return a limit (vehicle or node, time) [kW] by the sizes that raise it."""
    most = np.where(to_be_raised(inputs, name), inputs[name].values, 0.0)
    less = (own.most - size).into(np.where(own.open, own.raises[name], -1), most.shape)
    limit: Linear = most[:, None] - less.times(np.ones((len(most), inputs.sizes["time"])))
    return limit


def _size_batteries(
    block: Device, inputs: xr.Dataset, own: Candidates, battery: Device, size: Linear
) -> None:
    """Hold what batteries take, give and store to their sizes."""
    mine = np.where(own.open, own.battery, -1)
    some = np.zeros(inputs.sizes["battery"], dtype=bool)
    some[mine[mine >= 0]] = True
    share = (size / own.most).into(mine, some.shape)
    slots = inputs.sizes["time"]

    def of_size(name: str) -> tuple[Linear, Array]:
        """Return a rating (battery, time) by the size, and where there is any."""
        rating = inputs[f"battery_{name}"].values
        return share.times(np.repeat(rating[:, None], slots, axis=1)), (some & (rating > 0))[:, None]

    for name, rating in (
        ("charge", "charge_limit"),
        ("discharge", "discharge_limit"),
        ("energy", "capacity"),
    ):
        block.row(
            f"{name}_at_most",
            battery.component(name).linear() <= of_size(rating)[0],
            f"{name}[b,t] <= {rating}[b] / most[c] * size[c]",
            where=some[:, None],
            dims=("battery", "time"),
        )
    stored = battery.component("energy").linear()
    least, there = of_size("min_energy")
    block.row(
        "energy_at_least",
        stored >= least,
        "energy[b,t] >= min_energy[b] / most[c] * size[c]",
        where=there,
        dims=("battery", "time"),
    )
    _size_ends(block, inputs, battery, stored, share, some)


def _size_ends(
    block: Device, inputs: xr.Dataset, battery: Device, stored: Linear, share: Linear, some: Array
) -> None:
    """Hold what batteries have at the start, and at the end at least, to their sizes, where it is given."""
    initial, final = (inputs[f"battery_{name}_energy"].values for name in ("initial", "final"))
    given = some & ~np.isnan(initial)
    if given.any():
        block.row(
            "start",
            battery.component("start").linear() == np.nan_to_num(initial) * share,
            "start[b] = initial_energy[b] / most[c] * size[c]",
            where=given,
            dims=("battery",),
        )
    ends = some & (np.nan_to_num(final) > 0)
    if ends.any():
        slots = stored.shape[1]
        last = np.where(np.arange(slots) == slots - 1, np.arange(len(some))[:, None], -1)
        block.row(
            "end_at_least",
            stored.into(last.ravel(), some.shape) >= np.nan_to_num(final) * share,
            "energy[b,last] >= final_energy[b] / most[c] * size[c]",
            where=ends,
            dims=("battery",),
        )
