"""Batteries and vehicles as one list of stores."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ..labels import Array, positions
from .traders import traders

DUST = 1e-6
"""Energy [kWh] that nobody lacks: what the solver's tolerance leaves."""


@dataclass(frozen=True)
class Stores:
    """The S stores of a community, its batteries and after them its vehicles, as one array each.

    ``owner`` (S,) is the position of the participant whose it is, ``trader`` (S, T) that among the traders
    (participants, then guest vehicles) behind whose meter it is; ``plugged`` (S, T) tells where it can charge; ``kept``
    (S, T) is what is left of its energy after a slot; the rest (S,) bears the names of the variable table, where
    batteries have no ``min_charge``.
    """

    owner: Array
    trader: Array
    plugged: Array
    kept: Array
    capacity: Array
    min_energy: Array
    initial_energy: Array
    final_energy: Array
    charge_limit: Array
    discharge_limit: Array
    charge_efficiency: Array
    discharge_efficiency: Array
    wear_cost: Array
    min_charge: Array

    def chargeable(self, power: Array, headroom: Array, must: Array | float = 0.0) -> Array:
        """Return charging powers (S, ...) [kW] as chargers take them: nothing, or at least the minimum.

        What is below it becomes the nearer of the two, the minimum where something ``must`` be charged; nothing where
        ``headroom`` (S, ...) is less than the minimum.
        """
        least = self.min_charge.reshape(-1, *[1] * (power.ndim - 1))
        up = ((power >= least / 2) | (np.asarray(must) > 0)) & (headroom >= least)
        return np.where(power >= least, power, np.where(up, least, 0.0))


_TABLE = (
    "capacity",
    "min_energy",
    "initial_energy",
    "final_energy",
    "charge_limit",
    "discharge_limit",
    "charge_efficiency",
    "discharge_efficiency",
    "wear_cost",
)


@derived
def stores(inputs: xr.Dataset) -> Stores:
    """Return the stores of the inputs."""
    slots, behind = inputs.sizes["time"], traders(inputs).behind
    owner = {name: positions(inputs, row.owner, "participant") for name, row in devices.stores().items()}
    trader, plugged, min_charge = [], [], []
    for name, row in devices.stores().items():
        shape = (inputs.sizes[name], slots)
        trader.append(behind if row.host else np.broadcast_to(owner[name][:, None], shape))
        plugged.append(inputs[row.host].values != "" if row.host else np.ones(shape, dtype=bool))
        least = f"{name}_min_charge"
        min_charge.append(inputs[least].values if least in inputs else np.zeros(shape[0]))
    return Stores(
        owner=np.concatenate(list(owner.values())),
        trader=np.concatenate(trader),
        plugged=np.concatenate(plugged),
        kept=np.concatenate([kept(inputs, name) for name in devices.stores()]),
        min_charge=np.concatenate(min_charge),
        **{name: of_stores(inputs, name) for name in _TABLE},
    )


def kept(inputs: xr.Dataset, device: str) -> Array:
    """Return what self-discharge leaves of the energy of every store of a device after a slot (store, time) [1].

    (1 - self_discharge[s]) ^ (hours[t] / 24)
    """
    left = 1.0 - optional(inputs, f"{device}_self_discharge")
    return np.asarray(left[:, None] ** (inputs["slot_hours"].values / 24.0))


def course(start: Array, change: Array, kept: Array) -> Array:
    """Return energies (S, T) [kWh] from a start (S, 1), when each slot keeps a part (S, T) and adds a change (S, T)."""
    if (kept == 1.0).all():
        return np.asarray(start + np.cumsum(change, axis=1))
    energy, level = np.empty(change.shape), start[:, 0]
    for t in range(change.shape[1]):
        level = energy[:, t] = kept[:, t] * level + change[:, t]
    return energy


def of_stores(dataset: xr.Dataset, name: str) -> Array:
    """Return a variable of all stores (S, ...): ``battery_<name>``, and after it ``vehicle_<name>``."""
    return np.concatenate(
        [dataset[f"{device}_{name}"].transpose(device, ...).values for device in devices.stores()]
    )


def optional_of_stores(inputs: xr.Dataset, name: str) -> Array:
    """Return an optional variable of all stores (S, ...), or what its absence stands for."""
    return np.concatenate([optional(inputs, f"{device}_{name}") for device in devices.stores()])


def firm_targets(inputs: xr.Dataset, dear: Array) -> Array:
    """Return the energies (S, T) [kWh] that stores must have at the end of a slot, -inf where they need none.

    Targets without a price, or with one above what is ``dear`` (S,) [currency/kWh].
    """
    target, price = optional_of_stores(inputs, "target"), optional_of_stores(inputs, "target_price")
    firm = (np.isnan(price) | (price > dear))[:, None] & ~np.isnan(target)
    return np.where(firm, target, -np.inf)


def has_targets(inputs: xr.Dataset) -> bool:
    """Return whether a store has a target."""
    return any(f"{device}_target" in inputs for device in devices.stores())


def within_reach(inputs: xr.Dataset, most: Array) -> xr.Dataset:
    """Return the inputs with no target above the most (S, T) [kWh] that its store can hold then."""
    own = {f"{device}_target": energy for device, energy in by_device(inputs, most).items()}
    near = {
        name: inputs[name].copy(data=np.minimum(inputs[name].values, energy))
        for name, energy in own.items()
        if name in inputs
    }
    return inputs.assign(near)


def lacking(inputs: xr.Dataset, device: str, energy: Array) -> Array:
    """Return what stores with energies (store, time) [kWh] at the ends of the slots lack of their targets [kWh]."""
    lack = np.nan_to_num(optional(inputs, f"{device}_target") - energy, nan=0.0)
    return np.where(lack > DUST, lack, 0.0)


def breaches(results: xr.Dataset) -> dict[str, float]:
    """Return what all stores lack of all targets of a run [kWh], as ``target_missing``; nothing where none has one."""
    own = [results[f"{device}_breach"] for device in devices.stores() if f"{device}_breach" in results]
    return {"target_missing": float(sum(lack.values.sum() for lack in own))} if own else {}


def by_device(dataset: xr.Dataset, values: Array) -> dict[str, Array]:
    """Return values (S, ...) of all stores apart, of batteries and of vehicles; what comes after them is left out."""
    apart, end = {}, 0
    for device in devices.stores():
        begin, end = end, end + dataset.sizes[device]
        apart[device] = values[begin:end]
    return apart


def of_devices(dataset: xr.Dataset, values: Mapping[str, Array]) -> Array:
    """Return the values (S, ...) of all stores from those of each device; 0 for a device that has none."""
    some = next(iter(values.values()))
    return np.concatenate(
        [
            values.get(device, np.zeros((dataset.sizes[device], *some.shape[1:])))
            for device in devices.stores()
        ]
    )


def with_stores(inputs: xr.Dataset, name: str, values: Array) -> xr.Dataset:
    """Return the inputs with other values (S,) of a variable of all stores."""
    new = {f"{device}_{name}": part for device, part in by_device(inputs, values).items()}
    return inputs.assign({label: inputs[label].copy(data=part) for label, part in new.items()})


def without_final_limits(inputs: xr.Dataset) -> xr.Dataset:
    """Return the inputs without the most that stores may hold at the end."""
    return inputs.drop_vars([f"{device}_final_limit" for device in devices.stores()], errors="ignore")


def missing(inputs: xr.Dataset, energy: Array) -> float:
    """Return what stores lack of their final energies [kWh] where they end with an energy (S,) [kWh]."""
    final = of_stores(inputs, "final_energy")
    return float(np.nansum(np.maximum(final - energy[: len(final)], 0.0)))
