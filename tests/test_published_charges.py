"""Charges for peaks that others published: REopt, EMHASS and the optimizer of evcc; inputs as in the sources."""

import numpy as np
import pytest

import otonari
from otonari.data.inputs.contract import complete

from .communities import community
from .test_peaks import home, with_peak

DEMAND = [1.0, 1, 5, 1, 1, 1]
"""Of tests/test_optimization.py of EMHASS (issue 623): 1 kW, and 5 kW once."""


def test_the_demand_charge_of_a_flat_load():
    """NREL/REopt.jl, test/scenarios/no_techs.json: 10,000 kWh in a year, 0.1 per kWh, 10 per kW and month.

    The test there asks for 1000.0 and 136.99.
    """
    month = np.arange("2025-01", "2026-02", dtype="datetime64[M]").astype("datetime64[ns]")
    hours = np.diff(month) / np.timedelta64(1, "h")
    names = np.datetime_as_string(month[:-1], unit="M")
    load = home([10000 / 8760] * 12, False)
    load["retail_price"].values[:] = 0.1
    charged = with_peak(load, slots_per_day=1).drop_dims(["month", "day"])
    days = [f"{name}-01" for name in names]
    labels = {"slot_day": ("time", days), "day_month": ("day", names), "slot_hours": ("time", hours)}
    at = {"time": month[:-1], "month": names, "day": days}
    inputs = complete(charged.drop_vars("slot_day").assign_coords(at).assign(labels))
    account = otonari.clear(inputs, "grid-only")["settlement"].to_dataset()
    assert float(account["grid_cost"][0]) == pytest.approx(1000.0)
    assert float(account["peak_charges"][0]) == pytest.approx(136.99, abs=0.005)


def emhass(price, earlier=None, capacity=10.0):
    """Return the power that a home draws with a battery of 10 kWh, half full at both ends, at one price all the time."""
    store = {"capacity": capacity, "charge_limit": 20.0, "discharge_limit": 20.0, "wear_cost": 0.2}
    inputs = home(DEMAND, initial_energy=capacity / 2, final_energy=capacity / 2, **store)
    flat = inputs.assign(feed_in_price=inputs["feed_in_price"] * 0 + 0.2)
    tree = otonari.clear(with_peak(flat, price=price, earlier=earlier), "grid-only")
    return tree["results"]["draw"].values[0], float(tree["settlement"]["peak_charges"][0])


def test_a_capacity_charge_shaves_the_peak():
    """EMHASS, issue 623: without a charge all of the spike is drawn; with 2 per kW the mean, 10 / 6 kW.

    To move a kWh costs a wear of 0.2, and lowers the peak by 1 kW at first, by 5 / 6 kW at least.
    """
    assert emhass(0.0)[0].max() == pytest.approx(5.0)
    drawn, charge = emhass(2.0)
    assert drawn.max() == pytest.approx(10 / 6)
    assert charge == pytest.approx(2 * 10 / 6)


def test_a_peak_that_is_reached_already_is_not_shaved():
    """EMHASS, `current_period_peak`: 20 kW in the period so far leave the plan as it is without a charge."""
    drawn, charge = emhass(2.0, earlier=20.0)
    assert drawn == pytest.approx(DEMAND)
    assert charge == pytest.approx(0)


def test_only_what_is_beyond_a_peak_so_far_is_worth_shaving():
    drawn, charge = emhass(2.0, earlier=3.0)
    assert drawn.max() == pytest.approx(3.0)
    assert charge == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("peaks", "want"), [([1.0, 2.0, 1.0], 2.5), ([4.0, 2.0, 3.0], 4.0)])
def test_the_capacity_tariff_of_flanders(peaks, want):
    """EMHASS, issue 540: the quarter-hour with the highest mean power of a month, and 2.5 kW at the least."""
    case = {
        "slots": [0.25] * len(peaks),
        "nodes": {"n": {"parent": ""}},
        "tariffs": {"t": {"retail_price": 0.3, "feed_in_price": 0.0}},
        "participants": {"home": {"node": "n", "tariff": "t", "demand": peaks}},
    }
    tree = otonari.clear(with_peak(community(case), price=4.0, floor=2.5), "grid-only")
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(4 * want)


def test_a_battery_shaves_what_a_demand_rate_charges():
    """evcc-io/optimizer, test_cases/028-demand-rate-peak-shaving.json: 2 kW drawn of 4, 1.05 for energy, 10 for 1 kW.

    A kW beyond 1 kW costs 10, a kWh 0.3, one that stays in the battery is worth 0.4; it gives 2 kW at the most, at 95 %.
    The answer there has 2.894737 kWh at the end, and an objective of -11.05 without them.
    """
    store = {
        "capacity": 10.0,
        "initial_energy": 5.0,
        "final_energy": 0.0,
        "charge_limit": 0.0,
        "discharge_limit": 2.0,
        "discharge_efficiency": 0.95,
        "wear_cost": 0.0,
        "final_value": 0.4,
    }
    inputs = home([4.0, 0.5, 0.5, 0.5], **store)
    flat = inputs.assign(
        retail_price=inputs["retail_price"] * 0 + 0.3, feed_in_price=inputs["feed_in_price"] * 0
    )
    tree = otonari.clear(with_peak(flat, earlier=1.0), "grid-only")
    assert tree["results"]["draw"].values[0] == pytest.approx([2.0, 0.5, 0.5, 0.5])
    assert float(tree["results"]["battery_energy"][0, -1]) == pytest.approx(2.8947368)
    account = tree["settlement"].to_dataset()
    assert float(account["grid_cost"][0]) == pytest.approx(1.05)
    assert float(account["bill"][0]) == pytest.approx(11.05)
