"""The table of price rules: the marginal rule on paper, and a rule that a test adds with one row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.settlement import pool_prices, price_rules
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.price_rules import BilateralTrades, Prices, marginal
from otonari.model.settlement.trades import bilateral

from . import neighbourhood


def one_trade(fee):
    """Return a trade of 2 kWh from the first node to the last in the first slot."""
    seller, buyer, slot, start, end = (
        np.array([k]) for k in (0, 1, 0, 0, neighbourhood.inputs().sizes["node"] - 1)
    )
    return BilateralTrades(seller, buyer, slot, start, end, np.array([2.0]), np.array([fee]))


def priced(fee, buying, selling):
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    inputs["node_access_fee"] = 0 * inputs["node_access_fee"] + 0.5
    results["price"] = 0 * results["price"] + buying
    results["sale_price"] = 0 * results["sale_price"] + selling
    return marginal(inputs, results, one_trade(fee))


def test_the_marginal_rule_on_paper():
    """A seller gets 20 - 0.5, a buyer pays 24 + 0.5; 3 of the 5 between them is the fee, and 2 the rent."""
    prices = priced(3.0, 24.0, 20.0)
    assert_array_equal(prices.price, [19.5])
    assert_allclose(prices.congestion, [2.0])


def test_rents_of_the_solvers_noise_are_zero():
    assert_array_equal(priced(5.0 - 1e-7, 24.0, 20.0).congestion, [0.0])


@pytest.mark.parametrize("pairs", [False, True])
def test_trades_are_marginal_where_no_rule_is_named(pairs):
    inputs, results = neighbourhood.inputs(pairs), neighbourhood.results(pairs)
    assert bilateral(inputs, results).identical(bilateral(inputs, results, "marginal"))


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        ("by feeling", "one of marginal"),
        ("mid-markt", "did you mean 'mid-market'"),
        ("mid-market=3", "no number"),
        ("fixed", "fixed=NUMBER, the price"),
        ("fixed=dear", "fixed=NUMBER"),
        ("fixed=inf", "fixed=NUMBER"),
        ("fixed=1_0", "fixed=NUMBER"),
        ("supply-demand-ratio=2", "the compensation from 0 to 1"),
    ],
)
def test_a_rule_that_is_not_in_the_table_prices_nothing(rule, want):
    with pytest.raises(InputError, match="rule") as error:
        bilateral(neighbourhood.inputs(), neighbourhood.results(), rule)
    assert want in str(error.value)


def offers(buying, selling):
    """Return the pool of one slot of bids and asks, each (amount, price)."""
    ratio = sum(a for a, _ in selling) / sum(a for a, _ in buying)
    least, most = min(p for _, p in buying), max(p for _, p in selling)
    return pool_prices.Offers(*(np.array([float(v)]) for v in (least, most, ratio)))


BIDS = [(500, 45), (500, 40), (500, 35)]


def test_published_prices_of_pools():
    """INESC TEC, rec-operation (GitHub), tests/test_pricing_mechanisms.py: the prices that its unit tests expect."""
    pool = offers(BIDS, [(500, 0), (600, 10), (500, 15)])
    assert_allclose(pool_prices.mid_market(pool), 25.0)
    for asks, compensation, price in (
        ((500, 400, 500), 0.0, 15.594),
        ((500, 400, 500), 0.5, 25.485),
        ((500, 500, 1000), 0.0, 15.0),
        ((500, 500, 250), 0.0, 16.579),
    ):
        pool = offers(BIDS, list(zip(asks, (0, 10, 15), strict=True)))
        assert_allclose(pool_prices.supply_demand_ratio(pool, compensation), price, atol=5e-4)


def test_where_the_ratio_says_nothing_it_is_the_mid_market():
    buying, selling, ratio = np.array([[20.0, 8.0, 20.0], [-2.0, 12.0, 0.0], [0.5, 0.5, 0.5]])
    prices = pool_prices.supply_demand_ratio(pool_prices.Offers(buying, selling, ratio))
    assert_allclose(prices, [9.0, 10.0, 0.0])  # S below zero, B below S; and S of zero, where it says zero


def test_pools_on_paper():
    """Slot 0: offers of 30 less fees of at most 4, against 8; 4 kWh for sale, 6 wanted. Slot 1: a trade, a fee of 1."""
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    for rule, first in (("mid-market", 17.0), ("supply-demand-ratio", 10.4), ("fixed=12.5", 12.5)):
        trades = bilateral(inputs, results, rule)
        in_first = trades["trade_time"].values == inputs["time"].values[0]
        assert_allclose(trades["trade_price"].values[in_first], first)
        assert not trades["trade_congestion"].any()
    trades = bilateral(inputs, results, "mid-market")
    in_second = trades["trade_time"].values == inputs["time"].values[1]
    assert_allclose(trades["trade_price"].values[in_second], (29 + 8) / 2)


def test_a_rule_is_one_function_and_one_row(monkeypatch):
    """Energy for the fee alone: the same trades, settled and checked by the prices that they have."""

    def free(inputs, results, trades):
        return Prices(np.zeros_like(trades.fee), np.zeros_like(trades.fee))

    monkeypatch.setitem(price_rules.PRICE_RULES, "free", free)
    inputs, results, alone = neighbourhood.inputs(), neighbourhood.results(), neighbourhood.grid_only()
    trades, usual = bilateral(inputs, results, "free"), bilateral(inputs, results)
    same = ["trade_time", "trade_seller", "trade_buyer", "trade_energy", "trade_fee"]
    assert trades[same].identical(usual[same])
    settlement = settle(inputs, results, trades, alone, prices="traded")
    assert_allclose(settlement["peer_revenue"], 0)
    assert_allclose(settlement["peer_cost"], settlement["network_fee"])
    assert check(inputs, results, trades, settlement, grid_only=alone, prices="traded") == []
