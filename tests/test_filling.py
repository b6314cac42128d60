"""Gaps and changed meters are read as the user says, and every filled slot is counted and kept."""

import json

import numpy as np
import pytest

from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import digest, effective, load_scenario
from otonari.runs.clear.single import clear

from .test_forms import HOURS, SPRING, rows, wall
from .test_plausibility import scenario


def read(given):
    """Return the demand of the home (time,) [kW], the notes without the file, and what is kept of filled slots."""
    inputs = build_inputs(load_scenario(given))
    where = given["series"]["demand"]["path"]
    notes = [n.replace(f"{where}: ", "") for n in json.loads(inputs.attrs["notes"])]
    kept = [(f["column"], f["slots"]) for f in json.loads(inputs.attrs.get("filled", "[]"))]
    return inputs["demand"].values[0], notes, kept


def holed(lines, *missing):
    return [line for n, line in enumerate(lines) if n not in missing]


TWO_DAYS = rows("{t},{v}", [*(h + 1 for h in HOURS), *HOURS], day="2025-01-14")


def test_a_gap_is_refused_unless_the_user_says_otherwise(tmp_path):
    given = scenario(tmp_path, holed(TWO_DAYS, 30, 31))
    assert "no readings from" in str(problems(given)[0])


@pytest.mark.parametrize(
    ("gaps", "filled"),
    [
        ("zero", [0.0, 0.0]),
        ("interpolate", [0.16, 0.17]),  # between 0.15 at 05:00 and 0.18 at 08:00
        ("day-before", [1.16, 1.17]),
    ],
)
def test_a_gap_is_filled_as_the_user_says(tmp_path, gaps, filled):
    given = scenario(tmp_path, holed(TWO_DAYS, 30, 31), {"gaps": gaps})
    power, notes, kept = read(given)
    assert power[6:8] == pytest.approx(filled)
    assert np.delete(power, [6, 7]) == pytest.approx(np.delete(HOURS, [6, 7]), abs=1e-9)
    assert notes == [
        f"home: 2 slots without readings are filled (gaps: {gaps}), the first at 2025-01-15T06:00"
    ]
    assert kept == [("home", ["2025-01-15 05:00:00", "2025-01-15 06:00:00"])]
    loaded = load_scenario(given)
    assert digest(load_scenario(effective(loaded))) == digest(loaded)
    assert json.loads(clear(build_inputs(loaded))["inputs"].attrs["filled"])[0]["column"] == "home"


@pytest.mark.parametrize(("gaps", "want"), [("interpolate", [0.16, 0.17]), ("day-before", [1.16, 1.17])])
def test_gaps_of_prices_and_of_carbon_are_filled_and_kept_too(tmp_path, gaps, want):
    given = scenario(tmp_path, TWO_DAYS)
    (tmp_path / "p.csv").write_text("\n".join(["time,eur", *holed(TWO_DAYS, 30, 31)]))
    price = {"type": "series", "path": str(tmp_path / "p.csv"), "column": "eur", "gaps": gaps}
    carbon = {"path": str(tmp_path / "p.csv"), "column": "eur", "gaps": gaps}
    given["tariffs"]["std"]["energy"], given["carbon"] = price, {"grid": carbon}
    inputs = build_inputs(load_scenario(given))
    assert inputs["retail_price"].values[0, 6:8] == pytest.approx(want)
    assert inputs["grid_carbon"].values[6:8] == pytest.approx(want)
    kept = json.loads(inputs.attrs["filled"])
    assert [(f["quantity"], f["column"], len(f["slots"])) for f in kept] == [
        ("price", "eur", 2),
        ("carbon", "eur", 2),
    ]
    told = [n for n in json.loads(inputs.attrs["notes"]) if f"(gaps: {gaps})" in n]
    assert len(told) == 1  # one file, read more than once
    given["tariffs"]["std"]["energy"] = price | {"gaps": "refuse"}
    assert "no readings from" in str(problems(given)[0])


def test_the_week_before_is_that_of_the_local_clock(tmp_path):
    """Week and day of the spring change: 12:00 in summer time is what 12:00 was in winter time."""
    week = [f"2025-03-23 {h:02}:00,{h}" for h in range(24)]
    lines = [*week, *(f"{t},{t[11:13]}" for t in wall(SPRING) if t[11:13] not in ("12", "13"))]
    given = scenario(tmp_path, lines, {"unit": "kW", "gaps": "week-before"}, row={"kind": "business"})
    given["time"]["start"] = SPRING
    power, _, _ = read(given)
    assert power.tolist() == [0.0, 1.0, *map(float, range(3, 24))]


def test_a_longer_gap_than_the_user_says_stays_a_problem(tmp_path):
    lines = holed(TWO_DAYS, 30, 31)
    assert problems(scenario(tmp_path, lines, {"gaps": "zero", "gaps_up_to_hours": 2})) == []
    assert problems(scenario(tmp_path, lines, {"gaps": "zero", "gaps_up_to_hours": 1}))
    assert problems(
        scenario(tmp_path, holed(TWO_DAYS, 30, 31, 32, 33), {"gaps": "interpolate"})
    )  # 3 hours at most
    assert problems(scenario(tmp_path, holed(TWO_DAYS, 46, 47), {"gaps": "interpolate"}))  # nothing behind it
    assert problems(scenario(tmp_path, holed(TWO_DAYS, 6, 30), {"gaps": "day-before"}))  # nor the day before


def test_an_empty_cell_is_a_gap(tmp_path):
    lines = [*TWO_DAYS]
    lines[30] = lines[30].rpartition(",")[0] + ","
    power, _, kept = read(scenario(tmp_path, lines, {"gaps": "zero"}))
    assert power[6] == 0.0
    assert kept == [("home", ["2025-01-15 05:00:00"])]


def test_a_counter_keeps_its_energy_over_a_gap(tmp_path):
    """A row at 07:00 is missing: the 0.16 + 0.17 kWh from 06:00 to 08:00 are spread evenly."""
    counts = [100 + sum(HOURS[:n]) for n in range(25)]
    form = {"unit": "kWh cumulative", "gaps": "interpolate"}
    power, notes, kept = read(scenario(tmp_path, holed(rows("{t},{v}", counts), 7), form))
    assert power[6:8] == pytest.approx([0.165, 0.165])
    assert power.sum() == pytest.approx(sum(HOURS))
    assert notes == ["1 gaps of the counter are spread evenly (gaps: interpolate), the first before row 9"]
    assert kept == []


COUNTS = [12345 + n / 2 for n in range(13)] + [0.2 + n / 2 for n in range(12)]


def test_a_changed_meter_is_refused_unless_the_user_says_it(tmp_path):
    given = scenario(tmp_path, rows("{t},{v}", COUNTS), {"unit": "kWh cumulative"})
    (problem,) = problems(given)
    assert (problem.row, problem.got) == ("15", "-12350.8 kW")
    assert problem.want.endswith("a new meter? meter_changes)")


def test_a_changed_meter_counts_what_both_counted(tmp_path):
    """12351.0 at 12:00 and 12351.3 when it was taken off, the new one from 0.0 to 0.2 at 13:00: 0.3 + 0.2 kWh."""
    change = {"at": "2025-01-15T12:36", "last": 12351.3, "first": 0.0}
    form = {"unit": "kWh cumulative", "meter_changes": [change]}
    power, notes, _ = read(scenario(tmp_path, rows("{t},{v}", COUNTS), form))
    assert power == pytest.approx(0.5)
    assert notes == ["home: row 15: a new meter, 0.3 on the old and 0.2 on it"]
    other = {"unit": "kWh cumulative", "meter_changes": [{**change, "column": "garage"}]}
    assert problems(scenario(tmp_path, rows("{t},{v}", COUNTS), other))


def test_a_fall_is_a_new_meter_where_the_user_says_so(tmp_path):
    form = {"unit": "kWh cumulative", "meter_changes": "at-a-drop"}
    power, notes, _ = read(scenario(tmp_path, rows("{t},{v}", COUNTS), form))
    assert power.sum() == pytest.approx(23 * 0.5 + 0.2)
    assert notes == ["home: row 15: the counter falls from 12351 to 0.2, taken for a new meter from 0"]
