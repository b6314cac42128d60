"""Each device alone: its columns, rows and sockets at values that are put in by hand, nothing is solved."""

import numpy as np
import pytest
import xarray as xr

from otonari.model.devices.battery import battery
from otonari.model.devices.device import Sets
from otonari.model.devices.household import household
from otonari.model.devices.peer_market import network
from otonari.model.devices.quoted_market import quoted
from otonari.model.devices.retailer import grid
from otonari.model.devices.vehicle import vehicle
from otonari.model.topology.meters import meters

from .communities import community

STORE = {
    "owner": "a",
    "capacity": 5.0,
    "min_energy": 1.0,
    "initial_energy": 2.0,
    "charge_limit": 2.0,
    "discharge_limit": 1.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
    "wear_cost": 3.0,
}
CAR = {**STORE, "host": ["a", ""], "electric_economy": 5.0, "fuel_economy": 20.0, "fuel_price": 160.0}
TRIP = {"vehicle": "car", "departure": 0.5, "arrival": 1.0, "distance": 8.0}


def street(batteries=None, vehicles=None, trips=None, feed_in=8.0, **nodes):
    """Return two homes, a with 3 kW of PV at first, over two slots of half an hour; the node of b is below that of a."""
    return community(
        {
            "slots": [0.5, 0.5],
            "nodes": {
                "root": {"parent": "", "access_fee": 0.5},
                "leaf": {"parent": "root", "fee": 2.0, **nodes},
            },
            "tariffs": {"t": {"retail_price": [30.0, 20.0], "feed_in_price": feed_in}},
            "participants": {
                "a": {"node": "root", "tariff": "t", "demand": 1.0, "pv_available": [3.0, 0.0]},
                "b": {"node": "leaf", "tariff": "t", "demand": 2.0, "pv_available": 0.0},
            },
            "batteries": batteries or {},
            "vehicles": vehicles or {},
            "trips": trips or {},
        }
    )


def parts(inputs, peers=True):
    """Return what every device is built from."""
    here = meters(inputs, peers=peers)
    return inputs, here, Sets(inputs, here)


def residual(row):
    """Return how far the values are from a family of equations, over its shape."""
    full = np.zeros(row.shape)
    full.ravel()[row.position] = row.body.values() - row.lower
    return full.tolist()


def put(family, values):
    """Give the columns of a family their values, over its shape."""
    family.store(np.array(values, dtype=float).ravel()[family.position])


def at(here, label, values):
    return values[here.label.tolist().index(label)].tolist()


def test_a_battery_carries_its_energy_from_slot_to_slot():
    inputs, here, sets = parts(street(batteries={"battery": STORE}))
    block = battery(inputs, here, sets)
    put(block.charge, [[2.0, 0.0]])
    put(block.discharge, [[0.0, 0.8]])
    put(block.energy, [[2.9, 2.4]])  # 2 + 0.9 * 2 * 0.5, then - 0.8 * 0.5 / 0.8
    assert residual(block.energy_balance) == pytest.approx(np.zeros((1, 2)))
    assert at(here, "a", block.draw.values()) == [2.0, -0.8]
    assert at(here, "a", block.discharged.values()) == [0.0, 0.8]
    assert block.spent.values() == pytest.approx(3.0 * 0.8 * 0.5)
    assert (block.charge.upper.max(), block.discharge.upper.max()) == (2.0, 1.0)


def test_energy_below_the_minimum_returns_at_full_power():
    """From 0.2 kWh 2 kW charge 0.9 kWh a slot, to 1.1 and beyond the minimum of 1; what it must end with holds too."""
    block = battery(
        *parts(street(batteries={"battery": {**STORE, "initial_energy": 0.2, "final_energy": 1.5}}))
    )
    assert block.energy.lower == pytest.approx([1.0, 1.5])
    slow = {**STORE, "initial_energy": 0.2, "charge_limit": 1.0, "final_energy": np.nan}
    assert battery(*parts(street(batteries={"battery": slow}))).energy.lower == pytest.approx([0.65, 1.0])


def test_energy_at_the_end_may_have_a_limit():
    """One bound of the last slot; where both ends are the same, the energy is given."""
    ends = {**STORE, "final_energy": 1.5, "final_limit": 1.5}
    block = battery(*parts(street(batteries={"battery": ends})))
    assert block.energy.lower == pytest.approx([1.0, 1.5])
    assert block.energy.upper == pytest.approx([5.0, 1.5])
    free = {**STORE, "final_energy": 1.5, "final_limit": np.nan}
    assert battery(*parts(street(batteries={"battery": free}))).energy.upper == pytest.approx([5.0, 5.0])


def test_energy_above_the_capacity_returns_at_full_power():
    """From 6 kWh 1 kW takes 0.625 kWh a slot, to 5.375, and then 4.75, less than the capacity of 5."""
    block = battery(
        *parts(street(batteries={"battery": {**STORE, "initial_energy": 6.0, "final_energy": 0.0}}))
    )
    assert block.energy.upper == pytest.approx([5.375, 5.0])


def test_a_vehicle_charges_where_it_is_plugged_in_and_drives_on_electricity_or_fuel():
    inputs, here, sets = parts(street(vehicles={"car": CAR}, trips={"trip": TRIP}))
    block = vehicle(inputs, here, sets)
    assert block.charge.position.tolist() == [0]  # of two slots the first
    put(block.charge, [[2.0, 0.0]])
    put(block.discharge, [[0.0, 0.0]])
    put(block.electric_distance, [5.0])
    put(block.energy, [[2.9, 1.9]])  # 2 + 0.9, then - 5 km / 5 km/kWh
    assert residual(block.energy_balance) == pytest.approx(np.zeros((1, 2)))
    assert at(here, "a", block.draw.values()) == [2.0, 0.0]
    assert block.spent.values() == pytest.approx((8.0 - 5.0) / 20.0 * 160.0)
    assert not hasattr(block, "charging")


def test_without_an_engine_all_of_the_way_is_electric():
    car = {**CAR, "fuel_economy": np.nan}
    block = vehicle(*parts(street(vehicles={"car": car}, trips={"trip": TRIP})))
    assert (block.electric_distance.lower.tolist(), block.electric_distance.upper.tolist()) == ([8.0], [8.0])
    put(block.electric_distance, [8.0])
    put(block.discharge, [[0.0, 0.0]])
    assert block.spent.values() == 0.0


def test_a_guest_draws_at_a_meter_of_its_own():
    inputs, here, sets = parts(street(vehicles={"car": {**CAR, "host": ["b", ""]}}))
    block = vehicle(inputs, here, sets)
    put(block.charge, [[1.5, 0.0]])
    put(block.discharge, [[0.0, 0.0]])
    assert at(here, "guest:car", block.draw.values()) == [1.5, 0.0]
    assert at(here, "guest:car", here.node) == [1, -1]  # at the node of b, and nowhere


def test_a_minimum_power_is_held_by_a_binary():
    block = vehicle(*parts(street(vehicles={"car": {**CAR, "min_charge": 1.2}})))
    assert block.charging.binary
    put(block.charge, [[1.2, 0.0]])
    put(block.charging, [[1.0, 0.0]])
    assert block.charge_at_least.body.values() == pytest.approx([0.0])  # charge - 1.2 * charging
    assert block.charge_at_most.body.values() == pytest.approx([1.2 - 2.0])


def test_pv_is_curtailed_only_where_giving_may_cost():
    inputs, here, sets = parts(street(batteries={"battery": STORE}))
    assert len(household(inputs, here, sets).curtailment.position) == 0
    inputs, here, sets = parts(street(batteries={"battery": STORE}, feed_in=-1.0))
    block = household(inputs, here, sets)
    put(block.curtailment, np.where(here.curtailable > 0, 0.5, 0.0))
    assert at(here, "a", block.draw.values()) == [1.0 - 3.0 + 0.5, 1.0]


def test_the_retailer_is_paid_by_the_tariff_unless_a_host_model_is():
    inputs, here, sets = parts(street(batteries={"battery": {**STORE, "charge_limit": 3.0}}))
    for own_tariff, spent in ((True, 0.5 * (30 - 8 * 2)), (False, 0.0)):
        block = grid(inputs, here, sets, own_tariff=own_tariff)
        first = np.isin(here.label, "a")[:, None] * [1.0, 0.0]
        put(block.imports, first)
        put(block.exports, 2 * first)
        assert block.spent.values() == pytest.approx(spent)
        assert at(here, "a", block.draw.values()) == [1.0, 0.0]  # 2 exported less 1 imported


def test_peers_pay_access_at_both_ends_and_the_edge_between():
    """Home a sells 1 kW to b for half an hour: 0.5 at the root, 0 at the leaf, and 2 for the edge, each per kWh."""
    inputs, here, sets = parts(street(batteries={"battery": STORE}))
    block = network(inputs, here, sets)
    label = here.label.tolist()
    buyer = int(here.draws_at[1])
    put(block.sale, [[float(name == "a"), 0.0] for name in label])
    put(block.purchase, [[float(k == buyer), 0.0] for k in range(len(label))])
    put(block.up, np.zeros((2, 2)))
    put(block.down, [[0.0, 0.0], [1.0, 0.0]])
    assert residual(block.node_balance) == pytest.approx(np.zeros((2, 2)))
    assert block.spent.values() == pytest.approx(0.5 * (0.5 + 2.0))


def test_an_edge_carries_no_more_than_its_limit_nor_than_its_ends_trade():
    free, limited = (network(*parts(street(batteries={"battery": STORE}, limit=kw))) for kw in (np.inf, 1.5))
    assert limited.down.upper == pytest.approx(
        [1.5, 1.0]
    )  # a can give 3 kW at first, and then what it needs itself
    assert np.isfinite(free.down.upper).all()


def test_quotes_are_prices_at_which_every_meter_trades_alone():
    inputs, here, sets = parts(street(batteries={"battery": {**STORE, "charge_limit": 3.0}}))
    zero = inputs["node_fee"] * 0.0 + inputs["slot_hours"] * 0.0
    block = quoted(inputs, here, sets, xr.Dataset({"price": zero + 20.0, "sale_price": zero + 12.0}))
    mine = np.isin(here.label, "a")[:, None] * [1.0, 0.0]
    put(block.purchase, mine)
    put(block.sale, 3 * mine)
    paid = 0.5 * (1 * (20.0 + 0.5) - 3 * (12.0 - 0.5))
    assert block.spent.values() == pytest.approx(paid)
    assert at(here, "a", block.draw.values()) == [2.0, 0.0]
