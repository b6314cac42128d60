"""Random readings in random forms, days of changing clocks among them: told or guessed, the energy is the same."""

import random

import pandas as pd
import pytest

from otonari.data import clock
from otonari.data.clock import slots
from otonari.data.files.file_format import FileFormat
from otonari.data.series.inspection import inspect
from otonari.data.series.power_and_rates import read_power

pytestmark = pytest.mark.thorough

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Sydney", "UTC", "+05:30")
DAYS = ("2025-01-15", "2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02", "2025-04-06", "2025-10-05")
PATTERNS = (
    ("%Y-%m-%d %H:%M", ""),
    ("%Y-%m-%dT%H:%M:%S", ""),
    ("%Y%m%d%H%M", ""),
    ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
    ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
)


def written(rng, path):
    """Write three days of a meter in a form of chance; return zone, middle day, its energy [kWh] and the form."""
    zone, day, step = rng.choice(ZONES), rng.choice(DAYS), rng.choice((15, 30, 60))
    times = slots(str(pd.Timestamp(day) - pd.Timedelta(days=1))[:10], 3, step, zone)
    values = [round(rng.uniform(0.05, 2.0), 3) for _ in times]
    target = slots(day, 1, 60, zone)
    last = target[-1] + pd.Timedelta(hours=1)
    energy = sum(v for t, v in zip(times, values, strict=True) if target[0] <= t < last)
    stamp = rng.choice(("start", "end"))
    shown = clock.local(times + pd.Timedelta(minutes=step * (stamp == "end")), zone)
    pattern, time_format = rng.choice(PATTERNS)
    offsets = rng.random() < 0.2
    separator, decimal = rng.choice(((",", "."), (";", ","), ("\t", "."), (";", ".")))

    def line(first, value):
        return f"{first}{separator}" + f"{value:.3f}".replace(".", decimal)

    rows = [
        line(t.isoformat() if offsets else t.strftime(pattern), v) for t, v in zip(shown, values, strict=True)
    ]
    rows = [f"{row}{separator}" for row in rows] if rng.random() < 0.3 else rows
    rows = rows[::-1] if rng.random() < 0.3 else rows
    head = ["Export of a meter", f"Customer{separator}4711"] if rng.random() < 0.3 else []
    head += [f"time{separator}use [kWh]", *([f"{separator}kWh"] if rng.random() < 0.2 else [])]
    tail = [line("Total", sum(values))] if rng.random() < 0.2 else []
    path.write_text("\n".join([*head, *rows, *tail, ""]))
    form = {
        "stamp": stamp,
        "time_format": "" if offsets else time_format,
        "separator": separator,
        "decimal": decimal,
    }
    return zone, day, energy, FileFormat("kWh", time_zone=zone, **form)


@pytest.mark.parametrize("seed", range(60))
def test_a_form_of_chance_keeps_its_energy(tmp_path, seed):
    path = tmp_path / "f.csv"
    zone, day, energy, form = written(random.Random(seed), path)
    power, _ = read_power(path, ["use [kWh]"], form, slots(day, 1, 60, zone), 1.0)
    assert power.sum() == pytest.approx(energy, rel=1e-9)
    seen = inspect(path, zone)
    assert seen.problems == []
    assert seen.per_day["use [kWh]"][day] == pytest.approx(energy, rel=1e-9), seen


KINDS = ("clock", "clock to 24:00", "slots", "meters", "slots of meters", "days", "days of meters")


def arranged(rng, kind, path):
    """Write three days of two meters in an arrangement; return zone, middle day, energy of A [kWh], form, column."""
    zone, day, step = rng.choice(ZONES[:-1]), rng.choice(DAYS), rng.choice((15, 30, 60))
    days = [str(pd.Timestamp(day) + pd.Timedelta(days=k))[:10] for k in (-1, 0, 1)]
    parts = {d: slots(d, 1, step, zone) for d in days}
    value = {(m, t): round(rng.uniform(0.05, 2), 3) for m in "AB" for p in parts.values() for t in p}
    energy = sum(value["A", t] for t in parts[day])
    meters = "AB" if "meters" in kind else "A"
    numbered = [(m, d, k + 1, t) for m in meters for d, p in parts.items() for k, t in enumerate(p)]
    form = {"time_column": "date", "separator": ";"} | ({"meter_column": "m"} if "meters" in kind else {})
    form |= {"value_column": "v"} if "meters" in kind and "days" not in kind else {}
    if kind.startswith("clock"):
        late = pd.Timedelta(minutes=step * (kind != "clock"))
        shown = [(d, clock.local(pd.DatetimeIndex([t + late]), zone)[0], t) for _, d, _, t in numbered]
        ends = [(d, "24:00", t) if late and f"{x:%H:%M}" == "00:00" else (f"{x:%Y-%m-%d}", f"{x:%H:%M}", t)
                for d, x, t in shown]  # fmt: skip
        lines = ["date;clock;v", *(f"{d};{c};{value['A', t]}" for d, c, t in ends)]
        form |= {"clock_column": "clock", "stamp": "end" if late else "start"}
    elif kind.startswith("slots"):
        lines = ["m;date;n;v", *(f"{m};{d};{n};{value[m, t]}" for m, d, n, t in numbered)]
        form |= {"clock_column": "n"}
    elif kind == "meters":
        local = {t: clock.local(pd.DatetimeIndex([t]), zone)[0].isoformat() for _, _, _, t in numbered}
        lines = ["m;date;v", *(f"{m};{local[t]};{value[m, t]}" for m, _, _, t in numbered)]
    else:
        width = max(map(len, parts.values()))
        rows = [(m, d, [*(str(value[m, t]) for t in p)]) for m in meters for d, p in parts.items()]
        lines = ["m;date;" + ";".join(f"q{k}" for k in range(width))]
        lines += [f"{m};{d};" + ";".join(cells + [""] * (width - len(cells))) for m, d, cells in rows]
        form |= {"first_slot": "q0"}
    path.write_text("\n".join([*lines, ""]))
    return zone, day, energy, FileFormat("kWh", time_zone=zone, **form), "A" if "meters" in kind else "v"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_an_arrangement_of_chance_keeps_its_energy(tmp_path, kind, seed):
    path = tmp_path / "f.csv"
    zone, day, energy, form, column = arranged(random.Random(f"{kind}{seed}"), kind, path)
    power, _ = read_power(path, [column], form, slots(day, 1, 60, zone), 1.0)
    assert power.sum() == pytest.approx(energy, rel=1e-9)
    seen = inspect(path, zone)
    days = seen.per_day.get(column) or next(iter(seen.per_day.values()))
    as_power = 1.0 if seen.form.get("unit") == "kWh" else seen.step_minutes[0] / 60  # no column names a unit
    assert days[day] == pytest.approx(energy * as_power, rel=1e-9), seen
