"""Regions cleared apart: the union against the single program, and the gap certified where it is not the optimum."""

import numpy as np
import pytest

from otonari.data.inputs.contract import complete
from otonari.model.clearing import community_block
from otonari.model.labels import positions
from otonari.model.regions import optimality_gap, partition
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.model.topology.meters import meters

from . import counts
from .communities import community, random_community

RANDOM = (2, 4, 9, 10, 14, 15, 16, 19, 28, 31, 36, 38, 39, 40, 41, 44, 45, 46, 48, 49, 52, 54, 55, 69, 70, 71)
"""Seeds of communities that are cut, into two to four regions; node limits, guests and odd prices among them."""


def tree_of(inputs):
    parent = positions(inputs, "node_parent", "node")
    crowd = np.bincount(positions(inputs, "participant_node", "node"), minlength=len(parent))
    return partition.Tree(parent, inputs["node_fee"].values, inputs["node_limit"].values, crowd)


def ties_of(inputs):
    """Return the nodes of every vehicle's owner and hosts, in pairs."""
    home = positions(inputs, "participant_node", "node")
    owner, host = (positions(inputs, f"vehicle_{w}", "participant") for w in ("owner", "host"))
    vehicle, slot = np.nonzero(host >= 0)
    return np.stack([home[owner[vehicle]], home[host[vehicle, slot]]], axis=1)


def part(inputs, nodes):
    """Return the inputs of some nodes alone, the topmost of them without a parent."""
    labels = inputs["node"].values[nodes]
    found = inputs.sel(node=labels)
    found = found.isel(participant=np.isin(found["participant_node"], labels))
    for device in ("battery", "vehicle"):
        found = found.isel({device: np.isin(found[f"{device}_owner"], found["participant"])})
    found = found.isel(trip=np.isin(found["trip_vehicle"], found["vehicle"])).copy(deep=True)
    top = ~np.isin(found["node_parent"], labels)
    found["node_parent"].values[top], found["node_fee"].values[top] = "", 0.0
    return complete(found)


def cleared(inputs):
    """Return the optimum and results of the relaxation without directions: what the certificate is about."""
    block = community_block(inputs)
    return solve(block, one_way=False).objective, collect(block)


def apart(inputs, tree, cut_above):
    """Return the sum of the regions' objectives and what the certificate says."""
    region, size, total = partition.regions(tree.parent, cut_above), len(tree.parent), 0.0
    whole = optimality_gap.Border(
        *(np.zeros((size, inputs.sizes["time"])) for _ in optimality_gap.Border._fields)
    )
    for top in np.unique(region[tree.crowd > 0]):
        nodes = np.flatnonzero(region == top)
        own = part(inputs, nodes)
        objective, results = cleared(own)
        total += objective
        for everywhere, here in zip(whole, optimality_gap.border(own, results), strict=True):
            everywhere[nodes] = here
    return total, optimality_gap.judge(tree, cut_above, whole, inputs["slot_hours"].values)


def street(**b):
    """Return two nodes below a root, 3 JPY/kWh from it: sun to spare at a, and what is given at b."""
    tariff = {"retail_price": 20, "feed_in_price": 8}
    homes = {"sun": {"node": "a", "demand": 0, "pv_available": 5}, "shade": {"node": "a", "demand": 1}}
    homes = {**homes, "there": {"node": "b", "demand": 1, "pv_available": 0, **b}}
    return community(
        {
            "slots": [1],
            "nodes": {
                "root": {"parent": ""},
                "a": {"parent": "root", "fee": 3},
                "b": {"parent": "root", "fee": 3},
            },
            "tariffs": {"flat": tariff},
            "participants": {k: {"tariff": "flat", "pv_available": 0, **v} for k, v in homes.items()},
        }
    )


def test_the_gap_of_a_street_by_hand():
    """Energy is worth 8 at a, where the sun feeds in, and 20 at b: over 6 of fees 1 kWh would gain 20 - 8 - 6 = 6."""
    inputs = street()
    tree = tree_of(inputs)
    cut_above = partition.cut(tree, ties_of(inputs), most=2)
    assert (
        cut_above.tolist() == [False, True, True] or cut_above.sum() == 1
    )  # a junction goes with whom it fits
    total, verdict = apart(inputs, tree, cut_above)
    assert total == pytest.approx(20 - 4 * 8)
    assert verdict.gap == pytest.approx(6)
    assert {frozenset(pair) for pair in verdict.pairs.tolist()} == {frozenset((1, 2))}
    joined = partition.joined(tree, cut_above, verdict.pairs, most=3)
    assert not joined.any()
    assert (partition.joined(tree, cut_above, verdict.pairs, most=2) == cut_above).all()
    assert apart(inputs, tree, joined)[0] == pytest.approx(20 - 4 * 8 - 6)


def test_prices_within_the_fees_are_a_proof():
    """With sun to spare at both ends it gets 8 there, and anything from 5 to 11 at the root between them is in order.

    At b, where nobody would buy, a watt is worth what the shade at a would save, 8, less the fees of the way, 6.
    """
    inputs = street(demand=0, pv_available=2)
    tree = tree_of(inputs)
    total, verdict = apart(inputs, tree, np.array([False, True, True]))
    assert (verdict.gap, len(verdict.pairs)) == (0, 0)
    assert total == pytest.approx(cleared(inputs)[0])
    assert verdict.price.ravel() == pytest.approx([5, 8, 2])
    assert cleared(inputs)[1]["price"].values.ravel() == pytest.approx([5, 8, 2])


FULL = {
    "owner": "sun",
    **{f"{at}_energy": 2 for at in ("initial", "final")},
    "capacity": 2,
    "charge_limit": 6,
    "discharge_limit": 1,
    **{f"{way}_efficiency": 0.9 for way in ("charge", "discharge")},
}


@pytest.mark.parametrize("battery", [{}, {"full": FULL}])
def test_a_price_that_only_another_region_would_pay(battery):
    """The sun at a gets 8 from the retailer, so that peers pay 16, access included; nobody there pays for energy.

    Who pays 29 at b gives 21 for it, worth 15 at a after fees of 6: the price of one more watt offered at a, of which a
    alone would say that it is worth nothing and costs 16. Where a battery that could be charged ties that price to
    those of other slots, a and b are cleared as one for it.
    """
    fees = {"access_fee": 8}
    inputs = community(
        {
            "slots": [1],
            "nodes": {
                "root": {"parent": "", **fees},
                "a": {"parent": "root", "fee": 3, **fees},
                "b": {"parent": "root", "fee": 3, **fees},
            },
            "tariffs": {"flat": {"retail_price": 29, "feed_in_price": 8}},
            "participants": {
                "sun": {"node": "a", "tariff": "flat", "demand": 0, "pv_available": 5},
                "there": {"node": "b", "tariff": "flat", "demand": 1, "pv_available": 0},
            },
            "batteries": battery,
        }
    )
    alone = cleared(part(inputs, np.array([1])))[1]
    assert [alone[name].item() for name in ("price", "offer_value")] == pytest.approx([16, 0])
    tree, apart_at = tree_of(inputs), np.array([False, True, True])
    total, verdict = apart(inputs, tree, apart_at)
    assert (total, verdict.gap) == (pytest.approx(29 - 5 * 8), 0)
    if battery:
        assert {frozenset(pair) for pair in verdict.pairs.tolist()} == {frozenset((1, 2))}
        assert verdict.price[1] == pytest.approx(16), (
            "until then the price of its region, which is in order too"
        )
        verdict = apart(inputs, tree, partition.joined(tree, apart_at, verdict.pairs, most=2))[1]
    assert len(verdict.pairs) == 0
    for name, found in (("price", verdict.price), ("offer_value", verdict.offer)):
        assert found.ravel() == pytest.approx([18, 15, 21])
        assert cleared(inputs)[1][name].values.ravel() == pytest.approx([18, 15, 21])


def test_nothing_is_cut_that_a_vehicle_or_no_fee_ties_together():
    # root 0 - feeders 1, 2 - banks 3, 4 below 1 and 5, 6 below 2
    tree = partition.Tree(
        np.array([-1, 0, 0, 1, 1, 2, 2]), np.ones(7), np.full(7, np.inf), np.array([0, 0, 0, 9, 9, 9, 9])
    )
    none = np.zeros((0, 2), dtype=int)
    assert len(np.unique(partition.regions(tree.parent, partition.cut(tree, none, most=9)))) == 4
    tied = partition.regions(tree.parent, partition.cut(tree, np.array([[3, 5]]), most=9))
    assert tied[3] == tied[1] == tied[0] == tied[2] == tied[5], "and so is the way between them"
    assert len({tied[3], tied[4], tied[6]}) == 3
    free = tree._replace(fee=np.array([0, 1, 1, 0, 0, 1, 1]))
    banks = partition.regions(tree.parent, partition.cut(free, none, most=9))
    assert banks[3] == banks[4] == banks[1]


@pytest.mark.parametrize("seed", counts.few(RANDOM))
@pytest.mark.parametrize("closed", [False, True])
def test_the_union_is_the_optimum_or_the_gap_holds_it(seed, closed):
    """Where the union is the optimum, its prices and offers are those of the whole cleared as one.

    With closed edges there are nodes with meters where nobody of their own region would pay for energy.
    """
    inputs = random_community(seed).drop_dims("node_to", errors="ignore")
    if closed:
        inputs["node_limit"].values[::3] = 0.0
    optimum, results = cleared(inputs)
    tree = tree_of(inputs)
    cut_above = partition.cut(tree, ties_of(inputs), most=1)
    scale = max(abs(optimum), 1.0)
    while True:
        total, verdict = apart(inputs, tree, cut_above)
        assert total - verdict.gap - 1e-6 * scale <= optimum <= total + 1e-6 * scale
        if not len(verdict.pairs):
            break
        before, cut_above = cut_above, partition.joined(tree, cut_above, verdict.pairs, most=np.inf)
        assert before.sum() > cut_above.sum(), "what would trade is joined"
    assert verdict.gap == 0
    assert total == pytest.approx(optimum, rel=1e-6, abs=1e-6)
    if not meters(inputs, peers=True).directed.any():  # regions know of no tariffs elsewhere
        np.testing.assert_allclose(verdict.price, results["price"].values, atol=1e-6)
        np.testing.assert_allclose(verdict.offer, results["offer_value"].values, atol=1e-6)
