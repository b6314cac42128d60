"""Heat pumps of scenarios: hot water, space heating and COP by rules and from files, and what is refused."""

import json
from math import exp

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import otonari
from otonari.cli import main
from otonari.data.generators import heat
from otonari.data.loading.scenario import digest, load_scenario
from otonari.data.schema.loads.heat_pumps import WATER, HeatPump

DAY = pd.date_range("2020-02-02T15:00", periods=48, freq="30min")
BOILER = {
    "heat_pump": "boiler",
    "owner": "a",
    "power_limit_kw": 1.5,
    "cop": 3.0,
    "tank_kwh": 12,
    "persons": 3,
}
SCENARIO = {
    "schema_version": 1,
    "name": "warm",
    "time": {"start": "2020-02-03", "days": 1},
    "tables": {
        "participants": [{"participant": "a", "persons": 3, "pv_kw": 4}, {"participant": "b", "persons": 2}]
    },
    "tariffs": {
        "t": {
            "energy": {"type": "flat", "price_per_kwh": 30},
            "feed_in": {"type": "flat", "price_per_kwh": 8},
        }
    },
}


def scenario(tmp_path, *pumps, **series):
    """Return the path of a scenario with heat pumps."""
    path = tmp_path / "scenario.yaml"
    tables = SCENARIO["tables"] | {"heat_pumps": list(pumps)}
    path.write_text(yaml.safe_dump(SCENARIO | {"tables": tables} | ({"series": series} if series else {})))
    return path


def built(path, *changes):
    return otonari.build_inputs(load_scenario(path, changes))


def test_hot_water_without_variation_is_the_tapping_cycle():
    """Regulation (EU) No 814/2013, load profile M: 5.845 kWh a day, of which 1.505 by 7:30 and 1.4 from 21:30."""
    power = heat.hot_water(DAY, 0.5, "Asia/Tokyo", 5.845, seed=1, variation=0.0)
    assert power.sum() / 2 == pytest.approx(5.845)
    assert power[:14].tolist() == [0.0] * 14
    assert (power[14] / 2, power[15] / 2, power[43] / 2) == pytest.approx((1.505, 0.105, 1.4))


def test_hot_water_of_a_year_is_what_is_asked_for_and_days_agree_in_every_horizon():
    year = pd.date_range("2020-01-01", periods=366 * 24, freq="1h")
    power = heat.hot_water(year, 1.0, "Europe/Berlin", 8.0, seed=3)
    assert power.sum() == pytest.approx(366 * 8.0, rel=0.03)
    assert np.std(power.reshape(-1, 24).sum(axis=1)) > 1.0
    march = slice(60 * 24, 95 * 24)  # with the hour that the clock leaves out
    np.testing.assert_array_equal(
        heat.hot_water(year[march], 1.0, "Europe/Berlin", 8.0, seed=3), power[march]
    )


def test_rules_of_the_cop():
    """Staffell et al. 2012 at a difference of 40 K, held at 60 K; half of Carnot's 318.15 / 40; linear from 7 C on."""
    air = np.array([5.0, -30.0])
    assert heat.air_source(air, 45.0) == pytest.approx([6.81 - 4.84 + 1.008, 6.81 - 7.26 + 2.268])
    assert heat.carnot(air, 45.0, 0.5) == pytest.approx([0.5 * 318.15 / 40, 0.5 * 318.15 / 75])
    assert heat.linear(air, 3.0, 0.1, 7.0) == pytest.approx([2.8, 1.0])
    assert heat.space_heating(air, 0.2, 15.0) == pytest.approx([2.0, 9.0])


def test_a_tank_in_litres_and_a_building_are_stores_of_heat():
    """370 L from 25 to 75 C above 15 C; 8 kWh/K from 19 to 22 C indoors, of which 0.15 kW/K is lost."""
    tank = BOILER | {"tank_litres": 370, "lowest_c": 25, "highest_c": 75, "standing_loss_kwh_per_day": 1.5}
    row = HeatPump(**{k: v for k, v in tank.items() if k != "tank_kwh"})
    assert pytest.approx(1.163e-3, rel=1e-3) == WATER
    assert (row.most, row.least) == pytest.approx((370 * WATER * 60, 370 * WATER * 10))
    assert row.standing_loss == pytest.approx(1 - exp(-1.5 / row.most))
    assert row.hot_water_kwh_per_day == pytest.approx((36 + 75) * WATER * 37)
    house = {"heat_pump": "h", "owner": "a", "use": "space-heating", "power_limit_kw": 2, "supply_c": 40}
    row = HeatPump(**house, heat_capacity_kwh_per_k=8, lowest_c=19, highest_c=22, heat_loss_kw_per_k=0.15)
    assert (row.most, row.least, row.standing_loss) == pytest.approx((24.0, 0.0, 1 - exp(-24 * 0.15 / 8)))


def test_a_scenario_with_heat_pumps_is_built_and_cleared(tmp_path):
    house = {"heat_pump": "floor", "owner": "b", "use": "space-heating", "power_limit_kw": 2, "supply_c": 35}
    house |= {"heat_capacity_kwh_per_k": 8, "lowest_c": 19, "highest_c": 22, "heat_loss_kw_per_k": 0.12}
    timer = {"timer_from": "23:00", "timer_to": "07:00", "backup_limit_kw": 1.0}
    path = scenario(tmp_path, BOILER | timer, house)
    inputs = built(path)
    assert inputs["heat_pump_owner"].values.tolist() == ["a", "b"]
    assert inputs["heat_pump_power_limit"].values.tolist() == [2.5, 2.0]
    assert inputs["heat_pump_timer"].values[0].nonzero()[0].tolist() == [*range(14), 46, 47]
    assert (inputs["heat_pump_timer"].values[1] == 1).all()
    assert inputs["heat_pump_initial_heat"].values.tolist() == [6.0, 12.0]
    costs = {
        market: float(otonari.clear(inputs, market)["settlement"]["bill"].sum())
        for market in ("p2p", "grid-only", "unmanaged")
    }
    assert costs["p2p"] <= costs["grid-only"] < costs["unmanaged"]


def test_heat_and_cop_from_files(tmp_path):
    """A file of energy an hour, and a COP by hour: means over half-hours."""
    hours = pd.date_range("2020-02-03", periods=24, freq="1h").strftime("%Y-%m-%dT%H:%M")
    table = pd.DataFrame({"time": hours, "tank": np.arange(24) / 10, "air": 2 + np.arange(24) / 24})
    table.to_csv(tmp_path / "heat.csv", index=False)
    pump = {k: v for k, v in BOILER.items() if k not in ("cop", "persons")}
    path = scenario(
        tmp_path,
        pump | {"cop_column": "air", "heat_column": "tank"},
        heat={"path": "heat.csv", "unit": "kWh"},
        cop={"path": "heat.csv"},
    )
    inputs = built(path)
    assert inputs["heat_pump_heat_demand"].values[0] == pytest.approx(np.repeat(np.arange(24) / 10, 2))
    assert inputs["heat_pump_cop"].values[0] == pytest.approx(np.repeat(2 + np.arange(24) / 24, 2))


def test_a_scenario_without_heat_pumps_has_the_digest_that_it_had(tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(SCENARIO))
    before = digest(load_scenario(path))
    assert digest(load_scenario(scenario(tmp_path))) == before
    assert digest(load_scenario(scenario(tmp_path, BOILER))) != before


WRONG = [
    ({"cop": None}, "cop: got nothing, want one of cop, supply_c and cop_column"),
    (
        {"tank_litres": 300, "lowest_c": 30, "highest_c": 60},
        "one of tank_kwh, tank_litres and heat_capacity_kwh_per_k",
    ),
    ({"persons": None}, "one of heat_column and litres_per_day"),
    ({"heat_column": "x", "persons": None}, "heat_column: got 'x', want a file in series.heat"),
    ({"cop": None, "cop_column": "x"}, "cop_column: got 'x', want a file in series.cop"),
    ({"use": "space-heating", "heat_loss_kw_per_k": 0.1}, "want nothing, where use is space-heating"),
    ({"initial_heat_kwh": 13}, "want at most 12 kWh, which its store holds"),
    ({"lowest_c": 30}, "want nothing beside tank_kwh"),
    ({"carnot_share": 0.4}, "want the temperature that it heats to, beside carnot_share"),
    ({"timer_from": "23:00"}, "want timer_from and timer_to, or neither"),
    ({"owner": "c"}, "owner: got 'c', want a label of participants"),
    ({"power_limit_kw": -1}, "power_limit_kw: got -1"),
]


@pytest.mark.parametrize(("change", "want"), WRONG)
def test_a_wrong_row_is_named(tmp_path, change, want):
    row = {name: value for name, value in (BOILER | change).items() if value is not None}
    result = CliRunner().invoke(main, ["validate", str(scenario(tmp_path, row))])
    assert result.exit_code == 2
    assert want in result.output


def test_a_tank_that_is_never_warm_enough_is_named_and_nothing_is_written(tmp_path):
    path = scenario(tmp_path, BOILER | {"power_limit_kw": 0.05})
    result = CliRunner().invoke(main, ["clear", str(path), "-o", str(tmp_path / "run.nc"), "--no-ledger"])
    assert result.exit_code == 3
    assert "heat_pump boiler at 2020-02-03" in result.output
    assert "kWh of heat" in result.output
    assert not (tmp_path / "run.nc").exists()


def test_notes_say_where_a_clear_sky_has_its_temperature_from(tmp_path):
    row = {k: v for k, v in BOILER.items() if k != "cop"} | {"supply_c": 60}
    inputs = built(scenario(tmp_path, row), "weather.source=clear-sky")
    assert any("a clear sky has no temperature" in note for note in json.loads(inputs.attrs["notes"]))
    assert inputs["heat_pump_cop"].values == pytest.approx(6.81 - 0.121 * 40 + 0.00063 * 1600)
