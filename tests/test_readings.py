"""The reader of readings, the table of units and stamps, reference years, and means over slots."""

from datetime import timedelta
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from otonari.data.files.file_format import STAMPS, UNITS, FileFormat, StampName, Unit, UnitName
from otonari.data.problems import InputError
from otonari.data.series import reference_year
from otonari.data.series.power_and_rates import power_over_slots, read_power
from otonari.data.series.readings import Readings, read_readings
from otonari.data.series.resampling import mean_over_slots

UTC = FileFormat()


def write(path, *rows, header="time,a,b"):
    path.write_text("\n".join([header, *rows, ""]))
    return path


def hourly(*values, start="2020-08-03", fmt=UTC):
    starts = np.datetime64(start, "ns") + np.arange(len(values)) * np.timedelta64(1, "h")
    return Readings(
        "F", ("a",), starts, 1.0, np.array([values], dtype=float), np.arange(len(values)) + 2, fmt
    )


def test_all_columns_but_the_time_are_read_if_none_is_named(tmp_path):
    path = write(tmp_path / "f.csv", "2020-08-03T00:00,1,2", "2020-08-03T01:00,3,")
    readings = read_readings(path, (), UTC)
    assert readings.columns == ("a", "b")
    assert (readings.hours, readings.rows.tolist(), readings.fmt) == (1.0, [2, 3], UTC)
    np.testing.assert_array_equal(readings.values, [[1.0, 3.0], [2.0, np.nan]])
    lonely = write(tmp_path / "g.csv", "2020-08-03T00:00", header="time")
    with pytest.raises(InputError, match="got no column but the time, want a column of readings"):
        read_readings(lonely, (), UTC)


def test_problems_of_rows_and_of_the_installed_power_come_at_once(tmp_path):
    path = write(tmp_path / "f.csv", "2020-08-03T00:00,1,2", "noon,1,2", "2020-08-03T01:00,x,2")
    times = pd.date_range("2020-08-03", periods=2, freq="h")
    with pytest.raises(InputError) as caught:
        read_power(path, ["a"], FileFormat("W/kW"), times, 1.0)
    assert [(p.row, p.field) for p in caught.value.problems] == [
        ("3", "time"),
        ("4", "a"),
        ("", "installed_kw"),
    ]


def test_every_unit_and_stamp_that_a_file_may_name_has_a_row():
    assert tuple(UNITS) == get_args(UnitName)
    assert tuple(STAMPS) == get_args(StampName)


def test_a_unit_is_added_by_a_row(monkeypatch, tmp_path):
    # 1.8 MJ within half an hour are 1 kW
    monkeypatch.setitem(UNITS, "kJ", Unit(energy=True, per_kilo=3600.0))
    path = write(tmp_path / "f.csv", "2020-08-03T00:00,1800,0", "2020-08-03T00:30,900,0")
    times = pd.date_range("2020-08-03", periods=2, freq="30min")
    power, _ = read_power(path, ["a"], FileFormat("kJ"), times, 0.5)
    assert power.tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("kW", (2, 3, 0)),
        ("W", (2000, 3000, 0)),
        ("MW", (0.002, 0.003, 0)),
        ("kWh", (1, 1.5, 0)),
        ("Wh", (1000, 1500, 0)),
        ("MWh", (0.001, 0.0015, 0)),
        ("kWh cumulative", (7, 8, 9.5)),
        ("Wh cumulative", (7000, 8000, 9500)),
    ],
)
def test_a_unit_is_what_its_name_says(tmp_path, unit, written):
    """A half-hour at 2 kW and one at 3 kW, in every unit."""
    stamps = ("2020-08-03T00:00", "2020-08-03T00:30", "2020-08-03T01:00")
    path = write(tmp_path / "f.csv", *(f"{s},{v},0" for s, v in zip(stamps, written, strict=True)))
    times = pd.date_range("2020-08-03", periods=2, freq="30min")
    power, _ = read_power(path, ["a"], FileFormat(unit), times, 0.5)
    assert power[0] == pytest.approx([2.0, 3.0], rel=1e-12)


def test_power_per_kilowatt_installed_by_hand():
    times = pd.date_range("2020-08-03", periods=1, freq="2h")
    power, _ = power_over_slots(hourly(500.0, 700.0, fmt=FileFormat("W/kW")), times, 2.0, installed_kw=5.0)
    assert power.tolist() == [[3.0]]
    with pytest.raises(InputError, match="installed_kw: got nothing"):
        power_over_slots(hourly(500.0, 700.0, fmt=FileFormat("W/kW")), times, 2.0)


def test_means_over_slots_weigh_intervals_by_their_share():
    times = pd.date_range("2020-08-03", periods=2, freq="90min")
    mean = mean_over_slots(hourly(1.0, 4.0, 7.0), times, np.full(2, 1.5))
    assert mean[0] == pytest.approx([(1.0 + 4.0 / 2) / 1.5, (4.0 / 2 + 7.0) / 1.5])


def test_a_reference_year_is_set_into_the_years_of_the_slots():
    year = FileFormat(time_zone="Asia/Tokyo", reference_year=True)
    readings = hourly(*range(24), start="2001-02-27T15:00", fmt=year)  # 28 February in Tokyo
    assert reference_year.standard_offset(readings) == timedelta(hours=9)
    leap = reference_year.in_years_of(readings, pd.date_range("2020-02-28T15:00", periods=24, freq="h"))
    at = np.flatnonzero(leap.starts == np.datetime64("2020-02-28T18:00"))  # 29 February repeats the 28th
    assert leap.values[0, at].tolist() == [3.0]
    other = hourly(1.0, 2.0)
    assert reference_year.in_years_of(other, pd.date_range("2021-01-01", periods=2, freq="h")) is other
