"""The power flow of a run, and what it says: extremes and where they are, breaches, losses."""

from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs.arrays import Arrays
from ...data.inputs.variables import NODE_LIMITS
from ...model.grid.limits import BANDS, EN_50160, Band, Breaches, breaches, worst
from ...model.grid.node_limits import excess
from ...model.grid.power_flow import METHOD, power_flow
from ...model.topology.connections import above_envelopes

ABOVE = {"above_envelopes": ("import_envelope",), "above_node_limits": NODE_LIMITS}
"""Figures of what exceeds limits over time, and the inputs that state these."""


@dataclass(frozen=True, eq=False)
class Flow:
    """The power flow of a run: the group ``network``, what breaks the ``band``, figures for a machine.

    ``limited`` names those figures of what exceeds limits over time, of connections and of nodes, of which it has some.
    """

    scenario: str
    market: str
    slots: int
    network: xr.Dataset
    band: Band
    found: Breaches
    figures: dict[str, Any]
    limited: tuple[str, ...]


def flow(tree: xr.DataTree, *, balanced: bool = False, band: str | Band = EN_50160) -> Flow:
    """Return the power flow of a run whose inputs describe their network; raises ``NoPowerFlow`` if there is none."""
    inputs, results = (tree[group].to_dataset() for group in ("inputs", "results"))
    named = str(tree.attrs.get("scenario", "")), str(tree.attrs["market"])
    return flow_of(inputs, results, *named, balanced=balanced, band=band)


def flow_of(
    inputs: xr.Dataset,
    results: xr.Dataset,
    scenario: str,
    market: str,
    *,
    balanced: bool = False,
    band: str | Band = EN_50160,
) -> Flow:
    """Return the power flow of the results of a market; see :func:`flow`."""
    inputs, results = Arrays.of(inputs), Arrays.of(results)
    network = power_flow(inputs, results, balanced=balanced)
    limits = BANDS[band] if isinstance(band, str) else band
    network.attrs = {
        "method": f"power-grid-model {metadata.version('power-grid-model')}, {METHOD}, three-phase",
        "loads": "in equal parts on the phases" if balanced else "on the participants' phases",
        "band": band if isinstance(band, str) else band.source,
        "voltage_low": limits.low,
        "voltage_high": limits.high,
    }
    found = breaches(network, limits)
    return Flow(
        scenario=scenario,
        market=market,
        slots=inputs.sizes["time"],
        network=network,
        band=limits,
        found=found,
        figures=_figures(inputs, results, network, found),
        limited=tuple(name for name, of in ABOVE.items() if any(limit in inputs for limit in of)),
    )


def _figures(inputs: xr.Dataset, results: xr.Dataset, network: xr.Dataset, found: Breaches) -> dict[str, Any]:
    """Return what a machine wants to know of a power flow."""
    hours = inputs["slot_hours"].values
    voltage = network["voltage"].transpose("node", "phase", "time").values
    ends = {name: _place(network, voltage, sign) for name, sign in (("lowest", -1), ("highest", 1))}
    loading = network["loading"].transpose("node", "time").values
    node, slot = worst(loading, 1)
    losses = float((network["losses"].values * hours).sum())
    supplied = float((inputs["demand"].transpose("participant", "time").values * hours).sum())
    nodes = excess(inputs, results).values()
    above = {
        "above_envelopes": above_envelopes(inputs, results),
        "above_node_limits": np.concatenate([*nodes, np.zeros((1, len(hours)))]),
    }
    return {
        **dict(network.attrs),
        "voltage": ends,
        "loading": {
            "greatest": float(loading[node, slot]),
            "node": str(network["node"].values[node]),
            "time": str(network["time"].values[slot])[:19],
        },
        "losses_kwh": losses,
        "losses_per_demand": losses / supplied if supplied else float("nan"),
        "breaches": {
            "low": int(found.low.sum()),
            "high": int(found.high.sum()),
            "overloaded": int(found.overloaded.sum()),
            "slots": found.slots,
        },
        **{
            name: {"slots": int((over > 0).any(axis=0).sum()), "kwh": float((over * hours).sum())}
            for name, over in above.items()
        },
    }


def _place(network: xr.Dataset, voltage: Any, sign: int) -> dict[str, Any]:
    node, phase, slot = worst(voltage, sign)
    labels = {dim: network[dim].values for dim in ("node", "phase", "time")}
    return {
        "value": float(voltage[node, phase, slot]),
        "node": str(labels["node"][node]),
        "phase": str(labels["phase"][phase]),
        "time": str(labels["time"][slot])[:19],
    }
