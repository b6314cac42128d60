"""The page of a bill, in Markdown, and its check: what to pay, line by line, and what of it the receipt proves.

A page follows from its receipt, byte for byte. So whoever checks one writes it again from the file beside it: no figure
on it can be altered alone, and what the operator states is in the receipt that the page names.
"""

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from ...ledger import checkpoints, durable_files
from ...ledger.format import signed_note
from ...ledger.format.errors import LedgerError, LedgerTampered
from ...text import on_page, section, table
from . import receipt
from .bill import ENERGY_PROVED, PARTS, PROVED, STATED, Bill, Line, amount_text, bill, rounded
from .receipt import Receipt

_RECEIPT = re.compile(
    r"^Receipt: `([^`/\n]+)` beside this page, SHA-256 of its content\n`([0-9a-f]{64})`\.$", re.MULTILINE
)
_FORMAT = "otonari bill, format 3: see LEDGER.md."
_LEGEND = f"""\
`{PROVED}`: the receipt proves that the ledger recorded it; `otonari ledger check` computes it again from there. That
it was recorded does not prove what a meter measured. `{ENERGY_PROVED}`, `{STATED}`: the operator says the rest.
Amounts are rounded where they are shown; what is to be paid is rounded once, from the exact sum."""


class Form(NamedTuple):
    """A form of pages: where one names its receipt and that content's SHA-256, and how it is written of a receipt."""

    receipt: re.Pattern[str]
    write: Callable[[Receipt, str], str]


def is_page(data: bytes) -> bool:
    """Tell whether a page is of this format, its receipt in a file beside it."""
    return data.endswith(_FORMAT.encode() + b"\n")


def write(it: Bill) -> str:
    """Return the page of a bill."""
    parts = [f"# Bill of {on_page(it.participant)}", _head(it), section("To pay", _lines(it)), _LEGEND]
    if it.peaks:
        parts.append("\n".join(_peak(it, *peak) for peak in it.peaks))
    if it.borne:
        parts.append(section("Borne beside this bill, nothing to pay here (stated)", _amounts(it, it.borne)))
    if it.gains or it.co2_grams is not None:
        parts.append(section("What the period brought (stated)", _gains(it)))
    if it.appliances:
        parts.append(section("Heat pumps and appliances (stated, part of the lines above)", _appliances(it)))
    if it.sellers:
        parts.append(section("Bought from (proved)", _sellers(it)))
    if it.sources:
        parts.append(section("Where the energy came from (proved)", _sources(it)))
    parts.append(
        f"Receipt: `{it.receipt_name}` beside this page, SHA-256 of its content\n`{it.digest}`.\n{_FORMAT}"
    )
    return "\n\n".join(parts) + "\n"


def check(
    path: Path,
    data: bytes,
    pinned: Sequence[signed_note.Key] = (),
    held: Sequence[checkpoints.KnownCheckpoint] = (),
    form: Form | None = None,
) -> Receipt:
    """Check the receipt that a page names, and the page against it; arguments as of :func:`receipt.check`.

    ``form`` is that of the page, by default Markdown.

    Raises
    ------
    LedgerTampered
        If anything in the receipt is wrong, or on the page.
    LedgerError
        If there is neither key nor checkpoint, or no receipt beside the page.
    """
    source = str(path)
    form = form or Form(_RECEIPT, lambda proved, where: write(bill(proved, where)))
    named = form.receipt.search(data.decode(errors="replace"))
    if not named or named[1] in (".", ".."):
        raise LedgerTampered(source, "receipt", "none", "the name of a file beside the page")
    beside = path.parent / named[1]
    if not beside.exists():
        raise LedgerError(f"{beside}: not there; the receipt of a bill belongs beside its page")
    proved = receipt.check(durable_files.read(beside, receipt.LARGEST), pinned, held, str(beside))
    if proved.digest != named[2]:
        raise LedgerTampered(str(beside), "SHA-256 of its content", proved.digest, named[2])
    want = form.write(proved, str(beside)).encode().split(b"\n")
    for number, (line, right) in enumerate(zip_longest(data.split(b"\n"), want), start=1):
        if line != right:
            got, wanted = _around(line or b"", right or b"")
            raise LedgerTampered(f"{source}, line {number}", "bill", got, wanted)
    return proved


def _around(got: bytes, want: bytes, most: int = 120) -> tuple[str, str]:
    """Return two lines that differ as text; of longer ones, what is around the first difference."""
    pairs = zip_longest(got, want)
    first = next((k for k, (one, other) in enumerate(pairs) if one != other), 0)
    start = max(first - most // 4, 0) if max(len(got), len(want)) > most else 0
    texts = (line[start : start + most].decode(errors="replace") for line in (got, want))
    return next(texts), next(texts)


def _head(it: Bill) -> str:
    """Return who bills what: the market, the period, and what is to be paid."""
    times = [" to ".join(f"{t:%Y-%m-%d %H:%M}" for t in span) for span in it.spans]
    what = "to pay" if it.to_pay >= 0 else "to receive"
    lines = [
        f"market: {on_page(it.market)} ({it.rules})",
        f"period: {', '.join(times)} ({it.zone}), {it.slots} slots",
        f"{what}: **{it.money(abs(it.to_pay))} {it.currency}**",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _lines(it: Bill) -> str:
    """Return the lines that add up, as they are shown, to what is to be paid."""
    rows = []
    for part, title in PARTS.items():
        own = [line for line in it.lines if line.part == part]
        rows += [[title, "", "", "", ""], *(_row(it, line) for line in own)] if own else []
    rows += [["rounding", "", "", it.money(it.rounding), ""]] if it.rounding else []
    rows += [["to pay", "", "", it.money(it.to_pay), ""]]
    return table(["", "kWh", f"{it.currency}/kWh", it.currency, "ledger"], rows)


def _row(it: Bill, line: Line) -> list[str]:
    kwh = "" if line.wh is None else amount_text(line.wh, 3)
    price = line.price(it.decimals, it.digits + 2)
    return [f"  {line.label}", kwh, price, it.money(it.shown(line)), line.mark]


def _peak(it: Bill, label: str, watts: int, saves: int | None) -> str:
    """Return what a bill says of a peak."""
    charged = f"- {on_page(label)}: {watts:,} W charged, summed over months (stated)"
    if saves is None:
        return charged
    worth = f"{it.money(rounded(saves, it.minor))} {it.currency}"
    return f"{charged}; one kW less at the peaks saves {worth}"


def _amounts(it: Bill, lines: Sequence[Line]) -> str:
    return table(["", it.currency], [[line.label, it.money(it.shown(line))] for line in lines])


def _gains(it: Bill) -> str:
    """Return what was saved, and the carbon dioxide of retail power and fuel."""
    rows = [[line.label, it.money(it.shown(line)), it.currency] for line in it.gains]
    if it.co2_grams is not None:
        rows.append(["CO2 of retail power and fuel", amount_text(it.co2_grams, 3), "kg"])
    return table(["", "", ""], rows).lstrip("\n")


def _appliances(it: Bill) -> str:
    """Return what heat pumps and appliances used and cost, and in which hours of the day the most."""
    rows = [
        [
            on_page(one.label),
            amount_text(sum(one.hours), 3),
            it.money(rounded(one.amount, it.minor)),
            f"{one.busiest:02d}:00",
        ]
        for one in it.appliances
    ]
    return table(["", "kWh", it.currency, "most from"], rows)


def _sellers(it: Bill) -> str:
    """Return what was bought of whom; names stand last, where their width on the screen does not matter."""
    rows = [("kWh", "participant"), *((amount_text(wh, 3), name) for name, wh in it.sellers)]
    width = max(len(kwh) for kwh, _ in rows)
    return "\n".join(f"{kwh:>{width}}  {name}" for kwh, name in rows)


def _sources(it: Bill) -> str:
    """Return the energy that was used by its source, and its share of the use."""
    total: dict[str, int] = {}
    for use, _, wh in it.sources:
        total[use] = total.get(use, 0) + wh
    rows = [
        [f"{use} from {source}", amount_text(wh, 3), f"{100 * wh / total[use]:.1f} %"]
        for use, source, wh in it.sources
    ]
    return table(["", "kWh", "share"], rows)
