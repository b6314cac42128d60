"""The model as it is written out, device by device, and one clearing from end to end.

Regenerate with ``pytest tests/test_golden.py --update-golden`` and read the difference.
"""

import json
import re
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
import xarray as xr

import otonari
from otonari.data.inputs.contract import complete
from otonari.model.clearing import community_block

from .test_clearing import documented_names
from .test_peaks import with_peak
from .test_tiers import with_tiers

HOUR = np.timedelta64(1, "h")
TIMES = np.array(["2020-08-18T15:00", "2020-08-18T16:00"], dtype="datetime64[ns]")


def community(nodes=(("here", "", 0.0),), **extra):
    """Return a seller "sun" on the last node and a buyer "shade" on the first, over two hours."""
    slots = ("participant", "time")
    names, parents, fees = zip(*nodes, strict=True)
    table = {
        "slot_hours": ("time", [1.0, 1.0]),
        "demand": (slots, [[0.5, 0.5], [2.0, 3.0]]),
        "pv_available": (slots, [[4.0, 0.0], [0.0, 0.0]]),
        "participant_node": ("participant", [names[-1], names[0]]),
        "participant_tariff": ("participant", ["retail", "retail"]),
        "retail_price": (("tariff", "time"), [[30.0, 31.0]]),
        "feed_in_price": (("tariff", "time"), [[8.0, 8.0]]),
        "node_parent": ("node", list(parents)),
        "node_fee": ("node", list(fees)),
        "node_access_fee": ("node", [0.25] * len(names)),
    }
    coords = {"participant": ["sun", "shade"], "time": TIMES, "tariff": ["retail"], "node": list(names)}
    for name in ("battery", "vehicle", "trip", "heat_pump"):
        if any(key.startswith(f"{name}_") for key in extra):
            coords[name] = [f"the-{name}"]
    return complete(xr.Dataset(table | extra, coords=coords, attrs={"currency": "JPY"}))


def store(device, **values):
    """Return the variables of one battery or vehicle of "sun"."""
    numbers = {
        "capacity": 6.0,
        "min_energy": 1.0,
        "initial_energy": 2.0,
        "charge_limit": 3.0,
        "discharge_limit": 2.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
        "wear_cost": 1.5,
    } | values
    return {f"{device}_owner": (device, ["sun"])} | {
        f"{device}_{k}": (device, [v]) for k, v in numbers.items()
    }


VEHICLE = store("vehicle", min_charge=1.2, electric_economy=10.0, fuel_economy=20.0) | {
    "fuel_price": ("vehicle", [140.0]),
    "vehicle_host": (("vehicle", "time"), [["sun", ""]]),
    "trip_vehicle": ("trip", ["the-vehicle"]),
    "trip_departure": ("trip", TIMES[1:]),
    "trip_arrival": ("trip", TIMES[1:] + HOUR),
    "trip_distance": ("trip", [25.0]),
}
V2G = VEHICLE | {"vehicle_charge_limit": ("vehicle", [5.0])}
GUEST = VEHICLE | {"vehicle_host": (("vehicle", "time"), [["shade", ""]])}
LIMITED = {"import_limit": ("participant", [5.0, 2.5]), "export_limit": ("participant", [1.5, 1.0])}
TREE = (("root", "", 0.0), ("leaf", "root", 1.5))
PAIRS = {"trade_fee": (("node", "node_to"), [[1.0, 2.0], [3.0, 4.0]]), "node_limit": ("node", [np.inf, 0.8])}
CROSSING = {
    "retail_price": (("tariff", "time"), [[30.0, -5.0]]),
    "feed_in_price": (("tariff", "time"), [[35.0, -8.0]]),
}

TARGET = {
    "battery_target": (("battery", "time"), [[3.0, np.nan]]),
    "battery_target_price": ("battery", [20.0]),
    "battery_final_value": ("battery", [12.0]),
    "battery_self_discharge": ("battery", [0.5]),
}
HEAT = {
    "heat_pump_owner": ("heat_pump", ["sun"]),
    "heat_pump_power_limit": ("heat_pump", [2.0]),
    "heat_pump_backup_limit": ("heat_pump", [0.8]),
    "heat_pump_cop": (("heat_pump", "time"), [[3.0, 2.5]]),
    "heat_pump_heat_demand": (("heat_pump", "time"), [[1.5, 0.5]]),
    "heat_pump_capacity": ("heat_pump", [4.0]),
    "heat_pump_min_heat": ("heat_pump", [0.5]),
    "heat_pump_initial_heat": ("heat_pump", [1.0]),
    "heat_pump_standing_loss": ("heat_pump", [0.2]),
}
HYBRID = {"inverter_limit": ("participant", [1.8, np.inf]), "battery_gives": ("battery", ["home"])}
CAR_TARGET = {
    "vehicle_target": (("vehicle", "time"), [[3.0, np.nan]]),
    "vehicle_target_price": ("vehicle", [20.0]),
}

RUN = {
    "flexible_load": ("flexible_load", ["washer", "boiler", "cooling"]),
    "step": ("step", ["1", "2"]),
    "task": ("task", ["washer/1", "boiler/1", "cooling/1"]),
    "flexible_load_owner": ("flexible_load", ["sun", "shade", "shade"]),
    "flexible_load_power_limit": ("flexible_load", [2.0, 3.0, 1.0]),
    "flexible_load_min_power": ("flexible_load", [0.0, 1.0, 0.0]),
    "flexible_load_demand": (("flexible_load", "time"), [[0.0, 0.0], [0.0, 0.0], [1.0, 0.5]]),
    "flexible_load_shed_price": ("flexible_load", [np.nan, np.nan, 25.0]),
    "flexible_load_shape": (("flexible_load", "step"), [[2.0, 1.0], [np.nan] * 2, [np.nan] * 2]),
    "flexible_load_step_hours": ("flexible_load", [0.5, np.nan, np.nan]),
    "task_load": ("task", ["washer", "boiler", "cooling"]),
    "task_earliest": ("task", TIMES[[0, 0, 0]]),
    "task_deadline": ("task", TIMES[[1, 1, 1]] + HOUR),
    "task_energy": ("task", [1.5, 3.5, 0.8]),
}

CASES = {
    "household": (community(), "grid-only"),
    "household-limited": (community(**LIMITED), "grid-only"),
    "battery": (community(**store("battery")), "grid-only"),
    "battery-target": (community(**store("battery"), **TARGET), "grid-only"),
    "battery-hybrid": (community(**store("battery"), **HYBRID), "grid-only"),
    "vehicle": (community(**VEHICLE), "grid-only"),
    "vehicle-target": (community(**VEHICLE, **CAR_TARGET), "grid-only"),
    "vehicle-guest": (community(**GUEST), "p2p"),
    "heat-pump": (community(**HEAT), "grid-only"),
    "one-direction-heat-pump": (community(TREE, **store("battery"), **HEAT, **CROSSING), "p2p"),
    "flexible-load": (community(**RUN), "grid-only"),
    "network-tree": (community(TREE), "p2p"),
    "network-pairs": (community(TREE, **PAIRS), "p2p"),
    "peak-charge": (
        with_peak(community(**store("battery")), days=2, slots_per_day=1, floor=0.5),
        "grid-only",
    ),
    "joint-peak": (
        with_peak(community(TREE, **store("battery")), days=2, slots_per_day=1, joint=True),
        "p2p",
    ),
    "tiers": (
        with_tiers(community(**GUEST), [(2.0, 5.0, "month"), (3.0, 4.0, "month"), (1.0, 2.0, "day")], 1, 0.5),
        "p2p",
    ),
    "one-direction": (community(TREE, **store("battery", charge_limit=5.0), **CROSSING), "p2p"),
    "one-direction-vehicle": (community(TREE, **V2G, **CROSSING), "p2p"),
}


def written(case, folder):
    inputs, market = CASES[case]
    model = pyo.ConcreteModel()
    model.c = community_block(inputs, market)
    model.cost = pyo.Objective(expr=model.c.cost)
    path = folder / f"{case}.lp"
    model.write(str(path), io_options={"symbolic_solver_labels": True})
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_the_model_is_written_out_as_before(case, golden, tmp_path):
    golden(f"{case}.lp", written(case, tmp_path))


def test_every_row_of_the_model_occurs_in_a_golden_file():
    texts = "\n".join(p.read_text(encoding="utf-8") for p in (Path(__file__).parent / "golden").glob("*.lp"))
    families = {re.sub(r"_\d+$", "", n) for n in re.findall(r"^[cr]_[elru]_c_(.*?)\(", texts, flags=re.M)}
    rows = {name.replace(".", "_") for name in documented_names(rows=True)}
    assert len(rows) > 10
    assert rows - families == set()


def test_six_kinds_from_end_to_end(golden):
    tree = otonari.clear(otonari.build_inputs(otonari.load_scenario("six-kinds")))
    inputs, results, settlement = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    hours = inputs["slot_hours"]
    summary = {
        "objective": round(tree.attrs["objective"], 3),
        "kWh": {
            name: round(float((results[name] * hours).sum()), 3)
            for name in sorted(results.data_vars)
            if results[name].attrs["units"] == "kW" and "participant" in results[name].dims
        },
        "bill": dict(
            zip(
                inputs["participant"].values.tolist(),
                settlement["bill"].values.round(2).tolist(),
                strict=True,
            )
        ),
        "mean price": dict(
            zip(
                results["node"].values.tolist(),
                results["price"].values.mean(axis=1).round(4).tolist(),
                strict=True,
            )
        ),
    }
    golden("six-kinds.json", json.dumps(summary, indent=1) + "\n")
