"""Peaks of tariffs: one of all customers together, where peers trade, and what part of it each is charged for.

The peak of a tariff is one of all its customers together, as if they had one meter: of the sum of what their meters
and their vehicles elsewhere draw less what they give, so that what they trade with one another does not count. It is
charged where peers trade. Without peers everybody would have a meter of its own: then each customer is charged, at the
same price, for the peak of what it draws alone, with what its vehicles draw less what they give elsewhere.

Its customers pay by the marginal value v[t] of a kW in a slot, the dual of the row that holds the peak: what each draws
less what it gives, at v; less than nothing for who gives while the peak is reached. By complementary slackness that is
all of price * peak where the peak is beyond the least that is charged. What is left, of a floor or of an earlier peak,
all share alike. Since no v of one day adds up to more than price / ``peak_days``, and of a month to no more than the
price, nobody pays more for its part of it than for a peak of its own: an Owen point of the game (Owen, "On the core of
linear production games", Math. Programming 9 (1975), doi:10.1007/BF01681356).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions, sum_at
from .peaks import Peaks, of_tariff, of_units, peaks


def joint_peaks(inputs: xr.Dataset) -> Peaks | None:
    """Return the peaks of tariffs, of all customers of each together; None where no tariff charges any."""
    if "peak" not in inputs.sizes or not (together := of_tariff(inputs)).any():
        return None
    mine = positions(inputs, "peak_tariff", "tariff")[:, None] == np.arange(inputs.sizes["tariff"])
    mine &= np.isin(inputs["tariff"].values, inputs["participant_tariff"].values)
    unknown = np.full((inputs.sizes["tariff"], inputs.sizes["day"]), np.nan)
    return of_units(inputs, mine & together[:, None], optional(inputs, "peak_earlier")[:, None], unknown)


def elsewhere(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what the vehicles of every participant draw less what they give elsewhere (participant, time) [kW]."""
    own = [results[f"vehicle_{way}"].values for way in ("import", "purchase", "export", "sale")]
    size = inputs.sizes["participant"]
    return sum_at(positions(inputs, "vehicle_owner", "participant"), own[0] + own[1] - own[2] - own[3], size)


def charged(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what of each peak every participant is charged for (peak, participant, month) [kW].

    Of the peak of a tariff, that is its part of the charge, divided by the price.
    """
    joint = "joint_peak_value" in results
    own, draw, net = peaks(inputs, joint=joint), results["draw"].values, elsewhere(inputs, results)
    assert own is not None
    if joint:
        value = results["joint_peak_value"].values
        return own.charged(draw) + _shares(inputs, draw - results["supply"].values + net, value)
    return np.asarray(np.where(of_tariff(inputs)[:, None, None], own.charged(draw + net), own.charged(draw)))


def _shares(inputs: xr.Dataset, net: Array, value: Array) -> Array:
    """Return the parts (peak, participant, month) [kW] of the tariffs' peaks, by net draws (participant, time) [kW].

    ``value`` (peak, time) [currency/kW] is the marginal value of a kW.
    """
    joint = joint_peaks(inputs)
    assert joint is not None
    tariff = positions(inputs, "participant_tariff", "tariff")
    total = joint.charged(sum_at(tariff, net, inputs.sizes["tariff"]))  # (peak, tariff, month)
    price = joint.price[:, None]
    weight = np.divide(value, price, out=np.zeros_like(value), where=price > 0)
    member = joint.mine[:, tariff]
    month, months = joint.month[joint.day], total.shape[2]
    parts = np.stack([(weight * (month == m)) @ net.T for m in range(months)], axis=2) * member[:, :, None]
    rest = total.sum(axis=1) - parts.sum(axis=1)
    count = np.maximum(member.sum(axis=1), 1)
    return np.asarray(parts + member[:, :, None] * (rest / count[:, None])[:, None])
