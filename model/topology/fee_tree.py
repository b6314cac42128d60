"""The fee tree: paths and what they cost, which nodes of it matter, and which subtrees are cleared alone at first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import xarray as xr
from scipy import sparse

from ..labels import Array, positions

METERS = 50
"""Meters of the subtrees that are cleared first: few enough for quick pivots, many enough not to count the calls."""
GROWTH = 3
"""How many times larger the subtrees of the next stage may be."""


def stages(parent: Array, crowd: Array) -> Array:
    """Return the stage (node,) at which the edge above each node is first considered; 0: never cut.

    ``parent`` (node,) is the position of the parent, -1 at the root; ``crowd`` (node,) the meters at each node. At
    stage k an edge counts when it lies within a subtree of at most METERS * GROWTH**k meters (a node that alone
    exceeds that stays by itself), so that every stage joins a few of the subtrees of the stage before.
    """
    order, most, k, tied = from_leaves(parent), float(METERS), 0, np.zeros(len(parent), dtype=bool)
    stage = np.zeros(len(parent), dtype=int)
    waiting = cuts(parent, crowd, order, most, tied)
    while waiting.any():
        k, most = k + 1, most * GROWTH
        still = waiting & cuts(parent, crowd, order, most, tied)
        stage[waiting & ~still] = k
        waiting = still
    return stage


def from_leaves(parent: Array) -> list[int]:
    """Return the nodes, children before their parents."""
    return [int(n) for n in np.argsort(-depths(parent), kind="stable")]


def path_stage(parent: Array, stage: Array, start: Array, end: Array) -> Array:
    """Return the stage (path,) at which two nodes are in one subtree: the latest of the edges between them."""
    latest = np.zeros(len(start), dtype=int)
    for edge in _path_edges(parent, depths(parent), start, end):
        latest = np.maximum(latest, np.where(edge >= 0, stage[edge], 0))
    return latest


def cuts(parent: Array, crowd: Array, order: list[int], most: float, tied: Array) -> Array:
    """Return the nodes (node,) whose edge is cut, so that what hangs together has at most ``most`` meters.

    ``order`` is that of `from_leaves`; ``tied`` (node,) says whether something else ties both ends of the edge together,
    so that nothing falls apart if it is cut; the other arrays are those of :func:`stages`.
    """
    below: list[list[tuple[float, int]]] = [[] for _ in order]
    cut = np.zeros(len(parent), dtype=bool)
    for node in order:
        total = float(crowd[node]) + sum(size for size, _ in below[node])
        children = sorted(child for child in below[node] if not tied[child[1]])
        while children and total > most:
            size, child = children.pop()
            cut[child], total = True, total - size
        if parent[node] >= 0:
            below[parent[node]].append((total, node))
    return cut


def ancestors(parent: Array) -> sparse.csr_array:
    """Return the sparse matrix (node, node) that is 1 where the second node lies on the first one's path to the root.

    A node lies on its own path, so that its transpose sums what stands in the subtree below each node.
    """
    below = np.arange(len(parent))
    at, rows, columns = below, [], []
    while len(at):
        rows.append(below)
        columns.append(at)
        up = parent[at] >= 0
        below, at = below[up], parent[at[up]]
    row, column = np.concatenate([*rows, below]), np.concatenate([*columns, at])
    return sparse.csr_array((np.ones(len(row)), (row, column)), shape=(len(parent), len(parent)))


def limited_edges(inputs: xr.Dataset) -> dict[int, Array]:
    """Return, for each edge with a limit, by the position of its lower node, which way trades cross it (node, node_to).

    1 up the edge, -1 down, 0 not across.
    """
    below = ancestors(positions(inputs, "node_parent", "node"))
    limited = np.isfinite(inputs["node_limit"].values) & (inputs["node_parent"].values != "")
    inside = below[:, np.flatnonzero(limited)].toarray().T
    ways = inside[:, :, None] - inside[:, None, :]
    return dict(zip(np.flatnonzero(limited).tolist(), ways, strict=True))


def edge_flows(parent: Array, depth: Array, start: Array, end: Array, power: Array) -> Array:
    """Return the net power (node,) [kW] that trades (trade,) between nodes bring over each edge, + to the parent.

    ``parent`` and ``depth`` (node,) are those of :func:`tree`. Every path ends below the root, so that its flow is zero.
    """
    nobody = np.zeros(0, dtype=int)
    trades, edges, moved = [nobody], [nobody], [np.zeros(0)]
    for way, edge in zip(cycle((1.0, -1.0)), _path_edges(parent, depth, start, end), strict=False):
        trade = np.flatnonzero(edge >= 0)
        trades.append(trade)
        edges.append(edge[trade])
        moved.append(way * power[trade])
    order = np.argsort(np.concatenate(trades), kind="stable")  # sums go by trade, whatever the paths are
    edge, flow = np.concatenate(edges)[order], np.concatenate(moved)[order]
    return np.bincount(edge, flow, minlength=len(parent))


def path_fee(inputs: xr.Dataset, start: Array, end: Array) -> Array:
    """Return the fee [currency/kWh] of trades between nodes (trade,): both access fees, and path or pair."""
    access = inputs["node_access_fee"].values
    total: Array = access[start] + access[end]
    if "trade_fee" in inputs:
        return np.asarray(total + inputs["trade_fee"].values[start, end])
    fee = inputs["node_fee"].values
    for edge in _path_edges(*tree(inputs), start, end):
        total += np.where(edge >= 0, fee[edge], 0.0)
    return total


def _path_edges(parent: Array, depth: Array, start: Array, end: Array) -> Iterator[Array]:
    """Yield the edges (path,) of the paths between nodes from both ends, by their lower nodes; -1 for no more."""
    while (apart := start != end).any():
        up, down = apart & (depth[start] >= depth[end]), apart & (depth[start] <= depth[end])
        yield np.where(up, start, -1)
        yield np.where(down, end, -1)
        start, end = np.where(up, parent[start], start), np.where(down, parent[end], end)


def condensed(inputs: xr.Dataset) -> xr.Dataset:
    """Return inputs whose fee tree has no nodes but those where somebody is and those where their ways part.

    Nobody trades with nodes below which nobody is. A node in the middle of a way hands its edge down: fees add up, and
    the least limit holds. So energy costs what it does, and prices at the nodes that are left are the same.
    """
    if "trade_fee" in inputs:
        return inputs
    parent = positions(inputs, "node_parent", "node")
    fee, limit = inputs["node_fee"].values.copy(), inputs["node_limit"].values.copy()
    inhabited = np.isin(np.arange(len(parent)), positions(inputs, "participant_node", "node"))
    below: list[list[int]] = [[] for _ in parent]
    above, kept = np.full(len(parent), -1), np.zeros(len(parent), dtype=bool)
    for node in from_leaves(parent):
        ways = below[node]
        if inhabited[node] or len(ways) > 1:
            kept[node], above[ways], ways = True, node, [node]
        elif ways:
            fee[ways] += fee[node]
            limit[ways] = np.minimum(limit[ways], limit[node])
        if parent[node] >= 0:
            below[parent[node]] += ways
    labels = np.append(inputs["node"].values, "")
    values = {"node_parent": labels[above], "node_fee": fee, "node_limit": limit}
    return inputs.isel(node=np.flatnonzero(kept)).assign(
        {
            name: inputs[name].isel(node=np.flatnonzero(kept)).copy(data=own[kept])
            for name, own in values.items()
        }
    )


def tree(inputs: xr.Dataset) -> tuple[Array, Array]:
    """Return (node,) the index of the parent, -1 for the root, and the depth, 0 for the root."""
    parent = positions(inputs, "node_parent", "node")
    return parent, depths(parent)


def depths(parent: Array) -> Array:
    """Return the depth (node,) of every node: 0 for the root."""
    depth, above = np.zeros(len(parent), dtype=np.int64), parent
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    return depth
