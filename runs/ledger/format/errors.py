"""What can be wrong with a ledger, as the kinds of failure that a caller can act on."""

from collections.abc import Sequence


class LedgerError(Exception):
    """The ledger cannot be read or written."""


class LedgerTampered(LedgerError):
    """Block ``index`` is not what the chain says: ``field`` was ``got`` where ``want`` belongs."""

    def __init__(self, index: int | str, field: str, got: object, want: object):
        self.index, self.field, self.got, self.want = index, field, str(got), str(want)
        where = f"block {index}" if isinstance(index, int) else index
        super().__init__(_shown(f"{where}: {field}: got {got!s:.100}, want {want!s:.100}"))


class LedgerConflict(LedgerError):
    """Something else is committed already; ``slots`` are the UTC epoch seconds concerned."""

    def __init__(self, what: str, slots: Sequence[int] = ()):
        self.slots = tuple(slots)
        super().__init__(what)


class LedgerTorn(LedgerError):
    """A write was cut short: bytes after the last newline, or blocks that no checkpoint vouches for."""


class LedgerLocked(LedgerError):
    """Another process holds the ledger."""


def _shown(text: str) -> str:
    """Return a text with whatever could steer a terminal, or deceive the eye, spelled out: it is the forger's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
