"""Synthetic neighbourhoods of any size for the benchmarks: homes of the six kinds on a regular tree of fees.

Cars are plugged in at home alone, so that the case fits every framework that the speed is compared with; the template
``town`` has businesses with guests besides.
"""

import numpy as np
import xarray as xr

from otonari.data.inputs.contract import complete

HOMES_PER_TRANSFORMER, TRANSFORMERS_PER_FEEDER, FEEDERS_PER_SUBSTATION = 25, 5, 5


def neighbourhood(homes: int, seed: int = 1, days: int = 1) -> xr.Dataset:
    """Return the inputs of ``homes`` homes over half-hours: a sunny day, evening peaks, commuting PHEVs."""
    random = np.random.default_rng(seed)
    slots = 48 * days
    hour = (np.arange(slots) % 48) / 2
    time = np.datetime64("2020-08-18T15:00", "ns") + np.arange(slots) * np.timedelta64(30, "m")
    kind = np.arange(homes) % 6  # consumer, +phev, pv, +battery, pv+phev, all
    shape = 0.3 + 0.5 * np.exp(-(((hour - 19.5) / 2.5) ** 2)) + 0.25 * np.exp(-(((hour - 7.5) / 1.5) ** 2))
    demand = shape * random.uniform(0.5, 1.8, (homes, 1)) * random.lognormal(-0.05, 0.35, (homes, slots))
    sun = np.clip(np.sin((hour - 5.2) / 13.4 * np.pi), 0, None) ** 1.4 * random.uniform(0.75, 1.0, slots)
    has_pv = kind >= 2
    pv = has_pv[:, None] * random.uniform(3.0, 6.0, (homes, 1)) * 0.8 * sun
    batteries, vehicles = np.flatnonzero(np.isin(kind, (3, 5))), np.flatnonzero(np.isin(kind, (1, 4, 5)))
    leaves = random.integers(14, 19, vehicles.size) + 48 * np.arange(days)[:, None]
    returns = random.integers(33, 40, vehicles.size) + 48 * np.arange(days)[:, None]
    host = np.tile(np.array([f"home{v}" for v in vehicles], dtype="<U12")[:, None], slots)
    slot = np.arange(slots)
    for day in range(days):
        host[(slot >= leaves[day][:, None]) & (slot < returns[day][:, None])] = ""
    trips = [(v, d) for d in range(days) for v in range(vehicles.size)]
    nodes, parents, fees = _tree(homes)
    tou = np.where((hour >= 7) & (hour < 23), 32.14, 20.78)
    return complete(
        xr.Dataset(
            {
                "slot_hours": ("time", np.full(slots, 0.5)),
                "demand": (("participant", "time"), demand),
                "pv_available": (("participant", "time"), pv),
                "participant_node": (
                    "participant",
                    [f"bank{h // HOMES_PER_TRANSFORMER}" for h in range(homes)],
                ),
                "participant_tariff": ("participant", np.where(np.arange(homes) % 3 == 0, "night", "flat")),
                "retail_price": (("tariff", "time"), np.stack([np.full(slots, 29.46), tou])),
                "feed_in_price": (("tariff", "time"), np.full((2, slots), 8.5)),
                "battery_owner": ("battery", [f"home{h}" for h in batteries]),
                "battery_capacity": ("battery", random.uniform(5, 10, batteries.size)),
                "battery_initial_energy": ("battery", np.full(batteries.size, 2.0)),
                "battery_charge_limit": ("battery", np.full(batteries.size, 3.0)),
                "battery_discharge_limit": ("battery", np.full(batteries.size, 3.0)),
                "battery_charge_efficiency": ("battery", np.full(batteries.size, 0.95)),
                "battery_discharge_efficiency": ("battery", np.full(batteries.size, 0.95)),
                "battery_wear_cost": ("battery", np.full(batteries.size, 2.0)),
                "vehicle_owner": ("vehicle", [f"home{h}" for h in vehicles]),
                "vehicle_capacity": ("vehicle", np.full(vehicles.size, 8.8)),
                "vehicle_min_energy": ("vehicle", np.full(vehicles.size, 2.3)),
                "vehicle_initial_energy": ("vehicle", random.uniform(3, 8, vehicles.size)),
                "vehicle_charge_limit": ("vehicle", np.full(vehicles.size, 3.2)),
                "vehicle_discharge_limit": ("vehicle", np.full(vehicles.size, 3.0)),
                "vehicle_charge_efficiency": ("vehicle", np.full(vehicles.size, 0.9)),
                "vehicle_discharge_efficiency": ("vehicle", np.full(vehicles.size, 0.9)),
                "vehicle_wear_cost": ("vehicle", np.full(vehicles.size, 3.0)),
                "vehicle_host": (("vehicle", "time"), host),
                "vehicle_electric_economy": ("vehicle", np.full(vehicles.size, 10.54)),
                "vehicle_fuel_economy": ("vehicle", np.full(vehicles.size, 37.2)),
                "fuel_price": ("vehicle", np.full(vehicles.size, 135.5)),
                "trip_vehicle": ("trip", [f"car{v}" for v, _ in trips]),
                "trip_departure": ("trip", [time[leaves[d, v]] for v, d in trips]),
                "trip_arrival": ("trip", [time[returns[d, v] - 1] for v, d in trips]),
                "trip_distance": ("trip", random.uniform(15, 60, len(trips))),
                "node_parent": ("node", parents),
                "node_fee": ("node", fees),
                "node_access_fee": ("node", np.full(len(nodes), 2.45)),
                "grid_carbon": ("time", np.full(slots, 0.491)),
            },
            coords={
                "participant": [f"home{h}" for h in range(homes)],
                "time": time,
                "tariff": ["flat", "night"],
                "battery": [f"battery{b}" for b in range(batteries.size)],
                "vehicle": [f"car{v}" for v in range(vehicles.size)],
                "trip": [f"trip{k}" for k in range(len(trips))],
                "node": nodes,
            },
            attrs={"currency": "JPY", "time_zone": "Asia/Tokyo"},
        )
    )


def _tree(homes: int) -> tuple[list[str], list[str], list[float]]:
    """Return nodes, parents and fees of a region > substations > feeders > banks, as large as the homes need."""
    banks = -(-homes // HOMES_PER_TRANSFORMER)
    feeders = -(-banks // TRANSFORMERS_PER_FEEDER)
    substations = -(-feeders // FEEDERS_PER_SUBSTATION)
    nodes, parents, fees = ["region"], [""], [0.0]
    for s in range(substations):
        nodes, parents, fees = [*nodes, f"substation{s}"], [*parents, "region"], [*fees, 1.13]
    for f in range(feeders):
        substation = f"substation{f // FEEDERS_PER_SUBSTATION}"
        nodes, parents, fees = [*nodes, f"feeder{f}"], [*parents, substation], [*fees, 0.5]
    for b in range(banks):
        feeder = f"feeder{b // TRANSFORMERS_PER_FEEDER}"
        nodes, parents, fees = [*nodes, f"bank{b}"], [*parents, feeder], [*fees, 0.33]
    return nodes, parents, fees
