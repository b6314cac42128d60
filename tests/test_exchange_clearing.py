"""Call auctions worked out by hand: `min_cost_flow`, `auction_clearing`, `call_auction`."""

import numpy as np
import pytest

from otonari.data.inputs.currency import scale
from otonari.model.exchange import auction_clearing, call_auction, min_cost_flow
from otonari.model.exchange.integer_fees import wheeling
from otonari.model.exchange.min_cost_flow import Arcs
from otonari.model.exchange.order_book import BUY, SELL, Order

from . import neighbourhood


def arcs(nodes, *rows):
    """Return arcs of rows (tail, head, cost, capacity)."""
    return Arcs(nodes, *(np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)))


# min_cost_flow


def test_a_circulation_takes_the_cheap_way_first():
    # 3 units are worth 10 each from 0 to 1: 2 take the way at 4, the third the one at 7, which is still worth it
    network = arcs(2, (0, 1, 4, 2), (0, 1, 7, 5), (1, 0, -10, 3))
    assert min_cost_flow.least_cost(network).tolist() == [2, 1, 3]


def test_nothing_flows_at_a_loss():
    assert min_cost_flow.least_cost(arcs(2, (0, 1, 11, 2), (1, 0, -10, 3))).tolist() == [0, 0]
    none = Arcs(1, *[np.zeros(0, dtype=np.int64)] * 4)
    assert min_cost_flow.least_cost(none).tolist() == []


def test_potentials_are_the_middle_of_the_optimal_range():
    # a unit comes at 4 and leaves at 9; all of both is taken, so that its value is within 4 .. 9: the middle, floored
    network = arcs(2, (0, 1, 4, 2), (1, 0, -9, 2))
    flow = min_cost_flow.least_cost(network)
    assert min_cost_flow.potentials(network, flow, ground=0).tolist() == [0, 6]
    # where something is left of the way at 4, that is the value
    network = arcs(2, (0, 1, 4, 3), (1, 0, -9, 2))
    flow = min_cost_flow.least_cost(network)
    assert min_cost_flow.potentials(network, flow, ground=0).tolist() == [0, 4]


def test_a_flow_that_is_not_optimal_is_refused():
    network = arcs(2, (0, 1, 4, 2), (1, 0, -9, 2))
    with pytest.raises(AssertionError, match="not optimal"):
        min_cost_flow.potentials(network, np.zeros(2, dtype=np.int64), ground=0)


@pytest.mark.parametrize(("order", "flow"), [([0, 1], [2, 1, 3]), ([1, 0], [1, 2, 3])])
def test_among_equals_the_first_has_most(order, flow):
    network = arcs(2, (0, 1, 4, 2), (0, 1, 4, 2), (1, 0, -9, 3))
    least = min_cost_flow.least_cost(network)
    potential = min_cost_flow.potentials(network, least, ground=0)
    assert min_cost_flow.prefer(network, least, potential, np.array(order)).tolist() == flow


# auction_clearing and call_auction, on the tree root - left (edge 1, access 0.5, at most 2 kW), root - right (2, 0.5)

LEFT, RIGHT = "left", "right"


def orders(network, *rows):
    """Return orders of rows (side, node, price, Wh), in the order of time."""
    return [
        Order(
            order_id=f"{k}",
            participant=f"p{k}",
            node_label=node,
            node=network.node(node),
            slot=0,
            side=side,
            key=price if side == SELL else -price,
            market=False,
            energy=energy,
            sequence=k,
            open=energy,
        )
        for k, (side, node, price, energy) in enumerate(rows)
    ]


def keys(placed):
    return np.array([o.key for o in placed], dtype=np.int64)


@pytest.fixture(scope="module")
def tree():
    return wheeling(neighbourhood.inputs(), scale("JPY"))


def test_surplus_pays_the_path(tree):
    # 10 + 0.5 + 1 + 2 + 0.5 = 14 per kWh: the bid of 14 trades at no loss, that of 13.9 does not
    placed = orders(tree, (SELL, LEFT, 10_000, 900), (BUY, RIGHT, 14_000, 500), (BUY, RIGHT, 13_900, 400))
    cleared = auction_clearing.over_tree(placed, keys(placed), tree, tree.limits(1.0))
    assert cleared.energy.tolist() == [500, 500, 0]
    assert cleared.price.tolist()[:2] == [10_000, 14_000]  # some of the ask is left: its price holds
    assert cleared.transfers is None


def test_a_full_edge_earns_the_rent(tree):
    # over the edge of left go 2 kWh; left is worth 10 (some of the ask is left), right 20 (some of the bid is)
    placed = orders(tree, (SELL, LEFT, 10_000, 3_000), (BUY, RIGHT, 20_000, 3_000))
    (fill,) = call_auction.clear(placed, tree, tree.limits(1.0))
    assert (fill.energy, fill.price, fill.fee, fill.congestion) == (2_000, 10_000, 4_000, 6_000)


def test_the_earliest_pays_as_it_bids(tree):
    # both bids have room for the 500 Wh at the same node, where only access counts: the earlier one has them
    placed = orders(tree, (BUY, LEFT, 15_000, 500), (BUY, LEFT, 15_000, 500), (SELL, LEFT, 10_000, 500))
    (fill,) = call_auction.clear(placed, tree, tree.limits(1.0), "pay-as-bid")
    assert (fill.bid.order_id, fill.energy) == ("0", 500)
    assert (fill.price, fill.fee, fill.congestion) == (14_000, 1_000, 0)


def test_a_uniform_price_is_the_middle(tree):
    # at the node the ask needs 10 + 0.5 and the bid gives 15 - 0.5: the middle is 12.5, 12 to the seller and 13 paid
    placed = orders(tree, (SELL, LEFT, 10_000, 500), (BUY, LEFT, 15_000, 500))
    (fill,) = call_auction.clear(placed, tree, tree.limits(1.0))
    assert (fill.price, fill.price + fill.fee + fill.congestion) == (12_000, 13_000)


def test_groups_give_what_the_tree_gives(tree):
    placed = orders(
        tree,
        (SELL, LEFT, 10_000, 3_000),
        (SELL, RIGHT, 12_000, 400),
        (BUY, RIGHT, 20_000, 3_000),
        (BUY, LEFT, 11_000, 300),
    )
    limit = tree.limits(1.0)
    over_tree = auction_clearing.over_tree(placed, keys(placed), tree, limit)
    groups = auction_clearing.between_groups(placed, keys(placed), tree, limit, uniform=True)
    # 0.3 kWh stay at left at no loss, 2 kWh fill the edge, right's own 0.4 kWh come on top
    assert over_tree.energy.tolist() == groups.energy.tolist() == [2_300, 400, 2_400, 300]
    assert sum(energy for *_, energy in groups.transfers) == 2_700
