"""Peak charges: a variable for the peak of every month at each meter that has a choice."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..labels import Array
from ..lp.expressions import Linear
from ..topology.meters import Meters
from ..topology.peaks import Peaks
from .device import Device, Sets


def peak_charge(inputs: xr.Dataset, meters: Meters, sets: Sets, taken: Linear, peaks: Peaks) -> Device:
    """Charge every peak of the meters' tariffs; ``taken`` (meter, time) is what they draw [kW].

    draw[m,t] <= base[m,month] + above[m,day],   day_peak[m,day] <= base[m,month] + above[m,day],
    base[m,month] + sum over its days of above[m,day] / k <= peak[m,month],   peak[m,month] >= least[m,month],
    cost = sum of price * (peak[m,month] - paid[m,month])

    with k = ``peak_days``: the least of that sum is the mean of the k highest daily maxima (Rockafellar and Uryasev,
    "Optimization of conditional value-at-risk", J. Risk 2 (2000), doi:10.21314/JOR.2000.038). A tariff with several
    peaks has a family of each. Meters without a choice draw what they must: their charge is constant.
    """
    block = Device(("meter", "time"), inputs, meters, sets)
    own = np.bincount(meters.draws_at, minlength=len(meters.label))[meters.draws_at] == 1
    must = np.where(own[:, None], 0.0, meters.demand[meters.draws_at] * meters.draw_share)
    fixed = (peaks.charged(must) * ~own[:, None] * peaks.price[:, None, None]).sum()
    block.spent = Linear((), fixed)
    rank = peaks.mine.cumsum(axis=0) * peaks.mine  # the of the peak in the participant's tariff
    for number in range(1, int(rank.max(initial=0)) + 1):
        _family(block, "" if number == 1 else f"_{number}", taken, peaks, (rank == number) & own)
    return block


def _family(block: Device, suffix: str, taken: Linear, peaks: Peaks, chosen: Array) -> None:
    """Add one peak of each participant (Q, P) that is ``chosen``, at its meter."""
    q, p = np.nonzero(chosen)
    at, count = block.meters.draws_at[p], len(block.meters.label)

    def of_meters(values: Array) -> Array:
        own = np.zeros((count, *values.shape[1:]))
        own[at] = values
        return own

    price, days = of_meters(peaks.price[q])[:, None], of_meters(peaks.days[q].astype(float))[:, None]
    least, paid, reached = (of_meters(v) for v in (peaks.least[q, p], peaks.paid[q, p], peaks.reached[p]))
    there, by_month, by_day = days > 0, ("meter", "month"), ("meter", "day")
    peak = block.var(
        f"peak{suffix}", "kW", "peak of a month", lower=least, where=there, dims=by_month, result=None
    )
    base = block.var(
        f"base{suffix}", "kW", "power that every day may reach", where=there, dims=by_month, result=None
    )
    above = block.var(
        f"above{suffix}", "kW", "maximum of a day beyond base", where=there, dims=by_day, result=None
    )
    meter, size = np.arange(count)[:, None], len(peaks.month)
    share = np.divide(1.0, days, out=np.zeros_like(days), where=days > 0)
    months = least.shape[1]
    summed = (share * above).into((meter * months + peaks.month).ravel(), (count, months))
    month = peaks.month[peaks.day]
    allowed = _spread(base, month, months) + _spread(above, peaks.day, size)
    block.row(
        f"highest{suffix}",
        taken <= allowed,
        "draw[m,t] <= base[m,month] + above[m,day]",
        where=there & (block.meters.draw_capacity > 0),
        dims=("meter", "time"),
    )
    if reached.any():
        block.row(
            f"reached{suffix}",
            _spread(base, peaks.month, months) + above >= reached,
            "day_peak[m,day] <= base[m,month] + above[m,day]",
            where=there & (reached > 0),
            dims=by_day,
        )
    block.row(
        f"mean_of_highest{suffix}",
        base + summed <= peak,
        "base[m,month] + sum over its days of above[m,day] / peak_days <= peak[m,month]",
        where=there,
        dims=by_month,
    )
    block.spent = block.spent + (price * (peak - paid)).sum()


def _spread(linear: Linear, place: Array, size: int) -> Linear:
    """Return an expression (meter, size) at the positions ``place`` (time,) of its last axis: (meter, time)."""
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
