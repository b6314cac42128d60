"""Make-whole payments: nobody who trades at the prices of a clearing is worse off than without peers.

Where a plan follows from a linear program, its prices alone see to that. Where it holds decisions of yes or no (a
charger at its least power or off, a meter that draws or gives), nobody's price need cover them: the payment
that markets of power plants call make-whole or uplift; O'Neill et al., "Efficient market-clearing prices in markets with
nonconvexities", EJOR 164 (2005), doi:10.1016/j.ejor.2003.12.011. With the bill b at the prices alone, the bill a
without peers, and the congestion rent R of the whole community::

    loss[p] = (b[p] - a[p])+           L = sum of loss
    gain[p] = (a[p] - b[p])+           G = sum of gain
    members = min(L, G)                rent = min(L - members, R)
    make_whole[p] = members gain[p] / G - (members + rent) loss[p] / L

Those who gain pay in proportion to their gain, and keep what is left of it. What they cannot pay comes out of the
congestion rent, of which the network then keeps the rest. Both suffice wherever the peers' plan costs the community no
more than all plans without peers do, since G + R - L is just what it saves.
"""

import numpy as np

from ..labels import Array

NO_LOSS = 1e-6
"""Losses within that share of what enters a bill are rounding, and nobody pays for them."""


def make_whole(bill: Array, alone: Array, turnover: Array, rent: float) -> Array:
    """Return what each account pays to the others (participant,) [currency], - what it receives; see the module.

    Parameters
    ----------
    bill, alone : (participant,)
        At the prices alone, and without peers [currency].
    turnover : (participant,)
        Sum of the amounts of the lines of the bill [currency].
    rent : float
        Congestion rent of all trades [currency].
    """
    loss = np.where(bill - alone > NO_LOSS * np.maximum(turnover, 1.0), bill - alone, 0.0)
    if not (lost := loss.sum()):
        return np.zeros_like(loss)
    gain = np.maximum(alone - bill, 0.0)
    gained = gain.sum()
    members = min(lost, gained)
    returned = min(lost - members, max(rent, 0.0))
    paid: Array = gain * (members / gained if gained else 0.0) - loss * ((members + returned) / lost)
    return paid
