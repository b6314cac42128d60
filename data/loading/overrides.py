"""Values of a scenario file before validation: overridden, tables read, each with the place where it is written."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..files import csv_table, strict_yaml
from ..files.csv_table import Table
from ..files.strict_yaml import Location
from ..problems import InputError, Problem
from ..schema.file_references import TableFile
from ..schema.scenario import Time
from ..schema.table_rows import TABLES
from ..schema.values import Closed
from .messages import schema_problems, shown

_OFFSET = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:Z|[+-]\d\d:?\d\d)$")


_ZONE = str(Time.model_fields["time_zone"].default)


@dataclass
class LocatedValues:
    """The plain values of a scenario file, and for each of them where the user wrote it.

    ``override_places`` gives file and row of an override that is not of the command line; ``tables`` is the table of
    its tables.
    """

    where: str
    base: Path
    values: Any
    lines: dict[Location, int] = field(default_factory=dict)
    read: dict[str, Table] = field(default_factory=dict)
    set_by: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    override_places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tables: Mapping[str, tuple[type[Closed], str]] = field(default_factory=lambda: TABLES)

    def override_place(self, text: str) -> tuple[str, str]:
        """Return file and row of an override: of the command line, where none are known."""
        return self.override_places.get(text, (f"--set {text if len(text) <= 60 else text[:57] + '...'}", ""))

    def place(self, at: Location) -> tuple[str, str, str]:
        """Return file, row and field of a value."""
        dotted = ".".join(map(str, at)) or "file"
        text = next((self.set_by[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self.set_by), None)
        if text is None and at not in self.lines:  # a key that exists only because something was set below it
            text = next((by for key, by in self.set_by.items() if key[: len(at)] == at), None)
        if text is not None:
            return *self.override_place(text), dotted
        if at[:1] == ("tables",) and len(at) > 2 and at[1] in self.read:
            table, index = self.read[str(at[1])], int(at[2])
            return table.where, str(table.lines[index]), ".".join(map(str, at[3:])) or "row"
        line = next((self.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.lines), None)
        return self.where, "" if line is None else str(line), dotted


def override(located: LocatedValues, text: str) -> None:
    """Set ``key.path=value`` in the values, or note why not; an empty value takes the key away."""
    path, equals, value = text.partition("=")
    keys = path.split(".")
    place = located.override_place(text)
    if not equals or not all(keys):
        located.problems.append(Problem(*place, "override", repr(text), "key.path=value"))
        return
    try:
        parsed = strict_yaml.parse(value, place[0])[0] if value.strip() else None
    except InputError:
        located.problems.append(Problem(*place, path, shown(value), "a value in YAML"))
        return
    targets: list[tuple[Any, Location]] = [(located.values, ())]
    for key in keys[:-1]:
        targets = [step for target in targets for step in _step(*target, key, located.tables)]
    targets = [(t, (*at, k)) for t, at in targets for k in _names(t, at, keys[-1], located.tables)]
    if not targets:
        located.problems.append(Problem(*place, path, "a path that leads nowhere", "a key or a row's label"))
    for target, at in targets:
        located.set_by[at] = text
        if value.strip():
            target[at[-1]] = copy.deepcopy(parsed)
        elif isinstance(target, dict):
            target.pop(at[-1], None)


def _step(target: Any, at: Location, key: str, tables: Mapping[str, Any]) -> list[tuple[Any, Location]]:
    """Return what lies under a key of a mapping (added where missing), or in the rows that a key names."""
    if isinstance(target, dict):
        if not isinstance(target.get(key), dict | list):
            target[key] = {}
        return [(target[key], (*at, key))]
    return [(target[name], (*at, name)) for name in _names(target, at, key, tables)]


def _names(target: Any, at: Location, key: str, tables: Mapping[str, Any]) -> list[Any]:
    """Return what ``key`` names in a container: the key, an index, a row by its label, all by ``*``."""
    if isinstance(target, dict):
        return [key]
    if not isinstance(target, list):
        return []
    if key == "*":
        return list(range(len(target)))
    column = tables[str(at[1])][1] if len(at) == 2 and at[0] == "tables" and at[1] in tables else ""
    rows = [i for i, row in enumerate(target) if isinstance(row, dict) and str(row.get(column)) == key]
    return rows or ([int(key)] if key.isdecimal() and int(key) < len(target) else [])


def read_tables(located: LocatedValues) -> None:
    """Replace the paths of tables by their rows."""
    section = located.values.get("tables")
    if not isinstance(section, dict):
        return
    for name in located.tables:
        value = section.get(name)
        if not isinstance(value, str | dict):
            continue
        options = {"path": value} if isinstance(value, str) else value
        try:
            file = TableFile.model_validate(options)
        except ValidationError as error:
            located.problems += schema_problems(error, TableFile, located.place, ("tables", name), options)
            located.read[name] = Table(located.where, complete=False, known=False)
            section[name] = []
            continue
        located.read[name], wrong = _read(located, name, file)
        located.problems += wrong
        rows = [dict(row) for row in located.read[name].rows]
        if file.keep_clock:
            rows = [{c: _OFFSET.sub(r"\1", v) for c, v in row.items()} for row in rows]
        section[name] = rows


def _read(located: LocatedValues, name: str, file: TableFile) -> tuple[Table, list[Problem]]:
    """Return the rows of a table's file, and what is wrong with it; charging sessions become trips."""
    path = located.base / file.path
    if file.sessions is None:
        form = file.model_dump(exclude={"path", "keep_clock", "sessions"})
        return csv_table.read(path, located.tables[name][0], **form)
    if name != "trips":
        where, line, field = located.place(("tables", name, "sessions"))
        wrong = Problem(where, line, field, "sessions", "a table of trips: tables.trips")
        return Table(str(path), complete=False, known=False), [wrong]
    from .sessions import trips  # brings pandas: imported where it is needed

    time = located.values.get("time")
    zone = time.get("time_zone") if isinstance(time, dict) else None
    try:
        return trips(path, file, str(zone or _ZONE), _vehicles(located))
    except InputError as error:
        return Table(str(path), complete=False, known=False), list(error.problems)


def _vehicles(located: LocatedValues) -> dict[str, dict[str, Any]]:
    """Return the rows of the vehicles by label, of the table or of its file."""
    value = located.values["tables"].get("vehicles")
    listed = value if isinstance(value, list) else list(rows(located, "vehicles"))
    return {str(row.get("vehicle")): row for row in listed if isinstance(row, dict)}


def rows(located: LocatedValues, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table one by one, as :func:`read_tables` has them; raise where anything is wrong with it."""
    value = located.values["tables"].get(name)
    if not isinstance(value, str | dict):
        yield from value or ()
        return
    file = TableFile.model_validate({"path": value} if isinstance(value, str) else value)
    if file.sessions is not None:
        table, wrong = _read(located, name, file)
        if wrong:
            raise InputError(wrong)
        yield from table.rows
        return
    form = file.model_dump(exclude={"path", "keep_clock", "sessions"})
    for row in csv_table.rows(located.base / file.path, TABLES[name][0], **form):
        yield {c: _OFFSET.sub(r"\1", v) for c, v in row.items()} if file.keep_clock else row


def anchor(located: LocatedValues) -> None:
    """Make the paths of series and weather independent of where the scenario stands."""
    for file in files(located.values):
        if isinstance(file.get("path"), str):
            file["path"] = str((located.base / file["path"]).absolute())


def files(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a scenario that name a file of data: series, prices, carbon and weather."""
    tariffs = [t for t in _parts(values.get("tariffs")) if isinstance(t, dict)]
    lists = [t["components"] for t in tariffs if isinstance(t.get("components"), list | tuple)]
    prices = [part for tariff in tariffs for part in tariff.values()]
    prices += [c.get("price") for components in lists for c in components if isinstance(c, dict)]
    parts = [*_parts(values.get("series")), *_parts(values.get("carbon")), *prices, values.get("weather")]
    return [part for part in parts if isinstance(part, dict) and part.get("path")]


def _parts(section: Any) -> list[Any]:
    return list(section.values()) if isinstance(section, dict) else []
