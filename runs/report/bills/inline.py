"""Bills of formats 1 and 2, of one run, with their receipt under the page: no longer made, and checked for ever.

A bill is UTF-8 text. Above the receipt it says what the receipt proves, and what only the market's operator says,
marked as such. It has one spelling: whoever has the receipt and reads the operator's figures from the page can write the
page again, and must get the same bytes. So no figure that is proved can be altered, and none that is a sum of others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise, zip_longest
from urllib.parse import unquote

from ....data import clock
from ....data.problems import UNSEEN, InputError
from ....model.settlement import account_lines
from ....model.settlement.account_lines import CARBON, OPTIONAL, TOTALS, Line, statement
from ... import markets
from ...ledger import checkpoints, receipts
from ...ledger.format import block_schema, signed_note
from ...ledger.format.block_schema import WHERE_ANY
from ...ledger.format.errors import LedgerTampered
from ...text import on_page, section, table, utc
from . import inline_contract

OPENING = b"# Bill of "
_ROUNDING = {"rounding": Line("what counting whole Wh and thousandths changes", sign=1, label="rounding")}
_LINES = {n: line for n, line in statement().items() if n not in TOTALS}
STATEMENT = {**_LINES, **_ROUNDING, **TOTALS}
"""Lines of the account on a bill, in their order; revenue is negative on the page."""
SHARES = {n: line.label for n, line in {**account_lines.SHARES, **CARBON}.items() if line.label}
"""Where the energy came from, as the settlement has it."""
TERMS = {"zone": "time zone", "rules": "kind of market", "currency": "currency"}
_ENERGIES = {
    "grid_cost": "grid_in",
    "feed_in_revenue": "grid_out",
    "peer_cost": "purchases",
    "peer_revenue": "sales",
}
_PROVED = {
    "peer_cost": ("paid", "fees", "congestion"),
    "network_fee": ("fees",),
    "congestion_rent": ("congestion",),
    "peer_revenue": ("earned",),
    "make_whole": ("make_whole",),
}
"""What in a leaf makes the energy of a line, and the money of those that the ledger proves."""
STATED = tuple(n for n in STATEMENT if n not in _PROVED and n not in ("bill", "saving"))
"""Lines that the operator states; all others are proved, or follow."""
_FENCE = "\n```\n"
_FORMS = {"zone": r"[A-Za-z0-9_+/-]{1,60}", "rules": "|".join(markets.RECORDED), "currency": "[A-Z]{3}"}
"""What a term may be: values that a run can have, and no text of a forger's own."""
_UNPROVED = "(not proved by the ledger)"
_LEGEND = """\
`proved`: the receipt below proves that the ledger recorded it; `otonari ledger check` computes it again from there.
That it was recorded does not prove what a meter measured. `not proved`: the operator of the market says so; of the
retailer's lines the energy is proved, the price is not. `rounding`: the ledger counts whole Wh and thousandths of a
price, the settlement does not."""


@dataclass(frozen=True)
class Bill:
    """A participant's bill: the terms and figures that the operator states, and the receipt with what it proves.

    ``money`` is in the ledger's units, by the names in ``STATED``, those of ``OPTIONAL`` where the account has them;
    ``shares`` is text, by the names in ``SHARES``; ``components`` are those of the contract, if it has any.
    """

    terms: dict[str, str]
    money: dict[str, int]
    shares: dict[str, str]
    receipt: str
    proofs: list[receipts.Proof]
    components: tuple[inline_contract.Component, ...] = ()

    @property
    def decimals(self) -> int:
        """The decimals of its money, which the receipt proves."""
        return money_decimals(self.proofs)

    @property
    def amounts(self) -> dict[str, int]:
        """All lines of the account [units of money], by the names of ``STATEMENT``."""
        lines = self.money | {name: _sum(self.proofs, *parts) for name, parts in _PROVED.items()}
        lines["bill"] = sum(line.sign * lines.get(n, 0) for n, line in STATEMENT.items() if line.sign)
        lines["saving"] = lines["bill_grid_only"] - lines["bill"]
        return {name: lines[name] for name in STATEMENT if lines.get(name) or name not in OPTIONAL}

    @property
    def energies(self) -> dict[str, int]:
        """Energy of the lines that have one [Wh], all proved."""
        return {name: _sum(self.proofs, part) for name, part in _ENERGIES.items()}


def write(bill: Bill) -> str:
    """Return the page of a bill, with its receipt."""
    leaf, zone = bill.proofs[0].leaf, clock.zone(bill.terms["zone"])
    parts = [
        f"# Bill of {on_page(_shown(leaf['participant']))}",
        _head(bill, zone),
        f"{section('Account', _account(bill))}\n\n{_LEGEND}",
        *_contract(bill),
        section("Trades with neighbours by hour of the day (proved)", _hours(bill, zone)),
        section("Bought from (proved)", _sellers(bill)),
        section("Where the energy came from (not proved)", _origin(bill)),
        "## Receipt\n\nOne proof for each slot; keep this file as it is. "
        f"otonari bill, format {_format(bill.proofs)}: see LEDGER.md.",
    ]
    return "\n\n".join(parts) + f"\n{_FENCE}{bill.receipt}```\n"


def check(
    data: bytes,
    pinned: Sequence[signed_note.Key] = (),
    held: Sequence[checkpoints.KnownCheckpoint] = (),
    source: str = "bill",
) -> list[receipts.Proof]:
    """Check the receipt of a bill, and the bill against it; arguments as of :func:`otonari.runs.ledger.receipts.check`.

    Raises
    ------
    LedgerTampered
        If anything in the receipt is wrong, or on the page that the receipt proves or that adds up.
    LedgerError
        If there is neither key nor checkpoint.
    """
    try:
        page, fence, rest = data.decode().partition(_FENCE)
    except UnicodeDecodeError as error:
        raise LedgerTampered(source, "form", "bytes that are no UTF-8", "a bill") from error
    receipt = rest.removesuffix("```\n")
    if not fence or receipt == rest:
        raise LedgerTampered(source, "receipt", "none", "one between two lines ```")
    proofs = receipts.check(receipt.encode(), pinned, held, source)
    require_period(proofs, source)
    decimals = money_decimals(proofs)
    bill = Bill(*_stated(page, source, proofs), receipt, proofs, inline_contract.read(page, decimals))
    inline_contract.require_sum(bill.components, bill.money, source)
    if (proved := block_schema.scale(proofs[0].money)[0]) not in ("", bill.terms["currency"]):
        raise LedgerTampered(source, "currency", bill.terms["currency"], proved)
    try:
        want = write(bill).split("\n")
    except (InputError, ValueError, OverflowError, OSError) as error:  # no such zone, no such time
        raise LedgerTampered(source, "times", error, "those of a time zone") from error
    got = data.decode().split("\n")
    for number, (line, right) in enumerate(zip_longest(got, want), start=1):
        if line != right:
            raise LedgerTampered(f"{source}, line {number}", "bill", line, right)
    return proofs


def require_period(proofs: list[receipts.Proof], source: str) -> None:
    """Raise :class:`LedgerTampered` unless the proofs are of a whole period, slot after slot."""
    for before, after in pairwise(proof.block for proof in proofs):
        if after["slot"] != before["slot"] + before["slot_seconds"]:
            end = utc(before["slot"] + before["slot_seconds"])
            raise LedgerTampered(source, "slots", f"one at {utc(after['slot'])}", f"one at {end} UTC")


def money(amount: int, decimals: int) -> str:
    """Return units of money as currency, exactly, with so many decimals.

    >>> money(-1234000056, 6), money(123400005678, 8)
    ('-1,234.000056', '1,234.00005678')
    """
    whole, part = divmod(abs(amount), 10**decimals)
    return f"{'-' * (amount < 0)}{whole:,}.{part:0{decimals}d}"


def money_decimals(proofs: Sequence[receipts.Proof]) -> int:
    """Return the decimals of the money in proofs, all of one ledger."""
    return 6 + block_schema.scale(proofs[0].money)[1]


def energy(amount: int) -> str:
    """Return Wh as kWh, exactly.

    >>> energy(1234056)
    '1,234.056'
    """
    return f"{amount // 1000:,}.{amount % 1000:03d}"


def _head(bill: Bill, zone: tzinfo) -> str:
    first, last = bill.proofs[0].block, bill.proofs[-1].block
    start, end = first["slot"], last["slot"] + last["slot_seconds"]
    local = [datetime.fromtimestamp(t, zone).strftime("%Y-%m-%d %H:%M") for t in (start, end)]
    lines = [
        f"market: {on_page(_shown(first['market']))}",
        f"period: {' to '.join(local)}, {len(bill.proofs)} slots",
        f"in UTC: {utc(start)} to {utc(end)}",
        f"{TERMS['zone']}: {bill.terms['zone']}",
        f"{TERMS['rules']}: {bill.terms['rules']} {_UNPROVED}",
        f"{TERMS['currency']}: {bill.terms['currency']}{_currency_mark(bill.proofs)}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _account(bill: Bill) -> str:
    """Return the lines of the account; those that are not set in add up to the bill."""
    amounts, kwh = bill.amounts, bill.energies
    rows = []
    for name, line in STATEMENT.items():
        if name not in amounts:
            continue
        if name in WHERE_ANY and not any(name in proof.leaf for proof in bill.proofs):
            continue
        mark = "proved" if name in _PROVED else "kWh proved" if name in kwh else "not proved"
        label = "  " * bool(line.part_of) + line.label
        amount = -amounts[name] if line.sign < 0 else amounts[name]
        rows.append([label, energy(kwh[name]) if name in kwh else "", money(amount, bill.decimals), mark])
    return table(["", "kWh", bill.terms["currency"], "ledger"], rows)


def _contract(bill: Bill) -> list[str]:
    """Return the section of the contract's components, none where it has none."""
    if not bill.components:
        return []
    return [inline_contract.write(bill.components, bill.energies, bill.decimals, bill.terms["currency"])]


def _hours(bill: Bill, zone: tzinfo) -> str:
    """Return what was traded in the slots that begin in each hour of the day, hours without trades left out."""
    hours: dict[int, list[receipts.Proof]] = {}
    for proof in bill.proofs:
        if proof.leaf["purchases"] or proof.leaf["sales"]:
            hours.setdefault(datetime.fromtimestamp(proof.block["slot"], zone).hour, []).append(proof)
    rows, decimals = [], bill.decimals
    for hour, proofs in sorted(hours.items()):
        bought, sold = _sum(proofs, "purchases"), _sum(proofs, "sales")
        cost, revenue = _sum(proofs, *_PROVED["peer_cost"]), _sum(proofs, *_PROVED["peer_revenue"])
        rows.append(
            [f"{hour:02d}:00", energy(bought), money(cost, decimals), energy(sold), money(revenue, decimals)]
        )
    return table(["hour", "kWh bought", "peer cost", "kWh sold", "peer revenue"], rows)


def _sellers(bill: Bill) -> str:
    """Return what was bought from whom; names stand last, where their width on the screen does not matter."""
    bought: dict[str, int] = {}
    for proof in bill.proofs:
        for seller, amount in proof.leaf["origin"].items():
            bought[seller] = bought.get(seller, 0) + amount
    rows = [("kWh", "participant"), *((energy(bought[name]), _shown(name)) for name in sorted(bought))]
    width = max(len(kwh) for kwh, _ in rows)
    return "\n".join(f"{kwh:>{width}}  {name}" for kwh, name in rows)


def _origin(bill: Bill) -> str:
    return table(["", "share"], [[label, bill.shares[name]] for name, label in SHARES.items()])


def _format(proofs: Sequence[receipts.Proof]) -> int:
    """Return the format of a bill: 2 where the blocks of its receipt say the currency and its scale."""
    return 1 if proofs[0].block["version"] == 3 else 2


def _currency_mark(proofs: Sequence[receipts.Proof]) -> str:
    """Return what stands behind the currency: nothing where the receipt proves it."""
    return "" if block_schema.scale(proofs[0].money)[0] else f" {_UNPROVED}"


def _stated(
    page: str, source: str, proofs: Sequence[receipts.Proof]
) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """Return what the operator states on a page: terms, money and shares."""

    def find(name: str, pattern: str) -> str:
        if not (match := re.search(pattern, page, re.MULTILINE)):
            raise LedgerTampered(source, name, "nothing of its form", "what the operator states")
        return match[1]

    decimals, mark = money_decimals(proofs), re.escape(_currency_mark(proofs))
    suffixes = {"zone": "", "rules": f" {re.escape(_UNPROVED)}", "currency": mark}
    terms = {n: find(TERMS[n], f"^- {TERMS[n]}: ({_FORMS[n]}){end}$") for n, end in suffixes.items()}
    amounts = {}
    for name in STATED:
        label = STATEMENT[name].label
        if name in OPTIONAL and f"\n    {label} " not in page:
            continue
        text = find(
            label, rf"^    {label}(?: +[0-9,]+\.[0-9]{{3}})? +(-?[0-9,]{{1,30}}\.[0-9]{{{decimals}}})  "
        )
        amount = int(re.sub("[,.]", "", text))
        amounts[name] = -amount if STATEMENT[name].sign < 0 else amount
    share = r"(-|-?[0-9,]+\.[0-9] (?:%|kg))"
    return terms, amounts, {n: find(label, f"^    {label} +{share}$") for n, label in SHARES.items()}


def _shown(label: str) -> str:
    """Return a label of the ledger as it stands in the scenario, if all of it can be shown."""
    try:
        plain = unquote(label, errors="strict")
    except UnicodeDecodeError:
        return label
    return label if UNSEEN.search(plain) else plain


def _sum(proofs: Sequence[receipts.Proof], *names: str) -> int:
    return sum(int(proof.leaf.get(name, 0)) for proof in proofs for name in names)
