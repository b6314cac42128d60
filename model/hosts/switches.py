"""One of two ways at a time, of what PyPSA has: a link of unit commitment that is on or off moves a token.

A token of 1 is at the first bus, or where the link is on at the second. What goes one way takes its power over its
greatest power from the first, what goes the other way likewise from the second::

    forward[t] / most_forward[t] <= 1 - on[t],  backward[t] / most_backward[t] <= on[t],  on[t] in {0, 1}
"""

from __future__ import annotations

import numpy as np

from ..labels import Array
from .families import Families

Third = tuple[list[str], Array]
"""Third buses of links, "" for none, and what a kW of the link puts there (n, time)."""


def add_switches(
    add: Families, names: list[str], most: tuple[Array, Array], where: Array
) -> tuple[Third | None, Third | None]:
    """Add a switch for each pair of ways that has one somewhere; return what the links of both ways take from it.

    ``most`` (n, time) [kW] of either way; ``where`` (n, time) only one of them may be other than zero.
    """
    some = np.flatnonzero(where.any(axis=1))
    if not len(some):
        return None, None
    first, second = ([f"{names[k]} {side}" for k in some] for side in ("forward", "backward"))
    one = np.ones((len(some), where.shape[1]))
    add.buses([*first, *second], "direction")
    add.loads([f"{names[k]} token" for k in some], first, -one)
    add.links([f"{names[k]} switch" for k in some], (first, second), one, "direction", least=one)
    both, rest = [*first, *second], np.tile(one, (2, 1))
    add.generators([f"{bus} spared" for bus in both], both, rest, "direction", sign=-1)
    thirds = []
    for power, bus in zip(most, (first, second), strict=True):
        take = -np.divide(1.0, power, out=np.zeros_like(power), where=where & (power > 0))
        at = dict(zip(some.tolist(), bus, strict=True))
        thirds.append(([at.get(k, "") for k in range(len(names))], take))
    return thirds[0], thirds[1]
