"""Sweep files: which changes of a scenario to try, read with every problem at once, and the points they define."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ..files import strict_yaml
from ..files.strict_yaml import Location
from ..problems import InputError, Problem, suggestion
from ..schema.values import Closed, Day, KeyPath, Label, Line, Name, Positive, Whole
from . import scenario
from .messages import schema_problems, shown
from .overrides import LocatedValues

MOST_POINTS = 100_000

Key = Annotated[str, Field(min_length=1, max_length=200)]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Market = Literal["p2p", "grid-only", "unmanaged"]
Setting = float | str


class Sweep(Closed):
    """Changes of one scenario: every case with every combination of the grid, start, seed and market."""

    schema_version: Literal[1] = Field(description="1")
    name: Name = Field(description="letters, digits, . _ -; names the folder of the results")
    description: Line = Field(default="", description="what it asks, in a sentence of one line")
    scenario: Label = Field(
        description="bundled scenario, or a scenario file or folder relative to this file"
    )
    command: Literal["clear", "plan"] = Field(default="clear", description="clear, or plan how much to build")
    set: dict[Key, Any] = Field(default_factory=dict, description="changes of all points: key path -> value")
    cases: dict[Label, dict[Key, Any]] = Field(
        default_factory=dict, description="label -> changes that belong together"
    )
    grid: dict[KeyPath, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="key path -> values, each of them tried"
    )
    starts: tuple[Day, ...] = Field(default=(), description="first local days (default: the scenario's)")
    seeds: tuple[Seed, ...] = Field(default=(), description="seeds (default: the scenario's)")
    markets: tuple[Market, ...] = Field(default=("p2p",), min_length=1, description="markets to clear")
    time_limit_seconds: Positive | None = Field(default=None, description="for each solve (default: none)")


@dataclass(frozen=True)
class Choice:
    """One entry of a swept dimension: its label, the changes that it stands for, and where it is written."""

    label: Setting
    changes: Mapping[str, Any]
    at: Location


@dataclass(frozen=True)
class Point:
    """One clearing of a sweep: its labels on the swept dimensions, its changes, and its scenario's hash."""

    labels: tuple[Setting, ...]
    market: str
    overrides: tuple[str, ...]
    scenario_hash: str


@dataclass(frozen=True)
class Plan:
    """A sweep whose every scenario is valid: ``axes`` maps each swept dimension to its labels, in order.

    ``source`` is what every point's scenario is loaded from.
    """

    sweep: Sweep
    source: str
    currency: str
    axes: Mapping[str, tuple[Setting, ...]]
    points: tuple[Point, ...]


def load(path: str | Path) -> Plan:
    """Return the plan of a sweep file.

    Raises
    ------
    InputError
        With every problem of the file, and of every scenario that it defines.
    """
    path = Path(path)
    values, lines, problems = strict_yaml.read(path)
    located = LocatedValues(str(path), path.parent, values, lines, problems=problems)
    if not isinstance(values, dict):
        got = "a list" if isinstance(values, list) else "a single value"
        raise InputError([Problem(str(path), "1", "file", got, "keys such as scenario and grid")])
    try:
        sweep = Sweep.model_validate(values)
    except ValidationError as error:
        raise InputError(
            [*located.problems, *schema_problems(error, Sweep, located.place, (), values)]
        ) from None
    axes = _axes(sweep)
    located.problems += _inconsistencies(sweep, axes, located)
    source = _source(sweep.scenario, located)
    if located.problems:
        raise InputError(sorted(set(located.problems)))
    points, currency = _points(sweep, source, axes, located)
    if located.problems:
        raise InputError(sorted(set(located.problems)))
    labels = {name: tuple(choice.label for choice in choices) for name, choices in axes.items()}
    return Plan(sweep, source, currency, labels, points)


def _axes(sweep: Sweep) -> dict[str, list[Choice]]:
    """Return the choices of every swept dimension, in the order in which their changes are made."""
    axes: dict[str, list[Choice]] = {}
    if sweep.cases:
        axes["case"] = [Choice(label, changes, ("cases", label)) for label, changes in sweep.cases.items()]
    for key, values in sweep.grid.items():
        axes[key] = [
            Choice(label, {key: value}, ("grid", key, i))
            for i, (label, value) in enumerate(zip(_labels(values), values, strict=True))
        ]
    if sweep.starts:
        days = [day.isoformat() for day in sweep.starts]
        axes["start"] = [Choice(day, {"time.start": day}, ("starts", i)) for i, day in enumerate(days)]
    if sweep.seeds:
        axes["seed"] = [Choice(seed, {"seed": seed}, ("seeds", i)) for i, seed in enumerate(sweep.seeds)]
    axes["market"] = [Choice(market, {}, ("markets", i)) for i, market in enumerate(sweep.markets)]
    return axes


def _labels(values: Sequence[Any]) -> list[Setting]:
    """Return numbers as they are where all values are numbers, else texts.

    >>> _labels([1, 2.5]), _labels(["a", None, {"type": "flat"}])
    ([1, 2.5], ['a', 'null', '{"type": "flat"}'])
    """
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return list(values)
    return [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]


def _inconsistencies(
    sweep: Sweep, axes: Mapping[str, Sequence[Choice]], located: LocatedValues
) -> Iterator[Problem]:
    """Yield labels that occur twice, keys that two dimensions change, more points than the limit, and odd markets."""
    if sweep.command == "plan" and "unmanaged" in sweep.markets:
        at = located.place(("markets", sweep.markets.index("unmanaged")))
        yield Problem(*at, "unmanaged", "p2p or grid-only, of which there are plans")
    for choices in axes.values():
        seen: set[Setting] = set()
        for choice in choices:
            if choice.label in seen:
                yield Problem(*located.place(choice.at), f"{choice.label!r} twice", "every value once")
            seen.add(choice.label)
    by_key: dict[str, str] = {}
    for name, choices in axes.items():
        for key, choice in {k: c for c in reversed(choices) for k in c.changes}.items():
            if key in by_key:
                got = f"changes of {key}, which {by_key[key]} changes too"
                yield Problem(*located.place(choice.at[:2]), got, "a key in one dimension only")
            by_key[key] = name
    count = prod(map(len, axes.values()))
    if count > MOST_POINTS:
        yield Problem(*located.place(()), f"{count} points", f"at most {MOST_POINTS}")


def _source(name: str, located: LocatedValues) -> str:
    """Return what the scenario is loaded from: a bundled name, or an absolute path."""
    known = scenario.bundled()
    if name in known:
        return name
    path = (located.base / name).absolute()
    if not path.exists():
        want = f"a file or folder beside this file, or one of {', '.join(known)}{suggestion(name, known)}"
        located.problems.append(Problem(*located.place(("scenario",)), shown(name), want))
    return str(path)


def _points(
    sweep: Sweep, source: str, axes: Mapping[str, Sequence[Choice]], located: LocatedValues
) -> tuple[tuple[Point, ...], str]:
    """Return all points and their currency; the problems of their scenarios are added to those of the file."""
    base = {key: (value, ("set", key)) for key, value in sweep.set.items()}
    markets = axes["market"]
    points, currencies = [], {}
    for choices in product(*(axes[name] for name in axes if name != "market")):
        changes = base | {key: (value, (*c.at, key)) for c in choices for key, value in c.changes.items()}
        texts = {f"{k}={json.dumps(v, ensure_ascii=False)}": at for k, (v, at) in changes.items()}
        override_places = {text: located.place(at)[:2] for text, at in texts.items()}
        reading = scenario.read(source, tuple(texts), override_places)
        located.problems += reading.problems
        if located.problems or reading.scenario is None:
            continue
        try:
            hash_ = scenario.digest(reading.scenario)
        except InputError as error:  # a file that it names
            located.problems += error.problems
            continue
        currencies[reading.scenario.currency] = choices
        labels = tuple(choice.label for choice in choices)
        points += [Point((*labels, m.label), str(m.label), tuple(texts), hash_) for m in markets]
    if len(currencies) > 1:
        got = f"scenarios in {', '.join(sorted(currencies))}"
        located.problems.append(Problem(*located.place(()), got, "one currency"))
    return tuple(points), next(iter(currencies), "")
