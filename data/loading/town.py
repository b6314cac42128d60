"""A town of any size from a seed: homes of the six kinds, businesses and PHEVs on a regular tree of fees.

All that a bank's homes are and have depends on the seed and the bank's number alone, and likewise for the business of
a feeder, so a larger town holds every smaller one, and each part can be made where it is needed. Sizes, shares and
patterns are **assumptions**; sources of the others stand in the headers of the tables.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ..files import strict_yaml
from ..schema.scenario import Scenario
from ..schema.table_rows import TABLES
from .scenario import load_scenario

NAME = "town"
BANKS_PER_FEEDER, FEEDERS_PER_SUBSTATION = 5, 5
KINDS = {
    "consumer": 5,
    "consumer+phev": 4,
    "pv": 5,
    "pv+battery": 5,
    "pv+phev": 4,
    "pv+battery+phev": 2,
}
"""Homes of each kind at a full bank; of one that is not full, as they come."""
HOMES_PER_BANK = sum(KINDS.values())
PERSONS = (0.25, 0.30, 0.20, 0.18, 0.07)
"""Share of homes with 1, 2, ... 5 persons."""

Rows = list[dict[str, Any]]

_TEXT = Path(__file__).parents[1] / "scenarios" / "town.yaml"
_HEADERS = {
    "participants": (
        "Kinds, persons, PV sizes, orientations, connection limits, tariffs and places are assumptions: at each full\n"
        "bank 5 consumers, 4 with a PHEV, 5 with PV, 5 with PV + battery, 4 with PV + PHEV, 2 with all three."
    ),
    "batteries": "Sizes, limits, efficiencies and wear are assumptions.",
    "vehicles": (
        "Prius PHV, second generation (which cars people have: assumption)\n"
        "8.8 kWh: https://chargedevs.com/newswire/2017-toyota-prius-prime-plug-in-hybrid-unveiled/\n"
        "10.54 km/kWh and 68.2 km, so that 68.2 / 10.54 = 6.5 kWh are driven: "
        "https://www.kumamototoyopet.com/newcar/priusphv/performance\n"
        "200 V x 16 A = 3.2 kW: http://p-vehicle.jp/study/post_10/   37.2 km/L: https://carshinka.net/toyota-phv/\n"
        "Initial energy, efficiencies, discharge and its wear, and all trips are assumptions."
    ),
    "nodes": (
        "25 homes at a low-voltage bank, 5 banks and a business at a feeder, 5 feeders at a substation: assumptions.\n"
        "A business is a node of its own without access fee, so that it and its guests trade free of fees; its edge\n"
        "carries what a bank's edge and access do (0.33 + 2.45 = 2.78)."
    ),
}
_CAR = {
    "capacity_kwh": 8.8,
    "min_energy_kwh": 2.3,
    "initial_energy_kwh": 5.5,
    "charge_limit_kw": 3.2,
    "discharge_limit_kw": 2.0,
    "charge_efficiency": 0.90,
    "discharge_efficiency": 0.95,
    "wear_cost_per_kwh": 4.0,
    "electric_economy_km_per_kwh": 10.54,
    "fuel_economy_km_per_litre": 37.2,
}


def files(homes: int, seed: int) -> dict[str, bytes]:
    """Return the files of a town's scenario, name to content: commented, and it clears as it is.

    Parameters
    ----------
    homes : int
        At least 1; every feeder that they need has a business besides.
    seed : int
        Of equipment, demand and trips.
    """
    csv_files = {f"{name}.csv": _csv(name, rows) for name, rows in tables(homes, seed).items()}
    return {"scenario.yaml": _text(homes, seed).encode(), **csv_files}


def scenario(homes: int, seed: int, days: int = 1) -> Scenario:
    """Return a town's scenario without files; that of :func:`files` where there is one day."""
    values, _, _ = strict_yaml.parse(_text(homes, seed), NAME)
    values["time"]["days"] = days
    return load_scenario(values | {"tables": tables(homes, seed)})


def tables(homes: int, seed: int) -> dict[str, Rows]:
    """Return the rows of a town's tables; a column that a row lacks has its default."""
    banks = -(-homes // HOMES_PER_BANK)
    feeders = -(-banks // BANKS_PER_FEEDER)
    rows: dict[str, Rows] = {name: [] for name in _HEADERS}
    for bank in range(banks):
        for place, home in enumerate(_homes(bank, seed)):
            if bank * HOMES_PER_BANK + place < homes:
                _add(rows, bank * HOMES_PER_BANK + place + 1, home)
    for feeder in range(feeders):
        rows["participants"].append(_business(feeder, seed))
    rows["nodes"] = list(_nodes(banks, feeders))
    return rows


def _homes(bank: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield what is drawn for each of a bank's homes."""
    rng = np.random.default_rng([seed, 0, bank])
    n = HOMES_PER_BANK
    drawn = {
        "kind": rng.permutation(np.repeat(list(KINDS), list(KINDS.values()))),
        "persons": rng.choice(len(PERSONS), n, p=PERSONS) + 1,
        "night": rng.random(n) < 0.3,
        "pv_kw": rng.uniform(3.0, 6.0, n).round(1),
        "tilt": rng.integers(4, 7, n) * 5.0,
        "azimuth": np.clip((rng.normal(180, 35, n) / 5).round() * 5, 90, 270),
        "battery_kwh": rng.uniform(5.0, 10.0, n).round(1),
        "commuter": rng.random(n) < 0.7,
        "guest": rng.random(n) < 0.3,
        "commute_km": rng.uniform(5, 40, n).round(),
        "errand_km": rng.uniform(4, 12, n).round(),
    }
    columns = [values.tolist() for values in drawn.values()]
    for values in zip(*columns, strict=True):
        yield {"bank": bank, **dict(zip(drawn, values, strict=True))}


def _add(rows: dict[str, Rows], number: int, home: Mapping[str, Any]) -> None:
    """Add a home, with its battery and its car, to the tables."""
    label, has = f"home-{number:06d}", home["kind"].split("+")
    pv = {"pv_kw": home["pv_kw"], "pv_tilt_deg": home["tilt"], "pv_azimuth_deg": home["azimuth"]}
    rows["participants"].append(
        {
            "participant": label,
            "kind": "home",
            "node": _bank(home["bank"]),
            "tariff": "night" if home["night"] else "standard",
            "import_limit_kw": 10,
            "export_limit_kw": 10,
            "persons": home["persons"],
            **(pv if "pv" in has else {}),
        }
    )
    if "battery" in has:
        rows["batteries"].append(_battery(label, home["battery_kwh"]))
    if "phev" in has:
        car = {"vehicle": f"phev-{number:06d}", "owner": label, **_CAR}
        if home["commuter"]:
            work = {"work": _site(home["bank"] // BANKS_PER_FEEDER)} if home["guest"] else {}
            car |= {"pattern": "commuter", "commute_km": home["commute_km"], **work}
        else:
            car |= {"pattern": "errand", "errand_km": home["errand_km"]}
        rows["vehicles"].append(car)


def _battery(owner: str, capacity: float) -> dict[str, Any]:
    """Return a battery that fills in two to three hours."""
    power = round(capacity / 2.5, 1)
    return {
        "battery": owner.replace("home", "battery"),
        "owner": owner,
        "capacity_kwh": capacity,
        "min_energy_kwh": round(0.1 * capacity, 1),
        "initial_energy_kwh": round(0.3 * capacity, 1),
        "charge_limit_kw": power,
        "discharge_limit_kw": power,
        "charge_efficiency": 0.95,
        "discharge_efficiency": 0.95,
        "wear_cost_per_kwh": 1.0,
    }


def _business(feeder: int, seed: int) -> dict[str, Any]:
    """Return the business of a feeder: an office or workshop with PV."""
    rng = np.random.default_rng([seed, 1, feeder])
    annual, pv = rng.integers(40, 121) * 1000, rng.integers(15, 41)
    return {
        "participant": _site(feeder),
        "kind": "business",
        "node": f"{_site(feeder)}-node",
        "tariff": "business",
        "import_limit_kw": 100,
        "export_limit_kw": 100,
        "annual_kwh": int(annual),
        "pv_kw": float(pv),
        "pv_tilt_deg": 10.0,
        "pv_azimuth_deg": 180.0,
    }


def _nodes(banks: int, feeders: int) -> Iterator[dict[str, Any]]:
    """Yield the tree from its root down."""
    substations = -(-feeders // FEEDERS_PER_SUBSTATION)
    yield {"node": NAME}
    for s in range(substations):
        yield {"node": f"substation-{s + 1:03d}", "parent": NAME, "level": "substation"}
    for f in range(feeders):
        above = f"substation-{f // FEEDERS_PER_SUBSTATION + 1:03d}"
        yield {"node": f"feeder-{f + 1:04d}", "parent": above, "level": "feeder"}
    for b in range(banks):
        yield {"node": _bank(b), "parent": f"feeder-{b // BANKS_PER_FEEDER + 1:04d}", "level": "bank"}
    for f in range(feeders):
        fees = {"fee_per_kwh": 2.78, "access_fee_per_kwh": 0}
        yield {"node": f"{_site(f)}-node", "parent": f"feeder-{f + 1:04d}", **fees}


def _bank(number: int) -> str:
    return f"bank-{number + 1:05d}"


def _site(feeder: int) -> str:
    return f"site-{feeder + 1:04d}"


def _text(homes: int, seed: int) -> str:
    return Template(_TEXT.read_text(encoding="utf-8")).substitute(homes=homes, seed=seed)


def _csv(table: str, rows: Rows) -> bytes:
    """Return a table with its comments and the columns that any row has, or else those that it must have."""
    out = io.StringIO()
    out.write("".join(f"# {line}\n" for line in _HEADERS[table].splitlines()))
    required = [column for column, field in TABLES[table][0].model_fields.items() if field.is_required()]
    lines = csv.DictWriter(
        out, list(dict.fromkeys(c for r in rows for c in r)) or required, lineterminator="\n"
    )
    lines.writeheader()
    lines.writerows(rows)
    return out.getvalue().encode()
