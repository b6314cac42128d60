"""Whole fees, limited edges, and which orders are taken: `integer_fees`, `admission`, `order_book`, `deals`."""

from dataclasses import replace

import numpy as np
import pytest

from otonari.data.inputs.currency import scale
from otonari.model.exchange import deals
from otonari.model.exchange.admission import Admission, Refusal, kwh
from otonari.model.exchange.integer_fees import home_nodes, wheeling
from otonari.model.exchange.order_book import BUY, SELL, Book, Order
from otonari.model.exchange.products import Rules
from otonari.model.exchange.records import Event

from . import neighbourhood


@pytest.fixture(scope="module")
def tree():
    return wheeling(neighbourhood.inputs(), scale("JPY"))


# integer_fees


def test_fees_along_the_path_are_whole(tree):
    left, right = tree.node("left"), tree.node("right")
    for buys in (True, False):
        assert tree.fees(left, buys)[left] == 1_000  # access twice, no edge
        assert tree.fees(left, buys)[right] == 4_000  # 0.5 + 1 + 2 + 0.5
    assert tree.fees(left, True).dtype == np.int64
    assert tree.largest_fee() >= 4_000
    assert tree.node("nowhere") == -1


def test_a_limited_edge_carries_energy_by_the_length_of_the_slot(tree):
    assert tree.limited.tolist() == [tree.node("left")]
    assert tree.below[0].tolist() == [label == "left" for label in tree.index]
    assert tree.limits(0.5).tolist() == [[1_000], [1_000]], "up and down"


def test_without_inputs_everybody_is_at_one_node_free_of_fees():
    free = wheeling(None, scale("JPY"))
    assert (free.size, free.node("anywhere"), free.fees(0, True).tolist()) == (1, 0, [0])
    assert home_nodes(neighbourhood.inputs()) == {"anna": "left", "bert": "left", "site": "right"}


# admission

NOON = 12 * 3_600_000_000
ROW = Event(
    row=1,
    order_id="a",
    placed=NOON - 60_000_000,
    action="new",
    slot=NOON,
    participant="anna",
    node="",
    side="sell",
    price=10_000,
    energy=500,
    origin="pv",
    premium=0,
)


def admission(**rules):
    return Admission(None, Rules(**rules), wheeling(None, scale("JPY")))


def test_an_order_is_taken_in_whole_numbers():
    order = admission().order(ROW, 7)
    assert (order.side, order.key, order.open, order.sequence, order.green) == (SELL, 10_000, 500, 7, True)
    bid = admission().order(replace(ROW, side="buy", premium=2_000), 8)
    assert (bid.side, bid.key, bid.price, bid.green) == (BUY, -10_000, 10_000, False)
    assert bid.boards == ((0, -10_000), (1, -12_000))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slot": NOON + 1}, "product"),
        ({"placed": NOON - 24 * 3_600_000_000 - 1}, "early"),
        (
            {"placed": NOON + 20 * 60_000_000},
            "late",
        ),  # the gate is 10 minutes before the end of the half hour
        ({"price": 7_999}, "band"),
        ({"price": 29_000, "side": "buy", "premium": 1_001}, "band"),
    ],
)
def test_an_order_is_refused_with_a_code(change, code):
    with pytest.raises(Refusal) as refusal:
        admission(floor=8.0, cap=30.0).order(replace(ROW, **change), 1)
    assert refusal.value.code == code


def test_a_meter_does_not_trade_with_itself():
    checks = admission()
    checks.stand(checks.order(ROW, 1))
    checks.order(replace(ROW, order_id="b", side="buy", price=9_999), 2)
    with pytest.raises(Refusal, match="open order a") as refusal:
        checks.order(replace(ROW, order_id="c", side="buy"), 3)
    assert refusal.value.code == "self-trade"


def test_energy_is_written_in_kwh():
    assert kwh(1_234) == "1.234"


# order_book


def order(number, side, price, energy, node):
    key = price if side == SELL else -price
    return Order(str(number), f"p{number}", "", node, 0, side, key, False, energy, number, open=energy)


def test_the_session_takes_the_best_order_fee_included(tree):
    # to left: the ask at left of 13 + 1 beats the one at right of 11 + 4; then that one, as far as the edge carries
    left, right = tree.node("left"), tree.node("right")
    book = Book(tree, tree.limits(0.5))
    near, far = order(1, SELL, 13_000, 300, left), order(2, SELL, 11_000, 5_000, right)
    bid = order(3, BUY, 20_000, 3_000, left)
    for number, one in enumerate((near, far, bid)):
        book.arrive(one, number)
    fills = [(fill.ask.order_id, fill.energy, fill.price, fill.fee) for fill in book.fills]
    assert fills == [("1", 300, 13_000, 1_000), ("2", 1_000, 11_000, 4_000)]
    assert (bid.open, bid.traded, far.open) == (1_700, 1_300, 4_000)
    assert book.flow.tolist() == [-1_000]  # away from the root


# deals


def test_deals_of_slots_are_joined_and_netted():
    one = deals.Deals(
        *(np.array(column) for column in ([0, 1], [1, 2], [2.0, 1.0], *[[1.0, 1.0]] * 3, [2.0, 1.0]))
    )
    assert one.net(3).tolist() == [-2.0, 1.0, 1.0]
    assert one.where(one.energy > 1).buyer.tolist() == [1]
    assert deals.joined([one, one.where(one.energy > 1)]).seller.tolist() == [0, 1, 0]
