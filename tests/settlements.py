"""A small settlement file and its readings, as a user would write them, to be changed by tests."""

import copy
from pathlib import Path

import yaml

MEMBERS = ("anna", "bert", "carla")
DRAWN, KEYS = (200, 600, 800), (0.5, 0.3, 0.2)
"""Wh at noon, and keys, of the worked cases of DESIGN; the plant injects 1 kWh then."""

FILE = {
    "schema_version": 1,
    "name": "trio",
    "currency": "EUR",
    "time": {"start": "2026-06-30", "days": 1, "slot_minutes": 60, "time_zone": "Europe/Vienna"},
    "tables": {
        "members": [*({"member": name, "tariff": "home"} for name in MEMBERS), {"member": "plant"}],
        "points": [
            *({"point": f"AT-{name}", "member": name, "direction": "withdrawal"} for name in MEMBERS),
            {"point": "PV", "member": "plant", "direction": "injection"},
        ],
        "keys": [{"member": name, "key": key} for name, key in zip(MEMBERS, KEYS, strict=True)],
    },
    "readings": [{"path": "readings.csv", "unit": "Wh", "time_zone": "UTC"}],
    "tariffs": {
        "home": {
            "energy": {"type": "flat", "price_per_kwh": 0.2},
            "feed_in": {"type": "flat", "price_per_kwh": 0.06},
        }
    },
    "sharing": {
        "rule": "pro-rata",
        "order": ["bert", "anna", "carla", "plant"],
        "price": {"rule": "fixed", "price": 0.12},
    },
}


def noon(hours=range(24), first="2026-06-29T22:00"):
    """Return readings: at 12:00 of Vienna the worked case, else nothing; a row per hour of the local day."""
    import pandas as pd

    times = pd.date_range(first, periods=len(hours), freq="h")
    rows = ["time," + ",".join([*(f"AT-{name}" for name in MEMBERS), "PV"])]
    for hour, time in zip(hours, times, strict=True):
        values = (*DRAWN, 1000) if hour == 12 else (0, 0, 0, 0)
        rows.append(f"{time:%Y-%m-%dT%H:%M}," + ",".join(map(str, values)))
    return "\n".join(rows) + "\n"


def written(folder: Path, readings=None, **changes) -> Path:
    """Write a settlement and its readings (a text), with sections replaced or changed by a function; return its file."""
    values = copy.deepcopy(FILE)
    for name, change in changes.items():
        values[name] = change(values[name]) if callable(change) else change
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(readings, list):
        values["readings"] = readings
    (folder / "readings.csv").write_text(readings if isinstance(readings, str) else noon())
    (folder / "settlement.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return folder / "settlement.yaml"
