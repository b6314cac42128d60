"""The chain of a ledger: the checks of its lines, one after another, and the lines of new blocks. No files."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from . import block_schema, canonical_json, merkle, signed_note
from .errors import LedgerConflict, LedgerError, LedgerTampered

LONGEST = 2**20
"""Bytes of a line, at most: parsing takes a hundred times as many of memory."""
_HEAD, _MIDDLE, _TAIL = b'{"block":', b',"hash":"', b'"}\n'
_PLACE = ("index", "prev", "software")
"""What may differ between two blocks that record the same thing."""

Block = dict[str, Any]
Earlier = Callable[[int], Block]
Wrong = tuple[str, object, object] | None


@dataclass
class Summary:
    """The content of a checked chain so far; its size does not grow with the number of blocks.

    ``spans`` are the committed times [start, end), UTC epoch seconds, in order, neighbours joined; ``slots``
    is how many slots they are; ``tail`` how many bytes follow the last newline; ``keys`` those that sign it,
    the present one last.
    """

    count: int = 0
    size: int = 0
    tail: int = 0
    head: str = block_schema.FIRST
    version: int = block_schema.VERSION
    market: str = ""
    units: dict[str, str] = field(default_factory=dict)
    keys: list[signed_note.Key] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(block_schema.TOTALS, 0))
    slots: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    reversed: set[int] = field(default_factory=set)
    tree: merkle.Frontier = field(default_factory=merkle.Frontier)

    def checkpoint(self) -> signed_note.Checkpoint:
        """Return the checkpoint of this state."""
        return signed_note.Checkpoint(signed_note.origin(self.market), self.count, self.tree.root())


def walk(lines: Iterable[bytes], summary: Summary, earlier: Earlier) -> Iterator[Block]:
    """Yield the block of each line after checking it against the chain so far, and count it in.

    Parameters
    ----------
    lines : iterable of bytes
        Each with its newline; one without it is the torn end, and is counted in ``summary.tail``.
    summary : Summary
        Of the chain before these lines; kept up to date.
    earlier : callable
        Gives the block at an index that was already walked over.

    Raises
    ------
    LedgerTampered
        If anything about a line is not as the chain wants it.
    LedgerError
        If its hash is right, but it is of another format version.
    """
    for line in lines:
        if not line.endswith(b"\n"):
            summary.tail = len(line)
            return
        yield _advance(line, summary, earlier)


def content(block: Block) -> str:
    """Return a digest of the content of a block, without its place and the software that wrote it.

    Nor with what it says of inputs where that may be of a whole run (``block_schema.INPUTS_OF_RUN``): else one corrected
    reading would change the content of every slot of the run.
    """
    of_run = ("inputs",) if block["version"] in block_schema.INPUTS_OF_RUN else ()
    kept = {k: v for k, v in block.items() if k not in (*_PLACE, *of_run)}
    return merkle.leaf(canonical_json.dump(kept)).hex()


def fitted(record: Block, summary: Summary) -> Block:
    """Return a record in the format of the ledger that is to take it, or to have it.

    Raises
    ------
    LedgerConflict
        If the ledger counts another currency, or this one in other units, so that no number would mean the same, or its
        format has no place for what is recorded.
    """
    if not summary.count:
        return record
    money = summary.units["money"]
    if block_schema.scale(money) != block_schema.scale(record["money"]):
        raise LedgerConflict(
            f"the ledger, of format {summary.version}, counts money in {money}, and this is in {record['money']}: "
            "begin another ledger; the one that is there stays good"
        )
    shape = block_schema.shapes(summary.version)
    some = [n for n in block_schema.WHERE_ANY if n in record["totals"] and "money" not in shape["clearing"]]
    if some or record["kind"] not in shape:
        what = some[0] if some else f"{record['kind']}s"
        raise LedgerConflict(
            f"the ledger is of format {summary.version}, which has no {what}: begin another ledger"
        )
    kept = {name: value for name, value in record.items() if name != "money" or name in shape["clearing"]}
    return {**kept, "version": summary.version}


def extend(new: Sequence[Block], summary: Summary) -> tuple[bytes, Summary]:
    """Return the lines of new blocks, chained to the last block, and the summary after them.

    Raises
    ------
    LedgerError
        If a block is not what a verifier would accept.
    """
    lines, after = [], deepcopy(summary)
    reversed_ = {block["reverses"]: _reversible(block) for block in new if block["kind"] == "correction"}
    for index, block in enumerate(new, start=summary.count):
        try:
            data = canonical_json.dump({**block, "index": index, "prev": after.head})
            line = _HEAD + data + _MIDDLE + merkle.leaf(data).hex().encode() + _TAIL
            _advance(line, after, reversed_.__getitem__)
        except LedgerTampered as error:
            raise LedgerError(f"{error.field}: got {error.got}, want {error.want}") from error
        except ValueError as error:
            raise LedgerError(f"what is to be recorded does not fit into a block: {error}") from error
        lines.append(line)
    return b"".join(lines), after


def endorsed(block: Block, before: signed_note.Key) -> bool:
    """Return whether a key endorsed a key-rotation block, which hands the ledger on to another one."""
    signature = signed_note.origin(block["market"]), signed_note.decode(block["endorsement"])
    try:
        return bool(
            signed_note.verified(
                signed_note.Note(block_schema.handover(block, str(before)), (signature,)), [before]
            )
        )
    except signed_note.NoteError:
        return False


def overlap(spans: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """Return the span that shares time with [start, end), if there is one; ``spans`` is sorted."""
    near = spans[max(0, bisect_left(spans, (start, start)) - 1) :][:2]
    return next((span for span in near if span[0] < end and start < span[1]), None)


def join(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a time to sorted spans that do not overlap it, joined with its neighbours."""
    place = bisect_left(spans, (start, start))
    if place < len(spans) and spans[place][0] == end:
        end = spans.pop(place)[1]
    if place and spans[place - 1][1] == start:
        place -= 1
        start = spans.pop(place)[0]
    spans.insert(place, (start, end))


def free(spans: list[tuple[int, int]], start: int, end: int) -> None:
    """Remove a time from the span that contains it."""
    place = next(i for i, span in enumerate(spans) if span[0] <= start and end <= span[1])
    first, last = spans.pop(place)
    spans[place:place] = [part for part in ((first, start), (end, last)) if part[0] < part[1]]


def hashes(lines: bytes) -> list[str]:
    """Return the hashes of blocks, in the order of their lines."""
    return [line[-66:-2].decode() for line in lines.splitlines()]


def _reversible(block: Block) -> Block:
    """Return the clearing that a correction reverses, as far as the correction repeats it."""
    totals = {name: -amount for name, amount in block["totals"].items()}
    return {**block, "kind": "clearing", "totals": totals}


def _advance(line: bytes, summary: Summary, earlier: Earlier) -> Block:
    """Check a whole line, count it into the summary, and return its block."""
    data = line[len(_HEAD) : -76]
    leaf_hash = merkle.leaf(data)
    for check in LINE_CHECKS.values():
        if wrong := check(line, leaf_hash.hex().encode()):
            raise LedgerTampered(summary.count, *wrong)
    try:
        block: Block = canonical_json.parse(data)
    except ValueError as error:
        raise LedgerTampered(summary.count, "bytes", error, "canonical JSON") from error
    version = block.get("version") if isinstance(block, dict) else None
    if not summary.count and type(version) is int and version not in block_schema.READABLE:
        want = " or ".join(map(str, block_schema.READABLE))
        raise LedgerError(f"the ledger has format version {version}, want {want}")
    for check_block in BLOCK_CHECKS.values():
        if wrong := check_block(block, summary, earlier):
            raise LedgerTampered(summary.count, *wrong)
    _count_in(block, summary)
    summary.tree.append(leaf_hash)
    summary.count, summary.head, summary.size = summary.count + 1, leaf_hash.hex(), summary.size + len(line)
    return block


def _count_in(block: Block, summary: Summary) -> None:
    """Update the summary by what a checked block changes: market, keys, times taken, totals."""
    kind = block["kind"]
    if kind == "genesis":
        summary.version, summary.market, summary.units = block["version"], block["market"], block["units"]
    if block.get("key"):
        summary.keys.append(signed_note.parse_key(block["key"]))
    if "slot" not in block:
        return
    start, end = block["slot"], block["slot"] + block["slot_seconds"]
    if kind == "correction":
        free(summary.spans, start, end)
        summary.reversed.add(block["reverses"])
    else:
        join(summary.spans, start, end)
    summary.slots += 1 if kind in block_schema.RECORDING else -1
    for name, amount in block["totals"].items():
        summary.totals[name] = summary.totals.get(name, 0) + amount


def _form(line: bytes, _: bytes) -> Wrong:
    if len(line) > LONGEST:
        return "line", f"{len(line)} bytes or more", f"{LONGEST} at most"
    if (line[: len(_HEAD)], line[-76:-67], line[-3:]) == (_HEAD, _MIDDLE, _TAIL):
        return None
    return "line", repr(line[:60]), 'the form {"block":...,"hash":"..."}'


def _hash(line: bytes, want: bytes) -> Wrong:
    got = line[-67:-3]
    return None if got == want else ("hash", got.decode(errors="replace"), want.decode())


def _shape(block: Block, *_: object) -> Wrong:
    wrong = block_schema.mismatch(block)
    return (wrong, "something else", "the shape of its kind") if wrong else None


def _same(name: str, want: Callable[[Summary], object]) -> Callable[[Block, Summary, Earlier], Wrong]:
    def check(block: Block, summary: Summary, _: Earlier) -> Wrong:
        return None if block[name] == want(summary) else (name, block[name], want(summary))

    return check


def _opening(block: Block, summary: Summary, _: Earlier) -> Wrong:
    if (block["kind"] == "genesis") == (summary.count == 0):
        return None
    return "kind", block["kind"], "something else" if summary.count else "genesis"


def _version(block: Block, summary: Summary, _: Earlier) -> Wrong:
    """Require that all blocks are of the format of the first one."""
    want = summary.version if summary.count else block["version"]
    return None if block["version"] == want else ("version", block["version"], want)


def _money(block: Block, summary: Summary, _: Earlier) -> Wrong:
    """Require that a clearing counts in the unit that the genesis block says; that of format 3 says none."""
    want = summary.units.get("money")
    return ("money", block["money"], want) if block.get("money", want) != want else None


def _market(block: Block, summary: Summary, _: Earlier) -> Wrong:
    return (
        ("market", block["market"], summary.market)
        if block["market"] != summary.market and summary.count
        else None
    )


def _key(block: Block, *_: object) -> Wrong:
    """Require a log's key of the market's own name; a ledger without one says so by ``""``."""
    if "key" not in block or (block["kind"] == "genesis" and not block["key"]):
        return None
    want = signed_note.origin(block["market"])
    try:
        key = signed_note.parse_key(block["key"])
    except signed_note.NoteError as error:
        return "key", error, f"a key of {want}"
    return None if (key.name, key.kind) == (want, signed_note.LOG) else ("key", key, f"a key of {want}")


def _endorsed(block: Block, summary: Summary, _: Earlier) -> Wrong:
    """Require the endorsement of a new key by the one before."""
    if block["kind"] != "key-rotation":
        return None
    before = summary.keys[-1] if summary.keys else None
    want = f"the signature of {before}" if before else "no rotation in a ledger without keys"
    return None if before and endorsed(block, before) else ("endorsement", block["endorsement"], want)


def _vacant(block: Block, summary: Summary, _: Earlier) -> Wrong:
    if block["kind"] not in block_schema.RECORDING:
        return None
    taken = overlap(summary.spans, block["slot"], block["slot"] + block["slot_seconds"])
    return ("slot", block["slot"], f"one that shares no time with {taken}") if taken else None


def _before(block: Block, summary: Summary, _: Earlier) -> Wrong:
    good = block["kind"] != "correction" or block["reverses"] < summary.count
    return None if good else ("reverses", block["reverses"], f"an index below {summary.count}")


def _once(block: Block, summary: Summary, _: Earlier) -> Wrong:
    good = block["kind"] != "correction" or block["reverses"] not in summary.reversed
    return None if good else ("reverses", block["reverses"], "a block that is not reversed yet")


def _cancels(block: Block, _: Summary, earlier: Earlier) -> Wrong:
    """Require that a reversal has the time of a clearing, and its totals with the other sign."""
    if block["kind"] != "correction":
        return None
    reversed_ = earlier(block["reverses"])
    if reversed_["kind"] not in block_schema.RECORDING:
        return "reverses", reversed_["kind"], "a clearing or a settlement"
    totals = {name: -amount for name, amount in reversed_["totals"].items()}
    wants = {"slot": reversed_["slot"], "slot_seconds": reversed_["slot_seconds"], "totals": totals}
    for name, want in wants.items():
        if block[name] != want:
            return name, block[name], want
    return None


LINE_CHECKS = {"form": _form, "hash": _hash}
BLOCK_CHECKS: dict[str, Callable[[Block, Summary, Earlier], Wrong]] = {
    "shape": _shape,
    "version": _version,
    "index": _same("index", lambda summary: summary.count),
    "prev": _same("prev", lambda summary: summary.head),
    "opening": _opening,
    "market": _market,
    "money": _money,
    "key": _key,
    "endorsed": _endorsed,
    "vacant": _vacant,
    "before": _before,
    "once": _once,
    "cancels": _cancels,
}
"""What must hold of a line, and of a block: each gives what is wrong (field, got, want) or nothing."""
