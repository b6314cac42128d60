"""Reports: a run on one page. What is computed here is sums of what the run holds."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...data.inputs import devices
from ...model.settlement.account_lines import statement
from .. import compare
from ..text import section, table
from . import tables

LINES = statement()
"""Lines of an account on the page, in their order."""


def report(tree: xr.DataTree) -> str:
    """Return a run as a page: who, when, cost by kind, accounts, energy balance, and trades by hour of the day."""
    currency = str(tree.attrs["currency"])
    parts = {
        "Cost by kind of participant": tables.cleared(compare.summary(tree), currency),
        f"Accounts, {currency}": _accounts(tree["settlement"].to_dataset()),
        "Energy balance of the community": _balance(balance(tree)),
        "Trades by hour of the day": _hours(hours(tree), currency),
    }
    about = [f"status: {tree.attrs['status']}", f"cleared by otonari {tree.attrs['otonari_version']}"]
    about += [f"ledger head: {tree.attrs['ledger_head']}"] if "ledger_head" in tree.attrs else []
    head = "\n".join(f"- {line}" for line in [*about, *tables.notes(tree)])
    pages = [section(title, text) for title, text in parts.items()]
    return "\n\n".join([f"# {tables.heading(tree)}", head, *pages]) + "\n"


def facts(tree: xr.DataTree) -> dict[str, Any]:
    """Return what a report says for a machine: plain values, energy in kWh, money in the run's currency."""
    settlement = tree["settlement"].to_dataset()
    people = [str(name) for name in settlement["participant"].values]
    accounts = {n: [float(v) for v in settlement[n].values] for n in LINES}
    return {
        "title": tables.heading(tree),
        "currency": str(tree.attrs["currency"]),
        "totals": {str(n): float(v) for n, v in compare.summary(tree).items() if not v.dims},
        "accounts": {who: {n: accounts[n][k] for n in accounts} for k, who in enumerate(people)},
        "balance": balance(tree),
        "hours": hours(tree).to_dict("records"),
    }


def balance(tree: xr.DataTree) -> dict[str, float]:
    """Return what the community took in (+) and gave out (-) over the horizon [kWh]; the sum is 0.

    Losses are those of charging and discharging; what peers trade stays inside.
    """
    inputs, results = (tree[g].to_dataset() for g in ("inputs", "results"))
    hours = inputs["slot_hours"]

    def total(power: xr.DataArray) -> float:
        return float((power * hours).sum())

    driver = inputs["vehicle_electric_economy"].sel(vehicle=inputs["trip_vehicle"]).values
    driven = np.divide(results["trip_electric_distance"].values, driver)
    stored, lost = 0.0, 0.0
    for device in devices.stores():
        begin = inputs[f"{device}_initial_energy"]
        stored += float((results[f"{device}_energy"].isel(time=-1) - begin).sum())
        lost += total(results[f"{device}_charge"] * (1 - inputs[f"{device}_charge_efficiency"]))
        lost += total(results[f"{device}_discharge"] * (1 / inputs[f"{device}_discharge_efficiency"] - 1))
    found = {
        "PV, after curtailment": total(inputs["pv_available"] - results["pv_curtailment"]),
        "from the retailer": total(results["grid_import"]) + total(results["vehicle_import"]),
        "to the retailer": -total(results["grid_export"]) - total(results["vehicle_export"]),
        "demand": -total(inputs["demand"]),
        **{name.replace("_", " "): -total(results[load.draw]) for name, load in devices.loads().items()},
        "driving": -float(driven.sum()),
        "batteries and vehicles, start less end": -stored,
        "losses of charging and discharging": -lost,
    }
    return {name: value + 0.0 for name, value in found.items()}  # no -0.0


def hours(tree: xr.DataTree) -> pd.DataFrame:
    """Return what peers traded [kWh] by local hour of the day, hours with trades only, and mean prices."""
    found = compare.by_hour(tree).to_dataframe().dropna().reset_index()
    return found.rename(columns=lambda name: name.removeprefix("hour_").removeprefix("peer_"))


def _accounts(settlement: xr.Dataset) -> str:
    """Return a line per participant and one for all; revenue is negative, so that a line adds up to its bill."""
    values = np.array([settlement[n].values * (-1 if line.sign < 0 else 1) for n, line in LINES.items()])
    people = [str(name) for name in settlement["participant"].values]
    columns = [*values.T, values.sum(axis=1)]
    rows = [[who, *map(_two, column)] for who, column in zip([*people, "all"], columns, strict=True)]
    return table(["participant", *(line.label for line in LINES.values())], rows)


def _balance(found: dict[str, float]) -> str:
    return table(["+ in, - out", "kWh"], [[name, _two(value)] for name, value in found.items()])


def _hours(found: pd.DataFrame, currency: str) -> str:
    rows = [[f"{int(h):02d}:00", _two(e), _two(s), _two(b)] for h, e, s, b in found.itertuples(index=False)]
    return table(["hour", "kWh", f"{currency}/kWh to the seller", "from the buyer"], rows)


def _two(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:,.2f}"
