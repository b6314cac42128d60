"""Physics of devices that store no electricity, recomputed: the heat of heat pumps' tanks."""

from collections.abc import Iterator

import numpy as np

from .physics import Finding, Run

_TANK = ("heat_pump", "time")


def physics(run: Run, planned: bool = True) -> Iterator[Finding]:
    """Yield every check of the devices that a run has; what nobody ``planned`` may leave the band of comfort below."""
    if len(run.owner.get("heat_pump", ())):
        yield from _heat_pumps(run, planned)


def _heat_pumps(run: Run, planned: bool) -> Iterator[Finding]:
    """Yield the recursion of the heat in tanks, its limits, and those of pump and backup.

    Heat that starts below the band returns at full power, or as far as a connection leaves any.
    """
    i = {name.removeprefix("heat_pump_"): v for name, v in run.i.items() if name.startswith("heat_pump_")}
    power, heat = run.r["heat_pump_power"], run.r["heat_pump_heat"]
    none = np.zeros(heat.shape)
    backup, unmet = (run.r.get(f"heat_pump_{name}", none) for name in ("backup", "unmet"))
    pump, loss = power - backup, i.get("standing_loss", np.zeros(len(heat)))
    most_backup = i.get("backup_limit", np.zeros(len(heat)))[:, None]
    most_pump = i["power_limit"][:, None] - most_backup
    left = np.exp(np.outer(np.log1p(-loss), run.hours) / 24.0)
    before = np.concatenate([i["initial_heat"][:, None], heat[:, :-1]], axis=1)
    drawn = (i["heat_demand"] - unmet) * run.hours
    made = (i["cop"] * pump + backup) * run.hours
    yield Finding("heat pump heat", _TANK, abs(heat - left * before - made + drawn), before + made + drawn)
    yield Finding("heat pump backup", _TANK, np.maximum(backup - most_backup, backup - power), most_backup)
    yield Finding("heat pump without backup", _TANK, pump - most_pump, most_pump)
    yield Finding("heat pump capacity", _TANK, heat - i["capacity"][:, None], heat)
    yield Finding("heat pump unmet demand", _TANK, unmet - i["heat_demand"], unmet)
    if not planned:
        return
    yield Finding("heat pump met demand", _TANK, unmet)
    free = np.isinf(run.import_limit)[run.owner["heat_pump"]]
    full = np.where(
        free, (i["cop"] * most_pump + most_backup) * run.hours, 0.0
    )  # else it need not heat at full power
    least = i["min_heat"]
    levels = [np.minimum(least, i["initial_heat"])]
    for part, more in zip(left.T, (full - i["heat_demand"] * run.hours).T, strict=True):
        levels.append(np.where(levels[-1] < least, np.clip(part * levels[-1] + more, 0.0, least), least))
    least = np.stack(levels[1:], axis=1)
    yield Finding("heat pump minimum", _TANK, least - heat, least)
    final = np.where(np.isnan(i["final_heat"]), -np.inf, i["final_heat"] - heat[:, -1])
    yield Finding("heat pump final heat", ("heat_pump",), final, heat[:, -1])
