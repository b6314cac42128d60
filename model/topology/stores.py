"""Batteries and vehicles as one list of stores."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..labels import Array, positions
from .traders import traders


@dataclass(frozen=True)
class Stores:
    """The S stores of a community, its batteries and after them its vehicles, as one array each.

    ``trader`` (S, T) is the position among the traders (participants, then guest vehicles) behind whose meter it is;
    ``plugged`` (S, T) tells where it can charge; the rest (S,) bears the names of the variable table, where batteries
    have no ``min_charge``.
    """

    trader: Array
    plugged: Array
    capacity: Array
    min_energy: Array
    charge_limit: Array
    discharge_limit: Array
    charge_efficiency: Array
    discharge_efficiency: Array
    wear_cost: Array
    min_charge: Array

    def chargeable(self, power: Array, room: Array, must: Array | float = 0.0) -> Array:
        """Return charging powers (S, ...) [kW] as chargers take them: nothing, or at least the minimum.

        What is below it becomes the nearer of the two, the minimum where something ``must`` be charged; nothing where
        ``room`` (S, ...) is less than the minimum.
        """
        least = self.min_charge.reshape(-1, *[1] * (power.ndim - 1))
        up = ((power >= least / 2) | (np.asarray(must) > 0)) & (room >= least)
        return np.where(power >= least, power, np.where(up, least, 0.0))


def stores(inputs: xr.Dataset) -> Stores:
    """Return the stores of the inputs."""
    slots = inputs.sizes["time"]
    battery = np.repeat(positions(inputs, "battery_owner", "participant")[:, None], slots, axis=1)
    behind = traders(inputs).behind
    both = {
        name: np.concatenate([inputs[f"{device}_{name}"].values for device in ("battery", "vehicle")])
        for name in (
            "capacity",
            "min_energy",
            "charge_limit",
            "discharge_limit",
            "charge_efficiency",
            "discharge_efficiency",
            "wear_cost",
        )
    }
    return Stores(
        trader=np.concatenate([battery, behind]),
        plugged=np.concatenate([np.ones(battery.shape, dtype=bool), inputs["vehicle_host"].values != ""]),
        min_charge=np.concatenate([np.zeros(len(battery)), inputs["vehicle_min_charge"].values]),
        **both,
    )
