"""Figures of a run: energy of the community, where it came from, what stores hold, driving."""

from dataclasses import replace

import numpy as np

from ....data.inputs import devices
from ...store.run_format import FORECAST
from .. import sections
from ..figures.areas import stacked
from ..figures.axes import Array
from ..figures.bars import bars
from ..figures.energy_flow import energy_flow
from ..figures.figure import Figure, Row
from ..figures.heat_map import heat_map
from ..figures.lines import lines
from ..powers import powers
from .opened_run import MEMBERS, MOST, Run, left_out

COLOURS = {
    **dict.fromkeys(("PV", "own PV", "PV, after curtailment"), 0),
    **dict.fromkeys(("retailer", "from the retailer"), 1),
    **dict.fromkeys(("batteries", "PV of peers", "batteries and vehicles, start less end"), 2),
    **dict.fromkeys(("vehicles", "driving"), 3),
    "demand": 4,
    "into batteries": 5,
    "into vehicles": 6,
    **dict.fromkeys(("to retailer", "to the retailer"), 7),
    "losses of charging and discharging": 5,
    **dict.fromkeys(("heat pump", "made by heat pumps"), 8),
    **dict.fromkeys(("flexible load", "made by backups"), 10),
    "out of tanks": 2,
    "drawn": 4,
    "lost by tanks": 9,
    "into tanks": 5,
    **dict.fromkeys(("peers", "to peers"), 9),
}
"""Colours of what is the same in several figures."""


def flow(run: Run) -> Figure:
    """Return what energy came into the community over the horizon, and where it went [kWh]."""
    parts = {name: value for name, value in sections.balance(run.tree).items() if abs(value) >= 0.05}
    return energy_flow(
        "Energy of the community",
        "What came in on the left, where it went on the right, over the whole horizon.",
        "kWh",
        f"{sum(v for v in parts.values() if v > 0):,.1f} kWh",
        {name: value for name, value in parts.items() if value > 0},
        {name: -value for name, value in parts.items() if value < 0},
        COLOURS,
    )


def supply_and_demand(run: Run) -> Figure:
    """Return the community's power by source, above zero, and by use, below [kW]."""
    return stacked(
        "Supply and demand",
        "Mean power of all members together: what they got from each source above zero, what they used it for below.",
        "kW",
        run.slots.labels,
        run.slots.marks,
        {name: run.slots.mean(power) for name, power in powers(run.inputs, run.results).items()},
        COLOURS,
    )


def demand_by_source(run: Run) -> Figure:
    """Return what demand and driving were met from: own PV, that of peers, the retailer [kW]."""
    used = (run.settlement["demand_from"] + run.settlement["driving_from"]).sum("participant")
    power = used.transpose("source", "time").values / run.hours
    names = {"own": "own PV", "peers": "PV of peers", "retail": "retailer"}
    return stacked(
        "What demand and driving were met from",
        "Where the energy of demand and electric driving came from in the end, through stores and trades.",
        "kW",
        run.slots.labels,
        run.slots.marks,
        {names.get(str(n), str(n)): run.slots.mean(power[k]) for k, n in enumerate(used["source"].values)},
        COLOURS,
    )


def charge(run: Run) -> Figure:
    """Return the states of charge of batteries and vehicles (store, time) [% of capacity]."""
    rows, labels = [], []
    for name in devices.stores():
        energy = run.results[f"{name}_energy"].transpose(name, "time").values
        capacity = run.inputs[f"{name}_capacity"].values
        rows.append(
            np.divide(100 * energy, capacity[:, None], out=np.zeros_like(energy), where=capacity[:, None] > 0)
        )
        labels += [str(n) for n in run.inputs[name].values]
    level = np.concatenate(rows)
    kept = (
        np.argsort(-np.ptp(level, axis=1), kind="stable")[:MOST]
        if len(level) > MOST
        else np.arange(len(level))
    )
    kept = np.sort(kept)
    return heat_map(
        "States of charge",
        "What batteries and vehicles hold of their capacity at the end of each period."
        + left_out(len(level), len(kept), "stores"),
        "%",
        run.slots.last(level[kept]),
        [labels[k] for k in kept],
        run.slots.labels,
        run.slots.marks,
        1,
    )


def driving(run: Run) -> Figure:
    """Return the distance of every vehicle by electricity and by fuel (vehicle,) [km]."""
    names = [str(n) for n in run.inputs["vehicle"].values]
    place = {name: k for k, name in enumerate(names)}
    driver = np.array([place[str(n)] for n in run.inputs["trip_vehicle"].values], dtype=int)
    electric = np.bincount(driver, run.results["trip_electric_distance"].values, len(names))
    distance = np.bincount(driver, run.inputs["trip_distance"].values, len(names))
    kept = np.argsort(-distance, kind="stable")[:MEMBERS]
    return bars(
        "Driving",
        "Distance of the trips on electricity and on fuel." + left_out(len(names), len(kept), "vehicles"),
        "km",
        [names[k] for k in kept],
        {"on electricity": electric[kept], "on fuel": np.maximum(distance - electric, 0)[kept]},
        "vehicle",
        2,
    )


def forecast(run: Run, quantity: str) -> Figure:
    """Return what was forecast of the demand or PV of all members, at two leads, and what came (time,) [kW].

    These are one slot ahead, and the greatest at which half of the slots or more were forecast: a day, of two days or
    more.
    """
    made, came = run.tree[FORECAST].to_dataset(), _came(run, quantity)
    mean = made[f"forecast_{quantity}"].transpose("lead", "time").values
    known = np.flatnonzero(np.isfinite(mean).mean(axis=1) >= 0.5)
    far = int(known[-1]) if known.size else 0
    levels = made["level"].values
    edges = made[f"forecast_{quantity}_quantile"].transpose("level", "lead", "time").values[[0, -1], far]
    share = f"{100 * levels[0]:.0f} to {100 * levels[-1]:.0f} %"
    name = {"demand": "Demand", "pv": "PV"}[quantity]
    ahead = f"{made['lead'].values[far]:g} h ahead"
    series = {"came": came, "one slot ahead": mean[0]} | ({ahead: mean[far]} if far else {})
    return lines(
        f"{name}: what was forecast, and what came",
        f"{name} of all members together. The band goes from {share} of what the forecast {ahead} held for likely.",
        "kW",
        run.slots.labels,
        run.slots.marks,
        {name: run.slots.mean(values) for name, values in series.items()},
        between={f"{share}, {ahead}": (run.slots.mean(edges[0]), run.slots.mean(edges[1]))},
    )


def forecast_errors(run: Run) -> Figure:
    """Return the mean absolute errors of the forecasts of all members together, by their lead [kW]."""
    made = run.tree[FORECAST].to_dataset()
    leads, levels = made["lead"].values, made["level"].values
    errors, table = {}, []
    for quantity, name in (("demand", "demand"), ("pv", "PV")):
        came = _came(run, quantity)
        mean = made[f"forecast_{quantity}"].transpose("lead", "time").values
        spread = made[f"forecast_{quantity}_quantile"].transpose("level", "lead", "time").values
        missed = came - spread
        pinball = np.maximum(levels[:, None, None] * missed, (levels[:, None, None] - 1) * missed)
        errors[name] = _mean(abs(came - mean))
        inside = np.where(np.isnan(spread[0]), np.nan, (came >= spread[0]) & (came <= spread[-1]))
        table += [errors[name], _mean(pinball).mean(axis=0), 100 * _mean(inside)]
    kept = np.flatnonzero(np.isfinite(table[0]))
    labels = [f"{leads[k]:g} h ahead" for k in kept]
    drawn = bars(
        "Errors of forecasts by lead",
        "Mean absolute error of demand and of PV of all members together, by the time from the making of a forecast to"
        " its slot; 0 h is one slot ahead. The table has the pinball loss, mean over the levels"
        f" {', '.join(f'{level:g}' for level in levels)}, and how much came within the outer ones.",
        "kW",
        labels,
        {name: values[kept] for name, values in errors.items()},
        "lead",
        colours=COLOURS | {"PV": 0},
    )
    what = ("mean absolute error, kW", "pinball loss, kW", "within the band, %")
    header = ["lead", *(f"{name}, {text}" for name in errors for text in what)]
    rows: list[Row] = [
        [label, *(float(column[k]) for column in table)] for label, k in zip(labels, kept, strict=True)
    ]
    return replace(drawn, header=header, rows=rows)


def _came(run: Run, quantity: str) -> Array:
    """Return the demand or PV of all members together (time,) [kW]."""
    name = {"demand": "demand", "pv": "pv_available"}[quantity]
    return np.asarray(run.inputs[name].sum("participant").values)


def _mean(values: Array) -> Array:
    """Return the mean over the last axis of what is known; NaN of nothing."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
