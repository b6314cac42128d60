"""A distribution network as a file describes it, and the tree of nodes that it is to a scenario."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import hypot, inf

from ..problems import InputError, Problem

LARGE_KW = 15.0
"""A load above that is a business: an assumption (a household's connection in Europe has 10 to 15 kW)."""
PERSONS = 3
"""Of a home whose load says nothing of them: an assumption."""
FULL_LOAD_HOURS = 2000.0
"""Energy of a business in a year per kW of its load [h]: an assumption."""


@dataclass(frozen=True)
class Line:
    """A line between two buses: impedances of the positive and zero sequence [ohm], rated current [A], length [m]."""

    name: str
    ends: tuple[str, str]
    impedance: complex
    zero: complex | None = None
    rating_a: float = inf
    length_m: float | None = None

    @property
    def row(self) -> dict[str, object]:
        """What a node's row says of it."""
        said: dict[str, object] = {"level": "street"}
        said |= {"r_ohm": self.impedance.real, "x_ohm": self.impedance.imag}
        if self.length_m is not None:
            said["length_m"] = self.length_m
        if self.zero is not None:
            said |= {"r0_ohm": self.zero.real, "x0_ohm": self.zero.imag}
        return said | ({"rating_a": self.rating_a} if self.rating_a < inf else {})


@dataclass(frozen=True)
class Transformer:
    """A transformer from its upper to its lower bus: rated power [kVA], short-circuit voltage and its real part [%]."""

    name: str
    ends: tuple[str, str]
    kva: float
    uk_percent: float
    ur_percent: float

    @property
    def row(self) -> dict[str, object]:
        """What a node's row says of it."""
        said: dict[str, object] = {"level": "station", "transformer_kva": self.kva}
        said |= {"transformer_uk_percent": self.uk_percent}
        return said | {"transformer_ur_percent": min(self.ur_percent, self.uk_percent)}


Edge = Line | Transformer


@dataclass(frozen=True)
class Load:
    """What is connected at a bus: power drawn [kW, kvar], and the phases it is on; ``pv_kw`` of a plant."""

    name: str
    bus: str
    kw: float
    kvar: float = 0.0
    phase: str = "abc"
    pv_kw: float = 0.0


@dataclass(frozen=True)
class Network:
    """Buses with their voltages [V], where the source holds which voltage (per nominal), edges and loads."""

    where: str
    voltage: Mapping[str, float]
    root: str
    source: float
    edges: tuple[Edge, ...]
    loads: tuple[Load, ...]
    joined: tuple[tuple[str, str], ...] = ()
    """Pairs of buses that a closed switch makes one."""
    notes: tuple[str, ...] = field(default=())


def rows(network: Network) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the rows of a scenario's nodes, from the root down, and of its participants.

    Raises
    ------
    InputError
        For each edge that closes a loop, each load that nothing reaches, and a network without loads.
    """
    _require_buses(network)
    one = _representatives(network)
    parent, faults = _tree(network, one)
    nodes: list[dict[str, object]] = []
    for bus, (above, edge) in parent.items():
        row: dict[str, object] = {"node": bus, "parent": above}
        if not isinstance(edge, Line):
            row["voltage_v"] = network.voltage[bus]
        nodes.append(row if edge is None else row | edge.row)
    people = list(_participants(network, one, parent))
    known = {one[load.bus] for load in network.loads}
    lost = sorted(bus for bus in known if bus not in parent)
    want = "a bus that edges in service connect with the source"
    faults += [Problem(network.where, f"bus={bus}", "load", "nothing leads there", want) for bus in lost]
    if not people and not faults:
        faults = [Problem(network.where, "", "loads", "none", "one at least")]
    if faults:
        raise InputError(faults)
    return nodes, people


def _require_buses(network: Network) -> None:
    """Raise :class:`InputError` for what stands at a bus that the network does not have."""
    at = [(bus, edge.name, "edge") for edge in network.edges for bus in edge.ends]
    at += [(load.bus, load.name, "load") for load in network.loads]
    at += [(bus, " and ".join(pair), "switch") for pair in network.joined for bus in pair]
    faults = [
        Problem(network.where, f"{kind}={name}", "bus", repr(bus), "a bus of the network")
        for bus, name, kind in at
        if bus not in network.voltage
    ]
    if faults:
        raise InputError(faults)


def _representatives(network: Network) -> dict[str, str]:
    """Return for each bus the one that stands for all that closed switches join with it: the first, or the root."""
    one = {bus: bus for bus in network.voltage}

    def of(bus: str) -> str:
        while one[bus] != bus:
            bus = one[bus]
        return bus

    for a, b in network.joined:
        first, other = of(a), of(b)
        if other == network.root:
            first, other = other, first
        one[other] = first
    return {bus: of(bus) for bus in one}


Tree = dict[str, tuple[str, Edge | None]]
"""Bus -> its parent and the edge to it, from the root down."""


def _tree(network: Network, one: Mapping[str, str]) -> tuple[Tree, list[Problem]]:
    """Return the tree of buses that edges span from the root, and a problem for each edge that closes a loop."""
    at: dict[str, list[tuple[str, Edge]]] = defaultdict(list)
    for edge in network.edges:
        a, b = (one[bus] for bus in edge.ends)
        at[a].append((b, edge))
        at[b].append((a, edge))
    root = one[network.root]
    parent: Tree = {root: ("", None)}
    used, faults = set[int](), dict[int, Problem]()
    queue = deque([root])
    while queue:
        bus = queue.popleft()
        for other, edge in at[bus]:
            if id(edge) in used:
                continue
            used.add(id(edge))
            if other in parent:
                want = "a radial network: open one of its edges, or take it out of service"
                got = f"an edge {edge.name} that closes a loop"
                faults[id(edge)] = Problem(network.where, f"edge={edge.name}", "edges", got, want)
            else:
                parent[other] = (bus, edge)
                queue.append(other)
    return parent, list(faults.values())


def _participants(network: Network, one: Mapping[str, str], parent: Tree) -> Iterator[dict[str, object]]:
    """Yield a row per load; plants of PV join a load of their bus, where there is one."""
    sun: dict[str, float] = defaultdict(float)
    for load in network.loads:
        sun[one[load.bus]] += load.pv_kw
    names = _unique(load.name for load in network.loads)
    for load, name in zip(network.loads, names, strict=True):
        bus = one[load.bus]
        if bus not in parent or load.pv_kw:
            continue
        row: dict[str, object] = {"participant": name, "node": bus, "phase": load.phase}
        apparent = hypot(load.kw, load.kvar)
        if apparent > 0 and load.kw > 0:
            row["power_factor"] = round(max(0.5, load.kw / apparent), 6)
        large = {"kind": "business", "annual_kwh": FULL_LOAD_HOURS * load.kw}
        row |= large if load.kw > LARGE_KW else {"persons": PERSONS}
        if power := sun.pop(bus, 0.0):
            row["pv_kw"] = power
        yield row
    for load, name in zip(network.loads, names, strict=True):
        bus = one[load.bus]
        if load.pv_kw and bus in parent and (power := sun.pop(bus, 0.0)):
            yield {"participant": name, "node": bus, "phase": "abc", "kind": "plant", "pv_kw": power}


def _unique(names: Iterable[str]) -> list[str]:
    """Return labels of which no two are alike: those met before get a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = count = seen.get(name, 0) + 1
        found.append(name if count == 1 else f"{name} ({count})")
    return found
