"""What members pay under several rules: balanced to the last unit, and computed again from trades, plainly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from otonari.data.inputs.currency import scale
from otonari.data.problems import InputError
from otonari.model.fair_shares import splits
from otonari.model.fair_shares.coalitions import Coalitions
from otonari.model.fair_shares.payments import RULES, payments
from otonari.model.fair_shares.run import Run
from otonari.model.settlement.account_lines import MONEY
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.trades import bilateral
from otonari.runs.clear.single import clear

from . import neighbourhood
from .communities import communities, of_examples, random_community

SOME = ["as-billed", "marginal", "mid-market", "supply-demand-ratio=0.5", "fixed=17", *splits.SPLITS]


def lines_of(settlement):
    nothing = np.zeros(settlement.sizes["participant"])
    return {name: settlement[name].values if name in settlement else nothing for name in MONEY}


def run_of(tree):
    groups = (tree[group].to_dataset() for group in ("inputs", "results", "trades", "settlement"))
    inputs, results, trades, settlement = groups
    return Run(inputs, results, trades, lines_of(settlement))


@pytest.fixture(scope="module")
def paper():
    """Return the neighbourhood on paper, its trades made at prices of their own."""
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    trades = bilateral(inputs, results)
    trades["trade_price"] = trades["trade_price"] * 0 + 11.0
    settlement = settle(inputs, results, trades, neighbourhood.grid_only(), prices="traded")
    return Run(inputs, results, trades, lines_of(settlement), bids=True), settlement


def plainly(run, price):
    """Return what everybody pays at one price for every trade (participant,), account by account."""
    paid = {}
    for k, who in enumerate(run.inputs["participant"].values):
        line = {name: values[k] for name, values in run.lines.items()}
        paid[who] = (
            line["grid_cost"] - line["feed_in_revenue"] + line["standing_charges"] + line["peak_charges"]
        )
        paid[who] += line["imbalance_cost"] + line["fuel_cost"] + line["wear_cost"]
    columns = ("trade_seller", "trade_buyer", "trade_energy", "trade_fee")
    for seller, buyer, energy, fee in zip(*(run.trades[c].values for c in columns), strict=True):
        paid[seller] -= energy * price
        paid[buyer] += energy * (price + fee)
    return np.array(list(paid.values()))


def assert_balanced(run, paid):
    """What others get, in whole units of money, is what members pay, and what the accounts say."""
    per = scale("JPY").money
    units = {
        name: np.rint(paid[name].values * per).astype(int)
        for name in ("payment", "community_cost", "network_fees", "congestion_rent")
    }
    got = units["community_cost"] + units["network_fees"] + units["congestion_rent"]
    assert (units["payment"].sum(axis=1) == got).all()
    lines = run.lines
    cost = sum(lines[n].sum() for n in ("grid_cost", "standing_charges", "peak_charges", "imbalance_cost"))
    cost += (lines["fuel_cost"] + lines["wear_cost"] - lines["feed_in_revenue"]).sum()
    assert_allclose(paid["community_cost"], cost, atol=1e-5 * max(1, abs(cost)))
    assert_allclose(paid["network_fees"], lines["network_fee"].sum(), atol=1e-5)


@given(communities())
@of_examples(12)
def test_rules_side_by_side(inputs):
    tree = clear(inputs)
    run = run_of(tree)
    paid = payments(run, SOME)
    assert_balanced(run, paid)
    atol = 1e-5 * max(1, float(np.abs(run.yardstick).sum()))
    assert_allclose(paid["payment"].sel(rule="as-billed"), tree["settlement"]["bill"], atol=atol)
    assert_allclose(paid["payment"].sel(rule="marginal"), tree["settlement"]["bill"], atol=atol)
    assert_allclose(paid["payment"].sel(rule="fixed=17"), plainly(run, 17.0), atol=atol)
    assert_allclose(paid["gain"].sel(rule=list(splits.SPLITS)).sum("participant"), run.gain, atol=atol)
    assert_allclose(paid["gain"].sel(rule="equal"), run.gain / inputs.sizes["participant"], atol=atol)
    alone = np.zeros(len(SOME), dtype=int)
    assert (paid["worse_off"].sel(rule=["marginal", "equal", "proportional"]) == alone[:3]).all()
    core = paid["greatest_excess"].sel(rule=["least-core", "nucleolus"])
    assert_allclose(core, paid["excess_bound"].sel(rule=["least-core", "nucleolus"]), atol=atol)
    assert (paid["greatest_excess"].values >= core.values.max() - atol).all()


@pytest.mark.parametrize(("seed", "rule"), [(5, "mid-market"), (6, "fixed=12.5")])
def test_a_run_that_is_cleared_by_a_rule_has_its_payments(seed, rule):
    """The same energies and prices of nodes as by the marginal rule, checked; bills as they are said of that run."""
    inputs = random_community(seed, terms=True)
    usual, tree = clear(inputs), clear(inputs, rule=rule)
    assert tree["results"].to_dataset().equals(usual["results"].to_dataset())
    asked = payments(run_of(usual), [rule])
    assert_allclose(tree["settlement"]["bill"], asked["payment"].values[0], atol=1e-5)
    assert tree.attrs["price_rule"] == rule
    assert not tree["settlement"]["congestion_rent"].any()
    again = payments(run_of(tree), ["as-billed", "marginal"])
    assert_allclose(again["payment"].sel(rule="as-billed"), tree["settlement"]["bill"], atol=1e-5)
    assert_allclose(again["payment"].sel(rule="marginal"), usual["settlement"]["bill"], atol=1e-5)


def test_prices_of_bids_and_one_price_for_all(paper):
    run, settlement = paper
    paid = payments(run, ["pay-as-bid", "mid-market", "fixed=11"])
    assert_balanced(run, paid)
    assert_allclose(paid["payment"].sel(rule="pay-as-bid"), settlement["bill"], atol=1e-5)
    assert_allclose(paid["payment"].sel(rule="fixed=11"), plainly(run, 11.0), atol=1e-5)


def test_who_is_worse_off_is_told(paper):
    """At 60 those who buy more than they sell would do better at 30 of the retailer."""
    run, _ = paper
    paid = payments(run, ["fixed=60", "fixed=15"])
    assert paid["worse_off"].values.tolist() == [2, 0]
    assert (paid["gain"].sel(rule="fixed=60").values[1:] < 0).all()


def test_orders_are_sampled_where_members_are_many(paper, monkeypatch):
    run, _ = paper
    exact = payments(run, ["shapley"])
    monkeypatch.setattr(Coalitions, "exact", 2)
    drawn = payments(replace(run, samples=100, seed=3), ["shapley", "equal"])
    assert_balanced(run, drawn)
    error = drawn["standard_error"].sel(rule="shapley").values
    off = np.abs((drawn["payment"].sel(rule="shapley") - exact["payment"].sel(rule="shapley")).values)
    assert (off <= 4 * error + 1e-6).all()
    assert np.isnan(drawn["standard_error"].sel(rule="equal")).all()
    assert "greatest_excess" not in drawn


def test_what_saves_nothing_is_shared_all_the_same(paper):
    """A run that costs more than none of its trades: its loss is shared in parts of the optimum's gain."""
    run, _ = paper
    lines = {**run.lines, "imbalance_cost": run.lines["imbalance_cost"] + 500.0}
    worse = replace(run, lines=lines)
    assert worse.gain < 0
    paid = payments(worse, list(splits.SPLITS))
    assert_balanced(worse, paid)
    assert_allclose(paid["gain"].sum("participant"), worse.gain, atol=1e-5)
    shares = payments(run, ["shapley"])["gain"].values[0] / run.gain
    assert_allclose(paid["gain"].sel(rule="shapley") / worse.gain, shares, atol=1e-6)


def test_every_rule_that_cannot_price_a_run_is_named(paper, monkeypatch):
    run, _ = paper
    monkeypatch.setattr(Coalitions, "exact", 2)
    results = run.results.drop_vars("price")
    wrong = ["marginal", "pay-as-bid", "nucleolus", "least-core", "shaply", "equal=3", "fixed"]
    with pytest.raises(InputError) as error:
        payments(replace(run, results=results, bids=False), ["equal", *wrong])
    said = [str(problem) for problem in error.value.problems]
    assert len(said) == len(wrong)
    for line, words in zip(
        said,
        (
            "no marginal prices",
            "no bids",
            "2 participants at most, here are 3",
            "here are 3",
            "did you mean 'shapley'",
            "no number",
            "fixed=NUMBER",
        ),
        strict=True,
    ):
        assert words in line


def test_all_rules_are_told():
    assert {rule.partition("=")[0] for rule in SOME} | {"pay-as-bid"} == set(RULES)
