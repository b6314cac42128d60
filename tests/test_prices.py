"""Prices: the declared rule among optimal duals, whatever the way to them, and an equilibrium at what is published."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.csgraph import shortest_path

from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.results import collect
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.trades import bilateral
from otonari.model.solver import bottom_up, components
from otonari.model.solver.highs import prove
from otonari.model.solver.solve import solve
from otonari.model.solver.tie_breaking import rules
from otonari.model.topology import fee_tree

from . import best_response, counts
from .communities import community, random_community

ONCE_TOO_HIGH = (19, 111, 147, 148, 191, 230, 1012, 1063, 1069, 1079)
"""Seeds of which the rule's least price was once replaced by a greater one, since somewhere else nobody could trade."""


@pytest.fixture
def small(monkeypatch):
    """Let every node be a subtree of its own at first, and every subtree a program of its own."""
    monkeypatch.setattr(components, "ROWS", 1)
    monkeypatch.setattr(fee_tree, "METERS", 1)
    monkeypatch.setattr(fee_tree, "GROWTH", 2)


def drawn(seed, closed=False):
    inputs = random_community(seed)
    if closed:
        inputs["node_limit"].values[::2] = 0.0
    return inputs


class Duals:
    """All optimal duals of a program, as a linear program of its own: those that go with an optimum x.

    Columns: the duals of all rows, and their absolute values. Every reduced cost has the sign that x allows.
    """

    def __init__(self, program, x):
        a, activity = program.matrix, program.matrix @ x
        at_low, at_high = x < program.lower + 1e-7, x > program.upper - 1e-7
        side_low, side_high = activity < program.row_lower + 1e-7, activity > program.row_upper - 1e-7
        nonnegative, nonpositive = at_low & ~at_high, at_high & ~at_low
        exact = ~at_low & ~at_high
        self.below = sparse.vstack([a.T[~at_high & at_low], -a.T[nonpositive]])
        self.limit = np.concatenate([program.cost[nonnegative], -program.cost[nonpositive]])
        self.equal, self.value = a.T[exact], program.cost[exact]
        self.least, self.most = np.where(side_high, -np.inf, 0.0), np.where(side_low, np.inf, 0.0)

    def best(self, weight, held, dual, absolute=True, most=np.inf):
        """Return the duals of the least sum of weight times the price, or its absolute value, with some held.

        Weighted ones are no greater than ``most``.
        """
        n = len(weight)
        least = np.where(held, dual, self.least)
        highest = np.where(held, dual, np.where(weight == 0, self.most, np.minimum(self.most, most)))
        eye = sparse.eye_array(n)
        zero = sparse.csr_array((self.below.shape[0], n))
        rows = sparse.vstack(
            [
                sparse.hstack([self.below, zero]),
                sparse.hstack([eye, -eye]),
                sparse.hstack([-eye, -eye]),
            ]
        )
        found = linprog(
            np.concatenate([np.zeros(n), weight] if absolute else [weight, np.zeros(n)]),
            A_ub=rows,
            b_ub=np.concatenate([self.limit, np.zeros(2 * n)]),
            A_eq=sparse.hstack([self.equal, sparse.csr_array((self.equal.shape[0], n))]),
            b_eq=self.value,
            bounds=np.stack([np.append(least, np.zeros(n)), np.append(highest, np.full(n, np.inf))], axis=1),
            method="highs",
        )
        assert found.status == 0, found.message
        return found.x[:n]


def by_rule(program, x):
    """Return the prices (rows,) that the declared rule of `dual_face` picks, step by step, from all duals there are."""
    by, duals = rules(program), Duals(program, x)
    share, somebody, nobody = by.share, (by.share > 0) & ~by.empty, by.empty
    dual = duals.best(np.where(somebody, share, 0.0), np.zeros_like(somebody), share)
    dual = greatest_where_zero(duals, share, dual, somebody, somebody)
    dual = duals.best(np.where(nobody, share, 0.0), somebody, dual)
    return greatest_where_zero(duals, share, dual, nobody & ~by.rent, share > 0)


def greatest_where_zero(duals, share, dual, rows, decided):
    """Return the duals with the greatest prices where they are zero, or nearest to zero where there is none."""
    idle = rows & (np.abs(dual) <= 1e-6)
    held, dear = decided & ~idle, 1e5
    dual = duals.best(np.where(idle, -share, 0.0), held, dual, absolute=False, most=dear)
    unbounded = idle & (dual > dear / 2)
    return duals.best(np.where(unbounded, share, 0.0), held | (idle & ~unbounded), dual)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("seed", counts.share([*ONCE_TOO_HIGH, *range(300, 360)]))
def test_both_ways_of_solving_publish_the_prices_of_the_rule(small, seed, closed):
    program = compile_block(community_block(drawn(seed, closed)))
    program = replace(program, integer=np.zeros_like(program.integer))
    share = rules(program).share
    ways = [bottom_up.optimum(program, together=together) for together in (True, False)]
    expected = by_rule(program, ways[0].x)
    for optimum in ways:
        np.testing.assert_allclose(optimum.dual[share > 0], expected[share > 0], atol=1e-6)
        assert max(prove(program, optimum.x, optimum.dual).values()) <= 1e-9


def uncrossed(seed):
    """Return a random community in which no meter gains by drawing and giving in a slot, so that nothing is decided.

    One tariff of positive prices, feed-in below retail, access fees, and fees per pair that no detour undercuts.
    """
    inputs = random_community(seed)
    retail = np.abs(inputs["retail_price"].values[:1]) + 5.0
    feed_in = np.minimum(np.abs(inputs["feed_in_price"].values[:1]), 0.8 * retail)
    every = {"retail_price": retail, "feed_in_price": feed_in}
    inputs = inputs.assign(
        {k: inputs[k].copy(data=np.repeat(v, inputs.sizes["tariff"], 0)) for k, v in every.items()}
    )
    inputs["node_access_fee"] = inputs["node_access_fee"] + 0.1
    if "trade_fee" in inputs:
        inputs["trade_fee"].values[:] = shortest_path(inputs["trade_fee"].values)
    return inputs


@pytest.mark.parametrize("seed", counts.all_or(range(400, 700), range(400, 410)))
def test_nobody_would_trade_differently_at_the_published_prices(small, seed):
    """Each account's bill is the least that it could pay at the prices of all nodes, whatever it drew and gave."""
    inputs = uncrossed(seed)
    results, settlement = cleared(inputs)
    best = best_response.costs(inputs, results)
    for account in inputs["participant"].values.tolist():
        bill = float(settlement["bill"].sel(participant=account))
        assert bill == pytest.approx(best.get(account, 0.0), rel=1e-6, abs=1e-5), account


def cleared(inputs):
    block, alone = community_block(inputs), community_block(inputs, "grid-only")
    solve(block, start=solve(alone))
    results = collect(block)
    return results, settle(inputs, results, bilateral(inputs, results), collect(alone))


def test_prices_where_nobody_is_pay_the_rent_of_a_full_edge_between():
    """1 kW of the sun fits through the edge above a: b buys it and the rest at 20, so that the edge is worth 20 - 8 - 2.

    At c, where nobody is, a watt of the sun would cost 8 + 3 + 10, and b would give 20 - 1 for one from there.
    """
    fees = {"a": {"b": 2, "c": 3}, "b": {"a": 2, "c": 1}, "c": {"a": 3, "b": 1}}
    home = {"tariff": "flat", "demand": 0, "pv_available": 0}
    inputs = community(
        {
            "slots": [0.5],
            "nodes": {"b": {"parent": ""}, "a": {"parent": "b", "limit": 1}, "c": {"parent": "b"}},
            "tariffs": {"flat": {"retail_price": 20, "feed_in_price": 8}},
            "participants": {
                "sun": {**home, "node": "a", "pv_available": 5},
                "shade": {**home, "node": "b", "demand": 3},
            },
            "trade_fee": {i: {j: fees[i].get(j, 0) for j in fees} for i in ("b", "a", "c")},
        }
    )
    results, _ = cleared(inputs)
    assert results["node_transfer"].sel(node="a", node_to="b").item() == pytest.approx(1)
    assert results["price"].sel(node=["b", "c"]).values.ravel() == pytest.approx([20, 21])
    assert results["sale_price"].sel(node=["a", "c"]).values.ravel() == pytest.approx([8, 19])


def street(fee, feed_in, **far):
    """Return a root without meters between a node with sun to spare and a far one, which has an empty end below it."""
    home = {"tariff": "flat", "demand": 0, "pv_available": 0}
    return community(
        {
            "slots": [1],
            "nodes": {
                "root": {"parent": ""},
                "near": {"parent": "root", "fee": fee},
                "far": {"parent": "root", "fee": fee, "limit": far.pop("limit", np.inf)},
                "end": {"parent": "far", "fee": 1},
            },
            "tariffs": {"flat": {"retail_price": 30, "feed_in_price": feed_in}},
            "participants": {
                "sun": {**home, "node": "near", "pv_available": 5},
                "there": {**home, "node": "far", **far},
            },
        }
    )


@pytest.mark.parametrize("together", [False, True])
def test_the_steps_of_the_rule_by_hand(small, together):
    def prices(inputs):
        program = compile_block(community_block(inputs))
        dual = bottom_up.optimum(program, together=together).dual
        names = inputs["node"].values.tolist()
        return dict(zip(names, dual[rules(program).share > 0].round(6).tolist(), strict=True))

    # the sun that is left gets 8, so that it costs 8 + 3 + 3 at far; one at the end would be worth 14 there, less 1
    assert prices(street(3, 8, demand=1)) == {"root": 11, "near": 8, "far": 14, "end": 13}
    # too far: far buys at 30 from the retailer, and so much less the fees is what a watt at a junction is worth
    assert prices(street(15, 8, demand=1)) == {"root": 15, "near": 8, "far": 30, "end": 29}
    # nobody would pay for a watt at near: it costs what the sun gets for it, and is worth that less the fees elsewhere
    assert prices(street(3, 8)) == {"root": 5, "near": 8, "far": 2, "end": 1}
    # too far to be worth anything: what one would cost there, fees included
    assert prices(street(15, 8)) == {"root": 23, "near": 8, "far": 38, "end": 39}
    # a closed edge: no watt could come to far, and nobody there would pay for one, or would as to the retailer
    assert prices(street(15, 8, limit=0)) == {"root": 23, "near": 8, "far": 0, "end": 0}
    assert prices(street(15, 8, limit=0, demand=1)) == {"root": 23, "near": 8, "far": 30, "end": 29}


@pytest.mark.parametrize("together", [False, True])
def test_a_price_that_is_decided_stays_where_others_are_asked_for(small, together):
    """What the sun gives the shade takes: any price from 5 to 15 clears, and one more watt is worth 5, to the retailer.

    At idle nobody would pay for energy, so that its price is what a watt costs there, 5 too. That must not raise others
    to the greatest that clears, or join nodes that never trade.
    """
    home = {"tariff": "flat", "demand": 0, "pv_available": 0}
    inputs = community(
        {
            "slots": [1],
            "nodes": {
                "root": {"parent": ""},
                "near": {"parent": "root", "fee": 20},
                "idle": {"parent": "root", "fee": 20},
            },
            "tariffs": {"flat": {"retail_price": 15, "feed_in_price": 5}},
            "participants": {
                "sun": {**home, "node": "near", "pv_available": 1},
                "shade": {**home, "node": "near", "demand": 1},
                "roof": {**home, "node": "idle", "pv_available": 1},
            },
        }
    )
    optimum = bottom_up.optimum(program := compile_block(community_block(inputs)), together=together)
    names, priced = inputs["node"].values.tolist(), rules(program).share > 0
    assert dict(zip(names, optimum.dual[priced].round(6).tolist(), strict=True)) == {
        "root": 25,
        "near": 5,
        "idle": 5,
    }
    assert optimum.offer[priced][names.index("near")] == pytest.approx(5)
    assert optimum.offer[priced][names.index("idle")] == pytest.approx(0)
    assert together or " 0 of 3 flows" in optimum.method
