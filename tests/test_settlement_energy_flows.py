"""A run as energy, slot by slot: read from a run that is written down here, not solved."""

import numpy as np
import pytest
import xarray as xr

from otonari.model.settlement.energy_flows import flows

from .communities import START, community

STORE = {
    "owner": "a",
    "capacity": 5.0,
    "initial_energy": 1.0,
    "charge_limit": 2.0,
    "discharge_limit": 2.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
}


@pytest.fixture
def run():
    """Return a battery and a car at home a, whose car is a guest at b in the second of two slots of half an hour."""
    home = {"node": "n", "tariff": "t", "demand": [1.0, 2.0], "pv_available": [3.0, 0.0]}
    inputs = community(
        {
            "slots": [0.5, 0.5],
            "grid_carbon": [0.4, 0.6],
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
            "participants": {"a": home, "b": {**home, "pv_available": 0.0}},
            "batteries": {"battery": STORE},
            "vehicles": {"car": {**STORE, "host": ["", "b"], "electric_economy": 5.0, "fuel_economy": 20.0}},
            "trips": {"trip": {"vehicle": "car", "departure": 0.1, "arrival": 0.4, "distance": 8.0}},
        }
    )
    powers = {
        ("participant", "pv_curtailment"): [[0.5, 0.0], [0.0, 0.0]],
        ("participant", "grid_import"): [[0.0, 2.0], [0.5, 1.0]],
        ("participant", "grid_export"): [[0.25, 0.0], [0.0, 0.0]],
        ("vehicle", "vehicle_import"): [[9.0, 1.0]],  # in the first slot it is no guest
        ("vehicle", "vehicle_export"): [[0.0, 0.0]],
        ("battery", "battery_charge"): [[1.0, 0.0]],
        ("battery", "battery_discharge"): [[0.0, 0.5]],
        ("vehicle", "vehicle_charge"): [[0.0, 1.0]],
        ("vehicle", "vehicle_discharge"): [[0.0, 0.0]],
    }
    results = xr.Dataset({name: ((dim, "time"), values) for (dim, name), values in powers.items()})
    results["trip_electric_distance"] = ("trip", [5.0])
    trades = {
        "seller": ["a"],
        "buyer": ["b"],
        "seller_vehicle": [""],
        "buyer_vehicle": [""],
        "energy": [0.25],
        "time": [START],
    }
    return (
        inputs,
        results,
        xr.Dataset({f"trade_{name}": ("trade", values) for name, values in trades.items()}),
    )


def test_powers_become_energy_of_meters_and_stores(run):
    flow = flows(*run)
    assert flow.demand.tolist() == [[0.5, 0.5], [1.0, 1.0]]
    assert flow.generated.tolist() == [[1.25, 0, 0], [0, 0, 0]]  # PV after curtailment; a guest has none
    assert flow.imported.tolist() == [[0, 0.25, 0], [1.0, 0.5, 0.5]]
    assert flow.exported.tolist() == [[0.125, 0, 0], [0, 0, 0]]
    assert flow.charged.tolist() == [[0.5, 0], [0, 0.5]]
    assert flow.discharged.tolist() == [[0, 0], [0.25, 0]]


def test_stores_stand_behind_the_meters_where_they_are(run):
    flow = flows(*run)
    assert flow.account.tolist() == [0, 1, 0]
    assert flow.owner.tolist() == [0, 0]
    assert flow.behind.tolist() == [[0, 2], [0, 2]]
    assert (flow.gain.tolist(), flow.loss.tolist()) == ([0.9, 0.9], [1.25, 1.25])


def test_a_trip_takes_its_energy_in_the_slot_of_its_departure(run):
    assert flows(*run).driven.tolist() == [[1.0], [0.0]]


def test_a_span_holds_its_own_slots_and_trades(run):
    flow = flows(*run)
    first, second = flow.span(0, 1), flow.span(1, 2)
    assert (first.seller.tolist(), first.buyer.tolist(), first.energy.tolist()) == ([0], [1], [0.25])
    assert len(second.energy) == 0
    assert second.demand.tolist() == [[1.0, 1.0]]
    assert second.slots.tolist() == [[0]]
    np.testing.assert_array_equal(np.concatenate([first.charged, second.charged]), flow.charged)
