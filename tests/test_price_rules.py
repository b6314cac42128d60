"""The table of price rules: the marginal rule on paper, and a rule that a test adds with one row."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from otonari.model.checks.run import check
from otonari.model.settlement import price_rules
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


def test_a_rule_that_is_not_in_the_table_prices_nothing():
    with pytest.raises(KeyError, match="by feeling"):
        bilateral(neighbourhood.inputs(), neighbourhood.results(), "by feeling")


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
