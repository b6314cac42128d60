"""The figures of a plan: sizes, and what every participant pays before and after, in a mean year.

A period counts as many times a year as its weight says; sums over its accounts are those of a year by that. What is
built is paid by annuities, so that the gain of a year, bill before less bill after, is the same every year, and what is
replaced or left after ``years`` is counted: the net present value is the gain times what one a year is worth now,
1 / annuity. The payback is the price of what is built over what its owner saves a year before annuities, after upkeep;
NaN where it saves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ...data.assembly.plans.candidates import Item, annuity
from ...model.labels import Array
from .payments import Run, by_rule

MONEY = "{currency}/year"
_SUMS = ("bill", "investment_cost", "co2")
_USES = ("demand_from", "driving_from")


class Terms(NamedTuple):
    """What money costs: interest of a year, years of the net present value, and the items in order of candidates."""

    rate: float
    years: int
    items: Sequence[Item]


def of_year(runs: Sequence[Run], weights: Sequence[float]) -> dict[str, Array]:
    """Return what every participant pays, emits and uses in a year (participant,).

    ``bill`` and ``investment_cost`` [currency], ``co2`` [kg]; ``used``, ``own`` and ``renewable`` [kWh]: demand and
    electric driving, what of it is own PV, and own or peers'.
    """
    total: dict[str, Any] = {}
    for run, weight in zip(runs, weights, strict=True):
        settlement = run.settlement
        none = np.zeros(settlement.sizes["participant"])
        year = {n: settlement[n].values if n in settlement else none for n in _SUMS}
        by_source = sum(
            settlement[n].transpose("participant", "source", "time").values.sum(axis=2) for n in _USES
        )
        year |= {
            "used": by_source.sum(axis=1),
            "own": by_source[:, 0],
            "renewable": by_source[:, :2].sum(axis=1),
        }
        total = {name: total.get(name, 0.0) + weight * values for name, values in year.items()}
    return {name: np.asarray(values) for name, values in total.items()}


def rent_of_year(runs: Sequence[Run], weights: Sequence[float]) -> float:
    """Return what of the congestion rent of a year the network keeps [currency], beyond owners of lines and members."""
    total = 0.0
    for run, weight in zip(runs, weights, strict=True):
        signs = {"congestion_rent": 1.0, "make_whole": 1.0, "line_income": -1.0}
        lines = (sign * run.settlement[n].values.sum() for n, sign in signs.items() if n in run.settlement)
        total += weight * float(sum(lines))
    return total


def figures(
    before: Sequence[Run],
    after: Sequence[Run],
    weights: Sequence[float],
    worth: Array,
    terms: Terms,
    rules: Sequence[str],
) -> xr.Dataset:
    """Return the figures of a plan, over candidate and participant, with totals.

    Parameters
    ----------
    before, after : sequence of Run
        The periods as they are, and with what is built.
    weights : sequence of float
        How many times a year each period counts.
    worth : (candidate,)
        What one more kW or kWh saves, in a year [currency].
    rules : sequence of str
        Under which gains are told beside those of the bills.
    """
    inputs = after[0].inputs
    plants = [item.label for item in terms.items if item.terms.shares]
    size, member = inputs["candidate_size"].values, ~np.isin(inputs["participant"].values, plants)
    people = inputs["participant"].values[member].tolist()
    owned = np.array([[item.shares.get(who, 0.0) for who in people] for item in terms.items])
    split = np.eye(len(member))[:, member]  # what is on the meter of a plant is its owners'
    for label, parts in zip((item.label for item in terms.items), owned, strict=True):
        if label in plants:
            split[inputs["participant"].values == label] = parts
    years = np.array([annuity(terms.rate, i.years) for i in terms.items])
    price, upkeep = (np.array([getattr(i, n) for i in terms.items]) for n in ("price", "upkeep"))
    once = np.array([i.terms.fixed_cost for i in terms.items]) * (size > 0)
    candidate: dict[str, tuple[Array, str, str]] = {
        "size": (size, "kW, kWh", "size that is built"),
        "capital": (size * price + once, "{currency}", "price of what is built"),
        "yearly_cost": (size * (price * years + upkeep) + once * years, MONEY, "annuity and upkeep"),
        "price": (price, "{currency}/kW, {currency}/kWh", "price"),
        "worth": (worth, MONEY, "what one more kW or kWh saves in a year, its cost not counted"),
        "worthwhile_price": (
            np.maximum(worth - upkeep, 0.0) / years,
            "{currency}/kW, {currency}/kWh",
            "price at which one more kW or kWh pays",
        ),
    }
    first, then = (
        {name: values @ split for name, values in of_year(runs, weights).items()} for runs in (before, after)
    )
    gain = first["bill"] - then["bill"]
    ruled = (by_rule(before, weights, rules) - by_rule(after, weights, rules)) @ split
    capital = (size * price + once) @ owned
    saved = gain + then["investment_cost"] - (size * upkeep) @ owned
    own: dict[str, tuple[Array, str, str]] = {
        "cost_before": (first["bill"], MONEY, "bill as it is"),
        "cost_after": (then["bill"], MONEY, "bill with what is built, annuities and upkeep included"),
        "investment": (then["investment_cost"], MONEY, "annuities and upkeep"),
        "member_capital": (capital, "{currency}", "price of what it builds"),
        "gain": (gain, MONEY, "bill before less bill after"),
        "npv": (gain / annuity(terms.rate, terms.years), "{currency}", "net present value of the gain"),
        "payback": (_ratio(capital, saved), "year", "price of what it builds over what that saves a year"),
        "co2_before": (first["co2"], "kg/year", "carbon dioxide as it is"),
        "co2_after": (then["co2"], "kg/year", "carbon dioxide with what is built"),
        "self_sufficiency_before": (_ratio(first["own"], first["used"]), "1", "own PV of what is used"),
        "self_sufficiency_after": (_ratio(then["own"], then["used"]), "1", "own PV of what is used"),
    }
    whole = {
        f"network_rent_{name}": (
            np.asarray(rent_of_year(runs, weights)),
            MONEY,
            "congestion rent that the network keeps",
        )
        for name, runs in (("before", before), ("after", after))
    }
    whole |= {
        f"community_self_sufficiency_{name}": (
            np.asarray(_ratio(year["renewable"].sum(), year["used"].sum())),
            "1",
            "own and peers' PV of what is used",
        )
        for name, year in (("before", first), ("after", then))
    }
    currency = str(inputs.attrs["currency"])
    parts = ((("candidate",), candidate), (("participant",), own), ((), whole))
    variables = {
        name: (dims, values, {"long_name": text, "units": unit.format(currency=currency)})
        for dims, entries in parts
        for name, (values, unit, text) in entries.items()
    }
    given: dict[str, Any] = {
        "candidate_kind": (("candidate",), inputs["candidate_kind"].values),
        "participant_kind": (("participant",), inputs["participant_kind"].values[member]),
        "gain_by_rule": (
            ("rule", "participant"),
            ruled,
            {
                "long_name": "gain where all pay by a rule",
                "units": MONEY.format(currency=inputs.attrs["currency"]),
            },
        ),
        "owned": (
            ("candidate", "participant"),
            owned,
            {"long_name": "part of it that is whose", "units": "1"},
        ),
    }
    coords = {
        "rule": np.array(rules, dtype=str),
        "candidate": inputs["candidate"].values,
        "participant": np.array(people, dtype=str),
    }
    return xr.Dataset({**given, **variables}, coords=coords, attrs={"currency": currency})


def _ratio(part: Any, whole: Any) -> Array:
    """Return part / whole, NaN where the whole is nothing or less."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    ratio: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 1e-9)
    return ratio
