"""Readings from files: every trap that real files hold, with energies worked out by hand."""

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otonari.data import clock
from otonari.data.clock import slots
from otonari.data.files.file_format import FileFormat
from otonari.data.problems import InputError
from otonari.data.series.power_and_rates import read_power, read_rate
from otonari.data.series.resampling import resample

REAL = os.environ.get("OTONARI_REAL_DATA")
real = pytest.mark.skipif(not REAL, reason="OTONARI_REAL_DATA is not set")
DAY = slots("2020-08-03", 1, 30, "Asia/Tokyo")
JST = FileFormat(time_zone="Asia/Tokyo")


def table(path: Path, stamps, values, header="time,home", line="{},{}", encoding="utf-8") -> Path:
    rows = [line.format(s, v) for s, v in zip(stamps, values, strict=True)]
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return path


def hours(day="2020-08-03", n=24, step=60, first=0):
    begin = np.datetime64(day, "m") + np.timedelta64(first, "m")
    return [str(begin + np.timedelta64(step * k, "m")) for k in range(n)]


def problems(path, columns=("home",), fmt=JST, times=DAY, **options):
    with pytest.raises(InputError) as caught:
        read_power(path, columns, fmt, times, 0.5, **options)
    return [str(p).replace(str(path), "F") for p in caught.value.problems]


# --- the clock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "zone", "minutes", "count"),
    [
        ("2020-08-03", "Asia/Tokyo", 30, 48),
        ("2021-03-14", "America/Los_Angeles", 30, 46),
        ("2021-11-07", "America/Los_Angeles", 30, 50),
        ("2021-11-07", "-08:00", 30, 48),
        ("2021-04-04", "Australia/Lord_Howe", 30, 49),  # half an hour of summer time
        ("2018-11-04", "America/Sao_Paulo", 60, 23),  # the clock skips midnight itself
    ],
)
def test_a_local_day_has_as_many_slots_as_its_hours(day, zone, minutes, count):
    times = slots(day, 1, minutes, zone)
    assert len(times) == count
    assert (np.diff(times) == np.timedelta64(minutes, "m")).all()
    assert times.tz is None
    assert times.dtype == "datetime64[ns]"
    assert (
        times[-1] + pd.Timedelta(minutes=minutes)
        == slots(str(np.datetime64(day) + np.timedelta64(1, "D")), 1, 30, zone)[0]
    )


def test_slots_name_every_problem_of_their_arguments():
    with pytest.raises(InputError) as caught:
        slots("2020-02-30", 0, 7, "Asia/Tokio", where="x.yaml")
    assert [(p.where, p.field, p.got) for p in caught.value.problems] == [
        ("x.yaml", "slot_minutes", "7"),
        ("x.yaml", "days", "0"),
        ("x.yaml", "start", "'2020-02-30'"),
        ("x.yaml", "time_zone", "'Asia/Tokio'"),
    ]
    assert "did you mean 'Asia/Tokyo'?" in str(caught.value)


def test_a_slot_that_does_not_fit_a_short_day_is_refused():
    with pytest.raises(InputError, match=r"a divisor of the horizon's 23 hours"):
        slots("2021-03-28", 1, 120, "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "naive", "offset"),
    [
        ("2019-01-31T13:30", "2019-01-31T13:30", None),
        ("2019/1/31 9:05:00", "2019-01-31T09:05", None),
        ("2019-12-31 24:00", "2020-01-01T00:00", None),
        ("2019-01-31", "2019-01-31T00:00", None),
        ("2019-01-31T13:30Z", "2019-01-31T13:30", 0),
        ("2019-01-31T13:30:00+09:00", "2019-01-31T13:30", 9),
        ("2019-01-31 13:30-0330", "2019-01-31T13:30", -3.5),
    ],
)
def test_stamps_as_people_write_them(text, naive, offset):
    moment, found = clock.stamp(text)
    assert np.datetime64(moment, "m") == np.datetime64(naive)
    assert found == (None if offset is None else timedelta(hours=offset))


@pytest.mark.parametrize(
    "text", ["", "noon", "2019-02-29T00:00", "31/01/2019 10:00", "2019-01-01T24:30", "2019"]
)
def test_what_is_no_stamp_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        clock.stamp(text or "?")


# --- units, stamps and steps -------------------------------------------------------------------------------------


def test_hours_become_half_hours_of_the_same_power(tmp_path):
    path = table(tmp_path / "a.csv", hours(), range(24))
    power, notes = read_power(path, ["home"], JST, DAY, 0.5)
    assert power.tolist() == [[float(k // 2) for k in range(48)]]
    assert notes == []


def test_quarters_of_energy_add_up(tmp_path):
    """A quarter-hour of 0.25 kWh is 1 kW, so 0.25 and 0.75 kWh make a half-hour of (1 + 3) / 2 = 2 kW."""
    path = table(tmp_path / "a.csv", hours(n=96, step=15), [0.25, 0.75] * 48)
    power, _ = read_power(path, ["home"], FileFormat("kWh", time_zone="Asia/Tokyo"), DAY, 0.5)
    assert power.tolist() == [[2.0] * 48]


def test_twenty_minutes_cross_half_hours(tmp_path):
    """Powers 3, 6, 0 of 20 minutes: the first half-hour has 20 min of 3 and 10 of 6 = 4, the second 10 of 6 = 2."""
    path = table(tmp_path / "a.csv", hours(n=72, step=20), [3, 6, 0] * 24)
    power, _ = read_power(path, ["home"], JST, DAY, 0.5)
    np.testing.assert_allclose(power[0], [4, 2] * 24, rtol=1e-15)


@pytest.mark.parametrize(("stamp", "first"), [("start", 0), ("middle", 15), ("end", 30)])
def test_stamps_at_start_middle_and_end_mean_the_same_slots(tmp_path, stamp, first):
    path = table(tmp_path / "a.csv", hours(n=48, step=30, first=first), range(48))
    power, _ = read_power(path, ["home"], FileFormat(stamp=stamp, time_zone="Asia/Tokyo"), DAY, 0.5)
    assert power.tolist() == [list(map(float, range(48)))]


def test_a_counter_is_the_energy_between_its_readings(tmp_path):
    """The counter climbs by 0.5 kWh in each half-hour: 1 kW. A counter's stamp is its instant, whatever is told."""
    path = table(tmp_path / "a.csv", hours(n=49, step=30), [1000 + 0.5 * k for k in range(49)])
    fmt = FileFormat("kWh cumulative", stamp="end", time_zone="Asia/Tokyo")
    power, _ = read_power(path, ["home"], fmt, DAY, 0.5)
    np.testing.assert_allclose(power, np.ones((1, 48)), rtol=1e-12)


def test_a_counter_that_falls_is_a_problem(tmp_path):
    path = table(tmp_path / "a.csv", hours(n=49, step=30), [*range(1000, 1048), 3])
    (only,) = problems(path, fmt=FileFormat("kWh cumulative", time_zone="Asia/Tokyo"))
    assert (
        only
        == "F:50: home: got -2088 kW, want at least 0 (-0.02 kW is taken for an offset; a new meter? meter_changes)"
    )


def test_a_row_that_a_counter_misses_is_a_gap(tmp_path):
    stamps = hours(n=49, step=30)
    path = table(tmp_path / "a.csv", stamps[:10] + stamps[11:], [1000 + 0.5 * k for k in range(48)])
    (only,) = problems(path, fmt=FileFormat("kWh cumulative", time_zone="Asia/Tokyo"))
    assert only.startswith(
        "F:11: time: got no readings from 2020-08-03T04:30 to 2020-08-03T05:30 "
        "(2020-08-02T19:30 to 2020-08-02T20:30 UTC)"
    )


def test_watts_per_installed_kilowatt(tmp_path):
    """500 W/kW on 4 kW give 2 kW; the same column serves a second array of 1 kW."""
    path = table(tmp_path / "a.csv", hours(), [500] * 24)
    fmt = FileFormat("W/kW", time_zone="Asia/Tokyo")
    power, _ = read_power(path, ["home", "home"], fmt, DAY, 0.5, installed_kw=[4, 1])
    assert power.tolist() == [[2.0] * 48, [0.5] * 48]
    assert "installed_kw: got nothing" in problems(path, fmt=fmt)[0]


def test_a_japanese_table_with_decimal_commas(tmp_path):
    stamps = [s.replace("-", "/").replace("T", " ") for s in hours()]
    path = table(
        tmp_path / "表.csv", stamps, ["1,5"] * 24, "東京電力;;\n日時;自宅 需要", "{};{}", encoding="cp932"
    )
    fmt = FileFormat(
        time_zone="Asia/Tokyo", time_column="日時", decimal=",", separator=";", encoding="cp932", skip_rows=1
    )
    power, _ = read_power(path, ["自宅 需要"], fmt, DAY, 0.5)
    assert power.tolist() == [[1.5] * 48]


def test_comments_and_blank_lines_are_left_aside(tmp_path):
    path = table(tmp_path / "a.csv", hours(), range(24), header="# source, licence\n\ntime,home\n# a remark")
    assert read_power(path, ["home"], JST, DAY, 0.5)[0][0, ::2].tolist() == list(map(float, range(24)))


def test_day_first_stamps_by_their_pattern_and_a_byte_order_mark(tmp_path):
    stamps = [f"03.08.2020 {h:02}:00" for h in range(24)]
    path = table(tmp_path / "a.csv", stamps, [2] * 24, header="\ufefftime,home")
    fmt = FileFormat(time_zone="Asia/Tokyo", time_format="%d.%m.%Y %H:%M")
    assert read_power(path, ["home"], fmt, DAY, 0.5)[0].tolist() == [[2.0] * 48]
    assert "F:2: time: got '03.08.2020 00:00', want a time such as" in problems(path)[0]


# --- clocks that change ------------------------------------------------------------------------------------------

PACIFIC = "America/Los_Angeles"
FALL = slots("2021-11-07", 1, 30, PACIFIC)
SPRING = slots("2021-03-14", 1, 30, PACIFIC)


def local_stamps(times, zone=PACIFIC):
    return [t.strftime("%Y-%m-%dT%H:%M") for t in clock.local(pd.DatetimeIndex(times), zone)]


@pytest.mark.parametrize("times", [FALL, SPRING], ids=["fall", "spring"])
@pytest.mark.parametrize("stamp", ["start", "middle", "end"])
def test_a_wall_clock_that_changes_is_followed(tmp_path, times, stamp):
    shift = pd.Timedelta(minutes=15 * ("start", "middle", "end").index(stamp))
    path = table(tmp_path / "a.csv", local_stamps(times + shift), range(len(times)))
    fmt = FileFormat(time_zone=PACIFIC, stamp=stamp)
    power, _ = read_power(path, ["home"], fmt, times, 0.5)
    assert power.tolist() == [list(map(float, range(len(times))))]


@pytest.mark.parametrize("times", [FALL, SPRING], ids=["fall", "spring"])
def test_ends_written_as_start_plus_step_are_followed(tmp_path, times):
    """On the day of the change such a logger writes 02:00 twice in autumn, and in spring an 02:00 that never was."""
    naive = pd.DatetimeIndex(local_stamps(times)) + pd.Timedelta(minutes=30)
    path = table(tmp_path / "a.csv", naive.strftime("%Y-%m-%dT%H:%M"), range(len(times)))
    fmt = FileFormat(time_zone=PACIFIC, stamp="end")
    assert read_power(path, ["home"], fmt, times, 0.5)[0].tolist() == [list(map(float, range(len(times))))]


def test_standard_time_all_year_is_a_fixed_offset(tmp_path):
    """05:00 at -08:00 is 06:00 in Los Angeles in August: the first slot of the local day is 23:00 the day before."""
    path = table(tmp_path / "a.csv", hours("2020-08-02", n=48), range(48))
    times = slots("2020-08-03", 1, 60, PACIFIC)
    for zone in ("-08:00", "Etc/GMT+8"):
        power, _ = read_power(path, ["home"], FileFormat(time_zone=zone), times, 1.0)
        assert power.tolist() == [list(map(float, range(23, 47)))]


def test_stamps_with_an_offset_are_honoured(tmp_path):
    path = table(tmp_path / "a.csv", [s + "+09:00" for s in hours()], range(24))
    power, _ = read_power(path, ["home"], FileFormat(time_zone=PACIFIC), DAY, 0.5)
    assert power[0, ::2].tolist() == list(map(float, range(24)))


def test_a_price_holds_throughout_its_interval(tmp_path):
    path = table(tmp_path / "spot.csv", hours(), [float(h - 2) for h in range(24)])  # negative at first
    prices, _ = read_rate(path, "home", JST, DAY, 0.5)
    assert prices.tolist() == [h - 2.0 for h in range(24) for _ in "ab"]
    days = slots("2020-08-03", 1, 1440, "Asia/Tokyo")
    assert read_rate(path, "home", JST, days, 24.0)[0] == pytest.approx([9.5])  # the mean of -2 to 21, no sum


def test_a_price_of_energy_does_not_depend_on_the_unit_of_power(tmp_path):
    path = table(tmp_path / "spot.csv", hours(step=30, n=48), [12.0] * 48)
    for unit in ("kW", "kWh"):
        fmt = FileFormat(time_zone="Asia/Tokyo", unit=unit)
        assert read_rate(path, "home", fmt, DAY, 0.5)[0].tolist() == [12.0] * 48


def test_rates_have_every_problem_at_once(tmp_path):
    values = [1.0] * 24
    values[3], values[7] = -0.5, float("nan")
    path = table(tmp_path / "carbon.csv", hours(), values)
    with pytest.raises(InputError) as caught:
        read_rate(path, "home", JST, DAY, 0.5, least=0.0)
    assert [(p.row, p.got, p.want) for p in caught.value.problems] == [
        ("5", "-0.5", "at least 0"),
        ("9", "no value", "a number"),
    ]


def test_a_time_that_the_clock_skips_is_a_problem(tmp_path):
    path = table(tmp_path / "a.csv", hours("2021-03-14", n=48, step=30), range(48))
    found = problems(path, fmt=FileFormat(time_zone=PACIFIC), times=SPRING)
    assert found[0].startswith(
        "F:6: time: got 2021-03-14T02:00, want a time that the clock of America/Los_Angeles"
    )
    assert found[1].startswith("F:7: time: got 2021-03-14T02:30")


def test_a_fall_day_of_48_rows_misses_an_hour(tmp_path):
    path = table(tmp_path / "a.csv", hours("2021-11-07", n=48, step=30), range(48))
    (only,) = problems(path, fmt=FileFormat(time_zone=PACIFIC), times=FALL)
    want = "want a reading every 30 minutes"
    assert (
        only == f"F:5: time: got no readings from 2021-11-07T01:00 to 2021-11-07T02:00 "
        f"(2021-11-07T09:00 to 2021-11-07T10:00 UTC), {want}"
    )


# --- reference years ---------------------------------------------------------------------------------------------


def year(tmp_path, first, days):
    stamps = hours(first, n=24 * days)
    # the value names the local month, day and hour: 22813 = 28 February, 13 h
    values = [int(s[5:7]) * 10000 + int(s[8:10]) * 100 + int(s[11:13]) for s in stamps]
    return table(tmp_path / f"{first}.csv", stamps, values)


def look_up(path, day, days=1):
    fmt = FileFormat(time_zone="Asia/Tokyo", reference_year=True)
    return read_power(path, ["home"], fmt, slots(day, days, 60, "Asia/Tokyo"), 1.0)[0][0]


@pytest.mark.parametrize(("first", "days"), [("2019-01-01", 365), ("2020-01-01", 366), ("2018-08-01", 365)])
def test_a_reference_year_is_matched_by_month_day_and_hour(tmp_path, first, days):
    path = year(tmp_path, first, days)
    np.testing.assert_array_equal(look_up(path, "2033-07-15"), 71500.0 + np.arange(24))
    over = look_up(path, "2025-12-31", 2)
    np.testing.assert_array_equal(over[[0, 23, 24, 47]], [123100, 123123, 10100, 10123])


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "-08:00"])
def test_a_reference_year_keeps_standard_time_all_year(tmp_path, zone):
    """Midnight in Los Angeles is 23:00 standard time of the day before in July, and 00:00 in January."""
    path, fmt = year(tmp_path, "2019-01-01", 365), FileFormat(time_zone=zone, reference_year=True)
    for day, first in (("2033-07-15", 71423), ("2033-01-15", 11500)):
        assert read_power(path, ["home"], fmt, slots(day, 1, 60, PACIFIC), 1.0)[0][0, 0] == first


def test_leap_days_of_reference_years(tmp_path):
    """29 February reads 28 February where the file has none, and is left out where the horizon has none."""
    plain, leap = year(tmp_path, "2019-01-01", 365), year(tmp_path, "2020-01-01", 366)
    assert look_up(plain, "2024-02-28", 3)[::24].tolist() == [22800, 22800, 30100]
    assert look_up(leap, "2024-02-28", 3)[::24].tolist() == [22800, 22900, 30100]
    assert look_up(leap, "2023-02-28", 2)[::24].tolist() == [22800, 30100]


# --- odd and broken files ----------------------------------------------------------------------------------------


def test_small_negative_readings_are_clipped_and_reported(tmp_path):
    path = table(tmp_path / "a.csv", hours(), [-0.02, *[4.0] * 23])
    power, notes = read_power(path, ["home"], JST, DAY, 0.5)
    assert power[0, :3].tolist() == [0.0, 0.0, 4.0]
    assert notes == [
        f"{path}: home: 1 small negative readings, the least -0.02 kW, the first at row 2, are used as 0"
    ]


def test_large_negative_readings_are_a_problem(tmp_path):
    path = table(tmp_path / "a.csv", hours(), [4.0, -0.05, *[1.0] * 22])
    assert problems(path) == ["F:3: home: got -0.05 kW, want at least 0 (-0.04 kW is taken for an offset)"]


def test_a_day_of_exact_zeros_is_reported_and_used(tmp_path):
    path = table(tmp_path / "a.csv", hours(n=48), [1.0] + [0.0] * 24 + [1.0] * 23)
    power, notes = read_power(path, ["home"], JST, DAY, 0.5)
    assert power[0].tolist() == [1.0] * 2 + [0.0] * 46
    assert notes == [
        f"{path}: home: exactly 0 for 23 h of the time used, in 1 runs of 24 h or more (the longest: rows 3 to 26): "
        "missing readings?"
    ]
    path = table(tmp_path / "a.csv", hours(n=48), [1.0] + [0.0] * 23 + [1.0] * 24)
    assert read_power(path, ["home"], JST, DAY, 0.5)[1] == []
    assert "in 1 runs of 3 h or more" in read_power(path, ["home"], JST, DAY, 0.5, quantity="demand")[1][0]


def test_every_problem_of_a_file_is_listed_at_once(tmp_path):
    stamps = hours()
    stamps[4], stamps[8], stamps[9] = "later", stamps[7], "2020-08-03T08:20"
    path = table(tmp_path / "a.csv", stamps, [1, "x", "inf", *[1] * 17, "2,5", 1, 1, 1])
    assert problems(path) == [
        "F:22: row: got 3 cells, want 2, as in the header",
        "F:6: time: got 'later', want a time such as 2019-01-31T13:30",
        "F:3: home: got 'x', want a number with the decimal mark '.'",
        "F:4: home: got 'inf', want a number with the decimal mark '.'",
        "F:10: time: got the time of row 9 again, want each time once",
        "F:11: time: got 80 minutes after, want readings every 60 minutes",
        "F:12: time: got 100 minutes after, want readings every 60 minutes",
    ]


def test_gaps_and_empty_cells_matter_within_the_slots_only(tmp_path):
    stamps, values = hours(n=72), ["1.0"] * 72
    values[5] = ""
    values[60] = "NaN"
    del stamps[10:12], values[10:12]
    path = table(tmp_path / "a.csv", stamps, values)
    assert problems(path) == [
        "F:11: time: got no readings from 2020-08-03T10:00 to 2020-08-03T12:00 "
        "(2020-08-03T01:00 to 2020-08-03T03:00 UTC), want a reading every 60 minutes",
        "F:7: home: got no value, want a number",
    ]
    whole = slots("2020-08-04", 1, 30, "Asia/Tokyo")
    assert read_power(path, ["home"], JST, whole, 0.5)[0].tolist() == [[1.0] * 48]


def test_a_gap_wider_than_the_horizon_is_one_gap(tmp_path):
    path = table(tmp_path / "a.csv", hours("2020-08-01") + hours("2020-08-06"), [1] * 48)
    (only,) = problems(path)
    assert only.startswith(
        "F:25: time: got no readings from 2020-08-03T00:00 to 2020-08-04T00:00 "
        "(2020-08-02T15:00 to 2020-08-03T15:00 UTC)"
    )


def test_a_file_of_another_time_is_said_so(tmp_path):
    path = table(tmp_path / "a.csv", hours("2019-08-03"), [1] * 24)
    assert problems(path) == [
        "F: time: got readings from 2019-08-03T00:00 to 2019-08-04T00:00 (2019-08-02T15:00 to 2019-08-03T15:00 UTC), "
        "want readings for 2020-08-03T00:00 to 2020-08-04T00:00 (2020-08-02T15:00 to 2020-08-03T15:00 UTC)"
    ]


def test_a_file_that_ends_early_is_a_gap(tmp_path):
    path = table(tmp_path / "a.csv", hours(n=23), [1] * 23)
    (only,) = problems(path)
    assert only.startswith(
        "F:24: time: got no readings from 2020-08-03T23:00 to 2020-08-04T00:00 "
        "(2020-08-03T14:00 to 2020-08-03T15:00 UTC)"
    )


@pytest.mark.parametrize("order", ["backward", "shuffled"])
def test_rows_in_any_order_are_placed_by_their_stamps(tmp_path, order):
    rows = list(zip(hours(), range(24), strict=True))
    rows = rows[::-1] if order == "backward" else rows[1::2] + rows[::2]
    path = table(tmp_path / "a.csv", *zip(*rows, strict=True))
    assert read_power(path, ["home"], JST, DAY, 0.5)[0][0, ::2].tolist() == list(map(float, range(24)))


def test_many_like_problems_are_counted(tmp_path):
    path = table(tmp_path / "a.csv", hours(), ["?"] * 24)
    found = problems(path)
    assert len(found) == 6
    assert found[-1].startswith("F:~: home: got 19 more rows like these, to row 25")


@pytest.mark.parametrize(
    ("content", "fmt", "column", "want"),
    [
        (b"", JST, "home", "F: file: got an empty file, want a header and rows"),
        (b"time,home\n", JST, "home", "F: time: got 0 readings, want at least two rows of readings"),
        (b"time,home\n", JST, "hime", "F:1: hime: got the columns time, home, want a column 'hime' in the header "
                                      "(did you mean 'home'?)"),
        (b"time,home,home\n", JST, "home", "F:1: home: got 2 columns of this name, want one column of this name"),
        (b"time;home\n1;2\n", JST, "home", "F:1: separator: got one column, cut at ',', want columns (separator: ';'?)"),
        ("time,家\n".encode("cp932"), JST, "home", "F:1: encoding: got bytes that are not utf-8, want text in utf-8 (or "
                                                  "encoding: cp932, which it can be read in)"),
        (b"time,home\n", FileFormat(encoding="utf-9"), "home",
         "F: encoding: got 'utf-9', want an encoding such as utf-8 or cp932"),
        (b"time,home\n", FileFormat(unit="W/KW"), "home", "F: unit: got 'W/KW', want one of 'kW', 'kWh', 'W/kW', "
                                                       "'kWh cumulative', 'W', 'Wh', 'MW', 'MWh', 'Wh cumulative' "
                                                       "(did you mean 'W/kW'?)"),
        (b"time,home\n2020-08-03\n", JST, "home", "F:2: row: got 1 cells, want 2, as in the header"),
        (b"time,home\n2020-08-03T00:00,1\n2020-08-03T01:00+09:00,1\n2020-08-03T02:00,1\n", JST, "home",
         "F:3: time: got a stamp with offset, want stamps of one kind, as in the other rows"),
    ],
)  # fmt: skip
def test_one_clear_message_for_a_broken_file(tmp_path, content, fmt, column, want):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    assert problems(path, [column], fmt)[0] == want


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert problems(tmp_path / "none.csv") == [
        "F: file: got no such file or directory, want a readable CSV file"
    ]
    assert problems(tmp_path)[0].endswith("want a readable CSV file")


def test_the_wrong_decimal_mark_is_recognised(tmp_path):
    path = table(tmp_path / "a.csv", hours(), ["1,5"] * 24, line='{},"{}"')
    assert (
        problems(path)[0] == "F:2: home: got '1,5', want a number with the decimal mark '.' (decimal: ','?)"
    )


# --- properties --------------------------------------------------------------------------------------------------


@given(
    values=st.lists(st.floats(0, 1e4), min_size=1, max_size=40),
    step=st.sampled_from([5, 10, 15, 20, 30, 45, 60, 180]),
    slot=st.sampled_from([5, 10, 15, 20, 30, 45, 60, 180]),
    lead=st.integers(0, 200),
)
def test_resampling_preserves_energy_and_bounds(values, step, slot, lead):
    """Slots that cover the readings from a common start, padded with zeros at both ends, hold the same energy."""
    begin = np.datetime64("2020-01-01", "ns")
    pad = 300 // step + 1
    power = np.concatenate([np.zeros(pad), values, np.zeros(pad + 2 * 180 // step)])
    starts = begin + np.arange(len(power)) * np.timedelta64(step, "m")
    first = begin + np.timedelta64(lead, "m")
    count = -(-((pad + len(values)) * step - lead) // slot)
    times = first + np.arange(count) * np.timedelta64(slot, "m")
    means = resample(starts, step / 60, power[None], times, np.full(count, slot / 60))[0]
    assert means.sum() * slot == pytest.approx(sum(values) * step, rel=1e-12)
    assert means.min() >= 0
    assert means.max() <= max(values) * (1 + 1e-12)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=48))
def test_equal_steps_pass_unchanged(values):
    starts = np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(30, "m")
    assert resample(starts, 0.5, np.array([values]), starts, np.full(len(values), 0.5)).tolist() == [values]


def test_a_slot_that_is_not_covered_is_no_number():
    starts = np.array(["2020-01-01T00", "2020-01-01T02"], dtype="datetime64[ns]")
    times = starts[0] + np.arange(6) * np.timedelta64(30, "m")
    means = resample(starts, 1.0, np.array([[1.0, 2.0]]), times, np.full(6, 0.5))
    np.testing.assert_array_equal(means, [[1, 1, np.nan, np.nan, 2, 2]])


# --- measured homes ----------------------------------------------------------------------------------------------


@real
def test_fontana_homes_keep_their_energy():
    """A year of 17 homes at the Pacific's standard time, hourly to half-hourly over both changes of the clock."""
    folder = Path(str(REAL)) / "fontana_homes"
    homes = [f"home_{k:02}" for k in range(1, 18)]
    times = slots("2016-08-02", 363, 30, PACIFIC)
    raw = pd.read_csv(folder / "demand_kw.csv", index_col="time", parse_dates=True)[homes]
    raw.index = raw.index + pd.Timedelta(hours=8)
    used = raw.loc[times[0] : times[-1]]
    power, notes = read_power(
        folder / "demand_kw.csv", homes, FileFormat(time_zone="-08:00"), times, 0.5, quantity="demand"
    )
    assert power.shape == (17, 363 * 48)
    np.testing.assert_allclose(power.sum(axis=1) * 0.5, used.sum().to_numpy(), rtol=1e-12)
    assert any("home_12: exactly 0 for" in note for note in notes)


@real
def test_the_fontana_hour_that_is_missing_is_named():
    path = Path(str(REAL)) / "fontana_homes" / "pv_kw.csv"
    (only,) = problems(
        path, ["home_01"], FileFormat(time_zone="-08:00"), slots("2017-07-31", 1, 30, "-08:00")
    )
    assert only.startswith(
        "F:8760: time: got no readings from 2017-07-31T23:00 to 2017-08-01T00:00 "
        "(2017-08-01T07:00 to 2017-08-01T08:00 UTC)"
    )


# --- rows, days and numbers that are none --------------------------------------------------------------------------


@pytest.mark.parametrize("row", ["{},0,5", "{}", "{},0,"])
def test_a_row_has_as_many_cells_as_the_header(tmp_path, row):
    """An unquoted decimal comma is no second number."""
    stamps = hours()
    lines = ["time,home", *(f"{s},0" for s in stamps), "", ""]
    lines[3] = row.format(stamps[2])
    path = tmp_path / "x.csv"
    path.write_text("\n".join(lines))
    got = f"F:4: row: got {row.count(',') + 1} cells, want 2, as in the header"
    assert got in problems(path)
    with pytest.raises(InputError, match="as in the header"):
        read_rate(path, "home", JST, DAY, 0.5)


def test_a_column_without_a_name_is_left_alone(tmp_path):
    path = table(tmp_path / "x.csv", hours(), [5] * 24, header="time,home,", line="{},1,{}")
    assert read_power(path, ["home"], JST, DAY, 0.5)[0].tolist() == [[1.0] * 48]


def test_readings_that_no_meter_counts(tmp_path):
    path = table(tmp_path / "x.csv", hours(), ["1e308", *[1] * 23])
    assert problems(path) == ["F:2: home: got '1e308', want a magnitude of at most 1e+12"]


def test_a_day_that_a_zone_skipped_is_none():
    with pytest.raises(InputError, match="'2011-12-30', want a day that the calendar of Pacific/Apia has"):
        slots("2011-12-30", 2, 30, "Pacific/Apia")
    assert len(slots("2011-12-29", 1, 30, "Pacific/Apia")) == 48
    assert len(slots("2011-12-29", 3, 30, "Pacific/Apia")) == 96


@pytest.mark.parametrize("start", ["0001-01-01", "1600-01-01", "2262-04-11", "2300-01-01", "9999-12-31"])
def test_years_that_nanoseconds_cannot_count(start):
    with pytest.raises(InputError, match="start"):
        slots(start, 1, 30, "UTC")
