"""Accounts of participants: what each pays and gets, what it emits, and the shares of PV in its energy.

A participant's account covers its own meter and its vehicles wherever they plug in, at its own tariff. Its lines
stand in `account_lines`::

    bill = grid_cost - feed_in_revenue + standing_charges + peak_charges + tier_charges + congestion_charges
           + voltage_charges + loss_charges + peer_cost - peer_revenue + make_whole + imbalance_cost + fuel_cost
           + wear_cost + investment_cost - line_income

**Investment** is there where a plan says what is built (`planning`): the part of its annuities and upkeep in the
horizon, which is the same without peers. Who builds a line gets, of the congestion rent, what its kW earn
(``line_income``): of each slot of H hours, with the price p at both ends of the edge and its fee f,
max(|p[parent] - p[node]| - f, 0) H for every kW; in proportion where peers pay another rent, nothing where none.

**Standing charges**, **peak charges** and **tier charges** are there where tariffs have components (`data.inputs`);
the first depend on no decision and are what they are without peers. ``component_cost`` (participant, component) says
what each component comes to; over the components of the tariff it adds up to grid_cost - feed_in_revenue and these
charges. Peaks are those of the participant's own meter (`topology.peaks`), whatever vehicles draw elsewhere, or one of
all customers (`topology.joint_peaks`); tiers count what is bought on the account (`topology.tiers`).

**Congestion charges** and **voltage charges** are there where a clearing keeps limits of its network, **loss charges**
where who causes losses pays for them, at marginal prices (`grid.network_charges`).

**Imbalance.** Who has traded more than its meter shows pays ``imbalance_fee`` for what is short, to the operator of the
exchange, and no peer gets it. Of each meter and slot, with c = bought less sold by contract [kWh]: a buyer (c > 0)
is short by max(c - drawn, 0), a seller by max(-c - given, 0). A counterpart whose own meter kept the contract
pays nothing. Clearings deliver what they trade.

**Beside the bill** stand ``final_energy_value`` and, where targets of stores have a price, ``breach_cost``, and where
demand may be shed, ``shed_cost`` (`unpaid`).

Carbon dioxide is what the retail power and the fuel of an account emit; energy given away earns no credit. That of
driving is its fuel's and, through the stores, that of the electricity driven (`origins`); beside it stands what the same
trips would emit on petrol alone.

Shares follow the origin of the energy (`origins`):

* self-consumption: 1 - own PV energy given to others / own PV energy. Charging a store counts as use.
* self-sufficiency: own PV energy that reaches consumption, directly or through a store / consumption. Driving
  on electricity is consumption; the losses of stores are not.

They are the rates of "Sizing of residential PV battery systems", Energy
Procedia 46 (2014), doi:10.1016/j.egypro.2014.01.160, (direct use + charge) / PV and (direct use + discharge)
/ demand, carried over to stores that also hold other energy or give to others. For the community's own
shares its members are no others.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from ...data.inputs import devices
from ...data.inputs.arrays import assembled
from ..grid.network_charges import RENTS, network_charges
from ..labels import Array, positions, sum_at
from ..topology.candidates import candidates
from ..topology.traders import Traders, parties, traders
from . import contracts, unpaid
from .account_lines import LINES, MONEY, SHARES, SIGNS, Line
from .make_whole import make_whole
from .origins import SOURCES, Origins, trace, variables

NOISE = 1e-6
"""Energy [kWh] that is none: what solver and rounding leave between positions and trades."""
NO_RENT = 1e-9
"""Rent [currency] that is none."""
_METERS = (("grid", "peer"), ("vehicle", "vehicle"))


def settle(
    inputs: xr.Dataset,
    results: xr.Dataset,
    trades: xr.Dataset,
    grid_only: xr.Dataset,
    *,
    prices: str = "marginal",
) -> xr.Dataset:
    """Return every participant's account of a cleared market.

    Parameters
    ----------
    inputs, results, trades : xr.Dataset
        The inputs, the cleared positions, and their bilateral trades.
    grid_only : xr.Dataset
        The results of the market without peers, for ``bill_grid_only``.
    prices : {"marginal", "ruled", "traded"}
        Whether everybody pays the price of its node, and nobody may be worse off than without peers (`make_whole`); or
        every trade of a plan has the price of a rule; or one to which both sides agreed, where nobody plans for all.

    Returns
    -------
    xr.Dataset
        Over participant: the lines of `account_lines` (``OPTIONAL`` ones where they apply), money and carbon dioxide
        over the horizon, shares NaN where there is nothing to share. Scalars: the shares of the whole community as
        ``community_...``, and ``peer_energy`` (kWh). The origins of energy as :func:`origins.variables` has them, and
        ``component_cost`` where tariffs have components.
    """
    units = {"currency": inputs.attrs["currency"]}

    def described(line: Line, of: str = "") -> dict[str, str]:
        return {"long_name": line.text + of, "units": units.get(line.unit, line.unit)}

    who, dims = traders(inputs), ("participant",)
    account = lines(inputs, results, trades)
    account["bill_grid_only"] = lines(inputs, grid_only, trades.isel(trade=slice(0)))["bill"]
    if prices == "marginal":
        account |= (charged := network_charges(inputs, results, grid_only))
        account["bill"] = account["bill"] + _sum(charged.values()) if charged else account["bill"]
    account["saving"] = account["bill_grid_only"] - account["bill"]
    account |= unpaid.unpaid(inputs, results, grid_only, planned=prices != "traded")
    if prices == "marginal":
        account |= made_whole(account)
    volume = {"long_name": "energy traded among peers", "units": "kWh"}
    origins = trace(inputs, results, trades)
    account |= _carbon(inputs, results, who, origins) | _shares(origins)
    community = _community(origins)
    return assembled(
        inputs,
        {
            **{
                name: (dims, account[name], described(line))
                for name, line in {**MONEY, **LINES}.items()
                if name in account
            },
            **contracts.components(inputs, results, who),
            **{
                f"community_{name}": ((), community[name], described(line, ", in the community"))
                for name, line in SHARES.items()
            },
            "peer_energy": ((), float(trades["trade_energy"].values.sum()), volume),
            **variables(inputs, origins),
        },
        inputs.attrs,
    ).assign_coords(source=("source", np.array(SOURCES)))


def made_whole(lines: Mapping[str, Array]) -> dict[str, Array]:
    """Return ``make_whole``, and with it ``bill`` and ``saving`` (participant,), of all accounts of a community.

    ``lines`` are those that enter the bill or count beside it, ``congestion_rent`` and ``bill_grid_only``; regions have
    them one by one.
    """
    alone = lines["bill_grid_only"]
    beside = _sum(sign * lines[name] for name, sign in unpaid.SIGNS.items() if name in lines)
    amounts = {n: lines[n] for n in SIGNS if n != "make_whole" and n in lines}
    bill, turnover = _sum(SIGNS[n] * a for n, a in amounts.items()), _sum(map(abs, amounts.values()))
    rents = {"congestion_rent": 1, "line_income": -1} | dict.fromkeys(RENTS, 1)
    rent = sum(sign * float(lines[n].sum()) for n, sign in rents.items() if n in lines)
    paid = make_whole(bill, alone - beside, turnover, rent)
    return {"make_whole": paid, "bill": bill + paid, "saving": alone - (bill + paid)}


def lines(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset) -> dict[str, Array]:
    """Return the lines of every account (participant,) [currency], at the prices alone: nobody is made whole."""
    who = traders(inputs)
    size, hours = inputs.sizes["participant"], inputs["slot_hours"].values
    tariff = positions(inputs, "participant_tariff", "tariff")[who.account]
    bought = who.stack(results["grid_import"], results["vehicle_import"]) * hours
    sold = who.stack(results["grid_export"], results["vehicle_export"]) * hours
    seller, buyer, slot = parties(inputs, trades)
    energy = trades["trade_energy"].values
    revenue, fee, rent = (energy * trades[f"trade_{k}"].values for k in ("price", "fee", "congestion"))
    driver = positions(inputs, "trip_vehicle", "vehicle")
    fuel = results["trip_fuel"].values * inputs["fuel_price"].values[driver]
    owner = {d: positions(inputs, f"{d}_owner", "participant") for d in devices.stores()}
    discharged = {d: results[f"{d}_discharge"].values @ hours for d in owner}
    wear = [sum_at(owner[d], inputs[f"{d}_wear_cost"].values * discharged[d], size) for d in owner]
    short = _short(inputs, results, trades, who)
    places = {
        "grid_cost": (who.account, (bought * inputs["retail_price"].values[tariff]).sum(axis=1)),
        "feed_in_revenue": (who.account, (sold * inputs["feed_in_price"].values[tariff]).sum(axis=1)),
        "peer_cost": (who.account[buyer], revenue + fee + rent),
        "peer_revenue": (who.account[seller], revenue),
        "network_fee": (who.account[buyer], fee),
        "congestion_rent": (who.account[buyer], rent),
        "imbalance_energy": (who.account, short.sum(axis=1)),
        "imbalance_cost": (who.account, short @ inputs["imbalance_fee"].values),
        "fuel_cost": (owner["vehicle"][driver], fuel),
    }
    account = {name: sum_at(place, money, size) for name, (place, money) in places.items()}
    account |= {"wear_cost": _sum(wear), "make_whole": np.zeros(size)}
    account |= contracts.charges(inputs, results, who) | _investment(inputs)
    account |= _line_income(inputs, results, sum_at(slot, rent, len(hours)))
    account["bill"] = _sum(sign * account[name] for name, sign in SIGNS.items() if name in account)
    return account


def _investment(inputs: xr.Dataset) -> dict[str, Array]:
    """Return what is paid for what was built (participant,) [currency]; nothing where nothing is planned."""
    own = candidates(inputs)
    if own is None:
        return {}
    return {"investment_cost": sum_at(own.owner, own.paid(), inputs.sizes["participant"])}


def _line_income(inputs: xr.Dataset, results: xr.Dataset, rent: Array) -> dict[str, Array]:
    """Return what owners of lines get (participant,) [currency] of the rent of slots (time,); see the module."""
    own = candidates(inputs)
    if own is None or not (lines := own.raises["node_limit"] >= 0).any():
        return {}
    income = np.zeros(inputs.sizes["participant"])
    if "price" in results and rent.any():
        price, parent = results["price"].values, positions(inputs, "node_parent", "node")
        beyond = np.abs(price[parent] - price) - inputs["node_fee"].values[:, None]
        scarcity = np.where(parent[:, None] >= 0, np.maximum(beyond, 0.0), 0.0) * inputs["slot_hours"].values
        earned = (scarcity * np.abs(results["node_flow"].values)).sum(axis=0)
        part = np.divide(rent, earned, out=np.zeros_like(rent), where=earned > NO_RENT)
        per_kw = scarcity[own.raises["node_limit"][lines]] @ np.maximum(part, 0.0)
        income = sum_at(own.owner[lines], np.nan_to_num(own.size[lines]) * per_kw, len(income))
    return {"line_income": income}


def _sum(amounts: Iterable[Array]) -> Array:
    """Return the sums (participant,) of amounts of every account."""
    return np.asarray(sum(amounts))


def _short(inputs: xr.Dataset, results: xr.Dataset, trades: xr.Dataset, who: Traders) -> Array:
    """Return by how much each meter's contracts exceed what it shows (P + V, T) [kWh]; see the module."""
    seller, buyer, slot = parties(inputs, trades)
    contract = np.zeros(who.node.shape)
    np.add.at(contract, (buyer, slot), trades["trade_contracted"].values)
    np.subtract.at(contract, (seller, slot), trades["trade_contracted"].values)
    drawn, given = (
        who.stack(*(results[f"{meter}_{grid}"] for meter, _ in _METERS))
        + who.stack(*(results[f"{peer}_{trade}"] for _, peer in _METERS))
        for grid, trade in (("import", "purchase"), ("export", "sale"))
    )
    metered = np.where(contract > 0, drawn, given) * inputs["slot_hours"].values
    short = np.abs(contract) - metered
    return np.where(short > NOISE, short, 0.0)


def _carbon(inputs: xr.Dataset, results: xr.Dataset, who: Traders, origins: Origins) -> dict[str, Array]:
    """Return the carbon dioxide (participant,) [kg] of everything, of driving, and of driving on petrol alone."""
    size, driver = inputs.sizes["participant"], positions(inputs, "trip_vehicle", "vehicle")
    per_litre, account = inputs["fuel_carbon"].values[driver], who.account[size:][driver]
    litres = inputs["trip_distance"].values / inputs["vehicle_fuel_economy"].values[driver]
    power, fuel = carbon(inputs, results)
    return {
        "co2": power + fuel,
        "driving_co2": origins.carbon + fuel,
        "driving_co2_petrol": sum_at(account, litres * per_litre, size),
    }


def carbon(inputs: xr.Dataset, results: xr.Dataset) -> tuple[Array, Array]:
    """Return the carbon dioxide (participant,) [kg] of retail power, also of vehicles elsewhere, and of fuel."""
    who, size = traders(inputs), inputs.sizes["participant"]
    bought = who.stack(results["grid_import"], results["vehicle_import"])
    power = bought @ (inputs["slot_hours"].values * inputs["grid_carbon"].values)
    driver = positions(inputs, "trip_vehicle", "vehicle")
    fuel = results["trip_fuel"].values * inputs["fuel_carbon"].values[driver]
    return sum_at(who.account, power, size), sum_at(who.account[size:][driver], fuel, size)


def _shares(origins: Origins) -> dict[str, Array]:
    """Return the shares (participant,) of every account."""
    demand, driven, distance = (a.sum(axis=2) for a in _by_source(origins))
    return {
        "self_consumption": _share(origins.pv - origins.given, origins.pv),
        "self_sufficiency": _share(demand[:, 0] + driven[:, 0], (demand + driven).sum(axis=1)),
        "renewable_share": _share(demand[:, :2].sum(axis=1), demand.sum(axis=1)),
        "renewable_driving_share": _share(distance[:, :2].sum(axis=1), origins.trips),
        "renewable_charge_share": _share(driven[:, :2].sum(axis=1), driven.sum(axis=1)),
    }


def _community(origins: Origins) -> dict[str, Array]:
    """Return the shares () of the community: what its members get from one another is its own."""
    demand, driven, distance = (a.sum(axis=(0, 2)) for a in _by_source(origins))
    return community_shares(
        {
            "pv": origins.pv.sum(),
            "exported": origins.exported.sum(),
            "demand": demand,
            "driving": driven,
            "distance": distance,
            "trips": origins.trips.sum(),
        }
    )


def community_sums(inputs: xr.Dataset, results: xr.Dataset, settlement: xr.Dataset) -> dict[str, Array]:
    """Return the sums behind the shares of a community, which add up over communities that do not trade.

    ``pv`` and ``exported`` [kWh] and ``trips`` [km] (); ``demand``, ``driving`` [kWh] and ``distance`` [km] (source,).
    """
    generated = (inputs["pv_available"] - results["pv_curtailment"]).transpose("participant", "time")
    over = ("participant", "time")
    return {
        "pv": (generated.values @ inputs["slot_hours"].values).sum(),
        "exported": settlement["pv_exported"].values.sum(),
        **{name: settlement[f"{name}_from"].sum(over).values for name in ("demand", "driving", "distance")},
        "trips": inputs["trip_distance"].values.sum(),
    }


def community_shares(sums: dict[str, Array]) -> dict[str, Array]:
    """Return the shares () of a community from its sums, see :func:`community_sums`."""
    demand, driven = sums["demand"], sums["driving"]
    return {
        "self_consumption": _share(sums["pv"] - sums["exported"], sums["pv"]),
        "self_sufficiency": _share((demand + driven)[:2].sum(), (demand + driven).sum()),
        "renewable_share": _share(demand[:2].sum(), demand.sum()),
        "renewable_driving_share": _share(sums["distance"][:2].sum(), sums["trips"]),
        "renewable_charge_share": _share(driven[:2].sum(), driven.sum()),
    }


def _by_source(origins: Origins) -> tuple[Array, Array, Array]:
    """Return demand, electricity driven [kWh] and the distance that it reached [km] (participant, source, time)."""
    return origins.demand_from, origins.driving_from, origins.distance_from


def _share(part: Array, whole: Array) -> Array:
    """Return part / whole within [0, 1], NaN where the whole is nothing (less than 1e-9)."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    share: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 1e-9)
    return share.clip(0.0, 1.0)
