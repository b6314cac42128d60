"""Bills and shares of the neighbourhood worked out on paper, and of random cleared communities."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from numpy.testing import assert_allclose

from otonari.model.clearing import community_block
from otonari.model.results import collect
from otonari.model.settlement.account_lines import CARBON, MONEY, OPTIONAL, SHARES
from otonari.model.settlement.accounts import settle
from otonari.model.settlement.origins import trace
from otonari.model.settlement.trades import bilateral
from otonari.model.solver.solve import solve

from . import neighbourhood
from .communities import communities, of_examples

# By account: anna, bert (and his car), site. The arithmetic in kWh x JPY/kWh.
PAPER = {
    "grid_cost": [2.6 * 30, (7.5 + 1) * 30, 6.7 * 30],
    "feed_in_revenue": [0.5 * 8, 0.2 * 8, 1 * 8],
    # at the seller's 19.5 with 1 of fees; the site over the full line with 4 of fees and 4 of congestion
    "peer_cost": [0, 1.5 * 20.5 + 1 * 15.5, 2 * 27.5 + 0.3 * 16.5],
    "peer_revenue": [3.5 * 19.5, 0.3 * 15.5, 1 * 14.5],
    "network_fee": [0, 1.5 * 1 + 1 * 1, 2 * 4 + 0.3 * 1],
    "congestion_rent": [0, 0, 2 * 4],
    "make_whole": [0, 0, 0],
    "imbalance_cost": [0, 0, 0],
    "imbalance_energy": [0, 0, 0],
    "fuel_cost": [0, 150, 0],
    "wear_cost": [0.4 * 5, 0.5 * 2, 0],
    "bill": [7.75, 446.0, 238.45],
    # without peers: 3.5, 2.3 and 1.3 kWh more from the retailer; sold to it what was sold to peers
    "bill_grid_only": [2.6 * 30 - 4 * 8 + 2, 11 * 30 - 0.5 * 8 + 150 + 1, 9 * 30 - 2 * 8],
    "co2": [2.6 / 2, 8.5 / 2 + 2, 6.7 / 2],
    # the car: 1.75 kg in the 5 kWh of which it drives 4 (`test_origin`), and 1 L; 30 km are 3 L
    "driving_co2": [0, 1.4 + 2, 0],
    "driving_co2_petrol": [0, 3 * 2, 0],
    # anna gives 4 of 6, the site 2 of 5
    "self_consumption": [2 / 6, np.nan, 3 / 5],
    # anna's battery held 0.8 of own PV in 1.8 when it gave 0.4; a fifth of what the car gives the site is the site's own
    "self_sufficiency": [(1 + 0.4 * 0.8 / 1.8) / 4, 0, (3 + 0.06) / 12],
    # half of what bert draws in slot 0 is anna's; the car held 0.3 of PV when it gave 0.3 to the site
    "renewable_share": [(1 + 0.4 * 0.8 / 1.8) / 4, 1 / 8, (2 + 3 + 0.3 * 0.3) / 12],
    # the car: 0.5 of anna's in slot 0, 1 of the site's in slot 1, of 5 kWh
    "renewable_driving_share": [np.nan, 20 * 0.3 / 30, np.nan],
    "renewable_charge_share": [np.nan, 0.3, np.nan],
}
ORIGINS = {"demand_from", "driving_from", "distance_from", "pv_exported", "pv_lost", "pv_held"}
ORIGINS |= {f"origin_{name}" for name in ("consumer", "producer", "demand", "driving", "distance")}
"""On paper in `test_origin`."""
PAPER["saving"] = list(np.subtract(PAPER["bill_grid_only"], PAPER["bill"]))
_USED = 1 + 0.4 * 0.8 / 1.8 + 1 + 2 + 3 + 0.09
COMMUNITY = {
    "community_self_consumption": (11 - 0.5 - 1 - 0.2 * 0.3) / 11,
    "community_self_sufficiency": (_USED + 4 * 0.3) / (24 + 4),
    "community_renewable_share": _USED / 24,
    "community_renewable_driving_share": 6 / 30,
    "community_renewable_charge_share": 0.3,
    "peer_energy": 1.5 + 2 + 1 + 0.3,
}
few = of_examples(12)


@pytest.fixture(scope="module")
def settlement():
    return neighbourhood.run()["settlement"]


@pytest.mark.parametrize("name", PAPER)
def test_account_on_paper(settlement, name):
    assert_allclose(settlement[name], PAPER[name], atol=1e-9)


@pytest.mark.parametrize("name", COMMUNITY)
def test_community_on_paper(settlement, name):
    assert settlement[name].item() == pytest.approx(COMMUNITY[name])


def test_every_variable_is_on_paper_and_described(settlement):
    assert set(settlement.data_vars) - {"final_energy_value"} == {*PAPER, *COMMUNITY, *ORIGINS}
    assert not settlement["final_energy_value"].any(), "a plan ends as it should"
    assert {*MONEY, *SHARES, *CARBON, "imbalance_energy"} - {"final_energy_value", *OPTIONAL} == set(PAPER)
    units = {
        "kg": CARBON,
        "JPY": MONEY,
        "kWh": ORIGINS | {"peer_energy", "imbalance_energy"},
        "km": ("distance_from", "origin_distance"),
    }
    for name, array in settlement.data_vars.items():
        assert array.attrs["long_name"], name
        unit = [u for u, names in units.items() if name in names][-1:] or ["1"]
        assert [array.attrs.get("units")] == unit or array.dtype.kind == "U", name


def test_fees_per_pair_settle_as_the_same_fees_on_the_tree(settlement):
    xr.testing.assert_allclose(neighbourhood.run(pairs=True)["settlement"], settlement)


def test_guest_pays_its_owners_tariff():
    inputs = neighbourhood.inputs()
    two = xr.concat([inputs[["retail_price"]], 3 * inputs[["retail_price"]]], "tariff")
    inputs = inputs.drop_dims("tariff").merge(two.assign_coords(tariff=["flat", "dear"]))
    inputs["feed_in_price"] = 0 * inputs["retail_price"]
    inputs["participant_tariff"] = ("participant", ["flat", "flat", "dear"])
    results = neighbourhood.results()
    settlement = settle(inputs, results, bilateral(inputs, results), neighbourhood.grid_only())
    assert_allclose(settlement["grid_cost"], [2.6 * 30, 8.5 * 30, 6.7 * 90])


def test_who_is_short_of_its_contract_pays_the_imbalance_and_not_who_it_fails():
    # slot 0: anna gave 4 of 1.5 + 3 sold; the site drew the 3 that it bought. Slot 1: the car drew 2 of 1 + 1.5 bought.
    # Slot 3: what the site bought of the car is far beyond what it drew, and what the car gave
    run = neighbourhood.run()
    contracted = run["trades"].assign(trade_contracted=("trade", [1.5, 3, 2.5, 0.3]))
    inputs = run["inputs"].assign(imbalance_fee=("time", [4.0, 10.0, 100.0, 100.0]))
    found = settle(inputs, run["results"], contracted, neighbourhood.grid_only())
    assert_allclose(found["imbalance_energy"], [0.5, 0.5, 0.5])
    assert_allclose(
        found["imbalance_cost"], [0.5 * 4, 0.5 * 10, 0.5 * 10]
    )  # the site gave 2 of 2.5 in slot 1
    assert_allclose(found["bill"] - run["settlement"]["bill"], found["imbalance_cost"])
    assert_allclose(found["peer_cost"], PAPER["peer_cost"])
    # of 4.5 sold anna bought 0.5 back: net 4, as her meter shows
    sold = run["trades"].isel(trade=[0, 1, 1])
    back = sold.assign(trade_contracted=("trade", [1.5, 3.0, 0.5]), trade_energy=("trade", [1.5, 2.0, 0.0]))
    back["trade_seller"], back["trade_buyer"] = (
        ("trade", ["anna", "anna", "site"]),
        ("trade", ["bert", "site", "anna"]),
    )
    assert_allclose(settle(inputs, run["results"], back, neighbourhood.grid_only())["imbalance_energy"], 0)


def test_trade_within_an_account_keeps_its_own_pv():
    """The site owns the car: what it sells to it is still its own, and what the car sells back too."""
    inputs = neighbourhood.inputs()
    inputs["vehicle_owner"] = ("vehicle", ["site"])
    inputs["vehicle_host"] = (("vehicle", "time"), [["", "bert", "", "bert"]])
    results = neighbourhood.results()
    results["vehicle_charge"][0, 0] = 0  # 2 + 2 of charge: half of it the site's PV, of 4 kWh 1
    results["vehicle_energy"][0] = [2, 4, 0, -0.5]
    origins = trace(inputs, results, bilateral(inputs, results))
    assert_allclose(origins.given, [4, 0, 1])  # the export alone
    assert_allclose(origins.driving_from.sum(axis=2), [[0, 0, 0], [0, 0, 0], [1, 0, 3]])
    assert_allclose(origins.distance_from[2].sum(axis=1), [5, 0, 15])


def test_nothing_to_share_is_nan():
    inputs, results = neighbourhood.inputs(), neighbourhood.results()
    inputs["pv_available"] = 0 * inputs["pv_available"]
    inputs["demand"] = 0 * inputs["demand"]
    inputs["trip_distance"] = 0 * inputs["trip_distance"]
    idle = xr.zeros_like(results).assign(price=results["price"], sale_price=results["sale_price"])
    settlement = settle(inputs, idle, bilateral(inputs, idle), idle)
    for name in SHARES:
        assert settlement[name].isnull().all()
        assert settlement[f"community_{name}"].isnull()
    assert (settlement[[name for name in MONEY if name not in OPTIONAL]] == 0).all().to_array().all()


@few
@given(communities())
def test_the_bills_add_up_to_the_cost(inputs):
    block, alone = community_block(inputs), community_block(inputs, "grid-only")
    cost = solve(block).objective
    solve(alone)
    results = collect(block)
    settlement = settle(inputs, results, bilateral(inputs, results), collect(alone))
    bills = settlement["bill"].sum() - settlement["congestion_rent"].sum()
    assert_allclose(bills, cost, rtol=1e-6, atol=1e-5)
