"""Prices to bills, and what share of the energy came from the sun.

A participant's account covers its own meter and its vehicles wherever they plug in, at its own tariff::

    bill = grid_cost - feed_in_revenue + peer_cost - peer_revenue + fuel_cost + wear_cost

Carbon dioxide is what the retail power and the fuel of an account emit; energy given away earns no credit.

Shares follow the origin of the energy (`origin`):

* self-consumption: 1 - own PV energy given to others / own PV energy. Charging a store counts as use.
* self-sufficiency: own PV energy that reaches consumption, directly or through a store / consumption. Driving
  on electricity is consumption; the losses of stores are not.

They are the rates of "Sizing of residential PV battery systems", Energy
Procedia 46 (2014), doi:10.1016/j.egypro.2014.01.160, (direct use + charge) / PV and (direct use + discharge)
/ demand, carried over to stores that also hold other energy or give to others. For the community's own
shares its members are no others.
"""

import numpy as np
import xarray as xr

from .algebra import Array
from .meters import positions
from .origin import Origins, trace
from .traders import Traders, parties, sum_at, traders

MONEY = {
    "grid_cost": "paid to the retailer",
    "feed_in_revenue": "received from the retailer",
    "peer_cost": "paid for energy from peers, with network fees and congestion rent",
    "peer_revenue": "received from peers",
    "network_fee": "part of peer_cost that goes to the network",
    "congestion_rent": "part of peer_cost that pays for scarce lines",
    "fuel_cost": "paid for fuel",
    "wear_cost": "wear of batteries by discharging",
    "bill": "grid_cost - feed_in_revenue + peer_cost - peer_revenue + fuel_cost + wear_cost",
    "bill_grid_only": "bill without peers",
    "saving": "bill_grid_only - bill",
}
SHARES = {
    "self_consumption": "share of PV energy not given to others",
    "self_sufficiency": "share of demand and electric driving from own PV",
    "renewable_share": "share of demand from own and peers' PV",
    "renewable_driving_share": "share of the distance driven on own and peers' PV; on fuel is not",
    "renewable_charge_share": "share of the electricity driven that is own and peers' PV",
}


def settle(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, grid_only: xr.Dataset) -> xr.Dataset:
    """Return every participant's account of a cleared market.

    Parameters
    ----------
    inputs, results, trades : xr.Dataset
        The inputs, the cleared positions, and their bilateral trades.
    grid_only : xr.Dataset
        The results of the market without peers, for ``bill_grid_only``.

    Returns
    -------
    xr.Dataset
        Over participant: ``MONEY`` (currency over the horizon), ``co2`` (kg) and ``SHARES`` (1), NaN where
        there is nothing to share. Scalars: the shares of the whole community as ``community_...``, and
        ``peer_energy`` (kWh).
    """
    who, dims = traders(inputs), ("participant",)
    account = _account(inputs, results, trades, who)
    account["bill_grid_only"] = _account(inputs, grid_only, trades.isel(trade=slice(0)), who)["bill"]
    account["saving"] = account["bill_grid_only"] - account["bill"]
    co2 = {"long_name": "carbon dioxide of retail power and fuel", "units": "kg"}
    volume = {"long_name": "energy traded among peers", "units": "kWh"}
    currency = inputs.attrs.get("currency", "JPY")
    origins = trace(inputs, results, trades)
    own, community = _shares(origins), _community(origins)
    return xr.Dataset(
        {
            **{k: (dims, account[k], {"long_name": v, "units": currency}) for k, v in MONEY.items()},
            "co2": (dims, _co2(inputs, results, who), co2),
            **{k: (dims, own[k], {"long_name": v, "units": "1"}) for k, v in SHARES.items()},
            **{
                f"community_{k}": ((), community[k], {"long_name": f"{v}, in the community", "units": "1"})
                for k, v in SHARES.items()
            },
            "peer_energy": ((), float(trades["trade_energy"].sum()), volume),
        },
        coords={"participant": inputs["participant"]},
        attrs=inputs.attrs,
    )


def _account(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, who: Traders) -> dict[str, Array]:
    """Return the lines of every account (participant,) [currency]."""
    size, hours = inputs.sizes["participant"], inputs["slot_hours"].values
    tariff = positions(inputs, "participant_tariff", "tariff")[who.account]
    bought = who.stack(results["grid_import"], results["vehicle_import"]) * hours
    sold = who.stack(results["grid_export"], results["vehicle_export"]) * hours
    seller, buyer, _ = parties(inputs, trades)
    energy = trades["trade_energy"].values
    revenue, fee, rent = (energy * trades[f"trade_{k}"].values for k in ("price", "fee", "congestion"))
    driver = positions(inputs, "trip_vehicle", "vehicle")
    fuel = results["trip_fuel"].values * inputs["fuel_price"].values[driver]
    owner = {d: positions(inputs, f"{d}_owner", "participant") for d in ("battery", "vehicle")}
    discharged = {d: results[f"{d}_discharge"].values @ hours for d in owner}
    wear = (sum_at(owner[d], inputs[f"{d}_wear_cost"].values * discharged[d], size) for d in owner)
    lines = {
        "grid_cost": (who.account, (bought * inputs["retail_price"].values[tariff]).sum(axis=1)),
        "feed_in_revenue": (who.account, (sold * inputs["feed_in_price"].values[tariff]).sum(axis=1)),
        "peer_cost": (who.account[buyer], revenue + fee + rent),
        "peer_revenue": (who.account[seller], revenue),
        "network_fee": (who.account[buyer], fee),
        "congestion_rent": (who.account[buyer], rent),
        "fuel_cost": (owner["vehicle"][driver], fuel),
    }
    account = {name: sum_at(place, money, size) for name, (place, money) in lines.items()}
    account["wear_cost"] = sum(wear, np.zeros(size))
    paid = (account[k] for k in ("grid_cost", "peer_cost", "fuel_cost", "wear_cost"))
    account["bill"] = sum(paid, np.zeros(size)) - account["feed_in_revenue"] - account["peer_revenue"]
    return account


def _co2(inputs: xr.Dataset, results: xr.Dataset, who: Traders) -> Array:
    """Return the carbon dioxide (participant,) [kg] of retail power and fuel."""
    size, driver = inputs.sizes["participant"], positions(inputs, "trip_vehicle", "vehicle")
    bought = who.stack(results["grid_import"], results["vehicle_import"])
    power = bought @ (inputs["slot_hours"].values * inputs["grid_carbon"].values)
    fuel = results["trip_fuel"].values * inputs["fuel_carbon"].values[driver]
    return sum_at(who.account, power, size) + sum_at(who.account[size:][driver], fuel, size)


def _shares(origins: Origins) -> dict[str, Array]:
    """Return the shares (participant,) of every account."""
    own = origins.demand_from[:, 0] + origins.driven_from[:, 0]
    return {
        "self_consumption": _share(origins.pv - origins.given, origins.pv),
        "self_sufficiency": _share(own, origins.demand + origins.driven),
        "renewable_share": _share(origins.demand_from.sum(axis=1), origins.demand),
        "renewable_driving_share": _share(origins.distance_from.sum(axis=1), origins.distance),
        "renewable_charge_share": _share(origins.driven_from.sum(axis=1), origins.driven),
    }


def _community(origins: Origins) -> dict[str, Array]:
    """Return the shares () of the community: what its members get from one another is its own."""
    pv, demand, driven = origins.pv.sum(), origins.demand.sum(), origins.driven.sum()
    used = origins.demand_from.sum() + origins.driven_from.sum()
    return {
        "self_consumption": _share(pv - origins.exported.sum(), pv),
        "self_sufficiency": _share(used, demand + driven),
        "renewable_share": _share(origins.demand_from.sum(), demand),
        "renewable_driving_share": _share(origins.distance_from.sum(), origins.distance.sum()),
        "renewable_charge_share": _share(origins.driven_from.sum(), driven),
    }


def _share(part: Array, whole: Array) -> Array:
    """Return part / whole within [0, 1], NaN where the whole is nothing (less than 1e-9)."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    share: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 1e-9)
    return share.clip(0.0, 1.0)
