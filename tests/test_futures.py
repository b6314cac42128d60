"""Plans for several futures: the worst of them, what not knowing costs, and a published tool's optima."""

import json

import numpy as np
import pytest

from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.model.planning import costs, plan_block, sizes, solved
from otonari.model.risk import NEUTRAL, Risk, cvar
from otonari.model.solver.solve import solve
from otonari.model.topology.candidates import built
from otonari.runs.commands.plan import facts
from otonari.runs.commands.plan import futures as told_of
from otonari.runs.futures import mean
from otonari.runs.plan.run import planned

from . import counts
from .communities import community
from .plans import random_plan
from .test_plan import SMALL

MILD = {
    "demand": [0.6, 0.5, 0.8, 1.0, 2.0, 1.5],
    "sun": [0.0, 0.3, 0.8, 0.7, 0.1, 0.0],
    "retail": [18.0, 22.0, 20.0, 24.0, 34.0, 28.0],
    "feed_in": 8.0,
}
COLD = {
    "demand": [1.2, 1.0, 1.5, 1.6, 3.5, 2.8],
    "sun": [0.0, 0.1, 0.3, 0.25, 0.0, 0.0],
    "retail": [26.0, 30.0, 30.0, 36.0, 62.0, 44.0],
    "feed_in": 12.0,
}
LIKELY = np.array([0.7, 0.3])
STORE = {
    "owner": "home",
    "capacity": 8.0,
    "initial_energy": np.nan,
    "final_energy": np.nan,
    "charge_limit": 4.0,
    "discharge_limit": 4.0,
    "charge_efficiency": 0.92,
    "discharge_efficiency": 0.94,
}


def home(future):
    store = {"owner": "home", "kind": "battery", "battery": "store", "most": 8.0, "cost": 8.5, "output": 0.0}
    roof = {"owner": "home", "kind": "pv", "battery": "", "most": 5.0, "cost": 34.0, "output": future["sun"]}
    return community(
        {
            "slots": [1.0] * 6,
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": future["retail"], "feed_in_price": future["feed_in"]}},
            "participants": {"home": {"node": "n", "tariff": "t", "demand": future["demand"]}},
            "batteries": {"store": STORE},
            "candidates": {"store": store, "roof": roof},
        }
    )


def of_two(risk=NEUTRAL, periods=None):
    """Return the plan for both futures, its objective and what each costs [currency]."""
    plan = plan_block(periods or [home(MILD), home(COLD)], LIKELY, future=[0, 1], risk=risk)
    objective = solve(plan, mip_gap=1e-8).objective / 2  # weights are 1 on average
    return plan, objective, costs(plan) / 2


# The same case in PyPSA 1.4.0 with HiGHS: a bus with a load; a generator for the retailer's energy, one of p_max_pu = 0
# and p_min_pu = -1 for what is sold to it, an extendable one for PV; a cyclic StorageUnit with max_hours = 2;
# set_scenarios({"mild": 0.7, "cold": 0.3}) and set_risk_preference(alpha=level, omega=weight). Run once, objective plus
# objective constant; roof [kW], store [kWh].
PYPSA = [
    (0.0, 0.95, 255.97428989607033, 1.6897353000606175, 3.6620529399878764),
    (0.2, 0.5, 275.33968025924923, 1.4285714285714286, 3.8819877476397512),
    (0.3, 0.5, 284.07389832280893, 0.0, 5.203515263644772),
    (0.2, 0.8, 296.43099150618116, 0.0, 6.363636363636363),
    (0.5, 0.8, 345.8921720629047, 0.0, 7.0),
]


@pytest.mark.parametrize(("weight", "level", "objective", "roof", "store"), PYPSA)
def test_two_futures_cost_what_pypsa_says(weight, level, objective, roof, store):
    plan, found, each = of_two(Risk(weight, level))
    assert found == pytest.approx(objective, rel=1e-9)
    assert Risk(weight, level).of(each, LIKELY) == pytest.approx(objective, rel=1e-9)
    assert sizes(plan) == pytest.approx([store, roof], abs=1e-6)


def test_the_mean_of_the_worst_is_the_least_over_all_thresholds():
    """By hand, and as Rockafellar and Uryasev have it, the threshold one of the costs."""
    cost, probability = np.array([10.0, 50.0, 30.0, 20.0]), np.array([0.4, 0.1, 0.2, 0.3])
    assert cvar(cost, probability, 0.9) == pytest.approx(50.0)
    assert cvar(cost, probability, 0.8) == pytest.approx((0.1 * 50 + 0.1 * 30) / 0.2)
    assert cvar(cost, probability, 0.0) == pytest.approx(probability @ cost)
    for level in (0.0, 0.25, 0.5, 0.85, 0.99):
        beyond = [t + probability @ np.maximum(cost - t, 0) / (1 - level) for t in cost]
        assert cvar(cost, probability, level) == pytest.approx(min(beyond))
        assert cvar(cost + 7, probability, level) == pytest.approx(min(beyond) + 7)


def test_prices_of_a_future_are_its_own_however_much_it_counts():
    """With sizes fixed futures part: each has the prices that it has alone, by whatever risk."""
    sized = [built(home(future), np.array([4.0, 1.0])) for future in (MILD, COLD)]
    alone = [solved(block) for block in (plan_block([day]) for day in sized) if solve(block)]
    for weight in counts.all_or((0.0, 0.6, 0.99), (0.99,)):
        plan, objective, each = of_two(Risk(weight, 0.7), sized)
        assert objective == pytest.approx(Risk(weight, 0.7).of(each, LIKELY))
        for day, ((_, results),) in zip(solved(plan), alone, strict=True):
            assert day.results["price"].values == pytest.approx(results["price"].values, abs=1e-4)


@pytest.mark.parametrize("seed", counts.all_or(range(40), (6,)))
def test_no_other_sizes_weigh_less(seed):
    """Random communities: the objective is the weighed cost of its futures, and that of other sizes is no less."""
    periods, weights = random_plan(seed, circle=True)
    risk, probability = Risk(0.7, 0.6), np.array(weights) / sum(weights)
    future = list(range(len(periods)))
    plan = plan_block(periods, weights, future=future, risk=risk)
    objective, size = solve(plan, one_way=False).objective / len(periods), sizes(plan)
    assert objective == pytest.approx(risk.of(costs(plan) / len(periods), probability), rel=1e-6, abs=1e-5)
    rng = np.random.default_rng(seed)
    for other in [np.clip(size + rng.normal(size=len(size)), 0, periods[0]["candidate_most"]) for _ in "ab"]:
        fixed = plan_block([built(day, np.asarray(other)) for day in periods], weights, future=future)
        solve(fixed, one_way=False, tie_break=False)
        assert risk.of(costs(fixed) / len(periods), probability) >= objective - 1e-5


PRICE = "tariffs.t.energy.price_per_kwh"


def scenario(futures, **risk):
    own = json.loads(json.dumps(SMALL))
    own["time"] |= {"slot_minutes": 480}
    own["investment"]["candidates"]["cells"]["cost_per_kwh"] = 130000
    return own | {"investment": own["investment"] | {"futures": futures, "risk": risk}}


FUTURES = {
    "as-is": {"probability": 0.6},
    "dear": {"probability": 0.4, "set": [f"{PRICE}=70"]},
}


def test_what_not_knowing_the_future_costs():
    """Against plans for each future, and for the mean one, by themselves."""
    averse = {"weight": 0.5, "level": 0.75}
    for risk in counts.all_or(({}, averse), (averse,)):
        found, _ = planned(load_scenario(scenario(FUTURES, **risk)))
        weigh, probability = Risk(risk.get("weight", 0.0), risk.get("level", 0.95)), [0.6, 0.4]
        assert found["future_probability"].values == pytest.approx(probability)
        value, information = float(found["stochastic_value"]), float(found["information_value"])
        assert information > 1.0  # as it is no battery is built, in the dear one it is
        assert value >= 0.0
        known = []
        for price in (30, 70):
            alone = load_scenario(scenario({}), [f"{PRICE}={price}"])
            known.append(planned(alone)[0].attrs["objective"])
        assert found["future_cost_if_known"].values == pytest.approx(known, rel=1e-6)
        objective = found.attrs["objective"]
        assert objective - weigh.of(np.array(known), np.array(probability)) == pytest.approx(
            information, abs=0.5
        )
        assert float(found["cvar"]) >= float(found["expected_cost"])
        assert weigh.of(found["future_cost"].values, found["future_probability"].values) == pytest.approx(
            objective
        )
        with_mean = weigh.of(found["future_cost_of_mean"].values, found["future_probability"].values)
        assert with_mean - objective == pytest.approx(value, abs=0.5)
        told = facts(found)["futures"]
        assert [one["future_probability"] for one in told.values()] == pytest.approx(probability)
        text = told_of(found)
        assert "value of the stochastic solution" in text
        assert [line.split()[0] for line in text.splitlines()[1:3]] == list(FUTURES)


def test_sizes_for_the_mean_future_cost_more_where_futures_differ():
    """A battery pays at the mean price, but hardly ever; by hand of the two futures' own costs."""
    mild, cold = home(MILD), home(COLD)
    between = mean([mild, cold], LIKELY)
    assert between["demand"].values == pytest.approx(
        0.7 * mild["demand"].values + 0.3 * cold["demand"].values
    )
    assert between["battery_capacity"].values.tolist() == [8.0]
    plan = plan_block([between])
    solve(plan)
    _, objective, _ = of_two()
    _, with_mean, _ = of_two(periods=[built(day, sizes(plan)) for day in (mild, cold)])
    assert with_mean > objective + 0.1
    known = [solve(plan_block([day])).objective for day in (mild, cold)]
    assert LIKELY @ known < objective - 0.1


@pytest.mark.parametrize("risk", [{"weight": 1.0}, {"level": 1.0}, {"weight": -0.1}, {"share": 0.5}])
def test_a_risk_that_makes_no_sense_is_refused(risk):
    with pytest.raises(InputError) as refused:
        load_scenario(scenario(FUTURES, **risk))
    [problem] = refused.value.problems
    assert "investment.risk" in problem.field
