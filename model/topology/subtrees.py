"""The subtrees that are cleared alone at first: of few meters each, whatever the tree and however crowded its nodes.

The meters of a crowded node are at *virtual nodes* below it, which exchange energy with it at no fee, so that they are
subtrees too. Virtual nodes are a tree of few branches themselves, of which every stage joins some. A vehicle belongs to
the node where it is first plugged in, its owner's if it ever is there; elsewhere it trades once both places are in one
subtree, so that it ties no subtrees together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..labels import Array
from . import fee_tree
from .meters import Meters


class VirtualNodes(NamedTuple):
    """Virtual nodes by numbers from 1: the number of the one above, 0 for the node itself; the stage of exchange."""

    above: Array
    stage: Array


class Subtrees(NamedTuple):
    """Stages (`fee_tree.stages`) of the flows between subtrees, and where the meters M are in slots T.

    ``edge`` (node,) is the stage of the edge above a node, ``trade`` (M, T) that of purchases and sales: 0 but for
    guests from afar. ``virtual`` (M, T) is the number of a virtual node, 0 for meters at the node itself, -1 for pools,
    which are at all of its virtual ``nodes``.
    """

    edge: Array
    trade: Array
    virtual: Array
    nodes: VirtualNodes


def subtrees(parent: Array, meters: Meters) -> Subtrees:
    """Return the subtrees of a fee tree, ``parent`` (node,) being the position of each node's parent, -1 at the root."""
    size, slots = len(parent), meters.node.shape[1]
    place, above = _places(meters, size)
    parent = np.concatenate([parent, above])
    stage = fee_tree.stages(parent, np.bincount(place[place >= 0], minlength=len(parent)) / slots)
    return Subtrees(
        edge=stage[:size],
        trade=_trade(meters, parent, stage, place),
        virtual=np.where(place >= size, place - size + 1, -1 * _pools(meters)[:, None]),
        nodes=VirtualNodes(np.append(0, np.maximum(above - size + 1, 0)), np.append(0, stage[size:])),
    )


def _places(meters: Meters, size: int) -> tuple[Array, Array]:
    """Return at which node each meter is (M, T), -1 for none, virtual ones after the ``size`` others; and those above.

    Pools are at the node itself. A vehicle that visits its owner's node is with its owner.
    """
    number, slots = meters.node.shape
    single = ~_pools(meters)[:, None] & (meters.node >= 0)
    parts = -(-np.bincount(meters.node[single], minlength=size) // (fee_tree.METERS * slots))
    parts[parts == 1] = 0
    start = size + np.cumsum(parts) - parts
    leader = _leaders(meters)
    base = meters.node[leader, (meters.node >= 0).argmax(axis=1)[leader]]
    own = np.flatnonzero(single.any(axis=1) & (leader == np.arange(number)))
    own = own[np.argsort(base[own], kind="stable")]
    count = np.bincount(base[own], minlength=size)
    rank = np.arange(len(own)) - (np.cumsum(count) - count)[base[own]]
    part = np.arange(number)
    part[own] = rank * parts[base[own]] // count[base[own]]
    visitor = np.arange(number)[:, None] % np.maximum(parts, 1)[meters.node]
    part = np.where(meters.node == base[:, None], part[leader][:, None], visitor)
    place = np.where(single & (parts[meters.node] > 0), start[meters.node] + part, meters.node)
    return place, _above(parts, start)


def _above(parts: Array, start: Array) -> Array:
    """Return what is above each virtual node: of k = 0, 1, .. the one without the last digit of k to the base `GROWTH`.

    Digits of zero at the end do not count, and 0 is below the node itself. So at every stage `GROWTH` subtrees join.
    """
    node = np.repeat(np.arange(len(parts)), parts)
    k = np.arange(len(node)) - (np.cumsum(parts) - parts)[node]
    above, power = k.copy(), 1
    while ((above == k) & (k > 0)).any():
        above = np.where(above == k, k - k % (power * fee_tree.GROWTH), above)
        power *= fee_tree.GROWTH
    return np.where(k > 0, start[node] + above, node)


def _pools(meters: Meters) -> Array:
    """Return which meters (M,) are of several participants."""
    number = len(meters.label)
    return np.maximum(*(np.bincount(at, minlength=number) for at in (meters.draws_at, meters.gives_at))) > 1


def _leaders(meters: Meters) -> Array:
    """Return which meter (M,) each goes with: a guest with its owner's, if its vehicle ever is there; else itself."""
    leader = np.arange(len(meters.label))
    place, own = meters.place["vehicle"], np.flatnonzero(meters.guest >= 0)
    at_owners = (place[own] >= 0) & (place[own] != meters.guest[own, None])
    ever = at_owners.any(axis=1)
    leader[meters.guest[own[ever]]] = place[own[ever], at_owners[ever].argmax(axis=1)]
    return leader


def _trade(meters: Meters, parent: Array, stage: Array, place: Array) -> Array:
    """Return the stage (M, T) from which purchases and sales are priced in, by the ``place`` (M, T) of each meter."""
    trade, leader = np.zeros(place.shape, dtype=int), _leaders(meters)
    home = place[leader, (place >= 0).argmax(axis=1)[leader]]
    meter, slot = np.nonzero((place >= 0) & (place != home[:, None]))
    trade[meter, slot] = fee_tree.path_stage(parent, stage, home[meter], place[meter, slot])
    return trade
