"""Where the energy came from: own PV, peers' PV, or the retailer.

Origins mix pro rata, slot by slot, in the gross quantities that are billed:

* What a meter gives is a mixture of its own sources, PV after curtailment and discharge, since no retail
  power is resold. What is left of them and what it draws mix to supply its consumption and charging.
* A store gives the mixture that it held when the slot began, to the meter and to driving alike; losses take
  of the mixture too. What it holds at the start of the horizon counts as retail power: nobody can show where
  it came from.
* Energy sold to another account is a peer's for its buyer; between the meters of one account it keeps its
  origin.

As a meter gives nothing that it draws in the same slot, a single pass over time is exact.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from .algebra import Array
from .meters import positions
from .traders import Traders, parties, sum_at, traders


@dataclass(frozen=True)
class Origins:
    """Energy [kWh] and distance [km] over the horizon by account (P,).

    ``pv`` after curtailment; ``given`` own PV energy sold to other accounts or exported; ``exported`` PV
    energy of any account that it exports; ``demand`` and ``driven`` what it consumes; ``distance`` what it
    drives. The ``..._from`` of the last three, and ``held`` in its stores at the end (P, 2), are the parts from
    own PV and from peers' PV. Over the community ``pv`` = ``demand_from`` + ``driven_from`` + ``exported`` +
    ``held`` + losses of the stores.
    """

    pv: Array
    given: Array
    exported: Array
    demand: Array
    demand_from: Array
    driven: Array
    driven_from: Array
    distance: Array
    distance_from: Array
    held: Array


def trace(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset) -> Origins:
    """Follow own and peers' PV energy through meters, trades and stores."""
    who, size, hours = traders(inputs), inputs.sizes["participant"], inputs["slot_hours"].values
    stores, market = _Stores(inputs, results, who), _Market(inputs, results, trades, who)
    total = len(who.account)
    given, exported, demand_from = (np.zeros((total, 2)) for _ in range(3))
    driven_from = np.zeros((len(stores.driven), 2))
    pv, demand = np.zeros((2, total, len(hours)))
    pv[:size] = (inputs["pv_available"] - results["pv_curtailment"]).values
    demand[:size] = inputs["demand"].values
    for t, h in enumerate(hours):
        held, at = stores.mixture(), stores.behind[:, t]
        sources = pv[:, t] + sum_at(at, stores.discharge[:, t], total)
        renewable = sum_at(at, stores.discharge[:, t, None] * held, total)
        renewable[:, 0] += pv[:, t]
        mixture = _ratio(renewable, sources)
        supply, draw = market.supply[:, t], market.draw[:, t]
        kept, received = market.carry(t, mixture)
        left = np.maximum(sources - supply, 0.0)
        pool = _ratio(mixture * left[:, None] + received, left + draw)
        given += h * (mixture * supply[:, None] - kept)
        exported += h * mixture * market.exported[:, t, None]
        demand_from += h * pool * demand[:, t, None]
        driven_from += stores.driven[:, t, None] * held[len(held) - len(driven_from) :]
        stores.advance(t, held, pool[at])
    economy, owner = inputs["vehicle_electric_economy"].values, who.account[size:]
    driver = positions(inputs, "trip_vehicle", "vehicle")
    return Origins(
        pv=pv[:size] @ hours,
        given=sum_at(who.account, given[:, 0], size),
        exported=sum_at(who.account, exported.sum(axis=1), size),
        demand=inputs["demand"].values @ hours,
        demand_from=demand_from[:size],
        driven=sum_at(owner, stores.driven.sum(axis=1), size),
        driven_from=sum_at(owner, driven_from, size),
        distance=sum_at(owner[driver], inputs["trip_distance"].values, size),
        distance_from=sum_at(owner, driven_from * economy[:, None], size),
        held=sum_at(stores.owner, stores.renewable, size),
    )


class _Market:
    """What every trader draws, supplies and exports [kW] (trader, time), and the trades of every slot."""

    def __init__(self, inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, who: Traders):
        seller, buyer, slot = parties(inputs, trades)
        line = np.argsort(slot, kind="stable")
        self.seller, self.buyer, slot = seller[line], buyer[line], slot[line]
        self.power = trades["trade_energy"].values[line] / inputs["slot_hours"].values[slot]
        self.same = (who.account[self.seller] == who.account[self.buyer])[:, None]
        self.begin = np.searchsorted(slot, np.arange(inputs.sizes["time"] + 1))
        self.exported = who.stack(results["grid_export"], results["vehicle_export"])
        self.supply = self.exported.copy()
        self.draw = who.stack(results["grid_import"], results["vehicle_import"])
        np.add.at(self.supply, (self.seller, slot), self.power)
        np.add.at(self.draw, (self.buyer, slot), self.power)

    def carry(self, t: int, mixture: Array) -> tuple[Array, Array]:
        """Return what stays in its account, by seller, and what comes in, by buyer (trader, origin) [kW]."""
        k = slice(self.begin[t], self.begin[t + 1])
        sent = self.power[k, None] * mixture[self.seller[k]]
        of_a_peer = sent.sum(axis=1, keepdims=True) * np.array([0.0, 1.0])
        kept = np.where(self.same[k], sent, 0.0)
        received = np.where(self.same[k], sent, of_a_peer)
        return sum_at(self.seller[k], kept, len(mixture)), sum_at(self.buyer[k], received, len(mixture))


class _Stores:
    """Batteries, then vehicles: the meter each is behind, what goes in and out, and the PV energy inside."""

    def __init__(self, inputs: xr.Dataset, results: xr.Dataset, who: Traders):
        def given(name: str, source: xr.Dataset) -> Array:
            return np.concatenate([source[f"{device}_{name}"].values for device in ("battery", "vehicle")])

        slots = inputs.sizes["time"]
        owner = positions(inputs, "battery_owner", "participant")
        self.owner = np.concatenate([owner, who.account[inputs.sizes["participant"] :]])
        self.behind = np.concatenate([np.repeat(owner[:, None], slots, axis=1), who.behind])
        self.discharge, charge = given("discharge", results), given("charge", results)
        hours = inputs["slot_hours"].values
        self.gain = charge * hours * given("charge_efficiency", inputs)[:, None]
        self.loss = self.discharge * hours / given("discharge_efficiency", inputs)[:, None]
        driver = positions(inputs, "trip_vehicle", "vehicle")
        slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values, side="right") - 1
        self.driven = np.zeros((inputs.sizes["vehicle"], slots))
        energy = results["trip_electric_distance"].values / inputs["vehicle_electric_economy"].values[driver]
        np.add.at(self.driven, (driver, slot), energy)
        self.loss[len(owner) :] += self.driven
        self.energy = np.concatenate(
            [given("initial_energy", inputs)[:, None], given("energy", results)], axis=1
        )
        self.renewable = np.zeros((len(self.energy), 2))
        self.slot = 0

    def mixture(self) -> Array:
        """Return the shares (store, origin) of PV energy at the start of the slot."""
        return np.minimum(_ratio(self.renewable, self.energy[:, self.slot]), 1.0)

    def advance(self, t: int, held: Array, pool: Array) -> None:
        """Go on to the next slot: take out of what was held, add of the meter's pool."""
        self.renewable += self.gain[:, t, None] * pool - self.loss[:, t, None] * held
        self.slot = t + 1


def _ratio(part: Array, whole: Array) -> Array:
    """Return part (n, 2) / whole (n,), 0 where nothing (less than 1e-9) is there."""
    return np.divide(part, whole[:, None], out=np.zeros_like(part), where=whole[:, None] > 1e-9)
