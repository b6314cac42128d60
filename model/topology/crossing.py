"""Where prices cross, so that a meter could gain by drawing and giving in the same slot.

A meter has one direction per slot, and so has a store. A program needs to decide about it only where both ways at
once would pay. With retail price r, feed-in price f and access fee a of a meter, R the highest retail price and F the
lowest feed-in price of a slot, and b the lowest access fee, a peer pays it at the most R - b - a for a kWh, and takes at
least F + b + a for one, since every buyer could buy, and every seller sell, at its retailer instead. Both ways pay where

    f > r,   R - b - a > r   (sold to peers, bought from the retailer),   f > F + b + a   (the other way round),

or where passing energy on saves fees. Where the tariff of a buyer adds s to a kWh from peers (``shared_fee``), R is the
highest r - s, the meter's own s is added to what it pays, and both ways pay where 2 a + s < 0: an incentive. With tiers
r is the price of the first kWh, and R that of the last. Where two of these are equal, both ways at once cost what the
net position alone costs: nothing to decide.
"""

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, positions
from .tiers import dearest

LEAST = 1e-9
"""Gain [currency/kWh] from which prices cross; what is below it is the rounding of sums."""


def _used_tariffs(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return the highest price for peers and the lowest feed-in price (T,) among the tariffs that somebody has."""
    used = np.unique(positions(inputs, "participant_tariff", "tariff"))
    retail = inputs["retail_price"].values + dearest(inputs)[:, None]
    worth = retail[used] - optional(inputs, "shared_fee")[used]
    return worth.max(axis=0), inputs["feed_in_price"].values[used].min(axis=0)


def at_tariffs(
    inputs: xr.Dataset, node: Array, retail: Array, feed_in: Array, shared: Array, peers: bool
) -> Array:
    """Return where (M, T) prices cross for meters at nodes (M, T), -1 = nowhere; on their own, or with ``peers``."""
    own = np.asarray(feed_in - retail > LEAST)
    if not peers:
        return own
    access = inputs["node_access_fee"].values
    a, least = np.where(node >= 0, access[node], np.inf), access.min(initial=np.inf)
    highest, lowest = _used_tariffs(inputs)
    out, back, passing = _pair_fees(inputs, access)
    sale, purchase = highest - least - a - out[node], lowest + least + a + back[node] + shared
    crossing = np.maximum(sale - retail, feed_in - purchase) > LEAST
    crossing |= 2 * a + shared < -LEAST
    return np.asarray(own | crossing | (passing[node] & (node >= 0)))


def passing_on(inputs: xr.Dataset, node: Array) -> Array:
    """Return where (M, T) passing energy on would save fees, whatever the retailers' prices."""
    return np.asarray(_pair_fees(inputs, inputs["node_access_fee"].values)[2][node] & (node >= 0))


def at_quotes(
    inputs: xr.Dataset, node: Array, retail: Array, feed_in: Array, quotes: xr.Dataset
) -> tuple[Array, Array]:
    """Return where (M, T) prices cross for meters that trade at quoted prices, and where energy costs less than nothing.

    With the quotes p and q of buying and selling at the node of a meter of access fee a: where max(f, q - a) > min(r,
    p + a), and where the least of r, f, p + a and q - a is below zero.
    """
    slot, a = np.arange(node.shape[1]), inputs["node_access_fee"].values[node]
    price, sale_price = (
        quotes[name].transpose("node", "time").values[node, slot] for name in ("price", "sale_price")
    )
    purchase, sale = (
        np.where(node >= 0, p, own) for p, own in ((price + a, retail), (sale_price - a, feed_in))
    )
    crossing = np.maximum(feed_in, sale) - np.minimum(retail, purchase) > LEAST
    return crossing, np.minimum(np.minimum(retail, feed_in), np.minimum(purchase, sale)) < 0


def below_zero(inputs: xr.Dataset, peers: bool, priced: bool) -> Array:
    """Return where (tariff, time) energy could cost less than nothing, so that not using one's own PV could pay.

    Anywhere, where no tariff says the price.
    """
    if not priced:
        return np.ones(inputs["retail_price"].shape, dtype=bool)
    retail, feed_in = inputs["retail_price"].values, inputs["feed_in_price"].values
    if not peers:
        return np.asarray((retail < 0) | (feed_in < 0))
    shared, lowest = optional(inputs, "shared_fee"), _used_tariffs(inputs)[1]
    return np.asarray((retail < 0) | (lowest < 0) | (lowest + shared < 0))


def _pair_fees(inputs: xr.Dataset, access: Array) -> tuple[Array, Array, Array]:
    """Return of every node (node,) the least fee to any other, the least from any, and whether passing on saves fees.

    On the tree the fees of a path add up and nothing is passed on for less. Fees by pair may do otherwise: node i passes
    on where fee[k,i] + fee[i,j] + 2 access[i] < fee[k,j] for some k and j.
    """
    if "trade_fee" not in inputs:
        zero = np.zeros(len(access))
        return zero, zero, np.zeros(len(access), dtype=bool)
    fee = inputs["trade_fee"].values
    passing = [
        bool((fee[:, [i]] + fee[[i], :] + 2 * access[i] < fee - LEAST).any()) for i in range(len(access))
    ]
    return fee.min(axis=1), fee.min(axis=0), np.array(passing, dtype=bool)
