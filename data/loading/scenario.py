"""Scenario files: read with every problem at once, every default filled in, written out again and hashed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from ..files import strict_yaml
from ..files.regular_file import sha256
from ..problems import InputError, Problem, suggestion
from ..schema.defaults import settled
from ..schema.scenario import Scenario, json_schema
from ..schema.table_rows import TABLES
from ..schema.values import Closed, later_defaults
from .cross_checks import NOTHING, Parts, inconsistencies, parts_of
from .messages import schema_problems
from .overrides import LocatedValues, anchor, files, override, read_tables
from .site import settle

__all__ = [
    "Reading",
    "Scenario",
    "bundled",
    "digest",
    "dumps",
    "effective",
    "json_schema",
    "load_scenario",
    "read",
    "template_files",
]

Source = str | Path | Mapping[str, Any]

_BUNDLED = Path(__file__).parents[1] / "scenarios"
_FILE = "scenario.yaml"


@dataclass(frozen=True)
class Reading:
    """The result of reading a scenario file: the scenario (None where it is refused), its parts, all problems."""

    scenario: Scenario | None
    parts: Parts
    problems: tuple[Problem, ...]


def load_scenario(source: Source, overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario of a bundled name, a file, a folder with one, or an effective mapping.

    Parameters
    ----------
    source
        What to load. Paths inside are relative to the file; tables are read into the scenario.
    overrides
        ``key.path=value`` each, as with ``--set``; ``tables.TABLE.LABEL.column=value`` changes a row, and
        ``*`` in place of a label every row. Values are YAML.

    Raises
    ------
    InputError
        With every problem of the scenario, its tables and the overrides.
    """
    reading = read(source, overrides)
    if reading.problems or reading.scenario is None:
        raise InputError(reading.problems)
    return reading.scenario


def read(
    source: Source,
    overrides: Sequence[str] = (),
    override_places: Mapping[str, tuple[str, str]] | None = None,
) -> Reading:
    """Return the scenario of a source and every problem of it; see :func:`load_scenario`.

    ``override_places`` gives file and row of overrides that do not come from the command line.
    """
    try:
        located = opened(source)
    except InputError as error:
        return Reading(None, NOTHING, error.problems)
    located.override_places = override_places or {}
    if not isinstance(located.values, dict):
        got = "a list" if isinstance(located.values, list) else "a single value"
        return Reading(
            None, NOTHING, (Problem(located.where, "1", "file", got, "keys such as name and time"),)
        )
    rows = [text for text in overrides if changes_rows(text)]
    for text in overrides:
        if text not in rows:
            override(located, text)
    read_tables(located)
    for text in rows:
        override(located, text)
    anchor(located)
    tables = located.values.get("tables")
    listed = tables.get("participants") if isinstance(tables, dict) else None
    settle(located, listed if isinstance(listed, list) else ())
    scenario, parts = _validate(located)
    located.problems += inconsistencies(parts, located.place)
    return Reading(scenario, parts, tuple(sorted(set(located.problems))))


def changes_rows(override: str) -> bool:
    """Return whether an override changes rows of a table rather than a key."""
    return override.startswith("tables.") and override.partition("=")[0].count(".") >= 3


def effective(scenario: Scenario) -> dict[str, Any]:
    """Return the scenario with every default in it and every file pinned; it loads to the same inputs.

    A blank whose default is another value of the scenario (``fuel_price_per_litre``: ``fuel.price_per_litre``)
    stays blank, so that an override of that value reaches it. Tables are rows, of trips only those that matter
    for the horizon; other files stay where they are, by absolute path and SHA-256.
    """
    return _pinned(settled_within_horizon(scenario))


def settled_within_horizon(scenario: Scenario) -> Scenario:
    """Return the scenario with the defaults that stand nowhere in it, and the trips that matter for its horizon."""
    from ..schema import horizon  # brings pandas: imported where it is needed

    scenario = settled(scenario)
    trips = tuple(horizon.relevant(scenario.tables.trips, scenario.time))
    return scenario.model_copy(update={"tables": scenario.tables.model_copy(update={"trips": trips})})


def _pinned(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as plain values, every file with its SHA-256."""
    values = scenario.model_dump(mode="json")
    for file in files(values):
        file["sha256"] = file["sha256"] or sha256(Path(file["path"]))
    return values


def dumps(scenario: Scenario) -> str:
    """Return the effective scenario as YAML text."""
    return yaml.safe_dump(effective(scenario), sort_keys=False, allow_unicode=True, width=110)


def digest(scenario: Scenario) -> str:
    """Return the SHA-256 of the effective scenario as canonical JSON; files count by content, not by path.

    Fields that version 1 of the schema did not have count only where they differ from their defaults.
    """
    return hashlib.sha256(canonical_json(counted(scenario)).encode()).hexdigest()


def counted(scenario: Scenario) -> dict[str, Any]:
    """Return the values of a scenario that its digest counts."""
    scenario = settled_within_horizon(scenario)
    values = _pinned(scenario)
    for file in files(values):
        del file["path"]
    return dict(_without_later_defaults(scenario, values))


def _without_later_defaults(part: Any, values: Any) -> Any:
    """Return the plain values of a part of the scenario without later fields that have their default."""
    if not isinstance(values, dict | list):
        return values
    if isinstance(part, Closed):
        later, fields = later_defaults(type(part)), vars(part)
        kept = (n for n in values if n not in later or fields[n] != later[n])
        return {n: _without_later_defaults(fields[n], values[n]) for n in kept}
    if isinstance(values, dict):
        return {key: _without_later_defaults(part[key], value) for key, value in values.items()}
    return [_without_later_defaults(*pair) for pair in zip(part, values, strict=True)]


def canonical_json(values: Any) -> str:
    """Return plain values in their one spelling: keys sorted, no space, no escapes."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def bundled() -> list[str]:
    """Return the names of the scenarios that come with the package."""
    return sorted(folder.parent.name for folder in _BUNDLED.glob(f"*/{_FILE}"))


def template_files(name: str) -> dict[str, bytes]:
    """Return the files of a bundled scenario, name to content: commented, and it clears as it is.

    Raises
    ------
    InputError
        If no scenario of that name is bundled.
    """
    if name not in bundled():
        known = [*bundled(), "sharing", "town"]
        want = f"one of {', '.join(known)}{suggestion(name, known)}"
        raise InputError([Problem(name, "", "template", "no template of this name", want)])
    return {path.name: path.read_bytes() for path in sorted((_BUNDLED / name).iterdir()) if path.is_file()}


def opened(source: Source) -> LocatedValues:
    """Return the values of a source before they are validated; raise :class:`InputError` where it cannot be read."""
    if isinstance(source, Mapping):
        return LocatedValues("scenario", Path(), json.loads(json.dumps(dict(source), default=str)))
    path = Path(source)
    if str(source) in bundled():
        path = _BUNDLED / str(source) / _FILE
    elif path.is_dir():
        path = path / _FILE
    elif not path.exists() and path.suffix == "" and path.name == str(source):
        raise InputError([_unknown(str(source))])
    values, lines, problems = strict_yaml.read(path)
    return LocatedValues(str(path), path.parent, values, lines, problems=problems)


def _unknown(name: str) -> Problem:
    known = bundled()
    want = f"a file, or one of {', '.join(known)}{suggestion(name, known)}"
    return Problem(name, "", "scenario", "no file or bundled scenario of this name", want)


def _validate(located: LocatedValues) -> tuple[Scenario | None, Parts]:
    """Return the scenario, or None, and its parts that are valid on their own; note the problems."""
    values, scenario = located.values, None
    lost = [name for name, table in located.read.items() if not table.complete]
    unknown = [name for name, table in located.read.items() if not table.known]
    try:
        scenario = Scenario.model_validate(values)
    except ValidationError as error:
        located.problems += schema_problems(error, Scenario, located.place, (), values, located.read)
        adapters = {n: TypeAdapter(f.rebuild_annotation()) for n, f in Scenario.model_fields.items()}
        wrong = {detail["loc"][0] for detail in error.errors()}
        sections = {n: _valid(a, values.get(n)) if n not in wrong else None for n, a in adapters.items()}
        for name, info in Scenario.model_fields.items():
            if name not in values and not info.is_required():
                sections[name] = info.default
        section = values.get("tables")
        listed = section if isinstance(section, dict) else {}
        rows = {t: _valid_rows(model, listed.get(t)) for t, (model, _) in TABLES.items()}
    else:
        sections = {name: getattr(scenario, name) for name in Scenario.model_fields}
        rows = {table: dict(enumerate(getattr(scenario.tables, table))) for table in TABLES}
    for table in unknown:  # a cell may be missing because its column has another name
        rows[table] = {}
    return scenario, parts_of(values, sections, rows, lost)


def _valid_rows(model: type[Closed], entries: Any) -> dict[int, Any]:
    """Return the rows of a table that are valid on their own, by their place."""
    adapter = TypeAdapter(model)
    checked = enumerate(entries if isinstance(entries, list) else ())
    parsed = ((i, _valid(adapter, entry)) for i, entry in checked)
    return {i: row for i, row in parsed if row is not None}


def _valid(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None
