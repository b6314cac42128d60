"""Simulations under terms of contracts and devices: peaks of the month, shared inverters, home-only batteries."""

import numpy as np
import pytest

from otonari.data.inputs.contract import InputError
from otonari.model.agents import bidding, dispatch, planning, reachable_energy
from otonari.model.topology.peaks import going_on, peaks
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options

from . import counts
from .communities import metered_net, random_community
from .test_peaks import RETAIL, home, with_peak
from .test_store_terms import house, of_home

MODES = pytest.mark.parametrize("mode", ["exchange", "co-optimized"])


def simulated(inputs, mode, **options):
    """Return the run of a simulation that knows the future."""
    return run.simulate(timeline.of_inputs(inputs, inputs, foresight=True), Options(mode, **options))


@MODES
def test_what_an_inverter_lets_through(mode):
    """As cleared at once (tests/test_store_terms.py): 1 of 3 kWh at 30; and 1 kWh at 10 beside the PV, 2 at 30."""
    sunny = simulated(
        house({"charge_limit": 3.0}, demand=(2.0, 3.0), pv=(6.0, 0.0), inverter_limit=2.0), mode
    )
    assert of_home(sunny, "bill") == pytest.approx(30.0)
    assert sunny["results"]["peer_sale"].values.sum() == 0
    narrow = simulated(house(demand=(0.0, 4.0), pv=(1.0, 0.0), inverter_limit=2.0), mode)
    assert of_home(narrow, "bill") == pytest.approx(10 * 1.0 + 30 * 2.0)


@MODES
def test_a_battery_gives_to_the_home_alone(mode):
    """It supplies the home, whose PV of 1.5 kW goes to the neighbour; without PV nothing does."""
    for pv in (0.0, 1.5):
        inputs = house({"initial_energy": 4.0, "gives": "home"}, pv=(0.0, pv))
        inputs["demand"].values[1, 1] = 2.0
        found = simulated(inputs, mode)["results"]
        assert found["battery_discharge"].values[0] == pytest.approx([0.0, 1.8])
        assert found["peer_sale"].values[0] == pytest.approx([0.0, pv])


def realised(plan_on, came, least=0.0, quotes=(29.0, 20.0)):
    """Return the dispatch of the first slot of what came, planned on other inputs, without contracts."""
    named = zip(("price", "sale_price"), quotes, strict=True)
    given = {name: (("node", "time"), np.full((1, 2), price)) for name, price in named}
    plan = planning.plan(plan_on, plan_on.drop_vars(plan_on.data_vars).assign(given))
    energy = plan_on["battery_initial_energy"].values
    return dispatch.realise(came, 0, energy, plan, np.zeros(len(plan.net)), np.array([least]))


def test_sun_that_nobody_forecast_goes_into_the_battery_before_it_is_lost():
    """Of 6 kW 2 pass the inverter and 3 charge, the most that the battery takes: 1 is lost. Expected were 1 kW."""
    terms = {"demand": (2.0, 9.0), "inverter_limit": 2.0}
    expected, came = (house({"charge_limit": 3.0}, pv=(pv, 0.0), **terms) for pv in (1.0, 6.0))
    found = realised(expected, came)
    assert (found.charge[0], found.curtailment[0], found.net[0]) == pytest.approx((3.0, 1.0, 0.0))


def test_a_battery_behind_an_inverter_makes_room_for_the_sun():
    """Planned were 2 kW out of the battery; of 1.5 kW sun that came instead all passes, and 0.5 of the battery."""
    terms = {"demand": (2.0, 0.0), "inverter_limit": 2.0, "retail": (30.0, 10.0)}
    expected, came = (house({"initial_energy": 5.0}, pv=(pv, 0.0), **terms) for pv in (0.0, 1.5))
    found = realised(expected, came)
    assert (found.discharge[0], found.curtailment[0]) == pytest.approx((0.5, 0.0))


def test_what_homes_do_not_use_stays_in_a_battery_that_gives_to_them():
    """Planned were 2 kW; only 0.5 kW of demand came, and PV of 1 kW is sold: it may give the 0.5, and no more."""
    terms = {"retail": (30.0, 10.0), "pv": (1.0, 0.0)}
    store = {"initial_energy": 5.0, "gives": "home"}
    expected, came = (house(store, demand=(kw, 0.0), **terms) for kw in (3.0, 0.5))
    found = realised(expected, came)
    assert found.discharge[0] <= 0.5 + 1e-9
    assert found.net[0] >= -1.0 - 1e-9


def test_an_inverter_says_what_is_in_reach():
    """2 of 5 kW charge in an hour: 4 of 10 kWh, and 8 kWh at the end are 6 after the first hour."""
    inputs = house({"final_energy": 4.0}, inverter_limit=2.0)
    assert reachable_energy.reachable(inputs)[0] == pytest.approx([2.0, 4.0])
    assert reachable_energy.required(inputs)[0] == pytest.approx([2.0, 4.0])


@MODES
def test_a_day_is_flattened_as_it_goes(mode):
    """As cleared at once (tests/test_peaks.py): 2 kW throughout; and where two days count, in the mean of both."""
    tree = simulated(with_peak(home([1.0, 1, 1, 5])), mode)
    np.testing.assert_allclose(tree["results"]["draw"].values, [[2.0] * 4], atol=1e-6)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(20)
    tree = simulated(with_peak(home([1.0, 3] * 2), days=2, slots_per_day=2), mode)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(20)


@MODES
def test_what_a_day_reached_is_no_reason_to_shave_the_next_one(mode):
    """1 kW of battery leaves 4 of 5 kW; the next day's 3 kW cost no peak, so that nobody pays the wear for them.

    Peers are too dear for anybody to wait for them.
    """
    inputs = with_peak(home([1.0, 5, 1, 3], discharge_limit=1.0), slots_per_day=2)
    inputs = inputs.assign(node_access_fee=("node", [RETAIL]))
    tree = simulated(inputs, mode, window=2)
    np.testing.assert_allclose(tree["results"]["draw"].values[0], [2, 4, 1, 3], atol=1e-6)
    assert float(tree["settlement"]["peak_charges"][0]) == pytest.approx(40)
    assert float(tree["settlement"]["wear_cost"][0]) == pytest.approx(0.01)


def test_a_new_month_begins_at_nothing():
    inputs = with_peak(home([1.0, 5, 1, 3]), earlier=2.0, slots_per_day=2)
    inputs = inputs.assign_coords(month=["2025-07", "2025-08"])
    inputs = inputs.assign(day_month=("day", ["2025-07", "2025-08"]))
    drawn = inputs["demand"].values
    own = [peaks(going_on(inputs, drawn[:, :slot], 4)) for slot in (0, 2, 3)]
    assert [p.paid.ravel().tolist() for p in own] == [[2.0, 0.0], [0.0], [1.0]]
    assert [p.free(p.day[0]).tolist() for p in own] == [[2.0], [0.0], [1.0]]
    within = peaks(going_on(inputs, drawn[:, :1], 2))
    assert (within.reached.tolist(), within.paid.ravel().tolist()) == ([[1.0, 0.0]], [2.0, 0.0])


def test_how_high_a_day_may_be_without_a_charge():
    """Of 5, 4 and 3 kW the three highest count, 4 in the mean: the third day may reach 3, with a least of 4.5 kW 4.5."""
    inputs = with_peak(home([1.0] * 3, False), days=3, slots_per_day=1)
    inputs = inputs.assign(day_peak=(("participant", "day"), [[5.0, 4.0, 3.0]]))
    own = peaks(inputs)
    assert [own.free(day)[0] for day in range(3)] == pytest.approx([5.0, 4.0, 3.0])
    assert peaks(inputs.assign(peak_floor=("peak", [4.5]))).free(2)[0] == pytest.approx(4.5)


def test_demand_that_nobody_forecast_is_shaved_at_the_plans_peak():
    """2 kW were planned; of the 4 kW that came 2 come from the battery, though a kWh in it is worth more than retail."""
    store = {"initial_energy": 3.0, "final_energy": 3.0}
    expected, came = (with_peak(home(kw, **store), slots_per_day=2) for kw in ([2.0, 2], [4.0, 2]))
    quotes = (0.2, 0.05)
    assert realised(expected, came, quotes=quotes).net[0] == pytest.approx(2.0)
    without = realised(home([2.0, 2], **store), home([4.0, 2], **store), quotes=quotes)
    assert without.net[0] == pytest.approx(4.0)


def test_a_bid_to_charge_at_a_peak_is_lower_by_its_charge():
    """All three hours before the 5 kW are at the peak: bids for charging in them bring no more than without a peak."""
    inputs = with_peak(home([1.0, 1, 1, 5]))
    quotes = {n: (("node", "time"), np.full((1, 4), 0.12)) for n in ("price", "sale_price")}
    plan = planning.plan(inputs, inputs.drop_vars(inputs.data_vars).assign(quotes))
    value = plan.value[0, 0]
    assert value == pytest.approx(0.12 + plan.peak_value[0, 0])
    assert plan.peak_value[0].sum() == pytest.approx(10.0)
    bids = bidding.order_intents(inputs, plan, 0, np.zeros(1), (0.05, 0.2))
    assert {i.part: i.price for i in bids} == {"home": 0.2, "store0": 0.12}


def test_pv_that_is_metered_gross_stays_refused():
    inputs = house(metering="gross", pv=(1.0, 1.0))
    with pytest.raises(InputError, match="which of two meters") as error:
        run.simulate(timeline.of_inputs(inputs, inputs), Options())
    assert [p.field for p in error.value.problems] == ["metering"]


@pytest.mark.parametrize("seed", counts.few(range(60)))
def test_any_community_keeps_its_terms(seed):
    """Forecasts know nothing: what the devices do obeys inverters and homes, and accounts charge the real peaks."""
    rng, drawn = np.random.default_rng(seed), metered_net(random_community(seed, terms=True))
    inputs = with_peak(drawn, rng.uniform(1, 500), days=int(rng.integers(1, 4)), slots_per_day=4)
    tree = run.simulate(
        timeline.of_inputs(inputs, inputs), Options(("exchange", "co-optimized")[seed % 2], window=4)
    )
    assert tree["settlement"]["peak_charges"].values.sum() > 0


def test_forecasts_know_the_holidays_of_the_scenario():
    """New Year of 2025 is a Wednesday: off in Germany; Epiphany, a Monday, in Bavaria alone."""
    inputs = with_peak(home([1.0] * 24 * 6, False))
    times = np.datetime64("2025-01-01", "ns") + np.arange(24 * 6) * np.timedelta64(1, "h")
    inputs = inputs.assign_coords(time=times).assign_attrs(time_zone="UTC")
    off = {
        where: timeline.of_inputs(inputs, inputs, holidays=where).days.off.tolist()
        for where in ("none", "DE", "DE-BY")
    }
    weekend = [False, False, False, True, True, False]
    assert off["none"] == weekend
    assert off["DE"] == [True, *weekend[1:]]
    assert off["DE-BY"] == [True, *weekend[1:5], True]
