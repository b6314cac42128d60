"""The community that nobody manages, by hand and against the physics."""

import numpy as np
import pytest

import otonari
from otonari.model.agents.rule_based import unmanaged
from otonari.model.checks import run
from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.results import collect
from otonari.model.settlement import accounts, trades
from otonari.model.solver.solve import solve
from otonari.model.topology.stores import without_final_limits
from otonari.runs import compare
from otonari.runs.report import tables

from . import counts
from .communities import community, random_community

FLAT = {"flat": {"retail_price": 30, "feed_in_price": 8}}
NODES = {"bank": {"parent": ""}}


def test_a_battery_follows_the_meter():
    # 4 slots of an hour. Surplus 3, 2, then deficit 1, 4. The battery (6 kWh, 2 kW, 0.8 and 0.5, starts at
    # 1 of 0.5 at least) takes 2 -> 1 + 1.6 = 2.6, takes 2 -> 4.2 (1 and 0 kW are left to export), gives 1
    # -> 4.2 - 1 / 0.5 = 2.2, and then only (2.2 - 0.5) x 0.5 = 0.85 kW of the 4 kW: 3.15 kW are imported.
    inputs = community(
        {
            "slots": [1, 1, 1, 1],
            "nodes": NODES,
            "tariffs": FLAT,
            "participants": {
                "home": {
                    "node": "bank",
                    "tariff": "flat",
                    "demand": [0, 1, 1, 4],
                    "pv_available": [3, 3, 0, 0],
                }
            },
            "batteries": {
                "b": {
                    "owner": "home",
                    "capacity": 6,
                    "min_energy": 0.5,
                    "initial_energy": 1,
                    "charge_limit": 2,
                    "discharge_limit": 2,
                    "charge_efficiency": 0.8,
                    "discharge_efficiency": 0.5,
                }
            },
        }
    )
    results = unmanaged(inputs)
    assert results["battery_charge"].values[0] == pytest.approx([2, 2, 0, 0])
    assert results["battery_discharge"].values[0] == pytest.approx([0, 0, 1, 0.85])
    assert results["battery_energy"].values[0] == pytest.approx([2.6, 4.2, 2.2, 0.5])
    assert results["grid_import"].values[0] == pytest.approx([0, 0, 0, 3.15])
    assert results["grid_export"].values[0] == pytest.approx([1, 0, 0, 0])


def test_a_battery_leaves_pv_alone_that_is_metered_gross():
    """The home draws 1 and 3, of which the battery gives 1 and, at its limit, 2; PV of 3 passes a connection of 2.5."""
    battery = {"owner": "home", "capacity": 6, "initial_energy": 5, "charge_limit": 2, "discharge_limit": 2}
    battery |= {"charge_efficiency": 0.8, "discharge_efficiency": 0.8}
    home = {"node": "bank", "tariff": "flat", "demand": [1, 3], "pv_available": [3, 1], "export_limit": 2.5}
    case = {"slots": [1, 1], "nodes": NODES, "tariffs": FLAT, "batteries": {"b": battery}}
    inputs = community({**case, "participants": {"home": {**home, "metering": "gross"}}})
    tree = otonari.clear(inputs, market="unmanaged")
    results, settlement = tree["results"], tree["settlement"]
    assert results["battery_charge"].values[0] == pytest.approx([0, 0])
    assert results["battery_discharge"].values[0] == pytest.approx([1, 2])
    assert results["pv_curtailment"].values[0] == pytest.approx([0.5, 0])
    assert results["grid_import"].values[0] == pytest.approx([0, 1])
    assert results["grid_export"].values[0] == pytest.approx([2.5, 1])
    assert float(settlement["bill"][0]) == pytest.approx(1 * 30 - 3.5 * 8)
    assert settlement["self_consumption"].values.tolist() == [0]
    assert settlement["self_sufficiency"].values.tolist() == [0]


def driver(**vehicle):
    """Return a home whose car comes back in the third of five hours; 0.8 kWh a km, 10 km out."""
    return community(
        {
            "slots": [1, 1, 1, 1, 1],
            "nodes": NODES,
            "tariffs": FLAT,
            "participants": {"home": {"node": "bank", "tariff": "flat", "demand": 1.0, "import_limit": 3.0}},
            "vehicles": {
                "car": {
                    "owner": "home",
                    "capacity": 6,
                    "min_energy": 1,
                    "initial_energy": 4,
                    "charge_limit": 3,
                    "discharge_limit": 0,
                    "charge_efficiency": 0.9,
                    "discharge_efficiency": 0.9,
                    "host": ["home", "", "home", "home", "home"],
                    "electric_economy": 1.25,
                    "fuel_economy": 20,
                    "fuel_price": 140,
                }
                | vehicle
            },
            "trips": {"t": {"vehicle": "car", "departure": 1.0, "arrival": 2.0, "distance": 10.0}},
        }
    )


def test_a_vehicle_charges_on_arrival_until_it_is_full():
    # The connection of 3 kW leaves 2 kW beside a demand of 1: 4 + 1.8 = 5.8 kWh. The trip wants 10 / 1.25 =
    # 8 kWh; 4.8 are above the minimum: 6 km, and 4 km on 0.2 L. Then 2 kW, 2 kW and the last (6 - 1 - 3.6)
    # / 0.9 = 1.56 kW.
    results = unmanaged(driver())
    assert results["vehicle_charge"].values[0] == pytest.approx([2, 0, 2, 2, 1.4 / 0.9])
    assert results["vehicle_energy"].values[0] == pytest.approx([5.8, 1, 2.8, 4.6, 6])
    assert results["trip_electric_distance"].values == pytest.approx([6.0])
    assert results["trip_fuel"].values == pytest.approx([0.2])
    assert results["grid_import"].values[0] == pytest.approx([3, 1, 3, 3, 1 + 1.4 / 0.9])


def test_a_minimum_charge_power_is_kept_or_nothing_is_charged():
    results = unmanaged(driver(min_charge=1.8))
    assert results["vehicle_charge"].values[0] == pytest.approx([2, 0, 2, 2, 0])


def test_a_vehicle_without_an_engine_that_runs_dry_is_named():
    with pytest.raises(Infeasible, match=r"vehicle car at 2025-07-01T01:00Z lacks 3.2 kWh"):
        unmanaged(driver(fuel_economy=np.nan))  # 8 kWh wanted, 4.8 above the minimum


def test_a_demand_beyond_the_connection_is_named():
    inputs = driver().copy(deep=True)
    inputs["demand"].values[0, 3] = 5.0
    with pytest.raises(Infeasible, match=r"home at 2025-07-01T03:00Z lacks 2 kW of connection"):
        unmanaged(inputs)


def without_targets(inputs):
    free = {f"{d}_final_energy": inputs[f"{d}_final_energy"] * np.nan for d in ("battery", "vehicle")}
    return without_final_limits(inputs.assign(free))


@pytest.mark.parametrize("seed", counts.share(range(60)))
def test_it_obeys_the_physics_and_no_plan_costs_more(seed):
    inputs = without_targets(random_community(seed, gross=seed % 3 == 0))
    results = unmanaged(inputs)
    nothing = trades.bilateral(inputs, results)
    settlement = accounts.settle(inputs, results, nothing, results)
    assert run.check(inputs, results, nothing, settlement, grid_only=results, lp=False) == []
    block = community_block(inputs, "grid-only")
    solve(block)
    planned = accounts.settle(inputs, collect(block), nothing, results)
    assert (planned["bill"] <= settlement["bill"] + 1e-6).all()


def test_clearing_it_stores_its_bill_beside_the_one_without_peers():
    tree = otonari.clear(driver(), market="unmanaged")
    settlement = tree["settlement"].to_dataset()
    assert tree.attrs["status"] == "simulated"
    # 3 + 1 + 3 + 3 + 1 + 1.4 / 0.9 kWh at 30 and 0.2 L at 140
    assert tree.attrs["objective"] == pytest.approx((11 + 1.4 / 0.9) * 30 + 28)
    assert float(settlement["bill"].sum()) == pytest.approx(tree.attrs["objective"])
    assert (settlement["saving"] <= 0).all()
    assert tree["trades"].sizes["trade"] == 0


def test_an_electric_car_that_never_drives_saves_and_costs_nothing():
    """It is filled from 4 to 6 kWh, which nobody ever drives: 2 / 0.9 kWh at 30 are paid, and are there in the end."""
    inputs = driver(host=["home"] * 5, fuel_economy=np.nan).isel(trip=slice(0))
    tree = otonari.clear(inputs, market="unmanaged")
    settlement = tree["settlement"].to_dataset()
    assert float(settlement["bill"][0]) == pytest.approx(5 * 30 + 2 / 0.9 * 30)
    assert float(settlement["bill_grid_only"][0]) == pytest.approx(5 * 30)
    assert float(settlement["final_energy_value"][0]) == pytest.approx(2 / 0.9 * 30)
    assert tree.attrs["final_energy_missing"] == 0
    totals = compare.summary(tree)
    assert float(totals["saving"]) == pytest.approx(0)
    assert float(totals["saving_share"]) == pytest.approx(0)
    assert float(totals["kind_saving"].sum()) == pytest.approx(0)
    line = next(row for row in tables.cleared(totals, "JPY").splitlines() if row.startswith("all"))
    assert line.split() == ["all", "1", "216.7", "150.0", "0.0", "0.0"]


def emptied():
    """Return a home whose battery gives the 2 kWh that it holds, which it should hold in the end; 30, then 50."""
    battery = {"owner": "home", "capacity": 4, "initial_energy": 2, "charge_limit": 4, "discharge_limit": 4}
    battery |= {"charge_efficiency": 0.8, "discharge_efficiency": 0.5, "final_energy": 2}
    home = {"node": "bank", "tariff": "t", "demand": 3.0}
    case = {"slots": [1, 0.5], "nodes": NODES, "participants": {"home": home}, "batteries": {"b": battery}}
    return community(case | {"tariffs": {"t": {"retail_price": [30, 60], "feed_in_price": 8}}})


def test_a_battery_that_is_emptied_must_be_filled_again():
    """It gives 1 kWh at 30. 2 kWh are missing: 2 / 0.8 at (30 * 1 + 60 * 0.5) / 1.5 = 40, which is 100."""
    inputs = emptied()
    tree = otonari.clear(inputs, market="unmanaged")
    settlement = tree["settlement"].to_dataset()
    assert float(settlement["bill"][0]) == pytest.approx(2 * 30 + 1.5 * 60)
    assert float(settlement["bill_grid_only"][0]) == pytest.approx(3 * 30 + 1.5 * 60)
    assert float(settlement["final_energy_value"][0]) == pytest.approx(-100)
    assert tree.attrs["final_energy_missing"] == pytest.approx(2)
    assert float(compare.summary(tree)["saving"]) == pytest.approx(30 - 100)
    together = compare.compare([tree, otonari.clear(inputs)])
    assert together["saving"].values == pytest.approx([-70, 0])
    assert "2.0 kWh less in its stores" in together["efficiency"].attrs["comment"]
    assert "left in stores" in tables.compared(together)


def test_a_value_of_what_is_left_that_is_not_its_own_is_found():
    inputs = emptied()
    tree = otonari.clear(inputs, market="unmanaged")
    groups = [tree[name].to_dataset() for name in ("inputs", "results", "trades", "settlement")]
    block = community_block(inputs, "grid-only")
    solve(block)
    alone = collect(block)
    assert run.check(*groups, grid_only=alone, prices="traded") == []
    groups[3]["final_energy_value"][0] += 1
    found = run.check(*groups, grid_only=alone, prices="traded")
    assert [violation.check for violation in found] == ["final_energy_value"]


def test_a_run_that_was_stored_before_the_value_was_counted_is_read():
    tree = otonari.clear(emptied(), market="unmanaged")
    tree["settlement"] = tree["settlement"].to_dataset().drop_vars("final_energy_value")
    assert float(compare.summary(tree)["saving"]) == pytest.approx(30)
