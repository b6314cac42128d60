"""What counts beside the bill, and nobody pays: energy left in stores, missed targets, demand that is shed.

A plan weighs them against money; so an account has them beside its bill, beyond what they come to without peers, and
nobody is worse off than without peers by all of it together. With the energy E [kWh] of a store at the end, what it
lacks of its targets, L, and what is shed of the demand of a flexible load, S::

    final_energy_value = sum over stores of (E - E grid-only) * value
    breach_cost        = sum over stores of (L - L grid-only) * target_price
    shed_cost          = sum over loads of (S - S grid-only) * shed_price

The ``value`` is the ``final_value`` of the inputs. Where it says none, it is zero in markets that plan, which keep final
energies. Where nobody plans, or plans fail, stores do not end as they should, and a bill alone would call it dear to
charge and cheap to run empty: there (``planned=False``) it is what it takes to put a kWh there, mean retail price of the
owner's tariff / charge efficiency, by hours. Heat in tanks counts like energy in stores, over the mean COP.
"""

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ...data.inputs.devices import stores as devices
from ..labels import Array, positions, sum_at
from ..topology.stores import of_stores, optional_of_stores, stores

SIGNS = {"final_energy_value": -1, "breach_cost": 1, "shed_cost": 1}
"""The lines that count beside the bill, with the signs of costs."""


def unpaid(
    inputs: xr.Dataset, results: xr.Dataset, grid_only: xr.Dataset, *, planned: bool
) -> dict[str, Array]:
    """Return the lines (participant,) [currency] of the module, costs where a target or what is shed has a price."""
    size, store = inputs.sizes["participant"], stores(inputs)
    more = (of_stores(results, "energy") - of_stores(grid_only, "energy"))[:, -1]
    lines = {"final_energy_value": sum_at(store.owner, more * _value(inputs, planned), size)}
    if "heat_pump" in inputs.sizes and not planned:
        lines["final_energy_value"] += _heat(inputs, results, grid_only)
    if (~np.isnan(optional_of_stores(inputs, "target_price"))).any():
        breach = _breach_cost(inputs, results) - _breach_cost(inputs, grid_only)
        lines["breach_cost"] = sum_at(store.owner, breach, size)
    if "flexible_load_shed_price" in inputs:
        owner = positions(inputs, "flexible_load_owner", "participant")
        lines["shed_cost"] = sum_at(owner, _shed_cost(inputs, results) - _shed_cost(inputs, grid_only), size)
    return lines


def cost(inputs: xr.Dataset, results: xr.Dataset) -> float:
    """Return what counts in the objective beside money: breaches, shed demand, less ``final_value`` of what is held."""
    held = of_stores(results, "energy")[:, -1]
    stored = _breach_cost(inputs, results) - held * _value(inputs, planned=True)
    return float(stored.sum() + _shed_cost(inputs, results).sum())


def _shed_cost(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the price of all that is shed of the demand of flexible loads (L,) [currency]."""
    if "flexible_load_shed_price" not in inputs:
        return np.zeros(0)
    price = np.nan_to_num(inputs["flexible_load_shed_price"].values)
    power = results["flexible_load_power"].transpose("flexible_load", "time").values
    shed = (optional(inputs, "flexible_load_demand") - power) @ inputs["slot_hours"].values
    return np.asarray(shed * price)


def _value(inputs: xr.Dataset, planned: bool) -> Array:
    """Return what a kWh in a store at the end is worth (S,) [currency/kWh]."""
    said = optional_of_stores(inputs, "final_value")
    if planned:
        return np.nan_to_num(said)
    store = stores(inputs)
    return np.where(np.isnan(said), _mean_retail(inputs)[store.owner] / store.charge_efficiency, said)


def _mean_retail(inputs: xr.Dataset) -> Array:
    """Return the mean retail price of every participant's tariff (P,) [currency/kWh]."""
    hours = inputs["slot_hours"].values
    mean = inputs["retail_price"].values @ hours / hours.sum()
    return np.asarray(mean[positions(inputs, "participant_tariff", "tariff")])


def _heat(inputs: xr.Dataset, results: xr.Dataset, grid_only: xr.Dataset) -> Array:
    """Return what the heat that tanks hold at the end beyond that without peers is worth (P,) [currency]."""
    hours, owner = inputs["slot_hours"].values, positions(inputs, "heat_pump_owner", "participant")
    ends = [
        run["heat_pump_heat"].transpose("heat_pump", "time").values[:, -1] for run in (results, grid_only)
    ]
    value = _mean_retail(inputs)[owner] * hours.sum() / (inputs["heat_pump_cop"].values @ hours)
    return sum_at(owner, (ends[0] - ends[1]) * value, inputs.sizes["participant"])


def _breach_cost(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return the price of all that stores lack of their targets (S,) [currency]."""
    lack = np.concatenate(
        [
            results[f"{device}_breach"].transpose(device, "time").values.sum(axis=1)
            if f"{device}_breach" in results
            else np.zeros(inputs.sizes[device])
            for device in devices()
        ]
    )
    return np.asarray(lack * np.nan_to_num(optional_of_stores(inputs, "target_price")))
