"""A least-cost circulation in whole numbers: an optimum proved exactly, its prices, and its choice among equals.

HiGHS finds a vertex of the linear program; the flow is rounded to whole numbers and then proved: potentials that
no arc with spare capacity contradicts exist if and only if a circulation is optimal (Ahuja, Magnanti and Orlin, Network
Flows, 1993, theorem 9.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from ..labels import Array

FAR = 1 << 55
"""No potential lies farther from the ground."""


@dataclass(frozen=True)
class Arcs:
    """Arcs (arc,) of a network of ``nodes`` nodes: ``tail`` -> ``head`` at ``cost`` per unit, at most ``capacity``."""

    nodes: int
    tail: Array
    head: Array
    cost: Array
    capacity: Array


def least_cost(arcs: Arcs) -> Array:
    """Return a circulation (arc,) of least cost; every arc carries a whole number."""
    count = len(arcs.tail)
    if not count:
        return np.zeros(0, dtype=np.int64)
    line = np.arange(count)
    ends = np.concatenate([arcs.tail, arcs.head]), np.concatenate([line, line])
    balance: Any = coo_array((np.repeat([-1.0, 1.0], count), ends), shape=(arcs.nodes, count)).tocsr()
    bounds: Any = np.column_stack([np.zeros(count), arcs.capacity])
    solution: Any = linprog(
        arcs.cost, A_eq=balance, b_eq=np.zeros(arcs.nodes), bounds=bounds, method="highs-ds"
    )
    assert solution.status == 0, (
        solution.message
    )  # no flow at all is feasible, and every cycle has finite capacity
    flow = np.rint(solution.x).astype(np.int64)
    net = np.zeros(arcs.nodes, dtype=np.int64)
    np.add.at(net, arcs.head, flow)
    np.subtract.at(net, arcs.tail, flow)
    assert not net.any(), "a vertex of a circulation is whole"
    return np.asarray(np.clip(flow, 0, arcs.capacity))


def potentials(arcs: Arcs, flow: Array, ground: int) -> Array:
    """Return the marginal value of a unit at each node (node,), the middle of its range rounded down.

    potential[head] - potential[tail] <= cost where an arc has spare capacity, >= cost where it carries something, and 0
    at the ground. The greatest and the least potentials that obey this are shortest distances from and to the ground;
    so does their middle, and its floor, as costs are whole.
    """
    with_capacity, with_flow = flow < arcs.capacity, flow > 0
    tail = np.concatenate([arcs.tail[with_capacity], arcs.head[with_flow]])
    head = np.concatenate([arcs.head[with_capacity], arcs.tail[with_flow]])
    cost = np.concatenate([arcs.cost[with_capacity], -arcs.cost[with_flow]])
    highest = _distances(tail, head, cost, arcs.nodes, ground)
    lowest = -_distances(head, tail, cost, arcs.nodes, ground)
    return (highest + lowest) // 2


def _distances(tail: Array, head: Array, cost: Array, nodes: int, start: int) -> Array:
    """Return the shortest distance of each node from the start, at most ``FAR`` (Bellman and Ford)."""
    pair, inverse = np.unique(tail * nodes + head, return_inverse=True)
    least = np.full(len(pair), FAR, dtype=np.int64)
    np.minimum.at(least, inverse, cost)
    tail, head = pair // nodes, pair % nodes
    distance = np.full(nodes, FAR, dtype=np.int64)
    distance[start] = 0
    for _ in range(nodes + 1):
        nearer = distance.copy()
        np.minimum.at(nearer, head, distance[tail] + least)
        if (nearer == distance).all():
            return distance
        distance = nearer
    raise AssertionError("a cycle of negative cost: the circulation is not optimal")


def prefer(arcs: Arcs, flow: Array, potential: Array, order: Array) -> Array:
    """Return the optimal circulation that gives the arcs ``order[0]``, ``order[1]`` ... as much as possible, in turn.

    Only arcs whose cost equals the difference of the potentials can carry more or less at an optimum. Along these
    each arc of ``order`` is filled over paths that take nothing from the arcs before it.
    """
    tie = arcs.cost + potential[arcs.tail] - potential[arcs.head] == 0
    flow = flow.copy()
    leaving: list[list[int]] = [[] for _ in range(arcs.nodes)]
    entering: list[list[int]] = [[] for _ in range(arcs.nodes)]
    for arc in np.flatnonzero(tie).tolist():
        leaving[arcs.tail[arc]].append(arc)
        entering[arcs.head[arc]].append(arc)
    fixed = np.zeros(len(flow), dtype=bool)
    for arc in order[tie[order]].tolist():
        fixed[arc] = True
        while flow[arc] < arcs.capacity[arc]:
            steps = _path(arcs, flow, fixed, (leaving, entering), (int(arcs.head[arc]), int(arcs.tail[arc])))
            if steps is None:
                break
            spare = [arcs.capacity[a] - flow[a] if sign > 0 else flow[a] for a, sign in steps]
            amount = min(int(arcs.capacity[arc] - flow[arc]), *map(int, spare))
            flow[arc] += amount
            for a, sign in steps:
                flow[a] += sign * amount
    return flow


def _path(
    arcs: Arcs,
    flow: Array,
    fixed: Array,
    at: tuple[list[list[int]], list[list[int]]],
    ends: tuple[int, int],
) -> list[tuple[int, int]] | None:
    """Return the steps (arc, +1 or -1) of a shortest path with spare capacity between two nodes, or None."""
    start, goal = ends
    previous: dict[int, tuple[int, int, int]] = {}
    frontier = [start]
    seen = {start}
    while frontier and goal not in seen:
        following = []
        for node in frontier:
            steps = [
                (a, 1, int(arcs.head[a])) for a in at[0][node] if not fixed[a] and flow[a] < arcs.capacity[a]
            ]
            steps += [(a, -1, int(arcs.tail[a])) for a in at[1][node] if not fixed[a] and flow[a] > 0]
            for arc, sign, there in steps:
                if there not in seen:
                    seen.add(there)
                    previous[there] = (node, arc, sign)
                    following.append(there)
        frontier = following
    if goal not in seen:
        return None
    path, node = [], goal
    while node != start:
        node, arc, sign = previous[node]
        path.append((arc, sign))
    return path
