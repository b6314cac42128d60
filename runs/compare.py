"""Runs side by side: totals, and sums per kind of participant and per hour, as one Dataset over ``scenario``."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from ..data import clock
from ..model.settlement.account_lines import CARBON, MONEY, SHARES, TOTALS
from .store import atomic_file, digest, netcdf, run_file, run_format, sweep_results
from .text import as_csv

COMPARED = {**TOTALS, **{name: line for name, line in MONEY.items() if line.compared}}
"""The money that runs are compared by, summed over participants; ``bill`` is what the community pays."""
BY_KIND = (*TOTALS, "co2")
"""Lines of the accounts that are summed up for each kind of participant."""
TITLE = "comparison of runs"
YARDSTICK = "p2p"
"""The market that all others are measured against: co-optimized with perfect foresight."""


class CompareError(ValueError):
    """The runs cannot be put side by side."""

    exit_code: ClassVar[int] = 2


Run = str | os.PathLike[str] | xr.DataTree


def compare(runs: Sequence[Run], names: Sequence[str] | None = None) -> xr.Dataset:
    """Return totals (scenario) and sums per kind (scenario, kind) and per local hour (scenario, hour) of runs.

    Parameters
    ----------
    runs : sequence of path or DataTree
        Stored or fresh. They may differ in participants, length and slots; kinds that a run lacks are NaN. Or one
        gathered sweep, whose points stand for runs (but for ``efficiency``).
    names : sequence of str, optional
        One per run (default: its scenario and market, numbered where equal); a sweep's points have their own.

    ``efficiency`` is a run's share of what the community saves in the p2p run of the same inputs, against each alone.
    The community's cost is the bills less what the network keeps of the congestion rent. Where there is no such run it
    is NaN, and its attribute ``comment`` says so.

    The attribute ``comment`` of the whole says where the runs differ in horizon or participants.

    Raises
    ------
    CompareError
        If there are no runs, names of another number, or runs in several currencies.
    RunFileError
        If a file is not a run.
    """
    if len(runs) == 1 and names is None and sweep_results.holds(runs[0]):
        return sweep_results.comparison(sweep_results.read(runs[0])).assign_attrs(title=TITLE)
    trees = [run if isinstance(run, xr.DataTree) else run_file.open_run(run) for run in runs]
    names = _names(trees) if names is None else list(names)
    if not trees or len(names) != len(trees) or len(set(names)) != len(names):
        raise ValueError(
            f"compare: got {len(trees)} runs and the names {names}, want a name of its own for each"
        )
    currencies = {str(tree.attrs["currency"]) for tree in trees}
    if len(currencies) > 1:
        raise CompareError(f"compare: got runs in {', '.join(sorted(currencies))}, want one currency")
    parts = []
    for run, tree in zip(runs, trees, strict=True):
        with contextlib.nullcontext() if isinstance(run, xr.DataTree) else run_file.reading(run):
            parts.append(summary(tree).assign_coords(market=tree.attrs.get("market", "")))
    kinds = list(dict.fromkeys(kind for part in parts for kind in part["kind"].values))
    parts = [part.reindex(kind=kinds) for part in parts]
    together = xr.concat(parts, dim="scenario", coords="different", compat="equals", join="exact")
    together = together.assign_coords(scenario=("scenario", np.array(names, dtype=str)))
    together["efficiency"] = _efficiency(trees, names, together)
    together = together.assign_attrs(title=TITLE, currency=currencies.pop())
    comment = _differences(trees, names)
    return together.assign_attrs(comment=comment) if comment else together


def read(path: str | os.PathLike[str]) -> xr.Dataset | None:
    """Return what a file holds side by side: a stored comparison, or the points of a gathered sweep; None of others."""
    if not (Path(path).is_file() or Path(path).is_dir()):
        return None  # nothing, or a pipe, which would be waited for
    if sweep_results.holds(path):
        return sweep_results.comparison(sweep_results.read(path))
    if Path(path).suffix != ".nc":
        return None
    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            if file.attrs.get("title") != TITLE or "scenario" not in file.dims:
                return None
            return run_format.plain(file)
    except (OSError, ValueError):  # whoever opens it as a run says what is wrong
        return None


def summary(tree: xr.DataTree) -> xr.Dataset:
    """Return the totals of a run over its horizon, what its participants pay, by kind, and when they trade.

    ``saving`` counts what stores hold at the end (``final_energy_value``): start and end alike, else the market that
    empties them would be cheap; what they lack of their targets (``breach_cost``), and demand that was shed
    (``shed_cost``). ``made_whole`` is what participants receive in make-whole payments, ``make_whole`` what all pay less
    that: below zero where congestion rent made up the rest. Shares are the community's, as the settlement defines them;
    NaN where there is nothing to share, or where the file was stored before the settlement had it.
    """
    inputs, results, settlement = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    currency = str(tree.attrs["currency"])
    hours = inputs["slot_hours"]
    line = {name: run_format.account_line(settlement, name) for name in COMPARED}
    line["saving"] = line["saving"] + line["final_energy_value"] - line["breach_cost"] - line["shed_cost"]
    money = {name: (float(values.sum()), currency) for name, values in line.items()}
    saving, alone = money["saving"][0], money["bill_grid_only"][0]
    totals: dict[str, tuple[Any, str]] = {
        "participants": (inputs.sizes["participant"], "1"),
        "hours": (hours.sum(), "h"),
        **money,
        "made_whole": (-line["make_whole"].clip(max=0.0).sum(), currency),
        "saving_share": (saving / alone if alone > 0 else np.nan, "1"),
        "peer_energy": (settlement["peer_energy"], "kWh"),
        "imbalance_energy": (settlement["imbalance_energy"].sum(), "kWh"),
        "grid_import": (_energy(results, hours, "grid_import", "vehicle_import"), "kWh"),
        "grid_export": (_energy(results, hours, "grid_export", "vehicle_export"), "kWh"),
        "demand": (_energy(inputs, hours, "demand"), "kWh"),
        **{name: (settlement[f"community_{name}"], "1") for name in SHARES},
        "fuel": (results["trip_fuel"].sum(), "L"),
        "co2": (settlement["co2"].sum(), "kg"),
        **_driving(settlement),
    }
    data = xr.Dataset({n: ((), float(value), {"units": unit}) for n, (value, unit) in totals.items()})
    return data.merge(_by_kind(inputs, settlement, currency)).merge(by_hour(tree))


def by_hour(tree: xr.DataTree) -> xr.Dataset:
    """Return what peers trade in each local hour of the day, and its mean prices; NaN where they trade nothing."""
    trades, zone = _traded(tree), clock.zone(str(tree["inputs"].attrs.get("time_zone", "UTC")))
    hour = pd.DatetimeIndex(trades["trade_time"].values).tz_localize("UTC").tz_convert(zone).hour.to_numpy()
    energy, price = trades["trade_energy"].values, trades["trade_price"].values
    paid = price + trades["trade_fee"].values + trades["trade_congestion"].values
    volume, revenue, cost = (
        np.bincount(hour, energy * w, minlength=24) for w in (np.ones_like(price), price, paid)
    )
    some = np.where(volume > 0, volume, np.nan)
    unit = f"{tree.attrs['currency']}/kWh"
    data = {
        "hour_peer_energy": (volume, {"units": "kWh", "long_name": "energy traded among peers"}),
        "hour_seller_price": (revenue / some, {"units": unit, "long_name": "mean price that sellers get"}),
        "hour_buyer_price": (
            cost / some,
            {"units": unit, "long_name": "mean price that buyers pay, with fees"},
        ),
    }
    hours = xr.Variable("hour", np.arange(24), {"long_name": "local hour of the day"})
    return xr.Dataset({n: ("hour", v, attrs) for n, (v, attrs) in data.items()}, coords={"hour": hours})


def _traded(tree: xr.DataTree) -> xr.Dataset:
    """Return when peers trade how much at which price: the trades, or of a settled run what is shared in each slot."""
    if "allocation" not in tree.children:
        return tree["trades"].to_dataset()
    allocation, settlement = tree["allocation"].to_dataset(), tree["settlement"].to_dataset()
    energy = allocation["shared"].sum("member").values / 1000.0
    fee = float(settlement["network_fee"].sum()) / max(
        float(energy.sum()), 1e-9
    )  # the mean: fees differ by tariff
    columns = {
        "trade_time": allocation["time"].values,
        "trade_energy": energy,
        "trade_price": allocation["shared_price"].values,
        "trade_fee": np.full(len(energy), fee),
        "trade_congestion": np.zeros(len(energy)),
    }
    return xr.Dataset({name: (("trade",), values) for name, values in columns.items()})


def write(comparison: xr.Dataset, path: str | os.PathLike[str]) -> Path | None:
    """Store a comparison as NetCDF (``.nc``) or as CSV: a value a line, with its difference to the first run.

    An earlier, different file of that name is kept as a numbered copy, whose path is returned.
    """
    path = Path(path)
    if path.suffix == ".csv":
        return atomic_file.publish_text(path, _csv(comparison))
    if path.suffix != ".nc":
        raise CompareError(f"{path}: got the ending {path.suffix!r}, want .csv or .nc")
    return netcdf.write_dataset(comparison, path)


def _differences(trees: Sequence[xr.DataTree], names: Sequence[str]) -> str:
    """Return in what runs differ that makes their totals hard to compare; nothing where they do not."""
    inputs = [tree["inputs"].to_dataset() for tree in trees]
    starts = [np.datetime_as_string(i["time"].values.min(), "m").replace("T", " ") for i in inputs]
    horizons = [
        f"{float(i['slot_hours'].sum()):g} h from {s} UTC" for i, s in zip(inputs, starts, strict=True)
    ]
    groups = [frozenset(i["participant"].values.tolist()) for i in inputs]
    remarks = []
    if len(set(horizons)) > 1:
        each = ", ".join(f"{n} {h}" for n, h in zip(names, horizons, strict=True))
        remarks.append(f"the runs cover different horizons: {each}")
    if len(set(groups)) > 1:
        each = ", ".join(f"{n} {len(g)}" for n, g in zip(names, groups, strict=True))
        remarks.append(f"the runs have different participants: {each}")
    return "; ".join(remarks)


def _csv(comparison: xr.Dataset) -> str:
    rows: list[list[Any]] = []
    for name, array in comparison.data_vars.items():
        unit, part = array.attrs.get("units", ""), [str(d) for d in array.dims if d != "scenario"]
        measure = str(name).removeprefix(f"{part[0]}_") if part else str(name)
        for label in array[part[0]].values if part else [""]:
            values = array.sel({part[0]: label}).values if part else array.values
            places = [label if [dim] == part else "" for dim in ("kind", "hour")]
            for scenario, value in zip(array["scenario"].values, values, strict=True):
                rows.append([str(scenario), measure, *places, unit, float(value), float(value - values[0])])
    return as_csv(["scenario", "measure", "kind", "hour", "unit", "value", "difference"], rows)


def _names(trees: Sequence[xr.DataTree]) -> list[str]:
    """Return scenario and market of each run; of one name, what their scenarios differ in, or numbers from 2 on."""
    plain = [
        " ".join(str(tree.attrs[k]) for k in ("scenario", "market") if tree.attrs.get(k)) or "run"
        for tree in trees
    ]
    alike = {p: [tree for tree, q in zip(trees, plain, strict=True) if q == p] for p in plain}
    told = {p: iter(_told_apart(group)) for p, group in alike.items()}
    names: list[str] = []
    for own in plain:
        more = next(told[own])
        name = first = f"{own} {more}" if more else own
        number = 2
        while name in names:
            name, number = f"{first} ({number})", number + 1
        names.append(name)
    return names


def _told_apart(trees: Sequence[xr.DataTree], most: int = 3) -> list[str]:
    """Return the keys, at ``most`` so many, in which the scenarios of runs differ, with their values; else nothing."""
    leaves = [_leaves(_definition(tree)) for tree in trees]
    keys = [
        key
        for key in dict.fromkeys(key for each in leaves for key in each)
        if len({str(each.get(key)) for each in leaves}) > 1
    ]
    if not 0 < len(keys) <= most:
        return [""] * len(trees)
    words = sweep_results.short(keys)
    return [
        ", ".join(
            f"{word} {sweep_results.label(each.get(key))}" for word, key in zip(words, keys, strict=True)
        )
        for each in leaves
    ]


def _definition(tree: xr.DataTree) -> Any:
    """Return the scenario that a run was cleared of; nothing where it holds none that can be read."""
    with contextlib.suppress(ValueError, TypeError):
        return json.loads(tree.attrs.get("scenario_definition", "{}"))
    return {}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return what a scenario says by dotted keys; rows of tables by their numbers."""
    if not isinstance(value, dict | list):
        return {path: value}
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        name: leaf
        for key, part in inside
        for name, leaf in _leaves(part, f"{path}.{key}".removeprefix(".")).items()
    }


def _by_kind(inputs: xr.Dataset, settlement: xr.Dataset, currency: str) -> xr.Dataset:
    """Return the number of participants of each kind, and the sums of what they pay and emit."""
    kinds, place = np.unique(inputs["participant_kind"].values, return_inverse=True)
    count = np.bincount(place, minlength=len(kinds)).astype(float)
    data = {"kind_participants": (("kind",), count, {"units": "1"})}
    for name in BY_KIND:
        amounts = settlement[name].values
        if name == "saving":
            value, lack, shed = (
                run_format.account_line(settlement, n)
                for n in ("final_energy_value", "breach_cost", "shed_cost")
            )
            amounts = amounts + (value - lack - shed).values
        values = np.bincount(place, weights=amounts, minlength=len(kinds))
        data[f"kind_{name}"] = (("kind",), values, {"units": "kg" if name in CARBON else currency})
    return xr.Dataset(data, coords={"kind": kinds.astype(str)})


def _driving(settlement: xr.Dataset) -> dict[str, tuple[Any, str]]:
    """Return the carbon dioxide of driving, that of petrol alone, and the reduction, where petrol is an alternative."""
    nothing = xr.full_like(settlement["co2"], np.nan)
    emitted, petrol = (settlement.get(name, nothing) for name in ("driving_co2", "driving_co2_petrol"))
    alike, whole = float(emitted.where(petrol.notnull()).sum()), float(petrol.sum())
    return {
        "driving_co2": (emitted.sum(skipna=False), "kg"),
        "driving_co2_petrol": (petrol.sum(min_count=1), "kg"),
        "driving_co2_reduction": (1 - alike / whole if whole > 0 else np.nan, "1"),
    }


def _efficiency(trees: Sequence[xr.DataTree], names: Sequence[str], totals: xr.Dataset) -> xr.DataArray:
    """Return the share of the saving of the p2p run of the same inputs that each run reaches (scenario,)."""
    same = [
        digest.values(tree["inputs"].to_dataset(), "otonari inputs 1", digest.INPUTS_SCALE) for tree in trees
    ]
    rents = [n for n in ("congestion_rent", "congestion_charges", "voltage_charges") if n in totals]
    kept = totals["make_whole"] + sum(totals[n] for n in rents)  # below zero: what rents gave to members
    kept = kept - totals["line_income"]
    saved = (totals["saving"] + kept).values
    best = {same[k]: saved[k] for k, tree in enumerate(trees) if tree.attrs.get("market") == YARDSTICK}
    most = np.array([best.get(key, np.nan) for key in same])
    share = np.divide(saved, most, out=np.full(len(most), np.nan), where=most > 1e-6)
    remarks = [
        f"no {YARDSTICK} run of the same inputs as {n}"
        for n, key in zip(names, same, strict=True)
        if key not in best
    ]
    remarks += [
        f"{n} ends with {lack:.1f} kWh less in its stores than it should, which its saving counts at retail prices"
        for n, lack in zip(
            names, (float(t.attrs.get("final_energy_missing", 0.0)) for t in trees), strict=True
        )
        if lack > 0.05
    ]
    attrs = {"units": "1", "long_name": "share of the saving of the co-optimum with perfect foresight"}
    return xr.DataArray(
        share, dims="scenario", attrs=attrs | ({"comment": "; ".join(remarks)} if remarks else {})
    )


def _energy(dataset: xr.Dataset, hours: xr.DataArray, *names: str) -> float:
    return float(sum((dataset[name] * hours).sum() for name in names))
