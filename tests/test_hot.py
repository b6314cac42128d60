"""Solves that start where a like model ended: the result of a cold one, whatever came before."""

from dataclasses import replace

import numpy as np
import pytest

from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.lp.matrix import compile_block
from otonari.model.results import collect
from otonari.model.solver import bottom_up, components
from otonari.model.solver.basis import at_rest, basis_of, statuses
from otonari.model.solver.solve import solve
from otonari.model.topology import fee_tree
from otonari.model.topology.stores import without_final_limits

from . import counts
from .benchmarks.neighbourhood import neighbourhood
from .communities import random_community

SLOT = np.timedelta64(30, "m")


def solved(inputs, start=None):
    block = community_block(inputs)
    return solve(block, start=start, one_way=False), collect(block)


def assert_same(hot, cold):
    assert hot[0].objective == pytest.approx(cold[0].objective, rel=1e-9, abs=1e-9)
    for name in cold[1]:
        assert np.allclose(hot[1][name], cold[1][name], atol=1e-6), name


def changed(inputs, random):
    """Return the inputs with other demand, PV, prices, fees and stored energies."""
    names = ["demand", "pv_available", "retail_price", "feed_in_price", "node_fee", "battery_initial_energy"]
    chosen = random.choice(names, random.integers(1, 4), replace=False)
    factor = {name: random.uniform(0.7, 1.0, inputs[name].shape) for name in chosen}
    return inputs.assign({name: inputs[name] * factor[name] for name in chosen})


def window(inputs, slot, count):
    """Return some slots of the inputs, with the trips that depart in them and stores that end where they like."""
    part = inputs.isel(time=slice(slot, slot + count))
    departure, first = part["trip_departure"].values, part["time"].values[0]
    inside = (departure >= first) & (departure < part["time"].values[-1] + SLOT)
    free = {f"{d}_final_energy": part[f"{d}_final_energy"] * np.nan for d in ("battery", "vehicle")}
    return part.isel(trip=np.flatnonzero(inside)).assign(free).pipe(without_final_limits)


@pytest.mark.parametrize("seed", counts.share(range(15)))
def test_a_chain_of_hot_solves_is_one_of_cold_ones(seed, monkeypatch):
    """Each from the one before, through what cannot be met, in the order drawn and back again."""
    monkeypatch.setattr(components, "ROWS", 1)
    monkeypatch.setattr(fee_tree, "METERS", 1)
    random = np.random.default_rng(seed)
    inputs = random_community(seed)
    chain = [changed(inputs, random) for _ in range(3)]
    no_way_in = np.zeros(inputs.sizes["participant"])
    chain.insert(2, inputs.assign(import_limit=("participant", no_way_in), demand=inputs["demand"] + 99.0))
    cold, last = {}, None
    for k in (0, 1, 2, 3, 1, 0):
        if k == 2:
            with pytest.raises(Infeasible):
                solved(chain[k], last)
            continue
        cold[k] = cold.get(k) or solved(chain[k])
        hot = solved(chain[k], last)
        assert_same(hot, cold[k])
        last = hot[0]


@pytest.mark.parametrize("step", [1, 3])
def test_a_horizon_rolls_and_shrinks_at_its_end(step):
    inputs, random, last = neighbourhood(12), np.random.default_rng(step), None
    pivots = np.zeros(2)
    for slot in range(20, 20 + 8 * step, step):
        seen = window(inputs, slot, 24)
        seen = seen.assign(demand=seen["demand"] * random.uniform(0.95, 1.05, seen["demand"].shape))
        hot, cold = solved(seen, last), solved(seen)
        assert_same(hot, cold)
        pivots += (hot[0].iterations, cold[0].iterations) if last else 0
        last = hot[0]
    assert pivots[0] < pivots[1] / 2


def test_what_has_the_same_label_starts_where_it_was():
    """A battery and a car fewer, two slots later, and one slot that nobody knew."""
    inputs = neighbourhood(12)
    blocks = [community_block(window(inputs, 10, 20))]
    program = compile_block(blocks[0])
    random = np.random.default_rng(1)
    before = [random.integers(0, 3, len(s)).astype(np.int8) for s in at_rest(program)]
    blocks.append(community_block(window(inputs.isel(battery=slice(1, None)), 12, 19)))
    like = compile_block(blocks[1])
    after, rest = statuses(like, basis_of(program, *before)), at_rest(like)
    kinds = ((program.variables, like.variables), (program.constraints, like.constraints))
    kept = new = 0
    for (old, young), was, now, resting in zip(kinds, before, after, rest, strict=True):
        ends = np.cumsum([len(f.position) for f in old])[:-1]
        status = {
            (f.name, label): int(s)
            for f, part in zip(old, np.split(was, ends), strict=True)
            for label, s in zip(f.labels(), part, strict=True)
        }
        labels = [(f.name, label) for f in young for label in f.labels()]
        for label, found, at in zip(labels, now, resting, strict=True):
            assert found == status.get(label, at)
            kept, new = kept + (label in status), new + (label not in status)
    assert kept > new > 0


@pytest.mark.parametrize("seed", counts.share(range(8)))
def test_a_wrong_basis_costs_time_alone(seed):
    inputs, random = random_community(seed), np.random.default_rng(seed)
    cold = solved(inputs)
    for kinds in ([0], [1], [2], [0, 1, 2, 3, 4]):
        basis = cold[0].basis
        families = [
            {n: (sets, random.choice(kinds, a.shape).astype(np.int8)) for n, (sets, a) in part.items()}
            for part in (basis.columns, basis.rows)
        ]
        assert_same(solved(inputs, replace(basis, columns=families[0], rows=families[1])), cold)


@pytest.mark.parametrize("wrong", ["x", "dual"])
def test_what_a_warm_solve_cannot_prove_is_solved_cold(monkeypatch, wrong):
    """A solver that ends at a wrong optimum when it starts hot is found out."""
    inputs, right = neighbourhood(6), bottom_up.optimum
    cold, calls = solved(inputs), []

    def misled(program, start=None, *, together=False, **options):
        found = right(program, start, together=together, **options)
        calls.append(together)
        return found if together else found._replace(**{wrong: getattr(found, wrong) * 1.01 + 0.01})

    monkeypatch.setattr(bottom_up, "optimum", misled)
    assert_same(solved(inputs, cold[0]), cold)
    assert calls == [False, True]


def test_other_prices_need_few_pivots():
    inputs = neighbourhood(12)
    last = solved(inputs)[0]
    dearer = inputs.assign(retail_price=inputs["retail_price"] * 1.02)
    hot, cold = solved(dearer, last), solved(dearer)
    assert_same(hot, cold)
    assert hot[0].iterations < cold[0].iterations / 10
