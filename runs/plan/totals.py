"""Plans side by side: what each builds, costs and gains in all, over plans or over the points of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ...model.labels import Array

UNITS = {"pv": "kW", "battery": "kWh", "charger": "kW", "v2h": "kW", "line": "kW"}
"""Units of the sizes of candidates by their kind."""
LOSS = 0.5
"""Less than that a year [currency] nobody counts as a loss."""
MEASURES = {
    "cost": "cost of a year",
    "cost_before": "bills as it is",
    "cost_after": "bills",
    "gain": "gain of a year",
    "capital": "price of what is built",
    "npv": "net present value",
    "members_who_lose": "members who lose",
    "co2_before": "CO2 as it is",
    "co2_after": "CO2",
    "self_sufficiency_before": "self-sufficiency as it is",
    "self_sufficiency_after": "self-sufficiency",
    "on_front": "on the front",
    **{f"built_{kind}": f"built {kind}" for kind in UNITS},
}
"""What is told of every plan, and what tables call it; on the front of cost against CO2 none is better in both."""


def totals(plan: xr.Dataset) -> xr.Dataset:
    """Return the figures of a plan in all.

    ``cost`` is what its members pay in a year but for the price of carbon dioxide and what the network keeps of the
    congestion rent, which are no loss of energy or work: by it plans at several prices can be compared.
    """
    currency, year = str(plan.attrs["currency"]), f"{plan.attrs['currency']}/year"

    def sum_of(name: str) -> float:
        return float(plan[name].values.sum())

    levy = float(plan.attrs.get("carbon_price", 0.0)) * sum_of("co2_after")
    values = {
        "cost": (sum_of("cost_after") - levy - sum_of("network_rent_after"), year),
        **{name: (sum_of(name), year) for name in ("cost_before", "cost_after", "gain")},
        "capital": (sum_of("member_capital"), currency),
        "npv": (sum_of("npv"), currency),
        "members_who_lose": (float((plan["gain"].values < -LOSS).sum()), "1"),
        **{name: (sum_of(name), "kg/year") for name in ("co2_before", "co2_after")},
        **{
            f"self_sufficiency_{when}": (100 * float(plan[f"community_self_sufficiency_{when}"]), "%")
            for when in ("before", "after")
        },
        **{f"built_{kind}": (float(of_members(plan, kind).sum()), unit) for kind, unit in UNITS.items()},
    }
    return xr.Dataset(
        {n: ((), v, {"units": unit, "long_name": MEASURES[n]}) for n, (v, unit) in values.items()}
    )


def of_members(plan: xr.Dataset, kind: str) -> Array:
    """Return what of a kind every participant builds (participant,)."""
    of_kind = plan["candidate_kind"].values == kind
    return np.asarray((plan["size"].values * of_kind) @ plan["owned"].values)


def side_by_side(plans: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    """Return the totals of plans in one currency over ``scenario``."""
    together = xr.concat([totals(plan) for plan in plans], dim="scenario", join="exact")
    together = together.assign_coords(scenario=np.array(names, dtype=str))
    return together.assign_attrs(title="comparison of plans", currency=plans[0].attrs["currency"])


def with_front(compared: xr.Dataset) -> xr.Dataset:
    """Return totals over plans with ``on_front``: 1 of those than which none costs less and emits less."""
    cost, co2 = np.round(compared["cost"].values, 2), np.round(compared["co2_after"].values, 3)
    no_worse = (cost[:, None] <= cost) & (co2[:, None] <= co2)
    better = no_worse & ((cost[:, None] < cost) | (co2[:, None] < co2))
    attrs = {"units": "1", "long_name": MEASURES["on_front"]}
    return compared.assign(on_front=(("scenario",), 1.0 - better.any(axis=0), attrs))
