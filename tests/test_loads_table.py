"""The table of flexible loads: what its rows become in the inputs, and what is wrong with them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import otonari
from otonari.cli import main
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError

from .test_build import SMALL

UTC = np.timedelta64(9, "h")
"""The clock of Asia/Tokyo less that of UTC."""


def scenario(*rows, days=1, start="2020-08-19", minutes=60):
    tables = {
        **SMALL["tables"],
        "loads": [{"load": f"load{n}", "owner": "a"} | row for n, row in enumerate(rows)],
    }
    return {**SMALL, "tables": tables, "time": {"start": start, "days": days, "slot_minutes": minutes}}


def inputs(*rows, **time):
    return build_inputs(load_scenario(scenario(*rows, **time)))


def windows(built):
    """Return the windows of all tasks on the local clock, by load."""
    times = [
        (built[f"task_{n}"].values + UTC).astype("datetime64[m]").astype(str)
        for n in ("earliest", "deadline")
    ]
    return list(zip(built["task_load"].values.tolist(), *(t.tolist() for t in times), strict=True))


DEFERRABLE = {"energy_kwh": 3, "power_kw": 2}


def test_a_window_is_there_on_each_of_its_days():
    """A Wednesday to a Saturday: all days, weekends, and two days of the week."""
    built = inputs(
        {**DEFERRABLE, "earliest": "08:00", "deadline": "18:00", "days": "weekends"},
        {**DEFERRABLE, "earliest": "08:00", "days": "thu fri"},
        {**DEFERRABLE, "earliest": "2020-08-20T01:00", "deadline": "2020-08-21T05:00"},
        days=4,
    )
    assert windows(built) == [
        ("load0", "2020-08-22T08:00", "2020-08-22T18:00"),
        ("load1", "2020-08-20T08:00", "2020-08-21T00:00"),
        ("load1", "2020-08-21T08:00", "2020-08-22T00:00"),
        ("load2", "2020-08-20T01:00", "2020-08-21T05:00"),
    ]
    assert built["task"].values.tolist() == ["load0/1", "load1/1", "load1/2", "load2/1"]
    assert built["task_energy"].values.tolist() == [3.0] * 4
    assert "flexible_load_shape" not in built
    assert "flexible_load_demand" not in built


def test_the_end_of_the_horizon_cuts_a_window_and_leaves_out_what_has_no_time_left():
    """Of 20:00 to 07:00 four hours are left, of 23:00 to 07:00 one: too short for 3 kWh at 2 kW, or for a run of two."""
    night = {"earliest": "20:00", "deadline": "07:00"}
    late = {"earliest": "23:00", "deadline": "07:00"}
    built = inputs(
        {**DEFERRABLE, **night}, {**DEFERRABLE, **late}, {"shape": "1 1", **late}, {"shape": "1", **late}
    )
    assert windows(built) == [
        ("load0", "2020-08-19T20:00", "2020-08-20T00:00"),
        ("load3", "2020-08-19T23:00", "2020-08-20T00:00"),
    ]
    notes = [note for note in json.loads(built.attrs["notes"]) if note.startswith("loads")]
    assert notes == [
        f"loads: 1 windows of {load} do not fit into the horizon, and are left out"
        for load in ("load1", "load2")
    ]


def test_a_window_keeps_to_the_clock_where_it_changes():
    """On the day on which the clock of Berlin goes forward, 01:00 to 04:00 are two hours."""
    rows = scenario({**DEFERRABLE, "earliest": "01:00", "deadline": "04:00"}, start="2021-03-28")
    rows["time"] |= {"time_zone": "Europe/Berlin"}
    built = build_inputs(load_scenario({**rows, "currency": "EUR"}))
    assert (built["task_deadline"] - built["task_earliest"]).values.tolist() == [2 * 3600 * 10**9]


def test_shapes_are_in_slots_or_in_minutes_and_what_is_not_interruptible_is_one_step():
    built = inputs(
        {"shape": "2.0 0.1 1.8"},
        {"shape": [1.5], "step_minutes": 15},
        {**DEFERRABLE, "interruptible": "false"},
    )
    np.testing.assert_equal(
        built["flexible_load_shape"].values, [[2.0, 0.1, 1.8], [1.5, np.nan, np.nan], [2.0, np.nan, np.nan]]
    )
    assert built["flexible_load_step_hours"].values.tolist() == [1.0, 0.25, 1.5]
    assert built["task_energy"].values == pytest.approx([3.9, 0.375, 3.0])
    assert built["flexible_load_power_limit"].values.tolist() == [2.0, 1.5, 2.0]


def test_demand_that_may_be_shed_is_that_of_the_load_and_no_longer_its_owners():
    """A fifth of it, at most 50 W; a second load takes of what is left."""
    plain = inputs()
    built = inputs(
        {"shed_per_kwh": 50, "share_percent": 20, "shed_kw": 0.05, "shed_kwh": 0.4},
        {"shed_per_kwh": 40, "share_percent": 90, "earliest": "10:00", "deadline": "12:00"},
    )
    whole, own = plain["demand"].values[0], built["flexible_load_demand"].values
    np.testing.assert_allclose(own[0], np.minimum(0.2 * whole, 0.05))
    np.testing.assert_allclose(own[1], np.minimum(0.9 * whole, whole - own[0]))
    np.testing.assert_allclose(built["demand"].values[0], whole - own.sum(axis=0))
    np.testing.assert_array_equal(built["task_energy"].values, [0.4, np.nan])
    assert (built["flexible_load_power_limit"].values == own.max(axis=1)).all()


@pytest.mark.parametrize(
    ("row", "field", "want"),
    [
        ({}, "load", "one of energy_kwh, shape and shed_per_kwh"),
        ({"energy_kwh": 3}, "power_kw", "the most power that it draws beside energy_kwh"),
        ({**DEFERRABLE, "shape": "1"}, "load", "one of energy_kwh, shape and shed_per_kwh"),
        ({"shape": "1 1", "power_kw": 2}, "power_kw", "nothing, as the load has no energy_kwh"),
        ({"shed_per_kwh": 9, "step_minutes": 15}, "step_minutes", "nothing, as the load has no shape"),
        ({**DEFERRABLE, "min_power_kw": 2.5}, "min_power_kw", "at most power_kw"),
        (
            {**DEFERRABLE, "min_power_kw": 1, "interruptible": "no"},
            "min_power_kw",
            "nothing, as it runs at power_kw",
        ),
        ({"shape": "0 0"}, "shape", "powers in kW such as 2.0 2.0 0.5, one of them more than a watt"),
        (
            {**DEFERRABLE, "earliest": "2020-08-19T08:00"},
            "deadline",
            'both "HH:MM", or both times with a date',
        ),
        ({**DEFERRABLE, "owner": "c"}, "owner", "a label of participants"),
        ({**DEFERRABLE, "earliest": "24:00"}, "earliest", 'a time of day before "24:00"'),
    ],
)
def test_a_wrong_row_is_named(row, field, want):
    with pytest.raises(InputError) as error:
        load_scenario(scenario(row))
    [problem] = error.value.problems
    assert problem.field.rpartition(".")[2] in (field, "loads", "load0")
    assert want in problem.want


def test_what_no_slot_holds_is_named():
    faults = problems(scenario({**DEFERRABLE, "earliest": "08:10", "deadline": "08:50"}))
    assert [(p.field, p.want) for p in faults] == [
        ("task_deadline", "a window that holds a slot of the horizon or more")
    ]


def test_a_load_that_cannot_be_served_is_named_on_the_command_line(tmp_path):
    """Exit code 3, and no file."""
    path, output = tmp_path / "scenario.yaml", tmp_path / "out.nc"
    path.write_text(
        json.dumps(scenario({"energy_kwh": 9, "power_kw": 1, "earliest": "08:00", "deadline": "12:00"}))
    )
    done = CliRunner().invoke(main, ["clear", str(path), "-o", str(output), "--no-ledger"])
    assert done.exit_code == 3
    assert "flexible_load load0" in done.stderr
    assert "lacks 5 kWh of energy by its deadline" in done.stderr
    assert not output.exists()


def test_a_run_of_the_scenario_is_stored_and_told(tmp_path):
    """A deferrable load, a run and demand that may be shed, cleared from the file to the page."""
    rows = {**DEFERRABLE}, {"shape": "1 0.5"}, {"shed_per_kwh": 20, "share_percent": 30, "shed_kwh": 1}
    tree = otonari.clear(inputs(*rows))
    hours = tree["inputs"]["slot_hours"]
    used = (tree["results"]["flexible_load_power"] * hours).sum("time").values
    assert used[:2] == pytest.approx([3.0, 1.5])
    shed = (tree["inputs"]["flexible_load_demand"] - tree["results"]["flexible_load_power"])[2]
    assert float((shed * hours).sum()) == pytest.approx(1.0)  # 28 a kWh, of 20 that it is worth
    demand = tree["settlement"]["demand_from"].sum(["time", "source"]).sel(participant="a")
    assert float(demand) == pytest.approx(float((tree["inputs"]["demand"][0] * hours).sum()) + used.sum())
