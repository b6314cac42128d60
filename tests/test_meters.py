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
    assert not meters(dear, peers=False).crossing.any()
    # r = 30, f = 8, a = 1: g = max(8, 30 - 1 - 1) = 28 < r, d = min(30, 8 + 1 + 1) = 10 > f
    assert not meters(dear, peers=True).crossing.any()
    # without access fees energy passes through for nothing, at equal prices in and out: what is no loss is no gain
    free = dear.assign(node_access_fee=dear["node_access_fee"] * 0.0)
    assert not meters(free, peers=True).crossing.any()
    equal = dear.assign(feed_in_price=dear["feed_in_price"] * 0.0 + 30.0)
    assert not meters(equal, peers=False).crossing.any()
    # a feed-in price above the retail price, and a neighbour's above one's own by more than the fees, pay
    above = dear.assign(feed_in_price=dear["feed_in_price"] * 0.0 + 30.1)
    assert meters(above, peers=False).crossing.all()
    two = dear.assign(retail_price=dear["retail_price"] + [[0.0], [2.1]])  # flat, night
    cheap = (meters(two, peers=True).retail == 30.0).all(axis=1)
    assert np.array_equal(meters(two, peers=True).crossing.all(axis=1), cheap)


def test_a_meter_without_a_store_draws_or_gives_what_is_left(inputs):
    who = meters(inputs, peers=True)
    alone = (who.chargers == 0) & (who.node >= 0)
    stores = ["battery_discharge_limit", "vehicle_discharge_limit"]
    without = inputs.assign({name: inputs[name] * 0.0 for name in stores})
    here = meters(without, peers=True)
    assert np.minimum(here.draw_capacity, here.give_capacity)[(here.chargers == 0)].max() == 0.0
    assert (who.draw_capacity[alone] <= np.maximum(who.demand - who.pv, 0.0)[alone]).all()


def test_pv_that_is_metered_gross_only_gives(inputs):
    gross = inputs.assign(
        participant_metering=("participant", np.full(inputs.sizes["participant"], "gross")),
        export_limit=inputs["export_limit"] * 0.0 + 1.0,
    )
    who = meters(gross, peers=True)
    assert (who.demand.sum(axis=0)) == pytest.approx(inputs["demand"].values.sum(axis=0))
    assert (who.pv.sum(axis=0)) == pytest.approx(inputs["pv_available"].values.sum(axis=0))
    at_pv = np.unique(who.pv_at[(inputs["pv_available"].values > 0).any(axis=1)])
    assert who.draw_capacity[at_pv].max() == 0.0
    assert np.minimum(who.demand, who.pv).max() == 0.0


def test_sums_at_nodes_are_those_of_their_meters(inputs):
    who, size = meters(inputs, peers=True), inputs.sizes["node"]
    total = sum_at_nodes(who.demand, who, size)
    for node in range(size):
        here = np.where(who.node == node, who.demand, 0.0).sum(axis=0)
        assert total[node] == pytest.approx(here)
