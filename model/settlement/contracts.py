"""What contracts charge beside the energy: standing, peaks and tiers, and what each component of a tariff costs."""

from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.contract import optional
from ..labels import Array, sum_at
from ..topology import tiers
from ..topology.joint_peaks import charged
from ..topology.traders import Traders


def charges(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> dict[str, Array]:
    """Return the lines of an account (participant,) that only tariffs with components have [currency]."""
    if "component" not in inputs.sizes:
        return {}
    lines = {"standing_charges": _standing(inputs).sum(axis=1)}
    if "peak" in inputs.sizes:
        lines["peak_charges"] = _by_peak(inputs, results).sum(axis=1)
    if "tier" in inputs.sizes:
        lines["tier_charges"] = _by_tier(inputs, results, who).sum(axis=1)
    return lines


def components(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> dict[str, tuple[Any, ...]]:
    """Return ``component_cost`` (participant, component), nothing where tariffs have no components.

    And ``peak_power`` (participant, peak, month), what of each peak is charged, where there are any.
    """
    if "component" not in inputs.sizes:
        return {}
    cost = of_energy_and_time(inputs, results, who)
    if "tier" in inputs.sizes:
        cost = cost + _by_tier(inputs, results, who)
    peak: dict[str, tuple[Any, ...]] = {}
    if "peak" in inputs.sizes:
        cost = cost + _by_peak(inputs, results)
        text = {"long_name": "power of a month's peak that is charged", "units": "kW"}
        peak["peak_power"] = (
            ("participant", "peak", "month"),
            charged(inputs, results).transpose(1, 0, 2),
            text,
        )
    text = {"long_name": "paid to the retailer by component", "units": inputs.attrs["currency"]}
    return {"component_cost": (("participant", "component"), cost, text), **peak}


def of_energy_and_time(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> Array:
    """Return what each component costs a participant but for peaks and tiers (participant, component) [currency]."""
    size, hours = inputs.sizes["participant"], inputs["slot_hours"].values
    sold = who.stack(results["grid_export"], results["vehicle_export"]) * hours
    cost = bought(inputs, results, who) @ optional(inputs, "component_price").T
    cost = cost - sum_at(who.account, sold, size) @ optional(inputs, "component_credit").T
    return np.asarray(_own(inputs) * cost + _standing(inputs))


def _standing(inputs: xr.Dataset) -> Array:
    """Return what each component of its own tariff costs a participant whatever it draws (participant, component)."""
    hours, power = inputs["slot_hours"].values, optional(inputs, "contracted_power")[:, None]
    standing, contracted = (
        optional(inputs, f"component_{name}") @ hours for name in ("standing", "contracted")
    )
    return np.asarray(_own(inputs) * (standing + contracted * power))


def _own(inputs: xr.Dataset) -> Array:
    """Return whether a component belongs to a participant's tariff (participant, component)."""
    tariffs = inputs["participant_tariff"].values[:, None]
    return np.asarray(tariffs == inputs["component_tariff"].values)


def bought(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> Array:
    """Return what every account buys from the retailer (participant, time) [kWh]."""
    energy = who.stack(results["grid_import"], results["vehicle_import"]) * inputs["slot_hours"].values
    return sum_at(who.account, energy, inputs.sizes["participant"])


def _by_tier(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> Array:
    """Return what each component costs an account in dearer tiers (participant, component)."""
    return tiers.charges(inputs, bought(inputs, results, who))


def _by_peak(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what each component costs a participant for its peaks (participant, component)."""
    return np.asarray(charged(inputs, results).sum(axis=2).T @ optional(inputs, "component_peak").T)
