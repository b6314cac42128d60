"""From stored runs and their ledger to the receipts of bills: which run says what of which slot, and whose it is.

Of every slot that the ledger has recorded in the period a run must hold what is recorded; of several, the one with the
most slots speaks. A slot that was billed before and corrected since is a correction on the next bill: of peers' money
from the leaves, of the retailer's from the runs of both times.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ....data import clock
from ....data.problems import InputError, Problem, suggestion
from ....model.settlement.account_lines import LINES, SIGNS
from ...ledger import private_leaves
from ...ledger.format import block_schema, canonical_json, chain
from ...ledger.format.errors import LedgerError
from ...ledger.receipts import Proof
from ...store import digest, run_file
from ...text import utc
from ..appliances import appliances
from . import receipt, sources
from .accounts import STATED, Part, StoredRun, by_component, peaks, total
from .bill import OTHERS, RETAILER, line_label
from .receipt import Change, Leaf, Receipt
from .recorded import Block, Book, Corrected, label, read, same_content

_OTHERWISE = "what it has recorded is not this run, but another or a correction"
_BILLED_BY = ("retailer", "exchange")
"""Counterparties of stated lines that are on a bill; of the others nobody is paid by it."""


@dataclass(frozen=True)
class Request:
    """What is to be billed: participants (all by default), a month ``YYYY-MM``, whether sellers are named, bills before.

    ``before`` maps a participant, as the ledger spells it, to how many blocks the ledger had when it was billed last.
    """

    participants: Sequence[str] = ()
    month: str = ""
    before: dict[str, int] | None = None
    anonymous: bool = False


def issue(source: Path, request: Request, directory: Path | None = None) -> dict[str, Receipt]:
    """Return the receipts of bills, from which the bills follow, by participant.

    Parameters
    ----------
    source : path
        A run file, or a folder in which the runs of a market are.
    request : Request
        Whom to bill, and for what.
    directory : path, optional
        Of the ledger (default: where it is put beside a run file).

    Raises
    ------
    InputError
        With every participant that is not recorded in the period, or if nothing is.
    RunFileError
        If there is no run of a market that is recorded.
    LedgerError
        If the ledger is missing or not good, or has recorded what no run holds.
    """
    runs = sources.stored_runs(source)
    book_folder = sources.ledger_of(runs, source, directory)
    with run_file.reading(source):
        return _issue(runs, source, request, book_folder)


def _issue(runs: Sequence[StoredRun], source: Path, request: Request, directory: Path) -> dict[str, Receipt]:
    zone = sources.only(
        source, "time zone", [str(run.groups[0].attrs.get("time_zone", "UTC")) for run in runs]
    )
    everybody = sorted({name for run in runs for name in run.participants})
    wanted = list(dict.fromkeys(request.participants)) or everybody
    unknown = [name for name in wanted if name not in everybody]
    if unknown:
        raise InputError(_unknown(source, name, everybody) for name in unknown)
    before = request.before or {}
    span = sources.period(runs, source, request.month, zone)
    book = read(
        directory, span, {*map(label, wanted)}, {before[label(n)] for n in wanted if label(n) in before}
    )
    secret = private_leaves.secret(directory)
    if secret is None:
        path = directory / private_leaves.FOLDER / private_leaves.SECRET
        raise LedgerError(f"{path}: missing; without it no leaf can be compared")
    sources.require_market(runs, book)
    issuer = _Issuer(runs, book, secret, request, zone)
    issued = {name: made for name in wanted if (made := issuer.receipt(name)) is not None}
    missing = [name for name in wanted if name not in issued]
    if missing and (request.participants or not issued):
        raise InputError(_not_recorded(source, name, request.month) for name in missing)
    return issued


class _Issuer:
    """The making of receipts: which parts of which runs count, and the parts that all receipts share."""

    def __init__(
        self,
        runs: Sequence[StoredRun],
        book: Book,
        secret: bytes,
        request: Request,
        zone: str,
    ):
        market = book.summary.market
        self._runs = [run for run in runs if canonical_json.label(run.tree.attrs["market_id"]) == market]
        self._book, self._secret, self._request, self._zone = book, secret, request, zone
        self._parts = self._chosen(book.current.values(), _OTHERWISE)
        self._shared: dict[tuple[int, ...], tuple[bytes, bytes]] = {}
        self._differences: dict[tuple[int, ...], tuple[list[Part], list[Part]]] = {}
        self._currency = str(self._parts[0].run.tree.attrs["currency"]) if self._parts else ""
        self._rules = str(self._parts[0].run.tree.attrs["market"]) if self._parts else ""

    def receipt(self, participant: str) -> Receipt | None:
        """Return the receipt of a participant; None if nothing of it is recorded in the period."""
        spelled, book = label(participant), self._book
        own = [book.leaves[block["index"]].get(spelled) for block in book.current.values()]
        leaves = [leaf for leaf in own if leaf is not None]
        if not leaves:
            return None
        since = (self._request.before or {}).get(spelled)
        changed = [] if since is None else [c for c in book.corrected(since) if self._concerns(c, spelled)]
        stated = self._stated(participant, changed)
        pairs = [tuple(book.leaves[b["index"]][spelled] for b in (c.before, c.after)) for c in changed]
        every = sorted([*leaves, *(leaf for pair in pairs for leaf in pair)], key=_index)
        shared = self._shared_parts(every, changed)
        return receipt.made(
            stated,
            every,
            [self._proof(leaf) for leaf in sorted(leaves, key=lambda leaf: int(leaf.block["slot"]))],
            [Change(*map(self._proof, pair)) for pair in pairs],
            shared,
        )

    def _concerns(self, change: Corrected, spelled: str) -> bool:
        """Tell whether a correction changes what a participant's leaf says: else its receipt stands."""
        before, after = (self._book.leaves[b["index"]].get(spelled) for b in (change.before, change.after))
        return before is not None and after is not None and not same_content(before.content, after.content)

    def _proof(self, leaf: Leaf) -> Proof:
        return Proof(leaf.content, leaf.block, self._book.note, self._book.rotations)

    def _shared_parts(self, leaves: Sequence[Leaf], changed: Sequence[Corrected]) -> tuple[bytes, bytes]:
        """Return the blocks and their proof as text, made once for all that have the same."""
        book = self._book
        blocks = [*(leaf.block for leaf in leaves), *(c.reversal for c in changed), *book.rotations]
        blocks.sort(key=lambda block: int(block["index"]))
        indices = tuple(int(block["index"]) for block in blocks)
        if indices not in self._shared:
            parts = receipt.blocks_part(blocks), receipt.proof_part(book.tree, indices, book.note)
            self._shared[indices] = parts
        return self._shared[indices]

    def _chosen(self, blocks: Collection[Block], otherwise: str) -> list[Part]:
        """Return the parts of runs that hold what blocks have recorded, each slot once."""
        open_, counts = {block["index"]: block for block in blocks}, len(blocks)
        matching = [(run, [i for i, block in open_.items() if self._holds(run, block)]) for run in self._runs]
        parts = []
        for run, indices in sorted(matching, key=lambda one: -len(one[1])):
            slots = [open_.pop(i)["slot"] for i in indices if i in open_]
            if slots:
                parts.append(Part(run, run.of(slots)))
        if open_:
            first = utc(min(block["slot"] for block in open_.values()))
            many = f"{len(open_)} of {counts} slots, the first is {first} UTC"
            raise LedgerError(f"{self._book.directory}: {otherwise}: {many}")
        return parts

    def _holds(self, run: StoredRun, block: Block) -> bool:
        """Tell whether a run holds what a block has recorded: time, totals, prices, results and the leaves."""
        record = run.records.get(block["slot"])
        if record is None or any(record[name] != block[name] for name in ("kind", "slot_seconds", "totals")):
            return False
        record = chain.fitted(record, self._book.summary)
        if any(private_leaves.keyed(self._secret, n, record[n]) != block[n] for n in ("prices", "results")):
            return False
        leaves = self._book.leaves[block["index"]]
        return all(
            leaf.items() <= leaves[leaf["participant"]].content.items()
            for leaf in record["leaves"]
            if leaf["participant"] in leaves
        )

    def _stated(self, participant: str, changed: Sequence[Corrected]) -> dict[str, Any]:
        """Return what the operator states on the bill of a participant."""
        sums, components = total(self._parts, participant), by_component(self._parts, participant)
        unit = 10 ** (6 + block_schema.scale(self._book.summary.units["money"])[1])

        def stated(name: str, text: str, value: float, **more: str) -> dict[str, Any]:
            amount = int(digest.integers(value, unit))
            return {"name": name, "label": canonical_json.label(text)[:80], "amount": amount, **more}

        lines = [
            stated("component", name, value, part=RETAILER, basis=basis)
            for (name, basis), value in components.items()
        ]
        gains, borne = [], []
        for name in STATED:
            if name not in sums:
                continue
            value, row = SIGNS[name] * sums[name], LINES[name]
            part = RETAILER if row.counterparty == "retailer" else OTHERS
            if row.counterparty not in _BILLED_BY:
                borne.append(stated(name, line_label(name), value))
            elif not (components and part == RETAILER):
                lines.append(stated(name, line_label(name), value, part=part, basis=name))
        if "saving" in sums:
            gains.append(stated("saving", "saved against the retailer alone", sums["saving"]))
        if "network_avoided" in sums:
            gains.append(
                stated(
                    "network_avoided",
                    "network charges of a retailer on the shared energy",
                    sums["network_avoided"],
                )
            )
        return {
            "currency": self._currency,
            "rules": self._rules,
            "zone": self._zone,
            "anonymous": int(self._request.anonymous),
            "lines": [line for line in lines if line["amount"]],
            "borne": [line for line in borne if line["amount"]],
            "gains": [line for line in gains if line["amount"]],
            "co2": int(digest.integers(sums["co2"], 1000)) if "co2" in sums else "",
            "peaks": self._peaks(participant, unit),
            "corrections": self._corrections(participant, changed, unit),
        } | self._appliances(participant, unit)

    def _appliances(self, participant: str, unit: int) -> dict[str, Any]:
        """Return what heat pumps and appliances drew by hour of the day [Wh] and cost; nothing where there are none."""
        sums: dict[str, tuple[Any, float]] = {}
        for part in self._parts:
            for one in appliances(part.run.groups, participant, part.counts):
                hours, cost = sums.get(one.label, (0.0, 0.0))
                sums[one.label] = hours + one.by_hour, cost + one.cost
        if not sums:
            return {}
        stated = [
            {
                "label": canonical_json.label(name)[:80],
                "hours": digest.integers(hours, 1000).tolist(),
                "amount": int(digest.integers(cost, unit)),
            }
            for name, (hours, cost) in sums.items()
        ]
        return {"appliances": stated}

    def _peaks(self, participant: str, unit: int) -> list[dict[str, Any]]:
        """Return what of each peak is charged [W], and what one kW less would save, "" where that is not known."""
        return [
            {
                "label": canonical_json.label(name)[:80],
                "watts": int(digest.integers(kw, 1000)),
                "saves": "" if saves is None else int(digest.integers(saves, unit)),
            }
            for name, (kw, saves) in peaks(self._parts, participant).items()
        ]

    def _corrections(self, participant: str, changed: Sequence[Corrected], unit: int) -> list[dict[str, Any]]:
        """Return by how much the retailer's part of earlier slots changed, by month."""
        tz, months = clock.zone(self._zone), dict[str, list[Corrected]]()
        for change in changed:
            month = datetime.fromtimestamp(change.before["slot"], tz).strftime("%Y-%m")
            months.setdefault(month, []).append(change)
        told = []
        for month, group in sorted(months.items()):
            before, after = self._difference(group)
            amounts = [
                sum(
                    SIGNS[name] * value
                    for name, value in total(parts, participant).items()
                    if name in STATED and LINES[name].counterparty in _BILLED_BY
                )
                for parts in (before, after)
            ]
            if amount := int(digest.integers(amounts[1] - amounts[0], unit)):
                told.append({"month": month, "amount": amount})
        return told

    def _difference(self, changes: Sequence[Corrected]) -> tuple[list[Part], list[Part]]:
        """Return the parts of the runs that were and that are recorded of corrected slots.

        Where one run stands for another of the same times, both count whole: the rest of them is the same.
        """
        key = tuple(int(c.before["index"]) for c in changes)
        if key not in self._differences:
            why = "no run holds what it had recorded before it was corrected, and a bill of that is to be corrected"
            before = self._chosen([c.before for c in changes], why)
            after = self._chosen(
                [c.after for c in changes], "no run holds what it has recorded of corrected slots"
            )
            if len(before) == len(after) == 1 and before[0].run.records.keys() == after[0].run.records.keys():
                before, after = ([Part(p.run, p.counts | True)] for p in (before[0], after[0]))
            self._differences[key] = before, after
        return self._differences[key]


def _index(leaf: Leaf) -> int:
    return int(leaf.block["index"])


def _unknown(source: Path, name: str, known: Sequence[str]) -> Problem:
    return Problem(str(source), "", "participant", repr(name), f"one of the run's{suggestion(name, known)}")


def _not_recorded(source: Path, name: str, month: str) -> Problem:
    return Problem(
        str(source), "", "participant", repr(name), f"one with recorded slots{f' in {month}' * bool(month)}"
    )
