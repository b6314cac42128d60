"""Networks in the CSV format of SimBench: a folder of tables cut at semicolons.

Columns as in the SimBench documentation (Meinecke et al., *SimBench - a benchmark dataset of electric power systems*,
Energies 13, 2020): lengths in km, ohm per km, powers in MW and MVA, transformers' copper losses in kW.
"""

from collections.abc import Iterator
from pathlib import Path

from ..problems import InputError, Problem
from .element_tables import Row, optional, rows
from .network import Edge, Line, Load, Network, Transformer

CUT = ";"
MARK = "Node.csv"
"""A folder with this file is one."""


def read(folder: Path) -> Network:
    """Return the network of a folder.

    Lines, transformers at their nominal ratio, closed switches, one external net, loads and renewable sources (as PV)
    are read; of others a note says that they are left out.

    Raises
    ------
    InputError
        If a table is missing or has no such columns, a number is none, or there is no external net or several.
    """
    nodes = rows(folder, MARK, ["id", "vmR"], CUT)
    sources = rows(folder, "ExternalNet.csv", ["id", "node"], CUT)
    if len(sources) != 1:
        where = str(folder / "ExternalNet.csv")
        raise InputError([Problem(where, "", "node", f"{len(sources)} external nets", "one")])
    root = sources[0].text("node")
    held = next((node for node in nodes if node.text("id") == root), None)
    if held is None:
        raise InputError([Problem(sources[0].where, str(sources[0].line), "node", repr(root), "a node")])
    switches = optional(folder, "Switch.csv", ["nodeA", "nodeB", "cond"], CUT)
    left = [
        (name, len(optional(folder, f"{name}.csv", ["id"], CUT)))
        for name in ("PowerPlant", "Storage", "Shunt")
    ]
    return Network(
        str(folder),
        {node.text("id"): 1000 * node.number("vmR") for node in nodes},
        root,
        held.number("vmSetp", 1.0),
        (*_lines(folder), *_transformers(folder)),
        (*_loads(folder), *_plants(folder)),
        tuple((s.text("nodeA"), s.text("nodeB")) for s in switches if s.number("cond") > 0),
        tuple(f"{count} of {name}.csv left out" for name, count in left if count),
    )


def _types(folder: Path, name: str, columns: list[str]) -> dict[str, Row]:
    return {row.text("id"): row for row in rows(folder, name, ["id", *columns], CUT)}


def _typed(row: Row, types: dict[str, Row]) -> Row:
    name = row.text("type")
    if name not in types:
        raise InputError(
            [Problem(row.where, str(row.line), "type", repr(name), "a type of its table of types")]
        )
    return types[name]


def _lines(folder: Path) -> Iterator[Edge]:
    lines = optional(folder, "Line.csv", ["nodeA", "nodeB", "type", "length"], CUT)
    types = _types(folder, "LineType.csv", ["r", "x", "iMax"]) if lines else {}
    for line in lines:
        kind, km = _typed(line, types), line.number("length")
        one = complex(kind.number("r"), kind.number("x")) * km
        ends = line.text("nodeA"), line.text("nodeB")
        yield Line(line.text("id"), ends, one, None, kind.number("iMax"), 1000 * km)


def _transformers(folder: Path) -> Iterator[Edge]:
    transformers = optional(folder, "Transformer.csv", ["nodeHV", "nodeLV", "type"], CUT)
    types = _types(folder, "TransformerType.csv", ["sR", "vmImp", "pCu"]) if transformers else {}
    for row in transformers:
        kind = _typed(row, types)
        kva = 1000 * kind.number("sR")
        if row.number("tappos", 0.0) != kind.number("tapNeutr", 0.0):
            raise InputError(
                [Problem(row.where, str(row.line), "tappos", row.text("tappos"), "the neutral tap")]
            )
        ends = row.text("nodeHV"), row.text("nodeLV")
        yield Transformer(row.text("id"), ends, kva, kind.number("vmImp"), 100 * kind.number("pCu") / kva)


def _loads(folder: Path) -> Iterator[Load]:
    for row in rows(folder, "Load.csv", ["id", "node", "pLoad"], CUT):
        p, q = 1000 * row.number("pLoad"), 1000 * row.number("qLoad", 0.0)
        yield Load(row.text("id"), row.text("node"), p, q)


def _plants(folder: Path) -> Iterator[Load]:
    for row in optional(folder, "RES.csv", ["id", "node", "sR"], CUT):
        yield Load(row.text("id"), row.text("node"), 0.0, pv_kw=1000 * row.number("sR"))
