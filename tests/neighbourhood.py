"""A neighbourhood worked out on paper: three meters, a battery, a car that is a guest, a line at its limit.

Four slots of one hour; retail 30, feed-in 8 JPY/kWh for all::

    root -- left  (edge fee 1, limit 2 kW; access fee 0.5): anna (6 kW of PV in slot 0, battery), bert (car)
         -- right (edge fee 2; access fee 0.5):             site (5 kW of PV in slot 1)

slot 0  anna's 6 kW: 1 consumed, 1 into the battery (0.8 stored), 1.5 sold to bert, 2 to the site over the full line,
        0.5 exported. bert consumes 2 and charges the car with 1: 1.5 from anna, 1.5 from the retailer.
        Energy is worth 20 on the left and 27 on the right: 3 of fees, 4 of congestion.
slot 1  the site's 5 kW: 3 consumed, 1 sold to the car, its guest, at 15, 1 exported. The car takes 1 from the grid too.
        anna takes 0.4 out of the battery, 0.8 of what is stored.
slot 2  the car drives 30 km: 20 km on 4 kWh, 10 km on 1 L. No sun.
slot 3  the car, a guest again, gives 0.5: 0.3 to the site at 16, 0.2 exported.

Whatever no one above supplies is bought from the retailer. Without peers all do the same, by the retailer alone.
"""

import numpy as np
import xarray as xr

from otonari.model.settlement.accounts import settle
from otonari.model.settlement.trades import bilateral

from .communities import community

CASE = {
    "slots": [1, 1, 1, 1],
    "grid_carbon": 0.5,
    "nodes": {
        "root": {"parent": "", "fee": 0, "access_fee": 0, "limit": np.inf},
        "left": {"parent": "root", "fee": 1, "access_fee": 0.5, "limit": 2},
        "right": {"parent": "root", "fee": 2, "access_fee": 0.5, "limit": np.inf},
    },
    "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}},
    "participants": {
        "anna": {"node": "left", "tariff": "flat", "demand": 1, "pv_available": [6, 0, 0, 0]},
        "bert": {"node": "left", "tariff": "flat", "demand": 2, "pv_available": 0},
        "site": {"node": "right", "tariff": "flat", "demand": 3, "pv_available": [0, 5, 0, 0]},
    },
    "batteries": {
        "battery": {
            "owner": "anna",
            "capacity": 4,
            "min_energy": 1,
            "initial_energy": 1,
            "final_energy": 1,
            "charge_limit": 1,
            "discharge_limit": 1,
            "charge_efficiency": 0.8,
            "discharge_efficiency": 0.5,
            "wear_cost": 5,
        }
    },
    "vehicles": {
        "car": {
            "owner": "bert",
            "host": ["bert", "site", "", "site"],
            "capacity": 5,
            "initial_energy": 2,
            "final_energy": 0.5,
            "charge_limit": 2,
            "discharge_limit": 1,
            "charge_efficiency": 1,
            "discharge_efficiency": 1,
            "wear_cost": 2,
            "electric_economy": 5,
            "fuel_economy": 10,
            "fuel_price": 150,
            "fuel_carbon": 2,
        }
    },
    "trips": {"trip": {"vehicle": "car", "departure": 2.25, "arrival": 2.75, "distance": 30}},
}
PAIR_FEE = {"root": (0, 1, 2), "left": (1, 0, 3), "right": (2, 3, 0)}
"""The fees of the tree's paths, as fees per pair of nodes."""


def inputs(pairs: bool = False) -> xr.Dataset:
    """Return the inputs; ``pairs`` states the same fees per pair of nodes."""
    fees = {i: dict(zip(CASE["nodes"], row, strict=True)) for i, row in PAIR_FEE.items()}
    return community(CASE | {"trade_fee": fees} if pairs else CASE)


def results(pairs: bool = False) -> xr.Dataset:
    """Return the cleared positions."""
    idle, three = [0.0, 0, 0, 0], ("participant", "time")
    data = {
        "grid_import": (three, [[0, 0.6, 1, 1], [1.5, 2, 2, 2], [1, 0, 3, 2.7]]),
        "grid_export": (three, [[0.5, 0, 0, 0], idle, [0, 1, 0, 0]]),
        "peer_purchase": (three, [idle, [1.5, 0, 0, 0], [2, 0, 0, 0.3]]),
        "peer_sale": (three, [[3.5, 0, 0, 0], idle, [0, 1, 0, 0]]),
        "pv_curtailment": (three, [idle, idle, idle]),
        "battery_charge": (("battery", "time"), [[1.0, 0, 0, 0]]),
        "battery_discharge": (("battery", "time"), [[0, 0.4, 0, 0]]),
        "battery_energy": (("battery", "time"), [[1.8, 1, 1, 1]]),
        "vehicle_charge": (("vehicle", "time"), [[1.0, 2, 0, 0]]),
        "vehicle_discharge": (("vehicle", "time"), [[0, 0, 0, 0.5]]),
        "vehicle_energy": (("vehicle", "time"), [[3, 5, 1, 0.5]]),
        "vehicle_import": (("vehicle", "time"), [[0, 1.0, 0, 0]]),
        "vehicle_export": (("vehicle", "time"), [[0, 0, 0, 0.2]]),
        "vehicle_purchase": (("vehicle", "time"), [[0, 1.0, 0, 0]]),
        "vehicle_sale": (("vehicle", "time"), [[0, 0, 0, 0.3]]),
        "trip_electric_distance": (("trip",), [20.0]),
        "trip_fuel": (("trip",), [1.0]),
        "price": (("node", "time"), [[25.0] * 4, [20.0] * 4, [27, 15, 30, 16]]),
    }
    data["sale_price"] = data["price"]
    if pairs:
        moved = np.zeros((3, 3, 4))
        moved[1, 1, 0], moved[1, 2, 0], moved[2, 2, 1], moved[2, 2, 3] = 1.5, 2, 1, 0.3
        data["node_transfer"] = (("node", "node_to", "time"), moved)
    else:
        data["node_flow"] = (("node", "time"), [idle, [2, 0, 0, 0], [-2, 0, 0, 0]])
    return _totals(data, pairs)


def grid_only(pairs: bool = False) -> xr.Dataset:
    """Return the same without peers: what they traded goes through the retailer."""
    cleared = results(pairs)
    data = {k: (v.dims, v.values) for k, v in cleared.drop_vars(["price", "sale_price"]).items()}
    data.pop("node_transfer" if pairs else "node_flow")
    for peer, grid in (("purchase", "import"), ("sale", "export")):
        for ours, theirs in (("peer", "grid"), ("vehicle", "vehicle")):
            dims, traded = data[f"{ours}_{peer}"]
            data[f"{theirs}_{grid}"] = (dims, data[f"{theirs}_{grid}"][1] + traded)
            data[f"{ours}_{peer}"] = (dims, 0.0 * traded)
    return _totals(data, pairs)


def run(pairs: bool = False) -> dict[str, xr.Dataset]:
    """Return all groups of the run by the names of the arguments of ``checks.check``."""
    i, r, alone = inputs(pairs), results(pairs), grid_only(pairs)
    trades = bilateral(i, r)
    return {"inputs": i, "results": r, "trades": trades, "settlement": settle(i, r, trades, alone)}


def _totals(data: dict, pairs: bool) -> xr.Dataset:
    known = inputs(pairs)
    arrays = {name: (dims, np.array(values, dtype=float)) for name, (dims, values) in data.items()}
    dims = {d for names, _ in arrays.values() for d in names}
    dataset = xr.Dataset(arrays, coords={d: known[d] for d in known.dims if d in dims})
    dataset["draw"] = dataset["grid_import"] + dataset["peer_purchase"]
    dataset["supply"] = dataset["grid_export"] + dataset["peer_sale"]
    return dataset
