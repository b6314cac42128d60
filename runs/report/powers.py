"""Power of a run by source and by use, of the community or of one member."""

import numpy as np
import xarray as xr

from ...data.inputs import devices
from .figures.axes import Array

LEAST = 1e-6
"""Power [kW] below which there is nothing to show."""


def powers(inputs: xr.Dataset, results: xr.Dataset, participant: str | None = None) -> dict[str, Array]:
    """Return power by source, above zero, and by use, below (time,) [kW]: together they are zero in every slot.

    Of the community without what peers trade with one another; of one participant with its vehicles wherever they are
    plugged in. Sources and uses of nothing are left out.
    """
    here = np.ones(inputs.sizes["participant"], dtype=bool)
    if participant is not None:
        here = inputs["participant"].values == participant
    own = {
        name: np.isin(inputs[row.owner].values, inputs["participant"].values[here])
        for name, row in devices.present(inputs).items()
    }

    def of_meters(name: str) -> Array:
        guests = results[f"vehicle_{name.split('_')[1]}"].values[own["vehicle"]].sum(axis=0)
        return np.asarray(results[name].values[here].sum(axis=0) + guests)

    def of_devices(device: str, result: str) -> Array:
        return np.asarray(results[result].values[own[device]].sum(axis=0))

    pv = (inputs["pv_available"].values - results["pv_curtailment"].values)[here].sum(axis=0)
    series = {"PV": pv, "retailer": of_meters("grid_import")}
    if participant is not None:
        series["peers"] = of_meters("peer_purchase")
    for name, row in devices.stores().items():
        series[several(name)] = of_devices(name, row.give)
    series["demand"] = -inputs["demand"].values[here].sum(axis=0)
    for name, row in devices.present(inputs).items():
        label = f"into {several(name)}" if row.energy else name.replace("_", " ")
        series[label] = -of_devices(name, row.draw)
    series["to retailer"] = -of_meters("grid_export")
    if participant is not None:
        series["to peers"] = -of_meters("peer_sale")
    return {name: power for name, power in series.items() if np.abs(power).max(initial=0.0) > LEAST}


def several(device: str) -> str:
    """Return the name of several of a device."""
    return {"battery": "batteries"}.get(device, f"{device}s")
