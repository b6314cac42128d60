"""Fees between the nodes of a network: on the edges of a tree, or by the distance of two nodes."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..inputs.tree import downward


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

    From the root downward: distance(n, m) = distance(parent(n), m) + length(n), for every m met before n.

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
    met: list[int] = []
    for n in downward(nodes, parents):
        if parents[n]:
            row = distance[index[parents[n]], met] + length_m[n]
            distance[n, met] = row
            distance[met, n] = row
        met.append(n)
    return distance


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
