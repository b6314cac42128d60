"""Merkle trees of RFC 6962, section 2.1 (RFC 9162 keeps them): roots, proofs of one leaf or of several, nothing else.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1, https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf, SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """A growing tree that remembers only the roots of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf_hash: bytes) -> None:
        """Add a leaf by its hash."""
        self.size += 1
        rest, subtree = self.size, leaf_hash
        while rest % 2 == 0:
            subtree, rest = node(self.peaks.pop(), subtree), rest // 2
        self.peaks.append(subtree)

    def root(self) -> bytes:
        """Return the hash of the tree; of an empty one that is SHA-256 of nothing."""
        if not self.peaks:
            return hashlib.sha256().digest()
        *larger, whole = self.peaks
        for peak in reversed(larger):
            whole = node(peak, whole)
        return whole


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the hash of the tree over leaves given by their hashes."""
    tree = Frontier()
    for leaf_hash in leaf_hashes:
        tree.append(leaf_hash)
    return tree.root()


class Tree:
    """A whole tree, level by level from its leaves: what proofs of many of them need."""

    def __init__(self, leaf_hashes: Iterable[bytes]):
        self.levels = [list(leaf_hashes)]
        while len(below := self.levels[-1]) > 1:
            pairs = (below[i : i + 2] for i in range(0, len(below), 2))
            self.levels.append([node(*pair) if len(pair) == 2 else pair[0] for pair in pairs])

    def path(self, index: int) -> list[bytes]:
        """Return the inclusion proof of leaf ``index``: its sibling first, the child of the root last."""
        if not 0 <= index < len(self.levels[0]):
            raise ValueError(f"no leaf {index} in a tree of {len(self.levels[0])}")
        proof, place = [], index
        for level in self.levels:
            if (sibling := place ^ 1) < len(level):
                proof.append(level[sibling])
            place >>= 1
        return proof

    def paths(self, indices: Iterable[int]) -> list[bytes]:
        """Return one inclusion proof of several leaves, without a hash that others of them give.

        It is the roots of the largest subtrees that contain none of them, from left to right.
        """
        rest = list[bytes]()

        def beside(first: int, end: int) -> bytes:
            height = (end - first - 1).bit_length()
            rest.append(self.levels[height][first >> height])
            return rest[-1]

        _root(0, len(self.levels[0]), sorted(indices), lambda index: self.levels[0][index], beside)
        return rest


def root_from_path(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root of a tree from a leaf and its path to the root (RFC 9162, section 2.1.3.2).

    Raises
    ------
    ValueError
        If a tree of ``size`` leaves has no leaf ``index``, or its proof another length.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    place, last, steps = index, size - 1, iter(proof)
    whole = leaf_hash
    for sibling in steps:
        if not last:
            raise ValueError("the proof is too long")
        if place % 2 or place == last:
            whole = node(sibling, whole)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            whole = node(whole, sibling)
        place, last = place // 2, last // 2
    if last:
        raise ValueError("the proof is too short")
    return whole


def root_from_paths(leaf_hashes: Mapping[int, bytes], size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root of a tree of ``size`` leaves from some of them, by index, and their joint proof (`Tree.paths`).

    Raises
    ------
    ValueError
        If the tree has no such leaves, or their proof another length.
    """
    if not leaf_hashes or not all(0 <= index < size for index in leaf_hashes):
        raise ValueError(f"no such leaves in a tree of {size}")
    rest: Iterator[bytes] = iter(proof)
    try:
        root = _root(0, size, sorted(leaf_hashes), leaf_hashes.__getitem__, lambda *_: next(rest))
    except StopIteration:
        raise ValueError("the proof is too short") from None
    if next(rest, None) is not None:
        raise ValueError("the proof is too long")
    return root


def _root(
    first: int,
    end: int,
    indices: Sequence[int],
    leaf_at: Callable[[int], bytes],
    beside: Callable[[int, int], bytes],
) -> bytes:
    """Return the root over the leaves [first, end): ``beside`` gives that of a subtree without any of the indices."""
    place = bisect_left(indices, first)
    if place == len(indices) or indices[place] >= end:
        return beside(first, end)
    if end - first == 1:
        return leaf_at(first)
    middle = first + (1 << (end - first - 1).bit_length() - 1)
    left = _root(first, middle, indices, leaf_at, beside)
    return node(left, _root(middle, end, indices, leaf_at, beside))
