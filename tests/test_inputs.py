"""The variable table and every kind of problem that validation finds, one planted at a time."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.data.inputs.contract import DIMS, KINDS, TABLE, complete, kinds, optional
from otonari.data.inputs.validation import require, validate
from otonari.data.inputs.variables import REQUIRED
from otonari.data.problems import InputError, Problem

TIME = np.array(["2020-08-18T15:00", "2020-08-18T16:00", "2020-08-18T17:00"], dtype="datetime64[ns]")


def raw() -> xr.Dataset:
    """Return a small community with every device, without its defaults."""
    storage = {"capacity": 8.0, "initial_energy": 4.0, "charge_limit": 3.0, "discharge_limit": 2.0}
    storage |= {"charge_efficiency": 0.9, "discharge_efficiency": 0.9}
    devices = {f"{d}_{n}": ((d,), [v]) for d in ("battery", "vehicle") for n, v in storage.items()}
    return xr.Dataset(
        {
            "slot_hours": (("time",), np.ones(3)),
            "demand": (("participant", "time"), np.ones((2, 3))),
            "pv_available": (("participant", "time"), [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]]),
            "participant_node": (("participant",), ["a", "b"]),
            "participant_tariff": (("participant",), ["flat", "flat"]),
            "retail_price": (("tariff", "time"), np.full((1, 3), 26.0)),
            "feed_in_price": (("tariff", "time"), np.full((1, 3), 8.0)),
            **devices,
            "battery_owner": (("battery",), ["home-2"]),
            "vehicle_owner": (("vehicle",), ["home-1"]),
            "vehicle_host": (("vehicle", "time"), [["home-1", "", "home-1"]]),
            "vehicle_electric_economy": (("vehicle",), [10.0]),
            "trip_vehicle": (("trip",), ["car"]),
            "trip_departure": (("trip",), [TIME[1] + np.timedelta64(10, "m")]),
            "trip_arrival": (("trip",), [TIME[1] + np.timedelta64(50, "m")]),
            "trip_distance": (("trip",), [10.0]),
            "node_parent": (("node",), ["", "a"]),
            "heat_pump_owner": (("heat_pump",), ["home-2"]),
            "heat_pump_power_limit": (("heat_pump",), [6.0]),
            "heat_pump_cop": (("heat_pump", "time"), [[3.0, 3.5, 4.0]]),
            "heat_pump_heat_demand": (("heat_pump", "time"), [[0.0, 1.0, 0.0]]),
            "heat_pump_capacity": (("heat_pump",), [8.0]),
            "heat_pump_initial_heat": (("heat_pump",), [4.0]),
            "flexible_load_owner": (("flexible_load",), ["home-1", "home-2"]),
            "flexible_load_power_limit": (("flexible_load",), [3.0, 3.0]),
        },
        coords={
            "participant": ["home-1", "home-2"],
            "time": TIME,
            "tariff": ["flat"],
            "battery": ["store"],
            "vehicle": ["car"],
            "trip": ["car/1"],
            "node": ["a", "b"],
            "heat_pump": ["boiler"],
            "flexible_load": ["cooling", "washer"],
        },
        attrs={"currency": "JPY"},
    )


COMPONENTS = {
    "component": ("component", ["flat/energy", "flat/feed-in"]),
    "component_tariff": ("component", ["flat", "flat"]),
    "component_part": ("component", ["energy", "energy"]),
    "component_basis": ("component", ["per-kwh", "per-kwh-injected"]),
    "component_price": (("component", "time"), [[26.0] * 3, [0.0] * 3]),
    "component_credit": (("component", "time"), [[0.0] * 3, [8.0] * 3]),
}
"""The all-in prices of the community as components."""
PEAKS = COMPONENTS | {
    "peak": ("peak", ["flat/peak"]),
    "day": ("day", ["2020-08-19"]),
    "month": ("month", ["2020-08"]),
    "component_peak": (("component", "peak"), [[5.0], [0.0]]),
    "peak_tariff": ("peak", ["flat"]),
    "peak_price": ("peak", [5.0]),
    "peak_days": ("peak", [1.0]),
    "peak_floor": ("peak", [0.0]),
    "peak_of": ("peak", ["tariff"]),
    "peak_earlier": ("peak", [1.0]),
    "slot_day": ("time", ["2020-08-19"] * 3),
    "day_month": ("day", ["2020-08"]),
    "day_peak": (("participant", "day"), [[1.0], [np.nan]]),
}
"""The same with a price of a month's peak."""
TIERS = COMPONENTS | {
    "tier": ("tier", ["flat/energy/2"]),
    "day": ("day", ["2020-08-19"]),
    "month": ("month", ["2020-08"]),
    "component_tier": (("component", "tier"), [[5.0], [0.0]]),
    "tier_tariff": ("tier", ["flat"]),
    "tier_price": ("tier", [5.0]),
    "tier_start": ("tier", [100.0]),
    "tier_period": ("tier", ["month"]),
    "slot_day": ("time", ["2020-08-19"] * 3),
    "day_month": ("day", ["2020-08"]),
}
"""The same with a tier that is dearer."""
OF_PEAKS = {"component_peak", *PEAKS} - {*COMPONENTS}
OF_TIERS = {*TIERS} - {*COMPONENTS} - OF_PEAKS
CANDIDATES = {
    "candidate": ("candidate", ["roof", "cells"]),
    "candidate_owner": ("candidate", ["home-1", "home-2"]),
    "candidate_kind": ("candidate", ["pv", "battery"]),
    "candidate_battery": ("candidate", ["", "store"]),
    "candidate_output": (("candidate", "time"), [[0.5] * 3, [0.0] * 3]),
    "candidate_vehicle": ("candidate", ["", ""]),
    "candidate_node": ("candidate", ["", ""]),
    "candidate_most": ("candidate", [5.0, 8.0]),
    "candidate_cost": ("candidate", [3.0, 2.0]),
    "candidate_fixed_cost": ("candidate", [2.0, 0.0]),
    "candidate_unit": ("candidate", [0.5, 0.0]),
    "candidate_size": ("candidate", [np.nan, np.nan]),
}
"""PV that could be built, and a battery."""


LOADS = {
    "step": ("step", ["1", "2"]),
    "task": ("task", ["cooling/1", "washer/1"]),
    "flexible_load_min_power": ("flexible_load", [0.0, 0.0]),
    "flexible_load_demand": (("flexible_load", "time"), [[1.0] * 3, [0.0] * 3]),
    "flexible_load_shed_price": ("flexible_load", [20.0, np.nan]),
    "flexible_load_shape": (("flexible_load", "step"), [[np.nan, np.nan], [2.0, 1.0]]),
    "flexible_load_step_hours": ("flexible_load", [np.nan, 1.0]),
    "task_load": ("task", ["cooling", "washer"]),
    "task_earliest": ("task", TIME[[0, 0]]),
    "task_deadline": ("task", TIME[[2, 2]] + np.timedelta64(1, "h")),
    "task_energy": ("task", [2.0, 3.0]),
}
"""A load that may be shed, and a run of a fixed shape."""


def test_the_price_of_a_peak_is_the_sum_of_its_components():
    assert validate(complete(raw().assign(PEAKS))) == []
    [problem] = validate(planted("peak_price", 4.0))
    assert (problem.field, problem.got) == ("peak_price", "4.0")
    lacking = {n: v for n, v in PEAKS.items() if n != "slot_day"}
    assert [p.field for p in validate(complete(raw().assign(lacking)))] == ["slot_day"]


def test_candidates_are_whole():
    assert validate(complete(raw().assign(CANDIDATES))) == []
    lacking = {
        n: v for n, v in CANDIDATES.items() if n not in ("candidate_cost", "candidate_size", "candidate_unit")
    }
    assert [p.field for p in validate(complete(raw().assign(lacking)))] == ["candidate_cost"]


def test_the_step_of_a_tier_is_the_sum_of_its_components():
    assert validate(complete(raw().assign(TIERS))) == []
    [problem] = validate(planted("tier_price", 4.0))
    assert (problem.field, problem.got) == ("tier_price", "4.0")
    lacking = {n: v for n, v in TIERS.items() if n != "tier_start"}
    assert [p.field for p in validate(complete(raw().assign(lacking)))] == ["tier_start"]


def test_flexible_loads_and_their_tasks_are_whole():
    assert validate(complete(raw().assign(LOADS))) == []
    lacking = {n: v for n, v in LOADS.items() if n != "task_deadline"}
    assert [p.field for p in validate(complete(raw().assign(lacking)))] == ["task_deadline"]
    for name, value, at, want in (
        ("flexible_load_power_limit", 1.5, 1, "at most flexible_load_power_limit"),
        ("flexible_load_min_power", 3.5, 1, "at most flexible_load_power_limit"),
        ("flexible_load_shape", np.nan, (1, 0), "steps one after another"),
        ("flexible_load_step_hours", np.nan, 1, "more than 0 h where there is a shape, else NaN"),
        ("flexible_load_step_hours", 1.0, 0, "more than 0 h where there is a shape, else NaN"),
        ("flexible_load_shed_price", 20.0, 1, "NaN where a load has a shape"),
        (
            "task_deadline",
            TIME[0] + np.timedelta64(59, "m"),
            0,
            "a window that holds a slot of the horizon or more",
        ),
        ("task_deadline", TIME[2] + np.timedelta64(2, "h"), 0, "a deadline within the horizon"),
        ("task_load", "washer", 0, "a begin after the deadline of the load's task before"),
        ("task_energy", 2.9, 1, "the energy of the load's shape"),
    ):
        assert want in {p.want for p in validate(planted(name, value, at))}, (name, value)


def test_a_charger_raises_a_limit_of_its_owners_vehicle():
    charger = {
        "candidate_kind": ("candidate", ["charger", "battery"]),
        "candidate_vehicle": ("candidate", ["car", ""]),
        "candidate_most": ("candidate", [3.0, 8.0]),
        "candidate_unit": ("candidate", [0.5, 0.0]),
    }
    assert validate(complete(raw().assign(CANDIDATES | charger))) == []
    for name, values in (
        ("candidate_vehicle", ["", ""]),
        ("candidate_vehicle", ["car", "car"]),
        ("candidate_owner", ["home-2", "home-2"]),
        ("candidate_most", [3.5, 8.0]),
    ):
        wrong = complete(raw().assign(CANDIDATES | charger | {name: ("candidate", values)}))
        assert {p.field for p in validate(wrong)} == {name}, values


def test_all_in_prices_are_the_sums_of_their_components():
    assert validate(complete(raw().assign(COMPONENTS))) == []
    [problem] = validate(planted("component_price", 25.0, (0, 1)))
    assert (problem.field, problem.row) == ("retail_price", "tariff=flat, time=2020-08-18T16:00")
    lacking = {n: v for n, v in COMPONENTS.items() if n != "component_basis"}
    assert [p.field for p in validate(complete(raw().assign(lacking)))] == ["component_basis"]


def planted(name, value, at=()):
    """Return the completed community with one entry of one variable replaced."""
    more = (
        PEAKS
        if name in OF_PEAKS
        else TIERS
        if name in OF_TIERS
        else COMPONENTS
        if name.startswith("component_")
        else {}
    )
    more = (
        CANDIDATES if name in CANDIDATES else LOADS if name.startswith(("flexible_load_", "task_")) else more
    )
    if name in ("inverter_limit", "heat_pump_backup_limit"):
        more = {name: (TABLE[name].dims, optional(complete(raw()), name))}
    inputs = complete(raw().assign(more))
    values = (
        inputs[name].values.astype("<U24") if inputs[name].dtype.kind == "U" else inputs[name].values.copy()
    )
    values[at] = value
    return inputs.assign({name: (inputs[name].dims, values, inputs[name].attrs)})


def test_a_sound_community_has_no_problem():
    assert validate(complete(raw())) == []
    require(complete(raw()))


def test_complete_fills_in_the_table():
    inputs = complete(raw())
    given = [n for n, row in TABLE.items() if row.default not in (None, "derived")]
    assert list(inputs.data_vars) == [*given, "participant_kind"]
    assert inputs["import_limit"].values.tolist() == [np.inf, np.inf]
    assert inputs["battery_final_energy"].values.tolist() == [4.0]  # as at the start
    assert inputs["battery_min_energy"].values.tolist() == [0.0]
    assert np.isnan(inputs["vehicle_fuel_economy"].values).all()
    assert inputs["fuel_carbon"].values.tolist() == [2.32]
    assert inputs["participant_kind"].values.tolist() == ["consumer+ev", "pv+battery"]
    assert inputs["retail_price"].attrs == {"long_name": TABLE["retail_price"].long_name, "units": "JPY/kWh"}
    assert complete(inputs).identical(inputs)


def test_complete_without_devices():
    devices = ("battery", "vehicle", "trip")
    inputs = complete(raw().drop_dims((*devices, "heat_pump", "flexible_load")))
    assert [inputs.sizes[d] for d in devices] == [0, 0, 0]
    assert not [
        name for name in inputs.variables if "heat_pump" in name
    ]  # as inputs were before there were any
    assert validate(inputs) == []
    assert inputs["vehicle_host"].shape == (0, 3)


def test_complete_orders_dims_and_keeps_what_it_does_not_know():
    dataset = raw().transpose("time", ...).assign(demnad=(("time",), np.ones(3)))
    inputs = complete(dataset)
    assert inputs["demand"].dims == ("participant", "time")
    assert validate(inputs) == [
        Problem("inputs", "", "demnad", "an unknown variable (did you mean 'demand'?)", "one of the table's")
    ]


def test_every_variable_has_a_sensible_row():
    for row in TABLE.values():
        assert set(row.dims) <= set(DIMS)
        assert row.long_name
        assert row.low <= row.high
        assert (row.unit == "label") == (bool(row.of) or bool(row.words))
        assert row.absent is None or row.default is None


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if row.unit not in ("label", "UTC")])
def test_every_number_is_held_to_its_bounds(name):
    row = TABLE[name]
    dataset = complete(raw())
    if name in OF_PEAKS:
        dataset = complete(raw().assign(PEAKS))
    elif name in OF_TIERS:
        dataset = complete(raw().assign(TIERS))
    elif "component" in row.dims:
        dataset = complete(raw().assign(COMPONENTS))
        if name not in dataset:
            dataset[name] = row.dims, np.full((2, 3), 5.0)
    elif name in CANDIDATES:
        dataset = complete(raw().assign(CANDIDATES))
    elif name in LOADS or name == "flexible_load_power_limit":
        dataset = complete(raw().assign(LOADS))
    elif row.default is None:
        coords = {"node_to": dataset["node"].values} if "node_to" in row.dims else {}
        some = np.full([{**dataset.sizes, "node_to": 2}[d] for d in row.dims], min(5.0, row.high))
        free = {f"{d}_final_energy": ((d,), [np.nan]) for d in ("battery", "vehicle")}
        dataset = complete(raw().assign({**free, name: (row.dims, some)}).assign_coords(coords))
    first = tuple(0 for _ in row.dims)

    def with_first(value):
        values = dataset[name].values.copy()
        values[first] = value
        problems = validate(dataset.assign({name: (row.dims, values, dataset[name].attrs)}))
        return {p.field for p in problems if "the sum of" not in p.want}

    assert (name in with_first(np.nan)) == (not row.nan)
    if np.isfinite(row.low):
        assert name in with_first(row.low - 1)
        assert (name in with_first(row.low)) == row.low_open
    if np.isfinite(row.high):
        assert name in with_first(row.high + 0.01)
        assert name not in with_first(row.high)
    may_be_endless = name in (
        "import_limit",
        "export_limit",
        "import_envelope",
        "export_envelope",
        "node_import_envelope",
        "node_export_envelope",
        "inverter_limit",
        "node_limit",
        "node_current_limit",
        "node_loading_limit",
    )
    assert (name in with_first(np.inf)) == (not may_be_endless)


def test_what_an_optional_variable_stands_for_where_it_is_absent():
    inputs = complete(raw())
    assert "participant_metering" not in inputs
    assert optional(inputs, "participant_metering").tolist() == ["net", "net"]
    apart = complete(raw().assign(participant_metering=("participant", ["net", "gross"])))
    assert validate(apart) == []
    assert optional(apart, "participant_metering").tolist() == ["net", "gross"]
    wrong = complete(raw().assign(participant_metering=("participant", ["net", "both"])))
    assert validate(wrong) == [
        Problem("inputs", "participant=home-2", "participant_metering", "both", "one of net, gross")
    ]


@pytest.mark.parametrize(("final", "limit"), [(np.nan, 0.5), (2.0, 1.9)])
def test_a_limit_at_the_end_is_no_less_than_what_must_be_there(final, limit):
    ends = {"battery_min_energy": 1.0, "battery_final_energy": final, "battery_final_limit": limit}
    inputs = complete(raw().assign({name: ("battery", [value]) for name, value in ends.items()}))
    want = "at least battery_min_energy and battery_final_energy"
    assert validate(inputs) == [Problem("inputs", "battery=store", "battery_final_limit", f"{limit}", want)]
    assert validate(inputs.assign(battery_final_limit=("battery", [np.nan]))) == []


@pytest.mark.parametrize(("name", "row"), [(n, row) for n, row in TABLE.items() if row.of])
def test_every_label_must_name_something(name, row):
    inputs = planted(name, "nobody", tuple(-1 for _ in row.dims))
    assert name in {p.field for p in validate(inputs)}
    empty = planted(name, "", tuple(-1 for _ in row.dims))
    assert (name in {p.field for p in validate(empty) if "label of" in p.want}) == (not row.empty)


PLANTED = [
    ("demand", -0.5, (1, 2), "participant=home-2, time=2020-08-18T17:00", "-0.5", "at least 0"),
    ("battery_charge_efficiency", 0.0, 0, "battery=store", "0.0", "more than 0"),
    ("battery_discharge_efficiency", 1.2, 0, "battery=store", "1.2", "at most 1"),
    ("battery_min_energy", 9.0, 0, "battery=store", "9.0", "at most battery_capacity"),
    ("vehicle_final_energy", 9.0, 0, "vehicle=car", "9.0", "at most vehicle_capacity"),
    ("vehicle_min_charge", 3.5, 0, "vehicle=car", "3.5", "at most vehicle_charge_limit"),
    ("participant_kind", "prosumer", 0, "participant=home-1", "prosumer", f"one of {', '.join(KINDS)}"),
    (
        "battery_owner",
        "home2",
        0,
        "battery=store",
        "home2",
        "a label of dimension 'participant' (did you mean 'home-2'?)",
    ),
    ("participant_tariff", "", 0, "participant=home-1", '""', "a label of dimension 'tariff'"),
    ("slot_hours", 0.5, 1, "time=2020-08-18T17:00", "2020-08-18T17:00", "the end of the slot before"),
    ("trip_arrival", TIME[0], 0, "trip=car/1", "2020-08-18T15:00", "an arrival after the departure"),
    ("trip_departure", np.datetime64("NaT", "ns"), 0, "trip=car/1", "NaT", "a time"),
    (
        "vehicle_host",
        "home-1",
        (0, 1),
        "trip=car/1",
        "car",
        'a vehicle whose vehicle_host is "" while it drives',
    ),
    ("heat_pump_min_heat", 9.0, 0, "heat_pump=boiler", "9.0", "at most heat_pump_capacity"),
    ("heat_pump_initial_heat", 9.0, 0, "heat_pump=boiler", "9.0", "at most heat_pump_capacity"),
    ("heat_pump_final_heat", 9.0, 0, "heat_pump=boiler", "9.0", "at most heat_pump_capacity"),
    (
        "heat_pump_owner",
        "home-3",
        0,
        "heat_pump=boiler",
        "home-3",
        "a label of dimension 'participant' (did you mean 'home-2'?)",
    ),
    ("node_parent", "b", 1, "node=b", "a cycle b > b", "a tree"),
    ("node_parent", "", 1, "node=b", "a second root beside 'a'", "one node whose parent is blank"),
]


@pytest.mark.parametrize(("name", "value", "at", "row", "got", "want"), PLANTED)
def test_a_planted_fault_is_named(name, value, at, row, got, want):
    found = {(p.row, p.got, p.want) for p in validate(planted(name, value, at))}
    assert (row, got, want) in found


def test_trips_of_one_vehicle_must_not_overlap():
    two = (
        raw()
        .drop_dims("trip")
        .assign(
            trip_vehicle=(("trip",), ["car", "car"]),
            trip_departure=(("trip",), TIME[1] + np.array([30, 0], dtype="timedelta64[m]")),
            trip_arrival=(("trip",), TIME[1] + np.array([60, 40], dtype="timedelta64[m]")),
            trip_distance=(("trip",), [1.0, 1.0]),
        )
    )
    (problem,) = validate(complete(two.assign_coords(trip=["late", "early"])))
    assert (problem.row, problem.want) == ("trip=late", "a departure after the arrival of the trip before")


def test_trips_must_depart_within_the_horizon():
    for departure in (TIME[0] - np.timedelta64(1, "m"), TIME[2] + np.timedelta64(1, "h")):
        inputs = planted("trip_departure", departure, 0)
        wants = {p.want for p in validate(inputs) if p.field == "trip_departure"}
        assert "a departure within the horizon" in wants


def test_a_trip_may_end_after_the_horizon():
    inputs = planted("vehicle_host", "", (0, 2))
    values = inputs["trip_arrival"].values + np.timedelta64(5, "h")
    assert validate(inputs.assign(trip_arrival=(("trip",), values, inputs["trip_arrival"].attrs))) == []


def test_a_missing_slot_is_a_gap():
    inputs = complete(raw().isel(time=[0, 2]))
    assert [(p.field, p.row) for p in validate(inputs) if p.field == "time"] == [
        ("time", "time=2020-08-18T17:00")
    ]


def test_labels_occur_once_and_are_not_empty():
    twice = raw().assign_coords(participant=["home-1", "home-1"])
    assert "the label 'home-1' twice" in {p.got for p in validate(complete(twice))}
    empty = raw().assign_coords(battery=[""])
    assert "an empty label" in {p.got for p in validate(complete(empty))}


@pytest.mark.parametrize("dim", ["participant", "time", "tariff", "node"])
def test_there_must_be_someone_and_sometime(dim):
    found = validate(complete(raw().isel({dim: []})))
    assert Problem("inputs", "", dim, "none", "at least one") in found


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if n in raw() and row.unit != "label"])
def test_another_unit_is_refused(name):
    unit = TABLE[name].unit
    if unit == "UTC":
        return
    dataset = raw()
    dataset[name].attrs["units"] = "furlong"
    (problem,) = validate(complete(dataset))
    assert (problem.field, problem.got) == (name, "unit 'furlong'")


@pytest.mark.parametrize("name", [n for n, row in TABLE.items() if row.default is REQUIRED])
def test_a_missing_variable_is_named(name):
    found = validate(complete(raw().drop_vars(name)))
    assert [(p.field, p.got) for p in found] == [(name, "nothing")]


def test_a_start_above_the_capacity_is_legal_and_the_end_is_at_the_capacity():
    dataset = raw().assign(battery_initial_energy=(("battery",), [9.5]))
    inputs = complete(dataset)
    assert inputs["battery_final_energy"].values.tolist() == [8.0]
    assert validate(inputs) == []


def test_a_default_from_a_variable_of_other_dims_waits_for_it():
    dataset = raw().assign(battery_initial_energy=((), 4.0))
    assert [p.field for p in validate(complete(dataset))] == ["battery_initial_energy"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-60, 240), st.integers(1, 120), st.integers(0, 2)), max_size=8), st.data()
)
def test_being_plugged_while_driving_is_found_as_slot_by_slot(legs, data):
    plugged = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    host = np.where(np.reshape(plugged, (2, 3)), "home-1", "")
    cars = [["one", "two", "none"][v] for *_, v in legs]
    start = TIME[0] + np.array([s for s, *_ in legs], dtype="timedelta64[m]")
    end = start + np.array([d for _, d, _ in legs], dtype="timedelta64[m]")
    inputs = raw().isel(vehicle=[0, 0]).drop_dims("trip").assign_coords(vehicle=["one", "two"])
    inputs = complete(
        inputs.assign(
            vehicle_host=(("vehicle", "time"), host),
            trip_vehicle=(("trip",), np.array(cars, dtype=str)),
            trip_departure=(("trip",), start),
            trip_arrival=(("trip",), end),
            trip_distance=(("trip",), np.ones(len(legs))),
        ).assign_coords(trip=[f"t{k}" for k in range(len(legs))])
    )
    expected = set()
    for k, car in enumerate(cars):
        for v, name in enumerate(["one", "two"]):
            for t in range(3):
                over = TIME[t] < end[k] and TIME[t] + np.timedelta64(1, "h") > start[k]
                if car == name and over and host[v, t]:
                    expected.add(f"trip=t{k}")
    found = {p.row for p in validate(inputs) if "while it drives" in p.want}
    assert len(found - {"~"}) == min(len(expected), 5)
    assert found - {"~"} <= expected


def test_other_dims_are_refused():
    dataset = raw().drop_vars("demand").assign(demand=(("participant",), np.ones(2)))
    (problem,) = validate(complete(dataset))
    assert (problem.field, problem.want) == ("demand", "dims ('participant', 'time')")


def test_text_for_numbers_is_refused():
    dataset = raw().assign(trip_distance=(("trip",), ["far"]))
    (problem,) = validate(complete(dataset))
    assert (problem.field, problem.want) == ("trip_distance", "numbers")


def test_times_must_be_times():
    found = validate(complete(raw().assign_coords(time=[0, 1, 2])))
    assert [(p.field, p.want) for p in found] == [("time", "times")]


def test_dims_need_labels():
    with pytest.raises(InputError, match="participant"):
        require(complete(raw().drop_vars("participant")))


def test_many_like_faults_are_counted():
    inputs = complete(raw().isel(participant=[0] * 9).assign_coords(participant=[f"h{i}" for i in range(9)]))
    bad = inputs.assign(demand=(("participant", "time"), np.full((9, 3), -1.0)))
    found = [p for p in validate(bad) if p.field == "demand"]
    assert len(found) == 6
    assert {p.got for p in found} == {"-1.0", "22 more entries like these"}


def test_all_problems_come_at_once():
    inputs = planted("demand", -1.0, (0, 0))
    inputs["battery_owner"].values[:] = "x"
    inputs["node_parent"].values[:] = ""
    with pytest.raises(InputError) as caught:
        require(inputs)
    assert {p.field for p in caught.value.problems} == {"demand", "battery_owner", "node_parent"}


def test_kinds_from_equipment():
    inputs = complete(raw().assign(vehicle_fuel_economy=("vehicle", [20.0])))
    assert kinds(inputs).tolist() == ["consumer+phev", "pv+battery"]
    assert kinds(inputs, ["home-2"]).tolist() == ["consumer+phev", "business"]


def test_a_vehicle_without_an_engine_is_no_phev_and_who_uses_nothing_no_consumer():
    electric = complete(raw())
    inputs = complete(raw().assign(vehicle_fuel_economy=("vehicle", [20.0])))
    assert kinds(electric).tolist() == ["consumer+ev", "pv+battery"]
    dark = inputs.assign(demand=inputs["demand"] * 0.0)
    assert kinds(dark).tolist() == ["consumer+phev", "pv+battery"]
    assert kinds(dark.assign(pv_available=inputs["pv_available"] * 0.0)).tolist() == [
        "consumer+phev",
        "battery",
    ]


def test_every_kind_that_equipment_makes_is_a_word_of_the_table():
    """Demand, PV, battery, vehicle without and with an engine, in every combination."""
    for has in itertools.product((False, True), repeat=5):
        use, pv, battery, ev, phev = has
        owned = {
            "participant": np.array(["h"]),
            "demand": np.array([[float(use)]]),
            "pv_available": np.array([[float(pv)]]),
            "battery_owner": np.array(["h"] * battery, dtype=str),
            "vehicle_owner": np.array(["h"] * (ev + phev), dtype=str),
            "vehicle_fuel_economy": np.array([np.nan] * ev + [20.0] * phev),
        }
        (kind,) = kinds({name: SimpleNamespace(values=values) for name, values in owned.items()})
        assert kind in KINDS
        assert ("pv" in kind, "battery" in kind) == (pv, battery)
        assert ("+phev" in kind, "+ev" in kind) == (phev, ev and not phev)


@pytest.mark.parametrize(
    "name", ["demand", "retail_price", "trip_distance", "node_limit", "battery_capacity"]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_magnitudes_that_no_community_has(name, sign):
    values = planted(name, sign * 1.1e6, 0)
    assert any(p.field == name and p.want == "a magnitude of at most 1e6" for p in validate(values))
    assert not [p for p in validate(planted(name, 1e6, 0)) if "magnitude" in p.want]


def test_slots_below_a_minute_are_refused():
    seconds = np.datetime64("2026-06-01T00:00", "ns") + np.arange(3) * np.timedelta64(30, "s")
    short = raw().assign_coords(time=seconds).assign(slot_hours=(("time",), np.full(3, 30 / 3600)))
    found = [p for p in validate(complete(short)) if p.field == "slot_hours"]
    assert [p.want for p in found] == ["slots of a minute or more (1/60 h)"] * 3
