"""Energy of a run followed from its producers to its uses: a second tracer, for `origins`.

It follows the rules that `settlement.origins` states, by matrices with one column per producer and a last one of retail
power; carbon dioxide goes beside them as a vector. A pool is a meter in a slot: all pools of a span of slots are mixed
at once, and only what stores hold goes from slot to slot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ...data.inputs import devices
from ..labels import Array
from .flows import LEAST, Meters, Stores, over
from .money import Trades
from .physics import Run

Matrix = sparse.csr_array
USES = ("demand", "driving", "distance")
_SPAN = 20_000
"""Pools that are mixed at once: enough to forget the calls, few enough for the memory."""


@dataclass
class Used:
    """What became of the energy of P participants in T slots [kWh; distance in km].

    ``by_source`` (P, 3, T) of each use: of own PV, that of peers, and retail power; ``by_producer`` (P, P + 1) over all
    slots. ``exported``, ``lost`` and ``held`` (P,) by producer; ``given`` (P,) own PV that leaves its
    account; ``carbon`` (P,) [kg] of the electricity driven.
    """

    by_source: dict[str, Array]
    by_producer: dict[str, Matrix]
    exported: Array
    lost: Array
    held: Array
    given: Array
    carbon: Array

    def enter(self, use: str, span: slice, account: Array, amounts: Matrix) -> None:
        """Enter what accounts (n,) used in each slot of a span, by producer (slots * n, P + 1)."""
        people, slots = len(self.given), span.stop - span.start
        entries = amounts.tocoo()
        slot, place = np.divmod(entries.row, max(len(account), 1))
        who = account[place]
        source = np.where(entries.col == people, 2, entries.col != who)
        at = (who * 3 + source) * slots + slot
        total = np.bincount(at, entries.data, people * 3 * slots).reshape(people, 3, slots)
        self.by_source[use][:, :, span] += total
        more = _placed((people, people + 1), (entries.data, who, entries.col))
        self.by_producer[use] = self.by_producer[use] + more


def followed(run: Run, traded: Trades) -> Used:
    """Return what became of the energy of a run."""
    people, slots = run.participants, len(run.hours)
    used = Used(
        {use: np.zeros((people, 3, slots)) for use in USES},
        {use: Matrix((people, people + 1)) for use in USES},
        *np.zeros((5, people)),
    )
    loads = {name: row.draw for name, row in devices.loads(run).items()}
    consumed = ((run.i["demand"] + run.behind_meters(loads)) * run.hours).T
    stores, meters = Stores(run), Meters(run, traded)
    held, carbon = _retail(stores.start, people), stores.start * run.i["grid_carbon"].mean()
    length = max(_SPAN // len(meters.account), 1)
    for first in range(0, slots, length):
        span = slice(first, min(first + length, slots))
        pools = _Pools(stores, meters, span, people)
        before, emitted, held, carbon = pools.carried(held, carbon)
        _enter(used, pools, consumed[span], stores, before, emitted)
    used.held += held.sum(axis=0)[:people]
    return used


def _enter(used: Used, pools: "_Pools", consumed: Array, stores: Stores, held: Matrix, carbon: Array) -> None:
    """Enter what became of energy in a span.

    Before each slot, stores had ``held`` (slots * S, P + 1) [kWh] with ``carbon`` (slots, S) [kg].
    """
    span, people, drivers = pools.span, len(used.given), stores.owner
    gives = pools.from_stores @ held + pools.from_others
    uses = pools.passed_on @ gives + pools.bought
    out = _scaled(stores.part[span], held) + _retail(stores.beyond[span], people)
    pool, store = (np.arange(a.size).reshape(a.shape) for a in (pools.account, stores.part[span]))
    demand, moved = _scaled(consumed, uses[pool[:, :people].ravel()]), stores.driven[span]
    drive = _scaled(moved, out[store[:, stores.batteries :].ravel()])
    used.enter("demand", span, np.arange(people), demand)
    used.enter("driving", span, drivers, drive)
    used.enter("distance", span, drivers, _scaled(np.tile(stores.economy, len(moved)), drive))
    emitted = (moved * (stores.part[span] * carbon)[:, stores.batteries :]).sum(axis=0)
    used.carbon += np.bincount(drivers, emitted, people)
    used.exported += (pools.exported @ gives)[:people]
    account = pools.account.ravel()
    used.given += np.bincount(account, pools.outward * gives[pool.ravel(), account], people)
    used.lost += (pools.lost @ uses + stores.wasted[span].ravel() @ out)[:people]


class _Pools:
    """The pools (N,) of a span, slot after slot, and the stores behind them (slots * S,).

    A kWh that a pool gives is ``from_stores`` (N, slots * S), per kWh that these held, and ``from_others`` (N, P + 1). A
    kWh that it uses is ``passed_on`` (N, N) by pools and ``bought`` (N, P + 1) of the retailer, with ``carbon`` (N,)
    [kg]. ``exported``, ``outward`` to other accounts, and of what a pool uses ``lost`` are energies (N,) [kWh].
    """

    def __init__(self, stores: Stores, meters: Meters, span: slice, people: int):
        self.stores, self.span, size = stores, span, meters.made[span].size
        every, first = np.arange(size), np.arange(0, size, len(meters.account))
        self.at = (stores.meter[span] + first[:, None]).ravel()
        made, imported, self.exported = (
            kwh[span].ravel() for kwh in (meters.made, meters.imported, meters.exported)
        )
        now = slice(*np.searchsorted(meters.slot, [span.start, span.stop]))
        energy, shift = meters.energy[now], first[meters.slot[now] - span.start]
        seller, buyer = meters.seller[now] + shift, meters.buyer[now] + shift
        discharge, charge = stores.discharge[span].ravel(), stores.charge[span].ravel()
        sources = made + np.bincount(self.at, discharge, size)
        given = self.exported + np.bincount(seller, energy, size)
        resold, kept = np.maximum(given - sources, 0.0), np.maximum(sources - given, 0.0)
        total, used = sources + resold, kept + imported + np.bincount(buyer, energy, size)
        per_given, per_used = over(1.0, total), over(1.0, used)
        self.account = np.tile(meters.account, (len(first), 1))
        known, unknown = (discharge * share[span].ravel() for share in (stores.part, stores.beyond))
        retail = (resold + np.bincount(self.at, unknown, size)) * per_given + (total <= LEAST)
        shape = size, people + 1
        self.from_stores = _placed(
            (size, len(self.at)), (known * per_given[self.at], self.at, np.arange(len(self.at)))
        )
        self.from_others = _placed(
            shape, (made * per_given, every, self.account.ravel()), (retail, every, np.full(size, people))
        )
        self.passed_on = _placed(
            (size, size), (kept * per_used, every, every), (energy * per_used[buyer], buyer, seller)
        )
        self.bought = _retail(imported * per_used + (used <= LEAST), people)
        self.carbon = imported * per_used * np.repeat(meters.grid_carbon[span], len(meters.account))
        apart = meters.account[meters.seller[now]] != meters.account[meters.buyer[now]]
        self.outward = self.exported + np.bincount(seller, energy * apart, size)
        passing = charge * (1.0 - (stores.gain * stores.stays[span]).ravel())
        self.lost = resold + np.bincount(self.at, passing, size)

    def carried(self, held: Matrix, carbon: Array) -> tuple[Matrix, Array, Matrix, Array]:
        """Return what stores hold (slots * S, P + 1) and its carbon (slots, S) before each slot, and both at the end.

        They keep what does not leave them, and enter what their meter uses: of that, what passed through stores now.
        """
        stores, span = self.stores, self.span
        charged, onto = stores.stays[span] * stores.charge[span], self.passed_on[self.at]
        through, beside = onto @ self.from_stores, onto @ self.from_others + self.bought[self.at]
        kept, energy = _diagonal(stores.left[span].ravel()), stores.gain * charged
        stay = _scaled(energy, through) + kept
        enters = sparse.vstack([held, _scaled(energy, beside)], format="csr")
        of_kg = Matrix(through * np.tile(stores.taken, len(charged)))  # charging loses energy and no carbon
        emitted = charged * self.carbon[self.at].reshape(charged.shape)
        before = _over_time(stay, enters, len(charged))
        kg = _over_time(_scaled(charged, of_kg) + kept, np.append(carbon, emitted), len(charged))
        end = charged.size
        return before[:end], kg[:end].reshape(charged.shape), before[end:], kg[end:]


def _over_time(stay: Matrix, enters: Any, slots: int) -> Any:
    """Return what is held before each slot and at the end, from what ``enters`` before the first and in each.

    Of what is held before a slot, ``stay`` (slots * S, slots * S) is there after it. With N the same one slot down, h is
    N h + enters; and as N^(slots + 1) = 0, it is (I + N) (I + N^2) (I + N^4) .. enters.
    """
    size = enters.shape[0]
    later = np.append(np.zeros(size - stay.shape[0], dtype=stay.indptr.dtype), stay.indptr)
    N, reach = Matrix((stay.data, stay.indices, later), shape=(size, size)), 1
    while reach <= slots:
        enters, N, reach = enters + N @ enters, N @ N, 2 * reach
    return enters


def _placed(shape: tuple[int, int], *entries: tuple[Array, Array, Array]) -> Matrix:
    """Return the matrix with values at rows and columns (n,), several times; those at one place add up."""
    values, row, column = (np.concatenate(each) for each in zip(*entries, strict=True))
    some = np.flatnonzero(values)
    return Matrix((values[some], (row[some], column[some])), shape=shape)


def _diagonal(values: Array) -> Matrix:
    """Return the diagonal matrix (n, n) of values (n,)."""
    place = np.arange(len(values))
    return _placed((len(values), len(values)), (values, place, place))


def _retail(values: Array, people: int) -> Matrix:
    """Return rows (n, P + 1) of retail power alone, for values of any shape with n entries."""
    every = np.arange(values.size)
    return _placed((values.size, people + 1), (values.ravel(), every, np.full(values.size, people)))


def _scaled(factor: Array, matrix: Matrix) -> Matrix:
    """Return a matrix (n, m) with each row times its factor, of any shape with n entries."""
    data = matrix.data * np.repeat(factor.ravel(), np.diff(matrix.indptr))
    return Matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
