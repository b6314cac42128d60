"""One meter, one direction; one store, one direction: on runs written down by hand."""

import copy

import numpy as np
import pytest
import xarray as xr

from otonari.model.checks.directions import directions
from otonari.model.checks.physics import Run
from otonari.model.checks.run import _worst, check

from . import neighbourhood


def found(run, metering=None):
    """Return what breaks the rule, a line each."""
    inputs = run["inputs"]
    if metering:
        labels = xr.DataArray(np.array(metering), dims="participant")
        inputs = inputs.assign(participant_metering=labels)
    facts = Run(inputs, run["results"])
    return [str(v) for finding in directions(facts) for v in _worst(finding, inputs, 1e-5)]


@pytest.fixture
def run():
    return copy.deepcopy(neighbourhood.run())


def test_the_neighbourhood_goes_one_way(run):
    assert found(run) == []


@pytest.mark.parametrize(
    ("drawn", "given"),
    [("grid_import", "grid_export"), ("peer_purchase", "peer_sale"), ("grid_import", "peer_sale")],
)
def test_a_meter_that_draws_and_gives_is_named_with_both_powers(run, drawn, given):
    run["results"][drawn][1, 2] = 2.5
    for name in ("grid_import", "peer_purchase"):
        if name != drawn:
            run["results"][name][1, 2] = 0
    run["results"][given][1, 2] = 0.75
    where = "participant=bert, time=2025-07-01T02:00, drawn 2.5, given 0.75"
    assert found(run) == [f"meter in both directions is off by 0.75 ({where})"]


def test_a_guest_that_draws_and_gives_is_named(run):
    run["results"]["vehicle_sale"][0, 1] = 0.5
    where = "vehicle=car, time=2025-07-01T01:00, drawn 2, given 0.5"
    assert found(run) == [f"guest in both directions is off by 0.5 ({where})"]


@pytest.mark.parametrize("device", ["battery", "vehicle"])
def test_a_store_that_charges_and_discharges_is_named(run, device):
    run["results"][f"{device}_charge"][0, 3] = 0.3
    run["results"][f"{device}_discharge"][0, 3] = 0.5
    where = f"{device}={device if device == 'battery' else 'car'}, time=2025-07-01T03:00"
    assert found(run) == [f"{device} in both directions is off by 0.3 ({where}, charged 0.3, discharged 0.5)"]


def test_noise_of_the_solver_is_no_direction(run):
    run["results"]["grid_export"][1, 2] = 9e-6
    assert found(run) == []


def test_pv_on_a_meter_of_its_own_injects_while_the_home_draws(run):
    """anna has 6 kW of PV in slot 0, and 1 kW of demand and 1 of charging: 6 are given and 2 drawn."""
    metering = ["gross", "net", "net"]
    run["results"]["grid_import"][0, 0], run["results"]["grid_export"][0, 0] = 2, 2.5
    assert float(run["results"]["peer_sale"][0, 0]) == 3.5
    assert found(run, metering) == []
    assert len(found(run)) == 1
    run["results"]["grid_export"][0, 0] = 2.6  # beside the 6 kW of PV the home gives 0.1
    assert found(run, metering) == [
        "meter in both directions is off by 0.1 (participant=anna, time=2025-07-01T00:00, drawn 2, given 0.1)"
    ]
    run["results"]["grid_export"][0, 0] = 2.4  # the meter of PV takes nothing to the home
    assert found(run, metering) == ["PV meter is off by 0.1 (participant=anna, time=2025-07-01T00:00)"]


def test_a_run_is_asked(run):
    run["results"]["vehicle_sale"][0, 1] = 0.5
    assert "guest in both directions" in {violation.check for violation in check(**run)}
