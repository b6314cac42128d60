"""Fees between the nodes of a network: on the edges of a tree, or by the distance of two nodes.

``FEES`` names the function of each method of a scenario.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..inputs.tree import downward
from ..schema.table_rows import Node
from ..schema.tariffs_and_fees import BandFees, CommonLevelFees, ExtentFees, FeeMethod, LengthFees, LevelFees
from .devices_and_trips import Columns, labels


def fee_network(nodes: Sequence[Node], fees: FeeMethod, homes: Collection[str] = ()) -> Columns:
    """Return the fee network (node,): parents, limits [kW] and access fees, and fees of its edges or of pairs of nodes.

    ``node_fee`` (node,) or ``trade_fee`` (node, node_to), as ``node_access_fee``, in currency/kWh. ``homes`` are the
    nodes of the participants: where a fee is one for the whole community (by extent), each side of a trade pays half of
    it with its access.
    """
    d = ("node",)
    half = fees.levels[extent(nodes, homes)] / 2 if isinstance(fees, ExtentFees) else 0.0
    limit = [np.inf if n.limit_kw is None else n.limit_kw for n in nodes]
    network: Columns = {
        "node_parent": (d, labels(n.parent or "" for n in nodes)),
        "node_access_fee": (d, np.array([n.access_fee_per_kwh for n in nodes], dtype=float) + half),
        "node_limit": (d, np.array(limit)),
    }
    method = FEES[type(fees)](nodes, fees)
    if fees.pairwise:
        return {**network, "trade_fee": (("node", "node_to"), method)}
    own = [0.0 if n.parent is None else n.fee_per_kwh for n in nodes]
    edge = np.array([fee if stated is None else stated for fee, stated in zip(method, own, strict=True)])
    return {**network, "node_fee": (d, edge)}


def _by_level(nodes: Sequence[Node], fees: LevelFees) -> np.ndarray:
    """Return the fees of edges by their level (node,) [currency/kWh]."""
    return level_fees([n.level for n in nodes], fees.levels)


def _by_length(nodes: Sequence[Node], fees: LengthFees) -> np.ndarray:
    """Return the fees of edges by their length (node,) [currency/kWh]."""
    return length_fees(_lengths(nodes), fees.fee_per_kwh_m)


def _by_distance(nodes: Sequence[Node], fees: BandFees) -> np.ndarray:
    """Return the fees of pairs of nodes by the band of their distance (node, node) [currency/kWh]."""
    ends = [band.up_to_m for band in fees.bands if band.up_to_m is not None]
    if fees.distance == "path":
        distance = path_lengths([n.node for n in nodes], [n.parent or "" for n in nodes], _lengths(nodes))
    else:
        x, y = (np.array([getattr(n, k) or 0.0 for n in nodes]) for k in ("x_m", "y_m"))
        distance = straight_distances(x, y)
    return band_fees(distance, ends, [band.fee_per_kwh for band in fees.bands])


def _by_common_level(nodes: Sequence[Node], fees: CommonLevelFees) -> np.ndarray:
    """Return the fees of pairs of nodes by the level of the lowest node above both (node, node) [currency/kWh]."""
    fee = np.array([fees.levels[str(n.level)] for n in nodes])
    return np.asarray(fee[lowest_common([n.node for n in nodes], [n.parent or "" for n in nodes])])


def _by_extent(nodes: Sequence[Node], fees: ExtentFees) -> np.ndarray:
    """Return no fees of edges (node,): a trade pays one fee, wherever it goes."""
    return np.zeros(len(nodes))


def extent(nodes: Sequence[Node], homes: Collection[str]) -> str:
    """Return the level of a community: that of the lowest node above all ``homes``, the nodes of its participants."""
    names = [n.node for n in nodes]
    common = lowest_common(names, [n.parent or "" for n in nodes])
    first, *others = (names.index(home) for home in dict.fromkeys(homes or names))
    for other in others:
        first = int(common[first, other])
    return str(nodes[first].level)


FEES: dict[type[FeeMethod], Callable[[Sequence[Node], Any], np.ndarray]] = {
    LevelFees: _by_level,
    LengthFees: _by_length,
    BandFees: _by_distance,
    CommonLevelFees: _by_common_level,
    ExtentFees: _by_extent,
}
"""Method -> its function of nodes and fees: of edges (node,), or pairs of nodes (node, node) [currency/kWh]."""


def _lengths(nodes: Sequence[Node]) -> np.ndarray:
    """Return the length of each node's edge to its parent (node,) [m]."""
    return np.array([n.length_m or 0.0 for n in nodes])


def level_fees(levels: Sequence[str | None], fees: Mapping[str, float]) -> np.ndarray:
    """Return the fee of each node's edge to its parent (node,) [currency/kWh], by the level of the edge.

    A node without a level (the root) has no fee.
    """
    return np.array([0.0 if level is None else fees[level] for level in levels])


def length_fees(length_m: np.ndarray, rate: float) -> np.ndarray:
    """Return the fee of each node's edge (node,) = rate [currency/(kWh m)] * length_m (node,) [m]."""
    return rate * length_m


def path_lengths(nodes: Sequence[str], parents: Sequence[str], length_m: np.ndarray) -> np.ndarray:
    """Return the length of the tree path between every two nodes (node, node) [m].

    From the root downward: distance(n, m) = distance(parent(n), m) + length(n), for every m placed before n.

    Parameters
    ----------
    nodes, parents
        Labels of one tree; the root's parent is ``""``.
    length_m
        Length of each node's edge to its parent (node,) [m]; the root's is not used.

    Examples
    --------
    >>> path_lengths(["root", "a", "b"], ["", "root", "root"], np.array([0.0, 3.0, 4.0]))
    array([[0., 3., 4.],
           [3., 0., 7.],
           [4., 7., 0.]])
    """
    index = {name: i for i, name in enumerate(nodes)}
    distance = np.zeros((len(nodes), len(nodes)))
    placed: list[int] = []
    for n in downward(nodes, parents):
        if parents[n]:
            row = distance[index[parents[n]], placed] + length_m[n]
            distance[n, placed] = row
            distance[placed, n] = row
        placed.append(n)
    return distance


def lowest_common(nodes: Sequence[str], parents: Sequence[str]) -> np.ndarray:
    """Return the lowest node above every two nodes of one tree (node, node), as a position; of a node and itself that.

    >>> lowest_common(["root", "a", "b", "c"], ["", "root", "a", "a"])[2].tolist()
    [0, 1, 2, 1]
    """
    index = {name: i for i, name in enumerate(nodes)}
    common = np.zeros((len(nodes), len(nodes)), dtype=int)
    placed: list[int] = []
    for n in downward(nodes, parents):
        if parents[n]:
            row = common[index[parents[n]], placed]
            common[n, placed] = row
            common[placed, n] = row
        common[n, n] = n
        placed.append(n)
    return common


def straight_distances(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """Return the straight distance between every two nodes (node, node) [m] from positions (node,) [m]."""
    return np.asarray(np.hypot(x_m[:, None] - x_m, y_m[:, None] - y_m))


def band_fees(distance_m: np.ndarray, ends_m: Sequence[float], fees: Sequence[float]) -> np.ndarray:
    """Return the fee of each distance [currency/kWh]: that of the first band whose end is not below it.

    Parameters
    ----------
    distance_m
        Distances of any shape [m].
    ends_m
        Ends of all bands but the last, rising, each inside its band [m].
    fees
        Fee of each band, one more than ``ends_m`` [currency/kWh].

    Examples
    --------
    >>> band_fees(np.array([0.0, 100.0, 100.1, 900.0]), [100.0, 500.0], [1.0, 2.0, 4.0])
    array([1., 1., 2., 4.])
    """
    # lengths add up with rounding: a path of 0.1 + 0.2 m lies within a band that ends at 0.3 m
    band = np.searchsorted(ends_m, distance_m * (1 - 1e-12), side="left")
    return np.asarray(np.asarray(fees, dtype=float)[band])
