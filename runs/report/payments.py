"""What members pay under several rules: a table, facts for a machine, and CSV, of what `fair_shares` computed."""

from typing import Any

import numpy as np
import xarray as xr

from ..text import as_csv, table
from .tables import number

MOST_PARTICIPANTS = 40
"""Of more participants a terminal shows the community alone."""
TOTALS = {
    "community_cost": "to others",
    "network_fees": "network fees",
    "congestion_rent": "congestion rent",
    "worse_off": "worse off",
    "gini": "Gini of gains",
    "jain": "Jain of gains",
    "greatest_excess": "greatest excess",
    "excess_bound": "least possible",
}
"""Lines over rules, and what a table calls them."""
OVER = ("payment", "gain", "standard_error")
"""Lines over rules and participants."""


def text(payments: xr.Dataset) -> str:
    """Return what everybody pays and gains under each rule, then what it adds up to and how equal it is."""
    rules, currency = [str(r) for r in payments["rule"].values], str(payments.attrs["currency"])
    people = [str(p) for p in payments["participant"].values]
    parts = []
    for name in OVER if len(people) <= MOST_PARTICIPANTS else ():
        if name in payments:
            title = f"{name.replace('_', ' ')} {currency}"
            values = payments[name].values.T
            rows = [[p, *map(_amount, v, [currency] * len(v))] for p, v in zip(people, values, strict=True)]
            parts.append(table([title, *rules], rows))
    sums = {"sum of payments": payments["payment"].sum("participant")}
    lines = sums | {label: payments[name] for name, label in TOTALS.items() if name in payments}
    rows = [[label, *(_total(label, v, currency) for v in line.values)] for label, line in lines.items()]
    return "\n\n".join([*parts, table([f"community {currency}", *rules], rows)])


def _amount(value: float, currency: str) -> str:
    return number(value, currency).split(" ")[0]


def _total(label: str, value: float, currency: str) -> str:
    """Return a figure of the community: counts whole, indices with three decimals, money without its name."""
    if np.isnan(value):
        return "-"
    if label == TOTALS["worse_off"]:
        return f"{value:.0f}"
    return f"{value:.3f}" if label in (TOTALS["gini"], TOTALS["jain"]) else _amount(value, currency)


def facts(payments: xr.Dataset) -> dict[str, Any]:
    """Return the payments by rule and participant, and all that stands over rules."""
    people = [str(p) for p in payments["participant"].values]
    rules = {}
    for rule in payments["rule"].values:
        here = payments.sel(rule=rule)
        rules[str(rule)] = {
            **{n: dict(zip(people, here[n].values.tolist(), strict=True)) for n in OVER if n in here},
            **{n: here[n].item() for n in TOTALS if n in here},
        }
    return {"currency": payments.attrs["currency"], "rules": rules}


def csv(payments: xr.Dataset) -> str:
    """Return a line per rule and participant, and of the community those without a participant."""
    rows: list[list[Any]] = []
    for rule, of_rule in facts(payments)["rules"].items():
        for name, value in of_rule.items():
            each = value if isinstance(value, dict) else {"": value}
            unit = payments[name].attrs["units"]
            rows += [[rule, name, participant, unit, amount] for participant, amount in each.items()]
    return as_csv(["rule", "measure", "participant", "unit", "value"], rows)
