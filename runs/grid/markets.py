"""Power flows of several markets side by side: whether trading helps the feeder or hurts it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from ...data.inputs.arrays import Arrays
from ...data.problems import shown
from ...data.schema.grid import Grid
from ...model.errors import Infeasible
from ...model.grid.limits import EN_50160, Band
from ..markets import MODES
from ..store import run_file
from ..text import table
from .day import ABOVE, Flow, flow, flow_of
from .wires import computable

HEADER = ("market", "lowest p.u.", "highest", "loading", "slots that break", "losses kWh")


def alternatives(tree: xr.DataTree, markets: Sequence[str], **how: Any) -> Iterator[Flow]:
    """Yield the power flows of a run's inputs as other markets would have it: found here, and stored nowhere.

    The days of a simulation are cleared as one, with foresight.
    """
    inputs = Arrays.of(tree["inputs"].to_dataset())
    for market in markets:
        yield flow_of(inputs, _results(inputs, market), str(tree.attrs.get("scenario", "")), market, **how)


def _results(inputs: xr.Dataset, market: str) -> xr.Dataset:
    """Return the results of a market, unsettled."""
    from ...model import clearing, results
    from ...model.agents import rule_based
    from ...model.solver import solve
    from ...model.topology.connections import unavoidable

    if market == "unmanaged":
        return rule_based.unmanaged(unavoidable(inputs))
    block = clearing.community_block(inputs, market)
    solve.solve(block)
    return results.collect(block)


def of_simulation(path: Path, tree: xr.DataTree) -> tuple[list[dict[str, Any]], str]:
    """Return what simulated days do to their feeder, beside those that nobody manages and the other mode's, if stored.

    Facts of each market, and a table; nothing where the scenario says nothing of its wires or nobody could compute it.
    Voltages are held against those that the scenario keeps, where it keeps limits.
    """
    if "node_voltage" not in tree["inputs"] or not computable():
        return [], ""
    band = _kept(tree)
    flows = [flow(run, band=band) for run in (tree, *_simulated_beside(path, tree))]
    try:
        flows += alternatives(tree, ["unmanaged"], band=band)
    except Infeasible as error:
        missing = f"unmanaged: {error}"
    else:
        missing = ""
    facts = [{"market": one.market, **one.figures} for one in flows]
    limits = shown(f"limits: {flows[0].band.source}, and ratings")
    return facts, "\n".join(filter(None, [side_by_side(flows), limits, shown(missing)]))


def _kept(tree: xr.DataTree) -> str | Band:
    """Return the voltages that the scenario of a run keeps, where it keeps limits, else those of the standard."""
    stated = json.loads(tree.attrs.get("scenario_definition", "{}")).get("grid") or {}
    grid = Grid.model_validate(stated)
    if grid.limits == "none":
        return EN_50160
    low, high = grid.voltage_low, grid.voltage_high
    return Band(low, high, f"voltage {low:g} to {high:g} per nominal, which the scenario keeps")


def _simulated_beside(path: Path, tree: xr.DataTree) -> list[xr.DataTree]:
    """Return the runs of the other modes of the same simulated days that are stored beside a run."""
    others = [path.with_name(f"{mode}.nc") for mode in MODES if mode != tree.attrs["market"]]
    runs = [run_file.open_run(other) for other in others if other.exists()]
    inputs = tree["inputs"].to_dataset()
    return [run for run in runs if run["inputs"].to_dataset().equals(inputs)]


def side_by_side(flows: Sequence[Flow]) -> str:
    """Return a table of power flows, a row each, and a sentence of what each does beside the day that nobody manages."""
    scenarios = {f.scenario for f in flows}
    limited = [name for name in ABOVE if any(name in f.limited for f in flows)]
    rows = []
    for f in flows:
        own = f.figures
        row = [
            f.market if len(scenarios) == 1 else f"{f.scenario} {f.market}",
            f"{own['voltage']['lowest']['value']:.4f}",
            f"{own['voltage']['highest']['value']:.4f}",
            f"{own['loading']['greatest']:.1%}",
            f"{own['breaches']['slots']} of {f.slots}",
            f"{own['losses_kwh']:,.2f}",
        ]
        rows.append([*row, *(f"{own[name]['kwh']:.2f} kWh in {own[name]['slots']}" for name in limited)])
    header = [*HEADER, *(name.replace("_", " ") for name in limited)]
    lines = [shown(line) for line in table(header, rows).splitlines()]
    nobody = [f for f in flows if f.market == "unmanaged"]
    said = [_beside(f, nobody[0]) for f in flows if f.market != "unmanaged"] if nobody else []
    return "\n".join([*lines, *said])


def _beside(one: Flow, nobody: Flow) -> str:
    """Return in a sentence what a market does to the feeder beside the day that nobody manages."""
    own, other = one.figures, nobody.figures
    here, there = own["breaches"]["slots"], other["breaches"]["slots"]
    apart = abs(here - there)
    way = "more" if here > there else "fewer"
    more = f"{apart} slot{'' if apart == 1 else 's'} {way}" if apart else "as many slots"
    loading = f"{other['loading']['greatest']:.1%} to {own['loading']['greatest']:.1%}"
    losses = f"{other['losses_kwh']:,.2f} to {own['losses_kwh']:,.2f} kWh"
    return shown(
        f"{one.market} beside unmanaged: limits break in {more}; greatest loading from {loading}, losses from {losses}"
    )
