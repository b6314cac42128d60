"""The page in HTML of a plan, and the figures of plans side by side."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ....model.labels import Array
from ...plan.totals import UNITS, of_members
from ..figures.bars import bars
from ..figures.figure import Figure
from ..figures.lines import points
from .document import columns, document, gallery

MOST = 40
"""Members, candidates or plans that bars show."""


def plan_page(plan: xr.Dataset, text: str) -> str:
    """Return a plan as a page of figures that needs nothing but itself; ``text`` are its tables."""
    told = plan.attrs
    facts = [
        f"{told['days']:.0f} days of a year in {plan.sizes['day']} that stand for them"
        if plan.sizes["day"] > 1
        else f"{told['days']:.0f} days of a year in one horizon",
        f"{told['years']} years at {100 * told['discount_rate']:g} % interest",
        f"{told['status']}, by {told['solver']}",
    ]
    parts = {"Figures": gallery(_figures(plan)), "Tables": columns("Tables", text)}
    return document(str(told["title"]), facts, parts)


def _figures(plan: xr.Dataset) -> list[Figure]:
    """Return the figures of a plan: what members build, pay and gain, by which rule, and what one more is worth."""
    who, money = [str(p) for p in plan["participant"].values[:MOST]], f"{plan.attrs['currency']}/year"
    cut = _cut(plan.sizes["participant"], "members")
    figures = []
    for kind, unit in UNITS.items():
        sizes = of_members(plan, kind)[:MOST]
        if (sizes > 0).any():
            figures.append(_of_members(f"Built: {kind}", f"Each member's part.{cut}", unit, who, sizes, 1))
    costs = [plan[f"cost_{when}"].values[:MOST] for when in ("before", "after")]
    gains = [plan["gain_by_rule"].transpose("rule", "participant").values[:, :MOST]]
    for name, when in (("as it is", "before"), ("with what is built", "after")):
        text = f"Bills, annuities and upkeep in them.{cut}"
        values = plan[f"cost_{when}"].values
        figures.append(_of_members(f"Cost of a year, {name}", text, money, who, values, 0, costs))
    for rule, gain in zip(plan["rule"].values, plan["gain_by_rule"].values, strict=True):
        text = f"What the plan gains in a year; below zero: who loses by it.{cut}"
        figures.append(_of_members(f"Gain by the rule {rule}", text, money, who, gain, 0, gains))
    return [*figures, _prices(plan)]


def _of_members(
    title: str,
    text: str,
    unit: str,
    who: list[str],
    values: Array,
    decimals: int,
    reach: Sequence[Array] = (),
) -> Figure:
    """Return bars of members, whose axis reaches as far as those of the figures beside it."""
    series = {title.partition(" by ")[0]: values[:MOST]}
    return bars(title, text, unit, who, series, "member", decimals, reach=reach)


def _prices(plan: xr.Dataset) -> Figure:
    """Return the price of candidates beside the one at which one more kW or kWh would pay."""
    names = [str(label) for label in plan["candidate"].values[:MOST]]
    worth, price = (plan[n].values[:MOST] for n in ("worthwhile_price", "price"))
    share = 100 * np.divide(worth, price, out=np.zeros(len(names)), where=price > 0)
    text = "Price at which one more kW or kWh would pay, as a part of what it costs: beyond 100 % it pays."
    return bars(
        "What one more is worth",
        text + _cut(plan.sizes["candidate"], "candidates"),
        "%",
        names,
        {"of its price": share},
        "candidate",
        0,
    )


def figures(compared: xr.Dataset, names: list[str]) -> list[Figure]:
    """Return the figures of plans side by side: cost against carbon dioxide and self-sufficiency, and what is built."""
    money, shown = str(compared["cost"].attrs["units"]), slice(0, MOST)
    built = {kind: compared[f"built_{kind}"].values for kind in UNITS}
    return [
        points(
            "Cost against carbon dioxide",
            "Cost of a year but for the price of CO2; the line joins the plans of which none is better in both.",
            ("kg CO2", money),
            names,
            compared["co2_after"].values,
            compared["cost"].values,
            "plan",
            0,
        ),
        points(
            "Cost against what is bought",
            "Cost of a year, and the part of what is used that is not the community's own PV.",
            ("%", money),
            names,
            100 - compared["self_sufficiency_after"].values,
            compared["cost"].values,
            "plan",
            1,
        ),
        *(
            bars(
                f"Built: {kind}",
                f"In all.{_cut(len(names), 'plans')}",
                UNITS[kind],
                names[shown],
                {kind: sizes[shown]},
                "plan",
                1,
            )
            for kind, sizes in built.items()
            if (sizes > 0).any()
        ),
    ]


def _cut(number: int, what: str) -> str:
    return f" Shown are the first {MOST} of {number} {what}." if number > MOST else ""
