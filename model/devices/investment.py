"""What could be built: the sizes of candidates, PV and batteries, that the program decides."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..labels import Array
from ..lp.components import ArrayVar
from ..lp.expressions import Linear
from ..topology.candidates import Candidates, candidates
from ..topology.meters import Meters
from .device import Device, Sets


def size_of(own: Candidates, axis: object) -> ArrayVar:
    """Return the family of the sizes (candidate,) [kW, kWh] of the candidates that are to be decided."""
    doc = "size that is built"
    family = ArrayVar((axis,), 0.0, own.most, own.open, False, "kW, kWh", doc)
    family.dims, family.result = ("candidate",), "candidate_size"
    return family


def investment(
    inputs: xr.Dataset,
    meters: Meters,
    sets: Sets,
    household: Device,
    battery: Device,
    size: Linear | None = None,
) -> Device:
    """Sizes of candidates, and what depends on them.

    draw[m,t] = -sum over PV of output[c,t] * size[c], cost = sum of cost[c] * size[c] over all candidates; and of a
    battery, whose ratings are those of the greatest size,

    charge[b,t] <= charge_limit[b] / most[c] * size[c],  discharge and energy likewise,
    energy[b,t] >= min_energy[b] / most[c] * size[c],  start[b] = initial_energy[b] / most[c] * size[c]

    The sizes are variables of the block, or ``size`` (candidate,): those of another one.
    """
    block = Device(("candidate",), inputs, meters, sets)
    own = candidates(inputs)
    assert own is not None
    if size is None:
        family = size_of(own, block.axes["candidate"])
        block.add_component("size", family)
        size = family.linear()
    shape = (len(meters.label), inputs.sizes["time"])
    pv = size.times(np.where(own.open[:, None], own.output, 0.0)).at(meters.pv_at[own.owner], shape[0])
    block.draw = -pv
    block.spent = Linear((), float(np.nansum(own.cost * own.size))) + (own.cost * size).sum()
    block.row(
        "curtailment_at_most",
        household.component("curtailment").linear() <= meters.pv + pv,
        "curtailment[m,t] <= pv_available[m,t] + sum over PV of output[c,t] * size[c]",
        where=(meters.curtailable > 0) & (meters.more > 0),
        dims=("meter", "time"),
    )
    _size_batteries(block, inputs, own, battery, size)
    return block


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
