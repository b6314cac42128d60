"""Heat pumps: cases worked out by hand, the oracle on random communities, and what a tank cannot do."""

import numpy as np
import pytest
import xarray as xr

import otonari
from otonari.data.inputs.contract import TABLE, complete
from otonari.model.agents import heat_pumps
from otonari.model.agents.bidding import order_intents
from otonari.model.agents.planning import plan
from otonari.model.checks.run import check
from otonari.model.clearing import community_block
from otonari.model.errors import Infeasible
from otonari.model.solver.solve import solve
from otonari.model.topology.stores import without_final_limits
from otonari.runs.report.explain.explain import explain
from otonari.runs.simulate import run, timeline
from otonari.runs.simulate.loop import Options
from otonari.runs.store import run_format

from . import communities, counts, oracle

MARKETS = ("p2p", "grid-only")
SAME = {"rel": 1e-6, "abs": 1e-5}


def street(pv=(2.0, 0.0), retail=(20.0, 30.0), use=0.0, **boiler):
    """Return a home with PV and a heat pump, and a neighbour who consumes 1 kW in the first of two hours."""
    home = {"node": "street", "tariff": "retail"}
    tank = {"capacity": 10.0, "initial_heat": 2.0, "power_limit": 1.0, "cop": [3.0, 2.0], "heat_demand": 2.0}
    return communities.community(
        {
            "slots": [1] * len(pv),
            "grid_carbon": 0.4,
            "nodes": {"street": {"parent": "", "access_fee": 0.25}},
            "tariffs": {"retail": {"retail_price": list(retail), "feed_in_price": 8.0}},
            "participants": {
                "sun": {**home, "demand": use, "pv_available": list(pv)},
                "shade": {**home, "demand": [1.0] + [0.0] * (len(pv) - 1), "pv_available": 0.0},
            },
            "heat_pumps": {"boiler": {"owner": "sun", **tank, **boiler}},
        }
    )


def groups(tree):
    return (tree[name].to_dataset() for name in run_format.GROUPS)


def test_a_tank_is_heated_when_energy_is_cheap_and_warm_air_helps():
    """Of the 4 kWh of heat drawn the first hour makes 3, all that 1 kW can at a COP of 3, from PV; the neighbour has
    the other kW. The second makes 1 kWh with 0.5 kW at a COP of 2, for 30 each."""
    tree = otonari.clear(street())
    results = tree["results"]
    assert results["heat_pump_power"].values.tolist() == [[1.0, 0.5]]
    assert results["heat_pump_heat"].values.tolist() == [[3.0, 2.0]]
    assert results["peer_sale"].sel(participant="sun").values.tolist() == [1.0, 0.0]
    assert tree.attrs["objective"] == pytest.approx(0.5 * 30 + 0.5)  # and the access fees of a kWh
    used = tree["settlement"]["demand_from"].sel(participant="sun").sum("time")
    assert used.sel(source=["own", "peers", "retail"]).values == pytest.approx([1.0, 0.0, 0.5])


def test_what_a_tank_loses_is_heated_again():
    """It keeps 0.001 ^ (1 / 24) = 3/4 of its heat in an hour: of 8 kWh 6 are left, less the 2 drawn 4, of which 3 are
    left, less 2: the second hour makes the kWh that lacks of the final 2, at a COP of 5 and 30 / 5 each. Made an hour
    earlier at a COP of 3 it would cost 20 / 3 / 0.75."""
    inputs = street(pv=(0.0, 0.0), initial_heat=8.0, final_heat=2.0, standing_loss=0.999, cop=[3.0, 5.0])
    kept = 0.001 ** (1 / 24)
    tree = otonari.clear(inputs, "grid-only")
    after = 8 * kept - 2
    assert kept == pytest.approx(0.75, abs=1e-3)
    assert tree["results"]["heat_pump_heat"].values == pytest.approx(np.array([[after, 2.0]]))
    assert tree["results"]["heat_pump_power"].values == pytest.approx(
        np.array([[0.0, (4 - kept * after) / 5]])
    )
    assert tree["settlement"]["bill"].values == pytest.approx([30 * (4 - kept * after) / 5, 20.0])


def test_a_backup_heats_what_the_pump_cannot():
    """3 kWh of heat in the only hour: 2 of the pump's 1 kW at a COP of 2, and 1 of the backup."""
    tank = {"capacity": 0.0, "initial_heat": 0.0, "cop": [2.0], "heat_demand": 3.0}
    results = otonari.clear(
        street(pv=(0.0,), retail=(20.0,), power_limit=3.0, backup_limit=2.0, **tank), "grid-only"
    )["results"]
    assert results["heat_pump_backup"].values == pytest.approx(np.array([[1.0]]))
    assert results["heat_pump_power"].values == pytest.approx(np.array([[2.0]]))


def test_a_cold_tank_returns_to_its_band_at_full_power():
    """From 1 kWh the only kW makes 3 kWh an hour, of which 2 are drawn: 2 kWh, then 3; the band begins at 5."""
    inputs = street(cop=3.0, initial_heat=1.0, min_heat=5.0, final_heat=np.nan)
    assert otonari.clear(inputs)["results"]["heat_pump_heat"].values.tolist() == [[2.0, 3.0]]


def test_a_tank_that_cannot_meet_its_demand_is_named():
    """2 kWh and 5 kWh that are made by full power, 10 that are drawn in two hours: 3 lack in the second one."""
    inputs = street(heat_demand=5.0, final_heat=np.nan)
    with pytest.raises(Infeasible) as error:
        solve(community_block(inputs))
    assert [(c.who, c.when, round(c.amount, 6), c.lack) for c in error.value.causes] == [
        ("heat_pump boiler", "2025-07-01T01:00Z", 3.0, "kWh of heat")
    ]


@pytest.mark.parametrize("market", MARKETS)
def test_a_heat_pump_that_only_converts_is_a_battery_that_gives_nothing(market):
    """With a COP of 1 and no loss: what was drawn in all, a battery must hold by then, which is never emptied."""
    drawn = np.array([1.0, 0.5, 1.5, 0.7, 1.0])
    prices = (20.0, 31.0, 25.0, 34.0, 28.0)
    pump = street(
        (2.0, 0.0, 1.0, 0.0, 3.0),
        prices,
        0.3,
        cop=1.0,
        heat_demand=drawn.tolist(),
        power_limit=1.6,
        final_heat=1.0,
    )
    size = {"capacity": 20.0, "initial_energy": 2.0, "final_energy": 1.0 + drawn.sum(), "charge_limit": 1.6}
    size |= {"discharge_limit": 0.0, "charge_efficiency": 1.0, "discharge_efficiency": 1.0, "min_energy": 0.0}
    store = pump.drop_dims("heat_pump").drop_dims("battery").assign_coords(battery=["cells"])
    store = store.assign(
        {f"battery_{name}": ("battery", [float(value)]) for name, value in size.items()}
    ).assign(battery_owner=("battery", ["sun"]), battery_target=(("battery", "time"), [np.cumsum(drawn)]))
    runs = [otonari.clear(complete(inputs), market) for inputs in (pump, store)]
    assert runs[0].attrs["objective"] == pytest.approx(runs[1].attrs["objective"], abs=1e-6)
    assert runs[0]["settlement"]["co2"].sum() == pytest.approx(runs[1]["settlement"]["co2"].sum().item())


@pytest.mark.parametrize("seed", counts.few(range(4000, 4120)))
def test_model_equals_oracle(seed):
    inputs = communities.random_community(seed, heat=True)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market), mip_gap=1e-7)
        assert found.objective == pytest.approx(oracle.solve(inputs, market).objective, **SAME), market


@pytest.mark.parametrize("seed", counts.few(range(4100, 4130)))
def test_model_equals_oracle_where_prices_cross(seed):
    inputs = communities.random_community(seed, heat=True, crossing=True, terms=True)
    for market in MARKETS:
        found = solve(community_block(inputs, market=market), mip_gap=1e-7)
        want = oracle.solve(inputs, market).objective
        assert found.objective == pytest.approx(want, rel=1e-4, abs=1e-6), market


OF_PUMPS = [n for n, row in TABLE.items() if row.dims[0] == "heat_pump" and row.unit != "label"]


@pytest.mark.parametrize("name", counts.few([name for name in OF_PUMPS if name != "heat_pump_timer"]))
def test_communities_feel_every_number_of_a_heat_pump(name):
    for seed in range(4000, 4020):
        inputs = communities.random_community(seed, heat=True)
        changed = oracle.solve(inputs.assign({name: inputs[name] * 0.97}))
        if changed.feasible and abs(changed.objective - oracle.solve(inputs).objective) > 1e-6:
            return
    raise AssertionError(f"{name} counts in no community")


@pytest.mark.parametrize("seed", counts.all_or(range(4000, 4060, 5), [4000, 4010]))
def test_communities_with_heat_pumps_pass_all_checks(seed):
    inputs = communities.random_community(seed, heat=True)
    for market in (*MARKETS, "unmanaged"):
        otonari.clear(inputs, market)


def test_the_checks_see_what_no_tank_does():
    inputs, results, traded, settled = groups(
        otonari.clear(street(power_limit=1.5, backup_limit=0.5, min_heat=1.0))
    )
    assert not check(inputs, results, traded, settled)

    def broken(**changed):
        changed = results.assign(
            {f"heat_pump_{n}": results[f"heat_pump_{n}"] + v for n, v in changed.items()}
        )
        return {violation.check for violation in check(inputs, changed, traded, settled)}

    assert broken(heat=0.5) == {"heat pump heat"}
    assert broken(heat=-2.0) == {"heat pump heat", "heat pump minimum", "heat pump final heat"}
    assert broken(heat=9.0) == {"heat pump heat", "heat pump capacity"}
    assert "heat pump backup" in broken(backup=0.6)
    assert "heat pump without backup" in broken(power=0.6)
    assert "heat pump power limit" in broken(power=1.0)
    unmet = results.assign(heat_pump_unmet=results["heat_pump_power"] * 0 + 0.5)
    assert {v.check for v in check(inputs, unmet, traded, settled)} == {
        "heat pump heat",
        "heat pump met demand",
    }


def unmanaged(**boiler):
    """Return what a thermostat does over five hours in which 2 kW of heat are drawn."""
    results = otonari.clear(street((0.0,) * 5, (20.0,) * 5, cop=3.0, **boiler), "unmanaged")["results"]
    return [results[f"heat_pump_{name}"].values[0].tolist() for name in ("power", "heat")]


def test_a_thermostat_heats_from_below_the_band_until_the_tank_is_full():
    """It starts at 5 kWh, and heats in the second hour, which would end at 1 of at least 2; 3 kW fill it to 7 in the
    fourth, with 6 less 2 kWh made; then it rests."""
    power, heat = unmanaged(initial_heat=5.0, min_heat=2.0, capacity=7.0, power_limit=2.0)
    assert heat == pytest.approx([3.0, 7.0, 5.0, 3.0, 7.0])
    assert power == pytest.approx([0.0, 2.0, 0.0, 0.0, 2.0])


def test_a_clock_fills_the_tank_when_it_begins_to_let_it_and_keeps_the_band_else():
    """Hours 2 and 3 are those of the clock: the tank is filled in them, though it is not yet empty; in the first it
    would leave the band, and 1 of the 2 kWh that it would lack are made."""
    clock = {"timer": [0.0, 1.0, 1.0, 0.0, 0.0]}
    power, heat = unmanaged(initial_heat=3.0, min_heat=2.0, capacity=9.0, power_limit=2.0, **clock)
    assert heat == pytest.approx([2.0, 6.0, 9.0, 7.0, 5.0])
    assert power == pytest.approx([1 / 3, 2.0, 5 / 3, 0.0, 0.0])


def test_heat_that_no_tank_has_is_not_given():
    """A thermostat heats when 3 kWh are left of 7 that are drawn in the third hour, of which 3 are made then."""
    inputs = street(
        (0.0,) * 4,
        (20.0,) * 4,
        cop=3.0,
        initial_heat=5.0,
        final_heat=np.nan,
        heat_demand=[1.0, 1.0, 7.0, 1.0],
    )
    tree = otonari.clear(inputs, "unmanaged")
    assert tree["results"]["heat_pump_unmet"].values[0] == pytest.approx([0.0, 0.0, 1.0, 0.0])
    assert tree["results"]["heat_pump_heat"].values[0] == pytest.approx([4.0, 3.0, 0.0, 2.0])
    assert tree.attrs["heat_unmet"] == pytest.approx(1.0)
    assert tree["settlement"]["final_energy_value"].sel(participant="sun") == pytest.approx(2.0 * 20 / 3)


def simulated(inputs, mode, **options):
    """Return a simulation of inputs whose slots are of one length."""
    inputs.attrs["time_zone"] = "UTC"
    return run.simulate(timeline.of_inputs(inputs, inputs, **options), Options(mode))


EVEN = (4000, 4001, 4002, 4004, 4006, 4007)
"""Seeds of communities with slots of one length."""


@pytest.mark.parametrize("seed", counts.all_or(EVEN, EVEN[:2]))
def test_perfect_forecasts_to_the_end_give_the_single_clearing(seed):
    inputs = communities.metered_net(communities.random_community(seed, heat=True))
    inputs = without_final_limits(inputs)
    best = solve(community_block(inputs)).objective
    tree = simulated(inputs, "co-optimized", foresight=True)
    rent = float(tree["settlement"]["congestion_rent"].sum())
    assert tree.attrs["objective"] - rent == pytest.approx(best, rel=1e-4, abs=1e-4)
    assert tree.attrs["heat_unmet"] == 0


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
@pytest.mark.parametrize("seed", counts.all_or(EVEN, EVEN[:1]))
def test_heat_that_nobody_expected_passes_the_checks(seed, mode):
    """Without history no heat is expected at all; what tanks do not have is told, and nothing else gives way."""
    tree = simulated(communities.metered_net(communities.random_community(seed, heat=True)), mode)
    unmet = (tree["results"]["heat_pump_unmet"] * tree["inputs"]["slot_hours"]).sum()
    assert tree.attrs["heat_unmet"] == pytest.approx(float(unmet))
    assert (tree["results"]["heat_pump_heat"].values >= 0).all()


def test_an_agent_bids_for_a_heat_pump_what_its_heat_is_worth():
    """Half a kW now is cheaper but not enough for the 2 kWh drawn in the second hour: more of it would save 30 then."""
    inputs = street(
        (3.0, 0.0),
        (31.0, 30.0),
        cop=3.0,
        power_limit=0.5,
        initial_heat=0.0,
        final_heat=0.0,
        heat_demand=[0.0, 2.0],
    )
    inputs = inputs.assign(heat_pump_owner=("heat_pump", ["shade"]))
    quotes = xr.Dataset({n: (("node", "time"), [[29.0, 40.0]]) for n in ("price", "sale_price")})
    planned = plan(inputs, quotes)
    (bid,) = [
        intent
        for intent in order_intents(inputs, planned, 0, np.zeros(2), (0.0, 50.0))
        if intent.part != "home"
    ]
    assert (bid.side, bid.energy) == ("buy", 0.5)
    assert bid.price == pytest.approx(30.0)


def test_a_tank_keeps_what_is_expected_to_be_drawn():
    """4 kWh an hour are expected, 3 are made: an hour before both, 5 kWh less what 2 hours make of 8 are to be there."""
    inputs = street(
        (0.0,) * 4, (20.0,) * 4, cop=3.0, final_heat=0.0, heat_demand=[0.0, 0.0, 4.0, 4.0], initial_heat=0.0
    )
    assert heat_pumps.required(inputs) == pytest.approx([0.0])
    assert heat_pumps.required(inputs.isel(time=slice(1, 4))) == pytest.approx([2.0])
    short = heat_pumps.within_reach(inputs.isel(time=slice(1, 4)), ends=True)
    assert short["heat_pump_heat_demand"].values[0] == pytest.approx([0.0, 4.0, 4.0])
    short = heat_pumps.within_reach(inputs.isel(time=slice(2, 4)), ends=True)
    assert short["heat_pump_heat_demand"].values[0] == pytest.approx([3.0, 3.0])


def test_an_explanation_says_what_heat_is_worth():
    """0.5 kW at a COP of 2 and 30 each are the last kWh of heat: 15 a kWh, in the first hour as in the second."""
    tree = otonari.clear(street())
    tree.attrs["title"] = "street"
    _, said = explain(tree, "sun", "00:00")
    (tank,) = [sentence.figures for sentence in said if "tank" in sentence.figures]
    assert (tank["heat"], tank["cop"]) == (3.0, 3.0)
    assert tank["heat_value"] == pytest.approx(15.0)


def test_without_heat_pumps_inputs_have_no_trace_of_them():
    inputs = communities.random_community(7)
    assert not [name for name in (*inputs.variables, *inputs.sizes) if "heat_pump" in name]
