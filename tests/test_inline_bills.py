"""Bills of earlier formats, their receipt under the page: what was issued is checked as ever, and no edit passes."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otonari.runs.ledger.format import signed_note
from otonari.runs.ledger.format.errors import LedgerError, LedgerTampered
from otonari.runs.report.bills import inline

from . import counts

GOLDEN = Path(__file__).parent / "golden"
KEY = signed_note.parse_key((GOLDEN / "format-3" / "yen.vkey").read_text().strip())
BILLS = {
    number: (GOLDEN / f"format-{number}/clear/shade.bill").read_text(encoding="utf-8") for number in (3, 4)
}
OTHER = (GOLDEN / "format-4/clear/sun.receipt").read_text(encoding="utf-8")


def check(text):
    return inline.check(text.encode(), [KEY])


@pytest.mark.parametrize("page", BILLS.values(), ids=map(str, BILLS))
def test_every_digit_of_the_page_is_held(page):
    """But for the shares, which stand alone."""
    end = page.index("\n```\n")
    free = [m.span() for m in re.finditer(r"(?m)[0-9.]+ (?:%|kg)$", page[:end])]
    assert free
    places = [m.start() for m in re.finditer("[0-9]", page[:end])]
    for place in places[:: counts.all_or([1], [7])[0]]:
        altered = page[:place] + str((int(page[place]) + 1) % 10) + page[place + 1 :]
        if any(first <= place < last for first, last in free):
            check(altered)
        else:
            with pytest.raises(LedgerTampered):
                check(altered)


@settings(max_examples=counts.examples(60), derandomize=True, database=None, deadline=None)
@given(data=st.data(), page=st.sampled_from(list(BILLS.values())))
def test_any_edit_is_seen_or_changes_only_what_the_operator_states(page, data):
    place = data.draw(st.integers(0, len(page) - 1))
    length = data.draw(st.integers(0, 3))
    put = data.draw(st.text(st.characters(codec="utf-8"), max_size=3))
    altered = page[:place] + put + page[place + length :]
    try:
        found = check(altered)
    except LedgerError:
        return
    assert [p.leaf for p in found] == [p.leaf for p in check(page)]
    lines = page.split("\n"), altered.split("\n")
    changed = [line for line, other in zip(*lines, strict=True) if line != other]
    stated = (*inline.SHARES.values(), "kind of market", "currency", " kWh ", "JPY")
    assert all(any(word in line for word in stated) for line in changed), changed


@settings(max_examples=counts.examples(40), derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_bill(data):
    with pytest.raises(LedgerTampered):
        inline.check(inline.OPENING + data, [KEY])


def parts(page):
    above, fence, receipt = page.partition("\n```\n")
    first, *rest = receipt.removesuffix("```\n").split("\nc2sp.org")
    return above + fence, [first, *("c2sp.org" + proof for proof in rest)]


FORGED = {
    "a slot left out": lambda p: [p[0], *p[2:]],
    "slots in another order": lambda p: [p[0], p[2], p[1], *p[3:]],
    "a slot less": lambda p: p[:-1],
    "no receipt": lambda p: [],
}


@pytest.mark.parametrize("case", FORGED)
def test_a_receipt_of_another_period(case):
    above, proofs = parts(BILLS[4])
    assert check(above + "\n".join(proofs) + "```\n")
    with pytest.raises(LedgerTampered):
        check(above + "\n".join(FORGED[case](proofs)) + "```\n")


def test_a_receipt_of_another_participant():
    with pytest.raises(LedgerTampered, match="line 1: bill: got # Bill of shade, want # Bill of sun"):
        check(parts(BILLS[4])[0] + OTHER + "```\n")


def test_the_time_zone_of_a_bill_is_one():
    with pytest.raises(LedgerTampered, match="times"):
        check(BILLS[4].replace("time zone: Asia/Tokyo", "time zone: Mars/Olympus"))
    with pytest.raises(LedgerTampered, match="bill: got - period"):
        check(BILLS[4].replace("time zone: Asia/Tokyo", "time zone: UTC"))


@pytest.mark.parametrize("new", ["JPY\x1b[2J", "<b>JPY</b>", "JPY\u202e", "yen", "", "J PY", "ＪＰＹ", "jpy"])
def test_a_currency_is_three_letters(new):
    """The forger writes the whole page anew, with the right receipt and in the one spelling that its words have."""
    page, _, rest = BILLS[4].partition("\n```\n")
    proofs = check(BILLS[4])
    terms, *figures = inline._stated(page, "bill", proofs)
    forged = inline.Bill({**terms, "currency": new}, *figures, rest.removesuffix("```\n"), proofs)
    with pytest.raises(LedgerTampered):
        check(inline.write(forged))


@pytest.mark.parametrize(
    "new", ["p2p\x1b[2J", "<script>", "p2p\u202e", "fair", "grid-only", "", "p2p exchange"]
)
def test_a_kind_of_market_is_one_that_is_recorded(new):
    assert BILLS[4].count("kind of market: p2p") == 1
    with pytest.raises(LedgerTampered, match="kind of market"):
        check(BILLS[4].replace("kind of market: p2p", f"kind of market: {new}"))
    check(BILLS[4].replace("kind of market: p2p", "kind of market: exchange"))
