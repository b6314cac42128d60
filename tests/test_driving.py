"""Cars whose trips nobody announced: what is expected of them, and what comes of it."""

import copy

import numpy as np
import pytest

from otonari.model.agents import dispatch, planning, price_expectations
from otonari.model.exchange.exchange import Rules
from otonari.runs.simulate import results, run, timeline
from otonari.runs.simulate.loop import Options, Simulation

from . import counts
from .communities import community

DAYS = 40
"""So many that the assumed days hardly count."""
HOURS = 24
NOWS = counts.all_or((4, 8, 12), (4, 8))
"""Slots of a day: before the car leaves, as it leaves, and while it is away."""


def commuter(engine=True, last=True, week=True, **vehicle):
    """Return days of 24 hours, home and site: the car is at the site from 9 to 17, on the last day perhaps at home.

    Each leg takes an hour and 3 kWh of the 8 that the car can drive with. Retail 30 JPY, feed-in 8, access 1.
    """
    host, trips = [], {}
    for day in range(DAYS):
        at_work = day < DAYS - 1 or last
        host += (["home"] * 8 + [""] + ["site"] * 8 + [""] + ["home"] * 6) if at_work else ["home"] * 24
        for k, hour in enumerate((8, 17) if at_work else ()):
            at = day * 24 + hour
            trips[f"t{day}-{k}"] = {"vehicle": "car", "departure": at, "arrival": at + 1, "distance": 30}
    return home_and_site(host, trips, engine, **vehicle)


def errands(**vehicle):
    """Return days of 24 hours: the car leaves home in any hour from 6 to 11, for that hour and 2 kWh."""
    host, trips = [], {}
    for day in range(DAYS):
        hour = 6 + day % 6
        host += ["home"] * hour + [""] + ["home"] * (23 - hour)
        at = day * 24 + hour
        trips[f"t{day}"] = {"vehicle": "car", "departure": at, "arrival": at + 1, "distance": 20}
    return home_and_site(host, trips, **vehicle)


def home_and_site(host, trips, engine=True, before=None, **vehicle):
    """Return a home whose car is plugged in at a ``host`` (slot,) and drives ``trips``, and a site with sun.

    Other cars may stand ``before`` it in the table, by name, with what differs.
    """
    sun = [0.0] * 10 + [6.0] * 4 + [0.0] * 10
    people = {"home": {"demand": 0.5}, "site": {"demand": 0.5, "pv_available": sun * DAYS}}
    car = {"owner": "home", "host": host, "capacity": 10, "min_energy": 2, "initial_energy": 6}
    car |= {"charge_limit": 3, "discharge_limit": 2, "charge_efficiency": 1, "discharge_efficiency": 1}
    car |= {"electric_economy": 10, "fuel_price": 160, "fuel_economy": 40 if engine else np.nan} | vehicle
    before = {name: car | other for name, other in (before or {}).items()}
    return community(
        {
            "slots": [1] * 24 * DAYS,
            "nodes": {"root": {"parent": ""}, "a": {"parent": "root", "access_fee": 1}}
            | {"b": {"parent": "root", "access_fee": 1}},
            "tariffs": {"flat": {"retail_price": 30, "feed_in_price": 8}},
            "participants": {
                name: {"node": node, "tariff": "flat"} | people[name]
                for name, node in (("home", "a"), ("site", "b"))
            },
            "vehicles": before | {"car": car},
            "trips": trips,
        }
    )


def last_days(inputs, days=1):
    """Return the timeline of the last days of inputs, with what comes before them as history."""
    begin = inputs.sizes["time"] - days * HOURS
    late = inputs["trip_departure"].values >= inputs["time"].values[begin]
    part = inputs.isel(time=slice(begin, None), trip=np.flatnonzero(late))
    return timeline.of_inputs(part, inputs)


def test_a_commuter_is_expected_at_work():
    line = last_days(commuter(last=False))  # today the car will stay, which nobody knows at midnight
    seen = line.window(0, 24, np.array([6.0]))
    host = seen["vehicle_host"].values[0].tolist()
    assert host == ["home"] * 8 + [""] + ["site"] * 8 + [""] + ["home"] * 6
    hour = (seen["trip_departure"].values - seen["time"].values[0]) / np.timedelta64(1, "h")
    assert hour.tolist() == [8, 17]
    # 6 kWh that day; the assumed days that a history never quite outweighs move some to the morning
    assert seen["trip_distance"].values == pytest.approx([30, 30], abs=5)
    assert seen["trip_distance"].values.sum() == pytest.approx(60)
    # at nine it is seen to be there still: days on which it had not left are all that it may be like
    assert line.window(9, 12, np.array([6.0]))["vehicle_host"].values[0, 0] == "home"


def test_a_car_without_an_engine_announces_its_trips():
    line = last_days(commuter(engine=False, last=False))
    seen = line.window(0, 24, np.array([6.0]))
    assert set(seen["vehicle_host"].values[0]) == {"home"}
    assert seen.sizes["trip"] == 0


def test_energy_beyond_the_range_is_not_expected_of_the_battery():
    inputs = commuter()
    far = inputs.assign(trip_distance=inputs["trip_distance"].copy(data=np.full(inputs.sizes["trip"], 200.0)))
    seen = last_days(far).window(0, 24, np.array([6.0]))
    assert seen["trip_distance"].values.max() <= 80 + 1e-9  # 20 kWh a leg, of which 8 are in the battery


def test_a_car_that_may_leave_at_any_time_holds_what_petrol_is_worth():
    """It needs 2 kWh in each of six hours with a chance of 1/6; a kWh saves 40 JPY of petrol, or 30 of the retailer.

    What it gives in hour 6 it lacks in the five after it, 40 x 5/6 > 30; what it gives in hour 7 in four, 40 x 4/6 < 30.
    """
    line = last_days(errands(), 2)
    seen = line.window(0, 24, np.array([4.0]))
    assert seen.sizes["trip"] == 0
    target, price = seen["vehicle_target"].values[0], seen["vehicle_target_price"].values[0]
    assert np.flatnonzero(~np.isnan(target)).tolist() == list(range(5, 11))
    assert target[5:11] == pytest.approx(2 + 2, abs=1e-9)
    assert price == pytest.approx(40 / 6, rel=0.1)
    expected = price_expectations.Expectations(seen, HOURS)
    expected.values[0], expected.values[1] = 100.0, 0.0
    alone = expected.quotes(seen, np.arange(HOURS))
    given = planning.plan(seen, alone).discharge[0]
    assert given[:7].sum() == 0
    assert given[7:].sum() == pytest.approx(2.0)
    parked = {"electric": {"host": "home", "fuel_economy": np.nan, "fuel_price": 999}}
    both = last_days(errands(before=parked), 2).window(0, 24, np.array([4.0, 4.0]))
    assert np.isnan(both["vehicle_target"].values[0]).all()
    assert both["vehicle_target"].values[1] == pytest.approx(target, nan_ok=True)
    assert both["vehicle_target_price"].values[1] == pytest.approx(price)
    kept = last_days(errands(target=[np.nan] * (24 * DAYS - 1) + [6.0], target_price=50.0))
    seen = kept.window(0, 24, np.array([4.0]))
    assert np.flatnonzero(~np.isnan(seen["vehicle_target"].values[0])).tolist() == [23]
    assert seen["vehicle_target_price"].values[0] == 50.0


def steps(line, count, mode):
    """Return the states of a simulation after each of its first slots."""
    simulation, states = Simulation(line, Options(mode, window=12, seed=5)), []
    for _ in range(count):
        simulation.step()
        states.append(copy.deepcopy(simulation.state))
    return states


@pytest.fixture(scope="module", params=["exchange", "co-optimized"])
def course(request):
    """Return a mode, inputs, and what became of them in the first slots of the last two days."""
    inputs = commuter()
    return request.param, inputs, steps(last_days(inputs, 2), max(NOWS) + 1, request.param)


@pytest.mark.parametrize("now", NOWS)
def test_nothing_is_read_of_what_comes_later(now, course):
    mode, one, states = course
    begin, after = (DAYS - 2) * HOURS, (DAYS - 2) * HOURS + now + 1
    later = np.arange(one.sizes["time"]) >= after
    gone = one["trip_departure"].values >= one["time"].values[after]
    changed = {
        "vehicle_host": np.where(later, "", one["vehicle_host"].values),
        "trip_distance": np.where(gone, 3.0, one["trip_distance"].values),
        "demand": np.where(later, 4.0, one["demand"].values),
        "pv_available": np.where(later, 0.5, one["pv_available"].values),
    }
    other = one.assign({name: one[name].copy(data=values) for name, values in changed.items()})
    other = other.isel(trip=np.flatnonzero(~gone | (np.arange(len(gone)) % 2 == 0)))
    again = steps(last_days(other, 2), now + 1, mode)
    assert begin + now + 1 == after
    for a, b in zip(states[: now + 1], again, strict=True):
        for name in ("energy", "prices", "books", "realised"):
            np.testing.assert_equal(getattr(a, name), getattr(b, name))
        for mine, theirs in zip(a.deals, b.deals, strict=True):
            np.testing.assert_equal(mine._asdict(), theirs._asdict())


def test_a_guest_that_never_comes_trades_nothing():
    # where the gate closes hours before, the car orders the site's sun; it stays at home, and takes what sun there is
    inputs = commuter(last=False)
    inputs["pv_available"].loc["home"] = inputs["pv_available"].loc["site"].values / 3
    line = last_days(inputs)
    options = Options(window=24, rules=Rules(gate_minutes=400))
    simulation, placed = Simulation(line, options), []
    for _ in range(8):
        simulation.step()
        placed += [row for rows in simulation.state.books.values() for row in rows]
    assert any(row.participant == "home" and row.side == "buy" and row.node == "b" for row in placed)
    tree = run.simulate(line, options)  # `account` checks physics and money
    found = tree["results"]
    assert float(found["vehicle_purchase"].sum() + found["vehicle_sale"].sum()) == 0
    charge = found["vehicle_charge"].values[0]
    assert charge[10:14].sum() > 1
    assert float(found["grid_export"].sel(participant="site").sum()) == pytest.approx(
        4 * 5.5 - float(found["peer_sale"].sel(participant="site").sum())
    )


def test_a_parked_car_buys_from_its_host_and_sells_to_it():
    line = last_days(commuter())
    tree = run.simulate(line, Options(window=24))
    trades = tree["trades"].to_dataset()
    bought = trades["trade_energy"].values[trades["trade_buyer_vehicle"].values == "car"]
    assert bought.sum() > 2
    # Where a kWh saves but 10 JPY of petrol, a full car sells it for the 19 that it expects at first, less access: half
    # a kWh an hour. Nothing can be used at home, nor leave it.
    rich = commuter(initial_energy=10, final_energy=np.nan, fuel_price=40)
    rich["pv_available"][:] = 0.0
    rich["demand"].loc["home"] = 0.0
    rich["export_limit"].loc["home"] = 0.0
    sold = run.simulate(last_days(rich), Options(window=24))["trades"].to_dataset()
    mine = sold["trade_seller_vehicle"].values == "car"
    assert 2 < sold["trade_energy"].values[mine].sum() <= 4
    assert set(sold["trade_buyer"].values[mine]) == {"site"}


def test_a_trip_longer_than_planned_ends_on_petrol():
    inputs = commuter()
    distance = inputs["trip_distance"].values.copy()
    distance[-2:] = 500
    tree = run.simulate(
        last_days(inputs.assign(trip_distance=inputs["trip_distance"].copy(data=distance))),
        Options(window=24),
    )
    electric = tree["results"]["trip_electric_distance"].values
    assert (electric <= 80).all()
    assert electric.max() > 25  # all that was there
    assert (tree["results"]["vehicle_energy"].values >= 2 - 1e-9).all()


def test_drivers_use_petrol_only_where_the_battery_is_worth_more():
    inputs = last_days(commuter()).inputs  # 160 JPY / 40 km/l x 10 km/kWh = 40 JPY/kWh
    cheap, dear = (
        dispatch.unplanned_distance(inputs, np.array([6.0]), np.array([2.5]), np.array([v])) for v in (40, 41)
    )
    assert cheap.tolist() == [30, 30]
    assert dear.tolist() == [0, 0]
    assert dispatch.unplanned_distance(
        inputs, np.array([4.0]), np.array([2.5]), np.array([40.0])
    ).tolist() == [15, 15]


def test_a_car_without_an_engine_gets_where_it_announced_to_go():
    tree = run.simulate(last_days(commuter(engine=False, initial_energy=3)), Options(window=24))
    np.testing.assert_allclose(tree["results"]["trip_electric_distance"].values, 30)


def test_what_is_planned_and_delivered_obeys_a_minimum_charge():
    # the car is to hold 6.7 kWh in the end: 3 kW for some hours, and a part of it for one
    line = last_days(commuter(min_charge=1.4, final_energy=6.7))
    simulation, planned = Simulation(line, Options(window=24)), []
    while not simulation.done:
        slot = simulation.state.slot
        seen = line.window(slot, HOURS - slot, simulation.state.energy)
        quotes = price_expectations.Expectations(seen, HOURS).quotes(seen, np.arange(slot, HOURS))
        planned.append(planning.plan(seen, quotes).charge.ravel())
        simulation.step()
    for charge in (np.concatenate(planned), simulation.state.realised.charge):
        assert ((charge == 0) | (charge >= 1.4)).all()
        assert (charge > 0).any()
    results.account(line, simulation.state, simulation.options)  # checks it too
    assert simulation.state.energy[0] >= 6.7 - 1e-6
