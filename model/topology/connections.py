"""What a connection lets through in each slot: its limit, and the operating envelope that a network gives it."""

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ..labels import Array

WAYS = ("import", "export")


@derived
def connections(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return the most that each connection draws and gives in a slot (participant, time) [kW].

    The lesser of ``import_limit`` and ``import_envelope``, and of ``export_limit`` and ``export_envelope``.
    """
    shape = inputs.sizes["participant"], inputs.sizes["time"]
    limits = []
    for way in WAYS:
        limit, envelope = inputs[f"{way}_limit"].values[:, None], f"{way}_envelope"
        own = np.minimum(limit, inputs[envelope].values) if envelope in inputs else limit
        limits.append(np.broadcast_to(own, shape))
    return limits[0], limits[1]


def unavoidable(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs whose import envelopes let through what demand alone draws beside its PV.

    An envelope sheds no load: where nobody plans, what it cannot hold back is drawn all the same.
    """
    if "import_envelope" not in inputs:
        return inputs
    apart = optional(inputs, "participant_metering") == "gross"
    behind = np.where(apart[:, None], 0.0, inputs["pv_available"].values)
    drawn = inputs["demand"].values - behind
    envelope = inputs["import_envelope"]
    return inputs.assign(import_envelope=envelope.copy(data=np.maximum(envelope.values, drawn)))
