"""The lines of accounts of a settled month: shared energy exact, the rest at the tariffs of the members' retailers."""

from typing import Any

import numpy as np
import xarray as xr

from ...model.labels import Array
from ...model.settlement.account_lines import LINES, MONEY, OPTIONAL, SHARES, SIGNS
from ...model.sharing import retail
from ...model.sharing.accounts import DailyAccounts, SharedEnergy
from ...model.topology import tiers


def power(inputs: xr.Dataset, energy: Array) -> Array:
    """Return energies (..., time) [Wh] as mean powers [kW]."""
    return np.asarray(energy / (1000.0 * inputs["slot_hours"].values))


def lines(
    inputs: xr.Dataset,
    shared: SharedEnergy,
    daily: DailyAccounts,
    active: Array,
    short: Array,
    imbalance_fee: float,
    money: int,
) -> xr.Dataset:
    """Return the accounts (participant,) [currency]: shared energy exact, the retailers' part at their tariffs."""
    drawn, given = shared.grid_in, shared.grid_out
    size, draw = inputs.sizes["participant"], power(inputs, shared.withdrawn)
    cost = retail.components(inputs, drawn, given, draw, active)
    names = ("standing", "peak", "tier")
    standing, peak, tier = (cost[n].sum(axis=1) if cost else np.zeros(size) for n in names)
    paid, earned, fees = (getattr(daily, n).sum(axis=1) / money for n in ("paid", "earned", "fees"))
    account = dict.fromkeys((n for n in MONEY if n not in OPTIONAL), np.zeros(size))
    account |= {
        "grid_cost": retail.energy_at_tariffs(inputs, "retail_price", drawn),
        "feed_in_revenue": retail.energy_at_tariffs(inputs, "feed_in_price", given),
        "peer_cost": paid + fees,
        "peer_revenue": earned,
        "network_fee": fees,
        "imbalance_cost": short * imbalance_fee,
    }
    account |= {"standing_charges": standing, "peak_charges": peak} if cost else {}
    account |= {"tier_charges": tier} if "tier" in inputs.sizes else {}
    account["bill"] = np.asarray(sum(sign * account[n] for n, sign in SIGNS.items() if n in account))
    alone = retail.energy_at_tariffs(inputs, "retail_price", shared.withdrawn)
    alone = alone - retail.energy_at_tariffs(inputs, "feed_in_price", shared.injected)
    if "tier" in inputs.sizes:
        alone = alone + tiers.charges(inputs, shared.withdrawn / 1000).sum(axis=1)
    account["bill_grid_only"] = alone + standing + peak
    account["saving"] = account["bill_grid_only"] - account["bill"]
    carbon = drawn @ (inputs["grid_carbon"].values / 1000)
    unknown = np.full(size, np.nan)
    part = np.divide(
        shared.shared.sum(axis=1),
        shared.withdrawn.sum(axis=1),
        out=unknown.copy(),
        where=shared.withdrawn.any(axis=1),
    )
    account |= {
        "imbalance_energy": short,
        "co2": carbon,
        "driving_co2": np.zeros(size),
        "driving_co2_petrol": np.zeros(size),
    }
    account |= {name: part if name == "renewable_share" else unknown for name in SHARES}
    return _described(inputs, account, cost, shared)


def _described(
    inputs: xr.Dataset, account: dict[str, Array], cost: dict[str, Array], shared: SharedEnergy
) -> xr.Dataset:
    currency = str(inputs.attrs["currency"])
    variables: dict[str, Any] = {
        name: (
            ("participant",),
            account[name],
            {"long_name": line.text, "units": currency if line.unit == "currency" else line.unit},
        )
        for name, line in LINES.items()
        if name in account
    }
    if cost:
        text = {"long_name": "paid to the retailer by component", "units": currency}
        variables["component_cost"] = (("participant", "component"), sum(cost.values()), text)
    used, drawn, given = (int(e.sum()) for e in (shared.shared, shared.withdrawn, shared.injected))
    for name, line in SHARES.items():
        whole = {"self_consumption": given, "self_sufficiency": drawn, "renewable_share": drawn}.get(name, 0)
        value = used / whole if whole else np.nan
        text = {"long_name": f"{line.text}, in the community", "units": "1"}
        variables[f"community_{name}"] = ((), value, text)
    variables["peer_energy"] = ((), used / 1000.0, {"long_name": "energy traded among peers", "units": "kWh"})
    coords = {name: inputs[name] for name in ("participant", *(["component"] if cost else []))}
    return xr.Dataset(variables, coords=coords, attrs=inputs.attrs)
