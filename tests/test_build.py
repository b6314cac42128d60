"""Scenarios to inputs: the numbers that arrive, and the bundled scenarios."""

import json

import numpy as np
import pytest
import yaml

from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.generators import trips
from otonari.data.inputs.validation import validate
from otonari.data.loading import scenario
from otonari.data.loading.scenario import effective, load_scenario
from otonari.data.problems import InputError
from otonari.runs.clear.single import clear

SMALL = {
    "schema_version": 1,
    "name": "small",
    "time": {"start": "2020-08-19", "slot_minutes": 60},
    "tables": {
        "participants": [
            {"participant": "a", "persons": 2},
            {"participant": "b", "persons": 3},
        ]
    },
    "tariffs": {"flat": {"energy": {"type": "flat", "price_per_kwh": 25.0}, "levy_per_kwh": 3.0}},
}


def small(**sections):
    return build_inputs(load_scenario({**SMALL, **sections}))


def tables(**more):
    return {**SMALL["tables"], **more}


def nodes(*rows):
    return tables(
        nodes=[dict(zip(("node", "parent", "length_m", "x_m", "y_m"), row, strict=True)) for row in rows]
    )


def test_the_least_scenario_has_one_node_without_fees():
    inputs = small()
    assert inputs["participant_node"].values.tolist() == ["community"] * 2
    assert inputs["node_parent"].values.tolist() == [""]
    assert inputs["node_access_fee"].values.tolist() == [0.0]
    assert inputs["retail_price"].values == pytest.approx(28.0)  # 25 + levy 3
    assert inputs["feed_in_price"].values == pytest.approx(0.0)
    assert inputs.attrs == {"scenario": "small", "currency": "JPY", "time_zone": "Asia/Tokyo", "notes": "[]"}


def test_pv_is_metered_apart_where_the_row_says_so():
    rows = SMALL["tables"]["participants"]
    apart = small(tables=tables(participants=[rows[0], {**rows[1], "pv_kw": 4, "metering": "gross"}]))
    assert apart["participant_metering"].values.tolist() == ["net", "gross"]
    one = small(tables=tables(participants=[rows[0], {**rows[1], "pv_kw": 4, "metering": "net"}]))
    assert "participant_metering" not in one
    with pytest.raises(InputError) as error:
        small(tables=tables(participants=[rows[0], {**rows[1], "metering": "both"}]))
    assert [(p.field, p.want) for p in error.value.problems] == [
        ("tables.participants.1.metering", "one of net, gross")
    ]


def test_stores_end_at_least_or_exactly_with_their_final_energy():
    """A row's word counts before the scenario's; free is free."""
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    own = [{}, {"final": "at-least"}, {"final": "equal", "final_energy_kwh": 3}, {"final_energy_kwh": "free"}]
    batteries = [{**store, "battery": f"b{n}", **more} for n, more in enumerate(own)]
    inputs = small(tables=tables(batteries=batteries))
    np.testing.assert_array_equal(inputs["battery_final_energy"], [4, 4, 3, np.nan])
    np.testing.assert_array_equal(inputs["battery_final_limit"], [np.nan, np.nan, 3, np.nan])
    inputs = small(tables=tables(batteries=batteries), final="equal")
    np.testing.assert_array_equal(inputs["battery_final_energy"], [4, 4, 3, np.nan])
    np.testing.assert_array_equal(inputs["battery_final_limit"], [4, np.nan, 3, np.nan])
    assert "battery_final_limit" not in small(tables=tables(batteries=batteries[:2]))
    with pytest.raises(InputError) as error:
        small(tables=tables(batteries=[{**batteries[3], "final": "equal"}]))
    assert [(p.field, p.want) for p in error.value.problems] == [
        ("tables.batteries.0.final", "nothing beside final_energy_kwh: free")
    ]


def test_mounting_and_losses_of_pv_are_the_scenarios_unless_a_row_has_its_own():
    """Losses scale DC power; where an array is hotter, or more is lost, less arrives."""
    rows = [{**SMALL["tables"]["participants"][0], "participant": name, "pv_kw": 4} for name in "abc"]
    rows[1] |= {"pv_losses": 0.0}
    rows[2] |= {"pv_mounting": "close-roof"}

    def yields(**sections):
        inputs = small(tables=tables(participants=rows), weather={"source": "clear-sky"}, **sections)
        return inputs["pv_available"].sum("time").values

    standard, lossless, hot = yields()
    assert 0.86 * lossless == pytest.approx(standard, rel=0.01)
    assert hot < 0.96 * standard
    np.testing.assert_array_equal(yields(pv={"mounting": "roof", "losses": 0.14}), [standard, lossless, hot])
    np.testing.assert_allclose(
        yields(pv={"mounting": "close-roof", "losses": 0.14})[[0, 2]], [hot, hot], rtol=1e-12
    )
    assert yields(pv={"mounting": "rack"})[0] > standard
    assert yields(pv={"losses": 0.0})[0] == pytest.approx(lossless, rel=1e-12)
    for wrong in ({"mounting": "roofs"}, {"losses": 1.0}, {"losses": -0.1}):
        with pytest.raises(InputError, match=f"pv.{next(iter(wrong))}"):
            yields(pv=wrong)


def test_slots_are_utc_and_follow_the_clock():
    inputs = small()
    assert inputs["time"].values[0] == np.datetime64("2020-08-18T15:00")
    assert inputs.sizes["time"] == 24
    berlin = small(
        currency="EUR", time={"start": "2021-03-28", "slot_minutes": 30, "time_zone": "Europe/Berlin"}
    )
    assert berlin.sizes["time"] == 46


def test_generated_demand_does_not_depend_on_the_neighbours():
    alone = small(tables={"participants": [{"participant": "b", "persons": 3}]})
    assert (small()["demand"].sel(participant="b") == alone["demand"].sel(participant="b")).all()
    assert (small(seed=2)["demand"] != small()["demand"]).any()


def test_fees_by_level_add_up_to_the_wheeling_figures():
    inputs = build_inputs(load_scenario("higashi-fuji", ["weather.source=clear-sky"]))
    parent = dict(zip(inputs["node"].values, inputs["node_parent"].values, strict=True))

    def up(node):
        while node:
            yield node
            node = parent[node]

    def fee(a, b):
        edges = set(up(a)) ^ set(up(b))
        access = inputs["node_access_fee"].sel(node=[a, b]).values.sum()
        return float(access + sum(inputs["node_fee"].sel(node=e).item() for e in edges))

    assert fee("bank-1", "bank-1") == pytest.approx(4.90)
    assert fee("bank-1", "bank-2") == pytest.approx(6.56)
    assert fee("bank-1", "bank-3") == pytest.approx(8.82)
    assert fee("bank-1", "office-site") == pytest.approx(6.56)
    assert fee("bank-3", "office-site") == pytest.approx(8.82)
    assert fee("office-site", "office-site") == 0.0


def test_fees_by_length_and_by_node():
    part = nodes(("r", None, None, None, None), ("a", "r", 100, None, None), ("b", "r", 50, None, None))
    part["nodes"][2]["fee_per_kwh"] = 9.0
    part["participants"] = [{"participant": "p", "persons": 1, "node": "a"}]
    inputs = small(
        tables=part, fees={"method": "by-length", "fee_per_kwh_m": 0.02, "access_fee_per_kwh": 1.5}
    )
    assert inputs["node_fee"].values.tolist() == [0.0, 2.0, 9.0]
    assert inputs["node_access_fee"].values.tolist() == [1.5] * 3
    assert "trade_fee" not in inputs


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("path", [[1, 1, 2], [1, 1, 4], [2, 4, 1]]),  # r-a 100, r-b 200, a-b 300 m
        ("straight", [[1, 1, 1], [1, 1, 2], [1, 2, 1]]),  # r-a 60, r-b 80, a-b 100 -> 101 m
    ],
)
def test_fees_by_distance(distance, expected):
    rows = (("r", None, None, 0, 0), ("a", "r", 100, 60, 0), ("b", "r", 200, 0, 82))
    bands = [{"up_to_m": 100, "fee_per_kwh": 1}, {"up_to_m": 200, "fee_per_kwh": 2}, {"fee_per_kwh": 4}]
    inputs = small(tables=nodes(*rows), fees={"method": "by-distance", "distance": distance, "bands": bands})
    assert inputs["trade_fee"].dims == ("node", "node_to")
    assert inputs["trade_fee"].values.tolist() == expected
    assert validate(inputs) == []


def test_tariffs_of_all_three_kinds():
    inputs = small(
        tariffs={
            "tiers": {
                "energy": {
                    "type": "tiered-average",
                    "monthly_kwh": 200,
                    "tiers": [{"up_to_kwh": 100, "price_per_kwh": 20}, {"price_per_kwh": 30}],
                }
            },
            "night": {
                "energy": {
                    "type": "time-of-use",
                    "price_per_kwh": 30,
                    "windows": [{"start": "23:00", "end": "01:00", "price_per_kwh": 10}],
                },
                "feed_in": {"type": "flat", "price_per_kwh": 8.5},
            },
        }
    )
    assert inputs["tariff"].values.tolist() == ["tiers", "night"]
    assert inputs["participant_tariff"].values.tolist() == ["tiers"] * 2  # the first of the scenario
    assert inputs["retail_price"].values[0] == pytest.approx(25.0)
    assert inputs["retail_price"].values[1].tolist() == [10.0] + [30.0] * 22 + [10.0]
    assert inputs["feed_in_price"].values[1] == pytest.approx(8.5)


def test_devices_arrive_with_their_defaults():
    battery = {"battery": "s", "owner": "a", "capacity_kwh": 10, "min_energy_kwh": 2, "charge_limit_kw": 3}
    vehicle = {
        "vehicle": "v",
        "owner": "b",
        "capacity_kwh": 8,
        "charge_limit_kw": 3,
        "electric_economy_km_per_kwh": 6,
    }
    electric = {**vehicle, "vehicle": "w", "final_energy_kwh": "free", "initial_energy_kwh": 12}
    engine = {**vehicle, "fuel_economy_km_per_litre": 20}
    rows = tables(batteries=[{**battery, "discharge_limit_kw": 2}], vehicles=[engine, electric])
    inputs = small(tables=rows, fuel={"price_per_litre": 150}, carbon={"fuel_kg_per_litre": 2.5})
    assert inputs["battery_initial_energy"].values.tolist() == [6.0]  # half-way between 2 and 10
    assert inputs["battery_final_energy"].values.tolist() == [6.0]
    assert inputs["vehicle_initial_energy"].values.tolist() == [4.0, 12.0]
    assert np.isnan(inputs["vehicle_final_energy"].values[1])
    assert inputs["vehicle_discharge_limit"].values.tolist() == [0.0, 0.0]
    assert inputs["fuel_price"].values.tolist() == [150.0, 0.0]
    assert np.isnan(inputs["vehicle_fuel_economy"].values[1])
    assert inputs["participant_kind"].values.tolist() == ["consumer+battery", "consumer+phev"]
    assert inputs["vehicle_host"].values.tolist() == [["b"] * 24] * 2


@pytest.fixture
def files(tmp_path):
    """Return a scenario on files: hourly demand in kWh at the end of the hour, PV in W per kW installed."""
    hours = [f"2020-08-19T{h:02}:00" for h in range(24)]
    ends = [*hours[1:], "2020-08-20T00:00"]
    demand_rows = [f"{t};{h},5;1,0" for h, t in enumerate(ends)]
    (tmp_path / "demand.csv").write_text("\n".join(["zeit;a;other", *demand_rows]))
    pv_rows = [f"{t},{500 if 8 <= h < 16 else -0.5}" for h, t in enumerate(hours)]
    (tmp_path / "pv.csv").write_text("\n".join(["time,roof", *pv_rows]))
    participants = [
        {"participant": "a", "pv_column": "roof", "pv_column_kw": 4},
        {"participant": "b", "demand_column": "other"},
        {"participant": "c", "kind": "business", "annual_kwh": 9000},
    ]
    form = {"separator": ";", "decimal": ",", "time_column": "zeit", "unit": "kWh", "stamp": "end"}
    series = {"demand": {"path": "demand.csv", **form}, "pv": {"path": "pv.csv", "unit": "W/kW"}}
    parts = {**SMALL, "time": {"start": "2020-08-19", "slot_minutes": 30}, "series": series}
    path = tmp_path / "files.yaml"
    path.write_text(yaml.safe_dump({**parts, "tables": {"participants": participants}}))
    return path


def test_measured_series_keep_their_energy(files):
    inputs = build_inputs(load_scenario(files))
    assert inputs["demand"].sel(participant="a").values.tolist() == [h + 0.5 for h in range(24) for _ in "ab"]
    assert inputs["demand"].sel(participant="b").values == pytest.approx(1.0)
    expected = [0.0] * 16 + [2.0] * 16 + [0.0] * 16  # 500 W/kW x 4 kW
    assert inputs["pv_available"].sel(participant="a").values.tolist() == expected
    assert inputs["participant_kind"].values.tolist() == ["pv", "consumer", "business"]


def test_what_was_odd_in_the_data_is_noted(files):
    note, mean = json.loads(build_inputs(load_scenario(files)).attrs["notes"])[::-1]
    assert "a: got a mean of 12 kW" in mean
    assert "roof" in note
    assert "negative" in note


def test_a_file_that_nobody_uses_is_noted_or_missed(files):
    nobody = "tables.participants.0.pv_column="
    _, note = json.loads(build_inputs(load_scenario(files, [nobody])).attrs["notes"])
    assert "nobody uses a column of this file" in note
    assert [p.got for p in problems(files, [nobody, "series.pv.path=none.csv"])] == [
        "no such file or directory"
    ]


def test_generated_and_measured_pv_add_up(files):
    roof = build_inputs(load_scenario(files))["pv_available"]
    more = ["weather.source=clear-sky", "tables.participants.a.pv_kw=3"]
    both = build_inputs(load_scenario(files, more))["pv_available"]
    alone = build_inputs(load_scenario(files, [*more, "tables.participants.a.pv_column="]))["pv_available"]
    assert both.values == pytest.approx(roof.values + alone.values)
    assert alone.values.max() > 1.0


@pytest.fixture
def market(tmp_path):
    """Return a scenario whose prices and carbon come from files: a spot market in hours, carbon in half-hours."""
    prices = [f"2020-08-19T{h:02}:00,{h * 1000}" for h in range(24)]
    (tmp_path / "spot.csv").write_text("\n".join(["time,area", *prices]))
    mix = [f"2020-08-19T{h:02}:{m},{200 if m == '00' else 400}" for h in range(24) for m in ("00", "30")]
    (tmp_path / "mix.csv").write_text("\n".join(["time,mix", *mix]))
    spot = {"type": "series", "path": "spot.csv", "column": "area", "unit": "per MWh"}
    tariffs = {"dynamic": {"energy": spot, "levy_per_kwh": 3.0, "feed_in": spot}}
    carbon = {"grid": {"path": "mix.csv", "column": "mix", "unit": "g/kWh"}}
    path = tmp_path / "market.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "tariffs": tariffs, "carbon": carbon}))
    return path


def test_prices_and_carbon_come_from_files(market):
    inputs = build_inputs(load_scenario(market))
    assert inputs["retail_price"].values[0] == pytest.approx(
        [h + 3.0 for h in range(24)]
    )  # 1000 per MWh + levy
    assert inputs["feed_in_price"].values[0] == pytest.approx(list(range(24)))
    assert inputs["grid_carbon"].values == pytest.approx(0.3)  # the mean of 0.2 and 0.4 kg/kWh
    half_hours = build_inputs(load_scenario(market, ["time.slot_minutes=30"]))
    assert half_hours["retail_price"].values[0] == pytest.approx([h + 3.0 for h in range(24) for _ in "ab"])
    assert half_hours["grid_carbon"].values == pytest.approx([0.2, 0.4] * 24)


def test_files_of_prices_are_pinned_and_run_again(market):
    stored = effective(load_scenario(market))
    files = (
        stored["tariffs"]["dynamic"]["energy"],
        stored["tariffs"]["dynamic"]["feed_in"],
        stored["carbon"]["grid"],
    )
    assert {len(file["sha256"]) for file in files} == {64}
    assert stored["carbon"]["grid_kg_per_kwh"] is None
    assert build_inputs(load_scenario(stored)).identical(build_inputs(load_scenario(market)))
    before = scenario.digest(load_scenario(market))
    market.with_name("spot.csv").write_text(market.with_name("spot.csv").read_text().replace("5000", "6000"))
    assert {p.field for p in problems(stored)} == {"sha256"}
    assert scenario.digest(load_scenario(market)) != before


def test_problems_of_prices_and_carbon_are_all_named(market):
    spot, mix = market.with_name("spot.csv"), market.with_name("mix.csv")
    spot.write_text(spot.read_text().replace("2020-08-19T05:00,5000\n", ""))
    mix.write_text(mix.read_text().replace("T03:00,200", "T03:00,-1"))
    expected = [("mix.csv", "8", "mix", "-1"), ("spot.csv", "6", "time", "no readings from")]
    for overrides in ((), ("currency=yen",)):  # beside a problem of the schema as well
        found = [p for p in problems(market, overrides) if p.field != "currency"]
        assert [(p.where.rpartition("/")[2], p.row, p.field) for p in found] == [e[:3] for e in expected]
        assert all(p.got.startswith(e[3]) for p, e in zip(found, expected, strict=True))


def test_the_surrogate_is_noted_once():
    rows = [{"participant": p, "persons": 1, "pv_kw": 3} for p in "ab"]
    (note,) = json.loads(small(tables={"participants": rows}).attrs["notes"])
    assert "surrogate clouds" in note


def test_a_home_that_draws_nothing_for_hours_is_noted_and_a_roof_is_not(files):
    demand = files.with_name("demand.csv")
    text = demand.read_text()
    for h in (4, 5, 6):
        text = text.replace(f";{h},5;", ";0,0;")
    demand.write_text(text)
    pv = files.with_name("pv.csv")
    pv.write_text(pv.read_text().replace("-0.5", "0"))
    note, mean = json.loads(build_inputs(load_scenario(files)).attrs["notes"])
    assert "a: exactly 0 for 3 h" in note
    assert "a mean of 11.31 kW" in mean


def test_series_problems_come_with_those_of_the_schema(files):
    text = files.with_name("demand.csv").read_text().replace("4,5;1,0", "four;1,0")
    files.with_name("demand.csv").write_text(text)
    lines = [
        f"{p.field}: {p.got}"
        for p in problems(files, ["tables.participants.b.demand_column=othr", "currency=yen"])
    ]
    assert [line for line in lines if line.startswith("currency: 'yen'")]
    assert [line for line in lines if "othr" in line]
    assert {(p.field, p.row) for p in problems(files)} == {("a", "6"), ("a", "16")}  # 4,5 and 14,5


def test_a_missing_installed_power_is_named(files):
    (problem,) = problems(files, ["tables.participants.a.pv_column_kw="])
    assert (problem.field, problem.got) == ("tables.participants.0.pv_column_kw", "nothing")


def test_the_horizon_must_divide_a_day_on_which_the_clock_changes():
    start = {"start": "2021-03-28", "slot_minutes": 120, "time_zone": "Europe/Berlin"}
    (problem,) = problems({**SMALL, "currency": "EUR", "time": start})
    assert (problem.field, problem.got) == ("time.slot_minutes", "120")


def test_an_impossible_pattern_is_a_problem():
    vehicle = {
        "vehicle": "v",
        "owner": "b",
        "capacity_kwh": 8,
        "charge_limit_kw": 3,
        "electric_economy_km_per_kwh": 6,
    }
    rows = tables(vehicles=[{**vehicle, "pattern": "commuter", "commute_km": 500}])
    assert [p.field for p in problems({**SMALL, "tables": rows})] == ["commute_km"]


def test_trips_outside_the_horizon_are_left_out_and_noted():
    vehicle = {
        "vehicle": "v",
        "owner": "b",
        "capacity_kwh": 8,
        "charge_limit_kw": 3,
        "electric_economy_km_per_kwh": 6,
    }
    day = {"vehicle": "v", "departure": "2020-08-19T09:00", "arrival": "2020-08-19T10:00", "distance_km": 5}
    later = {**day, "departure": "2021-08-19T09:00", "arrival": "2021-08-19T10:00"}
    parts = {**SMALL, "tables": tables(vehicles=[vehicle], trips=[day, later])}
    inputs = build_inputs(load_scenario(parts))
    assert inputs["trip"].values.tolist() == ["v/1"]
    assert json.loads(inputs.attrs["notes"]) == ["trips: 1 of 2 trips lie outside the horizon"]
    assert len(effective(load_scenario(parts))["tables"]["trips"]) == 1


@pytest.mark.parametrize("name", scenario.bundled())
def test_bundled_scenarios_build_and_rebuild(name):
    loaded = load_scenario(name)
    assert loaded.name == name
    inputs = build_inputs(loaded)
    assert validate(inputs) == []
    assert problems(name) == []
    assert build_inputs(load_scenario(effective(loaded))).identical(inputs)


def test_six_kinds_has_one_of_each():
    kinds = build_inputs(load_scenario("six-kinds"))["participant_kind"].values.tolist()
    assert kinds == ["consumer", "consumer+phev", "pv", "pv+battery", "pv+phev", "pv+battery+phev"]


def test_higashi_fuji_is_the_trial():
    inputs = build_inputs(load_scenario("higashi-fuji"))
    kinds = inputs["participant_kind"].values.tolist()
    assert len(kinds) == 21
    assert kinds.count("business") == 1
    assert len(set(kinds)) == 7
    assert inputs.sizes["vehicle"] == 9
    owners = inputs["vehicle_owner"].values.tolist()
    assert owners.count("office") == 1
    guests = (inputs["vehicle_host"] == "office") & (inputs["vehicle_owner"] != "office")
    assert guests.any("time").sum() >= 2  # commuters are plugged in at the office
    assert float(inputs["pv_available"].sel(participant="office").max()) > 0
    assert inputs.sizes["time"] == 48
    prices = inputs["retail_price"].sel(tariff="standard").values
    assert prices == pytest.approx(26.48 + 2.98)


def test_patterns_take_the_generators_defaults():
    pattern = trips.Pattern("v")
    vehicle = {
        "vehicle": "v",
        "owner": "b",
        "capacity_kwh": 8,
        "charge_limit_kw": 3,
        "electric_economy_km_per_kwh": 6,
    }
    rows = tables(vehicles=[{**vehicle, "pattern": "commuter"}])
    (stored,) = effective(load_scenario({**SMALL, "tables": rows}))["tables"]["vehicles"]
    assert stored["commute_km"] == pattern.commute_km
    assert stored["leave_hour"] == pattern.leave_hour


def test_build_refuses_what_it_cannot_read(files):
    files.with_name("pv.csv").unlink()
    with pytest.raises(InputError, match="no such file"):
        build_inputs(load_scenario(files))


def test_a_plant_has_no_demand_and_is_cleared():
    """A shared battery and a plant trade like anybody."""
    people = [*SMALL["tables"]["participants"], {"participant": "shared", "kind": "plant"}]
    battery = {"battery": "b", "owner": "shared", "capacity_kwh": 8, "charge_limit_kw": 2}
    roof = {"participant": "field", "kind": "plant", "pv_kw": 5}
    inputs = small(
        tables=tables(participants=[*people, roof], batteries=[battery | {"discharge_limit_kw": 2}]),
    )
    assert inputs["participant_kind"].values.tolist() == ["consumer", "consumer", "battery", "pv"]
    assert (inputs["demand"].values[2:] == 0).all()
    assert (inputs["demand"].values[:2] > 0).any(axis=1).all()
    run = clear(inputs)
    assert float(run["results"]["battery_charge"].sum()) > 1
    with pytest.raises(InputError) as error:
        small(tables=tables(participants=[*people[:2], people[2] | {"persons": 2}]))
    assert [p.want for p in error.value.problems] == ["no demand of a plant: a home or a business has it"]


def test_what_few_stores_have_stands_in_the_inputs_where_one_has_it():
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    plain, leaking = (
        {**store, "battery": "b0"},
        {**store, "battery": "b1", "self_discharge_percent_per_day": 3},
    )
    assert "battery_self_discharge" not in small(tables=tables(batteries=[plain]))
    inputs = small(tables=tables(batteries=[plain, leaking]))
    assert inputs["battery_self_discharge"].values.tolist() == [0.0, 0.03]
    assert "vehicle_self_discharge" not in inputs


def test_targets_stand_at_the_slot_that_ends_at_their_time():
    """Local 06:00 every day, 24:00 too, and one time; a time within a slot holds at the end of the slot before."""
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    own = [
        {"target_percent": 80, "target_by": "06:00"},
        {"target_energy_kwh": 3, "target_by": "24:00", "target_breach_per_kwh": 9},
        {"target_energy_kwh": 2, "target_by": "2020-08-20T02:59"},
        {"target_energy_kwh": 2, "target_by": "2020-08-22T02:00"},
        {},
    ]
    batteries = [{**store, "battery": f"b{n}", **more} for n, more in enumerate(own)]
    inputs = small(
        tables=tables(batteries=batteries), time={"start": "2020-08-19", "days": 2, "slot_minutes": 60}
    )
    target = inputs["battery_target"].values
    assert [(b, t, target[b, t]) for b, t in np.argwhere(~np.isnan(target)).tolist()] == [
        (0, 5, 6.4),
        (0, 29, 6.4),
        (1, 23, 3.0),
        (1, 47, 3.0),
        (2, 25, 2.0),
    ]
    np.testing.assert_array_equal(inputs["battery_target_price"], [np.nan, 9, np.nan, np.nan, np.nan])
    assert "target_by of b3: no slot of the horizon ends by 2020-08-22 02:00:00" in inputs.attrs["notes"]
    early = small(tables=tables(batteries=[{**batteries[0], "target_by": "00:30"}]))
    assert "target_by of b0: no slot of the horizon ends by 00:30" in early.attrs["notes"]
    assert "battery_target" not in small(tables=tables(batteries=batteries[4:]))


def test_a_cell_says_several_targets():
    """80 % of 8 kWh at six and 3 kWh at eight every day; of two in a slot the higher, 5 kWh at the second six."""
    store = {"battery": "b", "owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    cell = {"targets": "06:00 50 %;08:00 3kWh ; 2020-08-20T06:00 5 kWh", "target_breach_per_kwh": 9}
    days = {"start": "2020-08-19", "days": 2, "slot_minutes": 60}
    target = small(tables=tables(batteries=[store | cell]), time=days)["battery_target"].values
    assert {t: target[0, t] for t in np.flatnonzero(~np.isnan(target[0]))} == {5: 4, 7: 3, 29: 5, 31: 3}
    listed = {
        "targets": ["23:00 1 kWh", "2020-08-22T06:00 5 kWh"],
        "target_percent": 100,
        "target_by": "06:00",
    }
    inputs = small(tables=tables(batteries=[store | listed]), time=days)
    assert inputs["battery_target"].values[0, [5, 22, 29, 46]].tolist() == [8, 1, 8, 1]
    assert "targets of b: no slot of the horizon ends by 2020-08-22 06:00:00" in inputs.attrs["notes"]


@pytest.mark.parametrize(
    ("cell", "want"),
    [
        ("06:00", "times and energies such as 06:00 80 %; 18:00 4 kWh"),
        ("06:00 120 %", "times and energies such as 06:00 80 %; 18:00 4 kWh"),
        ("breakfast 4 kWh", "a time like 2020-08-19T07:30 or 2020-08-19T07:30+09:00"),
        ("06:00 9 kWh", "at most capacity_kwh"),
    ],
)
def test_a_cell_of_targets_that_says_none_is_refused(cell, want):
    store = {"battery": "b", "owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    with pytest.raises(InputError) as error:
        small(tables=tables(batteries=[store | {"targets": cell}]))
    assert [(p.field.rpartition(".")[2], p.want) for p in error.value.problems] == [("targets", want)]


def test_a_worth_at_the_end_frees_the_final_energy():
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2}
    own = [{"final_value_per_kwh": 12}, {"final_value_per_kwh": 12, "final_energy_kwh": 3}, {}]
    inputs = small(tables=tables(batteries=[{**store, "battery": f"b{n}", **o} for n, o in enumerate(own)]))
    np.testing.assert_array_equal(inputs["battery_final_energy"], [np.nan, 3, 4])
    np.testing.assert_array_equal(inputs["battery_final_value"], [12, 12, np.nan])


@pytest.mark.parametrize(
    ("columns", "field", "want"),
    [
        ({"target_by": "06:00"}, "target_energy_kwh", "one of target_energy_kwh and target_percent"),
        ({"target_energy_kwh": 9, "target_by": "06:00"}, "target_energy_kwh", "at most capacity_kwh"),
        ({"target_percent": 80}, "target_by", "the time of the target"),
        ({"target_breach_per_kwh": 80}, "target_by", "the time of the target"),
        ({"target_percent": 120, "target_by": "06:00"}, "target_percent", "at most 100"),
    ],
)
def test_a_target_that_says_too_little_or_too_much_is_refused(columns, field, want):
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2, "battery": "b"}
    with pytest.raises(InputError) as error:
        small(tables=tables(batteries=[store | columns]))
    assert [(p.field.rpartition(".")[2], p.want) for p in error.value.problems] == [(field, want)]


def test_a_target_at_no_time_is_refused():
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2, "battery": "b"}
    with pytest.raises(InputError) as error:
        small(tables=tables(batteries=[store | {"target_percent": 80, "target_by": "breakfast"}]))
    (problem,) = error.value.problems
    assert (problem.field, problem.got) == ("tables.batteries.0.target_by", "'breakfast'")
    assert problem.want.startswith('a local time "HH:MM" or a time like')


def test_inverters_and_batteries_of_a_home_stand_in_the_inputs_where_somebody_has_one():
    store = {"owner": "a", "capacity_kwh": 8, "charge_limit_kw": 2, "discharge_limit_kw": 2, "battery": "b"}
    people = SMALL["tables"]["participants"]
    plain = small(tables=tables(batteries=[store]))
    assert not {"inverter_limit", "battery_gives"} & set(plain.data_vars)
    people = [{**people[0], "inverter_limit_kw": 5}, people[1]]
    inputs = small(tables={"participants": people, "batteries": [store | {"gives": "home"}]})
    assert inputs["inverter_limit"].values.tolist() == [5.0, np.inf]
    assert inputs["battery_gives"].values.tolist() == ["home"]
