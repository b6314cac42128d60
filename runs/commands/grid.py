"""The commands that ask whether the feeder holds, and what it leaves to each connection: `grid` and `envelopes`."""

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs.contract import optional
from ...data.problems import InputError, Problem, shown
from ...model.grid.limits import BANDS, EN_50160, Band, Breaches, breaches, worst
from ...model.grid.power_flow import power_flow
from ..grid import envelopes as operating_envelopes
from ..grid.wires import require_wires
from ..store import netcdf, run_file, run_format, zarr
from ..text import table
from .answer import Answer

EDGES_SHOWN = 8
"""Most edges that a table lists, the most loaded first."""


def grid(
    path: Path, *, band: str = EN_50160, balanced: bool = False, output: Path | None = None
) -> tuple[Answer, bool]:
    """Run the power flow of a stored run and store it with the run; return whether a limit is broken, too.

    The group ``network`` is added to the run (or to a copy, ``output``); nothing else of it changes.

    Raises
    ------
    InputError
        If the run says nothing of its network, or if power-grid-model is not installed.
    """
    tree = _run(path)
    limits = BANDS[band]
    with run_file.reading(path):
        inputs = tree["inputs"].to_dataset()
        network = power_flow(inputs, tree["results"].to_dataset(), balanced=balanced)
        found = breaches(network, limits)
        network.attrs = {
            "method": f"power-grid-model {metadata.version('power-grid-model')}, Newton-Raphson, three-phase",
            "loads": "in equal parts on the phases" if balanced else "on the participants' phases",
            "band": band,
            "voltage_low": limits.low,
            "voltage_high": limits.high,
        }
        tree[run_format.NETWORK] = xr.DataTree(network)
        figures = facts(inputs, network, found)
    stored = output or path
    kept = netcdf.write_run(tree, stored)
    text = [
        _heading(tree, network),
        _voltages(inputs, figures, found, limits),
        _edges(inputs, network, found),
    ]
    text.append(
        shown(f"stored  {stored}" + (f" (the earlier, different file is now {kept})" if kept else ""))
    )
    return Answer({**figures, "path": str(stored)}, "\n\n".join(text)), found.any


def envelopes(source: str, output: Path | None, **options: Any) -> Answer:
    """Compute and store operating envelopes; see :func:`otonari.runs.grid.envelopes.compute`."""
    return Answer(*operating_envelopes.compute(source, output, **options))


def _run(path: Path) -> xr.DataTree:
    """Return a run that says what its network is to a power flow."""
    if path.suffix == zarr.SUFFIX:
        want = "a run file (.nc): nothing is added to a store of regions"
        raise InputError([Problem(str(path), "", "RUN", path.name, want)])
    tree = run_file.open_run(path)
    require_wires(path, tree["inputs"].to_dataset())
    return tree


def facts(inputs: xr.Dataset, network: xr.Dataset, found: Breaches) -> dict[str, Any]:
    """Return what a machine wants to know of a power flow: extremes and where they are, breaches, losses."""
    hours = inputs["slot_hours"].values
    voltage = network["voltage"].transpose("node", "phase", "time").values
    ends = {name: _place(network, voltage, sign) for name, sign in (("lowest", -1), ("highest", 1))}
    loading = network["loading"].transpose("node", "time").values
    node, slot = worst(loading, 1)
    losses = float((network["losses"].values * hours).sum())
    supplied = float(inputs["demand"].dot(inputs["slot_hours"]).sum())
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


def _heading(tree: xr.DataTree, network: xr.Dataset) -> str:
    attrs = tree.attrs
    return shown(
        f"{attrs['scenario']}  {attrs['market']}: {network.attrs['method']}; loads {network.attrs['loads']}"
    )


def _voltages(inputs: xr.Dataset, figures: dict[str, Any], found: Breaches, band: Band) -> str:
    """Return the extremes of voltage, and what leaves the band."""
    rows = []
    for name, sign, outside in (("lowest", -1, found.low), ("highest", 1, found.high)):
        at = figures["voltage"][name]
        when = _local(inputs, at["time"])
        limit = band.low if sign < 0 else band.high
        rows.append(
            [
                name,
                f"{at['value']:.4f}",
                f"{limit:.2f}",
                at["node"],
                at["phase"],
                when,
                f"{int(outside.sum()):,}",
            ]
        )
    header = ["voltage", "p.u.", "limit", "node", "phase", "time", "breaches"]
    lines = [table(header, rows), f"band    {band.source}", f"losses  {figures['losses_kwh']:,.2f} kWh"]
    held = f"{found.slots} of {inputs.sizes['time']} slots break a limit" if found.any else "every slot holds"
    return "\n".join([*lines, held])


def _edges(inputs: xr.Dataset, network: xr.Dataset, found: Breaches) -> str:
    """Return the most loaded edges that have a rating."""
    rating = optional(inputs, "node_current_limit")
    loading = network["loading"].transpose("node", "time").values
    current = network["current"].max("phase").transpose("node", "time").values
    order = [n for n in np.argsort(-loading.max(axis=1), kind="stable") if np.isfinite(rating[n])]
    names, parents = inputs["node"].values, inputs["node_parent"].values
    rows = []
    for n in order[:EDGES_SHOWN]:
        slot = int(loading[n].argmax())
        when = _local(inputs, inputs["time"].values[slot])
        over = int(found.overloaded[n].sum())
        edge = f"{names[n]} - {parents[n]}", f"{current[n, slot]:.1f}", f"{rating[n]:.0f}"
        rows.append([*edge, f"{loading[n, slot]:.1%}", when, f"{over:,}"])
    if not rows:
        return "no edge has a rating"
    rest = len(order) - len(rows)
    return table(["edge", "A", "rated", "loading", "time", "slots above"], rows) + (
        f"\n{rest} more edges: group network of the run file" if rest > 0 else ""
    )


def _local(inputs: xr.Dataset, time: Any) -> str:
    """Return a time as the scenario's clock shows it."""
    return f"{clock.local(pd.DatetimeIndex([time]), str(inputs.attrs['time_zone']))[0]:%Y-%m-%d %H:%M}"
