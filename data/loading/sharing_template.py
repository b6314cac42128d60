"""The template of a settlement: twelve members, a plant in common, and a month of readings made from a seed."""

import hashlib
from pathlib import Path

import numpy as np

from .. import clock
from ..generators import demand, solar, sun

NAME = "sharing"
SEED = 1
_FOLDER = Path(__file__).parents[1] / "scenarios" / NAME
_PERSONS = {1: 2, 2: 4, 3: 1, 4: 5, 5: 3, 6: 2, 7: 4, 8: 3, 9: 1}
_ANNUAL_KWH = {10: 28_000.0, 11: 45_000.0, 12: 16_000.0}
_PV_KW = {2: 5.0, 5: 7.5}
_PLANT, _PLANT_KW = 20, 40.0
_SITE = sun.Site(47.07, 15.44, 360.0)
"""Graz."""
_ZONE, _START, _DAYS, _MINUTES = "Europe/Vienna", "2026-06-01", 30, 15


def files(seed: int = SEED) -> dict[str, bytes]:
    """Return the files of the template, name to content; the readings depend on the seed alone."""
    static = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.is_file()}
    return {**static, "readings.csv": _readings(seed).encode()}


def _readings(seed: int) -> str:
    """Return the energies of the metering points in kWh per quarter-hour, whole Wh, a row per slot."""
    times, hours = clock.slots(_START, _DAYS, _MINUTES, _ZONE), _MINUTES / 60
    sky = solar.weather(times, hours, _SITE, "surrogate")

    def pv(kilowatts: float) -> np.ndarray:
        return np.asarray(solar.pv_power(times, hours, _SITE, sky, kilowatts, 30.0, 180.0))

    columns: dict[str, np.ndarray] = {}
    for number in (*_PERSONS, *_ANNUAL_KWH):
        own = int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:6], "big")
        if number in _PERSONS:
            use = demand.household(times, _ZONE, _PERSONS[number], own, hours)
        else:
            use = demand.business(times, _ZONE, _ANNUAL_KWH[number], own, hours)
        if number in _PV_KW:
            net = use - pv(_PV_KW[number])
            columns[f"AT-{number:02d} drawn"] = np.maximum(net, 0.0)
            columns[f"AT-{number:02d} given"] = np.maximum(-net, 0.0)
        else:
            columns[f"AT-{number:02d}"] = use
    columns[f"AT-{_PLANT}"] = pv(_PLANT_KW)
    energy = np.array(list(columns.values())) * hours
    stamps = [time.isoformat(timespec="minutes") for time in clock.local(times, _ZONE)]
    lines = [",".join(["time", *columns])]
    for stamp, row in zip(stamps, energy.T.tolist(), strict=True):
        lines.append(",".join([stamp, *(f"{value:.3f}" for value in row)]))
    return "\n".join(lines) + "\n"
