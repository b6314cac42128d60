"""Plans for several futures in a simulation: by hand, against the plan for one, and through the command line."""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.inputs.contract import complete
from otonari.model.agents.hedging import hedged
from otonari.model.agents.planning import ways
from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.solver.solve import solve
from otonari.runs.simulate.common_plan import common_plan

from . import counts
from .communities import random_community
from .test_day_ahead import street
from .test_plan import SMALL


def test_the_contract_of_a_slot_reaches_for_the_sun_that_may_come():
    """Three futures of 0, 1 and 2 kW of sun, of which a home of 2 kW buys what comes: the contract is 2."""
    futures = [street([sun, 0.0], 0.0, (2.0, 1.0)) for sun in (0.0, 1.0, 2.0)]
    plan, deals = hedged(futures[1], futures, np.array([0.2, 0.5, 0.3]))
    assert deals.energy == pytest.approx([1.1, 0.9])  # what is expected first
    assert plan.net[:, 0] == pytest.approx([-1.1, 2.0])
    assert plan.wanted[:, 0] == pytest.approx([0.9, 0.0])  # with the contract it is what is drawn on average
    assert (deals.price + deals.fee + deals.congestion).max() <= 30.0


@pytest.mark.parametrize("seed", counts.all_or(range(40), (3,)))
def test_the_plan_for_one_future_is_that_of_the_co_optimum(seed):
    inputs = complete(random_community(seed))
    plan, deals = hedged(inputs, [inputs], np.ones(1))
    other, contracts, _ = common_plan(inputs, 0, None, {})
    for name in ("seller", "buyer"):
        assert getattr(deals, name).dtype == getattr(contracts, name).dtype
    assert plan.charge.shape == other.charge.shape
    hours = float(inputs["slot_hours"].values[0])
    for one, own in ((plan, deals), (other, contracts)):
        assert own.net(len(one.net)) / hours + one.wanted[:, 0] == pytest.approx(one.net[:, 0], abs=1e-5)


@pytest.mark.parametrize("seed", counts.all_or(range(60), (6, 20)))
def test_a_plan_over_the_nodes_that_matter_costs_the_same_at_the_same_prices(seed):
    inputs = complete(random_community(seed))
    less, found = ways(inputs), []
    for own in (inputs, less):
        block = community_block(own, minimum_charge=False)
        objective = solve(block, tie_break=False, one_way=False).objective
        found.append((objective, collect(block)["price"]))
    (whole, prices), (objective, own) = found
    assert objective == pytest.approx(whole, abs=1e-6)
    kept = np.isin(inputs["node"].values, less["node"].values)
    assert own.values == pytest.approx(prices.values[kept], abs=1e-5)


def test_a_simulation_plans_for_futures(tmp_path):
    own = json.loads(json.dumps(SMALL))
    del own["investment"], own["finance"]
    own["time"] |= {"slot_minutes": 480}
    (tmp_path / "pair.yaml").write_text(json.dumps(own))
    words = ["simulate", str(tmp_path / "pair.yaml"), "--days", "1", "--warm-up-days", "4", "--no-ledger"]
    words += ["--mode", "co-optimized", "--plan", "stochastic", "--scenarios", "3"]
    names = counts.all_or(("one.nc", "same.nc"), ("one.nc",))
    for name in names:
        found = CliRunner().invoke(main, [*words, "-o", str(tmp_path / name), "--json"])
        assert found.exit_code == 0, found.output
        assert json.loads(json.loads(found.stdout)["options"])["futures"] == 3
    digests = set()
    for name in names:
        with xr.open_datatree(tmp_path / name) as tree:
            digests.add(tree.attrs["results_digest"])
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--plan", "stochastic"], "want --mode co-optimized"),
        (["--scenarios", "3"], "only --plan stochastic"),
    ],
)
def test_an_exchange_has_no_futures(options, words):
    found = CliRunner().invoke(main, ["simulate", "six-kinds", *options])
    assert found.exit_code == 2
    assert words in found.output
