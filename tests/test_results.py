"""Results of a community, unfolded from its meters: by participant, by guest, and by node."""

import numpy as np
import pytest
import xarray as xr

from otonari.model.clearing import community_block
from otonari.model.results import assemble, collect, variable
from otonari.model.solver.solve import solve

from .communities import community


def street(**vehicles):
    """Return two consumers of 1 and 3 kW and a home with 2 kW of PV, at one node, for an hour."""
    home = {"node": "n", "tariff": "t", "demand": 0.0}
    return community(
        {
            "slots": [1],
            "nodes": {"n": {"parent": "", "access_fee": 1.0}},
            "tariffs": {"t": {"retail_price": 30.0, "feed_in_price": 8.0}},
            "participants": {
                "one": {**home, "demand": 1.0},
                "three": {**home, "demand": 3.0},
                "sun": {**home, "pv_available": 2.0},
            },
            "vehicles": vehicles,
        }
    )


def test_a_pool_unfolds_in_proportion():
    """Of 4 kW the pool buys 2 from the sun and 2 from the retailer, in quarters: one for "one", three for "three"."""
    inputs = street()
    block = community_block(inputs)
    solve(block)
    results = collect(block)
    for name in ("peer_purchase", "grid_import"):
        assert results[name].values[:, 0] == pytest.approx([0.5, 1.5, 0.0])
    assert results["draw"].values[:, 0] == pytest.approx([1.0, 3.0, 0.0])
    assert results["supply"].values[:, 0] == pytest.approx([0.0, 0.0, 2.0])
    assert results["price"].values == pytest.approx(
        30.0 - 1.0
    )  # retail sets it, less what access costs the buyer
    assert results["price"].attrs["units"] == "JPY/kWh"


def test_a_guest_has_results_of_its_own():
    car = {
        "owner": "one",
        "host": ["sun"],
        "capacity": 5.0,
        "initial_energy": 0.0,
        "final_energy": 1.0,
        "charge_limit": 3.0,
        "discharge_limit": 0.0,
        "charge_efficiency": 0.5,
        "discharge_efficiency": 1.0,
        "electric_economy": 5.0,
    }
    block = community_block(street(car=car), "grid-only")
    solve(block)
    results = collect(block)
    assert results["vehicle_import"].values[0] == pytest.approx([2.0])
    assert results["grid_import"].values[:, 0] == pytest.approx([1.0, 3.0, 0.0])
    assert "price" not in results


def test_a_block_that_nobody_solved_has_no_results():
    with pytest.raises(ValueError, match="solve the model first"):
        collect(community_block(street()))


def test_a_market_that_is_missing_trades_nothing():
    inputs = street()
    draw = np.array([[1.0], [3.0], [0.0]])
    results = assemble(
        inputs,
        {
            "grid_import": variable(("participant", "time"), draw, "kW", "bought from the retailer"),
            "trip_electric_distance": variable(
                ("trip",), np.zeros(0), "km", "distance driven on electricity"
            ),
        },
    )
    xr.testing.assert_equal(results["draw"], results["grid_import"].rename("draw"))
    assert (results["peer_purchase"] == 0).all()
    assert results["vehicle_sale"].dims == ("vehicle", "time")
    assert results["peer_sale"].attrs == {"long_name": "sold to peers", "units": "kW"}


def test_noise_of_the_solver_is_zero():
    assert variable(("time",), np.array([1e-10, -1e-10, 1e-8]), "kW", "power")[1].tolist() == [0.0, 0.0, 1e-8]
