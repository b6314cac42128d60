"""What is hardly possible is noted with file, row, value and reason, and is a problem where readings are strict."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from otonari.cli import main
from otonari.data.assembly import summary
from otonari.data.assembly.inputs import build_inputs, problems
from otonari.data.loading.scenario import load_scenario

from .test_forms import BERLIN, HOURS, WINTER, rows


def scenario(tmp_path, lines, form=None, row=None, **more):
    (tmp_path / "d.csv").write_text("\n".join(["time,home", *lines]))
    return {
        "schema_version": 1,
        "name": "odd",
        "currency": "EUR",
        "time": {"start": WINTER, "slot_minutes": 60, "time_zone": BERLIN},
        "site": {"latitude_deg": 52.5, "longitude_deg": 13.4},
        "weather": {"source": "clear-sky"},
        "tables": {"participants": [{"participant": "home", **(row or {})}]},
        "series": {"demand": {"path": str(tmp_path / "d.csv"), "unit": "kWh", **(form or {})}},
        "tariffs": {
            "std": {
                "energy": {"type": "flat", "price_per_kwh": 0.3},
                "feed_in": {"type": "flat", "price_per_kwh": 0.08},
            }
        },
        "fees": {"method": "by-level"},
        **more,
    }


def notes(given):
    return [
        n.replace(f"{given['series']['demand']['path'].rpartition('/')[0]}/", "")
        for n in json.loads(build_inputs(load_scenario(given)).attrs["notes"])
    ]


def listed(given):
    return [str(p).rpartition("/")[2] for p in problems(given)]


def test_nothing_is_said_of_a_home(tmp_path):
    assert notes(scenario(tmp_path, rows("{t},{v}"))) == []


def test_a_value_far_above_the_column_is_noted_or_refused(tmp_path):
    """0.33 kWh is the 99th percentile; 24 MWh in an hour are 72,727 times as much."""
    lines = rows("{t},{v}")
    lines[3] = lines[3].rpartition(",")[0] + ",24000"
    want = "d.csv:5: home: got 24000 kW (24000 kWh), 7.27e+04 times as much, want values such as 0.33 kW, "
    given = scenario(tmp_path, lines)
    assert notes(given)[0] == f"{want}the 99th percentile"
    assert listed({**given, "readings": "strict"}) == [f"{want}the 99th percentile"]


def test_a_counter_that_begins_with_0_is_noted_at_its_first_step(tmp_path):
    counts = [0, *(285.0 + sum(HOURS[:n]) for n in range(24))]
    given = scenario(tmp_path, rows("{t},{v}", counts), {"unit": "kWh cumulative"})
    (spike, mean) = notes(given)
    assert spike.startswith("d.csv:3: home: got 285 kW (285 kWh), 891 times as much")
    assert mean.startswith("d.csv: home: got a mean of 12.08 kW, want at most 10 kW of a home")


def test_watts_taken_for_kilowatts_and_the_other_way_round(tmp_path):
    lines = rows("{t},{v}", [1000 * h for h in HOURS])
    assert (
        "a mean of 215 kW, want at most 10 kW of a home (unit: W or Wh?)"
        in notes(scenario(tmp_path, lines))[0]
    )
    low = notes(scenario(tmp_path, rows("{t},{v}"), {"unit": "Wh"}))
    assert low == [
        "d.csv: home: got a mean of 0.00021 kW, want at least 0.003 kW of a home (unit: MW or MWh?)"
    ]
    business = {"kind": "business"}
    assert notes(scenario(tmp_path, lines, row=business)) == []


def test_demand_above_the_connection_is_noted(tmp_path):
    found = notes(scenario(tmp_path, rows("{t},{v}"), row={"import_limit_kw": 0.3}))
    assert found == [
        "d.csv: home: got 0.33 kW at 2025-01-15T23:00, 3 slots in all above, want at most 0.3 kW, import_limit_kw"
    ]


def test_a_meter_that_stood_still_is_noted(tmp_path):
    values = HOURS + [0.2] * 25 + HOURS
    given = scenario(tmp_path, rows("{t},{v}", values))
    given["time"]["days"] = 3
    assert notes(given) == [
        "d.csv:26: home: got 0.2 kW for 25 h, want values that change (a meter that stood still?)"
    ]


def test_a_whole_day_of_zeros_is_noted_or_refused(tmp_path):
    given = scenario(tmp_path, rows("{t},{v}", HOURS + [0.0] * 25 + HOURS))
    given["time"]["days"] = 3
    (note,) = notes(given)
    assert note.startswith("d.csv: home: exactly 0 for 25 h of the time used, in 1 runs of 3 h or more")
    assert listed({**given, "readings": "strict"}) == [
        "d.csv:26: home: got exactly 0 for 25 h, want readings (missing ones?)"
    ]


def test_pv_at_night_and_above_its_size_is_noted(tmp_path):
    """A roof of 2 kW, told 12 hours late: the most at midnight."""
    lines = [
        "time,roof",
        *(f"{t[:-1]},{max(0, 3 - abs(n % 24 - 0.5)):.1f}" for n, t in enumerate(rows("{t},"))),
    ]
    (tmp_path / "pv.csv").write_text("\n".join(lines))
    row = {"pv_column": "roof", "pv_column_kw": 2}
    given = scenario(tmp_path, rows("{t},{v}"), row=row)
    given["series"]["pv"] = {"path": str(tmp_path / "pv.csv")}
    night, size = notes(given)
    assert night == (
        "pv.csv: home: got 100% of the energy at night, the most at 2025-01-15T00:00, "
        "want PV by day (time_zone, stamp or site?)"
    )
    assert (
        size
        == "pv.csv: home: got 2.5 kW at 2025-01-15T00:00, 2 slots in all above, want at most 2 kW, pv_column_kw"
    )
    assert len(listed({**given, "readings": "strict"})) == 2


@pytest.mark.parametrize(
    ("retail", "feed_in", "want"),
    [
        (30, 8, "tariff std: a mean of 30 EUR/kWh, 0.3 being usual: cents, or per MWh?"),
        (
            0.0003,
            0.00008,
            "tariff std: a mean of 0.0003 EUR/kWh, 0.3 being usual: per MWh taken for per kWh?",
        ),
        (0.3, 0.4, "tariff std: feed-in is above retail in 24 of 24 slots"),
        (0.5, 0.08, None),
    ],
)
def test_prices_of_another_order_are_noted(tmp_path, retail, feed_in, want):
    given = scenario(tmp_path, rows("{t},{v}"))
    given["tariffs"]["std"]["energy"]["price_per_kwh"] = retail
    given["tariffs"]["std"]["feed_in"]["price_per_kwh"] = feed_in
    assert notes(given) == ([want] if want else [])


def test_validate_ends_with_what_was_read(tmp_path):
    import yaml

    given = scenario(tmp_path, rows("{t},{v}", [0, 0, 0, *HOURS[3:]]))
    inputs = build_inputs(load_scenario(given))
    (home,) = summary.power(inputs)
    assert (home.quantity, home.zeros) == ("demand", 0.125)
    assert (home.kwh, home.peak_kw) == pytest.approx((sum(HOURS[3:]), 0.33))
    assert home.mean_kw == pytest.approx(np.mean([0, 0, 0, *HOURS[3:]]))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(given))
    said = CliRunner().invoke(main, ["validate", str(tmp_path / "s.yaml")]).stdout
    assert "from 2025-01-15 00:00, 24 h in 24 slots, Europe/Berlin" in said
    assert "home         demand  4.83     0.33    0.201    12%" in said
    assert "std      retail     0.3   0.3      0.3" in said
    assert said.endswith(": no problems\n")
    given["time"]["start"] = "2025-01-16"
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(given))
    failed = CliRunner().invoke(main, ["validate", str(tmp_path / "s.yaml")])
    assert (failed.exit_code, failed.stdout) == (2, "")


def test_strict_is_an_option_of_validate_and_clear(tmp_path, monkeypatch):
    import yaml

    monkeypatch.chdir(tmp_path)
    given = scenario(tmp_path, rows("{t},{v}", [1000 * h for h in HOURS]))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(given))
    for words in (["validate", "s.yaml"], ["clear", "s.yaml", "--no-ledger"]):
        assert CliRunner().invoke(main, words).exit_code == 0
        strict = CliRunner().invoke(main, [*words, "--strict"])
        assert (strict.exit_code, "a mean of 215 kW" in strict.stderr) == (2, True)
