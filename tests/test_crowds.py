"""Crowded nodes in virtual ones: the program of the parts is that of the whole, and its bases are too."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from otonari.model.clearing import community_block
from otonari.model.lp.matrix import compile_block
from otonari.model.solver import bottom_up
from otonari.model.solver.crowds import BASIC, crowds
from otonari.model.solver.highs import load, optimal, run
from otonari.model.solver.solve import solve
from otonari.model.topology import fee_tree
from otonari.model.topology.meters import meters
from otonari.model.topology.subtrees import subtrees

from . import counts
from .benchmarks.neighbourhood import neighbourhood
from .communities import random_community

SEEDS = range(500)


@pytest.fixture
def crowded(monkeypatch):
    """Let two meters be a crowd."""
    monkeypatch.setattr(fee_tree, "METERS", 1)


def drawn(seed):
    """Return a random community with the homes at few nodes, in a program without binaries."""
    inputs = random_community(seed)
    node = inputs["participant_node"].values
    node[:] = np.random.default_rng(seed).choice(inputs["node"].values[:2], len(node))
    program = compile_block(community_block(inputs))
    return replace(program, integer=np.zeros_like(program.integer))


def neighbours(homes=60):
    """Return homes of a neighbourhood at one node, whose pools have many of them, as a program without binaries."""
    inputs = neighbourhood(homes)
    inputs = inputs.assign(participant_node=("participant", [str(inputs["node"].values[0])] * homes))
    return compile_block(community_block(inputs))


def value(program):
    highs = load(replace(program, integer=np.zeros_like(program.integer)), None, 0.0)
    run(highs)
    assert optimal(highs)
    return highs.getInfo().objective_function_value


@pytest.mark.parametrize("seed", counts.few(SEEDS))
def test_the_parts_add_up_to_the_whole(crowded, seed):
    assert_whole(crowds(drawn(seed)))


def test_the_parts_of_a_neighbourhood_add_up_to_it(monkeypatch):
    monkeypatch.setattr(fee_tree, "METERS", 10)
    parts = crowds(neighbours())
    assert len(parts.stage) == 4 * 48  # 25 homes fold, 35 meters fill four virtual nodes ..
    assert_whole(parts)
    assert value(parts.program) == pytest.approx(value(parts.whole), rel=1e-9)


def assert_whole(parts):
    """Assert that rows of the parts add up to those of the whole, where flows cancel, and bounds and sides too."""
    whole, program = parts.whole, parts.program
    height = len(parts.row)
    add = sparse.csr_matrix((np.ones(height), (parts.row, np.arange(height))), (len(whole.row_lower), height))
    own = len(parts.column)
    added = add @ program.matrix
    assert abs(added[:, :own] - whole.matrix[:, parts.column]).max() < 1e-12
    assert abs(added[:, own:]).sum() == 0
    for one, other in (("lower", parts.column), ("upper", parts.column), ("row_lower", parts.row)):
        finite = np.isfinite(getattr(whole, one))
        summed = np.bincount(other, getattr(program, one)[: len(other)], minlength=len(finite))
        np.testing.assert_allclose(summed[finite], getattr(whole, one)[finite], atol=1e-9)


@pytest.mark.parametrize("seed", counts.few(SEEDS))
def test_a_crowd_has_the_optimum_prices_and_values_of_the_program_itself(crowded, seed):
    program = drawn(seed)
    one, other = (bottom_up.optimum(program, together=together) for together in (True, False))
    assert program.cost @ other.x == pytest.approx(program.cost @ one.x, rel=1e-9, abs=1e-9)
    moved = bottom_up.rules(program).weight > 0  # of relaxed binaries any value may do
    np.testing.assert_allclose(other.x[moved], one.x[moved], atol=1e-6)
    priced = bottom_up.rules(program).share > 0
    np.testing.assert_allclose(other.dual[priced], one.dual[priced], atol=1e-6)
    np.testing.assert_allclose(other.offer[priced], one.offer[priced], atol=1e-6)


@pytest.mark.parametrize("seed", counts.few(SEEDS))
def test_a_basis_of_the_whole_is_one_of_the_parts_and_back(crowded, seed):
    program = drawn(seed)
    found = bottom_up.optimum(program, together=True)
    parts = crowds(program)
    columns, rows = parts.start(found.column_status, found.row_status)
    if len(parts.column) == len(program.cost):  # else the parts of a pool have one choice too many
        assert (columns == BASIC).sum() + (rows == BASIC).sum() == len(parts.row)
    back = parts.basis(columns, rows)
    assert (back[0] == found.column_status).all()
    assert (back[1] == found.row_status).all()


def test_a_crowd_starts_from_its_own_optimum(monkeypatch):
    monkeypatch.setattr(fee_tree, "METERS", 10)
    inputs = neighbourhood(60)
    inputs = inputs.assign(participant_node=("participant", [str(inputs["node"].values[0])] * 60))
    first = solve(community_block(inputs))
    assert "from the leaves" in first.method
    again = solve(community_block(inputs), start=first)
    assert again.objective == pytest.approx(first.objective, rel=1e-12)
    assert again.iterations < first.iterations / 20


def test_virtual_nodes_are_a_tree_of_which_every_stage_joins_a_few(monkeypatch):
    monkeypatch.setattr(fee_tree, "METERS", 5)
    inputs = neighbourhood(60)
    inputs = inputs.assign(participant_node=("participant", [str(inputs["node"].values[0])] * 60))
    parent = np.full(inputs.sizes["node"], -1)
    parent[1:] = 0
    nodes = subtrees(parent, meters(inputs, peers=True)).nodes
    assert nodes.above.tolist() == [0, 0, 1, 1, 1, 4, 4, 1, 7]  # 1 to 3 together, 4 to 6, and 7 with 8
    assert nodes.stage[[2, 3, 5, 6, 8]].tolist() == [1] * 5
    assert nodes.stage[[1, 4, 7]].min() > 1


def test_virtual_nodes_have_few_meters_and_a_guest_is_with_its_owner(monkeypatch):
    monkeypatch.setattr(fee_tree, "METERS", 5)
    inputs = neighbourhood(60).copy(deep=True)
    host, homes = inputs["vehicle_host"].values, inputs["participant"].values
    host[0, :4], host[0, 4:8] = homes[0], homes[30]  # at its owner's node, and at another
    who = meters(inputs, peers=True)
    parent = np.array(
        [0, *[inputs["node"].values.tolist().index(p) for p in inputs["node_parent"].values[1:]]]
    )
    parent[0] = -1
    cut = subtrees(parent, who)
    owner, guest = who.place["vehicle"][0, 10], who.guest[0]
    assert (cut.virtual[guest, :4] == cut.virtual[owner, 0]).all()
    assert (cut.trade[guest, :4] == 0).all()
    assert (cut.virtual[guest, 4:8] > 0).all()
    assert (cut.trade[guest, 4:8] > 0).all()
    at_once = [np.bincount(slot[slot > 0]).max() for slot in cut.virtual.T]
    assert max(at_once) <= 6  # the guest beside them
    pools = np.bincount(who.draws_at, minlength=len(who.label)) > 1
    assert pools.any()
    assert (cut.virtual[pools] == -1).all()
    for virtual in np.unique(cut.virtual[cut.virtual > 0]):
        assert len(np.unique(who.node[cut.virtual == virtual])) == 1
