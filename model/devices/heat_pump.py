"""Heat pumps: electricity to heat, held in a tank until it is drawn."""

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array
from ..lp.expressions import Relation
from ..topology.meters import Meters
from .device import Device, Sets


def heat_pump(inputs: xr.Dataset, meters: Meters, sets: Sets) -> Device:
    """Heat pumps behind their owners' meters, each with a tank and perhaps a resistive backup.

    heat[h,t] = (1 - standing_loss[h])^(hours[t] / 24) * heat[h,t-1]
                + (cop[h,t] * (power[h,t] - backup[h,t]) + backup[h,t] - demand[h,t]) * hours[t]

    0 <= power[h,t] <= power_limit[h], of which the backup takes 0 <= backup[h,t] <= backup_limit[h] and the pump

    0 <= power[h,t] - backup[h,t] <= power_limit[h] - backup_limit[h]

    min_heat[h] <= heat[h,t] <= capacity[h], at the end at least final_heat[h]. Heat that starts below its minimum
    returns at full power: it is at least what that leaves.
    """
    block = Device(("heat_pump", "time"), inputs, meters, sets)
    hours, place = inputs["slot_hours"].values, meters.place["heat_pump"]
    limit = inputs["heat_pump_power_limit"].values[:, None]
    backup_limit = optional(inputs, "heat_pump_backup_limit")[:, None]
    power = block.var("power", "kW", "power that pump and backup take", upper=limit)
    backup = block.var(
        "backup", "kW", "part of it that the backup takes", upper=backup_limit, where=backup_limit > 0
    )
    pump = power - backup
    if (backup_limit > 0).any():
        block.row(
            "pump_limit",
            Relation(pump, np.zeros(pump.shape), np.broadcast_to(limit - backup_limit, pump.shape)),
            "0 <= power[h,t] - backup[h,t] <= power_limit[h] - backup_limit[h]",
            where=backup_limit > 0,
        )
    least = least_heat(inputs, heat_of(inputs, meters.charging_capacity(place, limit)))
    final = np.nan_to_num(inputs["heat_pump_final_heat"].values)
    least[:, -1] = np.maximum(least[:, -1], final)
    heat = block.var(
        "heat",
        "kWh",
        "heat in its tank at the end of the slot",
        lower=least,
        upper=inputs["heat_pump_capacity"].values[:, None],
        basic=True,
    )
    cop, demand = inputs["heat_pump_cop"].values, inputs["heat_pump_heat_demand"].values
    before = heat.previous(inputs["heat_pump_initial_heat"].values)
    block.row(
        "heat_balance",
        heat == kept(inputs) * before + hours * (cop * pump + backup) - hours * demand,
        "heat[h,t] = (1 - standing_loss[h])^(hours[t] / 24) * heat[h,t-1]"
        " + (cop[h,t] * (power[h,t] - backup[h,t]) + backup[h,t] - demand[h,t]) * hours[t]",
        lack="kWh of heat",
        balanced=True,
    )
    block.draw = block.charged = power.at(place, len(meters.label))
    block.charge_limit = (0.0 * power + limit).at(place, len(meters.label)).constant
    return block


def kept(inputs: xr.Dataset) -> Array:
    """Return what standing losses leave of the heat of every tank after a slot (heat_pump, time) [1].

    (1 - standing_loss[h]) ^ (hours[t] / 24)
    """
    left = 1.0 - optional(inputs, "heat_pump_standing_loss")
    return np.asarray(left[:, None] ** (inputs["slot_hours"].values / 24.0))


def heat_of(inputs: xr.Dataset, power: Array) -> Array:
    """Return the most heat (heat_pump, time) [kWh] that powers (heat_pump, time) [kW] make.

    The pump runs first, up to its own limit; the resistive backup takes what is beyond, and first where it makes more.
    """
    limit, backup = inputs["heat_pump_power_limit"].values, optional(inputs, "heat_pump_backup_limit")
    cop = inputs["heat_pump_cop"].values
    own = np.where(
        cop >= 1.0, np.minimum(power, (limit - backup)[:, None]), power - np.minimum(power, backup[:, None])
    )
    return np.asarray((cop * own + power - own) * inputs["slot_hours"].values)


def unmet(inputs: xr.Dataset, results: xr.Dataset) -> dict[str, float]:
    """Return the heat of a run that was asked for and not there [kWh], as ``heat_unmet``; nothing without heat pumps."""
    if "heat_pump_unmet" not in results:
        return {}
    lacking = results["heat_pump_unmet"].transpose("heat_pump", "time").values
    return {"heat_unmet": float((lacking @ inputs["slot_hours"].values).sum())}


def least_heat(inputs: xr.Dataset, most: Array) -> Array:
    """Return the least heat (heat_pump, time) [kWh] that tanks keep, which can get so much at the ``most`` [kWh].

    That is min_heat, but where a tank starts below it what full power from the start on leaves, if that is less.
    """
    least, level = inputs["heat_pump_min_heat"].values, inputs["heat_pump_initial_heat"].values
    drawn = inputs["heat_pump_heat_demand"].values * inputs["slot_hours"].values
    left, low = kept(inputs), level < least
    bound = np.repeat(least[:, None], drawn.shape[1], axis=1)
    for t in range(drawn.shape[1] if low.any() else 0):
        level = np.clip(left[:, t] * level + most[:, t] - drawn[:, t], 0.0, least)
        bound[low, t] = level[low]
    return bound
