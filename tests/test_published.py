"""Optima that others published, and public faults put right: one direction per meter and store in every slot.

Inputs are of our own making, numbers those of the source. Wherever retail power could be resold at once, or a store
could charge and discharge in one slot, the linear relaxation gains from it; the right values do not.
"""

from pathlib import Path

import numpy as np
import pytest

from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.solver.solve import solve

from .communities import community

STORE = {"charge_efficiency": 0.95, "discharge_efficiency": 0.95, "charge_limit": 5, "discharge_limit": 5}
DAY = [1] * 24
EMHASS = Path(__file__).parent / "published" / "emhass-2022-05-16.csv"


def site(prices, feed_in, battery, demand=0.0, pv=0.0):
    """Return the inputs of one participant with a battery."""
    return community(
        {
            "slots": [1] * len(prices),
            "nodes": {"node": {"parent": ""}},
            "tariffs": {"tariff": {"retail_price": list(prices), "feed_in_price": list(feed_in)}},
            "participants": {
                "site": {"node": "node", "tariff": "tariff", "demand": demand, "pv_available": pv}
            },
            "batteries": {"battery": {"owner": "site", **battery}},
        }
    )


def neighbours(low, high, pv, batteries):
    """Return the inputs of two homes of 2 and 0.3 kW on two tariffs, 0.02 of access fee at either side."""
    cheap, dear = ({"retail_price": price, "feed_in_price": 0.08} for price in (low, high))
    return community(
        {
            "slots": DAY,
            "nodes": {"node": {"parent": "", "access_fee": 0.02}},
            "tariffs": {"cheap": cheap, "dear": dear},
            "participants": {
                "a": {"node": "node", "tariff": "cheap", "demand": 2.0 if pv else 0.3, "pv_available": pv},
                "b": {"node": "node", "tariff": "dear", "demand": 2.0, "pv_available": 0.0},
            },
            "batteries": batteries,
        }
    )


def cleared(inputs, market="p2p"):
    """Return the least cost and the results, in which every meter and store goes one way in a slot."""
    block = community_block(inputs, market=market)
    objective, results = solve(block).objective, collect(block)
    assert not ((results["draw"] > 1e-6) & (results["supply"] > 1e-6)).any()
    assert not ((results["battery_charge"] > 1e-6) & (results["battery_discharge"] > 1e-6)).any()
    return objective, results


@pytest.mark.parametrize("market", ["p2p", pytest.param("grid-only", marks=pytest.mark.slow)])
def test_a_home_that_could_sell_for_more_than_it_pays(market):
    """woopstar/hsem, issue 635: retail at 0.05, feed-in at 0.10 all day."""
    battery = {**STORE, "capacity": 10, "initial_energy": 5}
    assert cleared(site([0.05] * 24, [0.10] * 24, battery), market)[0] == pytest.approx(-2.452909, abs=1e-5)


def test_a_battery_between_two_tariffs_does_not_resell_at_once():
    """A reduction of calliope-project/calliope, issue 307: the battery sells when its home draws nothing."""
    battery = {**STORE, "owner": "a", "capacity": 5, "initial_energy": 2.5}
    inputs = neighbours(0.20, 0.35, 0.0, {"battery": battery})
    assert cleared(inputs)[0] == pytest.approx(15.577, abs=1e-3)


def test_a_home_that_uses_all_its_pv_has_nothing_to_sell():
    """The kind of gridsingularity/gsy-e, issue 1846: surplus is what a home can share, not gross generation."""
    inputs = neighbours(0.20, 0.40, 2.0, {})
    objective, results = cleared(inputs)
    assert objective == pytest.approx(19.20)
    assert float(results["peer_sale"].sum()) == pytest.approx(0, abs=1e-9)
    assert objective == pytest.approx(cleared(inputs, "grid-only")[0])


@pytest.mark.parametrize("market", ["p2p", "grid-only"])
def test_stage_one_of_a_local_market(market):
    """INESCTEC/rec-operation, `I_O_stage_1_milp`: 0.9 kWh of PV are kept, 0.5 used, 0.4 sold at 1.0; wear 0.9 x 0.01.

    In the last hour energy costs nothing and is sold at 1.0.
    """
    battery = {
        "capacity": 1,
        "initial_energy": 0,
        "charge_limit": 1,
        "discharge_limit": 1,
        "charge_efficiency": 1,
        "discharge_efficiency": 1,
        "wear_cost": 0.01,
    }
    inputs = site([1, 2, 0], [0, 0, 1], battery, demand=[0, 0.5, 0], pv=[0.9, 0, 0])
    objective, results = cleared(inputs, market)
    assert objective == pytest.approx(-0.391)
    assert results["battery_energy"].values[0] == pytest.approx([0.9, 0.4, 0.0])
    assert results["grid_export"].values[0] == pytest.approx([0, 0, 0.4])


PRICES = np.random.RandomState(42).normal(-1000, 1000, 35 * 24) + 100
"""Prices of 35 days [currency/MWh], from the seed of the source."""
MONTHS = (PRICES[: 31 * 24], PRICES[31 * 24 :])


def largest_profit(prices):
    """Return the most that 4 MW and 10 MWh at a charging efficiency of 90 % earn, empty at both ends.

    Full, empty, and hours of full power, which move 9 steps of 0.4 MWh up or 10 down, leave 26 states.
    """
    most = np.array([0.0] + [-np.inf] * 25)
    for price in prices:
        best = np.full(26, -np.inf)
        for step in range(-10, 10):
            first, last = max(0, -step), min(26, 26 - step)
            paid = price * 0.4 * step / (0.9 if step > 0 else 1.0)
            best[first + step : last + step] = np.maximum(
                best[first + step : last + step], most[first:last] - paid
            )
        most = best
    return most[0]


def test_the_published_profit_of_a_battery_is_that_of_our_inputs():
    """ADGEfficiency/energy-py-linear, docs/how-to/battery-degradation: 2,501,349.07 in two months apart."""
    assert sum(map(largest_profit, MONTHS)) == pytest.approx(2501349.07, abs=0.005)


@pytest.mark.parametrize("prices", [pytest.param(MONTHS[0], marks=pytest.mark.slow), MONTHS[1]])
def test_a_battery_that_must_end_as_it_began_has_the_published_profit(prices):
    """Prices are mostly below zero: whoever may end full, or burn energy in a store, earns more."""
    battery = {"capacity": 10, "charge_limit": 4, "discharge_limit": 4}
    battery |= {"charge_efficiency": 0.9, "discharge_efficiency": 1}
    ends = {"initial_energy": 0, "final_energy": 0, "final_limit": 0}
    want = largest_profit(prices)
    assert cleared(site(prices, prices, {**battery, **ends}), "grid-only")[0] == pytest.approx(
        -want, rel=1e-4
    )


def test_a_battery_that_may_end_full_earns_more():
    """What `final: equal` is for: the same, but for the end, which is a lower bound only."""
    battery = {"capacity": 10, "charge_limit": 4, "discharge_limit": 4, "initial_energy": 0}
    battery |= {"charge_efficiency": 0.9, "discharge_efficiency": 1}
    costs = []
    for limit in (0.0, np.nan):
        block = community_block(site(MONTHS[1], MONTHS[1], {**battery, "final_limit": limit}), "grid-only")
        costs.append(solve(block).objective)
        costs.append(float(collect(block)["battery_energy"].values[0, -1]))
    assert costs[0] > costs[2] + 1
    assert costs[1] == pytest.approx(0, abs=1e-9)
    assert costs[3] > 1


def test_a_day_of_deferrable_loads_costs_what_emhass_says():
    """15 kWh at 3 kW and 6 kWh at 0.75 kW, each nothing or all of it, beside a roof: the schedule that EMHASS published
    is among the best. Were powers free, the day would cost 0.167 less."""
    rows = np.genfromtxt(EMHASS, delimiter=",", names=True, skip_header=4)
    clock = (23.5 + 0.5 * np.arange(48)) % 24
    cheap = (clock < 3) | (clock >= 20.5) | ((clock >= 15.5) & (clock < 17.5))
    pv, load = rows["pv"] / 1e3, rows["load"] / 1e3
    drawn = [rows[f"deferrable{k}"] / 1e3 for k in (0, 1)]
    case = {
        "slots": [0.5] * 48,
        "nodes": {"node": {"parent": ""}},
        "tariffs": {"t": {"retail_price": np.where(cheap, 0.1419, 0.1907).tolist(), "feed_in_price": 0.065}},
        "participants": {
            "home": {
                "node": "node",
                "tariff": "t",
                "demand": (load + np.maximum(-pv, 0)).tolist(),
                "pv_available": np.maximum(pv, 0).tolist(),
            }
        },
        "tasks": {
            f"task{k}": {"load": f"load{k}", "earliest": 0.0, "deadline": 24.0, "energy": power.sum() / 2}
            for k, power in enumerate(drawn)
        },
    }
    costs = []
    for least in (True, False):
        loads = {
            f"load{k}": {
                "owner": "home",
                "power_limit": power.max(),
                "min_power": power.max() if least else 0.0,
            }
            for k, power in enumerate(drawn)
        }
        block = community_block(community(case | {"flexible_loads": loads}), market="grid-only")
        costs.append(solve(block, mip_gap=1e-7).objective)
    assert costs[0] == pytest.approx(rows["cost"].sum(), abs=1e-6)
    assert costs[1] == pytest.approx(costs[0] - 0.16688, abs=1e-5)
