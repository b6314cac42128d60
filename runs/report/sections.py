"""Sections of the page of a run: what each shows, as a table and for a machine, and THE table of sections.

To add one: a function that computes its plain values from the tree of a run, one that writes them as a table, one row
of `SECTIONS`, and a test. What is computed here is sums of what the run holds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ...data.inputs.currency import decimals
from ...model.settlement.account_lines import OPTIONAL, Line, statement
from .. import compare
from ..store import run_format
from ..text import table
from . import peaks as peak_values
from . import tables

LINES = statement()
"""Lines of an account on the page, in their order."""
WAYS = {"per-kwh": "import", "per-kwh-injected": "export"}
"""What a component that is counted by energy is counted by."""


@dataclass(frozen=True)
class Section:
    """One row of the table of sections.

    ``title`` is its heading, where ``{currency}`` stands for that of the run; ``values`` returns what it shows, of the
    tree of a run, as plain values [kWh, currency]; ``text`` the table of it under the heading, of the tree. A section
    ``where`` there is something of it stands on the page of such runs alone.
    """

    title: str
    values: Callable[[xr.DataTree], Any]
    text: Callable[[xr.DataTree], str]
    where: Callable[[xr.DataTree], bool] = lambda tree: True


def lines(settlement: xr.Dataset) -> dict[str, Line]:
    """Return the lines of the accounts of a run, in the order of the page."""
    return {name: line for name, line in LINES.items() if name not in OPTIONAL or name in settlement}


def totals(tree: xr.DataTree) -> dict[str, float]:
    """Return the totals of the community over the horizon, as comparisons have them."""
    return {str(n): float(v) for n, v in compare.summary(tree).items() if not v.dims}


def accounts(tree: xr.DataTree) -> dict[str, dict[str, float]]:
    """Return the lines of every account over the horizon [currency]."""
    settlement = tree["settlement"].to_dataset()
    people = [str(name) for name in settlement["participant"].values]
    amounts = {
        n: [float(v) for v in run_format.account_line(settlement, n).values] for n in lines(settlement)
    }
    return {who: {name: amounts[name][k] for name in amounts} for k, who in enumerate(people)}


def components(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Return the components of all tariffs: what they charge, the energy [kWh] and its mean price, and what they cost.

    Energy is that of the participants of the tariff, drawn or injected, and none of what is charged by day or power.
    """
    inputs, results, settlement = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    if "component" not in inputs.sizes:
        return []
    cost = settlement["component_cost"].sum("participant").values
    tariff, name = inputs["component_tariff"].values, inputs["component"].values
    bases, drawn = inputs["component_basis"].values, _by_tariff(inputs, results)
    rows = []
    for k, basis in enumerate(bases):
        energy = drawn[WAYS[basis]][tariff[k]] if basis in WAYS else np.nan
        price = abs(cost[k]) / energy if energy > 0 else np.nan
        rows.append(
            {
                "tariff": str(tariff[k]),
                "name": str(name[k]).removeprefix(f"{tariff[k]}/"),
                "part": str(inputs["component_part"].values[k]),
                "basis": str(basis),
                "kwh": float(energy),
                "price": float(np.copysign(price, cost[k] if basis == "per-kwh" else -cost[k])),
                "cost": float(cost[k]),
            }
        )
    return rows


def peaks(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Return the peaks of every meter by month: the kW that are charged, the charge, and its marginal value per kW.

    That is what one more kW in all slots of the month would add to the charges; NaN where nobody planned. Of a peak of
    all customers of a tariff it is the part that the participant pays.
    """
    inputs, results, settlement = (tree[g].to_dataset() for g in ("inputs", "results", "settlement"))
    if "peak" not in inputs.sizes:
        return []
    month = inputs["day_month"].sel(day=inputs["slot_day"].values).values
    tariff, rows = inputs["participant_tariff"].values, []
    joint = peak_values.joint_peaks(inputs, results)
    for name, own, charged in zip(
        inputs["participant"].values, tariff, settlement["peak_power"].values, strict=True
    ):
        values = peak_values.marginal_values(inputs, results, str(name))
        for q in np.flatnonzero(inputs["peak_tariff"].values == own):
            for m, kilowatt in zip(inputs["month"].values, charged[q], strict=True):
                price = float(inputs["peak_price"].values[q])
                label = str(inputs["peak"].values[q]).removeprefix(f"{own}/")
                rows.append(
                    {
                        "participant": str(name),
                        "name": label,
                        "of": "tariff" if joint[q] else "meter",
                        "month": str(m),
                        "kw": float(kilowatt),
                        "price": price,
                        "cost": price * float(kilowatt),
                        "marginal": float(values[q, month == m].sum()),
                    }
                )
    return rows


def _by_tariff(inputs: xr.Dataset, results: xr.Dataset) -> dict[str, dict[str, float]]:
    """Return the energy [kWh] that the customers of each tariff draw and inject, their vehicles' with it."""
    hours = inputs["slot_hours"].values
    own = inputs["participant_tariff"].values
    guests = inputs["participant_tariff"].sel(participant=inputs["vehicle_owner"].values).values
    return {
        way: {
            str(tariff): float(
                (results[f"grid_{way}"].values @ hours)[own == tariff].sum()
                + (results[f"vehicle_{way}"].values @ hours)[guests == tariff].sum()
            )
            for tariff in inputs["tariff"].values
        }
        for way in WAYS.values()
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
    loads = {name: row for name, row in devices.loads(inputs).items() if inputs.sizes[name]}
    parts = {
        "PV, after curtailment": total(inputs["pv_available"] - results["pv_curtailment"]),
        "from the retailer": total(results["grid_import"]) + total(results["vehicle_import"]),
        "to the retailer": -total(results["grid_export"]) - total(results["vehicle_export"]),
        "demand": -total(inputs["demand"]),
        **{n.replace("_", " "): -total(results[row.draw]) for n, row in loads.items()},
        "driving": -float(driven.sum()),
        "batteries and vehicles, start less end": -stored,
        "losses of charging and discharging": -lost,
    }
    return {name: value + 0.0 for name, value in parts.items()}  # no -0.0


def hours(tree: xr.DataTree) -> list[dict[str, float]]:
    """Return what peers traded [kWh] by local hour of the day, hours with trades only, and mean prices."""
    by_hour = compare.by_hour(tree).to_dataframe().dropna().reset_index()
    by_hour = by_hour.rename(columns=lambda name: name.removeprefix("hour_").removeprefix("peer_"))
    return [{str(name): value for name, value in row.items()} for row in by_hour.to_dict("records")]


def _costs(tree: xr.DataTree) -> str:
    return tables.cleared(compare.summary(tree), str(tree.attrs["currency"]))


def _accounts(tree: xr.DataTree) -> str:
    """Return a line per participant and one for all; revenue is negative, so that a line adds up to its bill."""
    settlement = tree["settlement"].to_dataset()
    values = np.array(
        [
            run_format.account_line(settlement, n).values * (-1 if line.sign < 0 else 1)
            for n, line in lines(settlement).items()
        ]
    )
    people = [str(name) for name in settlement["participant"].values]
    columns = [*values.T, values.sum(axis=1)]
    shown = max(decimals(str(tree.attrs["currency"])) or 2, 2)
    rows = [
        [who, *(_fixed(v, shown) for v in column)]
        for who, column in zip([*people, "all"], columns, strict=True)
    ]
    return table(["participant", *(line.label for line in lines(settlement).values())], rows)


def _components(tree: xr.DataTree) -> str:
    unit = f"{tree.attrs['currency']}/kWh"
    shown, finer = decimals(str(tree.attrs["currency"])) or 2, 2 + (decimals(unit) or 2)
    rows = [
        [
            c["tariff"],
            c["name"],
            c["part"],
            c["basis"],
            "" if np.isnan(c["kwh"]) else _fixed(c["kwh"]),
            "" if np.isnan(c["price"]) else _fixed(c["price"], finer),
            _fixed(c["cost"], max(shown, 2)),
        ]
        for c in components(tree)
    ]
    return table(
        ["tariff", "component", "part", "basis", "kWh", f"mean {unit}", str(tree.attrs["currency"])], rows
    )


def _peaks(tree: xr.DataTree) -> str:
    unit, shown = str(tree.attrs["currency"]), max(decimals(str(tree.attrs["currency"])) or 2, 2)
    rows = [
        [
            p["participant"],
            p["name"] + (" (part of all)" if p["of"] == "tariff" else ""),
            p["month"],
            *(_fixed(p[n], 3 if n == "kw" else shown) for n in ("kw", "price", "cost")),
            "" if np.isnan(p["marginal"]) else _fixed(p["marginal"], shown),
        ]
        for p in peaks(tree)
    ]
    header = ["participant", "peak", "month", "kW charged", f"{unit}/kW", unit, f"marginal {unit}/kW"]
    return table(header, rows)


def _balance(tree: xr.DataTree) -> str:
    return table(["+ in, - out", "kWh"], [[name, _fixed(value)] for name, value in balance(tree).items()])


def _hours(tree: xr.DataTree) -> str:
    unit = f"{tree.attrs['currency']}/kWh"
    shown = 1 + (decimals(unit) or 1)
    rows = [
        [f"{int(hour):02d}:00", _fixed(energy), *(_fixed(price, shown) for price in prices)]
        for hour, energy, *prices in map(dict.values, hours(tree))
    ]
    return table(["hour", "kWh", f"{unit} to the seller", "from the buyer"], rows)


def _fixed(value: float, shown: int = 2) -> str:
    return f"{round(float(value), shown) + 0.0:,.{shown}f}"


SECTIONS: dict[str, Section] = {
    "totals": Section("Cost by kind of participant", totals, _costs),
    "accounts": Section("Accounts, {currency}", accounts, _accounts),
    "components": Section(
        "Components of the tariffs",
        components,
        _components,
        where=lambda tree: "component" in tree["inputs"].sizes,
    ),
    "peaks": Section("Peaks of the meters", peaks, _peaks, where=lambda tree: "peak" in tree["inputs"].sizes),
    "balance": Section("Energy balance of the community", balance, _balance),
    "hours": Section("Trades by hour of the day", hours, _hours),
}
"""THE table of sections, in the order of the page: one row per section, by its name among the facts."""
