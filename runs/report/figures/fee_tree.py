"""The fee tree: a line per node, set in by its depth, edges as thick as the energy that peers send over them."""

from collections.abc import Sequence
from dataclasses import dataclass

from .drawing import WIDTH, brief, coordinate, shape, width_of, words
from .figure import Figure
from .style import SHADES

_ROW, _STEP = 30.0, 22.0


@dataclass(frozen=True)
class Edge:
    """A node with the edge to its parent (its position; -1 of the root): what peers sent up and down, and the fee.

    ``load`` is the highest share of its limit, NaN where there is none.
    """

    name: str
    parent: int
    up: float
    down: float
    highest: float
    load: float
    fee: float
    access: float


def fee_tree(title: str, description: str, unit: str, price_unit: str, edges: Sequence[Edge]) -> Figure:
    """Return the tree of edges, children under their parents; energy in ``unit``, fees in ``price_unit``."""
    order = _depth_first(edges)
    line = {node: number for number, (node, _) in enumerate(order)}
    most = max((e.up + e.down for e in edges), default=0.0) or 1.0
    parts = []
    for number, (node, depth) in enumerate(order):
        edge, y, x = edges[node], 12 + number * _ROW, 8 + depth * _STEP
        if edge.parent >= 0:
            above = 12 + line[edge.parent] * _ROW
            thick = 1 + 8 * (edge.up + edge.down) / most
            elbow = f"M{coordinate(x - _STEP)} {coordinate(above + 5)}V{coordinate(y)}H{coordinate(x - 5)}"
            shade = 3 if edge.load != edge.load else min(int(edge.load * SHADES), SHADES - 1)
            parts.append(f'<path class="l h{shade}" style="stroke-width:{coordinate(thick)}" d="{elbow}"/>')
        dot = f"M{coordinate(x - 4)} {coordinate(y)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0"
        parts += [shape(dot, "k"), words(x + 9, y + 1, brief(edge.name, 26))]
        parts.append(words(x + 9, y + 14, _said(edge, unit, price_unit, WIDTH - x - 9), "q"))
    rows = [
        [
            edges[n].name,
            edges[edges[n].parent].name if edges[n].parent >= 0 else "",
            *(getattr(edges[n], key) for key in ("fee", "access", "up", "down", "highest")),
            100 * edges[n].load,
        ]
        for n, _ in order
    ]
    header = [
        "node",
        "parent",
        f"edge fee {price_unit}",
        f"access fee {price_unit}",
        f"up {unit}",
        f"down {unit}",
        "highest kW",
        "highest load %",
    ]
    height = len(order) * _ROW + 10
    return Figure(title, description, "".join(parts), height, header, rows)


def _said(edge: Edge, unit: str, price_unit: str, width: float) -> str:
    """Return the figures of an edge in a line of a width [px], fees as far as there is room; the table has them all.

    Of the root there is none but its access fee.
    """
    access = f"access {edge.access:g}"
    if edge.parent < 0:
        return f"{access} {price_unit}"
    load = [] if edge.load != edge.load else [f"load {100 * edge.load:.0f} %"]
    carried = ", ".join([f"up {edge.up:.1f}", f"down {edge.down:.1f} {unit}", *load])
    longest = f"{carried}; fee {edge.fee:g}, {access}", f"{carried}; fee {edge.fee:g}", carried
    return next((text for text in longest if width_of(text) <= width), carried)


def _depth_first(edges: Sequence[Edge]) -> list[tuple[int, int]]:
    """Return every node with its depth, children after their parent."""
    children: dict[int, list[int]] = {}
    for node, edge in enumerate(edges):
        children.setdefault(edge.parent, []).append(node)
    order, stack = [], [(node, 0) for node in reversed(children.get(-1, []))]
    while stack:
        node, depth = stack.pop()
        order.append((node, depth))
        stack += [(child, depth + 1) for child in reversed(children.get(node, []))]
    return order
