"""Who trades: participants, and vehicles where they are plugged in away from home."""

import numpy as np
import pytest
import xarray as xr

from otonari.model.topology.traders import at_traders, parties, tariff_prices, traders, uncontrolled


@pytest.fixture
def inputs():
    """Return two homes and a car of the first, which is at home, at the second, and on the road."""
    return xr.Dataset(
        {
            "participant_node": ("participant", ["n1", "n0"]),
            "participant_tariff": ("participant", ["night", "flat"]),
            "demand": (("participant", "time"), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
            "pv_available": (("participant", "time"), [[0.5, 0.5, 0.5], [0.0, 9.0, 0.0]]),
            "vehicle_owner": ("vehicle", ["ann"]),
            "vehicle_host": (("vehicle", "time"), [["ann", "bob", ""]]),
            "retail_price": (("tariff", "time"), [[30.0, 30.0, 30.0], [20.0, 40.0, 40.0]]),
            "feed_in_price": (("tariff", "time"), [[8.0, 8.0, 8.0], [7.0, 9.0, 9.0]]),
        },
        coords={
            "participant": ["ann", "bob"],
            "vehicle": ["car"],
            "node": ["n0", "n1"],
            "tariff": ["flat", "night"],
            "time": np.arange("2026-01-01T00", "2026-01-01T03", dtype="datetime64[h]").astype("M8[ns]"),
        },
    )


def test_a_car_trades_where_it_is_a_guest(inputs):
    who = traders(inputs)
    assert who.account.tolist() == [0, 1, 0]  # its owner pays
    assert who.vehicle.tolist() == ["", "", "car"]
    assert who.node.tolist() == [[1, 1, 1], [0, 0, 0], [-1, 0, -1]]
    assert who.behind.tolist() == [[0, 2, 2]]  # its owner's meter at home, else its own


def test_powers_of_guests_count_where_they_are_guests(inputs):
    who = traders(inputs)
    participants = xr.DataArray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dims=("participant", "time"))
    vehicles = xr.DataArray([[7.0], [8.0], [9.0]], dims=("time", "vehicle"))  # in any order of the dims
    stacked = who.stack(participants, vehicles)
    assert stacked.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.0, 8.0, 0.0]]


def test_net_demand_is_that_of_participants(inputs):
    assert uncontrolled(inputs).tolist() == [[0.5, 1.5, 2.5], [4.0, -4.0, 6.0], [0.0, 0.0, 0.0]]


def test_stores_add_up_behind_the_meter_that_they_are_plugged_in_at(inputs):
    battery = np.zeros((1, 3), dtype=int)  # of ann
    trader = np.concatenate([battery, traders(inputs).behind])
    power = np.array([[1.0, 1.0, 1.0], [10.0, 20.0, 0.0]])
    assert at_traders(trader, power, 3).tolist() == [[11.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 20.0, 0.0]]


def test_a_guest_has_the_tariff_of_its_owner(inputs):
    retail, feed_in = tariff_prices(inputs, 1)
    assert (retail.tolist(), feed_in.tolist()) == ([40.0, 30.0, 40.0], [9.0, 8.0, 9.0])


def test_parties_of_trades_are_positions_among_the_traders(inputs):
    trades = xr.Dataset(
        {
            "trade_seller": ("trade", ["bob", "ann"]),
            "trade_seller_vehicle": ("trade", ["", "car"]),
            "trade_buyer": ("trade", ["ann", "bob"]),
            "trade_buyer_vehicle": ("trade", ["", ""]),
            "trade_time": ("trade", inputs["time"].values[[0, 1]]),
        }
    )
    seller, buyer, slot = parties(inputs, trades)
    assert (seller.tolist(), buyer.tolist(), slot.tolist()) == ([1, 2], [0, 1], [0, 1])
