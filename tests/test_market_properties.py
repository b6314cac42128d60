"""What holds of any community whose days roll on, on the exchange or co-optimized slot by slot.

No cash is created or lost, nobody sells what it does not have, and no market costs less than the co-optimum that knows
the future. All of it is computed here from trades and positions, not by the package's own checks.
"""

from collections import defaultdict
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from otonari.model import clearing
from otonari.model.solver import solve
from otonari.model.topology.stores import without_final_limits
from otonari.runs.markets import SIMULATED
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options

from .communities import metered_net, of_examples, random_community

few = settings(of_examples(10), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
runs = given(st.integers(1000, 1100), st.sampled_from(SIMULATED), st.booleans())
SLACK = 1e-5


@cache
def simulated(seed, mode, foresight):
    """Return a random community simulated after a day of which it knows the weather, or with perfect forecasts."""
    inputs = metered_net(random_community(seed))
    inputs.attrs["time_zone"] = "UTC"
    if len(set(inputs["slot_hours"].values)) > 1:
        return None  # days roll on in slots of one length
    step = np.timedelta64(round(inputs["slot_hours"].values[0] * 3600), "s")
    day = round(np.timedelta64(24, "h") / step)
    time = inputs["time"].values[0] + step * np.arange(-day, inputs.sizes["time"])
    earlier = inputs.isel(time=np.arange(-day, inputs.sizes["time"]) % inputs.sizes["time"])
    earlier = earlier.assign_coords(time=time)  # the same weather and places again; no trips are known of
    return run.simulate(timeline.of_inputs(inputs, earlier, foresight), Options(mode))


def groups(tree):
    return tuple(tree[g].to_dataset() for g in ("inputs", "results", "trades", "settlement"))


def trades_of(trades):
    """Yield every trade: slot, seller, buyer (label, vehicle or ""), energy, price, and what the network gets."""
    columns = (
        "time",
        "seller",
        "seller_vehicle",
        "buyer",
        "buyer_vehicle",
        "energy",
        "price",
        "fee",
        "congestion",
    )
    for time, seller, sells, buyer, buys, energy, price, *network in zip(
        *(trades[f"trade_{name}"].values for name in columns), strict=True
    ):
        yield time, (seller, sells), (buyer, buys), energy, price, sum(network)


@few
@runs
def test_no_cash_is_created_or_lost(seed, mode, foresight):
    """Every payment has two ends: what accounts pay but for wear is what retailer, network and petrol stations get."""
    assume(tree := simulated(seed, mode, foresight))
    inputs, results, trades, settlement = groups(tree)
    cash = defaultdict(float)

    def pay(account, to, money):
        cash[account] -= money
        cash[to] += money

    for _, (seller, _), (buyer, _), energy, price, network in trades_of(trades):
        pay(buyer, seller, energy * price)
        pay(buyer, "the network", energy * network)
    owner = dict(zip(inputs["vehicle"].values, inputs["vehicle_owner"].values, strict=True))
    accounts = [
        ("grid", "participant", {p: p for p in inputs["participant"].values}),
        ("vehicle", "vehicle", owner),
    ]
    for prefix, dim, whose in accounts:
        for label, account in whose.items():
            tariff = inputs["participant_tariff"].sel(participant=account).item()
            for way, price, sign in (("import", "retail_price", 1), ("export", "feed_in_price", -1)):
                power = results[f"{prefix}_{way}"].sel({dim: label})
                money = (power * inputs["slot_hours"] * inputs[price].sel(tariff=tariff)).sum()
                pay(account, "the retailer", sign * float(money))
    for trip, vehicle in enumerate(inputs["trip_vehicle"].values):
        pay(
            owner[vehicle],
            "petrol",
            float(results["trip_fuel"][trip] * inputs["fuel_price"].sel(vehicle=vehicle)),
        )
    paid = settlement["bill"] - settlement["wear_cost"]
    for name in inputs["participant"].values:
        assert -cash.pop(name, 0.0) == pytest.approx(float(paid.sel(participant=name)), abs=SLACK), name
    assert float(paid.sum()) == pytest.approx(sum(cash.values()), abs=SLACK)
    assert set(cash) <= {"the retailer", "the network", "petrol"}


@few
@runs
def test_nobody_sells_what_it_does_not_have(seed, mode, foresight):
    """A meter gives no more than its PV and its stores give in the slot; a store gives no more than is in it."""
    assume(tree := simulated(seed, mode, foresight))
    inputs, results, trades, _ = groups(tree)
    hours, host = inputs["slot_hours"].values, inputs["vehicle_host"].values
    given_away, has = defaultdict(float), defaultdict(float)
    for time, seller, _, energy, *_ in trades_of(trades):
        assert energy >= 0  # a contract that was not delivered is a trade of nothing
        given_away[time, *seller] += energy
    for t, time in enumerate(inputs["time"].values):
        for p, name in enumerate(inputs["participant"].values):
            given_away[time, name, ""] += float(results["grid_export"][p, t]) * hours[t]
            has[time, name, ""] += (
                float(inputs["pv_available"][p, t] - results["pv_curtailment"][p, t]) * hours[t]
            )
        for b, name in enumerate(inputs["battery_owner"].values):
            has[time, name, ""] += float(results["battery_discharge"][b, t]) * hours[t]
        for v, name in enumerate(inputs["vehicle_owner"].values):
            guest = "" if host[v, t] == name else inputs["vehicle"].values[v]
            has[time, name, guest] += float(results["vehicle_discharge"][v, t]) * hours[t]
            if guest and host[v, t]:
                given_away[time, name, guest] += float(results["vehicle_export"][v, t]) * hours[t]
    for meter, energy in given_away.items():
        assert energy <= has[meter] + SLACK, meter
    for device in ("battery", "vehicle"):
        taken = results[f"{device}_charge"] * inputs[f"{device}_charge_efficiency"]
        left = (taken - results[f"{device}_discharge"] / inputs[f"{device}_discharge_efficiency"]) * inputs[
            "slot_hours"
        ]
        energy = inputs[f"{device}_initial_energy"] + left.cumsum("time")
        for trip, vehicle in enumerate(inputs["trip_vehicle"].values if device == "vehicle" else ()):
            used = float(
                results["trip_electric_distance"][trip]
                / inputs["vehicle_electric_economy"].sel(vehicle=vehicle)
            )
            gone = (
                inputs["time"] + np.timedelta64(round(hours[0] * 3600), "s") > inputs["trip_departure"][trip]
            )
            energy = energy.where(energy["vehicle"] != vehicle, energy - used * gone)
        assert (energy >= -SLACK).all()


@few
@runs
def test_no_market_costs_less_than_the_co_optimum(seed, mode, foresight):
    """The co-optimum, which could do all that was done, has to end with as much in every store."""
    assume(tree := simulated(seed, mode, foresight))
    inputs, results, _, settlement = groups(tree)
    reached = {
        f"{d}_final_energy": np.minimum(
            results[f"{d}_energy"].isel(time=-1, drop=True), inputs[f"{d}_capacity"]
        )
        for d in ("battery", "vehicle")
    }
    block = clearing.community_block(without_final_limits(inputs).assign(reached), "p2p")
    best = solve.solve(block).objective
    cost = float((settlement["bill"] - settlement["congestion_rent"]).sum())
    assert cost >= best - SLACK * max(1.0, abs(best))
