"""What `otonari inspect` makes of a file that it was told nothing about."""

import json
import shlex
from datetime import datetime, timedelta

import pandas as pd
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly import inputs as assembled
from otonari.data.assembly.inputs import problems
from otonari.data.loading.scenario import load_scenario
from otonari.data.problems import InputError
from otonari.data.series.inspection import inspect
from otonari.data.series.presets import PRESETS
from otonari.runs.commands import inspect as command

from .test_forms import BERLIN, FORMS, HOURS, WINTER, rows
from .test_presets import SAMPLES


@pytest.fixture
def otonari_():
    """Return a function that runs a command line and returns what it prints."""

    def run(line):
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


SAID_BY_THE_USER = {
    "fractional seconds",  # of a clock that is 250 ms late
    "thousands as stated",  # which nobody can know
    "registers below one another",  # which of them is meant
    "a header of two lines",  # which of two columns of the same name
    "power that holds until it changes",
    "a counter that changes when it changes",
    "wrong rows outside the horizon",
}


@pytest.mark.parametrize("form", [f for f in FORMS if f[0] not in SAID_BY_THE_USER], ids=lambda form: form[0])
def test_a_form_is_recognised_with_its_energy(tmp_path, form):
    """The unit stands in the name of the column; nothing else is said but the zone."""
    _, lines, written, column, *more = form
    kwh, day = (more + [None, WINTER][len(more) :])[:2] if more else (None, WINTER)
    kwh = sum(HOURS) if kwh is None else kwh
    path = tmp_path / "f.csv"
    unit = written["unit"].split()[0]
    named = [line.replace("home", f"home [{unit}]").replace("date,", f"date {unit},") for line in lines]
    path.write_text("\n".join([*named, ""]), encoding="utf-8")
    seen = inspect(path, BERLIN)
    assert seen.problems == []
    energy = next((days for name, days in seen.per_day.items() if name.partition(" ")[0] == column), None)
    energy = energy or next(iter(seen.per_day.values()))  # the column of a day's row has no name
    if "first_slot" in seen.form:  # whose columns tell no unit: the slots' energy is taken for power
        kwh *= seen.step_minutes[0] / 60
    assert energy[day] == pytest.approx(kwh, rel=2e-4), seen
    command.inspect(path, BERLIN, tmp_path / "home")
    assert problems(str(tmp_path / "home")) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_preset_is_recognised_by_its_sample(tmp_path, name):
    path = tmp_path / "f.csv"
    path.write_bytes(SAMPLES[name][0].encode(PRESETS[name].form.get("encoding", "utf-8")))
    seen = inspect(path)
    assert (seen.preset, seen.kind, seen.problems) == (name, PRESETS[name].kind, [])
    assert f"preset: {name}" in command.inspect(path).text


def test_presets_of_sessions_and_weather_are_recognised_by_their_header(tmp_path):
    path = tmp_path / "f.csv"
    for header, name in (
        ("_id,userID,connectionTime,disconnectTime,kWhDelivered", "acn-data"),
        ("Created,Finished,Loadpoint,Vehicle,Energy (kWh)", "evcc"),
        ("Source,Location ID,City,Local Time Zone", "nsrdb"),
    ):
        path.write_text(f"{header}\n1,2,3,4,5\n")
        assert inspect(path).preset == name


def test_a_counter_a_zone_and_the_order_of_day_and_month_are_doubts(tmp_path):
    path = tmp_path / "f.csv"
    lines = rows(
        "{t},{v}", [300 + sum(HOURS[:n]) for n in range(24)], stamps="%d/%m/%Y %H:%M", day="2025-01-05"
    )
    path.write_text("\n".join(["when,meter", *lines]))
    seen = inspect(path)
    assert seen.form == {"time_column": "when", "time_format": "%d/%m/%Y %H:%M", "unit": "kWh cumulative"}
    assert sum(seen.per_day["meter"].values()) == pytest.approx(sum(HOURS[:23]), abs=2e-3)
    assert [doubt.partition(":")[0] for doubt in seen.doubts] == ["time_format", "unit", "time_zone"]


def test_what_is_no_table_of_readings_is_said(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("dear reader,\nhere is a letter\n")
    with pytest.raises(InputError, match="no table of readings that can be recognised"):
        inspect(path)
    path.write_text("\n".join(rows("{t},{v}")))
    with pytest.raises(InputError, match="header: got no header, want a line that names the columns"):
        inspect(path)


def test_an_unknown_file_is_cleared_in_three_commands(otonari_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meter.csv").write_text("\n".join(["Meter 4711", "Zeit;Verbrauch (kWh);", *rows("{t};{g};")]))
    said = otonari_(f"otonari inspect meter.csv --time-zone {BERLIN} -o my")
    assert "every 60 minutes, 2025-01-15 00:00 to 2025-01-16 00:00" in said
    assert "Verbrauch (kWh)        5.16" in said
    otonari_("otonari validate my")
    assert "1.55" in otonari_("otonari clear my --no-ledger")  # 5.16 kWh at 0.30


def test_a_scenario_needs_the_zone(tmp_path):
    (tmp_path / "meter.csv").write_text("\n".join(["time,kWh", *rows("{t},{v}")]))
    with pytest.raises(InputError, match="time_zone: got nothing, want --time-zone"):
        command.inspect(tmp_path / "meter.csv", None, tmp_path / "my")
    assert not (tmp_path / "my").exists()


def test_formats_lists_every_preset(otonari_):
    assert set(json.loads(otonari_("otonari formats --json"))) == set(PRESETS)
    assert all(name in otonari_("otonari formats") for name in PRESETS)


def test_a_workbook_with_dates_and_times_apart(tmp_path):
    """Quarter-hours of 0.25 kWh behind a cover: 24 kWh a day, told at their ends."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Stadtwerke"])
    sheet.append(["Datum", "Uhrzeit", "Wirkarbeit (kWh)", "Status"])
    for n in range(1, 193):
        at = datetime(2025, 6, 10) + timedelta(minutes=15 * n)
        sheet.append([at.date(), at.time(), 0.25, "W"])
    book.save(tmp_path / "f.xlsx")
    seen = inspect(tmp_path / "f.xlsx", "Europe/Berlin")
    assert (seen.form["clock_column"], seen.form["stamp"], seen.form["unit"]) == ("Uhrzeit", "end", "kWh")
    assert seen.per_day == {"Wirkarbeit (kWh)": {"2025-06-10": 24.0, "2025-06-11": 24.0}}


def test_a_counter_with_marks_of_thousands_newest_first(tmp_path):
    """250 Wh an hour: 6 kWh a day."""
    rows = [
        f"{10 + n // 24}.06.2025 {n % 24:02}:00;{12_345_678 + 250 * n:,}".replace(",", ".") for n in range(49)
    ]
    (tmp_path / "f.csv").write_text(
        "\n".join(["Zeitstempel;Zählerstand (Wh)", *rows[::-1]]), encoding="cp1252"
    )
    seen = inspect(tmp_path / "f.csv", "Europe/Berlin")
    assert (seen.form["unit"], seen.form["decimal"]) == ("Wh cumulative", ",")
    assert list(seen.per_day["Zählerstand (Wh)"].values())[:2] == pytest.approx([6.0, 6.0])


def test_a_day_of_25_hours_newest_first_whose_unit_stands_in_its_cells(tmp_path):
    stamps = pd.date_range("2025-11-01", periods=49, freq="h", tz="America/New_York")
    rows = [f"{t:%m/%d/%Y %I:%M %p},500,Wh" for t in stamps]
    (tmp_path / "f.csv").write_text("\n".join(["Interval Start,Usage,Unit", *rows[::-1]]))
    seen = inspect(tmp_path / "f.csv", "America/New_York")
    assert (seen.form["unit"], seen.problems) == ("Wh", [])
    assert seen.per_day["Usage"] == {"2025-11-01": 12.0, "2025-11-02": 12.5}


def test_days_in_rows_with_registers_and_sums(tmp_path):
    """24 hours of 0.5 and of 0.1 kWh, and their sums behind them, which are no hour."""
    head = "NMI,Date,Register," + ",".join(f"{h:02}:00 kWh" for h in range(24)) + ",Total"
    rows = [
        f"61000,{10 + day}/06/2025,{register}," + ",".join([f"{v}"] * 24) + f",{24 * v:g}"
        for day in range(4, 7)
        for register, v in (("E1", 0.5), ("B1", 0.1))
    ]
    (tmp_path / "f.csv").write_text("\n".join([head, *rows]))
    seen = inspect(tmp_path / "f.csv", "Australia/Sydney")
    assert (seen.form["meter_column"], seen.problems) == ("Register", [])
    assert seen.per_day["E1"] == {f"2025-06-{d}": pytest.approx(12.0) for d in (14, 15, 16)}
    assert seen.per_day["B1"]["2025-06-16"] == pytest.approx(2.4)
    assert "columns behind the 24 slots of a day are left out (sums?)" in seen.doubts


def test_what_looks_like_generation_is_doubted(tmp_path):
    stamps = pd.date_range("2025-06-10", periods=96, freq="15min", tz="UTC")
    rows = [f"{n},{int(t.timestamp() * 1000)},400,0" for n, t in enumerate(stamps)]
    (tmp_path / "f.csv").write_text("\n".join([",ts_ms,grid_w,pv_w", *rows]))
    doubts = inspect(tmp_path / "f.csv", "UTC").doubts
    assert "pv_w: what is given, no demand? (series.pv, with pv_column)" in doubts


def test_a_day_with_a_gap_is_not_the_first_to_clear(tmp_path):
    stamps = pd.date_range("2025-06-10", periods=96 * 2, freq="15min", tz="Europe/Berlin")
    rows = [f"{t.isoformat()}\t0.25" for n, t in enumerate(stamps) if n not in (40, 41)]
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["timestamp\tpower [kW]", *rows]))
    seen = inspect(path, BERLIN)
    assert seen.doubts == [
        "gaps: 1, the first at 2025-06-10T10:00 (gaps: interpolate, day-before, week-before or zero fills them)"
    ]
    command.inspect(path, BERLIN, tmp_path / "home")
    assert problems(tmp_path / "home") == []
    assert "start: '2025-06-11'" in (tmp_path / "home" / "scenario.yaml").read_text()


def test_prices_in_cents_get_their_factor(tmp_path):
    path = tmp_path / "f.csv"
    rows = [f"10.06.2025 {h:02}:00 - {h + 1:02}:00;{20 + h % 5},5" for h in range(24)]
    path.write_text("\n".join(["Zeitraum;Preis ct/kWh", *rows]))
    command.inspect(path, BERLIN, tmp_path / "home")
    found = assembled.build_inputs(load_scenario(tmp_path / "home"))
    assert found["retail_price"].values[0, :3] == pytest.approx([0.205, 0.215, 0.225])


def test_of_two_readings_of_a_date_the_nearer_days_count(tmp_path):
    """06/10 and 06/11 follow one another in June, and are a month apart from October on."""
    rows = [f"06/{day}/2025,{hour},0.5" for day in (10, 11) for hour in range(1, 25)]
    (tmp_path / "f.csv").write_text("\n".join(["Date,Hour Ending,kWh", *rows]))
    seen = inspect(tmp_path / "f.csv", "America/Chicago")
    assert list(seen.per_day["kWh"]) == ["2025-06-10", "2025-06-11"]


@pytest.mark.parametrize(
    ("preset", "old", "new", "key"),
    [
        ("smard", "[€/MWh] Originalauflösungen", "[€/MWh] Berechnete Auflösungen", "column"),
        ("wiener-netze", "Verbrauch [kWh]", "AT0010000000000009999999 Verbrauch [kWh]", "value_column"),
        ("green-button-csv", "USAGE (kWh),COST", "EXPORT (kWh),IMPORT (kWh)", "value_column"),
    ],
)
def test_a_preset_whose_values_bear_another_name_is_read_and_said(tmp_path, preset, old, new, key):
    path = tmp_path / "f.csv"
    path.write_text(SAMPLES[preset][0].replace(old, new).replace("$", ""))
    seen = inspect(path, BERLIN)
    assert (seen.preset, seen.problems) == (preset, [])
    assert new.split(",")[-1] in seen.columns[0]
    assert seen.columns[0] in command.inspect(path, BERLIN).facts["yaml"]
    assert any(doubt.startswith(f"{key}: there is no") for doubt in seen.doubts)


def test_a_preset_gives_way_to_what_the_file_shows(tmp_path):
    """American dates in a file of PG&E; of two sequences of a bidding zone the first."""
    path = tmp_path / "f.csv"
    path.write_text(SAMPLES["green-button-csv"][0].replace("2025-01-15", "01/15/2025"))
    seen = inspect(path)
    assert (seen.form["time_format"], seen.problems) == ("%m/%d/%Y", [])
    assert list(seen.per_day["USAGE (kWh)"]) == ["2025-01-15"]
    header, *lines = SAMPLES["entso-e"][0].splitlines()
    both = [line.replace('"BZN|BE",""', f'"BZN|BE","Sequence {n}"') for line in lines for n in (1, 2)]
    path.write_text("\n".join([header, *both]))
    seen = inspect(path)
    assert (seen.form["only"], seen.problems) == ({"Sequence": "Sequence 1"}, [])
    assert "only:" in command.inspect(path).facts["yaml"]
