"""Origins of energy on a settled run, traced again.

Findings as in `physics`. Producers are not told apart one by one: each has a weight, and what
follows it through meters, trades and stores is PV energy times the weight of its producer. Mixing is linear, so a wrong
producer, consumer or amount shows in the weighted sums, without a matrix of all pairs.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ..labels import Array
from .money import Trades
from .physics import Finding, Run, arrays, index

_GOLDEN = 0.6180339887498949
_LEAST = 1e-9
_USES = ("demand", "driving", "distance")
_MIX = ("energy", "PV energy", "PV energy times the weight of its producer", "carbon dioxide")


def provenance(run: Run, trades: xr.Dataset, settlement: xr.Dataset) -> Iterator[Finding]:
    """Yield every check of the origins of demand and driving, and of the carbon dioxide of driving."""
    s, traded = arrays(settlement), Trades(run, trades)
    if not traded.known.all():
        return
    used = _followed(run, traded)
    consumer, producer = (
        index(run.labels["participant"], s[f"origin_{n}"]) for n in ("consumer", "producer")
    )
    weight, slots = _weights(run), ("participant", "time")
    for name in _USES:
        settled, (whole, pv, weighted, _) = s[f"{name}_from"], used[name]
        wrong = np.maximum(abs(settled[:, :2].sum(axis=1) - pv), abs(settled.sum(axis=1) - whole))
        yield Finding(f"origin of {name}", slots, np.maximum(wrong, -settled.min(axis=1)), whole)
        of_whom = np.zeros((3, run.participants))
        amount, own = s[f"origin_{name}"], np.where(consumer == producer, s[f"origin_{name}"], 0.0)
        for row, values in zip(of_whom, (amount, amount * weight[producer], own), strict=True):
            np.add.at(row, consumer, values)
        want = pv.sum(axis=1), weighted.sum(axis=1), settled[:, 0].sum(axis=1)
        yield Finding(f"origin of {name} by producer", slots[:1], abs(of_whom - want).max(axis=0), want[0])
    generated = ((run.i["pv_available"] - run.r["pv_curtailment"]) * run.hours).sum(axis=1)
    became = s["pv_exported"] + s["pv_lost"] + s["pv_held"]
    np.add.at(became, producer, s["origin_demand"] + s["origin_driving"])
    yield Finding("origin of what became of PV", slots[:1], abs(generated - became), generated)
    yield from _carbon(run, s, used["driving"][3].sum(axis=1))


def _carbon(run: Run, s: dict[str, Array], electric: Array) -> Iterator[Finding]:
    """Yield the carbon dioxide of driving, by electricity (P,) [kg] and fuel, and on petrol alone."""
    account, per_litre = run.owner["vehicle"][run.driver], run.i["fuel_carbon"][run.driver]
    litres = run.i["trip_distance"] / run.i["vehicle_fuel_economy"][run.driver]
    burnt, petrol = electric.copy(), np.zeros(run.participants)
    np.add.at(burnt, account, run.r["trip_fuel"] * per_litre)
    np.add.at(petrol, account, litres * per_litre)
    yield Finding("driving_co2", ("participant",), abs(s["driving_co2"] - burnt), burnt)
    off = np.where(
        np.isnan(petrol) & np.isnan(s["driving_co2_petrol"]), 0.0, s["driving_co2_petrol"] - petrol
    )
    yield Finding("driving_co2_petrol", ("participant",), abs(off), np.nan_to_num(petrol))


def _weights(run: Run) -> Array:
    """Return a weight (P,) in [0, 1) for every producer, no two alike."""
    return np.asarray((_GOLDEN * np.arange(1, run.participants + 1)) % 1.0)


def _followed(run: Run, traded: Trades) -> dict[str, Array]:
    """Return demand, electricity driven and distance by account, each (``_MIX``, P, T)."""
    people, account = run.participants, run.owner["vehicle"]
    economy = run.i["vehicle_electric_economy"]
    driven = np.zeros((run.vehicles, len(run.hours)))
    np.add.at(driven, (run.driver, run.trip_slot), run.r["trip_electric_distance"] / economy[run.driver])
    consumed = run.i["demand"] + run.behind_meters({name: row.draw for name, row in devices.loads().items()})
    stores = _Stores(run)
    used = {name: np.zeros((people, len(run.hours), len(_MIX))) for name in _USES}
    for t in range(len(run.hours)):
        held = stores.gives(t, driven[:, t])
        pool = _pool(run, traded, stores, held, t)
        used["demand"][:, t] = (consumed[:, t] * run.hours[t])[:, None] * pool[:people]
        drive = driven[:, t, None] * held[stores.batteries :]
        np.add.at(used["driving"][:, t], account, drive)
        np.add.at(used["distance"][:, t], account, economy[:, None] * drive)
        stores.advance(t, pool, driven[:, t])
    return {name: np.moveaxis(values, -1, 0) for name, values in used.items()}


class _Stores:
    """Batteries, then vehicles (S,): the meter of each, and what it holds, as a mix (S, 4)."""

    def __init__(self, run: Run):
        def both(name: str, source: dict[str, Array]) -> Array:
            return np.concatenate([source[f"{device}_{name}"] for device in devices.stores()])

        self.batteries, slots = len(run.owner["battery"]), len(run.hours)
        at_home, guest = run.owner["vehicle"][:, None], run.participants + np.arange(run.vehicles)[:, None]
        home = np.repeat(run.owner["battery"][:, None], slots, axis=1)
        self.meter = np.concatenate([home, np.where(run.at_home, at_home, guest)])
        gain, loss = both("charge_efficiency", run.i)[:, None], both("discharge_efficiency", run.i)[:, None]
        net = (both("charge", run.r) - both("discharge", run.r)) * run.hours
        self.charge, self.discharge = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        self.idle = (both("charge", run.r) * run.hours - self.charge) * (1.0 / loss - gain)
        kept = np.array([[0.0, 0.0, 0.0, 1.0]])  # carbon dioxide is not lost with the energy
        self.enters, self.taken = gain * (1 - kept) + kept, 1.0 / loss
        self.leaves = (1 - kept) + kept / loss
        start = both("initial_energy", run.i)
        self.mix = start[:, None] * np.array([1.0, 0.0, 0.0, run.i["grid_carbon"].mean()])

    def gives(self, t: int, driven: Array) -> Array:
        """Return the mix in a kWh taken out of a store (S, 4): of unknown origin beyond what it held."""
        out, inside = self._out(t, driven), self.mix[:, 0]
        part = np.divide(inside, out, out=np.ones_like(out), where=out > inside)[:, None]
        return np.asarray(part * _per_kwh(self.mix) + (1.0 - part) * np.array([1.0, 0.0, 0.0, 0.0]))

    def advance(self, t: int, pool: Array, driven: Array) -> None:
        """Take the outflow out of the mix, and add of the meter's pool what is not taken in the same slot."""
        out, inside = self._out(t, driven), self.mix[:, 0]
        some = inside > _LEAST
        left = np.where(some, np.maximum(1.0 - out / np.where(some, inside, 1.0), 0.0), 0.0)
        added = self.enters * self.charge[:, t, None] * pool[self.meter[:, t]]
        beyond = np.minimum(np.maximum(out - inside, 0.0), added[:, 0])
        share = np.divide(beyond, added[:, 0], out=np.zeros_like(out), where=added[:, 0] > _LEAST)
        self.mix = left[:, None] * self.mix + (1.0 - share[:, None]) * added

    def _out(self, t: int, driven: Array) -> Array:
        """Return the energy (S,) that leaves the stores [kWh], with what charging and discharging at once loses."""
        out: Array = self.taken[:, 0] * self.discharge[:, t] + self.idle[:, t]
        out[self.batteries :] += driven
        return out


def _pool(run: Run, traded: Trades, stores: _Stores, held: Array, t: int) -> Array:
    """Return the mix in a kWh that a meter uses (P + V, 4): of what it keeps, buys from peers and imports."""
    people, h = run.participants, run.hours[t]
    mix = np.zeros((people + run.vehicles, len(_MIX)))
    made = (run.i["pv_available"][:, t] - run.r["pv_curtailment"][:, t]) * h
    mix[:people] = made[:, None] * np.stack([np.ones(people), np.ones(people), _weights(run), 0.0 * made], 1)
    np.add.at(mix, stores.meter[:, t], stores.discharge[:, t, None] * stores.leaves * held)
    now = np.flatnonzero(traded.slot == t)
    meter = {
        side: np.where(traded.vehicle[side] >= 0, people + traded.vehicle[side], traded.account[side])[now]
        for side in ("seller", "buyer")
    }
    out = (
        np.concatenate([run.r["grid_export"][:, t], np.where(run.guest, run.r["vehicle_export"], 0.0)[:, t]])
        * h
    )
    np.add.at(out, meter["seller"], traded.energy[now])
    mix[:, 0] = np.maximum(mix[:, 0], out)  # given beyond what is there: retail power that is resold
    given = _per_kwh(mix)
    mix = np.maximum(mix[:, :1] - out[:, None], 0.0) * given
    np.add.at(mix, meter["buyer"], traded.energy[now, None] * given[meter["seller"]])
    bought = np.concatenate(
        [run.r["grid_import"][:, t], np.where(run.guest, run.r["vehicle_import"], 0.0)[:, t]]
    )
    mix += (h * bought)[:, None] * np.array([1.0, 0.0, 0.0, run.i["grid_carbon"][t]])
    return _per_kwh(mix)


def _per_kwh(mix: Array) -> Array:
    """Return the mix in a kWh (n, 4): of unknown origin where there is no energy."""
    some = mix[:, :1] > _LEAST
    return np.where(some, mix / np.where(some, mix[:, :1], 1.0), [[1.0, 0.0, 0.0, 0.0]])
