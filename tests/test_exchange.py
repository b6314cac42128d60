"""The exchange: rules by hand-worked examples, properties over random orders, and a plain matcher beside it."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from otonari.data.inputs.contract import complete
from otonari.model.exchange.exchange import Exchange, Rules, match, positions
from otonari.model.exchange.records import ACTIONS

from . import counts
from . import reference_matcher as reference

SLOT = np.datetime64("2020-08-19T03:00", "ns")
"""Noon in Japan; its product is open from noon of the day before until 12:20."""
NODES = ("root", "b1", "b2", "b3")
PARENT = {"root": None, "b1": "root", "b2": "root", "b3": "b2"}
EDGE = {"root": 0, "b1": 830, "b2": 1130, "b3": 500}
ACCESS = {"root": 0, "b1": 2450, "b2": 2450, "b3": 0}


def order(
    order_id, minute, side, price, energy, who=None, node="", slot=SLOT, action="new", origin="", premium=0.0
):
    """Return a row of orders, ``minute`` minutes after 18 August 12:00 UTC; a price of None is a market order."""
    placed = np.datetime64("2020-08-18T12:00", "ns") + np.timedelta64(minute, "m")
    return {
        "order_id": order_id,
        "placed": placed,
        "action": action,
        "slot": slot,
        "participant": who or f"of-{order_id}",
        "node": node,
        "side": side,
        "price": np.nan if price is None else price,
        "energy": np.nan if energy is None else energy,
        "origin": origin,
        "premium": premium,
    }


def change(order_id, minute, action, price=None, energy=None, **given):
    row = order(order_id, minute, "", price, energy, action=action, slot=np.datetime64("NaT", "ns"))
    return {**row, "participant": "", **given}


def dataset(rows):
    columns = {name: (("event",), np.array([row[name] for row in rows])) for name in rows[0]}
    return xr.Dataset(columns, attrs={"currency": "JPY"})


def community(participants, pair=None, limit=None, **changes):
    """Return inputs of the four nodes with one slot; ``participants`` maps labels to nodes."""
    people = list(participants)
    per_slot = (("participant", "time"), np.full((len(people), 1), 1000.0))
    inputs = {
        "slot_hours": (("time",), [0.5]),
        "demand": per_slot,
        "pv_available": per_slot,
        "participant_node": (("participant",), list(participants.values())),
        "participant_tariff": (("participant",), ["flat"] * len(people)),
        "retail_price": (("tariff", "time"), [[100.0]]),
        "feed_in_price": (("tariff", "time"), [[-100.0]]),
        "node_parent": (("node",), [PARENT[n] or "" for n in NODES]),
        "node_fee": (("node",), [EDGE[n] / 1000 for n in NODES]),
        "node_access_fee": (("node",), [ACCESS[n] / 1000 for n in NODES]),
        "node_limit": (("node",), [np.inf if limit is None else limit.get(n, np.inf) for n in NODES]),
        **changes,
    }
    if pair is not None:
        inputs["trade_fee"] = (("node", "node_to"), pair)
    coords = {"participant": people, "time": [SLOT], "tariff": ["flat"], "node": list(NODES)}
    return complete(xr.Dataset(inputs, coords=coords, attrs={"currency": "JPY"}))


def trades(outcome):
    t = outcome.trades
    names = ("sell_order", "buy_order", "energy", "price", "fee")
    return list(zip(*(t[f"trade_{n}"].values.tolist() for n in names), strict=True))


def verdicts(outcome):
    o = outcome.orders
    return {i: c for i, c in zip(o["order_id"].values.tolist(), o["code"].values.tolist(), strict=True) if c}


def still_open(outcome):
    o = outcome.orders
    return {i: e for i, e in zip(o["order_id"].values.tolist(), o["open"].values.tolist(), strict=True) if e}


# published examples, worked by hand


def test_time_decides_between_equal_prices():
    """FIFO matching in Donadio and Ghosh, Learn Algorithmic Trading, 2019: 4 at 10.00 meet A (1), B (2), C (1 of 3)."""
    bids = [("A", 10, 1), ("B", 10, 2), ("C", 10, 3), ("D", 9, 1)]
    asks = [("X", 11, 1), ("Y", 11, 2), ("Z", 12, 2)]
    rows = [order(i, m, "buy", p, e) for m, (i, p, e) in enumerate(bids)]
    rows += [order(i, 10 + m, "sell", p, e) for m, (i, p, e) in enumerate(asks)]
    found = match(dataset([*rows, order("K", 30, "sell", 10, 4)]))
    assert trades(found) == [("K", "A", 1, 10, 0), ("K", "B", 2, 10, 0), ("K", "C", 1, 10, 0)]
    assert still_open(found) == {"C": 2, "D": 1, "X": 1, "Y": 2, "Z": 2}


def test_the_resting_price_holds_and_the_rest_rests():
    """evanot.com, Market execution mechanics 14: sell 14 at 15 into bids of 2 at 16, 5 at 15, then 14 and 9."""
    bids = [("a", 16, 2), ("b", 15, 5), ("c", 14, 3), ("d", 9, 3)]
    rows = [order(i, m, "buy", p, e) for m, (i, p, e) in enumerate(bids)]
    found = match(dataset([*rows, order("s", 9, "sell", 15, 14)]))
    assert trades(found) == [("s", "a", 2, 16, 0), ("s", "b", 5, 15, 0)]
    assert still_open(found) == {"c": 3, "d": 3, "s": 7}


def test_the_uniform_price_is_the_middle_of_the_equilibrium_range():
    """Hochschule Mittweida, blockchain-academy, Double auction: index 2, 85 <= p <= 90, average mechanism 87.5."""
    rows = [order(f"b{k}", k, "buy", p, 1) for k, p in enumerate((100, 90, 80, 70, 60))]
    rows += [order(f"s{k}", 9 + k, "sell", p, 1) for k, p in enumerate((80, 85, 95, 100, 110))]
    found = match(dataset(rows), None, Rules("uniform"))
    assert trades(found) == [("s0", "b0", 1, 87.5, 0), ("s1", "b1", 1, 87.5, 0)]


def test_the_marginal_order_that_is_cut_sets_the_price():
    """Range of Double auction, Wikipedia: [max(s_k, b_k+1), min(b_k, s_k+1)]; 2 of the 3 units that b1 wants: 20."""
    rows = [order("b0", 1, "buy", 30, 1), order("b1", 2, "buy", 20, 3), order("s", 3, "sell", 10, 3)]
    found = match(dataset(rows), None, Rules("uniform"))
    assert trades(found) == [("s", "b0", 1, 20, 0), ("s", "b1", 2, 20, 0)]


def test_a_buyer_pays_the_bid_where_pay_is_as_bid():
    rows = [order("b0", 1, "buy", 30, 1), order("b1", 2, "buy", 20, 3), order("s", 3, "sell", 10, 3)]
    rows.append(order("b2", 4, "buy", None, 1))
    found = match(dataset(rows), None, Rules("pay-as-bid"))
    # the market order outbids all: it takes part first, and as it names no price its seller gets the ask
    assert trades(found) == [("s", "b0", 1, 30, 0), ("s", "b1", 1, 20, 0), ("s", "b2", 1, 10, 0)]


# fees by hand, with the levels of higashi-fuji: 4.90 in a bank, 2 x 2.45 + 0.83 + 1.13 = 6.86 between b1 and b2


@pytest.mark.parametrize(("bid", "traded"), [(14.89, False), (14.90, True)])
@pytest.mark.parametrize("mechanism", ["continuous", "uniform", "pay-as-bid"])
def test_the_difference_must_cover_the_fee(mechanism, bid, traded):
    inputs = community({"p": "b1", "q": "b1"})
    rows = [order("s", 1, "sell", 10, 1, "p"), order("b", 2, "buy", bid, 1, "q")]
    assert trades(match(dataset(rows), inputs, Rules(mechanism))) == [("s", "b", 1, 10, 4.9)] * traded


def test_priority_counts_the_fee_to_the_counterpart():
    """The neighbour asks 11 and costs 15.90; the other bank asks 10, earlier, and costs 16.86."""
    inputs = community({"far": "b2", "near": "b1", "buyer": "b1"})
    rows = [order("far", 1, "sell", 10, 1, "far"), order("near", 2, "sell", 11, 1, "near")]
    found = match(dataset([*rows, order("b", 3, "buy", 20, 1.5, "buyer")]), inputs)
    assert trades(found) == [("near", "b", 1, 11, 4.9), ("far", "b", 0.5, 10, pytest.approx(6.86))]


def test_a_resting_bid_pays_what_it_bid_and_the_fee_comes_off():
    inputs = community({"seller": "b1", "near": "b1", "far": "b2"})
    rows = [order("far", 1, "buy", 20, 1, "far"), order("near", 2, "buy", 18, 1, "near")]
    # 20 - 6.86 = 13.14 from afar, 18 - 4.90 = 13.10 from the neighbour
    found = match(dataset([*rows, order("s", 3, "sell", 13, 2, "seller")]), inputs)
    assert trades(found) == [("s", "far", 1, 13.14, 6.86), ("s", "near", 1, pytest.approx(13.1), 4.9)]


def test_equal_prices_with_fees_go_to_the_earliest():
    """In b3 (access 0) an ask of 12.45 costs a buyer of b2 12.45 + 0.50 + 2.45 = 15.40; of b2 10.50 + 4.90 = 15.40."""
    inputs = community({"s1": "b2", "s2": "b3", "buyer": "b2"})
    first = [order("x", 1, "sell", 10.5, 1, "s1"), order("y", 2, "sell", 12.45, 1, "s2")]
    swapped = [order("x", 2, "sell", 10.5, 1, "s1"), order("y", 1, "sell", 12.45, 1, "s2")]
    for rows, winner in ((first, "x"), (swapped, "y")):
        for mechanism in ("continuous", "uniform"):
            found = match(dataset([*rows, order("b", 3, "buy", 15.4, 1, "buyer")]), inputs, Rules(mechanism))
            assert [t[0] for t in trades(found)] == [winner]


def test_fees_per_pair_of_nodes_depend_on_the_direction():
    pair = np.full((4, 4), 9.0)
    pair[1, 2], pair[2, 1] = 1.0, 3.0
    inputs = community({"p": "b1", "q": "b2"}, pair=pair)
    there = [order("s", 1, "sell", 10, 1, "p"), order("b", 2, "buy", 15.9, 1, "q")]
    back = [order("s", 1, "sell", 10, 1, "q"), order("b", 2, "buy", 15.9, 1, "p")]
    for mechanism in ("continuous", "uniform"):
        rules = Rules(mechanism)
        assert trades(match(dataset(there), inputs, rules)) == [("s", "b", 1, 10, pytest.approx(5.9))]
        assert trades(match(dataset(back), inputs, rules)) == []


# limits of edges


def test_an_edge_carries_its_limit_each_way():
    """2 kW over half an hour are 1 kWh net: what trades against the flow makes room again."""
    inputs = community({"p": "b1", "p2": "b1", "q": "b2", "q2": "b2"}, limit={"b1": 2.0})
    rows = [order("a", 1, "sell", 10, 1.5, "p"), order("b", 2, "buy", 20, 1.5, "q")]
    assert still_open(match(dataset(rows), inputs)) == {"a": 0.5, "b": 0.5}
    rows += [change("a", 3, "cancel"), change("b", 3, "cancel")]
    rows += [order("c", 4, "sell", 10, 0.25, "q2"), order("d", 5, "buy", 20, 0.25, "p2")]
    rows += [order("e", 6, "sell", 10, 1, "p"), order("f", 7, "buy", 20, 1, "q")]
    found = [t[:3] for t in trades(match(dataset(rows), inputs))]
    assert found == [("a", "b", 1), ("c", "d", 0.25), ("e", "f", 0.25)]


def test_the_last_energy_over_an_edge_goes_to_who_comes_first():
    inputs = community({"p": "b1", "q": "b2", "r": "b3"}, limit={"b1": 2.0})
    rows = [
        order("a", 1, "sell", 10, 2, "p"),
        order("b", 2, "buy", 30, 0.75, "q"),
        order("c", 3, "buy", 40, 1, "r"),
    ]
    found = match(dataset(rows), inputs)
    assert [t[:3] for t in trades(found)] == [("a", "b", 0.75), ("a", "c", 0.25)]
    assert still_open(found) == {"a": 1, "c": 0.75}


def test_a_full_edge_earns_a_rent_under_a_uniform_price():
    inputs = community({"p": "b1", "q": "b2", "r": "b2"}, limit={"b1": 2.0})
    rows = [
        order("a", 1, "sell", 10, 3, "p"),
        order("b", 2, "buy", 40, 3, "q"),
        order("c", 3, "sell", 30, 1, "r"),
    ]
    found = match(dataset(rows), inputs, Rules("uniform")).trades
    # b1 has energy left at 10; in b2 the buyer, cut at 2 of 3 kWh, sets 40: 40 - 10 - 6.86 = 23.14 rent
    assert found["trade_sell_order"].values.tolist() == ["a", "c"]
    assert found["trade_price"].values.tolist() == [10, 35.1]
    np.testing.assert_allclose(found["trade_congestion"].values, [23.14, 0])


# market orders, amendments, cancellations


def test_a_market_order_takes_what_there_is_and_says_what_it_missed():
    rows = [order("s", 1, "sell", 10, 1), order("b", 2, "buy", None, 3), order("late", 3, "sell", 1, 1)]
    found = match(dataset(rows))
    assert trades(found) == [("s", "b", 1, 10, 0)]
    assert verdicts(found) == {"b": "no-counterpart"}
    assert found.orders["refused"].values.tolist() == [0, 2, 0]
    assert found.orders["reason"].values[1] == "no order to match 2.000 of 3.000 kWh of this market order"


@pytest.mark.parametrize(
    ("price", "energy", "first"),
    [(None, 0.5, "a"), (10, 1, "a"), (None, 2, "b"), (10.5, 1, "b"), (9.5, 1, "a")],
)
def test_a_place_in_time_is_kept_only_where_the_energy_falls(price, energy, first):
    rows = [
        order("a", 1, "sell", 10, 1),
        order("b", 2, "sell", 10, 1),
        change("a", 3, "amend", price, energy),
    ]
    found = match(dataset([*rows, order("k", 4, "buy", 20, 0.25)]))
    assert [t[0] for t in trades(found)] == [first]


def test_an_amended_price_trades_at_once_and_total_energy_counts_what_is_traded():
    rows = [order("a", 1, "sell", 10, 2), order("b", 2, "buy", 10, 0.5), order("c", 3, "buy", 9, 1)]
    rows += [change("a", 4, "amend", 9, 1), change("a", 5, "amend", energy=0.75), order("d", 6, "buy", 20, 1)]
    found = match(dataset(rows))
    # 0.5 traded of a total that is now 1: 0.5 more with c at c's bid; 0.75 would be less than that
    assert trades(found) == [("a", "b", 0.5, 10, 0), ("a", "c", 0.5, 9, 0)]
    assert verdicts(found) == {"a": "closed-order"}


def test_less_than_is_traded_is_refused():
    rows = [order("a", 1, "sell", 10, 2), order("b", 2, "buy", 10, 1), change("a", 3, "amend", energy=0.9)]
    found = match(dataset(rows))
    assert (verdicts(found), still_open(found)) == ({"a": "volume"}, {"a": 1})


def test_a_cancellation_keeps_the_origin():
    rows = [order("a", 1, "sell", 10, 1, origin="pv"), change("a", 2, "cancel")]
    found = match(dataset([*rows, order("b", 3, "buy", 20, 1)])).orders
    assert found["origin"].values.tolist() == ["pv", "pv", ""]
    assert found["taken"].values.all()
    assert found["traded"].values.tolist() == [0, 0, 0]
    other = match(dataset([rows[0], change("a", 2, "cancel", origin="wind"), order("b", 3, "buy", 20, 1)]))
    assert verdicts(other) == {"a": "attributes"}
    assert other.trades["trade_origin"].values.tolist() == ["pv"]


# what is refused


def refused(row, *before, inputs=None, **rules):
    found = match(dataset([*before, row]), inputs, Rules(**rules))
    last = found.orders.isel(event=-1)
    return str(last["code"].values), str(last["reason"].values)


@pytest.mark.parametrize(
    ("minute", "mechanism", "code"),
    [(-541, "continuous", "early"), (-540, "continuous", ""), (919, "uniform", ""), (920, "uniform", "late")],
)
def test_a_product_opens_24_hours_before_its_slot_and_closes_10_minutes_before_its_end(
    minute, mechanism, code
):
    """Energies 2022, 15(12), 4218, section 2.2: orders are taken for 24 h 20 min = 1,460 minutes, -540 to 920."""
    assert refused(order("a", minute, "sell", 10, 1), mechanism=mechanism)[0] == code


def test_the_gate_is_a_parameter():
    assert refused(order("a", 871, "sell", 10, 1), gate_minutes=60.0) == (
        "late",
        "the gate closed at 2020-08-19 02:30 UTC",
    )


def test_every_refusal_says_why():
    inputs = community({"p": "b1", "q": "b2"}, retail_price=(("tariff", "time"), [[29.46]]))
    inputs["feed_in_price"][:] = 8.5
    row = order("a", 1, "sell", 10, 1, "p")
    cases = {
        "product": {**row, "slot": SLOT + np.timedelta64(30, "m")},
        "participant": {**row, "participant": "nobody"},
        "node": {**row, "node": "nowhere"},
        "meter": {**row, "node": "b2"},
        "band": {**row, "price": 8.499},
        "own-generation": {**row, "energy": 500.001},
        "unknown-order": change("x", 1, "cancel"),
    }
    for code, case in cases.items():
        assert refused(case, inputs=inputs)[0] == code
    assert (
        refused(cases["band"], inputs=inputs)[1]
        == "the price 8.499 lies outside the slot's band 8.5 .. 29.46"
    )
    assert refused({**row, "slot": SLOT + np.timedelta64(1, "m")})[0] == "product"
    assert refused(cases["band"], inputs=inputs, floor=0.0, cap=50.0)[0] == ""
    mine = order("b", 2, "buy", 14.9, 1, "p")
    assert refused(mine, row, inputs=inputs)[0] == "self-trade"
    assert refused(mine, row, inputs=inputs, mechanism="uniform")[0] == ""
    assert refused({**mine, "price": 14.899}, row, inputs=inputs)[0] == ""
    assert refused({**row, "placed": mine["placed"]}, row)[0] == "duplicate"


def test_own_generation_and_connection_hold_over_all_orders_of_a_meter():
    inputs = community({"p": "b1", "q": "b2"}, import_limit=(("participant",), [4.0, 4.0]))
    inputs["pv_available"][:] = 3.0  # 1.5 kWh
    rows = [order("a", 1, "sell", 10, 1, "p"), order("b", 2, "sell", 11, 0.6, "p")]
    assert refused(rows[1], rows[0], inputs=inputs) == (
        "own-generation",
        "0.600 kWh exceed the own generation of 1.500 kWh, of which 0.500 kWh are free",
    )
    assert refused(rows[1], rows[0], change("a", 2, "cancel"), inputs=inputs)[0] == ""
    assert refused(change("a", 2, "amend", energy=1.6), rows[0], inputs=inputs)[0] == "own-generation"
    buys = [order("c", 1, "buy", 1, 2, "q"), order("d", 2, "buy", 1, 0.001, "q")]
    assert refused(buys[1], buys[0], inputs=inputs)[0] == "import-limit"


def test_positions_of_batteries_and_vehicles_at_home_and_away():
    inputs = community({"p": "b1", "q": "b2"}, export_limit=(("participant",), [5.0, 6.0]))
    inputs["pv_available"][:] = 1.0
    store = {
        "capacity": 9,
        "initial_energy": 5,
        "charge_limit": 3,
        "discharge_limit": 2,
        "charge_efficiency": 1,
    }
    store |= {"discharge_efficiency": 1}
    more = {f"{d}_{n}": ((d,), [float(v)]) for d in ("battery", "vehicle") for n, v in store.items()}
    more |= {"battery_owner": (("battery",), ["p"]), "vehicle_owner": (("vehicle",), ["p"])}
    more |= {
        "vehicle_host": (("vehicle", "time"), [["q"]]),
        "vehicle_electric_economy": (("vehicle",), [10.0]),
    }
    kept = inputs.drop_vars(
        [n for n in inputs.data_vars if n.startswith(("battery", "vehicle", "fuel", "trip"))]
    )
    kept = kept.drop_vars(["battery", "vehicle", "trip"])
    away = complete(kept.assign(more).assign_coords(battery=["x"], vehicle=["v"]))
    found = positions(away)
    assert list(zip(found["meter_participant"].values, found["meter_node"].values, strict=True)) == [
        ("p", "b1"),
        ("q", "b2"),
        ("p", "b2"),
    ]
    # half an hour of 1 kW PV + 2 kW battery; of PV alone; of the guest's charger
    assert found["own_generation"].values[:, 0].tolist() == [1.5, 0.5, 1.0]
    assert found["export_limit"].values[:, 0].tolist() == [2.5, 3.0, 1.0]
    assert found["import_limit"].values[:, 0].tolist() == [np.inf, np.inf, 1.5]
    away["vehicle_host"][:] = "p"
    assert positions(away)["own_generation"].values[:, 0].tolist()[:2] == [2.5, 0.5]
    rows = [order("s", 1, "sell", 10, 1, "p", "b2"), order("b", 2, "buy", 20, 1, "q")]
    away["vehicle_host"][:] = "q"
    assert trades(match(dataset(rows), away)) == [("s", "b", 1, 10, 4.9)]


def test_positions_of_pv_that_is_metered_gross():
    """A connection of 2 kW for PV of 3 beside one for the battery of 2.5; of PV of 1 beside one for nothing."""
    inputs = community({"p": "b1", "q": "b2"}, export_limit=(("participant",), [2.0, 2.0]))
    inputs["pv_available"][:] = [[3.0], [1.0]]
    battery = {"capacity": 9, "initial_energy": 5, "charge_limit": 3, "discharge_limit": 2.5}
    battery |= {"charge_efficiency": 1, "discharge_efficiency": 1}
    more = {f"battery_{n}": (("battery",), [float(v)]) for n, v in battery.items()}
    more |= {"battery_owner": (("battery",), ["p"]), "participant_metering": ("participant", ["gross"] * 2)}
    kept = inputs.drop_vars([n for n in inputs.data_vars if n.startswith("battery")]).drop_vars("battery")
    inputs = complete(kept.assign(more).assign_coords(battery=["x"]))
    most = [2 + 2, 1]  # kW through both connections
    found = positions(inputs)
    names = ("own_generation", "export_limit")
    sold = np.minimum(*(found[name].values[:, 0] for name in names))
    assert sold.tolist() == [0.5 * power for power in most]
    rows = [order("s", 1, "sell", 10, 2, "p"), order("t", 2, "sell", 10, 0.001, "p")]
    assert refused(rows[1], rows[0], inputs=inputs)[0] == "export-limit"
    net = positions(inputs.drop_vars("participant_metering"))
    assert np.minimum(*(net[name].values[:, 0] for name in names)).tolist() == [1.0, 0.5]


def test_limits_of_ones_own_replace_those_of_the_inputs():
    inputs = community({"p": "b1", "q": "b2"})
    limits = positions(inputs)
    limits["own_generation"][:] = 0.25
    exchange = Exchange(inputs, limits=limits)
    exchange.submit(dataset([order("a", 1, "sell", 10, 0.251, "p"), order("b", 2, "sell", 10, 0.25, "p")]))
    assert verdicts(exchange.outcome()) == {"a": "own-generation"}


def test_orders_in_portions_trade_as_at_once():
    rows = [order("a", 1, "sell", 10, 2), order("b", 2, "buy", 10, 0.5), order("c", 3, "buy", 11, 1)]
    exchange = Exchange(currency="JPY")
    for row in rows:
        exchange.submit(dataset([row]))
    assert trades(exchange.outcome()) == trades(match(dataset(rows)))
    (left,) = exchange.standing(int(SLOT.astype("datetime64[us]").astype(int)))
    assert (left.order_id, left.open, left.price) == ("a", 500, 10000)
    with pytest.raises(ValueError, match="placed before"):
        exchange.submit(dataset([order("d", 2, "buy", 1, 1)]))


def test_an_auction_is_called_once_at_its_gate():
    exchange = Exchange(currency="JPY", rules=Rules("uniform"))
    exchange.submit(dataset([order("a", 1, "sell", 10, 1), order("b", 2, "buy", 12, 1)]))
    gate = int((SLOT + np.timedelta64(20, "m")).astype("datetime64[us]").astype(int))
    exchange.call(until=gate - 1)
    assert trades(exchange.outcome()) == []
    exchange.call(until=gate)
    assert trades(exchange.outcome()) == [("a", "b", 1, 11, 0)]
    exchange.call()
    assert len(trades(exchange.outcome())) == 1


# properties over random streams of orders

PEOPLE = {f"{node}-{k}": node for node in NODES for k in (1, 2)}
TREE = reference.Tree(PARENT, EDGE, ACCESS)
RAGGED = np.array([[1, 2, 5, 4], [1, 0, 3, 7], [6, 1, 2, 2], [0, 3, 1, 1]], dtype=float)
RAGGED_FEE = {(a, b): int(1000 * RAGGED[i, j]) for i, a in enumerate(NODES) for j, b in enumerate(NODES)}


@st.composite
def streams(draw, most=25, actions=ACTIONS):
    """Return rows of orders: few prices, energies and moments, so that ties abound."""
    rows, ids, green = [], [], draw(st.booleans())
    for n in range(draw(st.integers(2, most))):
        action = draw(st.sampled_from(actions)) if ids else "new"
        minute = draw(st.integers(0, 8))
        price = draw(st.one_of(st.none(), st.integers(8, 20), st.sampled_from([10.5, 12.83, 15.69])))
        energy = draw(st.sampled_from([0.25, 0.5, 1.0, 1.001, 2.0]))
        if action == "new":
            ids.append(f"o{draw(st.integers(10, 99))}-{n}")
            who = draw(st.sampled_from(sorted(PEOPLE)))
            side = draw(st.sampled_from(["buy", "sell"]))
            price = price if price is not None or draw(st.booleans()) else 12.0
            origin = draw(st.sampled_from(["pv", "store"])) if green and side == "sell" else ""
            premium = draw(st.sampled_from([0.0, 1.5, 4.0])) if green and side == "buy" and price else 0.0
            rows.append(order(ids[-1], minute, side, price, energy, who, origin=origin, premium=premium))
        else:
            found = draw(st.sampled_from(ids))
            if any((r["order_id"], r["action"]) == (found, action) for r in rows):
                continue  # two alike at one moment are no file of orders
            blank = action == "cancel"
            rows.append(change(found, minute, action, None if blank else price, None if blank else energy))
    return rows


def plain(rows):
    """Return the rows as the reference matcher reads them."""
    return [
        {
            "id": r["order_id"],
            "time": r["placed"],
            "action": r["action"],
            "slot": r["slot"],
            "who": r["participant"],
            "node": PEOPLE.get(r["participant"]),
            "side": r["side"],
            "price": None if np.isnan(r["price"]) else round(r["price"] * 1000),
            "energy": 0 if np.isnan(r["energy"]) else round(r["energy"] * 1000),
            "green": r["origin"] == "pv",
            "premium": round(r["premium"] * 1000),
        }
        for r in rows
    ]


NETWORKS = {
    "tree": (community(PEOPLE), TREE),
    "tree with limits": (
        community(PEOPLE, limit={"b1": 1.0, "b3": 0.5, "b2": 3.0}),
        reference.Tree(PARENT, EDGE, ACCESS, {"b1": 500, "b3": 250, "b2": 1500}),
    ),
    "pairs": (community(PEOPLE, pair=RAGGED), reference.Pairs(PARENT, RAGGED_FEE, ACCESS)),
    "pairs with limits": (
        community(PEOPLE, pair=RAGGED, limit={"b1": 1.0, "b2": 2.0}),
        reference.Pairs(PARENT, RAGGED_FEE, ACCESS, {"b1": 500, "b2": 1000}),
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=counts.examples(100), deadline=None)
@given(rows=streams())
def test_a_plain_matcher_gives_the_same_trades(network, rows):
    inputs, plain_network = NETWORKS[network]
    found = match(dataset(rows), inputs)
    t = found.trades
    ours = [
        (sell, buy, *(round(1000 * float(v)) for v in numbers))
        for sell, buy, *numbers in zip(
            *(t[f"trade_{n}"].values for n in ("sell_order", "buy_order", "energy", "price", "fee")),
            strict=True,
        )
    ]
    theirs, refused_rows = reference.match(plain(rows), plain_network)
    assert ours == [trade[1:] for trade in theirs]
    o = found.orders.isel(event=np.flatnonzero(~found.orders["taken"].values))
    not_taken = list(zip(o["order_id"].values.tolist(), o["action"].values.tolist(), strict=True))
    assert not_taken == refused_rows


@pytest.mark.parametrize("mechanism", ["continuous", "uniform", "pay-as-bid"])
@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=counts.examples(25), deadline=None)
@given(rows=streams(), seed=st.integers(0, 99))
def test_what_holds_of_every_outcome(mechanism, network, rows, seed):
    inputs, plain_network = NETWORKS[network]
    found = match(dataset(rows), inputs, Rules(mechanism))
    shuffled = [rows[k] for k in np.random.default_rng(seed).permutation(len(rows))]
    again = match(dataset(shuffled), inputs, Rules(mechanism))
    xr.testing.assert_identical(again.trades, found.trades)  # rows may come in any order
    xr.testing.assert_identical(again.orders, found.orders)
    taken = found.orders.isel(event=np.flatnonzero(found.orders["taken"].values))
    new = taken.isel(event=np.flatnonzero(taken["action"].values == "new"))
    limit, premium = limits_of(new, taken), premiums_of(new)
    relief = "limits" in network and (network != "tree with limits" or any(premium.values()))
    sold, bought, flow = defaultdict(int), defaultdict(int), defaultdict(int)
    paid, received, rents = defaultdict(set), defaultdict(set), 0
    t = found.trades
    for k in range(t.sizes["trade"]):
        one = {str(n).removeprefix("trade_"): v.values[k] for n, v in t.items()}
        energy, price, fee, rent = (
            round(1000 * float(one[n])) for n in ("energy", "price", "fee", "congestion")
        )
        sell, buy = str(one["sell_order"]), str(one["buy_order"])
        assert energy > 0
        assert one["seller"] != one["buyer"]  # everybody has one meter here
        assert rent == 0 or mechanism == "uniform"
        assert rent >= 0 or relief  # a trade that frees an edge may be rewarded, out of what full edges earn
        start, end = str(one["seller_node"]), str(one["buyer_node"])
        extra = premium[buy] if one["origin"] == "pv" else 0
        assert fee == plain_network.fee(start, end)
        assert price >= limit[sell][0]
        assert price + fee + rent <= limit[buy][1] + extra
        paid[end, premium[buy]].add(price + fee + rent - extra)
        received[start, str(one["origin"])].add(price)
        rents += energy * rent
        sold[sell] += energy
        bought[buy] += energy
        for node, way in TREE.edges(start, end):
            flow[node] += way * energy
    traded = {
        i: round(1000 * e) for i, e in zip(new["order_id"].values, new["traded"].values, strict=True) if e
    }
    assert traded == {**sold, **bought}
    if mechanism == "continuous" and not relief:
        assert_nothing_left(new, flow, plain_network, limits_of(new, taken, latest=True), premium)
    assert all(abs(flow[node]) <= most for node, most in plain_network.limit.items())
    assert rents >= 0
    if mechanism == "uniform":  # one price for all that is alike
        assert {len(prices) for prices in (*paid.values(), *received.values())} <= {1}


def premiums_of(new):
    """Return what each order adds for renewable origin."""
    ids, values = new["order_id"].values.tolist(), new["premium"].values.tolist()
    return {i: round(1000 * value) for i, value in zip(ids, values, strict=True)}


def assert_nothing_left(new, flow, network, limit, premium):
    """Assert that no two orders rest that could trade: on a fee tree no trade frees an edge for such a pair.

    Fees of a tree obey the four-point condition. Let an edge keep ask a and bid b apart, and let c sell to d against its
    flow, a and d on one side of it: then a is cheaper for d than c is, or b pays c more than d does.
    """
    resting = new.isel(event=np.flatnonzero(new["open"].values > 0))
    names = ("order_id", "participant", "side", "origin")
    people = list(zip(*(resting[n].values.tolist() for n in names), strict=True))
    for (ask, seller, offers, origin), (bid, buyer, wants, _) in itertools.permutations(people, 2):
        if (offers, wants) == ("sell", "buy"):
            start, end = PEOPLE[seller], PEOPLE[buyer]
            rooms = [
                network.limit[n] - w * flow[n] for n, w in network.edges(start, end) if n in network.limit
            ]
            most = limit[bid][1] + (premium[bid] if origin == "pv" else 0)
            assert most - limit[ask][0] < network.fee(start, end) or min(rooms, default=1) <= 0


def limits_of(new, taken, latest=False):
    """Return the loosest prices that each order ever had, the least and the most, or the latest price twice."""
    found = {}
    for order_id in new["order_id"].values:
        own = taken.isel(event=np.flatnonzero(taken["order_id"].values == order_id))
        first = float(own["price"].values[0])
        prices = [float(p) for p in own["price"].values if not np.isnan(p)]
        prices = prices[-1:] if latest else prices
        ends = (-(10**9), 10**9) if np.isnan(first) else (min(prices) * 1000, max(prices) * 1000)
        found[str(order_id)] = tuple(round(e) for e in ends)
    return found


@pytest.mark.parametrize("mechanism", ["continuous", "uniform", "pay-as-bid"])
@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=counts.examples(12), deadline=None)
@given(rows=streams(), seed=st.integers(0, 99))
def test_the_order_of_nodes_and_participants_changes_nothing(mechanism, network, rows, seed):
    """The linear program then has other columns and may end at another vertex; the rules choose the same one."""
    inputs = NETWORKS[network][0]
    rng = np.random.default_rng(seed)
    turned = {dim: rng.permutation(inputs.sizes[dim]) for dim in ("node", "participant")}
    if "trade_fee" in inputs:
        turned["node_to"] = turned["node"]
    rules = Rules(mechanism)
    xr.testing.assert_identical(
        match(dataset(rows), inputs.isel(turned), rules).trades, match(dataset(rows), inputs, rules).trades
    )


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid"])
@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=counts.examples(40), deadline=None)
@given(rows=streams(most=16, actions=("new",)))
def test_an_auction_reaches_the_surplus_of_the_linear_program(mechanism, network, rows):
    """The program here has a column per ask and bid and a row per edge; the auction is a circulation."""
    side = {
        r["participant"]: r["side"] for r in rows
    }  # a meter on both sides may keep what it would sell itself
    rows = [r for r in rows if not np.isnan(r["price"]) and r["side"] == side[r["participant"]]]
    rows = rows or [order("a", 1, "sell", 9, 1, "b1-1")]
    inputs, plain_network = NETWORKS[network]
    found = match(dataset(rows), inputs, Rules(mechanism))
    kept = set(found.orders["order_id"].values[found.orders["taken"].values].tolist())
    rows = {r["id"]: r for r in plain(rows) if r["id"] in kept}

    def gain(ask, bid):
        extra = bid["premium"] if ask["green"] else 0
        return bid["price"] + extra - ask["price"] - plain_network.fee(ask["node"], bid["node"])

    asks, bids = ([r for r in rows.values() if r["side"] == side] for side in ("sell", "buy"))
    pairs = list(itertools.product(asks, bids))
    if mechanism == "pay-as-bid":  # nobody could pay for a trade at a loss that frees an edge for another
        pairs = [pair for pair in pairs if gain(*pair) >= 0]
    ours = sum(round(1000 * t[2]) * gain(rows[t[0]], rows[t[1]]) for t in trades(found))
    if not pairs:
        assert ours == 0
        return
    rows_of = [[float(r["id"] in (a["id"], b["id"])) for a, b in pairs] for r in rows.values()]
    most = [r["energy"] for r in rows.values()]
    for node, limit in plain_network.limit.items():
        way = [float(dict(TREE.edges(a["node"], b["node"])).get(node, 0)) for a, b in pairs]
        rows_of += [way, [-w for w in way]]
        most += [limit, limit]
    best = linprog([-gain(*pair) for pair in pairs], A_ub=np.array(rows_of), b_ub=most, method="highs")
    assert best.status == 0
    assert ours == pytest.approx(-best.fun, abs=1e-3)


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid"])
@pytest.mark.parametrize("pair", [None, RAGGED])
def test_an_auction_takes_orders_that_cross_and_skips_the_trade_of_a_meter_with_itself(mechanism, pair):
    """At one node: p offers 1 at 5 and bids 30 for 1, c bids 20, d offers 1 at 10: p keeps its own, d sells to c."""
    inputs = community({"p": "b1", "c": "b1", "d": "b1"}, pair=pair)
    rows = [
        order("s", 1, "sell", 5, 1, "p"),
        order("b", 2, "buy", 30, 1, "p"),
        order("c", 3, "buy", 20, 1, "c"),
        order("d", 4, "sell", 10, 1, "d"),
    ]
    found = match(dataset(rows), inputs, Rules(mechanism))
    assert set(verdicts(found).values()) <= {""}
    assert [t[:3] for t in trades(found)] == [("d", "c", 1)]
    alone = match(dataset(rows[:2]), inputs, Rules(mechanism))
    assert trades(alone) == []
    assert still_open(alone) == {}
    moved = [*rows[:1], order("b", 2, "buy", 6, 1, "p"), change("b", 3, "amend", price=30)]
    assert set(verdicts(match(dataset(moved), inputs, Rules(mechanism))).values()) <= {""}


RELIEF = np.full((4, 4), 50.0)
RELIEF[1, 2], RELIEF[2, 1] = 2.0, 0.0
"""Fees per pair: only b1 and b2 trade, one with the other."""


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid"])
def test_a_trade_that_frees_a_full_edge_is_rewarded_out_of_its_rent(mechanism):
    """b1's edge carries 1 kWh. a offers 3 at 5 in b1, b wants 3 at 40 in b2; back, c offers 1 at 20 and d bids 23.

    The access fees are 2 x 2.45. c to d loses 20 + 4.9 - 23 = 1.9, and lets one more kWh through from a to b, a gain of
    40 - 5 - 6.9 = 28.1. In b1 a, who has more, sets 5, and b, who wants more, 40 in b2: the edge earns 28.1 a kWh.
    """
    inputs = community({"a": "b1", "d": "b1", "b": "b2", "c": "b2"}, pair=RELIEF, limit={"b1": 2.0})
    rows = [
        order("a", 1, "sell", 5, 3, "a"),
        order("b", 2, "buy", 40, 3, "b"),
        order("c", 3, "sell", 20, 1, "c"),
        order("d", 4, "buy", 23, 1, "d"),
    ]
    found = match(dataset(rows), inputs, Rules(mechanism)).trades
    sold = list(zip(found["trade_sell_order"].values, found["trade_energy"].values, strict=True))
    if mechanism == "pay-as-bid":
        assert sold == [("a", 1)]
        assert found["trade_price"].values.tolist() == [pytest.approx(33.1)]
        return
    assert sold == [("a", 2), ("c", 1)]
    rent = found["trade_congestion"].values
    np.testing.assert_allclose(rent, [28.1, -28.1])
    assert found["trade_price"].values[0] == 5
    assert found["trade_price"].values[1] >= 20
    paid = found["trade_price"].values + found["trade_fee"].values + rent
    assert paid[0] == pytest.approx(40)
    assert paid[1] <= 23
    assert float(found["trade_energy"].values @ rent) == pytest.approx(28.1)  # 1 kWh over the edge, net


# premiums for renewable origin


@pytest.mark.parametrize(("premium", "first"), [(2.5, "pv"), (2.0, "any"), (0.0, "any")])
def test_a_green_buyer_takes_renewable_energy_first_as_far_as_its_premium_goes(premium, first):
    rows = [order("any", 1, "sell", 10, 1, origin="store"), order("pv", 2, "sell", 12, 1, origin="pv")]
    found = match(dataset([*rows, order("b", 3, "buy", 11, 1, premium=premium)]))
    assert trades(found) == [(first, "b", 1, {"pv": 12, "any": 10}[first], 0)]
    both = match(dataset([*rows, order("b", 3, "buy", 11, 2, premium=premium)]))
    assert len(trades(both)) == (2 if premium >= 1 else 1)


def test_a_resting_green_bid_adds_its_premium_for_renewable_energy_alone():
    rows = [order("green", 1, "buy", 11, 2, premium=3.0), order("plain", 2, "buy", 12, 1)]
    rows += [order("pv", 3, "sell", 11, 1, origin="pv"), order("store", 4, "sell", 11, 2, origin="store")]
    assert trades(match(dataset(rows))) == [
        ("pv", "green", 1, 14, 0),
        ("store", "plain", 1, 12, 0),
        ("store", "green", 1, 11, 0),
    ]


def test_a_green_bid_that_is_cancelled_or_cut_is_gone_from_both_boards():
    rows = [order("g", 1, "buy", 11, 2, premium=3.0), order("h", 2, "buy", 10, 1, premium=5.0)]
    sales = [order("s", 5, "sell", 11, 1, origin="pv"), order("t", 6, "sell", 10, 1)]
    assert [t[1] for t in trades(match(dataset([*rows, *sales])))] == [
        "h",
        "g",
    ]  # 15 before 14; then 11 before 10
    gone = [*rows, change("h", 3, "cancel"), change("g", 4, "amend", 9.5)]
    assert trades(match(dataset([*gone, *sales]))) == [("s", "g", 1, 12.5, 0)]


@pytest.mark.parametrize("mechanism", ["uniform", "pay-as-bid"])
def test_auctions_count_the_premium(mechanism):
    """The green bid is worth 14 to pv and 11 to the store, which asks for 10; the plain bid of 12 is left with that.

    Surplus: (14 - 9) + (12 - 10), not (12 - 9) + (11 - 10).
    """
    rows = [order("green", 1, "buy", 11, 1, premium=3.0), order("plain", 2, "buy", 12, 1)]
    rows += [order("pv", 3, "sell", 9, 1, origin="pv"), order("store", 4, "sell", 10, 1, origin="store")]
    found = match(dataset(rows), None, Rules(mechanism))
    pairs = {(sell, buy) for sell, buy, *_ in trades(found)}
    assert pairs == {("pv", "green"), ("store", "plain")}
    price = {sell: p for sell, _, _, p, _ in trades(found)}
    if mechanism == "pay-as-bid":
        assert price == {"pv": 14, "store": 12}
    else:
        assert 10 <= price["store"] <= 11
        assert 9 <= price["pv"] <= 14


def test_a_premium_moves_within_the_band_and_not_into_ones_own_ask():
    inputs = community({"p": "b1", "q": "b1"}, retail_price=(("tariff", "time"), [[30.0]]))
    bid = order("b", 2, "buy", 28, 1, "p", premium=2.5)
    assert refused(bid, inputs=inputs) == (
        "band",
        "the price 28 with its premium 2.5 lies outside the slot's band -100 .. 30",
    )
    mine = order("s", 1, "sell", 25, 1, "p", origin="pv")
    assert refused({**bid, "premium": 2.0}, mine, inputs=inputs)[0] == "self-trade"
    assert refused({**bid, "premium": 1.8}, mine, inputs=inputs)[0] == ""  # 29.8 < 25 + 4.9
    assert refused({**bid, "premium": 2.0}, {**mine, "origin": "store"}, inputs=inputs)[0] == ""
