"""Towns of one kind and another for the benchmark of a clearing: what differs makes linear programs differ in kind.

Where nothing else is said: one tariff by time of use, trade within a transformer at an access fee of 0.5 on either side
and with 1.5, 3 and 5 more for each level above, and cars that only charge, at home.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from .neighbourhood import neighbourhood

SLOTS_PER_DAY = 48


def base(homes: int, days: int = 1) -> xr.Dataset:
    """Return the inputs that the variants vary."""
    inputs = neighbourhood(homes, days=days)
    level = inputs["node"].str.replace(r"\d+$", "")
    fee = xr.zeros_like(inputs["node_fee"])
    for name, price in (("bank", 1.5), ("feeder", 3.0), ("substation", 5.0)):
        fee = fee.where(level != name, price)
    hour = np.arange(inputs.sizes["time"]) % SLOTS_PER_DAY / 2
    price = np.select([(hour < 6.5) | (hour >= 23), (hour >= 16) & (hour < 20.5)], [19.0, 36.0], 28.0)
    clear_sky = np.random.default_rng(7).uniform(0.15, 1.0, days) if days > 1 else np.ones(1)
    inputs = inputs.isel(tariff=[0])
    return inputs.assign(
        participant_tariff=_filled(inputs, "participant_tariff", str(inputs["tariff"].values[0])),
        retail_price=_filled(inputs, "retail_price", price),
        feed_in_price=_filled(inputs, "feed_in_price", 8.0),
        node_fee=fee,
        node_access_fee=_filled(inputs, "node_access_fee", 0.5),
        pv_available=inputs["pv_available"] * xr.DataArray(np.repeat(clear_sky, SLOTS_PER_DAY), dims="time"),
        vehicle_discharge_limit=_filled(inputs, "vehicle_discharge_limit", 0.0),
    ).assign_attrs(inputs.attrs)


def one_bus(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town whose meters are all at one node."""
    inputs = base(homes, days)
    inputs = inputs.isel(node=inputs["node"].values == "region")
    return inputs.assign(participant_node=_filled(inputs, "participant_node", "region"))


def far_hosts(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town where every third car is plugged in at a business somewhere in it while its owner is away."""
    inputs, random = base(homes, days), np.random.default_rng(5)
    business = random.choice(inputs["participant"].values, max(1, homes // 50), replace=False)
    host, owner = inputs["vehicle_host"].values.copy(), inputs["vehicle_owner"].values
    arrival = inputs["trip_arrival"].values.copy()
    slot = np.searchsorted(inputs["time"].values, inputs["trip_departure"].values)
    back = np.searchsorted(inputs["time"].values, arrival) + 1
    for trip, label in enumerate(inputs["trip_vehicle"].values):
        car = int(np.flatnonzero(inputs["vehicle"].values == label)[0])
        place = business[car % len(business)]
        if car % 3 == 0 and place != owner[car]:
            host[car, slot[trip] + 1 : back[trip]] = place
            arrival[trip] = inputs["time"].values[slot[trip] + 1]
    return inputs.assign(vehicle_host=(("vehicle", "time"), host), trip_arrival=("trip", arrival))


def free_access(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town where trade within a transformer costs nothing."""
    inputs = base(homes, days)
    return inputs.assign(node_access_fee=_filled(inputs, "node_access_fee", 0.0))


def three_tariffs(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town whose homes have one of three tariffs, so that prices cross."""
    inputs = base(homes, days)
    hour = np.arange(inputs.sizes["time"]) % SLOTS_PER_DAY / 2
    prices = [
        inputs["retail_price"].values[0],
        np.full(len(hour), 27.0),
        np.where((hour < 7) | (hour >= 23), 17.0, 33.0),
    ]
    names = np.array(["time-of-use", "flat", "night"])
    chosen = names[np.random.default_rng(1).integers(0, 3, homes)]
    attrs = {name: inputs[name].attrs for name in ("retail_price", "feed_in_price")}
    inputs = inputs.drop_dims("tariff").assign_coords(tariff=names)
    return inputs.assign(
        participant_tariff=("participant", chosen, inputs["participant_tariff"].attrs),
        retail_price=(("tariff", "time"), np.stack(prices), attrs["retail_price"]),
        feed_in_price=(("tariff", "time"), np.full((3, len(hour)), 8.0), attrs["feed_in_price"]),
    )


def all_batteries(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town where every home has a battery."""
    inputs = base(homes, days)
    many = inputs.isel(battery=np.arange(homes) % inputs.sizes["battery"])
    many = many.assign_coords(battery=[f"battery{n}" for n in range(homes)])
    factor = xr.DataArray(np.random.default_rng(8).uniform(0.8, 1.2, homes), dims="battery")
    sized = {name: many[name] * factor for name in ("battery_capacity", "battery_charge_limit")}
    return many.assign(battery_owner=("battery", inputs["participant"].values), **sized)


def v2h(homes: int, days: int = 1) -> xr.Dataset:
    """Return a town whose cars give back to the home."""
    inputs = base(homes, days)
    return inputs.assign(
        vehicle_discharge_limit=_filled(inputs, "vehicle_discharge_limit", 3.0),
        vehicle_wear_cost=_filled(inputs, "vehicle_wear_cost", 2.0),
    )


VARIANTS: dict[str, Callable[..., xr.Dataset]] = {
    "base": base,
    "one-bus": one_bus,
    "far-hosts": far_hosts,
    "free-access": free_access,
    "three-tariffs": three_tariffs,
    "all-batteries": all_batteries,
    "v2h": v2h,
}


def _filled(inputs: xr.Dataset, name: str, value: object) -> xr.DataArray:
    """Return a variable with the same value, or the same values over time, everywhere."""
    of = inputs[name]
    return of.copy(data=np.broadcast_to(np.asarray(value), of.shape).copy())
