"""Energies of a run at meters and stores, slot by slot: what the second tracer, `tracing`, mixes."""

import numpy as np

from ...data.inputs import devices
from ..labels import Array
from .money import Trades
from .physics import Run, remaining

LEAST = 1e-9
"""Energy [kWh] below which there is nothing to mix."""


class Stores:
    """Batteries, then vehicles (S,), slot by slot (T, S): the ``meter`` of each, and how what it holds mixes.

    A store that charges and discharges in one slot moves the difference, and ``idle`` [kWh] is lost inside, by
    self-discharge too. A kWh that
    leaves it has ``part`` of each that it held, and ``beyond`` of retail power; ``left`` stays of each that it held, and
    ``stays`` of each that it charges, at the meter.
    """

    def __init__(self, run: Run):
        def both(name: str, source: dict[str, Array]) -> Array:
            return np.concatenate([source[f"{device}_{name}"] for device in devices.stores()]).T

        self.batteries, slots = len(run.owner["battery"]), len(run.hours)
        at_home, guest = run.owner["vehicle"][:, None], run.participants + np.arange(run.vehicles)[:, None]
        home = np.repeat(run.owner["battery"][:, None], slots, axis=1)
        self.meter = np.concatenate([home, np.where(run.at_home, at_home, guest)]).T
        self.gain, self.taken = both("charge_efficiency", run.i), 1.0 / both("discharge_efficiency", run.i)
        hours = run.hours[:, None]
        net = (both("charge", run.r) - both("discharge", run.r)) * hours
        self.charge, self.discharge = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        self.idle = (both("charge", run.r) * hours - self.charge) * (self.taken - self.gain)
        self.driven = np.zeros((slots, run.vehicles))
        electric = run.r["trip_electric_distance"] / run.i["vehicle_electric_economy"][run.driver]
        np.add.at(self.driven, (run.trip_slot, run.driver), electric)
        self.start = both("initial_energy", run.i)
        before = np.concatenate([self.start[None], both("energy", run.r)[:-1]])
        self.idle += before * (1.0 - np.concatenate([remaining(run, name) for name in devices.stores()]).T)
        out, into = self.taken * self.discharge + self.idle, self.gain * self.charge
        out[:, self.batteries :] += self.driven
        self.wasted = (self.taken - 1.0) * self.discharge + self.idle
        self.owner, self.economy = run.owner["vehicle"], run.i["vehicle_electric_economy"]
        held = self._levels(out, into)
        some, short = held > LEAST, np.maximum(out - held, 0.0)
        self.part = np.where(some, over(1.0, np.maximum(held, out)), 0.0)
        self.beyond = 1.0 - self.part * held
        self.left = np.where(some, np.maximum(1.0 - over(out, held), 0.0), 0.0)
        self.stays = np.maximum(1.0 - over(short, into), 0.0)

    def _levels(self, out: Array, into: Array) -> Array:
        """Return what the stores hold before each slot (T, S) [kWh]."""
        level, levels = self.start, np.empty_like(out)
        for t in range(len(out)):
            levels[t] = level
            more = level - out[t]
            enters = np.where(into[t] > LEAST, np.maximum(into[t] + np.minimum(more, 0.0), 0.0), into[t])
            level = np.where(level > LEAST, np.maximum(more, 0.0), 0.0) + enters
        return levels


class Meters:
    """The meters (M,), slot by slot (T, M): what each made, imported and exported, and its trades [kWh].

    First those of participants, then of guests, then of the PV of those who meter it gross: these inject one part of
    every export and sale of their trader. Trades are in order of ``slot``.
    """

    def __init__(self, run: Run, traded: Trades):
        people, hours = run.participants, run.hours[:, None]
        gross, traders = np.flatnonzero(run.gross), people + run.vehicles
        self.account = np.concatenate([np.arange(people), run.owner["vehicle"], gross])
        shape = (len(hours), len(self.account))
        self.made, self.imported, self.exported = np.zeros((3, *shape))
        self.made[:, :people] = (run.generated - run.apart).T * hours
        self.made[:, traders:] = run.apart[gross].T * hours
        for name, powers in (("import", self.imported), ("export", self.exported)):
            powers[:, :people] = run.r[f"grid_{name}"].T * hours
            powers[:, people:traders] = np.where(run.guest, run.r[f"vehicle_{name}"], 0.0).T * hours
        order = np.argsort(traded.slot, kind="stable")
        self.slot, self.energy = traded.slot[order], traded.energy[order]
        self.seller, self.buyer = (
            np.where(traded.vehicle[side] >= 0, people + traded.vehicle[side], traded.account[side])[order]
            for side in ("seller", "buyer")
        )
        self.grid_carbon = run.i["grid_carbon"]
        if len(gross):
            self._split(gross, traders)

    def _split(self, gross: Array, traders: int) -> None:
        """Let the meters of PV, from number ``traders`` on, inject what they made of what their owners do."""
        injected = self.exported.copy()
        np.add.at(injected, (self.slot, self.seller), self.energy)
        share = np.zeros_like(injected)
        share[:, gross] = np.minimum(over(self.made[:, traders:], injected[:, gross]), 1.0)
        apart = share * self.exported
        self.exported -= apart
        self.exported[:, traders:] = apart[:, gross]
        meter = np.full(traders, -1)
        meter[gross] = traders + np.arange(len(gross))
        sold = share[self.slot, self.seller] * self.energy
        theirs = np.flatnonzero(meter[self.seller] >= 0)
        slot = np.append(self.slot, self.slot[theirs])
        order = np.argsort(slot, kind="stable")
        self.slot, self.buyer = slot[order], np.append(self.buyer, self.buyer[theirs])[order]
        self.energy = np.append(self.energy - sold, sold[theirs])[order]
        self.seller = np.append(self.seller, meter[self.seller[theirs]])[order]


def over(part: Array | float, whole: Array) -> Array:
    """Return part / whole, 0 where there is nothing."""
    return np.asarray(np.divide(part, whole, out=np.zeros(whole.shape), where=whole > LEAST))
