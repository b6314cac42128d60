"""A scenario on the network of a file: its nodes, and a participant for each of its loads."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..feeders import opendss_tables, pandapower_json, simbench_csv
from ..feeders.network import FULL_LOAD_HOURS, LARGE_KW, PERSONS, Network, rows
from ..problems import InputError, Problem
from .scenario import template_files

_BASE = "feeder"
_NODES = """\
# {where}: impedances [ohm] of the edges towards the source, as its file has them.
"""
_PARTICIPANTS = f"""\
# The loads of {{where}}: their nodes, phases and power factors. What they use is generated, or comes from readings
# (series.demand in the scenario). Assumptions: homes of {PERSONS} persons; of loads above {LARGE_KW:g} kW businesses,
# {FULL_LOAD_HOURS:g} kWh a year per kW.
"""


def files(path: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of a scenario on a network, name to content, and notes on what was left out.

    Contracts, fees and the place are those of the bundled ``feeder``. See the rooms of ``data/feeders`` for what is
    read, and which :class:`InputError` they raise.
    """
    network = read(path)
    nodes, people = rows(network)
    base = template_files(_BASE)["scenario.yaml"].decode()
    values = {
        "voltage_v:": _lowest(network),
        "source_voltage:": f"{network.source:.9g} # of the network's file",
    }
    made = "\n".join(_changed(line, path, values) for line in base.splitlines() if _kept(line)) + "\n"
    where = path.name
    return {
        "scenario.yaml": made.encode(),
        "nodes.csv": _csv(_NODES.format(where=where), nodes),
        "participants.csv": _csv(_PARTICIPANTS.format(where=where), people),
    }, network.notes


def read(path: Path) -> Network:
    """Return the network of a JSON file of pandapower's, or of a folder of CSV tables, by what is in it."""
    if not path.is_dir():
        return pandapower_json.read(path)
    if (path / simbench_csv.MARK).exists():
        return simbench_csv.read(path)
    if (path / opendss_tables.MARK).exists():
        return opendss_tables.read(path)
    want = f"{simbench_csv.MARK} (SimBench) or {opendss_tables.MARK} (OpenDSS) in it, or a file of pandapower's to_json"
    raise InputError([Problem(str(path), "", "--feeder", "a folder of something else", want)])


def _lowest(network: Network) -> str:
    """Return the nominal voltage that most buses have [V]."""
    volts = list(network.voltage.values())
    return f"{max(set(volts), key=volts.count):g}"


def _kept(line: str) -> bool:
    """Return whether a line of the bundled scenario stands in one of another network: not its own devices."""
    return not line.lstrip().startswith(("batteries:", "vehicles:")) and not line.startswith("#")


def _changed(line: str, path: Path, values: Mapping[str, str]) -> str:
    """Return a line of the bundled scenario as it is of another network."""
    key = line.strip().partition(" ")[0]
    if line.startswith("description:"):
        return (
            f"description: the network of {path.name}, with the contracts and the place of the bundled feeder"
        )
    return f"  {key} {values[key]}" if key in values else line


def _csv(head: str, written: Sequence[Mapping[str, object]]) -> bytes:
    """Return rows as CSV below comments, with the columns that any of them has."""
    columns = list(dict.fromkeys(column for row in written for column in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(
        {c: f"{v:.10g}" if isinstance(v, float) else v for c, v in row.items()} for row in written
    )
    return (head + out.getvalue()).encode()
