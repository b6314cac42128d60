"""YAML read strictly: one value, one spelling, and the line on which every key stands.

The core types of YAML 1.2 only (so ``23:00`` and ``yes`` are text), no tags, no key twice, UTF-8, and limits
on size, depth and on what aliases may unfold to, so that a small file cannot become a large one.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from ..problems import InputError, Problem
from .regular_file import content

MOST_BYTES = 8_000_000
MOST_DEPTH = 40
MOST_UNFOLDED = 500_000

Location = tuple[str | int, ...]

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PREFIX = "tag:yaml.org,2002:"
_CORE = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Parses and resolves the core types; it never constructs an object."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read(path: Path) -> tuple[Any, dict[Location, int], list[Problem]]:
    """Return the values of a YAML file, the line of every key and entry, and the lesser problems.

    Raises
    ------
    InputError
        The file is missing, too large, not UTF-8, not YAML, or would unfold beyond the limits.
    """
    raw = content(path, "a readable YAML file", MOST_BYTES)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = str(raw.count(b"\n", 0, error.start) + 1)
        got = f"the byte 0x{raw[error.start]:02x}"
        raise InputError([Problem(str(path), row, "encoding", got, "text in UTF-8")]) from None
    return parse(text, str(path))


def parse(text: str, where: str) -> tuple[Any, dict[Location, int], list[Problem]]:
    """Return the values of a YAML text, the line of every key and entry, and the problems; see :func:`read`.

    >>> parse("a: {b: 23:00}", "x.yaml")
    ({'a': {'b': '23:00'}}, {(): 1, ('a',): 1, ('a', 'b'): 1}, [])
    """
    try:
        _limits(text, where)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError([_syntax(error, where)]) from None
    if root is None:
        raise InputError([Problem(where, "", "file", "an empty file", "a scenario")])
    reader = _Reader(where)
    return reader.value(root, ()), reader.lines, reader.problems


def _limits(text: str, where: str) -> None:
    """Refuse control characters, and what is nested too deeply, before anything recurses into it."""
    if odd := _CONTROL.search(text):
        row, got = str(text.count("\n", 0, odd.start()) + 1), f"the control character U+{ord(odd[0]):04X}"
        raise InputError([Problem(where, row, "file", got, "text that can be printed")])
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            row = str(event.start_mark.line + 1) if event.start_mark else ""
            got = f"more than {MOST_DEPTH} levels of nesting"
            raise InputError([Problem(where, row, "file", got, "a scenario of a few levels")])


def _syntax(error: yaml.YAMLError, where: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    got = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(where, str(mark.line + 1) if mark else "", "file", got, "valid YAML")


class _Reader:
    """Turns nodes into plain values; counts them, so that aliases cannot unfold without end."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, at: Location) -> Any:
        """Return the plain value of a node."""
        self._count += 1
        if self._count > MOST_UNFOLDED or id(node) in self._open:
            got = f"aliases that unfold to more than {MOST_UNFOLDED} values"
            raise InputError([self._problem(node, "file", got, "values written out")])
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at)
        if node.tag.removeprefix(_PREFIX) not in ("seq", "map"):
            self.problems.append(
                self._problem(node, ".".join(map(str, at)), f"the tag {node.tag!r}", "a plain value")
            )
        self._open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            result: Any = [self.value(item, (*at, i)) for i, item in enumerate(node.value)]
        else:
            result = self._mapping(node, at)
        self._open.discard(id(node))
        return result

    def _mapping(self, node: yaml.Node, at: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, item in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self.problems.append(self._problem(key_node, ".".join(map(str, at)), "a list as key", "text"))
                continue
            here = (*at, key)
            if key in result:
                first = f"the key twice (first on line {self.lines[here]})"
                self.problems.append(self._problem(key_node, ".".join(map(str, here)), first, "it once"))
                continue
            self.lines[here] = key_node.start_mark.line + 1
            result[key] = self.value(item, here)
        return result

    def _scalar(self, node: yaml.ScalarNode, at: Location) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if kind == "str":
            return node.value
        if kind == "null":
            return None
        if kind == "bool":
            return node.value.lower() == "true"
        if kind == "int":
            return int(node.value) if len(node.value) < 30 else float(node.value)
        if kind == "float":
            return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
        field = ".".join(map(str, at))
        self.problems.append(self._problem(node, field, f"the tag {node.tag!r}", "a plain value"))
        return node.value

    def _problem(self, node: yaml.Node, field: str, got: str, want: str) -> Problem:
        return Problem(self.where, str(node.start_mark.line + 1), field, got, want)
