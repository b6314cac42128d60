"""What few stores have, each worked out by hand over two slots, through the whole chain of a clearing."""

import numpy as np
import pytest

from otonari.runs.clear.single import clear
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options

from .communities import community

STORE = {
    "owner": "home",
    "capacity": 10.0,
    "initial_energy": 0.0,
    "final_energy": np.nan,
    "charge_limit": 5.0,
    "discharge_limit": 5.0,
    "charge_efficiency": 1.0,
    "discharge_efficiency": 1.0,
}


def house(store=None, device="batteries", demand=(0.0, 1.8), pv=(0.0, 0.0), retail=(10.0, 30.0), **home):
    """Return a home and a neighbour at a free node over two slots of an hour, the home with a store."""
    people = {
        "home": {"demand": list(demand), "pv_available": list(pv), **home},
        "neighbour": {"demand": [0.0, 0.0], "pv_available": [0.0, 0.0]},
    }
    return community(
        {
            "slots": [1.0, 1.0],
            "nodes": {"n": {"parent": "", "access_fee": 1.0}},
            "tariffs": {"t": {"retail_price": list(retail), "feed_in_price": 0.0}},
            "participants": {name: {"node": "n", "tariff": "t", **own} for name, own in people.items()},
            device: {"store": {**STORE, **(store or {})}},
        }
    )


def of_home(run, name, group="settlement"):
    return run[group][name].sel(participant="home").values.tolist()


LEAKS = 1.0 - 0.9**24
"""Self-discharge of a day that keeps 0.9 in an hour."""


def test_a_store_that_leaks_is_charged_for_what_it_loses():
    """1.8 kWh at 30 come from 2 kWh at 10, of which an hour keeps 0.9: 20, and 54 without the store."""
    leaking = clear(house({"self_discharge": LEAKS}))
    assert leaking["results"]["battery_charge"].values[0] == pytest.approx([2.0, 0.0])
    assert leaking["results"]["battery_energy"].values[0] == pytest.approx([2.0, 0.0], abs=1e-9)
    assert leaking.attrs["objective"] == pytest.approx(20.0)
    assert clear(house()).attrs["objective"] == pytest.approx(18.0)
    dear = house({"self_discharge": LEAKS}, retail=(28.0, 30.0))  # 28 / 0.9 exceeds 30
    assert clear(dear).attrs["objective"] == pytest.approx(54.0)


@pytest.mark.parametrize("market", ["p2p", "unmanaged"])
def test_pv_that_leaks_out_of_a_store_is_lost(market):
    """2 kWh of PV are stored, 0.2 leak, 1.8 are used."""
    sunny = clear(house({"self_discharge": LEAKS}, pv=(2.0, 0.0)), market)
    assert of_home(sunny, "pv_lost") == pytest.approx(0.2)
    assert of_home(sunny, "self_sufficiency") == pytest.approx(1.0)
    assert sunny["results"]["battery_energy"].values[0] == pytest.approx([2.0, 0.0], abs=1e-9)


def test_energy_below_the_minimum_by_self_discharge_returns_at_full_power():
    """From 5 kWh an hour keeps 4.5, less than the minimum of 8, and 0.5 kW bring it to 5.0, then to 5.0 again."""
    slow = {"min_energy": 8.0, "initial_energy": 5.0, "charge_limit": 0.5, "self_discharge": LEAKS}
    kept = clear(house(slow))
    assert kept["results"]["battery_energy"].values[0] == pytest.approx([5.0, 5.0])
    assert kept["results"]["battery_charge"].values[0] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
def test_a_simulation_knows_that_a_store_leaks(mode):
    """Of 2 kWh an hour keeps 1.8, and the next 1.62: just the demand."""
    inputs = house({"self_discharge": LEAKS, "initial_energy": 2.0}, demand=(0.0, 1.62))
    line = timeline.of_inputs(inputs, inputs, foresight=True)
    found = run.simulate(line, Options(mode))
    assert found["results"]["battery_energy"].values[0] == pytest.approx([1.8, 0.0], abs=1e-6)
    assert float(found["settlement"]["bill"].sum()) == pytest.approx(0.0, abs=1e-6)
