"""What the schema complains of, in the user's words: file, row, key, what was found and what belongs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from .document import Location
from .problems import Problem, suggestion
from .tables import Table

Place = Callable[[Location], tuple[str, str, str]]

_DESCRIBED = (
    "string_pattern_mismatch",
    "date_from_datetime_parsing",
    "date_from_datetime_inexact",
    "date_parsing",
    "date_type",
)
"""Kinds of error that the description of a key explains better than pydantic does."""


def complaints(
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
    found: dict[Location, tuple[str, str]] = {}
    for detail in error.errors(include_url=False):
        at = (*prefix, *_location(values, detail["loc"], detail["type"] == "missing"))
        if _no_such_column(at, detail, read or {}) or (detail["type"] == "too_short" and detail["input"]):
            continue  # said already: by the header, by the rows that were refused
        at, got, want = _words(dict(detail), at, schema)
        if at in found and want not in found[at][1]:
            want = f"{found[at][1]} or {want}"
        found[at] = got, want
    return [Problem(*place(at), got, want) for at, (got, want) in found.items()]


def _words(detail: dict[str, Any], at: Location, schema: dict[str, Any]) -> tuple[Location, str, str]:
    """Return where, what was found and what belongs there."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    here = _schema_at(schema, detail["loc"])
    described = str(here.get("description", ""))
    want = detail["msg"].removeprefix("Input should be ").partition(", unable")[0]
    if kind == "missing":
        return at, "nothing", described or want
    if kind == "extra_forbidden":
        known = list(_schema_at(schema, detail["loc"][:-1]).get("properties", {}))
        word = str(at[-1])
        return at, f"an unknown key {word!r}{suggestion(word, known)}", f"one of {', '.join(known)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        key = context["discriminator"].strip("'")
        tag = str(context.get("tag", ""))
        known = [t.strip("' ") for t in context.get("expected_tags", "").split(",") if t] or list(
            here.get("discriminator", {}).get("mapping", {})
        )
        got = repr(tag) + suggestion(tag, known) if tag else "nothing"
        return (*at, key), got, f"one of {', '.join(known)}"
    if kind == "literal_error":
        choices = [str(c) for c in context["expected"].replace("'", "").replace(" or ", ", ").split(", ")]
        return at, shown(value) + suggestion(str(value), choices), f"one of {', '.join(choices)}"
    if kind in _DESCRIBED and described:
        return at, shown(value), described
    if kind == "tuple_type":
        return at, shown(value), "a list of rows, or a CSV file" if at[:1] == ("tables",) else "a list"
    if kind == "too_short" and isinstance(value, list | tuple):
        return at, "an empty list", f"at least one ({described})"
    if isinstance(value, dict) and kind in here.get("properties", {}):  # ours, named after the key at fault
        return (*at, kind), shown(value.get(kind)), want
    if isinstance(value, dict) and not kind.endswith("_type"):
        return (
            at,
            f"{', '.join(f'{k}={v}' for k, v in value.items() if not isinstance(v, dict | list))}",
            want,
        )
    return at, shown(value), want


def shown(value: Any) -> str:
    """Return a value as it can be shown on a line.

    >>> shown("a" * 100)[-4:], shown(None), shown([1]), shown(2.5)
    ("...'", 'nothing', 'a list', '2.5')
    """
    if value is None:
        return "nothing"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
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


def _no_such_column(at: Location, detail: Any, read: Mapping[str, Table]) -> bool:
    """Tell whether a table's header has been found to lack this column, or its file cannot be read."""
    if at[:1] != ("tables",) or len(at) < 2 or at[1] not in read:
        return False
    columns = read[str(at[1])].columns
    if len(at) == 2:
        return not columns
    return detail["type"] == "missing" and at[-1] not in columns


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
    if "$ref" not in node:
        return node
    target: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return {**target, **{k: v for k, v in node.items() if k != "$ref"}}
