"""A scenario read piece by piece, in bounded memory: the fee tree and the node of every row first, then the rows.

What is read twice is the text of the tables; only labels stay in between. Wherever anything is wrong, the scenario is
read as a whole instead, so that every problem is listed as `validate` lists it.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..loading.cross_checks import REFERENCES, Parts, inconsistencies
from ..loading.overrides import LocatedValues, anchor, override, rows
from ..loading.scenario import Source, canonical_json, changes_rows, counted, effective, opened
from ..loading.site import settle
from ..problems import InputError
from ..schema.defaults import fill
from ..schema.scenario import Scenario, Tables
from ..schema.table_rows import AWAY, TABLES
from ..schema.values import later_defaults
from .fees import fee_network
from .inputs import problems

CHUNK = 2000
"""Rows that are looked at together."""
_NOBODY: dict[str, list[dict[str, Any]]] = {"participants": [{"participant": "-", "persons": 1}]}
LIMITS = tuple(f"{way}_limit_{of}" for way in ("import", "export") for of in ("kw", "column"))
"""Columns of nodes that limit all power over time."""
_LABELS = {
    "batteries": ("battery", "owner"),
    "heat_pumps": ("heat_pump", "owner"),
    "loads": ("load", "owner"),
    "nodes": ("node", "parent"),
    "participants": ("participant", "node", "tariff"),
    "trips": ("vehicle", "destination"),
    "vehicles": ("vehicle", "owner", "work"),
}
"""Columns that are kept of every row, tables in the order of the digest."""

Rows = list[dict[str, Any]]


class _Refused(Exception):
    """A part has a problem; reading the scenario as a whole lists it."""


@dataclass(frozen=True)
class Outline:
    """What is held of a scenario as a whole.

    ``sections`` is the effective scenario without the rows of its tables, ``hash`` its digest with them. The fee tree
    (node,): ``node`` labels, ``parent`` positions (-1 at the root), ``fee``, ``limit`` and ``access`` as in the inputs,
    ``crowd`` participants at each. ``batteries`` and ``heat_pumps`` are their labels; ``home`` is the position of the
    node of each participant, ``garage`` of each vehicle's owner, ``loads`` of each flexible load's; ``ties`` (k, 2) are
    the nodes of a vehicle's owner and of another host. ``least_charge`` says whether a vehicle has a minimum charge
    power, ``load_decisions`` whether binaries decide about a load, ``pairwise`` whether fees are those of pairs of
    nodes, or one by where all participants are; ``enveloped`` are the nodes with limits over time.
    """

    sections: Mapping[str, Any]
    hash: str
    node: np.ndarray
    parent: np.ndarray
    fee: np.ndarray
    limit: np.ndarray
    access: np.ndarray
    crowd: np.ndarray
    ties: np.ndarray
    batteries: Sequence[str]
    heat_pumps: Sequence[str]
    home: Mapping[str, int]
    garage: Mapping[str, int]
    loads: Mapping[str, int]
    least_charge: bool
    load_decisions: bool
    pairwise: bool
    enveloped: Sequence[str]
    located: LocatedValues
    overrides: tuple[str, ...]

    def pieces(self) -> Iterator[tuple[str, list[int], Rows]]:
        """Yield the effective rows again: table, the node that each belongs to, and the rows."""
        place = {name: n for n, name in enumerate(self.node.tolist())}
        root = int(np.flatnonzero(self.parent < 0)[0])
        for name in _LABELS:
            for piece in _pieces(self.located, _of_rows(self.overrides), self.sections, name):
                rows = effective(piece)["tables"][name]
                if name == "nodes":
                    at = [place[row["node"]] for row in rows]
                elif name == "participants":
                    at = [root if row["node"] is None else place[row["node"]] for row in rows]
                elif name == "trips":
                    at = [self.garage[row["vehicle"]] for row in rows]
                else:
                    at = [self.home[row["owner"]] for row in rows]
                yield name, at, rows


def outline(source: Source, overrides: Sequence[str] = ()) -> Outline:
    """Return what is held of a scenario as a whole, after every row was looked at.

    Raises
    ------
    InputError
        With every problem, as ``inputs.problems`` lists them.
    """
    try:
        return _outline(source, overrides)
    except (InputError, ValidationError, _Refused) as error:
        listed = problems(source, overrides)
        if not listed:
            raise AssertionError("a problem of a part is a problem of the whole") from error
        raise InputError(listed) from None


def _outline(source: Source, overrides: Sequence[str]) -> Outline:
    located = opened(source)
    changes = _of_rows(overrides)
    if not isinstance(located.values, dict):
        raise _Refused
    for text in overrides:
        if text not in changes:
            override(located, text)
    anchor(located)
    tables = located.values.get("tables")
    if located.problems or not isinstance(tables, dict) or set(tables) - set(TABLES):
        raise _Refused
    if any(text.split(".")[1] not in TABLES for text in changes):
        raise _Refused
    settle(located, _with_changes(rows(located, "participants"), changes))
    if located.problems:
        raise _Refused
    scenario = Scenario.model_validate(located.values | {"tables": _NOBODY})
    sections = effective(scenario)
    del sections["tables"]
    pinned = Scenario.model_validate(sections | {"tables": _NOBODY})  # each file is read for its SHA-256 once
    labels, nodes, hash_, least, decisions = _read(located, changes, sections, counted(pinned))
    _refer(labels, sections["tariffs"])
    pairwise = (
        scenario.fees.pairwise or scenario.fees.of_whole or any(t.shared() for t in scenario.tariffs.values())
    )
    whole = fill(Scenario.model_validate(sections | {"tables": _NOBODY | {"nodes": nodes}}))
    network = {} if pairwise else fee_network(whole.tables.nodes, whole.fees)
    edges = {n: network[f"node_{n}"][1] if network else np.zeros(len(nodes)) for n in ("fee", "limit")}
    place = {row["node"]: n for n, row in enumerate(nodes)}
    parent = np.array([place[row["parent"]] if row["parent"] else -1 for row in nodes])
    root = int(np.flatnonzero(parent < 0)[0])
    home = {
        str(label): root if node is None else place[node]
        for label, node in zip(
            labels["participants", "participant"], labels["participants", "node"], strict=True
        )
    }
    owners = zip(labels["vehicles", "vehicle"], labels["vehicles", "owner"], strict=True)
    garage = {str(vehicle): home[str(owner)] for vehicle, owner in owners}
    return Outline(
        sections=sections,
        hash=hash_,
        node=np.array([row["node"] for row in nodes], dtype=str),
        parent=parent,
        **edges,
        access=np.array([n.access_fee_per_kwh for n in whole.tables.nodes], dtype=float),
        crowd=np.bincount(list(home.values()), minlength=len(nodes)),
        ties=_ties(labels, home, garage),
        batteries=[str(label) for label in labels["batteries", "battery"]],
        heat_pumps=[str(label) for label in labels["heat_pumps", "heat_pump"]],
        home=home,
        garage=garage,
        loads={
            str(load): home[str(owner)]
            for load, owner in zip(labels["loads", "load"], labels["loads", "owner"], strict=True)
        },
        least_charge=least,
        load_decisions=decisions,
        pairwise=pairwise,
        enveloped=[str(row["node"]) for row in nodes if any(row[name] is not None for name in LIMITS)],
        located=located,
        overrides=tuple(overrides),
    )


def _with_changes(participants: Iterator[Any], changes: tuple[str, ...]) -> Iterator[Any]:
    """Yield the rows of participants, and one for each value that an override gives to any."""
    for text in changes:
        path, _, value = text.partition("=")
        yield {path.rpartition(".")[2]: value}
    yield from participants


def _of_rows(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in overrides if changes_rows(text))


Labels = dict[tuple[str, str], list[str | None]]


def _read(
    located: LocatedValues, changes: tuple[str, ...], sections: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[Labels, Rows, str, bool, bool]:
    """Return the labels of all rows, the nodes, the digest, and whether a vehicle, and a load, needs binaries."""
    labels: Labels = {(name, column): [] for name, columns in _LABELS.items() for column in columns}
    empty: dict[str, Rows] = {name: [] for name in sorted(TABLES)}
    marker = '"tables":{' + ",".join(f'"{name}":[]' for name in empty) + "}"
    before, after = canonical_json({**values, "tables": empty}).split(marker)
    digest = hashlib.sha256(f'{before}"tables":{{'.encode())
    nodes: Rows = []
    least = decisions = False
    later, tables = later_defaults(Tables), ""
    for name in _LABELS:
        opening, between = f'{tables}"{name}":[', ""
        if name not in later:  # one that came later is left out where it is empty
            digest.update(opening.encode())
            opening, tables = "", ","
        for piece in _pieces(located, changes, sections, name):
            text = canonical_json(counted(piece)["tables"][name])[1:-1]
            digest.update(f"{opening}{between}{text}".encode())
            opening, between, tables = "", ",", ","
            rows = effective(piece)["tables"][name]
            for column in _LABELS[name]:
                labels[name, column] += [r[column] and sys.intern(r[column]) for r in rows]
            nodes += rows if name == "nodes" else []
            least |= name == "vehicles" and any(row["min_charge_kw"] for row in rows)
            decisions |= name == "loads" and any(
                row["min_power_kw"] or row["shape"] is not None or not row["interruptible"] for row in rows
            )
        if not opening:
            digest.update(b"]")
    digest.update(f"}}{after}".encode())
    return labels, nodes, digest.hexdigest(), least, decisions


def _pieces(
    located: LocatedValues, changes: tuple[str, ...], sections: Mapping[str, Any], name: str
) -> Iterator[Scenario]:
    """Yield scenarios with some rows of a table each; nodes and trips, and a table that is changed, all at once."""
    own = [text for text in changes if text.split(".")[1] == name]
    source = rows(located, name)
    if own:
        part = LocatedValues(located.where, located.base, {"tables": {name: list(source)}})
        for text in own:
            override(part, text)
        if part.problems:
            raise _Refused
        source = iter(part.values["tables"][name])
    size = sys.maxsize if name in ("nodes", "trips") else CHUNK
    chunk = list(islice(source, size))
    while chunk or name == "nodes":  # of which there is one in any case
        yield _piece(located, sections, name, chunk)
        if name == "nodes":
            return
        chunk = list(islice(source, size))


def _piece(located: LocatedValues, sections: Mapping[str, Any], name: str, chunk: Rows) -> Scenario:
    """Return a scenario with some rows of a table, if nothing is wrong with them alone."""
    scenario = Scenario.model_validate(dict(sections) | {"tables": _NOBODY | {name: chunk}})
    models = dict(enumerate(getattr(scenario.tables, name)))
    known = {
        part: getattr(scenario, part)
        for part in ("series", "time", "fees", "exchange", "holidays", "tariffs")
    }
    alone = {name: [row[_LABELS[name][0]] for row in chunk]} if name == "nodes" else {}
    if inconsistencies(Parts(known, {name: models}, {name: chunk}, alone), located.place):
        raise _Refused
    return scenario


def _refer(labels: Labels, tariffs: Mapping[str, Any]) -> None:
    """Refuse labels that occur twice or name nothing, and a scenario without participants."""
    known = {table: set(labels[table, column]) for table, (_, column) in TABLES.items() if column}
    duplicate = any(len(known[t]) < len(labels[t, column]) for t, (_, column) in TABLES.items() if column)
    names: Mapping[str, Any] = {**known, "tariffs": tariffs}
    if (
        duplicate
        or not known["participants"]
        or any(
            label is not None and label not in names[target] and (column, label) != ("destination", AWAY)
            for table, column, target in REFERENCES
            for label in labels[table, column]
        )
    ):
        raise _Refused


def _ties(labels: Labels, home: Mapping[str, int], garage: Mapping[str, int]) -> np.ndarray:
    """Return the nodes of each vehicle's owner and of its other hosts (k, 2)."""
    stays = [
        *zip(labels["vehicles", "vehicle"], labels["vehicles", "work"], strict=True),
        *zip(labels["trips", "vehicle"], labels["trips", "destination"], strict=True),
    ]
    pairs = {(garage[str(v)], home[host]) for v, host in stays if host is not None and host != AWAY}
    return np.array(sorted(p for p in pairs if p[0] != p[1]), dtype=int).reshape(-1, 2)
