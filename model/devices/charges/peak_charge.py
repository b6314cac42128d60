"""Peak charges: a variable for the peak of every month at each meter that has a choice, and of each tariff."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...labels import Array, positions
from ...lp.expressions import Linear
from ...topology.meters import Meters
from ...topology.peaks import Peaks, of_tariff
from ..device import Device, Sets


def peak_charge(
    inputs: xr.Dataset, meters: Meters, sets: Sets, taken: Linear, given: Linear, peaks: Peaks
) -> Device:
    """Charge every peak of the meters' tariffs; ``taken`` and ``given`` (meter, time) is what they draw and give [kW].

    draw[m,t] <= base[m,month] + above[m,day],   day_peak[m,day] <= base[m,month] + above[m,day],
    base[m,month] + sum over its days of above[m,day] / k <= peak[m,month],   peak[m,month] >= least[m,month],
    cost = sum of price * (peak[m,month] - paid[m,month])

    with k = ``peak_days``: the least of that sum is the mean of the k highest daily maxima (Rockafellar and Uryasev,
    "Optimization of conditional value-at-risk", J. Risk 2 (2000), doi:10.21314/JOR.2000.038); with k = 1 that is the
    highest power itself, and base and above are left out. A tariff with several
    peaks has a family of each. Meters without a choice draw what they must: their charge is constant. Of the peak of a
    tariff, where nobody has peers, draw is what the owner's vehicles draw less what they give elsewhere, too.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    own = np.bincount(meters.draws_at, minlength=len(meters.label))[meters.draws_at] == 1
    must = np.where(own[:, None], 0.0, meters.demand[meters.draws_at] * meters.draw_share)
    fixed = (peaks.charged(must) * ~own[:, None] * peaks.price[:, None, None]).sum()
    block.spent = Linear((), fixed)
    guests, together = _guests(inputs, meters, taken - given), of_tariff(inputs)
    rank = peaks.mine.cumsum(axis=0) * peaks.mine  # of the peak in the participant's tariff
    for number in range(1, int(rank.max(initial=0)) + 1):
        q, p = np.nonzero((rank == number) & own)
        at = meters.draws_at[p]
        net = np.isin(np.arange(len(meters.label)), at[together[q]])[:, None]
        _family(
            block,
            "" if number == 1 else f"_{number}",
            taken + guests * net,
            peaks,
            (q, p, at),
            (meters.draw_capacity > 0) | net,
        )
    return block


def joint_peak_charge(
    inputs: xr.Dataset, meters: Meters, sets: Sets, taken: Linear, given: Linear, peaks: Peaks
) -> Device:
    """Charge every peak of all customers of a tariff together, as `peak_charge` does that of one meter.

    net[r,t] = sum over the meters m of tariff r of draw[m,t] - give[m,t] <= base[r,month] + above[r,day]
    """
    block = Device(("tariff", "time"), inputs, meters, sets)
    net = (taken - given).at(meters.tariff, inputs.sizes["tariff"])
    rank = peaks.mine.cumsum(axis=0) * peaks.mine
    for number in range(1, int(rank.max(initial=0)) + 1):
        q, tariff = np.nonzero(rank == number)
        _family(block, "" if number == 1 else f"_{number}", net, peaks, (q, tariff, tariff), True)
    return block


def _guests(inputs: xr.Dataset, meters: Meters, net: Linear) -> Linear:
    """Return what guests draw less what they give, at their owners' meters (meter, time) [kW]."""
    place = np.full(len(meters.label), -1)
    away = meters.guest >= 0
    place[meters.guest[away]] = meters.draws_at[positions(inputs, "vehicle_owner", "participant")[away]]
    return net.at(place, len(place))


def _family(
    block: Device,
    suffix: str,
    drawn: Linear,
    peaks: Peaks,
    chosen: tuple[Array, Array, Array],
    able: Any,
) -> None:
    """Add one peak of each unit that is ``chosen``: peaks, units, and their rows (entry, time) of what is ``drawn``.

    ``able`` says which entries (entry, time) can draw.
    """
    (q, unit, at), unit_dim = chosen, block.dims[0]
    count = drawn.shape[0]

    def of_units(values: Array) -> Array:
        own = np.zeros((count, *values.shape[1:]))
        own[at] = values
        return own

    price, days = of_units(peaks.price[q])[:, None], of_units(peaks.days[q].astype(float))[:, None]
    least, paid, reached = (
        of_units(v) for v in (peaks.least[q, unit], peaks.paid[q, unit], peaks.reached[unit])
    )
    there, many, by_month, by_day = days > 0, days > 1, (unit_dim, "month"), (unit_dim, "day")
    peak = block.var(
        f"peak{suffix}", "kW", "peak of a month", lower=least, where=there, dims=by_month, result=None
    )
    base = block.var(
        f"base{suffix}", "kW", "power that every day may reach", where=many, dims=by_month, result=None
    )
    above = block.var(
        f"above{suffix}", "kW", "maximum of a day beyond base", where=many, dims=by_day, result=None
    )
    entry, size = np.arange(count)[:, None], len(peaks.month)
    own = np.where(many, -1, entry * least.shape[1] + np.arange(least.shape[1])).ravel()
    share = np.divide(1.0, days, out=np.zeros_like(days), where=days > 0)
    months = least.shape[1]
    summed = (share * above).into((entry * months + peaks.month).ravel(), (count, months))
    allowed = _spread(base + peak.into(own, least.shape), peaks.month, months) + above  # (entry, day)
    net, symbol = ("draw", "m") if unit_dim == "meter" else ("net", "r")
    block.row(
        f"highest{suffix}",
        drawn <= _spread(allowed, peaks.day, size),
        f"{net}[{symbol},t] <= base[{symbol},month] + above[{symbol},day], or peak[{symbol},month] of one day",
        where=there & able,
    )
    if reached.any():
        block.row(
            f"reached{suffix}",
            allowed >= reached,
            "day_peak[m,day] <= base[m,month] + above[m,day], or peak[m,month] of one day",
            where=there & (reached > 0),
            dims=by_day,
        )
    block.row(
        f"mean_of_highest{suffix}",
        base + summed <= peak,
        f"base[{symbol},month] + sum over its days of above[{symbol},day] / peak_days <= peak[{symbol},month]",
        where=many,
        dims=by_month,
    )
    block.spent = block.spent + (price * (peak - paid)).sum()


def _spread(linear: Linear, place: Array, size: int) -> Linear:
    """Return an expression (meter, size) at the positions ``place`` (n,) of its last axis: (meter, n)."""
    slots = len(place)
    constant = linear.constant[:, place]
    order = np.argsort(place, kind="stable")
    count = np.bincount(place, minlength=size)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    terms = []
    for term in linear.terms:
        meter, column = term.row // size, term.row % size
        repeat = count[column]
        start = np.repeat(first[column] - np.concatenate([[0], np.cumsum(repeat)[:-1]]), repeat)
        slot = order[start + np.arange(int(repeat.sum()))]
        terms.append(
            term._replace(
                row=np.repeat(meter, repeat) * slots + slot,
                column=np.repeat(term.column, repeat),
                coefficient=np.repeat(term.coefficient, repeat),
            )
        )
    return Linear((linear.shape[0], slots), constant, terms)
