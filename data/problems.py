"""Problems of an input: place, got and want, each listed once."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar

UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that steer a terminal, break a line, turn it round, or cannot be seen."""
_LISTED = 5  # entries of one kind that become a problem each; the rest are counted


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: where it stands, what was found there and what belongs there.

    ``where`` is a file (or ``inputs`` for a Dataset), ``row`` its line (header = 1) or the labels of the
    entry, ``field`` the column, key or variable.
    """

    where: str
    row: str
    field: str
    got: str
    want: str

    def __str__(self) -> str:
        """Return ``where:row: field: got ..., want ...`` on one line."""
        place = f"{self.where}:{self.row}" if self.row else self.where
        return shown(f"{place}: {self.field}: got {self.got}, want {self.want}")


class InputError(ValueError):
    """The input cannot be used; ``problems`` lists everything that is wrong with it."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))


def shown(text: str) -> str:
    r"""Return a text on one line as it may stand before a person's eyes: what could deceive them is spelled out.

    All that comes from data passes here on its way to a terminal.

    >>> shown("home\x1b[2J\u202e1"), shown("お隣　さん")
    ('home\\x1b[2J\\u202e1', 'お隣\u3000さん')
    """
    return UNSEEN.sub(lambda c: c[0].encode("unicode_escape").decode(), text)


def several(where: str, field: str, entries: Sequence[tuple[int, str]], want: str) -> Iterator[Problem]:
    """Yield a problem for each of the first entries (row, got) of one kind, and one that counts the rest."""
    for row, got in entries[:_LISTED]:
        yield Problem(where, str(row), field, got, want)
    if len(entries) > _LISTED:
        rest = f"{len(entries) - _LISTED} more rows like these, to row {entries[-1][0]}"
        yield Problem(where, "~", field, rest, want)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``' (did you mean ...?)'`` for the nearest known word, or nothing.

    >>> suggestion("demnad", ["demand", "series"])
    " (did you mean 'demand'?)"
    >>> suggestion("xyz", ["demand"])
    ''
    """
    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
