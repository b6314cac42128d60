"""A settled month as a run: its groups inputs, results, trades, settlement and allocation."""

from typing import Any

import numpy as np
import xarray as xr

from ...data.assembly.sharing_community import Community
from ...data.inputs.contract import kinds
from ...data.inputs.currency import scale
from ...data.inputs.devices import DEVICES
from ...data.problems import InputError, Problem
from ...data.schema.settlement import POOL, Settlement
from ...model.checks.sharing import require_shared
from ...model.labels import Array, positions
from ...model.settlement.account_lines import LINES, MONEY, OPTIONAL, SHARES, SIGNS
from ...model.sharing import accounts, retail
from ...model.sharing.accounts import DailyAccounts, SharedEnergy
from ...model.topology import tiers
from .. import markets
from ..store import digest, run_format
from .contracted import Contracts
from .prices import shared_price

_MOST_PAIRS = 2**27
"""Pairs of producers and members, times the slots of a day, that are followed: 1 GiB of whole numbers."""
_PER_SLOT = ("participant", "time")
_WH = {
    "withdrawn": "drawn at the metering points of a member, as far as it is one",
    "injected": "given at the metering points of a member, with its part of plants in common",
    "shared": "allocated to the member of what the community injected",
    "sold": "allocated to others of what the member injected",
}


def settled(settlement: Settlement, community: Community, contracts: Contracts | None = None) -> xr.DataTree:
    """Return the run of a month: what is shared by the rule, the accounts, and their checks.

    By ``contracts`` is shared what was traded, as far as meters show it, in the order of trading. Who has traded more
    than its meters show pays the imbalance fee for what is short; what meters show beyond the contracts, and what a
    counterpart did not deliver or take, is settled with the retailers.

    Raises
    ------
    InputError
        As :func:`otonari.allocate`, and where a tariff has a peak of all its customers.
    otonari.model.checks.run.CheckError
        If the settled run contradicts itself.
    """
    inputs = community.inputs
    markets.require_no_joint_peaks(inputs, "a settlement: meters say nothing of who could have drawn less")
    counted = scale(str(inputs.attrs["currency"]))
    starts, day = days(inputs)
    energy = community.readings.energy
    active = community.active
    withdrawn, injected = accounts.of_members(energy, community.injects, community.shares, active)
    given: dict[str, Any] = {
        "keys": community.keys,
        "order": community.order,
        "participation": community.participation,
    }
    given = {name: values for name, values in given.items() if values is not None}
    given |= {} if community.key is None else {"coefficients": community.key}
    given |= {} if contracts is None else {"contracts": contracts.trades}
    pooled = settlement.sharing.suppliers == "pool"
    if not pooled:
        _require_few(withdrawn, injected, day)
    shared = accounts.share(withdrawn, injected, settlement.sharing.rule, day, pooled=pooled, **given)
    paid = shared_price(settlement, community, contracts, withdrawn, injected)
    price, fee = (digest.integers(values, counted.price) for values in (paid, _shared_fee(inputs)))
    tariff = positions(inputs, "participant_tariff", "tariff")
    daily = accounts.daily(shared, price, fee, tariff, day)
    results = _results(inputs, shared)
    short = np.zeros(len(withdrawn)) if contracts is None else contracts.short(withdrawn, injected)
    lines = _lines(
        inputs, shared, daily, active, short, settlement.sharing.imbalance_fee_per_kwh, counted.money
    )
    allocation = _allocation(community, shared, daily, price / counted.price, starts)
    filled = inputs.assign(
        demand=_kilowatts(inputs, shared.withdrawn, "demand"),
        pv_available=_kilowatts(inputs, shared.injected, "pv_available"),
    )
    filled["participant_kind"] = filled["participant_kind"].copy(data=kinds(filled))
    require_shared(filled, allocation, results, lines)
    trades = _trades(inputs, shared, daily, starts, counted.money)
    return run_format.as_tree(filled, results, trades, lines, allocation=allocation)


def _require_few(withdrawn: Array, injected: Array, day: Array) -> None:
    """Raise :class:`InputError` where those who supply and those who are supplied are too many to follow each pair."""
    producers, members, slots = int(injected.any(axis=1).sum()), len(withdrawn), int(np.bincount(day).max())
    if producers * members * slots > _MOST_PAIRS:
        got = f"each, of {producers:,} producers and {members:,} members"
        raise InputError([Problem("sharing", "", "suppliers", got, "pool")])


def days(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return the first slot of every local day, naive UTC (day,), and the day of each slot (time,)."""
    import pandas as pd

    from ...data import clock

    times = pd.DatetimeIndex(inputs["time"].values)
    local = clock.local(times, str(inputs.attrs["time_zone"])).tz_localize(None).normalize().to_numpy()
    first = np.flatnonzero(np.append(True, local[1:] != local[:-1]))
    return times.to_numpy()[first], np.searchsorted(first, np.arange(len(times)), side="right") - 1


def _shared_fee(inputs: xr.Dataset) -> Array:
    """Return the fees on shared energy (tariff, time) [currency/kWh]."""
    if "shared_fee" in inputs:
        return np.asarray(inputs["shared_fee"].values)
    return np.zeros((inputs.sizes["tariff"], inputs.sizes["time"]))


def _power(inputs: xr.Dataset, energy: Array) -> Array:
    """Return energies (..., time) [Wh] as mean powers [kW]."""
    return np.asarray(energy / (1000.0 * inputs["slot_hours"].values))


def _kilowatts(inputs: xr.Dataset, energy: Array, name: str) -> Any:
    return (_PER_SLOT, _power(inputs, energy), inputs[name].attrs)


def _results(inputs: xr.Dataset, shared: SharedEnergy) -> xr.Dataset:
    """Return the results (participant, time) [kW]: what meters show, from and to retailers and within the community."""
    rows = {
        "draw": (shared.withdrawn, "drawn at the meter, from the retailer and from peers"),
        "supply": (shared.injected, "given at the meter, to the retailer and to peers"),
        "grid_import": (shared.grid_in, "power from the retailer"),
        "grid_export": (shared.grid_out, "power to the retailer"),
        "peer_purchase": (shared.shared, "shared energy that it was allocated"),
        "peer_sale": (shared.sold, "shared energy that others were allocated of its own"),
    }
    variables: dict[str, Any] = {
        name: (_PER_SLOT, _power(inputs, energy), {"long_name": text, "units": "kW"})
        for name, (energy, text) in rows.items()
    }
    none = np.zeros((0, inputs.sizes["time"]))
    for name in ("vehicle_import", "vehicle_export", "vehicle_purchase", "vehicle_sale"):
        variables[name] = (("vehicle", "time"), none, {"units": "kW"})
    for device, row in DEVICES.items():
        for name, unit in ((row.draw, "kW"), (row.give, "kW"), (row.energy, "kWh")):
            variables |= {name: ((device, "time"), none, {"units": unit})} if name else {}
    for name, unit in (("trip_fuel", "L"), ("trip_electric_distance", "km")):
        variables[name] = (("trip",), np.zeros(0), {"units": unit})
    nothing = np.zeros((inputs.sizes["participant"], inputs.sizes["time"]), dtype=np.int8)
    variables["pv_curtailment"] = (_PER_SLOT, nothing, {"long_name": "PV that was not used", "units": "kW"})
    return xr.Dataset(
        variables, coords={name: inputs[name] for name in ("participant", "time", "trip", *DEVICES)}
    )


def _lines(
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
    size, draw = inputs.sizes["participant"], _power(inputs, shared.withdrawn)
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


def _trades(
    inputs: xr.Dataset, shared: SharedEnergy, daily: DailyAccounts, starts: Array, money: int
) -> xr.Dataset:
    """Return who supplied whom, one trade a day: its price and fee are the means of what the buyer paid that day."""
    day, seller, buyer, energy = shared.supplied
    bought = daily.purchases[buyer, day] * float(money) / 1000.0
    price, fee = (values[buyer, day] / bought for values in (daily.paid, daily.fees))
    who, unit = (
        np.append(inputs["participant"].values, POOL),
        f"{inputs.attrs['currency']}/kWh",
    )  # POOL is the last, -1
    none = np.full(len(energy), "")
    columns: dict[str, tuple[Array, str, str]] = {
        "trade_time": (starts[day], "start of the day of delivery", ""),
        "trade_seller": (who[seller], "participant whose energy was shared", ""),
        "trade_buyer": (who[buyer], "participant to whom it was allocated", ""),
        "trade_seller_vehicle": (none, "vehicle that sells as a guest, or empty", ""),
        "trade_buyer_vehicle": (none, "vehicle that buys as a guest, or empty", ""),
        "trade_energy": (energy / 1000.0, "energy of the day", "kWh"),
        "trade_contracted": (energy / 1000.0, "energy of the day", "kWh"),
        "trade_price": (price, "mean of what the buyer paid that day", unit),
        "trade_fee": (fee, "mean of what it paid to the network", unit),
        "trade_congestion": (np.zeros(len(energy)), "what the buyer pays for scarce lines", unit),
    }
    return xr.Dataset(
        {
            name: (("trade",), values, {"long_name": text, **({"units": per} if per else {})})
            for name, (values, text, per) in columns.items()
        },
        attrs=inputs.attrs,
    )


def _allocation(
    community: Community, shared: SharedEnergy, daily: DailyAccounts, price: Array, starts: Array
) -> xr.Dataset:
    """Return the allocation: energies (member, time) [Wh], the price of shared energy, accounts by day."""
    inputs, dims = community.inputs, ("member", "time")
    currency, money = str(inputs.attrs["currency"]), scale(str(inputs.attrs["currency"]))
    variables: dict[str, Any] = {
        name: (dims, getattr(shared, name), {"long_name": text, "units": "Wh"}) for name, text in _WH.items()
    }
    variables["shared_price"] = (
        ("time",),
        price,
        {"long_name": "price of shared energy", "units": f"{currency}/kWh"},
    )
    in_money, unit = ("paid", "earned", "fees"), f"1e-{money.money_decimals} {currency}"
    for name, values in daily.named().items():
        text = {
            "long_name": f"{name} of a day, as the ledger counts them",
            "units": unit if name in in_money else "Wh",
        }
        variables[f"day_{name}"] = (("member", "day"), values, text)
    readings = community.readings
    for name, which in (("estimated", readings.estimated), ("left_out", readings.left_out)):
        counts = np.array([which[share > 0].sum(axis=0).sum() for share in community.shares.T])
        variables[name] = (
            ("member",),
            counts,
            {"long_name": f"readings {name.replace('_', ' ')}", "units": "1"},
        )
    coords = {"member": inputs["participant"].values, "time": inputs["time"].values, "day": starts}
    return xr.Dataset(variables, coords=coords)
