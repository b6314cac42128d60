"""The check of whatever a member may hold: bills of every format, and receipts, of slots or of bills."""

from collections.abc import Sequence
from pathlib import Path

from ...ledger import checkpoints, receipts
from ...ledger.format import signed_note
from ..pages import member_page
from . import inline, page, receipt


def is_bill(data: bytes) -> bool:
    """Tell whether bytes are a page, of any format, and no receipt."""
    return data.startswith(inline.OPENING) or member_page.is_page(data)


def check(
    path: Path,
    data: bytes,
    pinned: Sequence[signed_note.Key] = (),
    held: Sequence[checkpoints.KnownCheckpoint] = (),
) -> list[receipts.Proof]:
    """Check a bill or a receipt, and return the proofs of its slots; see :func:`otonari.runs.ledger.receipts.check`."""
    if member_page.is_page(data):
        say = member_page.language_of(data)
        form = page.Form(member_page.RECEIPT, lambda proved, where: member_page.write(proved, say, where))
        return page.check(path, data, pinned, held, form).proofs
    if is_bill(data) and page.is_page(data):
        return page.check(path, data, pinned, held).proofs
    if is_bill(data):
        return inline.check(data, pinned, held, str(path))
    if data.startswith(receipt.MAGIC):
        return receipt.check(data, pinned, held, str(path)).proofs
    return receipts.check(data, pinned, held, str(path))
