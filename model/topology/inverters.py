"""Inverters that PV and batteries behind a meter share, and batteries that give to the home alone.

A hybrid inverter converts to AC the PV that is used and what batteries discharge, less what they charge::

    -limit <= pv - curtailment + sum over batteries of discharge - charge <= limit

What batteries that give to the home alone discharge is at most the demand and what is charged behind the meter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, sum_at
from .stores import of_devices, stores


@dataclass(frozen=True)
class Inverters:
    """What is behind the meters of P participants and V guests, with S stores.

    ``limit`` (P + V,) [kW]; ``behind`` (S,) the positions of the stores' owners; ``converted`` (S,) tells which stores
    are batteries, which alone are behind the inverter, ``inward`` (S,) which give to the home alone.
    """

    limit: Array
    behind: Array
    converted: Array
    inward: Array

    def output(self, pv: Array, charge: Array, discharge: Array) -> Array:
        """Return what inverters would give as AC (P + V, ...) [kW], were all ``pv`` (P + V, ...) used."""
        return np.asarray(pv + self._batteries(discharge - charge))

    def unused(self, pv: Array, charge: Array, discharge: Array) -> Array:
        """Return the PV that inverters do not convert (P + V, ...) [kW]."""
        limit = self.limit.reshape(-1, *[1] * (pv.ndim - 1))
        return np.asarray(np.clip(self.output(pv, charge, discharge) - limit, 0.0, pv))

    def part(self, able: Array, room: Array) -> Array:
        """Return the powers (S,) that stores are able to change by where inverters have so much ``room`` (P + V,)."""
        return np.where(self.converted, self._limited(able, room, self.converted), able)

    def held(self, power: Array, most: Array) -> Array:
        """Return powers (S,) of which batteries that give to the home alone have together at the ``most`` (P + V,)."""
        return np.where(self.inward, self._limited(power, most, self.inward), power)

    def _limited(self, power: Array, most: Array, which: Array) -> Array:
        """Return powers (S,), each in the same proportion where those of ``which`` exceed the most of their meter."""
        total = sum_at(self.behind, np.where(which, power, 0.0), len(most))
        most = np.maximum(most, 0.0)
        part = np.divide(most, total, out=np.ones_like(total), where=total > most)
        return np.asarray(power * part[self.behind])

    def _batteries(self, power: Array) -> Array:
        own = self.converted.reshape(-1, *[1] * (power.ndim - 1))
        return sum_at(self.behind, np.where(own, power, 0.0), len(self.limit))


def inverters(inputs: xr.Dataset) -> Inverters:
    """Return the inverters of the inputs."""
    guests, batteries = inputs.sizes["vehicle"], np.ones(inputs.sizes["battery"], dtype=bool)
    home = optional(inputs, "battery_gives") == "home"
    return Inverters(
        limit=np.concatenate([optional(inputs, "inverter_limit"), np.full(guests, np.inf)]),
        behind=stores(inputs).owner,
        converted=of_devices(inputs, {"battery": batteries}) > 0,
        inward=of_devices(inputs, {"battery": home}) > 0,
    )


def generated(inputs: xr.Dataset) -> Array:
    """Return the PV at the meters of participants and guests (P + V, T) [kW], before curtailment."""
    pv = inputs["pv_available"].values
    return np.concatenate([pv, np.zeros((inputs.sizes["vehicle"], pv.shape[1]))])


def inverter_share(inputs: xr.Dataset) -> Array:
    """Return the part (S,) of their charge limits that stores can take in any case, without PV: 1 for vehicles.

    Where the inverter is smaller than all batteries behind it, each gets its share.
    """
    own, limit = inverters(inputs), stores(inputs).charge_limit
    share = own.part(limit, own.limit)
    return np.divide(share, limit, out=np.ones_like(limit), where=limit > 0)
