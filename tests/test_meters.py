"""Meters and pools: who folds, what they could draw and give, and where reselling could pay."""

import numpy as np
import pytest

from otonari.model.topology.meters import meters, sum_at_nodes

from .benchmarks.neighbourhood import neighbourhood


@pytest.fixture
def inputs():
    return neighbourhood(8)


def test_pools_and_single_meters_hold_all_demand_and_pv(inputs):
    for peers in (True, False):
        who = meters(inputs, peers=peers)
        net = inputs["demand"].values.sum(axis=0) - inputs["pv_available"].values.sum(axis=0)
        assert (who.demand - who.pv).sum(axis=0) == pytest.approx(net)
        assert len(set(who.label.tolist())) == len(who.label)


def test_shares_of_a_pool_add_up_to_one_or_nothing(inputs):
    who = meters(inputs, peers=True)
    for place, share in ((who.draws_at, who.draw_share), (who.gives_at, who.give_share)):
        for meter in np.unique(place):
            total = share[place == meter].sum(axis=0)
            assert np.all((np.abs(total - 1.0) < 1e-12) | (total == 0.0))


def test_a_retail_price_above_every_feed_in_price_leaves_nothing_to_resell(inputs):
    dear = inputs.assign(
        retail_price=inputs["retail_price"] * 0.0 + 30.0,
        feed_in_price=inputs["feed_in_price"] * 0.0 + 8.0,
        node_access_fee=inputs["node_access_fee"] * 0.0 + 1.0,
    )
    assert not meters(dear, peers=False).resale.any()
    # r = 30, f = 8, a = 1: g = max(8, 30 - 1 - 1) = 28 < r, d = min(30, 8 + 1 + 1) = 10 > f
    assert not meters(dear, peers=True).resale.any()
    # without access fees energy can pass through for nothing
    free = dear.assign(node_access_fee=dear["node_access_fee"] * 0.0)
    assert meters(free, peers=True).resale.any()
    # a feed-in price at the retail price: drawn and given in the same slot at no loss
    equal = dear.assign(feed_in_price=dear["feed_in_price"] * 0.0 + 30.0)
    assert meters(equal, peers=False).resale.any()


def test_sums_at_nodes_are_those_of_their_meters(inputs):
    who, size = meters(inputs, peers=True), inputs.sizes["node"]
    total = sum_at_nodes(who.demand, who, size)
    for node in range(size):
        here = np.where(who.node == node, who.demand, 0.0).sum(axis=0)
        assert total[node] == pytest.approx(here)
