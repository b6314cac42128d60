"""Checks between parts of a scenario: labels that must exist and occur once, the tree, trips, demand."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..files.strict_yaml import Location
from ..inputs.tree import faults
from ..problems import InputError, Problem, suggestion
from ..schema.table_rows import AWAY, TABLES
from ..schema.tariffs_and_fees import CommonLevelFees, ExtentFees

Place = Callable[[Location], tuple[str, str, str]]

REFERENCES = (
    ("participants", "node", "nodes"),
    ("participants", "tariff", "tariffs"),
    ("batteries", "owner", "participants"),
    ("vehicles", "owner", "participants"),
    ("vehicles", "work", "participants"),
    ("loads", "owner", "participants"),
    ("trips", "vehicle", "vehicles"),
    ("trips", "destination", "participants"),
    ("nodes", "parent", "nodes"),
    ("heat_pumps", "owner", "participants"),
)
"""Table and column of each label, and what it names."""


@dataclass(frozen=True)
class Parts:
    """What is valid on its own in a scenario.

    ``sections`` are the valid top-level ones; ``rows[table][i]`` the valid rows, ``i`` their place in the
    table, none where its columns are not known; ``entries[table][i]`` all rows as written; ``labels[target]`` the
    labels of all rows and tariffs, absent for a target of which some or all are missing.
    """

    sections: Mapping[str, Any]
    rows: Mapping[str, Mapping[int, Any]]
    entries: Mapping[str, Sequence[Any]]
    labels: Mapping[str, Sequence[str]]

    def label(self, table: str, i: int, column: str) -> str | None:
        """Return a cell as a label, None where there is none."""
        row = self.entries[table][i]
        value = row.get(column) if isinstance(row, dict) else None
        return None if value is None or isinstance(value, dict | list) else str(value).strip() or None


NOTHING = Parts({}, {}, {}, {})
OF_FILES = {
    "participants": {"import_limit": "import_limit", "export_limit": "export_limit"},
    "nodes": {"import_limit": "node_import_limit", "export_limit": "node_export_limit"},
    "heat_pumps": {"heat": "heat", "cop": "cop"},
}
"""By table, of what a row may name a column, and of which series."""


def inconsistencies(parts: Parts, place: Place) -> list[Problem]:
    """Return every inconsistency between parts that are valid on their own."""
    checks = (_duplicate_labels, _references, _nodes, _demand, _pv, _columns, _trips, _gate, *_FURTHER)
    return [problem for check in checks for problem in check(parts, place)]


def _duplicate_labels(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield labels that occur twice."""
    for table, (_, column) in TABLES.items():
        first: dict[str, int] = {}
        for i in range(len(parts.entries.get(table, ())) if column else 0):
            label = parts.label(table, i, column)
            if label in first:
                row = place(("tables", table, first[label], column))[1]
                got = f"{label!r} again" + (f" (first in row {row})" if row else "")
                yield Problem(*place(("tables", table, i, column)), got, "a label that occurs once")
            elif label is not None:
                first[label] = i


def _references(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield labels that name nothing."""
    for table, column, target in REFERENCES:
        if target not in parts.labels:
            continue
        known = set(parts.labels[target])
        for i in range(len(parts.entries.get(table, ()))):
            label = parts.label(table, i, column)
            if label is None or label in known or (column == "destination" and label == AWAY):
                continue
            want = f"a label of {target}{suggestion(label, sorted(known))}"
            yield Problem(*place(("tables", table, i, column)), repr(label), want)


def _nodes(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield what keeps the nodes from being a tree, and what the method of fees misses at a node."""
    rows, fees = parts.rows.get("nodes", {}), parts.sections.get("fees")
    if isinstance(fees, CommonLevelFees | ExtentFees) and parts.entries.get("nodes", [None]) == []:
        yield Problem(*place(("tables", "nodes")), "nothing", f"nodes with levels, as fees are {fees.method}")
    if "nodes" not in parts.labels or len(rows) < len(parts.entries["nodes"]):
        return  # a row is wrong already: what hangs on it cannot be judged
    labels, parents = [r.node for r in rows.values()], [r.parent or "" for r in rows.values()]
    for i, got, want in faults(labels, parents):
        yield Problem(*place(("tables", "nodes", i, "parent")), got, want)
    for i, row in rows.items():
        for column in fees.required_columns(row) if fees is not None else ():
            if getattr(row, column) is None:
                want = f"{type(row).model_fields[column].description}"
                yield Problem(*place(("tables", "nodes", i, column)), "nothing", want)
        levels = getattr(fees, "levels", {row.level})
        if row.level is not None and row.level not in levels:
            want = f"a key of fees.levels{suggestion(row.level, levels)}"
            yield Problem(*place(("tables", "nodes", i, "level")), repr(row.level), want)


def _demand(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield participants whose demand comes from nowhere."""
    series = parts.sections.get("series")
    for i, row in parts.rows.get("participants", {}).items():
        generated = row.persons is not None or (row.kind == "business" and row.annual_kwh is not None)
        if series is None or generated or series.demand is not None or row.kind == "plant":
            continue
        at = ("tables", "participants", i)
        if row.demand_column is not None:
            yield Problem(*place((*at, "demand_column")), repr(row.demand_column), "a file in series.demand")
        elif row.kind == "business":
            yield Problem(*place((*at, "annual_kwh")), "nothing", "annual_kwh or demand_column")
        else:
            yield Problem(*place((*at, "persons")), "nothing", "persons or demand_column")


def _pv(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield columns of PV without a file, or without the installed power that its unit needs."""
    series = parts.sections.get("series")
    for i, row in parts.rows.get("participants", {}).items():
        if series is None or row.pv_column is None:
            continue
        at = ("tables", "participants", i)
        if series.pv is None:
            yield Problem(*place((*at, "pv_column")), repr(row.pv_column), "a file in series.pv")
        elif series.pv.unit == "W/kW" and row.pv_column_kw is None:
            want = "installed kW, as the unit of series.pv is W/kW"
            yield Problem(*place((*at, "pv_column_kw")), "nothing", want)


def _columns(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield columns of limits, heat or COP without a file."""
    series = parts.sections.get("series")
    for table, names in OF_FILES.items() if series is not None else ():
        for i, row in parts.rows.get(table, {}).items():
            for name, file in names.items():
                column = getattr(row, f"{name}_column")
                if column is not None and getattr(series, file) is None:
                    where = place(("tables", table, i, f"{name}_column"))
                    yield Problem(*where, repr(column), f"a file in series.{file}")


def _trips(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield trips at times that do not exist, that overlap, or of vehicles whose trips are generated."""
    from ..clock import shows  # brings pandas: imported where it is needed
    from ..schema.horizon import horizon, instant

    time = parts.sections.get("time")
    if time is None:
        return
    try:
        begin, end = horizon(time)
    except InputError as error:
        for problem in error.problems:
            yield Problem(*place(("time", problem.field)), problem.got, problem.want)
        return
    patterns = {v.vehicle for v in parts.rows.get("vehicles", {}).values() if v.pattern}
    spans: dict[str, list[tuple[Any, Any, int]]] = {}
    for i, row in parts.rows.get("trips", {}).items():
        if row.vehicle in patterns:
            want = "a vehicle without a pattern (its trips are generated)"
            yield Problem(*place(("tables", "trips", i, "vehicle")), repr(row.vehicle), want)
        for column in ("departure", "arrival"):
            if not shows(getattr(row, column), time.time_zone):
                want = f"a time that the clock of {time.time_zone} shows (or one with its UTC offset)"
                got = parts.label("trips", i, column)
                yield Problem(*place(("tables", "trips", i, column)), f"{got}", want)
        departure, arrival = (instant(m, time.time_zone) for m in (row.departure, row.arrival))
        if departure < end and arrival > begin:
            spans.setdefault(row.vehicle, []).append((departure, arrival, i))
    for vehicle, own in spans.items():
        own.sort()
        for (_, arrival, first), (departure, _, i) in pairwise(own):
            if departure < arrival:
                row = place(("tables", "trips", first, "arrival"))[1]
                got = f"a departure before {vehicle!r} arrives from the trip before (row {row})"
                yield Problem(*place(("tables", "trips", i, "departure")), got, "trips one after another")


def _gate(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield a gate that closes before its product opens."""
    time, rules = parts.sections.get("time"), parts.sections.get("exchange")
    if time is None or rules is None:
        return
    least = rules.gate_minutes - time.slot_minutes
    if rules.opening_hours * 60 <= least:
        want = f"more than {least / 60:g} hours: gate_minutes before the slot's end"
        yield Problem(*place(("exchange", "opening_hours")), f"{rules.opening_hours:g}", want)


def _owners(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield owners of candidates that are no participants, and what is no node, tariff or vehicle."""
    investment = parts.sections.get("investment")
    if investment is None or "participants" not in parts.labels:
        return
    known = set(parts.labels["participants"])
    for label, candidate in investment.candidates.items():
        named = {"owner": [candidate.owner] if candidate.owner else []}
        named["each"] = list(candidate.each) if isinstance(candidate.each, tuple) else []
        named["shares"] = list(candidate.shares or ())
        for key, names in named.items():
            for name in (name for name in names if name not in known):
                want = f"a label of participants{suggestion(name, sorted(known))}"
                yield Problem(*place(("investment", "candidates", label, key)), repr(name), want)
        of = {"node": "nodes", "edge": "nodes", "tariff": "tariffs", "vehicle": "vehicles"}
        for key, target in of.items():
            name, labels = getattr(candidate, key), parts.labels.get(target)
            if name is not None and labels is not None and name not in labels:
                want = f"a label of {target}{suggestion(name, sorted(labels))}"
                yield Problem(*place(("investment", "candidates", label, key)), repr(name), want)


def _holidays(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield windows that ask for public holidays where the scenario has no calendar of them."""
    if parts.sections.get("holidays", "") != "none":
        return
    for label, tariff in (parts.sections.get("tariffs") or {}).items():
        for at, price in tariff.prices():
            for n, window in enumerate(getattr(price, "windows", ())):
                if window.holidays is not None:
                    where = place(("tariffs", label, *at, "windows", n, "holidays"))
                    want = "holidays of the scenario: a country such as CA-ON, or dates"
                    yield Problem(*where, str(window.holidays).lower(), want)


def _contracted(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield participants without the contracted power that their tariff charges."""
    tariffs = parts.sections.get("tariffs") or {}
    priced = {t for t, own in tariffs.items() for c in own.components if c.basis == "per-kw-contracted"}
    for i, row in parts.rows.get("participants", {}).items() if priced else ():
        tariff = next(iter(tariffs)) if row.tariff is None else row.tariff
        if tariff in priced and row.contracted_kw is None and row.import_limit_kw is None:
            want = f"contracted kW (or import_limit_kw), as tariff {tariff!r} has a price for it"
            yield Problem(*place(("tables", "participants", i, "contracted_kw")), "nothing", want)


def _earlier_peaks(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield earlier peaks that say nothing of the mean of several days, or that no tariff charges."""
    tariffs = parts.sections.get("tariffs") or {}
    days = {
        t: [c.highest_days if c.peak_of == "meter" else 0 for c in own.components if c.basis == "per-kw-peak"]
        for t, own in tariffs.items()
    }
    for i, row in parts.rows.get("participants", {}).items() if tariffs else ():
        own = days.get(next(iter(tariffs)) if row.tariff is None else row.tariff, [1])
        if row.earlier_peak_kw is not None and set(own) != {1}:
            want = "nothing, as its tariff " + (
                "charges no peak"
                if not own
                else "has a peak of all its customers (its component says the earlier one)"
                if 0 in own
                else "has the mean of several days"
            )
            where = place(("tables", "participants", i, "earlier_peak_kw"))
            yield Problem(*where, f"{row.earlier_peak_kw:g}", want)


def _earlier_energy(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield energy of the month so far that no tiers of the tariff count."""
    tariffs = parts.sections.get("tariffs") or {}
    counted = {t for t, own in tariffs.items() for _, p in own.prices() if getattr(p, "per", "") == "month"}
    for i, row in parts.rows.get("participants", {}).items() if tariffs else ():
        tariff = next(iter(tariffs)) if row.tariff is None else row.tariff
        if row.earlier_kwh is not None and tariff in tariffs and tariff not in counted:
            where = place(("tables", "participants", i, "earlier_kwh"))
            yield Problem(*where, f"{row.earlier_kwh:g}", "nothing, as its tariff has no tiers by month")


def _discounts(parts: Parts, place: Place) -> Iterator[Problem]:
    """Yield discounts by level where the fees have no such levels."""
    fees = parts.sections.get("fees")
    levels = set(fees.levels) if isinstance(fees, CommonLevelFees | ExtentFees) else set()
    for label, tariff in (parts.sections.get("tariffs") or {}).items() if fees is not None else ():
        for n, component in enumerate(tariff.components):
            given = component.shared_discount
            if isinstance(given, dict) and set(given) != levels:
                want = f"one number, or a percentage for each level of fees ({', '.join(sorted(levels)) or 'none here'})"
                where = place(("tariffs", label, "components", n, "shared_discount"))
                yield Problem(*where, ", ".join(sorted(given)) or "none", want)


_FURTHER = (_owners, _holidays, _contracted, _earlier_peaks, _earlier_energy, _discounts)
"""Checks between what plans and tariffs say and what they need elsewhere."""


def parts_of(
    values: Mapping[str, Any],
    sections: Mapping[str, Any],
    rows: Mapping[str, Any],
    incomplete: Collection[str] = (),
) -> Parts:
    """Return the parts of a scenario: its valid sections and rows, and the labels of tables that are complete."""
    tables = values.get("tables")
    listed = {t: tables.get(t, []) if isinstance(tables, dict) else [] for t in TABLES}
    entries = {t: rows if isinstance(rows, list | tuple) else [] for t, rows in listed.items()}
    parts = Parts(sections, rows, entries, {})
    labels: dict[str, Sequence[str]] = {}
    for table, (_, column) in TABLES.items():
        cells = [parts.label(table, i, column) for i in range(len(entries[table]))]
        known = [label for label in cells if label is not None]
        if table not in incomplete and len(known) == len(cells):
            labels[table] = known
    tariffs = values.get("tariffs")
    labels["tariffs"] = list(map(str, tariffs)) if isinstance(tariffs, dict) else []
    needed = ("participants", "tariffs")  # without any, that is the problem, and none of the references
    return replace(parts, labels={t: known for t, known in labels.items() if known or t not in needed})
