"""Clearing from the leaves upward: optimum, prices and quantities of the single program, whatever the tree."""

from dataclasses import replace

import numpy as np
import pytest
from pyomo.core.base.var import Var

from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.results import collect
from otonari.model.solver import bottom_up, components
from otonari.model.solver.highs import prove
from otonari.model.solver.solve import solve
from otonari.model.topology import fee_tree

from . import counts
from .benchmarks.neighbourhood import neighbourhood
from .communities import community, random_community

RANDOM = range(500)


@pytest.fixture
def small(monkeypatch):
    """Let every node be a subtree of its own at first, and every subtree a program of its own."""
    monkeypatch.setattr(components, "ROWS", 1)
    monkeypatch.setattr(fee_tree, "METERS", 1)
    monkeypatch.setattr(fee_tree, "GROWTH", 2)


def single(inputs):
    """Return the solution and the results of the community as one program."""
    block = community_block(inputs)
    for family in block.network.component_objects(Var):
        family.pricing_stage[:] = family.virtual_node[:] = 0
    return solve(block, one_way=False), collect(block)


def climbed(inputs, start=None, threads=1):
    block = community_block(inputs)
    return solve(block, start=start, threads=threads, one_way=False), collect(block)


def assert_same(one, other):
    assert one[0].objective == pytest.approx(other[0].objective, rel=1e-9, abs=1e-9)
    for name in other[1]:
        assert np.allclose(one[1][name], other[1][name], atol=1e-6), name


@pytest.mark.parametrize("seed", counts.all_or(RANDOM, RANDOM[:16]))
def test_a_random_tree_clears_as_the_single_program_does(small, seed):
    """Node limits (closed edges too), guests, free edges, equal and negative prices: the seeds hold them all."""
    inputs = random_community(seed)
    expected = single(inputs)
    assert "from the leaves" not in expected[0].method
    assert_same(climbed(inputs), expected)
    assert_same(climbed(inputs, solve(community_block(inputs, "grid-only"))), expected)


@pytest.mark.thorough
def test_the_random_trees_are_cleared_in_all_ways(small):
    """Some stay in several subtrees, some are joined to one; pairwise fees and single meters are one program."""
    ways = {"one program": 0, "apart": 0, "joined": 0}
    for seed in RANDOM[:80]:
        method = climbed(random_community(seed))[0].method
        if "from the leaves" not in method:
            ways["one program"] += 1
            continue
        ways["joined" if "leaves: 1 subtrees" in method else "apart"] += 1
    assert min(ways.values()) >= 2, ways


def test_subtrees_whose_prices_differ_by_less_than_the_fee_stay_apart(small):
    """Two homes with PV to spare and two without, each pair at its own node: within a node they trade, over it never."""
    case = {
        "slots": [1],
        "nodes": {
            "root": {"parent": ""},
            "a": {"parent": "root", "fee": 3},
            "b": {"parent": "root", "fee": 3},
        },
        "tariffs": {"flat": {"retail_price": 20, "feed_in_price": 8}},
        "participants": {
            f"{who}{node}": {"node": node, "tariff": "flat", "demand": demand, "pv_available": pv}
            for node in "ab"
            for who, demand, pv in (("sun", 0, 5), ("shade", 1, 0))
        },
    }
    solution, results = climbed(community(case))
    # 4 kW of each sun go to the grid at 8: energy is worth 8 at both nodes, and 8 - 3 at the root, where one may sell
    assert solution.method == "from the leaves: 2 subtrees in 1 rounds, 0 of 4 flows between them"
    assert solution.proof["duality_gap"] == pytest.approx(0, abs=1e-12)
    assert results["price"].sel(node=["root", "a", "b"]).values.ravel() == pytest.approx([5, 8, 8])
    case["participants"]["sunb"]["pv_available"] = (
        0  # now b buys at 20 what a sells at 8, and the path costs 6
    )
    solution, results = climbed(community(case))
    assert "1 subtrees" in solution.method
    assert results["node_flow"].sel(node="a").values == pytest.approx(1)
    assert results["price"].sel(node=["root", "a", "b"]).values.ravel() == pytest.approx([11, 8, 14])


@pytest.mark.parametrize("shape", ["chain", "star", "one node"])
def test_extreme_trees_clear_as_the_single_program_does(monkeypatch, shape):
    monkeypatch.setattr(fee_tree, "METERS", 5)
    inputs = reshaped(neighbourhood(30), shape)
    assert_same(climbed(inputs), single(inputs))


def reshaped(inputs, shape):
    """Return the homes on another tree: each at a node of its own, or all at one."""
    homes = inputs.sizes["participant"]
    size = 1 if shape == "one node" else homes
    nodes = [f"n{k}" for k in range(size)]
    parents = ["", *([nodes[0]] * (size - 1) if shape == "star" else nodes[:-1])]
    tree = {
        "node_parent": ("node", parents),
        "node_fee": ("node", np.linspace(0.2, 1.1, size)),
        "node_access_fee": ("node", np.full(size, 1.0)),
        "node_limit": ("node", np.full(size, np.inf)),
        "participant_node": ("participant", np.resize(nodes, homes)),
    }
    kept = inputs.drop_dims("node").drop_vars("participant_node")
    return kept.assign_coords(node=nodes).assign(tree)


def test_guests_from_afar_trade_exactly(monkeypatch):
    """Half of the vehicles spend the first and the last hours at a home elsewhere."""
    monkeypatch.setattr(fee_tree, "METERS", 10)
    monkeypatch.setattr(fee_tree, "GROWTH", 3)
    inputs = neighbourhood(60).copy(deep=True)
    host = inputs["vehicle_host"].values
    for k in range(0, len(host), 2):
        host[k, :8] = host[k, 44:] = f"home{(17 * k + 30) % 60}"
    assert_same(climbed(inputs), single(inputs))


@pytest.mark.parametrize("seed", counts.few(RANDOM))
def test_vehicles_everywhere_clear_as_the_single_program_does(small, seed):
    """Every vehicle is plugged in at a home drawn anew for each slot in which it does not drive."""
    inputs = random_community(seed)
    host, homes = inputs["vehicle_host"].values, inputs["participant"].values
    host[host != ""] = np.random.default_rng(seed).choice(homes, int((host != "").sum()))
    assert_same(climbed(inputs), single(inputs))


def test_a_guest_trades_once_both_places_are_in_one_subtree(monkeypatch):
    monkeypatch.setattr(fee_tree, "METERS", 30)  # more than there are at a node
    inputs = neighbourhood(60).copy(deep=True)
    owner = inputs["vehicle_owner"].values[0]  # at the same node as the near host
    near, far = (str(inputs["participant"].values[k]) for k in (0, 30))
    inputs["vehicle_host"].values[0, :8] = [near] * 4 + [far] * 4
    block = community_block(inputs)
    up, purchase = block.network.up, block.network.purchase
    nodes = inputs["participant_node"].values[[0, 30]]
    edges = dict(zip(inputs["node"].values[1:], up.pricing_stage.reshape(-1, 48)[:, 0], strict=True))
    guest = int(block.meters.guest[0])
    stage = np.full(purchase.shape, -1)
    stage.flat[purchase.position] = purchase.pricing_stage
    assert near != owner
    assert nodes[0] != nodes[1]
    assert stage[guest, :4].tolist() == [0] * 4
    assert stage[guest, 4:8].tolist() == [max(edges[n] for n in nodes)] * 4
    assert max(edges[n] for n in nodes) > 0
    assert np.delete(stage, guest, axis=0).max() == 0


@pytest.mark.parametrize("seed", [2, 7, 19, 31, 64, 90])
def test_edges_of_limit_zero_keep_subtrees_apart(small, seed):
    inputs = random_community(seed)
    inputs["node_limit"].values[::2] = 0.0
    assert_same(climbed(inputs), single(inputs))


def test_threads_change_nothing():
    inputs = neighbourhood(130)
    alone = solve(community_block(inputs, "grid-only"), threads=2)
    one, two = climbed(inputs, alone), climbed(inputs, alone, threads=2)
    assert "rounds" in one[0].method
    assert all(one[1][name].values.tobytes() == two[1][name].values.tobytes() for name in one[1])


def test_the_stages_join_a_few_subtrees_at_a_time():
    # root 0 - feeders 1, 2 - five transformers of 25 meters below each
    parent = np.array([-1, 0, 0, *[1] * 5, *[2] * 5])
    crowd = np.array([0, 0, 0, *[25] * 10])
    stage = fee_tree.stages(parent, crowd)
    assert stage[[1, 2]].max() == 2  # 250 meters: more than 60 * 3
    assert sorted(stage[3:8].tolist()) == [0, 0, 1, 1, 1]  # a feeder goes with two of its transformers
    assert (fee_tree.stages(parent, crowd / 10) == 0).all()
    assert fee_tree.stages(np.array([-1]), np.array([1000.0])).tolist() == [0]


def test_what_is_tied_together_is_not_cut():
    parent = np.array([-1, 0, 0, *[1] * 5, *[2] * 5])
    crowd, tied = np.array([0, 0, 0, *[25] * 10]), np.zeros(13, dtype=bool)
    tied[3:7] = (
        True  # four of the transformers of the first feeder: 100 meters, and no edge between them waits
    )
    cut = fee_tree.cuts(parent, crowd, fee_tree.from_leaves(parent), 60, tied)
    assert cut[3:8].tolist() == [False] * 4 + [True]


def test_a_chain_is_cut_into_pieces_of_like_size():
    stage = fee_tree.stages(np.arange(-1, 399), np.ones(400))
    ends = np.flatnonzero(stage > 0)
    assert np.diff(ends).max() == fee_tree.METERS
    assert stage.max() == 2


def test_the_certificate_is_the_proof():
    """Where nothing waits that pays, the separate optimum passes the proof of optimality of the whole program."""
    block = community_block(neighbourhood(300))
    program = compile_block(block)
    program = replace(program, integer=np.zeros_like(program.integer))
    found = bottom_up.optimum(program)
    assert "from the leaves" in found.method
    assert max(prove(program, found.x, found.dual).values()) <= 1e-9


@pytest.mark.parametrize("threads", [1, 2])
def test_whoever_asks_is_told_how_much_is_done_of_what_is_known(small, threads):
    """Never more than is known, never less than before, in the end all of it; and nothing else changes."""
    inputs, told = random_community(14, min_charge=True), []
    blocks = community_block(inputs), community_block(inputs)
    asked = solve(blocks[0], threads=threads, progress=lambda *both: told.append(both))
    assert asked.objective == solve(blocks[1]).objective
    done, known = np.array(told).T
    assert (done <= known).all()
    assert (np.diff(done) > 0).all()
    assert (np.diff(known) >= 0).all()
    assert done[-1] == known[-1]
    assert len(set(known.tolist())) > 1  # parts joined, or binaries, were found on the way
