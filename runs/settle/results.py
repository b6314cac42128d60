"""A settled month as a run: its groups inputs, results, trades, settlement and allocation."""

from typing import Any

import numpy as np
import xarray as xr

from ...data.assembly.sharing_community import Community
from ...data.inputs.contract import kinds
from ...data.inputs.currency import scale
from ...data.inputs.devices import present
from ...data.problems import InputError, Problem
from ...data.schema.settlement import POOL, Settlement
from ...model.checks.sharing import require_shared
from ...model.labels import Array, positions
from ...model.sharing import accounts
from ...model.sharing.accounts import DailyAccounts, SharedEnergy
from .. import markets
from ..store import digest, run_format
from . import account_lines
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
    lines = account_lines.lines(
        inputs, shared, daily, active, short, settlement.sharing.imbalance_fee_per_kwh, counted.money
    )
    own_shares = settlement.sharing.rule == "own-share"
    of_points = accounts.of_points(energy, community.injects, community.shares, active, shared, own_shares)
    allocation = _allocation(community, shared, daily, price / counted.price, starts, day)
    allocation = allocation.merge(_points(settlement, energy, of_points))
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


def _kilowatts(inputs: xr.Dataset, energy: Array, name: str) -> Any:
    return (_PER_SLOT, account_lines.power(inputs, energy), inputs[name].attrs)


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
        name: (_PER_SLOT, account_lines.power(inputs, energy), {"long_name": text, "units": "kW"})
        for name, (energy, text) in rows.items()
    }
    none = np.zeros((0, inputs.sizes["time"]))
    for name in ("vehicle_import", "vehicle_export", "vehicle_purchase", "vehicle_sale"):
        variables[name] = (("vehicle", "time"), none, {"units": "kW"})
    for device, row in present(inputs).items():
        for name, unit in ((row.draw, "kW"), (row.give, "kW"), (row.energy, "kWh")):
            variables |= {name: ((device, "time"), none, {"units": unit})} if name else {}
    for name, unit in (("trip_fuel", "L"), ("trip_electric_distance", "km")):
        variables[name] = (("trip",), np.zeros(0), {"units": unit})
    nothing = np.zeros((inputs.sizes["participant"], inputs.sizes["time"]), dtype=np.int8)
    variables["pv_curtailment"] = (_PER_SLOT, nothing, {"long_name": "PV that was not used", "units": "kW"})
    return xr.Dataset(
        variables, coords={name: inputs[name] for name in ("participant", "time", "trip", *present(inputs))}
    )


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
    community: Community, shared: SharedEnergy, daily: DailyAccounts, price: Array, starts: Array, day: Array
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
    first = np.searchsorted(day, np.arange(len(starts)))
    text = {"long_name": "whether it is a member on that day", "units": "1"}
    variables["day_member"] = (("member", "day"), community.active[:, first].astype(np.int8), text)
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


def _points(settlement: Settlement, energy: Array, shared: Array) -> xr.Dataset:
    """Return the energies of metering points (point, time) [Wh]: what was metered, and what of it is shared."""
    rows = settlement.tables.points
    named = {
        "point_member": ([row.member or "" for row in rows], "whose it is, empty of a plant in common"),
        "point_direction": ([row.direction for row in rows], "withdrawal or injection"),
    }
    metered = {
        "point_metered": (energy, "metered"),
        "point_shared": (shared, "metered and shared; the rest is a retailer's"),
    }
    return xr.Dataset(
        {
            **{
                name: (("point",), np.array(values), {"long_name": text})
                for name, (values, text) in named.items()
            },
            **{
                name: (("point", "time"), values, {"long_name": text, "units": "Wh"})
                for name, (values, text) in metered.items()
            },
        },
        coords={"point": np.array([row.point for row in rows])},
    )
