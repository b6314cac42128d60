"""Bills as rows for an accounting program: one row per line and member, which add up to what each is to pay."""

from collections.abc import Sequence

from ...text import as_csv
from .bill import Bill, Line, amount_text

COLUMNS = (
    "participant",
    "market",
    "start",
    "end",
    "part",
    "line",
    "label",
    "kwh",
    "price_per_kwh",
    "amount",
    "currency",
    "ledger",
    "receipt_sha256",
)


def write(bills: Sequence[Bill]) -> str:
    """Return bills as CSV: every line to pay, rounded as on the page, and the rounding of what is to be paid."""
    rows = []
    for one in bills:
        rows += [_row(one, line, one.shown(line)) for line in one.lines]
        if one.rounding:
            rows.append(_row(one, Line("rounding", "rounding", "rounding", None, 0, ""), one.rounding))
    return as_csv(COLUMNS, rows)


def _row(it: Bill, line: Line, amount: int) -> list[str]:
    kwh = "" if line.wh is None else _plain(line.wh, 3)
    return [
        it.participant,
        it.market,
        it.spans[0][0].isoformat(),
        it.spans[-1][1].isoformat(),
        line.part,
        line.name,
        line.label,
        kwh,
        line.price(it.decimals, it.digits + 2).replace(",", ""),
        _plain(amount, it.digits),
        it.currency,
        line.mark,
        it.digest,
    ]


def _plain(amount: int, decimals: int) -> str:
    return amount_text(amount, decimals).replace(",", "")
