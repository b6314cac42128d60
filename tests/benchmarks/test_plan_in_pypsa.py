"""The same plan in PyPSA, which states it by itself: 20 homes on one bus, with extendable PV and batteries."""

from importlib.util import find_spec

import numpy as np
import pytest

from otonari.model.planning import plan_block, sizes
from otonari.model.solver.solve import solve

from ..communities import community

HOMES, SLOTS = 20, 48
RETAIL = [*[22.0] * 14, *[34.0] * 20, *[42.0] * 8, *[22.0] * 6]
FEED_IN, EFFICIENCY, HOURS = 8.0, 0.93, 2.0


def case(seed=1):
    """Return demand and PV per kW of 20 homes over a day of half-hours [kW], and what a day of a kW or kWh costs each.

    Costs differ, so that it matters who builds.
    """
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS) / 2
    evening, noon = np.exp(-(((hour - 19) / 2.5) ** 2)), np.exp(-(((hour - 12) / 3) ** 2))
    demand = rng.uniform(0.2, 0.6, (HOMES, 1)) + rng.uniform(0.5, 2.0, (HOMES, 1)) * evening
    demand *= rng.uniform(0.8, 1.2, demand.shape)
    output = noon * rng.uniform(0.6, 0.9, (HOMES, 1)) * rng.uniform(0.8, 1.0, (HOMES, SLOTS))
    return demand, output, rng.uniform(30.0, 60.0, HOMES), rng.uniform(6.0, 30.0, HOMES)


def in_otonari(demand, output, pv_cost, battery_cost):
    """Return the least cost of the day, and the sizes of PV [kW] and of batteries [kWh]."""
    homes = [f"home{k:02}" for k in range(HOMES)]
    store = {
        "capacity": 10.0,
        "initial_energy": np.nan,
        "final_energy": np.nan,
        "charge_limit": 10.0 / HOURS,
        "discharge_limit": 10.0 / HOURS,
        "charge_efficiency": EFFICIENCY,
        "discharge_efficiency": EFFICIENCY,
    }
    nothing = {"battery": "", "output": 0.0}
    candidates = {
        f"pv {h}": nothing
        | {"owner": h, "kind": "pv", "most": 4.0, "cost": pv_cost[k], "output": output[k].tolist()}
        for k, h in enumerate(homes)
    }
    candidates |= {
        f"battery {h}": nothing
        | {"owner": h, "kind": "battery", "battery": h, "most": 10.0, "cost": battery_cost[k]}
        for k, h in enumerate(homes)
    }
    inputs = community(
        {
            "slots": [0.5] * SLOTS,
            "nodes": {"bus": {"parent": ""}},
            "tariffs": {"t": {"retail_price": RETAIL, "feed_in_price": FEED_IN}},
            "participants": {
                h: {"node": "bus", "tariff": "t", "demand": demand[k].tolist()} for k, h in enumerate(homes)
            },
            "batteries": {h: store | {"owner": h} for h in homes},
            "candidates": candidates,
        }
    )
    plan = plan_block([inputs])
    objective = solve(plan).objective
    built = sizes(plan)
    return objective, built[:HOMES], built[HOMES:]


def in_pypsa(demand, output, pv_cost, battery_cost):
    """Return the same of PyPSA's own statement and solve."""
    import pandas as pd
    import pypsa

    network = pypsa.Network()
    network.set_snapshots(pd.date_range("2025-07-01", periods=SLOTS, freq="30min"))
    network.snapshot_weightings = network.snapshot_weightings.astype(float) * 0.5
    network.add("Bus", "bus")
    network.add("Load", "demand", bus="bus", p_set=demand.sum(axis=0))
    network.add("Generator", "retail", bus="bus", p_nom=1000.0, marginal_cost=RETAIL)
    network.add(
        "Generator", "export", bus="bus", p_nom=1000.0, p_min_pu=-1.0, p_max_pu=0.0, marginal_cost=FEED_IN
    )
    for k in range(HOMES):
        network.add(
            "Generator",
            f"pv {k}",
            bus="bus",
            p_nom_extendable=True,
            p_nom_max=4.0,
            capital_cost=pv_cost[k],
            p_max_pu=output[k],
        )
        network.add(
            "StorageUnit",
            f"battery {k}",
            bus="bus",
            p_nom_extendable=True,
            p_nom_max=10.0 / HOURS,
            max_hours=HOURS,
            capital_cost=battery_cost[k] * HOURS,
            efficiency_store=EFFICIENCY,
            efficiency_dispatch=EFFICIENCY,
            cyclic_state_of_charge=True,
        )
    status, _ = network.optimize(solver_name="highs", log_to_console=False)
    assert status == "ok"
    built = [
        np.array([parts.p_nom_opt[f"{name} {k}"] for k in range(HOMES)])
        for parts, name in ((network.generators, "pv"), (network.storage_units, "battery"))
    ]
    return network.objective, built[0], built[1] * HOURS


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_pypsa_plans_the_same():
    if not find_spec("pypsa"):
        pytest.skip("install the extra bench for pypsa")
    data = case()
    objective, pv, battery = in_otonari(*data)
    other, other_pv, other_battery = in_pypsa(*data)
    assert objective == pytest.approx(other, rel=1e-7)
    assert pv == pytest.approx(other_pv, abs=1e-4)
    assert battery == pytest.approx(other_battery, abs=1e-4)
    assert 0 < (pv > 0).sum() < HOMES
    assert 0 < (battery > 0).sum() < HOMES
