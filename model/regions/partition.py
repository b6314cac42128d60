"""Regions of a fee tree that are cleared apart: where the tree is cut, and which of them are joined again.

Between two regions lies one edge of the tree, with a fee. What proves that their union is the optimum stands in
`optimality_gap`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..labels import Array
from ..topology.fee_tree import cuts, from_leaves


class Tree(NamedTuple):
    """A fee tree (node,): position of the parent (-1: root), fee and limit of the edge to it, meters at the node."""

    parent: Array
    fee: Array
    limit: Array
    crowd: Array


def cut(tree: Tree, ties: Array, most: float) -> Array:
    """Return the nodes (node,) above which the tree is cut, so that regions have about ``most`` meters.

    What a vehicle ties together (``ties`` (k, 2), nodes of its owner and of a host) is not cut, nor an edge without fee.
    """
    tied = tree.fee <= 0
    for one, other in np.unique(np.sort(ties.reshape(-1, 2), axis=1), axis=0):
        tied[path(tree.parent, int(one), int(other))] = True
    return cuts(tree.parent, tree.crowd, from_leaves(tree.parent), most, tied)


def regions(parent: Array, cut_above: Array) -> Array:
    """Return the region (node,) of each node: the position of its topmost node."""
    top = np.arange(len(parent))
    for node in reversed(from_leaves(parent)):
        if parent[node] >= 0 and not cut_above[node]:
            top[node] = top[parent[node]]
    return top


def path(parent: Array, one: int, other: int) -> list[int]:
    """Return the nodes whose edges to their parents are the path between two nodes."""
    to_root: list[list[int]] = []
    for node in (one, other):
        line = [node]
        while parent[line[-1]] >= 0:
            line.append(int(parent[line[-1]]))
        to_root.append(line)
    shared = set(to_root[0]) & set(to_root[1])
    return [node for line in to_root for node in line if node not in shared]


def joined(tree: Tree, cut_above: Array, pairs: Array, most: float) -> Array:
    """Return the cuts without those between nodes that would trade, where what is joined keeps to ``most`` meters.

    The first of the ``pairs`` (pair, 2) come first, and each region is joined with one other at most: how its prices
    move by that decides whether more has to be.
    """
    cut_now, before, used = cut_above.copy(), regions(tree.parent, cut_above), set[int]()
    for one, other in pairs.tolist():
        if used & {int(before[one]), int(before[other])}:
            continue
        tried = cut_now.copy()
        tried[path(tree.parent, one, other)] = False
        region = regions(tree.parent, tried)
        if tree.crowd[region == region[one]].sum() <= most:
            cut_now = tried
            used |= {int(before[one]), int(before[other])}
    return cut_now
