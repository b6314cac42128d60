"""Operating envelopes of a scenario or a run: computed, stored as a series that a scenario can name, and told."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data import clock
from ...data.inputs.contract import attributes
from ...data.inputs.variables import TABLE
from ...data.problems import InputError, Problem, shown
from ...model.grid.envelopes import UNLIMITED, Envelopes, envelopes
from ...model.grid.limits import BANDS
from ...model.grid.worst_corners import DOWN, HIGH, LOW
from ..store import atomic_file, netcdf, run_file
from ..text import as_csv, table
from .wires import require_wires

COLUMNS = ("time", "participant", "import_limit_kw", "export_limit_kw")
FULL = 5e-4
"""Headroom [per unit] of a limit that stopped somebody: shares are whole watts."""
STOPPED_SHOWN = 3
WAYS = ("import", "export")


def compute(
    source: str,
    output: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    band: str = "EN 50160",
    shares: str = "max-min",
    demand: bool = True,
    able: bool = True,
    stage: Callable[[str], None] = lambda name: None,
) -> tuple[dict[str, Any], str]:
    """Compute the envelopes of a scenario, or of a stored run, and store them; return facts and text.

    Parameters
    ----------
    source : str
        Bundled name, scenario file or folder, or run file.
    output : path, optional
        CSV or NetCDF file (default: ``runs-out/SCENARIO/envelopes.csv``).
    overrides : sequence of str
        ``key.path=value`` each, of a scenario.
    band : str
        Of voltage, by its name in ``BANDS``.
    shares, demand, able
        As of :func:`otonari.model.grid.envelopes.envelopes`, which raises what it cannot do.

    Raises
    ------
    InputError
        With every problem of the scenario; if it says nothing of its network, or of limits that are to be shared.
    RunFileError
        If the file cannot be written.
    """
    stage("reading the scenario")
    inputs, name = _inputs(source, overrides)
    require_wires(source, inputs)
    if shares == "connection":
        _require_limits(source, inputs)
    stage("sharing what the feeder leaves")
    found = envelopes(inputs, BANDS[band], shares=shares, demand=demand, able=able)
    output = output or Path("runs-out") / name / "envelopes.csv"
    attrs = {
        "scenario": name,
        "shares": shares,
        "band": band,
        "demand_kept": int(demand),
        "as_able": int(able),
    }
    stage("storing")
    kept = _stored(inputs, found, output, attrs)
    facts = _facts(inputs, found, band)
    files = {"path": str(output), "kept": kept and str(kept)}
    return {**attrs, **facts, **files}, _text(inputs, attrs, facts, output, kept)


def _inputs(source: str, overrides: Sequence[str]) -> tuple[xr.Dataset, str]:
    """Return the inputs of a scenario or a run, and its name."""
    from ...data.assembly.inputs import build_inputs
    from ...data.loading.scenario import load_scenario

    if Path(source).suffix in (".nc", ".zarr"):
        if overrides:
            want = "a scenario: a stored run is taken as it is"
            raise InputError([Problem(f"--set {overrides[0]}", "", "SCENARIO", source, want)])
        tree = run_file.open_run(source)
        return tree["inputs"].to_dataset().load(), str(tree.attrs.get("scenario", Path(source).stem))
    scenario = load_scenario(source, overrides)
    return build_inputs(scenario), scenario.name


def _require_limits(source: str, inputs: xr.Dataset) -> None:
    """Raise InputError for participants without limits, where parts of these are asked for."""
    problems = [
        Problem(source, f"participant={name}", f"{way}_limit_kw", "no limit", "one, for --shares connection")
        for way in WAYS
        for name, limit in zip(inputs["participant"].values, inputs[f"{way}_limit"].values, strict=True)
        if not np.isfinite(limit)
    ]
    if problems:
        raise InputError(sorted(problems))


def _stored(inputs: xr.Dataset, found: Envelopes, output: Path, attrs: dict[str, Any]) -> Path | None:
    """Store envelopes: a CSV file of rows by time and participant, or the variables of a scenario's inputs."""
    if output.suffix == ".nc":
        variables = {
            f"{way}_envelope": (("participant", "time"), values, attributes(TABLE[f"{way}_envelope"], ""))
            for way, values in zip(WAYS, (found.draw, found.give), strict=True)
        }
        coords = {name: inputs[name].values for name in ("participant", "time")}
        return netcdf.write_dataset(xr.Dataset(variables, coords=coords, attrs=attrs), output)
    local = clock.local(pd.DatetimeIndex(inputs["time"].values), str(inputs.attrs["time_zone"]))
    times = [moment.isoformat(timespec="minutes") for moment in local]
    people = inputs["participant"].values.tolist()
    draw, give = (np.minimum(values, UNLIMITED).T for values in (found.draw, found.give))
    rows = (
        (time, person, f"{taken:.3f}", f"{given:.3f}")
        for time, *slot in zip(times, draw, give, strict=True)
        for person, taken, given in zip(people, *slot, strict=True)
    )
    return atomic_file.publish_text(output, as_csv(COLUMNS, rows))


def _facts(inputs: xr.Dataset, found: Envelopes, band: str) -> dict[str, Any]:
    """Return what a machine wants to know of envelopes: their sizes, what stopped them, and the worst of all corners."""
    family = found.limits.family
    edge, low, high = family >= DOWN, family == LOW, family == HIGH
    bounds = BANDS[band]
    squared = {
        "lowest": bounds.low**2 + 2 * bounds.low * found.headroom[low].min(initial=np.inf),
        "highest": bounds.high**2 - 2 * bounds.high * found.headroom[high].min(initial=np.inf),
    }
    facts: dict[str, Any] = {
        "connections": inputs.sizes["participant"],
        "slots": inputs.sizes["time"],
        "corners": found.corners,
        "voltage": {name: float(np.sqrt(v)) if 0 < v < np.inf else None for name, v in squared.items()},
        "loading": float(1.0 - found.headroom[edge].min()) if edge.any() else None,
    }
    people = inputs.sizes["participant"]
    for way, values, users in (
        ("import", found.draw, slice(0, people)),
        ("export", found.give, slice(people, None)),
    ):
        some = np.minimum(values, UNLIMITED)
        facts[way] = {
            "least_kw": float(some.min()),
            "mean_kw": float(some.mean()),
            "most_kw": float(some.max()),
            "stopped_by": _stopped(inputs, found, users),
        }
    return facts


def _stopped(inputs: xr.Dataset, found: Envelopes, users: slice) -> list[dict[str, Any]]:
    """Return which limits stopped shares of a direction, and in how many slots, the most frequent first."""
    concerned = found.limits.use[:, users].any(axis=1)
    limits, names = found.limits, inputs["node"].values
    slots: dict[tuple[str, str], set[int]] = {}
    for k in np.flatnonzero(concerned):
        full = np.flatnonzero(found.headroom[k] < FULL).tolist()
        what = (
            "edge"
            if limits.family[k] >= DOWN
            else "least voltage"
            if limits.family[k] == LOW
            else "greatest voltage"
        )
        slots.setdefault((what, str(names[limits.node[k]])), set()).update(full)
    order = sorted((key for key, own in slots.items() if own), key=lambda key: (-len(slots[key]), key))
    return [{"limit": what, "node": node, "slots": len(slots[what, node])} for what, node in order]


def _text(
    inputs: xr.Dataset, attrs: dict[str, Any], facts: dict[str, Any], output: Path, kept: Path | None
) -> str:
    """Return the envelopes as a table, what holds them, and how a scenario names them."""
    rows = []
    for way in WAYS:
        own = facts[way]
        stopped = [
            f"{s['limit']} of {s['node']} ({s['slots']} slots)" for s in own["stopped_by"][:STOPPED_SHOWN]
        ]
        more = len(own["stopped_by"]) - len(stopped)
        stopped += [f"{more} more"] if more > 0 else []
        rows.append(
            [
                way,
                *(f"{own[f'{n}_kw']:.3f}" for n in ("least", "mean", "most")),
                ", ".join(stopped) or "nothing",
            ]
        )
    sizes = f"{facts['connections']} connections in {facts['slots']} slots"
    heading = f"{attrs['scenario']}: envelopes of {sizes}, {attrs['shares']} shares"
    lowest, highest = (_number(facts["voltage"][end]) for end in ("lowest", "highest"))
    worst = [f"voltage {lowest} to {highest} p.u. ({attrs['band']})"]
    worst += [f"loading up to {facts['loading']:.2%}"] if facts["loading"] is not None else []
    lines = [
        shown(heading),
        "",
        table(["way", "least kW", "mean", "most", "stopped by"], rows),
        f"power flow at the {facts['corners']} worst corners of every slot: {', '.join(worst)}",
        "",
        shown(f"stored  {output}" + (f" (the earlier, different file is now {kept})" if kept else "")),
    ]
    if output.suffix != ".nc":
        lines += ["        a scenario names it:", "        series:"]
        lines += [
            shown(
                f"          {way}_limit: {{ path: {output}, meter_column: participant, value_column: {way}_limit_kw }}"
            )
            for way in WAYS
        ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "any" if value is None else f"{value:.4f}"
