"""What a connection lets through in each slot: its limit, and the operating envelope that a network gives it."""

import numpy as np
import xarray as xr

from ...data.inputs.arrays import derived
from ...data.inputs.contract import optional
from ..labels import Array, positions
from .fee_tree import ancestors

WAYS = ("import", "export")
SMALL = 1e-6
"""Power [kW] by which an envelope may be passed: the solver's own error."""


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
    """Return inputs whose import envelopes, of nodes too, let through what demand alone draws beside its PV.

    An envelope sheds no load: where nobody plans, what it cannot hold back is drawn all the same.
    """
    if "import_envelope" not in inputs and "node_import_envelope" not in inputs:
        return inputs
    drawn, least = drawn_by_demand(inputs), {}
    if "import_envelope" in inputs:
        least["import_envelope"] = drawn
    if "node_import_envelope" in inputs:
        above = ancestors(positions(inputs, "node_parent", "node"))
        least["node_import_envelope"] = above[positions(inputs, "participant_node", "node")].T @ drawn
    return inputs.assign(
        {name: inputs[name].copy(data=np.maximum(inputs[name].values, own)) for name, own in least.items()}
    )


def drawn_by_demand(inputs: xr.Dataset) -> Array:
    """Return what demand alone draws beside the PV behind its meter (participant, time) [kW], at least 0."""
    apart = optional(inputs, "participant_metering") == "gross"
    behind = np.where(apart[:, None], 0.0, inputs["pv_available"].values)
    return np.asarray(np.maximum(inputs["demand"].values - behind, 0.0))


def above_envelopes(inputs: xr.Dataset, results: xr.Dataset) -> Array:
    """Return what connections draw beyond their import envelopes (participant, time) [kW], where nobody could plan."""
    order = ("participant", "time")
    if "import_envelope" not in inputs:
        return np.zeros([inputs.sizes[dim] for dim in order])
    over = results["draw"].transpose(*order).values - inputs["import_envelope"].transpose(*order).values
    return np.where(over > SMALL, over, 0.0)
