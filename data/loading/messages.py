"""Problems of values that the schema refuses: file, row, key, the value given and what is wanted there."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ..files.csv_table import Table
from ..files.strict_yaml import Location
from ..problems import Problem, suggestion
from ..schema.values import PATTERNS

Place = Callable[[Location], tuple[str, str, str]]

_WANTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}
"""Kinds of error of pydantic -> what is wanted instead. Errors of our own carry it."""


def schema_problems(
    error: ValidationError,
    model: type[BaseModel],
    place: Place,
    prefix: Location,
    values: Any,
    read: Mapping[str, Table] | None = None,
) -> list[Problem]:
    """Return one problem per value that the schema refuses.

    Parameters
    ----------
    error, model
        What pydantic raised, and for which model.
    place
        Location of a value -> file, row and field as the user sees them.
    prefix
        Where ``values``, which were validated, stand in the scenario.
    read
        Tables that came from files; their missing columns are known already.
    """
    schema = model.model_json_schema()
    problems: dict[Location, tuple[str, str]] = {}
    for detail in error.errors(include_url=False):
        at = (*prefix, *_location(values, detail["loc"], detail["type"] == "missing"))
        if _reported_already(at, detail, read or {}) or (detail["type"] == "too_short" and detail["input"]):
            continue  # or by the rows that were refused
        at, got, want = _described(dict(detail), at, schema)
        if at in problems and want not in problems[at][1]:
            want = f"{problems[at][1]} or {want}"
        problems[at] = got, want
    return [Problem(*place(at), got, want) for at, (got, want) in problems.items()]


def _described(detail: dict[str, Any], at: Location, schema: dict[str, Any]) -> tuple[Location, str, str]:
    """Return the location, the value given and what is wanted there."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    here = _schema_at(schema, detail["loc"])
    described = str(here.get("description", ""))
    if kind == "missing":
        return at, "nothing", described
    if kind == "extra_forbidden":
        known = list(_schema_at(schema, detail["loc"][:-1]).get("properties", {}))
        word = str(at[-1])
        return at, f"an unknown key {word!r}{suggestion(word, known)}", f"one of {', '.join(known)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _tag(at, context, list(here.get("discriminator", {}).get("mapping", {})))
    if kind == "literal_error":
        choices = [str(c) for c in context["expected"].replace("'", "").replace(" or ", ", ").split(", ")]
        want = f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
        return at, shown(value) + suggestion(str(value), choices), want
    if kind == "tuple_type" and at[:1] == ("tables",) and len(at) == 2:
        return at, shown(value), "a list of rows, or a CSV file"
    if kind == "too_short":
        return at, "no rows" if at[:1] == ("tables",) else shown(value), f"at least one ({described})"
    want = (
        PATTERNS[context["pattern"]]
        if kind == "string_pattern_mismatch"
        else _WANTED.get(kind, detail["msg"])
    )
    if kind.startswith("int_") and "exclusiveMaximum" in here:
        want += f" less than {here['exclusiveMaximum']:.0f}"
    want = want.format_map({k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()})
    if isinstance(value, dict) and kind in here.get("properties", {}):  # ours, named after the key at fault
        return (*at, kind), shown(value.get(kind)), want
    if isinstance(value, dict) and kind not in _WANTED:
        given = (f"{k}={v}" for k, v in value.items() if not isinstance(v, dict | list))
        return at, ", ".join(given), want
    return at, shown(value), want


def _tag(at: Location, context: dict[str, Any], kinds: list[str]) -> tuple[Location, str, str]:
    """Return the message on the key that tells which of several kinds of mapping this one is."""
    tag = str(context.get("tag", ""))
    got = repr(tag) + suggestion(tag, kinds) if tag else "nothing"
    return (*at, context["discriminator"].strip("'")), got, f"one of {', '.join(kinds)}"


def shown(value: Any) -> str:
    """Return a value as it can be shown on a line.

    >>> shown("a" * 100)[-4:], shown(None), shown([1]), shown(2.5)
    ("...'", 'nothing', 'a list', '2.5')
    """
    if value is None:
        return "nothing"
    if isinstance(value, dict | list | tuple):
        return f"{'an empty' if not value else 'a'} {'mapping' if isinstance(value, dict) else 'list'}"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    return str(value)


def _location(values: Any, loc: tuple[str | int, ...], missing: bool) -> Location:
    """Return the location without the names of union members that pydantic mixes in."""
    at: list[str | int] = []
    for n, part in enumerate(loc):
        inside = (isinstance(values, dict) and part in values) or (
            isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        )
        if inside:
            values = values[part]
            at.append(part)
        elif missing and n == len(loc) - 1:
            at.append(part)
    return tuple(at)


def _reported_already(at: Location, detail: Any, read: Mapping[str, Table]) -> bool:
    """Tell whether this follows from what is wrong with a table's file or header."""
    if at[:1] != ("tables",) or len(at) < 2 or at[1] not in read:
        return False
    table = read[str(at[1])]
    if len(at) == 2:
        return not table.columns
    if detail["type"] == "missing":
        return at[-1] not in table.columns
    return len(at) == 3 and not table.known  # a row as a whole, whose cells may have other names


def _schema_at(schema: dict[str, Any], loc: tuple[str | int, ...]) -> dict[str, Any]:
    """Return the JSON schema of a location, or nothing where it leads nowhere."""
    node = schema
    for part in loc:
        node = next((s for s in _steps(schema, node, part)), node)
    return _resolved(schema, node)


def _steps(schema: dict[str, Any], node: dict[str, Any], part: str | int) -> Iterator[dict[str, Any]]:
    """Yield where a part of a location may lead from a schema node."""
    node = _resolved(schema, node)
    if part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(part, int) and "items" in node:
        yield node["items"]
    elif part in node.get("discriminator", {}).get("mapping", {}):
        yield {"$ref": node["discriminator"]["mapping"][part]}
    else:  # a mapping of labels
        yield from node.get("patternProperties", {}).values()
        if isinstance(node.get("additionalProperties"), dict):
            yield node["additionalProperties"]
    for option in node.get("anyOf", ()):
        yield from _steps(schema, option, part)


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return a schema node with what it refers to; one that may be null as what it is otherwise."""
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        node = {**options[0], **{k: v for k, v in node.items() if k != "anyOf"}}
    if "$ref" not in node:
        return node
    target: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return {**target, **{k: v for k, v in node.items() if k != "$ref"}}
