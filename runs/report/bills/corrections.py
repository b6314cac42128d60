"""What corrections change for each member: slots, and the money of peers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .recorded import read, same_content

MONEY = {"paid": 1, "fees": 1, "congestion": 1, "earned": -1, "make_whole": 1}
"""The money of a leaf, with the signs with which it is on a bill."""
_ALL_EARLIER = (2**53, 2**53 + 1)


@dataclass(frozen=True)
class Changed:
    """How many slots of a member say something else now, and how much more it pays for them [units of money]."""

    slots: int
    amount: int


def more(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Return how much more a leaf pays than the one before it [units of money]."""
    return sum(sign * (int(after.get(n, 0)) - int(before.get(n, 0))) for n, sign in MONEY.items())


def since(directory: Path, size: int) -> tuple[dict[str, Changed], str]:
    """Return what was changed in a ledger since it had so many blocks, by participant, and its unit of money.

    A participant whose leaves say what they said, their salts apart, is not among them.
    """
    book, found = read(directory, _ALL_EARLIER, since={size}), dict[str, Changed]()
    for change in book.corrected(size):
        before, after = (book.leaves[block["index"]] for block in (change.before, change.after))
        for name in _both(before, after):
            one, other = before[name].content, after[name].content
            if not same_content(one, other):
                so_far = found.get(name, Changed(0, 0))
                found[name] = Changed(so_far.slots + 1, so_far.amount + more(one, other))
    return dict(sorted(found.items())), book.summary.units["money"]


def _both(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    return before.keys() & after.keys()
