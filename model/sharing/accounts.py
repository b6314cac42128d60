"""Accounts of shared energy: what members drew, gave and were allocated in whole Wh, and its money in exact units."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..labels import Array
from .allocation import allocate
from .apportionment import apportion
from .metered import read
from .rules import shares

_AT_ONCE = 2**22  # numbers (producer, member, time) that are held at a time
POOL = -1
"""Stands for a seller where all that is shared comes from the community as a whole."""
Supplied = tuple[Array, Array, Array, Array]
_NOBODY: Supplied = tuple(np.zeros(0, dtype=np.int64) for _ in range(4))  # type: ignore[assignment]
_SHARES = 10**6  # shares of a plant count in millionths of the largest


@dataclass(frozen=True)
class SharedEnergy:
    """Energies of members (member, time) in whole Wh: ``withdrawn``, ``injected``, ``shared`` and ``sold``.

    ``shared`` is what a member is allocated of the community's energy, ``sold`` what others are of its own; the rest is
    its retailer's. ``supplied`` (day, seller, buyer, energy), four arrays, says who supplied whom on which day, ``POOL``
    in place of the seller where that is not followed.
    """

    withdrawn: Array
    injected: Array
    shared: Array
    sold: Array
    supplied: Supplied

    @property
    def grid_in(self) -> Array:
        """What members draw from their retailers (member, time)."""
        return np.asarray(self.withdrawn - self.shared)

    @property
    def grid_out(self) -> Array:
        """What members give to their retailers (member, time)."""
        return np.asarray(self.injected - self.sold)


@dataclass(frozen=True)
class DailyAccounts:
    """Accounts of members by day (member, day), in whole Wh and units of money (price units per kWh, times Wh)."""

    purchases: Array
    sales: Array
    grid_in: Array
    grid_out: Array
    paid: Array
    earned: Array
    fees: Array

    def named(self) -> dict[str, Array]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def of_members(energy: Array, injects: Array, owned: Array, active: Array) -> tuple[Array, Array]:
    """Return what members withdrew and injected (member, time) [Wh], from the energies of points (point, time).

    ``owned`` (point, member) are shares: the injection of a plant in common is in proportion to them that of its owners
    who are members then (``active``: member, time), slot by slot, in whole Wh by largest remainder.
    """
    withdrawn, injected = np.zeros(active.shape, dtype=np.int64), np.zeros(active.shape, dtype=np.int64)
    for values, given, share in zip(energy, injects, owned, strict=True):
        into = injected if given else withdrawn
        for owner, part in _by_owner(values, share, active):
            into[owner] += part
    return withdrawn, injected


def of_points(
    energy: Array, injects: Array, owned: Array, active: Array, shared: SharedEnergy, own_shares: bool = False
) -> Array:
    """Return what of the energy of each point is shared (point, time) [Wh]; the rest of it is a retailer's.

    What a member was allocated, or others were of its own, is split over its points, and its parts of plants, in
    proportion to their energies, slot by slot, in whole Wh by largest remainder; where members use their shares of all
    that is injected (``own_shares``), over all points that inject. Arguments as of `of_members`.
    """
    part = np.zeros_like(energy)
    pieces: dict[tuple[int, bool], list[tuple[int, Array]]] = {}
    for point, (values, given, share) in enumerate(zip(energy, injects.tolist(), owned, strict=True)):
        for owner, piece in _by_owner(values, share, active):
            pieces.setdefault((owner, given), []).append((point, piece))
    for (member, given), own in pieces.items():
        if given and own_shares:
            continue
        places, weights = [point for point, _ in own], np.array([piece for _, piece in own])
        total = (shared.sold if given else shared.shared)[member]
        part[places] += total if len(own) == 1 else apportion(total, weights)
    if own_shares:
        part[injects] = apportion(shared.sold.sum(axis=0), energy[injects])
    return part


def _by_owner(values: Array, share: Array, active: Array) -> Iterator[tuple[int, Array]]:
    """Yield the owners of a point, and what of its energy (time,) is each one's while it is a member (time,) [Wh]."""
    owners = np.flatnonzero(share)
    if len(owners) == 1:
        yield int(owners[0]), values * active[owners[0]]
        return
    weights = np.rint(share[owners] / share.max() * _SHARES).astype(np.int64)
    yield from zip(owners.tolist(), apportion(values, weights[:, None] * active[owners]), strict=True)


def share(
    withdrawn: Array, injected: Array, rule: str, day: Array, *, pooled: bool = False, **given: Any
) -> SharedEnergy:
    """Return how what members injected is shared by a rule.

    Parameters
    ----------
    withdrawn, injected : (member, time)
        In whole Wh.
    rule : str
        As of `allocate`. By ``own-share`` all that is injected is the members' by their keys, and each uses its own.
    day : (time,)
        Position of the day of each slot, not decreasing.
    pooled : bool
        Whether all that is shared comes from the community as a whole (`POOL`): who supplied whom is not followed.
    given : dict
        Further arguments of `allocate`.

    Raises
    ------
    otonari.data.problems.InputError
        As `allocate`.
    """
    if rule == "own-share":
        metered = read(injected, withdrawn, given.get("participation"), "keys", {"keys": given["keys"]})
        own = shares(metered)
        used = np.minimum(own, metered.withdrawn)
        return SharedEnergy(withdrawn, own, used, used, _themselves(used, day))
    producers = np.flatnonzero(injected.any(axis=1))
    if "contracts" in given:
        given["contracts"] = _deliverable(given["contracts"], producers)
    if "coefficients" in given:
        given["coefficients"] = _of_producers(given["coefficients"], producers)
    shared, sold = np.zeros_like(withdrawn), np.zeros_like(injected)
    pooled = pooled or not len(producers)
    sellers = np.array([POOL]) if pooled else producers
    parts = [_NOBODY]
    for slots in _blocks(day, len(sellers) * len(withdrawn)):
        cut = {name: _cut(values, slots) for name, values in given.items()}
        given_in, taken = injected[producers, slots], withdrawn[:, slots]
        pool = given_in.sum(axis=0, keepdims=True) if pooled else given_in
        supplied = allocate(pool, taken, rule, by_producer=True, **cut)
        shared[:, slots] = supplied.sum(axis=0)
        each = supplied.sum(axis=1)
        sold[producers, slots] = apportion(each[0], given_in) if pooled else each
        parts.append(_by_day(supplied, day[slots], sellers))
    days, sold_by, buyers, energies = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return SharedEnergy(withdrawn, injected, shared, sold, (days, sold_by, buyers, energies))


def daily(shared: SharedEnergy, price: Array, fee: Array, tariff: Array, day: Array) -> DailyAccounts:
    """Return the accounts of members by day (member, day).

    With the price p[t] of shared energy and the fee f[i, t] on it, in whole units per kWh, a unit of money being one
    such unit times a Wh::

        paid[i, d] = sum over t in d of shared[i, t] p[t],  earned[i, d] = sum of sold[i, t] p[t],
        fees[i, d] = sum of shared[i, t] f[i, t]

    so that over the members paid and earned have the same sum, exactly.

    Parameters
    ----------
    shared : SharedEnergy
        Of a month.
    price, fee : (time,), (tariff, time)
        Whole units.
    tariff, day : (member,), (time,)
        Positions.
    """
    purchases, sales = _per_day(shared.shared, day), _per_day(shared.sold, day)
    fees = np.zeros_like(purchases)
    for n in np.flatnonzero(fee.any(axis=1)):
        mine = tariff == n
        fees[mine] = _per_day(shared.shared[mine] * fee[n], day)
    return DailyAccounts(
        purchases=purchases,
        sales=sales,
        grid_in=_per_day(shared.withdrawn, day) - purchases,
        grid_out=_per_day(shared.injected, day) - sales,
        paid=_per_day(shared.shared * price, day),
        earned=_per_day(shared.sold * price, day),
        fees=fees,
    )


def _per_day(values: Array, day: Array) -> Array:
    """Return the sums (..., day) of values (..., time)."""
    first = np.flatnonzero(np.diff(day, prepend=-1))
    return np.asarray(np.add.reduceat(values, first, axis=-1))


def _themselves(used: Array, day: Array) -> Supplied:
    """Return who supplied whom where everybody supplies itself (member, time)."""
    totals = _per_day(used, day)
    member, place = np.nonzero(totals)
    return np.unique(day)[place], member, member, totals[member, place]


def _by_day(supplied: Array, day: Array, producers: Array) -> Supplied:
    """Return day, seller, buyer and energy of what was supplied (producer, member, time), zeros left out."""
    totals = _per_day(supplied, day)
    seller, buyer, place = np.nonzero(totals)
    return np.unique(day)[place], producers[seller], buyer, totals[seller, buyer, place]


def _blocks(day: Array, pairs: int) -> Iterator[slice]:
    """Yield blocks of whole days, as many slots as there is room for."""
    ends = np.append(np.flatnonzero(np.diff(day)) + 1, len(day))
    start = 0
    for n, end in enumerate(ends):
        if n + 1 == len(ends) or (ends[n + 1] - start) * pairs > _AT_ONCE:
            yield slice(start, int(end))
            start = int(end)


def _deliverable(contracts: Any, producers: Array) -> tuple[Array, ...]:
    """Return the contracts of those who inject, with their positions among them (trade,)."""
    seller, *others = contracts
    some = np.isin(seller, producers)
    return tuple(column[some] for column in (np.searchsorted(producers, seller), *others))


def _of_producers(key: tuple[Array, Array], producers: Array) -> Array:
    """Return the coefficients (producer, member, time) of producers; those without a row give nobody anything."""
    row, coefficients = key
    found = np.zeros((max(1, len(producers)), *coefficients.shape[1:]))
    _, at, source = np.intersect1d(producers, row, return_indices=True)
    found[at] = coefficients[source]
    return found


def _cut(values: Any, slots: slice) -> Any:
    """Return what belongs to some slots of an argument, which has a time or not; contracts say their slots."""
    if isinstance(values, tuple):
        *pair, slot, energy = values
        some = (slot >= slots.start) & (slot < slots.stop)
        return *(side[some] for side in pair), slot[some] - slots.start, energy[some]
    return values[..., slots] if np.ndim(values) in (2, 3) else values
