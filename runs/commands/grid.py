"""The commands that ask whether the feeder holds, and what it leaves to each connection: `grid` and `envelopes`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs.contract import optional
from ...data.problems import shown
from ...model.grid.limits import EN_50160
from ..grid import envelopes as operating_envelopes
from ..grid.day import Flow, flow
from ..grid.markets import alternatives, side_by_side
from ..grid.wires import require_wires
from ..store import netcdf, run_file, run_format, zarr
from ..text import table
from .answer import Answer

EDGES_SHOWN = 8
"""Most edges that a table lists, the most loaded first."""


def grid(
    runs: Sequence[Path],
    *,
    band: str = EN_50160,
    balanced: bool = False,
    against: Sequence[str] = (),
    output: Path | None = None,
) -> tuple[Answer, bool]:
    """Run the power flow of stored runs and store it with each; return whether a limit is broken by one, too.

    The group ``network`` is added to a run file (or to a copy of the only one, ``output``), and nothing else of it
    changes; of a store of regions it is a file of its own beside the store. Several runs, and what other markets would
    make of the first one's inputs (``against``), are told side by side.

    Raises
    ------
    InputError
        If a run says nothing of its network, or if power-grid-model is not installed.
    """
    how: dict[str, Any] = {"band": band, "balanced": balanced}
    flows, facts, stored = list[Flow](), list[dict[str, Any]](), list[str]()
    trees = [_run(path) for path in runs]
    for path, tree in zip(runs, trees, strict=True):
        with run_file.reading(path):
            flows.append(flow(tree, **how))
        place, kept = _store(path, tree, flows[-1], output)
        facts.append({"market": flows[-1].market, **flows[-1].figures, "path": str(place)})
        stored.append(f"stored  {place}" + (f" (the earlier, different file is now {kept})" if kept else ""))
    broken = any(one.found.any for one in flows)
    if len(runs) == 1 and not against:
        one, inputs = flows[0], trees[0]["inputs"].to_dataset()
        text = [_heading(one), _voltages(inputs, one), _edges(inputs, one), *map(shown, stored)]
        return Answer(facts[0], "\n\n".join(text)), broken
    with run_file.reading(runs[0]):
        others = list(alternatives(trees[0], against, **how))
    facts += [{"market": other.market, **other.figures, "path": None} for other in others]
    text = [side_by_side([*flows, *others]), "\n".join(map(shown, stored))]
    return Answer({"runs": facts}, "\n\n".join(text)), broken


def envelopes(source: str, output: Path | None, **options: Any) -> Answer:
    """Compute and store operating envelopes; see :func:`otonari.runs.grid.envelopes.compute`."""
    return Answer(*operating_envelopes.compute(source, output, **options))


def _run(path: Path) -> xr.DataTree:
    """Return a run that says what its network is to a power flow."""
    tree = run_file.open_run(path)
    require_wires(path, tree["inputs"].to_dataset())
    return tree


def _store(path: Path, tree: xr.DataTree, one: Flow, output: Path | None) -> tuple[Path, Path | None]:
    """Store a power flow with its run, or beside a store of regions; return where, and where an earlier file is now."""
    if path.suffix == zarr.SUFFIX:
        place = output or path.with_name(f"{path.stem}.network.nc")
        named = {name: tree.attrs[name] for name in ("scenario_hash", "results_digest") if name in tree.attrs}
        return place, netcdf.write_dataset(one.network.assign_attrs(named), place)
    tree[run_format.NETWORK] = xr.DataTree(one.network)
    place = output or path
    return place, netcdf.write_run(tree, place)


def _heading(one: Flow) -> str:
    attrs = one.network.attrs
    return shown(f"{one.scenario}  {one.market}: {attrs['method']}; loads {attrs['loads']}")


def _voltages(inputs: xr.Dataset, one: Flow) -> str:
    """Return the extremes of voltage, and what leaves the band."""
    figures, found, band = one.figures, one.found, one.band
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


def _edges(inputs: xr.Dataset, one: Flow) -> str:
    """Return the most loaded edges that have a rating."""
    network, found = one.network, one.found
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
