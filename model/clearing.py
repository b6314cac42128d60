"""The community as one Pyomo Block: a table of contents of the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import xarray as xr

from ..data.inputs.contract import optional
from ..data.inputs.devices import present, stores
from ..data.inputs.validation import require
from .devices.battery import battery
from .devices.charges.peak_charge import joint_peak_charge, peak_charge
from .devices.charges.tier_charge import tier_charge
from .devices.device import Device, Sets
from .devices.heat_pump import heat_pump
from .devices.household import household
from .devices.investment import Sizes, investment, widen
from .devices.loads.flexible_load import flexible_load
from .devices.peer_market import network
from .devices.quoted_market import quoted
from .devices.retailer import grid
from .devices.vehicle import vehicle
from .devices.wires import could_break, loss_cost, wires
from .grid.loss_factors import loss_prices
from .grid.network_limits import Rows, stated
from .labels import Array
from .lp.components import ArrayVar, Copy
from .lp.expressions import Linear
from .topology.joint_peaks import joint_peaks
from .topology.meters import Meters
from .topology.meters import meters as meters_of
from .topology.peaks import peaks as peaks_of
from .topology.tiers import tiers as tiers_of

MARKETS = ("p2p", "grid-only", "quoted")
DEVICES: dict[str, Callable[[xr.Dataset, Meters, Sets], Device]] = {
    "household": household,
    "battery": battery,
    "vehicle": vehicle,
    "heat_pump": heat_pump,
    "flexible_load": flexible_load,
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
    sizes: Sizes | None = None,
    rows: Rows | None = None,
    base: xr.Dataset | None = None,
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
        Whether vehicles obey ``vehicle_min_charge``, and loads ``flexible_load_min_power`` (binaries), or may draw less.
    quotes : xr.Dataset, optional
        ``price`` and ``sale_price`` (node, time) [currency/kWh] of the quoted market, access fees not in them.
    pool : bool
        Whether participants without a choice share a meter per node and tariff, which makes the model smaller; False
        makes each a meter by its own name, which a host model can address. The optimum is the same.
    sizes : Sizes, optional
        Sizes of candidates that another block decides, for several communities that are one in different times
        (`planning`); by default the block decides those of its candidates itself.
    rows : mapping, optional
        Limits of the network (`network_limits`) that are rows of the block, where the inputs state some: (node, phase,
        time) bool by family. By default all that whatever meters draw and give could break. With none of them the block
        is that of inputs that state no limits.
    base : xr.Dataset, optional
        Results without peers, where inputs have ``lost_energy_price``: what is drawn beyond them pays for the losses
        that it adds (`loss_factors`). Without them losses cost nothing.

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
    meters, rows = _meters_and_rows(
        inputs,
        rows,
        market != "quoted",
        base is not None,
        peers=peers,
        priced=own_tariff,
        quotes=quotes,
        pool=pool,
    )
    sets = Sets(inputs, meters)
    community = Community(("meter", "time"), inputs, meters, sets)
    community.inputs, community.meters, community.market = inputs, meters, market
    community.own_tariff, community.minimum_charge, community.weight = own_tariff, minimum_charge, 1.0
    community.add_component("sets", sets)

    given = inputs if minimum_charge else relaxed(inputs)
    there = {"household", *present(inputs)}
    devices = {name: build(given, meters, sets) for name, build in DEVICES.items() if name in there}
    if "candidate" in inputs.sizes:
        behind = devices["household"], devices["battery"], devices["vehicle"]
        devices["investment"] = investment(given, meters, sets, *behind, sizes)
    markets = {"grid": grid(inputs, meters, sets, own_tariff=own_tariff)}
    if quotes is not None:
        markets["network"] = quoted(inputs, meters, sets, quotes)
    elif peers:
        markets["network"] = network(inputs, meters, sets)
    if "investment" in devices and market == "p2p":
        widen(devices["investment"], inputs, markets["network"])
    for name, device in {**devices, **markets}.items():
        community.add_component(name, device)
    _rows(community, devices, list(markets.values()))
    drawn = _sum(m.taken - m.given for m in markets.values())
    if rows:
        community.add_component("wires", wires(inputs, meters, sets, drawn, rows))
    community.loss_price = None if base is None else loss_prices(inputs, base)
    if base is not None:
        lost = loss_cost(inputs, meters, drawn, community.loss_price, base)
        community.spent = community.spent + lost
    return community


def _meters_and_rows(
    inputs: xr.Dataset, rows: Rows | None, kept: bool, lossy: bool, **options: Any
) -> tuple[Meters, Rows | None]:
    """Return the meters, and the limits of the network that they keep, None for none.

    Where power over the network is scarce, or pays for losses, everybody is a meter of its own, at its own phase, and
    PV is a choice.
    """
    asked = kept and stated(inputs) and (rows is None or any(mask.any() for mask in rows.values()))
    apart = {**options, "pool": False, "scarce": True}
    if asked:
        meters = meters_of(inputs, **apart)
        rows = could_break(inputs, meters) if rows is None else rows
        if any(mask.any() for mask in rows.values()):
            return meters, rows
    return meters_of(inputs, **(apart if lossy else options)), None


LEAST_POWERS = ("vehicle_min_charge", "flexible_load_min_power")


def relaxed(inputs: xr.Dataset, names: Collection[str] = LEAST_POWERS) -> xr.Dataset:
    """Return the inputs without minimum powers, by default of vehicles and loads."""
    there = [n for n in names if n in inputs]
    return inputs.assign({n: inputs[n].copy(data=np.zeros(inputs[n].shape)) for n in there})


def decide_as(community: Community, results: xr.Dataset) -> None:
    """Fix the binaries of a community as the results of another clearing of it have them; who rests does not give.

    What these results do is possible then, without peers too.
    """
    meters = community.meters
    net = np.zeros(meters.demand.shape)
    np.add.at(net, meters.gives_at, results["supply"].values)
    np.add.at(net, meters.draws_at, -results["draw"].values)
    away = {"export": 1.0, "sale": 1.0, "import": -1.0, "purchase": -1.0}
    guests = np.flatnonzero(meters.guest >= 0)
    for way, sign in away.items():
        np.add.at(net, meters.guest[guests], sign * results[f"vehicle_{way}"].values[guests])
    _fix(community.component("giving"), net > 0)
    for device in stores():
        charging = results[f"{device}_charge"].values > results[f"{device}_discharge"].values
        _fix(community.component(device).component("charging"), charging)
    if (loads := community.component("flexible_load")) is not None:
        drawn = results["flexible_load_power"].values - optional(community.inputs, "flexible_load_demand")
        _fix(loads.component("running"), drawn > 0)
        if loads.component("start") is not None:
            _fix(loads.component("start"), results["flexible_load_start"].values > 0.5)


def dismantle(community: Community) -> None:
    """Free the memory of a community of which nothing more is asked.

    A scalar component of Pyomo holds itself: all arrays would wait for the garbage collector, those of the market
    without peers until after the market with them.
    """
    for block in [*community.block_data_objects()]:
        for component in (block, *block.component_map().values()):
            vars(component).get("_data", {}).clear()


def _fix(binaries: ArrayVar | None, on: Array) -> None:
    """Fix a family of binaries at 1 where ``on`` (over its sets), else at 0."""
    if binaries is not None:
        for entry, value in zip(binaries.values(), on.flat[binaries.position], strict=True):
            entry.fix(int(value))


def _rows(community: Community, devices: dict[str, Device], markets: list[Device]) -> None:
    """Join the sockets: the balance of every meter, its direction and its connection."""
    meters = community.meters
    taken, given = _sum(m.taken for m in markets), _sum(m.given for m in markets)
    community.spent = _sum(d.spent for d in (*devices.values(), *markets))
    _charge_peaks(community, taken, given)
    _charge_tiers(community, markets[0].taken)
    community.row(
        "balance",
        _sum(d.draw for d in (*devices.values(), *markets)) == 0.0,
        "sum over blocks of draw[m,t] = 0",
        where=meters.draw_capacity + meters.give_capacity > 0,
        balanced=True,
    )
    _one_direction(community, taken, given, devices)
    _behind_meters(community, devices, given)
    community.row(
        "import_limit",
        taken <= meters.import_limit,
        "imports[m,t] + purchase[m,t] <= import_limit[m,t]",
        where=meters.draw_capacity > meters.import_limit,
        lack="kW of connection for what it must draw",
    )
    community.row(
        "export_limit",
        given <= meters.export_limit,
        "exports[m,t] + sale[m,t] <= export_limit[m,t]",
        where=meters.give_capacity > meters.export_limit,
    )
    grid_exchange = (markets[0].taken - markets[0].given).over_entities()
    community.expression(
        "net_exchange", grid_exchange, "kW taken from the grid less kW given", dims=("time",)
    )


def _charge_peaks(community: Community, taken: Linear, given: Linear) -> None:
    """Add the blocks of peak charges of the community's own tariffs: of meters, and among peers of tariffs."""
    inputs, joint = community.inputs, None
    if not community.own_tariff:
        return
    if community.market == "p2p":
        joint = joint_peaks(inputs)
    own = peaks_of(inputs, joint=joint is not None)
    for name, charge, peaks in (
        ("peaks", peak_charge, own),
        ("joint_peaks", joint_peak_charge, joint),
    ):
        if peaks is not None:
            block = charge(inputs, community.meters, community.component("sets"), taken, given, peaks)
            community.add_component(name, block)
            community.spent = community.spent + block.spent


def _charge_tiers(community: Community, imports: Linear) -> None:
    """Add the block of energy in dearer tiers, where the community's own tariffs have any."""
    tiers = tiers_of(community.inputs) if community.own_tariff else {}
    if tiers:
        block = tier_charge(community.inputs, community.meters, community.component("sets"), imports, tiers)
        community.add_component("tiers", block)
        community.spent = community.spent + block.spent


def _behind_meters(community: Community, devices: dict[str, Device], given: Linear) -> None:
    """Add what PV and batteries behind a meter share: an inverter, and that some of them give to the home alone.

    A hybrid inverter converts the PV that is used and what batteries discharge to AC, and AC to what they charge beyond
    that PV: both ways at the most its limit.
    """
    meters, battery = community.meters, devices["battery"]
    used = meters.demand - devices["household"].draw
    if "investment" in devices:
        used = used - devices["investment"].draw
    limit = meters.inverter_limit[:, None]
    output = used - battery.draw
    formula = "pv[m,t] - curtailment[m,t] + sum over batteries of discharge[b,t] - charge[b,t]"
    community.row(
        "inverter_output",
        output <= limit,
        f"{formula} <= inverter_limit[m]",
        where=meters.pv + meters.more + battery.discharge_limit > limit,
    )
    community.row(
        "inverter_input",
        output >= -limit,
        f"{formula} >= -inverter_limit[m]",
        where=battery.charge_limit > limit,
    )
    community.row(
        "give_outward",
        given <= used + _sum(d.discharged - d.inward for d in devices.values()),
        "exports[m,t] + sale[m,t] <= pv[m,t] - curtailment[m,t] + sum over stores that give anywhere of discharge[s,t]",
        where=touches(battery.inward) & (meters.give_capacity > 0),
    )


def touches(power: Linear) -> Array:
    """Return which entries of an array of expressions have a variable."""
    some = np.zeros(power.shape, dtype=bool)
    for term in power.terms:
        some.ravel()[term.row[term.coefficient != 0]] = True
    return some


def _one_direction(community: Community, taken: Linear, given: Linear, devices: dict[str, Device]) -> None:
    """Let every meter draw or give in a slot, not both; where prices cross, a binary decides which.

    What is given comes from stores and PV that give while the meter gives. The rows that say so follow from the balance
    as long as the binaries are 0 or 1; they make the relaxation as tight as it can be, slot by slot (the union of both
    directions; Balas, "Disjunctive programming", SIAM J. Alg. Disc. Meth. 6 (1985), doi:10.1137/0606047).
    """
    meters, where = community.meters, community.meters.directed
    give_limit = np.minimum(meters.give_capacity, meters.export_limit)
    draw_limit = np.minimum(meters.draw_capacity, meters.import_limit)
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
        implied=True,
    )
    if giving is None:
        return
    switch = giving.terms[0].variable
    own: Linear = (meters.pv + meters.more - meters.demand) * giving
    for name, device in devices.items():
        own = own + _while_giving(community, name, device, giving)
    community.row(
        "give_own",
        given <= own,
        "exports[m,t] + sale[m,t] <= (pv[m,t] - demand[m,t]) * giving[m,t]"
        " + sum over devices of discharge_while_giving[m,t] - charge_while_giving[m,t]",
        where=where,
        tightened=switch,
    )


def _while_giving(community: Community, name: str, device: Device, giving: Linear) -> Linear:
    """Return what the stores of a device give while their meter gives (meter, time) [kW], less what they take.

    discharge_while_giving <= discharge,  discharge_while_giving <= discharge_limit * giving,
    charge_while_giving >= charge - charge_limit * (1 - giving)
    """
    switch, all_of_it = giving.terms[0].variable, {"charge": device.charged, "discharge": device.discharged}
    where = {
        "charge": community.meters.directed & (device.charge_limit > 0),
        "discharge": community.meters.directed & (device.discharge_limit > 0),
    }
    part = {
        verb: community.var(
            f"{name}_{verb}_while_giving",
            "kW",
            f"{verb} while the meter gives",
            where=entries,
            result=None,
            copied=Copy(all_of_it[verb], switch),
        )
        for verb, entries in where.items()
        if entries.any()
    }
    if "charge" in part:
        community.row(
            f"{name}_charge_while_giving_at_least",
            part["charge"] >= device.charged - device.charge_limit * (1.0 - giving),
            "charge_while_giving[m,t] >= charge[m,t] - charge_limit[m,t] * (1 - giving[m,t])",
            where=where["charge"],
            tightened=switch,
        )
    if "discharge" in part:
        community.row(
            f"{name}_discharge_while_giving_at_most",
            part["discharge"] <= device.discharge_limit * giving,
            "discharge_while_giving[m,t] <= discharge_limit[m,t] * giving[m,t]",
            where=where["discharge"],
            tightened=switch,
        )
        community.row(
            f"{name}_discharge_while_giving_in_all",
            part["discharge"] <= device.discharged,
            "discharge_while_giving[m,t] <= discharge[m,t]",
            where=where["discharge"],
            tightened=switch,
        )
    nothing = Linear(giving.shape)
    return part.get("discharge", nothing) - part.get("charge", nothing)


def _sum(parts: Iterable[Linear]) -> Linear:
    first, *rest = parts
    return sum(rest, first)
