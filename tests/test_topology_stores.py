"""Batteries and vehicles as one list of stores."""

import numpy as np
import pytest

from otonari.model.topology.stores import by_device, of_devices, of_stores, stores, with_stores

from .communities import community

STORE = {
    "capacity": 5.0,
    "initial_energy": 1.0,
    "charge_limit": 2.0,
    "discharge_limit": 2.0,
    "charge_efficiency": 0.9,
    "discharge_efficiency": 0.8,
}


@pytest.fixture
def inputs():
    """Return two homes over two slots; the battery is next door, the car of home a visits there in the second slot."""
    home = {"node": "n", "tariff": "t", "demand": 1.0}
    return community(
        {
            "slots": [1, 1],
            "nodes": {"n": {"parent": ""}},
            "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
            "participants": {"a": home, "b": home},
            "batteries": {"battery": {**STORE, "owner": "b", "capacity": 7.0}},
            "vehicles": {
                "car": {
                    **STORE,
                    "owner": "a",
                    "host": ["a", "b"],
                    "min_charge": 1.4,
                    "electric_economy": 5.0,
                },
                "van": {**STORE, "owner": "b", "host": ["", "b"], "electric_economy": 5.0},
            },
        }
    )


def test_batteries_come_before_vehicles(inputs):
    store = stores(inputs)
    assert store.owner.tolist() == [1, 0, 1]
    assert store.capacity.tolist() == [7.0, 5.0, 5.0]
    assert store.min_charge.tolist() == [0.0, 1.4, 0.0]
    assert store.plugged.tolist() == [[True, True], [True, True], [False, True]]


def test_a_store_trades_as_its_owner_at_home_and_as_a_guest_elsewhere(inputs):
    # participants a, b are traders 0 and 1; the guests car and van are 2 and 3
    assert stores(inputs).trader.tolist() == [[1, 1], [0, 2], [3, 1]]


def test_values_come_apart_and_together_again(inputs):
    energy = np.array([1.0, 2.0, 3.0])
    apart = by_device(inputs, energy)
    assert {device: values.tolist() for device, values in apart.items()} == {
        "battery": [1.0],
        "vehicle": [2.0, 3.0],
    }
    assert of_devices(inputs, apart).tolist() == energy.tolist()
    assert of_devices(inputs, {"vehicle": np.ones((2, 2))}).tolist() == [[0, 0], [1, 1], [1, 1]]
    changed = with_stores(inputs, "initial_energy", energy)
    assert of_stores(changed, "initial_energy").tolist() == energy.tolist()
    assert of_stores(inputs, "initial_energy").tolist() == [1.0] * 3
    assert changed["vehicle_initial_energy"].attrs == inputs["vehicle_initial_energy"].attrs


def test_results_are_read_with_the_store_first(inputs):
    inputs["battery_power"] = ("time", "battery"), [[1.0], [2.0]]
    inputs["vehicle_power"] = ("vehicle", "time"), [[3.0, 4.0], [5.0, 6.0]]
    assert of_stores(inputs, "power").tolist() == [[1, 2], [3, 4], [5, 6]]
