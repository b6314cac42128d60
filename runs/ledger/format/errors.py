"""What can be wrong with a ledger, as the kinds of failure that a caller can act on.

Every class carries the exit code of a program that ends on it (``exit_code``), and what a message to a person calls
this kind of failure (``kind``, empty where the message says it all).
"""

from collections.abc import Sequence
from typing import ClassVar

from ....data.problems import shown


class LedgerError(Exception):
    """The ledger cannot be read or written."""

    exit_code: ClassVar[int] = 2
    kind: ClassVar[str] = ""


class LedgerTampered(LedgerError):
    """Block ``index`` is not what the chain says: ``field`` was ``got`` where ``want`` belongs."""

    exit_code = 4
    kind = "ledger tampered"

    def __init__(self, index: int | str, field: str, got: object, want: object):
        self.index, self.field, self.got, self.want = index, field, str(got), str(want)
        where = f"block {index}" if isinstance(index, int) else index
        super().__init__(shown(f"{where}: {field}: got {got!s:.100}, want {want!s:.100}"))


class LedgerConflict(LedgerError):
    """Something else is committed already; ``slots`` are the UTC epoch seconds concerned."""

    exit_code = 5
    kind = "ledger conflict"

    def __init__(self, what: str, slots: Sequence[int] = ()):
        self.slots = tuple(slots)
        super().__init__(what)


class LedgerTorn(LedgerError):
    """A write was cut short: bytes after the last newline, or blocks that no checkpoint vouches for."""

    exit_code = 6
    kind = "ledger torn"


class LedgerLocked(LedgerError):
    """Another process holds the ledger."""

    exit_code = 6
    kind = "ledger locked"
