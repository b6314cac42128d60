"""Small communities to test with: written by hand as a mapping, or drawn at random from a seed.

A random community covers the whole input table over the seeds; :func:`features` says what one holds.
"""

from functools import lru_cache

import numpy as np
import xarray as xr
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from otonari.data.inputs.contract import TABLE, complete, optional
from otonari.data.inputs.validation import validate

from . import counts
from .oracle import solve

START = np.datetime64("2025-07-01T00:00", "ns")
_GROUPS = {
    "participants": "participant",
    "tariffs": "tariff",
    "batteries": "battery",
    "vehicles": "vehicle",
    "trips": "trip",
    "nodes": "node",
    "candidates": "candidate",
    "heat_pumps": "heat_pump",
    "flexible_loads": "flexible_load",
    "tasks": "task",
}


def community(case: dict) -> xr.Dataset:
    """Return completed inputs from a mapping of groups, labels and table variables (prefix optional).

    ``slots`` holds the slot lengths in hours; trips depart and arrive at hours after the start; an entry over
    time may be one number for all slots; ``trade_fee`` is a mapping of seller's node to buyer's node to fee.

    >>> inputs = community({"slots": [1, 0.5], "nodes": {"n": {"parent": ""}},
    ...     "tariffs": {"t": {"retail_price": 30, "feed_in_price": 8}},
    ...     "participants": {"home": {"node": "n", "tariff": "t", "demand": [1, 2]}}})
    >>> inputs["retail_price"].values
    array([[30., 30.]])
    """
    hours = np.array(case["slots"], dtype=float)
    ends = START + np.round(np.cumsum(hours) * 3.6e12).astype("timedelta64[ns]")
    coords: dict = {"time": np.array([START, *ends[:-1]])}
    variables: dict = {"slot_hours": (("time",), hours)}
    for group, dim in _GROUPS.items():
        entries = case.get(group, {})
        if entries:
            coords[dim] = np.array(list(entries), dtype=str)
        if steps := max((len(entry.get("shape", ())) for entry in entries.values()), default=0):
            coords["step"] = np.arange(1, steps + 1).astype(str)
            for entry in entries.values():
                own = list(entry.get("shape", ()))
                entry["shape"] = own + [np.nan] * (steps - len(own))
                entry["step_hours"] = entry.get("step_hours", np.nan)
        for key in dict.fromkeys(k for entry in entries.values() for k in entry):
            name = key if key in TABLE else f"{dim}_{key}"
            row = TABLE[name]
            default = row.absent if row.default is None else row.default
            default = "" if name in ("candidate_vehicle", "candidate_node") else default
            values = [_entry(name, entry.get(key, default), len(hours)) for entry in entries.values()]
            variables[name] = (row.dims, np.array(values))
    if "trade_fee" in case:
        nodes = list(case["nodes"])
        fees = [[case["trade_fee"][i][j] for j in nodes] for i in nodes]
        variables["trade_fee"] = (("node", "node_to"), np.array(fees, dtype=float))
    if "grid_carbon" in case:
        variables["grid_carbon"] = (("time",), np.full(len(hours), case["grid_carbon"], dtype=float))
    return complete(xr.Dataset(variables, coords=coords, attrs={"currency": "JPY"}))


def _entry(name: str, value, slots: int):
    if TABLE[name].unit == "UTC":
        return START + np.timedelta64(round(value * 3600), "s")
    if "time" in TABLE[name].dims and not isinstance(value, list):
        return [value] * slots
    return value


def random_community(
    seed: int,
    min_charge: bool = False,
    crossing: bool = False,
    gross: bool = False,
    terms: bool = False,
    heat: bool = False,
    loads: bool = False,
) -> xr.Dataset:
    """Return a small random community that can be cleared: the first feasible draft of the seed.

    ``min_charge`` gives its vehicles a least charging power; ``crossing`` gives it prices that cross, and devices and
    meters that could gain by them; ``gross`` gives PV on meters of their own to most who have a battery or a vehicle;
    ``terms`` gives stores what few have: self-discharge, targets, and a worth of what they hold at the end; ``heat``
    gives it heat pumps, ``loads`` flexible loads of all kinds.
    Many tests draw the same seeds: each is drawn once, and every test has a copy.
    """
    return first_feasible(seed, min_charge, crossing, gross, terms, heat, loads).copy(deep=True)


def metered_net(inputs: xr.Dataset) -> xr.Dataset:
    """Return a community with all PV behind its owners' meters."""
    return inputs.drop_vars("participant_metering", errors="ignore")


@lru_cache(maxsize=1000)
def first_feasible(
    seed: int,
    min_charge: bool,
    crossing: bool = False,
    gross: bool = False,
    terms: bool = False,
    heat: bool = False,
    loads: bool = False,
) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        case = _draft(rng, min_charge, crossing)
        if gross:
            _meter_gross(rng, case)
        if terms:
            _add_terms(rng, case)
        if heat:
            _add_heat_pumps(rng, case)
        if loads:
            _add_loads(rng, case)
        inputs = community(case)
        if loads and validate(inputs):
            continue
        if solve(inputs, "grid-only").feasible:
            return inputs
    raise AssertionError(f"no feasible community in 20 drafts of seed {seed}")


def communities(**options) -> st.SearchStrategy[xr.Dataset]:
    """Return a hypothesis strategy of random communities (they shrink by their seed only)."""
    return st.integers(1000, 10**6).map(lambda seed: random_community(seed, **options))


def of_examples(examples: int) -> settings:
    """Return the settings of a property of random communities: the same ones every time, and a seed does not shrink."""
    return settings(
        max_examples=counts.examples(examples),
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )


def _draft(rng: np.random.Generator, min_charge: bool, crossing: bool = False) -> dict:
    slots = int(rng.integers(2, 7))
    hours = (
        rng.choice([0.25, 0.5, 1.0], slots) if rng.random() < 0.4 else [rng.choice([0.25, 0.5, 1.0])] * slots
    )
    case: dict = {"slots": [float(h) for h in hours]}
    case["grid_carbon"] = [_number(rng, 0.3, 0.6) for _ in hours]
    case["nodes"] = _nodes(rng)
    case["tariffs"] = {f"tariff{k}": _tariff(rng, slots) for k in range(rng.integers(1, 4))}
    case["participants"] = _participants(rng, case, slots)
    if len(case["nodes"]) > 1 and rng.random() < 0.25:
        case["trade_fee"] = {i: {j: _number(rng, 0, 9) for j in case["nodes"]} for i in case["nodes"]}
    case["batteries"] = {f"battery{k}": _storage(rng, case, gives=True) for k in range(rng.integers(0, 3))}
    case["vehicles"], case["trips"] = {}, {}
    for k in range(rng.integers(0, 4)):
        _add_vehicle(rng, case, f"car{k}", min_charge)
    if crossing:
        _cross(rng, case)
    for person in case["participants"].values():
        person["metering"] = "gross" if rng.random() < 0.2 else "net"
    return case


def _cross(rng: np.random.Generator, case: dict) -> None:
    """Let prices cross in most slots: another tariff, no access fees, feed-in above retail, prices below zero."""
    slots, tariffs = len(case["slots"]), case["tariffs"]
    tariffs["dear"] = {"retail_price": _number(rng, 40, 60), "feed_in_price": _number(rng, 0, 45)}
    tariffs["odd"] = {
        "retail_price": rng.uniform(-8, 30, slots).round(2).tolist(),
        "feed_in_price": rng.uniform(-12, 40, slots).round(2).tolist(),
    }
    for person in case["participants"].values():
        person["tariff"] = str(rng.choice(list(tariffs)))
    if rng.random() < 0.4:
        for node in case["nodes"].values():
            node["access_fee"] = 0.0
    for k in range(len(case["batteries"]), 2):
        case["batteries"][f"battery{k}"] = _storage(rng, case, gives=True)


def _meter_gross(rng: np.random.Generator, case: dict) -> None:
    """Give most participants PV on a meter of its own, and two batteries to those who have it."""
    people, slots = case["participants"], len(case["slots"])
    for name, person in people.items():
        if name == "home0" or rng.random() < 0.6:
            person["metering"] = "gross"
            person["pv_available"] = rng.uniform(0, 4, slots).round(3).tolist()
    owners = [name for name, person in people.items() if person["metering"] == "gross"]
    for k in range(2):
        battery = _storage(rng, case, gives=True)
        case["batteries"][f"apart{k}"] = battery | {"owner": str(rng.choice(owners))}


def _add_terms(rng: np.random.Generator, case: dict) -> None:
    """Give most stores what few have, and everybody two batteries at least to have it; half the homes an inverter."""
    for k in range(len(case["batteries"]), 2):
        case["batteries"][f"battery{k}"] = _storage(rng, case, gives=True)
    odd = {
        b["owner"]
        for b in case["batteries"].values()
        if not b["min_energy"] <= b["initial_energy"] <= b["capacity"]
    }
    for battery in case["batteries"].values():
        battery["gives"] = "home" if rng.random() < 0.4 and battery["owner"] not in odd else "anywhere"
    for name, person in case["participants"].items():
        narrow = rng.random() < 0.5 and person["metering"] == "net" and name not in odd
        person["inverter_limit"] = _number(rng, 0.5, 4) if narrow else np.inf
    for store in [*case["batteries"].values(), *case["vehicles"].values()]:
        store["self_discharge"] = _number(rng, 0.05, 0.6) * (rng.random() < 0.7)
        store["final_value"] = _number(rng, 5, 40) if rng.random() < 0.5 else np.nan
        if rng.random() < 0.5 and np.isnan(store.get("final_limit", np.nan)):
            store["final_energy"] = np.nan
        due = rng.random(len(case["slots"])) < 0.3
        store["target"] = np.where(due, round(store["capacity"] * rng.uniform(0.2, 1), 3), np.nan).tolist()
        store["target_price"] = _number(rng, 1, 60) if rng.random() < 0.6 else np.nan


def _add_heat_pumps(rng: np.random.Generator, case: dict) -> None:
    """Give two or three heat pumps to the community, a third with a backup; some start below their minimum."""
    hours = np.array(case["slots"])
    people, slots = case["participants"], len(hours)
    case["heat_pumps"] = {}
    for k in range(rng.integers(2, 4)):
        owner = str(rng.choice(list(people)))
        capacity, limit = _number(rng, 2, 8), _number(rng, 0.5, 2)
        cop = rng.uniform(1.8, 5, slots).round(3)
        least = round(capacity * rng.choice([0, 0.1, 0.3]), 3)
        cold = least > 0 and rng.random() < 0.4 and np.isinf(people[owner]["import_limit"])
        demand = (rng.uniform(0, 1.2, slots) * (limit * cop) * (rng.random(slots) < 0.7)).round(3)
        case["heat_pumps"][f"boiler{k}"] = {
            "owner": owner,
            "power_limit": round(limit + (backup := _number(rng, 0.3, 1) * (rng.random() < 0.4)), 3),
            "backup_limit": round(backup, 3),
            "cop": cop.tolist(),
            "heat_demand": (demand * (0.2 if cold else 1.0)).tolist(),
            "capacity": capacity,
            "min_heat": least,
            "initial_heat": _number(rng, 0, least) if cold else (start := _number(rng, least, capacity)),
            "final_heat": float(rng.choice([np.nan, 0.0 if cold else round(start * rng.uniform(0, 1), 3)])),
            "standing_loss": _number(rng, 0.05, 0.6) * (rng.random() < 0.7),
            "timer": (rng.random(slots) < 0.6).astype(float).tolist(),
        }


def _add_loads(rng: np.random.Generator, case: dict) -> None:
    """Give homes three to five flexible loads, of each kind one at least, with one or two windows each."""
    people, end = case["participants"], float(np.sum(case["slots"]))
    loads, tasks = case.setdefault("flexible_loads", {}), case.setdefault("tasks", {})
    for k in range(int(rng.integers(3, 6))):
        owner, limit = str(rng.choice(list(people))), _number(rng, 0.5, 4)
        load = loads[f"load{k}"] = {"owner": owner, "power_limit": limit}
        shed, shape, least = k == 0, k == 1 or rng.random() < 0.3, rng.random() < 0.3
        borders = np.sort(np.round(rng.uniform(0, end, 2) * 60) / 60) if rng.random() < 0.6 else [0.0, end]
        windows = [tuple(map(float, borders))]
        if rng.random() < 0.4:
            middle = float(rng.choice(np.cumsum(case["slots"])[:-1]))
            windows = [(0.0, middle), (middle, end)]
        if shed:
            load["flexible_load_demand"] = np.round(rng.uniform(0, limit, len(case["slots"])), 3).tolist()
            load["shed_price"] = _number(rng, 5, 45)
        elif shape:
            load["shape"] = np.round(rng.uniform(0.1, limit, int(rng.integers(1, 4))), 3).tolist()
            load["step_hours"] = float(rng.choice([0.25, 0.5, end / 6]))
        elif least:
            load["min_power"] = round(0.6 * limit, 3)
        if np.isfinite(people[owner]["import_limit"]):
            people[owner]["import_limit"] = round(people[owner]["import_limit"] + limit, 3)
        for n, (begin, deadline) in enumerate(windows):
            energy = round(limit * (deadline - begin) * rng.uniform(0.1, 0.5), 3)
            if shed and rng.random() < 0.5:
                energy = float("nan")
            if not shed and shape:
                energy = float(np.sum(load["shape"])) * load["step_hours"]
            label = f"load{k}/{n}"
            tasks[label] = {"load": f"load{k}", "earliest": begin, "deadline": deadline, "energy": energy}


def _nodes(rng: np.random.Generator) -> dict:
    """Return a random tree in random order; a third have free edges, no access fees, or limits each."""
    count = int(rng.integers(1, 7))
    names = [f"node{k}" for k in rng.permutation(count)]
    free, open_, limited = rng.random(3) < 0.33
    nodes = {}
    for k, name in enumerate(names):
        nodes[name] = {
            "parent": names[rng.integers(k)] if k else "",
            "fee": 0.0 if free and rng.random() < 0.6 else _number(rng, 0.1, 4),
            "access_fee": 0.0 if open_ else _number(rng, 0, 3),
            "limit": _number(rng, 0, 2.5) if limited and rng.random() < 0.7 else np.inf,
        }
    return {name: nodes[name] for name in sorted(names, key=lambda _: rng.random())}


def _tariff(rng: np.random.Generator, slots: int) -> dict:
    """Return prices per slot; the odd feed-in is negative or above retail, the odd retail price negative."""
    retail = rng.uniform(12, 45, slots).round(2)
    feed_in = (retail * rng.uniform(0, 0.8, slots)).round(2)
    odd = rng.random()
    if odd < 0.15:
        feed_in[rng.integers(slots)] = _number(rng, -6, 0)
    elif odd < 0.25:
        feed_in[:] = (retail + rng.uniform(1, 15, slots)).round(2)
    elif odd < 0.30:
        retail[0], feed_in[0] = -4.25, -7.5
    return {"retail_price": retail.tolist(), "feed_in_price": feed_in.tolist()}


def _participants(rng: np.random.Generator, case: dict, slots: int) -> dict:
    people = {}
    for k in rng.permutation(int(rng.integers(2, 7))):
        demand = (rng.uniform(0, 4, slots) * (rng.random(slots) < 0.8)).round(3)
        pv = rng.uniform(0, 7, slots).round(3) * (rng.random() < 0.5)
        people[f"home{k}"] = {
            "node": str(rng.choice(list(case["nodes"]))),
            "tariff": str(rng.choice(list(case["tariffs"]))),
            "kind": "business" if rng.random() < 0.1 else "pv" if pv.any() else "consumer",
            "demand": demand.tolist(),
            "pv_available": pv.tolist(),
            "import_limit": round(demand.max() + _number(rng, 0, 1), 3) if rng.random() < 0.3 else np.inf,
            "export_limit": _number(rng, 0, 3) if rng.random() < 0.2 else np.inf,
        }
    return people


def _storage(rng: np.random.Generator, case: dict, gives: bool) -> dict:
    """Return what a battery and a vehicle share; some start below the minimum or above the capacity."""
    people = list(case["participants"])
    owner = str(rng.choice(people))
    capacity = _number(rng, 2, 12)
    least = round(capacity * rng.choice([0, 0.1, 0.3]), 3)
    initial = _number(rng, least, capacity)
    final = rng.choice([np.nan, initial, _number(rng, 0, initial), min(initial + 1, capacity)])
    odd, limits = rng.random(), case["participants"][owner]
    if odd < 0.15 and least and np.isinf(limits["import_limit"]):
        initial, final = _number(rng, 0, least), rng.choice([np.nan, 0.0])
    elif odd < 0.3 and gives and np.isinf(limits["export_limit"]):
        initial, final = round(capacity + _number(rng, 0.5, 4), 3), rng.choice([np.nan, 0.0])
    limit = {}
    if 0.3 <= odd < 0.45 and not np.isnan(final):
        limit = {"final_limit": float(final)}
    elif 0.45 <= odd < 0.7 and gives:
        final, limit = np.nan, {"final_limit": float(max(least, round(0.5 * initial, 3)))}
    return limit | {
        "owner": owner,
        "capacity": capacity,
        "min_energy": least,
        "initial_energy": initial,
        "final_energy": float(final),
        "charge_limit": _number(rng, 1, 5),
        "discharge_limit": _number(rng, 0.5, 5) if gives else 0.0,
        "charge_efficiency": _number(rng, 0.75, 1),
        "discharge_efficiency": _number(rng, 0.75, 1),
        # a limit at the end binds where giving costs more than it brings
        "wear_cost": _number(rng, 0, 4) * (rng.random() < 0.7) + 40.0 * (0.6 <= odd < 0.7 and gives),
    }


def _add_vehicle(rng: np.random.Generator, case: dict, name: str, min_charge: bool) -> None:
    vehicle = _storage(rng, case, gives=rng.random() < 0.6)
    hosts = _hosts(rng, case, vehicle["owner"])
    trips = _trips(rng, case, hosts)
    vehicle["host"] = hosts
    vehicle["min_charge"] = round(vehicle["charge_limit"] * 0.6, 3) if min_charge else 0.0
    vehicle["electric_economy"] = _number(rng, 4, 11)
    vehicle["fuel_price"] = _number(rng, 110, 190)
    vehicle["fuel_carbon"] = _number(rng, 2.2, 2.6)
    engine = rng.random() < 0.7
    vehicle["fuel_economy"] = _number(rng, 8, 38) if engine else np.nan
    if engine:
        distances = [_number(rng, 1, 60) for _ in trips]
    else:  # without an engine the first charge must reach
        spare = max(vehicle["initial_energy"] - vehicle["min_energy"], 0) * vehicle["electric_economy"]
        distances = [round(0.8 * spare / len(trips), 3) for _ in trips]
        if trips:
            vehicle["final_energy"] = vehicle["final_limit"] = np.nan
    case["vehicles"][name] = vehicle
    for k, ((departure, arrival), distance) in enumerate(zip(trips, distances, strict=True)):
        trip = {"vehicle": name, "departure": departure, "arrival": arrival, "distance": distance}
        case["trips"][f"{name}-trip{k}"] = trip


def _hosts(rng: np.random.Generator, case: dict, owner: str) -> list[str]:
    """Return where the vehicle is plugged in each slot: mostly where it was; at home, elsewhere, nowhere."""
    others = [p for p in case["participants"] if p != owner]
    hosts: list[str] = []
    for _ in case["slots"]:
        stay = hosts and rng.random() < 0.6
        hosts.append(hosts[-1] if stay else str(rng.choice([owner, owner, rng.choice(others), ""])))
    return hosts


def _trips(rng: np.random.Generator, case: dict, hosts: list[str]) -> list[tuple[float, float]]:
    """Return up to two trips as hours (departure, arrival); unplug the vehicle in the slots they touch."""
    starts = np.concatenate([[0], np.cumsum(case["slots"])])
    trips: list[tuple[float, float]] = []
    clock = 0.0
    for _ in range(rng.integers(0, 3)):
        departure = round((clock + rng.uniform(0, starts[-1] - clock)) * 60) / 60
        arrival = departure + int(rng.integers(6, 60)) / 60
        if departure < clock or departure >= starts[-1]:
            break
        trips.append((departure, arrival))
        clock = arrival
        for t in range(len(hosts)):
            if starts[t] < arrival and starts[t + 1] > departure:
                hosts[t] = ""
        if clock >= starts[-1]:
            break
    return trips


def _number(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number of at most three decimals, so that a failing community can be read."""
    return round(float(rng.uniform(low, high)), 3)


def features(inputs: xr.Dataset) -> set[str]:
    """Return the names of what a community holds, among :data:`FEATURES`."""
    return {name for name, holds in FEATURES.items() if bool(holds(inputs))}


def _guest(i: xr.Dataset) -> np.ndarray:
    host = i["vehicle_host"].values
    return (host != "") & (host != i["vehicle_owner"].values[:, None])


def _starts(i: xr.Dataset, device: str, name: str) -> np.ndarray:
    return i[f"{device}_initial_energy"].values - i[f"{device}_{name}"].values


FEATURES = {
    "PV metered gross": lambda i: (
        (optional(i, "participant_metering") == "gross") & (i["pv_available"] > 0).any("time").values
    ).any(),
    "unequal slots": lambda i: len(set(i["slot_hours"].values)) > 1,
    "several tariffs in use": lambda i: len(set(i["participant_tariff"].values)) > 1,
    "negative feed-in": lambda i: (i["feed_in_price"] < 0).any(),
    "negative retail": lambda i: (i["retail_price"] < 0).any(),
    "feed-in above retail": lambda i: (i["feed_in_price"] > i["retail_price"]).any(),
    "import limit": lambda i: np.isfinite(i["import_limit"]).any(),
    "export limit": lambda i: np.isfinite(i["export_limit"]).any(),
    "one node": lambda i: i.sizes["node"] == 1,
    "deep tree": lambda i: i["node_parent"].isin(i["node"][i["node_parent"] != ""]).any(),
    "root not first": lambda i: i["node_parent"].values[0] != "",
    "free edge": lambda i: (i["node_fee"] == 0).any(),
    "access fee": lambda i: (i["node_access_fee"] > 0).any(),
    "free access": lambda i: (i["node_access_fee"] == 0).any(),
    "node limit": lambda i: np.isfinite(i["node_limit"]).any(),
    "pairwise fees": lambda i: "trade_fee" in i,
    "pairwise fees with a node limit": lambda i: "trade_fee" in i and np.isfinite(i["node_limit"]).any(),
    "detour cheaper than a pair": lambda i: "trade_fee" in i and _detour(i["trade_fee"].values),
    "no battery": lambda i: i.sizes["battery"] == 0,
    "two batteries of one owner": lambda i: len(set(i["battery_owner"].values)) < i.sizes["battery"],
    "battery starts below minimum": lambda i: (_starts(i, "battery", "min_energy") < 0).any(),
    "battery starts above capacity": lambda i: (_starts(i, "battery", "capacity") > 0).any(),
    "battery ends free": lambda i: np.isnan(i["battery_final_energy"]).any(),
    "battery ends higher": lambda i: (_starts(i, "battery", "final_energy") < 0).any(),
    "battery ends equal": lambda i: _ends_equal(i, "battery").any(),
    "vehicle ends equal": lambda i: _ends_equal(i, "vehicle").any(),
    "no vehicle": lambda i: i.sizes["vehicle"] == 0,
    "vehicle to home": lambda i: (i["vehicle_discharge_limit"] > 0).any(),
    "no vehicle to home": lambda i: (i["vehicle_discharge_limit"] == 0).any(),
    "guest": lambda i: _guest(i).any(),
    "guest that gives": lambda i: (_guest(i) & (i["vehicle_discharge_limit"].values > 0)[:, None]).any(),
    "hosts change": lambda i: any(len(set(h) - {""}) > 1 for h in i["vehicle_host"].values),
    "vehicle starts below minimum": lambda i: (_starts(i, "vehicle", "min_energy") < 0).any(),
    "vehicle starts above capacity": lambda i: (_starts(i, "vehicle", "capacity") > 0).any(),
    "vehicle ends free": lambda i: np.isnan(i["vehicle_final_energy"]).any(),
    "pure EV with a trip": lambda i: np.isnan(
        i["vehicle_fuel_economy"].sel(vehicle=i["trip_vehicle"].values)
    ).any(),
    "two trips of one vehicle": lambda i: len(set(i["trip_vehicle"].values)) < i.sizes["trip"],
    "arrival after the horizon": lambda i: (i["trip_arrival"] > _end(i)).any(),
}


def _ends_equal(i: xr.Dataset, device: str) -> np.ndarray:
    return optional(i, f"{device}_final_limit") == i[f"{device}_final_energy"].values


def _detour(fee: np.ndarray) -> bool:
    return bool((fee[:, :, None] > fee[:, None, :] + fee.T[None]).any())


def _end(i: xr.Dataset) -> np.datetime64:
    hours = float(i["slot_hours"].values[-1])
    return i["time"].values[-1] + np.timedelta64(round(hours * 3600), "s")
