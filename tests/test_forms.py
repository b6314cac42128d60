"""Files as people really hold them: each loads as it is, and has the energy that its numbers add up to."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from otonari.data.assembly.inputs import build_inputs
from otonari.data.clock import slots
from otonari.data.files.file_format import FileFormat
from otonari.data.loading.scenario import digest, load_scenario
from otonari.data.problems import InputError
from otonari.data.series.power_and_rates import read_power
from otonari.data.series.readings import read_meters

BERLIN = "Europe/Berlin"
WINTER, SPRING, FALL = "2025-01-15", "2025-03-30", "2025-10-26"
HOURS = [0.1 + 0.01 * h for h in range(24)]  # kWh of each hour: 5.16 kWh a day


def german(value):
    return f"{value:.3f}".replace(".", ",")


def stamp(n, minutes=60, day=WINTER, pattern="%Y-%m-%d %H:%M"):
    return (datetime.fromisoformat(day) + timedelta(minutes=n * minutes)).strftime(pattern)


def wall(day, minutes=60, zone=BERLIN, pattern="%Y-%m-%d %H:%M"):
    """Return the times that the clock of a zone shows at the starts of the slots of a day."""
    return [
        t.tz_localize("UTC").tz_convert(ZoneInfo(zone)).strftime(pattern)
        for t in slots(day, 1, minutes, zone)
    ]


def rows(pattern, values=HOURS, minutes=60, shift=0, day=WINTER, stamps="%Y-%m-%d %H:%M"):
    """Return a row per value: ``{t}`` its time, ``{v}`` the value, ``{g}`` as Germans write it, ``{n}`` from 1."""
    return [
        pattern.format(t=stamp(n + shift, minutes, day, stamps), v=f"{v:.3f}", g=german(v), n=n + 1)
        for n, v in enumerate(values)
    ]


def epoch(n, scale=1):
    return int(datetime.fromisoformat(WINTER).replace(tzinfo=ZoneInfo(BERLIN)).timestamp() + 3600 * n) * scale


def day_row(values, mark=","):
    return mark.join(f"{v:.4f}" for v in values)


KWH = {"unit": "kWh", "time_zone": BERLIN}
SEMICOLON = {**KWH, "separator": ";", "decimal": ","}
QUARTERS = [h / 4 for h in HOURS for _ in range(4)]
HALVES = [h / 2 for h in HOURS for _ in range(2)]

# name, lines, format, column, kWh of the day (None: the sum of HOURS), day
FORMS = [
    (
        "date and hour ending",
        ["date;hour;home", *(f"2025/01/15;{h + 1:02}:00;{german(v)}" for h, v in enumerate(HOURS))],
        {**SEMICOLON, "time_column": "date", "clock_column": "hour", "stamp": "end"},
        "home",
    ),
    (
        "date and time",
        ["date,clock,home", *rows("{t},{v}", stamps="%Y-%m-%d,%H:%M")],
        {**KWH, "time_column": "date", "clock_column": "clock"},
        "home",
    ),
    (
        "day first, and time with seconds",
        ["Datum;Zeit;home", *rows("{t};{g}", stamps="%d.%m.%Y;%H:%M:%S")],
        {**SEMICOLON, "time_column": "Datum", "clock_column": "Zeit", "time_format": "%d.%m.%Y"},
        "home",
    ),
    (
        "time from and to in a cell",
        ["date,slot,home", *(f"2025-01-15,{h:02}:00-{h + 1:02}:00,{v:.3f}" for h, v in enumerate(HOURS))],
        {**KWH, "time_column": "date", "clock_column": "slot", "stamp": "end"},
        "home",
    ),
    (
        "slots from 1 to 24",
        ["date,hour,home", *rows("2025-01-15,{n},{v}")],
        {**KWH, "time_column": "date", "clock_column": "hour", "stamp": "end"},
        "home",
    ),
    (
        "hours from 0 to 23",
        ["date,hour,home", *(f"2025-01-15,{h},{v:.3f}" for h, v in enumerate(HOURS))],
        {**KWH, "time_column": "date", "clock_column": "hour"},
        "home",
    ),
    (
        "slots H1 to H24",
        ["date,hour,home", *rows("2025-01-15,H{n},{v}")],
        {**KWH, "time_column": "date", "clock_column": "hour"},
        "home",
    ),
    (
        "slots from 1 to 48",
        ["date,slot,home", *rows("2025-01-15,{n},{v}", HALVES)],
        {**KWH, "time_column": "date", "clock_column": "slot"},
        "home",
    ),
    (
        "slots from 1 to 96",
        ["date,slot,home", *(f"2025-01-15,{n + 1},{v}" for n, v in enumerate(QUARTERS))],
        {**KWH, "time_column": "date", "clock_column": "slot"},
        "home",
    ),
    (
        "hour ending as 0100 to 2400",
        ["date,HE,home", *(f"2025-01-15,{h + 1:02}00,{v:.3f}" for h, v in enumerate(HOURS))],
        {**KWH, "time_column": "date", "clock_column": "HE", "stamp": "end"},
        "home",
    ),
    (
        "start and end in one cell",
        ["MTU,home", *(f"{stamp(n)} - {stamp(n + 1)},{v:.3f}" for n, v in enumerate(HOURS))],
        {**KWH, "time_column": "MTU", "stamp": "end"},
        "home",
    ),
    (
        "an ISO 8601 interval",
        [
            "time,home",
            *(
                f"{stamp(n, pattern='%Y-%m-%dT%H:%M')}/{stamp(n + 1, pattern='%Y-%m-%dT%H:%M')},{v:.3f}"
                for n, v in enumerate(HOURS)
            ),
        ],
        KWH,
        "home",
    ),
    ("seconds since 1970", ["time,home", *(f"{epoch(n)},{v:.3f}" for n, v in enumerate(HOURS))], KWH, "home"),
    (
        "milliseconds since 1970",
        ["time,home", *(f"{epoch(n, 1000)},{v:.3f}" for n, v in enumerate(HOURS))],
        KWH,
        "home",
    ),
    (
        "fractional seconds",
        ["time,home", *rows("{t}:00.250,{v}")],
        {**KWH, "shift_minutes": -0.25 / 60},
        "home",
    ),
    ("digits alone", ["time,home", *rows("{t},{v}", stamps="%Y%m%d%H%M")], KWH, "home"),
    (
        "a zone behind the time",
        ["time,home", *rows("{t} CET,{v}")],
        {**KWH, "time_zone": "Asia/Tokyo"},
        "home",
    ),
    (
        "12-hour clock",
        ["time,home", *rows("{t},{v}", stamps="%m/%d/%Y %I:%M %p")],
        {**KWH, "time_format": "%m/%d/%Y %I:%M %p"},
        "home",
    ),
    ("trailing separators", ["time;home;", *rows("{t};{g};")], SEMICOLON, "home"),
    ("trailing separators, not in the header", ["time;home", *rows("{t};{g};")], SEMICOLON, "home"),
    ("an unnamed index", [",time,home", *rows("{n},{t},{v}")], KWH, "home"),
    ("a name twice that nobody asks for", ["time,status,home,status", *rows("{t},A,{v},B")], KWH, "home"),
    ("newest first", ["time,home", *reversed(rows("{t},{v}"))], KWH, "home"),
    ("out of order", ["time,home", *(lambda r: r[7:] + r[:7])(rows("{t},{v}"))], KWH, "home"),
    (
        "meters below one another",
        ["meter,time,kWh", *rows("A,{t},{v}"), *rows("B,{t},7")],
        {**KWH, "meter_column": "meter", "value_column": "kWh"},
        "A",
    ),
    (
        "registers below one another",
        [
            "time,obis,kWh",
            *(
                line
                for n, v in enumerate(HOURS)
                for line in (f"{stamp(n)},1-1:1.9.0,{v:.3f}", f"{stamp(n)},1-1:2.9.0,5")
            ),
        ],
        {**KWH, "only": {"obis": "1-1:1.9.0"}},
        "kWh",
    ),
    (
        "a row per day of 24 hours",
        [
            "date," + ",".join(f"H{n}" for n in range(1, 25)),
            "2025-01-14" + ",9" * 24,
            "2025-01-15," + day_row(HOURS),
        ],
        {**KWH, "time_column": "date", "first_slot": "H1"},
        "home",
    ),
    (
        "a row per day of 48 slots and a remark",
        [
            "date,kind," + ",".join(stamp(n, 30, pattern="%H:%M") for n in range(1, 49)),
            "2025-01-15,A," + day_row(HALVES),
            "2025-01-16,A," + day_row(HALVES),
        ],
        {**KWH, "time_column": "date", "first_slot": "00:30"},
        "home",
    ),
    (
        "a row per day and meter of 96 slots",
        [
            "id,date," + ",".join(f"q{n}" for n in range(96)),
            *(f"{m},2025-01-15,{day_row(QUARTERS)}" for m in "AB"),
            *(f"{m},2025-01-16,{day_row(QUARTERS)}" for m in "AB"),
        ],
        {**KWH, "time_column": "date", "first_slot": "q0", "meter_column": "id"},
        "B",
    ),
    (
        "lines before the header",
        ["Meter reading export", "Customer: 4711;x", "", "time;home", *rows("{t};{g}")],
        SEMICOLON,
        "home",
    ),
    ("a second header of units", ["time;home;other", ";kWh;kW", *rows("{t};{g};0,1")], SEMICOLON, "home"),
    (
        "a header of two lines",
        ["time;AT1;AT1", ";Verbrauch;Einspeisung", *rows("{t};{g};9,9")],
        {**SEMICOLON, "header_rows": 2},
        "AT1 | Verbrauch",
    ),
    (
        "sums and remarks after the data",
        ["time;home", *rows("{t};{g}"), "Summe;5,16", "Exported 2025-02-01"],
        SEMICOLON,
        "home",
    ),
    (
        "the header again among the data",
        ["time,home", *rows("{t},{v}")[:9], "time,home", *rows("{t},{v}")[9:]],
        KWH,
        "home",
    ),
    (
        "thousands as Germans write them",
        ["time;home", *rows("{t};1.234,500")],
        {**SEMICOLON, "unit": "Wh"},
        "home",
        24 * 1.2345,
    ),
    (
        "thousands as Americans write them",
        ["time,home", *rows('{t},"1,234.500"')],
        {**KWH, "unit": "Wh"},
        "home",
        24 * 1.2345,
    ),
    (
        "thousands as the French write them",
        ["time;home", *rows("{t};1\u202f234,5")],
        {**SEMICOLON, "unit": "Wh"},
        "home",
        24 * 1.2345,
    ),
    (
        "thousands as stated",
        ["time;home", *rows("{t};1.234")],
        {**SEMICOLON, "unit": "Wh", "thousands": "."},
        "home",
        24 * 1.234,
    ),
    ("sep=;", ["sep=;", "time;home", *rows("{t};{g}")], {**KWH, "decimal": ",", "separator": ";"}, "home"),
    ("quoted numbers", ['"time";"home"', *rows('"{t}";"{g}"')], SEMICOLON, "home"),
    ("numbers as Excel's text", ["time;home", *rows('{t};="{g}"')], SEMICOLON, "home"),
    (
        "hours, then quarters, from noon on",
        ["time,home", *rows("{t},{v}", HOURS[:12]), *rows("{t},{v}", QUARTERS[48:], 15, 48)],
        KWH,
        "home",
        sum(HOURS[:12]) + sum(round(q, 3) for q in QUARTERS[48:]),
    ),
    (
        "hours, then quarters, by their ends",
        ["time,home", *rows("{t},{v}", HOURS[:12], shift=1), *rows("{t},{v}", QUARTERS[48:], 15, 49)],
        {**KWH, "stamp": "end"},
        "home",
        sum(HOURS[:12]) + sum(round(q, 3) for q in QUARTERS[48:]),
    ),
    (
        "wrong rows outside the horizon",
        [
            "time,home",
            *rows("{t},x", day="2025-01-13"),
            "2025-01-14 0l:00,1",
            "2025-01-14 03:30,1",
            "2025-01-14 03:30,-5",
            *rows("{t},{v}"),
        ],
        KWH,
        "home",
    ),
    (
        "a counter that changes when it changes",
        [
            "time,home",
            "2025-01-14T22:00:00.1+00:00,10",
            "2025-01-15T03:17:21.5+00:00,11.5",
            "2025-01-15T03:20+00:00,11.75",
            "2025-01-16T00:00+00:00,12",
        ],
        {**KWH, "unit": "kWh cumulative", "sampling": "on-change"},
        "home",
        1.5 * 15441.5 / 19041.4 + 0.25 + 0.25 * (19 + 2 / 3) / (20 + 2 / 3),
    ),
    (
        "power that holds until it changes",
        [
            "time,home",
            "2025-01-14 22:30:00,400",
            "2025-01-15 06:10,1000",
            "2025-01-15 18:00,0",
            "2025-01-16 07:00,90",
        ],
        {**KWH, "unit": "W", "sampling": "on-change"},
        "home",
        0.4 * (6 + 1 / 6) + 1.0 * (11 + 5 / 6),
    ),
    (
        "the autumn day by the order of its rows",
        ["time,home", *(f"{t},{n / 10}" for n, t in enumerate(wall(FALL)))],
        KWH,
        "home",
        30.0,
        FALL,
    ),
    (
        "the autumn day, newest first",
        ["time,home", *reversed([f"{t},{n / 10}" for n, t in enumerate(wall(FALL))])],
        KWH,
        "home",
        30.0,
        FALL,
    ),
    (
        "the autumn day's hours 3A and 3B",
        ["date,hour,home", *(f"2025-10-26,{h},1" for h in ["1", "2", "3A", "3B", *map(str, range(4, 25))])],
        {**KWH, "time_column": "date", "clock_column": "hour"},
        "home",
        25.0,
        FALL,
    ),
    (
        "the autumn day's hours 1 to 25",
        ["date,hour,home", *(f"2025-10-26,{h},{h}" for h in range(1, 26))],
        {**KWH, "time_column": "date", "clock_column": "hour"},
        "home",
        325.0,
        FALL,
    ),
    (
        "the autumn day's row of 100 quarters",
        [
            "date," + ",".join(f"q{n}" for n in range(100)),
            "2025-10-26," + day_row([0.25] * 100),
            "2025-10-27," + day_row([9.0] * 96) + ",,,,",
        ],
        {**KWH, "time_column": "date", "first_slot": "q0"},
        "home",
        25.0,
        FALL,
    ),
    (
        "the spring day by its 23 hours",
        ["time,home", *(f"{t},1" for t in wall(SPRING))],
        KWH,
        "home",
        23.0,
        SPRING,
    ),
    (
        "the spring day's row with an empty hour",
        [
            "date," + ",".join(f"h{n}" for n in range(24)),
            "2025-03-29" + ",9" * 24,
            "2025-03-30,1,1,," + day_row([1] * 21),
        ],
        {**KWH, "time_column": "date", "first_slot": "h0"},
        "home",
        23.0,
        SPRING,
    ),
    (
        "the spring day's row of 23 hours and an empty cell",
        [
            "date," + ",".join(f"h{n}" for n in range(24)),
            "2025-03-30" + ",1" * 23 + ",",
            "2025-03-31" + ",9" * 24,
        ],
        {**KWH, "time_column": "date", "first_slot": "h0"},
        "home",
        23.0,
        SPRING,
    ),
    (
        "the spring day's hours 1 to 23",
        ["date,hour,home", *(f"2025-03-30,{h},{h}" for h in range(1, 24))],
        {**KWH, "time_column": "date", "clock_column": "hour"},
        "home",
        276.0,
        SPRING,
    ),
]


def read(path, form, column, day, minutes=60):
    times = slots(day, 1, minutes, BERLIN)
    return read_power(path, [column], FileFormat(**form), times, minutes / 60)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_a_form_loads_with_its_energy(tmp_path, form):
    _, lines, written, column, *more = form
    kwh, day = (more + [None, WINTER][len(more) :])[:2] if more else (None, WINTER)
    path = tmp_path / "f.csv"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    power, _ = read(path, written, column, day)
    assert power.sum() == pytest.approx(sum(HOURS) if kwh is None else kwh, rel=2e-4 if kwh else 1e-9)


def test_there_are_forms_enough():
    assert len({form[0] for form in FORMS}) == len(FORMS) >= 50


def problems(tmp_path, lines, form, column="home", day=WINTER, **options):
    path = tmp_path / "f.csv"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read(path, form, column, day, **options)
    return [str(p).replace(str(path), "F") for p in caught.value.problems]


def test_a_lone_group_of_three_may_be_thousands_or_decimals_and_is_asked(tmp_path):
    """1.234 under the decimal mark ',' is 1234 or 1.234: a factor of a thousand that nobody may guess."""
    found = problems(tmp_path, ["time;home", *rows("{t};1.234")], SEMICOLON)
    assert found[0] == (
        "F:2: home: got '1.234', want a number with the decimal mark ',' (decimal: '.', or thousands: '.'?)"
    )


def test_a_number_that_breaks_the_groups_of_its_column_is_none(tmp_path):
    lines = ["time;home", *rows("{t};1.234,5")]
    lines[5] = lines[5].replace("1.234,5", "12.34,5")
    assert problems(tmp_path, lines, SEMICOLON) == [
        "F:6: home: got '12.34,5', want a number with the decimal mark ','"
    ]


def test_a_repeated_hour_in_rows_out_of_order_is_asked(tmp_path):
    told = [f"{t},1" for t in wall(FALL)]
    found = problems(tmp_path, ["time,home", *told[12:], *told[:12]], KWH, day=FALL)
    want = "want rows in the order of time, or stamps with their offset"
    assert found[0] == f"F:17: time: got 2025-10-26T02:00, which the clock shows twice, {want}"


def test_an_hour_that_the_clock_skips_is_a_problem_unless_it_is_empty(tmp_path):
    day = [f"2025-03-30 {h:02}:00" for h in range(24)]
    lines = ["time,home", *(f"{t},1" for t in day)]
    assert (
        "got 2025-03-30T02:00, want a time that the clock of Europe/Berlin shows"
        in problems(tmp_path, lines, KWH, day=SPRING)[0]
    )
    lines[3] = f"{day[2]},"
    (tmp_path / "f.csv").write_text("\n".join(lines))
    assert read(tmp_path / "f.csv", KWH, "home", SPRING)[0].sum() == pytest.approx(23.0)


def test_a_step_that_changes_is_noted_and_one_that_changes_back_is_a_problem(tmp_path):
    lines = ["time,home", *rows("{t},1", HOURS[:12]), *rows("{t},1", QUARTERS[:48], 15, 48)]
    path = tmp_path / "f.csv"
    path.write_text("\n".join(lines))
    _, notes = read(path, KWH, "home", WINTER)
    assert notes == [f"{path}: readings every 60 minutes, every 15 from row 14 on"]
    lines = ["time,home", *rows("{t},1", QUARTERS[:24], 15), *rows("{t},1", HOURS[:12], shift=6)]
    lines += rows("{t},1", QUARTERS[:24], 15, 72)
    assert (
        "no readings from 2025-01-15T06:15 to 2025-01-15T07:00 (2025-01-15T05:15 to 2025-01-15T06:00 UTC)"
        in problems(tmp_path, lines, KWH)[0]
    )


def test_a_broken_row_within_the_horizon_still_stops(tmp_path):
    lines = [
        "time,home",
        *rows("{t},{v}", day="2025-01-14"),
        *rows("{t},{v}"),
        *rows("{t},{v}", day="2025-01-16"),
    ]
    for row, text in ((3, "2025-01-14 0l:00,1"), (30, "2025-01-15 0s:00,1"), (60, "2025-01-16 1o:00,1")):
        lines[row] = text
    assert problems(tmp_path, lines, KWH) == [
        "F:31: time: got '2025-01-15 0s:00', want a time such as 2019-01-31T13:30"
    ]


def test_of_several_values_at_once_the_last_counts_where_values_change(tmp_path):
    lines = [
        "time,home",
        "2025-01-14 23:00,1",
        "2025-01-15 06:00,9",
        "2025-01-15 06:00,2",
        "2025-01-16 01:00,1",
    ]
    form = {**KWH, "unit": "kW", "sampling": "on-change"}
    (tmp_path / "f.csv").write_text("\n".join(lines))
    assert read(tmp_path / "f.csv", form, "home", WINTER)[0].sum() == pytest.approx(6 * 1 + 18 * 2)
    assert "F:5: time: got 1140 minutes after" in problems(tmp_path, lines, {**KWH, "unit": "kW"})[1]
    assert problems(tmp_path, ["time,home", *rows("{t},1"), *rows("{t},1")], KWH)[0].endswith(
        "want each time once (clock_column, a column of the time of day? meter_column, of the meter? `otonari inspect` "
        "the file)"
    )


def test_a_meter_that_is_not_there_is_named(tmp_path):
    form = {**KWH, "meter_column": "meter", "value_column": "kWh"}
    lines = ["meter,time,kWh", *rows("A-1,{t},1"), *rows("A-2,{t},2")]
    assert problems(tmp_path, lines, form, "A-3") == [
        "F: meter: got no row with 'A-3', want a meter of the file (did you mean 'A-2'?)"
    ]


def test_a_file_of_meters_without_a_row_has_no_readings(tmp_path):
    (tmp_path / "f.csv").write_text("meter,time,kWh\n")
    form = FileFormat(**KWH, meter_column="meter", value_column="kWh")
    with pytest.raises(InputError, match="time: got no readings, want at least two rows of readings"):
        read_meters(tmp_path / "f.csv", (), form)


def test_a_workbook_is_a_file_of_readings(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "notes"
    sheet = book.create_sheet("readings")
    sheet.append(["Export of meter 4711"])
    sheet.append(["Zeit", "Verbrauch"])
    for n, v in enumerate(HOURS):
        sheet.append([datetime.fromisoformat(WINTER) + timedelta(hours=n), v])
    book.save(tmp_path / "f.xlsx")
    form = {**KWH, "container": "xlsx", "time_column": "Zeit", "decimal": ",", "separator": ";"}
    power, _ = read(tmp_path / "f.xlsx", {**form, "sheet": "readings"}, "Verbrauch", WINTER)
    assert power.sum() == pytest.approx(sum(HOURS), rel=1e-12)
    with pytest.raises(InputError, match=r"sheet: got 'reading', want one of notes, readings .did you mean"):
        read(tmp_path / "f.xlsx", {**form, "sheet": "reading"}, "Verbrauch", WINTER)
    (tmp_path / "g.xlsx").write_text("time,home\n")
    with pytest.raises(InputError, match="got no XLSX workbook"):
        read(tmp_path / "g.xlsx", form, "Verbrauch", WINTER)


def scenario(**demand):
    return {
        "schema_version": 1,
        "name": "forms",
        "currency": "EUR",
        "time": {"start": WINTER, "slot_minutes": 60, "time_zone": BERLIN},
        "weather": {"source": "clear-sky"},
        "tables": {"participants": [{"participant": name} for name in ("anna", "bo")]},
        "series": {"demand": {"unit": "kWh", **demand}},
        "tariffs": {"std": {"energy": {"type": "flat", "price_per_kwh": 0.3}}},
        "fees": {"method": "by-level"},
    }


def test_a_file_for_each_participant(tmp_path):
    """Each file has one column, whatever its name; the digest knows them all by name and content."""
    for name, factor in (("anna", 1), ("bo", 2)):
        lines = ["time,status,Verbrauch", *rows("{t},A,{v}", [factor * h for h in HOURS])]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    given = scenario(path=str(tmp_path / "{participant}.csv"), value_column="Verbrauch")
    inputs = build_inputs(load_scenario(given))
    assert inputs["demand"].sum("time").values == pytest.approx([sum(HOURS), 2 * sum(HOURS)])
    before = digest(load_scenario(given))
    (tmp_path / "bo.csv").write_text("\n".join(["time,Verbrauch", *rows("{t},{v}")]))
    assert digest(load_scenario(given)) != before
    (tmp_path / "bo.csv").unlink()
    with pytest.raises(InputError, match=r"bo\.csv: file: got no such file"):
        build_inputs(load_scenario(given))


def test_a_column_for_all_and_a_meter_for_each(tmp_path):
    lines = ["meter,time,kWh", *rows("anna,{t},{v}"), *rows("bo,{t},1")]
    (tmp_path / "f.csv").write_text("\n".join(lines))
    given = scenario(path=str(tmp_path / "f.csv"), meter_column="meter", value_column="kWh")
    inputs = build_inputs(load_scenario(given))
    assert inputs["demand"].sum("time").values == pytest.approx([sum(HOURS), 24.0])
    for wrong, want in (
        ({"meter_column": "meter"}, "series.demand.value_column: got nothing, want the column of the values"),
        ({"sampling": "on-change"}, "series.demand.unit: got 'kWh', want power or a meter's reading"),
        ({"thousands": "."} | {"decimal": ".", "separator": ";"}, "want another mark than the decimal mark"),
    ):
        with pytest.raises(InputError, match=want):
            load_scenario(scenario(path="f.csv", **wrong))
