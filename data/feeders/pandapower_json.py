"""Networks as pandapower stores them in JSON (``to_json``): tables of its elements, in the form ``split`` of pandas."""

import json
from collections.abc import Iterator, Mapping
from math import inf, isnan
from pathlib import Path
from typing import Any

from ..files.regular_file import content
from ..problems import InputError, Problem
from .network import Edge, Line, Load, Network, Transformer

Row = Mapping[str, Any]
LEFT_OUT = ("gen", "trafo3w", "impedance", "ward", "xward", "dcline", "motor", "storage", "shunt")
"""Elements that a scenario's network has no place for."""
MOST = 200_000_000
"""Largest file that is read [bytes]."""


def read(path: Path) -> Network:
    """Return the network of a file.

    Lines, two-winding transformers, closed switches between buses, open ones at edges, one external grid, loads (of all
    phases alike, and of each phase), and static generators as PV are read; of others a note says that they are left out.

    Raises
    ------
    InputError
        If it is no such file, or has no external grid or several.
    """
    tables = _Tables(path)
    try:
        return _network(tables)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise tables.refused(error) from error


def _network(tables: "_Tables") -> Network:
    sources = list(tables.rows("ext_grid"))
    if len(sources) != 1:
        raise InputError([Problem(tables.where, "", "ext_grid", f"{len(sources)} external grids", "one")])
    source = sources[0]
    ratio, faults = _tap(tables, source)
    if faults:
        raise InputError(faults)
    notes = [f"{count} {name} left out" for name in LEFT_OUT if (count := len(tables.indexed(name)))]
    return Network(
        tables.where,
        {tables.bus(k): 1000 * row["vn_kv"] for k, row in tables.indexed("bus")},
        tables.bus(source["bus"]),
        float(source.get("vm_pu") or 1.0) * ratio,
        (*_lines(tables), *_transformers(tables)),
        (*_loads(tables), *_plants(tables)),
        tuple(
            (tables.bus(row["bus"]), tables.bus(row["element"]))
            for row in tables.rows("switch")
            if row["et"] == "b" and row["closed"]
        ),
        tuple(notes),
    )


class _Tables:
    """The tables of a file, and the labels of its buses: names where they are unique, else their numbers."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._read: dict[str, list[tuple[Any, Row]]] = {}
        try:
            self._tables = json.loads(content(path, "a network in JSON", MOST))["_object"]
            names = {k: str(row.get("name") or "").strip() for k, row in self.indexed("bus")}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self.refused(error) from error
        named = len({*names.values()}) == len(names) and all(names.values())
        self._labels = {k: names[k] if named else f"bus {k}" for k in names}

    def refused(self, error: Exception) -> InputError:
        """Return the error of a file that is no such network, or one that is known already."""
        if isinstance(error, InputError):
            return error
        want = "a network as pandapower's to_json writes it"
        return InputError([Problem(self.where, "", "file", "something else", want)])

    def indexed(self, name: str) -> list[tuple[Any, Row]]:
        """Return the rows of a table that are in service, with their numbers."""
        if name not in self._read:
            self._read[name] = self._in_service(name)
        return self._read[name]

    def _in_service(self, name: str) -> list[tuple[Any, Row]]:
        held = self._tables.get(name)
        if held is None:
            return []
        table = json.loads(held["_object"]) if isinstance(held["_object"], str) else held["_object"]
        found = [
            (k, dict(zip(table["columns"], row, strict=True)))
            for k, row in zip(table["index"], table["data"], strict=True)
        ]
        return [(k, row) for k, row in found if row.get("in_service", True)]

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table that are in service."""
        return (row for _, row in self.indexed(name))

    def bus(self, number: Any) -> str:
        """Return the label of a bus; raise :class:`InputError` where there is none in service."""
        if number not in self._labels:
            raise InputError([Problem(self.where, "", "bus", f"bus {number}", "a bus in service")])
        return self._labels[number]

    def open_at(self, kind: str) -> set[Any]:
        """Return the numbers of the edges of a kind (l, t) with an open switch."""
        return {row["element"] for row in self.rows("switch") if row["et"] == kind and not row["closed"]}


def _number(row: Row, name: str, otherwise: float) -> float:
    value = row.get(name)
    return otherwise if value is None or isnan(value) else float(value)


def _lines(tables: _Tables) -> Iterator[Edge]:
    """Yield the lines whose switches are closed; of parallel systems one of as much copper."""
    dead = tables.open_at("l")
    for k, row in tables.indexed("line"):
        if k in dead:
            continue
        systems, km = _number(row, "parallel", 1.0), float(row["length_km"])
        one = complex(row["r_ohm_per_km"], row["x_ohm_per_km"]) * km / systems
        r0, x0 = (_number(row, f"{part}0_ohm_per_km", inf) for part in "rx")
        zero = complex(r0, x0) * km / systems if r0 < inf and x0 < inf else None
        rating = 1000 * _number(row, "max_i_ka", inf) * _number(row, "df", 1.0) * systems
        ends = tables.bus(row["from_bus"]), tables.bus(row["to_bus"])
        yield Line(f"line {k}", ends, one, zero, rating if 0 < rating < 90_000 else inf, 1000 * km)


def _transformers(tables: _Tables) -> Iterator[Edge]:
    """Yield the transformers whose switches are closed."""
    dead = tables.open_at("t")
    for k, row in tables.indexed("trafo"):
        if k not in dead:
            ends = tables.bus(row["hv_bus"]), tables.bus(row["lv_bus"])
            kva = 1000 * row["sn_mva"] * _number(row, "parallel", 1.0)
            yield Transformer(f"trafo {k}", ends, kva, float(row["vk_percent"]), float(row["vkr_percent"]))


def _tap(tables: _Tables, source: Row) -> tuple[float, list[Problem]]:
    """Return by how much taps and rated voltages of the transformer at the source raise the voltage below it.

    A scenario knows no taps: those of the one transformer at the source are as another voltage of the source.
    """
    ratio, faults = 1.0, []
    volts = {k: row["vn_kv"] for k, row in tables.indexed("bus")}
    for k, row in tables.indexed("trafo"):
        steps = _number(row, "tap_pos", 0.0) - _number(row, "tap_neutral", 0.0)
        turned = 1 + steps * _number(row, "tap_step_percent", 0.0) / 100
        own = turned if row.get("tap_side") == "lv" else 1 / turned
        own *= (row["vn_lv_kv"] / volts[row["lv_bus"]]) / (row["vn_hv_kv"] / volts[row["hv_bus"]])
        if abs(own - 1) < 1e-9:
            continue
        if row["hv_bus"] != source["bus"] or ratio != 1.0:
            got = f"trafo {k} at {own:g} of its nominal ratio"
            want = "taps at neutral, but for one transformer at the external grid"
            faults.append(Problem(tables.where, "", "trafo", got, want))
        ratio = own
    return ratio, faults


def _loads(tables: _Tables) -> Iterator[Load]:
    """Yield loads of three phases, and of asymmetric ones those of each phase."""
    for k, row in tables.indexed("load"):
        scale = 1000 * _number(row, "scaling", 1.0)
        p, q = scale * row["p_mw"], scale * _number(row, "q_mvar", 0.0)
        yield Load(str(row.get("name") or f"load {k}"), tables.bus(row["bus"]), p, q)
    for k, row in tables.indexed("asymmetric_load"):
        scale = 1000 * _number(row, "scaling", 1.0)
        parts = {c: (scale * row[f"p_{c}_mw"], scale * row[f"q_{c}_mvar"]) for c in "abc"}
        on = [c for c, power in parts.items() if any(power)]
        name = str(row.get("name") or f"asymmetric load {k}")
        alike = len({parts[c] for c in on}) == 1 and len(on) == 3
        for c in ["abc"] if alike else on:
            p, q = (sum(parts[d][n] for d in c) for n in (0, 1))
            yield Load(name if alike or len(on) == 1 else f"{name} {c}", tables.bus(row["bus"]), p, q, c)


def _plants(tables: _Tables) -> Iterator[Load]:
    """Yield static generators as PV of their power."""
    for k, row in tables.indexed("sgen"):
        power = 1000 * row["p_mw"] * _number(row, "scaling", 1.0)
        if power > 0:
            yield Load(str(row.get("name") or f"sgen {k}"), tables.bus(row["bus"]), 0.0, pv_kw=power)
