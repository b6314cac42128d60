"""Random plans: small communities that could build PV and batteries, over one to three days that share what is built."""

import numpy as np
import xarray as xr

from .communities import _draft, community
from .oracle import solve


def random_plan(
    seed: int, crossing: bool = False, circle: bool | None = None, whole: bool = False, line: bool = False
):
    """Return the periods of a random plan and their weights: the first draft of the seed that can be cleared as it is.

    In a ``circle`` stores end with what they start with, whatever that is; by default in half of the plans. Of what is
    built ``whole`` some has a cost of building at all, and some comes in units; and
    vehicles could take or give more. With a ``line`` an edge could carry more, where there is one and fees are its own.
    """
    rng = np.random.default_rng([seed, 7])
    for _ in range(20):
        case = _draft(rng, False, crossing)
        for k in range(2):
            _add_candidates(rng, case, k, whole)
        for candidate in case["candidates"].values() if whole else ():
            candidate["fixed_cost"] = float(rng.choice([0.0, rng.uniform(0.5, 12)]))
            candidate["unit"] = float(rng.choice([0.0, round(candidate["most"] / rng.uniform(1.2, 5), 2)]))
        if line:
            _add_line(rng, case)
        first = community(case)
        around = bool(rng.random() < 0.5) if circle is None else circle
        periods = [first] if rng.random() < 0.4 else [first, *(_another(rng, first) for _ in range(2))]
        periods = [_in_a_circle(period) for period in periods] if around else periods
        if all(solve(without(period), "grid-only").feasible for period in periods):
            return periods, rng.uniform(1, 9, len(periods)).round(1).tolist()
    raise AssertionError(f"no feasible plan in 20 drafts of seed {seed}")


def without(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs that build nothing."""
    from otonari.model.topology.candidates import built

    return built(inputs, np.zeros(inputs.sizes["candidate"]))


def _add_candidates(rng: np.random.Generator, case: dict, k: int, power: bool = False) -> None:
    """Add a battery and PV that somebody could build; prices from what pays at once to what never does."""
    people, slots = list(case["participants"]), len(case["slots"])
    owner = str(rng.choice(people))
    most, least = round(float(rng.uniform(2, 9)), 2), float(rng.choice([0.0, 0.2]))
    initial = float(rng.choice([least, 0.5]))
    case["batteries"][f"new{k}"] = {
        "owner": owner,
        "capacity": most,
        "min_energy": round(least * most, 3),
        "initial_energy": round(initial * most, 3),
        "final_energy": round(initial * most, 3) if rng.random() < 0.7 else np.nan,
        "charge_limit": round(most * float(rng.uniform(0.3, 1)), 2),
        "discharge_limit": round(most * float(rng.uniform(0.3, 1)), 2),
        "charge_efficiency": 0.93,
        "discharge_efficiency": 0.95,
        "wear_cost": float(rng.choice([0.0, 1.5])),
    }
    nothing = [0.0] * slots
    cars = list(case["vehicles"])
    if power and k < len(cars) and _within(case["vehicles"][cars[k]]):
        way, kind = (("charge_limit", "charger"), ("discharge_limit", "v2h"))[int(rng.integers(2))]
        more, car = round(float(rng.uniform(0.5, 3)), 2), case["vehicles"][cars[k]]
        car[way] += more
        case.setdefault("candidates", {})[f"{kind}{k}"] = {
            "owner": car["owner"],
            "kind": kind,
            "battery": "",
            "vehicle": cars[k],
            "most": more,
            "cost": round(float(rng.uniform(0.1, 5)), 2),
            "output": nothing,
        }
    candidates = case.setdefault("candidates", {})
    candidates[f"store{k}"] = {
        "owner": owner,
        "kind": "battery",
        "battery": f"new{k}",
        "most": most,
        "cost": round(float(rng.uniform(0.1, 14)), 2),
        "output": nothing,
    }
    candidates[f"roof{k}"] = {
        "owner": str(rng.choice(people)),
        "kind": "pv",
        "battery": "",
        "most": round(float(rng.uniform(1, 6)), 2),
        "cost": round(float(rng.uniform(0.1, 60)), 2),
        "output": rng.uniform(0, 1, slots).round(3).tolist(),
    }


def _add_line(rng: np.random.Generator, case: dict) -> None:
    """Narrow the edges of the tree, and let somebody widen one."""
    case.pop("trade_fee", None)
    edges = [name for name, node in case["nodes"].items() if node["parent"]]
    for name in edges:
        case["nodes"][name]["limit"] = round(float(rng.uniform(0, 1.5)), 3)
    if edges:
        most, edge = round(float(rng.uniform(0.5, 4)), 2), str(rng.choice(edges))
        case["nodes"][edge]["limit"] += most
        case["candidates"]["line"] = {
            "owner": str(rng.choice(list(case["participants"]))),
            "kind": "line",
            "battery": "",
            "node": edge,
            "most": most,
            "cost": round(float(rng.uniform(0.1, 15)), 2),
            "output": [0.0] * len(case["slots"]),
        }


def _within(store: dict) -> bool:
    """Return whether a store starts within its bounds."""
    return store["min_energy"] <= store["initial_energy"] <= store["capacity"]


def _another(rng: np.random.Generator, inputs: xr.Dataset) -> xr.Dataset:
    """Return a day with other demand, sun and prices."""
    other = {}
    for name in ("demand", "pv_available", "candidate_output", "retail_price"):
        factor = rng.uniform(0.4, 1.0, inputs[name].shape[1])
        other[name] = inputs[name] * factor
    return inputs.assign(other)


def _in_a_circle(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs whose stores end with what they start with; without firm ends."""
    free = {}
    for device in ("battery", "vehicle"):
        for name in ("initial_energy", "final_energy"):
            values = inputs[f"{device}_{name}"]
            free[f"{device}_{name}"] = values.copy(data=np.full(values.shape, np.nan))
    return inputs.assign(free).drop_vars(["battery_final_limit", "vehicle_final_limit"], errors="ignore")
