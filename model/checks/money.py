"""The trades and the money of a solved run, computed again from positions, nodal prices and fees.

Part of `checks`; findings as in `physics`.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import xarray as xr

from ...data.inputs.currency import scale
from ...data.inputs.devices import stores
from ..labels import Array
from ..settlement.account_lines import LATER, MONEY, SIGNS
from .contracts import components, standing, tier_charges
from .loads import decided_loads, shed_cost
from .peaks import peak_charges
from .physics import Finding, Run, arrays, edges, index

_TRADE = ("trade",)
_ACCOUNT = ("participant",)
_NOISE = 1e-6
"""Energy [kWh] that solver and rounding leave between positions and trades."""
_DROPPED = 1e-7
"""Energy [kWh] of a meter in a slot that is the solver's noise, and that no trade has."""
_LOSS = 1e-6
"""Share of what enters a bill by which somebody may be worse off at the prices alone, and is not made whole."""
_METER = ("participant", "time"), ("vehicle", "time")


class Trades:
    """The trades as arrays: positions of sellers, buyers, vehicles (-1 = none), nodes and slots (trade,).

    ``rounding`` is the most by which an exchange rounds each access, edge and pair fee [currency/kWh].
    """

    def __init__(self, run: Run, trades: xr.Dataset):
        t = arrays(trades)
        self.rounding = 0.5 / scale(str(trades.attrs["currency"])).price
        self.energy, self.price = t["trade_energy"], t["trade_price"]
        self.contracted = t["trade_contracted"]
        self.fee, self.congestion = t["trade_fee"], t["trade_congestion"]
        self.slot = index(run.labels["time"], t["trade_time"])
        self.account, self.vehicle, self.node, self.known = {}, {}, {}, self.slot >= 0
        for side in ("seller", "buyer"):
            label = t[f"trade_{side}_vehicle"]
            account = index(run.labels["participant"], t[f"trade_{side}"])
            vehicle = index(run.labels["vehicle"], label)
            guest = vehicle >= 0
            owner = run.owner["vehicle"][vehicle] if run.vehicles else vehicle
            node = run.host_node[vehicle, self.slot] if run.vehicles else vehicle
            self.known &= (
                (account >= 0) & (guest | (label == "")) & (~guest | ((owner == account) & (node >= 0)))
            )
            self.account[side], self.vehicle[side] = account, vehicle
            self.node[side] = np.where(guest, node, run.home[account])


def audit(
    run: Run,
    traded: Trades,
    settlement: xr.Dataset | None,
    linear: bool,
    decided: bool,
    marginal: bool = True,
) -> Iterator[Finding]:
    """Yield every check of trades, prices and accounts; ``marginal``: every trade has the prices of its nodes.

    ``linear``: no minimum charging power held; ``decided``: directions may have been decided by binaries.
    """
    yield Finding("trade parties", _TRADE, (~traded.known).astype(float))
    least = traded.energy if marginal else traded.contracted
    yield Finding("trade energy", _TRADE, np.where((least > 0) & (traded.energy >= 0), 0.0, np.inf))
    undelivered = traded.contracted - traded.energy
    yield Finding("contracted energy", _TRADE, abs(undelivered) if marginal else -undelivered)
    if traded.known.all():
        yield from _quantities(run, traded)
        yield from _paths(run, traded, marginal)
    if settlement is None:
        return
    for name in LATER:
        if name not in settlement:
            bill = settlement["bill"]
            settlement = settlement.assign({name: bill.copy(data=np.zeros(bill.shape))})
    peers, dropped = _peers(run) if marginal else (_paid(run, traded), {})
    if traded.known.all():
        peers |= _imbalance(run, traded)
    yield from _accounts(run, settlement, peers, dropped)
    yield from components(run, settlement)
    yield from _totals(run, traded, settlement, marginal)
    yield from _members(settlement, _by_binaries(run, linear, decided), marginal)
    if marginal and not any(f"{name}_final_value" in run.i for name in stores()):
        yield Finding("final_energy_value", _ACCOUNT, abs(settlement["final_energy_value"].values))


def recount(run: Run, alone: Run, settlement: xr.Dataset, marginal: bool = True) -> Iterator[Finding]:
    """Yield the checks of what rests on the results ``alone`` of a market without peers.

    That is ``bill_grid_only``, and what counts beside the bill: energy left in stores, lacking of targets, and shed.
    """
    own = _retail(alone)
    bill = _bill(own, [name for name in SIGNS if name in own])
    scale = sum((abs(money) for money in own.values()), np.zeros_like(bill))
    yield Finding("bill_grid_only", _ACCOUNT, abs(settlement["bill_grid_only"].values - bill), scale)
    tariff = index(run.labels["tariff"], run.i["participant_tariff"])
    mean = (run.i["retail_price"] @ run.hours / run.hours.sum())[tariff]
    value, breach, shed = np.zeros((3, run.participants))
    if "flexible_load_shed_price" in run.i:
        np.add.at(shed, run.owner["flexible_load"], shed_cost(run) - shed_cost(alone))
    for name in stores():
        more = run.r[f"{name}_energy"][:, -1] - alone.r[f"{name}_energy"][:, -1]
        usual = 0.0 if marginal else mean[run.owner[name]] / run.i[f"{name}_charge_efficiency"]
        said = run.i.get(f"{name}_final_value", np.full(len(more), np.nan))
        np.add.at(value, run.owner[name], more * np.where(np.isnan(said), usual, said))
        if f"{name}_target_price" in run.i and f"{name}_target" in run.i:
            lack = (run.r[f"{name}_breach"] - alone.r[f"{name}_breach"]).sum(axis=1)
            np.add.at(breach, run.owner[name], lack * np.nan_to_num(run.i[f"{name}_target_price"]))
    if "heat_pump" in run.owner and not marginal:
        heat = run.r["heat_pump_heat"][:, -1] - alone.r["heat_pump_heat"][:, -1]
        cop = (run.i["heat_pump_cop"] * run.hours).sum(axis=1) / run.hours.sum()
        np.add.at(value, run.owner["heat_pump"], heat * mean[run.owner["heat_pump"]] / cop)
    for line, want in (("final_energy_value", value), ("breach_cost", breach), ("shed_cost", shed)):
        if line in settlement or want.any():
            got = settlement[line].values if line in settlement else 0.0
            yield Finding(line, _ACCOUNT, abs(got - want), abs(want))


def _quantities(run: Run, traded: Trades) -> Iterator[Finding]:
    """Yield each meter's trades against its sales and purchases [kWh], slot by slot."""
    for side, name in (("seller", "sale"), ("buyer", "purchase")):
        guest = traded.vehicle[side] >= 0
        meters = (traded.account[side], ~guest), (traded.vehicle[side], guest)
        for (place, mine), dims, device in zip(meters, _METER, ("peer", "vehicle"), strict=True):
            position = run.r[f"{device}_{name}"] * run.hours
            total = np.zeros_like(position)
            np.add.at(total, (place[mine], traded.slot[mine]), traded.energy[mine])
            yield Finding(f"{device} {name} in trades", dims, abs(total - position), position)


def _paths(run: Run, traded: Trades, marginal: bool) -> Iterator[Finding]:
    """Yield fees and prices of every trade, and what the trades send over the edges or between the nodes."""
    start, end, slot = traded.node["seller"], traded.node["buyer"], traded.slot
    limit, flows = run.i["node_limit"][:, None], edges(run)
    scarce = np.maximum(*flows) >= limit * (1 - 1e-5) - 1e-5
    sent, tree_fee, crossed = np.zeros((2, *flows[0].shape)), np.zeros(len(slot)), np.zeros(len(slot), bool)
    rounded = np.full(len(slot), 0.0 if marginal else 2 * traded.rounding)
    for trade, edge, way in _path_edges(run, start, end):
        np.add.at(sent[way], (edge, slot[trade]), traded.energy[trade])
        np.add.at(tree_fee, trade, run.i["node_fee"][edge])
        rounded[trade] += 0.0 if marginal else traded.rounding
        crossed[trade] |= scarce[edge, slot[trade]]
    access = run.i["node_access_fee"]
    if "trade_fee" in run.i:
        fee = run.i["trade_fee"][start, end]
        moved = np.zeros((len(access), len(access), len(run.hours)))
        np.add.at(moved, (start, end, slot), traded.energy)
        transfer = run.r.get("node_transfer", np.zeros_like(moved)) * run.hours
        yield Finding("transfers in trades", ("node", "node_to", "time"), abs(moved - transfer), transfer)
    else:
        fee = tree_fee
        if not marginal:  # trades of a session may cross an edge both ways; it carries the difference
            sent -= sent.min(axis=0)
        for name, flow, energy in zip(("up", "down"), flows, sent, strict=True):
            yield Finding(f"flow {name} in trades", ("node", "time"), abs(energy - flow * run.hours), energy)
    shared = _shared(run)[traded.account["buyer"], slot]
    fee = fee + access[start] + access[end] + shared
    yield Finding("trade fee", _TRADE, np.maximum(abs(traded.fee - fee) - rounded, 0.0), fee)
    if not marginal:
        return
    nowhere = np.full(flows[0].shape, np.nan)
    paid = run.r.get("price", nowhere)[end, slot] + access[end] + shared
    received = run.r.get("sale_price", nowhere)[start, slot] - access[start]
    yield Finding("seller's price", _TRADE, abs(traded.price - received), received)
    total = traded.price + traded.fee + traded.congestion
    yield Finding("buyer's price", _TRADE, abs(total - paid), paid)
    if "trade_fee" not in run.i:  # a pair's trade may relieve a line, and is rewarded
        yield Finding("negative congestion", _TRADE, -traded.congestion, paid)
    idle = np.where(crossed, 0.0, abs(traded.congestion))
    yield Finding("congestion without a limit", _TRADE, idle, paid)


def _shared(run: Run) -> Array:
    """Return what the tariff of every participant adds to a kWh from peers (P, T) [currency/kWh]."""
    tariff = index(run.labels["tariff"], run.i["participant_tariff"])
    return run.i.get("shared_fee", np.zeros((len(run.labels["tariff"]), len(run.hours))))[tariff]


def _path_edges(run: Run, start: Array, end: Array) -> Iterator[tuple[Array, Array, int]]:
    """Yield (trades, edges, 0 = up or 1 = down) until every trade's seller and buyer have met in the tree."""
    parent = index(run.labels["node"], run.i["node_parent"])
    level, above = np.zeros(len(parent), dtype=np.int64), parent
    while (above >= 0).any():
        level, above = level + (above >= 0), np.where(above >= 0, parent[above], -1)
    at = [start.copy(), end.copy()]
    for depth in range(int(level.max()), 0, -1):
        for way in (0, 1):
            k = np.flatnonzero((at[0] != at[1]) & (level[at[way]] == depth))
            yield k, at[way][k], way
            at[way] = at[way].copy()
            at[way][k] = parent[at[way][k]]


def _retail(run: Run) -> dict[str, Array]:
    """Return what every participant pays and gets outside the peers' market, and its emissions (P,)."""
    i, r, h = run.i, run.r, run.hours
    tariff = index(run.labels["tariff"], i["participant_tariff"])
    vehicle = run.owner["vehicle"]
    retail, feed_in = i["retail_price"][tariff] * h, i["feed_in_price"][tariff] * h
    fuel, carbon = r["trip_fuel"], i["grid_carbon"] * h
    money = {
        "grid_cost": (r["grid_import"] * retail).sum(axis=1),
        "feed_in_revenue": (r["grid_export"] * feed_in).sum(axis=1),
        "fuel_cost": np.zeros(run.participants),
        "wear_cost": np.zeros(run.participants),
        "standing_charges": standing(run),
        "peak_charges": peak_charges(run),
        "tier_charges": tier_charges(run),
        "investment_cost": np.zeros(run.participants),
        "co2": r["grid_import"] @ carbon,
    }
    if "candidate_owner" in i:
        payer = index(run.labels["participant"], i["candidate_owner"])
        once = i.get("candidate_fixed_cost", np.zeros(len(payer))) * (i["candidate_size"] > 0)
        np.add.at(money["investment_cost"], payer, i["candidate_size"] * i["candidate_cost"] + once)
    np.add.at(money["grid_cost"], vehicle, (r["vehicle_import"] * retail[vehicle]).sum(axis=1))
    np.add.at(money["feed_in_revenue"], vehicle, (r["vehicle_export"] * feed_in[vehicle]).sum(axis=1))
    np.add.at(money["fuel_cost"], vehicle[run.driver], fuel * i["fuel_price"][run.driver])
    for name, store in stores().items():
        np.add.at(money["wear_cost"], run.owner[name], (r[store.give] @ h) * i[f"{name}_wear_cost"])
    np.add.at(money["co2"], vehicle, r["vehicle_import"] @ carbon)
    np.add.at(money["co2"], vehicle[run.driver], fuel * i["fuel_carbon"][run.driver])
    return money


def _line_income(run: Run) -> Array:
    """Return what every participant gets for the capacity of lines that it built (P,): what prices leave at the ends."""
    i, income = run.i, np.zeros(run.participants)
    if "candidate_node" not in i or "price" not in run.r:
        return income
    parent = index(run.labels["node"], i["node_parent"])
    for owner, node, size in zip(
        index(run.labels["participant"], i["candidate_owner"]),
        index(run.labels["node"], i["candidate_node"]),
        i["candidate_size"],
        strict=True,
    ):
        if node >= 0:
            apart = abs(run.r["price"][parent[node]] - run.r["price"][node]) - i["node_fee"][node]
            income[owner] += size * apart.clip(min=0.0) @ run.hours
    return income


def _peers(run: Run) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return what every participant pays to and gets from peers (P,), by positions and nodal prices.

    The second mapping is the part of it that positions may have and trades not: what noise costs.
    """
    access, at, slot = run.i["node_access_fee"][:, None], run.host_node, np.arange(len(run.hours))
    nothing = np.zeros((len(access), len(slot)))
    buy, sell = (
        run.r.get(name, nothing) + sign * access for name, sign in (("price", 1), ("sale_price", -1))
    )
    money, dropped = {}, {}
    for name, price, trade in (("peer_cost", buy, "purchase"), ("peer_revenue", sell, "sale")):
        energy, guests = run.r[f"peer_{trade}"] * run.hours, run.r[f"vehicle_{trade}"] * run.hours
        abroad = np.where(run.guest, price[at, slot], 0.0)
        paid = price[run.home] + (_shared(run) if trade == "purchase" else 0.0)
        money[name] = (energy * paid).sum(axis=1)
        dropped[name] = _DROPPED * np.where(energy > 0, abs(price[run.home]), 0.0).sum(axis=1)
        if trade == "purchase":
            abroad = abroad + np.where(run.guest, _shared(run)[run.owner["vehicle"]], 0.0)
        np.add.at(money[name], run.owner["vehicle"], (guests * abroad).sum(axis=1))
        np.add.at(dropped[name], run.owner["vehicle"], _DROPPED * ((guests > 0) * abs(abroad)).sum(axis=1))
    return money | {"line_income": _line_income(run)}, dropped


def _paid(run: Run, traded: Trades) -> dict[str, Array]:
    """Return what every participant pays to and gets from peers (P,), by the trades."""
    total = traded.price + traded.fee + traded.congestion
    money = {"peer_cost": np.zeros(run.participants), "peer_revenue": np.zeros(run.participants)}
    np.add.at(money["peer_cost"], traded.account["buyer"], traded.energy * total)
    np.add.at(money["peer_revenue"], traded.account["seller"], traded.energy * traded.price)
    if not traded.congestion.any():
        money["line_income"] = np.zeros(run.participants)
    return money


def _imbalance(run: Run, traded: Trades) -> dict[str, Array]:
    """Return what every participant's meters are short of their contracts (P,) [kWh], and what that costs."""
    r, energy = run.r, np.zeros((run.participants, len(run.hours)))
    for grid, peer, count, owner in (
        ("grid", "peer", run.participants, np.arange(run.participants)),
        ("vehicle", "vehicle", run.vehicles, run.owner["vehicle"]),
    ):
        bought = np.zeros((count, len(run.hours)))
        for side, sign in (("buyer", 1), ("seller", -1)):
            guest = traded.vehicle[side] >= 0
            mine = guest if grid == "vehicle" else ~guest
            place = (traded.vehicle if grid == "vehicle" else traded.account)[side][mine]
            np.add.at(bought, (place, traded.slot[mine]), sign * traded.contracted[mine])
        drawn = (r[f"{grid}_import"] + r[f"{peer}_purchase"]) * run.hours
        given = (r[f"{grid}_export"] + r[f"{peer}_sale"]) * run.hours
        lack = np.where(bought > 0, bought - drawn.clip(min=0), -bought - given.clip(min=0))
        np.add.at(energy, owner, np.where(lack > _NOISE, lack, 0.0))
    return {"imbalance_energy": energy.sum(axis=1), "imbalance_cost": energy @ run.i["imbalance_fee"]}


def _accounts(
    run: Run, settlement: xr.Dataset, peers: dict[str, Array], dropped: dict[str, Array]
) -> Iterator[Finding]:
    """Yield every line of the accounts against its own computation, beyond what of it is ``dropped``."""
    s = arrays(settlement)
    lines = _retail(run) | peers
    amounts = (abs(lines[name]) for name in MONEY if name in lines)
    scale = sum(amounts, np.zeros(run.participants))
    for name, money in lines.items():
        yield Finding(name, _ACCOUNT, abs(s[name] - money) - dropped.get(name, 0.0), scale)
    yield Finding("bill", _ACCOUNT, abs(s["bill"] - _bill(s, SIGNS)), scale)
    yield Finding("saving", _ACCOUNT, abs(s["saving"] - s["bill_grid_only"] + s["bill"]), scale)


def _bill(lines: Mapping[str, Array], names: Iterable[str]) -> Array:
    """Return what these lines of the accounts add up to (P,)."""
    return np.asarray(sum(SIGNS[name] * lines[name] for name in names))


def _totals(run: Run, traded: Trades, settlement: xr.Dataset, marginal: bool) -> Iterator[Finding]:
    """Yield the sums over the community: fees of the network, and money that is zero-sum among peers."""
    s, i, r = arrays(settlement), run.i, run.r
    access = i["node_access_fee"][:, None]
    traded_power = run.at_nodes(
        r["peer_sale"] + r["peer_purchase"], r["vehicle_sale"] + r["vehicle_purchase"]
    )
    fees = float(((access * traded_power) @ run.hours).sum())
    bought = r["peer_purchase"].copy()
    np.add.at(bought, run.owner["vehicle"], r["vehicle_purchase"])
    fees += float(((_shared(run) * bought) @ run.hours).sum())
    if not marginal:
        fees = float(traded.energy @ traded.fee)
    elif "trade_fee" in i:
        fees += (
            float(((r["node_transfer"] @ run.hours) * i["trade_fee"]).sum()) if "node_transfer" in r else 0.0
        )
    else:
        fees += float(((sum(edges(run)) @ run.hours) * i["node_fee"]).sum())
    paid = s["peer_cost"].sum()
    yield Finding("network_fee", (), np.asarray(abs(s["network_fee"].sum() - fees)), paid)
    rent = traded.energy @ traded.congestion
    yield Finding("congestion_rent", (), np.asarray(abs(s["congestion_rent"].sum() - rent)), paid)
    peers = [name for name, line in MONEY.items() if line.counterparty == "peers"]
    network = [name for name, line in MONEY.items() if line.part_of in peers]
    balance = sum(SIGNS[name] * s[name].sum() for name in peers) - sum(s[name].sum() for name in network)
    yield Finding("money among peers", (), np.asarray(abs(balance)), paid)
    volume = traded.energy.sum()
    yield Finding("peer_energy", (), np.asarray(abs(s["peer_energy"] - volume)), volume)


def _by_binaries(run: Run, linear: bool, decided: bool) -> Array:
    """Return for whom (P,) binaries may have decided: all others plan linearly, and lose nothing at prices alone.

    Those are whose vehicles or loads have a minimum power that holds, whose loads have runs, and where directions were
    decided those who could gain by two at once: with a store where prices cross, with a store or PV where energy costs
    less than nothing. With
    their retail price r and feed-in price f, what their tariff adds to energy from peers s, the highest r - s of
    the dearest tiers and the lowest f of anybody, R and F, and the least access fee b, a peer pays them at the most
    R - 2 b and takes at the least F + 2 b + s. Whether fees per pair reward to pass energy on is not asked: then it is
    whoever has a store.
    """
    i, binaries = run.i, np.zeros(run.participants, dtype=bool)
    binaries |= decided_loads(run, linear)
    if not linear:
        binaries[run.owner["vehicle"][i["vehicle_min_charge"] > 0]] = True
    if not decided:
        return binaries
    storing = np.isin(np.arange(run.participants), np.concatenate([run.owner[name] for name in stores()]))
    tariff = index(run.labels["tariff"], i["participant_tariff"])
    retail, feed_in, fee = (
        i["retail_price"][tariff],
        i["feed_in_price"][tariff],
        2 * i["node_access_fee"].min(),
    )
    shared = _shared(run)
    dearest = retail + sum(
        np.where(i["participant_tariff"] == of, step, 0.0)[:, None]
        for of, step in zip(i.get("tier_tariff", ()), i.get("tier_price", ()), strict=True)
    )
    highest, lowest = (dearest - shared).max(axis=0), feed_in.min(axis=0)
    crossed = (
        (feed_in > retail) | (highest - fee > retail) | (feed_in > lowest + fee + shared) | ("trade_fee" in i)
    )
    crossed |= fee + shared < 0
    cheap = (retail < 0) | (lowest < 0) | (lowest + shared < 0)
    able = storing | (i["pv_available"] > 0).any(axis=1)
    return np.asarray(binaries | (storing & crossed.any(axis=1)) | (able & cheap.any(axis=1)))


def _members(settlement: xr.Dataset, binaries: Array, marginal: bool) -> Iterator[Finding]:
    """Yield what members pay so that nobody is worse off than without peers, and what the prices alone see to.

    They see to those for whom no ``binaries`` (P,) decided.
    """
    s = arrays(settlement)
    alone, paid = s["bill_grid_only"], s["make_whole"]
    kept = {
        n: SIGNS.get(n, 1)
        for n, line in MONEY.items()
        if line.counterparty == "network" and n != "network_fee"
    }
    rent = max(sum(sign * s[name].sum() for name, sign in kept.items()), 0.0)
    prices = _bill(s, [name for name in SIGNS if name != "make_whole"])
    scale = np.asarray(sum(abs(s[name]) for name in SIGNS if name != "make_whole"))
    beside = s["breach_cost"] + s["shed_cost"] - s["final_energy_value"]
    worse = prices + beside - alone
    owed = np.where(worse > _LOSS * np.maximum(scale, 1.0), worse, 0.0) * marginal
    due, spare = owed.sum(), np.maximum(-worse, 0.0)
    want = np.zeros_like(owed)
    if due > 0:
        want = spare * min(1.0, due / max(spare.sum(), 1e-12)) - owed * min(1.0, (spare.sum() + rent) / due)
    yield Finding("make_whole", _ACCOUNT, abs(paid - want), scale)
    returned = -paid.sum()
    yield Finding("money among members", (), np.maximum(-returned, returned - rent), scale.sum())
    if not marginal:
        return
    yield Finding("worse off than without peers", _ACCOUNT, s["bill"] + beside - alone, scale)
    yield Finding("cost above that without peers", (), worse.sum() - rent, scale.sum())
    yield Finding("worse off at the prices alone", _ACCOUNT, np.where(binaries, 0.0, worse), scale)
