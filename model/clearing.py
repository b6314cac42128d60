"""The community as one Pyomo Block: a table of contents of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr

from ..data.inputs.contract import require
from .devices.battery import battery
from .devices.device import Device, Sets
from .devices.household import household
from .devices.peer_market import network
from .devices.quoted_market import quoted
from .devices.retailer import grid
from .devices.vehicle import vehicle
from .lp.expressions import Linear, Relation
from .topology.meters import Meters
from .topology.meters import meters as meters_of

MARKETS = ("p2p", "grid-only", "quoted")
DEVICES: dict[str, Callable[[xr.Dataset, Meters, Sets], Device]] = {
    "household": household,
    "battery": battery,
    "vehicle": vehicle,
}
"""What stands behind the meters: the function that builds each device."""


class Community(Device):
    """A cleared neighbourhood: its devices, its peers' market and its retailer.

    ``cost`` is the community's cost over the horizon (currency) and ``net_exchange[t]`` its net exchange
    with the grid (kW, + taken from the grid), both Pyomo expressions that a larger model may use.
    """


def community_block(
    inputs: xr.Dataset,
    market: str = "p2p",
    *,
    own_tariff: bool = True,
    minimum_charge: bool = True,
    quotes: xr.Dataset | None = None,
    pool: bool = True,
) -> Community:
    """Build the model of a community's market as a Pyomo Block.

    Parameters
    ----------
    inputs : xr.Dataset
        Completed inputs that obey the variable table (`data.inputs`).
    market : {"p2p", "grid-only", "quoted"}
        Co-optimized trade among peers, each participant's own optimum without peers, or its own optimum where
        peers take and give any power at quoted prices.
    own_tariff : bool
        Whether ``cost`` includes the retailer; False leaves energy from the grid to the host model, which
        prices ``net_exchange``.
    minimum_charge : bool
        Whether vehicles obey ``vehicle_min_charge`` (binaries) or may charge with less.
    quotes : xr.Dataset, optional
        ``price`` and ``sale_price`` (node, time) [currency/kWh] of the quoted market, access fees not in them.
    pool : bool
        Whether participants without a choice share a meter per node and tariff, which makes the model smaller; False
        makes each a meter by its own name, which a host model can address. The optimum is the same.

    Raises
    ------
    InputError
        With every problem of the inputs.
    """
    require(inputs)
    if market not in MARKETS:
        raise ValueError(f"market: got {market!r}, want one of {', '.join(MARKETS)}")
    if (market == "quoted") != (quotes is not None):
        raise ValueError(f"quotes: want them for the quoted market and for no other, got market {market!r}")
    peers = market != "grid-only"
    meters = meters_of(inputs, peers=peers, priced=own_tariff, quotes=quotes, pool=pool)
    sets = Sets(inputs, meters)
    community = Community(("meter", "time"), inputs, meters, sets)
    community.inputs, community.meters, community.market = inputs, meters, market
    community.own_tariff, community.minimum_charge = own_tariff, minimum_charge
    community.add_component("sets", sets)

    given = inputs if minimum_charge else relaxed(inputs)
    devices = {name: build(given, meters, sets) for name, build in DEVICES.items()}
    markets = {"grid": grid(inputs, meters, sets, own_tariff=own_tariff)}
    if quotes is not None:
        markets["network"] = quoted(inputs, meters, sets, quotes)
    elif peers:
        markets["network"] = network(inputs, meters, sets)
    for name, device in {**devices, **markets}.items():
        community.add_component(name, device)
    _rows(community, list(devices.values()), list(markets.values()))
    return community


def relaxed(inputs: xr.Dataset) -> xr.Dataset:
    """Return the inputs without minimum charge powers."""
    least = inputs["vehicle_min_charge"]
    return inputs.assign(vehicle_min_charge=least.copy(data=np.zeros(least.shape)))


def _rows(community: Community, devices: list[Device], markets: list[Device]) -> None:
    """Join the sockets: the balance of every meter, its direction and its connection."""
    meters = community.meters
    taken, given = _sum(m.taken for m in markets), _sum(m.given for m in markets)
    community.spent = _sum(d.spent for d in (*devices, *markets))
    community.row(
        "balance",
        _sum(d.draw for d in (*devices, *markets)) == 0.0,
        "sum over blocks of draw[m,t] = 0",
        where=meters.draw_capacity + meters.give_capacity > 0,
        balanced=True,
    )
    _one_direction(community, taken, given, devices)
    import_limit, export_limit = meters.import_limit[:, None], meters.export_limit[:, None]
    community.row(
        "import_limit",
        taken <= import_limit,
        "imports[m,t] + purchase[m,t] <= import_limit[m]",
        where=meters.draw_capacity > import_limit,
        lack="kW of connection for what it must draw",
    )
    community.row(
        "export_limit",
        given <= export_limit,
        "exports[m,t] + sale[m,t] <= export_limit[m]",
        where=meters.give_capacity > export_limit,
    )
    grid_exchange = (markets[0].taken - markets[0].given).over_entities()
    community.expression(
        "net_exchange", grid_exchange, "kW taken from the grid less kW given", dims=("time",)
    )


def _one_direction(community: Community, taken: Linear, given: Linear, devices: list[Device]) -> None:
    """Let every meter draw or give in a slot, not both; where prices cross, a binary decides which.

    Two rows say so. The others follow from these and the balance, as long as the binaries are 0 or 1, and make the
    relaxation tight, that of a meter with one store as tight as it can be: what is given is discharged beyond the demand
    or left of the PV, what is drawn charges or is left of the demand, who gives in spite of a deficit discharges, and
    who draws in spite of a surplus charges.
    """
    meters, where = community.meters, community.meters.directed
    give_limit = np.minimum(meters.give_capacity, meters.export_limit[:, None])
    draw_limit = np.minimum(meters.draw_capacity, meters.import_limit[:, None])
    giving = community.one_way(
        "giving",
        "1 while the meter gives, else 0",
        {"give": given, "draw": taken},
        (give_limit, draw_limit),
        where,
        formulas=(
            "exports[m,t] + sale[m,t] <= give_limit[m,t] * giving[m,t]",
            "imports[m,t] + purchase[m,t] <= draw_limit[m,t] * (1 - giving[m,t])",
        ),
        in_use=~meters.short,
    )
    if giving is None:
        return
    surplus = meters.pv - meters.demand
    charged, discharged = _sum(d.charged for d in devices), _sum(d.discharged for d in devices)
    charging, alone = _sum(d.charging_of for d in devices), meters.alone & (meters.chargers > 0)
    community.row(
        "give_own",
        given <= discharged + surplus * giving,
        "exports[m,t] + sale[m,t] <= discharge[m,t] + (pv[m,t] - demand[m,t]) * giving[m,t]",
        where=where,
    )
    community.row(
        "draw_own",
        charged <= taken + surplus * charging,
        "charge[m,t] <= imports[m,t] + purchase[m,t] + (pv[m,t] - demand[m,t]) * charging[m,t]",
        where=alone,
    )
    either = Relation(
        giving + charging, np.where(surplus > 0, 1.0, -np.inf), np.where(surplus > 0, np.inf, 1.0)
    )
    community.row(
        "give_or_charge",
        either,
        "giving[m,t] + charging[m,t] <= 1 with a deficit, >= 1 with a surplus",
        where=alone & ((surplus <= 0) | (meters.curtailable <= 0)),
    )


def _sum(parts: Iterable[Linear]) -> Linear:
    first, *rest = parts
    return sum(rest, first)
