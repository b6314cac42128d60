"""The chain of a ledger: which lines are right, one after another, and the lines of new blocks. No files."""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import blocks, digest

_HEAD, _MIDDLE, _TAIL = b'{"block":', b',"hash":"', b'"}\n'
_PLACE = ("index", "prev", "software")
"""What may differ between two blocks that record the same thing."""


class LedgerError(Exception):
    """The ledger cannot be read or written."""


class LedgerTampered(LedgerError):
    """Block ``index`` is not what the chain says: ``field`` was ``got`` where ``want`` belongs."""

    def __init__(self, index: int, field: str, got: object, want: object):
        self.index, self.field, self.got, self.want = index, field, str(got), str(want)
        super().__init__(f"block {index}: {field}: got {got!s:.80}, want {want!s:.80}")


class LedgerConflict(LedgerError):
    """Something else is committed already; ``slots`` are the UTC epoch seconds concerned."""

    def __init__(self, what: str, slots: Sequence[int] = ()):
        self.slots = tuple(slots)
        super().__init__(what)


@dataclass
class Summary:
    """What a checked chain holds so far. ``slots``: committed [start, end) in order, UTC epoch seconds."""

    count: int = 0
    size: int = 0
    head: str = blocks.FIRST
    market: str = ""
    units: dict[str, str] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(blocks.TOTALS, 0))
    slots: list[tuple[int, int]] = field(default_factory=list)


def advance(line: bytes, summary: Summary) -> dict[str, Any]:
    """Return the block of the next line after checking it against the chain so far, and count it in.

    Raises
    ------
    LedgerTampered
        If anything about the line is not as the chain wants it.
    LedgerError
        If its hash is right, but it is of another format version.
    """
    data, frame = line[len(_HEAD) : -76], (line[: len(_HEAD)], line[-76:-67], line[-3:])
    if frame != (_HEAD, _MIDDLE, _TAIL):
        raise LedgerTampered(summary.count, "line", repr(line[:60]), 'the form {"block":...,"hash":"..."}')
    want = _hash(data)
    if line[-67:-3] != want.encode():
        raise LedgerTampered(summary.count, "hash", line[-67:-3].decode(errors="replace"), want)
    try:
        block: dict[str, Any] = digest.parse(data)
    except ValueError as error:
        raise LedgerTampered(summary.count, "bytes", error, "canonical JSON") from error
    _check(block, summary)
    summary.count, summary.head, summary.size = summary.count + 1, want, summary.size + len(line)
    return block


def content(block: dict[str, Any]) -> str:
    """Return a digest of what a block records, whatever its place and the software that wrote it."""
    return _hash(digest.canonical({k: v for k, v in block.items() if k not in _PLACE}))


def unrecorded(
    new: Sequence[dict[str, Any]], summary: Summary, recorded: dict[int, str]
) -> list[dict[str, Any]]:
    """Return the blocks that a ledger lacks.

    Parameters
    ----------
    new : sequence of dict
        Blocks as :func:`otonari.runs.blocks.cleared` gives them.
    summary : Summary
        Of the ledger.
    recorded : dict
        From the start of its slots, at least of those that are new ones', to the :func:`content` of the block.

    Raises
    ------
    LedgerConflict
        If the ledger is another market's, or if it (or an earlier new block) holds something else there.
    """
    markets = {block["market"] for block in new} | ({summary.market} if summary.count else set())
    if len(markets) > 1:
        raise LedgerConflict(f"one ledger, several markets: {', '.join(sorted(markets))}")
    slots, wanted, conflicts = list(summary.slots), [], []
    for block in new:
        start, end = block["slot"], block["slot"] + block["slot_seconds"]
        if recorded.get(start) == content(block):
            continue
        if _overlap(slots, start, end):
            conflicts.append(start)
        else:
            insort(slots, (start, end))
            wanted.append(block)
    if conflicts:
        first = datetime.fromtimestamp(conflicts[0], UTC).strftime("%Y-%m-%d %H:%M UTC")
        many = f"{len(conflicts)} of {len(new)} slots are committed with another result"
        raise LedgerConflict(f"{many}, the first is {first}", conflicts)
    return wanted


def extend(new: Sequence[dict[str, Any]], summary: Summary) -> tuple[bytes, str]:
    """Return the lines of new blocks, chained to the last one, and the head after them."""
    lines, head = [], summary.head
    for index, block in enumerate(new, start=summary.count):
        data = digest.canonical({**block, "index": index, "prev": head})
        head = _hash(data)
        lines.append(_HEAD + data + _MIDDLE + head.encode() + _TAIL)
    return b"".join(lines), head


def _hash(data: bytes) -> str:
    return hashlib.sha256(b"\x00" + data).hexdigest()


def _check(block: dict[str, Any], summary: Summary) -> None:
    """Check a parsed block: its version and shape, its place in the chain, and that it agrees with itself."""
    index = summary.count
    if isinstance(block, dict) and type(block.get("version")) is int and block["version"] != blocks.VERSION:
        raise LedgerError(f"block {index} has format version {block['version']}, want {blocks.VERSION}")
    if wrong := blocks.misfit(block):
        raise LedgerTampered(index, wrong, "something else", "the shape of its kind")
    opening = block["kind"] == "genesis"
    wants: dict[str, object] = {"index": index, "prev": summary.head}
    wants["kind"] = "clearing" if index else "genesis"
    if not opening:
        wants["market"] = summary.market
        wants["totals"] = {**block["totals"], **blocks.sums(block["trades"])}
    for name, want in wants.items():
        if block[name] != want:
            raise LedgerTampered(index, name, block[name], want)
    if opening:
        summary.market, summary.units = block["market"], block["units"]
        return
    start, end = block["slot"], block["slot"] + block["slot_seconds"]
    if taken := _overlap(summary.slots, start, end):
        raise LedgerTampered(index, "slot", start, f"one that does not overlap slot {taken[0]}")
    insort(summary.slots, (start, end))
    for name, amount in block["totals"].items():
        summary.totals[name] += amount


def _overlap(slots: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the recorded slot that shares time with [start, end), if there is one; ``slots`` is sorted."""
    near = slots[max(0, bisect_left(slots, (start, start)) - 1) :][:2]
    return next((slot for slot in near if slot[0] < end and start < slot[1]), None)
