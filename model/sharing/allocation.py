"""Allocation of metered energy by a named rule: the public function."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.inputs.contract import suggestion
from ..labels import Array
from .apportionment import suppliers
from .metered import Metered, problem, read
from .rules import RULES, Rule

_AT_ONCE = 2**20  # numbers per array: slots are allocated in blocks that memory and caches hold


def allocate(
    injected: npt.ArrayLike,
    withdrawn: npt.ArrayLike,
    rule: str,
    *,
    keys: npt.ArrayLike | None = None,
    order: npt.ArrayLike | None = None,
    coefficients: npt.ArrayLike | None = None,
    contracts: Sequence[npt.ArrayLike] | None = None,
    participation: npt.ArrayLike | None = None,
    by_producer: bool = False,
) -> npt.NDArray[Any]:
    """Return what every member is allocated of the energy that a community shares (member, time).

    Whole Wh (integers) stay whole, rounded by largest remainder, equal remainders in the order of the members: sums are
    exact, and what the retailer supplies is ``withdrawn - allocated``. kWh (floats) sum up within 1e-9. Rules, with
    their formulas and the laws that use them, are described in `otonari.model.sharing.rules`.

    Parameters
    ----------
    injected : (time,) or (producer, time)
        Energy that producers injected into the community, in Wh (integers, at most 3 GWh in a slot) or kWh (floats).
    withdrawn : (member, time)
        Energy that members withdrew, in the same unit.
    rule : str
        ``static``, ``rounds``, ``hybrid`` or ``own-share`` (with ``keys``); ``pro-rata`` or ``filling``; ``priority``
        (with ``order``); ``matrix`` (with ``coefficients``); ``contracts`` (with ``contracts``).
    keys : (member,) or (member, time), optional
        Share of each member, constant or per slot; they sum to 1 within 1e-9.
    order : (member,), optional
        Numbers of the members, first served first.
    coefficients : (producer, member) or (producer, member, time), optional
        Share of each producer's energy for each member; at most 1 in all for a producer, the rest is its surplus.
    contracts : (producer, member, slot, energy), optional
        What was contracted: four arrays (trade,), in the order of trading; numbers of producer, member and slot.
    participation : (member,) or (member, time), optional
        Part of a member's withdrawal that takes part in this community, 0 to 1 (in millionths for whole Wh, rounded
        down), as the participation factor of Austria. What takes part is all that a member can be allocated.
    by_producer : bool
        Say who supplied whom, (producer, member, time): its sum over producers is what is allocated. Rules that draw on
        one pool take of each producer in proportion to what it injected.

    Raises
    ------
    otonari.data.problems.InputError
        With every problem of the arguments; a ValueError.

    Examples
    --------
    A plant of 1 kWh and three members that draw 0.2, 0.6 and 0.8 kWh, in whole Wh:

    >>> allocate([1000], [[200], [600], [800]], "pro-rata")[:, 0].tolist()
    [125, 375, 500]
    >>> allocate([1000], [[200], [600], [800]], "rounds", keys=[0.5, 0.3, 0.2])[:, 0].tolist()
    [200, 480, 320]

    A third of 1 Wh is nobody's: the first of three equal members gets it.

    >>> allocate([1], [[9], [9], [9]], "pro-rata")[:, 0].tolist()
    [1, 0, 0]

    Two plants, and who supplied whom:

    >>> allocate([[600], [400]], [[200], [600], [800]], "pro-rata", by_producer=True)[..., 0].tolist()
    [[75, 225, 300], [50, 150, 200]]
    """
    row = RULES.get(rule, RULES["static"])
    unknown = problem("rule", repr(rule), f"one of {', '.join(RULES)}{suggestion(str(rule), RULES)}")
    given = {"keys": keys, "order": order, "coefficients": coefficients, "contracts": contracts}
    metered = read(injected, withdrawn, participation, row.needs if rule in RULES else unknown, given)
    producers, (members, slots) = len(metered.injected), metered.withdrawn.shape
    shape = (producers, members, slots) if by_producer else (members, slots)
    allocated = np.empty(shape, dtype=metered.withdrawn.dtype)
    pairs = members * (producers if by_producer or row.by_producer else 1)
    step = max(1, _AT_ONCE // max(1, pairs))
    for start in range(0, slots, step):
        stop = min(start + step, slots)
        allocated[..., start:stop] = _allocated(row, metered.between(start, stop), by_producer)
    return allocated


def _allocated(rule: Rule, metered: Metered, by_producer: bool) -> Array:
    energy = rule.allocate(metered)
    if rule.by_producer:
        return energy if by_producer else np.asarray(energy.sum(axis=0))
    return suppliers(metered.injected, energy) if by_producer else energy
