"""Energy by its source, slot by slot: how what a meter draws, makes and takes out of its stores mixes.

The rules stand in `origins`. Everything is linear: with what the stores held, the mixtures that the meters give and use
are two products with sparse matrices. All slots of a span go through them at once; only what stores hold goes from slot
to slot.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy import sparse

from ..labels import Array, sum_at
from ..topology.stores import of_stores
from .energy_flows import Flows, flows

Matrix = sparse.csr_array
LEAST = 1e-9
"""Energy [kWh] below which there is nothing to mix."""
SPAN = 20_000
"""Meters times slots that are mixed at once: enough not to count the calls, few enough for the memory."""
DENSE = 4_000
"""Stores times sources up to which what stores hold goes on as an array: faster than a sparse matrix then."""


@dataclass(frozen=True)
class Content:
    """What the stores hold, batteries before vehicles (S,): enough to go on with in the next slot.

    ``energy`` (S, P + 1) [kWh]: the PV energy of each participant, and in the last column retail energy; ``carbon``
    (S,) [kg] that its generation emitted.
    """

    energy: Matrix
    carbon: Array


@dataclass(frozen=True)
class Span:
    """Slots one after another, by account and source: PV of each participant, then retail power [kWh].

    ``demand`` at the meters, ``charge`` into stores at their AC side, ``driving`` out of the batteries of vehicles;
    ``distance`` the same in km: (slots * P, P + 1), account after account, slot after slot. Over the span: ``given``
    (P,) own PV sold to other accounts or exported; ``exported`` by anybody and ``lost`` in stores (P,) by producer;
    ``carbon`` (P,) [kg] of the electricity driven. ``content`` of the stores at its end.
    """

    demand: Matrix
    charge: Matrix
    driving: Matrix
    distance: Matrix
    given: Array
    exported: Array
    lost: Array
    carbon: Array
    content: Content

    def slots(self, names: Iterable[str]) -> Iterator[dict[str, Matrix]]:
        """Yield the matrices of these names slot by slot (P, P + 1)."""
        people = len(self.given)
        if self.demand.shape[0] == people:
            yield {name: getattr(self, name) for name in names}
            return
        for first in range(0, self.demand.shape[0], people):
            yield {name: getattr(self, name)[first : first + people] for name in names}


def begin(inputs: xr.Dataset) -> Content:
    """Return what the stores hold at the start: nobody can show where it came from, so retail power of mean carbon."""
    energy = of_stores(inputs, "initial_energy")
    return Content(_retail(energy, inputs.sizes["participant"]), energy * inputs["grid_carbon"].values.mean())


def follow(
    inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, content: Content | None = None
) -> Iterator[Span]:
    """Yield the slots of a run in order of time, in spans, with their energy by source.

    Parameters
    ----------
    inputs, results, trades : xr.Dataset
        Of one slot or more; trades of other slots are no part of them.
    content : Content, optional
        What the stores hold before the first slot: that of the span before (default: :func:`begin`).
    """
    run, content = flows(inputs, results, trades), begin(inputs) if content is None else content
    slots, meters = run.generated.shape
    length = max(SPAN // meters, 1)
    for first in range(0, slots, length):
        span = _span(run.span(first, first + length), content)
        content = span.content
        yield span


def _span(run: Flows, content: Content) -> Span:
    """Return the energy by source in the slots of a run that begins with a content of the stores.

    Rows over the sources (P + 1), with h [kWh] what the stores hold, k [kg] its carbon dioxide, and c [kWh] what is
    charged at their meters::

        g  = G h + W                       in a kWh that a meter gives       G, W, U, R and r: see _Meters
        u  = U g + R                       in a kWh that a meter uses
        q  = part h + beyond retail        in a kWh that a store gives       part, beyond, left and stays: see _stores
        h' = left h + stays c u            what the stores hold in the next slot
           = K h + D                       with K = stays c U G + left,  D = stays c (U W + R)
        k' = left k + ((K - left) loss k + stays c r) / gain

    Only h and k go from slot to slot; u, g and q of all slots follow from them at once.
    """
    (meters, people), slots = (run.generated.shape[1], run.demand.shape[1]), run.slots
    part, beyond, left, stays = _stores(run, content)
    at, c = (run.behind + meters * slots).ravel(), run.charged
    mix = _Meters(run, at, run.discharged * part, run.discharged * beyond)
    G, W, U, R = mix.give, mix.own, mix.use, mix.rest
    stored, U_at = stays * c, U[at]
    K = _scaled(stored, U_at @ G) + _diagonal(left)
    D = _scaled(stored, U_at @ W + R[at])
    h, k, after = _carried(run, content, K, D, left, stored * mix.carbon[at].reshape(c.shape))
    g = G @ h + W
    u = U @ g + R
    q = _scaled(part, h) + _retail(beyond, people)
    charge = _scaled(c, u[at])
    inside = run.discharged * (run.loss - 1.0) + run.wasted
    lost = (1.0 - stays).ravel() @ charge + inside.ravel() @ q + mix.resold @ u
    drivers, vehicles = run.owner[run.vehicles], np.arange(at.size).reshape(part.shape)[:, run.vehicles]
    driving = _scaled(run.driven, q[vehicles.ravel()])
    driven = run.driven * (part * k)[:, run.vehicles]
    return Span(
        demand=_scaled(run.demand, u[(np.arange(people) + meters * slots).ravel()]),
        charge=_sums(run.owner, slots, people) @ charge,
        driving=_sums(drivers, slots, people) @ driving,
        distance=_sums(drivers, slots, people) @ _scaled(run.economy + 0.0 * run.driven, driving),
        given=_leaving(run, mix.outward, g),
        exported=(run.exported.ravel() @ g)[:people],
        lost=lost[:people],
        carbon=sum_at(drivers, driven.sum(axis=0), people),
        content=after,
    )


def _stores(run: Flows, content: Content) -> tuple[Array, Array, Array, Array]:
    """Return how the stores mix (slots, S), by their energy alone.

    A kWh that goes out holds ``part`` of each kWh that was held, and ``beyond`` of what nobody knows; ``left`` is what
    does not go out of a kWh that was held, and ``stays`` what is stored of a kWh that is charged. With h held, c
    charged and o going out, which is loss times what is discharged, plus what is wasted and driven [kWh]::

        part   = 1 / max(o, h)
        beyond = 1 - part h
        left   = max(1 - o / h, 0)
        stays  = gain max(1 - max(o - h, 0) / (gain c), 0)        what o exceeds h by is taken of what is charged
        h'     = left h + stays c
    """
    o = run.discharged * run.loss + run.wasted
    o[:, run.vehicles] += run.driven
    charged = run.gain * run.charged
    level, h = content.energy.sum(axis=1), np.empty_like(o)
    for t in range(len(o)):
        h[t] = level
        rest, missing = np.maximum(level - o[t], 0.0), np.maximum(o[t] - level, 0.0)
        stored = np.where(charged[t] > LEAST, np.maximum(charged[t] - missing, 0.0), charged[t])
        level = np.where(level > LEAST, rest, 0.0) + stored
    some = h > LEAST
    part = np.where(some, _ratio(1.0, np.maximum(o, h)), 0.0)
    left = np.where(some, np.maximum(1.0 - _ratio(o, h), 0.0), 0.0)
    stays = run.gain * np.maximum(1.0 - _ratio(np.maximum(o - h, 0.0), charged), 0.0)
    return part, 1.0 - part * h, left, stays


class _Meters:
    """What is in a kWh that a meter gives or uses, slot after slot (slots * M,).

    What it gives has ``give`` G (slots * M, slots * S) of what stores hold and ``own`` W (slots * M, P + 1) of sources.
    What it uses has ``use`` U (slots * M, slots * M) of what meters give, ``rest`` R (slots * M, P + 1) of sources and,
    with that, ``carbon`` r [kg]. ``outward`` [kWh] leaves its account. What it gives beyond its sources,
    ``resold`` [kWh], counts as retail power.
    """

    def __init__(self, run: Flows, at: Array, known: Array, unknown: Array):
        """Mix what stores give to the meters ``at`` (slots * S,): ``known`` per kWh held, and ``unknown`` [kWh]."""
        (slots, meters), people = run.generated.shape, run.demand.shape[1]
        size, first = slots * meters, meters * run.traded
        seller, buyer, exported = first + run.seller, first + run.buyer, run.exported.ravel()

        def at_meters(place: Array, values: Array) -> Array:
            return np.bincount(place, values.ravel(), size)

        sources = at_meters(at, run.discharged) + run.generated.ravel()
        given = at_meters(seller, run.energy) + exported
        left, self.resold = np.maximum(sources - given, 0.0), np.maximum(given - sources, 0.0)
        sources = sources + self.resold
        used = left + at_meters(buyer, run.energy) + run.imported.ravel()
        per_source, per_use = _ratio(1.0, sources), _ratio(1.0, used)
        self.give = _scaled(per_source, placed(known, at, np.arange(len(at)), (size, len(at))))
        owner = np.tile(run.account, slots)
        sun = _scaled(per_source, _one_each(run.generated, owner, people + 1))
        nobodys = at_meters(at, unknown) + self.resold
        self.own = sun + _retail(nobodys * per_source + (sources <= LEAST), people)
        self.use = _scaled(per_use, _diagonal(left) + placed(run.energy, buyer, seller, (size, size)))
        self.rest = _retail(run.imported.ravel() * per_use + (used <= LEAST), people)
        self.carbon = (run.imported * run.grid_carbon).ravel() * per_use
        apart = run.account[run.seller] != run.account[run.buyer]
        self.outward = exported + at_meters(seller, run.energy * apart)


def _carried(
    run: Flows, content: Content, K: Any, D: Any, left: Array, charged: Array
) -> tuple[Matrix, Array, Content]:
    """Return what the stores hold before each slot (slots * S, P + 1) [kWh], its carbon (slots, S) [kg], and the end.

    ``charged`` (slots, S) [kg] is stays c r; for the other letters see :func:`_span`.
    """
    h: Any = content.energy
    size, k = len(run.owner), content.carbon
    K = Matrix((K.data, K.indices % max(size, 1), K.indptr), shape=(D.shape[0], size))
    if size * D.shape[1] <= DENSE:
        h, K, D = h.toarray(), K.toarray(), D.toarray()
    energy, carbon = [], []
    for t in range(len(left)):
        energy.append(h)
        carbon.append(k)
        slot = slice(t * size, (t + 1) * size)
        stays, out = K[slot], run.loss * k
        through = np.maximum(stays @ out - left[t] * out, 0.0)
        h, k = stays @ h + D[slot], left[t] * k + (through + charged[t]) / run.gain
    before = np.concatenate(energy) if isinstance(h, np.ndarray) else sparse.vstack(energy)
    return Matrix(before), np.array(carbon), Content(Matrix(h), k)


def _leaving(run: Flows, outward: Array, given: Matrix) -> Array:
    """Return the own PV energy (P,) in what leaves the account of each meter, slot after slot (slots * M,)."""
    row, account = np.arange(outward.size), np.tile(run.account, len(run.generated))
    return sum_at(account, outward * given[row, account], run.demand.shape[1])


def _sums(account: Array, slots: Array, people: int) -> Matrix:
    """Return the matrix (slots * P, slots * n) that sums up what belongs to accounts (n,)."""
    row = (account + people * slots).ravel()
    return placed(np.ones(len(row)), row, np.arange(len(row)), (len(slots) * people, len(row)))


def placed(values: Array, row: Array, column: Array, shape: tuple[int, int]) -> Matrix:
    """Return the sparse matrix with values at rows and columns (n,); those at one place add up."""
    some = np.flatnonzero(values)
    return Matrix((values.ravel()[some], (row[some], column[some])), shape=shape)


def _diagonal(values: Array) -> Matrix:
    """Return the diagonal matrix (n, n) of values (n,)."""
    return _one_each(values, np.arange(values.size), values.size)


def _retail(values: Array, people: int) -> Matrix:
    """Return the rows (n, P + 1) of retail power alone (n,)."""
    return _one_each(values, np.full(values.size, people), people + 1)


def _one_each(values: Array, column: Array, width: int) -> Matrix:
    """Return the matrix (n, width) whose rows hold one of the values (n,) each, in its column (n,)."""
    values = values.ravel()
    some = values != 0
    start = np.concatenate([[0], np.cumsum(some)])
    return Matrix((values[some], column[some], start), shape=(values.size, width))


def _scaled(factor: Array, matrix: Matrix) -> Matrix:
    """Return a matrix (n, m) with each row times its factor (n,)."""
    factor = np.repeat(factor.ravel(), np.diff(matrix.indptr))
    some = Matrix((factor * matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
    some.eliminate_zeros()
    return some


def _ratio(part: Any, whole: Array) -> Array:
    """Return part / whole (n,), 0 where nothing is there."""
    return np.asarray(np.divide(part, whole, out=np.zeros(whole.shape), where=whole > LEAST))
