"""A bill as plain values: the lines to pay, what is borne beside them, and what the period brought.

All of it follows from the receipt (`receipt`): pages, tables and figures draw these records and compute nothing.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from ....data import clock
from ....data.inputs import currency
from ....data.problems import UNSEEN
from ....model.settlement.account_lines import LINES
from ... import markets
from ...ledger.format import block_schema, chain
from ...ledger.format.errors import LedgerTampered
from ...ledger.receipts import Proof
from .corrections import more
from .receipt import Receipt

NEIGHBOURS, RETAILER, OTHERS, CORRECTIONS = "neighbours", "retailer", "others", "corrections"
PARTS = {
    NEIGHBOURS: "energy shared with neighbours",
    RETAILER: "retailer",
    OTHERS: "others",
    CORRECTIONS: "corrections of earlier bills",
}
"""Parts of what is to be paid, in their order."""
PROVED, ENERGY_PROVED, STATED = "proved", "kWh proved", "stated"
"""What the receipt proves of a line: all, its energy, or nothing: then the operator states it."""
_OF_LEAVES = {
    "shared_bought": ("shared energy bought", "purchases", "paid", 1),
    "network_fee": ("network fees on it", "purchases", "fees", 1),
    "congestion_rent": ("scarce lines", "purchases", "congestion", 1),
    "shared_sold": ("shared energy sold", "sales", "earned", -1),
    "make_whole": ("make-whole payment", "", "make_whole", 1),
}
"""Lines that the leaves prove: label, where their energy and their money stand in a leaf, and their sign."""
_ENERGY_OF = {
    "grid_cost": "grid_in",
    "per-kwh": "grid_in",
    "feed_in_revenue": "grid_out",
    "per-kwh-injected": "grid_out",
}
"""Where the energy of a stated line stands in a leaf, by the line or the basis of the component."""
_LABELS = {"grid_cost": "energy from the retailer", "feed_in_revenue": "energy to the retailer"}
_PLAIN = re.compile("^[.]|[^A-Za-z0-9._%-]")
_USES = {"demand": "consumption", "charge": "charging", "driving": "driving"}


@dataclass(frozen=True)
class Line:
    """An amount of a bill [units of money], positive where it is paid; ``wh`` where it is of energy, ``mark`` its proof.

    ``part`` is one of ``PARTS``, or "" of what is not to be paid here.
    """

    part: str
    name: str
    label: str
    wh: int | None
    amount: int
    mark: str

    def price(self, decimals: int, shown: int) -> str:
        """Return the mean price of a kWh with so many decimals, "" of what has no energy."""
        if not self.wh:
            return ""
        scale = 10 ** max(decimals - 3 - shown, 0)
        return amount_text(rounded(abs(self.amount), abs(self.wh) * scale), min(shown, decimals - 3))


@dataclass(frozen=True)
class Appliance:
    """A heat pump or an appliance as the operator states it: Wh by local hour of the day, and its part of the payments.

    The amount [units of money] is part of other lines, by the energy of each slot.
    """

    label: str
    hours: tuple[int, ...]
    amount: int

    @property
    def busiest(self) -> int:
        """Return the hour of the day in which it used the most."""
        return max(range(len(self.hours)), key=self.hours.__getitem__)


@dataclass(frozen=True)
class Bill:
    """A bill of a member for a period. Energy is Wh, money units of ``10 ** -decimals`` of the currency.

    ``lines`` are to be paid and add up, exactly, to ``total``; ``to_pay`` is that rounded once to the ``digits`` of the
    currency's minor unit. ``borne`` are costs that nobody is paid here, ``gains`` amounts that the period brought.
    ``peaks`` are what of each peak is charged [W], and what one kW less would have saved [units of money], where known.
    ``spans`` are the times that it covers, local; ``sellers`` who the energy was bought of, nobody named where the
    operator chose so; ``sources`` where the energy used came from, by use; ``appliances`` what of it devices used.
    """

    participant: str
    market: str
    rules: str
    zone: str
    currency: str
    decimals: int
    digits: int
    slots: int
    spans: tuple[tuple[datetime, datetime], ...]
    lines: tuple[Line, ...]
    borne: tuple[Line, ...]
    gains: tuple[Line, ...]
    peaks: tuple[tuple[str, int, int | None], ...]
    co2_grams: int | None
    sellers: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str, int], ...]
    digest: str
    receipt_name: str
    appliances: tuple[Appliance, ...] = ()

    @property
    def minor(self) -> int:
        """Units of money in the currency's minor unit."""
        return int(10 ** (self.decimals - self.digits))

    @property
    def total(self) -> int:
        """What is to be paid, exactly [units of money]."""
        return sum(line.amount for line in self.lines)

    @property
    def to_pay(self) -> int:
        """What is to be paid [minor units], rounded once; less than zero is paid to the member."""
        return rounded(self.total, self.minor)

    @property
    def rounding(self) -> int:
        """What makes the lines as they are shown add up to what is to be paid [minor units]."""
        return self.to_pay - sum(self.shown(line) for line in self.lines)

    def shown(self, line: Line) -> int:
        """Return the amount of a line as it is shown [minor units]."""
        return rounded(line.amount, self.minor)

    def money(self, minor_units: int) -> str:
        """Return minor units as the currency has them."""
        return amount_text(minor_units, self.digits)

    def facts(self) -> dict[str, Any]:
        """Return the bill for a machine."""
        plain = (
            "participant",
            "market",
            "rules",
            "zone",
            "currency",
            "slots",
            "co2_grams",
            "sellers",
            "peaks",
            "digest",
        )
        return {
            **{name: getattr(self, name) for name in plain},
            "period": [[t.isoformat() for t in span] for span in self.spans],
            "unit": block_schema.unit_of_money(self.currency, self.decimals - 6),
            **{name: [vars(line) for line in getattr(self, name)] for name in ("lines", "borne", "gains")},
            "sources": [list(source) for source in self.sources],
            "to_pay": self.money(self.to_pay),
            "rounding": self.money(self.rounding),
            "receipt": self.receipt_name,
            **({"appliances": [vars(one) for one in self.appliances]} if self.appliances else {}),
        }


def rounded(amount: int, unit: int) -> int:
    """Return an amount in whole units, half a one to the even one.

    >>> rounded(150, 100), rounded(250, 100), rounded(-149, 100)
    (2, 2, -1)
    """
    whole, rest = divmod(amount, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))


def amount_text(amount: int, decimals: int) -> str:
    """Return whole units with so many decimals.

    >>> amount_text(-123456, 2), amount_text(1234, 0)
    ('-1,234.56', '1,234')
    """
    whole, part = divmod(abs(amount), 10**decimals)
    return f"{'-' * (amount < 0)}{whole:,}" + (f".{part:0{decimals}d}" if decimals else "")


def bill(receipt: Receipt, source: str = "receipt") -> Bill:
    """Return the bill that a receipt holds.

    Raises
    ------
    LedgerTampered
        If what the operator states is not of the form that a bill has.
    """
    try:
        return _bill(receipt)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, AttributeError) as error:
        raise LedgerTampered(source, "what is stated", error, "the statements of a bill") from error


def _bill(receipt: Receipt) -> Bill:
    stated, proofs = receipt.stated, receipt.proofs
    proved, digits_of_unit = block_schema.scale(proofs[0].money)
    code = str(stated["currency"])
    if proved not in ("", code) or stated["rules"] not in markets.RECORDED:
        raise ValueError(f"currency {code} or market {stated['rules']}")
    zone = clock.zone(str(stated["zone"]))

    def local(seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, zone)

    leaf, lines = proofs[0].leaf, [*_proved(proofs), *_stated(stated["lines"], proofs)]
    lines += _corrections(receipt, lambda seconds: local(seconds).strftime("%Y-%m-%d"))
    spans = [(local(start), local(end)) for start, end in _spans(proofs)]
    return Bill(
        participant=shown(leaf["participant"]),
        market=shown(leaf["market"]),
        rules=str(stated["rules"]),
        zone=str(stated["zone"]),
        currency=code,
        decimals=6 + digits_of_unit,
        digits=currency.MINOR_DIGITS[code],
        slots=len(proofs),
        spans=tuple(spans),
        lines=tuple(line for part in PARTS for line in lines if line.part == part),
        borne=tuple(_beside(stated["borne"])),
        gains=tuple(_beside(stated["gains"])),
        peaks=tuple(_peak(one) for one in stated["peaks"]),
        co2_grams=int(stated["co2"]) if stated.get("co2") != "" else None,
        sellers=_sellers(proofs, bool(stated["anonymous"])),
        sources=_sources(proofs),
        digest=receipt.digest,
        receipt_name=f"{_PLAIN.sub('_', leaf['participant'])[:60]}.{receipt.digest[:16]}.receipt.gz",
        appliances=tuple(_appliance(one) for one in stated.get("appliances", [])),
    )


def _spans(proofs: Sequence[Proof]) -> list[tuple[int, int]]:
    """Return the times that proofs, in order, are of, those that touch joined."""
    spans: list[tuple[int, int]] = []
    for block in (proof.block for proof in proofs):
        chain.join(spans, block["slot"], block["slot"] + block["slot_seconds"])
    return spans


def _sum(leaves: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(int(leaf.get(name, 0)) for leaf in leaves)


def _proved(proofs: Sequence[Proof]) -> list[Line]:
    """Return the lines that the leaves prove; those without energy and money are left out."""
    leaves, lines = [proof.leaf for proof in proofs], []
    for name, (label, energy, money, sign) in _OF_LEAVES.items():
        wh, amount = _sum(leaves, energy) if energy else None, sign * _sum(leaves, money)
        part = NEIGHBOURS if energy else OTHERS
        if amount or (wh and name in ("shared_bought", "shared_sold")):
            lines.append(Line(part, name, label, wh, amount, PROVED))
    return lines


def _stated(stated: Sequence[Mapping[str, Any]], proofs: Sequence[Proof]) -> list[Line]:
    """Return the lines to be paid that the operator states."""
    leaves = [proof.leaf for proof in proofs]
    lines = []
    for one in stated:
        name, label, basis, amount = (one[key] for key in ("name", "label", "basis", "amount"))
        part = RETAILER if one["part"] == RETAILER else OTHERS
        energy = _ENERGY_OF.get(basis)
        wh = _sum(leaves, energy) if energy else None
        lines.append(
            Line(part, _word(name), shown(label), wh, _whole(amount), ENERGY_PROVED if energy else STATED)
        )
    return lines


def _corrections(receipt: Receipt, day: Callable[[int], str]) -> list[Line]:
    """Return what corrections of slots that were billed before change, by the month or the one day that they are of."""
    groups: dict[str, list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]] = {}
    for change in receipt.changes:
        when = day(change.before.block["slot"])
        groups.setdefault(when[:7], []).append((when, change.before.leaf, change.after.leaf))
    retailer = {str(one["month"]): _whole(one["amount"]) for one in receipt.stated["corrections"]}
    if not retailer.keys() <= groups.keys():
        raise ValueError("corrections of months in which nothing was corrected")
    lines = []
    for month, changed in sorted(groups.items()):
        days = {when for when, _, _ in changed}
        label = f"correction of {days.pop() if len(days) == 1 else month}"
        amount = wh = 0
        for _, before, after in changed:
            amount += more(before, after)
            wh += int(after["purchases"]) - int(before["purchases"])
        lines.append(Line(CORRECTIONS, f"correction_{month}", label, wh or None, amount, PROVED))
        if retailer.get(month):
            text = f"{label}, retailer"
            lines.append(
                Line(CORRECTIONS, f"correction_{month}_retailer", text, None, retailer[month], STATED)
            )
    return [line for line in lines if line.amount or line.wh]


def _beside(stated: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Return amounts that are not to be paid here, as the operator states them."""
    return [
        Line("", _word(one["name"]), shown(one["label"]), None, _whole(one["amount"]), STATED)
        for one in stated
    ]


def _peak(stated: Mapping[str, Any]) -> tuple[str, int, int | None]:
    saves = None if stated["saves"] == "" else _whole(stated["saves"])
    return shown(stated["label"]), _whole(stated["watts"]), saves


def _appliance(stated: Mapping[str, Any]) -> Appliance:
    hours = tuple(_whole(wh) for wh in stated["hours"])
    if len(hours) != 24:
        raise ValueError(f"{len(hours)} hours of a day")
    return Appliance(shown(stated["label"]), hours, _whole(stated["amount"]))


def _sellers(proofs: Sequence[Proof], anonymous: bool) -> tuple[tuple[str, int], ...]:
    """Return who energy was bought of [Wh], the most first; where nobody is to be named, how many they are."""
    bought: dict[str, int] = {}
    for proof in proofs:
        for seller, wh in proof.leaf["origin"].items():
            bought[seller] = bought.get(seller, 0) + wh
    if anonymous and bought:
        return ((f"{len(bought)} neighbours", sum(bought.values())),)
    return tuple(
        (shown(name), wh) for name, wh in sorted(bought.items(), key=lambda item: (-item[1], item[0]))
    )


def _sources(proofs: Sequence[Proof]) -> tuple[tuple[str, str, int], ...]:
    """Return where the energy came from: use, source and Wh."""
    own, rows = proofs[0].leaf["participant"], []
    for use, label in _USES.items():
        energy = {"own PV": 0, "neighbours' PV": 0, "retailer": 0}
        for proof in proofs:
            for source, wh in proof.leaf[use].items():
                energy["own PV" if source == own else "neighbours' PV" if source else "retailer"] += wh
        rows += [(label, source, wh) for source, wh in energy.items() if wh]
    return tuple(rows)


def line_label(name: str) -> str:
    """Return what a line of the account is called on a bill."""
    return _LABELS.get(name, LINES[name].label)


def shown(label: str) -> str:
    """Return a label of the ledger as it stands in the scenario, if all of it can be shown."""
    try:
        plain = unquote(label, errors="strict")
    except UnicodeDecodeError:
        return label
    return label if UNSEEN.search(plain) else plain


def _word(value: Any) -> str:
    if type(value) is not str or not value.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"name {value!r}")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"amount {value!r}")
    return value
