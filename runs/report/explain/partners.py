"""Why somebody did not trade with somebody else: what a kWh would cost there, fees included, and what it would bring."""

from collections.abc import Iterator, Sequence

import numpy as np

from ....data.problems import shown
from .case import SMALL, WIRE_PRICES, Case, Sentence, sum_of

TOPIC = "Trades that were not made"
_NEAREST = 3
_NAMED = 6


def partners(case: Case, named: Sequence[str] = ()) -> Iterator[Sentence]:
    """Yield why the participant did not trade with those who are ``named``, by default the nearest to a trade.

    With the marginal values v of both meters, and prices s of the wires there, a kWh from i to j costs v[i] - s[i] +
    fees + congestion + s[j] and brings v[j]: at the optimum never less than it brings.
    """
    value = case.meter_value
    if value is None or "price" not in case.results:
        return
    mine = {
        str(a if b == case.name else b)
        for a, b in zip(case.trades["trade_seller"].values, case.trades["trade_buyer"].values, strict=True)
        if case.name in (a, b)
    }
    others = [n for n in case.people if n != case.name and n not in mine]
    found = [_trade(case, case.people.index(name)) for name in (named or others)]
    if not named:
        lacks = {str(one.figures["with"]): one.figures["costs"] - one.figures["brings"] for one in found}
        even = [name for name, lack in lacks.items() if abs(lack) <= SMALL]
        yield from _even(even)
        found = sorted(
            (one for one in found if one.figures["with"] not in even),
            key=lambda one: lacks[one.figures["with"]],
        )[:_NEAREST]
    yield from found


def _even(names: Sequence[str]) -> Iterator[Sentence]:
    """Yield with whom a trade would have changed nothing, if with anybody."""
    if names:
        more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
        yield Sentence(
            TOPIC,
            f"A trade with {', '.join(map(shown, names[:_NAMED]))}{more} would have cost just what it would have"
            " brought: another plan would have been as good.",
            {"as_good": list(names)},
        )


def _hindrance(case: Case, seller: int, buyer: int) -> str:
    """Return why a trade that would have paid is none: one meter has one direction in a slot, whatever decided it."""
    drawn, given = float(case.power("draw")[seller]), float(case.power("supply")[buyer])
    if drawn > SMALL:
        return (
            f"{shown(case.people[seller])} drew {drawn:.2f} kW itself, and a meter that draws gives nothing"
        )
    if given > SMALL:
        return f"{shown(case.people[buyer])} gave {given:.2f} kW itself, and a meter that gives draws nothing"
    if float(case.power("supply")[seller]) <= SMALL:
        return f"{shown(case.people[seller])} had nothing of its own that it gave"
    return "which way meters and stores go is decided for whole slots, and this is a change within what was decided"


def _trade(case: Case, other: int) -> Sentence:
    """Return what a kWh between both would cost and bring, the way in which less is lacking and it could go."""
    value = case.meter_value
    assert value is not None
    price = np.sum([case.wire_price(name) for name in WIRE_PRICES.values()], axis=0)
    options = []
    for seller, buyer in ((other, case.participant), (case.participant, other)):
        way = case.way(int(case.node[seller]), int(case.node[buyer]))
        if abs(case.shared_fee[buyer]) > SMALL:
            way["by the buyer's tariff"] = float(case.shared_fee[buyer])
        if abs(wires := float(price[buyer] - price[seller])) > SMALL:
            way["what the wires cost more where it is drawn"] = wires
        parts = {f"what it is worth to {shown(case.people[seller])}": float(value[seller])} | way
        options.append((sum(parts.values()) - float(value[buyer]), seller, buyer, parts))
    lack, seller, buyer, parts = min(options, key=lambda option: (option[0] < -SMALL, option[0]))
    costs, brings = sum(parts.values()), float(value[buyer])
    selling = seller == case.participant
    name = shown(case.people[other])
    if lack > SMALL:
        end = f"{case.price(lack)} too dear."
    elif lack >= -SMALL:
        end = "just as much, so that another plan would have been as good."
    else:
        end = f"{case.price(-lack)} more than it costs, but {_hindrance(case, seller, buyer)}."
    return Sentence(
        TOPIC,
        f"One kWh {'to' if selling else 'from'} {name} would have cost {case.price(costs)} = {sum_of(parts, case)},"
        f" and brought {shown(case.people[buyer])} {case.price(brings)}: {end}",
        {
            "with": case.people[other],
            "way": "sell" if selling else "buy",
            "costs": costs,
            "brings": brings,
            "parts": parts,
        },
    )
