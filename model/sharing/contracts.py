"""Contracts against what meters say: first traded, first served."""

import numpy as np

from ..labels import Array
from .metered import Metered


def contracts(metered: Metered) -> Array:
    """Return the energy (producer, member, time) delivered of contracts, in the order in which they were traded.

    Of each contract of energy e between producer j and member i in a slot is delivered::

        min(e, what is left of P[j], what is left of c[i])

    so that of a pair's contracts together min(contracted, metered) is. What a producer injected beyond that and what a
    member drew beyond it are deviations, settled with the retailer or at an imbalance price. All slots' first contracts
    are served at once, then their second ones, and so on.
    """
    assert metered.contracts is not None
    producer, member, slot, energy = metered.contracts
    injected, withdrawn = metered.injected.copy(), metered.withdrawn.copy()
    delivered = np.zeros((len(injected), *withdrawn.shape), dtype=withdrawn.dtype)
    rank = np.arange(len(slot)) - np.searchsorted(slot, slot)
    by_rank = np.argsort(rank, kind="stable")
    for trades in np.split(by_rank, np.flatnonzero(np.diff(rank[by_rank])) + 1):
        j, i, t = producer[trades], member[trades], slot[trades]
        amount = np.minimum(energy[trades], np.minimum(injected[j, t], withdrawn[i, t]))
        delivered[j, i, t] += amount
        injected[j, t] -= amount
        withdrawn[i, t] -= amount
    return delivered
