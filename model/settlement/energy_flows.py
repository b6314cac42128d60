"""Energy flows of a run as arrays, slot by slot: of meters, stores, and trades between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ..labels import Array, positions
from ..topology.meters import metered_gross
from ..topology.stores import of_stores, stores
from ..topology.traders import parties, traders


@dataclass(frozen=True)
class Flows:
    """Energy flows [kWh] of P participants, M meters, and S stores, V vehicles last, in T slots.

    The meters are those of participants, then of guests, then of the PV that is metered gross.

    ``account`` (M,) and ``owner`` (S,) are the participants whose a meter and a store is, ``behind`` (T, S) the meter
    that a store is behind. ``charged`` and ``discharged`` (T, S) are at the AC side, where a kWh becomes ``gain`` (S,)
    inside, and comes from ``loss`` (S,); never both in a slot, see :func:`flows`, where ``wasted`` (T, S) is lost
    inside, self-discharge with it. Trips take ``driven`` (T, V) out of the vehicles, at ``economy`` (V,) [km/kWh].
    ``demand`` (T, P) includes what loads draw; ``generated`` (T, M) is PV after curtailment; ``imported`` and
    ``exported`` (T, M) pass the retailer; ``grid_carbon`` (T, 1) [kg/kWh]. A trade sends ``energy`` (trade,) from
    meter ``seller`` to ``buyer`` in slot ``traded``.
    """

    account: Array
    owner: Array
    gain: Array
    loss: Array
    economy: Array
    behind: Array
    charged: Array
    discharged: Array
    wasted: Array
    driven: Array
    demand: Array
    generated: Array
    imported: Array
    exported: Array
    grid_carbon: Array
    traded: Array
    seller: Array
    buyer: Array
    energy: Array

    @property
    def slots(self) -> Array:
        """The numbers of the slots (T, 1)."""
        return np.arange(len(self.charged))[:, None]

    @property
    def vehicles(self) -> slice:
        """Which stores are vehicles."""
        return slice(len(self.owner) - len(self.economy), None)

    def span(self, first: int, end: int) -> Flows:
        """Return slots ``first`` to ``end`` (exclusive)."""
        now = np.flatnonzero((self.traded >= first) & (self.traded < end))
        slots = {name: getattr(self, name)[first:end] for name in _PER_SLOT}
        trades = {name: getattr(self, name)[now] for name in ("seller", "buyer", "energy")}
        return replace(self, **slots, **trades, traded=self.traded[now] - first)


_PER_SLOT = (
    "behind",
    "charged",
    "discharged",
    "wasted",
    "driven",
    "demand",
    "generated",
    "imported",
    "exported",
    "grid_carbon",
)


def flows(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset) -> Flows:
    """Return the energy flows of a run; trades of other slots are left out.

    What passes through a store within a slot never leaves its meter. Where c [kWh] is charged and d discharged at once,
    both lessen by what passes, p = min(c, d), and the store wastes (loss - gain) p: it ends the slot with the same. It
    wastes (1 - kept) of what it held when the slot began, too.
    """
    who, hours = traders(inputs), inputs["slot_hours"].values[:, None]

    def kwh(name: str, source: xr.Dataset) -> Array:
        return np.asarray(hours * source[name].transpose("time", ...).values)

    people, store = inputs.sizes["participant"], stores(inputs)
    gain, loss = store.charge_efficiency, 1.0 / store.discharge_efficiency
    charged, discharged = (hours * of_stores(results, name).T for name in ("charge", "discharge"))
    passing = np.minimum(charged, discharged)
    generated = np.zeros((len(hours), len(who.account)))  # guests have no PV
    generated[:, :people] = kwh("pv_available", inputs) - kwh("pv_curtailment", results)
    here = np.isin(trades["trade_time"].values, inputs["time"].values)
    trades = trades if here.all() else trades.isel(trade=np.flatnonzero(here))
    seller, buyer, traded = parties(inputs, trades)
    pooled = Flows(
        account=who.account,
        owner=store.owner,
        gain=gain,
        loss=loss,
        economy=inputs["vehicle_electric_economy"].values,
        behind=store.trader.T,
        charged=charged - passing,
        discharged=discharged - passing,
        wasted=(loss - gain) * passing + _lost_at_rest(inputs, results, store.kept.T),
        driven=_driven(inputs, results),
        demand=kwh("demand", inputs) + hours * _loads(inputs, results).T,
        generated=generated,
        imported=hours * who.stack(results["grid_import"], results["vehicle_import"]).T,
        exported=hours * who.stack(results["grid_export"], results["vehicle_export"]).T,
        grid_carbon=inputs["grid_carbon"].values[:, None],
        traded=traded,
        seller=seller,
        buyer=buyer,
        energy=trades["trade_energy"].values,
    )
    return _with_pv_meters(pooled, np.flatnonzero(metered_gross(inputs)))


def _lost_at_rest(inputs: xr.Dataset, results: xr.Dataset, kept: Array) -> Array:
    """Return what stores lose by themselves (T, S) [kWh], of what they hold when a slot begins: 1 - ``kept`` (T, S)."""
    if (kept == 1.0).all():
        return np.zeros_like(kept)
    start, energy = of_stores(inputs, "initial_energy"), of_stores(results, "energy").T
    return np.asarray((1.0 - kept) * np.vstack([start[None], energy])[: len(energy)])


def _with_pv_meters(run: Flows, owner: Array) -> Flows:
    """Return the flows with the PV of each owner (G,) at a meter of its own, after all others.

    It injects all its PV, and the owner's main meter the rest of what both inject. Whoever gets some of that, a buyer or
    the retailer, gets it from both meters in one proportion.
    """
    slots, meters = run.generated.shape
    given = run.exported.copy()
    np.add.at(given, (run.traded, run.seller), run.energy)
    pv = np.zeros((slots, meters))
    pv[:, owner] = run.generated[:, owner]
    part = np.minimum(np.divide(pv, given, out=np.zeros_like(pv), where=given > 0), 1.0)
    exported, sold = part * run.exported, part[run.traded, run.seller] * run.energy
    theirs = np.flatnonzero(np.isin(run.seller, owner))
    beyond = np.full(meters, -1)
    beyond[owner] = meters + np.arange(len(owner))

    def apart(whole: Array, moved: Array) -> Array:
        return np.hstack([whole - moved, moved[:, owner]])

    return replace(
        run,
        account=np.append(run.account, owner),
        generated=apart(run.generated, pv),
        imported=apart(run.imported, np.zeros_like(pv)),
        exported=apart(run.exported, exported),
        traded=np.append(run.traded, run.traded[theirs]),
        seller=np.append(run.seller, beyond[run.seller[theirs]]),
        buyer=np.append(run.buyer, run.buyer[theirs]),
        energy=np.append(run.energy - sold, sold[theirs]),
    )


def _loads(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what the loads of each participant draw (P, T) [kW]."""
    power = np.zeros((inputs.sizes["participant"], inputs.sizes["time"]))
    for name, row in devices.loads(inputs).items():
        if not inputs.sizes[name]:  # what nobody has need not stand in the results
            continue
        owner = positions(inputs, row.owner, "participant")
        np.add.at(power, owner, results[row.draw].transpose(name, "time").values)
    return power


def _driven(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the energy (T, V) [kWh] that trips take out of the vehicles in the slots in which they depart."""
    time, departure = inputs["time"].values, inputs["trip_departure"].values
    end = time[-1] + np.timedelta64(round(float(inputs["slot_hours"].values[-1]) * 3.6e12), "ns")
    trip = np.flatnonzero((departure >= time[0]) & (departure < end))
    driver = positions(inputs, "trip_vehicle", "vehicle")[trip]
    slot = np.searchsorted(time, departure[trip], side="right") - 1
    energy = (
        results["trip_electric_distance"].values[trip] / inputs["vehicle_electric_economy"].values[driver]
    )
    driven = np.zeros((len(time), inputs.sizes["vehicle"]))
    np.add.at(driven, (slot, driver), energy)
    return driven
