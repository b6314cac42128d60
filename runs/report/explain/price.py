"""Why a price is what it is: what was traded and its parts along the fee tree, and who sets the price at the node."""

from collections.abc import Iterator

import numpy as np

from ....data.inputs import devices
from ....data.inputs.contract import optional
from ....data.problems import shown
from .case import SMALL, WIRE_PRICES, Case, Sentence, sum_of

TOPIC = "Price"
_MOST = 5


def price(case: Case) -> Iterator[Sentence]:
    """Yield sentences on the price of a participant at a slot."""
    p, node = case.participant, int(case.node[case.participant])
    access, retail, feed_in = case.access(node), float(case.retail[p]), float(case.feed_in[p])
    at_node = float(case.results["price"].values[node, case.slot]) if "price" in case.results else np.nan
    if np.isfinite(at_node):
        buying = at_node + access + float(case.shared_fee[p])
        yield Sentence(
            TOPIC,
            f"At {case.label(node)} energy was worth {case.price(at_node)}: {shown(case.name)} could buy from peers at"
            f" {case.price(buying)}, fees for access included, and sell to them at {case.price(at_node - access)}; the"
            f" retailer asked {case.price(retail)} and paid {case.price(feed_in)}.",
            {
                "node": case.label(node),
                "price": at_node,
                "from_peers": buying,
                "to_peers": at_node - access,
                "retail": retail,
                "feed_in": feed_in,
            },
        )
        yield from _who_sets(case, node, at_node) if case.marginal is not None else ()
    else:
        yield Sentence(
            TOPIC,
            f"There was no price among peers here; the retailer asked {case.price(retail)} and paid"
            f" {case.price(feed_in)}.",
            {"retail": retail, "feed_in": feed_in},
        )
    if case.meter_value is not None:
        value, sunny = float(case.meter_value[p]), case.inputs["pv_available"].values[p].any()
        worth = "as much" if value >= 0 else "nothing"
        as_much = f", and one kWh more of its PV would have been worth {worth}"
        yield Sentence(
            TOPIC,
            f"One more kWh used behind the meter of {shown(case.name)} would have cost {case.price(value)}"
            f"{as_much if sunny and optional(case.inputs, 'participant_metering')[p] != 'gross' else ''}.",
            {"meter_value": value},
        )
    yield from _scarcity(case)
    yield from _deals(case)


def _scarcity(case: Case) -> Iterator[Sentence]:
    """Yield what one more kWh drawn at the participant's connection costs others on the wires."""
    parts = {kind: float(case.wire_price(name)[case.participant]) for kind, name in WIRE_PRICES.items()}
    parts = {kind: price for kind, price in parts.items() if abs(price) > SMALL}
    if not parts:
        return
    total, who = sum(parts.values()), shown(case.name)
    cost, pays = ("cost", "pays") if total > 0 else ("saved", "gets")
    told = {kind: price if total > 0 else -price for kind, price in parts.items()}
    yield Sentence(
        TOPIC,
        f"Wires have a price: one more kWh drawn there {cost} others {case.price(abs(total))} = {sum_of(told, case)}."
        f" {who} {pays} that for what it draws beyond what it would without peers, whoever the energy is from.",
        {"scarcity": total, "parts": parts},
    )


def _who_sets(case: Case, node: int, at_node: float) -> Iterator[Sentence]:
    """Yield who is at the margin at prices that hang together with that of a node: the nearest, by fees on the way."""
    price = case.results["price"].values[:, case.slot]
    margins = []
    for other in np.flatnonzero(np.isfinite(price)).tolist():
        for sign, start, end in ((1.0, other, node), (-1.0, node, other)):
            way = (
                sum(case.fee(e) for e, *_ in case.edges(start, end))
                if "trade_fee" not in case.inputs
                else 0.0
            )
            if ("trade_fee" not in case.inputs or other == node) and abs(
                price[other] + sign * way - at_node
            ) < SMALL:
                margins.append((way, other, sign))
                break
    for way, other, sign in sorted(margins):
        for who, kind, own in _at_the_margin(case, other, float(price[other])):
            path = "" if not way else f" {'+' if sign > 0 else '-'} {case.price(way)} on the way"
            yield Sentence(
                TOPIC,
                f"{shown(who)} at {case.label(other)} sets this price: {kind} at {case.price(own)},"
                f" {'+' if price[other] > own else '-'} {case.price(abs(price[other] - own))} for access{path}.",
                {"set_by": who, "at": case.label(other), "as": kind, "own_price": own, "way": sign * way},
            )
            return


def _at_the_margin(case: Case, node: int, price: float) -> Iterator[tuple[str, str, float]]:
    """Yield who at a node could as well do something else: the participant, what it does, and at which price."""
    bought, sold = case.power("grid_import"), case.power("grid_export")
    for q in np.flatnonzero(case.node == node).tolist():
        buying = price + case.access(node) + case.shared_fee[q]
        selling = price - case.access(node)
        if bought[q] > SMALL and abs(case.retail[q] - buying) < 1e-5:
            yield case.people[q], "it buys from the retailer, too,", float(case.retail[q])
        if sold[q] > SMALL and abs(case.feed_in[q] - selling) < 1e-5:
            yield case.people[q], "it sells to the retailer, too,", float(case.feed_in[q])
    value = case.meter_value
    for device in devices.stores():
        for s, owner in enumerate(case.inputs[f"{device}_owner"].values):
            q = case.people.index(str(owner))
            if value is None or case.node[q] != node or _in_part(case, device, s) is None:
                continue
            wires = sum(case.wire_price(name)[q] for name in WIRE_PRICES.values())
            own = float(value[q] - wires)
            if min(abs(own - price - case.access(node)), abs(own - price + case.access(node))) < 1e-5:
                name = shown(str(case.inputs[device].values[s]))
                yield case.people[q], f"its {device} {name} {_in_part(case, device, s)}", own


def _in_part(case: Case, device: str, store: int) -> str | None:
    """Return what a store does in the slot at less than its full power; None where it rests or is at a limit."""
    for verb in ("charge", "discharge"):
        power = float(case.results[f"{device}_{verb}"].values[store, case.slot])
        if SMALL < power < float(case.inputs[f"{device}_{verb}_limit"].values[store]) - SMALL:
            return f"{verb}s with {power:.2f} kW, less than it could,"
    return None


def _deals(case: Case) -> Iterator[Sentence]:
    """Yield the trades of the participant in the slot, the greatest first, with the parts of their price."""
    trades = case.trades
    own = [(side, trades[f"trade_{side}"].values == case.name) for side in ("buyer", "seller")]
    order = np.argsort(-trades["trade_energy"].values, kind="stable")
    found = [(side, int(k)) for k in order for side, mask in own if mask[k]]
    for side, k in found[:_MOST]:
        yield _deal(case, side, k)
    if len(found) > _MOST:
        yield Sentence(
            TOPIC,
            f"{len(found) - _MOST} smaller trades of the slot are left out.",
            {"left_out": len(found) - _MOST},
        )
    if not found:
        yield _allotted(case)


def _allotted(case: Case) -> Sentence:
    """Return what the participant had of peers in the slot of a run that holds no trade of it, as a settled month."""
    bought, sold = (
        float(case.power(f"peer_{n}")[case.participant]) * case.hours for n in ("purchase", "sale")
    )
    if bought + sold <= SMALL:
        return Sentence(TOPIC, f"{shown(case.name)} traded with nobody in this slot.", {"trades": 0})
    return Sentence(
        TOPIC,
        f"It had {bought:.3f} kWh of peers, and peers {sold:.3f} kWh of its own; with whom is stored by day.",
        {"bought_kwh": bought, "sold_kwh": sold},
    )


def _deal(case: Case, side: str, k: int) -> Sentence:
    """Return a trade of the slot with what it pays on its way, part by part."""
    trade = {
        name: case.trades[f"trade_{name}"].values[k] for name in ("seller", "buyer", "energy", "price", "fee")
    }
    congestion = float(case.trades["trade_congestion"].values[k])
    start, end = (_node_of(case, which, k) for which in ("seller", "buyer"))
    parts = {n: v for n, v in case.way(start, end).items() if not n.startswith("the full edge")}
    rest = float(trade["fee"]) - sum(parts.values())
    parts = {"to the seller": float(trade["price"])} | parts
    if abs(rest) > SMALL:
        parts["by the buyer's tariff"] = rest
    if abs(congestion) > SMALL:
        parts["congestion"] = congestion
    paid = float(trade["price"] + trade["fee"]) + congestion
    other = shown(str(trade["seller" if side == "buyer" else "buyer"]))
    verb = "bought" if side == "buyer" else "sold"
    vehicle = shown(str(case.trades[f"trade_{side}_vehicle"].values[k]))
    who = f"{vehicle}, plugged in at {case.label(end if side == 'buyer' else start)}," if vehicle else "It"
    return Sentence(
        TOPIC,
        f"{who} {verb} {float(trade['energy']):.3f} kWh {'from' if side == 'buyer' else 'to'} {other}; the buyer paid"
        f" {case.price(paid)} = {sum_of(parts, case)}.",
        {
            "with": other,
            "side": side,
            "vehicle": vehicle,
            "kwh": float(trade["energy"]),
            "paid": paid,
            "parts": parts,
        },
    )


def _node_of(case: Case, side: str, k: int) -> int:
    """Return the node where a side of a trade stands: of a vehicle away from home, that of its host."""
    vehicle = str(case.trades[f"trade_{side}_vehicle"].values[k])
    who = str(case.trades[f"trade_{side}"].values[k])
    if vehicle:
        place = [str(n) for n in case.inputs["vehicle"].values].index(vehicle)
        who = str(case.inputs["vehicle_host"].transpose("vehicle", "time").values[place, case.slot]) or who
    return int(case.node[case.people.index(who)])
