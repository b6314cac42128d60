"""Energy of a run followed slot by slot from its producers to its uses: a second tracer, for `origins`.

It follows the rules that `settlement.origins` states, by matrices with one column per producer and a last one of retail
power; carbon dioxide goes beside them as a vector.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...data.inputs import devices
from ..labels import Array
from .money import Trades
from .physics import Run

Matrix = sparse.csr_array
USES = ("demand", "driving", "distance")
_LEAST = 1e-9


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

    def enter(self, use: str, slot: int, account: Array, amounts: Matrix) -> None:
        """Enter what each account (n,) used in a slot, by producer (n, P + 1)."""
        people = len(self.given)
        total = (
            _placed(np.ones(len(account)), account, np.arange(len(account)), (people, len(account))) @ amounts
        )
        self.by_producer[use] = self.by_producer[use] + total
        entries = total.tocoo()
        source = np.where(entries.col == people, 2, entries.col != entries.row)
        np.add.at(self.by_source[use][:, :, slot], (entries.row, source), entries.data)


def followed(run: Run, traded: Trades) -> Used:
    """Return what became of the energy of a run."""
    people, slots = run.participants, len(run.hours)
    used = Used(
        {use: np.zeros((people, 3, slots)) for use in USES},
        {use: Matrix((people, people + 1)) for use in USES},
        *np.zeros((5, people)),
    )
    loads = {name: row.draw for name, row in devices.loads().items()}
    consumed = (run.i["demand"] + run.behind_meters(loads)) * run.hours
    stores, economy = _Stores(run), run.i["vehicle_electric_economy"]
    for t in range(slots):
        meters = _Meters(run, traded, stores, t)
        driven, vehicles = stores.driven[:, t], slice(stores.batteries, None)
        drive = _scaled(driven, stores.mix(t)[vehicles])
        used.enter("demand", t, np.arange(people), _scaled(consumed[:, t], meters.uses[:people]))
        used.enter("driving", t, run.owner["vehicle"], drive)
        used.enter("distance", t, run.owner["vehicle"], _scaled(economy, drive))
        np.add.at(used.carbon, run.owner["vehicle"], driven * stores.carbon_per_kwh(t)[vehicles])
        used.exported += (meters.exported @ meters.gives)[:people]
        own = meters.gives[np.arange(len(meters.account)), meters.account]
        np.add.at(used.given, meters.account, meters.outward * own)
        used.lost += (stores.advance(t, meters) + meters.resold @ meters.uses)[:people]
    used.held += stores.content.sum(axis=0)[:people]
    return used


class _Stores:
    """Batteries, then vehicles (S,): the meter of each, and by producer what it holds [kWh], with its carbon [kg].

    A store that charges and discharges in one slot moves the difference, and ``idle`` (S, T) [kWh] is lost inside.
    """

    def __init__(self, run: Run):
        def both(name: str, source: dict[str, Array]) -> Array:
            return np.concatenate([source[f"{device}_{name}"] for device in devices.stores()])

        self.batteries, slots = len(run.owner["battery"]), len(run.hours)
        at_home, guest = run.owner["vehicle"][:, None], run.participants + np.arange(run.vehicles)[:, None]
        home = np.repeat(run.owner["battery"][:, None], slots, axis=1)
        self.meter = np.concatenate([home, np.where(run.at_home, at_home, guest)])
        self.gain, self.taken = both("charge_efficiency", run.i), 1.0 / both("discharge_efficiency", run.i)
        net = (both("charge", run.r) - both("discharge", run.r)) * run.hours
        self.charge, self.discharge = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        passing = both("charge", run.r) * run.hours - self.charge
        self.idle = passing * (self.taken - self.gain)[:, None]
        self.driven = np.zeros((run.vehicles, slots))
        electric = run.r["trip_electric_distance"] / run.i["vehicle_electric_economy"][run.driver]
        np.add.at(self.driven, (run.driver, run.trip_slot), electric)
        start = both("initial_energy", run.i)
        self.content, self.carbon = _retail(start, run.participants), start * run.i["grid_carbon"].mean()

    def _moves(self, t: int) -> tuple[Array, Array]:
        """Return what the stores hold and what leaves them (S,) [kWh]."""
        out = self.taken * self.discharge[:, t] + self.idle[:, t]
        out[self.batteries :] += self.driven[:, t]
        return self.content.sum(axis=1), out

    def _part(self, t: int) -> Array:
        """Return the part of what a store holds that is in a kWh that leaves it (S,)."""
        held, out = self._moves(t)
        return np.where(held > _LEAST, _over(1.0, np.maximum(held, out)), 0.0)

    def mix(self, t: int) -> Matrix:
        """Return the mix in a kWh taken out of a store (S, P + 1): retail power beyond what it held."""
        part = self._part(t)
        beyond = 1.0 - part * self.content.sum(axis=1)
        mix: Matrix = _scaled(part, self.content) + _retail(beyond, self.content.shape[1] - 1)
        return mix

    def carbon_per_kwh(self, t: int) -> Array:
        """Return the carbon in a kWh taken out of a store (S,) [kg/kWh]."""
        return np.asarray(self._part(t) * self.carbon)

    def advance(self, t: int, meters: "_Meters") -> Array:
        """Move on to the next slot; return what is lost (P + 1,) by producer [kWh]."""
        (held, out), charge, at = self._moves(t), self.charge[:, t], self.meter[:, t]
        left = np.where(held > _LEAST, np.maximum(1.0 - _over(out, held), 0.0), 0.0)
        stays = np.maximum(1.0 - _over(np.maximum(out - held, 0.0), self.gain * charge), 0.0)
        enters = _scaled(charge, meters.uses[at])
        wasted = (self.taken - 1.0) * self.discharge[:, t] + self.idle[:, t]
        lost = (1.0 - self.gain * stays) @ enters + wasted @ self.mix(t)
        self.content = _scaled(left, self.content) + _scaled(self.gain * stays, enters)
        self.carbon = left * self.carbon + stays * charge * meters.carbon[at]
        return np.asarray(lost)


class _Meters:
    """The meters (M,) in a slot, with the mix (M, P + 1) in a kWh that each gives and uses.

    First those of participants, then of guests, then of the PV of those who meter it gross.
    ``carbon`` (M,) [kg] is in a kWh used; ``exported`` (M,), ``outward`` to other accounts, and ``resold`` beyond the
    meter's own sources are energies [kWh].
    """

    def __init__(self, run: Run, traded: Trades, stores: _Stores, t: int):
        people, hours = run.participants, run.hours[t]
        gross, traders = np.flatnonzero(run.gross), people + run.vehicles
        self.account = np.concatenate([np.arange(people), run.owner["vehicle"], gross])
        size = len(self.account)
        now = np.flatnonzero(traded.slot == t)
        seller, buyer = (
            np.where(traded.vehicle[side] >= 0, people + traded.vehicle[side], traded.account[side])[now]
            for side in ("seller", "buyer")
        )
        made = np.zeros(size)
        made[:people] = (run.generated - run.apart)[:, t] * hours
        made[traders:] = run.apart[gross, t] * hours
        place, discharged = stores.meter[:, t], stores.discharge[:, t]
        behind = _placed(discharged, place, np.arange(len(place)), (size, len(place)))
        exported, imported = (
            hours
            * np.concatenate(
                [
                    run.r[f"grid_{n}"][:, t],
                    np.where(run.guest, run.r[f"vehicle_{n}"], 0.0)[:, t],
                    np.zeros(len(gross)),
                ]
            )
            for n in ("export", "import")
        )
        energy, away = traded.energy[now], self.account[seller] != self.account[buyer]
        injected = exported + np.bincount(seller, energy, size)
        split = _split(gross, np.minimum(_over(made[traders:], injected[gross]), 1.0), size)
        trades = _placed(energy, buyer, seller, (size, size)) @ split
        self.exported = exported @ split
        sources, out = made + behind.sum(axis=1), self.exported + trades.sum(axis=0)
        self.resold, kept = np.maximum(out - sources, 0.0), np.maximum(sources - out, 0.0)
        own = _placed(made, np.arange(size), self.account, (size, people + 1))
        given = own + behind @ stores.mix(t) + _retail(self.resold, people)
        self.gives, total = _per_kwh(given, people), sources + self.resold
        self.uses = _per_kwh(
            _scaled(kept, self.gives) + trades @ self.gives + _retail(imported, people), people
        )
        carbon = _over(behind @ (stores.taken * stores.carbon_per_kwh(t)), total)
        used = kept + trades.sum(axis=1) + imported
        emitted = kept * carbon + trades @ carbon + imported * run.i["grid_carbon"][t]
        self.carbon = _over(emitted, used)
        self.outward = (exported + np.bincount(seller, energy * away, size)) @ split


def _split(gross: Array, share: Array, size: int) -> Matrix:
    """Return what each meter injects (M, M) of a kWh that a trader does: of participants ``gross`` two.

    ``share`` (G,) of it comes from the meter of their PV, in every export and sale alike; those meters come last.
    """
    every, kept = np.arange(size), np.ones(size)
    kept[gross] -= share
    apart = _placed(share, gross, every[size - len(gross) :], (size, size))
    split: Matrix = apart + _placed(kept, every, every, (size, size))
    return split


def _over(part: Array | float, whole: Array) -> Array:
    """Return part / whole (n,), 0 where there is nothing."""
    return np.asarray(np.divide(part, whole, out=np.zeros(len(whole)), where=whole > _LEAST))


def _placed(values: Array, row: Array, column: Array, shape: tuple[int, int]) -> Matrix:
    return Matrix((values, (row, column)), shape=shape)


def _retail(values: Array, people: int) -> Matrix:
    """Return rows (n, P + 1) of retail power alone."""
    return _placed(values, np.arange(len(values)), np.full(len(values), people), (len(values), people + 1))


def _scaled(factor: Array, matrix: Matrix) -> Matrix:
    """Return a matrix (n, m) with each row times its factor (n,)."""
    return Matrix(
        (matrix.data * np.repeat(factor, np.diff(matrix.indptr)), matrix.indices, matrix.indptr),
        shape=matrix.shape,
    )


def _per_kwh(mix: Matrix, people: int) -> Matrix:
    """Return the mix in a kWh (n, P + 1): retail power where there is nothing."""
    whole = mix.sum(axis=1)
    share: Matrix = _scaled(_over(1.0, whole), mix) + _retail((whole <= _LEAST).astype(float), people)
    return share
