"""THE table of allocation rules: who gets how much of what was injected into a community, by the name of the rule.

P is what all producers injected in a slot, c[i] what member i withdrew as far as it takes part, k[i] its key; a[i] is
what it is allocated, the rest c[i] - a[i] its retailer's. Of every rule: 0 <= a[i] <= c[i], sum a <= min(P, sum c).
Energies are whole Wh or kWh in floats; whole Wh are rounded by largest remainder (`apportionment`). To add a rule: a
function here or in a file of its own, one row of the table, and its plain counterpart in the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..labels import Array
from .apportionment import apportion, weights_of
from .contracts import contracts
from .metered import Metered


@dataclass(frozen=True)
class Rule:
    """A rule: metered energies -> allocated ones (member, time), or (producer, member, time) where it says from whom.

    ``needs`` names the argument that it takes beside the energies, "" for none.
    """

    allocate: Callable[[Metered], Array]
    needs: str = ""
    by_producer: bool = False


def static(metered: Metered) -> Array:
    """Return the energy (member, time) by fixed shares: a[i] = min(k[i] P, c[i]).

    What a member does not use of its share is surplus of the community. Fixed keys of France (Code de l'energie, art.
    D315-6), the static allocation of Austria (https://energiegemeinschaften.gv.at/faq), the fixed key in one round of
    Brussels
    (https://sibelga.be/fr/raccordements-compteurs/energie-renouvelable/partage-energie/methodes-de-repartition).
    Keys (member, time) are those that a French operator gives per half hour (dynamic).
    """
    return np.asarray(np.minimum(shares(metered), metered.withdrawn))


def shares(metered: Metered) -> Array:
    """Return each member's share k[i] P (member, time) of what was injected, used or not."""
    return apportion(metered.pool, _weights(metered))


def own_surplus(metered: Metered) -> Array:
    """Return what members leave of their shares (member, time): k[i] P - min(k[i] P, c[i]).

    By Spain's Real Decreto 244/2019 (annex I) the energy of a participant is its coefficient's share of the net
    production; what exceeds its own consumption in the hour is its own surplus, compensated on its own bill.
    """
    return np.asarray(shares(metered) - static(metered))


def pro_rata(metered: Metered) -> Array:
    """Return the energy (member, time) in proportion to what is withdrawn: a[i] = c[i] min(1, P / sum c).

    The default of France (Code de l'energie, art. D315-6), the dynamic allocation of Austria
    (https://energiegemeinschaften.gv.at/faq), the standard of Luxembourg
    (https://weshareenergy.lu/le-partage-denergie/cles-de-repartition) and a standard key of Wallonia
    (https://ores.be/particulier/en-pratique). Its sum, min(P, sum c), is what Italy's rules call the shared energy of an
    hour.
    """
    drawn = metered.withdrawn
    return np.minimum(apportion(np.minimum(metered.pool, drawn.sum(axis=0)), drawn), drawn)


def hybrid(metered: Metered) -> Array:
    """Return the energy (member, time) by fixed shares, and of the rest in proportion to what is still drawn.

    With s[i] = min(k[i] P, c[i])::

        a[i] = s[i] + (c[i] - s[i]) min(1, (P - sum s) / sum (c - s))

    No share of a member that could have used it is lost, and nobody has less than by `static`.
    """
    fixed = static(metered)
    unmet = metered.withdrawn - fixed
    rest = np.minimum(metered.pool - fixed.sum(axis=0), unmet.sum(axis=0))
    return np.asarray(np.minimum(fixed + apportion(np.maximum(rest, 0), unmet), metered.withdrawn))


def priority(metered: Metered) -> Array:
    """Return the energy (member, time) by order of service: each gets what those before it leave, up to c[i].

    With members numbered in the order of service::

        a[i] = min(c[i], max(0, P - sum of c[j], j < i))

    Hierarchical sharing in Portugal (Decreto-Lei 15/2022; Regulamento ERSE 815/2023), "priority" in Luxembourg
    (https://weshareenergy.lu/le-partage-denergie/cles-de-repartition).
    """
    order = metered.order
    assert order is not None
    drawn = metered.withdrawn[order]
    left = np.maximum(metered.pool - (np.cumsum(drawn, axis=0) - drawn), 0)
    allocated = np.empty_like(drawn)
    allocated[order] = np.minimum(drawn, left)
    return allocated


def rounds(metered: Metered) -> Array:
    """Return the energy (member, time) by fixed shares in rounds, until nothing is left or everybody is served.

    In each round the rest goes to those not yet served, by their keys among themselves. All who are not served at the
    end then have the same multiple L of their key, so that a[i] = min(c[i], L k[i]) with the greatest L for which
    sum a <= P. Whole Wh are rounded once, at the end. Members without a key get nothing. The fixed key in several
    rounds of Brussels
    (https://sibelga.be/fr/raccordements-compteurs/energie-renouvelable/partage-energie/methodes-de-repartition).
    """
    return _in_rounds(metered.pool, metered.withdrawn, _weights(metered))


def filling(metered: Metered) -> Array:
    """Return the energy (member, time) in equal shares, capped by what is withdrawn: a[i] = min(c[i], L).

    L is the greatest level for which sum a <= P (max-min fairness): `rounds` with equal keys.
    """
    return _in_rounds(metered.pool, metered.withdrawn, np.ones((1, 1), dtype=metered.withdrawn.dtype))


def _in_rounds(pool: Array, drawn: Array, keys: Array) -> Array:
    """Return a[i] = min(c[i], L k[i]) (member, time): members whose share of the rest suffices are served, and so on.

    Only slots in which somebody was served in the last round go into the next one: rounds are few, and the later ones
    are of few slots.
    """
    keys = np.broadcast_to(keys, drawn.shape)
    served, rest, slots = np.zeros(drawn.shape, dtype=bool), pool.copy(), np.arange(len(pool))
    while len(slots):
        c, k = drawn[:, slots], np.where(served[:, slots], 0, keys[:, slots])
        now = (k > 0) & (c * k.sum(axis=0) <= rest[slots] * k)
        served[:, slots] |= now
        rest[slots] = np.maximum(
            rest[slots] - np.where(now, c, 0).sum(axis=0), 0
        )  # floats may fall short of zero
        slots = slots[now.any(axis=0)]
    return np.minimum(np.where(served, drawn, apportion(rest, np.where(served, 0, keys))), drawn)


def matrix(metered: Metered) -> Array:
    """Return the energy (producer, member, time) by coefficients of each producer for each member.

    With coefficients b[j, i], sum over i at most 1, and q[j, i] = b[j, i] P[j]::

        a[j, i] = q[j, i] min(1, c[i] / sum over j of q[j, i])

    A member whose shares exceed what it draws takes of every producer the same part of its share; the rest is that
    producer's surplus. Several plants with keys of their own, constant or per slot: France (dynamic keys per
    producer), Spain (Orden TED/1247/2021: coefficients per hour).
    """
    coefficients = metered.coefficients
    assert coefficients is not None
    quotas = apportion(metered.injected, weights_of(coefficients, metered.whole))[:, :-1]
    allocated = np.minimum(quotas.sum(axis=0), metered.withdrawn)
    return np.minimum(apportion(allocated, quotas.swapaxes(0, 1)).swapaxes(0, 1), quotas)


def _weights(metered: Metered) -> Array:
    """Return the keys (member, time or 1), in billionths where energies are whole."""
    assert metered.keys is not None
    return weights_of(metered.keys, metered.whole)[:-1]


RULES: dict[str, Rule] = {
    "static": Rule(static, "keys"),
    "pro-rata": Rule(pro_rata),
    "rounds": Rule(rounds, "keys"),
    "hybrid": Rule(hybrid, "keys"),
    "priority": Rule(priority, "order"),
    "filling": Rule(filling),
    "own-share": Rule(static, "keys"),
    "matrix": Rule(matrix, "coefficients", by_producer=True),
    "contracts": Rule(contracts, "contracts", by_producer=True),
}
"""THE table: one row per rule. `own-share` allocates as `static`; what is left of a share is `own_surplus`."""
