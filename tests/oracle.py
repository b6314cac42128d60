"""The market written out naively, as an oracle: one trade variable per ordered pair of meters and slot.

It follows the texts of the model and shares no line with it: plain loops, scipy's ``linprog``, no tree flows,
no array algebra. A meter is a participant, or its PV where that is metered apart, or a vehicle plugged in away from its
owner's premises (a guest). In a slot a meter draws or supplies, and a store charges or discharges: whatever could do
both has a binary, with the limits of the hardware, so that the program decides every direction there is.

A node limit holds for the *net* peer power over the edge. Where fees follow the tree this is also the gross
power: two opposing trades over an edge can swap partners, at no greater fee, until they no longer oppose.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations, product
from math import isnan

import numpy as np
import xarray as xr
from scipy.optimize import linprog
from scipy.sparse import coo_array

INF = float("inf")
GAP = 1e-9
"""Relative gap at which the search among the binaries ends."""
MOVES = 1e-6
"""Power [kW] from which a solution is said to go one way."""


@dataclass(frozen=True)
class Optimum:
    """The least cost, and the value of every variable by its key, such as ``("import", "home1", 0)``."""

    feasible: bool
    objective: float = float("nan")
    values: dict = field(default_factory=dict)

    def __getitem__(self, key):
        return self.values.get(key, 0.0)


class Program:
    """A linear program whose columns and rows are added one by one; a row's terms are (column, factor)."""

    def __init__(self, shut, both_ways=False):
        self.shut = shut
        self.both_ways = both_ways
        self.columns: dict = {}
        self.rows: list = []
        self.period: tuple = ()
        self.weight = 1.0

    def key(self, *key):
        """Return the key of a column in the period of which the program is written."""
        return (*key, *self.period)

    def var(self, *key, lower=0.0, upper=INF, cost=0.0, whole=False):
        key = self.key(*key)
        assert key not in self.columns, key
        self.columns[key] = (lower, upper, cost * self.weight, whole)
        return key

    def row(self, terms, lower, upper):
        self.rows.append((terms, lower, upper))

    def solve(self, constant: float) -> Optimum:
        place = {key: k for k, key in enumerate(self.columns)}
        lower, upper, cost, whole = np.array(list(self.columns.values()), dtype=float).T
        equal = [(terms, low) for terms, low, high in self.rows if low == high]
        most = [(terms, high) for terms, low, high in self.rows if low < high < INF]
        most += [(minus(terms), -low) for terms, low, high in self.rows if -INF < low < high]
        bounds = np.column_stack([lower, upper])
        kind = whole if whole.any() else None
        found = linprog(
            cost,
            *_matrix(most, place),
            *_matrix(equal, place),
            bounds,
            method="highs",
            integrality=kind,
            options={"mip_rel_gap": GAP} if kind is not None else {},
        )
        if found.status == 2:
            return Optimum(False)
        assert found.status == 0, found.message
        return Optimum(True, found.fun + constant, dict(zip(self.columns, found.x.tolist(), strict=True)))


def _matrix(rows, place):
    """Return the matrix and the right-hand side of rows (terms, bound); repeated entries of a row add up."""
    entries = [(r, place[key], factor) for r, (terms, _) in enumerate(rows) for key, factor in terms]
    if not entries:
        return None, None
    i, j, factor = zip(*entries, strict=True)
    return coo_array((factor, (i, j)), shape=(len(rows), len(place))).tocsr(), [bound for _, bound in rows]


def minus(terms):
    return [(key, -factor) for key, factor in terms]


class Meters:
    """What meets at each (meter, slot): terms in kW, given and taken behind the meter, bought and sold.

    ``owner`` says whose connection limits hold at a meter; nobody's at a guest's.
    """

    def __init__(self):
        self.node: dict = {}
        self.tariff: dict = {}
        self.demand: dict = {}
        self.owner: dict = {}
        self.gives, self.takes, self.buys, self.sells = (defaultdict(list) for _ in range(4))
        self.draws: dict = {}
        self.supplies: dict = {}
        self.inward, self.inverter = defaultdict(list), defaultdict(list)
        self.sizes: dict = {}
        self.through = defaultdict(list)

    def net(self, meter, t):
        """Return the terms of what a meter draws less what it supplies: none while it is nowhere."""
        return [*self.draws.get((meter, t), ()), *minus(self.supplies.get((meter, t), ()))]


def solve(
    inputs: xr.Dataset,
    market: str = "p2p",
    probe: tuple | None = None,
    *,
    shut: dict | None = None,
    both_ways: bool = False,
    traders: set | None = None,
) -> Optimum:
    """Return the least community cost: retail - feed-in + peer fees + fuel + wear + breaches - what stores hold.

    ``probe`` (node, slot, kW) takes power from the node's peers (gives, if negative), without an access fee of
    its own: what that costs per kWh is the marginal value of energy at the node. ``shut`` (see :func:`directions`)
    says which ways are closed; with ``both_ways`` all are open at once, against the rule. ``traders`` are the
    participants who may trade with peers, by default all.
    """
    program = Program(shut or {}, both_ways)
    constant = _written(program, plain(inputs), market, probe, traders)
    return program.solve(constant)


def plan(periods, weights, market: str = "p2p") -> Optimum:
    """Return the least cost of periods that share what is built, each as often as it weighs (the mean counts 1)."""
    program, constant = Program({}), 0.0
    for n, (inputs, weight) in enumerate(zip(periods, weights, strict=True)):
        program.period, program.weight = (("period", n),), weight * len(weights) / sum(weights)
        constant += program.weight * _written(program, plain(inputs), market)
    return program.solve(constant)


def _written(program, data, market, probe=None, traders=None):
    """Write a community into a program; return its constant cost."""
    meters = Meters()
    constant = _candidates(program, data, meters)
    fuel = behind_meters(program, data, meters)
    for c, kind in data.get("candidate_kind", {}).items():
        if kind == "pv" and ("size", c) in program.columns:
            _new_pv(program, data, c, meters)
    if market == "p2p":
        _trades(program, data, meters, probe)
    if traders is not None:
        _forbid(program, meters, traders)
    for meter, t in meters.node:
        _connection(program, data, meter, t, meters)
    for (p, _), flows in meters.inverter.items():
        limit = data.get("inverter_limit", {}).get(p, INF)
        if limit < INF:
            program.row(flows, -limit, limit)
    _node_limits(program, data, meters)
    return constant + fuel + _peaks(program, data, meters, market) + _tiers(program, data, meters)


def _node_limits(program, data, meters):
    """Hold what flows into a node and all below it, and out of them, to its limit of the slot, whoever it is from."""
    for way, sign in (("import", 1.0), ("export", -1.0)):
        for node, limits in data.get(f"node_{way}_envelope", {}).items():
            for (meter, t), at in meters.node.items():
                while at and at != node:
                    at = data["node_parent"][at]
                if at and limits[t] < INF:
                    own = [(key, sign * factor) for key, factor in meters.net(meter, t)]
                    meters.through[way, node, t] += own
    for (way, node, t), flows in meters.through.items():
        program.row(flows, -INF, data[f"node_{way}_envelope"][node][t])


def _tiers(program, data, meters):
    """Add what tiers cost beyond the first, by a variable for what each account buys there; return what was paid."""
    paid, months = 0.0, sorted(set(data.get("day_month", {}).values()))
    for (tier, tariff), p in product(data.get("tier_tariff", {}).items(), data["demand"]):
        if data["participant_tariff"][p] != tariff:
            continue
        step, start = data["tier_price"][tier], data["tier_start"][tier]
        own = [p, *(("guest", v) for v, owner in data["vehicle_owner"].items() if owner == p)]
        daily = data["tier_period"][tier] == "day"
        for period in sorted(data["day_month"]) if daily else months:
            slots = [
                t
                for t, day in enumerate(data["slot_day"])
                if period == (day if daily else data["day_month"][day])
            ]
            before = 0.0
            if not daily and period == months[0]:
                before = data.get("earlier_energy", {}).get(p, 0.0)
            beyond = program.var("beyond", tier, p, period, cost=step)
            bought = [
                (("import", m, t, *program.period), data["slot_hours"][t])
                for m in own
                for t in slots
                if (m, t) in meters.node
            ]
            program.row([*bought, (beyond, -1.0)], -INF, start - before)
            paid += step * max(before - start, 0.0)
    return -paid


def _candidates(program, data, meters):
    """Add the sizes that are to be decided, once for all periods, their cost in each; return the cost of the others."""
    decided = 0.0
    for c, cost in data.get("candidate_cost", {}).items():
        size = data.get("candidate_size", {}).get(c, float("nan"))
        once = data.get("candidate_fixed_cost", {}).get(c, 0.0)
        if not isnan(size):
            decided += size * cost + once * (size > 0)
            continue
        lower, upper, known, whole = program.columns.get(
            ("size", c), (0.0, data["candidate_most"][c], 0.0, False)
        )
        unit, first = data.get("candidate_unit", {}).get(c, 0.0), ("size", c) not in program.columns
        program.columns["size", c] = (lower, upper, known + cost * program.weight, whole)
        if once:
            known = program.columns.get(("built", c), (0.0, 1.0, 0.0, True))[2]
            program.columns["built", c] = (0.0, 1.0, known + once * program.weight, True)
        if first and once:
            program.row([(("size", c), 1.0), (("built", c), -upper)], -INF, 0.0)
        if first and unit:
            program.columns["units", c] = (0.0, INF, 0.0, True)
            program.row([(("size", c), 1.0), (("units", c), -unit)], 0.0, 0.0)
        if data["candidate_battery"][c]:
            meters.sizes[data["candidate_battery"][c]] = c
    return decided


def _new_pv(program, data, c, meters):
    """Add the PV of a candidate: in every slot no more is used than its size gives."""
    owner = data["candidate_owner"][c]
    apart = data.get("participant_metering", {}).get(owner) == "gross"
    for t, output in enumerate(data["candidate_output"][c]):
        used = program.var("new pv", c, t, upper=output * data["candidate_most"][c])
        program.row([(used, 1.0), (("size", c), -output)], -INF, 0.0)
        meters.gives[("pv", owner) if apart else owner, t].append((used, 1.0))
        meters.inverter[owner, t].append((used, 1.0))


def _charged(data, meters, market):
    """Yield each peak, who is charged for it, the earlier one, and the terms of its power by slot.

    That is what a participant's meter draws. Of a peak of the tariff it is what all meters on it draw less what they
    supply, and where nobody has peers, of each customer what it draws with its vehicles elsewhere.
    """
    slots = range(len(data["slot_hours"]))
    everywhere = {meter for meter, _ in meters.node}
    for (peak, tariff), p in product(data.get("peak_tariff", {}).items(), data["demand"]):
        if data["participant_tariff"][p] != tariff:
            continue
        if data.get("peak_of", {}).get(peak) != "tariff":
            earlier = data.get("earlier_peak", {}).get(p, float("nan"))
            yield peak, p, earlier, [meters.draws[p, t] for t in slots]
        elif market == "grid-only":
            mine = [("guest", v) for v, owner in data["vehicle_owner"].items() if owner == p]
            power = [meters.draws[p, t] + [term for m in mine for term in meters.net(m, t)] for t in slots]
            yield peak, p, float("nan"), power
    for peak, tariff in data.get("peak_tariff", {}).items():
        joint = data.get("peak_of", {}).get(peak) == "tariff" and market == "p2p"
        if joint and tariff in data["participant_tariff"].values():
            earlier = data.get("peak_earlier", {}).get(peak, float("nan"))
            own = [[m for m in everywhere if meters.tariff.get((m, t)) == tariff] for t in slots]
            yield peak, None, earlier, [[x for m in own[t] for x in meters.net(m, t)] for t in slots]


def _peaks(program, data, meters, market):
    """Add what tariffs charge for peaks: no mean of so many days of a month is above it; return what was paid before."""
    paid = 0.0
    for peak, p, earlier, power in _charged(data, meters, market):
        count, price = int(data["peak_days"][peak]), data["peak_price"][peak]
        for n, month in enumerate(sorted(set(data["day_month"].values()))):
            known = n == 0 and not isnan(earlier)
            least = max(data["peak_floor"][peak], earlier if known else 0.0)
            paid += price * least * known
            charged = program.var("peak", peak, p, month, lower=least, cost=price)
            highest = [
                program.var("highest", peak, p, day) for day, of in data["day_month"].items() if of == month
            ]
            for key in highest:
                for t, day in enumerate(data["slot_day"]):
                    if day == key[3]:
                        program.row([*power[t], (key, -1.0)], -INF, 0.0)
            for days in combinations(highest, min(count, len(highest))):
                program.row([*((key, 1.0 / count) for key in days), (charged, -1.0)], -INF, 0.0)
    return -paid


def behind_meters(program, data, meters):
    """Add what stands behind the meters of participants, of PV apart and of guests; return the cost of all fuel."""
    slots = range(len(data["slot_hours"]))
    for p in data["demand"]:
        apart = data.get("participant_metering", {}).get(p) == "gross"
        for t in slots:
            _add_meter(meters, data, p, t, p, p, data["demand"][p][t])
            if apart:
                _add_meter(meters, data, ("pv", p), t, p, p)
            pv = program.var("pv used", p, t, upper=data["pv_available"][p][t])
            meters.gives[("pv", p) if apart else p, t].append((pv, 1.0))
            meters.inverter[p, t].append((pv, 1.0))
    for b, owner in data["battery_owner"].items():
        _storage(program, data, "battery", b, [owner for _ in slots], meters)
    for h in data.get("heat_pump_owner", {}):
        _heat_pump(program, data, h, meters)
    shed = sum(_flexible_load(program, data, load, meters) for load in data.get("flexible_load_owner", {}))
    return shed + sum(_vehicle(program, data, v, meters) for v in data["vehicle_owner"])


def _flexible_load(program, data, load, meters):
    """Add a flexible load: a column for each kW that it may draw or not; return what shedding all of it costs.

    A run is enumerated: for every slot with which it may begin, what it draws in every slot thereafter.
    """
    owner, hours = data["flexible_load_owner"][load], data["slot_hours"]
    demand = data.get("flexible_load_demand", {}).get(load, [0.0] * len(hours))
    price = data.get("flexible_load_shed_price", {}).get(load, float("nan"))
    shape = [x for x in data.get("flexible_load_shape", {}).get(load, []) if not isnan(x)]
    start = data["time"][0]
    begins = [float((time - start) / np.timedelta64(1, "s")) / 3600 for time in data["time"]]
    ends = [begin + length for begin, length in zip(begins, hours, strict=True)]
    cost = 0.0
    shedding = set()
    for task in [k for k, whose in data.get("task_load", {}).items() if whose == load]:
        earliest, deadline = (
            float((data[f"task_{n}"][task] - start) / np.timedelta64(1, "s")) / 3600
            for n in ("earliest", "deadline")
        )
        inside = [t for t in range(len(hours)) if begins[t] >= earliest - 1e-6 and ends[t] <= deadline + 1e-6]
        energy = data["task_energy"][task]
        if shape:
            _run(program, data, load, task, shape, inside, deadline, begins, ends, meters)
        elif isnan(price):
            limit, least = (data.get(f"flexible_load_{n}", {}).get(load, 0.0) for n in _POWERS)
            drawn = [program.var("load", load, t, upper=limit) for t in inside]
            program.row([(key, hours[t]) for key, t in zip(drawn, inside, strict=True)], energy, energy)
            for key, t in zip(drawn, inside, strict=True):
                meters.takes[owner, t].append((key, 1.0))
                if least > 0:
                    _semicontinuous(program, key, least, limit)
        else:
            served = [program.var("served", load, t, upper=demand[t], cost=-price * hours[t]) for t in inside]
            cost += sum(price * demand[t] * hours[t] for t in inside)
            shedding.update(inside)
            if not isnan(energy):
                wanted = sum(demand[t] * hours[t] for t in inside)
                program.row(
                    [(key, hours[t]) for key, t in zip(served, inside, strict=True)], wanted - energy, INF
                )
            for key, t in zip(served, inside, strict=True):
                meters.takes[owner, t].append((key, 1.0))
    for t in range(len(hours)):
        if t not in shedding:
            meters.demand[owner, t] += demand[t]
    return cost


_POWERS = ("power_limit", "min_power")


def _run(program, data, load, task, shape, inside, deadline, begins, ends, meters):
    """Add one run of a shape: a whole column for each slot of the window with which it begins and still ends in time."""
    step, owner = data["flexible_load_step_hours"][load], data["flexible_load_owner"][load]
    starts = []
    for s in inside:
        if begins[s] + step * len(shape) > deadline + 1e-3:
            continue
        start = program.var("starts", task, s, upper=1.0, whole=True)
        starts.append((start, 1.0))
        for t in range(s, len(begins)):
            energy = 0.0
            for k, power in enumerate(shape):
                first, last = begins[s] + k * step, begins[s] + (k + 1) * step
                energy += power * max(min(last, ends[t]) - max(first, begins[t]), 0.0)
            if energy > 0:
                meters.takes[owner, t].append((start, energy / (ends[t] - begins[t])))
    program.row([*starts, (program.var("never", task, upper=0.0), 1.0)], 1.0, 1.0)


def _add_meter(meters, data, meter, t, host, payer, demand=0.0):
    """Add a meter at the node of ``host``, on the tariff of ``payer``."""
    meters.node[meter, t] = data["participant_node"][host]
    meters.tariff[meter, t] = data["participant_tariff"][payer]
    meters.demand[meter, t] = demand
    meters.owner[meter, t] = payer


def directions(inputs: xr.Dataset, results: xr.Dataset) -> dict:
    """Return the ways that results leave closed, (forward, backward) by the keys of :func:`_one_way`.

    Where nothing flows, neither way was preferred: both are closed. What is optimal among the ways left open is
    optimal for any program that closes some of them.
    """
    data, moved = plain(inputs), plain(results)
    net: dict = defaultdict(float)
    shut = {}
    for p, demand in data["demand"].items():
        apart = data.get("participant_metering", {}).get(p) == "gross"
        for t, power in enumerate(demand):
            net[p, t] += power
            unused = moved["pv_curtailment"][p][t]
            net[("pv", p) if apart else p, t] -= data["pv_available"][p][t] - unused
    for device in ("battery", "vehicle"):
        for label, owner in data[f"{device}_owner"].items():
            hosts = data["vehicle_host"][label] if device == "vehicle" else [owner] * len(data["slot_hours"])
            for t, host in enumerate(hosts):
                power = moved[f"{device}_charge"][label][t] - moved[f"{device}_discharge"][label][t]
                shut["charges", label, t] = power <= MOVES, power >= -MOVES
                if host:
                    net[host if host == owner else ("guest", label), t] += power
    for label, owner in data.get("heat_pump_owner", {}).items():
        for t, power in enumerate(moved["heat_pump_power"][label]):
            net[owner, t] += power
    return shut | {("gives", *key): (power >= -MOVES, power <= MOVES) for key, power in net.items()}


def plain(inputs):
    """Return the inputs as dicts: ``data[name][label]`` is a value, a list over time, a dict over node_to."""
    data = {}
    for name, array in inputs.data_vars.items():
        values = array.values.tolist() if array.dtype.kind != "M" else list(array.values)
        if array.dims[0] == "time":
            data[name] = values
        elif array.dims[-1] == "node_to":
            pairs = (dict(zip(inputs["node_to"].values.tolist(), row, strict=True)) for row in values)
            data[name] = dict(zip(inputs["node"].values.tolist(), pairs, strict=True))
        else:
            data[name] = dict(zip(inputs[array.dims[0]].values.tolist(), values, strict=True))
    data["time"] = inputs["time"].values
    return data


def _trades(program, data, meters, probe):
    """Add a trade from every meter to every other in every slot, and the node limits."""
    over_edge = defaultdict(list)  # (node, slot) -> terms of the net flow towards the parent
    places = dict(meters.node)
    if probe:
        places["probe", probe[1]] = probe[0]
    for (i, t), node_i in places.items():
        for (j, s), node_j in places.items():
            if s != t or i == j:
                continue
            rate = fee(data, node_i, node_j)
            if "probe" in (i, j):
                rate -= data["node_access_fee"][probe[0]]
            else:
                rate += data.get("shared_fee", {}).get(meters.tariff[j, t], [0.0] * (t + 1))[t]
            trade = program.var("trade", i, j, t, cost=rate * data["slot_hours"][t])
            meters.sells[i, t].append((trade, 1.0))
            meters.buys[j, t].append((trade, 1.0))
            up, down = path(data, node_i, node_j)
            for node in up:
                over_edge[node, t].append((trade, 1.0))
            for node in down:
                over_edge[node, t].append((trade, -1.0))
    for (node, _), terms in over_edge.items():
        wider = [
            c
            for c, of in data.get("candidate_node", {}).items()
            if of == node and ("size", c) in program.columns
        ]
        limit = data["node_limit"][node] - sum(data["candidate_most"][c] for c in wider)
        for net in (terms, minus(terms)):
            program.row([*net, *((("size", c), -1.0) for c in wider)], -INF, limit)
    if probe:
        _, t, power = probe
        program.row(meters.buys["probe", t], max(power, 0.0), max(power, 0.0))
        program.row(meters.sells["probe", t], max(-power, 0.0), max(-power, 0.0))


def _forbid(program, meters, traders):
    """Leave no room for trades of which either side is not among the traders."""
    for key, (lower, _, cost, whole) in program.columns.items():
        if key[0] == "trade" and not {meters.owner[meter, key[3]] for meter in key[1:3]} <= traders:
            program.columns[key] = (lower, 0.0, cost, whole)


def path(data, start, end):
    """Return the nodes whose edge to the parent a trade climbs, and those whose edge it descends."""

    def ancestors(node):
        return [node, *ancestors(data["node_parent"][node])] if node else []

    above_start, above_end = ancestors(start), ancestors(end)
    return [n for n in above_start if n not in above_end], [n for n in above_end if n not in above_start]


def fee(data, seller_node, buyer_node):
    """Return what a trade pays per kWh: access at both ends, and the pair's fee or the edges on the path."""
    if "trade_fee" in data:
        between = data["trade_fee"][seller_node][buyer_node]
    else:
        up, down = path(data, seller_node, buyer_node)
        between = sum(data["node_fee"][n] for n in up + down)
    return data["node_access_fee"][seller_node] + data["node_access_fee"][buyer_node] + between


def _connection(program, data, meter, t, meters):
    """Add the retail meter, its balance, and its direction within a participant's connection limits.

    draw - supply = demand - pv used + charge - discharge; draw = 0 or supply = 0.
    """
    tariff, hours = meters.tariff[meter, t], data["slot_hours"][t]
    bought = program.var("import", meter, t, cost=data["retail_price"][tariff][t] * hours)
    sold = program.var("export", meter, t, cost=-data["feed_in_price"][tariff][t] * hours)
    draw = meters.draws[meter, t] = [(bought, 1.0), *meters.buys[meter, t]]
    supply = meters.supplies[meter, t] = [(sold, 1.0), *meters.sells[meter, t]]
    own, used, demand = meters.gives[meter, t], meters.takes[meter, t], meters.demand[meter, t]
    program.row([*draw, *minus(supply), *own, *minus(used)], demand, demand)
    if inward := meters.inward[meter, t]:  # what leaves the meter is PV and what other stores give
        program.row([*supply, *minus(own), *inward], -INF, 0.0)
    most_drawn, most_given = (
        sum(program.columns[key][1] * factor for key, factor in flows) for flows in (used, own)
    )
    most_drawn += demand
    if meter[0] != "guest":
        most_drawn = min(most_drawn, _most(data, "import", meters.owner[meter, t], t))
        most_given = min(most_given, _most(data, "export", meters.owner[meter, t], t))
    _one_way(program, ("gives", meter, t), (supply, most_given), (draw, most_drawn))


def _most(data, way, owner, t):
    """Return what a connection lets through in a slot: its limit, or its operating envelope where that is less."""
    envelope = data.get(f"{way}_envelope")
    return min(data[f"{way}_limit"][owner], envelope[owner][t] if envelope else INF)


def _one_way(program, key, *ways):
    """Let one of two ways, each a sum of columns and the most that it can be, be other than zero."""
    ways = [
        (flow, 0.0 if closed else most)
        for (flow, most), closed in zip(ways, program.shut.get(key, (False, False)), strict=True)
    ]
    if all(most > 0 for _, most in ways) and not program.both_ways:
        way = program.var(*key, upper=1.0, whole=True)
        (forward, most_forward), (backward, most_backward) = ways
        program.row([*forward, (way, -most_forward)], -INF, 0.0)
        program.row([*backward, (way, most_backward)], -INF, most_backward)
    else:
        for flow, most in ways:
            program.row(flow, -INF, most)


def _storage(program, data, device, label, places, meters, driven=None):
    """Add a battery, or a vehicle: its power joins the meter of each slot in ``places`` (None = unplugged).

    energy[t] = kept * energy[t-1] + efficiency * charge * hours - discharge * hours / efficiency - driven[t],
    where self-discharge keeps kept = (1 - loss a day)^(hours / 24) in a slot
    """
    own = {name: data[f"{device}_{name}"][label] for name in _STORAGE}
    climbed = fallen = own["initial_energy"]  # where full power brings it from the start, up or down
    last = len(places) - 1
    for t, (meter, hours) in enumerate(zip(places, data["slot_hours"], strict=True)):
        plugged = meter is not None
        kept = (1 - data.get(f"{device}_self_discharge", {}).get(label, 0.0)) ** (hours / 24)
        climbed, fallen = kept * climbed, kept * fallen
        charge = program.var("charge", label, t, upper=own["charge_limit"] * plugged)
        wear = own["wear_cost"] * hours
        discharge = program.var("discharge", label, t, upper=own["discharge_limit"] * plugged, cost=wear)
        ways = ([(charge, 1.0)], own["charge_limit"]), ([(discharge, 1.0)], own["discharge_limit"])
        _one_way(program, ("charges", label, t), *ways)
        if plugged:
            meters.takes[meter, t].append((charge, 1.0))
            if device == "battery":
                meters.inverter[meter, t] += [(discharge, 1.0), (charge, -1.0)]
                if data.get("battery_gives", {}).get(label) == "home":
                    meters.inward[meter, t].append((discharge, 1.0))
            meters.gives[meter, t].append((discharge, 1.0))
            climbed += own["charge_efficiency"] * own["charge_limit"] * hours
            fallen -= own["discharge_limit"] * hours / own["discharge_efficiency"]
            if device == "vehicle" and data["vehicle_min_charge"][label] > 0:
                _semicontinuous(program, charge, data["vehicle_min_charge"][label], own["charge_limit"])
        least, most = (
            min(own["min_energy"], climbed),
            max(own["capacity"], fallen),
        )  # NaN: no start to come from
        if t == last and not isnan(own["final_energy"]):
            least = max(least, own["final_energy"])
        limit = data.get(f"{device}_final_limit", {}).get(label, float("nan"))
        if t == last and not isnan(limit):
            most = min(most, limit)
        target = data.get(f"{device}_target", {}).get(label, [float("nan")] * len(places))[t]
        price = data.get(f"{device}_target_price", {}).get(label, float("nan"))
        if not isnan(target) and isnan(price):
            least = max(least, target)
        for kind, flow, rating in (
            ("charger", charge, "charge_limit"),
            ("v2h", discharge, "discharge_limit"),
        ):
            for c in [c for c, k in data.get("candidate_kind", {}).items() if k == kind]:
                if (
                    device == "vehicle"
                    and data["candidate_vehicle"][c] == label
                    and ("size", c) in program.columns
                ):
                    before = own[rating] - data["candidate_most"][c]
                    program.row([(flow, 1.0), (("size", c), -1.0)], -INF, before)
        value = data.get(f"{device}_final_value", {}).get(label, float("nan"))
        worth = value if t == last and not isnan(value) else 0.0
        sized = device == "battery" and label in meters.sizes
        energy = program.var("energy", label, t, lower=0.0 if sized else least, upper=most, cost=-worth)
        if sized:
            of_size = ("size", meters.sizes[label])
            for flow, rating in (
                (charge, "charge_limit"),
                (discharge, "discharge_limit"),
                (energy, "capacity"),
            ):
                program.row([(flow, 1.0), (of_size, -own[rating] / own["capacity"])], -INF, 0.0)
            program.row([(energy, 1.0), (of_size, -least / own["capacity"])], 0.0, INF)
        if not isnan(target) and not isnan(price):
            breach = program.var("breach", label, t, cost=price)
            program.row([(energy, 1.0), (breach, 1.0)], target, INF)
        gain = [(charge, own["charge_efficiency"] * hours), (discharge, -hours / own["discharge_efficiency"])]
        start = 0.0 if t or isnan(own["initial_energy"]) else kept * own["initial_energy"]
        if t or isnan(own["initial_energy"]):  # as at the end
            before = [(program.key("energy", label, t - 1 if t else last), kept)]
        else:
            before, start = ([(of_size, start / own["capacity"])], 0.0) if sized else ([], start)
        program.row([*before, *gain, *minus((driven or {}).get(t, [])), (energy, -1.0)], -start, -start)


def _heat_pump(program, data, h, meters):
    """Add a heat pump: what pump and backup take by a column each, and what its tank holds.

    heat[t] = kept * heat[t-1] + cop * pump * hours + backup * hours - heat demand * hours
    """
    own = {name: data[f"heat_pump_{name}"][h] for name in _HEAT}
    most = data.get("heat_pump_backup_limit", {}).get(h, 0.0)
    loss = data.get("heat_pump_standing_loss", {}).get(h, 0.0)
    least = own["min_heat"]
    full = own["initial_heat"]  # as far as full power brings heat that starts below its least
    for t, hours in enumerate(data["slot_hours"]):
        kept = (1 - loss) ** (hours / 24)
        pump = program.var("pump", h, t, upper=own["power_limit"] - most)
        backup = program.var("backup", h, t, upper=most)
        meters.takes[own["owner"], t] += [(pump, 1.0), (backup, 1.0)]
        made = [(pump, own["cop"][t] * hours), (backup, hours)]
        drawn = own["heat_demand"][t] * hours
        if full < least:
            full = kept * full + own["cop"][t] * (own["power_limit"] - most) * hours + most * hours - drawn
        lower = min(max(full, 0.0), least)
        full = lower
        if t == len(data["slot_hours"]) - 1 and not isnan(own["final_heat"]):
            lower = max(lower, own["final_heat"])
        heat = program.var("heat", h, t, lower=lower, upper=own["capacity"])
        before = [(program.key("heat", h, t - 1), kept)] if t else []
        start = 0.0 if t else kept * own["initial_heat"]
        program.row([*before, *made, (heat, -1.0)], drawn - start, drawn - start)


_HEAT = (
    "owner",
    "power_limit",
    "cop",
    "heat_demand",
    "capacity",
    "min_heat",
    "initial_heat",
    "final_heat",
)
_STORAGE = (
    "capacity",
    "min_energy",
    "initial_energy",
    "final_energy",
    "charge_limit",
    "discharge_limit",
    "charge_efficiency",
    "discharge_efficiency",
    "wear_cost",
)


def _semicontinuous(program, charge, least, most):
    """Charge nothing, or at least ``least``: least * on <= charge <= most * on."""
    on = program.var("on", charge, upper=1.0, whole=True)
    program.row([(charge, 1.0), (on, -least)], 0.0, INF)
    program.row([(charge, 1.0), (on, -most)], -INF, 0.0)


def _vehicle(program, data, v, meters):
    """Add a vehicle and its trips; return the fuel cost of driving every kilometre on fuel."""
    owner = data["vehicle_owner"][v]
    engine = not isnan(data["vehicle_fuel_economy"][v])
    per_km = data["fuel_price"][v] / data["vehicle_fuel_economy"][v] if engine else 0.0
    driven, all_on_fuel = defaultdict(list), 0.0
    for trip, vehicle in data["trip_vehicle"].items():
        if vehicle == v:
            far = data["trip_distance"][trip]
            electric = program.var("electric km", trip, lower=0.0 if engine else far, upper=far, cost=-per_km)
            all_on_fuel += per_km * far
            slot = max(t for t, start in enumerate(data["time"]) if start <= data["trip_departure"][trip])
            driven[slot].append((electric, 1.0 / data["vehicle_electric_economy"][v]))
    places: list = []
    for t, host in enumerate(data["vehicle_host"][v]):
        guest = host not in ("", owner)
        places.append(("guest", v) if guest else host or None)
        if guest:
            _add_meter(meters, data, ("guest", v), t, host, owner)
    _storage(program, data, "vehicle", v, places, meters, driven)
    return all_on_fuel
