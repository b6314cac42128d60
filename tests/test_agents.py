"""Agents by hand: plans, limit prices, expectations; and what is delivered of what was traded."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from otonari.data.inputs.contract import complete
from otonari.model.agents import bidding, delivery, dispatch, planning, price_expectations, reachable_energy
from otonari.model.agents.order_management import Held, ProductBook
from otonari.model.clearing import community_block
from otonari.model.exchange.deals import Deals
from otonari.model.exchange.exchange import Rules, positions
from otonari.model.topology import stores
from otonari.runs.report import tables
from otonari.runs.simulate.loop import State
from otonari.runs.simulate.results import order_books

from .communities import community

BATTERY = {
    "owner": "home",
    "capacity": 4,
    "initial_energy": 0,
    "final_energy": 0,
    "charge_limit": 1,
    "discharge_limit": 2,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
    "wear_cost": 1,
}

BAND = (8.0, 30.0)
"""The tariffs' own: feed-in to retail."""


def home(demand=(0, 1), pv=(0, 0), battery=True, **more):
    """Return one home over two hours; retail 30, feed-in 8, access fee 1."""
    case = {
        "slots": [1, 1],
        "nodes": {"bank": {"parent": "", "access_fee": 1}},
        "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}},
        "participants": {
            "home": {"node": "bank", "tariff": "flat", "demand": list(demand), "pv_available": list(pv)}
            | more,
            "peer": {"node": "bank", "tariff": "flat", "demand": [0, 0], "pv_available": [5, 5]},
        },
        "batteries": {"b": BATTERY if battery is True else battery} if battery else {},
    }
    return community(case)


def quotes(*price):
    both = (("node", "time"), np.array([price], dtype=float))
    return xr.Dataset({"price": both, "sale_price": both})


def test_a_plan_buys_cheap_to_use_dear():
    # A kWh of hour 1 costs 20 + 1; from the battery, charged at 10 + 1, it costs 11 / 0.72 + 1 = 16.3. One kW for an
    # hour stores 0.9 and gives 0.72 of the 1 kWh. Another kWh stored would save 0.8 x (21 - 1) = 16.
    plan = planning.plan(home(), quotes(10, 20))
    assert plan.charge[0] == pytest.approx([1, 0])
    assert plan.discharge[0] == pytest.approx([0, 0.72])
    assert plan.value[0] == pytest.approx([16, 16])
    assert plan.net[0] == pytest.approx([1, 0.28])


def test_a_plan_stays_idle_where_peers_are_too_dear():
    # 18 + 1 = 19 now, 19 / 0.72 + 1 = 27.4 later, against 21
    assert planning.plan(home(), quotes(18, 20)).charge.sum() == 0


def test_quotes_belong_to_the_quoted_market():
    with pytest.raises(ValueError, match="quotes"):
        community_block(home(), "quoted")
    with pytest.raises(ValueError, match="quotes"):
        community_block(home(), "p2p", quotes=quotes(10, 20))


def test_limit_prices_are_opportunity_costs():
    inputs = home()
    plan = planning.plan(inputs, quotes(10, 20))
    now, later = (bidding.order_intents(inputs, plan, t, np.zeros(2), BAND) for t in (0, 1))
    assert [w for w in now if w.trader == 0] == [
        bidding.OrderIntent(0, "store0", "buy", 14.4, 1.0)
    ]  # 0.9 x 16
    assert [w for w in later if w.trader == 0] == [
        bidding.OrderIntent(0, "home", "buy", 30.0, 0.28)
    ]  # retail
    assert [w for w in now if w.trader == 1] == [bidding.OrderIntent(1, "home", "sell", 8.0, 5.0)]  # feed-in


def test_discharge_is_offered_at_its_cost():
    # nothing to use: 0.72 kWh are sold at 20 - 1 = 19; a kWh stored is worth 0.8 x (19 - 1) = 14.4: 14.4 / 0.8 + 1 = 19
    inputs = home(demand=(0, 0))
    plan = planning.plan(inputs, quotes(10, 20))
    assert plan.value[0, 1] == pytest.approx(14.4)
    assert bidding.order_intents(inputs, plan, 1, np.zeros(2), BAND)[0] == bidding.OrderIntent(
        0, "store0", "sell", 19.0, 0.72
    )


def test_what_is_to_be_charged_later_at_the_same_value_may_come_forward():
    # 0.45 kWh more at the end: charged in hour 1 at 10 + 1, so that a kWh stored is worth 11 / 0.9 in both hours, and a
    # seller at 11 or less in hour 0 is as good; at 13 + 1 in hour 1 it is charged in hour 0, and nothing is left
    store = BATTERY | {"initial_energy": 1, "final_energy": 1.45}
    inputs = home(demand=(0, 0), battery=store)
    plan = planning.plan(inputs, quotes(12, 10))
    assert plan.charge[0] == pytest.approx([0, 0.5])
    assert plan.forward[0] == pytest.approx([0.5, 0])
    first = bidding.order_intents(inputs, plan, 0, np.zeros(2), BAND)[0]
    assert first == bidding.OrderIntent(0, "store0", "buy", 11.0, 0.5)
    narrow = home(demand=(0, 0), battery=store, import_limit=0.3)
    assert bidding.order_intents(narrow, plan, 0, np.zeros(2), BAND)[0].energy == 0.3
    assert planning.plan(inputs, quotes(12, 13)).forward[0] == pytest.approx([0, 0])


def test_what_is_contracted_is_not_ordered_again_and_never_resold():
    inputs = home(demand=(3, 3), battery=False)
    plan = planning.plan(inputs, quotes(10, 20))
    assert bidding.order_intents(inputs, plan, 0, np.array([2.0, -5.0]), BAND) == [
        bidding.OrderIntent(0, "home", "buy", 30.0, 1.0)
    ]
    assert bidding.order_intents(inputs, plan, 0, np.array([4.0, -5.0]), BAND) == []


def test_green_participants_add_a_premium_within_the_band():
    inputs = home(green_premium=3)
    plan = planning.plan(inputs, quotes(10, 20))
    charge = bidding.order_intents(inputs, plan, 0, np.zeros(2), BAND)[0]
    assert (charge.price, charge.premium) == (14.4, 3.0)
    deficits = [
        bidding.order_intents(inputs, plan, 1, np.zeros(2), (8.0, cap))[0] for cap in (30.0, 31.5, 40.0)
    ]
    assert [(w.price, w.premium) for w in deficits] == [(30.0, 0.0), (30.0, 1.5), (30.0, 3.0)]


def test_a_declared_band_holds_back_what_it_makes_worthless():
    # the peer's surplus is worth 8, but asks for no less than the floor; a charge is worth 14.4, under the floor of 15;
    # a deficit is worth 30, and bids no more than the cap; no discharge at 19 where the cap is 18
    inputs = home()
    plan = planning.plan(inputs, quotes(10, 20))
    assert bidding.order_intents(inputs, plan, 0, np.zeros(2), (15.0, 30.0)) == [
        bidding.OrderIntent(1, "home", "sell", 15.0, 5.0)
    ]
    assert bidding.order_intents(inputs, plan, 1, np.zeros(2), (8.0, 25.0))[0].price == 25.0
    giving = home(demand=(0, 0))
    plan = planning.plan(giving, quotes(10, 20))
    assert [w.trader for w in bidding.order_intents(giving, plan, 1, np.zeros(2), (8.0, 18.0))] == [1]


def test_expectations_begin_in_the_middle_and_follow_what_came():
    inputs = home()
    expected = price_expectations.Expectations(inputs, 2, weight=0.5)
    expected.learn(1, [(0, 0, 1.0, 21.0), (0, 0, 3.0, 29.0), (1, 0, 2.0, 9.0)])
    found = expected.quotes(inputs, np.array([0, 1]))
    assert found["price"].values[0] == pytest.approx([19, 23])  # (19 + 27) / 2
    assert found["sale_price"].values[0] == pytest.approx([19, 14])  # (19 + 9) / 2


HERE = np.zeros(2, dtype=int)
"""Both traders at the only node."""


def book(inputs):
    return ProductBook(inputs, 0, positions(inputs), Rules())


def test_orders_become_deals_and_lessons():
    inputs = home(demand=(3, 3), battery=False)
    at = int(inputs["time"].values.astype("datetime64[us]").astype(np.int64)[0])
    product = book(inputs)
    ask, bid = (
        bidding.OrderIntent(1, "home", "sell", 8.0, 2.0),
        bidding.OrderIntent(0, "home", "buy", 30.0, 3.0),
    )
    product.place(at - 3_600_000_000, 0, [ask], [0, 1], HERE)
    product.place(at - 1_800_000_000, 1, [ask], [0, 1], HERE)  # the same intent: nothing is placed
    assert len(product.rows) == 1
    product.place(
        at, 2, [bid], [0, 1], HERE
    )  # nobody intends to sell any more: the ask is withdrawn before the bid comes
    assert len(product.deals(HERE).energy) == 0
    product.place(at, 3, [ask, bid], [0, 1], HERE)
    deals, learned = product.close(HERE)
    assert [row[6] for row in product.rows] == ["pv", "", "", "pv"]
    # the resting bid pays 30: the seller gets 30 - 2 x 1 access; 1 kWh of the bid is left to the retailer
    assert (deals.seller.tolist(), deals.buyer.tolist(), deals.energy.tolist()) == ([1], [0], [2.0])
    assert (deals.price.tolist(), deals.fee.tolist()) == ([28.0], [2.0])
    assert sorted(learned) == [(0, 0, 1.0, 29.0), (0, 0, 2.0, 29.0), (1, 0, 2.0, 29.0)]
    # the ask that was withdrawn untraded is on no level
    rows = zip(*(column.tolist() for column in product.ladder), strict=True)
    assert [*rows] == [(0, 8.0, 2.0, 2.0), (1, 30.0, 3.0, 2.0)]


def test_what_an_envelope_cuts_is_counted_once_and_told():
    """2 kWh asked twice where 1.5 fit: half a kWh is cut, however often it is asked; in the run file, and in words."""
    inputs = home(demand=(3, 3), battery=False)
    most = np.full((2, inputs.sizes["time"]), np.inf)
    most[1] = 1.5
    inputs = complete(inputs.assign(export_envelope=(("participant", "time"), most)))
    at = int(inputs["time"].values.astype("datetime64[us]").astype(np.int64)[0])
    product = book(inputs)
    for number, kwh in enumerate((2.0, 1.9, 2.0)):
        product.place(at, number, [bidding.OrderIntent(1, "home", "sell", 8.0, kwh)], [0, 1], HERE)
    product.close(HERE)
    who = str(inputs["participant"].values[1])
    assert product.held.cuts == [(who, "sell", 500)]
    state = State(
        1,
        *[np.zeros(0)] * 4,
        ladders=[product.ladder],
        held=[Held([(who, "sell", 500)], [("n", "into", 20)])],
    )
    found = order_books(inputs, state)
    assert (found["cut_participant"].item(), found["cut_energy"].item()) == (who, 0.5)
    assert (found["full_node"].item(), found["full_way"].item(), found["full_energy"].item()) == (
        "n",
        "into",
        0.02,
    )
    told = tables.held(xr.DataTree.from_dict({"/order_book": found}))
    assert told == [
        "envelopes cut 0.500 kWh of orders of 1 participants in 1 slots",
        "trades filled limits of n in 1 slots: who is behind them was passed over",
    ]


@pytest.mark.parametrize("mechanism", ["continuous", "uniform"])
def test_the_ladder_adds_up_orders_of_a_price_and_is_sorted(mechanism):
    """Two bids of 30 are one level; an auction leaves nothing open, and yet its ladder has what was not traded."""
    inputs = home(demand=(3, 3), battery=False)
    at = int(inputs["time"].values.astype("datetime64[us]").astype(np.int64)[0])
    product = ProductBook(inputs, 0, positions(inputs), Rules(mechanism=mechanism))
    asks = [bidding.OrderIntent(1, part, "sell", price, 0.5) for part, price in (("home", 9.0), ("b", 8.0))]
    bids = [bidding.OrderIntent(0, part, "buy", 30.0, 1.0) for part in ("home", "b")]
    product.place(at, 0, asks + bids, [0, 1], HERE)
    deals, _ = product.close(HERE)
    assert deals.energy.sum() == pytest.approx(1.0)
    ladder = product.ladder
    assert ladder.side.tolist() == [0, 0, 1]
    assert ladder.price.tolist() == [8.0, 9.0, 30.0]
    assert ladder.energy.tolist() == [0.5, 0.5, 2.0]
    assert ladder.traded.tolist() == [0.5, 0.5, 1.0]


def test_a_book_is_the_same_after_it_is_made_again():
    inputs = home(demand=(3, 3), battery=False)
    at = int(inputs["time"].values.astype("datetime64[us]").astype(np.int64)[0])
    first = book(inputs)
    first.place(at, 0, [bidding.OrderIntent(1, "home", "sell", 8.0, 2.0)], [0, 1], HERE)
    first.place(
        at, 1, [bidding.OrderIntent(1, "home", "sell", 8.0, 1.5)], [0, 1], HERE
    )  # less at the same price: amended
    assert [row[5] for row in first.rows] == ["new", "amend"]
    second = book(inputs)
    second.submit(first.rows)
    for one in (first, second):
        one.place(at, 2, [bidding.OrderIntent(0, "home", "buy", 30.0, 3.0)] * 1, [0, 1], HERE)
    assert first.rows == second.rows


def deals(*rows):
    seller, buyer, energy = (np.array(column) for column in zip(*rows, strict=True))
    prices = (np.full(len(rows), x) for x in (10.0, 2.0, 0.0))
    return Deals(seller, buyer, energy.astype(float), *prices, energy.astype(float))


def test_first_traded_is_first_served():
    inputs = home()
    made = deals((1, 0, 2.0), (1, 0, 2.0))
    served = delivery.deliver(inputs, 0, made, np.array([5.0, -3.0]))
    assert served.energy.tolist() == [2.0, 1.0]
    served = delivery.deliver(inputs, 0, made, np.array([1.5, -3.0]))
    assert served.energy.tolist() == [1.5, 0.0]
    assert served.contracted.tolist() == [2.0, 2.0]


def realised(inputs, plan, contracted, energy=0.0, least=0.0):
    return dispatch.realise(inputs, 0, np.array([energy]), plan, np.array(contracted), np.array([least]))


def test_charging_that_found_no_seller_is_given_up():
    plan = planning.plan(home(), quotes(10, 20))
    assert realised(home(), plan, [0.0, 0.0]).charge[0] == 0  # worth 14.4 < 30
    assert realised(home(), plan, [0.4, -0.4]).charge[0] == pytest.approx(0.4)
    # unless it must be: 0.45 kWh at the end of the slot are 0.5 kW
    assert realised(home(), plan, [0.0, 0.0], least=0.45).charge[0] == pytest.approx(0.5)


def test_a_battery_makes_up_for_what_the_forecast_missed():
    # planned: charge 1 kW. Came: a deficit of 1.5 kW, against a value of 16 / 0.8 + 1 = 21 < 30: it discharges, as far
    # as 1.5 kWh x 0.8 = 1.2 kW reach. With 2 kW of sun that nobody bought it charges at most its 1 kW.
    plan = planning.plan(home(), quotes(10, 20))
    came = realised(home(demand=(1.5, 1)), plan, [0.0, 0.0], energy=1.5)
    assert (came.charge[0], came.discharge[0], came.energy[0]) == pytest.approx((0, 1.2, 0))
    assert came.net[0] == pytest.approx(0.3)
    sunny = realised(home(pv=(2, 0)), plan, [0.0, 0.0])
    assert (sunny.charge[0], sunny.net[0]) == pytest.approx((1, -1))


def test_connections_hold():
    plan = planning.plan(home(), quotes(10, 20))
    assert realised(home(import_limit=0.5), plan, [1.0, -1.0]).charge[0] == pytest.approx(0.5)
    spilt = realised(home(pv=(4, 0), export_limit=1), plan, [0.0, 0.0])
    assert (spilt.curtailment[0], spilt.net[0]) == pytest.approx((2, -1))


def test_chargers_take_nothing_or_at_least_their_minimum():
    store = replace(stores.stores(home()), min_charge=np.array([1.0]))
    found = [store.chargeable(np.array([power]), np.array([2.0]))[0] for power in (0, 0.4, 0.5, 0.9, 1.6)]
    assert found == [0, 0, 1, 1, 1.6]
    assert store.chargeable(np.array([0.4]), np.array([2.0]), np.array([0.1]))[0] == 1  # it must be
    assert store.chargeable(np.array([0.9]), np.array([0.9]))[0] == 0  # the battery is nearly full


def test_energy_that_must_be_there_in_time():
    # 1.8 kWh at the end with 0.9 kWh an hour: 0.9 must be there after the first
    inputs = home().assign(battery_final_energy=("battery", [1.8]))
    assert reachable_energy.required(inputs)[0] == pytest.approx([0.9, 1.8])
