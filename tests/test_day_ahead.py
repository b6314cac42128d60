"""A day ahead: contracts for several futures by hand, against clearings of each, and through the command line."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.inputs.contract import complete
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.day_ahead import contracted, day_ahead_block, fix, results
from otonari.model.planning import costs
from otonari.model.risk import Risk
from otonari.model.settlement.trades import bilateral
from otonari.model.solver.solve import solve
from otonari.runs.clear.day_ahead import Outcome, forecast, given
from otonari.runs.commands.clear import contracted as told

from . import counts
from .communities import community, random_community
from .test_plan import SMALL

HALVES = [0.5, 0.5]


def street(sun, fee=0.0, demand=(1.0, 1.0)):
    """Return a roof without demand and a home without a roof, two hours at 30 from and 8 to the retailer."""
    people = {
        "roof": {"node": "n", "tariff": "t", "demand": [0.0, 0.0], "pv_available": list(sun)},
        "home": {"node": "n", "tariff": "t", "demand": list(demand)},
    }
    inputs = community(
        {
            "slots": [1.0, 1.0],
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
            "participants": people,
        }
    )
    return inputs.assign(imbalance_fee=("time", np.full(2, float(fee))))


def solved(futures, probability, **options):
    """Return the block of a day ahead, what each future costs, and what is contracted."""
    block = day_ahead_block(futures, probability, **options)
    solve(block)
    return block, costs(block) / len(futures), contracted(block)


@pytest.mark.parametrize(("fee", "agreed"), [(0.0, 1.0), (21.9, 1.0), (22.1, 0.0)])
def test_what_may_not_come_is_contracted_as_long_as_it_pays(fee, agreed):
    """A kWh of sun saves 30 - 8 = 22 with a chance of a half, and costs the fee with the other half."""
    block, cost, own = solved([street([2.0, 0.5], fee), street([0.0, 0.5], fee)], HALVES)
    rows = dict(zip(own.label.tolist(), range(2), strict=True))
    assert own.sale[rows["roof"]] == pytest.approx([agreed, 0.5])
    assert own.purchase[rows["home"]] == pytest.approx([agreed, 0.5])
    assert own.purchase[rows["roof"]].sum() == own.sale[rows["home"]].sum() == 0.0
    # 0.5 kWh of 22 in the second hour; in the first 2 kWh are sold, of them `agreed` to the home
    assert cost == pytest.approx(
        [60 - 0.5 * 22 - 8 * 2 - 22 * agreed - 0.5 * 8, 60 - 0.5 * 22 + fee * agreed - 4.0]
    )
    for result, sun in zip(results(block), (2.0, 0.0), strict=True):
        traded = min(agreed, sun)
        assert result["peer_purchase"].values[1] == pytest.approx([traded, 0.5])


def test_the_fee_is_paid_by_who_draws_less_and_not_by_who_keeps_its_contract():
    """A home that draws 1 or 0 kWh pays for the one that it does not draw; its seller gives it to the retailer."""
    futures = [street([1.0, 0.0], 5.0, (1.0, 0.0)), street([1.0, 0.0], 5.0, (0.0, 0.0))]
    _, cost, own = solved(futures, HALVES)
    assert own.purchase.sum() == pytest.approx(1.0)
    assert cost == pytest.approx([0.0, -8.0 + 5.0])
    _, alone, _ = solved(futures[1:], [1.0], bounds=futures[:1])
    assert alone == pytest.approx([-8.0])  # who knows that contracts nothing
    block = day_ahead_block(futures[1:], [1.0], bounds=futures[:1])
    fix(block, own)
    solve(block)
    assert costs(block) == pytest.approx([-3.0])


def test_the_worst_future_counts_more_by_its_weight():
    """With the fee at 21 the contract pays on average, and not where the worst half weighs a tenth."""
    futures = [street([2.0, 0.0], 21.0, (1.0, 0.0)), street([0.0, 0.0], 21.0, (1.0, 0.0))]
    for weight, agreed in ((0.0, 1.0), (0.02, 1.0), (0.1, 0.0)):
        block, _, own = solved(futures, HALVES, risk=Risk(weight, 0.5))
        assert own.purchase.sum() == pytest.approx(agreed, abs=1e-9)
        for future, result in zip(futures, results(block), strict=True):
            assert check(future, result, bilateral(future, result), None, prices="traded") == []


def others(inputs, seed, fee):
    """Return two more futures of a community: other demand, sun and retail prices."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(3):
        new = {}
        for name in ("demand", "pv_available"):
            new[name] = inputs[name] * rng.uniform(0.4, 1.0, inputs[name].shape)
        new["imbalance_fee"] = "time", np.full(inputs.sizes["time"], fee)
        made.append(inputs.assign(new))
    return made


def co_optimized(inputs):
    block = community_block(inputs, "p2p", minimum_charge=False)
    return solve(block, tie_break=False, one_way=False).objective


@pytest.mark.parametrize("seed", counts.all_or(range(60), (9,)))
def test_no_future_costs_less_than_if_it_were_known(seed):
    """Random communities: without a fee contracts are no limit; with one, who knows the future pays none."""
    inputs = complete(random_community(seed))
    known = np.array([co_optimized(future) for future in others(inputs, seed, 0.0)])
    probability, found = [0.5, 0.3, 0.2], []
    for fee in (0.0, 4.0, 1e4):
        futures = others(inputs, seed, fee)
        block = day_ahead_block(futures, probability)
        objective = solve(block, one_way=False, tie_break=False).objective / 3
        assert objective == pytest.approx(np.array(probability) @ costs(block) / 3, abs=1e-5)
        assert (costs(block) / 3 >= known - 1e-5).all()
        one = day_ahead_block(futures[:1], [1.0])
        assert solve(one, one_way=False, tie_break=False).objective == pytest.approx(known[0], abs=1e-5)
        found.append(objective)
    assert found[0] <= found[1] + 1e-6
    assert found[1] <= found[2] + 1e-6
    alone = [
        solve(community_block(f, "grid-only", minimum_charge=False), one_way=False, tie_break=False).objective
        for f in futures
    ]
    assert found[2] <= np.array(probability) @ alone + 1e-5  # nobody has to contract


def scenario(futures, **more):
    own = json.loads(json.dumps(SMALL))
    own["time"] |= {"slot_minutes": 480}
    del own["investment"], own["finance"]
    return own | {"uncertainty": {"futures": futures}, "exchange": {"imbalance_fee_per_kwh": 3.0}} | more


DIM, BRIGHT = "tables.participants.b.pv_kw=1", "tables.participants.b.pv_kw=6"
FUTURES = {
    "dim": {"probability": 0.25, "set": [DIM]},
    "bright": {"probability": 0.25, "set": [BRIGHT]},
    "as-is": {"probability": 0.5},
}


def test_a_day_ahead_is_told_and_stored(tmp_path):
    file, out = tmp_path / "pair.yaml", tmp_path / "out" / "day.nc"
    file.write_text(json.dumps(scenario(FUTURES)))
    words = ["clear", str(file), "--scenarios", "3", "-o", str(out)]
    found = CliRunner().invoke(main, [*words, "--json"])
    assert found.exit_code == 0, found.output
    facts = json.loads(found.stdout)
    assert facts["totals"]["stochastic_value"] >= 0.0
    assert facts["totals"]["information_value"] >= 0.0
    assert {n: f["future_probability"] for n, f in facts["futures"].items()} == {
        "dim": 0.25,
        "bright": 0.25,
        "as-is": 0.5,
    }
    with xr.open_dataset(out) as stored:
        assert stored["future_peer_purchase"].dims == ("future", "participant", "time")
        total = stored["future_peer_purchase"].values.sum(axis=(0, 2))
        assert total.max() > 0
        rows = [str(label).partition("@")[0] for label in stored["contract"].values]
        for k, name in enumerate(rows):
            place = stored["participant"].values.tolist().index(name)
            for side in ("purchase", "sale"):
                most = stored[f"future_peer_{side}"].values[:, place].max(axis=0)
                assert (most <= stored[f"contract_{side}"].values[k] + 1e-6).all()
        prices = np.tensordot(stored["future_probability"].values, stored["future_price"].values, axes=1)
        assert stored["expected_price"].values == pytest.approx(prices)
        lines = told(Outcome(stored.load(), out)).text.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == list(FUTURES)
    assert any(line.startswith("value of the stochastic solution") for line in lines)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scenarios", "2", "--market", "grid-only"], "only the p2p market"),
        (["--scenarios", "2", "--relax"], "--relax: not with --scenarios"),
        (["--scenarios", "0"], "--scenarios"),
        (["--seed", "2"], "only --scenarios has one"),
    ],
)
def test_what_has_no_day_ahead_is_refused(options, words):
    found = CliRunner().invoke(main, ["clear", "six-kinds", *options])
    assert found.exit_code == 2
    assert words in found.output


def test_futures_of_other_entities_or_chances_are_refused():
    from otonari.data.loading.scenario import load_scenario

    wrong = FUTURES | {"as-is": {"probability": 0.5, "set": ["time.days=2"]}}
    with pytest.raises(InputError, match=r"uncertainty.futures.as-is.set: got another time"):
        given(load_scenario(scenario(wrong)), 3)
    assert given(load_scenario(scenario(FUTURES)), 1).labels == ["as-is"]  # between the others
    with pytest.raises(InputError, match="probabilities that add up to 1"):
        load_scenario(scenario({"dim": {"probability": 0.25}}))


def test_futures_of_a_forecast_are_those_of_their_seed():
    from otonari.data.loading.scenario import load_scenario

    own = scenario({})
    made = [forecast(own, load_scenario(own), 3, seed) for seed in (1, 1)]
    assert [len(one.inputs) for one in made] == [3, 3]
    assert made[0].probability.sum() == pytest.approx(1.0)
    for one, same in zip(made[0].inputs, made[1].inputs, strict=True):
        assert one.equals(same)
    assert made[0].came is not None
    assert not made[0].inputs[0]["demand"].equals(made[0].came["demand"])
    assert all((one["pv_available"].values >= 0).all() for one in made[1].inputs)
