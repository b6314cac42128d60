"""The commands that make an unknown file of readings known: what it holds, how a scenario names it, a first scenario."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
import yaml

from ...data import clock
from ...data.assembly import inputs as assembled
from ...data.assembly import summary
from ...data.loading.site import money
from ...data.problems import InputError, Problem
from ...data.series import inspection
from ...data.series.inspection import Inspection
from ...data.series.presets import PRESETS
from ..store import atomic_file
from ..text import table
from .answer import Answer

_DAYS_SHOWN = 7
_COLUMNS_SHOWN = 12
_ROWS_SHOWN = 40


def inspect(file: Path, time_zone: str | None = None, output: Path | None = None) -> Answer:
    """Say what a file holds and how a scenario names it; write a first scenario with it into a new folder."""
    seen = inspection.inspect(file, time_zone)
    facts = {**asdict(seen), "path": str(file), "yaml": _yaml(_naming(seen, str(file)))}
    text = "\n".join([*_understood(seen), "", "to paste into a scenario:", "", facts["yaml"].rstrip()])
    warnings = [f"problem: {problem}" for problem in seen.problems]
    if output is None:
        return Answer(facts, text, warnings=tuple(warnings))
    if seen.problems or seen.kind not in ("power", "price"):
        want = "a file of power or prices that can be read: name its keys in a scenario of your own"
        raise InputError(
            [Problem(str(file), "", "output", f"{seen.kind}, {len(seen.problems)} problems", want)]
        )
    if any(doubt.startswith("time_zone") for doubt in seen.doubts):
        raise InputError([Problem(str(file), "", "time_zone", "nothing", "--time-zone, of the file's times")])
    scenario = _HEADER + _yaml(_scenario(seen, file.name))
    written = atomic_file.write_new(
        output, {"scenario.yaml": scenario.encode(), file.name: file.read_bytes()}
    )
    following = [
        *(f"wrote {path}" for path in written),
        f"next: otonari validate {output}; otonari clear {output}",
    ]
    return Answer(facts | {"written": [str(p) for p in written]}, "\n".join([text, "", *following]))


def formats() -> Answer:
    """List the presets: the exports of providers whose form is known by name."""
    lines = [f"{n:17} {p.kind:9} {p.title}{f' ({p.hint})' if p.hint else ''}" for n, p in PRESETS.items()]
    facts = {
        n: {"kind": p.kind, "title": p.title, "keys": p.keys(p.kind), "hint": p.hint, "source": p.source}
        for n, p in PRESETS.items()
    }
    more = "Any other form is said by keys: see `otonari inspect FILE` and data/README.md."
    return Answer(facts, "\n".join([*lines, "", more]))


def validate(scenario: str, overrides: Sequence[str] = (), strict: bool = False) -> Answer:
    """List every problem of a scenario, or say that there is none and what was read."""
    inputs, problems = assembled.checked(scenario, [*overrides, *(["readings=strict"] if strict else [])])
    if inputs is None or problems:
        return Answer([vars(problem) for problem in problems], "", failed=tuple(map(str, problems)))
    notes = tuple(f"note: {note}" for note in json.loads(inputs.attrs["notes"]))
    return Answer([], "\n".join([*_read(inputs), "", f"{scenario}: no problems"]), notes=notes)


def _read(inputs: xr.Dataset) -> list[str]:
    """Return what was read of a scenario, line by line: energy and prices, heat pumps and loads."""
    rows = summary.power(inputs)
    shown = [
        [r.participant, r.quantity, f"{r.kwh:.4g}", f"{r.peak_kw:.4g}", f"{r.mean_kw:.3g}", f"{r.zeros:.0%}"]
        for r in rows[:_ROWS_SHOWN]
    ]
    more = [f"and {len(rows) - _ROWS_SHOWN} more rows"] if len(rows) > _ROWS_SHOWN else []
    prices = [
        [p.tariff, p.quantity, f"{p.lowest:.5g}", f"{p.mean:.5g}", f"{p.highest:.5g}"]
        for p in summary.prices(inputs)
    ]
    zone = inputs.attrs["time_zone"]
    times = clock.local(pd.DatetimeIndex(inputs["time"].values), zone)
    period = (
        f"{times[0]:%Y-%m-%d %H:%M}, {inputs['slot_hours'].values.sum():g} h in {len(times)} slots, {zone}"
    )
    unit = f"{inputs.attrs['currency']}/kWh"
    return [
        f"from {period}",
        "",
        table(["participant", "of", "kWh", "peak kW", "mean kW", "zeros"], shown),
        *more,
        "",
        table(["tariff", unit, "lowest", "mean", "highest"], prices),
        *_devices(inputs),
    ]


def _devices(inputs: xr.Dataset) -> list[str]:
    """Return what was read of heat pumps and flexible loads, line by line; nothing where there are none."""
    pumps = [
        [
            *(p.heat_pump, p.owner, f"{p.kwh_per_day:.4g}"),
            *(f"{cop:.2f}" for cop in (p.lowest_cop, p.mean_cop, p.highest_cop)),
            *(f"{p.power_kw:.4g}", f"{p.least_kwh:.4g} to {p.most_kwh:.4g}"),
        ]
        for p in summary.heat_pumps(inputs)
    ]
    loads = [
        [r.load, r.owner, r.does, f"{r.tasks}", "" if isnan(r.kwh) else f"{r.kwh:.4g}", f"{r.power_kw:.4g}"]
        for r in summary.loads(inputs)
    ]
    headers = (
        ["heat pump", "of", "heat kWh/day", "COP least", "mean", "most", "kW", "tank kWh"],
        ["load", "of", "what", "tasks", "kWh", "kW"],
    )
    lines = []
    for header, rows in zip(headers, (pumps, loads), strict=True):
        if rows:
            lines += ["", table(header, rows[:_ROWS_SHOWN])]
        if len(rows) > _ROWS_SHOWN:
            lines.append(f"and {len(rows) - _ROWS_SHOWN} more rows")
    return lines


_LONGEST = 80  # of a label
_HEADER = """# Made by `otonari inspect`. The prices are assumptions: put those of your contract here.
# What a key means: data/README.md; what else there is: `otonari schema`.
"""


def _understood(seen: Inspection) -> list[str]:
    """Return what was understood, line by line, for a person."""
    name = f"{seen.preset} ({PRESETS[seen.preset].title})" if seen.preset else "no preset; by its cells"
    lines = [f"{seen.path}: {name}", ""]
    lines += [f"  {' | '.join(row)[:110]}" for row in seen.head[:6]]
    if seen.step_minutes:
        steps = ", ".join(f"{minutes:g}" for minutes in seen.step_minutes)
        lines += ["", f"every {steps} minutes, {seen.first} to {seen.last} ({seen.time_zone}, local)"]
    if seen.per_day:
        days = sorted({day for told in seen.per_day.values() for day in told})[:_DAYS_SHOWN]
        unit = "mean price" if seen.kind == "price" else "kWh a day"
        shown = list(seen.per_day.items())[:_COLUMNS_SHOWN]
        rows = [[column, *(f"{told[d]:.6g}" if d in told else "" for d in days)] for column, told in shown]
        lines += ["", table([unit, *days], rows)]
        if len(seen.per_day) > _COLUMNS_SHOWN:
            lines.append(f"and {len(seen.per_day) - _COLUMNS_SHOWN} more columns")
    lines += [""] * bool(seen.doubts) + [f"doubt: {doubt}" for doubt in seen.doubts]
    return lines


def _keys(seen: Inspection, path: str) -> dict[str, Any]:
    """Return the keys of the file in a scenario."""
    if seen.preset is None:
        return {"path": path, **seen.form}
    usual = PRESETS[seen.preset].keys(seen.kind)
    changed = ("sheet", "column", "value_column", "only", "time_format")
    own = {k: v for k, v in seen.form.items() if k in changed and v != usual.get(k)}
    return {"path": path, "preset": seen.preset, **own}


def _naming(seen: Inspection, path: str) -> dict[str, Any]:
    """Return the part of a scenario that names the file."""
    if seen.kind == "weather":
        return {"weather": {"source": "file", "path": path, "format": seen.form["format"]}}
    if seen.kind == "sessions":
        return {"tables": {"trips": {"path": path, "sessions": {"preset": seen.preset}}}}
    keys = _keys(seen, path)
    if seen.kind == "price":
        column = {} if seen.preset else {"column": (seen.columns or ["?"])[0]}
        return {"tariffs": {"standard": {"energy": {"type": "series", **keys, **column}}}}
    many = len(seen.columns) > 1 or "meter_column" in seen.form
    rows = (
        [{"participant": _name(c, seen.columns), "demand_column": c} for c in seen.columns[:50]]
        if many
        else [{"participant": "home"}]
    )
    if not many and "first_slot" not in seen.form and seen.preset is None and seen.columns:
        keys["value_column"] = seen.columns[0]
    return {"tables": {"participants": rows}, "series": {"demand": keys}}


def _name(column: str, every: Sequence[str]) -> str:
    """Return the name of whoever has a column: its own, or where that is long its first line, numbered if need be."""
    if len(column) <= _LONGEST:
        return column
    first = [c.split(" | ")[0][:70] for c in every]
    own = column.split(" | ")[0][:70]
    alike = [c for c, name in zip(every, first, strict=True) if name == own]
    return own if len(alike) == 1 else f"{own} {alike.index(column) + 1}"


def _scenario(seen: Inspection, path: str) -> dict[str, Any]:
    """Return a scenario of the first whole day of the file, as plain values."""
    naming = _naming(seen, path)
    step = round(min(seen.step_minutes, default=30))
    flat = {
        "energy": {"type": "flat", "price_per_kwh": 0.3},
        "feed_in": {"type": "flat", "price_per_kwh": 0.08},
    }
    tariff = {**flat, **naming.get("tariffs", {}).get("standard", {})}
    zone = seen.time_zone
    currency = money(zone) or ("USD" if zone.startswith("America/") else "EUR")
    return {
        "schema_version": 1,
        "name": "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(path).stem).strip("-")
        or "readings",
        "currency": currency,
        "time": {
            "start": _first_whole_day(seen),
            "days": 1,
            "slot_minutes": step if step >= 5 and 1440 % step == 0 else 30,
            "time_zone": zone,
        },
        "weather": {"source": "clear-sky"},
        "tables": naming.get("tables", {"participants": [{"participant": "home", "persons": 2}]}),
        **({"series": naming["series"]} if "series" in naming else {}),
        "tariffs": {"standard": tariff},
        "fees": {"method": "by-level", "access_fee_per_kwh": 0.0},
    }


def _first_whole_day(seen: Inspection) -> str:
    """Return the first local day that the file covers without a gap, or its first."""
    first, last = date.fromisoformat(seen.first[:10]), seen.last
    begin = first + timedelta(days=seen.first[11:] != "00:00")
    days = (begin + timedelta(days=n) for n in range((date.fromisoformat(last[:10]) - begin).days))
    return next((day for day in days if f"{day}" not in seen.broken), first).isoformat()


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
