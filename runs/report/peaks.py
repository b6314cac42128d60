"""What one more kW at a peak would cost, of peaks of a meter and of those of all customers of a tariff."""

import numpy as np
import xarray as xr


def joint_peaks(inputs: xr.Dataset, results: xr.Dataset) -> np.ndarray:
    """Return which peaks (peak,) are charged as one of all customers of the tariff: none without peers."""
    joint = "peak_of" in inputs and "joint_peak_value" in results
    return np.asarray(inputs["peak_of"].values == "tariff") if joint else np.zeros(inputs.sizes["peak"], bool)


def marginal_values(inputs: xr.Dataset, results: xr.Dataset, participant: str) -> np.ndarray:
    """Return what one more kW of a participant adds to each peak's charge (peak, time) [currency/kW].

    Of peaks of its meter, to those of all of them; NaN where nobody planned.
    """
    shape = inputs.sizes["peak"], inputs.sizes["time"]
    own, of_all = np.full(shape, np.nan), np.zeros(shape)
    if "peak_value" in results:
        own[:] = results["peak_value"].sel(participant=participant).values
    if "joint_peak_value" in results:
        of_all = results["joint_peak_value"].values
    return np.where(joint_peaks(inputs, results)[:, None], of_all, own)
