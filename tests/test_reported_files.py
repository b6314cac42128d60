"""Files that others reported, made again: each has the energy that it holds, or is told what is odd about it."""

import json

import pytest

from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import load_scenario

DAY = "2025-05-05"
HOURS = [f"{DAY} {h:02}:00" for h in range(24)]


def scenario(tmp_path, text, minutes=60, **form):
    (tmp_path / "d.csv").write_text(text)
    return {
        "schema_version": 1,
        "name": "reported",
        "currency": "EUR",
        "time": {"start": DAY, "slot_minutes": minutes, "time_zone": "Europe/Berlin"},
        "weather": {"source": "clear-sky"},
        "tables": {"participants": [{"participant": "home", "demand_column": "kW"}]},
        "series": {"demand": {"path": str(tmp_path / "d.csv"), **form}},
        "tariffs": {"std": {"energy": {"type": "flat", "price_per_kwh": 0.3}}},
        "fees": {"method": "by-level"},
    }


def read(given):
    """Return the energy of the day [kWh], and what was noted without the file."""
    inputs = build_inputs(load_scenario(given))
    notes = [n.rpartition("/")[2] for n in json.loads(inputs.attrs["notes"])]
    return float((inputs["demand"] * inputs["slot_hours"]).sum()), notes


GERMAN = {"separator": ";", "decimal": ","}
COMMAS = [f"{t};1,5" for t in HOURS]


@pytest.mark.parametrize(
    ("lines", "form", "kwh"),
    [
        (["time;kW", *(f"{t};1.234,50" for t in HOURS)], GERMAN, 24 * 1234.5),
        (["time,kW", *(f'{t},"1,234.50"' for t in HOURS)], {}, 24 * 1234.5),
        (["sep=;", "time;kW", *COMMAS], GERMAN, 36),
        (["time;kW;", *(f"{line};" for line in COMMAS)], GERMAN, 36),
        ([",time,kW", *(f"{n},{t},1.5" for n, t in enumerate(HOURS))], {}, 36),
    ],
    ids=["thousands", "quoted thousands", "sep", "trailing separator", "index of pandas"],
)
def test_a_form_of_numbers_is_read_as_it_is(tmp_path, lines, form, kwh):
    assert read(scenario(tmp_path, "\n".join(lines), **form))[0] == pytest.approx(kwh)


def test_dates_and_hours_to_24_in_two_columns(tmp_path):
    """Spanish hours end at 01:00 to 24:00: 0.101 + ... + 0.124 kWh."""
    lines = [f"ES1;2025/05/05;{h:02}:00;0,{100 + h}" for h in range(1, 25)]
    text = "\n".join(["cups;fecha;hora;consumo_kWh", *lines])
    given = scenario(tmp_path, text, preset="datadis")
    given["tables"]["participants"] = [{"participant": "home"}]
    assert read(given) == (pytest.approx(2.7), [])
    given["series"]["demand"] = {"path": str(tmp_path / "d.csv"), "time_column": "fecha", **GERMAN}
    given["series"]["demand"]["value_column"] = "consumo_kWh"
    assert "clock_column, a column of the time of day?" in str(problems(given)[0])


def test_23944_kwh_in_a_quarter_hour_are_told(tmp_path):
    quarters = [f"{DAY} {n // 4:02}:{n % 4 * 15:02},{23944.275 if n == 0 else 0.1}" for n in range(96)]
    kwh, (spike, _) = read(scenario(tmp_path, "\n".join(["time,kW", *quarters]), 15, unit="kWh"))
    assert kwh == pytest.approx(23953.775)
    assert spike.startswith("d.csv:2: kW: got 95777.1 kW (23944.3 kWh), 2.39e+05 times as much")


def test_watts_for_kilowatts_are_told(tmp_path):
    lines = [f"{t},{350 + 10 * n}" for n, t in enumerate(HOURS)]
    kwh, notes = read(scenario(tmp_path, "\n".join(["time,kW", *lines])))
    assert kwh == pytest.approx(11160)
    assert notes == ["d.csv: home: got a mean of 465 kW, want at most 10 kW of a home (unit: W or Wh?)"]
    assert read(scenario(tmp_path, "\n".join(["time,kW", *lines]), unit="W")) == (pytest.approx(11.16), [])


def test_a_meter_that_was_changed_is_named_and_read_as_is_said(tmp_path):
    """0.5 kWh an hour, 12 of them on the old meter, 0.2 lost at the change, 0.3 of that hour and 11 on the new one."""
    counts = [*(12345 + 0.5 * n for n in range(13)), *(0.3 + 0.5 * n for n in range(12))]
    stamps = [*HOURS, "2025-05-06 00:00"]
    text = "\n".join(["time,kW", *(f"{t},{c:.1f}" for t, c in zip(stamps, counts, strict=True))])
    (problem,) = problems(scenario(tmp_path, text, unit="kWh cumulative"))
    assert (problem.row, problem.got) == ("15", "-12350.7 kW")
    assert "a new meter? meter_changes" in problem.want
    dropped = scenario(tmp_path, text, unit="kWh cumulative", meter_changes="at-a-drop")
    assert read(dropped)[0] == pytest.approx(11.8)
    change = {"at": f"{DAY}T12:30", "last": 12351.2, "first": 0.0}
    said = scenario(tmp_path, text, unit="kWh cumulative", meter_changes=[change])
    assert read(said)[0] == pytest.approx(12.0)
