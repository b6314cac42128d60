"""What few stores have, each worked out by hand over two slots, through the whole chain of a clearing."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.problems import InputError
from otonari.model.checks.run import check
from otonari.model.errors import Infeasible
from otonari.runs.clear.single import clear
from otonari.runs.compare import summary
from otonari.runs.report import tables
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


def test_energy_left_at_the_end_is_worth_what_is_said():
    """A kWh at 10 is worth 12 at the end: 4 kWh are bought, which the bill does not forgive; at 8 none, free to sell."""
    kept = clear(house({"final_value": 12.0, "capacity": 4.0}, demand=(0.0, 0.0)))
    assert kept["results"]["battery_energy"].values[0] == pytest.approx([4.0, 4.0])
    assert of_home(kept, "bill") == pytest.approx(40.0)
    assert kept.attrs["objective"] == pytest.approx(40.0 - 4.0 * 12.0)
    assert of_home(kept, "final_energy_value") == 0.0  # as much as without peers
    used = clear(house({"final_value": 8.0, "initial_energy": 4.0}))
    assert used["results"]["battery_energy"].values[0, -1] == pytest.approx(4.0 - 1.8)


def test_nobody_is_worse_off_by_bill_and_worth_together():
    """Free midday PV of the neighbour fills the store at 0 + 2 fees: the bill rises by 8, what is held by 4 x 12."""
    inputs = house({"final_value": 12.0, "capacity": 4.0}, demand=(0.0, 0.0), retail=(30.0, 30.0))
    pv = inputs["pv_available"].copy(data=np.array([[0.0, 0.0], [6.0, 0.0]]))
    run_ = clear(inputs.assign(pv_available=pv))
    assert run_["results"]["battery_energy"].values[0] == pytest.approx([4.0, 4.0])
    assert of_home(run_, "bill") == pytest.approx(8.0)
    assert of_home(run_, "bill_grid_only") == pytest.approx(0.0)
    assert of_home(run_, "final_energy_value") == pytest.approx(48.0)
    assert float(run_["settlement"]["make_whole"].sum()) == 0.0
    assert run_.attrs["objective"] == pytest.approx(8.0 - 48.0)
    total = summary(run_)
    assert float(total["saving"]) == pytest.approx(40.0)
    assert float(total["kind_saving"].sum()) == pytest.approx(40.0)
    assert "left in stores" in tables.cleared(total, "JPY")


def test_a_worth_that_was_changed_is_found():
    run_ = clear(house({"final_value": 12.0, "capacity": 4.0}, demand=(0.0, 0.0)))
    groups = [run_[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")]
    alone = groups[1]
    groups[3]["final_energy_value"] = groups[3]["final_energy_value"] + 5.0
    assert {v.check for v in check(*groups, grid_only=alone)} >= {"final_energy_value"}


def test_an_unmanaged_market_counts_the_worth_that_is_said():
    """It stores the PV that is left over; the plan beside it buys 2 kWh more at 10, as much as the charger takes."""
    run_ = clear(house({"final_value": 12.0}, demand=(0.0, 0.0), pv=(3.0, 0.0)), "unmanaged")
    assert of_home(run_, "final_energy_value") == pytest.approx((3.0 - 5.0) * 12.0)
    assert run_.attrs["objective"] == pytest.approx(-3.0 * 12.0)


def test_a_firm_target_is_met_at_its_slot():
    """3 kWh by the end of the first hour, at 30 and not at 10 an hour later; 1.8 of it are used then."""
    inputs = house({"target": [3.0, np.nan]}, retail=(30.0, 10.0))
    run_ = clear(inputs)
    assert run_["results"]["battery_energy"].values[0, 0] == pytest.approx(3.0)
    assert run_["results"]["battery_breach"].values[0] == pytest.approx([0.0, 0.0])
    assert run_.attrs["target_missing"] == 0.0
    assert of_home(run_, "bill") == pytest.approx(90.0)
    assert "breach_cost" not in run_["settlement"]


def test_a_firm_target_out_of_reach_is_named():
    with pytest.raises(Infeasible) as error:
        clear(house({"target": [8.0, np.nan]}))
    (cause,) = error.value.causes
    assert (cause.who, cause.lack) == ("battery store", "kWh of energy")
    assert cause.amount == pytest.approx(3.0)  # 5 kW for an hour


@pytest.mark.parametrize(("price", "held"), [(20.0, 3.0), (40.0, 5.0)])
def test_a_soft_target_is_missed_where_that_costs_less(price, held):
    """Of 8 kWh 5 are in reach at 30, of which 3 come from PV: a breach is cheaper at 20, and dearer at 40."""
    inputs = house({"target": [8.0, np.nan], "target_price": price}, pv=(3.0, 0.0), retail=(30.0, 30.0))
    run_ = clear(inputs)
    assert run_["results"]["battery_energy"].values[0, 0] == pytest.approx(held)
    assert run_["results"]["battery_breach"].values[0] == pytest.approx([8.0 - held, 0.0])
    assert of_home(run_, "bill") == pytest.approx(30.0 * (held - 3.0))
    assert run_.attrs["objective"] == pytest.approx(30.0 * (held - 3.0) + price * (8.0 - held))
    assert run_.attrs["target_missing"] == pytest.approx(8.0 - held)
    assert of_home(run_, "breach_cost") == 0.0  # as much as without peers
    assert tables.notes(run_) == [
        f"note: battery store lacks {8 - held:.2f} kWh of its target at 2025-07-01 01:00"
    ]


def test_peers_help_to_meet_a_target_and_nobody_is_worse_off():
    """3 kWh of the neighbour's PV at 0 + 2 fees, dearer by 6 than a breach at 1.9 would be, and cheaper at 25."""
    for price, bought in ((1.9, 0.0), (25.0, 3.0)):
        inputs = house({"target": [3.0, np.nan], "target_price": price}, demand=(0, 0), retail=(30.0, 30.0))
        pv = inputs["pv_available"].copy(data=np.array([[0.0, 0.0], [6.0, 0.0]]))
        run_ = clear(inputs.assign(pv_available=pv))
        assert of_home(run_, "bill") == pytest.approx(2.0 * bought)
        assert of_home(run_, "breach_cost") == pytest.approx(-price * bought)
        assert float(summary(run_)["saving"]) == pytest.approx((price - 2.0) * bought)


def test_an_unmanaged_market_misses_firm_targets_and_says_so():
    run_ = clear(house({"target": [np.nan, 2.0]}, demand=(0.0, 0.0)), "unmanaged")
    assert run_.attrs["target_missing"] == pytest.approx(2.0)
    assert run_["results"]["battery_breach"].values[0] == pytest.approx([0.0, 2.0])


def test_a_breach_that_was_changed_is_found():
    run_ = clear(house({"target": [3.0, np.nan]}))
    groups = [run_[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")]
    groups[1]["battery_breach"] = groups[1]["battery_breach"] + 1.0
    assert {v.check for v in check(*groups)} == {"battery breach"}
    higher = groups[0].assign(battery_target=groups[0]["battery_target"] + 1.0)
    assert "battery target" in {v.check for v in check(higher, *groups[1:])}


@pytest.mark.parametrize("mode", ["exchange", "co-optimized"])
def test_a_simulation_meets_targets_and_says_what_it_misses(mode):
    """5 kW reach 5 of 8 kWh in the first hour, all of which are there in the second."""
    firm = house({"target": [5.0, 8.0]}, demand=(0.0, 0.0))
    found = run.simulate(timeline.of_inputs(firm, firm, foresight=True), Options(mode))
    assert found["results"]["battery_energy"].values[0] == pytest.approx([5.0, 8.0], abs=1e-6)
    assert found.attrs["target_missing"] == 0.0
    inputs = house({"target": [8.0, 8.0], "target_price": 100.0}, demand=(0.0, 0.0))
    found = run.simulate(timeline.of_inputs(inputs, inputs, foresight=True), Options(mode))
    assert found["results"]["battery_energy"].values[0] == pytest.approx([5.0, 8.0], abs=1e-6)
    assert found["results"]["battery_breach"].values[0] == pytest.approx([3.0, 0.0], abs=1e-6)
    assert found.attrs["target_missing"] == pytest.approx(3.0, abs=1e-6)


def test_pv_and_battery_share_an_inverter():
    """Of 6 kW PV 2 pass, and 2 charge beside them, which pass an hour later, for 3 kWh at 30; 2 are not used."""
    hybrid = house({"charge_limit": 3.0}, demand=(2.0, 3.0), pv=(6.0, 0.0), inverter_limit=2.0)
    run_ = clear(hybrid)
    assert run_["results"]["battery_charge"].values[0] == pytest.approx([2.0, 0.0])
    assert run_["results"]["battery_discharge"].values[0] == pytest.approx([0.0, 2.0])
    assert run_["results"]["pv_curtailment"].values[0] == pytest.approx([2.0, 0.0])
    assert of_home(run_, "bill") == pytest.approx(30.0)
    alone = house({"charge_limit": 3.0}, demand=(2.0, 3.0), pv=(6.0, 0.0))
    assert of_home(clear(alone), "bill") == pytest.approx(0.0)


def test_an_inverter_limits_what_is_charged_from_the_grid():
    """2 kW reach the battery at 10, beside 1 kW of PV, for 3 of 4 kWh at 30."""
    hybrid = house({}, demand=(0.0, 4.0), pv=(1.0, 0.0), inverter_limit=3.5)
    narrow = house({}, demand=(0.0, 4.0), pv=(1.0, 0.0), inverter_limit=2.0)
    assert of_home(clear(hybrid), "bill") == pytest.approx(10 * 2.5 + 30 * 0.5)
    charged = clear(narrow)["results"]
    assert charged["battery_charge"].values[0] == pytest.approx([2.0, 0.0])  # 2 of 4 kW come out again
    assert of_home(clear(narrow), "bill") == pytest.approx(10 * 1.0 + 30 * 2.0)


def test_pv_without_a_battery_is_cut_at_its_inverter():
    hybrid = house(demand=(5.0, 5.0), pv=(4.0, 4.0), inverter_limit=1.5)
    alone = hybrid.isel(battery=slice(0, 0))
    for market in ("p2p", "grid-only", "unmanaged"):
        run_ = clear(alone, market)
        assert run_["results"]["pv_curtailment"].values[0] == pytest.approx([2.5, 2.5])
        assert of_home(run_, "bill") == pytest.approx(3.5 * 10.0 + 3.5 * 30.0)


def test_an_unmanaged_battery_takes_what_its_inverter_cannot_convert():
    run_ = clear(house({}, demand=(5.0, 4.0), pv=(6.0, 0.0), inverter_limit=2.0), "unmanaged")
    assert run_["results"]["battery_charge"].values[0] == pytest.approx([4.0, 0.0])
    assert run_["results"]["battery_discharge"].values[0] == pytest.approx([0.0, 2.0])
    assert of_home(run_, "bill") == pytest.approx(3.0 * 10 + 2.0 * 30)


def test_a_battery_that_gives_to_the_home_sells_nothing():
    """3 kWh are in it: 1.8 are used, and the neighbour's 2 kWh at 30 come from the retailer, not from it at 28."""
    inputs = house({"initial_energy": 4.0})
    inputs["demand"].values[1, 1] = 2.0
    sold = clear(inputs)
    assert sold["results"]["peer_sale"].values[0] == pytest.approx([0.0, 2.0])
    home = inputs.assign(battery_gives=("battery", ["home"]))
    kept = clear(home)
    assert kept["results"]["peer_sale"].values[0] == pytest.approx([0.0, 0.0])
    assert kept["results"]["battery_discharge"].values[0] == pytest.approx([0.0, 1.8])
    assert kept.attrs["objective"] == pytest.approx(60.0)


def test_pv_may_be_sold_beside_a_battery_that_gives_to_the_home():
    """All PV of 1.5 kW is sold while the battery supplies the home: what leaves is no more than PV."""
    inputs = house({"initial_energy": 4.0, "gives": "home"}, pv=(0.0, 1.5))
    inputs["demand"].values[1, 1] = 2.0
    run_ = clear(inputs)
    assert run_["results"]["peer_sale"].values[0] == pytest.approx([0.0, 1.5])
    assert run_["results"]["battery_discharge"].values[0] == pytest.approx([0.0, 1.8])


@pytest.mark.parametrize(
    ("change", "check_"),
    [
        ({"inverter_limit": ("participant", [1.0, np.inf])}, "inverter limit"),
        ({"battery_gives": ("battery", ["home"])}, "battery gives to the home alone"),
    ],
)
def test_what_breaks_an_inverter_or_leaves_home_is_found(change, check_):
    inputs = house({"initial_energy": 4.0})
    inputs["demand"].values[1, 1] = 2.0
    groups = [clear(inputs)[g].to_dataset() for g in ("inputs", "results", "trades", "settlement")]
    assert check(*groups) == []
    assert check_ in {v.check for v in check(groups[0].assign(change), *groups[1:])}


def test_an_inverter_of_pv_that_is_metered_gross_is_refused():
    inputs = house(metering="gross", pv=(1.0, 1.0), inverter_limit=2.0)
    with pytest.raises(InputError) as error:
        clear(inputs)
    assert [p.field for p in error.value.problems] == ["inverter_limit"]


EARLY = ["tables.batteries.*.target_percent=100", "tables.batteries.*.target_by=01:00"]


def command(tmp_path, *changes):
    sets = [word for change in (*EARLY, *changes) for word in ("--set", change)]
    return CliRunner().invoke(
        main, ["clear", "six-kinds", *sets, "-o", str(tmp_path / "run.nc"), "--no-ledger"]
    )


def test_the_command_names_a_target_that_is_out_of_reach(tmp_path):
    found = command(tmp_path)
    assert found.exit_code == 3
    assert re.search(r"battery battery-06 at .* lacks 2\.95 kWh of energy", found.output), found.output
    assert not (tmp_path / "run.nc").exists()


def test_the_command_tells_which_targets_are_missed(tmp_path):
    found = command(tmp_path, "tables.batteries.*.target_breach_per_kwh=100")
    assert found.exit_code == 0, found.output
    noted = re.findall(
        r"note: battery [\w-]+ lacks [\d.]+ kWh of its target at 2020-08-19 01:00", found.stderr
    )
    assert len(noted) == 2
