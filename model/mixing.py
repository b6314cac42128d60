"""Energy by its source, slot by slot: how what a meter draws, makes and takes out of its stores mixes.

The rules stand in `origin`. Everything is linear: with the mixture that each store gives, the mixtures that the
meters give and use are two products with sparse matrices.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import sparse

from .algebra import Array
from .meters import positions
from .traders import parties, sum_at, traders

Matrix = sparse.csr_array
LEAST = 1e-9
"""Energy [kWh] below which there is nothing to mix."""


@dataclass(frozen=True)
class Content:
    """What the stores hold, batteries before vehicles (S,): enough to go on with in the next slot.

    ``energy`` (S, P + 1) [kWh]: the PV energy of each participant, and in the last column retail energy; ``carbon``
    (S,) [kg] that its generation emitted.
    """

    energy: Matrix
    carbon: Array


@dataclass(frozen=True)
class Slot:
    """One slot by account and source (P, P + 1): PV of each participant, then retail power [kWh].

    ``demand`` at the meters, ``charge`` into stores at their AC side, ``driving`` out of the batteries of vehicles;
    ``distance`` the same in km. ``given`` (P,) own PV sold to other accounts or exported; ``exported`` by anybody and
    ``lost`` in stores (P,) by producer; ``carbon`` (P,) [kg] of the electricity driven; ``content`` of the stores at
    its end.
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


def begin(inputs: xr.Dataset) -> Content:
    """Return what the stores hold at the start: nobody can show where it came from, so retail power of mean carbon."""
    energy = np.concatenate([inputs[f"{device}_initial_energy"].values for device in ("battery", "vehicle")])
    retail = inputs.sizes["participant"]
    held = _placed(energy, np.arange(len(energy)), np.full(len(energy), retail), (len(energy), retail + 1))
    return Content(held, energy * inputs["grid_carbon"].values.mean())


def follow(
    inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, content: Content | None = None
) -> Iterator[Slot]:
    """Yield the slots of a run in order of time, each with its energy by source.

    Parameters
    ----------
    inputs, results, trades : xr.Dataset
        Of one slot or more; trades of other slots are no part of them.
    content : Content, optional
        What the stores hold before the first slot: that of the slot before (default: :func:`begin`).
    """
    run = _Run(inputs, results, trades)
    content = begin(inputs) if content is None else content
    for t in range(inputs.sizes["time"]):
        slot = run.slot(t, content)
        content = slot.content
        yield slot


@dataclass(frozen=True)
class _Mixture:
    """What a kWh consists of, by meter or store (n,): ``share`` (n, P + 1) by source, ``carbon`` (n,) [kg/kWh]."""

    share: Matrix
    carbon: Array


class _Run:
    """A run as arrays: the P participants and M - P vehicles that trade, S stores, T slots; see `Traders`."""

    def __init__(self, inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset):
        def both(name: str, source: xr.Dataset) -> Array:
            arrays = (source[f"{device}_{name}"] for device in ("battery", "vehicle"))
            return np.concatenate([a.transpose(..., "time", missing_dims="ignore").values for a in arrays])

        self.who, self.people = traders(inputs), inputs.sizes["participant"]
        self.hours, self.grid_carbon = inputs["slot_hours"].values, inputs["grid_carbon"].values
        self.pv = (inputs["pv_available"] - results["pv_curtailment"]).transpose("participant", "time").values
        self.demand = inputs["demand"].transpose("participant", "time").values
        self.charge, self.discharge = both("charge", results), both("discharge", results)
        self.gain, self.loss = both("charge_efficiency", inputs), 1.0 / both("discharge_efficiency", inputs)
        owner = positions(inputs, "battery_owner", "participant")
        home = np.repeat(owner[:, None], len(self.hours), axis=1)
        self.vehicles = slice(len(owner), None)
        self.owner = np.concatenate([owner, self.who.account[self.people :]])
        self.behind = np.concatenate([home, self.who.behind])
        self.economy, self.driven = inputs["vehicle_electric_economy"].values, _driven(inputs, results)
        self.imported = self.who.stack(results["grid_import"], results["vehicle_import"])
        self.exported = self.who.stack(results["grid_export"], results["vehicle_export"])
        self.seller, self.buyer, self.traded = parties(inputs, trades)
        self.energy = trades["trade_energy"].values
        self.outward = self.who.account[self.seller] != self.who.account[self.buyer]

    def slot(self, t: int, content: Content) -> Slot:
        """Return slot ``t``, which begins with a content of the stores."""
        hours, behind, driven = self.hours[t], self.behind[:, t], self.driven[:, t]
        taken, back = hours * self.charge[:, t], hours * self.discharge[:, t]
        held, out = content.energy.sum(axis=1), back * self.loss
        out[self.vehicles] += driven
        store = self._stores(content, held, out)
        given, pool, leaving, exported = self._meters(t, store)
        charge, left = _scaled(taken, pool.share[behind]), np.maximum(1.0 - _ratio(out, held), 0.0)
        stays = self.gain * np.maximum(1.0 - _ratio(np.maximum(out - held, 0.0), self.gain * taken), 0.0)
        drive, drivers = _scaled(driven, store.share[self.vehicles]), self._sums(self.owner[self.vehicles])
        return Slot(
            demand=_scaled(hours * self.demand[:, t], pool.share[: self.people]),
            charge=self._sums(self.owner) @ charge,
            driving=drivers @ drive,
            distance=drivers @ _scaled(self.economy, drive),
            given=self._sums(self.who.account) @ leaving,
            exported=(exported @ given.share)[: self.people],
            lost=((1.0 - stays) @ charge + (back * (self.loss - 1.0)) @ store.share)[: self.people],
            carbon=drivers @ (driven * store.carbon[self.vehicles]),
            content=Content(
                energy=Matrix(_scaled(left, content.energy) + _scaled(stays, charge)),
                carbon=left * content.carbon + taken * pool.carbon[behind],
            ),
        )

    def _stores(self, content: Content, held: Array, out: Array) -> _Mixture:
        """Return what the stores give: of what they held (S,), and where that is less than goes out, retail power."""
        part = np.minimum(_ratio(held, np.maximum(out, held)), 1.0)
        beyond = _placed(
            1.0 - part, np.arange(len(part)), np.full(len(part), self.people), content.energy.shape
        )
        share = _scaled(part, _shares(content.energy, held)) + beyond
        return _Mixture(Matrix(share), part * _ratio(content.carbon, held))

    def _meters(self, t: int, store: _Mixture) -> tuple[_Mixture, _Mixture, Array, Array]:
        """Return what the meters (M,) give and what they use, own PV that leaves the account, and exports [kWh]."""
        size, hours, behind = len(self.imported), self.hours[t], self.behind[:, t]
        made, back = hours * self.pv[:, t], hours * self.discharge[:, t]
        sources = sum_at(behind, back, size)
        sources[: self.people] += made
        own = _placed(made, np.arange(self.people), np.arange(self.people), (size, self.people + 1))
        stored = _placed(back, behind, np.arange(len(back)), (size, len(back)))
        carbon = sum_at(behind, back * self.loss * store.carbon, size)
        given = _Mixture(_shares(stored @ store.share + own, sources), _ratio(carbon, sources))
        now = np.flatnonzero(self.traded == t)
        seller, buyer, energy = self.seller[now], self.buyer[now], self.energy[now]
        sold = _placed(energy, buyer, seller, (size, size))
        imported, exported = hours * self.imported[:, t], hours * self.exported[:, t]
        left = np.maximum(sources - sum_at(seller, energy, size) - exported, 0.0)
        used = left + sum_at(buyer, energy, size) + imported
        retail = _placed(imported, np.arange(size), np.full(size, self.people), own.shape)
        share = _shares(_scaled(left, given.share) + sold @ given.share + retail, used)
        carbon = left * given.carbon + sold @ given.carbon + imported * self.grid_carbon[t]
        outward = exported + sum_at(seller, energy * self.outward[now], size)
        leaving = outward * given.share[np.arange(size), self.who.account]
        return given, _Mixture(share, _ratio(carbon, used)), leaving, exported

    def _sums(self, account: Array) -> Matrix:
        """Return the matrix (P, n) that sums up what belongs to accounts (n,)."""
        return _placed(np.ones(len(account)), account, np.arange(len(account)), (self.people, len(account)))


def _driven(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the energy (V, T) [kWh] that trips take out of the vehicles in the slots in which they depart."""
    time, departure = inputs["time"].values, inputs["trip_departure"].values
    end = time[-1] + np.timedelta64(round(float(inputs["slot_hours"].values[-1]) * 3.6e12), "ns")
    trip = np.flatnonzero((departure >= time[0]) & (departure < end))
    driver = positions(inputs, "trip_vehicle", "vehicle")[trip]
    slot = np.searchsorted(time, departure[trip], side="right") - 1
    energy = (
        results["trip_electric_distance"].values[trip] / inputs["vehicle_electric_economy"].values[driver]
    )
    driven = np.zeros((inputs.sizes["vehicle"], len(time)))
    np.add.at(driven, (driver, slot), energy)
    return driven


def _placed(values: Array, row: Array, column: Array, shape: tuple[int, int]) -> Matrix:
    """Return the sparse matrix with values (n,) at rows and columns; those at one place add up."""
    some = np.flatnonzero(values)
    return Matrix((values[some], (row[some], column[some])), shape=shape)


def _scaled(factor: Array, matrix: Matrix) -> Matrix:
    """Return a matrix (n, m) with each row times its factor (n,)."""
    row = np.repeat(np.arange(len(factor)), np.diff(matrix.indptr))
    return Matrix((factor[row] * matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _shares(energy: Matrix, total: Array) -> Matrix:
    """Return the rows (n, P + 1) of energies by source over their sums; where nothing is, it counts as retail."""
    row = np.arange(len(total))
    unknown = _placed(
        (total <= LEAST).astype(float), row, np.full(len(row), energy.shape[1] - 1), energy.shape
    )
    shares = Matrix(_scaled(_ratio(np.ones(len(total)), total), energy) + unknown)
    shares.eliminate_zeros()
    return shares


def _ratio(part: Array, whole: Array) -> Array:
    """Return part / whole (n,), 0 where nothing is there."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > LEAST)
