"""The legal key that realises a run: coefficients per slot, with declared decimals, from who sold how much to whom."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.inputs.contract import InputError, Problem
from ..labels import Array
from .allocation import allocate
from .apportionment import apportion
from .metered import Metered, entries, problem, read

MOST_DECIMALS = 9
"""Decimals that an allocation tells apart (`apportionment.PARTS`)."""


def coefficients(
    injected: npt.ArrayLike,
    withdrawn: npt.ArrayLike,
    contracts: Sequence[npt.ArrayLike],
    *,
    decimals: int = 6,
    exhaustive: bool = False,
) -> npt.NDArray[np.int64]:
    """Return coefficients (producer, member, time), in units of the last decimal, that realise what was traded.

    With v[j, i] sold by producer j to member i in a slot in which P[j] is injected, and 10^d units in one::

        b[j, i] = v[j, i] / P[j], rounded to units by largest remainder

    `allocate` by the rule ``matrix`` and ``coefficients=b / 10**d`` gives v back to the watt-hour. It does wherever
    P[j] <= 10^d / 2, since no quota is then half a Wh off; beyond that it is tried, and refused where it does not.

    Parameters
    ----------
    injected, withdrawn : (time,) or (producer, time); (member, time)
        Metered energies in whole Wh, as in `allocate`.
    contracts : (producer, member, slot, energy)
        What was traded, four arrays (trade,); energies in whole Wh. No more than was injected or withdrawn.
    decimals : int
        Decimals d that the coefficients have, 1 to 9.
    exhaustive : bool
        A producer's coefficients sum to 1 exactly, as laws want it (Spain: Real Decreto 244/2019, annex I). What it
        did not sell is given to members whose whole withdrawal is traded, in proportion to it, who cannot use it:
        every member is allocated what it bought, but of several producers perhaps not from whom it bought it. Where
        nothing is injected all members have equal coefficients. Else what was not sold is given to nobody.

    Raises
    ------
    otonari.data.problems.InputError
        With every problem of the arguments; and where the rest can be given to nobody, or decimals do not suffice.

    Examples
    --------
    Of 1000 Wh two members buy 300 and 150; the second draws no more than that.

    >>> meters, trades = ([1000], [[900], [150]]), ([0, 0], [0, 1], [0, 0], [300, 150])
    >>> coefficients(*meters, trades, decimals=3)[..., 0].tolist()
    [[300, 150]]
    >>> key = coefficients(*meters, trades, decimals=3, exhaustive=True)
    >>> key[..., 0].tolist()
    [[300, 700]]
    >>> allocate(*meters, "matrix", coefficients=key / 1000)[:, 0].tolist()
    [300, 150]
    """
    metered = read(injected, withdrawn, None, "contracts", {"contracts": contracts})
    if problems := _wrong(metered, decimals):
        raise InputError(problems)
    volumes = _volumes(metered)
    shares = _exhaustive(metered, volumes) if exhaustive else _with_rest(metered, volumes)
    units = apportion(np.full(metered.injected.shape, 10**decimals), shares)[:, : len(metered.withdrawn)]
    _prove(metered, volumes, units / 10**decimals, decimals, exhaustive)
    return units


def _wrong(metered: Metered, decimals: Any) -> list[Problem]:
    problems = []
    if not isinstance(decimals, int) or not 1 <= decimals <= MOST_DECIMALS:
        problems.append(problem("decimals", repr(decimals), f"1 to {MOST_DECIMALS}"))
    if not metered.whole:
        return [
            *problems,
            problem("injected, withdrawn", f"{metered.withdrawn.dtype}", "energies in Wh (integers)"),
        ]
    volumes = _volumes(metered)
    sold, bought = volumes.sum(axis=1), volumes.sum(axis=0)
    problems += entries(
        "contracts", sold, sold > metered.injected, "at most what is injected", ("producer", "slot")
    )
    problems += entries(
        "contracts", bought, bought > metered.withdrawn, "at most what is withdrawn", ("member", "slot")
    )
    return problems


def _volumes(metered: Metered) -> Array:
    """Return what was traded (producer, member, time) [Wh]."""
    assert metered.contracts is not None
    *pair_and_slot, energy = metered.contracts
    volumes = np.zeros((len(metered.injected), *metered.withdrawn.shape), dtype=np.int64)
    np.add.at(volumes, tuple(pair_and_slot), energy)
    return volumes


def _with_rest(metered: Metered, volumes: Array) -> Array:
    """Return volumes with a last row of what is given to nobody (producer, member + 1, time), all where nothing is."""
    rest = (metered.injected - volumes.sum(axis=1)) + (metered.injected == 0)
    return np.concatenate([volumes, rest[:, None]], axis=1)


def _exhaustive(metered: Metered, volumes: Array) -> Array:
    """Return volumes and, on top, what was not sold for those who cannot use it (producer, member, time) [Wh]."""
    served = np.where(volumes.sum(axis=0) == metered.withdrawn, metered.withdrawn, 0)
    idle = (volumes.sum(axis=0) == metered.withdrawn) & (served.sum(axis=0) == 0)
    rest = metered.injected - volumes.sum(axis=1)
    takers = served + idle  # who draws nothing cannot use anything either
    stuck = (rest > 0) & (takers.sum(axis=0) == 0)
    want = "no rest: no member is served in full, who could not use it"
    if problems := list(entries("contracts", rest, stuck, want, ("producer", "slot"))):
        raise InputError(problems)
    shares = volumes + apportion(rest, np.broadcast_to(takers, volumes.shape))
    return np.asarray(shares + (metered.injected == 0)[:, None])


def _prove(metered: Metered, volumes: Array, key: Array, decimals: int, exhaustive: bool) -> None:
    """Raise :class:`InputError` naming the slots in which the key does not give back what was traded."""
    realised = allocate(
        metered.injected, metered.withdrawn, "matrix", coefficients=key, by_producer=not exhaustive
    )
    wrong = realised != (volumes.sum(axis=0) if exhaustive else volumes)
    off = wrong.reshape(-1, wrong.shape[-1]).any(axis=0)
    want = "more of them: the key would not give back what was traded"
    if problems := list(entries("decimals", np.full(off.shape, decimals), off, want, ("slot",))):
        raise InputError(problems)
