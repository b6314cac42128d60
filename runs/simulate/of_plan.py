"""What a plan gains on simulated days: as planned, with foresight of these days, and as agents realise it.

The same days are simulated with what is built, and as they are. The gain is what a member pays as it is, less what it
pays with what is built and its part of annuities and upkeep. Bills count what stores hold at the end, and lack of their
targets (`unpaid`). ``planned`` is that of the plan's mean year, ``foresight`` that of the optimum of these days, known
in advance, and ``realised`` that of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...data.loading.scenario import load_scenario
from ...model.labels import Array, places
from ..archive import Outcome
from ..clear import single
from ..store import plan_file, run_format
from . import run as simulation

DAYS = 365
"""Days of a year, in which a plan counts."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Gains:
    """The simulation with what is built, that as it is, and gains [currency] of the days over (way, participant)."""

    built: Outcome
    as_it_is: Outcome
    gain: xr.DataArray


def run(
    path: Path,
    days: int,
    mode: str,
    *,
    overrides: Sequence[str] = (),
    output: Path | None = None,
    progress: Progress = lambda done, slots: None,
    **options: Any,
) -> Gains | None:
    """Simulate days of a plan, with what it builds and as they are; None if it was stopped.

    Parameters
    ----------
    path : path
        The stored plan.
    days, mode, overrides, output, progress, options
        As of :func:`otonari.runs.simulate.run.run`. The run as it is, which no ledger records, stands beside the other.
    """
    figures = plan_file.read(path)
    name = str(figures.attrs["scenario"])
    output = output or Path("runs-out") / name / f"{mode}-built.nc"
    definitions = [plan_file.definition(path, built=which) for which in (True, False)]
    files = output, output.with_name(f"{output.stem}-as-it-is.nc")
    done: list[Outcome] = []
    for number, (definition, file) in enumerate(zip(definitions, files, strict=True)):
        own = options if not number else {**options, "record": False, "directory": None, "key": None}

        def both(slot: int, slots: int, before: int = number) -> None:
            progress(before * slots + slot, 2 * slots)

        outcome = simulation.run(
            definition, days, mode, overrides=overrides, output=file, progress=both, **own
        )
        if outcome is None:
            return None
        done.append(outcome)
    changes = [*overrides, f"time.days={days}"]
    cleared = [single.cleared(load_scenario(d, changes), "p2p") for d in definitions]
    share = days / DAYS
    invested = figures["investment"].values * share
    ways = {"planned": figures["gain"].values * share}
    for way, (after, before) in (("foresight", cleared), ("realised", [o.tree for o in done])):
        ways[way] = _paid(before, figures) - _paid(after, figures) - invested
    gain = xr.DataArray(
        np.array(list(ways.values())),
        dims=("way", "participant"),
        coords={"way": list(ways), "participant": figures["participant"].values},
        attrs={"units": figures.attrs["currency"], "long_name": f"gain of {days} days"},
    )
    built, as_it_is = done
    return Gains(built, as_it_is, gain)


def _paid(tree: xr.DataTree, figures: xr.Dataset) -> Array:
    """Return what the members of a plan pay for a run (participant,), what their plants pay by shares."""
    settlement = tree["settlement"].to_dataset()
    line = {
        n: run_format.account_line(settlement, n).values
        for n in ("bill", "final_energy_value", "breach_cost")
    }
    paid = line["bill"] - line["final_energy_value"] + line["breach_cost"]
    who = settlement["participant"].values
    mine, plant = (places(who, figures[dim].values) for dim in ("participant", "candidate"))
    plant = np.where(np.isin(figures["candidate"].values, figures["participant"].values), -1, plant)
    of_plants = np.where(plant >= 0, paid[plant], 0.0) @ figures["owned"].values
    return np.asarray(paid[mine] + of_plants)
