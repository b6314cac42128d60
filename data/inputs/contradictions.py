"""What prices and devices must obey beyond the bounds of single numbers."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from . import candidates, devices, tasks
from .contract import optional
from .tasks import Wrong


def contradictions(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield the entries that contradict others: of prices, stores and vehicles, heat pumps, loads and candidates."""
    yield from _components(inputs)
    yield from _devices(inputs)
    yield from _heat_pumps(inputs)
    yield from tasks.contradictions(inputs)
    yield from candidates.contradictions(inputs)


def _components(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield all-in prices that are not the sums of their components."""
    if "component" not in inputs.dims:
        return
    own = inputs["component_tariff"].values[:, None] == inputs["tariff"].values
    for name, rate in (("retail_price", "component_price"), ("feed_in_price", "component_credit")):
        want = own.T @ optional(inputs, rate)
        wrong = ~np.isclose(inputs[name].values, want, rtol=1e-9, atol=1e-9)
        yield name, wrong, f"the sum of {rate} over the components of the tariff"
    for name in ("peak", "tier"):
        if name in inputs.dims:
            want = optional(inputs, f"component_{name}").sum(axis=0)
            wrong = ~np.isclose(inputs[f"{name}_price"].values, want, rtol=1e-9, atol=1e-9)
            text = f"the sum of component_{name} over the components"
            yield f"{name}_price", wrong, text


def _devices(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield limits of devices that contradict one another, and electric vehicles without an engine's range."""
    for device in devices.stores():
        capacity = inputs[f"{device}_capacity"].values
        for name in (f"{device}_min_energy", f"{device}_final_energy"):
            yield name, inputs[name].values > capacity, f"at most {device}_capacity"
        if (limit := f"{device}_final_limit") in inputs:
            least = np.fmax(inputs[f"{device}_min_energy"].values, inputs[f"{device}_final_energy"].values)
            want = f"at least {device}_min_energy and {device}_final_energy"
            yield limit, inputs[limit].values < least, want
        if (target := f"{device}_target") in inputs:
            over = inputs[target].values > capacity[:, None]
            yield target, over, f"at most {device}_capacity"
    if "inverter_limit" in inputs:
        apart = optional(inputs, "participant_metering") == "gross"
        over = apart & np.isfinite(inputs["inverter_limit"].values)
        want = "none where PV is metered gross: its inverter is on a meter of its own"
        yield "inverter_limit", over, want
    over = inputs["vehicle_min_charge"].values > inputs["vehicle_charge_limit"].values
    yield "vehicle_min_charge", over, "at most vehicle_charge_limit"


def _heat_pumps(inputs: xr.Dataset) -> Iterator[Wrong]:
    """Yield limits of heat pumps and their tanks that contradict one another."""
    if "heat_pump" not in inputs.dims:
        return
    of = "heat_pump_"
    for name, most in (
        *((f"{of}{heat}_heat", f"{of}capacity") for heat in ("min", "initial", "final")),
        (f"{of}backup_limit", f"{of}power_limit"),
    ):
        if name in inputs:
            over = inputs[name].values > inputs[most].values
            yield name, over, f"at most {most}"
