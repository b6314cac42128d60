"""Who trades, unfolded: the participants, and their vehicles where they are guests.

Folding (`meters`) is a matter of the model; trades and accounts know every participant and every vehicle.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ..labels import Array, places_of, positions


@dataclass(frozen=True)
class Traders:
    """The P participants, and after them the V vehicles as guests, over T slots.

    ``account`` (P + V,) is the index of the participant who pays, ``vehicle`` (P + V,) the vehicle's label or
    ``""``, ``node`` (P + V, T) the index of the node, -1 where a vehicle is no guest in that slot, ``behind``
    (V, T) the trader whose meter a vehicle is plugged in behind: its owner at home, itself elsewhere.
    """

    account: Array
    vehicle: Array
    node: Array
    behind: Array

    def stack(self, participants: xr.DataArray, vehicles: xr.DataArray) -> Array:
        """Return values (P + V, T) of the participants (P, T), and of the vehicles (V, T) where guests."""
        both = [array.transpose(..., "time").values for array in (participants, vehicles)]
        return np.where(self.node >= 0, np.concatenate(both), 0.0)


def shared_fees(inputs: xr.Dataset, buyer: Array, slot: Array) -> Array:
    """Return what the tariffs of buyers (trade,), positions of traders, add to a kWh from peers [currency/kWh]."""
    if "shared_fee" not in inputs:
        return np.zeros(len(buyer))
    return np.asarray(inputs["shared_fee"].values[_tariff(inputs)[buyer], slot])


@derived
def traders(inputs: xr.Dataset) -> Traders:
    """Return who can trade: a vehicle does so where it is plugged in away from its owner's premises."""
    home = positions(inputs, "participant_node", "node")
    host = positions(inputs, "vehicle_host", "participant")
    owner = positions(inputs, "vehicle_owner", "participant")
    at_home = host == owner[:, None]
    size = len(home)
    return Traders(
        account=np.concatenate([np.arange(size), owner]),
        vehicle=np.concatenate([np.full(size, ""), inputs["vehicle"].values.astype(str)]),
        node=np.concatenate(
            [
                np.repeat(home[:, None], inputs.sizes["time"], axis=1),
                np.where((host >= 0) & ~at_home, home[host], -1),
            ]
        ),
        behind=np.where(at_home, owner[:, None], size + np.arange(len(owner))[:, None]),
    )


def parties(inputs: xr.Dataset, trades: xr.Dataset) -> tuple[Array, Array, Array]:
    """Return the seller, the buyer (positions among the traders) and the slot of every trade (trade,)."""
    trader = []
    for side in ("seller", "buyer"):
        vehicle, participant = (
            places_of(inputs.variables[dim], trades.variables[f"trade_{side}{name}"])
            for name, dim in (("_vehicle", "vehicle"), ("", "participant"))
        )
        trader.append(np.where(vehicle >= 0, inputs.sizes["participant"] + vehicle, participant))
    return trader[0], trader[1], np.searchsorted(inputs["time"].values, trades["trade_time"].values)


@derived
def uncontrolled(inputs: xr.Dataset) -> Array:
    """Return demand less PV at every trader's meter (P + V, T) [kW]: nothing at those of guests."""
    net = inputs["demand"].values - inputs["pv_available"].values
    return np.concatenate([net, np.zeros((inputs.sizes["vehicle"], net.shape[1]))])


def at_traders(trader: Array, power: Array, size: int) -> Array:
    """Return the sums (P + V, T) of powers (S, T) of stores behind the meters of traders (S, T)."""
    total = np.zeros((size, power.shape[1]))
    np.add.at(total, (trader, np.arange(power.shape[1])), power)
    return total


def tariff_prices(inputs: xr.Dataset, slot: int) -> tuple[Array, Array]:
    """Return the retail and the feed-in price (P + V,) [currency/kWh] of every trader in a slot."""
    tariff = _tariff(inputs)
    return inputs["retail_price"].values[tariff, slot], inputs["feed_in_price"].values[tariff, slot]


@derived
def _tariff(inputs: xr.Dataset) -> Array:
    """Return the position of the tariff of every trader (P + V,)."""
    return positions(inputs, "participant_tariff", "tariff")[traders(inputs).account]
