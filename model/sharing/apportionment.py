"""Totals split in proportion to weights: whole numbers by largest remainder, floats as they come."""

import numpy as np

from ..labels import Array

PARTS = 10**9
"""Keys and coefficients count in billionths where energies are whole Wh, so that no rounding of floats decides."""
MOST = 3 * 10**9
"""Largest sum of whole energies in a slot [Wh]: the product of two of them still fits into 64 bits."""


def apportion(total: Array, weights: Array) -> Array:
    """Return a total (..., time) split in proportion to weights (..., member, time), in the unit of the total.

    With quotas q[i] = total w[i] / sum w, floats are split as they are. Whole numbers get floor q[i], and what is left
    goes, one each, to the largest remainders q[i] - floor q[i], equal ones in the order of the members (the method of
    Hamilton). Their sum is the total exactly and floor q[i] <= share[i] <= ceil q[i]. Where all weights are zero, so are
    the shares.
    """
    total, whole = total[..., None, :], weights.sum(axis=-2, keepdims=True)
    if weights.dtype.kind != "i":
        return np.asarray(total * weights / np.where(whole > 0, whole, 1.0))
    quota, remainder = np.divmod(total * weights, np.maximum(whole, 1))
    left = np.where(whole > 0, total - quota.sum(axis=-2, keepdims=True), 0)
    by_remainder = np.argsort(-remainder, axis=-2, kind="stable")
    one_more = np.zeros(quota.shape, dtype=bool)
    np.put_along_axis(one_more, by_remainder, np.arange(weights.shape[-2])[:, None] < left, axis=-2)
    return np.asarray(quota + one_more)


def weights_of(fractions: Array, whole: bool) -> Array:
    """Return weights (..., member + 1, time) for fractions (..., member, time): the last one is what they leave of one.

    For whole energies the weights are billionths, exactly as many in all as there are in one.
    """
    given = fractions.sum(axis=-2, keepdims=True)
    rest = np.where(given < 1 - 1 / PARTS, 1 - given, 0.0)
    fractions = np.concatenate([fractions, rest], axis=-2)
    if not whole:
        return fractions
    parts = np.rint(fractions * PARTS).astype(np.int64)
    return apportion(np.full((*parts.shape[:-2], parts.shape[-1]), PARTS), parts)


def suppliers(injected: Array, allocated: Array) -> Array:
    """Return who supplied whom (producer, member, time) where all draw on one pool.

    Every member's allocation (member, time) comes from the producers in proportion to what they injected (producer,
    time). In whole Wh the producers' shares of all that is shared are apportioned first, then member after member in
    proportion to what is left of these shares: sums over producers and over members are exact.
    """
    if len(injected) == 1:
        return allocated[None]
    if allocated.dtype.kind != "i":
        return apportion(allocated, injected[None]).swapaxes(0, 1)
    left = apportion(allocated.sum(axis=0), injected)
    supplied = np.empty((len(injected), *allocated.shape), dtype=allocated.dtype)
    for member, energy in enumerate(allocated):
        supplied[:, member] = apportion(energy, left)
        left = left - supplied[:, member]
    return supplied
