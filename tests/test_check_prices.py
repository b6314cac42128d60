"""Prices at which somebody would trade differently are found, and so are means that are none."""

import copy

import numpy as np
import pytest

from otonari.model.checks.money import Trades
from otonari.model.checks.physics import Run
from otonari.model.checks.prices import equilibrium, means

from . import neighbourhood
from .communities import community
from .test_checks import solved


@pytest.fixture(scope="module")
def street():
    """Return a street in three slots: a home with PV left over sells, imports, and nobody trades with the far node."""
    nodes = {
        "root": {"parent": ""},
        "near": {"parent": "root", "fee": 1},
        "far": {"parent": "root", "fee": 2},
    }
    people = {
        "sun": {"node": "near", "tariff": "flat", "demand": 0, "pv_available": [3, 0, 6]},
        "shade": {"node": "far", "tariff": "flat", "demand": [1, 2, 1], "pv_available": 0},
    }
    tariffs = {"flat": {"retail_price": 30, "feed_in_price": 8}}
    case = {"slots": [1, 1, 1], "nodes": nodes, "tariffs": tariffs, "participants": people}
    return solved(community(case))


def found(run, price=(), sale=()):
    results = copy.deepcopy(run["results"])
    for name, values in (("price", price), ("sale_price", sale)):
        for node, slot, value in values:
            results[name][node, slot] = value
    return {f.check for f in equilibrium(Run(run["inputs"], results)) if (f.excess > 1e-5).any()}


def test_prices_of_the_optimum_are_those_of_an_equilibrium(street):
    """Of 3 kWh the far home buys 1 over 1 + 2 of fees, and 2 are exported: 8 is paid near, 11 far; 30 without sun."""
    assert found(street) == set()
    np.testing.assert_allclose(street["results"]["price"][:, 0], [9, 8, 11])
    np.testing.assert_allclose(street["results"]["price"][2, 1], 30)


@pytest.mark.parametrize(
    ("price", "checks"),
    [
        (
            (1, 0, 9),
            {"price for grid_export", "price up the edge"},
        ),  # sell to peers, not export
        ((1, 0, 7), {"price for peer_sale", "price up the edge"}),  # export, not sell
        ((2, 0, 31), {"price for peer_purchase", "price down the edge"}),  # import, not buy
        ((2, 1, 29), {"price for grid_import"}),  # buy from peers, not import
        (
            (0, 0, 9.5),
            {"price up the edge", "price down the edge"},
        ),  # power flows: exactly the fee
        (
            (0, 1, 33),
            {"price up the edge"},
        ),  # carry from far to the root
    ],
)
def test_a_price_at_which_somebody_would_trade_differently(street, price, checks):
    assert found(street, [price], [price]) >= checks
    assert "sale_price" in found(street, [price])


def test_means_of_what_was_traded():
    """Of the neighbourhood in slot 0: anna sells 1.5 at 19.5 and 2 at 19.5, bert pays 20.5, the site 27.5."""
    run = neighbourhood.run()
    facts = Run(run["inputs"], run["results"])
    traded = Trades(facts, run["trades"])
    node, slot = traded.node["buyer"], traded.slot
    access = facts.i["node_access_fee"]
    facts.r["price"], facts.r["sale_price"] = np.full((2, *facts.r["price"].shape), np.nan)
    for k in range(len(slot)):
        total = traded.price[k] + traded.fee[k] + traded.congestion[k]
        facts.r["price"][node[k], slot[k]] = total - access[node[k]]
        seller = traded.node["seller"][k]
        facts.r["sale_price"][seller, slot[k]] = traded.price[k] + access[seller]
    assert not any((f.excess > 1e-9).any() for f in means(facts, traded))
    facts.r["price"][1, 0] += 1
    facts.r["sale_price"][0, 0] = 5.0  # nobody sold there
    assert [bool((~(f.excess <= 1e-9)).any()) for f in means(facts, traded)] == [True, True]
